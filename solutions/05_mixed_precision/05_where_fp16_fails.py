# %% exercise [markdown] items="51" stars=3 minutes=45 level="create" goal="build a network that float16 cannot run at any loss scale, and cure its architecture"
r"""
# 7.29 Where float16 fails
A loss scale is often sold as the cure for float16. It multiplies the loss, and with it every
gradient: it cures gradients that are too *small*. A number that is too large in the *forward* pass
is inf before there is a loss to scale.

Raw readings $x$ of a few hundred units make such a network, if its hidden units are squared:

$$ h = W_1 x, \qquad \hat{y} = w_2 \cdot (h \odot h) $$

float16 ends at 65504. bfloat16 has fewer digits and ends where float32 does, near $3 \cdot 10^{38}$.

Build the network, show that no loss scale saves it in float16, then change its architecture so that
float16 is enough: once into the *same* function in other units, once into a normalized one.

Everything here is computed in the dtype that is asked for, without autocast, on a handful of
numbers: many CPUs take many times as long in float16 as in float32.
"""

# %%
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect

Net = Callable[[Tensor, Tensor, Tensor, torch.dtype], Tensor]


def readings(seed: int, std: float = 400.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Readings x (32, 16), targets y (32,) and weights w1 (64, 16), w2 (64,), all float32."""
    random = torch.Generator().manual_seed(seed)
    x = std * torch.randn(32, 16, generator=random)
    w1 = 0.15 * torch.randn(64, 16, generator=random)
    w2 = 1e-3 * torch.rand(64, generator=random) / 64
    y = 30 + 5 * torch.randn(32, generator=random)
    return x, y, w1, w2


# %% [markdown]
r"""
## The scenario
Hidden units of which size overflow when they are squared? Near 256 the numbers of float16 are 1/8
apart below and 1/4 above.
"""

# %% solution
# The smallest positive number of float16 whose square, computed in float16, is inf:
### BEGIN SOLUTION
first_to_overflow = 256.0
### END SOLUTION


def predict(x: Tensor, w1: Tensor, w2: Tensor, dtype: torch.dtype) -> Tensor:
    """The network: x (n, d), w1 (h, d), w2 (h,) -> (n,). Casts all three; each operation in `dtype`.

    `dtype` is one of float16, bfloat16, float32 and float64, whatever the arguments have.
    """
    ### BEGIN SOLUTION
    hidden = x.to(dtype) @ w1.to(dtype).T
    return (hidden * hidden) @ w2.to(dtype)
    ### END SOLUTION


# %% check
# h = (3 - 1, 3 + 2) = (2, 5), squares 4 and 25: 4/4 + 25/2 = 13.5, exact in every format.
x, w1, w2 = (
    torch.tensor([[3.0, 1.0]]),
    torch.tensor([[1.0, -1.0], [1.0, 2.0]]),
    torch.tensor([0.25, 0.5]),
)
for dtype in (torch.float16, torch.bfloat16, torch.float64):
    expect.close(
        predict(x.clone(), w1.clone(), w2.clone(), dtype),
        torch.tensor([13.5], dtype=dtype),
        when=f"predicting from x = (3, 1) in {dtype}, hidden units 2 and 5",
        think="Square the hidden units, then weigh them. The result has the dtype asked for.",
    )

# %% [markdown]
r"""
## Every loss scale
With a scale $S$, backward starts from $S L$, and what arrives at the weights is divided by $S$. The
optimizer may step if all of it is finite.
"""


# %% solution
def gradients(
    net: Net, x: Tensor, y: Tensor, w1: Tensor, w2: Tensor, dtype: torch.dtype, loss_scale: float
) -> list[Tensor]:
    """The gradients of the mean squared error for w1 and w2, unscaled.

    `net` is called as `net(x, w1, w2, dtype)`. As in mixed precision, the loss is computed, and
    scaled, in the dtype of the weights: float32 or float64. The gradients have it too.
    """
    ### BEGIN SOLUTION
    leaves = [w.detach().clone().requires_grad_() for w in (w1, w2)]
    loss = F.mse_loss(net(x, *leaves, dtype).to(y.dtype), y)
    (loss_scale * loss).backward()
    return [leaf.grad / loss_scale for leaf in leaves]
    ### END SOLUTION


def usable_scales(
    net: Net,
    x: Tensor,
    y: Tensor,
    w1: Tensor,
    w2: Tensor,
    dtype: torch.dtype,
    scales: list[float],
) -> list[float]:
    """Those of the loss scales, in their order, with which both gradients are finite."""
    ### BEGIN SOLUTION
    return [
        scale
        for scale in scales
        if all(g.isfinite().all() for g in gradients(net, x, y, w1, w2, dtype, scale))
    ]
    ### END SOLUTION


# %% check
# One reading of 2, one unit: h = 2 * 3 = 6, prediction 36, error 36 - 32 = 4. The loss is its
# square, so its derivative for w2 is 2 * 4 * 36 = 288, for w1 it is 2 * 4 * 1 * (2 * 6) * 2 = 192.
x, y, w1, w2 = (torch.tensor(v) for v in ([[2.0]], [32.0], [[3.0]], [1.0]))
for loss_scale in (1.0, 8.0):
    for got, wanted, name in zip(
        gradients(predict, x, y, w1.clone(), w2.clone(), torch.float32, loss_scale),
        ([[192.0]], [288.0]),
        ("w1", "w2"),
        strict=True,
    ):
        expect.close(
            got,
            wanted,
            when=f"computing the gradient for {name} of a network of one unit, loss scale {loss_scale}",
            think="What is multiplied before backward is divided after it.",
        )
# In float16 the derivative of 65536 times the loss for the prediction is 65536 * 8.
expect.equal(
    usable_scales(predict, x, y, w1.clone(), w2.clone(), torch.float16, [1.0, 65536.0]),
    [1.0],
    when="asking which of the loss scales 1 and 65536 give finite gradients in float16",
    think="Backward runs in the dtype of the network, and so its numbers end at 65504.",
)

# %% [markdown]
r"""
## The cure
A network does not care whether a length is in millimetres or in metres, float16 does. Dividing by a
power of two changes the exponent alone: nothing is rounded.

Normalizing does without a unit that somebody has to choose. Beware: the mean of the squares
overflows where the squares do.
"""


# %% solution
def tamed(x: Tensor, w1: Tensor, w2: Tensor, dtype: torch.dtype) -> Tensor:
    """The same function as `predict` in units of its own, so that readings of a few hundred fit.

    Where a number is cast to `dtype`, and from there on, each operation is in `dtype`; what comes
    before (a change of units) is in the dtype of the arguments.
    """
    ### BEGIN SOLUTION
    unit = 256
    hidden = (x / unit).to(dtype) @ w1.to(dtype).T
    return (hidden * hidden) @ (unit**2 * w2).to(dtype)
    ### END SOLUTION


def normalized(x: Tensor, w1: Tensor, w2: Tensor, dtype: torch.dtype) -> Tensor:
    """`predict` with each row of hidden units divided by its root mean square, then squared.

    x, w1 and w2 are cast to `dtype` first. The root mean square may be computed in float32, as the
    norms of PyTorch do; no eps is needed, for no row is 0.
    """
    ### BEGIN SOLUTION
    hidden = x.to(dtype) @ w1.to(dtype).T
    hidden = hidden / hidden.abs().amax(dim=1, keepdim=True)
    hidden = hidden / hidden.square().mean(dim=1, keepdim=True).sqrt()
    return (hidden * hidden) @ w2.to(dtype)
    ### END SOLUTION


# %% check
# Hidden units 300 and -400: squares 90,000 and 160,000. The mean of the squares is 125,000, so the
# normalized squares are 0.72 and 1.28.
x, w1 = torch.tensor([[100.0, 200.0]]), torch.tensor([[1.0, 1.0], [0.0, -2.0]])
w2 = torch.tensor([0.001, 0.002])
expect.close(
    tamed(x.clone(), w1.clone(), w2.clone(), torch.float16),
    torch.tensor([410.0], dtype=torch.float16),
    when="predicting from hidden units 300 and -400 in float16, weights 0.001 and 0.002",
    think="Which number is too large, and in which unit would it not be?",
)
expect.close(
    normalized(x.clone(), w1.clone(), 1000 * w2, torch.float16),
    torch.tensor([3.28], dtype=torch.float16),
    when="normalizing hidden units 300 and -400 in float16, weights 1 and 2",
    think="300 and -400 have the same root mean square as 3 and -4, but for a factor.",
)

# %% hidden aspect="the first square that overflows is found" points=1
expect.close(
    first_to_overflow,
    256.0,
    rtol=1e-6,  # the next number of float16 is a thousandth away
    when="asking for the smallest number of float16 whose square is inf",
    think="The largest number is 65504, and its root lies between two numbers of float16.",
)

# %% hidden aspect="the prediction weighs the squares of the hidden units" points=1
torch.manual_seed(1)
x, w1, w2 = torch.randn(7, 5).double(), torch.randn(3, 5).double(), torch.randn(3).double()
expect.close(
    predict(x.clone(), w1.clone(), w2.clone(), torch.float64),
    torch.stack([(w1 @ row).square() @ w2 for row in x]),
    when="predicting from seven readings of five features, three hidden units, in float64",
    think="A hidden unit is the product of a row of w1 with x.",
)

# %% hidden aspect="every operation is in the dtype asked for, and float16 overflows" points=2
torch.manual_seed(2)
x, y, w1, w2 = readings(int(torch.randint(10**6, ())))
exact = predict(x.clone(), w1.clone(), w2.clone(), torch.float64)
# In 2,000 seeds the worst prediction in bfloat16 was off by less than 1 % of the largest.
for dtype in (torch.float32, torch.bfloat16):
    expect.close(
        predict(x.clone(), w1.clone(), w2.clone(), dtype),
        exact.to(dtype),
        rtol=0.02,
        when=f"predicting from readings of a few hundred units in {dtype}, compared with float64",
        think="Both formats hold numbers up to 3e38, and the result has the dtype asked for.",
    )
# 2,048 hidden units of deviation 240, more than a quarter of them above 256: a false alarm has a
# chance below 1e-100.
got = predict(x.clone(), w1.clone(), w2.clone(), torch.float16)
expect.true(
    not got.isfinite().all(),
    when="predicting from readings of a few hundred units in float16, all predictions below 200",
    wanted="inf or nan among the predictions",
    got="finite ones",
    think="A result that fits does not show that all numbers on the way did.",
)

# %% hidden aspect="the gradients are those of the mean squared error, unscaled" points=1
from autograder import reference

torch.manual_seed(3)
x, y, w1, w2 = (part.double() for part in readings(int(torch.randint(10**6, ())), std=1.0))
wanted = reference.gradients(predict, x, y, w1, w2, torch.float64, 1.0)
for scale in (1.0, 0.25, 1024.0):
    got = gradients(predict, x, y, w1.clone(), w2.clone(), torch.float64, scale)
    for one, other, name in zip(got, wanted, ("w1", "w2"), strict=True):
        expect.close(
            one,
            other,
            when=f"computing the gradient for {name} in float64 with loss scale {scale}",
            think="The optimizer must not notice the scale.",
        )

# %% hidden aspect="a loss scale rescues gradients that are too small for float16" points=2
torch.manual_seed(4)
x, w1 = 0.5 * torch.randn(8, 4), 0.5 * torch.randn(6, 4)
w2, y = 1e-4 * (1 + torch.rand(6)), 1e-3 * (1 + torch.rand(8))
wanted = gradients(predict, x, y, w1.clone(), w2.clone(), torch.float32, 1.0)[0]
got = gradients(predict, x, y, w1.clone(), w2.clone(), torch.float16, 2.0**16)[0]
# Some twenty roundings of 2**-11, and sums whose terms cancel in part.
expect.close(
    got,
    wanted,
    rtol=0.02,
    when="computing gradients of some 1e-8 in float16 with loss scale 65536, and comparing them "
    "with float32",
    think="Which numbers become large enough, and which one must not be held in float16?",
)

# %% hidden aspect="a loss scale is usable if both gradients are finite" points=2
torch.manual_seed(5)
seed, sweep = int(torch.randint(10**6, ())), [2.0**-20, 2.0**-8, 1.0, 2.0**8, 2.0**16]
large, small, one = readings(seed), readings(seed, std=1.0), torch.ones(1, 1)
half = torch.float16
# The last two have one hidden unit and an error of 1. With h = 100 and a w2 of 0.001 the gradient
# for w2 is 20,000 and that for w1 is 0.4; with h = 1 and a w2 of 100 they are 2 and 400.
cases = [
    ("readings of a few hundred", large, half, sweep, []),
    ("readings of a few hundred", large, torch.bfloat16, sweep, sweep),
    ("readings of about 1", small, half, [1.0, 2.0**60, 4.0, 2.0**40], [1.0, 4.0]),
    ("h = 100, w2 = 0.001", (one, one[0] * 9, one * 100, one[0] / 1000), half, [1.0, 8.0], [1.0]),
    ("h = 1, w2 = 100", (one, one[0] * 99, one, one[0] * 100), half, [16.0, 1024.0], [16.0]),
]
for what, arguments, dtype, scales, wanted in cases:
    x, y, w1, w2 = (part.clone() for part in arguments)
    names = [", ".join(f"{scale:g}" for scale in part) or "none" for part in (scales, wanted)]
    when = f"trying the loss scales {names[0]} in {dtype} on {what}"
    think = "Each gradient counts, and where inf meets 0 it turns into nan. When did it come to be?"
    got = usable_scales(predict, x, y, w1, w2, dtype, list(scales))
    expect.kind(got, list, when=when, think=think)
    got = ", ".join(f"{scale:g}" for scale in got) or "none"
    expect.equal(got, names[1], when=when, think=think)

# %% hidden aspect="the tamed network is the same function" points=1
torch.manual_seed(6)
for std in (400.0, 1.0):
    x, y, w1, w2 = (part.double() for part in readings(int(torch.randint(10**6, ())), std))
    exact = torch.stack([(w1 @ row).square() @ w2 for row in x])
    expect.close(
        tamed(x, w1.clone(), w2.clone(), torch.float64),
        exact,
        when=f"comparing the tamed network with the first one in float64, readings of about {std:g}",
        think="What is divided before a square comes back as its square.",
    )

# %% hidden aspect="the tamed network fits into float16" points=2
torch.manual_seed(7)
off = 0.0
for _ in range(6):
    x, y, w1, w2 = readings(int(torch.randint(10**6, ())))
    wanted = tamed(x.clone(), w1.clone(), w2.clone(), torch.float32)
    got = tamed(x.clone(), w1.clone(), w2.clone(), torch.float16)
    expect.close(
        got,
        wanted.to(torch.float16),
        rtol=0.02,
        when="comparing the tamed network in float16 with itself in float32, on readings of a few "
        "hundred",
        think="Which of its numbers is the largest, and is it divided before or after it is squared?",
    )
    off = max(off, (got - wanted.to(torch.float16)).abs().max().item())
# Three predictions of four are rounded alike. That all 192 are has a chance below 1e-20: no false
# alarm.
expect.true(
    off > 0,
    when="comparing 192 predictions of the tamed network in float16 with those in float32, rounded",
    wanted="other last digits in some",
    got="the same digits in all",
    think="A network that computes in float32 needs no cure, and no float16 either.",
)
expect.equal(
    usable_scales(tamed, x, y, w1.clone(), w2.clone(), torch.float16, [2.0**-6]),
    [2.0**-6],
    when="trying a loss scale of 1/64 with the tamed network in float16",
    think="Backward multiplies by the weights of the second layer, in the units they have now.",
)

# %% hidden aspect="the normalized network divides each row by its root mean square" points=1
torch.manual_seed(8)
x, y, w1, w2 = (part.double() for part in readings(int(torch.randint(10**6, ()))))
hidden = x @ w1.T
expect.close(
    normalized(x, w1.clone(), w2.clone(), torch.float64),
    torch.stack([row.square() @ w2 / row.square().mean() for row in hidden]),
    when="predicting from normalized hidden units in float64",
    think="Each reading by itself: the mean runs over the hidden units of one row.",
)

# %% hidden aspect="the normalized network fits into float16" points=1
torch.manual_seed(9)
for std in (400.0, 8000.0):
    x, y, w1, w2 = readings(int(torch.randint(10**6, ())), std)
    exact = normalized(x.clone(), w1.clone(), w2.clone(), torch.float32)
    # w2 is of order 1e-5, where the numbers of float16 are 6e-8 apart.
    expect.close(
        normalized(x.clone(), w1.clone(), w2.clone(), torch.float16),
        exact.to(torch.float16),
        rtol=0.02,
        when=f"comparing the normalized network in float16 with float32, readings of about {std:g}",
        think="Squares overflow inside of a mean, too. What may be divided out before?",
    )

# %% setup
import torch
from torch import nn

# %% text [markdown] id="why-no-loss-scale-helps" points=2
r"""
A colleague trains your first network in float16 with a dynamic loss scaler and asks for a better
initial scale. Answer in about five sentences: what will the scaler do, why does no scale help, and
what are the three ways out (bfloat16, other units, a norm) worth?

- [1] The forward pass overflows before there is a loss to scale, so each gradient is inf or nan at every scale: the scaler halves its scale again and again, skips every step, and the weights never move.
- [1] bfloat16 has float32's range and pays with digits (8 bits, against 11); other units give the same function, if somebody knows the size of the readings; a norm needs no such knowledge and is another function, which no longer sees the size of x.
"""


# %% evidence
# torch's own scaler: the scale is halved with each step, and the weights stay.
class Squares(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.outer = nn.Linear(16, 64, bias=False), nn.Linear(64, 1, bias=False)

    def forward(self, x):
        hidden = self.inner(x)
        return self.outer(hidden * hidden)


def steps(dtype, n):
    """The scales after each of n steps of training, and whether a weight has moved."""
    torch.manual_seed(seed)
    model, x = Squares(), 800 * torch.randn(32, 16)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-15)
    scaler, scales = torch.amp.GradScaler("cpu", init_scale=2.0**16), []
    before = model.outer.weight.detach().clone()
    for _ in range(n):
        optimizer.zero_grad()
        with torch.amp.autocast("cpu", dtype=dtype):
            loss = model(x).float().square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scales.append(scaler.get_scale())
    return scales, not torch.equal(before, model.outer.weight)


seed = int(torch.randint(10**6, ()))
scales, moved = steps(torch.float16, 20)
assert scales == [2.0**k for k in range(15, -5, -1)]
assert not moved
scales, moved = steps(torch.bfloat16, 3)
assert scales == [2.0**16] * 3
assert moved

# %% evidence
# Digits: how far 1 is from the next number. Other units: equal in float64 to the last bit, or
# nearly. A norm: readings ten times as large give the same.
assert torch.finfo(torch.bfloat16).eps == 8 * torch.finfo(torch.float16).eps
assert torch.finfo(torch.bfloat16).max > 1e38
x, w1, w2 = torch.randn(8, 4).double(), torch.randn(6, 4).double(), torch.rand(6).double()
hidden = x @ w1.T
plain = hidden.square() @ w2
units = ((x / 64) @ w1.T).square() @ (64**2 * w2)
assert torch.allclose(plain, units, rtol=1e-12, atol=0)


def normed(x):
    return nn.functional.rms_norm(x @ w1.T, (6,), eps=0.0).square() @ w2


assert torch.allclose(normed(10 * x), normed(x), rtol=1e-9)
assert not torch.allclose(normed(x), plain, rtol=0.01)


# %% alternative of="predict"
def with_einsum(x, w1, w2, dtype):
    x, w1, w2 = (part.type(dtype) for part in (x, w1, w2))
    return torch.mv(F.linear(x, w1) ** 2, w2)


# %% alternative of="gradients"
def with_autograd_grad(net, x, y, w1, w2, dtype, loss_scale):
    w1, w2 = w1.clone().requires_grad_(True), w2.clone().requires_grad_(True)
    loss = (net(x, w1, w2, dtype).to(w1.dtype) - y).pow(2).mean()
    return [g.div(loss_scale) for g in torch.autograd.grad(loss * loss_scale, [w1, w2])]


# %% alternative of="usable_scales"
def with_a_loop(net, x, y, w1, w2, dtype, scales):
    kept = []
    for scale in scales:
        g1, g2 = gradients(net, x, y, w1, w2, dtype, scale)
        if torch.isfinite(g1.sum()) and torch.isfinite(g2.sum()):
            kept.append(scale)
    return kept


# %% alternative of="tamed"
def with_units_in_the_weights(x, w1, w2, dtype):
    hidden = F.linear(x.to(dtype), (w1 / 128).to(dtype))
    return hidden.square() @ (128 * 128 * w2).to(dtype)


# %% alternative of="tamed"
def with_the_unit_between_the_layers(x, w1, w2, dtype):
    hidden = (x.to(dtype) @ w1.to(dtype).T) / 64
    return hidden.square() @ (w2 * 4096).to(dtype)


# %% alternative of="normalized"
def with_statistics_in_float32(x, w1, w2, dtype):
    hidden = x.to(dtype) @ w1.to(dtype).T
    wide = hidden if dtype == torch.float64 else hidden.float()
    rms = wide.pow(2).mean(1, keepdim=True).sqrt()
    return (wide / rms).to(dtype).square() @ w2.to(dtype)


# %% alternative of="normalized"
def with_rms_norm(x, w1, w2, dtype):
    hidden = x.to(dtype) @ w1.to(dtype).T
    hidden = F.rms_norm(hidden, hidden.shape[-1:], eps=1e-12)
    return torch.mv(hidden * hidden, w2.to(dtype))


# %% mistake of="first_to_overflow" fails="the first square that overflows is found"
def takes_the_root_of_the_largest():
    """The root of 65504 is no number of float16, and the one below it has a finite square."""
    return 65504**0.5


# %% mistake of="first_to_overflow" fails="the first square that overflows is found"
def takes_the_largest_that_fits():
    """The square of 255.875 is 65472.0 and fits; the next number of float16 is asked for."""
    return 255.875


# %% mistake of="first_to_overflow" fails="the first square that overflows is found"
def takes_the_end_of_the_range():
    """65504 is where float16 ends; its root is where the squares do."""
    return 65504.0


# %% mistake of="predict" fails="the prediction weighs the squares of the hidden units"
def squares_before_it_adds(x, w1, w2, dtype):
    """The hidden units are squared: the square of a sum is not the sum of the squares."""
    x, w1, w2 = x.to(dtype), w1.to(dtype), w2.to(dtype)
    return (x * x) @ (w1 * w1).T @ w2


# %% mistake of="predict" fails="every operation is in the dtype asked for, and float16 overflows"
def returns_the_dtype_of_the_readings(x, w1, w2, dtype):
    """The result stays in the dtype asked for: whoever needs float32 for a loss asks for it."""
    hidden = x.to(dtype) @ w1.to(dtype).T
    return ((hidden * hidden) @ w2.to(dtype)).to(x.dtype)


# %% mistake of="predict" fails="every operation is in the dtype asked for, and float16 overflows; a loss scale is usable if both gradients are finite"
def rounds_the_result_alone(x, w1, w2, dtype):
    """The scenario is about numbers on the way: each operation has to run in the dtype asked for."""
    hidden = x @ w1.T
    return ((hidden * hidden) @ w2).to(dtype)


# %% mistake of="gradients" fails="the gradients are those of the mean squared error, unscaled; a loss scale rescues gradients that are too small for float16"
def forgets_to_unscale(net, x, y, w1, w2, dtype, loss_scale):
    """The optimizer would take steps that are as many times too long as the loss scale says."""
    leaves = [w.detach().clone().requires_grad_() for w in (w1, w2)]
    loss = F.mse_loss(net(x, *leaves, dtype).to(y.dtype), y)
    (loss_scale * loss).backward()
    return [leaf.grad for leaf in leaves]


# %% mistake of="gradients" fails="the gradients are those of the mean squared error, unscaled"
def adds_up_the_squared_errors(net, x, y, w1, w2, dtype, loss_scale):
    """The mean squared error is asked for: the sum has gradients that grow with the batch."""
    leaves = [w.detach().clone().requires_grad_() for w in (w1, w2)]
    loss = (net(x, *leaves, dtype).to(y.dtype) - y).square().sum()
    (loss_scale * loss).backward()
    return [leaf.grad / loss_scale for leaf in leaves]


# %% mistake of="gradients" fails="a loss scale rescues gradients that are too small for float16"
def keeps_the_loss_in_float16(net, x, y, w1, w2, dtype, loss_scale):
    """A scale of 65536 is itself too large for float16: the loss is scaled in float32."""
    leaves = [w.detach().clone().requires_grad_() for w in (w1, w2)]
    loss = F.mse_loss(net(x, *leaves, dtype), y.to(dtype))
    (loss_scale * loss).backward()
    return [leaf.grad / loss_scale for leaf in leaves]


# %% mistake of="gradients" fails="a loss scale rescues gradients that are too small for float16; a loss scale is usable if both gradients are finite"
def scales_nothing(net, x, y, w1, w2, dtype, loss_scale):
    """A scale that is multiplied and divided after backward changes nothing on the way."""
    leaves = [w.detach().clone().requires_grad_() for w in (w1, w2)]
    F.mse_loss(net(x, *leaves, dtype).to(y.dtype), y).backward()
    return [leaf.grad * loss_scale / loss_scale for leaf in leaves]


# %% mistake of="usable_scales" fails="a loss scale is usable if both gradients are finite"
def looks_for_nan_alone(net, x, y, w1, w2, dtype, scales):
    """inf is no number to step with, either: `isfinite` refuses both."""
    return [
        scale
        for scale in scales
        if not any(g.isnan().any() for g in gradients(net, x, y, w1, w2, dtype, scale))
    ]


# %% mistake of="usable_scales" fails="a loss scale is usable if both gradients are finite"
def looks_at_one_gradient(net, x, y, w1, w2, dtype, scales):
    """The gradient for each weight counts, and they are of different size."""
    found = {scale: gradients(net, x, y, w1, w2, dtype, scale)[0] for scale in scales}
    return [scale for scale, gradient in found.items() if gradient.isfinite().all()]


# %% mistake of="usable_scales" fails="a loss scale is usable if both gradients are finite"
def looks_at_the_loss(net, x, y, w1, w2, dtype, scales):
    """A finite loss says nothing of backward, where numbers are scaled and may overflow."""
    error = net(x, w1, w2, dtype).to(y.dtype) - y
    return [scale for scale in scales if (scale * error.square().mean()).isfinite()]


# %% mistake of="tamed" fails="the tamed network is the same function"
def leaves_the_new_unit_in_the_result(x, w1, w2, dtype):
    """In other units inside, the network still predicts in the old ones."""
    hidden = (x / 256).to(dtype) @ w1.to(dtype).T
    return (hidden * hidden) @ w2.to(dtype)


# %% mistake of="tamed" fails="the tamed network is the same function"
def gives_the_unit_back_once(x, w1, w2, dtype):
    """A unit that is squared comes back squared: an area in metres has a million square millimetres."""
    hidden = (x / 256).to(dtype) @ w1.to(dtype).T
    return (hidden * hidden) @ (256 * w2).to(dtype)


# %% mistake of="tamed" fails="the tamed network is the same function"
def cuts_large_units_off(x, w1, w2, dtype):
    """Beyond the cut all readings look the same, and no gradient comes back from there."""
    hidden = (x.to(dtype) @ w1.to(dtype).T).clamp(-255, 255)
    return (hidden * hidden) @ w2.to(dtype)


# %% mistake of="tamed" fails="the tamed network fits into float16"
def divides_after_the_square(x, w1, w2, dtype):
    """An inf that is divided is inf: the unit has to change before the square."""
    hidden = x.to(dtype) @ w1.to(dtype).T
    return (hidden * hidden / 256**2) @ (256**2 * w2).to(dtype)


# %% mistake of="tamed" fails="the tamed network fits into float16"
def computes_in_float32_instead(x, w1, w2, dtype):
    """A wider format is a cure as well, but the question was for one that float16 can run."""
    hidden = x @ w1.T
    return ((hidden * hidden) @ w2).to(dtype)


# %% mistake of="tamed" fails="the tamed network fits into float16"
def gives_the_unit_back_too_early(x, w1, w2, dtype):
    """Multiplied back before they are weighed, the squares are as large as they were."""
    hidden = (x / 256).to(dtype) @ w1.to(dtype).T
    return (hidden * hidden * 256**2) @ w2.to(dtype)


# %% mistake of="normalized" fails="the normalized network fits into float16"
def squares_first(x, w1, w2, dtype):
    """The mean of the squares overflows where the squares do: divide by the largest unit before."""
    hidden = x.to(dtype) @ w1.to(dtype).T
    hidden = hidden / hidden.square().mean(dim=1, keepdim=True).sqrt()
    return (hidden * hidden) @ w2.to(dtype)


# %% mistake of="normalized" fails="the normalized network divides each row by its root mean square"
def divides_by_the_length(x, w1, w2, dtype):
    """The root of the sum of squares grows with the width; the root mean square does not."""
    hidden = x.to(dtype) @ w1.to(dtype).T
    hidden = hidden / hidden.abs().amax(dim=1, keepdim=True)
    hidden = hidden / hidden.square().sum(dim=1, keepdim=True).sqrt()
    return (hidden * hidden) @ w2.to(dtype)


# %% mistake of="normalized" fails="the normalized network divides each row by its root mean square"
def subtracts_the_mean(x, w1, w2, dtype):
    """That is a layer norm: it takes away the mean first, which the root mean square leaves in."""
    hidden = F.layer_norm(x.to(dtype) @ w1.to(dtype).T, w1.shape[:1])
    return (hidden * hidden) @ w2.to(dtype)


# %% mistake of="normalized" fails="the normalized network divides each row by its root mean square"
def stops_at_the_largest(x, w1, w2, dtype):
    """The largest unit is a help on the way: the root mean square of what is left is not 1 yet."""
    hidden = x.to(dtype) @ w1.to(dtype).T
    hidden = hidden / hidden.abs().amax(dim=1, keepdim=True)
    return (hidden * hidden) @ w2.to(dtype)
