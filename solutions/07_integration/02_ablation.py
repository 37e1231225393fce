# %% exercise [markdown] items="47" stars=3 minutes=120 level="evaluate" objective="integration" goal="measure what each technique of a pipeline is worth, and say how sure the measure is"
r"""
# 7.26 An ablation study
A pipeline of seven techniques works. Which of them does the work? An *ablation* takes one away at a time and
measures what is lost. Done carelessly it measures something else: other seeds, a learning rate that suits only
the full pipeline, the luck of one run. So the rules are fixed before the first run:

- **One change a row.** Each row of the table is the full pipeline with one setting changed.
- **The same seeds for all rows.** A seed says the initial weights, the order of the batches and the masks of
  dropout. Then rows are compared seed by seed, and what the seeds do to both cancels in the difference
  $d_s = a^{\text{row}}_s - a^{\text{full}}_s$, whose standard error over $n$ seeds is $\text{sd}(d) / \sqrt n$.
- **"Epochs to converge" is a definition**, not a feeling: the first epoch, counted from 1, whose validation
  accuracy is at most half a percentage point below the best of its own curve.
- **The last weights count**, not the best ones: choosing them would be one more thing that differs.

| row | setting | instead of |
|---|---|---|
| full pipeline | | |
| no batch norm | `norm` False | True |
| no dropout | `dropout` 0.0 | 0.3 |
| no weight decay | `weight_decay` 0.0 | 0.01 |
| constant rate | `schedule` "constant" | "one-cycle" |
| no clipping | `max_norm` None | 1.0 |
| xavier | `init` "xavier" | "he" |
| *no batch norm, own rate* | and `max_lr` 0.0003 | 0.003 |
| *no batch norm, no dropout* | both | |
| *no dropout, constant rate* | both | |

The three rows in italics change two settings, on purpose. A network without batch norm may not stand the
rate that was chosen for one with it, and then the row measures the rate: so it is run with a rate of its own as
well. And two techniques *interact* if taking both away does something else than the two single losses, added:

$$ \text{interaction} = (a^{\text{both}} - a^{\text{full}}) - (a^{\text{one}} - a^{\text{full}}) -
(a^{\text{other}} - a^{\text{full}}) $$

A constant rate of 0.003 also is about twice the mean rate of the cycle: one change in the settings can be two in
what happens.
"""

# %%
import copy
import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder import expect
from autograder.datasets import BUNDLED, cifar10

FULL_PIPELINE = "full pipeline"
SINGLES = (
    *("no batch norm", "no dropout", "no weight decay"),
    *("constant rate", "no clipping", "xavier"),
)
DOUBLES = ("no batch norm, own rate", "no batch norm, no dropout", "no dropout, constant rate")
ROWS = (FULL_PIPELINE, *SINGLES, *DOUBLES)

# %% solution
# configurations: a dictionary from each name in ROWS to a dictionary with the seven settings
# norm, dropout, weight_decay, schedule, max_norm, init and max_lr.
### BEGIN SOLUTION
configurations = {
    name: {
        **{"norm": True, "dropout": 0.3, "weight_decay": 0.01, "schedule": "one-cycle"},
        **{"max_norm": 1.0, "init": "he", "max_lr": 0.003},
        **changes,
    }
    for name, changes in {
        "full pipeline": {},
        "no batch norm": {"norm": False},
        "no dropout": {"dropout": 0.0},
        "no weight decay": {"weight_decay": 0.0},
        "constant rate": {"schedule": "constant"},
        "no clipping": {"max_norm": None},
        "xavier": {"init": "xavier"},
        "no batch norm, own rate": {"norm": False, "max_lr": 0.0003},
        "no batch norm, no dropout": {"norm": False, "dropout": 0.0},
        "no dropout, constant rate": {"dropout": 0.0, "schedule": "constant"},
    }.items()
}
### END SOLUTION

# %% check
expect.kind(
    configurations,
    dict,
    when="reading the configurations",
    think="One entry for each name in ROWS, the settings as a dictionary.",
)
expect.equal(
    set(configurations),
    set(ROWS),
    when="reading the names of the configurations",
    think="ROWS has them.",
)
for name, settings in configurations.items():
    expect.equal(
        set(settings),
        {"norm", "dropout", "weight_decay", "schedule", "max_norm", "init", "max_lr"},
        when=f"reading the settings of {name!r}",
        think="All seven in each row, changed or not.",
    )

# %% [markdown]
r"""
## One run
Take your pipeline of 7.25 and make it listen to the settings. Given is what the seed has to decide alike in
all rows: the initial weights.
"""


# %%
def initial_weights(sizes: tuple[int, ...], init: str, seed: int) -> list[Tensor]:
    """A matrix (out, in) for each linear layer, in float64; "he" by fan-in, or "xavier"."""
    draw = torch.Generator().manual_seed(seed)
    return [
        math.sqrt(2 / n_in if init == "he" else 2 / (n_in + n_out))
        * torch.randn(n_out, n_in, generator=draw, dtype=torch.float64)
        for n_in, n_out in pairwise(sizes)
    ]


# %% solution
def network(settings: dict, sizes: tuple[int, ...], seed: int) -> nn.Sequential:
    """Linear, batch norm (if `norm`), ReLU, dropout for each layer; the last is linear alone.

    In float64, with the `initial_weights` of the seed, and biases of 0.
    """
    ### BEGIN SOLUTION
    layers: list[nn.Module] = []
    for weight in initial_weights(sizes, settings["init"], seed):
        n_out, n_in = weight.shape
        linear = nn.Linear(n_in, n_out)
        linear.weight.data = weight
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.BatchNorm1d(n_out) if settings["norm"] else nn.Identity()]
        layers += [nn.ReLU(), nn.Dropout(settings["dropout"])]
    return nn.Sequential(*layers[:-3]).double()
    ### END SOLUTION


def assess(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """The mean cross-entropy and the share of right answers, in evaluation mode."""
    ### BEGIN SOLUTION
    model.eval()
    with torch.no_grad():
        scores = model(x)
    right = (scores.argmax(dim=1) == y).double().mean()
    return F.cross_entropy(scores, y).item(), right.item()
    ### END SOLUTION


def run_config(
    settings: dict,
    data: dict[str, tuple[Tensor, Tensor]],
    *,
    sizes: tuple[int, ...],
    epochs: int,
    batch_size: int,
    seed: int,
) -> dict:
    """Train the network that `settings` describe, in the dtype of the data, and judge it.

    AdamW with its defaults; the weights of linear layers decay, nothing else does. "one-cycle" is
    PyTorch's OneCycleLR up to `max_lr`, one step a batch, the betas left alone; "constant" is
    `max_lr` all the time. Gradients are clipped together to `max_norm`, if it is not None. Each
    epoch takes the batches of `torch.randperm(n, generator=draw).split(batch_size)`, with one
    `draw = torch.Generator().manual_seed(seed)` for all of them. Dropout draws from torch's own
    generator, which is set to the seed as well.

    `data` has "train", "val" and "test", each with inputs and labels. Returns, as plain numbers:
    "seed"; "start_loss" (before training, on "val"); "val_loss" and "val_accuracy" (lists, after
    each epoch); "test_accuracy" (after the last).
    """
    ### BEGIN SOLUTION
    torch.manual_seed(seed)
    x, y = data["train"]
    model = network(settings, sizes, seed).to(x.dtype)
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    spared = [p for p in model.parameters() if not any(p is weight for weight in weights)]
    groups = [
        {"params": weights, "weight_decay": settings["weight_decay"]},
        {"params": spared, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings["max_lr"])
    schedule, steps = None, epochs * math.ceil(len(x) / batch_size)
    if settings["schedule"] == "one-cycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings["max_lr"], total_steps=steps, cycle_momentum=False
        )
    draw = torch.Generator().manual_seed(seed)
    start_loss, _ = assess(model, *data["val"])
    run: dict = {"seed": seed, "start_loss": start_loss, "val_loss": [], "val_accuracy": []}
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(x), generator=draw).split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            if settings["max_norm"] is not None:
                nn.utils.clip_grad_norm_(model.parameters(), settings["max_norm"])
            optimizer.step()
            if schedule:
                schedule.step()
        val_loss, val_accuracy = assess(model, *data["val"])
        run["val_loss"].append(val_loss)
        run["val_accuracy"].append(val_accuracy)
    return run | {"test_accuracy": assess(model, *data["test"])[1]}
    ### END SOLUTION


