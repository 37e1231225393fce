# %% exercise [markdown] items="157" stars=2 minutes=45 level="apply" goal="accumulate gradients so that they are those of the large batch, and know when they cannot be"
r"""
# Gradient accumulation
A batch that does not fit into memory can be sent through in *micro-batches*: `backward` adds to
the gradients that are there already, and the optimizer steps once at the end. Done right, the sum
is the gradient of the whole batch. Done nearly right, training goes on all the same, with another
learning rate or other weights for some samples; a widely used library did so until 2024.

"Divide each loss by the number of micro-batches" is the usual advice. It is right for a mean loss
and micro-batches of equal size. The last one of an epoch is often shorter, and the mean over all
$N$ samples is

$$ L = \frac{1}{N} \sum_{i=1}^{N} \ell_i = \sum_k \frac{n_k}{N} \, L_k , $$

where $L_k$ is the mean over the $n_k$ samples of micro-batch $k$. A loss that is a *sum* needs
something else again: what does it need?

Write `accumulate`. Then measure with `relative_gap` how well it does for a network of your choice:

$$ \text{gap} = \frac{\lVert g_{\text{accumulated}} - g_{\text{whole}} \rVert}
{\lVert g_{\text{whole}} \rVert} $$

*Hint:* when do gradients have to be cleared, so that none from the last step is left, and none of
this step is lost?
"""

# %%
import torch
from torch import Tensor, nn

from autograder import expect, student_side


def network(norm: str = "none") -> nn.Module:
    """Five features in, three classes out, in float64, with "none", "layer" or "batch" norm."""
    norms = {"none": nn.Identity, "layer": nn.LayerNorm, "batch": nn.BatchNorm1d}
    return nn.Sequential(nn.Linear(5, 8), norms[norm](8), nn.Tanh(), nn.Linear(8, 3)).double()


# %% solution
def accumulate(model: nn.Module, loss_fn: nn.Module, x: Tensor, y: Tensor, micro_size: int) -> None:
    """Leave the gradient of `loss_fn(model(x), y)` in the `.grad` of the model's parameters.

    `x` and `y` hold N samples. The model sees `micro_size` of them at a time, in their order, and
    at the end those that are left. What is needed for the gradient of one micro-batch is gone
    before the next one goes in. `loss_fn.reduction` is "mean" or "sum": over the samples.
    Gradients from before the call do not count.
    """
    ### BEGIN SOLUTION
    model.zero_grad()
    for part, target in zip(x.split(micro_size), y.split(micro_size), strict=True):
        share = len(part) / len(x) if loss_fn.reduction == "mean" else 1.0
        (share * loss_fn(model(part), target)).backward()
    ### END SOLUTION


# %% check
# From w = 0, the square of w x - y has the slope -2 x y: -4, -8 and -12 here, on average -8.
@student_side
def slope_of(reduction):
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    x, y = torch.ones(3, 1), torch.tensor([[2.0], [4.0], [6.0]])
    accumulate(model, nn.MSELoss(reduction=reduction), x, y, micro_size=2)
    return model.weight.grad


for reduction, wanted in (("mean", -8.0), ("sum", -24.0)):
    expect.close(
        slope_of(reduction),
        [[wanted]],
        when=f"accumulating the slopes -4, -8 and -12 in a micro-batch of two and one of one "
        f"({reduction})",
        think="What does one sample count in the whole batch, and what in its micro-batch?",
    )


# %% solution
def relative_gap(
    model: nn.Module, loss_fn: nn.Module, x: Tensor, y: Tensor, micro_size: int
) -> float:
    """How far what `accumulate` finds is from the gradient of the whole batch, over its length.

    Lengths are over all parameters together. The model is measured in the mode it is in.
    """
    ### BEGIN SOLUTION
    whole = torch.autograd.grad(loss_fn(model(x), y), list(model.parameters()))
    accumulate(model, loss_fn, x, y, micro_size)
    off = torch.cat(
        [(p.grad - g).flatten() for p, g in zip(model.parameters(), whole, strict=True)]
    )
    return (off.norm() / torch.cat([g.flatten() for g in whole]).norm()).item()
    ### END SOLUTION


