# %% exercise [markdown] items="40" stars=2 minutes=45 level="analyze" goal="time work on a GPU so that the numbers can be believed, and find where 16 bits pay"
r"""
# 7.19 A timing harness
"Mixed precision made it twice as fast" is often the report of a clock that was read too early. A
GPU works later than it is asked to: the CPU queues a kernel and goes on. Whoever reads the CPU's
clock before and after a step has timed the queueing.

- *Events* are marks in the GPU's own queue. The time between two of them is known when the GPU has
  come to both, which `synchronize` waits for.
- The first calls load libraries, grow the memory pool and wake the processor: they count for
  nothing, and neither does the memory that they took.
- Times have a long tail, so that a mean says little. The median and the range of the middle half do:

$$ \text{speed-up} = \frac{\text{median time in fp32}}{\text{median time in 16 bits}} $$

Write a harness that is right on a GPU and honest on a CPU, then find the batch sizes and widths from
which on 16 bits pay. The checks ask it for the times of simulated devices, which are known; no time
of your own machine is graded.
"""

# %%
import itertools
import math
import time
from collections.abc import Callable
from contextlib import nullcontext

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from autograder import expect, student_side

FULL = False  # True: the sweep over your own machine takes minutes, and says more
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


# %% [markdown]
r"""
## A GPU to try it on
For those who have none, and because its times are known.
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


def summarize(times: list[float]) -> tuple[float, float]:
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
        middle, spread = summarize(times)
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
    list(summarize([3.0, 100.0, 1.0, 4.0, 2.0])),
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
Forward and backward pass are dozens of kernels. While the batch is small, what counts is how many of
them are queued, and autocast adds some: it casts the inputs and a copy of each weight. Only where
the matrix products take longer than the queueing can their arithmetic, which many GPUs have special
units for in 16 bits, win. So there is a size from which on 16 bits pay, and it differs from device
to device: measure yours. On a CPU it may be nowhere, since many have no such units.

`make_step` measures the layers of the StreamRec MLP alone. If you have done that exercise, put your
`training_step` in its place.

`GPU_RUN` has room for the results of a GPU, for students who have none. No GPU has been measured
for this edition yet, so it is None. Whoever has one runs
`python benchmarks/mixed_precision.py --out FOLDER` in the course's repository and pastes the
`GPU_RUN` that it prints.
"""

# %%
GPU_RUN = None


def make_step(batch: int, width: int, dtype: str, device: str) -> Callable[[], None]:
    """Forward and backward pass of layers 141 -> width -> width/2 -> width/4 -> 1, one batch."""
    sizes = [141, width, width // 2, width // 4]
    layers = [(nn.Linear(*pair), nn.ReLU()) for pair in itertools.pairwise(sizes)]
    model = nn.Sequential(*itertools.chain(*layers), nn.Linear(sizes[-1], 1)).to(device)
    x = torch.randn(batch, sizes[0], device=device)

    def step() -> None:
        model.zero_grad()
        with nullcontext() if dtype == "fp32" else torch.amp.autocast(device, DTYPES[dtype]):
            out = model(x)
        out.float().square().mean().backward()

    return step


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
    axes.set_xscale("log", base=2)
    axes.set(xlabel="batch size", ylabel="speed-up over fp32", title=title)
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
    batches, widths = ([64, 256, 1024, 4096], [256, 1024]) if FULL else ([16, 128, 512], [32, 128])
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
            first = starts_to_pay(rows, dtype, width)
            print(f"width {width}: {dtype} pays", "nowhere" if first > 1e9 else f"from {first} on")
    expect.figure(
        plot_speedups(rows, f"Forward and backward pass on {name}"),
        xscale="log",
        legend=1,
        when=f"plotting the speed-ups on {name}",
        think="Batch sizes grow by factors: on a log axis equal factors are equally far apart.",
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
        summarize(list(times)), (middle, high - low), ("median", "interquartile range"), strict=True
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
        # The student's own `measure` and `summarize`: their mistakes are other aspects.
        step = fake_step(row["batch"], row["width"], row["dtype"], device)
        times, peak = measure(step, device, **options)
        expected.append([*summarize(times), -1.0 if peak is None else peak])
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


# %% alternative of="summarize"
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
                median, iqr = summarize(times)
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


# %% mistake of="summarize" fails="times are summed up by their median and interquartile range"
def takes_mean_and_deviation(times):
    """Times have a long tail: one interruption moves the mean, and the deviation even more."""
    return float(np.mean(times)), float(np.std(times))


# %% mistake of="sweep" fails="a sweep has a row for every batch, width and dtype"
def pairs_batches_with_widths(make_step, batches, widths, dtypes, device, **options):
    """Each batch size meets each width: a product, where `zip` makes pairs."""
    rows = []
    for batch, width in zip(batches, widths, strict=False):
        for dtype in dtypes:
            times, peak = measure(make_step(batch, width, dtype, device), device, **options)
            middle, spread = summarize(times)
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
            middle, spread = summarize(times)
            row = {"batch": batch, "width": width, "dtype": dtype}
            rows.append(row | {"median_ms": middle, "iqr_ms": spread, "peak_mib": peak})
    return rows


# %% mistake of="starts_to_pay" fails="16 bits start to pay where no larger batch is slower"
def stops_at_the_first_gain(rows, dtype, width):
    """One batch size at which 16 bits happen to win is no start: look at the larger ones as well."""
    factors = speedups(rows, dtype, width)
    return next((batch for batch, factor in factors.items() if factor > 1), math.inf)


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
