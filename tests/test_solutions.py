"""The course's own exercises: references pass, stubs fail, mistakes fail what they say."""

import subprocess
import sys

import pytest
from conftest import ROOT, course

from autograder.authoring.check import check_attempts, check_coverage
from autograder.authoring.course import Exercise
from autograder.authoring.notebook import render

EXERCISES = course().exercises
by_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)


@by_exercise
def test_references_pass_stubs_fail_and_mistakes_fail_what_they_say(exercise: Exercise) -> None:
    promises = [*check_attempts(exercise, render(exercise)), *check_coverage(exercise)]
    assert [str(p) for p in promises if not p.kept] == []


@by_exercise
def test_a_file_runs_as_a_script(exercise: Exercise) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", exercise.path], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


@by_exercise
def test_names_and_titles_are_a_student_s(exercise: Exercise) -> None:
    assert 3 <= len(exercise.title) <= 70
    assert exercise.header.options["goal"]
    prompt = exercise.header.source
    assert not any(word in prompt for word in ("ERRATA", "seed 00", "nbgrader")), exercise.path


# The inventory's numbers that each section owes; the whole list comes with the quiz bank.
OWED = {
    "04_optimization": {33, 35, 36, 48, 64, 149, 150, 151, 156, 157, 161},
    "05_mixed_precision": {37, 38, 39, 41, 51, 152, 159, 160},
    "02_normalization": {*range(14, 24), 70, 72, 73, 82, 86, 105, 109, 110, 115, 147, 148},
}


@pytest.mark.parametrize("section", OWED)
def test_no_inventory_item_of_a_section_is_missing(section: str) -> None:
    assert {n for e in EXERCISES if e.section == section for n in e.items} == OWED[section]
