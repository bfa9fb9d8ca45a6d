#!/usr/bin/env python3
"""Guards what a transaction takes, by counts that do not depend on the machine: see bench/path_cost.cpp.

  bench/guard.py build/release/bin/bench_path_cost                  all of it against bench/guard.json
  bench/guard.py build/release/bin/bench_path_cost --only counts    allocations, calls of the system, bytes; no valgrind
  bench/guard.py build/release/bin/bench_path_cost --update         what is now becomes what is held to
  bench/guard.py build/release/bin/bench_path_cost --self-test      puts something on the way and expects to fail

Exit 0: nothing takes more than it did. 1: something does. 77: nothing could be counted here, and why.
"""
import argparse
import json
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

BASELINE = pathlib.Path(__file__).resolve().parent / "guard.json"
ROWS = ["callbacks", "cmwait", "cmwcmp", "event", "alone", "oneshot"]
TRANSACTIONS = 10_000
# Instructions are those of the difference between two runs, so that beginning and warming up do not count.
FEWER, MORE = 1_000, 3_000
SKIPPED = 77
# What a figure may exceed what is held to by: a part of it, and an amount for those that are near to nothing.
TOLERANCE = {"instructions": (0.04, 0), "allocations_per_thousand": (0, 0.5), "system_calls_per_thousand": (0.05, 3),
             "bytes_each": (0.05, 16)}


class cannot(Exception):
    """Something is missing that counting needs."""


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise SystemExit(f"guard: {' '.join(map(str, command))}: {done.stderr.strip()[-400:]}")
    return done


def counts(binary, row, extra=()):
    told = json.loads(run(binary, row, "--transactions", TRANSACTIONS, *extra).stdout)
    if row == "idle":
        return {"bytes_each": told["bytes_each"]}, told["compiler"]
    found = {"allocations_per_thousand": told["allocations"] * 1e3 / told["transactions"]}
    if told["system_calls"] >= 0:
        found["system_calls_per_thousand"] = told["system_calls"] * 1e3 / told["transactions"]
    return found, told["compiler"]


def instructions(binary, row, extra=()):
    """Of both ends, for one transaction."""
    taken = []
    for transactions in (FEWER, MORE):
        with tempfile.TemporaryDirectory() as folder:
            try:
                done = run("valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", binary, row,
                           "--untraced", "--transactions", transactions, *extra)
            except FileNotFoundError:
                raise cannot("valgrind is not installed (tools/deps.sh installs it): "
                             "instructions are not counted") from None
        told = json.loads(done.stdout)
        taken.append((int(re.search(r"Collected : (\d+)", done.stderr)[1]), told["transactions"]))
    return (taken[1][0] - taken[0][0]) / (taken[1][1] - taken[0][1])


def measure(binary, only, extra=(), rows=(*ROWS, "idle")):
    figures, compiler = {}, None
    for row in rows:
        figures[row] = {}
        if only in ("counts", "all"):
            found, compiler = counts(binary, row, extra)
            figures[row].update(found)
        if only in ("instructions", "all") and row != "idle":
            figures[row]["instructions"] = instructions(binary, row, extra)
    if compiler is None:
        compiler = json.loads(run(binary, "alone", "--untraced", "--transactions", 1).stdout)["compiler"]
    return {"compiler": compiler, "architecture": platform.machine(), "rows": figures}


def exceeded(now, held):
    """(row, figure, now, held, bound) of each figure that is more than it may be; prints a table."""
    found, gained = [], []
    print(f"{'':12}{'figure':28}{'held to':>12}{'now':>12}")
    for row, figures in now["rows"].items():
        for figure, value in figures.items():
            bound = held["rows"].get(row, {}).get(figure)
            if bound is None:
                continue
            part, amount = TOLERANCE[figure]
            most = bound * (1 + part) + amount
            verdict = "MORE" if value > most else "less" if value < bound * (1 - part) - amount else ""
            print(f"{row:12}{figure:28}{bound:>12,.1f}{value:>12,.1f}  {verdict}")
            if verdict == "MORE":
                found.append((row, figure, value, bound, most))
            elif verdict:
                gained.append((row, figure))
    if gained and not found:
        print(f"{len(gained)} figures are better than what is held to: --update holds to them from now on")
    return found


def comparable(now, held, only):
    """What compilers differ in is instructions."""
    if only == "counts" or (now["compiler"], now["architecture"]) == (held["compiler"], held["architecture"]):
        return
    raise cannot(f"instructions are held to those of gcc {held['compiler']} on {held['architecture']}; this is "
                 f"{now['compiler']} on {now['architecture']}")


def self_test(binary, held):
    """Each plant must be seen in its figure, and only there; and nothing must be seen without one."""
    expected = {"allocation": "allocations_per_thousand", "call": "system_calls_per_thousand"}
    clean = exceeded(measure(binary, "counts", rows=["callbacks"]), held)
    if clean:
        raise SystemExit(f"guard: something is on the way without having been put there: {clean}")
    for plant, figure in expected.items():
        print(f"\nwith {plant} on the way of each transaction:")
        now = measure(binary, "counts", ("--plant", plant), ["callbacks"])
        if figure not in now["rows"]["callbacks"]:
            raise cannot("processes may not be traced here: calls of the system are not counted")
        seen = [found[1] for found in exceeded(now, held)]
        if seen != [figure]:
            raise SystemExit(f"guard: {plant} on the way was {'not seen' if not seen else f'seen as {seen}'}")
    print("\nboth were seen")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=pathlib.Path, help="bench_path_cost of a Release build")
    parser.add_argument("--only", choices=["counts", "instructions", "all"], default="all")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--plant", choices=["allocation", "call", "work"], help="see it fail")
    options = parser.parse_args()
    extra = ("--plant", options.plant) if options.plant else ()
    try:
        if options.update:
            now = measure(options.binary, "all")
            for figures in now["rows"].values():
                for figure in figures:
                    figures[figure] = round(figures[figure], 1)
            BASELINE.write_text(json.dumps(now, indent=2) + "\n")
            print(f"guard: {BASELINE} is what is held to from now on; commit it")
            return 0
        held = json.loads(BASELINE.read_text())
        if options.self_test:
            self_test(options.binary, held)
            return 0
        now = measure(options.binary, options.only, extra)
        comparable(now, held, options.only)
    except cannot as why:
        print(f"guard: skipped: {why}")
        return SKIPPED
    found = exceeded(now, held)
    for row, figure, value, bound, most in found:
        print(f"guard: {row}: {figure} is {value:,.1f}, more than {bound:,.1f} (up to {most:,.1f} would do)")
    if found:
        print(f"guard: if that is how it has to be: {sys.argv[0]} {options.binary} --update")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
