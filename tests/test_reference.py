"""Running a notebook in this process: the reference, stubs, mistakes, and code that hangs."""

from pathlib import Path

import pytest
from conftest import edit

from autograder.authoring import reference
from autograder.authoring.course import AuthorError, read_exercise
from autograder.authoring.notebook import render


def outcomes(path: Path, kind: str, name: str = "") -> list[reference.Outcome]:
    exercise = read_exercise(path)
    notebook = render(exercise)
    attempt = next(
        a for a in reference.attempts(exercise, notebook) if a.kind == kind and a.name == name
    )
    return reference.run(notebook, attempt)


def test_the_reference_passes_and_each_check_has_its_points(exercise_file: Path) -> None:
    results = [o.result for o in outcomes(exercise_file, "reference")]
    assert [(r.points, r.passed) for r in results] == [(0, True), (2, True), (1, True), (1, True)]


def test_a_stub_is_told_that_it_is_not_attempted(exercise_file: Path, quiz_file: Path) -> None:
    for path in (exercise_file, quiz_file):
        for outcome in outcomes(path, "stub"):
            assert "ttempted" in outcome.result.message


def test_a_mistake_stands_under_the_name_of_the_solution(exercise_file: Path) -> None:
    exercise = read_exercise(exercise_file)
    attempts = reference.attempts(exercise, render(exercise))
    (source,) = attempts[-1].sources.values()
    assert source.startswith("def rms(x):\n    return x.square_()")


def test_a_wrong_value_is_computed_by_a_function(exercise_file: Path) -> None:
    text = exercise_file.read_text("utf-8")
    text += (
        "\n\n# %% solution\n# a number\n### BEGIN SOLUTION\nfour = 4\n### END SOLUTION\n"
        '\n# %% hidden aspect="four is four" points=1\n'
        'expect.equal(four, 4, when="looking at four")\n'
        '\n# %% mistake of="four" fails="four is four"\n'
        'def adds_one():\n    """Five is not four."""\n    return 5\n'
    )
    exercise_file.write_text(text, "utf-8")
    (failed,) = [
        o.result for o in outcomes(exercise_file, "mistake", "adds_one") if not o.result.passed
    ]
    assert failed.aspect == "four is four"
    assert "got 5" in failed.message


def test_an_attempt_may_not_bear_the_name_of_the_solution(exercise_file: Path) -> None:
    edit(exercise_file, "def with_the_norm(x):", "def rms(x):")
    exercise = read_exercise(exercise_file)
    with pytest.raises(AuthorError, match="the name 'rms' itself"):
        reference.attempts(exercise, render(exercise))


def test_a_check_does_not_see_the_names_of_another(exercise_file: Path) -> None:
    edit(
        exercise_file,
        "x = torch.tensor([3.0, -4.0])\n# Who",
        "# Who",
    )
    failed = [o for o in outcomes(exercise_file, "reference") if not o.result.passed]
    assert [o.result.aspect for o in failed] == ["x is left as it was"]
    assert not failed[0].fair
    assert "`x` is not defined" in failed[0].result.message


def test_a_broken_check_is_told_from_a_wrong_answer(exercise_file: Path) -> None:
    edit(exercise_file, "    rms(x)\n\n\n# %% alternative", "    rms(y)\n\n\n# %% alternative")
    (broken,) = [o for o in outcomes(exercise_file, "reference") if not o.result.passed]
    assert not broken.fair
    wrong = outcomes(exercise_file, "mistake", "forgets_the_root")
    assert all(o.fair for o in wrong if o.result.aspect.startswith("it is the root"))


def test_an_error_in_a_solution_cell_is_what_later_checks_report(exercise_file: Path) -> None:
    exercise = read_exercise(exercise_file)
    notebook = render(exercise)
    cell = next(c for c in notebook.cells if reference.is_solution(c))
    attempt = reference.Attempt("mixed", "", {cell.id: "rms = 1 / 0"})
    for outcome in reference.run(notebook, attempt):
        assert "ZeroDivisionError" in outcome.result.message
        assert outcome.fair


@pytest.mark.skipif(not hasattr(reference.signal, "SIGALRM"), reason="no signals on this system")
def test_code_that_hangs_is_stopped_and_the_others_still_run(
    exercise_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference, "TIME_LIMIT", 1)
    exercise = read_exercise(exercise_file)
    notebook = render(exercise)
    cell = next(c for c in notebook.cells if reference.is_solution(c))
    hangs = "def rms(x):\n    while x.ndim == 2:\n        pass\n    return x.square().mean().sqrt()"
    results = [
        o.result for o in reference.run(notebook, reference.Attempt("", "", {cell.id: hangs}))
    ]
    assert [r.passed for r in results] == [True, True, False, True]
    assert "took too long" in results[2].message


def test_a_salt_moves_the_seeds_and_puts_them_back(exercise_file: Path) -> None:
    import numpy as np
    import torch

    edit(
        exercise_file,
        'when="taking the root mean square of seven random numbers"',
        'when=f"drawing {x[0]:.6f} {np.random.default_rng(0).normal():.6f}"',
    )
    edit(exercise_file, "import torch\n", "import numpy as np\nimport torch\n")
    exercise = read_exercise(exercise_file)
    notebook = render(exercise)
    cell = next(c for c in notebook.cells if reference.is_solution(c))
    wrong = reference.Attempt("", "", {cell.id: "def rms(x): return x.sum()"})
    said = [reference.run(notebook, wrong, salt)[1].result.message for salt in (0, 1, 0)]
    assert said[0] == said[2]
    assert said[0].split()[2:4] != said[1].split()[2:4]
    torch.manual_seed(0)
    first = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(first, torch.rand(1))
    assert np.random.default_rng(0).normal() == np.random.default_rng(0).normal()


def test_what_cells_print_and_draw_stays_inside(
    exercise_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import matplotlib.pyplot as plt

    edit(
        exercise_file,
        "from autograder import expect\n",
        "from autograder import expect\nimport matplotlib.pyplot as plt\n"
        "print('hello')\nplt.plot([1])\n__import__('warnings').warn('an old habit')\n",
    )
    outcomes(exercise_file, "reference")
    assert capfd.readouterr().out == ""
    assert plt.get_fignums() == []