# %% check
@student_side
def gaps():
    torch.manual_seed(0)
    x, y = torch.randn(24, 5).double(), torch.randint(0, 3, (24,))
    kinds, sizes = ("none", "layer", "batch"), (12, 6, 3)
    return {
        kind: [relative_gap(network(kind), nn.CrossEntropyLoss(), x, y, size) for size in sizes]
        for kind in kinds
    }


# With a batch norm the two gradients differ, however well you accumulate.
for kind, measured in gaps().items():
    print(f"{kind:>5} norm, 24 samples by 12, 6, 3:", *(f"{gap:8.1e}" for gap in measured))
    expect.between(
        max(measured),
        0.0,
        1e-12 if kind != "batch" else 10.0,
        when=f"measuring the gap of network({kind!r}), in micro-batches of equal size",
        think="If accumulate is right by itself: are the gradients of the two ways kept apart?",
    )

# %% setup
import torch
from torch import nn

# %% choice [markdown] id="why-batch-norm-differs" points=1
r"""
The gap is at rounding error without a norm and with a layer norm, but not with a batch norm, even
if all micro-batches have the same size. Why?

- [x] Mean and variance are those of the micro-batch, so another function is differentiated.
  > Yes: each sample is normalized among other samples than in the whole batch. For the same reason dropout differs, with its fresh masks. Layer norms and frozen statistics do not.
- [ ] The running statistics are updated several times a step instead of once.
  > They are, and evaluation will notice. Are they used in training mode, where this is measured?
- [ ] The gradients of scale and shift are averages, and would need another factor.
  > They are gradients of the same loss as all others. Measure the gap of a batch norm without them.
- [ ] Rounding errors add up, as a batch norm divides by a small root.
  > In float64 those are near 1e-16. Compare that with what you have measured.
"""

# %% evidence
x, y = torch.randn(24, 5).double(), torch.randint(0, 3, (24,))
loss_fn = nn.CrossEntropyLoss()


def gap(norm, training=True):
    model = nn.Sequential(nn.Linear(5, 8), norm, nn.Tanh(), nn.Linear(8, 3)).double()
    model.train(training)
    parameters = list(model.parameters())
    whole = torch.autograd.grad(loss_fn(model(x), y), parameters)
    loss = sum(
        loss_fn(model(part), to) / 4 for part, to in zip(x.split(6), y.split(6), strict=True)
    )
    parts = torch.autograd.grad(loss, parameters)
    off = torch.cat([(a - b).flatten() for a, b in zip(whole, parts, strict=True)]).norm()
    return (off / torch.cat([g.flatten() for g in whole]).norm()).item()


assert gap(nn.LayerNorm(8)) < 1e-12
assert gap(nn.BatchNorm1d(8)) > 1e-2
# Neither running statistics nor scale and shift are to blame.
assert gap(nn.BatchNorm1d(8, track_running_stats=False)) > 1e-2
assert gap(nn.BatchNorm1d(8, affine=False)) > 1e-2
# Given statistics: the same function for each sample, whoever is beside it.
assert gap(nn.BatchNorm1d(8), training=False) < 1e-12


# %%
@student_side
def accumulated(
    state: dict[str, Tensor], x: Tensor, y: Tensor, micro_size: int, reduction: str = "mean"
) -> list[Tensor]:
    """What `accumulate` leaves in the gradients of a network with these weights."""
    model = network()
    model.load_state_dict(state)
    accumulate(model, nn.CrossEntropyLoss(reduction=reduction), x, y, micro_size)
    return [p.grad for p in model.parameters()]


# %% hidden aspect="equal micro-batches add up to the whole batch" points=1
torch.manual_seed(1)
for n, size in ((12, 4), (10, 5), (6, 1)):
    model, x, y = network(), torch.randn(n, 5).double(), torch.randint(0, 3, (n,))
    nn.CrossEntropyLoss()(model(x), y).backward()
    got = accumulated(dict(model.state_dict()), x.clone(), y.clone(), size)
    for mine, p in zip(got, model.parameters(), strict=True):
        expect.close(
            mine,
            p.grad,
            when=f"accumulating a mean loss over {n} samples, {size} at a time",
            think="What does a sample count in the mean of its micro-batch, and what in that of all?",
        )

