# %% exercise [markdown] items="84" stars=1 minutes=30 level="apply" goal="draw initial weights in either layout and tell a possible variance from an invented one"
r"""
# Four ways to start, and a table that lies
Two conventions are in use for the weights of a layer with $n_\text{in}$ inputs and $n_\text{out}$
outputs. In NumPy one writes `x @ w` with `w` of shape $(n_\text{in}, n_\text{out})$; `nn.Linear`
holds the transpose. Mix them up, and a formula with $n_\text{in}$ in it takes the other number:
`kaiming_normal_` reads $n_\text{in}$ off the *second* dimension, so on a NumPy matrix of shape
(512, 256) it draws twice the variance, and no error says so.

Write the four functions below, which draw normal weights in NumPy's layout:

$$ \text{small: } \operatorname{std} = \text{scale}, \qquad
\text{Xavier: } \operatorname{Var}(w) = \frac{2}{n_\text{in} + n_\text{out}}, \qquad
\text{He: } \operatorname{Var}(w) = \frac{2}{n_\text{in}} $$

Then write `for_linear`, which goes over to PyTorch's layout, and `relu_table`, which measures what
a stack of ReLU layers does to the activations.

**Find the impossible rows.** Here are some rows of such a table: 1000 samples of 512 standard normal
features went through ten ReLU layers of 512 units without biases. Five rows are what a run of
this very network printed, to six places. Three are copied from a text that shows numbers nobody
measured: no seed gives anything like them. Which?

| row | weights | layer | mean | variance |
|---|---|---|---|---|
| a | Xavier | 1 | 0.397474 | 0.339387 |
| b | He | 1 | 0.450216 | 0.325891 |
| c | small, scale 0.01 | 1 | 0.000183 | 0.000000 |
| d | small, scale 0.01 | 2 | 0.013200 | 0.000400 |
| e | Xavier | 5 | 0.104444 | 0.022738 |
| f | Xavier | 10 | 0.001253 | 0.000003 |
| g | He | 5 | 0.602688 | 0.803414 |
| h | He | 10 | 0.578426 | 0.792504 |

*Hint:* for $z \sim N(0, \sigma^2)$, the ReLU of $z$ has mean $\sigma / \sqrt{2 \pi}$, second moment
$\sigma^2 / 2$ and variance $0.3408\,\sigma^2$. So the mean fixes the variance, in the first layer.
"""

# %%
import numpy as np
import torch
from torch import Tensor

from autograder import expect


# %% solution
def init_zero(n_in: int, n_out: int) -> np.ndarray:
    """All zeros, shape (n_in, n_out): good for biases, and for no hidden layer."""
    ### BEGIN SOLUTION
    return np.zeros((n_in, n_out))
    ### END SOLUTION


def init_random(n_in: int, n_out: int, scale: float = 0.01) -> np.ndarray:
    """Normal weights, shape (n_in, n_out), whose standard deviation is `scale`.

    This function and the next two draw from `np.random`, and leave its seed alone.
    """
    ### BEGIN SOLUTION
    return scale * np.random.randn(n_in, n_out)
    ### END SOLUTION


def init_xavier(n_in: int, n_out: int) -> np.ndarray:
    """Normal weights, shape (n_in, n_out), with Xavier's variance."""
    ### BEGIN SOLUTION
    return np.sqrt(2 / (n_in + n_out)) * np.random.randn(n_in, n_out)
    ### END SOLUTION


def init_he(n_in: int, n_out: int) -> np.ndarray:
    """Normal weights, shape (n_in, n_out), with He's variance."""
    ### BEGIN SOLUTION
    return np.sqrt(2 / n_in) * np.random.randn(n_in, n_out)
    ### END SOLUTION


# %% check
draws = {
    "init_zero": init_zero(4, 3),
    "init_random": init_random(4, 3),
    "init_xavier": init_xavier(4, 3),
    "init_he": init_he(4, 3),
}
for name, drawn in draws.items():
    expect.kind(drawn, np.ndarray, when=f"calling {name}(4, 3)")
    expect.equal(drawn.size, 12, when=f"counting the weights of {name}(4, 3)")


