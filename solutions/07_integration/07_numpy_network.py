# %% exercise [markdown] items="87" stars=3 minutes=80 level="create" goal="put a network with all its techniques together by hand, the way back and the step included" forbid="batch_norm instance_norm layer_norm group_norm cross_entropy log_softmax gradcheck"
r"""
# A whole network in NumPy
A well-known listing announces a complete training loop "with all techniques": He weights, batch
norm, dropout, an L2 penalty. It has a way forward and a loss. There is no way back and no step, so
it trains nothing, and whoever adds them learns which of the parts get into each other's way.

Twice linear, batch norm, ReLU, dropout; then a linear layer that gives the logits:

$$ z_i = a_{i-1} W_i + b_i, \qquad
a_i = \frac{m_i}{1 - p}\,\max(0,\; \gamma_i \hat z_i + \beta_i), \qquad
\text{logits} = a_2 W_3 + b_3 $$

with $a_0 = X$ and masks $m_i$ of 0 and 1. The loss is the mean cross-entropy, plus
$\frac{\lambda}{2} (\lVert W_1 \rVert^2 + \lVert W_2 \rVert^2 + \lVert W_3 \rVert^2)$.

Write it with NumPy only: four functions that keep nothing in mind, and the class that puts them
together and does. Four things are other than in the listing:

- `dropout_p` is the probability of being **dropped**, as in PyTorch. The listing's `dropout_p=0.8`
  is handed to a layer that reads it as the share that is *kept*.
- Its momentum of 0.9 is a weight of the past. `MOMENTUM` is that of the new batch, and the running
  variances average the *unbiased* one, which divides by $N - 1$.
- Its loss takes `log(p + 1e-8)`: no mistake costs more than 18.42, however sure the network was, and
  a perfect answer costs *less* than 0. Start from the logits.
- `forward_pass` is given its masks. A network that draws them inside is another function at each
  call, and no gradient of it could be compared with a measured one.

Layers and lines of your own from earlier exercises are welcome.

*Hint:* start with one layer, `W3` and `b3`, and compare its gradient with the measured one: the
function `slope` below knows nothing of your derivation. Then go back layer by layer.

*Question to keep in mind:* what do you expect of the gradients of `b1` and `b2`?
"""

# %%
import numpy as np

from autograder import expect, student_side
from autograder.datasets import BUNDLED, mnist

EPS, MOMENTUM = 1e-5, 0.1
NAMES = ("W1", "b1", "gamma1", "beta1", "W2", "b2", "gamma2", "beta2", "W3", "b3")


# %% solution
def initial_params(input_dim: int, hidden: int, output_dim: int) -> dict[str, np.ndarray]:
    """The ten arrays of NAMES. `W1` has shape (input_dim, hidden), `W3` (hidden, output_dim).

    Weights are normal, drawn from `np.random`: He's variance, 2 / n_in, where a ReLU follows;
    Xavier's, 2 / (n_in + n_out), in front of the softmax. Scales are 1; biases and shifts are 0.
    """
    ### BEGIN SOLUTION
    params = {}
    for i, n_in, n_out in ((1, input_dim, hidden), (2, hidden, hidden), (3, hidden, output_dim)):
        var = 2 / (n_in + n_out) if i == 3 else 2 / n_in
        params[f"W{i}"] = np.sqrt(var) * np.random.randn(n_in, n_out)
        params[f"b{i}"] = np.zeros(n_out)
        if i < 3:
            params[f"gamma{i}"], params[f"beta{i}"] = np.ones(n_out), np.zeros(n_out)
    return params
    ### END SOLUTION