# %% hidden aspect="a short last micro-batch counts by its samples" points=1
torch.manual_seed(2)
for n, size in ((10, 4), (9, 8), (7, 20)):
    model, x, y = network(), torch.randn(n, 5).double(), torch.randint(0, 3, (n,))
    nn.CrossEntropyLoss()(model(x), y).backward()
    got = accumulated(dict(model.state_dict()), x.clone(), y.clone(), size)
    for mine, p in zip(got, model.parameters(), strict=True):
        expect.close(
            mine,
            p.grad,
            when=f"accumulating a mean loss over {n} samples, {size} at a time",
            think="In the whole batch every sample counts the same, those at the end as well.",
        )

# %% hidden aspect="a loss that is a sum is added up as it is" points=1
torch.manual_seed(3)
for n, size in ((12, 4), (6, 2)):
    model, x, y = network(), torch.randn(n, 5).double(), torch.randint(0, 3, (n,))
    nn.CrossEntropyLoss(reduction="sum")(model(x), y).backward()
    got = accumulated(dict(model.state_dict()), x.clone(), y.clone(), size, reduction="sum")
    for mine, p in zip(got, model.parameters(), strict=True):
        expect.close(
            mine,
            p.grad,
            when=f"accumulating a loss with reduction sum over {n} samples, {size} at a time",
            think="The sum over all samples is the sum of the sums.",
        )


# %% hidden aspect="gradients from before the call do not count" points=1
@student_side
def with_and_without_a_past(state, old, old_y, x, y):
    found = []
    for past in (False, True):
        model = network()
        model.load_state_dict(state)
        if past:
            nn.CrossEntropyLoss()(model(old), old_y).backward()
        accumulate(model, nn.CrossEntropyLoss(), x, y, 4)
        found.append([p.grad.clone() for p in model.parameters()])
    return found


torch.manual_seed(4)
old, x = torch.randn(2, 10, 5).double()
old_y, y = torch.randint(0, 3, (2, 10))
fresh, later = with_and_without_a_past(dict(network().state_dict()), old, old_y, x, y)
for one, other in zip(later, fresh, strict=True):
    expect.close(
        one,
        other,
        when="accumulating on a model that has gradients of another batch already",
        think="Who clears what the step before has left, and when?",
    )


# %% hidden aspect="one micro-batch is in memory at a time" points=1
from itertools import pairwise


@student_side
def events(x, y, micro_size):
    seen, model = [], network()

    def forward(module, inputs, output):
        seen.append(len(output))
        output.register_hook(lambda gradient: seen.append("backward"))

    model.register_forward_hook(forward)
    accumulate(model, nn.CrossEntropyLoss(), x, y, micro_size)
    return seen


torch.manual_seed(5)
for n, size in ((12, 3), (10, 4)):
    seen = events(torch.randn(n, 5).double(), torch.randint(0, 3, (n,)), size)
    expect.true(
        seen,
        when=f"watching what the model is given: {n} samples, at most {size} at a time",
        wanted="some of them",
        got="nothing",
        think="Every sample has its part in the gradient.",
    )
    expect.true(
        all(event == "backward" or event <= size for event in seen),
        when=f"watching what the model is given: {n} samples, at most {size} at a time",
        wanted=f"at most {size} samples at once",
        got=f"{max([0] + [e for e in seen if e != 'backward'])}",
        think="The whole batch does not fit into memory; that is why it is split.",
    )
    expect.true(
        all("backward" in pair for pair in pairwise(seen)),
        when=f"watching the order of forward and backward passes, {n} samples by {size}",
        wanted="a backward pass between any two forward passes",
        got="two forward passes in a row",
        think="What a forward pass leaves behind for backward is what fills the memory.",
    )


# %% hidden aspect="relative_gap tells how far the two gradients are apart" points=1
@student_side
def gap_and_gradients(norm, state, x, y, micro_size):
    loss_fn, found = nn.CrossEntropyLoss(), []
    for what in ("gap", "gradients"):
        model = network(norm)
        model.load_state_dict(state)
        if what == "gap":
            found.append(relative_gap(model, loss_fn, x, y, micro_size))
        else:
            accumulate(model, loss_fn, x, y, micro_size)
            found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    return found


