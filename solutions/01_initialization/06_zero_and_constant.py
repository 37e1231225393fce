# %% exercise [markdown] items="58 102" stars=1 minutes=30 level="analyze" goal="tell two failures of equal weights apart, and three cases in which zeros do no harm"
r"""
# Zero and constant initialization
Why not start with zeros, and let the data decide? Because all units of a layer would be the same
unit. If the rows of $W$ are equal, the units compute the same $a = f(Wx)$; if the columns behind them
are equal, too, the same $\delta$ comes back to each of them, and so does the gradient
$\delta_i\,x^\top$: equal **rows**, now and after every step. (Within a row the numbers differ, as
those of $x$ do.)

Some tables say that zeros *break* the symmetry: they keep it. And many texts speak of one
catastrophe that never ends. There are two, and exceptions:

- **Constant, not zero:** each hidden layer learns, but only as a single unit would.
- **All zero, with an activation that has $f(0) = 0$**, such as ReLU or tanh: each weight gradient
  has a factor 0, what comes in or what comes back. The weights never move at all.
- No harm is done by zero biases beside random weights, by zeros in the *output layer* alone, nor
  where something else tells the units apart. Dropout does that: it draws a mask for each of them.

Write four short functions and measure it. A network is a list of pairs `(weight, bias)`, with weights
of shape `(out, in)`; `forward` and `train` are given.
"""

# %%
import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
Network = list[tuple[Tensor, Tensor]]


def forward(network: Network, x: Tensor, activation: str = "relu", drop: float = 0.0) -> Tensor:
    """The logits for the inputs `x`: activation and dropout follow each layer but the last."""
    for weight, bias in network[:-1]:
        x = F.dropout(ACTIVATIONS[activation](x @ weight.T + bias), drop)
    weight, bias = network[-1]
    return x @ weight.T + bias


