# %% exercise [markdown] items="32" stars=2 minutes=50 level="apply" goal="keep an average of the weights beside a training run, and say when it helps"
r"""
# An average of the weights
The weights at the end of a run are those of one noisy step; a step earlier or later the model
would answer differently. An *exponential moving average* (EMA) of the weights smooths that out at
the price of a copy of the model. With the decay $d$, after each step:

$$ \bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta, \qquad \bar\theta_0 = \theta_0 $$

Write `EMAModel`. Training goes on with $\theta$; the average is looked at in between:

```python
ema = EMAModel(model, decay=0.999)
for x, y in batches:
    ...                 # one step of training
    ema.update(model)
ema.apply(model)        # now `model` is the average
...                     # evaluate it
ema.restore(model)      # and now it is what it was
```

**What about buffers?** The running statistics of a batch norm are averages already, and its count
of batches is a whole number. Our policy: buffers are **copied** at each update, and never averaged.
Many implementations forget them, so that averaged weights meet whatever statistics the model has
at the moment.

There is no correction for the start here, as Adam has one: the average begins at the initial
weights, and with $d = 0.999$ it stays near them for a long time. Write `weight_on_start` to see how
long.

*Hint:* an assignment never copies a tensor. `clone` and `copy_` do.
"""

# %%
import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import BUNDLED, mnist


def small_model() -> nn.Module:
    """A linear layer and a batch norm, which has three buffers, in float64."""
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).double()


def set_parameters(model: nn.Module, values: Tensor) -> None:
    """Write a vector of numbers into all parameters, in place as an optimizer does."""
    parameters = list(model.parameters())
    with torch.no_grad():
        for p, part in zip(parameters, values.split([p.numel() for p in parameters]), strict=True):
            p.copy_(part.view_as(p))


def train(start: Tensor, batches: Tensor, average: type | None = None) -> dict[str, Tensor]:
    """The state after six steps, with looks at an average in between if there is one."""
    model = small_model()
    set_parameters(model, start)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    ema = average(model, decay=0.9) if average else None
    for number, batch in enumerate(batches):
        optimizer.zero_grad()
        (model(batch) - batch[:, :1]).square().mean().backward()
        optimizer.step()
        if ema:
            ema.update(model)
        model(-batch)  # the running statistics move on
        if ema and number % 2:
            ema.apply(model)
            model.eval()(batch)
            ema.restore(model)
            model.train()
    return {name: value.clone() for name, value in model.state_dict().items()}


# %% solution
class EMAModel:
    """An exponential moving average of a model's parameters.

    `decay` is the weight of the old average. `shadow` holds the averages by the parameters' names,
    `buffers` the buffers as they were at the latest update.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
        self.raw: dict[str, Tensor] = {}  # for what `apply` replaces

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take the model's present parameters into the average; copy its buffers."""
        ### BEGIN SOLUTION
        for name, parameter in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(parameter, alpha=1 - self.decay)
        for name, buffer in model.named_buffers():
            self.buffers[name].copy_(buffer)
        ### END SOLUTION

    @torch.no_grad()
    def apply(self, model: nn.Module) -> None:
        """Write the averages and the buffers into the model; keep what was there in `raw`."""
        ### BEGIN SOLUTION
        self.raw = copy.deepcopy(model.state_dict())
        model.load_state_dict(self.shadow | self.buffers, strict=False)
        ### END SOLUTION

    @torch.no_grad()
    def restore(self, model: nn.Module) -> None:
        """Put back all that the latest `apply` replaced, so that training can go on."""
        ### BEGIN SOLUTION
        model.load_state_dict(self.raw)
        ### END SOLUTION


def weight_on_start(decay: float, updates: int) -> float:
    """The share that the initial weights have in the average after some updates."""
    ### BEGIN SOLUTION
    return decay**updates
    ### END SOLUTION


