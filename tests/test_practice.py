"""Practice: other variants, an answer at once, nothing of a student's is run."""

from pathlib import Path

import nbformat
import pytest
from conftest import course

from autograder.__main__ import main
from autograder.authoring import practice, quiz
from autograder.authoring.course import read_course

QUESTIONS = practice.questions(course().select("02_normalization"), 30, seed=5)


def spoken(variants: list[quiz.Variant], answers: list[str]) -> tuple[tuple[int, int], str]:
    said: list[str] = []
    left = iter(answers)

    def read(prompt: str) -> str:
        try:
            return next(left)
        except StopIteration:
            raise EOFError from None

    return practice.ask(variants, said.append, read), "\n".join(said)


def right(variant: quiz.Variant) -> str:
    return variant.right if variant.item.kind == "choice" else repr(variant.answer)


def test_right_answers_are_right() -> None:
    score, said = spoken(QUESTIONS, [right(v) for v in QUESTIONS])
    assert score == (len(QUESTIONS), len(QUESTIONS))
    assert "Look again" not in said


def test_a_wrong_answer_is_explained_and_its_file_named() -> None:
    choice = next(v for v in QUESTIONS if v.item.kind == "choice" and len(v.right) == 1)
    wrong = next(letter for letter in choice.letters if letter not in choice.right)
    score, said = spoken([choice], [wrong])
    assert score == (0, 1)
    assert choice.letters[wrong].why.split(".")[0] in " ".join(said.split())
    assert f"Right would be {choice.right}." in said
    assert f"Look again at {choice.item.cell.path.parent.name}/" in said
    number = next(v for v in QUESTIONS if v.item.kind == "numeric")
    why, slip = next(iter(number.slips.items()))
    score, said = spoken([number], [repr(slip)])
    assert score == (0, 1)
    assert why.split(".")[0] in " ".join(said.split())


def test_what_is_malformed_is_asked_again_and_enter_skips() -> None:
    choice = next(v for v in QUESTIONS if v.item.kind == "choice")
    number = next(v for v in QUESTIONS if v.item.kind == "numeric")
    score, said = spoken([choice, number], ["?", "zz", "", "__import__('os')", "q"])
    assert score == (0, 0)
    assert "Skipped. Right would be" in said
    assert "is no number" in said


@pytest.mark.parametrize(
    ("words", "value"), [("2/3", 2 / 3), ("-1e-3", -1e-3), ("2 ^ 3", 8.0), ("(1 + 2) * 4", 12.0)]
)
def test_numbers_may_be_expressions(words: str, value: float) -> None:
    assert practice.arithmetic(words) == pytest.approx(value)


@pytest.mark.parametrize("words", ["abs(1)", "1/0", "a", "9**9**9**9", "1 if 1 else 2", "'x'*3"])
def test_nothing_else_is_run(words: str) -> None:
    with pytest.raises(ValueError, match="no number"):
        practice.arithmetic(words)


def test_the_variants_are_not_the_graded_ones() -> None:
    for drawn in QUESTIONS:
        graded = quiz.variant(drawn.item, 0)
        if len({quiz.variant(drawn.item, seed).prompt for seed in range(9)}) > 3:
            assert (drawn.prompt, drawn.options) != (graded.prompt, graded.options)


def test_a_practice_notebook_judges_what_is_written_into_it(
    small_course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--course", str(small_course), "practice", "--seed", "1", "--notebook"]
    assert main([*words, str(tmp_path / "mine")]) == 0
    notebook = nbformat.read(tmp_path / "mine.ipynb", as_version=4)
    nbformat.validate(notebook)
    asked = practice.questions(read_course(small_course / "solutions").exercises, 10, seed=1)
    by_name = {v.item.variable: v for v in asked}
    names: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        variable = cell.source.splitlines()[-1].split(" = ")[0]
        if variable in by_name:
            drawn = by_name.pop(variable)
            names[variable] = drawn.right if drawn.item.kind == "choice" else drawn.answer
        else:
            exec(cell.source, names)
    assert not by_name
    assert main([*words, str(tmp_path / "mine.ipynb")]) == 1
    assert "is there already" in capsys.readouterr().err
