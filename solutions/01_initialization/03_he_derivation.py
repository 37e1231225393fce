# %% exercise [markdown] items="8 9 10 61" stars=3 minutes=60 level="analyze" goal="derive He's variance of the weights and name what each line of the derivation rests on"
r"""
# 7.3 He's variance from first principles, (a) to (c)
Where does the 2 in $\mathrm{Var}(w) = 2/n$ come from? Many texts answer in two lines that are both
false and whose errors cancel: the result is right, and the next network that is derived the same
way explodes. So here every line of the derivation is either computed or named.

One unit of a layer is $z = \sum_{i=1}^{n} w_i x_i$. The weights have mean 0 and variance
$\sigma_w^2$ and are independent of each other and of the inputs; there is no bias. Each input has
mean $\mu$ and variance $s^2$, and the inputs may depend on one another.

**(a)** What is $\mathrm{Var}(z)$?

**(b)** Let $z \sim \mathcal{N}(0, \sigma^2)$ and $a = \mathrm{ReLU}(z)$. What are $\mathrm{E}[a]$,
$\mathrm{E}[a^2]$ and $\mathrm{Var}(a)$?

**(c)** Which $\sigma_w^2$ sends the variance of one layer's $z$ unchanged into the next one's?

Take pen and paper first.
"""

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from autograder import expect

LICENCES = ("linearity", "independence", "zero mean", "symmetry", "Gaussianity")

# %% [markdown]
r"""
## (a) From the sum to its variance
An expectation is an average over everything that may happen. In a world so small that all of it
can be listed, each line of a proof is a number. Let the weights be one row of `w`, every row as
likely as the others, and the inputs, independently, one row of `x`. The first line is given:
$\mathrm{Var}(z)$ over all pairs of a row of `w` and a row of `x`. The next two are yours:

$$ \mathrm{Var}(z) \;\overset{?}{=}\; \sum_i \mathrm{Var}(w_i x_i)
\;\overset{?}{=}\; \sum_i \mathrm{E}[w_i^2]\,\mathrm{E}[x_i^2] $$

Write what stands there, also for worlds in which the equality fails: with weights that depend on
each other, or whose mean is not 0, the lines are different numbers.
"""


# %%
def variance_of_sum(w: Tensor, x: Tensor) -> Tensor:
    """Var(z) over all pairs of a row of `w`, shape (K, n), and a row of `x`, shape (M, n)."""
    return (w @ x.T).var(unbiased=False)


# %% solution
def sum_of_variances(w: Tensor, x: Tensor) -> Tensor:
    """The sum over i of Var(w_i x_i), over all pairs of a row of `w` and a row of `x`: a number."""
    ### BEGIN SOLUTION
    terms = w[:, None, :] * x
    return terms.var(dim=(0, 1), unbiased=False).sum()
    ### END SOLUTION


def sum_of_second_moments(w: Tensor, x: Tensor) -> Tensor:
    """The sum over i of E[w_i^2] E[x_i^2], for the same worlds: a number."""
    ### BEGIN SOLUTION
    return (w.square().mean(dim=0) * x.square().mean(dim=0)).sum()
    ### END SOLUTION


# %% solution
def variance_of_z(n: int, var_w: float, mean_x: float, var_x: float) -> float:
    """Var(z) for n inputs of mean `mean_x` and variance `var_x`, weights of variance `var_w`."""
    ### BEGIN SOLUTION
    return n * var_w * (var_x + mean_x**2)
    ### END SOLUTION


# %% check
# Weights +1 or -1, inputs (1, 3) or (3, 1): z is 4, 2, -2 or -4, and its variance is 10.
w = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
x = torch.tensor([[1.0, 3.0], [3.0, 1.0]], dtype=torch.float64)
assert variance_of_sum(w, x) == 10
for line in (sum_of_variances, sum_of_second_moments):
    expect.close(
        line(w.clone(), x.clone()),
        10.0,
        when="the weights are +1 or -1 and the inputs (1, 3) or (3, 1)",
        think="w_1 x_1 is 1, -1, 3 or -3, each of them as likely as the others.",
    )
