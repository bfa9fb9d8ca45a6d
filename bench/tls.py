#!/usr/bin/env python3
"""What encryption costs: `colloquy load` against one `colloquy serve` on its plain and on its encrypted address, turn
by turn. Prints the medians and their ratio. Needs openssl, which makes a certificate for the run.

usage: tls.py COLLOQUY [--rounds N] [--duration S] [--conversations N] [--size B] [--modes MODE,...]
"""
import argparse
import ctypes
import json
import pathlib
import signal
import statistics
import subprocess
import tempfile

LIBC = ctypes.CDLL(None)
TARGETS = {"pingpong": "ECHO", "oneshot": "ONCE", "stream": "SINK"}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colloquy", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=3)
    parser.add_argument("--conversations", type=int, default=100)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--modes", default=",".join(TARGETS))
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        pem, key, config = (pathlib.Path(folder) / name for name in ("unit.pem", "unit.key", "colloquy.toml"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", pem], check=True, capture_output=True)
        config.write_text(f'[tls]\ncertificate = "{pem}"\nkey = "{key}"\ntrust = "{pem}"\n')
        server = subprocess.Popen(
            [options.colloquy, "serve", "--config", config, "--json", "--listen", "127.0.0.1:0,tls:127.0.0.1:0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=lambda: LIBC.prctl(1, signal.SIGKILL))
        try:
            plain, encrypted = json.loads(server.stdout.readline())["listening"]

            def load(address, mode):
                done = subprocess.run(
                    list(map(str, [options.colloquy, "load", f"{address}/{TARGETS[mode]}", "--mode", mode, "--json",
                                   "--config", config, "--duration", options.duration,
                                   "--conversations", options.conversations, "--size", options.size])),
                    capture_output=True, text=True)
                if done.returncode != 0:
                    raise SystemExit(f"{mode} at {address}: {done.stderr.strip()}")
                told = json.loads(done.stdout)
                return told["transactions_per_second"], told["latency_us"]["p50"]

            print(f"{options.conversations} conversations, {options.size} bytes, {options.duration:g} s, "
                  f"medians of {options.rounds} rounds")
            print("| mode | plain /s | p50 | TLS /s | p50 | ratio |\n|---|---|---|---|---|---|")
            for mode in options.modes.split(","):
                taken = {address: [] for address in (plain, encrypted)}
                for _ in range(options.rounds):
                    for address, results in taken.items():
                        results.append(load(address, mode))
                rate, latency = ([statistics.median(t[i] for t in taken[a]) for a in (plain, encrypted)]
                                 for i in (0, 1))
                print(f"| {mode} | {rate[0]:,.0f} | {latency[0]:,.0f} us | {rate[1]:,.0f} | {latency[1]:,.0f} us | "
                      f"{rate[1] / rate[0]:.2f} |", flush=True)
        finally:
            server.terminate()
            server.communicate(timeout=60)


if __name__ == "__main__":
    main()
