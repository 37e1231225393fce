# %% exercise [markdown] items="4 5 6 7" stars=2 minutes=50 level="analyze" goal="watch the variance of activations through fifty layers, and predict it"
r"""
# 7.2 The signal through fifty layers
A deep network at its first step is a product of random matrices. Whether anything of the input
arrives at the far end depends on one number a layer: the variance of its weights.

**First** write the experiment, `track_activation_variance`: fifty layers of equal width, and how far
the activations scatter behind each of them.

**(a)** Three rules for a linear layer are $\mathrm{Var}(w) = 1/n_{in}$ (`"fan_in"`),
$2/(n_{in} + n_{out})$ (`"average"`, Xavier's) and $1/n_{out}$ (`"fan_out"`). Many texts compare them
in layers of width 256, where they are **one and the same number**. So take widths that alternate:
512, 128, 512, ... Every layer multiplies the second moment $\mathrm{E}[z^2]$ by
$n_{in}\,\mathrm{Var}(w)$, exactly: write `second_moment_gains`, and plot the three with `plot_gains`.

**(b)** With ReLU, and **(c)** with He's variance $2/n_{in}$: run your experiment with
`compare_with_relu` and look at it with `plot_variances`.

A single network is one draw: behind fifty layers of width 256, the logarithm of the variance
scatters by about 1 from seed to seed. Look at orders of magnitude, or average over seeds.
"""

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from autograder import expect

WIDTHS = [512, 128] * 25 + [512]  # fifty layers: 512 to 128, 128 to 512, and so on


# %% solution
def track_activation_variance(
    n_layers: int, dim: int, init_var: float, use_relu: bool, n_samples: int = 1000
) -> list[float]:
    """The variance of the activations behind each layer, first layer first.

    Sends `n_samples` inputs of standard normal numbers through layers without bias, `dim` wide,
    whose weights are normal with mean 0 and variance `init_var`, new ones in every layer. If
    `use_relu`, a ReLU follows every layer, and the variance is taken behind it.

    The variance is that of all numbers of a layer, samples and units together: `a.var()`. Random
    numbers come from torch's own generator, so that `torch.manual_seed` repeats a run.
    """
    ### BEGIN SOLUTION
    activations = torch.randn(n_samples, dim)
    variances = []
    for _ in range(n_layers):
        weights = math.sqrt(init_var) * torch.randn(dim, dim)
        activations = activations @ weights.T
        if use_relu:
            activations = activations.relu()
        variances.append(activations.var().item())
    return variances
    ### END SOLUTION


# %% check
variances = track_activation_variance(3, 50, 1 / 50, use_relu=False)
expect.kind(variances, list, when="tracking three layers")
expect.equal(
    len(variances),
    3,
    when="counting the variances of three layers",
    think="One variance for each layer, none for the input.",
)
# Behind one layer of 200 units the variance is 4 give or take a few percent.
first = track_activation_variance(1, 200, 4 / 200, use_relu=False)[0]
expect.between(
    first,
    3.2,
    4.8,
    when="tracking one linear layer of 200 units whose weights have variance 4 / 200",
    think="Each output sums 200 products. Is `init_var` used as a variance?",
)


# %% solution
def second_moment_gains(widths: list[int], scheme: str) -> list[float]:
    """What linear layers make of the second moment of the input, behind each layer.

    The layers go from widths[0] to widths[1] and so on; `scheme` is "fan_in", "average" or
    "fan_out". The list has one number a layer: E[z^2] behind it, divided by E[x^2] of the input.
    """
    ### BEGIN SOLUTION
    gain, gains = 1.0, []
    for n_in, n_out in pairwise(widths):
        gain *= (
            n_in * {"fan_in": 1 / n_in, "average": 2 / (n_in + n_out), "fan_out": 1 / n_out}[scheme]
        )
        gains.append(gain)
    return gains
    ### END SOLUTION


