"""The judge: runs the trusted cells, with a stand-in for each name that a student defined.

A stand-in sends its arguments to the student's process and brings plain data back. What the student
sends is never believed, only compared: values are data of ours once they are here; arguments that
changed over there change here only where the reference changes them, too, and if not, the check has
to pass with and without the change; an object may stand only where the reference has one.
"""

import ast
import base64
import builtins
import contextlib
import copy
import hashlib
import io
import json
import linecache
import os
import random
import re
import socket
import sys
import threading
import time
import traceback
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol
from unittest.mock import patch

import numpy as np
import torch

import autograder
from autograder.results import Result, explain
from autograder.sealed import Limits, Step, wire
from autograder.sealed.student import IMAGE, OUTPUTS, TEXT, generator_state, parts

UNSEEN = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b.|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
PNG = b"\x89PNG\r\n\x1a\n"


class Gone(Exception):
    """The student's process ended, hung or spoke out of turn."""


class NeedsProbe(Exception):
    """A check sends what cannot cross: its author has to write a probe."""


class Walls(Protocol):
    """What gives the judge a student's process, and takes it away again."""

    def start(self) -> wire.Channel: ...

    def stop(self, lost: bool = False) -> str:
        """End the process and all it started; say why it was lost, if it was."""


@dataclass
class Job:
    """What to judge."""

    steps: Sequence[Step]
    salt: int = 0
    limits: Limits = field(default_factory=Limits)
    forbid: Sequence[str] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)


