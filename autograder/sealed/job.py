"""What is to be judged, what gives the judge a student's process, and how it can be lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from autograder.sealed import Limits, Step, wire


class Gone(Exception):
    """The student's process ended, hung or spoke out of turn."""


class Slow(Gone):
    """No answer within the limit."""


class NeedsProbe(Exception):
    """A check sends what cannot cross: its author has to write a probe."""


class Walls(Protocol):
    """What gives the judge a student's process, and takes it away again."""

    def start(self) -> wire.Channel: ...

    def stop(self, lost: bool = False) -> str:
        """End the process and all it started; say why it was lost, if it was."""


@dataclass
class Job:
    """What to judge."""

    steps: Sequence[Step]
    salt: int = 0
    limits: Limits = field(default_factory=Limits)
    forbid: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
