# %% exercise [markdown] items="42" stars=1 minutes=35 level="analyze" goal="name the cause behind a loss curve, and prove it by bringing the curve about"
r"""
# 7.21 Four loss curves
A diagnosis from a loss curve is a guess until it has been tested: if the cause is what you say it
is, then that cause alone must bring the curve about. Below, `run` trains a small network for ten
classes. All its knobs stand at `HEALTHY`, and training goes well. **Turn exactly one knob** for each
of four patterns:

| | the curves of a run | for both seeds, 0 and 1 |
|---|---|---|
| `flat` | constant at $\ln 10$ | no training loss is further than 0.03 from $\ln 10$, the first one included |
| `overflow` | a number, then NaN for ever | the first training loss is finite, and the last ten are NaN |
| `overfit` | training falls, validation turns | training falls in every epoch; validation is lowest in the first half of the epochs and ends at least 10 % above that |
| `swings` | up and down, further and further | no NaN; in the second half of the epochs the training loss rises at least four times, falls at least four times, and climbs by 0.3 or more in all, at least twice as much as in the first half |

`facts` measures what the table speaks of. *Climb* is the sum of all rises: 1, 3, 2, 2.5 climbs by
2.5.

Then write `plot_patterns`, look at your four pairs of curves, and say of four other runs what is
wrong with them.

*Hint:* $\ln 10$ is the loss of a network that gives each of the ten classes one tenth, whatever it
sees. Fresh weights say something else.

*Hint:* many texts draw growing swings for "a rate that is too high". A constant rate seldom gives
them: on a quadratic bowl, beyond $2/\lambda_{max}$, the loss grows in **every** step, and a network
often escapes to flatter ground, where the swings shrink again.
"""

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect

HEALTHY = {
    "rate": 0.5,  # of the first step
    "growth": 1.0,  # by what the rate is multiplied after each epoch
    "decay": 0.0,  # this times the weight is added to its gradient
    "scale": 1.0,  # times the usual standard deviation of the initial weights
    "width": 32,  # of the hidden layer
    "samples": 400,  # to train on
    "noise": 0.2,  # share of labels that are replaced by random ones
    "epochs": 60,  # of one step each: the batch is all there is
}
RANGES = {"rate": 1e6, "growth": 10, "decay": 100, "scale": 100, "noise": 1}
RANGES |= {"width": 1000, "samples": 2000, "epochs": 400}
SEEDS = 0, 1