# Weights that are always (1, 2): w_1 x_1 is 1 or 3, w_2 x_2 is 6 or 2.
expect.close(
    sum_of_variances(torch.tensor([[1.0, 2.0]]).double(), x.clone()),
    5.0,
    when="the weights are always (1, 2), so that their mean is not 0",
    think="1 or 3 has variance 1, and 6 or 2 has variance 4.",
)
expect.close(
    sum_of_second_moments(torch.tensor([[1.0, 2.0]]).double(), x.clone()),
    25.0,
    when="the weights are always (1, 2), so that their mean is not 0",
    think="E[x_i^2] is (1 + 9) / 2 for both inputs; the squares of the weights are 1 and 4.",
)
expect.close(
    variance_of_z(100, 0.5, 0.0, 2.0),
    100.0,
    when="adding up 100 inputs of mean 0 and variance 2 with weights of variance 0.5",
    think="100 terms: what is the variance of one?",
)

# %% [markdown]
r"""
## A proof of (a) with one wrong line
This one goes through for every $\mu$, or so it says.

1. $\mathrm{E}[z] = \sum_i \mathrm{E}[w_i x_i]$.
2. $\mathrm{E}[w_i x_i] = \mathrm{E}[w_i]\,\mathrm{E}[x_i]$ for every $i$.
3. $\mathrm{E}[w_i] = 0$ makes all these products 0, so $\mathrm{E}[z] = 0$ and
   $\mathrm{Var}(z) = \mathrm{E}[z^2]$.
4. $\mathrm{E}[z^2] = \mathrm{E}\bigl[\sum_i \sum_k w_i w_k x_i x_k\bigr]
   = \sum_i \sum_k \mathrm{E}[w_i w_k x_i x_k]$.
5. $\mathrm{E}[w_i w_k x_i x_k] = \mathrm{E}[w_i w_k]\,\mathrm{E}[x_i x_k]$, and for $i \ne k$ the
   first factor is $\mathrm{E}[w_i]\,\mathrm{E}[w_k]$.
6. The terms with $i \ne k$ are 0 therefore, and those with $i = k$ are
   $\sigma_w^2\,\mathrm{E}[x_i^2]$: $\mathrm{E}[z^2] = \sigma_w^2 \sum_i \mathrm{E}[x_i^2]$.
7. $\mathrm{E}[x_i^2] = s^2$ for every $i$, so $\mathrm{Var}(z) = n\,\sigma_w^2\,s^2$.
8. So a layer with $\sigma_w^2 = 1/n$ hands on the variance of its inputs unchanged.

Exactly one line does not follow from what was assumed above and from the lines before it: write
its number. Then say for lines 1 to 6 which property each rests on, beside plain algebra. Choose from
`LICENCES`, and take the weakest one that is enough: `"Gaussianity"` only where the bell shape
itself is needed.
"""

# %% solution
# The number of the line that does not follow, from 1 to 8.
### BEGIN SOLUTION
wrong_line_a = 7
### END SOLUTION

# %% solution
# What each of the lines 1 to 6 rests on: a dictionary such as {1: "symmetry", 2: ...}.
### BEGIN SOLUTION
licences_a = {
    1: "linearity",
    2: "independence",
    3: "zero mean",
    4: "linearity",
    5: "independence",
    6: "zero mean",
}
### END SOLUTION


# %%
def read_licences(answer, lines) -> None:
    """Look at the form of an answer, not at whether it is right."""
    when = "reading the licences"
    expect.kind(answer, dict, when=when, think="A dictionary: number of the line, then licence.")
    expect.equal(set(answer), set(lines), when=when, think="One entry for each line asked for.")
    for line, licence in answer.items():
        expect.true(
            licence in LICENCES,
            when=f"{when}, line {line}",
            wanted=f"one of {', '.join(LICENCES)}",
            got=repr(licence)[:60],
        )


# %% check
read_licences(licences_a, range(1, 7))
expect.kind(
    wrong_line_a,
    int,
    when="reading the number of the wrong line of (a)",
    think="Try the claims of the lines on the world of the check, where z has variance 10.",
)

