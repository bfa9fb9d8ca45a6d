#!/usr/bin/env python3
"""Writes a reference page for every call (docs/calls/*.md) and the tests that exercise it (docs/call-tests.md).

The one source is docs/calls/calls.toml, held against the prototypes and the long names of the headers and against the
numbers of the calls. With --check nothing is written: exits 1 when a page is not up to date, when source and headers
disagree, or when a call has no test. With --exports LIBRARY only compares what the shared library exports.

docs/call-tests.md names a few tests of each call, not all; it is out of date when it names one that is gone.
"""
import re
import subprocess
import sys
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:
    print("needs Python 3.11")
    sys.exit(77)

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "calls"
SOURCE = PAGES / "calls.toml"
TESTS_PAGE = ROOT / "docs" / "call-tests.md"
TESTS = ROOT / "tests"
PROTOTYPE = re.compile(
    r"^(?:CM_ENTRY|extern COLLOQUY_API (?P<result>\w+) COLLOQUY_CALL) (?P<name>\w+)\((?P<parameters>[^;]*)\);", re.M)
SHOWN = 4  # tests named for each call


# ---- what the headers say

class Prototype:
    def __init__(self, match, header):
        self.header, self.result = header, match["result"] or "void"
        words = [" ".join(p.replace("CM_PTR", "*").split()) for p in match["parameters"].split(",")]
        self.text = [re.sub(r" \* ?", " *", word) for word in words]
        self.names = [re.search(r"(\w+)$", word)[1] for word in words]
        # None: passed by value, or a type that hides its pointer.
        self.inputs = [word.startswith("const ") if "*" in word else None for word in words]


def prototypes():
    found = {}
    for header in ("cpic.h", "wincpic.h"):
        text = (ROOT / "api" / header).read_text("utf-8")
        for match in PROTOTYPE.finditer(text):
            found[match["name"]] = Prototype(match, header)
    return found


def long_names():
    text = (ROOT / "api" / "cpic.h").read_text("utf-8")
    return dict(re.findall(r"^#define ([A-Z]\w+) ((?:cm|xc)\w+)$", text, re.M))


def call_ids():
    lines = (ROOT / "tests/data/constants.tsv").read_text("utf-8").splitlines()
    table = [line.split("\t") for line in lines]
    return {name[3:].lower(): int(value) for group, name, value, _ in table[1:] if group == "call_ID"}


def numbered():
    text = (ROOT / "api" / "calls.def").read_text("utf-8")
    return {entry: (int(number), name, names == "1") for number, entry, name, names in
            re.findall(r"COLLOQUY_CALL_ID\((\d+), (\w+), (\w+), ([01])\)", text)}


# ---- the source

class Source:
    def __init__(self):
        data = tomllib.loads(SOURCE.read_text("utf-8"))
        self.words, self.usual, self.bare = data["words"], data["usual"], data["bare"]
        self.calls = data["call"]
        for call in self.calls:
            template = data["like"].get(call.get("like"), {})
            for key in ("states", "codes"):
                call.setdefault(key, template.get(key))

    def codes(self, call):
        """Code and text of each line."""
        for line in call["codes"]:
            if line in self.words:
                yield from self.words[line]
                continue
            numbers, text = re.match(r"((?:[0-9A-F]+ )*[0-9A-F]+)(?: (.*))?$", line).groups()
            usual = self.usual.get(numbers, "")
            if text is None:
                text = usual
            elif text.startswith("+ "):
                text = usual.replace("; nothing changed", "") + "; " + text[2:]
            yield numbers, text


