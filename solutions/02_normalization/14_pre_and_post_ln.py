# %% exercise [markdown] items="148" stars=3 minutes=75 level="analyze" goal="say from the Jacobian what Pre-LN does for gradients, and what it does not"
r"""
# Pre-LN and Post-LN
Post-LN transformers often diverge without a learning-rate warm-up; with Pre-LN it can be short.
Both are stacks of residual blocks. All that differs is where the LayerNorm stands:

$$ \text{Post-LN: } y = \mathrm{LN}(x + F(x)) \qquad \text{Pre-LN: } y = x + F(\mathrm{LN}(x)) $$

The second corresponds to the first, but it is another function. Its Jacobian, with $J_F$ taken at
$\mathrm{LN}(x)$,

$$ \frac{\partial y}{\partial x} = I + J_F \, J_{\mathrm{LN}} $$

contains an identity. Many texts conclude that "the gradient is at least 1 and cannot vanish". You
will check that with weights of your own making, and then look at whole stacks at initialization.

Every LayerNorm here is without scale and shift: $\hat x = (x - \mu) / s$ with
$s = \sqrt{\sigma^2 + \varepsilon}$ and the biased variance over the last dimension.

*Hint:* $x_j$ acts on $\hat x_i$ in three ways: in the numerator, in $\mu$ and in $s$. So
$s J_{\mathrm{LN}}$ is the identity minus two matrices of rank one.

*Hint:* which $F(u) = W u$ would turn $I + W J_{\mathrm{LN}}$ into those two matrices?
"""

# %%
import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect


