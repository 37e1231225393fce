# %% exercise [markdown] items="50" stars=3 minutes=60 level="analyze" goal="say what the place of norm and ReLU in a residual block does to the stream and to the gradient"
r"""
# 7.28 Residual blocks
A residual block adds something to what comes in, $x \leftarrow x + F(x)$, and 32 or more of them can
be stacked. Move one ReLU, and the sum behaves differently: it drifts, or its path is blocked. Here
are four blocks of two linear layers each, which differ only in where norm and ReLU stand:

| kind | the branch $F$ | behind the addition |
|---|---|---|
| pre-activation | BN → ReLU → $W_1$ → BN → ReLU → $W_2$ | nothing |
| post-activation | $W_1$ → BN → ReLU → $W_2$ → BN | ReLU |
| pre-norm | LN → $W_1$ → ReLU → $W_2$ | nothing |
| relu inside | $W_1$ → BN → ReLU → $W_2$ → BN → ReLU | nothing |

The first is that of He et al. (2016), the second that of their earlier paper, the third is the
transformer's. The fourth is often listed under the name of the second, "… → BN → ReLU + skip", and
with LN under that of the third. It is neither: a ReLU *before* the addition lets the branch only add,
and one *after* it acts on the sum. (He et al. tried it as "ReLU before addition"; it did worse.) You
will see what that changes.

1. Write `branch` and `block`.
2. Write `follow`: what happens in a stack of them, on the way there and on the way back?
3. Write `gradient_growth` and `plot_stacks`: with and without shortcuts, over the depth.

*Hint:* `torch.autograd.grad(loss, tensors)` gives the gradient for each of several tensors.
"""

# %%
import math

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect

KINDS = ("pre-activation", "post-activation", "pre-norm", "relu inside")
Stack = list[tuple[Tensor, Tensor]]


def bn(z: Tensor) -> Tensor:
    """Batch norm in training mode, without gamma and beta."""
    return F.batch_norm(z, None, None, training=True)


def ln(z: Tensor) -> Tensor:
    """Layer norm, without gamma and beta."""
    return F.layer_norm(z, z.shape[-1:])


def fresh(depth: int, width: int, rows: int, seed: int) -> tuple[Tensor, Stack, Tensor]:
    """A batch (rows, width), `depth` pairs of He's weights, and a gradient for the output."""
    own = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=own, dtype=torch.float64)

    x, upstream = draw(rows, width), draw(rows, width)
    he = math.sqrt(2 / width)
    return x, [(he * draw(width, width), he * draw(width, width)) for _ in range(depth)], upstream


