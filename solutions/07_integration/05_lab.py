# %% exercise [markdown] items="98 99 100" stars=3 minutes=150 level="evaluate" goal="measure what a technique adds, and say when the measurement does not show it" objective="integration"
r"""
# What actually helps on MNIST?
Initialization, batch norm, dropout, L2, label smoothing: every recipe has them all. By how much does
each of them help *here*, and is that more than chance? A list of promises does not say, and here is one
that is often copied, beside what was measured for this course with the full MNIST (60,000 digits, 10
epochs, accuracy and loss on the test set, two seeds):

| row | init | batch norm | dropout | L2 | smoothing | promised | measured | test loss |
|---|---|---|---|---|---|---|---|---|
| 1 | small: std 0.01 | no | 0 | 0 | 0 | 96.5 % | 98.06, 98.11 | 0.079, 0.085 |
| 2 | Xavier | no | 0 | 0 | 0 | 97.2 % | 97.93, 97.91 | 0.092, 0.087 |
| 3 | He | no | 0 | 0 | 0 | 97.5 % | 98.07, 97.81 | 0.080, 0.102 |
| 4 | He | yes | 0 | 0 | 0 | 98.2 % | 97.91, 98.26 | 0.075, 0.062 |
| 5 | He | yes | 0.2 | 0 | 0 | 98.3 % | 98.37, 98.17 | 0.058, 0.067 |
| 6 | He | yes | 0.2 | 0.0001 | 0 | 98.5 % | 98.30, 98.18 | 0.057, 0.058 |
| 7 | He | yes | 0.2 | 0.0001 | 0.1 | 98.6 % | 98.47, 98.55 | 0.139, 0.139 |

The promise ranks all seven. In the measurement, another seed moves a row by as much as most steps are worth,
and the poor start of row 1 costs nothing. So measure it yourself, on 8,000 digits and with three seeds, and
hand in what the lab asks for: a table, curves, a bar chart and a page of analysis. (With fewer digits and
steps your accuracies are near 96 %, and what helps may be something else than in the table above.)

The network is 784 → 512 → 256 → 10 with ReLU, the optimizer Adam with rate 0.001, the batches have 128
digits, and there are 6 epochs: what is not in the table is the same in every row. Three things need care.

- **One loss for all rows.** A smoothed loss cannot fall below 0.5003 (ten classes, 0.1), and an unsmoothed
  one can: rows 6 and 7 could not be compared. Smoothing is for training. What is *reported* is the
  cross-entropy with hard labels, in every row.
- **One order of changes is one of many.** What dropout adds on top of batch norm is not what it adds
  without. So each technique is measured twice: as a step of the ladder above, and left out of row 7.
- **Check the start.** Who guesses is right one time in ten. The loss of a guess is $\ln 10 = 2.303$ only
  while the scores are near 0, as in row 1. He's weights in *all* layers give scores of variance 2, and the
  loss starts near 3.

| part | share | graded here by |
|---|---|---|
| code | 35 % | networks, training, the record of your runs |
| reproducibility | 10 % | equal seeds: equal starts, equal batches, equal results |
| table and figures | 25 % | table, curves, bars |
| analysis | 30 % | a question, and the page at the end, which a reader grades |

Points are whole, so the shares hold within a few percent. Whoever repeats the lab on CIFAR-10 and compares
the conclusions gets up to 15 % more from the reader. (The handout where this lab comes from counts that
"bonus" among its 100 points, so that without it nobody can have more than 85.)
"""

# %%
import math
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import BUNDLED, mnist

BATCH, RATE, EPOCHS, SEEDS = 128, 1e-3, 6, (0, 1, 2)
Part = tuple[Tensor, Tensor]  # images as rows of numbers, and their labels


def experiment(init, bn=False, dropout=0.0, l2=0.0, smoothing=0.0) -> dict:
    """A row of the table: what it changes. `dropout` is the drop probability."""
    return {"init": init, "bn": bn, "dropout": dropout, "l2": l2, "smoothing": smoothing}


ROWS = {
    "1 small": experiment("small"),
    "2 Xavier": experiment("xavier"),
    "3 He": experiment("he"),
    "4 batch norm": experiment("he", True),
    "5 dropout": experiment("he", True, 0.2),
    "6 L2": experiment("he", True, 0.2, 1e-4),
    "7 smoothing": experiment("he", True, 0.2, 1e-4, 0.1),
}

digits, unseen = mnist(train=True, root=BUNDLED), mnist(train=False, root=BUNDLED)
pixels, unseen_pixels = (d.floats(normalised=True).flatten(1) for d in (digits, unseen))


def parts(train: int = 8000, val: int = 2000, test: int = 2000) -> dict[str, Part]:
    """So many digits to "train" with, to look at meanwhile ("val"), and to "test" with at the end."""
    kept = slice(8000, 8000 + val)
    return {
        "train": (pixels[:train], digits.labels[:train]),
        "val": (pixels[kept], digits.labels[kept]),
        "test": (unseen_pixels[:test], unseen.labels[:test]),
    }


def batches(n: int, seed: int, epoch: int) -> tuple[Tensor, ...]:
    """The batches of an epoch, as positions among `n` digits. It draws from a generator of its own."""
    order = torch.Generator().manual_seed(1000 * seed + epoch)
    return torch.randperm(n, generator=order).split(BATCH)


# %% [markdown]
r"""
## 1. The networks
Weights are drawn from a normal distribution with mean 0 and the standard deviation of the row's `init`:

$$ \texttt{small}: 0.01 \qquad \texttt{xavier}: \sqrt{\frac{2}{n_\text{in} + n_\text{out}}} \qquad
\texttt{he}: \sqrt{\frac{2}{n_\text{in}}} $$

This holds for all three weight matrices. Biases start at 0.
"""


# %% solution
def mlp(row: dict) -> nn.Sequential:
    """The network of a row, 784 → 512 → 256 → 10, not trained yet.

    After each of the two hidden `Linear`: `BatchNorm1d` if `row["bn"]`, `ReLU`, `Dropout` with the
    row's rate (which may be missing if that is 0). In front of a batch norm a `Linear` has no bias.
    """
    ### BEGIN SOLUTION
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((784, 512, 256, 10)):
        hidden = n_out != 10
        layers.append(nn.Linear(n_in, n_out, bias=not (hidden and row["bn"])))
        stds = {"small": 0.01, "xavier": (2 / (n_in + n_out)) ** 0.5, "he": (2 / n_in) ** 0.5}
        nn.init.normal_(layers[-1].weight, std=stds[row["init"]])
        if layers[-1].bias is not None:
            nn.init.zeros_(layers[-1].bias)
        if hidden:
            norm = [nn.BatchNorm1d(n_out)] if row["bn"] else []
            layers += [*norm, nn.ReLU(), nn.Dropout(row["dropout"])]
    return nn.Sequential(*layers)
    ### END SOLUTION


# %% check
# Networks stay where your code is; a function marked `student_side` runs there and brings plain
# data back.
@student_side
def count(row):
    return sum(parameter.numel() for parameter in mlp(row).parameters())


# Weights and biases: 785 * 512 + 513 * 256 + 257 * 10. Batch norm adds 2 numbers for each of the
# 768 hidden units and makes their 768 biases superfluous.
for name, wanted in (("3 He", 535_818), ("4 batch norm", 536_586)):
    expect.equal(
        count(ROWS[name]),
        wanted,
        when=f"counting the parameters of row {name!r}",
        think="Which layers have a bias, and what does a batch norm learn?",
    )

# %% [markdown]
r"""
## 2. One run
A run is *reproducible* if its row and its seed decide everything: the first weights, the dropout masks, the
order of the digits. And runs of two rows are *comparable* if the same seed gives both the same batches. If
the order came from the generator that draws the masks, too, a row with dropout would see other batches than
one without. `batches` has a generator of its own; use it.
"""


# %% solution
def measure(model: nn.Module, part: Part) -> tuple[float, float]:
    """The mean cross-entropy with hard labels and the share of right answers, in evaluation mode."""
    ### BEGIN SOLUTION
    x, y = part
    with torch.no_grad():
        scores = model.eval()(x)
    return F.cross_entropy(scores, y).item(), (scores.argmax(dim=1) == y).float().mean().item()
    ### END SOLUTION


def train_row(model: nn.Module, row: dict, split: dict[str, Part], seed: int, epochs: int) -> dict:
    """Train `model` with Adam on split["train"]: the row's smoothing, and its L2 as `weight_decay`.

    Epochs count from 1; their batches are `batches(n, seed, epoch)`. Returns floats and lists:
    "train_loss", "val_loss"      before training and after each epoch: epochs + 1 numbers
    "start_accuracy"              on the test part, before training
    "accuracy", "loss"            on the test part, at the end
    """
    ### BEGIN SOLUTION
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=row["l2"])
    x, y = split["train"]
    found: dict = {"train_loss": [], "val_loss": []}
    found["start_accuracy"] = measure(model, split["test"])[1]
    for epoch in range(epochs + 1):
        model.train()
        for batch in batches(len(y), seed, epoch) if epoch else ():
            optimizer.zero_grad()
            scores = model(x[batch])
            F.cross_entropy(scores, y[batch], label_smoothing=row["smoothing"]).backward()
            optimizer.step()
        for part in ("train", "val"):
            found[f"{part}_loss"].append(measure(model, split[part])[0])
    found["loss"], found["accuracy"] = measure(model, split["test"])
    return found
    ### END SOLUTION


