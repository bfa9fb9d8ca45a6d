#!/usr/bin/env python3
"""Runs an echo server of the tour with the file that the tour shows, and calls it with the colloquy command.

usage: echo.py COLLOQUY TOUR SERVER [ARGUMENT]...    a server without arguments ends with its input
"""
import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

from run import TIME_LIMIT, environment

CONVERSATIONS = 200


def configuration(tour, port):
    """The last file of the tour, which is the one that every server of it can run with."""
    text = pathlib.Path(tour).read_text("utf-8")
    return re.findall(r"^```toml\n(.*?)^```", text, re.M | re.S)[-1].replace("4711", str(port))


def main():
    colloquy, tour, server, *rest = sys.argv[1:]
    arguments = [word for word in rest if word]
    with tempfile.TemporaryDirectory(prefix="colloquy-echo-") as scratch, socket.socket() as reserved:
        # Bound but not listening: the number is ours, and the server may listen on it all the same.
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        file = pathlib.Path(scratch, "colloquy.toml")
        file.write_text(configuration(tour, port), "utf-8")
        target = f"127.0.0.1:{port}/ECHO"

        def command(*words):
            return subprocess.run([colloquy, *words, "--json"], env=environment(), cwd=scratch, text=True,
                                  capture_output=True, timeout=TIME_LIMIT)

        process = subprocess.Popen([server, *arguments], env=environment(), cwd=scratch, stdin=subprocess.PIPE)
        try:
            while (done := command("ping", target, "--size", "1,500")).returncode != 0:
                if process.poll() is not None or "CM_ALLOCATE_FAILURE_RETRY" not in done.stderr:
                    raise AssertionError(f"{done.stderr} and the server: {process.poll()}")
            done = command("load", target, "--conversations", str(CONVERSATIONS), "--duration", "0.3")
            result = json.loads(done.stdout)
            if done.returncode != 0 or result["errors"] != 0 or result["transactions_per_second"] <= 0:
                raise AssertionError(f"{result} {done.stderr}")
            # A record that is longer than the server takes costs its conversation and nothing else.
            if "CM_DEALLOCATED_ABEND" not in command("ping", target, "--size", "513").stderr:
                raise AssertionError("a record that is too long was taken")
            if command("ping", target).returncode != 0:
                raise AssertionError("nobody is there any more")
            if arguments:
                return 0
            process.stdin.close()
            if process.wait(TIME_LIMIT) != 0:
                raise AssertionError(f"the server ended with {process.returncode}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
