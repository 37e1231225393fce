"""Put together a quiz file from questions of the whole course, as one short file says."""

import random
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autograder.authoring import quiz
from autograder.authoring.course import LEVELS, AuthorError, Cell, Course, Exercise

EXAMPLE = """\
title = "Midterm"
write = "08_quiz_bank/70_midterm"
prompt = "Forty minutes, open book."
minutes = 40
seed = 1

[[draw]]
objective = "normalization"
level = ["understand", "apply"]
kind = "choice"
count = 4
"""
MARK = "# Written from "  # how a paper says that it is one, and which plan it follows
# What a [[draw]] may say, and where an item has it.
FILTERS = ("objective", "level", "stars", "section", "kind", "id")
Found = tuple[Exercise, quiz.Item, dict[str, Any]]


def write(course: Course, objectives: Mapping[str, str], plan: Path) -> tuple[Path, list[str]]:
    """Write the quiz file that a plan asks for; return it and where its questions come from."""
    wanted = _read(plan)
    path = course.root / f"{wanted['write']}.py"
    if path.is_file() and f"{MARK}{plan.name} " not in path.read_text(encoding="utf-8"):
        raise _error(plan, f"write = {wanted['write']!r}, a file written by hand", "another name")
    chance, chosen = random.Random(wanted.get("seed", 0)), list[Found]()
    for number, asked in enumerate(wanted["draw"], 1):
        fitting = [
            found
            for found in _pool(course, objectives)
            if _fits(asked, found) and found[1].id not in {item.id for _, item, _ in chosen}
        ]
        count = asked.get("count", 1)
        if len(fitting) < count:
            raise _error(
                plan,
                f"{len(fitting)} questions that fit [[draw]] number {number}",
                f"at least count = {count} of them: ask for fewer, or for less",
            )
        chosen += chance.sample(fitting, count)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(wanted, plan, chosen), encoding="utf-8")
    return path, [f"{exercise.id}: {item.id}" for exercise, item, _ in chosen]


def _plan_of(exercise: Exercise) -> str:
    """The plan that a file was written from, if it was."""
    said = [cell.source for cell in exercise.of("setup") if cell.source.startswith(MARK)]
    return said[0].removeprefix(MARK).split()[0] if said else ""


def _pool(course: Course, objectives: Mapping[str, str]) -> Iterable[Found]:
    """Every question of the course, with what one may ask of it; not those of papers."""
    for exercise in course.exercises:
        if _plan_of(exercise):
            continue
        for item in quiz.items(exercise):
            own = dict(exercise.header.options) | dict(item.cell.options)
            own.setdefault("objective", objectives.get(exercise.section, ""))
            yield exercise, item, own | {"section": exercise.section, "kind": item.kind}


def _fits(asked: Mapping[str, Any], found: Found) -> bool:
    for name in FILTERS:
        if name in asked:
            among = asked[name] if isinstance(asked[name], list) else [asked[name]]
            if found[2][name] not in among:
                return False
    return True


def _text(wanted: Mapping[str, Any], plan: Path, chosen: list[Found]) -> str:
    stars = max(own["stars"] for _, _, own in chosen)
    level = max((own["level"] for _, _, own in chosen), key=LEVELS.index)
    title = wanted["title"]
    goal = wanted.get("goal", f"show what you know: {title}")
    head = {
        "items": "", "stars": stars, "minutes": wanted.get("minutes", 3 * len(chosen)),
        "level": level, "goal": goal,
    }  # fmt: skip
    prose = f"# {title}\n{wanted.get('prompt', 'Answer every question.')}"
    parts = [_markdown("quiz", head, prose), f"# %% setup\n{MARK}{plan.name} by the command paper."]
    for exercise in dict.fromkeys(exercise for exercise, _, _ in chosen):
        mine = [item for other, item, _ in chosen if other is exercise]
        for cell in exercise.of("setup"):
            of = [item.id for item in mine if cell in item.setup]
            if of:
                parts.append(f'# %% setup of="{" ".join(of)}"\n{cell.source}')
    for _, item, own in chosen:
        kept = {"id": item.id, "points": item.points} | {
            name: own[name]
            for name in ("rtol", "level", "goal", "objective", "stars")
            if own.get(name)
        }
        parts.append(_markdown(item.kind, kept, item.cell.source))
        parts += [_code(cell) for cell in (item.key, *item.evidence) if cell]
    return "\n\n".join(parts) + "\n"


def _markdown(role: str, options: Mapping[str, Any], source: str) -> str:
    said = " ".join(f'{k}="{v}"' if isinstance(v, str) else f"{k}={v}" for k, v in options.items())
    return f'# %% {role} [markdown] {said}\nr"""\n{source.strip()}\n"""'


def _code(cell: Cell) -> str:
    return f"# %% {cell.role}\n{cell.source}"


def _read(plan: Path) -> dict[str, Any]:
    try:
        wanted = tomllib.loads(plan.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _error(plan, "no such file", f"a file such as\n\n{EXAMPLE}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _error(plan, str(error), f"a file such as\n\n{EXAMPLE}") from None
    lacking = [name for name in ("title", "write", "draw") if not wanted.get(name)]
    if lacking:
        raise _error(plan, f"no {', '.join(lacking)}", f"a file such as\n\n{EXAMPLE}")
    for asked in wanted["draw"]:
        unknown = sorted(set(asked) - {*FILTERS, "count"})
        if unknown:
            raise _error(plan, f"{', '.join(unknown)} in a [[draw]]", ", ".join(FILTERS))
        if asked.get("level") and not set(_listed(asked["level"])) <= set(LEVELS):
            raise _error(plan, f"level = {asked['level']!r}", ", ".join(LEVELS))
    return wanted


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _error(plan: Path, found: str, expected: str) -> AuthorError:
    return AuthorError(
        str(plan), found, expected, f"edit it, then: python -m autograder paper {plan}"
    )
