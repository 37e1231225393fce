# %% exercise [markdown] items="27 104" stars=2 minutes=35 level="analyze" goal="tell which variance dropout adds, and when it is a factor"
r"""
# What dropout does to the variance
Dropout leaves the mean alone and adds noise. How much? "It multiplies the variance by $1/(1-p)$"
is what you will read, and it holds in one special case only. A layer initialized for the wrong
variance passes the error on to all layers above it, so it pays to ask the question properly.

Let $y = m x / (1 - p)$, where the mask $m$ is 0 with the **drop** probability $p$ and 1 otherwise,
and is independent of $x$. There are two questions in one:

- $x$ is **fixed**, as in one forward pass seen again and again. Without dropout its variance is 0,
  with dropout it is not: there is no factor that leads from one to the other.
- $x$ is **random** with mean $\mu$ and variance $s^2$, as a unit is over many samples. Then there
  are two variances to compare, $\mathrm{Var}(y)$ and $\mathrm{Var}(x)$.

Work both out on paper, and write them as functions. Each takes tensors of one shape and works entry
by entry.

*Hint:* $\mathrm{Var}(y) = \mathrm{E}[y^2] - \mathrm{E}[y]^2$. The mask is 0 or 1: what is $m^2$?
"""

# %%
import torch
from torch import Tensor

from autograder import expect


# %% solution
def variance_of_fixed(x: Tensor, p: float) -> Tensor:
    """Var(y) over the masks, for each entry of a fixed `x`. `p` is less than 1."""
    ### BEGIN SOLUTION
    return x**2 * p / (1 - p)
    ### END SOLUTION


def variance_ratio(mean: Tensor, var: Tensor, p: float) -> Tensor:
    """Var(y) / Var(x), for an x with mean `mean` and variance `var` (greater than 0)."""
    ### BEGIN SOLUTION
    return 1 / (1 - p) + mean**2 / var * p / (1 - p)
    ### END SOLUTION


# %% check
# With p = 0.5 an x of 3 becomes 0 or 6, each of them 3 away from the mean.
expect.close(
    variance_of_fixed(torch.tensor([3.0, 1.0]), p=0.5),
    [9.0, 1.0],
    when="asking for the variance that dropout with p = 0.5 gives to a fixed 3, and to a fixed 1",
    think="How far are the two possible outputs from their mean?",
)
# An x that is 1 or 3 has mean 2 and variance 1. With p = 0.5, y is 0, 0, 2 or 6: mean 2, variance 6.
expect.close(
    variance_ratio(torch.tensor([2.0]), torch.tensor([1.0]), p=0.5),
    [6.0],
    when="asking for the ratio for an x that is 1 or 3, with p = 0.5",
    think="The mean of the squares 0, 0, 4 and 36 is 10. What is left after the squared mean?",
)

# %% setup
import math

import torch
from torch import nn

from autograder.authoring.quiz import draw


def measured_ratio(x, p):
    """Var(y) / Var(x) for samples x and PyTorch's own dropout."""
    return (nn.functional.dropout(x, p, training=True).var() / x.var()).item()


# %% choice [markdown] id="why-a-factor" points=1
r"""
For an $x$ of mean 0 the ratio is $1/(1-p)$, whatever its variance. Why is the mean so important?

- [ ] Only if the mean is 0 does dropout leave it as it was; any other mean is moved towards 0.
  > The scale 1 / (1 - p) sees to that for every mean. What happens to the spread?
- [x] Switching $x$ off moves it from around $\mu$ to 0, which is noise of its own unless $\mu = 0$.
  > Yes: an entry that jumps between 0 and values around a large mean varies, even if x itself hardly
  > does. With mean 0 there is no such jump on average, and the rest is in proportion to the variance.
- [ ] Only if the mean is 0 is the mask independent of $x$.
  > The mask is drawn without looking at x. Independence does not depend on any mean.
- [ ] Only if the mean is 0 are dropped entries a share $p$ of them all.
  > p entries in 100 are dropped, whatever their values are.
"""

