# %% exercise [markdown] items="86 115" stars=3 minutes=60 level="create" goal="write a layer's backward pass by hand, and the check that would find it wrong" forbid="batch_norm instance_norm layer_norm group_norm gradcheck"
r"""
# Batch normalization in NumPy, checked by finite differences
A backward pass with a term missing raises no error. The network trains, only worse, and you look
for the fault in the learning rate. *Finite differences* tell, for they know nothing of your
derivation:

$$ \frac{\partial f}{\partial x_i} \approx \frac{f(x + h\,e_i) - f(x - h\,e_i)}{2h},
   \qquad e_i = 1 \text{ at entry } i, \text{ else } 0 $$

Write, with NumPy only,

- `BatchNormLayer`, whose `backward` turns the loss's gradient with respect to the output into those
  with respect to `gamma`, `beta` and the input `z`;
- `gradient_check`, which says how far a claimed gradient is from the measured one.

The layer follows PyTorch. `momentum` is the weight of the **new** batch, so the `momentum=0.9` of
many hand-written layers, a weight of the old average, is 0.1 here. And `running_var` averages the
*unbiased* variance; the biased one, in those layers, is a fifth too small for batches of five.

*Hints.* The input reaches the output in three ways: directly, through the mean, and through the
variance. As to $h$: the formula is off by about $h^2$, and the rounding of $f$, $10^{-16}$ of it,
is divided by $h$, so that both a huge step and a tiny one measure badly.
"""

# %%
from collections.abc import Callable

import numpy as np

from autograder import expect, student_side


# %% solution
class BatchNormLayer:
    """Batch normalization of arrays of shape (N, n_features), with running statistics."""

    def __init__(self, n_features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        self.momentum, self.eps = momentum, eps
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z: np.ndarray, training: bool = True) -> np.ndarray:
        """Normalize `z`, then scale by `gamma` and shift by `beta`.

        Training (N at least 2): with the mean and the biased variance of the batch; updates
        `running_mean` and `running_var`. Evaluation: with those, and changes neither.
        """
        ### BEGIN SOLUTION
        self.cache = None
        mean, var = self.running_mean, self.running_var
        if training:
            mean, var = z.mean(axis=0), z.var(axis=0)
            old = 1 - self.momentum
            self.running_mean = old * self.running_mean + self.momentum * mean
            self.running_var = old * self.running_var + self.momentum * z.var(axis=0, ddof=1)
        std = np.sqrt(var + self.eps)
        z_hat = (z - mean) / std
        if training:
            self.cache = z_hat, std
        return self.gamma * z_hat + self.beta
        ### END SOLUTION

    def backward(self, d_out: np.ndarray) -> np.ndarray:
        """Return the gradient with respect to z; set `d_gamma` and `d_beta`, shape (n_features,).

        `d_out` is the gradient with respect to what the latest `forward` returned. If that was
        an evaluation, or there was none, raises a RuntimeError: there is no batch to go back to.
        """
        ### BEGIN SOLUTION
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(axis=0), d_out.sum(axis=0)
        d_hat = self.gamma * d_out
        through_mean = d_hat.mean(axis=0)
        through_var = z_hat * (d_hat * z_hat).mean(axis=0)
        return (d_hat - through_mean - through_var) / std
        ### END SOLUTION


# %% check
# Mean 2, biased variance 1: with eps = 3 the root is exactly 2, and z_hat is -0.5, 0.5.
layer = BatchNormLayer(1, eps=3.0)
layer.gamma, layer.beta = np.array([4.0]), np.array([1.0])
expect.close(
    layer.forward(np.array([[1.0], [3.0]])),
    [[-1.0], [3.0]],
    when="training on 1 and 3 with eps 3, gamma 4 and beta 1",
    think="Is eps inside the root? Is the sum of squares divided by 2 or by 1?",
)
expect.close(
    layer.running_mean,
    [0.2],
    when="looking at running_mean, which was 0, after a batch of mean 2",
    think="By default the new batch has a weight of 0.1.",
)
expect.close(
    layer.running_var,
    [1.1],
    when="looking at running_var, which was 1, after a batch of 1 and 3",
    think="The unbiased variance of 1 and 3 is 2. What does a momentum of 0.1 make of it?",
)

