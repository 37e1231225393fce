# %% exercise [markdown] items="21" stars=3 minutes=50 level="apply" goal="write a backward pass by hand and verify it with gradcheck" forbid="batch_norm instance_norm layer_norm group_norm"
r"""
# Batch normalization, backward
A wrong backward pass does not crash. The loss still goes down, only slower, and a missing term may
cost a week. So a gradient that was written by hand is never trusted before it was measured.

Write `batch_norm_backward`, which turns $\partial L/\partial y$ into the gradients of $x$, $\gamma$
and $\beta$, from tensors alone: the three terms that you derived, or the closed form. Then make it
part of a `torch.autograd.Function`, so that PyTorch uses it wherever `batch_norm` stands in a
network:

- `forward(ctx, ...)` computes the output and puts aside what `backward` will need. Tensors go into
  `ctx.save_for_backward(...)` and come back as `ctx.saved_tensors`; plain numbers are kept as
  attributes of `ctx`.
- `backward(ctx, dy)` returns one gradient for each argument of `forward`, in their order, and
  `None` for an argument that has none.

The check below verifies your function with `gradcheck`: it moves every input by $10^{-6}$, watches
how far the outputs move, and compares. That takes `float64`. In `float32` the outputs carry seven
digits, a step of $10^{-6}$ drowns in their rounding, and right gradients fail as well.

*Hint:* what does an `eps` of 0.1 change? With $10^{-5}$ a forgotten $\varepsilon$ hides in the
rounding; with 0.1 it shows.
"""

# %%
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect


