# The trace of calls, read as a person would.
if(TARGET colloquy_static AND Python3_Interpreter_FOUND AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
    add_executable(colloquy_traced ${PROJECT_SOURCE_DIR}/tests/trace/traced.c)
    set_target_properties(colloquy_traced PROPERTIES C_EXTENSIONS ON)
    target_link_libraries(colloquy_traced PRIVATE colloquy_static colloquy_c_warnings Threads::Threads)
    add_test(NAME trace COMMAND Python3::Interpreter
        ${PROJECT_SOURCE_DIR}/tests/trace/run.py $<TARGET_FILE:colloquy_traced>)
    set_tests_properties(trace PROPERTIES LABELS api TIMEOUT 180 ENVIRONMENT "${test_environment}")
endif()
