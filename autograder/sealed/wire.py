"""Bytes <-> plain data. Nothing is ever unpickled, and the decoder believes nothing.

A frame is a length and a body; the body is a tree in JSON and the buffers of its tensors. Numbers,
strings, containers, tensors and arrays cross by value; everything else is left to the caller's
hooks, `on_object` when encoding and `on_node` when decoding. A tensor that occurs twice in a
message is one tensor on the other side, too.
"""

import json
import math
import random
import socket
import struct
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

MAX_FRAME = 64 << 20  # bytes
MAX_TREE = 8 << 20  # bytes of JSON
MAX_NODES = 200_000
MAX_DEPTH = 32
MAX_KEYS = 100_000  # of one set or dict
MAX_ALIKE = 100  # of them with the same hash
MAX_TEXT = 1 << 20  # characters
MAX_BITS = 1 << 14  # of one integer; 2 ** 14 bits are 4,933 digits

TENSORS = (
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
    "bool", "complex64", "complex128",
)  # fmt: skip
ARRAYS = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32",
    "uint16", "uint8", "bool", "complex64", "complex128",
)  # fmt: skip
ITEMSIZE = {name: np.dtype(name).itemsize for name in ARRAYS} | {"bfloat16": 2}

Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]
_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<Q")


class WireError(Exception):
    """The other side sent something that is not a message."""


class Unsendable(Exception):
    """A value of ours is no plain data, or too much of it."""


def encode(
    value: Any,
    on_object: Callable[[Any, Encode], Any] | None = None,
    on_tensor: Callable[[Any, Encode], dict[str, Any]] | None = None,
) -> bytes:
    """The body of a frame. `on_object` gives the node of a value that is no plain data."""
    buffers: list[bytes] = []
    kept: list[Any] = []  # so that no id is used twice
    seen: dict[int, int] = {}
    nodes = depth = 0

    def buffer(data: bytes) -> int:
        buffers.append(data)
        return len(buffers) - 1

    def enter(value: Any) -> Any:
        nonlocal nodes, depth
        nodes, depth = nodes + 1, depth + 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise Unsendable("the value has too many parts, or is nested too deeply")
        try:
            return node(value)
        finally:
            depth -= 1

    def node(value: Any) -> Any:
        if value is None or value is True or value is False:
            return value
        plain = _PLAIN.get(type(value))
        if plain:
            return plain(value, enter, buffer)
        if id(value) in seen:
            return {"k": "again", "i": seen[id(value)]}
        if _is_tensor(value):
            found = _tensor_node(value, buffer)
            kept.append(value)
            seen[id(value)] = len(seen)
            return found | (on_tensor(value, enter) if on_tensor else {})
        if isinstance(value, np.generic) and str(value.dtype) in ARRAYS:
            return _array_node(np.asarray(value), buffer) | {"k": "scalar"}
        if isinstance(value, np.ndarray) and str(value.dtype) in ARRAYS:
            kept.append(value)
            seen[id(value)] = len(seen)
            return _array_node(value, buffer)
        if torch := sys.modules.get("torch"):
            if isinstance(value, torch.dtype):
                return {"k": "dtype", "v": str(value).removeprefix("torch.")}
            if isinstance(value, torch.device):
                return {"k": "device"}
            if isinstance(value, torch.Size):
                return {"k": "size", "v": [int(n) for n in value]}
        if on_object is None:
            raise Unsendable(f"{type(value).__name__!r} is no plain data")
        return on_object(value, enter)

    tree = json.dumps(enter(value), allow_nan=False, separators=(",", ":")).encode()
    sizes = json.dumps([len(b) for b in buffers]).encode()
    body = b"".join([_HEAD.pack(len(sizes), len(tree)), sizes, tree, *buffers])
    if len(body) > MAX_FRAME or len(tree) > MAX_TREE:
        raise Unsendable(f"the value takes {len(body) >> 20} MB")
    return body


