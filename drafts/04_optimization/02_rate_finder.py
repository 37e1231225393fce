# %% exercise [markdown] items="34" stars=3 minutes=100 level="analyze" goal="find a learning rate that trains by one short run, and say what batch norm changes about it"
r"""
# A learning-rate finder
A learning rate ten times too small wastes the night, one ten times too large ends in NaN. A *range
test* (Smith, 2015) finds out in one short run: raise the rate a little at every step, record the
loss, and look where it falls and where it explodes. Step $i$ of $n$ is made with the rate

$$ \eta_i = \eta_{\min} \left(\frac{\eta_{\max}}{\eta_{\min}}\right)^{i/(n-1)},
\qquad i = 0, \dots, n - 1 $$

The loss of a batch is noisy, so it is averaged, and what the average lacks at first is made up for:

$$ a_i = \beta a_{i-1} + (1 - \beta)\, \ell_i, \qquad s_i = \frac{a_i}{1 - \beta^{i+1}},
\qquad a_{-1} = 0 $$

Libraries differ in the details. Yours returns two suggestions: `min10`, a tenth of the rate at which
$s$ is lowest, and `steep`, the rate at which $s$ falls fastest on a log axis.

1. Write `rates`, `smooth` and `suggest`, then `lr_find`, which is made of them.
2. Write `search` and `plot_searches`: apply the finder to a network with three hidden layers of 256
   units on MNIST, with and without batch norm.
3. Write `accuracies`: train with the rate that was found, and with others.

*Hint:* the last rates of the test wreck the network. Which network had better be wrecked?

*Hint:* every comparison with NaN is false, and `np.argmin` takes a NaN for the lowest of all.
"""

# %%
import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import BUNDLED, mnist

Batch = tuple[Tensor, Tensor]


def pixels(images: Tensor) -> Tensor:
    """Images as rows of 784 numbers, brought to mean 0 and variance 1 as a whole."""
    return (images.flatten(1) / 255 - 0.1307) / 0.3081


digits, unseen = mnist(train=True, root=BUNDLED), mnist(train=False, root=BUNDLED)
unseen_images, unseen_labels = pixels(unseen.images[:500]), unseen.labels[:500]


def network(batch_norm: bool, seed: int) -> nn.Module:
    """784 pixels in, three hidden layers of 256, ten scores (logits) out. A seed, a network."""
    torch.manual_seed(seed)
    layers, width = [], 784
    for _ in range(3):
        layers += [nn.Linear(width, 256), *[nn.BatchNorm1d(256)] * batch_norm, nn.ReLU()]
        width = 256
    return nn.Sequential(*layers, nn.Linear(256, 10))


def minibatches(seed: int, count: int) -> list[Batch]:
    """`count` random batches of 32 training digits and their labels."""
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randint(len(digits), (count, 32), generator=draw)
    return [(pixels(digits.images[row]), digits.labels[row]) for row in rows]


# %% solution
def rates(lr_min: float, lr_max: float, num_iter: int) -> list[float]:
    """The `num_iter` rates of the test, from `lr_min` to `lr_max`, both of them included."""
    ### BEGIN SOLUTION
    return [lr_min * (lr_max / lr_min) ** (i / (num_iter - 1)) for i in range(num_iter)]
    ### END SOLUTION


def smooth(losses: Sequence[float], beta: float) -> list[float]:
    """The debiased running averages s_0, s_1, ... of `losses`, as many as there are losses."""
    ### BEGIN SOLUTION
    average, smoothed = 0.0, []
    for i, loss in enumerate(losses):
        average = beta * average + (1 - beta) * loss
        smoothed.append(average / (1 - beta ** (i + 1)))
    return smoothed
    ### END SOLUTION


def suggest(lrs: Sequence[float], smoothed: Sequence[float]) -> dict[str, float]:
    """Two rates, "min10" and "steep", from n rates and the n smoothed losses they led to.

    "min10": a tenth of the rate with the lowest smoothed loss. The last loss may be inf or NaN.
    "steep": the rate with the lowest slope ds / d(log rate), as `np.gradient` measures it, among
    the points 10 <= i < n - 5; NaN if there are none.
    """
    ### BEGIN SOLUTION
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        slopes = np.gradient(smoothed, np.log(lrs))[10:-5]
        best["steep"] = float(lrs[10 + np.argmin(slopes)])
    return best
    ### END SOLUTION


# %% check
expect.close(
    rates(1.0, 16.0, 5),
    [1.0, 2.0, 4.0, 8.0, 16.0],
    when="asking for five rates from 1 to 16",
    think="From one rate to the next there is always the same factor; the last one is lr_max.",
)
# With beta = 1/2 the averages are 1 and 4.5; a half and three quarters are their full weight.
expect.close(
    smooth([2.0, 8.0], 0.5),
    [2.0, 6.0],
    when="smoothing 2, 8 with beta 0.5",
    think="How much weight have the losses so far, taken together?",
)
# 5 up to the 13th rate, then 4, 1, 2, 2, ...: it falls fastest at the 14th, is lowest at the 15th.
curve = [5.0] * 13 + [4.0, 1.0] + [2.0] * 6
best = suggest([10.0 ** (i - 15) for i in range(21)], curve)
expect.kind(best, dict, when="asking for suggestions")
for name, wanted in {"min10": 0.01, "steep": 0.01}.items():
    expect.close(
        best[name],
        wanted,
        when=f"reading {name} off 21 rates from 1e-15 to 1e5, a factor of 10 apart",
        think="min10: where is the loss 1? steep: where do two neighbours lie furthest apart?",
    )


