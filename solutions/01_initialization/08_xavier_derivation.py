# %% exercise [markdown] items="60" stars=2 minutes=25 level="analyze" goal="derive Xavier's variance and say which average it is"
r"""
# Xavier's variance in six steps
A linear layer adds up $n_{in}$ products on the way forward and $n_{out}$ on the way back. No
variance of the weights can suit both sums unless the layer is square; Xavier's is a compromise. The
derivation is short, and two of its steps are often told wrong: what the variance of a product is,
and what exactly is averaged in the end.

Let $z_j = \sum_{i=1}^{n_{in}} w_{ji}\,a_i$, where the weights have mean 0 and are independent of each
other and of the inputs $a_i$. There is no activation function.

The first piece is the variance of a product. For *independent* $X$ and $Y$, whose means may be
anything, what is $\mathrm{Var}(XY)$?

*Hint:* independent factors have independent squares, so that
$\mathrm{E}[X^2 Y^2] = \mathrm{E}[X^2]\,\mathrm{E}[Y^2]$.
"""

# %%
import matplotlib.pyplot as plt
import torch

from autograder import expect


# %% solution
def variance_of_product(mean_x: float, var_x: float, mean_y: float, var_y: float) -> float:
    """Var(XY) for independent X and Y with these means and variances."""
    ### BEGIN SOLUTION
    return var_x * var_y + var_x * mean_y**2 + var_y * mean_x**2
    ### END SOLUTION


# %% check
expect.close(
    variance_of_product(0.0, 2.0, 0.0, 3.0),
    6.0,
    when="X and Y have mean 0 and the variances 2 and 3",
    think="The mean of XY is 0 as well, so only E[X^2 Y^2] is left.",
)
expect.close(
    variance_of_product(5.0, 0.0, 1.0, 2.0),
    50.0,
    when="X is always 5 and Y has variance 2",
    think="A constant factor goes into a variance with its square.",
)

# %% [markdown]
r"""
## The six steps
1. Different terms of $z = \sum_i w_i a_i$ are uncorrelated, because
   $\mathrm{E}[w_i a_i w_k a_k] = \mathrm{E}[w_i]\,\mathrm{E}[w_k]\,\mathrm{E}[a_i a_k] = 0$, even if
   the inputs depend on each other. So $\mathrm{Var}(z) = n_{in}\,\mathrm{Var}(w a)$.
2. If the inputs have mean 0 as well, only one of the terms of your formula is left for
   $\mathrm{Var}(w a)$.
3. Steps 1 and 2 give $\mathrm{Var}(z)$ as a multiple of $\mathrm{Var}(a)$. Setting this multiple
   to 1 gives the variance of the weights that keeps the signal, $1 / n_{in}$.
4. The gradient of an input is a sum over the units that it goes to:
   $\partial L / \partial a_i = \sum_j w_{ji}\,\partial L / \partial z_j$. In the same way as in
   steps 1 to 3, the variance of the weights that keeps the gradient is $1 / n_{out}$.
5. Xavier's variance $2 / (n_{in} + n_{out})$ is the average of these two numbers, as far from
   the one as from the other.
6. A uniform number between $-b$ and $b$ has variance $b^2 / 3$, so $b = \sqrt{6 / (n_{in} +
   n_{out})}$ gives weights with the variance $2 / (n_{in} + n_{out})$.

One of the six steps is false. Write its number. Then write the factors of steps 3 and 4, and the
variance that is in fact the compromise: with it, the factor of the signal and the factor of the
gradient are 1 *on average*, one as much above 1 as the other below.
"""

# %% solution
# The number of the false step, from 1 to 6.
### BEGIN SOLUTION
wrong_step = 5
### END SOLUTION


# %% solution
def linear_gains(n_in: int, n_out: int, var_w: float) -> tuple[float, float]:
    """By what a linear layer multiplies the variance of the signal, and that of the gradient."""
    ### BEGIN SOLUTION
    return n_in * var_w, n_out * var_w
    ### END SOLUTION


# %% solution
def xavier_variance(n_in: int, n_out: int) -> float:
    """The variance of the weights for which the two gains are 1 on average."""
    ### BEGIN SOLUTION
    return 2 / (n_in + n_out)
    ### END SOLUTION


# %% check
expect.kind(
    wrong_step,
    int,
    when="reading the number of the false step",
    think="Put numbers into the steps, for a layer that is far from square.",
)
gains = linear_gains(5, 5, 0.4)
expect.equal(len(gains), 2, when="reading the gains of a layer", think="Two: forward and back.")
expect.close(
    list(gains),
    [2.0, 2.0],
    when="a layer has 5 inputs, 5 outputs and weights of variance 0.4",
    think="Each sum has 5 terms.",
)
expect.close(
    xavier_variance(4, 4),
    0.25,
    when="a layer has 4 inputs and 4 outputs",
    think="In a square layer both gains can be 1.",
)

# %%
# What the compromise costs where the fans differ.
try:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    shapes = [(round(1024 / 2 ** (k / 4)), round(1024 * 2 ** (k / 4))) for k in range(-8, 9)]
    ratios = [n_out / n_in for n_in, n_out in shapes]
    gains = [linear_gains(*shape, xavier_variance(*shape)) for shape in shapes]
    axes.semilogx(ratios, [forward for forward, _ in gains], "o-", label="signal, forward")
    axes.semilogx(ratios, [back for _, back in gains], "s-", label="gradient, back")
    axes.axhline(1, color="gray", linewidth=1)
    axes.set(
        title="One linear layer with Xavier's variance",
        xlabel="n_out / n_in",
        ylabel="factor of the variance",
    )
    axes.legend()
