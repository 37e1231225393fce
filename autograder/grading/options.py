"""How to grade: light to import, so that a sandbox can load while the gradebook is imported."""

from dataclasses import dataclass, field

from autograder.sealed import Limits


@dataclass(frozen=True)
class Options:
    """How to grade."""

    students: tuple[str, ...] = ()  # all, unless named
    notebooks: tuple[str, ...] = ()
    workers: int = 2
    isolation: str | None = None  # the strongest there is
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    dry_run: bool = False