# %% solution
def lr_find(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[Batch],
    make_opt: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    num_iter: int = 100,
    beta: float = 0.98,
    diverge: float = 4.0,
) -> dict:
    """Raise the rate step by step, and tell "lrs", "losses", "smoothed", "min10" and "steep".

    Step i makes one update with batch i and the i-th rate, which every parameter group of the
    optimizer `make_opt(parameters)` gets; after the last batch comes the first one again.
    loss_fn(model(x), y) is recorded as it is before this update. All layers are in training mode.
    The search ends early when a smoothed loss is not finite, or more than `diverge` times the
    lowest one so far; this last point is recorded like the others.
    The model is as before in the end: parameters, buffers, no gradients, each module's mode.
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    steps = zip(rates(lr_min, lr_max, num_iter), itertools.cycle(batches))
    for lr, (x, y) in steps:
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}
    ### END SOLUTION


# %% check
# A loss that follows a script: the "labels" are the losses. With beta = 0 nothing is smoothed, and
# 4.5 is the first that is more than 4 times the lowest. Models stay where your code is.
@student_side
def search_with_script(script):
    model = nn.Linear(1, 1)
    batches = [(torch.ones(1, 1), torch.tensor(loss)) for loss in script]
    return lr_find(
        model,
        lambda scores, loss: loss + 0 * scores.sum(),
        batches,
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        lr_min=1.0,
        lr_max=16.0,
        num_iter=5,
        beta=0.0,
    )


found = search_with_script([3.0, 1.0, 4.0, 4.5, 2.0])
expect.kind(found, dict, when="searching with the losses 3, 1, 4, 4.5, 2")
for name, wanted in {"losses": [3.0, 1.0, 4.0, 4.5], "lrs": [1.0, 2.0, 4.0, 8.0]}.items():
    expect.close(
        found[name],
        wanted,
        rtol=1e-6,  # the losses are float32
        when=f"reading {name} after the losses 3, 1, 4, 4.5, 2, with beta 0",
        think="Which loss is the first above 4 times the lowest? Is it recorded?",
    )
expect.close(found["min10"], 0.2, when="reading min10: the lowest loss came with the rate 2")


# %% solution
def search(batch_norm: bool, seed: int) -> dict:
    """What `lr_find` says of `network(batch_norm, seed)`.

    It is asked for 100 rates from 1e-5 to 10 on `minibatches` of the same seed, for plain SGD and
    the cross-entropy.
    """
    ### BEGIN SOLUTION
    model, batches = network(batch_norm, seed), minibatches(seed, 100)
    make_opt = lambda parameters: torch.optim.SGD(parameters, lr=0.1)  # noqa: E731
    return lr_find(model, F.cross_entropy, batches, make_opt, lr_min=1e-5)
    ### END SOLUTION


def plot_searches(searches: dict[str, dict]) -> Figure:
    """The smoothed loss over the rate, on a logarithmic axis: a line a search, under its name.

    Say what the axes and the picture show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, found in searches.items():
        (line,) = axes.plot(found["lrs"], found["smoothed"], label=name)
        axes.axvline(found["min10"], color=line.get_color(), linestyle=":")
    axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed training loss")
    axes.set_title("Range test on MNIST (dotted: a tenth of the best rate)")
    axes.legend()
    return figure
    ### END SOLUTION


