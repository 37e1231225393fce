"""Stand-ins: objects that live in the student's process, as the trusted cells see them.

An object may stand only where the reference has one; where the reference has data, nothing is asked
of it, so an object that claims to be equal to everything decides nothing.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from autograder.sealed.line import Line
    from autograder.sealed.shadows import Shadow


@dataclass
class Of:
    """What a stand-in stands for."""

    line: "Line"
    life: int
    number: int
    types: list[str]
    name: str
    callable: bool
    shadow: "Shadow | None" = None

    @property
    def opaque(self) -> bool:
        """Whether it stands where the reference has data: then nothing is asked of it."""
        if self.shadow is None:
            return False
        self.shadow.force()
        return self.shadow.known() and not self.shadow.is_object()


class StandIn:
    """An object that lives in the student's process."""

    __of: Of

    def __getattr__(self, name: str) -> Any:
        of = self.__of
        if of.opaque or (name.startswith("__") and name not in ("__name__", "__doc__")):
            raise AttributeError(f"{of.name!r} object has no attribute {name!r}", name=name)
        value = of.line.ask("attribute", target=self, name=name).get("v")
        return settled(value, of.shadow.attribute(name) if of.shadow else None, name)

    def __setattr__(self, name: str, value: Any) -> None:
        of = self.__of
        if of.shadow:
            of.shadow.set_attribute(name, value)
        of.line.ask("set_attribute", target=self, name=name, value=value)

    def __getitem__(self, key: Any) -> Any:
        of = self.__clear("is not subscriptable")
        value = of.line.ask("item", target=self, key=key).get("v")
        return settled(value, of.shadow.item(key) if of.shadow else None, of.name)

    def __setitem__(self, key: Any, value: Any) -> None:
        of = self.__clear("does not support item assignment")
        if of.shadow:
            of.shadow.set_item(key, value)
        of.line.ask("set_item", target=self, key=key, value=value)

    def __contains__(self, value: Any) -> bool:
        found = self.__clear("is not a container").line.ask("contains", target=self, value=value)
        return found.get("v") is True

    def __len__(self) -> int:
        length = self.__clear("has no len()").line.ask("length", target=self).get("v")
        if type(length) is not int:
            raise TypeError("the length is no number")
        return length

    def __iter__(self) -> Iterator[Any]:
        of = self.__clear("is not iterable")
        members = of.line.ask("members", target=self).get("v")
        if type(members) is not list:
            raise TypeError("the members are no list")
        shadow = of.shadow
        return iter(
            [settled(m, shadow.member(i) if shadow else None, "") for i, m in enumerate(members)]
        )

    def __bool__(self) -> bool:
        raise TypeError(f"a {self.__of.name} is an object, not a value that is true or false")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<{self.__of.name} of the student at 0x>"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return _known_class(self.__of.types) or type(self)

    def __clear(self, what: str) -> Of:
        if self.__of.opaque:
            raise TypeError(f"{self.__of.name!r} object {what}")
        return self.__of

    def __operate(self, name: str, other: Any) -> Any:
        of = self.__of
        shadow = of.shadow.attribute(name) if of.shadow and not of.opaque else None
        if shadow is None or not shadow.exists():
            return NotImplemented
        bound = of.line.ask("attribute", target=self, name=name).get("v")
        if not isinstance(bound, StandIn):
            return NotImplemented
        return of.line.call("call", {"target": bound}, other, {}, shadow, of.name)


class CallableStandIn(StandIn):
    """A function, class or callable object of the student's."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        of = self._StandIn__of  # type: ignore[attr-defined]
        if of.opaque:
            raise TypeError(f"{of.name!r} object is not callable")
        return of.line.call("call", {"target": self}, args, kwargs, of.shadow, of.name)


def _operators() -> None:
    """Arithmetic goes over there where the reference's object has it, too."""
    both = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
    for word in (*both, "neg", "pos", "abs"):
        for name in [f"__{word}__", f"__r{word}__"] if word in both else [f"__{word}__"]:

            def operate(self: Any, *other: Any, name: str = name) -> Any:
                return self._StandIn__operate(name, other)

            setattr(StandIn, name, operate)


_operators()


def make(of: Of) -> StandIn:
    base = CallableStandIn if of.callable else StandIn
    name = of.types[0].rpartition(".")[2] if of.types else "object"
    kind = type(name if name.isidentifier() else "object", (base,), {})
    made: StandIn = object.__new__(kind)
    object.__setattr__(made, "_StandIn__of", of)
    return made


def _known_class(types_: list[str]) -> type | None:
    """The first class of a library that an object claims to descend from, tensors aside."""
    for dotted in types_:
        home, _, name = dotted.rpartition(".")
        if home.startswith(("torch.nn.modules.", "torch.optim.", "torch.utils.data.")):
            found = getattr(sys.modules.get(home), name, None)
            if isinstance(found, type) and not issubclass(
                found, torch.Tensor | tuple | list | dict
            ):
                return found
    return None


def holds_objects(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(map(holds_objects, value))
    if type(value) is dict:
        return any(map(holds_objects, value.values()))
    return isinstance(value, StandIn)


def settled(value: Any, shadow: "Shadow | None", name: str) -> Any:
    """Tie each object in a result to the reference's."""
    if isinstance(value, StandIn):
        of = value._StandIn__of  # type: ignore[attr-defined]
        if of.shadow is None:
            of.shadow = shadow
        return value
    if type(value) in (list, tuple) and any(isinstance(v, StandIn) for v in value):
        for i, member in enumerate(value):
            settled(member, shadow.member(i) if shadow else None, name)
    elif type(value) is dict:
        for key, member in value.items():
            if isinstance(member, StandIn):
                settled(member, shadow.item(key) if shadow else None, name)
    return value