# %%
def noise(n_train: int = 22, n_test: int = 40) -> dict[str, tuple[Tensor, Tensor]]:
    """Small data in float64: four classes, which six features tell apart a little."""
    centres, found = torch.randn(4, 6).double(), {}
    for part, n in {"train": n_train, "val": n_test, "test": n_test}.items():
        labels = torch.randint(4, (n,))
        found[part] = centres[labels] + torch.randn(n, 6).double(), labels
    return found


def settings_of(**changes) -> dict:
    """The full pipeline with a higher rate and without dropout, so that runs can be compared."""
    full = {"norm": True, "dropout": 0.0, "weight_decay": 0.1, "schedule": "one-cycle"}
    return full | {"max_norm": 0.5, "init": "he", "max_lr": 0.02} | changes


TINY = {"sizes": (6, 10, 8, 4), "epochs": 3, "batch_size": 8}

# %% check
torch.manual_seed(0)
run = run_config(settings_of(), noise(), **TINY, seed=3)
expect.kind(run, dict, when="looking at what a run returns", think="See the docstring.")
expect.equal(
    set(run),
    {"seed", "start_loss", "val_loss", "val_accuracy", "test_accuracy"},
    when="reading the keys of what a run returns",
    think="See the docstring.",
)
expect.equal(
    [len(run["val_loss"]), len(run["val_accuracy"])],
    [3, 3],
    when="counting the validation losses and accuracies of three epochs",
    think="One after each epoch.",
)

# %% [markdown]
r"""
## The table
A *study* is a dictionary from the name of a row to the list of its runs. The runs of two rows may stand in
different orders; each run knows its seed. All numbers of the table are percentage points, or epochs.
"""


# %% solution
def epochs_to_converge(val_accuracy: list[float]) -> int:
    """The first epoch, from 1, that is at most half a percentage point below the curve's best."""
    ### BEGIN SOLUTION
    bar = max(val_accuracy) - 0.005 - 1e-9
    return 1 + next(k for k, share in enumerate(val_accuracy) if share >= bar)
    ### END SOLUTION


def by_seed(study: dict[str, list[dict]], name: str) -> dict[int, float]:
    """The test accuracy of each run of a row, in percentage points, by its seed."""
    ### BEGIN SOLUTION
    return {run["seed"]: 100 * run["test_accuracy"] for run in study[name]}
    ### END SOLUTION


def summarize(study: dict[str, list[dict]]) -> dict[str, dict[str, float]]:
    """For each row: "mean" and "sd" of the test accuracy over the seeds (the sum divided by n - 1),
    "epochs" (the mean over the seeds' epochs to converge), and "change" and "change_se": mean and
    standard error of its differences from the full pipeline, seed by seed.
    """
    ### BEGIN SOLUTION
    full, table = by_seed(study, FULL_PIPELINE), {}
    for name, runs in study.items():
        shares = by_seed(study, name)
        changes = [shares[seed] - full[seed] for seed in shares]
        table[name] = {
            "mean": np.mean(list(shares.values())).item(),
            "sd": np.std(list(shares.values()), ddof=1).item(),
            "epochs": np.mean([epochs_to_converge(run["val_accuracy"]) for run in runs]).item(),
            "change": np.mean(changes).item(),
            "change_se": np.std(changes, ddof=1).item() / math.sqrt(len(changes)),
        }
    return table
    ### END SOLUTION


def interaction(
    study: dict[str, list[dict]], one: str, other: str, both: str
) -> tuple[float, float]:
    """What taking away both does beyond the two single changes, and its standard error."""
    ### BEGIN SOLUTION
    full, a, b, ab = (by_seed(study, name) for name in (FULL_PIPELINE, one, other, both))
    beyond = [ab[seed] - a[seed] - b[seed] + full[seed] for seed in full]
    return np.mean(beyond).item(), np.std(beyond, ddof=1).item() / math.sqrt(len(beyond))
    ### END SOLUTION


# %%
def invented(shares: dict[str, list[float]]) -> dict[str, list[dict]]:
    """A study with these test accuracies for the seeds 0, 1, 2, …, and curves that rise to them."""
    return {
        name: [
            {"seed": k, "test_accuracy": share, "val_accuracy": [share / 2, share - 0.004, share]}
            for k, share in enumerate(row)
        ]
        for name, row in shares.items()
    }


# %% check
# The best is 41 %, half a point below it 40.5 %: epoch 3 is the first there.
expect.equal(
    epochs_to_converge([0.20, 0.40, 0.406, 0.39, 0.41]),
    3,
    when="asking when the curve 20, 40, 40.6, 39, 41 % has converged",
    think="The first epoch that is near enough to the best one, wherever that is.",
)
# 40 and 42 %; one row loses 3 points with either seed, so its change is sure.
study = invented(
    {"full pipeline": [0.40, 0.42], "no dropout": [0.37, 0.39], "xavier": [0.42, 0.40]}
)
table = summarize(copy.deepcopy(study))
for name, wanted in (("no dropout", (38, -3, 0)), ("xavier", (41, 0, 2))):
    for key, value in zip(("mean", "change", "change_se"), wanted, strict=True):
        expect.close(
            table[name][key],
            value,
            atol=1e-9,
            when=f"reading `{key}` of {name!r}: {[100 * r['test_accuracy'] for r in study[name]]}, "
            "where the full pipeline has [40, 42]",
            think="The differences are taken seed by seed, in percentage points.",
        )

# %% [markdown]
r"""
## The study
Set `FULL = True` once. Ten rows with five seeds each take three to five minutes, and leave `ablation.json` beside this
notebook.
"""

# %%
SIZE = {"sizes": (3072, 128, 128, 64, 64, 10), "epochs": 12, "batch_size": 100}


def photographs() -> dict[str, tuple[Tensor, Tensor]]:
    """3,500 photographs to learn from, 500 to watch, 1,000 to judge by."""
    found = {}
    for part, rows in {"train": slice(3500), "val": slice(3500, None), "test": slice(None)}.items():
        images = cifar10(train=part != "test", root=BUNDLED)
        pixels = images.floats(normalised=True).flatten(1)
        found[part] = pixels[rows], images.labels[rows]
    return found


def rounded(run: dict) -> dict:
    """A run without its losses after the start, its numbers to four digits."""
    short = {key: run[key] for key in ("seed", "start_loss", "val_accuracy", "test_accuracy")}
    return json.loads(json.dumps(short), parse_float=lambda text: round(float(text), 4))


