#!/usr/bin/env python3
"""Checks that what the documentation quotes from a file stands in that file.

A block of C or C++ quotes the file of examples/ that was linked to last before it; "..." stands for lines left out. How
lines are broken and indented does not matter. A block that begins with the name of a file of its own quotes nothing,
nor does one whose language is not named.
usage: quotes.py DOCUMENT...
"""
import pathlib
import re
import sys

LINK = re.compile(r"\]\(([./]*examples/[\w./]+)\)")


def bare(text):
    return re.sub(r"\s", "", text)


def blocks(text):
    """Pairs of the file linked to last and the lines of a block."""
    source, lines = None, None
    for line in text.splitlines():
        if lines is None:
            for match in LINK.finditer(line):
                source = match[1]
            if re.fullmatch(r" *```(c|cpp)", line):
                lines = []
        elif line.strip() == "```":
            if not re.match(r"/\* [\w/]+\.c: ", lines[0] if lines else ""):
                yield source, lines
            lines = None
        else:
            lines.append(line)


def main():
    wrong = count = 0
    for name in sys.argv[1:]:
        document = pathlib.Path(name)
        for source, lines in blocks(document.read_text("utf-8")):
            count += 1
            text = (document.parent / source).read_text("utf-8") if source else ""
            for part in re.split(r"(?m)^ *\.\.\.$", "\n".join(lines)):
                if bare(part) not in bare(text):
                    print(f"{document.name}: not in {source}:\n{part}")
                    wrong += 1
    print(f"quotes: {count} blocks, {wrong} wrong")
    return 1 if wrong or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
