"""The README tells the truth: its example is the skeleton, its commands exist and work."""

import re
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from conftest import ROOT

from autograder.__main__ import _parser
from autograder.authoring import reference, skeleton
from autograder.authoring.course import ROLES, read_exercise
from autograder.authoring.notebook import render
from autograder.results import total

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.M | re.S)


def test_the_exercise_shown_is_the_one_that_new_writes() -> None:
    text = files("autograder.authoring").joinpath("skeletons/exercise.py").read_text("utf-8")
    assert ("python", text.strip() + "\n") in BLOCKS


def test_the_wrong_solution_gets_the_message_and_the_points_shown(tmp_path: Path) -> None:
    wrong = next(code for kind, code in BLOCKS if kind == "python" and code.startswith("def rms"))
    exercise = read_exercise(skeleton.write(tmp_path, "01_means/01_rms"))
    notebook = render(exercise)
    cell = next(c for c in notebook.cells if reference.is_solution(c))
    results = [
        o.result for o in reference.run(notebook, reference.Attempt("", "", {cell.id: wrong}))
    ]
    assert ("", results[0].message + "\n") in BLOCKS
    earned, there_are = total(results)
    assert f"gives {earned} of {there_are} points" in README


COMMANDS = sorted(set(re.findall(r"python -m autograder ([^`\n#|]+)", README)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_can_be_typed(command: str) -> None:
    assert _parser().parse_args(shlex.split(command)).run


def test_both_make_commands_exist() -> None:
    for target in re.findall(r"^make (\w+)$", README, re.M):
        subprocess.run(["make", "-n", target], cwd=ROOT, check=True, capture_output=True)
    assert "make test" in (ROOT / ".ci/run").read_text("utf-8")


def test_every_role_is_in_the_table() -> None:
    table = README[README.index("| role |") : README.index("Hidden cells run")]
    assert not [role for role in ROLES if role and f"`{role}" not in table]


def test_every_folder_it_names_is_there() -> None:
    for folder in re.findall(r"^(\w+)/ {2,}", README, re.M):
        assert (ROOT / folder).is_dir()


def test_the_commands_for_authors_work_in_a_new_course(tmp_path: Path) -> None:
    block = next(code for _, code in BLOCKS if code.startswith("python -m autograder new"))
    commands = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    for words in [*commands[:2], commands[3], commands[2]]:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
