"""Reading submissions: whatever was handed in becomes steps, repairs, or a problem with a name."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell
from submissions import course, files, structure  # noqa: F401
from submissions.course import ASSIGNMENT, KNOWN, NOTEBOOK, Handed

from autograder.grading import gradebook, submission
from autograder.grading.submission import Submission, Template

TRUSTED = ["setup", "bn_visible", "bn_hidden", "drop_visible", "drop_hidden"]
ORDER = ["setup", "bn", "bn_visible", "bn_hidden", "drop", "drop_visible", "drop_hidden"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return course.write(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def template(root: Path) -> Template:
    path = root / "source" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    facts = gradebook.released(path, gradebook.settings(root, ASSIGNMENT))
    return submission.template(path, facts.notebook, facts.shown)


def read(handed: Handed, template: Template) -> Submission:
    return submission.read(handed.write().path(), template)


def own(read: Submission) -> str:
    return "\n".join(s.source for s in read.steps if s.kind in ("solution", "extra"))


def trusted(read: Submission, template: Template) -> None:
    """The cells of the course are all there, once, in their order, with their own text."""
    sources = {s.id: s.source for s in template.slots}
    steps = [s for s in read.steps if s.kind in ("given", "check")]
    assert [s.id for s in steps] == TRUSTED
    assert all(s.source == sources[s.id] for s in steps)


@pytest.mark.parametrize("name", [o.name for o in KNOWN.values() if o.family == "structure"])
def test_the_cells_of_the_course_come_from_source(
    name: str, tmp_path: Path, template: Template
) -> None:
    handed = KNOWN[name].hand_in(course.write(tmp_path))
    read = submission.read(handed.path(), template)
    trusted(read, template)
    assert not read.problem
    for cell in ("bn", "drop"):
        assert handed.cell(cell).source in own(read)


@pytest.mark.parametrize("name", [o.name for o in KNOWN.values() if o.family == "files"])
def test_a_damaged_file_is_read_or_has_a_name(
    name: str, tmp_path: Path, template: Template
) -> None:
    odd = KNOWN[name]
    read = submission.read(odd.hand_in(course.write(tmp_path)).path(), template)
    assert bool(read.problem) is (odd.fair is None)
    if not read.problem:
        trusted(read, template)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\0" * 4096, "empty"),
        (b'{"cells": [', "stops in the middle"),
        (b'{"cells": "none"}', "no cells"),
        (b"[1, 2]", "no notebook"),
        (b"[" * 200_000, "too deeply"),
        (b'{"cells": [], "n": ' + b"9" * 5000 + b"}", "a number that no notebook has"),
        (b"PK\x03\x04 a zip archive", "line 1"),
        (b'{\n<<<<<<< HEAD\n"cells": []\n=======\n}', "Line 2"),
    ],
)
def test_what_is_no_notebook_is_said_to_be_none(
    data: bytes, words: str, tmp_path: Path, template: Template
) -> None:
    path = tmp_path / "hw.ipynb"
    path.write_bytes(data)
    assert words in submission.read(path, template).problem


@pytest.mark.parametrize("what", ["folder", "fifo", "link", "loop", "sparse", "unreadable"])
def test_only_plain_files_of_a_bearable_size_are_opened(
    what: str, tmp_path: Path, template: Template, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hw.ipynb"
    if what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to("/etc/passwd")
    elif what == "loop":
        path.symlink_to(path)
    elif what == "sparse":
        with path.open("wb") as file:
            file.truncate(1 << 40)
    else:
        path.write_text("{}")
        monkeypatch.setattr(submission.os, "open", _refused)
    read = submission.read(path, template)
    assert "hw.ipynb" in read.problem
    assert not read.missing


def _refused(*_: Any, **__: Any) -> int:
    raise PermissionError(13, "Permission denied")


def test_a_file_in_another_encoding_is_read(tmp_path: Path, template: Template, root: Path) -> None:
    text = Handed(root).set("bn", "# caf\u00e9").text()
    for data in (
        text.encode("utf-16"),
        text.encode("utf-8-sig"),
        text.encode("latin-1", "replace"),
    ):
        path = tmp_path / "hw.ipynb"
        path.write_bytes(data)
        read = submission.read(path, template)
        assert not read.problem
        assert "# caf" in own(read)


def test_lone_surrogates_and_nul_bytes_do_not_get_far(root: Path, template: Template) -> None:
    handed = Handed(root)
    raw = json.loads(handed.text())
    raw["cells"][2]["source"] = "x = '\ud800\0'"
    handed.raw(json.dumps(raw))
    step = next(s for s in read(handed, template).steps if s.id == "bn")
    assert step.source == "x = '?\ufffd'"


def test_a_notebook_without_any_metadata_still_has_its_solutions(
    root: Path, template: Template
) -> None:
    """Cells copied by hand into a new notebook."""
    handed = Handed(root)
    handed.right()
    for number, cell in enumerate(handed.nb.cells):
        cell.metadata, cell["id"] = {}, f"new{number}"
    read_again = read(handed, template)
    trusted(read_again, template)
    assert [s.id for s in read_again.steps] == ORDER
    essay = next(c for c in read_again.cells if c.slot and c.slot.id == "essay")
    assert essay.source == handed.nb.cells[-1].source


def test_a_solution_split_in_two_runs_whole(root: Path, template: Template) -> None:
    handed = Handed(root)
    cell = handed.cell("drop")
    half = copy.deepcopy(cell)
    half["id"], half.source, cell.source = "half", "second = 2", "first = 1"
    handed.nb.cells.insert(handed.index("drop") + 1, half)
    assert [s.source for s in read(handed, template).steps][4:6] == ["first = 1", "second = 2"]


def test_a_copied_stub_does_not_hide_the_solution(root: Path, template: Template) -> None:
    handed = Handed(root)
    stub = next(s.shown for s in template.slots if s.id == "bn")
    copied = copy.deepcopy(handed.cell("bn"))
    copied["id"], copied.source = "copied", stub
    handed.nb.cells.insert(1, copied)
    read_again = read(handed, template)
    assert own(read_again).count("def manual_batch_norm") == 1


def test_helpers_stay_where_the_student_put_them(root: Path, template: Template) -> None:
    handed = Handed(root)
    handed.insert("a = 1", before="bn")
    handed.insert("b = 2", after="drop")
    sources = [s.source if s.kind == "extra" else s.id for s in read(handed, template).steps]
    assert sources == [
        "setup", "a = 1", "bn", "bn_visible", "bn_hidden", "drop", "b = 2", "drop_visible",
        "drop_hidden",
    ]  # fmt: skip


def test_an_unanswered_question_waits_for_nobody(root: Path, template: Template) -> None:
    slot = next(s for s in template.slots if s.id == "essay")
    handed = Handed(root).set("essay", slot.shown)
    assert not read(handed, template).answer_to(slot)
    assert read(Handed(root), template).answer_to(slot)
    handed = Handed(root)
    handed.nb.cells[-1:] = [new_code_cell("x = 1"), new_markdown_cell("My answer.")]
    assert read(handed, template).answer_to(slot), "text in another cell may be the answer"


def test_saving_again_is_no_new_submission(root: Path, template: Template) -> None:
    handed = Handed(root)
    before = read(handed, template).digest
    handed.cell("bn")["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "hi"}]
    handed.cell("bn").metadata["collapsed"] = True
    assert read(handed, template).digest == before
    assert read(handed.append("bn", "# more"), template).digest != before


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["cells", "source", "metadata", "nbgrader", "grade_id", "cell_type", "id",
                         "worksheets", "attachments", "input"]) , inner, max_size=5),
    max_leaves=20,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_bytes_raise_anything_but_unreadable(template: Template, data: bytes) -> None:
    try:
        raw = submission.parse(data)
    except submission.Unreadable:
        return
    trusted(submission.fit(raw, template), template)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["delete", "copy", "move", "strip", "retype", "relabel", "split"]),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=8,
)


@given(EDITS)
def test_what_students_wrote_survives_any_editing(
    root: Path, template: Template, edits: list[tuple[str, int, int]]
) -> None:
    """Except a deletion of the very cell that holds it."""
    cells = [json.loads(json.dumps(c)) for c in Handed(root).right().nb.cells]
    wrote = {c["id"]: c["source"] for c in cells if _is_solution(c)}
    for kind, one, other in edits:
        if not cells:
            break
        cell, place = cells[one % len(cells)], other % len(cells)
        if kind == "delete" and not _is_solution(cell) and cell["source"] not in wrote.values():
            cells.remove(cell)
        elif kind == "copy":
            cells.insert(place, copy.deepcopy(cell))
        elif kind == "move":
            cells.remove(cell)
            cells.insert(place, cell)
        elif kind == "strip":
            cell["metadata"] = {}
        elif kind == "retype":
            cell["cell_type"] = ["raw", "markdown", "code", 7][other % 4]
        elif kind == "relabel" and cell["metadata"].get("nbgrader"):
            names = [s.id for s in template.slots if s.role in ("solution", "answer")]
            if _is_solution(cell):
                cell["metadata"]["nbgrader"]["grade_id"] = names[other % len(names)]
        elif kind == "split":
            cells.insert(one % len(cells), {**copy.deepcopy(cell), "source": "y = 2", "id": "s"})
    read = submission.fit({"cells": cells, "repairs": []}, template)
    trusted(read, template)
    kept = [c.source for c in read.cells]
    for text in wrote.values():
        assert text in kept


def _is_solution(cell: dict[str, Any]) -> bool:
    return bool(cell["metadata"].get("nbgrader", {}).get("solution"))


VISIBLE = "bn_visible-names"


@pytest.mark.parametrize(
    ("cell", "needed"),
    [
        ("print(y.mean())", True),
        ("def look():\n    return rm + 1\nlook()", True),
        ("[y for _ in range(3)]", True),
        ("def again(x, y):\n    return x + y", False),
        ("y = 3\nprint(y)", False),
        ("print(1", False),
        ("y" * 10_000, False),
    ],
)
def test_names_of_a_visible_check_are_there_for_the_cells_below(
    cell: str, needed: bool, tmp_path: Path, template: Template
) -> None:
    handed = Handed(course.write(tmp_path))
    handed.insert(cell, after="bn_visible")
    steps = read(handed, template).steps
    ids = [s.id for s in steps]
    assert (VISIBLE in ids) is needed
    if needed:
        assert ids[ids.index("bn_visible") + 1] == VISIBLE
        added = steps[ids.index(VISIBLE)]
        assert (added.kind, added.source) == ("extra", course.BN_VIS)
        assert course.HIDDEN not in own(read(handed, template))


def test_names_of_a_visible_check_are_not_there_above_it(
    tmp_path: Path, template: Template
) -> None:
    handed = Handed(course.write(tmp_path))
    handed.insert("print(y)", before="bn")
    assert VISIBLE not in [s.id for s in read(handed, template).steps]
