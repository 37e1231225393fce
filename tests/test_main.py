"""The commands, as they are typed; and that a new exercise touches one file."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT, edit

from autograder.__main__ import main
from autograder.grading import gradebook


def run(folder: Path, *words: str) -> int:
    return main(["--course", str(folder), *words])


COMMANDS = ("new", "build", "check", "coverage", "practice", "paper", "grade", "demo")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_text_with_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"example:\n  python -m autograder {command} " in capsys.readouterr().out


def test_the_help_lists_the_commands_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"    {command} " in said for command in COMMANDS)
    assert "python -m autograder check 02_normalization" in said


def test_one_new_file_goes_through_new_build_check_release_and_autograde(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "new", "01_means/01_rms") == 0
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["01_rms.py"]
    assert run(tmp_path, "build") == 0
    assert run(tmp_path, "check") == 0
    assert "20 promises kept, 0 broken" in capsys.readouterr().out
    gradebook.generate(tmp_path, "01_means")
    released = nbformat.read(tmp_path / "release/01_means/01_rms.ipynb", as_version=4)
    solution = next(c for c in released.cells if c.id == "rms-rms")
    solution.source = "def rms(x):\n    return x.square().mean(dim=-1).sqrt()"
    handed_in = tmp_path / "submitted/ada/01_means/01_rms.ipynb"
    handed_in.parent.mkdir(parents=True)
    nbformat.write(released, handed_in)
    points = gradebook.grade_plainly(tmp_path, "01_means", "ada")
    assert {cell.removeprefix("01_rms/rms-"): score for cell, score in points.items()} == {
        "check-1": 0.0,
        "it-is-the-root-of-the-mean-of-the-squares": 2.0,
        "all-dimensions-count": 0.0,
        "x-is-left-as-it-was": 1.0,
    }
    feedback = (tmp_path / "feedback/ada/01_means/01_rms.html").read_text("utf-8")
    assert "The result has no dimensions" in feedback
    assert "flatten" not in feedback


def test_a_broken_promise_makes_check_fail(
    small_course: Path, exercise_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(small_course, "build") == 0
    edit(exercise_file, "x.square_().mean().sqrt()", "x.square().mean().sqrt()")
    assert run(small_course, "check", "01_means/01_rms") == 1
    said = capsys.readouterr().out
    assert "BROKEN  01_means/01_rms  mistake squares_in_place" in said
    assert "next: edit " in said
    assert "1 BROKEN" in said


def test_check_all_shows_a_line_a_promise(
    small_course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(small_course, "build")
    assert run(small_course, "check", "rms", "--all") == 0
    said = capsys.readouterr().out
    assert "kept    01_means/01_rms  the reference passes every check\n" in said
    assert said.count("kept    ") == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["new", "rms"], "01_name is not NN_section/NN_exercise"),
        (["new", "01_means/01_rms"], "a file that is there already"),
        (["build", "02_norms"], "no section or exercise named '02_norms'"),
        (["check", "01_mean"], "'01_means'? Or"),
    ],
)
def test_bad_input_gets_a_clear_error(
    small_course: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(small_course, *words) == 1
    error = capsys.readouterr().err
    assert said.replace("01_name is", "a name that is") in error
    assert "\n  next      python " in error


def test_a_folder_without_a_course_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "check") == 1
    assert "no such folder" in capsys.readouterr().err


def test_a_count_is_a_whole_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["demo", "--students", "none"])
    assert stopped.value.code == 2
    assert "'none' is not a whole number above 0" in capsys.readouterr().err


def test_the_module_runs_as_a_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "autograder", "--course", ROOT, "check", "nothing_like_it"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert "the sections are: 01_initialization, 02_normalization" in done.stderr
