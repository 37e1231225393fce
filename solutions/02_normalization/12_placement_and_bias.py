# %% exercise [markdown] items="72" stars=2 minutes=35 level="analyze" goal="measure what the place of a batch norm makes redundant, and what it makes invariant"
r"""
# Where a batch norm stands
Two orders are in use, Linear → BN → ReLU and Linear → ReLU → BN, and two rules are repeated about
them: "a bias before a batch norm is redundant" and "a batch norm makes the network insensitive to
the scale of its inputs". Each rule holds under conditions that are easily left out, and then
weights are deleted that did something, or inputs go in unscaled.

For the loss $L = \sum_{ij} u_{ij} \, y_{ij}$ of a block's output $y$, the bias $b$ is redundant
if $\partial L / \partial b = 0$ for every upstream gradient $u$.

Write `block` in both orders. Measure that gradient with `bias_gradient`, and with `input_change`
how far the output of Linear → BN moves when its input becomes `scale * x + shift`. Then judge.

*Hint:* `F.batch_norm(z, mean, var, training=..., eps=...)` needs no module; while it trains,
`mean` and `var` may be None.
"""

# %%
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect


# %% solution
def block(order: str, x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> Tensor:
    """A linear layer, a batch norm in training mode without gamma and beta, and a ReLU.

    `order` is "norm first" (Linear, BN, ReLU) or "relu first" (Linear, ReLU, BN);
    `x` is (N, n_in), `weight` is (n_out, n_in), `bias` is (n_out,).
    """
    ### BEGIN SOLUTION
    z = F.linear(x, weight, bias)
    if order == "norm first":
        return F.batch_norm(z, None, None, training=True, eps=eps).relu()
    return F.batch_norm(z.relu(), None, None, training=True, eps=eps)
    ### END SOLUTION


def bias_gradient(order: str, x: Tensor, weight: Tensor, bias: Tensor, upstream: Tensor) -> Tensor:
    """The gradient of the sum of `upstream * block(order, x, weight, bias)` for the bias.

    `upstream` has the shape of the output, (N, n_out). The tensors you are given stay as they were.
    """
    ### BEGIN SOLUTION
    bias = bias.detach().clone().requires_grad_()
    loss = (upstream * block(order, x, weight, bias)).sum()
    return torch.autograd.grad(loss, bias)[0]
    ### END SOLUTION


def input_change(
    x: Tensor,
    weight: Tensor,
    scale: float | Tensor = 1.0,
    shift: float | Tensor = 0.0,
    training: bool = True,
    eps: float = 1e-5,
) -> float:
    """The largest |f(scale * x + shift) - f(x)|, divided by the largest |f(x)|.

    f is a linear layer without bias and a batch norm without gamma and beta. In evaluation its
    running statistics are the mean and the biased variance of the linear outputs for `x`,
    whatever goes in. `scale` and `shift` are numbers, or one number a feature: shape (n_in,).
    """
    ### BEGIN SOLUTION
    z = F.linear(x, weight)
    mean, var = z.mean(dim=0), z.var(dim=0, unbiased=False)
    before = F.batch_norm(z, mean, var, training=False, eps=eps)
    if training:
        mean, var = None, None
    moved = F.linear(scale * x + shift, weight)
    after = F.batch_norm(moved, mean, var, training=training, eps=eps)
    return ((after - before).abs().max() / before.abs().max()).item()
    ### END SOLUTION


# %% check
# The weight is 1, the bias 2: -5, -1, 3, 7 become -3, 1, 5, 9, of mean 3 and variance 20. With
# eps = 5 the root is 5. ReLU first makes that 0, 1, 5, 9, of mean 3.75 and variance 12.6875.
x = torch.tensor([[-5.0], [-1.0], [3.0], [7.0]], dtype=torch.float64)
weight, bias = torch.ones(1, 1).double(), torch.full((1,), 2.0).double()
expect.close(
    block("norm first", x.clone(), weight.clone(), bias.clone(), eps=5.0),
    torch.tensor([[0.0], [0.0], [0.4], [1.2]], dtype=torch.float64),
    when="sending -5, -1, 3, 7 through Linear, BN, ReLU",
    think="Which layer sees the output of which?",
)
expect.close(
    block("relu first", x.clone(), weight.clone(), bias.clone(), eps=12.3125),
    torch.tensor([[-0.75], [-0.55], [0.25], [1.05]], dtype=torch.float64),
    when="sending -5, -1, 3, 7 through Linear, ReLU, BN",
    think="Which layer sees the output of which?",
)

# %% check
# Right in front of a norm, a bias moves all outputs of a unit and their mean by the same number.
x, weight = torch.tensor([[-5.0], [-1.0], [4.0]]).double(), torch.ones(1, 1).double()
upstream = torch.tensor([[3.0], [-2.0], [7.0]]).double()
expect.close(
    bias_gradient("norm first", x.clone(), weight.clone(), torch.ones(1).double(), upstream),
    torch.zeros(1).double(),
    atol=1e-12,  # rounding
    when="taking the gradient for the bias in Linear, BN, ReLU",
    think="Does the gradient also pass through the mean that is subtracted?",
)

# %% check
# Evaluating with the statistics of -1 and 1, f(-1) = -1 and f(1) = 1. Twice the input gives -2
# and 2: each output moves by 1, and the largest was 1.
pair, weight = torch.tensor([[-1.0], [1.0]]).double(), torch.ones(1, 1).double()
expect.close(
    input_change(pair.clone(), weight.clone(), scale=2.0, training=False, eps=1e-12),
    1.0,
    rtol=1e-6,  # what eps = 1e-12 changes is out of sight
    when="doubling the inputs -1 and 1 in evaluation",
    think="Running statistics do not follow the input.",
)
expect.close(
    input_change(pair.clone(), weight.clone(), scale=2.0, training=True, eps=1e-12),
    0.0,
    atol=1e-6,  # what eps = 1e-12 changes is out of sight
    when="doubling the inputs -1 and 1 while training",
    think="Which mean and which deviation does the norm use now?",
)

# %% hidden aspect="the block applies its layers in the order asked for" points=1
from autograder import reference

torch.manual_seed(1)
x, weight = 2 * torch.randn(7, 3).double(), torch.randn(4, 3).double()
bias = torch.randn(4).double()
for order in ("norm first", "relu first"):
    for eps in (1e-5, 0.1):
        expect.close(
            block(order, x.clone(), weight.clone(), bias.clone(), eps=eps),
            reference.block(order, x, weight, bias, eps=eps),
            when=f"sending seven samples through a block in the order {order!r}, eps {eps:g}",
            think="The bias belongs to the linear layer; the norm uses the biased variance and eps.",
        )

# %% hidden aspect="the bias gradient is the one that finite differences measure" points=1
torch.manual_seed(2)
x, weight = torch.randn(9, 3).double(), torch.randn(4, 3).double()
bias, upstream = torch.randn(4).double(), torch.randn(9, 4).double()
for order in ("norm first", "relu first"):
    wanted, step = torch.zeros(4).double(), 1e-8
    for unit in range(4):
        nudge = step * torch.eye(4).double()[unit]
        for sign in (1, -1):
            y = block(order, x.clone(), weight.clone(), bias + sign * nudge)
            expect.shape(
                y,
                (9, 4),
                when=f"calling block in the order {order!r} on nine samples and four units",
                think="The gradient is that of `block`, so `block` comes first.",
            )
            wanted[unit] += sign * (upstream * y).sum().item() / (2 * step)
    with expect.unchanged(
        x=x,
        weight=weight,
        bias=bias,
        when="measuring the bias gradient",
        think="`requires_grad_` and in-place steps belong on a copy.",
    ):
        got = bias_gradient(order, x, weight, bias, upstream)
    expect.true(
        not bias.requires_grad,
        when="looking at the bias that bias_gradient was given",
        wanted="the caller's tensor as it was",
        got="one that collects gradients",
        think="Gradients of a second call would be added to those of the first. Work on a copy.",
    )
    expect.close(
        got,
        wanted.round(decimals=6) + 0.0,  # no -0 in a message
        rtol=1e-5,
        atol=1e-5,  # differences with a step of 1e-8 are good for about seven digits
        when=f"taking the gradient for the bias in the order {order!r}",
        think="A bias also moves the mean that is subtracted. The sum weighs each output by upstream.",
    )

# %% hidden aspect="input_change tells an invariance from a change" points=1
from autograder import reference

torch.manual_seed(3)
x, weight = torch.randn(16, 5).double() + 1, torch.randn(4, 5).double()
first = torch.tensor([100.0, 1.0, 1.0, 1.0, 1.0]).double()
cases = {
    "every feature times 1/100, while training": dict(scale=0.01),
    "every feature plus 5, each times 1/10, with eps 0.1": dict(scale=0.1, shift=5.0, eps=0.1),
    "the first feature times 100, while training": dict(scale=first),
    "each feature plus a number of its own, in evaluation": dict(shift=first, training=False),
    "every feature times 3, plus 5, in evaluation": dict(scale=3.0, shift=5.0, training=False),
    "every feature times -1, while training": dict(scale=-1.0),
}
for name, change in cases.items():
    own = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in change.items()}
    expect.close(
        input_change(x.clone(), weight.clone(), **own),
        reference.input_change(x, weight, **change),
        when=f"changing the input of Linear, BN: {name}",
        think="While it trains, the norm measures what it is fed; in evaluation it does not.",
    )
