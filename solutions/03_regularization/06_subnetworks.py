# %% exercise [markdown] items="28 29 30" stars=3 minutes=60 level="analyze" goal="find out for which networks a dropout layer is an average of subnetworks, and for which it is not"
r"""
# 7.12 Dropout as an average of subnetworks
Averaging many networks predicts better than one of them, but who can afford to train a thousand?
Dropout seems to give them away: every mask switches off other units and leaves another
*subnetwork*, all share their weights, and at inference one pass through the full network stands for
their average. "Dropout equals averaging $2^n$ networks", many texts say. That is exact in one
case, holds for another kind of average in a second, and is only an approximation otherwise. For a
few units you can list all subnetworks and see.

A hidden layer has $n$ units with the activations $h$. The mask $m \in \{0, 1\}^n$ is drawn with
**drop** probability $p$ for each unit. As dropout is inverted, the subnetwork and the full network
compute

$$ z_m = W\,\frac{m \odot h}{1 - p} + b, \qquad z = W h + b. $$

Use `float64` throughout: differences near $10^{-16}$ are rounding, others are not.
"""

# %%
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect

f64 = torch.float64

# %% [markdown]
r"""
## All masks and their weights
A subnetwork's *weight* in the average is the probability that its mask is drawn. With $p = 0.5$
all weights are equal, which hides most errors; so look at another $p$ as well.
"""


# %% solution
def all_masks(n: int) -> Tensor:
    """Every mask of `n` units once, as rows of 0 and 1, in any order: shape (2**n, n), float64."""
    ### BEGIN SOLUTION
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=f64)] * n).reshape(-1, n)
    ### END SOLUTION


def weights_of(masks: Tensor, p: float) -> Tensor:
    """The probability of each row of `masks`, shape (M, n), to be drawn: shape (M,), float64.

    `p` is the drop probability, and units are dropped independently. 1 stands for a kept unit.
    """
    ### BEGIN SOLUTION
    return (masks * (1 - p) + (1 - masks) * p).prod(dim=1)
    ### END SOLUTION


