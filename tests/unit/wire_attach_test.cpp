// FMH-5 and the error log. Goal: what the format cannot carry is refused when encoding, and everything else comes back.
// Method: attaches with random fields are encoded and decoded.
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"
#include "tests/unit/wire_test_bytes.hpp"

namespace {

using namespace colloquy;
using test::exact_copy;

std::string random_name(std::mt19937_64& random, std::size_t size) {
    static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@#$.-_";
    std::string out;
    for (std::size_t i = 0; i < size; ++i) out += letters[random() % letters.size()];
    return out;
}

wire::attach random_attach(std::mt19937_64& random) {
    wire::attach a;
    const auto coin = [&random] { return random() % 2 == 0; };
    a.mapped = coin();
    a.full_duplex = coin();
    a.sync_level = static_cast<std::uint8_t>(random() % 3);
    a.already_verified = coin();
    a.has_pip = coin();
    a.persistent = static_cast<wire::persistent_verification>(random() % 3);
    a.tp_name.assign(random_name(random, random() % 64 + 1));
    if (coin()) {
        a.service_tp = true;
        *a.tp_name.data() = static_cast<std::byte>(random() % 0x40);
    }
    a.user_id.assign(random_name(random, random() % 11));
    a.password.assign(random_name(random, random() % 11));
    a.profile.assign(random_name(random, random() % 11));
    if (coin()) {
        a.has_luwid = true;
        a.luwid_name.assign(random_name(random, random() % 17 + 1));
        for (std::byte& b : a.luwid_instance) b = static_cast<std::byte>(random() & 0xFF);
        a.luwid_sequence = static_cast<std::uint16_t>(random() & 0xFFFF);
    }
    a.correlator.assign(random_name(random, random() % 9));
    if (coin()) {
        a.has_attach_sequence = true;
        for (std::byte& b : a.attach_sequence) b = static_cast<std::byte>(random() & 0xFF);
    }
    return a;
}

}  // namespace

TEST_SUITE("unit") {
    TEST_CASE("wire_fmh5: random attaches come back") {
        const auto seed = test::test_seed();
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        // One output for all, as a session has it: nothing of an earlier attach may shine through.
        wire::attach b;
        for (int i = 0; i < 5000; ++i) {
            const wire::attach a = random_attach(random);
            std::byte out[wire::fmh5_size_max];
            const std::size_t n = wire::encode_attach(out, a);
            REQUIRE(n != 0);
            const exact_copy copy{std::span{out}.first(n)};
            const wire::attach_result result = wire::decode_attach(copy.span(), b);
            REQUIRE(result.sense == 0);
            REQUIRE(result.size == n);
            std::byte again[wire::fmh5_size_max];
            REQUIRE(wire::encode_attach(again, b) == n);
            REQUIRE(std::equal(out, out + n, again));
            REQUIRE(b.tp_name == a.tp_name);
            REQUIRE(b.service_tp == a.service_tp);
            REQUIRE(b.user_id == a.user_id);
            REQUIRE(b.mapped == a.mapped);
            REQUIRE(b.full_duplex == a.full_duplex);
            REQUIRE(b.sync_level == a.sync_level);
            REQUIRE(b.has_pip == a.has_pip);
            REQUIRE(b.has_luwid == a.has_luwid);
            REQUIRE(b.correlator == a.correlator);
        }
    }

    TEST_CASE("wire_fmh5: what the format cannot carry is not encoded") {
        std::byte out[wire::fmh5_size_max];
        wire::attach a;
        CHECK(wire::encode_attach(out, a) == 0);  // no name
        a.tp_name.assign("TP");
        CHECK(wire::encode_attach(out, a) == 15);
        a.sync_level = 3;
        CHECK(wire::encode_attach(out, a) == 0);
        a.sync_level = 0;
        a.service_tp = true;  // but the name begins with a letter
        CHECK(wire::encode_attach(out, a) == 0);
        a.service_tp = false;
        a.tp_name.assign("\x01X");  // a control character would come back as a service program
        CHECK(wire::encode_attach(out, a) == 0);
        a.tp_name.assign("TP");
        a.has_luwid = true;  // without a name
        CHECK(wire::encode_attach(out, a) == 0);
        CHECK(wire::encode_attach_section(std::span{out}.first(3), 1, a) == 0);
    }

    TEST_CASE("wire_fmh5: every shorter copy of a good header is refused") {
        std::mt19937_64 random{test::test_seed()};
        std::byte out[wire::fmh5_size_max];
        const std::size_t n = wire::encode_attach(out, random_attach(random));
        for (std::size_t size = 0; size < n; ++size) {
            const exact_copy copy{std::span{out}.first(size)};
            wire::attach a;
            CHECK(wire::decode_attach(copy.span(), a).sense == wire::sense::fmh_length);
        }
    }

    TEST_CASE("wire_small_text: bounded, comparable, and unchanged when it refuses") {
        wire::small_text<4> t;
        CHECK(t.empty());
        CHECK(t.assign("ABCD"));
        CHECK_FALSE(t.assign("ABCDE"));
        CHECK(t == "ABCD");
        CHECK(t.assign(""));
        CHECK(t.empty());
        t.set_size(9);
        CHECK(t.size() == 4);
    }

    TEST_CASE("wire_fmh7: the longest log fits an error payload, a longer one is refused") {
        const test::byte_vector product(wire::product_set_size_max, std::byte{0x11});
        const std::string message(wire::log_data_size_max, 'm');
        test::byte_vector out(wire::error_payload_size_max);
        wire::encode_fmh7(out.data(), {wire::sense::deallocate_abend, true});
        const auto rest = std::span{out}.subspan(wire::fmh7_size);
        REQUIRE(wire::encode_error_log(rest, product, message) == rest.size());
        const exact_copy copy{out};
        const wire::decoded_error decoded = wire::decode_error(copy.span());
        REQUIRE(decoded.valid);
        CHECK(decoded.log.message.size() == message.size());
        CHECK(decoded.log.product_set.size() == product.size());
        CHECK(decoded.log.message[0] == std::byte{0x94});
        test::byte_vector large(2000);
        CHECK(wire::encode_error_log(large, product, message + "m") == 0);
        CHECK(wire::encode_error_log(large, test::byte_vector(256), message) == 0);
    }
}