# %% check
# The loss is the output of the first of two samples.
layer = BatchNormLayer(1, eps=3.0)
layer.gamma = np.array([4.0])
layer.forward(np.array([[1.0], [3.0]]))
dz = layer.backward(np.array([[1.0], [0.0]]))
expect.has(
    layer,
    "d_gamma",
    "d_beta",
    when="looking at the layer after going back",
    think="What backward finds out about gamma and beta stays in the layer, for the optimizer.",
)
for name, got, wanted in [("gamma", layer.d_gamma, -0.5), ("beta", layer.d_beta, 1.0)]:
    expect.close(
        got,
        [wanted],
        when=f"going back to {name} from the output of the first of two samples",
        think=f"This output is gamma * z_hat + beta. How does it change with {name}?",
    )
expect.close(
    dz,
    [[0.75], [-0.75]],
    when="going back to z from the output of the first of two samples",
    think="Raising z of both samples by the same number changes nothing. Raising one of them does.",
)


# %% solution
def gradient_check(
    function: Callable[[np.ndarray], float], x: np.ndarray, gradient: np.ndarray
) -> float:
    """Say how far `gradient` is from the one that finite differences of `function` measure at `x`.

    `x` and `gradient` have one shape, which may be any; `function` takes an array of that shape.
    The measuring is done in float64, even if `x` is not.
    Returns the largest |measured - gradient|, divided by the largest number among all |measured|
    and all |gradient|: 0.01 is an error of 1 %. If all of them are 0, returns 0.
    """
    ### BEGIN SOLUTION
    h, measured = 1e-5, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (function(x + step) - function(x - step)) / (2 * h)
    largest = max(np.abs(measured).max(), np.abs(gradient).max())
    return float(np.abs(measured - gradient).max() / largest) if largest > 0 else 0.0
    ### END SOLUTION


# %% check
# `student_side` lets a grader run a function where your code is; in this notebook it does nothing.
@student_side
def off_by(claimed):
    return gradient_check(lambda x: np.sum(x**2), np.array([1.0, 2.0]), np.array(claimed))


# The gradient of x² + y² at (1, 2) is (2, 4).
expect.between(
    off_by([2.0, 4.0]),
    0,
    1e-6,
    when="checking the gradient (2, 4) of x² + y² at (1, 2)",
    think="Two points, one on either side of x. How far apart are they?",
)
expect.close(
    off_by([2.0, 5.0]),
    0.2,
    rtol=1e-4,
    when="checking the wrong gradient (2, 5) of x² + y² at (1, 2)",
    think="The largest error is 1. The largest number, measured or claimed, is 5.",
)


# %% check
# Your check on your layer. A plain sum of the outputs would show nothing: it is the same for every
# z. So each output has a weight of its own, and these weights are d_out.
@student_side
def off_by_of_the_layer(z, weights):
    layer = BatchNormLayer(3, eps=0.1)
    layer.forward(z)
    return gradient_check(
        lambda z: np.sum(weights * BatchNormLayer(3, eps=0.1).forward(z)),
        z,
        layer.backward(weights),
    )


random = np.random.default_rng(0)
expect.between(
    off_by_of_the_layer(random.normal(size=(4, 3)), random.normal(size=(4, 3))),
    0,
    1e-5,
    when="checking your layer with your gradient_check",
    think="One of the two is wrong. Which of them have the checks above already confirmed?",
)

