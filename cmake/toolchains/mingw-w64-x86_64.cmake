# 64-bit Windows by MinGW-w64: cmake --toolchain cmake/toolchains/mingw-w64-x86_64.cmake
set(colloquy_windows_cpu x86_64)
set(colloquy_windows_wine wine)
include(${CMAKE_CURRENT_LIST_DIR}/mingw-w64.cmake)