def judge(
    job: Job,
    walls: Walls,
    on_result: Callable[[Result], None] = lambda _: None,
    on_outputs: Callable[[str, list[dict[str, Any]]], None] = lambda *_: None,
    on_problem: Callable[[str], None] = lambda _: None,
) -> None:
    """Execute the steps in order and tell how each check came out, as soon as it did."""
    line = _Line(job, walls, on_problem)
    court = _Court(job, line)
    for step in job.steps:
        for word in _forbidden(step, job.forbid):
            on_problem(f"the cell {step.id} uses {word}, which this exercise forbids")
            court.banned |= dict.fromkeys(step.defines, word)
    try:
        with (
            _quiet(),
            _salted(job.salt, line.reseeded),
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

    def __init__(self, job: Job, line: "_Line") -> None:
        self.job, self.line = job, line
        self.names: dict[str, Any] = {"__name__": "__main__", "get_ipython": _no_shell}
        self.owned: set[str] = set()
        self.broken: dict[str, BaseException] = {}
        self.banned: dict[str, str] = {}
        self.given: list[tuple[str, str]] = []
        self.sources: dict[str, str] = {}
        line.shadows = _Shadows(self._reference)

    def execute(self, step: Step) -> list[dict[str, Any]]:
        """Run a cell that is no check; its outputs."""
        seed = None
        if step.kind == "given":
            seed = len(self.given)
            self.given.append((step.id, step.source))
            _seed(seed)
        self.owned |= set(step.defines)
        outputs, error = self.line.cell(step.source, seed)
        if step.kind == "given":
            _seed(seed or 0)
            ours: BaseException | None
            try:
                self._fetch(step.source)
                ours = self._run(step, self.names)
            except Exception as error_:
                ours = error_
            if ours:
                self.broken |= dict.fromkeys(_bound(step.source), ours)
        for name in step.defines:
            if error:
                self.broken[name] = error
            else:
                self.broken.pop(name, None)
        return outputs

    def check(self, step: Step) -> Result:
        """Run a check; where it passes thanks to odd changes, once more without them."""
        line = self.line
        for name in sorted(_mentioned(step.source) & self.banned.keys()):
            word = self.banned[name]
            message = f"`{name}` uses `{word}`, which this exercise asks you to do without."
            return Result(step.aspect or step.id, step.points, False, message)
        starts = line.starts
        error, value = self._tried(step)
        if isinstance(error, Gone) and not isinstance(error, _Slow) and line.starts == starts:
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
                _seed(0, self.job.salt)
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
        used = sorted(self.owned & _mentioned(source))
        if not used:
            return
        found = self.line.names(used)
        for name in used:
            self.names.pop(name, None)
        self.names |= found

    def _run(
        self, step: Step, names: dict[str, Any], value: list[Any] | None = None
    ) -> BaseException | None:
        filename = f"<{step.kind}: {step.id}>"
        source = step.source
        linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
        try:
            tree = _parsed(source)
            self.sources = _probes(tree)
            last = tree.body[-1] if tree.body else None
            if value is not None and isinstance(last, ast.Expr):
                first = ast.Module(tree.body[:-1], [])
                exec(compile(first, filename, "exec"), names)
                value.append(eval(compile(ast.Expression(last.value), filename, "eval"), names))
            else:
                exec(compile(tree, filename, "exec"), names)
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
            texts = [t for s in self.job.steps if s.kind == "check" for t in _inlined(s.source)][:1]
        for text in texts:
            with contextlib.suppress(Exception):
                exec(compile(_parsed(text), "<reference>", "exec"), names)
        inlined = names.get("_reference")
        if isinstance(inlined, types.FunctionType):
            names |= vars(inlined())
        return {name: names[name] for name in self.owned if name in names}


class _Line:
    """The connection to the student's process: starts it anew when it is gone."""

    shadows: "_Shadows"

    def __init__(self, job: Job, walls: Walls, on_problem: Callable[[str], None]) -> None:
        self.job, self.walls, self.on_problem = job, walls, on_problem
        self.channel: wire.Channel | None = None
        self.life = 0
        self.past: list[tuple[str, int | None]] = []
        self.left = job.limits.total
        self.hung: set[str] = set()
        self.write_back, self.odd = True, False
        self.dropped: list[int] = []
        self.after: list[Any] | None = None  # the state after the last call; None: tell it anew
        self.handles: dict[int, StandIn] = {}
        self.args: list[Any] = []
        self.starts = 0

    # The process.

    def ready(self) -> None:
        """Have a process in which the student's cells have been run."""
        if self.channel is not None:
            return None
        if self.left <= 0:
            raise Gone("The time for the whole notebook was used up before this check.")
        self._start()
        for i, (source, seed) in enumerate(list(self.past)):
            try:
                self.ask("cell", 0, source=source, seed=seed)
            except Gone:
                del self.past[i]  # the cell that ends its process
                return self.ready()
            except Exception:
                continue
        return None

    def cell(
        self, source: str, seed: int | None
    ) -> tuple[list[dict[str, Any]], BaseException | None]:
        """Run a cell over there: its outputs, and the error that ended it."""
        try:
            self.ready()
            starts = self.starts
            try:
                reply = self.ask("cell", 0, source=source, seed=seed)
            except _Slow:
                raise
            except Gone:
                if self.starts != starts or not self.past:
                    raise
                self.ready()  # what killed the process may have been done before
                reply = self.ask("cell", 0, source=source, seed=seed)
        except Gone as gone:
            self.on_problem(str(gone))
            return [_error_output("Stopped", str(gone), "")], gone
        except Exception as failed:
            return [_error_output(type(failed).__name__, str(failed), "")], failed
        self.past.append((source, seed))
        failure = reply.get("error")
        outputs = _outputs(reply.get("v"))
        if not isinstance(failure, dict):
            return outputs, None
        error = _raised(failure)
        kind, trace = str(failure.get("type"))[:100], str(failure.get("trace"))[:2000]
        return [*outputs, _error_output(kind, _clean(str(failure.get("text"))), trace)], error

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        self.walls.stop()

    def ask(self, op: str, limit: float = 0.0, **fields: Any) -> dict[str, Any]:
        """One request, one reply: the nonce of this request in it, and nothing before it."""
        if self.channel is None:
            raise Gone("The process with the code is not running.")
        limit = min(limit or self.job.limits.cell, max(self.left, 0.5))
        nonce, began = os.urandom(8).hex(), time.monotonic()
        drop, self.dropped = self.dropped, []
        request = {"op": op, "n": nonce, "drop": drop, **fields}
        try:
            body = wire.encode(request, self._object_node, self._tensor_facts)
        except wire.Unsendable as error:
            raise NeedsProbe(str(error)) from None
        try:
            if not self.channel.silent():
                raise wire.WireError("it spoke without being asked")
            self.channel.send(body, limit)
            body = self.channel.receive(limit)
            reply = wire.decode(body, self._node, self._tensor)
            if type(reply) is not dict or reply.get("n") != nonce:
                raise wire.WireError("it does not belong to the question")
        except TimeoutError:
            self._stop()
            raise _Slow(explain(TimeoutError())) from None
        except (EOFError, OSError):
            why = self._stop(lost=True) or "it ended itself"
            raise Gone(f"The process with the code was gone: {why}.") from None
        except wire.WireError as error:
            self._stop()
            raise Gone(f"The answer was no answer: {error}.") from None
        finally:
            self.left -= time.monotonic() - began
        if reply.get("ok") is not True:
            raise _raised(reply)
        return reply

    def reseeded(self) -> None:
        """Somebody set a seed: the student's process has to hear of it, whatever the seed."""
        self.after = None

    def _start(self) -> None:
        self.channel = self.walls.start()
        self.life += 1
        self.starts += 1
        self.handles, self.dropped, self.after = {}, [], None
        self.ask("begin", 60, files=dict(self.job.files), forbid_=list(self.job.forbid), seed=0)

    def _stop(self, lost: bool = False) -> str:
        if self.channel is not None:
            self.channel.close()
            self.channel = None
        return self.walls.stop(lost)

    # Names and objects.

    def names(self, names: list[str]) -> dict[str, Any]:
        reply = self.ask("names", names=names)
        found = reply.get("v")
        if type(found) is not dict:
            raise Gone("The answer was no answer: no names.")
        reference = self.shadows
        return {
            name: _settled(found[name], reference.named(name), name)
            for name in names
            if name in found
        }

    def call(
        self,
        op: str,
        what: dict[str, Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        shadow: "_Shadow | None",
        name: str,
    ) -> Any:
        """Call something over there; what came back, with its graph and its changes."""
        positional, named = list(args), dict(kwargs)
        inputs = parts([positional, named])
        leaves = [p for p in inputs if isinstance(p, torch.Tensor) and p.requires_grad]
        dice = wire.pack_random()
        news = dice if self.after is None or not wire.same_random(dice, self.after) else None
        limit = self.job.limits.cell
        if name in self.hung:
            limit = max(limit / 5, 2.0)
        self.args = inputs
        try:
            reply = self.ask(
                op, limit, **what, args=positional, kwargs=named, dice=news,
                grad=torch.is_grad_enabled(),
            )  # fmt: skip
        except _Slow:
            self.hung.add(name)
            raise
        finally:
            self.args = []
            self.after = dice
        value = reply.get("v")
        changed, drew = reply.get("changed"), reply.get("drew") is True
        changed = changed if type(changed) is dict else {}
        result = None
        if shadow and (changed or drew or shadow.lasting or _holds_objects(value)):
            result = shadow.called(positional, named, dice)
        if (changed or drew) and result:
            result.force()
            if result.random and drew:
                wire.unpack_random(result.random)
                self.after = None
        if changed:
            self._write_back(inputs, changed, result)
        value = self._with_graph(value, reply.get("tape"), leaves, inputs)
        return _settled(value, result, name)

    def _write_back(self, inputs: list[Any], changed: dict[Any, Any], result: Any) -> None:
        """Change the arguments as they were changed over there, where the reference does so."""
        usual = result.changed if result and result.done and not result.failed else set()
        for i, new in changed.items():
            if type(i) is not int or not 0 <= i < len(inputs):
                continue
            mine = inputs[i]
            if i not in usual:
                self.odd = True
                if not self.write_back:
                    continue
            if isinstance(mine, _GENERATORS):
                if result and i in usual:
                    _set_generator(mine, result.inputs[i])
            elif isinstance(mine, torch.Tensor):
                if (
                    isinstance(new, torch.Tensor)
                    and new.shape == mine.shape
                    and new.dtype == mine.dtype
                    and new is not mine
                ):
                    with torch.no_grad():
                        mine.copy_(new)
            elif isinstance(mine, np.ndarray):
                if (
                    isinstance(new, np.ndarray)
                    and new.shape == mine.shape
                    and new.dtype == mine.dtype
                ):
                    mine[...] = new
            elif type(mine) is list and type(new) is list:
                mine[:] = new
            elif type(mine) is dict and type(new) is dict:
                mine.clear()
                mine.update(new)

    def _with_graph(
        self, value: Any, tape: Any, leaves: list[Any], inputs: Sequence[Any] = ()
    ) -> Any:
        """Join the tensors of a result to the graph: their gradient is asked for over there."""
        tensors = {id(p): p for p in parts(value) if isinstance(p, torch.Tensor)}
        outs = {k: p for k, p in tensors.items() if hasattr(p, "_out_of_student")}
        own = {  # an argument itself came back, and it is what it is here
            k: inputs[p._arg_of_student]
            for k, p in tensors.items()
            if hasattr(p, "_arg_of_student") and _identical(inputs[p._arg_of_student], p)
        }
        if not outs and not own:
            return value
        if not outs:
            fresh = {}
        elif type(tape) is not int or not torch.is_grad_enabled():
            fresh = {k: p.detach() for k, p in outs.items()}
        else:
            ordered = sorted(outs.values(), key=lambda p: p._out_of_student)
            if [p._out_of_student for p in ordered] != list(range(len(ordered))):
                raise Gone("The answer was no answer: a result is missing.")
            ticket = _Ticket(self, tape)
            anchor = torch.zeros((), requires_grad=True)
            joined = _Remote.apply(  # type: ignore[no-untyped-call]
                ticket, [p.detach() for p in ordered], *leaves, anchor
            )
            fresh = {id(p): new for p, new in zip(ordered, joined, strict=True)}

        fresh |= own

        def walk(value: Any) -> Any:
            if id(value) in fresh:
                return fresh[id(value)]
            if type(value) in (list, tuple):
                return type(value)(walk(v) for v in value)
            if type(value) is dict:
                return {k: walk(v) for k, v in value.items()}
            return value

        return walk(value)

    # How values travel.

    def _object_node(self, value: Any, enter: wire.Encode) -> Any:
        if isinstance(value, StandIn):
            if value._StandIn__of.life != self.life:
                raise Gone("The process with the code was gone, and this object with it.")
            return {"k": "handle", "v": value._StandIn__of.number}
        if isinstance(value, torch._C.Generator):
            return {"k": "torch_generator", "v": enter(value.get_state())}
        if isinstance(value, np.random.Generator) and isinstance(
            value.bit_generator, np.random.PCG64
        ):
            return {"k": "numpy_generator", "v": enter(value.bit_generator.state)}
        if found := _in_library(value):
            return {"k": "library", "v": list(found)}
        kind = type(value).__name__
        raise NeedsProbe(f"a {kind} cannot be sent to the student's process; use @student_side")

    def _tensor_facts(self, tensor: Any, enter: wire.Encode) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if isinstance(tensor, torch.nn.Parameter):
            found["parameter"] = True
        if tensor.requires_grad:
            found |= {"grad": True, "leaf": tensor.is_leaf}
            if tensor.is_leaf and tensor.grad is not None:
                found["grad_value"] = enter(tensor.grad)
        return found

    def _node(self, found: dict[str, Any], enter: wire.Decode) -> Any:
        if found["k"] != "handle":
            raise wire.WireError("an unknown kind")
        number, types_, name = found.get("v"), found.get("types"), found.get("name")
        if type(number) is not int or type(types_) is not list or type(name) is not str:
            raise wire.WireError("no handle")
        if number not in self.handles:
            if len(self.handles) > 10_000:
                raise wire.WireError("too many objects")
            known = [str(t)[:200] for t in types_[:30]]
            of = _Of(self, self.life, number, known, name[:100], found.get("callable") is True)
            self.handles[number] = _stand_in(of)
        return self.handles[number]

    def _tensor(self, tensor: Any, found: dict[str, Any], enter: wire.Decode) -> Any:
        i = found.get("arg")
        if type(i) is int and 0 <= i < len(self.args):
            tensor._arg_of_student = i
        if found.get("grad") is True and (tensor.is_floating_point() or tensor.is_complex()):
            out = found.get("out")
            if type(out) is int:
                tensor._out_of_student = out
                return tensor
            tensor.requires_grad_()
            grad = enter(found["grad_value"]) if "grad_value" in found else None
            if isinstance(grad, torch.Tensor) and grad.shape == tensor.shape:
                tensor.grad = grad.to(tensor.dtype)
        return tensor


class _Slow(Gone):
    """No answer within the limit."""


# Gradients.


class _Ticket:
    """A graph over there; when nobody here can walk it any more, it may be dropped."""

    def __init__(self, line: _Line, tape: int) -> None:
        self.line, self.tape, self.life = line, tape, line.life
        weakref.finalize(self, line.dropped.append, tape)


class _Remote(torch.autograd.Function):
    """An operation whose backward pass happens in the student's process."""

    @staticmethod
    def forward(ctx: Any, ticket: _Ticket, outs: list[Any], *inputs: Any) -> Any:
        ctx.ticket = ticket
        ctx.shapes = [(t.shape, t.dtype) for t in inputs[:-1]]
        ctx.save_for_backward(*inputs)
        return tuple(out.clone() for out in outs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        line, again = ctx.ticket.line, torch.is_grad_enabled()
        if ctx.ticket.life != line.life:
            raise Gone("The process with the code was gone, and the graph with it.")
        reply = line.ask(
            "backward",
            tape=ctx.ticket.tape,
            grads=[None if g is None else g.detach() for g in grads],
            again=again,
        )
        found = reply.get("v")
        if type(found) is not list or len(found) != len(ctx.shapes):
            raise Gone("The answer was no answer: no gradients.")
        found = [
            g.to(dtype) if isinstance(g, torch.Tensor) and g.shape == shape else None
            for g, (shape, dtype) in zip(found, ctx.shapes, strict=True)
        ]
        if again:
            saved = ctx.saved_tensors
            given = [torch.zeros((), requires_grad=True) if g is None else g for g in grads]
            found = line._with_graph(found, reply.get("tape"), [*given, *saved[:-1]])
        return (None, None, *found, None)


# Stand-ins.


@dataclass
class _Of:
    """What a stand-in stands for."""

    line: _Line
    life: int
    number: int
    types: list[str]
    name: str
    callable: bool
    shadow: "_Shadow | None" = None

    @property
    def opaque(self) -> bool:
        """Whether it stands where the reference has data: then nothing is asked of it."""
        if self.shadow is None:
            return False
        self.shadow.force()
        return self.shadow.known() and not self.shadow.is_object()


class StandIn:
    """An object that lives in the student's process."""

    __of: _Of

    def __getattr__(self, name: str) -> Any:
        of = self.__of
        if of.opaque or (name.startswith("__") and name not in ("__name__", "__doc__")):
            raise AttributeError(f"{of.name!r} object has no attribute {name!r}", name=name)
        value = of.line.ask("attribute", target=self, name=name).get("v")
        return _settled(value, of.shadow.attribute(name) if of.shadow else None, name)

    def __setattr__(self, name: str, value: Any) -> None:
        of = self.__of
        if of.shadow:
            of.shadow.set_attribute(name, value)
        of.line.ask("set_attribute", target=self, name=name, value=value)

    def __getitem__(self, key: Any) -> Any:
        of = self.__clear("is not subscriptable")
        value = of.line.ask("item", target=self, key=key).get("v")
        return _settled(value, of.shadow.item(key) if of.shadow else None, of.name)

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
            [_settled(m, shadow.member(i) if shadow else None, "") for i, m in enumerate(members)]
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

    def __clear(self, what: str) -> _Of:
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


def _stand_in(of: _Of) -> StandIn:
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


def _holds_objects(value: Any) -> bool:
    if type(value) in (list, tuple):
        return any(map(_holds_objects, value))
    if type(value) is dict:
        return any(map(_holds_objects, value.values()))
    return isinstance(value, StandIn)


def _settled(value: Any, shadow: "_Shadow | None", name: str) -> Any:
    """Tie each object in a result to the reference's."""
    if isinstance(value, StandIn):
        of = value._StandIn__of  # type: ignore[attr-defined]
        if of.shadow is None:
            of.shadow = shadow
        return value
    if type(value) in (list, tuple) and any(isinstance(v, StandIn) for v in value):
        for i, member in enumerate(value):
            _settled(member, shadow.member(i) if shadow else None, name)
    elif type(value) is dict:
        for key, member in value.items():
            if isinstance(member, StandIn):
                _settled(member, shadow.item(key) if shadow else None, name)
    return value


# The reference, run on the same arguments.


class _Shadows:
    """What the reference did with the same questions; run only when somebody needs to know."""

    def __init__(self, build: Callable[[], dict[str, Any]]) -> None:
        self.build = build
        self.found: dict[str, Any] | None = None
        self.pending: list[_Shadow] = []

    def clear(self) -> None:
        self.pending = []

    def named(self, name: str) -> "_Shadow":
        def find() -> Any:
            if self.found is None:
                with _kept_random():
                    self.found = self.build()
            return self.found[name]

        return _Shadow(self, find, lasting=False)

    def run(self) -> None:
        """Everything that was put off, in its order."""
        while self.pending:
            self.pending.pop(0).now()


class _Shadow:
    """A value of the reference's, computed when it is needed."""

    def __init__(self, shadows: _Shadows, compute: Callable[[], Any], lasting: bool = True) -> None:
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

    def called(self, args: list[Any], kwargs: dict[str, Any], dice: list[Any]) -> "_Shadow":
        """The reference called with copies of the same arguments."""
        made = _Shadow(self.shadows, lambda: None)
        copies = _copied([args, kwargs])
        before = parts(_copied(copies))

        def compute() -> Any:
            target = self.force()
            made.inputs = parts(copies)
            with _kept_random():
                wire.unpack_random(dice)
                value = target(*copies[0], **copies[1])
                made.random = wire.pack_random()
            made.changed = {
                i
                for i, (one, other) in enumerate(zip(made.inputs, before, strict=True))
                if not _identical(one, other)
            }
            return value

        made.compute = compute
        self.shadows.pending.append(made)
        return made

    def attribute(self, name: str) -> "_Shadow":
        return _Shadow(self.shadows, lambda: getattr(self.force(), name))

    def item(self, key: Any) -> "_Shadow":
        return _Shadow(self.shadows, lambda: self.force()[_copied(key)])

    def member(self, index: int) -> "_Shadow":
        return _Shadow(self.shadows, lambda: list(self.force())[index])

    def set_attribute(self, name: str, value: Any) -> None:
        value = _copied(value)
        self.shadows.pending.append(
            _Shadow(self.shadows, lambda: setattr(self.force(), name, value))
        )

    def set_item(self, key: Any, value: Any) -> None:
        key, value = _copied(key), _copied(value)
        self.shadows.pending.append(
            _Shadow(self.shadows, lambda: self.force().__setitem__(key, value))
        )


def _copied(value: Any) -> Any:
    """Copies of the tensors and containers of a value; a stand-in becomes its shadow's value."""
    made: dict[int, Any] = {}

    def twin(value: Any) -> Any:
        if id(value) in made:
            return made[id(value)]
        if isinstance(value, StandIn):
            shadow = value._StandIn__of.shadow  # type: ignore[attr-defined]
            return shadow.force() if shadow else value
        if type(value) in (list, tuple):
            return type(value)(twin(v) for v in value)
        if type(value) is dict:
            return {k: twin(v) for k, v in value.items()}
        new: Any = value
        if isinstance(value, torch.Tensor):
            new = value.detach().clone()
            if isinstance(value, torch.nn.Parameter):
                new = torch.nn.Parameter(new, requires_grad=value.requires_grad)
            elif value.requires_grad:
                new.requires_grad_()
                new = new if value.is_leaf else new.clone()
        elif isinstance(value, np.ndarray):
            new = value.copy()
        elif isinstance(value, _GENERATORS):
            new = torch.Generator() if isinstance(value, torch._C.Generator) else _numpy_generator()
            _set_generator(new, value)
        made[id(value)] = new
        return new

    return twin(value)


def _numpy_generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(0))


def _set_generator(mine: Any, other: Any) -> None:
    if isinstance(mine, torch._C.Generator):
        mine.set_state(other.get_state())
    else:
        mine.bit_generator.state = other.bit_generator.state


def _identical(one: Any, other: Any) -> bool:
    """Whether two parts are the same to the last bit; NaN is NaN."""
    if type(one) in (list, dict) or type(other) in (list, dict):
        try:
            pairs = zip(one, other, strict=True)
            if type(one) is dict:
                return list(one) == list(other) and all(_identical(one[k], other[k]) for k in one)
            return type(one) is type(other) and all(_identical(a, b) for a, b in pairs)
        except (ValueError, TypeError):
            return False
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        one, other = one.detach(), other.detach()
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if one.is_complex():
            one, other = torch.view_as_real(one), torch.view_as_real(other)
        return bool(((one == other) | ((one != one) & (other != other))).all())
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, torch._C.Generator) and isinstance(other, torch._C.Generator):
        return one.get_state().equal(other.get_state())
    if isinstance(one, np.random.Generator) and isinstance(other, np.random.Generator):
        return bool(generator_state(one) == generator_state(other))
    return one is other or (type(one) is type(other) and bool(one == other))


# Cells.


@cache
def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        manager = TransformerManager()  # type: ignore[no-untyped-call]
        return ast.parse(manager.transform_cell(source))


@cache
def _mentioned(source: str) -> set[str]:
    try:
        return {n.id for n in ast.walk(_parsed(source)) if isinstance(n, ast.Name)}
    except SyntaxError:
        return set()


def _bound(source: str) -> set[str]:
    try:
        tree = _parsed(source)
    except SyntaxError:
        return set()
    names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    stored = (n for n in ast.walk(tree) if isinstance(n, ast.Name))
    return names | {n.id for n in stored if isinstance(n.ctx, ast.Store)}


def _probes(tree: ast.Module) -> dict[str, str]:
    """The text of each probe of a cell, with the cell's imports before it."""
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    head = "\n".join(ast.unparse(n) for n in imports if "reference" not in ast.unparse(n))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any(map(_is_mark, node.decorator_list)):
            bare = copy.copy(node)
            bare.decorator_list = [d for d in node.decorator_list if not _is_mark(d)]
            found[node.name] = f"{head}\n{ast.unparse(bare)}"
    return found


def _is_mark(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] == "student_side"


def _inlined(source: str) -> list[str]:
    """The reference that the builder wrote into a check."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "_reference"]
    return [ast.unparse(n) for n in found]


def _forbidden(step: Step, words: Sequence[str]) -> list[str]:
    """What a solution cell uses in its definitions, or overwrites, although it is forbidden.

    A line beside the definitions that compares with the built-in is no offence.
    """
    if step.kind != "solution" or not words:
        return []
    try:
        tree = _parsed(step.source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    definitions = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef, ast.Lambda)
    inside = [n for top in ast.walk(tree) if isinstance(top, definitions) for n in ast.walk(top)]
    stored = [
        n for n in ast.walk(tree)
        if isinstance(n, ast.Attribute | ast.Name) and isinstance(n.ctx, ast.Store)
    ]  # fmt: skip
    found = []
    for node in [*inside, *stored]:
        word = getattr(node, "attr", None) or getattr(node, "id", None)
        plain = str(word).replace("_", "").lower()
        if word and any(plain.startswith(w.replace("_", "").lower()) for w in words):
            found.append(str(word))
    return sorted(set(found))


def _no_shell() -> Any:
    """What magics of given cells talk to in the judge: they are for the student's process."""
    return _Nothing()


class _Nothing:
    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


def _in_library(value: Any) -> tuple[str, str] | None:
    """Where a function or class of a well-known library is found."""
    if not callable(value) and not isinstance(value, types.ModuleType):
        return None
    if isinstance(value, types.ModuleType):
        return None
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    own = getattr(value, "__module__", None)
    for home in (own, "torch", "torch.nn.functional", "torch.nn", "numpy", "math"):
        if type(home) is not str or home.partition(".")[0] not in LIBRARIES or not name:
            continue
        target: Any = sys.modules.get(home)
        for part in name.split("."):
            target = getattr(target, part, None)
        if target is value:
            return home, name
    return None


_GENERATORS = (torch._C.Generator, np.random.Generator)
LIBRARIES = ("torch", "numpy", "math", "builtins", "operator")


def _raised(failure: Mapping[str, Any]) -> BaseException:
    """The exception that a student's code raised, of a kind that can do no harm here."""
    name, text = str(failure.get("type"))[:100], _clean(str(failure.get("text")))[:2000]
    kinds = failure.get("kinds")
    kinds = [str(k) for k in kinds][:20] if type(kinds) is list else []
    base: type[Exception] = Exception
    for kind in kinds:
        found = getattr(builtins, kind, None)
        if isinstance(found, type) and issubclass(found, Exception):
            base = found
            break
    # These would end a loop or a generator of the check's as if all were well.
    if issubclass(base, StopIteration | StopAsyncIteration):
        base, text = RuntimeError, f"{name}: {text}"
    if issubclass(base, UnicodeError) or issubclass(base, BaseExceptionGroup):
        base = ValueError
    kind_ = base if base.__name__ == name else _named(name, base)
    try:
        error = kind_(text)
    except Exception:
        error = RuntimeError(f"{name}: {text}")
    if isinstance(error, NameError):
        missing = failure.get("name")
        error.name = missing if type(missing) is str else None
    if isinstance(error, KeyError):
        error.args = (text.strip("'\""),)
    return error


def _named(name: str, base: type[Exception]) -> type[Exception]:
    return type(name if name.isidentifier() else "Exception", (base,), {})


# What students' cells show.


def _clean(text: str) -> str:
    return UNSEEN.sub("", text)


def _outputs(found: Any) -> list[dict[str, Any]]:
    """The outputs of a cell as a notebook holds them: text and images, nothing that acts."""
    outputs: list[dict[str, Any]] = []
    for item in found[: OUTPUTS + 2] if type(found) is list else ():
        if type(item) is not list or len(item) != 2:
            continue
        kind, data = item
        if kind in ("stdout", "stderr") and type(data) is str and data:
            text = _clean(data)[:TEXT]
            text += "\n… cut here" if len(data) >= TEXT else ""
            outputs.append({"output_type": "stream", "name": kind, "text": text})
        elif kind == "text" and type(data) is str:
            shown = {"text/plain": _clean(data)[:TEXT]}
            outputs.append({"output_type": "display_data", "data": shown, "metadata": {}})
        elif kind == "png" and type(data) is bytes and len(data) <= IMAGE:
            with contextlib.suppress(ValueError):
                data = data if data.startswith(PNG) else base64.b64decode(data, validate=True)
                if data.startswith(PNG):
                    image = {"image/png": base64.b64encode(data).decode()}
                    outputs.append({"output_type": "display_data", "data": image, "metadata": {}})
    return outputs


def _error_output(kind: str, text: str, trace: str) -> dict[str, Any]:
    lines = [line for line in _clean(trace).splitlines() if line]
    return {
        "output_type": "error",
        "ename": _clean(kind),
        "evalue": text,
        "traceback": [*lines, f"{_clean(kind)}: {text}"],
    }


# Randomness.


def _seed(seed: int, salt: int = 0) -> None:
    mixed = _mixed(seed, salt)
    _TORCH_SEED(mixed)
    _PYTHON_SEED(mixed)
    _NUMPY_SEED(mixed)


# Not torch.manual_seed: that looks for a GPU to seed, and takes a millisecond.
_TORCH_SEED = torch.default_generator.manual_seed
_NUMPY_SEED, _NUMPY_RNG = np.random.seed, np.random.default_rng
_PYTHON_SEED = random.seed


def _mixed(seed: Any, salt: int) -> int:
    if not salt:
        return int(seed) % 2**32
    digest = hashlib.blake2b(f"{salt}:{int(seed)}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


@contextlib.contextmanager
def _salted(salt: int, on_seed: Callable[[], None]) -> Iterator[None]:
    """Move every seed that the text of a check sets, so that its inputs cannot be foreseen.

    Seeds that given cells or the reference set stay: students' cells set the same ones.
    """

    def moved(seed: Any) -> Any:
        code = sys._getframe(2).f_code
        in_check = code.co_filename.startswith("<check: ")
        on_seed()
        if seed is None or not in_check or code.co_qualname.startswith("_reference."):
            return seed
        return _mixed(seed, salt)

    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> Any:
            return super().manual_seed(moved(seed))

    with (
        patch.object(torch, "manual_seed", lambda seed: _TORCH_SEED(moved(seed))),
        patch.object(torch, "Generator", Generator),
        patch.object(np.random, "seed", lambda seed=None: _NUMPY_SEED(moved(seed))),
        patch.object(np.random, "default_rng", lambda seed=None: _NUMPY_RNG(moved(seed))),
        patch.object(random, "seed", lambda seed=None, *_: _PYTHON_SEED(moved(seed))),
    ):
        yield


@contextlib.contextmanager
def _kept_random() -> Iterator[None]:
    """Run something that draws without anybody noticing."""
    state = wire.pack_random()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        wire.unpack_random(state)


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


# The judge's own process.


class _RemoteWalls:
    """The pool starts and ends the student's process when the judge asks."""

    def __init__(self, channel: wire.Channel) -> None:
        self.channel = channel

    def start(self) -> wire.Channel:
        self.channel.send(wire.encode(["start", None]))
        self.channel.connection.settimeout(None)
        sign, fds, _, _ = socket.recv_fds(self.channel.connection, 1, 1)
        if sign != b"+" or not fds:
            raise Gone("No process could be started for this notebook.")
        return wire.Channel(socket.socket(fileno=fds[0]))

    def stop(self, lost: bool = False) -> str:
        self.channel.send(wire.encode(["stop", lost]))
        return str(wire.decode(self.channel.receive()))


def load() -> None:
    """Import what checks use, once, before there is anything to judge."""
    import matplotlib
    import torch.autograd.gradcheck

    import autograder.datasets
    import autograder.expect  # noqa: F401

    matplotlib.use("Agg")
    import matplotlib.pyplot

    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    torch.autograd.backward([2 * weight], [torch.ones(2)])
    optimizer.step()


def serve(channel: wire.Channel) -> None:
    """Judge one submission for the pool: its job comes first, then results as they are found."""
    head, files = wire.decode(channel.receive())
    found = json.loads(head)
    steps = [Step(**{**s, "defines": tuple(s["defines"])}) for s in found["steps"]]
    limits = Limits(**found["limits"])
    job = Job(steps, found["salt"], limits, found["forbid"], files)
    _limit_memory(limits)

    def tell(kind: str, what: Any) -> None:
        channel.send(wire.encode([kind, what]))

    try:
        judge(
            job,
            _RemoteWalls(channel) if found["isolation"] != "none" else _NoWalls(),
            lambda r: tell("result", [r.aspect, r.points, r.passed, r.message[:20_000]]),
            lambda step, outputs: tell("outputs", [step, json.dumps(outputs).encode()]),
            lambda problem: tell("problem", problem[:2000]),
        )
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        what = f"{type(error).__name__}: {error} (line {where.lineno} of {where.name})"
        tell("problem", f"the judge failed: {what}"[:2000])
    tell("done", None)


class _NoWalls:
    """The student's program in a thread of the judge's own process."""

    shell: Any = None

    def start(self) -> wire.Channel:
        from autograder.sealed import student

        _NoWalls.shell = _NoWalls.shell or student.load()
        ours, theirs = socket.socketpair()
        program = (wire.Channel(theirs), _NoWalls.shell)
        threading.Thread(target=student.serve, args=program, daemon=True).start()
        return wire.Channel(ours)

    def stop(self, lost: bool = False) -> str:
        return ""


def _limit_memory(limits: Limits) -> None:
    """What a student returns must not take the machine's memory by way of the judge."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        most = 2 * limits.memory + (1 << 30)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