torch.manual_seed(6)
for norm, n, size in (("batch", 12, 4), ("batch", 12, 5), ("layer", 10, 4), ("none", 9, 3)):
    model, x, y = network(norm), 2 * torch.randn(n, 5).double(), torch.randint(0, 3, (n,))
    state = {name: value.clone() for name, value in model.state_dict().items()}
    gap, mine = gap_and_gradients(norm, state, x.clone(), y.clone(), size)
    nn.CrossEntropyLoss()(model(x), y).backward()
    whole = torch.cat([p.grad.flatten() for p in model.parameters()])
    expect.close(
        gap,
        ((mine - whole).norm() / whole.norm()).item(),
        atol=1e-12,  # rounding, where there is no gap
        when=f"measuring the gap of network({norm!r}), {n} samples by {size}",
        think="One length over all parameters, over the length of the gradient of the whole batch.",
    )


# %% alternative of="accumulate"
def with_sums_divided_at_the_end(model, loss_fn, x, y, micro_size):
    for p in model.parameters():
        p.grad = None
    for start in range(0, len(x), micro_size):
        part, target = x[start : start + micro_size], y[start : start + micro_size]
        loss = loss_fn(model(part), target)
        if loss_fn.reduction == "mean":
            loss = loss * len(part)
        loss.backward()
    if loss_fn.reduction == "mean":
        for p in model.parameters():
            p.grad /= len(x)