# %% check
expect.equal(
    sorted(all_masks(2).tolist()),
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
    when="listing the masks of two units",
    think="Each unit is there or not, whatever the other does.",
)
# 0.75 of the units are kept: both are with 9/16, a given one of them alone with 3/16.
expect.close(
    weights_of(torch.tensor([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=f64), p=0.25),
    torch.tensor([9.0, 3.0, 3.0, 1.0], dtype=f64) / 16,
    when="asking for the weights of the four masks of two units, with p = 0.25",
    think="Units are dropped independently. What do probabilities do then?",
)

# %% [markdown]
r"""
## Three kinds of output
Write what every subnetwork computes, and two ways to average. The *geometric* mean of
probabilities multiplies where the arithmetic one adds, and has to be divided by its sum to be a
distribution again:

$$ \bar{q}_k = \sum_m w_m\,q_{mk}, \qquad
   \tilde{q}_k = \frac{\prod_m q_{mk}^{\,w_m}}{\sum_j \prod_m q_{mj}^{\,w_m}}. $$
"""


# %% solution
def subnetwork_logits(h: Tensor, weight: Tensor, bias: Tensor, masks: Tensor, p: float) -> Tensor:
    """z_m for every row of `masks`: shape (M, K), for h (n,), weight (K, n), bias (K,)."""
    ### BEGIN SOLUTION
    return (masks * h / (1 - p)) @ weight.T + bias
    ### END SOLUTION


def arithmetic_mean(outputs: Tensor, weights: Tensor) -> Tensor:
    """The weighted mean of the rows of `outputs`, shape (M, K); `weights` (M,) add up to 1."""
    ### BEGIN SOLUTION
    return weights @ outputs
    ### END SOLUTION


def geometric_mean(probabilities: Tensor, weights: Tensor) -> Tensor:
    """The weighted geometric mean of the rows of `probabilities`, normalized to add up to 1.

    `probabilities` has shape (M, K) and positive entries, `weights` (M,) add up to 1.
    """
    ### BEGIN SOLUTION
    return torch.softmax(weights @ probabilities.log(), dim=0)
    ### END SOLUTION


# %% check
one = torch.ones(1, dtype=f64)
# One unit of activation 3 with p = 0.25: its subnetworks see 0 and 4.
expect.close(
    subnetwork_logits(3 * one, 2 * one[None], one, torch.tensor([[0.0], [1.0]], dtype=f64), 0.25),
    [[1.0], [9.0]],
    when="computing 2 h + 1 for h = 3 dropped and h = 3 kept, with p = 0.25",
    think="A kept activation is divided by 1 - p. Is the bias dropped, too?",
)
# The geometric means of the columns are 0.4 and 0.2; divided by their sum, 2/3 and 1/3.
rows = torch.tensor([[0.8, 0.1], [0.2, 0.4]], dtype=f64)
expect.close(
    geometric_mean(rows, torch.tensor([0.5, 0.5], dtype=f64)),
    [2 / 3, 1 / 3],
    when="averaging (0.8, 0.1) and (0.2, 0.4) geometrically, with equal weights",
    think="The root of 0.8 times 0.2 is 0.4. What do the two means add up to?",
)
expect.close(
    arithmetic_mean(rows, torch.tensor([0.5, 0.5], dtype=f64)),
    [0.5, 0.25],
    when="averaging (0.8, 0.1) and (0.2, 0.4) arithmetically, with equal weights",
    think="Each row counts with its weight.",
)

# %%
# Your functions on a layer of three units: which averages are what the full network computes?
try:
    torch.manual_seed(0)
    h, weight, bias = torch.rand(3).to(f64), torch.randn(4, 3).to(f64), torch.randn(4).to(f64)
    for p in (0.5, 0.3):
        masks = all_masks(3)
        w, z = weights_of(masks, p), subnetwork_logits(h, weight, bias, masks, p)
        full = weight @ h + bias
        for name, average, single in [
            ("logits, arithmetic", arithmetic_mean(z, w), full),
            ("softmax, arithmetic", arithmetic_mean(z.softmax(1), w), full.softmax(0)),
            ("softmax, geometric", geometric_mean(z.softmax(1), w), full.softmax(0)),
            ("ReLU, arithmetic", arithmetic_mean(z.relu(), w), full.relu()),
        ]:
            print(f"p {p}  {name:20} differs by {(average - single).abs().max():.1e}")
except NotImplementedError as error:
    print(f"Not attempted yet: {error}")

# %% [markdown]
r"""
## A counterexample
For logits the average is exact, and for a softmax the normalized *geometric* mean is. Both follow
from one fact: expectation passes through a linear map, and the logarithm of a softmax is a linear
map of $z$ but for a term that is the same for all classes.

Let a ReLU follow, or a second layer, and one pass is no average of subnetworks any more. Show it:
choose `example`, the activations $h$, the row $w$ and the number $b$ of one output unit
$\mathrm{relu}(w \cdot h + b)$, all numbers between -1 and 1, so that with $p = 0.3$ the average over
the 8 subnetworks and the full network differ by more than 0.01.
"""

# %% solution
# A dict with the keys h and w, lists of three numbers each, and b, a number; all from -1 to 1.
### BEGIN SOLUTION
example = {"h": [1.0, 1.0, 1.0], "w": [1.0, -1.0, 0.5], "b": -0.5}
### END SOLUTION


# %% check
expect.kind(example, dict, when="reading the example", think="It has the keys h, w and b.")
expect.equal(
    sorted(example),
    ["b", "h", "w"],
    when="reading the keys of the example",
    think="Activations h, weights w, bias b.",
)
for key in ("h", "w"):
    expect.equal(len(example[key]), 3, when=f"counting the numbers of {key}")

# %% setup
import torch
from torch import nn

from autograder.authoring.quiz import draw

# %% numeric [markdown] id="all-silent" points=1 rtol=0.01 items="30"
r"""
The ensemble of a layer of {{n}} units has 2 to the power {{n}} members. One of them is the network
in which every unit is silent. How probable is its mask, with drop probability {{p}}?
"""

# %% key
n, p = draw([(5, 0.3), (6, 0.4), (4, 0.2), (8, 0.6)])
answer = p**n
slips = {
    "That is the mask with which every unit is kept.": (1 - p) ** n,
    "Independent events: probabilities multiply, once for each unit.": n * p,
    "Masks are equally probable for p = 0.5 alone.": 0.5**n,
    "That is the probability that at least one unit is kept.": 1 - p**n,
}

# %% evidence
# Half a million masks; the rarest case, 0.2^4 = 0.0016, comes up 800 times: 20 % is 5.6 errors.
dropped = nn.functional.dropout(torch.ones(500_000, n), p, training=True) == 0
assert abs(dropped.all(dim=1).double().mean().item() / answer - 1) < 0.2

# %% text [markdown] id="limits-of-the-argument" points=1 items="30"
r"""
"Since the number of subnetworks grows like $2^n$, dropout is more effective the wider a layer is."
Give two reasons why this does not follow. Count, for example, how many of the members of a layer of
512 units are ever trained in 100,000 steps, and think of what the members have in common.

- [1] Two of: nearly no member is ever drawn (at most one mask a sample and step, against 2 to the power 512); members share all weights, so they are no independent networks; one pass is their average only for a linear output (geometrically for a softmax); a count of members says nothing about how much an average gains; the gain depends on data and overfitting, not on width alone.
"""

# %% evidence
# Even with a batch of 128 masks a step, the share of members drawn is below 1e-140.
assert 100_000 * 128 / 2.0**512 < 1e-140
# Few units: all members come up. Many units: no mask comes up twice.
for n, distinct in ((4, 16), (64, 2000)):
    masks = (torch.rand(2000, n) < 0.5).int()
    assert len({tuple(row) for row in masks.tolist()}) == distinct
# Shared weights: a step for one member moves the output of another.
weight = torch.randn(6, requires_grad=True)
h, first, second = (
    torch.rand(6) + 0.1,
    torch.tensor([1.0, 1, 1, 0, 0, 0]),
    torch.tensor([0, 1.0, 1, 1, 0, 0]),
)
(weight @ (first * h)).backward()
assert ((weight - 0.1 * weight.grad) @ (second * h) - weight @ (second * h)).abs() > 1e-4

# %% hidden aspect="every mask appears once" points=2
for n in (3, 1, 6):
    masks = all_masks(n)
    expect.shape(
        masks,
        (2**n, n),
        when=f"listing the masks of {n} units",
        think="Two choices for each unit, independent of one another.",
    )
    expect.equal(
        sorted([float(entry) for entry in row] for row in masks.tolist()),
        sorted([float(i >> k & 1) for k in range(n)] for i in range(2**n)),
        when=f"comparing the masks of {n} units with the binary numbers below {2**n}",
        think="The empty network and the full one are members, too.",
    )
    expect.true(
        masks.dtype == f64,
        when=f"looking at the dtype of the masks of {n} units",
        wanted="float64",
        got=str(masks.dtype).removeprefix("torch."),
        think="Masks are multiplied with activations in float64.",
    )

# %% hidden aspect="a mask weighs as much as the probability to draw it" points=2
masks = torch.tensor(
    [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]]
).to(f64)
for p in (0.5, 0.3):
    q = 1 - p
    wanted = [p**3, p * p * q, p * p * q, p * q * q, p * p * q, p * q * q, p * q * q, q**3]
    expect.close(
        weights_of(masks.clone(), p),
        torch.tensor(wanted, dtype=f64),
        when=f"asking for the weights of the eight masks of three units, with p = {p}",
        think="p is the drop probability: which mask is the most probable one for p = 0.3?",
    )
