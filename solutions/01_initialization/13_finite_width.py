# %% exercise [markdown] items="113" stars=3 minutes=50 level="evaluate" goal="prove what He's variance keeps at every width, and compute what it does not"
r"""
# What He's variance keeps at finite width
"With He's variance the activations of layer $L$ have the same variance as those of layer 1": so it
stands in many a text, proof included. For networks of eight units a layer it is false: from layer 1
to layer 10 the variance grows from 0.68 to 0.93. What the proof shows is something else; the claim
itself holds in the limit of infinite width only, and narrow or very deep networks are far from it.

The network: $z_l = W_l\,a_{l-1}$ and $a_l = \mathrm{ReLU}(z_l)$ for $l = 1, \dots, L$, all layers $n$
units wide. The weights are independent, normal, with mean 0 and variance $2/n$. The input $a_0 = x$
is fixed, with $\tfrac{1}{n}\sum_i x_i^2 = 1$. $\mathrm{E}$ and $\mathrm{Var}$ are taken over the
weights, as if over very many networks, for one unit of a layer; by symmetry all units of a layer are
alike.
"""

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from autograder import expect

LINES = "ABCDEFGH"

# %% [markdown]
r"""
## What is kept
Here is a proof, shuffled, that $\mathrm{Var}(z_l)$ and $\mathrm{E}[a_l^2]$ are the same for all
$l \ge 1$, at every width. Read $z_l$, $a_l$ as one unit of the layer.

- **A.** With $\mathrm{E}[a_l^2] = \tfrac{1}{2}\,\mathrm{E}[z_l^2]$ and $\mathrm{E}[z_l^2] =
  \mathrm{Var}(z_l) = 2\,\mathrm{E}[a_{l-1}^2]$ we have $\mathrm{E}[a_l^2] =
  \mathrm{E}[a_{l-1}^2]$.
- **B.** Given $a_{l-1}$, a unit $z_l$ is a sum of the numbers of $a_{l-1}$ with weights of mean 0
  and variance $2/n$: it has mean 0, and its second moment is $\tfrac{2}{n}$ times the sum of the
  squares of $a_{l-1}$.
- **C.** By induction over the layers $\mathrm{E}[a_l^2] = \tfrac{1}{n}\sum_i x_i^2 = 1$ for every
  $l$.
- **D.** So with the opposite sign for all its weights, which is as likely, $z_l$ becomes $-z_l$: its
  distribution is symmetric about 0.
- **E.** And since the variance of a unit is twice the second moment of the layer before,
  $\mathrm{Var}(z_l) = 2$ for every $l$, too.
- **F.** Averaged over $a_{l-1}$, the conditional mean and the conditional second moment give
  $\mathrm{E}[z_l] = 0$ and $\mathrm{Var}(z_l) = \mathrm{E}[z_l^2] = 2\,\mathrm{E}[a_{l-1}^2]$.
- **G.** Of a symmetric distribution ReLU keeps one half, and this half has half of the second
  moment: $\mathrm{E}[a_l^2] = \tfrac{1}{2}\,\mathrm{E}[z_l^2]$.
- **H.** Let $W_l$ be independent of $a_{l-1}$, which depends on the weights of earlier layers alone.

A line may come only after every line whose result it uses. Where two lines do not use each other,
either order is right. Write the letters in an order in which the proof holds.
"""

# %% solution
# The eight letters in an order in which the proof holds, such as "HGFEDCBA".
### BEGIN SOLUTION
order = "HBFDGACE"
### END SOLUTION

# %% check
expect.kind(order, str, when="reading the order", think="The letters in one pair of quotes.")
expect.equal(
    sorted(order),
    sorted(LINES),
    when="reading the letters of the order",
    think="Each of the eight letters once, and nothing between them.",
)

