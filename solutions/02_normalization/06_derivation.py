# %% exercise [markdown] items="20" stars=3 minutes=60 level="analyze" goal="derive the backward pass of batch normalization and test each step of the derivation" forbid="batch_norm instance_norm layer_norm group_norm"
r"""
# The gradient of batch normalization
Every sample of a batch moves the mean and the variance, and through them the output of every other
sample. Leave that out and the gradient still points somewhere plausible, so nobody notices. Here
each step of the derivation is a small function, and a check can tell which step is the wrong one.

For one feature over a batch $x_1, \dots, x_m$:

$$ \mu = \frac{1}{m}\sum_i x_i, \qquad \sigma^2 = \frac{1}{m}\sum_i (x_i - \mu)^2, \qquad
\hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad
y_i = \gamma\,\hat{x}_i + \beta. $$

The next layer hands you $\partial L / \partial y_i$. From there it is one rule, used again and
again: the gradient of a node is the sum, over the arrows that leave it, of the gradient at the
arrow's end times the derivative along the arrow.

In code, `dy` stands for $\partial L / \partial y$, `dvar` for $\partial L / \partial \sigma^2$, and
so on. Values that every sample has (`x`, `x_hat`, `y` and their gradients) have shape `(m, C)`;
those that the batch shares (`mean`, `var`, `gamma`, `beta` and their gradients) have shape `(C,)`:
each of the C features is normalized by itself.

Take pen and paper first. Write formulas, without autograd.
"""

# %%
import torch
from torch import Tensor

from autograder import expect

# The batch of all checks: 1, 3, 5, 7 has mean 4 and variance 5; with eps = 4 the root is 3, so that
# x_hat is -1, -1/3, 1/3, 1. The loss is the last output, and gamma is 3.
x = torch.tensor([[1.0], [3.0], [5.0], [7.0]], dtype=torch.float64)
mean, var, gamma = torch.tensor([[4.0], [5.0], [3.0]], dtype=torch.float64)
x_hat = (x - 4) / 3
dy = torch.tensor([[0.0], [0.0], [0.0], [1.0]], dtype=torch.float64)
# Worked out by hand: what arrives at x_hat, at the variance, at the mean, and in the end at x.
dx_hat, dvar, dmean = 3 * dy, 0 * mean - 1 / 6, 0 * mean - 1
by_hand = [[0.0], [-1 / 6], [-1 / 3], [1 / 2]]

# %% [markdown]
r"""
## From $y$ back to $\gamma$, $\beta$ and $\hat{x}$
"""


# %% solution
def grad_beta(dy: Tensor) -> Tensor:
    """dL/dbeta, shape (C,)."""
    ### BEGIN SOLUTION
    return dy.sum(dim=0)
    ### END SOLUTION


def grad_gamma(dy: Tensor, x_hat: Tensor) -> Tensor:
    """dL/dgamma, shape (C,)."""
    ### BEGIN SOLUTION
    return (dy * x_hat).sum(dim=0)
    ### END SOLUTION


def grad_x_hat(dy: Tensor, gamma: Tensor) -> Tensor:
    """dL/dx_hat, shape (m, C)."""
    ### BEGIN SOLUTION
    return gamma * dy
    ### END SOLUTION


# %% check
expect.close(
    grad_beta(dy),
    [1.0],
    when="the loss is the last of four outputs",
    think="How much does the loss grow if beta grows by 1?",
)
expect.close(
    grad_gamma(dy, x_hat),
    [1.0],
    when="the loss is the last of four outputs, where x_hat is 1",
    think="How much does the loss grow if gamma grows by 1?",
)
expect.close(
    grad_x_hat(dy, gamma),
    [[0.0], [0.0], [0.0], [3.0]],
    when="the loss is the last of four outputs and gamma is 3",
    think="How much does y grow if x_hat grows by 1?",
)

# %% [markdown]
r"""
## Back through the statistics
`grad_var` and `grad_mean` start from `dx_hat`, the gradient that arrives at $\hat{x}$.

*Hint:* the variance is shared, so each $\hat{x}_i$ sends something back to it. The mean has two
arrows, to $\hat{x}$ and to the variance; `dvar` is what arrives at the variance.
"""


