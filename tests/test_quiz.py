"""Quiz items: reading, drawing, and what is said about malformed ones."""

from pathlib import Path

import pytest
from conftest import edit
from hypothesis import given
from hypothesis import strategies as st

from autograder.authoring import quiz
from autograder.authoring.course import AuthorError, read_exercise


def items(path: Path) -> dict[str, quiz.Item]:
    return {item.id: item for item in quiz.items(read_exercise(path))}


def test_a_choice_has_options_with_feedback(quiz_file: Path) -> None:
    item = items(quiz_file)["mean-and-outlier"]
    assert [o.right for o in item.options] == [True, False, False]
    assert all(o.why for o in item.options)
    assert item.variable == "mean_and_outlier"
    assert item.prompt.startswith("One of a hundred numbers")
    assert "- [" not in item.prompt


def test_an_option_may_run_over_several_lines(quiz_file: Path) -> None:
    edit(
        quiz_file,
        "- [ ] Both stay about where they were, since ninety-nine numbers are right.\n",
        "- [ ] Both stay about where they were,\n  since ninety-nine numbers are right.\n",
    )
    texts = [o.text for o in items(quiz_file)["mean-and-outlier"].options]
    assert "Both stay about where they were, since ninety-nine numbers are right." in texts


def test_the_same_seed_draws_the_same_variant(quiz_file: Path) -> None:
    for item in items(quiz_file).values():
        one, other = quiz.variant(item, 3), quiz.variant(item, 3)
        assert (one.prompt, one.options, one.names.get("answer")) == (
            other.prompt,
            other.options,
            other.names.get("answer"),
        )


def test_numbers_and_the_order_of_options_are_drawn(quiz_file: Path) -> None:
    choice, numeric = items(quiz_file).values()
    assert len({quiz.variant(choice, seed).right for seed in range(30)}) == 3
    assert len({quiz.variant(numeric, seed).answer for seed in range(30)}) > 3
    assert "{{" not in quiz.variant(numeric, 0).prompt


MALFORMED = {
    "no right option": ("- [x]", "- [ ]", "0 of them right"),
    "no feedback": ("  > The mean adds all numbers up.", "  The mean", "without feedback"),
    "no space in the box": ("- [ ] Both", "- [] Both", "'- [] Both"),
    "an unknown blank": ("{{old}}", "{{older}}", "{{older}}"),
    "no answer": ("answer = 0.9", "result = 0.9", "no answer"),
    "no slips": ("slips = {", "others = {", "no slips"),
    "an answer that is no number": ("answer = 0.9", 'answer = "many"  # 0.9', "'many'"),
    "an odd id": ('id="running-mean"', 'id="Running mean"', "id='Running mean'"),
    "the id again": ('id="running-mean"', 'id="mean-and-outlier"', "'mean-and-outlier' again"),
    "an infinite answer": ("answer = 0.9", 'answer = float("inf") + 0.9', "'answer': inf"),
    "an answer of 0": ("answer = 0.9 * old + 0.1 * batch", "answer = 0", "an answer of 0"),
    "slips without explanations": ("slips = {", "slips = [0.5] or {", "no slips"),
    "a setup that raises": ("import torch\n", "import torches\n", "No module named 'torches'"),
    "a key that raises": ("answer = 0.9", "answer = 1 / 0 + 0.9", "ZeroDivisionError"),
    "a word of Python's": ('id="running-mean"', 'id="lambda"', "id='lambda'"),
    "a name of the code's": ('id="running-mean"', 'id="expect"', "id 'expect'"),
    "an odd tolerance": ("rtol=0.01", "rtol=2", "rtol=2"),
    "an indented option": ("- [ ] Both", " - [ ] Both", "' - [ ] Both"),
    "another bullet": ("- [ ] Both", "* [ ] Both", "'* [ ] Both"),
    "a bullet too far": ("- [ ] Both", "  - [ ] Both", "'  - [ ] Both"),
    "prose among the options": ("- [ ] Both", "Or else:\n- [ ] Both", "'Or else:'"),
    "a formula in feedback": ("> Yes. Every", "> Yes, $x$. Every", "feedback with a formula"),
    "a formula in a slip": ('slips = {"The new', 'slips = {"The $x$ new', "a slip with a formula"),
    "no key": ("# %% key", "# %%", "no key"),
}


@pytest.mark.parametrize("old, new, found", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_item_is_named(quiz_file: Path, old: str, new: str, found: str) -> None:
    edit(quiz_file, old, new)
    with pytest.raises(AuthorError) as caught:
        for item in items(quiz_file).values():
            quiz.variant(item, 0)
    assert found in caught.value.found
    assert "90_quiz.py, cell" in caught.value.where


TEXT = '\n# %% text [markdown] id="why" points=3\n"""\nWhy?\n\n{}\n"""\n'


@pytest.mark.parametrize(
    ("rubric", "found"),
    [
        ("- [1] One reason.", "criteria worth 1"),
        ("- [1.5] One.\n- [1.5] Two.", "the criterion"),
        ("Say something.", "no list"),
    ],
)
def test_a_rubric_adds_up(quiz_file: Path, rubric: str, found: str) -> None:
    quiz_file.write_text(quiz_file.read_text("utf-8") + TEXT.format(rubric), "utf-8")
    with pytest.raises(AuthorError) as caught:
        items(quiz_file)
    assert found in caught.value.found


def test_a_key_belongs_to_a_question(quiz_file: Path) -> None:
    edit(quiz_file, "# %% choice", "# %% key\nanswer = 1\n\n# %% choice")
    with pytest.raises(AuthorError, match="key before any question"):
        items(quiz_file)


@given(st.integers(0, 10**6))
def test_letters_follow_the_drawn_order(seed: int) -> None:
    skeleton = Path(quiz.__file__).parent / "skeletons/quiz.py"
    item = next(iter(items(skeleton).values()))
    drawn = quiz.variant(item, seed)
    assert [drawn.letters[letter].right for letter in drawn.right] == [True]
    assert {o.text for o in drawn.options} == {o.text for o in item.options}
