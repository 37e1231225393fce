# %% exercise [markdown] items="40" stars=3 minutes=90 level="evaluate" goal="train in mixed precision, and measure what it saves and what it does not"
r"""
# 7.19 Mixed precision on the StreamRec MLP
"Half precision halves the memory and doubles the speed" is a promise about some networks on some
devices. *Mixed precision* keeps parameters, gradients and the loss in float32, and lets the matrix
products and what follows them run in 16 bits:

$$ \text{fp32 parameters} \to \text{16-bit layers} \to \text{fp32 loss } L
   \to \nabla(S L) \to \tfrac{1}{S} \to \text{clip} \to \text{fp32 step} $$

The loss scale $S$ lifts small gradients into the range of float16. bfloat16 has the range of
float32 and needs none: $S = 1$.

Write the training step, count the bytes that the graph keeps for the backward pass, and build a
harness whose times can be believed. Then find the sizes from which on 16 bits pay.

- Use `torch.amp.autocast(device_type, ...)` and `torch.amp.GradScaler(device)`. Elsewhere you will
  read `torch.cuda.amp.autocast()` and `torch.cuda.amp.GradScaler()`: these names are deprecated,
  and without a GPU they switch themselves off.
- "Half the memory" is true of the *activations* at best. Parameter, gradient and Adam's two
  moments stay in float32, 16 bytes a parameter, and 16-bit copies of the weights come on top.
- Speed is what your machine says, and many CPUs are slower in 16 bits. No time is graded here.
"""

# %%
import itertools
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import CARDINALITIES, DENSE_FEATURES, EMBEDDING_DIM, StreamRec, stream_rec

FULL = False  # True: the sweep over your own machine takes minutes, and says more
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class StreamRecMLP(nn.Module):
    """Will this viewer click? Eight embeddings and 13 numbers, then width, width/2, width/4, 1."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(n, EMBEDDING_DIM) for n in CARDINALITIES])
        sizes = [len(CARDINALITIES) * EMBEDDING_DIM + DENSE_FEATURES, width, width // 2, width // 4]
        layers = [(nn.Linear(*pair), nn.ReLU()) for pair in itertools.pairwise(sizes)]
        self.mlp = nn.Sequential(*itertools.chain(*layers), nn.Linear(sizes[-1], 1))

    def forward(self, categories: Tensor, dense: Tensor) -> Tensor:
        looked_up = [table(c) for table, c in zip(self.tables, categories.T, strict=True)]
        return self.mlp(torch.cat([*looked_up, dense], dim=1)).squeeze(1)


def on(device: str, data: StreamRec) -> StreamRec:
    """The same impressions on a device."""
    parts = {name: getattr(data, name).to(device) for name in ("categories", "dense", "labels")}
    return replace(data, **parts)


# %% [markdown]
r"""
## The training step
What autocast decides is the dtype of each *operation*: a matrix product in 16 bits, a loss in
float32, and whatever has no rule of its own in the dtype of its inputs. The rules differ a little
between devices: on a GPU softmax and layer norm go to float32, on a CPU they do not.
"""


# %% solution
def forward_loss(model: nn.Module, data: StreamRec, dtype: torch.dtype) -> Tensor:
    """Binary cross-entropy of the model's logits, in float32; the layers run in `dtype`.

    `dtype` is float16, bfloat16, or float32: no mixed precision. `model` and `data` lie on one
    device, and that may be a CPU or a GPU.
    """
    ### BEGIN SOLUTION
    device_type = data.labels.device.type
    with torch.amp.autocast(device_type, dtype=dtype, enabled=dtype != torch.float32):
        logits = model(data.categories, data.dense)
        return F.binary_cross_entropy_with_logits(logits, data.labels)
    ### END SOLUTION


def make_scaler(dtype: torch.dtype, device: str) -> torch.amp.GradScaler:
    """A gradient scaler for training in `dtype` on `device`; disabled where none is needed."""
    ### BEGIN SOLUTION
    return torch.amp.GradScaler(device, enabled=dtype == torch.float16)
    ### END SOLUTION


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    data: StreamRec,
    dtype: torch.dtype,
    max_norm: float = 1.0,
) -> Tensor:
    """One step with the gradient clipped to an L2 norm of `max_norm`; returns the loss, detached.

    A disabled scaler hands everything through, so the same lines train in all three dtypes. The
    loss stays a tensor: `.item()` would make the CPU wait for the GPU at every step.
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()
    ### END SOLUTION


# %% check
# A last layer of zeros gives logits of 0, and each label then costs ln 2, in whatever dtype.
# Models stay where your code is; a function marked `student_side` brings back the numbers.
@student_side
def loss_of_zero_logits(dtype):
    model = StreamRecMLP(width=16)
    nn.init.zeros_(model.mlp[-1].weight)
    nn.init.zeros_(model.mlp[-1].bias)
    return forward_loss(model, stream_rec(8, seed=1), DTYPES[dtype]).detach()


