# %% exercise [markdown] items="12 13" stars=1 minutes=40 level="evaluate" goal="compare two ways to draw weights, and know how many networks that takes"
r"""
# 7.4 Uniform or normal weights
`kaiming_normal_` and `kaiming_uniform_` draw different numbers. If the difference mattered, half of
all networks would be started the wrong way. Does it? One network a side cannot tell: with ReLU, the
logarithm of what $L$ layers of width $n$ leave of an input scatters by about $\sqrt{5L/n}$ from seed
to seed, which is more than 1 for twenty layers of width 64.

**(a)** For $w \sim U(-b, b)$ the density is $1/(2b)$, the mean 0, and the variance

$$ \mathrm{Var}(w) = \int_{-b}^{b} \frac{x^2}{2b}\,dx . $$

Write `integral_up_to`, which is this integral up to any $t$, and with it `draw_weights`. Does He's
$2/n_{in}$ lead to the bound $\sqrt{6/n_{in}}$ that PyTorch uses?

**(b)** Send inputs through **twenty** layers, for hundreds of networks at once: `log_variances`. Then
`compare` the two kinds, in standard errors.

**(c)** Is that how `nn.Linear` starts? Many texts say so. It calls `kaiming_uniform_` with `a=sqrt(5)`,
so that the bound is $1/\sqrt{n_{in}}$. The question at the end asks what that does.

*Hint:* with shapes `(networks, samples, n)` and `(networks, n, n)`, `@` multiplies network by network.
"""

# %%
import math

import torch
from torch import Tensor

from autograder import expect


# %% solution
def integral_up_to(t: float, b: float) -> float:
    """The integral of x^2 / (2 b) from -b to t, for t between -b and b."""
    ### BEGIN SOLUTION
    return (t**3 + b**3) / (6 * b)
    ### END SOLUTION


# %% check
# x^2 is symmetric: half of the integral is there at 0. For b = 3 that is 27 / 18.
expect.close(
    integral_up_to(0.0, 3.0),
    1.5,
    when="integrating x^2 / 6 from -3 to 0",
    think="Which function has the derivative x^2? It is taken at both ends.",
)


# %% solution
def draw_weights(kind: str, variance: float, shape: tuple[int, ...]) -> Tensor:
    """Independent weights of mean 0 and this variance; `kind` is "normal" or "uniform"."""
    ### BEGIN SOLUTION
    if kind == "normal":
        return math.sqrt(variance) * torch.randn(shape)
    b = math.sqrt(3 * variance)
    return b * (2 * torch.rand(shape) - 1)
    ### END SOLUTION


# %% check
# Variance 12: the uniform weights reach up to 6, and hardly any of 10,000 tries is needed for 5.9.
torch.manual_seed(0)
largest = draw_weights("uniform", 12.0, (10_000,)).abs().max().item()
expect.between(
    largest,
    5.9,
    6.0001,
    when="taking the largest of 10,000 uniform weights with variance 12",
    think="integral_up_to(b, b) is the variance. Which b has the variance 12?",
)


# %% solution
def log_variances(
    kind: str, gain: float, width: int, layers: int, networks: int, samples: int = 4
) -> Tensor:
    """The natural logarithm of the variance behind the last layer, for each network, (networks,).

    Each network has inputs of its own, standard normal numbers, and `layers` layers of width
    `width` with weights of its own, new ones in every layer: of that kind, with variance
    gain / width. There are no biases. ReLU follows every layer, and the variance is taken behind
    it, over the samples and units of one network together.
    """
    ### BEGIN SOLUTION
    activations = torch.randn(networks, samples, width)
    for _ in range(layers):
        weights = draw_weights(kind, gain / width, (networks, width, width))
        activations = (activations @ weights.mT).relu()
    return activations.flatten(1).var(dim=1).log()
    ### END SOLUTION


