"""Arguments that a call changes: copies of them, and what of a change is taken over here.

What changed over there changes here only where the reference changes it, too; if not, the check has
to pass with and without the change.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from autograder.sealed.standins import StandIn
from autograder.sealed.student import generator_state

if TYPE_CHECKING:
    from autograder.sealed.shadows import Shadow

GENERATORS = (torch._C.Generator, np.random.Generator)


def write_back(
    inputs: list[Any], changed: dict[Any, Any], result: "Shadow | None", odd_too: bool
) -> bool:
    """Change the arguments as they were changed over there, where the reference does so.

    `odd_too` takes over other changes as well; the answer tells whether there were any.
    """
    odd = False
    usual = result.changed if result and result.done and not result.failed else set()
    for i, new in changed.items():
        if type(i) is not int or not 0 <= i < len(inputs):
            continue
        mine = inputs[i]
        if i not in usual:
            odd = True
            if not odd_too:
                continue
        if isinstance(mine, GENERATORS):
            if result and i in usual:
                set_generator(mine, result.inputs[i])
        elif isinstance(mine, torch.Tensor):
            if (
                isinstance(new, torch.Tensor)
                and new.shape == mine.shape
                and new.dtype == mine.dtype
                and new is not mine
            ):
                with torch.no_grad():
                    mine.copy_(new)
        elif isinstance(mine, np.ndarray):
            if isinstance(new, np.ndarray) and new.shape == mine.shape and new.dtype == mine.dtype:
                mine[...] = new
        elif type(mine) is list and type(new) is list:
            mine[:] = new
        elif type(mine) is dict and type(new) is dict:
            mine.clear()
            mine.update(new)
    return odd


def copied(value: Any) -> Any:
    """Copies of the tensors and containers of a value; a stand-in becomes its shadow's value."""
    made: dict[int, Any] = {}

    def twin(value: Any) -> Any:
        if id(value) in made:
            return made[id(value)]
        if isinstance(value, StandIn):
            shadow = value._StandIn__of.shadow  # type: ignore[attr-defined]
            return shadow.force() if shadow else value
        if type(value) in (list, tuple):
            return type(value)(twin(v) for v in value)
        if type(value) is dict:
            return {k: twin(v) for k, v in value.items()}
        new: Any = value
        if isinstance(value, torch.Tensor):
            new = value.detach().clone()
            if isinstance(value, torch.nn.Parameter):
                new = torch.nn.Parameter(new, requires_grad=value.requires_grad)
            elif value.requires_grad:
                new.requires_grad_()
                new = new if value.is_leaf else new.clone()
        elif isinstance(value, np.ndarray):
            new = value.copy()
        elif isinstance(value, GENERATORS):
            new = torch.Generator() if isinstance(value, torch._C.Generator) else _numpy_generator()
            set_generator(new, value)
        made[id(value)] = new
        return new

    return twin(value)


def _numpy_generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def set_generator(mine: Any, other: Any) -> None:
    if isinstance(mine, torch._C.Generator):
        mine.set_state(other.get_state())
    else:
        mine.bit_generator.state = other.bit_generator.state


def identical(one: Any, other: Any) -> bool:
    """Whether two parts are the same to the last bit; NaN is NaN."""
    if type(one) in (list, dict) or type(other) in (list, dict):
        try:
            pairs = zip(one, other, strict=True)
            if type(one) is dict:
                return list(one) == list(other) and all(identical(one[k], other[k]) for k in one)
            return type(one) is type(other) and all(identical(a, b) for a, b in pairs)
        except (ValueError, TypeError):
            return False
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        one, other = one.detach(), other.detach()
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if one.is_complex():
            one, other = torch.view_as_real(one), torch.view_as_real(other)
        return bool(((one == other) | ((one != one) & (other != other))).all())
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, torch._C.Generator) and isinstance(other, torch._C.Generator):
        return one.get_state().equal(other.get_state())
    if isinstance(one, np.random.Generator) and isinstance(other, np.random.Generator):
        return bool(generator_state(one) == generator_state(other))
    return one is other or (type(one) is type(other) and bool(one == other))
