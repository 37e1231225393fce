"""What students read: each kind of wrong answer has a clear sentence of its own."""

import contextlib
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from autograder import expect
from autograder.expect import Mistake

WHEN = {"when": "trying something", "think": "Look again."}


def said(call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    """The message of the mistake that a call raises."""
    with pytest.raises(Mistake) as caught:
        call(*args, **kwargs)
    return str(caught.value)


def test_a_message_says_when_wanted_got_and_think() -> None:
    message = said(expect.close, 3.0, 4.0, **WHEN)
    assert message == "When trying something:\n  wanted 4,\n  got 3.\nThink: Look again."


def test_jupyter_shows_the_message_without_a_traceback() -> None:
    mistake = Mistake("trying", "this", "that", "Why?")
    assert mistake._render_traceback_() == str(mistake).splitlines()


one = torch.tensor([1.0, 2.0])
CLOSE = {
    "None": (None, one, "wanted a result on every path through the function,\n  got None"),
    "not attempted": (..., one, "not attempted yet"),
    "a list for a tensor": ([1.0, 2.0], one, "wanted a torch tensor,\n  got [1.0, 2.0]"),
    "an array for a tensor": (np.ones(2), one, "got an array of shape (2,)"),
    "a tensor for an array": (one, np.ones(2), "wanted a NumPy array,\n  got a tensor"),
    "text": ("1, 2", [1, 2], "got '1, 2'"),
    "a function": (print, [1, 2], "got <built-in function print>"),
    "another shape": (torch.ones(2, 1), one, "wanted shape (2,),\n  got shape (2, 1)"),
    "a number for a list": (1.0, [1.0, 2.0], "wanted shape (2,),\n  got a single number"),
    "another dtype": (one.double(), one, "wanted dtype float32,\n  got dtype float64"),
    "another device": (one.to("meta"), one, "wanted a tensor on cpu,\n  got one on meta"),
    "NaN": (torch.tensor([1.0, math.nan]), one, "wanted 2 at [1],\n  got nan"),
    "infinity": (torch.tensor([1.0, math.inf]), one, "wanted 2 at [1],\n  got inf"),
    "one wrong value": (torch.tensor([1.0, 3.0]), one, "wanted 2 at [1],\n  got 3."),
    "the worst of several": (torch.tensor([5.0, 3.0]), one, "at [0],\n  got 5 (2 of 2 values"),
    "a small difference": (1.0, 1.0000001, "wanted 1.0000001,\n  got 1."),
}


@pytest.mark.parametrize("got, wanted, words", CLOSE.values(), ids=CLOSE)
def test_close_names_what_is_wrong(got: Any, wanted: Any, words: str) -> None:
    assert words in said(expect.close, got, wanted, **WHEN)


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (one, one),
        (one.clone().requires_grad_(), one),
        (one, [1.0, 2.0]),
        ([torch.tensor(1.0), torch.tensor(2.0)], [1.0, 2.0]),
        (np.array([1.0, 2.0]), [1.0, 2.0]),
        (torch.tensor(2.0), 2.0),
        (2, 2.0),
        (one.to(torch.bfloat16), [1.0, 2.0]),
        (torch.tensor([math.nan]), [math.nan]),
        (np.float64(0.5), np.array(0.5)),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
    ],
)
def test_close_accepts_what_is_right(got: Any, wanted: Any) -> None:
    expect.close(got, wanted, **WHEN)


def test_the_dtype_decides_how_close_is_close() -> None:
    off = 1 + 1e-6
    expect.close(torch.tensor(off), torch.tensor(1.0), **WHEN)
    said(expect.close, torch.tensor(off).double(), torch.tensor(1.0).double(), **WHEN)


def test_values_near_zero_are_measured_against_the_largest() -> None:
    expect.close(torch.tensor([1e-4, 1000.0]), torch.tensor([0.0, 1000.0]), **WHEN)
    said(expect.close, torch.tensor([1e-4, 1.0]), torch.tensor([0.0, 1.0]), **WHEN)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.integers(0, 19))
def test_close_finds_one_changed_value_anywhere(values: list[float], index: int) -> None:
    wanted = np.array(values)
    expect.close(wanted.copy(), wanted, **WHEN)
    index %= len(values)
    got = wanted.copy()
    got[index] += 1 + abs(got).max()
    assert f"at [{index}]" in said(expect.close, got, wanted, **WHEN)


