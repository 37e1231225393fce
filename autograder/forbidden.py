"""What an exercise forbids: built-ins that would do its work.

Two looks, of which neither is enough. `uses` reads what a student wrote and follows it from the
names that the exercise asks for; it sees what is written plainly. `Forbidding` makes the built-ins
themselves refuse; it sees what is really called, however it was found. Both go by words:
`batch_norm` stands for `F.batch_norm`, `nn.BatchNorm1d` and `aten::native_batch_norm_backward`.
"""

import ast
import contextlib
import re
import sys
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+[a-z]*")
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "sklearn", "statistics", "math")
# Functions to which a name can be given as a text.
BY_TEXT = frozenset(
    "getattr __getattr__ __getattribute__ attrgetter import_module __import__ eval exec".split()
)
# Where PyTorch keeps what is written in Python.
HOMES = ("torch.nn", "torch.optim", "torch.autograd", "torch._refs", "torch._decomp")
MOST = 8  # parts of a name that PyTorch spells as one
DEEP = 20  # attributes of attributes; nobody writes more of them
BACKENDS = ("CPU", "MkldnnCPU", "NestedTensorCPU", "SparseCPU", "QuantizedCPU")

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Forbidden(RuntimeError):
    """A built-in that this exercise forbids was called."""


def names(identifier: str, words: Iterable[str]) -> bool:
    """Whether one of the words is in an identifier, however it is spelt: as in BatchNorm1d."""
    return not _runs(identifier).isdisjoint(map(_plain, words))


def _plain(word: str) -> str:
    return word.replace("_", "").lower()


def _runs(identifier: str) -> set[str]:
    """The parts of an identifier and what neighbours among them make: batch, norm, batchnorm."""
    found = [part.lower() for part in PARTS.findall(identifier)]
    last = len(found) + 1
    return {"".join(found[i:j]) for i in range(last) for j in range(i + 1, min(i + MOST + 1, last))}


def uses(cells: Sequence[ast.Module], wanted: Iterable[str], words: Sequence[str]) -> list[str]:
    """The forbidden built-ins that the code behind the wanted names uses, as they are written.

    `cells` hold all that the code may mention. What no wanted name leads to, such as a line that
    compares with the built-in, is no offence; to replace the built-in always is.
    """
    tops = [statement for cell in cells for statement in cell.body]
    bound: dict[str, list[ast.stmt]] = {}
    for statement in tops:
        for name in _binds(statement):
            bound.setdefault(name, []).append(statement)
    imports = _imports(tops)
    stars = any(a.name == "*" for n in tops if isinstance(n, ast.ImportFrom) for a in n.names)
    left, seen, found = list(wanted), set(), dict[str, None]()
    for node in (n for statement in tops for n in ast.walk(statement)):
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
            found |= dict.fromkeys(_offences(node, imports, set(), words))
    while left:
        for statement in bound.get(left.pop(), ()):
            if statement in seen:
                continue
            seen.add(statement)
            own, reached = _local(statement), imports | _imports(ast.walk(statement))
            for node in ast.walk(statement):
                found |= dict.fromkeys(_offences(node, reached, own, words))
                if not isinstance(node, ast.Name) or node.id in own:
                    continue
                if node.id in bound:
                    left.append(node.id)
                elif stars and names(node.id, words):
                    found[node.id] = None
    return sorted(found)


def _offences(
    node: ast.AST, imports: Mapping[str, str], own: set[str], words: Sequence[str]
) -> Iterator[str]:
    if isinstance(node, ast.Attribute | ast.Name):
        dotted = _dotted(node)
        root, _, rest = dotted.partition(".")
        home = imports.get(root, "")
        whole = f"{home}.{rest}".strip(".")
        known = root not in own and whole.partition(".")[0] in LIBRARIES
        # Of F.batch_norm.__doc__ the part F.batch_norm is the offence.
        last = whole.rpartition(".")[2]
        if known and (names(last, words) or (not rest and names(whole, words))):
            yield dotted
        elif isinstance(node, ast.Attribute) and not dotted and names(node.attr, words):
            yield node.attr  # of something that a call found: __import__("torch").batch_norm
    elif isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] in BY_TEXT:
        for part in ast.walk(node):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                for word in re.findall(r"\w+", part.value):
                    if names(word, words):
                        yield word


def _dotted(node: ast.expr) -> str:
    """The name of a chain such as torch.nn.functional; empty if it begins with something else."""
    last: list[str] = []
    while isinstance(node, ast.Attribute) and len(last) < DEEP:
        last.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(last)]) if isinstance(node, ast.Name) else ""