# %% solution
def batch_norm_backward(
    dy: Tensor, x: Tensor, gamma: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients (dx, dgamma, dbeta) of batch normalization in training, without autograd.

    `dy` and `x` have shape (m, C), `gamma` has shape (C,). A gradient has its tensor's shape.
    """
    ### BEGIN SOLUTION
    std = torch.sqrt(x.var(dim=0, unbiased=False) + eps)
    x_hat = (x - x.mean(dim=0)) / std
    dgamma, dbeta = (dy * x_hat).sum(dim=0), dy.sum(dim=0)
    dx = gamma / std * (dy - dbeta / len(x) - x_hat * dgamma / len(x))
    return dx, dgamma, dbeta
    ### END SOLUTION


# %% check
# Mean 4, variance 5 and eps 4 make the root 3, and x_hat is -1, -1/3, 1/3, 1.
column = torch.tensor([[1.0], [3.0], [5.0], [7.0]], dtype=torch.float64)
upstream = torch.tensor([[0.0], [0.0], [12.0], [0.0]], dtype=torch.float64)
gradients = batch_norm_backward(upstream, column, 3 * torch.ones(1, dtype=torch.float64), eps=4.0)
expect.kind(gradients, (tuple, list), when="looking at what comes back", think="Three tensors.")
expect.equal(len(gradients), 3, when="counting what comes back", think="dx, dgamma, dbeta.")
names, wanted = ("dx", "dgamma", "dbeta"), ([[-2.0], [-8 / 3], [26 / 3], [-4.0]], [4.0], [12.0])
for name, got, right in zip(names, gradients, wanted, strict=True):
    expect.close(
        got,
        right,
        when=f"looking at {name} where 12 arrives at the third of 1, 3, 5, 7, with eps 4, gamma 3",
        think="Which samples take part in this gradient, and by how much?",
    )


# %% solution
class ManualBatchNorm(torch.autograd.Function):
    """Batch normalization in training, with a backward pass written by hand."""

    @staticmethod
    def forward(ctx, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        """The output y; `ctx` keeps what `backward` needs."""
        ### BEGIN SOLUTION
        ctx.save_for_backward(x, gamma)
        ctx.eps = eps
        std = torch.sqrt(x.var(dim=0, unbiased=False) + eps)
        return gamma * (x - x.mean(dim=0)) / std + beta
        ### END SOLUTION

    @staticmethod
    def backward(ctx, dy: Tensor):
        """One gradient for each argument of `forward` after `ctx`."""
        ### BEGIN SOLUTION
        x, gamma = ctx.saved_tensors
        return *batch_norm_backward(dy, x, gamma, ctx.eps), None
        ### END SOLUTION


def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalize each feature of `x`, shape (m, C), over the batch; gradients are yours."""
    return ManualBatchNorm.apply(x, gamma, beta, eps)


# %% check
torch.manual_seed(0)
inputs = [torch.randn(4, 3), torch.randn(3), torch.randn(3)]
inputs = [tensor.double().requires_grad_() for tensor in inputs]
expect.close(
    batch_norm(*inputs, 0.1).mean(dim=0),
    inputs[2],
    when="averaging the outputs of a batch, feature by feature",
    think="x_hat has mean 0; what shifts it?",
)
expect.gradient(
    lambda x, gamma, beta: batch_norm(x, gamma, beta, 0.1),
    *inputs,
    when="running gradcheck on batch_norm with eps 0.1",
    think="Input #0 is x, #1 is gamma, #2 is beta. Which of them differs?",
)

# %% hidden aspect="dL/dbeta holds for any upstream gradient" points=1
torch.manual_seed(1)
for m, features in ((2, 3), (7, 4)):
    dy, x = torch.randn(2, m, features, dtype=torch.float64)
    _, _, dbeta = batch_norm_backward(dy.clone(), x.clone(), torch.randn(features).double(), 0.1)
    expect.close(
        dbeta,
        dy.sum(dim=0),
        when=f"computing dL/dbeta for {m} samples of {features} features",
        think="One beta is added to every sample. What arrives from each of them?",
    )

# %% hidden aspect="dL/dgamma holds for any upstream gradient" points=1
torch.manual_seed(2)
for m, features, eps in ((2, 3, 1e-5), (7, 4, 0.1)):
    dy, x = torch.randn(2, m, features, dtype=torch.float64)
    x = 2 * x + 3
    gamma = torch.randn(features, dtype=torch.float64, requires_grad=True)
    (dy * F.batch_norm(x, None, None, gamma, training=True, eps=eps)).sum().backward()
    _, dgamma, _ = batch_norm_backward(dy.clone(), x.clone(), gamma.detach().clone(), eps)
    expect.close(
        dgamma,
        gamma.grad,
        when=f"computing dL/dgamma for {m} samples of {features} features, eps {eps}",
        think="What does gamma multiply in the forward pass?",
    )

# %% hidden aspect="a gradient that is equal for all samples does not reach x" points=1
torch.manual_seed(3)
for m, eps in ((2, 1e-5), (5, 1e-5), (6, 0.1)):
    x, gamma = 2 * torch.randn(m, 3).double() + 3, torch.randn(3).double()
    dy = torch.randn(3).double().repeat(m, 1)
    size = (gamma * dy / torch.sqrt(x.var(dim=0, unbiased=False) + eps)).abs().max().item()
    dx, _, _ = batch_norm_backward(dy, x.clone(), gamma.clone(), eps)
    expect.close(
        dx,
        torch.zeros(m, 3, dtype=torch.float64),
        atol=1e-9 * size,  # the direct term and the one through the mean cancel
        when=f"the same gradient arrives at each of {m} outputs, eps {eps}",
        think="A shift of the whole batch is taken back by the mean. Has the mean its gradient?",
    )
    dy = torch.randn(m, 3, dtype=torch.float64)
    dx, _, _ = batch_norm_backward(dy, x.clone(), gamma.clone(), eps)
    expect.close(
        dx.sum(dim=0),
        torch.zeros(3, dtype=torch.float64),
        atol=1e-9 * m * size,
        when=f"adding up dL/dx over {m} samples, eps {eps}",
        think="Shift the whole batch by a little: what happens to the loss?",
    )

# %% hidden aspect="the gradient passes through the variance" points=2
torch.manual_seed(4)
gamma = torch.rand(3, dtype=torch.float64) + 0.5


class Layer(torch.autograd.Function):
    """PyTorch's forward pass with the backward pass that is to be measured."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return F.batch_norm(x, None, None, gamma, training=True, eps=1e-5)

    @staticmethod
    def backward(ctx, dy):
        return batch_norm_backward(dy.clone(), ctx.saved_tensors[0].clone(), gamma.clone(), 1e-5)[0]


for m in (2, 5):
    # Samples 4, 8, ... and a little: beside such a variance 1e-5 is too small for gradcheck to see.
    x = 4 * torch.arange(1.0, m + 1).double()[:, None] + torch.rand(m, 3).double()
    along = x - x.mean(dim=0)  # adds up to 0, so nothing passes through the mean
    expect.gradient(
        lambda x, along=along: (along * Layer.apply(x)).sum(dim=0),
        x.requires_grad_(),
        when=f"running gradcheck on the sum of (x - mean) * y over {m} samples, eps 1e-5",
        think="Stretch the batch: the variance takes it back. Has the variance its gradient?",
    )
for scale, eps in ((1.0, 0.1), (0.03, 1e-3)):
    x = scale * torch.randn(6, 3).double() + 2
    var, along = x.var(dim=0, unbiased=False), x - x.mean(dim=0)
    # A gradient across x_hat passes straight through and shows the scale that is in use.
    across = torch.randn(6, 3, dtype=torch.float64)
    across -= across.mean(dim=0)
    across -= along * (across * along).mean(dim=0) / var
    straight, _, _ = batch_norm_backward(across.clone(), x.clone(), gamma.clone(), eps)
    passed = (straight * across).sum(dim=0) / across.square().sum(dim=0)
    got, _, _ = batch_norm_backward(along.clone(), x.clone(), gamma.clone(), eps)
    expect.close(
        got / passed,
        along * eps / (var + eps),
        when=f"a gradient along x - mean arrives, eps {eps}, relative to one that passes straight",
        think="For eps 0 nothing would be left. Is eps in the derivative of the root as well?",
    )

# %% hidden aspect="a gradient that moves neither mean nor variance arrives at the right scale" points=1
torch.manual_seed(5)
for scale, eps in ((1.0, 0.1), (0.03, 1e-5), (3.0, 1e-5)):
    x, gamma = scale * torch.randn(6, 3).double() + 2, torch.randn(3).double()
    var, along = x.var(dim=0, unbiased=False), x - x.mean(dim=0)
    # Across the constants and across x_hat, so that neither mean nor variance has a part in it.
    across = torch.randn(6, 3, dtype=torch.float64)
    across -= across.mean(dim=0)
    across -= along * (across * along).mean(dim=0) / var
    dx, _, _ = batch_norm_backward(across.clone(), x.clone(), gamma.clone(), eps)
    expect.close(
        dx,
        gamma * across / torch.sqrt(var + eps),
        when=f"a gradient arrives that moves neither mean nor variance, eps {eps}",
        think="Only the direct path is left. What does the forward pass multiply and divide by?",
    )

# %% hidden aspect="the backward pass does without autograd" points=1
from autograder import student_side


@student_side
def without_recording(dy, x, gamma, eps):
    """What comes back while PyTorch records nothing, or the error."""
    try:
        with torch.inference_mode():
            gradients = batch_norm_backward(dy, x, gamma, eps)
    except NotImplementedError:
        raise
    except RuntimeError as error:
        return str(error)
    return [gradient.clone() for gradient in gradients]


torch.manual_seed(6)
dy, x = torch.randn(2, 5, 3, dtype=torch.float64)
got = without_recording(dy, x, torch.ones(3).double(), 0.1)
expect.true(
    not isinstance(got, str) and len(got) == 3,
    when="calling batch_norm_backward while autograd is switched off",
    wanted="three gradients",
    got=f"the error: {got.split('. ')[0].rstrip('.')}" if isinstance(got, str) else f"{len(got)}",
    think="backward is what autograd calls. Whom could it ask in turn?",
)

# %% hidden aspect="dy, x and gamma are left as they were" points=1
torch.manual_seed(7)
dy, x, gamma = torch.randn(5, 2), torch.randn(5, 2), torch.randn(2)
with expect.unchanged(
    dy=dy,
    x=x,
    gamma=gamma,
    when="calling batch_norm_backward",
    think="Other layers go on using dy: `a *= b` writes into it, `a * b` makes a new tensor.",
):
    gradients = batch_norm_backward(dy, x, gamma, 0.1)
expect.kind(gradients, (tuple, list), when="calling batch_norm_backward", think="Three gradients.")

# %% hidden aspect="the forward pass of batch_norm is that of nn.BatchNorm1d in training" points=1
torch.manual_seed(8)
for m, features, eps in ((2, 3, 1e-5), (7, 4, 0.1)):
    x = 2 * torch.randn(m, features).double() + 3
    gamma, beta = torch.randn(2, features, dtype=torch.float64)
    expect.close(
        batch_norm(x.clone(), gamma.clone(), beta.clone(), eps),
        F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps),
        when=f"normalizing {m} samples of {features} features with eps {eps}",
        think="Which variance normalizes a batch, and where do gamma, beta and eps go?",
    )

# %% hidden aspect="autograd gets its gradients from batch_norm_backward" points=1
from autograder import student_side


@student_side
def two_batches(batches, upstream, gamma, beta, eps):
    """The gradients of two batches that both go forward before the first goes back."""
    leaves = [[t.clone().requires_grad_() for t in (x, gamma, beta)] for x in batches]
    outputs = [batch_norm(*own, eps) for own in leaves]
    made_by = type(getattr(outputs[0], "grad_fn", None)).__name__
    try:
        for _ in range(2):  # as gradcheck does, which walks the same graph again and again
            rounds = zip(outputs, leaves, upstream, strict=True)
            gradients = [
                list(torch.autograd.grad(y, own, dy.clone(), retain_graph=True))
                for y, own, dy in rounds
            ]
        return made_by, gradients
    except NotImplementedError:
        raise
    except RuntimeError as error:
        return made_by, str(error)


torch.manual_seed(9)
batches, upstream = torch.randn(2, 2, 5, 3, dtype=torch.float64)
gamma, beta = torch.randn(2, 3, dtype=torch.float64)
made_by, got = two_batches(batches, upstream, gamma, beta, 0.1)
expect.true(
    made_by == "ManualBatchNormBackward",
    when="asking the output of batch_norm who computes its gradient",
    wanted="ManualBatchNormBackward",
    got=made_by,
    think="Does batch_norm go through ManualBatchNorm, with the output as forward returns it?",
)
expect.true(
    not isinstance(got, str),
    when="calling backward on the output of batch_norm",
    wanted="gradients for x, gamma and beta",
    got=f"the error: {str(got).split('. ')[0].rstrip('.')}",
    think="forward has four arguments besides ctx. What does backward return for each of them?",
)
for number, (x, dy, gradients) in enumerate(zip(batches, upstream, got, strict=True), 1):
    own = batch_norm_backward(dy.clone(), x.clone(), gamma.clone(), 0.1)
    for name, gradient, wanted in zip(("x", "gamma", "beta"), gradients, own, strict=True):
        expect.close(
            gradient,
            wanted,
            when=f"comparing autograd's gradient of {name}, batch {number} of 2, with your own",
            think="What does ctx hold of this batch, and in which order do gradients go back?",
        )


# %% alternative of="batch_norm_backward"
def in_three_terms(dy, x, gamma, eps=1e-5):
    m, mean = x.shape[0], x.mean(0)
    var = ((x - mean) ** 2).mean(0)
    root = (var + eps) ** 0.5
    dx_hat = dy * gamma
    dvar = (dx_hat * (x - mean) * -0.5 / root**3).sum(0)
    dmean = (-dx_hat / root).sum(0) + dvar * (-2 * (x - mean)).mean(0)
    dx = dx_hat / root + dvar * 2 * (x - mean) / m + dmean / m
    return dx, (dy * (x - mean) / root).sum(0), dy.sum(0)


# %% alternative of="batch_norm_backward"
def with_a_jacobian_for_each_feature(dy, x, gamma, eps=1e-5):
    m, (var, mean) = x.size(0), torch.var_mean(x, 0, correction=0)
    x_hat = (x - mean) * torch.rsqrt(var + eps)
    keep = torch.eye(m, dtype=x.dtype) - 1 / m
    jacobian = keep[:, :, None] - x_hat[:, None] * x_hat[None] / m
    dx = torch.einsum("ijc,jc->ic", jacobian, dy) * gamma * torch.rsqrt(var + eps)
    return [dx, torch.einsum("mc,mc->c", dy, x_hat), torch.ones(m, dtype=x.dtype) @ dy]


# %% alternative of="ManualBatchNorm"
class KeepsWhatForwardComputed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        inverse = torch.rsqrt(x.var(0, correction=0) + eps)
        x_hat = (x - x.mean(0)) * inverse
        ctx.save_for_backward(x_hat, gamma, inverse)
        return torch.addcmul(beta, gamma, x_hat)

    @staticmethod
    def backward(ctx, dy):
        x_hat, gamma, inverse = ctx.saved_tensors
        dx = gamma * inverse * (dy - dy.mean(0) - x_hat * (dy * x_hat).mean(0))
        return dx, (dy * x_hat).sum(0), dy.sum(0), None


# %% mistake of="batch_norm_backward" fails="dL/dbeta holds for any upstream gradient"
def averages_the_gradient_of_beta(dy, x, gamma, eps=1e-5):
    """beta is added to every sample, so their gradients add up; a mean belongs to the loss."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return gamma / (m * torch.sqrt(var + eps)) * inside, (dy * x_hat).sum(dim=0), dy.mean(dim=0)


# %% mistake of="batch_norm_backward" fails="dL/dgamma holds for any upstream gradient"
def weighs_with_x(dy, x, gamma, eps=1e-5):
    """gamma multiplies the normalized value, so that value, not x, is its derivative."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return gamma / (m * torch.sqrt(var + eps)) * inside, (dy * x).sum(dim=0), dy.sum(dim=0)


# %% mistake of="batch_norm_backward" fails="a gradient that is equal for all samples does not reach x"
def forgets_the_mean(dy, x, gamma, eps=1e-5):
    """Every sample moves the mean, which is subtracted from all: that is a term of its own."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    inside = m * dy - x_hat * (dy * x_hat).sum(dim=0)
    return gamma / (m * torch.sqrt(var + eps)) * inside, (dy * x_hat).sum(dim=0), dy.sum(dim=0)


# %% mistake of="batch_norm_backward" fails="the gradient passes through the variance"
def forgets_the_variance(dy, x, gamma, eps=1e-5):
    """Every sample moves the variance, which divides all of them: that is a term of its own."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    inside = m * dy - dy.sum(dim=0)
    return gamma / (m * torch.sqrt(var + eps)) * inside, (dy * x_hat).sum(dim=0), dy.sum(dim=0)


# %% mistake of="batch_norm_backward" fails="the gradient passes through the variance"
def drops_eps_from_the_variance_term(dy, x, gamma, eps=1e-5):
    """The derivative of the root is taken at var + eps as well; 1e-5 hides that, 0.1 does not."""
    m, centred, var = len(x), x - x.mean(dim=0), x.var(dim=0, unbiased=False)
    root, dx_hat = torch.sqrt(var + eps), gamma * dy
    dvar = -0.5 * var**-1.5 * (dx_hat * centred).sum(dim=0)
    dx = dx_hat / root + dvar * 2 * centred / m - (dx_hat / root).mean(dim=0)
    return dx, (dy * centred / root).sum(dim=0), dy.sum(dim=0)


# %% mistake of="batch_norm_backward" fails="a gradient that moves neither mean nor variance arrives at the right scale"
def adds_eps_to_the_standard_deviation(dy, x, gamma, eps=1e-5):
    """eps is added to the variance, under the root, in the backward pass as in the forward pass."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return gamma / (m * (torch.sqrt(var) + eps)) * inside, (dy * x_hat).sum(dim=0), dy.sum(dim=0)


# %% mistake of="batch_norm_backward" fails="a gradient that moves neither mean nor variance arrives at the right scale"
def forgets_gamma(dy, x, gamma, eps=1e-5):
    """What arrives at y is multiplied by gamma on its way to x_hat; gamma = 1 hides that."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return inside / (m * torch.sqrt(var + eps)), (dy * x_hat).sum(dim=0), dy.sum(dim=0)


# %% mistake of="batch_norm_backward" fails="dL/dgamma holds for any upstream gradient; the gradient passes through the variance; a gradient that moves neither mean nor variance arrives at the right scale"
def keeps_the_default_eps(dy, x, gamma, eps=1e-5):
    """The layer may have another eps than the usual one: use the argument, not its default."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    root = torch.sqrt(var + 1e-5)
    x_hat = (x - x.mean(dim=0)) / root
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return gamma / (m * root) * inside, (dy * x_hat).sum(dim=0), dy.sum(dim=0)


# %% mistake of="batch_norm_backward" fails="the backward pass does without autograd"
def lets_autograd_do_it(dy, x, gamma, eps=1e-5):
    """This asks autograd for what autograd asks of you; the formulas of the derivation need no graph."""
    with torch.enable_grad():
        leaves = x.detach().requires_grad_(), gamma.detach().requires_grad_()
        beta = torch.zeros_like(gamma).requires_grad_()
        deviation = leaves[0] - leaves[0].mean(dim=0)
        std = torch.sqrt(deviation.square().mean(dim=0) + eps)
        return torch.autograd.grad(leaves[1] * deviation / std + beta, (*leaves, beta), dy)


# %% mistake of="batch_norm_backward" fails="dy, x and gamma are left as they were"
def scales_dy_in_place(dy, x, gamma, eps=1e-5):
    """dy belongs to the next layer and may be in use elsewhere: make a new tensor of it."""
    m, var = len(x), x.var(dim=0, unbiased=False)
    root = torch.sqrt(var + eps)
    x_hat = (x - x.mean(dim=0)) / root
    dgamma, dbeta = (dy * x_hat).sum(dim=0), dy.sum(dim=0)
    dy *= gamma
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return inside / (m * root), dgamma, dbeta


# %% mistake of="ManualBatchNorm" fails="the forward pass of batch_norm is that of nn.BatchNorm1d in training"
class NormalizesWithTheUnbiasedVariance(torch.autograd.Function):
    """Tensor.var divides by m - 1 unless told otherwise; the batch itself is normalized with m."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ctx.save_for_backward(x, gamma)
        ctx.eps = eps
        return gamma * (x - x.mean(dim=0)) / torch.sqrt(x.var(dim=0) + eps) + beta

    @staticmethod
    def backward(ctx, dy):
        return *batch_norm_backward(dy, *ctx.saved_tensors, ctx.eps), None


# %% mistake of="ManualBatchNorm" fails="autograd gets its gradients from batch_norm_backward"
class SwapsGammaAndBeta(torch.autograd.Function):
    """backward answers in the order of forward's arguments: x, gamma, beta, eps."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ctx.save_for_backward(x, gamma)
        ctx.eps = eps
        var = x.var(dim=0, unbiased=False)
        return gamma * (x - x.mean(dim=0)) / torch.sqrt(var + eps) + beta

    @staticmethod
    def backward(ctx, dy):
        x, gamma = ctx.saved_tensors
        dx, dgamma, dbeta = batch_norm_backward(dy, x, gamma, ctx.eps)
        return dx, dbeta, dgamma, None


# %% mistake of="ManualBatchNorm" fails="autograd gets its gradients from batch_norm_backward"
class ForgetsEpsOnTheWayBack(torch.autograd.Function):
    """backward runs with the eps of its own forward pass: keep it in ctx and hand it on."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ctx.save_for_backward(x, gamma)
        var = x.var(dim=0, unbiased=False)
        return gamma * (x - x.mean(dim=0)) / torch.sqrt(var + eps) + beta

    @staticmethod
    def backward(ctx, dy):
        return *batch_norm_backward(dy, *ctx.saved_tensors), None


# %% mistake of="ManualBatchNorm" fails="autograd gets its gradients from batch_norm_backward"
class RemembersOneBatchForAll(torch.autograd.Function):
    """An attribute of the class is shared by all calls: the second batch overwrites the first."""

    @staticmethod
    def forward(ctx, x, gamma, beta, eps):
        ManualBatchNorm.memory = x, gamma, eps
        var = x.var(dim=0, unbiased=False)
        return gamma * (x - x.mean(dim=0)) / torch.sqrt(var + eps) + beta

    @staticmethod
    def backward(ctx, dy):
        return *batch_norm_backward(dy, *ManualBatchNorm.memory), None


# %% mistake of="batch_norm" fails="autograd gets its gradients from batch_norm_backward"
def leaves_the_gradient_to_autograd(x, gamma, beta, eps=1e-5):
    """Operations on tensors are differentiated by autograd; ManualBatchNorm is never asked."""
    var = x.var(dim=0, unbiased=False)
    return gamma * (x - x.mean(dim=0)) / torch.sqrt(var + eps) + beta
