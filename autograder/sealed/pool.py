"""Warm workers (interface first; the engine follows)."""

from collections.abc import Mapping, Sequence
from types import TracebackType

from autograder.sealed import Limits, Step, Verdict


class Pool:
    """Judges submissions, `workers` at a time; `isolation` None is the strongest there is here."""

    isolation: str

    def __init__(
        self, isolation: str | None = None, workers: int = 2, limits: Limits = Limits()
    ) -> None: ...

    def __enter__(self) -> "Pool": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def judge(
        self,
        steps: Sequence[Step],
        salt: int,
        *,
        forbid: Sequence[str] = (),
        files: Mapping[str, bytes] = {},
    ) -> Verdict: ...