def one_run(row: dict, seed: int, split: dict[str, Part], epochs: int) -> dict:
    """Build the row's network and train it: what `train_row` returns, and "seed".

    The same row and seed give the same run, whatever was drawn before.
    """
    ### BEGIN SOLUTION
    torch.manual_seed(seed)
    return {"seed": seed} | train_row(mlp(row), row, split, seed, epochs)
    ### END SOLUTION


# %% check
# A short run: 8 steps on 1,000 digits.
run = one_run(ROWS["1 small"], seed=0, split=parts(1000, 500, 500), epochs=1)
expect.kind(run, dict, when="running row 1 for one epoch")
for name, value in run.items():
    print(f"{name:<15}{value}")
expect.equal(
    set(run),
    {"seed", "train_loss", "val_loss", "start_accuracy", "loss", "accuracy"},
    when="reading the keys of a run",
    think="The two docstrings name them.",
)
expect.close(
    run["val_loss"][0],
    math.log(10),
    atol=0.02,  # weights of 0.01 give scores of a few hundredths
    when="reading the first validation loss of a network with small weights",
    think="Is it measured before the first step? Equal probabilities for ten classes cost ln 10.",
)

# %% [markdown]
r"""
## 3. What is left out
Row 7 has everything. To leave a technique out means to run row 7 with that one entry as it is in row 1,
where nothing is switched on.
"""


# %% solution
def leave_one_out(full: dict, bare: dict) -> dict[str, dict]:
    """For each entry in which the rows differ, "no <entry>": `full` with that entry as in `bare`."""
    ### BEGIN SOLUTION
    return {f"no {key}": full | {key: bare[key]} for key in full if full[key] != bare[key]}
    ### END SOLUTION


# %% check
expect.equal(
    leave_one_out({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 0, "c": 0}),
    {"no b": {"a": 1, "b": 0, "c": 3}, "no c": {"a": 1, "b": 2, "c": 0}},
    when="leaving one out of a 1, b 2, c 3, where the bare row has a 1, b 0, c 0",
    think="How many entries of a new row differ from the full one?",
)

# %% [markdown]
r"""
## 4. The lab
Set `FULL = True` and run the next cell: twelve rows, three seeds, about three minutes on two cores. ("no
smoothing" is row 6 once more. The two have to agree; if they do not, something besides row and seed decides
your runs.) It writes `lab.txt` beside this notebook. Leave the file there and set `FULL = False` again.
"""

# %%
FULL = False
LAB = Path("lab.txt")  # a line a run: row; seed; accuracy, loss, start; training; validation loss


def write_runs(rows: dict[str, dict], split: dict[str, Part]) -> None:
    """Run everything, and write each run as soon as it is there."""
    with LAB.open("w") as file:
        for name, row in rows.items():
            for seed in SEEDS:
                run = one_run(row, seed, split, EPOCHS)
                test = f"{run['accuracy']:.4f} {run['loss']:.3f} {run['start_accuracy']:.3f}"
                curves = (" ".join(f"{v:.3f}" for v in run[f"{p}_loss"]) for p in ("train", "val"))
                line = "; ".join([name, str(seed), test, *curves])
                print(line)
                print(line, file=file, flush=True)


def read_runs(text: str) -> dict[str, list[dict]]:
    """The runs of each row, as `one_run` returned them, from the text that was written."""
    runs: dict[str, list[dict]] = {}
    for line in text.strip().splitlines():
        name, seed, test, *curves = (field.strip() for field in line.split(";"))
        accuracy, loss, start = (float(word) for word in test.split())
        train, val = ([float(word) for word in curve.split()] for curve in curves)
        run = {"seed": int(seed), "accuracy": accuracy, "loss": loss, "start_accuracy": start}
        runs.setdefault(name, []).append(run | {"train_loss": train, "val_loss": val})
    return runs


if FULL:
    write_runs(ROWS | leave_one_out(ROWS["7 smoothing"], ROWS["1 small"]), parts())

# %% solution
# results: the runs of your lab: `read_runs` of what is in LAB, or of the lines it printed, pasted as a text.
### BEGIN SOLUTION
results = read_runs("""
1 small; 0; 0.9485 0.195 0.079; 2.303 0.340 0.259 0.145 0.116 0.078 0.061; 2.303 0.326 0.289 0.201 0.194 0.178 0.188
1 small; 1; 0.9465 0.184 0.132; 2.302 0.362 0.226 0.160 0.124 0.074 0.056; 2.302 0.355 0.254 0.219 0.195 0.179 0.172
1 small; 2; 0.9410 0.212 0.073; 2.303 0.363 0.254 0.163 0.142 0.088 0.068; 2.303 0.351 0.272 0.214 0.232 0.192 0.189
2 Xavier; 0; 0.9570 0.159 0.079; 2.619 0.186 0.108 0.054 0.046 0.019 0.010; 2.633 0.237 0.190 0.180 0.169 0.151 0.170
2 Xavier; 1; 0.9655 0.144 0.132; 2.680 0.208 0.110 0.064 0.049 0.021 0.012; 2.651 0.268 0.182 0.195 0.183 0.156 0.161
2 Xavier; 2; 0.9575 0.163 0.073; 2.794 0.230 0.112 0.062 0.029 0.026 0.014; 2.792 0.284 0.202 0.173 0.170 0.181 0.175
3 He; 0; 0.9580 0.158 0.079; 3.017 0.184 0.106 0.053 0.037 0.015 0.008; 3.040 0.251 0.197 0.189 0.165 0.156 0.173
3 He; 1; 0.9605 0.157 0.132; 3.253 0.189 0.102 0.053 0.035 0.025 0.012; 3.199 0.249 0.182 0.185 0.169 0.174 0.171
3 He; 2; 0.9570 0.177 0.073; 3.359 0.224 0.106 0.053 0.022 0.030 0.025; 3.355 0.291 0.214 0.172 0.166 0.200 0.185
4 batch norm; 0; 0.9650 0.147 0.090; 3.057 0.142 0.063 0.029 0.015 0.008 0.005; 3.020 0.214 0.163 0.159 0.153 0.147 0.156
4 batch norm; 1; 0.9640 0.138 0.108; 3.329 0.146 0.066 0.035 0.017 0.011 0.006; 3.281 0.205 0.167 0.151 0.137 0.139 0.146
4 batch norm; 2; 0.9660 0.140 0.114; 2.749 0.148 0.065 0.032 0.016 0.010 0.006; 2.762 0.216 0.168 0.154 0.151 0.144 0.150
5 dropout; 0; 0.9615 0.151 0.090; 3.057 0.202 0.106 0.064 0.039 0.030 0.017; 3.020 0.247 0.182 0.167 0.162 0.160 0.153
5 dropout; 1; 0.9615 0.143 0.108; 3.329 0.194 0.109 0.069 0.042 0.028 0.019; 3.281 0.226 0.184 0.159 0.150 0.139 0.147
5 dropout; 2; 0.9610 0.148 0.114; 2.749 0.197 0.105 0.066 0.042 0.030 0.018; 2.762 0.243 0.183 0.164 0.164 0.156 0.151
6 L2; 0; 0.9595 0.150 0.090; 3.057 0.202 0.106 0.064 0.040 0.030 0.017; 3.020 0.248 0.183 0.166 0.162 0.160 0.154
6 L2; 1; 0.9600 0.142 0.108; 3.329 0.195 0.110 0.069 0.042 0.029 0.019; 3.281 0.226 0.185 0.160 0.149 0.138 0.146
6 L2; 2; 0.9600 0.147 0.114; 2.749 0.197 0.106 0.066 0.042 0.031 0.018; 2.762 0.243 0.184 0.165 0.164 0.157 0.152
7 smoothing; 0; 0.9640 0.216 0.090; 3.057 0.270 0.189 0.157 0.131 0.122 0.112; 3.020 0.313 0.257 0.241 0.227 0.220 0.219
7 smoothing; 1; 0.9605 0.211 0.108; 3.329 0.267 0.188 0.155 0.136 0.119 0.111; 3.281 0.296 0.253 0.234 0.227 0.214 0.214
7 smoothing; 2; 0.9630 0.214 0.114; 2.749 0.267 0.187 0.156 0.133 0.123 0.113; 2.762 0.306 0.253 0.240 0.231 0.224 0.217
no init; 0; 0.9675 0.202 0.090; 2.303 0.290 0.194 0.159 0.141 0.116 0.104; 2.303 0.321 0.251 0.242 0.232 0.208 0.207
no init; 1; 0.9650 0.202 0.108; 2.302 0.285 0.187 0.157 0.137 0.108 0.107; 2.302 0.317 0.255 0.237 0.228 0.201 0.209
no init; 2; 0.9660 0.202 0.114; 2.302 0.312 0.203 0.160 0.132 0.114 0.108; 2.303 0.346 0.271 0.241 0.228 0.216 0.212
no bn; 0; 0.9635 0.233 0.079; 3.017 0.335 0.249 0.184 0.167 0.140 0.138; 3.040 0.353 0.291 0.250 0.240 0.226 0.233
no bn; 1; 0.9645 0.221 0.132; 3.253 0.337 0.237 0.208 0.170 0.153 0.127; 3.199 0.360 0.291 0.285 0.253 0.242 0.226
no bn; 2; 0.9665 0.229 0.073; 3.359 0.349 0.255 0.198 0.174 0.147 0.142; 3.355 0.377 0.315 0.272 0.266 0.242 0.244
no dropout; 0; 0.9625 0.238 0.090; 3.057 0.225 0.161 0.126 0.113 0.108 0.100; 3.020 0.297 0.261 0.245 0.243 0.242 0.240
no dropout; 1; 0.9675 0.234 0.108; 3.329 0.233 0.164 0.147 0.118 0.105 0.104; 3.281 0.288 0.257 0.257 0.239 0.233 0.236
no dropout; 2; 0.9640 0.235 0.114; 2.749 0.239 0.161 0.135 0.119 0.105 0.100; 2.762 0.304 0.262 0.255 0.251 0.239 0.241
no l2; 0; 0.9615 0.215 0.090; 3.057 0.268 0.188 0.155 0.130 0.120 0.111; 3.020 0.312 0.256 0.240 0.227 0.218 0.219
no l2; 1; 0.9600 0.209 0.108; 3.329 0.265 0.188 0.154 0.134 0.119 0.108; 3.281 0.295 0.252 0.233 0.226 0.214 0.212
no l2; 2; 0.9625 0.213 0.114; 2.749 0.265 0.186 0.154 0.132 0.120 0.111; 2.762 0.305 0.252 0.239 0.231 0.222 0.214
no smoothing; 0; 0.9595 0.150 0.090; 3.057 0.202 0.106 0.064 0.040 0.030 0.017; 3.020 0.248 0.183 0.166 0.162 0.160 0.154
no smoothing; 1; 0.9600 0.142 0.108; 3.329 0.195 0.110 0.069 0.042 0.029 0.019; 3.281 0.226 0.185 0.160 0.149 0.138 0.146
no smoothing; 2; 0.9600 0.147 0.114; 2.749 0.197 0.106 0.066 0.042 0.031 0.018; 2.762 0.243 0.184 0.165 0.164 0.157 0.152
""")
### END SOLUTION