# %% hidden aspect="in training, the batch is normalized, scaled and shifted" points=1
random = np.random.default_rng(1)
for eps in (1e-5, 0.1):
    # Five samples: dividing by 4 in place of 5 shows. The third feature hardly varies.
    z = random.normal(size=(5, 3)) * [5.0, 0.5, 1e-3] + 2
    layer = BatchNormLayer(3, eps=eps)
    gamma, beta = random.normal(size=(2, 3))
    layer.gamma, layer.beta = gamma.copy(), beta.copy()
    expect.close(
        layer.forward(z.copy()),
        gamma * (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + eps) + beta,
        when=f"training on five samples of three features with eps {eps}",
        think="Each feature has a mean and a biased variance, a gamma and a beta of its own.",
    )

# %% hidden aspect="the running statistics average as PyTorch does" points=1
random = np.random.default_rng(2)
layer, mean, var = BatchNormLayer(3, momentum=0.3), np.zeros(3), np.ones(3)
for step in range(3):
    # Five samples: the biased variance is a fifth smaller.
    z = (step + 1) * random.normal(size=(5, 3)) + step
    layer.forward(z.copy())
    mean, var = 0.7 * mean + 0.3 * z.mean(axis=0), 0.7 * var + 0.3 * z.var(axis=0, ddof=1)
for name, got, wanted, think in [
    ("running_mean", layer.running_mean, mean, "Momentum is the weight of the new batch."),
    ("running_var", layer.running_var, var, "This sum of squares is divided by N - 1."),
]:
    expect.close(
        got, wanted, when=f"looking at {name} after three batches, momentum 0.3", think=think
    )

# %% hidden aspect="evaluation takes the running statistics as they are" points=1
random = np.random.default_rng(3)
z, mean, var = 4 * random.normal(size=(6, 3)), random.normal(size=3), np.array([0.05, 2.0, 8.0])
layer = BatchNormLayer(3, eps=0.1)
gamma, beta = random.normal(size=(2, 3))
layer.gamma, layer.beta = gamma.copy(), beta.copy()
layer.running_mean, layer.running_var = mean.copy(), var.copy()
for batch in (z, z[:1]):
    expect.close(
        layer.forward(batch.copy(), training=False),
        gamma * (batch - mean) / np.sqrt(var + 0.1) + beta,
        when=f"evaluating a batch of {len(batch)} with given running statistics",
        think="A prediction must not depend on who else is in the batch.",
    )
for name, got, wanted in [
    ("running_mean", layer.running_mean, mean),
    ("running_var", layer.running_var, var),
]:
    expect.equal(
        got,
        wanted,
        when=f"looking at {name} after two evaluations",
        think="A served model that learns from its requests drifts away.",
    )

# %% hidden aspect="d_gamma and d_beta are sums over the batch" points=1
random = np.random.default_rng(4)
layer = BatchNormLayer(3, eps=0.1)
layer.gamma, layer.beta = random.normal(size=(2, 3))
for step in ("first", "second"):
    z, d_out = 2 * random.normal(size=(5, 3)) + 1, random.normal(size=(5, 3))
    layer.forward(z.copy())
    layer.backward(d_out.copy())
    expect.has(
        layer,
        "d_gamma",
        "d_beta",
        when="looking at the layer after going back",
        think="What backward finds out about gamma and beta stays in the layer, for the optimizer.",
    )
    z_hat = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + 0.1)
    for name, got, wanted, think in [
        ("d_gamma", layer.d_gamma, (d_out * z_hat).sum(axis=0), "gamma scales every sample."),
        ("d_beta", layer.d_beta, d_out.sum(axis=0), "beta is added to every sample."),
    ]:
        expect.close(got, wanted, when=f"going back through a {step} batch to {name}", think=think)

# %% hidden aspect="the gradient of z goes through the mean and the variance too" points=1
from autograder import reference

random = np.random.default_rng(5)
for samples, eps in [(5, 1e-5), (5, 0.1), (2, 0.1)]:
    z, d_out = 2 * random.normal(size=(samples, 3)) + 1, random.normal(size=(samples, 3))
    gamma, beta = random.normal(size=(2, 3))
    gradients = []
    for layer in (BatchNormLayer(3, eps=eps), reference.BatchNormLayer(3, eps=eps)):
        layer.gamma, layer.beta = gamma.copy(), beta.copy()
        layer.forward(z.copy())
        BatchNormLayer(3).forward(d_out.copy())  # another layer has another batch to go back to
        gradients.append(layer.backward(d_out.copy()))
    expect.close(
        *gradients,
        when=f"going back to z through {samples} samples with eps {eps}",
        think="Directly, through the mean, through the variance: what does each way contribute?",
    )

