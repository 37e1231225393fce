"""What the course covers: objectives by Bloom level, and the numbers of the inventory."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.authoring.course import LEVELS, AuthorError, Exercise
from autograder.authoring.quiz import KINDS

EVERY_SECTION = "*"  # in the inventory: what the course as a whole has to show


@dataclass(frozen=True)
class Line:
    """One line of the inventory: something that the course owes its readers."""

    item: int
    sections: tuple[str, ...]
    what: str


@dataclass(frozen=True)
class Graded:
    """One thing that earns points: an aspect of an exercise, or a question."""

    file: str
    name: str
    points: int
    objective: str
    level: str
    stars: int


def read_inventory(solutions: Path) -> tuple[Line, ...]:
    """The lines of `inventory.csv`; a course may do without one."""
    lines = []
    for row in _rows(solutions / "inventory.csv", "item", "sections", "what"):
        lines.append(Line(int(row["item"]), tuple(row["sections"].split()), row["what"]))
    return tuple(lines)


def read_objectives(solutions: Path) -> dict[str, str]:
    """The objective of each section, from `objectives.csv`."""
    rows = _rows(solutions / "objectives.csv", "objective", "section", "you can")
    return {row["section"]: row["objective"] for row in rows}


def graded(exercises: Iterable[Exercise], objectives: dict[str, str]) -> Iterator[Graded]:
    """All that earns points. What a question does not say of itself, its file says."""
    for exercise in exercises:
        header = exercise.header.options
        for cell in exercise.of("hidden", kind="code") + exercise.of(*KINDS, kind="markdown"):
            own = {**header, **cell.options}
            objective = str(own.get("objective") or objectives.get(exercise.section, ""))
            if objective not in objectives.values():
                raise cell.error(
                    f"the objective {objective!r}",
                    f'objective="…", one of {", ".join(sorted(set(objectives.values())))}',
                )
            name = str(cell.options.get("aspect") or cell.options["id"])
            yield Graded(
                exercise.id, name, int(own["points"]), objective, own["level"], int(own["stars"])
            )


def gaps(exercises: Iterable[Exercise], objectives: dict[str, str]) -> list[str]:
    """Objectives that nothing asks for."""
    asked = {one.objective for one in graded(exercises, objectives)}
    return sorted(set(objectives.values()) - asked)


def missing(lines: Iterable[Line], exercises: Sequence[Exercise]) -> list[tuple[Line, str]]:
    """The lines that no file of a section which owes them covers, each with that section."""
    covered = {(e.section, number) for e in exercises for number in e.items}
    return [
        (line, section)
        for line in lines
        for section in line.sections
        if section != EVERY_SECTION and (section, line.item) not in covered
    ]


def by_level(found: Iterable[Graded]) -> str:
    """Objectives by Bloom level: how many items, and in brackets how many points."""
    cells: dict[tuple[str, str], list[int]] = {}
    for one in found:
        for key in ((one.objective, one.level), (one.objective, "all"), ("all", one.level)):
            cells.setdefault(key, []).append(one.points)
        cells.setdefault(("all", "all"), []).append(one.points)
    rows = [*dict.fromkeys(row for row, _ in cells if row != "all"), "all"]
    columns = [*LEVELS, "all"]
    lines = ["".join([f"{'':16}", *(f"{column:>13}" for column in columns)])]
    for row in rows:
        said = [cells.get((row, column)) for column in columns]
        texts = [f"{len(p)} ({sum(p)})" if p else "." for p in said]
        lines.append("".join([f"{row:16}", *(f"{text:>13}" for text in texts)]))
    return "\n".join(lines)


def files(lines: Iterable[Line], exercises: Sequence[Exercise]) -> str:
    """Each line of the inventory, and under it the files that cover it."""
    said = []
    for line in lines:
        said.append(f"{line.item:4}  {line.what}")
        said += [f"        {e.id}" for e in exercises if line.item in e.items]
    return "\n".join(said)


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        lacking = [name for name in columns if name not in (reader.fieldnames or ())]
        if lacking:
            raise AuthorError(
                str(path),
                f"no column {', '.join(lacking)}",
                f"the columns {', '.join(columns)}",
                "edit its first line",
            )
        return list(reader)