@student_side
def length_of_a_step(max_norm):
    model, data = StreamRecMLP(width=16), stream_rec(64, seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    training_step(model, optimizer, scaler, data, torch.float32, max_norm)
    return (nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm()


for dtype in ("fp32", "bf16"):
    expect.close(
        loss_of_zero_logits(dtype),
        torch.tensor(math.log(2)),
        when=f"computing the loss of eight logits that are 0, the layers in {dtype}",
        think="The loss is float32, whatever the layers are.",
    )
expect.between(
    length_of_a_step(max_norm=1e-3),
    0.99e-3,  # float32 weights are rounded when they move
    1.01e-3,
    when="measuring how far SGD with a learning rate of 1 moves the parameters, max_norm 0.001",
    think="A clipped gradient has length max_norm, and this step is minus the gradient.",
)


# %% check
# On the device of this machine: the output of each kind of layer.
@student_side
def dtypes_seen_by_hooks(device):
    model, seen = StreamRecMLP(width=16).to(device), {}
    for layer in (model.tables[0], model.mlp[0], model.mlp[1]):
        layer.register_forward_hook(
            lambda layer, _, output: seen.update({type(layer).__name__: str(output.dtype)})
        )
    forward_loss(model, on(device, stream_rec(8, seed=1)), torch.bfloat16)
    return seen


expect.equal(
    dtypes_seen_by_hooks(DEVICE),
    {"Embedding": "torch.float32", "Linear": "torch.bfloat16", "ReLU": "torch.bfloat16"},
    when=f"looking at the outputs of three layers that run in bf16 on this machine's {DEVICE}",
    think="A lookup copies rows of a float32 table. Is the forward pass inside of autocast?",
)

# %% [markdown]
r"""
## What the graph keeps
Between forward and backward the graph holds every tensor that a derivative needs. That is what
16 bits can halve. `torch.autograd.graph.saved_tensors_hooks(pack, unpack)` calls `pack` with each
of them.

*Hint:* a view shares the storage of what it is a view of: compare
`tensor.untyped_storage().data_ptr()`. An address stays taken while the graph is alive.
"""


# %% solution
def saved_bytes(model: nn.Module, data: StreamRec, dtype: torch.dtype) -> int:
    """The bytes that the graph of `forward_loss` keeps for backward, besides the parameters.

    A storage that several saved tensors share counts once.
    """
    ### BEGIN SOLUTION
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward_loss(model, data, dtype)
    del loss  # until here its graph kept the storages alive, and their addresses apart
    return sum(size for pointer, size in kept.items() if pointer not in parameters)
    ### END SOLUTION


# %% check
# Eight impressions, width 16, float32: the categories 8 * 8 integers of 8 bytes, then 4 bytes each
# of 8 * 141 inputs, of 8 * (16 + 8 + 4) hidden units, of 8 logits and of 8 labels.
@student_side
def bytes_kept(n, width, dtype):
    return saved_bytes(StreamRecMLP(width), stream_rec(n, seed=1), DTYPES[dtype])


expect.equal(
    bytes_kept(8, 16, "fp32"),
    512 + 4 * (1128 + 224 + 8 + 8),
    when="counting what the graph keeps of 8 impressions, width 16, float32",
    think="What a ReLU keeps is what the next layer keeps too. Are the weights left out?",
)
# The 16-bit copies of the weights are kept as well: beside a small batch they are the larger part.
for n in (64, 256, 1024):
    ratio = bytes_kept(n, 256, "bf16") / bytes_kept(n, 256, "fp32")
    print(f"batch {n:>4}, width 256: bf16 keeps {ratio:.2f} times what fp32 keeps")

# %% [markdown]
r"""
## Times that can be believed
A GPU works later than it is asked to: the CPU queues a kernel and goes on. Whoever reads the CPU's
clock before and after a step has timed the queueing. *Events* are marks in the GPU's own queue; the
time between two of them is known when the GPU has come to both, which `synchronize` waits for.

The first calls load libraries, grow the memory pool and wake the processor: they count for nothing,
and neither does the memory that they took. Times have a long tail, so a median and the range of the
middle half describe them.

For those without a GPU, here is one to try a harness on.
"""


# %%
class SimulatedGPU:
    """A GPU that works later than it is asked to: what a harness needs of `torch.cuda`.

    `launch` is a kernel: the CPU queues it in 0.01 ms and goes on. `clock` is the CPU's clock, in
    seconds like `time.perf_counter`.
    """

    def __init__(self, held_mib: float = 0.0) -> None:
        self.now = self.idle_at = 0.0  # the CPU's time, and when the queue will be empty, in ms
        self.held_mib = self.peak_mib = held_mib

    def launch(self, ms: float, mib: float = 0.0) -> None:
        self.now += 0.01
        self.idle_at = max(self.idle_at, self.now) + ms
        self.peak_mib = max(self.peak_mib, self.held_mib + mib)

    def clock(self) -> float:
        return self.now / 1e3

    def synchronize(self, device: object = None) -> None:
        self.now = max(self.now, self.idle_at)

    def reset_peak_memory_stats(self, device: object = None) -> None:
        self.peak_mib = self.held_mib

    def max_memory_allocated(self, device: object = None) -> int:
        return round(self.peak_mib * 2**20)

    def Event(self, enable_timing: bool = False) -> "SimulatedEvent":
        return SimulatedEvent(self, enable_timing)


class SimulatedEvent:
    """A mark in the GPU's queue; it has a time once the GPU has come to it."""

    def __init__(self, gpu: SimulatedGPU, timed: bool) -> None:
        self.gpu, self.timed, self.at = gpu, timed, math.nan

    def record(self, stream: object = None) -> None:
        self.at = max(self.gpu.idle_at, self.gpu.now)

    def synchronize(self) -> None:
        self.gpu.now = max(self.gpu.now, self.at)

    def elapsed_time(self, end: "SimulatedEvent") -> float:
        if not (self.timed and end.timed):
            raise RuntimeError("these events were made without enable_timing=True")
        if not (self.at <= self.gpu.now and end.at <= self.gpu.now):
            raise RuntimeError("the GPU has not come to both events yet")
        return end.at - self.at


# %% solution
def measure(
    step: Callable[[], object],
    device: str,
    warmup: int = 5,
    repeats: int = 20,
    cuda=torch.cuda,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[list[float], float | None]:
    """Time `repeats` calls of `step`, after `warmup` calls that count for nothing.

    Returns the milliseconds of each, and the peak of the GPU's memory during them in MiB (2**20
    bytes). On a CPU nobody keeps that count: None. `device` is "cpu" or "cuda", and `clock` tells
    seconds. On a GPU use events; take all of CUDA from `cuda`, so that a simulated one can stand in.
    """
    ### BEGIN SOLUTION
    for _ in range(warmup):
        step()
    if device == "cpu":
        ticks = [clock()]
        for _ in range(repeats):
            step()
            ticks.append(clock())
        return [1e3 * (end - start) for start, end in itertools.pairwise(ticks)], None
    cuda.reset_peak_memory_stats()
    marks = [cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    cuda.synchronize()
    times = [start.elapsed_time(end) for start, end in itertools.pairwise(marks)]
    return times, cuda.max_memory_allocated() / 2**20
    ### END SOLUTION


def summary(times: list[float]) -> tuple[float, float]:
    """The median and the interquartile range (75th minus 25th percentile, as NumPy has them)."""
    ### BEGIN SOLUTION
    low, middle, high = np.percentile(times, [25, 50, 75])
    return float(middle), float(high - low)
    ### END SOLUTION


def sweep(
    make_step: Callable[[int, int, str, str], Callable[[], object]],
    batches: list[int],
    widths: list[int],
    dtypes: list[str],
    device: str,
    **options,
) -> list[dict]:
    """A row for every choice of batch, width and dtype: under these names, and with the results
    "median_ms", "iqr_ms" and "peak_mib".

    `make_step(batch, width, dtype, device)` returns the step to measure; `options` are further
    arguments of `measure`.
    """
    ### BEGIN SOLUTION
    rows = []
    for width, batch, dtype in itertools.product(widths, batches, dtypes):
        times, peak = measure(make_step(batch, width, dtype, device), device, **options)
        middle, spread = summary(times)
        row = {"batch": batch, "width": width, "dtype": dtype}
        rows.append(row | {"median_ms": middle, "iqr_ms": spread, "peak_mib": peak})
    return rows
    ### END SOLUTION


# %% check
# A step of one kernel of 5 ms that takes 20 MiB beside the 100 that the model holds.
@student_side
def measured_on_a_simulated_gpu(repeats):
    gpu = SimulatedGPU(held_mib=100)

    def step():
        gpu.launch(ms=5, mib=20)

    return measure(step, "cuda", warmup=2, repeats=repeats, cuda=gpu, clock=gpu.clock)


times, peak = measured_on_a_simulated_gpu(repeats=3)
expect.close(
    times,
    [5.0, 5.0, 5.0],
    rtol=0.01,  # a GPU that has nothing to do waits 0.01 ms for its kernel
    when="timing three steps of 5 ms on a simulated GPU",
    think="0.01 ms is what queueing a kernel takes the CPU. Who has waited for the GPU?",
)
expect.close(
    peak,
    120.0,
    when="asking for the peak memory of these steps",
    think="The count is in bytes, and a MiB has 2**20.",
)
# Quartiles of 1, 2, 3, 4, 100 are 2, 3 and 4; the mean would be 22.
expect.close(
    list(summary([3.0, 100.0, 1.0, 4.0, 2.0])),
    [3.0, 2.0],
    when="summing up the times 3, 100, 1, 4 and 2",
    think="One interrupted step must not move what the others say.",
)


# %% check
# Steps that take a millisecond an impression in fp32 and half of it in bf16, 7 MiB whatever they do.
@student_side
def sweep_of_a_simulated_gpu():
    gpu = SimulatedGPU()

    def simulated_step(batch, width, dtype, device):
        return lambda: gpu.launch(ms=batch if dtype == "fp32" else batch / 2, mib=7)

    options = {"warmup": 1, "repeats": 3, "cuda": gpu, "clock": gpu.clock}
    return sweep(simulated_step, [40, 10], [64], ["fp32", "bf16"], "cuda", **options)


found = sweep_of_a_simulated_gpu()
when = "sweeping over batches of 40 and 10, one width and two dtypes on a simulated GPU"
expect.equal(
    len(found),
    4,
    when=f"{when}: the number of rows",
    think="Each batch meets each width and each dtype.",
)
for row in found:
    expect.close(
        row["median_ms"],
        row["batch"] * (1.0 if row["dtype"] == "fp32" else 0.5),
        rtol=0.01,  # a GPU that has nothing to do waits 0.01 ms for its kernel
        when=f"{when}: the median for {row['dtype']} and a batch of {row['batch']}",
        think="A row has a step of its own.",
    )

# %% [markdown]
r"""
## Where 16 bits pay
A training step is dozens of kernels. While the batch is small, what counts is how many of
them are queued, and autocast adds some: it casts the inputs and a copy of each weight. Only where
the matrix products take longer than the queueing can their arithmetic, which a GPU has special
units for in 16 bits, win. So there is a size from which on 16 bits pay, and it differs from device
to device: measure yours.

`GPU_RUN` has room for the results of a GPU, for students who have none. No run on a GPU has been
recorded with this edition. An instructor who has one runs
`python benchmarks/mixed_precision.py --out FOLDER` in the course and pastes what it prints.
"""

# %%
GPU_RUN = None


# %%
def make_step(batch: int, width: int, dtype: str, device: str) -> Callable[[], Tensor]:
    """Training steps on one batch: `training_step` on a StreamRec MLP, with Adam."""
    torch.manual_seed(0)
    model, data = StreamRecMLP(width).to(device), on(device, stream_rec(batch, seed=1))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    scaler = make_scaler(DTYPES[dtype], device)
    return lambda: training_step(model, optimizer, scaler, data, DTYPES[dtype])


def speedups(rows: list[dict], dtype: str, width: int) -> dict[int, float]:
    """By batch size, smallest first: how many times as fast as fp32 `dtype` is, by the medians."""
    medians = {(r["dtype"], r["batch"]): r["median_ms"] for r in rows if r["width"] == width}
    batches = sorted(batch for name, batch in medians if name == dtype)
    return {batch: medians["fp32", batch] / medians[dtype, batch] for batch in batches}


# %% solution
def starts_to_pay(rows: list[dict], dtype: str, width: int) -> float:
    """The smallest batch size that was measured from which on `dtype` is always faster than fp32.

    `math.inf` if it is not even faster at the largest.
    """
    ### BEGIN SOLUTION
    first = math.inf
    for batch, factor in reversed(speedups(rows, dtype, width).items()):
        if factor <= 1:
            break
        first = batch
    return first
    ### END SOLUTION


def plot_speedups(rows: list[dict], title: str) -> Figure:
    """The speed-up over the batch size: a line for every 16-bit dtype and width of the rows.

    Both axes are named, the batch size is on a log axis, and a legend names the lines. Mark where
    the speed-up is 1.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots()
    for number, width in enumerate(sorted({row["width"] for row in rows})):
        for dtype, style in (("bf16", "o-"), ("fp16", "s--")):
            if found := speedups(rows, dtype, width):
                label = f"{dtype}, width {width}"
                axes.plot(list(found), list(found.values()), style, color=f"C{number}", label=label)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="batch size", ylabel="speed-up over fp32", title=title)
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
# 2/4, then 9/8, then 40/20: from a batch of 100 on it is always faster.
example = [
    {"batch": batch, "width": 8, "dtype": dtype, "median_ms": ms, "iqr_ms": 0.1, "peak_mib": None}
    for batch, fp32, bf16 in ((10, 2.0, 4.0), (100, 9.0, 8.0), (1000, 40.0, 20.0))
    for dtype, ms in (("fp32", fp32), ("bf16", bf16))
]
expect.equal(
    starts_to_pay(example, "bf16", 8),
    100,
    when="looking where bf16 starts to pay: speed-ups of 0.5, 1.125 and 2 at 10, 100 and 1000",
    think="Above 1 is faster.",
)


# Your own machine. Without FULL the sizes are small and the times say little.
@student_side
def sweep_of_this_machine():
    batches, widths = ([64, 256, 1024, 4096], [256, 1024]) if FULL else ([16, 64, 256], [32])
    # Many CPUs have no instructions for float16: it takes them many times as long.
    dtypes = list(DTYPES) if DEVICE == "cuda" else ["fp32", "bf16"]
    repeats = 20 if FULL else 3
    return sweep(make_step, batches, widths, dtypes, DEVICE, warmup=2, repeats=repeats)


runs = {f"this machine's {DEVICE}": sweep_of_this_machine()}
if GPU_RUN:
    columns = ("batch", "width", "dtype", "median_ms", "iqr_ms", "peak_mib")
    runs[GPU_RUN["device"]] = [dict(zip(columns, row, strict=True)) for row in GPU_RUN["rows"]]
for name, rows in runs.items():
    for row in rows:
        peak = "" if row["peak_mib"] is None else f", peak {row['peak_mib']:.0f} MiB"
        print(
            f"batch {row['batch']:>5}, width {row['width']:>4}, {row['dtype']}: "
            f"median {row['median_ms']:.3f} ms, middle half within {row['iqr_ms']:.3f} ms{peak}"
        )
    for width, dtype in sorted({(row["width"], row["dtype"]) for row in rows}):
        if dtype != "fp32":
            print(f"width {width}: {dtype} pays from batch {starts_to_pay(rows, dtype, width)} on")
    expect.figure(
        plot_speedups(rows, f"Training steps on {name}"),
        xscale="log",
        legend=1,
        when=f"plotting the speed-ups on {name}",
        think="Batch sizes grow by factors: on a log axis equal factors are equally far apart.",
    )

# %% [markdown]
r"""
## The loss in the end
Validation losses, computed in float32, of the StreamRec MLP after 300 steps with batches of 256 and
Adam: five seeds (of the initialization and the batches) in each dtype. They come from
`benchmarks/mixed_precision.py --device cpu`, with torch 2.13 on a CPU; float16 has a scaler.
"""

# %%
LOSSES = {
    "fp32": [0.47477, 0.47486, 0.48123, 0.47651, 0.47501],
    "fp16": [0.47465, 0.47465, 0.48128, 0.47720, 0.47506],
    "bf16": [0.47462, 0.47507, 0.48116, 0.47659, 0.47523],
}
for name, losses in LOSSES.items():
    print(
        f"{name}: mean {np.mean(losses):.5f}, deviation of the seeds {np.std(losses, ddof=1):.5f}"
    )


# %% hidden aspect="the layers run in the dtype that is asked for" points=1
@student_side
def dtypes_of_outputs(seed, n, dtype):
    torch.manual_seed(seed)
    model, seen = StreamRecMLP(width=16), {}
    for name, layer in model.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(
                lambda _, __, output, name=name: seen.update({name: str(output.dtype)})
            )
    forward_loss(model, stream_rec(n, seed), DTYPES[dtype])
    return seen


# In float16 a forward pass of six impressions: many CPUs are slow in it.
for dtype, name in {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.items():
    seen = dtypes_of_outputs(7, 6, dtype)
    for kind, wanted in {"tables": "float32", "mlp": name}.items():
        expect.equal(
            sorted({got for layer, got in seen.items() if layer.startswith(kind)}),
            [f"torch.{wanted}"],
            when=f"looking at the outputs of the layers in `{kind}`, {dtype} asked for",
            think="Each device has a dtype of its own that autocast takes when it is told none.",
        )


# %% hidden aspect="the loss is computed in float32" points=1
@student_side
def logits_and_loss(seed, n, dtype):
    torch.manual_seed(seed)
    model, seen = StreamRecMLP(width=32), []
    model.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    data = stream_rec(n, seed)
    loss = forward_loss(model, data, DTYPES[dtype]).detach()
    return seen[-1].float(), data.labels, loss


for dtype in ("bf16", "fp32"):
    logits, labels, loss = logits_and_loss(8, 100, dtype)
    expect.close(
        loss,
        F.binary_cross_entropy_with_logits(logits, labels),
        when=f"comparing the loss with that of the same {dtype} logits, computed in float32",
        think="Which of the two sees 16-bit numbers: the model, or the mean over the batch as well?",
    )


# %% hidden aspect="a scaler is enabled for float16 alone" points=1
@student_side
def scalers():
    found = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, dtype in DTYPES.items():
            scaler = make_scaler(dtype, "cpu")
            found[name] = scaler.is_enabled(), float(scaler.scale(torch.ones(())))
    return found, [str(warning.message) for warning in caught]


found, warned = scalers()
for dtype, (enabled, scale) in found.items():
    expect.equal(
        enabled and scale > 1,
        dtype == "fp16",
        when=f"asking whether the scaler for {dtype} on a CPU scales a loss",
        think="What does a loss scale protect from, and which of the formats has too little range?",
    )
expect.true(
    not warned,
    when="listing the warnings that make_scaler raises",
    wanted="none",
    got="; ".join(dict.fromkeys(text.split(". ")[0] for text in warned)),
    think="The scaler of torch.amp takes the device as an argument.",
)


# %% hidden aspect="parameters and gradients stay in float32" points=1
@student_side
def dtypes_in_training(seed):
    torch.manual_seed(seed)
    model, data, seen = StreamRecMLP(width=16), stream_rec(8, seed), set()
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(lambda p: seen.add(str(p.grad.dtype)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        training_step(model, optimizer, scaler, data, torch.bfloat16)
    return [
        ", ".join(sorted(found)) for found in (seen, {str(p.dtype) for p in model.parameters()})
    ]


for what, found in zip(("gradients", "parameters"), dtypes_in_training(9), strict=True):
    expect.equal(
        found,
        "torch.float32",
        when=f"listing the dtypes of the {what} while training in bf16",
        think="A weight of 1 in bf16 does not notice an update of 0.003: 8 bits end at 1/128.",
    )


# %% hidden aspect="the scaler is used in its order, and it alone decides on the step" points=1
@student_side
def calls_of_a_step(seed):
    torch.manual_seed(seed)
    model, calls = StreamRecMLP(width=16), []

    class RecordingScaler:
        """A loss scale of 1024; it never lets the optimizer step, as if each gradient were inf."""

        def scale(self, loss):
            calls.append("scale")
            return 1024 * loss

        def unscale_(self, optimizer):
            calls.append("unscale_")
            for p in model.parameters():
                p.grad /= 1024

        def step(self, optimizer):
            calls.append("step")

        def update(self, new_scale=None):
            calls.append("update")

        def get_scale(self):
            return 1024.0

        def is_enabled(self):
            return True

    bias = model.mlp[0].bias
    bias.register_post_accumulate_grad_hook(lambda _: calls.append("backward"))
    before, optimizer = bias.detach().clone(), torch.optim.SGD(model.parameters(), lr=0.1)
    training_step(model, optimizer, RecordingScaler(), stream_rec(8, seed), torch.float32)
    return calls, (bias.detach() - before).abs().max()


calls, moved = calls_of_a_step(10)
expect.true(
    calls == ["scale", "backward", "unscale_", "step", "update"],
    when="recording what a step asks of its scaler, and when gradients arrive",
    wanted="a scaled loss, its gradient, that gradient unscaled, a step and an update, once each",
    got=", ".join(calls),
    think="What comes back from scale, what does unscale_ look at, what does update learn from?",
)
expect.close(
    moved,
    torch.tensor(0.0),
    when="measuring how far the parameters move when the scaler skips the step",
    think="A gradient with an inf in it must not reach the parameters. Who sees to that?",
)


# %% hidden aspect="the gradient that is clipped is the unscaled one" points=1
@student_side
def length_at_the_step(seed, max_norm):
    torch.manual_seed(seed)
    model, lengths = StreamRecMLP(width=16), []

    class MeasuringSGD(torch.optim.SGD):
        def step(self, closure=None):
            lengths.append(nn.utils.get_total_norm([p.grad for p in model.parameters()]))
            return super().step(closure)

    optimizer = MeasuringSGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    training_step(model, optimizer, scaler, stream_rec(64, seed), torch.float32, max_norm)
    return lengths[-1] if lengths else torch.tensor(0.0)


free = length_at_the_step(11, 1e9)
expect.between(
    free,
    1e-3,  # of order 0.1 for right answers, of order 100 while it is scaled
    10.0,
    when="measuring the gradient that the scaler steps with, at a loss scale of 1024, max_norm 1e9",
    think="A gradient shorter than max_norm is left alone. In which unit is it measured?",
)
for max_norm in (0.5 * free.item(), 0.1 * free.item(), 2 * free.item()):
    expect.close(
        length_at_the_step(11, max_norm),
        torch.tensor(min(max_norm, free.item())),
        rtol=1e-3,  # clip_grad_norm_ adds 1e-6 to the norm
        when=f"measuring that gradient with max_norm {max_norm / free.item():.1f} times its length",
        think="The scale is a trick of the backward pass; max_norm is about the gradient itself.",
    )

# %% hidden aspect="training in bf16 follows training in fp32, loss by loss" points=1
from autograder import reference


@student_side
def trained(state, data, held_out, dtype):
    model, seen = StreamRecMLP(width=64), set()
    model.load_state_dict(state)
    model.mlp[0].register_forward_hook(lambda _, __, output: seen.add(str(output.dtype)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler, losses = torch.amp.GradScaler("cpu", enabled=False), []
    for parts in zip(*(part.split(128) for part in data), strict=True):
        batch = StreamRec(*parts)
        losses.append(training_step(model, optimizer, scaler, batch, DTYPES[dtype], 100.0))
    used = ", ".join(seen)
    with torch.no_grad():
        logits = model.float()(*held_out[:2])
    final = F.binary_cross_entropy_with_logits(logits, held_out[2])
    scaler, batch = torch.amp.GradScaler("cpu", init_scale=1024.0), StreamRec(*held_out)
    losses.append(training_step(model, optimizer, scaler, batch, DTYPES[dtype], 100.0))
    kinds = {"a tensor" if isinstance(loss, Tensor) else "a number" for loss in losses}
    kinds |= {"its graph" for loss in losses if isinstance(loss, Tensor) and loss.requires_grad}
    numbers = [torch.as_tensor(loss).detach().float() for loss in losses]
    return numbers, final, used, " and ".join(sorted(kinds))


def trained_in_fp32(state, data, held_out):
    model = StreamRecMLP(width=64)
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler, losses = reference.make_scaler(torch.float32, "cpu"), []
    for parts in zip(*(part.split(128) for part in data), strict=True):
        batch = StreamRec(*parts)
        losses.append(
            reference.training_step(model, optimizer, scaler, batch, torch.float32, 100.0)
        )
    return losses, reference.forward_loss(model, StreamRec(*held_out), torch.float32).detach()


def drawn(n, seed):
    data = stream_rec(n, seed)
    return [data.categories, data.dense, data.labels]


torch.manual_seed(12)
state = dict(StreamRecMLP(width=64).state_dict())
data, held_out = (drawn(n, int(torch.randint(10**6, ()))) for n in (20 * 128, 512))
(*losses, scaled), final, used, kinds = trained(state, data, held_out, "bf16")
wanted, wanted_final = trained_in_fp32(state, data, held_out)
# bf16 has 3 digits, but rounding hits each layer's activations at random, and the mean over
# 128 impressions is taken in float32: the losses agree to some 0.02 %.
for step, (got, exact) in enumerate(zip(losses, wanted, strict=True), 1):
    expect.close(
        got,
        exact,
        rtol=0.02,
        when=f"training 20 steps in bf16, SGD with learning rate 0.5: the loss of step {step}",
        think="Each step starts afresh from the gradient of its own batch.",
    )
expect.close(
    final,
    wanted_final,
    rtol=0.02,
    when="comparing the loss on held-out impressions after 20 steps in bf16 with fp32",
    think="Which numbers have to stay in float32 for small updates to add up?",
)
expect.close(
    scaled,
    final,
    rtol=0.02,
    when="taking a step on these impressions at a loss scale of 1024, and reading the loss",
    think="The scaled loss is for backward; whoever plots the curve wants the loss itself.",
)
expect.equal(
    kinds,
    "a tensor",
    when="looking at what the steps return",
    think="A number makes the CPU wait for the GPU; a loss with its graph keeps the graph alive.",
)
expect.equal(
    used,
    "torch.bfloat16",
    when="looking at the output of the first Linear during these steps",
    think="Losses agree best where nothing runs in bf16, but that is not what was asked for.",
)

# %% hidden aspect="what the graph keeps is counted once, the parameters not at all" points=1
from autograder import reference


@student_side
def bytes_of(n, width, seed):
    torch.manual_seed(seed)
    return saved_bytes(StreamRecMLP(width), stream_rec(n, seed), torch.float32)


for n, width in ((37, 24), (200, 64), (5, 256)):
    expect.equal(
        bytes_of(n, width, 13),
        reference.saved_bytes(StreamRecMLP(width), stream_rec(n, 13), torch.float32),
        when=f"counting what the graph keeps of {n} impressions, width {width}, float32",
        think="What a ReLU keeps is what the next layer keeps, and a weight's transpose is a view.",
    )


# %% hidden aspect="in bf16 the graph keeps a little more than half" points=1
@student_side
def bytes_in(dtype, seed):
    torch.manual_seed(seed)
    return saved_bytes(StreamRecMLP(256), stream_rec(1024, seed), DTYPES[dtype])


# 0.577: all inputs of matrix products and outputs of ReLU are halved; integers, float32 labels and
# the bf16 copies of the weights are what is above one half.
expect.between(
    bytes_in("bf16", 14) / bytes_in("fp32", 14),
    0.5,
    0.65,
    when="dividing the bytes kept in bf16 by those in fp32, batch 1024, width 256",
    think="Does the forward pass that is counted run in `dtype`? How wide is each element?",
)


# %% hidden aspect="on a CPU, calls after the warm-up are timed by the clock" points=1
@student_side
def timed_by_a_fake_clock(warmup, repeats):
    now, calls = [50.0], []

    def step():
        calls.append(len(calls))
        late = len(calls) - warmup
        now[0] += 0.9 if late <= 0 else 1e-3 * late**2

    times, _ = measure(step, "cpu", warmup=warmup, repeats=repeats, clock=lambda: now[0])
    return list(times), len(calls)


for warmup, repeats in ((3, 6), (0, 4), (7, 1)):
    times, calls = timed_by_a_fake_clock(warmup, repeats)
    expect.close(
        times,
        [float(k**2) for k in range(1, repeats + 1)],
        when=f"timing {repeats} steps of 1, 4, 9, … ms after {warmup} warm-up calls of 900 ms",
        think="`clock` tells seconds, the answer is in milliseconds, one number a call.",
    )
    expect.equal(
        calls,
        warmup + repeats,
        when=f"counting the calls of step, {warmup} to warm up and {repeats} to time",
        think="Each call costs the user time: as many as were asked for.",
    )


# %% hidden aspect="on a GPU, the times are those of the kernels" points=1
@student_side
def timed_on_a_simulated_gpu(warmup, durations):
    gpu = SimulatedGPU()
    rest = iter([300.0] * warmup + durations)

    def step():
        ms = next(rest)
        gpu.launch(0.75 * ms)
        gpu.launch(0.25 * ms)

    repeats = len(durations)
    times, _ = measure(step, "cuda", warmup=warmup, repeats=repeats, cuda=gpu, clock=gpu.clock)
    return list(times)


torch.manual_seed(15)
for warmup, repeats in ((0, 5), (4, 8)):
    durations = (8 + 40 * torch.rand(repeats)).tolist()
    expect.close(
        timed_on_a_simulated_gpu(warmup, durations),
        durations,
        rtol=0.02,  # an idle GPU waits 0.01 ms for each kernel: at most 0.3 % of a step
        when=f"timing {repeats} steps of 8 to 48 ms on a simulated GPU after {warmup} warm-up calls",
        think="When has the GPU done what it was asked to, and who says so?",
    )


# %% hidden aspect="the peak memory is that of the timed calls, in MiB" points=1
@student_side
def peak_of(device, held, warm, timed):
    gpu = SimulatedGPU(held_mib=held)
    gpu.launch(1.0, mib=5000.0)  # somebody else's, before
    rest = iter(warm + timed)

    def step():
        gpu.launch(2.0, mib=next(rest))

    warmup, repeats = len(warm), len(timed)
    peak = measure(step, device, warmup=warmup, repeats=repeats, cuda=gpu, clock=gpu.clock)[1]
    return "None" if peak is None else peak


expect.close(
    peak_of("cuda", 100.0, [900.0, 700.0], [50.0, 80.0, 60.0]),
    180.0,
    when="asking for the peak of steps that take up to 80 MiB beside 100 MiB that are held, after "
    "warm-up calls that take up to 900 MiB",
    think="The GPU remembers its highest mark until it is told to forget it. When is the moment?",
)
expect.equal(
    peak_of("cpu", 100.0, [900.0], [50.0, 80.0]),
    "None",
    when="asking for the peak memory on a CPU",
    think="A number that nobody measured should not stand in a table.",
)

# %% hidden aspect="times are summed up by their median and interquartile range" points=1
torch.manual_seed(16)
for n in (8, 21):
    times = (torch.rand(n).double().exp() + 3).tolist()
    times[n // 2] = 90.0  # somebody else had the processor
    low, middle, high = np.percentile(times, [25, 50, 75])
    for got, wanted, what in zip(
        summary(list(times)), (middle, high - low), ("median", "interquartile range"), strict=True
    ):
        expect.close(
            got,
            float(wanted),
            when=f"summing up {n} times of 4 to 6 ms and one of 90: the {what}",
            think="Half of the times lie below the median, and half between the quartiles.",
        )


# %% hidden aspect="a sweep has a row for every batch, width and dtype" points=1
@student_side
def swept(device, batches, widths, dtypes):
    def fake_step(batch, width, dtype, where):
        ms = batch * (1.0 if dtype == "fp32" else 0.7) + width + 1000 * (where != device)
        count = itertools.count()
        return lambda: gpus[device].launch(ms + next(count) ** 2, mib=5.0)

    gpus = {device: SimulatedGPU(held_mib=10.0)}
    options = {"warmup": 1, "repeats": 4, "cuda": gpus[device], "clock": gpus[device].clock}
    rows = sweep(fake_step, batches, widths, dtypes, device, **options)
    expected = []
    for row in rows:
        # The student's own `measure` and `summary`: their mistakes are other aspects.
        step = fake_step(row["batch"], row["width"], row["dtype"], device)
        times, peak = measure(step, device, **options)
        expected.append([*summary(times), -1.0 if peak is None else peak])
    return rows, expected


batches, widths, dtypes = [16, 64, 256], [100, 500], ["fp32", "bf16"]
for device in ("cuda", "cpu"):
    rows, expected = swept(device, batches, widths, dtypes)
    expect.equal(
        sorted((row["width"], row["batch"], row["dtype"]) for row in rows),
        sorted(itertools.product(widths, batches, dtypes)),
        when=f"listing width, batch and dtype of the rows of a sweep, {device}",
        think="Three batches, two widths and two dtypes make twelve choices.",
    )
    for row, numbers in zip(rows, expected, strict=True):
        found = [row["median_ms"], row["iqr_ms"], row["peak_mib"]]
        expect.close(
            [-1.0 if value is None else value for value in found],
            numbers,
            rtol=1e-6,  # differences of a clock that has been running
            when=f"measuring {row['dtype']}, batch {row['batch']}, width {row['width']} on its own "
            "again: median, interquartile range and peak (-1 for none)",
            think="Does each row get a step of its own, and the options that `sweep` was given?",
        )

# %% hidden aspect="16 bits start to pay where no larger batch is slower" points=1
cases = {
    "0.8, 1.2, 0.9, 1.1, 3": ([0.8, 1.2, 0.9, 1.1, 3.0], 512),
    "1.2, 1.1, 2, 2, 3": ([1.2, 1.1, 2.0, 2.0, 3.0], 8),
    "2, 2, 2, 2, 0.5": ([2.0, 2.0, 2.0, 2.0, 0.5], math.inf),
    "0.5, 1, 1, 2, 2": ([0.5, 1.0, 1.0, 2.0, 2.0], 512),
}
for name, (factors, wanted) in cases.items():
    rows = [
        {"batch": 8 * 4**k, "width": width, "dtype": dtype, "median_ms": ms}
        for k, factor in enumerate(factors)
        for width, dtype, ms in ((32, "fp32", factor), (32, "fp16", 1.0), (64, "fp16", 9.0))
    ]
    rows += [row | {"width": 64, "dtype": "fp32", "median_ms": 1.0} for row in rows[::3]]
    expect.equal(
        starts_to_pay(rows[::-1], "fp16", 32),
        wanted,
        when=f"looking where fp16 starts to pay: speed-ups {name} at batch 8, 32, 128, 512, 2048",
        think="Somebody will take the answer, and then a larger batch. As fast is not faster.",
    )

# %% hidden aspect="the figure shows a line for each 16-bit dtype and width" points=1
torch.manual_seed(17)
rows = [
    {"batch": batch, "width": width, "dtype": dtype, "median_ms": 1 + torch.rand(()).item()}
    for batch in (32, 512, 64)
    for width in (16, 128)
    for dtype in ("fp32", "fp16", "bf16")
]
lines = [speedups(rows, dtype, width) for dtype in ("fp16", "bf16") for width in (16, 128)]


@student_side
def described(rows):
    return expect.describe_figure(plot_speedups(rows, "A sweep"))


expect.figure(
    described(rows),
    lines=[(list(line), list(line.values())) for line in lines],
    xscale="log",
    legend=4,
    when="plotting the speed-ups of two dtypes at two widths",
    think="How many times as fast as fp32, at the same batch and width.",
)

# %% setup
import torch
import torch.nn.functional as F
from torch import nn

from autograder.datasets import CARDINALITIES, StreamRec, stream_rec

# %% text [markdown] id="which-dtype-is-best" points=1
r"""
Look at `LOSSES`. Is the final validation loss the same in the three dtypes? Which dtype is best,
and what would you need to see to say so? Answer in three or four sentences.

- [1] Not equal to the last digit, but the dtypes differ by no more than the seeds do, so none is shown to be better: rounding of activations is noise beside that of batches and initialization, as parameters, gradients and loss stay in float32.
"""


# %% evidence
# Beside another seed, another dtype is nothing: held-out losses after a few steps of training.
def loss_on(data, tables, head):
    looked_up = [table(c) for table, c in zip(tables, data.categories.T, strict=True)]
    logits = head(torch.cat([*looked_up, data.dense], dim=1)).squeeze(1)
    return F.binary_cross_entropy_with_logits(logits, data.labels)


def trained(seed, dtype):
    torch.manual_seed(seed)
    tables = nn.ModuleList([nn.Embedding(n, 4) for n in CARDINALITIES])
    head = nn.Sequential(nn.Linear(45, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD([*tables.parameters(), *head.parameters()], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", enabled=dtype == torch.float16)
    for step in range(12):
        optimizer.zero_grad()
        with torch.amp.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            loss = loss_on(stream_rec(64, seed + step), tables, head)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    with torch.no_grad():
        return loss_on(held_out, tables, head)


start = int(torch.randint(10**6, ()))
held_out, seeds = stream_rec(256, seed=start), [start + 100 * k for k in range(1, 6)]
fp32, fp16, bf16 = (
    torch.stack([trained(seed, dtype) for seed in seeds])
    for dtype in (torch.float32, torch.float16, torch.bfloat16)
)
assert (fp32 != bf16).any()
assert (fp32 - fp16).abs().max() < 0.5 * fp32.std()
assert (fp32 - bf16).abs().max() < 0.5 * fp32.std()


# %% alternative of="forward_loss"
def with_the_loss_outside(model, data, dtype):
    inside = torch.autocast(data.dense.device.type, dtype, enabled=dtype is not torch.float32)
    with inside:
        logits = model(data.categories, data.dense)
    return nn.BCEWithLogitsLoss()(logits.float(), data.labels)


# %% alternative of="make_scaler"
def with_a_condition(dtype, device):
    if dtype == torch.float16:
        return torch.amp.GradScaler(device=device, init_scale=2.0**14)
    return torch.amp.GradScaler(device, enabled=False)


# %% alternative of="training_step"
def with_clipping_by_hand(model, optimizer, scaler, data, dtype, max_norm=1.0):
    model.zero_grad(set_to_none=True)
    loss = forward_loss(model, data, dtype)
    scaled = scaler.scale(loss)
    scaled.backward()
    scaler.unscale_(optimizer)
    with torch.no_grad():
        grads = [p.grad for p in model.parameters()]
        norm = torch.stack([g.norm() for g in grads]).norm()
        for g in grads:
            g.mul_((max_norm / norm).clamp(max=1.0))
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% alternative of="saved_bytes"
def with_addresses_of_tensors(model, data, dtype):
    own, seen, total = {p.data_ptr() for p in model.parameters()}, set(), 0

    def pack(tensor):
        nonlocal total
        if tensor.data_ptr() not in own | seen:
            seen.add(tensor.data_ptr())
            total += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward_loss(model, data, dtype)
    return total + 0 * int(loss.isnan())


# %% alternative of="measure"
def with_pairs_of_marks(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    def once():
        if device != "cuda":
            start = clock()
            step()
            return (clock() - start) * 1000
        start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
        start.record()
        step()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)

    for _ in range(warmup):
        step()
    if device == "cuda":
        cuda.synchronize()
        cuda.reset_peak_memory_stats()
    times = [once() for _ in range(repeats)]
    return times, cuda.max_memory_allocated() / 1024**2 if device == "cuda" else None


# %% alternative of="summary"
def with_numpy(times):
    times = np.sort(times)
    return float(np.median(times)), float(np.quantile(times, 0.75) - np.quantile(times, 0.25))


# %% alternative of="sweep"
def with_nested_loops(make_step, batches, widths, dtypes, device, **options):
    rows = []
    for batch in batches:
        for dtype in dtypes:
            for width in widths:
                step = make_step(batch, width, dtype, device)
                times, peak = measure(step, device, **options)
                median, iqr = summary(times)
                rows.append(
                    dict(
                        dtype=dtype,
                        width=width,
                        batch=batch,
                        median_ms=median,
                        iqr_ms=iqr,
                        peak_mib=peak,
                    )
                )
    return rows


# %% alternative of="starts_to_pay"
def with_all(rows, dtype, width):
    factors = speedups(rows, dtype, width)
    paying = [b for b in factors if all(f > 1 for other, f in factors.items() if other >= b)]
    return min(paying, default=float("inf"))


# %% alternative of="plot_speedups"
def with_semilogx(rows, title):
    figure = plt.figure()
    for width in {row["width"] for row in rows}:
        for dtype in {row["dtype"] for row in rows} - {"fp32"}:
            pairs = speedups(rows, dtype, width)
            plt.semilogx(pairs.keys(), pairs.values(), "o-", label=f"{dtype} {width}")
    plt.hlines(1, 1, 10, linestyles="dotted")
    plt.legend()
    plt.xlabel("impressions a batch")
    plt.ylabel("times as fast as fp32")
    plt.title(title)
    return figure


# %% mistake of="forward_loss" fails="the layers run in the dtype that is asked for"
def leaves_the_dtype_to_the_device(model, data, dtype):
    """Autocast without a dtype takes the device's own: bf16 on a CPU, fp16 on a GPU."""
    with torch.amp.autocast(data.labels.device.type, enabled=dtype != torch.float32):
        logits = model(data.categories, data.dense)
        return F.binary_cross_entropy_with_logits(logits, data.labels)


# %% mistake of="forward_loss" fails="training in bf16 follows training in fp32, loss by loss; the layers run in the dtype that is asked for; in bf16 the graph keeps a little more than half"
def puts_the_loss_alone_under_autocast(model, data, dtype):
    """Autocast acts on operations that run inside of it, and the layers run before it is entered."""
    logits = model(data.categories, data.dense)
    device_type = data.labels.device.type
    with torch.amp.autocast(device_type, dtype=dtype, enabled=dtype != torch.float32):
        return F.binary_cross_entropy_with_logits(logits, data.labels)


# %% mistake of="forward_loss" fails="training in bf16 follows training in fp32, loss by loss; the layers run in the dtype that is asked for; in bf16 the graph keeps a little more than half"
def asks_for_cuda_by_name(model, data, dtype):
    """Autocast for a device on which nothing runs does nothing; the data know where they lie."""
    with torch.amp.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
        logits = model(data.categories, data.dense)
        return F.binary_cross_entropy_with_logits(logits, data.labels)


# %% mistake of="forward_loss" fails="the loss is computed in float32"
def brings_the_labels_to_the_logits(model, data, dtype):
    """A mean over the batch needs more than 8 bits: the logits go to float32, not the labels to bf16."""
    device_type = data.labels.device.type
    with torch.amp.autocast(device_type, dtype=dtype, enabled=dtype != torch.float32):
        logits = model(data.categories, data.dense)
    return F.binary_cross_entropy_with_logits(logits, data.labels.to(logits.dtype))


# %% mistake of="forward_loss" fails="the layers run in the dtype that is asked for; parameters and gradients stay in float32"
def casts_the_model(model, data, dtype):
    """Autocast leaves parameters in float32, where small updates add up; `model.to` does not."""
    return F.binary_cross_entropy_with_logits(
        model.to(dtype)(data.categories, data.dense.to(dtype)).float(), data.labels
    )


# %% mistake of="make_scaler" fails="a scaler is enabled for float16 alone"
def scales_for_every_dtype(dtype, device):
    """bf16 has the range of fp32: its gradients need no lift, and a scaler makes the CPU wait."""
    return torch.amp.GradScaler(device)


# %% mistake of="make_scaler" fails="a scaler is enabled for float16 alone"
def scales_on_a_gpu_alone(dtype, device):
    """A gradient that is too small for float16 vanishes on a CPU as well."""
    return torch.amp.GradScaler("cuda", enabled=dtype == torch.float16 and device == "cuda")


# %% mistake of="make_scaler" fails="a scaler is enabled for float16 alone"
def uses_the_deprecated_name(dtype, device):
    """`torch.cpu.amp` and `torch.cuda.amp` are deprecated; `torch.amp` takes the device's name."""
    return torch.cpu.amp.GradScaler(enabled=dtype == torch.float16)


# %% mistake of="training_step" fails="parameters and gradients stay in float32"
def casts_the_layers_before_the_step(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """Autocast casts copies of the weights; the weights themselves stay in float32."""
    model.mlp.to(dtype)
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="the scaler is used in its order, and it alone decides on the step"
def steps_past_the_scaler(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """The scaler steps if every gradient is finite; `optimizer.step()` puts inf into the weights."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="the scaler is used in its order, and it alone decides on the step"
def never_updates_the_scale(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """`update` lowers a scale that was too high: without it every later step overflows as well."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    return loss.detach()


# %% mistake of="training_step" fails="the gradient that is clipped is the unscaled one"
def clips_before_it_unscales(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """A scaled gradient is 65,536 times too long: clipped then, hardly anything of it is left."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="the gradient that is clipped is the unscaled one; the scaler is used in its order, and it alone decides on the step"
def leaves_unscaling_to_the_step(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """`scaler.step` unscales what nobody has unscaled before, but that is after the clipping."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="training in bf16 follows training in fp32, loss by loss"
def adds_up_the_gradients_of_all_batches(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """`backward` adds to the gradients that are there: somebody has to clear them before."""
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="training in bf16 follows training in fp32, loss by loss"
def returns_the_scaled_loss(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """The loss scale is for the backward pass; in a curve it would look like a jump of the loss."""
    optimizer.zero_grad()
    loss = scaler.scale(forward_loss(model, data, dtype))
    loss.backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="training in bf16 follows training in fp32, loss by loss"
def returns_the_loss_with_its_graph(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """A loss that is kept for a curve should not keep its graph: `detach` lets go of it."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss


# %% mistake of="training_step" fails="training in bf16 follows training in fp32, loss by loss"
def trains_in_float32_whatever_is_asked(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """`dtype` has to reach autocast: without it the layers run in float32, and nothing is saved."""
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(data.categories, data.dense), data.labels)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="saved_bytes" fails="what the graph keeps is counted once, the parameters not at all"
def counts_the_parameters(model, data, dtype):
    """The weights are there whether or not a graph keeps them: they are no cost of the batch."""
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward_loss(model, data, dtype)
    del loss
    return sum(kept.values())


# %% mistake of="saved_bytes" fails="what the graph keeps is counted once, the parameters not at all"
def counts_what_is_shared_twice(model, data, dtype):
    """The output of a ReLU is the input of the next layer: both keep it, and it is there once."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = []

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in parameters:
            kept.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward_loss(model, data, dtype)
    return sum(kept)


# %% mistake of="saved_bytes" fails="in bf16 the graph keeps a little more than half"
def counts_in_float32_whatever_is_asked(model, data, dtype):
    """The graph to look at is that of a forward pass in `dtype`."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = F.binary_cross_entropy_with_logits(model(data.categories, data.dense), data.labels)
    del loss
    return sum(size for pointer, size in kept.items() if pointer not in parameters)


# %% mistake of="measure" fails="on a CPU, calls after the warm-up are timed by the clock"
def forgets_that_the_clock_tells_seconds(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    """Events tell milliseconds, `time.perf_counter` seconds: a table must not mix them."""
    for _ in range(warmup):
        step()
    if device == "cpu":
        ticks = [clock()]
        for _ in range(repeats):
            step()
            ticks.append(clock())
        return [end - start for start, end in itertools.pairwise(ticks)], None
    cuda.reset_peak_memory_stats()
    marks = [cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    cuda.synchronize()
    times = [start.elapsed_time(end) for start, end in itertools.pairwise(marks)]
    return times, cuda.max_memory_allocated() / 2**20


# %% mistake of="measure" fails="on a CPU, calls after the warm-up are timed by the clock; on a GPU, the times are those of the kernels; the peak memory is that of the timed calls, in MiB"
def counts_the_warm_up(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    """The first calls load libraries and grow memory; a table of steady times leaves them out."""
    if device == "cuda":
        cuda.reset_peak_memory_stats()
    times = []
    for _ in range(warmup + repeats):
        if device == "cpu":
            start = clock()
            step()
            times.append(1e3 * (clock() - start))
        else:
            marks = [cuda.Event(enable_timing=True) for _ in range(2)]
            marks[0].record()
            step()
            marks[1].record()
            cuda.synchronize()
            times.append(marks[0].elapsed_time(marks[1]))
    return times, cuda.max_memory_allocated() / 2**20 if device == "cuda" else None


# %% mistake of="measure" fails="on a GPU, the times are those of the kernels"
def times_the_queueing(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    """When `step` returns, the GPU has hardly begun: the CPU's clock timed how long asking took."""
    for _ in range(warmup):
        step()
    if device == "cuda":
        cuda.synchronize()
        cuda.reset_peak_memory_stats()
    times = []
    for _ in range(repeats):
        start = clock()
        step()
        times.append(1e3 * (clock() - start))
    return times, cuda.max_memory_allocated() / 2**20 if device == "cuda" else None


# %% mistake of="measure" fails="on a GPU, the times are those of the kernels"
def reads_the_marks_too_early(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    """An event has a time once the GPU has come to it, and the CPU is far ahead: synchronize."""
    for _ in range(warmup):
        step()
    if device == "cpu":
        ticks = [clock()]
        for _ in range(repeats):
            step()
            ticks.append(clock())
        return [1e3 * (end - start) for start, end in itertools.pairwise(ticks)], None
    cuda.reset_peak_memory_stats()
    marks = [cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    peak = cuda.max_memory_allocated() / 2**20
    try:
        return [start.elapsed_time(end) for start, end in itertools.pairwise(marks)], peak
    except RuntimeError:
        return [0.0] * repeats, peak


# %% mistake of="measure" fails="on a GPU, the times are those of the kernels"
def divides_the_whole_by_the_calls(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    """An average of all calls hides the spread, and the one call that was interrupted is in it."""
    for _ in range(warmup):
        step()
    if device == "cpu":
        ticks = [clock()]
        for _ in range(repeats):
            step()
            ticks.append(clock())
        return [1e3 * (end - start) for start, end in itertools.pairwise(ticks)], None
    cuda.synchronize()
    cuda.reset_peak_memory_stats()
    start = clock()
    for _ in range(repeats):
        step()
    cuda.synchronize()
    each = 1e3 * (clock() - start) / repeats
    return [each] * repeats, cuda.max_memory_allocated() / 2**20


# %% mistake of="measure" fails="the peak memory is that of the timed calls, in MiB"
def never_resets_the_peak(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    """The GPU remembers its highest mark since the start; each measurement has to reset it."""
    for _ in range(warmup):
        step()
    if device == "cpu":
        ticks = [clock()]
        for _ in range(repeats):
            step()
            ticks.append(clock())
        return [1e3 * (end - start) for start, end in itertools.pairwise(ticks)], None
    marks = [cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    cuda.synchronize()
    times = [start.elapsed_time(end) for start, end in itertools.pairwise(marks)]
    return times, cuda.max_memory_allocated() / 2**20


# %% mistake of="measure" fails="the peak memory is that of the timed calls, in MiB"
def reports_zero_memory_on_a_cpu(
    step, device, warmup=5, repeats=20, cuda=torch.cuda, clock=time.perf_counter
):
    """A zero in the table says that no memory was needed; None says that nobody measured it."""
    for _ in range(warmup):
        step()
    if device == "cpu":
        ticks = [clock()]
        for _ in range(repeats):
            step()
            ticks.append(clock())
        return [1e3 * (end - start) for start, end in itertools.pairwise(ticks)], 0.0
    cuda.reset_peak_memory_stats()
    marks = [cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    cuda.synchronize()
    times = [start.elapsed_time(end) for start, end in itertools.pairwise(marks)]
    return times, cuda.max_memory_allocated() / 2**20


# %% mistake of="summary" fails="times are summed up by their median and interquartile range"
def takes_mean_and_deviation(times):
    """Times have a long tail: one interruption moves the mean, and the deviation even more."""
    return float(np.mean(times)), float(np.std(times))


# %% mistake of="summary" fails="times are summed up by their median and interquartile range"
def takes_the_whole_range(times):
    """From the fastest to the slowest is what the worst call was; the middle half is the spread."""
    return float(np.median(times)), float(max(times) - min(times))


# %% mistake of="summary" fails="times are summed up by their median and interquartile range"
def takes_the_upper_of_two_middles(times):
    """With an even number of times the median lies half-way between the two in the middle."""
    low, high = np.percentile(times, [25, 75])
    return float(sorted(times)[len(times) // 2]), float(high - low)


# %% mistake of="sweep" fails="a sweep has a row for every batch, width and dtype"
def pairs_batches_with_widths(make_step, batches, widths, dtypes, device, **options):
    """Each batch size meets each width: a product, where `zip` makes pairs."""
    rows = []
    for batch, width in zip(batches, widths, strict=False):
        for dtype in dtypes:
            times, peak = measure(make_step(batch, width, dtype, device), device, **options)
            middle, spread = summary(times)
            row = {"batch": batch, "width": width, "dtype": dtype}
            rows.append(row | {"median_ms": middle, "iqr_ms": spread, "peak_mib": peak})
    return rows


# %% mistake of="sweep" fails="a sweep has a row for every batch, width and dtype"
def keeps_the_options_to_itself(make_step, batches, widths, dtypes, device, **options):
    """Whoever asks `sweep` for two hundred repeats means each row: `options` go to `measure`."""
    rows = []
    for width, batch, dtype in itertools.product(widths, batches, dtypes):
        given = {name: options[name] for name in ("cuda", "clock") if name in options}
        step = make_step(batch, width, dtype, device)
        times, peak = measure(step, device, warmup=0, repeats=2, **given)
        middle, spread = summary(times)
        row = {"batch": batch, "width": width, "dtype": dtype}
        rows.append(row | {"median_ms": middle, "iqr_ms": spread, "peak_mib": peak})
    return rows


# %% mistake of="sweep" fails="a sweep has a row for every batch, width and dtype"
def measures_one_model_for_all_dtypes(make_step, batches, widths, dtypes, device, **options):
    """Each row has a step of its own: the dtype is an argument of `make_step`."""
    rows = []
    for width, batch in itertools.product(widths, batches):
        step = make_step(batch, width, dtypes[0], device)
        for dtype in dtypes:
            times, peak = measure(step, device, **options)
            middle, spread = summary(times)
            row = {"batch": batch, "width": width, "dtype": dtype}
            rows.append(row | {"median_ms": middle, "iqr_ms": spread, "peak_mib": peak})
    return rows


# %% mistake of="starts_to_pay" fails="16 bits start to pay where no larger batch is slower"
def stops_at_the_first_gain(rows, dtype, width):
    """One batch size at which 16 bits happen to win is no start: look at the larger ones as well."""
    factors = speedups(rows, dtype, width)
    return next((batch for batch, factor in factors.items() if factor > 1), math.inf)


# %% mistake of="starts_to_pay" fails="16 bits start to pay where no larger batch is slower"
def takes_as_fast_for_faster(rows, dtype, width):
    """A speed-up of 1 pays nothing."""
    first = math.inf
    for batch, factor in reversed(speedups(rows, dtype, width).items()):
        if factor < 1:
            break
        first = batch
    return first


# %% mistake of="plot_speedups" fails="the figure shows a line for each 16-bit dtype and width"
def turns_the_ratio_over(rows, title):
    """A speed-up is the old time over the new one: twice as fast is 2."""
    figure, axes = plt.subplots()
    for width in sorted({row["width"] for row in rows}):
        for dtype in ("bf16", "fp16"):
            if found := speedups(rows, dtype, width):
                slower = [1 / factor for factor in found.values()]
                axes.plot(list(found), slower, label=f"{dtype}, width {width}")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="batch size", ylabel="speed-up over fp32", title=title)
    axes.legend()
    return figure


# %% mistake of="plot_speedups" fails="the figure shows a line for each 16-bit dtype and width"
def keeps_a_linear_axis(rows, title):
    """Batch sizes grow by factors: on a linear axis all but the largest stick to the left."""
    figure, axes = plt.subplots()
    for width in sorted({row["width"] for row in rows}):
        for dtype in ("bf16", "fp16"):
            if found := speedups(rows, dtype, width):
                axes.plot(list(found), list(found.values()), label=f"{dtype}, width {width}")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xlabel="batch size", ylabel="speed-up over fp32", title=title)
    axes.legend()
    return figure


# %% mistake of="plot_speedups" fails="the figure shows a line for each 16-bit dtype and width"
def shows_one_width(rows, title):
    """Where 16 bits pay depends on the width: each one has a line."""
    figure, axes = plt.subplots()
    width = max(row["width"] for row in rows)
    for dtype in ("bf16", "fp16"):
        if found := speedups(rows, dtype, width):
            axes.plot(list(found), list(found.values()), label=f"{dtype}, width {width}")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="batch size", ylabel="speed-up over fp32", title=title)
    axes.legend()
    return figure
