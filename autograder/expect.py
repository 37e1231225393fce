"""Assertions that teach: what was tried, what was wanted, what came back, and what to think about.

Every function raises `Mistake` or returns None. They take tensors, arrays, numbers and lists of
them; torch is never imported here, so that a notebook without tensors starts fast.
"""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import Any

import numpy as np

# How many of its own units in the last place a computed value may be off: about ten steps.
RTOL = {"float64": 1e-9, "float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}


# What people put around and between letters: a), (a), "a, b", a/b, a + b.
SEPARATORS = ".,;:()[]'\"/&+-"
READING, ANSWERING = "reading your answer", "answering this question"


class Mistake(AssertionError):
    """A wrong answer, explained to the person who gave it."""

    def __init__(self, when: str, wanted: str, got: str, think: str = "") -> None:
        self.when, self.wanted, self.got, self.think = when, wanted, got, think
        lines = [f"When {when}:", f"  wanted {wanted},", f"  got {got}."]
        super().__init__("\n".join(lines + ([f"Think: {think}"] if think else [])))

    def _render_traceback_(self) -> list[str]:
        """IPython prints these lines in place of a traceback."""
        return str(self).splitlines()


def true(
    fact: Any, *, when: str, wanted: str, got: str = "something else", think: str = ""
) -> None:
    """Fail unless `fact` holds."""
    if not bool(fact):
        raise Mistake(when, wanted, got, think)


def kind(got: Any, wanted: type | tuple[type, ...], *, when: str, think: str = "") -> None:
    """Fail unless `got` is of a type."""
    _attempted(got, when, think)
    if not isinstance(got, wanted):
        types = wanted if isinstance(wanted, tuple) else (wanted,)
        names = " or ".join(_article(t.__name__) for t in types)
        raise Mistake(when, names, _article(type(got).__name__), think)


def has(got: Any, *names: str, when: str, think: str = "") -> None:
    """Fail unless `got` has attributes of these names."""
    _attempted(got, when, think)
    for name in names:
        if not hasattr(got, name):
            raise Mistake(when, f"the attribute `{name}`", "an object without it", think)


def shape(got: Any, wanted: Sequence[int], *, when: str, think: str = "") -> None:
    """Fail unless `got` is a tensor or an array of a shape."""
    _attempted(got, when, think)
    if not hasattr(got, "shape"):
        raise Mistake(when, f"shape {tuple(wanted)}", _article(type(got).__name__), think)
    if tuple(got.shape) != tuple(wanted):
        raise Mistake(when, f"shape {tuple(wanted)}", f"shape {tuple(got.shape)}", think)


def close(
    got: Any,
    wanted: Any,
    *,
    when: str,
    think: str = "",
    rtol: float | None = None,
    atol: float | None = None,
) -> None:
    """Fail unless `got` has the type, shape, dtype and, within tolerance, the values of `wanted`.

    A tensor is wanted where `wanted` is one, an array where it is one; a list of numbers accepts
    either. Without `rtol` the precision of the dtype decides; without `atol` values near zero are
    measured against the largest value wanted.
    """
    _attempted(got, when, think)
    _same_type(got, wanted, when, think)
    wanted_values, got_values = _values(wanted), _values(got)
    assert wanted_values is not None, "the check wants something that is not numbers"
    if got_values is None:
        raise Mistake(when, _describe(wanted), _describe(got), think)
    if got_values.shape != wanted_values.shape:
        raise Mistake(when, _shaped(wanted_values), _shaped(got_values), think)
    _same_dtype(got, wanted, when, think)
    rtol = rtol if rtol is not None else _precision(got, wanted)
    largest = np.abs(wanted_values[np.isfinite(wanted_values)]).max(initial=0.0)
    atol = atol if atol is not None else rtol * (largest or 1.0)
    wrong = ~np.isclose(got_values, wanted_values, rtol=rtol, atol=atol, equal_nan=True)
    if wrong.any():
        raise Mistake(when, *_worst(got_values, wanted_values, wrong), think)


def equal(got: Any, wanted: Any, *, when: str, think: str = "") -> None:
    """Fail unless `got` is exactly `wanted`: plain data, tensors or arrays."""
    _attempted(got, when, think)
    if _is_array(wanted):
        return close(got, wanted, when=when, think=think, rtol=0.0, atol=0.0)
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        _same_members(got.keys(), wanted.keys(), "keys", when, think)
        for key, value in wanted.items():
            equal(got[key], value, when=f"{when}, at {key!r}", think=think)
        return None
    if isinstance(wanted, set | frozenset) and isinstance(got, Iterable):
        return _same_members(set(got), wanted, "members", when, think)
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        if len(got) != len(wanted):
            raise Mistake(when, f"{len(wanted)} values", f"{len(got)} values", think)
        for index, (one, other) in enumerate(zip(got, wanted, strict=True)):
            equal(one, other, when=f"{when}, at position {index}", think=think)
        return None
    if isinstance(wanted, bool) is not isinstance(_plain(got), bool) or not _plain(got) == wanted:
        raise Mistake(when, _describe(wanted), _describe(got), think)
    return None


def between(got: Any, low: float, high: float, *, when: str, think: str = "") -> None:
    """Fail unless the number `got` lies from `low` to `high`."""
    number = _number(got, when, think)
    if not low <= number <= high:
        raise Mistake(when, f"a number from {low:.6g} to {high:.6g}", f"{number:.6g}", think)


def average(
    samples: Any, wanted: float, *, when: str, think: str = "", sigmas: float = 6.0
) -> None:
    """Fail unless the mean of independent `samples` is `wanted`, give or take standard errors.

    Six of them raise a false alarm twice in a billion for a right answer.
    """
    _attempted(samples, when, think)
    values = _values(samples)
    if values is None or values.size < 2:
        raise Mistake(when, "at least two numbers", _describe(samples), think)
    error = values.std(ddof=1) / math.sqrt(values.size)
    if not abs(values.mean() - wanted) <= sigmas * error:
        band = f"{wanted:.6g} give or take {sigmas * error:.2g} on average"
        raise Mistake(when, band, f"{values.mean():.6g} over {values.size} draws", think)


def raises(
    error: type[BaseException],
    call: Callable[..., Any],
    *args: Any,
    when: str,
    think: str = "",
    mentions: str = "",
    **kwargs: Any,
) -> None:
    """Fail unless the call raises `error` (and its message mentions something)."""
    article = _article(error.__name__)
    try:
        got = call(*args, **kwargs)
    except NotImplementedError:
        raise  # not attempted yet, whatever was expected
    except error as raised:
        if mentions not in str(raised):
            wanted = f"{article} that mentions {mentions!r}"
            raise Mistake(when, wanted, f"the message {str(raised)!r}", think) from None
    except Exception as other:
        got = f"{_article(type(other).__name__)}: {other}"
        raise Mistake(when, article, got, think) from None
    else:
        raise Mistake(when, article, f"no error, but {_describe(got)}", think)


@contextmanager
def unchanged(when: str, think: str = "", **values: Any) -> Iterator[None]:
    """Fail if one of the named tensors or arrays is another after the block than before."""
    before = {name: np.array(_values(value), copy=True) for name, value in values.items()}
    yield
    for name, value in values.items():
        after = _values(value)
        if after is None or not np.array_equal(before[name], after, equal_nan=True):
            raise Mistake(when, f"`{name}` left as it was", "other values in it", think)


def gradient(
    function: Callable[..., Any], *inputs: Any, when: str, think: str = "", **options: Any
) -> None:
    """Fail unless the function's backward pass agrees with finite differences (float64 tensors)."""
    from torch.autograd import gradcheck

    try:
        gradcheck(function, inputs, **options)
    except NotImplementedError:
        raise  # not attempted yet
    except RuntimeError as error:
        fact = str(error).strip().splitlines()[0]
        wanted = "the derivative that finite differences measure"
        raise Mistake(when, wanted, f"another ({fact.rstrip('.,')})", think) from None


def describe_figure(figure: Any) -> dict[str, Any]:
    """A matplotlib figure as plain data, the part of it that checks look at."""
    return {
        "axes": [
            {
                "title": axes.get_title() or (figure.get_suptitle() or ""),
                "xlabel": axes.get_xlabel(),
                "ylabel": axes.get_ylabel(),
                "xscale": axes.get_xscale(),
                "yscale": axes.get_yscale(),
                "legend": [text.get_text() for text in legend.get_texts()]
                if (legend := axes.get_legend())
                else [],
                "lines": [
                    (np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float))
                    for line in axes.get_lines()
                ],
                "bars": [
                    bar.get_height()
                    for box in axes.containers  # those of error bars have no patches
                    for bar in getattr(box, "patches", ())
                ],
            }
            for axes in figure.axes
        ]
    }


