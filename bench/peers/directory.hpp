// directory: from the eight opaque bytes of an identifier to the program's own record: open addressing, as any server
// would have it that is told of completions by identifier.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace peers {

struct identifier {
    unsigned char bytes[8];
};

template <class Record>
class directory {
public:
    explicit directory(std::size_t count) {
        std::size_t places = 64;
        while (places < count * 2) places *= 2;
        places_.resize(places);
    }
    void add(Record* r) {
        std::size_t i = place_of(r->id);
        while (places_[i] != nullptr) i = (i + 1) & (places_.size() - 1);
        places_[i] = r;
    }
    [[nodiscard]] Record* find(const identifier& id) const {
        std::size_t i = place_of(id);
        while (places_[i] != nullptr && std::memcmp(places_[i]->id.bytes, id.bytes, 8) != 0)
            i = (i + 1) & (places_.size() - 1);
        return places_[i];
    }
    // The places behind move up, so that nothing marks where somebody was.
    void remove(const identifier& id) {
        std::size_t i = place_of(id);
        while (places_[i] != nullptr && std::memcmp(places_[i]->id.bytes, id.bytes, 8) != 0)
            i = (i + 1) & (places_.size() - 1);
        for (std::size_t hole = i;;) {
            i = (i + 1) & (places_.size() - 1);
            if (places_[i] == nullptr) {
                places_[hole] = nullptr;
                return;
            }
            if (((i - place_of(places_[i]->id)) & (places_.size() - 1)) < ((i - hole) & (places_.size() - 1))) continue;
            places_[hole] = places_[i];
            hole = i;
        }
    }

private:
    [[nodiscard]] std::size_t place_of(const identifier& id) const {
        std::uint64_t v = 0;
        std::memcpy(&v, id.bytes, 8);
        return (v * 0x9E3779B97F4A7C15ULL >> 20) & (places_.size() - 1);
    }
    std::vector<Record*> places_;
};

}  // namespace peers
