# %% exercise [markdown] items="17 70" stars=2 minutes=40 level="apply" goal="write batch normalization that does the right thing in training and at inference" forbid="batch_norm instance_norm layer_norm group_norm"
r"""
# Batch normalization, forward
A layer whose inputs drift from step to step keeps re-learning what it already knew. *Batch
normalization* measures each feature over the mini-batch, brings it to mean 0 and variance 1, and
lets the network choose scale and shift again:

$$ \hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad y_i = \gamma\,\hat{x}_i + \beta $$

At inference there may be no batch to measure, so training keeps running averages for later.

Write `manual_batch_norm` with tensors only, so that it does what `nn.BatchNorm1d` does:

- it normalizes with the *biased* variance: the sum of squares divided by $N$;
- `running_var` averages the *unbiased* variance: the sum divided by $N - 1$;
- `momentum` is the weight of the **new** batch: `new = (1 - momentum) * old + momentum * batch`.
  Some texts give that name to the weight of the old one: their 0.9 is PyTorch's 0.1.

*Hint:* a buffer that is updated "in place" is the caller's own tensor, changed: `buffer.copy_(...)`.
"""

# %%
import torch
from torch import Tensor

from autograder import expect


# %% solution
def manual_batch_norm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Normalize each of the C features of `x`, shape (N, C), then scale by gamma and shift by beta.

    Training: uses the statistics of the batch, and updates `running_mean` and `running_var`
    in place. A batch of one has no variance to average: raise a ValueError.
    Evaluation: uses the running statistics and leaves them as they are.
    """
    ### BEGIN SOLUTION
    if training:
        if len(x) < 2:
            raise ValueError("training needs at least two samples in a batch")
        mean, var = x.mean(dim=0), x.var(dim=0, unbiased=False)
        with torch.no_grad():
            running_mean.copy_((1 - momentum) * running_mean + momentum * mean)
            running_var.copy_((1 - momentum) * running_var + momentum * x.var(dim=0))
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta
    ### END SOLUTION


# %% check
# Mean 4, deviations -3, -1, 1, 3, variance 5: with eps = 4 the root is exactly 3.
column = torch.tensor([[1.0], [3.0], [5.0], [7.0]])
mean, var = torch.zeros(1), torch.ones(1)
y = manual_batch_norm(column, torch.tensor([3.0]), torch.tensor([10.0]), mean, var, eps=4.0)
expect.close(
    y,
    [[7.0], [9.0], [11.0], [13.0]],
    when="normalizing 1, 3, 5, 7 with eps 4, gamma 3 and beta 10",
    think="Is eps inside the root? Is the sum of squares divided by 4 or by 3?",
)
expect.close(
    mean,
    [0.4],
    when="looking at running_mean, which was 0, after a batch of mean 4",
    think="Is the tensor that was passed in written to, or is a new one made?",
)

# %% check
# At inference: (5 - 1) / sqrt(3 + 1) = 2, whatever else is in the batch.
mean, var = torch.tensor([1.0]), torch.tensor([3.0])
y = manual_batch_norm(
    torch.tensor([[5.0]]), torch.ones(1), torch.zeros(1), mean, var, training=False, eps=1.0
)
expect.close(
    y,
    [[2.0]],
    when="evaluating a single 5 with running mean 1, running variance 3 and eps 1",
    think="Which statistics are there when the batch is one sample?",
)

# %% hidden aspect="in training, each feature is brought to mean 0 and biased variance 1" points=2
from autograder import reference

torch.manual_seed(1)
# Five samples: dividing by 4 in place of 5 shows. One feature hardly varies, and eps is too small
# to hide anything beside its variance of 1e-6.
x = torch.tensor([5.0, 1e-3, 2.0]) * torch.randn(5, 3, dtype=torch.float64) + 3
zeros, ones = torch.zeros(3).double(), torch.ones(3).double()
expect.close(
    manual_batch_norm(x, ones.clone(), zeros, zeros.clone(), ones.clone(), eps=1e-18),
    reference.manual_batch_norm(x, ones, zeros, zeros.clone(), ones.clone(), eps=1e-18),
    when="normalizing five samples of three features, gamma 1 and beta 0",
    think="Each column has a mean and a variance of its own, and this variance divides by N.",
)

# %% hidden aspect="gamma scales each feature, beta shifts it" points=2
torch.manual_seed(2)
x, gamma, beta = 2 * torch.randn(6, 4).double(), torch.randn(4).double(), torch.randn(4).double()
zeros, ones = torch.zeros(4).double(), torch.ones(4).double()
for training in (True, False):
    mode = "training" if training else "evaluation"
    buffers = zeros.clone(), ones.clone()
    plain = manual_batch_norm(x, ones.clone(), zeros, *buffers, training=training)
    buffers = zeros.clone(), ones.clone()
    expect.close(
        manual_batch_norm(x, gamma.clone(), beta.clone(), *buffers, training=training),
        gamma * plain + beta,
        when=f"comparing the output for some gamma and beta with gamma * x_hat + beta, in {mode}",
        think="The network learned one scale and one shift a feature, and needs them in both modes.",
    )

# %% hidden aspect="eps is added to the variance, under the root" points=1
# Evaluation with a given variance of 0.01 shows eps alone.
x = torch.tensor([[0.3], [-0.1]], dtype=torch.float64)
one = torch.ones(1, dtype=torch.float64)
expect.close(
    manual_batch_norm(x, one.clone(), 0 * one, 0 * one, 0.01 * one, training=False, eps=0.15),
    x / 0.4,
    when="evaluating with running mean 0, running variance 0.01 and eps 0.15",
    think="eps keeps the root away from zero. Is it added before or after taking the root?",
)
pair = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
expect.close(
    manual_batch_norm(pair, one.clone(), 0 * one, 0 * one, one.clone(), eps=1e8),
    pair / 1e4,
    rtol=1e-6,  # what any variance near 1 adds to 1e8 is out of sight
    when="training on 1 and -1 with an eps of 1e8, far larger than the variance",
    think="The root of 1e8 is 1e4. Is eps in this formula, and under its root?",
)

# %% hidden aspect="running_mean averages the means of the batches" points=2
torch.manual_seed(3)
mean, var, wanted = torch.full((3,), 7.0).double(), torch.ones(3).double(), 7.0
for step in range(3):
    x = torch.randn(4, 3, dtype=torch.float64) + step
    manual_batch_norm(x, torch.ones(3), torch.zeros(3), mean, var, momentum=0.3)
    wanted = 0.7 * wanted + 0.3 * x.mean(dim=0)
expect.close(
    mean,
    wanted,
    when="looking at running_mean, which was 7, after three batches with momentum 0.3",
    think="PyTorch's momentum is the weight of the new batch, and the buffer belongs to the caller.",
)

# %% hidden aspect="running_var averages the unbiased variances of the batches" points=2
torch.manual_seed(4)
mean, var, wanted = torch.zeros(3).double(), torch.full((3,), 9.0).double(), 9.0
for step in range(3):
    # Five samples: the biased variance is a fifth smaller.
    x = (step + 1) * torch.randn(5, 3, dtype=torch.float64)
    manual_batch_norm(x, torch.ones(3), torch.zeros(3), mean, var, momentum=0.3)
    wanted = 0.7 * wanted + 0.3 * x.var(dim=0)
expect.close(
    var,
    wanted,
    when="looking at running_var, which was 9, after three batches with momentum 0.3",
    think="Inference wants an estimate for data never seen, so this sum is divided by N - 1.",
)

# %% hidden aspect="evaluation uses the running statistics, whatever the batch" points=2
from autograder import reference

torch.manual_seed(5)
x = 4 * torch.randn(6, 3, dtype=torch.float64)
gamma, beta, mean = torch.randn(3, 3, dtype=torch.float64).unbind()
var = torch.tensor([0.5, 2.0, 8.0], dtype=torch.float64)
arguments = gamma, beta, mean, var
for batch in (x, x[:1]):
    own = [a.clone() for a in arguments]
    expect.close(
        manual_batch_norm(batch, *own, training=False, eps=1e-12),
        reference.manual_batch_norm(batch, *arguments, training=False, eps=1e-12),
        when=f"evaluating a batch of {len(batch)} with given running statistics",
        think="A prediction must not depend on who else is in the batch.",
    )

# %% hidden aspect="evaluation leaves the running statistics alone" points=1
torch.manual_seed(6)
x, mean, var = torch.randn(8, 2), torch.tensor([1.0, -1.0]), torch.tensor([2.0, 3.0])
with expect.unchanged(
    running_mean=mean,
    running_var=var,
    when="evaluating a batch",
    think="A served model that learns from its requests drifts away.",
):
    out = manual_batch_norm(x, torch.ones(2), torch.zeros(2), mean, var, training=False)
expect.shape(out, (8, 2), when="evaluating a batch of eight")

# %% hidden aspect="gradients pass through the statistics of the batch" points=2
torch.manual_seed(7)
x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
weight = torch.randn(4, 2, dtype=torch.float64)
ones, zeros = torch.ones(2).double(), torch.zeros(2).double()
(weight * manual_batch_norm(x, ones, zeros, zeros.clone(), ones.clone())).sum().backward()
expect.true(
    x.grad is not None,
    when="calling backward on the output",
    wanted="a gradient in x",
    got="none",
    think="Does something cut the graph: detach, item, no_grad, numpy?",
)
expect.close(
    x.grad.sum(dim=0),
    [0.0, 0.0],
    atol=1e-12,
    when="adding up the gradient over the batch",
    think="A shift of all samples changes nothing, so the sum is 0 if the mean has its gradient too.",
)

# %% hidden aspect="training on a batch of one raises a ValueError" points=1
buffers = torch.zeros(3), torch.ones(3)
manual_batch_norm(torch.randn(2, 3), torch.ones(3), torch.zeros(3), *buffers)  # two will do
expect.raises(
    ValueError,
    manual_batch_norm,
    torch.randn(1, 3),
    torch.ones(3),
    torch.zeros(3),
    *buffers,
    when="training on a single sample",
    think="With N = 1 the unbiased variance is 0 / 0.",
)

# %% hidden aspect="x, gamma and beta are left as they were" points=1
torch.manual_seed(8)
x, gamma, beta = torch.randn(5, 2), torch.randn(2), torch.randn(2)
with expect.unchanged(
    x=x,
    gamma=gamma,
    beta=beta,
    when="training on a batch",
    think="`a -= b` writes into the caller's tensor; `a - b` makes a new one.",
):
    out = manual_batch_norm(x, gamma, beta, torch.zeros(2), torch.ones(2))
expect.shape(out, (5, 2), when="training on a batch of five")


# %% alternative of="manual_batch_norm"
def with_sums_and_lerp(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    n = x.shape[0]
    if not training:
        return torch.rsqrt(running_var + eps) * (x - running_mean) * gamma + beta
    if n == 1:
        raise ValueError("one sample")
    mean = x.sum(0, keepdim=True) / n
    centred = x - mean
    var = (centred**2).sum(0) / n
    running_mean.lerp_(mean[0].detach().to(running_mean.dtype), momentum)
    running_var.lerp_((var * n / (n - 1)).detach().to(running_var.dtype), momentum)
    return centred / (var + eps) ** 0.5 * gamma + beta


# %% alternative of="manual_batch_norm"
def with_second_moments(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    if training:
        if x.size(0) <= 1:
            raise ValueError(f"Expected more than 1 value per channel, got {tuple(x.shape)}")
        mean = torch.mean(x, 0)
        var = torch.mean((x - mean).pow(2), 0)
        correction = x.size(0) / (x.size(0) - 1)
        running_mean *= 1 - momentum
        running_mean += momentum * mean.data
        running_var *= 1 - momentum
        running_var += momentum * correction * var.data
    else:
        mean, var = running_mean.clone(), running_var.clone()
    scale = gamma / torch.sqrt(var + eps)
    return scale * x + (beta - scale * mean)


# %% mistake of="manual_batch_norm" fails="in training, each feature is brought to mean 0 and biased variance 1"
def normalizes_with_the_unbiased_variance(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """Tensor.var divides by N - 1 unless told otherwise; the batch itself is normalized with N."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.mean(0), x.var(0)
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * var.detach())
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="in training, each feature is brought to mean 0 and biased variance 1"
def puts_a_floor_under_the_variance(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """eps alone keeps the root away from 0; a floor of one's own flattens features that vary little."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.mean(0), x.var(0, unbiased=False).clamp(min=1e-5)
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="gamma scales each feature, beta shifts it; evaluation uses the running statistics, whatever the batch"
def forgets_gamma_and_beta_at_inference(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """Scale and shift are part of the layer in both modes; only the statistics differ."""
    if not training:
        return (x - running_mean) / torch.sqrt(running_var + eps)
    if len(x) < 2:
        raise ValueError
    mean, var = x.mean(0), x.var(0, unbiased=False)
    running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
    running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="gamma scales each feature, beta shifts it"
def applies_beta_before_gamma(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """The shift comes after the scale: gamma * x_hat + beta, so that beta is the mean."""
    if not training:
        return gamma * (x - running_mean) / torch.sqrt(running_var + eps) + beta
    if len(x) < 2:
        raise ValueError
    mean, var = x.mean(0), x.var(0, unbiased=False)
    running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
    running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    return gamma * ((x - mean) / torch.sqrt(var + eps) + beta)


# %% mistake of="manual_batch_norm" fails="eps is added to the variance, under the root"
def adds_eps_to_the_standard_deviation(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """eps stands under the root with the variance; behind it, 1e-5 guards where 0.003 should."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.mean(0), x.var(0, unbiased=False)
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / (torch.sqrt(var) + eps) + beta


# %% mistake of="manual_batch_norm" fails="running_mean averages the means of the batches; running_var averages the unbiased variances of the batches"
def takes_momentum_for_the_weight_of_the_past(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """In PyTorch momentum is the weight of the new batch; some texts use the letter for the old."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.mean(0), x.var(0, unbiased=False)
        running_mean.copy_(momentum * running_mean + (1 - momentum) * mean.detach())
        running_var.copy_(momentum * running_var + (1 - momentum) * x.var(0).detach())
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="running_mean averages the means of the batches"
def makes_a_new_running_mean(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """An assignment gives a local name to a new tensor; the caller's buffer stays what it was."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.mean(0), x.var(0, unbiased=False)
        running_mean = (1 - momentum) * running_mean + momentum * mean.detach()
        running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="running_var averages the unbiased variances of the batches"
def averages_the_biased_variance(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """The batch is normalized with the biased variance, but the buffer averages the unbiased one."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.mean(0), x.var(0, unbiased=False)
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * var.detach())
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="evaluation uses the running statistics, whatever the batch"
def evaluates_with_the_batch_when_there_is_one(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """At inference the batch is never measured, however large: predictions would leak into it."""
    if training and len(x) < 2:
        raise ValueError
    if training or len(x) > 2:
        mean, var = x.mean(0), x.var(0, unbiased=False)
    else:
        mean, var = running_mean, running_var
    if training:
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="evaluation leaves the running statistics alone"
def keeps_averaging_at_inference(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """The buffers are for inference to read; only training batches may write them."""
    if training and len(x) < 2:
        raise ValueError
    mean, var = x.mean(0), x.var(0, unbiased=False)
    if not training:
        mean, var = running_mean.clone(), running_var.clone()
    if len(x) > 1:
        running_mean.copy_((1 - momentum) * running_mean + momentum * x.mean(0).detach())
        running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="gradients pass through the statistics of the batch"
def treats_the_statistics_as_constants(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """Mean and variance are functions of x; detached, they lose their part of the gradient."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.detach().mean(0), x.detach().var(0, unbiased=False)
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean)
        running_var.copy_((1 - momentum) * running_var + momentum * x.detach().var(0))
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="training on a batch of one raises a ValueError"
def trains_on_a_batch_of_one(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """One sample has no variance: the output is beta, and the buffer is poisoned with NaN."""
    if training:
        mean, var = x.mean(0), x.var(0, unbiased=False)
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    else:
        mean, var = running_mean, running_var
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


# %% mistake of="manual_batch_norm" fails="x, gamma and beta are left as they were"
def folds_the_scale_into_gamma(
    x, gamma, beta, running_mean, running_var, training=True, momentum=0.1, eps=1e-5
):
    """gamma is the network's own parameter; written to in place, it is another at the next step."""
    if training:
        if len(x) < 2:
            raise ValueError
        mean, var = x.mean(0), x.var(0, unbiased=False)
        running_mean.copy_((1 - momentum) * running_mean + momentum * mean.detach())
        running_var.copy_((1 - momentum) * running_var + momentum * x.var(0).detach())
    else:
        mean, var = running_mean, running_var
    gamma /= torch.sqrt(var + eps)
    return gamma * (x - mean) + beta
