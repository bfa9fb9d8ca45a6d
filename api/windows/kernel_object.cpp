#include "api/windows/kernel_object.hpp"

#include <cstddef>

namespace colloquy::api {

namespace {

// What the system answers about the type of an object; the name's characters follow.
struct object_type {
    struct {
        unsigned short length;  // in bytes
        unsigned short length_max;
        const wchar_t* characters;
    } name;
    std::byte rest[512];
};

// There is no documented call that tells one type from another without touching the object; this one has been there
// since the first Windows NT. A system without it would have us take any handle.
bool is_of_type(HANDLE handle, std::wstring_view wanted) noexcept {
    constexpr int type_information = 2;
    static auto* const query =
        find_function<LONG NTAPI(HANDLE, int, void*, ULONG, ULONG*)>(L"ntdll.dll", "NtQueryObject");
    if (query == nullptr) return true;
    object_type type{};
    if (query(handle, type_information, &type, sizeof type, nullptr) < 0) return false;
    return std::wstring_view{type.name.characters, type.name.length / sizeof(wchar_t)} == wanted;
}

}  // namespace

HANDLE own_handle(HANDLE given, std::wstring_view type, DWORD access) noexcept {
    HANDLE own = nullptr;
    const HANDLE process = ::GetCurrentProcess();
    // A pseudo handle (of the process, of the thread) becomes a real one here, and is refused by its type.
    if (given == nullptr || ::DuplicateHandle(process, given, process, &own, access, FALSE, 0) == 0) return nullptr;
    if (is_of_type(own, type)) return own;
    (void)::CloseHandle(own);
    return nullptr;
}

}  // namespace colloquy::api