# %% hidden aspect="backward without a training forward just before it raises a RuntimeError" points=1
random = np.random.default_rng(6)
z = random.normal(size=(4, 3))
expect.raises(
    RuntimeError,
    BatchNormLayer(3).backward,
    z.copy(),
    when="going back through a layer that has seen no batch",
    think="What should a caller read who forgot the forward pass?",
)
layer = BatchNormLayer(3)
layer.forward(z.copy())
layer.forward(z.copy(), training=False)
expect.raises(
    RuntimeError,
    layer.backward,
    z.copy(),
    when="going back after a training forward, then an evaluation",
    think="What was kept belongs to an older batch: its gradient would be silently wrong.",
)
layer.forward(z.copy())
expect.shape(
    layer.backward(z.copy()),
    (4, 3),
    when="going back after a training forward that follows an evaluation",
    think="Training goes on after each evaluation.",
)

# %% hidden aspect="right gradients pass the check" points=1
from autograder import reference
from autograder import student_side


@student_side
def off_by_on(kind, x, weights, gradient):
    loss = {
        "sines": lambda x: np.sum(weights * np.sin(x)),
        "bowl": lambda x: np.sum(weights * x) ** 2,
        "layer": lambda x: np.sum(weights * (x - x.mean(0)) / np.sqrt(x.var(0) + 0.1)),
    }
    return gradient_check(loss[kind], x, gradient)


# A central difference with a step from 1e-3 to 1e-9 agrees to 1e-5 or better.
random = np.random.default_rng(7)
for shape in [(), (4,), (2, 3), (2, 3, 2)]:
    x, weights = np.array(random.uniform(-1, 1, shape)), np.array(random.uniform(1, 2, shape))
    expect.between(
        off_by_on("sines", x.copy(), weights, np.array(weights * np.cos(x))),
        0,
        1e-5,
        when=f"checking the right gradient of a sum of sines, for an x of shape {shape}",
        think="Each entry gets its own turn, and a step neither too large nor too small.",
    )
x, weights = random.normal(size=5), random.normal(size=5)
x[0], x[1] = 0, np.pi / 2
expect.between(
    off_by_on("sines", x.copy(), weights, weights * np.cos(x)),
    0,
    1e-5,
    when="checking the right gradient of sines, one of them at 0 and one at its top",
    think="At the top the gradient is 0. Relative to what is an error measured there?",
)
expect.between(
    off_by_on("sines", x.copy(), np.zeros(5), np.zeros(5)),
    0,
    1e-5,
    when="checking a gradient of zeros, where the function is 0 everywhere",
    think="What does the division do when all numbers are 0?",
)
x = random.normal(size=5).astype(np.float32)
expect.between(
    off_by_on("sines", x.copy(), weights, weights * np.cos(x.astype(np.float64))),
    0,
    1e-5,
    when="checking a right gradient at an x of float32",
    think="float32 has seven digits. How many of them are left in f(x + h) - f(x - h)?",
)
x, weights = 1e-4 * random.uniform(1, 2, 5), random.uniform(1, 2, 5)
expect.between(
    off_by_on("bowl", x.copy(), weights, 2 * weights * np.sum(weights * x)),
    0,
    1e-5,
    when="checking the right gradient of the square of a sum, close to its lowest point",
    think="From one side only, a curve is steeper than at x. Is x itself again for the next entry?",
)
x, weights = random.normal(size=(4, 3)), random.normal(size=(4, 3))
layer = reference.BatchNormLayer(3, eps=0.1)
layer.forward(x)
expect.between(
    off_by_on("layer", x.copy(), weights, layer.backward(weights)),
    0,
    1e-5,
    when="checking the right gradient of a batch normalization",
    think="Each entry of x moves all outputs of its column. Which function value do you need?",
)

