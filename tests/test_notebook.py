"""Rendering: an exercise file as an nbgrader notebook, and the stubs that students get."""

import re
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from conftest import edit
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient
from nbgrader.nbgraderformat import MetadataValidator

from autograder.authoring.course import AuthorError, Exercise, read_exercise
from autograder.authoring.notebook import cell_id, points, render, solved, stub

FUNCTION = """\
def f(x):
    \"\"\"Return twice x.\"\"\"
    ### BEGIN SOLUTION
    y = 2 * x
    return y
    ### END SOLUTION"""


def test_a_function_becomes_a_stub_that_says_its_name() -> None:
    assert stub(FUNCTION) == (
        'def f(x):\n    """Return twice x."""\n'
        "    # Your code goes here, in place of the next line.\n"
        '    raise NotImplementedError("`f` is not written yet")'
    )


def test_a_method_says_its_own_name() -> None:
    body = "        ### BEGIN SOLUTION\n        pass\n        ### END SOLUTION"
    source = f"class C:\n    def step(self):\n{body}"
    assert "`step` is not written yet" in stub(source)


def test_a_value_becomes_three_dots_under_its_comment() -> None:
    source = "# a number\n### BEGIN SOLUTION\nhe_std = (2 / 512) ** 0.5\n### END SOLUTION"
    assert stub(source) == "# a number\nhe_std = ..."


def test_several_values_become_several_dots() -> None:
    source = "### BEGIN SOLUTION\nmean = 4.0\nvar = 5.0\n### END SOLUTION"
    assert stub(source) == "mean = ...\nvar = ..."


def test_the_solution_without_its_markers_is_the_code_itself() -> None:
    assert solved(FUNCTION) == ('def f(x):\n    """Return twice x."""\n    y = 2 * x\n    return y')


@given(st.lists(st.sampled_from(["a = 1", "b = a", "    c = 2", "# note", ""]), max_size=6))
def test_stubs_hold_nothing_of_the_solution(lines: list[str]) -> None:
    body = "\n".join(f"    secret_{n} = {n}" for n, _ in enumerate(lines))
    source = f"def f():\n    ### BEGIN SOLUTION\n{body}\n    return 0\n    ### END SOLUTION"
    assert "secret" not in stub(source)
    compile(stub(source), "stub", "exec")


def test_a_notebook_is_a_valid_nbgrader_notebook_with_its_kernel(small_course: Path) -> None:
    for path in (small_course / "solutions").rglob("*.py"):
        notebook = render(read_exercise(path))
        nbformat.validate(notebook)
        assert notebook.metadata.kernelspec.name == "python3"
        validator = MetadataValidator()
        for cell in notebook.cells:
            if "nbgrader" in cell.metadata:
                assert cell.metadata.nbgrader.schema_version == 3
                validator.validate_cell(cell)


def test_each_aspect_is_one_grade_cell_with_a_visible_title(exercise_file: Path) -> None:
    notebook = render(read_exercise(exercise_file))
    graded = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("points")]
    titles = [c.source.splitlines()[0] for c in graded]
    assert titles == [
        "# Hidden check, 2 points: it is the root of the mean of the squares",
        "# Hidden check, 1 point: all dimensions count",
        "# Hidden check, 1 point: x is left as it was",
    ]
    for cell in graded:
        assert cell.source.splitlines()[1] == "### BEGIN HIDDEN TESTS"
        assert cell.source.splitlines()[-1] == "### END HIDDEN TESTS"
        assert cell.metadata.nbgrader.locked


def test_the_reference_is_written_into_the_hidden_region(exercise_file: Path) -> None:
    notebook = render(read_exercise(exercise_file))
    inlined = [c for c in notebook.cells if "def _reference" in c.source]
    assert len(inlined) == 1
    source = inlined[0].source
    assert source.index("BEGIN HIDDEN") < source.index("x.square().mean().sqrt()")
    assert "import reference" not in source
    names: dict[str, object] = {}
    exec("import torch\nfrom torch import Tensor\nfrom autograder import expect", names)
    exec("def rms(x): return x.square().mean().sqrt()", names)
    exec(source, names)


def test_mistakes_alternatives_keys_and_evidence_stay_out(small_course: Path) -> None:
    for path in (small_course / "solutions").rglob("*.py"):
        exercise = read_exercise(path)
        lines = {line for c in render(exercise).cells for line in c.source.splitlines()}
        for cell in exercise.of("mistake", "alternative", "key", "evidence"):
            own = [line for line in cell.source.splitlines() if line.strip()]
            assert own[0] not in lines
            assert own[-1] not in lines


def test_a_notebook_asks_for_the_name_once(small_course: Path) -> None:
    for path in (small_course / "solutions").rglob("*.py"):
        notebook = render(read_exercise(path))
        asking = [c for c in notebook.cells if "COLLABORATORS" in c.source]
        assert len(asking) == 1
        assert "nbgrader" not in asking[0].metadata


def test_the_prompt_shows_stars_minutes_points_and_goal(exercise_file: Path) -> None:
    prompt = render(read_exercise(exercise_file)).cells[0].source
    assert prompt.startswith("# The root mean square\n\n*★☆☆ · about 10 minutes · 4 points · goal:")


