"""The fabricated class: drawn by a seed, graded by nbgrader, equal to our own points."""

from pathlib import Path

import pytest

from autograder.authoring.course import AuthorError, read_course
from autograder.grading import demo, overview
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


def test_a_class_is_graded_by_nbgrader_as_by_us_and_reported(
    small_course: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from autograder.__main__ import main

    words = ["--course", str(small_course), "demo", "--students", "3", "--notebooks", "2"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "nbgrader gave each of the 6 notebooks the points that we do." in said
    report = small_course / "demo/report.html"
    assert str(report) in said
    page = report.read_text("utf-8")
    for student in demo.names(3):
        assert student in page
        assert (small_course / f"demo/feedback/{student}/01_means/01_rms.html").is_file()
    assert f'href="feedback/{demo.names(1)[0]}/01_means/01_rms.html"' in page
    # It is made anew, but nothing else is ever thrown away.
    other = small_course / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    assert main([*words, "--folder", "mine"]) == 1
    assert (other / "thesis.txt").is_file()
    assert "a folder with something else in it" in capsys.readouterr().err


def test_a_folder_of_someone_else_is_refused(small_course: Path, tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(AuthorError, match="something else in it"):
        demo.demo(small_course, tmp_path, students=1, notebooks=1, say=lambda _: None)


ROWS = [
    ("ada", {"rms": (4.0, 4.0), "quiz": (0.0, 2.0)}),
    ("<script>", {"rms": (2.0, 4.0), "quiz": (2.0, 2.0)}),
]


def test_the_table_has_a_line_a_student() -> None:
    lines = overview.table(ROWS).splitlines()
    assert len(lines) == 3
    assert lines[1].split() == ["ada", *"4 / 4 0 / 2 4 / 6".split()]


def test_the_page_is_safe_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    overview.page(path, "A class", ROWS, [("Squares & roots <b>", 3)], ["Note"], {})
    text = path.read_text("utf-8")
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "Squares &amp; roots &lt;b&gt;" in text
    assert "http" not in text