def disagreements(source):
    headers, names, ids, table = prototypes(), long_names(), call_ids(), numbered()
    documented = set(source.bare)
    for call in source.calls:
        documented |= set(call["entries"])
        first = headers.get(call["entries"][0])
        soon = call.get("support") == "soon"
        if soon:
            if first is not None:
                print(f'note: {call["entries"][0]} is declared: take its support = "soon" away')
            continue
        for key in ("states", "codes"):
            if call[key] is None:
                yield f"{call['name']}: no {key}"
        for entry in call["entries"]:
            prototype = headers.get(entry)
            if prototype is None:
                yield f"{entry}: no header declares it"
            elif prototype.text != first.text:
                yield f"{entry}: not declared as {call['entries'][0]} is"
        if first is None:
            continue
        given = [name for name in call["params"] if name != "void"]
        declared = [name for name in first.names if name not in ("return_code", "void")]
        if given != declared:
            yield f"{call['name']}: its parameters are {declared}, not {given}"
        for name, is_input in zip(first.names, first.inputs):
            says = call["params"].get(name, "")
            # Handles and functions are pointers themselves, and event_handle points to one that is only read.
            if says.startswith("in and out") or name in ("return_code", "event_handle", "callback_function",
                                                         "hwndNotify"):
                continue
            if is_input is not None and says.startswith("in") != is_input:
                yield f"{call['name']}: {name} is declared as {'an input' if is_input else 'an output'}"
        number = call.get("id")
        for entry in call["entries"]:
            if entry in ids and ids[entry] != number:
                yield f"{entry}: its call_ID is {ids[entry]}, not {number}"
        if number is not None and not any(entry in ids for entry in call["entries"]):
            yield f"{call['name']}: there is no such call_ID"
        if first.header == "cpic.h" and names.get(call["name"]) not in call["entries"]:
            yield f"{call['name']}: READABLE_MACROS does not know it"
    for entry, prototype in headers.items():
        if entry not in documented:
            yield f"{prototype.header} declares {entry}, which {SOURCE.name} does not know"
    for name, entry in names.items():
        if entry not in documented:
            yield f"{name} stands for {entry}, which {SOURCE.name} does not know"
    by_entry = {entry: call for call in source.calls for entry in call["entries"]}
    for entry, number in ids.items():
        if table.get(entry, (0,))[0] != number:
            yield f"api/calls.def does not give {entry} the number {number}"
        elif table[entry][1] != by_entry.get(entry, {}).get("name"):
            yield f"api/calls.def calls {entry} {table[entry][1]}"
        elif table[entry][2] != (by_entry[entry]["params"].get("conversation_ID", "").startswith("in")):
            yield f"api/calls.def is wrong about whether {entry} names a conversation"


# ---- pages

def signature(call, headers):
    entry = call["entries"][0]
    prototype = headers.get(entry)
    if prototype is None or call.get("support") == "soon":
        return f"{entry}({', '.join(call['params'])}, return_code);"
    lines, line = [], f"{prototype.result} {entry}("
    indent = " " * len(line)
    for n, parameter in enumerate(prototype.text):
        piece = parameter + (", " if n + 1 < len(prototype.text) else ");")
        if len(line) + len(piece) > 100 and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += piece
    return "\n".join([*lines, line])


def page(source, call, headers):
    entries = ", ".join(f"`{entry}`" for entry in call["entries"])
    lines = [f"# {call['name']}", "",
             "<!-- Written by tools/calls.py from docs/calls/calls.toml. Do not edit. -->", "",
             f"{entries} · {since(call)}" + (f" · call_ID {call['id']}" if "id" in call else ""), "", call["does"]]
    if call.get("support") == "no":
        lines += ["", "**Not supported:** answers 48 CM_CALL_NOT_SUPPORTED, whatever the conversation, and changes "
                  "nothing."]
    elif call.get("support") == "soon":
        lines += ["", "**Not in this release.**"]
    lines += ["", "```c", signature(call, headers), "```", ""]
    given = {name: text for name, text in call["params"].items() if name != "void"}
    if given:
        lines += ["| parameter | |", "|---|---|"] + [f"| {name} | {text} |" for name, text in given.items()] + [""]
    lines += [f"**States.** {call['states'] or 'None: it is about no conversation.'}", ""]
    first = headers.get(call["entries"][0])
    head = "code" if first is None or "return_code" in first.names else "result"
    lines += [f"| {head} | when |", "|---|---|"]
    lines += [f"| {numbers} | {text} |" for numbers, text in source.codes(call)]
    if call.get("notes"):
        lines += [""] + [f"- {note}" for note in call["notes"]]
    if call.get("example"):
        path, _, function = call["example"].partition("#")
        lines += ["", f"From [{path}](../../{path}):", "", "```c", *quoted(path, function), "```"]
    lines += ["", f"[All calls](README.md) · [its tests](../call-tests.md#{anchor(call['name'])})"]
    return "\n".join(lines) + "\n"


