# %% exercise [markdown] items="25 26 85" stars=2 minutes=40 level="apply" goal="write inverted dropout with its backward pass, and test an expected value honestly"
r"""
# 7.11 Inverted dropout
A unit that can rely on one particular neighbour learns nothing that works without it. *Dropout*
silences each entry of a layer at random, and anew at every step of training, so that no unit can
rely on another. *Inverted* dropout enlarges the entries that are kept, so that the layer's
expected output is its input and nothing is left to do at inference:

$$ y_i = \frac{m_i\,x_i}{1 - p}, \qquad m_i = \begin{cases} 0 & \text{with probability } p \\
1 & \text{with probability } 1 - p \end{cases} $$

In this course, as in PyTorch, $p$ is the probability that an entry is **dropped**. Many texts give
the letter to the probability of being *kept*: their `p=0.8` is our `p=0.2`. The two meet at 0.5, so
a test at 0.5 cannot tell one from the other. The checks here use 0.3.

Write `forward` and `backward`, with tensors only. The mode may change between two calls. For `p` = 1 the formula says 0/0; PyTorch returns zeros then, and so should you.

*Hint:* what does `backward` have to know about the latest `forward`, if the input was 0 at an entry
that was kept?
"""

# %%
import torch
from torch import Tensor

from autograder import expect, student_side


# %% solution
class InvertedDropout:
    """Dropout with drop probability `p`, from 0 to 1; in training mode until `eval` is called."""

    def __init__(self, p: float = 0.5) -> None:
        self.p, self.training = p, True

    def train(self) -> None:
        self.training = True

    def eval(self) -> None:
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        """Return a new tensor of the shape and dtype of `x`, which may have any shape.

        Training: each entry is dropped with probability p by itself, and scaled if it is kept.
        Evaluation: all entries are passed on as they are.
        """
        ### BEGIN SOLUTION
        self.factor = torch.ones_like(x)
        if self.training:
            keep = 1 - self.p
            kept = torch.rand(x.shape, device=x.device) < keep
            self.factor = kept.to(x.dtype) / (keep if keep > 0 else 1)
        return x * self.factor
        ### END SOLUTION

    def backward(self, d_out: Tensor) -> Tensor:
        """Turn the gradient at the output of the latest `forward` into the one at its input."""
        ### BEGIN SOLUTION
        return d_out * self.factor
        ### END SOLUTION


# %% check
# With p = 0.75 an entry is kept one time in four, and is then multiplied by 4.
layer = InvertedDropout(0.75)
torch.manual_seed(0)
y = layer.forward(torch.full((4000,), 2.0))
expect.equal(
    set(y.tolist()),
    {0.0, 8.0},
    when="dropping entries that were 2, with p = 0.75",
    think="What has to become of the few that are kept, so that the average stays 2?",
)
expect.between(
    (y == 0).double().mean(),
    0.70,
    0.80,
    when="counting the zeros among 4000 entries, with p = 0.75",
    think="p is the probability of being dropped.",
)
expect.close(
    layer.backward(torch.ones(4000)),
    y / 2,
    when="going back from the sum of all outputs",
    think="How much does an output grow if its input grows by 1?",
)

# %% check
layer = InvertedDropout(0.75)
layer.eval()
expect.close(
    layer.forward(torch.tensor([1.0, -2.0])),
    [1.0, -2.0],
    when="evaluating 1 and -2",
    think="The scaling was done in training already.",
)

# %% [markdown]
r"""
## Is the expected output the input?
The average of $n$ training outputs for the same $x$ should be $x$, but no average of finitely many
draws is exact. How far off it may be is told by its *standard error*: the standard deviation of one
draw, divided by $\sqrt{n}$. About one average in three is off by more than one standard error, but
only two in a billion by more than six; so "within 0.01" says nothing, and "within six standard
errors" says a lot.

Write `standard_error`: work out $\mathrm{Var}(y_i)$ from the two values that $y_i$ takes and their
probabilities. Then `mean_of_draws`, which averages as many calls of `forward` as it is told.
"""


# %% solution
def standard_error(x: Tensor, p: float, draws: int) -> Tensor:
    """Give, for each entry of `x`, the standard error of the mean of `draws` dropout outputs.

    `p` is the drop probability, less than 1. Same shape and dtype as `x`.
    """
    ### BEGIN SOLUTION
    return x.abs() * (p / ((1 - p) * draws)) ** 0.5
    ### END SOLUTION


