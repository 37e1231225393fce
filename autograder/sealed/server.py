"""A process that has torch loaded and forks a fresh one for each submission, in milliseconds.

It runs no code of a student's. On its socket it is asked for processes, one line of JSON each; it
answers with the number and three descriptors: the new process's channel, a handle on its first
process, and a pipe that says how it ended.
"""

import contextlib
import gc
import json
import os
import random
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Any

from autograder.sealed import Limits, sandbox, wire

LINE = 4096


@dataclass(frozen=True)
class Order:
    """What is asked of a server."""

    slot: int
    limits: Limits

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode()


def main(role: str, fd: int, isolation: str) -> None:
    """Serve until the pool hangs up."""
    control = socket.socket(fileno=fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.path.append("")  # files beside the notebook, after everything else
    sys.argv[:] = [""]
    loaded = _load(role)
    gc.collect()
    gc.freeze()  # or the first collection in each child copies every page
    control.sendall(b"ready\n")
    while line := control.recv(LINE):
        found = json.loads(line)
        answer, fds = _start(
            role, isolation, found["slot"], Limits(**found["limits"]), loaded, control
        )
        socket.send_fds(control, [json.dumps(answer).encode()], fds)
        for one in fds:
            os.close(one)
        _bury()


def _load(role: str) -> Any:
    from autograder.sealed import student

    if role == "student":
        return student.load()
    import autograder.sealed.service

    autograder.sealed.service.load()
    return autograder.sealed.service


def _start(
    role: str, isolation: str, slot: int, limits: Limits, loaded: Any, control: socket.socket
) -> tuple[dict[str, Any], list[int]]:
    ours, theirs = socket.socketpair()
    read, write = os.pipe()
    try:
        if role == "student":
            pid = sandbox.fork(isolation, limits, slot, (theirs.fileno(), write))
        else:
            pid = os.fork()
    except OSError as error:
        for one in (read, write):
            os.close(one)
        ours.close()
        theirs.close()
        return {"error": str(error)}, []
    if pid == 0:
        _be(role, theirs, loaded, (read, write, ours.fileno(), control.fileno()))
    theirs.close()
    os.close(write)
    handle = os.pidfd_open(pid)
    return {"pid": pid}, [ours.detach(), handle, read]


def _be(role: str, channel: socket.socket, loaded: Any, foreign: tuple[int, ...]) -> None:
    """The life of a forked process."""
    status = 0
    try:
        for fd in foreign:
            os.close(fd)
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1) if role == "judge" else (0, 1, 2):
            os.dup2(nothing, fd)
        random.seed(0)
        if role == "student":
            from autograder.sealed import student

            student.serve(wire.Channel(channel), loaded)
        else:
            sandbox._prctl(sandbox._PDEATHSIG, signal.SIGKILL)
            loaded.serve(wire.Channel(channel))
    except BaseException:
        status = 1
        with contextlib.suppress(BaseException):
            if role == "judge":
                sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _bury() -> None:
    """Take leave of the processes that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