# %% alternative of="accumulate"
def without_backward(model, loss_fn, x, y, micro_size):
    parameters = list(model.parameters())
    totals = [torch.zeros_like(p) for p in parameters]
    for i in range(-(-len(x) // micro_size)):
        at = slice(i * micro_size, (i + 1) * micro_size)
        grads = torch.autograd.grad(loss_fn(model(x[at]), y[at]), parameters)
        share = {"sum": 1, "mean": len(x[at]) / len(x)}[loss_fn.reduction]
        totals = [total + share * grad for total, grad in zip(totals, grads, strict=True)]
    for p, total in zip(parameters, totals, strict=True):
        p.grad = total


# %% alternative of="relative_gap"
def with_one_large_micro_batch(model, loss_fn, x, y, micro_size):
    squares = [0.0, 0.0]
    accumulate(model, loss_fn, x, y, micro_size)
    mine = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    loss_fn(model(x), y).backward()
    for a, p in zip(mine, model.parameters(), strict=True):
        squares[0] += (a - p.grad).square().sum().item()
        squares[1] += p.grad.square().sum().item()
    return (squares[0] / squares[1]) ** 0.5


# %% mistake of="accumulate" fails="equal micro-batches add up to the whole batch; a short last micro-batch counts by its samples"
def forgets_to_scale(model, loss_fn, x, y, micro_size):
    """backward adds up, so k means give k times their average: a learning rate k times as large."""
    model.zero_grad()
    for part, target in zip(x.split(micro_size), y.split(micro_size), strict=True):
        loss_fn(model(part), target).backward()


# %% mistake of="accumulate" fails="a short last micro-batch counts by its samples"
def divides_by_the_number_of_micro_batches(model, loss_fn, x, y, micro_size):
    """With 4, 4 and 2 samples, the last two would count twice as much as the others."""
    model.zero_grad()
    parts = list(zip(x.split(micro_size), y.split(micro_size), strict=True))
    for part, target in parts:
        loss = loss_fn(model(part), target)
        (loss / len(parts) if loss_fn.reduction == "mean" else loss).backward()


# %% mistake of="accumulate" fails="a short last micro-batch counts by its samples"
def drops_the_rest(model, loss_fn, x, y, micro_size):
    """The samples that do not fill a micro-batch are part of the batch, too."""
    model.zero_grad()
    (0.0 * sum(p.sum() for p in model.parameters())).backward()
    for i in range(len(x) // micro_size):
        at = slice(i * micro_size, (i + 1) * micro_size)
        share = micro_size / len(x) if loss_fn.reduction == "mean" else 1.0
        (share * loss_fn(model(x[at]), y[at])).backward()


# %% mistake of="accumulate" fails="equal micro-batches add up to the whole batch"
def weighs_uneven_micro_batches_only(model, loss_fn, x, y, micro_size):
    """Equal micro-batches need their share as well: k means add up to k times their average."""
    model.zero_grad()
    uneven = len(x) % micro_size != 0
    for part, target in zip(x.split(micro_size), y.split(micro_size), strict=True):
        weighted = uneven and loss_fn.reduction == "mean"
        share = len(part) / len(x) if weighted else 1.0
        (share * loss_fn(model(part), target)).backward()


# %% mistake of="accumulate" fails="a loss that is a sum is added up as it is"
def divides_sums_as_well(model, loss_fn, x, y, micro_size):
    """Only means have to be weighted; the sums of the parts are the sum of the whole."""
    model.zero_grad()
    for part, target in zip(x.split(micro_size), y.split(micro_size), strict=True):
        (len(part) / len(x) * loss_fn(model(part), target)).backward()


# %% mistake of="accumulate" fails="gradients from before the call do not count"
def never_clears(model, loss_fn, x, y, micro_size):
    """backward adds to whatever is there: what the last step has used must go first."""
    for part, target in zip(x.split(micro_size), y.split(micro_size), strict=True):
        share = len(part) / len(x) if loss_fn.reduction == "mean" else 1.0
        (share * loss_fn(model(part), target)).backward()


# %% mistake of="accumulate" fails="equal micro-batches add up to the whole batch; a short last micro-batch counts by its samples; a loss that is a sum is added up as it is"
def clears_before_every_backward(model, loss_fn, x, y, micro_size):
    """Cleared before each micro-batch, only the last one is left: clear once, at the beginning."""
    for part, target in zip(x.split(micro_size), y.split(micro_size), strict=True):
        model.zero_grad()
        share = len(part) / len(x) if loss_fn.reduction == "mean" else 1.0
        (share * loss_fn(model(part), target)).backward()


# %% mistake of="accumulate" fails="one micro-batch is in memory at a time"
def sends_the_whole_batch(model, loss_fn, x, y, micro_size):
    """That is the gradient, but the batch was to be split as it does not fit into memory."""
    model.zero_grad()
    loss_fn(model(x), y).backward()


# %% mistake of="accumulate" fails="one micro-batch is in memory at a time"
def goes_backward_once_at_the_end(model, loss_fn, x, y, micro_size):
    """Until backward, every micro-batch keeps its activations: together as many as the batch."""
    model.zero_grad()
    total = 0.0
    for part, target in zip(x.split(micro_size), y.split(micro_size), strict=True):
        share = len(part) / len(x) if loss_fn.reduction == "mean" else 1.0
        total = total + share * loss_fn(model(part), target)
    total.backward()


# %% mistake of="relative_gap" fails="relative_gap tells how far the two gradients are apart"
def tells_the_absolute_gap(model, loss_fn, x, y, micro_size):
    """How far apart they are says little until it is compared with how long they are."""
    whole = torch.autograd.grad(loss_fn(model(x), y), list(model.parameters()))
    accumulate(model, loss_fn, x, y, micro_size)
    off = [(p.grad - g).flatten() for p, g in zip(model.parameters(), whole, strict=True)]
    return torch.cat(off).norm().item()


# %% mistake of="relative_gap" fails="relative_gap tells how far the two gradients are apart"
def compares_a_gradient_with_itself(model, loss_fn, x, y, micro_size):
    """p.grad is one tensor that later passes write into: keep a copy of the first result."""
    accumulate(model, loss_fn, x, y, micro_size)
    mine = [p.grad for p in model.parameters()]
    loss_fn(model(x), y).backward()
    whole = [p.grad for p in model.parameters()]
    off = torch.cat([(a - b).flatten() for a, b in zip(mine, whole, strict=True)]).norm()
    return (off / torch.cat([g.flatten() for g in whole]).norm()).item()


# %% mistake of="relative_gap" fails="relative_gap tells how far the two gradients are apart"
def compares_lengths(model, loss_fn, x, y, micro_size):
    """Two gradients of equal length may point elsewhere: take the length of their difference."""
    whole = torch.autograd.grad(loss_fn(model(x), y), list(model.parameters()))
    accumulate(model, loss_fn, x, y, micro_size)
    long = torch.cat([g.flatten() for g in whole]).norm()
    return ((torch.cat([p.grad.flatten() for p in model.parameters()]).norm() - long) / long).item()