# %% [markdown]
r"""
## (b) Through the ReLU
The density of $z$ is $p(z) = \exp(-z^2 / 2\sigma^2) / (\sigma\sqrt{2\pi})$, and where $z < 0$
there is nothing to add up, so

$$ \mathrm{E}[a^k] = \int_0^\infty f(z)\,dz. $$

Write the integrand $f$ for every power $k \ge 1$, and then the moments as formulas.
*Hint:* for $k = 1$ the integrand has a primitive that you can guess; for $k = 2$ compare it with
the integrand of $\mathrm{E}[z^2]$.
"""


# %% solution
def integrand(z: Tensor, sigma: float, power: int) -> Tensor:
    """What is integrated over z from 0 to infinity to get E[a^power], for each entry of `z`."""
    ### BEGIN SOLUTION
    density = torch.exp(-z.square() / (2 * sigma**2)) / (sigma * math.sqrt(2 * math.pi))
    return z**power * density
    ### END SOLUTION


# %% solution
def relu_mean(sigma: float) -> float:
    """E[a] for z normal with mean 0 and standard deviation `sigma`."""
    ### BEGIN SOLUTION
    return sigma / math.sqrt(2 * math.pi)
    ### END SOLUTION


def relu_second_moment(sigma: float) -> float:
    """E[a^2]."""
    ### BEGIN SOLUTION
    return sigma**2 / 2
    ### END SOLUTION


def relu_variance(sigma: float) -> float:
    """Var(a)."""
    ### BEGIN SOLUTION
    return sigma**2 * (1 / 2 - 1 / (2 * math.pi))
    ### END SOLUTION


# %% check
# At z = sigma = 1 the density of a standard normal number is 0.24197.
expect.close(
    integrand(torch.tensor([0.0, 1.0], dtype=torch.float64), 1.0, 1),
    torch.tensor([0.0, 0.24197072451914337], dtype=torch.float64),
    when="looking at the integrand of E[a] at z = 0 and z = 1, with sigma 1",
    think="What is added up, times how likely it is.",
)
root = math.sqrt(2 * math.pi)
expect.close(
    relu_mean(root),
    1.0,
    when="sigma is the root of 2 pi, so that p(0) is 1 / (2 pi)",
    think="The derivative of -exp(-z^2 / 2 sigma^2) is z / sigma^2 times exp(-z^2 / 2 sigma^2).",
)
expect.close(
    relu_second_moment(2.0),
    2.0,
    when="z has variance 4",
    think="z^2 p(z) is the same for z and -z. Which part of its area lies on the right?",
)
expect.between(
    relu_variance(1.0),
    0.0,
    1.0,
    when="z has variance 1",
    think="ReLU brings numbers closer together, never apart.",
)

# %%
# The two areas: which of them is a half?
try:
    z = torch.linspace(0, 5, 501).double()
    figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for power, name in ((1, "E[a]"), (2, "E[a²]")):
        height = integrand(z, 1.0, power)
        (line,) = axes.plot(z, height, label=f"{name}: area {torch.trapezoid(height, z):.3f}")
        axes.fill_between(z, height, alpha=0.2, color=line.get_color())
    axes.set(title="Moments of ReLU(z), sigma = 1", xlabel="z", ylabel="integrand")
    axes.legend()
except NotImplementedError:
    plt.close(figure)
    print("integrand is not written yet")

# %% [markdown]
r"""
## A proof of (b) and (c) with one wrong line
Now the inputs of a layer are $a_1, \dots, a_n$, each the ReLU of some $z \sim \mathcal{N}(0,
\sigma^2)$, and $z' = \sum_i w_i a_i$ is a unit of the layer.

1. By (a), $\mathrm{Var}(z') = n\,\sigma_w^2\,\mathrm{E}[a^2]$.
2. $z^2 p(z)$ is the same number for $z$ and $-z$, so
   $\mathrm{E}[a^2] = \tfrac{1}{2}\,\mathrm{E}[z^2]$.
3. $\mathrm{E}[z^2] = \mathrm{Var}(z) + \mathrm{E}[z]^2 = \sigma^2$.
4. $\mathrm{E}[a] = \int_0^\infty z\,p(z)\,dz$ is your `relu_mean`.
5. Half of the numbers are set to 0 and the others stay what they were, so
   $\mathrm{Var}(a) = \tfrac{1}{2}\sigma^2$ as well.
6. Lines 1, 2 and 3 together: $\mathrm{Var}(z') = \tfrac{1}{2}\,n\,\sigma_w^2\,\mathrm{Var}(z)$.
7. So there is exactly one $\sigma_w^2$ for which $\mathrm{Var}(z') = \mathrm{Var}(z)$.

Again one line does not follow. Name it, say what lines 2, 3 and 4 rest on (once more the weakest
licence), and write the $\sigma_w^2$ of line 7.
"""

