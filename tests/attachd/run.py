#!/usr/bin/env python3
"""Runs colloquy attachd with programs of every kind: usage: run.py CASE COLLOQUY TP CLIENT EXAMPLE, or --list.

Nothing waits for a time to pass: what is to be seen is asked for until it is there, and a time limit only makes a
failure of a hang. Whatever happens, every process that was started is ended by its number.

COLLOQUY_ATTACHES=10000 makes the storm a long one, COLLOQUY_SEED repeats one.
"""
import contextlib
import ctypes
import json
import os
import pathlib
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

TIMEOUT = 120
LIBC = ctypes.CDLL(None)
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


def environment(**more):
    # Neither a configuration nor a trace of whoever runs the tests.
    kept = {n: v for n, v in os.environ.items()
            if not n.startswith(("COLLOQUY_", "APPC", "LISTEN_", "NOTIFY_", "XDG_RUNTIME_DIR"))}
    return {**kept, **more}


def die_with_parent():
    """Between fork and exec: not even a test that is killed leaves anything behind."""
    LIBC.prctl(1, signal.SIGKILL)


def until(condition, what):
    """What a condition answers when that is true; asked again and again, but not all the time."""
    limit = time.monotonic() + TIMEOUT
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > limit:
            raise AssertionError(f"never came to be: {what}")
        select.select([], [], [], 0.01)


