"""Seeds that can be moved: every way in which cells set one goes by a function first."""

import contextlib
import hashlib
import operator
import random
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

# Not torch.manual_seed: that looks for a GPU to seed, and takes a millisecond.
TORCH_SEED = torch.default_generator.manual_seed
NUMPY_SEED, PYTHON_SEED = np.random.seed, random.seed
_NUMPY_RNG = np.random.default_rng


def mixed(seed: Any, salt: int) -> Any:
    """Another seed, which nobody can foresee who does not know the salt."""
    if not salt or isinstance(seed, np.random.Generator | np.random.BitGenerator):
        return seed
    try:
        told = str(operator.index(seed))
    except TypeError:  # text, several numbers, a sequence of NumPy's
        told = repr(seed)
    digest = hashlib.blake2b(f"{salt}:{told}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


@contextlib.contextmanager
def moving(moved: Callable[[Any], Any]) -> Iterator[None]:
    """Give `moved` every seed that is set; what it returns is the seed.

    `moved` finds who set the seed two frames up.
    """

    class TorchGenerator(torch.Generator):
        def manual_seed(self, seed: int) -> Any:
            return super().manual_seed(moved(seed))

    class Random(random.Random):
        def __init__(self, x: Any = None) -> None:
            super().seed(moved(x))

        def seed(self, a: Any = None, version: int = 2) -> None:
            super().seed(moved(a), version)

    class RandomState(np.random.RandomState):
        def __init__(self, seed: Any = None) -> None:
            super().__init__(moved(seed))

        def seed(self, seed: Any = None) -> None:
            super().seed(moved(seed))

    with (
        patch.object(torch, "manual_seed", lambda seed: TORCH_SEED(moved(seed))),
        patch.object(torch, "Generator", TorchGenerator),
        patch.object(np.random, "seed", lambda seed=None: NUMPY_SEED(moved(seed))),
        patch.object(np.random, "default_rng", lambda seed=None: _NUMPY_RNG(moved(seed))),
        patch.object(np.random, "RandomState", RandomState),
        patch.object(random, "seed", lambda a=None, version=2: PYTHON_SEED(moved(a), version)),
        patch.object(random, "Random", Random),
    ):
        yield