def _binds(statement: ast.stmt) -> set[str]:
    """The names that a statement gives a value to, where the next one sees them."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
    return found


def _local(statement: ast.stmt) -> set[str]:
    """The names that mean something of its own within a function or a class."""
    if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return set()
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, Function):
            every = ast.walk(node.args)
            found |= {a.arg for a in every if isinstance(a, ast.arg)}
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _imports(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """What imported names stand for."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                whole = alias.name if alias.asname else alias.name.partition(".")[0]
                found[alias.asname or whole] = whole
        elif isinstance(node, ast.ImportFrom):
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


class Forbidding:
    """Makes every built-in that one of the words names refuse, while it is on.

    An operator's kernel is replaced, so that all ways to it are shut: functions, modules,
    torch.ops, tensors' methods. What PyTorch has in Python alone (initializers, optimizers) is told
    who calls: a student's code is refused, PyTorch itself is not.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self.on = False
        self._library: Any = None
        operators, functions = built_ins()
        plain = [_plain(word) for word in words]
        self._operators = {o: None for word in plain for o in operators.get(word, ())}
        self._functions = {f: None for word in plain for f in functions.get(word, ())}
        self._gates: list[types.CodeType] = []

    def turn(self, on: bool) -> None:
        """Forbid, or allow again."""
        if on is self.on or not self.words:
            return
        self.on = on
        self._turn_operators()
        for number, function in enumerate(self._functions):
            if on and len(self._gates) <= number:
                self._gates.append(_gate(function))
            function.__code__, self._gates[number] = self._gates[number], function.__code__

    def _turn_operators(self) -> None:
        import torch

        self._library = None  # it undoes its work when it dies
        if not self.on:
            return
        self._library = torch._C._dispatch_library("IMPL", "aten", "CPU")  # type: ignore[no-untyped-call]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in self._operators:
                for backend in BACKENDS:
                    with contextlib.suppress(RuntimeError):
                        self._library.impl(name, backend, _refusal(name.partition(".")[0]), False)


def unknown(words: Iterable[str]) -> list[str]:
    """The words that name nothing in PyTorch."""
    operators, functions = built_ins()
    return [w for w in words if _plain(w) not in operators and _plain(w) not in functions]


@cache
def built_ins() -> tuple[dict[str, list[str]], dict[str, list[types.FunctionType]]]:
    """The operators, and the functions and constructors in Python, by what their names say."""
    import torch.optim

    operators: dict[str, list[str]] = {}
    for whole in sorted(torch._C._dispatch_get_all_op_names()):
        space, _, name = whole.partition("::")
        for run in _runs(name.partition(".")[0]) if space == "aten" else ():
            operators.setdefault(run, []).append(name)
    functions: dict[str, list[types.FunctionType]] = {}
    for home, module in sorted(sys.modules.items()):
        for name, value in list(vars(module).items()) if home.startswith(HOMES) else ():
            made = isinstance(value, type)
            function = vars(value).get("__init__") if made else value
            if not isinstance(function, types.FunctionType):
                continue
            for run in _runs(name) if str(value.__module__).startswith("torch") else ():
                known = functions.setdefault(run, [])
                if function not in known:
                    known.append(function)
    return operators, functions


def _refusal(name: str) -> Callable[..., None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise Forbidden(f"`{name}` may not be used in this exercise")

    return refuse


def _gate(function: types.FunctionType) -> types.CodeType:
    """Code that asks `gate` before it does what the function did."""
    original = types.FunctionType(
        function.__code__, function.__globals__, function.__name__,
        function.__defaults__, function.__closure__,
    )  # fmt: skip
    original.__kwdefaults__ = function.__kwdefaults__
    number = len(_GATED)
    _GATED.append(original)
    # As many variables from outside as the function has: Python wants them equal.
    cells = [f"outer_{n}" for n in range(len(function.__code__.co_freevars))]
    mention = f"        ({', '.join(cells)},)\n" if cells else ""
    text = (
        f"def make({', '.join(cells)}):\n"
        "    def gated(*args, **kwargs):\n"
        f"{mention}"
        f"        return __import__('sys').modules[{__name__!r}].gate({number}, args, kwargs)\n"
        "    return gated\n"
    )
    made: dict[str, Any] = {}
    exec(text, made)
    code: types.CodeType = made["make"](*[None] * len(cells)).__code__
    return code.replace(co_name=function.__name__, co_qualname=function.__qualname__)


_GATED: list[types.FunctionType] = []


def gate(number: int, args: Any, kwargs: Any) -> Any:
    """Call a gated function for PyTorch; refuse it to anybody else."""
    original, caller = _GATED[number], sys._getframe(2)
    if str(caller.f_globals.get("__name__")).startswith("torch"):
        return original(*args, **kwargs)
    name = original.__name__ if original.__name__ != "__init__" else type(args[0]).__name__
    raise Forbidden(f"`{name}` may not be used in this exercise")