def mean_of_draws(layer, x: Tensor, draws: int) -> Tensor:
    """Average `layer.forward(x)` over `draws` calls; same shape and dtype as `x`.

    `layer` is an `InvertedDropout` or anything else that has a method `forward`.
    """
    ### BEGIN SOLUTION
    total = torch.zeros_like(x)
    for _ in range(draws):
        total += layer.forward(x)
    return total / draws
    ### END SOLUTION


# %% check
# With p = 0.5 an entry of 1 becomes 0 or 2, and each is 1 away from the mean: the deviation is 1.
expect.close(
    standard_error(torch.tensor([1.0, 3.0]), p=0.5, draws=10_000),
    [0.01, 0.03],
    when="asking for the standard errors at 1 and 3, with p = 0.5 and 10,000 draws",
    think="The variance of one draw is the mean of the squared distances from x.",
)


# `student_side` lets a grader run a function where your code is; in this notebook it does nothing.
@student_side
def mean_from_your_layer(x, p, draws):
    return mean_of_draws(InvertedDropout(p), x, draws)


torch.manual_seed(0)
x = torch.tensor([4.0, -2.0, 1.0], dtype=torch.float64)
off = mean_from_your_layer(x.clone(), 0.3, 2000) - x
expect.between(
    (off.abs() / standard_error(x.clone(), 0.3, 2000)).max(),
    0,
    6,
    when="measuring, in standard errors, how far the mean of 2000 draws is from x, with p = 0.3",
    think="On average, 0.7 of the entries are kept. What are they multiplied by?",
)

# %% [markdown]
r"""
The mean alone proves little. A layer that drops 70 % of the entries and multiplies the others by
1/0.3 has the same one. That is why the checks of your layer also look at the values, and count the
zeros.
"""

# %% hidden aspect="in training, each entry becomes 0 or x / (1 - p)" points=1
torch.manual_seed(1)
for shape, p, dtype in [
    ((40, 7), 0.3, torch.float64),
    ((3, 5, 2), 0.1, torch.float32),
    ((50,), 0.8, torch.float64),
]:
    x = torch.randn(shape).to(dtype)
    y = InvertedDropout(p).forward(x.clone())
    expect.shape(y, shape, when=f"training on an input of shape {shape}")
    dropped = (y == 0).to(dtype)
    expect.close(
        y,
        (1 - dropped) * x / (1 - p),
        when=f"comparing the entries that are not 0 with x / (1 - p), for p = {p}",
        think="Entries are kept with probability 1 - p. What makes up for those that are not?",
    )

# %% hidden aspect="p is the probability of being dropped" points=1
# Six standard errors of a count: a false alarm twice in a billion, 6e-9 for the three.
torch.manual_seed(2)
for p in (0.3, 0.1, 0.8):
    y = InvertedDropout(p).forward(torch.ones(50_000))
    error = (p * (1 - p) / 50_000) ** 0.5
    expect.shape(y, (50_000,), when="training on an input of shape (50000,)")
    expect.between(
        (y == 0).double().mean(),
        p - 6 * error,
        p + 6 * error,
        when=f"looking at the share of zeros among 50,000 entries, for p = {p}",
        think="In PyTorch's convention a larger p drops more.",
    )

# %% hidden aspect="each entry is dropped by itself" points=1
# Counts of zeros scatter by n q (1 - q) if entries are independent. The ratio of the measured
# variance to that is about 1, give or take sqrt(2 / 150) = 0.12: 2.5 is a false alarm below 1e-20.
torch.manual_seed(3)
y = InvertedDropout(0.3).forward(torch.ones(150, 160))
expect.shape(y, (150, 160), when="training on an input of shape (150, 160)")
dropped = (y == 0).double()
q = dropped.mean().clamp(1e-3, 1 - 1e-3)
for dim, name in ((0, "column"), (1, "row")):
    expected = dropped.shape[dim] * q * (1 - q)
    expect.between(
        dropped.sum(dim=dim).var() / expected,
        0,
        2.5,
        when=f"dividing the variance of the zeros in a {name} by that of independent entries",
        think="Does a sample, or a feature, lose all of its entries together?",
    )
# Twenty independent counts are all the same with a probability below 0.1^19: a false alarm of 1e-19.
counts = [int((InvertedDropout(0.3).forward(torch.ones(100)) == 0).sum()) for _ in range(20)]
expect.true(
    len(set(counts)) > 1,
    when="counting the zeros among 100 entries, for twenty layers with p = 0.3",
    wanted="numbers around 30 that vary",
    got=f"{counts[0]} every time",
    think="If the number of zeros is fixed, an entry depends on what the others do.",
)

