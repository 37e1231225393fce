# %% exercise [markdown] items="35" stars=2 minutes=25 level="analyze" goal="tell how rate and momentum together set the length of a step"
r"""
# What momentum does to the learning rate
Who raises the momentum and leaves the learning rate alone takes longer steps, and often finds out
from a loss that explodes. SGD with momentum, as PyTorch has it, keeps a velocity:

$$ v \leftarrow m\,v + g, \qquad \theta \leftarrow \theta - \eta\,v $$

Each gradient $g$ is added in full, and goes on acting in all later steps, weaker each time by a
factor $m$. While gradients agree, steps therefore get longer and longer, up to a limit. Call that
limit for $g = 1$ the *effective rate*.

The one-cycle policy moves both: the momentum goes down while the rate goes up, and back again. A
run of `OneCycleLR(optimizer, max_lr=0.1, total_steps=10_000)` passes through

| | rate | momentum |
|---|---|---|
| first step | 0.004 | 0.95 |
| peak | 0.1 | 0.85 |
| last step | 0.0000004 | 0.95 |

Write `step_lengths` and `effective_rate`, and find the effective rate at these three points. Then
judge a sentence that you will meet in many texts: momentum is cycled "in order to keep the
effective step size constant".

*Hint:* at the limit, a step is as long as the one before. What does that say about $v$?
"""

# %%
from autograder import expect


# %% solution
def step_lengths(rate: float, momentum: float, steps: int) -> list[float]:
    """How long each of the first `steps` steps is, from rest (v = 0), if every gradient is 1."""
    ### BEGIN SOLUTION
    lengths, velocity = [], 0.0
    for _ in range(steps):
        velocity = momentum * velocity + 1.0
        lengths.append(rate * velocity)
    return lengths
    ### END SOLUTION


def effective_rate(rate: float, momentum: float) -> float:
    """What these lengths grow towards, 0 <= momentum < 1."""
    ### BEGIN SOLUTION
    return rate / (1 - momentum)
    ### END SOLUTION


# %% check
# With momentum 1/2 the velocity is 1, 3/2, 7/4, 15/8: half of what is missing to 2 comes each time.
expect.close(
    step_lengths(rate=2.0, momentum=0.5, steps=4),
    [2.0, 3.0, 3.5, 3.75],
    when="taking four steps with rate 2 and momentum 1/2, from rest",
    think="What is left of the velocity before the next gradient is added?",
)
expect.close(
    effective_rate(rate=2.0, momentum=0.5),
    4.0,
    when="looking where 2, 3, 3.5, 3.75, ... leads",
    think="What is still missing gets halved with each step.",
)

# %% solution
# The effective rate at the three points of the run above: a dictionary from "first", "peak" and
# "last" to numbers.
### BEGIN SOLUTION
one_cycle = {"first": 0.004 / 0.05, "peak": 0.1 / 0.15, "last": 4e-7 / 0.05}
### END SOLUTION

# %% check
expect.kind(one_cycle, dict, when="reading `one_cycle`")
expect.equal(sorted(one_cycle), ["first", "last", "peak"], when="reading the keys of `one_cycle`")
for point, value in one_cycle.items():
    expect.between(value, 1e-12, 1e3, when=f"reading the effective rate at the point {point!r}")

# %% hidden aspect="step_lengths follows the velocity from rest" points=1
from itertools import pairwise

import torch

for rate, momentum, steps in ((0.3, 0.85, 40), (2.0, 0.0, 5), (0.05, 0.97, 12), (1.5, 0.6, 1)):
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=rate, momentum=momentum)
    places = [0.0]
    for _ in range(steps):
        theta.grad = torch.ones_like(theta)
        optimizer.step()
        places.append(-theta.item())
    expect.close(
        step_lengths(rate, momentum, steps),
        [there - here for here, there in pairwise(places)],
        rtol=1e-8,  # differences of places lose a digit
        when=f"comparing {steps} steps with torch.optim.SGD, rate {rate:g}, momentum {momentum:g}",
        think="The first step knows one gradient, the second knows two, and none of them is shared "
        "out as in an average.",
    )

# %% hidden aspect="effective_rate is what the steps grow towards" points=1
for rate, momentum in ((0.3, 0.85), (2.0, 0.0), (0.05, 0.99), (1.5, 0.6)):
    # What 5,000 gradients leave, each weaker by its age: 0.99 to that power is below 1e-21.
    left = sum(momentum**age for age in range(5_000))
    expect.close(
        effective_rate(rate, momentum),
        rate * left,
        when=f"adding up what 5,000 gradients of 1 leave, rate {rate:g}, momentum {momentum:g}",
        think="At the limit, what momentum takes from the velocity is what the gradient adds.",
    )

