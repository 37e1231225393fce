"""Attacks on, and accidents with, the structure and the metadata of a notebook."""

import copy

from submissions.course import Handed, hands_in

TESTS = ("bn_visible", "bn_hidden", "drop_visible", "drop_hidden")


@hands_in(fair=(0, 0))
def delete_tests(s: Handed) -> None:
    """all test cells deleted"""
    s.nb.cells = [
        c for c in s.nb.cells if c.metadata.get("nbgrader", {}).get("grade_id") not in TESTS
    ]


@hands_in(fair=(8, 8))
def duplicate_cell(s: Handed) -> None:
    """an honest, correct student copy-pasted a test cell (same grade_id twice)"""
    s.right()
    i = s.index("bn_visible")
    c = copy.deepcopy(s.nb.cells[i])
    c["id"] = "dup1"
    s.nb.cells.insert(i, c)


@hands_in(fair=(0, 8))
def reorder(s: Handed) -> None:
    """test cells moved before the solutions; solutions right"""
    s.right()
    tests = [s.cell(g) for g in TESTS]
    s.nb.cells = [c for c in s.nb.cells if c not in tests]
    s.nb.cells[1:1] = tests


@hands_in(fair=(0, 0))
def retype_markdown(s: Handed) -> None:
    """test cells turned into markdown"""
    for g in TESTS:
        c = s.cell(g)
        c["cell_type"] = "markdown"
        c.pop("outputs", None)
        c.pop("execution_count", None)


@hands_in(fair=(0, 1))
def points(s: Handed) -> None:
    """points raised 3 -> 300 and a visible test weakened"""
    for g in TESTS:
        s.cell(g).metadata.nbgrader["points"] = 300
    s.set("bn_visible", "pass")


@hands_in(fair=(8, 8))
def schema_99(s: Handed) -> None:
    """nbgrader schema_version 99 on one cell (work is right)"""
    s.right()
    s.cell("bn").metadata.nbgrader["schema_version"] = 99


@hands_in(fair=(0, 0))
def strip_metadata(s: Handed) -> None:
    """nbgrader metadata removed from test cells"""
    for g in TESTS:
        s.cell(g).metadata = {}


@hands_in(fair=(0, 1))
def edit_tests(s: Handed) -> None:
    """test sources replaced by 'assert True'"""
    for g in TESTS:
        s.set(g, "assert True")


@hands_in(fair=(4, 8))
def solution_to_raw(s: Handed) -> None:
    """a (right) solution cell turned into a raw cell by accident"""
    s.right()
    c = s.cell("bn")
    c["cell_type"] = "raw"
    c.pop("outputs")
    c.pop("execution_count")


@hands_in(fair=(0, 1))
def edit_locked_setup(s: Handed) -> None:
    """the locked setup cell edited to patch torch.allclose"""
    s.append("setup", "torch.allclose = lambda *a, **k: True\ntorch.equal = torch.allclose")


@hands_in(fair=(8, 8))
def string_points_null(s: Handed) -> None:
    """points = 'three', grade_id = 12, locked = null in a right submission"""
    s.right()
    s.cell("bn_hidden").metadata.nbgrader["points"] = "three"
    s.cell("drop_visible").metadata.nbgrader["locked"] = None
