# %% exercise [markdown] items="36" stars=2 minutes=50 level="apply" goal="write the one-cycle policy and find it, number by number, in PyTorch"
r"""
# One-cycle, rate and momentum together
`OneCycleLR` overwrites two settings of your optimizer, at every step: its learning rate, and the
momentum that you chose. Whoever does not know that tunes a number that is never used. Here you
write the policy yourself and compare.

A run of $T$ steps passes through *knots*. In PyTorch's default they are

| index | rate | momentum |
|---|---|---|
| $0$ | $\eta_{\max} / \text{div}$ | `max_momentum` |
| $p\,T - 1$ | $\eta_{\max}$ | `base_momentum` |
| $T - 1$ | $\eta_{\max} / \text{div} / \text{final div}$ | `max_momentum` |

From one knot with value $a$ to the next with value $b$ both follow half a cosine,

$$ a + (b - a)\,\frac{1 - \cos \pi s}{2}, $$

where $s$ runs from 0 to 1 between them. The index of the middle knot need not be whole; then no
step stands on the peak. With `three_phase=True` there are four knots:

| index | rate | momentum |
|---|---|---|
| $0$ | $\eta_{\max} / \text{div}$ | `max_momentum` |
| $p\,T - 1$ | $\eta_{\max}$ | `base_momentum` |
| $2\,(p\,T - 1)$ | $\eta_{\max} / \text{div}$ | `max_momentum` |
| $T - 1$ | $\eta_{\max} / \text{div} / \text{final div}$ | `max_momentum` |

Texts that speak of the "three phases" of one-cycle, or of straight legs, mean this one or the
paper that invented it. PyTorch's default has two phases, and neither is straight.

Write `one_cycle` with NumPy and without a scheduler. Then record what PyTorch's scheduler does
(`trace_of_torch`), bring both numbers into an optimizer (`set_rate_and_momentum`), and draw them.

*Hint:* `np.interp(t, knots, range(len(knots)))` tells between which knots an index lies, and how
far along.
"""

# %%
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch.optim.lr_scheduler import OneCycleLR

from autograder import expect, student_side