# %% hidden aspect="wrong gradients are off by what the definition says" points=1
from autograder import reference
from autograder import student_side


@student_side
def off_by_on_a_batch(x, weights, scale, gradient):
    def loss(x):
        return scale * np.sum(weights * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 0.1))

    return gradient_check(loss, x, gradient)


random = np.random.default_rng(8)
x, weights = random.normal(size=(4, 4)), random.normal(size=(4, 4))
layer = reference.BatchNormLayer(4, eps=0.1)
x_hat = layer.forward(x)
right = layer.backward(weights)
smallest = np.unravel_index(np.abs(right).argmin(), right.shape)
one_entry, last_entry = right.copy(), right.copy()
one_entry[smallest] -= 0.1 * np.abs(right).max()
last_entry[-1, -1] += 0.1 * np.abs(right).max()
planted = {
    "its sign is wrong": -right,
    "the way through the mean is missing": right + weights.mean(axis=0) / np.sqrt(x.var(0) + 0.1),
    "it is divided by N": right / 4,
    "one entry is too small": one_entry,
    "the last entry is too large": last_entry,
    "it is 1 % too large": 1.01 * right,
    "it is transposed": right.T,
    "it is all zeros": 0 * right,
}
for scale in (1.0, 1e-9):
    of = "a loss" if scale == 1.0 else "a loss in units of 1e-9"
    for what, wrong in planted.items():
        largest = max(np.abs(right).max(), np.abs(wrong).max())
        expect.close(
            off_by_on_a_batch(x.copy(), weights, scale, scale * wrong),
            float(np.abs(right - wrong).max() / largest),
            rtol=0.01,  # finite differences are good to far more; the step is free
            when=f"checking a gradient of {of}: {what}",
            think="The worst entry counts, up or down, against the largest of all numbers.",
        )

# %% hidden aspect="no function writes into the arrays it is given" points=1
from autograder import student_side


@student_side
def check_once(x, gradient):
    return gradient_check(lambda x: np.sum(np.sin(x)), x, gradient)


random = np.random.default_rng(9)
layer, z, d_out = BatchNormLayer(3), random.normal(size=(4, 3)) + 1, random.normal(size=(4, 3))
layer.gamma = random.normal(size=3)
with expect.unchanged(
    z=z,
    d_out=d_out,
    when="going forward and backward",
    think="`a -= b` writes into the caller's array; `a - b` makes a new one.",
):
    out, d_z = layer.forward(z), layer.backward(d_out)
expect.shape(out, (4, 3), when="going forward with four samples of three features")
expect.shape(d_z, (4, 3), when="going back with four samples of three features")
# Of numbers this small, adding a step and taking it off again loses digits.
x, gradient = random.normal(size=(4, 3)) * 1e-10, random.normal(size=(4, 3))
with expect.unchanged(
    x=x,
    gradient=gradient,
    when="checking a gradient at numbers near 1e-10",
    think="Adding h and taking it off again does not always give the number you had.",
):
    check_once(x, gradient)


# %% alternative of="BatchNormLayer"
class GoesBackStepByStep:
    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.eps = eps
        self.momentum = momentum
        self.gamma = np.ones(n_features)
        self.beta = np.zeros(n_features)
        self.running_mean = np.zeros(n_features)
        self.running_var = np.ones(n_features)
        self.batch = None

    def forward(self, z, training=True):
        if not training:
            self.batch = None
            scale = self.gamma / np.sqrt(self.running_var + self.eps)
            return scale * z + (self.beta - scale * self.running_mean)
        n = z.shape[0]
        mean = z.sum(0) / n
        centred = z - mean
        var = (centred**2).sum(0) / n
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var * n / (n - 1) - self.running_var)
        self.batch = n, centred, var
        return self.gamma * centred * (var + self.eps) ** -0.5 + self.beta

    def backward(self, d_out):
        if not self.batch:
            raise RuntimeError("no training batch")
        n, centred, var = self.batch
        root = (var + self.eps) ** 0.5
        self.d_beta = np.sum(d_out, axis=0)
        self.d_gamma = np.sum(d_out * centred / root, axis=0)
        d_hat = d_out * self.gamma
        d_var = np.sum(d_hat * centred, axis=0) * -0.5 * root**-3
        d_mean = -np.sum(d_hat, axis=0) / root
        return d_hat / root + d_var * 2 * centred / n + d_mean / n


