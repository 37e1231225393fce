# %% exercise [markdown] items="119" stars=2 minutes=45 level="evaluate" goal="see the error rise and fall twice, and say what that does to the bias-variance tradeoff"
r"""
# Double descent
The classical advice: with more parameters the bias falls and the variance grows, so stop in the
middle. Networks are far beyond that middle, and good. The smallest model that shows how is linear:
$p$ *random features* $z = \mathrm{relu}(W^\top x)$, where $W$ is drawn once and stays, and a trained
readout $b$ with one weight for each of them. It minimizes

$$ \lVert Z b - y \rVert^2 + \lambda \lVert b \rVert^2 $$

over $n$ noisy samples. For $\lambda = 0$ and $p > n$ many $b$ have no training error at all; take the
**shortest**, which is what gradient descent from 0 arrives at. At $p = n$ there is just one. Write

1. `readout`: $b$ for features, labels and $\lambda$ (`decay`);
2. `sweep`: training and test error against the width $p$;
3. `peak_width`: at which width the test error is highest;
4. `plot_descent`: the curves over a logarithmic axis.

Look at the figure, then argue, in the last part, whether it refutes the tradeoff.

*Hint:* single draws at $p = n$ scatter over powers of ten. That is why `sweep` takes medians.
"""

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect

INPUTS = 20


def draw_task(n: int, seed: int, noise: float = 0.3) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """n inputs with noisy labels to train on; 300 others with the clean truth to test on."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n + 300, INPUTS, generator=g, dtype=torch.float64)
    truth = x @ torch.randn(INPUTS, generator=g, dtype=torch.float64) / INPUTS**0.5
    y = truth[:n] + noise * torch.randn(n, generator=g, dtype=torch.float64)
    return x[:n], y, x[n:], truth[n:]


def features(x: Tensor, width: int, seed: int) -> Tensor:
    """`width` random ReLU features of each row of `x`; the same seed draws the same features."""
    g = torch.Generator().manual_seed(seed + 1_000_000)
    w = torch.randn(INPUTS, width, generator=g, dtype=torch.float64) / INPUTS**0.5
    return (x @ w).relu()


# %% solution
def readout(z: Tensor, y: Tensor, decay: float = 0.0) -> Tensor:
    """The weights b, shape (p,), that minimize |z b - y|^2 + decay |b|^2.

    `z` has shape (n, p), `y` (n,). Of several minimizers it is the shortest.
    """
    ### BEGIN SOLUTION
    if decay == 0:
        return torch.linalg.pinv(z) @ y
    return torch.linalg.solve(z.T @ z + decay * torch.eye(z.shape[1], dtype=z.dtype), z.T @ y)
    ### END SOLUTION


# %% check
# b1 + b2 = 2 has many solutions; (1, 1) is the shortest. With decay 2: b1 = b2 = 2 / (2 + 2).
z, y = torch.ones(1, 2).double(), torch.tensor([2.0]).double()
expect.close(
    readout(z.clone(), y.clone()),
    torch.tensor([1.0, 1.0]).double(),
    when="fitting one sample with the label 2 and two features that are 1",
    think="Which of the points on the line b1 + b2 = 2 is closest to the origin?",
)
expect.close(
    readout(z.clone(), y.clone(), decay=2.0),
    torch.tensor([0.5, 0.5]).double(),
    when="fitting the same sample with decay 2",
    think="Set the derivative of the sum of both terms to zero.",
)


# %% solution
def sweep(
    n: int, widths: list[int], seeds: list[int], decay: float = 0.0
) -> dict[str, list[float]]:
    """The mean squared errors on training data ("train") and test data ("test"), for each width.

    For every seed, `draw_task(n, seed)` and `features(..., width, seed)`. Each number is the median
    over the seeds; take an odd number of them.
    """
    ### BEGIN SOLUTION
    found: dict[str, list[float]] = {"train": [], "test": []}
    for width in widths:
        errors = []
        for seed in seeds:
            x, y, x_new, y_new = draw_task(n, seed)
            b = readout(features(x, width, seed), y, decay)
            misses = features(x, width, seed) @ b - y, features(x_new, width, seed) @ b - y_new
            errors.append([miss.square().mean() for miss in misses])
        for name, median in zip(found, torch.tensor(errors).median(dim=0).values, strict=True):
            found[name].append(median.item())
    return found
    ### END SOLUTION


# %% check
found = sweep(15, [5, 60], [0])
expect.equal(set(found), {"train", "test"}, when="reading the keys of `sweep`")
expect.equal(len(found["test"]), 2, when="counting the test errors for two widths")
expect.close(
    found["train"][1],
    0.0,
    atol=1e-12,  # rounding
    when="reading the training error of 60 features on 15 samples",
    think="There are weights that fit all 15.",
)


# %% solution
def peak_width(n: int, widths: list[int], seeds: list[int]) -> int:
    """The one of `widths` whose test error without decay is highest."""
    ### BEGIN SOLUTION
    test = sweep(n, widths, seeds)["test"]
    return widths[test.index(max(test))]
    ### END SOLUTION


# %% solution
def plot_descent(widths: list[int], curves: dict[str, list[float]]) -> Figure:
    """One line for each entry of `curves` against the width, both axes logarithmic.

    With a title, both labels and a legend that shows the names.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, errors in curves.items():
        axes.loglog(widths, errors, "o-", label=name)
    axes.set(title="Random features", xlabel="width p", ylabel="mean squared error")
    axes.legend()
    return figure
    ### END SOLUTION