def children_of(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            found += [int(p) for p in (task / "children").read_text().split()]
    return found


def descendants(pid):
    return [d for c in children_of(pid) for d in [c, *descendants(c)]]


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def alive(pid):
    """A zombie is not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Manager:
    """An attach manager on a free port, with its files in a folder of its own."""

    def __init__(self, tools, tps, folder, own="", arguments=(), more=None, listen="127.0.0.1:0"):
        self.tools = tools
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "attachd.toml"
        self.log = self.folder / "log"
        self.own = own
        self.listen = listen
        self.write(tps)
        self.process = subprocess.Popen(
            [tools.colloquy, "attachd", "--config", self.config, "--json", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=environment(**(more or {})), preexec_fn=die_with_parent)
        self.pid = self.process.pid
        self.ended = False
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"attachd: {self.process.communicate(timeout=TIMEOUT)[1]}")
        self.ready = json.loads(line)
        self.address = self.ready["listening"][0]

    def write(self, tps):
        text = ['lu_name = "TEST.HOUSE"', f"listen = {json.dumps(self.listen)}", "[attachd]",
                f'socket = "{self.folder}/sock"',
                f'log = "{self.log}"', self.own]
        for name, keys in tps.items():
            text += ["[[tp]]", f'name = "{name}"', *(f"{k} = {self.toml(v)}" for k, v in keys.items())]
        self.config.write_text("\n".join(text) + "\n")

    @staticmethod
    def toml(value):
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{k} = {Manager.toml(v)}" for k, v in value.items()) + " }"
        return json.dumps(value if not isinstance(value, pathlib.Path) else str(value))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.ended:
            self.process.stdout.close()
            self.process.stderr.close()
            return
        if kind is None:
            self.end()
            return
        left = descendants(self.pid)
        self.process.kill()
        self.process.communicate(timeout=TIMEOUT)
        for pid in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self.log.exists():
            sys.stderr.write("".join(f"  {line}\n" for line in self.log.read_text().splitlines()[-60:]))

    def end(self):
        """In peace, and nothing of it is left."""
        left = descendants(self.pid)
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=TIMEOUT)
        self.ended = True
        assert (self.process.returncode, out, err) == (0, "", ""), (self.process.returncode, out, err)
        assert not [p for p in left if alive(p)], "programs are left"

    def status(self):
        done = subprocess.run([self.tools.colloquy, "attachd", "--status", "--json", "--config", self.config],
                              capture_output=True, text=True, timeout=TIMEOUT, env=environment())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def tp(self, name="TP"):
        return next(t for t in self.status()["tps"] if t["name"] == name)

    def idle(self):
        """No program of ours is left, not even one nobody has waited for."""
        until(lambda: not descendants(self.pid), "the end of all programs")

    def says(self, pattern):
        return until(lambda: re.search(pattern, self.log.read_text()), f"'{pattern}' in the log")

    def call(self, count=1, threads=1, tp="TP"):
        """How many conversations ended with which code; 0 is data."""
        done = subprocess.run([self.tools.client, f"{self.address}/{tp}", str(count), str(threads)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT * 10,
                              env=environment())
        assert done.returncode == 0, (done.returncode, done.stderr)
        tally = {int(code): int(n) for code, n in (line.split() for line in done.stdout.splitlines())}
        assert sum(tally.values()) == count, tally
        return tally

    @contextlib.contextmanager
    def talk(self, tp="TP"):
        with Talk(self.tools.client, f"{self.address}/{tp}") as t:
            yield t


class Talk:
    """A conversation that is held open: each line is a record, each answer a code and a record."""

    def __init__(self, client, destination):
        self.process = subprocess.Popen([client, destination, "talk"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment(), preexec_fn=die_with_parent)

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def hear(self):
        code, _, answer = self.process.stdout.readline().rstrip("\n").partition(" ")
        return int(code), answer

    def ask(self, text="hello"):
        self.say(text)
        return self.hear()

    def finish(self):
        self.process.stdin.close()
        return self.process.wait(TIMEOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT)
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.stdout.close()


class Tools:
    def __init__(self, colloquy, tp, client, example):
        self.colloquy, self.program, self.client, self.example = colloquy, tp, client, example

    def tp(self, what, *arguments, **keys):
        return {"command": [str(self.program), what, *map(str, arguments)], **keys}

    def manager(self, tps, folder, **more):
        return Manager(self, tps, folder, **more)


@case
def example(tools, folder):
    """The program of 20 lines: its first call is Accept_Conversation, and it hears under which name it was called."""
    with tools.manager({"GREETING": {"command": str(tools.example)}}, folder) as m:
        with m.talk("GREETING") as t:
            assert t.ask("good day") == (18, "GREETING heard: good day")
        m.idle()
        m.says(r"TP GREETING: program \d+ ended with status 0")
        tp = m.tp("GREETING")
        assert (tp["started"], tp["ended"], tp["crashed"], tp["conversations"]) == (1, 1, 0, 0), tp


@case
def modes(tools, folder):
    """A program for each attach; a queued one that stays; unknown names; what a program is started with."""
    tps = {"TP": tools.tp("once"), "QUEUE": tools.tp("queue", mode="queued"),
           "STATE": tools.tp("state", environment={"COLOUR": "blue"}, working_directory=str(folder),
                             limits={"cpu_s": 7, "descriptors": 50})}
    with tools.manager(tps, folder, more={"NOTIFY_SOCKET": f"{folder}/none"}) as m:
        assert m.call(40, 8) == {0: 40}
        assert m.call(40, 8, "QUEUE") == {0: 40}
        assert m.call(3, 3, "NOBODY") == {9: 3}
        with m.talk("STATE") as t:
            code, state = t.ask()
        assert code == 18, (code, state)
        assert state == f"group=1 masked=0 cpu=7 files=50 cwd={folder} COLOUR=blue NOTIFY=- fds=0123", state
        until(lambda: m.tp()["running"] == 0, "the end of the programs for one attach")
        assert m.tp()["started"] == 40
        queue = m.tp("QUEUE")
        assert (queue["started"], queue["running"], queue["refused"]) == (1, 1, 0), queue
        text = subprocess.run([tools.colloquy, "attachd", "--status", "--config", m.config], capture_output=True,
                              text=True, timeout=TIMEOUT, env=environment()).stdout
        assert re.search(r"QUEUE +queued", text) and "TEST.HOUSE, serving" in text, text


@case
def no_command(tools, folder):
    """A command that does not exist is answered 10, as often as one asks; others go on."""
    tps = {"TP": {"command": f"{folder}/nothing-here"}, "OTHER": tools.tp("once"),
           "FOLDER": {"command": str(folder)}}
    with tools.manager(tps, folder) as m:
        assert m.call(8, 2) == {10: 8}
        assert m.call(1, 1, "FOLDER") == {10: 1}
        assert m.call(2, 1, "OTHER") == {0: 2}
        m.says(r"TP TP: cannot run .*nothing-here: No such file")
        m.says(r"TP FOLDER: cannot run ")
        m.says(r"failed 5 times in a row; not started for \d+ ms, attaches are answered 10")
        m.idle()


@case
def exits(tools, folder):
    """A program that ends before it accepts: 11, and held back when it does so over and over."""
    tps = {"TP": tools.tp("exit", restart={"failures": 3, "delay_ms": 3_600_000, "delay_max_ms": 3_600_000}),
           "QUEUE": tools.tp("exit", mode="queued", restart={"failures": 3, "delay_ms": 3_600_000,
                                                             "delay_max_ms": 3_600_000})}
    with tools.manager(tps, folder) as m:
        for tp in tps:
            assert m.call(10, 1, tp) == {11: 10}
            told = m.tp(tp)
            assert 3 <= told["started"] < 10 and told["crashed"] == 0 and told["paused_ms"] > 0, told
        m.says(r"TP TP: program \d+ ended with status 3")
        m.idle()


@case
def hangs(tools, folder):
    """A program that never accepts, and ignores SIGTERM: 11 after its time, and it is killed."""
    quick = {"attach_timeout_ms": 200, "stop_timeout_ms": 100}
    with tools.manager({"TP": tools.tp("hang", **quick), "QUEUE": tools.tp("hang", mode="queued", queue_max=2,
                                                                          **quick)}, folder) as m:
        assert m.call(2, 2) == {11: 2}
        tally = m.call(1, 1, "QUEUE")
        assert tally == {11: 1}, tally
        m.idle()
        assert m.tp()["hung"] == 2 and m.tp()["crashed"] == 0, m.tp()
        m.says(r"program \d+ was ended by signal 9 \(SIGKILL\) \(it did not end when asked\)")


@case
def forks(tools, folder):
    """What a program leaves behind ends with it, in its process group or out of it, and the attach is answered."""
    with tools.manager({"TP": tools.tp("fork"), "DAEMON": tools.tp("daemon"), "HELPER": tools.tp("helper"),
                        "NESTED": tools.tp("nested")}, folder) as m:
        for tp in ("TP", "DAEMON"):
            # The child may have been quicker than its parent's end.
            (code, count), = m.call(1, 1, tp).items()
            assert code in (0, 11, 17, 27) and count == 1, code
            m.idle()
        assert m.call(1, 1, "HELPER") == {0: 1}
        m.idle()
        # A process whose parent has ended belongs to its program as long as that runs, whoever else ends.
        with m.talk("NESTED") as t:
            program = int(t.ask()[1].split()[0])
            nested, = [p for p in children_of(m.pid) if p != program]
            assert m.call(1, 1, "HELPER") == {0: 1}
            until(lambda: m.tp("HELPER")["ended"] == 2, "the end of the other program")
            assert f"process {nested} was left behind" not in m.log.read_text()
            assert t.ask("still there") == (0, f"{program} heard still there")
            assert t.finish() == 0
        m.idle()


@case
def twice(tools, folder):
    """The second Accept of a program for one attach is answered 25: no conversation can come."""
    with tools.manager({"TP": tools.tp("twice")}, folder) as m:
        assert m.call() == {0: 1}
        m.says(r"TP\[\d+\]: accepted 0, then 25")
        m.idle()


@case
def full(tools, folder):
    """A full queue is answered 11, and what is in it is served."""
    with tools.manager({"TP": tools.tp("talks", mode="queued", queue_max=2)}, folder) as m:
        with contextlib.ExitStack() as all_talks:
            first = all_talks.enter_context(m.talk())
            code, answer = first.ask()
            assert code == 0, (code, answer)
            waiting = [all_talks.enter_context(m.talk()) for _ in range(2)]
            for i, t in enumerate(waiting):
                t.say("wait")
                until(lambda n=i + 1: m.status()["held"] == n, "an attach that waits")
            assert m.call(3) == {11: 3}
            assert first.finish() == 0
            answered = set()
            while len(answered) < 2:
                ready, _, _ = select.select([t.process.stdout for t in waiting if t not in answered], [], [], TIMEOUT)
                assert ready, "nobody who waited was served"
                for t in waiting:
                    if t.process.stdout in ready:
                        assert t.hear()[0] == 0
                        assert t.finish() == 0
                        answered.add(t)


@case
def killed(tools, folder):
    """A program that is killed ends its conversations with 27, and no others."""
    with tools.manager({"TP": tools.tp("talk")}, folder) as m, m.talk() as one, m.talk() as other:
        pids = [int(t.ask()[1].split()[0]) for t in (one, other)]
        os.kill(pids[0], signal.SIGKILL)
        assert one.ask()[0] == 27
        assert other.ask("still there") == (0, f"{pids[1]} heard still there")
        until(lambda: m.tp()["crashed"] == 1, "the crash in the status")
        m.says(rf"program {pids[0]} was ended by signal 9 \(SIGKILL\)\n")
        assert other.finish() == 0
        m.idle()


@case
def manager_killed(tools, folder):
    """With the manager killed, its conversations end with 27 and its programs with it; the next one starts as if
    nothing had been."""
    with tools.manager({"TP": tools.tp("talk")}, folder) as m:
        with m.talk() as t:
            assert t.ask()[0] == 0
            programs = children_of(m.pid)
            assert len(programs) == 1
            m.process.kill()
            m.process.communicate(timeout=TIMEOUT)
            m.ended = True
            assert t.ask()[0] == 27
            until(lambda: not [p for p in programs if alive(p)], "the end of the manager's programs")
    with tools.manager({"TP": tools.tp("once")}, folder) as m:
        assert m.call() == {0: 1}


@contextlib.contextmanager
def running(command, **more):
    process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                               env=environment(**more), preexec_fn=die_with_parent)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(TIMEOUT)
        process.stdout.close()


@case
def registers(tools, folder):
    """Programs that run already: two of a name take its attaches in turn."""
    with tools.manager({"TP": {}}, folder) as m:
        by_hand = {"COLLOQUY_MANAGER": m.ready["socket"]}
        with running([tools.program, "register"], **by_hand) as one:
            assert one.stdout.readline().strip() == "registered 0"
            assert m.call(20, 4) == {0: 20}
            with running([tools.program, "register"], **by_hand) as two:
                assert two.stdout.readline().strip() == "registered 0"
                until(lambda: m.tp()["registered"] == 2, "two programs")
                assert m.call(40, 4) == {0: 40}
                # With one of them gone the other serves alone.
                one.kill()
                one.wait(TIMEOUT)
                until(lambda: m.tp()["registered"] == 1, "one program")
                assert m.call(10, 2) == {0: 10}


@case
def alone(tools, folder):
    """A name that one program serves alone: the second is told so, and the first goes on."""
    with tools.manager({"TP": {"shared": False}}, folder) as m:
        by_hand = {"COLLOQUY_MANAGER": m.ready["socket"]}
        with running([tools.program, "register"], **by_hand) as one:
            assert one.stdout.readline().strip() == "registered 0"
            with running([tools.program, "register"], **by_hand) as two:
                told = two.stdout.readline().strip()
                assert told.startswith("registered 20 ") and "another program" in told, told
                assert two.wait(TIMEOUT) == 1
            assert m.call(5) == {0: 5}


@case
def reload(tools, folder):
    """SIGHUP and --reload: new TPs are served, old ones not; a configuration with an error changes nothing."""
    with contextlib.ExitStack() as all_of_it:
        m = all_of_it.enter_context(tools.manager({"TP": {}}, folder))
        by_hand = all_of_it.enter_context(running([tools.program, "register"], COLLOQUY_MANAGER=m.ready["socket"]))
        assert by_hand.stdout.readline().strip() == "registered 0"
        assert m.call() == {0: 1}
        m.write({"OTHER": tools.tp("once")})
        done = subprocess.run([tools.colloquy, "attachd", "--reload", "--config", m.config], capture_output=True,
                              text=True, timeout=TIMEOUT, env=environment())
        assert done.returncode == 0, done.stderr
        assert m.call(1, 1, "OTHER") == {0: 1}
        assert m.call() == {9: 1}
        m.write({"TP": {"command": "no-path", "mode": "none"}})
        m.process.send_signal(signal.SIGHUP)
        m.says("the configuration was not changed")
        assert m.call(1, 1, "OTHER") == {0: 1}
        m.write({"OTHER": tools.tp("exit")})
        m.process.send_signal(signal.SIGHUP)
        until(lambda: len(re.findall("was read again", m.log.read_text())) == 2, "the third configuration")
        assert m.call(1, 1, "OTHER") == {11: 1}
        # A program that had registered is there again with its TP.
        m.write({"TP": {}})
        m.process.send_signal(signal.SIGHUP)
        until(lambda: len(re.findall("was read again", m.log.read_text())) == 3, "the fourth configuration")
        assert m.call() == {0: 1}


@case
def takeover(tools, folder):
    """A successor takes the addresses; conversations of the one before go on through it until they end."""
    tps = {"TALK": tools.tp("talk"), "TP": {}}
    with contextlib.ExitStack() as all_of_it:
        old = all_of_it.enter_context(tools.manager(tps, folder))
        by_hand = all_of_it.enter_context(running([tools.program, "register"], COLLOQUY_MANAGER=old.ready["socket"]))
        assert by_hand.stdout.readline().strip() == "registered 0"
        assert old.call(3) == {0: 3}
        with old.talk("TALK") as before:
            assert before.ask()[0] == 0
            with tools.manager(tps, folder, arguments=["--takeover"]) as new:
                assert new.address == old.address
                with new.talk("TALK") as after:
                    assert after.ask()[0] == 0
                    assert before.ask("still there")[0] == 0
                    assert new.status()["pid"] == new.pid
                    assert len(children_of(new.pid)) == 1 and len(children_of(old.pid)) == 1
                    # A program that runs by itself has come over.
                    until(lambda: new.tp()["registered"] == 1, "its registration")
                    assert new.call(3) == {0: 3}
                    assert before.finish() == 0
                    out, err = old.process.communicate(timeout=TIMEOUT)
                    old.ended = True
                    assert (old.process.returncode, out, err) == (0, "", ""), (old.process.returncode, out, err)
                    assert after.ask("still there, too")[0] == 0
                    assert after.finish() == 0
    # The same by a signal: the manager starts its successor itself.
    place = f"{folder}/calls"
    with tools.manager(tps, folder, listen=["127.0.0.1:0", f"unix:{place}"]) as old, old.talk("TALK") as before:
        assert before.ask()[0] == 0
        old.process.send_signal(signal.SIGUSR2)
        successor = int(old.says(r"starts its successor, process (\d+)")[1])
        try:
            until(lambda: old.status()["pid"] == successor, "the successor")
            assert before.ask("still there")[0] == 0
            assert before.finish() == 0
            assert old.process.wait(TIMEOUT) == 0
            old.ended = True
            # Somebody listens at the local socket still.
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(place)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(successor, signal.SIGTERM)
        until(lambda: not alive(successor), "the end of the successor")
    # Nobody to take over from, and somebody where one wants to be.
    done = subprocess.run([tools.colloquy, "attachd", "--takeover", "--config", old.config], capture_output=True,
                          text=True, timeout=TIMEOUT, env=environment())
    assert done.returncode == 1 and "cannot take over" in done.stderr, done
    with tools.manager(tps, folder) as m:
        done = subprocess.run([tools.colloquy, "attachd", "--config", m.config], capture_output=True, text=True,
                              timeout=TIMEOUT, env=environment())
        assert done.returncode == 1 and "a manager runs already" in done.stderr, done


@case
def activated(tools, folder):
    """Sockets that a service manager has bound, and what it is told."""
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener = socket.create_server(("127.0.0.1", 0))
    with notified, listener:
        notified.bind(f"{folder}/notify")
        notified.settimeout(TIMEOUT)
        # Number 3 is the one handed over; the process knows its own number only when it runs.
        script = 'exec 3<&"$1"; shift; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
        config = pathlib.Path(folder) / "attachd.toml"
        config.write_text(f'lu_name = "TEST.HOUSE"\n[attachd]\nsocket = "{folder}/sock"\n[[tp]]\nname = "TP"\n'
                          f'command = ["{tools.program}", "once"]\n')
        process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", str(listener.fileno()), tools.colloquy, "attachd", "--config", config,
             "--json"], pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=environment(NOTIFY_SOCKET=f"{folder}/notify"),
            preexec_fn=die_with_parent)
        try:
            ready = json.loads(process.stdout.readline())
            assert ready["listening"] == [f"127.0.0.1:{listener.getsockname()[1]}"], ready
            assert notified.recv(4096).decode().splitlines() == ["READY=1", f"MAINPID={process.pid}"]
            done = subprocess.run([tools.client, f"{ready['listening'][0]}/TP", "3"], capture_output=True, text=True,
                                  timeout=TIMEOUT, env=environment())
            assert done.stdout == "0 3\n", done
            process.send_signal(signal.SIGTERM)
            assert notified.recv(4096) == b"STOPPING=1"
            process.communicate(timeout=TIMEOUT)
            assert process.returncode == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate(timeout=TIMEOUT)


@case
def refusals(tools, folder):
    """One line and the exit code of wrong usage for what cannot be."""
    config = pathlib.Path(folder) / "attachd.toml"

    def refused(code, *arguments):
        done = subprocess.run([tools.colloquy, "attachd", *map(str, arguments)], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT, env=environment())
        assert done.returncode == code and done.stdout == "", done
        assert done.stderr.splitlines()[-1].startswith("colloquy attachd: "), done
        return done.stderr

    assert "--config" in refused(2)
    config.write_text("[[tp]]\nname = 'A'\ncomand = '/bin/a'\n")
    assert f"{config}:3:1: unknown key 'comand' in [[tp]]; did you mean 'command'?" in refused(2, "--config", config)
    config.write_text(f"[attachd]\nsocket = '{folder}/sock'\n[[tp]]\nname = 'A'\n")
    assert "no manager answers" in refused(1, "--config", config, "--status")
    assert "no manager answers" in refused(1, "--config", config, "--reload")
    refused(2, "--config", config, "--status", "--takeover")
    (pathlib.Path(folder) / "sock.control").write_text("not a socket")
    assert "is no socket" in refused(1, "--config", config)
    if os.geteuid() != 0:
        config.write_text("[[tp]]\nname = 'A'\ncommand = '/bin/a'\nuser = 'root'\n")
        assert "only root" in refused(2, "--config", config)


@case
def strangers(tools, folder):
    """Who does not speak TLS at an address that does is told off in the log, and the manager goes on."""
    own = f"{folder}/own.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=house", "-days", "2", "-keyout", own, "-out", f"{folder}/certificate.pem"],
                   check=True, capture_output=True, timeout=TIMEOUT)
    os.chmod(own, 0o600)
    tls = f'[tls]\ncertificate = "{folder}/certificate.pem"\nkey = "{own}"'
    with tools.manager({"TP": tools.tp("once")}, folder, own=tls, listen="tls:127.0.0.1:0") as m:
        for _ in range(2):
            with socket.socket() as link:
                host, _, port = m.address.removeprefix("tls:").rpartition(":")
                link.connect((host, int(port)))
                at = ":".join(map(str, link.getsockname()))
                link.sendall(b"GET / HTTP/1.1\r\n\r\n")
                m.says(rf"attachd: link with {re.escape(at)} refused: TLS: ")
        assert m.status()["state"] == "serving"


@case
def users(tools, folder):
    """Root starts programs as another user; nobody else may be asked to."""
    if os.geteuid() != 0:
        return
    os.chmod(folder, 0o755)
    tps = {"TP": {"command": ["/bin/sh", "-c", "id -u; id -G; echo $USER"], "user": "nobody"}}
    with tools.manager(tps, folder) as m:
        assert m.call() == {11: 1}
        lines = [m.says(rf"TP\[\d+\]: {re.escape(t)}\n") for t in (str(65534), "nobody")]
        assert all(lines)


def frame(kind, indicators, channel, payload=b""):
    return struct.pack(">HBBI", len(payload), kind, indicators, channel) + payload


@contextlib.contextmanager
def stranger(address, name=b"NET.STRANGER"):
    """A link by hand: a partner, or a program at the path of a socket, that has greeted and may say what it likes."""
    host, _, port = address.rpartition(":")
    with socket.socket(socket.AF_INET if port.isdigit() else socket.AF_UNIX) as link:
        link.settimeout(TIMEOUT)
        link.connect((host, int(port)) if port.isdigit() else address)
        link.sendall(frame(1, 0, 0, struct.pack(">4sBBHIII8sB", b"CLQY", 1, 0, 7, 4096, 65536, 0, bytes(8), len(name))
                           + name))
        yield link


@contextlib.contextmanager
def flooding(link, flood):
    """Says it over and over, and reads what comes, until the end of the block or of the link."""
    over = threading.Event()

    def talk():
        with contextlib.suppress(ConnectionError):
            while not over.is_set():
                link.sendall(flood)

    def listen():
        with contextlib.suppress(ConnectionError):
            while link.recv(1 << 16):
                pass

    both = [threading.Thread(target=f) for f in (talk, listen)]
    for t in both:
        t.start()
    try:
        yield
    finally:
        over.set()
        both[0].join()
        with contextlib.suppress(OSError):
            link.shutdown(socket.SHUT_RDWR)
        both[1].join()


@case
def floods(tools, folder):
    """A partner that attaches and gives up as fast as it can keeps nobody else from the manager, and one that asks
    without end and never reads loses its link."""
    begin = struct.pack(">IB", 4096, 0) + bytes.fromhex("0F0502FF0003D1000002E3D7000000")  # the attach for TP
    abend = bytes.fromhex("07070864000000")
    flood = b"".join(frame(0x10, 0x80, 2 * i + 3, begin) + frame(0x10, 0x09, 2 * i + 3, abend) for i in range(400))
    changes = b"".join(frame(7, 0, 0, bytes([what, 5]) + b"NAMES") for what in (1, 0))
    tps = {"TP": tools.tp("once", instances=4), "OTHER": tools.tp("queue", mode="queued"), "NAMES": {}}
    with tools.manager(tps, folder) as m:
        with stranger(m.address) as link, flooding(link, flood):
            until(lambda: m.tp()["refused"] + m.tp()["started"] > 0, "the flood")
            for _ in range(3):
                assert m.status()["state"] == "serving"
                assert m.call(1, 1, "OTHER").keys() <= {0, 11}
        until(lambda: m.call(1, 1, "OTHER") == {0: 1}, "everything as before")
        # A program that offers a name and takes it back, over and over: each time is a line of the log.
        with stranger(m.ready["socket"]) as link, flooding(link, changes * 1_000):
            m.says(rf"TP NAMES: program {os.getpid()} registered")
            for _ in range(3):
                assert m.status()["state"] == "serving"
                assert m.call(1, 1, "OTHER").keys() <= {0, 11}
        until(lambda: m.call(1, 1, "OTHER") == {0: 1}, "everything as before")
        with stranger(m.address) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            pings = frame(3, 0, 0, bytes(8)) * 4096
            # The end may overtake the close that says why, as what we go on to say comes to a socket that is closed.
            with contextlib.suppress(ConnectionError):
                for _ in range(400):  # more than any buffers between hold of the answers
                    link.sendall(pings)
                tail = b""
                while more := link.recv(1 << 16):
                    tail = (tail + more)[-300:]
                limits = tail[tail.index(b"\x06\0\0\0\0\0"):]
                assert limits[6:8] == b"\0\x03", tail
        # A program that tells more than can be is named in the log.
        with stranger(m.ready["socket"]) as link:
            link.sendall(frame(9, 0, 0, bytes(8)))
            m.says(rf"program {os.getpid()} has left: a frame was malformed")
        assert m.call(1, 1, "OTHER") == {0: 1}


@case
def mistakes(tools, folder):
    """Wrong passwords are counted by where the caller calls from, whatever it says its name is."""
    line = subprocess.run([tools.colloquy, "password", "ALICE"], input="right\n", capture_output=True, text=True,
                          timeout=TIMEOUT, env=environment()).stdout
    if "$y$" not in line:
        return  # a build without crypt(3)
    secrets, config = pathlib.Path(folder) / "passwords", pathlib.Path(folder) / "program.toml"
    secrets.write_text(line)
    secrets.chmod(0o600)
    config.write_text(f'[security]\npasswords = "{secrets}"\nattempts = 2\n')
    # The attach for TP by ALICE with a password that is not hers.
    wrong = struct.pack(">IB", 4096, 0) + bytes.fromhex("2605 02FF 0003D10000 02E3D7 17 0901E2C5C3D9C5E3F4F2"
                                                        "0602C1D3C9C3C5 0500E2C1D3C5 0000")
    tps = {"TP": tools.tp("queue", mode="queued", environment={"COLLOQUY_CONFIG": config})}
    with tools.manager(tps, folder) as m:
        for n in range(2):
            with stranger(m.address, b"NET.CALLER%d" % n) as link:
                link.sendall(frame(0x10, 0x80, 3, wrong))
                m.says(rf"'ALICE' of NET.CALLER{n} at 127.0.0.1:\d+ behind the attach manager for TP 'TP' refused")
        m.says(r"too many mistakes of 127.0.0.1:\d+ behind the attach manager")


@case
def try_it(tools, folder):
    """What docs/attachd.md says under "Try it", word for word but for the port, the files and the numbers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    tools_folder = pathlib.Path(tools.colloquy).resolve().parent
    text = (pathlib.Path(__file__).parents[2] / "docs" / "attachd.md").read_text("utf-8")
    text = text.partition("## Try it")[2].partition("\n## ")[0]
    for told, here in (("$PWD/build/release/bin", str(tools_folder)), ("/tmp/house", f"{folder}/house"),
                       ("4711", str(port))):
        assert told in text, told
        text = text.replace(told, here)
    blocks = re.findall(r"^```(sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in blocks] == ["sh", "", "sh", "", ""], blocks
    first, ready, second, seen, ended = (block for _, block in blocks)

    def bare(said):
        """Lines without numbers, columns and units of time."""
        said = re.sub(r"up [\d.]+ \w+", "up", said)
        return [" ".join(re.sub(r"\d[\d.,]*", "0", line).split()) for line in said.splitlines() if line.strip()]

    def check(said, told):
        rest = iter(bare(said))
        for line in bare(told):
            assert line == "..." or line in rest, f"not said, or not there: {line}\n{said}"

    def shell(commands):
        return subprocess.Popen(["/bin/sh", "-c", commands], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=environment(), start_new_session=True,
                                preexec_fn=die_with_parent)

    manager = shell(first)
    try:
        check(manager.stdout.readline(), ready)
        said, _ = shell(second).communicate(timeout=TIMEOUT)
        check(said, seen)
        os.killpg(manager.pid, signal.SIGINT)
        said, _ = manager.communicate(timeout=TIMEOUT)
        check(said, ended)
    finally:
        if manager.poll() is None:
            os.killpg(manager.pid, signal.SIGKILL)
            manager.communicate(timeout=TIMEOUT)


@case
def storm(tools, folder):
    """Many attaches to a program each and to a queued one, of whom one in a hundred is killed on its way: every partner
    gets its data or a documented code, and nothing is left."""
    count = int(os.environ.get("COLLOQUY_ATTACHES", 150))
    seed = int(os.environ.get("COLLOQUY_SEED", random.SystemRandom().getrandbits(32)))
    print(f"COLLOQUY_SEED={seed}", flush=True)
    patient = {"restart": {"failures": 1_000, "delay_ms": 1}, "queue_max": 100_000, "wait_ms": 0}
    tps = {"TP": tools.tp("once", 1, seed, instances=16, **patient),
           "QUEUE": tools.tp("queue", 1, seed, mode="queued", instances=4, **patient)}
    with tools.manager(tps, folder) as m:
        m.idle()
        fresh = descriptors(m.pid)
        for tp in tps:
            begun = time.monotonic()
            tally = m.call(count, 12, tp)
            assert tally.keys() <= {0, 11, 17, 18, 27}, tally
            assert tally[0] >= count * 9 // 10, tally
            until(lambda name=tp: m.tp(name)["conversations"] == 0 and m.status()["held"] == 0, "the last end")
            told = m.tp(tp)
            print(f"{tp}: {count} attaches in {time.monotonic() - begun:.1f} s, by code {tally}, "
                  f"{told['started']} programs, {told['crashed']} killed", flush=True)
        assert m.tp()["started"] >= count
        # Those who queue are still there, each with its link and its output.
        queued = m.tp("QUEUE")["running"]
        until(lambda: len(descendants(m.pid)) == queued, "the end of the programs for one attach")
        until(lambda: descriptors(m.pid) <= fresh + 2 * queued, "the end of their descriptors")
        m.end()


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(CASES))
        return 0
    if len(sys.argv) != 6 or sys.argv[1] not in CASES:
        print(__doc__, file=sys.stderr)
        return 2
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="colloquy-") as folder:
        CASES[sys.argv[1]](Tools(*sys.argv[2:]), folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
