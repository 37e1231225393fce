"""Read what a student handed in, however damaged, against the notebook of `source/`.

The notebook of `source/` decides which cells there are, of what kind, and what stands in the
locked ones. A submission gives the text of the solution cells, the cells that the student added,
and the order of both. Nothing that its metadata says is believed; it only helps to find the cells.
"""

import ast
import base64
import binascii
import contextlib
import errno
import json
import os
import re
import stat
import symtable
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from autograder.authoring.course import bound
from autograder.authoring.notebook import solved
from autograder.sealed import Step

MAX_BYTES = 256 << 20  # a notebook with a few hundred plots has 50 MB
MAX_CELLS = 2_000
MAX_SOURCE = 1_000_000  # characters in one cell
MAX_PICTURES = 20 << 20  # bytes of pictures pasted into one notebook
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
MERGE_MARKER = re.compile(rb"^(<{7}|={7}|>{7}|\|{7})( |\r?$)", re.MULTILINE)
LINE_OF_A_CELL = re.compile(r"\r\n?|\u2028|\u2029")


class Unreadable(Exception):
    """There is no notebook in the file; the sentence says why and what to do."""

    def __init__(self, sentence: str, missing: bool = False) -> None:
        super().__init__(sentence)
        self.missing = missing


@dataclass(frozen=True, eq=False)
class Slot:
    """One cell of the notebook in `source/`."""

    id: str
    cell_id: str
    role: str  # given, prose, solution, check, answer (graded by a person), task, open
    kind: str  # code, markdown, raw
    source: str
    shown: str  # as students get it: no solution, no hidden check
    marks: Mapping[str, Any] = field(default_factory=dict)
    aspect: str = ""

    @property
    def locked(self) -> bool:
        return self.role in ("given", "check", "task") or (self.role == "prose" and self.marked)

    @property
    def marked(self) -> bool:
        return bool(self.marks)

    @property
    def points(self) -> Any:
        worth = self.marks.get("points") or 0
        return int(worth) if float(worth).is_integer() else worth

    @cached_property
    def reference(self) -> str:
        return solved(self.source)

    @cached_property
    def defines(self) -> tuple[str, ...]:
        return _names(self.reference)


@dataclass(frozen=True)
class Template:
    """One notebook of `source/`, as submissions are held against it."""

    name: str
    slots: tuple[Slot, ...]
    metadata: Mapping[str, Any]
    digest: str

    @property
    def checks(self) -> list[Slot]:
        return [s for s in self.slots if s.role == "check"]


@dataclass(frozen=True)
class Cell:
    """One cell of a submission in its place; without a slot, the student added it."""

    id: str
    kind: str
    source: str
    slot: Slot | None = None
    missing: bool = False
    attachments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def answered(self) -> bool:
        """Whether a student changed a cell that is theirs to change."""
        return not (self.missing or (self.slot and _same(self.source, self.slot.shown)))


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one notebook."""

    cells: tuple[Cell, ...]
    repairs: tuple[str, ...] = ()
    problem: str = ""  # why nothing could be read
    missing: bool = False  # because nothing was handed in

    @cached_property
    def digest(self) -> str:
        """Of what the student wrote: outputs, metadata and clocks do not count."""
        told = [[c.id, c.kind, c.source, c.missing, sorted(c.attachments)] for c in self.cells]
        text = json.dumps([told, self.repairs, self.problem])
        return sha256(text.encode()).hexdigest()

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The cells to be executed, in order; trusted ones as `source/` has them."""
        return tuple(_steps(self.cells))

    def answer_to(self, slot: Slot) -> bool:
        """Whether there is anything for a person to read at a cell that a person grades."""
        at = next((n for n, c in enumerate(self.cells) if c.slot is slot), None)
        if at is None:
            return False
        if not self.cells[at].missing:
            return self.cells[at].answered
        return any(c.slot is None and c.kind != "code" for c in self.cells)


def template(path: Path, notebook: Mapping[str, Any], shown: Mapping[str, str]) -> Template:
    """The notebook of `source/` at `path`, and the texts that students got, by grade_id."""
    slots = []
    for number, cell in enumerate(notebook["cells"]):
        marks = dict(cell["metadata"].get("nbgrader") or {})
        identity = str(marks.get("grade_id") or cell.get("id") or f"cell-{number}")
        role = _role(cell["cell_type"], marks)
        text = shown.get(identity, _without_regions(cell["source"]))
        slots.append(
            Slot(
                id=identity,
                cell_id=str(cell.get("id") or identity),
                role=role,
                kind=cell["cell_type"],
                source=cell["source"],
                shown=text,
                marks=marks if any(marks.get(m) for m in MARKS) else {},
                aspect=_aspect(cell["source"], identity) if role == "check" else "",
            )
        )
    metadata = notebook["metadata"]
    told = json.dumps([[[s.id, s.role, s.source, str(s.points)] for s in slots], metadata])
    return Template(path.stem, tuple(slots), metadata, sha256(told.encode()).hexdigest())