# %%
# Forty samples. Where is the peak, what does a little decay do to it, and what do widths beyond it?
widths, seeds = [5, 10, 20, 30, 36, 40, 44, 50, 80, 200], list(range(5))
try:
    plain, decayed = sweep(40, widths, seeds), sweep(40, widths, seeds, decay=1.0)
    plot_descent(widths, {"test": plain["test"], "test, decay 1": decayed["test"]})
    print(f"highest at width {peak_width(40, [20, 40, 80], seeds)}")
except NotImplementedError:
    print("something above is not written yet")

# %% hidden aspect="without decay the readout is the shortest of the best fits" points=1
from autograder import reference

torch.manual_seed(1)
for n, p in ((12, 5), (8, 8), (12, 40)):
    # The diagonal keeps all singular values away from zero: rounding is no matter here.
    z, y = torch.randn(n, p).double() + 5 * torch.eye(n, p), torch.randn(n).double()
    expect.close(
        readout(z.clone(), y.clone()),
        reference.readout(z, y),
        rtol=1e-6,  # of another way to solve the same
        when=f"fitting {n} samples with {p} features",
        think="Best first: the residual cannot be smaller. Then shortest: nothing in b that the "
        "features of these samples do not see.",
    )
z, y = torch.randn(10, 3).double() + 5 * torch.eye(10, 3), torch.randn(10).double()
twice = torch.cat([z, z], dim=1)
expect.close(
    readout(twice.clone(), y.clone()),
    torch.cat([reference.readout(z, y)] * 2) / 2,
    rtol=1e-6,
    when="fitting 10 samples with three features, each of which is there twice",
    think="Two equal features share the weight of one: halves are shorter than all and nothing.",
)

# %% hidden aspect="with decay the readout minimizes the sum of both terms" points=1
torch.manual_seed(2)
for n, p, decay in ((12, 5, 0.5), (6, 20, 3.0), (9, 9, 1e-2)):
    z, y = torch.randn(n, p).double(), torch.randn(n).double()
    b = readout(z.clone(), y.clone(), decay)
    expect.shape(b, (p,), when=f"fitting {n} samples with {p} features and decay {decay:g}")
    # At the minimum the derivative vanishes: z' (z b - y) + decay b = 0.
    expect.close(
        z.T @ (z @ b - y),
        -decay * b,
        rtol=1e-8,  # of solving
        when=f"comparing the pull of {n} samples on {p} weights with that of decay {decay:g}",
        think="The first term is a sum over the samples, as in the formula, not their mean.",
    )