# %% evidence
# 400,000 draws: a ratio is known to about 1 %, so 5 % is five standard errors and more.
for p in (0.2, 0.5):
    for s in (0.3, 2.0):
        assert abs(measured_ratio(s * torch.randn(400_000), p) * (1 - p) - 1) < 0.05
        assert measured_ratio(s * torch.randn(400_000) + 3 * s, p) > 2 / (1 - p)
# An entry that does not vary at all varies after dropout, unless it is 0.
assert nn.functional.dropout(torch.full((1000,), 3.0), 0.5).var() > 1
assert nn.functional.dropout(torch.zeros(1000), 0.5).var() == 0

# %% numeric [markdown] id="after-relu" points=1 rtol=0.005
r"""
Dropout mostly follows a ReLU, whose outputs have no mean of 0. Let $x = \max(0, z)$ with
$z \sim \mathcal{N}(0, 1)$: its mean is $1/\sqrt{2\pi}$, its second moment $\mathrm{E}[x^2]$ is 1/2.

By what factor does dropout with drop probability {{p}} multiply the variance of $x$?
"""

# %% key
p = draw([0.5, 0.2, 0.3, 0.6])
mean = 1 / math.sqrt(2 * math.pi)
var = 0.5 - mean**2
answer = 1 / (1 - p) + mean**2 / var * p / (1 - p)
slips = {
    "That is the factor for an x of mean 0; a ReLU's output has a positive mean.": 1 / (1 - p),
    "1/2 is the second moment; the variance is what is left after the squared mean.": (
        1 / (1 - p) + mean**2 / 0.5 * p / (1 - p)
    ),
    "That is the variance after dropout; it is to be divided by the one before.": (
        var / (1 - p) + mean**2 * p / (1 - p)
    ),
    "E[y²] is not yet a variance: the squared mean comes off.": 0.5 / (1 - p) / var,
    "The mean enters squared.": 1 / (1 - p) + mean / var * p / (1 - p),
}

# %% evidence
assert abs(measured_ratio(torch.randn(1_000_000).relu(), p) / answer - 1) < 0.03

# %% choice [markdown] id="both-ends" points=1
r"""
Many texts describe dropout by the probability `keep_prob` of being kept, which is $1 - p$. In that
form a kept entry is divided by `keep_prob`. What is left of the layer at the two ends?

- [ ] `keep_prob = 1` drops everything, `keep_prob = 0` passes everything on.
  > That is so for a drop probability. Here the probability of being kept is given.
- [ ] With 1 it is the identity. With 0 the mean is still the input, for the scale makes up for it.
  > There is nothing to scale when no entry is kept: which output could have the input as its mean?
- [x] With 1 it is the identity. With 0 the formula is 0/0, and PyTorch's layer returns zeros.
  > Yes. PyTorch defines the output as 0 there; hand-written layers that divide return NaN.
- [ ] With 1 it is the identity. With 0 PyTorch raises an error, as the formula is 0/0.
  > nn.Dropout(1.0) is accepted. What does it return?
- [ ] With 1 it still adds a little noise. With 0 it is all noise.
  > How many masks are possible if each entry is kept with probability 1?
"""

# %% evidence
x = torch.randn(50)
assert torch.equal(nn.Dropout(0.0)(x), x)
assert torch.equal(nn.Dropout(1.0)(x), torch.zeros(50))
mask = (torch.rand(50) < 0).float()
assert (x * mask / 0.0).isnan().all()

# %% text [markdown] id="ends-as-ensembles" points=1
r"""
Dropout trains an *ensemble*: each mask selects a subnetwork of the same weights. Explain
`keep_prob = 1` and `keep_prob = 0` from this point of view, in two or three sentences. How many
members does the ensemble have, which are they, and is there a scale with which their average is the
input?

- [1] With 1 there is one member, the full network, and nothing is averaged; with 0 there is one member too, the network whose units are all silent, and no scale makes its output the input.
"""

# %% evidence
# How many different masks come up among 500 draws for four units: one at either end, all between.
for keep, members in ((1.0, 1), (0.5, 16), (0.0, 1)):
    masks = {tuple(row) for row in (torch.rand(500, 4) < keep).int().tolist()}
    assert len(masks) == members
    assert keep == 0.5 or masks == {(int(keep),) * 4}