# %% solution
# The number of the line that does not follow, from 1 to 7.
### BEGIN SOLUTION
wrong_line_b = 5
### END SOLUTION

# %% solution
# What each of the lines 2, 3 and 4 rests on: a dictionary with the keys 2, 3 and 4.
### BEGIN SOLUTION
licences_b = {2: "symmetry", 3: "zero mean", 4: "Gaussianity"}
### END SOLUTION


# %% solution
def he_variance(n_in: int) -> float:
    """The variance of the weights that keeps the variance of z from layer to layer, with ReLU."""
    ### BEGIN SOLUTION
    return 2 / n_in
    ### END SOLUTION


# %% check
read_licences(licences_b, (2, 3, 4))
expect.kind(
    wrong_line_b,
    int,
    when="reading the number of the wrong line of (b) and (c)",
    think="Which line contradicts what you computed?",
)
expect.close(
    he_variance(2),
    1.0,
    when="a unit has two inputs",
    think="Solve line 6 for the variance of the weights.",
)

# %%
# Twenty layers with your variance, and with the one that belongs to Var(a): look at the axis.
try:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    n, rules = 256, {"from E[a²]": he_variance(256), "from Var(a)": 1 / (256 * relu_variance(1.0))}
    for name, variance in rules.items():
        a, moments = torch.randn(200, n), []
        for _ in range(20):
            a = (a @ (math.sqrt(variance) * torch.randn(n, n)).T).relu()
            moments.append(a.square().mean())
        axes.semilogy(range(1, 21), moments, "o-", label=name)
    axes.set(title="ReLU layers, n = 256", xlabel="layer", ylabel="E[a²] behind the layer")
    axes.set_xticks(range(0, 21, 5))
    axes.legend(title="variance of the weights")
except NotImplementedError:
    plt.close(figure)
    print("he_variance and relu_variance are not written yet")

# %% setup
import math

import torch


def next_layer(a, variance, n_out):
    """What a layer with normal weights of this variance makes of its inputs, before any ReLU."""
    return a @ (variance**0.5 * torch.randn(n_out, a.shape[1], dtype=a.dtype)).T


# %% choice [markdown] id="why-second-moment" points=1 items="10"
r"""
The next layer's $\mathrm{Var}(z')$ depends on $\mathrm{E}[a^2]$ and not on $\mathrm{Var}(a)$. Why?

- [ ] Behind a ReLU the mean of $a$ is 0, so the two are the same number.
  > No ReLU gives a negative number, so the mean is positive: 0.4 for a standard normal z.
- [ ] $\mathrm{Var}(a)$ needs the Gaussian integral, and $\mathrm{E}[a^2]$ approximates it well.
  > 0.5 against 0.34 is no approximation, and nothing in the derivation was approximated.
- [x] Each weight multiplies all of $a$, its mean included, and the weight's sign is random.
  > Yes: a constant input c, without any variance, still leaves as w c, with variance c^2 times that
  > of w. If a bias subtracted E[a] before, the variance would count.
- [ ] The weights of the next layer are drawn so that they cancel the mean of $a$.
  > They cancel it on average over the weights. For given weights, the sum of w E[a] is a number of
  > its own in every unit, and its spread from unit to unit is what Var(z') contains.
- [ ] Only $\mathrm{E}[a^2]$ is needed on the way back, and the way forward follows it.
  > Nothing of (a) and (b) looks at a gradient. What multiplies the mean of a?
"""

