"""A program of its own for each submission, where no server can fork it: on macOS and Windows, and
where only the outer wall of the sandbox can be had.

To load torch takes a second or two each time; so each slot has one program started ahead.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograder.sealed import Limits, Step, kernel, sandbox, walls
from autograder.sealed.wire import Channel

LINUX = sys.platform.startswith("linux")
STARTING = 120.0  # seconds to load torch on a busy machine


class Alone:
    """One program and all that it starts; the pool knows it as it knows a forked process."""

    def __init__(
        self, role: str, slot: int, isolation: str, limits: Limits, hidden: Sequence[Path] = ()
    ) -> None:
        self.role, self.isolation, self.why = role, isolation, ""
        ours, theirs = socket.socketpair()
        self.channel = Channel(ours)
        self.folder = tempfile.TemporaryDirectory(prefix="graded-", ignore_cleanup_errors=True)
        self.lock = threading.Lock()
        self.over = False
        walled = isolation == "sandbox" and role == "student"
        told = json.dumps([role, slot, isolation if walled else "process", asdict(limits)])
        command = sandbox.command_alone(walled, limits, hidden)
        options: dict[str, Any] = {
            "stdout": subprocess.DEVNULL,
            "stderr": None if role == "judge" else subprocess.DEVNULL,
            "env": sandbox.environment(self.folder.name),
            "cwd": self.folder.name,
        }
        if sys.platform == "win32":
            options |= {"stdin": subprocess.PIPE, "creationflags": 0x200}  # a group of its own
            options["env"] |= {"USERPROFILE": self.folder.name}
            options["env"] |= {n: os.environ[n] for n in ("SYSTEMROOT",) if n in os.environ}
            self.process = subprocess.Popen([*command, "stdin", told], **options)
            self.process.stdin.write(theirs.share(self.process.pid))
            self.process.stdin.close()
        else:
            door = theirs.fileno()
            options |= {"stdin": subprocess.DEVNULL, "pass_fds": [door], "start_new_session": True}
            self.process = subprocess.Popen([*command, str(door), told], **options)
        theirs.close()
        self.pids = {self.process.pid}

    def wait(self) -> None:
        """Until it has loaded what it needs."""
        if self.channel.receive(STARTING) != b"ready":
            raise OSError("the program did not start")

    def kill(self, why: str = "") -> None:
        """Stop it and what it started; the first reason given is the one that is told."""
        with self.lock:
            if self.over:
                return
            if why and not self.why:
                self.why = why
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    words = ["taskkill", "/T", "/F", "/PID", str(self.process.pid)]
                    subprocess.run(words, capture_output=True, check=False)
                else:
                    for pid in self.family()[1:]:
                        with contextlib.suppress(OSError):
                            os.kill(pid, signal.SIGKILL)
                    os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()

    def ended(self) -> str:
        """How it ended by itself, if it has."""
        if self.why:
            return self.why
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(1.0)
            number = -code if code < 0 else code - 128 if 128 < code < 128 + 65 else 0
            return walls.ending(number if number else (code & 0xFF) << 8)
        return ""

    def end(self, lost: bool = False) -> str:
        """See it gone; how it ended by itself, if it was lost."""
        why = self.ended() if lost else self.why
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10.0)
        with self.lock:
            self.over = True
        self.channel.close()
        self.folder.cleanup()
        return why

    def family(self) -> list[int]:
        """It, and all that it started, as far as the system tells."""
        return [self.process.pid, *(kernel.descendants(self.process.pid) if LINUX else ())]


class Starter:
    """Starts programs, for each slot and role one ahead; it has the methods of a server."""

    def __init__(self, isolation: str, limits: Limits, hidden: Sequence[Path] = ()) -> None:
        self.isolation, self.limits, self.hidden = isolation, limits, hidden
        self.ahead: dict[tuple[str, int], Alone] = {}
        self.lock = threading.Lock()
        self.closed = False
        self.thread = ThreadPoolExecutor(1)  # sandboxes end with the thread that made them

    def wait(self) -> None:
        """There is nothing to wait for before the first program."""

    def start(self, role: str, slot: int, steps: Iterable[Step] = ()) -> Alone:
        """A fresh program that has loaded what it needs."""
        with self.lock:
            found = self.ahead.pop((role, slot), None)
        found = found or self._launch(role, slot)
        try:
            found.wait()
        except (OSError, EOFError) as error:
            why = found.end(lost=True)
            raise OSError(f"the program did not start: {why or error}") from None
        with self.lock:
            if not self.closed:
                self.ahead[role, slot] = self._launch(role, slot)
        return found

    def close(self) -> None:
        with self.lock:
            self.closed = True
            waiting = list(self.ahead.values())
            self.ahead.clear()
        for one in waiting:
            one.end()
        self.thread.shutdown()

    def _launch(self, role: str, slot: int) -> Alone:
        made = self.thread.submit(Alone, role, slot, self.isolation, self.limits, self.hidden)
        return made.result()


def main(door: str, told: str) -> None:
    """The life of such a program."""
    role, slot, isolation, limits = json.loads(told)
    if sys.platform == "win32":
        connection = socket.fromshare(sys.stdin.buffer.read())
    else:
        connection = socket.socket(fileno=int(door))
        connection.set_inheritable(False)
    sys.path.append("")  # files beside the notebook, after everything else
    sys.argv[:] = [""]
    from autograder.sealed import service, student, warm

    shell = warm.load()
    channel = Channel(connection)
    if role == "student":
        walls.settle(Limits(**limits), slot, isolation == "sandbox")
    channel.send(b"ready")
    (student if role == "student" else service).serve(channel, shell)
    os._exit(0)


def give(judge: socket.socket, pid: int, connection: socket.socket) -> None:
    """Hand the line to a student's process over to its judge."""
    if sys.platform == "win32":
        judge.sendall(b"+" + connection.share(pid).rjust(SHARED))
    else:
        socket.send_fds(judge, [b"+"], [connection.fileno()])


def take(pool: socket.socket) -> socket.socket | None:
    """Get the line to a student's process from the pool."""
    if sys.platform == "win32":
        if pool.recv(1) != b"+":
            return None
        return socket.fromshare(pool.recv(SHARED, socket.MSG_WAITALL).lstrip())
    sign, fds, _, _ = socket.recv_fds(pool, 1, 1)
    return socket.socket(fileno=fds[0]) if sign == b"+" and fds else None


SHARED = 1024  # bytes; Windows describes a socket in fewer
