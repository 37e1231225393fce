# %% exercise [markdown] items="105" stars=2 minutes=30 level="analyze" goal="say when gamma and beta can undo batch normalization, and when they cannot"
r"""
# Can batch normalization be undone?
If normalizing forced mean 0 and variance 1 on every layer for good, a network that needs other
numbers there would be stuck. $\gamma$ and $\beta$ give the choice back: they are able to undo
the normalization. Many texts add "with $\gamma = \sigma$ and $\beta = \mu$", and stop. For
$\sigma = 0.01$ and $\varepsilon = 10^{-5}$ that is 5 % off, and it leaves open whose $\mu$ and
$\sigma$ these are.

$$ y_i = \gamma\,\frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta
\qquad\text{is to equal } x_i $$

- At inference, $\mu$ and $\sigma^2$ are the running statistics: fixed numbers.
- In training, they belong to the batch, while $\gamma$ and $\beta$ are the same for every batch.

Find the $\gamma$ and $\beta$ that undo the layer exactly in the first case, and for one given
batch in the second. Then write `training_error`, to see what these do to another batch.

*Hint:* given `None` for both running statistics, `F.batch_norm` in training measures the batch and
updates nothing.
"""

# %%
import torch
from torch import Tensor
from torch.nn import functional as F

from autograder import expect