# %% check
expect.kind(results, dict, when="reading your results", think="`read_runs` returns a dictionary.")
for name, runs in results.items():
    shown = "  ".join(f"{run['accuracy']:.2%}" for run in runs)
    print(f"{name:<14}{shown}")

# %% [markdown]
r"""
## 5. Table and curves
A mean without a spread cannot be compared with another. The spread here is the standard deviation over the
seeds, with $n - 1$ below the sum of squares, since the mean was estimated from the same runs.
"""


# %% solution
def lab_table(runs: dict[str, list[dict]]) -> list[dict]:
    """For each row, in the order of `runs`, means and standard deviations over its seeds.

    "row" (its name), "seeds" (how many), "accuracy", "accuracy_sd", "loss", "loss_sd" (test part).
    """
    ### BEGIN SOLUTION
    table = []
    for name, row in runs.items():
        line = {"row": name, "seeds": len(row)}
        for key in ("accuracy", "loss"):
            values = [run[key] for run in row]
            line |= {key: float(np.mean(values)), f"{key}_sd": float(np.std(values, ddof=1))}
        table.append(line)
    return table
    ### END SOLUTION


def plot_curves(runs: dict[str, list[dict]]) -> Figure:
    """Two axes side by side: the training losses, then the validation losses, over the epochs.

    One line for each of the seven ROWS, the mean over its seeds, from epoch 0 (not trained) on; a
    logarithmic loss axis, since a loss falls from 3 to 0.01; labels, titles, and a legend in the first.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), sharey=True, layout="constrained")
    for panel, part in zip(axes, ("training", "validation"), strict=True):
        key = {"training": "train_loss", "validation": "val_loss"}[part]
        for name in ROWS:
            curve = np.mean([run[key] for run in runs[name]], axis=0)
            panel.plot(range(len(curve)), curve, label=name)
        panel.set(title=f"Loss on the {part} digits", xlabel="epoch", ylabel="cross-entropy")
        panel.set_yscale("log")
    axes[0].legend()
    return figure
    ### END SOLUTION


# %%
def made_up(names, seeds, epochs: int = 3) -> dict[str, list[dict]]:
    """Runs with random numbers, to try functions on that only read runs. Seeds in any order."""

    def numbers(n):
        return (0.1 + torch.rand(n).double()).tolist()

    runs: dict[str, list[dict]] = {}
    for name in names:
        shuffled = [seeds[i] for i in torch.randperm(len(seeds)).tolist()]
        runs[name] = [
            {"seed": seed, "train_loss": numbers(epochs + 1), "val_loss": numbers(epochs + 1)}
            | dict(zip(("accuracy", "loss", "start_accuracy"), numbers(3), strict=True))
            for seed in shuffled
        ]
    return runs


# %% check
# 0.94, 0.95 and 0.96: the mean is 0.95, and the squares 0.0001 + 0 + 0.0001 over 2 are 0.01 squared.
torch.manual_seed(0)
three = made_up(["a row"], (0, 1, 2))
for run, accuracy in zip(three["a row"], (0.94, 0.95, 0.96), strict=True):
    run["accuracy"] = accuracy
line = lab_table(three)[0]
expect.close(
    [line["seeds"], line["accuracy"], line["accuracy_sd"]],
    [3, 0.95, 0.01],
    when="making the table of one row with the accuracies 0.94, 0.95 and 0.96",
    think="Which number stands below the sum of the squares?",
)
for line in lab_table(results):
    accuracy = f"{line['accuracy']:.2%} ± {line['accuracy_sd']:.2%}"
    print(f"{line['row']:<14}{accuracy}   loss {line['loss']:.3f} ± {line['loss_sd']:.3f}")
figure = plot_curves(results)
expect.figure(
    figure,
    when="drawing the curves of your lab",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    axes=0,
    legend=7,
    yscale="log",
)

# %% [markdown]
r"""
## 6. What each technique adds
The same seed means the same batches in both rows, so differences are taken seed by seed: what a lucky seed
does to both of them drops out. Of these differences, the mean and its *standard error* are reported, the
standard deviation over the seeds (with $n - 1$) divided by $\sqrt{n}$. Both are in percentage points.
"""

# %%
# For each technique, the rows of the ladder before and after it was added.
LADDER = {
    "init": ("1 small", "3 He"),
    "bn": ("3 He", "4 batch norm"),
    "dropout": ("4 batch norm", "5 dropout"),
    "l2": ("5 dropout", "6 L2"),
    "smoothing": ("6 L2", "7 smoothing"),
}


# %% solution
def contributions(runs: dict[str, list[dict]]) -> dict[str, dict[str, list[float]]]:
    """For each technique of LADDER, what it adds to the test accuracy: [mean, standard error].

    "ladder": the row after it was added minus the row before; "left out": row 7 minus the row without
    it ("no bn" and so on). Positive numbers mean that it helps. The runs of a row are in any order.
    """

    ### BEGIN SOLUTION
    def gain(without: str, added: str) -> list[float]:
        before, after = (
            {run["seed"]: run["accuracy"] for run in runs[r]} for r in (without, added)
        )
        steps = [100 * (after[seed] - before[seed]) for seed in before]
        return [float(np.mean(steps)), float(np.std(steps, ddof=1) / len(steps) ** 0.5)]

    return {
        name: {"ladder": gain(*step), "left out": gain(f"no {name}", "7 smoothing")}
        for name, step in LADDER.items()
    }
    ### END SOLUTION


def plot_contributions(effects: dict[str, dict[str, list[float]]]) -> Figure:
    """Two upright bars for each technique, "ladder" and "left out", with their standard errors.

    The axes have labels with the unit, the techniques are named below their bars, the legend tells the
    two kinds apart, and there is a title.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    places = np.arange(len(effects))
    for shift, kind in ((-0.2, "ladder"), (0.2, "left out")):
        heights, errors = zip(*(effect[kind] for effect in effects.values()), strict=True)
        axes.bar(places + shift, heights, width=0.4, yerr=errors, capsize=3, label=kind)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(places, list(effects))
    axes.set(xlabel="technique", ylabel="accuracy gained, percentage points")
    axes.set_title("What each technique adds")
    axes.legend(title="mean ± standard error")
    return figure
    ### END SOLUTION


# %%
@student_side
def picture(effects):
    """The bar chart, as plain data: what `expect` reads, the names below, and the whiskers."""
    figure = plot_contributions(effects)
    if not isinstance(figure, Figure):
        return figure, [], []
    whiskers = []
    for panel in figure.axes:
        panel.containers[:] = [c for c in panel.containers if hasattr(c, "patches")]
        for lines in panel.collections:
            for segment in lines.get_segments() if hasattr(lines, "get_segments") else ():
                whiskers.append([float(y) for y in sorted(point[1] for point in segment)])
    names = [tick.get_text() for panel in figure.axes for tick in panel.get_xticklabels()]
    return expect.describe_figure(figure), names, whiskers


