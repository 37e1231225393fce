# %% exercise [markdown] items="106 55" stars=3 minutes=60 level="analyze" goal="say exactly which penalty early stopping amounts to"
r"""
# Early stopping as a penalty
"Early stopping is equivalent to L2 regularization," many texts say. In general it is not. For a
quadratic loss one can write down what it *is* equivalent to.

Take the loss $\frac12 \lVert A w - b \rVert^2$, and gradient descent from $w_0 = 0$ with rate
$\eta$. Along an eigenvector of $A^\top A$ with the eigenvalue $\lambda_i > 0$, the distance to the
minimum shrinks by the factor $1 - \eta\lambda_i$ a step. After $t$ steps, and with an L2 penalty
$\frac{\alpha}{2} \lVert w \rVert^2$ at its minimum, the weight has come to these shares of the
unregularized one:

$$ 1 - (1 - \eta\lambda_i)^t \qquad \text{and} \qquad \frac{\lambda_i}{\lambda_i + \alpha} $$

The two are equal for some $\alpha_i(t)$, which depends on the direction $i$. Write it as
`matching_alpha`, and the one value that all directions have in common while
$\eta\lambda_i t \ll 1$ as `common_alpha`.

Stopping after $t$ steps is therefore *exactly* the minimum of

$$ \tfrac12 \lVert A w - b \rVert^2 + \tfrac12\, w^\top Q\, w $$

with a matrix $Q$ that has the eigenvectors of $A^\top A$ (Santos, *Equivalence of regularization and
truncated iteration*, 1996). With Gaussian noise of variance 1, $Q$ is the precision of a Gaussian
prior. Write `prior_precision`.

*Hint:* `torch.linalg.eigh` gives the eigenvalues of a symmetric matrix, and its eigenvectors as the
columns of a matrix.
"""

# %%
import torch
from torch import Tensor

from autograder import expect


def descend(a: Tensor, b: Tensor, eta: float, steps: int) -> Tensor:
    """Gradient descent on half the squared error, from 0."""
    w = torch.zeros(a.shape[1], dtype=a.dtype)
    for _ in range(steps):
        w = w - eta * a.T @ (a @ w - b)
    return w


# %% solution
def matching_alpha(eigenvalues: Tensor, eta: float, steps: int) -> Tensor:
    """alpha_i(t) for each of the `eigenvalues`, shape (d,); 0 < eta * eigenvalue < 1, steps >= 1."""
    ### BEGIN SOLUTION
    rest = (1 - eta * eigenvalues) ** steps
    return eigenvalues * rest / (1 - rest)
    ### END SOLUTION


def common_alpha(eta: float, steps: int) -> float:
    """What alpha_i(t) tends to as eta * eigenvalue * t goes to 0, the same for all directions."""
    ### BEGIN SOLUTION
    return 1 / (eta * steps)
    ### END SOLUTION


def prior_precision(a: Tensor, eta: float, steps: int) -> Tensor:
    """Q, shape (d, d), for which `steps` steps are the penalized minimum, whatever b is.

    `a` is (n, d) with n >= d and full rank; eta is below one over the largest eigenvalue of a.T @ a.
    """
    ### BEGIN SOLUTION
    eigenvalues, vectors = torch.linalg.eigh(a.T @ a)
    rest = (1 - eta * eigenvalues) ** steps
    return vectors @ torch.diag(eigenvalues * rest / (1 - rest)) @ vectors.T
    ### END SOLUTION