# %% check
# 4 inputs and 2 outputs: 4 / 4, 4 * 2 / 6 and 4 / 2.
for scheme, gain in {"fan_in": 1.0, "average": 4 / 3, "fan_out": 2.0}.items():
    expect.close(
        second_moment_gains([4, 2], scheme),
        [gain],
        when=f"taking one layer from 4 to 2 with {scheme!r}",
        think="The sum has as many terms as the layer has inputs, each with variance Var(w).",
    )


# %% solution
def plot_gains(widths: list[int]) -> Figure:
    """The gains of the three schemes against the layer, 1 to the last, on a logarithmic y axis.

    One line a scheme, with a legend, labels and a title.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4))
    layers = range(1, len(widths))
    for scheme, style in {"fan_in": "-", "average": "--", "fan_out": ":"}.items():
        axes.semilogy(layers, second_moment_gains(widths, scheme), style, label=scheme)
    axes.set(
        title=f"Linear layers, widths {widths[0]}, {widths[1]}, ...",
        xlabel="layer",
        ylabel="second moment, relative to the input",
    )
    axes.legend()
    return figure
    ### END SOLUTION


# %%
# Run this cell when the functions above are written, and read the figure.
try:
    plot_gains(WIDTHS)
except NotImplementedError:
    print("plot_gains is not written yet")


# %% solution
def compare_with_relu(dim: int, n_layers: int, n_samples: int = 256) -> dict[str, list[float]]:
    """Track networks with ReLU for two variances of the weights.

    The keys are "1/n", which is what all three schemes of (a) come to in square layers, and "2/n",
    He's; the values are what `track_activation_variance` returns.
    """
    ### BEGIN SOLUTION
    return {
        "1/n": track_activation_variance(n_layers, dim, 1 / dim, True, n_samples),
        "2/n": track_activation_variance(n_layers, dim, 2 / dim, True, n_samples),
    }
    ### END SOLUTION


# %% solution
def plot_variances(curves: dict[str, list[float]]) -> Figure:
    """Variances against the layer, 1 to the last, on a logarithmic y axis: one line a key.

    With a legend that shows the keys, labels and a title.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, variances in curves.items():
        axes.semilogy(range(1, len(variances) + 1), variances, label=name)
    axes.set(title="Activations with ReLU", xlabel="layer", ylabel="variance behind the layer")
    axes.legend(title="Var(w)")
    return figure
    ### END SOLUTION


# %%
# (b) and (c): what does ReLU do to the variances?
try:
    plot_variances(compare_with_relu(256, 50, n_samples=64))
except NotImplementedError:
    print("compare_with_relu and plot_variances are not written yet")

# %% check
curves = compare_with_relu(16, 4, n_samples=10)
expect.equal(
    set(curves),
    {"1/n", "2/n"},
    when="reading the keys of compare_with_relu",
    think="The keys are the names of the two variances, as in the docstring.",
)
expect.equal(
    [len(c) for c in curves.values()],
    [4, 4],
    when="comparing networks of four layers",
    think="Each curve has one value a layer.",
)

# %% hidden aspect="there is one variance a layer, the input's not among them" points=1
for layers in (1, 7):
    torch.manual_seed(1)
    variances = track_activation_variance(layers, 32, 1 / 32, False, n_samples=20)
    expect.equal(
        len(variances),
        layers,
        when=f"counting the variances of {layers} layers",
        think="The list starts behind the first layer.",
    )

# %% hidden aspect="a seed repeats the run, and another seed draws another" points=1
runs = []
for seed in (3, 3, 4):
    torch.manual_seed(seed)
    runs.append(track_activation_variance(3, 16, 1 / 16, True, n_samples=20))
expect.equal(
    runs[1],
    runs[0],
    when="running twice with the same seed",
    think="Does every random number come from torch's own generator?",
)
expect.true(
    runs[2] != runs[0],
    when="running with another seed",
    wanted="other numbers",
    got="the same ones",
    think="A function that sets the seed itself makes every experiment the same one.",
)

