# %% exercise [markdown] items="43" stars=2 minutes=75 level="create" goal="build a dashboard that shows what happens inside of a network while it trains"
r"""
# 7.22 A training dashboard with hooks
A loss that stops falling says that something is wrong, not where. The gradients may have died in the
first layer, half of the units may be 0 for every input, or the learning rate may have been halved
once too often. A dashboard logs all of that beside the loss, an epoch at a time:

| key | for | one number an epoch |
|---|---|---|
| `train_loss`, `val_loss` | the network | the mean over the samples |
| `lr` | the network | the learning rate that the epoch was trained with |
| `grad_norm` | each `nn.Linear` | `min`, `mean`, `max` over the steps of $\lVert \partial L / \partial W \rVert_2$ |
| `activation` | each `nn.ReLU` | `mean`, `std` over all its outputs; `dead`, a fraction of its units |

Many texts define a dead unit as one that is "identically zero" and leave open for which inputs.
Every ReLU unit is 0 for some of them: that is what it is for. Here a unit is *dead* if it is 0 for
**all** samples of the epoch.

The loop is given. Write what it calls: the norms, the hooks, the log of an epoch and the figure.

*Hints:* `relu.register_forward_hook(f)` has `f(relu, inputs, output)` called after each forward pass
and returns a handle; its `remove()` takes the hook away. What a hook returns, if it is not None,
replaces the output. Every module knows whether it is training: `relu.training`. And the standard
deviation of an epoch is not the mean of those of its batches.
"""

# %%
import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import mnist

Batch = tuple[Tensor, Tensor]


def mlp(*sizes: int) -> nn.Sequential:
    """linear1, relu1, linear2, relu2, …: layers of these sizes, the last one without a ReLU."""
    layers = OrderedDict[str, nn.Module]()
    for k, pair in enumerate(pairwise(sizes), 1):
        layers[f"linear{k}"] = nn.Linear(*pair)
        layers[f"relu{k}"] = nn.ReLU()
    layers.popitem()
    return nn.Sequential(layers)


def layers_of(model: nn.Module, kind: type) -> dict[str, nn.Module]:
    """The layers of a kind, by the names that `model.named_modules()` gives them."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, kind)}


# %% solution
def gradient_norms(model: nn.Module) -> dict[str, float]:
    """For each nn.Linear, by its name: the L2 norm of its weight's gradient, a plain float.

    The norm of a layer without a gradient (a frozen one) is 0.0.
    """
    ### BEGIN SOLUTION
    grads = {name: layer.weight.grad for name, layer in layers_of(model, nn.Linear).items()}
    return {name: 0.0 if g is None else g.norm().item() for name, g in grads.items()}
    ### END SOLUTION


# %% solution
class ActivationWatch:
    """Measures what the ReLU layers of a model put out while it trains: `with ActivationWatch(m)`.

    Inside of the `with` block there is a hook on each ReLU, behind it there is none.
    """

    def __init__(self, model: nn.Module) -> None:
        self.relus = layers_of(model, nn.ReLU)
        self.start()

    def __enter__(self) -> "ActivationWatch":
        ### BEGIN SOLUTION
        self.handles = [
            relu.register_forward_hook(partial(self.see, name)) for name, relu in self.relus.items()
        ]
        return self
        ### END SOLUTION

    def __exit__(self, *error: object) -> None:
        ### BEGIN SOLUTION
        for handle in self.handles:
            handle.remove()
        ### END SOLUTION

    def start(self) -> None:
        """Start an epoch: forget what was measured."""
        ### BEGIN SOLUTION
        self.count = dict.fromkeys(self.relus, 0)
        self.sum, self.squares = dict.fromkeys(self.relus, 0.0), dict.fromkeys(self.relus, 0.0)
        self.alive: dict[str, Tensor] = {}
        ### END SOLUTION

    def see(self, name: str, relu: nn.Module, inputs: tuple, output: Tensor) -> None:
        """Measure an output (n, units) of the layer `name`; not while the model is evaluated."""
        ### BEGIN SOLUTION
        if relu.training:
            a = output.detach().double()
            self.count[name] += a.numel()
            self.sum[name] += a.sum().item()
            self.squares[name] += a.square().sum().item()
            self.alive[name] = (a != 0).any(dim=0) | self.alive.get(name, torch.tensor(False))
        ### END SOLUTION

    def take(self) -> dict[str, dict[str, float]]:
        """By layer: {"mean": ..., "std": ..., "dead": ...} of this epoch; starts the next one.

        All three are plain floats, and the variance under `std` is divided by the number of outputs.
        """
        ### BEGIN SOLUTION
        found = {}
        for name, count in self.count.items():
            mean = self.sum[name] / count
            std = math.sqrt(max(0.0, self.squares[name] / count - mean**2))
            dead = (~self.alive[name]).double().mean().item()
            found[name] = {"mean": mean, "std": std, "dead": dead}
        self.start()
        return found
        ### END SOLUTION


# %% solution
def log_epoch(
    history: dict,
    steps: list[tuple[float, int, dict[str, float]]],
    activations: dict[str, dict[str, float]],
    val_loss: float,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Append one number to every list of the history.

    `steps` holds, for each step, the mean loss of its batch, the number of samples in it, and what
    `gradient_norms` found; `activations` is what `ActivationWatch.take` found.
    """
    ### BEGIN SOLUTION
    losses, sizes, norms = zip(*steps, strict=True)
    history["train_loss"].append(sum(np.multiply(losses, sizes).tolist()) / sum(sizes))
    history["val_loss"].append(val_loss)
    history["lr"].append(optimizer.param_groups[0]["lr"])
    for name, log in history["grad_norm"].items():
        of_layer = [norm[name] for norm in norms]
        log["min"].append(min(of_layer))
        log["mean"].append(sum(of_layer) / len(of_layer))
        log["max"].append(max(of_layer))
    for name, log in history["activation"].items():
        for statistic, value in activations[name].items():
            log[statistic].append(value)
    ### END SOLUTION


