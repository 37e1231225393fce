"""The course's own exercises: references pass, stubs fail, mistakes fail what they say."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, course

from autograder.authoring import reference
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
def test_messages_of_mistakes_say_when_wanted_got_and_think(exercise: Exercise) -> None:
    notebook = render(exercise)
    for attempt in reference.attempts(exercise, notebook):
        if attempt.kind != "mistake":
            continue
        for outcome in reference.run(notebook, attempt):
            message = outcome.result.message
            if not outcome.result.passed and message.startswith("When "):
                assert "\n  wanted " in message
                assert "\n  got " in message
                assert "\nThink: " in message, f"{exercise.id}, {attempt}: {message}"
                assert "!" not in message.replace("!=", "")


@by_exercise
def test_names_and_titles_are_a_student_s(exercise: Exercise) -> None:
    assert 3 <= len(exercise.title) <= 70
    assert exercise.header.options["goal"]
    prompt = exercise.header.source
    assert not any(word in prompt for word in ("ERRATA", "seed 00", "nbgrader")), exercise.path


def test_no_inventory_item_of_the_section_is_missing() -> None:
    """The numbers that the section owes; the whole list comes with the quiz bank."""
    owed = {*range(14, 24), 70, 72, 73, 82, 86, 105, 109, 110, 115, 147, 148}
    covered = {n for e in EXERCISES if e.section == "02_normalization" for n in e.items}
    assert covered == owed


@pytest.mark.parametrize("path", sorted((ROOT / "solutions").rglob("*")), ids=lambda p: p.name)
def test_nothing_but_exercises_lies_in_solutions(path: Path) -> None:
    known = {e.path for e in EXERCISES} | {e.path.parent for e in EXERCISES}
    assert path in known or path.name == "__pycache__" or "__pycache__" in path.parts
