# %% exercise [markdown] items="66" stars=2 minutes=25 level="apply" goal="write a layer whose backward pass never uses a mask that is out of date"
r"""
# A dropout layer in NumPy
A gradient that went through the wrong mask has the right shape and plausible values, so nothing
complains. Here is how one comes about: a layer trains on a batch, then evaluates, and then somebody
asks for the gradient of what it has just computed, to see which inputs a prediction depends on. In
several hand-written layers that circulate, an evaluation returns early and leaves the mask of the
last training batch where it was, and `backward` multiplies by it. If there was no training batch
yet, it trips over `None` instead.

Write `Dropout` with NumPy only. It follows the texts that give the probability of being *kept*:
an activation $a$ becomes

$$ \frac{m\,a}{\texttt{keep\_prob}}, \qquad m = \begin{cases} 1 & \text{with probability }
\texttt{keep\_prob} \\ 0 & \text{otherwise} \end{cases} $$

in training, and stays $a$ in an evaluation. `nn.Dropout(p)` is `Dropout(keep_prob=1 - p)`.
"""

# %%
import numpy as np

from autograder import expect


# %% solution
class Dropout:
    """Inverted dropout of arrays of any shape; `keep_prob` is greater than 0 and at most 1."""

    def __init__(self, keep_prob: float = 0.8) -> None:
        self.keep_prob = keep_prob

    def forward(self, a: np.ndarray, training: bool = True) -> np.ndarray:
        """Drop entries of `a` and scale the others if `training`, else pass all of them on.

        The result has the dtype of `a`, and `a` itself stays as it was.
        """
        ### BEGIN SOLUTION
        self.factor = np.ones_like(a)
        if training:
            kept = np.random.rand(*a.shape) < self.keep_prob
            self.factor = (kept / self.keep_prob).astype(a.dtype)
        return a * self.factor
        ### END SOLUTION

    def backward(self, d_out: np.ndarray) -> np.ndarray:
        """Turn the gradient at the output of the latest `forward` into the one at its input.

        The latest `forward` may have been a training step or an evaluation.
        """
        ### BEGIN SOLUTION
        return d_out * self.factor
        ### END SOLUTION


# %% check
# With keep_prob = 0.25 an activation of 1 is kept one time in four, and becomes 4.
np.random.seed(0)
layer = Dropout(keep_prob=0.25)
y = layer.forward(np.ones(4000))
expect.equal(
    set(y.tolist()),
    {0.0, 4.0},
    when="training on activations of 1 with keep_prob = 0.25",
    think="By what is a kept activation divided, so that the average stays 1?",
)
expect.close(
    layer.backward(np.full(4000, 0.5)),
    0.5 * y,
    when="going back through this training step from gradients of 0.5",
    think="An output is 0 or 4 times its input. How does it change with the input?",
)
expect.close(
    Dropout(keep_prob=0.25).forward(np.array([1.0, -2.0]), training=False),
    [1.0, -2.0],
    when="evaluating 1 and -2",
    think="The scaling was done in training already.",
)

# %% hidden aspect="in training, a share keep_prob is kept and scaled by its inverse" points=1
# The share of 40,000 entries, give or take six standard errors: a false alarm of 2e-9 each.
np.random.seed(1)
for keep_prob, shape, dtype in [
    (0.7, (200, 200), np.float64),
    (0.9, (40, 50, 20), np.float32),
    (0.2, (40_000,), np.float64),
]:
    a = (1 + np.random.rand(*shape)).astype(dtype)
    before = a.copy()
    y = Dropout(keep_prob).forward(a)
    expect.close(
        y,
        (before / keep_prob * (np.asarray(y) != 0)).astype(dtype),
        when=f"comparing the outputs that are not 0 with a / {keep_prob}",
        think="Kept entries make up for those that are dropped. What is their share?",
    )
    expect.equal(
        a,
        before,
        when="looking at a after a training step",
        think="`*=` writes into the caller's a.",
    )
    error = (keep_prob * (1 - keep_prob) / 40_000) ** 0.5
    expect.between(
        np.mean(y != 0),
        keep_prob - 6 * error,
        keep_prob + 6 * error,
        when=f"looking at the share of 40,000 entries that are kept, for keep_prob = {keep_prob}",
        think="keep_prob is the probability of being kept; PyTorch's p is the other one.",
    )
