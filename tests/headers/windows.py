#!/usr/bin/env python3
"""Compiles programs of Windows against the C headers: alone, with windows.h before them and with windows.h after them,
in C and C++, with the compilers given and, the headers alone, with clang as Microsoft's compiler would.

usage: windows.py SOURCE COMPILER ...
"""
import pathlib
import shutil
import subprocess
import sys

STRICT = ("-Wall", "-Wextra", "-Wshadow", "-Wundef", "-Werror", "-fsyntax-only")
STANDARDS = (("c", "c89"), ("c", "c99"), ("c", "c17"), ("c++", "c++98"), ("c++", "c++17"), ("c++", "c++20"))


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    source = pathlib.Path(sys.argv[1])
    jobs = [([compiler, "-pedantic"], ("ALONE", "BEFORE", "AFTER"))
            for compiler in sys.argv[2:] if shutil.which(compiler)]
    # Microsoft's compiler knows no pedantry; its own __int64 is an extension.
    if shutil.which("clang"):
        for target in ("x86_64-pc-windows-msvc", "i686-pc-windows-msvc"):
            jobs.append((["clang", f"--target={target}"], ("ALONE",)))
    compiled = failed = 0
    for compiler, places in jobs:
        for language, standard in STANDARDS:
            for place in places:
                command = [*compiler, *STRICT, "-x", language, f"-std={standard}", f"-D{place}", "-I",
                           str(source / "api"), str(source / "tests/headers/windows.c")]
                done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                compiled += 1
                if done.returncode != 0 or done.stdout:
                    failed += 1
                    print(" ".join(command), done.stdout, sep="\n")
    print(f"{compiled} translation units, {failed} failed")
    return 1 if failed or compiled == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
