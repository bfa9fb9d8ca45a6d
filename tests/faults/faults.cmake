# Faults on processes: what is killed, filled up, cut off or has no memory left, and what the others see of it.
if(NOT TARGET colloquy_tool OR NOT Python3_Interpreter_FOUND OR NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    return()
endif()
foreach(program IN ITEMS stepper customer)
    add_executable(colloquy_faults_${program} ${PROJECT_SOURCE_DIR}/tests/faults/${program}.c)
    set_target_properties(colloquy_faults_${program} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
    target_link_libraries(colloquy_faults_${program} PRIVATE colloquy_static colloquy_c_warnings Threads::Threads)
endforeach()
foreach(case IN ITEMS caller server)
    add_test(NAME faults_kills_${case} COMMAND Python3::Interpreter
        ${PROJECT_SOURCE_DIR}/tests/faults/kills.py ${case}
        $<TARGET_FILE:colloquy_faults_stepper>)
    set_tests_properties(faults_kills_${case} PROPERTIES LABELS faults TIMEOUT 240 ENVIRONMENT "${test_environment}")
endforeach()
foreach(case IN ITEMS server customers full)
    add_test(NAME faults_teller_${case} COMMAND Python3::Interpreter
        ${PROJECT_SOURCE_DIR}/tests/faults/teller.py ${case}
        $<TARGET_FILE:colloquy_tool> $<TARGET_FILE:colloquy_faults_customer>)
    set_tests_properties(faults_teller_${case} PROPERTIES LABELS faults TIMEOUT 240 ENVIRONMENT "${test_environment}")
endforeach()