MARKS = ("grade", "solution", "locked", "task")


def _role(kind: str, marks: Mapping[str, Any]) -> str:
    if marks.get("task"):
        return "task"
    if marks.get("solution"):
        return "answer" if marks.get("grade") else "solution"
    if marks.get("grade"):
        return "check" if kind == "code" else "task"
    if kind == "code":
        return "given" if marks.get("locked") else "open"
    return "prose"


def _aspect(source: str, identity: str) -> str:
    title = source.partition("\n")[0]
    return (
        title.partition(": ")[2].strip() or identity if title.startswith("# Hidden") else identity
    )


def _without_regions(source: str) -> str:
    """The text without solutions, hidden tests and mark schemes."""
    kept, inside = [], False
    for line in source.splitlines():
        if re.search(r"BEGIN (SOLUTION|HIDDEN TESTS|MARK SCHEME)\s*$", line):
            inside = True
        elif re.search(r"END (SOLUTION|HIDDEN TESTS|MARK SCHEME)\s*$", line):
            inside = False
        elif not inside:
            kept.append(line)
    return "\n".join(kept)


def read(path: Path, notebook: Template) -> Submission:
    """What stands at `path`; never an exception, whatever stands there."""
    try:
        raw = parse(load(path))
    except Unreadable as error:
        cells = tuple(Cell(s.id, s.kind, s.shown, s, missing=True) for s in notebook.slots)
        return Submission(cells, problem=str(error), missing=error.missing)
    return fit(raw, notebook)


