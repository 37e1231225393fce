"""What is generated and committed: current, valid, silent about answers, and in order."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, course

from autograder.authoring.build import build
from autograder.authoring.check import leaks
from autograder.authoring.course import Exercise
from autograder.authoring.notebook import render
from autograder.authoring.reference import run

EXERCISES = course().exercises
by_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.id)


def test_source_and_release_are_what_a_build_elsewhere_makes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "solutions", tmp_path / "solutions")
    build(tmp_path)
    for folder in ("source", "release"):
        fresh = {p.relative_to(tmp_path): p.read_bytes() for p in (tmp_path / folder).rglob("*.*")}
        committed = {p.relative_to(ROOT): p.read_bytes() for p in (ROOT / folder).rglob("*.*")}
        assert fresh.keys() == committed.keys()
        stale = [str(path) for path in fresh if fresh[path] != committed[path]]
        assert not stale, "python -m autograder build"


@by_exercise
def test_notebooks_are_valid(exercise: Exercise) -> None:
    for folder in ("source", "release"):
        nbformat.validate(nbformat.read(ROOT / folder / f"{exercise.id}.ipynb", as_version=4))


@by_exercise
def test_a_release_gives_nothing_away(exercise: Exercise) -> None:
    assert leaks(exercise, (ROOT / "release" / f"{exercise.id}.ipynb").read_text("utf-8")) == []


@by_exercise
def test_exactly_the_visible_checks_fail_in_an_untouched_release(exercise: Exercise) -> None:
    """What a teaching assistant sees who runs nbval over release/."""
    released = nbformat.read(ROOT / "release" / f"{exercise.id}.ipynb", as_version=4)
    failed = {o.result.aspect for o in run(released) if not o.result.passed}
    checks = {c.id for c in released.cells if c.metadata.get("nbgrader", {}).get("points") == 0}
    assert failed == checks


@by_exercise
def test_a_checksum_tells_nothing_of_the_key(exercise: Exercise) -> None:
    """Another key in the hidden cell gives the same release, checksums and all."""
    source = render(exercise)
    released = nbformat.read(ROOT / "release" / f"{exercise.id}.ipynb", as_version=4)
    for ours, theirs in zip(source.cells, released.cells, strict=True):
        if "BEGIN HIDDEN" in ours.source:
            assert theirs.source == ours.source.splitlines()[0]


def test_the_installed_package_holds_no_answer(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        code = "\n".join(archive.read(n).decode() for n in names if n.endswith((".py", ".md")))
    assert not [n for n in names if n.startswith(("solutions", "source", "release", "tests"))]
    assert "autograder/expect.py" in names
    assert "autograder/data/mnist_10k_2k.npz" in names
    for exercise in EXERCISES:
        for cell in exercise.of("solution"):
            for name in cell.defines:
                assert f"def {name}(" not in code, f"{name} of {exercise.id}"


def test_every_command_works_from_the_wheel_s_point_of_view() -> None:
    """Importing the package for students needs neither nbgrader nor jupytext."""
    code = (
        "import sys; from autograder import expect, student_side; "
        "assert not {'nbgrader', 'jupytext', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
