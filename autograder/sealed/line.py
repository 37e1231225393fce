"""The line to the student's process: a question, its answer, a new process when it is gone."""

import os
import sys
import time
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from autograder.results import explain
from autograder.sealed import copies, gradients, shown, wire
from autograder.sealed.job import Gone, Job, NeedsProbe, Slow, Walls
from autograder.sealed.shadows import Shadow, Shadows
from autograder.sealed.standins import Of, StandIn, holds_objects, make, settled
from autograder.sealed.student import parts

LIBRARIES = ("torch", "numpy", "math", "builtins", "operator")


class Line:
    """The connection to the student's process: starts it anew when it is gone."""

    shadows: Shadows

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
        self.reported: set[str] = set()
        self.room = shown.ROOM  # bytes for what cells show

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
            except Slow:
                raise
            except Gone:
                if self.starts != starts or not self.past:
                    raise
                self.ready()  # what killed the process may have been done before
                reply = self.ask("cell", 0, source=source, seed=seed)
        except Gone as gone:
            self.on_problem(str(gone))
            return [shown.error_output("Stopped", str(gone), "")], gone
        except Exception as failed:
            return [shown.error_output(type(failed).__name__, str(failed), "")], failed
        self.past.append((source, seed))
        failure = reply.get("error")
        outputs = shown.outputs_of(reply.get("v"), self.room)
        self.room = max(0, self.room - shown.size_of(outputs))
        if not isinstance(failure, dict):
            return outputs, None
        error = shown.raised(failure)
        kind, trace = str(failure.get("type"))[:100], str(failure.get("trace"))[:2000]
        return [
            *outputs,
            shown.error_output(kind, shown.clean(str(failure.get("text"))), trace),
        ], error

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
            raise Slow(explain(TimeoutError())) from None
        except (EOFError, OSError):
            why = self._stop(lost=True) or "it ended itself"
            raise Gone(f"The process with the code was gone: {why}.") from None
        except wire.WireError as error:
            self._stop()
            raise Gone(f"The answer was no answer: {error}.") from None
        finally:
            self.left -= time.monotonic() - began
        if reply.get("ok") is not True:
            failure = shown.raised(reply)
            if reply.get("type") == "Forbidden" and self.job.forbid:
                self._report(f"the code called what is forbidden: {failure}")
            raise failure
        return reply

    def _report(self, problem: str) -> None:
        """Tell of a problem, once."""
        if problem not in self.reported:
            self.reported.add(problem)
            self.on_problem(problem)

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
            name: settled(found[name], reference.named(name), name)
            for name in names
            if name in found
        }

    def call(
        self,
        op: str,
        what: dict[str, Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        shadow: Shadow | None,
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
        except Slow:
            self.hung.add(name)
            raise
        finally:
            self.args = []
            self.after = dice
        value = reply.get("v")
        if op == "probe" and holds_objects(value):
            raise TypeError("the answer holds an object where a value belongs")
        changed, drew = reply.get("changed"), reply.get("drew") is True
        changed = changed if type(changed) is dict else {}
        result = None
        if shadow and (changed or drew or shadow.lasting or holds_objects(value)):
            result = shadow.called(positional, named, dice)
        if (changed or drew) and result:
            result.force()
            if result.random and drew:
                wire.unpack_random(result.random)
                self.after = None
        if changed:
            self.odd |= copies.write_back(inputs, changed, result, self.write_back)
        value = gradients.joined(self, value, reply.get("tape"), leaves, inputs)
        return settled(value, result, name)

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
            of = Of(self, self.life, number, known, name[:100], found.get("callable") is True)
            self.handles[number] = make(of)
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
