#!/usr/bin/env python3
"""A relay between processes that delays, stalls, cuts and swallows, and makes links overtake each other.

usage: relay.py CASE COLLOQUY CUSTOMER [--seed N] [--seconds S], or --list for the cases
"""
import asyncio
import atexit
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import threading
import time

import bank
import cases

# Of those who are to notice that nothing comes any more. A link is given up behind three of them, so that everything
# else has the usual heartbeat: a process that waits for its turn of the processor is not dead.
HEARTBEAT_MS = 500


class Link:
    """One connection through the relay."""

    def __init__(self, writers, delay):
        self.writers, self.delay = writers, delay
        self.swallows = False
        self.bytes = 0


class Relay:
    """Listens at `address` and passes on to `target`, in a thread of its own. The n-th link is delayed by the n-th of
    `delays`, in turn, so that what is sent later on one arrives earlier than what is sent on another."""

    def __init__(self, target, delays=(0,)):
        host, port = target.rsplit(":", 1)
        self.target, self.delays = (host, int(port)), delays
        self.links, self.opened = [], 0
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        self.flows = asyncio.Event()
        self.flows.set()
        server = self.loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        ready.set()
        self.loop.run_forever()

    async def _accept(self, reader, writer):
        try:
            to_reader, to_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link((writer, to_writer), self.delays[self.opened % len(self.delays)])
        self.opened += 1
        self.links.append(link)
        await asyncio.gather(self._pump(link, reader, to_writer), self._pump(link, to_reader, writer))
        for end in link.writers:
            end.close()
        if link in self.links:
            self.links.remove(link)

    async def _pump(self, link, reader, writer):
        try:
            while data := await reader.read(1 << 16):
                if link.delay:
                    await asyncio.sleep(link.delay)
                await self.flows.wait()
                if not link.swallows:
                    writer.write(data)
                    link.bytes += len(data)
                    await writer.drain()
            # Nor does a swallowing link pass on that one side has gone.
            if not link.swallows:
                writer.write_eof()
        except OSError:
            if not link.swallows:
                writer.transport.abort()

    def _do(self, action):
        done = threading.Event()
        self.loop.call_soon_threadsafe(lambda: (action(), done.set()))
        done.wait()

    def stall(self):
        self._do(self.flows.clear)

    def flow(self):
        self._do(self.flows.set)

    def cut(self):
        """Ends all links at once, by resets."""
        def action():
            for link in self.links:
                for end in link.writers:
                    end.transport.abort()
            self.links.clear()
        self._do(action)

    def swallow(self):
        """Whatever comes on the links of now is never heard of again; new ones are as they should be."""
        def action():
            for link in self.links:
                link.swallows = True
        self._do(action)

    def delay(self, seconds):
        def action():
            for link in self.links:
                link.delay = seconds
        self._do(action)

    def carried(self):
        return sum(link.bytes for link in list(self.links))


