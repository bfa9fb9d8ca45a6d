#!/usr/bin/env python3
"""Runs a pair of the programs here as two processes over TCP and checks what they say.

usage: run.py DIRECTORY_OF_THE_BINARIES SCENARIO
"""
import os
import pathlib
import socket
import subprocess
import sys
import tempfile

TIME_LIMIT = 120  # seconds; only so that a hang becomes a failure


class Pair:
    """A scratch directory with a configuration for each side, and the processes started in it."""

    def __init__(self, binaries, tp_in_configuration=None):
        self.binaries = pathlib.Path(binaries)
        self.scratch = tempfile.TemporaryDirectory(prefix="colloquy-programs-")
        # Bound but not listening: the number is ours, and the server may listen on it all the same.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))
        port = self.reserved.getsockname()[1]
        served = f'[[tp]]\nname = "{tp_in_configuration}"\n' if tp_in_configuration else ""
        self.write("server", f'lu_name = "NET.SERVER"\nlisten = "127.0.0.1:{port}"\n{served}')
        sides = "".join(
            f'[[side_information]]\nname = "{tp}"\npartner_lu = "NET.SERVER"\ntp_name = "{tp}"\n'
            for tp in ("CLERK", "FLOCK")
        )
        self.write(
            "client",
            f'lu_name = "NET.CLIENT"\n[[partner]]\nname = "NET.SERVER"\n'
            f'addresses = "127.0.0.1:{port}"\n{sides}'
        )
        self.processes = []

    def write(self, side, text):
        pathlib.Path(self.scratch.name, side + ".toml").write_text(text + "[limits]\nconversations = 2048\n", "ascii")

    def start(self, side, program, *arguments):
        environment = dict(os.environ, COLLOQUY_CONFIG=str(pathlib.Path(self.scratch.name, side + ".toml")))
        environment.pop("APPCLLU", None)
        environment.pop("APPCTPN", None)
        process = subprocess.Popen(
            [self.binaries / program, *map(str, arguments)], env=environment, stdout=subprocess.PIPE, text=True
        )
        process.name = program
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
            process.stdout.close()
        self.reserved.close()
        self.scratch.cleanup()


def wait_ready(server):
    line = server.stdout.readline().strip()
    if line != "ready":
        raise AssertionError(f"{server.name} did not say ready but '{line}'")


def finish(process, said):
    out, _ = process.communicate(timeout=TIME_LIMIT)
    out = out.strip()
    if process.returncode != 0 or out != said:
        raise AssertionError(f"{process.name} ended with {process.returncode} and said '{out}' instead of '{said}'")


def clerk(binaries):
    """C99, blocking; Deallocate and exit() lose nothing."""
    pair = Pair(binaries)
    try:
        server = pair.start("server", "clerk_server")
        wait_ready(server)
        finish(pair.start("client", "clerk_client", 500), "")
        finish(server, "lines 500")
    finally:
        pair.close()


def clerk_late(binaries):
    """The client is first, and is told to retry until the server is up, whose first call names its TP: the name is
    known as soon as the port is."""
    pair = Pair(binaries)
    try:
        client = pair.start("client", "clerk_client", 10)
        server = pair.start("server", "clerk_server")
        wait_ready(server)
        finish(client, "")
        finish(server, "lines 10")
    finally:
        pair.close()


def ledger(binaries):
    """C89, blocking Accept of a configured program; nobody waits for a ready line."""
    pair = Pair(binaries, tp_in_configuration="LEDGER")
    try:
        server = pair.start("server", "ledger_server")
        finish(pair.start("client", "ledger_client"), "")
        finish(server, f"total {3 * sum(range(1, 51)) + sum(range(1, 50))} refused 50")
    finally:
        pair.close()


def flock(binaries):
    """Non-blocking: threads in cmwait, and a server on one thread."""
    pair = Pair(binaries)
    try:
        server = pair.start("server", "flock_server", 200)
        wait_ready(server)
        finish(pair.start("client", "flock_client", 200, 6, 25), "collected some, finished 200")
        finish(server, "over 200")
    finally:
        pair.close()


SCENARIOS = {f.__name__: f for f in (clerk, clerk_late, ledger, flock)}


def main():
    if len(sys.argv) != 3 or sys.argv[2] not in SCENARIOS:
        print(__doc__, "scenarios:", *SCENARIOS, file=sys.stderr)
        return 2
    try:
        SCENARIOS[sys.argv[2]](sys.argv[1])
    except (AssertionError, subprocess.TimeoutExpired) as trouble:
        print(f"{sys.argv[2]}: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