# %% evidence
# Inputs that do not vary at all: Var(a) is 0, and Var(z') follows the second moment.
constant = torch.full((1, 400), 3.0, dtype=torch.float64)
z = next_layer(constant, 1 / 400, 4000)
assert abs(z.var().item() / 9 - 1) < 0.12  # the variance of 4,000 numbers is known to 2 %
a = torch.randn(1, 500, dtype=torch.float64).relu()
variance = next_layer(a, 1 / 500, 4000).var().item()
assert abs(variance / a.square().mean().item() - 1) < 0.12
assert variance > 1.2 * a.var().item()
# Without its mean, the variance decides.
a = a - a.mean()
assert abs(next_layer(a, 1 / 500, 4000).var().item() / a.var().item() - 1) < 0.12

# %% numeric [markdown] id="gain-from-variance" points=1 rtol=1e-3 items="10"
r"""
Somebody computes $\mathrm{Var}(a)$ correctly, but puts it where $\mathrm{E}[a^2]$ belongs: in
$\mathrm{Var}(z') = n\,\sigma_w^2\,\mathrm{Var}(a)$. Setting $\mathrm{Var}(z') = \mathrm{Var}(z)$
gives some $\sigma_w^2$, and the weights are drawn with it.

By which factor does each of these layers multiply $\mathrm{E}[a^2]$? Give four digits.
"""

# %% key
answer = math.pi / (math.pi - 1)
slips = {
    "That is n times the variance of these weights; a ReLU follows every layer.": (
        2 * math.pi / (math.pi - 1)
    ),
    "That is what was hoped for. What does a layer with these weights really do to E[a^2]?": 1.0,
    "That is the factor of the root, the typical size of an activation.": (
        (math.pi / (math.pi - 1)) ** 0.5
    ),
    "Turned over: these weights are too large, so the factor is more than 1.": 1 - 1 / math.pi,
    "That is what twenty of these layers do together.": (math.pi / (math.pi - 1)) ** 20,
}

# %% evidence
# Var(a) is measured, and then one layer with the weights that follow from it.
measured = torch.randn(400_000, dtype=torch.float64).relu().var().item()
ratios = []
for _ in range(160):
    a = torch.randn(4, 128, dtype=torch.float64).relu()
    after = next_layer(a, 1 / (128 * measured), 128).relu()
    ratios.append((after.square().mean() / a.square().mean()).item())
# Each of the ratios scatters by 0.18: their average is known to 0.015.
assert abs(sum(ratios) / len(ratios) - answer) < 0.1

# %% text [markdown] id="prose-of-a" points=2 items="8"
r"""
Write (a) as a proof in words, three or four sentences: from $z = \sum_i w_i x_i$ to
$\mathrm{Var}(z)$. Say where the independence of weights and inputs is used, whether the inputs have
to be independent of each other, and when the result is $n\,\sigma_w^2\,\mathrm{Var}(x)$.

- [1] says that the mixed terms vanish because different weights are uncorrelated with mean 0 and independent of the inputs, so that the inputs may depend on each other
- [1] says that the second moment of the inputs is what counts, and that it is their variance only if their mean is 0
"""

# %% evidence
# Ten inputs that are one and the same number, of mean 1 and variance 1.
x = (1 + torch.randn(50_000, 1, dtype=torch.float64)).expand(-1, 10)
z = (x * torch.randn(50_000, 10, dtype=torch.float64)).sum(dim=1)
assert abs(z.var().item() / (10 * x.square().mean().item()) - 1) < 0.08
assert z.var().item() > 1.5 * 10 * x[:, 0].var().item()

# %% hidden aspect="the variances of the single terms are added up" points=1
# The second of these worlds has weights of mean 1, in the third they depend on each other.
torch.manual_seed(1)
signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 3)
worlds = {
    "weights of mean 0, +1 or -1 independently": signs,
    "weights that are 0 or 2": signs + 1,
    "weights that depend on each other": torch.randn(5, 3).double(),
}
for name, w in worlds.items():
    x = torch.randn(4, 3).double() + 1
    # The average square minus the square of the average, written out pair by pair.
    pairs = [row * inputs for row in w for inputs in x]
    mean = sum(pairs) / len(pairs)
    wanted = sum(((pair - mean) ** 2).sum().item() for pair in pairs) / len(pairs)
    expect.close(
        sum_of_variances(w.clone(), x.clone()),
        wanted,
        when=f"adding up Var(w_i x_i) in a world with {name}",
        think="Each Var(w_i x_i) is taken by itself, over all pairs, before anything is added.",
    )

