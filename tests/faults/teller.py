#!/usr/bin/env python3
"""A teller that is killed at every step of its protocol, customers that are, and a disk that fills up.

usage: teller.py CASE COLLOQUY CUSTOMER [--seed N] [--kills N], or --list for the cases

tests/faults/customer.c moves money and says what it was told; bank.py reads the ledger by itself and holds it against
that: after every death, and at the end.
"""
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile

import bank
import cases

STEPS = ["allocate", "move", "hear", "ask", "answer"]


def each_store(run):
    def case(wanted):
        for store in bank.FILES:
            with tempfile.TemporaryDirectory() as folder:
                print(f"{store}: {run(wanted, store, folder)}", flush=True)
    case.__doc__ = run.__doc__
    return case


@each_store
def case_server(wanted, store, folder):
    """The teller dies before and after each step of a customer, and at moments drawn from the seed."""
    rng = random.Random(wanted.seed)
    teller, market = bank.Teller(wanted.colloquy, store, folder), bank.Market(wanted.customer)
    customers = market.customers(teller, 8, 1)
    market.more(20)
    deaths = 0
    plan = [(step, when) for step in STEPS for when in ("before", "after")]
    rng.shuffle(plan)
    for step, when in plan:
        if step not in ("move", "hear"):
            # Nobody is there but behind a death.
            customers.arm(step, when, -1)
            teller.process.kill()
            teller.died()
            teller.start()
        customers.arm(step, when, teller.process.pid)
        teller.died()
        deaths += 1
        market.prove(teller)
        teller.start()
        market.more(5)
    for _ in range(wanted.kills):
        market.more(rng.randrange(1, 60))
        teller.process.kill()
        teller.died()
        deaths += 1
        market.prove(teller)
        teller.start()
    market.more(20)
    customers.finish()
    teller.end()
    number = market.prove(teller, final=True)
    return f"{deaths} deaths, {number} transfers, {len(market.refused)} refused"


@each_store
def case_customers(wanted, store, folder):
    """Customers die before and after each step; the teller goes on, and gives back what it held for them."""
    teller, market = bank.Teller(wanted.colloquy, store, folder), bank.Market(wanted.customer)
    others = market.customers(teller, 4, 1)
    plan = [(step, when) for step in ("allocate", "move", "hear") for when in ("before", "after")]
    for number, (step, when) in enumerate(plan, 1):
        market.customers(teller, 4, number * 1_000_000, step, when, 0).died()
        market.prove(teller)
        market.more(5)
    others.finish()
    teller.end()
    number = market.prove(teller)
    return f"{len(plan)} deaths, {number} transfers"


def used_kib(folder):
    about = os.statvfs(folder)
    return (about.f_blocks - about.f_bfree) * about.f_frsize // 1024


class FileSystem:
    """A file system of its own, which has just as much room as is used, or plenty."""

    name, settings = "file system", {}

    def __init__(self, folder):
        self.folder = folder
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder], check=True)

    def fill(self, _teller):
        # More may have been used meanwhile.
        while subprocess.run(["mount", "-o", f"remount,size={max(used_kib(self.folder), 4)}k", "none", self.folder],
                             stderr=subprocess.DEVNULL, check=False).returncode != 0:
            pass

    def room(self, _teller):
        subprocess.run(["mount", "-o", "remount,size=64m", "none", self.folder], check=True)

    def close(self):
        subprocess.run(["umount", "-l", self.folder], check=True)


class SizeOfFiles:
    """No file of the teller's process may grow any more."""

    # What the system sends with the error is ignored here, and so is it in what we start.
    name, settings = "size of files", {"restore_signals": False}

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def fill(self, teller):
        most = max(file.stat().st_size for file in self.folder.iterdir())
        resource.prlimit(teller.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def room(self, teller):
        resource.prlimit(teller.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self):
        pass


def full_disk(wanted, store, disk, folder):
    if disk.name == "file system":
        filler = pathlib.Path(folder) / "filler"
        filler.write_bytes(bytes(4096))
        disk.fill(None)
        teller = bank.Teller(wanted.colloquy, store, folder, start=False)
        process = teller.attempt(stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=bank.TIMEOUT)
        assert process.returncode == 1 and "TELLER cannot use its" in said, (process.returncode, said)
        assert len(said.splitlines()) == 1, said
        disk.room(None)
        teller.start()
    else:
        teller = bank.Teller(wanted.colloquy, store, folder, **disk.settings)
    market = bank.Market(wanted.customer)
    customers = market.customers(teller, 8, 1)
    for _ in range(3):
        market.more(50)
        disk.fill(teller)
        with market.heard:
            outs = market.outs
        market.until(lambda: market.outs >= outs + 20, "transfers that are refused for want of room")
        market.prove(teller)
        disk.room(teller)
        market.more(50)
    customers.finish()
    teller.end()
    number = market.prove(teller, final=True)
    return f"{number} transfers, {market.outs} times out of service"


def case_full(wanted):
    """The disk under the ledger has no room: transfers are refused, and go on when there is some, in the same
    process."""
    mounts = os.environ.get("COLLOQUY_FAULTS_MOUNTS") == "1"
    if not mounts:
        probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
        if shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            # Once more as a process that may mount.
            again = ["unshare", "-rm", sys.executable, *sys.argv]
            os.execvpe(again[0], again, dict(os.environ, COLLOQUY_FAULTS_MOUNTS="1",
                                                COLLOQUY_SEED=str(wanted.seed)))
        print("file system: skipped, none may be mounted here")
    for kind in [FileSystem, SizeOfFiles] if mounts else [SizeOfFiles]:
        for store in bank.FILES:
            with tempfile.TemporaryDirectory() as folder:
                disk = kind(folder)
                try:
                    print(f"{disk.name}, {store}: {full_disk(wanted, store, disk, folder)}", flush=True)
                finally:
                    disk.close()


def main():
    case, wanted = cases.chosen(__doc__, globals(), "--kills", type=int, default=5,
                                help="of the teller at moments from the seed")
    case(wanted)
    print(f"{wanted.case}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