# %% check
# By hand: row 7 gained 1 and 3 points over "no bn", so 2 on average. The deviations are -1 and 1, the
# standard deviation is the root of 2, and divided by the root of 2 that is an error of 1.
torch.manual_seed(0)
two = made_up([*ROWS, *(f"no {name}" for name in LADDER)], (0, 1))
for name, accuracies in (("7 smoothing", {0: 0.95, 1: 0.96}), ("no bn", {0: 0.94, 1: 0.93})):
    for run in two[name]:
        run["accuracy"] = accuracies[run["seed"]]
expect.close(
    contributions(two)["bn"]["left out"],
    [2.0, 1.0],
    when="comparing 95 and 96 % of row 7 with 94 and 93 % without batch norm, seeds 0 and 1",
    think="Which run of one row belongs to which run of the other?",
)
effects = contributions(results)
for name, effect in effects.items():
    told = (f"{kind} {mean:+.2f} ± {error:.2f}" for kind, (mean, error) in effect.items())
    print(f"{name:<11}", *told, sep="   ")
bars, _, _ = picture(effects)
expect.figure(
    bars,
    when="drawing the contributions of your lab",
    think="A picture is read without its author: what is on each axis, and which bar is which?",
    legend=2,
)


# %% hidden aspect="the networks are those of the table" points=1
@student_side
def anatomy(row):
    model, layers, spreads, biases = mlp(dict(row)), [], [], []
    for layer in model.modules():
        if isinstance(layer, nn.Linear):
            bias = "" if layer.bias is not None else ", no bias"
            layers.append(f"Linear {layer.in_features} -> {layer.out_features}{bias}")
            spreads.append(layer.weight.square().mean().sqrt().item())
            biases += [] if layer.bias is None else [layer.bias.abs().max().item()]
        elif isinstance(layer, nn.BatchNorm1d):
            layers.append(f"BatchNorm1d {layer.num_features}")
        elif isinstance(layer, nn.Dropout) and layer.p:
            layers.append(f"Dropout {layer.p:g}")
        elif isinstance(layer, nn.ReLU):
            layers.append("ReLU")
    return layers, spreads, biases


torch.manual_seed(1)
for row, stds in (
    (experiment("small", True, 0.35), (0.01, 0.01, 0.01)),
    (experiment("xavier", False, 0.5), (0.0392837, 0.0510310, 0.0867110)),
    (experiment("he", True), (0.0505076, 0.0625, 0.0883883)),
    (experiment("he"), (0.0505076, 0.0625, 0.0883883)),
):
    told = f"init {row['init']}, batch norm {row['bn']}, dropout {row['dropout']}"
    layers, spreads, biases = anatomy(row)
    bias = ", no bias" if row["bn"] else ""
    wanted = []
    for n_in, n_out in ((784, 512), (512, 256)):
        wanted += [f"Linear {n_in} -> {n_out}{bias}"]
        wanted += [f"BatchNorm1d {n_out}"] if row["bn"] else []
        wanted += ["ReLU"] + ([f"Dropout {row['dropout']:g}"] if row["dropout"] else [])
    expect.equal(
        layers,
        [*wanted, "Linear 256 -> 10"],
        when=f"listing the layers of a network with {told}",
        think="What follows a hidden Linear, in which order, and what does a norm do to a bias?",
    )
    # Of n drawn weights the root mean square is off by 1 / sqrt(2 n): at most 0.2 % in the hidden layers,
    # and 1.4 % of 2,560 weights. At 10 and at 7 of these, a false alarm has a rate below 1e-11.
    for layer, (got, std, rtol) in enumerate(zip(spreads, stds, (0.02, 0.02, 0.1), strict=True), 1):
        expect.close(
            got,
            std,
            rtol=rtol,
            when=f"measuring the spread of the weights of Linear {layer}, {told}",
            think="n_in or n_out, variance or standard deviation? The output layer is drawn like others.",
        )
    expect.equal(
        set(biases),
        {0.0},
        when=f"looking for the largest bias of a network with {told}",
        think="PyTorch draws biases, too; the table does not.",
    )

# %% hidden aspect="a short run goes from guessing to reading" points=1
torch.manual_seed(2)
seed = int(torch.randint(9999, (1,)))
run = one_run(dict(ROWS["4 batch norm"]), seed, parts(2000, 500, 1000), 1)
expect.kind(run, dict, when="running row 4 for one epoch on 2,000 digits")
expect.equal(
    {key: len(run[key]) for key in ("train_loss", "val_loss")},
    {"train_loss": 2, "val_loss": 2},
    when="counting the losses of a run of one epoch",
    think="The first of them is measured before training.",
)
# Before training, over 3,297 seeds: accuracy 0.10 +- 0.026, at most 0.206; loss 3.06 +- 0.25, from
# 2.46 to 4.35. After the epoch, over 40 seeds: accuracy 0.834 +- 0.009 (0.805 to 0.848), loss 0.52 +- 0.02.
# So the rate of a false alarm is below 1e-7 for each band.
expect.between(
    run["start_accuracy"],
    0.0,
    0.3,
    when="reading the accuracy before training, row 4",
    think="An untrained network guesses: one in ten, as a share. Was anything trained before?",
)
for part in ("train_loss", "val_loss"):
    expect.between(
        run[part][0],
        2.25,
        7.0,
        when=f"reading the first {part}, row 4",
        think="Equal probabilities cost ln 10, He's larger scores a little more. Is it the mean loss?",
    )
    expect.between(
        run[part][1],
        0.2,
        0.9,
        when=f"reading the {part} after one epoch on 2,000 digits, row 4",
        think="Sixteen steps are enough for a loss of about a half. Does each step see its own gradient?",
    )
expect.between(
    run["accuracy"],
    0.7,
    0.95,
    when="reading the test accuracy after one epoch on 2,000 digits, row 4",
    think="Sixteen steps are enough to read four digits of five.",
)

# %% hidden aspect="what is reported is the loss of hard labels, each on its own part" points=1
torch.manual_seed(3)
weight, bias = torch.randn(10, 6).double(), torch.randn(10).double()
split = {
    part: (torch.randn(n, 6).double(), torch.randint(10, (n,)))
    for part, n in (("train", 40), ("val", 31), ("test", 53))
}


@student_side
def reported(weight, bias, split, smoothing):
    model = nn.Linear(6, 10).double()
    model.load_state_dict({"weight": weight, "bias": bias})
    return train_row(model, experiment("he", smoothing=smoothing), split, 0, 0)


scores = {part: x @ weight.T + bias for part, (x, _) in split.items()}
wanted = {part: F.cross_entropy(scores[part], y).item() for part, (_, y) in split.items()}
right = (scores["test"].argmax(dim=1) == split["test"][1]).double().mean().item()
for smoothing in (0.0, 0.4):
    found = reported(weight, bias, split, smoothing)
    expect.kind(found, dict, when="running a row for no epoch")
    for name, value in (
        ("train_loss", [wanted["train"]]),
        ("val_loss", [wanted["val"]]),
        ("loss", wanted["test"]),
        ("accuracy", right),
        ("start_accuracy", right),
    ):
        expect.close(
            found[name],
            value,
            rtol=1e-6,  # a share may have been computed in float32
            when=f"reading {name!r} of a given model, no epoch, smoothing {smoothing}",
            think="Rows with and without smoothing are to be compared. Which loss, and on which digits?",
        )

# %% hidden aspect="training is done in training mode, measuring in evaluation mode" points=1
from autograder import reference

torch.manual_seed(4)


def with_norm():
    return nn.Sequential(
        nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)
    ).double()


@student_side
def after_training(state, split):
    model = nn.Sequential(
        nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10)
    ).double()
    model.load_state_dict(state)
    found = train_row(model, experiment("he", True), split, 5, 2)
    return found, {name: value.detach().clone() for name, value in model.state_dict().items()}


model = with_norm()
model[1].running_mean.normal_()
model[1].running_var.uniform_(0.5, 2.0)
state = {name: value.clone() for name, value in model.state_dict().items()}
# Ninety samples are one batch, whatever their order.
split = {
    part: (torch.randn(n, 6).double(), torch.randint(10, (n,)))
    for part, n in (("train", 90), ("val", 31), ("test", 53))
}
found, after = after_training(state, split)
wanted = reference.train_row(model, experiment("he", True), split, 5, 2)
for name in ("val_loss", "loss"):
    expect.close(
        found[name],
        wanted[name],
        rtol=1e-6,  # Adam divides by the root of a squared gradient, and lets rounding grow
        when=f"reading {name!r} of a network with batch norm, two epochs",
        think="Which statistics does a batch norm use while it is measured, and does that change them?",
    )
for name in ("1.running_mean", "1.running_var", "0.weight"):
    expect.close(
        after[name],
        model.state_dict()[name],
        rtol=1e-6,  # as above
        when=f"looking at {name!r} of a network with batch norm after two epochs",
        think="Measuring switches the mode. What has to be switched back, and when?",
    )