# %% hidden aspect="the second moments of weights and inputs are multiplied" points=1
torch.manual_seed(2)
signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 3)
worlds = {
    "weights of mean 0, +1 or -1 independently": signs,
    "weights that are 0 or 2": signs + 1,
    "weights that depend on each other": torch.randn(5, 3).double(),
}
for name, w in worlds.items():
    x = torch.randn(4, 3).double() + 1
    wanted = sum((w[:, i] ** 2).mean().item() * (x[:, i] ** 2).mean().item() for i in range(3))
    expect.close(
        sum_of_second_moments(w.clone(), x.clone()),
        wanted,
        when=f"adding up E[w_i^2] E[x_i^2] in a world with {name}",
        think="A second moment is the average of the squares, nothing subtracted.",
    )

# %% hidden aspect="the variance of z is told for inputs of any mean" points=1
torch.manual_seed(3)
for n in (2, 3, 7, 100):
    var_w, var_x, mean_x = (0.1 + torch.rand(3).double() * 3).tolist()
    for mean in (mean_x, -mean_x, 0.0):
        expect.close(
            variance_of_z(n, var_w, mean, var_x),
            n * var_w * var_x + n * var_w * mean * mean,
            when=f"adding up {n} inputs whose mean is {mean:.2f}, with weights of mean 0",
            think="Lines 1 to 6 of the proof hold. What is E[x^2] in terms of mean and variance?",
        )
# Against a world: four weights, +0.7 or -0.7, and inputs that are cyclic shifts of one row.
row = torch.randn(4).double() + 2
w = 0.7 * torch.cartesian_prod(*[torch.tensor([-1.0, 1.0]).double()] * 4)
x = torch.stack([row.roll(shift) for shift in range(4)])
expect.close(
    variance_of_z(4, 0.49, row.mean().item(), row.var(unbiased=False).item()),
    variance_of_sum(w, x).item(),
    when="comparing with a world of four inputs that depend on each other",
    think="The inputs may depend on each other, and their mean is not 0.",
)

# %% hidden aspect="the wrong line of (a) is found" points=1
expect.kind(wrong_line_a, int, when="reading the number of the wrong line of (a)")
expect.true(
    wrong_line_a == 7,
    when="naming the line of (a) that does not follow from what was assumed",
    wanted="another line",
    got=f"line {wrong_line_a}",
    think="Compute each line for the inputs (1, 3) or (3, 1), whose mean is 2.",
)

# %% hidden aspect="each step of (a) rests on the right property" points=1
expect.kind(licences_a, dict, when="reading the licences of (a)")
right = dict.fromkeys((1, 4), "linearity") | dict.fromkeys((2, 5), "independence")
right |= dict.fromkeys((3, 6), "zero mean")
hints = {
    "linearity": "An expectation is pulled into a sum: may its terms depend on each other?",
    "independence": "The expectation of a product is split into a product of expectations.",
    "zero mean": "Terms disappear because one of their factors is 0.",
}
for line, licence in sorted(right.items()):
    given = str(licences_a.get(line)).strip().lower()
    expect.true(
        given == licence.lower(),
        when=f"naming what line {line} of (a) rests on",
        wanted="another licence",
        got=given[:40],
        think=hints[licence],
    )

# %% hidden aspect="the integrals of the integrand are the moments" points=1
# Moments of half a Gaussian: 1/sqrt(2 pi), 1/2, 2/sqrt(2 pi) and 3/2 for sigma 1. Simpson's rule
# with 1,000 steps up to 14 sigma is off by less than 1e-10 here.
for sigma in (1.0, 0.3, 5.0):
    z = sigma * torch.linspace(0, 14, 1001, dtype=torch.float64)
    weights = torch.ones(1001).double()
    weights[1:-1:2], weights[2:-1:2] = 4.0, 2.0
    step = (z[1] - z[0]).item() / 3
    for power, moment in (
        (1, (2 * math.pi) ** -0.5),
        (2, 0.5),
        (3, (2 / math.pi) ** 0.5),
        (4, 1.5),
    ):
        height = integrand(z.clone(), sigma, power)
        expect.shape(height, (1001,), when="evaluating the integrand at 1,001 points")
        expect.close(
            step * (weights * height).sum().item(),
            moment * sigma**power,
            rtol=1e-7,
            when=f"integrating your integrand for E[a^{power}] with sigma {sigma}",
            think="The density has area 1 over all z, for every sigma; on z > 0 it has area 1/2.",
        )