except NotImplementedError:
    plt.close(figure)
    print("linear_gains and xavier_variance are not written yet")

# %% hidden aspect="the variance of a product is known for any means" points=1
# X and Y are one of a few values each, and XY one of all their products: all of it can be listed.
torch.manual_seed(1)
for shift_x, shift_y in ((2.0, -3.0), (0.0, 1.5), (-1.0, 0.0), (0.5, 0.5)):
    x, y = torch.randn(4).double() + shift_x, 0.3 * torch.randn(5).double() + shift_y
    moments = [f(v).item() for v in (x, y) for f in (torch.mean, lambda v: v.var(unbiased=False))]
    expect.close(
        variance_of_product(*moments),
        (x[:, None] * y).var(unbiased=False).item(),
        when="comparing with the products of all values of X and Y, of which the means are "
        f"{moments[0]:.2f} and {moments[2]:.2f}",
        think="Var(XY) is E[X^2 Y^2] minus the square of E[XY]. What is each of them, if independent?",
    )

# %% hidden aspect="a layer's gains for the signal and for the gradient" points=1
for n_in, n_out, var_w in ((512, 256, 0.01), (3, 8, 0.5), (100, 7, 0.02)):
    gains = linear_gains(n_in, n_out, var_w)
    expect.kind(gains, (tuple, list), when="reading the gains of a layer")
    expect.close(
        list(gains),
        [sum(var_w for _ in range(n_in)), sum(var_w for _ in range(n_out))],
        when=f"a layer has {n_in} inputs, {n_out} outputs and weights of variance {var_w}",
        think="How many terms does z_j have, and how many the gradient of a_i?",
    )

# %% hidden aspect="the false step is found" points=1
expect.kind(wrong_step, int, when="reading the number of the false step")
expect.true(
    wrong_step == 5,
    when="naming the step that is false",
    wanted="another step",
    got=f"step {wrong_step}",
    think="Compute the numbers of each step for n_in = 1 and n_out = 3.",
)

# %% hidden aspect="with Xavier's variance the two gains are 1 on average" points=1
for n_in, n_out in ((512, 256), (3, 8), (1, 3), (100, 7)):
    var_w = xavier_variance(n_in, n_out)
    expect.between(var_w, 0.0, 10.0, when=f"a layer has {n_in} inputs and {n_out} outputs")
    expect.close(
        (n_in * var_w + n_out * var_w) / 2,
        1.0,
        when=f"averaging the two gains of a layer with {n_in} inputs and {n_out} outputs",
        think="The average of n_in Var(w) and n_out Var(w) is to be 1. Solve that for Var(w).",
    )


# %% alternative of="variance_of_product"
def from_second_moments(mean_x, var_x, mean_y, var_y):
    return (var_x + mean_x**2) * (var_y + mean_y**2) - (mean_x * mean_y) ** 2


# %% alternative of="xavier_variance"
def as_a_harmonic_mean(n_in, n_out):
    forward, back = 1 / n_in, 1 / n_out
    return 2 / (1 / forward + 1 / back)


# %% alternative of="linear_gains"
def as_a_list(n_in, n_out, var_w):
    return [n * var_w for n in (n_in, n_out)]


# %% mistake of="variance_of_product" fails="the variance of a product is known for any means"
def multiplies_the_variances(mean_x, var_x, mean_y, var_y):
    """The variances are multiplied only where both means are 0; a mean adds a term of its own."""
    return var_x * var_y


# %% mistake of="variance_of_product" fails="the variance of a product is known for any means"
def forgets_the_product_of_the_variances(mean_x, var_x, mean_y, var_y):
    """This is the rule of small errors; both factors vary at once, which adds Var(X) Var(Y)."""
    return var_x * mean_y**2 + var_y * mean_x**2


# %% mistake of="variance_of_product" fails="the variance of a product is known for any means"
def crosses_the_terms(mean_x, var_x, mean_y, var_y):
    """The variance of X goes with the mean of Y: where X is constant, only Var(Y) E[X]^2 is left."""
    return var_x * var_y + var_x * mean_x**2 + var_y * mean_y**2


# %% mistake of="linear_gains" fails="a layer's gains for the signal and for the gradient"
def swaps_the_two_ways(n_in, n_out, var_w):
    """z_j has one term for each input, the gradient of a_i one for each output."""
    return n_out * var_w, n_in * var_w


# %% mistake of="linear_gains" fails="a layer's gains for the signal and for the gradient"
def counts_the_inputs_both_ways(n_in, n_out, var_w):
    """The way back uses the transposed matrix: now the outputs are added up."""
    return n_in * var_w, n_in * var_w


# %% mistake of="wrong_step" fails="the false step is found"
def wants_independent_inputs():
    """Uncorrelated terms are enough, and the weights see to that: the inputs may be dependent."""
    return 1


# %% mistake of="wrong_step" fails="the false step is found"
def doubts_the_uniform_bound():
    """b^2 / 3 is right, and the step speaks of 2 / (n_in + n_out) whatever its name."""
    return 6


# %% mistake of="xavier_variance" fails="with Xavier's variance the two gains are 1 on average"
def averages_the_two_variances(n_in, n_out):
    """The requirements n Var(w) = 1 are averaged, not the two solutions 1/n_in and 1/n_out."""
    return (1 / n_in + 1 / n_out) / 2


# %% mistake of="xavier_variance" fails="with Xavier's variance the two gains are 1 on average"
def forgets_the_two(n_in, n_out):
    """The fans are averaged: their sum is divided by 2, and that 2 ends up above the fraction."""
    return 1 / (n_in + n_out)
