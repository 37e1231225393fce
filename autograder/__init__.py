"""The course on training deep networks: reading, building, checking and grading it.

expect      assertions that teach; the one module that students' notebooks import
datasets    MNIST, CIFAR-10 and two synthetic sets, small and real
files       files appear whole or not at all
forbidden   built-ins that an exercise may ask to do without
randomness  seeds that can be moved
results     what grading one aspect came to
authoring/  exercise files -> notebooks (course, quiz, notebook, reference, build, check),
            and what they cover, practice, papers
sealed/     student code on one side, the judge on the other
grading/    submissions -> gradebook, and a fabricated class to try it on
__main__    the commands: python -m autograder --help

No answer lives in this package: those are in the course's own `solutions/`.
"""

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["student_side"]

Probe = TypeVar("Probe", bound=Callable[..., Any])


def student_side(probe: Probe) -> Probe:
    """Mark a function of a hidden check that has to run beside the student's code.

    Modules, hooks and optimizers cannot travel between processes. A probe uses them where the
    student's code is and returns plain data. In a notebook the mark does nothing.
    """
    return probe


def __getattr__(name: str) -> Any:
    """`from autograder import reference`, in an exercise file that runs as a script."""
    if name == "reference":
        from autograder.authoring.reference import of_the_running_script

        return of_the_running_script()
    raise AttributeError(f"module 'autograder' has no attribute {name!r}")
