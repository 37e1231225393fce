"""Reading exercise files: what is in them, and what is said about a malformed one."""

from pathlib import Path

import pytest
from conftest import edit
from hypothesis import given
from hypothesis import strategies as st

from autograder.authoring.course import LEVELS, AuthorError, read_course, read_exercise

EXERCISE = "01_rms.py"


def test_a_file_tells_its_title_items_goal_and_level(exercise_file: Path) -> None:
    edit(exercise_file, 'items=""', 'items="14 15"')
    exercise = read_exercise(exercise_file)
    assert exercise.title == "The root mean square"
    assert exercise.items == (14, 15)
    assert exercise.id == "01_means/01_rms"
    assert exercise.name == "rms"
    assert exercise.header.options["level"] in LEVELS


def test_a_quiz_item_may_cover_items_of_its_own(quiz_file: Path) -> None:
    edit(quiz_file, 'id="running-mean"', 'id="running-mean" items="82 17" level="apply"')
    assert read_exercise(quiz_file).items == (82, 17)


def test_cells_know_their_line_role_and_names(exercise_file: Path) -> None:
    exercise = read_exercise(exercise_file)
    lines = exercise_file.read_text("utf-8").splitlines()
    for cell in exercise.cells:
        assert lines[cell.line - 1].startswith("# %%")
        assert cell.role in lines[cell.line - 1]
    assert exercise.of("solution")[0].defines == ("rms",)


def test_a_mistake_knows_its_sentence_and_aspects(exercise_file: Path) -> None:
    mistake = read_exercise(exercise_file).of("mistake")[-1]
    assert mistake.sentence == "square_ overwrites the caller's tensor; square makes a new one."
    assert mistake.fails == {"x is left as it was"}


# What is changed in a whole exercise, and what its author reads then.
MALFORMED = {
    "unknown role": ("# %% hidden aspect", "# %% hiden aspect", "'hiden'", "'hidden'? Or"),
    "aspect without points": (' points=2\nfrom', "\nfrom", "no points", "points=…"),
    "half points": ("points=2", "points=1.5", "points=1.5", "whole points"),
    "no points at all": ("points=2", "points=0", "points=0", "whole points"),
    "points in words": ("points=2", 'points="two"', "points='two'", "whole points"),
    "unknown option": ("points=2", "point=2", "the option 'point'", "'points'? Or"),
    "mistake for an unknown name": ('mistake of="rms"', 'mistake of="rns"', "'rns'", "'rms'? Or"),
    "mistake for an unknown aspect": (
        'fails="x is left as it was"',
        'fails="x is left as it is"',
        "fails='x is left as it is'",
        "'x is left as it was'? Or",
    ),
    "two aspects with one name": (
        'aspect="all dimensions count"',
        'aspect="x is left as it was"',
        "which cell",
        "a name of its own",
    ),
    "no begin marker": ("    ### BEGIN SOLUTION\n", "", "### END SOLUTION", "### BEGIN SOLUTION"),
    "no end marker": ("    ### END SOLUTION\n", "", "### BEGIN SOLUTION", "### END SOLUTION"),
    "no marker": ("SOLUTION", "ANSWER", "missing", "### BEGIN SOLUTION"),
    "no check": ("# %% check", "# %%", "no check", "# %% check"),
    "no title": ("# The root mean square", "The root", "a prompt without a title", "# Clip"),
    "no header": (
        '# %% exercise [markdown] items="" stars=1 minutes=10 level="apply" '
        'goal="say what a student can do afterwards" forbid="rms_norm"',
        "# %% [markdown]",
        "the role ''",
        "exercise or quiz",
    ),
    "unknown level": ('level="apply"', 'level="aply"', "level='aply'", "'apply'? Or"),
    "odd stars": ("stars=1", "stars=4", "stars=4", "1, 2 or 3"),
    "odd minutes": ("minutes=10", 'minutes="ten"', "minutes='ten'", "whole minutes"),
    "forbidden nothing": ('forbid="rms_norm"', 'forbid=" "', "forbid=' '", "names of built-ins"),
    "forbidden numbers": ('forbid="rms_norm"', "forbid=3", "forbid=3", "names of built-ins"),
    "forbidden code": ('"rms_norm"', '"F.rms_norm"', "the word 'F.rms_norm'", "names of built-ins"),
    "forbidden twice": ('"rms_norm"', '"rms_norm rms_norm"', "'rms_norm' twice", "each name once"),
    "odd items": ('items=""', 'items="A4"', "items='A4'", "numbers of the inventory"),
    "code where prose belongs": ("exercise [markdown]", "exercise", "code cell", "[markdown]"),
    "prose where code belongs": ("# %% check\n", "# %% check [markdown]\n", "markdown", "a code"),
    "a last line that is a value": (
        "    rms(x)\n\n\n# %% alternative",
        "    rms(x)\nx.sum()\n\n\n# %% alternative",
        "x.sum()",
        "reads a last value as points",
    ),
    "a mistake without a sentence": (
        '    """square_ overwrites the caller\'s tensor; square makes a new one."""\n',
        "",
        "without a docstring",
        "sets its author right",
    ),
    "a mistake that is no function": (
        "def forgets_the_mean(x):",
        "forgets_the_mean = 3\nif forgets_the_mean:",
        "function or a class",
        "under a name",
    ),
    "two attempts with one name": (
        "def step_by_step(x):",
        "def with_the_norm(x):",
        "'with_the_norm', which cell",
        "another name",
    ),
    "an unknown semicolon aspect": (
        'aspect="all dimensions count"',
        'aspect="all; dimensions"',
        "all; dimensions",
        "without a semicolon",
    ),
}  # fmt: skip


