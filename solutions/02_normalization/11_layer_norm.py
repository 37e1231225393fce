# %% exercise [markdown] items="73" stars=1 minutes=20 level="apply" goal="normalize over features, with and without taking the mean away" forbid="layer_norm rms_norm group_norm instance_norm batch_norm"
r"""
# Layer normalization and RMSNorm
Batch normalization lets the rest of the batch decide what becomes of a sample, and puts running
averages in its place at inference; where sentences are short and long, these fit none of them.
*Layer normalization* measures each row over its own $d$ features, in training and at inference:

$$ y_j = \gamma_j\,\frac{x_j - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta_j, \qquad
   \mu = \frac{1}{d}\sum_j x_j, \quad \sigma^2 = \frac{1}{d}\sum_j (x_j - \mu)^2 $$

*RMSNorm* keeps the scaling and drops everything that has to do with the mean:

$$ y_j = \gamma_j\,\frac{x_j}{\sqrt{\frac{1}{d}\sum_k x_k^2 + \varepsilon}} $$

BERT, GPT-2 and ViT use layer normalization; LLaMA and many language models since use RMSNorm.
Lists that put LLaMA under layer normalization mix up the two.

Write both with tensors only. A row is whatever runs along the **last** dimension; there may be any
number of dimensions before it.
"""

# %%
import torch
from torch import Tensor

from autograder import expect


# %% solution
def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalize `x`, shape (*, d), over its last dimension.

    `gamma` and `beta`, shape (d,), then scale and shift each feature.
    """
    ### BEGIN SOLUTION
    mean = x.mean(dim=-1, keepdim=True)
    var = x.var(dim=-1, unbiased=False, keepdim=True)
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta
    ### END SOLUTION


# %% solution
def rms_norm(x: Tensor, gamma: Tensor, eps: float = 1e-5) -> Tensor:
    """Divide `x`, shape (*, d), by the root mean square of its last dimension.

    `gamma`, shape (d,), then scales each feature.
    """
    ### BEGIN SOLUTION
    mean_square = x.square().mean(dim=-1, keepdim=True)
    return gamma * x / torch.sqrt(mean_square + eps)
    ### END SOLUTION


# %% check
# Mean 6, deviations -6, 2, 2, 2, variance 12: with eps = 4 the root is exactly 4.
row = torch.tensor([[0.0, 8.0, 8.0, 8.0]])
y = layer_norm(row, torch.tensor([2.0, 2.0, 4.0, 6.0]), torch.ones(4), eps=4.0)
expect.close(
    y,
    [[-2.0, 2.0, 3.0, 4.0]],
    when="layer-normalizing 0, 8, 8, 8 with eps 4, gamma 2, 2, 4, 6 and beta 1",
    think="Every row has a mean and a variance of its own. Is the sum of squares divided by d?",
)

# %% check
# The mean of 1 and 49 is 25: with eps = 11 the root is exactly 6.
y = rms_norm(torch.tensor([[1.0, 7.0]]), torch.tensor([12.0, 6.0]), eps=11.0)
expect.close(
    y,
    [[2.0, 7.0]],
    when="RMS-normalizing 1, 7 with eps 11 and gamma 12, 6",
    think="First square, then take the mean, then the root. Where does eps go?",
)

# %% check
# A row of equal numbers shows the difference: one norm sees nothing in it, the other its size.
expect.close(
    layer_norm(torch.full((4,), 3.0), torch.ones(4), torch.zeros(4)),
    [0.0, 0.0, 0.0, 0.0],
    when="layer-normalizing 3, 3, 3, 3",
    think="How far is each entry from the mean of its row?",
)
expect.close(
    rms_norm(torch.full((4,), 3.0), torch.ones(4), eps=0.0),
    [1.0, 1.0, 1.0, 1.0],
    when="RMS-normalizing 3, 3, 3, 3 with eps 0",
    think="What is the root mean square of 3, 3, 3, 3?",
)

# %% [markdown]
# One question on what you have built.

# %% setup
import torch
from torch.nn import functional as F

# %% choice [markdown] id="shift-and-scale" points=1
r"""
In one trial, 5 is added to every entry of a row before it is normalized; in another, every entry
is multiplied by 5. When does the norm give what it gave for the row as it was? ($\gamma$ is 1,
$\beta$ is 0, and $\varepsilon$ is negligible.)

- [x] Layer norm: in both trials. RMSNorm: if multiplied.
  > Yes. Both divide by the size of the row; only layer norm takes the mean away first.
- [ ] Layer norm: in both trials. RMSNorm: in both trials.
  > RMSNorm of 3, 3, 3, 3 is 1, 1, 1, 1. What is it for -1, 3 and what for 4, 8?
- [ ] Layer norm: if added. RMSNorm: if multiplied.
  > Multiply a row by 5: its deviations from the mean grow by 5. By what are they divided?
- [ ] Layer norm: if multiplied. RMSNorm: if added.
  > A constant added to a row is in its mean too. Which of the two subtracts a mean?
