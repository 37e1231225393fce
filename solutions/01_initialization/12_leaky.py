# %% exercise [markdown] items="107" stars=1 minutes=20 level="apply" goal="derive He's rule for an activation that lets a part of the negative half through"
r"""
# He's rule for a leaky ReLU
He's 2 is there because ReLU throws away half of the second moment. A *leaky* ReLU,
$f(z) = z$ for $z > 0$ and $\alpha z$ otherwise, throws away less, and the 2 is too much: with
$\alpha = 0.5$, fifty layers would multiply the second moment of the signal by 70,000.

Let $z$ be normal with mean 0 and variance $\sigma^2$. By symmetry each half of the axis carries
$\sigma^2/2$ of the second moment. Derive, with pen and paper:

1. the second moment $\mathrm{E}[f(z)^2]$, which the next layer needs;
2. the variance of the weights with which a layer of $n_{in}$ inputs and this activation keeps the
   second moment, forward;
3. the variance of $f(z)$ itself. *Hint:* $\mathrm{E}[\max(z, 0)] = \sigma/\sqrt{2\pi}$.

Many texts say "He keeps the variance of the activations". The rule in 2 follows from 1, not from 3:
the next layer's $z$ has the variance $n_{in}\,\mathrm{Var}(w)\,\mathrm{E}[f(z)^2]$, where the mean of
the activations counts, too.

Before you run anything: what should the three be for $\alpha = 1$, and for $\alpha = 0$?
"""

# %%
import math

import torch

from autograder import expect


# %% solution
def second_moment(var_z: float, alpha: float) -> float:
    """E[f(z)^2] for z normal with mean 0 and variance var_z, f the leaky ReLU of slope alpha."""
    ### BEGIN SOLUTION
    return (1 + alpha**2) / 2 * var_z
    ### END SOLUTION


# %% check
# 3/5 squared is 9/25: halves of 4 and of 4 * 9 / 25.
expect.close(
    second_moment(4.0, 0.6),
    2.72,
    when="taking the second moment for variance 4 and slope 0.6",
    think="What becomes of z^2 on each half of the axis?",
)


# %% solution
def weight_variance(n_in: int, alpha: float) -> float:
    """The variance of the weights that keeps E[f(z)^2] the same from layer to layer."""
    ### BEGIN SOLUTION
    return 2 / ((1 + alpha**2) * n_in)
    ### END SOLUTION


# %% check
expect.close(
    weight_variance(50, 3.0),
    0.004,
    when="computing the variance for 50 inputs and slope 3",
    think="n_in times the variance of a weight times what the activation leaves is to be 1.",
)


# %% solution
def activation_variance(var_z: float, alpha: float) -> float:
    """Var(f(z)), which is less than E[f(z)^2] where f(z) has a mean other than 0."""
    ### BEGIN SOLUTION
    mean = (1 - alpha) * math.sqrt(var_z / (2 * math.pi))
    return (1 + alpha**2) / 2 * var_z - mean**2
    ### END SOLUTION


# %% check
# With slope -1 the activation is |z|, of mean 0.7979 for variance 1.
expect.close(
    activation_variance(1.0, -1.0),
    1 - 2 / math.pi,
    when="taking the variance of |z|, slope -1, for variance 1",
    think="The mean is what both halves contribute, each with its sign and slope.",
)

# %% hidden aspect="the second moment adds up both halves" points=1
torch.manual_seed(1)
for alpha in (0.0, 1.0, *(3 * torch.rand(6).double() - 1).tolist()):
    var_z = 0.01 + 5 * torch.rand(1).double().item()
    # A sum over the normal density on a fine grid: it knows neither symmetry nor formula.
    z = torch.linspace(-12, 12, 24_001, dtype=torch.float64) * var_z**0.5
    density = torch.exp(-z.square() / (2 * var_z)) / (2 * math.pi * var_z) ** 0.5
    f = torch.where(z > 0, z, alpha * z)
    expect.close(
        second_moment(var_z, alpha),
        ((f.square() * density).sum() * (z[1] - z[0])).item(),
        rtol=1e-6,  # far more than the grid's own error
        when=f"taking the second moment for variance {var_z:.4g} and slope {alpha:.4g}",
        think="The slope multiplies z, so its square multiplies z^2. Is nothing lost for slope 1?",
    )