def decode(
    body: bytes,
    on_node: Callable[[dict[str, Any], Decode], Any] | None = None,
    on_tensor: Callable[[Any, dict[str, Any], Decode], Any] | None = None,
) -> Any:
    """The value in the body of a frame; WireError if it is anything but well formed."""
    tree, buffers = _split(body)
    arrays: list[Any] = []
    nodes = depth = 0

    def buffer(index: Any) -> memoryview:
        if type(index) is not int or not 0 <= index < len(buffers):
            raise WireError("no such buffer")
        return buffers[index]

    def enter(found: Any) -> Any:
        nonlocal nodes, depth
        nodes, depth = nodes + 1, depth + 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise WireError("too many parts, or nested too deeply")
        try:
            return value(found)
        finally:
            depth -= 1

    def value(found: Any) -> Any:
        if found is None or isinstance(found, bool | int | float | str):
            return found
        if type(found) is not dict or type(kind := found.get("k")) is not str:
            raise WireError("a node without a kind")
        if kind in ("tensor", "array", "scalar"):
            array = _array(found, kind, buffer(found.get("b")))
            if kind == "scalar":
                return array
            arrays.append(array)
            if kind == "tensor" and on_tensor:
                array = arrays[-1] = on_tensor(array, found, enter)
            return array
        if kind == "again":
            if type(i := found.get("i")) is not int or not 0 <= i < len(arrays):
                raise WireError("no such tensor")
            return arrays[i]
        if kind == "bytes":
            return bytes(buffer(found.get("b")))
        if kind in _MAKE:
            return _MAKE[kind](found.get("v"), enter)
        if on_node is not None:
            return on_node(found, enter)
        raise WireError(f"the unknown kind {kind[:20]!r}")

    try:
        return enter(tree)
    except WireError:
        raise
    except Exception as error:  # unhashable keys, impossible shapes, what a hook refuses
        raise WireError(f"undecodable: {type(error).__name__}") from None