FULL = False
if FULL:
    data, study = photographs(), {}
    for name in ROWS:
        runs = [run_config(configurations[name], data, **SIZE, seed=seed) for seed in range(5)]
        study[name] = [rounded(run) for run in runs]
        print(f"{name}: {[run['test_accuracy'] for run in study[name]]}", flush=True)
    Path("ablation.json").write_text(json.dumps(study))

# %% solution
# seeds: the list of the seeds that each row was run with, at least five.
# results: the study of your run. Read the file that it wrote, json.loads(Path("ablation.json").read_text()),
# or paste its text between triple quotes: json.loads("""...""").
### BEGIN SOLUTION
seeds = [0, 1, 2, 3, 4]
results = json.loads("""
{
  "full pipeline": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.218, 0.274, 0.306, 0.344, 0.356, 0.364, 0.348, 0.37, 0.378, 0.386, 0.392, 0.394], "test_accuracy": 0.407},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.132, 0.27, 0.334, 0.328, 0.344, 0.342, 0.358, 0.372, 0.36, 0.39, 0.39, 0.384], "test_accuracy": 0.412},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.216, 0.272, 0.294, 0.328, 0.35, 0.364, 0.352, 0.37, 0.38, 0.382, 0.376, 0.378], "test_accuracy": 0.402},
    {"seed": 3, "start_loss": 3.4555, "val_accuracy": [0.184, 0.242, 0.32, 0.33, 0.33, 0.346, 0.354, 0.356, 0.374, 0.376, 0.382, 0.382], "test_accuracy": 0.396},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.15, 0.278, 0.3, 0.318, 0.34, 0.334, 0.368, 0.368, 0.382, 0.388, 0.388, 0.39], "test_accuracy": 0.405}
  ],
  "no batch norm": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.192, 0.15, 0.16, 0.19, 0.154, 0.18, 0.216, 0.2, 0.224, 0.248, 0.25, 0.248], "test_accuracy": 0.249},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.182, 0.204, 0.196, 0.172, 0.21, 0.226, 0.238, 0.236, 0.242, 0.292, 0.276, 0.28], "test_accuracy": 0.284},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.188, 0.166, 0.126, 0.148, 0.146, 0.166, 0.186, 0.17, 0.198, 0.214, 0.218, 0.212], "test_accuracy": 0.229},
    {"seed": 3, "start_loss": 3.4556, "val_accuracy": [0.198, 0.19, 0.16, 0.146, 0.168, 0.184, 0.192, 0.228, 0.214, 0.244, 0.244, 0.246], "test_accuracy": 0.262},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.122, 0.202, 0.204, 0.162, 0.16, 0.204, 0.178, 0.198, 0.218, 0.234, 0.224, 0.222], "test_accuracy": 0.235}
  ],
  "no dropout": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.256, 0.288, 0.332, 0.384, 0.354, 0.366, 0.378, 0.372, 0.386, 0.392, 0.4, 0.4], "test_accuracy": 0.416},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.222, 0.296, 0.364, 0.36, 0.394, 0.374, 0.396, 0.394, 0.382, 0.388, 0.396, 0.404], "test_accuracy": 0.416},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.258, 0.288, 0.356, 0.378, 0.384, 0.372, 0.376, 0.388, 0.374, 0.386, 0.388, 0.394], "test_accuracy": 0.417},
    {"seed": 3, "start_loss": 3.4555, "val_accuracy": [0.256, 0.294, 0.336, 0.36, 0.396, 0.424, 0.378, 0.382, 0.362, 0.382, 0.394, 0.386], "test_accuracy": 0.419},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.264, 0.296, 0.332, 0.36, 0.336, 0.39, 0.366, 0.374, 0.384, 0.386, 0.376, 0.368], "test_accuracy": 0.41}
  ],
  "no weight decay": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.216, 0.276, 0.31, 0.322, 0.336, 0.356, 0.36, 0.366, 0.374, 0.374, 0.382, 0.38], "test_accuracy": 0.409},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.132, 0.256, 0.29, 0.326, 0.354, 0.348, 0.37, 0.37, 0.378, 0.382, 0.374, 0.378], "test_accuracy": 0.412},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.226, 0.27, 0.306, 0.314, 0.336, 0.344, 0.356, 0.37, 0.38, 0.388, 0.384, 0.38], "test_accuracy": 0.402},
    {"seed": 3, "start_loss": 3.4555, "val_accuracy": [0.184, 0.236, 0.31, 0.316, 0.3, 0.324, 0.348, 0.366, 0.378, 0.374, 0.374, 0.388], "test_accuracy": 0.402},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.158, 0.24, 0.268, 0.326, 0.348, 0.346, 0.372, 0.384, 0.374, 0.384, 0.39, 0.386], "test_accuracy": 0.395}
  ],
  "constant rate": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.248, 0.294, 0.336, 0.35, 0.354, 0.356, 0.358, 0.372, 0.386, 0.36, 0.386, 0.39], "test_accuracy": 0.399},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.27, 0.31, 0.324, 0.342, 0.354, 0.374, 0.372, 0.362, 0.368, 0.372, 0.358, 0.344], "test_accuracy": 0.387},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.286, 0.29, 0.344, 0.334, 0.344, 0.35, 0.356, 0.36, 0.376, 0.376, 0.374, 0.348], "test_accuracy": 0.397},
    {"seed": 3, "start_loss": 3.4555, "val_accuracy": [0.25, 0.308, 0.332, 0.334, 0.358, 0.364, 0.384, 0.382, 0.394, 0.388, 0.388, 0.396], "test_accuracy": 0.386},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.26, 0.322, 0.32, 0.35, 0.342, 0.356, 0.348, 0.384, 0.386, 0.384, 0.408, 0.398], "test_accuracy": 0.394}
  ],
  "no clipping": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.216, 0.268, 0.284, 0.332, 0.354, 0.358, 0.36, 0.366, 0.376, 0.366, 0.358, 0.362], "test_accuracy": 0.395},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.124, 0.23, 0.278, 0.32, 0.334, 0.35, 0.354, 0.366, 0.378, 0.378, 0.382, 0.39], "test_accuracy": 0.389},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.236, 0.268, 0.306, 0.304, 0.326, 0.344, 0.358, 0.368, 0.372, 0.38, 0.376, 0.374], "test_accuracy": 0.393},
    {"seed": 3, "start_loss": 3.4555, "val_accuracy": [0.158, 0.254, 0.282, 0.318, 0.316, 0.346, 0.35, 0.358, 0.366, 0.37, 0.37, 0.378], "test_accuracy": 0.405},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.164, 0.25, 0.306, 0.326, 0.33, 0.332, 0.322, 0.352, 0.368, 0.362, 0.372, 0.372], "test_accuracy": 0.384}
  ],
  "xavier": [
    {"seed": 0, "start_loss": 2.4613, "val_accuracy": [0.256, 0.296, 0.298, 0.338, 0.338, 0.364, 0.36, 0.386, 0.378, 0.396, 0.4, 0.402], "test_accuracy": 0.401},
    {"seed": 1, "start_loss": 2.4262, "val_accuracy": [0.144, 0.272, 0.312, 0.318, 0.342, 0.348, 0.382, 0.392, 0.394, 0.382, 0.388, 0.402], "test_accuracy": 0.406},
    {"seed": 2, "start_loss": 2.3639, "val_accuracy": [0.21, 0.284, 0.332, 0.334, 0.354, 0.376, 0.36, 0.4, 0.394, 0.392, 0.396, 0.394], "test_accuracy": 0.423},
    {"seed": 3, "start_loss": 2.5093, "val_accuracy": [0.162, 0.248, 0.292, 0.334, 0.356, 0.336, 0.392, 0.366, 0.37, 0.394, 0.4, 0.398], "test_accuracy": 0.437},
    {"seed": 4, "start_loss": 2.4278, "val_accuracy": [0.154, 0.242, 0.304, 0.33, 0.342, 0.338, 0.356, 0.366, 0.386, 0.372, 0.392, 0.394], "test_accuracy": 0.415}
  ],
  "no batch norm, own rate": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.128, 0.204, 0.216, 0.24, 0.254, 0.252, 0.256, 0.258, 0.274, 0.264, 0.27, 0.27], "test_accuracy": 0.292},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.116, 0.124, 0.198, 0.234, 0.224, 0.24, 0.26, 0.28, 0.286, 0.278, 0.298, 0.29], "test_accuracy": 0.307},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.12, 0.186, 0.21, 0.22, 0.21, 0.254, 0.248, 0.236, 0.252, 0.268, 0.266, 0.262], "test_accuracy": 0.281},
    {"seed": 3, "start_loss": 3.4556, "val_accuracy": [0.122, 0.184, 0.284, 0.228, 0.254, 0.258, 0.286, 0.278, 0.308, 0.312, 0.334, 0.332], "test_accuracy": 0.326},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.14, 0.168, 0.176, 0.184, 0.196, 0.232, 0.252, 0.228, 0.24, 0.278, 0.274, 0.276], "test_accuracy": 0.26}
  ],
  "no batch norm, no dropout": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.294, 0.28, 0.302, 0.318, 0.312, 0.344, 0.358, 0.346, 0.368, 0.372, 0.38, 0.388], "test_accuracy": 0.407},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.258, 0.272, 0.3, 0.312, 0.324, 0.32, 0.318, 0.364, 0.382, 0.37, 0.378, 0.38], "test_accuracy": 0.402},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.318, 0.274, 0.268, 0.326, 0.302, 0.316, 0.352, 0.37, 0.38, 0.402, 0.394, 0.388], "test_accuracy": 0.404},
    {"seed": 3, "start_loss": 3.4556, "val_accuracy": [0.302, 0.284, 0.298, 0.366, 0.31, 0.35, 0.336, 0.382, 0.352, 0.372, 0.386, 0.39], "test_accuracy": 0.399},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.238, 0.28, 0.274, 0.296, 0.328, 0.346, 0.32, 0.358, 0.378, 0.38, 0.372, 0.38], "test_accuracy": 0.422}
  ],
  "no dropout, constant rate": [
    {"seed": 0, "start_loss": 3.2676, "val_accuracy": [0.314, 0.372, 0.358, 0.386, 0.394, 0.364, 0.39, 0.374, 0.356, 0.356, 0.376, 0.322], "test_accuracy": 0.372},
    {"seed": 1, "start_loss": 3.0456, "val_accuracy": [0.314, 0.346, 0.358, 0.354, 0.348, 0.342, 0.362, 0.34, 0.352, 0.34, 0.34, 0.336], "test_accuracy": 0.391},
    {"seed": 2, "start_loss": 2.7745, "val_accuracy": [0.314, 0.352, 0.378, 0.37, 0.366, 0.398, 0.392, 0.388, 0.404, 0.396, 0.362, 0.37], "test_accuracy": 0.39},
    {"seed": 3, "start_loss": 3.4555, "val_accuracy": [0.33, 0.378, 0.38, 0.368, 0.372, 0.372, 0.376, 0.404, 0.38, 0.382, 0.386, 0.364], "test_accuracy": 0.37},
    {"seed": 4, "start_loss": 3.1343, "val_accuracy": [0.316, 0.362, 0.372, 0.378, 0.39, 0.386, 0.356, 0.384, 0.374, 0.37, 0.346, 0.362], "test_accuracy": 0.386}
  ]
}
""")
### END SOLUTION