# %% solution
def branch(kind: str, x: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    """F(x) of a block, one of KINDS. `x` is (N, n), `w1` is (m, n), `w2` is (n, m)."""
    ### BEGIN SOLUTION
    if kind == "pre-activation":
        return F.linear(bn(F.linear(bn(x).relu(), w1)).relu(), w2)
    if kind == "pre-norm":
        return F.linear(F.linear(ln(x), w1).relu(), w2)
    added = bn(F.linear(bn(F.linear(x, w1)).relu(), w2))
    return added.relu() if kind == "relu inside" else added
    ### END SOLUTION


def block(kind: str, x: Tensor, w1: Tensor, w2: Tensor, shortcut: bool = True) -> Tensor:
    """What leaves a block, shape (N, n). Without its shortcut, nothing is added to the branch."""
    ### BEGIN SOLUTION
    added = branch(kind, x, w1, w2)
    total = x + added if shortcut else added
    return total.relu() if kind == "post-activation" else total
    ### END SOLUTION


# %% check
# One feature, two samples: batch norm makes -1 and 1 of any two numbers, the smaller one first.
x, one = torch.tensor([[-3.0], [5.0]]).double(), torch.ones(1, 1).double()
for kind, added, out in (
    ("pre-activation", [[0.0], [3.0]], [[-3.0], [8.0]]),
    ("post-activation", [[-1.0], [1.0]], [[0.0], [6.0]]),
    ("relu inside", [[0.0], [1.0]], [[-3.0], [6.0]]),
):
    for what, function, wanted in (("branch", branch, added), ("block", block, out)):
        expect.close(
            function(kind, x.clone(), 2 * one, 3 * one),
            torch.tensor(wanted).double(),
            rtol=1e-4,  # batch norm's eps
            when=f"sending -3 and 5 through a {what} ({kind}) with weights 2 and 3",
            think="Follow the two numbers through the row of the table.",
        )
# Layer norm leaves a row (-1, 1) as it is.
expect.close(
    block(
        "pre-norm", x.new_tensor([[-1.0, 1.0]]), 2 * torch.eye(2).double(), -torch.eye(2).double()
    ),
    torch.tensor([[-1.0, -1.0]]).double(),
    rtol=1e-4,  # layer norm's eps
    when="sending (-1, 1) through a block (pre-norm) with weights 2 I and -I",
    think="Follow the row through the table: a branch may take away, too.",
)


# %% solution
def follow(
    kind: str, x: Tensor, weights: Stack, upstream: Tensor, shortcut: bool = True
) -> dict[str, list[float]]:
    """What a stack of blocks does with a batch: three lists, one number a block, first one first.

    "mean": the mean of all numbers of the stream behind the block.
    "negative": which share of the numbers that come out of the block's branch is below 0.
    "gradient": how long dL/ds is, with s the stream in front of the block. L is the sum of
    `upstream` times the stream behind the last block; both are (N, n), as `x` is.
    """
    ### BEGIN SOLUTION
    streams, negative = [x.detach().clone().requires_grad_()], []
    for w1, w2 in weights:
        negative.append((branch(kind, streams[-1], w1, w2) < 0).double().mean().item())
        streams.append(block(kind, streams[-1], w1, w2, shortcut))
    slopes = torch.autograd.grad((upstream * streams[-1]).sum(), streams[:-1])
    means = [stream.mean().item() for stream in streams[1:]]
    return {"mean": means, "negative": negative, "gradient": [s.norm().item() for s in slopes]}
    ### END SOLUTION


def gradient_growth(
    kind: str, depths: list[int], width: int, rows: int, seed: int, shortcut: bool
) -> list[float]:
    """One number a depth: how many times as long the gradient becomes on its way back.

    Each stack is a `fresh` one of that depth. Its gradient in front of the first block is divided
    by that in front of the last block.
    """
    ### BEGIN SOLUTION
    ratios = []
    for depth in depths:
        x, weights, upstream = fresh(depth, width, rows, seed)
        gradient = follow(kind, x, weights, upstream, shortcut)["gradient"]
        ratios.append(gradient[0] / gradient[-1])
    return ratios
    ### END SOLUTION


# %% check
# Two blocks (pre-norm) with weights of 0 pass on what they get, in both directions.
x, zero = torch.tensor([[1.0, 2.0], [3.0, 6.0]]).double(), torch.zeros(2, 2).double()
passed = follow("pre-norm", x.clone(), [(zero, zero), (zero, zero)], torch.ones(2, 2).double())
expect.kind(passed, dict, when="following a batch through two blocks")
for key, wanted, why in (
    ("mean", [3.0, 3.0], "Behind each block stands what stood in front of it."),
    ("negative", [0.0, 0.0], "The branches add zeros. Is a zero below 0?"),
    ("gradient", [2.0, 2.0], "The sum has a slope of 1 for each of the four numbers."),
):
    expect.close(
        passed.get(key, ...),
        wanted,
        when=f"following 1, 2, 3, 6 through two blocks that add 0, at {key!r}",
        think=why,
    )
expect.close(
    gradient_growth("pre-norm", [1], 4, 6, seed=0, shortcut=True),
    [1.0],
    when="comparing the first and the last block of a stack of one",
    think="They are the same block.",
)


# %% solution
def plot_stacks(
    means: dict[str, list[float]], growth: dict[str, list[float]], depths: list[int]
) -> Figure:
    """Two panels, a line a name in each, with a legend, a title and a name on each axis.

    Left: the mean of the stream over the block's number, 1 for the first. Right: how the gradient
    grows over the `depths`, on a logarithmic y axis.
    """
    ### BEGIN SOLUTION
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, values in means.items():
        left.plot(range(1, len(values) + 1), values, label=name)
    left.set(title="On the way there", xlabel="block", ylabel="mean of the stream behind it")
    for name, values in growth.items():
        right.plot(depths, values, marker="o", label=name)
    right.set(title="On the way back", xlabel="blocks in the stack", yscale="log")
    right.set_ylabel("gradient: first block / last block")
    left.legend()
    right.legend(fontsize="small")
    return figure
    ### END SOLUTION


# %% check
x, weights, upstream = fresh(depth=32, width=64, rows=96, seed=0)
depths = [2, 4, 8, 16, 32]
means, growth = {}, {}
for kind in KINDS:
    found = follow(kind, x, weights, upstream)
    expect.kind(found, dict, when=f"following a batch through 32 blocks ({kind})")
    means[kind] = found["mean"]
    growth[kind] = gradient_growth(kind, depths, 64, 96, seed=0, shortcut=True)
    print(
        f"{kind:16}mean {means[kind][-1]:6.2f}, gradient {growth[kind][-1]:8.3g} behind 32 blocks"
    )
for kind in KINDS[:2]:
    name = f"{kind}, no shortcuts"
    growth[name] = gradient_growth(kind, depths, 64, 96, seed=0, shortcut=False)
expect.figure(
    plot_stacks(means, growth, depths),
    when="drawing four stacks of 32 blocks",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=4,
)

# %% [markdown]
r"""
## Does it train?
What a fresh stack does to a gradient is one thing, how it trains another. Whoever is curious sets
`FULL`: stacks of your blocks, 4 to 32 of them, trained on 10,000 digits, with and without shortcuts.
"""

# %%
FULL = False  # True takes about two minutes on one core.


def train(kind: str, depth: int, shortcut: bool, rate: float = 0.03, steps: int = 300) -> float:
    """The share of training digits that a stack gets right at the end: its last 20 batches."""
    from autograder.datasets import BUNDLED, mnist

    digits = mnist(train=True, root=BUNDLED)
    pixels = (digits.images.flatten(1) / 255 - 0.1307) / 0.3081
    torch.manual_seed(0)
    stack = [w.float() for pair in fresh(depth, 64, 1, seed=0)[1] for w in pair]
    parameters = [torch.randn(64, 784) / 28, *stack, 0.1 * torch.randn(10, 64) / 8]
    optimizer = torch.optim.SGD([p.requires_grad_() for p in parameters], rate, momentum=0.9)
    right = []
    for _ in range(steps):
        row = torch.randint(len(digits), (128,))
        stream = F.linear(pixels[row], parameters[0])
        for w1, w2 in zip(parameters[1:-1:2], parameters[2:-1:2], strict=True):
            stream = block(kind, stream, w1, w2, shortcut)
        scores = F.linear(bn(stream), parameters[-1])
        right.append((scores.argmax(dim=1) == digits.labels[row]).float().mean().item())
        optimizer.zero_grad()
        F.cross_entropy(scores, digits.labels[row]).backward()
        optimizer.step()
    return sum(right[-20:]) / 20


if FULL:
    for kind in KINDS:
        for shortcut in (True, False):
            shares = [train(kind, depth, shortcut) for depth in (4, 8, 16, 32)]
            print(f"{kind:16}shortcut {shortcut!s:6}", *(f"{share:7.0%}" for share in shares))

# %% hidden aspect="pre-activation: a norm, then a ReLU stand in front of each weight" points=1
from autograder import reference

torch.manual_seed(1)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
for rows in (5, 9):
    x = 3 * torch.randn(rows, 4).double() + 1
    expect.close(
        branch("pre-activation", x.clone(), w1.clone(), w2.clone()),
        reference.branch("pre-activation", x, w1, w2),
        when=f"sending {rows} samples through a branch (pre-activation) of widths 4, 7, 4",
        think="Read the row of the table from left to right. What comes last?",
    )

# %% hidden aspect="post-activation: the branch ends with a norm" points=1
from autograder import reference

torch.manual_seed(2)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
for rows in (5, 9):
    x = 3 * torch.randn(rows, 4).double() + 1
    expect.close(
        branch("post-activation", x.clone(), w1.clone(), w2.clone()),
        reference.branch("post-activation", x, w1, w2),
        when=f"sending {rows} samples through a branch (post-activation) of widths 4, 7, 4",
        think="The second ReLU of this block is not part of its branch.",
    )

# %% hidden aspect="pre-norm: one layer norm in front, one ReLU in the middle" points=1
from autograder import reference

torch.manual_seed(3)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
for rows in (5, 9):
    x = 3 * torch.randn(rows, 4).double() + 1
    expect.close(
        branch("pre-norm", x.clone(), w1.clone(), w2.clone()),
        reference.branch("pre-norm", x, w1, w2),
        when=f"sending {rows} samples through a branch (pre-norm) of widths 4, 7, 4",
        think="How many norms and how many ReLUs has this row of the table?",
    )

# %% hidden aspect="relu inside: the branch ends with a norm and a ReLU" points=1
from autograder import reference

torch.manual_seed(4)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
for rows in (5, 9):
    x = 3 * torch.randn(rows, 4).double() + 1
    expect.close(
        branch("relu inside", x.clone(), w1.clone(), w2.clone()),
        reference.branch("relu inside", x, w1, w2),
        when=f"sending {rows} samples through a branch (relu inside) of widths 4, 7, 4",
        think="Which operation is the last one before the addition, and what does it leave?",
    )

# %% hidden aspect="the shortcut adds what came in, as it is" points=1
torch.manual_seed(5)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
x = 3 * torch.randn(6, 4).double() - 1
for kind in ("pre-activation", "pre-norm", "relu inside"):
    added = branch(kind, x.clone(), w1.clone(), w2.clone())
    expect.shape(added, (6, 4), when=f"calling branch ({kind}) on six samples of four features")
    with expect.unchanged(
        x=x,
        when=f"sending six samples through a block ({kind})",
        think="`a += b` writes into the caller's tensor; `a + b` makes a new one.",
    ):
        got = block(kind, x, w1.clone(), w2.clone())
    expect.close(
        got,
        x + added,
        when=f"comparing a block ({kind}) with its input plus your branch",
        think="Which of the four kinds have anything behind the addition?",
    )
    upstream, slopes = torch.randn(6, 4).double(), []
    for function in (block, branch):
        leaf = x.clone().requires_grad_()
        out = function(kind, leaf, w1.clone(), w2.clone())
        expect.true(
            out.requires_grad,
            when=f"sending a gradient back through a block and its branch ({kind})",
            wanted="a way from the output back to the input",
            got="none",
            think="Does something cut the graph: detach, item, no_grad, numpy?",
        )
        slopes.append(torch.autograd.grad((upstream * out).sum(), leaf, materialize_grads=True)[0])
    expect.close(
        slopes[0] - slopes[1],
        upstream,
        rtol=1e-8,  # a difference of numbers that may be ten times as large
        when=f"comparing the gradients through a block and through your branch ({kind})",
        think="What comes back over the shortcut is the gradient that went in.",
    )

# %% hidden aspect="post-activation rectifies the sum" points=1
torch.manual_seed(6)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
for shift in (-2.0, 2.0):
    x = torch.randn(6, 4).double() + shift
    added = branch("post-activation", x.clone(), w1.clone(), w2.clone())
    expect.shape(added, (6, 4), when="calling branch (post-activation) on samples of 4 features")
    expect.close(
        block("post-activation", x.clone(), w1.clone(), w2.clone()),
        (x + added).clamp(min=0),
        when=f"comparing a block (post-activation) with its parts, inputs around {shift:g}",
        think="What goes into the last ReLU, the branch or the sum?",
    )

# %% hidden aspect="without its shortcut a block adds nothing to its branch" points=1
torch.manual_seed(7)
w1, w2 = torch.randn(7, 4).double(), torch.randn(4, 7).double()
x = 3 * torch.randn(6, 4).double() - 1
for kind in KINDS:
    added = branch(kind, x.clone(), w1.clone(), w2.clone())
    expect.shape(added, (6, 4), when=f"calling branch ({kind}) on six samples of four features")
    expect.close(
        block(kind, x.clone(), w1.clone(), w2.clone(), shortcut=False),
        added.clamp(min=0) if kind == "post-activation" else added,
        when=f"comparing a block ({kind}) without a shortcut with your branch",
        think="The input is left out. What stands behind the addition stays where it is.",
    )

# %% hidden aspect="follow measures the stream behind each block" points=1
torch.manual_seed(8)
x, weights, upstream = fresh(5, 6, 9, seed=int(torch.randint(9999, (1,))))
x = x + 1
for kind, shortcut in (("pre-norm", True), ("relu inside", True), ("post-activation", False)):
    stream, means = x.clone(), []
    for w1, w2 in weights:
        stream = block(kind, stream, w1.clone(), w2.clone(), shortcut)
        expect.shape(stream, (9, 6), when=f"stacking blocks ({kind})", think="`block` comes first.")
        means.append(stream.mean().item())
    found = follow(kind, x.clone(), weights, upstream.clone(), shortcut)
    expect.kind(found, dict, when=f"following a batch through five blocks ({kind})")
    expect.close(
        found.get("mean", ...),
        means,
        when=f"reading the means of five blocks ({kind}, shortcut {shortcut}), built of your blocks",
        think="One number a block, behind it; the input has a mean, too, but no block before it.",
    )

# %% hidden aspect="follow counts what the branch takes away" points=1
torch.manual_seed(9)
x, weights, upstream = fresh(5, 6, 9, seed=int(torch.randint(9999, (1,))))
for kind, shortcut in (
    ("pre-activation", True),
    ("post-activation", True),
    ("pre-norm", False),
    ("relu inside", True),
):
    stream, shares = x.clone(), []
    for w1, w2 in weights:
        added = branch(kind, stream, w1.clone(), w2.clone())
        expect.shape(added, (9, 6), when=f"calling branch ({kind})", think="`branch` comes first.")
        shares.append((added < 0).double().mean().item())
        stream = block(kind, stream, w1.clone(), w2.clone(), shortcut)
        expect.shape(stream, (9, 6), when=f"stacking blocks ({kind})", think="`block` comes first.")
    found = follow(kind, x.clone(), weights, upstream.clone(), shortcut)
    expect.kind(found, dict, when=f"following a batch through five blocks ({kind})")
    expect.close(
        found.get("negative", ...),
        shares,
        when=f"reading the shares below 0 of five branches ({kind}), built of your blocks",
        think="Of the numbers that are added, how many pull the stream down? A 0 does not.",
    )

# %% hidden aspect="follow measures the gradient in front of each block" points=1
torch.manual_seed(10)
x, weights, upstream = fresh(5, 6, 9, seed=int(torch.randint(9999, (1,))))
for kind, shortcut in (("pre-activation", True), ("post-activation", True), ("pre-norm", False)):
    streams = [x.clone().requires_grad_()]
    for w1, w2 in weights:
        streams.append(block(kind, streams[-1], w1.clone(), w2.clone(), shortcut))
        expect.shape(streams[-1], (9, 6), when=f"stacking blocks ({kind})")
    expect.true(
        streams[-1].requires_grad,
        when=f"sending gradients through a stack ({kind})",
        wanted="a way from the output back to the input",
        got="none",
        think="Does something cut the graph: detach, item, no_grad, numpy?",
    )
    slopes = torch.autograd.grad(
        (upstream * streams[-1]).sum(), streams[:-1], materialize_grads=True
    )
    found = follow(kind, x.clone(), weights, upstream.clone(), shortcut)
    expect.kind(found, dict, when=f"following a batch through five blocks ({kind})")
    expect.close(
        found.get("gradient", ...),
        [slope.norm().item() for slope in slopes],
        when=f"reading the gradients of five blocks ({kind}, shortcut {shortcut}), built of yours",
        think="One length a block, for the stream that goes into it; the first block comes first.",
    )

# %% hidden aspect="gradient_growth compares the ends of a stack of each depth" points=1
torch.manual_seed(11)
seed = int(torch.randint(9999, (1,)))
for kind, shortcut in (("relu inside", True), ("pre-activation", False)):
    ratios = []
    for depth in (2, 3, 6):
        x, weights, upstream = fresh(depth, 5, 8, seed)
        found = follow(kind, x, weights, upstream, shortcut)
        expect.kind(found, dict, when=f"following a batch through {depth} blocks ({kind})")
        lengths = found.get("gradient", ...)
        expect.kind(lengths, list, when="reading the gradients of `follow`, which comes first")
        expect.true(
            len(lengths) > 0 and 0 < abs(lengths[-1]) < math.inf,
            when=f"reading the gradient in front of the last of {depth} blocks ({kind})",
            wanted="a length above 0",
            got="none",
            think="`follow` comes first: this function divides by what it measures.",
        )
        ratios.append(lengths[0] / lengths[-1])
    expect.close(
        gradient_growth(kind, [2, 3, 6], 5, 8, seed, shortcut),
        ratios,
        when=f"asking for stacks of 2, 3 and 6 blocks ({kind}, shortcut {shortcut}, seed {seed})",
        think="Each depth is a stack of its own. Which end does the gradient reach last?",
    )

# %% hidden aspect="the figure shows the means over the blocks and the growth over the depth" points=1
torch.manual_seed(12)
means = {"one": torch.randn(7).tolist(), "two": torch.randn(5).tolist()}
growth = {"three": torch.rand(3).add(0.5).tolist(), "four": torch.rand(3).mul(1e4).tolist()}
figure = plot_stacks(
    {name: list(values) for name, values in means.items()},
    {name: list(values) for name, values in growth.items()},
    [3, 8, 20],
)
expect.figure(
    figure,
    when="drawing the means of two stacks, on the left",
    think="Blocks are counted from 1, and every line has its name in the legend.",
    lines=[(range(1, len(values) + 1), values) for values in means.values()],
    yscale="linear",
    legend=2,
)
expect.figure(
    figure,
    when="drawing the growth over the depths 3, 8 and 20, on the right",
    think="What differs by factors of ten wants a logarithmic axis; the depths are given.",
    axes=1,
    lines=[([3, 8, 20], values) for values in growth.values()],
    yscale="log",
    legend=2,
)
shown = figure if isinstance(figure, dict) else expect.describe_figure(figure)
for panel, names in ((0, means), (1, growth)):
    for name in names:
        expect.true(
            name in shown["axes"][panel]["legend"],
            when="reading the legends of both panels",
            wanted=f"the name {name!r} in panel {panel + 1}",
            got="none of that name",
            think="The keys of the dictionary are the names of the lines.",
        )

# %% setup
import math

import torch
import torch.nn.functional as F

from autograder.authoring.quiz import draw


def norm(z):
    return F.batch_norm(z, None, None, training=True)


def added(kind, x, w1, w2):
    """What a block's branch makes of x, written on a line a kind."""
    if kind == "pre":
        return norm(norm(x).relu() @ w1).relu() @ w2
    if kind == "layer":
        return F.layer_norm(x, x.shape[1:]).matmul(w1).relu() @ w2
    out = norm(norm(x @ w1).relu() @ w2)
    return out.relu() if kind == "inside" else out


def stack(kind, depth, shortcut=True, width=64, rows=96):
    """The means of the stream, and the growth of the gradient on its way back."""
    x = torch.randn(rows, width, requires_grad=True)
    streams = [x]
    for _ in range(depth):
        w1, w2 = torch.randn(2, width, width) * math.sqrt(2 / width)
        out = added(kind, streams[-1], w1, w2) + shortcut * streams[-1]
        streams.append(out.relu() if kind == "post" else out)
    first, last = torch.autograd.grad(
        (torch.randn(rows, width) * streams[-1]).sum(), [streams[0], streams[-2]]
    )
    return [stream.mean().item() for stream in streams[1:]], (first.norm() / last.norm()).item()


# %% numeric [markdown] id="where-the-mean-goes" points=1 level="apply" rtol=0.02
r"""
In a block of the kind "relu inside", batch norm brings every feature to mean 0 and variance 1, and
the ReLU behind it makes that the branch. Take the normalized numbers for normal ones. The stream
starts with mean 0. About what is its mean behind {{n}} blocks?
"""

# %% key
n = draw([10, 16, 24, 40])
answer = n / math.sqrt(2 * math.pi)
slips = {
    "Batch norm leaves a mean of 0, but a ReLU follows: which numbers does it take away?": 0.0,
    "A half is what ReLU leaves of the mean square. What does it leave of the mean?": n / 2,
    "That is the mean of |z|: both halves count there. ReLU sets one of them to 0.": n
    * math.sqrt(2 / math.pi),
    "Independent deviations add up like roots; means simply add up.": math.sqrt(n / (2 * math.pi)),
}

# %% evidence
# The columns are not quite normal: at this width 32 blocks end at 12.4 where 12.8 is predicted.
means, _ = stack("inside", n)
assert abs(means[-1] / answer - 1) < 0.08

# %% choice [markdown] id="what-shortcuts-do-to-gradients" points=1
r"""
In fresh stacks with batch norm (pre-activation, say), what do the shortcuts change about the gradient
on its way back to the first block?

- [ ] Without them it vanishes like a power of 1/2; with them it stays as long as it is.
  > Look at the right panel: in which direction do the lines without shortcuts go?
- [ ] Without them it vanishes; with them it grows by the same factor in every block.
  > On a logarithmic axis the same factor in every block is a straight line: which lines are straight?
- [x] Without them it grows by about the same factor in every block; with them its growth slows down.
  > Yes. A branch is normalized anew in every block, while the stream that it is added to grows.
- [ ] Nothing as long as batch norm is there: both grow by the same factor in every block.
  > Compare the two ends of the right panel at 32 blocks.
"""

# %% evidence
short, long = (stack("pre", depth, shortcut=False)[1] for depth in (8, 24))
assert long > 20 * short > 40
short, long = (stack("pre", depth)[1] for depth in (8, 24))
assert 1 < short < long < 6 * short

# %% text [markdown] id="the-identity-path" points=3 level="evaluate"
r"""
He et al. (2016), *Identity Mappings in Deep Residual Networks*, start from this: where nothing acts
on the shortcut and nothing follows the addition, the stream behind block $L$ is the one behind block
$l$ plus a sum,

$$ x_L = x_l + \sum_{i=l}^{L-1} F_i(x_i). $$

For which of the four kinds is that true? What does it say about $\partial \mathcal{L} / \partial x_l$,
and what does it not promise? Then connect it with your figure: one kind keeps this path and still
drifts. Which placement would you stack highest, and which part of that did you measure? Six to eight
sentences.

- [1] True of pre-activation, pre-norm and relu inside; post-activation rectifies each sum, so the path from block to block is no identity.
- [1] The gradient behind block L arrives at block l as it is, plus terms through the branches, which may cancel it: no lower bound. Without shortcuts the stacks with batch norm fail by growth: at 32 blocks the gradient is thousands of times as long at the first as at the last.
- [1] Relu inside can only add: the mean grows by about 0.4 a block, while that of pre-activation stays near 0. The choice (pre-activation or pre-norm) is argued from that, and the answer says what it rests on: fresh stacks are no test errors.
"""

# %% evidence
# The identity of the sum, and where it ends.
x = torch.randn(20, 8).double()
for kind in ("pre", "layer", "inside", "post"):
    streams, total = [x], x
    for _ in range(4):
        w1, w2 = torch.randn(2, 8, 8).double()
        out = added(kind, streams[-1], w1, w2)
        total = total + out
        streams.append((streams[-1] + out).relu() if kind == "post" else streams[-1] + out)
    assert torch.allclose(streams[-1], total) == (kind != "post")
# The branch may cancel the identity: with W = -s I, most directions do not come back at all.
v = torch.randn(8).double()
jacobian = torch.autograd.functional.jacobian(
    lambda u: u - F.layer_norm(u, (8,)) * v.std(unbiased=False), v
)
assert (torch.linalg.svdvals(jacobian) < 1e-3).sum() >= 5

# %% evidence
# On the way back without shortcuts, and on the way there with them.
assert min(stack(kind, 32, shortcut=False)[1] for kind in ("pre", "post", "inside")) > 2000
inside, pre = stack("inside", 32)[0], stack("pre", 32)[0]
assert abs(inside[-1] - inside[15]) / 16 - 0.39 < 0.05
assert abs(pre[-1]) < 0.3 * inside[-1]


# %% alternative of="branch"
def with_a_list_of_steps(kind, x, w1, w2):
    relu = torch.relu
    steps = {
        "pre-activation": [bn, relu, w1, bn, relu, w2],
        "post-activation": [w1, bn, relu, w2, bn],
        "pre-norm": [ln, w1, relu, w2],
        "relu inside": [w1, bn, relu, w2, bn, relu],
    }[kind]
    for one in steps:
        x = x @ one.T if isinstance(one, Tensor) else one(x)
    return x


# %% alternative of="block"
def with_a_start(kind, x, w1, w2, shortcut=True):
    out = (x if shortcut else torch.zeros_like(x)) + branch(kind, x, w1, w2)
    return torch.clamp(out, min=0) if kind.startswith("post") else out


# %% alternative of="follow"
def with_retained_gradients(kind, x, weights, upstream, shortcut=True):
    stream = x.detach().clone().requires_grad_(True)
    seen = {"mean": [], "negative": [], "gradient": []}
    before = []
    for w1, w2 in weights:
        stream.retain_grad()
        before.append(stream)
        added = branch(kind, stream, w1, w2)
        seen["negative"].append(torch.count_nonzero(added < 0).item() / added.numel())
        stream = block(kind, stream, w1, w2, shortcut)
        seen["mean"].append(float(stream.detach().sum() / stream.numel()))
    stream.backward(upstream)
    seen["gradient"] = [math.sqrt(one.grad.square().sum()) for one in before]
    return seen


# %% alternative of="plot_stacks"
def with_stacked_panels(means, growth, depths):
    figure = Figure(figsize=(5, 8))
    above, below = figure.subplots(2)
    for name in means:
        above.plot([i + 1 for i in range(len(means[name]))], means[name], "--", label=name)
    for name in growth:
        below.semilogy(list(depths), growth[name], "s", label=name)
    for axes, x, y in ((above, "block", "mean"), (below, "depth", "growth")):
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.set_title(y)
        axes.legend()
    return figure


# %% mistake of="branch" fails="pre-activation: a norm, then a ReLU stand in front of each weight"
def rectifies_before_it_normalizes(kind, x, w1, w2):
    """Pre-activation is BN, then ReLU: rectified first, what is negative is lost before it is measured."""
    if kind == "pre-activation":
        return F.linear(bn(F.linear(bn(x.relu()), w1).relu()), w2)
    if kind == "pre-norm":
        return F.linear(F.linear(ln(x), w1).relu(), w2)
    added = bn(F.linear(bn(F.linear(x, w1)).relu(), w2))
    return added.relu() if kind == "relu inside" else added


# %% mistake of="branch" fails="post-activation: the branch ends with a norm"
def rectifies_the_branch_of_post_activation(kind, x, w1, w2):
    """That is the block that is often listed by this name: here the second ReLU acts on the sum."""
    if kind == "pre-activation":
        return F.linear(bn(F.linear(bn(x).relu(), w1)).relu(), w2)
    if kind == "pre-norm":
        return F.linear(F.linear(ln(x), w1).relu(), w2)
    return bn(F.linear(bn(F.linear(x, w1)).relu(), w2)).relu()


# %% mistake of="branch" fails="pre-norm: one layer norm in front, one ReLU in the middle"
def normalizes_twice_and_rectifies_at_the_end(kind, x, w1, w2):
    """Pre-norm has one norm, in front, and ends with a linear layer: its branch takes both signs."""
    if kind == "pre-activation":
        return F.linear(bn(F.linear(bn(x).relu(), w1)).relu(), w2)
    if kind == "pre-norm":
        return F.linear(ln(F.linear(ln(x), w1).relu()), w2).relu()
    added = bn(F.linear(bn(F.linear(x, w1)).relu(), w2))
    return added.relu() if kind == "relu inside" else added


# %% mistake of="branch" fails="relu inside: the branch ends with a norm and a ReLU"
def leaves_the_inner_relu_to_the_block(kind, x, w1, w2):
    """In this kind the ReLU stands before the addition, so it is part of the branch."""
    if kind == "pre-activation":
        return F.linear(bn(F.linear(bn(x).relu(), w1)).relu(), w2)
    if kind == "pre-norm":
        return F.linear(F.linear(ln(x), w1).relu(), w2)
    return bn(F.linear(bn(F.linear(x, w1)).relu(), w2))


# %% mistake of="block" fails="the shortcut adds what came in, as it is"
def rectifies_every_sum(kind, x, w1, w2, shortcut=True):
    """Only post-activation has a ReLU behind the addition; the other streams may be negative."""
    added = branch(kind, x, w1, w2)
    if not shortcut:
        return added.relu() if kind == "post-activation" else added
    return (x + added).relu()


# %% mistake of="block" fails="post-activation rectifies the sum"
def adds_behind_the_last_relu(kind, x, w1, w2, shortcut=True):
    """ReLU before the addition makes the branch positive; post-activation rectifies the sum."""
    added = branch(kind, x, w1, w2)
    if kind == "post-activation":
        added = added.relu()
    return x + added if shortcut else added


# %% mistake of="block" fails="without its shortcut a block adds nothing to its branch"
def always_takes_the_shortcut(kind, x, w1, w2, shortcut=True):
    """`shortcut` decides whether the input is added; here it decides nothing."""
    total = x + branch(kind, x, w1, w2)
    return total.relu() if kind == "post-activation" else total


# %% mistake of="follow" fails="follow measures the stream behind each block"
def begins_with_the_input(kind, x, weights, upstream, shortcut=True):
    """The list has one mean a block, behind it: the first number is not that of the input."""
    streams, negative = [x.detach().clone().requires_grad_()], []
    for w1, w2 in weights:
        negative.append((branch(kind, streams[-1], w1, w2) < 0).double().mean().item())
        streams.append(block(kind, streams[-1], w1, w2, shortcut))
    slopes = torch.autograd.grad((upstream * streams[-1]).sum(), streams[:-1])
    means = [stream.mean().item() for stream in streams[:-1]]
    return {"mean": means, "negative": negative, "gradient": [s.norm().item() for s in slopes]}


# %% mistake of="follow" fails="follow counts what the branch takes away"
def counts_zeros_as_negative(kind, x, weights, upstream, shortcut=True):
    """A 0 takes nothing away from the stream; half of what leaves a ReLU is 0."""
    streams, negative = [x.detach().clone().requires_grad_()], []
    for w1, w2 in weights:
        negative.append((branch(kind, streams[-1], w1, w2) <= 0).double().mean().item())
        streams.append(block(kind, streams[-1], w1, w2, shortcut))
    slopes = torch.autograd.grad((upstream * streams[-1]).sum(), streams[:-1])
    means = [stream.mean().item() for stream in streams[1:]]
    return {"mean": means, "negative": negative, "gradient": [s.norm().item() for s in slopes]}


# %% mistake of="follow" fails="follow measures the gradient in front of each block"
def measures_behind_the_blocks(kind, x, weights, upstream, shortcut=True):
    """Behind the last block the gradient is `upstream` itself; asked for is what each block passes on."""
    streams, negative = [x.detach().clone().requires_grad_()], []
    for w1, w2 in weights:
        negative.append((branch(kind, streams[-1], w1, w2) < 0).double().mean().item())
        streams.append(block(kind, streams[-1], w1, w2, shortcut))
    slopes = torch.autograd.grad((upstream * streams[-1]).sum(), streams[1:])
    means = [stream.mean().item() for stream in streams[1:]]
    return {"mean": means, "negative": negative, "gradient": [s.norm().item() for s in slopes]}


# %% mistake of="gradient_growth" fails="gradient_growth compares the ends of a stack of each depth"
def looks_into_the_deepest_stack(kind, depths, width, rows, seed, shortcut):
    """The first blocks of a deep stack have a deep stack behind them; each depth needs its own."""
    x, weights, upstream = fresh(max(depths), width, rows, seed)
    gradient = follow(kind, x, weights, upstream, shortcut)["gradient"]
    return [gradient[0] / gradient[depth - 1] for depth in depths]


# %% mistake of="gradient_growth" fails="gradient_growth compares the ends of a stack of each depth"
def divides_the_last_by_the_first(kind, depths, width, rows, seed, shortcut):
    """A gradient goes from the last block to the first: what it becomes is divided by what it was."""
    ratios = []
    for depth in depths:
        gradient = follow(kind, *fresh(depth, width, rows, seed), shortcut)["gradient"]
        ratios.append(gradient[-1] / gradient[0])
    return ratios


# %% mistake of="plot_stacks" fails="the figure shows the means over the blocks and the growth over the depth"
def draws_growth_on_a_linear_axis(means, growth, depths):
    """On a linear axis the longest gradient hides all others: factors want a logarithmic one."""
    figure, (left, right) = plt.subplots(1, 2)
    for name, values in means.items():
        left.plot(range(1, len(values) + 1), values, label=name)
    for name, values in growth.items():
        right.plot(depths, values, label=name)
    left.set(title="There", xlabel="block", ylabel="mean")
    right.set(title="Back", xlabel="blocks", ylabel="growth")
    left.legend()
    right.legend()
    return figure
