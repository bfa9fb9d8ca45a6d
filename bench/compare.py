#!/usr/bin/env python3
"""Colloquy and its peers, side by side: every program of bench/peers that is built, interleaved in random order.

  bench/compare.py build/peers --build              builds what it compares (tools/deps.sh --peers installs it)
  bench/compare.py build/peers --quick              a minute: few workloads, one round
  bench/compare.py build/peers --workloads rtt1,bulk --peers colloquy,asio --rounds 5 --duration 2
  bench/compare.py --from compare.json --markdown   tells an earlier result again
  bench/compare.py --from compare.json --readme     puts it into bench/README.md, and the picture beside it

Writes compare.json, compare.html (stands alone, with plots) and compare.svg into --out, and prints tables of Markdown.
"""
import argparse
import json
import os
import pathlib
import platform
import random
import resource
import subprocess
import sys
import time

import compare_report as report

ROOT = pathlib.Path(__file__).resolve().parent.parent
PEERS = ["colloquy", "mux", "raw", "asio", "libuv", "zeromq", "nng", "grpc", "bare"]
# How many conversations each is asked for, where a machine of a few gigabytes would not hold more.
MOST = {"grpc": 10_000, "nng": 10_000}
# Variants with a descriptor a conversation.
CONNECTIONS = {"epoll", "connections", "connect"}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path, nargs="?", default=ROOT / "build" / "peers",
                        help="build directory (build/peers)")
    parser.add_argument("--build", dest="make", action="store_true", help="configure it and build the peers first")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--workloads", default=",".join(report.WORKLOADS), help="by commas, of: %(default)s")
    parser.add_argument("--peers", default=",".join(PEERS), help="by commas, of: %(default)s")
    parser.add_argument("--variants", default="", help="only these, by commas")
    parser.add_argument("--conversations", default="1000,10000,100000", help="for concurrent (%(default)s)")
    parser.add_argument("--links", type=int, default=10_000)
    parser.add_argument("--idle", type=int, default=100_000)
    parser.add_argument("--shares", default="50,80", help="of capacity, in percent, for openloop (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--duration", type=float, default=2, help="seconds of each run")
    parser.add_argument("--warmup", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1, help="of the order")
    parser.add_argument("--quick", action="store_true", help="few workloads; one round of 0.5 s")
    parser.add_argument("--no-pin", action="store_true", help="leave the processes where the system puts them")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."), help="where the files go")
    parser.add_argument("--from", dest="earlier", type=pathlib.Path, help="a compare.json: nothing is run")
    parser.add_argument("--markdown", action="store_true", help="only print the tables, write no files")
    parser.add_argument("--readme", action="store_true", help="also renew bench/README.md and compare.svg")
    if len(sys.argv) == 1:
        parser.error("name the build directory; build/peers --quick takes a minute, build/peers half an hour")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.duration, options.warmup = 1, 0.5, 0.2
        options.workloads, options.conversations = "rtt1,concurrent,oneshot,bulk", "1000"
    unknown = set(options.workloads.split(",")) - set(report.WORKLOADS) | set(options.peers.split(",")) - set(PEERS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def make(options):
    for command in (["cmake", "-S", ROOT, "-B", options.build, "-DCMAKE_BUILD_TYPE=Release",
                     "-DCOLLOQUY_BUILD_PEERS=ON", "-DCOLLOQUY_BUILD_TESTS=OFF"],
                    ["cmake", "--build", options.build, "-j", str(options.jobs), "--target", "peers"]):
        subprocess.run(command, check=True, stdout=sys.stderr)


def descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


def cases_of(options, peer, program):
    """What a program of a peer is asked: (case, conversations)."""
    workload, variant = program["workload"], program["variant"]
    most = MOST.get(peer, 1 << 30)
    if variant in CONNECTIONS or workload == "links":
        most = min(most, descriptors() - 200)
    if workload == "concurrent":
        counts = [int(n) for n in options.conversations.split(",")]
    else:
        counts = [{"oneshot": 1000, "links": options.links, "idle": options.idle}.get(workload, 1)]
    if workload in ("idle", "links"):
        # A memory or a rate each stays one when they are fewer.
        return [(workload, min(counts[0], most))]
    return [(workload, n) for n in counts if n <= most]


def programs(options):
    """All that is built and wanted: peer, its file, what it lists."""
    for peer in options.peers.split(","):
        file = options.build / "bin" / f"peer_{peer}"
        if not file.exists():
            print(f"compare: no {file}: left out (tools/deps.sh --peers, then --build)", file=sys.stderr)
            continue
        listed = json.loads(subprocess.run([file, "--list"], check=True, capture_output=True, text=True).stdout)
        for program in listed:
            if not options.variants or program["variant"] in options.variants.split(","):
                yield peer, file, program


class runner:
    def __init__(self, options):
        self.options = options
        self.runs, self.failed = [], []
        self.began = self.shown = time.monotonic()
        allowed = sorted(os.sched_getaffinity(0))
        self.pins = [] if options.no_pin or len(allowed) < 2 else [
            "--client-cpu", str(allowed[0]), "--server-cpu", str(allowed[1])]

    def show(self, line):
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()
        elif time.monotonic() - self.shown > 30:
            self.shown = time.monotonic()
            print(f"compare: {line}", file=sys.stderr, flush=True)

    def run(self, case, peer, file, program, conversations, rate=0.0, share=0.0):
        command = [str(file), program["workload"], "--variant", program["variant"], "--conversations",
                   str(conversations), "--duration", str(self.options.duration), "--warmup", str(self.options.warmup),
                   *self.pins]
        if rate:
            command += ["--rate", f"{rate:.1f}"]
        what = f"{case}: {peer} {program['variant']}, {conversations} conversations"
        try:
            done = subprocess.run(command, capture_output=True, text=True,
                                  timeout=self.options.duration + self.options.warmup + 120)
            why = done.stderr.strip() or f"exit {done.returncode}"
            told = json.loads(done.stdout) if done.returncode == 0 else None
        except subprocess.TimeoutExpired:
            told, why = None, "did not end"
        except json.JSONDecodeError:
            told, why = None, "gave no JSON"
        if told is None:
            self.failed.append({"what": what, "why": why[:300]})
            self.show("")
            print(f"compare: {what}: {why}", file=sys.stderr)
            return
        self.runs.append({**told, "case": case, "share": share})

    def rounds(self, jobs, what):
        """jobs: argument tuples of run()."""
        order = random.Random(self.options.seed)
        began = time.monotonic()
        total, done = len(jobs) * self.options.rounds, 0
        for number in range(self.options.rounds):
            shuffled = list(jobs)
            order.shuffle(shuffled)
            for job in shuffled:
                left = (time.monotonic() - began) / done * (total - done) if done else 0
                self.show(f"{what}, round {number + 1} of {self.options.rounds}: {job[1]} {job[0]} "
                          f"({done} of {total}, about {left / 60:.0f} min left)")
                self.run(*job)
                done += 1
        self.show("")


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {"model": model, "processors": len(os.sched_getaffinity(0)), "kernel": platform.release(),
            "descriptors": descriptors(), "load_before": os.getloadavg()[0]}


def measure(options):
    wanted = set(options.workloads.split(","))
    here = machine()
    all_programs = list(programs(options))
    jobs = [(case, peer, file, program, n) for peer, file, program in all_programs
            for case, n in cases_of(options, peer, program) if case in wanted]
    run = runner(options)
    run.rounds(jobs, "closed loop")
    if "openloop" in wanted:
        # Capacity is what the closed loop of a thousand gave on the way here.
        if "concurrent" not in wanted or "1000" not in options.conversations.split(","):
            probes = [("capacity", peer, file, program, 1000) for peer, file, program in all_programs
                      if program["workload"] == "concurrent" and program["paced"]]
            run.rounds(probes, "capacity")
        capacity = {(c["peer"], c["variant"]): c["per_second"]["median"] for c in report.summarise(run.runs)
                    if c["case"] in ("concurrent", "capacity") and c["conversations"] == 1000}
        run.rounds([("openloop", peer, file, program, 1000, capacity[peer, program["variant"]] * share / 100,
                     share / 100)
                    for peer, file, program in all_programs for share in map(float, options.shares.split(","))
                    if program["workload"] == "concurrent" and program["paced"] and
                    (peer, program["variant"]) in capacity], "open loop")
    here["load_after"] = os.getloadavg()[0]
    runs = [r for r in run.runs if r["case"] != "capacity"]
    return {"machine": here,
            "settings": {"rounds": options.rounds, "duration": options.duration, "warmup": options.warmup,
                         "seed": options.seed, "pinned": bool(run.pins)},
            "cases": report.summarise(runs), "runs": runs, "failed": run.failed}


def renew_readme(result):
    """Between its two marks."""
    readme = ROOT / "bench" / "README.md"
    before, _, rest = readme.read_text().partition("<!-- compare.py -->\n")
    _, _, after = rest.partition("<!-- /compare.py -->\n")
    if not after:
        raise SystemExit(f"compare: {readme} has lost its marks")
    readme.write_text(f"{before}<!-- compare.py -->\n![rates over conversations, and round trips](compare.svg)\n\n"
                      f"{report.markdown(result)}<!-- /compare.py -->\n{after}")
    (ROOT / "bench" / "compare.svg").write_text(report.picture(result))


def main():
    options = arguments()
    if options.earlier:
        try:
            result = json.loads(options.earlier.read_text())
            result["cases"] = report.summarise(result["runs"])
        except OSError as e:
            raise SystemExit(f"compare: {options.earlier}: {e.strerror}")
        except (ValueError, KeyError, TypeError):
            raise SystemExit(f"compare: {options.earlier} is no compare.json of this script")
    else:
        if options.make:
            make(options)
        result = measure(options)
    print(report.markdown(result))
    if options.readme:
        renew_readme(result)
    if not options.markdown:
        options.out.mkdir(parents=True, exist_ok=True)
        if not options.earlier:
            (options.out / "compare.json").write_text(json.dumps(result, indent=1) + "\n")
        (options.out / "compare.html").write_text(report.page(result))
        (options.out / "compare.svg").write_text(report.picture(result))
        print(f"compare: {options.out}/compare.html, compare.svg, compare.json", file=sys.stderr)
    return 0 if result["runs"] and not result["failed"] else 1


if __name__ == "__main__":
    sys.exit(main())