"""

# %% evidence
x = torch.randn(6, 8, dtype=torch.float64)
outcome = {}
for name, norm in {"layer": F.layer_norm, "rms": F.rms_norm}.items():
    before = norm(x, [8], eps=1e-15)
    for change, changed in {"increased": x + 5, "multiplied": 5 * x}.items():
        outcome[name, change] = torch.allclose(norm(changed, [8], eps=1e-15), before, rtol=1e-6)
assert [k for k, same in outcome.items() if not same] == [("rms", "increased")], outcome

# %% hidden aspect="layer_norm brings each row to mean 0 and biased variance 1" points=1
torch.manual_seed(1)
# A square matrix hides a forgotten keepdim from an error; four features show a division by d - 1.
for shape in [(4, 4), (2, 3, 6), (5,)]:
    x, d = 3 * torch.randn(shape, dtype=torch.float64) + 2, shape[-1]
    ones, zeros = torch.ones(d, dtype=torch.float64), torch.zeros(d, dtype=torch.float64)
    expect.close(
        layer_norm(x.clone(), ones, zeros, eps=1e-12),
        torch.nn.functional.layer_norm(x, [d], eps=1e-12),
        when=f"layer-normalizing numbers of shape {shape}, gamma 1 and beta 0",
        think="The mean and the variance run along the last dimension, and this one divides by d.",
    )

# %% hidden aspect="rms_norm divides each row by its root mean square" points=1
torch.manual_seed(2)
for shape in [(4, 4), (2, 3, 6), (5,)]:
    x, d = torch.randn(shape, dtype=torch.float64) + 2, shape[-1]
    expect.close(
        rms_norm(x.clone(), torch.ones(d, dtype=torch.float64), eps=1e-12),
        torch.nn.functional.rms_norm(x, [d], eps=1e-12),
        when=f"RMS-normalizing numbers of shape {shape} whose mean is near 2, gamma 1",
        think="Nothing is subtracted, and the mean of the squares is one number for each row.",
    )

# %% hidden aspect="gamma scales each feature, beta shifts it" points=1
torch.manual_seed(3)
for shape in [(3, 3), (4, 2, 3)]:
    x = 2 * torch.randn(shape, dtype=torch.float64)
    gamma, beta = torch.randn(2, 3, dtype=torch.float64).unbind()
    ones, zeros = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    plain = layer_norm(x.clone(), ones.clone(), zeros.clone())
    expect.close(
        layer_norm(x.clone(), gamma.clone(), beta.clone()),
        gamma * plain + beta,
        when=f"comparing layer_norm with gamma * x_hat + beta, shape {shape}",
        think="Each feature has a scale and a shift of its own, the same in every row.",
    )
    plain = rms_norm(x.clone(), ones.clone())
    expect.close(
        rms_norm(x.clone(), gamma.clone()),
        gamma * plain,
        when=f"comparing rms_norm with gamma * x_hat, shape {shape}",
        think="Each feature has a scale of its own, the same in every row.",
    )

# %% hidden aspect="eps is added under the root, in both norms" points=1
# 0.01 + 0.15 = 0.4². The row is so long that dividing by d or by d - 1 is all the same.
d = 20_000
row = torch.full((1, d), 0.1, dtype=torch.float64)
row[:, ::2] *= -1
ones, zeros = torch.ones(d, dtype=torch.float64), torch.zeros(d, dtype=torch.float64)
think = "eps keeps the root away from zero. Is it added before or after taking the root?"
expect.close(
    layer_norm(row.clone(), ones.clone(), zeros, eps=0.15),
    row / 0.4,
    rtol=1e-3,  # d / (d - 1) is 1 to 5e-5
    when="layer-normalizing many 0.1 and -0.1, mean 0 and variance 0.01, with eps 0.15",
    think=think,
)
expect.close(
    rms_norm(row.clone(), ones.clone(), eps=0.15),
    row / 0.4,
    rtol=1e-3,
    when="RMS-normalizing many 0.1 and -0.1, mean square 0.01, with eps 0.15",
    think=think,
)

# %% hidden aspect="gradients pass through the statistics" points=1
torch.manual_seed(4)
x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
gamma = torch.randn(4, dtype=torch.float64, requires_grad=True)
beta = torch.randn(4, dtype=torch.float64, requires_grad=True)
think = "What is detached, converted or written in place is out of reach for the backward pass."
for name, out in (
    ("layer_norm", layer_norm(x, gamma, beta, eps=0.1)),
    ("rms_norm", rms_norm(x, gamma, eps=0.1)),
):
    expect.true(
        not torch.equal(out, x),
        when=f"normalizing numbers whose gradient will be asked for, with {name}",
        wanted="other numbers",
        got="the ones that went in",
        think="What passes numbers on has an easy gradient, but another one.",
    )
expect.gradient(
    lambda *inputs: layer_norm(*inputs, eps=0.1),
    x,
    gamma,
    beta,
    when="comparing layer_norm's backward pass with finite differences",
    think=think,
)
expect.gradient(
    lambda *inputs: rms_norm(*inputs, eps=0.1),
    x,
    gamma,
    when="comparing rms_norm's backward pass with finite differences",
    think=think,
)


# %% alternative of="layer_norm"
def with_sums(x, gamma, beta, eps=1e-5):
    d = x.size(-1)
    centred = x - x.sum(-1, keepdim=True) / d
    var = (centred * centred).sum(-1, keepdim=True) / d
    return torch.addcmul(beta, centred * torch.rsqrt(var + eps), gamma)


# %% alternative of="layer_norm"
def with_var_mean(x, gamma, beta, eps=1e-5):
    var, mean = torch.var_mean(x, dim=-1, correction=0)
    std = (var[..., None] + eps) ** 0.5
    return (x - mean.unsqueeze(-1)) / std * gamma + beta


# %% alternative of="rms_norm"
def with_a_vector_norm(x, gamma, eps=1e-5):
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * gamma * (norm**2 / x.shape[-1] + eps).rsqrt()


# %% mistake of="layer_norm" fails="layer_norm brings each row to mean 0 and biased variance 1"
def normalizes_with_the_unbiased_variance(x, gamma, beta, eps=1e-5):
    """Tensor.var divides by d - 1 unless told otherwise; layer normalization divides by d."""
    mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True)
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="layer_norm" fails="layer_norm brings each row to mean 0 and biased variance 1"
def measures_all_but_the_first_dimension(x, gamma, beta, eps=1e-5):
    """A word has its own statistics: only the last dimension is measured, not the whole sample."""
    dims = tuple(range(1, x.ndim)) or (0,)
    mean = x.mean(dims, keepdim=True)
    var = x.var(dims, unbiased=False, keepdim=True)
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="layer_norm" fails="layer_norm brings each row to mean 0 and biased variance 1; eps is added under the root, in both norms"
def measures_the_batch(x, gamma, beta, eps=1e-5):
    """Statistics over dimension 0 are batch normalization; layer normalization follows a row."""
    mean, var = x.mean(0, keepdim=True), x.var(0, unbiased=False, keepdim=True)
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="layer_norm" fails="gamma scales each feature, beta shifts it"
def shifts_before_it_scales(x, gamma, beta, eps=1e-5):
    """The shift comes after the scale: gamma * x_hat + beta."""
    mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return gamma * ((x - mean) / torch.sqrt(var + eps) + beta)


# %% mistake of="layer_norm" fails="eps is added under the root, in both norms"
def adds_eps_to_the_standard_deviation(x, gamma, beta, eps=1e-5):
    """eps is added to the variance, under the root: there 1e-5 keeps the divisor above 0.003."""
    mean, std = x.mean(-1, keepdim=True), x.std(-1, unbiased=False, keepdim=True)
    return gamma * (x - mean) / (std + eps) + beta


# %% mistake of="layer_norm" fails="gradients pass through the statistics"
def treats_the_statistics_as_constants(x, gamma, beta, eps=1e-5):
    """Mean and variance are functions of x; under no_grad they lose their part of the gradient."""
    with torch.no_grad():
        mean, var = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="layer_norm" fails="gradients pass through the statistics"
def centres_in_place(x, gamma, beta, eps=1e-5):
    """`x -= mean` writes into the caller's tensor; `x - mean` makes a new one."""
    var = x.var(-1, unbiased=False, keepdim=True)
    x -= x.mean(-1, keepdim=True)
    return gamma * x / torch.sqrt(var + eps) + beta