# %% check
# One weight: it starts at 8, then training makes it 4, then 16. With decay 3/4 the average goes
# from 8 to 7 and from 7 to 9.25. A model stays where your code is; a function marked `student_side`
# brings back the numbers.
@student_side
def one_weight():
    model, seen = nn.Linear(1, 1, bias=False).double(), []
    set_parameters(model, torch.tensor([8.0]).double())
    ema = EMAModel(model, decay=0.75)
    for value in (4.0, 16.0):
        set_parameters(model, torch.tensor([value]).double())
        ema.update(model)
        ema.apply(model)
        seen.append(model.weight.item())
        ema.restore(model)
        seen.append(model.weight.item())
    return seen


seen = one_weight()
expect.close(
    seen[::2],
    [7.0, 9.25],
    when="applying the average of 8, 4 and of 8, 4, 16 with decay 3/4",
    think="Which of the two numbers that are added gets the weight 3/4?",
)
expect.close(
    seen[1::2],
    [4.0, 16.0],
    when="restoring the model after each look at the average",
    think="What does `apply` overwrite, and where has it been kept?",
)
expect.close(
    weight_on_start(0.5, 3),
    0.125,
    when="asking what is left of the start after three updates with decay 1/2",
    think="Each update halves it.",
)

# %% [markdown]
r"""
## Against early stopping
A small network learns digits of which 30 % carry a random label. The table compares, on clean
held-out digits: the last weights, the best weights of any epoch (early stopping with a perfect
sense of the moment), and the average.
"""