def accuracies(batch_norm: bool, lrs: Sequence[float], seed: int, steps: int) -> list[float]:
    """The share of `unseen_images` that the network gets right after training, one a rate.

    For each rate, `network(batch_norm, seed)` is trained anew: plain SGD and the cross-entropy, one
    step for each of `minibatches(seed, steps)`. Then it predicts, in evaluation mode.
    """
    ### BEGIN SOLUTION
    found = []
    for lr in lrs:
        model = network(batch_norm, seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for x, y in minibatches(seed, steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        right = model.eval()(unseen_images).argmax(dim=1) == unseen_labels
        found.append(right.float().mean().item())
    return found
    ### END SOLUTION


# %% check
searches = {"plain": search(False, seed=0), "with batch norm": search(True, seed=0)}
for name, found in searches.items():
    expect.kind(found, dict, when=f"searching a rate for the network ({name})")
    expect.close(found["lrs"][0], 1e-5, when=f"reading the first rate ({name})")
expect.figure(
    plot_searches(searches),
    when="drawing both searches",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=2,
    xscale="log",
)
# Textbooks compare the rate found with 0.1. For plain SGD the finder says roughly that itself, so
# here it is compared with rates far below and far above it.
for name, found in searches.items():
    lrs = [1e-5, found["min10"], 3.0]
    scores = accuracies(name != "plain", lrs, seed=0, steps=30)
    expect.shape(np.array(scores), (3,), when="training with three rates, 30 steps each")
    for lr, score in zip(lrs, scores, strict=True):
        expect.between(score, 0.0, 1.0, when=f"reading the accuracy for the rate {lr:.2g}")
        print(f"{name:16}rate {lr:<8.2g}{score:.0%} right")

# %%
# The longer experiment, for whoever is curious: True takes about two minutes on two cores.
FULL = False
if FULL:
    for name, batch_norm in {"plain": False, "with batch norm": True}.items():
        found = [search(batch_norm, seed) for seed in range(3)]
        for rule in ("min10", "steep"):
            print(f"{name}, {rule} of three seeds:", [f"{one[rule]:.2g}" for one in found])
        lrs = [1e-5, 1e-3, 0.03, 0.1, 0.3, 1.0, 3.0]
        for lr, score in zip(lrs, accuracies(batch_norm, lrs, seed=0, steps=1500), strict=True):
            print(f"  rate {lr:<7.2g}{score:.1%} right after 1,500 steps")

# %% hidden aspect="the rates form a geometric sequence with both ends" points=1
for lr_min, lr_max, num_iter in ((1e-7, 10.0, 100), (3e-4, 0.7, 7), (1e-3, 1.0, 2)):
    got = rates(lr_min, lr_max, num_iter)
    expect.shape(np.array(got), (num_iter,), when=f"counting {num_iter} rates")
    expect.close(
        np.log(np.array(got)),
        np.linspace(math.log(lr_min), math.log(lr_max), num_iter),
        when=f"looking at the logarithms of {num_iter} rates from {lr_min:g} to {lr_max:g}",
        think="n rates have n - 1 steps between them, all equal on a log axis.",
    )

# %% hidden aspect="each smoothed loss is a weighted mean of the losses so far" points=1
torch.manual_seed(2)
for beta, n in ((0.98, 40), (0.6, 9), (0.0, 5)):
    losses = (5 * torch.rand(n).double()).tolist()
    weights = beta ** np.maximum(np.arange(n)[:, None] - np.arange(n), 0.0)
    weights = np.tril(weights) / np.tril(weights).sum(axis=1, keepdims=True)
    expect.close(
        smooth(list(losses), beta),
        (weights @ np.array(losses)).tolist(),
        when=f"smoothing {n} random losses with beta {beta}",
        think="The newest loss counts 1, the one before it beta, and all weights add up to 1.",
    )

# %% hidden aspect="min10 is a tenth of the rate with the lowest finite loss" points=1
torch.manual_seed(3)
for last, n, at in ((7.0, 30, 17), (math.inf, 40, 12), (math.nan, 25, 20)):
    lrs = [1e-4 * 1.3**i for i in range(n)]
    curve = (1 + torch.rand(n).double()).tolist()
    curve[at], curve[-1] = 0.5, last
    expect.kind(suggest(list(lrs), list(curve)), dict, when="asking for suggestions")
    expect.close(
        suggest(list(lrs), list(curve))["min10"],
        lrs[at] / 10,
        when=f"reading min10 off {n} points, the last smoothed loss being {last}",
        think="The rate with the lowest loss is about to diverge: how much below it is safe?",
    )

# %% hidden aspect="steep is the rate with the steepest descent on a log axis" points=1
torch.manual_seed(4)
n, at = 45, 20 + int(torch.randint(6, (1,)))
lrs = [1e-6 * 1.4**i for i in range(n)]
drops = 0.05 + 0.02 * np.array(torch.rand(n - 1))
drops[at - 1], drops[at] = 1.0, 1.0  # two steps down, one behind the other
drops[at - 6] = 1.5  # a single larger one: between its neighbours it falls by less
drops[at + 6 : at + 8] = -3.0  # a rise, steeper than any descent
drops[3:5], drops[n - 4 : n - 2] = 4.0, 4.0  # too early, too late
curve = (20 - np.concatenate([[0.0], np.cumsum(drops)])).tolist()
expect.kind(suggest(list(lrs), list(curve)), dict, when="asking for suggestions")
expect.close(
    suggest(list(lrs), list(curve))["steep"],
    lrs[at],
    when=f"reading steep off {n} points; the curve drops early, in the middle and late",
    think="The slope is measured against log rate, and 10 points at the start do not count.",
)
for n, wanted in ((15, math.nan), (16, 1.4**10)):
    expect.close(
        suggest([1.4**i for i in range(n)], [30.0 - i for i in range(n)])["steep"],
        wanted,
        when=f"reading steep off {n} points",
        think="Which points are left without the first 10 and the last 5?",
    )


# %% hidden aspect="each loss is the next batch's, before its update" points=1
from autograder import reference


def small_network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)).double()


@student_side
def losses_of(state, batches, momentum):
    model = small_network()
    model.load_state_dict(state)
    return lr_find(
        model.eval(),
        # So far from 0 no loss is four times another, and with beta = 0 nothing is smoothed.
        lambda scores, y: 50 + F.mse_loss(scores, y),
        batches,
        lambda parameters: torch.optim.SGD(parameters, lr=0.2, momentum=momentum),
        lr_min=0.2,
        lr_max=0.2,
        num_iter=8,
        beta=0.0,
    )["losses"]


torch.manual_seed(5)
batches = [(torch.randn(6, 3).double(), 2 * torch.randn(6, 1).double()) for _ in range(3)]
for momentum in (0.0, 0.5):
    model = small_network()
    expect.close(
        losses_of(dict(model.state_dict()), batches, momentum),
        reference.lr_find(
            model,
            lambda scores, y: 50 + F.mse_loss(scores, y),
            batches,
            lambda own, m=momentum: torch.optim.SGD(own, lr=0.2, momentum=m),
            lr_min=0.2,
            lr_max=0.2,
            num_iter=8,
            beta=0.0,
        )["losses"],
        when="making 8 steps with three batches, which come in turn, and one constant rate",
        think="One update a step, from its own gradient alone; layers behave as in training.",
    )