# %% hidden aspect="a fixed input gets a variance from the mask alone" points=1
from autograder import reference

torch.manual_seed(1)
for p in (0.3, 0.05, 0.9, 0.0):
    x = 3 * torch.randn(20, dtype=torch.float64)
    expect.close(
        variance_of_fixed(x.clone(), p),
        reference.variance_of_fixed(x, p),
        when=f"asking for the variance of y for twenty fixed values of x, with p = {p}",
        think="y is 0 with probability p, x / (1 - p) otherwise. Is p the probability to be dropped?",
    )

# %% hidden aspect="the ratio for a random input depends on its mean and its variance" points=1
from autograder import reference

torch.manual_seed(2)
for p in (0.3, 0.05, 0.9, 0.0):
    mean = 3 * torch.randn(20, dtype=torch.float64)
    mean[0] = 0
    var = 0.05 + 4 * torch.rand(20, dtype=torch.float64)
    expect.close(
        variance_ratio(mean.clone(), var.clone(), p),
        reference.variance_ratio(mean, var, p),
        when=f"asking for the ratio for twenty means and variances of x, with p = {p}",
        think="E[y²] is E[m²] E[x²] over the squared scale. What are E[m²] and E[x²]?",
    )


# %% alternative of="variance_of_fixed"
def with_the_variance_of_the_mask(x, p):
    return (x / (1 - p)) ** 2 * (p * (1 - p))


# %% alternative of="variance_of_fixed"
def from_the_two_outputs(x, p):
    return p * x**2 + (1 - p) * (x / (1 - p) - x) ** 2


# %% alternative of="variance_ratio"
def from_second_moments(mean, var, p):
    return ((var + mean**2) / (1 - p) - mean**2) / var


# %% alternative of="variance_ratio"
def with_the_law_of_total_variance(mean, var, p):
    within = variance_of_fixed(torch.sqrt(var + mean**2), p)  # its mean over x
    return (within + var) / var


# %% mistake of="variance_of_fixed" fails="a fixed input gets a variance from the mask alone"
def forgets_that_the_scale_is_squared(x, p):
    """The mask has variance p (1 - p), and the scale 1 / (1 - p) enters the variance squared."""
    return x**2 * p


# %% mistake of="variance_of_fixed" fails="a fixed input gets a variance from the mask alone"
def takes_p_for_the_share_kept(x, p):
    """(1 - p) / p belongs to texts in which p is the probability of being kept."""
    return x**2 * (1 - p) / p if p else torch.zeros_like(x)


# %% mistake of="variance_of_fixed" fails="a fixed input gets a variance from the mask alone"
def gives_the_second_moment(x, p):
    """x² / (1 - p) is E[y²]; the squared mean x² still has to come off."""
    return x**2 / (1 - p)


# %% mistake of="variance_of_fixed" fails="a fixed input gets a variance from the mask alone"
def gives_the_standard_deviation(x, p):
    """That is the standard deviation, the root of what is asked."""
    return x.abs() * (p / (1 - p)) ** 0.5


# %% mistake of="variance_ratio" fails="the ratio for a random input depends on its mean and its variance"
def believes_in_one_factor(mean, var, p):
    """1 / (1 - p) is the ratio for mean 0; a mean that is switched on and off adds to it."""
    return torch.full_like(var, 1 / (1 - p))


# %% mistake of="variance_ratio" fails="the ratio for a random input depends on its mean and its variance"
def forgets_the_squared_mean(mean, var, p):
    """E[y²] / Var(x) is no ratio of variances: the squared mean comes off E[y²]."""
    return (var + mean**2) / (1 - p) / var


# %% mistake of="variance_ratio" fails="the ratio for a random input depends on its mean and its variance"
def counts_only_what_the_mask_adds(mean, var, p):
    """That is the variance which the mask adds, over Var(x); x varies by itself as well: plus 1."""
    return (var + mean**2) * p / (1 - p) / var