class Channel:
    """Frames over a socket, each whole within a time limit."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, body: bytes, seconds: float | None = None) -> None:
        self.connection.settimeout(seconds)
        self.connection.sendall(_LENGTH.pack(len(body)) + body)

    def receive(self, seconds: float | None = None, limit: int = MAX_FRAME) -> bytes:
        """The next frame. EOFError if the other side is gone, TimeoutError if it is slow."""
        end = None if seconds is None else time.monotonic() + seconds
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, end))
        if length > limit:
            raise WireError("a frame that is too large")
        return self._exactly(length, end)

    def silent(self) -> bool:
        """Whether nothing is waiting to be read: nobody may answer before being asked."""
        self.connection.settimeout(0)
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, OSError):
            return True

    def close(self) -> None:
        self.connection.close()

    def _exactly(self, count: int, end: float | None) -> bytes:
        found = bytearray()
        while len(found) < count:
            if end is not None and end <= time.monotonic():
                raise TimeoutError
            self.connection.settimeout(None if end is None else max(end - time.monotonic(), 0.001))
            part = self.connection.recv(min(1 << 20, count - len(found)))
            if not part:
                raise EOFError
            found += part
        return bytes(found)


def _split(body: bytes) -> tuple[Any, list[memoryview]]:
    if len(body) < _HEAD.size:
        raise WireError("a short frame")
    head, text = _HEAD.unpack_from(body)
    start = _HEAD.size + head + text
    if start > len(body) or max(head, text) > MAX_TREE:
        raise WireError("lengths that do not add up")
    try:
        sizes = json.loads(body[_HEAD.size : _HEAD.size + head])
        tree = json.loads(body[_HEAD.size + head : start], parse_int=_int, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {type(error).__name__}") from None
    if type(sizes) is not list or not all(type(n) is int and n >= 0 for n in sizes):
        raise WireError("buffers of no size")
    if start + sum(sizes) != len(body):
        raise WireError("lengths that do not add up")
    view, buffers = memoryview(body), []
    for size in sizes:
        buffers.append(view[start : start + size])
        start += size
    return tree, buffers


def _int(digits: str) -> int:
    if len(digits) > 24:
        raise WireError("a long integer")
    return int(digits)


def _refuse(word: str) -> Any:
    raise WireError(f"the bare constant {word}")


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _tensor_node(tensor: Any, buffer: Callable[[bytes], int]) -> dict[str, Any]:
    import torch

    with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():  # no code of a subclass
        plain = torch.Tensor.detach(tensor)
        dtype = str(plain.dtype).removeprefix("torch.")
        if plain.layout != torch.strided or dtype not in TENSORS or plain.device.type != "cpu":
            raise Unsendable(f"a tensor of layout {plain.layout}, {dtype}, on {plain.device}")
        if type(plain) is not torch.Tensor:
            plain = plain.as_subclass(torch.Tensor)
        plain = plain.resolve_conj().resolve_neg()
        found: dict[str, Any] = {"k": "tensor", "d": dtype, "s": list(plain.shape)}
        if not plain.is_contiguous():
            # A transposed tensor crosses as such: `view` must fail on it there as it does here.
            order = sorted(range(plain.dim()), key=plain.stride, reverse=True)
            if plain.permute(order).is_contiguous():
                plain = plain.permute(order)
                found["p"] = order
            else:
                plain = plain.contiguous()
        flat = plain.reshape(-1)
        # NumPy has no bfloat16, but copes with a single element of any stride, as a view does not.
        data = (flat.view(torch.int16) if dtype == "bfloat16" else flat).numpy().tobytes()
    return found | {"b": buffer(data)}


def _array_node(array: Any, buffer: Callable[[bytes], int]) -> dict[str, Any]:
    data = np.ascontiguousarray(array).tobytes()
    return {"k": "array", "d": str(array.dtype), "s": list(array.shape), "b": buffer(data)}


def _array(node: dict[str, Any], kind: str, data: memoryview) -> Any:
    dtype, shape, order = node.get("d"), node.get("s"), node.get("p")
    if type(dtype) is not str or dtype not in (TENSORS if kind == "tensor" else ARRAYS):
        raise WireError("an unknown dtype")
    if type(shape) is not list or len(shape) > 32:
        raise WireError("no shape")
    if not all(type(n) is int and 0 <= n < 1 << 40 for n in shape):
        raise WireError("no shape")
    if math.prod(shape) * ITEMSIZE[dtype] != len(data):
        raise WireError("a shape that does not fit its buffer")
    if order is not None:
        if type(order) is not list or sorted(order) != list(range(len(shape))):
            raise WireError("no order of dimensions")
        shape = [shape[i] for i in order]
    # A bool is 0 or 1: other bytes would make `x == True` and `x` different things.
    stored = "uint8" if dtype == "bool" else "int16" if dtype == "bfloat16" else dtype
    array = np.frombuffer(bytearray(data), dtype=stored).reshape(shape)
    if dtype == "bool":
        array = np.asarray(array != 0)
    if kind == "scalar":
        if shape:
            raise WireError("a scalar with a shape")
        return array[()]
    if kind == "array":
        return array
    import torch

    tensor = torch.from_numpy(array)
    if dtype == "bfloat16":
        tensor = tensor.view(torch.bfloat16)
    if order is not None:
        tensor = tensor.permute([order.index(i) for i in range(len(order))])
    return tensor


def _text_node(value: str, *_: Any) -> str:
    if len(value) > MAX_TEXT:
        raise Unsendable("a text of more than a million characters")
    return value.encode("utf-8", "replace").decode()  # lone surrogates are no text


def _int_node(value: int, *_: Any) -> Any:
    if abs(value) < 1 << 62:
        return value
    if value.bit_length() > MAX_BITS:
        raise Unsendable("an integer of thousands of digits")
    return {"k": "int", "v": hex(value)}


def _float_node(value: float, *_: Any) -> Any:
    return value if math.isfinite(value) else {"k": "float", "v": repr(value)}


def _items(kind: str) -> Callable[..., Any]:
    return lambda value, enter, _: {"k": kind, "v": [enter(item) for item in value]}


def _dict_node(value: dict[Any, Any], enter: Encode, _: Any) -> dict[str, Any]:
    return {"k": "dict", "v": [[enter(key), enter(item)] for key, item in value.items()]}


_PLAIN: dict[type, Callable[..., Any]] = {
    int: _int_node,
    float: _float_node,
    str: _text_node,
    complex: lambda value, enter, _: {"k": "complex", "v": [enter(value.real), enter(value.imag)]},
    bytes: lambda value, _, buffer: {"k": "bytes", "b": buffer(value)},
    list: _items("list"),
    tuple: _items("tuple"),
    set: _items("set"),
    frozenset: _items("frozenset"),
    dict: _dict_node,
    OrderedDict: _dict_node,
    range: lambda value, enter, _: {"k": "range", "v": [value.start, value.stop, value.step]},
    slice: lambda value, enter, _: {
        "k": "slice",
        "v": [enter(value.start), enter(value.stop), enter(value.step)],
    },
    type(Ellipsis): lambda *_: {"k": "ellipsis"},
}


def _listed(found: Any, length: int | None = None) -> list[Any]:
    if type(found) is not list or (length is not None and len(found) != length):
        raise WireError("no list where one belongs")
    return found


def _make_int(found: Any, _: Decode) -> int:
    if type(found) is not str or len(found) > MAX_BITS // 4 + 3:
        raise WireError("no integer")
    return int(found, 16)


def _make_float(found: Any, _: Decode) -> float:
    if found not in ("nan", "inf", "-inf"):
        raise WireError("no float")
    return float(found)


def _make_complex(found: Any, enter: Decode) -> complex:
    real, imag = (enter(part) for part in _listed(found, 2))
    if type(real) is not float or type(imag) is not float:
        raise WireError("no complex number")
    return complex(real, imag)


def _make_set(kind: type) -> Callable[[Any, Decode], Any]:
    def make(found: Any, enter: Decode) -> Any:
        if len(_listed(found)) > MAX_KEYS:
            raise WireError("a large set")
        return kind(_spread([_key(item, enter) for item in found]))

    return make


def _make_dict(found: Any, enter: Decode) -> dict[Any, Any]:
    if len(_listed(found)) > MAX_KEYS:
        raise WireError("a large dict")
    pairs = (_listed(pair, 2) for pair in found)
    members = [(_key(key, enter), enter(item)) for key, item in pairs]
    _spread([key for key, _ in members])
    return dict(members)


def _spread(keys: list[Any]) -> list[Any]:
    """The keys, unless they were made to collide: each would be compared with all others."""
    if len(keys) > MAX_ALIKE and max(Counter(map(hash, keys)).values()) > MAX_ALIKE:
        raise WireError("keys that collide")
    return keys


def _key(found: Any, enter: Decode) -> Any:
    """A hashable value whose hash runs no code of anybody's: no tensor, no handle."""
    key = enter(found)
    if not isinstance(key, str | int | float | complex | bytes | tuple | frozenset | None):
        raise WireError("an odd key")
    return key


