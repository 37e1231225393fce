# %% exercise [markdown] items="96" stars=3 minutes=45 level="create" objective="normalization" goal="write dropout and batch norm from memory, forward and backward"
r"""
# Against the clock: dropout and batch norm
Two classics of interviews, with a blank page and no library layers: thirty minutes for dropout, with
its backward pass and both modes; then the forward pass of batch norm, and as a bonus its backward pass.
You have written all of it before. Here you find out what stayed.

Work in NumPy, on arrays of shape (samples, features). `p` is the share that is **dropped**. Batch norm
is the one of training mode:

$$ y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta $$

with the mean and the variance over the samples.

*Hint:* before you run anything, say for each function what it returns for a batch of two rows.
"""

# %%
import numpy as np

from autograder import expect


# %% solution
class Dropout:
    """Inverted dropout with drop rate `p`; `training` is True at first and may be set."""

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        ### BEGIN SOLUTION
        self.p, self.rng, self.training, self.scale = p, rng, True, None
        ### END SOLUTION

    def forward(self, x: np.ndarray) -> np.ndarray:
        """A new array: entries are 0 with probability p in training, and scaled if kept."""
        ### BEGIN SOLUTION
        if not self.training:
            self.scale = np.ones_like(x)
        else:
            self.scale = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.scale
        ### END SOLUTION

    def backward(self, grad: np.ndarray) -> np.ndarray:
        """The gradient with respect to the input of the last forward pass, given the output's."""
        ### BEGIN SOLUTION
        return grad * self.scale
        ### END SOLUTION


# %% solution
def batch_norm(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray, eps: float = 1e-5) -> np.ndarray:
    """Batch norm in training mode: x is (samples, features), gamma and beta are (features,)."""
    ### BEGIN SOLUTION
    normalized = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + eps)
    return gamma * normalized + beta
    ### END SOLUTION


