#!/usr/bin/env python3
"""Good conversations beside peers that send garbage: `colloquy load` against `colloquy serve`, turn by turn alone and
beside 1,000 links of such peers. Prints medians of throughput and of the server's processor time a transaction, the
medians of the ratios of neighbouring runs, and what the server spends on the peers when it has nothing else to do. The
peers are a process too, on the same processors: what it used is there, too.

Two kinds of peers. "open" links have sent a part of a greeting and stay; the server ends them after its greeting_ms
and they come again at once. "refused" links send garbage, are sent away and come again, each once a second.

usage: garbage.py COLLOQUY [--rounds N] [--duration S] [--conversations N] [--links N]
"""
import argparse
import contextlib
import json
import pathlib
import random
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import time

import side_by_side


def peers(kind, host, port, count):
    """One process of them, for ever. Speaks a line when all have been connected once."""
    rng = random.Random(1)
    selector = selectors.DefaultSelector()
    due = [(0.0, n) for n in range(count)]  # in order: who comes again, and when
    told = False
    while True:
        now = time.monotonic()
        while due and due[0][0] <= now:
            _, number = due.pop(0)
            peer = socket.create_connection((host, port))
            peer.setblocking(False)
            try:
                peer.send(bytes(5) if kind == "open" else rng.randbytes(64))
            except OSError:
                pass  # it was sent away before
            selector.register(peer, selectors.EVENT_READ, number)
        if not due and not told:
            told = True
            print("connected", flush=True)
        for key, _ in selector.select(max(due[0][0] - time.monotonic(), 0) if due else None):
            try:
                if key.fileobj.recv(4096):
                    continue
            except OSError:
                pass
            selector.unregister(key.fileobj)
            key.fileobj.close()
            due.append((time.monotonic() + (0 if kind == "open" else 1), key.data))
            told = told or not due


def seconds_of(process):
    """Of processors, of all threads there are, to the nanosecond."""
    tasks = pathlib.Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


@contextlib.contextmanager
def beside(kind, host, port, links):
    """Peers of that kind; "alone": none."""
    if kind == "alone":
        yield None
        return
    process = subprocess.Popen([sys.executable, __file__, "--peers", kind, host, port, str(links)],
                               stdout=subprocess.PIPE, text=True,
                               preexec_fn=lambda: side_by_side.LIBC.prctl(1, signal.SIGKILL))
    try:
        assert process.stdout.readline() == "connected\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def loaded(options, address, server):
    """Transactions a second, the server's processor us a transaction, and p99."""
    begun = seconds_of(server)
    done = subprocess.run(
        list(map(str, [options.colloquy, "load", f"{address}/ECHO", "--json", "--conversations", options.conversations,
                       "--links", 4, "--duration", options.duration])), capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert done.returncode == 0 and told["errors"] == 0, (told, done.stderr)
    return (told["transactions_per_second"], (seconds_of(server) - begun) * 1e6 / told["transactions"],
            told["latency_us"]["p99"])


def quarters(ratios):
    """The median, and where the middle half lies."""
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.3f} ({low:.2f} to {high:.2f})"


def main():
    if len(sys.argv) == 6 and sys.argv[1] == "--peers":
        return peers(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colloquy", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=9, help="at least two")
    parser.add_argument("--duration", type=float, default=5)
    parser.add_argument("--conversations", type=int, default=10_000)
    parser.add_argument("--links", type=int, default=1_000)
    options = parser.parse_args()
    with subprocess.Popen([options.colloquy, "serve", "--listen", "127.0.0.1:0", "--json", "--end-with-input",
                           "--conversations", str(options.conversations + 100)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as server:
        address = json.loads(server.stdout.readline())["listening"][0]
        host, port = address.rsplit(":", 1)
        kinds = ["alone", "open", "refused"]
        taken, idle = {kind: [] for kind in kinds}, {}
        for kind in kinds:
            with beside(kind, host, port, options.links):
                begun = seconds_of(server)
                time.sleep(options.duration)
                idle[kind] = (seconds_of(server) - begun) / options.duration
        for number in range(options.rounds):
            # To and fro, so that what drifts touches all alike.
            for kind in kinds if number % 2 == 0 else reversed(kinds):
                with beside(kind, host, port, options.links) as peer:
                    theirs = seconds_of(peer) if peer else 0
                    taken[kind].append((*loaded(options, address, server), (seconds_of(peer) - theirs) if peer else 0))
        server.stdin.close()
    print(f"{options.conversations} conversations on 4 links, 64 bytes, {options.duration:g} s, medians of "
          f"{options.rounds} rounds, beside {options.links} links")
    print("| peers | transactions/s | ratio | server us/transaction | ratio | p99 | the peers' own processor s | "
          "server's processors with nothing but them |\n|---|---|---|---|---|---|---|---|")
    for kind, rounds in taken.items():
        rate, cost, p99, own = (statistics.median(column) for column in zip(*rounds))
        # Of neighbours, so that what else the machine does touches both.
        more, dearer = (quarters([one[i] / alone[i] for one, alone in zip(rounds, taken["alone"])]) for i in (0, 1))
        print(f"| {kind} | {rate:,.0f} | {more} | {cost:.2f} | {dearer} | {p99:,.0f} us | "
              f"{own:.2f} | {idle[kind]:.2%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
