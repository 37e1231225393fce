"""A pool that runs nothing: a check passes if the notebook holds the word `right`.

Tests of what surrounds the judge use it: they are about files, faults and the gradebook.
"""

import os
import time
from collections.abc import Sequence
from typing import Any

from autograder.results import Result
from autograder.sealed import Step, Verdict

WRONG = "When looking:\n  wanted right,\n  got wrong.\nThink: why?"


class FakePool:
    """Judges in no time, or in as much as FAKE_SECONDS says."""

    isolation, why = "process", ""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.judged = 0

    def launch(self) -> None:
        return None

    def close(self) -> None:
        return None

    def __enter__(self) -> "FakePool":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def judge(self, steps: Sequence[Step], salt: int, **_: Any) -> Verdict:
        self.judged += 1
        time.sleep(float(os.environ.get("FAKE_SECONDS", "0")))
        own = "\n".join(s.source for s in steps if s.kind in ("solution", "extra"))
        if "the pool breaks" in own:
            raise RuntimeError("the pool broke")
        results = []
        for step in steps:
            if step.kind == "check":
                right = "right" in own
                results.append(Result(step.aspect, step.points, right, "" if right else WRONG))
        outputs = {
            s.id: [{"output_type": "stream", "name": "stdout", "text": f"ran {s.id}\n"}]
            for s in steps
            if s.kind in ("solution", "extra")
        }
        return Verdict(tuple(results), outputs, self.isolation, 0.01)