# %% check
# The variance behind a wide layer is 1 - 1 / pi of the second moment, which is 1 for a gain of 2.
torch.manual_seed(0)
for kind in ("normal", "uniform"):
    found = log_variances(kind, 2.0, width=128, layers=1, networks=60, samples=16)
    expect.shape(found, (60,), when=f"tracking 60 {kind} networks")
    expect.between(
        found.mean().item(),
        -0.65,
        -0.2,
        when=f"averaging 60 {kind} networks with one layer of 128 units and gain 2, where "
        "log(1 - 1 / pi) = -0.38 is expected",
        think="The variance of what, and behind what?",
    )


# %% solution
def compare(a: Tensor, b: Tensor) -> tuple[float, float]:
    """The difference of the means, that of `a` minus that of `b`, and its standard error.

    `a` and `b` are independent samples and need not be of one size. A mean of N numbers has the
    squared error s^2 / N, where s^2 is their unbiased variance; squared errors add up.
    """
    ### BEGIN SOLUTION
    error = torch.sqrt(a.var() / len(a) + b.var() / len(b))
    return (a.mean() - b.mean()).item(), error.item()
    ### END SOLUTION


# %% check
# Means 6 and 2, variances 8 and 2: 8 / 2 + 2 / 2 = 5, and the root is 2.236.
difference, error = compare(torch.tensor([4.0, 8.0]), torch.tensor([1.0, 3.0]))
expect.close(difference, 4.0, rtol=1e-5, when="comparing 4, 8 with 1, 3")
expect.close(
    error,
    5**0.5,
    rtol=1e-5,
    when="computing the standard error for 4, 8 against 1, 3",
    think="Each mean has an error of its own, and the two are independent.",
)

# %% [markdown]
# Now look. How far apart are the two kinds, how far would they be by chance, and does the answer stay
# the same for another seed, or for ten times as many networks? The last line has the weights of
# `nn.Linear`.

# %%
SEED = 0
FULL = False  # True adds 2,000 networks a side; that takes a few seconds.
torch.manual_seed(SEED)
try:
    for networks in (20, 200, 2000)[: 2 + FULL]:
        normal, uniform = (
            log_variances(kind, 2.0, 64, 20, networks) for kind in ("normal", "uniform")
        )
        difference, error = compare(normal, uniform)
        print(
            f"{networks} networks a side: difference {difference:+.3f}, standard error {error:.3f}"
        )
    default = log_variances("uniform", 1 / 3, 64, 20, 100)
    print(f"nn.Linear's weights: variance {default.mean().exp():.0e} behind layer 20")
except NotImplementedError:
    print("one of the functions is not written yet")

# %% hidden aspect="the integral grows from 0 to b squared over 3" points=1
torch.manual_seed(1)
for _ in range(8):
    b = 0.05 + 4 * torch.rand(1).item()
    for share in (-1.0, -0.4, 0.3, 1.0):
        t = share * b
        # An independent way to the same number: the mean of x^2 over a fine grid of midpoints.
        grid = torch.linspace(-b, t, 20_001, dtype=torch.float64)
        middle = (grid[1:] + grid[:-1]) / 2
        wanted = (middle.square() / (2 * b) * (grid[1:] - grid[:-1])).sum().item()
        expect.close(
            integral_up_to(t, b),
            wanted,
            rtol=1e-6,  # what 20,000 midpoints leave over
            atol=1e-9,
            when=f"integrating from {-b:.4g} to {t:.4g} for b = {b:.4g}",
            think="The antiderivative at t, minus the antiderivative at -b; 1 / (2 b) is a constant.",
        )

# %% hidden aspect="weights of both kinds have the variance asked for" points=1
# Of 90,000 weights, mean, variance and fourth moment: six standard errors each, a false alarm once in
# 10^7 runs for the 12 of them together.
torch.manual_seed(2)
for variance in (4.0, 1e-3):
    for kind, fourth in (("normal", 3.0), ("uniform", 9 / 5)):
        drawn = draw_weights(kind, variance, (300, 100, 3))
        expect.shape(drawn, (300, 100, 3), when=f"drawing {kind} weights")
        expect.true(
            not torch.equal(drawn, draw_weights(kind, variance, (300, 100, 3))),
            when=f"drawing {kind} weights twice",
            wanted="other numbers the second time",
            got="the same",
            think="Does something set the seed?",
        )
        units = drawn.double() / variance**0.5
        for power, wanted, what in ((1, 0.0, "mean"), (2, 1.0, "mean square"), (4, fourth, "4th")):
            name = "mean of the 4th powers" if what == "4th" else what
            expect.average(
                units**power,
                wanted,
                when=f"taking the {name} of {kind} weights of variance {variance:g}, each divided "
                f"by {variance**0.5:.4g}",
                think="Is the variance used as one, and not as a standard deviation or a bound? Is "
                "the draw of the kind asked for?",
            )

