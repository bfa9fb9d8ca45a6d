# 32-bit Windows by MinGW-w64: cmake --toolchain cmake/toolchains/mingw-w64-i686.cmake
# Its programs run under a Wine that has its 32-bit half ("wine32"), which the 64-bit package has not.
set(colloquy_windows_cpu i686)
set(colloquy_windows_wine wine32-stable wine32)
include(${CMAKE_CURRENT_LIST_DIR}/mingw-w64.cmake)
