# %% exercise [markdown] items="34" stars=3 minutes=70 level="apply" goal="find a learning rate by one short run that leaves no trace"
r"""
# A learning-rate finder
A learning rate ten times too small wastes the night, one ten times too large ends in NaN. A *range
test* (Smith, 2015) finds out in one short run: raise the rate a little at every step, record the
loss, and look where it falls and where it explodes. Step $i$ of $n$ is made with the rate

$$ \eta_i = \eta_{\min} \left(\frac{\eta_{\max}}{\eta_{\min}}\right)^{i/(n-1)},
\qquad i = 0, \dots, n - 1 $$

The loss of a batch is noisy, so it is averaged, and what the average lacks at first is made up for:

$$ a_i = \beta a_{i-1} + (1 - \beta)\, \ell_i, \qquad s_i = \frac{a_i}{1 - \beta^{i+1}},
\qquad a_{-1} = 0 $$

Libraries differ in the details: one divides by $n$ and never reaches $\eta_{\max}$, one does not
debias. Yours keeps to the formulas and returns two suggestions: `min10`, a tenth of the rate at
which $s$ is lowest, and `steep`, the rate at which $s$ falls fastest on a log axis.

Write `rates`, `smooth` and `suggest`, then `diverged`, `train_step` and `lr_find`, which is made of
them.

*Hint:* the last rates of the test wreck the network. Which network had better be wrecked?

*Hint:* every comparison with NaN is false, and `np.argmin` takes a NaN for the lowest of all.
"""

# %%
import copy
import itertools
import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder import expect, student_side

Batch = tuple[Tensor, Tensor]


# %% solution
def rates(lr_min: float, lr_max: float, num_iter: int) -> list[float]:
    """The `num_iter` rates of the test, from `lr_min` to `lr_max`, both of them included."""
    ### BEGIN SOLUTION
    return [lr_min * (lr_max / lr_min) ** (i / (num_iter - 1)) for i in range(num_iter)]
    ### END SOLUTION


def smooth(losses: Sequence[float], beta: float) -> list[float]:
    """The debiased running averages s_0, s_1, ... of `losses`, as many as there are losses."""
    ### BEGIN SOLUTION
    average, smoothed = 0.0, []
    for i, loss in enumerate(losses):
        average = beta * average + (1 - beta) * loss
        smoothed.append(average / (1 - beta ** (i + 1)))
    return smoothed
    ### END SOLUTION


def suggest(lrs: Sequence[float], smoothed: Sequence[float]) -> dict[str, float]:
    """Two rates, "min10" and "steep", from n rates and the n smoothed losses they led to.

    "min10": a tenth of the rate with the lowest smoothed loss. The last loss may be inf or NaN.
    "steep": the rate with the lowest slope ds / d(log rate), as `np.gradient` measures it, among
    the points 10 <= i < n - 5; NaN if there are none.
    """
    ### BEGIN SOLUTION
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        slopes = np.gradient(smoothed, np.log(lrs))[10:-5]
        best["steep"] = float(lrs[10 + np.argmin(slopes)])
    return best
    ### END SOLUTION


# %% check
expect.close(
    rates(1.0, 16.0, 5),
    [1.0, 2.0, 4.0, 8.0, 16.0],
    when="asking for five rates from 1 to 16",
    think="From one rate to the next there is always the same factor; the last one is lr_max.",
)
# With beta = 1/2 the averages are 1 and 4.5; a half and three quarters are their full weight.
expect.close(
    smooth([2.0, 8.0], 0.5),
    [2.0, 6.0],
    when="smoothing 2, 8 with beta 0.5",
    think="How much weight have the losses so far, taken together?",
)
# 5 up to the 13th rate, then 4, 1, 2, 2, ...: it falls fastest at the 14th, is lowest at the 15th.
curve = [5.0] * 13 + [4.0, 1.0] + [2.0] * 6
best = suggest([10.0 ** (i - 15) for i in range(21)], curve)
expect.kind(
    best,
    dict,
    when="asking for suggestions",
    think="The docstring names the two keys of what comes back.",
)
for name, wanted in {"min10": 0.01, "steep": 0.01}.items():
    expect.close(
        best[name],
        wanted,
        when=f"reading {name} off 21 rates from 1e-15 to 1e5, a factor of 10 apart",
        think="min10: where is the loss 1? steep: where do two neighbours lie furthest apart?",
    )


