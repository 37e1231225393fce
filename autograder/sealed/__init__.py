"""Student code on one side, the judge on the other; only plain data crosses.

    with Pool() as pool:                        # autograder.sealed.pool; started once for a run
        verdict = pool.judge(steps, salt=7)     # thread-safe; as many at a time as it has workers

wire     bytes <-> plain data; strict, since a student may have written the bytes
student  the program in the student's process: runs cells, answers requests
judge    runs the trusted cells (text: cells, randomness: seeds); gives the results
line     questions to the student's process and its answers (gradients, shown; job: what for)
standins what the student's names are in the judge; shadows: what the reference does instead;
         copies: what of a changed argument is taken over
sandbox  the walls round the student's process, and what there is where none can be built
server   a process that has torch loaded and forks pristine ones; service: a judge among them
pool     warm workers: a judge and a student's process for each submission
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.results import Result

__all__ = ["Limits", "Step", "Verdict"]

TRUSTED = ("given", "check")  # kinds of step whose text is ours


@dataclass(frozen=True)
class Step:
    """One cell of a submission's notebook, in the order in which it is to be executed.

    The text of `given` and `check` steps comes from `source/`, never from the submission;
    `solution` and `extra` steps hold what the student wrote.
    """

    id: str
    kind: str  # given, solution, extra or check
    source: str
    points: int = 0
    aspect: str = ""
    defines: tuple[str, ...] = ()  # what source/'s solution cell defines: stand-ins in the judge
    reference: str = ""  # of a solution step: source/'s own text; tells what may change in place


@dataclass(frozen=True)
class Verdict:
    """What judging one notebook came to."""

    results: tuple[Result, ...]  # one for each check step, in order
    outputs: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    isolation: str = "none"  # sandbox, process or none: what was really in force
    seconds: float = 0.0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one submission may use."""

    cell: float = 30.0  # seconds that one answer of the student's process may take
    total: float = 180.0  # seconds for all of them together, and as much for the judge
    memory: int = 2 << 30  # bytes, of all its processes together
    processes: int = 128
    disk: int = 256 << 20  # bytes in its folder; as much again in /tmp
