#!/usr/bin/env python3
"""Storms of processes that come and go as fast as they can, beside conversations that must not notice.

usage: storm.py COLLOQUY STEPPER [--processes N] [--rounds N] [--seed N]

Each process connects, has a conversation with ECHO and ends its logical unit, over and over; a third of the times in
the middle of the conversation, a third before anything was said on it. Half of the processes are killed on their way. A
conversation beside them goes on all the while; in the end the server holds what it held before.
"""
import atexit
import pathlib
import random
import subprocess
import sys
import threading
import time

import bank
import cases
import relay


def descriptors(process):
    return len(list(pathlib.Path(f"/proc/{process.pid}/fd").iterdir()))


def main():
    parser = cases.seeded(__doc__)
    parser.add_argument("colloquy")
    parser.add_argument("stepper")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=60, help="of each process")
    wanted = parser.parse_args()
    print(f"seed {wanted.seed}", flush=True)
    rng = random.Random(wanted.seed)
    server = relay.Server(wanted.colloquy)
    before = descriptors(server.process)
    # One conversation that lasts, and that says a line for each of its exchanges.
    witness = subprocess.Popen([wanted.colloquy, "ping", f"{server.address}/ECHO", "--count", "100000000"],
                               stdout=subprocess.PIPE, text=True)
    atexit.register(witness.kill)
    seen = [0]

    def look():
        for line in witness.stdout:
            seen[0] += line.strip()[:1].isdigit()

    threading.Thread(target=look, daemon=True).start()
    begun = time.monotonic()
    killed, crowd = 0, []
    for number in range(wanted.processes):
        # Those that are to be killed would never end.
        rounds = wanted.rounds if number % 2 == 0 else 1_000_000
        process = subprocess.Popen([wanted.stepper, "storm", server.address, str(rounds)],
                                   stdout=subprocess.PIPE, text=True)
        atexit.register(process.kill)
        crowd.append((process, number % 2 == 1))
    for process, doomed in crowd:
        if doomed:
            # After so many of its exchanges.
            for _ in range(rng.randrange(1, wanted.rounds)):
                process.stdout.readline()
            process.kill()
            killed += 1
        rest, _ = process.communicate(timeout=bank.TIMEOUT)
        assert process.returncode == (-9 if doomed else 0), f"exit {process.returncode}"
        assert all(line == "poked 0 whole" for line in rest.splitlines()[:-1]), rest
        goes_on, limit = seen[0] + 2, time.monotonic() + bank.TIMEOUT
        while seen[0] < goes_on:
            assert witness.poll() is None and time.monotonic() < limit, "the conversation beside it has ended"
            time.sleep(0.001)
    seconds = time.monotonic() - begun
    witness.kill()
    witness.communicate()
    last = server.until(lambda c: c["links"] == 0 and c["conversations"] == 0, "what is left of a storm")
    # Numbers of descriptors are given back behind the links.
    limit = time.monotonic() + bank.TIMEOUT
    while descriptors(server.process) != before:
        assert time.monotonic() < limit, f"{descriptors(server.process)} descriptors, {before} before"
        time.sleep(0.01)
    server.end()
    print(f"storm: passed; {last['links_opened']} links in {seconds:.1f} s, {killed} processes killed, "
          f"{last['attaches_received']} conversations, {last['attaches_refused']} refused")
    return 0


if __name__ == "__main__":
    sys.exit(main())
