"""The program in the student's process: it runs the student's cells and answers requests.

The judge trusts nothing that comes from here. Once a cell of the student's has run, every byte of
this process may be the student's, this program included; what it does for the judge (telling which
arguments changed, what was drawn) it does for honest students.
"""

import builtins
import contextlib
import importlib
import io
import os
import random
import sys
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from autograder import forbidden
from autograder.sealed import wire

TEXT = 100_000  # characters of one output
IMAGE = 2 << 20  # bytes
OUTPUTS = 50


# Libraries load much at first use (an optimizer, a gradient, a figure): more than a second's worth.
REHEARSAL = """
import numpy.random, torch, torch.func
import matplotlib.pyplot as plt
from torch import nn
net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
optimizer = torch.optim.AdamW(net.parameters())
out = net(torch.rand(2, 1, 4, 4))
torch.autograd.backward([out], [torch.ones_like(out)])
optimizer.step()
torch.linalg.svd(torch.eye(2))
plt.plot([1, 2])
plt.show()
"""


def load() -> Any:
    """Import what every notebook needs, once, before there is any student; the IPython shell."""
    os.environ.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    filters = list(warnings.filters)
    warnings.simplefilter("ignore")
    import matplotlib.pyplot
    import torch
    import torch.autograd.gradcheck
    import torch.utils.data
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    import autograder.datasets
    import autograder.expect  # noqa: F401

    torch.set_num_threads(1)
    forbidden.built_ins()
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"

    class Shell(InteractiveShell):
        def enable_gui(self, gui: str | None = None) -> None:
            """There is no window to open: %matplotlib is heard and done."""

    shell = Shell.instance(config=config)
    hook = shell.displayhook  # a cell's last value is an output, not a line of text
    hook.write_output_prompt = lambda: None
    hook.write_format_data = lambda data, about=None: shell.display_pub.publish(data, about)
    with contextlib.redirect_stdout(io.StringIO()):
        shell.run_cell(REHEARSAL, store_history=False)
    shell.reset(new_session=False)
    matplotlib.pyplot.close("all")
    warnings.filters[:] = filters  # type: ignore[index]
    return shell


def serve(channel: wire.Channel, shell: Any) -> None:
    """Answer requests until the judge hangs up."""
    program = Program(shell)
    while True:
        try:
            body = channel.receive()
        except (EOFError, OSError):
            return
        request = wire.decode(body, program.node, program.tensor)
        nonce = request.pop("n")
        try:
            reply = {"ok": True} | program.answer(**request)
            channel.send(program.encode(reply | {"n": nonce}))
        except BaseException as error:
            channel.send(wire.encode(_failure(error) | {"n": nonce}))
        program.forget()