def both(trace: Any, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The rates and the momenta of a trace, or a word about what came in their place."""
    when, think = f"taking the trace of {steps} steps", "All rates first, then all momenta."
    expect.kind(trace, (tuple, list), when=when, think=think)
    expect.equal(len(trace), 2, when=f"{when} and counting its arrays", think=think)
    for values in trace:
        expect.shape(values, (steps,), when=when, think="One number a step in both.")
    return trace[0], trace[1]


# %% solution
def one_cycle(
    total_steps: int,
    max_lr: float,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
    three_phase: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """The rate and the momentum that each step uses, both of shape (total_steps,).

    `pct_start` is p in the tables. With three phases it is below 1/2.
    """
    ### BEGIN SOLUTION
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots = [(0, low, max_momentum), (top, max_lr, base_momentum)]
    knots += [(2 * top, low, max_momentum)] * three_phase
    knots += [(last, low / final_div_factor, max_momentum)]
    where, rates, momenta = zip(*knots, strict=True)
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), where, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    return np.interp(eased, numbers, rates), np.interp(eased, numbers, momenta)
    ### END SOLUTION


# %% check
# The cosine of a third of pi is 1/2, so a leg has done 1/4 of its way after a third of it.
# For T = 10 and p = 0.4 the peak has index 3: three steps up, six down, or three legs of three.
options = dict(pct_start=0.4, div_factor=5.0, final_div_factor=2.0)
options |= dict(base_momentum=0.8, max_momentum=0.9)
rates, momenta = both(one_cycle(10, 5.0, **options), 10)
expect.close(
    rates[[0, 1, 2, 3, 5, 6, 9]],
    [1.0, 2.0, 4.0, 5.0, 3.875, 2.75, 0.5],
    when="looking at the rates of steps 0, 1, 2, 3, 5, 6, 9: from 1 up to 5 at step 3, down to 1/2",
    think="How far between its two knots is each step? What does the cosine make of that?",
)
expect.close(
    momenta[[0, 1, 2, 3, 5, 6, 9]],
    [0.9, 0.875, 0.825, 0.8, 0.825, 0.85, 0.9],
    when="looking at the momenta of the same steps: from 0.9 down to 0.8 at step 3, and back",
    think="The same shares of the same legs, between other values.",
)
rates, momenta = both(one_cycle(10, 5.0, three_phase=True, **options), 10)
expect.close(
    rates,
    [1.0, 2.0, 4.0, 5.0, 4.0, 2.0, 1.0, 0.875, 0.625, 0.5],
    when="looking at the rates of three phases: from 1 to 5, back to 1 at step 6, down to 1/2",
    think="Which four knots are there, and what does each leg start from?",
)


# %% solution
def trace_of_torch(
    total_steps: int, max_lr: float, **options: Any
) -> tuple[np.ndarray, np.ndarray]:
    """What `OneCycleLR` gives the steps of an SGD run: rates and momenta, both (total_steps,).

    `options` go to the scheduler as they are.
    """
    ### BEGIN SOLUTION
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler = OneCycleLR(optimizer, max_lr, total_steps, **options)
    rates, momenta = np.empty(total_steps), np.empty(total_steps)
    for t in range(total_steps):
        rates[t], momenta[t] = (optimizer.param_groups[0][key] for key in ("lr", "momentum"))
        optimizer.step()
        scheduler.step()
    return rates, momenta
    ### END SOLUTION


def set_rate_and_momentum(optimizer: torch.optim.Optimizer, rate: float, momentum: float) -> None:
    """Give both to every parameter group of an SGD, or of an Adam or AdamW.

    What an Adam has for a momentum is the first of its two `betas`; the second stays what it is.
    """
    ### BEGIN SOLUTION
    for group in optimizer.param_groups:
        group["lr"] = rate
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            group["momentum"] = momentum
    ### END SOLUTION


def plot_one_cycle(rates: np.ndarray, momenta: np.ndarray) -> Figure:
    """Two panels side by side over the step: the rate on the left, the momentum on the right."""
    ### BEGIN SOLUTION
    figure, panels = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axes, values, name in zip(panels, (rates, momenta), ("rate", "momentum"), strict=True):
        axes.plot(values)
        axes.set(xlabel="step", ylabel=name, title=f"The {name} of each step")
    return figure
    ### END SOLUTION


# %% check
# Yours beside PyTorch's. The scheduler's last call, after the last step, already sends the rate up
# again: whoever counts steps wrongly trains on with that, and gets an error only one call later.
for three_phase in (False, True):
    wanted = both(trace_of_torch(50, 0.1, three_phase=three_phase), 50)
    got = both(one_cycle(50, 0.1, three_phase=three_phase), 50)
    for name, one, other in zip(("rates", "momenta"), got, wanted, strict=True):
        expect.close(
            one,
            other,
            when=f"comparing your {name} with PyTorch's over 50 steps, three_phase={three_phase}",
            think="Which entry of a trace belongs to step 0? Is the peak where the table has it?",
        )
expect.figure(
    plot_one_cycle(*one_cycle(1_000, 0.1)),
    when="drawing a run of 1,000 steps",
    think="A picture is read without its author: what is on each axis?",
)


# %% check
@student_side
def first_beta_and_rate():
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0, betas=(0.5, 0.6))
    set_rate_and_momentum(optimizer, 0.25, 0.75)
    return optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"][0]


expect.close(
    first_beta_and_rate(),
    [0.25, 0.75],
    when="giving rate 1/4 and momentum 3/4 to an Adam",
    think="Where does an Adam keep what SGD calls momentum?",
)

# %% hidden aspect="the rate climbs along half a cosine" points=2
from autograder import reference

settings = dict(div_factor=10.0, final_div_factor=300.0, base_momentum=0.7, max_momentum=0.9)
for steps, p, options in ((100, 0.3, {}), (37, 0.3, {}), (37, 0.4, settings), (1_000, 0.4, {})):
    rising = int(p * steps)  # the steps up to the peak
    got, _ = both(one_cycle(steps, 0.2, p, **options), steps)
    wanted, _ = reference.trace_of_torch(steps, 0.2, pct_start=p, **options)
    expect.close(
        got[:rising],
        wanted[:rising],
        when=f"comparing the rise with PyTorch's, T = {steps}, p = {p:g}",
        think="Does it start where the table says? Has the peak been rounded to a step?",
    )

# %% hidden aspect="the rate falls along half a cosine" points=1
from autograder import reference

settings = dict(div_factor=10.0, final_div_factor=300.0, base_momentum=0.7, max_momentum=0.9)
for steps, p, options in ((100, 0.3, {}), (37, 0.3, {}), (37, 0.4, settings), (1_000, 0.4, {})):
    rising = int(p * steps)
    got, _ = both(one_cycle(steps, 0.2, p, **options), steps)
    wanted, _ = reference.trace_of_torch(steps, 0.2, pct_start=p, **options)
    expect.close(
        np.r_[wanted[:rising], got[rising:]],
        wanted,
        when=f"comparing the fall with PyTorch's, T = {steps}, p = {p:g}",
        think="Which two numbers divide the peak in the end, and at which index?",
    )
    expect.close(
        got[-1],
        0.2 / options.get("div_factor", 25.0) / options.get("final_div_factor", 1e4),
        rtol=1e-6,  # of a number 250,000 times smaller than those it is computed from
        when=f"looking at the last rate alone, T = {steps}",
        think="The second factor divides what the first one left.",
    )

# %% hidden aspect="the momentum goes against the rate" points=2
from autograder import reference

settings = dict(div_factor=10.0, final_div_factor=300.0, base_momentum=0.7, max_momentum=0.9)
for steps, p, options in ((100, 0.3, {}), (37, 0.3, {}), (37, 0.4, settings), (1_000, 0.4, {})):
    _, got = both(one_cycle(steps, 0.2, p, **options), steps)
    _, wanted = reference.trace_of_torch(steps, 0.2, pct_start=p, **options)
    expect.close(
        got,
        wanted,
        when=f"comparing the momenta with PyTorch's, T = {steps}, p = {p:g}",
        think="It has the knots and the cosine of the rate, and turns where the rate does.",
    )

# %% hidden aspect="with three phases the rate comes back to its start and then goes lower" points=1
from autograder import reference

for steps, p in ((100, 0.3), (37, 0.4), (37, 0.3)):
    rising, back = int(p * steps), int(2 * (p * steps - 1)) + 1
    rates, momenta = both(one_cycle(steps, 0.2, p, three_phase=True), steps)
    wanted, _ = reference.trace_of_torch(steps, 0.2, pct_start=p, three_phase=True)
    expect.close(
        np.r_[wanted[:rising], rates[rising:]],
        wanted,
        when=f"comparing the second and third phase with PyTorch's, T = {steps}, p = {p:g}",
        think="The second phase takes as many steps as the first; the third takes what is left.",
    )
    expect.close(
        momenta[back:],
        np.full(steps - back, momenta[0]),
        when=f"looking at the momenta of the third phase, T = {steps}, p = {p:g}",
        think="Between two knots of the same value nothing moves.",
    )


# %% hidden aspect="one_cycle computes its numbers itself" points=1
@student_side
def calls_of_schedulers():
    from unittest.mock import patch

    from torch.optim.lr_scheduler import LRScheduler

    sizes = []
    with patch.object(LRScheduler, "step", autospec=True, side_effect=LRScheduler.step) as step:
        for three_phase in (False, True):
            sizes.append(np.size(one_cycle(20, 0.1, three_phase=three_phase)))
    return step.call_count, min(sizes)


calls, size = calls_of_schedulers()
expect.true(
    size > 20,
    when="asking one_cycle for 20 rates and momenta",
    wanted="both",
    got=f"{size} number{'s' * (size != 1)}",
    think="Who computes nothing needs no help.",
)
expect.equal(
    calls,
    0,
    when="counting the calls of a scheduler's step() inside one_cycle",
    think="Compared with itself, PyTorch always agrees. What do the tables say?",
)

# %% hidden aspect="trace_of_torch records what each step uses" points=1
from autograder import reference

settings = dict(div_factor=10.0, final_div_factor=300.0, base_momentum=0.7, max_momentum=0.9)
for steps, options in ((60, {}), (37, settings), (50, {"three_phase": True, "pct_start": 0.4})):
    got = both(trace_of_torch(steps, 0.3, **options), steps)
    wanted = reference.one_cycle(steps, 0.3, **options)
    for name, one, other in zip(("rates", "momenta"), got, wanted, strict=True):
        expect.close(
            one,
            other,
            when=f"comparing the {name} recorded over {steps} steps with the tables",
            think="What does the very first step use, before anybody has called step()?",
        )
# An option that the tables do not know: straight legs, whose knots are at 0, 9 and 39.
rates, momenta = both(trace_of_torch(40, 0.3, pct_start=0.25, anneal_strategy="linear"), 40)
for got, knots in ((rates, [0.012, 0.3, 1.2e-6]), (momenta, [0.95, 0.85, 0.95])):
    expect.close(
        got,
        np.interp(np.arange(40), [0, 9, 39], knots),
        when='recording 40 steps with pct_start=0.25 and anneal_strategy="linear"',
        think="This is about what PyTorch does, whatever options its scheduler is given.",
    )


# %% hidden aspect="set_rate_and_momentum reaches every group and leaves the rest" points=1
@student_side
def groups_afterwards(kind):
    pair = [torch.zeros(1, requires_grad=True) for _ in range(2)]
    groups = [{"params": pair[:1]}, {"params": pair[1:], "lr": 3.0}]
    if kind == "SGD":
        optimizer = torch.optim.SGD(groups, lr=1.0, momentum=0.5, weight_decay=0.125)
    else:
        groups[1]["betas"] = (0.25, 0.75)
        optimizer = getattr(torch.optim, kind)(groups, lr=1.0, betas=(0.5, 0.6), weight_decay=0.125)
    set_rate_and_momentum(optimizer, 0.0625, 0.8125)
    return [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]


# The second betas were 0.6 and 0.75.
wanted = {"SGD": (None, None), "Adam": (0.6, 0.75), "AdamW": (0.6, 0.75)}
for kind, second in wanted.items():
    for number, group in enumerate(groups_afterwards(kind)):
        when = f"giving rate 0.0625 and momentum 0.8125 to {kind}, group {number}"
        names = ["lr", "weight_decay", "momentum" if kind == "SGD" else "betas"]
        expect.equal(
            {name: group.get(name) for name in names},
            {
                "lr": 0.0625,
                "weight_decay": 0.125,
                names[2]: 0.8125 if kind == "SGD" else (0.8125, second[number]),
            },
            when=when,
            think="Each group has settings of its own. What of them does one-cycle cycle?",
        )
        expect.true(
            kind == "SGD" or "momentum" not in group,
            when=when,
            wanted="the settings that it had",
            got="one more, `momentum`, which an Adam does not read",
            think="Where does an Adam keep what SGD calls momentum?",
        )

# %% hidden aspect="the figure shows rate and momentum over the step" points=1
rates, momenta = np.linspace(0.5, 0.1, 30) ** 2, np.linspace(0.8, 0.9, 30) ** 3
figure = plot_one_cycle(rates.copy(), momenta.copy())
for panel, values in enumerate((rates, momenta)):
    expect.figure(
        figure,
        axes=panel,
        when=f"drawing a trace of 30 steps, in panel {panel + 1}",
        think="Rates on the left, momenta on the right, steps counted from 0, every axis labelled.",
        lines=[(np.arange(30), values)],
    )


# %% alternative of="one_cycle"
def with_one_step_at_a_time(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    def anneal(a, b, share):
        return b + (a - b) / 2 * (1 + np.cos(np.pi * share))

    low = max_lr / div_factor
    rise = pct_start * total_steps - 1
    lr, m = [], []
    for t in range(total_steps):
        if t <= rise:
            share, a, b = t / rise, (low, max_momentum), (max_lr, base_momentum)
        elif three_phase and t <= 2 * rise:
            share, a, b = (t - rise) / rise, (max_lr, base_momentum), (low, max_momentum)
        else:
            began = 2 * rise if three_phase else rise
            share = (t - began) / (total_steps - 1 - began)
            a = (low, max_momentum) if three_phase else (max_lr, base_momentum)
            b = (low / final_div_factor, max_momentum)
        lr.append(anneal(a[0], b[0], share))
        m.append(anneal(a[1], b[1], share))
    return np.array(lr, dtype=float), np.array(m, dtype=float)


# %% alternative of="one_cycle"
def with_masks_and_the_square_of_a_sine(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    t, low, top = np.arange(total_steps), max_lr / div_factor, pct_start * total_steps - 1
    legs = [(0.0, top, low, max_lr, max_momentum, base_momentum)]
    if three_phase:
        legs.append((top, 2 * top, max_lr, low, base_momentum, max_momentum))
    legs.append((legs[-1][1], total_steps - 1, legs[-1][3], low / final_div_factor))
    legs[-1] += (legs[-2][5], max_momentum)
    rates, momenta = np.zeros(total_steps), np.zeros(total_steps)
    for begin, end, a, b, c, d in legs:
        mask = (t >= begin) & (t <= end)
        weight = np.sin(np.pi / 2 * (t[mask] - begin) / (end - begin)) ** 2
        rates[mask], momenta[mask] = a + (b - a) * weight, c + (d - c) * weight
    return [rates, momenta]


# %% alternative of="trace_of_torch"
def with_last_lr_and_adam(total_steps, max_lr, **options):
    optimizer = torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    scheduler = OneCycleLR(optimizer, max_lr=max_lr, total_steps=total_steps, **options)
    pairs = [(scheduler.get_last_lr()[0], optimizer.param_groups[0]["betas"][0])]
    for _ in range(total_steps - 1):
        optimizer.step()
        scheduler.step()
        pairs.append((scheduler.get_last_lr()[0], optimizer.param_groups[0]["betas"][0]))
    return tuple(np.array(pairs).T)


# %% alternative of="set_rate_and_momentum"
def with_update(optimizer, rate, momentum):
    for group in optimizer.param_groups:
        mine = {"momentum": momentum}
        if "momentum" not in optimizer.defaults:
            mine = {"betas": (momentum, *group["betas"][1:])}
        group.update(lr=rate, **mine)


# %% alternative of="plot_one_cycle"
def with_subplots_one_by_one(rates, momenta):
    figure = plt.figure()
    for number, values in enumerate((rates, momenta), start=1):
        plt.subplot(1, 2, number)
        plt.plot(np.arange(len(values)), values, ".-")
        plt.xlabel("step")
        plt.ylabel(("learning rate", "momentum")[number - 1])
    figure.suptitle("One-cycle")
    return figure


# %% mistake of="one_cycle" fails="the rate climbs along half a cosine"
def climbs_along_a_line(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """Straight legs are the paper's; PyTorch climbs along a cosine unless told otherwise."""
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots, rates, momenta = [0, top, last], [low, max_lr], [max_momentum, base_momentum]
    if three_phase:
        knots, rates, momenta = [0, top, 2 * top, last], [*rates, low], [*momenta, max_momentum]
    rates, momenta = [*rates, low / final_div_factor], [*momenta, max_momentum]
    numbers = range(len(knots))
    position = np.interp(np.arange(total_steps), knots, numbers)
    eased = position // 1 + (1 - np.cos(np.pi * (position % 1))) / 2
    found = np.interp(np.where(position < 1, position, eased), numbers, rates)
    return found, np.interp(eased, numbers, momenta)


# %% mistake of="one_cycle" fails="the rate climbs along half a cosine; the rate falls along half a cosine; the momentum goes against the rate; with three phases the rate comes back to its start and then goes lower"
def peaks_one_step_late(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """The rise takes p T steps, and the first of them has index 0, so the peak is at p T - 1."""
    low, top, last = max_lr / div_factor, pct_start * total_steps, total_steps - 1
    knots, rates, momenta = [0, top, last], [low, max_lr], [max_momentum, base_momentum]
    if three_phase:
        knots, rates, momenta = [0, top, 2 * top, last], [*rates, low], [*momenta, max_momentum]
    rates, momenta = [*rates, low / final_div_factor], [*momenta, max_momentum]
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    return np.interp(eased, numbers, rates), np.interp(eased, numbers, momenta)


# %% mistake of="one_cycle" fails="the rate climbs along half a cosine; the rate falls along half a cosine; the momentum goes against the rate; with three phases the rate comes back to its start and then goes lower"
def rounds_the_peak_to_a_step(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """With T = 37 and p = 0.3 the peak is at 10.1; rounded to a step, all shares are others."""
    low, top, last = max_lr / div_factor, int(pct_start * total_steps) - 1, total_steps - 1
    knots, rates, momenta = [0, top, last], [low, max_lr], [max_momentum, base_momentum]
    if three_phase:
        knots, rates, momenta = [0, top, 2 * top, last], [*rates, low], [*momenta, max_momentum]
    rates, momenta = [*rates, low / final_div_factor], [*momenta, max_momentum]
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    return np.interp(eased, numbers, rates), np.interp(eased, numbers, momenta)


# %% mistake of="one_cycle" fails="the rate falls along half a cosine; with three phases the rate comes back to its start and then goes lower"
def ends_at_a_fraction_of_the_peak(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """The end is 10,000 times below the start, which is 25 times below the peak: 250,000 in all."""
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots, rates, momenta = [0, top, last], [low, max_lr], [max_momentum, base_momentum]
    if three_phase:
        knots, rates, momenta = [0, top, 2 * top, last], [*rates, low], [*momenta, max_momentum]
    rates, momenta = [*rates, max_lr / final_div_factor], [*momenta, max_momentum]
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    return np.interp(eased, numbers, rates), np.interp(eased, numbers, momenta)


# %% mistake of="one_cycle" fails="the rate falls along half a cosine"
def falls_back_to_the_start(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """The second of two phases goes all the way down; back to the start goes that of three."""
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots, rates, momenta = [0, top, last], [low, max_lr, low], [max_momentum, base_momentum]
    momenta = [*momenta, max_momentum]
    if three_phase:
        knots, rates = [0, top, 2 * top, last], [*rates, low / final_div_factor]
        momenta = [*momenta, max_momentum]
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    return np.interp(eased, numbers, rates), np.interp(eased, numbers, momenta)


# %% mistake of="one_cycle" fails="the momentum goes against the rate"
def moves_the_momentum_with_the_rate(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """Where the rate is at its peak the momentum is at its base: they go against each other."""
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots, rates, momenta = [0, top, last], [low, max_lr], [base_momentum, max_momentum]
    if three_phase:
        knots, rates, momenta = [0, top, 2 * top, last], [*rates, low], [*momenta, base_momentum]
    rates, momenta = [*rates, low / final_div_factor], [*momenta, base_momentum]
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    return np.interp(eased, numbers, rates), np.interp(eased, numbers, momenta)


# %% mistake of="one_cycle" fails="the momentum goes against the rate"
def computes_the_momentum_from_the_rate(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """The rate ends lower than it started and the momentum does not, so one is no map of the other."""
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots, rates = [0, top, last], [low, max_lr, low / final_div_factor]
    if three_phase:
        knots, rates = [0, top, 2 * top, last], [low, max_lr, low, low / final_div_factor]
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    found = np.interp(leg + (1 - np.cos(np.pi * share)) / 2, numbers, rates)
    height = np.clip((found - low) / (max_lr - low), 0, 1)
    return found, max_momentum + (base_momentum - max_momentum) * height


# %% mistake of="one_cycle" fails="with three phases the rate comes back to its start and then goes lower"
def knows_two_phases_only(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """With three_phase there is a fourth knot, where the rate is back at its start."""
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots, numbers = [0, top, last], [0, 1, 2]
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    rates = np.interp(eased, numbers, [low, max_lr, low / final_div_factor])
    return rates, np.interp(eased, numbers, [max_momentum, base_momentum, max_momentum])


# %% mistake of="one_cycle" fails="with three phases the rate comes back to its start and then goes lower"
def counts_the_second_phase_from_one(
    total_steps,
    max_lr,
    pct_start=0.3,
    div_factor=25.0,
    final_div_factor=1e4,
    base_momentum=0.85,
    max_momentum=0.95,
    three_phase=False,
):
    """The second phase is as long as the first, p T - 1 steps from knot to knot, not one longer."""
    low, top, last = max_lr / div_factor, pct_start * total_steps - 1, total_steps - 1
    knots, rates, momenta = [0, top, last], [low, max_lr], [max_momentum, base_momentum]
    if three_phase:
        knots, rates = [0, top, 2 * top + 1, last], [*rates, low]
        momenta = [*momenta, max_momentum]
    rates, momenta = [*rates, low / final_div_factor], [*momenta, max_momentum]
    numbers = range(len(knots))
    leg, share = np.divmod(np.interp(np.arange(total_steps), knots, numbers), 1)
    eased = leg + (1 - np.cos(np.pi * share)) / 2
    return np.interp(eased, numbers, rates), np.interp(eased, numbers, momenta)


# %% mistake of="one_cycle" fails="one_cycle computes its numbers itself"
def asks_torch(total_steps, max_lr, *arguments, **options):
    """This hands the question on to PyTorch's scheduler; a comparison with itself shows nothing."""
    names = ("pct_start", "div_factor", "final_div_factor", "base_momentum", "max_momentum")
    options |= dict(zip(names, arguments, strict=False))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler, rates, momenta = OneCycleLR(optimizer, max_lr, total_steps, **options), [], []
    for _ in range(total_steps):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        scheduler.step()
    return np.array(rates), np.array(momenta)


# %% mistake of="trace_of_torch" fails="trace_of_torch records what each step uses"
def records_after_the_scheduler(total_steps, max_lr, **options):
    """After scheduler.step() the numbers are those of the next step; the first step's are lost."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler = OneCycleLR(optimizer, max_lr, total_steps, **options)
    rates, momenta = np.empty(total_steps), np.empty(total_steps)
    for t in range(total_steps):
        optimizer.step()
        scheduler.step()
        rates[t] = optimizer.param_groups[0]["lr"]
        momenta[t] = optimizer.param_groups[0]["momentum"]
    return rates, momenta


# %% mistake of="trace_of_torch" fails="trace_of_torch records what each step uses"
def drops_the_options(total_steps, max_lr, **options):
    """Without its options the scheduler runs with its defaults, whatever was asked for."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler = OneCycleLR(optimizer, max_lr, total_steps)
    rates, momenta = np.empty(total_steps), np.empty(total_steps)
    for t in range(total_steps):
        rates[t] = optimizer.param_groups[0]["lr"]
        momenta[t] = optimizer.param_groups[0]["momentum"]
        optimizer.step()
        scheduler.step()
    return rates, momenta


# %% mistake of="trace_of_torch" fails="trace_of_torch records what each step uses"
def keeps_the_momentum_it_set(total_steps, max_lr, **options):
    """The scheduler overwrites the momentum at every step; the optimizer's groups hold what it is."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.95)
    scheduler = OneCycleLR(optimizer, max_lr, total_steps, **options)
    rates = np.empty(total_steps)
    for t in range(total_steps):
        rates[t] = scheduler.get_last_lr()[0]
        optimizer.step()
        scheduler.step()
    return rates, np.full(total_steps, 0.95)


# %% mistake of="set_rate_and_momentum" fails="set_rate_and_momentum reaches every group and leaves the rest"
def sets_the_first_group(optimizer, rate, momentum):
    """Parameter groups have settings of their own; the others go on with their old ones."""
    group = optimizer.param_groups[0]
    group["lr"] = rate
    if "betas" in group:
        group["betas"] = (momentum, group["betas"][1])
    else:
        group["momentum"] = momentum


# %% mistake of="set_rate_and_momentum" fails="set_rate_and_momentum reaches every group and leaves the rest"
def sets_both_betas(optimizer, rate, momentum):
    """The second beta averages squares of gradients; one-cycle leaves it alone."""
    for group in optimizer.param_groups:
        group["lr"] = rate
        if "betas" in group:
            group["betas"] = (momentum, momentum)
        else:
            group["momentum"] = momentum


# %% mistake of="set_rate_and_momentum" fails="set_rate_and_momentum reaches every group and leaves the rest"
def writes_a_key_that_nobody_reads(optimizer, rate, momentum):
    """An Adam never looks at group["momentum"], so this changes its rate alone, without a word."""
    for group in optimizer.param_groups:
        group.update(lr=rate, momentum=momentum)


# %% mistake of="set_rate_and_momentum" fails="set_rate_and_momentum reaches every group and leaves the rest"
def takes_the_usual_second_beta(optimizer, rate, momentum):
    """0.999 is the default; a run that chose another second beta would lose it."""
    for group in optimizer.param_groups:
        group["lr"] = rate
        if "betas" in group:
            group["betas"] = (momentum, 0.999)
        else:
            group["momentum"] = momentum


# %% mistake of="plot_one_cycle" fails="the figure shows rate and momentum over the step"
def draws_both_in_one_panel(rates, momenta):
    """On an axis that reaches 0.95, a rate of at most 0.1 is a line at the bottom."""
    figure, axes = plt.subplots()
    axes.plot(rates)
    axes.plot(momenta)
    axes.set(xlabel="step", ylabel="rate and momentum", title="One-cycle")
    return figure


# %% mistake of="plot_one_cycle" fails="the figure shows rate and momentum over the step"
def draws_momentum_over_rate(rates, momenta):
    """That shows how they hang together, but not when: the x axis is the step."""
    figure, panels = plt.subplots(1, 2)
    for axes, pair in zip(panels, ((rates, momenta), (momenta, rates)), strict=True):
        axes.plot(*pair)
        axes.set(xlabel="rate", ylabel="momentum", title="One-cycle")
    return figure