# %% check
expect.kind(seeds, (list, tuple), when="reading the seeds", think="A list of whole numbers.")
expect.kind(
    results,
    dict,
    when="reading the results",
    think="A dictionary from the name of a row to the list of its runs.",
)
expect.equal(set(results), set(ROWS), when="reading the rows of the results", think="All of ROWS.")

# %% solution
# findings: a dictionary, from your own results.
#   "largest"      the row of SINGLES whose mean changes most, up or down
#   "decided"      the rows of SINGLES whose change is more than two of its standard errors away from 0
#   "interaction"  of batch norm and dropout: the pair that `interaction` returns
### BEGIN SOLUTION
table = summarize(results)
findings = {
    "largest": max(SINGLES, key=lambda name: abs(table[name]["change"])),
    "decided": [n for n in SINGLES if abs(table[n]["change"]) > 2 * table[n]["change_se"]],
    "interaction": interaction(results, "no batch norm", "no dropout", "no batch norm, no dropout"),
}
### END SOLUTION

# %% check
expect.kind(findings, dict, when="reading your findings", think="The comment has the three keys.")
expect.equal(
    set(findings),
    {"largest", "decided", "interaction"},
    when="reading the keys of your findings",
    think="The comment has them.",
)

# %% hidden aspect="each row changes what its name says, and nothing else" points=2
expect.kind(configurations, dict, when="reading the configurations", think="See ROWS.")
full = configurations.get(FULL_PIPELINE, ...)
expect.equal(
    full,
    {
        **{"norm": True, "dropout": 0.3, "weight_decay": 0.01, "schedule": "one-cycle"},
        **{"max_norm": 1.0, "init": "he", "max_lr": 0.003},
    },
    when="reading the full pipeline",
    think="The table of the prompt says what the other rows have changed it from.",
)
for name, changes in {
    "no batch norm": {"norm": False},
    "no dropout": {"dropout": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "constant rate": {"schedule": "constant"},
    "no clipping": {"max_norm": None},
    "xavier": {"init": "xavier"},
    "no batch norm, own rate": {"norm": False, "max_lr": 0.0003},
    "no batch norm, no dropout": {"norm": False, "dropout": 0.0},
    "no dropout, constant rate": {"dropout": 0.0, "schedule": "constant"},
}.items():
    settings = configurations.get(name, ...)
    expect.kind(settings, dict, when=f"reading {name!r}", think="The table has this row.")
    expect.equal(
        {
            key: "None" if value is None else value
            for key, value in settings.items()
            if value != full.get(key, ...)
        },
        {key: "None" if value is None else value for key, value in changes.items()},
        when=f"listing what {name!r} has other than the full pipeline",
        think="What else differs is measured as well, and nobody will know which of the two it was.",
    )

# %% hidden aspect="a run is the one agreed on, whatever its settings" points=2
from autograder import reference

torch.manual_seed(2)
data = noise()
for changes in (
    {},
    {"norm": False},
    {"weight_decay": 0.0},
    {"schedule": "constant"},
    {"max_norm": None},
    {"init": "xavier"},
    {"max_lr": 0.004, "max_norm": 0.01},
):
    settings = settings_of(**changes)
    run = run_config(dict(settings), copy.deepcopy(data), **TINY, seed=7)
    wanted = reference.run_config(settings, data, **TINY, seed=7)
    what = ", ".join(f"{key} {value}" for key, value in changes.items()) or "nothing changed"
    expect.kind(run, dict, when="looking at what a run returns", think="See the docstring.")
    for key, think in (
        ("start_loss", "Before the first step: the weights are given, and biases are 0."),
        ("val_loss", "Follow the docstring through one step: gradient, clipping, decay, rate."),
        ("val_accuracy", "The share of right answers after each epoch, in evaluation mode."),
        ("test_accuracy", "The share of right answers on the test part, after the last epoch."),
    ):
        expect.close(
            run.get(key, ...),
            wanted[key],
            # The order of sums in float64, through nine steps of Adam's; others' ways differ by 1e-9.
            rtol=1e-6,
            when=f"running three epochs on 22 samples in batches of 8, without dropout, {what}: "
            f"`{key}`",
            think=think,
        )
x, y = data["train"]
for name in ("val", "test"):
    swapped = data | {name: (data[name][0], (data[name][1] + 1) % 4)}
    run = run_config(settings_of(), copy.deepcopy(swapped), **TINY, seed=7)
    wanted = reference.run_config(settings_of(), swapped, **TINY, seed=7)
    expect.close(
        [run["val_loss"][-1], run["test_accuracy"]],
        [wanted["val_loss"][-1], wanted["test_accuracy"]],
        rtol=1e-6,  # as above
        when=f"running once more with other labels in {name!r}: the last validation loss, and the "
        "test accuracy",
        think="Which part is watched, and which is judged by at the end?",
    )
drops = [
    run_config(settings_of(dropout=p), copy.deepcopy(data), **TINY, seed=7) for p in (0.0, 0.6)
]
expect.close(
    drops[1]["start_loss"],
    drops[0]["start_loss"],
    when="comparing the loss before training with dropout 0.6 and without",
    think="In evaluation mode nothing is dropped.",
)
expect.true(
    abs(drops[1]["val_loss"][-1] - drops[0]["val_loss"][-1]) > 1e-6,
    when="comparing the last validation loss with dropout 0.6 and without",
    wanted="two numbers",
    got="the same",
    think="In training something is dropped.",
)

# %% hidden aspect="a seed decides everything about a run" points=1
torch.manual_seed(3)
data, settings = noise(), settings_of(dropout=0.5)
runs = []
for seed in (4, 4, 5):
    torch.randn(3)  # a run must not depend on what was drawn before it
    runs.append(run_config(dict(settings), copy.deepcopy(data), **TINY, seed=seed))
expect.close(
    runs[1]["val_loss"],
    runs[0]["val_loss"],
    when="running twice with seed 4 and dropout 0.5: the validation losses",
    think="Initial weights, order of the batches, masks of dropout: which of them is drawn afresh?",
)
expect.true(
    abs(runs[2]["val_loss"][-1] - runs[0]["val_loss"][-1]) > 1e-6,
    when="comparing the last validation losses of seed 4 and seed 5",
    wanted="two numbers",
    got="the same",
    think="What is the seed for?",
)
expect.true(
    abs(runs[2]["start_loss"] - runs[0]["start_loss"]) > 1e-6,
    when="comparing the losses before training of seed 4 and seed 5",
    wanted="two numbers",
    got="the same",
    think="Each seed has initial weights of its own.",
)

# %% hidden aspect="epochs to converge follow their definition" points=1
for curve, wanted in (
    ([0.1, 0.3, 0.5], 3),
    ([0.49, 0.496, 0.501, 0.502, 0.45], 3),
    ([0.10, 0.396, 0.38, 0.399, 0.40, 0.30], 2),
    ([0.40, 0.39, 0.38], 1),
    ([0.10, 0.20, 0.293, 0.296, 0.30, 0.30], 4),
    ([0.010, 0.012, 0.014], 1),
):
    expect.equal(
        epochs_to_converge(list(curve)),
        wanted,
        when=f"asking when the curve {curve} has converged",
        think="Half a percentage point is 0.005, from the best of the whole curve, and epochs are "
        "counted from 1.",
    )

# %% hidden aspect="mean, spread and epochs are those of the seeds" points=1
torch.manual_seed(5)
for n in (5, 3):
    shares = {name: (0.3 + 0.1 * torch.rand(n)).tolist() for name in (FULL_PIPELINE, "xavier")}
    study = invented(shares)
    for runs in study.values():
        for run in runs:
            run["val_accuracy"] = torch.rand(9).tolist()
    table = summarize(copy.deepcopy(study))
    for name, row in shares.items():
        for key, value in (
            ("mean", 100 * np.mean(row)),
            ("sd", 100 * np.std(row, ddof=1)),
            ("epochs", np.mean([epochs_to_converge(r["val_accuracy"]) for r in study[name]])),
        ):
            expect.close(
                table[name][key],
                float(value),
                when=f"reading `{key}` of {name!r}, {n} seeds with "
                f"{', '.join(f'{100 * share:.2f}' for share in row)} %",
                think="Each seed has a number of its own; the mean of the curves is no run's curve.",
            )

# %% hidden aspect="changes are taken seed by seed" points=1
torch.manual_seed(6)
for n in (5, 4):
    base = 0.3 + 0.1 * torch.rand(n).double()
    shares = {
        FULL_PIPELINE: base.tolist(),
        "no dropout": (base + 0.01 * torch.randn(n)).tolist(),
        "no clipping": (base - 0.02 + 0.002 * torch.randn(n)).tolist(),
    }
    study = invented(shares)
    for name in ("no dropout", "no clipping"):
        study[name] = [study[name][k] for k in torch.randperm(n).tolist()]
    study["no clipping"].reverse()
    table = summarize(copy.deepcopy(study))
    for name in shares:
        changes = 100 * (np.array(shares[name]) - np.array(shares[FULL_PIPELINE]))
        for key, value in (
            ("change", changes.mean()),
            ("change_se", changes.std(ddof=1) / n**0.5),
        ):
            expect.close(
                table[name][key],
                float(value),
                atol=1e-9,
                when=f"reading `{key}` of {name!r}, {n} seeds whose differences from the full "
                f"pipeline are {', '.join(f'{change:.2f}' for change in changes)}",
                think="Runs know their seed. What the seed does to both rows cancels in the "
                "difference, and must not be in its spread.",
            )

# %% hidden aspect="an interaction is what goes beyond the two single changes" points=1
torch.manual_seed(7)
for n in (4, 6):
    base, a, b = (0.4 + 0.05 * torch.rand(n).double() for _ in range(3))
    beyond = 0.03 + 0.01 * torch.randn(n).double()
    shares = {FULL_PIPELINE: base, "no batch norm": a, "xavier": b}
    shares["both"] = a + b - base + beyond
    study = invented({name: row.tolist() for name, row in shares.items()})
    study["both"].reverse()
    study["xavier"] = study["xavier"][1:] + study["xavier"][:1]
    found = interaction(study, "no batch norm", "xavier", "both")
    expect.close(
        list(found),
        [100 * beyond.mean().item(), 100 * beyond.std().item() / n**0.5],
        when=f"measuring the interaction of two changes, {n} seeds, where both together lie "
        f"{', '.join(f'{100 * one:.2f}' for one in beyond.tolist())} points above the sum",
        think="If two changes do not interact, both together are worth the sum of the two. Seed by "
        "seed, how far above that sum are they?",
    )

# %% hidden aspect="the results have all rows, seeds and epochs" points=1
expect.kind(results, dict, when="reading the results", think="See the comment above them.")
expect.kind(seeds, (list, tuple), when="reading the seeds", think="A list of whole numbers.")
expect.true(
    len(set(seeds)) >= 5,
    when="counting the seeds",
    wanted="five or more",
    got=str(len(set(seeds))),
    think="A spread over fewer runs is hardly known itself.",
)
expect.equal(set(results), set(ROWS), when="reading the rows of the results", think="All of ROWS.")
for name in ROWS:
    expect.equal(
        sorted(run.get("seed", -1) for run in results[name]),
        sorted(seeds),
        when=f"reading the seeds of the runs of {name!r}",
        think="The same seeds for all rows, each once.",
    )
    for run in results[name]:
        when = f"reading the run of {name!r} with seed {run['seed']}"
        for key in ("start_loss", "val_accuracy", "test_accuracy"):
            expect.true(
                key in run,
                when=when,
                wanted=f"the key {key!r}",
                got="none of that name",
                think="It is what `rounded` leaves of a run.",
            )
        expect.equal(
            len(run["val_accuracy"]),
            12,
            when=f"{when}: the epochs of its curve",
            think="One accuracy after each epoch.",
        )
        for share in (*run["val_accuracy"], run["test_accuracy"]):
            expect.between(share, 0.0, 1.0, when=f"{when}: an accuracy", think="A share.")

# %% hidden aspect="a seed means the same in every row" points=1
expect.kind(results, dict, when="reading the results", think="See the comment above them.")
# Who has the same layers and the same initial weights has the same loss before training.
for first, *others in (
    (FULL_PIPELINE, *SINGLES[1:5], "no dropout, constant rate"),
    ("no batch norm", "no batch norm, own rate", "no batch norm, no dropout"),
    ("xavier",),
):
    starts = {run["seed"]: run["start_loss"] for run in results[first]}
    expect.equal(
        len({round(loss, 4) for loss in starts.values()}),
        len(starts),
        when=f"counting the different losses before training of {first!r}, one for each seed",
        think="Another seed draws other weights.",
    )
    for name in others:
        for run in results[name]:
            expect.close(
                run["start_loss"],
                starts.get(run["seed"], math.nan),
                atol=2e-4,  # four digits, rounded
                when=f"comparing the loss before training of {name!r} with that of {first!r}, seed "
                f"{run['seed']}",
                think="Before training the two are the same network, if the seed is the same.",
            )
curves = {tuple(run["val_accuracy"]) for run in results[FULL_PIPELINE]}
expect.equal(
    len(curves),
    len(results[FULL_PIPELINE]),
    when="counting the different curves of the full pipeline, one for each seed",
    think="No two seeds give the same twelve accuracies.",
)

# %% hidden aspect="runs start from nothing, and the full pipeline learns" points=1
expect.kind(results, dict, when="reading the results", think="See the comment above them.")
for name in ROWS:
    for run in results[name]:
        # 100 seeds: 2.56 to 4.76, mean 3.13, standard deviation 0.33; "xavier" 2.32 to 2.71, mean
        # 2.43, standard deviation 0.06.
        expect.between(
            run["start_loss"],
            2.1,
            6.5,
            when=f"reading the loss before training of {name!r}, seed {run['seed']}",
            think="Who knows nothing and says so pays ln 10 = 2.303; who guesses boldly pays more.",
        )
for run in results[FULL_PIPELINE]:
    # 25 seeds: 0.380 to 0.420, mean 0.403, standard deviation 0.009.
    expect.between(
        run["test_accuracy"],
        0.3,
        0.5,
        when=f"reading the test accuracy of the full pipeline, seed {run['seed']}",
        think="Ten classes, 3,500 photographs, twelve epochs: run it once more, and compare.",
    )

# %% hidden aspect="the findings follow from the results" points=1
from autograder import reference

expect.kind(findings, dict, when="reading your findings", think="The comment has the three keys.")
expect.kind(results, dict, when="reading the results", think="See the comment above them.")
expect.equal(set(results), set(ROWS), when="reading the rows of the results", think="All of ROWS.")
table = reference.summarize(results)
changes = ", ".join(f"{name} {table[name]['change']:+.2f}" for name in SINGLES)
errors = ", ".join(f"{name} {table[name]['change_se']:.2f}" for name in SINGLES)
expect.equal(
    findings.get("largest", ...),
    max(SINGLES, key=lambda name: abs(table[name]["change"])),
    when=f"naming the row that changes most; your results have {changes}",
    think="A gain is a change, too.",
)
expect.kind(
    findings.get("decided", ...),
    (list, tuple, set),
    when="reading the rows that are decided",
    think="A list of names out of SINGLES.",
)
expect.equal(
    set(findings["decided"]),
    {name for name in SINGLES if abs(table[name]["change"]) > 2 * table[name]["change_se"]},
    when="naming the rows whose change is more than two standard errors away from 0; these are, in "
    f"your results, {errors}",
    think="The standard error of a mean of differences; not the spread of one run.",
)
expect.kind(
    findings.get("interaction", ...),
    (list, tuple),
    when="reading the interaction",
    think="The pair that `interaction` returns.",
)
expect.close(
    list(findings["interaction"]),
    list(
        reference.interaction(results, "no batch norm", "no dropout", "no batch norm, no dropout")
    ),
    rtol=0.01,
    atol=0.02,  # two digits behind the point, rounded by hand
    when="reading the interaction of batch norm and dropout, and its standard error",
    think="From your own results, in percentage points.",
)

# %% setup
import numpy as np
import torch
from torch import nn

from autograder.authoring.quiz import draw

# %% numeric [markdown] id="beyond-the-sum" points=1 level="apply" objective="integration"
r"""
The full pipeline gets {{full}} % right. Without A it gets {{no_a}} %, without B {{no_b}} %, and without both
{{neither}} %. By how many percentage points does the last number lie above what two techniques would give that do
not interact? (Below: a negative number.)
"""

# %% key
full, no_a, no_b = draw([40.5, 41.0, 42.5]), draw([28.0, 30.5, 33.0]), draw([37.5, 38.5, 43.5])
neither = draw([20.5, 35.0, 39.0])
answer = neither - (full + (no_a - full) + (no_b - full))
slips = {
    "That is the whole change; the two single changes are a part of it.": neither - full,
    "The other sign: above the sum is positive.": (no_a + no_b - full) - neither,
    "The full pipeline is the start of both single changes; it is subtracted twice and counts once.": (
        neither - no_a - no_b
    ),
}

# %% evidence
# Effects of A and B that add up, and something that only both together do: least squares finds it.
design = np.array([[1, 0, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], float)
found = np.linalg.solve(design, np.array([full, no_a, no_b, neither]))
assert abs(found[3] - answer) < 1e-9

# %% choice [markdown] id="half-a-point" points=1 level="evaluate" objective="integration"
r"""
Over five seeds, taking weight decay away changes the test accuracy by +0.5 points, with a standard error of 0.6.
What may the report say?

- [x] Undecided: a loss of half a point would be as compatible with these runs as a gain of one.
  > Yes. Two standard errors to either side reach from -0.7 to 1.7. More seeds would narrow that, by the root of their number.
- [ ] Weight decay has no effect on this network.
  > That the runs do not show an effect is not that they show none: a point and a half would be hidden in them.
- [ ] Weight decay costs half a point and should go.
  > With other five seeds the sign may be another.
- [ ] The row should be run with new seeds until it is decided.
  > Who goes on until it is decided will be told so by chance alone, sooner or later.
"""

# %% evidence
# Five differences with a standard deviation that gives an error of 0.6 for their mean.
draws = 0.6 * 5**0.5 * torch.randn(20000, 5).double()
for effect in (-0.5, 0.0, 1.0):
    mean = effect + draws.mean(1)
    # A change between 0.2 and 0.8 is nothing rare with any of these effects.
    assert ((mean > 0.2) & (mean < 0.8)).double().mean() > 0.05
    assert (mean * effect <= 0).double().mean() > 0.04
# Adding seeds until two standard errors are passed, fifty at most, with no effect at all.
runs = torch.randn(2000, 50).double()
count = torch.arange(1, 51)
mean = runs.cumsum(1) / count
spread = ((runs.square().cumsum(1) - count * mean.square()) / (count - 1).clamp(min=1)).sqrt()
decided = (mean.abs() > 2 * spread / count.sqrt())[:, 4:]
assert decided.any(dim=1).double().mean() > 2 * decided[:, 0].double().mean() > 0.1

# %% text [markdown] id="what-the-table-says" points=6 level="evaluate" objective="integration" items="47"
r"""
Write the page that belongs to your table. Which technique has the largest individual impact? Do any interact,
so that taking one away makes another more or less important? What did you not find out?

- [1] The table, readable by itself: mean and spread of each row, number of seeds, the change with its standard error, epochs to converge by the definition given.
- [1] The largest impact, with its number and standard error; the rows that the seeds do not decide are called undecided, not without effect.
- [1] The row without batch norm beside the one with its own rate: how much of the loss was the rate's.
- [1] The interaction of batch norm and dropout, as a number with its standard error, put in words: what taking dropout away does with batch norm, and what without.
- [1] A cause offered for the largest effect, or for the interaction, together with a run that would test it (another drop rate without batch norm, say).
- [1] Limits: one split of 3,500 photographs, twelve epochs, one width; six rows compared at two standard errors; convergence read off 500 photographs, whose own error is about two points.
"""

# %% evidence
# Two points: 40 % right of 500. And of six comparisons without any effect, one or more is often decided.
assert abs(100 * (0.4 * 0.6 / 500) ** 0.5 - 2.2) < 0.1
draws = torch.randn(4000, 6, 5).double()
decided = draws.mean(2).abs() > 2 * draws.std(2) / 5**0.5
assert 0.3 < decided.any(dim=1).double().mean() < 0.7


# %% alternative of="epochs_to_converge"
def with_an_argmax(val_accuracy):
    curve = np.asarray(val_accuracy)
    return int(np.argmax(curve + 0.005 + 1e-12 >= curve.max())) + 1


# %% alternative of="summarize"
def with_arrays(study):
    found = {}
    order = sorted(run["seed"] for run in study[FULL_PIPELINE])
    shares = {
        name: 100 * np.array([{r["seed"]: r["test_accuracy"] for r in runs}[s] for s in order])
        for name, runs in study.items()
    }
    for name, row in shares.items():
        gap = row - shares[FULL_PIPELINE]
        found[name] = {
            "mean": float(row.mean()),
            "sd": float(row.std(ddof=1)),
            "change": float(gap.mean()),
            "change_se": float((gap.var(ddof=1) / len(gap)) ** 0.5),
            "epochs": sum(epochs_to_converge(r["val_accuracy"]) for r in study[name]) / len(row),
        }
    return found


# %% alternative of="interaction"
def with_differences_of_differences(study, one, other, both):
    rows = [by_seed(study, name) for name in (FULL_PIPELINE, one, other, both)]
    each = np.array([[row[seed] for row in rows] for seed in sorted(rows[0])])
    gaps = (each[:, 3] - each[:, 2]) - (each[:, 1] - each[:, 0])
    return gaps.mean(), gaps.std(ddof=1) / np.sqrt(len(gaps))


# %% mistake of="configurations" fails="each row changes what its name says, and nothing else"
def tunes_a_row_by_the_way():
    """A row with a rate of its own measures the rate as well: that is why one row is named so."""
    full = {
        **{"norm": True, "dropout": 0.3, "weight_decay": 0.01, "schedule": "one-cycle"},
        **{"max_norm": 1.0, "init": "he", "max_lr": 0.003},
    }
    return {
        "full pipeline": full,
        "no batch norm": full | {"norm": False},
        "no dropout": full | {"dropout": 0.0},
        "no weight decay": full | {"weight_decay": 0.0},
        "constant rate": full | {"schedule": "constant", "max_lr": 0.0015},
        "no clipping": full | {"max_norm": None},
        "xavier": full | {"init": "xavier"},
        "no batch norm, own rate": full | {"norm": False, "max_lr": 0.0003},
        "no batch norm, no dropout": full | {"norm": False, "dropout": 0.0},
        "no dropout, constant rate": full | {"dropout": 0.0, "schedule": "constant"},
    }


# %% mistake of="configurations" fails="each row changes what its name says, and nothing else"
def clips_to_nothing():
    """No clipping is no limit, None; a limit of 0 leaves nothing of the gradient."""
    full = {
        **{"norm": True, "dropout": 0.3, "weight_decay": 0.01, "schedule": "one-cycle"},
        **{"max_norm": 1.0, "init": "he", "max_lr": 0.003},
    }
    return {
        "full pipeline": full,
        "no batch norm": full | {"norm": False},
        "no dropout": full | {"dropout": 0.0},
        "no weight decay": full | {"weight_decay": 0.0},
        "constant rate": full | {"schedule": "constant"},
        "no clipping": full | {"max_norm": 0.0},
        "xavier": full | {"init": "xavier"},
        "no batch norm, own rate": full | {"norm": False, "max_lr": 0.0003},
        "no batch norm, no dropout": full | {"norm": False, "dropout": 0.0},
        "no dropout, constant rate": full | {"dropout": 0.0, "schedule": "constant"},
    }


# %% mistake of="network" fails="a run is the one agreed on, whatever its settings"
def normalizes_the_scores(settings, sizes, seed):
    """The last layer is linear alone: a norm behind it takes the size of the scores away."""
    layers = []
    for weight in initial_weights(sizes, settings["init"], seed):
        linear = nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data = weight
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.BatchNorm1d(len(weight)) if settings["norm"] else nn.Identity()]
        layers += [nn.ReLU(), nn.Dropout(settings["dropout"])]
    return nn.Sequential(*layers[:-2]).double()


# %% mistake of="assess" fails="a run is the one agreed on, whatever its settings"
def judges_in_training_mode(model, x, y):
    """In training mode the norm measures the test data themselves: call eval() first."""
    model.train()
    with torch.no_grad():
        scores = model(x)
    right = (scores.argmax(dim=1) == y).double().mean()
    return F.cross_entropy(scores, y).item(), right.item()


# %% mistake of="run_config" fails="a seed decides everything about a run"
def leaves_dropout_to_chance(settings, data, *, sizes, epochs, batch_size, seed):
    """Dropout draws from torch's own generator: without a seed of its own no run can be repeated."""
    x, y = data["train"]
    model = network(settings, sizes, seed).to(x.dtype)
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    spared = [p for p in model.parameters() if not any(p is weight for weight in weights)]
    groups = [{"params": weights, "weight_decay": settings["weight_decay"]}]
    groups += [{"params": spared, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=settings["max_lr"])
    schedule, steps = None, epochs * math.ceil(len(x) / batch_size)
    if settings["schedule"] == "one-cycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings["max_lr"], total_steps=steps, cycle_momentum=False
        )
    draw = torch.Generator().manual_seed(seed)
    start_loss, judged = assess(model, *data["val"])[0], []
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(x), generator=draw).split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            if settings["max_norm"] is not None:
                nn.utils.clip_grad_norm_(model.parameters(), settings["max_norm"])
            optimizer.step()
            if schedule:
                schedule.step()
        judged.append(assess(model, *data["val"]))
    losses, shares = map(list, zip(*judged, strict=True))
    run = {"seed": seed, "start_loss": start_loss, "val_loss": losses, "val_accuracy": shares}
    return run | {"test_accuracy": assess(model, *data["test"])[1]}