# %% hidden aspect="every update is made with the rate of its step" points=1
@student_side
def rates_in_use(num_iter):
    used = []

    class Recording(torch.optim.SGD):
        def step(self, closure=None):
            used.append([float(group["lr"]) for group in self.param_groups])
            return super().step(closure)

    found = lr_find(
        nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)),
        lambda scores, y: 1 + 0 * (scores - y).sum(),
        [(torch.ones(4, 2), torch.ones(4, 1))] * num_iter,
        lambda parameters: Recording([{"params": [p]} for p in parameters], lr=0.3),
        lr_min=1e-4,
        lr_max=0.1,
        num_iter=num_iter,
        beta=0.0,
    )
    return found["lrs"], used


for num_iter in (6, 21):
    reported, used = rates_in_use(num_iter)
    expect.equal(len(reported), num_iter, when=f"counting the rates of {num_iter} steps")
    expect.close(
        torch.tensor(used, dtype=torch.float64),
        torch.tensor(reported, dtype=torch.float64)[:, None].expand(num_iter, 4),
        when="watching the rates of four parameter groups at each optimizer.step()",
        think="The rate is set before the step, and in all the groups that an optimizer has.",
    )


# %% hidden aspect="the search stops at the first smoothed loss above the limit" points=1
@student_side
def stopped_search(script, beta, diverge):
    return lr_find(
        nn.Linear(1, 1).double(),
        lambda scores, loss: loss + 0 * scores.sum(),
        [(torch.ones(1, 1).double(), loss) for loss in script],
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        num_iter=len(script),
        beta=beta,
        diverge=diverge,
    )


torch.manual_seed(7)
noise = torch.rand(40).double()
spike, climb = 1 + noise, 1 + noise
spike[20] = 12.0  # more than 2.5 times the lowest, yet not once it is smoothed
climb[25:] *= 1.3 ** torch.arange(15)
exact = torch.tensor([2.0, 1.0, 3.0, 2.5, 4.0, 1.0, 1.0] + [1.0] * 13).double()
for name, script, beta, diverge in (
    ("one outlier", spike, 0.95, 2.5),
    ("a climb at the end", climb, 0.8, 2.5),
    ("a loss at three times the lowest, then one above", exact, 0.0, 3.0),
    ("a climb and a patient limit", climb, 0.8, 1000.0),
):
    smoothed = stopped_search(script.clone(), beta, diverge)["smoothed"]
    expect.kind(smoothed, (list, tuple, np.ndarray, Tensor), when=f"searching with {name}")
    over = [s > diverge * min(smoothed[: i + 1]) for i, s in enumerate(smoothed)]
    expect.equal(
        len(smoothed),
        over.index(True) + 1 if True in over else len(script),
        when=f"counting the smoothed losses of a search with {name} (diverge={diverge:g})",
        think="Smoothed losses are compared, with the lowest so far; the last point is kept.",
    )


# %% hidden aspect="a loss that is not finite ends the search" points=1
@student_side
def broken_search(script):
    return lr_find(
        nn.Linear(1, 1).double(),
        lambda scores, loss: loss + 0 * scores.sum(),
        [(torch.ones(1, 1).double(), loss) for loss in script],
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        num_iter=len(script),
        beta=0.0,
        diverge=1e9,
    )


torch.manual_seed(8)
for last, at in ((math.nan, 23), (math.inf, 19), (math.nan, 3)):
    script = 1 + torch.rand(30).double()
    script[at] = last
    losses = broken_search(script.clone())["losses"]
    expect.close(
        losses,
        script[: at + 1].tolist(),
        when=f"searching with {at} ordinary losses and then {last}",
        think="Is NaN larger than anything? The point that ended the search is part of the curve.",
    )


# %% hidden aspect="the result agrees with rates, smooth and suggest" points=1
@student_side
def one_search(script, num_iter):
    return lr_find(
        nn.Linear(1, 1).double(),
        lambda scores, loss: loss + 0 * scores.sum(),
        [(torch.ones(1, 1).double(), loss) for loss in script],
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        lr_min=1e-4,
        lr_max=2.0,
        num_iter=num_iter,
        beta=0.7,
    )


torch.manual_seed(9)
script = 1 + torch.rand(30).double()
script[4], script[12:] = 0.5, script[12:] - 0.5  # lowest at once, unless it is smoothed
for num_iter, name in ((30, "30 losses"), (50, "30 losses of 50")):
    if num_iter == 50:
        script[29] = 1e6
    found = one_search(script.clone(), num_iter)
    expect.kind(found, dict, when=f"searching with {name}")
    lrs = rates(1e-4, 2.0, num_iter)[:30]
    smoothed = smooth(list(found["losses"]), 0.7)
    wanted = {"lrs": lrs, "smoothed": smoothed, **suggest(lrs, smoothed)}
    for key, value in wanted.items():
        expect.close(
            found[key],
            value,
            when=f"comparing {key} with your own functions, after {name}",
            think="smooth reads the losses, suggest reads the smoothed ones; all parts fit.",
        )


# %% hidden aspect="the model is left as it was, bit for bit" points=1
@student_side
def before_and_after_search(x, y, lr_max):
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.3), nn.Linear(5, 1))
    for _ in range(3):
        model(x)  # the buffers move away from where they began
    model[1].eval()

    def look():
        modes = {name or "the whole": module.training for name, module in model.named_modules()}
        grads = [name for name, p in model.named_parameters() if p.grad is not None]
        return {name: v.clone() for name, v in model.state_dict().items()}, modes, grads

    before = look()
    make_opt = lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)  # noqa: E731
    found = lr_find(model, F.mse_loss, [(x, y)], make_opt, lr_max=lr_max, num_iter=20, beta=0.5)
    return before, look(), len(found["losses"])


