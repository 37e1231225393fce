"""Randomness: seeds that cannot be foreseen, and draws that nobody notices."""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from typing import Any

from autograder.randomness import NUMPY_SEED, PYTHON_SEED, TORCH_SEED, mixed, moving
from autograder.sealed import wire


def seed(seed: int, salt: int = 0) -> None:
    for one in (TORCH_SEED, PYTHON_SEED, NUMPY_SEED):
        one(mixed(seed, salt))


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
        return mixed(seed, salt)

    with moving(moved):
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
