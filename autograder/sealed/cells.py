"""The text of cells: their names, their probes, and what an exercise forbids."""

import ast
import contextlib
import copy
from collections.abc import Sequence
from functools import cache
from types import CodeType
from typing import Any

from autograder import forbidden
from autograder.sealed import TRUSTED, Step

REFERENCE = "<reference>"


@cache
def parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        manager = TransformerManager()  # type: ignore[no-untyped-call]
        return ast.parse(manager.transform_cell(source))


@cache
def compiled(source: str, filename: str) -> tuple[CodeType, CodeType | None]:
    """The code of a cell up to its last line, and the code of that, if it has a value."""
    tree = parsed(source)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return compile(tree, filename, "exec"), None
    first = compile(ast.Module(tree.body[:-1], []), filename, "exec")
    return first, compile(ast.Expression(last.value), filename, "eval")


@cache
def mentioned(source: str) -> set[str]:
    try:
        return {n.id for n in ast.walk(parsed(source)) if isinstance(n, ast.Name)}
    except SyntaxError:
        return set()


def prepare(step: Step) -> None:
    """Read and compile what `source/` has at a step; not what a student wrote there."""
    with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
        if step.reference:
            compiled(step.reference, REFERENCE)
        if step.kind in TRUSTED:
            mentioned(step.source)
            probes(step.source)
            compiled(step.source, name_of(step))


def name_of(step: Step) -> str:
    """What stands for a file's name in tracebacks; seeds are told apart by it."""
    return f"<{step.kind}: {step.id}>"


def bound(source: str) -> set[str]:
    try:
        tree = parsed(source)
    except SyntaxError:
        return set()
    names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    stored = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
    return names | {n.id for n in stored if isinstance(n.ctx, ast.Store)}


@cache
def probes(source: str) -> dict[str, str]:
    """The text of each probe of a cell, with the cell's imports before it."""
    tree = parsed(source)
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    head = "\n".join(ast.unparse(n) for n in imports if "reference" not in ast.unparse(n))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(map(_is_mark, node.decorator_list)):
            bare = copy.copy(node)
            bare.decorator_list = [d for d in node.decorator_list if not _is_mark(d)]
            found[node.name] = f"{head}\n{ast.unparse(bare)}"
    return found


def _is_mark(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] == "student_side"


def inlined(source: str) -> list[str]:
    """The reference that the builder wrote into a check."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "_reference"]
    return [ast.unparse(n) for n in found]


def forbidden_uses(steps: Sequence[Step], words: Sequence[str]) -> dict[str, list[str]]:
    """By solution cell, the forbidden built-ins that its names lead to, in whatever cell."""
    trees = []
    for step in steps if words else ():
        if step.kind != "check":
            with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                trees.append(parsed(step.source))
    if not trees:
        return {}
    return {s.id: forbidden.uses(trees, s.defines, words) for s in steps if s.kind == "solution"}


def no_shell() -> Any:
    """What magics of given cells talk to in the judge: they are for the student's process."""
    return _Nothing()


class _Nothing:
    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None
