"""Warm workers: each submission gets a judge and a student's process of its own, both forked from
servers that have torch loaded; the pool starts them, watches them and sees them gone."""

import contextlib
import json
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

from autograder.results import Result
from autograder.sealed import Limits, Step, Verdict, sandbox, wire
from autograder.sealed.sandbox import NoSandbox
from autograder.sealed.server import LINE, Order

LEVELS = ("sandbox", "process", "none")
DEFAULT = Limits()
STARTING = 120.0  # seconds for a server to load torch on a busy machine
WATCHING = 0.05  # seconds between two looks at the memory in use
FILES = 48 << 20  # bytes of a submission's own files that are handed on


class Pool:
    """Judges submissions, `workers` at a time.

    Without `isolation` the strongest that works here is taken; one that is asked for by name and
    cannot be had is an error. `isolation` then says which is in force, `why` what speaks against a
    stronger one.
    """

    def __init__(
        self, isolation: str | None = None, workers: int = 2, limits: Limits = DEFAULT
    ) -> None:
        if isolation not in (None, *LEVELS):
            raise ValueError(f"isolation={isolation!r}: known are {', '.join(LEVELS)}")
        self.isolation, self.why = isolation or "", ""
        self.workers, self.limits = max(1, workers), limits
        self._slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(self.workers):
            self._slots.put(slot)
        self._students: _Server | None = None
        self._judges: _Server | None = None
        self._watch = _Watch(limits)

    def __enter__(self) -> "Pool":
        self._judges = _Server("judge", "process")
        try:
            if self.isolation in ("", "sandbox"):
                try:
                    self._students = _sandboxed(self.limits)
                    self.isolation = "sandbox"
                except NoSandbox as error:
                    if self.isolation:
                        raise
                    self.isolation, self.why = "process", str(error)
            if self.isolation == "process":
                self._students = _Server("student", "process")
            self._judges.wait()
            if self._students:
                self._students.wait()
        except BaseException:
            self._close()
            raise
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def judge(
        self,
        steps: Sequence[Step],
        salt: int,
        *,
        forbid: Sequence[str] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> Verdict:
        """Judge one notebook. `files` lie beside it; `forbid` names operators it may not use."""
        assert self._judges, "use the pool as a context manager"
        slot = self._slots.get()
        try:
            case = _Case(self, slot, steps)
            return case.run(salt, forbid, files or {})
        finally:
            self._slots.put(slot)

    def _close(self) -> None:
        self._watch.stop()
        for server in (self._students, self._judges):
            if server:
                server.close()


@dataclass
class _Case:
    """One submission on its way through the judge."""

    pool: Pool
    slot: int
    steps: Sequence[Step]
    results: list[Result] = field(default_factory=list)
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    student: "_Process | None" = None

    def run(self, salt: int, forbid: Sequence[str], files: Mapping[str, bytes]) -> Verdict:
        began = time.monotonic()
        limits = self.pool.limits
        deadline = began + 2 * limits.total + limits.cell
        assert self.pool._judges
        judge = None
        try:
            judge = self.pool._judges.fork(self.slot, limits)
            head = {
                "steps": [asdict(step) for step in self.steps],
                "salt": salt,
                "forbid": list(forbid),
                "limits": asdict(limits),
                "isolation": self.pool.isolation,
            }
            job = [json.dumps(head).encode(), self._small(files)]
            judge.channel.send(wire.encode(job), limits.cell)
            while self._step(judge, deadline - time.monotonic()):
                pass
        except TimeoutError:
            self.problems.append("the judge took too long and was stopped")
        except (EOFError, OSError, wire.WireError, wire.Unsendable) as error:
            how = judge.ended() if judge else ""
            self.problems.append(f"the judge was lost: {how or error or type(error).__name__}")
        finally:
            self._end_student()
            if judge:
                judge.end()
        return self._verdict(time.monotonic() - began)

    def _step(self, judge: "_Process", seconds: float) -> bool:
        """One message from the judge; False when it is done."""
        kind, what = wire.decode(judge.channel.receive(max(seconds, 0.01)))
        if kind == "result":
            self.results.append(Result(*what))
        elif kind == "outputs":
            self.outputs[what[0]] = json.loads(what[1])
        elif kind == "problem":
            self.problems.append(what)
        elif kind == "start":
            self._start_student(judge)
        elif kind == "stop":
            why = self._end_student(lost=bool(what))
            judge.channel.send(wire.encode(why), 10.0)
        return bool(kind != "done")

    def _start_student(self, judge: "_Process") -> None:
        self._end_student()
        assert self.pool._students
        try:
            self.student = self.pool._students.fork(self.slot, self.pool.limits)
        except OSError as error:
            self.problems.append(f"no process for the student's code: {error}")
            judge.channel.connection.sendall(b"-")
            return
        self.pool._watch.add(self.student)
        connection = self.student.channel.connection
        socket.send_fds(judge.channel.connection, [b"+"], [connection.fileno()])
        connection.close()

    def _end_student(self, lost: bool = False) -> str:
        if self.student is None:
            return ""
        student, self.student = self.student, None
        self.pool._watch.remove(student)
        return student.end(lost)

    def _small(self, files: Mapping[str, bytes]) -> dict[str, bytes]:
        kept: dict[str, bytes] = {}
        room = FILES
        for name, data in files.items():
            if len(data) > room or name.startswith("/") or ".." in name.split("/"):
                self.problems.append(f"the file {ascii(name)[:100]} was left out")
            else:
                kept[name] = data
                room -= len(data)
        return kept

    def _verdict(self, seconds: float) -> Verdict:
        checks = [step for step in self.steps if step.kind == "check"]
        message = "This check could not be finished. The code before it may have taken too long."
        for step in checks[len(self.results) :]:
            self.results.append(Result(step.aspect or step.id, step.points, False, message))
        return Verdict(
            tuple(self.results), self.outputs, self.pool.isolation, seconds, tuple(self.problems)
        )


class _Process:
    """A forked process and all that it starts, as seen from the pool."""

    def __init__(self, channel: socket.socket, handle: int, status: int, isolation: str) -> None:
        self.channel, self.handle, self.status = wire.Channel(channel), handle, status
        self.isolation, self.why = isolation, ""
        with open(f"/proc/self/fdinfo/{handle}") as facts:
            self.pid = int(next(line for line in facts if line.startswith("Pid:")).split()[1])
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
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)

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
        select.select([self.handle], [], [], 10.0)
        with self.lock:
            self.over = True
        self.channel.close()
        os.close(self.handle)
        os.close(self.status)
        return why

    def _kill_family(self) -> None:
        """Without namespaces: everything below the first process, until nothing is left."""
        for _ in range(100):
            family = list(sandbox.descendants(self.pid))
            if not family:
                return
            for pid in family:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.002)