def softmax_loss(logits: np.ndarray, y_onehot: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean cross-entropy of a batch, and its gradient with respect to the logits.

    `logits` and `y_onehot` have shape (N, K), and so has the gradient. Finite for finite logits.
    """
    ### BEGIN SOLUTION
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    n = len(logits)
    return float(-(y_onehot * log_p).sum() / n), (np.exp(log_p) - y_onehot) / n
    ### END SOLUTION


# %% check
params = initial_params(5, 4, 3)
expect.kind(params, dict, when="asking for the parameters of a network 5-4-4-3")
expect.equal(set(params), set(NAMES), when="reading the names of the parameters")
for name, shape in (("W1", (5, 4)), ("gamma2", (4,)), ("W3", (4, 3)), ("b3", (3,))):
    expect.shape(params[name], shape, when=f"looking at {name} of a network 5-4-4-3")
# Scores of 0 and ln 3 are probabilities of 1/4 and 3/4.
loss, d_logits = softmax_loss(np.array([[0.0, np.log(3)]]), np.array([[1.0, 0.0]]))
expect.close(
    loss,
    np.log(4),
    when="taking the loss of a sample whose right class has a probability of 1/4",
    think="The cross-entropy is minus the logarithm of that probability.",
)
expect.close(
    d_logits,
    [[-0.75, 0.75]],
    when="taking the gradient of this loss",
    think="Raising the right score lowers the loss. By how much, if p were 1 already?",
)


# %% solution
def forward_pass(
    params: dict[str, np.ndarray],
    X: np.ndarray,
    masks: tuple[np.ndarray, np.ndarray],
    running: dict[str, np.ndarray] | None = None,
) -> tuple[np.ndarray, dict]:
    """The logits, shape (N, K), and a dictionary of all that will be needed later.

    `masks` multiply what the ReLUs of the two layers give: 0, or 1 / (1 - p).
    Without `running`, batch norm takes the mean and the biased variance of the batch; else it
    takes what is there under "mean1", "var1", "mean2" and "var2".
    What is in the second result is for you to say: `backward_pass` and the class read it.
    """
    ### BEGIN SOLUTION
    a, cache = X, {"a0": X}
    for i in (1, 2):
        z = a @ params[f"W{i}"] + params[f"b{i}"]
        mean, var = z.mean(axis=0), z.var(axis=0)
        if running is not None:
            mean, var = running[f"mean{i}"], running[f"var{i}"]
        std = np.sqrt(var + EPS)
        z_hat = (z - mean) / std
        y = params[f"gamma{i}"] * z_hat + params[f"beta{i}"]
        a = np.maximum(0, y) * masks[i - 1]
        cache |= {f"mean{i}": mean, f"var{i}": var, f"std{i}": std, f"z_hat{i}": z_hat}
        cache |= {f"gate{i}": (y > 0) * masks[i - 1], f"a{i}": a}
    return a @ params["W3"] + params["b3"], cache
    ### END SOLUTION


def backward_pass(
    params: dict[str, np.ndarray], cache: dict, d_logits: np.ndarray
) -> dict[str, np.ndarray]:
    """The gradients of all parameters, under their names, for a pass with the batch's statistics.

    `cache` is what `forward_pass` returned beside the logits; `d_logits`, shape (N, K), the
    gradient of a loss with respect to them. No L2 here.
    """
    ### BEGIN SOLUTION
    grads = {"W3": cache["a2"].T @ d_logits, "b3": d_logits.sum(axis=0)}
    d = d_logits @ params["W3"].T
    for i in (2, 1):
        z_hat, d = cache[f"z_hat{i}"], d * cache[f"gate{i}"]
        grads[f"gamma{i}"], grads[f"beta{i}"] = (d * z_hat).sum(axis=0), d.sum(axis=0)
        d = d * params[f"gamma{i}"]
        d = (d - d.mean(axis=0) - z_hat * (d * z_hat).mean(axis=0)) / cache[f"std{i}"]
        grads[f"W{i}"], grads[f"b{i}"] = cache[f"a{i - 1}"].T @ d, d.sum(axis=0)
        d = d @ params[f"W{i}"].T
    return grads
    ### END SOLUTION


# %%
def random_params(random: np.random.Generator, n: int, h: int, k: int) -> dict[str, np.ndarray]:
    """Parameters of a network n-h-h-k, none of them 0 or 1."""
    shapes = [(n, h), (h,), (h,), (h,), (h, h), (h,), (h,), (h,), (h, k), (k,)]
    return {
        name: random.normal(size=shape) + (1.5 if name.startswith("gamma") else 0)
        for name, shape in zip(NAMES, shapes, strict=True)
    }


def slope(
    params: dict[str, np.ndarray],
    X: np.ndarray,
    masks: tuple[np.ndarray, np.ndarray],
    d_logits: np.ndarray,
    name: str,
    direction: np.ndarray,
    h: float = 1e-6,
) -> float:
    """How fast sum(d_logits * logits) grows as one parameter moves along `direction`, measured.

    If `grads` is right, this is `(grads[name] * direction).sum()`, to seven digits or so. In the
    rare case that a ReLU switches between the two points, it is something else.
    """
    sums = []
    for step in (h, -h):
        moved = params | {name: params[name] + step * direction}
        sums.append(float((d_logits * forward_pass(moved, X, masks)[0]).sum()))
    return (sums[0] - sums[1]) / (2 * h)


# One unit a layer. The variances are so large that EPS does not show in nine digits.
TINY = {
    "W1": [[1.0]], "b1": [0.0], "gamma1": [2.0], "beta1": [1.0],
    "W2": [[100.0]], "b2": [0.0], "gamma2": [1.0], "beta2": [2.0],
    "W3": [[1.0, -1.0]], "b3": [0.0, 10.0],
}  # fmt: skip
TINY = {name: np.array(values) for name, values in TINY.items()}
PAIR, KEEP = np.array([[100.0], [300.0]]), np.ones((2, 1))

# %% check
# z_hat is -1 and 1, so layer 1 gives max(0, -1) and 3. Layer 2 sees 0 and 300: -1 and 1 again, and
# gives 1 and 3.
result = forward_pass(TINY, PAIR.copy(), (KEEP, KEEP))
expect.kind(result, (tuple, list), when="calling forward_pass", think="It returns two things.")
expect.close(
    result[0],
    [[1.0, 9.0], [3.0, 7.0]],
    rtol=1e-7,  # EPS takes 5e-10 of z_hat
    when="sending 100 and 300 through TINY, nothing dropped",
    think="Linear, batch norm, ReLU, mask: which of them comes when?",
)
expect.close(
    forward_pass(TINY, PAIR.copy(), (KEEP, np.array([[2.0], [0.0]])))[0],
    [[2.0, 8.0], [0.0, 10.0]],
    rtol=1e-7,  # as above
    when="sending them through TINY, with the masks 2 and 0 for the two samples in layer 2",
    think="A mask multiplies what the ReLU gives.",
)

# %% check
# The first logit of the first sample: 1 times a2, which is gamma2 * (-1) + beta2.
cache = forward_pass(TINY, PAIR.copy(), (KEEP, KEEP))[1]
grads = backward_pass(TINY, cache, np.array([[1.0, 0.0], [0.0, 0.0]]))
expect.kind(grads, dict, when="going back through TINY")
expect.equal(set(grads), set(NAMES), when="reading the names of the gradients")
for name, wanted in (
    ("W3", [[1.0, 0.0]]),
    ("b3", [1.0, 0.0]),
    ("gamma2", [-1.0]),
    ("beta2", [1.0]),
):
    expect.close(
        grads[name],
        wanted,
        rtol=1e-7,  # as above
        when=f"going back to {name} from the first logit of the first sample",
        think=f"How does this logit change with {name}?",
    )

# %% check
# The comparison with the measured gradient, for the last layer. Put in the other names, too.
random = np.random.default_rng(0)
params, X = random_params(random, 3, 4, 2), random.normal(size=(6, 3))
masks, d_logits = tuple(random.integers(3, size=(2, 6, 4)) / 2), random.normal(size=(6, 2))
grads = backward_pass(params, forward_pass(params, X, masks)[1], d_logits)
for name in ("W3", "b3"):
    direction = random.normal(size=params[name].shape)
    expect.close(
        float((grads[name] * direction).sum()),
        slope(params, X, masks, d_logits, name, direction),
        rtol=1e-5,  # seven digits or so are measured
        when=f"comparing the gradient of {name} with the measured one",
        think="Which activations does the last layer see: before or after dropout?",
    )


# %% solution
class PracticalDLNetwork:
    """Two hidden layers with batch norm, ReLU and dropout; softmax output; L2 on the weights."""

    def __init__(
        self,
        input_dim: int = 784,
        hidden: int = 256,
        output_dim: int = 10,
        dropout_p: float = 0.2,
        l2_lambda: float = 1e-4,
    ) -> None:
        self.dropout_p, self.l2_lambda = dropout_p, l2_lambda
        self.params = initial_params(input_dim, hidden, output_dim)
        self.running = {"mean1": np.zeros(hidden), "var1": np.ones(hidden)}
        self.running |= {"mean2": np.zeros(hidden), "var2": np.ones(hidden)}

    def forward(self, X: np.ndarray, training: bool = True) -> np.ndarray:
        """The logits, shape (N, output_dim), of `X`, shape (N, input_dim).

        Training (N at least 2): the statistics of the batch normalize and go into `running`, and
        masks are drawn from `np.random`, anew at each call.
        Evaluation: `running` is used and stays as it is, and nothing is dropped.
        """
        ### BEGIN SOLUTION
        self.cache, n, hidden = None, len(X), self.params["W2"].shape[0]
        if not training:
            ones = np.ones((n, hidden))
            return forward_pass(self.params, X, (ones, ones), self.running)[0]
        keep = 1 - self.dropout_p
        one, two = (np.random.rand(2, n, hidden) < keep) / keep
        logits, self.cache = forward_pass(self.params, X, (one, two))
        for name in self.running:
            new = self.cache[name] * (n / (n - 1) if name.startswith("var") else 1)
            self.running[name] = (1 - MOMENTUM) * self.running[name] + MOMENTUM * new
        return logits
        ### END SOLUTION

    def compute_loss(self, logits: np.ndarray, y_onehot: np.ndarray) -> float:
        """The mean cross-entropy of the logits, and the L2 penalty on W1, W2 and W3."""
        ### BEGIN SOLUTION
        squares = sum((self.params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        return softmax_loss(logits, y_onehot)[0] + self.l2_lambda / 2 * float(squares)
        ### END SOLUTION

    def backward(self, d_logits: np.ndarray) -> dict[str, np.ndarray]:
        """The gradients of all parameters, that of the penalty included.

        `d_logits` is the gradient of the cross-entropy with respect to what the latest `forward`
        returned. If that was an evaluation, or there was none, raises a RuntimeError: there is no
        batch to go back to.
        """
        ### BEGIN SOLUTION
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        grads = backward_pass(self.params, self.cache, d_logits)
        for name in ("W1", "W2", "W3"):
            grads[name] = grads[name] + self.l2_lambda * self.params[name]
        return grads
        ### END SOLUTION

    def step(self, grads: dict[str, np.ndarray], lr: float) -> None:
        """One step of plain gradient descent: `params` after it are `lr` times `grads` lower."""
        ### BEGIN SOLUTION
        for name in self.params:
            self.params[name] = self.params[name] - lr * grads[name]
        ### END SOLUTION


# %%
def made(network: type, params: dict, **settings: float) -> "PracticalDLNetwork":
    """A network whose parameters are copies of `params`."""
    (input_dim, hidden), output_dim = params["W1"].shape, len(params["b3"])
    net = network(input_dim, hidden, output_dim, **settings)
    net.params = {name: np.array(params[name], dtype=float) for name in NAMES}
    return net


# %% check
net = made(PracticalDLNetwork, TINY, dropout_p=0.0, l2_lambda=0.02)
logits = net.forward(PAIR.copy())
expect.close(
    logits,
    [[1.0, 9.0], [3.0, 7.0]],
    rtol=1e-7,  # EPS takes 5e-10 of z_hat
    when="sending 100 and 300 through a network with TINY's parameters, p = 0",
    think="The class hands the work to forward_pass.",
)
expect.close(
    net.running["var1"],
    [0.9 + 0.1 * 20_000],
    when="looking at the running variance of layer 1, which was 1, after 100 and 300",
    think="The unbiased variance of 100 and 300 is 20,000.",
)
# Equal scores cost ln 2; the squares are 1, 10,000 and 2.
expect.close(
    net.compute_loss(np.zeros((2, 2)), np.eye(2)),
    np.log(2) + 0.01 * 10_003,
    when="taking TINY's loss for equal scores, lambda = 0.02",
    think="Half of lambda times the squares of all three weights.",
)
net.step({name: np.ones_like(value) for name, value in net.params.items()}, lr=0.25)
expect.close(
    net.params["beta2"],
    [1.75],
    when="looking at beta2, which was 2, after a step with gradients of 1 and a rate of 0.25",
    think="All ten arrays are learned.",
)


# %%
# What the listing was meant for: handwritten digits.
@student_side
def train_on_mnist(epochs=3, seed=0, n=1000, hidden=64, lr=0.2, **settings):
    """The mean loss of each epoch, batches of 100, and the accuracy on 1000 other digits."""
    np.random.seed(seed)
    data = mnist(train=True, root=BUNDLED)
    X = (data.images[: n + 1000].flatten(1).numpy() / 255 - data.mean[0]) / data.std[0]
    Y = np.eye(10)[data.labels[: n + 1000].numpy()]
    net, losses = PracticalDLNetwork(hidden=hidden, **settings), []
    for _ in range(epochs):
        batches, total = np.random.permutation(n).reshape(-1, 100), 0.0
        for rows in batches:
            logits = net.forward(X[rows])
            total += net.compute_loss(logits, Y[rows]) / len(batches)
            net.step(net.backward(softmax_loss(logits, Y[rows])[1]), lr)
        losses.append(float(total))
    scores = net.forward(X[n:], training=False)
    return losses, float((scores.argmax(1) == Y[n:].argmax(1)).mean())


# %% check
# Which of the settings would you expect to matter with a thousand digits, and which do?
for name, settings in (
    ("as it is", {}),
    ("no dropout", {"dropout_p": 0.0}),
    ("much L2", {"l2_lambda": 0.02}),
):
    losses, accuracy = train_on_mnist(**settings)
    curve = ", ".join(f"{loss:.2f}" for loss in losses)
    print(f"{name:10}  loss {curve}   {accuracy:.1%} of other digits right")
    expect.true(
        losses[-1] < losses[0],
        when=f"training three epochs on a thousand digits ({name})",
        wanted="a loss that falls",
        got=f"{losses[0]:.3g} in the first epoch, {losses[-1]:.3g} in the last",
        think="Gradients that are right make it fall. Which of them have you compared?",
    )

# %% hidden aspect="weights start with He's variance before a ReLU and Xavier's before the softmax" points=1
# The deviation of k normal numbers is known to 1 / sqrt(2 k): six of these are a false alarm of
# 2e-9 each, 6e-9 for the three.
np.random.seed(1)
params, again = initial_params(300, 200, 50), initial_params(300, 200, 50)
expect.kind(params, dict, when="asking for the parameters of a network 300-200-200-50")
expect.equal(set(params), set(NAMES), when="reading the names of the parameters")
for name, shape, var in (
    ("W1", (300, 200), 2 / 300),
    ("W2", (200, 200), 2 / 200),
    ("W3", (200, 50), 2 / 250),
):
    expect.shape(params[name], shape, when=f"looking at {name} of a network 300-200-200-50")
    expect.close(
        float(np.std(params[name])) / var**0.5,
        1.0,
        rtol=6 / (2 * params[name].size) ** 0.5,
        when=f"dividing the standard deviation of {name} by what its rule says",
        think="Variance or standard deviation; inputs or outputs; is there a ReLU behind it?",
    )
    expect.true(
        not np.array_equal(params[name], again[name]),
        when=f"drawing {name} twice",
        wanted="two draws",
        got="the same numbers",
        think="A function that seeds the generator makes all networks one.",
    )
for name in NAMES:
    if not name.startswith("W"):
        expect.equal(
            params[name],
            np.full(50 if name == "b3" else 200, 1.0 if name.startswith("gamma") else 0.0),
            when=f"looking at {name} of a new network",
            think="At the start batch norm hands on what it has normalized.",
        )

# %% hidden aspect="the loss of a batch is its mean cross-entropy, whatever the logits" points=1
random = np.random.default_rng(2)
logits, y = random.normal(size=(5, 4)), np.eye(4)[random.integers(4, size=5)]
p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
result = softmax_loss(logits.copy(), y.copy())
expect.kind(result, (tuple, list), when="calling softmax_loss", think="It returns two things.")
expect.equal(len(result), 2, when="counting what softmax_loss returns")
expect.close(
    result[0],
    float(-np.log((p * y).sum(axis=1)).mean()),
    when="taking the loss of five samples with four classes",
    think="A mean over the samples; the sum over the classes has one term that is not 0.",
)
expect.close(
    result[1],
    (p - y) / 5,
    when="taking the gradient of the loss of five samples",
    think="The mean over the samples is a part of the function.",
)
for scores, right, wanted in (
    ([0.0, 50.0], 0, 50.0),
    ([1000.0, -1000.0], 1, 2000.0),
    ([2000.0, 0.0, 1990.0], 0, float(np.log1p(np.exp(-10)))),
    ([40.0, 0.0], 0, 0.0),
):
    loss, gradient = softmax_loss(np.array([scores]), np.eye(len(scores))[[right]])
    expect.close(
        loss,
        wanted,
        atol=1e-13,  # rounding, beside scores of 40
        when=f"taking the loss of the scores {scores}, class {right} being right",
        think="exp(1000) is inf, and log(p + something) ends where p does. Where does the "
        "difference of two scores appear?",
    )
    expect.true(
        np.isfinite(gradient).all(),
        when=f"taking the gradient at the scores {scores}",
        wanted="finite numbers",
        got="inf or nan",
        think="A constant that is taken off all scores of a sample changes no probability.",
    )
expect.close(
    softmax_loss(np.array([[3000.0, 3000.0], [0.0, 0.0]]), np.eye(2))[0],
    float(np.log(2)),
    when="taking the loss of two samples, one with scores of 3000 and one with scores of 0",
    think="Each sample has a constant of its own that may be taken off.",
)

# %% hidden aspect="a training pass normalizes, rectifies and masks, in this order" points=1
from autograder import reference

random = np.random.default_rng(3)
for samples in (5, 8):
    params = random_params(random, 4, 6, 3)
    params["W1"][:, 0] *= 1e-3  # a unit that varies less than EPS
    X, masks = random.normal(size=(samples, 4)), tuple(random.integers(3, size=(2, samples, 6)) / 2)
    wanted = reference.forward_pass(params, X.copy(), masks)[0]
    with expect.unchanged(
        X=X,
        W2=params["W2"],
        mask=masks[0],
        when="training on a batch",
        think="The data belongs to the caller, and will be needed in the next epoch.",
    ):
        result = forward_pass(params, X, masks)
    expect.kind(result, (tuple, list), when="calling forward_pass", think="It returns two things.")
    expect.close(
        result[0],
        wanted,
        when=f"sending {samples} samples through a random network, with masks of 0, 0.5 and 1",
        think="The statistics are the batch's; its variance divides by N; EPS stands under the root.",
    )

# %% hidden aspect="an evaluation uses the running statistics, drops nothing and changes nothing" points=1
random = np.random.default_rng(4)
params, X = random_params(random, 4, 6, 3), random.normal(size=(7, 4))
params |= {"beta1": random.uniform(1, 3, size=6), "beta2": random.uniform(1, 3, size=6)}  # few off
net = made(PracticalDLNetwork, params, dropout_p=0.3)
running = {f"{name}{i}": random.uniform(0.5, 2, size=6) for i in (1, 2) for name in ("mean", "var")}
net.running = {name: value.copy() for name, value in running.items()}
for batch in (X, X[:1]):
    a = batch
    for i in (1, 2):
        z = a @ params[f"W{i}"] + params[f"b{i}"]
        z_hat = (z - running[f"mean{i}"]) / np.sqrt(running[f"var{i}"] + EPS)
        a = np.maximum(0, params[f"gamma{i}"] * z_hat + params[f"beta{i}"])
    expect.close(
        net.forward(batch.copy(), training=False),
        a @ params["W3"] + params["b3"],
        when=f"evaluating a batch of {len(batch)} with given running statistics, p = 0.3",
        think="A prediction depends neither on chance nor on who else is in the batch.",
    )
for name, value in running.items():
    expect.equal(
        net.running[name],
        value,
        when=f"looking at {name} in `running` after two evaluations",
        think="A served model that learns from its requests drifts away.",
    )

# %% hidden aspect="the running statistics average as PyTorch does" points=1
random = np.random.default_rng(5)
params = random_params(random, 4, 6, 3)
net = made(PracticalDLNetwork, params, dropout_p=0.0)
wanted = {
    f"{name}{i}": np.full(6, start) for i in (1, 2) for name, start in (("mean", 0.0), ("var", 1.0))
}
for step in range(3):
    # Five samples: the biased variance is a fifth smaller.
    a = (step + 1) * random.normal(size=(5, 4)) + step
    net.forward(a.copy())
    for i in (1, 2):
        z = a @ params[f"W{i}"] + params[f"b{i}"]
        for name, new in ((f"mean{i}", z.mean(axis=0)), (f"var{i}", z.var(axis=0, ddof=1))):
            wanted[name] = 0.9 * wanted[name] + 0.1 * new
        z_hat = (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + EPS)
        a = np.maximum(0, params[f"gamma{i}"] * z_hat + params[f"beta{i}"])
for name, think in (
    ("mean1", "MOMENTUM is the weight of the new batch."),
    ("var1", "MOMENTUM is the weight of the new batch, and this sum is divided by N - 1."),
    ("mean2", "Each layer averages what it normalizes itself."),
    ("var2", "Each layer averages what it normalizes itself, and divides by N - 1."),
):
    expect.close(
        net.running[name],
        wanted[name],
        when=f"looking at {name} in `running` after three batches of five",
        think=think,
    )

# %% hidden aspect="each training step draws new masks, which keep a share 1 - p and divide by it" points=1
# Layer 2 gives 1 for whatever it is told, and layer 3 hands it on: its mask shows. Six standard
# errors are a false alarm of 2e-9 each, 8e-9 for the four; two rows, columns or steps are equal
# with a probability below 1e-30.
np.random.seed(6)
ones, random = np.ones(100), np.random.default_rng(6)
params, X = random_params(random, 3, 100, 100), random.normal(size=(200, 3))
params |= {"gamma2": 0 * ones, "beta2": ones, "W3": np.eye(100), "b3": 0 * ones}
for p in (0.3, 0.6):
    net = made(PracticalDLNetwork, params, dropout_p=p)
    error = (p * (1 - p) / 20_000) ** 0.5
    first, second = (np.asarray(net.forward(X.copy())) for _ in range(2))
    expect.between(
        float((first == 0).mean()),
        p - 6 * error,
        p + 6 * error,
        when=f"looking at the share of layer 2 that is dropped, of 20,000 activations, p = {p}",
        think="dropout_p is the probability of being dropped.",
    )
    expect.close(
        first,
        (first != 0) / (1 - p),
        when=f"looking at what is kept of activations of 1, p = {p}",
        think="What is the average over all masks to be?",
    )
    for name, one, other in (
        ("two samples", first[0], first[1]),
        ("two units", first[:, 0], first[:, 1]),
        ("two steps", first, second),
    ):
        expect.true(
            not np.array_equal(one, other),
            when=f"comparing what is dropped in {name}",
            wanted="zeros in other places",
            got="the same in both",
            think="How many random numbers does a step need?",
        )
# Now layer 1 gives 1 for whatever it is told, and layer 2 tells 0 from 1 / (1 - p).
params |= {"gamma1": 0 * ones, "beta1": ones, "W2": np.eye(100), "gamma2": ones, "beta2": 20 * ones}
p = 0.3
logits = np.asarray(made(PracticalDLNetwork, params, dropout_p=p).forward(X.copy()))
dropped = (logits < 20 / (1 - p))[logits != 0]
for name, share, size in (
    ("dropped in layer 1", dropped.mean(), dropped.size),
    ("dropped in layer 2", (logits == 0).mean(), logits.size),
):
    error = (p * (1 - p) / size) ** 0.5
    expect.between(
        float(share),
        p - 6 * error,
        p + 6 * error,
        when=f"looking at the share {name}, where layer 1 gives 1 throughout, p = 0.3",
        think="Both hidden layers drop, each with a mask of its own.",
    )

# %% hidden aspect="L2 is in the loss and in the gradients of the weights" points=1
random = np.random.default_rng(7)
params, X = random_params(random, 4, 6, 3), random.normal(size=(5, 4))
y, d_logits, found = np.eye(3)[random.integers(3, size=5)], random.normal(size=(5, 3)), []
for l2_lambda in (0.7, 0.0):
    net = made(PracticalDLNetwork, params, dropout_p=0.0, l2_lambda=l2_lambda)
    loss = net.compute_loss(net.forward(X.copy()), y.copy())
    expect.kind(loss, (float, np.number), when="computing the loss", think="A single number.")
    found.append((loss, net.backward(d_logits.copy())))
(loss, grads), (plain_loss, plain_grads) = found
squares = sum((params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
expect.close(
    loss - plain_loss,
    0.35 * float(squares),
    when="comparing the losses for lambda = 0.7 and lambda = 0",
    think="The weights are punished, once a batch; biases, scales and shifts are not.",
)
for name in NAMES:
    expect.close(
        np.asarray(grads[name] - plain_grads[name]),
        0.7 * params[name] if name.startswith("W") else np.zeros_like(params[name]),
        atol=1e-9,  # the difference of numbers near 1
        when=f"comparing the gradients of {name} for lambda = 0.7 and lambda = 0",
        think="What is the derivative of half of lambda times W squared, and where is W punished?",
    )

# %% hidden aspect="the gradients of the weights are those that are measured" points=1
from autograder import reference

random, names = np.random.default_rng(8), ("W1", "W2", "W3")
for samples in (6, 3):
    measurable = False
    while not measurable:  # neither at the kink of a ReLU nor with a unit that hardly varies
        params, X = random_params(random, 3, 4, 3), random.normal(size=(samples, 3))
        masks = tuple(random.integers(3, size=(2, samples, 4)) / 2)
        cache = reference.forward_pass(params, X, masks)[1]
        measurable = all(
            np.abs(params[f"gamma{i}"] * cache[f"z_hat{i}"] + params[f"beta{i}"]).min() > 1e-3
            and cache[f"std{i}"].min() > 0.1
            for i in (1, 2)
        )
    d_logits = random.normal(size=(samples, 3))
    grads = backward_pass(params, forward_pass(params, X.copy(), masks)[1], d_logits.copy())
    expect.kind(grads, dict, when="going back through a random network")
    for name in names:
        expect.shape(
            grads.get(name, ...), params[name].shape, when=f"looking at the gradient of {name}"
        )
        along = random.normal(size=(3, *params[name].shape))
        expect.close(
            [float((grads[name] * v).sum()) for v in along],
            [round(slope(params, X, masks, d_logits, name, v), 6) for v in along],
            rtol=1e-5,  # twenty times what h and rounding left in 2,000 draws
            atol=1e-5,
            when=f"comparing the gradient of {name} with the measured one, {samples} samples",
            think="What did the layer see, and what came back to it through all that stands behind?",
        )


# %% hidden aspect="the gradients of biases, scales and shifts are those that are measured" points=1
from autograder import reference

random, names = np.random.default_rng(9), ("b1", "gamma1", "beta1", "b2", "gamma2", "beta2", "b3")
for samples in (6, 3):
    measurable = False
    while not measurable:  # neither at the kink of a ReLU nor with a unit that hardly varies
        params, X = random_params(random, 3, 4, 3), random.normal(size=(samples, 3))
        masks = tuple(random.integers(3, size=(2, samples, 4)) / 2)
        cache = reference.forward_pass(params, X, masks)[1]
        measurable = all(
            np.abs(params[f"gamma{i}"] * cache[f"z_hat{i}"] + params[f"beta{i}"]).min() > 1e-3
            and cache[f"std{i}"].min() > 0.1
            for i in (1, 2)
        )
    d_logits = random.normal(size=(samples, 3))
    grads = backward_pass(params, forward_pass(params, X.copy(), masks)[1], d_logits.copy())
    expect.kind(grads, dict, when="going back through a random network")
    for name in names:
        expect.shape(
            grads.get(name, ...), params[name].shape, when=f"looking at the gradient of {name}"
        )
        along = random.normal(size=(3, *params[name].shape))
        expect.close(
            [float((grads[name] * v).sum()) for v in along],
            [round(slope(params, X, masks, d_logits, name, v), 6) for v in along],
            rtol=1e-5,  # twenty times what h and rounding left in 2,000 draws
            atol=1e-5,
            when=f"comparing the gradient of {name} with the measured one, {samples} samples",
            think="Every sample has its part in it. And what does batch norm leave of a bias in front of it?",
        )


# %% hidden aspect="backward without a training forward just before it raises a RuntimeError" points=1
random = np.random.default_rng(10)
params, X = random_params(random, 4, 6, 3), random.normal(size=(5, 4))
net = made(PracticalDLNetwork, params)
expect.raises(
    RuntimeError,
    net.backward,
    np.ones((5, 3)),
    when="going back through a network that has seen no batch",
    think="What should a caller read who forgot the forward pass?",
)
net.forward(X.copy())
net.forward(X.copy(), training=False)
expect.raises(
    RuntimeError,
    net.backward,
    np.ones((5, 3)),
    when="going back after a training forward, then an evaluation",
    think="What was kept belongs to an older batch: its gradient would be silently wrong.",
)
net.forward(X.copy())
expect.equal(
    set(net.backward(np.ones((5, 3)))),
    set(NAMES),
    when="going back after a training forward that follows an evaluation",
    think="Training goes on after each evaluation.",
)

# %% hidden aspect="steps down the gradient make the loss fall" points=1
random = np.random.default_rng(11)
before, grads = random_params(random, 4, 6, 3), random_params(random, 4, 6, 3)
net = made(PracticalDLNetwork, before)
for steps in (1, 2):
    net.step({name: value.copy() for name, value in grads.items()}, lr=0.3)
    for name in NAMES:
        expect.close(
            net.params[name],
            before[name] - 0.3 * steps * grads[name],
            when=f"looking at {name} after {steps} steps with given gradients, rate 0.3",
            think="Down, all ten of them, and by the rate times the gradient.",
        )
# Thirty steps on one batch, without dropout, the cross-entropy computed here. In 2,000 runs of a
# right network it ended at 0.09 to 0.88 of what it was, at 0.37 on average.
X, y = random.normal(size=(40, 4)), np.eye(3)[random.integers(3, size=40)]
net = made(PracticalDLNetwork, random_params(random, 4, 6, 3), dropout_p=0.0, l2_lambda=0.0)
losses = []
for _ in range(31):
    logits = np.asarray(net.forward(X.copy()))
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    losses.append(float(-np.log((p * y).sum(axis=1) + 1e-300).mean()))
    net.step(net.backward((p - y) / 40), lr=0.1)
expect.true(
    losses[-1] < losses[0],
    when="training thirty steps on forty random samples",
    wanted="a loss that falls",
    got=f"{losses[0]:.4g} at first, {losses[-1]:.4g} in the end",
    think="Does `forward` see the parameters that `step` has moved?",
)


# %% alternative of="initial_params"
def with_scales_by_hand(input_dim, hidden, output_dim):
    def normal(n_in, n_out, std):
        return np.random.normal(0.0, std, size=(n_in, n_out))

    return {
        "W1": normal(input_dim, hidden, (2 / input_dim) ** 0.5),
        "W2": normal(hidden, hidden, (2 / hidden) ** 0.5),
        "W3": normal(hidden, output_dim, (2 / (hidden + output_dim)) ** 0.5),
        "b1": np.zeros(hidden), "b2": np.zeros(hidden), "b3": np.zeros(output_dim),
        "gamma1": np.ones(hidden), "gamma2": np.ones(hidden),
        "beta1": np.zeros(hidden), "beta2": np.zeros(hidden),
    }  # fmt: skip


# %% alternative of="softmax_loss"
def with_logaddexp(logits, y_onehot):
    n, total = len(logits), np.logaddexp.reduce(logits, axis=1)
    loss = np.mean(total - np.max(np.where(y_onehot > 0, logits, -np.inf), axis=1))
    return loss, np.exp(logits - total[:, None]) / n - y_onehot / n


# %% alternative of="forward_pass"
def layer_by_layer(params, X, masks, running=None):
    def layer(a, i):
        z = a.dot(params[f"W{i}"]) + params[f"b{i}"]
        mean = z.sum(0) / len(z) if running is None else running[f"mean{i}"]
        var = ((z - mean) ** 2).sum(0) / len(z) if running is None else running[f"var{i}"]
        z_hat = (z - mean) * (var + EPS) ** -0.5
        y = z_hat * params[f"gamma{i}"] + params[f"beta{i}"]
        on = np.where(y > 0, masks[i - 1], 0.0)
        values = {"mean": mean, "var": var, "std": (var + EPS) ** 0.5, "z_hat": z_hat, "gate": on}
        return y * on, {f"{name}{i}": value for name, value in values.items()}

    a1, first = layer(X, 1)
    a2, second = layer(a1, 2)
    cache = {**first, **second, "a0": X, "a1": a1, "a2": a2}
    return a2.dot(params["W3"]) + params["b3"], cache


# %% alternative of="backward_pass"
def with_three_paths(params, cache, d_logits):
    n, grads, d = len(d_logits), {}, d_logits
    for i in (3, 2, 1):
        if i < 3:
            d, z_hat, inv = d * cache[f"gate{i}"], cache[f"z_hat{i}"], 1 / cache[f"std{i}"]
            grads[f"gamma{i}"], grads[f"beta{i}"] = np.sum(d * z_hat, 0), np.sum(d, 0)
            d_hat, centred = d * params[f"gamma{i}"], z_hat / inv
            d_var = np.sum(-0.5 * d_hat * centred * inv**3, 0)
            d_mean = -np.sum(d_hat * inv, 0)
            d = d_hat * inv + 2 * d_var * centred / n + d_mean / n
        grads[f"W{i}"] = np.einsum("ni,no->io", cache[f"a{i - 1}"], d)
        grads[f"b{i}"] = np.ones(n) @ d if i == 3 else np.zeros(d.shape[1])
        d = d @ params[f"W{i}"].T
    return grads


# %% alternative of="PracticalDLNetwork"
class WithAFlag:
    def __init__(self, input_dim=784, hidden=256, output_dim=10, dropout_p=0.2, l2_lambda=1e-4):
        self.p, self.decay, self.trained, self.hidden = dropout_p, l2_lambda, False, hidden
        self.params = initial_params(input_dim, hidden, output_dim)
        zeros_and_ones = {"mean": np.zeros(hidden), "var": np.ones(hidden)}
        self.running = {f"{name}{i}": v for name, v in zeros_and_ones.items() for i in (1, 2)}
        self.random = np.random.default_rng()

    def mask(self, n):
        return self.random.binomial(1, 1 - self.p, size=(n, self.hidden)) / (1 - self.p)

    def forward(self, X, training=True):
        self.trained, n = training, len(X)
        masks = [self.mask(n) if training else np.ones((n, self.hidden)) for _ in range(2)]
        logits, self.cache = forward_pass(self.params, X, masks, None if training else self.running)
        if training:
            for i in (1, 2):
                self.move(f"mean{i}", self.cache[f"mean{i}"])
                self.move(f"var{i}", self.cache[f"var{i}"] * n / (n - 1))
        return logits

    def move(self, name, new):
        self.running[name] = self.running[name] + MOMENTUM * (new - self.running[name])

    def weights(self):
        return [name for name in self.params if name.startswith("W")]

    def compute_loss(self, logits, y_onehot):
        penalty = sum(np.linalg.norm(self.params[name]) ** 2 for name in self.weights())
        return softmax_loss(logits, y_onehot)[0] + 0.5 * self.decay * penalty

    def backward(self, d_logits):
        if not self.trained:
            raise RuntimeError("no training forward")
        grads = dict(backward_pass(self.params, self.cache, d_logits))
        return grads | {
            name: grads[name] + self.decay * self.params[name] for name in self.weights()
        }

    def step(self, grads, lr):
        for name, value in self.params.items():
            value -= lr * grads[name]


# %% mistake of="initial_params" fails="weights start with He's variance before a ReLU and Xavier's before the softmax"
def starts_relu_layers_with_xavier(input_dim, hidden, output_dim):
    """A ReLU throws half of the second moment away, which He's 2 / n_in makes up for."""
    params = {}
    for i, n_in, n_out in ((1, input_dim, hidden), (2, hidden, hidden), (3, hidden, output_dim)):
        params[f"W{i}"] = np.sqrt(2 / (n_in + n_out)) * np.random.randn(n_in, n_out)
        params[f"b{i}"] = np.zeros(n_out)
        if i < 3:
            params[f"gamma{i}"], params[f"beta{i}"] = np.ones(n_out), np.zeros(n_out)
    return params


# %% mistake of="softmax_loss" fails="the loss of a batch is its mean cross-entropy, whatever the logits"
def adds_something_to_the_probability(logits, y_onehot):
    """log(p + 1e-8) ends at 18.42: a network that is sure and wrong is told too little."""
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return float(-(y_onehot * np.log(p + 1e-8)).sum() / len(p)), (p - y_onehot) / len(p)


# %% mistake of="softmax_loss" fails="the loss of a batch is its mean cross-entropy, whatever the logits"
def takes_the_gradient_of_the_sum(logits, y_onehot):
    """The loss is a mean over the samples, so its gradient is divided by N as well."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-(y_onehot * log_p).sum() / len(logits)), np.exp(log_p) - y_onehot


# %% mistake of="forward_pass" fails="a training pass normalizes, rectifies and masks, in this order"
def puts_a_floor_under_the_deviation(params, X, masks, running=None):
    """EPS alone keeps the root away from 0; a floor of one's own flattens units that vary little."""
    a, cache = X, {"a0": X}
    for i in (1, 2):
        z = a @ params[f"W{i}"] + params[f"b{i}"]
        mean, var = z.mean(axis=0), z.var(axis=0)
        if running is not None:
            mean, var = running[f"mean{i}"], running[f"var{i}"]
        std = np.maximum(np.sqrt(var + EPS), 0.02)
        z_hat = (z - mean) / std
        y = params[f"gamma{i}"] * z_hat + params[f"beta{i}"]
        a = np.maximum(0, y) * masks[i - 1]
        cache |= {f"mean{i}": mean, f"var{i}": var, f"std{i}": std, f"z_hat{i}": z_hat}
        cache |= {f"gate{i}": (y > 0) * masks[i - 1], f"a{i}": a}
    return a @ params["W3"] + params["b3"], cache


# %% mistake of="backward_pass" fails="the gradients of the weights are those that are measured"
def averages_once_more(params, cache, d_logits):
    """d_logits holds the 1 / N of the mean already; from there on gradients are sums over the batch."""
    grads = {"W3": cache["a2"].T @ d_logits, "b3": d_logits.sum(axis=0)}
    d = d_logits @ params["W3"].T
    for i in (2, 1):
        z_hat, d = cache[f"z_hat{i}"], d * cache[f"gate{i}"]
        grads[f"gamma{i}"], grads[f"beta{i}"] = (d * z_hat).sum(axis=0), d.sum(axis=0)
        d = d * params[f"gamma{i}"]
        d = (d - d.mean(axis=0) - z_hat * (d * z_hat).mean(axis=0)) / cache[f"std{i}"]
        grads[f"W{i}"], grads[f"b{i}"] = cache[f"a{i - 1}"].T @ d / len(d), d.sum(axis=0)
        d = d @ params[f"W{i}"].T
    return grads


# %% mistake of="backward_pass" fails="the gradients of biases, scales and shifts are those that are measured"
def takes_biases_in_front_of_the_norm(params, cache, d_logits):
    """Batch norm removes what is added to all samples, so b1 and b2 change nothing: gradient 0."""
    grads = {"W3": cache["a2"].T @ d_logits, "b3": d_logits.sum(axis=0)}
    d = d_logits @ params["W3"].T
    for i in (2, 1):
        z_hat, d = cache[f"z_hat{i}"], d * cache[f"gate{i}"]
        grads[f"gamma{i}"], grads[f"beta{i}"] = (d * z_hat).sum(axis=0), d.sum(axis=0)
        d = d * params[f"gamma{i}"]
        grads[f"b{i}"] = d.sum(axis=0)
        d = (d - d.mean(axis=0) - z_hat * (d * z_hat).mean(axis=0)) / cache[f"std{i}"]
        grads[f"W{i}"] = cache[f"a{i - 1}"].T @ d
        d = d @ params[f"W{i}"].T
    return grads


# %% mistake of="backward_pass" fails="the gradients of the weights are those that are measured; the gradients of biases, scales and shifts are those that are measured"
def takes_the_statistics_for_constants(params, cache, d_logits):
    """Mean and variance are functions of all samples, and the gradient goes through them, too."""
    grads = {"W3": cache["a2"].T @ d_logits, "b3": d_logits.sum(axis=0)}
    d = d_logits @ params["W3"].T
    for i in (2, 1):
        z_hat, d = cache[f"z_hat{i}"], d * cache[f"gate{i}"]
        grads[f"gamma{i}"], grads[f"beta{i}"] = (d * z_hat).sum(axis=0), d.sum(axis=0)
        d = d * params[f"gamma{i}"]
        d = d / cache[f"std{i}"]
        grads[f"W{i}"], grads[f"b{i}"] = cache[f"a{i - 1}"].T @ d, d.sum(axis=0)
        d = d @ params[f"W{i}"].T
    return grads


# %% mistake of="PracticalDLNetwork" fails="an evaluation uses the running statistics, drops nothing and changes nothing"
class DropsAtEvaluation:
    """At inference all units speak: training has scaled them for that."""

    def __init__(self, input_dim=784, hidden=256, output_dim=10, dropout_p=0.2, l2_lambda=1e-4):
        self.dropout_p, self.l2_lambda = dropout_p, l2_lambda
        self.params = initial_params(input_dim, hidden, output_dim)
        self.running = {"mean1": np.zeros(hidden), "var1": np.ones(hidden)}
        self.running |= {"mean2": np.zeros(hidden), "var2": np.ones(hidden)}

    def forward(self, X, training=True):
        self.cache, n, hidden = None, len(X), self.params["W2"].shape[0]
        if not training:
            kept = (np.random.rand(2, n, hidden) >= self.dropout_p) / (1 - self.dropout_p)
            return forward_pass(self.params, X, tuple(kept), self.running)[0]
        keep = 1 - self.dropout_p
        one, two = (np.random.rand(2, n, hidden) < keep) / keep
        logits, self.cache = forward_pass(self.params, X, (one, two))
        for name in self.running:
            new = self.cache[name] * (n / (n - 1) if name.startswith("var") else 1)
            self.running[name] = (1 - MOMENTUM) * self.running[name] + MOMENTUM * new
        return logits

    def compute_loss(self, logits, y_onehot):
        squares = sum((self.params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        return softmax_loss(logits, y_onehot)[0] + self.l2_lambda / 2 * float(squares)

    def backward(self, d_logits):
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        grads = backward_pass(self.params, self.cache, d_logits)
        for name in ("W1", "W2", "W3"):
            grads[name] = grads[name] + self.l2_lambda * self.params[name]
        return grads

    def step(self, grads, lr):
        for name in self.params:
            self.params[name] = self.params[name] - lr * grads[name]


# %% mistake of="PracticalDLNetwork" fails="the running statistics average as PyTorch does"
class AveragesTheBiasedVariance:
    """Inference wants an estimate for data never seen: this sum of squares is divided by N - 1."""

    def __init__(self, input_dim=784, hidden=256, output_dim=10, dropout_p=0.2, l2_lambda=1e-4):
        self.dropout_p, self.l2_lambda = dropout_p, l2_lambda
        self.params = initial_params(input_dim, hidden, output_dim)
        self.running = {"mean1": np.zeros(hidden), "var1": np.ones(hidden)}
        self.running |= {"mean2": np.zeros(hidden), "var2": np.ones(hidden)}

    def forward(self, X, training=True):
        self.cache, n, hidden = None, len(X), self.params["W2"].shape[0]
        if not training:
            ones = np.ones((n, hidden))
            return forward_pass(self.params, X, (ones, ones), self.running)[0]
        keep = 1 - self.dropout_p
        one, two = (np.random.rand(2, n, hidden) < keep) / keep
        logits, self.cache = forward_pass(self.params, X, (one, two))
        for name in self.running:
            new = self.cache[name]
            self.running[name] = (1 - MOMENTUM) * self.running[name] + MOMENTUM * new
        return logits

    def compute_loss(self, logits, y_onehot):
        squares = sum((self.params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        return softmax_loss(logits, y_onehot)[0] + self.l2_lambda / 2 * float(squares)

    def backward(self, d_logits):
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        grads = backward_pass(self.params, self.cache, d_logits)
        for name in ("W1", "W2", "W3"):
            grads[name] = grads[name] + self.l2_lambda * self.params[name]
        return grads

    def step(self, grads, lr):
        for name in self.params:
            self.params[name] = self.params[name] - lr * grads[name]


# %% mistake of="PracticalDLNetwork" fails="each training step draws new masks, which keep a share 1 - p and divide by it"
class DrawsOneMaskForAllSamples:
    """Each sample drops units of its own; one row of random numbers for all is another method."""

    def __init__(self, input_dim=784, hidden=256, output_dim=10, dropout_p=0.2, l2_lambda=1e-4):
        self.dropout_p, self.l2_lambda = dropout_p, l2_lambda
        self.params = initial_params(input_dim, hidden, output_dim)
        self.running = {"mean1": np.zeros(hidden), "var1": np.ones(hidden)}
        self.running |= {"mean2": np.zeros(hidden), "var2": np.ones(hidden)}

    def forward(self, X, training=True):
        self.cache, n, hidden = None, len(X), self.params["W2"].shape[0]
        if not training:
            ones = np.ones((n, hidden))
            return forward_pass(self.params, X, (ones, ones), self.running)[0]
        keep = 1 - self.dropout_p
        one, two = (np.random.rand(2, 1, hidden) < keep) / keep
        logits, self.cache = forward_pass(self.params, X, (one, two))
        for name in self.running:
            new = self.cache[name] * (n / (n - 1) if name.startswith("var") else 1)
            self.running[name] = (1 - MOMENTUM) * self.running[name] + MOMENTUM * new
        return logits

    def compute_loss(self, logits, y_onehot):
        squares = sum((self.params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        return softmax_loss(logits, y_onehot)[0] + self.l2_lambda / 2 * float(squares)

    def backward(self, d_logits):
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        grads = backward_pass(self.params, self.cache, d_logits)
        for name in ("W1", "W2", "W3"):
            grads[name] = grads[name] + self.l2_lambda * self.params[name]
        return grads

    def step(self, grads, lr):
        for name in self.params:
            self.params[name] = self.params[name] - lr * grads[name]


# %% mistake of="PracticalDLNetwork" fails="L2 is in the loss and in the gradients of the weights"
class PunishesTheLossAlone:
    """A penalty acts through its gradient: lambda times W belongs to the gradient of W."""

    def __init__(self, input_dim=784, hidden=256, output_dim=10, dropout_p=0.2, l2_lambda=1e-4):
        self.dropout_p, self.l2_lambda = dropout_p, l2_lambda
        self.params = initial_params(input_dim, hidden, output_dim)
        self.running = {"mean1": np.zeros(hidden), "var1": np.ones(hidden)}
        self.running |= {"mean2": np.zeros(hidden), "var2": np.ones(hidden)}

    def forward(self, X, training=True):
        self.cache, n, hidden = None, len(X), self.params["W2"].shape[0]
        if not training:
            ones = np.ones((n, hidden))
            return forward_pass(self.params, X, (ones, ones), self.running)[0]
        keep = 1 - self.dropout_p
        one, two = (np.random.rand(2, n, hidden) < keep) / keep
        logits, self.cache = forward_pass(self.params, X, (one, two))
        for name in self.running:
            new = self.cache[name] * (n / (n - 1) if name.startswith("var") else 1)
            self.running[name] = (1 - MOMENTUM) * self.running[name] + MOMENTUM * new
        return logits

    def compute_loss(self, logits, y_onehot):
        squares = sum((self.params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        return softmax_loss(logits, y_onehot)[0] + self.l2_lambda / 2 * float(squares)

    def backward(self, d_logits):
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        return backward_pass(self.params, self.cache, d_logits)

    def step(self, grads, lr):
        for name in self.params:
            self.params[name] = self.params[name] - lr * grads[name]


# %% mistake of="PracticalDLNetwork" fails="backward without a training forward just before it raises a RuntimeError"
class LeavesTheBatchBehind:
    """After an evaluation there is nothing to go back to: the batch that was kept is an older one."""

    def __init__(self, input_dim=784, hidden=256, output_dim=10, dropout_p=0.2, l2_lambda=1e-4):
        self.dropout_p, self.l2_lambda = dropout_p, l2_lambda
        self.params = initial_params(input_dim, hidden, output_dim)
        self.running = {"mean1": np.zeros(hidden), "var1": np.ones(hidden)}
        self.running |= {"mean2": np.zeros(hidden), "var2": np.ones(hidden)}

    def forward(self, X, training=True):
        n, hidden = len(X), self.params["W2"].shape[0]
        if not training:
            ones = np.ones((n, hidden))
            return forward_pass(self.params, X, (ones, ones), self.running)[0]
        keep = 1 - self.dropout_p
        one, two = (np.random.rand(2, n, hidden) < keep) / keep
        logits, self.cache = forward_pass(self.params, X, (one, two))
        for name in self.running:
            new = self.cache[name] * (n / (n - 1) if name.startswith("var") else 1)
            self.running[name] = (1 - MOMENTUM) * self.running[name] + MOMENTUM * new
        return logits

    def compute_loss(self, logits, y_onehot):
        squares = sum((self.params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        return softmax_loss(logits, y_onehot)[0] + self.l2_lambda / 2 * float(squares)

    def backward(self, d_logits):
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        grads = backward_pass(self.params, self.cache, d_logits)
        for name in ("W1", "W2", "W3"):
            grads[name] = grads[name] + self.l2_lambda * self.params[name]
        return grads

    def step(self, grads, lr):
        for name in self.params:
            self.params[name] = self.params[name] - lr * grads[name]


# %% mistake of="PracticalDLNetwork" fails="steps down the gradient make the loss fall"
class LearnsWeightsAndBiasesAlone:
    """Scale and shift of batch norm are learned like all others; else they stay at 1 and 0."""

    def __init__(self, input_dim=784, hidden=256, output_dim=10, dropout_p=0.2, l2_lambda=1e-4):
        self.dropout_p, self.l2_lambda = dropout_p, l2_lambda
        self.params = initial_params(input_dim, hidden, output_dim)
        self.running = {"mean1": np.zeros(hidden), "var1": np.ones(hidden)}
        self.running |= {"mean2": np.zeros(hidden), "var2": np.ones(hidden)}

    def forward(self, X, training=True):
        self.cache, n, hidden = None, len(X), self.params["W2"].shape[0]
        if not training:
            ones = np.ones((n, hidden))
            return forward_pass(self.params, X, (ones, ones), self.running)[0]
        keep = 1 - self.dropout_p
        one, two = (np.random.rand(2, n, hidden) < keep) / keep
        logits, self.cache = forward_pass(self.params, X, (one, two))
        for name in self.running:
            new = self.cache[name] * (n / (n - 1) if name.startswith("var") else 1)
            self.running[name] = (1 - MOMENTUM) * self.running[name] + MOMENTUM * new
        return logits

    def compute_loss(self, logits, y_onehot):
        squares = sum((self.params[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        return softmax_loss(logits, y_onehot)[0] + self.l2_lambda / 2 * float(squares)

    def backward(self, d_logits):
        if getattr(self, "cache", None) is None:
            raise RuntimeError("backward goes back through a training forward; there is none")
        grads = backward_pass(self.params, self.cache, d_logits)
        for name in ("W1", "W2", "W3"):
            grads[name] = grads[name] + self.l2_lambda * self.params[name]
        return grads

    def step(self, grads, lr):
        for name in ("W1", "b1", "W2", "b2", "W3", "b3"):
            self.params[name] = self.params[name] - lr * grads[name]
