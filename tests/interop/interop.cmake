# Conversations between two systems: the command of this build, and the one of a build for the machine that runs the
# tests, whose path is COLLOQUY_NATIVE_TOOL.
if(NOT CMAKE_CROSSCOMPILING OR NOT TARGET colloquy_tool OR NOT Python3_Interpreter_FOUND)
    return()
endif()
set(COLLOQUY_NATIVE_TOOL "" CACHE FILEPATH "The colloquy command of a build for this machine, for tests with it")
if(NOT COLLOQUY_NATIVE_TOOL)
    message(STATUS "COLLOQUY_NATIVE_TOOL is not set: conversations with another system are not tested")
    return()
endif()
foreach(direction IN ITEMS from to)
    foreach(case IN ITEMS ping pingpong oneshot stream reactors breaks)
        add_test(NAME interop_${direction}_windows_${case} COMMAND Python3::Interpreter
            ${PROJECT_SOURCE_DIR}/tests/interop/run.py ${direction} ${case} ${COLLOQUY_NATIVE_TOOL}
            ${CMAKE_CROSSCOMPILING_EMULATOR} $<TARGET_FILE:colloquy_tool>)
        set_tests_properties(interop_${direction}_windows_${case} PROPERTIES LABELS interop TIMEOUT 180)
    endforeach()
endforeach()