# %% alternative of="BatchNormLayer"
class KeepsOneMatrixPerFeature:
    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.ready = momentum, eps, False
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        self.ready = training
        if training:
            m, mean, self.var = self.momentum, np.mean(z, axis=0), np.var(z, axis=0)
            self.running_mean = np.average([self.running_mean, mean], axis=0, weights=[1 - m, m])
            bessel = len(z) / (len(z) - 1)
            self.running_var = (1 - m) * self.running_var + m * bessel * self.var
            self.z_hat = (z - mean) / np.sqrt(self.var + self.eps)
            return self.z_hat * self.gamma + self.beta
        std = np.sqrt(self.running_var + self.eps)
        return (z - self.running_mean) / std * self.gamma + self.beta

    def backward(self, d_out):
        if not self.ready:
            raise RuntimeError("train first")
        n = len(d_out)
        self.d_gamma = np.einsum("nc,nc->c", d_out, self.z_hat)
        self.d_beta = np.einsum("nc->c", d_out)
        outer = np.einsum("ic,jc->cij", self.z_hat, self.z_hat)
        jacobian = np.eye(n) - 1 / n - outer / n
        scale = self.gamma / np.sqrt(self.var + self.eps)
        return scale * np.einsum("cij,jc->ic", jacobian, d_out)


# %% alternative of="gradient_check"
def with_a_flat_copy(function, x, gradient):
    flat = np.array(x, dtype=float).reshape(-1)
    measured = []
    for i, old in enumerate(flat.copy()):
        h = 1e-6 * max(1.0, abs(old))
        values = []
        for moved in (old + h, old - h):
            flat[i] = moved
            values.append(function(flat.reshape(x.shape)))
        flat[i] = old
        measured.append((values[0] - values[1]) / (2 * h))
    claimed = np.ravel(gradient)
    top = max(abs(v) for v in [*measured, *claimed])
    if top == 0:
        return 0
    return max(abs(m - c) for m, c in zip(measured, claimed, strict=True)) / top


# %% alternative of="gradient_check"
def with_unit_steps(function, x, gradient):
    steps = 1e-4 * np.eye(x.size).reshape(x.size, *x.shape)
    x = x.astype(np.float64)
    slopes = [(function(x + step) - function(x - step)) / 2e-4 for step in steps]
    measured = np.reshape(slopes, x.shape)
    top = np.max([np.abs(measured), np.abs(gradient)])
    return np.max(np.abs(measured - gradient)) / (top or 1.0)


# %% mistake of="BatchNormLayer" fails="in training, the batch is normalized, scaled and shifted"
class ForgetsBetaInTraining:
    """The shift belongs to the layer in both modes; only the statistics differ."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            self.cache = None
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
        self.running_var = (1 - m) * self.running_var + m * z.var(0, ddof=1)
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0]

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).mean(0)
        return self.gamma * ways / std


# %% mistake of="BatchNormLayer" fails="in training, the batch is normalized, scaled and shifted; the gradient of z goes through the mean and the variance too; d_gamma and d_beta are sums over the batch"
class NormalizesWithTheUnbiasedVariance:
    """The running average takes the unbiased variance; the batch is normalized with the biased."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            self.cache = None
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0, ddof=1) + self.eps)
        self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
        self.running_var = (1 - m) * self.running_var + m * z.var(0, ddof=1)
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).sum(0) / (len(z_hat) - 1)
        return self.gamma * ways / std