# %% [markdown]
r"""
## What is not kept
$\mathrm{Var}(a_l) = \mathrm{E}[a_l^2] - \mathrm{E}[a_l]^2$, and the mean is not kept. Follow
$q_l = \tfrac{1}{n}\sum_i a_{l,i}^2$, the mean square of *one* network's layer; $q_0 = 1$.
Given $q_{l-1}$, the $n$ units $z_l$ are independent and normal with variance $2\,q_{l-1}$,
whatever the single numbers of $a_{l-1}$ are. So $q_l = q_{l-1} X_l$ with independent factors

$$ X = \frac{2}{n} \sum_{i=1}^{K} g_i^2, $$

where the $g_i$ are standard normal and $K$, the number of units that ReLU lets pass, is how many of
$n$ coins show heads.

- `mean_root`: $\mathrm{E}[\sqrt{X}]$, a sum over $K = 0, \dots, n$. The root of the sum of $k$ squares
  of standard normal numbers has the mean $\sqrt{2}\,\Gamma(\tfrac{k+1}{2}) / \Gamma(\tfrac{k}{2})$,
  and 0 for $k = 0$.
- `mean_activation`: $\mathrm{E}[a_l]$. Given $q_{l-1}$ it is what you know from a ReLU of a normal
  $z$ of this variance; then take the mean over $q_{l-1}$.
- `mean_square_of_q`: $\mathrm{E}[q_l^2]$, which tells how unlike each other single networks are.
  *Hint:* $\mathrm{E}[X^2]$ is a short formula. The square of a sum of $k$ squares has the mean
  $k^2 + 2k$, and the mean of $K^2$ is $n/4 + n^2/4$.
"""


# %% solution
def mean_root(n: int) -> float:
    """E[sqrt(X)] for layers of n units."""
    ### BEGIN SOLUTION
    total = 0.0
    for k in range(1, n + 1):
        root = math.sqrt(2) * math.exp(math.lgamma((k + 1) / 2) - math.lgamma(k / 2))
        total += math.comb(n, k) / 2**n * root
    return math.sqrt(2 / n) * total
    ### END SOLUTION


def mean_activation(n: int, layer: int) -> float:
    """E[a_l] of a unit of layer `layer`, counted from 1, in a network with n units a layer."""
    ### BEGIN SOLUTION
    return mean_root(n) ** (layer - 1) / math.sqrt(math.pi)
    ### END SOLUTION


def mean_square_of_q(n: int, layer: int) -> float:
    """E[q_l^2]; its square root, minus a little, is how far q_l scatters about its mean 1."""
    ### BEGIN SOLUTION
    return (1 + 5 / n) ** layer
    ### END SOLUTION


# %% check
# One unit: a coin decides whether X is 0 or 2 g^2, and |g| has the mean sqrt(2 / pi).
expect.close(
    mean_root(1),
    1 / math.sqrt(math.pi),
    when="a layer has a single unit",
    think="With probability 1/2 nothing passes, else the root is sqrt(2) |g|.",
)
expect.close(
    mean_activation(8, 1),
    1 / math.sqrt(math.pi),
    when="looking at the first layer, where z has variance 2 whatever the width",
    think="E[ReLU(z)] is sigma / sqrt(2 pi).",
)
# X^2 is 0 or 4 g^4, and g^4 has the mean 3.
expect.close(
    mean_square_of_q(1, 1),
    6.0,
    when="a layer has a single unit",
    think="With probability 1/2 nothing passes, else q is 2 g^2.",
)

# %% [markdown]
r"""
## See whether it is true
Many small networks at once: batched matrix products are your friend.
"""


# %% solution
def simulate(n: int, n_layers: int, n_networks: int) -> Tensor:
    """The activations of all networks, float64, shape (n_layers, n_networks, n): [l - 1] is a_l.

    Every network has its own weights in every layer, and the input x = (1, ..., 1). Random numbers
    come from torch's own generator.
    """
    ### BEGIN SOLUTION
    a, layers = torch.ones(n_networks, n, 1, dtype=torch.float64), []
    for _ in range(n_layers):
        weights = math.sqrt(2 / n) * torch.randn(n_networks, n, n, dtype=torch.float64)
        a = (weights @ a).relu()
        layers.append(a.squeeze(-1))
    return torch.stack(layers)
    ### END SOLUTION


