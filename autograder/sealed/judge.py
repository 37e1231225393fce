"""The judge: runs the trusted cells, with a stand-in for each name that a student defined.

What the student sends is never believed, only compared; `standins`, `shadows` and `copies` say how.
"""

import contextlib
import io
import linecache
import os
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import autograder
from autograder.results import Result, explain
from autograder.sealed import Step, cells, seeds
from autograder.sealed.job import Gone, Job, NeedsProbe, Slow, Walls
from autograder.sealed.line import Line
from autograder.sealed.shadows import Shadows


def judge(
    job: Job,
    walls: Walls,
    on_result: Callable[[Result], None] = lambda _: None,
    on_outputs: Callable[[str, list[dict[str, Any]]], None] = lambda *_: None,
    on_problem: Callable[[str], None] = lambda _: None,
) -> None:
    """Execute the steps in order and tell how each check came out, as soon as it did."""
    line = Line(job, walls, on_problem)
    court = _Court(job, line)
    used = cells.forbidden_uses(job.steps, job.forbid)
    for step in job.steps:
        for word in used.get(step.id, ()):
            on_problem(f"the cell {step.id} uses {word}, which this exercise forbids")
            court.banned |= dict.fromkeys(step.defines, word)
    try:
        with (
            _quiet(),
            seeds.salted(job.salt, line.reseeded),
            patch.object(autograder, "student_side", court.probe),
        ):
            for step in job.steps:
                if step.kind == "check":
                    on_result(court.check(step))
                else:
                    on_outputs(step.id, court.execute(step))
    finally:
        line.close()


class _Court:
    """The trusted cells' names, and how cells are run among them."""

    def __init__(self, job: Job, line: Line) -> None:
        self.job, self.line = job, line
        self.names: dict[str, Any] = {"__name__": "__main__", "get_ipython": cells.no_shell}
        self.owned: set[str] = set()
        self.broken: dict[str, BaseException] = {}
        self.banned: dict[str, str] = {}
        self.given: list[tuple[str, str]] = []
        self.sources: dict[str, str] = {}
        line.shadows = Shadows(self._reference)

    def execute(self, step: Step) -> list[dict[str, Any]]:
        """Run a cell that is no check; its outputs."""
        seed = None
        if step.kind == "given":
            seed = len(self.given)
            self.given.append((step.id, step.source))
            seeds.seed(seed)
        self.owned |= set(step.defines)
        outputs, error = self.line.cell(step.source, seed)
        if step.kind == "given":
            seeds.seed(seed or 0)
            ours: BaseException | None
            try:
                self._fetch(step.source)
                ours = self._run(step, self.names)
            except Exception as error_:
                ours = error_
            if ours:
                self.broken |= dict.fromkeys(cells.bound(step.source), ours)
        for name in step.defines:
            if error:
                self.broken[name] = error
            else:
                self.broken.pop(name, None)
        return outputs

    def check(self, step: Step) -> Result:
        """Run a check; where it passes thanks to odd changes, once more without them."""
        line = self.line
        for name in sorted(cells.mentioned(step.source) & self.banned.keys()):
            word = self.banned[name]
            message = f"`{name}` uses `{word}`, which this exercise asks you to do without."
            return Result(step.aspect or step.id, step.points, False, message)
        starts = line.starts
        error, value = self._tried(step)
        if isinstance(error, Gone) and not isinstance(error, Slow) and line.starts == starts:
            # What killed the process may have been done before: this check has one of its own.
            error, value = self._tried(step)
        return self._result(step, error, value)

    def _tried(self, step: Step) -> tuple[BaseException | None, Any]:
        """Run a check: how it ended, and the value of its last line."""
        line = self.line
        error: BaseException | None = None
        value: list[Any] = []
        for line.write_back in (True, False):
            line.odd = False
            value = []
            try:
                line.ready()
                self._fetch(step.source)
                seeds.seed(0, self.job.salt)
                line.shadows.clear()
                error = self._run(step, dict(self.names), value)
            except Exception as failed:
                error = failed
            if error or not line.odd:
                break
        line.write_back = True
        return error, value[0] if value and not error else None

    def probe(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The decorator @student_side, in the judge: the function runs over there."""
        name = function.__name__
        source = self.sources.get(name)
        if source is None:
            raise NeedsProbe(f"the probe {name} has to be defined in the check itself")
        line = self.line

        def call(*args: Any, **kwargs: Any) -> Any:
            return line.call("probe", {"source": source, "name": name}, args, kwargs, None, name)

        call.__name__ = name
        return call

    def _result(self, step: Step, error: BaseException | None, value: Any) -> Result:
        aspect = step.aspect or step.id
        if isinstance(error, NameError) and error.name and error.name in self.broken:
            error = self.broken[error.name]
        if isinstance(error, NeedsProbe):
            self.line.on_problem(f"the check {step.id} cannot be run sealed: {error}")
            return Result(aspect, step.points, None, "A person has to grade this.")
        if isinstance(error, Gone):
            return Result(aspect, step.points, False, str(error))
        if error is not None:
            return Result(aspect, step.points, False, explain(error))
        if type(value) in (int, float) and value != step.points and step.points:
            return Result(aspect, step.points, None, f"The check gives {value} points.")
        return Result(aspect, step.points, True)

    def _fetch(self, source: str) -> None:
        """Bring the student's names that a cell uses up to date."""
        used = sorted(self.owned & cells.mentioned(source))
        if not used:
            return
        found = self.line.names(used)
        for name in used:
            self.names.pop(name, None)
        self.names |= found

    def _run(
        self, step: Step, names: dict[str, Any], value: list[Any] | None = None
    ) -> BaseException | None:
        filename, source = cells.name_of(step), step.source
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        try:
            self.sources = cells.probes(source)
            code, last = cells.compiled(source, filename)
            exec(code, names)
            if last:
                found = eval(last, names)
                if value is not None:
                    value.append(found)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return error
        return None

    def _reference(self) -> dict[str, Any]:
        """The names that the reference's own cells define, run here on the given cells' names."""
        names = {k: v for k, v in self.names.items() if k not in self.owned}
        texts = [s.reference for s in self.job.steps if s.reference]
        if not texts:
            texts = [
                t for s in self.job.steps if s.kind == "check" for t in cells.inlined(s.source)
            ][:1]
        for text in texts:
            with contextlib.suppress(Exception):
                code, last = cells.compiled(text, cells.REFERENCE)
                exec(code, names)
                if last:
                    eval(last, names)
        inlined = names.get("_reference")
        if isinstance(inlined, types.FunctionType):
            names |= vars(inlined())
        return {name: names[name] for name in self.owned if name in names}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with (
        patch.dict(os.environ, {"MPLBACKEND": "Agg"}),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
