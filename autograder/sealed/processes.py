"""Processes as the pool sees them: the server, those forked from it, and who takes too much."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from autograder.sealed import TRUSTED, Limits, Step, kernel, sandbox, wire
from autograder.sealed.alone import Alone
from autograder.sealed.sandbox import NoSandbox
from autograder.sealed.server import LINE, ROLES, Order

STARTING = 120.0  # seconds for a server to load torch on a busy machine
WATCHING = 0.05  # seconds between two looks at the memory in use
FILES = 4096  # open ones of a submission; more than a notebook has, less than hurts
FEWEST = 64  # places for open files that the kernel gives each process


class Process:
    """A forked process and all that it starts, as seen from the pool."""

    def __init__(
        self, channel: socket.socket, status: int, first: int, own: int, isolation: str
    ) -> None:
        self.channel, self.status, self.first = wire.Channel(channel), status, first
        self.isolation, self.why = isolation, ""
        self.pids = {_number(first), _number(own)}
        os.close(own)
        self.lock = threading.Lock()
        self.over = False

    def kill(self, why: str = "") -> None:
        """Stop it at once; the first reason given is the one that is told."""
        with self.lock:
            if self.over:
                return
            if why and not self.why:
                self.why = why
            if self.isolation == "process":
                self._kill_family()
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self.first, signal.SIGKILL)

    def ended(self) -> str:
        """How it ended by itself, if it has."""
        if self.why:
            return self.why
        if select.select([self.status], [], [], 1.0)[0]:
            return os.read(self.status, LINE).decode("utf-8", "replace")[:300]
        return ""

    def end(self, lost: bool = False) -> str:
        """See it gone; how it ended by itself, if it was lost."""
        why = self.ended() if lost else self.why
        self.kill()
        select.select([self.first], [], [], 10.0)
        with self.lock:
            self.over = True
        self.channel.close()
        os.close(self.first)
        os.close(self.status)
        return why

    def family(self) -> list[int]:
        """Its processes, and all that they started."""
        return [*self.pids, *(p for pid in self.pids for p in kernel.descendants(pid))]

    def _kill_family(self) -> None:
        """Without namespaces: everything below the first process, until nothing is left."""
        for _ in range(100):
            family = self.family()[len(self.pids) :]
            if not family:
                return
            for pid in family:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)


class Server:
    """The server, which is two processes, and the lines to it; started anew if it was lost."""

    def __init__(self, isolation: str, limits: Limits, hidden: Sequence[Path] = ()) -> None:
        self.isolation, self.limits, self.hidden = isolation, limits, hidden
        self.lock = threading.Lock()
        self.locks = {role: threading.Lock() for role in ROLES}
        self.life = 0
        self._launch()

    def _launch(self) -> None:
        pairs = [socket.socketpair() for _ in ROLES]
        self.controls = {
            role: wire.Channel(pair[0]) for role, pair in zip(ROLES, pairs, strict=True)
        }
        theirs = [pair[1].fileno() for pair in pairs]
        self.known: set[Step] = set()
        self.ready = False
        self.life += 1
        self.folder = tempfile.TemporaryDirectory(prefix="graded-")
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self.process = subprocess.Popen(
                sandbox.command(self.isolation, theirs, self.limits, self.hidden),
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                env=sandbox.environment(self.folder.name),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise NoSandbox(f"the server: {error}") from None
        finally:
            for _, their in pairs:
                their.close()

    def wait(self) -> None:
        """Until it has loaded what it needs."""
        if self.ready:
            return
        for control in self.controls.values():
            control.connection.settimeout(STARTING)
            try:
                answer = control.connection.recv(LINE)
            except OSError:
                answer = b""
            if answer != b"ready\n":
                said = self.said()
                self.close()
                raise NoSandbox(f"the server did not start: {said or 'it was silent'}")
        self.ready = True

    def said(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2.0)
        self.errors.seek(0)
        lines = self.errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def start(self, role: str, slot: int, steps: Iterable[Step] = ()) -> Process:
        """A fresh process; a judge is told the trusted cells of its notebook before."""
        trusted = {_trusted(step) for step in steps}
        for attempt in (1, 2):
            life = self.life
            try:
                with self.locks[role]:
                    return self._fork(role, slot, trusted)
            except (OSError, ValueError, EOFError) as error:
                if attempt == 2:
                    raise OSError(f"the server failed: {error}") from None
                with self.lock:
                    if self.life == life:
                        self.close()
                        self._launch()
                        self.wait()
        raise AssertionError

    def _fork(self, role: str, slot: int, trusted: set[Step]) -> Process:
        control = self.controls[role]
        new = tuple(trusted - self.known)
        control.send(Order(slot, new).body(), 60.0)
        self.known |= trusted
        line, fds, _, _ = socket.recv_fds(control.connection, LINE, 4)
        if len(fds) != 4:
            raise OSError(json.loads(line or b'{"error": "it is gone"}').get("error", "no process"))
        channel, status, first, own = fds
        return Process(socket.socket(fileno=channel), status, first, own, self.isolation)

    def close(self) -> None:
        for control in self.controls.values():
            control.close()
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.errors.close()
        with contextlib.suppress(OSError):
            self.folder.cleanup()


def _trusted(step: Step) -> Step:
    """A step without what a student wrote."""
    return step if step.kind in TRUSTED else replace(step, source="")


def _number(handle: int) -> int:
    """The process number behind a handle, as this process sees it."""
    with open(f"/proc/self/fdinfo/{handle}") as facts:
        return int(next(line for line in facts if line.startswith("Pid:")).split()[1])


class Watch:
    """Looks at the memory and the number of processes in use, and stops who takes too much."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.processes: set[Process | Alone] = set()
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        if self.thread:
            self.thread.join()

    def add(self, process: Process | Alone) -> None:
        with self.lock:
            self.processes.add(process)

    def remove(self, process: Process | Alone) -> None:
        with self.lock:
            self.processes.discard(process)

    def _look(self) -> None:
        most = self.limits.memory + (512 << 20)  # torch's own, before the first line of a student
        while not self.over.wait(WATCHING):
            with self.lock:
                processes = list(self.processes)
            for process in processes:
                family = process.family()
                used, files = kernel.use_of(family, most)
                if used > most:
                    process.kill(f"it used more than {self.limits.memory >> 20} MB of memory")
                elif len(family) > self.limits.processes + 8:
                    process.kill(f"it started more than {self.limits.processes} processes")
                elif files > FILES + FEWEST * len(family):
                    # What waits in sockets is the kernel's memory, which nobody else counts.
                    process.kill(f"it had more than {FILES} files open")