# %% check
a = simulate(4, 3, 5)
expect.shape(a, (3, 5, 4), when="simulating 5 networks of 3 layers with 4 units")
expect.true(
    a.dtype == torch.float64 and bool((a >= 0).all()),
    when="simulating 5 networks of 3 layers with 4 units",
    wanted="activations behind ReLU, in float64",
    got=f"{a.dtype}, the smallest of them {a.min().item():.3g}",
)

# %%
# Dots: networks. Lines: your formula. Var(a) is 1 - E[a]^2: what shrinks here, grows there.
try:
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    layers = range(1, 11)
    for n, networks in ((4, 6000), (8, 3000), (16, 1500)):
        (line,) = axes.plot(
            layers, [mean_activation(n, layer) for layer in layers], label=f"n = {n}"
        )
        axes.plot(layers, simulate(n, 10, networks).mean(dim=(1, 2)), "o", color=line.get_color())
    axes.axhline(1 / math.sqrt(math.pi), color="gray", linestyle="--", label="infinite width")
    axes.set(
        title="ReLU networks with He's variance", xlabel="layer", ylabel="E[a]", ylim=(0, 0.65)
    )
    axes.legend()
except NotImplementedError:
    plt.close(figure)
    print("the functions above are not written yet")

# %% hidden aspect="each line comes after those that it uses" points=1
expect.kind(order, str, when="reading the order", think="The letters in one pair of quotes.")
expect.equal(sorted(order), sorted("ABCDEFGH"), when="reading the letters of the order")
uses = {"B": "H", "D": "H", "F": "B", "G": "D", "A": "FG", "C": "A", "E": "FC"}
hints = {
    "B": "B needs the weights to be what they are even if a_{l-1} is known. Why are they?",
    "D": "D changes the signs of weights and leaves a_{l-1} alone. Why may it?",
    "F": "F averages what is known given a_{l-1}: where does that stand?",
    "G": "G speaks of a symmetric distribution. Who says that it is one?",
    "A": "A puts two facts into each other. Where is each of them shown?",
    "C": "An induction needs its step, from one layer to the next.",
    "E": "E needs the second moment of the layer before, for every layer.",
}
for line, needed in uses.items():
    expect.true(
        all(order.index(other) < order.index(line) for other in needed),
        when=f"looking at what comes before line {line}",
        wanted="every line that it uses",
        got=", ".join(order[: order.index(line)]) or "nothing",
        think=hints[line],
    )

# %% hidden aspect="the mean of the root of X is known for every width" points=1
# E[X^(1/2)] by another way: for a fraction, sqrt(x) = c * integral of (1 - exp(-s x)) s^(-3/2) ds,
# with c = 1 / (2 sqrt(pi)), and E[exp(-s X)] = ((1 + (1 + 4 s / n)^(-1/2)) / 2)^n.
for n in (1, 2, 3, 8, 50, 400):
    u = torch.linspace(-50, 50, 20_001, dtype=torch.float64)  # s = exp(u)
    s = u.exp()
    laplace = n * torch.log((1 + (1 + 4 * s / n).rsqrt()) / 2)
    area = torch.trapezoid(-torch.expm1(laplace) * (-u / 2).exp(), u).item()
    expect.close(
        mean_root(n),
        area / (2 * math.sqrt(math.pi)),
        rtol=1e-6,  # what the integral is worth
        when=f"computing E[sqrt(X)] for layers of width {n}",
        think="Heads of n coins: each K has its probability, and the root stands inside the mean.",
    )

# %% hidden aspect="the mean activation is known for every layer, given the mean of the root" points=1
for n in (2, 8, 50):
    expect.close(
        [mean_activation(n, layer) for layer in (1, 2, 7, 10)],
        [mean_root(n) ** steps * math.pi**-0.5 for steps in (0, 1, 6, 9)],
        when=f"comparing the layers 1, 2, 7 and 10 of networks {n} wide, given your `mean_root`",
        think="z_l has variance 2 q_{l-1}, and q_{l-1} is a product of l - 1 independent factors.",
    )

