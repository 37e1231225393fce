"""Warm workers: each submission gets a judge and a student's process of its own, both forked from
a server that has torch loaded; the pool starts them, watches them and sees them gone."""

import contextlib
import json
import queue
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from autograder.results import Result
from autograder.sealed import Limits, Step, Verdict, alone, sandbox, wire
from autograder.sealed.alone import LINUX, Alone, Starter
from autograder.sealed.processes import Process, Server, Watch
from autograder.sealed.sandbox import NoSandbox

LEVELS = ("sandbox", "process", "none")
DEFAULT = Limits()
FILES = 48 << 20  # bytes of a submission's own files that are handed on


class Pool:
    """Judges submissions, `workers` at a time.

    Without `isolation` the strongest that works here is taken; one that is asked for by name and
    cannot be had is an error. `isolation` then says which is in force, `why` what speaks against a
    stronger one. `hidden` are folders that no student's code may see, wherever they lie.
    """

    def __init__(
        self,
        isolation: str | None = None,
        workers: int = 2,
        limits: Limits = DEFAULT,
        hidden: Sequence[Path] = (),
    ) -> None:
        if isolation not in (None, *LEVELS):
            raise ValueError(f"isolation={isolation!r}: known are {', '.join(LEVELS)}")
        self.isolation, self.why = isolation or "", ""
        self.workers, self.limits, self.hidden = max(1, workers), limits, hidden
        self._slots: queue.SimpleQueue[int] = queue.SimpleQueue()
        for slot in range(self.workers):
            self._slots.put(slot)
        self._server: Server | Starter | None = None
        self._watch = Watch(limits)

    def launch(self) -> None:
        """Let the sandbox's server begin to load; `with` waits for it, this does not."""
        if self.isolation in ("", "sandbox") and not sandbox.why_not():
            with contextlib.suppress(NoSandbox, OSError):  # told when it is waited for
                self._server = Server("sandbox", self.limits, self.hidden)

    def __enter__(self) -> "Pool":
        launched, self._server = self._server, None
        if self.isolation in ("", "sandbox"):
            try:
                self._server, self.why = _sandboxed(self.limits, self.hidden, launched)
                self.isolation = "sandbox"
            except NoSandbox as error:
                if self.isolation:
                    raise
                self.isolation, self.why = "process", str(error)
        if self._server is None:
            self._server = _unwalled(self.limits)
        self._watch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def judge(
        self,
        steps: Sequence[Step],
        salt: int,
        *,
        forbid: Sequence[str] = (),
        files: Mapping[str, bytes] | None = None,
    ) -> Verdict:
        """Judge one notebook. `files` lie beside it; `forbid` names operators it may not use."""
        assert self._server, "use the pool as a context manager"
        slot = self._slots.get()
        try:
            case = _Case(self, slot, steps)
            return case.run(salt, forbid, files or {})
        finally:
            self._slots.put(slot)

    def close(self) -> None:
        """End all that was started, if anything was."""
        self._watch.stop()
        if self._server:
            self._server.close()


@dataclass
class _Case:
    """One submission on its way through the judge."""

    pool: Pool
    slot: int
    steps: Sequence[Step]
    results: list[Result] = field(default_factory=list)
    outputs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    student: Process | Alone | None = None
    unused: bool = False

    def run(self, salt: int, forbid: Sequence[str], files: Mapping[str, bytes]) -> Verdict:
        began = time.monotonic()
        limits = self.pool.limits
        deadline = began + 2 * limits.total + limits.cell
        server = self.pool._server
        assert server
        judge = None
        try:
            judge = server.start("judge", self.slot, self.steps)
            head = {
                "steps": [asdict(step) for step in self.steps],
                "salt": salt,
                "forbid": list(forbid),
                "limits": asdict(limits),
                "isolation": self.pool.isolation,
            }
            job = [json.dumps(head).encode(), self._small(files)]
            judge.channel.send(wire.encode(job), limits.cell)
            if self.pool.isolation != "none":
                self._start_student()  # while the judge reads
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

    def _step(self, judge: Process | Alone, seconds: float) -> bool:
        """One message from the judge; False when it is done."""
        kind, what = wire.decode(judge.channel.receive(max(seconds, 0.01)))
        if kind == "result":
            self.results.append(Result(*what))
        elif kind == "outputs":
            self.outputs[what[0]] = json.loads(what[1])
        elif kind == "problem":
            self.problems.append(what)
        elif kind == "start":
            self._hand_over(judge)
        elif kind == "stop":
            why = self._end_student(lost=bool(what))
            judge.channel.send(wire.encode(why), 10.0)
        return bool(kind != "done")

    def _start_student(self) -> None:
        """A process for the student's code; `unused` until the judge asks for it."""
        self._end_student()
        assert self.pool._server
        try:
            self.student = self.pool._server.start("student", self.slot)
        except OSError as error:
            self.problems.append(f"no process for the student's code: {error}")
            return
        self.unused = True
        self.pool._watch.add(self.student)

    def _hand_over(self, judge: Process | Alone) -> None:
        if not (self.student and self.unused):
            self._start_student()
        if not self.student:
            judge.channel.connection.sendall(b"-")
            return
        self.unused = False
        connection = self.student.channel.connection
        alone.give(judge.channel.connection, min(judge.pids), connection)
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


def _sandboxed(
    limits: Limits, hidden: Sequence[Path], launched: Server | Starter | None
) -> tuple[Server | Starter, str]:
    """What starts processes in a sandbox, having shown that its walls stand; and why it is slow.

    Where namespaces cannot be made inside of the outer wall, each process gets an outer wall of its
    own: as safe, but torch is loaded for each.
    """
    if why := sandbox.why_not():
        raise NoSandbox(why)
    try:
        return _tried(launched or Server("sandbox", limits, hidden)), ""
    except NoSandbox as error:
        why = str(error)
    try:
        return _tried(Starter("sandbox", limits, hidden)), f"torch is loaded each time, since {why}"
    except NoSandbox as error:
        raise NoSandbox(f"{error} ({why})" if str(error) != why else why) from None


def _tried(server: Server | Starter) -> Server | Starter:
    try:
        server.wait()
        process = server.start("student", 0)
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


def _unwalled(limits: Limits) -> Server | Starter:
    """What starts processes where no sandbox is wanted, or none can be had."""
    server: Server | Starter
    server = Server("process", limits) if LINUX else Starter("process", limits)
    server.wait()
    return server


__all__ = ["LEVELS", "NoSandbox", "Pool"]
