"""Mixed precision on a GPU: the times, memory and losses that exercises 7.19 show to students.

    python benchmarks/mixed_precision.py --out FOLDER         # on CUDA, some minutes
    python benchmarks/mixed_precision.py --device cpu         # fewer and smaller, minutes
    python benchmarks/mixed_precision.py --device cpu --tiny  # a rehearsal, seconds

Runs the reference solutions of three exercises of section 05; needs python, torch and numpy,
nothing else. Prints the results as one JSON, then the values `LOSSES` (for 04_mixed_precision) and
`GPU_RUN` (for 08_timing_harness) as they stand in the exercises; writes both to FOLDER as
mixed_precision.json and mixed_precision.txt where one is given.
"""

import argparse
import contextlib
import importlib.util
import io
import json
import platform
import re
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest.mock import MagicMock

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
SECTION = ROOT / "solutions" / "05_mixed_precision"
SCALES = [2.0**k for k in range(-12, 25, 4)]


class Sizes(NamedTuple):
    """Of the sweep, and of the trainings whose losses are compared."""

    batches: list[int]
    widths: list[int]
    warmup: int
    repeats: int
    seeds: int
    steps: int
    batch: int
    training: int = 2**18
    validation: int = 2**16


SIZES = {
    "cuda": Sizes([4**k for k in range(4, 9)], [256, 1024, 4096], 20, 50, 5, 2000, 1024),
    "cpu": Sizes([64, 256, 1024], [64, 256], 2, 10, 5, 300, 256),
    "tiny": Sizes([16, 32], [16], 1, 3, 2, 3, 32, 1024, 256),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="(default: cuda)")
    parser.add_argument("--tiny", action="store_true", help="small sizes: is the script in order?")
    parser.add_argument("--out", type=Path, help="a folder for mixed_precision.json and .txt")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no GPU here; with --device cpu the script runs without one")
    training, harness = reference("04_mixed_precision"), reference("08_timing_harness")
    sizes = SIZES["tiny" if arguments.tiny else arguments.device]
    result = {
        "device": name_of(arguments.device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "date": date.today().isoformat(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "rows": rows(training, harness, arguments.device, sizes),
        "losses": losses(training, arguments.device, sizes),
        "best_loss": best_loss(training, sizes),
        "where_fp16_fails": failures(reference("05_where_fp16_fails"), arguments.device),
    }
    texts = {"mixed_precision.json": json.dumps(result), "mixed_precision.txt": literals(result)}
    for name, text in texts.items():
        print(text)
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / name).write_text(text + "\n", encoding="utf-8")


def reference(name: str) -> SimpleNamespace:
    """The names that the given and solution cells of an exercise define.

    `autograder.authoring` does that too, but it needs jupytext; no figure is drawn here, so that
    matplotlib may be missing as well.
    """
    sys.path.insert(0, str(ROOT))
    if importlib.util.find_spec("matplotlib") is None:
        for missing in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure"):
            sys.modules.setdefault(missing, MagicMock())
    path = SECTION / f"{name}.py"
    names = {"__name__": "reference"}
    for cell in re.split(r"^# %%", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, source = cell.partition("\n")
        if title.strip() in ("", "solution"):
            with contextlib.redirect_stdout(io.StringIO()):  # standard output is for the results
                exec(compile(source, str(path), "exec"), names)
    return SimpleNamespace(**names)


def name_of(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "a CPU"


def rows(
    training: SimpleNamespace, harness: SimpleNamespace, device: str, sizes: Sizes
) -> list[dict]:
    """The sweep: training steps of every batch size, width and dtype, with Adam."""

    def make_step(batch: int, width: int, dtype: str, device: str) -> Callable[[], Tensor]:
        torch.manual_seed(0)
        model = training.StreamRecMLP(width).to(device)
        data = training.on(device, training.stream_rec(batch, seed=1))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        scaler = training.make_scaler(training.DTYPES[dtype], device)
        return lambda: training.training_step(
            model, optimizer, scaler, data, training.DTYPES[dtype]
        )

    options = {"warmup": sizes.warmup, "repeats": sizes.repeats}
    # The first steps of all load libraries and wake the clocks; they belong to no row.
    harness.measure(make_step(sizes.batches[-1], sizes.widths[-1], "fp32", device), device)
    choices = sizes.batches, sizes.widths, list(training.DTYPES)
    return harness.sweep(make_step, *choices, device, **options)


def losses(training: SimpleNamespace, device: str, sizes: Sizes) -> dict[str, list[float]]:
    """Validation losses (computed in fp32) after training, for each dtype one a seed."""
    data = training.on(device, training.stream_rec(sizes.training, seed=1))
    validation = training.on(device, training.stream_rec(sizes.validation, seed=2))

    def final(dtype: torch.dtype, seed: int) -> float:
        torch.manual_seed(seed)
        model = training.StreamRecMLP().to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        scaler = training.make_scaler(dtype, device)
        for _ in range(sizes.steps):
            # Drawn on the CPU, so that a seed means the same batches on every device.
            pick = torch.randint(0, len(data.labels), (sizes.batch,)).to(device)
            parts = data.categories[pick], data.dense[pick], data.labels[pick]
            training.training_step(model, optimizer, scaler, training.StreamRec(*parts), dtype)
        with torch.no_grad():
            return training.forward_loss(model, validation, torch.float32).item()

    dtypes = training.DTYPES.items()
    return {name: [final(dtype, seed) for seed in range(sizes.seeds)] for name, dtype in dtypes}


def best_loss(training: SimpleNamespace, sizes: Sizes) -> float:
    """What the true log-odds lose on the validation set: no model can do better on average."""
    validation = training.stream_rec(sizes.validation, seed=2)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    return cross_entropy(validation.logits, validation.labels).item()


def failures(exercise: SimpleNamespace, device: str) -> list[dict]:
    """For each network of 7.29 and each dtype: finite, its worst deviation, the usable scales."""
    x, y, w1, w2 = (part.to(device) for part in exercise.readings(seed=0))
    found = []
    for name in ("predict", "tamed", "normalized"):
        net = getattr(exercise, name)
        exact = net(x.double(), w1.double(), w2.double(), torch.float64)
        for dtype in (torch.float32, torch.float16, torch.bfloat16):
            got = net(x, w1, w2, dtype).double()
            off = ((got - exact).abs().max() / exact.abs().max()).item()
            found.append(
                {
                    "net": name,
                    "dtype": str(dtype).removeprefix("torch."),
                    "finite": bool(got.isfinite().all()),
                    "off": off if off < float("inf") else None,
                    "usable_scales": exercise.usable_scales(net, x, y, w1, w2, dtype, SCALES),
                }
            )
    return found


def literals(result: dict) -> str:
    """What the exercises show, as Python: `LOSSES`, and `GPU_RUN` with a line a row."""
    lines = ["LOSSES = {"]
    for dtype, values in result["losses"].items():
        lines.append(f'    "{dtype}": [{", ".join(f"{value:.5f}" for value in values)}],')
    lines += ["}", "GPU_RUN = {"]
    facts = ("device", "torch", "cuda", "date")
    lines += [f'    "{fact}": {json.dumps(result[fact])},' for fact in facts]
    lines += [
        "    # batch, width, dtype, median ms, interquartile range ms, peak MiB",
        '    "rows": [',
    ]
    for row in result["rows"]:
        peak = "None" if row["peak_mib"] is None else f"{row['peak_mib']:.1f}"
        numbers = f"{row['median_ms']:.4f}, {row['iqr_ms']:.4f}, {peak}"
        lines.append(f'        ({row["batch"]}, {row["width"]}, "{row["dtype"]}", {numbers}),')
    return "\n".join([*lines, "    ],", "}"])


if __name__ == "__main__":
    main()