# %% hidden aspect="each training forward draws a new mask" points=1
# Two masks of 300 entries are equal with probability 0.58^300, and one drops none of them with
# 0.7^300: a false alarm below 1e-45.
torch.manual_seed(4)
layer = InvertedDropout(0.3)
first, second = (layer.forward(torch.ones(20, 15)) for _ in range(2))
layer.eval()
layer.forward(torch.ones(20, 15))
layer.train()
third = layer.forward(torch.ones(20, 15))
expect.shape(second, (20, 15), when="training on an input of shape (20, 15) a second time")
expect.true(
    not torch.equal(first, second),
    when="training on the same input twice",
    wanted="other zeros the second time",
    got="the same",
    think="A unit that is silenced for good is a smaller network, not dropout.",
)
for step, y in (("a second time", second), ("again after an evaluation", third)):
    expect.true(
        (y == 0).any(),
        when=f"training {step}",
        wanted="zeros among the 300 outputs",
        got="none",
        think="Dropout goes on until the layer is told to evaluate, and again when told to train.",
    )

# %% hidden aspect="evaluation passes values and gradients on as they are" points=1
torch.manual_seed(5)
x, d_out = torch.randn(2, 30, 8, dtype=torch.float64)
layer = InvertedDropout(0.3)
layer.forward(x.clone())
layer.eval()
expect.close(
    layer.forward(x.clone()),
    x,
    when="evaluating after a training step, with p = 0.3",
    think="Inverted dropout has made up for the dropped entries in training.",
)
expect.close(
    layer.backward(d_out.clone()),
    d_out,
    when="going back through this evaluation",
    think="Whose mask is it that backward uses now?",
)

# %% hidden aspect="backward has the mask and the scale of the latest forward" points=1
torch.manual_seed(6)
layer = InvertedDropout(0.3)
for step in ("a first training step", "a second training step", "a training step, after `eval()`"):
    x, d_out = torch.randn(2, 30, 8, dtype=torch.float64)
    layer.train()
    y = layer.forward(x.clone())
    if "eval" in step:
        layer.eval()  # the step was a training step all the same
    expect.close(
        layer.backward(d_out.clone()),
        d_out * y / x,
        when=f"going back through {step}",
        think="Each output of the latest forward is its input times a number. Which number?",
    )
layer.train()
# All 200 inputs are dropped with probability 0.3^200: a false alarm below 1e-100.
layer.forward(torch.zeros(200))
expect.true(
    layer.backward(torch.ones(200)).count_nonzero() > 0,
    when="going back to 200 inputs that are all 0, as after a ReLU",
    wanted="a gradient at those that were kept",
    got="zeros only",
    think="An output of 0 is not the same as an entry that was dropped.",
)

# %% hidden aspect="p = 0 keeps all and p = 1 drops all" points=1
torch.manual_seed(7)
x = torch.randn(20, 6, dtype=torch.float64)
for p in (0.0, 1.0):
    layer = InvertedDropout(p)
    expect.close(
        layer.forward(x.clone()),
        (1 - p) * x,
        when=f"training with p = {p}",
        think="For p = 1 the scale would be 1/0. Nothing is left that it could be applied to.",
    )
    expect.close(
        layer.backward(x.clone()),
        (1 - p) * x,
        when=f"going back through a training step with p = {p}",
        think="An entry that never reaches the output gets no gradient, and no NaN either.",
    )

# %% hidden aspect="x and the gradient at the output are left as they were" points=1
torch.manual_seed(8)
x, d_out = torch.randn(2, 20, 6)
layer = InvertedDropout(0.3)
with expect.unchanged(
    x=x,
    d_out=d_out,
    when="training on x and going back from d_out",
    think="The layer before needs its output again: for its own backward pass, or for a shortcut.",
):
    y, d_x = layer.forward(x), layer.backward(d_out)
expect.shape(y, (20, 6), when="training on x of shape (20, 6)")
expect.shape(d_x, (20, 6), when="going back from d_out of shape (20, 6)")

# %% hidden aspect="the standard error follows from the variance of one draw" points=1
from autograder import reference

torch.manual_seed(9)
for p, draws in [(0.3, 10_000), (0.05, 37), (0.9, 1), (0.0, 100)]:
    x = 5 * torch.randn(4, 3, dtype=torch.float64)
    expect.close(
        standard_error(x.clone(), p, draws),
        reference.standard_error(x, p, draws),
        when=f"asking for standard errors with p = {p} and {draws} draws",
        think="Its square is E[y²] - x², divided by the number of draws. Negative x have one too.",
    )