# %% solution
def grad_var(dx_hat: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float) -> Tensor:
    """dL/dvar, shape (C,)."""
    ### BEGIN SOLUTION
    return -0.5 * (var + eps) ** -1.5 * (dx_hat * (x - mean)).sum(dim=0)
    ### END SOLUTION


def grad_mean(
    dx_hat: Tensor, dvar: Tensor, x: Tensor, mean: Tensor, var: Tensor, eps: float
) -> Tensor:
    """dL/dmean, shape (C,), everything that comes back through the variance included."""
    ### BEGIN SOLUTION
    through_x_hat = -dx_hat.sum(dim=0) / torch.sqrt(var + eps)
    through_var = dvar * (-2 * (x - mean)).mean(dim=0)
    return through_x_hat + through_var
    ### END SOLUTION


# %% check
expect.close(
    grad_var(dx_hat, x, mean, var, eps=4.0),
    [-1 / 6],
    when="3 arrives at the last x_hat, whose x lies 3 above the mean, and the root is 3",
    think="x_hat is (x - mean) times (var + eps) to the power -1/2. What is the derivative?",
)
expect.close(
    grad_mean(dx_hat, dvar, x, mean, var, eps=4.0),
    [-1.0],
    when="3 arrives at the last x_hat, -1/6 arrives at the variance, and the root is 3",
    think="What does x_hat lose if the mean grows by 1?",
)

# %% [markdown]
r"""
## All arrows that leave $x$
`grad_x` adds up what comes back to $x_i$ from $\hat{x}_i$, from the variance and from the mean.
`grad_x_closed` is the same gradient with `dvar` and `dmean` put in and simplified, until nothing is
left but `dy`, `x_hat`, `gamma` and the root: this is what fast implementations compute.
"""


# %% solution
def grad_x(
    dx_hat: Tensor,
    dvar: Tensor,
    dmean: Tensor,
    x: Tensor,
    mean: Tensor,
    var: Tensor,
    eps: float,
) -> Tensor:
    """dL/dx, shape (m, C), from the gradients that have arrived at x_hat, var and mean."""
    ### BEGIN SOLUTION
    m = x.shape[0]
    return dx_hat / torch.sqrt(var + eps) + dvar * 2 * (x - mean) / m + dmean / m
    ### END SOLUTION


def grad_x_closed(dy: Tensor, x_hat: Tensor, gamma: Tensor, var: Tensor, eps: float) -> Tensor:
    """dL/dx, shape (m, C), in one formula."""
    ### BEGIN SOLUTION
    m = dy.shape[0]
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return gamma / (m * torch.sqrt(var + eps)) * inside
    ### END SOLUTION


# %% check
expect.close(
    grad_x(dx_hat, dvar, dmean, x, mean, var, eps=4.0),
    by_hand,
    when="3 arrives at the last x_hat, -1/6 at the variance and -1 at the mean",
    think="How much does one of the m samples move the mean, and how much the variance?",
)
expect.close(
    grad_x_closed(dy, x_hat, gamma, var, eps=4.0),
    by_hand,
    when="using the closed form in place of the three terms",
    think="Every term has the factor 1/sqrt(var + eps), once x - mean is written with x_hat.",
)

# %% [markdown]
r"""
## A proof with one wrong line
In the checks the loss was the fourth output alone, and yet the second and the third sample got a
gradient; the four gradients add up to 0. Here is a proof that they have to, which then goes on a
little too far. Let $L$ be any function of $y_1, \dots, y_m$, let $\varepsilon > 0$ and
$d_i = \partial L/\partial x_i$.

1. Add the same $c$ to every $x_i$. The mean grows by $c$ and the variance stays, so no $y_i$
   changes.
2. So $L(x_1 + c, \dots, x_m + c)$ does not depend on $c$.
3. By the chain rule its derivative with respect to $c$ is $\sum_i d_i$ at $c = 0$, so
   $\sum_i d_i = 0$.
4. Multiply every $x_i$ by the same $c > 0$. The mean and the standard deviation become $c$ times
   as large as well, so no $y_i$ changes.
5. So $L(c\,x_1, \dots, c\,x_m)$ does not depend on $c$, and at $c = 1$ its derivative is
   $\sum_i d_i x_i = 0$.
6. With line 3, $\sum_i d_i (x_i - \mu) = \sum_i d_i x_i - \mu \sum_i d_i = 0$.
7. Divided by $\sqrt{\sigma^2 + \varepsilon}$, which is the same number for all samples, that is
   $\sum_i d_i \hat{x}_i = 0$.

Exactly one line does not follow from the definitions and the lines above it. Which one? The sum in
line 7 is not 0 then: `along_x_hat` says what it is.
"""

