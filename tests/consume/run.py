#!/usr/bin/env python3
"""Installs a build into a scratch directory and uses it as a stranger would, in one of these ways.

usage: run.py SOURCE BUILD C_COMPILER CXX_COMPILER WAY
  find_package, pkg_config, plain   from an installed tree that was moved: by CMake, by pkg-config (the static library),
                                    by "cc prog.c -lcolloquy"
  add_subdirectory                  from the sources
  deb                               from the Debian packages, unpacked beside the machine's own tree
  readme                            word for word as README.md says, server and client with a file each
"""
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def run(*command, **environment):
    done = subprocess.run(list(map(str, command)), env=dict(os.environ, **environment), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class Consumer:
    def __init__(self, source, build, c, cxx, scratch):
        self.source, self.build, self.c, self.cxx = source, build, c, cxx
        self.scratch = pathlib.Path(scratch)
        self.prefix = self.scratch / "first place"

    def install(self):
        run("cmake", "--install", self.build, "--prefix", self.prefix)
        # An installed tree can be moved; what remembers its first place fails here.
        moved = self.scratch / "installed"
        self.prefix.rename(moved)
        self.prefix = moved
        [self.library] = {found.parent for found in moved.glob("lib*/**/libcolloquy.a")}
        for header in moved.glob("include/**/*.h*"):
            for line in header.read_text("utf-8").splitlines():
                if line.startswith("#include \"") and ("api/" in line or "runtime/" in line or "transport/" in line):
                    raise AssertionError(f"{header.name} includes what is not installed: {line}")

    def cmake(self, *settings, project=HERE):
        build = self.scratch / f"build {project.name}"
        launcher = shutil.which("ccache")
        languages = ("C", "CXX") if launcher else ()
        launchers = [f"-DCMAKE_{language}_COMPILER_LAUNCHER={launcher}" for language in languages]
        run("cmake", "-S", project, "-B", build, "-G", "Ninja" if shutil.which("ninja") else "Unix Makefiles",
            f"-DCMAKE_C_COMPILER={self.c}", f"-DCMAKE_CXX_COMPILER={self.cxx}", "-DCMAKE_BUILD_TYPE=Release",
            *launchers, *settings)
        run("cmake", "--build", build, "--target", "prog", "--parallel", "2")
        return next(path for path in build.rglob("prog") if path.is_file() and os.access(path, os.X_OK))

    def find_package(self):
        self.install()
        prefix = f"-DCMAKE_PREFIX_PATH={self.prefix}"
        return [self.cmake(prefix), self.cmake(prefix, project=HERE / "cxx")]

    def add_subdirectory(self):
        return self.cmake(f"-DCOLLOQUY_SOURCE={self.source}", "-DCOLLOQUY_BUILD_SHARED=OFF")

    def compile(self, *flags):
        program = self.scratch / "prog"
        strict = ("-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror")
        run(self.c, *strict, HERE / "prog.c", "-o", program, *flags)
        return program

    def pkg_config(self):
        self.install()
        # The static library; the shared one is what the plain way takes.
        for shared in self.library.glob("libcolloquy.so*"):
            shared.unlink()
        flags = run("pkg-config", "--static", "--cflags", "--libs", "colloquy",
                    PKG_CONFIG_PATH=f"{self.library / 'pkgconfig'}:{os.environ.get('PKG_CONFIG_PATH', '')}")
        return self.compile(*flags.split())

    def plain(self):
        self.install()
        flags = ("-I", self.prefix / "include", "-L", self.library, "-lcolloquy")
        program = self.scratch / "prog_cxx"
        run(self.cxx, "-std=c++20", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", HERE / "cxx/prog.cpp", "-o",
            program, *flags, "-pthread")
        return [self.compile(*flags), program]

    # What the dynamic linker looks for in Debian's packages, by the names those have.
    OF_LIBRARY = {"libc.so.6": "libc6", "libstdc++.so.6": "libstdc++6", "libcares.so.2": "libc-ares2",
                  "libcrypt.so.1": "libcrypt1", "libssl.so.3": "libssl3", "libsqlite3.so.0": "libsqlite3-0"}

    def check_needs(self, packages):
        """Each package with binaries depends on the packages of the libraries that they are linked with."""
        for package in packages.glob("*.deb"):
            if "-dev_" in package.name:
                continue
            tree = packages / "tree" / package.stem
            tree.mkdir(parents=True)
            run("dpkg-deb", "-x", package, tree)
            depends = {word.split()[0] for word in run("dpkg-deb", "-f", package, "Depends").split(", ")}
            binaries = [f for f in tree.rglob("*") if f.is_file() and not f.is_symlink() and
                        f.read_bytes()[:4] == b"\x7fELF"]
            if not binaries:
                raise AssertionError(f"{package.name} has no binary")
            for binary in binaries:
                linked = run("readelf", "-d", binary)
                for library, name in self.OF_LIBRARY.items():
                    if f"[{library}]" in linked and name not in depends:
                        raise AssertionError(f"{package.name} is linked with {library} and depends on {depends}")

    def deb(self):
        packages, root = self.scratch / "packages", self.scratch / "root"
        run("cpack", "-G", "DEB", "--config", pathlib.Path(self.build, "CPackConfig.cmake"), "-B", packages)
        fields = {}
        for package in packages.glob("*.deb"):
            run("dpkg-deb", "-x", package, root)
            lines = run("dpkg-deb", "-f", package, "Package", "Version", "Architecture", "Depends").splitlines()
            told = dict(line.split(": ", 1) for line in lines)
            fields[told["Package"]] = told
        if not {"libcolloquy0", "libcolloquy-dev"} <= fields.keys():
            raise AssertionError(f"the packages are {sorted(fields)}")
        version = fields["libcolloquy0"]["Version"]
        if f"libcolloquy0 (= {version})" not in fields["libcolloquy-dev"]["Depends"]:
            raise AssertionError(f"libcolloquy-dev depends on {fields['libcolloquy-dev']['Depends']}")
        self.check_needs(packages)
        # The same where nothing can read the binaries' needs from them: they are stated.
        stated = self.scratch / "stated"
        run("cpack", "-G", "DEB", "--config", pathlib.Path(self.build, "CPackConfig.cmake"), "-B", stated,
            "-D", "COLLOQUY_DPKG_SHLIBDEPS=OFF")
        self.check_needs(stated)
        for name in fields:
            if not (root / "usr/share/doc" / name / "copyright").is_file():
                raise AssertionError(f"{name} has no copyright file")
        if "colloquy-tools" in fields and "serve" not in run(root / "usr/bin/colloquy", "--help"):
            raise AssertionError("the command does not know what it can do")
        if "colloquy-tools" in fields:
            unit = (root / "usr/lib/systemd/system/colloquy-attachd.service").read_text()
            if "ExecStart=/usr/bin/colloquy attachd --config" not in unit or "@" in unit:
                raise AssertionError("the unit of the attach manager does not start the packaged command")
        self.prefix = root / "usr"
        self.library = self.prefix / "lib"
        return self.compile("-I", self.prefix / "include", "-L", self.library, "-lcolloquy")

    def readme(self):
        """The files and the commands of README.md, its port replaced by a free one. The server is found as a user
        finds it: the client says 2 until somebody is there."""
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = str(s.getsockname()[1])
        text = (pathlib.Path(self.source) / "README.md").read_text("utf-8").replace("4711", port)
        commands = []
        for language, block in re.findall(r"^```(\w+)\n(.*?)^```", text, re.M | re.S):
            named = re.match(r"(?:/\*|#) ((?:server|client)/[\w.]+)", block)
            if named:
                path = self.scratch / named[1]
                path.parent.mkdir(exist_ok=True)
                path.write_text(block, "utf-8")
            elif language == "sh" and ("~/colloquy" in block or "client" in block):
                commands.append(block)
        [install, call] = commands
        [serve] = re.findall(r"`(cd server && [^`]*)`", text)
        (self.scratch / "build").mkdir()
        (self.scratch / "build/release").symlink_to(pathlib.Path(self.build).resolve())
        (self.scratch / "bin").mkdir()
        (self.scratch / "bin/cc").symlink_to(shutil.which(self.c))
        mine = {k: v for k, v in os.environ.items() if k not in
                ("COLLOQUY_CONFIG", "APPCLLU", "APPCTPN", "LD_LIBRARY_PATH", "PKG_CONFIG_PATH")}
        mine.update(HOME=str(self.scratch), PATH=f"{self.scratch / 'bin'}:{mine['PATH']}")
        here = {"cwd": self.scratch, "env": mine, "text": True}

        def shell(block):
            return subprocess.run(["sh", "-e", "-c", block], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  timeout=300, **here)

        done = shell(install)
        if done.returncode != 0:
            raise AssertionError(f"{install}\n{done.stdout}")
        server = subprocess.Popen(["sh", "-c", serve], start_new_session=True, **here)
        try:
            give_up = time.monotonic() + 120
            while (done := shell(call)).returncode == 2 and server.poll() is None and time.monotonic() < give_up:
                pass
            if (done.returncode, done.stdout) != (0, "HELLO WORLD\n"):
                raise AssertionError(f"{call}\nanswered {done.returncode}: {done.stdout}")
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


WAYS = ("find_package", "add_subdirectory", "pkg_config", "plain", "deb", "readme")


def main():
    if len(sys.argv) != 6 or sys.argv[5] not in WAYS:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="colloquy-consume-") as scratch:
        consumer = Consumer(*sys.argv[1:5], scratch)
        try:
            programs = getattr(consumer, sys.argv[5])()
            if programs is None:
                return 0
            for program in programs if isinstance(programs, list) else [programs]:
                said = run(program, LD_LIBRARY_PATH=str(getattr(consumer, "library", "")), COLLOQUY_CONFIG="")
                if said != "hello\n":
                    raise AssertionError(f"{program.name} said '{said}'")
        except AssertionError as trouble:
            print(trouble, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