# %% hidden aspect="sweep takes the median over the seeds, for each width" points=1
torch.manual_seed(3)
seeds, widths = torch.randperm(100_000)[:5].tolist(), [50, 4, 12]
for decay in (0.0, 0.7):
    found = sweep(20, list(widths), list(seeds), decay)
    for position, width in enumerate(widths):
        errors = []
        for seed in seeds:
            x, y, x_new, y_new = draw_task(20, seed)
            z, z_new = features(x, width, seed), features(x_new, width, seed)
            b = readout(z.clone(), y.clone(), decay)
            errors.append([(z @ b - y).square().mean(), (z_new @ b - y_new).square().mean()])
        medians = torch.tensor(errors).double().median(dim=0).values.tolist()
        for name, wanted in zip(("train", "test"), medians, strict=True):
            expect.close(
                found[name][position],
                wanted,
                rtol=1e-5,
                atol=1e-12,  # a training error of 0, rounded
                when=f"comparing {name!r} for width {width}, 20 samples, decay {decay:g}, with the "
                "median over five seeds of what your readout makes of them",
                think="Data and features of a seed belong together; what is squared, and over what "
                "is the median?",
            )

# %% hidden aspect="the peak is where the width is the number of samples" points=1
# Nineteen seeds each. The median at width n is 20 times the highest elsewhere or more in the middle
# of 4,000 sets of seeds, and 4.3 times in the worst of them. Its logarithm scatters by 0.43, so that a
# false alarm is 6 sigma off, 10^-9.
torch.manual_seed(4)
for n, widths in ((40, [10, 80, 40, 20, 200]), (24, [80, 48, 24, 12])):
    seeds = torch.randperm(100_000)[:19].tolist()
    expect.equal(
        peak_width(n, list(widths), list(seeds)),
        n,
        when=f"looking for the peak among the widths {widths}, with {n} samples",
        think="The answer is a width, that of the highest test error.",
    )
widths, seeds = [100, 12, 45], torch.randperm(100_000)[:3].tolist()
test = sweep(30, list(widths), list(seeds))["test"]
expect.equal(
    peak_width(30, list(widths), list(seeds)),
    widths[test.index(max(test))],
    when=f"looking for the highest test error of your sweep among the widths {widths}, 30 samples",
    think="Which width it is has to come out of the errors; 30 is not among these.",
)

# %% hidden aspect="the figure shows the curves over logarithmic axes" points=1
torch.manual_seed(5)
curves = {name: (3 * torch.randn(4)).exp().tolist() for name in ("plain", "decay", "other")}
expect.figure(
    plot_descent([3, 10, 40, 300], {name: list(errors) for name, errors in curves.items()}),
    lines=[([3, 10, 40, 300], errors) for errors in curves.values()],
    xscale="log",
    yscale="log",
    legend=3,
    when="plotting three curves over the widths 3, 10, 40 and 300",
    think="A peak that is a hundred times as high hides all else on a linear axis.",
)

# %% setup
import torch


def split_error(p, n=20, decay=0.0, draws=5, sets=60):
    """Median over draws of features: bias^2, variance, error and length of b over training sets.

    The error is that against clean labels, at 100 inputs that stay; 60 training sets differ in
    inputs and noise, as samples do.
    """
    rows = []
    for _ in range(draws):
        w, truth = torch.randn(10, p).double() / 10**0.5, torch.randn(10, 1).double() / 10**0.5
        x, x_new = torch.randn(sets, n, 10).double(), torch.randn(100, 10).double()
        z, y = (x @ w).relu(), x @ truth + 0.3 * torch.randn(sets, n, 1).double()
        if decay:
            b = torch.linalg.solve(z.mT @ z + decay * torch.eye(p).double(), z.mT @ y)
        else:
            b = torch.linalg.pinv(z) @ y
        predictions, clean = ((x_new @ w).relu() @ b)[..., 0], (x_new @ truth)[:, 0]
        bias2 = (predictions.mean(dim=0) - clean).square().mean()
        variance = (predictions - predictions.mean(dim=0)).square().mean()
        error = (predictions - clean).square().mean()
        assert abs(error - bias2 - variance) < 1e-8 * error  # the sum holds at every width
        rows.append([bias2, variance, error, b.square().sum(dim=1).median()])
    return torch.tensor(rows).median(dim=0).values.tolist()