def sublayer(u: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """The part between the norms: two linear layers and a ReLU, from n features to n."""
    return F.linear(F.linear(u, w1).relu(), w2)


def fresh_stack(depth: int, n: int) -> list[tuple[Tensor, Tensor]]:
    """`depth` pairs of weights at initialization, of shapes (4n, n) and (n, 4n)."""
    wide = 4 * n
    return [
        (torch.randn(wide, n) * math.sqrt(2 / n), torch.randn(n, wide) * math.sqrt(1 / wide))
        for _ in range(depth)
    ]


# %% solution
def post_ln(x: Tensor, w1: Tensor, w2: Tensor, eps: float = 1e-5) -> Tensor:
    """The Post-LN block around `sublayer`. `x` is (..., n), and so is the result."""
    ### BEGIN SOLUTION
    return F.layer_norm(x + sublayer(x, w1, w2), x.shape[-1:], eps=eps)
    ### END SOLUTION


def pre_ln(x: Tensor, w1: Tensor, w2: Tensor, eps: float = 1e-5) -> Tensor:
    """The Pre-LN block around `sublayer`. `x` is (..., n), and so is the result."""
    ### BEGIN SOLUTION
    return x + sublayer(F.layer_norm(x, x.shape[-1:], eps=eps), w1, w2)
    ### END SOLUTION


# %% check
# LN(-1, 1) is half of it for eps = 3, so Pre-LN adds (0, 1/2). Post-LN normalizes (-1, 2), of mean
# 1/2 and variance 9/4: for eps = 4 the root is 5/2.
x, eye = torch.tensor([-1.0, 1.0]).double(), torch.eye(2).double()
expect.close(
    pre_ln(x.clone(), eye.clone(), eye.clone(), eps=3.0),
    [-1.0, 1.5],
    when="sending (-1, 1) through a Pre-LN block whose sublayer is a ReLU, eps 3",
    think="Which of the two terms sees a normalized input?",
)
expect.close(
    post_ln(x.clone(), eye.clone(), eye.clone(), eps=4.0),
    [-0.6, 0.6],
    when="sending (-1, 1) through a Post-LN block whose sublayer is a ReLU, eps 4",
    think="What is normalized: the input, the sum, or the sublayer's output?",
)


# %% solution
def layer_norm_jacobian(x: Tensor, eps: float = 1e-5) -> Tensor:
    """All derivatives of LN(x), `x` of shape (n,): entry (i, j) is that of output i for x_j."""
    ### BEGIN SOLUTION
    n, s = len(x), (x.var(unbiased=False) + eps).sqrt()
    x_hat = (x - x.mean()) / s
    eye, ones = torch.eye(n, dtype=x.dtype), torch.ones(n, n, dtype=x.dtype)
    return (eye - ones / n - torch.outer(x_hat, x_hat) / n) / s
    ### END SOLUTION


def pre_ln_jacobian(x: Tensor, w1: Tensor, w2: Tensor, eps: float = 1e-5) -> Tensor:
    """The Jacobian of the Pre-LN block at `x`, shape (n,), put together from its parts."""
    ### BEGIN SOLUTION
    on = F.linear(F.layer_norm(x, x.shape, eps=eps), w1) > 0
    of_sublayer = w2 @ (on[:, None] * w1)
    return torch.eye(len(x), dtype=x.dtype) + of_sublayer @ layer_norm_jacobian(x, eps)
    ### END SOLUTION


def silencing_weight(x: Tensor, eps: float = 1e-5) -> Tensor:
    """A weight W, shape (n, n), for which x + W LN(x) hardly answers to a change of x.

    Its Jacobian at `x`, shape (n,), has n - 2 singular values that are 0.
    """
    ### BEGIN SOLUTION
    return -(x.var(unbiased=False) + eps).sqrt() * torch.eye(len(x), dtype=x.dtype)
    ### END SOLUTION


# %% check
# Mean 4, variance 5, and s = 3 for eps = 4: x_hat is (-1, -1/3, 1/3, 1).
x = torch.tensor([1.0, 3.0, 5.0, 7.0]).double()
expect.close(
    layer_norm_jacobian(x.clone(), eps=4.0)[0],
    [1 / 6, -1 / 9, -1 / 18, 0.0],
    when="looking at the first row of the Jacobian of LN at (1, 3, 5, 7), eps 4",
    think="A nudge of x_j moves the mean and the deviation too.",
)
pair, eye = torch.tensor([-1.0, 1.0]).double(), torch.eye(2).double()
expect.close(
    pre_ln_jacobian(pair.clone(), eye.clone(), eye.clone(), eps=3.0),
    [[1.0, 0.0], [-0.1875, 1.1875]],
    when="looking at the Jacobian of a Pre-LN block whose sublayer is a ReLU, at (-1, 1), eps 3",
    think="What does the ReLU let through, and what comes before it in the chain?",
)
weight = silencing_weight(x.clone(), eps=4.0)
expect.shape(weight, (4, 4), when="building a silencing weight for (1, 3, 5, 7)")
jacobian = torch.autograd.functional.jacobian(
    lambda v: v + F.layer_norm(v, (4,), eps=4.0) @ weight.T, x
)
expect.close(
    torch.linalg.svdvals(jacobian)[2:],
    [0.0, 0.0],
    atol=1e-12,  # rounding
    when="looking at the two smallest singular values of x + W LN(x) at (1, 3, 5, 7), eps 4",
    think="The identity can be undone by something of the same size and the other sign.",
)


# %% solution
def gradient_norms(
    kind: str, x: Tensor, weights: list[tuple[Tensor, Tensor]], head: Tensor, targets: Tensor
) -> list[float]:
    """How long the gradient of each block is, first block first: w1 and w2 taken together.

    The stack sends `x`, shape (N, n), through one "post" or "pre" block a pair of weights, and
    `head`, shape (K, n), makes K logits of that; the loss is their mean cross-entropy with
    `targets`. Behind the last Pre-LN block stands one more LayerNorm, in front of the head.
    """
    ### BEGIN SOLUTION
    block = {"post": post_ln, "pre": pre_ln}[kind]
    weights = [[w.detach().clone().requires_grad_() for w in pair] for pair in weights]
    for w1, w2 in weights:
        x = block(x, w1, w2)
    if kind == "pre":
        x = F.layer_norm(x, x.shape[-1:])
    F.cross_entropy(x @ head.T, targets).backward()
    return [math.hypot(w1.grad.norm(), w2.grad.norm()) for w1, w2 in weights]
    ### END SOLUTION


def plot_gradient_norms(norms: dict[str, list[float]]) -> Figure:
    """One line a stack, under its name: the norms over the block's number, 1 for the first.

    The y axis is logarithmic. Say what the axes and the picture show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, values in norms.items():
        axes.plot(range(1, len(values) + 1), values, marker=".", label=name)
    axes.set(yscale="log", xlabel="block, from the input on", ylabel="length of its gradient")
    axes.set_title("Gradients at initialization")
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
# The last blocks of Post-LN get large gradients, and a warm-up keeps the first steps short. Those
# of Pre-LN shrink as the stack gets deeper, about as one over the root of its depth.
torch.manual_seed(0)
x, head, targets = torch.randn(64, 32), torch.randn(10, 32) / 32**0.5, torch.randint(0, 10, (64,))
norms = {}
for name, kind, depth in (
    ("Post-LN, 24 blocks", "post", 24),
    ("Post-LN, 6 blocks", "post", 6),
    ("Pre-LN, 6 blocks", "pre", 6),
    ("Pre-LN, 24 blocks", "pre", 24),
):
    lengths = [gradient_norms(kind, x, fresh_stack(depth, 32), head, targets) for _ in range(4)]
    expect.shape(
        torch.tensor(lengths[0]),
        (depth,),
        when=f"measuring the gradients of a stack ({name})",
        think="One number a block.",
    )
    norms[name] = torch.tensor(lengths).mean(dim=0).tolist()
expect.figure(
    plot_gradient_norms(norms),
    when="drawing the gradients of four kinds of stack, each averaged over four draws",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=4,
    yscale="log",
)

# %% hidden aspect="post_ln normalizes the sum" points=1
from autograder import reference

torch.manual_seed(1)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
for shape in ((5, 4), (2, 3, 4)):
    for eps in (1e-5, 0.1):
        x = torch.randn(*shape).double()
        expect.close(
            post_ln(x.clone(), w1.clone(), w2.clone(), eps=eps),
            reference.post_ln(x, w1, w2, eps=eps),
            when=f"sending a batch of shape {shape} through a Post-LN block, eps {eps:g}",
            think="Post-LN comes after the addition, and over the last dimension alone.",
        )

# %% hidden aspect="pre_ln normalizes what the sublayer reads, and that alone" points=1
from autograder import reference

torch.manual_seed(2)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
for shape in ((5, 4), (2, 3, 4)):
    for eps in (1e-5, 0.1):
        x = 3 * torch.randn(*shape).double() + 1
        expect.close(
            pre_ln(x.clone(), w1.clone(), w2.clone(), eps=eps),
            reference.pre_ln(x, w1, w2, eps=eps),
            when=f"sending a batch of shape {shape} through a Pre-LN block, eps {eps:g}",
            think="What travels along the identity path, before or after a norm?",
        )

# %% hidden aspect="layer_norm_jacobian holds what a nudge of each input changes" points=1
torch.manual_seed(3)
for n, eps, scale in ((5, 1e-5, 2.0), (8, 0.1, 1.0), (6, 1e-5, 0.01)):
    x = scale * torch.randn(n).double() + 1
    expect.close(
        layer_norm_jacobian(x.clone(), eps=eps),
        torch.autograd.functional.jacobian(lambda v, e=eps: F.layer_norm(v, v.shape, eps=e), x),
        when=f"comparing with autograd at a point of {n} features, eps {eps:g}",
        think="Numerator, mean and deviation each bring a term, and the deviation divides by n.",
    )

# %% hidden aspect="the Pre-LN Jacobian is the identity plus a product of two Jacobians" points=1
torch.manual_seed(4)
w1, w2 = torch.randn(40, 5).double(), torch.randn(5, 40).double()
for eps in (1e-5, 0.1):
    x = 2 * torch.randn(5).double() + 1
    of_norm = layer_norm_jacobian(x.clone(), eps)
    expect.shape(
        of_norm,
        (5, 5),
        when="calling layer_norm_jacobian on five features",
        think="It is one of the parts, so it comes first.",
    )
    of_sublayer = torch.autograd.functional.jacobian(
        lambda u: sublayer(u, w1, w2), F.layer_norm(x, (5,), eps=eps)
    )
    expect.close(
        pre_ln_jacobian(x.clone(), w1.clone(), w2.clone(), eps=eps),
        torch.eye(5).double() + of_sublayer @ of_norm,
        when=f"putting the Jacobian of a Pre-LN block together at a random point, eps {eps:g}",
        think="Which factor acts first? Where is the sublayer's taken? What does I look like?",
    )

# %% hidden aspect="the silencing weight leaves only two directions" points=1
torch.manual_seed(5)
for n, eps in ((5, 1e-5), (8, 0.1), (32, 1e-5)):
    x = 3 * torch.randn(n).double() - 1
    weight = silencing_weight(x.clone(), eps=eps)
    expect.shape(weight, (n, n), when=f"building a silencing weight for {n} features")
    jacobian = torch.autograd.functional.jacobian(
        lambda v, w=weight, e=eps: v + F.layer_norm(v, v.shape, eps=e) @ w.to(v.dtype).T, x
    )
    expect.close(
        torch.linalg.svdvals(jacobian)[2:],
        torch.zeros(n - 2).double(),
        atol=1e-9,  # rounding, for singular values near 1
        when=f"looking at the n - 2 smallest singular values of x + W LN(x), n = {n}, eps {eps:g}",
        think="LN divides by s. What has W to be for W J_LN to take the identity away?",
    )

# %% hidden aspect="gradient_norms gives the length of each block's gradient, first block first" points=1
torch.manual_seed(6)
x, head, targets = torch.randn(9, 6), torch.randn(4, 6), torch.randint(0, 4, (9,))
weights = fresh_stack(5, 6)
leaves = [[w.clone().requires_grad_() for w in pair] for pair in weights]
stream = x
for w1, w2 in leaves:
    stream = post_ln(stream, w1, w2)
    expect.shape(stream, (9, 6), when="stacking post_ln", think="`post_ln` comes first.")
expect.true(
    stream.requires_grad,
    when="sending gradients through a stack of post_ln",
    wanted="a way from the output back to the weights",
    got="none",
    think="Does something cut the graph: detach, item, no_grad, numpy?",
)
flat = [w for pair in leaves for w in pair]
loss = F.cross_entropy(stream @ head.T, targets)
found = torch.autograd.grad(loss, flat, materialize_grads=True)
with expect.unchanged(
    w1=weights[0][0],
    w2=weights[-1][1],
    when="measuring the gradients of a stack",
    think="The weights belong to the caller.",
):
    for _ in range(2):  # a second call finds no gradients of the first
        got = gradient_norms("post", x.clone(), weights, head.clone(), targets.clone())
expect.close(
    got,
    [math.hypot(a.norm(), b.norm()) for a, b in zip(found[::2], found[1::2], strict=True)],
    rtol=1e-3,  # a second LayerNorm behind the first does no harm: it changes about 1e-5
    when="measuring the five gradients of a Post-LN stack, built of your blocks, twice",
    think="One length for both weights of a block; the mean loss; the block at the input first.",
)

# %% hidden aspect="the Pre-LN stack ends with a LayerNorm" points=1
torch.manual_seed(7)
x, head, targets = 5 * torch.randn(9, 6), torch.randn(4, 6), torch.randint(0, 4, (9,))
(one, two), (w1, w2) = fresh_stack(2, 6)
# The second weight of the last block is 0. So its first has no gradient, and the block's length is
# that of one gradient: it has to be among the numbers.
w2 = torch.zeros_like(w2).requires_grad_()
stream = pre_ln(pre_ln(x.clone(), one, two), w1, w2)
expect.shape(stream, (9, 6), when="stacking pre_ln", think="`pre_ln` comes first.")
expect.true(
    stream.requires_grad,
    when="sending gradients through a stack of pre_ln",
    wanted="a way from the output back to the weights",
    got="none",
    think="Does something cut the graph: detach, item, no_grad, numpy?",
)
loss = F.cross_entropy(F.layer_norm(stream, (6,)) @ head.T, targets)
wanted = torch.autograd.grad(loss, w2, materialize_grads=True)[0].norm().item()
weights = [(one.clone(), two.clone()), (w1.clone(), torch.zeros_like(w1.T))]
lengths = gradient_norms("pre", x.clone(), weights, head.clone(), targets.clone())
expect.kind(lengths, list, when="measuring the two gradients of a Pre-LN stack")
expect.shape(torch.tensor(lengths), (2,), when="measuring the two gradients of a Pre-LN stack")
expect.close(
    min(lengths, key=lambda length: abs(length - wanted)),
    wanted,
    rtol=1e-3,
    when="measuring the gradient of the last block of a Pre-LN stack, built of your blocks",
    think="Nothing has normalized the stream so far. What does the head read?",
)

# %% hidden aspect="the figure shows one line a stack on a log axis" points=1
torch.manual_seed(8)
norms = {
    "one": torch.rand(3).add(0.1).tolist(),
    "another": torch.rand(7).mul(50).add(0.1).tolist(),
    "a third": torch.rand(5).add(3.0).tolist(),
}
figure = plot_gradient_norms({name: list(values) for name, values in norms.items()})
expect.figure(
    figure,
    when="drawing three stacks of 3, 7 and 5 blocks",
    think="Blocks are counted from 1; each line has its name in the legend, each axis its label.",
    lines=[(range(1, len(values) + 1), values) for values in norms.values()],
    yscale="log",
    legend=3,
)
shown = figure if isinstance(figure, dict) else expect.describe_figure(figure)
for name in norms:
    expect.true(
        name in shown["axes"][0]["legend"],
        when="reading the legend of three stacks",
        wanted=f"the name {name!r}",
        got="none of that name",
        think="The keys of the dictionary are the names of the lines.",
    )

# %% setup
import math

import torch
import torch.nn.functional as F

# %% choice [markdown] id="true-of-pre-ln" points=1
r"""
What is true of Pre-LN blocks and stacks?

- [x] A sublayer with a small Jacobian does not make the gradient vanish.
  > Yes: next to it stands the identity.
- [ ] No singular value of its Jacobian is below 1, so no gradient vanishes.
  > I + A has no floor at 1: A may be minus the identity in most directions. You built such weights.
- [x] Behind the last block the stream has to be normalized once more.
  > Yes: along the identity path nothing has normalized it, and it has grown with the depth.
- [ ] It is equivalent to Post-LN: with the same weights both compute the same function.
  > They correspond to each other. Every output of Post-LN is normalized; is every one of Pre-LN?
- [ ] At initialization its last blocks get larger gradients than those of Post-LN do.
  > Look at the right end of your figure: the large ones are those of Post-LN.
"""

# %% evidence
n = 16
x, w1, w2 = torch.randn(n).double(), torch.randn(64, n).double(), torch.randn(n, 64).double()


def jacobian(f):
    return torch.autograd.functional.jacobian(f, x)


def block(v, w2):
    return v + F.linear(F.linear(F.layer_norm(v, (n,)), w1).relu(), w2)


# A small sublayer leaves all singular values near 1; W = -s I leaves two that are not 0.
small = torch.linalg.svdvals(jacobian(lambda v: block(v, 1e-4 * w2)))
assert small.min() > 0.9
s = (x.var(unbiased=False) + 1e-5).sqrt()
silenced = torch.linalg.svdvals(jacobian(lambda v: v - s * F.layer_norm(v, (n,))))
assert (silenced < 1e-9).sum() == n - 2
# The same weights, two functions.
post = F.layer_norm(x + F.linear(F.linear(x, w1).relu(), w2), (n,))
assert (block(x, w2) - post).abs().max() > 0.1

# %% evidence
# Stacks of 24 blocks at initialization, on average over three draws.
n, depth, last, spread = 32, 24, {"pre": 0.0, "post": 0.0}, []
for _ in range(3):
    for kind in last:
        x, head = torch.randn(64, n), torch.randn(10, n) / math.sqrt(n)
        for _ in range(depth):
            w1 = torch.randn(4 * n, n) * math.sqrt(2 / n)
            w2 = (torch.randn(n, 4 * n) / math.sqrt(4 * n)).requires_grad_()
            read = F.layer_norm(x, (n,)) if kind == "pre" else x
            x = x + F.linear(F.linear(read, w1).relu(), w2)
            x = F.layer_norm(x, (n,)) if kind == "post" else x
        if kind == "pre":
            spread.append(x.var().item())
            x = F.layer_norm(x, (n,))
        F.cross_entropy(x @ head.T, torch.randint(0, 10, (64,))).backward()
        last[kind] += w2.grad.norm().item()
assert min(spread) > 8  # it was 1 at the input
assert last["post"] > 1.5 * last["pre"]

# %% text [markdown] id="pre-ln-corrected" points=1
r"""
"The equivalent Pre-LN formulation is $y = x + F(\mathrm{LN}(x))$, and its +1 ensures a gradient of
at least 1, whatever the sublayer does." Correct both halves in two or three sentences. Say where
on its way from $y$ to $x$ a gradient meets a LayerNorm in each of the two.

- [1] Corresponding, not equivalent (Post-LN's outputs are normalized, Pre-LN's are not); in Post-LN every path meets the norm, in Pre-LN the identity path meets none, yet the sublayer's term may cancel it, so there is no lower bound.
"""

# %% evidence
# Post-LN: the whole gradient passes J_LN, so nothing arrives along the direction of all ones.
n = 16
x, w1 = torch.randn(n).double(), torch.randn(64, n).double()
w2 = torch.randn(n, 64).double()
ones = torch.ones(n).double()


def of(f):
    return torch.autograd.functional.jacobian(f, x)


post = of(lambda v: F.layer_norm(v + F.linear(F.linear(v, w1).relu(), w2), (n,)))
pre = of(lambda v: v + F.linear(F.linear(F.layer_norm(v, (n,)), w1).relu(), w2))
assert (ones @ post).abs().max() < 1e-9
assert (ones @ pre).abs().max() > 1e-3
assert ((pre - torch.eye(n)) @ ones).abs().max() < 1e-9  # that term ends in J_LN; I does not


# %% alternative of="post_ln"
def with_statistics_by_hand(x, w1, w2, eps=1e-5):
    total = x + (x @ w1.T).clamp(min=0) @ w2.T
    centred = total - total.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + eps) ** 0.5


# %% alternative of="pre_ln"
def with_a_module(x, w1, w2, eps=1e-5):
    norm = torch.nn.LayerNorm(x.shape[-1], eps=eps, elementwise_affine=False)
    return sublayer(norm(x), w1, w2) + x


# %% alternative of="layer_norm_jacobian"
def with_autograd(x, eps=1e-5):
    return torch.autograd.functional.jacobian(lambda v: F.layer_norm(v, v.shape, eps=eps), x)


# %% alternative of="pre_ln_jacobian"
def with_a_diagonal_matrix(x, w1, w2, eps=1e-5):
    u = F.layer_norm(x, x.shape, eps=eps)
    gate = torch.diag((w1 @ u > 0).to(x.dtype))
    product = w2 @ gate @ w1 @ layer_norm_jacobian(x, eps)
    product.diagonal().add_(1.0)
    return product


# %% alternative of="silencing_weight"
def with_a_projector(x, eps=1e-5):
    n, s = len(x), torch.sqrt(x.var(correction=0) + eps)
    return s * (torch.full((n, n), 1 / n).to(x) - torch.eye(n).to(x))


# %% alternative of="gradient_norms"
def with_one_call_of_grad(kind, x, weights, head, targets):
    flat = [w.clone().requires_grad_() for pair in weights for w in pair]
    stream = x
    for i in range(0, len(flat), 2):
        step = pre_ln if kind == "pre" else post_ln
        stream = step(stream, flat[i], flat[i + 1])
    stream = F.layer_norm(stream, stream.shape[-1:])
    loss = F.nll_loss(F.log_softmax(F.linear(stream, head), dim=-1), targets)
    squares = [g.square().sum().item() for g in torch.autograd.grad(loss, flat)]
    return [(a + b) ** 0.5 for a, b in zip(squares[::2], squares[1::2], strict=True)]


# %% alternative of="plot_gradient_norms"
def with_semilogy(norms):
    figure = plt.figure()
    for values in norms.values():
        plt.semilogy([i + 1 for i in range(len(values))], values)
    plt.xlabel("block")
    plt.ylabel("gradient norm")
    plt.suptitle("How gradients reach the blocks")
    plt.legend(list(norms))
    return figure


# %% mistake of="post_ln" fails="post_ln normalizes the sum"
def normalizes_the_sublayer_only(x, w1, w2, eps=1e-5):
    """Post-LN normalizes the sum: with the norm on one term, the stream itself grows unchecked."""
    return x + F.layer_norm(sublayer(x, w1, w2), x.shape[-1:], eps=eps)


# %% mistake of="post_ln" fails="post_ln normalizes the sum"
def forgets_the_residual(x, w1, w2, eps=1e-5):
    """Without x in the sum this is no residual block: F has to carry everything."""
    return F.layer_norm(sublayer(x, w1, w2), x.shape[-1:], eps=eps)


# %% mistake of="post_ln" fails="post_ln normalizes the sum"
def normalizes_the_whole_batch(x, w1, w2, eps=1e-5):
    """A LayerNorm measures each position over its own features, the last dimension alone."""
    return F.layer_norm(x + sublayer(x, w1, w2), x.shape, eps=eps)


# %% mistake of="pre_ln" fails="pre_ln normalizes what the sublayer reads, and that alone"
def adds_to_the_normalized_stream(x, w1, w2, eps=1e-5):
    """The identity path carries x itself; normalized too, it is no identity any more."""
    u = F.layer_norm(x, x.shape[-1:], eps=eps)
    return u + sublayer(u, w1, w2)


# %% mistake of="pre_ln" fails="pre_ln normalizes what the sublayer reads, and that alone"
def normalizes_behind_the_sublayer(x, w1, w2, eps=1e-5):
    """In Pre-LN the norm stands before the sublayer; its output is added as it is."""
    return x + F.layer_norm(sublayer(x, w1, w2), x.shape[-1:], eps=eps)


# %% mistake of="layer_norm_jacobian" fails="layer_norm_jacobian holds what a nudge of each input changes"
def takes_the_deviation_for_a_constant(x, eps=1e-5):
    """x_j changes the deviation too: that is the term with x_hat twice."""
    n, s = len(x), (x.var(unbiased=False) + eps).sqrt()
    return (torch.eye(n).to(x) - 1 / n) / s


# %% mistake of="layer_norm_jacobian" fails="layer_norm_jacobian holds what a nudge of each input changes"
def divides_by_n_minus_one(x, eps=1e-5):
    """LayerNorm divides the sum of squares by n, so its derivatives do."""
    n, s = len(x), (x.var() + eps).sqrt()
    x_hat = (x - x.mean()) / s
    return (torch.eye(n).to(x) - 1 / n - torch.outer(x_hat, x_hat) / (n - 1)) / s


# %% mistake of="layer_norm_jacobian" fails="layer_norm_jacobian holds what a nudge of each input changes"
def keeps_the_diagonal_alone(x, eps=1e-5):
    """Each output depends on every input, through mean and deviation: the matrix is full."""
    n, s = len(x), (x.var(unbiased=False) + eps).sqrt()
    x_hat = (x - x.mean()) / s
    return torch.diag((1 - 1 / n - x_hat.square() / n) / s)


# %% mistake of="pre_ln_jacobian" fails="the Pre-LN Jacobian is the identity plus a product of two Jacobians"
def multiplies_in_the_other_order(x, w1, w2, eps=1e-5):
    """The norm acts first, so its Jacobian stands on the right, next to the nudge of x."""
    on = F.linear(F.layer_norm(x, x.shape, eps=eps), w1) > 0
    of_sublayer = w2 @ (on[:, None] * w1)
    return torch.eye(len(x)).to(x) + layer_norm_jacobian(x, eps) @ of_sublayer


# %% mistake of="pre_ln_jacobian" fails="the Pre-LN Jacobian is the identity plus a product of two Jacobians"
def adds_one_everywhere(x, w1, w2, eps=1e-5):
    """The 1 of the scalar formula is an identity matrix: ones on the diagonal, zeros beside it."""
    on = F.linear(F.layer_norm(x, x.shape, eps=eps), w1) > 0
    return 1 + w2 @ (on[:, None] * w1) @ layer_norm_jacobian(x, eps)


# %% mistake of="pre_ln_jacobian" fails="the Pre-LN Jacobian is the identity plus a product of two Jacobians"
def opens_the_gates_at_x(x, w1, w2, eps=1e-5):
    """The sublayer reads LN(x), so which units are on is decided there, and not at x."""
    on = F.linear(x, w1) > 0
    product = w2 @ (on[:, None] * w1) @ layer_norm_jacobian(x, eps)
    return torch.eye(len(x)).to(x) + product


# %% mistake of="pre_ln_jacobian" fails="the Pre-LN Jacobian is the identity plus a product of two Jacobians"
def leaves_the_norm_out(x, w1, w2, eps=1e-5):
    """The sublayer reads a normalized x: the chain rule has the norm's Jacobian in it."""
    on = F.linear(F.layer_norm(x, x.shape, eps=eps), w1) > 0
    return torch.eye(len(x)).to(x) + w2 @ (on[:, None] * w1)


# %% mistake of="silencing_weight" fails="the silencing weight leaves only two directions"
def takes_minus_the_identity(x, eps=1e-5):
    """LN divides by s, so -I takes only 1/s of the identity away."""
    return -torch.eye(len(x)).to(x)


# %% mistake of="silencing_weight" fails="the silencing weight leaves only two directions"
def divides_by_the_deviation_again(x, eps=1e-5):
    """LN has divided by s; W has to multiply by it for the two to cancel."""
    return -torch.eye(len(x)).to(x) / (x.var(unbiased=False) + eps).sqrt()


# %% mistake of="silencing_weight" fails="the silencing weight leaves only two directions"
def forgets_eps(x, eps=1e-5):
    """What LN divides by is the root of the variance plus eps."""
    return -x.std(unbiased=False) * torch.eye(len(x)).to(x)


# %% mistake of="gradient_norms" fails="gradient_norms gives the length of each block's gradient, first block first"
def adds_the_two_lengths(kind, x, weights, head, targets):
    """The length of two gradients taken together is the root of the sum of their squares."""
    leaves = [[w.clone().requires_grad_() for w in pair] for pair in weights]
    for w1, w2 in leaves:
        x = pre_ln(x, w1, w2) if kind == "pre" else post_ln(x, w1, w2)
    x = F.layer_norm(x, x.shape[-1:]) if kind == "pre" else x
    F.cross_entropy(x @ head.T, targets).backward()
    return [(w1.grad.norm() + w2.grad.norm()).item() for w1, w2 in leaves]


# %% mistake of="gradient_norms" fails="gradient_norms gives the length of each block's gradient, first block first"
def lists_the_last_block_first(kind, x, weights, head, targets):
    """Backward starts at the output, but the list starts at the input."""
    leaves = [[w.clone().requires_grad_() for w in pair] for pair in weights]
    for w1, w2 in leaves:
        x = pre_ln(x, w1, w2) if kind == "pre" else post_ln(x, w1, w2)
    x = F.layer_norm(x, x.shape[-1:]) if kind == "pre" else x
    F.cross_entropy(x @ head.T, targets).backward()
    return [math.hypot(w1.grad.norm(), w2.grad.norm()) for w1, w2 in reversed(leaves)]


# %% mistake of="gradient_norms" fails="gradient_norms gives the length of each block's gradient, first block first"
def builds_pre_ln_whatever_is_asked(kind, x, weights, head, targets):
    """The kind decides which of the two blocks the stack is made of."""
    leaves = [[w.clone().requires_grad_() for w in pair] for pair in weights]
    for w1, w2 in leaves:
        x = pre_ln(x, w1, w2)
    x = F.layer_norm(x, x.shape[-1:])
    F.cross_entropy(x @ head.T, targets).backward()
    return [math.hypot(w1.grad.norm(), w2.grad.norm()) for w1, w2 in leaves]


# %% mistake of="gradient_norms" fails="the Pre-LN stack ends with a LayerNorm"
def feeds_the_head_from_the_raw_stream(kind, x, weights, head, targets):
    """No norm stands on the identity path: the last LayerNorm is what keeps the logits in scale."""
    leaves = [[w.clone().requires_grad_() for w in pair] for pair in weights]
    for w1, w2 in leaves:
        x = pre_ln(x, w1, w2) if kind == "pre" else post_ln(x, w1, w2)
    F.cross_entropy(x @ head.T, targets).backward()
    return [math.hypot(w1.grad.norm(), w2.grad.norm()) for w1, w2 in leaves]


# %% mistake of="plot_gradient_norms" fails="the figure shows one line a stack on a log axis"
def keeps_a_linear_axis(norms):
    """Gradients of different stacks differ by factors, and those are read off a log axis."""
    figure, axes = plt.subplots()
    for name, values in norms.items():
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.set(xlabel="block", ylabel="gradient norm", title="Gradients at initialization")
    axes.legend()
    return figure


# %% mistake of="plot_gradient_norms" fails="the figure shows one line a stack on a log axis"
def counts_blocks_from_zero(norms):
    """Without x values matplotlib counts from 0, and the first block is number 1."""
    figure, axes = plt.subplots()
    for name, values in norms.items():
        axes.semilogy(values, label=name)
    axes.set(xlabel="block", ylabel="gradient norm", title="Gradients at initialization")
    axes.legend()
    return figure


# %% mistake of="plot_gradient_norms" fails="the figure shows one line a stack on a log axis"
def shows_no_names(norms):
    """The labels of lines show once a legend is asked for."""
    figure, axes = plt.subplots()
    for name, values in norms.items():
        axes.semilogy(range(1, len(values) + 1), values, label=name)
    axes.set(xlabel="block", ylabel="gradient norm", title="Gradients at initialization")
    return figure