torch.manual_seed(10)
x, y = torch.randn(8, 3) + 1, torch.randn(8, 1)
for lr_max, name in ((0.1, "a search to the end"), (1e9, "a search that diverged")):
    before, after, _ = before_and_after_search(x, y, lr_max)
    looks = "parameters and buffers", "modes of its modules", "parameters with a gradient"
    for look, one, other in zip(looks, before, after, strict=True):
        expect.equal(
            other,
            one,
            when=f"looking at the model after {name} ({look})",
            think="What is in the model beside its weights? Is what was put aside a copy?",
        )

# %% hidden aspect="on the digits, min10 comes out as the reference's" points=1
torch.manual_seed(11)
# The reference gives 0.066 on average. Other weights and batches move the logarithm of such a mean
# by 0.17 (standard deviation), so a factor of 3 is 6.5 of them: false alarm below 1e-9.
seeds, named = torch.randint(9999, (3,)).tolist(), []
for batch_norm, seed in zip((False, True, False), seeds, strict=True):
    found = search(batch_norm, seed)
    expect.kind(found, dict, when=f"searching a rate with seed {seed}")
    named.append(found["min10"])
expect.between(
    math.exp(np.log(np.array(named)).mean()),
    0.022,
    0.2,
    when="taking the geometric mean of min10 over three seeds, one of them with batch norm",
    think="The rate belongs to plain SGD, and the cross-entropy gets scores, not probabilities.",
)

# %% hidden aspect="a rate like the one found trains the network, and 1e-5 does not" points=1
torch.manual_seed(12)
seed = int(torch.randint(9999, (1,)))
# Over seeds, 0.67 +- 0.05 and 0.10 +- 0.024: false alarm below 1e-9.
good, tiny = accuracies(False, [0.1, 1e-5], seed, 60)
expect.between(
    good,
    0.3,
    1.0,
    when="training the plain network for 60 steps with the rate 0.1",
    think="Is the rate used? Are the gradients of the step before gone?",
)
expect.between(
    tiny,
    0.0,
    0.3,
    when="training the plain network for 60 steps with the rate 1e-5, after one with 0.1",
    think="Nothing can be learned in so few steps that small. What did the network start from?",
)

# %% hidden aspect="with batch norm even a rate of 3 trains" points=1
torch.manual_seed(13)
# Over seeds, 0.68 +- 0.076 with batch norm, and 0.102 without: false alarm below 1e-8.
seed = int(torch.randint(9999, (1,)))
for batch_norm, low, high in ((False, 0.0, 0.25), (True, 0.25, 1.0)):
    expect.between(
        accuracies(batch_norm, [3.0], seed, 60)[0],
        low,
        high,
        when=f"training {'with' if batch_norm else 'without'} batch norm, 60 steps, rate 3",
        think="What is the range of usable rates in your figure, with and without batch norm?",
    )

# %% hidden aspect="accuracy is measured on unseen digits in evaluation mode" points=1
from autograder import reference

torch.manual_seed(14)
# After two steps the running statistics lag behind, and the two modes disagree.
for seed in torch.randint(9999, (3,)).tolist():
    expect.close(
        accuracies(True, [0.1], seed, 2),
        reference.accuracies(True, [0.1], seed, 2),
        rtol=0.0,
        atol=0.011,  # five digits of 500: rounding may tip some
        when=f"training with batch norm for two steps with the rate 0.1, seed {seed}",
        think="Which digits are counted, and which statistics do the norms use for them?",
    )

# %% hidden aspect="the figure shows the smoothed losses over a log axis of rates" points=1
torch.manual_seed(15)
searches = {}
for name, n in (("one", 20), ("another", 33)):
    lrs, smoothed = np.geomspace(1e-6, 2.0, n).tolist(), torch.rand(n).tolist()
    losses = torch.rand(n).tolist()
    searches[name] = {"lrs": lrs, "losses": losses, "smoothed": smoothed}
    searches[name] |= {"min10": lrs[9], "steep": lrs[12]}
figure = plot_searches(copy.deepcopy(searches))
expect.figure(
    figure,
    when="drawing two searches of 20 and 33 rates",
    think="Rates differ by factors; the smoothed loss is drawn over them, one named line each.",
    lines=[(one["lrs"], one["smoothed"]) for one in searches.values()],
    xscale="log",
    legend=2,
)
shown = figure if isinstance(figure, dict) else expect.describe_figure(figure)
for name in searches:
    expect.true(
        name in shown["axes"][0]["legend"],
        when="reading the legend of two searches",
        wanted=f"the name {name!r}",
        got="none of that name",
        think="The keys of the dictionary are the names of the lines.",
    )

# %% setup
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from autograder.datasets import BUNDLED, mnist

# Digits of 14 x 14 pixels and hidden layers of 64 show the same as the full network, in no time.
digits = mnist(train=True, root=BUNDLED)
pixels = F.avg_pool2d(digits.floats(normalised=True)[:4500, None], 2).flatten(1)
pixels = pixels / pixels.std()
train, test = slice(0, 4000), slice(4000, 4500)


def small(batch_norm):
    layers, width = [], 196
    for _ in range(3):
        layers += [nn.Linear(width, 64), *[nn.BatchNorm1d(64)] * batch_norm, nn.ReLU()]
        width = 64
    return nn.Sequential(*layers, nn.Linear(64, 10))