class Server:
    def __init__(self, command, listen="127.0.0.1:0", inside=(), config=()):
        """`inside` is the command that runs it elsewhere, `config` a file."""
        self.process = subprocess.Popen(
            [*inside, command, "serve", "--listen", listen, "--json", "--end-with-input", "--conversations", "500",
             "--watch", "0.1", *(["--config", config] if config else [])], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.address = json.loads(self.process.stdout.readline())["listening"][0]
        self.samples, self.over, self.sampled = [], False, threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            with self.sampled:
                self.samples.append(json.loads(line))
                self.sampled.notify_all()
        with self.sampled:
            self.over = True
            self.sampled.notify_all()

    def until(self, wanted, what):
        """What it counted, once that is so. Only what it counts from now on is looked at: the next sample may have been
        on its way already."""
        limit = time.monotonic() + bank.TIMEOUT
        with self.sampled:
            known = len(self.samples) + 1
            while True:
                self.sampled.wait_for(lambda: len(self.samples) > known or self.over, bank.TIMEOUT)
                assert not self.over, f"{what}: the server has ended"
                if len(self.samples) > known and wanted(self.samples[-1]):
                    return self.samples[-1]
                assert time.monotonic() < limit, f"{what}: {self.samples[-1]}"
                known = len(self.samples)

    def end(self):
        self.process.stdin.close()
        self.reader.join()
        assert self.process.wait(bank.TIMEOUT) == 0


def works_again(command, address):
    """New conversations do; one that was in the way of the end of the old ones may be told of it."""
    limit = time.monotonic() + bank.TIMEOUT
    while True:
        done = subprocess.run([command, "ping", f"{address}/ECHO"], capture_output=True, text=True,
                              timeout=bank.TIMEOUT, check=False)
        if done.returncode == 0:
            return
        assert time.monotonic() < limit, done.stderr


def impatient(folder):
    """A configuration with a short heartbeat."""
    file = pathlib.Path(folder) / "colloquy.toml"
    file.write_text(f"[timeouts]\nheartbeat_ms = {HEARTBEAT_MS}\n")
    return file


def case_load(wanted, _folder):
    """Links that overtake each other and stall lose nothing; after a cut the load goes on over new ones."""
    server = Server(wanted.colloquy)
    relay = Relay(server.address, delays=(0, 0.002, 0.005, 0.02))

    def loaded(disturb, seconds=wanted.seconds):
        """What a load says that is disturbed; once more and longer if it was over before the end of that."""
        running = subprocess.Popen([wanted.colloquy, "load", f"{relay.address}/ECHO", "--mode", "pingpong",
                                    "--links", "4", "--conversations", "40", "--duration", str(seconds), "--json"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def carries(more):
            before, limit = relay.carried(), time.monotonic() + bank.TIMEOUT
            while relay.carried() < before + more and running.poll() is None:
                assert time.monotonic() < limit, "nothing passes the relay any more"
                time.sleep(0.01)

        disturb(running, carries)
        enough = running.poll() is None
        told = json.loads(running.communicate(timeout=bank.TIMEOUT)[0])
        return told if enough or seconds > bank.TIMEOUT / 8 else loaded(disturb, seconds * 4)

    def stalls(_running, carries):
        for _ in range(2):
            carries(20_000)
            relay.stall()
            time.sleep(0.2)
            relay.flow()
        carries(20_000)

    def cuts(running, carries):
        carries(20_000)
        for _ in range(2):
            opened = relay.opened
            relay.cut()
            while relay.opened == opened and running.poll() is None:
                time.sleep(0.01)
            carries(20_000)

    quiet = loaded(stalls)
    assert quiet["errors"] == 0, quiet
    told = loaded(cuts)
    # Each conversation may be lost by each cut, and once more if it came back before the end of its link was heard.
    assert 0 < told["errors"] <= 2 * 2 * 40 and "CM_RESOURCE_FAILURE" in told["first_error"], told
    server.until(lambda c: c["links"] == 0 and c["conversations"] == 0, "what is left of links that were cut")
    server.end()
    return (f"{quiet['transactions']} transactions on links that overtake each other and stall, none failed; 2 cuts, "
            f"{told['errors']} conversations told of them, {told['transactions']} transactions")


def case_silence(wanted, folder):
    """Links that swallow everything: both sides notice by their heartbeats, although no connection ends."""
    server = Server(wanted.colloquy, config=impatient(folder))
    relay = Relay(server.address)
    times = []
    for _ in range(2):
        caller = subprocess.Popen([wanted.colloquy, "ping", f"{relay.address}/ECHO", "--count", "100000000",
                                   "--config", impatient(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True)
        rows = (line for line in caller.stdout if line.strip()[:1].isdigit())
        assert next(rows) and next(rows)
        relay.swallow()
        began = time.monotonic()
        drained = threading.Thread(target=lambda: [None for _ in rows], daemon=True)
        drained.start()
        said = caller.stderr.read()
        times.append(time.monotonic() - began)
        assert caller.wait(bank.TIMEOUT) == 1 and "CM_RESOURCE_FAILURE_RETRY (27)" in said, said
        server.until(lambda c: c["links"] == 0 and c["conversations"] == 0, "the server believes in a silent link")
        relay.cut()
        works_again(wanted.colloquy, relay.address)
    server.end()
    return f"heartbeat {HEARTBEAT_MS} ms: 27 after " + ", ".join(f"{t:.2f}" for t in times) + " s"


def case_teller(wanted, folder):
    """Money through all of it, in an order from the seed; the ledger is proved behind each fault."""
    rng = random.Random(wanted.seed)
    outcomes = []
    for store in bank.FILES:
        teller, market = bank.Teller(wanted.colloquy, store, folder), bank.Market(wanted.customer)
        relay = Relay(teller.listen)
        through = market.customers_at(relay.address, 8, 1)
        faults = [relay.cut, relay.swallow, relay.stall, lambda: relay.delay(0.01)] * 2
        rng.shuffle(faults)
        until, count = time.monotonic() + wanted.seconds, 0
        while faults or time.monotonic() < until:
            market.more(rng.randrange(5, 40))
            (faults.pop() if faults else rng.choice([relay.cut, relay.stall]))()
            count += 1
            market.prove(teller)
            relay.flow()
        market.more(20)
        through.finish()
        teller.end()
        outcomes.append(f"{store}: {count} faults, {market.prove(teller, final=True)} transfers")
    return "; ".join(outcomes)


def main():
    case, wanted = cases.chosen(__doc__, globals(), "--seconds", type=float, default=1.5,
                                help="of load, or at least of money; for longer runs")
    with tempfile.TemporaryDirectory() as folder:
        print(f"{wanted.case}: passed; {case(wanted, folder)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