# %% [markdown]
r"""
## The loop that calls them
"""


# %%
def new_history(model: nn.Module) -> dict:
    """A history of no epochs."""

    def lists(kind: type, *statistics: str) -> dict:
        return {name: {s: [] for s in statistics} for name in layers_of(model, kind)}

    return {
        "train_loss": [],
        "val_loss": [],
        "lr": [],
        "grad_norm": lists(nn.Linear, "min", "mean", "max"),
        "activation": lists(nn.ReLU, "mean", "std", "dead"),
    }


def evaluate(model: nn.Module, batches: Iterable[Batch]) -> float:
    """The mean cross-entropy over the samples, in evaluation mode; nan if there are none."""
    model.eval()
    with torch.no_grad():
        losses = [F.cross_entropy(model(x), y, reduction="none") for x, y in batches]
    return torch.cat(losses).mean().item() if losses else math.nan


def fit(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epochs: Iterable[Iterable[Batch]],
    val_batches: Iterable[Batch] = (),
    scheduler: torch.optim.lr_scheduler.LRScheduler | None = None,
    on_epoch: Callable[[dict], None] | None = None,
) -> dict:
    """Train, and return the history; `epochs` holds the batches of each epoch."""
    history = new_history(model)
    with ActivationWatch(model) as watch:
        for batches in epochs:
            model.train()
            steps = []
            for x, y in batches:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                steps.append((loss.item(), len(y), gradient_norms(model)))
                optimizer.step()
            val_loss = evaluate(model, val_batches)
            log_epoch(history, steps, watch.take(), val_loss, optimizer)
            if scheduler:
                scheduler.step()
            if on_epoch:
                on_epoch(history)
    return history


# Models and optimizers stay where your code is; a function marked `student_side` runs there and
# brings the history back.
@student_side
def logged(sizes, state, epochs, val_batches=(), lr=0.0, gamma=1.0):
    model = mlp(*sizes).double()
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma)
    return fit(model, optimizer, epochs, val_batches, scheduler)


# %% check
# Three units see x, -x and 2x - 10, and the last layer is all zeros: both classes get probability
# 1/2, and at a learning rate of 0 that stays so.
state = {
    "linear1.weight": torch.tensor([[1.0], [-1.0], [2.0]]),
    "linear1.bias": torch.tensor([0.0, 0.0, -10.0]),
    "linear2.weight": torch.zeros(2, 3),
    "linear2.bias": torch.zeros(2),
}
one, three = torch.tensor([[1.0]]).double(), torch.tensor([[3.0]]).double()
history = logged((1, 3, 2), state, [[(one, torch.tensor([0])), (three, torch.tensor([1]))]])
expect.close(
    history["train_loss"],
    [math.log(2)],
    when="reading the training loss of an epoch of two batches, x = 1 and x = 3",
    think="Both labels have probability 1/2.",
)
# Only the first unit gives more than 0: 1, then 3. Its weights' gradients are these times ±1/2.
for statistic, wanted in {"min": 0.5**0.5, "mean": 2 * 0.5**0.5, "max": 3 * 0.5**0.5}.items():
    expect.close(
        history["grad_norm"]["linear2"][statistic],
        [wanted],
        when=f"reading the {statistic} of the gradient norms of linear2",
        think="Two steps, two norms: sqrt(1/2) and 3 sqrt(1/2).",
    )
# The outputs are 1, 0, 0 and 3, 0, 0: two of three units are 0 both times.
for statistic, wanted in {
    "mean": 4 / 6,
    "std": (10 / 6 - (4 / 6) ** 2) ** 0.5,
    "dead": 2 / 3,
}.items():
    expect.close(
        history["activation"]["relu1"][statistic],
        [wanted],
        when=f"reading `{statistic}` of the outputs of relu1: 1, 0, 0 and then 3, 0, 0",
        think="Six outputs in the epoch, of three units.",
    )

expect.kind(
    history["grad_norm"]["linear2"]["max"][0],
    float,
    when="looking at the type of what stands in the history",
    think="A plain float can be written to a file as it is; a tensor has `item()`.",
)

