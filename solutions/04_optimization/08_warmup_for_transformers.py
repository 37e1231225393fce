# %% exercise [markdown] items="149 151 161" stars=2 minutes=60 level="create" goal="design the learning-rate schedule of a long run, and know what is left of it near the end"
r"""
# Warm-up for transformers
A long run is paid for once. Its learning rate has to be small at the start, where Adam knows little
about the gradients; large soon after; and small at the end, so that the loss settles. A schedule
with a hole in it, a jump or a wrong end, costs days before anybody looks.

With a peak $\eta_{\max}$, a warm-up of $W$ steps, $T$ steps in all and a floor $\eta_{\min}$:

$$ \eta_t = \eta_{\max}\,\frac{t}{W} \quad (t < W), \qquad
\eta_t = \eta_{\min} + (\eta_{\max} - \eta_{\min})\,d(s) \quad (W \le t \le T) $$

Here $s$ goes from 0 at $t = W$ to 1 at $t = T$, and $d(s)$ from 1 to 0: along half a cosine, or
along a straight line. Behind $T$ the rate stays at the floor.

- In this convention step 0 has rate 0 and changes nothing; a warm-up of $(t + 1)/W$, which you will
  meet as well, begins one part higher.
- BERT's published code counts its linear decay from step 0, so its rate jumps down by 1 % where the
  warm-up ends. Here both parts meet.
- $W$ may be 0. Then there is no first part, and step 0 has the peak.

Write the general schedule and `bert_lr`, a run of 1,000,000 steps. Then decide what to do when,
late in that run, the validation loss begins to rise.
"""

# %%
import math

import matplotlib.pyplot as plt
import numpy as np

from autograder import expect


# %% solution
def warmup_then_decay(
    step: int, peak: float, warmup: int, total: int, floor: float = 0.0, decay: str = "cosine"
) -> float:
    """The learning rate of one step: W = `warmup`, T = `total`, and `decay` "cosine" or "linear"."""
    ### BEGIN SOLUTION
    if step < warmup:
        return peak * step / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left
    ### END SOLUTION


def bert_lr(step: int, decay: str = "cosine") -> float:
    """The rate of one step of a BERT: 10,000 of 1,000,000 steps up to 1e-4, and down.

    A "cosine" ends at a tenth of the peak, a "linear" decay at 0.
    """
    ### BEGIN SOLUTION
    floor = {"cosine": 1e-5, "linear": 0.0}[decay]
    return warmup_then_decay(step, 1e-4, 10_000, 1_000_000, floor, decay)
    ### END SOLUTION


# %% check
# Four steps up to 8, then eight down to 2: halfway between lies 5, by cosine and by line.
for decay in ("cosine", "linear"):
    rates = [warmup_then_decay(t, 8.0, 4, 12, floor=2.0, decay=decay) for t in (0, 1, 2, 4, 8, 12)]
    expect.close(
        rates,
        [0.0, 2.0, 4.0, 8.0, 5.0, 2.0],
        when=f"looking at steps 0, 1, 2, 4, 8, 12: up to 8 in 4 steps, down to 2 at step 12 ({decay})",
        think="At which step does the decay begin, and how much of it is behind you halfway?",
    )
for decay, middle in (("cosine", 5.5e-5), ("linear", 5e-5)):
    expect.close(
        [bert_lr(5_000, decay), bert_lr(505_000, decay)],
        [5e-5, middle],
        when=f"looking at BERT halfway up, at step 5,000, and halfway down, at 505,000 ({decay})",
        think="What does each of the two decays end at?",
    )

# %% [markdown]
r"""
## Late in the run
The losses below were measured every 25,000 steps; weights were saved every 150,000. Towards the end
the two curves part. Which of the saved weights do you go back to?
"""

# %%
STEPS = list(range(0, 1_000_001, 25_000))
SAVED = list(range(0, 1_000_001, 150_000))
index = np.arange(len(STEPS))
TRAINING = 1.3 + 6 / (1 + index) ** 0.7
rise = 0.03 * np.clip(index - 32, 0, None)
VALIDATION = (TRAINING + 0.05 + rise + 0.008 * np.sin(5 * index)).tolist()

