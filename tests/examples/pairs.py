#!/usr/bin/env python3
"""Runs the examples that come in pairs, each as two processes over TCP.

usage: pairs.py SERVER CLIENT copy|credit|stream
"""
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import zlib

from run import TIME_LIMIT, Process, environment


def run(client, *arguments, **variables):
    done = subprocess.run([client, *map(str, arguments)], env=dict(environment(), **variables), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIME_LIMIT)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def expect(what, said, expected):
    if said != expected:
        raise AssertionError(f"{what}: {said} instead of {expected}")


def copy(server_path, client, scratch):
    source, target = scratch / "source", scratch / "target"
    source.mkdir()
    target.mkdir()
    # The largest record, one byte more and less, nothing at all, and something long.
    contents = {f"file{size}": random.Random(size).randbytes(size) for size in (0, 1, 32765, 32766, 32767, 3_000_000)}
    server = Process(server_path, "127.0.0.1:0", target, len(contents) + 3)
    try:
        address = server.says().split()[1]
        for name, content in contents.items():
            (source / name).write_bytes(content)
            expect(name, run(client, address, source / name),
                   (0, f"copied {len(content)} bytes, checksum {zlib.adler32(content):08x}", ""))
            expect(name, server.says(), f"kept {target}/{name}")
            if (target / name).read_bytes() != content:
                raise AssertionError(f"{name} is another file now")
        for name in ("../outside", ".hidden"):
            expect(name, run(client, address, source / "file1", name), (1, "refused: that name cannot be taken", ""))
            expect(name, server.says(), "refused that name cannot be taken")
        # A new version takes the place of the old one.
        (source / "file1").write_bytes(b"another")
        expect("file1", run(client, address, source / "file1")[0], 0)
        expect("file1", server.says(), f"kept {target}/file1")
        expect("file1", (target / "file1").read_bytes(), b"another")
        expect("the directory", sorted(path.name for path in target.iterdir()), sorted(contents))
        server.finish()
        code, _, complaint = run(client, address, source / "file1")
        if code != 1 or "Allocate (cmallc) returned CM_ALLOCATE_FAILURE_RETRY (2): " not in complaint:
            raise AssertionError(f"without a server the client ended with {code} and said '{complaint}'")
    finally:
        server.close()


def credit(server_path, client, scratch):
    # Bound but not listening: the number is ours, and the server may listen on it all the same.
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        bank, shop = scratch / "bank.toml", scratch / "shop.toml"
        bank.write_text(f'lu_name = "NET.BANK"\nlisten = "127.0.0.1:{port}"\n[[tp]]\nname = "CREDIT"\n')
        shop.write_text(f'lu_name = "NET.SHOP"\n[[partner]]\nname = "NET.BANK"\naddresses = "127.0.0.1:{port}"\n'
                        '[[side_information]]\nname = "CREDIT"\npartner_lu = "NET.BANK"\ntp_name = "CREDIT"\n')
        server = subprocess.Popen([server_path, "2"], env=dict(environment(), COLLOQUY_CONFIG=str(bank)),
                                  stdout=subprocess.PIPE, text=True)
        try:
            orders = ("ADAMS", 300, "ADAMS", 300, "ADAMS", 200, "BAKER", 1, "DAVIS", 5, "CLARK", -1, "CLARK", 7)
            code = 1
            while code != 0:  # until the bank is open: the client is told 2 and may try again
                code, said, complaint = run(client, *orders, COLLOQUY_CONFIG=str(shop))
                if code != 0 and complaint != "credit_client: Allocate gave 2":
                    raise AssertionError(f"the client ended with {code} and said '{said}' '{complaint}'")
                if server.poll() is not None:
                    raise AssertionError(f"the server ended with {server.returncode}")
            expect("the answers", said.splitlines(), [
                "ADAMS 300: yes", "ADAMS 300: no, the credit does not suffice", "ADAMS 200: yes",
                "BAKER 1: no, the credit does not suffice", "DAVIS 5: no, no such customer",
                "CLARK -1: no, that is no order", "CLARK 7: yes"])
            expect("the second shop", run(client, "ADAMS", 1, COLLOQUY_CONFIG=str(shop)),
                   (0, "ADAMS 1: no, the credit does not suffice", ""))
            heard, _ = server.communicate(timeout=TIME_LIMIT)
            expect("the bank", (server.returncode, heard.count(": reserved"), len(heard.splitlines())), (0, 3, 8))
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
            server.stdout.close()


def stream(server_path, client, scratch):
    chance = random.Random(7)
    texts = ["", "one line", "\n" * 50_000,
             "\n".join("x" * chance.choice((0, 1, 10, 100, 16381, 16382, 16383, 32764, 32765)) for _ in range(300)),
             "\n".join(str(chance.random()) for _ in range(100_000))]
    server = subprocess.Popen([server_path, "127.0.0.1:0", str(len(texts))], env=environment(), text=True,
                              stdout=(scratch / "lines").open("wb"), stderr=subprocess.PIPE)
    try:
        address = server.stderr.readline().split()[1]
        expected = []
        for text in texts:
            done = subprocess.run([client, address], env=environment(), text=True, input=text, timeout=TIME_LIMIT,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            expect("the client", (done.returncode, done.stdout), (0, ""))
            lines = text.split("\n")[:-1] if text == "" or text.endswith("\n") else text.split("\n")
            expected += lines
            said = server.stderr.readline().split()
            expect("the server", said[:2], [str(len(lines)), "lines"])
            if len(lines) > 1_000 and int(said[3]) > len(lines) // 10:
                raise AssertionError(f"{len(lines)} lines took {said[3]} calls: they did not come together")
        expect("the server", server.wait(TIME_LIMIT), 0)
        if (scratch / "lines").read_text().split("\n")[:-1] != expected:
            raise AssertionError("other lines came than were sent")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
        server.stderr.close()


def main():
    pairs = {f.__name__: f for f in (copy, credit, stream)}
    if len(sys.argv) != 4 or sys.argv[3] not in pairs:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="colloquy-examples-") as scratch:
        try:
            pairs[sys.argv[3]](sys.argv[1], sys.argv[2], pathlib.Path(scratch))
        except (AssertionError, subprocess.TimeoutExpired) as trouble:
            print(trouble, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
