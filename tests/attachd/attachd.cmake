# The attach manager with programs of every kind, each a process of its own; one ctest test a case.
if(NOT TARGET colloquy_attachd OR NOT TARGET example_attached_tp OR NOT Python3_Interpreter_FOUND)
    return()
endif()
foreach(program IN ITEMS tp client)
    add_executable(colloquy_attachd_${program} ${PROJECT_SOURCE_DIR}/tests/attachd/${program}.c)
    set_target_properties(colloquy_attachd_${program} PROPERTIES C_EXTENSIONS ON)
    target_link_libraries(colloquy_attachd_${program} PRIVATE
        colloquy::colloquy colloquy_c_warnings Threads::Threads)
endforeach()
set(cases example modes no_command exits hangs forks twice full killed manager_killed registers alone reload takeover
    activated refusals users floods try_it storm mistakes)
find_program(COLLOQUY_OPENSSL openssl)  # makes a certificate
mark_as_advanced(COLLOQUY_OPENSSL)
if(colloquy_with_tls AND COLLOQUY_OPENSSL)
    list(APPEND cases strangers)
endif()
foreach(case IN LISTS cases)
    add_test(NAME attachd_${case} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/attachd/run.py ${case}
        $<TARGET_FILE:colloquy_tool> $<TARGET_FILE:colloquy_attachd_tp> $<TARGET_FILE:colloquy_attachd_client>
        $<TARGET_FILE:example_attached_tp>)
    set_tests_properties(attachd_${case} PROPERTIES LABELS attachd TIMEOUT 240)
endforeach()