# %% hidden aspect="every epoch sees the batches of its seed" points=1
from autograder import reference

torch.manual_seed(5)
weight, bias = torch.randn(10, 6).double(), torch.randn(10).double()
# Three hundred samples are three batches, the last one smaller.
split = {
    part: (torch.randn(n, 6).double(), torch.randint(10, (n,)))
    for part, n in (("train", 300), ("val", 20), ("test", 20))
}


@student_side
def trained(weight, bias, split, seed):
    model = nn.Linear(6, 10).double()
    model.load_state_dict({"weight": weight, "bias": bias})
    train_row(model, experiment("small", False, 0.5), split, seed, 2)
    return model.weight.detach().clone()


for seed in (0, 7):
    model = nn.Linear(6, 10).double()
    model.load_state_dict({"weight": weight, "bias": bias})
    reference.train_row(model, experiment("small", False, 0.5), split, seed, 2)
    expect.close(
        trained(weight, bias, split, seed),
        model.weight.detach(),
        rtol=1e-6,  # Adam divides by the root of a squared gradient, and lets rounding grow
        when=f"looking at the weights of a linear model after two epochs of three batches, seed {seed}",
        think="All rows see the same digits in the same order: `batches` knows it, from seed and epoch, "
        "and epochs count from 1.",
    )

# %% hidden aspect="smoothing and L2 act in training as the row says" points=1
from autograder import reference

torch.manual_seed(6)
weight, bias = torch.randn(10, 6).double(), torch.randn(10).double()
split = {
    part: (torch.randn(n, 6).double(), torch.randint(10, (n,)))
    for part, n in (("train", 100), ("val", 20), ("test", 20))
}


@student_side
def trained_as(weight, bias, split, l2, smoothing):
    model = nn.Linear(6, 10).double()
    model.load_state_dict({"weight": weight, "bias": bias})
    train_row(model, experiment("he", l2=l2, smoothing=smoothing), split, 3, 3)
    return model.weight.detach().clone()


for l2, smoothing in ((0.0, 0.3), (0.05, 0.0), (0.02, 0.6)):
    model = nn.Linear(6, 10).double()
    model.load_state_dict({"weight": weight, "bias": bias})
    reference.train_row(model, experiment("he", l2=l2, smoothing=smoothing), split, 3, 3)
    expect.close(
        trained_as(weight, bias, split, l2, smoothing),
        model.weight.detach(),
        rtol=1e-6,  # Adam divides by the root of a squared gradient, and lets rounding grow
        when=f"looking at the weights after three steps with L2 {l2} and smoothing {smoothing}",
        think="The row's smoothing is for the loss that is trained with. And its L2 is part of the "
        "gradient that Adam sees.",
    )

# %% hidden aspect="row and seed decide a run" points=1
torch.manual_seed(7)
seed, small = int(torch.randint(9999, (1,))), parts(256, 100, 100)
row = dict(ROWS["5 dropout"])
first = one_run(dict(row), seed, small, 1)
expect.kind(first, dict, when="running row 5 for one epoch")
torch.rand(3)
again = one_run(dict(row), seed, small, 1)
for name in ("train_loss", "val_loss"):
    expect.close(
        again[name],
        first[name],
        rtol=1e-4,  # the same numbers, up to how a processor adds them
        when=f"reading the {name} of the same run once more, after other random numbers were drawn",
        think="What draws first: the weights, or the masks? Is the seed set before both?",
    )
start = one_run(dict(ROWS["6 L2"]), seed, small, 0)
expect.close(
    start["val_loss"][0],
    first["val_loss"][0],
    rtol=1e-4,  # as above
    when="comparing the first validation loss of rows 6 and 5, which have equal networks, for one seed",
    think="The same seed is to give both rows the same start.",
)
# Over seeds the first loss has a spread of 0.25: four of them lie within 1e-5 once in 1e12 (false alarm).
starts = [one_run(dict(row), seed + more, small, 0)["val_loss"][0] for more in (0, 1, 2, 3)]
expect.true(
    max(starts) - min(starts) > 1e-5,
    when="comparing the first validation losses of four seeds",
    wanted="different ones",
    got="the same",
    think="The seed is for the weights as well as for the order. Seeds that give one start are one seed.",
)
expect.equal(
    first.get("seed", "no seed"),
    seed,
    when="reading the seed of a run",
    think="Whoever reads the record wants to know which runs belong together.",
)

# %% hidden aspect="the record has every row with the same three seeds or more, no two runs alike" points=1
expect.kind(results, dict, when="reading your results", think="`read_runs` returns a dictionary.")
wanted = {*ROWS, "no init", "no bn", "no dropout", "no l2", "no smoothing"}
expect.equal(
    set(results),
    wanted,
    when="listing the rows of your results",
    think="Seven rows of the table, and five in which something is left out.",
)
seeds = sorted(run["seed"] for run in results["1 small"])
expect.true(
    len(set(seeds)) == len(seeds) >= 3,
    when="reading the seeds of row 1 in your results",
    wanted="three different ones or more",
    got=f"{seeds}",
    think="The spread of one or two runs says nothing.",
)
for name, runs in results.items():
    expect.equal(
        sorted(run["seed"] for run in runs),
        seeds,
        when=f"reading the seeds of row {name!r} in your results",
        think="Rows are compared seed by seed.",
    )
    told = {(*run["train_loss"], *run["val_loss"]) for run in runs}
    expect.equal(
        len(told),
        len(runs),
        when=f"counting the different runs of row {name!r} in your results",
        think="Another seed draws other weights. Was it set, and used?",
    )

# %% hidden aspect="in the record, equal networks start alike, seed by seed" points=1
expect.kind(results, dict, when="reading your results", think="`read_runs` returns a dictionary.")
expect.true(
    {*ROWS, "no smoothing"} <= set(results),
    when="looking for the rows in your results",
    wanted="all seven of them, and what was left out",
    got=f"{len(results)} rows",
    think="Is the whole of what your run wrote there?",
)
deep = ("4 batch norm", "5 dropout", "6 L2", "7 smoothing", "no dropout", "no l2", "no smoothing")
for same in (deep, ("3 He", "no bn")):
    starts = {
        name: {run["seed"]: run["val_loss"][0] for run in results[name]}
        for name in same
        if name in results
    }
    for name, start in starts.items():
        for seed, loss in start.items():
            expect.close(
                loss,
                starts[same[0]].get(seed, loss),
                atol=2e-3,  # three decimals were kept
                when=f"comparing the first validation loss of rows {name!r} and {same[0]!r}, seed {seed}",
                think="What they differ in begins to act with the first step. What does the seed decide?",
            )
ends = {
    name: {run["seed"]: run["accuracy"] for run in results.get(name, ())}
    for name in ("6 L2", "no smoothing")
}
for seed, accuracy in ends["no smoothing"].items():
    expect.close(
        accuracy,
        ends["6 L2"].get(seed, accuracy),
        atol=0.02,  # processors may add in another order; seeds of one row differ by 0.003
        when=f"comparing the accuracies of rows 'no smoothing' and '6 L2', seed {seed}",
        think="They are the same experiment twice.",
    )

# %% hidden aspect="in the record, every run goes from guessing to reading" points=1
expect.kind(results, dict, when="reading your results", think="`read_runs` returns a dictionary.")
expect.true(
    {*ROWS, "no smoothing"} <= set(results),
    when="looking for the rows in your results",
    wanted="all seven of them, and what was left out",
    got=f"{len(results)} rows",
    think="Is the whole of what your run wrote there?",
)
# Over the 36 runs of the reference, and 20 seeds of row 1, the worst: accuracy from 0.931 (mean 0.947), its
# loss at the start 2.302 to 2.304; other rows start from 2.62 to 3.36, and untrained accuracies are 0.07 to
# 0.16. The last training loss is at most 0.142, with smoothing as well. The start may
# give a false alarm as in "a short run", below 1e-7.
for name, runs in results.items():
    small = name in ("1 small", "no init")
    for run in runs:
        which = f"row {name!r}, seed {run['seed']} of your results"
        expect.between(
            run["start_accuracy"],
            0.0,
            0.3,
            when=f"reading the accuracy before training, {which}",
            think="An untrained network guesses: one in ten, as a share.",
        )
        for part in ("train_loss", "val_loss"):
            expect.between(
                run[part][0],
                2.28 if small else 2.25,
                2.33 if small else 7.0,
                when=f"reading the first {part}, {which}",
                think="Before training: ln 10 for scores near 0, and somewhat more for He's.",
            )
        expect.between(
            run["accuracy"],
            0.8,
            1.0,
            when=f"reading the test accuracy, {which}",
            think="It is a share, after six epochs on 8,000 digits.",
        )
        expect.between(
            run["train_loss"][-1],
            0.0,
            0.45,
            when=f"reading the last training loss, {which}",
            think="A loss with smoothed labels never gets below 0.5003, one with hard labels does.",
        )