class Program:
    """The student's names, the objects that stay here, and the graphs that gradients walk back."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.names: dict[str, Any] = shell.user_ns
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}
        self.tapes: dict[int, tuple[list[Any], list[Any]]] = {}
        self.tape = 0
        self.inputs: list[Any] = []
        self.outs: list[Any] = []
        self.forbidding = forbidden.Forbidding(())

    def answer(self, op: str, drop: list[int] | None = None, **request: Any) -> dict[str, Any]:
        for tape in drop or ():
            self.tapes.pop(tape, None)
        # Cells may compare with what is forbidden; what the judge asks for has to do without.
        self.forbidding.turn(op != "cell")
        done: dict[str, Any] = getattr(self, f"do_{op}")(**request)
        return done

    def forget(self) -> None:
        self.inputs, self.outs = [], []

    # What can be asked for.

    def do_begin(self, files: dict[str, bytes], forbid_: list[str], seed: int) -> dict[str, Any]:
        for name, data in files.items():
            with contextlib.suppress(OSError, ValueError):
                path = Path(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        _seed(seed)
        self.forbidding = forbidden.Forbidding(forbid_)
        return {"v": None}

    def do_cell(self, source: str, seed: int | None) -> dict[str, Any]:
        from IPython.utils.capture import capture_output

        if seed is not None:
            _seed(seed)

        out, err = _Cut(), _Cut()
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            capture_output(stdout=False, stderr=False) as shown,
        ):
            self.shell.showtraceback = lambda *_, **__: None
            self.shell.showsyntaxerror = lambda *_, **__: None
            result = self.shell.run_cell(source, store_history=False)
        outputs: list[Any] = [["stdout", out.getvalue()], ["stderr", err.getvalue()]]
        for item in shown.outputs[:OUTPUTS]:
            data = getattr(item, "data", None) or {}
            if (image := data.get("image/png")) and len(image) <= IMAGE:
                outputs.append(["png", image if isinstance(image, bytes) else str(image).encode()])
            elif "text/plain" in data:
                outputs.append(["text", str(data["text/plain"])[:TEXT]])
        error = result.error_before_exec or result.error_in_exec
        return {"v": outputs, "error": _failure(error) if error else None}

    def do_names(self, names: list[str]) -> dict[str, Any]:
        return {"v": {n: self._sendable(self.names[n]) for n in names if n in self.names}}

    def do_call(
        self, target: Any, args: list[Any], kwargs: dict[str, Any], dice: Any, grad: bool
    ) -> dict[str, Any]:
        import torch

        self.inputs = parts([args, kwargs])
        before = [_copy(part) for part in self.inputs]
        leaves = [
            part for part in self.inputs if isinstance(part, torch.Tensor) and part.requires_grad
        ]
        bases = [getattr(leaf, "_base_of_judge", leaf) for leaf in leaves]
        if dice is not None:
            wire.unpack_random(dice)
        dice = wire.pack_random()
        with torch.set_grad_enabled(grad):
            value = target(*args, **kwargs)
        drew = not wire.same_random(dice, wire.pack_random())
        changed = {
            i: None if _is_generator(part) else part
            for i, (part, old) in enumerate(zip(self.inputs, before, strict=True))
            if not _same(part, old)
        }
        reply: dict[str, Any] = {"v": value, "changed": changed, "drew": drew}
        self.outs = [
            part
            for part in parts(value)
            if isinstance(part, torch.Tensor) and part.requires_grad and not part.is_leaf
        ]
        if self.outs and bases:
            reply["tape"] = self._keep(self.outs, bases)
        elif self.outs:
            reply["tape"] = self._keep(self.outs, [])
        return reply

    def do_probe(self, source: str, name: str, **call: Any) -> dict[str, Any]:
        names = dict(self.names)
        exec(compile(source, "<probe>", "exec"), names)
        return self.do_call(names[name], **call)

    def do_backward(self, tape: int, grads: list[Any], again: bool) -> dict[str, Any]:
        import torch

        outs, bases = self.tapes[tape]
        given = [
            torch.zeros_like(out) if grad is None else grad
            for out, grad in zip(outs, grads, strict=True)
        ]
        if again:  # the gradient is differentiated in its turn
            for grad in given:
                grad.requires_grad_()
            found = torch.autograd.grad(
                outs, bases, given, create_graph=True, allow_unused=True, retain_graph=True
            )
            self.outs = [g for g in found if g is not None and g.requires_grad and not g.is_leaf]
            reply: dict[str, Any] = {"v": list(found)}
            if self.outs:
                reply["tape"] = self._keep(self.outs, [*given, *bases])
            return reply
        for base in bases:
            base.grad = None
        torch.autograd.backward(outs, given, retain_graph=True)
        return {"v": [base.grad for base in bases]}

    def do_attribute(self, target: Any, name: str) -> dict[str, Any]:
        return {"v": self._sendable(getattr(target, name))}

    def do_set_attribute(self, target: Any, name: str, value: Any) -> dict[str, Any]:
        setattr(target, name, value)
        return {"v": None}

    def do_item(self, target: Any, key: Any) -> dict[str, Any]:
        return {"v": self._sendable(target[key])}

    def do_set_item(self, target: Any, key: Any, value: Any) -> dict[str, Any]:
        target[key] = value
        return {"v": None}

    def do_contains(self, target: Any, value: Any) -> dict[str, Any]:
        return {"v": value in target}

    def do_length(self, target: Any) -> dict[str, Any]:
        return {"v": len(target)}

    def do_members(self, target: Any) -> dict[str, Any]:
        found = []
        for member in target:
            found.append(member)
            if len(found) > wire.MAX_NODES:
                raise wire.Unsendable("an iteration without an end")
        return {"v": found}

    # How values travel.

    def encode(self, value: Any) -> bytes:
        return wire.encode(value, self._object_node, self._tensor_facts)

    def node(self, found: dict[str, Any], enter: wire.Decode) -> Any:
        """What the judge sends that is no plain data: handles of ours, functions of libraries."""
        kind, value = found["k"], found["v"]
        if kind == "handle":
            return self.objects[value]
        if kind == "library":
            target: Any = importlib.import_module(value[0])
            for part in value[1].split("."):
                target = getattr(target, part)
            return target
        if kind == "torch_generator":
            import torch

            generator = torch.Generator()
            generator.set_state(enter(value))
            return generator
        if kind == "numpy_generator":
            bits = np.random.PCG64()
            bits.state = enter(value)
            return np.random.Generator(bits)
        raise wire.WireError(kind)

    def tensor(self, tensor: Any, found: dict[str, Any], enter: wire.Decode) -> Any:
        if found.get("parameter"):
            import torch

            tensor = torch.nn.Parameter(tensor, requires_grad=bool(found.get("grad")))
        elif found.get("grad"):
            tensor.requires_grad_()
        if "grad_value" in found:
            tensor.grad = enter(found["grad_value"])
        if found.get("grad") and not found.get("leaf"):
            # In the judge it is the result of an operation: changing it in place is allowed.
            base, tensor = tensor, tensor.clone()
            tensor._base_of_judge = base
        return tensor

    def _tensor_facts(self, tensor: Any, enter: wire.Encode) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for i, part in enumerate(self.inputs):
            if part is tensor:
                found["arg"] = i
        for i, part in enumerate(self.outs):
            if part is tensor:
                found["out"] = i
        if tensor.requires_grad:
            found["grad"] = True
            if tensor.is_leaf and tensor.grad is not None:
                found["grad_value"] = enter(tensor.grad)
        return found

    def _object_node(self, value: Any, enter: wire.Encode) -> Any:
        figure = sys.modules.get("matplotlib.figure")
        if figure and isinstance(value, figure.Figure):
            from autograder.expect import describe_figure

            return enter(describe_figure(value))
        number = self.numbers.setdefault(id(value), len(self.objects) + 1)
        self.objects[number] = value
        return {
            "k": "handle",
            "v": number,
            "types": [f"{c.__module__}.{c.__qualname__}"[:200] for c in type(value).__mro__][:30],
            "name": str(getattr(value, "__name__", type(value).__name__))[:100],
            "callable": callable(value),
        }

    def _sendable(self, value: Any) -> Any:
        """The value, or a handle for what is too large to cross."""
        try:
            wire.encode(value, lambda *_: None)
        except wire.Unsendable:
            return _Handle(value)
        return value

    def _keep(self, outs: list[Any], bases: list[Any]) -> int:
        self.tape += 1
        self.tapes[self.tape] = outs, bases
        return self.tape


def _seed(seed: int) -> None:
    import torch

    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)


class _Handle:
    """A value that stays here although it is plain data."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._value, name)

    def __len__(self) -> int:
        return len(self._value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._value)

    def __getitem__(self, key: Any) -> Any:
        return self._value[key]


