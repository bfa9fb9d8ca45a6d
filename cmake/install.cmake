# Installs the headers, both libraries, the CMake package and the pkg-config file, in components that package.cmake
# makes packages of: runtime (the shared library), development (all that compiling and linking needs) and tools.
if(colloquy_libraries)
    install(TARGETS ${colloquy_libraries} EXPORT colloquy
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development
        RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
    set(package_directory ${CMAKE_INSTALL_LIBDIR}/cmake/colloquy)
    install(EXPORT colloquy NAMESPACE colloquy:: FILE colloquyTargets.cmake
        DESTINATION ${package_directory} COMPONENT development)
    configure_package_config_file(cmake/colloquyConfig.cmake.in ${PROJECT_BINARY_DIR}/package/colloquyConfig.cmake
        INSTALL_DESTINATION ${package_directory})
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/colloquyConfigVersion.cmake
        COMPATIBILITY SameMinorVersion)
    install(FILES
        ${PROJECT_BINARY_DIR}/package/colloquyConfig.cmake ${PROJECT_BINARY_DIR}/package/colloquyConfigVersion.cmake
        DESTINATION ${package_directory} COMPONENT development)
    # The file finds its prefix from where it stands, so that an installed tree can be moved.
    file(RELATIVE_PATH pkgconfig_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
    set(colloquy_pc_cflags "")
    if(MINGW)
        set(colloquy_pc_cflags " -D_GLIBCXX_USE_POSIX_SEMAPHORE=1")  # see the libraries' own definition
    endif()
    configure_file(cmake/colloquy.pc.in ${PROJECT_BINARY_DIR}/package/colloquy.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/package/colloquy.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
endif()
install(FILES api/cpic.h api/cmc.h api/wincpic.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(DIRECTORY api/sna api/colloquy DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development
    FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

# The attach manager as a service: units, an example of its configuration and the page about it.
if(TARGET colloquy_attachd)
    set(unit_directory lib/systemd/system)
    # It names the command with its place, which is known only now: packages have another prefix.
    install(CODE "
        set(COLLOQUY_COMMAND \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/colloquy\")
        set(COLLOQUY_PAGE \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DOCDIR}/attachd.md\")
        configure_file(\"${PROJECT_SOURCE_DIR}/packaging/systemd/colloquy-attachd.service.in\"
            \"${PROJECT_BINARY_DIR}/package/colloquy-attachd.service\" @ONLY)" COMPONENT tools)
    install(FILES ${PROJECT_BINARY_DIR}/package/colloquy-attachd.service packaging/systemd/colloquy-attachd.socket
        DESTINATION ${unit_directory} COMPONENT tools)
    install(FILES docs/attachd.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT tools)
    install(FILES examples/attachd/attachd.toml examples/attached_tp.c
        DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples COMPONENT tools)
endif()
