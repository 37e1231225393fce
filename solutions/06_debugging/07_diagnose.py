# %% exercise [markdown] items="80" stars=1 minutes=25 level="analyze" goal="read two loss curves against a target before treating anything"
r"""
# 12.8.2 Reading loss curves
A remedy for the wrong disease costs a week: dropout for a network that cannot even fit its training
data makes it worse. So first diagnose, then treat. A curve alone says little: a loss of 0.45 is
excellent for one task and hopeless for another. You need a *target*, a loss that would be good
enough. Often it is what people reach, or the model that is in use now.

Write `diagnose`. The curves hold one loss an epoch, both measured in evaluation mode on data
without augmentation. Take the first line that applies; *reached* means at most the target:

| | if | then |
|---|---|---|
| 1 | a loss of either curve is infinite or NaN, in whatever epoch | `"diverged"` |
| 2 | training has not reached the target at the end, but fell by more than 5 % in the last five epochs | `"train longer"` |
| 3 | training has not reached the target at the end | `"high bias"` |
| 4 | validation has not reached the target in any epoch | `"high variance"` |
| 5 | validation has not reached the target at the end | `"stop earlier"` |
| 6 | | `"done"` |

For line 2, compare the last loss with the one five epochs before it. The curves have at least six
epochs.

The gap between the curves is not on the list. Many flowcharts ask for "a large gap", but large
compared with what? A network with 0.001 in training and 0.05 in validation has a gap of a factor
50, and if 0.1 is good enough, it is done.
"""

# %%
import math

from autograder import expect

inf, nan = float("inf"), float("nan")


# %% solution
def diagnose(train: list[float], val: list[float], target: float) -> str:
    """One of the six words of the table, for the losses of the epochs and the target."""
    ### BEGIN SOLUTION
    if not all(math.isfinite(loss) for loss in train + val):
        return "diverged"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[-6] else "high bias"
    if min(val) > target:
        return "high variance"
    return "stop earlier" if val[-1] > target else "done"
    ### END SOLUTION