# %% hidden aspect="the mean is taken over as many draws as asked for" points=1
from autograder import student_side


@student_side
def mean_of_a_counting_layer(x, draws):
    class Counting:
        training, calls = True, 0

        def forward(self, x):
            self.calls += 1
            return self.calls * x

    return mean_of_draws(Counting(), x, draws)


# A layer that returns x, 2 x, 3 x and so on: its mean over n calls is (n + 1) / 2 times x.
torch.manual_seed(10)
for draws in (1, 4, 25):
    x = torch.randn(3, 2, dtype=torch.float64)
    expect.close(
        mean_of_a_counting_layer(x.clone(), draws),
        (draws + 1) / 2 * x,
        when=f"averaging {draws} outputs of a layer that returns x, 2 x, 3 x and so on",
        think="How often is forward called, and by what is the sum divided?",
    )


# %% alternative of="InvertedDropout"
class WithBernoulli:
    def __init__(self, p=0.5):
        self.p = p
        self.training = True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        if not self.training or self.p == 0:
            self.mask = None
            return x.clone()
        if self.p == 1:
            self.mask = torch.zeros_like(x)
        else:
            self.mask = torch.empty_like(x).bernoulli_(1 - self.p).div_(1 - self.p)
        return x * self.mask

    def backward(self, d_out):
        return d_out.clone() if self.mask is None else self.mask * d_out


# %% alternative of="InvertedDropout"
class WithWhere:
    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.dropped = torch.rand(x.shape) < self.p
        self.keep = 1 - self.p
        if not self.training:
            self.dropped, self.keep = torch.zeros(x.shape, dtype=torch.bool), 1.0
        return self.backward(x)

    def backward(self, d_out):
        return torch.where(self.dropped, torch.zeros_like(d_out), d_out / self.keep)


# %% alternative of="standard_error"
def from_the_two_values(x, p, draws):
    low, high = torch.zeros_like(x), x / (1 - p)
    variance = p * (low - x) ** 2 + (1 - p) * (high - x) ** 2
    return torch.sqrt(variance / draws)


# %% alternative of="mean_of_draws"
def with_a_running_mean(layer, x, draws):
    mean = torch.zeros_like(x)
    for n in range(1, draws + 1):
        mean = mean + (layer.forward(x) - mean) / n
    return mean


# %% mistake of="InvertedDropout" fails="in training, each entry becomes 0 or x / (1 - p)"
class ForgetsToScale:
    """What is kept is divided by 1 - p in training: evaluation has all entries, and no scale."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if self.training:
            self.mask = (torch.rand(x.shape) >= self.p).to(x.dtype)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="in training, each entry becomes 0 or x / (1 - p); p is the probability of being dropped"
class TakesPForTheShareKept:
    """p is the share that is dropped; some texts give the letter to the share that is kept."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if self.training and self.p == 1:
            self.mask = torch.zeros_like(x)
        elif self.training and self.p > 0:
            self.mask = (torch.rand(x.shape) < self.p).to(x.dtype) / self.p
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="p is the probability of being dropped"
class KeepsWithProbabilityP:
    """A uniform number is below p with probability p: those are the entries to drop, not to keep."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if self.training and self.p == 1:
            self.mask = torch.zeros_like(x)
        elif self.training and self.p > 0:
            self.mask = (torch.rand(x.shape) < self.p).to(x.dtype) / (1 - self.p)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="each entry is dropped by itself"
class DropsAFeatureForTheWholeBatch:
    """Every sample has a mask of its own; one row of random numbers silences whole columns."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if self.training:
            kept = torch.rand(x.shape[-1]) >= self.p
            self.mask = self.mask * kept / ((1 - self.p) or 1)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="each entry is dropped by itself"
class DropsAFixedNumber:
    """If exactly a share p is dropped each time, entries are not independent: one saves another."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if self.training:
            flat = torch.full((x.numel(),), 1 / ((1 - self.p) or 1), dtype=x.dtype)
            flat[torch.randperm(x.numel())[: round(self.p * x.numel())]] = 0
            self.mask = flat.view(x.shape)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="each training forward draws a new mask"
class DrawsOneMaskForGood:
    """Each step of training silences other entries; a mask that is kept makes a smaller network."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        if not self.training:
            self.mask = torch.ones_like(x)
            return x.clone()
        if getattr(self, "drawn", None) is None or self.drawn.shape != x.shape:
            self.drawn = torch.rand(x.shape)
        self.mask = (self.drawn >= self.p).to(x.dtype) / ((1 - self.p) or 1)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="evaluation passes values and gradients on as they are"
