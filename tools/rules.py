#!/usr/bin/env python3
"""Writes docs/async-rules.md: every rule of asynchronous calls, and the tests that hold it.

The rules are tests/data/async-rules.tsv. A test belongs to a rule when its name begins with "async RULE:" or "RULE:",
or names the rule in brackets: "(A3)". With --check nothing is written: exits 1 when the page is not up to date, a rule
has no test, or a test names a rule that there is not.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "async-rules.md"
RULES = ROOT / "tests" / "data" / "async-rules.tsv"
CASE = re.compile(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
PART = re.compile(r'"((?:[^"\\]|\\.)*)"')
OWN = re.compile(r"^(?:async )?((?:\d+(?:\.\d+)+)|[AX]\d+):")
ALSO = re.compile(r"\(([AX]\d+(?:, [AX]\d+)*)\)")
SECTIONS = {
    "1": "The life of a non-blocking call", "2": "Who is told",
    "3": "Wait_For_Conversation", "4": "Accept_Conversation",
    "5": "Blocking hooks", "6": "Buffers and pointers", "7": "What meets what", "8": "Queue level",
    "9": "Check_For_Completion",
    "A": "Rulings where the documents are silent or disagree", "X": "What Colloquy adds",
}


def test_names() -> list[tuple[str, str]]:
    names = []
    for source in sorted((ROOT / "tests" / "async").glob("*.cpp")):
        for match in CASE.finditer(source.read_text(encoding="utf-8")):
            names.append((source.relative_to(ROOT).as_posix(), "".join(PART.findall(match[1]))))
    return names


def main() -> int:
    rules: dict[str, tuple[str, str]] = {}
    for line in RULES.read_text(encoding="utf-8").splitlines()[1:]:
        number, says, *without = line.split("\t")
        rules[number] = (says, without[0] if without else "")
    held: dict[str, list[tuple[str, str]]] = {number: [] for number in rules}
    findings = []
    for source, name in test_names():
        own = OWN.match(name)
        for number in ([own[1]] if own else []) + [n for group in ALSO.findall(name) for n in group.split(", ")]:
            if number in held:
                held[number].append((source, name))
            else:
                findings.append(f'{source}: "{name}" names a rule that there is not: {number}')
    lines = ["# Rules of asynchronous calls, and their tests", "",
             "Written by `tools/rules.py` from `tests/data/async-rules.tsv` and the names in `tests/async/`. "
             "Do not edit.", ""]
    section = ""
    for number, (says, without) in rules.items():
        if number[0] != section:
            section = number[0]
            lines += [f"## {SECTIONS[section]}", "", "| rule | says | tests |", "|---|---|---|"]
        tests = "<br>".join(f"`{Path(source).stem}` {name}" for source, name in held[number]) or without
        lines.append(f"| {number} | {says} | {tests} |")
        following = list(rules)[list(rules).index(number) + 1:]
        if not following or following[0][0] != section:
            lines.append("")
        if not held[number] and not without:
            findings.append(f"{RULES.relative_to(ROOT)}: rule {number} has no test")
    text = "\n".join(lines).rstrip() + "\n"
    if "--check" in sys.argv[1:]:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
            findings.append(f"{PAGE.relative_to(ROOT)}: not up to date; run tools/rules.py")
    else:
        PAGE.write_text(text, encoding="utf-8")
    for finding in findings:
        print(finding)
    tested = sum(1 for tests in held.values() if tests)
    print(f"rules: {len(rules)} rules, {tested} with tests, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
