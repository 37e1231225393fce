"""Objectives, levels and the inventory: what is covered, and what is not."""

from pathlib import Path

import pytest
from conftest import ROOT, course, edit

from autograder.__main__ import main
from autograder.authoring import coverage
from autograder.authoring.course import LEVELS, AuthorError, read_course

SOLUTIONS = ROOT / "solutions"
# Sections to which nothing is missing any more.
TEXT = "item,sections,points,what\n1,01_means,2,The root mean square\n2,01_means,1,A median\n"


def test_the_inventory_has_every_number_once() -> None:
    lines = coverage.read_inventory(SOLUTIONS)
    assert [line.item for line in lines] == [*range(1, 162)]
    assert all(line.what and line.sections for line in lines)


def test_whatever_earns_points_in_the_course_has_an_objective_and_a_level() -> None:
    objectives = coverage.read_objectives(SOLUTIONS)
    found = list(coverage.graded(course().exercises, objectives))
    assert len(found) > 250
    assert all(one.level in LEVELS and one.objective and one.points > 0 for one in found)
    assert {one.file for one in found} == {e.id for e in course().exercises}


def test_nothing_of_the_inventory_is_missing() -> None:
    lines = coverage.read_inventory(SOLUTIONS)
    assert [(line.item, s) for line, s in coverage.missing(lines, course().exercises)] == []


def test_no_file_covers_a_number_that_its_section_does_not_owe() -> None:
    owed = {(s, line.item) for line in coverage.read_inventory(SOLUTIONS) for s in line.sections}
    strange = [(e.id, n) for e in course().exercises for n in e.items if (e.section, n) not in owed]
    assert strange == []


def test_what_is_missing_is_named(small_course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solutions = small_course / "solutions"
    (solutions / "inventory.csv").write_text(TEXT, encoding="utf-8")
    (solutions / "objectives.csv").write_text(
        "objective,section,you can\nmeans,01_means,average\n", encoding="utf-8"
    )
    edit(solutions / "01_means/01_rms.py", 'items=""', 'items="1"')
    assert main(["--course", str(small_course), "coverage"]) == 1
    said = capsys.readouterr().out
    assert "missing: 2 in 01_means: A median" in said
    assert "1 of 2 items" in said
    assert "\nmeans " in said
    edit(solutions / "01_means/90_quiz.py", 'items=""', 'items="2"')
    assert main(["--course", str(small_course), "coverage"]) == 0
    assert main(["--course", str(small_course), "coverage", "--files"]) == 0
    assert "The root mean square\n        01_means/01_rms" in capsys.readouterr().out


def test_an_objective_that_nobody_declared_is_refused(small_course: Path) -> None:
    solutions = small_course / "solutions"
    with pytest.raises(AuthorError, match="objective"):
        list(coverage.graded(read_course(solutions).exercises, {"02_other": "others"}))


def test_the_table_adds_up() -> None:
    one = coverage.Graded("a/b", "x", 2, "means", "apply", 1)
    other = coverage.Graded("a/b", "y", 3, "means", "create", 1)
    rows = [line.split() for line in coverage.by_level([one, other]).splitlines()]
    assert rows[1] == ["means", ".", ".", "1", "(2)", ".", ".", "1", "(3)", "2", "(5)"]
    assert rows[1][1:] == rows[2][1:]