@pytest.mark.parametrize("old, new, found, expected", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_file_is_named_with_what_is_wrong_in_it(
    exercise_file: Path, old: str, new: str, found: str, expected: str
) -> None:
    count = -1 if old in ("SOLUTION", "# %% check") else 1
    edit(exercise_file, old, new, count)
    with pytest.raises(AuthorError) as caught:
        read_exercise(exercise_file)
    error = caught.value
    assert EXERCISE in error.where
    assert "cell " in error.where
    assert found in error.found
    assert expected in error.expected
    assert "python -m autograder check 01_means/01_rms" in error.then


def test_a_syntax_error_is_named_with_its_line(exercise_file: Path) -> None:
    edit(exercise_file, "    return x.square().mean().sqrt()", "    return x.square(.mean()")
    text = exercise_file.read_text("utf-8").splitlines()
    line = next(n for n, code in enumerate(text, 1) if "x.square(." in code)
    with pytest.raises(AuthorError, match=f"line {line}") as caught:
        read_exercise(exercise_file)
    assert "x.square(.mean()" in caught.value.found


def test_a_name_is_defined_by_one_solution_cell(exercise_file: Path) -> None:
    again = "# %% solution\ndef rms(x):\n    ### BEGIN SOLUTION\n    pass\n    ### END SOLUTION\n"
    edit(exercise_file, "# %% check", f"{again}\n# %% check")
    with pytest.raises(AuthorError, match="'rms', which cell 3 defines too"):
        read_exercise(exercise_file)


def test_hidden_checks_cannot_be_missing(exercise_file: Path) -> None:
    text = exercise_file.read_text("utf-8")
    head = text[: text.index("# %% hidden")]
    exercise_file.write_text(head, "utf-8")
    with pytest.raises(AuthorError, match="no hidden check"):
        read_exercise(exercise_file)


def test_two_exercises_of_a_section_have_two_names(exercise_file: Path) -> None:
    (exercise_file.parent / "02_rms.py").write_bytes(exercise_file.read_bytes())
    with pytest.raises(AuthorError, match="which .*01_rms.py has too"):
        read_course(exercise_file.parent.parent)


def test_text_outside_of_cells_is_refused(exercise_file: Path) -> None:
    exercise_file.write_text("x = 1\n\n" + exercise_file.read_text("utf-8"), "utf-8")
    with pytest.raises(AuthorError, match="text outside of cells"):
        read_exercise(exercise_file)


def test_an_empty_file_is_refused(exercise_file: Path) -> None:
    exercise_file.write_text("", "utf-8")
    with pytest.raises(AuthorError, match="no cell"):
        read_exercise(exercise_file)


def test_a_folder_without_a_course_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(AuthorError, match="python -m autograder new"):
        read_course(tmp_path / "solutions")


@pytest.mark.parametrize("what", ["01_means", "01_means/01_rms", "01_rms", "rms", None])
def test_exercises_are_selected_by_section_file_or_name(small_course: Path, what: str) -> None:
    found = read_course(small_course / "solutions").select(what)
    assert "01_means/01_rms" in [e.id for e in found]
    assert len(found) == (1 if what and "rms" in what else 2)


def test_an_unknown_exercise_gets_the_nearest_known_one(small_course: Path) -> None:
    with pytest.raises(AuthorError, match="'rms'. Or the sections are: 01_means"):
        read_course(small_course / "solutions").select("rns")


@given(st.text(alphabet="abc ()'\"#%\n=:[]{}é", max_size=60))
def test_any_text_in_a_given_cell_is_read_back_or_refused_by_its_author_error(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "01_section", "01_name.py")
        path.parent.mkdir()
        head = (
            '# %% quiz [markdown] items="" stars=1 minutes=1 level="apply" goal="g"\n"""\n# T\n"""'
        )
        path.write_text(f"{head}\n\n# %%\n{text}\n", "utf-8")
        try:
            exercise = read_exercise(path)
        except AuthorError as error:
            assert str(path) in str(error)
        else:
            given_cells = [c.source for c in exercise.cells[1:]]
            assert "\n".join(given_cells).split() == text.split() or "# %%" in text


def test_only_an_exercise_forbids(quiz_file: Path) -> None:
    edit(quiz_file, "stars=1", 'stars=1 forbid="mean"')
    with pytest.raises(AuthorError, match="the option 'forbid'"):
        read_exercise(quiz_file)