# %% choice [markdown] id="what-peaks" points=1
r"""
At $p = n$ the test error has a peak. Which part of the error is it?

- [x] the variance: the only exact fit swings with the sample, on long weights
  > Another training set, another fit. Some direction of the features is hardly there in the samples,
  > and the weights along it grow long to follow noise.
- [ ] the bias: with so few features the truth is out of reach on average
  > With fewer features still the error is lower. More of them can only reach more.
- [ ] the noise: it is as large as the signal when there is one sample for each weight
  > The noise of the labels does not know of the model's width.
- [ ] none of them: where the training error reaches 0, the decomposition breaks down
  > It is an identity of averages, for any model, interpolating or not.
"""

# %% evidence
half, peak, wide = split_error(10), split_error(20), split_error(100)
assert peak[1] > 5 * max(half[1], wide[1])  # the variance
assert peak[1] > 2 * peak[0]  # it is the larger part
assert peak[3] > 5 * max(half[3], wide[3])  # the weights are long

# %% text [markdown] id="is-the-tradeoff-refuted" points=4
r"""
"Double descent shows that the bias-variance tradeoff is wrong: the larger the model, the better."
Argue both sides in about ten sentences, and refer to your figure.

- [1] What stays: under the squared error, error = bias² + variance + noise is an identity at every width, for any model, so no experiment can refute it.
- [1] What falls: the rule that is read into it, that variance always grows with the number of parameters. Beyond p = n the variance of the shortest fit falls again, and the widest model is better than the best one left of the peak.
- [1] The peak: at p = n one exact fit is left, with long weights that follow noise and whatever else the features cannot express, so its variance is large; a little weight decay takes the peak away, so it belongs to the fit without a penalty, not to the width as such.
- [1] What does not follow: that larger is better whatever else. Examples that count: near p = n a larger model is worse; for a fixed width more samples can be worse, when n comes up to p; it was shown here for one kind of model, truth and noise.
"""

# %% evidence
# The rule that falls: variance right of the peak, and the widest against the best left of it.
peak, right, widest = split_error(20), split_error(40), split_error(300)
left = min(split_error(p)[2] for p in (4, 8, 12))
assert peak[1] > right[1] > widest[1] and widest[2] < left

# %% evidence
# The penalty takes the peak away, at the same width.
assert split_error(20, decay=1.0)[2] < 0.2 * split_error(20)[2]
# Larger is worse near n; and for 20 features, 20 samples are worse than 10.
assert split_error(20)[2] > 2 * split_error(10)[2]
assert split_error(20, n=20)[2] > 2 * split_error(20, n=10)[2]


# %% alternative of="readout"
def with_singular_values(z, y, decay=0.0):
    u, s, vh = torch.linalg.svd(z, full_matrices=False)
    if decay:
        shrunk = s / (s**2 + decay)
    else:
        shrunk = torch.where(s > 1e-12 * s.max(), 1 / s, 0 * s)
    return vh.T @ (shrunk * (u.T @ y))


# %% alternative of="readout"
def with_least_squares(z, y, decay=0.0):
    p = z.shape[1]
    if decay:
        z = torch.cat([z, decay**0.5 * torch.eye(p, dtype=z.dtype)])
        y = torch.cat([y, torch.zeros(p, dtype=y.dtype)])
    return torch.linalg.lstsq(z, y[:, None], driver="gelsd").solution[:, 0]


