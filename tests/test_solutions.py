"""The course's own exercises: references pass, stubs fail, mistakes fail what they say."""

import pytest
import scripts
from conftest import ROOT, course

from autograder.authoring.check import check_attempts, check_coverage, check_idle
from autograder.authoring.course import Exercise
from autograder.authoring.notebook import render

EXERCISES = course().exercises
by_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)


@by_exercise
def test_references_pass_stubs_fail_and_mistakes_fail_what_they_say(exercise: Exercise) -> None:
    notebook = render(exercise)
    promises = [
        *check_attempts(exercise, notebook),
        *check_idle(exercise, notebook),
        *check_coverage(exercise),
    ]
    assert [str(p) for p in promises if not p.kept] == []


@by_exercise
def test_a_file_runs_as_a_script(exercise: Exercise) -> None:
    assert scripts.error_of(exercise.path, ROOT) == ""


@by_exercise
def test_names_and_titles_are_a_student_s(exercise: Exercise) -> None:
    assert 3 <= len(exercise.title) <= 70
    assert exercise.header.options["goal"]
    prompt = exercise.header.source
    assert not any(word in prompt for word in ("ERRATA", "seed 00", "nbgrader")), exercise.path