# %% [markdown]
r"""
## The figure
"""


# %% solution
def plot_dashboard(history: dict) -> Figure:
    """Five axes over the epochs, counted from 1, in this order; each with title, labels and legend.

    1. `train_loss` and `val_loss`.
    2. `lr`; no legend is needed here.
    3. `mean` of each layer's gradient norms, logarithmic, in a band from `min` to `max`.
    4. `mean` of each layer's activations, in a band of one `std` to either side, but not below 0.
    5. `dead` of each layer, from 0 to 1.
    """
    ### BEGIN SOLUTION
    figure, panels = plt.subplot_mosaic("LLR;GAD", figsize=(11, 6.5), layout="constrained")
    epochs = range(1, len(history["lr"]) + 1)
    panels["L"].plot(epochs, history["train_loss"], ".-", label="training")
    panels["L"].plot(epochs, history["val_loss"], ".-", label="validation")
    panels["L"].set(title="Loss", ylabel="cross-entropy")
    panels["R"].plot(epochs, history["lr"], ".-", color="black")
    panels["R"].set(title="Learning rate", ylabel="learning rate")
    for name, log in history["grad_norm"].items():
        panels["G"].plot(epochs, log["mean"], ".-", label=name)
        panels["G"].fill_between(epochs, log["min"], log["max"], alpha=0.2)
    panels["G"].set(title="Gradient norms: mean, min to max", ylabel="L2 norm", yscale="log")
    for name, log in history["activation"].items():
        mean, std = np.array(log["mean"]), np.array(log["std"])
        panels["A"].plot(epochs, mean, ".-", label=name)
        panels["A"].fill_between(epochs, np.maximum(mean - std, 0), mean + std, alpha=0.2)
        panels["D"].plot(epochs, log["dead"], ".-", label=name)
    panels["A"].set(title="Activations: mean, one std about it", ylabel="output of the ReLU")
    panels["D"].set(title="Dead units", ylabel="fraction of the layer", ylim=(-0.03, 1.03))
    for name, axes in panels.items():
        axes.set_xlabel("epoch")
        if name != "R":
            axes.legend()
    return figure
    ### END SOLUTION


# %% [markdown]
r"""
## Live
`live` redraws the dashboard after each epoch, in a notebook. The network below learns digits at a
learning rate of 1, which is too high for it, and which is lowered to a tenth after three epochs and
again after six. Which panel tells you first? Which of the traces does the lower rate wipe out, and
which one not? Then try `digits_learned(lr=0.1)`.
"""


# %%
def live(history: dict) -> None:
    """Show the dashboard of a run in one place of the notebook; elsewhere do nothing."""
    if "ipykernel" not in sys.modules:
        return
    from IPython.display import display

    figure = plot_dashboard(history)
    display(figure, display_id="dashboard", update=len(history["lr"]) > 1)
    plt.close(figure)


@student_side
def digits_learned(lr):
    torch.manual_seed(2)
    train, test = mnist(train=True), mnist(train=False)
    x, y = train.floats(normalised=True)[:1000].flatten(1), train.labels[:1000]
    held_out = (test.floats(normalised=True)[:500].flatten(1), test.labels[:500])
    model = mlp(784, 128, 64, 32, 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)
    batches = list(zip(x.split(100), y.split(100), strict=True))
    return fit(model, optimizer, [batches] * 8, [held_out], scheduler, on_epoch=live)


@student_side
def described(history):
    figure = plot_dashboard(history)
    for axes in figure.axes:  # `describe_figure` reads bars; error bars are none
        axes.containers[:] = [c for c in axes.containers if hasattr(c, "patches")]
    found = expect.describe_figure(figure)
    plt.close(figure)
    return found


# %% check
digits = digits_learned(lr=1.0)
epochs = list(range(1, 9))
expect.figure(
    described(digits),
    lines=[(epochs, digits["train_loss"]), (epochs, digits["val_loss"])],
    legend=2,
    when="looking at the first panel after eight epochs on digits",
    think="Epochs are counted from 1.",
)

# %% hidden aspect="the history has one plain float an epoch in every list" points=1
torch.manual_seed(1)
state = {name: t.clone() for name, t in mlp(4, 6, 5, 3).double().state_dict().items()}
batch = torch.randn(9, 4).double(), torch.randint(3, (9,))
history = logged((4, 6, 5, 3), state, [[batch, batch]] * 3, [batch], lr=0.1)
expect.equal(
    {
        "keys": sorted(history),
        "grad_norm": sorted(history["grad_norm"]),
        "activation": sorted(history["activation"]),
    },
    {
        "keys": ["activation", "grad_norm", "lr", "train_loss", "val_loss"],
        "grad_norm": ["linear1", "linear2", "linear3"],
        "activation": ["relu1", "relu2"],
    },
    when="listing the keys of a history",
    think="`new_history` has made the lists; an epoch appends to them.",
)
lists = {key: history[key] for key in ("train_loss", "val_loss", "lr")}
for key in ("grad_norm", "activation"):
    for layer, log in history[key].items():
        lists |= {f"{key} of {layer}, {statistic}": values for statistic, values in log.items()}
