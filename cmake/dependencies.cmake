# Dependencies come from the system (or from vcpkg, see vcpkg.json); none of them shows in an installed header.
# Headers of others are SYSTEM so that their warnings stay theirs.
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig)

# What the library itself links. Windows resolves names by itself.
if(WIN32)
    set(colloquy_system_libraries ws2_32 mswsock iphlpapi bcrypt synchronization)
    set(colloquy_pc_requires "")
    list(TRANSFORM colloquy_system_libraries PREPEND "-l" OUTPUT_VARIABLE colloquy_pc_libraries)
    list(JOIN colloquy_pc_libraries " " colloquy_pc_libraries)
    string(APPEND colloquy_pc_libraries " -lstdc++ -pthread")
else()
    pkg_check_modules(CARES REQUIRED IMPORTED_TARGET libcares)
    set(colloquy_system_libraries PkgConfig::CARES)
    set(colloquy_pc_requires libcares)
    set(colloquy_pc_libraries "-lstdc++ -lm -pthread")
endif()

# Makes `name` an interface target for a library that is only headers; ARGN are its files or folders beside `header`.
# A cross compiler must not see the headers of this machine, but those few are the same everywhere: they are shown to it
# through links in a folder of the build tree.
function(colloquy_header_library name header)
    find_path(${name}_include_directory ${header})
    if(NOT ${name}_include_directory AND CMAKE_CROSSCOMPILING)
        find_path(${name}_host_directory ${header} NO_CMAKE_FIND_ROOT_PATH PATHS /usr/include /usr/local/include
            NO_DEFAULT_PATH)
        mark_as_advanced(${name}_host_directory)
        if(${name}_host_directory)
            set(links ${PROJECT_BINARY_DIR}/host-headers/${name})
            file(MAKE_DIRECTORY ${links})
            foreach(entry IN LISTS ARGN)
                file(CREATE_LINK ${${name}_host_directory}/${entry} ${links}/${entry} COPY_ON_ERROR SYMBOLIC)
            endforeach()
            set(${name}_include_directory ${links} CACHE PATH "" FORCE)
        endif()
    endif()
    mark_as_advanced(${name}_include_directory)
    if(NOT ${name}_include_directory)
        message(FATAL_ERROR "${header} was not found: see tools/deps.sh")
    endif()
    add_library(${name} INTERFACE)
    target_include_directories(${name} SYSTEM INTERFACE ${${name}_include_directory})
endfunction()

# toml++ is used header-only: distributions disagree on whether a library exists.
colloquy_header_library(colloquy_toml toml++/toml.h toml++)
target_compile_definitions(colloquy_toml INTERFACE TOML_HEADER_ONLY=1)
colloquy_header_library(colloquy_concurrent_queue concurrentqueue/concurrentqueue.h concurrentqueue)

if(COLLOQUY_BUILD_TESTS)
    colloquy_header_library(colloquy_doctest doctest/doctest.h doctest)
    find_package(Python3 COMPONENTS Interpreter)
endif()

# On Windows what is not found is left out: there is no distribution to ask for it.
set(colloquy_required REQUIRED)
if(WIN32)
    set(colloquy_required QUIET)
endif()
if(COLLOQUY_BUILD_TOOLS)
    # Headers both; a cross compiler finds no packages of this machine, but may see these headers.
    find_package(CLI11 ${colloquy_required})
    if(NOT TARGET CLI11::CLI11)
        colloquy_header_library(colloquy_cli11 CLI/CLI.hpp CLI)
        add_library(CLI11::CLI11 ALIAS colloquy_cli11)
    endif()
    find_package(nlohmann_json ${colloquy_required})
    if(NOT TARGET nlohmann_json::nlohmann_json)
        colloquy_header_library(colloquy_json nlohmann/json.hpp nlohmann)
        add_library(nlohmann_json::nlohmann_json ALIAS colloquy_json)
    endif()
    find_package(SQLite3 ${colloquy_required})
endif()
if(COLLOQUY_BUILD_BENCHES)
    find_package(benchmark ${colloquy_required})
endif()

# The allocator of tools and benches. Sanitizers need their own, so theirs stays.
add_library(colloquy_allocator INTERFACE)
if((COLLOQUY_BUILD_TOOLS OR COLLOQUY_BUILD_BENCHES) AND NOT COLLOQUY_SANITIZE)
    find_package(mimalloc ${colloquy_required})
    if(mimalloc_FOUND)
        target_link_libraries(colloquy_allocator INTERFACE mimalloc)
    endif()
endif()