torch.manual_seed(1)
masks = (torch.rand(9, 5) < 0.5).to(f64)
kept = masks.sum(dim=1)
expect.close(
    weights_of(masks.clone(), 0.1),
    0.9**kept * 0.1 ** (5 - kept),
    when="asking for the weights of nine masks of five units, with p = 0.1",
    think="A weight does not depend on which other masks are in the list.",
)

# %% hidden aspect="for a linear output the average is the full network" points=1
torch.manual_seed(2)
for n, classes, p in ((3, 4, 0.3), (3, 2, 0.5), (5, 3, 0.1)):
    h, weight, bias = (
        torch.randn(n).to(f64),
        torch.randn(classes, n).to(f64),
        torch.randn(classes).to(f64),
    )
    masks = torch.tensor([[float(i >> k & 1) for k in range(n)] for i in range(2**n)]).to(f64)
    kept = masks.sum(dim=1)
    weights = (1 - p) ** kept * p ** (n - kept)
    z = subnetwork_logits(h.clone(), weight.clone(), bias.clone(), masks.clone(), p)
    expect.shape(z, (2**n, classes), when=f"computing {classes} logits of {2**n} subnetworks")
    expect.close(
        z[-1],
        weight @ h / (1 - p) + bias,
        when=f"looking at the subnetwork that keeps all {n} units, with p = {p}",
        think="Inverted dropout enlarges what is kept, also if nothing is dropped.",
    )
    expect.close(
        (weights[:, None] * z).sum(dim=0),
        weight @ h + bias,
        rtol=1e-12,  # a sum of at most 32 terms; the largest error seen is 1e-15
        when=f"averaging the logits of the {2**n} subnetworks of {n} units, with p = {p}",
        think="The mean of m / (1 - p) is 1. Does every term of z pass the mask once?",
    )

