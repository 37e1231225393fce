"""Mixed precision on a GPU: times, memory and losses that exercise 7.19 can show to students.

    python benchmarks/mixed_precision.py --out FOLDER         # on CUDA, some minutes
    python benchmarks/mixed_precision.py --device cpu         # smaller: its losses are in 7.19
    python benchmarks/mixed_precision.py --device cpu --tiny  # a rehearsal, seconds

Runs the reference solutions of two exercises of section 05; needs python, torch and numpy, nothing
else. Prints the results as one JSON, then the literal `GPU_RUN` to paste into the exercise in the
place of `GPU_RUN = None`; writes both to FOLDER as gpu_result.json and gpu_result.txt where one is
given.
"""

import argparse
import contextlib
import io
import json
import platform
import re
import sys
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import torch

ROOT = Path(__file__).resolve().parent.parent
SECTION = ROOT / "solutions" / "05_mixed_precision"
SCALES = [2.0**k for k in range(-12, 25, 4)]
TRAINING, VALIDATION = 2**18, 2**16


class Sizes(NamedTuple):
    """Of the sweep, and of the trainings whose losses are compared."""

    batches: list[int]
    widths: list[int]
    warmup: int
    repeats: int
    seeds: int
    steps: int
    batch: int


SIZES = {
    "cuda": Sizes([4**k for k in range(4, 9)], [256, 1024, 4096], 20, 50, 5, 2000, 1024),
    "cpu": Sizes([64, 256, 1024], [64, 256], 2, 10, 5, 300, 256),
    "tiny": Sizes([16, 32], [16], 1, 3, 2, 3, 32),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--tiny", action="store_true", help="small sizes: is the script in order?")
    parser.add_argument("--out", type=Path, help="a folder for gpu_result.json and gpu_result.txt")
    arguments = parser.parse_args()
    exercise = reference("04_mixed_precision")
    sizes = SIZES["tiny" if arguments.tiny else arguments.device]
    result = {
        "device": name_of(arguments.device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "none",
        "date": date.today().isoformat(),
        "tf32": torch.backends.cuda.matmul.allow_tf32,
        "rows": rows(exercise, arguments.device, sizes),
        "losses": losses(exercise, arguments.device, sizes),
        "best_loss": best_loss(exercise),
        "where_fp16_fails": failures(reference("05_where_fp16_fails"), arguments.device),
    }
    texts = {"gpu_result.json": json.dumps(result), "gpu_result.txt": literal(result)}
    for name, text in texts.items():
        print(text)
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / name).write_text(text + "\n")


def reference(name: str) -> SimpleNamespace:
    """The names that the given and solution cells of an exercise define.

    `autograder.authoring` does that too, but it needs jupytext; no figure is drawn here, so that
    matplotlib may be missing as well.
    """
    sys.path.insert(0, str(ROOT))
    try:
        import matplotlib.pyplot  # noqa: F401
    except ModuleNotFoundError:
        for missing in ("matplotlib", "matplotlib.pyplot", "matplotlib.figure"):
            sys.modules[missing] = ModuleType(missing)
        sys.modules["matplotlib.figure"].Figure = object
        sys.modules["matplotlib"].pyplot = sys.modules["matplotlib.pyplot"]
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


def rows(exercise: SimpleNamespace, device: str, sizes: Sizes) -> list[dict]:
    """The sweep: training steps of every batch size, width and dtype."""
    options = {"warmup": sizes.warmup, "repeats": sizes.repeats}
    # The first steps of all load libraries and wake the clocks; they belong to no row.
    first = exercise.make_step(sizes.batches[-1], sizes.widths[-1], "fp32", device)
    exercise.measure(first, device, **options)
    choices = sizes.batches, sizes.widths, list(exercise.DTYPES)
    return exercise.sweep(exercise.make_step, *choices, device, **options)


def losses(exercise: SimpleNamespace, device: str, sizes: Sizes) -> dict[str, list[float]]:
    """Validation losses (computed in fp32) after training, for each dtype one a seed."""
    training = exercise.on(device, exercise.stream_rec(TRAINING, seed=1))
    validation = exercise.on(device, exercise.stream_rec(VALIDATION, seed=2))

    def final(dtype: torch.dtype, seed: int) -> float:
        torch.manual_seed(seed)
        model = exercise.StreamRecMLP().to(device)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        scaler = exercise.make_scaler(dtype, device)
        for _ in range(sizes.steps):
            # Drawn on the CPU, so that a seed means the same batches on every device.
            pick = torch.randint(0, len(training.labels), (sizes.batch,)).to(device)
            parts = training.categories[pick], training.dense[pick], training.labels[pick]
            exercise.training_step(model, optimizer, scaler, exercise.StreamRec(*parts), dtype)
        with torch.no_grad():
            return exercise.forward_loss(model, validation, torch.float32).item()

    dtypes = exercise.DTYPES.items()
    return {name: [final(dtype, seed) for seed in range(sizes.seeds)] for name, dtype in dtypes}


def best_loss(exercise: SimpleNamespace) -> float:
    """What the true log-odds lose on the validation set: no model can do better on average."""
    validation = exercise.stream_rec(VALIDATION, seed=2)
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


def literal(result: dict) -> str:
    """The part that students see, as the text of a Python literal, a line a row."""
    facts = ("device", "torch", "cuda", "date")
    lines = [f'    "{fact}": {json.dumps(result[fact])},' for fact in facts]
    lines += [f'    "best_loss": {result["best_loss"]:.5f},', '    "losses": {']
    for dtype, values in result["losses"].items():
        lines.append(f'        "{dtype}": [{", ".join(f"{value:.5f}" for value in values)}],')
    lines += ["    },", "    # batch, width, dtype, median ms, interquartile range ms, peak MiB"]
    lines.append('    "rows": [')
    for row in result["rows"]:
        peak = "None" if row["peak_mib"] is None else f"{row['peak_mib']:.1f}"
        numbers = f"{row['median_ms']:.4f}, {row['iqr_ms']:.4f}, {peak}"
        lines.append(f'        ({row["batch"]}, {row["width"]}, "{row["dtype"]}", {numbers}),')
    return "\n".join(["GPU_RUN = {", *lines, "    ],", "}"])


if __name__ == "__main__":
    main()
