# Faults on processes: what is killed, filled up, cut off or has no memory left, and what the others see of it.
if(NOT TARGET colloquy_tool OR NOT Python3_Interpreter_FOUND OR NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
    return()
endif()
add_executable(colloquy_faults_stepper ${PROJECT_SOURCE_DIR}/tests/faults/stepper.c)
set_target_properties(colloquy_faults_stepper PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
target_link_libraries(colloquy_faults_stepper PRIVATE colloquy_static colloquy_c_warnings Threads::Threads)
foreach(case IN ITEMS caller server)
    add_test(NAME faults_kills_${case} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/kills.py ${case}
        $<TARGET_FILE:colloquy_faults_stepper>)
    set_tests_properties(faults_kills_${case} PROPERTIES LABELS faults TIMEOUT 240 ENVIRONMENT "${test_environment}")
endforeach()
