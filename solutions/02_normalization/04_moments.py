# %% exercise [markdown] items="109" stars=2 minutes=30 level="analyze" goal="derive what mean and variance batch normalization really leaves behind"
r"""
# What batch normalization leaves of mean and variance
A feature that hardly varies should come out with variance 1. It does not: with
$\varepsilon = 10^{-5}$, one of variance $8.3 \cdot 10^{-7}$ was measured at 0.077 afterwards.
Whoever builds on "variance 1" (a test, a proof, an initialization) is off by a factor of 13 there.

Many texts ask for a proof that $\hat{x}$ has "mean exactly 0 and variance exactly 1". For any
$\varepsilon > 0$ that is false, so derive what is true. A feature has the values
$x_1, \dots, x_m$ in a batch, with mean $\mu$ and biased variance $s^2$, and

$$ \hat{x}_i = \frac{x_i - \mu}{\sqrt{s^2 + \varepsilon}}, \qquad
\frac{1}{m}\sum_i (x_i - \mu) = 0, \qquad \frac{1}{m}\sum_i (x_i - \mu)^2 = s^2 $$

These two sums are all you need. Write each result as a function: plain numbers go in, and the
value of your formula comes out.

*Hint:* dividing numbers by $c$ divides their mean by $c$ and their variance by $c^2$.
"""

# %%
import torch

from autograder import expect


# %% solution
def moments_of_x_hat(mu: float, s2: float, eps: float) -> tuple[float, float]:
    """The mean of x_hat, and its biased variance (the sum of squares divided by m).

    mu and s2 are the mean and the biased variance of x. s2 or eps may be 0, never both.
    """
    ### BEGIN SOLUTION
    return 0.0, s2 / (s2 + eps)
    ### END SOLUTION


# %% solution
def unbiased_variance_of_x_hat(s2: float, eps: float, m: int) -> float:
    """The unbiased variance of x_hat (the sum of squares divided by m - 1): Tensor.var's default.

    s2 is again the biased variance of x, and m >= 2 the number of samples.
    """
    ### BEGIN SOLUTION
    return m / (m - 1) * s2 / (s2 + eps)
    ### END SOLUTION


# %% solution
def smallest_variance(fraction: float, eps: float) -> float:
    """The smallest s2 for which the biased variance of x_hat is at least `fraction`.

    0 <= fraction < 1 and eps > 0: how much a feature has to vary for eps to do little harm.
    """
    ### BEGIN SOLUTION
    return fraction * eps / (1 - fraction)
    ### END SOLUTION


# %% check
# 6 and 8 have mean 7 and variance 1. With eps = 3 the root is 2, so x_hat is -0.5 and 0.5.
expect.close(
    moments_of_x_hat(7.0, 1.0, 3.0),
    [0.0, 0.25],
    when="deriving mean and biased variance of x_hat for x = 6, 8 and eps = 3",
    think="x_hat is -0.5 and 0.5 here. Which mean and variance have these two?",
)
expect.close(
    unbiased_variance_of_x_hat(1.0, 3.0, 2),
    0.5,
    when="deriving the unbiased variance of the same x_hat, m = 2",
    think="The squares of -0.5 and 0.5 add up to 0.5. What divides this sum?",
)

# %% check
# So with eps = 3, a variance of 1 reaches a quarter, and nothing smaller does.
expect.close(
    smallest_variance(0.25, 3.0),
    1.0,
    when="asking which variance of x reaches 0.25 with eps = 3",
    think="Set the variance of x_hat equal to the fraction. Solve for s2.",
)