# %% mistake of="run_config" fails="a run is the one agreed on, whatever its settings"
def lets_everything_decay(settings, data, *, sizes, epochs, batch_size, seed):
    """Biases and the norm's own parameters do not decay in this pipeline."""
    torch.manual_seed(seed)
    x, y = data["train"]
    model = network(settings, sizes, seed).to(x.dtype)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings["max_lr"], weight_decay=settings["weight_decay"]
    )
    schedule, steps = None, epochs * math.ceil(len(x) / batch_size)
    if settings["schedule"] == "one-cycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings["max_lr"], total_steps=steps, cycle_momentum=False
        )
    draw = torch.Generator().manual_seed(seed)
    start_loss, judged = assess(model, *data["val"])[0], []
    for _ in range(epochs):
        model.train()
        for rows in torch.randperm(len(x), generator=draw).split(batch_size):
            optimizer.zero_grad()
            F.cross_entropy(model(x[rows]), y[rows]).backward()
            if settings["max_norm"] is not None:
                nn.utils.clip_grad_norm_(model.parameters(), settings["max_norm"])
            optimizer.step()
            if schedule:
                schedule.step()
        judged.append(assess(model, *data["val"]))
    losses, shares = map(list, zip(*judged, strict=True))
    run = {"seed": seed, "start_loss": start_loss, "val_loss": losses, "val_accuracy": shares}
    return run | {"test_accuracy": assess(model, *data["test"])[1]}