# %%
def race(average: type, samples: int, epochs: int) -> dict[str, float]:
    """Shares of 2,000 held-out digits that are read correctly, after training with noisy labels."""
    digits = mnist(train=True, root=BUNDLED)
    images = F.avg_pool2d(digits.floats()[: samples + 2000, None], 4).flatten(1)
    labels = digits.labels[: samples + 2000].clone()
    torch.manual_seed(0)
    wrong = torch.rand(samples) < 0.3
    labels[:samples][wrong] = torch.randint(0, 10, (int(wrong.sum()),))
    model = nn.Sequential(nn.Linear(49, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    averages = [average(model, decay) for decay in (0.98, 0.999)]

    def score() -> float:
        with torch.no_grad():
            return (model(images[samples:]).argmax(1) == labels[samples:]).double().mean().item()

    raw = []
    for _ in range(epochs):
        for batch in torch.randperm(samples).split(20):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
            for ema in averages:
                ema.update(model)
        raw.append(score())
    found = {"last weights": raw[-1], "best epoch": max(raw)}
    for ema in averages:
        ema.apply(model)
        found[f"average, decay {ema.decay:g}"] = score()
    return found


# %% check
@student_side
def races():
    return {
        "2000 digits,  4 epochs (400 steps)": race(EMAModel, samples=2000, epochs=4),
        " 300 digits, 30 epochs (450 steps)": race(EMAModel, samples=300, epochs=30),
    }


for case, scores in races().items():
    print(case, *(f"{who} {score:.3f}" for who, score in scores.items()), sep="   ")

# %% setup
import torch

# %% text [markdown] id="average-or-stop" points=2
r"""
When does the average do better than early stopping, and when worse? Explain the two rows of the
table in four or five sentences. Say also what each of the two needs besides the training data.

- [1] The average takes away the noise of single steps (large rate, small batches), so it beats a single checkpoint of the same run, and it needs no held-out data to choose by, which early stopping does.
- [1] It follows the weights with a delay of about 1/(1 - decay) updates and no more: a run that overfits for long takes its average along, while early stopping goes back; and after a run that is short against the delay, it is still near the initial weights (0.999^400 = 0.67).
"""

# %% evidence
# Regression with one sample a step and a rate that stays: the noise of the steps does not die out.
truth = torch.randn(20, dtype=torch.float64)
w, average, slow = torch.zeros(3, 20, dtype=torch.float64)
slow = slow + 3 * truth.norm() / 20**0.5  # initial weights that are far off, decay 0.9995
for _ in range(1500):
    x = torch.randn(20, dtype=torch.float64)
    w = w - 0.03 * x * (x @ (w - truth) + torch.randn(()).double())
    average = 0.995 * average + 0.005 * w
    slow = 0.9995 * slow + 0.0005 * w
assert (average - truth).norm() < 0.7 * (w - truth).norm()
assert (slow - truth).norm() > 2 * (w - truth).norm()

# %% evidence
# Thirty noisy samples of 25 features, fitted to the end: the average arrives where the weights do,
# and a checkpoint from early on, chosen by held-out data, is better than both.
truth, x = torch.randn(25).double() / 5, torch.randn(30, 25).double()
y, held_out = x @ truth + torch.randn(30).double(), torch.randn(300, 25).double()
noisy = held_out @ truth + torch.randn(300).double()
w, average, stopped = torch.zeros(3, 25, dtype=torch.float64)
best = float("inf")
for _ in range(1500):
    w = w - 0.1 * x.T @ (x @ w - y) / 30
    average = 0.99 * average + 0.01 * w
    if (loss := (held_out @ w - noisy).square().mean().item()) < best:
        best, stopped = loss, w
assert (average - w).norm() < 0.1 * (w - truth).norm()
assert (average - truth).norm() > 1.2 * (stopped - truth).norm()

# %% hidden aspect="the average keeps a share of decay of what it was" points=1


@student_side
def trace(start, steps, decay):
    model, seen = small_model(), []
    set_parameters(model, start)
    ema = EMAModel(model, decay=decay)
    for values in steps:
        set_parameters(model, values)
        ema.update(model)
        twin = copy.deepcopy(model)
        ema.apply(twin)
        seen.append(nn.utils.parameters_to_vector(twin.parameters()).detach())
    return seen


torch.manual_seed(1)
for decay in (0.9, 0.3, 0.999):
    start, steps = torch.randn(24).double(), 5 * torch.randn(4, 24).double()
    averages, wanted = trace(start, steps, decay), start
    for number, values in enumerate(steps, 1):
        wanted = decay * wanted + (1 - decay) * values
        expect.close(
            averages[number - 1],
            wanted,
            when=f"applying the average after {number} updates with decay {decay:g}",
            think="It begins at the initial weights, and nothing corrects for that.",
        )


# %% hidden aspect="the average has the buffers of the latest update" points=1
@student_side
def buffers_in_the_average(batches, updates):
    model = nn.Sequential(nn.BatchNorm1d(3, momentum=0.4)).double()
    ema = EMAModel(model, decay=0.9)
    for number, batch in enumerate(batches):
        model(batch)
        if number < updates:
            ema.update(model)
    ema.apply(model)
    return {name: buffer.clone() for name, buffer in model[0].named_buffers()}


torch.manual_seed(2)
batches = 3 * torch.randn(5, 8, 3).double() + 1
for updates in (0, 3, 5):
    norm = nn.BatchNorm1d(3, momentum=0.4).double()
    for batch in batches[:updates]:
        norm(batch)
    found = buffers_in_the_average(batches, updates)
    for name, buffer in norm.named_buffers():
        expect.close(
            found[name],
            buffer,
            when=f"looking at {name} in an average of {updates} updates, after five batches",
            think="Buffers belong to the moment of the latest update: copied, not averaged.",
        )


# %% hidden aspect="training goes on as if nobody had averaged" points=1
@student_side
def train_beside_an_average(start, batches):
    model = small_model()
    ema, own = EMAModel(model, decay=0.5), model.state_dict()
    for value in own.values():
        value.add_(1)  # in place: the model's own
    raw = [value.clone() for value in own.values()]
    ema.apply(model)
    looked = any(
        not torch.equal(a, b) for a, b in zip(raw, model.state_dict().values(), strict=True)
    )
    return train(start, batches, EMAModel), looked


torch.manual_seed(3)
start, batches = torch.randn(24).double(), torch.randn(6, 8, 3).double()
wanted = train(start, batches)
got, looked = train_beside_an_average(start, batches)
expect.true(
    looked,
    when="applying the average to a model that has moved on since",
    wanted="other weights in the model",
    got="those of before",
    think="A look at an average that is not there disturbs nobody.",
)
for name in wanted:
    expect.close(
        got[name],
        wanted[name],
        when=f"comparing {name} after six steps, with and without looks at an average",
        think="What does `apply` overwrite: only parameters? Is it kept as a copy?",
    )


# %% hidden aspect="what happens to the model does not touch the average" points=1
@student_side
def averages_before_and_after(start, values):
    model = small_model()
    set_parameters(model, start)
    ema = EMAModel(model, decay=0.9)
    set_parameters(model, values)
    ema.update(model)
    ema.apply(model)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    set_parameters(model, values)  # somebody trains on from the average
    model(torch.ones(2, 3).double())
    ema.restore(model)
    ema.apply(model)
    return before, {name: value.clone() for name, value in model.state_dict().items()}


torch.manual_seed(4)
before, after = averages_before_and_after(*torch.randn(2, 24).double())
for name in before:
    expect.close(
        after[name],
        before[name],
        when=f"applying, writing into the model, restoring and applying again ({name})",
        think="Does the model get the numbers of the average, or the tensors themselves?",
    )

# %% hidden aspect="weight_on_start tells what is left of the initial weights" points=1
for decay, updates, wanted in ((0.999, 1000, 0.36769542), (0.99, 0, 1.0), (0.9, 7, 0.4782969)):
    expect.close(
        weight_on_start(decay, updates),
        wanted,
        rtol=1e-7,  # the digits above
        when=f"asking for the weight of the start after {updates} updates with decay {decay:g}",
        think="Put zeros in for all later weights, and follow the formula.",
    )


# %% alternative of="EMAModel"
class WithLerpAndAModelOfItsOwn:
    def __init__(self, model, decay=0.999):
        self.decay, self.twin, self.raw = decay, copy.deepcopy(model), None

    def update(self, model):
        for mine, theirs in zip(self.twin.parameters(), model.parameters(), strict=True):
            mine.data.lerp_(theirs.data, 1 - self.decay)
        for mine, theirs in zip(self.twin.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)

    def apply(self, model):
        self.raw = copy.deepcopy(model)
        model.load_state_dict(self.twin.state_dict())

    def restore(self, model):
        model.load_state_dict(self.raw.state_dict())


# %% alternative of="EMAModel"
class WithNewTensors:
    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.data.clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.data.clone() for name, b in model.named_buffers()}

    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name] = self.decay * self.shadow[name] + (1 - self.decay) * p.data
        self.buffers = {name: b.data.clone() for name, b in model.named_buffers()}

    def apply(self, model):
        self.raw = {name: value.clone() for name, value in model.state_dict().items()}
        for name, value in model.state_dict(keep_vars=True).items():
            value.data = {**self.shadow, **self.buffers}[name].clone()

    def restore(self, model):
        for name, value in model.state_dict(keep_vars=True).items():
            value.data = self.raw[name]


