"""A process that has torch loaded and forks a fresh one for each submission, in milliseconds.

There are two of them: one for students' processes, which runs no code and knows no text of the
course's, and a child of it for judges, which has the trusted cells compiled. Each is asked for
processes over a socket of its own; it answers with descriptors: the new process's channel, a pipe
that says how it ended, a handle whose end is the end of all that it started, a handle on itself.
"""

import contextlib
import gc
import json
import os
import random
import select
import signal
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Any, NoReturn

from autograder.sealed import Limits, Step, kernel, walls

ROLES = ("student", "judge")
LINE = 4096
AT_ONCE = 4  # huge pages that are made after one order


@dataclass(frozen=True)
class Order:
    """What is asked of a server: a process for one of its slots, and what a judge will read."""

    slot: int
    steps: tuple[Step, ...] = ()

    def body(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, body: bytes) -> "Order":
        found = json.loads(body)
        return cls(found["slot"], tuple(step_from(s) for s in found["steps"]))


def step_from(found: dict[str, Any]) -> Step:
    return Step(**{**found, "defines": tuple(found["defines"])})


def main(fds: str, isolation: str, told: str) -> None:
    """Serve until the pool hangs up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits = Limits(**json.loads(told))
    lines = [int(fd) for fd in fds.split(",")]
    nursery = walls.Nursery(limits, lines) if isolation == "sandbox" else None
    sys.path.append("")  # files beside the notebook, after everything else
    sys.argv[:] = [""]
    from autograder.sealed import warm

    shell = warm.load()
    students, judges = (socket.socket(fileno=line) for line in lines)
    if os.fork() == 0:
        kernel.prctl(kernel.PDEATHSIG, signal.SIGKILL)
        students.close()
        if nursery:
            nursery.leave()
        Server("judge", judges, limits, nursery, shell).run()
    else:
        judges.close()
        Server("student", students, limits, nursery, shell).run()
    os._exit(0)


class Server:
    """The loaded process, and what it knows of those that were forked from it."""

    def __init__(
        self,
        role: str,
        control: socket.socket,
        limits: Limits,
        nursery: walls.Nursery | None,
        shell: Any,
    ) -> None:
        self.role, self.control, self.limits = role, control, limits
        self.nursery, self.shell = nursery, shell  # judges need no walls, but stay behind ours
        self.children: dict[int, tuple[int, int, int]] = {}  # by handle: number, status, first
        self.heap = kernel.heap()

    def run(self) -> None:
        from autograder.sealed.wire import Channel

        channel = Channel(self.control)
        self.control.sendall(b"ready\n")
        while True:
            control = self.control.fileno()
            ready, _, _ = select.select([control, *self.children], [], [])
            for handle in ready:
                if handle != control:
                    self._bury(handle)
            if control in ready:
                try:
                    order = Order.read(channel.receive())
                except EOFError:
                    return
                self._prepare(order.steps)
                answer, fds = self._fork(order)
                socket.send_fds(self.control, [json.dumps(answer).encode()], fds)
                for one in fds:
                    os.close(one)
                self._tidy()

    def _prepare(self, steps: tuple[Step, ...]) -> None:
        """Compile what is trusted, once for all judges."""
        if steps:
            from autograder.sealed import cells

            for step in steps:
                cells.prepare(step)
            gc.freeze()

    def _fork(self, order: Order) -> tuple[dict[str, Any], list[int]]:
        ours, theirs = socket.socketpair()
        read, write = os.pipe()
        inside = None
        try:
            if self.role == "student" and self.nursery:
                inside = self.nursery.fetch(order.slot)
                pid = self.nursery.fork_into(inside)
            else:
                pid = os.fork()
        except OSError as error:
            for one in (read, write):
                os.close(one)
            ours.close()
            theirs.close()
            return {"error": str(error)}, []
        if pid == 0:
            self._be(order, theirs, write, inside)
        theirs.close()
        handle = os.pidfd_open(pid)
        first = os.dup(inside.first if inside else handle)
        self.children[handle] = pid, write, first
        if inside:
            inside.close()
        return {}, [ours.detach(), read, os.dup(first), os.dup(handle)]

    def _be(
        self, order: Order, channel: socket.socket, status: int, inside: walls.Walls | None
    ) -> NoReturn:
        """The life of a forked process."""
        end = 0
        try:
            walls.default_signals()
            if self.role == "student":
                if inside:
                    self._enter(inside, order.slot, status)
                else:
                    walls.step_aside(self.limits, order.slot, status)
            else:
                walls.keep_to_itself(self.nursery is not None)
            _close_all_but(channel.fileno(), keep_errors=self.role == "judge")
            random.seed(0)
            from autograder.sealed import service, student, wire

            if self.role == "student":
                student.serve(wire.Channel(channel), self.shell)
            else:
                gc.set_threshold(100_000)  # a judge lives shortly: its garbage can wait
                service.serve(wire.Channel(channel), self.shell)
        except BaseException:
            end = 1
            with contextlib.suppress(BaseException):
                if self.role == "judge":
                    sys.excepthook(*sys.exc_info())
        finally:
            os._exit(end)

    def _enter(self, inside: walls.Walls, slot: int, status: int) -> None:
        try:
            walls.enter(inside, self.limits, slot)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.write(status, f"its walls could not be built: {error}".encode())
            os._exit(70)

    def _bury(self, handle: int) -> None:
        """A process has ended: tell how, and end what it started."""
        pid, status, first = self.children.pop(handle)
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(first, signal.SIGKILL)
        with contextlib.suppress(OSError):
            _, how = os.waitpid(pid, 0)
            os.write(status, walls.ending(how).encode())
        for one in (handle, status, first):
            os.close(one)

    def _tidy(self) -> None:
        """Put some more of the memory into huge pages: a fork copies one entry for each.

        A few at a time, so that a class of three does not wait for what pays off with fifty.
        """
        for address in self.heap[:AT_ONCE]:
            kernel.collapse(address)
        del self.heap[:AT_ONCE]


def _close_all_but(channel: int, keep_errors: bool) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1) if keep_errors else (0, 1, 2):
        os.dup2(nothing, fd)
    os.closerange(3, channel)
    os.closerange(channel + 1, 65_536)