# %% hidden aspect="each network is a draw of its own, measured behind so many ReLU layers" points=2
from autograder import reference

torch.manual_seed(3)
# Differences of means over many networks, each in standard errors of its own: 7.5 of them raise a
# false alarm once in 10^12 runs if the means were normal; logarithms have heavier tails on the left.
for kind, gain, width, layers, networks, samples in (
    ("normal", 2.0, 128, 1, 40, 16),
    ("uniform", 3.0, 48, 7, 150, 4),
    ("normal", 1 / 3, 48, 7, 150, 4),
):
    got = log_variances(kind, gain, width, layers, networks, samples=samples)
    expect.shape(got, (networks,), when=f"tracking {networks} networks")
    right = reference.log_variances(kind, gain, width, layers, networks, samples)
    mean, error = right.mean().item(), reference.compare(right, right)[1]
    expect.between(
        got.mean().item(),
        mean - 7.5 * error,
        mean + 7.5 * error,
        when=f"averaging over {networks} networks with {layers} layer{'s' * (layers > 1)} of width "
        f"{width}, {kind} weights of variance {gain:.3g} / {width}",
        think="A natural logarithm of a variance, behind the ReLU of the last layer.",
    )
# With a single weight of variance 2, the kind shows: half of the w^2 lie below 1.5 if it is uniform,
# below 0.91 if it is normal, and the variance of a ReLU is 0.34 of that. Medians, since a weight can
# be 0. That of 4,000 is known to 0.03: 0.25 is 8 sigma, a false alarm in 10^14 runs.
found = log_variances("uniform", 2.0, 1, 1, 4000, samples=64)
expect.shape(found, (4000,), when="tracking 4000 networks")
expect.between(
    found.median().item(),
    -0.93,
    -0.43,
    when="taking the median over 4000 networks with one layer of width 1, uniform weights of "
    "variance 2, 64 samples",
    think="Do the kind and the number of samples that were asked for arrive where they are used?",
)
# The logarithms scatter by 0.55, and by 1.6 behind twenty layers; 120 networks tell that to 0.04 and
# 0.13 (measured). Six sigma on either side are a false alarm in 10^8 runs.
for layers, expected, low, high in ((4, 0.55, 0.28, 0.85), (20, 1.6, 0.8, 2.5)):
    found = log_variances("uniform", 2.0, 32, layers, 120, samples=4)
    expect.shape(found, (120,), when="tracking 120 networks")
    expect.between(
        found.std().item(),
        low,
        high,
        when=f"measuring how the logarithms of 120 networks with {layers} layers of width 32 "
        f"scatter, where {expected:g} is expected",
        think="Has each network its own weights, and each layer new ones?",
    )

# %% hidden aspect="the difference comes with its standard error" points=1
from autograder import reference

torch.manual_seed(5)
for n, m in ((7, 7), (4, 60), (90, 5)):
    a, b = 3 * torch.randn(n, dtype=torch.float64) + 1, torch.randn(m, dtype=torch.float64)
    for got, wanted, what in zip(
        compare(a.clone(), b.clone()),
        reference.compare(a, b),
        ("difference", "standard error"),
        strict=True,
    ):
        expect.close(
            got,
            wanted,
            when=f"computing the {what} for {n} numbers that scatter by 3 and {m} that scatter by 1",
            think="Which mean is subtracted from which? Each variance is divided by its own N, and "
            "the squares of the two errors are added.",
        )

# %% setup
import torch
from torch import nn

from autograder.authoring.quiz import draw