def test_ids_are_unique_short_and_the_same_every_time(small_course: Path) -> None:
    for path in (small_course / "solutions").rglob("*.py"):
        first, second = render(read_exercise(path)), render(read_exercise(path))
        ids = [cell.id for cell in first.cells]
        assert ids == [cell.id for cell in second.cells]
        assert len(set(ids)) == len(ids)
        assert all(re.fullmatch(r"[a-z0-9-]{1,64}", i) for i in ids)


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=200))
def test_two_long_names_get_two_ids(one: str, other: str) -> None:
    exercise = Exercise(Path("01_section/01_name.py"), ())
    long = "a sentence that is longer than what fits into an id of a cell "
    ids = cell_id(exercise, long + one), cell_id(exercise, long + other)
    assert all(len(i) <= 64 for i in ids)
    slugs = [re.sub(r"[^a-z0-9]+", "-", t.lower()).strip("-") for t in (long + one, long + other)]
    assert (ids[0] == ids[1]) == (slugs[0] == slugs[1])


def test_points_are_those_of_checks_and_of_readers(quiz_file: Path) -> None:
    text = (
        '\n# %% text [markdown] id="why" points=3\n'
        '"""\nWhy?\n\n- [1] One reason.\n- [2] Another.\n"""\n'
        "\n# %% evidence\nassert True\n"
    )
    quiz_file.write_text(quiz_file.read_text("utf-8") + text, "utf-8")
    exercise = read_exercise(quiz_file)
    assert points(exercise) == (2, 3)
    task = next(c for c in render(exercise).cells if c.metadata.get("nbgrader", {}).get("task"))
    assert "### BEGIN MARK SCHEME\n- [1] One reason.\n- [2] Another." in task.source
    assert task.metadata.nbgrader.points == 3


def test_a_question_is_a_prompt_an_answer_a_form_check_and_a_hidden_check(quiz_file: Path) -> None:
    cells = render(read_exercise(quiz_file)).cells
    at = next(i for i, c in enumerate(cells) if c.id.endswith("mean-and-outlier-question"))
    question, answer, form, hidden = cells[at : at + 4]
    assert "- **a)** " in question.source
    assert "- **c)** " in question.source
    assert stub(answer.source).splitlines()[-1] == "mean_and_outlier = ..."
    assert "BEGIN HIDDEN" not in form.source
    assert "right" not in form.source
    assert "right=" in hidden.source


@pytest.mark.parametrize("seed", range(8))
def test_every_variant_of_a_quiz_passes_its_own_checks(quiz_file: Path, seed: int) -> None:
    from autograder.authoring.reference import run

    outcomes = run(render(replace(read_exercise(quiz_file), seed=seed)))
    assert all(o.result.passed for o in outcomes)


def test_two_seeds_give_two_papers(quiz_file: Path) -> None:
    exercise = read_exercise(quiz_file)
    papers = {nbformat.writes(render(replace(exercise, seed=seed))) for seed in range(10)}
    assert len(papers) > 3


def test_a_heading_inside_given_code_stays_code(exercise_file: Path) -> None:
    edit(exercise_file, "import torch\n", "import torch  # a comment\n")
    assert any("# a comment" in c.source for c in render(read_exercise(exercise_file)).cells)


def test_two_aspects_that_give_one_id_are_refused(exercise_file: Path) -> None:
    edit(exercise_file, 'aspect="all dimensions count"', 'aspect="X is left, as it was"')
    text = exercise_file.read_text("utf-8")
    exercise_file.write_text(
        text.replace('fails="all dimensions count"', 'fails="X is left, as it was"')
    )
    with pytest.raises(AuthorError, match="two cells with the id"):
        render(read_exercise(exercise_file))


def test_in_jupyter_a_stub_and_a_mistake_speak_without_a_traceback(exercise_file: Path) -> None:
    notebook = render(read_exercise(exercise_file))
    check = next(c for c in notebook.cells if c.id == "rms-check-1")
    solution = next(c for c in notebook.cells if c.id == "rms-rms")
    said = []
    for code in (stub(solution.source), "def rms(x):\n    return x.square().mean()"):
        solution.source = code
        NotebookClient(notebook, allow_errors=True).execute()
        (output,) = check.outputs
        assert output.output_type == "error"
        said.append("\n".join(output.traceback))
    assert said[0] == "Not attempted yet: `rms` is not written yet."
    assert said[1].startswith("When taking the root mean square of 3 and -4:\n  wanted 3.53553,")


def test_what_is_forbidden_is_said_and_written_where_grading_looks(exercise_file: Path) -> None:
    edit(exercise_file, 'forbid="rms_norm"', 'forbid="rms_norm layer_norm std"')
    notebook = render(read_exercise(exercise_file))
    assert notebook.metadata.autograder == {"forbid": ["rms_norm", "layer_norm", "std"]}
    said = "*Do without PyTorch's `rms_norm`, `layer_norm` and `std`: a solution that calls them"
    assert notebook.cells[0].source.endswith(f"{said} earns no points.*")
    edit(exercise_file, ' forbid="rms_norm layer_norm std"', "")
    notebook = render(read_exercise(exercise_file))
    assert "autograder" not in notebook.metadata
    assert "Do without" not in notebook.cells[0].source