# %% check
# Two steps with eta * eigenvalue = 1/2: a quarter of the way is left, 3/4 is done. An L2 penalty
# lets 3/4 through if alpha is a third of the eigenvalue.
expect.close(
    matching_alpha(torch.tensor([3.0, 3.0]).double(), 1 / 6, 2),
    torch.tensor([1.0, 1.0]).double(),
    when="matching two steps of rate 1/6 in a direction of eigenvalue 3",
    think="Set the two shares equal and solve for alpha.",
)
# One sample that reads its own weight three times as large: the eigenvalue is 9.
expect.close(
    prior_precision(torch.tensor([[3.0]]).double(), 1 / 18, 1),
    torch.tensor([[9.0]]).double(),
    when="asking for Q of a single weight, after one step half of the way",
    think="Half comes through if the penalty is as strong as the data.",
)
# A weight that hardly counts has made a share of eta * eigenvalue * t of its way.
expect.between(
    common_alpha(0.01, 50),
    1.0,
    4.0,
    when="asking for the common alpha of 50 steps with rate 0.01",
    think="Which alpha lets so small a share of a small eigenvalue through?",
)

# %% hidden aspect="alpha lets through what the steps have done, in each direction" points=2
torch.manual_seed(1)
for eta, steps in ((0.05, 20), (0.2, 3), (0.01, 1)):
    eigenvalues = 4.5 * torch.rand(6).double() + 0.05
    alpha = matching_alpha(eigenvalues.clone(), eta, steps)
    expect.shape(alpha, (6,), when="matching six directions")
    # One step after the other, on a diagonal quadratic whose minimum is 1 everywhere.
    done = torch.zeros(6).double()
    for _ in range(steps):
        done = done - eta * eigenvalues * (done - 1)
    expect.close(
        eigenvalues / (eigenvalues + alpha),
        done,
        when=f"comparing the L2 minimum at your alpha with {steps} steps of rate {eta:g}",
        think="Each direction has an alpha of its own: the two shares, set equal.",
    )

# %% hidden aspect="the common alpha is the limit of short training" points=1
torch.manual_seed(2)
for eta, steps in ((0.05, 20), (0.3, 7), (1e-3, 400)):
    x = 1e-5 / (eta * steps)
    # What one obtains for two directions of tiny eigenvalues x and 2 x, computed by hand.
    for eigenvalue in (x, 2 * x):
        rest = (1 - eta * eigenvalue) ** steps
        expect.close(
            common_alpha(eta, steps),
            eigenvalue * rest / (1 - rest),
            rtol=1e-4,  # the limit is off by eta * eigenvalue * t, at most 2e-5
            when=f"comparing with the alpha of a tiny eigenvalue, {steps} steps of rate {eta:g}",
            think="For small x, (1 - x) to the power of t is 1 - t x. What is left of alpha?",
        )

# %% hidden aspect="descent for t steps is the minimum with the penalty Q" points=2
torch.manual_seed(3)
for n, d, steps in ((12, 4, 25), (14, 6, 5), (30, 5, 1)):
    a = torch.randn(n, d).double() @ torch.diag(torch.linspace(0.4, 2.0, d).double())
    eta = 0.7 / torch.linalg.eigvalsh(a.T @ a)[-1].item()
    q = prior_precision(a.clone(), eta, steps)
    expect.shape(q, (d, d), when=f"asking for Q of {d} weights")
    for _ in range(2):
        b = torch.randn(n).double()
        expect.close(
            torch.linalg.solve(a.T @ a + q, a.T @ b),
            descend(a, b, eta, steps),
            rtol=1e-10,  # what the two ways of computing it differ by
            atol=1e-10,
            when=f"comparing the minimum with your Q and {steps} steps of descent, {n=}, {d=}",
            think="Q has the eigenvectors of a.T @ a. Which eigenvalues, and on which side stands V?",
        )

# %% setup
import torch