class _Cut(io.StringIO):
    """A text that does not grow for ever."""

    def write(self, text: str) -> int:
        room = TEXT - self.tell()
        if room > 0:
            super().write(text[:room])
        return len(text)


def parts(value: Any) -> list[Any]:
    """The tensors, arrays, generators, lists and dicts in a value, in an order that both sides
    share; those that may be changed in place."""
    found: list[Any] = []
    seen: set[int] = set()

    def walk(value: Any) -> None:
        if wire._is_tensor(value) or isinstance(value, np.ndarray) or _is_generator(value):
            if id(value) not in seen:
                seen.add(id(value))
                found.append(value)
        elif type(value) in (list, dict):
            found.append(value)
            for item in value.values() if type(value) is dict else value:
                walk(item)
        elif type(value) is tuple:
            for item in value:
                walk(item)

    walk(value)
    return found


def _is_generator(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return isinstance(value, np.random.Generator) or (
        torch is not None and isinstance(value, torch._C.Generator)
    )


def generator_state(value: Any) -> Any:
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    return value.get_state()


def _copy(part: Any) -> Any:
    if _is_generator(part):
        return generator_state(part)
    if type(part) in (list, dict):
        return part.copy()
    if isinstance(part, np.ndarray):
        return part.copy()
    return part.detach().clone()


def _same(part: Any, old: Any) -> bool:
    """Whether a part is what it was when `_copy` looked at it."""
    if _is_generator(part):
        state = generator_state(part)
        return bool(state == old if isinstance(state, dict) else state.equal(old))
    if type(part) is list:
        return len(part) == len(old) and all(a is b for a, b in zip(part, old, strict=True))
    if type(part) is dict:
        return list(part) == list(old) and all(part[key] is old[key] for key in part)
    if isinstance(part, np.ndarray):
        return bool(part.shape == old.shape and part.tobytes() == old.tobytes())
    now = part.detach()
    if now.shape != old.shape or now.dtype != old.dtype:
        return False
    if now.is_complex():
        import torch

        now, old = torch.view_as_real(now), torch.view_as_real(old)
    return bool(((now == old) | ((now != now) & (old != old))).all())


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, wire.Unsendable):
        error = ValueError(f"the result cannot be handed in: {error}")
    try:
        text = str(error)[:2000]
    except Exception:
        text = ""
    kinds = [c.__name__ for c in type(error).__mro__ if vars(builtins).get(c.__name__) is c]
    return {
        "ok": False,
        "type": type(error).__name__[:100],
        "kinds": kinds,
        "text": text,
        "name": error.name if isinstance(error, NameError) and isinstance(error.name, str) else "",
        "trace": _trace(error),
    }


def _trace(error: BaseException) -> str:
    """The lines of the student's own cells on the way to an error."""
    if isinstance(error, SyntaxError):
        return "".join(traceback.format_exception_only(error))[-2000:]
    lines = []
    for frame in traceback.extract_tb(error.__traceback__)[-20:]:
        if "ipykernel" in frame.filename or frame.filename.startswith("<ipython"):
            lines.append(f"line {frame.lineno}: {frame.line}")
    return "\n".join(lines)[-2000:]