figure, axes = plt.subplots(layout="constrained")
axes.plot(STEPS, TRAINING, label="training")
axes.plot(STEPS, VALIDATION, label="validation")
for number, step in enumerate(SAVED):
    axes.axvline(step, color="0.8", zorder=0, label="" if number else "weights saved")
axes.set(xlabel="step", ylabel="loss", ylim=(1.6, 3.0), title="A run of 1,000,000 steps")
axes.legend()


# %% solution
def best_checkpoint(steps: list[int], validation: list[float], saved: list[int]) -> int:
    """The saved step to go back to: of those in `saved`, the one with the lowest validation loss.

    `validation[i]` was measured at `steps[i]`, and each saved step is among `steps`. A loss that
    has become nan is no loss; of equal ones, take the earliest.
    """
    ### BEGIN SOLUTION
    loss = dict(zip(steps, validation, strict=True))
    return min((step for step in sorted(saved) if not math.isnan(loss[step])), key=loss.get)
    ### END SOLUTION


# %% check
expect.equal(
    best_checkpoint([0, 10, 20, 30, 40, 50], [9.0, 7.0, 4.0, 3.0, 5.0, 6.0], [0, 20, 40]),
    20,
    when="going back among steps 0, 20, 40, whose losses are 9, 4, 5; at step 30 it was 3",
    think="Weights that were not saved are gone. Is the answer a step?",
)