# %% choice [markdown] id="what-is-held-back" points=1
r"""
A run is stopped after $t$ steps. The directions have quite different eigenvalues $\lambda_i$, with
$\eta\lambda_i$ from 0.001 to 0.9 and $t = 30$. Compare with one L2 penalty $\alpha$ for all
directions, chosen as well as possible. What is right?

- [ ] There is an $\alpha$ that gives the same weights; it is $1 / (\eta t)$.
  > That holds where eta lambda t is much smaller than 1. Here it goes up to 27. Compute alpha_i for
  > the largest and the smallest eigenvalue.
- [ ] No $\alpha$ gives the same: stopping holds back the large eigenvalues more than L2 does.
  > What is left of the way after 30 steps, if each step leaves a tenth of it?
- [x] No $\alpha$ gives the same: stopping frees the large eigenvalues more than L2 does.
  > Yes: alpha_i goes to 0 exponentially where eta lambda t is large, so these directions are fitted
  > as if there were no prior. Where it is small, alpha_i is close to 1 / (eta t).
- [ ] No $\alpha$ gives the same, because stopping depends on b and an L2 penalty does not.
  > The share that each direction has come to contains eta, t and the eigenvalue. Where would b be?
"""

# %% evidence
d, steps = 6, 30
eigenvalues = torch.logspace(-3, torch.log10(torch.tensor(0.9)).item(), d).double()
turn = torch.linalg.qr(torch.randn(d, d).double())[0]
hessian, target = turn @ torch.diag(eigenvalues) @ turn.T, turn @ (1 + torch.rand(d).double())
w = torch.zeros(d).double()
for _ in range(steps):
    w = w - hessian @ (w - target)
away, best = min(
    ((torch.linalg.solve(hessian + a * torch.eye(d), hessian @ target) - w).norm().item(), a)
    for a in torch.logspace(-4, 2, 300).tolist()
)
ridge = torch.linalg.solve(hessian + best * torch.eye(d), hessian @ target)
assert away > 0.02 * w.norm()
# In the direction of the largest eigenvalue descent has come further; both fall short of 1.
share = turn.T @ w / (turn.T @ target), turn.T @ ridge / (turn.T @ target)
assert share[1][-1] < share[0][-1] < 1 + 1e-9
common = torch.linalg.solve(hessian + torch.eye(d) / steps, hessian @ target)
assert (common - w).norm() > 0.02 * w.norm()

# %% text [markdown] id="stopping-as-a-prior" points=2
r"""
"We stop early, so we do Bayesian inference with a Gaussian prior." Write half a page for a colleague:
in what sense is that right, and where does it end? Say what the prior depends on, and how it differs
from the one of an L2 penalty. Say what is different for a network, and what a Bayesian would object.

- [1] Right for a quadratic loss, a fixed rate and a start at 0: the stopped weights are the MAP for a Gaussian prior, with precision Q in units of the noise; it is close to one L2 penalty of 1/(eta t) only in directions with eta lambda t much below 1, and about flat where eta lambda t is large.
- [1] Limits: Q is built from the inputs and changes with eta and t, so it is no belief held before the data, and t is chosen by held-out loss; other starts shift the prior's mean; on a non-quadratic loss, with momentum or Adam, the identity does not hold; a MAP estimate is a point and no posterior.
"""

# %% evidence
# Another start shifts the mean of the prior to that start; other inputs give another Q.
eta, steps = 0.1, 15
a, b, start = torch.randn(8, 3).double() / 2, torch.randn(8).double(), torch.randn(3).double()
eta = 0.9 / torch.linalg.eigvalsh(a.T @ a)[-1]


def precision(a):
    eigenvalues, vectors = torch.linalg.eigh(a.T @ a)
    rest = (1 - eta * eigenvalues) ** steps
    return vectors @ torch.diag(eigenvalues * rest / (1 - rest)) @ vectors.T


w = start.clone()
for _ in range(steps):
    w = w - eta * a.T @ (a @ w - b)
q = precision(a)
assert (torch.linalg.solve(a.T @ a + q, a.T @ b + q @ start) - w).norm() < 1e-8
assert (torch.linalg.solve(a.T @ a + q, a.T @ b) - w).norm() > 1e-8
assert (precision(0.5 * torch.randn(8, 3).double()) - q).norm() > 1e-3
# With momentum the identity does not hold.
w, velocity = torch.zeros(2, 3).double()
for _ in range(steps):
    velocity = 0.9 * velocity + a.T @ (a @ w - b)
    w = w - eta * velocity
