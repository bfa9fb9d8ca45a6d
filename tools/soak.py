#!/usr/bin/env python3
"""Keeps a server under load and faults for as long as asked, and watches what it holds.

usage: soak.py COLLOQUY DURATION [--out DIRECTORY] [--seed N] [--every SECONDS]

DURATION is seconds, or a number with s, m or h. All the time `colloquy load` calls a `colloquy serve` in every mode,
and what it reports must be free of errors. Beside it, by turns from the seed: clients that are killed in the middle,
peers that send garbage, peers that stop in the middle of a greeting, and storms of connections that close at once.
Every few
seconds the server's counters, memory, descriptors and processor time are written down.

At the end the load stops, and the server must hold no conversation, no link and no descriptor that it did not hold
before. soak.json has the samples, soak.svg the plot. Exit code 0: all of that was so; 1: it was not, and a line says
what.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

MODES = {"pingpong": "ECHO", "oneshot": "ONCE", "stream": "SINK"}
UNITS = {"s": 1, "m": 60, "h": 3600}
SETTLES_SECONDS = 60


def seconds_of(text):
    unit = UNITS.get(text[-1:])
    try:
        value = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        value = 0
    if value <= 0:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration; write seconds, or a number with s, m or h")
    return value


class Server:
    """`colloquy serve`, with a line of counters every few seconds."""

    def __init__(self, command, every):
        self.process = subprocess.Popen(
            [command, "serve", "--listen", "127.0.0.1:0", "--json", "--end-with-input", "--conversations", "20000",
             "--watch", str(every)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = json.loads(self.process.stdout.readline())["listening"][0]
        host, port = self.address.rsplit(":", 1)
        self.endpoint = (host, int(port))
        self.samples = []
        self.sampled = threading.Condition()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            sample = json.loads(line)
            sample.update(self._held())
            with self.sampled:
                self.samples.append(sample)
                self.sampled.notify_all()

    def _held(self):
        folder = pathlib.Path(f"/proc/{self.process.pid}")
        try:
            pages = int((folder / "statm").read_text().split()[1])
            # Behind the name, which may hold blanks: utime and stime are the 12th and 13th.
            times = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            return {"resident_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
                    "descriptors": len(list((folder / "fd").iterdir())),
                    "processor_seconds": (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")}
        except OSError:
            return {}  # it has just ended

    def next_sample(self, patience):
        """The next one to come, or the last if there is none."""
        with self.sampled:
            known = len(self.samples)
            self.sampled.wait_for(lambda: len(self.samples) > known, patience)
            return self.samples[-1] if self.samples else {}

    def end(self):
        self.process.stdin.close()
        self.reader.join()
        return self.process.wait(60)


class Load:
    """What must go well whatever else happens."""

    def __init__(self, command, server):
        self.command, self.server = command, server
        self.runs, self.transactions, self.troubles = 0, 0, []

    def run(self, until, rng):
        while time.monotonic() < until:
            mode = rng.choice(list(MODES))
            length = min(rng.uniform(2, 15), max(1.0, until - time.monotonic()))
            done = subprocess.run(
                [self.command, "load", f"{self.server.address}/{MODES[mode]}", "--mode", mode,
                 "--duration", f"{length:.1f}", "--conversations", str(rng.choice([1, 50, 1000])),
                 "--links", str(rng.choice([1, 4])),
                 "--size", str(rng.choice([16, 64, 3000])), "--json"],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=length + 120)
            told = json.loads(done.stdout) if done.returncode == 0 else {}
            self.runs += 1
            self.transactions += told.get("transactions", 0)
            if done.returncode != 0 or told.get("errors") != 0:
                self.troubles.append(f"load --mode {mode}: exit {done.returncode}, {told.get('errors')} errors "
                                     f"{done.stderr.strip()}")


class Faults:
    """What a server must live with. Each is counted."""

    def __init__(self, command, server):
        self.command, self.server = command, server
        self.counts = {"killed_client": 0, "garbage": 0, "half_greeting": 0, "storm": 0}

    def killed_client(self, rng):
        mode = rng.choice(list(MODES))
        client = subprocess.Popen([self.command, "load", f"{self.server.address}/{MODES[mode]}", "--mode", mode,
                                   "--conversations", "500", "--links", "2", "--duration", "60"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.05, 1.5))
        client.send_signal(signal.SIGKILL)
        client.wait()

    def _connect(self):
        return socket.create_connection(self.server.endpoint, timeout=30)

    def garbage(self, rng):
        for _ in range(20):
            with self._connect() as peer:
                try:
                    # Some of it begins as a frame does: a length, a type, indicators, a channel.
                    if rng.random() < 0.5:
                        peer.sendall(struct.pack(">HBBI", rng.randrange(65536), rng.randrange(256), rng.randrange(256),
                                                 rng.randrange(1 << 32)))
                    peer.sendall(rng.randbytes(rng.randrange(1, 5000)))
                except OSError:
                    pass  # it was sent away before the end

    def half_greeting(self, rng):
        peers = [self._connect() for _ in range(20)]
        for peer in peers:
            peer.sendall(bytes(rng.randrange(1, 8)))
        time.sleep(rng.uniform(0.1, 2))
        for peer in peers:
            peer.close()

    def storm(self, _rng):
        for _ in range(200):
            # A reset instead of an orderly end, now and then in the middle of being accepted.
            with self._connect() as peer:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def run(self, until, rng):
        while time.monotonic() < until:
            name = rng.choice(list(self.counts))
            getattr(self, name)(rng)
            self.counts[name] += 1
            time.sleep(rng.uniform(0, 1))


def plot(samples, path):
    """Panels of one line each over the same time."""
    def rate(name):
        pairs = zip(samples, samples[1:])
        return [0.0] + [(b[name] - a[name]) / max(b["seconds"] - a["seconds"], 1e-9) for a, b in pairs]

    panels = [("resident memory, MiB", [s["resident_bytes"] / 2**20 for s in samples]),
              ("descriptors", [s["descriptors"] for s in samples]),
              ("conversations open", [s["conversations"] for s in samples]),
              ("links open", [s["links"] for s in samples]),
              ("verbs a second", rate("verbs")),
              ("links ended a second", rate("links_closed")),
              ("processors busy", rate("processor_seconds"))]
    width, height, left, gap = 900, 90, 70, 34
    end = max(samples[-1]["seconds"], 1e-9)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + left + 20}" '
             f'height="{len(panels) * (height + gap) + 30}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>']
    for row, (title, values) in enumerate(panels):
        top = 20 + row * (height + gap)
        most = max(max(values), 1e-9)
        points = " ".join(f"{left + s['seconds'] / end * width:.1f},{top + height - v / most * height:.1f}"
                          for s, v in zip(samples, values))
        lines += [f'<text x="{left}" y="{top - 5}">{title}</text>',
                  f'<text x="{left - 6}" y="{top + 10}" text-anchor="end">{most:,.4g}</text>',
                  f'<text x="{left - 6}" y="{top + height}" text-anchor="end">0</text>',
                  f'<rect x="{left}" y="{top}" width="{width}" height="{height}" fill="none" stroke="#bbb"/>',
                  f'<polyline points="{points}" fill="none" stroke="#1f5fa8" stroke-width="1.5"/>']
    lines += [f'<text x="{left}" y="{len(panels) * (height + gap) + 20}">0 to {end:,.0f} s</text>', "</svg>"]
    path.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("colloquy")
    parser.add_argument("duration", type=seconds_of)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build/soak"))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--every", type=float, default=0, help="seconds between samples (a 200th of the duration)")
    wanted = parser.parse_args()
    every = wanted.every or min(max(wanted.duration / 200, 0.5), 30)
    wanted.out.mkdir(parents=True, exist_ok=True)
    print(f"seed {wanted.seed}", flush=True)

    server = Server(wanted.colloquy, every)
    patience = every + 30
    before = server.next_sample(patience)
    load, faults = Load(wanted.colloquy, server), Faults(wanted.colloquy, server)
    until = time.monotonic() + wanted.duration
    troubles = []

    def guarded(work, rng):
        try:
            work(until, rng)
        except Exception as trouble:  # the server has gone, or answers nobody: told at the end
            troubles.append(f"{type(trouble).__name__}: {trouble}")

    threads = [threading.Thread(target=guarded, args=(work, random.Random(f"{wanted.seed} {number}")))
               for number, work in enumerate([load.run, load.run, faults.run])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    # Partners that were killed or have gone are noticed within a moment; the patience is for a busy machine.
    limit = time.monotonic() + SETTLES_SECONDS
    while True:
        last = server.next_sample(patience)
        settled = last.get("conversations") == 0 and last.get("links") == 0 and \
            last.get("descriptors", 0) <= before.get("descriptors", 0)
        if settled or time.monotonic() >= limit or server.process.poll() is not None:
            break
    code = server.end()
    samples = [s for s in server.samples if "resident_bytes" in s]
    troubles += load.troubles
    if code != 0:
        troubles.append(f"the server ended with {code}")
    if not settled:
        troubles.append(f"after the end the server held {last.get('conversations')} conversations, {last.get('links')} "
                        f"links and {last.get('descriptors')} descriptors; before the load {before.get('descriptors')}")
    if load.transactions == 0:
        troubles.append("no load was carried")

    result = {"seed": wanted.seed, "seconds": wanted.duration, "load_runs": load.runs,
              "transactions": load.transactions, "faults": faults.counts, "troubles": troubles, "samples": samples}
    (wanted.out / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    if samples:
        plot(samples, wanted.out / "soak.svg")
        third = samples[len(samples) // 3:] or samples
        print(f"{load.runs} loads, {load.transactions:,} transactions; faults {faults.counts}")
        print(f"resident memory {third[0]['resident_bytes'] / 2**20:.1f} MiB after a third, at most "
              f"{max(s['resident_bytes'] for s in samples) / 2**20:.1f}, "
              f"{samples[-1]['resident_bytes'] / 2**20:.1f} at the end; "
              f"descriptors {before.get('descriptors')} before, at most {max(s['descriptors'] for s in samples)}, "
              f"{samples[-1]['descriptors']} at the end")
        print(f"{wanted.out / 'soak.json'}, {wanted.out / 'soak.svg'}")
    for trouble in troubles:
        print(f"soak: {trouble}", file=sys.stderr)
    print("failed" if troubles else "passed")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