# %% mistake of="BatchNormLayer" fails="the running statistics average as PyTorch does"
class TakesMomentumForTheWeightOfThePast:
    """In PyTorch momentum is the weight of the new batch: 0.1 here is the 0.9 of some texts."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            self.cache = None
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        self.running_mean = m * self.running_mean + (1 - m) * z.mean(0)
        self.running_var = m * self.running_var + (1 - m) * z.var(0, ddof=1)
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).mean(0)
        return self.gamma * ways / std


# %% mistake of="BatchNormLayer" fails="the running statistics average as PyTorch does"
class AveragesTheBiasedVariance:
    """The batch is divided by the biased variance, but running_var averages the unbiased one."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            self.cache = None
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
        self.running_var = (1 - m) * self.running_var + m * z.var(0)
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).mean(0)
        return self.gamma * ways / std


# %% mistake of="BatchNormLayer" fails="evaluation takes the running statistics as they are"
class KeepsAveragingAtInference:
    """The running statistics are for inference to read; only training batches may write them."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        old = self.running_mean, self.running_var
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        if len(z) > 1:
            self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
            self.running_var = (1 - m) * self.running_var + m * z.var(0, ddof=1)
        if not training:
            self.cache = None
            return self.gamma * (z - old[0]) / np.sqrt(old[1] + self.eps) + self.beta
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).mean(0)
        return self.gamma * ways / std


# %% mistake of="BatchNormLayer" fails="d_gamma and d_beta are sums over the batch"
class AveragesTheGradientsOfTheParameters:
    """gamma and beta act on every sample, so gradients add up; d_out holds the 1 / N, if any."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            self.cache = None
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
        self.running_var = (1 - m) * self.running_var + m * z.var(0, ddof=1)
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).mean(0), d_out.mean(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).mean(0)
        return self.gamma * ways / std


# %% mistake of="BatchNormLayer" fails="the gradient of z goes through the mean and the variance too"
class TakesTheStatisticsForConstants:
    """Mean and variance move with z; without their share the gradient points elsewhere."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            self.cache = None
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
        self.running_var = (1 - m) * self.running_var + m * z.var(0, ddof=1)
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        return self.gamma * d_out / std


# %% mistake of="BatchNormLayer" fails="the gradient of z goes through the mean and the variance too"
class ForgetsEpsOnTheWayBack:
    """The forward pass divides by the root of var + eps, so the backward pass does too."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            self.cache = None
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
        self.running_var = (1 - m) * self.running_var + m * z.var(0, ddof=1)
        self.cache = (z - z.mean(0)) / std, z.std(0)
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).mean(0)
        return self.gamma * ways / std


# %% mistake of="BatchNormLayer" fails="backward without a training forward just before it raises a RuntimeError"
class GoesBackThroughAStaleCache:
    """An evaluation leaves an older batch in the cache, and its gradient belongs to no forward."""

    def __init__(self, n_features, momentum=0.1, eps=1e-5):
        self.momentum, self.eps, self.cache = momentum, eps, None
        self.gamma, self.beta = np.ones(n_features), np.zeros(n_features)
        self.running_mean, self.running_var = np.zeros(n_features), np.ones(n_features)

    def forward(self, z, training=True):
        if not training:
            z_hat = (z - self.running_mean) / np.sqrt(self.running_var + self.eps)
            return self.gamma * z_hat + self.beta
        m, std = self.momentum, np.sqrt(z.var(0) + self.eps)
        self.running_mean = (1 - m) * self.running_mean + m * z.mean(0)
        self.running_var = (1 - m) * self.running_var + m * z.var(0, ddof=1)
        self.cache = (z - z.mean(0)) / std, std
        return self.gamma * self.cache[0] + self.beta

    def backward(self, d_out):
        if self.cache is None:
            raise RuntimeError
        z_hat, std = self.cache
        self.d_gamma, self.d_beta = (d_out * z_hat).sum(0), d_out.sum(0)
        ways = d_out - d_out.mean(0) - z_hat * (d_out * z_hat).mean(0)
        return self.gamma * ways / std


