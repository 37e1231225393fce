"""What a server loads before there is any submission, so that nothing has to be loaded for one."""

import gc
import importlib.util
import operator
import sys
import types
import warnings
from typing import Any

from autograder.sealed import student


def load() -> Any:
    """Import what judges and notebooks need; the IPython shell in which students' cells run."""
    filters = list(warnings.filters)
    warnings.simplefilter("ignore")
    _without_compiler()
    shell = student.load()
    import autograder.sealed.service  # noqa: F401

    warnings.filters[:] = filters  # type: ignore[index]
    gc.collect()
    gc.freeze()  # or the first collection in each child copies every page
    return shell


def _without_compiler() -> None:
    """Let what computes eagerly ask torch's compiler without loading it.

    An optimizer's first step and the first gradient of a given output import a compiler and sympy,
    1.7 s and 70 MB of a thousand modules, to call functions that do nothing unless something is
    being compiled. Whoever asks for anything else gets the real thing.
    """
    _stand_for("torch._dynamo", graph_break=_nothing, disable=_as_it_is)
    _stand_for("torch.fx.experimental.symbolic_shapes", expect_true=bool, sym_eq=operator.eq)


def _stand_for(name: str, **functions: Any) -> None:
    if name not in sys.modules:
        light = _Light(name)
        vars(light).update(functions, __spec__=importlib.util.find_spec(name))
        home, _, last = name.rpartition(".")
        setattr(importlib.import_module(home), last, light)
        sys.modules[name] = light


class _Light(types.ModuleType):
    """Stands where a large module would, with a few functions of it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def _nothing(*_: Any, **__: Any) -> None:
    """`graph_break`: there is no graph."""


def _as_it_is(function: Any = None, *_: Any, **__: Any) -> Any:
    """`disable`: nothing is compiled, so there is nothing to keep from it."""
    return function if function is not None else _as_it_is