# %% mistake of="epochs_to_converge" fails="epochs to converge follow their definition"
def waits_for_the_best(val_accuracy):
    """The best epoch is often far behind the first that is as good within half a point."""
    return 1 + max(range(len(val_accuracy)), key=lambda k: val_accuracy[k])


# %% mistake of="summarize" fails="mean, spread and epochs are those of the seeds"
def divides_by_all_the_seeds(study):
    """The spread of a few runs is divided by n - 1: their mean was taken from the same runs."""
    full, table = by_seed(study, FULL_PIPELINE), {}
    for name, runs in study.items():
        shares = by_seed(study, name)
        changes = [shares[seed] - full[seed] for seed in shares]
        table[name] = {
            "mean": np.mean(list(shares.values())).item(),
            "sd": np.std(list(shares.values())).item(),
            "epochs": np.mean([epochs_to_converge(run["val_accuracy"]) for run in runs]).item(),
            "change": np.mean(changes).item(),
            "change_se": np.std(changes, ddof=1).item() / math.sqrt(len(changes)),
        }
    return table


# %% mistake of="summarize" fails="changes are taken seed by seed"
def pairs_rows_by_position(study):
    """Runs may stand in any order; it is their seed that says which of them belong together."""
    full, table = list(by_seed(study, FULL_PIPELINE).values()), {}
    for name, runs in study.items():
        shares = list(by_seed(study, name).values())
        changes = np.subtract(shares, full)
        table[name] = {
            "mean": np.mean(shares).item(),
            "sd": np.std(shares, ddof=1).item(),
            "epochs": np.mean([epochs_to_converge(run["val_accuracy"]) for run in runs]).item(),
            "change": changes.mean().item(),
            "change_se": changes.std(ddof=1).item() / math.sqrt(len(changes)),
        }
    return table