# %% solution
# The number of the line that does not follow, from 1 to 7.
### BEGIN SOLUTION
wrong_line = 4
### END SOLUTION

# %% check
expect.kind(
    wrong_line,
    int,
    when="reading the number of the line",
    think="Try each claim on two samples, with a large eps and a large c.",
)


# %% solution
def along_x_hat(dy: Tensor, x_hat: Tensor, gamma: Tensor, var: Tensor, eps: float) -> Tensor:
    """The sum over the batch of dL/dx * x_hat, shape (C,)."""
    ### BEGIN SOLUTION
    left = eps / (var + eps)
    return gamma / torch.sqrt(var + eps) * (dy * x_hat).sum(dim=0) * left
    ### END SOLUTION


# %% check
# by_hand times x_hat is 0, 1/18, -1/9 and 1/2.
expect.close(
    along_x_hat(dy, x_hat, gamma, var, eps=4.0),
    [4 / 9],
    when="adding up gradient times x_hat in the batch 1, 3, 5, 7 with eps 4",
    think="With variance 5 and eps 4, the squares of x_hat add up to 20/9, not to 4.",
)

# %% setup
import torch

# %% choice [markdown] id="back-from-var-to-mean" points=1
r"""
In the graph an arrow runs from the mean to the variance, so a part of $\partial L/\partial\mu$
comes back along it, after $\partial L/\partial\sigma^2$ has arrived. How large is this part?

- [x] It is 0 for every batch, whatever has arrived at the variance.
  > Yes: the deviations from the mean add up to 0. Much code computes this term all the same and is
  > right too: it adds rounding error. With deviations from anything but the mean it would count.
- [ ] It is 0 only if $\varepsilon$ is 0.
  > eps is added after the variance is computed. Which derivative belongs to this arrow?
- [ ] It is what has arrived at the variance, times $-2$.
  > -2 (x - mean) is the derivative of one square. What does the mean over the batch make of it?
- [ ] It is not 0, but PyTorch leaves it out because the mean is a constant there.
  > Autograd follows this arrow like any other. What does it find: what is the average of
  > x - mean?
"""

# %% evidence
# Autograd, asked for this arrow alone: the mean is a leaf, the variance the only thing computed.
for eps in (0.0, 0.1, 10.0):
    x = 3 * torch.randn(7, 4, dtype=torch.float64) + 5
    mean = x.mean(dim=0).requires_grad_()
    var = (x - mean).square().mean(dim=0)
    (torch.randn(4).double() / torch.sqrt(var + eps)).sum().backward()
    assert mean.grad.abs().max() < 1e-12
# Deviations from something else do not add up to 0.
other = (x.mean(dim=0) + 1).requires_grad_()
(x - other).square().mean(dim=0).sum().backward()
assert torch.allclose(other.grad, torch.full((4,), 2.0).double())

# %% hidden aspect="what the batch shares gathers the gradients of all samples" points=1
torch.manual_seed(1)
for m, features in ((2, 3), (7, 4)):
    x_hat, dy = torch.randn(2, m, features, dtype=torch.float64)
    beta = torch.randn(features, dtype=torch.float64, requires_grad=True)
    gamma = torch.randn(features, dtype=torch.float64, requires_grad=True)
    (dy * (gamma * x_hat + beta)).sum().backward()
    expect.close(
        grad_beta(dy.clone()),
        beta.grad,
        when=f"computing dL/dbeta for {m} samples of {features} features",
        think="One beta is added to every sample: what do the samples send back together?",
    )
    expect.close(
        grad_gamma(dy.clone(), x_hat.clone()),
        gamma.grad,
        when=f"computing dL/dgamma for {m} samples of {features} features",
        think="One gamma multiplies every sample: what does each of them send back?",
    )