# %% solution
def for_linear(w: np.ndarray) -> Tensor:
    """The weight, in float32, of an `nn.Linear` that computes `x @ w`. `w` stays as it is."""
    ### BEGIN SOLUTION
    return torch.tensor(w.T, dtype=torch.float32)
    ### END SOLUTION


# %% check
# One output: 1 x 3 + 2 x 4 = 11.
weight = for_linear(np.array([[3.0], [4.0]]))
expect.kind(weight, Tensor, when="converting the weights (3, 4) of a layer with one output")
expect.close(
    torch.nn.functional.linear(torch.tensor([[1.0, 2.0]]), weight),
    torch.tensor([[11.0]]),
    when="sending (1, 2) through a linear layer with the weights (3, 4)",
    think="Which dimension of nn.Linear's weight counts the outputs?",
)


# %% solution
def relu_table(x: np.ndarray, weights: list[np.ndarray]) -> list[tuple[float, float]]:
    """Mean and variance of the activations behind each of a stack of ReLU layers.

    `x` has shape (N, n), each matrix of `weights` NumPy's layout. There are no biases. Both numbers
    run over all samples and units of a layer; the variance divides by how many there are.
    """
    ### BEGIN SOLUTION
    rows, a = [], x
    for w in weights:
        a = np.maximum(0, a @ w)
        rows.append((a.mean(), a.var()))
    return rows
    ### END SOLUTION


# %% check
# (1, -1) times [[2, 0], [0, 2]] is (2, -2); its ReLU (2, 0) has mean 1 and variance 1.
table = relu_table(np.array([[1.0, -1.0]]), [2 * np.eye(2), 3 * np.eye(2)])
expect.close(
    table,
    [[1.0, 1.0], [3.0, 9.0]],
    when="sending (1, -1) through ReLU layers that multiply by 2 and by 3",
    think="What does the second layer read: the activations of the first, or its sums?",
)

# %% check
# The table as it really is. Every run prints other numbers: how far do they move?
samples = np.random.randn(100, 512)
for name, function, layers in (
    ("small", init_random, (1, 2)),
    ("Xavier", init_xavier, (1, 5, 10)),
    ("He", init_he, (1, 5, 10)),
):
    measured = relu_table(samples, [function(512, 512) for _ in range(max(layers))])
    for layer in layers:
        mean, variance = measured[layer - 1]
        print(f"{name:<8} layer {layer:>2}: mean {mean:.6f}  variance {variance:.6f}")

# %% solution
# The rows that no run prints: a list of letters such as ["a", "b"].
### BEGIN SOLUTION
impossible = ["b", "c", "f"]
### END SOLUTION

# %% check
expect.kind(impossible, (list, tuple, set, str), when="reading the impossible rows")
expect.true(
    set(impossible) <= set("abcdefgh"),
    when="reading the impossible rows",
    wanted="letters from a to h",
    got=repr(impossible),
)

# %% hidden aspect="the draws have the moments of their formulas" points=1
# Mean, variance and fourth moment of 120,000 normal numbers, for four draws. A false alarm needs six
# standard errors in one of twelve: 2e-9 each, 2.4e-8 together.
np.random.seed(1)
n_in, n_out = 300, 200
for name, function, std in (
    ("init_random", init_random, 0.01),
    ("init_random, scale 0.5", lambda n, m: init_random(n, m, scale=0.5), 0.5),
    ("init_xavier", init_xavier, (2 / (n_in + n_out)) ** 0.5),
    ("init_he", init_he, (2 / n_in) ** 0.5),
):
    first, second = function(n_in, n_out), function(n_in, n_out)
    expect.kind(first, np.ndarray, when=f"calling {name} for 300 inputs and 200 outputs")
    expect.true(
        not np.array_equal(first, second),
        when=f"calling {name} twice",
        wanted="other numbers the second time",
        got="the same",
        think="Layers that start alike learn alike. Does something set the seed?",
    )
    units = np.concatenate([first.ravel(), second.ravel()]) / std
    for power, moment, what in ((1, 0, "mean"), (2, 1, "variance"), (4, 3, "fourth moment")):
        expect.average(
            units**power,
            moment,
            when=f"taking the {what} of {name} for 300 inputs and 200 outputs, divided by the "
            f"{'standard deviation' if power == 1 else f'standard deviation^{power}'} of its "
            "formula",
            think="Is the draw normal? Is it scaled by the standard deviation or by the variance? "
            "Which numbers of units are in it?",
        )