def _make_range(found: Any, _: Decode) -> range:
    if not all(type(n) is int for n in _listed(found, 3)):
        raise WireError("no range")
    return range(*found)


def _make_slice(found: Any, enter: Decode) -> slice:
    start, stop, step = (enter(part) for part in _listed(found, 3))
    return slice(start, stop, step)


def _make_size(found: Any, _: Decode) -> Any:
    import torch

    if not all(type(n) is int and 0 <= n < 1 << 62 for n in _listed(found)):
        raise WireError("no size")
    return torch.Size(found)


def _make_dtype(found: Any, _: Decode) -> Any:
    import torch

    if type(found) is not str or found not in TENSORS:
        raise WireError("an unknown dtype")
    return getattr(torch, found)


def _make_device(*_: Any) -> Any:
    import torch

    return torch.device("cpu")


_MAKE: dict[str, Callable[[Any, Decode], Any]] = {
    "int": _make_int,
    "float": _make_float,
    "complex": _make_complex,
    "list": lambda found, enter: [enter(item) for item in _listed(found)],
    "tuple": lambda found, enter: tuple(enter(item) for item in _listed(found)),
    "set": _make_set(set),
    "frozenset": _make_set(frozenset),
    "dict": _make_dict,
    "range": _make_range,
    "slice": _make_slice,
    "ellipsis": lambda *_: ...,
    "size": _make_size,
    "dtype": _make_dtype,
    "device": _make_device,
}


def pack_random() -> list[Any]:
    """The state of the three global generators, as plain data."""
    import torch

    version, words, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return [
        torch.get_rng_state(),
        [version, np.array(words, dtype=np.uint32), gauss],
        [name, keys, int(position), int(has_gauss), float(cached)],
    ]


def unpack_random(state: list[Any]) -> None:
    import torch

    torch.set_rng_state(state[0])
    version, words, gauss = state[1]
    random.setstate((version, tuple(words.tolist()), gauss))
    np.random.set_state(tuple(state[2]))


def same_random(one: list[Any], other: list[Any]) -> bool:
    """Whether nobody drew a number between two states."""
    return (
        one[0].equal(other[0])
        and np.array_equal(one[1][1], other[1][1])
        and one[2][2:] == other[2][2:]
        and np.array_equal(one[2][1], other[2][1])
    )
