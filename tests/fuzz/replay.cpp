// The main function of a fuzz target where libFuzzer is not linked: every kept input, then as many mutations of them as
// asked, from one seed.
//
// usage: TARGET [--mutations N] [--seed S] FILE|DIRECTORY ...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.hpp"

namespace {

using input_bytes = std::vector<std::uint8_t>;

void run(const input_bytes& bytes) {
    // Exactly as large as it is, so that a sanitizer sees a look beyond it.
    const auto copy = std::make_unique<std::uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), copy.get());
    (void)LLVMFuzzerTestOneInput(copy.get(), bytes.size());
}

input_bytes mutated(const std::vector<input_bytes>& kept, std::mt19937_64& random) {
    const auto below = [&random](std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(random() % n); };
    input_bytes b = kept[below(kept.size())];
    const auto at = [&] { return b.begin() + static_cast<std::ptrdiff_t>(below(b.size())); };
    for (std::size_t rounds = 1 + below(6); rounds > 0; --rounds) {
        switch (b.empty() ? 3 : below(6)) {
            case 0: *at() ^= static_cast<std::uint8_t>(1U << below(8)); break;
            case 1: *at() = static_cast<std::uint8_t>(random()); break;
            case 2: b.erase(at(), b.end()); break;
            case 3:
                b.insert(b.begin() + static_cast<std::ptrdiff_t>(below(b.size() + 1)), below(9),
                         static_cast<std::uint8_t>(random()));
                break;
            case 4: b.erase(at()); break;
            default: {
                const input_bytes& other = kept[below(kept.size())];
                const std::size_t from = below(other.size());
                b.insert(b.begin() + static_cast<std::ptrdiff_t>(below(b.size() + 1)),
                         other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
            }
        }
        if (b.size() > 4096) b.resize(4096);
    }
    return b;
}

int run_all(int count, char** arguments) {
    unsigned long long mutations = 0, seed = 1;
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < count; ++i) {
        const std::string argument = arguments[i];
        if ((argument == "--mutations" || argument == "--seed") && i + 1 < count) {
            (argument == "--seed" ? seed : mutations) = std::stoull(arguments[++i]);
        } else if (std::filesystem::is_directory(argument)) {
            for (const auto& entry : std::filesystem::directory_iterator{argument})
                if (entry.is_regular_file()) files.push_back(entry.path());
        } else {
            files.emplace_back(argument);
        }
    }
    std::sort(files.begin(), files.end());
    std::vector<input_bytes> kept;
    for (const auto& file : files) {
        std::ifstream in{file, std::ios::binary};
        if (!in) {
            std::fprintf(stderr, "%s: cannot be read\n", file.string().c_str());
            return 2;
        }
        kept.emplace_back(std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{});
        std::fprintf(stderr, "%s\n", file.filename().string().c_str());
        run(kept.back());
    }
    if (kept.empty()) {
        std::fprintf(stderr, "no inputs: name files or directories\n");
        return 2;
    }
    std::mt19937_64 random{seed};
    for (unsigned long long i = 0; i < mutations; ++i) {
        const input_bytes b = mutated(kept, random);
        // What a crash leaves behind to be looked at.
        if (const char* keep = std::getenv("COLLOQUY_FUZZ_LAST"))
            std::ofstream{keep, std::ios::binary}.write(reinterpret_cast<const char*>(b.data()),
                                                        static_cast<std::streamsize>(b.size()));
        run(b);
    }
    std::printf("%zu inputs and %llu mutations of seed %llu hold\n", kept.size(), mutations, seed);
    return 0;
}

}  // namespace

int main(int count, char** arguments) {
    try {
        return run_all(count, arguments);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 2;
    }
}
