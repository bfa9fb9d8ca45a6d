# What a builder can choose, the compiler flags that follow from it, and where products go.
option(COLLOQUY_WERROR "Treat warnings as errors" OFF)
option(COLLOQUY_BUILD_SHARED "Build the shared library beside the static one" ON)
option(COLLOQUY_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(COLLOQUY_BUILD_TOOLS "Build the colloquy command" ${PROJECT_IS_TOP_LEVEL})
option(COLLOQUY_BUILD_BENCHES "Build the benchmarks" ${PROJECT_IS_TOP_LEVEL})
option(COLLOQUY_BUILD_EXAMPLES "Build the examples" ${PROJECT_IS_TOP_LEVEL})
option(COLLOQUY_CHECK_HEADERS "Compile every header alone" ${COLLOQUY_BUILD_TESTS})
option(COLLOQUY_BUILD_PEERS "Build what Colloquy is compared with (bench/peers), as far as it is installed" OFF)
option(COLLOQUY_TLS "TLS on links, where OpenSSL is found" ON)
option(COLLOQUY_FUZZ "Build the fuzz targets under libFuzzer (clang)" OFF)
set(COLLOQUY_SANITIZE "" CACHE STRING "Sanitizers: empty, address,undefined or thread")

get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE AND NOT multi_config)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
if(PROJECT_IS_TOP_LEVEL)
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
endif()

find_program(COLLOQUY_CCACHE ccache)
mark_as_advanced(COLLOQUY_CCACHE)
if(COLLOQUY_CCACHE AND PROJECT_IS_TOP_LEVEL)
    foreach(language IN ITEMS C CXX)
        if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
            set(CMAKE_${language}_COMPILER_LAUNCHER ${COLLOQUY_CCACHE})
        endif()
    endforeach()
endif()

add_library(colloquy_warnings INTERFACE)
add_library(colloquy_c_warnings INTERFACE)
if(MSVC)
    target_compile_options(colloquy_warnings INTERFACE /W4 /permissive- $<$<BOOL:${COLLOQUY_WERROR}>:/WX>)
    target_compile_options(colloquy_c_warnings INTERFACE /W4 $<$<BOOL:${COLLOQUY_WERROR}>:/WX>)
else()
    target_compile_options(colloquy_warnings INTERFACE
        -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wcast-qual
        -Wnon-virtual-dtor $<$<BOOL:${COLLOQUY_WERROR}>:-Werror>)
    # gcc 12 warns of std::string's own operator+ (PR 105651) and of atomics it has inlined past its own bounds
    # analysis.
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        target_compile_options(colloquy_warnings INTERFACE -Wno-restrict -Wno-stringop-overflow)
    endif()
    target_compile_options(colloquy_c_warnings INTERFACE
        -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes $<$<BOOL:${COLLOQUY_WERROR}>:-Werror>)
    # Products must not depend on where they were built; debuggers and sanitizers still want to find the sources.
    add_compile_options($<IF:$<CONFIG:Debug>,-fmacro-prefix-map,-ffile-prefix-map>=${PROJECT_SOURCE_DIR}/=)
endif()

# What Windows' headers show: Windows 8 and later (waiting on addresses, overlapped name resolution), without the rarely
# used and without macros that are called min and max.
set(colloquy_system_definitions "")
if(WIN32)
    set(colloquy_system_definitions _WIN32_WINNT=0x0602 WIN32_LEAN_AND_MEAN NOMINMAX UNICODE _UNICODE)
endif()
if(MINGW)
    # Programs run alone, without the compiler's libraries beside them.
    if(PROJECT_IS_TOP_LEVEL)
        add_link_options(-static)
    endif()
    # Tests in one file have more sections than the old object format counts.
    add_compile_options(-Wa,-mbig-obj)
endif()

if(COLLOQUY_FUZZ)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "COLLOQUY_FUZZ needs clang: libFuzzer is part of it")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(COLLOQUY_SANITIZE)
    if(COLLOQUY_SANITIZE MATCHES "thread" AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(WARNING "The thread sanitizer is run with clang: gcc does not model ConcurrentQueue's fences")
    endif()
    add_compile_options(-fsanitize=${COLLOQUY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${COLLOQUY_SANITIZE})
    # A shared library under a sanitizer leaves the runtime's symbols open until the program is linked.
    set(COLLOQUY_BUILD_SHARED OFF)
endif()
