#!/usr/bin/env python3
"""SIGKILL at every step of a conversation, on either side, and what the other side and others see of it.

usage: kills.py CASE STEPPER, or --list for the cases

tests/faults/stepper.c walks a conversation with allocate, send, confirm, confirmed, prepare-to-receive, receive,
send-error and deallocate, with sync level confirm. Here it is told to kill itself, or its partner, right before or
right after each step. What the survivor may see is computed, not recorded:

* what its calls answered is the beginning of what they answer when nobody dies, and then 27 or 26 once, after which
  the conversation is unknown (24);
* a call that waits for a step of the partner succeeds only when the partner had begun that step (so Confirm is 0 only
  when the partner's program has issued Confirmed);
* another conversation with the survivor, open all the while, goes on; and a survivor holds no conversation, no link
  and no descriptor more than before.

Nothing waits for a time to pass; the time limit is there so that a hang becomes a failure.
"""
import atexit
import collections
import subprocess
import sys
import threading
import time

TIMEOUT = 120
# Each step: its name, what it answers when nobody dies, and the partner's step that it needs (0: none).
CALLER = [("allocate", 0, 0), ("send", 0, 0), ("confirm", 0, 3), ("send", 0, 0), ("prepare_to_receive", 0, 5),
          ("receive", 0, 6), ("send_error", 0, 0), ("send", 0, 0), ("prepare_to_receive", 0, 0), ("receive", 21, 9),
          ("receive", 0, 11), ("send_and_confirm", 0, 13), ("deallocate", 0, 15)]
SERVER = [("accept", 0, 1), ("receive", 0, 3), ("confirmed", 0, 0), ("receive", 0, 5), ("confirmed", 0, 0),
          ("send_and_flush", 0, 0), ("confirm", 22, 7), ("receive", 0, 9), ("send_error", 0, 0), ("send", 0, 0),
          ("prepare_to_receive", 0, 0), ("receive", 0, 12), ("confirmed", 0, 0), ("receive", 0, 13),
          ("confirmed", 0, 0)]
LOST = (26, 27)
NOT_ALLOCATED = (1, 2)
Held = collections.namedtuple("Held", "conversations links descriptors walking")


