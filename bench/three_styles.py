#!/usr/bin/env python3
"""Takes the echo servers of the tour side by side: blocking threads, asynchronous C, coroutines; one load for all.

usage: three_styles.py BUILD [--conversations N] [--duration SECONDS] [--rounds N] [--styles STYLE,...]
  BUILD   a build tree with the examples and the command
Each round runs each server once, a fresh process, in turn; the median of the rounds is printed. The blocking server
has a thread for each conversation.
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import tempfile

CONFIGURATION = """lu_name = "NET.ECHO"
listen = "127.0.0.1:{port}"
[limits]
conversations = {table}
accept_queue = {table}
link_conversations = {table}
window_bytes = 1_024
[[tp]]
name = "ECHO"
queue_max = {table}
"""
STYLES = ("blocking", "async", "coroutine")


def measure(programs, style, wanted):
    """What the load says, and what a transaction costs the server in microseconds of a processor, start included."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COLLOQUY_")}
    with tempfile.TemporaryDirectory(prefix="colloquy-styles-") as scratch, socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        pathlib.Path(scratch, "colloquy.toml").write_text(
            CONFIGURATION.format(port=port, table=wanted.conversations + 10_000), "utf-8")
        target = f"127.0.0.1:{port}/ECHO"
        arguments = [str(wanted.conversations)] if style == "blocking" else []
        server = subprocess.Popen([programs / f"example_echo_{style}", *arguments], env=environment, cwd=scratch,
                                  stdin=subprocess.PIPE)

        def command(*words):
            return subprocess.run([programs / "colloquy", *words, "--json"], env=environment, cwd=scratch, text=True,
                                  capture_output=True, timeout=600)
        try:
            while command("ping", target).returncode != 0:
                if server.poll() is not None:
                    raise SystemExit(f"{style}: the server ended with {server.returncode}")
            done = command("load", target, "--conversations", str(wanted.conversations),
                           "--duration", str(wanted.duration))
            if done.returncode != 0:
                raise SystemExit(f"{style}: {done.stderr}")
            result = json.loads(done.stdout)
            if result["errors"] != 0:
                raise SystemExit(f"{style}: {result['errors']} errors")
            server.kill()
            _, _, used = os.wait4(server.pid, 0)
            server.returncode = -9
            result["cpu_us"] = (used.ru_utime + used.ru_stime) * 1e6 / result["transactions"]
            result["memory_mib"] = used.ru_maxrss / 1024
            return result
        finally:
            if server.returncode is None:
                server.kill()
                server.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--duration", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--styles", type=lambda text: text.split(","), default=STYLES)
    wanted = parser.parse_args()
    programs = (wanted.build / "bin").resolve()
    taken = {style: [] for style in STYLES}
    for _ in range(wanted.rounds):
        for style in wanted.styles:
            taken[style].append(measure(programs, style, wanted))
    first = "async" if "async" in wanted.styles else wanted.styles[0]
    base = statistics.median(r["transactions_per_second"] for r in taken[first])
    print(f"{wanted.conversations} conversations, {wanted.duration:g} s, medians of {wanted.rounds} interleaved rounds")
    for style in wanted.styles:
        rates = [r["transactions_per_second"] for r in taken[style]]
        rate = statistics.median(rates)
        cpu = statistics.median(r["cpu_us"] for r in taken[style])
        memory = statistics.median(r["memory_mib"] for r in taken[style])
        print(f"{style:<10} {rate:>12,.0f}/s  {rate / base:5.2f} x {first}  "
              f"(from {min(rates):,.0f} to {max(rates):,.0f})  {cpu:7.2f} us of a processor each  {memory:6.0f} MiB")


if __name__ == "__main__":
    main()