# %% solution
def batch_norm_backward(
    grad: np.ndarray, x: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of x, gamma and beta, in this order, given the gradient of the output."""
    ### BEGIN SOLUTION
    centred, inverse = x - x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + eps)
    normalized = centred * inverse
    inner = grad - grad.mean(axis=0) - normalized * (grad * normalized).mean(axis=0)
    return gamma * inverse * inner, (grad * normalized).sum(axis=0), grad.sum(axis=0)
    ### END SOLUTION


# %% check
layer = Dropout(0.75, np.random.default_rng(0))
expect.true(
    set(layer.forward(np.full((50, 4), 3.0)).round(9).flatten()) <= {0.0, 12.0},
    when="dropping three quarters of entries that are all 3",
    wanted="0 and 12 only",
    think="A quarter is kept. What makes up for the rest?",
)
expect.close(
    batch_norm(np.array([[1.0], [3.0]]), np.array([2.0]), np.array([5.0]), eps=3.0),
    [[4.0], [6.0]],
    when="normalizing 1 and 3 with eps 3, gamma 2 and beta 5",
    think="The variance of 1 and 3 is 1, so the divisor is 2.",
)

# %% hidden aspect="dropout drops the share p in training and scales what it keeps" points=1
x = np.random.default_rng(1).normal(size=(200, 500)) + 3
for p in (0.3, 0.8):
    got = Dropout(p, np.random.default_rng(2)).forward(x.copy())
    expect.shape(got, x.shape, when=f"dropping {p:g} of 100,000 entries")
    kept = got != 0
    expect.close(
        got[kept],
        (x / (1 - p))[kept],
        when=f"looking at what is kept of 100,000 entries, p = {p:g}",
        think="p is the share that is dropped.",
    )
    # Six standard deviations of a share of 100,000: a false alarm in 5e8 runs.
    expect.between(
        1 - kept.mean(),
        p - 6 * np.sqrt(p * (1 - p) / x.size),
        p + 6 * np.sqrt(p * (1 - p) / x.size),
        when=f"counting what is dropped of 100,000 entries, p = {p:g}",
        think="Each entry is dropped by itself, with probability p.",
    )

# %% hidden aspect="each forward pass in training draws a mask of its own" points=1
layer = Dropout(0.5, np.random.default_rng(3))
first, second = layer.forward(np.ones((40, 30))), layer.forward(np.ones((40, 30)))
expect.between(
    float((first != second).mean()),
    0.3,  # 1,200 entries differ with probability 1/2: below 0.3 lies no run in 1e40
    0.7,
    when="comparing the masks of two passes through one layer, p = 0.5",
    think="A mask that is drawn once switches off the same units for ever.",
)

# %% hidden aspect="dropout does nothing when it is not training" points=1
layer = Dropout(0.6, np.random.default_rng(4))
layer.training = False
x = np.random.default_rng(5).normal(size=(30, 20))
expect.close(
    layer.forward(x.copy()),
    x,
    when="passing through a layer that is not training",
    think="Inverted dropout has scaled in training already.",
)

# %% hidden aspect="the gradient passes where the value passed, with the same factor" points=2
layer = Dropout(0.4, np.random.default_rng(6))
grad = np.random.default_rng(7).normal(size=(25, 30))
# For inputs of 1 the output is the factor that each entry was multiplied by.
factors = layer.forward(np.ones((25, 30)))
expect.close(
    layer.backward(grad.copy()),
    grad * factors,
    when="going back through a training pass",
    think="The output is the input times a mask with a factor. What is its slope?",
)

# %% hidden aspect="after a pass that did not train, the gradient passes unchanged" points=1
layer = Dropout(0.4, np.random.default_rng(8))
grad = np.random.default_rng(9).normal(size=(12, 10))
layer.forward(np.ones((12, 10)))
layer.training = False
layer.forward(np.ones((12, 10)))
expect.close(
    layer.backward(grad.copy()),
    grad,
    when="training once, then passing without training and going back",
    think="Which mask belongs to the last forward pass?",
)

# %% hidden aspect="batch norm uses the mean and the variance of the batch" points=2
from autograder import reference

for samples, features, eps in ((17, 8, 0.1), (5, 3, 1e-5)):
    rng = np.random.default_rng(samples)
    x = rng.normal(size=(samples, features)) * 3 + 2
    gamma, beta = rng.normal(size=(2, features))
    expect.close(
        batch_norm(x.copy(), gamma.copy(), beta.copy(), eps),
        reference.batch_norm(x, gamma, beta, eps),
        when=f"normalizing {samples} rows of {features} features, eps = {eps:g}",
        think="Over which axis is the mean, what divides the variance, and where does eps stand?",
    )

# %% hidden aspect="the backward pass gives the gradient of x" points=2
from autograder import reference

for samples, features, eps in ((6, 3, 1e-5), (9, 7, 0.5)):
    rng = np.random.default_rng(samples)
    x, grad = rng.normal(size=(2, samples, features)) * 2
    gamma = rng.normal(size=features) + 2
    got = batch_norm_backward(grad.copy(), x.copy(), gamma.copy(), eps)
    expect.kind(got, tuple, when="going back through batch norm")
    expect.close(
        got[0],
        reference.batch_norm_backward(grad, x, gamma, eps)[0],
        when=f"taking the gradient of x for {samples} rows of {features} features, eps = {eps:g}",
        think="Each x moves its own output, the mean, and the variance.",
    )

# %% hidden aspect="the backward pass gives the gradients of gamma and beta" points=1
from autograder import reference

rng = np.random.default_rng(11)
x, grad = rng.normal(size=(2, 8, 5)) * 2
gamma = rng.normal(size=5) + 2
got = batch_norm_backward(grad.copy(), x.copy(), gamma.copy(), 0.2)
expect.kind(got, tuple, when="going back through batch norm")
wanted = reference.batch_norm_backward(grad, x, gamma, 0.2)
for name, one, other in zip(("gamma", "beta"), got[1:], wanted[1:], strict=True):
    expect.close(
        one,
        other,
        when=f"taking the gradient of {name}",
        think=f"By what is {name} multiplied in the output, and over what is it shared?",
    )


# %% alternative of="Dropout"
class FromTheKept:
    def __init__(self, p, rng):
        self.p, self.rng, self.training = p, rng, True

    def forward(self, x):
        self.keep = None
        if not self.training:
            return x.copy()
        self.keep = self.rng.random(x.shape) < 1 - self.p
        return np.where(self.keep, x / (1 - self.p), 0.0)

    def backward(self, grad):
        return grad if self.keep is None else np.where(self.keep, grad / (1 - self.p), 0.0)


# %% alternative of="batch_norm"
def with_sums(x, gamma, beta, eps=1e-5):
    n = len(x)
    mean = x.sum(axis=0) / n
    square = ((x - mean) ** 2).sum(axis=0) / n
    return gamma * (x - mean) * (square + eps) ** -0.5 + beta


# %% alternative of="batch_norm_backward"
def step_by_step(grad, x, gamma, eps=1e-5):
    n, mean = len(x), x.mean(axis=0)
    centred, variance = x - mean, x.var(axis=0)
    root = np.sqrt(variance + eps)
    hat = grad * gamma
    of_variance = (hat * centred).sum(axis=0) * -0.5 * root**-3
    of_mean = -hat.sum(axis=0) / root
    of_x = hat / root + of_variance * 2 * centred / n + of_mean / n
    return of_x, (grad * centred / root).sum(axis=0), grad.sum(axis=0)


# %% mistake of="Dropout" fails="dropout drops the share p in training and scales what it keeps"
class KeepsTheShareP:
    """`p` is the share that is dropped here: keep with probability 1 - p, and divide by that."""

    def __init__(self, p, rng):
        self.p, self.rng, self.training, self.scale = p, rng, True, None

    def forward(self, x):
        self.scale = np.ones_like(x)
        if self.training:
            self.scale = (self.rng.random(x.shape) < self.p) / self.p
        return x * self.scale

    def backward(self, grad):
        return grad * self.scale


# %% mistake of="Dropout" fails="dropout drops the share p in training and scales what it keeps"
class ForgetsToScale:
    """What is kept has to make up for what is dropped: divide by the share that is kept."""

    def __init__(self, p, rng):
        self.p, self.rng, self.training, self.scale = p, rng, True, None

    def forward(self, x):
        self.scale = np.ones_like(x)
        if self.training:
            self.scale = (self.rng.random(x.shape) >= self.p) * 1.0
        return x * self.scale

    def backward(self, grad):
        return grad * self.scale


# %% mistake of="Dropout" fails="each forward pass in training draws a mask of its own"
class DrawsOneMask:
    """A mask belongs to one forward pass: draw it in `forward`, at every call."""

    def __init__(self, p, rng):
        self.p, self.rng, self.training, self.scale = p, rng, True, None

    def forward(self, x):
        if not self.training:
            self.scale = np.ones_like(x)
        elif self.scale is None:
            self.scale = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.scale

    def backward(self, grad):
        return grad * self.scale


# %% mistake of="Dropout" fails="dropout does nothing when it is not training"
class ScalesInUse:
    """Inverted dropout scales in training; in use it returns its input as it is."""

    def __init__(self, p, rng):
        self.p, self.rng, self.training, self.scale = p, rng, True, None

    def forward(self, x):
        self.scale = np.ones_like(x)
        if not self.training:
            return x * (1 - self.p)
        self.scale = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.scale

    def backward(self, grad):
        return grad * self.scale


# %% mistake of="Dropout" fails="the gradient passes where the value passed, with the same factor"
class PassesTheGradientUnscaled:
    """The mask's factor multiplies on the way back, too: it is the slope of the output."""

    def __init__(self, p, rng):
        self.p, self.rng, self.training, self.scale = p, rng, True, None

    def forward(self, x):
        self.scale = np.ones_like(x)
        if self.training:
            self.scale = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.scale

    def backward(self, grad):
        return grad * (self.scale != 0)


# %% mistake of="Dropout" fails="after a pass that did not train, the gradient passes unchanged"
class KeepsAnOldMask:
    """A pass that does not train has a mask too: all ones. Else the next backward pass uses an old one."""

    def __init__(self, p, rng):
        self.p, self.rng, self.training, self.scale = p, rng, True, None

    def forward(self, x):
        if not self.training:
            return x
        self.scale = (self.rng.random(x.shape) >= self.p) / (1 - self.p)
        return x * self.scale

    def backward(self, grad):
        return grad * self.scale


# %% mistake of="batch_norm" fails="batch norm uses the mean and the variance of the batch"
def with_the_unbiased_variance(x, gamma, beta, eps=1e-5):
    """Batch norm divides the sum of squares by the number of samples, not by one less."""
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0, ddof=1) + eps) + beta


