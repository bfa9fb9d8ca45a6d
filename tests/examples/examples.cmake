# What the documentation quotes from examples stands there.
if(Python3_Interpreter_FOUND)
    add_test(NAME quotes COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/examples/quotes.py
        ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/docs/async.md ${PROJECT_SOURCE_DIR}/docs/embedding.md
        ${PROJECT_SOURCE_DIR}/docs/cpp.md ${PROJECT_SOURCE_DIR}/docs/migrating.md ${PROJECT_SOURCE_DIR}/docs/tour.md)
    set_tests_properties(quotes PROPERTIES LABELS tidy TIMEOUT 60)
endif()

# Pairs of programs, each a process of its own.
if(COLLOQUY_BUILD_EXAMPLES AND Python3_Interpreter_FOUND AND UNIX)
    foreach(pair IN ITEMS copy credit stream)
        if(TARGET example_${pair}_server)
            add_test(NAME examples_${pair} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/examples/pairs.py
                $<TARGET_FILE:example_${pair}_server> $<TARGET_FILE:example_${pair}_client> ${pair})
            set_tests_properties(examples_${pair} PROPERTIES
                LABELS examples TIMEOUT 180 ENVIRONMENT "${test_environment}")
        endif()
    endforeach()
endif()

# The servers of the tour, called by the command.
if(COLLOQUY_BUILD_EXAMPLES AND TARGET colloquy_tool AND Python3_Interpreter_FOUND AND UNIX)
    foreach(style IN ITEMS blocking async coroutine)
        if(TARGET example_echo_${style})
            add_test(NAME examples_echo_${style} COMMAND Python3::Interpreter
                ${PROJECT_SOURCE_DIR}/tests/examples/echo.py $<TARGET_FILE:colloquy_tool>
                ${PROJECT_SOURCE_DIR}/docs/tour.md $<TARGET_FILE:example_echo_${style}>
                $<$<STREQUAL:${style},blocking>:220>)
            set_tests_properties(examples_echo_${style} PROPERTIES
                LABELS examples TIMEOUT 180 ENVIRONMENT "${test_environment}")
        endif()
    endforeach()
endif()

# A server and a client that only Windows can have, run against each other; no display is needed.
if(TARGET example_event_server AND Python3_Interpreter_FOUND)
    add_test(NAME examples_windows COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/examples/windows.py
        $<TARGET_FILE:example_event_server> $<TARGET_FILE:example_window_client> ${CMAKE_CROSSCOMPILING_EMULATOR})
    set_tests_properties(examples_windows PROPERTIES LABELS examples TIMEOUT 180)
endif()

# The servers of examples/embed_*, each driven by a client from another process over TCP.
if(NOT COLLOQUY_BUILD_EXAMPLES OR NOT TARGET example_embed_epoll OR NOT Python3_Interpreter_FOUND)
    return()
endif()
add_executable(colloquy_transfer_client ${PROJECT_SOURCE_DIR}/tests/examples/transfer_client.c)
set_target_properties(colloquy_transfer_client PROPERTIES C_EXTENSIONS ON)
target_link_libraries(colloquy_transfer_client PRIVATE colloquy::colloquy colloquy_c_warnings Threads::Threads)

function(colloquy_embed_test host threads)
    if(NOT TARGET example_embed_${host})
        return()
    endif()
    add_test(NAME examples_embed_${host} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/examples/run.py
        $<TARGET_FILE:example_embed_${host}> $<TARGET_FILE:colloquy_transfer_client> ${threads})
    set_tests_properties(examples_embed_${host} PROPERTIES
        LABELS examples TIMEOUT 180 ENVIRONMENT "${test_environment}")
endfunction()
foreach(host IN ITEMS epoll libuv asio glib)
    colloquy_embed_test(${host} 1)
endforeach()
# The thread sanitizer adds one of its own to programs that have several.
if(COLLOQUY_SANITIZE STREQUAL "thread")
    colloquy_embed_test(threads 4)
else()
    colloquy_embed_test(threads 3)
endif()

add_test(NAME examples_hello COMMAND example_hello)
set_tests_properties(examples_hello PROPERTIES LABELS examples TIMEOUT 60)

if(TARGET example_window_client)
    add_test(NAME examples_window_client COMMAND Python3::Interpreter
        ${PROJECT_SOURCE_DIR}/tests/examples/window.py $<TARGET_FILE:example_embed_epoll>
        $<TARGET_FILE:example_window_client> $<TARGET_FILE:colloquy_transfer_client>)
    set_tests_properties(examples_window_client PROPERTIES
        LABELS examples TIMEOUT 180 ENVIRONMENT "${test_environment}")
endif()