# %% solution
def diverged(smoothed: Sequence[float], limit: float) -> bool:
    """Whether the search ends here, at the last of these smoothed losses.

    It does if this loss is inf or NaN, or above `limit` times the lowest so far (itself included).
    """
    ### BEGIN SOLUTION
    return not math.isfinite(smoothed[-1]) or smoothed[-1] > limit * min(smoothed)
    ### END SOLUTION


def train_step(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batch: Batch,
    optimizer: torch.optim.Optimizer,
    lr: float,
) -> float:
    """Update the model once with the rate `lr`, in all the parameter groups of the optimizer.

    Returns loss_fn(model(x), y) for the batch (x, y) as it was before the update.
    """
    ### BEGIN SOLUTION
    for group in optimizer.param_groups:
        group["lr"] = lr
    x, y = batch
    loss = loss_fn(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


def lr_find(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[Batch],
    make_opt: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer],
    lr_min: float = 1e-7,
    lr_max: float = 10.0,
    num_iter: int = 100,
    beta: float = 0.98,
    diverge: float = 4.0,
) -> dict:
    """Raise the rate step by step, and tell "lrs", "losses", "smoothed", "min10" and "steep".

    Step i makes one update with batch i and the i-th rate; the optimizer is `make_opt(parameters)`.
    After the last batch comes the first one again. All layers are in training mode.
    The search ends early where the smoothed losses have `diverged`, with `diverge` for the limit;
    this last point is recorded like the others.
    The model is as before in the end: parameters, buffers, no gradients, each module's mode.
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    lrs = rates(lr_min, lr_max, num_iter)
    for lr, batch in zip(lrs, itertools.cycle(batches)):
        losses.append(train_step(twin, loss_fn, batch, optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            break
    lrs = lrs[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}
    ### END SOLUTION


# %% check
# A loss that follows a script: the "labels" are the losses. With beta = 0 nothing is smoothed, and
# 4.5 is the first that is more than 4 times the lowest. Models stay where your code is.
@student_side
def search_with_script(script):
    model = nn.Linear(1, 1)
    batches = [(torch.ones(1, 1), torch.tensor(loss)) for loss in script]
    return lr_find(
        model,
        lambda scores, loss: loss + 0 * scores.sum(),
        batches,
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        lr_min=1.0,
        lr_max=16.0,
        num_iter=5,
        beta=0.0,
    )


found = search_with_script([3.0, 1.0, 4.0, 4.5, 2.0])
expect.kind(
    found,
    dict,
    when="searching with the losses 3, 1, 4, 4.5, 2",
    think="The docstring names the five keys of what comes back.",
)
for name, wanted in {"losses": [3.0, 1.0, 4.0, 4.5], "lrs": [1.0, 2.0, 4.0, 8.0]}.items():
    expect.close(
        found[name],
        wanted,
        rtol=1e-6,  # the losses are float32
        when=f"reading {name} after the losses 3, 1, 4, 4.5, 2, with beta 0",
        think="Which loss is the first above 4 times the lowest? Is it recorded?",
    )
expect.close(
    found["min10"],
    0.2,
    when="reading min10: the lowest loss came with the rate 2",
    think="The lowest smoothed loss says where; how far below that is it safe?",
)


# %% hidden aspect="the rates form a geometric sequence with both ends" points=1
for lr_min, lr_max, num_iter in ((1e-7, 10.0, 100), (3e-4, 0.7, 7), (1e-3, 1.0, 2)):
    got = rates(lr_min, lr_max, num_iter)
    expect.shape(
        np.array(got),
        (num_iter,),
        when=f"counting {num_iter} rates",
        think="Both ends are among the rates.",
    )
    expect.close(
        np.log(np.array(got)),
        np.linspace(math.log(lr_min), math.log(lr_max), num_iter),
        when=f"looking at the logarithms of {num_iter} rates from {lr_min:g} to {lr_max:g}",
        think="n rates have n - 1 steps between them, all equal on a log axis.",
    )

# %% hidden aspect="each smoothed loss is a weighted mean of the losses so far" points=1
torch.manual_seed(2)
for beta, n in ((0.98, 40), (0.6, 9), (0.0, 5)):
    losses = (5 * torch.rand(n).double()).tolist()
    weights = beta ** np.maximum(np.arange(n)[:, None] - np.arange(n), 0.0)
    weights = np.tril(weights) / np.tril(weights).sum(axis=1, keepdims=True)
    expect.close(
        smooth(list(losses), beta),
        (weights @ np.array(losses)).tolist(),
        when=f"smoothing {n} random losses with beta {beta}",
        think="The newest loss counts 1, the one before it beta, and all weights add up to 1.",
    )

# %% hidden aspect="min10 is a tenth of the rate with the lowest finite loss" points=1
torch.manual_seed(3)
for last, n, at in ((7.0, 30, 17), (math.inf, 40, 12), (math.nan, 25, 20)):
    lrs = [1e-4 * 1.3**i for i in range(n)]
    curve = (1 + torch.rand(n).double()).tolist()
    curve[at], curve[-1] = 0.5, last
    expect.kind(
        suggest(list(lrs), list(curve)),
        dict,
        when="asking for suggestions",
        think="The docstring names the two keys of what comes back.",
    )
    expect.close(
        suggest(list(lrs), list(curve))["min10"],
        lrs[at] / 10,
        when=f"reading min10 off {n} points, the last smoothed loss being {last}",
        think="The rate with the lowest loss is about to diverge: how much below it is safe?",
    )

# %% hidden aspect="steep is the rate with the steepest descent on a log axis" points=1
torch.manual_seed(4)
n, at = 45, 20 + int(torch.randint(6, (1,)))
lrs = [1e-6 * 1.4**i for i in range(n)]
drops = 0.05 + 0.02 * torch.rand(n - 1).numpy()
drops[at - 1], drops[at] = 1.0, 1.0  # two steps down, one behind the other
drops[at - 6] = 1.5  # a single larger one: between its neighbours it falls by less
drops[at + 6 : at + 8] = -3.0  # a rise, steeper than any descent
drops[3:5], drops[n - 4 : n - 2] = 4.0, 4.0  # too early, too late
curve = (20 - np.concatenate([[0.0], np.cumsum(drops)])).tolist()
expect.kind(
    suggest(list(lrs), list(curve)),
    dict,
    when="asking for suggestions",
    think="The docstring names the two keys of what comes back.",
)
expect.close(
    suggest(list(lrs), list(curve))["steep"],
    lrs[at],
    when=f"reading steep off {n} points; the curve drops early, in the middle and late",
    think="The slope is measured against log rate, and 10 points at the start do not count.",
)
for n, wanted in ((15, math.nan), (16, 1.4**10)):
    expect.close(
        suggest([1.4**i for i in range(n)], [30.0 - i for i in range(n)])["steep"],
        wanted,
        when=f"reading steep off {n} points",
        think="Which points are left without the first 10 and the last 5?",
    )


# %% hidden aspect="the search ends above a multiple of the lowest smoothed loss" points=1
for smoothed, limit, wanted in (
    ([3.0, 1.0, 4.0], 4.0, False),
    ([3.0, 1.0, 4.01], 4.0, True),
    ([3.0, 1.0, 4.01], 5.0, False),
    ([1.0, 7.0, 3.0], 4.0, False),
    ([1.0, 2.1, 1.1, 2.1], 2.0, True),
    ([9.0], 4.0, False),
):
    got = diverged(list(smoothed), limit)
    expect.equal(
        bool(got),
        wanted,
        when=f"asking whether the search ends at the last of {smoothed}, limit {limit:g}",
        think="The newest loss is compared with the lowest of all so far.",
    )

# %% hidden aspect="a loss that is not finite ends the search" points=1
for last in (math.nan, math.inf, -math.inf):
    for before in ([], [2.0, 1.5]):
        smoothed = [*before, last]
        got = diverged(list(smoothed), 1e9)
        expect.equal(
            bool(got),
            True,
            when=f"asking whether the search ends at the last of {smoothed}",
            think="Is NaN larger than anything? Is inf larger than inf?",
        )


# %% hidden aspect="the loss of a step is the one before its update, by its own gradient" points=1
@student_side
def steps_by_hand(weight, x, y, lr, momentum):
    model = nn.Linear(3, 1, bias=False).double()
    model.weight.data.copy_(weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    losses = [train_step(model, F.mse_loss, (x, y), optimizer, lr) for _ in range(3)]
    return losses, model.weight.detach()


torch.manual_seed(5)
x, y = torch.randn(6, 3).double(), torch.randn(6, 1).double()
start = torch.randn(1, 3).double()
for momentum in (0.0, 0.5):
    w, v, wanted = start.clone(), 0.0, []
    for _ in range(3):
        wanted.append((x @ w.T - y).square().mean().item())
        v = momentum * v + 2 * ((x @ w.T - y) * x).mean(dim=0)
        w = w - 0.1 * v
    losses, weight = steps_by_hand(start.clone(), x.clone(), y.clone(), 0.1, momentum)
    for what, got, right in (("losses", losses, wanted), ("weights", weight, w)):
        expect.close(
            got,
            right,
            when=f"looking at the {what} of three steps on one batch, momentum {momentum}",
            think="One update a step, from this step's gradient alone. When is the loss read?",
        )


# %% hidden aspect="every update is made with the rate of its step" points=1
@student_side
def rates_in_use(lrs):
    used = []

    class Recording(torch.optim.SGD):
        def step(self, closure=None):
            used.append([float(group["lr"]) for group in self.param_groups])
            return super().step(closure)

    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = Recording([{"params": [p]} for p in model.parameters()], lr=0.3)
    for lr in lrs:
        train_step(model, F.mse_loss, (torch.ones(4, 2), torch.ones(4, 1)), optimizer, lr)
    return used


lrs = [1e-4, 0.02, 0.005, 0.1]
expect.close(
    rates_in_use(lrs),
    [[lr] * 4 for lr in lrs],
    when="watching the rates of four parameter groups at each optimizer.step()",
    think="The rate is set before the step, and in all the groups that an optimizer has.",
)


# %% hidden aspect="the search runs through the rates, with the batches in turn, in training mode" points=1
@student_side
def search_and_steps(inputs, targets, num_iter, lr_max, limit):
    def network():
        torch.manual_seed(3)
        layers = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)
        return nn.Sequential(*layers).double()

    make_opt = lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.5)  # noqa: E731
    batches = list(zip(inputs, targets, strict=True))
    options = {
        "lr_min": 1e-3,
        "lr_max": lr_max,
        "num_iter": num_iter,
        "beta": 0.7,
        "diverge": limit,
    }
    found = lr_find(network().eval(), F.mse_loss, batches, make_opt, **options)
    model = network()
    optimizer, losses = make_opt(model.parameters()), []
    for i, lr in enumerate(rates(1e-3, lr_max, num_iter)):
        losses.append(train_step(model, F.mse_loss, batches[i % len(batches)], optimizer, lr))
        if diverged(smooth(losses, 0.7), limit):
            break
    return found, losses, rates(1e-3, lr_max, num_iter)


torch.manual_seed(9)
inputs, targets = torch.randn(3, 6, 3).double(), 2 * torch.randn(3, 6, 1).double()
# The loss explodes late in the second search; in the third, each rise ends it.
for num_iter, lr_max, limit in ((25, 0.1, 100.0), (60, 1e6, 2.5), (25, 0.1, 1.0)):
    found, losses, lrs = search_and_steps(inputs.clone(), targets.clone(), num_iter, lr_max, limit)
    expect.kind(
        found,
        dict,
        when=f"searching {num_iter} rates with three batches",
        think="The docstring names the five keys of what comes back.",
    )
    lrs = list(lrs)[: len(losses)]
    smoothed = smooth(list(losses), 0.7)
    wanted = {"losses": losses, "lrs": lrs, "smoothed": smoothed, **suggest(lrs, smoothed)}
    for key, value in wanted.items():
        expect.close(
            found[key],
            value,
            when=f"comparing {key} with steps made one by one, {num_iter} rates up to {lr_max:g}",
            think="Which batch and rate comes next, in which mode? Is the last point kept?",
        )


# %% hidden aspect="the model is left as it was, bit for bit" points=1
@student_side
def before_and_after_search(x, y, lr_max):
    model = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Dropout(0.3), nn.Linear(5, 1))
    for _ in range(3):
        model(x)  # the buffers move away from where they began
    model[1].eval()

    def look():
        modes = {name or "the whole": module.training for name, module in model.named_modules()}
        grads = [name for name, p in model.named_parameters() if p.grad is not None]
        return {name: v.clone() for name, v in model.state_dict().items()}, modes, grads

    before = look()
    make_opt = lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)  # noqa: E731
    found = lr_find(model, F.mse_loss, [(x, y)], make_opt, lr_max=lr_max, num_iter=20, beta=0.5)
    return before, look(), len(found["losses"])


torch.manual_seed(10)
x, y = torch.randn(8, 3) + 1, torch.randn(8, 1)
for lr_max, name in ((0.1, "a search to the end"), (1e9, "a search that diverged")):
    before, after, _ = before_and_after_search(x, y, lr_max)
    looks = "parameters and buffers", "modes of its modules", "parameters with a gradient"
    for look, one, other in zip(looks, before, after, strict=True):
        expect.equal(
            other,
            one,
            when=f"looking at the model after {name} ({look})",
            think="What is in the model beside its weights? Is what was put aside a copy?",
        )


# %% alternative of="rates"
def with_numpy(lr_min, lr_max, num_iter):
    return np.geomspace(lr_min, lr_max, num_iter)


# %% alternative of="smooth"
def with_the_running_weight(losses, beta):
    total, weight, smoothed = 0.0, 0.0, []
    for loss in losses:
        total, weight = loss + beta * total, 1.0 + beta * weight
        smoothed.append(total / weight)
    return smoothed


# %% alternative of="suggest"
def with_central_differences(lrs, smoothed):
    n = len(lrs)
    finite = [i for i in range(n) if math.isfinite(smoothed[i])]
    lowest = min(finite, key=lambda i: smoothed[i])

    def slope(i):
        return (smoothed[i + 1] - smoothed[i - 1]) / math.log(lrs[i + 1] / lrs[i - 1])

    inner = range(10, n - 5)
    steep = lrs[min(inner, key=slope)] if len(inner) else float("nan")
    return {"steep": steep, "min10": lrs[lowest] / 10}


# %% alternative of="lr_find"
def with_a_saved_state(
    model, loss_fn, batches, make_opt, lr_min=1e-7, lr_max=10.0, num_iter=100, beta=0.98, diverge=4
):
    twin, state = model, copy.deepcopy(model.state_dict())
    modes = [(m, m.training) for m in model.modules()]
    twin.train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        losses.append(train_step(twin, loss_fn, batches[i % len(batches)], optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            break
    model.load_state_dict(state)
    model.zero_grad(set_to_none=True)
    for m, mode in modes:
        m.training = mode
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% alternative of="diverged"
def with_one_comparison(smoothed, limit):
    return not (abs(smoothed[-1]) < math.inf and smoothed[-1] <= limit * np.nanmin(smoothed))


# %% alternative of="train_step"
def with_the_gradient_cleared_behind(model, loss_fn, batch, optimizer, lr):
    optimizer.zero_grad()
    loss = loss_fn(model(batch[0]), batch[1])
    loss.backward()
    for group in optimizer.param_groups:
        group.update(lr=lr)
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.detach())


# %% mistake of="rates" fails="the rates form a geometric sequence with both ends"
def divides_by_the_number_of_rates(lr_min, lr_max, num_iter):
    """Between n rates lie n - 1 steps; divided by n, the search stops short of lr_max."""
    return [lr_min * (lr_max / lr_min) ** (i / num_iter) for i in range(num_iter)]


# %% mistake of="smooth" fails="each smoothed loss is a weighted mean of the losses so far"
def starts_at_the_first_loss(losses, beta):
    """An average that starts at the first loss remembers it for long: start at 0, then debias."""
    average, smoothed = losses[0], []
    for loss in losses:
        average = beta * average + (1 - beta) * loss
        smoothed.append(average)
    return smoothed


# %% mistake of="smooth" fails="each smoothed loss is a weighted mean of the losses so far"
def forgets_the_correction(losses, beta):
    """An average that starts at 0 is far too low at first: divide by 1 - beta ** (i + 1)."""
    average, smoothed = 0.0, []
    for loss in losses:
        average = beta * average + (1 - beta) * loss
        smoothed.append(average)
    return smoothed


# %% mistake of="suggest" fails="min10 is a tenth of the rate with the lowest finite loss"
def lets_a_nan_be_lowest(lrs, smoothed):
    """np.argmin takes a NaN for the lowest of all; np.nanargmin passes over it."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.argmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        slopes = np.gradient(smoothed, np.log(lrs))[10:-5]
        best["steep"] = float(lrs[10 + np.argmin(slopes)])
    return best


