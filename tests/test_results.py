"""Results, totals, and the sentence that stands for an exception."""

import pytest

from autograder.expect import Mistake
from autograder.results import Result, explain, total


def test_points_are_earned_by_what_passed() -> None:
    results = [Result("a", 2, True), Result("b", 3, False), Result("essay", 5, None)]
    assert total(results) == (2, 10)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Mistake("trying", "this", "that"), "When trying:\n  wanted this,\n  got that."),
        (NotImplementedError("`f` is not written yet"), "Not attempted yet: `f` is not written"),
        (NotImplementedError(), "Not attempted yet."),
        (NameError("name 'f' is not defined", name="f"), "`f` is not defined. Did the cell"),
        (TimeoutError(), "took too long"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_an_exception_becomes_a_sentence(error: Exception, words: str) -> None:
    assert words in explain(error)