# %% hidden aspect="the second moment of q is known for every width and layer" points=1
for n in (1, 2, 8, 100):
    # E[X^2] from the distribution of K: k^2 + 2 k, averaged over the heads of n coins.
    square = sum(math.comb(n, k) * (k * k + 2 * k) for k in range(n + 1)) * 4 / n**2 / 2**n
    for layer in (1, 2, 10):
        expect.close(
            mean_square_of_q(n, layer),
            square**layer,
            when=f"computing E[q^2] behind layer {layer} of networks {n} wide",
            think="The square of a product of independent factors; each E[X^2] is 1 + something / n.",
        )

# %% hidden aspect="weights of variance 2/n and a ReLU in every layer keep the mean square" points=1
# expect.average allows 6 standard errors, a false alarm in 10^8 runs. log q behind 3 layers of 100
# units scatters by 0.39 from network to network, and its mean over 20 of them by 0.09: beyond 1.5
# lies only what is wrong by a factor of 2 in every layer.
torch.manual_seed(1)
a = simulate(1, 1, 8000)
expect.shape(a, (1, 8000, 1), when="simulating 8,000 networks of one layer with one unit")
expect.average(
    a.flatten(),
    1 / math.sqrt(math.pi),
    when="averaging the activations of 8,000 networks with a single unit, whose input is 1",
    think="By what is `torch.randn` multiplied, so that its variance becomes 2 / n?",
)
a = simulate(100, 3, 20)
expect.shape(a, (3, 20, 100), when="simulating 20 networks of 3 layers with 100 units")
expect.between(
    a[2].square().mean(dim=1).clamp(min=1e-30).log().mean().item(),
    -1.5,
    1.5,
    when="averaging log q behind three layers of 100 units",
    think="Is the variance of the weights 2 / n in every layer?",
)
expect.between(
    (a > 0).double().mean().item(),
    0.3,
    0.7,
    when="looking at the share of units above 0 in three layers of 100 units",
    think="Behind a ReLU half of them are 0.",
)

# %% hidden aspect="every layer of every network has weights of its own" points=1
# A network is dead behind a layer in which all units are 0. One unit lives with probability 1/2,
# two with 3/4, independently in each layer. 6 standard errors of 4,000 networks: a false alarm in
# 10^8 runs, of which there are six here.
torch.manual_seed(2)
expect.true(
    not torch.equal(simulate(3, 1, 10), simulate(3, 1, 10)),
    when="simulating twice",
    wanted="other networks the second time",
    got="the same ones",
    think="A function that sets the seed itself makes every experiment the same one.",
)
for n, alive in ((1, 0.5), (2, 0.75)):
    a = simulate(n, 3, 4000)
    expect.shape(a, (3, 4000, n), when=f"simulating 4,000 networks of 3 layers of width {n}")
    for layer in (1, 2, 3):
        share, wanted = (a[layer - 1] > 0).any(dim=1).double().mean().item(), alive**layer
        error = math.sqrt(wanted * (1 - wanted) / 4000)
        expect.between(
            share,
            wanted - 6 * error,
            wanted + 6 * error,
            when=f"counting the networks of width {n} that are alive behind layer {layer}",
            think="Each weight's sign is a coin of its own: in every layer and every network.",
        )


# %% alternative of="order"
def symmetry_first():
    return "HDGBFACE"


# %% alternative of="order"
def in_between():
    return "HBDFGACE"


# %% alternative of="mean_root"
def with_gamma_functions(n):
    return sum(
        math.comb(n, k)
        * 0.5**n
        * math.sqrt(4 / n)
        * math.exp(math.lgamma(k / 2 + 0.5) - math.lgamma(k / 2))
        for k in range(1, n + 1)
    )


