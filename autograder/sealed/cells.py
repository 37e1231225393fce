"""The text of cells: their names, their probes, and what an exercise forbids."""

import ast
import copy
from collections.abc import Sequence
from functools import cache
from typing import Any

from autograder.sealed import Step


@cache
def parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        manager = TransformerManager()  # type: ignore[no-untyped-call]
        return ast.parse(manager.transform_cell(source))


@cache
def mentioned(source: str) -> set[str]:
    try:
        return {n.id for n in ast.walk(parsed(source)) if isinstance(n, ast.Name)}
    except SyntaxError:
        return set()


def bound(source: str) -> set[str]:
    try:
        tree = parsed(source)
    except SyntaxError:
        return set()
    names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    stored = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
    return names | {n.id for n in stored if isinstance(n.ctx, ast.Store)}


def probes(tree: ast.Module) -> dict[str, str]:
    """The text of each probe of a cell, with the cell's imports before it."""
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


def forbidden(step: Step, words: Sequence[str]) -> list[str]:
    """What a solution cell uses in its definitions, or overwrites, although it is forbidden.

    A line beside the definitions that compares with the built-in is no offence.
    """
    if step.kind != "solution" or not words:
        return []
    try:
        tree = parsed(step.source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    definitions = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef, ast.Lambda)
    inside = [n for top in ast.walk(tree) if isinstance(top, definitions) for n in ast.walk(top)]
    stored = [
        n for n in ast.walk(tree)
        if isinstance(n, ast.Attribute | ast.Name) and isinstance(n.ctx, ast.Store)
    ]  # fmt: skip
    found = []
    for node in [*inside, *stored]:
        word = getattr(node, "attr", None) or getattr(node, "id", None)
        plain = str(word).replace("_", "").lower()
        if word and any(plain.startswith(w.replace("_", "").lower()) for w in words):
            found.append(str(word))
    return sorted(set(found))


def no_shell() -> Any:
    """What magics of given cells talk to in the judge: they are for the student's process."""
    return _Nothing()


class _Nothing:
    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None