# %% hidden aspect="the arithmetic mean counts each member with its weight" points=1
torch.manual_seed(3)
for members, classes in ((8, 4), (5, 1), (1, 3)):
    outputs, weights = torch.randn(members, classes).to(f64), torch.rand(members).to(f64)
    weights /= weights.sum()
    expect.close(
        arithmetic_mean(outputs.clone(), weights.clone()),
        sum(w * row for w, row in zip(weights, outputs, strict=True)),
        when=f"averaging {members} rows of {classes} outputs",
        think="Weights multiply the members, not the outputs of one of them.",
    )

# %% hidden aspect="for a softmax the geometric mean is the full network" points=2
torch.manual_seed(4)
for n, classes, p in ((3, 4, 0.3), (3, 2, 0.5), (6, 5, 0.1)):
    h, weight, bias = (
        torch.randn(n).to(f64),
        torch.randn(classes, n).to(f64),
        torch.randn(classes).to(f64),
    )
    masks = torch.tensor([[float(i >> k & 1) for k in range(n)] for i in range(2**n)]).to(f64)
    kept = masks.sum(dim=1)
    weights = (1 - p) ** kept * p ** (n - kept)
    probabilities = ((masks * h / (1 - p)) @ weight.T + bias).softmax(dim=1)
    expect.close(
        geometric_mean(probabilities, weights),
        (weight @ h + bias).softmax(dim=0),
        when=f"averaging the softmax of {2**n} subnetworks geometrically, with p = {p}",
        think="A weight is an exponent here, and the classes have to add up to 1 in the end.",
    )
# A thousand members: a product of all of them underflows, their logarithms do not.
probabilities = torch.full((1000, 2), 1e-3, dtype=f64)
probabilities[:, 1] = 2e-3
expect.close(
    geometric_mean(probabilities, torch.full((1000,), 1e-3, dtype=f64)),
    [1 / 3, 2 / 3],
    when="averaging a thousand equal rows (0.001, 0.002)",
    think="The members agree, so what is their mean, once it adds up to 1?",
)

# %% hidden aspect="the counterexample shows a gap behind a ReLU" points=1
expect.kind(example, dict, when="reading the example", think="It has the keys h, w and b.")
expect.equal(
    sorted(example),
    ["b", "h", "w"],
    when="reading the keys of the example",
    think="Activations h, weights w, bias b.",
)
for key in ("h", "w"):
    expect.kind(example[key], (list, tuple), when=f"reading {key} of the example")
    expect.equal(len(example[key]), 3, when=f"counting the numbers of {key}")
for number in (*example["h"], *example["w"], example["b"]):
    expect.between(
        number,
        -1,
        1,
        when="looking at each number of the example",
        think="With large numbers any gap can be made large.",
    )
h, w, b = (torch.as_tensor(example[key], dtype=f64) for key in ("h", "w", "b"))
masks = torch.tensor([[float(i >> k & 1) for k in range(3)] for i in range(8)]).to(f64)
kept = masks.sum(dim=1)
average = (0.7**kept * 0.3 ** (3 - kept)) @ ((masks * h / 0.7) @ w + b).relu()
expect.true(
    (average - (w @ h + b).relu()).abs() > 0.01,
    when="comparing the average over the 8 subnetworks with the full network, with p = 0.3",
    wanted="a difference of more than 0.01",
    got=f"{float(average):.4f} and {float((w @ h + b).relu()):.4f}",
    think="Where is a ReLU linear? Some subnetworks have to lie on either side of its kink.",
)


# %% alternative of="all_masks"
def from_binary_numbers(n):
    return (torch.arange(2**n)[:, None] >> torch.arange(n) & 1).to(f64)