# %% hidden aspect="the weights keep the second moment" points=1
for n_in in (3, 512):
    for alpha in (0.0, 0.01, 0.2, 1.0, math.sqrt(5), -0.7):
        gain = torch.nn.init.calculate_gain("leaky_relu", alpha)
        expect.close(
            weight_variance(n_in, alpha),
            gain**2 / n_in,
            when=f"computing the variance for {n_in} inputs and slope {alpha:.4g}",
            think="Slope 0 has to give He's rule and slope 1, where nothing is lost, 1 / n_in. It is "
            "a variance.",
        )

# %% hidden aspect="the variance is less by the square of the mean" points=1
torch.manual_seed(2)
for alpha in (0.0, 0.2, 1.0, *(3 * torch.rand(6).double() - 1).tolist()):
    var_z = 0.01 + 5 * torch.rand(1).double().item()
    z = torch.linspace(-12, 12, 24_001, dtype=torch.float64) * var_z**0.5
    density = torch.exp(-z.square() / (2 * var_z)) / (2 * math.pi * var_z) ** 0.5
    f = torch.where(z > 0, z, alpha * z)
    mean, step = ((f * density).sum() * (z[1] - z[0])).item(), (z[1] - z[0]).item()
    expect.close(
        activation_variance(var_z, alpha),
        (((f - mean).square() * density).sum() * step).item(),
        rtol=1e-4,  # at the kink, the grid sees the mean to about 1e-7
        when=f"taking the variance of the activations for variance {var_z:.4g} and slope {alpha:.4g}",
        think="For slope 1 the mean is 0; for slope 0 it is that of ReLU. What is it in between?",
    )


# %% alternative of="second_moment"
def half_by_half(var_z, alpha):
    positive = var_z / 2
    negative = alpha * alpha * var_z / 2
    return positive + negative


# %% alternative of="weight_variance"
def through_the_gain(n_in, alpha):
    return (math.sqrt(2 / (1 + alpha**2)) / math.sqrt(n_in)) ** 2


# %% alternative of="activation_variance"
def in_one_fraction(var_z, alpha):
    return var_z * ((1 + alpha**2) * math.pi - (1 - alpha) ** 2) / (2 * math.pi)


# %% mistake of="second_moment" fails="the second moment adds up both halves"
def takes_the_slope_unsquared(var_z, alpha):
    """The slope multiplies z; in the second moment it is squared, like z."""
    return (1 + alpha) / 2 * var_z


# %% mistake of="second_moment" fails="the second moment adds up both halves"
def gives_the_variance(var_z, alpha):
    """The second moment is taken around 0: the mean is not subtracted."""
    return (1 + alpha**2) / 2 * var_z - (1 - alpha) ** 2 * var_z / (2 * math.pi)


# %% mistake of="weight_variance" fails="the weights keep the second moment"
def forgets_the_slope(n_in, alpha):
    """That is He's rule for ReLU: what the negative half lets through grows from layer to layer."""
    return 2 / n_in


# %% mistake of="weight_variance" fails="the weights keep the second moment"
def gives_the_gain(n_in, alpha):
    """The root of it is the standard deviation; a variance is asked."""
    return math.sqrt(2 / ((1 + alpha**2) * n_in))


# %% mistake of="weight_variance" fails="the weights keep the second moment"
def multiplies_in_place_of_dividing(n_in, alpha):
    """A larger slope lets more through, so the weights have to be smaller, not larger."""
    return (1 + alpha**2) / (2 * n_in)


# %% mistake of="activation_variance" fails="the variance is less by the square of the mean"
def leaves_the_mean_in(var_z, alpha):
    """Behind this activation the mean is not 0, and the variance does not count it."""
    return second_moment(var_z, alpha)


# %% mistake of="activation_variance" fails="the variance is less by the square of the mean"
def subtracts_the_mean_of_relu(var_z, alpha):
    """The negative half has a part in the mean, with the sign of its own: for slope 1 they cancel."""
    return second_moment(var_z, alpha) - var_z / (2 * math.pi)