# %% hidden aspect="a linear layer multiplies the variance by n times init_var" points=2
# With 400 units and 1,000 samples the variance scatters by 0.45 % behind the first layer and 0.7 %
# behind the second (measured): 5 % off is 7 sigma, a false alarm in 10^11 runs.
for gain in (0.5, 1.0, 3.0):
    torch.manual_seed(1)
    tracked = track_activation_variance(2, 400, gain / 400, False)[:2]
    expect.close(
        tracked,
        [gain, gain**2],
        rtol=0.05,
        when=f"tracking two linear layers of 400 units, Var(w) = {gain:g} / 400",
        think="`torch.randn` has variance 1: by what is it multiplied to have `init_var`?",
    )

# %% hidden aspect="every layer has weights of its own" points=1
# With a single unit a layer multiplies everything by one number, and the variance by its square.
# Twenty of these, told apart at three digits of their logarithm, hardly coincide: a false alarm
# takes five coincidences where 0.04 are expected (measured), one in 10^9 runs.
torch.manual_seed(2)
variances = track_activation_variance(20, 1, 1.0, False, n_samples=20)
factors = {round(math.log(after / before), 3) for before, after in pairwise(variances)}
expect.true(
    len(factors) > 14,
    when="tracking twenty linear layers of a single unit, each of which multiplies by its one weight",
    wanted="a new weight in each of them",
    got=f"only {len(factors)} different ones",
    think="Are new weights drawn for each layer?",
)

# %% hidden aspect="ReLU, if asked for, follows every layer" points=2
# Behind a ReLU the variance is (1 - 1 / pi) of the second moment, and the next layer makes 2 / n of
# that what it was. The mean of ten networks of 200 units has a standard error of 0.7 % behind the
# first layer and 1.9 % behind the second (measured): 12 % is 6 of them, a false alarm in 10^9 runs.
found = []
for seed in range(10):
    torch.manual_seed(300 + seed)
    found.append(track_activation_variance(2, 200, 2 / 200, True, n_samples=200))
for layer in (0, 1):
    expect.close(
        sum(variances[layer] for variances in found) / 10,
        1 - 1 / math.pi,
        rtol=0.12,
        when=f"averaging ten networks with ReLU, Var(w) = 2 / 200, behind layer {layer + 1}",
        think="Is ReLU applied behind each layer, the last one too, and before the variance?",
    )

# %% hidden aspect="as many samples go in as asked for" points=1
# The variance of 2 * 64 numbers scatters by 13 to 16 % from network to network, that of 1000 * 64
# by 2 to 4 %. 60 networks know that to a tenth: a false alarm would be 5 sigma off, 10^-6.
for n_samples, low, high in ((2, 0.075, 0.3), (1000, 0.005, 0.07)):
    found = []
    for seed in range(60):
        torch.manual_seed(400 + seed)
        found += track_activation_variance(1, 64, 1 / 64, False, n_samples=n_samples)
    found = torch.tensor(found)
    expect.between(
        (found.std() / found.mean()).item(),
        low,
        high,
        when=f"measuring how the variance scatters over 60 networks with {n_samples} samples",
        think="Fewer samples, rougher estimates. Does `n_samples` reach the inputs?",
    )

# %% hidden aspect="1/n_in keeps the second moment in every layer" points=1
for widths in (WIDTHS, [30, 20, 50, 7]):
    expect.close(
        second_moment_gains(list(widths), "fan_in"),
        [1.0] * (len(widths) - 1),
        when=f"taking {len(widths) - 1} layers with 'fan_in'",
        think="n_in terms, each with variance 1 / n_in.",
    )

