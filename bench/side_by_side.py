"""One server reached in two ways, turn by turn: command line, runs and table that benches of that kind share."""
import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import signal
import statistics
import subprocess

LIBC = ctypes.CDLL(None)
TARGETS = {"pingpong": "ECHO", "oneshot": "ONCE", "stream": "SINK"}


def options_of(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colloquy", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=3)
    parser.add_argument("--conversations", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--modes", default=",".join(TARGETS))
    return parser.parse_args()


@contextlib.contextmanager
def server(*command, stderr=None, **more):
    """A command that says in one JSON object that it is ready. It dies with us."""
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=stderr, text=True, env={**os.environ, **more},
                               preexec_fn=lambda: LIBC.prctl(1, signal.SIGKILL))
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=60)


def load(options, address, mode, *arguments):
    """Transactions a second and the median latency in us."""
    done = subprocess.run(
        list(map(str, [options.colloquy, "load", f"{address}/{TARGETS[mode]}", "--mode", mode, "--json",
                       "--duration", options.duration, "--conversations", options.conversations,
                       "--size", options.size, *arguments])), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{mode} at {address}: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    return told["transactions_per_second"], told["latency_us"]["p50"]


def compare(options, ways, *arguments):
    """Prints the medians of both `ways`, name to address, and the ratio of the second to the first. `arguments` go to
    every `colloquy load`."""
    print(f"{options.conversations} conversations, {options.size} bytes, {options.duration:g} s, "
          f"medians of {options.rounds} rounds")
    print("| mode | " + "".join(f"{way} /s | p50 | " for way in ways) + "ratio |\n|---|---|---|---|---|---|")
    for mode in options.modes.split(","):
        taken = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way, address in ways.items():
                taken[way].append(load(options, address, mode, *arguments))
        rate, latency = ([statistics.median(one[i] for one in taken[way]) for way in ways] for i in (0, 1))
        columns = "".join(f"{r:,.0f} | {l:,.0f} us | " for r, l in zip(rate, latency))
        print(f"| {mode} | {columns}{rate[1] / rate[0]:.2f} |", flush=True)
