"""What the DLLs export and import, read with objdump: every entry point that the headers declare, by the names that
programs look for, and nothing from a DLL that Windows does not have.

usage: exports.py OBJDUMP BITS BIN_DIR LIB_DIR API_DIR
"""
import pathlib
import re
import subprocess
import sys

objdump, bits, bin_dir, lib_dir, api_dir = sys.argv[1:]
bin_dir, lib_dir, api_dir = map(pathlib.Path, (bin_dir, lib_dir, api_dir))
problems = []


def entry_points(header):
    """Names and the bytes of their parameters on a 32-bit stack."""
    text = re.sub(r"/\*.*?\*/", " ", header.read_text(), flags=re.S)
    points = {}
    for name, parameters in re.findall(r"(?:CM_ENTRY|COLLOQUY_API)\s[^;{}#]*?\b(\w+)\s*\(([^()]*)\)\s*;", text):
        parameters = parameters.strip()
        points[name] = 0 if parameters in ("", "void") else 4 * (parameters.count(",") + 1)
    return points


def dump(option, file):
    return subprocess.run([objdump, option, str(file)], check=True, capture_output=True, text=True).stdout


def exports(file):
    table = dump("-p", file).split("[Ordinal/Name Pointer] Table", 2)[-1]
    return set(re.findall(r"^\t\[\s*\d+\]\s+(\S+)$", table, flags=re.M))


def expect(missing, where):
    if missing:
        problems.append(f"{where} lacks {', '.join(sorted(missing))}")


cpic = entry_points(api_dir / "cpic.h") | entry_points(api_dir / "wincpic.h")
own = cpic | entry_points(api_dir / "colloquy/colloquy.h") | entry_points(api_dir / "colloquy/completion_port.h")
for known, size in (("cminit", 12), ("cmrcv", 32), ("xchwnd", 8), ("WinCPICStartup", 8), ("WinCPICIsBlocking", 0)):
    if cpic.get(known) != size:
        problems.append(f"the headers do not declare {known} with {size} bytes of parameters")

for library, wanted in (("colloquy", own), ("WCPIC32", cpic), ("WINCPIC32", cpic)):
    found = exports(bin_dir / f"{library}.dll")
    expect(set(wanted) - found, library)
    if bits == "32":
        expect({f"_{name}@{size}" for name, size in wanted.items()} - found, library)
    strangers = {n for n in found if n not in wanted and re.sub(r"^_?(\w+)@\d+$", r"\1", n) not in wanted}
    if strangers:
        problems.append(f"{library} exports {', '.join(sorted(strangers)[:10])}")
    system = re.compile(
        r"(?i)(kernel32|user32|advapi32|ws2_32|mswsock|iphlpapi|bcrypt|msvcrt|ntdll|api-ms-win-.*)\.dll$")
    for imported in re.findall(r"DLL Name: (\S+)", dump("-p", bin_dir / f"{library}.dll")):
        if not system.match(imported):
            problems.append(f"{library} needs {imported}")

for stem in ("wcpic32", "wincpic32"):
    symbols = set(re.findall(r"\b__imp_(\S+)", dump("-t", lib_dir / f"lib{stem}.a")))
    expect({f"_{n}@{s}" if bits == "32" else n for n, s in cpic.items()} - symbols, f"lib{stem}.a")

for p in problems:
    print(p)
print(f"{len(cpic)} calls of CPI-C, {len(own) - len(cpic)} of our own, {len(problems)} problems")
sys.exit(1 if problems else 0)