# %% alternative of="weight_on_start"
def with_a_loop(decay, updates):
    weight = 1.0
    for _ in range(updates):
        weight *= decay
    return weight


# %% mistake of="EMAModel" fails="the average keeps a share of decay of what it was"
class GivesTheDecayToTheNewWeights:
    """The decay is the weight of the old average: near 1 the average moves slowly."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}

    @torch.no_grad()
    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(1 - self.decay).add_(p, alpha=self.decay)
        for name, b in model.named_buffers():
            self.buffers[name].copy_(b)

    def apply(self, model):
        self.raw = copy.deepcopy(model.state_dict())
        model.load_state_dict({**self.shadow, **self.buffers})

    def restore(self, model):
        model.load_state_dict(self.raw)


# %% mistake of="EMAModel" fails="the average keeps a share of decay of what it was"
class StartsFromNothingAsAdamDoes:
    """The average begins at the initial weights, so nothing is missing that a division should make up for."""

    def __init__(self, model, decay=0.999):
        self.decay, self.count = decay, 0
        self.shadow = {name: torch.zeros_like(p.detach()) for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}

    @torch.no_grad()
    def update(self, model):
        self.count += 1
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p, alpha=1 - self.decay)
        for name, b in model.named_buffers():
            self.buffers[name].copy_(b)

    def apply(self, model):
        self.raw = copy.deepcopy(model.state_dict())
        share = 1 - self.decay**self.count or 1.0
        shadow = {name: value / share for name, value in self.shadow.items()}
        model.load_state_dict({**shadow, **self.buffers})

    def restore(self, model):
        model.load_state_dict(self.raw)


# %% mistake of="EMAModel" fails="the average has the buffers of the latest update"
class AveragesTheBuffersToo:
    """Running statistics are averages already, and a count of batches is a whole number: they are copied."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}

    @torch.no_grad()
    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p, alpha=1 - self.decay)
        for name, b in model.named_buffers():
            mixed = self.decay * self.buffers[name] + (1 - self.decay) * b
            self.buffers[name].copy_(mixed)

    def apply(self, model):
        self.raw = copy.deepcopy(model.state_dict())
        model.load_state_dict({**self.shadow, **self.buffers})

    def restore(self, model):
        model.load_state_dict(self.raw)


