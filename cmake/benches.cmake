# One binary per file of bench/. A file that uses Google Benchmark is also run for a moment by ctest, so that benches
# cannot rot; a file without a main of its own gets Google Benchmark's.
file(GLOB bench_sources CONFIGURE_DEPENDS bench/*.cpp)
if(bench_sources AND (NOT TARGET colloquy_static OR NOT benchmark_FOUND OR WIN32))
    set(bench_sources "")
endif()
foreach(source IN LISTS bench_sources)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "^bench_|_bench$" "" stem ${stem})
    set(bench bench_${stem})
    file(READ ${source} text)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
    add_executable(${bench} ${source})
    target_link_libraries(${bench} PRIVATE
        colloquy_static colloquy_warnings colloquy_concurrent_queue benchmark::benchmark)
    # A bench that counts allocations brings its own malloc.
    if(NOT text MATCHES "__libc_malloc")
        target_link_libraries(${bench} PRIVATE colloquy_allocator)
    endif()
    if(NOT text MATCHES "benchmark/benchmark\\.h")
        continue()
    endif()
    if(NOT text MATCHES "BENCHMARK_MAIN|int main *\\(")
        target_link_libraries(${bench} PRIVATE benchmark::benchmark_main)
    endif()
    if(COLLOQUY_BUILD_TESTS)
        add_test(NAME ${bench} COMMAND ${bench} --benchmark_min_time=0.001)
        set_tests_properties(${bench} PROPERTIES LABELS bench-smoke TIMEOUT 120)
    endif()
endforeach()

if(TARGET bench_steady_state)
    add_test(NAME bench_steady_state COMMAND bench_steady_state allocations --transactions 20000)
    add_test(NAME bench_canonical COMMAND bench_canonical --duration 0.4 --rounds 1 --conversations 100)
    set_tests_properties(bench_steady_state bench_canonical PROPERTIES LABELS bench-smoke TIMEOUT 120)
endif()

# What a transaction takes, against bench/guard.json: counts, so no other job and no slow machine can make these fail.
if(TARGET bench_path_cost AND COLLOQUY_BUILD_TESTS AND Python3_Interpreter_FOUND AND CMAKE_BUILD_TYPE STREQUAL "Release"
        AND NOT COLLOQUY_SANITIZE)
    foreach(case IN ITEMS "--only counts" "--only instructions" "--self-test")
        string(REGEX REPLACE "^.*[ -]" "" name ${case})
        separate_arguments(arguments UNIX_COMMAND "${case}")
        add_test(NAME bench_guard_${name}
            COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/bench/guard.py $<TARGET_FILE:bench_path_cost>
                ${arguments})
        set_tests_properties(bench_guard_${name} PROPERTIES LABELS bench-guard TIMEOUT 300 SKIP_RETURN_CODE 77)
    endforeach()
endif()
