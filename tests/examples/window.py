#!/usr/bin/env python3
"""Runs the client that takes completions as window messages against a server of examples/embed_*.

usage: window.py SERVER WINDOW_CLIENT TRANSFER_CLIENT
"""
import subprocess
import sys

from run import TIME_LIMIT, Process


def main():
    server = Process(sys.argv[1], "127.0.0.1:0")
    processes = [server]
    try:
        address = server.says().split()[1]
        for amount in (110, 120):
            client = Process(sys.argv[2], address)
            processes.append(client)
            said, _ = client.process.communicate(timeout=TIME_LIMIT)
            expected = sorted(f"conversation {n}: payee{n} {amount}" for n in range(3))
            if client.process.returncode != 0 or sorted(said.splitlines()) != expected:
                raise AssertionError(f"the client ended with {client.process.returncode} and said '{said}'")
        # The server is ended by one who may.
        last = Process(sys.argv[3], address, 1, 1, 1)
        processes.append(last)
        for said in ("open", "done"):
            last.expect(said)
            last.tell()
        last.expect("over")
        last.finish()
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