# %% hidden aspect="the three points of one-cycle have these effective rates" points=1
expect.kind(one_cycle, dict, when="reading `one_cycle`")
points = {"first": (0.004, 0.95), "peak": (0.1, 0.85), "last": (4e-7, 0.95)}
for point, (rate, momentum) in points.items():
    expect.close(
        one_cycle.get(point, ...),
        rate * sum(momentum**age for age in range(1_000)),
        rtol=1e-3,  # three digits are enough
        when=f"reading the effective rate at the point {point!r}",
        think="How many times its rate does a step become when all gradients agree?",
    )

# %% setup
import torch

from autograder.authoring.quiz import draw


def settled(rate, momentum, steps=400):
    """How long a step of PyTorch's SGD has become after many gradients of 1."""
    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=rate, momentum=momentum)
    theta.grad = torch.ones_like(theta)
    for _ in range(steps):
        before = theta.item()
        optimizer.step()
    return before - theta.item()


# %% numeric [markdown] id="growth-to-the-peak" points=1
r"""
A run uses one-cycle with `div_factor={{div}}`, `max_momentum={{high}}`, `base_momentum={{low}}`.
From its first step to its peak the *rate* grows by a factor of {{div}}, while the momentum goes
from {{high}} down to {{low}}.

By what factor does the *effective* rate grow?
"""

# %% key
div, high, low = draw([10, 20, 25, 40]), draw([0.9, 0.95]), draw([0.8, 0.85])
answer = div * (1 - high) / (1 - low)
slips = {
    "That is the rate alone, as if the momentum had stayed.": div,
    "Less momentum makes shorter steps: it works against the rate here.": (
        div * (1 - low) / (1 - high)
    ),
    "The momentum itself is no factor of the limit. Work the limit out at both points.": (
        div * low / high
    ),
    "That is what the momentum does to a step. The rate grows, too.": (1 - high) / (1 - low),
}

# %% evidence
assert abs(settled(0.1, low) / settled(0.1 / div, high) / answer - 1) < 1e-6

# %% choice [markdown] id="what-cycling-does" points=1
r"""
What does the effective rate do during such a run, from the first step over the peak to the last?

- [x] It goes up and down with the rate, but by a smaller factor.
  > Yes: the coupling offsets a part of the rise, a factor of 3 of the 25 with the usual numbers.
- [ ] It stays what it was: what the rate gains the momentum takes away.
  > That is the usual sentence. Divide the second of your three numbers by the first.
- [ ] It goes down towards the peak, because momentum outweighs the rate.
  > Momentum goes from 0.95 to 0.85, and that shortens steps to a third. What does the rate do?
- [ ] It goes up and down by a larger factor than the rate does.
  > That would be so if momentum went up together with the rate. In which direction does it go?
"""

# %% evidence
theta = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([theta], lr=1.0, momentum=0.5)
cycle, states = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 100), []
for _ in range(100):
    states.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"]))
    optimizer.step()
    cycle.step()
first, peak, last = (settled(*states[i]) for i in (0, 29, 99))
assert abs(peak / first - 25 / 3) < 1e-6 and states[29][0] / states[0][0] > 24.9
assert last < 1e-4 * first
assert 8 < peak / last / 1e4 < 9

# %% text [markdown] id="why-momentum-is-cycled" points=2
r"""
In three to five sentences: why does one-cycle use little momentum where the rate is high, and much
where it is low? Say what happens to the length of a step, and how long a gradient is remembered.
End with what there is to the sentence that this keeps the effective step size constant.

- [1] While gradients agree, steps grow to rate / (1 - momentum): at the peak 0.85 in place of 0.95 makes them a third as long, and a gradient is forgotten after about 7 steps in place of 20, so the weights turn sooner; where the rate is small, much momentum makes up for some of it, or averages noise over more gradients.
- [1] The coupling offsets only a part: with the usual numbers the effective rate still grows 8.3 times (from 0.08 to 0.67) where the rate grows 25 times, and it falls to 8e-6 at the end.
"""

# %% evidence
# A third as long at the peak, and the three numbers.
assert abs(settled(0.1, 0.95) / settled(0.1, 0.85) - 3) < 1e-6
assert abs(settled(0.004, 0.95) - 0.08) < 1e-6 and abs(settled(0.1, 0.85) - 0.667) < 1e-3
assert abs(settled(4e-7, 0.95) - 8e-6) < 1e-10

# %% evidence
# How many steps of a buffer of PyTorch's it takes until a third of a gradient is left, and how much
# of the noise of single gradients is left in an average of that buffer.
for momentum, fewest, most in ((0.85, 5, 8), (0.95, 17, 23)):
    theta = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=1.0, momentum=momentum)
    theta.grad, age = torch.ones(1), 0
    optimizer.step()
    theta.grad = torch.zeros(1)
    while optimizer.state[theta]["momentum_buffer"].item() > 0.3679:
        optimizer.step()
        age += 1
    assert fewest <= age <= most
