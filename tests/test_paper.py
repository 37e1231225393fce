"""A quiz put together by one short file: it is a file like any other."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from autograder.__main__ import main
from autograder.authoring import paper, quiz
from autograder.authoring.build import build
from autograder.authoring.check import check_file
from autograder.authoring.course import AuthorError, read_course, read_exercise
from autograder.authoring.notebook import render

PLAN = """\
title = "Midterm"
write = "02_normalization/95_midterm"
seed = 4

[[draw]]
section = "02_normalization"
kind = "choice"
count = 2

[[draw]]
objective = "normalization"
level = ["apply", "analyze"]
kind = "numeric"
"""


@pytest.fixture
def term(tmp_path: Path) -> Path:
    """A course of one section, with its questions."""
    for name in ("15_which_norm", "90_quiz", "14_pre_and_post_ln"):
        target = tmp_path / f"solutions/02_normalization/{name}.py"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / f"solutions/02_normalization/{name}.py", target)
    shutil.copy(ROOT / "solutions/objectives.csv", tmp_path / "solutions")
    (tmp_path / "midterm.toml").write_text(PLAN, encoding="utf-8")
    return tmp_path


def write(term: Path) -> Path:
    assert main(["--course", str(term), "paper", str(term / "midterm.toml")]) == 0
    return term / "solutions/02_normalization/95_midterm.py"


def test_the_paper_keeps_every_promise_of_its_questions(
    term: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(term)
    made = read_exercise(path)
    kinds = [item.kind for item in quiz.items(made)]
    assert sorted(kinds) == ["choice", "choice", "numeric"]
    assert all(f": {item.id}" in capsys.readouterr().out for item in quiz.items(made)[:1])
    broken = [str(p) for p in check_file(path) if not p.kept and "/ is" not in p.text]
    assert broken == []
    text = path.read_text(encoding="utf-8")
    write(term)
    assert path.read_text(encoding="utf-8") == text


def test_another_seed_draws_other_questions(term: Path) -> None:
    first = {item.id for item in quiz.items(read_exercise(write(term)))}
    plan = term / "midterm.toml"
    drawn = set(first)
    for seed in (5, 6, 7):
        plan.write_text(PLAN.replace("seed = 4", f"seed = {seed}"), encoding="utf-8")
        drawn |= {item.id for item in quiz.items(read_exercise(write(term)))}
    assert len(drawn) > len(first)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count = 2", "count = 500", "questions that fit"),
        ("kind", "sort", "sort in a"),
        ("write", "wrote", "no write"),
        ('"apply"', '"applied"', "applied"),
        ("title =", "title", "Midterm"),
        ("95_midterm", "90_quiz", "written by hand"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(
    term: Path, old: str, new: str, said: str
) -> None:
    plan = term / "midterm.toml"
    plan.write_text(PLAN.replace(old, new), encoding="utf-8")
    before = (term / "solutions/02_normalization/90_quiz.py").read_bytes()
    with pytest.raises(AuthorError) as refused:
        paper.write(read_course(term / "solutions"), {"02_normalization": "normalization"}, plan)
    assert said in str(refused.value)
    assert (term / "solutions/02_normalization/90_quiz.py").read_bytes() == before


def test_a_plan_that_is_not_there_shows_one(tmp_path: Path, small_course: Path) -> None:
    with pytest.raises(AuthorError, match=r"\[\[draw\]\]"):
        paper.write(read_course(small_course / "solutions"), {}, tmp_path / "none.toml")


def test_a_seed_rolls_a_term_and_stays(small_course: Path) -> None:
    quiz_file = small_course / "solutions/01_means/90_quiz.py"
    first = render(read_exercise(quiz_file))
    assert main(["--course", str(small_course), "build", "--seed", "5"]) == 0
    assert (small_course / "solutions/term.toml").read_text("utf-8") == "seed = 5\n"
    second = render(read_exercise(quiz_file))
    assert [c.source for c in first.cells] != [c.source for c in second.cells]
    built = (small_course / "source/01_means/90_quiz.ipynb").read_text("utf-8")
    build(small_course)
    assert (small_course / "source/01_means/90_quiz.ipynb").read_text("utf-8") == built
    (small_course / "solutions/term.toml").write_text("seed = -1\n", encoding="utf-8")
    with pytest.raises(AuthorError, match="whole number"):
        read_exercise(quiz_file)