# Two rows, two columns or two steps have the same mask with probability 0.58^200, and 200 entries
# are all kept with 0.7^200: a false alarm below 1e-30.
np.random.seed(5)
kept = Dropout(0.7).forward(np.ones((200, 200))) != 0
for name, first, second in (("rows", kept[0], kept[1]), ("columns", kept[:, 0], kept[:, 1])):
    expect.true(
        not np.array_equal(first, second),
        when=f"comparing the zeros in the first two {name} of a batch",
        wanted="zeros in other places",
        got="the same in both",
        think="How many random numbers does a batch of 200 samples with 200 features need?",
    )
layer, a = Dropout(0.7), np.ones(200)
steps = [layer.forward(a), layer.forward(a), layer.forward(a, training=False), layer.forward(a)]
masks = [np.asarray(y != 0) for y in steps]
for name, mask, before in (("second", masks[1], masks[0]), ("third", masks[3], masks[1])):
    expect.true(
        not mask.all() and not np.array_equal(mask, before),
        when=f"training the same layer a {name} time",
        wanted="other entries dropped",
        got="none" if mask.all() else "the same ones",
        think="Each training step draws a mask of its own, whatever was done before.",
    )

# %% hidden aspect="an evaluation passes the activations on as they are" points=1
np.random.seed(2)
layer = Dropout(keep_prob=0.7)
for step in ("before any training step", "after a training step"):
    a = np.random.randn(30, 8)
    expect.close(
        layer.forward(a.copy(), training=False),
        a,
        when=f"evaluating {step}, with keep_prob = 0.7",
        think="At inference all units speak, and training has scaled them for that.",
    )
    layer.forward(a.copy())

# %% hidden aspect="backward uses the mask of the latest training step" points=1
np.random.seed(3)
layer, other = Dropout(keep_prob=0.7), Dropout(keep_prob=0.7)
for step in ("first", "second", "third"):
    a, d_out = 1 + np.random.rand(2, 30, 8)
    if step == "third":
        layer.forward(a.copy(), training=False)
    y = layer.forward(a.copy())
    other.forward(a.copy())  # another layer has a mask of its own
    expect.close(
        layer.backward(d_out.copy()),
        d_out * y / a,
        when=f"going back through a {step} training step",
        think="Each output is its input times a number: 0, or what else?",
    )
# All 200 inputs are dropped with probability 0.3^200: a false alarm below 1e-100.
layer.forward(np.zeros(200))
expect.true(
    np.count_nonzero(layer.backward(np.ones(200))) > 0,
    when="going back to 200 inputs that are all 0, as after a ReLU",
    wanted="a gradient at those that were kept",
    got="zeros only",
    think="An output of 0 is not the same as an entry that was dropped.",
)

# %% hidden aspect="after an evaluation, gradients pass as they are" points=1
np.random.seed(4)
layer = Dropout(keep_prob=0.7)
for history in ("in a new layer", "after a training step"):
    a, d_out = np.random.randn(2, 30, 8)
    layer.forward(a.copy(), training=False)
    expect.close(
        layer.backward(d_out.copy()),
        d_out,
        when=f"going back through an evaluation {history}",
        think="Output equals input there. Which mask does backward find?",
    )
    layer.forward(a.copy())


# %% alternative of="Dropout"
class WithNone:
    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, a, training=True):
        self.mask = None
        if not training:
            return a
        self.mask = np.random.binomial(1, self.keep_prob, size=a.shape).astype(bool)
        return np.where(self.mask, a / self.keep_prob, 0).astype(a.dtype)

    def backward(self, d_out):
        if self.mask is None:
            return d_out
        return np.where(self.mask, d_out / self.keep_prob, 0).astype(d_out.dtype)


