"""Every way to set a seed is seen, moved, and as it was afterwards."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from autograder.randomness import mixed, moving


def of_torch() -> float:
    torch.manual_seed(3)
    return torch.rand(1).item()


def of_numpy() -> float:
    np.random.seed(3)
    return float(np.random.rand())


def of_python() -> float:
    random.seed(3)
    return random.random()


def seeded_later() -> float:
    generator = random.Random()
    generator.seed(3)
    return generator.random()


WAYS: dict[str, Callable[[], Any]] = {
    "torch.manual_seed": of_torch,
    "torch.Generator": lambda: torch.rand(1, generator=torch.Generator().manual_seed(3)).item(),
    "np.random.seed": of_numpy,
    "np.random.default_rng": lambda: np.random.default_rng(3).random(),
    "np.random.default_rng of several": lambda: np.random.default_rng([3, 4]).random(),
    "np.random.RandomState": lambda: np.random.RandomState(3).rand(),
    "random.seed": of_python,
    "random.Random": lambda: random.Random(3).random(),
    "random.Random of a text": lambda: random.Random("three").random(),
    "random.Random().seed": seeded_later,
}


@pytest.mark.parametrize("draw", WAYS.values(), ids=WAYS)
def test_a_seed_is_moved_by_the_salt_alone(draw: Callable[[], Any]) -> None:
    plain = draw()
    found = []
    for salt in (0, 1, 1, 2):
        with moving(lambda seed, salt=salt: mixed(seed, salt)):
            found.append(draw())
    assert found[0] == plain
    assert found[1] == found[2]
    assert len({found[0], found[1], found[3]}) == 3
    assert draw() == plain


def test_what_is_no_seed_stays_what_it_is() -> None:
    generator = np.random.default_rng(1)
    with moving(lambda seed: mixed(seed, 7)):
        assert np.random.default_rng(generator) is generator
    assert mixed(np.int64(3), 7) == mixed(3, 7)