# %% alternative of="simulate"
def unit_by_unit_from_q(n, n_layers, n_networks):
    q, layers = torch.ones(n_networks, 1, dtype=torch.float64), []
    for _ in range(n_layers):
        a = (torch.sqrt(2 * q) * torch.randn(n_networks, n, dtype=torch.float64)).relu()
        q = a.square().mean(dim=1, keepdim=True)
        layers.append(a)
    return torch.stack(layers)


# %% mistake of="order" fails="each line comes after those that it uses"
def halves_before_symmetry():
    """ReLU keeps half of the second moment because the distribution is symmetric: D before G."""
    return "HGDBFACE"


# %% mistake of="order" fails="each line comes after those that it uses"
def concludes_before_the_step():
    """The induction of line C needs its step, and that is line A."""
    return "HBFDGCAE"


# %% mistake of="mean_root" fails="the mean of the root of X is known for every width"
def takes_the_root_of_the_mean(n):
    """The mean of X is 1, but the mean of its root is less: that is why Var(a) grows."""
    return 1.0


# %% mistake of="mean_root" fails="the mean of the root of X is known for every width"
def lets_half_the_units_pass(n):
    """K is n/2 only on average: how many units pass is drawn, too, and adds to the scatter."""
    return math.sqrt(4 / n) * math.exp(math.lgamma(n / 4 + 0.5) - math.lgamma(n / 4))


# %% mistake of="mean_activation" fails="the mean activation is known for every layer, given the mean of the root"
def counts_one_layer_too_many(n, layer):
    """The first layer sees the fixed input, q_0 = 1: only l - 1 factors have entered."""
    return mean_root(n) ** layer / math.sqrt(math.pi)


# %% mistake of="mean_activation" fails="the mean activation is known for every layer, given the mean of the root"
def believes_in_infinite_width(n, layer):
    """The mean stays what it is only if q does not scatter, in the limit of infinite width."""
    return 1 / math.sqrt(math.pi)


# %% mistake of="mean_square_of_q" fails="the second moment of q is known for every width and layer"
def forgets_that_units_drop_out(n, layer):
    """That is a linear network with weights 1/n; with ReLU, K is random and fewer units pass."""
    return (1 + 2 / n) ** layer


# %% mistake of="mean_square_of_q" fails="the second moment of q is known for every width and layer"
def adds_up_the_layers(n, layer):
    """Factors multiply; the sum is only the beginning of the power."""
    return 1 + 5 * layer / n


# %% mistake of="simulate" fails="weights of variance 2/n and a ReLU in every layer keep the mean square; every layer of every network has weights of its own"
def gives_all_networks_the_same_weights(n, n_layers, n_networks):
    """One set of weights makes one network, many times over: nothing is averaged."""
    a, layers = torch.ones(n_networks, n, dtype=torch.float64), []
    for _ in range(n_layers):
        a = (a @ (math.sqrt(2 / n) * torch.randn(n, n, dtype=torch.float64))).relu()
        layers.append(a)
    return torch.stack(layers)


# %% mistake of="simulate" fails="every layer of every network has weights of its own"
def uses_the_same_weights_in_every_layer(n, n_layers, n_networks):
    """The factors of the layers are independent only if every layer has weights of its own."""
    a, layers = torch.ones(n_networks, n, 1, dtype=torch.float64), []
    weights = math.sqrt(2 / n) * torch.randn(n_networks, n, n, dtype=torch.float64)
    for _ in range(n_layers):
        a = (weights @ a).relu()
        layers.append(a.squeeze(-1))
    return torch.stack(layers)


# %% mistake of="simulate" fails="weights of variance 2/n and a ReLU in every layer keep the mean square"
def takes_the_variance_for_the_std(n, n_layers, n_networks):
    """`torch.randn` is multiplied by the standard deviation, the root of the variance."""
    a, layers = torch.ones(n_networks, n, 1, dtype=torch.float64), []
    for _ in range(n_layers):
        a = (2 / n * torch.randn(n_networks, n, n, dtype=torch.float64) @ a).relu()
        layers.append(a.squeeze(-1))
    return torch.stack(layers)
