/*
 * windows.h for programs that include it by that name: put this directory on the include path of such a program, on
 * systems that are not Windows, and it compiles as it is.
 */
#ifndef COLLOQUY_COMPAT_WINDOWS_H
#define COLLOQUY_COMPAT_WINDOWS_H

#if defined(_WIN32)
#error "the system has a windows.h of its own"
#endif
#include "colloquy/windows_names.h"

#endif
