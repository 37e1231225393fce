"""Randomness: seeds that cannot be foreseen, and draws that nobody notices."""

import contextlib
import hashlib
import io
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from autograder.sealed import wire


def seed(seed: int, salt: int = 0) -> None:
    mixed = _mixed(seed, salt)
    _TORCH_SEED(mixed)
    _PYTHON_SEED(mixed)
    _NUMPY_SEED(mixed)


# Not torch.manual_seed: that looks for a GPU to seed, and takes a millisecond.
_TORCH_SEED = torch.default_generator.manual_seed
_NUMPY_SEED, _NUMPY_RNG = np.random.seed, np.random.default_rng
_PYTHON_SEED = random.seed


def _mixed(seed: Any, salt: int) -> int:
    if not salt:
        return int(seed) % 2**32
    digest = hashlib.blake2b(f"{salt}:{int(seed)}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


@contextlib.contextmanager
def salted(salt: int, on_seed: Callable[[], None]) -> Iterator[None]:
    """Move every seed that the text of a check sets, so that its inputs cannot be foreseen.

    Seeds that given cells or the reference set stay: students' cells set the same ones.
    """

    def moved(seed: Any) -> Any:
        code = sys._getframe(2).f_code
        in_check = code.co_filename.startswith("<check: ")
        on_seed()
        if seed is None or not in_check or code.co_qualname.startswith("_reference."):
            return seed
        return _mixed(seed, salt)

    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> Any:
            return super().manual_seed(moved(seed))

    with (
        patch.object(torch, "manual_seed", lambda seed: _TORCH_SEED(moved(seed))),
        patch.object(torch, "Generator", Generator),
        patch.object(np.random, "seed", lambda seed=None: _NUMPY_SEED(moved(seed))),
        patch.object(np.random, "default_rng", lambda seed=None: _NUMPY_RNG(moved(seed))),
        patch.object(random, "seed", lambda seed=None, *_: _PYTHON_SEED(moved(seed))),
    ):
        yield


@contextlib.contextmanager
def kept_random() -> Iterator[None]:
    """Run something that draws without anybody noticing."""
    state = wire.pack_random()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        wire.unpack_random(state)