# %% alternative of="all_masks"
def by_doubling(n):
    masks = torch.ones(1, 0, dtype=f64)
    for _ in range(n):
        new = torch.ones(len(masks), 1, dtype=f64)
        masks = torch.cat([torch.cat([masks, new], 1), torch.cat([masks, 0 * new], 1)])
    return masks


# %% alternative of="weights_of"
def from_the_number_kept(masks, p):
    kept = masks.sum(1).to(f64)
    return (1 - p) ** kept * p ** (masks.shape[1] - kept)


# %% alternative of="subnetwork_logits"
def one_by_one(h, weight, bias, masks, p):
    return torch.stack([F.linear(mask * h, weight / (1 - p), bias) for mask in masks])


# %% alternative of="geometric_mean"
def with_powers(probabilities, weights):
    product = (probabilities ** weights[:, None]).prod(0)
    return product / product.sum()


# %% alternative of="example"
def at_the_kink():
    return {"h": [1, 0, 0], "w": [1, 0, 0], "b": -1}


# %% mistake of="all_masks" fails="every mask appears once"
def leaves_out_the_silent_network(n):
    """The mask of zeros is drawn as well, with probability p^n: it is a member like the others."""
    return torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=f64)] * n).reshape(-1, n)[1:]


# %% mistake of="all_masks" fails="every mask appears once"
def counts_kept_units_only(n):
    """Which units are kept matters, not only how many: n + 1 rows are too few from two units on."""
    return torch.tril(torch.ones(n + 1, n, dtype=f64), diagonal=-1)


# %% mistake of="weights_of" fails="a mask weighs as much as the probability to draw it"
def gives_all_the_same_weight(masks, p):
    """All masks are equally probable for p = 0.5 alone; otherwise the number of kept units counts."""
    return torch.full((len(masks),), 0.5 ** masks.shape[1], dtype=f64)


# %% mistake of="weights_of" fails="a mask weighs as much as the probability to draw it"
def takes_p_for_the_share_kept(masks, p):
    """A 1 in the mask is a kept unit, and p is the probability of being dropped."""
    return (masks * p + (1 - masks) * (1 - p)).prod(dim=1)


# %% mistake of="weights_of" fails="a mask weighs as much as the probability to draw it"
def adds_the_number_of_orders(masks, p):
    """A mask says which units are kept; how many masks keep as many of them plays no part."""
    n, kept = masks.shape[1], masks.sum(1)
    orders = torch.exp(
        torch.lgamma(torch.tensor(n + 1.0, dtype=f64))
        - torch.lgamma(kept + 1)
        - torch.lgamma(n - kept + 1)
    )
    return orders * (1 - p) ** kept * p ** (n - kept)


# %% mistake of="subnetwork_logits" fails="for a linear output the average is the full network"
def forgets_to_scale(h, weight, bias, masks, p):
    """Kept activations are divided by 1 - p; otherwise the average sees only 1 - p of each."""
    return (masks * h) @ weight.T + bias


# %% mistake of="subnetwork_logits" fails="for a linear output the average is the full network"
def scales_the_bias_too(h, weight, bias, masks, p):
    """Dropout acts on the activations; the bias is added behind it, unscaled."""
    return ((masks * h) @ weight.T + bias) / (1 - p)


# %% mistake of="arithmetic_mean" fails="the arithmetic mean counts each member with its weight"
def averages_without_weights(outputs, weights):
    """Members are drawn with different probabilities, and count with them."""
    return outputs.mean(dim=0)


# %% mistake of="geometric_mean" fails="for a softmax the geometric mean is the full network"
def averages_arithmetically(probabilities, weights):
    """The arithmetic mean of probabilities is not what one pass computes; multiply in place of adding."""
    return weights @ probabilities


# %% mistake of="geometric_mean" fails="for a softmax the geometric mean is the full network"
def forgets_to_normalize(probabilities, weights):
    """Geometric means of probabilities add up to less than 1; divide by their sum."""
    return (weights @ probabilities.log()).exp()


# %% mistake of="example" fails="the counterexample shows a gap behind a ReLU"
def stays_on_one_side_of_the_kink():
    """If all subnetworks are on the positive side, the ReLU does nothing and the average is exact."""
    return {"h": [0.5, 0.5, 0.5], "w": [0.5, 0.5, 0.5], "b": 0.5}