# %% hidden aspect="the table has the means and deviations of its rows" points=2
torch.manual_seed(11)
runs = made_up(["b", "a"], (3, 1, 4)) | made_up(["c"], (5, 9, 2, 6, 8))
table = lab_table(runs)
expect.kind(table, (list, tuple), when="making the table of made-up runs")
expect.equal(
    [line["row"] for line in table],
    ["b", "a", "c"],
    when="reading the names in a table of the rows b, a, c",
    think="In the order of the runs, a line each.",
)
for line in table:
    of = runs[line["row"]]
    expect.equal(
        line["seeds"],
        len(of),
        when=f"reading how many seeds a row of {len(of)} runs has",
        think="A spread is worth as much as there are runs behind it.",
    )
    for key in ("accuracy", "loss"):
        values = np.array([run[key] for run in of])
        expect.close(
            line[key],
            values.mean(),
            rtol=1e-5,  # computed from float32, for all we know
            when=f"reading the {key} of a row of {len(of)} runs",
            think="The mean over all seeds, of what was measured on the test part.",
        )
        expect.close(
            line[f"{key}_sd"],
            values.std(ddof=1),
            rtol=1e-5,  # computed from float32, for all we know
            when=f"reading the {key}_sd of a row of {len(of)} runs",
            think="The spread of the runs themselves; n - 1 because their own mean is subtracted.",
        )

# %% hidden aspect="the curves are the means over the seeds, for both parts" points=2
torch.manual_seed(12)
runs = made_up([*ROWS, "no bn"], (0, 1, 2, 3), epochs=4)
figure = plot_curves(runs)
for panel, key in enumerate(("train_loss", "val_loss")):
    expect.figure(
        figure,
        when=f"drawing the {key} of made-up runs, four epochs",
        think="For each row the mean over its seeds, over the epochs from 0 on. Losses differ by factors.",
        axes=panel,
        lines=[(range(5), np.mean([run[key] for run in runs[name]], axis=0)) for name in ROWS],
        yscale="log",
        legend=0 if panel else 7,
    )
shown = figure if isinstance(figure, dict) else expect.describe_figure(figure)
told = shown["axes"][0]["legend"]
for name in ROWS:
    expect.true(
        any(name in label for label in told),
        when="reading the legend",
        wanted=f"the row {name!r}",
        got=f"{len(told)} others",
        think="The names of the rows are the names of the lines.",
    )

# %% hidden aspect="leaving one out changes one entry of the full row" points=1
full, bare = dict(ROWS["7 smoothing"]), dict(ROWS["1 small"])
base = {"init": "small", "bn": False, "dropout": 0.0, "l2": 0.0, "smoothing": 0.0}
everything = experiment("he", True, 0.2, 1e-4, 0.1)
expect.equal(
    leave_one_out(full, bare),
    {f"no {key}": everything | {key: base[key]} for key in base},
    when="leaving one technique after the other out of row 7",
    think="All the others are as in row 7, and this one is as in row 1.",
)
expect.equal(
    leave_one_out({"x": 3, "y": 0, "z": 5}, {"x": 3, "y": 7, "z": 2}),
    {"no y": {"x": 3, "y": 7, "z": 5}, "no z": {"x": 3, "y": 0, "z": 2}},
    when="leaving one out of x 3, y 0, z 5, where the bare row has x 3, y 7, z 2",
    think="An entry that is the same in both rows cannot be left out. `bare` says what off means.",
)
expect.equal(
    [full, bare],
    [everything, base],
    when="looking at both rows after rows were made from them",
    think="A new row is a new dictionary.",
)

# %% hidden aspect="contributions are differences seed by seed, with their standard errors" points=1
from autograder import reference

torch.manual_seed(14)
for seeds in ((0, 1, 2), (4, 0, 7, 5, 2)):
    runs = made_up([*ROWS, *(f"no {name}" for name in LADDER)], seeds)
    found, wanted = contributions(runs), reference.contributions(runs)
    expect.kind(found, dict, when="computing the contributions of made-up runs")
    expect.equal(set(found), set(LADDER), when="listing the techniques")
    for name, kind in ((name, kind) for name in LADDER for kind in ("ladder", "left out")):
        told = " - ".join(LADDER[name][::-1]) if kind == "ladder" else f"7 smoothing - no {name}"
        for place, what in enumerate(("mean", "standard error")):
            expect.close(
                found[name][kind][place],
                wanted[name][kind][place],
                rtol=1e-5,  # computed from float32, for all we know
                when=f"reading the {what} of {name!r}, {kind!r} ({told}), {len(seeds)} made-up seeds",
                think="One difference a seed, in percentage points; then their mean, and how well it is "
                "known.",
            )

# %% hidden aspect="the bars are the contributions, with their errors" points=1
torch.manual_seed(15)
effects = {
    name: {kind: [value.item() for value in torch.rand(2) + 0.5] for kind in ("ladder", "left out")}
    for name in ("init", "bn", "dropout", "l2", "smoothing")
}
effects["bn"]["left out"][0] *= -1
shown, names, whiskers = picture(effects)
ladder, left = ([effect[kind][0] for effect in effects.values()] for kind in ("ladder", "left out"))
expect.figure(
    shown,
    when="drawing made-up contributions",
    think="Upright bars, two for each technique, and a legend that tells them apart.",
    legend=2,
)
bars = shown["axes"][0]["bars"]
expect.close(
    sorted(float(bar) for bar in bars),
    sorted(ladder + left),
    when="reading the heights of the bars, in order of size",
    think="Each bar is one mean; a technique may cost something.",
)
for name, effect in effects.items():
    expect.true(
        any(name in label for label in names),
        when="reading the names below the bars",
        wanted=f"{name!r}",
        got="none of that name",
        think="Whoever looks at a bar wants to know whose it is.",
    )
    for kind, (mean, error) in effect.items():
        ends = [mean - error, mean + error]
        near = any(np.allclose(one, ends) for one in whiskers if len(one) == 2)
        expect.true(
            near,
            when=f"looking for the whiskers of {name!r}, {kind!r}: {mean:.3f} with error {error:.3f}",
            wanted=f"a line from {ends[0]:.3f} to {ends[1]:.3f}",
            got=f"none of {len(whiskers)} that",
            think="A bar without its error promises more than three seeds can hold.",
        )

# %% [markdown]
r"""
## 7. What it means
A question, then your analysis.
"""

# %% setup
import math

import torch
import torch.nn.functional as F
from torch import nn

from autograder.datasets import BUNDLED, mnist

digits = mnist(train=True, root=BUNDLED)
tiles = F.avg_pool2d(digits.floats(normalised=True)[:1200, None], 2).flatten(1)
tiles = tiles / tiles.std()

# %% choice [markdown] id="higher-loss-and-more-right" points=1 objective="regularization" level="analyze" items="99"
r"""
In the measurement with the full MNIST, row 7 has the highest test loss by far, 0.139 with hard labels, and the
highest accuracy. How do the two go together?

- [ ] Smoothing is part of the loss that is shown there, and it adds 0.5003.
  > The loss shown has hard labels, in every row. And 0.139 is below 0.5003.
- [x] It learned to give even a clear digit about 0.91, and never more.
  > Yes: with 0.1 spread over ten classes, the best that it can say is 0.91; that costs 0.094 on every right answer.
- [ ] Row 7 overfits: its loss rises while its accuracy stays.
  > Overfitting looks like this, too: a few answers that are wrong and sure. Here all the others cost something.
- [ ] Smoothing moves the border between the classes, so that more test digits are near it.
  > Then some of them would fall on the wrong side. What does the loss of a digit far from any border tell?
"""

# %% evidence
# The best scores for a smoothed label, found by descent: probability 0.91, floor 0.5003, hard loss 0.094.
scores = torch.randn(8, 10).double().requires_grad_()
label = torch.randint(10, (8,))
optimizer = torch.optim.LBFGS([scores], max_iter=200, line_search_fn="strong_wolfe")


def smoothed():
    optimizer.zero_grad()
    loss = F.cross_entropy(scores, label, label_smoothing=0.1)
    loss.backward()
    return loss


optimizer.step(smoothed)
with torch.no_grad():
    sure = scores.softmax(1)[torch.arange(8), label]
    assert (sure - 0.91).abs().max() < 1e-3
    assert abs(F.cross_entropy(scores, label, label_smoothing=0.1).item() - 0.5003) < 2e-4
    assert abs(F.cross_entropy(scores, label).item() - 0.0943) < 2e-3
    assert (scores.argmax(1) == label).all()

# %% text [markdown] id="analysis" points=6 objective="integration" level="evaluate" items="99 100"
r"""
Write your analysis, about a page: which technique helps most in your lab, and why? Use your numbers with their
errors, your curves, and both kinds of bars. Say what your lab does not show.

- [1] The largest effects, with means and errors from the table or the bars, for the ladder and for leaving out.
- [1] Effects that the seeds' own spread could make are not ranked, and not called zero either; with three seeds even an effect of twice its standard error is no proof.
- [1] Initialization: what small weights cost without batch norm (nothing after ten epochs of the full set) and with it, which undoes their scale; it is depth that makes them fail, from about ten layers on.
- [1] Why ladder and left-out bars differ: what a technique adds depends on what is there already, so an order of changes is no ranking.
- [1] A reason for one effect that the curves support, such as that dropout holds the training loss up; with what was seen on the validation digits at the same time.
- [1] Limits: one network, few digits, six epochs, settings not tuned for each row; and why the test loss of smoothed rows is not comparable with that of others although their labels are hard.
"""