def quoted(path, function):
    """The lines of a function of a C file, with the comment above it."""
    text = (ROOT / path).read_text("utf-8")
    comment = r"(?:^/\* [^\n]* \*/\n)?"
    found = re.search(rf"{comment}^[^\n ][^\n]*\b{function}\([^;]*?\) \{{\n.*?^\}}\n", text, re.M | re.S)
    if found is None:
        sys.exit(f"{path} has no function {function}")
    return found[0].rstrip("\n").splitlines()


def since(call):
    return "an extension" if call["since"] == "extension" else f"CPI-C {call['since']}"


def anchor(name):
    return name.lower()


def index(source):
    lines = ["# Calls", "", "<!-- Written by tools/calls.py from docs/calls/calls.toml. Do not edit. -->", "",
             "One page a call. Rules that hold for all of them stand at the top of `cpic.h`; the states in "
             "[conformance](../conformance.md), calls that complete later in [async](../async.md).", ""]
    groups = dict.fromkeys(call["group"] for call in source.calls)
    for group in groups:
        lines += [f"## {group}", "", "| call | entry point | since | |", "|---|---|---|---|"]
        for call in source.calls:
            if call["group"] == group:
                entries = " ".join(f"`{entry}`" for entry in call["entries"])
                when = call["since"] if call["since"] == "extension" else f"CPI-C {call['since']}"
                does = call["does"] if call.get("support") != "soon" else f"(Not in this release.) {call['does']}"
                lines.append(f"| [{call['name']}]({call['name']}.md) | {entries} | {when} | {does} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


# ---- tests

CASE = re.compile(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)')
DEFINITION = re.compile(r"^[ \t]*(?:[\w:<>&*,\[\]~ ]+?[ &*])?~?(\w+)\(([^;{}]*)\)[^;{}()]*(?:: [^;{}]*)?\{", re.M)
WORD = re.compile(r"\b[A-Za-z_]\w*\b")
NO_FUNCTIONS = {"if", "for", "while", "switch", "catch", "TEST_CASE", "TEST_SUITE", "SUBCASE", "main"}


def body(text, start):
    """The text between the brace at `start` and its partner."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return text[start:]


class TestSource:
    def __init__(self, path):
        self.path = path
        text = re.sub(r"//.*|/\*.*?\*/", "", path.read_text("utf-8"), flags=re.S if path.suffix == ".c" else 0)
        self.includes = re.findall(r'#include "(tests/[^"]+)"', text)
        self.helpers = {}
        for match in DEFINITION.finditer(text):
            if match[1] not in NO_FUNCTIONS and not match[1].isupper():
                words = set(WORD.findall(body(text, match.end() - 1)))
                self.helpers.setdefault(match[1], set()).update(words)
        self.cases = {}
        if path.suffix == ".cpp":
            for match in CASE.finditer(text):
                name = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[1]))
                start = text.find("{", match.end())
                self.cases[name] = set(WORD.findall(body(text, start)))
        elif path.suffix == ".c":
            self.cases["the program"] = set(WORD.findall(text))


def test_sources():
    paths = [p for pattern in ("*.cpp", "*.hpp", "*.c") for p in TESTS.rglob(pattern)]
    return {path.relative_to(ROOT).as_posix(): TestSource(path) for path in sorted(paths)
            if not path.name.startswith("headers_") and path.parent.name != "headers"}


def exercised(entries):
    """For each entry point the tests that reach it: (file, case, whether the case names it itself)."""
    sources = test_sources()
    found = {entry: [] for entry in entries}
    for path, source in sources.items():
        if not source.cases:
            continue
        near, queue = dict(source.helpers), list(source.includes)
        seen = set()
        while queue:
            header = queue.pop()
            if header in seen or header not in sources:
                continue
            seen.add(header)
            queue += sources[header].includes
            for name, words in sources[header].helpers.items():
                near[name] = near.get(name, set()) | words
        for case, words in source.cases.items():
            reached, front = set(words), set(words)
            while front:
                front = set().union(*(near[word] for word in front if word in near)) - reached
                reached |= front
            for entry in reached & found.keys():
                found[entry].append((path, case, entry in words))
    return found


def test_page(source, found):
    lines = ["# Calls and their tests", "", "Written by `tools/calls.py` from the names of calls in `tests/`. Do not "
             "edit. Up to four tests of each entry point are named, those first that name it themselves; the rest "
             "reach it through helpers.", ""]
    for call in source.calls:
        if call.get("support") == "soon":
            continue
        lines += [f"## {call['name']}", ""]
        for entry in call["entries"]:
            tests = sorted(found[entry], key=lambda test: not test[2])
            files, chosen = set(), []
            for test in tests:  # of different files, as far as there are any
                if test[0] not in files:
                    files.add(test[0])
                    chosen.append(test)
            chosen = (chosen + [test for test in tests if test not in chosen])[:SHOWN]
            lines += [f"- `{entry}`"] + [f"    - `{path}` {case}" for path, case, _ in chosen]
        lines.append("")
    lines += ["## Exports of Networking Services/2", ""]
    for entry in source.bare:
        lines += [f"- `{entry}`"] + [f"    - `{path}` {case}" for path, case, _ in found[entry][:1]]
    return "\n".join(lines).rstrip() + "\n"


def stale_tests(found):
    """What docs/call-tests.md says and is no longer so."""
    if not TESTS_PAGE.is_file():
        yield f"{TESTS_PAGE.relative_to(ROOT)} is missing; run tools/calls.py"
        return
    entry, listed = None, set()
    for line in TESTS_PAGE.read_text("utf-8").splitlines():
        if match := re.match(r"- `(\w+)`$", line):
            entry = match[1]
            listed.add(entry)
        elif match := re.match(r"    - `([^`]+)` (.*)$", line):
            if (match[1], match[2]) not in {test[:2] for test in found.get(entry, [])}:
                yield (f"{TESTS_PAGE.relative_to(ROOT)}: {entry}: no test \"{match[2]}\" of {match[1]} any more; "
                       "run tools/calls.py")
    for entry in found.keys() - listed:
        yield f"{TESTS_PAGE.relative_to(ROOT)} does not know {entry}; run tools/calls.py"


def exported_names(library, source):
    listed = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True).stdout
    there = {line.split()[-1] for line in listed.splitlines()}
    soon = {entry for call in source.calls if call.get("support") == "soon" for entry in call["entries"]}
    wanted = {entry for call in source.calls for entry in call["entries"]} | set(source.bare)
    for entry in sorted(wanted - soon - there):
        yield f"{library} does not export {entry}"
    for entry in sorted(there - wanted):
        if not entry.startswith("clq_"):
            yield f"{library} exports {entry}, which is no call"


def main():
    source = Source()
    if len(sys.argv) == 3 and sys.argv[1] == "--exports":
        findings = list(exported_names(sys.argv[2], source))
    else:
        check = "--check" in sys.argv[1:]
        headers = prototypes()
        findings = list(disagreements(source))
        entries = [entry for call in source.calls if call.get("support") != "soon" for entry in call["entries"]]
        found = exercised(entries + source.bare)
        findings += [f"{entry}: no test exercises it" for entry, tests in found.items() if not tests]
        pages = {PAGES / f"{call['name']}.md": page(source, call, headers) for call in source.calls}
        pages[PAGES / "README.md"] = index(source)
        for path in set(PAGES.glob("*.md")) - pages.keys():
            findings.append(f"{path.relative_to(ROOT)}: of no call")
        for path, text in pages.items():
            if not check:
                path.write_text(text, "utf-8")
            elif not path.is_file() or path.read_text("utf-8") != text:
                findings.append(f"{path.relative_to(ROOT)}: not up to date; run tools/calls.py")
        if check:
            findings += stale_tests(found)
        else:
            TESTS_PAGE.write_text(test_page(source, found), "utf-8")
    for finding in findings:
        print(finding)
    print(f"calls: {len(source.calls)} calls, {sum(len(call['entries']) for call in source.calls)} entry points, "
          f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