# %% hidden aspect="x_hat gets its gradient from y" points=1
torch.manual_seed(2)
for m, features in ((2, 3), (7, 4)):
    dy, gamma = torch.randn(m, features).double(), torch.randn(features).double()
    x_hat = torch.randn(m, features, dtype=torch.float64, requires_grad=True)
    (dy * (gamma * x_hat + 1)).sum().backward()
    expect.close(
        grad_x_hat(dy.clone(), gamma.clone()),
        x_hat.grad,
        when=f"computing dL/dx_hat for {m} samples of {features} features",
        think="Between x_hat and y there is one multiplication and one addition.",
    )

# %% hidden aspect="the variance gathers a gradient from every x_hat" points=1
torch.manual_seed(3)
for m, scale, eps in ((2, 1.0, 1e-5), (5, 3.0, 0.0), (7, 1.0, 0.1), (6, 0.03, 1e-3)):
    x, dx_hat = scale * torch.randn(m, 3).double() + 2, torch.randn(m, 3).double()
    mean, var = x.mean(dim=0), x.var(dim=0, unbiased=False)
    leaf = var.clone().requires_grad_()
    (dx_hat * (x - mean) / torch.sqrt(leaf + eps)).sum().backward()
    expect.close(
        grad_var(dx_hat.clone(), x.clone(), mean.clone(), var.clone(), eps),
        leaf.grad,
        when=f"computing dL/dvar for {m} samples with eps {eps}",
        think="The derivative of (var + eps) to the power -1/2, and one such term per sample.",
    )

# %% hidden aspect="the mean gathers a gradient from every x_hat" points=1
torch.manual_seed(4)
for m, scale, eps in ((2, 1.0, 1e-5), (5, 3.0, 0.0), (7, 1.0, 0.1), (6, 0.03, 1e-3)):
    x, dx_hat = scale * torch.randn(m, 3).double() + 2, torch.randn(m, 3).double()
    leaf = x.mean(dim=0).requires_grad_()
    var = (x - leaf).square().mean(dim=0)
    var.retain_grad()
    (dx_hat * (x - leaf) / torch.sqrt(var + eps)).sum().backward()
    given = dx_hat.clone(), var.grad.clone(), x.clone(), leaf.detach().clone()
    expect.close(
        grad_mean(*given, var.detach().clone(), eps),
        leaf.grad,
        when=f"computing dL/dmean for {m} samples with eps {eps}",
        think="Go along both arrows that leave the mean, and watch the signs.",
    )

# %% hidden aspect="x adds up what comes from x_hat, from the variance and from the mean" points=1
torch.manual_seed(5)
for m, scale, eps in ((2, 1.0, 1e-5), (5, 3.0, 0.0), (7, 1.0, 0.1), (6, 0.03, 1e-3)):
    x = (scale * torch.randn(m, 3).double() + 2).requires_grad_()
    mean, var = x.mean(dim=0), x.var(dim=0, unbiased=False)
    dx_hat, dvar, dmean = torch.randn(m, 3).double(), *torch.randn(2, 3).double()
    fixed = mean.detach(), var.detach()
    # A loss in which exactly these gradients arrive at x_hat, at the variance and at the mean.
    direct = (dx_hat * (x - fixed[0]) / torch.sqrt(fixed[1] + eps)).sum()
    (direct + (dvar * var).sum() + (dmean * mean).sum()).backward()
    given = (a.clone() for a in (dx_hat, dvar, dmean, x.detach(), *fixed))
    expect.close(
        grad_x(*given, eps),
        x.grad,
        when=f"some gradients arrive at x_hat, var and mean of {m} samples, with eps {eps}",
        think="Three arrows leave x. What is the derivative along each of them?",
    )

# %% hidden aspect="the closed form is the gradient of the whole layer" points=1
torch.manual_seed(6)
for m, scale, eps in ((2, 1.0, 1e-5), (5, 3.0, 0.0), (7, 1.0, 0.1), (6, 0.03, 1e-3)):
    x = (scale * torch.randn(m, 3).double() + 2).requires_grad_()
    dy, gamma = torch.randn(m, 3).double(), torch.randn(3).double()
    var = x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    (dy * gamma * x_hat).sum().backward()
    got = grad_x_closed(
        dy.clone(), x_hat.detach().clone(), gamma.clone(), var.detach().clone(), eps
    )
    expect.close(
        got,
        x.grad,
        # For two samples nearly everything cancels; what is left carries rounding error.
        rtol=1e-7,
        when=f"computing dL/dx in one formula for {m} samples with eps {eps}",
        think="Put dvar and dmean into the three terms and write x - mean with x_hat.",
    )