for what, found in lists.items():
    expect.equal(
        [type(value).__name__ for value in found],
        ["float"] * 3,
        when=f"looking at the type of each number after three epochs: {what}",
        think="One number an epoch; a tensor has `item()`.",
    )

# %% hidden aspect="the losses are means over the samples" points=1
torch.manual_seed(2)
model = mlp(4, 6, 3).double()
state = {name: t.clone() for name, t in model.state_dict().items()}
batches, val = (
    [(scale * torch.randn(n, 4).double(), torch.randint(3, (n,))) for n in sizes]
    for scale, sizes in ((3, (2, 11, 5)), (6, (4, 9)))
)
history = logged((4, 6, 3), state, [batches], val)
for key, parts in {"train_loss": batches, "val_loss": val}.items():
    x, y = (torch.cat(part) for part in zip(*parts, strict=True))
    expect.close(
        history[key],
        [F.cross_entropy(model(x), y).item()],
        when=f"reading `{key}` of an epoch of batches of {', '.join(str(len(y)) for _, y in parts)} "
        "samples, learning rate 0",
        think="Eleven samples weigh more than two.",
    )

# %% hidden aspect="the learning rate is the one that the epoch was trained with" points=1
torch.manual_seed(3)
state = {name: t.clone() for name, t in mlp(2, 3, 2).double().state_dict().items()}
batch = torch.randn(4, 2).double(), torch.randint(2, (4,))
expect.close(
    logged((2, 3, 2), state, [[batch]] * 4, lr=0.5, gamma=0.1)["lr"],
    [0.5, 0.05, 0.005, 0.0005],
    when="reading the learning rates of four epochs, 0.5 and a tenth of it after each",
    think="A scheduler writes into the optimizer's parameter groups.",
)


# %% hidden aspect="a gradient norm is the L2 norm of the weight's gradient" points=2
@student_side
def norms_after_backward(sizes, state, batch, frozen):
    model = mlp(*sizes).double()
    model.load_state_dict(state)
    for name in frozen:
        model.get_submodule(name).requires_grad_(False)
    F.cross_entropy(model(batch[0]), batch[1]).backward()
    return gradient_norms(model)


torch.manual_seed(4)
model = mlp(5, 8, 6, 3).double()
state = {name: t.clone() for name, t in model.state_dict().items()}
batch = torch.randn(7, 5).double(), torch.randint(3, (7,))
weights = {f"linear{k}": model.get_parameter(f"linear{k}.weight") for k in (1, 2, 3)}
loss = F.cross_entropy(model(batch[0]), batch[1])
grads = torch.autograd.grad(loss, list(weights.values()))
norms = {name: g.square().sum().sqrt() for name, g in zip(weights, grads, strict=True)}
for frozen in ([], ["linear2"]):
    found = norms_after_backward((5, 8, 6, 3), state, batch, frozen)
    expect.equal(sorted(found), sorted(norms), when="listing the layers that have a gradient norm")
    for name, norm in norms.items():
        expect.close(
            found[name],
            0.0 if name in frozen else norm.item(),
            when=f"measuring the gradient of {name}" + (", linear2 frozen" if frozen else ""),
            think="The root of the sum of squares, over the weight's entries.",
        )

# %% hidden aspect="minimum, mean and maximum are over the steps of the epoch" points=2
torch.manual_seed(5)
state = {name: t.clone() for name, t in mlp(4, 6, 3).double().state_dict().items()}
# The step with the largest gradients is neither the first nor the last.
batches = [
    (scale * torch.randn(5, 4).double(), torch.randint(3, (5,))) for scale in (1, 2, 8, 0.5, 2)
]
found = logged((4, 6, 3), state, [batches])["grad_norm"]
# What the same code finds in epochs of a single step.
alone = [logged((4, 6, 3), state, [[batch]])["grad_norm"] for batch in batches]
for name in ("linear1", "linear2"):
    norms = [float(log[name]["max"][0]) for log in alone]
    for statistic, wanted in {
        "min": min(norms),
        "mean": sum(norms) / len(norms),
        "max": max(norms),
    }.items():
        expect.close(
            found[name][statistic],
            [wanted],
            when=f"taking the {statistic} of the gradient norms of {name} over five steps",
            think="Each step has one norm for the layer.",
        )

# %% hidden aspect="mean and standard deviation are over all outputs of the epoch" points=2
torch.manual_seed(6)
model = mlp(4, 6, 5, 3).double()
state = {name: t.clone() for name, t in model.state_dict().items()}
# Batches of unequal size and scale: the spread between them is part of the epoch's.
batches = [
    (scale * torch.randn(n, 4).double(), torch.randint(3, (n,)))
    for n, scale in ((3, 1), (20, 5), (8, 0.2))
]
found = logged((4, 6, 5, 3), state, [batches])["activation"]
x = torch.cat([x for x, _ in batches])
for name, part in {"relu1": model[:2], "relu2": model[:4]}.items():
    a = part(x).detach()
    for statistic, wanted in {"mean": a.mean(), "std": a.std(correction=0)}.items():
        expect.close(
            found[name][statistic],
            [wanted.item()],
            rtol=1e-6,  # a variance may be a difference of two large numbers
            when=f"taking the {statistic} of {name} over batches of 3, 20 and 8 samples",
            think="As if all outputs of the epoch had been put into one tensor.",
        )