# %% evidence
# Three seeds: of means that are 0, one in five is more than two standard errors away (t, 2 degrees).
draws = torch.randn(20000, 3)
far = (draws.mean(1) / (draws.std(1) / 3**0.5)).abs()
assert 0.15 < (far > 2).float().mean() < 0.22 and 0.03 < (far > 4.303).float().mean() < 0.07


# %% evidence
# Small weights in two hidden layers learn with Adam, in ten they do not; He's do in both.
def learned(hidden, std):
    layers, width = [], 196
    for _ in range(hidden):
        layers += [nn.Linear(width, 64), nn.ReLU()]
        width = 64
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=std or (2 / layer.in_features) ** 0.5)
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(60):
        rows = torch.randint(1000, (64,))
        optimizer.zero_grad()
        F.cross_entropy(model(tiles[rows]), digits.labels[rows]).backward()
        optimizer.step()
    right = model(tiles[1000:]).argmax(1) == digits.labels[1000:1200]
    return right.float().mean().item()


assert learned(2, 0.01) > 0.5 and learned(10, 0.01) < 0.25 and learned(10, None) > 0.3

# %% evidence
# A batch norm undoes the scale of the weights before it, down to its eps.
x, weight = torch.randn(50, 30).double(), torch.randn(20, 30).double()
small, he = (nn.BatchNorm1d(20, eps=1e-12).double()(x @ (s * weight).T) for s in (0.01, 0.26))
assert torch.allclose(small, he, atol=1e-6)

# %% evidence
# Two techniques that overlap: the step of a ladder depends on the order, leaving out does not.
score = {"": 90.0, "a": 94.0, "b": 93.0, "ab": 95.0}
first, last = score["a"] - score[""], score["ab"] - score["b"]
assert first != last and first + (score["ab"] - score["a"]) == score["ab"] - score[""]

# %% evidence
# Dropout holds the training loss up.
losses = {}
for rate in (0.0, 0.5):
    model = nn.Sequential(nn.Linear(196, 64), nn.ReLU(), nn.Dropout(rate), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(60):
        rows = torch.randint(1000, (100,))
        optimizer.zero_grad()
        F.cross_entropy(model.train()(tiles[rows]), digits.labels[rows]).backward()
        optimizer.step()
    losses[rate] = F.cross_entropy(model.eval()(tiles[:1000]), digits.labels[:1000]).item()
assert losses[0.0] < losses[0.5]


# %% alternative of="mlp"
def with_pytorchs_own_draws(row):
    def hidden(n_in, n_out):
        layers = [nn.Linear(n_in, n_out, bias=not row["bn"])]
        if row["bn"]:
            layers.append(nn.BatchNorm1d(n_out))
        layers.append(nn.ReLU())
        if row["dropout"]:
            layers.append(nn.Dropout(p=row["dropout"]))
        return layers

    model = nn.Sequential(*hidden(784, 512), *hidden(512, 256), nn.Linear(256, 10))
    draw = {
        "small": lambda weight: nn.init.normal_(weight, 0.0, 0.01),
        "xavier": nn.init.xavier_normal_,
        "he": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
    }[row["init"]]
    for layer in model:
        if isinstance(layer, nn.Linear):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)
    return model


# %% alternative of="train_row"
def with_a_history_that_starts_first(model, row, split, seed, epochs):
    x, y = split["train"]
    criterion = nn.CrossEntropyLoss(label_smoothing=row["smoothing"])
    adam = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=row["l2"])
    history = {part: [measure(model, split[part])[0]] for part in ("train", "val")}
    _, start = measure(model, split["test"])
    for epoch in range(1, epochs + 1):
        model.train(True)
        for chosen in batches(y.numel(), seed, epoch):
            loss = criterion(model(x.index_select(0, chosen)), y.index_select(0, chosen))
            model.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
        for part, losses in history.items():
            losses.append(measure(model, split[part])[0])
    loss, accuracy = measure(model, split["test"])
    return {
        "accuracy": accuracy,
        "loss": loss,
        "start_accuracy": start,
        "train_loss": history["train"],
        "val_loss": history["val"],
    }


# %% alternative of="contributions"
def with_arrays_in_order_of_seeds(runs):
    ordered = {
        name: np.array([run["accuracy"] for run in sorted(of, key=lambda run: run["seed"])])
        for name, of in runs.items()
    }
    found = {}
    for name, (before, after) in LADDER.items():
        pairs = {
            "ladder": ordered[after] - ordered[before],
            "left out": ordered["7 smoothing"] - ordered["no " + name],
        }
        found[name] = {
            kind: (gains.mean() * 100, gains.std(ddof=1) * 100 / math.sqrt(len(gains)))
            for kind, gains in pairs.items()
        }
    return found


# %% alternative of="plot_contributions"
def with_errorbars_of_their_own(effects):
    figure = plt.figure()
    axes = figure.add_subplot()
    for i, (name, effect) in enumerate(effects.items()):
        for j, kind in enumerate(effect):
            mean, error = effect[kind]
            axes.bar(3 * i + j, mean, color=f"C{j}", label=kind if i == 0 else None)
            axes.vlines(3 * i + j, mean - error, mean + error, color="black")
    axes.set_xticks([3 * i + 0.5 for i in range(len(effects))], list(effects))
    axes.set_xlabel("left out or added")
    axes.set_ylabel("points")
    axes.set_title("contributions")
    axes.legend()
    return figure


# %% mistake of="mlp" fails="the networks are those of the table; a short run goes from guessing to reading"
def takes_the_variance_for_the_deviation(row):
    """2 / n_in is a variance; normal_ and randn want its root."""
    layers = []
    for n_in, n_out in pairwise((784, 512, 256, 10)):
        hidden = n_out != 10
        layers.append(nn.Linear(n_in, n_out, bias=not (hidden and row["bn"])))
        stds = {"small": 0.01, "xavier": 2 / (n_in + n_out), "he": 2 / n_in}
        nn.init.normal_(layers[-1].weight, std=stds[row["init"]])
        if layers[-1].bias is not None:
            nn.init.zeros_(layers[-1].bias)
        if hidden:
            layers += [nn.BatchNorm1d(n_out)] * row["bn"] + [nn.ReLU(), nn.Dropout(row["dropout"])]
    return nn.Sequential(*layers)


# %% mistake of="mlp" fails="the networks are those of the table"
def normalizes_behind_the_relu(row):
    """In this table batch norm comes before ReLU; behind it, it is another experiment."""
    layers = []
    for n_in, n_out in pairwise((784, 512, 256, 10)):
        hidden = n_out != 10
        layers.append(nn.Linear(n_in, n_out, bias=not (hidden and row["bn"])))
        stds = {"small": 0.01, "xavier": (2 / (n_in + n_out)) ** 0.5, "he": (2 / n_in) ** 0.5}
        nn.init.normal_(layers[-1].weight, std=stds[row["init"]])
        if layers[-1].bias is not None:
            nn.init.zeros_(layers[-1].bias)
        if hidden:
            layers += [nn.ReLU()] + [nn.BatchNorm1d(n_out)] * row["bn"]
            layers += [nn.Dropout(row["dropout"])]
    return nn.Sequential(*layers)


# %% mistake of="train_row" fails="a short run goes from guessing to reading"
def reads_the_start_at_the_end(model, row, split, seed, epochs):
    """The accuracy before training has to be measured before training."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=row["l2"])
    x, y = split["train"]
    found = {"train_loss": [], "val_loss": []}
    for epoch in range(epochs + 1):
        model.train()
        for batch in batches(len(y), seed, epoch) if epoch else ():
            optimizer.zero_grad()
            scores = model(x[batch])
            F.cross_entropy(scores, y[batch], label_smoothing=row["smoothing"]).backward()
            optimizer.step()
        for part in ("train", "val"):
            found[f"{part}_loss"].append(measure(model, split[part])[0])
    found["loss"], found["accuracy"] = measure(model, split["test"])
    return found | {"start_accuracy": found["accuracy"]}


# %% mistake of="train_row" fails="what is reported is the loss of hard labels, each on its own part"
def reports_the_loss_it_trains_with(model, row, split, seed, epochs):
    """A smoothed loss has a floor of its own: rows are compared by the loss of hard labels."""

    def measured(part):
        x, y = split[part]
        with torch.no_grad():
            scores = model.eval()(x)
        return F.cross_entropy(scores, y, label_smoothing=row["smoothing"]).item()

    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=row["l2"])
    x, y = split["train"]
    found = {"train_loss": [], "val_loss": []}
    found["start_accuracy"] = measure(model, split["test"])[1]
    for epoch in range(epochs + 1):
        model.train()
        for batch in batches(len(y), seed, epoch) if epoch else ():
            optimizer.zero_grad()
            scores = model(x[batch])
            F.cross_entropy(scores, y[batch], label_smoothing=row["smoothing"]).backward()
            optimizer.step()
        for part in ("train", "val"):
            found[f"{part}_loss"].append(measured(part))
    return found | {"loss": measured("test"), "accuracy": measure(model, split["test"])[1]}


# %% mistake of="train_row" fails="training is done in training mode, measuring in evaluation mode"
def switches_to_training_once(model, row, split, seed, epochs):
    """Measuring leaves the network in evaluation mode: every epoch has to switch it back."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=row["l2"])
    x, y = split["train"]
    model.train()
    found = {"train_loss": [], "val_loss": []}
    found["start_accuracy"] = measure(model, split["test"])[1]
    for epoch in range(epochs + 1):
        for batch in batches(len(y), seed, epoch) if epoch else ():
            optimizer.zero_grad()
            scores = model(x[batch])
            F.cross_entropy(scores, y[batch], label_smoothing=row["smoothing"]).backward()
            optimizer.step()
        for part in ("train", "val"):
            found[f"{part}_loss"].append(measure(model, split[part])[0])
    found["loss"], found["accuracy"] = measure(model, split["test"])
    return found


