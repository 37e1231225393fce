"""The judge's own process: loaded once, forked for each submission, talking to the pool."""

import contextlib
import json
import socket
import threading
import traceback
from typing import Any

import matplotlib

from autograder.sealed import Limits, alone, student, wire
from autograder.sealed.job import Gone, Job
from autograder.sealed.judge import judge
from autograder.sealed.server import step_from


class _RemoteWalls:
    """The pool starts and ends the student's process when the judge asks."""

    def __init__(self, channel: wire.Channel) -> None:
        self.channel = channel

    def start(self) -> wire.Channel:
        self.channel.send(wire.encode(["start", None]))
        self.channel.connection.settimeout(None)
        connection = alone.take(self.channel.connection)
        if connection is None:
            raise Gone("No process could be started for this notebook.")
        return wire.Channel(connection)

    def stop(self, lost: bool = False) -> str:
        self.channel.send(wire.encode(["stop", lost]))
        return str(wire.decode(self.channel.receive()))


def serve(channel: wire.Channel, shell: Any) -> None:
    """Judge one submission for the pool: its job comes first, then results as they are found."""
    head, files = wire.decode(channel.receive())
    found = json.loads(head)
    steps = [step_from(step) for step in found["steps"]]
    limits = Limits(**found["limits"])
    job = Job(steps, found["salt"], limits, found["forbid"], files)
    _limit_memory(limits)
    matplotlib.use("Agg")

    def tell(kind: str, what: Any) -> None:
        channel.send(wire.encode([kind, what]))

    try:
        judge(
            job,
            _RemoteWalls(channel) if found["isolation"] != "none" else _NoWalls(shell),
            lambda r: tell("result", [r.aspect, r.points, r.passed, r.message[:20_000]]),
            lambda step, outputs: tell("outputs", [step, json.dumps(outputs).encode()]),
            lambda problem: tell("problem", problem[:2000]),
        )
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})"
        tell("problem", f"the judge failed: {what}"[:2000])
    tell("done", None)


class _NoWalls:
    """The student's program in a thread of the judge's own process."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell

    def start(self) -> wire.Channel:
        ours, theirs = socket.socketpair()
        program = (wire.Channel(theirs), self.shell)
        threading.Thread(target=student.serve, args=program, daemon=True).start()
        return wire.Channel(ours)

    def stop(self, lost: bool = False) -> str:
        return ""


def _limit_memory(limits: Limits) -> None:
    """What a student returns must not take the machine's memory by way of the judge."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        most = 2 * limits.memory + (1 << 30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