# %% hidden aspect="the line of the proof that does not follow is found" points=1
expect.kind(
    wrong_line,
    int,
    when="reading the number of the line",
    think="Try each claim on two samples, with a large eps and a large c.",
)
expect.true(
    wrong_line == 4,
    when="naming the line that does not follow from those above it",
    wanted="another line",
    got=f"line {wrong_line}",
    think="Take the samples -1 and 1, eps 1 and c 10, and compute what each line claims.",
)

# %% hidden aspect="what is left along x_hat is told for every eps" points=1
from autograder import reference

torch.manual_seed(7)
for m, scale, eps in ((5, 3.0, 0.0), (2, 1.0, 0.5), (7, 1.0, 0.1), (6, 0.03, 1e-3)):
    x = scale * torch.randn(m, 3).double() + 2
    dy, gamma = torch.randn(m, 3).double(), torch.randn(3).double()
    var = x.var(dim=0, unbiased=False)
    x_hat = (x - x.mean(dim=0)) / torch.sqrt(var + eps)
    given = [a.clone() for a in (dy, x_hat, gamma, var)]
    expect.close(
        along_x_hat(*given, eps),
        reference.along_x_hat(dy, x_hat, gamma, var, eps),
        # Summed up from dL/dx, terms of this size cancel.
        atol=1e-9 * (gamma * dy * x_hat / torch.sqrt(var + eps)).abs().sum().item(),
        when=f"adding up gradient times x_hat over {m} samples with eps {eps}",
        think="In the closed form times x_hat: what do x_hat and its squares add up to?",
    )


# %% alternative of="grad_gamma"
def by_matrix_product(dy, x_hat):
    return torch.diagonal(dy.T @ x_hat).clone()


# %% alternative of="grad_var"
def with_the_normalized_batch(dx_hat, x, mean, var, eps):
    x_hat = (x - mean) / (var + eps).sqrt()
    return -(dx_hat * x_hat).sum(0) / (2 * (var + eps))


# %% alternative of="grad_mean"
def without_the_term_that_vanishes(dx_hat, dvar, x, mean, var, eps):
    return -(dx_hat * torch.rsqrt(var + eps)).sum(0)


# %% alternative of="grad_x"
def over_a_common_denominator(dx_hat, dvar, dmean, x, mean, var, eps):
    m = len(x)
    return (m * dx_hat * torch.rsqrt(var + eps) + 2 * dvar * (x - mean) + dmean) / m


# %% alternative of="grad_x_closed"
def with_averages(dy, x_hat, gamma, var, eps):
    centred = dy - dy.mean(0)
    return gamma * torch.rsqrt(var + eps) * (centred - x_hat * (dy * x_hat).mean(0))


# %% alternative of="along_x_hat"
def from_the_closed_form(dy, x_hat, gamma, var, eps):
    return (grad_x_closed(dy, x_hat, gamma, var, eps) * x_hat).sum(0)


# %% mistake of="grad_beta" fails="what the batch shares gathers the gradients of all samples"
def averages_over_the_batch(dy):
    """beta is added to every sample, so their gradients add up; a mean belongs to the loss."""
    return dy.mean(dim=0)


# %% mistake of="grad_gamma" fails="what the batch shares gathers the gradients of all samples"
def keeps_one_gradient_a_sample(dy, x_hat):
    """One gamma serves all samples, so its gradient is one number a feature: add them up."""
    return dy * x_hat


# %% mistake of="grad_x_hat" fails="x_hat gets its gradient from y"
def forgets_that_gamma_scales(dy, gamma):
    """If x_hat grows by 1, y grows by gamma; at the start gamma is 1, and that hides the slip."""
    return dy.clone()


# %% mistake of="grad_var" fails="the variance gathers a gradient from every x_hat"
def keeps_the_power_of_one_half(dx_hat, x, mean, var, eps):
    """The derivative lowers the power by one: from -1/2 to -3/2."""
    return -0.5 * (var + eps) ** -0.5 * (dx_hat * (x - mean)).sum(dim=0)


