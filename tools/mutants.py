#!/usr/bin/env python3
"""Mutation tests of the simulator: bugs that are planted must be found, each by the seed that names it.

A file of tests/sim/mutants says what the bug is and how to plant it:

    Why it is a bug, in a few lines.
    seed: 17
    says: part of the complaint that the simulator must make, a regular expression
    file: runtime/engine.cpp
    <<<<
    text that stands there exactly once
    ====
    text that takes its place
    >>>>

There may be more than one `file:` with its texts. For each mutant the sources it changes are compiled from a copy, the
rest is shared; the simulator so made must fail on the seed with that complaint, and the one without the bug must pass
it. That every bug can still be planted is looked at whichever of them are asked for.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

root = Path(__file__).resolve().parent.parent
folder = root / "tests" / "sim" / "mutants"
parts = ("runtime", "transport", "tests/sim")
timeout = 60


class failed(Exception):
    pass


class mutant:
    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.changes = []
        self.seed = self.says = None
        file = None
        lines = iter(path.read_text().splitlines())
        for line in lines:
            if line.startswith("seed:"):
                self.seed = int(line[5:])
            elif line.startswith("says:"):
                self.says = line[5:].strip()
            elif line.startswith("file:"):
                file = line[5:].strip()
            elif line == "<<<<":
                was, becomes = self.until(lines, "===="), self.until(lines, ">>>>")
                self.changes.append((file, was, becomes))
        if self.seed is None or not self.says or not self.changes or any(f is None for f, _, _ in self.changes):
            raise failed(f"{self.name}: the file does not say all it must")

    @staticmethod
    def until(lines, end):
        taken = []
        for line in lines:
            if line == end:
                return "\n".join(taken)
            taken.append(line)
        raise failed(f"no {end}")

    def files(self):
        return sorted({f for f, _, _ in self.changes})

    # Its files as it changes them.
    def planted(self):
        texts = {f: (root / f).read_text() for f in self.files()}
        for f, was, becomes in self.changes:
            count = texts[f].count(was)
            if count != 1:
                raise failed(f"{self.name}: what it changes stands {count} times in {f}:\n{was}")
            texts[f] = texts[f].replace(was, becomes)
        return texts

    def plant(self, where):
        for f, text in self.planted().items():
            (where / f).parent.mkdir(parents=True, exist_ok=True)
            (where / f).write_text(text)

    def rename_seed(self, seed):
        self.seed = seed
        self.path.write_text(re.sub(r"(?m)^seed:.*$", f"seed: {seed}", self.path.read_text(), count=1))


class workshop:
    """Compiles and links; keeps what does not change."""

    def __init__(self, options):
        self.jobs = options.jobs
        self.dir = Path(options.build)
        self.includes = [f"-I{i}" for i in options.include]
        compiler = os.environ.get("CXX", "c++")
        self.compiler = ([shutil.which("ccache")] if shutil.which("ccache") else []) + [compiler]
        self.sources = [str(s.relative_to(root)) for s in sorted((root / "runtime").rglob("*.cpp"))]
        self.sources += ["transport/sim.cpp"]
        self.sources += sorted(f"tests/sim/{s.name}" for s in (root / "tests/sim").glob("*.cpp"))
        self.given = [Path(o) for o in options.objects or []]

    def run(self, *command):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
        if done.returncode != 0:
            raise failed("it does not compile:\n" + done.stdout + done.stderr)

    # Compiles the sources as the folder has them, or the repository where it does not.
    def compile(self, sources, copy, out):
        def one(source):
            at = copy / source if copy is not None and (copy / source).exists() else root / source
            target = out / (source + ".o")
            target.parent.mkdir(parents=True, exist_ok=True)
            # Changed headers are found first, whoever includes them.
            search = ([f"-I{copy}"] if copy is not None else []) + [f"-I{root}"] + self.includes
            self.run(*self.compiler, "-std=c++20", "-O1", "-DNDEBUG", "-fPIE", "-w", *search, "-MMD",
                     f'-DCOLLOQUY_TESTS_DIR="{root}/tests"', "-c", at, "-o", target)
            return target

        with ThreadPoolExecutor(self.jobs) as pool:
            return dict(zip(sources, pool.map(one, sources)))

    def base(self):
        if self.given:
            found = {s: next((o for o in self.given if o.as_posix().endswith(s + ".o") or
                              o.as_posix().endswith(s + ".obj")), None) for s in self.sources}
            missing = [s for s, o in found.items() if o is None]
            if missing:
                raise failed(f"no object of {missing}")
            self.objects = found
        else:
            self.objects = self.compile(self.sources, None, self.dir / "base")
        self.simulator = self.link(self.objects, self.dir / "colloquy_sim")

    def link(self, objects, to):
        to.parent.mkdir(parents=True, exist_ok=True)
        self.run(*self.compiler[-1:], *objects.values(), "-pthread", "-o", to)
        return to

    # Sources that see one of the files.
    def touched_by(self, files):
        touched = [s for s in self.sources if s in files]
        if not any(f.endswith(".hpp") for f in files):
            return touched
        if self.given:
            return self.sources
        for s in self.sources:
            seen = self.objects[s].with_suffix(".d").read_text()
            if s not in touched and any(str(root / f) in seen for f in files):
                touched.append(s)
        return touched

    def simulator_with(self, m):
        copy = self.dir / m.name / "src"
        shutil.rmtree(self.dir / m.name, ignore_errors=True)
        m.plant(copy)
        sources = self.touched_by(m.files())
        headers = [f for f in m.files() if f.endswith(".hpp")]
        if headers:
            # A quoted include looks beside the file that has it first, so these stand in the copy, too.
            for s in sources:
                if not (copy / s).exists():
                    (copy / s).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(root / s, copy / s)
        objects = dict(self.objects)
        objects.update(self.compile(sources, copy, self.dir / m.name))
        return self.link(objects, self.dir / m.name / "colloquy_sim")


def play(simulator, seed, seeds=1):
    try:
        done = subprocess.run([simulator, "--seed-from", str(seed), "--seeds", str(seeds)], capture_output=True,
                              text=True, timeout=timeout)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return -1, "it does not end"


def complaint(text):
    found = re.search(r"(?m)^seed (\d+): (.*)$", text)
    return (int(found.group(1)), found.group(2)) if found else (0, text.strip()[-200:])


def check(shop, m):
    code, text = play(shop.simulator, m.seed)
    if code != 0:
        raise failed(f"without the bug seed {m.seed} fails: {complaint(text)[1]}")
    code, text = play(shop.simulator_with(m), m.seed)
    said = complaint(text)[1]
    if code == 0:
        raise failed(f"seed {m.seed} does not find it")
    if not re.search(m.says, said):
        raise failed(f"seed {m.seed} says: {said}")
    return f"seed {m.seed}: {said[:110]}"


# The first seed that finds it with the right complaint.
def find(shop, m, most):
    simulator = shop.simulator_with(m)
    seed, others = 1, {}
    while seed <= most:
        code, text = play(simulator, seed, most - seed + 1)
        if code == 0:
            break
        at, said = complaint(text)
        if at == 0:
            # It hangs: one at a time until it does.
            at = next((k for k in range(seed, seed + 20) if play(simulator, k)[0] != 0), seed + 20)
            said = play(simulator, at)[1]
        if re.search(m.says, said) and play(shop.simulator, at)[0] == 0:
            m.rename_seed(at)
            return f"seed {at}: {said[:110]}" + (f" (before it {others})" if others else "")
        others[said[:100]] = at
        seed = at + 1
    raise failed(f"not found by {most} seeds; said: {others}")


def main():
    p = argparse.ArgumentParser(prog="tools/mutants.sh", description=__doc__.splitlines()[0])
    p.add_argument("names", nargs="*", help="mutants (all)")
    p.add_argument("--list", action="store_true", help="names them")
    p.add_argument("--find", type=int, metavar="N",
                   help="looks for the seed that names each, from 1 to N, and writes it down")
    p.add_argument("--jobs", type=int, default=2, help="compilers at a time (2)")
    p.add_argument("--build", default=str(root / "build" / "mutants"), help="where to build (build/mutants)")
    p.add_argument("--include", action="append", default=[], help="folder of headers that the system does not have")
    p.add_argument("--objects", nargs="*", help="of a build of the simulator, to share")
    options = p.parse_args()
    paths = sorted(folder.glob("*.mutant"))
    if options.list:
        print("\n".join(path.stem for path in paths))
        return 0
    unknown = set(options.names) - {path.stem for path in paths}
    if unknown:
        p.error(f"no such mutant: {', '.join(sorted(unknown))}")
    stale = 0
    for path in paths:
        try:
            mutant(path).planted()
        except failed as why:
            if path.stem in options.names or not options.names:
                continue  # said again when its turn comes
            stale += 1
            print(f"{path.stem}: FAILED, {why}", flush=True)
    if options.names:
        paths = [path for path in paths if path.stem in options.names]
    shop = workshop(options)
    try:
        shop.base()
    except failed as why:
        print(why, file=sys.stderr)
        return 2
    passed = 0
    for path in paths:
        try:
            m = mutant(path)
            said = find(shop, m, options.find) if options.find else check(shop, m)
            passed += 1
            print(f"{path.stem}: {said}", flush=True)
        except failed as why:
            print(f"{path.stem}: FAILED, {why}", flush=True)
    print(f"{passed} passed, {len(paths) - passed + stale} failed")
    return 0 if passed == len(paths) and not stale else 1


if __name__ == "__main__":
    sys.exit(main())
