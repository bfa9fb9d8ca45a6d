#!/usr/bin/env python3
"""Runs a server of examples/embed_*, drives it from another process over TCP, and counts its threads.

usage: run.py SERVER CLIENT THREADS_OF_THE_HOST
"""
import os
import pathlib
import subprocess
import sys

TIME_LIMIT = 120  # seconds; only so that a hang becomes a failure


def environment():
    # Neither a configuration nor a trace of whoever runs the tests.
    return {name: value for name, value in os.environ.items() if not name.startswith("COLLOQUY_")}


class Process:
    """A program that says lines and may be told lines."""

    def __init__(self, *command):
        self.name = pathlib.Path(command[0]).name
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())

    def says(self):
        line = self.process.stdout.readline().strip()
        if not line:
            raise AssertionError(f"{self.name} ended with {self.process.wait(TIME_LIMIT)}")
        return line

    def expect(self, line):
        said = self.says()
        if said != line:
            raise AssertionError(f"{self.name} said '{said}' instead of '{line}'")

    def tell(self):
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()

    def finish(self):
        rest, _ = self.process.communicate(timeout=TIME_LIMIT)
        if self.process.returncode != 0 or rest:
            raise AssertionError(f"{self.name} ended with {self.process.returncode} and said '{rest}'")

    def threads(self):
        """The names of its threads, as the system keeps them."""
        return [task.joinpath("comm").read_text().strip() for task in
                pathlib.Path("/proc", str(self.process.pid), "task").iterdir()]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def only_the_hosts(server, count):
    names = server.threads()
    if len(names) != count or any(name.startswith("colloquy-") for name in names):
        raise AssertionError(f"{server.name} has {len(names)} threads instead of {count}: {names}")


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    threads = int(sys.argv[3])
    server = Process(sys.argv[1], "127.0.0.1:0")
    processes = [server]
    try:
        word, address = server.says().split()
        if word != "serving":
            raise AssertionError(f"{server.name} said '{word}'")
        only_the_hosts(server, threads)
        client = Process(sys.argv[2], address, 4, 16, 40)
        processes.append(client)
        client.expect("open")
        only_the_hosts(server, threads)
        client.tell()
        client.expect("done")
        only_the_hosts(server, threads)
        client.tell()
        client.expect("over")
        client.finish()
        server.finish()
    except (AssertionError, subprocess.TimeoutExpired) as trouble:
        print(trouble, file=sys.stderr)
        return 1
    finally:
        for process in processes:
            process.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