# %% hidden aspect="the mean behind a ReLU" points=1
z = torch.linspace(0, 14, 100_001, dtype=torch.float64)
unit = torch.trapezoid(z * torch.exp(-z.square() / 2), z).item() / math.sqrt(2 * math.pi)
for sigma in (1.0, 0.3, 5.0, 1e-3):
    expect.close(
        relu_mean(sigma),
        unit * sigma,
        rtol=1e-7,  # what the trapezoidal rule is worth
        when=f"computing E[a] for sigma {sigma}",
        think="The negative half counts as zeros, and the mean is taken over all of it.",
    )

# %% hidden aspect="the second moment behind a ReLU" points=1
z = torch.linspace(0, 14, 100_001, dtype=torch.float64)
unit = torch.trapezoid(z**2 * torch.exp(-z.square() / 2), z).item() / math.sqrt(2 * math.pi)
for sigma in (1.0, 0.3, 5.0, 1e-3):
    expect.close(
        relu_second_moment(sigma),
        unit * sigma**2,
        rtol=1e-7,  # what the trapezoidal rule is worth
        when=f"computing E[a^2] for sigma {sigma}",
        think="z^2 p(z) has the same area on both sides of 0, together sigma^2.",
    )

# %% hidden aspect="the variance behind a ReLU" points=1
z = torch.linspace(-14, 14, 200_001, dtype=torch.float64)
density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
mean = torch.trapezoid(z.relu() * density, z)
unit = torch.trapezoid((z.relu() - mean).square() * density, z).item()
for sigma in (1.0, 0.3, 5.0, 1e-3):
    expect.close(
        relu_variance(sigma),
        unit * sigma**2,
        rtol=1e-7,  # what the trapezoidal rule is worth
        when=f"computing Var(a) for sigma {sigma}",
        think="A variance is the second moment minus the square of the mean. Is the mean of a 0?",
    )

# %% hidden aspect="the wrong line of (b) is found" points=1
expect.kind(wrong_line_b, int, when="reading the number of the wrong line of (b) and (c)")
expect.true(
    wrong_line_b == 5,
    when="naming the line of (b) and (c) that does not follow",
    wanted="another line",
    got=f"line {wrong_line_b}",
    think="Put sigma = 1 into each line and compare it with the moments that you computed.",
)

# %% hidden aspect="each step of (b) rests on the right property" points=1
expect.kind(licences_b, dict, when="reading the licences of (b)")
hints = {
    2: "Would the line hold for a uniform z from -1 to 1 as well? What do the two have in common?",
    3: "The square of what number is left out?",
    4: "Take z = +1 or -1 and a Gaussian z: same mean, same variance, both even. Same E[a]?",
}
for line, licence in ((2, "symmetry"), (3, "zero mean"), (4, "gaussianity")):
    given = str(licences_b.get(line)).strip().lower()
    expect.true(
        given == licence,
        when=f"naming what line {line} of (b) rests on",
        wanted="another licence",
        got=given[:40],
        think=hints[line],
    )

# %% hidden aspect="He's variance sends the second moment on unchanged" points=1
for n in (3, 5, 64, 500):
    expect.close(
        he_variance(n) * n * 0.5,
        1.0,
        when=f"multiplying E[a^2] by what a ReLU layer with {n} inputs does to it",
        think="Line 6 of the second proof: which variance makes the factor 1?",
    )


# %% alternative of="sum_of_variances"
def from_moments(w, x):
    second = w.square().mean(0) * x.square().mean(0)
    first = w.mean(0) * x.mean(0)
    return (second - first.square()).sum()


# %% alternative of="sum_of_second_moments"
def as_a_dot_product(w, x):
    return float(torch.dot(w.pow(2).mean(dim=0), x.pow(2).mean(dim=0)))