def figure(
    got: Any,
    *,
    when: str,
    think: str = "",
    axes: int = 0,
    lines: Iterable[tuple[Any, Any]] = (),
    bars: Sequence[float] = (),
    xscale: str = "",
    yscale: str = "",
    legend: int = 0,
    rtol: float = 1e-6,
) -> None:
    """Fail unless a figure shows the data, labels both axes and has a title.

    `got` is a matplotlib figure or what `describe_figure` made of one. Each pair (x, y) of `lines`
    has to be one of its lines; `legend` says how many entries there are at least.
    """
    _attempted(got, when, think)
    if not isinstance(got, dict) and not hasattr(got, "get_axes"):
        raise Mistake(when, "a matplotlib figure", _describe(got), think)
    panels = (got if isinstance(got, dict) else describe_figure(got))["axes"]
    if len(panels) <= axes:
        raise Mistake(when, f"a figure with {axes + 1} axes", f"one with {len(panels)}", think)
    panel = panels[axes]
    for name, what in (("xlabel", "a label on the x axis"), ("ylabel", "a label on the y axis")):
        true(panel[name].strip(), when=when, wanted=what, got="none", think=think)
    true(panel["title"].strip(), when=when, wanted="a title", got="none", think=think)
    for name, wanted in (("xscale", xscale), ("yscale", yscale)):
        if wanted and panel[name] != wanted:
            raise Mistake(when, f"a {wanted} {name[0]} axis", f"a {panel[name]} one", think)
    if len(panel["legend"]) < legend:
        found = len(panel["legend"])
        raise Mistake(when, f"a legend with {legend} entries", f"{found or 'none'}", think)
    for x, y in lines:
        x, y = _values(x), _values(y)
        if not any(_same_curve(line, (x, y), rtol) for line in panel["lines"]):
            wanted = f"a line through {len(y)} points from {y[0]:.4g} to {y[-1]:.4g}"
            raise Mistake(when, wanted, f"{len(panel['lines'])} lines, none of them that", think)
    if len(bars) and not (
        len(panel["bars"]) == len(bars) and np.allclose(panel["bars"], bars, rtol=rtol)
    ):
        raise Mistake(when, f"{len(bars)} bars of the values", f"{len(panel['bars'])} bars", think)