# %% hidden aspect="Xavier's rule loses a little where widths alternate" points=1
gains = second_moment_gains(list(WIDTHS), "average")
expect.close(
    gains,
    [0.64 ** (layer // 2) * (1.6 if layer % 2 else 1.0) for layer in range(1, 51)],
    when="taking 50 layers of 512 and 128 with 'average'",
    think="Down, a layer multiplies by 2 * 512 / 640, up by 2 * 128 / 640, and layers multiply.",
)

# %% hidden aspect="1/n_out gives n_0 / n_l, whatever lies between" points=1
for widths in (WIDTHS, [30, 20, 50, 7]):
    expect.close(
        second_moment_gains(list(widths), "fan_out"),
        [widths[0] / width for width in widths[1:]],
        when=f"taking {len(widths) - 1} layers with 'fan_out'",
        think="The factors n_in / n_out of neighbouring layers cancel.",
    )

# %% hidden aspect="the figure of (a) shows the three schemes" points=1
widths = [60, 20, 60, 20, 60]
expect.figure(
    plot_gains(list(widths)),
    lines=[
        (list(range(1, 5)), second_moment_gains(list(widths), scheme))
        for scheme in ("fan_in", "average", "fan_out")
    ],
    yscale="log",
    legend=3,
    when="plotting the gains of four layers, 60, 20, 60, ...",
    think="One line a scheme, over the layers 1 to 4.",
)

# %% hidden aspect="He keeps the variance through fifty layers of ReLU" points=1
# log10 of the variance has mean -0.9 and standard deviation 0.8 at this width (measured). Three
# networks average to within 3 of that, 6 standard errors: a false alarm in 10^9 runs.
last = []
for seed in range(3):
    torch.manual_seed(500 + seed)
    last.append(compare_with_relu(64, 50, n_samples=32)["2/n"][-1])
expect.between(
    torch.tensor(last).double().log10().mean().item(),
    -3.9,
    2.1,
    when="averaging log10 of the variance behind 50 layers of width 64 over 3 networks, Var(w) = 2 / n",
    think="Which variance makes up for the half that ReLU takes?",
)

# %% hidden aspect="without the 2 the signal loses at least ten decades" points=1
# Fifty halvings are 15 decades more than above, with the same scatter and as rare a false alarm.
last = []
for seed in range(3):
    torch.manual_seed(600 + seed)
    last.append(compare_with_relu(64, 50, n_samples=32)["1/n"][-1])
expect.between(
    torch.tensor(last).double().log10().mean().item(),
    -18.9,
    -12.9,
    when="averaging log10 of the variance behind 50 layers of width 64 over 3 networks, Var(w) = 1 / n",
    think="ReLU halves the second moment in every layer: 2 to the power -50.",
)

# %% hidden aspect="the figure of (b) and (c) shows every curve" points=1
curves = {"1/n": [0.4, 0.2, 0.1, 0.05], "2/n": [0.7, 0.8, 0.6, 0.7]}
expect.figure(
    plot_variances({name: list(values) for name, values in curves.items()}),
    lines=[([1, 2, 3, 4], values) for values in curves.values()],
    yscale="log",
    legend=2,
    when="plotting two networks of four layers",
    think="One line a key of the dictionary, over the layers 1 to 4.",
)

# %% setup
from itertools import pairwise

import torch

from autograder.authoring.quiz import draw


def moments(widths, variance, relu=False, samples=64):
    """Second moments behind the layers, and of the gradients before them, relative to the ends."""
    x = torch.randn(samples, widths[0], dtype=torch.float64, requires_grad=True)
    states = [x]
    for n_in, n_out in pairwise(widths):
        weights = variance(n_in, n_out) ** 0.5 * torch.randn(n_out, n_in, dtype=torch.float64)
        z = states[-1] @ weights.T
        states.append(z.relu() if relu else z)
        states[-1].retain_grad()
    states[-1].backward(torch.randn_like(states[-1]))
    forward = [s.square().mean().item() for s in states]
    backward = [s.grad.square().mean().item() for s in states]
    return [f / forward[0] for f in forward], [b / backward[-1] for b in backward]


# %% choice [markdown] id="alternating-widths" points=1 items="5"
r"""
**(a)** Look at your figure for the widths 512, 128, 512, ... Think of the gradient's way back, too:
there a layer multiplies the second moment by $n_{out}\,\mathrm{Var}(w)$. Which statement is true
behind fifty layers?

- [ ] `"fan_out"` explodes forward: it multiplies by 4 in every layer from 512 to 128.
  > And by 1/4 in every layer back up. The factors telescope to n_0 / n_50, which is 1 here.
- [ ] `"average"` is the only one that keeps both directions.
  > It is a compromise, and here a losing one: 2 * 512 / 640 times 2 * 128 / 640 is 0.64, less than 1.
- [x] `"average"` decays in both directions; each of the others keeps both to a constant factor.
  > 0.64 for every two layers, forward and back, is 1.4e-5 after fifty. What the others lose in one
  > layer they win back in the next.
- [ ] `"fan_in"` keeps the signal, but its gradient vanishes like $0.64^{25}$.
  > On the way back it multiplies by n_out / n_in: 1/4, 4, 1/4, and so on.
"""

# %% evidence
widths = [512, 128] * 25 + [512]
# A product of fifty random layers scatters: its logarithm by about 0.75.
for variance, typical in (
    (lambda n_in, n_out: 1 / n_in, 1.0),
    (lambda n_in, n_out: 2 / (n_in + n_out), 0.64**25),
    (lambda n_in, n_out: 1 / n_out, 1.0),
):
    forward, backward = moments(widths, variance, samples=16)
    assert typical / 60 < forward[-1] < 20 * typical
    assert typical / 60 < backward[0] < 20 * typical

# %% text [markdown] id="reading-the-figure" points=2 items="5"
r"""
Read the figure of (a) in two sentences: which schemes stay bounded and why, and why Xavier's does
not although it is the one that was made to balance the two directions.

- [1] says that the factors of `fan_in` are all 1 and those of `fan_out` telescope to the ratio of the first and the last width
- [1] says that a layer down and a layer up together multiply by less than 1 under the average, because its two factors cannot both be 1
"""

# %% evidence
from math import prod

widths = [512, 128] * 25 + [512]
pairs = list(pairwise(widths))
assert prod(n_in / n_out for n_in, n_out in pairs) == widths[0] / widths[-1]
assert (2 * 512 / 640) * (2 * 128 / 640) < 1 and 2 * 512 / 640 != 1

# %% numeric [markdown] id="relu-factor" points=1 rtol=1e-3 items="6"
r"""
**(b)** With ReLU and $\mathrm{Var}(w) = 1/n$ in layers of equal width $n$: by what factor does one
layer multiply the second moment $\mathrm{E}[a^2]$ of the activations?
"""

# %% key
n = draw([256])
answer = 0.5
slips = {
    "That is the variance behind one ReLU. The next layer is fed by the second moment.": (
        0.5 - 0.5 / 3.141592653589793
    ),
    "ReLU sets half of the numbers to 0, and their squares with them.": 1.0,
    "That is the standard deviation's factor, the root.": 0.5**0.5,
    "The other half of the numbers is kept as it is, squares and all.": 0.25,
}

# %% evidence
ratios = []
for _ in range(20):
    forward, _ = moments([256] * 4, lambda n_in, n_out: 1 / n_in, relu=True)
    ratios += [forward[layer + 1] / forward[layer] for layer in range(3)]
assert abs(sum(ratios) / len(ratios) - answer) < 0.06  # 60 ratios that scatter by about 0.06 each

# %% numeric [markdown] id="first-layer-below" points=1 rtol=1e-3 items="6"
r"""
The inputs have second moment 1. Behind which layer is $\mathrm{E}[a^2]$ expected to be below
$10^{-{{k}}}$ for the first time? Count the first layer as 1.
"""

# %% key
import math

k = draw([6, 6, 4, 5, 8])
answer = math.ceil(k * math.log(10) / math.log(2))
slips = {
    "One layer earlier it is still above.": answer - 1,
    "The first layer halves it already: behind layer 1 it is one half, not 1.": answer + 1,
    "That is where the standard deviation, its root, is so small.": (
        math.ceil(2 * k * math.log(10) / math.log(2))
    ),
    "Each layer takes one half, not nine tenths: powers of 2, not of 10.": k,
}

# %% evidence
assert 2.0**-answer < 10.0**-k <= 2.0 ** -(answer - 1)

# %% choice [markdown] id="which-schemes-fail" points=1 items="6"
r"""
Which of the three schemes of (a) cannot be used in fifty ReLU layers of width 256?

- [ ] `"fan_in"` alone: it looks at the inputs only.
  > In a square layer the fans are equal, so the three schemes draw from the same distribution.
- [ ] `"fan_out"` alone: it is meant for the gradient.
  > In a square layer the fans are equal, so the three schemes draw from the same distribution.
- [ ] `"average"` alone: Xavier is meant for tanh.
  > It is, but the reason would hold for the other two as well: compare the numbers at width 256.
- [x] None of the three can.
  > All are 1/256 here, and each layer of ReLU takes half of the second moment: 2^-50 is 1e-15.
- [ ] All three can: the variance behind a layer is still positive.
  > A signal of 3e-8 against biases and learning rates of ordinary size is no signal.
"""

# %% evidence
for variance in (
    lambda n_in, n_out: 1 / n_in,
    lambda n_in, n_out: 2 / (n_in + n_out),
    lambda n_in, n_out: 1 / n_out,
):
    assert variance(256, 256) == 1 / 256
forward, _ = moments([256] * 51, lambda n_in, n_out: 1 / n_in, relu=True)
assert forward[-1] < 1e-12


# %% alternative of="track_activation_variance"
def with_layers_of_torch(n_layers, dim, init_var, use_relu, n_samples=1000):
    variances = []
    with torch.no_grad():
        x = torch.empty(n_samples, dim).normal_()
        for _ in range(n_layers):
            layer = torch.nn.Linear(dim, dim, bias=False)
            torch.nn.init.normal_(layer.weight, std=init_var**0.5)
            x = torch.relu(layer(x)) if use_relu else layer(x)
            variances.append(float(torch.var(x)))
    return variances


# %% alternative of="second_moment_gains"
def with_telescoped_products(widths, scheme):
    steps = list(pairwise(widths))
    if scheme == "fan_in":
        return [1.0 for _ in steps]
    if scheme == "fan_out":
        return [widths[0] / width for width in widths[1:]]
    factors = torch.tensor([2 * a / (a + b) for a, b in steps], dtype=torch.float64)
    return factors.cumprod(dim=0).tolist()


# %% alternative of="plot_variances"
def with_the_object_interface(curves):
    figure = Figure()
    axes = figure.add_subplot()
    for name in sorted(curves):
        axes.plot(
            list(range(1, len(curves[name]) + 1)), curves[name], "o-", label=f"Var(w) = {name}"
        )
    axes.set_yscale("log")
    axes.set_title("ReLU")
    axes.set_xlabel("layer")
    axes.set_ylabel("Var(a)")
    axes.legend()
    return figure


# %% mistake of="track_activation_variance" fails="there is one variance a layer, the input's not among them"
def counts_the_last_layer_twice(n_layers, dim, init_var, use_relu, n_samples=1000):
    """The list has one variance for each layer, in order, and ends with that of the last."""
    a, variances = torch.randn(n_samples, dim), []
    for _ in range(n_layers):
        a = a @ (init_var**0.5 * torch.randn(dim, dim)).T
        a = a.relu() if use_relu else a
        variances.append(a.var().item())
    return [*variances, a.var().item()]


# %% mistake of="track_activation_variance" fails="a seed repeats the run, and another seed draws another; as many samples go in as asked for"
def seeds_itself(n_layers, dim, init_var, use_relu, n_samples=1000):
    """A function that sets the seed draws the same network each time; leave seeds to the caller."""
    torch.manual_seed(42)
    a, variances = torch.randn(n_samples, dim), []
    for _ in range(n_layers):
        a = a @ (init_var**0.5 * torch.randn(dim, dim)).T
        a = a.relu() if use_relu else a
        variances.append(a.var().item())
    return variances


# %% mistake of="track_activation_variance" fails="a seed repeats the run, and another seed draws another"
def draws_elsewhere(n_layers, dim, init_var, use_relu, n_samples=1000):
    """Take random numbers from torch's own generator, or nobody can repeat your experiment."""
    own = torch.Generator()
    own.seed()
    a, variances = torch.randn(n_samples, dim, generator=own), []
    for _ in range(n_layers):
        a = a @ (init_var**0.5 * torch.randn(dim, dim, generator=own)).T
        a = a.relu() if use_relu else a
        variances.append(a.var().item())
    return variances


# %% mistake of="track_activation_variance" fails="a linear layer multiplies the variance by n times init_var; ReLU, if asked for, follows every layer; He keeps the variance through fifty layers of ReLU; without the 2 the signal loses at least ten decades"
def takes_the_variance_for_a_deviation(n_layers, dim, init_var, use_relu, n_samples=1000):
    """Normal numbers are multiplied by the standard deviation: the root of the variance."""
    a, variances = torch.randn(n_samples, dim), []
    for _ in range(n_layers):
        a = a @ (init_var * torch.randn(dim, dim)).T
        a = a.relu() if use_relu else a
        variances.append(a.var().item())
    return variances


# %% mistake of="track_activation_variance" fails="a linear layer multiplies the variance by n times init_var"
def normalizes_large_signals(n_layers, dim, init_var, use_relu, n_samples=1000):
    """The experiment is to watch the signal grow: nothing may bring it back to scale."""
    a, variances = torch.randn(n_samples, dim), []
    for _ in range(n_layers):
        a = a @ (min(init_var, 2 / dim) ** 0.5 * torch.randn(dim, dim)).T
        a = a.relu() if use_relu else a
        variances.append(a.var().item())
    return variances


# %% mistake of="track_activation_variance" fails="every layer has weights of its own"
def uses_each_matrix_twice(n_layers, dim, init_var, use_relu, n_samples=1000):
    """Every layer draws its own weights: a matrix used again is not independent of its input."""
    a, variances = torch.randn(n_samples, dim), []
    for layer in range(n_layers):
        if layer % 2 == 0:
            weights = init_var**0.5 * torch.randn(dim, dim)
        a = a @ weights.T
        a = a.relu() if use_relu else a
        variances.append(a.var().item())
    return variances


# %% mistake of="track_activation_variance" fails="ReLU, if asked for, follows every layer; He keeps the variance through fifty layers of ReLU; without the 2 the signal loses at least ten decades"
def forgets_relu(n_layers, dim, init_var, use_relu, n_samples=1000):
    """`use_relu` decides whether a ReLU follows each layer; here it decides nothing."""
    a, variances = torch.randn(n_samples, dim), []
    for _ in range(n_layers):
        a = a @ (init_var**0.5 * torch.randn(dim, dim)).T
        variances.append(a.var().item())
    return variances


# %% mistake of="track_activation_variance" fails="ReLU, if asked for, follows every layer"
def measures_before_relu(n_layers, dim, init_var, use_relu, n_samples=1000):
    """The activations are what leaves the ReLU; the variance in front of it is three times larger."""
    a, variances = torch.randn(n_samples, dim), []
    for _ in range(n_layers):
        z = a @ (init_var**0.5 * torch.randn(dim, dim)).T
        a = z.relu() if use_relu else z
        variances.append(z.var().item())
    return variances


# %% mistake of="track_activation_variance" fails="as many samples go in as asked for"
def always_takes_a_thousand(n_layers, dim, init_var, use_relu, n_samples=1000):
    """`n_samples` says how many inputs to send through; a number in its place ignores the caller."""
    a, variances = torch.randn(1000, dim), []
    for _ in range(n_layers):
        a = a @ (init_var**0.5 * torch.randn(dim, dim)).T
        a = a.relu() if use_relu else a
        variances.append(a.var().item())
    return variances


# %% mistake of="second_moment_gains" fails="1/n_in keeps the second moment in every layer"
def takes_two_over_fan_in(widths, scheme):
    """The 2 belongs to ReLU; a linear layer keeps the second moment with 1 / n_in."""
    gain, gains = 1.0, []
    for n_in, n_out in pairwise(widths):
        gain *= (
            n_in * {"fan_in": 2 / n_in, "average": 2 / (n_in + n_out), "fan_out": 1 / n_out}[scheme]
        )
        gains.append(gain)
    return gains


# %% mistake of="second_moment_gains" fails="Xavier's rule loses a little where widths alternate"
def averages_the_variances(widths, scheme):
    """Xavier takes the inverse of the average fan; the average of the inverses is larger."""
    gain, gains = 1.0, []
    for n_in, n_out in pairwise(widths):
        both = (1 / n_in + 1 / n_out) / 2
        gain *= n_in * {"fan_in": 1 / n_in, "average": both, "fan_out": 1 / n_out}[scheme]
        gains.append(gain)
    return gains


# %% mistake of="second_moment_gains" fails="Xavier's rule loses a little where widths alternate; 1/n_out gives n_0 / n_l, whatever lies between"
def gives_the_factor_of_each_layer(widths, scheme):
    """Layers multiply: behind the third layer stands the product of three factors."""
    pairs = pairwise(widths)
    return [
        n_in * {"fan_in": 1 / n_in, "average": 2 / (n_in + n_out), "fan_out": 1 / n_out}[scheme]
        for n_in, n_out in pairs
    ]


# %% mistake of="second_moment_gains" fails="1/n_out gives n_0 / n_l, whatever lies between"
def swaps_the_fans_of_fan_out(widths, scheme):
    """A layer sums n_in products of variance 1 / n_out: the gain is n_in / n_out, not its inverse."""
    gain, gains = 1.0, []
    for n_in, n_out in pairwise(widths):
        factor = {"fan_in": 1.0, "average": 2 * n_in / (n_in + n_out), "fan_out": n_out / n_in}
        gain *= factor[scheme]
        gains.append(gain)
    return gains


# %% mistake of="plot_gains" fails="the figure of (a) shows the three schemes"
def draws_on_a_linear_axis(widths):
    """On a linear axis five decades are one flat line: take a logarithmic one."""
    figure, axes = plt.subplots()
    for scheme in ("fan_in", "average", "fan_out"):
        axes.plot(range(1, len(widths)), second_moment_gains(widths, scheme), label=scheme)
    axes.set(title="Gains", xlabel="layer", ylabel="gain")
    axes.legend()
    return figure


# %% mistake of="plot_variances" fails="the figure of (b) and (c) shows every curve"
def counts_layers_from_zero(curves):
    """The first variance is that behind layer 1; layer 0 would be the input."""
    figure, axes = plt.subplots()
    for name, variances in curves.items():
        axes.semilogy(variances, label=name)
    axes.set(title="Variances", xlabel="layer", ylabel="variance")
    axes.legend()
    return figure


# %% mistake of="compare_with_relu" fails="He keeps the variance through fifty layers of ReLU"
def takes_he_without_the_two(dim, n_layers, n_samples=256):
    """He's variance is twice 1/n: that is what makes up for the half that ReLU takes."""
    return {
        key: track_activation_variance(n_layers, dim, 1 / dim, True, n_samples)
        for key in ("1/n", "2/n")
    }


# %% mistake of="compare_with_relu" fails="without the 2 the signal loses at least ten decades"
def compares_without_relu(dim, n_layers, n_samples=256):
    """Both networks have ReLU: without it 1/n would keep the variance, and 2/n would double it."""
    return {
        "1/n": track_activation_variance(n_layers, dim, 1 / dim, False, n_samples),
        "2/n": track_activation_variance(n_layers, dim, 2 / dim, True, n_samples),
    }