EQUAL = {
    "another word": ("biased", "unbiased", "wanted 'unbiased',\n  got 'biased'"),
    "a missing key": ({"a": 1}, {"a": 1, "b": 2}, "them without b"),
    "an extra key": ({"a": 1, "c": 2}, {"a": 1}, "them with c"),
    "a wrong value in a dict": ({"a": 2}, {"a": 1}, "trying something, at 'a'"),
    "a short list": ([1], [1, 2], "wanted 2 values,\n  got 1 values"),
    "a wrong place in a list": ([1, 3], [1, 2], "at position 1"),
    "a set": ({1, 2}, {1, 3}, "them without 3 and with 2"),
    "a truth": (1, True, "wanted True,\n  got 1"),
    "a tensor": (torch.tensor([1, 2]), torch.tensor([1, 3]), "wanted 3 at [1]"),
    "None": (None, 3, "got None"),
}


@pytest.mark.parametrize("got, wanted, words", EQUAL.values(), ids=EQUAL)
def test_equal_names_the_difference(got: Any, wanted: Any, words: str) -> None:
    assert words in said(expect.equal, got, wanted, **WHEN)
    expect.equal(wanted, wanted, **WHEN)


def test_shape_kind_between_and_true() -> None:
    assert "wanted shape (2, 3)" in said(expect.shape, one, (2, 3), **WHEN)
    assert "got a list" in said(expect.shape, [1], (1,), **WHEN)
    assert "the attribute `mean`,\n  got an object without it" in said(
        expect.has, 3, "mean", **WHEN
    )
    expect.has(one, "mean", "dtype", **WHEN)
    assert "wanted a dict,\n  got a list" in said(expect.kind, [], dict, **WHEN)
    assert "an int or a float" in said(expect.kind, "1", (int, float), **WHEN)
    assert "from 0 to 1,\n  got 2." in said(expect.between, 2.0, 0.0, 1.0, **WHEN)
    assert "a finite number" in said(expect.between, math.nan, 0.0, 1.0, **WHEN)
    assert "wanted it" in said(expect.true, False, wanted="it", **WHEN)
    expect.shape(one, (2,), **WHEN)
    expect.kind({}, dict, **WHEN)
    expect.between(torch.tensor(0.5), 0.0, 1.0, **WHEN)
    expect.true(torch.tensor(True), wanted="it", **WHEN)


def test_average_forgives_noise_and_nothing_else() -> None:
    draws = np.random.default_rng(0).normal(3.0, 1.0, 1000)
    expect.average(draws, 3.0, **WHEN)
    assert "give or take" in said(expect.average, draws, 3.5, **WHEN)
    assert "at least two numbers" in said(expect.average, [1.0], 1.0, **WHEN)


def test_raises_tells_what_happened_instead() -> None:
    def refuse() -> None:
        raise ValueError("no such batch")

    expect.raises(ValueError, refuse, **WHEN)
    expect.raises(ValueError, refuse, mentions="batch", **WHEN)
    assert "mentions 'mean'" in said(expect.raises, ValueError, refuse, mentions="mean", **WHEN)
    assert "got a ValueError: no" in said(expect.raises, KeyError, refuse, **WHEN)
    assert "no error, but 3" in said(expect.raises, ValueError, lambda: 3, **WHEN)


def test_raises_does_not_take_a_stub_for_a_refusal() -> None:
    def stub() -> None:
        raise NotImplementedError("`f` is not written yet")

    with pytest.raises(NotImplementedError):
        expect.raises(RuntimeError, stub, **WHEN)


def test_unchanged_names_the_argument_that_was_written_to() -> None:
    x, y = torch.zeros(2), np.zeros(2)
    with expect.unchanged(x=x, y=y, **WHEN):
        x + 1
    message = ""
    try:
        with expect.unchanged(x=x, y=y, **WHEN):
            y += 1
    except Mistake as mistake:
        message = str(mistake)
    assert "wanted `y` left as it was" in message


class Cube(torch.autograd.Function):
    """x cubed, with a backward pass that is right for a factor of 3 only."""

    factor = 3.0

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return Cube.factor * x**2 * dy


def test_gradient_compares_with_finite_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    expect.gradient(Cube.apply, x, **WHEN)
    monkeypatch.setattr(Cube, "factor", 2.0)
    assert "finite differences" in said(expect.gradient, Cube.apply, x, **WHEN)


def figure(**changes: Any) -> Figure:
    look = {"title": "Loss", "xlabel": "step", "ylabel": "loss", "yscale": "log"} | changes
    drawn = Figure()
    axes = drawn.subplots()
    axes.plot([1, 2, 3], [3.0, 2.0, 1.0], label="train")
    axes.plot([1, 2, 3], [4.0, 3.0, 2.5], label="validation")
    axes.set(**look)
    axes.legend()
    return drawn


def check_figure(drawn: Any) -> None:
    lines = [([1, 2, 3], [3.0, 2.0, 1.0]), ([1, 2, 3], [4.0, 3.0, 2.5])]
    expect.figure(drawn, lines=lines, yscale="log", legend=2, **WHEN)


