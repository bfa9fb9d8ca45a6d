# Programs written from the interface's own documentation, compiled as strictly as their language allows, and run as
# pairs of
# processes.
function(colloquy_program name standard)
    add_executable(colloquy_program_${name} ${PROJECT_SOURCE_DIR}/tests/programs/${name}.c)
    set_target_properties(colloquy_program_${name} PROPERTIES
        OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin/programs)
    target_link_libraries(colloquy_program_${name} PRIVATE colloquy_static Threads::Threads)
    if(NOT MSVC)
        # By its property, because CMake would write a standard of its own behind an option.
        string(REPLACE c89 c90 standard ${standard})
        string(SUBSTRING ${standard} 1 2 year)
        set_target_properties(colloquy_program_${name} PROPERTIES C_STANDARD ${year} C_EXTENSIONS OFF)
        target_compile_options(colloquy_program_${name} PRIVATE -pedantic -Wall -Wextra -Werror)
    endif()
endfunction()
function(colloquy_program_test scenario)
    add_test(NAME programs_${scenario} COMMAND Python3::Interpreter
        ${PROJECT_SOURCE_DIR}/tests/programs/run.py ${PROJECT_BINARY_DIR}/bin/programs ${scenario})
    set_tests_properties(programs_${scenario} PROPERTIES LABELS api TIMEOUT 240 ENVIRONMENT "${test_environment}")
endfunction()

if(TARGET colloquy_static AND Python3_Interpreter_FOUND AND UNIX)
    colloquy_program(clerk_server c99)
    colloquy_program(clerk_client c99)
    colloquy_program(ledger_server c89)
    colloquy_program(ledger_client c89)
    colloquy_program(flock_server c99)
    colloquy_program(flock_client c99)
    colloquy_program(visitor c99)
    colloquy_program(attended c99)
    if(TARGET colloquy_api_test)
        add_dependencies(colloquy_api_test colloquy_program_visitor colloquy_program_attended)
        target_compile_definitions(colloquy_api_test PRIVATE
            COLLOQUY_PROGRAMS_DIR="${PROJECT_BINARY_DIR}/bin/programs")
    endif()
    foreach(scenario IN ITEMS clerk clerk_late ledger flock)
        colloquy_program_test(${scenario})
    endforeach()
endif()

# A program of one process, written for Windows, with the windows.h that stands in for the system's.
if(TARGET colloquy_static AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    colloquy_program(sample_window c89)
    target_include_directories(colloquy_program_sample_window PRIVATE ${PROJECT_SOURCE_DIR}/api/colloquy/compat)
    target_compile_definitions(colloquy_program_sample_window PRIVATE COLLOQUY_WINMAIN)
    add_test(NAME programs_sample_window COMMAND colloquy_program_sample_window)
    set_tests_properties(programs_sample_window PROPERTIES LABELS api TIMEOUT 60 ENVIRONMENT "${test_environment}")
endif()

# On Windows: programs that load the drop-in DLL or are linked with its import library, and what all DLLs export.
if(WIN32 AND TARGET colloquy_wcpic32)
    foreach(name IN ITEMS drop_in linked)
        add_executable(colloquy_program_${name} ${PROJECT_SOURCE_DIR}/tests/programs/windows/${name}.c)
        # Beside the DLLs, where programs look first.
        set_target_properties(colloquy_program_${name} PROPERTIES OUTPUT_NAME ${name} C_STANDARD 90 C_EXTENSIONS OFF)
        target_include_directories(colloquy_program_${name} PRIVATE ${PROJECT_SOURCE_DIR}/api)
        target_compile_options(colloquy_program_${name} PRIVATE -pedantic -Wall -Wextra -Werror)
        add_dependencies(colloquy_program_${name} ${colloquy_drop_ins})
    endforeach()
    add_dependencies(colloquy_program_linked colloquy_wcpic32_imports)
    target_link_libraries(colloquy_program_linked PRIVATE ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY}/libwcpic32.a)
    foreach(dll IN ITEMS WCPIC32 WINCPIC32)
        add_test(NAME programs_drop_in_${dll} COMMAND colloquy_program_drop_in ${dll}.DLL)
        set_tests_properties(programs_drop_in_${dll} PROPERTIES LABELS api TIMEOUT 120)
    endforeach()
    if(Python3_Interpreter_FOUND)
        math(EXPR bits "8 * ${CMAKE_SIZEOF_VOID_P}")
        add_test(NAME programs_exports COMMAND Python3::Interpreter
            ${PROJECT_SOURCE_DIR}/tests/programs/windows/exports.py ${CMAKE_OBJDUMP} ${bits}
            ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${CMAKE_ARCHIVE_OUTPUT_DIRECTORY} ${PROJECT_SOURCE_DIR}/api)
        set_tests_properties(programs_exports PROPERTIES LABELS api TIMEOUT 60)
    endif()
    if(TARGET colloquy_api_test)
        add_dependencies(colloquy_api_test colloquy_program_linked)
        target_compile_definitions(colloquy_api_test PRIVATE
            COLLOQUY_LINKED_PROGRAM="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/linked")
        colloquy_program(visitor c99)
        add_dependencies(colloquy_api_test colloquy_program_visitor)
        target_compile_definitions(colloquy_api_test PRIVATE
            COLLOQUY_PROGRAMS_DIR="${PROJECT_BINARY_DIR}/bin/programs")
    endif()
endif()
