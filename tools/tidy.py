#!/usr/bin/env python3
"""Hygiene as a test: layering of includes, memory orders, tags with both ends, line length, stray machine paths.

Prints one line per finding, "file:line: what", and exits 1 when there is any. Looks at the files git knows or could
know (tracked, and untracked but not ignored); outside a repository it walks the tree.
"""
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = {".hpp", ".cpp", ".h", ".c", ".def", ".inc"}
TEXT = CODE | {".py", ".sh", ".cmake", ".txt", ".md", ".json", ".toml", ".tsv", ".in", ".supp", ""}
COLUMNS = 120
# Tables and prose in Markdown, and data, may be wider.
WIDE = {".md", ".tsv", ".json", ".toml", ".txt"}

# The upper layers that a layer may not include.
FORBIDDEN_LAYERS = {"runtime": {"transport", "api", "tools"}, "transport": {"api", "tools"}, "api": {"tools"}}
# What runtime/ may include in angle brackets: no threads, no clocks, no system. ConcurrentQueue and the
# interface of the sanitizers are the exceptions.
RUNTIME_HEADERS = set(
    """algorithm array atomic bit bitset cassert cctype cerrno charconv climits compare concepts coroutine cstddef
    cstdint cstdlib cstring deque exception forward_list functional initializer_list iterator limits list map memory
    memory_resource new numbers numeric optional queue random ranges ratio set span stack stdexcept string string_view
    tuple type_traits typeinfo unordered_map unordered_set utility variant vector version
    concurrentqueue/concurrentqueue.h sanitizer/asan_interface.h""".split())
# The wire knows the codes it translates to and from, and otherwise itself.
WIRE_MAY_INCLUDE = ("runtime/wire/", "runtime/return_code.")

INCLUDE = re.compile(r'^\s*#\s*include\s*(<([^>]+)>|"([^"]+)")')
LINE_COMMENT = re.compile(r"//.*")
# Both ends of an edge may be one read-modify-write, written acq_rel[tag].
TAG = re.compile(r"\b(release|acquire|acq_rel)\[([a-z0-9-]+)\]")
RAW_ORDER = re.compile(r"\b(atomic_thread_fence|atomic_signal_fence|memory_order_seq_cst|memory_order::seq_cst)\b")
RAW_ATOMIC = re.compile(r"\bstd::atomic\s*<")
# Where orders get their names: for the library, and for programs that see only its public headers.
ATOMS = {"runtime/atom.hpp", "api/colloquy/atom.hpp"}
# Asking about a type is no use of it.
ATOMIC_TRAIT = re.compile(r"sizeof\(std::atomic<\w+>\)|std::atomic<\w+>::is_always_lock_free")


def project_files() -> list[Path]:
    try:
        listed = subprocess.run(
            ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True, check=True).stdout.decode().split("\0")
        # The inputs kept for the fuzz targets are bytes, whatever they look like.
        return sorted(ROOT / name for name in listed
                      if name and not name.startswith("tests/fuzz/corpus/") and (ROOT / name).is_file())
    except (OSError, subprocess.CalledProcessError):
        return sorted(p for p in ROOT.rglob("*") if p.is_file() and not {".git", "build"} & set(p.parts))


def machine_paths() -> re.Pattern:
    """Where this tree happens to stand, and home directories anywhere."""
    places = {re.escape(str(ROOT)) + r"\b", r"/(?:home|Users)/[a-z][\w.-]*/", r"/root/"}
    if len(ROOT.parts) == 3 and ROOT.parts[1] not in {"tmp", "home", "root", "opt", "usr", "src", "build", "var"}:
        places.add(r"(?<![\w.])" + re.escape(str(ROOT.parent)) + "/")
    return re.compile("|".join(sorted(places)))


def check_includes(relative: Path, number: int, line: str, report) -> None:
    match = INCLUDE.match(line)
    layer = relative.parts[0]
    if not match or layer not in FORBIDDEN_LAYERS:
        return
    angled, quoted = match[2], match[3]
    target = (angled or quoted).split("/")[0]
    if target in FORBIDDEN_LAYERS[layer] or (layer == "runtime" and target == "tests"):
        report(number, f"{layer}/ includes {target}/, an upper layer")
    if layer == "runtime":
        if angled and angled not in RUNTIME_HEADERS:
            report(number, f"runtime/ includes <{angled}>: no system, thread or clock header belongs there")
        if relative.parts[1] == "wire" and quoted and not quoted.startswith(WIRE_MAY_INCLUDE):
            report(number, "runtime/wire/ includes nothing of ours but itself and the return codes")


def check_code(relative: Path, lines: list[str], tags, report) -> None:
    if relative.suffix == ".hpp" and not any(line.strip() == "#pragma once" for line in lines):
        report(1, "header without #pragma once")
    ours = relative.parts[0] in FORBIDDEN_LAYERS
    for number, line in enumerate(lines, 1):
        check_includes(relative, number, line, report)
        for kind, tag in TAG.findall(line) if ours else []:
            tags[tag][kind].append((relative, number))
        code = LINE_COMMENT.sub("", line)
        if RAW_ORDER.search(code):
            report(number, "fences and seq_cst are not used; name an acquire or release operation of runtime/atom.hpp")
        if ours and RAW_ATOMIC.search(ATOMIC_TRAIT.sub("", code)) and relative.as_posix() not in ATOMS:
            report(number, "std::atomic<...> lets orders default; use runtime/atom.hpp")


def main() -> int:
    findings: list[str] = []
    tags = defaultdict(lambda: defaultdict(list))
    stray = machine_paths()
    count = 0
    for path in project_files():
        relative = path.relative_to(ROOT)
        if path.suffix not in TEXT:
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        count += 1

        def report(number: int, what: str, relative=relative) -> None:
            findings.append(f"{relative}:{number}: {what}")

        for number, line in enumerate(lines, 1):
            if path.suffix not in WIDE and path.name != "LICENSE" and len(line) > COLUMNS:
                report(number, f"line of {len(line)} columns, {COLUMNS} are allowed")
            if line != line.rstrip():
                report(number, "blanks at the end of the line")
            if stray.search(line) and relative.as_posix() != "tools/tidy.py":
                report(number, "names a path of one machine")
        if path.suffix in CODE:
            check_code(relative, lines, tags, report)

    for tag, ends in sorted(tags.items()):
        for kind, twin in (("release", "acquire"), ("acquire", "release")):
            if ends[kind] and not ends[twin] and not ends["acq_rel"]:
                relative, number = ends[kind][0]
                findings.append(f"{relative}:{number}: {kind}[{tag}] has no {twin}[{tag}]")

    for finding in findings:
        print(finding)
    print(f"tidy: {count} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