# %% mistake of="EMAModel" fails="the average has the buffers of the latest update"
class ForgetsTheBuffers:
    """Without their buffers, averaged weights meet the statistics that the model has at the moment."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}

    @torch.no_grad()
    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p, alpha=1 - self.decay)

    def apply(self, model):
        self.raw = copy.deepcopy(model.state_dict())
        model.load_state_dict(self.shadow, strict=False)

    def restore(self, model):
        model.load_state_dict(self.raw)


# %% mistake of="EMAModel" fails="training goes on as if nobody had averaged"
class KeepsTheStateWithoutCopyingIt:
    """A state_dict holds the model's own tensors, so it is overwritten together with them."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}

    @torch.no_grad()
    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p, alpha=1 - self.decay)
        for name, b in model.named_buffers():
            self.buffers[name].copy_(b)

    def apply(self, model):
        self.raw = model.state_dict()
        model.load_state_dict({**self.shadow, **self.buffers})

    def restore(self, model):
        model.load_state_dict(self.raw)


# %% mistake of="EMAModel" fails="training goes on as if nobody had averaged"
class RestoresTheParametersOnly:
    """`apply` wrote into the buffers too, so the running statistics have to come back as well."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}

    @torch.no_grad()
    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p, alpha=1 - self.decay)
        for name, b in model.named_buffers():
            self.buffers[name].copy_(b)

    def apply(self, model):
        self.raw = {name: p.detach().clone() for name, p in model.named_parameters()}
        model.load_state_dict({**self.shadow, **self.buffers})

    def restore(self, model):
        model.load_state_dict(self.raw, strict=False)


# %% mistake of="EMAModel" fails="what happens to the model does not touch the average"
class HandsItsOwnTensorsToTheModel:
    """A model that holds the tensors of the average writes into the average with every step."""

    def __init__(self, model, decay=0.999):
        self.decay = decay
        self.shadow = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.buffers = {name: b.detach().clone() for name, b in model.named_buffers()}

    @torch.no_grad()
    def update(self, model):
        for name, p in model.named_parameters():
            self.shadow[name].mul_(self.decay).add_(p, alpha=1 - self.decay)
        for name, b in model.named_buffers():
            self.buffers[name].copy_(b)

    def apply(self, model):
        self.raw = {name: value.detach() for name, value in model.state_dict().items()}
        for name, value in model.state_dict(keep_vars=True).items():
            value.data = {**self.shadow, **self.buffers}[name]

    def restore(self, model):
        for name, value in model.state_dict(keep_vars=True).items():
            value.data = self.raw[name]


# %% mistake of="weight_on_start" fails="weight_on_start tells what is left of the initial weights"
def counts_the_share_of_the_newest(decay, updates):
    """One update leaves the start a share of decay: 1 - decay goes to the new weights."""
    return (1 - decay) ** updates


# %% mistake of="weight_on_start" fails="weight_on_start tells what is left of the initial weights"
def tells_what_all_others_have(decay, updates):
    """That is the share of all later weights together; the start has the rest."""
    return 1 - decay**updates
