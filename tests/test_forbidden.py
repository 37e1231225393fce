"""Forbidden built-ins: found in code however they are spelt, refused however they are called."""

import ast
import importlib
import time
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from autograder import forbidden
from autograder.forbidden import Forbidden, Forbidding

HEAD = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


@pytest.mark.parametrize(
    ("identifier", "word"),
    [
        ("batch_norm", "batch_norm"),
        ("BatchNorm1d", "batch_norm"),
        ("SyncBatchNorm", "batch_norm"),
        ("batchnorm", "batch_norm"),
        ("native_batch_norm_backward", "batch_norm"),
        ("RMSNorm", "rms_norm"),
        ("ReLU", "relu"),
        ("Conv2d", "conv2d"),
        ("CrossEntropyLoss", "cross_entropy"),
        ("xavier_uniform_", "xavier_uniform"),
        ("Adam", "adam"),
    ],
)
def test_an_identifier_is_known_in_every_spelling(identifier: str, word: str) -> None:
    assert forbidden.names(identifier, [word])


@pytest.mark.parametrize(
    ("identifier", "word"), [("normal_", "norm"), ("variance", "var"), ("renorm", "norm")]
)
def test_a_word_within_a_word_is_another_word(identifier: str, word: str) -> None:
    assert not forbidden.names(identifier, [word])


def test_a_name_of_many_parts_is_read_in_no_time() -> None:
    began = time.process_time()
    assert not forbidden.names("_".join(f"a{n}" for n in range(20_000)), ["batch_norm"])
    assert time.process_time() - began < 5


def found(*cells: str) -> list[str]:
    return forbidden.uses([ast.parse(HEAD), *map(ast.parse, cells)], ["f"], ["batch_norm"])


GUILTY = {
    "a function": ("def f(x): return F.batch_norm(x)", "F.batch_norm"),
    "a function of torch": ("def f(x): return torch.batch_norm(x)", "torch.batch_norm"),
    "a module": ("def f(x): return nn.BatchNorm1d(3)(x)", "nn.BatchNorm1d"),
    "an operator": (
        "def f(x): return torch.ops.aten.native_batch_norm(x)",
        "torch.ops.aten.native_batch_norm",
    ),
    "getattr": ("def f(x): return getattr(F, 'batch_norm')(x)", "batch_norm"),
    "importlib": (
        "def f(x):\n    import importlib\n"
        "    return importlib.import_module('torch.nn.modules.batchnorm')",
        "batchnorm",
    ),
    "eval": ("def f(x): return eval('F.batch_norm(x)')", "batch_norm"),
    "what a call found": ("def f(x): return __import__('torch').batch_norm(x)", "batch_norm"),
    "another name": (
        "from torch.nn.functional import batch_norm as bn\ndef f(x): return bn(x)",
        "bn",
    ),
    "a star": ("from torch.nn.functional import *\ndef f(x): return batch_norm(x)", "batch_norm"),
    "an import within": (
        "def f(x):\n    import torch.nn.functional as G\n    return G.batch_norm(x)",
        "G.batch_norm",
    ),
    "a helper": (
        "def f(x): return g(x)\ndef g(x): return h(x)\ndef h(x): return F.batch_norm(x)",
        "F.batch_norm",
    ),
    "a value": ("f = F.batch_norm", "F.batch_norm"),
    "another in its place": ("def f(x): return x\nF.batch_norm = f", "F.batch_norm"),
    "a class": (
        "class f(nn.Module):\n    def __init__(self): self.n = nn.BatchNorm1d(2)",
        "nn.BatchNorm1d",
    ),
}


@pytest.mark.parametrize("code, word", GUILTY.values(), ids=GUILTY)
def test_a_use_is_found(code: str, word: str) -> None:
    assert word in found(code)


def test_a_use_in_another_cell_is_found() -> None:
    assert found("helper = F.batch_norm", "def f(x): return helper(x)") == ["F.batch_norm"]


INNOCENT = {
    "a comparison below": "def f(x): return x\nassert f(1) is not F.batch_norm",
    "a test of its own": "def f(x): return x\ndef test(): return f(1) == F.batch_norm(1)",
    "a helper with such a name": (
        "def batch_norm_moments(x): return x\ndef f(x): return batch_norm_moments(x)"
    ),
    "a variable with such a name": "def f(x):\n    batch_norm = x\n    return batch_norm",
    "an attribute with such a name": "class f:\n    def g(self): return self.batch_norm.mean",
    "a docstring": "def f(x):\n    '''As F.batch_norm does.'''\n    return x",
    "a text": "def f(x): raise ValueError('F.batch_norm would say the same')",
    "a global that is hidden": "y = F.batch_norm\ndef f(x):\n    y = x\n    return y",
    "a file of their own": "import mine\ndef f(x): return mine.batch_norm(x)",
}


@pytest.mark.parametrize("code", INNOCENT.values(), ids=INNOCENT)
def test_honest_code_is_not_suspected(code: str) -> None:
    assert found(code) == []


def x() -> Tensor:
    return torch.ones(4, 3)


def native(function: Callable[..., object]) -> object:
    return function(x(), None, None, None, None, True, 0.1, 1e-5)


def by_text() -> object:
    home = importlib.import_module("torch.nn." + "functional")
    return getattr(home, "batch_" + "norm")(x(), None, None, training=True)


CALLS: dict[str, Callable[[], object]] = {
    "a function": lambda: F.batch_norm(x(), None, None, training=True),
    "a module": lambda: nn.BatchNorm1d(3)(x()),
    "a function of torch": lambda: native(torch.native_batch_norm),
    "an operator": lambda: native(torch.ops.aten.native_batch_norm),
    "the backward pass": lambda: torch.ops.aten.native_batch_norm_backward(
        x(), x(), None, None, None, torch.ones(3), torch.ones(3), True, 1e-5, [True] * 3
    ),
    "by its text": by_text,
    "by way of another": lambda: F.instance_norm(x()[None]),
    "an initializer": lambda: nn.init.xavier_uniform_(x()),
    "an optimizer": lambda: torch.optim.Adam([x()]),
    "a method": lambda: x().relu(),
}


@pytest.fixture
def forbidding() -> Iterator[Forbidding]:
    made = Forbidding(["batch_norm", "xavier_uniform", "adam", "relu"])
    made.turn(True)
    yield made
    made.turn(False)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_call_is_refused_and_later_allowed_again(
    call: Callable[[], object], forbidding: Forbidding
) -> None:
    for _ in range(2):
        with pytest.raises(Forbidden, match="may not be used in this exercise"):
            call()
        forbidding.turn(False)
        call()
        forbidding.turn(True)


def test_pytorch_itself_may_use_its_initializers() -> None:
    forbidding = Forbidding(["kaiming_uniform"])
    forbidding.turn(True)
    try:
        nn.Linear(2, 2)
        with pytest.raises(Forbidden, match="`kaiming_uniform_` may not"):
            nn.init.kaiming_uniform_(torch.ones(2, 2))
    finally:
        forbidding.turn(False)
    nn.init.kaiming_uniform_(torch.ones(2, 2))


def test_a_word_that_names_nothing_is_told() -> None:
    words = ["batch_norm", "batch_nrom", "adam", "gradcheck", "linear", "clip_grad_norm"]
    assert forbidden.unknown(words) == ["batch_nrom"]
