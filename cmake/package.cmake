# Debian packages by `cpack`: libcolloquy0 with the shared library, libcolloquy-dev, and colloquy-tools.
if(NOT PROJECT_IS_TOP_LEVEL OR NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR NOT TARGET colloquy_shared)
    return()
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "Colloquy maintainers <maintainers@colloquy.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime development)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS OFF)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)

set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME libcolloquy${PROJECT_VERSION_MAJOR})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "CPI-C conversations over TCP: the shared library")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_GENERATE_SHLIBS ON)

set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libcolloquy-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "CPI-C conversations over TCP: headers and the static library")
# The static library needs what the shared one is linked with.
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
    "${CPACK_DEBIAN_RUNTIME_PACKAGE_NAME} (= ${PROJECT_VERSION}-1), libc-ares-dev, libcrypt-dev, libssl-dev")

if(TARGET colloquy_tool)
    list(APPEND CPACK_COMPONENTS_ALL tools)
    set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME colloquy-tools)
    set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION net)
    set(CPACK_DEBIAN_TOOLS_DESCRIPTION
        "CPI-C conversations over TCP: the command colloquy, and its attach manager as a service")
endif()

# Which packages the binaries need is read from them at packaging time. Where the tool for it is missing then, these are
# stated: what they are linked with, by Debian's names.
set(CPACK_COLLOQUY_LIBRARY_NEEDS "libc6, libgcc-s1, libstdc++6, libc-ares2")
if(colloquy_with_crypt)
    string(APPEND CPACK_COLLOQUY_LIBRARY_NEEDS ", libcrypt1")
endif()
if(colloquy_with_tls AND OPENSSL_VERSION VERSION_LESS 3)
    string(APPEND CPACK_COLLOQUY_LIBRARY_NEEDS ", libssl1.1")
elseif(colloquy_with_tls)
    string(APPEND CPACK_COLLOQUY_LIBRARY_NEEDS ", libssl3")
endif()
set(CPACK_COLLOQUY_TOOLS_NEEDS "${CPACK_COLLOQUY_LIBRARY_NEEDS}")
if(SQLite3_FOUND)
    string(APPEND CPACK_COLLOQUY_TOOLS_NEEDS ", libsqlite3-0")
endif()
if(mimalloc_FOUND AND TARGET mimalloc)
    string(APPEND CPACK_COLLOQUY_TOOLS_NEEDS ", libmimalloc2.0")
endif()
set(CPACK_PROJECT_CONFIG_FILE ${PROJECT_SOURCE_DIR}/cmake/package_needs.cmake)

foreach(component IN LISTS CPACK_COMPONENTS_ALL)
    string(TOUPPER ${component} upper)
    install(FILES LICENSE DESTINATION share/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME} RENAME copyright
        COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
include(CPack)
