#!/usr/bin/env python3
"""Holds the C headers to what programs expect of them, with every C and C++ compiler that is here.

usage: run.py SOURCE C_COMPILER CXX_COMPILER WHAT
  standards   they compile, silently, in every standard from C89 and C++98 on, in K&R style too
  constants   tests/data/constants.tsv: every constant is there with its value, usable by the preprocessor and in a
              switch, and none is there that the table lacks
  names       they define nothing else, under any of their names, and include nothing of a system
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict

C_STANDARDS = ("c89", "c99", "c11", "c17")
CXX_STANDARDS = ("c++98", "c++03", "c++11", "c++14", "c++17", "c++20")
STRICT = ("-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Wundef", "-Werror")
# A program in K&R style compiles with them off: they are about its style, not about the headers.
OLD_STYLE = ("-Wno-implicit-int", "-Wno-strict-prototypes", "-Wno-deprecated-non-prototype",
             "-Wno-unknown-warning-option")
HEADERS = ("cpic.h", "cmc.h", "sna/cmc.h", "wincpic.h")
OURS = ("CM_", "XC_", "COLLOQUY_")
WINDOWS = ("WCPIC", "WIN_CPIC_")
NOT_CONSTANTS = {"CM_PTR", "CM_ENTRY", "XC_SOFT", "XC_HARD"}


class Checker:
    def __init__(self, source, c, cxx):
        self.source, self.api = source, source / "api"
        self.c = self.found(c, "gcc", "clang", "clang-14")
        self.cxx = self.found(cxx, "g++", "clang++", "clang++-14")
        self.compiled = 0
        self.trouble = []

    @staticmethod
    def found(*names):
        """Each compiler once, whatever names it goes by. Those that only know another system are left out."""
        by_path = {}
        for name in names:
            path = shutil.which(name)
            if path and "mingw" not in name:
                by_path.setdefault(pathlib.Path(path).resolve(), path)
        return list(by_path.values())

    def run(self, *command):
        return subprocess.run(list(map(str, command)), text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def compile(self, compiler, *arguments):
        self.compiled += 1
        done = self.run(compiler, "-fsyntax-only", "-I", self.api, *arguments)
        if done.returncode != 0 or done.stdout:
            self.trouble.append(f"{compiler} {' '.join(map(str, arguments))}\n{done.stdout}")

    def standards(self):
        tests = self.source / "tests"
        for compiler in self.c:
            for standard in C_STANDARDS:
                self.compile(compiler, f"-std={standard}", *STRICT, tests / "api/headers_c89.c")
                self.compile(compiler, f"-std={standard}", *STRICT, tests / "headers/all.c")
            self.compile(compiler, "-std=c99", *STRICT, tests / "api/headers_c99.c")
            self.compile(compiler, "-std=c89", "-pedantic", "-Werror", *OLD_STYLE, tests / "headers/kr.c")
        for compiler in self.cxx:
            for standard in CXX_STANDARDS:
                self.compile(compiler, "-x", "c++", f"-std={standard}", *STRICT, tests / "api/headers_c89.c")
                self.compile(compiler, "-x", "c++", f"-std={standard}", *STRICT, tests / "headers/all.c")
                if standard not in ("c++98", "c++03"):
                    self.compile(compiler, f"-std={standard}", *STRICT, tests / "api/headers_cpp.cpp")

    def table(self):
        lines = (self.source / "tests/data/constants.tsv").read_text("utf-8").splitlines()
        return [line.split("\t") for line in lines[1:]]

    def constants(self):
        groups = defaultdict(dict)
        program = ['#include "cpic.h"']
        for group, name, value, _ in self.table():
            program += [f"#ifndef {name}", f"#error {name} is not defined", f"#elif {name} != {value}",
                        f"#error {name} is not {value}", "#endif"]
            groups[group].setdefault(value, name)
        # One switch a group: a value that is no integer constant, or is there twice, does not compile.
        for group, names in groups.items():
            program += [f"const char *{group}_name(CM_INT32 v);", f"const char *{group}_name(CM_INT32 v)", "{",
                        "    switch (v) {"]
            program += [f'    case {name}: return "{name}";' for name in names.values()]
            program += ["    default: return 0;", "    }", "}"]
        with tempfile.TemporaryDirectory(prefix="colloquy-headers-") as scratch:
            path = pathlib.Path(scratch) / "constants.c"
            path.write_text("\n".join(program) + "\n", "utf-8")
            for compiler in self.c:
                self.compile(compiler, "-std=c89", *STRICT, path)
            for compiler in self.cxx:
                self.compile(compiler, "-x", "c++", "-std=c++98", *STRICT, path)
        known = {name for _, name, _, _ in self.table()} | NOT_CONSTANTS
        for name in self.macros("cpic.h"):
            if name.startswith(("CM_", "XC_")) and name not in known:
                self.trouble.append(f"cpic.h defines {name}, which the standard lacks")

    def preprocess(self, header, *options):
        done = self.run(self.c[0], "-std=c89", "-I", self.api, "-E", *options, "-x", "c", self.api / header)
        assert done.returncode == 0, done.stdout
        return done.stdout

    @staticmethod
    def definitions(text):
        """Names and what they stand for, of the preprocessor's -dM."""
        lines = (line.split(None, 2) for line in text.splitlines())
        return {words[1].split("(")[0]: words[2] if len(words) > 2 else "" for words in lines}

    def macros(self, header, *options):
        nothing = self.run(self.c[0], "-std=c89", "-dM", "-E", "-x", "c", "/dev/null", *options).stdout
        compilers = self.definitions(nothing)
        own = self.definitions(self.preprocess(header, "-dM", *options))
        return {name: text for name, text in own.items() if name not in compilers}

    def names(self):
        for header in HEADERS:
            allowed = OURS + (WINDOWS if header == "wincpic.h" else ())
            plain = self.macros(header)
            for name in sorted(plain):
                if not name.startswith(allowed):
                    self.trouble.append(f"{header} defines {name}")
            # The long names and nothing else, and each of them the name of a call that is declared.
            declared = self.preprocess(header)
            readable = self.macros(header, "-DREADABLE_MACROS")
            for name in sorted(readable.keys() - plain.keys()):
                if name.isupper() or not name[0].isupper() or f" {readable[name]}(" not in declared:
                    self.trouble.append(f"{header} defines {name}, which is no pseudonym")
            for line in self.preprocess(header).splitlines():
                if line.startswith("# ") and '"' in line:
                    file = line.split('"')[1]
                    if not file.startswith(("<", str(self.api))) and file not in ("/usr/include/stdc-predef.h",):
                        self.trouble.append(f"{header} includes {file}")


def main():
    if len(sys.argv) != 5 or sys.argv[4] not in ("standards", "constants", "names"):
        print(__doc__, file=sys.stderr)
        return 2
    checker = Checker(pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3])
    getattr(checker, sys.argv[4])()
    for finding in checker.trouble:
        print(finding)
    print(f"headers {sys.argv[4]}: {len(checker.c)} C and {len(checker.cxx)} C++ compilers, {checker.compiled} "
          f"translation units, {len(checker.trouble)} findings")
    return 1 if checker.trouble else 0


if __name__ == "__main__":
    sys.exit(main())