# %% check
# 0.5 in training is not 0.1, and it has not moved for five epochs.
expect.equal(
    diagnose([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [1.1, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], 0.1),
    "high bias",
    when="diagnosing a training loss that stays at 0.5, with the target 0.1",
    think="Has training reached the target? Is it still falling?",
)
# The same curves: 0.5 is at most 0.5, but 0.6 is not.
expect.equal(
    diagnose([1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [1.1, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6], 0.5),
    "high variance",
    when="diagnosing the same curves, with the target 0.5",
    think="Reached means at most the target.",
)

# %% hidden aspect="a loss that is not finite means diverged" points=1
falling = [1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05]
for name, train, val, target in (
    ("training ends with NaN", [*falling[:-1], nan], falling, 0.3),
    ("validation is infinite in epoch 3 alone", falling, [1.0, 0.8, inf, 0.4, 0.2, 0.1, 0.05], 0.3),
    ("training is NaN in epoch 1 alone", [nan, *falling[1:]], falling, 0.01),
    ("training is minus infinity in epoch 4", [1.0, 0.8, 0.6, -inf, 0.2, 0.1, 0.05], falling, 0.3),
):
    expect.equal(
        diagnose(list(train), list(val), target),
        "diverged",
        when=f"diagnosing curves where {name}",
        think="Comparisons with NaN are False, and one number that is not finite anywhere makes "
        "the rest doubtful.",
    )

# %% hidden aspect="training above the target that still falls should go on" points=1
for train, target in (
    ([2.0, 1.8, 1.6, 1.4, 1.2, 1.0, 0.9], 0.5),
    # 5.5 % in five epochs; slow at the end, and little since four epochs ago.
    ([1.0, 0.97, 0.965, 0.96, 0.955, 0.945], 0.5),
    ([1.4, 1.0, 0.99, 0.98, 0.97, 0.95, 0.93], 0.9),
    # Small numbers: a fifth is a fifth.
    ([0.2, 0.15, 0.1, 0.097, 0.094, 0.09, 0.085, 0.08], 0.05),
    # Up in the very last epoch, yet far down from five before.
    ([3.0, 2.5, 2.0, 1.5, 1.2, 1.0, 1.1], 0.5),
):
    expect.equal(
        diagnose(list(train), [1.25 * loss for loss in train], target),
        "train longer",
        when=f"diagnosing the training losses {train} with the target {target:g}",
        think="What was the loss five epochs before the last one, and how much is 5 % of it?",
    )

# %% hidden aspect="training that stays above the target is high bias, whatever validation does" points=1
flat = [2.0, 1.0, 0.8, 0.79, 0.79, 0.79, 0.78, 0.78]
for name, train, val, target in (
    ("validation just above", flat, [loss + 0.01 for loss in flat], 0.5),
    ("a wide gap", flat, [3.0, 2.0, 1.8, 1.7, 1.8, 1.9, 2.0, 2.1], 0.5),
    ("a long fall before it", [1.5, 1.0, 0.99, 0.98, 0.97, 0.96, 0.96], 7 * [2.0], 0.9),
    ("a spike on the way", [1.0, 0.8, 0.8, 1.2, 0.8, 0.8, 0.79], 7 * [1.0], 0.6),
    ("large numbers", [30.0, 10.0, 9.9, 9.8, 9.7, 9.65, 9.6], 7 * [11.0], 5.0),
    ("a rise in the end", [1.0, 0.7, 0.7, 0.7, 0.75, 0.8, 0.9], 7 * [1.0], 0.6),
    ("a dip below the target before the end", [1.0, 0.7, 0.4, 0.6, 0.7, 0.8, 0.9], 7 * [1.0], 0.5),
):
    expect.equal(
        diagnose(list(train), list(val), target),
        "high bias",
        when=f"diagnosing the training losses {train} with the target {target:g} and {name}",
        think="A model that does not fit what it has seen needs another remedy than one that does. "
        "Which line applies first?",
    )

# %% hidden aspect="validation that never reaches the target is high variance, however small the gap" points=1
fitted = [1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.01]
for train, val, target in (
    (fitted, [1.0, 0.6, 0.5, 0.45, 0.42, 0.41, 0.4], 0.25),
    (fitted, [1.0, 0.5, 0.4, 0.3, 0.32, 0.34, 0.35], 0.2),
    ([1.0, 0.8, 0.6, 0.4, 0.3, 0.2], [1.0, 0.8, 0.6, 0.4, 0.3, 0.22], 0.21),
    ([1.0, 0.8, 0.6, 0.4, 0.3, 0.25], [1.0, 0.8, 0.6, 0.4, 0.3, 0.26], 0.25),
):
    expect.equal(
        diagnose(list(train), list(val), target),
        "high variance",
        when=f"diagnosing the validation losses {val} with the target {target:g}, which training "
        f"reaches with {train[-1]:g}",
        think="What is the lowest of the validation losses? Compare with the target, not with the "
        "other curve.",
    )

# %% hidden aspect="once both have reached the target, the end of the validation curve decides" points=1
fitted = [1.0, 0.5, 0.3, 0.2, 0.1, 0.05, 0.001]
for train, val, target, wanted in (
    (fitted, [1.0, 0.5, 0.4, 0.3, 0.32, 0.34, 0.35], 0.32, "stop earlier"),
    (fitted, [1.0, 0.25, 0.4, 0.3, 0.32, 0.34, 0.35], 0.25, "stop earlier"),
    (fitted, [1.0, 0.5, 0.3, 0.2, 0.2, 0.2, 0.33], 0.25, "stop earlier"),
    (fitted, [1.0, 0.5, 0.3, 0.2, 0.1, 0.06, 0.05], 0.1, "done"),
    (fitted, [1.0, 0.5, 0.3, 0.3, 0.3, 0.3, 0.24], 0.25, "done"),
    (fitted, [1.0, 0.5, 0.3, 0.08, 0.09, 0.09, 0.1], 0.1, "done"),
    (6 * [0.125], 6 * [0.125], 0.125, "done"),
    ([1.0, 0.5, 0.3, 0.25, 0.25, 0.25], [1.0, 0.5, 0.2, 0.2, 0.2, 0.2], 0.25, "done"),
):
    expect.equal(
        diagnose(list(train), list(val), target),
        wanted,
        when=f"diagnosing the validation losses {val} with the target {target:g}, which training "
        f"reaches with {train[-1]:g}",
        think="Has validation been at the target, and is it there at the end? Reached means at most.",
    )

# %% setup
import torch


def powers(x, degree):
    return torch.stack([x**k for k in range(degree + 1)], dim=-1)


def fit(x, y, degree, decay=0.0):
    """Least squares with weight decay: mean squared error plus decay times squared weights."""
    a = powers(x, degree)
    gram = a.mT @ a / x.shape[-1] + decay * torch.eye(degree + 1).double()
    return torch.linalg.solve(gram, (a.mT @ y[..., None]) / x.shape[-1])


def descend(x, y, degree, steps, lr=0.2, weights=None):
    a = powers(x, degree)
    weights = torch.zeros(*x.shape[:-1], degree + 1, 1).double() if weights is None else weights
    for _ in range(steps):
        weights = weights - lr * a.mT @ (a @ weights - y[..., None]) / x.shape[-1]
    return weights


def error(weights, x, y):
    """The mean squared error, the median over the data sets if there are several."""
    return ((powers(x, weights.shape[-2] - 1) @ weights)[..., 0] - y).square().mean(-1).median()


def wave(sets, n, noise):
    """`sets` data sets of n points around sin(3x)."""
    x = 2 * torch.rand(sets, n).double() - 1
    return x, torch.sin(3 * x) + noise * torch.randn(sets, n).double()


# %% choice [markdown] id="cures-for-high-bias" points=1
r"""
The training loss is 0.40, smooth, and has been flat for twenty epochs. Validation is at 0.42, the
target is 0.10. Which of these steps can bring the training loss down? Name all.

- [x] wider layers
  > A larger family of functions contains a better fit.
- [x] less weight decay
  > The penalty holds the weights away from where the training loss is lowest.
- [ ] more data of the same kind
  > It helps a model that fits its data too closely. This one does not fit them closely enough.
- [ ] a tenth of the learning rate
  > Often listed. It helps a loss that jumps about its minimum; a smooth flat one is not jumping.
- [ ] stopping earlier
  > Then the training loss is what it was earlier, which was no less.
- [ ] more dropout
  > Noise in the hidden layers makes the training data harder to fit, not easier.
"""

# %% evidence
x, y = wave(21, 40, noise=0.1)
flat = error(fit(x, y, 1), x, y)
assert error(fit(x, y, 5), x, y) < 0.5 * flat
assert error(fit(x, y, 5, decay=0.0), x, y) < 0.5 * error(fit(x, y, 5, decay=1.0), x, y)
more = wave(21, 4000, noise=0.1)
assert error(fit(*more, 1), *more) > 0.8 * flat
settled = descend(x, y, 1, steps=400)
slower = descend(x, y, 1, steps=100, lr=0.02, weights=settled)
assert error(slower, x, y) > 0.999 * error(settled, x, y)
assert error(descend(x, y, 1, steps=4), x, y) > error(settled, x, y)
# Dropout with p = 0.5 on the inputs of a linear model adds, in the mean, the diagonal of its Gram
# matrix once more.
a = powers(x, 5)
gram = a.mT @ a
dropped = torch.linalg.solve(
    gram + torch.diag_embed(gram.diagonal(dim1=1, dim2=2)), a.mT @ y[..., None]
)
assert error(dropped, x, y) > error(fit(x, y, 5), x, y)

# %% choice [markdown] id="cures-for-high-variance" points=1
r"""
The training loss is 0.01; validation was at 0.45 at best, and the target is 0.20. Which of these
steps treat that? Name all.

- [x] more data of the same kind
  > The more there is to fit, the less of it is chance.
- [x] augmentation that keeps the labels
  > It brings in what you know about the task. Which of the remedies comes first is a question of
  > what they cost you: lists that give one fixed order contradict each other.
- [x] more weight decay
  > Smaller weights, smoother functions; training loss can be spared here.
- [ ] ten times as many epochs
  > The training data are fitted already; what is fitted from here on is their noise.
- [ ] a lower target
  > It changes the word for the disease, and not the patient.
"""

# %% evidence
# Degree 9 through twelve noisy points. sin(3x) is odd, so (-x, -y) is as good a sample as (x, y).
x, y = wave(201, 12, noise=0.3)
tests = wave(201, 400, noise=0.3)
fitted = error(fit(x, y, 9, decay=1e-9), *tests)
assert error(fit(x, y, 9, decay=1e-9), x, y) < 0.25 * fitted
larger = wave(201, 240, noise=0.3)
assert error(fit(*larger, 9, decay=1e-9), *tests) < 0.7 * fitted
mirrored = torch.cat([x, -x], dim=1), torch.cat([y, -y], dim=1)
assert error(fit(*mirrored, 9, decay=1e-9), *tests) < 0.8 * fitted
assert error(fit(x, y, 9, decay=1e-2), *tests) < 0.7 * fitted
early = descend(x, y, 9, steps=300)
late = descend(x, y, 9, steps=2700, weights=early)
assert error(late, x, y) < error(early, x, y)
assert fitted > error(late, *tests)


# %% alternative of="diagnose"
def with_flags(train, val, target):
    if any(math.isnan(v) or math.isinf(v) for curve in (train, val) for v in curve):
        return "diverged"
    *_, before, _, _, _, _, last = train
    reached_train = last <= target
    still_falling = (before - last) / before > 0.05
    reached_val = [v <= target for v in val]
    if not reached_train:
        return ("high bias", "train longer")[still_falling]
    if not any(reached_val):
        return "high variance"
    return "done" if reached_val[-1] else "stop earlier"


# %% alternative of="diagnose"
def with_numpy(train, val, target):
    import numpy as np

    t, v = np.array(train), np.array(val)
    rules = {
        "diverged": not np.isfinite(np.concatenate([t, v])).all(),
        "train longer": t[-1] > target and t[-1] / t[-6] < 0.95,
        "high bias": t[-1] > target,
        "high variance": not (v <= target).any(),
        "stop earlier": v[-1] > target,
        "done": True,
    }
    return next(word for word, holds in rules.items() if holds)


# %% mistake of="diagnose" fails="a loss that is not finite means diverged"
def looks_for_nan_at_the_end(train, val, target):
    """A loss may be infinite, in the middle of the curve, and in validation alone."""
    if math.isnan(train[-1]) or math.isnan(val[-1]):
        return "diverged"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[-6] else "high bias"
    if min(val) > target:
        return "high variance"
    return "stop earlier" if val[-1] > target else "done"


# %% mistake of="diagnose" fails="training above the target that still falls should go on"
def looks_at_the_last_epoch_alone(train, val, target):
    """One epoch falls by little, and by chance not at all; five epochs show where it goes."""
    if not all(math.isfinite(loss) for loss in train + val):
        return "diverged"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[-2] else "high bias"
    if min(val) > target:
        return "high variance"
    return "stop earlier" if val[-1] > target else "done"


# %% mistake of="diagnose" fails="training that stays above the target is high bias, whatever validation does"
def compares_with_the_first_epoch(train, val, target):
    """Every loss has fallen since the first epoch; whether it still does shows in the last ones."""
    if not all(math.isfinite(loss) for loss in train + val):
        return "diverged"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[0] else "high bias"
    if min(val) > target:
        return "high variance"
    return "stop earlier" if val[-1] > target else "done"


# %% mistake of="diagnose" fails="training that stays above the target is high bias, whatever validation does"
def calls_every_wide_gap_variance(train, val, target):
    """Where training itself misses the target, more data and dropout cannot help, gap or no gap."""
    if not all(math.isfinite(loss) for loss in train + val):
        return "diverged"
    if min(val) > target and min(val) > 2 * train[-1]:
        return "high variance"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[-6] else "high bias"
    if min(val) > target:
        return "high variance"
    return "stop earlier" if val[-1] > target else "done"


# %% mistake of="diagnose" fails="validation that never reaches the target is high variance, however small the gap"
def asks_for_a_wide_gap(train, val, target):
    """A validation loss above the target is above it, however close the training loss is."""
    if not all(math.isfinite(loss) for loss in train + val):
        return "diverged"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[-6] else "high bias"
    if min(val) > target:
        return "high variance" if min(val) > 1.2 * train[-1] else "done"
    return "stop earlier" if val[-1] > target else "done"


# %% mistake of="diagnose" fails="once both have reached the target, the end of the validation curve decides"
def does_not_look_back(train, val, target):
    """A curve that was good enough and rose again needs no remedy: its best epoch is there to keep."""
    if not all(math.isfinite(loss) for loss in train + val):
        return "diverged"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[-6] else "high bias"
    return "high variance" if val[-1] > target else "done"


# %% mistake of="diagnose" fails="once both have reached the target, the end of the validation curve decides"
def treats_a_gap_that_hurts_nobody(train, val, target):
    """Both curves are good enough; a wide gap between them is no disease."""
    if not all(math.isfinite(loss) for loss in train + val):
        return "diverged"
    if train[-1] > target:
        return "train longer" if train[-1] < 0.95 * train[-6] else "high bias"
    if min(val) > target or min(val) > 10 * train[-1]:
        return "high variance"
    return "stop earlier" if val[-1] > target else "done"
