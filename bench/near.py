#!/usr/bin/env python3
"""What a local socket gains: `colloquy load` against one `colloquy serve` on a port of 127.0.0.1 and on a Unix socket,
turn by turn, both ways in each round and each first in turn. Prints for each way the medians of rates and latencies,
and the least of the rounds' median latencies and of the caller's processor times, which other jobs of the machine
disturb least; and the ratios Unix to TCP: of rates above 1 is better, of times below 1.

usage: near.py COLLOQUY [--rounds N] [--duration S]
"""
import argparse
import pathlib
import resource
import statistics
import tempfile

import side_by_side

BUSY_POLL_US = 200
WAYS = ("TCP", "Unix")
JOBS = (  # what it is called, its configuration, mode, conversations, bytes of a record
    ("round trip", "", "pingpong", 1, 64),
    ("round trip, polling at both ends", f"busy_poll_us = {BUSY_POLL_US}\n", "pingpong", 1, 64),
    ("100 conversations", "", "pingpong", 100, 64),
    ("a conversation for each record", "", "oneshot", 100, 64),
    ("bulk, records of 32767 bytes", "", "stream", 8, 32767),
)
COLUMNS = (  # heading, which of what measure() answers, which of the rounds, how it is written
    ("transactions/s", 0, statistics.median, ",.0f"),
    ("p50, us", 1, statistics.median, ",.1f"),
    ("least p50, us", 1, min, ",.1f"),
    ("least processor time, us each", 2, min, ",.2f"),
)


def processor_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(options, mode, address, config):
    """Transactions a second, median latency in us, and the caller's processor time of each in us."""
    before = processor_s()
    rate, latency = side_by_side.load(options, address, mode, "--config", config)
    return rate, latency, (processor_s() - before) / (rate * options.duration) * 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colloquy", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=2)
    options = parser.parse_args()
    print(f"{options.rounds} rounds of {options.duration:g} s; TCP, Unix and the ratio of each\n")
    print("| job | " + "".join(f"{head} | | | " for head, *_ in COLUMNS) + "\n" + "|---" * (1 + 3 * len(COLUMNS)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "colloquy.toml"
        for name, text, mode, options.conversations, options.size in JOBS:
            config.write_text(text)
            with side_by_side.server(options.colloquy, "serve", "--config", config, "--json", "--conversations", 4096,
                                     "--listen", f"127.0.0.1:0,unix:{folder}/socket") as ready:
                addresses = dict(zip(WAYS, ready["listening"]))
                taken = {way: [] for way in WAYS}
                for turn in range(options.rounds):
                    for way in WAYS if turn % 2 == 0 else WAYS[::-1]:
                        taken[way].append(measure(options, mode, addresses[way], config))
            columns = []
            for _, which, choose, form in COLUMNS:
                tcp, local = (choose([one[which] for one in taken[way]]) for way in WAYS)
                columns += [f"{tcp:{form}}", f"{local:{form}}", f"{local / tcp:.2f}"]
            print(f"| {name} | " + " | ".join(columns) + " |", flush=True)


if __name__ == "__main__":
    main()