class Stepper:
    """One process of the walk. `serving` ones say where they listen first."""

    def __init__(self, program, serving):
        self.process = subprocess.Popen([program, "serve" if serving else "call"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.limit = threading.Timer(5 * TIMEOUT, self.process.kill)
        self.limit.daemon = True
        self.limit.start()
        atexit.register(self.process.kill)
        self.served = collections.deque()
        self.address = self.process.stdout.readline().strip() if serving else None

    @property
    def pid(self):
        return self.process.pid

    def order(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer will tell

    def answer(self):
        """The next line that answers an order, or "" when the process has gone. Walks served are kept aside."""
        for line in self.process.stdout:
            if not line.startswith("served "):
                return line.strip()
            self.served.append(line.strip())
        return ""

    def ask(self, line):
        self.order(line)
        return self.answer()

    def arm(self, step, when, whom):
        said = self.ask(f"arm {step} {when} {whom}")
        assert said == "armed", said

    def held(self):
        word, *numbers = self.ask("held").split()
        assert word == "held"
        return Held(*map(int, numbers))

    def _until(self, wanted, told):
        limit = time.monotonic() + TIMEOUT / 2
        while not wanted(now := self.held()):
            assert time.monotonic() < limit, f"it holds {now} instead of {told}"
            time.sleep(0.002)
        return now

    def steady(self, conversations, walking):
        """What it holds with so many conversations; a server's Accept that waits is one of them."""
        return self._until(lambda now: (now.conversations, now.walking) == (conversations, walking), conversations)

    def settled(self, to):
        """Waits until it holds what it held then: the end of a link is noticed in its own time."""
        self._until(lambda now: now == to, to)

    def gone(self):
        """It was killed."""
        self.process.communicate()
        self.limit.cancel()
        assert self.process.returncode == -9, f"it ended by itself with {self.process.returncode}"

    def close(self):
        self.process.stdin.close()
        rest = self.process.stdout.read()
        code = self.process.wait()
        self.limit.cancel()
        assert code == 0, f"it ended with {code}: {rest}"


def poked(who):
    said = who.ask("poke")
    assert said == "poked 0 whole", f"a conversation that nobody touched: {said}"


def judge(line, steps, partner_begun):
    """What a survivor said of its walk. `partner_begun`: the steps that the partner has begun, if that is known."""
    _, codes, fate = line.split()
    codes = [int(code) for code in codes.split(",")]
    told = f"{codes}, {fate}; the partner had begun {partner_begun} steps"
    assert fate == "gone", told
    for number, code in enumerate(codes, 1):
        name, usual, needs = steps[number - 1]
        told = f"{name} (step {number}) of {codes}; the partner had begun {partner_begun} steps"
        if code == usual:
            # A step that the partner has begun may have taken effect; one it never came to may not.
            assert partner_begun is None or needs <= partner_begun, told
            continue
        assert number == len(codes), told
        assert code in LOST or (name == "allocate" and code in NOT_ALLOCATED), told
        return code
    assert len(codes) == len(steps), told
    return 0


def begun_at(step, when):
    return step - 1 if when == "before" else step


def undisturbed(program):
    with_server = Stepper(program, True)
    caller = Stepper(program, False)
    before = with_server.steady(1, 0)
    for how in ("blocking", "waiting"):
        said = caller.ask(f"walk {with_server.address} {how}")
        assert judge(said, CALLER, None) == 0 and len(said.split(",")) == len(CALLER), said
        # The last step of the server answers behind the caller's.
        with_server.steady(1, 0)
        assert judge(with_server.served.pop(), SERVER, None) == 0
    caller.close()
    with_server.settled(before)
    with_server.close()


def case_caller(program):
    """The caller dies; the server lives on, and serves another all the time."""
    undisturbed(program)
    server, witness = Stepper(program, True), Stepper(program, False)
    assert witness.ask(f"hold {server.address}") == "poked 0 whole"
    before = server.steady(2, 1)
    tally = collections.Counter()
    for how in ("blocking", "waiting"):
        for step in range(1, len(CALLER) + 1):
            for when in ("before", "after"):
                caller = Stepper(program, False)
                caller.arm(step, when, 0)
                said = caller.ask(f"walk {server.address} {how}")
                assert said == "", f"it was to be killed {when} step {step}: {said}"
                caller.gone()
                poked(witness)
                server.settled(before)
                while server.served:
                    tally[judge(server.served.popleft(), SERVER, begun_at(step, when))] += 1
    # And by the server itself, so that the caller is in the middle of what it does.
    for step in range(2, len(SERVER) + 1):
        for when in ("before", "after"):
            caller = Stepper(program, False)
            server.arm(step, when, caller.pid)
            caller.ask(f"walk {server.address} blocking")
            # Behind the last step there may be nothing left of the walk to kill it in.
            caller.gone()
            poked(witness)
            server.settled(before)
            tally[judge(server.served.popleft(), SERVER, None)] += 1
    poked(witness)
    assert witness.ask("drop") == "dropped 0"
    witness.close()
    server.close()
    return tally


def case_server(program):
    """The server dies; the caller lives on, with another server and then with the next one."""
    other, caller = Stepper(program, True), Stepper(program, False)
    assert caller.ask(f"hold {other.address}") == "poked 0 whole"
    before = caller.steady(1, 0)
    tally = collections.Counter()

    def over(server, said, begun):
        server.gone()
        tally[judge(said, CALLER, begun)] += 1
        poked(caller)
        caller.settled(before)

    for how in ("blocking", "waiting"):
        for step in range(1, len(SERVER) + 1):
            # Before step 1 it waits to accept: that is the caller's first step, below.
            for when in ("before", "after") if step > 1 else ("after",):
                server = Stepper(program, True)
                server.arm(step, when, 0)
                over(server, caller.ask(f"walk {server.address} {how}"), begun_at(step, when))
    for step in range(1, len(CALLER) + 1):
        for when in ("before", "after"):
            server = Stepper(program, True)
            caller.arm(step, when, server.pid)
            over(server, caller.ask(f"walk {server.address} blocking"), None)
    # Nobody listens any more, and then the next one does.
    said = caller.ask(f"walk {server.address} blocking")
    assert judge(said, CALLER, 0) in NOT_ALLOCATED, said
    assert judge(caller.ask(f"walk {other.address} blocking"), CALLER, None) == 0
    assert caller.ask("drop") == "dropped 0"
    caller.close()
    other.close()
    return tally


def main():
    cases = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}
    if sys.argv[1:] == ["--list"]:
        print(";".join(cases))
        return 0
    if len(sys.argv) != 3 or sys.argv[1] not in cases:
        print(__doc__, file=sys.stderr)
        return 2
    tally = cases[sys.argv[1]](sys.argv[2])
    print(f"{sys.argv[1]}: passed; survivors' walks by how they ended:", dict(sorted(tally.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