expect.close(
    input_change(x.clone(), weight.clone(), scale=3.0, shift=5.0, eps=1e-9),
    0.0,
    atol=1e-6,  # eps stands beside a variance of about 5, and rounding is far below
    when="changing the input of Linear, BN: every feature times 3, plus 5, while training",
    think="Mean and deviation of a feature move along with all inputs.",
)

# %% setup
import torch
import torch.nn.functional as F

# %% choice [markdown] id="insensitive-to-scale" points=1
r"""
"With a batch norm behind its first linear layer, a network does not care how its inputs are
scaled." Use `input_change` to find out under which conditions that is true.

- [ ] It is wrong: a batch norm normalizes hidden values, so the inputs are as badly scaled as ever.
  > It does not touch the inputs, yet it can undo what their scale did. What did `input_change` give for `scale=100.0` while training?
- [ ] It is true, because each unit is divided by its own deviation.
  > That deviation is of a mixture of features. Multiply one feature by 100: the mixture is another one.
- [x] It is true for one positive factor and one shift for all inputs, in training mode, up to eps.
  > Yes. Inputs still want standardizing: each feature by its own factor, at inference too, and for the sake of the first layer's learning rate.
- [ ] It is true for one positive factor for all inputs, in training mode and at inference alike.
  > At inference the running statistics are those of the old scale. What did `input_change` give with `training=False`?
"""