# %% mistake of="suggest" fails="min10 is a tenth of the rate with the lowest finite loss"
def forgets_the_tenth(lrs, smoothed):
    """At the lowest loss the explosion is one step away: a tenth of that rate is suggested."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)]), "steep": math.nan}
    if len(lrs) > 15:
        slopes = np.gradient(smoothed, np.log(lrs))[10:-5]
        best["steep"] = float(lrs[10 + np.argmin(slopes)])
    return best


# %% mistake of="suggest" fails="steep is the rate with the steepest descent on a log axis"
def measures_against_the_rate(lrs, smoothed):
    """Against the rate itself, small rates look steep: the slope is taken against its logarithm."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        best["steep"] = float(lrs[10 + np.argmin(np.gradient(smoothed, lrs)[10:-5])])
    return best


# %% mistake of="suggest" fails="steep is the rate with the steepest descent on a log axis"
def counts_from_the_cut(lrs, smoothed):
    """An index into a list whose first 10 points are cut off is 10 too small."""
    lrs, smoothed = np.array(lrs), np.array(smoothed)
    best = {"min10": float(lrs[np.nanargmin(smoothed)] / 10), "steep": math.nan}
    if len(lrs) > 15:
        best["steep"] = float(lrs[np.argmin(np.gradient(smoothed, np.log(lrs))[10:-5])])
    return best