def letters(answer: Any, among: str, *, several: bool = False) -> None:
    """Say whether an answer to a choice is well formed; never whether it is right."""
    given = _letters(answer, among, several)
    print(f"Recorded: {', '.join(given)}")


def number(answer: Any) -> None:
    """Say whether an answer is a number; never whether it is right."""
    print(f"Recorded: {_number(answer, READING, ''):.10g}")


def choice(answer: Any, right: str, feedback: Mapping[str, str]) -> None:
    """Fail unless the right letters are chosen; say what each wrong choice overlooks."""
    given = _letters(answer, "".join(feedback), several=len(right) > 1)
    if set(given) == set(right):
        print(" ".join(feedback[letter] for letter in given))
        return
    wrong = [letter for letter in given if letter not in right]
    think = " ".join(feedback[letter] for letter in wrong)
    got = f"{', '.join(given)}" + ("" if wrong else ", which is right but not all")
    raise Mistake(ANSWERING, "another choice", got, think or "Judge each option by itself.")


def value(answer: Any, right: float, slips: Mapping[str, float], rtol: float = 0.01) -> None:
    """Fail unless a number is right; explain the known ways to get it wrong."""
    given = _number(answer, ANSWERING, "")
    if _within(given, right, rtol):
        return
    near = (why for why, slip in slips.items() if _within(given, slip, rtol))
    think = next(near, "Write down what is given, then the formula, then the number.")
    raise Mistake(ANSWERING, "another number", f"{given:.10g}", think)


def _within(given: float, wanted: float, rtol: float) -> bool:
    # A hair more than rtol: 2.02 is within 1 % of 2, but 2.02 - 2 is not 0.02 in floating point.
    return abs(given - wanted) <= rtol * abs(wanted) * (1 + 1e-9)


def _attempted(got: Any, when: str, think: str) -> None:
    if got is Ellipsis:
        raise Mistake(when, "your answer", "`...`, so it is not attempted yet", think)
    if got is None:
        raise Mistake(when, "a result on every path through the function", "None", think)


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _is_array(value: Any) -> bool:
    return _is_tensor(value) or isinstance(value, np.ndarray)


def _values(value: Any) -> Any:
    """The numbers in a tensor, an array, a number or a nested list; None if there are none."""
    if _is_tensor(value):
        value = value.detach().cpu()
        wide = value.to(sys.modules["torch"].float64) if value.is_floating_point() else value
        return wide.numpy()
    if isinstance(value, list | tuple) and any(_is_tensor(v) for v in value):
        value = [_values(v) for v in value]
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        return None
    return array if array.dtype.kind in "biufc" else None


def _plain(value: Any) -> Any:
    """A tensor or array with one element as that element."""
    return value.item() if _is_array(value) and math.prod(value.shape) == 1 else value


def _number(value: Any, when: str, think: str) -> float:
    if value is None or value is Ellipsis:
        raise Mistake(when, "a number", f"{_describe(value)}, so it is not attempted yet", think)
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, Real):
        hint = " without quotes" if isinstance(plain, str) else ""
        hint = " with a decimal point" if isinstance(plain, tuple) else hint
        raise Mistake(when, f"a number{hint}", _describe(value), think)
    try:
        number = float(plain)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Mistake(when, "a finite number", _describe(value), think)
    return number


