"""The benchmark of mixed precision runs without a GPU, and writes what the exercises can show."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

SCRIPT = ROOT / "benchmarks/mixed_precision.py"
DTYPES = {"fp32", "fp16", "bf16"}


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    done = run("--device", "cpu", "--tiny", "--out", "results", folder=folder)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == ["results"]
    texts = [(folder / f"results/mixed_precision.{end}").read_text() for end in ("json", "txt")]
    assert done.stdout == "".join(texts)
    return folder / "results"


def test_a_rehearsal_on_a_cpu_times_every_batch_and_dtype(rehearsal: Path) -> None:
    rows = json.loads((rehearsal / "mixed_precision.json").read_text())["rows"]
    choices = {(row["batch"], row["width"], row["dtype"]) for row in rows}
    assert choices == {(batch, 16, dtype) for batch in (16, 32) for dtype in DTYPES}
    assert all(row["median_ms"] > 0 and row["iqr_ms"] >= 0 for row in rows)
    assert {row["peak_mib"] for row in rows} == {None}


def test_losses_are_told_beside_the_best_that_is_possible(rehearsal: Path) -> None:
    result = json.loads((rehearsal / "mixed_precision.json").read_text())
    assert result["losses"].keys() == DTYPES
    for losses in result["losses"].values():
        assert len(losses) == 2
        assert all(result["best_loss"] < loss < 1 for loss in losses)


def test_float16_fails_where_the_exercise_says(rehearsal: Path) -> None:
    result = json.loads((rehearsal / "mixed_precision.json").read_text())
    finite = {(f["net"], f["dtype"]): f["finite"] for f in result["where_fp16_fails"]}
    assert [choice for choice, is_finite in finite.items() if not is_finite] == [
        ("predict", "float16")
    ]


def test_the_values_to_paste_are_python(rehearsal: Path) -> None:
    result = json.loads((rehearsal / "mixed_precision.json").read_text())
    names: dict[str, dict] = {}
    exec((rehearsal / "mixed_precision.txt").read_text(), names)
    for dtype, losses in names["LOSSES"].items():
        assert losses == pytest.approx(result["losses"][dtype], abs=1e-5)
    assert names["GPU_RUN"]["device"] == result["device"]
    for pasted, row in zip(names["GPU_RUN"]["rows"], result["rows"], strict=True):
        assert pasted[:3] == (row["batch"], row["width"], row["dtype"])
        assert math.isclose(pasted[3], row["median_ms"], abs_tol=1e-4)


def test_without_a_gpu_it_names_the_option_that_needs_none(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    done = run(folder=tmp_path)
    assert done.returncode == 2
    assert "--device cpu" in done.stderr
    assert not [*tmp_path.iterdir()]


def test_the_help_says_what_every_option_does(tmp_path: Path) -> None:
    done = run("--help", folder=tmp_path)
    assert done.returncode == 0
    text = " ".join(done.stdout.split())
    for words in ("that exercises 7.19 show", "(default: cuda)", "small sizes", "a folder for"):
        assert words in text
