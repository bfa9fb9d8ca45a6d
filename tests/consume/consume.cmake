# The installed library in the hands of a stranger. Builds with sanitizers are not installed.
if(TARGET colloquy_shared AND Python3_Interpreter_FOUND AND UNIX AND NOT COLLOQUY_SANITIZE)
    set(ways find_package add_subdirectory pkg_config plain readme)
    find_program(COLLOQUY_DPKG_DEB dpkg-deb)
    mark_as_advanced(COLLOQUY_DPKG_DEB)
    if(COLLOQUY_DPKG_DEB AND PROJECT_IS_TOP_LEVEL)
        list(APPEND ways deb)
    endif()
    foreach(way IN LISTS ways)
        add_test(NAME consume_${way} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tests/consume/run.py
            ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR} ${CMAKE_C_COMPILER} ${CMAKE_CXX_COMPILER} ${way})
        set_tests_properties(consume_${way} PROPERTIES LABELS consume TIMEOUT 600)
    endforeach()
endif()
