"""Only plain data crosses, whole and unchanged; whatever else comes in is refused by name."""

import json
import math
import socket
import struct
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.sealed import wire

FAST = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
numbers = st.integers(-(2**200), 2**200) | st.floats() | st.booleans() | st.complex_numbers()
texts = st.text(max_size=20)
keys = texts | st.integers() | st.none() | st.booleans() | st.tuples(texts, st.integers())
tensors = st.builds(
    lambda dtype, shape, seed: (
        torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(9).to(dtype)
    ),
    st.sampled_from([getattr(torch, name) for name in wire.TENSORS]),
    st.lists(st.integers(0, 3), max_size=4),
    st.integers(0, 9),
)
arrays = st.builds(
    lambda dtype, shape: np.arange(math.prod(shape)).reshape(shape).astype(dtype),
    st.sampled_from(wire.ARRAYS),
    st.lists(st.integers(0, 3), max_size=4),
)
leaves = (
    numbers | texts | st.none() | st.binary(max_size=20) | tensors | arrays
    | st.sampled_from([..., torch.float16, torch.Size([2, 3]), slice(1, None), range(3)])
)  # fmt: skip
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.sets(keys, max_size=4)
    ),
    max_leaves=12,
)


def alike(one: Any, other: Any) -> bool:
    """Equal to the last bit, in kind and in value."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        same = one.dtype == other.dtype and one.shape == other.shape
        return (same and one.stride() == other.stride()) or (same and alike_bits(one, other))
    if isinstance(one, np.ndarray):
        return (
            one.dtype == other.dtype
            and one.shape == other.shape
            and one.tobytes() == other.tobytes()
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[k], other[k]) for k in one)
    if isinstance(one, float):
        return struct.pack("d", one) == struct.pack("d", other) or (one != one and other != other)
    if isinstance(one, complex):
        return alike(one.real, other.real) and alike(one.imag, other.imag)
    return bool(one == other)


def alike_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    return (
        wire.encode(one.contiguous())[-one.nbytes :]
        == wire.encode(other.contiguous())[-one.nbytes :]
    )


@FAST
@given(values)
def test_plain_data_comes_back_as_it_was(value: Any) -> None:
    assert alike(wire.decode(wire.encode(value)), value)


@FAST
@given(values, st.data())
def test_a_damaged_frame_is_refused_or_is_data(value: Any, data: st.DataObject) -> None:
    """Whatever bytes are changed, there is a value or a WireError; nothing else, and soon."""
    body = bytearray(wire.encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    refused_or_data(bytes(body[: data.draw(st.integers(0, len(body)))]))
    refused_or_data(bytes(body))


@FAST
@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    refused_or_data(noise)


nodes = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**30) | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["k", "v", "b", "d", "s", "p", "i", "n"]), inner, max_size=5
        )
        | st.fixed_dictionaries(
            {
                "k": st.sampled_from(
                    [*wire._MAKE, "tensor", "array", "scalar", "again", "bytes", "handle"]
                )
            },
            optional={
                "v": inner,
                "b": st.integers(-1, 2),
                "i": st.integers(-1, 2),
                "d": st.sampled_from([*wire.TENSORS, *wire.ARRAYS, "object", "O", "U1"]),
                "s": st.lists(st.integers(-1, 5), max_size=3),
                "p": st.lists(st.integers(-1, 3), max_size=3),
            },
        )
    ),
    max_leaves=20,
)


@FAST
@given(nodes, st.lists(st.binary(max_size=40), max_size=3))
def test_every_tree_is_refused_or_is_data(tree: Any, buffers: list[bytes]) -> None:
    refused_or_data(frame(tree, buffers))


def frame(tree: Any, buffers: list[bytes] = []) -> bytes:  # noqa: B006
    text, sizes = json.dumps(tree).encode(), json.dumps([len(b) for b in buffers]).encode()
    return struct.pack("<II", len(sizes), len(text)) + sizes + text + b"".join(buffers)


def refused_or_data(body: bytes) -> None:
    try:
        value = wire.decode(body)
    except wire.WireError:
        return
    assert plain(value), value


def plain(value: Any) -> bool:
    if type(value) in (list, tuple, set, frozenset):
        return all(map(plain, value))
    if type(value) is dict:
        return all(plain(k) and plain(v) for k, v in value.items())
    if isinstance(value, np.ndarray | np.generic):
        return str(value.dtype) in wire.ARRAYS
    kinds = (int, float, complex, str, bytes, bool, type(None), type(...), range, slice)
    kinds += (torch.Tensor, torch.dtype, torch.Size, torch.device)
    return type(value) in kinds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff" * 8,
        frame([[[None]] * 3] * 2)[:-1],
        frame({"k": "tensor", "d": "float32", "s": [1 << 39], "b": 0}, [b"1234"]),
        frame({"k": "tensor", "d": "float32", "s": [0, 1 << 60], "b": 0}, [b""]),
        frame({"k": "tensor", "d": "float32", "s": [-1], "b": 0}, [b"1234"]),
        frame({"k": "tensor", "d": "float32", "s": [1], "b": True}, [b"1234"]),
        frame({"k": "tensor", "d": "float32", "s": [1], "b": 0, "p": [1]}, [b"1234"]),
        frame({"k": "array", "d": "object", "s": [1], "b": 0}, [b"12345678"]),
        frame({"k": "again", "i": 0}),
        frame({"k": "int", "v": "0x" + "f" * 10_000}),
        frame({"k": "dict", "v": [[{"k": "list", "v": []}, 1]]}),
        frame({"k": "set", "v": [0] * (wire.MAX_KEYS + 1)}),
        frame({"k": "handle", "v": 1}),
        frame({"k": "float", "v": "1e5"}),
        frame({"k": ["int"]}),
        struct.pack("<II", 2, 3) + b"[]NaN",
        struct.pack("<II", 2, 200_000) + b"[]" + b"[" * 200_000,
        struct.pack("<II", 2, 5000) + b"[]" + b"9" * 5000,
    ],
)
def test_what_is_malformed_is_refused(body: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.decode(body)


def test_depth_nodes_and_keys_have_limits() -> None:
    deep: Any = 1
    for _ in range(wire.MAX_DEPTH + 1):
        deep = [deep]
    for value in (deep, [0] * (wire.MAX_NODES + 1), "x" * (wire.MAX_TEXT + 1), 1 << (1 << 15)):
        with pytest.raises(wire.Unsendable):
            wire.encode(value)
    deep_node: Any = 1
    for _ in range(wire.MAX_DEPTH + 1):
        deep_node = {"k": "list", "v": [deep_node]}
    with pytest.raises(wire.WireError, match="deep"):
        wire.decode(frame(deep_node))
    with pytest.raises(wire.WireError, match="parts"):
        wire.decode(frame({"k": "list", "v": [0] * wire.MAX_NODES}))


def test_keys_made_to_collide_are_soon_refused() -> None:
    modulus = 2**61 - 1
    pairs = [[{"k": "int", "v": hex(i * modulus)}, 0] for i in range(50_000)]
    began = time.monotonic()
    with pytest.raises(wire.WireError, match="collide"):
        wire.decode(frame({"k": "dict", "v": pairs}))
    assert time.monotonic() - began < 10


def test_a_bool_is_0_or_1_whatever_its_byte() -> None:
    for kind in ("tensor", "array"):
        value = wire.decode(frame({"k": kind, "d": "bool", "s": [3], "b": 0}, [b"\x00\x02\xff"]))
        assert value.tolist() == [False, True, True]
        assert int(value.sum()) == 2


def test_a_tensor_that_occurs_twice_is_one() -> None:
    weight = torch.randn(3)
    one, other, third = wire.decode(wire.encode([weight, weight, weight.clone()]))
    assert one is other
    assert third is not one


def test_a_transposed_tensor_stays_transposed() -> None:
    found = wire.decode(wire.encode(torch.randn(3, 4, 5).permute(2, 0, 1)))
    assert found.stride() == torch.randn(3, 4, 5).permute(2, 0, 1).stride()


def test_single_elements_cross_whatever_their_stride() -> None:
    for dtype in (torch.float64, torch.bfloat16, torch.bool, torch.int64):
        column = torch.ones(4, 2, dtype=dtype)[:1, 1]
        expanded = torch.ones(1, dtype=dtype).expand(3)[:1]
        for tensor in (column, expanded, torch.ones(0, 3, dtype=dtype)):
            assert torch.equal(wire.decode(wire.encode(tensor)), tensor)


def test_objects_do_not_cross_by_themselves() -> None:
    for value in (object(), print, torch.nn.Linear(1, 1), [1, object()], {"a": len}):
        with pytest.raises(wire.Unsendable):
            wire.encode(value)


def test_a_subclass_is_data_without_its_code() -> None:
    class Liar(torch.Tensor):
        @classmethod
        def __torch_function__(cls, *_: Any, **__: Any) -> Any:
            raise AssertionError("its code ran")

    found = wire.decode(wire.encode(torch.ones(2).as_subclass(Liar)))
    assert type(found) is torch.Tensor
    assert found.tolist() == [1.0, 1.0]


def test_a_channel_carries_frames_and_knows_silence() -> None:
    one, other = (wire.Channel(s) for s in socket.socketpair())
    assert other.silent()
    threading.Thread(target=one.send, args=(b"x" * 3_000_000,)).start()
    assert other.receive(10.0) == b"x" * 3_000_000
    one.send(b"y")
    assert not other.silent()
    assert other.receive(1.0) == b"y"
    with pytest.raises(TimeoutError):
        other.receive(0.05)
    one.connection.sendall(struct.pack("<Q", 1 << 40))
    with pytest.raises(wire.WireError, match="too large"):
        other.receive(1.0)
    one.connection.sendall(struct.pack("<Q", 10) + b"cut")
    one.close()
    with pytest.raises(EOFError):
        other.receive(1.0)
    other.close()


def test_a_drip_of_bytes_is_no_answer_in_time() -> None:
    one, other = (wire.Channel(s) for s in socket.socketpair())
    over = threading.Event()

    def drip() -> None:
        one.connection.sendall(struct.pack("<Q", 1000))
        while not over.wait(0.05):
            one.connection.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(TimeoutError):
        other.receive(0.4)
    over.set()
    thread.join()
    one.close()
    other.close()
