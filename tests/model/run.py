#!/usr/bin/env python3
"""Checks conversation_slot.pml with Spin in every interleaving, then that each planted fault is found.

usage: run.py SPIN CC
"""
import pathlib
import re
import subprocess
import sys
import tempfile

MODEL = pathlib.Path(__file__).resolve().parent / "conversation_slot.pml"
FAULTS = {
    1: "a bringer of news takes the slot without a look at the generation",
    2: "the owner leaves without a look at the arrivals bit",
    3: "a slot is recycled while somebody has it pinned",
    4: "the caller's buffer is written after the end of the operation was published",
    5: "an operation is published as waiting although news was announced",
    6: "what was pushed on the pile is not announced",
    7: "an operation that was cancelled is told twice",
}


def check(spin, cc, directory, fault, frames, operations):
    """The number of errors, the states stored, and whether some step of the verbs was never taken."""
    definitions = [f"-DBREAK={fault}", f"-DFRAMES={frames}", f"-DOPERATIONS={operations}"]
    subprocess.run([spin, *definitions, "-a", str(MODEL)], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    # Without partial order reduction: the atomics share everything, and the whole space is small.
    subprocess.run([cc, "-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-DMEMLIM=1024", "-o", "pan", "pan.c"],
                   cwd=directory, check=True)
    out = subprocess.run(["./pan", "-m1000000"], cwd=directory, check=True, capture_output=True, text=True).stdout
    errors = int(re.search(r"errors: (\d+)", out).group(1))
    states = int(float(re.search(r"([\d.e+]+) states, stored", out).group(1)))
    whole = "Search not completed" not in out and "max search depth too small" not in out
    why = re.search(r"pan:\d+: (.*)", out)
    return errors, states, whole, why.group(1) if why else ""


def main():
    if len(sys.argv) != 3:
        print(__doc__.strip().splitlines()[-1], file=sys.stderr)
        return 2
    spin, cc = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        for frames, operations in ((2, 2), (3, 3)):
            errors, states, whole, why = check(spin, cc, directory, 0, frames, operations)
            print(f"{frames} frames, {operations} operations: {states} states, {errors} errors {why}")
            failed += errors != 0 or not whole
        for fault, what in FAULTS.items():
            errors, _, _, why = check(spin, cc, directory, fault, 2, 2)
            print(f"planted: {what}: {'found, ' + why if errors else 'NOT FOUND'}")
            failed += errors == 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