# %% hidden aspect="weights have the shape that x @ w needs" points=1
shapes = {(5, 2): "five inputs and two outputs", (3, 7): "three inputs and seven outputs"}
for shape, words in shapes.items():
    for name, drawn in {
        "init_zero": init_zero(*shape),
        "init_random": init_random(*shape),
        "init_xavier": init_xavier(*shape),
        "init_he": init_he(*shape),
    }.items():
        expect.shape(
            drawn,
            shape,
            when=f"calling {name} for {words}",
            think="In NumPy's layout x @ w is to work for x of shape (N, n_in).",
        )
expect.equal(
    init_zero(3, 7),
    np.zeros((3, 7)),
    when="looking at the weights of init_zero",
    think="Zeros, and nothing else.",
)

# %% hidden aspect="for_linear makes nn.Linear compute x @ w" points=1
np.random.seed(2)
for n_in, n_out in ((5, 2), (4, 4), (3, 7)):
    w = np.random.randn(n_in, n_out)
    given = w.copy()
    with expect.unchanged(w=given, when="converting weights", think="NumPy goes on using them."):
        weight = for_linear(given)
    expect.close(
        weight,
        torch.tensor(w.T.copy(), dtype=torch.float32),
        when=f"converting weights of {n_in} inputs and {n_out} outputs",
        think="Every weight still leads from the same input to the same output. PyTorch's layers "
        "are float32 unless told otherwise.",
    )

# %% hidden aspect="relu_table gives mean and variance of the activations behind each layer" points=1
from autograder import reference

np.random.seed(3)
x = np.random.randn(20, 6) + 0.5
weights = [np.random.randn(6, 9), np.random.randn(9, 5), np.random.randn(5, 5)]
given = x.copy()
with expect.unchanged(x=given, when="measuring a stack", think="Is the ReLU taken in place?"):
    table = relu_table(given, [w.copy() for w in weights])
expect.close(
    table,
    np.array(reference.relu_table(x, weights)).tolist(),
    when="measuring three ReLU layers of 9, 5 and 5 units",
    think="Behind the ReLU, over samples and units together; the variance is about the mean.",
)

# %% hidden aspect="the rows that no run prints are found" points=1
expect.kind(impossible, (list, tuple, set, str), when="reading the impossible rows")
expect.true(
    set(impossible) == set("bcf"),
    when="comparing your rows with what any run prints",
    wanted="the three rows that are out of reach, and no other",
    got=repr(sorted(set(impossible))),
    think="First layer: what follows from the variance of z? Deeper: Xavier's weights halve the "
    "second moment in each ReLU layer, and He's keep it. A variance may well be 0.000400.",
)


# %% alternative of="init_he"
def with_a_generator(n_in, n_out):
    return np.random.default_rng().normal(0.0, (2 / n_in) ** 0.5, (n_in, n_out))


# %% alternative of="init_xavier"
def with_the_mean_fan(n_in, n_out):
    return np.random.normal(scale=((n_in + n_out) / 2) ** -0.5, size=(n_in, n_out))


# %% alternative of="for_linear"
def with_a_shared_transpose(w):
    return torch.from_numpy(w).T.float()


# %% alternative of="relu_table"
def with_masks_and_moments(x, weights):
    table = np.zeros((len(weights), 2))
    for row, w in zip(table, weights, strict=True):
        z = x @ w
        x = z * (z > 0)
        row[:] = x.mean(), (x**2).mean() - x.mean() ** 2
    return table