def _letters(answer: Any, among: str, several: bool) -> list[str]:
    options = ", ".join(among)
    wanted = f"one letter of {options}, in quotes"
    if several:
        wanted = f"letters of {options}, in one pair of quotes"
    if answer is None or answer is Ellipsis:
        got = f"{_describe(answer)}, so it is not attempted yet"
        raise Mistake(READING, wanted, got)
    parts = answer if isinstance(answer, list | tuple | set) else [answer]
    if not all(isinstance(part, str) for part in parts):
        raise Mistake(READING, wanted, _describe(answer))
    text = " ".join(parts).lower().replace(" and ", " ")
    given = sorted({c for c in text if not c.isspace() and c not in SEPARATORS})
    if not given or any(c not in among for c in given) or (len(given) > 1 and not several):
        raise Mistake(READING, wanted, _describe(answer))
    return given


def _same_type(got: Any, wanted: Any, when: str, think: str) -> None:
    if _is_tensor(wanted) and not _is_tensor(got):
        raise Mistake(when, "a torch tensor", _describe(got), think)
    if isinstance(wanted, np.ndarray) and not isinstance(got, np.ndarray | np.number):
        raise Mistake(when, "a NumPy array", _describe(got), think)
    if _is_tensor(wanted) and got.device != wanted.device:
        raise Mistake(when, f"a tensor on {wanted.device}", f"one on {got.device}", think)


def _same_dtype(got: Any, wanted: Any, when: str, think: str) -> None:
    if _is_array(wanted) and wanted.dtype != got.dtype:
        raise Mistake(when, f"dtype {_dtype(wanted)}", f"dtype {_dtype(got)}", think)


def _same_members(got: Any, wanted: Any, what: str, when: str, think: str) -> None:
    missing = [m for m in wanted if m not in got]
    extra = [m for m in got if m not in wanted]
    if missing or extra:
        parts = [f"without {_few(missing)}"] * bool(missing) + [f"with {_few(extra)}"] * bool(extra)
        raise Mistake(when, f"the {what} {_few(wanted)}", f"them {' and '.join(parts)}", think)


def _same_curve(line: Any, wanted: Any, rtol: float) -> bool:
    return all(
        len(one) == len(other) and np.allclose(one, other, rtol=rtol, atol=0, equal_nan=True)
        for one, other in zip(line, wanted, strict=True)
    )


def _worst(got: Any, wanted: Any, wrong: Any) -> tuple[str, str]:
    """The words for the worst of the wrong values."""
    with np.errstate(invalid="ignore"):
        off = np.where(wrong, np.abs(got.astype(float) - wanted.astype(float)), -1.0)
    where = np.unravel_index(np.nanargmax(np.where(np.isnan(off), np.inf, off)), off.shape)
    one, other = got[where].item(), wanted[where].item()
    digits = next((d for d in (6, 9, 12) if f"{one:.{d}g}" != f"{other:.{d}g}"), 17)
    at = f" at {[int(i) for i in where]}" if where else ""
    many = f" ({wrong.sum()} of {wrong.size} values differ)" if wrong.sum() > 1 else ""
    return f"{other:.{digits}g}{at}", f"{one:.{digits}g}{many}"


def _precision(got: Any, wanted: Any) -> float:
    known = [RTOL[_dtype(v)] for v in (got, wanted) if _is_array(v) and _dtype(v) in RTOL]
    return max(known, default=RTOL["float64"])


def _dtype(value: Any) -> str:
    return str(value.dtype).removeprefix("torch.")


def _shaped(values: Any) -> str:
    return f"shape {values.shape}" if values.shape else "a single number"


def _describe(value: Any) -> str:
    if _is_tensor(value):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape}"
    if value is Ellipsis:
        return "`...`"
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    text = repr(value)
    if " at 0x" in text:
        return _article(type(value).__name__)
    return text if len(text) <= 60 else f"{text[:56]} …"


def _few(members: Iterable[Any]) -> str:
    names = [str(m) if isinstance(m, str) else repr(m) for m in members]
    return ", ".join(names[:6]) + (", …" if len(names) > 6 else "")


def _article(noun: str) -> str:
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _say_not_attempted(
    shell: Any, kind: type, error: BaseException, *_: Any, **__: Any
) -> list[str]:
    lines = [f"Not attempted yet: {error}."]
    shell._showtraceback(kind, error, lines)
    return lines


# In Jupyter a stub that is called says that it is one, in a line in place of a traceback.
if "IPython" in sys.modules and (shell := sys.modules["IPython"].get_ipython()):
    shell.set_custom_exc((NotImplementedError,), _say_not_attempted)
