"""A teller under faults, its customers, and the proof: what a ledger must hold after what customers were told.

The ledger is read here by other code than the teller's: the log from its format (tools/colloquy/log_format.hpp), the
database by Python's own SQLite, always from a copy.
"""
import atexit
import json
import pathlib
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time

ACCOUNTS = 50
OPENING_BALANCE = 1000
TIMEOUT = 120
FILES = {"sqlite": "ledger.db", "log": "ledger.log"}


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


CRC = _crc_table()


def checksum(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def read_log(file):
    """Transfers by id, and the balances. The last batch may be torn, and was never committed then."""
    data = file.read_bytes()
    assert data[:16] == b"colloquy ledger\n" and struct.unpack(">I", data[20:24])[0] == ACCOUNTS, data[:32]
    transfers, balances, at = {}, dict.fromkeys(range(1, ACCOUNTS + 1), OPENING_BALANCE), 32
    while at + 24 <= len(data):
        magic, crc, _, entries = struct.unpack(">4sIQI", data[at:at + 20])
        end = at + 24 + 40 * entries
        if magic != b"btch" or end > len(data) or checksum(data[at + 8:end]) != crc:
            break
        for entry in struct.iter_unpack(">QQIIQQ", data[at + 24:end]):
            number, amount, source, target, balances[entry[2]], balances[entry[3]] = entry
            assert number not in transfers, f"transfer {number} is there twice"
            transfers[number] = (source, target, amount)
        at = end
    assert b"btch" not in data[at + 4:], "a batch that does not hold, in the middle"
    return transfers, balances


def read_database(file):
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        transfers = {number: (source, target, amount) for number, source, target, amount in
                     database.execute("SELECT id, source, target, amount FROM transfers")}
        balances = dict(database.execute("SELECT id, balance FROM accounts"))
    database.close()
    return transfers, balances


class Teller:
    """`colloquy serve` with a ledger in `folder`; started again on the same address after it was killed."""

    def __init__(self, command, store, folder, start=True, **settings):
        self.command, self.store, self.file = command, store, pathlib.Path(folder) / FILES[store]
        self.settings = settings  # of its process
        self.listen = "127.0.0.1:0"
        self.process = None
        if start:
            self.start()

    def start(self):
        self.process = self.attempt()
        line = self.process.stdout.readline()
        assert line, "the teller did not start"
        self.listen = json.loads(line)["listening"][0]

    def attempt(self, **more):
        process = subprocess.Popen(
            [self.command, "serve", "--json", "--end-with-input", "--listen", self.listen, "--db", self.file,
             "--store", self.store, "--accounts", str(ACCOUNTS), "--conversations", "200"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **self.settings, **more)
        atexit.register(process.kill)
        return process

    def died(self):
        """Waits for the end that somebody else has prepared for it."""
        code = self.process.wait(TIMEOUT)
        self.process.communicate()
        assert code == -9, f"the teller ended with {code}"

    def end(self):
        self.process.communicate(timeout=TIMEOUT)
        assert self.process.returncode == 0, f"the teller ended with {self.process.returncode}"

    def read(self):
        with tempfile.TemporaryDirectory() as folder:
            for part in self.file.parent.glob(self.file.name + "*"):
                if not part.name.endswith("-shm"):
                    shutil.copy(part, folder)
            return (read_database if self.store == "sqlite" else read_log)(pathlib.Path(folder) / self.file.name)


class Market:
    """What all customers have said, in all processes they lived in."""

    def __init__(self, program):
        self.program = program
        self.tried, self.confirmed, self.refused = {}, set(), set()
        self.outs = 0
        self.heard = threading.Condition()
        self.troubles = []

    def customers(self, teller, number, first_id, *fate):
        return self.customers_at(teller.listen, number, first_id, *fate)

    def customers_at(self, address, number, first_id, *fate):
        return Customers(self, address, number, first_id, *fate)

    def note(self, line):
        word, *rest = line.split()
        number = int(rest[0]) if rest else 0
        if word == "try":
            self.tried[number] = tuple(map(int, rest[1:]))
        elif word == "confirmed":
            if number in self.confirmed or number in self.refused:
                self.troubles.append(f"transfer {number} was settled twice")
            self.confirmed.add(number)
        elif word == "refused":
            self.refused.add(number)
        elif word == "out":
            self.outs += 1
        else:
            self.troubles.append(line)

    def until(self, wanted, what):
        """Waits until what was said is enough."""
        with self.heard:
            assert self.heard.wait_for(wanted, TIMEOUT), f"{what}: not within {TIMEOUT} s"

    def more(self, number):
        with self.heard:
            before = len(self.confirmed)
        self.until(lambda: len(self.confirmed) >= before + number, f"{number} more transfers")

    def prove(self, teller, final=False):
        """Everything that was confirmed is there once, nothing that was refused or never asked for; each account holds
        what its transfers say. At the end nothing is there that was not confirmed by a customer who lived on."""
        with self.heard:  # before the ledger is read: what is confirmed by now must be in it
            confirmed, refused = set(self.confirmed), set(self.refused)
        transfers, balances = teller.read()
        with self.heard:
            # What was asked for was said before, but may not have been heard yet.
            self.heard.wait_for(lambda: transfers.keys() <= self.tried.keys(), TIMEOUT)
            tried = dict(self.tried)
            assert not self.troubles, self.troubles
        assert not confirmed - transfers.keys(), f"confirmed and lost: {sorted(confirmed - transfers.keys())[:5]}"
        assert not refused & transfers.keys(), f"refused and done: {sorted(refused & transfers.keys())[:5]}"
        wanted = dict.fromkeys(range(1, ACCOUNTS + 1), OPENING_BALANCE)
        for number, (source, target, amount) in transfers.items():
            assert tried.get(number) == (source, target, amount), f"transfer {number}: nobody asked for that"
            wanted[source] -= amount
            wanted[target] += amount
        assert balances == wanted, "accounts do not hold what their transfers say"
        assert sum(balances.values()) == ACCOUNTS * OPENING_BALANCE and min(balances.values()) >= 0
        if final:
            assert transfers.keys() == confirmed, f"done and not told: {sorted(transfers.keys() - confirmed)[:5]}"
        return len(transfers)


class Customers:
    """One process of them."""

    def __init__(self, market, address, number, first_id, *fate):
        self.market = market
        self.process = subprocess.Popen([market.program, address, str(ACCOUNTS), str(number), str(first_id)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if fate:
            self.arm(*fate)
        self.order("go")

    def _read(self):
        for line in self.process.stdout:
            with self.market.heard:
                self.market.note(line)
                self.market.heard.notify_all()

    def arm(self, step, when, pid):
        self.order(f"arm {step} {when} {pid}")

    def order(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def died(self):
        assert self.process.wait(TIMEOUT) == -9
        self.reader.join()

    def finish(self):
        """They end when each knows the outcome of what it asked for."""
        self.process.stdin.close()
        assert self.process.wait(TIMEOUT) == 0, f"customers ended with {self.process.returncode}"
        self.reader.join()