# %% solution
def undo_at_inference(
    running_mean: Tensor, running_var: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The gamma and beta with which a layer in evaluation mode returns its input, whatever it is.

    All tensors have shape (C,). The running statistics stay as they are.
    """
    ### BEGIN SOLUTION
    return torch.sqrt(running_var + eps), running_mean
    ### END SOLUTION


# %% solution
def undo_for_batch(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The gamma and beta, shape (C,), with which a layer in training returns this batch `x`.

    `x` has shape (N, C), and stays as it is.
    """
    ### BEGIN SOLUTION
    return torch.sqrt(x.var(dim=0, unbiased=False) + eps), x.mean(dim=0)
    ### END SOLUTION


# %% solution
def training_error(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> float:
    """How far from `x`, shape (N, C), a layer with this gamma and beta is in training.

    The largest absolute difference between an output and its input: 0 if the layer is undone.
    """
    ### BEGIN SOLUTION
    y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    return (y - x).abs().max().item()
    ### END SOLUTION


# %% check
# Variance 6 and eps 3: the root is 3.
pair = undo_at_inference(torch.tensor([5.0]), torch.tensor([6.0]), 3.0)
expect.kind(pair, (tuple, list), when="undoing a layer with running mean 5, variance 6, eps 3")
expect.equal(len(pair), 2, when="counting what came back: gamma and beta")
for name, parameter, wanted in zip(("gamma", "beta"), pair, (3.0, 5.0), strict=True):
    expect.close(
        parameter,
        [wanted],
        when=f"reading {name} for running mean 5, running variance 6 and eps 3",
        think="The layer subtracts 5 and divides by 3. What brings its input back?",
    )

# %% check
# 4 and 6 have mean 5 and variance 1; with eps = 3 the root is 2.
pair = undo_for_batch(torch.tensor([[4.0], [6.0]]), 3.0)
expect.kind(pair, (tuple, list), when="undoing the layer for the batch 4, 6 with eps 3")
expect.equal(len(pair), 2, when="counting what came back: gamma and beta")
for name, parameter, wanted in zip(("gamma", "beta"), pair, (2.0, 5.0), strict=True):
    expect.close(
        parameter,
        [wanted],
        when=f"reading {name} for the batch 4, 6 with eps 3",
        think="In training the layer subtracts 5 and divides by 2. What brings 4 and 6 back?",
    )

# %% check
# The same gamma and beta map the batch 11, 13 to 4, 6 as well: each output is off by 7.
gamma, beta = torch.tensor([2.0]), torch.tensor([5.0])
for batch, error in (((4.0, 6.0), 0.0), ((11.0, 13.0), 7.0)):
    expect.close(
        training_error(torch.tensor(batch)[:, None], gamma.clone(), beta.clone(), 3.0),
        error,
        rtol=1e-5,  # float32
        when=f"sending {batch[0]:.0f}, {batch[1]:.0f} through a layer that undoes 4, 6",
        think="In training every batch is measured anew; gamma and beta stay 2 and 5.",
    )

# %% hidden aspect="at inference the layer returns whatever goes in" points=1
torch.manual_seed(1)
# eps is too small to be seen here.
mean, var = 3 * torch.randn(3).double(), torch.tensor([0.5, 4.0, 9.0]).double()
given = mean.clone(), var.clone()
with expect.unchanged(
    running_mean=given[0],
    running_var=given[1],
    when="undoing a layer at inference",
    think="The layer goes on using its running statistics: `a += b` writes into them.",
):
    pair = undo_at_inference(*given, 1e-12)
expect.kind(pair, (tuple, list), when="undoing a layer of three features at inference")
for name, parameter in zip(("gamma", "beta"), pair, strict=False):
    expect.shape(parameter, (3,), when=f"reading {name} for three features")
for n in (6, 1):
    x = 5 * torch.randn(n, 3, dtype=torch.float64)
    x_hat = F.batch_norm(x, mean, var, training=False, eps=1e-12)
    expect.close(
        pair[0] * x_hat + pair[1],
        x,
        when=f"sending {n} random samples through the layer in evaluation mode",
        think="The layer subtracts the running mean, then divides. Do both backwards.",
    )

# %% hidden aspect="in training the layer returns the one batch it was made for" points=1
torch.manual_seed(2)
# Five samples: the unbiased variance is a quarter larger. eps is too small to be seen.
x = torch.tensor([0.5, 2.0, 5.0]) * torch.randn(5, 3, dtype=torch.float64) + 4
given = x.clone()
with expect.unchanged(
    x=given,
    when="undoing a layer for one batch",
    think="The batch still has to go through the layer: `a -= b` writes into it.",
):
    pair = undo_for_batch(given, 1e-12)
expect.kind(pair, (tuple, list), when="undoing a layer for a batch of five samples")
for name, parameter in zip(("gamma", "beta"), pair, strict=False):
    expect.shape(parameter, (3,), when=f"reading {name} for three features")
expect.close(
    pair[0] * F.batch_norm(x, None, None, training=True, eps=1e-12) + pair[1],
    x,
    when="sending the batch that was undone through the layer in training mode",
    think="Which variance does batch norm divide this batch by: over N or over N - 1?",
)

# %% hidden aspect="gamma makes up for eps, too" points=1
mean, var = torch.tensor([1.0, -2.0]).double(), torch.tensor([1e-4, 0.3]).double()
pair = undo_at_inference(mean, var.clone(), 0.1)
expect.kind(pair, (tuple, list), when="undoing a layer with eps 0.1 at inference")
expect.close(
    pair[0],
    torch.sqrt(var + 0.1),
    when="reading gamma for running variances 0.0001 and 0.3 and an eps of 0.1",
    think="The layer does not divide by sigma alone. What else is under its root?",
)
pair = undo_for_batch(torch.tensor([[2.0], [4.0]]).double(), 1e8)
expect.kind(pair, (tuple, list), when="undoing a layer with eps 1e8 for one batch")
expect.close(
    pair[0],
    [1e4],
    rtol=1e-6,  # what any variance near 1 adds to 1e8 is out of sight
    when="reading gamma for the batch 2, 4 and an eps of 1e8, far larger than the variance",
    think="The layer divides by the root of variance plus eps, here by about 1e4.",
)

# %% hidden aspect="the error is the largest one that a layer in training makes" points=1
torch.manual_seed(3)
x = 2 * torch.randn(6, 4, dtype=torch.float64) + 1
gamma, beta = 1 + torch.rand(4).double(), torch.randn(4).double()
y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=0.1)
# Mirrored as well, so that the largest difference is once above 0 and once below.
for sign, name in ((1, "a random batch"), (-1, "the same batch mirrored")):
    expect.close(
        training_error(sign * x, gamma.clone(), sign * beta, 0.1),
        (y - x).abs().max().item(),
        when=f"measuring the error on {name} of 6 samples with 4 features, eps 0.1",
        think="The layer measures this batch itself. Of all its differences, the largest counts.",
    )
mean, var = x.mean(dim=0), x.var(dim=0, unbiased=False)
expect.close(
    training_error(x.clone(), torch.sqrt(var + 0.1), mean, 0.1),
    0.0,
    when="measuring the error on a batch with the gamma and beta that undo it",
    think="For this batch alone the layer in training is the identity.",
)

# %% setup
import torch
from torch import nn
from torch.nn import functional as F

# %% choice [markdown] id="a-way-back" points=1
r"""
A layer that can be undone looks pointless. Why is it good that $\gamma$ and $\beta$ are able to?

- [x] Where the next layer needs another mean and spread, these two can be learned.
  > Yes: normalizing takes nothing away that the network could express, and each feature's scale
  > and shift become two plain parameters.
- [ ] They cancel the statistics of each training batch, so training is as if without the layer.
  > Two fixed numbers a feature cannot follow statistics that change with the batch: that is
  > what `training_error` measures on another batch.
- [ ] They are driven towards $\sigma$ and $\mu$, so the finished network can do without the layer.
  > They go where the loss falls. Undoing the layer is one of the things they can do, no goal.
- [ ] They hold the mean and variance seen in training, for when there is no batch to measure.
  > Those are the running statistics: averages, not parameters. gamma and beta are learned.
"""

# %% evidence
x = 2 + 3 * torch.randn(64, 1, dtype=torch.float64)
layer = nn.BatchNorm1d(1, momentum=None).double()  # running averages over all batches
plain = layer(x)
assert plain.mean().abs() < 1e-9  # without gamma and beta no other mean can be had
assert abs(layer.running_mean.item() - x.mean().item()) < 1e-9  # which beta knows nothing of
assert layer.bias.item() == 0
# Learned, they go to the mean and spread that the loss asks for, not to those of x.
optimizer = torch.optim.SGD(layer.parameters(), lr=0.2)
for _ in range(100):
    optimizer.zero_grad()
    (layer(x) - (0.5 * plain.detach() - 7)).square().mean().backward()
    optimizer.step()
assert abs(layer.weight.item() - 0.5) < 1e-6
assert abs(layer.bias.item() + 7) < 1e-6
# What undoes one batch does not undo another one.
gamma, beta = torch.sqrt(x.var(dim=0, unbiased=False) + 1e-5), x.mean(dim=0)
for other, undone in ((x, True), (x + 5, False), (2 * x, False)):
    y = F.batch_norm(other, None, None, gamma, beta, training=True)
    assert bool((y - other).abs().max() < 1e-6) is undone

# %% text [markdown] id="in-your-words" points=1
r"""
In your own words, in two sentences: what do $\gamma$ and $\beta$ make possible at inference that they
cannot do in training, and why not there?

- [1] At inference the layer is a fixed map, so two fixed numbers a feature can undo it; in training the statistics change with every batch, and fixed numbers cannot follow them.
"""

# %% evidence
layer = nn.BatchNorm1d(2, eps=1e-3).double().eval()
layer.running_mean.copy_(torch.randn(2))
layer.running_var.copy_(torch.rand(2) + 0.1)
with torch.no_grad():
    layer.weight.copy_(torch.sqrt(layer.running_var + 1e-3))
    layer.bias.copy_(layer.running_mean)
x = 3 * torch.randn(50, 2, dtype=torch.float64) + 2
assert torch.allclose(layer(x), x)  # undone, for any input
layer.train()
assert (layer(x) - x).abs().max() > 0.1  # and for this batch not, in training


# %% alternative of="undo_at_inference"
def with_a_power(running_mean, running_var, eps):
    return [(running_var + eps) ** 0.5, running_mean.clone()]


# %% alternative of="undo_for_batch"
def with_norms(x, eps):
    mean = x.sum(0) / len(x)
    return torch.sqrt(torch.linalg.vector_norm(x - mean, dim=0) ** 2 / len(x) + eps), mean


# %% alternative of="training_error"
def with_a_module(x, gamma, beta, eps):
    layer = torch.nn.BatchNorm1d(x.shape[1], eps=eps, dtype=x.dtype)
    with torch.no_grad():
        layer.weight.copy_(gamma)
        layer.bias.copy_(beta)
        return torch.dist(layer(x), x, p=float("inf"))


# %% mistake of="undo_at_inference" fails="at inference the layer returns whatever goes in"
def subtracts_the_mean_again(running_mean, running_var, eps):
    """The layer has subtracted the mean; to undo it, add it."""
    return torch.sqrt(running_var + eps), -running_mean


# %% mistake of="undo_at_inference" fails="at inference the layer returns whatever goes in"
def leaves_the_mean_out(running_mean, running_var, eps):
    """Scale alone brings back the spread; the mean that was subtracted has to be added."""
    return torch.sqrt(running_var + eps), torch.zeros_like(running_mean)


# %% mistake of="undo_at_inference" fails="at inference the layer returns whatever goes in; gamma makes up for eps, too"
def divides_once_more(running_mean, running_var, eps):
    """The layer divides by the root; to undo that, multiply by it."""
    return 1 / torch.sqrt(running_var + eps), running_mean


# %% mistake of="undo_at_inference" fails="gamma makes up for eps, too"
def takes_gamma_for_sigma(running_mean, running_var, eps):
    """gamma = sigma is right for eps = 0 only: the layer divides by the root of variance plus eps."""
    return torch.sqrt(running_var), running_mean


# %% mistake of="undo_for_batch" fails="gamma makes up for eps, too"
def takes_gamma_for_the_sigma_of_the_batch(x, eps):
    """gamma = sigma is right for eps = 0 only: the layer divides by the root of variance plus eps."""
    return x.std(dim=0, unbiased=False), x.mean(dim=0)


# %% mistake of="undo_for_batch" fails="in training the layer returns the one batch it was made for"
def takes_the_unbiased_variance(x, eps):
    """The batch is normalized with the biased variance, so that is what has to be undone."""
    return torch.sqrt(x.var(dim=0) + eps), x.mean(dim=0)


# %% mistake of="undo_for_batch" fails="in training the layer returns the one batch it was made for"
def measures_the_whole_batch_at_once(x, eps):
    """Each feature was normalized with its own mean and variance: undo each with its own."""
    c = x.shape[1]
    return torch.sqrt(x.var(unbiased=False) + eps).expand(c), x.mean().expand(c)


# %% mistake of="training_error" fails="the error is the largest one that a layer in training makes"
def measures_in_evaluation_mode(x, gamma, beta, eps):
    """At inference the layer is undone for any batch; in training it measures each batch anew."""
    y = F.batch_norm(x, beta, gamma**2 - eps, gamma, beta, training=False, eps=eps)
    return (y - x).abs().max().item()


# %% mistake of="training_error" fails="the error is the largest one that a layer in training makes"
def forgets_the_sign(x, gamma, beta, eps):
    """A difference far below 0 is an error as well: the largest absolute value counts."""
    y = F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)
    return (y - x).max().item()


# %% mistake of="training_error" fails="the error is the largest one that a layer in training makes"
def leaves_eps_at_its_default(x, gamma, beta, eps):
    """F.batch_norm has an eps of its own, 1e-5; the one that was asked for has to be passed on."""
    y = F.batch_norm(x, None, None, gamma, beta, training=True)
    return (y - x).abs().max().item()
