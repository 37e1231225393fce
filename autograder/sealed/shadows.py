"""The reference, run on copies of the same arguments, when somebody needs to know what it does."""

from collections.abc import Callable
from typing import Any

from autograder.sealed import wire
from autograder.sealed.copies import copied, identical
from autograder.sealed.seeds import kept_random
from autograder.sealed.student import parts


class Shadows:
    """What the reference did with the same questions; run only when somebody needs to know."""

    def __init__(self, build: Callable[[], dict[str, Any]]) -> None:
        self.build = build
        self.found: dict[str, Any] | None = None
        self.pending: list[Shadow] = []

    def clear(self) -> None:
        self.pending = []

    def named(self, name: str) -> "Shadow":
        def find() -> Any:
            if self.found is None:
                with kept_random():
                    self.found = self.build()
            return self.found[name]

        return Shadow(self, find, lasting=False)

    def run(self) -> None:
        """Everything that was put off, in its order."""
        while self.pending:
            self.pending.pop(0).now()


class Shadow:
    """A value of the reference's, computed when it is needed."""

    def __init__(self, shadows: Shadows, compute: Callable[[], Any], lasting: bool = True) -> None:
        self.shadows, self.compute = shadows, compute
        self.lasting = lasting  # an object: each call may change it, so none may be left out
        self.done = self.failed = False
        self.value: Any = None
        self.inputs: list[Any] = []
        self.changed: set[int] = set()
        self.random: list[Any] | None = None

    def force(self) -> Any:
        if not self.done:
            self.shadows.run()
            self.now()
        return self.value

    def now(self) -> None:
        if self.done:
            return
        self.done = True
        try:
            self.value = self.compute()
        except Exception:
            self.failed = True

    def known(self) -> bool:
        return self.done and not self.failed

    def exists(self) -> bool:
        self.force()
        return not self.failed

    def is_object(self) -> bool:
        """Whether the reference's value is an object that stays where it is, too."""
        try:
            wire.encode(self.value, None)
        except wire.Unsendable:
            return True
        return False

    def called(self, args: list[Any], kwargs: dict[str, Any], dice: list[Any]) -> "Shadow":
        """The reference called with copies of the same arguments."""
        made = Shadow(self.shadows, lambda: None)
        copies = copied([args, kwargs])
        before = parts(copied(copies))

        def compute() -> Any:
            target = self.force()
            made.inputs = parts(copies)
            with kept_random():
                wire.unpack_random(dice)
                value = target(*copies[0], **copies[1])
                made.random = wire.pack_random()
            made.changed = {
                i
                for i, (one, other) in enumerate(zip(made.inputs, before, strict=True))
                if not identical(one, other)
            }
            return value

        made.compute = compute
        self.shadows.pending.append(made)
        return made

    def attribute(self, name: str) -> "Shadow":
        return Shadow(self.shadows, lambda: getattr(self.force(), name))

    def item(self, key: Any) -> "Shadow":
        return Shadow(self.shadows, lambda: self.force()[copied(key)])

    def member(self, index: int) -> "Shadow":
        return Shadow(self.shadows, lambda: list(self.force())[index])

    def set_attribute(self, name: str, value: Any) -> None:
        value = copied(value)
        self.shadows.pending.append(
            Shadow(self.shadows, lambda: setattr(self.force(), name, value))
        )

    def set_item(self, key: Any, value: Any) -> None:
        key, value = copied(key), copied(value)
        self.shadows.pending.append(
            Shadow(self.shadows, lambda: self.force().__setitem__(key, value))
        )
