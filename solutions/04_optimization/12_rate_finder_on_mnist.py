# %% exercise [markdown] items="34" stars=3 minutes=50 level="analyze" goal="say which rates train a network, and what batch norm changes about that"
r"""
# The rate finder on MNIST
A learning-rate finder promises one number. Is it the right one, and how far off may it be?
Apply one to a network with three hidden layers of 256 units, with and without batch norm, and then
train with the rate that was found and with others.

The textbook question is how the rate found compares with 0.1. For plain SGD that says little: here
the finder names a rate near 0.1 itself. And another rule, the rate where the loss falls fastest,
names one that may be ten times larger. So the optimizer is plain SGD, the rule is a tenth of the
rate with the lowest smoothed loss,

$$ \texttt{min10} = \eta_{i^*} / 10, \qquad i^* = \arg\min_i s_i, $$

and it is compared with rates far below and far above.

1. Write `search`, which asks for the curve and reads `min10` off it, and `plot_searches`.
2. Write `accuracies`: train with several rates, each from the same start.
3. Say what batch norm changes.

*Hint:* `np.argmin` takes a NaN for the lowest of all.
"""

# %%
import copy
import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect
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


def range_test(model: nn.Module, batches: list[Batch], lrs: Sequence[float]) -> list[float]:
    """The smoothed losses of a range test with plain SGD: one step a batch and rate.

    It stops where the loss has exploded, so there may be fewer losses than rates; the last may be
    inf or NaN. The model is not as before afterwards.
    """
    curve, total, parameters = [], torch.zeros(2), list(model.train().parameters())
    for (x, y), lr in zip(batches, lrs, strict=True):
        loss = F.cross_entropy(model(x), y)
        with torch.no_grad():
            for p, slope in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                p.sub_(slope, alpha=lr)
        total = 0.98 * total + torch.stack([loss.detach(), torch.ones(())])
        curve.append((total[0] / total[1]).item())
        if not curve[-1] <= 4 * min(curve):
            break
    return curve


# %% solution
def search(batch_norm: bool, seed: int) -> dict:
    """A range test of `network(batch_norm, seed)`: "lrs", "smoothed" and "min10".

    It is asked for 100 rates from 1e-5 to 10, both included, each the same factor above the one
    before, on 100 `minibatches` of the same seed. "lrs" are as many as there are smoothed losses,
    and "min10" is a tenth of the rate with the lowest of these.
    """
    ### BEGIN SOLUTION
    lrs = np.geomspace(1e-5, 10.0, 100)
    smoothed = range_test(network(batch_norm, seed), minibatches(seed, 100), lrs)
    min10 = float(lrs[np.nanargmin(smoothed)] / 10)
    return {"lrs": lrs[: len(smoothed)].tolist(), "smoothed": smoothed, "min10": min10}
    ### END SOLUTION