def draw_data(n: int, noise: float, centres: Tensor, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """`n` points about ten centres, and the number of the centre, or a random one, as label."""
    labels = torch.arange(n) % 10
    x = centres[labels] + torch.randn(n, 20, generator=g, dtype=torch.float64)
    other = torch.rand(n, generator=g) < noise
    return x / math.sqrt(2), torch.where(other, torch.randint(10, (n,), generator=g), labels)


def run(change: dict, seed: int) -> tuple[list[float], list[float]]:
    """Train with the knobs of HEALTHY, but for what `change` says: the losses of all epochs.

    Both losses, training and validation, are taken before the step of their epoch.
    """
    knobs = HEALTHY | change
    g, width, scale = torch.Generator().manual_seed(seed), knobs["width"], knobs["scale"]
    centres = torch.randn(10, 20, generator=g, dtype=torch.float64)
    n, noise = knobs["samples"], knobs["noise"]
    parts = draw_data(n, noise, centres, g), draw_data(300, noise, centres, g)
    x, labels = (torch.cat(both) for both in zip(*parts, strict=True))
    w1 = scale * math.sqrt(2 / 20) * torch.randn(20, width, generator=g, dtype=torch.float64)
    w2 = scale * math.sqrt(1 / width) * torch.randn(width, 10, generator=g, dtype=torch.float64)
    b1, b2 = torch.zeros(width).double(), torch.zeros(10).double()
    weights = [w.requires_grad_() for w in (w1, b1, w2, b2)]
    train, val, rate, rows = [], [], knobs["rate"], torch.arange(n + 300)
    for _ in range(knobs["epochs"]):
        e = torch.exp((x @ w1 + b1).relu() @ w2 + b2)
        losses = -torch.log(e[rows, labels] / e.sum(dim=1))
        seen, new = losses[:n].mean(), losses[n:].mean()
        train.append(seen.item())
        val.append(new.item())
        with torch.no_grad():
            for w, gradient in zip(weights, torch.autograd.grad(seen, weights), strict=True):
                w -= rate * (gradient + knobs["decay"] * w)
        rate *= knobs["growth"]
    return train, val


def facts(train: list[float], val: list[float]) -> dict[str, float]:
    """What the table of the prompt asks about a pair of curves."""
    changes = [after - before for before, after in pairwise(train)]
    half = len(changes) // 2
    first, second = changes[:half], changes[half:]
    best = min(val)
    return {
        "furthest from ln 10": max(abs(loss - math.log(10)) for loss in train),
        "NaN among the last ten": sum(math.isnan(loss) for loss in train[-10:]),
        "epochs in which training rose": sum(change > 0 for change in changes),
        "lowest validation, in percent of the epochs": 100 * (val.index(best) + 1) / len(val),
        "last validation / lowest": val[-1] / best,
        "rises in the second half": sum(change > 0 for change in second),
        "falls in the second half": sum(change < 0 for change in second),
        "climb in the first half": sum(max(change, 0.0) for change in first),
        "climb in the second half": sum(change for change in second if not change <= 0),
    }


# %%
# Every knob at HEALTHY: none of the four.
for name, fact in facts(*run({}, seed=0)).items():
    print(f"{name:44} {fact:.3g}")

# %% solution
# For each pattern a dictionary with one knob and its new value, such as {"width": 16}. Values lie
# from 0 to RANGES; `width` (1 or more), `samples` and `epochs` (20 or more) are whole numbers.
# flat: constant at ln 10
### BEGIN SOLUTION
flat = {"scale": 0.0}
### END SOLUTION
# overflow: a number, then NaN for ever
### BEGIN SOLUTION
overflow = {"growth": 1.1}
### END SOLUTION
# overfit: training falls, validation turns
### BEGIN SOLUTION
overfit = {"samples": 100}
### END SOLUTION
# swings: up and down, further and further
### BEGIN SOLUTION
swings = {"growth": 1.045}
### END SOLUTION


# %%
def one_knob(change: dict, name: str) -> dict:
    """The same dictionary, if it turns one knob, within RANGES."""
    when = f"reading `{name}`"
    expect.kind(change, dict, when=when)
    expect.equal(len(change), 1, when=f"{when} and counting knobs", think="One cause, one knob.")
    for knob, value in change.items():
        expect.true(knob in HEALTHY, when=when, wanted="a knob of HEALTHY", got=repr(knob)[:40])
        whole = isinstance(HEALTHY[knob], int)
        expect.kind(value, int if whole else (int, float), when=f"{when}, knob {knob!r}")
        low = {"width": 1, "samples": 20, "epochs": 20}.get(knob, 0)
        expect.between(value, low, RANGES[knob], when=f"{when}, knob {knob!r}")
    return change


# %% check
one_knob(flat, "flat")
one_knob(overflow, "overflow")
one_knob(overfit, "overfit")
for name, value in one_knob(swings, "swings").items():
    expect.true(
        value != HEALTHY[name],
        when="reading `swings`",
        wanted="a knob that is turned",
        got="its value in HEALTHY",
    )


# %% solution
def plot_patterns(curves: dict[str, tuple[list[float], list[float]]]) -> Figure:
    """Four panels, two by two, one for each entry and in this order.

    An entry is a name and a pair of curves, (training, validation). Its panel has the name as title
    and both losses against the epoch, counted from 1, with labels and a legend.
    """
    ### BEGIN SOLUTION
    figure, panels = plt.subplots(2, 2, figsize=(9, 6), layout="constrained")
    for axes, (name, pair) in zip(panels.flat, curves.items(), strict=True):
        for label, losses in zip(("training", "validation"), pair, strict=True):
            axes.plot(range(1, len(losses) + 1), losses, label=label)
        axes.set(title=name, xlabel="epoch", ylabel="loss")
        axes.legend()
    return figure
    ### END SOLUTION


# %%
# Run this cell when the five answers above are there: one panel for each of your four patterns.
if not any(answer is ... for answer in (flat, overflow, overfit, swings)):
    chosen = {"flat": flat, "overflow": overflow, "overfit": overfit, "swings": swings}
    try:
        pairs = {name: run(one_knob(change, name), 0) for name, change in chosen.items()}
        for axes in plot_patterns(pairs).axes:
            axes.set_ylim(0, 4)  # the same scale for all: a loss from 2.303 to 2.300 is constant
    except NotImplementedError:
        print("plot_patterns is not written yet")
    except AssertionError as problem:
        print(problem)

# %% check
drawn = {"one": ([3.0, 2.0], [4.0, 3.0]), "two": ([2.0, 1.0, 0.5], [2.0, 1.5, 1.0])}
drawn |= {"three": ([1.0, 1.0], [1.0, 2.0]), "four": ([5.0, 4.0], [5.0, 6.0])}
expect.figure(
    plot_patterns(drawn),
    lines=[([1, 2], [3.0, 2.0]), ([1, 2], [4.0, 3.0])],
    legend=2,
    when="looking at the first panel, training losses 3 and 2, validation losses 4 and 3",
    think="Two lines over the epochs 1 and 2, both labels, a title and a legend.",
)

# %% hidden aspect="`flat` stays at ln 10 from the first epoch on" points=1
for seed in SEEDS:
    expect.between(
        facts(*run(one_knob(flat, "flat"), seed))["furthest from ln 10"],
        0.0,
        0.03,
        when=f"measuring how far from ln 10 the training loss ever is with `flat`, seed {seed}",
        think="What must the network say about every input, at the start already? And what keeps it "
        "from ever saying anything else?",
    )

# %% hidden aspect="`overflow` starts with a number and ends in NaN" points=1
for seed in SEEDS:
    train, _ = run(one_knob(overflow, "overflow"), seed)
    expect.between(
        train[0],
        0.0,
        1e6,
        when=f"reading the first training loss with `overflow`, seed {seed}",
        think="The number breaks during training, not before it.",
    )
    expect.equal(
        sum(math.isnan(loss) for loss in train[-10:]),
        10,
        when=f"counting the NaN among the last ten training losses with `overflow`, seed {seed}",
        think="`run` takes exp of a logit, and in float64 that is infinite from 710 on. What makes "
        "logits that large?",
    )

# %% hidden aspect="`overfit` lets validation turn while training falls" points=1
for seed in SEEDS:
    found = facts(*run(one_knob(overfit, "overfit"), seed))
    expect.equal(
        found["epochs in which training rose"],
        0,
        when=f"counting the epochs in which the training loss rose with `overfit`, seed {seed}",
        think="This network is good at its training data; steps that are too long are another cause.",
    )
    expect.between(
        found["lowest validation, in percent of the epochs"],
        0.0,
        50.0,
        when="locating the lowest validation loss, in percent of the epochs, with `overfit`, "
        f"seed {seed}",
        think="When has the network learned all it can learn for others?",
    )
    expect.between(
        found["last validation / lowest"],
        1.1,
        math.inf,
        when=f"dividing the last validation loss by the lowest with `overfit`, seed {seed}",
        think="The more chances a network has to learn each sample by heart, the further it turns.",
    )

# %% hidden aspect="`swings` goes up and down, further in the second half than in the first" points=1
for seed in SEEDS:
    found = facts(*run(one_knob(swings, "swings"), seed))
    expect.equal(
        found["NaN among the last ten"],
        0,
        when=f"counting the NaN among the last ten training losses with `swings`, seed {seed}",
        think="The right knob can be turned too far.",
    )
    for kind in ("rises", "falls"):
        expect.between(
            found[f"{kind} in the second half"],
            4,
            400,
            when=f"counting the {kind} of the training loss in the second half of the epochs with "
            f"`swings`, seed {seed}",
            think="A loss that swings goes both ways, and often.",
        )
    expect.between(
        found["climb in the second half"],
        max(0.3, 2 * found["climb in the first half"]),
        math.inf,
        when="adding up all rises of the training loss in the second half of the epochs with "
        f"`swings`, seed {seed}; the first half has {found['climb in the first half']:.3g}",
        think="What becomes too long later, but is not too long at first?",
    )

# %% hidden aspect="the figure shows the four pairs of curves" points=1
nan = float("nan")
drawn = {
    "a": ([2.3, 2.25, 2.4], [2.5, 2.6, 2.2]),
    "b": ([0.5, 0.45, nan, nan], [0.75, 0.7, nan, nan]),
    "c": ([0.8, 0.6], [0.9, 0.95]),
    "d": ([0.85, 0.3, 1.5, 0.25, 2.1], [0.7, 0.4, 1.6, 0.35, 2.2]),
}
figure = plot_patterns({name: (list(train), list(val)) for name, (train, val) in drawn.items()})
for panel, (name, (train, val)) in enumerate(drawn.items()):
    epochs = list(range(1, len(train) + 1))
    expect.figure(
        figure,
        axes=panel,
        lines=[(epochs, train), (epochs, val)],
        xscale="linear",
        legend=2,
        when=f"looking at panel {panel + 1} of 4, for the curves called {name!r}",
        think="Both curves of an entry share a panel, each over its own epochs.",
    )

shown = figure if isinstance(figure, dict) else expect.describe_figure(figure)
expect.equal(
    [panel["title"].strip() for panel in shown["axes"][:4]],
    ["a", "b", "c", "d"],
    when="reading the titles of the four panels",
    think="Which curves belong to which name?",
)

# %% setup
import math
from itertools import pairwise

import torch
import torch.nn.functional as F


def blobs(n, wrong=0.0):
    """Ten balanced classes in 12 dimensions; a share of the labels is passed on to the next class."""
    labels = torch.arange(n) % 10
    x = torch.eye(10, 12).double()[labels] * 3 + torch.randn(n, 12).double()
    return x, torch.where(torch.rand(n) < wrong, (labels + 1) % 10, labels)


def fresh(width, scale=1.0):
    shapes = (12, width), (width,), (width, 10), (10,)
    return [
        (scale * torch.randn(s).double() / math.sqrt(s[0]) * (len(s) > 1)).requires_grad_()
        for s in shapes
    ]


def loss(weights, x, labels):
    w1, b1, w2, b2 = weights
    return F.cross_entropy((x @ w1 + b1).relu() @ w2 + b2, labels)


def descend(weights, seen, new, rate, steps=60, growth=1.0, decay=0.0):
    train, val = [], []
    for _ in range(steps):
        train.append(loss(weights, *seen))
        val.append(loss(weights, *new).item())
        with torch.no_grad():
            for w, g in zip(weights, torch.autograd.grad(train[-1], weights), strict=True):
                w -= rate * (g + decay * w)
        rate *= growth
    return [one.item() for one in train], val


def climb(losses):
    return sum(max(b - a, 0.0) for a, b in pairwise(losses))


# %% choice [markdown] id="constant-at-ln-10" points=1
r"""
Ten classes, as many images of each. The training loss is 2.30, 2.30, 2.30, 2.30, ..., the
validation loss the same. Which cause fits best, with the fix that belongs to it?

- [x] The weights get no gradient: look at how they start and at what the optimizer holds.
  > ln 10 = 2.30 is the loss of one tenth for each class, whatever comes in. Zero weights, dead units
  > or an optimizer that holds other parameters keep it there.
- [ ] A number overflowed: find the first that is not finite, and take the log-softmax in one.
  > After an overflow the loss is NaN; 2.30 is as finite as can be.
- [ ] The samples are learned by heart: keep the best epoch, add data or weight decay.
  > Nothing is learned here, not even the training data. More decay would hold it down further.
- [ ] The steps are too long for the curvature: lower the rate.
  > Steps that are too long move the loss about; often the rate here is far too low instead.
- [ ] The network is too small: make it wider.
  > Even a small network learns something. A loss equal to that of no knowledge asks for a bug hunt.
- [ ] Dropout is on in training only: nothing needs a fix.
  > Then validation would be better than training, and both would fall.
"""

# %% evidence
seen, new = blobs(200), blobs(200)
for width in (8, 64):  # wider does not help
    stuck = fresh(width, scale=0.0)
    gradients = torch.autograd.grad(loss(stuck, *seen), stuck)
    assert max(g.abs().max() for g in gradients) < 1e-12
    train, val = descend(stuck, seen, new, 0.5)
    assert all(f"{one:.2f}" == "2.30" for one in train + val)
assert descend(fresh(8), seen, new, 0.5)[0][-1] < 1.5  # a small network learns something
slow = fresh(8, scale=0.05)
assert all(f"{one:.2f}" == "2.30" for one in descend(slow, seen, new, 1e-5)[0])

# %% choice [markdown] id="falls-then-nan" points=1
r"""
The training loss is 0.50, 0.45, NaN, NaN, NaN, ... Which cause fits best, with the fix that belongs
to it?

- [ ] The weights get no gradient: look at how they start and at what the optimizer holds.
  > The loss fell from 0.50 to 0.45, so gradients came through.
- [x] A number overflowed: find the first that is not finite, shorten or clip the steps.
  > A log of 0 or an exp of a large logit, mostly after a step that was too long; then every weight is
  > NaN, for ever. The log-softmax in one keeps exp in range, but cannot shorten the step.
- [ ] The samples are learned by heart: keep the best epoch, add data or weight decay.
  > A training loss goes to 0 when samples are learned by heart, and 0 is a number.
- [ ] The network is too small: make it wider.
  > A small network has a high loss, not one that is no number.
- [ ] The target is reached: stop here.
  > Every weight is NaN by now, and so is every prediction.
- [ ] Dropout is on in training only: nothing needs a fix.
  > Dropout multiplies by 0 or by 1 / (1 - p); both are finite.
"""

# %% evidence
logits = torch.tensor([[800.0, 0.0]]).double()
naive = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
assert naive.isnan().any() and logits.log_softmax(dim=1).isfinite().all()
weights = fresh(16)
with torch.no_grad():
    weights[0][0, 0] = float("nan")
train, _ = descend(weights, blobs(100), blobs(100), 1e-6, steps=3)
assert all(math.isnan(one) for one in train)
assert all(w.isnan().any() for w in weights[2:])
long, short = fresh(16), fresh(16)
seen = blobs(100)
assert max(descend(long, seen, seen, 1e3, steps=8)[0]) > 1e3
assert max(descend(short, seen, seen, 0.05, steps=8)[0]) < 5

# %% choice [markdown] id="validation-turns" points=1
r"""
The training loss falls smoothly: 0.80, 0.60, 0.45, 0.35, ... The validation loss is 0.80, 0.75,
0.78, 0.82, ... Which cause fits best, with the fix that belongs to it?

- [ ] The weights get no gradient: look at how they start and at what the optimizer holds.
  > The training loss has more than halved.
- [ ] A number overflowed: find the first that is not finite, shorten or clip the steps.
  > All of these are finite, and the training loss is smooth.
- [x] The samples are learned by heart: keep the best epoch, add data or weight decay.
  > From epoch 2 on it learns what holds for these samples and for no others. The best weights were
  > those of epoch 2.
- [ ] The steps are too long for the curvature: lower the rate.
  > Then the training loss would be rough; this one falls smoothly.
- [ ] The network is too small: make it wider.
  > Its training loss keeps falling: it is large enough for these samples.
- [ ] Dropout is on in training only: nothing needs a fix.
  > That would put training above validation. Here it is below, and validation gets worse.
"""

# %% evidence
seen, new = blobs(60, wrong=0.3), blobs(1000, wrong=0.3)
train, val = descend(fresh(64), seen, new, 0.5, steps=150)
assert train == sorted(train, reverse=True)
assert val.index(min(val)) < 75 and val[-1] > 1.1 * min(val)
more = descend(fresh(64), blobs(1500, wrong=0.3), new, 0.5, steps=150)[1]
assert more[-1] < 0.9 * val[-1]
assert descend(fresh(64), seen, new, 0.5, steps=150, decay=0.02)[1][-1] < 0.9 * val[-1]

# %% choice [markdown] id="growing-swings" points=1
r"""
The training loss is 0.80, 0.30, 1.50, 0.25, 2.10, 0.20, 3.40, ... Which cause fits best, with the
fix that belongs to it?

- [ ] The weights get no gradient: look at how they start and at what the optimizer holds.
  > Something moves this loss a long way in every epoch.
- [ ] A number overflowed: find the first that is not finite, and take the log-softmax in one.
  > Not yet. It may end there, and then the NaN would have the same cause as the swings.
- [ ] The samples are learned by heart: keep the best epoch, add data or weight decay.
  > Then the training loss would be low and stay so.
- [x] The steps are too long for the curvature: lower the rate, or end its rise.
  > Each step overshoots. A quadratic bowl would show growth without a turn; the swings come from
  > sides that are not alike and from directions that differ.
- [ ] The network is too small: make it wider.
  > A loss of 0.20 now and then shows that it can fit.
- [ ] Dropout is on in training only: nothing needs a fix.
  > Its noise is about as large in every epoch; it does not grow from 0.5 to 3.2.
"""

# %% evidence
x, bowl = 1.0, []
for _ in range(10):  # curvature 1, rate 2.2: the weight changes its side, the loss only grows
    bowl.append(x * x / 2)
    x -= 2.2 * x
assert bowl == sorted(bowl)
seen, start = blobs(200, wrong=0.2), fresh(32)
copy = [w.detach().clone().requires_grad_() for w in start]
train, _ = descend(start, seen, seen, 0.5, steps=60, growth=1.06)
assert climb(train[30:]) > 2 * climb(train[:30])
calm, _ = descend(copy, seen, seen, 0.5, steps=60)
assert climb(calm) < 0.05


# %% alternative of="overflow"
def starts_with_a_huge_step():
    return {"rate": 100.0}


# %% alternative of="overfit"
def a_few_samples_more():
    return {"samples": 150}


# %% alternative of="plot_patterns"
def panel_by_panel(curves):
    figure = plt.figure()
    for place, (name, (train, val)) in enumerate(curves.items(), 1):
        axes = figure.add_subplot(2, 2, place)
        axes.plot(1 + torch.arange(len(val)), val, "--", label="new data")
        axes.plot(1 + torch.arange(len(train)), train, label="training data")
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.set_ylabel("cross-entropy")
        axes.legend()
    return figure


# %% mistake of="flat" fails="`flat` stays at ln 10 from the first epoch on"
def hardly_steps():
    """Without steps the loss stays where fresh weights put it, and that is not ln 10."""
    return {"rate": 1e-6}


# %% mistake of="flat" fails="`flat` stays at ln 10 from the first epoch on"
def decays_everything():
    """Decay takes the weights to zero in a few epochs; the first loss was another."""
    return {"decay": 1.5}


# %% mistake of="overflow" fails="`overflow` starts with a number and ends in NaN"
def shakes_without_breaking():
    """A rate of 4 makes the loss jump, but no logit comes near 710."""
    return {"rate": 4.0}


# %% mistake of="overfit" fails="`overfit` lets validation turn while training falls"
def blames_the_noise():
    """Noisy labels raise both curves; to learn them by heart takes few samples or many epochs."""
    return {"noise": 0.9}


# %% mistake of="swings" fails="`swings` goes up and down, further in the second half than in the first"
def too_high_from_the_start():
    """A constant rate makes swings that shrink: the network moves to flatter ground."""
    return {"rate": 4.0}


# %% mistake of="swings" fails="`swings` goes up and down, further in the second half than in the first"
def grows_too_fast():
    """At 15 % an epoch the rate is 66 times as high after half of the epochs, and soon all is NaN."""
    return {"growth": 1.15}


# %% mistake of="plot_patterns" fails="the figure shows the four pairs of curves"
def draws_training_alone(curves):
    """The two curves of a pair mean something together: both belong into the panel."""
    figure, panels = plt.subplots(2, 2)
    for axes, (name, (train, _)) in zip(panels.flat, curves.items(), strict=True):
        axes.plot(range(1, len(train) + 1), train, label="training")
        axes.set(title=name, xlabel="epoch", ylabel="loss")
        axes.legend()
    return figure
