#!/usr/bin/env python3
"""Throughput through the attach manager beside direct links: `colloquy load` against `colloquy serve`, once on its own
address and once registered with `colloquy attachd`, turn by turn. Prints the medians and their ratio.

usage: relay.py COLLOQUY [--rounds N] [--duration S] [--conversations N] [--size B] [--modes MODE,...]
"""
import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile

LIBC = ctypes.CDLL(None)
TARGETS = {"pingpong": "ECHO", "oneshot": "ONCE", "stream": "SINK"}


@contextlib.contextmanager
def server(*command, **more):
    """A command that says in one JSON object that it is ready. It dies with us."""
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True,
                               env={**os.environ, **more}, preexec_fn=lambda: LIBC.prctl(1, signal.SIGKILL))
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colloquy", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=3)
    parser.add_argument("--conversations", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--modes", default=",".join(TARGETS))
    options = parser.parse_args()

    def load(address, mode):
        done = subprocess.run(
            list(map(str, [options.colloquy, "load", f"{address}/{TARGETS[mode]}", "--mode", mode, "--json",
                           "--duration", options.duration, "--conversations", options.conversations,
                           "--size", options.size])), capture_output=True, text=True)
        told = json.loads(done.stdout)
        if done.returncode != 0:
            raise SystemExit(f"{mode} at {address}: {done.stderr.strip()}")
        return told["transactions_per_second"], told["latency_us"]["p50"]

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        config = pathlib.Path(folder) / "attachd.toml"
        config.write_text(f'lu_name = "BENCH.HOUSE"\nlisten = "127.0.0.1:0"\n[attachd]\nsocket = "{folder}/sock"\n' +
                          "".join(f'[[tp]]\nname = "{name}"\nqueue_max = 100_000\n' for name in TARGETS.values()))
        direct = running.enter_context(server(options.colloquy, "serve", "--listen", "127.0.0.1:0", "--json"))
        manager = running.enter_context(server(options.colloquy, "attachd", "--config", config, "--json"))
        running.enter_context(server(options.colloquy, "serve", "--listen", "127.0.0.1:0", "--json",
                                     COLLOQUY_MANAGER=f"{folder}/sock"))
        addresses = {"direct": direct["listening"][0], "relayed": manager["listening"][0]}
        print(f"{options.conversations} conversations, {options.size} bytes, {options.duration:g} s, "
              f"medians of {options.rounds} rounds")
        print("| mode | direct /s | p50 | through attachd /s | p50 | ratio |\n|---|---|---|---|---|---|")
        for mode in options.modes.split(","):
            taken = {way: [] for way in addresses}
            for _ in range(options.rounds):
                for way, address in addresses.items():
                    taken[way].append(load(address, mode))
            rate, latency = ({way: statistics.median(t[i] for t in all_of_it) for way, all_of_it in taken.items()}
                             for i in (0, 1))
            print(f"| {mode} | {rate['direct']:,.0f} | {latency['direct']:,.0f} us | {rate['relayed']:,.0f} | "
                  f"{latency['relayed']:,.0f} us | {rate['relayed'] / rate['direct']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