# %% hidden aspect="a unit is dead if it is 0 for every sample of the epoch" points=3
torch.manual_seed(7)
batches = [(torch.rand(n, 3).double() + 0.1, torch.randint(2, (n,))) for n in (4, 9, 6)]
batches[1][0][5, 0] = 50.0  # one sample in all
batches[2][0][:, 1] *= -1  # one batch of three
weights = torch.zeros(10, 3).double()
weights[4, 0] = weights[5, 1] = 1.0
weights[6, 2], weights[7, 2], weights[8, 1], weights[9, 1] = 1e-9, 1.0, -1.0, 3.0
biases = torch.tensor([-1.0, -1, -1, 0, -20, 0, 0, 0, 0, 0]).double()
state = {"linear1.weight": weights, "linear1.bias": biases}
state |= {"linear2.weight": torch.randn(2, 10).double(), "linear2.bias": torch.zeros(2).double()}
kinds = "four that never give more than 0, one that does so for one sample, one that gives 1e-10"
expect.close(
    logged((3, 10, 2), state, [batches])["activation"]["relu1"]["dead"],
    [0.4],
    when=f"counting the dead among ten units, three batches; {kinds}, others alive in some batch",
    think="One output above 0, however small, and in whichever batch, is a sign of life.",
)

# %% hidden aspect="each epoch is measured afresh" points=2
torch.manual_seed(8)
state = {name: t.clone() for name, t in mlp(3, 12, 4).double().state_dict().items()}
# In each epoch the inputs lie in another direction: other units are dead.
epochs = [
    [(direction + 0.1 * torch.randn(n, 3).double(), torch.randint(4, (n,))) for n in (6, 3)]
    for direction in 5 * torch.randn(3, 3).double()
]
together = logged((3, 12, 4), state, epochs)
for number, epoch in enumerate(epochs):
    alone = logged((3, 12, 4), state, [epoch])
    for key, layer in (("activation", "relu1"), ("grad_norm", "linear2")):
        for statistic, values in alone[key][layer].items():
            expect.close(
                [float(v) for v in together[key][layer][statistic]][number],
                float(values[0]),
                when=f"comparing `{statistic}` of {layer} in epoch {number + 1} with a run of that "
                "epoch alone, learning rate 0",
                think="What is left of the epoch before, when the next one starts?",
            )

# %% hidden aspect="the validation leaves no trace in the statistics of the layers" points=1
torch.manual_seed(9)
state = {name: t.clone() for name, t in mlp(3, 7, 4).double().state_dict().items()}
batch, far = [(s * torch.randn(6, 3).double(), torch.randint(4, (6,))) for s in (1, 30)]
without, beside = (
    logged((3, 7, 4), state, [[batch], [batch]], val)["activation"]["relu1"] for val in ([], [far])
)
for statistic, values in without.items():
    expect.close(
        beside[statistic],
        [float(value) for value in values],
        when=f"comparing `{statistic}` of two epochs with and without validation batches",
        think="`fit` validates in evaluation mode, and the hooks hear that forward pass too.",
    )


