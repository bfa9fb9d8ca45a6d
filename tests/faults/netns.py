#!/usr/bin/env python3
"""Caller and server in network name spaces of their own, with a shaped pair of interfaces between them that goes down.

usage: netns.py COLLOQUY [--seconds S]

Exit code 77 and a line that says why: nothing was tested, because name spaces or a shaper may not be had here.
"""
import argparse
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import bank
import relay

RATE_BITS = 20_000_000
SKIPPED = 77


def skip(why):
    print(f"netns: skipped: {why}")
    sys.exit(SKIPPED)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class There:
    """A name space at the other end of a pair of interfaces: 10.9.9.1 is here, 10.9.9.2 there."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        atexit.register(self.process.kill)
        here, limit = os.readlink("/proc/self/ns/net"), time.monotonic() + bank.TIMEOUT
        while os.readlink(f"/proc/{self.process.pid}/ns/net") == here:
            assert self.process.poll() is None and time.monotonic() < limit
            time.sleep(0.001)
        self.inside = ["nsenter", "-t", str(self.process.pid), "-n"]
        ip("link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(self.process.pid))
        ip("addr", "add", "10.9.9.1/24", "dev", "here")
        ip("link", "set", "lo", "up")
        ip("link", "set", "here", "up")
        for words in (["addr", "add", "10.9.9.2/24", "dev", "there"], ["link", "set", "there", "up"]):
            subprocess.run([*self.inside, "ip", *words], check=True)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colloquy")
    parser.add_argument("--seconds", type=float, default=1.5, help="of load through the shaper")
    wanted = parser.parse_args()
    if os.environ.get("COLLOQUY_FAULTS_NETNS") != "1":
        for tool in ("unshare", "nsenter", "ip", "tc"):
            if shutil.which(tool) is None:
                skip(f"there is no {tool}")
        probe = subprocess.run(["unshare", "-rn", "unshare", "-n", "true"], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            skip(probe.stderr.strip())
        again = ["unshare", "-rn", sys.executable, *sys.argv]
        os.execvpe(again[0], again, dict(os.environ, COLLOQUY_FAULTS_NETNS="1"))
    try:
        there = There()
    except subprocess.CalledProcessError as trouble:
        skip(f"no pair of interfaces: {trouble}")
    shaped = subprocess.run(["tc", "qdisc", "add", "dev", "here", "root", "tbf", "rate", f"{RATE_BITS}bit", "burst",
                             "32kb", "latency", "50ms"], capture_output=True, text=True, check=False)
    if shaped.returncode != 0:
        skip(f"no tbf: {shaped.stderr.strip()}")

    with tempfile.TemporaryDirectory() as folder:
        server = relay.Server(wanted.colloquy, "10.9.9.2:0", there.inside)
        done = subprocess.run([wanted.colloquy, "load", f"{server.address}/SINK", "--mode", "stream", "--conversations",
                               "20", "--size", "3000", "--duration", str(wanted.seconds), "--json"],
                              capture_output=True, text=True, timeout=bank.TIMEOUT, check=False)
        told = json.loads(done.stdout)
        assert done.returncode == 0 and told["errors"] == 0, (told, done.stderr)
        # What the shaper lets through in that time, and a burst; far more would mean that it was not in the way.
        assert told["bytes_per_second"] * 8 <= 1.25 * RATE_BITS, told

        server.end()

        server = relay.Server(wanted.colloquy, "10.9.9.2:0", there.inside, relay.impatient(folder))
        times = []
        for _ in range(2):
            caller = subprocess.Popen([wanted.colloquy, "ping", f"{server.address}/ECHO", "--count", "100000000",
                                       "--config", relay.impatient(folder)], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True)
            rows = (line for line in caller.stdout if line.strip()[:1].isdigit())
            assert next(rows) and next(rows)
            ip("link", "set", "here", "down")
            began = time.monotonic()
            threading.Thread(target=lambda lines=rows: [None for _ in lines], daemon=True).start()
            said = caller.stderr.read()
            times.append(time.monotonic() - began)
            assert caller.wait(bank.TIMEOUT) == 1 and "CM_RESOURCE_FAILURE_RETRY (27)" in said, said
            server.until(lambda c: c["links"] == 0 and c["conversations"] == 0, "the server believes in a dead link")
            ip("link", "set", "here", "up")
            relay.works_again(wanted.colloquy, server.address)
        server.end()
    there.close()
    print(f"netns: passed; {told['bytes_per_second'] * 8 / 1e6:.1f} of {RATE_BITS / 1e6:.0f} Mbit/s; link down, "
          f"heartbeat {relay.HEARTBEAT_MS} ms: 27 after " + ", ".join(f"{t:.2f}" for t in times) + " s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