def load(path: Path, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a plain file of a bearable size."""
    flags = os.O_RDONLY
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        if path.is_symlink():
            raise OSError(errno.ELOOP, "a link")
        handle = os.open(path, flags)
    except FileNotFoundError:
        raise Unreadable(f"There is no {path.name}.", missing=True) from None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Unreadable(f"{path.name} is a link. Hand in the notebook itself.") from None
        raise Unreadable(f"{path.name} cannot be opened: {error.strerror}.") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no plain file"
            raise Unreadable(f"{path.name} is {kind}. Hand in the notebook itself.")
        if status.st_size > limit:
            raise Unreadable(
                f"{path.name} has {status.st_size >> 20} MB; {limit >> 20} are read. "
                "Clear its outputs and hand it in again."
            )
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(limit + 1)
    except OSError as error:
        raise Unreadable(f"{path.name} cannot be read: {error.strerror}.") from None
    finally:
        os.close(handle)


def parse(data: bytes) -> dict[str, Any]:
    """The notebook in some bytes, of whatever version of the format: its raw cells."""
    if not data.strip(b"\0 \t\r\n"):
        raise Unreadable("The file is empty. Save the notebook and hand it in again.")
    text, repairs = _decoded(data)
    try:
        raw = json.loads(text)
    except RecursionError:
        raise Unreadable("The file is nested too deeply to be a notebook.") from None
    except ValueError as error:
        raise Unreadable(_why_no_json(data, text, error)) from None
    if not isinstance(raw, dict):
        raise Unreadable("The file holds no notebook. Hand in the .ipynb file itself.")
    cells = raw.get("cells")
    if not isinstance(cells, list):  # before version 4 cells stood in worksheets
        sheets = raw.get("worksheets")
        sheets = sheets if isinstance(sheets, list) else []
        cells = [c for s in sheets if isinstance(s, dict) for c in _listed(s.get("cells"))]
        if not cells:
            raise Unreadable("The file holds no cells. Hand in the notebook that you worked on.")
        repairs.append("The file has an old version of the notebook format; it was converted.")
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"The notebook has {len(cells)} cells; {MAX_CELLS} are read.")
    return {"cells": cells, "repairs": repairs}


def _decoded(data: bytes) -> tuple[str, list[str]]:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace"), ["The file was UTF-16; it was converted."]
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return data.decode("utf-8-sig", errors="replace"), [
            "The file is not all UTF-8: characters that could not be read became \ufffd."
        ]


def _why_no_json(data: bytes, text: str, error: ValueError) -> str:
    if marker := MERGE_MARKER.search(data):
        line = data.count(b"\n", 0, marker.start()) + 1
        return (
            f"Line {line} of the file is left over from a merge ({marker[1].decode()}). "
            "Settle the conflict, open the notebook in Jupyter, and hand it in again."
        )
    if not isinstance(error, json.JSONDecodeError):
        return "The file holds a number that no notebook has. Save it in Jupyter again."
    cut = error.pos >= len(text.rstrip()) - 1 or error.msg.startswith("Unterminated string")
    if cut:
        return (
            f"The file stops in the middle, after {len(data)} bytes: the upload was cut off. "
            "Hand it in again."
        )
    return (
        f"The file is no notebook: {error.msg.lower()} in line {error.lineno}. "
        "Open it in Jupyter, save it, and hand it in again."
    )


@dataclass(frozen=True)
class Raw:
    """One cell as the file has it, with everything that cannot be used taken out."""

    kind: str
    source: str
    grade_id: str = ""
    cell_id: str = ""
    attachments: Mapping[str, Any] = field(default_factory=dict)


def fit(raw: Mapping[str, Any], notebook: Template) -> Submission:
    """Lay the cells of a file into the slots of the notebook."""
    repairs = list(raw["repairs"])
    cells = _cells(raw["cells"], repairs)
    found = _matched(cells, notebook, repairs)
    names = _ids(notebook)
    laid: list[Cell] = []
    for number, cell in enumerate(cells):
        slot = found.get(number)
        if slot == "drop":
            continue
        if isinstance(slot, Slot):
            laid.append(_laid(cell, slot, repairs))
        else:
            kind = cell.kind if cell.kind in ("code", "markdown") else "raw"
            identity = names(cell.cell_id)
            laid.append(Cell(identity, kind, cell.source, attachments=cell.attachments))
    return Submission(tuple(_in_order(laid, notebook, repairs)), tuple(_counted(repairs)))


def _cells(listed: Iterable[Any], repairs: list[str]) -> list[Raw]:
    cells, pictures = [], 0
    for cell in listed:
        if not isinstance(cell, dict):
            repairs.append("Something that is no cell was left out.")
            continue
        source = _text(cell.get("source", cell.get("input", "")))
        if len(source) > MAX_SOURCE:
            size = f"{len(source):,}".replace(",", " ")
            repairs.append(f"A cell of {size} characters was left out; {MAX_SOURCE} are read.")
            source = f"# A cell of {size} characters stood here."
        metadata = cell.get("metadata")
        marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
        kind = cell.get("cell_type")
        if kind == "heading":
            kind, source = "markdown", f"# {source}"
        kept = _attachments(cell.get("attachments"))
        pictures += sum(len(data) for one in kept.values() for data in one.values())
        if pictures > MAX_PICTURES:
            kept = {}
            repairs.append(f"Pictures beyond {MAX_PICTURES >> 20} MB were left out.")
        cells.append(
            Raw(
                str(kind) if kind in ("code", "markdown") else "raw",
                source,
                grade_id if isinstance(grade_id, str) else "",
                cell["id"] if isinstance(cell.get("id"), str) else "",
                kept,
            )
        )
    return cells


def _text(value: Any) -> str:
    """A source as text that can be written anywhere: no lone surrogate, one kind of line end."""
    if isinstance(value, list):
        value = "".join(v for v in value if isinstance(v, str))
    if not isinstance(value, str):
        return ""
    return (
        LINE_OF_A_CELL.sub("\n", value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    )


def _attachments(value: Any) -> dict[str, dict[str, str]]:
    """The pictures pasted into a Markdown cell."""
    kept: dict[str, dict[str, str]] = {}
    for name, data in value.items() if isinstance(value, dict) else ():
        for kind, content in data.items() if isinstance(data, dict) else ():
            if kind in PICTURES and is_base64(content):
                kept.setdefault(_text(name), {})[kind] = content
    return kept


def is_base64(content: Any) -> bool:
    """Whether a value is the text of some bytes."""
    try:
        base64.b64decode("".join(content.split()).encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error, ValueError):
        return False
    return True


def _matched(cells: Sequence[Raw], notebook: Template, repairs: list[str]) -> dict[int, Slot | str]:
    """The slot of each cell; "drop" for a second copy of a cell of the course."""
    found: dict[int, Slot | str] = {}
    by_id = {s.id: s for s in notebook.slots if s.marked}
    claims: dict[str, list[int]] = defaultdict(list)
    for number, cell in enumerate(cells):
        if cell.grade_id in by_id:
            claims[cell.grade_id].append(number)
    for identity, numbers in claims.items():
        _settle(by_id[identity], numbers, cells, found, repairs)
    free = {s.id: s for s in notebook.slots if s not in found.values()}

    def take(number: int, slot: Slot) -> None:
        found[number] = free.pop(slot.id)
        if slot.marked:
            repairs.append(f"The cell `{slot.id}` had lost its marks; they were restored.")

    loose = [n for n in range(len(cells)) if n not in found]
    for number in loose:
        match = [s for s in free.values() if s.cell_id == cells[number].cell_id]
        if match and not (cells[number].grade_id and match[0].marked):
            take(number, match[0])
    for number in (n for n in loose if n not in found):
        cell = cells[number]
        texts = [s for s in free.values() if s.locked and _same(cell.source, s.shown)]
        if texts and cell.source.strip():
            take(number, texts[0])
    for slot in [s for s in free.values() if s.role == "solution" and s.defines]:
        homes = [
            n
            for n in loose
            if n not in found
            and cells[n].kind == "code"
            and set(slot.defines) <= set(_names(cells[n].source))
        ]
        if homes:
            take(homes[-1], slot)
    for slot in [s for s in free.values() if s.role == "answer" and s.kind == "markdown"]:
        home = _answer_without_marks(slot, cells, found, notebook)
        if home is not None:
            take(home, slot)
    return found


def _settle(
    slot: Slot,
    numbers: Sequence[int],
    cells: Sequence[Raw],
    found: dict[int, Slot | str],
    repairs: list[str],
) -> None:
    """Of the cells that claim to be one cell of the course, find the one that is."""

    def likely(number: int) -> tuple[bool, bool, int]:
        cell = cells[number]
        released = _same(cell.source, slot.shown)
        return released is not slot.locked, cell.cell_id != slot.cell_id, number

    first, *others = sorted(numbers, key=likely)
    found[first] = slot
    for number in others:
        # A copy of what the course gave out says nothing; anything else is the student's own.
        copy = _same(cells[number].source, slot.shown) or _same(cells[number].source, slot.source)
        if copy:
            found[number] = "drop"
        repairs.append(
            f"The cell `{slot.id}` is there {len(numbers)} times; "
            + ("a copy was left out." if copy else "the others count as cells of your own.")
        )


def _answer_without_marks(
    slot: Slot, cells: Sequence[Raw], found: Mapping[int, Slot | str], notebook: Template
) -> int | None:
    """A cell of prose that stands where the answer should be."""
    place = notebook.slots.index(slot)
    before = {s.id for s in notebook.slots[:place]}
    after = (n for n, s in found.items() if isinstance(s, Slot) and s.id in before)
    for number in range(max(after, default=-1) + 1, len(cells)):
        if number in found:
            return None
        if cells[number].kind != "code" and cells[number].source.strip():
            return number
    return None


def _laid(cell: Raw, slot: Slot, repairs: list[str]) -> Cell:
    kept = cell.attachments if slot.kind == "markdown" else {}
    if cell.kind != slot.kind and slot.marked:
        repairs.append(f"The cell `{slot.id}` was {cell.kind}; it is {slot.kind} again.")
    if slot.locked:
        if not (_same(cell.source, slot.shown) or _same(cell.source, slot.source)):
            repairs.append(
                f"The locked cell `{slot.id}` is not as it was given out; the course's own is used."
            )
        return Cell(slot.cell_id, slot.kind, slot.shown, slot)
    return Cell(slot.cell_id, slot.kind, cell.source, slot, attachments=kept)


def _in_order(laid: Sequence[Cell], notebook: Template, repairs: list[str]) -> Iterator[Cell]:
    """The student's cells in the student's order; cells of the course where they belong.

    What is given comes before whatever follows it in `source/`, a check after whatever precedes
    it. Cells that are missing come back, locked ones with their text.
    """
    rank = {slot.id: n for n, slot in enumerate(notebook.slots)}
    there = {c.slot.id for c in laid if c.slot}
    waiting: dict[int, Cell] = {}
    for lost in notebook.slots:
        if lost.id not in there and (lost.marked or lost.role == "open"):
            waiting[rank[lost.id]] = _restored(lost, repairs)
    ready: set[str] = set()
    moved = False

    def due(before: int) -> Iterator[Cell]:
        """What waits and belongs before a rank, as far as what precedes it is there."""
        for place in sorted(waiting):
            due_slot = notebook.slots[place]
            if place >= before:
                return
            if due_slot.role in ("check", "task") and not _complete(place, notebook, ready, there):
                continue
            ready.add(due_slot.id)
            yield waiting.pop(place)

    for cell in laid:
        slot = cell.slot
        if slot is None:
            yield cell
            continue
        if slot.id in ready:
            continue
        place = rank[slot.id]
        early = [
            c
            for c in laid
            if c.slot and c.slot.role == "given" and rank[c.slot.id] < place
            and c.slot.id not in ready
        ]  # fmt: skip
        for given in early if cell not in early else ():
            assert given.slot is not None
            moved = True
            yield from due(rank[given.slot.id])
            ready.add(given.slot.id)
            yield given
        yield from due(place)
        if slot.role == "check" and not _complete(place, notebook, ready, there):
            waiting[place], moved = cell, True
            continue
        ready.add(slot.id)
        yield cell
    yield from (waiting[place] for place in sorted(waiting))
    if moved:
        repairs.append("Cells of the course had been moved; they are in their order again.")


def _complete(place: int, notebook: Template, ready: set[str], there: set[str]) -> bool:
    """Whether every cell that the student has to precede a check has been placed."""
    return all(s.id in ready for s in notebook.slots[:place] if s.id in there and s.marked)


def _restored(slot: Slot, repairs: list[str]) -> Cell:
    if slot.marked:
        repairs.append(f"The cell `{slot.id}` was missing; it is back.")
    own = slot.role in ("solution", "answer")
    return Cell(slot.cell_id, slot.kind, "" if own else slot.shown, slot, missing=True)


def _steps(cells: Sequence[Cell]) -> Iterator[Step]:
    for number, cell in enumerate(cells):
        slot = cell.slot
        if cell.kind != "code":
            continue
        if slot is None:
            if cell.source.strip():
                yield Step(cell.id, "extra", cell.source)
        elif slot.role == "given":
            yield Step(slot.id, "given", slot.source)
        elif slot.role == "check":
            yield Step(slot.id, "check", slot.source, slot.points, slot.aspect)
            # In Jupyter the names of a visible check are there for the cells below it.
            if _mentions(cells[number + 1 :]) & set(_names(slot.shown)):
                yield Step(f"{slot.id}-names", "extra", slot.shown)
        elif slot.role == "open":
            # Anybody may change it; what the checks need of it, they take from the course.
            yield Step(slot.id, "given", slot.source)
            if cell.answered:
                yield Step(f"{slot.id}-changed", "extra", cell.source)
        else:
            yield Step(
                slot.id, "solution", cell.source, defines=slot.defines, reference=slot.reference
            )


def _mentions(cells: Iterable[Cell]) -> set[str]:
    """The names that a student's own cells use without having given them a value."""
    own = (c.source for c in cells if c.kind == "code" and not (c.slot and c.slot.locked))
    found: set[str] = set()
    for source in own:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, MemoryError):
            left = [symtable.symtable(source, "<cell>", "exec")]
            while left:
                table = left.pop()
                left += table.get_children()
                top = table.get_type() == "module"
                found |= {
                    symbol.get_name()
                    for symbol in table.get_symbols()
                    if symbol.is_referenced()
                    and not (symbol.is_assigned() or symbol.is_imported() if top else False)
                    and (top or symbol.is_global())
                }
    return found


def _ids(notebook: Template) -> Any:
    """Hand out valid ids for the cells that students added, each once."""
    used = {s.cell_id for s in notebook.slots} | {s.id for s in notebook.slots}

    def name(wanted: str) -> str:
        identity = wanted if re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", wanted) else "own"
        if identity in used or identity == "own":
            base, number = identity[:55], 1
            while (identity := f"{base}-{number}") in used:
                number += 1
        used.add(identity)
        return identity

    return name


def _counted(repairs: Iterable[str]) -> Iterator[str]:
    """Each repair once, in order, with how often it was made."""
    for sentence, times in Counter(repairs).items():
        yield sentence if times == 1 else f"{sentence} ({times} times)"


def _names(source: str) -> tuple[str, ...]:
    try:
        return tuple(dict.fromkeys(bound(ast.parse(source).body)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _same(one: str, other: str) -> bool:
    """Whether two texts are equal but for space at line ends."""
    return [line.rstrip() for line in one.strip().splitlines()] == [
        line.rstrip() for line in other.strip().splitlines()
    ]