def behind(draw_one, networks, width=64, layers=20):
    """Logarithms of the variance of one layer's activations, behind ReLU layers, network by network."""
    a = torch.randn(networks, 4, width)
    for _ in range(layers):
        a = (a @ draw_one(torch.empty(networks, width, width)).mT).relu()
    return a.flatten(1).var(dim=1).log()


# %% numeric [markdown] id="default-of-linear" points=1 rtol=1e-3 items="13"
r"""
The weights of `nn.Linear({{n}}, {{n}})` are drawn from $U(-1/\sqrt{n}, 1/\sqrt{n})$ unless you do
something about it. Set the biases to 0 and let a ReLU follow every layer. By what factor does one
layer, activation included, multiply the second moment of the signal, $\mathrm{E}[a^2]$?
"""

# %% key
n = draw([256, 512, 1024])
answer = 1 / 6
slips = {
    "That is the variance of the weights times n; ReLU halves the second moment on top of it.": (
        1 / 3
    ),
    "The bound is not the standard deviation: the variance is a third of its square.": 1 / 2,
    "That is what He's weights do, six times as much in variance.": 1.0,
    "That is the factor of the root mean square.": 6**-0.5,
}

# %% evidence
weight = torch.cat([nn.Linear(n, n).weight.detach() for _ in range(4)])
# A quarter of a million numbers or more: their variance is known to 0.2 %.
assert abs(weight.var().item() * n - 1 / 3) < 0.005
a = torch.randn(200, n)
ratio = (a @ weight.T).relu().square().mean() / a.square().mean()
assert abs(ratio.item() / answer - 1) < 0.15

# %% choice [markdown] id="three-sigma" points=1 level="evaluate" items="13"
r"""
While this course was made, 100 networks of each kind were compared, ten layers of width 512. The
variances behind the last layer were 0.656 on average for normal weights and 0.728 for uniform ones;
they scattered by 0.146 and 0.165. That is a difference of 3.3 standard errors. What should one do
with it?

- [ ] Publish it: 3.3 standard errors mean that uniform weights keep more of the signal.
  > For a single comparison, chosen beforehand, chance does that once in 1,000 times. How many
  > comparisons does a course make, and which of them catch the eye?
- [ ] Ignore it: with 100 networks a side, differences are always noise.
  > A difference of 3.3 standard errors is a good reason to look again. How?
- [x] Draw new seeds, more of them, and believe what those say.
  > With 1,000 new networks a side it was 0.682 against 0.684, with errors of 0.005 each. What had
  > been seen was chance; only numbers that were not yet seen could tell.
- [ ] Add another 100 networks at a time until it is clear, one way or the other.
  > Who stops at the first moment that looks clear will sooner or later find one, true or not.
- [ ] Use the same seeds for both kinds, so that chance has no part in it.
  > The same seed gives both kinds other networks all the same. Chance remains, unless there are
  > many of them.
"""

# %% evidence
# The numbers of the prompt, and of the repetition.
assert abs((0.728 - 0.656) / ((0.146**2 + 0.165**2) / 100) ** 0.5 - 3.3) < 0.05
assert (0.684 - 0.682) / (2 * 0.005**2) ** 0.5 < 1
# The same comparison on fresh, smaller networks: no difference beyond chance.
he = {
    "normal": lambda w: w.normal_(std=(2 / w.shape[2]) ** 0.5),
    "uniform": lambda w: w.uniform_(-((6 / w.shape[2]) ** 0.5), (6 / w.shape[2]) ** 0.5),
}
logs = {kind: behind(one, 100, width=64, layers=10) for kind, one in he.items()}
gap = logs["normal"].mean() - logs["uniform"].mean()
assert abs(gap) < 5 * ((logs["normal"].var() + logs["uniform"].var()) / 100) ** 0.5


# %% alternative of="integral_up_to"
def from_the_middle(t, b):
    half = b * b / 6
    return half + t * t * t / (6 * b)


# %% alternative of="draw_weights"
def drawn_in_place(kind, variance, shape):
    weights = torch.empty(*shape)
    if kind == "uniform":
        bound = (3 * variance) ** 0.5
        return weights.uniform_(-bound, bound)
    return weights.normal_(0, variance**0.5)


