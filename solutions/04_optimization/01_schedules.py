# %% exercise [markdown] items="33 161" stars=1 minutes=40 level="apply" goal="compute four learning-rate schedules step by step, and compare them under one convention"
r"""
# Four learning-rate schedules
A rate that is right for the first epochs keeps the weights rattling round the minimum in the last
ones. A *schedule* moves the rate during the run. Descriptions of schedules leave things open that
change which one "ends lowest": whether the rate changes every step or every epoch, whether the
floor is reached at the last step or one step later, what one-cycle ends at. So here is one
convention for all four.

A run has $T$ steps, $t = 0, \dots, T - 1$, and entry $t$ of an array is the rate that step $t$
uses. Here $T = 10{,}000$: 100 epochs of 100 steps. Indices are steps, never epochs.

- **Step decay**: the rate is multiplied by $\gamma$ after every 3,000 steps.
- **Cosine**: half a cosine down that would reach its floor at $t = T$, one step after the last:

  $$ \eta_t = \eta_{\min} + \tfrac12 (\eta_{\max} - \eta_{\min})
  \left(1 + \cos\frac{\pi t}{T}\right) $$

- **One-cycle**, as PyTorch has it: half a cosine *up* from $\eta_{\max} / 25$ to the peak at index
  $0.3\,T - 1$, then half a cosine down to $\eta_{\max} / (25 \cdot 10^4)$ at index $T - 1$.
- **Warm-up and cosine**: $\eta_{\max} (t + 1) / W$ in the first $W$ steps, then the cosine above
  over the $T - W$ steps that are left.

Write the four and draw them. Then settle two questions: which ends lowest, and which has the
highest mean? The last rate says how still the weights stand at the end; the mean, times $T$, how
far they can walk on gradients of length 1.

*Hint:* $(1 - \cos \pi s) / 2$ climbs from 0 to 1 while $s$ does. What is $s$ on each side of the
peak?
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from autograder import expect

STEPS = 10_000


# %% solution
def step_decay(
    steps: int = STEPS, rate: float = 0.1, gamma: float = 0.1, every: int = 3_000
) -> np.ndarray:
    """The rate of each step, shape (steps,): `rate`, times `gamma` after each `every` steps."""
    ### BEGIN SOLUTION
    return rate * gamma ** (np.arange(steps) // every)
    ### END SOLUTION


def cosine(steps: int = STEPS, peak: float = 0.1, floor: float = 1e-6) -> np.ndarray:
    """The rate of each step, shape (steps,): from `peak` towards `floor`."""
    ### BEGIN SOLUTION
    share = np.arange(steps) / steps
    return floor + (peak - floor) * (1 + np.cos(np.pi * share)) / 2
    ### END SOLUTION


def one_cycle(
    steps: int = STEPS,
    peak: float = 0.1,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> np.ndarray:
    """The rate of each step, shape (steps,): up to `peak`, then down to next to nothing.

    It starts at `peak / div_factor`, is at its peak at index `pct_start * steps - 1`, and ends
    `final_div_factor` times lower than it started.
    """
    ### BEGIN SOLUTION
    start, t, top = peak / div_factor, np.arange(steps), pct_start * steps - 1
    end = start / final_div_factor
    up = start + (peak - start) * (1 - np.cos(np.pi * t / top)) / 2
    down = end + (peak - end) * (1 + np.cos(np.pi * (t - top) / (steps - 1 - top))) / 2
    return np.where(t < top, up, down)
    ### END SOLUTION


def warmup_cosine(
    steps: int = STEPS, peak: float = 0.1, warmup: int = 2_000, floor: float = 1e-6
) -> np.ndarray:
    """The rate of each step, shape (steps,): `warmup` equal steps up, the cosine for the rest."""
    ### BEGIN SOLUTION
    t = np.arange(steps)
    share = (t - warmup) / (steps - warmup)
    down = floor + (peak - floor) * (1 + np.cos(np.pi * share)) / 2
    return np.where(t < warmup, peak * (t + 1) / warmup, down)
    ### END SOLUTION


# %% check
# The cosine of a third of pi is 1/2, so half a cosine has done 1/4 of its way after a third of it.
expect.close(
    step_decay(6, rate=8.0, gamma=0.5, every=2),
    [8.0, 8.0, 4.0, 4.0, 2.0, 2.0],
    when="halving a rate of 8 after every 2 of 6 steps",
    think="Which is the first step that uses the smaller rate?",
)
expect.close(
    cosine(6, peak=5.0, floor=1.0)[[0, 2, 3, 4]],
    [5.0, 4.0, 3.0, 2.0],
    when="looking at steps 0, 2, 3, 4 of a cosine from 5 to 1 in 6 steps",
    think="Half a cosine starts at its peak. When does it reach its floor?",
)
expect.close(
    one_cycle(10, peak=5.0, pct_start=0.4, div_factor=5.0, final_div_factor=2.0)[
        [0, 1, 2, 3, 6, 9]
    ],
    [1.0, 2.0, 4.0, 5.0, 2.75, 0.5],
    when="looking at steps 0, 1, 2, 3, 6, 9 of one cycle: 1, up to 5 at step 3, down to 1/2",
    think="Each side is half a cosine of its own length. What is halfway between 5 and 1/2?",
)
expect.close(
    warmup_cosine(10, peak=4.0, warmup=4, floor=0.0)[[0, 1, 2, 3, 4, 6, 7, 8]],
    [1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0],
    when="warming up to 4 in 4 steps, then down a cosine in 6",
    think="The first step of a warm-up moves, too. Where does the cosine begin to count?",
)


# %% solution
def plot_schedules(schedules: dict[str, np.ndarray]) -> Figure:
    """Two panels side by side: the rates over the step, one line a schedule, under its name.

    The left panel has a linear y axis, the right one a logarithmic y axis; both have a legend.
    """
    ### BEGIN SOLUTION
    figure, panels = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axes, scale in zip(panels, ("linear", "log"), strict=True):
        for name, rates in schedules.items():
            axes.plot(rates, label=name)
        axes.set(yscale=scale, xlabel="step", ylabel="learning rate", title=f"{scale} scale")
        axes.legend()
    return figure
    ### END SOLUTION


# %% check
# Left you compare areas, and so means; right you see where each one ends.
schedules = {
    "step decay": step_decay(),
    "cosine": cosine(),
    "one-cycle": one_cycle(),
    "warm-up and cosine": warmup_cosine(),
}
for name, rates in schedules.items():
    expect.shape(rates, (STEPS,), when=f"looking at {name} with its defaults")
expect.figure(
    plot_schedules(schedules),
    when="drawing the four schedules",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=4,
)

# %% hidden aspect="step_decay multiplies the rate after every so many steps" points=1
# The defaults, a run that ends in the middle of a stage, and one that is shorter than a stage.
for steps, rate, gamma, every in ((10_000, 0.1, 0.1, 3_000), (23, 0.7, 0.6, 5), (4, 2.0, 0.3, 9)):
    stages = [rate * gamma**k for k in range(steps // every + 1)]
    expect.close(
        step_decay(steps, rate, gamma, every),
        np.repeat(stages, every)[:steps],
        when=f"decaying {rate:g} by {gamma:g} after every {every} of {steps} steps",
        think="All steps of one stage share a rate; each new stage multiplies once more.",
    )

# %% hidden aspect="cosine falls from the peak towards the floor" points=1
from autograder import reference

for steps, peak, floor in ((10_000, 0.1, 1e-6), (37, 0.6, 0.2), (200, 3.0, 0.0)):
    expect.close(
        cosine(steps, peak, floor),
        reference.cosine(steps, peak, floor),
        when=f"falling from {peak:g} to {floor:g} in {steps} steps",
        think="Every step has its own rate, and the floor comes one step after the last.",
    )

# %% hidden aspect="one_cycle rises to its peak" points=1
from autograder import reference

# Where the peak is no whole index, 0.3 * 37 - 1 = 10.1, no step stands on it.
for steps, *options in (
    (10_000, 0.1, 0.3, 25.0, 1e4),
    (37, 0.1, 0.3, 25.0, 1e4),
    (40, 3, 0.5, 4, 9),
):
    rising = int(options[1] * steps)
    got = one_cycle(steps, *options)
    expect.shape(got, (steps,), when=f"taking one cycle of {steps} steps")
    expect.close(
        got[:rising],
        reference.one_cycle(steps, *options)[:rising],
        when=f"climbing to {options[0]:g} in the first {options[1]:.0%} of {steps} steps",
        think="Where does it start, when is it at the top, and is the way between a straight line?",
    )

# %% hidden aspect="one_cycle falls to its end" points=1
from autograder import reference

for steps, *options in (
    (10_000, 0.1, 0.3, 25.0, 1e4),
    (37, 0.1, 0.3, 25.0, 1e4),
    (40, 3, 0.5, 4, 9),
):
    rising = int(options[1] * steps)
    got = one_cycle(steps, *options)
    expect.shape(got, (steps,), when=f"taking one cycle of {steps} steps")
    wanted = reference.one_cycle(steps, *options)
    expect.close(
        np.r_[wanted[:rising], got[rising:]],
        wanted,
        when=f"falling from {options[0]:g} in the last {1 - options[1]:.0%} of {steps} steps",
        think="What is the last rate a fraction of, and at which index is it reached?",
    )
    expect.close(
        got[-1],
        options[0] / options[2] / options[3],
        rtol=1e-6,  # of a number 250,000 times smaller than those it is computed from
        when=f"looking at the last of {steps} rates, with factors {options[2]:g}, {options[3]:g}",
        think="The second factor divides what the first one left.",
    )

# %% hidden aspect="the warm-up climbs in equal steps" points=1
for steps, peak, warmup, floor in ((10_000, 0.1, 2_000, 1e-6), (41, 0.6, 7, 0.2), (9, 3.0, 1, 0.0)):
    got = warmup_cosine(steps, peak, warmup, floor)
    expect.shape(got, (steps,), when=f"taking {steps} steps, {warmup} of them a warm-up")
    expect.close(
        got[:warmup],
        np.cumsum(np.full(warmup, peak / warmup)),
        when=f"warming up to {peak:g} in {warmup} steps",
        think="The first rate is one part of the peak, the last one all of it; no floor yet.",
    )

# %% hidden aspect="after the warm-up the cosine takes the steps that are left" points=1
from autograder import reference

for steps, peak, warmup, floor in ((10_000, 0.1, 2_000, 1e-6), (41, 0.6, 7, 0.2), (9, 3.0, 1, 0.0)):
    got = warmup_cosine(steps, peak, warmup, floor)
    expect.shape(got, (steps,), when=f"taking {steps} steps, {warmup} of them a warm-up")
    wanted = reference.warmup_cosine(steps, peak, warmup, floor)
    expect.close(
        np.r_[wanted[:warmup], got[warmup:]],
        wanted,
        when=f"falling from {peak:g} to {floor:g} after {warmup} of {steps} steps",
        think="At the end of the warm-up the cosine has to stand at its peak.",
    )

# %% hidden aspect="the figure shows each schedule by its name, on both scales" points=1
given = {
    "one": np.geomspace(0.3, 0.001, 40),
    "another": np.linspace(0.1, 0.5, 25),
    "a third": np.full(30, 0.2),
}
figure = plot_schedules({name: rates.copy() for name, rates in given.items()})
for panel, scale in enumerate(("linear", "log")):
    expect.figure(
        figure,
        axes=panel,
        when=f"drawing three schedules, in panel {panel + 1}",
        think="Steps are counted from 0; each line has its name in the legend, each axis its label.",
        lines=[(np.arange(len(rates)), rates) for rates in given.values()],
        yscale=scale,
        legend=3,
    )
shown = figure if isinstance(figure, dict) else expect.describe_figure(figure)
for name in given:
    for panel in shown["axes"][:2]:
        expect.true(
            name in panel["legend"],
            when="reading the legends of three schedules",
            wanted=f"the name {name!r}",
            got="none of that name",
            think="The keys of the dictionary are the names of the lines.",
        )

# %% setup
import numpy as np
import torch
from torch.optim import lr_scheduler as torchs

from autograder.authoring.quiz import draw


def rates_of(build, steps):
    """The rates of an SGD run under one of PyTorch's own schedulers, before each step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler, rates = build(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def with_torch(name, steps, div_factor=25.0):
    """One of the four schedules, made of PyTorch's parts."""
    warmup = steps // 5

    def in_turn(optimizer):
        up = torchs.LambdaLR(optimizer, lambda t: (t + 1) / warmup)
        down = torchs.CosineAnnealingLR(optimizer, steps - warmup, 1e-6)
        return torchs.SequentialLR(optimizer, [up, down], [warmup])

    build = {
        "step decay": lambda o: torchs.StepLR(o, 3 * steps // 10),
        "cosine": lambda o: torchs.CosineAnnealingLR(o, steps, 1e-6),
        "one-cycle": lambda o: torchs.OneCycleLR(o, 0.1, steps, div_factor=div_factor),
        "warm-up": in_turn,
    }
    return rates_of(build[name], steps)


# %% choice [markdown] id="last-and-mean" points=1
r"""
Which of the four, with the defaults of this exercise, ends with the lowest rate, and which has the
highest mean? Only this convention counts, not what you read elsewhere.

- [x] One-cycle ends lowest, and its mean is the highest.
  > Yes: it ends at 4e-7, and its rise starts at a 25th of the peak, which lifts the mean a little.
- [ ] Cosine ends lowest, and one-cycle has the highest mean.
  > The cosine stays above its floor of 1e-6. What does one-cycle divide the peak by, all told?
- [ ] Warm-up and cosine ends lowest, and one-cycle has the highest mean.
  > With a floor of 0 it would end lowest. Here it has the floor of the plain cosine.
- [ ] One-cycle ends lowest, and cosine has the highest mean.
  > The mean of half a cosine is the mean of its two ends. What does one-cycle start from?
- [ ] Cosine ends lowest, and step decay has the highest mean.
  > Step decay holds the peak for 30 epochs, but the next 70 hardly count. Print the four means.
"""

# %% evidence
runs = {name: with_torch(name, 500) for name in ("step decay", "cosine", "one-cycle", "warm-up")}
assert min(runs, key=lambda name: runs[name][-1]) == "one-cycle"
assert max(runs, key=lambda name: runs[name].mean()) == "one-cycle"
assert min(runs, key=lambda name: runs[name].mean()) == "step decay"

# %% numeric [markdown] id="lead-in-percent" points=1 rtol=0.02
r"""
How close is the race for the highest mean? Give one-cycle a `div_factor` of {{div}}, and leave all
else as it is. By how many percent is the highest of the four means above the second highest?
"""

# %% key
div = draw([4, 5, 10, 20, 25])
t, top = np.arange(10_000), 2_999
low, end = 0.1 / div, 0.1 / div / 1e4
rise = low + (0.1 - low) * (1 - np.cos(np.pi * t[:top] / top)) / 2
fall = end + (0.1 - end) * (1 + np.cos(np.pi * (t[top:] - top) / (9_999 - top))) / 2
decay = 1e-6 + (0.1 - 1e-6) * (1 + np.cos(np.pi * t[:8_000] / 8_000)) / 2
first = np.concatenate([rise, fall]).mean()
second = np.concatenate([0.1 * (t[:2_000] + 1) / 2_000, decay]).mean()
steps_down = 0.1 * (0.3 + 0.03 + 0.003 + 0.0001)
answer = 100 * (first - second) / second
slips = {
    "That is the fraction. One percent is a hundredth of the whole.": (first - second) / second,
    "That is the one in percent of the other. By how much is it above?": 100 * first / second,
    "That is the lead over the lowest of the four means, step decay's.": (
        100 * (first - steps_down) / steps_down
    ),
}


# %% evidence
def lead(steps):
    one, other = (with_torch(name, steps, div).mean() for name in ("one-cycle", "warm-up"))
    return 100 * (one / other - 1)


# Short runs count the ends of their ramps for more, by an amount that falls as 1 / steps.
short, longer = lead(200), lead(400)
assert abs(longer + (longer - short) * (1 - 400 / 10_000) - answer) < 0.01 * answer

# %% choice [markdown] id="other-conventions" points=1
r"""
Texts disagree about which schedule ends lowest, since they mean slightly different schedules. Which
of these changes, each made alone, makes *another* schedule the lowest at its last step?

- [x] Warm-up and cosine has a floor of 0.
  > Yes: it ends at 4e-9, a hundred times below the others.
- [x] One-cycle ends at a ten-thousandth of its peak.
  > Yes: many texts leave out the first factor of 25. It would end at 1e-5, above both cosines.
- [ ] Cosine reaches its floor at the last step in place of one step later.
  > That moves its end from 1.002e-6 to 1e-6. Who is below that?
- [ ] Cosine changes once an epoch, so that 100 steps share a rate.
  > Then the last 100 steps use the rate of epoch 99: higher, 2.6e-5.
- [ ] The peak of all four is 0.2.
  > One-cycle's end doubles with the peak, the floor of 1e-6 does not. What is twice 4e-7?
"""

# %% evidence
jump = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
cycle = torchs.OneCycleLR(jump, 0.1, 10_000)
cycle.last_epoch = 9_998
jump.step()
cycle.step()
end_of_cycle = jump.param_groups[0]["lr"]
assert abs(end_of_cycle - 4e-7) < 1e-15


def last(t, steps, floor, peak=0.1):
    """What torch's cosine has come to at index t, by its rule from step to step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    scheduler = torchs.CosineAnnealingLR(optimizer, steps, floor)
    for _ in range(t):
        optimizer.step()
        scheduler.step()
    return optimizer.param_groups[0]["lr"]


# Warm-up and cosine, whose floor is 0: lower than one-cycle even in a run of 1,000 steps.
assert last(799, 800, 0.0) < end_of_cycle
# A ten-thousandth of the peak lies above the cosine's end in such a run, 4e-7 below it.
assert end_of_cycle < 1e-6 < last(999, 1_000, 1e-6) < 0.1 / 1e4
# Reaching the floor is not enough, and the last of 100 epochs is far above it.
assert end_of_cycle < last(999, 999, 1e-6) < 1.001e-6
assert last(99, 100, 1e-6) > 2e-5
# Twice the peak: one-cycle ends at 8e-7.
assert 2 * end_of_cycle < 1e-6 < last(999, 1_000, 1e-6, peak=0.2)


# %% alternative of="step_decay"
def with_a_loop(steps=STEPS, rate=0.1, gamma=0.1, every=3_000):
    rates = []
    for t in range(steps):
        if t and t % every == 0:
            rate *= gamma
        rates.append(rate)
    return np.array(rates)


# %% alternative of="cosine"
def with_the_square_of_a_cosine(steps=STEPS, peak=0.1, floor=1e-6):
    weight = np.cos(np.linspace(0, np.pi / 2, steps, endpoint=False)) ** 2
    return peak * weight + floor * (1 - weight)


# %% alternative of="one_cycle"
def with_one_step_at_a_time(
    steps=STEPS, peak=0.1, pct_start=0.3, div_factor=25.0, final_div_factor=1e4
):
    def anneal(a, b, share):
        return b + (a - b) / 2 * (1 + np.cos(np.pi * share))

    low, top = peak / div_factor, pct_start * steps - 1
    return np.array(
        [
            anneal(low, peak, t / top)
            if t <= top
            else anneal(peak, low / final_div_factor, (t - top) / (steps - 1 - top))
            for t in range(steps)
        ],
        dtype=float,
    )


# %% alternative of="warmup_cosine"
def with_two_pieces(steps=STEPS, peak=0.1, warmup=2_000, floor=1e-6):
    return np.r_[peak * np.arange(1, warmup + 1) / warmup, cosine(steps - warmup, peak, floor)]


# %% alternative of="plot_schedules"
def with_subplots_one_by_one(schedules):
    figure = plt.figure(figsize=(9, 3))
    for number in (1, 2):
        plt.subplot(1, 2, number)
        for rates in schedules.values():
            plt.plot(range(len(rates)), rates, "--")
        plt.legend(list(schedules))
        plt.xlabel("t")
        plt.ylabel("rate")
    plt.yscale("log")
    figure.suptitle("Schedules")
    return figure


# %% mistake of="step_decay" fails="step_decay multiplies the rate after every so many steps"
def counts_steps_from_one(steps=STEPS, rate=0.1, gamma=0.1, every=3_000):
    """Steps 0 to 2,999 are the first 3,000; counted from 1, each stage but the first comes early."""
    return rate * gamma ** ((np.arange(steps) + 1) // every)


# %% mistake of="step_decay" fails="step_decay multiplies the rate after every so many steps"
def decays_at_every_step(steps=STEPS, rate=0.1, gamma=0.1, every=3_000):
    """Within a stage nothing changes: that is the exponential schedule, without stairs."""
    return rate * gamma ** (np.arange(steps) / every)


# %% mistake of="step_decay" fails="step_decay multiplies the rate after every so many steps"
def decays_once(steps=STEPS, rate=0.1, gamma=0.1, every=3_000):
    """Each new stage multiplies what the one before it left: the factors pile up."""
    return np.where(np.arange(steps) < every, rate, rate * gamma)


# %% mistake of="cosine" fails="cosine falls from the peak towards the floor"
def reaches_the_floor_at_the_last_step(steps=STEPS, peak=0.1, floor=1e-6):
    """Here the floor belongs to index T, which no step uses; dividing by T - 1 is another rule."""
    share = np.arange(steps) / (steps - 1)
    return floor + (peak - floor) * (1 + np.cos(np.pi * share)) / 2


# %% mistake of="cosine" fails="cosine falls from the peak towards the floor"
def adds_the_floor_on_top(steps=STEPS, peak=0.1, floor=1e-6):
    """What the cosine multiplies is the way from peak to floor; with the whole peak it starts above it."""
    return floor + peak * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2


# %% mistake of="cosine" fails="cosine falls from the peak towards the floor"
def changes_once_an_epoch(steps=STEPS, peak=0.1, floor=1e-6):
    """Schedules that are stepped once an epoch move in stairs; here each step has its own rate."""
    share = np.arange(steps) // 100 * 100 / steps
    return floor + (peak - floor) * (1 + np.cos(np.pi * share)) / 2


# %% mistake of="cosine" fails="cosine falls from the peak towards the floor"
def runs_through_a_quarter_of_a_cosine(steps=STEPS, peak=0.1, floor=1e-6):
    """A quarter wave falls steeply at its end; half a wave is flat at both ends."""
    return floor + (peak - floor) * np.cos(np.pi / 2 * np.arange(steps) / steps)


# %% mistake of="one_cycle" fails="one_cycle rises to its peak"
def climbs_along_a_line(
    steps=STEPS, peak=0.1, pct_start=0.3, div_factor=25.0, final_div_factor=1e4
):
    """PyTorch's one-cycle climbs along a cosine unless told anneal_strategy="linear"."""
    start, t, top = peak / div_factor, np.arange(steps), pct_start * steps - 1
    end = start / final_div_factor
    up = start + (peak - start) * t / top
    down = end + (peak - end) * (1 + np.cos(np.pi * (t - top) / (steps - 1 - top))) / 2
    return np.where(t < top, up, down)


# %% mistake of="one_cycle" fails="one_cycle rises to its peak"
def starts_at_zero(steps=STEPS, peak=0.1, pct_start=0.3, div_factor=25.0, final_div_factor=1e4):
    """The first step uses a 25th of the peak, so that it does something."""
    t, top = np.arange(steps), pct_start * steps - 1
    end = peak / div_factor / final_div_factor
    down = end + (peak - end) * (1 + np.cos(np.pi * (t - top) / (steps - 1 - top))) / 2
    return np.where(t < top, peak * (1 - np.cos(np.pi * t / top)) / 2, down)


# %% mistake of="one_cycle" fails="one_cycle rises to its peak; one_cycle falls to its end"
def peaks_one_step_late(
    steps=STEPS, peak=0.1, pct_start=0.3, div_factor=25.0, final_div_factor=1e4
):
    """The rise takes 0.3 T steps, and the first of them has index 0: the peak is at 0.3 T - 1."""
    start, t, top = peak / div_factor, np.arange(steps), pct_start * steps
    end = start / final_div_factor
    up = start + (peak - start) * (1 - np.cos(np.pi * t / top)) / 2
    down = end + (peak - end) * (1 + np.cos(np.pi * (t - top) / (steps - 1 - top))) / 2
    return np.where(t < top, up, down)


# %% mistake of="one_cycle" fails="one_cycle falls to its end"
def ends_at_a_fraction_of_the_peak(
    steps=STEPS, peak=0.1, pct_start=0.3, div_factor=25.0, final_div_factor=1e4
):
    """The end is 10,000 times below the start, which is 25 times below the peak: 250,000 in all."""
    start, t, top = peak / div_factor, np.arange(steps), pct_start * steps - 1
    end = peak / final_div_factor
    up = start + (peak - start) * (1 - np.cos(np.pi * t / top)) / 2
    down = end + (peak - end) * (1 + np.cos(np.pi * (t - top) / (steps - 1 - top))) / 2
    return np.where(t < top, up, down)


# %% mistake of="one_cycle" fails="one_cycle falls to its end"
def falls_back_to_the_start(
    steps=STEPS, peak=0.1, pct_start=0.3, div_factor=25.0, final_div_factor=1e4
):
    """One-cycle does not return to where it began: its last steps are far smaller."""
    start, t, top = peak / div_factor, np.arange(steps), pct_start * steps - 1
    up = start + (peak - start) * (1 - np.cos(np.pi * t / top)) / 2
    down = start + (peak - start) * (1 + np.cos(np.pi * (t - top) / (steps - 1 - top))) / 2
    return np.where(t < top, up, down)


# %% mistake of="warmup_cosine" fails="the warm-up climbs in equal steps"
def starts_its_warmup_at_zero(steps=STEPS, peak=0.1, warmup=2_000, floor=1e-6):
    """A first rate of 0 wastes the step, and the warm-up ends below the peak; here it is (t + 1) / W."""
    t = np.arange(steps)
    share = (t - warmup) / (steps - warmup)
    down = floor + (peak - floor) * (1 + np.cos(np.pi * share)) / 2
    return np.where(t < warmup, peak * t / warmup, down)


# %% mistake of="warmup_cosine" fails="the warm-up climbs in equal steps"
def climbs_from_the_floor(steps=STEPS, peak=0.1, warmup=2_000, floor=1e-6):
    """The floor is where the cosine goes; the warm-up's first rate is one part of the peak."""
    t = np.arange(steps)
    share = (t - warmup) / (steps - warmup)
    down = floor + (peak - floor) * (1 + np.cos(np.pi * share)) / 2
    return np.where(t < warmup, floor + (peak - floor) * (t + 1) / warmup, down)


# %% mistake of="warmup_cosine" fails="after the warm-up the cosine takes the steps that are left"
def lets_the_cosine_run_from_step_zero(steps=STEPS, peak=0.1, warmup=2_000, floor=1e-6):
    """Counted from step 0, the cosine is past its peak when the warm-up ends: the rate jumps down."""
    t = np.arange(steps)
    down = floor + (peak - floor) * (1 + np.cos(np.pi * t / steps)) / 2
    return np.where(t < warmup, peak * (t + 1) / warmup, down)


# %% mistake of="warmup_cosine" fails="after the warm-up the cosine takes the steps that are left"
def stretches_the_cosine(steps=STEPS, peak=0.1, warmup=2_000, floor=1e-6):
    """The cosine has T - W steps to reach its floor; stretched over T it stops halfway down."""
    t = np.arange(steps)
    down = floor + (peak - floor) * (1 + np.cos(np.pi * (t - warmup) / steps)) / 2
    return np.where(t < warmup, peak * (t + 1) / warmup, down)


# %% mistake of="plot_schedules" fails="the figure shows each schedule by its name, on both scales"
def draws_epochs(schedules):
    """The entries are steps; divided by 100 they are epochs, and the axis says something else."""
    figure, panels = plt.subplots(1, 2)
    for axes, scale in zip(panels, ("linear", "log"), strict=True):
        for name, rates in schedules.items():
            axes.plot(np.arange(len(rates)) / 100, rates, label=name)
        axes.set(yscale=scale, xlabel="step", ylabel="learning rate", title="schedules")
        axes.legend()
    return figure


# %% mistake of="plot_schedules" fails="the figure shows each schedule by its name, on both scales"
def draws_one_scale_twice(schedules):
    """On a linear axis 4e-7 and 1e-4 are both 0: the right panel is there to tell them apart."""
    figure, panels = plt.subplots(1, 2)
    for axes in panels:
        for name, rates in schedules.items():
            axes.plot(rates, label=name)
        axes.set(xlabel="step", ylabel="learning rate", title="schedules")
        axes.legend()
    return figure


# %% mistake of="plot_schedules" fails="the figure shows each schedule by its name, on both scales"
def numbers_the_lines(schedules):
    """A legend that says 0, 1, 2 leaves the reader to guess which schedule is meant."""
    figure, panels = plt.subplots(1, 2)
    for axes, scale in zip(panels, ("linear", "log"), strict=True):
        for number, rates in enumerate(schedules.values()):
            axes.plot(rates, label=str(number))
        axes.set(yscale=scale, xlabel="step", ylabel="learning rate", title="schedules")
        axes.legend()
    return figure