def plot_searches(searches: dict[str, dict]) -> Figure:
    """The smoothed loss over the rate, on a logarithmic axis: a line a search, under its name.

    Say what the axes and the picture show. The last losses may be a hundred times the first: see
    that the fall of the curves can be seen all the same.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, found in searches.items():
        (line,) = axes.plot(found["lrs"], found["smoothed"], label=name)
        axes.plot(10 * found["min10"], np.nanmin(found["smoothed"]), "o", color=line.get_color())
    top = 2 * max(found["smoothed"][0] for found in searches.values())
    axes.set(xscale="log", ylim=(0, top), xlabel="learning rate", ylabel="smoothed training loss")
    axes.set_title("Range test on MNIST (dots: ten times min10)")
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
    expect.kind(
        found,
        dict,
        when=f"searching a rate for the network ({name})",
        think="The docstring names the three keys of what comes back.",
    )
    expect.close(
        found["lrs"][0],
        1e-5,
        when=f"reading the first rate ({name})",
        think="The rates start at the lower end, and that is among them.",
    )
    expect.equal(
        len(found["lrs"]),
        len(found["smoothed"]),
        when=f"counting the rates; there are {len(found['smoothed'])} smoothed losses ({name})",
        think="The search may stop early: which rates were used?",
    )
    print(f"{name:16}min10 is {found['min10']:.2g}")
figure = plot_searches(searches)
expect.figure(
    figure,
    when="drawing both searches",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=2,
    xscale="log",
)
# A few steps, so that you need not wait: the next cell has the longer run.
scores = accuracies(True, [1e-5, 0.1], seed=0, steps=20)
expect.shape(
    np.array(scores),
    (2,),
    when="training with two rates, 20 steps each",
    think="One accuracy for each rate, in the same order.",
)
for lr, score in zip((1e-5, 0.1), scores, strict=True):
    expect.between(
        score,
        0.0,
        1.0,
        when=f"reading the accuracy for the rate {lr:g}",
        think="It is a share: how many of the digits are right, of all that were counted?",
    )
    print(f"{'with batch norm':16}rate {lr:<8g}{score:.0%} right after 20 steps")

# %%
# The longer experiment, for whoever is curious: True takes about two minutes on two cores.
FULL = False
if FULL:
    for name, batch_norm in {"plain": False, "with batch norm": True}.items():
        found = [search(batch_norm, seed)["min10"] for seed in range(3)]
        print(f"{name}, min10 of three seeds:", [f"{one:.2g}" for one in found])
        lrs = [1e-5, 1e-3, 0.03, 0.1, 0.3, 1.0, 3.0]
        for lr, score in zip(lrs, accuracies(batch_norm, lrs, seed=0, steps=1500), strict=True):
            print(f"  rate {lr:<7.2g}{score:.1%} right after 1,500 steps")

# %% hidden aspect="the search names the rate that the curve names" points=1
from autograder import reference

torch.manual_seed(11)
# The same network, batches and rates: the curves agree until the last rates blow rounding up.
seed = int(torch.randint(9999, (1,)))
found, wanted = search(False, seed), reference.search(False, seed)
expect.kind(
    found,
    dict,
    when=f"searching a rate with seed {seed}",
    think="The docstring names the three keys of what comes back.",
)
expect.close(
    found["lrs"][:60],
    wanted["lrs"][:60],
    when="reading the first 60 rates",
    think="From one rate to the next there is always the same factor; both ends are included.",
)
expect.close(
    found["smoothed"][:60],
    wanted["smoothed"][:60],
    rtol=1e-3,  # float32, sixty steps
    when=f"reading the first 60 smoothed losses without batch norm, seed {seed}",
    think="Which network, which batches, and in which order do the rates come?",
)
lrs, smoothed = np.array(found["lrs"]), np.array(found["smoothed"])
expect.close(
    found["min10"],
    lrs[np.nanargmin(smoothed)] / 10,
    when="comparing min10 with the curve it is read off",
    think="At the lowest loss the explosion is near: how far below it is safe?",
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
    searches[name] = {"lrs": lrs, "smoothed": smoothed, "min10": lrs[9]}
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

- [1] What changes: `min10` stays about where it was (as a rule within a factor of five), but the range of usable rates reaches much further up: with a rate of 3 the plain network stays at chance, the one with batch norm trains.
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
# A rate of 3: chance without batch norm, well above it with batch norm, on average over five runs.
shares = {False: [], True: []}
for batch_norm, found in shares.items():
    for _ in range(5):
        model = small(batch_norm)
        optimizer = torch.optim.SGD(model.parameters(), lr=3.0)
        for _ in range(60):
            rows = torch.randint(4000, (64,))
            optimizer.zero_grad()
            F.cross_entropy(model(pixels[rows]), digits.labels[rows]).backward()
            optimizer.step()
        model.eval()
        guess = model(pixels[test]).argmax(dim=1)
        found.append((guess == digits.labels[test]).float().mean().item())
assert np.mean(shares[False]) < 0.2 and np.mean(shares[True]) > np.mean(shares[False]) + 0.1

# %% evidence
# The rate that min10 names, median over seven runs: within a factor of five of each other.
named = {False: [], True: []}
for batch_norm, found in named.items():
    for _ in range(7):
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
assert abs(np.median(named[True]) - np.median(named[False])) < np.log(5)


# %% alternative of="search"
def with_a_loop_over_the_rates(batch_norm, seed):
    lrs = [1e-5 * 1e6 ** (i / 99) for i in range(100)]
    curve = range_test(network(batch_norm, seed), minibatches(seed, 100), lrs)
    best = min((loss, lr) for lr, loss in zip(lrs, curve, strict=False) if math.isfinite(loss))
    return {"min10": best[1] / 10, "smoothed": curve, "lrs": lrs[: len(curve)]}


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


# %% mistake of="search" fails="the search names the rate that the curve names"
def names_the_rate_of_the_lowest_loss(batch_norm, seed):
    """At the lowest loss the explosion is one step away: a tenth of that rate is suggested."""
    lrs = np.geomspace(1e-5, 10.0, 100)
    smoothed = range_test(network(batch_norm, seed), minibatches(seed, 100), lrs)
    best = float(lrs[np.nanargmin(smoothed)])
    return {"lrs": lrs[: len(smoothed)].tolist(), "smoothed": smoothed, "min10": best}


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