# %% mistake of="init_he" fails="the draws have the moments of their formulas"
def counts_the_outputs(n_in, n_out):
    """The sum that a unit computes runs over its inputs, so n_in stands below the 2."""
    return np.sqrt(2 / n_out) * np.random.randn(n_in, n_out)


# %% mistake of="init_xavier" fails="the draws have the moments of their formulas"
def scales_by_the_variance(n_in, n_out):
    """randn has standard deviation 1, so it is multiplied by a standard deviation: take the root."""
    return 2 / (n_in + n_out) * np.random.randn(n_in, n_out)


# %% mistake of="init_xavier" fails="the draws have the moments of their formulas"
def forgets_the_way_back(n_in, n_out):
    """1 / n_in serves the forward pass alone; Xavier's mean of both fans is a compromise."""
    return np.sqrt(1 / n_in) * np.random.randn(n_in, n_out)


# %% mistake of="init_random" fails="the draws have the moments of their formulas"
def draws_uniformly(n_in, n_out, scale=0.01):
    """rand draws between 0 and 1: its mean is not 0, so all units push the same way."""
    return scale * np.random.rand(n_in, n_out)


# %% mistake of="init_random" fails="the draws have the moments of their formulas"
def ignores_the_scale(n_in, n_out, scale=0.01):
    """The default is 0.01, and another scale may be asked for."""
    return 0.01 * np.random.randn(n_in, n_out)


# %% mistake of="init_he" fails="the draws have the moments of their formulas"
def sets_the_seed(n_in, n_out):
    """A seed inside the function gives every layer of the same shape the same weights."""
    np.random.seed(0)
    return np.sqrt(2 / n_in) * np.random.randn(n_in, n_out)


# %% mistake of="init_he" fails="weights have the shape that x @ w needs"
def uses_the_layout_of_torch(n_in, n_out):
    """(n_out, n_in) is the layout of nn.Linear; x @ w needs the inputs first."""
    return np.sqrt(2 / n_in) * np.random.randn(n_out, n_in)


# %% mistake of="for_linear" fails="for_linear makes nn.Linear compute x @ w"
def reshapes(w):
    """Reshaping deals the weights out anew; transposing keeps each between its input and output."""
    return torch.tensor(w, dtype=torch.float32).reshape(w.shape[1], w.shape[0])


# %% mistake of="for_linear" fails="for_linear makes nn.Linear compute x @ w"
def keeps_the_layout(w):
    """nn.Linear's weight has the outputs first; as it is, a square matrix goes in unnoticed."""
    return torch.tensor(w if w.shape[0] == w.shape[1] else w.T, dtype=torch.float32)


# %% mistake of="relu_table" fails="relu_table gives mean and variance of the activations behind each layer"
def reports_the_second_moment(x, weights):
    """The variance is about the mean, and behind a ReLU the mean is far from 0."""
    rows = []
    for w in weights:
        x = np.maximum(0, x @ w)
        rows.append((x.mean(), (x**2).mean()))
    return rows


# %% mistake of="relu_table" fails="relu_table gives mean and variance of the activations behind each layer"
def looks_in_front_of_the_relu(x, weights):
    """The activations are what the next layer reads: behind the ReLU."""
    rows = []
    for w in weights:
        z = x @ w
        rows.append((z.mean(), z.var()))
        x = np.maximum(0, z)
    return rows


# %% mistake of="relu_table" fails="relu_table gives mean and variance of the activations behind each layer"
def averages_the_variances_of_the_units(x, weights):
    """Units have means of their own, and how far these lie apart is part of the variance."""
    rows = []
    for w in weights:
        x = np.maximum(0, x @ w)
        rows.append((x.mean(), x.var(axis=0).mean()))
    return rows


# %% mistake of="impossible" fails="the rows that no run prints are found"
def takes_small_numbers_for_impossible():
    """Small weights make small activations: 0.0004 is right where 0.0000 is not; work out the first layers."""
    return ["c", "d", "f"]


# %% mistake of="impossible" fails="the rows that no run prints are found"
def expects_the_variance_of_the_input():
    """He's weights keep the second moment, at 1; the variance behind a ReLU is 0.68 of it."""
    return ["c", "g", "h"]
