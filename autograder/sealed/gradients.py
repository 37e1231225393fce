"""Gradients across the line: a backward pass is one more question."""

import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from autograder.sealed.copies import identical
from autograder.sealed.job import Gone
from autograder.sealed.student import parts

if TYPE_CHECKING:
    from autograder.sealed.line import Line


class Ticket:
    """A graph over there; when nobody here can walk it any more, it may be dropped."""

    def __init__(self, line: "Line", tape: int) -> None:
        self.line, self.tape, self.life = line, tape, line.life
        weakref.finalize(self, line.dropped.append, tape)


class Remote(torch.autograd.Function):
    """An operation whose backward pass happens in the student's process."""

    @staticmethod
    def forward(ctx: Any, ticket: Ticket, outs: list[Any], *inputs: Any) -> Any:
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
            found = joined(line, found, reply.get("tape"), [*given, *saved[:-1]])
        return (None, None, *found, None)


def joined(
    line: "Line", value: Any, tape: Any, leaves: list[Any], inputs: Sequence[Any] = ()
) -> Any:
    """Join the tensors of a result to the graph: their gradient is asked for over there."""
    tensors = {id(p): p for p in parts(value) if isinstance(p, torch.Tensor)}
    outs = {k: p for k, p in tensors.items() if hasattr(p, "_out_of_student")}
    own = {  # an argument itself came back, and it is what it is here
        k: inputs[p._arg_of_student]
        for k, p in tensors.items()
        if hasattr(p, "_arg_of_student") and identical(inputs[p._arg_of_student], p)
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
        ticket = Ticket(line, tape)
        anchor = torch.zeros((), requires_grad=True)
        results = Remote.apply(  # type: ignore[no-untyped-call]
            ticket, [p.detach() for p in ordered], *leaves, anchor
        )
        fresh = {id(p): new for p, new in zip(ordered, results, strict=True)}

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