# %% mistake of="gradient_check" fails="right gradients pass the check"
def looks_ahead_only(function, x, gradient):
    """A difference to one side errs by half the curvature times h; to both sides, by h squared."""
    h, measured = 1e-5, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (function(x + step) - function(x + 0 * step)) / h
    top = max(np.abs(measured).max(), np.abs(gradient).max())
    return np.abs(measured - gradient).max() / top if top else 0.0


# %% mistake of="gradient_check" fails="right gradients pass the check"
def measures_in_the_precision_of_x(function, x, gradient):
    """Two float32 losses a small step apart share most of their digits: measure in float64."""
    h, measured = x.dtype.type(1e-5), np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        measured[index] = (function(x + step) - function(x - step)) / (2 * h)
    top = max(np.abs(measured).max(), np.abs(gradient).max())
    return np.abs(measured - gradient).max() / top if top else 0.0


# %% mistake of="gradient_check" fails="right gradients pass the check; wrong gradients are off by what the definition says"
def steps_into_the_rounding(function, x, gradient):
    """With h = 1e-15 the difference is made of rounding: the error grows as 1e-16 / h."""
    h, measured = 1e-15, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (function(x + step) - function(x - step)) / (2 * h)
    top = max(np.abs(measured).max(), np.abs(gradient).max())
    return np.abs(measured - gradient).max() / top if top else 0.0


# %% mistake of="gradient_check" fails="right gradients pass the check; wrong gradients are off by what the definition says"
def measures_each_entry_against_itself(function, x, gradient):
    """Where a gradient is 0, rounding is 100 % of it: compare errors with the largest entry."""
    h, measured = 1e-5, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (function(x + step) - function(x - step)) / (2 * h)
    top = np.maximum(np.abs(measured), np.abs(gradient))
    return (np.abs(measured - gradient) / np.where(top > 0, top, 1.0)).max()


# %% mistake of="gradient_check" fails="wrong gradients are off by what the definition says"
def returns_the_absolute_error(function, x, gradient):
    """An error of 1e-8 is nothing to a gradient of 1 and everything to one of 1e-9."""
    h, measured = 1e-5, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (function(x + step) - function(x - step)) / (2 * h)
    return np.abs(measured - gradient).max()


# %% mistake of="gradient_check" fails="wrong gradients are off by what the definition says"
def forgets_that_errors_have_signs(function, x, gradient):
    """An entry that is too large makes the difference negative; its size is what counts."""
    h, measured = 1e-5, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (function(x + step) - function(x - step)) / (2 * h)
    top = max(np.abs(measured).max(), np.abs(gradient).max())
    return max((measured - gradient).max() / top, 0.0) if top else 0.0


# %% mistake of="gradient_check" fails="wrong gradients are off by what the definition says"
def averages_the_error(function, x, gradient):
    """One wrong entry among a thousand right ones is a wrong gradient: the worst one counts."""
    h, measured = 1e-5, np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (function(x + step) - function(x - step)) / (2 * h)
    top = max(np.abs(measured).max(), np.abs(gradient).max())
    return np.abs(measured - gradient).mean() / top if top else 0.0


# %% mistake of="gradient_check" fails="no function writes into the arrays it is given"
def steps_to_and_fro_in_place(function, x, gradient):
    """x + h - h is not always x: step on a copy, and leave the caller's array alone."""
    h, measured = 1e-5, np.zeros(x.shape)
    moved = x if x.dtype == np.float64 else x.astype(np.float64)
    for index in np.ndindex(x.shape):
        moved[index] += h
        ahead = function(moved)
        moved[index] -= 2 * h
        behind = function(moved)
        moved[index] += h
        measured[index] = (ahead - behind) / (2 * h)
    top = max(np.abs(measured).max(), np.abs(gradient).max())
    return np.abs(measured - gradient).max() / top if top else 0.0