# %% evidence
x, weight = torch.randn(32, 8).double(), torch.randn(16, 8).double()
mean, var = F.linear(x, weight).mean(dim=0), F.linear(x, weight).var(dim=0)


def change(moved, training=True):
    """How far Linear, BN moves, as a part of its largest output."""
    buffers = (None, None) if training else (mean, var)
    y = [F.batch_norm(F.linear(v, weight), *buffers, training=training) for v in (x, moved)]
    return ((y[1] - y[0]).abs().max() / y[0].abs().max()).item()


assert change(100 * x) < 1e-3 and change(x + 5) < 1e-9 and change(2 * x + 5) < 1e-3
assert change(1e-4 * x) > 0.5 and change(-x) > 0.5  # eps takes over; a sign is no scale
assert change(torch.tensor([100.0] + 7 * [1.0]) * x) > 0.1
assert change(100 * x, training=False) > 1


# %% alternative of="block"
def with_the_formula(order, x, weight, bias, eps=1e-5):
    z = x @ weight.T + bias
    a = z if order == "norm first" else z.clamp(min=0)
    centred = a - a.mean(dim=0)
    y = centred / (centred.square().mean(dim=0) + eps).sqrt()
    return y.clamp(min=0) if order == "norm first" else y


# %% alternative of="bias_gradient"
def with_backward(order, x, weight, bias, upstream):
    leaf = bias.clone().detach()
    leaf.requires_grad = True
    y = block(order, x, weight, leaf)
    y.backward(gradient=upstream)
    return leaf.grad


# %% alternative of="input_change"
def with_a_function_inside(x, weight, scale=1.0, shift=0.0, training=True, eps=1e-5):
    old = x @ weight.T

    def f(inputs):
        z = inputs @ weight.T
        of = z if training else old
        return (z - of.mean(0)) / (of.var(0, unbiased=False) + eps).sqrt()

    y = f(x)
    return float((f(x * scale + shift) - y).abs().max() / y.abs().max())


# %% mistake of="block" fails="the block applies its layers in the order asked for"
def swaps_the_two_orders(order, x, weight, bias, eps=1e-5):
    """The name says what comes right after the linear layer: "norm first" is Linear, BN, ReLU."""
    z = F.linear(x, weight, bias)
    if order == "relu first":
        return F.batch_norm(z, None, None, training=True, eps=eps).relu()
    return F.batch_norm(z.relu(), None, None, training=True, eps=eps)


