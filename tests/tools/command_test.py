#!/usr/bin/env python3
"""Runs the colloquy command as a user would: usage: command_test.py CASE COLLOQUY..., or --list for the cases.

The command may be several words: an emulator and its program.

Nothing waits for a time to pass: a server is ready when it says so.
"""
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

TIMEOUT = 120
LATENCY = ["p50", "p90", "p99", "p999", "max"]
SUBCOMMANDS = ["serve", "ping", "load", "demo", "plan", "password", "attachd"]
COLLOQUY = []


def emulated():
    """The command runs on another system than this script, and gets no signals of this one."""
    return len(COLLOQUY) > 1


def run(*arguments, code=0):
    """Runs the command and checks its exit code and that only failures speak on standard error."""
    done = subprocess.run([*COLLOQUY, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=TIMEOUT)
    told = f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.returncode == code, told
    if code == 0:
        assert done.stderr == "", told
    else:
        lines = done.stderr.splitlines()
        assert len(lines) == 1 and lines[0].startswith("colloquy"), told
    return done


def run_json(*arguments, code=0):
    out = run(*arguments, "--json", code=code).stdout
    assert out.endswith("\n") and out.count("\n") == 1, out
    return json.loads(out)


class Server:
    """A server on a free port, ended by the end of its input; its end must be orderly."""

    def __init__(self, *arguments, listen="127.0.0.1:0"):
        self.process = subprocess.Popen(
            [*COLLOQUY, "serve", "--listen", listen, "--json", "--end-with-input", *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.ready = json.loads(line)
        self.address = self.ready["listening"][0]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        out, _ = self.process.communicate(timeout=TIMEOUT)
        if kind is None:
            assert self.process.returncode == 0, f"serve ended with {self.process.returncode}"
            assert out == "", "serve --json printed more than one line"


@contextlib.contextmanager
def awake(command):
    """Keeps a program of an emulator running, because the next ones start quickly then. What the emulator starts
    beside it holds on to its output for as long as any program runs: only the process is waited for."""
    with subprocess.Popen([*command, "serve", "--listen", "127.0.0.1:0", "--conversations", "1", "--end-with-input"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()
            process.wait(TIMEOUT)


def stores():
    """What may keep the ledger, as --help tells; for each what it is called and the name of its file."""
    told = run("demo", "--help").stdout.split("keeps the ledger:")[1].split("(")[0]
    known = {"sqlite": ("database", "colloquy-demo.db"), "log": ("log", "colloquy-demo.log")}
    here = {name: known[name] for name in told.replace(" or ", " ").split()}
    assert "log" in here, told
    return here


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def check_load(result, conversations):
    assert result["conversations"] == conversations, result
    assert result["errors"] == 0, result
    assert result["transactions_per_second"] > 0 and result["bytes_per_second"] > 0, result
    assert result["elapsed_s"] > 0, result
    # An exchange carries the record twice, a stream once.
    factor = 1 if result["mode"] == "stream" else 2
    carried = result["transactions_per_second"] * result["size"] * factor
    assert abs(carried - result["bytes_per_second"]) <= 1e-6 * carried, result
    latency = [result["latency_us"][key] for key in LATENCY]
    assert latency == sorted(latency) and latency[0] > 0, result


def case_help():
    for arguments in [["--help"], *([name, "--help"] for name in SUBCOMMANDS)]:
        out = run(*arguments).stdout
        assert "Usage:" in out and "--help" in out, out
    top = run("--help").stdout
    for name in SUBCOMMANDS:
        assert name in top, top


def case_usage():
    for arguments in [
        [], ["nonsense"], ["--nonsense"], ["ping"], ["load"], ["ping", "a/b", "--size", "0"],
        ["ping", "a/b", "--size", "40000"], ["ping", "a/b", "--count", "many"], ["load", "a/b", "--mode", "sideways"],
        ["load", "a/b", "--conversations", "0"], ["load", "a/b", "--duration", "-1"], ["plan", "--links", "x"],
        ["load", "a/b", "--rate", "0"], ["load", "inproc/SINK", "--mode", "stream", "--rate", "5"],
        ["demo", "--inproc", "--kill-server"], ["demo", "--transfers", "5", "--duration", "5"],
        ["serve", "--threads", "0"], ["serve", "--config", "/does/not/exist.toml"], ["ping", "no-slash-and-unknown"],
        ["ping", "host:port/"], ["load", "127.0.0.1:99999/ECHO"], ["serve", "leftover"],
    ]:
        done = run(*arguments, code=2)
        assert done.stdout == "", done.stdout
        assert done.stderr.startswith("colloquy"), done.stderr
    # It says what, where, and how to mend it, in one line.
    commands = " or ".join([", ".join(SUBCOMMANDS[:-1]), SUBCOMMANDS[-1]])
    for arguments, said in [
        ([], f"colloquy: no command; write {commands}, or --help"),
        (["nonsense"], f"colloquy: 'nonsense' is no command; write {commands}"),
        (["--nonsense"], f"colloquy: '--nonsense' is no option; write {commands}, or --help or --version"),
        (["ping"], "colloquy ping: DEST is missing; give [tls:]HOST:PORT/TPNAME, "),
        (["ping", "a/b", "--size", "0"], "colloquy ping: --size '0' will not do; write a whole number from 1 to 32767"),
        (["plan", "--conversations", "16777217"],
         "colloquy plan: --conversations '16777217' will not do; write a whole number from 1 to 16777216"),
        (["plan", "--links", "-1"], "colloquy plan: --links '-1' will not do; write a whole number from 1 to 65535"),
        (["serve", "--conversations", "0"],
         "colloquy serve: --conversations '0' will not do; write a whole number from 1 to 16000000"),
        (["load", "a/b", "--duration", "-1"],
         "colloquy load: --duration '-1' will not do; write seconds from 0.01 to 1000000"),
        (["load", "a/b", "--mode", "sideways"],
         "colloquy load: --mode 'sideways' will not do; write oneshot, pingpong or stream"),
        (["serve", "leftover"], "colloquy serve: 'leftover' is not expected here; see colloquy serve --help"),
        (["serve", "--listen"], "colloquy serve: --listen needs a value; see colloquy serve --help"),
        (["demo", "--inproc", "--kill-server"],
         "colloquy demo: --kill-server does not go with --inproc; leave one out"),
        (["serve", "--config", "/does/not/exist.toml"],
         "colloquy serve: --config '/does/not/exist.toml' does not exist; name a file that does"),
        (["ping", "127.0.0.1:4711"],
         'colloquy ping: DEST "127.0.0.1:4711": the TP name is missing; write 127.0.0.1:4711/TPNAME'),
    ]:
        told = run(*arguments, code=2).stderr
        assert told.startswith(said), told
    advice = run("ping", "no-slash-and-unknown", code=2).stderr
    assert advice.count("HOST:PORT/TPNAME") == 1, advice
    assert re.fullmatch(r"colloquy \d+\.\d+\.\d+\n", run("--version").stdout)


def case_failures():
    nobody = f"127.0.0.1:{free_port()}"
    # Which address was tried, and what the system said of it; and all that is wrong with a file.
    assert f"[{nobody}: " in run("ping", f"{nobody}/ECHO", code=1).stderr
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "colloquy.toml")
        with open(file, "w") as out:
            out.write("[limits]\nlinks = 0\nconversation = 5\n")
        told = run("serve", "--config", file, code=1).stderr
        assert f"{file}:2:9: links is 0; write a whole number from 1 to 65535 (and 1 more error)" in told, told
    for arguments in [["ping", f"{nobody}/ECHO"], ["load", f"{nobody}/ECHO", "--duration", "0.1"]]:
        assert "CM_ALLOCATE_FAILURE_" in run(*arguments, code=1).stderr
    assert "error" in json.loads(run("ping", f"{nobody}/ECHO", "--json", code=1).stdout)
    with Server("--conversations", "64") as server:
        for arguments in [["ping", f"{server.address}/NOBODY"], ["load", f"{server.address}/NOBODY"]]:
            assert "CM_TPN_NOT_RECOGNIZED (9)" in run(*arguments, code=1).stderr
        # TELLER needs a database, and an address can be listened on once.
        assert "CM_TPN_NOT_RECOGNIZED (9)" in run("ping", f"{server.address}/TELLER", code=1).stderr
        run("serve", "--listen", server.address, code=1)
    for store, (noun, name) in stores().items():
        with tempfile.TemporaryDirectory() as folder:
            nowhere = run("serve", "--listen", "127.0.0.1:0", "--db", folder, "--store", store, code=1)
            assert f"TELLER cannot use its {noun}" in nowhere.stderr, nowhere.stderr
            open(os.path.join(folder, name), "w").close()
            assert "already" in run("demo", "--dir", folder, "--store", store, code=1).stderr


def case_serve():
    # The line for people names the port; both signals end it in order, where there are signals.
    for ending in (None,) if emulated() else (None, signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen([*COLLOQUY, "serve", "--listen", "127.0.0.1:0", "--conversations", "64",
                               "--end-with-input"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline()
            assert line.startswith("ready") and "127.0.0.1:" in line and "ECHO" in line, line
            assert "127.0.0.1:0," not in line, line
            if ending:
                process.send_signal(ending)
            out, err = process.communicate(timeout=TIMEOUT)
            assert (process.returncode, out, err) == (0, "", ""), (process.returncode, out, err)


def case_ping():
    with Server("--conversations", "64") as server:
        for arguments in [[], ["--confirm"], ["--packets", "4"]]:
            target = f"{server.address}/{'SINK' if '--confirm' in arguments else 'ECHO'}"
            result = run_json("ping", target, "--size", "1,300,32767", "--count", "3", *arguments)
            assert result["count"] == 9 and len(result["iterations"]) == 9, result
            spread = result["duration_us"]
            assert 0 < spread["min"] <= spread["avg"] <= spread["max"], result
            factor = 1 if "--confirm" in arguments else 8 if "--packets" in arguments else 2
            assert result["bytes"] == factor * 3 * (1 + 300 + 32767), result
            assert result["kb_per_second"] > 0, result
        # ECHO confirms too.
        assert run_json("ping", f"{server.address}/ECHO", "--confirm")["mode"] == "confirm"
        text = run("ping", f"{server.address}/ECHO").stdout
        assert "Duration statistics" in text and "Min" in text and "Max" in text, text
    assert run_json("ping", "inproc/ECHO")["count"] == 4


def case_local():
    """Local sockets, by a path and by a name; or one line that says that there are none."""
    if emulated():
        assert "not offered on Windows" in run("serve", "--listen", "unix:/tmp/x", code=1).stderr
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "socket")
        with Server("--conversations", "64", listen=f"unix:{path},unix:@{path}") as server:
            assert server.ready["listening"] == [f"unix:{path}", f"unix:@{path}"], server.ready
            assert os.stat(path).st_mode & 0o777 == 0o600
            for where in server.ready["listening"]:
                assert run_json("ping", f"{where}/ECHO", "--size", "1,32767", "--count", "3")["count"] == 6
            # Who lives is not replaced.
            assert "already" in run("serve", "--listen", f"unix:{path}", code=1).stderr.lower()
        assert not os.path.exists(path)
        assert "unix:" in run("ping", f"unix:{path}/ECHO", code=1).stderr


def case_load():
    with Server("--threads", "2", "--conversations", "2000") as server:
        for mode, program in [("pingpong", "ECHO"), ("oneshot", "ECHO"), ("oneshot", "ONCE"), ("stream", "SINK")]:
            for extra in [[], ["--links", "3", "--threads", "2", "--size", "3000"]]:
                result = run_json("load", f"{server.address}/{program}", "--mode", mode, "--conversations", "40",
                                  "--duration", "0.3", *extra)
                assert result["mode"] == mode, result
                check_load(result, 40)
        check_load(run_json("load", f"{server.address}/ECHO", "--conversations", "1500", "--duration", "0.3"), 1500)
        # A partner of another kind is told apart before anything is measured.
        for mode, program, said in [("pingpong", "ONCE", "--mode oneshot"), ("pingpong", "SINK", "--mode stream"),
                                    ("oneshot", "SINK", "--mode stream")]:
            done = run("load", f"{server.address}/{program}", "--mode", mode, "--duration", "0.3", code=1)
            assert said in done.stderr and done.stdout == "", done
    check_load(run_json("load", "inproc/ECHO", "--conversations", "50", "--duration", "0.3"), 50)


# An open loop counts from when a request was meant to begin: asked for more than there is, it must say so.
def case_rate():
    with tempfile.TemporaryDirectory() as folder, Server("--conversations", "64") as server:
        page = os.path.join(folder, "page.html")
        for mode in ("pingpong", "oneshot"):
            for rate in (500, 50_000_000):
                result = run_json("load", f"{server.address}/ECHO", "--mode", mode, "--conversations", "20",
                                  "--duration", "0.3", "--rate", str(rate), "--report", page)
                check_load(result, 20)
                assert result["rate"] == rate, result
                service = [result["service_us"][key] for key in LATENCY]
                assert service == sorted(service) and service[0] > 0, result
                assert result["transactions"] + result["unanswered"] >= 0.99 * rate * result["elapsed_s"], result
                if rate > 1_000_000:
                    assert result["unanswered"] > 0, result
                    assert result["latency_us"]["p50"] > result["service_us"]["p50"], result
                with open(page, encoding="utf-8") as file:
                    text = file.read()
                assert text.startswith("<!doctype html>") and text.count("<polyline") >= 2, text[:200]
                assert "http" not in text.replace("http://www.w3.org/2000/svg", ""), "the page stands alone"


# More partners than the server has conversations for: some are told to come again, and it goes on accepting.
def case_crowd():
    with Server("--conversations", "16") as server:
        for _ in range(3):
            result = run_json("load", f"{server.address}/ECHO", "--mode", "oneshot", "--conversations", "200",
                              "--links", "2", "--duration", "0.3")
            check_load(result, 200)


def case_reactors():
    with Server("--reactors", "2", "--conversations", "500") as server:
        result = run_json("load", f"{server.address}/ECHO", "--conversations", "300", "--duration", "0.3", "--reactors",
                          "1", "--links", "4")
        check_load(result, 300)


def case_config():
    with tempfile.TemporaryDirectory() as folder, Server("--conversations", "64") as server:
        file = os.path.join(folder, "colloquy.toml")
        with open(file, "w") as out:
            out.write('busy_poll_us = 200\n'
                      f'[[partner]]\nname = "BANK"\naddresses = ["{server.address}"]\n'
                      '[[side_information]]\nname = "ECHOES"\npartner_lu = "BANK"\ntp_name = "ECHO"\n')
        assert run_json("ping", "ECHOES", "--config", file)["count"] == 4


def case_password():
    """A line for the password file, and a server that reads its files again when it is told to."""
    if emulated():
        return

    def line_for(user, password):
        return subprocess.run([*COLLOQUY, "password", user], input=password + "\n", capture_output=True, text=True,
                              timeout=TIMEOUT)
    done = line_for("jane", "s3same")
    assert done.returncode == 0 and done.stdout.startswith("jane:$") and "s3same" not in done.stdout, done
    assert done.stderr == "", done
    for user, password in (("jane", "elevenchars"), ("jane", ""), ("ja:ne", "x"), ("elevenchars", "x")):
        failed = line_for(user, password)
        assert failed.returncode == 1 and failed.stdout == "" and len(failed.stderr.splitlines()) == 1, failed
    with tempfile.TemporaryDirectory() as folder:
        users, config = os.path.join(folder, "users"), os.path.join(folder, "colloquy.toml")
        for name, text in ((users, done.stdout), (config, f'[security]\npasswords = "{users}"\n')):
            with open(name, "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(name, 0o600)
        server = subprocess.Popen([*COLLOQUY, "serve", "--listen", "127.0.0.1:0", "--json", "--end-with-input",
                                   "--config", config], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        assert json.loads(server.stdout.readline())["ready"]
        server.send_signal(signal.SIGHUP)
        assert server.stderr.readline() == "colloquy serve: users and certificates were read again\n"
        with open(users, "w", encoding="ascii") as file:
            file.write("nonsense\n")
        server.send_signal(signal.SIGHUP)
        assert server.stderr.readline().startswith(f"colloquy serve: security.passwords: {users}:1: ")
        server.communicate(timeout=TIMEOUT)
        assert server.returncode == 0


def case_plan():
    small = run_json("plan", "--conversations", "1000", "--links", "10")
    large = run_json("plan", "--conversations", "1000000", "--links", "10")
    for plan in (small, large):
        assert sum(part["bytes"] for part in plan["parts"]) == plan["total_bytes"], plan
        for part in plan["parts"]:
            assert part["bytes"] == part["count"] * part["bytes_each"], part
        assert 0 < plan["idle_conversation_bytes"] < 4096, plan
    assert small["total_bytes"] < large["total_bytes"]
    assert "total" in run("plan").stdout


def check_demo(result, restarts=0):
    assert result["proved"] is True, result
    assert result["restarts"] == restarts and result["errors"] == 0, result
    assert result["proof"]["sum_found"] == result["proof"]["sum_expected"] > 0, result
    assert result["proof"]["transfers_in_store"] == result["confirmed"] > 0, result
    assert result["refused"] > 0, result
    assert result["commits"] > 0, result


def case_demo():
    for store in stores():
        result = run_json("demo", "--transfers", "20000", "--conversations", "500", "--accounts", "200",
                          "--store", store)
        check_demo(result)
        assert result["store"] == store, result
        assert result["confirmed"] + result["refused"] == 20000, result
    text = run("demo", "--duration", "0.5", "--conversations", "50").stdout
    assert "\nPROVED" in text and "BAD" not in text, text


def case_demo_inproc():
    for store in stores():
        result = run_json("demo", "--inproc", "--transfers", "20000", "--conversations", "500", "--store", store)
        check_demo(result)
        assert result["confirmed"] + result["refused"] == 20000, result


def case_demo_kill():
    for store, (_, name) in stores().items():
        with tempfile.TemporaryDirectory() as folder:
            result = run_json("demo", "--kill-server", "--transfers", "20000", "--conversations", "500", "--dir",
                              folder, "--store", store)
            check_demo(result, restarts=1)
            assert result["confirmed"] + result["refused"] == 20000, result
            assert result["found_done"] + result["sent_again"] == result["in_doubt"], result
            assert os.path.exists(os.path.join(folder, name)), os.listdir(folder)


def main() -> int:
    cases = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}
    if sys.argv[1:] == ["--list"]:
        print(";".join(cases))
        return 0
    if len(sys.argv) < 3 or sys.argv[1] not in cases:
        print(__doc__, file=sys.stderr)
        return 2
    global COLLOQUY
    COLLOQUY = sys.argv[2:]
    COLLOQUY[-1] = os.path.abspath(COLLOQUY[-1])
    # No configuration of the user or of this folder may take part.
    for name in ("COLLOQUY_CONFIG", "APPCLLU", "APPCTPN"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CONFIG_HOME"] = folder
        os.chdir(folder)
        with awake(COLLOQUY) if emulated() else contextlib.nullcontext():
            cases[sys.argv[1]]()
        os.chdir("/")
    print(f"{sys.argv[1]}: passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