# %% mistake of="measure" fails="training is done in training mode, measuring in evaluation mode"
def measures_in_training_mode(model, part):
    """In training mode a batch norm measures the digits themselves, and learns from them."""
    x, y = part
    with torch.no_grad():
        scores = model(x)
    return F.cross_entropy(scores, y).item(), (scores.argmax(dim=1) == y).float().mean().item()


# %% mistake of="train_row" fails="every epoch sees the batches of its seed"
def shuffles_with_the_common_generator(model, row, split, seed, epochs):
    """What draws dropout masks, too, gives a row with dropout another order than one without."""
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=row["l2"])
    x, y = split["train"]
    found = {"train_loss": [], "val_loss": []}
    found["start_accuracy"] = measure(model, split["test"])[1]
    for epoch in range(epochs + 1):
        model.train()
        for batch in torch.randperm(len(y)).split(BATCH) if epoch else ():
            optimizer.zero_grad()
            scores = model(x[batch])
            F.cross_entropy(scores, y[batch], label_smoothing=row["smoothing"]).backward()
            optimizer.step()
        for part in ("train", "val"):
            found[f"{part}_loss"].append(measure(model, split[part])[0])
    found["loss"], found["accuracy"] = measure(model, split["test"])
    return found


# %% mistake of="train_row" fails="smoothing and L2 act in training as the row says"
def decays_beside_the_gradient(model, row, split, seed, epochs):
    """AdamW shrinks the weights beside the step; the L2 of this table is in Adam's gradient."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=row["l2"])
    x, y = split["train"]
    found = {"train_loss": [], "val_loss": []}
    found["start_accuracy"] = measure(model, split["test"])[1]
    for epoch in range(epochs + 1):
        model.train()
        for batch in batches(len(y), seed, epoch) if epoch else ():
            optimizer.zero_grad()
            scores = model(x[batch])
            F.cross_entropy(scores, y[batch], label_smoothing=row["smoothing"]).backward()
            optimizer.step()
        for part in ("train", "val"):
            found[f"{part}_loss"].append(measure(model, split[part])[0])
    found["loss"], found["accuracy"] = measure(model, split["test"])
    return found


# %% mistake of="one_run" fails="row and seed decide a run"
def seeds_when_the_network_is_there(row, seed, split, epochs):
    """The weights are drawn when the network is built: the seed has to be set before."""
    model = mlp(row)
    torch.manual_seed(seed)
    return {"seed": seed} | train_row(model, row, split, seed, epochs)


# %% mistake of="results" fails="the record has every row with the same three seeds or more, no two runs alike"
def one_run_three_times():
    """The same run written down three times has a spread of 0, and is one run."""
    names = (*ROWS, "no init", "no bn", "no dropout", "no l2", "no smoothing")
    found = {}
    for name in names:
        start = math.log(10) if name in ("1 small", "no init") else 3.0
        curve = [start, 0.3, 0.2, 0.15, 0.12, 0.1, 0.09]
        run = {"accuracy": 0.96, "loss": 0.15, "start_accuracy": 0.09}
        run |= {"train_loss": curve, "val_loss": curve}
        found[name] = [run | {"seed": seed} for seed in range(3)]
    return found


# %% mistake of="results" fails="in the record, equal networks start alike, seed by seed"
def a_seed_for_every_run():
    """Runs were started one after the other and never seeded: equal networks start differently."""
    names = (*ROWS, "no init", "no bn", "no dropout", "no l2", "no smoothing")
    found, number = {}, 0
    for name in names:
        found[name] = []
        for seed in range(3):
            number += 1
            start = math.log(10) if name in ("1 small", "no init") else 2.7 + number / 50
            curve = [start, 0.3, 0.2, 0.15, 0.12, 0.1, 0.09 + seed / 100]
            run = {"accuracy": 0.96, "loss": 0.15, "start_accuracy": 0.09, "seed": seed}
            found[name].append(run | {"train_loss": curve, "val_loss": curve})
    return found


# %% mistake of="results" fails="in the record, every run goes from guessing to reading"
def smoothed_losses_in_the_last_row():
    """The losses of smoothed rows stay above 0.5003: they were measured with smoothed labels."""
    names = (*ROWS, "no init", "no bn", "no dropout", "no l2", "no smoothing")
    found = {}
    for name in names:
        start = math.log(10) if name in ("1 small", "no init") else 3.0
        floor = 0.5 if name.startswith(("7", "no")) and name != "no smoothing" else 0.0
        found[name] = []
        for seed in range(3):
            curve = [start, 0.3 + floor, 0.2 + floor, 0.1 + floor + seed / 100]
            run = {"accuracy": 0.96, "loss": 0.15 + floor, "start_accuracy": 0.09, "seed": seed}
            found[name].append(run | {"train_loss": curve, "val_loss": curve})
    return found


# %% mistake of="lab_table" fails="the table has the means and deviations of its rows"
def divides_by_the_number_of_seeds(runs):
    """np.std divides by n unless told otherwise; the mean was estimated, so n - 1 is left."""
    table = []
    for name, row in runs.items():
        line = {"row": name, "seeds": len(row)}
        for key in ("accuracy", "loss"):
            values = [run[key] for run in row]
            line |= {key: float(np.mean(values)), f"{key}_sd": float(np.std(values))}
        table.append(line)
    return table


# %% mistake of="plot_curves" fails="the curves are the means over the seeds, for both parts"
def shows_the_first_seed(runs):
    """One seed is one story: the curve of a row is the mean over its seeds."""
    figure, axes = plt.subplots(1, 2)
    for panel, key in zip(axes, ("train_loss", "val_loss"), strict=True):
        for name in ROWS:
            curve = runs[name][0][key]
            panel.plot(range(len(curve)), curve, label=name)
        panel.set(title=key, xlabel="epoch", ylabel="cross-entropy", yscale="log")
        panel.legend()
    return figure


# %% mistake of="leave_one_out" fails="leaving one out changes one entry of the full row"
def takes_away_one_after_the_other(full, bare):
    """Each row leaves out one technique; the ones before it are back again."""
    rows, row = {}, full
    for key in full:
        if full[key] != bare[key]:
            row = row | {key: bare[key]}
            rows[f"no {key}"] = row
    return rows


# %% mistake of="contributions" fails="contributions are differences seed by seed, with their standard errors"
def pairs_runs_by_their_place(runs):
    """Runs may stand in any order: the seed says which of them belong together."""

    def gain(without, added):
        pairs = zip(runs[without], runs[added], strict=True)
        steps = [100 * (after["accuracy"] - before["accuracy"]) for before, after in pairs]
        return [float(np.mean(steps)), float(np.std(steps, ddof=1) / len(steps) ** 0.5)]

    return {
        name: {"ladder": gain(*step), "left out": gain(f"no {name}", "7 smoothing")}
        for name, step in LADDER.items()
    }


# %% mistake of="contributions" fails="contributions are differences seed by seed, with their standard errors"
def measures_what_is_lost(runs):
    """What a technique adds is the row with it minus the row without, not the other way round."""

    def gain(without, added):
        after, before = (
            {run["seed"]: run["accuracy"] for run in runs[r]} for r in (without, added)
        )
        steps = [100 * (after[seed] - before[seed]) for seed in before]
        return [float(np.mean(steps)), float(np.std(steps, ddof=1) / len(steps) ** 0.5)]

    return {
        name: {"ladder": gain(*step), "left out": gain(f"no {name}", "7 smoothing")}
        for name, step in LADDER.items()
    }


# %% mistake of="plot_contributions" fails="the bars are the contributions, with their errors"
def leaves_out_the_errors(effects):
    """With three seeds a bar without its error looks like a fact and may be luck."""
    figure, axes = plt.subplots()
    for shift, kind in ((-0.2, "ladder"), (0.2, "left out")):
        heights = [effect[kind][0] for effect in effects.values()]
        axes.bar(np.arange(len(effects)) + shift, heights, width=0.4, label=kind)
    axes.set_xticks(range(len(effects)), list(effects))
    axes.set(xlabel="technique", ylabel="percentage points", title="What each technique adds")
    axes.legend()
    return figure