# %% hidden aspect="the hooks are gone afterwards, after an error as well" points=2
@student_side
def hooks_and_errors(x, y, bad):
    model, counts, raised = mlp(3, 4, 5, 2), [], "no error"
    heard = []
    model.relu2.register_forward_hook(lambda *_: heard.append("own"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fit(model, optimizer, [[(x, y)]])
    counts.append([len(relu._forward_hooks) for relu in (model.relu1, model.relu2)])
    try:
        fit(model, optimizer, [[(x, y), (x, bad)]])
    except NotImplementedError:
        raise
    except Exception as error:
        raised = type(error).__name__
    counts.append([len(relu._forward_hooks) for relu in (model.relu1, model.relu2)])
    return counts, raised


torch.manual_seed(10)
(after, after_error), raised = hooks_and_errors(
    torch.randn(4, 3), torch.randint(2, (4,)), torch.full((4,), 7)
)
for found, when in ((after, "after two calls of fit"), (after_error, "after an error in a step")):
    expect.equal(
        list(found),
        [0, 1],
        when=f"counting the hooks on relu1 and on relu2, which had one of its user's, {when}",
        think="A hook that stays slows down every later forward pass. Whose may be removed?",
    )
expect.equal(
    raised,
    "IndexError",
    when="training with a label that is none of the classes",
    think="What __exit__ returns decides whether the error goes on: None lets it.",
)

# %% hidden aspect="the network learns what it would without a dashboard" points=1
torch.manual_seed(11)
model = mlp(4, 8, 6, 3).double()
state = {name: t.clone() for name, t in model.state_dict().items()}
batches = [(10 * torch.randn(5, 4).double(), torch.randint(3, (5,))) for _ in range(6)]


@student_side
def parameters_after(sizes, state, batches, lr):
    model = mlp(*sizes).double()
    model.load_state_dict(state)
    fit(model, torch.optim.SGD(model.parameters(), lr=lr), [batches])
    return {name: p.detach().clone() for name, p in model.named_parameters()}


found = parameters_after((4, 8, 6, 3), state, batches, 0.2)
for x, y in batches:
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= 0.2 * p.grad
for name, p in model.named_parameters():
    expect.close(
        found[name],
        p.detach(),
        when=f"comparing {name} after six steps of SGD with a plain loop's",
        think="Who measures should change nothing: no output, no gradient.",
    )

# %% hidden aspect="the figure shows all that was logged" points=2
torch.manual_seed(12)
grads, relus = ("linear1", "linear2"), ("relu1", "relu2")
rows = iter(torch.rand(11, 5).double().add(0.1).tolist())
history = {key: next(rows) for key in ("train_loss", "val_loss", "lr")}
history["activation"] = {n: {s: next(rows) for s in ("mean", "std", "dead")} for n in relus}
history["grad_norm"] = {
    name: {"min": [m / 2 for m in mean], "mean": mean, "max": [3 * m for m in mean]}
    for name, mean in zip(grads, rows, strict=True)
}
found, epochs = described(history), [1, 2, 3, 4, 5]
panels = [
    ("losses", [history["train_loss"], history["val_loss"]], "linear", 2),
    ("learning rate", [history["lr"]], "linear", 0),
    ("gradient norms", [history["grad_norm"][name]["mean"] for name in grads], "log", 2),
    ("activations", [history["activation"][name]["mean"] for name in relus], "linear", 2),
    ("dead units", [history["activation"][name]["dead"] for name in relus], "linear", 2),
]
for number, (what, lines, scale, legend) in enumerate(panels):
    expect.figure(
        found,
        axes=number,
        lines=[(epochs, line) for line in lines],
        yscale=scale if scale == "log" else "",
        legend=legend,
        when=f"looking at panel {number + 1}, the {what}, after five epochs",
        think="Gradient norms of the layers differ by factors; the other numbers do not.",
    )


# %% alternative of="gradient_norms"
def with_a_loop(model):
    norms = {}
    for name, module in model.named_modules():
        if type(module) is nn.Linear:
            grad = module.weight.grad
            norms[name] = float(torch.sqrt((grad**2).sum())) if grad is not None else 0.0
    return norms


# %% alternative of="log_epoch"
def with_numpy(history, steps, activations, val_loss, optimizer):
    losses, sizes = np.array([loss for loss, _, _ in steps]), [n for _, n, _ in steps]
    history["train_loss"].append(float(np.average(losses, weights=sizes)))
    history["val_loss"].append(val_loss)
    history["lr"] += [group["lr"] for group in optimizer.param_groups][:1]
    for name in history["grad_norm"]:
        norms = [found[name] for _, _, found in steps]
        for statistic, reduce in (("min", np.min), ("mean", np.mean), ("max", np.max)):
            history["grad_norm"][name][statistic].append(float(reduce(norms)))
    for name, found in activations.items():
        for statistic in ("mean", "std", "dead"):
            history["activation"][name][statistic].append(found[statistic])


# %% alternative of="ActivationWatch"
class KeepsAllOutputs:
    def __init__(self, model):
        self.relus = layers_of(model, nn.ReLU)
        self.start()

    def __enter__(self):
        self.handles = []
        for name, relu in self.relus.items():

            def hook(relu, inputs, output, name=name):
                self.see(name, relu, inputs, output)

            self.handles.append(relu.register_forward_hook(hook))
        return self

    def __exit__(self, *error):
        while self.handles:
            self.handles.pop().remove()

    def start(self):
        self.outputs = {name: [] for name in self.relus}

    def see(self, name, relu, inputs, output):
        if relu.training:
            self.outputs[name].append(output.detach().clone())

    def take(self):
        found = {}
        for name, outputs in self.outputs.items():
            a = torch.cat(outputs)
            dead = int((a.amax(dim=0) == 0).sum()) / a.shape[1]
            found[name] = {
                "mean": a.mean().item(),
                "std": a.var(unbiased=False).sqrt().item(),
                "dead": dead,
            }
        self.start()
        return found


# %% alternative of="plot_dashboard"
def with_subplots(history):
    figure, axes = plt.subplots(1, 5, figsize=(20, 3))
    epochs = np.arange(len(history["lr"])) + 1
    axes[0].plot(epochs, history["train_loss"], label="train")
    axes[0].plot(epochs, history["val_loss"], label="val")
    axes[1].plot(epochs, history["lr"], label="lr")
    for name, log in history["grad_norm"].items():
        axes[2].errorbar(epochs, log["mean"], label=name)
        axes[2].fill_between(epochs, log["min"], log["max"], alpha=0.3)
    axes[2].set_yscale("log")
    for name, log in history["activation"].items():
        axes[3].plot(epochs, log["mean"], label=name)
        axes[4].plot(epochs, log["dead"], label=name)
    titles = "loss", "rate", "gradients", "activations", "dead"
    for one, title in zip(axes, titles, strict=True):
        one.set(title=title, xlabel="epoch", ylabel=title)
        one.legend()
    return figure


# %% mistake of="gradient_norms" fails="the history has one plain float an epoch in every list"
def keeps_tensors(model):
    """A history of tensors cannot be written to a file as it is; `item` makes plain floats."""
    found = {}
    for name, layer in layers_of(model, nn.Linear).items():
        grad = layer.weight.grad
        found[name] = torch.tensor(0.0).double() if grad is None else grad.norm()
    return found


# %% mistake of="gradient_norms" fails="a gradient norm is the L2 norm of the weight's gradient"
def adds_the_bias(model):
    """The table asks for the weight's gradient; with the bias in it, another number is plotted."""
    norms = {}
    for name, layer in layers_of(model, nn.Linear).items():
        squares = [p.grad.square().sum() for p in layer.parameters() if p.grad is not None]
        norms[name] = float(sum(squares)) ** 0.5
    return norms


# %% mistake of="gradient_norms" fails="the network learns what it would without a dashboard"
def measures_by_clipping(model):
    """`clip_grad_norm_` returns the norm, and it clips: the dashboard has changed the training."""
    return {
        name: nn.utils.clip_grad_norm_(layer.weight, 1.0).item()
        for name, layer in layers_of(model, nn.Linear).items()
    }


# %% mistake of="log_epoch" fails="the losses are means over the samples"
def averages_the_batches(history, steps, activations, val_loss, optimizer):
    """The last batch is often smaller: each loss counts as often as its batch has samples."""
    history["train_loss"].append(sum(loss for loss, _, _ in steps) / len(steps))
    history["val_loss"].append(val_loss)
    history["lr"].append(optimizer.param_groups[0]["lr"])
    for name, log in history["grad_norm"].items():
        norms = [norm[name] for _, _, norm in steps]
        log["min"].append(min(norms))
        log["mean"].append(sum(norms) / len(norms))
        log["max"].append(max(norms))
    for name, log in history["activation"].items():
        for statistic, value in activations[name].items():
            log[statistic].append(value)


# %% mistake of="log_epoch" fails="the learning rate is the one that the epoch was trained with"
def asks_for_the_first_rate(history, steps, activations, val_loss, optimizer):
    """`defaults` is what the optimizer was made with; a scheduler writes to the parameter groups."""
    samples = sum(n for _, n, _ in steps)
    history["train_loss"].append(sum(loss * n for loss, n, _ in steps) / samples)
    history["val_loss"].append(val_loss)
    history["lr"].append(optimizer.defaults["lr"])
    for name, log in history["grad_norm"].items():
        norms = [norm[name] for _, _, norm in steps]
        log["min"].append(min(norms))
        log["mean"].append(sum(norms) / len(norms))
        log["max"].append(max(norms))
    for name, log in history["activation"].items():
        for statistic, value in activations[name].items():
            log[statistic].append(value)


# %% mistake of="log_epoch" fails="minimum, mean and maximum are over the steps of the epoch"
def logs_the_last_step(history, steps, activations, val_loss, optimizer):
    """The last step is one of many; a spike in the middle of the epoch is what to look for."""
    samples = sum(n for _, n, _ in steps)
    history["train_loss"].append(sum(loss * n for loss, n, _ in steps) / samples)
    history["val_loss"].append(val_loss)
    history["lr"].append(optimizer.param_groups[0]["lr"])
    for name, log in history["grad_norm"].items():
        for statistic in ("min", "mean", "max"):
            log[statistic].append(steps[-1][2][name])
    for name, log in history["activation"].items():
        for statistic, value in activations[name].items():
            log[statistic].append(value)


# %% mistake of="ActivationWatch" fails="mean and standard deviation are over all outputs of the epoch"
class AveragesTheBatches:
    """The mean of the batches' deviations leaves out how much the batches differ from each other."""

    def __init__(self, model):
        self.relus = layers_of(model, nn.ReLU)
        self.start()

    def __enter__(self):
        self.handles = [
            relu.register_forward_hook(partial(self.see, name)) for name, relu in self.relus.items()
        ]
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()

    def start(self):
        self.means, self.stds, self.alive = ({name: [] for name in self.relus} for _ in range(3))

    def see(self, name, relu, inputs, output):
        if relu.training:
            self.means[name].append(output.mean().item())
            self.stds[name].append(output.std(correction=0).item())
            self.alive[name].append((output != 0).any(dim=0))

    def take(self):
        found = {}
        for name, alive in self.alive.items():
            dead = ~torch.stack(alive).any(dim=0)
            mean, std = float(np.mean(self.means[name])), float(np.mean(self.stds[name]))
            found[name] = {"mean": mean, "std": std, "dead": dead.double().mean().item()}
        self.start()
        return found


# %% mistake of="ActivationWatch" fails="a unit is dead if it is 0 for every sample of the epoch"
class CountsZeros:
    """Half of all outputs of a healthy ReLU layer are 0; a dead unit is 0 for every sample."""

    def __init__(self, model):
        self.relus = layers_of(model, nn.ReLU)
        self.start()

    def __enter__(self):
        self.handles = [
            relu.register_forward_hook(partial(self.see, name)) for name, relu in self.relus.items()
        ]
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()

    def start(self):
        self.outputs = {name: [] for name in self.relus}

    def see(self, name, relu, inputs, output):
        if relu.training:
            self.outputs[name].append(output.detach())

    def take(self):
        found = {}
        for name, outputs in self.outputs.items():
            a = torch.cat(outputs)
            mean, std = a.mean().item(), a.std(correction=0).item()
            found[name] = {"mean": mean, "std": std, "dead": (a == 0).double().mean().item()}
        self.start()
        return found


# %% mistake of="ActivationWatch" fails="each epoch is measured afresh"
class NeverStartsAgain:
    """Without a new start, the numbers of late epochs are averages over the whole training."""

    def __init__(self, model):
        self.relus = layers_of(model, nn.ReLU)
        self.start()

    def __enter__(self):
        self.handles = [
            relu.register_forward_hook(partial(self.see, name)) for name, relu in self.relus.items()
        ]
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()

    def start(self):
        self.outputs = {name: [] for name in self.relus}

    def see(self, name, relu, inputs, output):
        if relu.training:
            self.outputs[name].append(output.detach())

    def take(self):
        found = {}
        for name, outputs in self.outputs.items():
            a = torch.cat(outputs)
            dead = (a == 0).all(dim=0).double().mean().item()
            found[name] = {"mean": a.mean().item(), "std": a.std(correction=0).item(), "dead": dead}
        return found


# %% mistake of="ActivationWatch" fails="the validation leaves no trace in the statistics of the layers"
class WatchesTheValidation:
    """Hooks hear every forward pass: the one for validation belongs to no training statistic."""

    def __init__(self, model):
        self.relus = layers_of(model, nn.ReLU)
        self.start()

    def __enter__(self):
        self.handles = [
            relu.register_forward_hook(partial(self.see, name)) for name, relu in self.relus.items()
        ]
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()

    def start(self):
        self.outputs = {name: [] for name in self.relus}

    def see(self, name, relu, inputs, output):
        self.outputs[name].append(output.detach())

    def take(self):
        found = {}
        for name, outputs in self.outputs.items():
            a = torch.cat(outputs)
            dead = (a == 0).all(dim=0).double().mean().item()
            found[name] = {"mean": a.mean().item(), "std": a.std(correction=0).item(), "dead": dead}
        self.start()
        return found


# %% mistake of="ActivationWatch" fails="the hooks are gone afterwards, after an error as well"
class TidiesUpAfterSuccess:
    """An error ends training as well, and the hooks of a run that failed measure the next one too."""

    def __init__(self, model):
        self.relus = layers_of(model, nn.ReLU)
        self.start()

    def __enter__(self):
        self.handles = [
            relu.register_forward_hook(partial(self.see, name)) for name, relu in self.relus.items()
        ]
        return self

    def __exit__(self, kind, *error):
        if kind is None:
            for handle in self.handles:
                handle.remove()

    def start(self):
        self.outputs = {name: [] for name in self.relus}

    def see(self, name, relu, inputs, output):
        if relu.training:
            self.outputs[name].append(output.detach())

    def take(self):
        found = {}
        for name, outputs in self.outputs.items():
            a = torch.cat(outputs)
            dead = (a == 0).all(dim=0).double().mean().item()
            found[name] = {"mean": a.mean().item(), "std": a.std(correction=0).item(), "dead": dead}
        self.start()
        return found


# %% mistake of="plot_dashboard" fails="the figure shows all that was logged"
def keeps_a_linear_axis(history):
    """Layers differ in their gradients by factors: on a linear axis all but the largest look dead."""
    figure, axes = plt.subplots(1, 5)
    epochs = range(1, len(history["lr"]) + 1)
    axes[0].plot(epochs, history["train_loss"], label="training")
    axes[0].plot(epochs, history["val_loss"], label="validation")
    axes[1].plot(epochs, history["lr"])
    for name, log in history["grad_norm"].items():
        axes[2].plot(epochs, log["mean"], label=name)
    for name, log in history["activation"].items():
        axes[3].plot(epochs, log["mean"], label=name)
        axes[4].plot(epochs, log["dead"], label=name)
    for one, title in zip(axes, ("loss", "rate", "gradients", "activations", "dead"), strict=True):
        one.set(title=title, xlabel="epoch", ylabel=title)
        if title != "rate":
            one.legend()
    return figure
