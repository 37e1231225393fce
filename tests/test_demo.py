"""The fabricated class: drawn by a seed, graded, each with the points known beforehand."""

from dataclasses import replace
from pathlib import Path

import pytest

from autograder.__main__ import main
from autograder.authoring.course import read_course
from autograder.grading import demo, overview
from autograder.grading.grade import Outcome
from autograder.results import total


def test_the_same_seed_draws_the_same_class(small_course: Path) -> None:
    exercises = read_course(small_course / "solutions").exercises

    def points(seed: int) -> list[tuple[int, int]]:
        return [total(one.results) for one in demo.fabricate(exercises, 12, seed)]

    assert points(0) == points(0)
    assert points(0) != points(1)
    assert len(set(points(0))) > 3


def test_every_student_has_a_name_of_their_own() -> None:
    assert len(set(demo.names(500))) == 500


@pytest.mark.parametrize("plain", [[], ["--plain"]], ids=["sealed", "plain"])
def test_a_class_gets_the_points_known_beforehand_and_a_report(
    small_course: Path, plain: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--course", str(small_course), "demo", "--students", "3", "--notebooks", "2", *plain]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "Each of the 6 notebooks got the points that were known beforehand." in said
    assert f"Graded by {'nbgrader' if plain else 'our grader (isolation: '}" in said
    assert "01_rms: 3 graded; " in said
    report = small_course / "demo/report.html"
    assert str(report) in said
    page = report.read_text("utf-8")
    assert "What the class misunderstood" in page
    for student in demo.names(3):
        assert student in page
        assert (small_course / f"demo/feedback/{student}/01_means/01_rms.html").is_file()
    assert f'href="feedback/{demo.names(1)[0]}/01_means/01_rms.html"' in page


def test_points_that_are_not_the_known_ones_are_named(small_course: Path, tmp_path: Path) -> None:
    made = demo.fabricate_in(
        small_course, tmp_path / "class", what="01_rms", students=2, notebooks=1
    )
    right = [
        Outcome(h.student, "01_rms", "graded", *total(h.results), h.results) for h in made.handed
    ]
    assert demo.disagreements(made, right) == []
    one, other = right
    more = replace(one, earned=one.earned + 1)
    assert f"{one.earned + 1}, not {one.earned}" in demo.disagreements(made, [more, other])[0]
    (told,) = demo.disagreements(made, [one])
    assert "no points, not" in told
    turned = [replace(r, passed=not r.passed) for r in one.results]
    same = replace(one, results=tuple(turned))
    assert demo.disagreements(made, [same, other]) == [
        f"{one.student}, 01_means/01_rms: {r.aspect!r}" for r in one.results
    ]


def test_it_is_made_anew_but_nothing_else_is_thrown_away(
    small_course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.fabricate_in(small_course, small_course / "demo", students=1, notebooks=1)
    demo.fabricate_in(small_course, small_course / "demo", students=1, notebooks=1)
    other = small_course / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    assert main(["--course", str(small_course), "demo", "--folder", "mine"]) == 1
    assert (other / "thesis.txt").is_file()
    assert "a folder with something else in it" in capsys.readouterr().err


ROWS = [
    ("ada", {"rms": (4.0, 4.0), "quiz": (0.0, 2.0)}),
    ("<script>", {"rms": (2.0, 4.0), "quiz": (2.0, 2.0)}),
]


def test_the_page_is_safe_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    overview.page(path, "A class", ROWS, [("Squares & roots <b>", 3)], ["Note"], {})
    text = path.read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "Squares &amp; roots &lt;b&gt;" in text
    assert "http" not in text
