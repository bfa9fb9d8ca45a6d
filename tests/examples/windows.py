#!/usr/bin/env python3
"""Runs the event-driven server and the client with a window of examples/windows against each other.

usage: windows.py SERVER CLIENT [EMULATOR ...]
"""
import subprocess
import sys

TIME_LIMIT = 120


def main():
    server_program, client_program, emulator = sys.argv[1], sys.argv[2], sys.argv[3:]
    conversations, clients = 8, 3
    server = subprocess.Popen([*emulator, server_program, "127.0.0.1:0", str(conversations * clients)],
                              stdout=subprocess.PIPE, text=True)
    running = [server]
    try:
        address = server.stdout.readline().split()[1]
        for _ in range(clients):
            running.append(subprocess.Popen([*emulator, client_program, address, "--message-only"],
                                            stdout=subprocess.PIPE, text=True))
        for client in running[1:]:
            said, _ = client.communicate(timeout=TIME_LIMIT)
            expected = [f"{n}: echo: question {n}" for n in range(conversations)]
            if client.returncode != 0 or sorted(said.splitlines()) != expected:
                raise AssertionError(f"a client ended with {client.returncode} and said '{said}'")
        said, _ = server.communicate(timeout=TIME_LIMIT)
        if server.returncode != 0 or said.split() != ["served", str(conversations * clients)]:
            raise AssertionError(f"the server ended with {server.returncode} and said '{said}'")
    except (AssertionError, IndexError, subprocess.TimeoutExpired) as trouble:
        print(trouble, file=sys.stderr)
        return 1
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