# %% mistake of="diverged" fails="the search ends above a multiple of the lowest smoothed loss"
def compares_with_the_first(smoothed, limit):
    """A loss that has come down far explodes long before it is above the first one again."""
    return not math.isfinite(smoothed[-1]) or smoothed[-1] > limit * smoothed[0]


# %% mistake of="diverged" fails="the search ends above a multiple of the lowest smoothed loss"
def always_allows_four_times(smoothed, limit):
    """How much is too much is an argument: `limit`."""
    return not math.isfinite(smoothed[-1]) or smoothed[-1] > 4 * min(smoothed)


# %% mistake of="diverged" fails="a loss that is not finite ends the search"
def compares_with_nan(smoothed, limit):
    """Every comparison with NaN is false, so this search never notices one."""
    return smoothed[-1] == math.inf or smoothed[-1] > limit * min(smoothed)


# %% mistake of="train_step" fails="the loss of a step is the one before its update, by its own gradient"
def records_the_loss_after_the_update(model, loss_fn, batch, optimizer, lr):
    """The loss behind the update belongs to the next rate: record what was differentiated."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    loss = loss_fn(model(batch[0]), batch[1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss_fn(model(batch[0]), batch[1]).item()


# %% mistake of="train_step" fails="the loss of a step is the one before its update, by its own gradient"
def adds_up_gradients(model, loss_fn, batch, optimizer, lr):
    """Without zero_grad each gradient has all those before it in it."""
    for group in optimizer.param_groups:
        group["lr"] = lr
    loss = loss_fn(model(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake of="train_step" fails="every update is made with the rate of its step"
def sets_the_first_group_only(model, loss_fn, batch, optimizer, lr):
    """An optimizer may have several parameter groups, each with a rate of its own."""
    optimizer.param_groups[0]["lr"] = lr
    loss = loss_fn(model(batch[0]), batch[1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# %% mistake of="train_step" fails="every update is made with the rate of its step"
def sets_the_rate_after_the_step(model, loss_fn, batch, optimizer, lr):
    """A rate set after the step is used in the next one: set it before."""
    loss = loss_fn(model(batch[0]), batch[1])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    for group in optimizer.param_groups:
        group["lr"] = lr
    return loss.item()


# %% mistake of="lr_find" fails="the search runs through the rates, with the batches in turn, in training mode"
def drops_the_point_that_ended_it(
    model, loss_fn, batches, make_opt, lr_min=1e-7, lr_max=10.0, num_iter=100, beta=0.98, diverge=4
):
    """The point that ends the search is part of the curve, like all before it."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        losses.append(train_step(twin, loss_fn, batches[i % len(batches)], optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            losses, smoothed = losses[:-1], smoothed[:-1]
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the search runs through the rates, with the batches in turn, in training mode"
def searches_in_the_mode_it_finds(
    model, loss_fn, batches, make_opt, lr_min=1e-7, lr_max=10.0, num_iter=100, beta=0.98, diverge=4
):
    """The rate is for training, so the search runs in training mode, whatever mode it finds."""
    twin = copy.deepcopy(model)
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        losses.append(train_step(twin, loss_fn, batches[i % len(batches)], optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the search runs through the rates, with the batches in turn, in training mode"
def stays_with_the_first_batch(
    model, loss_fn, batches, make_opt, lr_min=1e-7, lr_max=10.0, num_iter=100, beta=0.98, diverge=4
):
    """One batch can be learned by heart: each step has the next one."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        losses.append(train_step(twin, loss_fn, batches[0], optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the search runs through the rates, with the batches in turn, in training mode"
def suggests_from_the_raw_losses(
    model, loss_fn, batches, make_opt, lr_min=1e-7, lr_max=10.0, num_iter=100, beta=0.98, diverge=4
):
    """The lowest raw loss is the luckiest batch: `suggest` reads the smoothed ones."""
    twin = copy.deepcopy(model).train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        losses.append(train_step(twin, loss_fn, batches[i % len(batches)], optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            break
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, losses)}


# %% mistake of="lr_find" fails="the model is left as it was, bit for bit"
def puts_back_the_parameters_alone(
    model, loss_fn, batches, make_opt, lr_min=1e-7, lr_max=10.0, num_iter=100, beta=0.98, diverge=4
):
    """Running statistics change in training as well: buffers belong to the model, too."""
    twin, saved = model, [p.detach().clone() for p in model.parameters()]
    modes = [(m, m.training) for m in model.modules()]
    twin.train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        losses.append(train_step(twin, loss_fn, batches[i % len(batches)], optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            break
    for p, old in zip(model.parameters(), saved, strict=True):
        p.data.copy_(old)
        p.grad = None
    for m, mode in modes:
        m.training = mode
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}


# %% mistake of="lr_find" fails="the model is left as it was, bit for bit"
def saves_the_state_without_a_copy(
    model, loss_fn, batches, make_opt, lr_min=1e-7, lr_max=10.0, num_iter=100, beta=0.98, diverge=4
):
    """state_dict() holds the very tensors that training changes: save copies of them."""
    twin, saved = model, model.state_dict()
    modes = [(m, m.training) for m in model.modules()]
    twin.train()
    optimizer, losses = make_opt(twin.parameters()), []
    for i, lr in enumerate(rates(lr_min, lr_max, num_iter)):
        losses.append(train_step(twin, loss_fn, batches[i % len(batches)], optimizer, lr))
        smoothed = smooth(losses, beta)
        if diverged(smoothed, diverge):
            break
    model.load_state_dict(saved)
    model.zero_grad()
    for m, mode in modes:
        m.training = mode
    lrs = rates(lr_min, lr_max, num_iter)[: len(losses)]
    return {"lrs": lrs, "losses": losses, "smoothed": smoothed, **suggest(lrs, smoothed)}