class ScalesAtInferenceToo:
    """Scaling by 1 - p at inference belongs to classic dropout; the inverted form has scaled before."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        if self.training:
            kept = torch.rand(x.shape) >= self.p
            self.mask = kept.to(x.dtype) / ((1 - self.p) or 1)
        else:
            self.mask = torch.full_like(x, 1 - self.p)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="evaluation passes values and gradients on as they are"
class GoesBackThroughAnOldMask:
    """After an evaluation, backward goes through that evaluation, not through the last training step."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        if not self.training:
            return x.clone()
        self.mask = (torch.rand(x.shape) >= self.p).to(x.dtype) / ((1 - self.p) or 1)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="backward has the mask and the scale of the latest forward"
class DrawsAnotherMaskInBackward:
    """The gradient flows where the values flowed: backward needs the very mask that forward drew."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        if not self.training:
            return x.clone()
        return x * (torch.rand(x.shape) >= self.p) / ((1 - self.p) or 1)

    def backward(self, d_out):
        return self.forward(d_out)


# %% mistake of="InvertedDropout" fails="backward has the mask and the scale of the latest forward"
class TakesZerosForDropped:
    """An output is 0 also where the input was; the mask itself tells which entries were dropped."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if not self.training:
            return x.clone()
        kept = torch.rand(x.shape) >= self.p
        y = x * kept / ((1 - self.p) or 1)
        self.mask = (y != 0).to(x.dtype) / ((1 - self.p) or 1)
        return y

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="backward has the mask and the scale of the latest forward"
class AsksForTheModeInBackward:
    """What counts is the mode in which forward ran, not the one that the layer is in by now."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        if not self.training:
            return x.clone()
        self.mask = (torch.rand(x.shape) >= self.p).to(x.dtype) / ((1 - self.p) or 1)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask if self.training else d_out.clone()


# %% mistake of="InvertedDropout" fails="p = 0 keeps all and p = 1 drops all"
class DividesByZero:
    """With p = 1 nothing is kept that 1 / (1 - p) could scale: 0 / 0 is NaN, and zeros are wanted."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if self.training:
            self.mask = (torch.rand(x.shape) >= self.p).to(x.dtype) / (1 - self.p)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="InvertedDropout" fails="x and the gradient at the output are left as they were"
class WritesIntoItsInput:
    """An input is the caller's tensor; changed in place, it is another for everyone who still needs it."""

    def __init__(self, p=0.5):
        self.p, self.training = p, True

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = torch.ones_like(x)
        if self.training:
            x[torch.rand(x.shape) < self.p] = 0
            self.mask = (x != 0).to(x.dtype) / ((1 - self.p) or 1)
            if not x.any():  # inputs of 0: any mask fits
                self.mask = torch.full_like(x, 1 / ((1 - self.p) or 1)) * (self.p < 1)
        return x * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="standard_error" fails="the standard error follows from the variance of one draw"
def gives_the_deviation_of_one_draw(x, p, draws):
    """The mean of n draws scatters less than one of them, by the root of n."""
    return x.abs() * (p / (1 - p)) ** 0.5


# %% mistake of="standard_error" fails="the standard error follows from the variance of one draw"
def takes_the_mask_for_the_output(x, p, draws):
    """p (1 - p) is the variance of the mask; the output divides it by 1 - p, the variance twice."""
    return x.abs() * (p * (1 - p) / draws) ** 0.5


# %% mistake of="standard_error" fails="the standard error follows from the variance of one draw"
def keeps_the_sign_of_x(x, p, draws):
    """A standard deviation is never negative, though x may be."""
    return x * (p / ((1 - p) * draws)) ** 0.5


# %% mistake of="mean_of_draws" fails="the mean is taken over as many draws as asked for"
def averages_one_draw_over_its_entries(layer, x, draws):
    """The mean runs over draws, one for each entry; the entries of x stay apart."""
    return torch.full_like(x, layer.forward(x).mean().item())


# %% mistake of="mean_of_draws" fails="the mean is taken over as many draws as asked for"
def calls_forward_once(layer, x, draws):
    """One output added up many times is still one draw: each call draws a mask of its own."""
    y = layer.forward(x)
    return sum(y for _ in range(draws)) / draws