def train(
    network: Network, x: Tensor, y: Tensor, activation: str, drop: float, steps: int
) -> Network:
    """Another network: this one after so many steps of gradient descent on the cross entropy."""
    network = [(w.clone().requires_grad_(), b.clone().requires_grad_()) for w, b in network]
    optimizer = torch.optim.SGD([p for layer in network for p in layer], lr=0.5)
    for _ in range(steps):
        loss = F.cross_entropy(forward(network, x, activation, drop), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [(w.detach(), b.detach()) for w, b in network]


# %% solution
def initialize(widths: list[int], how: str) -> Network:
    """A network in float64 whose layers go from widths[0] to widths[1] and so on. Biases are 0.

    `how` is "zero"; "constant": all weights are 0.1; "random": He's, normal with variance
    2 / n_in; "zero output": random, but for the weights of the last layer, which are 0.
    """
    ### BEGIN SOLUTION
    network = []
    for n_in, n_out in pairwise(widths):
        weight = torch.zeros(n_out, n_in, dtype=torch.float64)
        if how == "constant":
            weight.fill_(0.1)
        elif how != "zero":
            weight.normal_(std=math.sqrt(2 / n_in))
        network.append((weight, torch.zeros(n_out, dtype=torch.float64)))
    if how == "zero output":
        network[-1][0].zero_()
    return network
    ### END SOLUTION


# %% check
weight, bias = initialize([3, 2], "constant")[0]
expect.close(
    weight,
    torch.full((2, 3), 0.1, dtype=torch.float64),
    when="initializing one layer from 3 to 2 with 'constant'",
    think="The shape of a weight is (out, in).",
)
expect.close(
    bias,
    torch.zeros(2, dtype=torch.float64),
    when="reading the biases of this layer",
    think="What does the docstring say about biases?",
)


# %% solution
def weight_gradients(network: Network, x: Tensor, y: Tensor, activation: str) -> list[Tensor]:
    """The gradients of the mean cross entropy, without dropout: one for each layer's weights.

    The network is left as it was.
    """
    ### BEGIN SOLUTION
    leaves = [(weight.detach().requires_grad_(), bias) for weight, bias in network]
    loss = F.cross_entropy(forward(leaves, x, activation), y)
    return list(torch.autograd.grad(loss, [weight for weight, _ in leaves]))
    ### END SOLUTION


# %% check
# One layer of zeros gives both classes 1/2; the sample (1, 2) belongs to class 0, so that
# p - y is (-1/2, 1/2). A single layer has no units to tell apart: zeros are a fine start for it.
x, y = torch.tensor([[1.0, 2.0]], dtype=torch.float64), torch.tensor([0])
zeros = torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
expect.close(
    weight_gradients([zeros], x, y, "relu"),
    [[[-0.5, -1.0], [0.5, 1.0]]],
    when="one layer of zeros sees (1, 2), of class 0",
    think="The gradient is the outer product of p - y and the input.",
)
# Three layers of zeros: nothing comes in or nothing comes back.
expect.close(
    weight_gradients([zeros, zeros, zeros], x, y, "relu"),
    [[[0.0, 0.0], [0.0, 0.0]]] * 3,
    atol=0.0,
    when="three layers of zeros, with ReLU, see the same sample",
    think="Each gradient is what comes back times what comes in.",
)


# %% solution
def distinct_rows(weight: Tensor, atol: float = 1e-6) -> int:
    """How many different rows there are; rows that differ by at most `atol` anywhere are one."""
    ### BEGIN SOLUTION
    found: list[Tensor] = []
    for row in weight:
        if all((row - other).abs().max() > atol for other in found):
            found.append(row)
    return len(found)
    ### END SOLUTION


# %% check
expect.equal(
    distinct_rows(torch.tensor([[1.0, 2.0], [2.0, 1.0], [2.0, 1.0]])),
    2,
    when="counting the rows (1, 2), (2, 1), (2, 1)",
    think="Rows are compared with each other as a whole.",
)


# %% solution
def census(
    widths: list[int],
    how: str,
    x: Tensor,
    y: Tensor,
    activation: str = "relu",
    drop: float = 0.0,
    steps: int = 60,
) -> list[int]:
    """Initialize a network, train it, and count the different rows of each layer's weights."""
    ### BEGIN SOLUTION
    network = train(initialize(widths, how), x, y, activation, drop, steps)
    return [distinct_rows(weight) for weight, _ in network]
    ### END SOLUTION


# %% check
# Before the first step all rows of a constant network are the same.
torch.manual_seed(0)
x, y = torch.randn(20, 3, dtype=torch.float64), torch.arange(20) % 2
expect.equal(
    census([3, 4, 2], "constant", x, y, steps=0),
    [1, 1],
    when="counting the rows of a constant network 3-4-2 after no steps at all",
    think="One number for each of the two layers.",
)

# %% [markdown]
# Now look: how many of the 8 units of a hidden layer are there? For every start the table shows the
# different rows of the three layers behind 60 steps. The output layer has three rows, one a class.

# %%
torch.manual_seed(0)
inputs = torch.randn(64, 5, dtype=torch.float64)
labels = (inputs[:, :3] + torch.tensor([0.8, 0.0, 0.0])).argmax(dim=1)
for how, activation, drop in (
    ("zero", "relu", 0.0),
    ("zero", "tanh", 0.0),
    ("zero", "sigmoid", 0.0),
    ("constant", "relu", 0.0),
    ("constant", "relu", 0.5),
    ("random", "relu", 0.0),
    ("zero output", "relu", 0.0),
):
    try:
        rows = census([5, 8, 8, 3], how, inputs, labels, activation, drop)
        print(f"{how:<12} {activation:<8} drop {drop:<4} different rows: {rows}")
    except NotImplementedError:
        print("census is not written yet")
        break

# %% hidden aspect="initialize follows the rule asked for" points=1
torch.manual_seed(1)
widths = [400, 300, 7]
for how in ("zero", "constant", "random", "zero output"):
    network = initialize(list(widths), how)
    expect.equal(len(network), 2, when=f"counting the layers from 400 to 300 to 7, with {how!r}")
    for layer, (weight, bias) in enumerate(network):
        n_in, n_out = widths[layer : layer + 2]
        when = f"initializing layer {layer} of 2, from {n_in} to {n_out}, with {how!r}"
        expect.close(
            bias,
            torch.zeros(n_out, dtype=torch.float64),
            when=f"{when}, and reading its biases",
            think="Every start has biases of 0.",
        )
        if how in ("zero", "constant") or (how, layer) == ("zero output", 1):
            expect.close(
                weight,
                torch.full((n_out, n_in), 0.1 * (how == "constant"), dtype=torch.float64),
                when=when,
                think="To which layers does the rule apply?",
            )
        else:
            # The fewest draws are 2,100: their spread is known to 1.6 %. One tenth off is 6 sigma, a
            # false alarm in 10^9 runs; so is a mean of 0.14 spreads.
            expect.shape(weight, (n_out, n_in), when=when)
            wanted = math.sqrt(2 / n_in)
            think = "He's rule: variance 2 / n_in, mean 0. Is the root taken of it?"
            spread, mean = weight.std().item(), weight.mean().item()
            expect.between(spread, 0.9 * wanted, 1.1 * wanted, when=f"{when}: std", think=think)
            expect.between(mean, -0.14 * wanted, 0.14 * wanted, when=f"{when}: mean", think=think)

# %% hidden aspect="the gradients are those of the mean loss" points=1
from autograder import reference

torch.manual_seed(2)
x, y = torch.randn(9, 4, dtype=torch.float64), torch.randint(0, 3, (9,))
for activation in ("relu", "sigmoid"):
    network = [
        (torch.randn(m, n, dtype=torch.float64), torch.randn(m, dtype=torch.float64))
        for n, m in ((4, 6), (6, 5), (5, 3))
    ]
    own = [(weight.clone(), bias.clone()) for weight, bias in network]
    gradients = weight_gradients(own, x.clone(), y.clone(), activation)
    wanted = reference.weight_gradients(network, x, y, activation)
    expect.equal(len(gradients), 3, when="counting the gradients of a network of three layers")
    for layer, (gradient, right) in enumerate(zip(gradients, wanted, strict=True)):
        expect.close(
            gradient,
            right,
            when=f"computing the gradient of layer {layer} of 3, random weights and biases, "
            f"{activation}",
            think="The mean over the samples, for the activation asked for, weights only.",
        )
    for (weight, _), (before, _) in zip(own, network, strict=True):
        expect.equal(
            weight,
            before,
            when="reading the weights after their gradients were computed",
            think="Computing a gradient is not yet a step.",
        )

# %% hidden aspect="a row counts once, wherever it stands" points=1
torch.manual_seed(3)
for n in (2, 6):
    rows = torch.randn(4, n, dtype=torch.float64)
    weight = rows[[0, 1, 0, 2, 1, 0, 3]]
    expect.equal(
        distinct_rows(weight + 1e-9 * torch.rand(7, n, dtype=torch.float64)),
        4,
        when=f"counting 7 rows of {n} numbers: a, b, a, c, b, a, d, with rounding errors of 1e-9",
        think="Equal rows need not be neighbours, nor equal to the last bit.",
    )
one = torch.zeros(3, 5, dtype=torch.float64)
one[1, 4], one[2, 0] = 0.01, 0.01
expect.equal(
    distinct_rows(one),
    3,
    when="counting a row of zeros, one that ends in 0.01, and one that begins with 0.01",
    think="One number that differs makes two rows.",
)

# %% hidden aspect="the rows are counted behind training, under the conditions asked for" points=1
torch.manual_seed(4)
x = torch.randn(40, 4, dtype=torch.float64)
y = (x[:, :3] + torch.tensor([0.8, 0.0, 0.0])).argmax(dim=1)
for how, activation, drop, steps, wanted, think in (
    ("zero", "relu", 0.0, 30, [1, 1, 1], "Zero gradients move nothing."),
    ("zero", "sigmoid", 0.0, 30, [1, 1, 3], "A sigmoid of 0 is 1/2: something comes in."),
    ("constant", "relu", 0.0, 30, [1, 1, 3], "Classes differ, so the output rows do."),
    ("constant", "relu", 0.5, 30, [7, 6, 3], "Dropout draws a mask for each unit."),
    ("random", "relu", 0.0, 0, [7, 6, 3], "Random rows differ from the start."),
    ("zero output", "relu", 0.0, 0, [7, 6, 1], "Before the first step, the output rows are 0."),
    ("zero output", "relu", 0.0, 30, [7, 6, 3], "One step away from zero the output rows differ."),
):
    expect.equal(
        census([4, 7, 6, 3], how, x.clone(), y.clone(), activation, drop, steps),
        wanted,
        when=f"counting the rows of a network 4-7-6-3 that starts with {how!r}, {activation}, drop "
        f"{drop:g}, after {steps} steps",
        think=think,
    )

# %% setup
import torch
import torch.nn.functional as F
from torch import nn


def fit(prepare, drop=0.0, steps=150):
    """A ReLU network 5-8-8-3 behind some steps of gradient descent, its loss, and the classes."""
    torch.set_default_dtype(torch.float64)
    x = torch.randn(64, 5)
    y = (x[:, :3] + torch.tensor([0.8, 0.0, 0.0])).argmax(dim=1)
    layers = [nn.Linear(5, 8), nn.ReLU(), nn.Dropout(drop)]
    layers += [nn.Linear(8, 8), nn.ReLU(), nn.Dropout(drop), nn.Linear(8, 3)]
    net = nn.Sequential(*layers)
    prepare(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    torch.set_default_dtype(torch.float32)
    return net, loss.item(), y.bincount(minlength=3) / len(y)


def fill(value):
    def prepare(net):
        for layer in (net[0], net[3], net[6]):
            nn.init.constant_(layer.weight, value)
            nn.init.zeros_(layer.bias)

    return prepare


def spread(layer):
    """How far the rows of a layer lie apart."""
    return (layer.weight - layer.weight[0]).abs().max().item()


# %% choice [markdown] id="all-zero-relu" points=1 items="58"
r"""
A network 5-8-8-3 with ReLU starts with all weights and biases 0, and is trained for as long as you
like on three classes, of which one is more frequent than the others. What does it learn?

- [ ] Nothing: the loss stays at ln 3.
  > All weight gradients are 0. But is there a parameter whose gradient has neither a weight nor an
  > activation as a factor?
- [x] The frequencies of the classes: the output biases learn them, and nothing else moves.
  > The gradient of the output biases is p - y, averaged, and has no factor 0. The loss ends at the
  > entropy of the frequencies, the same answer for every input.
- [ ] What a network with a single unit in each hidden layer can learn.
  > That is what a constant other than 0 does. Which gradient can move the first weight away from 0?
- [ ] What other networks learn, only later: rounding errors break the symmetry.
  > A product with an exact 0 is an exact 0. There are no rounding errors that could grow.
"""

# %% evidence
net, loss, share = fit(fill(0.0))
assert all((layer.weight == 0).all() for layer in (net[0], net[3], net[6]))
assert (net[0].bias == 0).all() and (net[3].bias == 0).all() and net[6].bias.abs().max() > 0.01
assert abs(loss + (share * share.log()).sum().item()) < 1e-3
# A constant moves, and stays one unit a layer.
net, less, _ = fit(fill(0.1))
assert less < loss - 1e-3 and (net[0].weight - 0.1).abs().max() > 0.01
assert spread(net[0]) < 1e-6 and spread(net[3]) < 1e-6 < spread(net[6])

# %% text [markdown] id="zero-biases" points=1 items="102"
r"""
Biases are usually started at 0, all of them. Weights are not. Explain in two or three sentences why
the argument against equal weights does not apply to equal biases. Is there something about biases
that makes them immune, or is it something else?

- [1] Random weights already make the units compute different activations and receive different gradients, so equal biases become different with the first step. Nothing in biases themselves is immune: beside equal weights, equal biases stay equal too.
"""

# %% evidence
# Zero biases beside random weights part at once; beside constant weights they stay equal.
net, _, _ = fit(lambda net: [nn.init.zeros_(net[i].bias) for i in (0, 3, 6)], steps=1)
assert min(net[i].bias.std().item() for i in (3, 6)) > 1e-6
net, _, _ = fit(fill(0.1))
assert net[0].bias.std() < 1e-9 and net[3].bias.std() < 1e-9
# Zeros in the output layer alone do no harm, and dropout tells the units of a constant start apart.
net, loss, share = fit(lambda net: nn.init.zeros_(net[6].weight))
assert loss < 0.6 * -(share * share.log()).sum().item() and spread(net[0]) > 1e-3
net, _, _ = fit(fill(0.1), drop=0.5)
assert spread(net[0]) > 1e-3


# %% alternative of="initialize"
def by_hand_and_in_one_list(widths, how):
    scale = {"zero": lambda n: 0.0, "constant": lambda n: 0.1}.get(how, lambda n: (2 / n) ** 0.5)
    draw = torch.ones if how in ("zero", "constant") else torch.randn
    layers = [(scale(n), m, n) for n, m in pairwise(widths)]
    network = [
        (s * draw(m, n, dtype=torch.float64), torch.zeros(m, dtype=torch.float64))
        for s, m, n in layers
    ]
    if how == "zero output":
        weight, bias = network.pop()
        network += [(torch.zeros_like(weight), bias)]
    return network


# %% alternative of="weight_gradients"
def with_backward(network, x, y, activation):
    copy = [(w.clone().requires_grad_(), b.clone()) for w, b in network]
    log_p = forward(copy, x, activation).log_softmax(dim=1)
    (-log_p[torch.arange(len(y)), y].mean()).backward()
    return [weight.grad for weight, _ in copy]


# %% alternative of="distinct_rows"
def from_all_distances(weight, atol=1e-6):
    equal = (weight[:, None] - weight[None]).abs().amax(dim=2) <= atol
    return int((~equal.tril(-1).any(dim=1)).sum())


# %% mistake of="initialize" fails="initialize follows the rule asked for"
def fills_the_biases_as_well(widths, how):
    """The rule is about weights; the biases start at 0 in all four cases."""
    network = []
    for n_in, n_out in pairwise(widths):
        value = 0.1 if how == "constant" else 0.0
        weight = torch.full((n_out, n_in), value, dtype=torch.float64)
        if how in ("random", "zero output"):
            weight.normal_(std=math.sqrt(2 / n_in))
        network.append((weight, torch.full((n_out,), value, dtype=torch.float64)))
    if how == "zero output":
        network[-1][0].zero_()
    return network


# %% mistake of="initialize" fails="initialize follows the rule asked for"
def takes_the_variance_for_the_std(widths, how):
    """The second number of a normal distribution in PyTorch is the standard deviation, a root."""
    network = []
    for n_in, n_out in pairwise(widths):
        weight = torch.full((n_out, n_in), 0.1 * (how == "constant"), dtype=torch.float64)
        if how in ("random", "zero output"):
            weight.normal_(std=2 / n_in)
        network.append((weight, torch.zeros(n_out, dtype=torch.float64)))
    if how == "zero output":
        network[-1][0].zero_()
    return network


# %% mistake of="weight_gradients" fails="the gradients are those of the mean loss"
def sums_over_the_samples(network, x, y, activation):
    """The loss is the mean over the samples, so its gradient does not grow with their number."""
    leaves = [(weight.detach().requires_grad_(), bias) for weight, bias in network]
    loss = F.cross_entropy(forward(leaves, x, activation), y, reduction="sum")
    return list(torch.autograd.grad(loss, [weight for weight, _ in leaves]))


# %% mistake of="weight_gradients" fails="the gradients are those of the mean loss"
def always_with_relu(network, x, y, activation):
    """The activation is an argument: with another one zeros are another story."""
    leaves = [(weight.detach().requires_grad_(), bias) for weight, bias in network]
    loss = F.cross_entropy(forward(leaves, x), y)
    return list(torch.autograd.grad(loss, [weight for weight, _ in leaves]))


# %% mistake of="distinct_rows" fails="a row counts once, wherever it stands"
def compares_neighbours_only(weight, atol=1e-6):
    """Equal rows need not stand side by side: a row is new if it equals none of those before it."""
    return 1 + sum(int((a - b).abs().max() > atol) for a, b in pairwise(weight))


# %% mistake of="distinct_rows" fails="a row counts once, wherever it stands; the rows are counted behind training, under the conditions asked for"
def counts_numbers(weight, atol=1e-6):
    """A row is a unit, and compared as a whole: the numbers within it may well differ."""
    return len({round(number / atol) for number in weight.flatten().tolist()})


# %% mistake of="census" fails="the rows are counted behind training, under the conditions asked for"
def counts_before_training(widths, how, x, y, activation="relu", drop=0.0, steps=60):
    """`train` returns another network; the one it was given is as it was."""
    network = initialize(widths, how)
    train(network, x, y, activation, drop, steps)
    return [distinct_rows(weight) for weight, _ in network]


# %% mistake of="census" fails="the rows are counted behind training, under the conditions asked for"
def trains_without_dropout(widths, how, x, y, activation="relu", drop=0.0, steps=60):
    """Dropout is one of the conditions asked for, and it is what tells equal units apart."""
    network = train(initialize(widths, how), x, y, activation, 0.0, steps)
    return [distinct_rows(weight) for weight, _ in network]
