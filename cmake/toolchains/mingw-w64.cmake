# What both MinGW-w64 toolchain files share; `colloquy_windows_cpu` says which compiler. The "posix" flavour is the one
# whose standard library has threads.
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_SYSTEM_PROCESSOR ${colloquy_windows_cpu})
set(CMAKE_C_COMPILER ${colloquy_windows_cpu}-w64-mingw32-gcc-posix)
set(CMAKE_CXX_COMPILER ${colloquy_windows_cpu}-w64-mingw32-g++-posix)
set(CMAKE_RC_COMPILER ${colloquy_windows_cpu}-w64-mingw32-windres)

# Libraries and headers of this machine are not those of Windows; programs to run while building are.
set(CMAKE_FIND_ROOT_PATH /usr/${colloquy_windows_cpu}-w64-mingw32)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)

# ctest runs what it has built under Wine, in a prefix of the build tree unless the environment names one. Wine's own
# chatter is off, and so are the dialogues in which a new prefix offers to fetch Mono and Gecko.
find_program(COLLOQUY_WINE NAMES ${colloquy_windows_wine})
mark_as_advanced(COLLOQUY_WINE)
if(COLLOQUY_WINE AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
    set(colloquy_wine_prefix ${CMAKE_BINARY_DIR}/wine)
    if(DEFINED ENV{WINEPREFIX})
        set(colloquy_wine_prefix $ENV{WINEPREFIX})
    endif()
    set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/env
        WINEPREFIX=${colloquy_wine_prefix} WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml,winedbg.exe=
        ${CMAKE_CURRENT_LIST_DIR}/wine.sh ${COLLOQUY_WINE})
endif()