# %% mistake of="block" fails="the block applies its layers in the order asked for"
def adds_the_bias_after_the_norm(order, x, weight, bias, eps=1e-5):
    """Behind the norm it would be the norm's own shift; the bias belongs to the linear layer."""
    z = F.linear(x, weight)
    if order == "norm first":
        return (F.batch_norm(z, None, None, training=True, eps=eps) + bias).relu()
    return F.batch_norm(z.relu(), None, None, training=True, eps=eps) + bias


# %% mistake of="block" fails="the block applies its layers in the order asked for"
def normalizes_each_sample(order, x, weight, bias, eps=1e-5):
    """A batch norm measures each unit over the samples: statistics down the columns."""
    z = F.linear(x, weight, bias)
    if order == "norm first":
        return F.layer_norm(z, z.shape[1:], eps=eps).relu()
    return F.layer_norm(z.relu(), z.shape[1:], eps=eps)


# %% mistake of="bias_gradient" fails="the bias gradient is the one that finite differences measure"
def sums_the_outputs_unweighted(order, x, weight, bias, upstream):
    """A normalized column sums to 0 whatever the bias is: the plain sum as a loss shows nothing."""
    bias = bias.clone().requires_grad_()
    return torch.autograd.grad(block(order, x, weight, bias).sum(), bias)[0]


# %% mistake of="bias_gradient" fails="the bias gradient is the one that finite differences measure"
def believes_the_rule(order, x, weight, bias, upstream):
    """The bias is redundant right before a norm; with a ReLU in between it has a gradient."""
    return torch.zeros_like(bias)


# %% mistake of="bias_gradient" fails="the bias gradient is the one that finite differences measure"
def takes_the_statistics_for_constants(order, x, weight, bias, upstream):
    """The mean of the batch moves with the bias, and cancels it; detached, it cannot."""
    bias = bias.clone().requires_grad_()
    z = F.linear(x, weight, bias)
    a = z if order == "norm first" else z.relu()
    mean, var = a.detach().mean(0), a.detach().var(0, unbiased=False)
    y = (a - mean) / (var + 1e-5).sqrt()
    y = y.relu() if order == "norm first" else y
    return torch.autograd.grad((upstream * y).sum(), bias)[0]


# %% mistake of="bias_gradient" fails="the bias gradient is the one that finite differences measure"
def sums_the_upstream_gradient(order, x, weight, bias, upstream):
    """That is the gradient of a bias that is added to the output; here layers stand in between."""
    return upstream.sum(dim=0)


# %% mistake of="input_change" fails="input_change tells an invariance from a change"
def measures_again_at_inference(x, weight, scale=1.0, shift=0.0, training=True, eps=1e-5):
    """In evaluation the running statistics stay what they were, whatever the new input is."""
    y = F.batch_norm(F.linear(x, weight), None, None, training=True, eps=eps)
    moved = F.linear(scale * x + shift, weight)
    other = F.batch_norm(moved, None, None, training=True, eps=eps)
    return ((other - y).abs().max() / y.abs().max()).item()


# %% mistake of="input_change" fails="input_change tells an invariance from a change"
def changes_the_linear_output(x, weight, scale=1.0, shift=0.0, training=True, eps=1e-5):
    """Scale and shift belong to the input: the linear layer mixes them into each unit."""
    z = F.linear(x, weight)
    mean, var = z.mean(0), z.var(0, unbiased=False)
    y = F.batch_norm(z, mean, var, training=False, eps=eps)
    factor = scale if isinstance(scale, float) else scale[: z.shape[1]]
    offset = shift if isinstance(shift, float) else shift[: z.shape[1]]
    buffers = (None, None) if training else (mean, var)
    other = F.batch_norm(factor * z + offset, *buffers, training=training, eps=eps)
    return ((other - y).abs().max() / y.abs().max()).item()


# %% mistake of="input_change" fails="input_change tells an invariance from a change"
def forgets_eps(x, weight, scale=1.0, shift=0.0, training=True, eps=1e-5):
    """For inputs so small that their variance is near eps, eps is what ends the invariance."""
    z, moved = F.linear(x, weight), F.linear(scale * x + shift, weight)
    y = (z - z.mean(0)) / z.std(0, unbiased=False)
    of = moved if training else z
    other = (moved - of.mean(0)) / of.std(0, unbiased=False)
    return ((other - y).abs().max() / y.abs().max()).item()