# %% alternative of="log_variances"
def one_network_after_the_other(kind, gain, width, layers, networks, samples=4):
    found = []
    for _ in range(networks):
        a = torch.randn(width, samples)
        for _ in range(layers):
            a = torch.clamp(draw_weights(kind, gain / width, (width, width)) @ a, min=0)
        found.append(torch.log(a.var()))
    return torch.stack(found)


# %% mistake of="integral_up_to" fails="the integral grows from 0 to b squared over 3"
def starts_at_zero(t, b):
    """The integral begins at -b: the antiderivative is taken at both ends."""
    return t**3 / (6 * b)


# %% mistake of="draw_weights" fails="weights of both kinds have the variance asked for; each network is a draw of its own, measured behind so many ReLU layers"
def takes_the_std_for_the_bound(kind, variance, shape):
    """Uniform weights reach the root of 3 farther than their standard deviation."""
    if kind == "normal":
        return variance**0.5 * torch.randn(shape)
    return variance**0.5 * (2 * torch.rand(shape) - 1)


# %% mistake of="draw_weights" fails="weights of both kinds have the variance asked for"
def cuts_off_the_tails(kind, variance, shape):
    """Normal weights have tails; some libraries cut them off at two standard deviations and rescale."""
    if kind == "normal":
        cut = torch.nn.init.trunc_normal_(torch.empty(shape), a=-2.0, b=2.0)
        return variance**0.5 / 0.8796 * cut  # what is left has the standard deviation 0.8796
    return (3 * variance) ** 0.5 * (2 * torch.rand(shape) - 1)


# %% mistake of="draw_weights" fails="weights of both kinds have the variance asked for; each network is a draw of its own, measured behind so many ReLU layers"
def draws_normal_weights_for_both(kind, variance, shape):
    """Uniform weights are bounded and have no tails, though their variance is the same."""
    return variance**0.5 * torch.randn(shape).clamp(-4, 4)


# %% mistake of="log_variances" fails="each network is a draw of its own, measured behind so many ReLU layers"
def measures_in_front_of_the_last_relu(kind, gain, width, layers, networks, samples=4):
    """What counts is what the next layer gets: the variance is taken behind the ReLU."""
    activations = torch.randn(networks, samples, width)
    for _ in range(layers):
        weights = draw_weights(kind, gain / width, (networks, width, width))
        outputs = activations @ weights.mT
        activations = outputs.relu()
    return outputs.flatten(1).var(dim=1).log()


# %% mistake of="log_variances" fails="each network is a draw of its own, measured behind so many ReLU layers"
def takes_the_second_moment(kind, gain, width, layers, networks, samples=4):
    """Behind a ReLU the mean is not 0, and the variance is less than the second moment."""
    activations = torch.randn(networks, samples, width)
    for _ in range(layers):
        weights = draw_weights(kind, gain / width, (networks, width, width))
        activations = (activations @ weights.mT).relu()
    return activations.square().mean(dim=(1, 2)).log()


# %% mistake of="log_variances" fails="each network is a draw of its own, measured behind so many ReLU layers"
def gives_all_networks_the_same_weights(kind, gain, width, layers, networks, samples=4):
    """Networks with the same weights are one network: averaging over them averages nothing."""
    activations = torch.randn(networks, samples, width)
    for _ in range(layers):
        activations = (activations @ draw_weights(kind, gain / width, (width, width)).T).relu()
    return activations.flatten(1).var(dim=1).log()


# %% mistake of="compare" fails="the difference comes with its standard error"
def gives_the_scatter_of_single_networks(a, b):
    """A mean of N numbers scatters less than one of them, by the root of N."""
    return (a.mean() - b.mean()).item(), torch.sqrt(a.var() + b.var()).item()


# %% mistake of="compare" fails="the difference comes with its standard error"
def adds_the_errors(a, b):
    """Errors of independent means add up in squares: sometimes they cancel."""
    error = a.std() / len(a) ** 0.5 + b.std() / len(b) ** 0.5
    return (a.mean() - b.mean()).item(), error.item()
