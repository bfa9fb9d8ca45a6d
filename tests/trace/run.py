#!/usr/bin/env python3
"""Runs a program with and without a trace, and reads what the trace says.

usage: run.py PROGRAM
"""
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

NUMBER = r"\d+\.\d{6}"
ID = r"(?:-|[0-9a-f]+\.[0-9a-f]{4})"
CODE = r"(?:CM_[A-Z_]+|-?\d+)"
STATE = "(?:RESET|INITIALIZE|SEND|RECEIVE|SEND_PENDING|CONFIRM|CONFIRM_SEND|CONFIRM_DEALLOCATE)"
OUTPUTS = r'(?: \| \w+=.*)?'
CALL = re.compile(
    rf"({NUMBER}) (\d+) (cm\w+|xc\w+|clq_\w+|WinCPIC\w+) ({ID})((?: \w+=.*)?) -> ({CODE})"
    rf"(?: \| (?:{STATE} -> )?({STATE}))?({OUTPUTS}) \| (\d+\.\d) us")
TELL = re.compile(
    rf"({NUMBER}) (\d+) tell ({ID}) (callback|sink|window) (cm\w+) -> ({CODE}) \| ({STATE})({OUTPUTS})")
REFUSED = re.compile(rf"({NUMBER}) (\d+) tell ({ID}) sink: not taken, to be asked again")
NOTE = re.compile(rf"{NUMBER} \d+ start: .+")
HEADER = re.compile(r"# colloquy trace of process (\d+), begun \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def run(program, **more):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COLLOQUY_")}
    done = subprocess.run([program], env=dict(environment, **more), stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode == 0, f"{more}: ended with {done.returncode}: {done.stderr}"
    return done.stderr


def read(path):
    """Counts of (call, code), of (channel, call), all lines being whole and well formed."""
    text = path.read_text("ascii")
    assert text.endswith("\n")
    calls, told, refused, threads = collections.Counter(), collections.Counter(), 0, set()
    lines = text.splitlines()
    assert HEADER.fullmatch(lines[0]), lines[0]
    for line in lines[1:]:
        if match := CALL.fullmatch(line):
            calls[match[3], match[6]] += 1
            threads.add(match[2])
        elif match := TELL.fullmatch(line):
            told[match[4], match[5], match[6]] += 1
        elif REFUSED.fullmatch(line):
            refused += 1
        elif NOTE.fullmatch(line):
            calls["start", "refused"] += 1
        else:
            assert HEADER.fullmatch(line), f"not a line of a trace: {line}"
    return text, calls, told, refused, threads


def check(program, scratch):
    assert run(program) == ""

    path = pathlib.Path(scratch, "plain")
    assert run(program, COLLOQUY_TRACE=str(path)) == ""
    assert path.stat().st_mode & 0o077 == 0, "others may read it"
    text, calls, told, refused, threads = read(path)
    assert calls["cmsend", "CM_OK"] >= 5 * 50 * 2 and calls["cmdeal", "CM_OK"] == 5, calls
    assert calls["cmdeal", "CM_PROGRAM_STATE_CHECK"] == 1, calls
    assert calls["cmaccp", "CM_OPERATION_INCOMPLETE"] == 6, calls
    assert calls["cmwait", "CM_OK"] == 1 and calls["clq_start", "0"] == 1 and calls["clq_stop", "0"] == 1, calls
    assert sum(n for (call, _), n in calls.items() if call == "cminit") == 6, calls
    assert len(threads) >= 6, threads
    assert told["sink", "cmaccp", "CM_DEALLOCATED_ABEND"] == 2 and refused == 1, (told, refused)
    assert told["callback", "cmaccp", "CM_OK"] == 4, told
    # Each asynchronous Receive that had to wait is told once.
    waited = calls["cmrcv", "CM_OPERATION_INCOMPLETE"]
    told_receives = sum(n for (whom, call, _), n in told.items() if (whom, call) == ("callback", "cmrcv"))
    assert waited == told_receives, (waited, told)
    assert calls["clq_start", "-1"] == 1 and calls["start", "refused"] == 1, calls
    assert re.search(r' start: lu_name "lower\.case": write NETID\.LUNAME', text), "the reason is missing"
    assert " SEND -> RESET" in text and "INITIALIZE -> SEND" in text
    assert 'destination="inproc/TRACED"' in text and 'sym_dest_name="WITHPASS"' in text
    for hidden in ("hushhush", "topsecre", "question", "answer"):
        assert hidden not in text, f"{hidden} stands in the trace"

    path = pathlib.Path(scratch, "data")
    assert run(program, COLLOQUY_TRACE=str(path), COLLOQUY_TRACE_DATA="4") == ""
    text = read(path)[0]
    assert text.count('data="ques..."') >= 250 and 'data="answ..."' in text, "no data"
    for hidden in ("hushhush", "topsecre", "question", "answer"):
        assert hidden not in text, f"{hidden} stands in the trace"

    # A second process appends.
    assert run(program, COLLOQUY_TRACE=str(path)) == ""
    assert len(re.findall("^# colloquy trace", read(path)[0], re.M)) == 2

    said = run(program, COLLOQUY_TRACE=str(pathlib.Path(scratch, "no", "such", "place")))
    assert said.count("\n") == 1 and "no/such/place cannot be opened" in said, said
    if os.path.exists("/dev/full"):
        said = run(program, COLLOQUY_TRACE="/dev/full")
        assert said.count("\n") == 1 and "the trace ends" in said, said


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="colloquy-trace-") as scratch:
        check(sys.argv[1], scratch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