# %% mistake of="summarize" fails="changes are taken seed by seed; the findings follow from the results"
def adds_the_spreads_of_both_rows(study):
    """What a seed does to both rows cancels in their difference; two separate spreads still have it."""
    full, table = list(by_seed(study, FULL_PIPELINE).values()), {}
    for name, runs in study.items():
        shares = list(by_seed(study, name).values())
        spread = math.hypot(np.std(shares, ddof=1), np.std(full, ddof=1))
        table[name] = {
            "mean": np.mean(shares).item(),
            "sd": np.std(shares, ddof=1).item(),
            "epochs": np.mean([epochs_to_converge(run["val_accuracy"]) for run in runs]).item(),
            "change": np.mean(shares).item() - np.mean(full).item(),
            "change_se": spread / math.sqrt(len(shares)),
        }
    return table


# %% mistake of="interaction" fails="an interaction is what goes beyond the two single changes"
def pairs_by_position(study, one, other, both):
    """Runs may stand in any order; it is their seed that says which of them belong together."""
    full, a, b, ab = (
        np.array([100 * run["test_accuracy"] for run in study[name]])
        for name in (FULL_PIPELINE, one, other, both)
    )
    beyond = ab - a - b + full
    return beyond.mean().item(), beyond.std(ddof=1).item() / math.sqrt(len(beyond))


