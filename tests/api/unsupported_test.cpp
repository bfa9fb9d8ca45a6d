// Calls that are there for programs to link with: 48 whatever they are given, 24 for a null pointer, and nothing else
// happens. And the exports of Networking Services/2, which do nothing at all.
#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include "api/wincpic.h"
#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

struct alignas(16) room {
    std::array<std::byte, 64> bytes{};
};

// Calls `f` with room for every parameter, then with each of them null in turn. `id` is the first parameter, if given.
template <class... Parameters, std::size_t... Index>
void try_all(const char* name, void (*f)(Parameters...), const void* id, std::index_sequence<Index...>) {
    CAPTURE(name);
    constexpr std::size_t last = sizeof...(Parameters) - 1;
    std::array<room, sizeof...(Parameters)> rooms{};
    std::array<void*, sizeof...(Parameters)> pointers{static_cast<void*>(&rooms[Index])...};
    if (id != nullptr) std::memcpy(pointers[0], id, CM_CID_SIZE);
    CM_INT32 rc = -1;
    pointers[last] = &rc;
    const auto call = [&] {
        rc = -1;
        f(static_cast<Parameters>(pointers[Index])...);
        return rc;
    };
    CHECK(call() == CM_CALL_NOT_SUPPORTED);
    for (std::size_t i = 0; i < last; ++i) {
        CAPTURE(i);
        void* const pointer = std::exchange(pointers[i], nullptr);
        CHECK(call() == CM_PROGRAM_PARAMETER_CHECK);
        pointers[i] = pointer;
    }
    for (std::size_t i = 1; i < last; ++i) CHECK(rooms[i].bytes == room{}.bytes);
    pointers[last] = nullptr;
    f(static_cast<Parameters>(pointers[Index])...);
}

template <class... Parameters>
void refused(const char* name, void (*f)(Parameters...), const void* id) {
    try_all(name, f, id, std::index_sequence_for<Parameters...>{});
}

void refuse_everything(const void* id) {
    refused("cmdfde", cmdfde, id);
    refused("cmprep", cmprep, id);
    refused("cmincl", cmincl, id);
    refused("cmsac", cmsac, id);
    refused("cmsbt", cmsbt, id);
    refused("cmscu", cmscu, id);
    refused("cmsjt", cmsjt, id);
    refused("cmspdp", cmspdp, id);
    refused("cmstc", cmstc, id);
    refused("cmetc", cmetc, id);
    refused("cmsaeq", cmsaeq, id);
    refused("cmeaeq", cmeaeq, id);
    refused("cmsapt", cmsapt, id);
    refused("cmeapt", cmeapt, id);
    refused("cmsacn", cmsacn, id);
    refused("cmeacn", cmeacn, id);
    refused("cmspid", cmspid, id);
    refused("cmepid", cmepid, id);
    refused("cmsid", cmsid, id);
    refused("cmeid", cmeid, id);
    refused("cmsmid", cmsmid, id);
    refused("cmemid", cmemid, id);
    refused("cmsndm", cmsndm, id);
    refused("cmrcvm", cmrcvm, id);
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("unsupported: 48, or 24 for a null pointer, before anything is started and after") {
        REQUIRE(clq_stop(0) == 0);
        const id_bytes nobody{};
        refuse_everything(nobody.data());
        CHECK(clq_counter("verbs") == 0);

        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        refuse_everything(t.id.data());
        CHECK(t.state() == CM_INITIALIZE_STATE);
        CHECK(t.cancel() == CM_OK);
    }

    TEST_CASE("unsupported: exports of Networking Services/2 do nothing") {
        allocate_memory();
        free_cpic_memory();
        icmssi();
        CHECK(clq_counter("verbs") == 0);
    }
}