# %% mistake of="grad_var" fails="the variance gathers a gradient from every x_hat"
def loses_the_sign_of_the_power(dx_hat, x, mean, var, eps):
    """A larger variance makes x_hat smaller: the derivative of the power -1/2 is negative."""
    return 0.5 * (var + eps) ** -1.5 * (dx_hat * (x - mean)).sum(dim=0)


# %% mistake of="grad_var" fails="the variance gathers a gradient from every x_hat"
def drops_eps(dx_hat, x, mean, var, eps):
    """eps is under the root in the forward pass, so it is in the derivative as well."""
    return -0.5 * var**-1.5 * (dx_hat * (x - mean)).sum(dim=0)


# %% mistake of="grad_mean" fails="the mean gathers a gradient from every x_hat"
def forgets_the_minus(dx_hat, dvar, x, mean, var, eps):
    """The mean is subtracted: if it grows, every x_hat shrinks."""
    return dx_hat.sum(dim=0) / torch.sqrt(var + eps)


# %% mistake of="grad_mean" fails="the mean gathers a gradient from every x_hat"
def does_not_average_the_vanishing_term(dx_hat, dvar, x, mean, var, eps):
    """The variance changes by the average of -2 (x - mean), which is 0; a single -2 is not."""
    return -dx_hat.sum(dim=0) / torch.sqrt(var + eps) - 2 * dvar


# %% mistake of="grad_x" fails="x adds up what comes from x_hat, from the variance and from the mean"
def takes_the_statistics_for_constants(dx_hat, dvar, dmean, x, mean, var, eps):
    """Mean and variance are computed from x: two more arrows leave it, with a term for each."""
    return dx_hat / torch.sqrt(var + eps)


# %% mistake of="grad_x" fails="x adds up what comes from x_hat, from the variance and from the mean"
def gives_each_sample_the_whole_mean(dx_hat, dvar, dmean, x, mean, var, eps):
    """One of m samples moves the mean by 1/m of its own step, and the variance likewise."""
    return dx_hat / torch.sqrt(var + eps) + dvar * 2 * (x - mean) + dmean


# %% mistake of="grad_x_closed" fails="the closed form is the gradient of the whole layer"
def forgets_gamma_on_the_way(dy, x_hat, gamma, var, eps):
    """The terms are written in dy, not in dx_hat, so gamma is left as a factor of them all."""
    m = dy.shape[0]
    inside = m * dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return inside / (m * torch.sqrt(var + eps))


# %% mistake of="grad_x_closed" fails="the closed form is the gradient of the whole layer"
def forgets_m_before_dy(dy, x_hat, gamma, var, eps):
    """The direct term has no 1/m; taken out of the bracket, 1/m leaves an m behind there."""
    inside = dy - dy.sum(dim=0) - x_hat * (dy * x_hat).sum(dim=0)
    return gamma / (dy.shape[0] * torch.sqrt(var + eps)) * inside


# %% mistake of="along_x_hat" fails="what is left along x_hat is told for every eps"
def believes_line_seven(dy, x_hat, gamma, var, eps):
    """The sum is 0 for eps = 0 alone: otherwise stretching the batch does change the output."""
    return torch.zeros_like(gamma)


# %% mistake of="along_x_hat" fails="what is left along x_hat is told for every eps"
def takes_the_share_of_the_variance(dy, x_hat, gamma, var, eps):
    """var / (var + eps) is the part that cancels; what is left is the rest of 1."""
    return gamma / torch.sqrt(var + eps) * (dy * x_hat).sum(dim=0) * var / (var + eps)


# %% mistake of="wrong_line" fails="the line of the proof that does not follow is found"
def blames_the_last_line():
    """Line 7 is false, but it follows from line 6: look for the line that brings the error in."""
    return 7


# %% mistake of="wrong_line" fails="the line of the proof that does not follow is found"
def blames_the_shift():
    """A shift moves the mean along, and x - mean stays: eps plays no part in lines 1 to 3."""
    return 1


# %% mistake of="wrong_line" fails="the line of the proof that does not follow is found"
def blames_the_derivative():
    """If a function of c is constant, its derivative is 0: line 5 follows from the one above."""
    return 5