class _Server:
    """A server process and the line to it; started anew if it was lost."""

    def __init__(self, role: str, isolation: str) -> None:
        self.role, self.isolation = role, isolation
        self.lock = threading.Lock()
        self._launch()

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        self.control, self.ready = ours, False
        self.folder = tempfile.TemporaryDirectory(prefix=f"{self.role}s-")
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        # The judges' server is told nothing of the grader's environment, either.
        try:
            self.process = subprocess.Popen(
                sandbox.command(self.isolation, self.role, theirs.fileno()),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self.errors,
                env=sandbox.environment(self.folder.name),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise NoSandbox(f"{self.role} server: {error}") from None
        finally:
            theirs.close()

    def wait(self) -> None:
        """Until it has loaded what it needs."""
        if self.ready:
            return
        self.control.settimeout(STARTING)
        try:
            answer = self.control.recv(LINE)
        except OSError:
            answer = b""
        if answer != b"ready\n":
            said = self.said()
            self.close()
            raise NoSandbox(f"the {self.role} server did not start: {said or 'it was silent'}")
        self.ready = True

    def said(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2.0)
        self.errors.seek(0)
        lines = self.errors.read()[-4000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    def fork(self, slot: int, limits: Limits) -> _Process:
        """A fresh process."""
        with self.lock:
            for attempt in (1, 2):
                try:
                    return self._fork(slot, limits)
                except (OSError, ValueError) as error:
                    if attempt == 2:
                        raise OSError(f"the {self.role} server failed: {error}") from None
                    self.close()
                    self._launch()
                    self.wait()
        raise AssertionError

    def _fork(self, slot: int, limits: Limits) -> _Process:
        self.control.settimeout(60.0)
        self.control.sendall(Order(slot, limits).line())
        line, fds, _, _ = socket.recv_fds(self.control, LINE, 3)
        if len(fds) != 3:
            raise OSError(json.loads(line or b'{"error": "it is gone"}').get("error", "no process"))
        channel, handle, status = fds
        return _Process(socket.socket(fileno=channel), handle, status, self.isolation)

    def close(self) -> None:
        self.control.close()
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        self.errors.close()
        with contextlib.suppress(OSError):
            self.folder.cleanup()


class _Watch:
    """Looks at the memory and the number of processes in use, and stops who takes too much."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.processes: set[_Process] = set()
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

    def add(self, process: _Process) -> None:
        with self.lock:
            self.processes.add(process)

    def remove(self, process: _Process) -> None:
        with self.lock:
            self.processes.discard(process)

    def _look(self) -> None:
        most = self.limits.memory + (512 << 20)  # torch's own, before the first line of a student
        while not self.over.wait(WATCHING):
            with self.lock:
                processes = list(self.processes)
            for process in processes:
                used, count = sandbox.memory_of(process.pid, most)
                if used > most:
                    process.kill(f"it used more than {self.limits.memory >> 20} MB of memory")
                elif count > self.limits.processes + 8:
                    process.kill(f"it started more than {self.limits.processes} processes")


def _sandboxed(limits: Limits) -> _Server:
    """A server in the sandbox that has shown that its walls stand."""
    if why := sandbox.why_not():
        raise NoSandbox(why)
    server = _Server("student", "sandbox")
    try:
        server.wait()
        process = server.fork(0, limits)
        try:
            process.channel.send(
                wire.encode({"op": "names", "n": "", "drop": [], "names": []}), 10.0
            )
            process.channel.receive(20.0)
        except (OSError, EOFError):
            raise NoSandbox(process.ended() or "the inner walls could not be built") from None
        finally:
            process.end()
    except OSError as error:
        server.close()
        raise NoSandbox(str(error)) from None
    except NoSandbox:
        server.close()
        raise
    return server


__all__ = ["LEVELS", "NoSandbox", "Pool"]

if sys.platform == "win32":  # pragma: no cover
    raise ImportError("the servers fork; see docs/sealed.md for what there is on Windows")
