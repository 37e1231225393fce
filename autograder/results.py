"""What grading one aspect of one notebook came to, and totals of such results."""

from collections.abc import Iterable
from dataclasses import dataclass

from autograder.expect import Mistake


@dataclass(frozen=True)
class Result:
    """One aspect: passed is True or False, or None while it waits for a person."""

    aspect: str
    points: int
    passed: bool | None
    message: str = ""

    @property
    def earned(self) -> int:
        return self.points if self.passed else 0


def total(results: Iterable[Result]) -> tuple[int, int]:
    """The points earned and the points there were."""
    results = list(results)
    return sum(r.earned for r in results), sum(r.points for r in results)


def explain(error: BaseException) -> str:
    """The sentence a student reads about an exception that ended a check."""
    if isinstance(error, Mistake):
        return str(error)
    if isinstance(error, NotImplementedError):
        return f"Not attempted yet: {error}" if str(error) else "Not attempted yet."
    if isinstance(error, NameError) and error.name:
        return f"`{error.name}` is not defined. Did the cell that defines it stop with an error?"
    if isinstance(error, TimeoutError):
        return "The code took too long and was stopped. Does every loop end?"
    return f"The code stopped with {type(error).__name__}: {error}"