spread = {}
for momentum in (0.85, 0.95):
    theta = torch.zeros(2_000, requires_grad=True)
    optimizer = torch.optim.SGD([theta], lr=1.0, momentum=momentum)
    for _ in range(120):
        theta.grad = torch.randn(2_000)
        optimizer.step()
    spread[momentum] = ((1 - momentum) * optimizer.state[theta]["momentum_buffer"]).std()
assert spread[0.95] < 0.7 * spread[0.85] < 0.3


# %% alternative of="step_lengths"
def with_the_sum_of_the_series(rate, momentum, steps):
    return [rate * (1 - momentum**n) / (1 - momentum) for n in range(1, steps + 1)]


# %% alternative of="step_lengths"
def with_the_rate_inside_the_velocity(rate, momentum, steps):
    import numpy as np

    step, lengths = 0.0, np.empty(steps)
    for t in range(steps):
        step = momentum * step + rate
        lengths[t] = step
    return lengths


# %% alternative of="effective_rate"
def as_a_share_of_what_is_forgotten(rate, momentum):
    forgotten = 1.0 - momentum
    return forgotten**-1 * rate


# %% alternative of="one_cycle"
def with_three_digits():
    return {"first": 0.08, "peak": 0.667, "last": 8e-6}


# %% mistake of="step_lengths" fails="step_lengths follows the velocity from rest"
def averages_the_gradients(rate, momentum, steps):
    """Here each gradient is added in full: an average would give it only the weight 1 - m."""
    lengths, velocity = [], 0.0
    for _ in range(steps):
        velocity = momentum * velocity + (1 - momentum)
        lengths.append(rate * velocity)
    return lengths


# %% mistake of="step_lengths" fails="step_lengths follows the velocity from rest"
def steps_before_it_adds_the_gradient(rate, momentum, steps):
    """The velocity is updated first and used then, so even the first step moves."""
    lengths, velocity = [], 0.0
    for _ in range(steps):
        lengths.append(rate * velocity)
        velocity = momentum * velocity + 1.0
    return lengths


# %% mistake of="step_lengths" fails="step_lengths follows the velocity from rest"
def returns_the_places(rate, momentum, steps):
    """Those are the distances from the start; a step is the difference of two of them."""
    place, places, velocity = 0.0, [], 0.0
    for _ in range(steps):
        velocity = momentum * velocity + 1.0
        place += rate * velocity
        places.append(place)
    return places


# %% mistake of="step_lengths" fails="step_lengths follows the velocity from rest"
def returns_the_velocity(rate, momentum, steps):
    """The step is the velocity times the rate."""
    return [sum(momentum**age for age in range(n)) for n in range(1, steps + 1)]


# %% mistake of="effective_rate" fails="effective_rate is what the steps grow towards"
def divides_by_the_momentum(rate, momentum):
    """What is lost with each step is the part 1 - m of the velocity; the limit balances that."""
    return rate / momentum if momentum else rate


# %% mistake of="effective_rate" fails="effective_rate is what the steps grow towards"
def multiplies_in_place_of_dividing(rate, momentum):
    """With more momentum steps get longer, so 1 - m belongs under the rate."""
    return rate * (1 - momentum)


# %% mistake of="effective_rate" fails="effective_rate is what the steps grow towards"
def counts_two_gradients(rate, momentum):
    """That is the second step; all earlier gradients act on, each weaker by one more factor m."""
    return rate * (1 + momentum)


# %% mistake of="effective_rate" fails="effective_rate is what the steps grow towards"
def stops_after_two_hundred_steps(rate, momentum):
    """With a momentum of 0.99, 200 steps come to 87 % of the limit; a fixed number is never enough."""
    return rate * sum(momentum**age for age in range(200))


# %% mistake of="one_cycle" fails="the three points of one-cycle have these effective rates"
def keeps_the_momentum_of_the_start():
    """At the peak the momentum is 0.85: with 0.95 steps would be three times as long."""
    return {"first": 0.08, "peak": 2.0, "last": 8e-6}


# %% mistake of="one_cycle" fails="the three points of one-cycle have these effective rates"
def believes_that_nothing_changes():
    """An effective rate that stays at 0.08 is what texts promise; work out the other two."""
    return {"first": 0.08, "peak": 0.08, "last": 0.08}


# %% mistake of="one_cycle" fails="the three points of one-cycle have these effective rates"
def leaves_the_momentum_out():
    """Those are the rates; momentum makes a step longer by what earlier gradients left."""
    return {"first": 0.004, "peak": 0.1, "last": 4e-7}