assert (torch.linalg.solve(a.T @ a + q, a.T @ b) - w).norm() > 1e-6


# %% alternative of="matching_alpha"
def with_one_fraction(eigenvalues, eta, steps):
    return eigenvalues / ((1 - eta * eigenvalues) ** -steps - 1)


# %% alternative of="matching_alpha"
def with_logs(eigenvalues, eta, steps):
    return eigenvalues / torch.expm1(-steps * torch.log1p(-eta * eigenvalues))


# %% alternative of="prior_precision"
def with_a_matrix_power(a, eta, steps):
    hessian = a.T @ a
    eye = torch.eye(len(hessian), dtype=a.dtype)
    rest = torch.linalg.matrix_power(eye - eta * hessian, steps)
    return hessian @ rest @ torch.linalg.inv(eye - rest)


# %% alternative of="prior_precision"
def with_singular_values(a, eta, steps):
    _, singular, vectors = torch.linalg.svd(a, full_matrices=False)
    return (vectors.T * matching_alpha(singular**2, eta, steps)) @ vectors


# %% mistake of="matching_alpha" fails="alpha lets through what the steps have done, in each direction"
def swaps_what_is_done_and_what_is_left(eigenvalues, eta, steps):
    """(1 - eta lambda)^t is what is left of the way; alpha is small when little is left."""
    left = (1 - eta * eigenvalues) ** steps
    return eigenvalues * (1 - left) / left


# %% mistake of="matching_alpha" fails="alpha lets through what the steps have done, in each direction"
def leaves_out_the_eigenvalue(eigenvalues, eta, steps):
    """alpha is compared with the eigenvalue in lambda / (lambda + alpha): it scales with it."""
    left = (1 - eta * eigenvalues) ** steps
    return left / (1 - left)


# %% mistake of="matching_alpha" fails="alpha lets through what the steps have done, in each direction"
def takes_the_limit_for_the_formula(eigenvalues, eta, steps):
    """1 / (eta t) is the limit of small eta lambda t; other directions have another alpha."""
    return torch.full_like(eigenvalues, 1 / (eta * steps))


# %% mistake of="common_alpha" fails="the common alpha is the limit of short training"
def turns_it_upside_down(eta, steps):
    """The longer the training, the weaker the penalty."""
    return eta * steps


# %% mistake of="common_alpha" fails="the common alpha is the limit of short training"
def doubles_the_penalty(eta, steps):
    """The penalty is alpha / 2 times the squared length; with alpha alone the factor would be 2."""
    return 1 / (2 * eta * steps)


# %% mistake of="prior_precision" fails="descent for t steps is the minimum with the penalty Q"
def puts_the_vectors_the_wrong_way(a, eta, steps):
    """The eigenvectors are the columns: V times the diagonal matrix times V transposed."""
    eigenvalues, vectors = torch.linalg.eigh(a.T @ a)
    rest = (1 - eta * eigenvalues) ** steps
    return vectors.T @ torch.diag(eigenvalues * rest / (1 - rest)) @ vectors


# %% mistake of="prior_precision" fails="descent for t steps is the minimum with the penalty Q"
def keeps_the_diagonal_alone(a, eta, steps):
    """Eigenvectors of a.T @ a mix the weights, so Q is a full matrix."""
    strengths = (a.T @ a).diagonal()
    rest = (1 - eta * strengths) ** steps
    return torch.diag(strengths * rest / (1 - rest))


# %% mistake of="prior_precision" fails="descent for t steps is the minimum with the penalty Q"
def takes_one_penalty_for_all(a, eta, steps):
    """One L2 penalty comes close only where eta lambda t is small; Q has an alpha a direction."""
    return torch.eye(a.shape[1], dtype=a.dtype) / (eta * steps)