# %% mistake of="rms_norm" fails="rms_norm divides each row by its root mean square"
def subtracts_the_mean_first(x, gamma, eps=1e-5):
    """RMSNorm leaves the mean where it is; with the mean taken away it is layer normalization."""
    x = x - x.mean(-1, keepdim=True)
    return gamma * x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


# %% mistake of="rms_norm" fails="rms_norm divides each row by its root mean square"
def divides_by_the_standard_deviation(x, gamma, eps=1e-5):
    """The root mean square contains the mean; the standard deviation has it taken out."""
    return gamma * x / torch.sqrt(x.var(-1, unbiased=False, keepdim=True) + eps)


# %% mistake of="rms_norm" fails="rms_norm divides each row by its root mean square; eps is added under the root, in both norms"
def divides_by_the_length(x, gamma, eps=1e-5):
    """The squares are averaged, not added up: else wide layers would get small activations."""
    return gamma * x / torch.sqrt(x.square().sum(-1, keepdim=True) + eps)


# %% mistake of="rms_norm" fails="gamma scales each feature, beta shifts it"
def forgets_gamma(x, gamma, eps=1e-5):
    """RMSNorm has no shift, but it has a scale for each feature."""
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


# %% mistake of="rms_norm" fails="eps is added under the root, in both norms"
def takes_the_larger_of_rms_and_eps(x, gamma, eps=1e-5):
    """eps is added to the mean square, so that the norm stays smooth; it is no lower bound."""
    return gamma * x / torch.sqrt(x.square().mean(-1, keepdim=True).clamp(min=eps))