# %% mistake of="batch_norm" fails="batch norm uses the mean and the variance of the batch"
def adds_eps_to_the_root(x, gamma, beta, eps=1e-5):
    """Epsilon is added to the variance, below the root."""
    return gamma * (x - x.mean(axis=0)) / (np.sqrt(x.var(axis=0)) + eps) + beta


# %% mistake of="batch_norm" fails="batch norm uses the mean and the variance of the batch"
def normalizes_each_row(x, gamma, beta, eps=1e-5):
    """The mean and the variance of a feature are taken over the samples, axis 0."""
    centred = x - x.mean(axis=1, keepdims=True)
    return gamma * centred / np.sqrt(x.var(axis=1, keepdims=True) + eps) + beta


# %% mistake of="batch_norm_backward" fails="the backward pass gives the gradient of x"
def holds_the_statistics_fixed(grad, x, gamma, eps=1e-5):
    """Mean and variance depend on x as well: two more terms in the gradient of x."""
    inverse = 1 / np.sqrt(x.var(axis=0) + eps)
    normalized = (x - x.mean(axis=0)) * inverse
    return gamma * inverse * grad, (grad * normalized).sum(axis=0), grad.sum(axis=0)


# %% mistake of="batch_norm_backward" fails="the backward pass gives the gradient of x"
def forgets_the_variance(grad, x, gamma, eps=1e-5):
    """The variance depends on x, too: subtract the part of the gradient along the normalized x."""
    inverse = 1 / np.sqrt(x.var(axis=0) + eps)
    normalized = (x - x.mean(axis=0)) * inverse
    of_x = gamma * inverse * (grad - grad.mean(axis=0))
    return of_x, (grad * normalized).sum(axis=0), grad.sum(axis=0)


# %% mistake of="batch_norm_backward" fails="the backward pass gives the gradients of gamma and beta"
def takes_means(grad, x, gamma, eps=1e-5):
    """Gamma and beta act on every row, so their gradients are sums over the rows."""
    centred, inverse = x - x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + eps)
    normalized = centred * inverse
    inner = grad - grad.mean(axis=0) - normalized * (grad * normalized).mean(axis=0)
    return gamma * inverse * inner, (grad * normalized).mean(axis=0), grad.mean(axis=0)


# %% mistake of="batch_norm_backward" fails="the backward pass gives the gradients of gamma and beta"
def multiplies_by_x(grad, x, gamma, eps=1e-5):
    """Gamma multiplies the normalized x, so that is what its gradient is weighted with."""
    centred, inverse = x - x.mean(axis=0), 1 / np.sqrt(x.var(axis=0) + eps)
    normalized = centred * inverse
    inner = grad - grad.mean(axis=0) - normalized * (grad * normalized).mean(axis=0)
    return gamma * inverse * inner, (grad * x).sum(axis=0), grad.sum(axis=0)
