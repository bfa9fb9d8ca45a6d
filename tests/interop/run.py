#!/usr/bin/env python3
"""Conversations between the colloquy commands of two systems, over loopback.

usage: run.py from|to CASE NATIVE_COMMAND OTHER_COMMAND...

"from": the other system's command calls the native one's server; "to": the native one calls the other's. The other's
command may be several words, an emulator and its program. Nothing waits for a time to pass: a server is ready when it
says so, and ends when its standard input ends.
"""
import contextlib
import json
import subprocess
import sys

TIMEOUT = 150  # seconds; only so that a hang becomes a failure
SERVER = []
CLIENT = []


def client(*arguments, code=0):
    done = subprocess.run([*CLIENT, *arguments, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=TIMEOUT)
    told = f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == code, told
    if code == 0:
        assert done.stderr == "", told
    return json.loads(done.stdout)


class Server:
    """`colloquy serve` on a free port; its end must be orderly."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [*SERVER, "serve", "--listen", "127.0.0.1:0", "--json", "--end-with-input", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.process.stdout.readline())["listening"][0]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        out, _ = self.process.communicate(timeout=TIMEOUT)
        if kind is None:
            assert (self.process.returncode, out) == (0, ""), (self.process.returncode, out)


@contextlib.contextmanager
def awake(command):
    """Keeps a program of an emulator running, because the next ones start quickly then. What the emulator starts
    beside it holds on to its output for as long as any program runs: only the process is waited for."""
    with subprocess.Popen([*command, "serve", "--listen", "127.0.0.1:0", "--conversations", "1", "--end-with-input"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(TIMEOUT)


def check_load(result, mode, conversations):
    assert (result["mode"], result["conversations"], result["errors"]) == (mode, conversations, 0), result
    assert result["transactions"] >= conversations, result


def case_ping():
    with Server("--conversations", "64") as server:
        for size in ("1", "300", "32767"):
            assert client("ping", f"{server.address}/ECHO", "--size", size)["count"] == 4
        assert client("ping", f"{server.address}/ECHO", "--packets", "8", "--size", "5000")["count"] == 4
        for program in ("SINK", "ECHO"):
            result = client("ping", f"{server.address}/{program}", "--confirm", "--size", "1,300,32767")
            assert (result["mode"], result["count"]) == ("confirm", 12), result
        refused = client("ping", f"{server.address}/NOBODY", code=1)
        assert "CM_TPN_NOT_RECOGNIZED (9)" in refused["error"], refused


def load(mode, program, conversations, *arguments, server=()):
    with Server("--conversations", str(2 * conversations), *server) as served:
        for size in ("1", "3000"):
            result = client("load", f"{served.address}/{program}", "--mode", mode, "--conversations",
                            str(conversations), "--duration", "1", "--size", size, *arguments)
            check_load(result, mode, conversations)


def case_pingpong():
    load("pingpong", "ECHO", 500, "--links", "3")


def case_oneshot():
    load("oneshot", "ECHO", 100)
    load("oneshot", "ONCE", 100, "--links", "2")


def case_stream():
    load("stream", "SINK", 50)


def case_reactors():
    """Threads of their own for the links on both sides."""
    load("pingpong", "ECHO", 300, "--links", "4", "--reactors", "2", "--threads", "2",
         server=("--reactors", "2", "--threads", "2"))


def case_breaks():
    """Who is in the middle of a conversation is told when the partner's process is killed."""
    with Server("--conversations", "64") as other, subprocess.Popen(
            [*CLIENT, "ping", f"{other.address}/ECHO", "--count", "100000000"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, text=True) as survivor:
        server = Server("--conversations", "64")
        with subprocess.Popen([*CLIENT, "ping", f"{server.address}/ECHO", "--count", "100000000"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True) as caller:
            for process in (survivor, caller):
                rows = (line for line in process.stdout if line.strip()[:1].isdigit())
                assert next(rows) and next(rows)
            server.process.kill()
            server.process.communicate(timeout=TIMEOUT)
            _, err = caller.communicate(timeout=TIMEOUT)
            assert caller.returncode == 1 and "CM_RESOURCE_FAILURE" in err, (caller.returncode, err)
        # The other way round: the server lives on when a caller is killed.
        survivor.kill()
        survivor.communicate(timeout=TIMEOUT)
        assert client("ping", f"{other.address}/ECHO")["count"] == 4


def main() -> int:
    cases = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}
    if len(sys.argv) < 5 or sys.argv[1] not in ("from", "to") or sys.argv[2] not in cases:
        print(__doc__, file=sys.stderr)
        return 2
    native, other = [sys.argv[3]], sys.argv[4:]
    SERVER[:], CLIENT[:] = (native, other) if sys.argv[1] == "from" else (other, native)
    with awake(other):
        cases[sys.argv[2]]()
    print(f"{sys.argv[1]} {sys.argv[2]}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
