"""What several test modules share: the course on disk, and a small course to break."""

import os
from pathlib import Path

# Before torch starts: two test workers with two threads each are slower than one thread each.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest

from autograder.authoring import skeleton
from autograder.authoring.course import Course, read_course

ROOT = Path(__file__).resolve().parent.parent


def course() -> Course:
    """The course of this repository, read while tests are collected."""
    return read_course(ROOT / "solutions")


@pytest.fixture
def small_course(tmp_path: Path) -> Path:
    """A course of one exercise and one quiz: the two skeletons."""
    skeleton.write(tmp_path, "01_means/01_rms")
    skeleton.write(tmp_path, "01_means/90_quiz", quiz=True)
    return tmp_path


@pytest.fixture
def exercise_file(small_course: Path) -> Path:
    return small_course / "solutions/01_means/01_rms.py"


@pytest.fixture
def quiz_file(small_course: Path) -> Path:
    return small_course / "solutions/01_means/90_quiz.py"


def edit(path: Path, old: str, new: str, count: int = 1) -> None:
    """Replace text that has to be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path.name}"
    path.write_text(text.replace(old, new, count), encoding="utf-8")