# %% hidden aspect="the moments of x_hat are those of the algebra" points=1
torch.manual_seed(1)
points = [
    (10 * a - 5, 10 ** (4 * b - 3), 10 ** (4 * c - 4))
    for a, b, c in torch.rand(20, 3, dtype=torch.float64).tolist()
]
# The ends: no eps, no variance, as much of one as of the other, a typical eps.
for mu, s2, eps in [*points, (3.0, 2.0, 0.0), (3.0, 0.0, 0.1), (0.0, 0.7, 0.7), (1.0, 1e-6, 1e-5)]:
    expect.close(
        moments_of_x_hat(mu, s2, eps),
        [0.0, s2 / (s2 + eps)],
        when=f"deriving both moments for mu = {mu:.3g}, s2 = {s2:.3g} and eps = {eps:.3g}",
        think="The deviations add up to 0; the mean of their squares is s2. Both are divided.",
    )

# %% hidden aspect="the unbiased variance of x_hat follows from the biased one" points=1
torch.manual_seed(2)
for b, c, d in torch.rand(20, 3, dtype=torch.float64).tolist():
    s2, eps, m = 10 ** (4 * b - 3), 10 ** (4 * c - 4), 2 + int(30 * d)
    expect.close(
        unbiased_variance_of_x_hat(s2, eps, m),
        s2 * m / (s2 + eps) / (m - 1),
        when=f"deriving the unbiased variance for s2 = {s2:.3g}, eps = {eps:.3g} and m = {m}",
        think="The sum of the squares of x_hat is m times its biased variance.",
    )
# The ends: no eps, no variance, many samples, and the one eps that makes up for m - 1.
for s2, eps, m, wanted in ((5.0, 0.0, 2, 2.0), (0.0, 0.1, 9, 0.0), (3.0, 1.0, 4, 1.0)):
    expect.close(
        unbiased_variance_of_x_hat(s2, eps, m),
        wanted,
        when=f"deriving the unbiased variance for s2 = {s2}, eps = {eps} and m = {m}",
        think="Two things act on it: what eps takes away, and what dividing by m - 1 adds.",
    )

# %% hidden aspect="the smallest variance that suffices is found" points=1
torch.manual_seed(3)
points = [(0.99 * a, 10 ** (5 * b - 6)) for a, b in torch.rand(20, 2, dtype=torch.float64).tolist()]
for fraction, eps in [*points, (0.5, 1e-5), (0.999, 1e-5), (0.0, 1e-3)]:
    expect.close(
        smallest_variance(fraction, eps),
        eps * fraction / (1 - fraction),
        when=f"asking which variance of x reaches {fraction:.3g} with eps = {eps:.3g}",
        think="Put it back: does your s2 give a variance of x_hat equal to the fraction?",
    )

# %% setup
import torch
from torch.nn import functional as F

# %% choice [markdown] id="exactly-zero-and-one" points=1
r"""
So what is left of "mean exactly 0 and variance exactly 1"? Take $m \ge 2$ samples with $s^2 > 0$,
an $\varepsilon > 0$, and exact arithmetic.

- [x] The mean of $\hat{x}$ is 0, however large $\varepsilon$ is.
  > It is: the deviations add up to 0 before anything divides them.
- [ ] The biased variance of $\hat{x}$ is 1 if $m$ is large enough.
  > m does not occur in the biased variance; eps keeps it below 1 for any batch.
- [x] The unbiased variance of $\hat{x}$ is 1 if $\varepsilon = s^2 / (m - 1)$.
  > It is: for this one value what eps takes away is what dividing by m - 1 adds.
- [ ] The unbiased variance of $\hat{x}$ is above 1, because $m / (m - 1)$ is.
  > eps pulls the other way; a feature with a variance far below eps ends near 0.
- [ ] Halving all the $x_i$ leaves the biased variance of $\hat{x}$ as it was.
  > It would for eps = 0. Here s2 shrinks to a quarter, and eps does not.
"""

# %% evidence
m = int(torch.randint(2, 40, ()))
x = 3 + torch.randn(m, 1, dtype=torch.float64)
s2 = x.var(unbiased=False).item()


def normalized(batch, eps):
    return F.batch_norm(batch, None, None, training=True, eps=eps)


