# One doctest binary per folder of tests/, registered under the folder's name as its ctest label. Each links only the
# layers its subject may see, so a forbidden dependency fails to link.
enable_testing()

add_library(colloquy_test_main OBJECT tests/main.cpp)
target_include_directories(colloquy_test_main PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(colloquy_test_main PUBLIC colloquy_doctest PRIVATE colloquy_warnings)

# What sanitizers are told when ctest runs a test.
set(test_environment
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp:second_deadlock_stack=1"
    "UBSAN_OPTIONS=print_stacktrace=1" "ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1")

function(colloquy_test folder binary)
    cmake_parse_arguments(PARSE_ARGV 2 test "OWN_MAIN" "" "LINKS;ARGUMENTS")
    file(GLOB sources CONFIGURE_DEPENDS tests/${folder}/*.cpp tests/${folder}/${system}/*.cpp)
    list(FILTER sources EXCLUDE REGEX "/headers_[a-z0-9]+\\.cpp$")
    foreach(link IN LISTS test_LINKS)
        if(NOT TARGET ${link} AND NOT link IN_LIST colloquy_system_libraries)
            set(sources "")
        endif()
    endforeach()
    if(NOT sources)
        return()
    endif()
    add_executable(${binary} ${sources})
    target_link_libraries(${binary} PRIVATE
        ${test_LINKS} colloquy_warnings colloquy_concurrent_queue colloquy_doctest)
    if(NOT test_OWN_MAIN)
        target_link_libraries(${binary} PRIVATE colloquy_test_main)
    endif()
    target_compile_definitions(${binary} PRIVATE
        COLLOQUY_TESTS_DIR="${PROJECT_SOURCE_DIR}/tests" ${colloquy_system_definitions})
    add_test(NAME ${binary} COMMAND ${binary} ${test_ARGUMENTS})
    set_tests_properties(${binary} PROPERTIES
        LABELS ${folder} TIMEOUT 300 ENVIRONMENT "${test_environment}" WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()

colloquy_test(unit colloquy_unit LINKS colloquy_runtime)
colloquy_test(schedule colloquy_schedule LINKS colloquy_runtime)
colloquy_test(protocol colloquy_protocol LINKS colloquy_runtime)
# The same with an attach manager's relay between the two ends.
add_test(NAME colloquy_protocol_relayed COMMAND colloquy_protocol --test-suite-exclude=relay)
set_tests_properties(colloquy_protocol_relayed PROPERTIES
    LABELS relayed TIMEOUT 300 ENVIRONMENT "${test_environment};COLLOQUY_TEST_RELAYED=1"
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
colloquy_test(transport colloquy_transport_test LINKS colloquy_runtime colloquy_transport ${colloquy_system_libraries})
if(TARGET colloquy_static)
    file(GLOB sources CONFIGURE_DEPENDS tests/support/${system}/*.cpp)
    add_library(colloquy_test_support OBJECT ${sources})
    target_link_libraries(colloquy_test_support PUBLIC colloquy_static PRIVATE colloquy_warnings)
    target_compile_definitions(colloquy_test_support PRIVATE ${colloquy_system_definitions})
endif()
colloquy_test(api colloquy_api_test LINKS colloquy_static colloquy_test_support)
# It tests an inner part, which has the library's own type for numbers.
set_source_files_properties(${PROJECT_SOURCE_DIR}/tests/api/side_information_test.cpp PROPERTIES
    COMPILE_DEFINITIONS COLLOQUY_BUILDING)
colloquy_test(security colloquy_security_test LINKS colloquy_static colloquy_test_support)
if(TARGET colloquy_security_test AND colloquy_with_tls)
    # Certificates, and partners that break the rules.
    target_link_libraries(colloquy_security_test PRIVATE OpenSSL::SSL OpenSSL::Crypto)
    target_compile_definitions(colloquy_security_test PRIVATE COLLOQUY_TEST_WITH_TLS)
endif()
colloquy_test(async colloquy_async_test LINKS colloquy_static colloquy_test_support)
colloquy_test(cxx colloquy_cxx_test LINKS colloquy_static)
if(TARGET colloquy_cxx_test AND UNIX AND PKG_CONFIG_FOUND)
    pkg_check_modules(LIBUV QUIET IMPORTED_TARGET libuv)
    if(TARGET PkgConfig::LIBUV)
        target_link_libraries(colloquy_cxx_test PRIVATE PkgConfig::LIBUV)
        target_compile_definitions(colloquy_cxx_test PRIVATE COLLOQUY_TEST_WITH_LIBUV)
    endif()
endif()
# Its marks in front of functions and those of coroutines exclude each other (fixed in clang 17).
if(TARGET colloquy_cxx_test AND COLLOQUY_SANITIZE MATCHES "undefined" AND CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(colloquy_cxx_test PRIVATE -fno-sanitize=function)
endif()
colloquy_test(sim colloquy_sim OWN_MAIN LINKS colloquy_runtime colloquy_transport ${colloquy_system_libraries})
# Bugs that the simulator must find. tools/mutants.sh plants all of them; here those that cost little, in a build of
# objects that can be shared.
if(TARGET colloquy_sim AND UNIX AND Python3_Interpreter_FOUND AND CMAKE_BUILD_TYPE STREQUAL "Release"
    AND NOT COLLOQUY_SANITIZE)
    add_test(NAME colloquy_sim_mutants COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/mutants.py
        lost_wake credit_leak window_leak --build ${CMAKE_CURRENT_BINARY_DIR}/mutants
        --objects $<TARGET_OBJECTS:colloquy_runtime> $<TARGET_OBJECTS:colloquy_transport> $<TARGET_OBJECTS:colloquy_sim>
        COMMAND_EXPAND_LISTS)
    set_tests_properties(colloquy_sim_mutants PROPERTIES
        LABELS sim TIMEOUT 600 ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER}")
endif()
if(UNIX)
    colloquy_test(conformance colloquy_conformance OWN_MAIN LINKS colloquy_static
        ARGUMENTS --test-suite=conformance --check ${PROJECT_SOURCE_DIR}/docs/conformance.md)
    add_test(NAME colloquy_conformance_random COMMAND colloquy_conformance "--test-suite=random calls")
    set_tests_properties(colloquy_conformance_random PROPERTIES
        LABELS "conformance;random" TIMEOUT 300 ENVIRONMENT "${test_environment}")
endif()
include(${PROJECT_SOURCE_DIR}/tests/programs/programs.cmake)
include(${PROJECT_SOURCE_DIR}/tests/examples/examples.cmake)
include(${PROJECT_SOURCE_DIR}/tests/trace/trace.cmake)
include(${PROJECT_SOURCE_DIR}/tests/consume/consume.cmake)

# The command: its parts in a doctest binary, the whole run by a script as a user would, one ctest test a case.
if(TARGET colloquy_tool)
    set(tool_parts colloquy_ledger colloquy_test_support)
    if(TARGET colloquy_attachd)
        list(APPEND tool_parts colloquy_attachd)
    endif()
    colloquy_test(tools colloquy_tools_test LINKS ${tool_parts})
    if(Python3_Interpreter_FOUND)
        foreach(case IN ITEMS
                help usage failures serve ping local load crowd reactors config password plan demo demo_inproc
                demo_kill)
            add_test(NAME tools_${case} COMMAND Python3::Interpreter
                ${PROJECT_SOURCE_DIR}/tests/tools/command_test.py ${case}
                ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:colloquy_tool>)
            set_tests_properties(tools_${case} PROPERTIES LABELS tools TIMEOUT 180)
        endforeach()
        if(NOT WIN32)
            add_test(NAME tools_soak COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/soak.py
                $<TARGET_FILE:colloquy_tool> 5s --out ${CMAKE_CURRENT_BINARY_DIR}/soak)
            set_tests_properties(tools_soak PROPERTIES LABELS tools TIMEOUT 400)
        endif()
    endif()
endif()
include(${PROJECT_SOURCE_DIR}/tests/attachd/attachd.cmake)
include(${PROJECT_SOURCE_DIR}/tests/interop/interop.cmake)
include(${PROJECT_SOURCE_DIR}/tests/faults/faults.cmake)

# Headers that only compile after another header are broken for whoever includes them first.
if(COLLOQUY_CHECK_HEADERS)
    file(GLOB headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}
        runtime/*.hpp runtime/wire/*.hpp transport/*.hpp transport/${system}/*.hpp
        api/*.hpp api/${system}/*.hpp api/*.h api/colloquy/*.hpp api/colloquy/*.h api/sna/*.h)
    if(NOT WIN32)
        list(FILTER headers EXCLUDE REGEX "completion_port\\.h$")
    endif()
    # Those that are for a library of others, where it is not.
    find_path(colloquy_asio_header asio.hpp)
    find_path(colloquy_libuv_header uv.h)
    mark_as_advanced(colloquy_asio_header colloquy_libuv_header)
    if(WIN32 OR NOT colloquy_asio_header)
        list(FILTER headers EXCLUDE REGEX "/asio\\.hpp$")
    endif()
    if(NOT colloquy_libuv_header)
        list(FILTER headers EXCLUDE REGEX "/libuv\\.hpp$")
    endif()
    set(header_units "")
    foreach(header IN LISTS headers)
        string(MAKE_C_IDENTIFIER ${header} unit)
        set(unit ${PROJECT_BINARY_DIR}/headers/${unit}.cpp)
        file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${header}\"\n#include \"${header}\"  // once is enough\n")
        list(APPEND header_units ${unit})
    endforeach()
    add_library(colloquy_headers_selfcontained OBJECT ${header_units})
    target_include_directories(colloquy_headers_selfcontained PRIVATE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/api)
    target_compile_definitions(colloquy_headers_selfcontained PRIVATE ${colloquy_system_definitions})
    target_link_libraries(colloquy_headers_selfcontained PRIVATE
        colloquy_warnings colloquy_concurrent_queue colloquy_toml ${colloquy_system_libraries})
    target_compile_options(colloquy_headers_selfcontained PRIVATE $<$<NOT:$<BOOL:${MSVC}>>:-O0 -g0>)
endif()

# The C headers are compiled as the strictest program would compile them; their static assertions are the test.
function(colloquy_header_check name)
    if(NOT EXISTS ${PROJECT_SOURCE_DIR}/tests/api/${name})
        return()
    endif()
    cmake_path(GET name STEM stem)
    add_library(colloquy_${stem} OBJECT tests/api/${name})
    target_include_directories(colloquy_${stem} PRIVATE ${PROJECT_SOURCE_DIR}/api)
    target_compile_options(colloquy_${stem} PRIVATE ${ARGN})
    # CMake writes a standard of its own behind the options unless it is told which.
    if(ARGN MATCHES "-std=c([0-9]+)")
        string(REPLACE 89 90 standard ${CMAKE_MATCH_1})
        set_target_properties(colloquy_${stem} PROPERTIES C_STANDARD ${standard})
    endif()
endfunction()
if(NOT MSVC)
    set(strict_c -pedantic -Wall -Wextra -Wstrict-prototypes -Wshadow -Wconversion -Wundef -Werror)
    colloquy_header_check(headers_c89.c -std=c89 ${strict_c} -Wdeclaration-after-statement)
    colloquy_header_check(headers_c99.c -std=c99 ${strict_c})
    if(NOT WIN32)  # which has the names itself
        colloquy_header_check(headers_windows_names.c -std=c89 ${strict_c} -Wdeclaration-after-statement)
    endif()
    colloquy_header_check(headers_cpp.cpp
        -pedantic -Wall -Wextra -Wshadow -Wconversion -Wold-style-cast -Wundef -Werror)
endif()

# The same with every compiler that is here and in every standard, and what else the headers must and must not do.
if(Python3_Interpreter_FOUND AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    foreach(what IN ITEMS standards constants names)
        add_test(NAME headers_${what} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/headers/run.py
            ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER} ${CMAKE_CXX_COMPILER} ${what})
        set_tests_properties(headers_${what} PROPERTIES LABELS api TIMEOUT 300)
    endforeach()
endif()

# Programs of Windows against the C headers, where a compiler for Windows is at hand.
if(WIN32 AND Python3_Interpreter_FOUND)
    add_test(NAME headers_windows COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/headers/windows.py
        ${PROJECT_SOURCE_DIR} ${CMAKE_C_COMPILER})
    set_tests_properties(headers_windows PROPERTIES LABELS api TIMEOUT 120)
endif()

if(Python3_Interpreter_FOUND)
    add_test(NAME tidy COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/tidy.py)
    set_tests_properties(tidy PROPERTIES LABELS tidy TIMEOUT 60)
    add_test(NAME async_rules COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/rules.py --check)
    set_tests_properties(async_rules PROPERTIES LABELS tidy TIMEOUT 60)
    # The pages of the calls, and what the shared library exports.
    add_test(NAME calls COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/calls.py --check)
    set_tests_properties(calls PROPERTIES LABELS tidy TIMEOUT 60 SKIP_RETURN_CODE 77)
    if(TARGET colloquy_shared AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
        add_test(NAME calls_exports COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/calls.py
            --exports $<TARGET_FILE:colloquy_shared>)
        set_tests_properties(calls_exports PROPERTIES LABELS api TIMEOUT 60 SKIP_RETURN_CODE 77)
    endif()
endif()

# The model of a slot's word in every interleaving, once: what it says does not depend on how we are compiled.
find_program(COLLOQUY_SPIN spin)
mark_as_advanced(COLLOQUY_SPIN)
if(COLLOQUY_SPIN AND Python3_Interpreter_FOUND AND NOT COLLOQUY_SANITIZE AND NOT WIN32)
    add_test(NAME model COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/model/run.py
        ${COLLOQUY_SPIN} ${CMAKE_C_COMPILER})
    set_tests_properties(model PROPERTIES LABELS schedule TIMEOUT 600)
endif()
