/*
 * COLLOQUY_API marks what the shared library shows; everything else is hidden.
 * COLLOQUY_BUILDING is defined while the library itself is compiled, COLLOQUY_STATIC by users of the static library.
 * Both matter only on Windows, where a list of names that is made from the headers says what the DLL exports. C89, so
 * that the C headers can use it.
 */
#ifndef COLLOQUY_EXPORT_H
#define COLLOQUY_EXPORT_H

#if defined(_WIN32)
#if defined(COLLOQUY_STATIC) || defined(COLLOQUY_BUILDING)
#define COLLOQUY_API
#else
#define COLLOQUY_API __declspec(dllimport)
#endif
#define COLLOQUY_CALL __stdcall
#else
#if defined(__GNUC__)
#define COLLOQUY_API __attribute__((visibility("default")))
#else
#define COLLOQUY_API
#endif
#define COLLOQUY_CALL
#endif

#endif
