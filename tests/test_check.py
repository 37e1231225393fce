"""Every promise of a course can be broken, is then named, and says what to do next."""

from pathlib import Path

import pytest
from conftest import edit

from autograder.authoring.build import build
from autograder.authoring.check import Promise, check, check_file
from autograder.authoring.course import read_course


def broken(path: Path) -> list[Promise]:
    return [p for p in check_file(path) if not p.kept]


def test_a_whole_course_keeps_every_promise(small_course: Path) -> None:
    build(small_course)
    exercises = read_course(small_course / "solutions").select()
    promises = [p for done in check(exercises, workers=2) for p in done]
    assert [str(p) for p in promises if not p.kept] == []
    assert len(promises) > 20
    assert {p.about for p in promises} == {"01_means/01_rms", "01_means/90_quiz"}


# What is changed, which promise that breaks, and words of what is said about it.
BREAKS = {
    "a reference that is wrong": (
        "return x.square().mean().sqrt()\n    ### END",
        "return x.square().mean()\n    ### END",
        "the reference passes every check",
        "wanted 3.53",
    ),
    "a mistake that passes": (
        "return (x.square().sum() / (x.numel() - 1)).sqrt()",
        "return (x.square().sum() / (x.numel() - 0)).sqrt()",
        "mistake divides_by_one_less fails what it says",
        "should fail 'it is the root",
    ),
    "a mistake that fails more than it says": (
        "return x.square().mean(dim=-1).sqrt()",
        "return x.square().sum(dim=-1).sqrt()",
        "mistake keeps_the_rows_apart fails what it says",
        "should pass 'it is the root",
    ),
    "an alternative that fails": (
        "return x.norm() / x.numel() ** 0.5",
        "return x.norm() / x.numel()",
        "alternative with_the_norm earns full points",
        "'it is the root",
    ),
    "an aspect that a stub passes": (
        'expect.shape(rms(x.clone()), (), when="taking the root mean square of x")\nwith',
        "with __import__('contextlib').suppress(NotImplementedError),",
        "the stub fails each aspect",
        "'x is left as it was': passes",
    ),
    "an aspect that is earned by doing nothing": (
        'expect.shape(rms(x.clone()), (), when="taking the root mean square of x")\n',
        "",
        "functions that do nothing earn nothing",
        "'x is left as it was' is earned by functions that only `return None`",
    ),
    "a check that breaks by itself": (
        "torch.manual_seed(1)",
        "torch.manual_seed(one)",
        "the reference passes every check",
        "the check itself breaks",
    ),
    "a check that needs a lucky seed": (
        "torch.manual_seed(1)",
        'torch.manual_seed(1)\nexpect.equal(torch.initial_seed(), 1, when="drawing")',
        "the reference passes every check",
        "wanted 1,",
    ),
    "an attempt that uses what is forbidden": (
        "return x.norm() / x.numel() ** 0.5",
        "return x.flatten()[0] / torch.rms_norm(x, x.shape).flatten()[0]",
        "no attempt uses what it forbids",
        "alternative with_the_norm uses torch.rms_norm",
    ),
    "a forbidden built-in that does not exist": (
        'forbid="rms_norm"',
        'forbid="rms_nrom"',
        "what it forbids is known",
        "PyTorch has no 'rms_nrom'",
    ),
    "an aspect without a mistake of its own": (
        'fails="x is left as it was"',
        'fails="x is left as it was; all dimensions count"',
        "a mistake that only 'x is left as it was' catches",
        "none has fails=",
    ),
}


@pytest.mark.parametrize("old, new, promise, words", BREAKS.values(), ids=BREAKS)
def test_a_broken_promise_is_named(
    small_course: Path, exercise_file: Path, old: str, new: str, promise: str, words: str
) -> None:
    edit(exercise_file, old, new)
    found = [p for p in broken(exercise_file) if promise in p.text]
    assert found, [str(p) for p in broken(exercise_file)]
    assert any(words in p.broken for p in found)
    assert all("python -m autograder" in p.then for p in found)


def test_too_few_mistakes_and_alternatives_are_counted(exercise_file: Path) -> None:
    text = exercise_file.read_text("utf-8")
    exercise_file.write_text(text[: text.index("# %% mistake")], "utf-8")
    said = {p.text: p.broken for p in broken(exercise_file)}
    assert said["at least 5 mistakes"] == "there are 0"
    edit(exercise_file, '# %% alternative of="rms"\ndef step', "# %%\ndef step")
    said = {p.text: p.broken for p in broken(exercise_file)}
    assert said["at least 2 alternatives"] == "there are 1"


