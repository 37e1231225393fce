"""How often a statistical check accuses the reference: `python benchmarks/reruns.py FILE ...`.

A check that samples may fail by bad luck, and says in a comment how rarely (its *false alarm*
rate). This runs the reference through those checks with many salts, each of which moves every
seed, and counts. Without a file, all exercises of the course are read.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

from nbformat import NotebookNode

from autograder.authoring import reference
from autograder.authoring.course import read_exercise
from autograder.authoring.notebook import render

ROOT = Path(__file__).resolve().parent.parent
MARK = "false alarm"  # what the comment of such a check says


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--runs", type=int, default=1000, help="salts (default: 1000)")
    parser.add_argument("--aspect", default="", help="only checks whose aspect has this text")
    parser.add_argument("--first", type=int, default=0, help="the first salt (default: 0)")
    arguments = parser.parse_args()
    files = arguments.files or sorted((ROOT / "solutions").glob("*/*.py"))
    alarms = [
        alarm
        for file in files
        for alarm in false_alarms(file, arguments.aspect, arguments.first, arguments.runs)
    ]
    return 1 if alarms else 0


def false_alarms(file: Path, aspect: str, first: int, runs: int) -> list[str]:
    """Run the statistical checks of a file; print and return what failed."""
    notebook = statistical(render(read_exercise(file)), aspect)
    checks = [reference.aspect_of(cell) for cell in notebook.cells if reference.is_check(cell)]
    if not checks:
        return []
    began, found = time.monotonic(), []
    for salt, outcome in reference.rerun(notebook, range(first, first + runs)):
        if not outcome.result.passed:
            found.append(f"salt {salt}: {outcome.result.aspect}: {outcome.result.message}")
            print(f"  {found[-1]}", flush=True)
    took = time.monotonic() - began
    print(f"{file.parent.name}/{file.stem}: {len(found)} false alarms in {runs} runs of")
    print(*(f"  {check}" for check in checks), sep="\n")
    print(f"  {took / runs:.2f} s a run", flush=True)
    return found


def statistical(notebook: NotebookNode, aspect: str) -> NotebookNode:
    """The notebook without the checks that do not sample."""
    notebook.cells = [
        cell
        for cell in notebook.cells
        if not reference.is_check(cell) or (samples(cell) and aspect in reference.aspect_of(cell))
    ]
    return notebook


def samples(cell: NotebookNode) -> bool:
    return MARK in " ".join(cell.source.replace("#", " ").split())


if __name__ == "__main__":
    sys.exit(main())