# %% text [markdown] id="what-batch-norm-changes" points=2
r"""
Does the best learning rate change when batch norm is added? Answer in four or five sentences, from
your two curves and your accuracies: what happens to the rate that `min10` names, and what to the
range of rates with which the network trains? Then say why, starting from this: multiply the weights
in front of a batch norm by 2. What happens to the output, and what to their gradient?

- [1] What changes: `min10` stays about where it was (within a factor of three), but the range of usable rates reaches much further up: with a rate of 3 the plain network stays at chance, the one with batch norm trains.
- [1] Why: the norm undoes the scale of the weights in front of it, so their gradient is at a right angle to them and halves when they double; a step that is too long makes the weights longer, and the steps after it count for less.
"""

# %% evidence
# The scale of the weights is undone: the output stays, the gradient halves, at a right angle.
x, weight, target = torch.randn(20, 6).double(), torch.randn(4, 6).double(), torch.randn(20, 4)
norm = nn.BatchNorm1d(4, eps=1e-12).double()
outputs, gradients = [], []
for scale in (1.0, 2.0):
    w = (scale * weight).requires_grad_()
    outputs.append(norm(x @ w.T))
    gradients.append(torch.autograd.grad((outputs[-1] * target).sum(), w)[0])
assert torch.allclose(outputs[0], outputs[1], atol=1e-9)
assert torch.allclose(gradients[0], 2 * gradients[1], atol=1e-9)
assert torch.allclose((gradients[0] * weight).sum(dim=1), torch.zeros(4).double(), atol=1e-9)
# So every step makes them longer, and a long step by much.
for rate in (0.1, 10.0):
    longer = (weight - rate * gradients[0]).square().sum()
    grown = weight.square().sum() + rate**2 * gradients[0].square().sum()
    assert torch.allclose(longer, grown) and longer > weight.square().sum()

# %% evidence
# A rate of 3: chance without batch norm, well above it with batch norm, in each of two runs.
for _ in range(2):
    shares = []
    for batch_norm in (False, True):
        model = small(batch_norm)
        optimizer = torch.optim.SGD(model.parameters(), lr=3.0)
        for _ in range(60):
            rows = torch.randint(4000, (64,))
            optimizer.zero_grad()
            F.cross_entropy(model(pixels[rows]), digits.labels[rows]).backward()
            optimizer.step()
        model.eval()
        guess = model(pixels[test]).argmax(dim=1)
        shares.append((guess == digits.labels[test]).float().mean().item())
    assert shares[0] < 0.25 and shares[1] > shares[0] + 0.15