def test_a_key_without_evidence_is_named(quiz_file: Path) -> None:
    edit(quiz_file, "# %% evidence\nnumbers", "# %% setup\nnumbers")
    assert "mean-and-outlier has evidence" in [p.text for p in broken(quiz_file)]


def test_evidence_that_does_not_hold_is_named(quiz_file: Path) -> None:
    edit(quiz_file, "assert (spoilt.median() - numbers.median()).abs() < 1", "assert False")
    (promise,) = [p for p in broken(quiz_file) if "variants" in p.text]
    assert "does not hold: AssertionError" in promise.broken
    assert "seed 0" in promise.broken


def test_a_slip_as_good_as_the_answer_is_named(quiz_file: Path) -> None:
    edit(quiz_file, "0.1 * old + 0.9 * batch}", "answer * 1.015}")
    (promise,) = [p for p in broken(quiz_file) if "variants" in p.text]
    assert "(The new batch has the weight 0.1, not the old mean.) is as good as" in promise.broken


def test_two_slips_that_nobody_can_tell_apart_are_named(quiz_file: Path) -> None:
    edit(quiz_file, "0.1 * old + 0.9 * batch}", '7 * answer, "Another.": 7.05 * answer}')
    (promise,) = [p for p in broken(quiz_file) if "variants" in p.text]
    assert "(Another.) is as good as" in promise.broken


def test_an_answer_that_is_told_another_sentence_than_its_own_is_named(quiz_file: Path) -> None:
    edit(quiz_file, " rtol=0.01", " rtol=0.4")
    said = [p.broken for p in broken(quiz_file)]
    assert any("should fail" in s or "should be told" in s or "as good as" in s for s in said)


def test_a_key_that_raises_is_an_author_s_error(quiz_file: Path) -> None:
    edit(quiz_file, "answer = 0.9", "answer = 1 / 0 + 0.9")
    (promise,) = broken(quiz_file)
    assert promise.text == "the file can be read"
    assert "ZeroDivisionError: division by zero" in promise.broken


def test_a_stale_or_missing_build_is_named(small_course: Path, exercise_file: Path) -> None:
    assert {p.text for p in broken(exercise_file)} == {"source/ is current", "release/ is there"}
    build(small_course)
    assert broken(exercise_file) == []
    edit(exercise_file, "# The root mean square", "# Root mean square")
    (promise,) = broken(exercise_file)
    assert promise.text == "source/ is current"
    assert promise.then == "python -m autograder build"


@pytest.mark.parametrize("line", ["return x.square().mean().sqrt()", "def squares_in_place(x):"])
def test_a_leak_in_a_release_is_named(small_course: Path, exercise_file: Path, line: str) -> None:
    build(small_course)
    released = small_course / "release/01_means/01_rms.ipynb"
    edit(released, "`rms` is not written yet", f"{line} is not written yet")
    (promise,) = broken(exercise_file)
    assert promise.text == "release/ gives nothing away"
    assert line in promise.broken
    assert "a checksum that is not of what it shows" in promise.broken


def test_an_answer_in_the_metadata_of_a_release_is_named(
    small_course: Path, quiz_file: Path
) -> None:
    build(small_course)
    released = small_course / "release/01_means/90_quiz.ipynb"
    edit(released, '"deletable": false', '"right": "b",\n    "deletable": false')
    (promise,) = broken(quiz_file)
    assert "metadata ['deletable', 'editable', 'nbgrader', 'right']" in promise.broken


def test_feedback_of_an_option_in_a_release_is_named(small_course: Path, quiz_file: Path) -> None:
    build(small_course)
    released = small_course / "release/01_means/90_quiz.ipynb"
    why = "The mean adds all numbers up. How large is a hundredth of an error without bounds?"
    edit(released, "# Your answer: one letter", f"# {why} one letter")
    (promise,) = broken(quiz_file)
    assert why in promise.broken


def test_a_malformed_file_is_a_broken_promise(exercise_file: Path) -> None:
    edit(exercise_file, "points=2", "points=2.5")
    (promise,) = broken(exercise_file)
    assert promise.text == "the file can be read"
    assert "points=2.5" in promise.broken


def test_a_promise_is_one_line_and_its_failure_says_what_to_do() -> None:
    kept = Promise("01_means/01_rms", "the reference passes every check")
    assert str(kept) == "kept    01_means/01_rms  the reference passes every check"
    failed = Promise("a", "b", "it does not", "edit it")
    assert str(failed) == "BROKEN  a  b\n        it does not\n        next: edit it"


def test_a_notebook_that_takes_too_long_is_named(
    exercise_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autograder.authoring.check.SECONDS", 0)
    assert "a graded run takes at most 0 s" in [p.text for p in broken(exercise_file)]