def test_a_figure_is_checked_on_its_data_scale_labels_legend_and_title() -> None:
    check_figure(figure())
    check_figure(expect.describe_figure(figure()))
    assert "a title" in said(check_figure, figure(title=""))
    assert "a label on the x axis" in said(check_figure, figure(xlabel=" "))
    assert "wanted a log y axis,\n  got a linear one" in said(check_figure, figure(yscale="linear"))
    assert "a matplotlib figure" in said(check_figure, [1])
    assert "not attempted" in said(check_figure, ...)


def test_a_figure_without_a_line_or_a_legend_is_told_so() -> None:
    drawn = figure()
    drawn.axes[0].get_lines()[1].set_ydata([4.0, 3.0, 2.6])
    assert "a line through 3 points from 4 to 2.5" in said(check_figure, drawn)
    drawn = figure()
    drawn.axes[0].get_legend().remove()
    assert "a legend with 2 entries" in said(check_figure, drawn)
    assert "a figure with 1 axes" in said(check_figure, Figure())


def test_bars_are_compared_with_their_values() -> None:
    drawn = Figure()
    axes = drawn.subplots()
    axes.bar(["a", "b"], [1.0, 2.0], yerr=[0.1, 0.2])
    axes.set(title="t", xlabel="x", ylabel="y")
    expect.figure(drawn, bars=[1.0, 2.0], **WHEN)
    assert "3 bars of the values,\n  got 2 bars" in said(
        expect.figure, drawn, bars=[1.0, 2.0, 3.0], **WHEN
    )


@pytest.mark.parametrize("answer", ["b", " B ", "b.", "b)", "(b)", "b:", '"b"', ["b"], ("B",)])
def test_a_letter_is_recorded_however_it_is_written(
    answer: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    expect.letters(answer, among="abcd")
    assert capsys.readouterr().out == "Recorded: b\n"


@pytest.mark.parametrize("answer", ["e", "ab", "", 2, None, ..., "yes", "xb" * 150, [1]])
def test_a_malformed_letter_says_what_is_asked_for(answer: Any) -> None:
    message = said(expect.letters, answer, among="abcd")
    assert "wanted one letter of a, b, c, d, in quotes" in message
    assert len(message) < 200


def test_several_letters_come_in_any_order(capsys: pytest.CaptureFixture[str]) -> None:
    for answer in ("c, a", "ca", "C and A", "a/c", ["c", "a"], {"a", "c"}, "(a), (c)", "a + c"):
        expect.letters(answer, among="abcd", several=True)
        assert capsys.readouterr().out == "Recorded: a, c\n"


FEEDBACK = {"a": "Not a.", "b": "Yes, b.", "c": "Yes, c.", "d": "Not d."}


def test_a_choice_tells_only_about_the_options_that_were_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    expect.choice("B", "b", FEEDBACK)
    assert capsys.readouterr().out == "Yes, b.\n"
    message = said(expect.choice, "a", "b", FEEDBACK)
    assert "Not a." in message
    assert "Yes" not in message
    assert "Not d." not in message


def test_a_choice_of_several_wants_all_and_only_them() -> None:
    expect.choice("cb", "bc", FEEDBACK)
    assert "right but not all" in said(expect.choice, "b", "bc", FEEDBACK)
    assert "Not d." in said(expect.choice, "bcd", "bc", FEEDBACK)


def test_a_number_is_right_within_its_tolerance_or_explained() -> None:
    slips = {"That is the variance.": 0.25}
    expect.value(0.503, 0.5, slips)
    expect.value(torch.tensor(0.5), 0.5, slips)
    assert "That is the variance." in said(expect.value, 0.25, 0.5, slips)
    unknown = said(expect.value, 7.0, 0.5, slips)
    assert "variance" not in unknown
    assert "0.5" not in unknown
    assert "not attempted" in said(expect.value, ..., 0.5, slips)
    assert "a number without quotes,\n  got '0.5'" in said(expect.value, "0.5", 0.5, slips)
    assert "with a decimal point" in said(expect.value, (0, 5), 0.5, slips)
    assert "a finite number" in said(expect.value, 10**400, 0.5, slips)
    assert "wanted a number" in said(expect.value, np.complex128(1 + 5j), 0.5, slips)
    expect.value(Fraction(1, 2), 0.5, slips)
    expect.value(2.02, 2.0, slips)
    expect.number(np.float32(0.5))


@given(st.one_of(st.none(), st.text(), st.integers(), st.lists(st.floats()), st.booleans()))
def test_no_answer_whatever_ends_in_anything_but_a_mistake(answer: Any) -> None:
    with contextlib.suppress(Mistake):
        expect.choice(answer, "b", FEEDBACK)
    with contextlib.suppress(Mistake):
        expect.value(answer, 0.5, {})
    with contextlib.suppress(Mistake):
        expect.close(answer, one, **WHEN)
    with contextlib.suppress(Mistake):
        expect.equal(answer, {"a": [1, 2]}, **WHEN)