# %% alternative of="integrand"
def with_the_normal_of_torch(z, sigma, power):
    return torch.relu(z).pow(power) * torch.distributions.Normal(0.0, sigma).log_prob(z).exp()


# %% alternative of="relu_variance"
def as_moment_minus_square(sigma):
    return relu_second_moment(sigma) - relu_mean(sigma) ** 2


# %% mistake of="sum_of_variances" fails="the variances of the single terms are added up"
def takes_the_variance_of_the_sum(w, x):
    """The variance of the sum is the first line; it equals this one only for uncorrelated terms."""
    return (w[:, None, :] * x).sum(dim=2).var(unbiased=False)


# %% mistake of="sum_of_variances" fails="the variances of the single terms are added up"
def multiplies_the_variances(w, x):
    """Var(wx) is Var(w) Var(x) only where both means are 0; otherwise the means count too."""
    return (w.var(dim=0, unbiased=False) * x.var(dim=0, unbiased=False)).sum()


# %% mistake of="sum_of_second_moments" fails="the second moments of weights and inputs are multiplied"
def takes_the_variance_of_the_weights(w, x):
    """E[w^2] is the variance of w only if its mean is 0, and that is the licence of the next step."""
    return (w.var(dim=0, unbiased=False) * x.square().mean(dim=0)).sum()


# %% mistake of="variance_of_z" fails="the variance of z is told for inputs of any mean"
def forgets_the_mean_of_the_inputs(n, var_w, mean_x, var_x):
    """Random weights multiply the mean of the inputs as well: what counts is E[x^2]."""
    return n * var_w * var_x


# %% mistake of="variance_of_z" fails="the variance of z is told for inputs of any mean"
def adds_the_mean_unsquared(n, var_w, mean_x, var_x):
    """E[x^2] is the variance plus the square of the mean."""
    return n * var_w * (var_x + mean_x)


# %% mistake of="wrong_line_a" fails="the wrong line of (a) is found"
def blames_dependent_inputs():
    """Line 5 splits weights from inputs, which are independent; E[x_i x_k] stays whole."""
    return 5


# %% mistake of="licences_a" fails="each step of (a) rests on the right property"
def splits_products_by_linearity():
    """Linearity pulls sums apart; to split the expectation of a product takes independence."""
    return {
        1: "linearity",
        2: "linearity",
        3: "zero mean",
        4: "linearity",
        5: "independence",
        6: "zero mean",
    }


# %% mistake of="integrand" fails="the integrals of the integrand are the moments"
def forgets_sigma_in_front(z, sigma, power):
    """A wider bell is a lower one: sigma stands in front of the root of 2 pi."""
    return z**power * torch.exp(-z.square() / (2 * sigma**2)) / math.sqrt(2 * math.pi)


# %% mistake of="relu_mean" fails="the mean behind a ReLU"
def averages_the_positive_half_alone(sigma):
    """This is the mean of the numbers that pass; the zeros count too, and halve it."""
    return sigma * math.sqrt(2 / math.pi)


# %% mistake of="relu_second_moment" fails="the second moment behind a ReLU"
def halves_sigma_itself(sigma):
    """sigma is the standard deviation: E[z^2] is its square, and half of that is left."""
    return sigma / 2


# %% mistake of="relu_variance" fails="the variance behind a ReLU"
def halves_the_variance(sigma):
    """ReLU halves the second moment E[a^2]; the variance is less, since the mean is not 0."""
    return sigma**2 / 2


# %% mistake of="wrong_line_b" fails="the wrong line of (b) is found"
def blames_the_result():
    """Line 6 uses lines 1, 2 and 3 alone, and all of them are true: so is the 2 of He."""
    return 6


# %% mistake of="licences_b" fails="each step of (b) rests on the right property"
def takes_the_bell_for_the_half():
    """The half needs an even density and no bell: a uniform z from -1 to 1 has it as well."""
    return {2: "Gaussianity", 3: "zero mean", 4: "Gaussianity"}


# %% mistake of="he_variance" fails="He's variance sends the second moment on unchanged"
def gives_the_standard_deviation(n_in):
    """This is the standard deviation; with two inputs it happens to be the variance, too."""
    return math.sqrt(2 / n_in)