# %% evidence
# The rate that min10 names, geometric mean over four runs: within a factor of three of each other.
named = {False: [], True: []}
for batch_norm, found in named.items():
    for _ in range(4):
        model, average, curve = small(batch_norm), 0.0, []
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        rates = np.geomspace(1e-5, 10, 100)
        for i, rate in enumerate(rates):
            optimizer.param_groups[0]["lr"] = rate
            rows = torch.randint(4000, (32,))
            loss = F.cross_entropy(model(pixels[rows]), digits.labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average = 0.98 * average + 0.02 * loss.item()
            curve.append(average / (1 - 0.98 ** (i + 1)))
            if not curve[-1] <= 4 * min(curve):
                break
        found.append(np.log(rates[np.nanargmin(curve)] / 10))
assert abs(np.mean(named[True]) - np.mean(named[False])) < np.log(3)


# %% alternative of="rates"
def with_numpy(lr_min, lr_max, num_iter):
    return np.geomspace(lr_min, lr_max, num_iter)


# %% alternative of="smooth"
def with_the_running_weight(losses, beta):
    total, weight, smoothed = 0.0, 0.0, []
    for loss in losses:
        total, weight = loss + beta * total, 1.0 + beta * weight
        smoothed.append(total / weight)
    return smoothed


# %% alternative of="suggest"
def with_central_differences(lrs, smoothed):
    n = len(lrs)
    finite = [i for i in range(n) if math.isfinite(smoothed[i])]
    lowest = min(finite, key=lambda i: smoothed[i])

    def slope(i):
        return (smoothed[i + 1] - smoothed[i - 1]) / math.log(lrs[i + 1] / lrs[i - 1])

    inner = range(10, n - 5)
    steep = lrs[min(inner, key=slope)] if len(inner) else float("nan")
    return {"steep": steep, "min10": lrs[lowest] / 10}


# %% alternative of="lr_find"
def with_a_saved_state(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    optimizer = make_opt(model.parameters())
    lrs, losses, best = list(rates(lr_min, lr_max, num_iter)), [], math.inf
    for i, lr in enumerate(lrs):
        x, y = batches[i % len(batches)]
        loss = loss_fn(model(x), y)
        losses.append(float(loss))
        last = smooth(losses, beta)[-1]
        best = min(best, last)
        if not last <= diverge * best or last == math.inf:
            break
        for group in optimizer.param_groups:
            group.update(lr=lr)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    model.load_state_dict(state)
    for module, mode in modes:
        module.training = mode
    smoothed = smooth(losses, beta)
    found = {"lrs": lrs[: len(losses)], "losses": losses, "smoothed": smoothed}
    return found | suggest(found["lrs"], smoothed)


# %% alternative of="plot_searches"
def with_semilogx(searches):
    figure = plt.figure()
    for found in searches.values():
        plt.semilogx(found["lrs"], found["smoothed"])
    plt.xlabel("rate")
    plt.ylabel("loss")
    plt.suptitle("Searches")
    plt.legend(list(searches))
    return figure


# %% alternative of="accuracies"
def with_one_start_for_all(batch_norm, lrs, seed, steps):
    start, found = network(batch_norm, seed), []
    for lr in lrs:
        model = copy.deepcopy(start).train()
        for x, y in minibatches(seed, steps):
            loss = F.cross_entropy(model(x), y)
            grads = torch.autograd.grad(loss, list(model.parameters()))
            with torch.no_grad():
                for p, g in zip(model.parameters(), grads, strict=True):
                    p -= lr * g
        with torch.no_grad():
            guess = model.eval()(unseen_images).argmax(1)
        found.append(np.mean((guess == unseen_labels).numpy()))
    return np.array(found)


# %% mistake of="rates" fails="the rates form a geometric sequence with both ends"
def divides_by_the_number_of_rates(lr_min, lr_max, num_iter):
    """Between n rates lie n - 1 steps; divided by n, the search stops short of lr_max."""
    return [lr_min * (lr_max / lr_min) ** (i / num_iter) for i in range(num_iter)]


# %% mistake of="smooth" fails="each smoothed loss is a weighted mean of the losses so far"
def starts_at_the_first_loss(losses, beta):
    """An average that starts at the first loss remembers it for long: start at 0, then debias."""
    average, smoothed = losses[0], []
    for loss in losses:
        average = beta * average + (1 - beta) * loss
        smoothed.append(average)
    return smoothed


# %% mistake of="smooth" fails="each smoothed loss is a weighted mean of the losses so far; on the digits, min10 comes out as the reference's"
def forgets_the_correction(losses, beta):
    """An average that starts at 0 is far too low at first: divide by 1 - beta ** (i + 1)."""
    average, smoothed = 0.0, []
    for loss in losses:
        average = beta * average + (1 - beta) * loss
        smoothed.append(average)
    return smoothed


# %% mistake of="suggest" fails="min10 is a tenth of the rate with the lowest finite loss"
def lets_a_nan_be_lowest(lrs, smoothed):
    """np.argmin takes a NaN for the lowest of all; np.nanargmin passes over it."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.argmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        slopes = np.gradient(smoothed, np.log(lrs))[10:-5]
        best["steep"] = float(lrs[10 + np.argmin(slopes)])
    return best


# %% mistake of="suggest" fails="min10 is a tenth of the rate with the lowest finite loss; on the digits, min10 comes out as the reference's"
def forgets_the_tenth(lrs, smoothed):
    """At the lowest loss the explosion is one step away: a tenth of that rate is suggested."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)]), "steep": math.nan}
    if len(lrs) > 15:
        slopes = np.gradient(smoothed, np.log(lrs))[10:-5]
        best["steep"] = float(lrs[10 + np.argmin(slopes)])
    return best


# %% mistake of="suggest" fails="steep is the rate with the steepest descent on a log axis"
def measures_against_the_rate(lrs, smoothed):
    """Against the rate itself, small rates look steep: the slope is taken against its logarithm."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        best["steep"] = float(lrs[10 + np.argmin(np.gradient(smoothed, lrs)[10:-5])])
    return best


# %% mistake of="suggest" fails="steep is the rate with the steepest descent on a log axis"
def counts_from_the_cut(lrs, smoothed):
    """An index into a list whose first 10 points are cut off is 10 too small."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        best["steep"] = float(lrs[np.argmin(np.gradient(smoothed, np.log(lrs))[10:-5])])
    return best


# %% mistake of="suggest" fails="steep is the rate with the steepest descent on a log axis"
def takes_the_explosion_for_the_descent(lrs, smoothed):
    """The steepest part of the curve is its explosion; the descent has the lowest slope."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        slopes = np.abs(np.gradient(smoothed, np.log(lrs))[10:-5])
        best["steep"] = float(lrs[10 + np.argmax(slopes)])
    return best


# %% mistake of="suggest" fails="steep is the rate with the steepest descent on a log axis"
def cuts_no_end_off(lrs, smoothed):
    """The debiased average jumps at first, when it holds few losses: 10 points do not count."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        best["steep"] = float(lrs[np.argmin(np.gradient(smoothed, np.log(lrs)))])
    return best


# %% mistake of="lr_find" fails="each loss is the next batch's, before its update"
def records_the_loss_after_the_update(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """The loss behind the update belongs to the next rate: record what was differentiated."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss_fn(twin(x), y).item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="each loss is the next batch's, before its update"
def searches_in_the_mode_it_finds(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """The rate is for training, so the search runs in training mode, whatever mode the model is in."""
    twin = copy.deepcopy(model)
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="every update is made with the rate of its step"
def sets_the_rate_after_the_step(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """A rate set after the step is used in the next one: set it before."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = lr
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="every update is made with the rate of its step"
def sets_the_first_group_only(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """An optimizer may have several parameter groups, each with a rate of its own."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        optimizer.param_groups[0]["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the search stops at the first smoothed loss above the limit"
def compares_raw_losses(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """One bad batch is no explosion: the smoothed loss decides."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or losses[-1] > diverge * min(losses):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the search stops at the first smoothed loss above the limit"
def always_stops_at_four_times(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """How much is too much is an argument: `diverge`."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > 4 * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the search stops at the first smoothed loss above the limit; a loss that is not finite ends the search; the result agrees with rates, smooth and suggest"
def drops_the_point_that_ended_it(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """The point that ends the search is part of the curve, like all before it."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            losses, smoothed = losses[:-1], smoothed[:-1]
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="a loss that is not finite ends the search"
def compares_with_nan(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """Every comparison with NaN is false, so this search never notices one: ask whether it is finite."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the result agrees with rates, smooth and suggest"
def suggests_from_the_raw_losses(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """The lowest raw loss is the luckiest batch: the smoothed losses are what `suggest` reads."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, losses)}


# %% mistake of="lr_find" fails="the model is left as it was, bit for bit"
def puts_back_the_parameters_alone(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """Running statistics change in training as well: buffers belong to the model, too."""
    twin, saved = model, [p.detach().clone() for p in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    twin.train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    for p, old in zip(model.parameters(), saved, strict=True):
        p.data.copy_(old)
        p.grad = None
    for module, mode in modes:
        module.training = mode
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the model is left as it was, bit for bit"
def saves_the_state_without_a_copy(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """state_dict() holds the very tensors that training changes: save copies of them."""
    twin, saved = model, model.state_dict()
    modes = [(module, module.training) for module in model.modules()]
    twin.train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    model.load_state_dict(saved)
    model.zero_grad()
    for module, mode in modes:
        module.training = mode
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the model is left as it was, bit for bit"
def forgets_the_modes(
    model,
    loss_fn,
    batches,
    make_opt,
    lr_min=1e-7,
    lr_max=10.0,
    num_iter=100,
    beta=0.98,
    diverge=4.0,
):
    """Layers in evaluation mode have to be in evaluation mode again: each module has its own flag."""
    twin, saved = model.train(), copy.deepcopy(model.state_dict())
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        x, y = batches[i % len(batches)]
        for group in optimizer.param_groups:
            group["lr"] = lr
        loss = loss_fn(twin(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        smoothed = smooth(losses, beta)
        if not math.isfinite(smoothed[-1]) or smoothed[-1] > diverge * min(smoothed):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    model.load_state_dict(saved)
    model.zero_grad()
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="search" fails="on the digits, min10 comes out as the reference's"
def searches_a_rate_for_adam(batch_norm, seed):
    """A rate belongs to an optimizer: Adam's steps are as long as its rate, SGD's are not."""
    model, batches = network(batch_norm, seed), minibatches(seed, 100)
    return lr_find(model, F.cross_entropy, batches, torch.optim.Adam, lr_min=1e-5)


# %% mistake of="search" fails="on the digits, min10 comes out as the reference's"
def passes_probabilities(batch_norm, seed):
    """cross_entropy wants the scores: it takes the softmax itself, and a second one flattens all."""
    model = nn.Sequential(network(batch_norm, seed), nn.Softmax(dim=1))
    return lr_find(
        model, F.cross_entropy, minibatches(seed, 100), lambda p: torch.optim.SGD(p, 0.1), 1e-5
    )


# %% mistake of="accuracies" fails="a rate like the one found trains the network, and 1e-5 does not"
def goes_on_with_the_same_network(batch_norm, lrs, seed, steps):
    """Each rate gets a network that nothing has trained before, or they cannot be compared."""
    model, found = network(batch_norm, seed), []
    for lr in lrs:
        model.train()
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for x, y in minibatches(seed, steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        right = model.eval()(unseen_images).argmax(dim=1) == unseen_labels
        found.append(right.float().mean().item())
    return found


# %% mistake of="accuracies" fails="with batch norm even a rate of 3 trains"
def gives_up_when_the_loss_doubles(batch_norm, lrs, seed, steps):
    """With batch norm a loss that leaps up at first comes down again: make all the steps."""
    found = []
    for lr in lrs:
        model, losses = network(batch_norm, seed), []
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for x, y in minibatches(seed, steps):
            loss = F.cross_entropy(model(x), y)
            losses.append(loss.item())
            if not losses[-1] <= 2 * losses[0]:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = model.eval()(unseen_images).argmax(dim=1) == unseen_labels
        found.append(right.float().mean().item())
    return found


# %% mistake of="accuracies" fails="accuracy is measured on unseen digits in evaluation mode"
def predicts_in_training_mode(batch_norm, lrs, seed, steps):
    """In training mode a batch norm measures the test digits themselves: call eval() first."""
    found = []
    for lr in lrs:
        model = network(batch_norm, seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for x, y in minibatches(seed, steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        right = model(unseen_images).argmax(dim=1) == unseen_labels
        found.append(right.float().mean().item())
    return found


# %% mistake of="accuracies" fails="accuracy is measured on unseen digits in evaluation mode"
def counts_training_digits(batch_norm, lrs, seed, steps):
    """Digits that were trained on say little about others: count the unseen ones."""
    found = []
    for lr in lrs:
        model = network(batch_norm, seed)
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for x, y in minibatches(seed, steps):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        right = model.eval()(pixels(digits.images[:500])).argmax(dim=1) == digits.labels[:500]
        found.append(right.float().mean().item())
    return found


# %% mistake of="plot_searches" fails="the figure shows the smoothed losses over a log axis of rates"
def keeps_a_linear_axis(searches):
    """Rates from 1e-5 to 10 are a millionfold apart: on a linear axis all of them sit at 0."""
    figure, axes = plt.subplots()
    for name, found in searches.items():
        axes.plot(found["lrs"], found["smoothed"], label=name)
    axes.set(xlabel="learning rate", ylabel="smoothed loss", title="Range test")
    axes.legend()
    return figure


# %% mistake of="plot_searches" fails="the figure shows the smoothed losses over a log axis of rates"
def draws_the_raw_losses(searches):
    """Raw losses scatter from batch to batch; the curve to be read is the smoothed one."""
    figure, axes = plt.subplots()
    for name, found in searches.items():
        axes.semilogx(found["lrs"], found["losses"], label=name)
    axes.set(xlabel="learning rate", ylabel="loss", title="Range test")
    axes.legend()
    return figure
