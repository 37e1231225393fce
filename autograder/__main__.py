"""The commands: python -m autograder --help."""

import argparse
import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from autograder.authoring.course import AuthorError, read_course
from autograder.files import write_whole

EXAMPLES = """\
examples:
  python -m autograder new 02_normalization/19_weight_norm
  python -m autograder check 02_normalization
  python -m autograder build
  python -m autograder grade 02_normalization --require-sandbox
  python -m autograder demo --students 8
"""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 if all is well, 1 if not, 2 if it was misspelt."""
    arguments = _parser().parse_args(words)
    try:
        return int(arguments.run(arguments))
    except AuthorError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1


def new(arguments: argparse.Namespace) -> int:
    from autograder.authoring.skeleton import write

    path = write(_root(arguments), arguments.name, quiz=arguments.quiz)
    print(f"Wrote {path}, a whole small {'quiz' if arguments.quiz else 'exercise'} to change.")
    print(f"Next: python {path}, then python -m autograder check {arguments.name}")
    return 0


def build(arguments: argparse.Namespace) -> int:
    from autograder.authoring.build import build as build_notebooks
    from autograder.authoring.build import set_seed

    began = time.monotonic()
    root = _root(arguments)
    if arguments.seed is not None:
        set_seed(root, arguments.seed)
    written = build_notebooks(root, arguments.what)
    for path in written:
        print(path.relative_to(root))
    print(f"{len(written)} notebooks are current ({time.monotonic() - began:.0f} s).")
    return 0


def check(arguments: argparse.Namespace) -> int:
    from autograder.authoring.check import check as check_exercises

    began = time.monotonic()
    exercises = read_course(_root(arguments) / "solutions").select(arguments.what)
    kept = broken = 0
    for done, promises in enumerate(check_exercises(exercises, arguments.workers), 1):
        _erase_bar()
        for promise in promises:
            kept, broken = kept + promise.kept, broken + (not promise.kept)
            if arguments.all or not promise.kept:
                print(promise)
        if not arguments.all and promises:
            wrong = sum(not p.kept for p in promises)
            state = f"{len(promises) - wrong} promises kept" + (f", {wrong} BROKEN" * bool(wrong))
            print(f"{promises[0].about}: {state}")
        _draw_bar(done, len(exercises), began)
    _erase_bar()
    print(f"{kept} promises kept, {broken} broken ({time.monotonic() - began:.0f} s).")
    return 1 if broken else 0


def coverage(arguments: argparse.Namespace) -> int:
    from autograder.authoring import coverage as covering

    solutions = _root(arguments) / "solutions"
    exercises = read_course(solutions).select(arguments.what)
    lines, objectives = covering.read_inventory(solutions), covering.read_objectives(solutions)
    if arguments.files:
        print(covering.files(lines, exercises))
        return 0
    print("What earns points, by objective and level: how many, and in brackets their points.\n")
    print(covering.by_level(covering.graded(exercises, objectives)))
    sections = {e.section for e in exercises}
    lacking = [
        (line, section)
        for line, section in covering.missing(lines, exercises)
        if not arguments.what or section in sections
    ]
    for line, section in lacking:
        print(f"missing: {line.item} in {section}: {line.what}")
    covered = len(lines) - len({line.item for line, _ in lacking})
    if not arguments.what:
        print(f"\n{covered} of {len(lines)} items of the inventory are covered.")
    return 1 if lacking else 0


def practice(arguments: argparse.Namespace) -> int:
    import nbformat

    from autograder.authoring import practice as practising

    exercises = read_course(_root(arguments) / "solutions").select(arguments.what)
    seed = random.randrange(1_000_000) if arguments.seed is None else arguments.seed
    drawn = practising.questions(exercises, arguments.questions, seed)
    if not drawn:
        print(f"There is no question in {arguments.what or 'this course'}.", file=sys.stderr)
        print("Next: python -m autograder coverage shows what there is.", file=sys.stderr)
        return 1
    if arguments.notebook:
        path = Path(arguments.notebook).with_suffix(".ipynb")
        if path.exists():
            print(f"{path} is there already. Next: choose another name.", file=sys.stderr)
            return 1
        nbformat.write(practising.as_notebook(drawn, exercises[0]), path)
        print(f"Wrote {path} with {len(drawn)} questions. Next: jupyter lab {path}")
        return 0
    practising.ask(drawn)
    return 0


def paper(arguments: argparse.Namespace) -> int:
    from autograder.authoring import paper as papers
    from autograder.authoring.coverage import read_objectives

    solutions = _root(arguments) / "solutions"
    path, sources = papers.write(
        read_course(solutions), read_objectives(solutions), Path(arguments.plan)
    )
    print("\n".join(sources))
    name = f"{path.parent.name}/{path.stem}"
    print(f"Wrote {path} with {len(sources)} questions.")
    print(f"Next: python -m autograder check {name}, then python -m autograder build {name}")
    return 0


def demo(arguments: argparse.Namespace) -> int:
    from autograder.grading import demo as fabricated
    from autograder.grading import overview
    from autograder.grading.grade import Grading
    from autograder.grading.options import Options
    from autograder.grading.report import summary

    root = _root(arguments)
    made = fabricated.fabricate_in(
        root,
        root / arguments.folder,
        what=arguments.what,
        students=arguments.students,
        notebooks=arguments.notebooks,
        seed=arguments.seed,
    )
    count, began, outcomes = len(made.handed), time.monotonic(), []
    run: Iterable[Any]
    print(f"{arguments.students} students handed in {count} notebooks of {made.section}.")
    with contextlib.ExitStack() as stack:
        if arguments.plain:
            by, run = "nbgrader", fabricated.graded_plainly(made)
        else:
            options = Options(workers=os.cpu_count() or 1)
            grading = stack.enter_context(Grading(made.folder, made.section, options))
            by, run = f"our grader (isolation: {grading.isolation})", grading
        print(f"Graded by {by}.", flush=True)
        for done, outcome in enumerate(run, 1):
            outcomes.append(outcome)
            _draw_bar(done, count, began)
    _erase_bar()
    print(f"\n{summary(outcomes, time.monotonic() - began)}\n")
    wrong = fabricated.disagreements(made, outcomes)
    for problem in wrong:
        print(f"Not the points that were known beforehand: {problem}")
    if not wrong:
        print(f"Each of the {count} notebooks got the points that were known beforehand.")
    report = made.folder / "report.html"
    overview.page(
        report,
        "A fabricated class",
        fabricated.rows(outcomes),
        fabricated.misunderstandings(made.handed),
        [f"{count} notebooks, made up by `python -m autograder demo`, graded by {by}."],
        fabricated.feedback_pages(made),
    )
    print(f"The report, with the feedback that each student reads: {report}")
    return 1 if wrong else 0


def grade(arguments: argparse.Namespace) -> int:
    from autograder.sealed.pool import Pool

    root, options = _root(arguments), _options_of_grade(arguments)
    pool = Pool(options.isolation, options.workers, options.limits, hidden=(root,))
    with contextlib.closing(pool):
        if not options.dry_run:
            pool.launch()  # torch loads in there while the gradebook's libraries load here
        return _graded(arguments, options, lambda **_: pool)


def _graded(arguments: argparse.Namespace, options: Any, pool: Callable[..., Any]) -> int:
    from autograder.grading import grade as grading
    from autograder.grading.gradebook import GradebookError
    from autograder.grading.report import plain, summary
    from autograder.sealed.sandbox import NoSandbox

    def say(line: str) -> None:
        _erase_bar()
        print(plain(line), flush=True)

    began, outcomes, run = time.monotonic(), [], None
    if hasattr(signal, "SIGTERM"):
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        run = grading.Grading(_root(arguments), arguments.assignment, options, say, pool)
        with run:
            if arguments.require_sandbox and run.isolation not in ("sandbox", ""):
                print(f"No sandbox can be had here, only {run.isolation!r}.", file=sys.stderr)
                print("Next: install bubblewrap, or grade without --require-sandbox.")
                return 2
            where = f", isolation: {run.isolation}" if run.isolation else ", nothing is run"
            say(f"Grading {len(run.tasks)} notebooks of {arguments.assignment}{where}.")
            told = time.monotonic()
            for done, outcome in enumerate(run, 1):
                outcomes.append(outcome)
                for note in outcome.problems or outcome.repairs if arguments.dry_run else ():
                    say(f"{outcome.student}/{outcome.notebook}: {note}")
                for problem in outcome.problems if not arguments.dry_run else ():
                    say(f"{outcome.student}/{outcome.notebook}: {problem}")
                _draw_bar(done, len(run.tasks), began)
                if not sys.stderr.isatty() and time.monotonic() - told > 15:
                    told, spent = time.monotonic(), time.monotonic() - began
                    left = spent / done * (len(run.tasks) - done)
                    say(f"{done} of {len(run.tasks)} done, about {left:.0f} s left.")
    except NoSandbox as error:
        print(f"No sandbox can be had here: {plain(str(error))}", file=sys.stderr)
        print("Next: install bubblewrap, or take --isolation process.", file=sys.stderr)
        return 2
    except (AuthorError, GradebookError, OSError) as error:
        _erase_bar()
        print(plain(str(error)), file=sys.stderr)
        return 2 if isinstance(error, AuthorError) else 3
    except KeyboardInterrupt:
        say(f"Stopped after {len(outcomes)}; the same command goes on from here.")
        return 130
    finally:
        if run is not None and arguments.json and outcomes:
            text = grading.as_json(run, outcomes, time.monotonic() - began)
            if arguments.json == "-":
                print(text, end="")
            else:
                write_whole(Path(arguments.json), text)
    _erase_bar()
    print(summary(outcomes, time.monotonic() - began))
    return grading.exit_code(outcomes, run.stopped)


def _options_of_grade(arguments: argparse.Namespace):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    from autograder.grading.options import Options
    from autograder.sealed import Limits

    limits = Limits()
    if arguments.time_limit:
        # What hangs in one aspect leaves time for the others.
        cell = limits.cell * arguments.time_limit / limits.total
        limits = replace(limits, cell=cell, total=arguments.time_limit)
    if arguments.memory_limit:
        limits = replace(limits, memory=arguments.memory_limit << 20)
    isolation = "sandbox" if arguments.require_sandbox else arguments.isolation
    return Options(
        students=tuple(arguments.student),
        notebooks=tuple(n.removesuffix(".ipynb") for n in arguments.notebook),
        workers=arguments.workers or os.cpu_count() or 1,
        isolation=isolation,
        limits=limits,
        seed=arguments.seed,
        dry_run=arguments.dry_run,
    )


def _interrupt(*_: object) -> None:
    """A polite request to stop is what Ctrl-C is."""
    raise KeyboardInterrupt


def _draw_bar(done: int, of: int, began: float) -> None:
    """A progress bar, where somebody watches."""
    if sys.stderr.isatty() and done < of:
        width = 30 * done // of
        left = (time.monotonic() - began) / done * (of - done)
        bar = "#" * width + "." * (30 - width)
        print(f"\r[{bar}] {done}/{of}, {left:.0f} s left", end="", file=sys.stderr, flush=True)


def _erase_bar() -> None:
    if sys.stderr.isatty():
        print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)


def _root(arguments: argparse.Namespace) -> Path:
    return Path(arguments.course)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m autograder",
        description="Write, check, build and grade a course of nbgrader notebooks.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--course", default=".", metavar="FOLDER", help="the course (default: here)"
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., int], text: str, example: str):  # type: ignore[no-untyped-def]
        sub = commands.add_parser(
            name, help=text, description=text, epilog=f"example:\n  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        sub.set_defaults(run=run)
        return sub

    what = {"nargs": "?", "metavar": "SECTION[/EXERCISE]", "help": "a part (default: all)"}
    sub = command(
        "new", new, "Write the skeleton of an exercise or a quiz.",
        "python -m autograder new 02_normalization/19_weight_norm",
    )  # fmt: skip
    sub.add_argument("name", metavar="SECTION/EXERCISE", help="such as 02_normalization/19_name")
    sub.add_argument("--quiz", action="store_true", help="a quiz in place of an exercise")
    sub = command(
        "build", build, "Write source/ and release/ from solutions/.",
        "python -m autograder build 02_normalization",
    )  # fmt: skip
    sub.add_argument("what", **what)
    sub.add_argument(
        "--seed", type=_seed, metavar="N", help="draw other variants of all questions, for good"
    )
    sub = command(
        "coverage", coverage, "Show what earns points, by objective and level; and what lacks.",
        "python -m autograder coverage 02_normalization",
    )  # fmt: skip
    sub.add_argument("what", **what)
    sub.add_argument("--files", action="store_true", help="which files cover each item")
    sub = command(
        "practice", practice, "Answer questions with feedback at once; nothing is graded.",
        "python -m autograder practice 02_normalization --questions 5",
    )  # fmt: skip
    sub.add_argument("what", **what)
    sub.add_argument("--questions", type=_count, default=10, help="how many (default: 10)")
    sub.add_argument("--seed", type=_seed, metavar="N", help="the same questions again")
    sub.add_argument("--notebook", metavar="FILE", help="write a practice notebook instead")
    sub = command(
        "paper", paper, "Write a quiz of chosen questions, as one short file says.",
        "python -m autograder paper midterm.toml",
    )  # fmt: skip
    sub.add_argument("plan", metavar="FILE", help="what to draw; a wrong one shows an example")
    sub = command(
        "check", check, "Check every promise of the course; exit 1 if one is broken.",
        "python -m autograder check 02_normalization/03_batch_norm_forward --all",
    )  # fmt: skip
    sub.add_argument("what", **what)
    sub.add_argument("--all", action="store_true", help="show the promises that are kept, too")
    sub.add_argument("--workers", type=_count, default=0, help="processes (default: one a core)")
    sub = command(
        "grade", grade, "Grade what students handed in: submitted/ -> gradebook, feedback/.",
        "python -m autograder grade 02_normalization --workers 2 --json grades.json",
    )  # fmt: skip
    sub.add_argument("assignment", metavar="ASSIGNMENT", help="a folder of source/")
    sub.add_argument(
        "--student", action="append", default=[], help="only this one; may be given often"
    )
    sub.add_argument(
        "--notebook", action="append", default=[], help="only this one; may be given often"
    )
    sub.add_argument("--workers", type=_count, default=0, help="at a time (default: one a core)")
    sub.add_argument(
        "--isolation", choices=("sandbox", "process", "none"),
        help="of students' code (default: the strongest that works here)",
    )  # fmt: skip
    sub.add_argument(
        "--require-sandbox", action="store_true", help="refuse to grade without a sandbox"
    )
    sub.add_argument("--time-limit", type=float, metavar="SECONDS", help="for one notebook")
    sub.add_argument("--memory-limit", type=_count, metavar="MB", help="for one notebook")
    sub.add_argument("--seed", type=int, default=0, help="draws other inputs for the checks")
    sub.add_argument(
        "--dry-run", action="store_true", help="read everything, run and write nothing"
    )
    sub.add_argument("--json", metavar="FILE", help="also write the results as JSON ('-': print)")
    sub = command(
        "demo", demo, "Fabricate a class, grade it, and write a report.",
        "python -m autograder demo 02_normalization --students 12 --notebooks 6",
    )  # fmt: skip
    sub.add_argument("what", **what)
    sub.add_argument("--students", type=_count, default=6, help="how many (default: 6)")
    sub.add_argument("--notebooks", type=_count, default=4, help="of one section (default: 4)")
    sub.add_argument("--seed", type=int, default=0, help="draws another class (default: 0)")
    sub.add_argument("--plain", action="store_true", help="grade with nbgrader's own autograde")
    sub.add_argument("--folder", default="demo", help="where it is made (default: demo)")
    return parser


def _seed(word: str) -> int:
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number, 0 or above")
    return int(word)


def _count(word: str) -> int:
    if not word.isdigit() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number above 0")
    return int(word)


if __name__ == "__main__":
    sys.exit(main())
