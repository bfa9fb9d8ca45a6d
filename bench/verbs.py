#!/usr/bin/env python3
"""What each verb costs in a transaction, for each way to hear of completions: see bench/path_cost.cpp.

  bench/verbs.py build/release/bin/bench_path_cost                       all rows, as a table
  bench/verbs.py build/release/bin/bench_path_cost --rows cmwait,event   some of them

For each row, and in it for each verb: instructions and atomic read-modify-writes (callgrind and objdump; those of our
own code), nanoseconds, and for the row calls of the system. Both ends together, for one transaction: a verb that both
ends call counts twice. Waits and looks drive, so they hold what they bring about: frames, reads, writes, and callbacks
with their calls. The rest is what is in no other verb.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROWS = {
    "callbacks": ["cmsend", "cmrcv"],
    "cmwait": ["cmsend", "cmrcv", "cmwait"],
    "cmwcmp": ["cmsend", "cmrcv", "cmwcmp"],
    "event": ["cmsend", "cmrcv", "cmchck", "cmwait"],
    "oneshot": ["cminit", "clq_set_destination", "cmspm", "cmallc", "cmsst", "cmsend", "cmrcv", "cmaccp"],
}
UNTIMED = {"cmspm", "cmsst"}  # a few nanoseconds, as the clock itself
DRIVING = {"cmwait", "cmwcmp", "cmchck"}
TRANSACTIONS = 3_000


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"verbs: {' '.join(map(str, command))}: {done.stderr.strip()[-400:]}")
    return done


def atomic_places(binary):
    """Addresses of read-modify-writes; an exchange with memory locks without saying so."""
    found = set()
    listing = run("objdump", "-d", "--no-show-raw-insn", binary).stdout
    for place, what in re.findall(r"^\s*([0-9a-f]+):\s+(.*)$", listing, re.M):
        if what.startswith("lock ") or (what.startswith("xchg") and "(" in what):
            found.add(int(place, 16))
    return found


def executed(profile, binary, places):
    """How often those were executed, from a profile with addresses."""
    objects, here, address, count, skip = {}, False, 0, 0, False
    for line in profile.open():
        if m := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):  # named where it is first mentioned
            if m[3]:
                objects[m[2]] = m[3].strip()
            if not m[1]:
                here = pathlib.Path(objects[m[2]]).name == binary.name
        elif line.startswith("calls="):
            skip = True  # the next line is what the callee took
        elif m := re.match(r"(0x[0-9a-f]+|[+-]\d+|\*) \S+(?: (\d+))?", line):
            place = m[1]
            if place.startswith("0x"):
                address = int(place, 16)
            elif place != "*":
                address += int(place)
            if not skip and here and address in places:
                count += int(m[2] or 0)
            skip = False
    return count


def profiled(binary, row, places, verb=None, transactions=TRANSACTIONS):
    """(instructions, atomics, transactions): of a whole run, or inside the calls of one verb."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        inside = [f"--toggle-collect={verb}"] if verb else []
        done = run("valgrind", "--tool=callgrind", "--dump-instr=yes", f"--callgrind-out-file={out}", *inside, binary,
                   row, "--untraced", "--transactions", transactions)
        collected = int(re.search(r"Collected : (\d+)", done.stderr)[1])
        return collected, executed(out, binary, places), json.loads(done.stdout)["answered"]


def whole(binary, row, places):
    """Of the difference between two runs, so that beginning does not count."""
    few, many = (profiled(binary, row, places, transactions=n) for n in (TRANSACTIONS // 3, TRANSACTIONS))
    transactions = many[2] - few[2]
    return (many[0] - few[0]) / transactions, (many[1] - few[1]) / transactions


def nanoseconds(binary, row, verb=None):
    """The best of five: other jobs only ever add."""
    told = [json.loads(run(binary, row, "--untraced", "--transactions", 50_000,
                           *(["--time", verb] if verb else [])).stdout) for _ in range(5)]
    return min(t["inside_ns" if verb else "ns"] for t in told)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path, help="bench_path_cost of a Release build")
    parser.add_argument("--rows", default=",".join(ROWS))
    options = parser.parse_args()
    places = atomic_places(options.binary)
    print("| channel | verb | instructions | atomics | ns | system calls |")
    print("|---|---|---|---|---|---|")
    for row in options.rows.split(","):
        if row not in ROWS:
            raise SystemExit(f"verbs: no row {row}; there are {', '.join(ROWS)}")
        told = json.loads(run(options.binary, row, "--transactions", 10_000).stdout)
        calls = f"{told['system_calls'] / told['transactions']:.3f}" if told["system_calls"] >= 0 else "-"
        instructions, atomics = whole(options.binary, row, places)
        print(f"| {row} | a transaction | {instructions:,.0f} | {atomics:.1f} | "
              f"{nanoseconds(options.binary, row):,.0f} | {calls} |", flush=True)
        for verb in ROWS[row]:
            taken, locked, transactions = profiled(options.binary, row, places, verb)
            if verb not in DRIVING:
                instructions -= taken / transactions
                atomics -= locked / transactions
            ns = "" if verb in UNTIMED else f"{nanoseconds(options.binary, row, verb):,.0f}"
            print(f"| | {verb} | {taken / transactions:,.0f} | {locked / transactions:.1f} | {ns} | |", flush=True)
        print(f"| | the rest | {instructions:,.0f} | {atomics:.1f} | | |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