# %% mistake of="interaction" fails="an interaction is what goes beyond the two single changes; the findings follow from the results"
def measures_the_whole_change(study, one, other, both):
    """Both together change what each does alone; only what is beyond that sum is an interaction."""
    full, ab = by_seed(study, FULL_PIPELINE), by_seed(study, both)
    gaps = [ab[seed] - full[seed] for seed in full]
    return np.mean(gaps).item(), np.std(gaps, ddof=1).item() / math.sqrt(len(gaps))


# %% mistake of="results" fails="the results have all rows, seeds and epochs"
def stops_a_run_early():
    """All runs of a study are equally long, or their last accuracies cannot be compared."""
    short = copy.deepcopy(results)
    short["xavier"][2]["val_accuracy"].pop()
    return short


# %% mistake of="results" fails="a seed means the same in every row"
def takes_other_seeds_for_a_row():
    """A seed has to stand for the same initial weights in each row; then rows differ by their setting alone."""
    other = copy.deepcopy(results)
    starts = [run["start_loss"] for run in other["no clipping"]]
    for run, start in zip(other["no clipping"], starts[1:] + starts[:1], strict=True):
        run["start_loss"] = start
    return other


# %% mistake of="results" fails="runs start from nothing, and the full pipeline learns"
def never_takes_a_step():
    """A full pipeline at 10 % has learned nothing: then no row can lose anything."""
    idle = copy.deepcopy(results)
    for k, run in enumerate(idle["full pipeline"]):
        run["test_accuracy"] = 0.095 + 0.002 * k
    return idle


# %% mistake of="findings" fails="the findings follow from the results"
def looks_for_gains_alone():
    """The largest impact may be a loss: compare the changes by their size, not by their sign."""
    table = summarize(results)
    return {
        "largest": max(SINGLES, key=lambda name: table[name]["change"]),
        "decided": [n for n in SINGLES if abs(table[n]["change"]) > 2 * table[n]["change_se"]],
        "interaction": interaction(
            results, "no batch norm", "no dropout", "no batch norm, no dropout"
        ),
    }
