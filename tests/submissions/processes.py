"""Crashes, hangs and floods. Each stops by itself after a while."""

from submissions.course import BN_WRONG, DR_RIGHT, Handed, hands_in


def body(s, code):
    s.set("bn", BN_WRONG.replace("return x * 0 + 7", code + "\n    return x * 0 + 7"))


@hands_in(fair=(4, 4))
def os_exit(s: Handed) -> None:
    """batch norm calls os._exit(0); dropout is right"""
    s.set("drop", DR_RIGHT)
    body(s, "import os; os._exit(0)")


@hands_in(fair=(4, 4))
def segfault(s: Handed) -> None:
    """batch norm segfaults by ctypes; dropout is right"""
    s.set("drop", DR_RIGHT)
    body(s, "import ctypes; ctypes.string_at(0)")


@hands_in(fair=(4, 4))
def kill_parent(s: Handed) -> None:
    """kills the grading process (its own parent); dropout is right"""
    s.set("drop", DR_RIGHT)
    body(s, "import os, signal\n    pp = os.getppid()\n    if pp > 1: os.kill(pp, signal.SIGKILL)")


@hands_in(fair=(4, 4))
def infinite_loop(s: Handed) -> None:
    """while True in batch norm (self-stops after 200 s); dropout is right"""
    s.set("drop", DR_RIGHT)
    body(s, "import time; t = time.time()\n    while time.time() - t < 200: pass")


@hands_in(fair=(4, 4))
def loop_ignores_sigint(s: Handed) -> None:
    """a loop that swallows KeyboardInterrupt and ignores SIGINT (self-stops after 200 s)"""
    s.set("drop", DR_RIGHT)
    body(
        s,
        "import time, signal; t = time.time(); signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while time.time() - t < 200:\n        try: time.sleep(0.1)\n        except BaseException: pass",
    )


@hands_in(fair=(4, 4))
def fork_bomb_bounded(s: Handed) -> None:
    """120 children that sleep 40 s; dropout is right"""
    s.set("drop", DR_RIGHT)
    body(
        s,
        "import os, time\n    if not globals().get('_b'):\n        globals()['_b'] = 1\n        for i in range(120):\n            try:\n                if os.fork() == 0: time.sleep(40); os._exit(0)\n            except OSError: break",
    )


@hands_in(fair=(4, 4))
def memory_hog(s: Handed) -> None:
    """allocates 5 GB and touches it; dropout is right"""
    s.set("drop", DR_RIGHT)
    body(s, "k = []\n    for i in range(50): k.append(bytearray(b'\\1') * (100 << 20))")


@hands_in(fair=(0, 1))
def daemon_survives(s: Handed) -> None:
    """a double-forked daemon (90 s) that outlives the grading"""
    s.insert(
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.closerange(0, 256)\n        time.sleep(90)\n    os._exit(0)"
    )
