# Dependencies come from the system (or from vcpkg, see vcpkg.json); none of them shows in an installed header.
# Headers of others are SYSTEM so that their warnings stay theirs.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)

# Makes `name` an interface target for a library that is one header.
function(colloquy_header_library name header)
    find_path(${name}_include_directory ${header} REQUIRED)
    mark_as_advanced(${name}_include_directory)
    add_library(${name} INTERFACE)
    target_include_directories(${name} SYSTEM INTERFACE ${${name}_include_directory})
endfunction()

# toml++ is used header-only: distributions disagree on whether a library exists.
colloquy_header_library(colloquy_toml toml++/toml.h)
target_compile_definitions(colloquy_toml INTERFACE TOML_HEADER_ONLY=1)
colloquy_header_library(colloquy_concurrent_queue concurrentqueue/concurrentqueue.h)

if(COLLOQUY_BUILD_TESTS)
    colloquy_header_library(colloquy_doctest doctest/doctest.h)
    find_package(Python3 COMPONENTS Interpreter)
endif()
if(COLLOQUY_BUILD_TOOLS)
    find_package(CLI11 REQUIRED)
    find_package(nlohmann_json REQUIRED)
    find_package(SQLite3 REQUIRED)
endif()
if(COLLOQUY_BUILD_BENCHES)
    find_package(benchmark REQUIRED)
endif()

# The allocator of tools and benches. Sanitizers need their own, so theirs stays.
add_library(colloquy_allocator INTERFACE)
if((COLLOQUY_BUILD_TOOLS OR COLLOQUY_BUILD_BENCHES) AND NOT COLLOQUY_SANITIZE)
    find_package(mimalloc REQUIRED)
    target_link_libraries(colloquy_allocator INTERFACE mimalloc)
endif()
