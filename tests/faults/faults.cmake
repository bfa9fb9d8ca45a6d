# Faults on processes: what is killed, filled up, cut off or has no memory left, and what the others see of it.
# The thread sanitizer brings an operator new that nobody can stand before, and knows the programs of tests/programs.
if(NOT TARGET colloquy_static OR NOT Python3_Interpreter_FOUND OR NOT CMAKE_SYSTEM_NAME STREQUAL "Linux"
    OR COLLOQUY_SANITIZE MATCHES "thread")
    return()
endif()
function(colloquy_fault name)
    add_test(NAME faults_${name} COMMAND ${ARGN})
    set_tests_properties(faults_${name} PROPERTIES LABELS faults TIMEOUT 240 ENVIRONMENT "${test_environment}")
endfunction()
function(colloquy_fault_program name)
    add_executable(colloquy_faults_${name} ${PROJECT_SOURCE_DIR}/tests/faults/${name}.c)
    set_target_properties(colloquy_faults_${name} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)
    target_link_libraries(colloquy_faults_${name} PRIVATE colloquy_static colloquy_c_warnings Threads::Threads)
endfunction()

colloquy_fault_program(stepper)
foreach(case IN ITEMS caller server)
    colloquy_fault(kills_${case} Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/kills.py ${case}
        $<TARGET_FILE:colloquy_faults_stepper>)
endforeach()

add_executable(colloquy_faults_no_memory ${PROJECT_SOURCE_DIR}/tests/faults/no_memory.cpp)
target_link_libraries(colloquy_faults_no_memory PRIVATE colloquy_static colloquy_warnings Threads::Threads)
foreach(call IN ITEMS mmap munmap epoll_create1 eventfd timerfd_create socket)
    target_link_options(colloquy_faults_no_memory PRIVATE LINKER:--wrap=${call})
endforeach()
colloquy_fault(no_memory colloquy_faults_no_memory)

if(TARGET colloquy_tool)
    colloquy_fault_program(customer)
    foreach(case IN ITEMS server customers full)
        colloquy_fault(teller_${case} Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/teller.py ${case}
            $<TARGET_FILE:colloquy_tool> $<TARGET_FILE:colloquy_faults_customer>)
    endforeach()
    foreach(case IN ITEMS load silence teller)
        colloquy_fault(relay_${case} Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/relay.py ${case}
            $<TARGET_FILE:colloquy_tool> $<TARGET_FILE:colloquy_faults_customer>)
    endforeach()
    colloquy_fault(storm Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/storm.py
        $<TARGET_FILE:colloquy_tool> $<TARGET_FILE:colloquy_faults_stepper>)
    colloquy_fault(netns Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/faults/netns.py $<TARGET_FILE:colloquy_tool>)
    set_tests_properties(faults_netns PROPERTIES SKIP_RETURN_CODE 77)
endif()
