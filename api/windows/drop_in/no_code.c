/* WCPIC32.dll and WINCPIC32.dll are lists of names that stand for those of colloquy.dll; a linker wants an object. */
typedef int colloquy_nothing;