for eps in (1e-5, 0.1, 10.0):
    assert normalized(x, eps).mean().abs() < 1e-9
    assert normalized(x / 2, eps).var(unbiased=False) < normalized(x, eps).var(unbiased=False)
many = torch.randn(100_000, 1, dtype=torch.float64)
assert normalized(many, 0.1).var(unbiased=False) < 0.95
assert abs(normalized(x, s2 / (m - 1)).var().item() - 1) < 1e-9
assert normalized(x, 1000 * s2).var() < 0.01


# %% alternative of="moments_of_x_hat"
def with_what_eps_takes_away(mu, s2, eps):
    return [0, 1 - eps / (s2 + eps)]


# %% alternative of="unbiased_variance_of_x_hat"
def from_the_sum_of_squares(s2, eps, m):
    sum_of_squares = m * s2 / (s2 + eps)
    return sum_of_squares / (m - 1)


# %% alternative of="smallest_variance"
def from_the_odds(fraction, eps):
    return eps * (1 / (1 - fraction) - 1)


# %% mistake of="moments_of_x_hat" fails="the moments of x_hat are those of the algebra"
def believes_the_textbook(mu, s2, eps):
    """The root holds s2 + eps, the squares hold s2: their ratio is 1 only without eps."""
    return 0.0, 1.0


# %% mistake of="moments_of_x_hat" fails="the moments of x_hat are those of the algebra"
def gives_the_standard_deviation(mu, s2, eps):
    """That is the standard deviation of x_hat; its variance is the square."""
    return 0.0, (s2 / (s2 + eps)) ** 0.5


# %% mistake of="moments_of_x_hat" fails="the moments of x_hat are those of the algebra"
def forgets_to_square_the_divisor(mu, s2, eps):
    """Dividing numbers by a root divides their variance by the square of this root."""
    return 0.0, s2 / (s2 + eps) ** 0.5


# %% mistake of="moments_of_x_hat" fails="the moments of x_hat are those of the algebra"
def scales_the_mean_without_removing_it(mu, s2, eps):
    """x_hat has mu subtracted before it is divided, so nothing of mu is left."""
    return mu / (s2 + eps) ** 0.5, s2 / (s2 + eps)


# %% mistake of="moments_of_x_hat" fails="the moments of x_hat are those of the algebra"
def adds_eps_behind_the_root(mu, s2, eps):
    """eps is added to the variance, so it stands with it under the root, not behind it."""
    return 0.0, s2 / (s2**0.5 + eps) ** 2


# %% mistake of="unbiased_variance_of_x_hat" fails="the unbiased variance of x_hat follows from the biased one"
def forgets_eps(s2, eps, m):
    """Dividing by m - 1 makes it larger, and eps still makes it smaller: both factors count."""
    return m / (m - 1)


# %% mistake of="unbiased_variance_of_x_hat" fails="the unbiased variance of x_hat follows from the biased one"
def turns_the_factor_round(s2, eps, m):
    """A smaller divisor makes a larger variance: the factor is m / (m - 1), above 1."""
    return (m - 1) / m * s2 / (s2 + eps)


# %% mistake of="unbiased_variance_of_x_hat" fails="the unbiased variance of x_hat follows from the biased one"
def normalizes_with_the_unbiased_variance(s2, eps, m):
    """Batch norm divides by the biased variance of x; only the measuring of x_hat is unbiased."""
    unbiased = s2 * m / (m - 1)
    return unbiased / (unbiased + eps)


# %% mistake of="smallest_variance" fails="the smallest variance that suffices is found"
def inverts_the_ratio(fraction, eps):
    """The more of the variance is to survive, the larger s2 has to be beside eps."""
    return eps * (1 - fraction) / fraction if fraction else 0.0


# %% mistake of="smallest_variance" fails="the smallest variance that suffices is found"
def multiplies_by_the_fraction(fraction, eps):
    """s2 stands above and below the bar: collect both before you divide."""
    return fraction * eps