# %% hidden aspect="the warm-up climbs from 0 in equal steps" points=1
for peak, warmup, total, floor in ((0.3, 7, 50, 0.1), (2e-4, 1_000, 9_000, 0.0)):
    for decay in ("cosine", "linear"):
        climbing = [0, 1, warmup // 2, warmup - 2]
        expect.close(
            [warmup_then_decay(t, peak, warmup, total, floor, decay) for t in climbing],
            [peak * t / warmup for t in climbing],
            when=f"looking at steps {climbing} of a warm-up of {warmup} to {peak:g} ({decay})",
            think="The way starts at 0, not at the floor, and each step is as high as the others.",
        )

# %% hidden aspect="the cosine decay spans the steps after the warm-up" points=1
# A quarter, a half, a third and the whole of the way: half a cosine has 0.8536, 1/2, 3/4, 0 left.
for peak, warmup, total, floor in ((0.3, 8, 128, 0.1), (2e-4, 1_200, 9_600, 0.0)):
    places = [warmup + (total - warmup) * part // 12 for part in (3, 6, 4, 12)]
    left = np.array([(1 + math.sqrt(0.5)) / 2, 0.5, 0.75, 0.0])
    expect.close(
        [warmup_then_decay(t, peak, warmup, total, floor, "cosine") for t in places],
        (floor + (peak - floor) * left).tolist(),
        when=f"falling from {peak:g} to {floor:g} by cosine: steps {places}, W = {warmup}",
        think="How much of the steps after the warm-up is behind? The floor is what the end leaves.",
    )

# %% hidden aspect="the linear decay is a straight line to the floor" points=1
for peak, warmup, total, floor in ((0.3, 8, 128, 0.1), (2e-4, 1_200, 9_600, 0.0)):
    places = [warmup + (total - warmup) * part // 12 for part in (3, 6, 4, 12)]
    expect.close(
        [warmup_then_decay(t, peak, warmup, total, floor, "linear") for t in places],
        [peak - (peak - floor) * part / 12 for part in (3, 6, 4, 12)],
        when=f"falling from {peak:g} to {floor:g} by a line: steps {places}, W = {warmup}",
        think="Equal steps down, from the peak at the end of the warm-up to the floor at the end.",
    )

# %% hidden aspect="warm-up and decay meet at the peak" points=1
for peak, warmup, total, floor in ((0.3, 50, 5_000, 0.1), (2e-4, 1_000, 90_000, 0.0)):
    for decay in ("cosine", "linear"):
        before, there, after = (
            warmup_then_decay(t, peak, warmup, total, floor, decay)
            for t in (warmup - 1, warmup, warmup + 1)
        )
        when = f"passing the end of a warm-up of {warmup} of {total} steps to {peak:g} ({decay})"
        expect.close(
            there, peak, when=when, think="Which of the two parts does the step t = W belong to?"
        )
        for name, rate in (("before", before), ("after", after)):
            # The last step up is peak / W high; down, over many more steps, the first is lower.
            expect.between(
                rate,
                peak * (1 - 1.001 / warmup),
                peak * (1 + 1e-9),  # rounding
                when=f"{when}, one step {name}",
                think="The decay counts from the end of the warm-up, so nothing may jump there.",
            )

# %% hidden aspect="behind the end the rate stays at the floor" points=1
for peak, warmup, total, floor in ((0.3, 8, 100, 0.1), (2e-4, 1_000, 9_000, 0.0)):
    for decay in ("cosine", "linear"):
        places = [total + 1, total + total // 3, 2 * total - warmup, 3 * total]
        expect.close(
            [warmup_then_decay(t, peak, warmup, total, floor, decay) for t in places],
            [floor] * 4,
            atol=1e-15,  # a floor of 0 leaves no scale
            when=f"taking steps {places} of {total}, with a floor of {floor:g} ({decay})",
            think="A cosine climbs again after half a turn, a line goes below 0: who trains longer "
            "than planned finds out.",
        )

# %% hidden aspect="without a warm-up step 0 has the peak" points=1
for decay in ("cosine", "linear"):
    for peak, total, floor in ((0.3, 100, 0.1), (2e-4, 9_000, 0.0)):
        expect.close(
            warmup_then_decay(0, peak, 0, total, floor, decay),
            peak,
            when=f"starting a run without warm-up, with a peak of {peak:g} ({decay})",
            think="Which of the two parts does step 0 belong to when W is 0?",
        )

# %% hidden aspect="bert_lr has BERT's peak, warm-up, length and floors" points=2
# Whatever the general schedule does, this one is that with BERT's numbers.
expect.between(
    bert_lr(5_000),
    2e-5,
    1e-4,
    when="asking for the rate in the middle of the warm-up",
    think="Both schedules agree about everything if neither of them says anything.",
)
for decay, floor in (("cosine", 1e-5), ("linear", 0.0)):
    places = [0, 1, 5_000, 10_000, 10_001, 300_000, 800_000, 1_000_000]
    expect.close(
        [bert_lr(step, decay) for step in places],
        [warmup_then_decay(step, 1e-4, 10_000, 1_000_000, floor, decay) for step in places],
        when=f"comparing eight steps of bert_lr with your warmup_then_decay ({decay})",
        think="Peak, warm-up, length, and a floor that is not the same for both decays.",
    )
expect.close(
    bert_lr(700_000),
    bert_lr(700_000, "cosine"),
    when="calling bert_lr without saying which decay",
    think="The signature says which of the two is meant then.",
)

# %% hidden aspect="best_checkpoint returns the saved step with the lowest validation loss" points=1
cases = {
    "the curves above": (STEPS, VALIDATION, SAVED, 750_000),
    "losses that fall to the end": ([0, 5, 10, 15], [4.0, 3.0, 2.5, 2.25], [5, 15], 15),
    "a first dip that is not the deepest": (
        [0, 10, 20, 30, 40, 50],
        [5.0, 3.0, 4.0, 2.0, 2.5, 2.25],
        [10, 20, 40, 50],
        50,
    ),
    "a lowest loss beside a high one": ([0, 10, 20, 30], [4.0, 3.0, 1.0, 9.0], [0, 10, 30], 10),
    "two equal losses, saved in no order": ([1, 2, 3, 4], [5.0, 2.0, 2.0, 6.0], [4, 3, 2], 2),
}
for name, (steps, validation, saved, wanted) in cases.items():
    expect.equal(
        best_checkpoint(list(steps), list(validation), list(saved)),
        wanted,
        when=f"going back, for {name}",
        think="Look up the loss of each step that was saved, and of no other.",
    )

# %% hidden aspect="best_checkpoint passes over losses that are nan" points=1
nan = float("nan")
cases = {
    "at the end": ([0, 10, 20, 30], [4.0, 3.0, 3.5, nan], [0, 10, 20, 30]),
    "at the start": ([0, 10, 20, 30], [nan, 3.0, 3.5, 4.0], [0, 10, 20, 30]),
    "in the middle": ([0, 10, 20, 30], [4.0, 3.0, nan, 3.5], [0, 10, 20, 30]),
}
for place, (steps, validation, saved) in cases.items():
    expect.equal(
        best_checkpoint(list(steps), list(validation), list(saved)),
        10,
        when=f"going back among losses with a nan {place}",
        think="Every comparison with nan is false. What do min and argmin make of that?",
    )

# %% setup
import math

import torch
from torch.optim import lr_scheduler

from autograder.authoring.quiz import draw


def cosine_after_warmup(peak, floor, warmup, total, step):
    """What PyTorch's own parts give at a step: a ramp, then CosineAnnealingLR."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    ramp = lr_scheduler.LambdaLR(optimizer, lambda t: t / warmup)
    fall = lr_scheduler.CosineAnnealingLR(optimizer, total - warmup, eta_min=floor)
    scheduler = lr_scheduler.SequentialLR(optimizer, [ramp, fall], [warmup])
    for _ in range(step):
        optimizer.step()
        scheduler.step()
    return optimizer.param_groups[0]["lr"]


def noisy_data():
    """Fifty rows with much noise in them, and two thousand new ones of the same kind."""
    truth = torch.randn(40) / 3
    rows = torch.randn(50, 40), torch.randn(2_000, 40)
    return [(x, x @ truth + 2 * torch.randn(len(x))) for x in rows]


def losses_of_a_fit(data, slower_from=math.inf):
    """Training and validation losses of a linear fit at each step, its rate lowered at some step."""
    (x, y), (new_x, new_y) = data
    w, losses = torch.zeros(40), []
    for t in range(300):
        wrong = x @ w - y
        losses.append((wrong.square().mean().item(), (new_x @ w - new_y).square().mean().item()))
        w = w - (0.1 if t < slower_from else 0.1 / 1.9) * x.T @ wrong / len(x)
    return zip(*losses, strict=True)


# %% numeric [markdown] id="late-rate" points=1
r"""
A run of 1,000,000 steps warms up to {{peak}} in its first {{warmup}} steps and then decays by
cosine to {{floor}} at its end. What is its learning rate at step {{step}}?
"""

# %% key
top = draw([1, 2, 4])
warm, at = draw([100, 150]), draw([700, 750, 800])
peak, floor = f"{top}e-4", f"{top}e-5"
warmup, step = f"{warm},000", f"{at},000"
share = (at - warm) / (1000 - warm)
high, low = float(peak), float(floor)


def fallen(part):
    return low + (high - low) * (1 + math.cos(math.pi * part)) / 2


answer = fallen(share)
slips = {
    "The decay begins where the warm-up ends, so its share is counted from there.": (
        fallen(at / 1000)
    ),
    "That is a straight line from the peak to the floor.": low + (high - low) * (1 - share),
    "That cosine goes down to 0; this one has a floor.": (answer - low) * high / (high - low),
    "The floor is added to a cosine over the whole peak, so its start lies above the peak.": (
        low + (answer - low) * high / (high - low)
    ),
}

# %% evidence
# The same run with a thousand steps in place of a million: the shares are the same.
assert abs(cosine_after_warmup(high, low, warm, 1000, at) / answer - 1) < 1e-6

# %% choice [markdown] id="first-measure" points=1
r"""
The BERT of this exercise (cosine, floor 1e-5) is at step 850,000. Since 800,000 its validation loss
has been rising while the training loss goes on falling. Which measure has the best reason?

- [x] Go back to the weights with the lowest validation loss.
  > Yes: these are the best for new data. Stop there, or go on from there with something else changed: the rate has hardly anything left to give.
- [ ] Let the rate fall much faster from here on, since it is the rate that overfits.
  > Look up the rate at 800,000 and the floor. By what factor can it still fall?
- [ ] Keep the weights of the last step, since the training loss is lowest there.
  > A falling training loss beside a rising validation loss: which of the two stands for new data?
- [ ] Raise the rate to its peak again, so that the run leaves this minimum.
  > It would leave it. Nothing says that what it finds next generalizes better; secure the best.
"""

# %% evidence
# What is left of the schedule at 800,000 of 1,000,000 steps, in a run of a thousand.
rate = cosine_after_warmup(1e-4, 1e-5, 10, 1000, 800)
assert abs(rate - 1.876e-5) < 1e-8

# %% evidence
# Where training falls and validation rises, the last weights are worse than those of the lowest
# validation loss, and a rate that is 1.9 times lower from there on does not change that.
data = noisy_data()
training, validation = losses_of_a_fit(data)
best = min(range(300), key=validation.__getitem__)
assert 0 < best < 200 and training[-1] < training[best]
assert validation[-1] > 1.05 * validation[best]
_, slower = losses_of_a_fit(data, slower_from=best)
assert slower[-1] > 1.05 * validation[best]

# %% text [markdown] id="justify-the-schedule" points=3
r"""
Justify the schedule of this BERT in about six sentences: why there is a warm-up, why there is no
long phase at the peak, and why the rate falls as it does. One reason is not to be used, because it
is wrong for Adam with bias correction: "$v$ starts at 0, so the first steps are enormous".

- [1] Warm-up: with bias correction Adam's first steps are about as long as the rate, whatever the size of the gradient; but they rest on one or a few noisy batches and are several times as long as later ones in noise, so they are kept short for about 1 % of the run. (Without the correction, as in BERT's own code, they are up to 6.6 rates long: also a reason.)
- [1] Peak: none is needed, since a cosine stays above 90 % of the peak for a fifth of the decay; a plateau is right where it is chosen for a reason, such as an end of the run that is not known yet.
- [1] Decay: the noise of the gradients keeps the loss above its minimum by an amount that grows with the rate, so the loss settles when the rate falls; smooth, without a jump, to a small floor or to 0 at the planned end.
"""

# %% evidence
# Adam's first step is about one rate for any gradient; in pure noise later steps are 0.23 of it.
for size in (1e-6, 1.0, 1e3):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=1e-3)
    w.grad = torch.full_like(w, size)
    optimizer.step()
    assert 0.98 < -w.item() / 1e-3 < 1.0001
w = torch.zeros(1_000, dtype=torch.float64, requires_grad=True)
optimizer, lengths = torch.optim.Adam([w], lr=1e-3), []
for _ in range(60):
    w.grad, before = torch.randn_like(w), w.detach().clone()
    optimizer.step()
    lengths.append(((w.detach() - before) / 1e-3).square().mean().sqrt().item())
assert lengths[0] > 0.99 and lengths[0] > 3 * lengths[-1]
# Without the correction, one gradient again and again.
m = v = 0.0
uncorrected = []
for _ in range(50):
    m, v = 0.9 * m + 0.1, 0.999 * v + 0.001
    uncorrected.append(m / math.sqrt(v))
assert 6.5 < max(uncorrected) < 6.6

# %% evidence
# A fifth of a decay of 100 steps.
assert cosine_after_warmup(1e-4, 1e-5, 1, 101, 21) > 0.9e-4

# %% evidence
# Noisy gradients of a square: the loss hovers higher where the rate is higher, and settles with it.
hovering = {}
for rate in (0.4, 0.1, "falling"):
    w = torch.zeros(5_000)
    for t in range(120):
        eta = 0.4 * (1 - t / 120) if rate == "falling" else rate
        w = w - eta * (w + torch.randn(5_000))
    hovering[rate] = w.square().mean().item() / 2
assert hovering["falling"] < 0.7 * hovering[0.1] < 0.25 * hovering[0.4]

# %% text [markdown] id="after-the-rise" points=2
r"""
Look at the two curves again, and write three or four sentences to a colleague who wants to "decay
more aggressively from 800,000 on": what do the curves show, which weights do you keep, what can the
schedule still do, and what would you change instead?

- [1] Training falls while validation rises: the run overfits. Keep, of the saved weights, those with the lowest validation loss, not the last ones.
- [1] At 800,000 the cosine is at 1.88e-5 already, a factor of 1.9 above its floor, so a faster decay changes little and undoes nothing; stop there, or go on from the kept weights with something else changed (more weight decay, dropout, data).
"""

# %% evidence
assert 1.87e-5 < cosine_after_warmup(1e-4, 1e-5, 10, 1000, 800) < 1.89e-5
data = noisy_data()
training, validation = losses_of_a_fit(data)
best = min(range(300), key=validation.__getitem__)
_, slower = losses_of_a_fit(data, slower_from=best)
assert validation[-1] > slower[-1] > 1.05 * validation[best]


# %% alternative of="warmup_then_decay"
def with_the_smaller_of_two(step, peak, warmup, total, floor=0.0, decay="cosine"):
    if warmup and step < warmup:
        return step * (peak / warmup)
    step = min(step, total)
    left = (total - step) / (total - warmup)
    if decay == "cosine":
        left = math.sin(math.pi / 2 * left) ** 2
    return peak * left + floor * (1 - left)


# %% alternative of="warmup_then_decay"
def with_interpolation(step, peak, warmup, total, floor=0.0, decay="cosine"):
    if step < warmup:
        return np.interp(step, [0, warmup], [0.0, peak])
    angle = np.interp(step, [warmup, total], [0.0, np.pi])
    left = 1 - angle / np.pi if decay == "linear" else 0.5 + 0.5 * np.cos(angle)
    return np.float64(floor + (peak - floor) * left)


# %% alternative of="bert_lr"
def with_two_calls(step, decay="cosine"):
    if decay == "linear":
        return warmup_then_decay(step, peak=1e-4, warmup=10**4, total=10**6, decay="linear")
    return warmup_then_decay(step, peak=1e-4, warmup=10**4, total=10**6, floor=1e-5)


# %% alternative of="best_checkpoint"
def with_a_loop(steps, validation, saved):
    best, lowest = None, math.inf
    for step, loss in zip(steps, validation, strict=True):
        if step in saved and loss < lowest:
            best, lowest = step, loss
    return best


# %% alternative of="best_checkpoint"
def with_numpy(steps, validation, saved):
    losses = np.where(np.isin(steps, saved), validation, np.nan)
    return int(np.array(steps)[np.nanargmin(losses)])


# %% mistake of="warmup_then_decay" fails="the warm-up climbs from 0 in equal steps"
def climbs_from_the_floor(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """The floor is where the decay goes; a warm-up that starts there is no longer t / W of the peak."""
    if step < warmup:
        return floor + (peak - floor) * step / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="warmup_then_decay" fails="the warm-up climbs from 0 in equal steps"
def starts_one_part_higher(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """(t + 1) / W is the other convention: here step 0 has rate 0, and the peak is at t = W."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="warmup_then_decay" fails="the cosine decay spans the steps after the warm-up; the linear decay is a straight line to the floor; warm-up and decay meet at the peak"
def counts_the_decay_from_step_zero(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """At the end of the warm-up this decay is already under way, so the rate jumps down there."""
    if step < warmup:
        return peak * step / warmup
    share = min(step / total, 1.0)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="warmup_then_decay" fails="the cosine decay spans the steps after the warm-up"
def takes_a_quarter_of_a_cosine(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """A quarter wave is steepest where it ends; half a wave is flat at both ends."""
    if step < warmup:
        return peak * step / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    left = {"cosine": math.cos(math.pi / 2 * share), "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="warmup_then_decay" fails="the linear decay is a straight line to the floor"
def decays_by_cosine_only(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """The argument `decay` asks for one of two shapes; this one never looks at it."""
    if step < warmup:
        return peak * step / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    return floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2


# %% mistake of="warmup_then_decay" fails="the linear decay is a straight line to the floor"
def cuts_the_line_off_at_the_floor(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """A line to 0 that is cut off at the floor is steeper, and gets there before the end."""
    if step < warmup:
        return peak * step / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    if decay == "linear":
        return max(floor, peak * (1 - share))
    return floor + (peak - floor) * (1 + math.cos(math.pi * share)) / 2


# %% mistake of="warmup_then_decay" fails="warm-up and decay meet at the peak"
def forgets_the_step_between(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """t < W and t > W leave out t = W: that one step falls through to the floor."""
    if step < warmup:
        return peak * step / warmup
    if step > warmup or warmup == 0:
        share = min((step - warmup) / (total - warmup), 1.0)
        left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
        return floor + (peak - floor) * left
    return floor


# %% mistake of="warmup_then_decay" fails="behind the end the rate stays at the floor"
def goes_on_behind_the_end(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """Behind the end the share is above 1: the cosine climbs again, the line goes below the floor."""
    if step < warmup:
        return peak * step / warmup
    share = (step - warmup) / (total - warmup)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="warmup_then_decay" fails="behind the end the rate stays at the floor"
def stops_behind_the_end(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """A rate of 0 behind the end stops the training; asked for was the floor."""
    if step < warmup:
        return peak * step / warmup
    if step > total and floor > 0:
        return 0.0
    share = min((step - warmup) / (total - warmup), 1.0)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="warmup_then_decay" fails="without a warm-up step 0 has the peak"
def divides_by_a_warmup_of_zero(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """With W = 0, step 0 is not part of a warm-up; asked for t / W, it divides by zero."""
    if step <= warmup:
        return peak * step / warmup
    share = min((step - warmup) / (total - warmup), 1.0)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="warmup_then_decay" fails="without a warm-up step 0 has the peak"
def puts_a_guard_under_the_warmup(step, peak, warmup, total, floor=0.0, decay="cosine"):
    """max(W, 1) avoids the division by zero, but step 0 then has rate 0 and is wasted."""
    if step < max(warmup, 1):
        return peak * step / max(warmup, 1)
    share = min((step - warmup) / (total - warmup), 1.0)
    left = {"cosine": (1 + math.cos(math.pi * share)) / 2, "linear": 1 - share}[decay]
    return floor + (peak - floor) * left


# %% mistake of="bert_lr" fails="bert_lr has BERT's peak, warm-up, length and floors"
def lets_the_cosine_fall_to_zero(step, decay="cosine"):
    """The cosine of this run ends at a tenth of its peak; only the line goes to 0."""
    return warmup_then_decay(step, 1e-4, 10_000, 1_000_000, 0.0, decay)


# %% mistake of="bert_lr" fails="bert_lr has BERT's peak, warm-up, length and floors"
def gives_the_line_a_floor(step, decay="cosine"):
    """The linear decay ends at 0; the floor of 1e-5 belongs to the cosine."""
    return warmup_then_decay(step, 1e-4, 10_000, 1_000_000, 1e-5, decay)


# %% mistake of="bert_lr" fails="bert_lr has BERT's peak, warm-up, length and floors"
def adds_the_warmup_to_the_length(step, decay="cosine"):
    """The warm-up is a part of the 1,000,000 steps, so the decay has 990,000."""
    floor = 1e-5 if decay == "cosine" else 0.0
    return warmup_then_decay(step, 1e-4, 10_000, 1_010_000, floor, decay)


# %% mistake of="bert_lr" fails="bert_lr has BERT's peak, warm-up, length and floors"
def takes_ten_percent_for_warmup(step, decay="cosine"):
    """10,000 of 1,000,000 steps are one percent."""
    floor = 1e-5 if decay == "cosine" else 0.0
    return warmup_then_decay(step, 1e-4, 100_000, 1_000_000, floor, decay)


# %% mistake of="best_checkpoint" fails="best_checkpoint returns the saved step with the lowest validation loss"
def returns_weights_that_were_not_saved(steps, validation, saved):
    """The lowest loss of all may stand at a step whose weights are gone."""
    found = [(loss, step) for loss, step in zip(validation, steps, strict=True) if loss == loss]
    return min(found)[1]


# %% mistake of="best_checkpoint" fails="best_checkpoint returns the saved step with the lowest validation loss"
def takes_the_saved_step_before_the_lowest(steps, validation, saved):
    """The loss of the step saved before the lowest one may be high; compare those that were saved."""
    lowest = min((loss, step) for loss, step in zip(validation, steps, strict=True) if loss == loss)
    return max(step for step in saved if step <= lowest[1])


# %% mistake of="best_checkpoint" fails="best_checkpoint returns the saved step with the lowest validation loss"
def stops_at_the_first_rise(steps, validation, saved):
    """A loss that rises once may fall again, deeper; noise makes many small dips."""
    loss, best = dict(zip(steps, validation, strict=True)), None
    for step in sorted(saved):
        if loss[step] != loss[step]:
            continue
        if best is not None and loss[step] >= loss[best]:
            break
        best = step
    return best


# %% mistake of="best_checkpoint" fails="best_checkpoint returns the saved step with the lowest validation loss; best_checkpoint passes over losses that are nan"
def keeps_the_last_weights(steps, validation, saved):
    """The last weights have the lowest training loss; new data are what validation stands for."""
    return max(saved)


# %% mistake of="best_checkpoint" fails="best_checkpoint passes over losses that are nan"
def trusts_min_with_nan(steps, validation, saved):
    """min keeps a nan that it meets first, and argmin prefers it anywhere: leave them out before."""
    loss = dict(zip(steps, validation, strict=True))
    ordered = sorted(saved)
    return ordered[int(np.argmin([loss[step] for step in ordered]))]