# %% alternative of="sweep"
def with_numpy(n, widths, seeds, decay=0.0):
    import numpy as np

    def errors(width, seed):
        x, y, x_new, y_new = draw_task(n, seed)
        z, z_new = features(x, width, seed), features(x_new, width, seed)
        b = readout(z, y, decay)
        return [float(((z @ b - y) ** 2).mean()), float(((z_new @ b - y_new) ** 2).mean())]

    table = np.array([[errors(width, seed) for seed in seeds] for width in widths])
    train, test = np.median(table, axis=1).T
    return {"test": list(map(float, test)), "train": list(map(float, train))}


# %% mistake of="readout" fails="without decay the readout is the shortest of the best fits"
def adds_a_little_to_invert(z, y, decay=0.0):
    """A number that is added to the diagonal is a decay; the shortest exact fit has none."""
    n, p = z.shape
    if not decay and p > n:
        decay = 1e-3
    if not decay and p == n:
        return torch.linalg.solve(z, y)
    if not decay:
        return torch.linalg.lstsq(z, y[:, None]).solution[:, 0]
    return torch.linalg.solve(z.T @ z + decay * torch.eye(p, dtype=z.dtype), z.T @ y)


# %% mistake of="readout" fails="with decay the readout minimizes the sum of both terms"
def decays_by_the_sample(z, y, decay=0.0):
    """Here the first term is a sum, not a mean: times n, the decay is another one."""
    if decay == 0:
        return torch.linalg.pinv(z) @ y
    n, p = z.shape
    return torch.linalg.solve(z.T @ z + n * decay * torch.eye(p, dtype=z.dtype), z.T @ y)


# %% mistake of="sweep" fails="sweep takes the median over the seeds, for each width"
def averages_over_the_seeds(n, widths, seeds, decay=0.0):
    """A single seed at p = n can outweigh all others in a mean; the median does not follow it."""
    found = {"train": [], "test": []}
    for width in widths:
        train, test = [], []
        for seed in seeds:
            x, y, x_new, y_new = draw_task(n, seed)
            z = features(x, width, seed)
            b = readout(z, y, decay)
            train.append((z @ b - y).square().mean().item())
            test.append((features(x_new, width, seed) @ b - y_new).square().mean().item())
        found["train"].append(sum(train) / len(train))
        found["test"].append(sum(test) / len(test))
    return found


# %% mistake of="sweep" fails="sweep takes the median over the seeds, for each width"
def forgets_the_decay(n, widths, seeds, decay=0.0):
    """Each fit of the sweep is to be made with the decay that was asked for."""
    found = {"train": [], "test": []}
    for width in widths:
        train, test = [], []
        for seed in seeds:
            x, y, x_new, y_new = draw_task(n, seed)
            z = features(x, width, seed)
            b = readout(z, y)
            train.append((z @ b - y).square().mean())
            test.append((features(x_new, width, seed) @ b - y_new).square().mean())
        found["train"].append(torch.stack(train).median().item())
        found["test"].append(torch.stack(test).median().item())
    return found


# %% mistake of="peak_width" fails="the peak is where the width is the number of samples"
def returns_the_position(n, widths, seeds):
    """The position in the list is not the width that stands there."""
    test = sweep(n, widths, seeds)["test"]
    return test.index(max(test))


# %% mistake of="peak_width" fails="the peak is where the width is the number of samples"
def looks_at_training(n, widths, seeds):
    """The training error is highest at the smallest width; the peak is that of the test error."""
    train = sweep(n, widths, seeds)["train"]
    return widths[train.index(max(train))]


# %% mistake of="peak_width" fails="the peak is where the width is the number of samples"
def knows_the_answer(n, widths, seeds):
    """That the peak lies at n is what the errors are to show; they have to be looked at."""
    return n


# %% mistake of="plot_descent" fails="the figure shows the curves over logarithmic axes"
def draws_linear_axes(widths, curves):
    """On a linear axis the peak is all there is to see, and the widths below 50 share a corner."""
    figure, axes = plt.subplots()
    for name, errors in curves.items():
        axes.plot(widths, errors, label=name)
    axes.set(title="Random features", xlabel="width", ylabel="error")
    axes.legend()
    return figure