# %% alternative of="Dropout"
class WithItsOwnGenerator:
    def __init__(self, keep_prob=0.8):
        self.keep_prob, self.random = keep_prob, np.random.default_rng()

    def forward(self, a, training=True):
        dropped = self.random.random(a.shape) >= self.keep_prob
        self.dropped = dropped if training else np.zeros(a.shape, bool)
        self.scale = 1 / self.keep_prob if training else 1.0
        return self.backward(a)

    def backward(self, d_out):
        result = d_out * np.asarray(self.scale, d_out.dtype)
        result[self.dropped] = 0
        return result


# %% mistake of="Dropout" fails="after an evaluation, gradients pass as they are"
class LeavesTheMaskBehind:
    """An evaluation has to say that it was one: the mask of the batch before it no longer counts."""

    def __init__(self, keep_prob=0.8):
        self.keep_prob, self.mask = keep_prob, None

    def forward(self, a, training=True):
        if not training:
            return a
        self.mask = (np.random.rand(*a.shape) < self.keep_prob).astype(a.dtype)
        return (a * self.mask / self.keep_prob).astype(a.dtype)

    def backward(self, d_out):
        if self.mask is None:
            return d_out
        return d_out * self.mask / self.keep_prob


# %% mistake of="Dropout" fails="after an evaluation, gradients pass as they are"
class TripsOverNone:
    """backward may follow an evaluation: the layer was the identity there, and so is its gradient."""

    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, a, training=True):
        self.mask = None
        if not training:
            return a
        self.mask = (np.random.rand(*a.shape) < self.keep_prob) / self.keep_prob
        return (a * self.mask).astype(a.dtype)

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="Dropout" fails="an evaluation passes the activations on as they are"
class ScalesInTheEvaluation:
    """Training divides by keep_prob already; to multiply at inference is the classic form's way."""

    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, a, training=True):
        if not training:
            self.mask = np.ones_like(a)
            return a * self.keep_prob
        self.mask = (np.random.rand(*a.shape) < self.keep_prob) / self.keep_prob
        return (a * self.mask).astype(a.dtype)

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="Dropout" fails="backward uses the mask of the latest training step"
class ForgetsTheScaleOnTheWayBack:
    """Forward multiplies by 1 / keep_prob, so backward does: it is part of the derivative."""

    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, a, training=True):
        self.mask = np.ones(a.shape, bool)
        if not training:
            return a
        self.mask = np.random.rand(*a.shape) < self.keep_prob
        return (a * self.mask / self.keep_prob).astype(a.dtype)

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="Dropout" fails="backward uses the mask of the latest training step"
class SharesOneMask:
    """A mask belongs to one layer; kept in the class, it is overwritten by the next layer's."""

    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, a, training=True):
        Dropout.mask = np.ones_like(a)
        if training:
            kept = np.random.rand(*a.shape) < self.keep_prob
            Dropout.mask = (kept / self.keep_prob).astype(a.dtype)
        return a * Dropout.mask

    def backward(self, d_out):
        return d_out * Dropout.mask


# %% mistake of="Dropout" fails="in training, a share keep_prob is kept and scaled by its inverse"
class TakesKeepProbForTheShareDropped:
    """keep_prob is the share that stays; PyTorch's p, the share that goes, is 1 - keep_prob."""

    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, a, training=True):
        self.mask = np.ones_like(a)
        if training:
            kept = np.random.rand(*a.shape) >= self.keep_prob
            self.mask = (kept / (1 - self.keep_prob)).astype(a.dtype)
        return a * self.mask

    def backward(self, d_out):
        return d_out * self.mask


# %% mistake of="Dropout" fails="in training, a share keep_prob is kept and scaled by its inverse"
class NeverScales:
    """A kept activation is divided by keep_prob in training: evaluation has all units, unscaled."""

    def __init__(self, keep_prob=0.8):
        self.keep_prob = keep_prob

    def forward(self, a, training=True):
        self.mask = np.ones_like(a)
        if training:
            self.mask = (np.random.rand(*a.shape) < self.keep_prob).astype(a.dtype)
        return a * self.mask

    def backward(self, d_out):
        return d_out * self.mask
