// signalled: whether a handle that a host's loop would wait for tells of something, the way such a loop would ask.
#pragma once

#include <cstdint>

#ifdef _WIN32
#include <winsock2.h>
#else
#include <poll.h>
#endif

namespace transport_test {

// Waits at most so long; 0 only looks.
[[nodiscard]] inline bool is_signalled(std::intptr_t handle, std::uint32_t most_ms) noexcept {
#ifdef _WIN32
    return ::WaitForSingleObject(reinterpret_cast<HANDLE>(handle), most_ms) == WAIT_OBJECT_0;
#else
    pollfd p{static_cast<int>(handle), POLLIN, 0};
    return ::poll(&p, 1, static_cast<int>(most_ms)) == 1;
#endif
}

}  // namespace transport_test
