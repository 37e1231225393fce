# %% exercise [markdown] items="52 53 111" stars=3 minutes=60 level="analyze" goal="translate between a prior and a weight decay for the objective at hand"
r"""
# Weight decay as a prior
"A Gaussian prior of variance $\sigma^2$ is L2 regularization with $\lambda = 1/\sigma^2$." That is
true of one objective, and not of the one that PyTorch's losses make by default. With 500 samples the
wrong reading is 500 times too strong.

Let each weight have the prior $N(0, \sigma^2)$, independent of the others, and let
$\mathrm{NLL}_i(w)$ be minus the log-likelihood of sample $i$ of $N$. The most probable weights given
the data (*MAP*) maximise

$$ \log p(w \mid \text{data}) = -\sum_i \mathrm{NLL}_i(w) + \log p(w) + \text{const}. $$

A training script minimises one of four objectives instead:

$$ \begin{aligned}
&\sum_i \mathrm{NLL}_i + \tfrac{\lambda}{2} \lVert w \rVert^2 &\qquad
&\sum_i \mathrm{NLL}_i + \lambda \lVert w \rVert^2 \\
&\tfrac1N \sum_i \mathrm{NLL}_i + \tfrac{\lambda}{2} \lVert w \rVert^2 &\qquad
&\tfrac1N \sum_i \mathrm{NLL}_i + \lambda \lVert w \rVert^2
\end{aligned} $$

Which $\lambda$ gives the MAP weights in each? Work it out on paper, then write `log_posterior`,
`strength` and `ridge_strength`.

*Hint:* an objective may be multiplied by any positive number and shifted by any constant without
moving its minimum.
"""

# %%
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect


# %% solution
def log_posterior(w: Tensor, x: Tensor, y: Tensor, prior_var: float) -> Tensor:
    """The log posterior of logistic regression, up to a constant that does not depend on `w`.

    `w` is (d,), `x` is (N, d); `y`, shape (N,), holds 0. and 1.; the logit of sample i is x[i] @ w.
    """
    ### BEGIN SOLUTION
    nll = F.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")
    return -nll - w.square().sum() / (2 * prior_var)
    ### END SOLUTION


def strength(n: int, prior_var: float, reduction: str, half: bool) -> float:
    """The lambda for MAP weights from `n` samples, with "sum" or "mean" of the NLL.

    `half` tells whether the penalty is lambda / 2 (or lambda) times the squared length of w.
    """
    ### BEGIN SOLUTION
    of_sum = 1 / prior_var if half else 1 / (2 * prior_var)
    return of_sum / n if reduction == "mean" else of_sum
    ### END SOLUTION


def ridge_strength(noise_var: float, prior_var: float) -> float:
    """The lambda for MAP weights if ridge regression minimises |y - X w|^2 + lambda |w|^2.

    The targets are X w plus Gaussian noise of variance `noise_var`.
    """
    ### BEGIN SOLUTION
    return noise_var / prior_var
    ### END SOLUTION


# %% check
# At w = 0 every label has probability 1/2. A step of length 1 at a right angle to all samples costs
# what the prior takes: 1 / (2 * 0.25) = 2.
x, y = torch.tensor([[3.0, 0.0], [-1.0, 0.0]]).double(), torch.tensor([1.0, 0.0]).double()
there, here = torch.tensor([0.0, 1.0]).double(), torch.zeros(2).double()
expect.close(
    log_posterior(there, x, y, 0.25) - log_posterior(here, x, y, 0.25),
    torch.tensor(-2.0).double(),
    when="going from (0, 0) to (0, 1), which the samples do not notice, with prior variance 1/4",
    think="What is the log of a Gaussian density, apart from its constant?",
)
expect.close(
    strength(5, 0.5, "sum", half=True),
    2.0,
    when="asking for lambda with the sum of the NLL, lambda / 2 and prior variance 1/2",
    think="Compare the objective with minus the log posterior, term by term.",
)
expect.close(
    strength(5, 0.5, "mean", half=False),
    0.2,
    when="asking for lambda with the mean over five samples, no 1/2, and prior variance 1/2",
    think="What does the sum get multiplied by to be a mean? The prior has to follow.",
)
expect.close(
    ridge_strength(1.0, 1.0),
    1.0,
    when="asking for ridge's lambda with noise of variance 1 and a prior of variance 1",
    think="The Gaussian likelihood has a 1/2 in it, as the prior has.",
)

# %% [markdown]
r"""
## And AdamW?
AdamW takes the decay out of the gradient and out of Adam's rescaling:

$$ w \leftarrow (1 - \eta\lambda)\,w - \eta\,\frac{\hat m}{\sqrt{\hat v} + \varepsilon} $$

Suppose $\hat v$ has settled at some $v$ (mini-batches keep it above 0), and $\hat m$ at the
gradient $g$ of the mean loss $L$. The step is 0 where the two terms cancel. At such a point the
gradient of $L(w) + R(w)$ is 0 as well, for a penalty $R$ that differs from weight to weight. Write it
as `frozen_penalty`, and the prior that it would be, with $N$ samples, as `implied_variance`.
"""


# %% solution
def frozen_penalty(w: Tensor, v: Tensor, weight_decay: float, eps: float = 1e-8) -> Tensor:
    """R(w), a number, with R(0) = 0, for AdamW with the second moments frozen at `v`."""
    ### BEGIN SOLUTION
    return weight_decay / 2 * ((v.sqrt() + eps) * w.square()).sum()
    ### END SOLUTION


def implied_variance(v: Tensor, weight_decay: float, n: int, eps: float = 1e-8) -> Tensor:
    """The variance of the Gaussian prior on each weight for which that rest point is the MAP.

    L is the mean NLL of `n` samples; `v` has the shape of the weights, and so has the result.
    """
    ### BEGIN SOLUTION
    return 1 / (n * weight_decay * (v.sqrt() + eps))
    ### END SOLUTION


# %% check
# sqrt(v) is 2 and 3, lambda is 4, and w is 1: a gradient of 8 and 12 stands against the decay.
w = torch.ones(2, dtype=torch.float64, requires_grad=True)
v = torch.tensor([4.0, 9.0]).double()
expect.close(
    frozen_penalty(w, v.clone(), 4.0, eps=0.0),
    torch.tensor(10.0).double(),
    when="penalising w = (1, 1) with lambda 4, v = (4, 9) and eps 0",
    think="Which g makes the step 0? Which function of w has minus that g as its gradient?",
)
expect.close(
    implied_variance(v.clone(), 4.0, 5, eps=0.0),
    [0.025, 0.1 / 6],
    when="asking for the prior's variance with lambda 4, v = (4, 9), five samples and eps 0",
    think="Which of the four objectives is this, with a lambda for each weight?",
)

# %% setup
import torch
from autograder.authoring.quiz import draw

# %% numeric [markdown] id="where-adamw-rests" points=1 rtol=0.01
r"""
Now with all data in each batch, so that nothing is random. The gradient of the loss for one weight
has settled at $-{{c}}$ and stays there, wherever the weight goes. AdamW runs with weight decay
$\lambda = {{lam}}$, a learning rate of 0.001 and an $\varepsilon$ of next to nothing. At which value
does the weight come to rest?
"""

# %% key
lam, c = draw([(2, 5), (4, 3), (5, 0.3), (0.5, 7), (8, 0.2)])
answer = 1 / lam
slips = {
    "That is where L2 in the gradient rests. AdamW divides the gradient by its own size first.": (
        c / lam
    ),
    "The step is 0 where lambda times w is 1: solve that for w.": float(lam),
    "The rate multiplies both the gradient's step and the decay, and cancels.": 1000 / lam,
}

# %% evidence
# PyTorch's AdamW, from a random start, with that gradient, in a rate large enough not to wait.
w = torch.randn(1, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.AdamW([w], lr=0.02, weight_decay=lam, eps=1e-12)
for _ in range(800):
    w.grad = torch.full((1,), -float(c), dtype=torch.float64)
    optimizer.step()
assert abs(w.item() * lam - 1) < 0.002

# %% choice [markdown] id="which-prior" points=1
r"""
"AdamW is MAP estimation, too. Its prior is ..." How does this sentence end best?

- [ ] "$N(0, 1/\lambda)$, the same for all weights, as with L2."
  > That needs the sum of the NLL and plain gradients. Here every weight has a strength of its own.
- [ ] "$N(0, s_i)$ with an $s_i$ for each weight that follows from $\lambda$ and $v_i$."
  > So it looks while v is frozen. But v is measured on the gradients of the data: what would the
  > prior be before there are any?
- [x] "... not there: how strongly it pulls at a weight follows from the gradients it has seen."
  > Yes. With frozen v it acts like a Gaussian for each weight, but v comes from the data and from
  > the path. With full batches v goes to 0 at the minimum, and the pull with it: then AdamW finds
  > the unregularized minimum, as long as no weight is larger than 1 / lambda.
- [ ] "a Laplace density, since Adam's steps depend on the sign of the gradient alone."
  > It would give exact zeros, and a penalty that grows with the absolute value. What is the
  > derivative of the penalty that you found?
"""

# %% evidence
# With full batches and a rate that falls, one lambda is as good as another while the minimum lies
# within 1 / lambda: no prior with a variance that depends on lambda does that. Beyond, it is a wall.
scale = 0.5 + torch.rand(3).double()
minimum = torch.tensor([0.3, -0.2, 0.25]).double()


def rest(lam, minimum):
    w, m, v = torch.zeros(3, 3, dtype=torch.float64)
    for t in range(1, 801):
        g, rate = scale * (w - minimum), 0.03 * (1 - t / 801)
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * g * g
        step = m / (1 - 0.9**t) / ((v / (1 - 0.95**t)).sqrt() + 1e-10)
        w = (1 - rate * lam) * w - rate * step
    return w


assert all((rest(lam, minimum) - minimum).abs().max() < 0.01 for lam in (0.2, 2.0))
assert (rest(2.0, 20 * minimum).abs() - 0.5).abs().max() < 0.01

# %% hidden aspect="the log posterior adds up all samples and the prior" points=1
torch.manual_seed(1)
x, y = torch.randn(9, 4).double(), torch.randint(0, 2, (9,)).double()
prior = torch.distributions.Normal(0.0, torch.tensor(0.3).double().sqrt())


def wanted(w):
    return torch.distributions.Bernoulli(logits=x @ w).log_prob(y).sum() + prior.log_prob(w).sum()


one, other = torch.randn(2, 4).double()
expect.close(
    log_posterior(one.clone(), x.clone(), y.clone(), 0.3)
    - log_posterior(other.clone(), x.clone(), y.clone(), 0.3),
    wanted(one) - wanted(other),
    rtol=1e-7,  # of a difference
    when="comparing two weights by their log posterior, nine samples and prior variance 0.3",
    think="Each sample brings its log-likelihood, and each weight its log prior.",
)

# %% hidden aspect="with the sum and one half, lambda is the prior's precision" points=1
for n, prior_var in ((7, 0.3), (500, 4.0)):
    expect.close(
        strength(n, prior_var, "sum", half=True),
        1 / prior_var,
        when=f"asking for lambda with a sum of {n} and lambda / 2, prior variance {prior_var:g}",
        think="Put minus the log prior beside the penalty. Is it a variance that you were given?",
    )

# %% hidden aspect="without the one half, lambda is half as large" points=1
for reduction in ("sum", "mean"):
    with_half = strength(7, 0.3, reduction, half=True)
    expect.between(
        with_half,
        1e-9,
        1e9,
        when="asking for lambda with lambda / 2 in the objective",
        think="A Gaussian prior pulls towards 0, with a finite strength.",
    )
    expect.close(
        strength(7, 0.3, reduction, half=False),
        with_half / 2,
        when=f"comparing your lambdas without and with the 1/2, for the {reduction}",
        think="The same penalty has to come out: lambda times a whole or times a half.",
    )

# %% hidden aspect="with the mean, lambda is n times smaller" points=1
for n, half in ((7, True), (500, True), (40, False)):
    of_sum = strength(n, 0.3, "sum", half=half)
    expect.between(
        of_sum,
        1e-9,
        1e9,
        when="asking for lambda with the sum of the NLL",
        think="A Gaussian prior pulls towards 0, with a finite strength.",
    )
    expect.close(
        strength(n, 0.3, "mean", half=half),
        of_sum / n,
        when=f"comparing your lambdas for the mean and for the sum over {n} samples",
        think="Divide the whole objective by n, and the minimum stays where it is.",
    )

# %% hidden aspect="ridge's lambda compares the noise with the prior" points=1
torch.manual_seed(2)
for noise_var, prior_var in ((0.2, 3.0), (5.0, 0.4), (2.0, 1.0)):
    lam = ridge_strength(noise_var, prior_var)
    expect.between(
        lam,
        1e-6,
        1e6,
        when="asking for ridge's lambda",
        think="Both variances are above 0, and so is the strength.",
    )
    x, y = torch.randn(12, 3).double(), torch.randn(12).double()
    # The mean of the exact posterior, which is Gaussian here, is its maximum.
    precision = x.T @ x / noise_var + torch.eye(3).double() / prior_var
    expect.close(
        torch.linalg.solve(x.T @ x + float(lam) * torch.eye(3).double(), x.T @ y),
        torch.linalg.solve(precision, x.T @ y / noise_var),
        when=f"comparing ridge with the exact posterior, noise {noise_var:g}, prior {prior_var:g}",
        think="Noisier data count less, a wider prior holds less. Watch the two factors of 1/2.",
    )

# %% hidden aspect="where AdamW rests, the penalty balances the gradient" points=2
torch.manual_seed(3)
for weight_decay, eps in ((0.3, 1e-8), (2.0, 0.1)):
    w = torch.randn(5, dtype=torch.float64, requires_grad=True)
    v = torch.rand(5).double() + 0.1
    penalty = frozen_penalty(w, v.clone(), weight_decay, eps=eps)
    expect.shape(penalty, (), when="penalising five weights")
    expect.close(
        penalty.detach() - frozen_penalty(torch.zeros(5).double(), v.clone(), weight_decay, eps),
        penalty.detach(),
        when="penalising weights that are all 0",
        think="Nothing is there to be penalised.",
    )
    (slope,) = torch.autograd.grad(penalty, w)
    # The loss has the opposite slope there; AdamW's two terms have to cancel.
    expect.close(
        -slope / (v.sqrt() + eps),
        -weight_decay * w.detach(),
        when=f"putting minus the gradient of R into AdamW's step, decay {weight_decay:g}, {eps=}",
        think="Adam divides the gradient of the loss, and not the decay. Who catches up, and by what?",
    )

# %% hidden aspect="the implied variance is that of the mean's objective, weight by weight" points=1
torch.manual_seed(4)
for weight_decay, n, eps in ((0.3, 20, 1e-8), (2.0, 500, 0.1)):
    v = torch.rand(2, 3).double() + 0.1
    expect.close(
        implied_variance(v.clone(), weight_decay, n, eps=eps),
        1 / (n * weight_decay * (v.sqrt() + eps)),
        when=f"asking for the variances of six weights, decay {weight_decay:g}, {n=}, {eps=}",
        think="Write R as a sum over the weights of lambda_i / 2 times w_i squared.",
    )


# %% alternative of="log_posterior"
def with_distributions(w, x, y, prior_var):
    likelihood = torch.distributions.Bernoulli(logits=x @ w).log_prob(y).sum()
    return likelihood + torch.distributions.Normal(0.0, prior_var**0.5).log_prob(w).sum()


# %% alternative of="strength"
def with_a_table(n, prior_var, reduction, half):
    table = {("sum", True): 1, ("sum", False): 2, ("mean", True): n, ("mean", False): 2 * n}
    return 1 / (table[reduction, bool(half)] * prior_var)


# %% alternative of="frozen_penalty"
def with_a_matrix(w, v, weight_decay, eps=1e-8):
    return 0.5 * w @ torch.diag(weight_decay * (torch.sqrt(v) + eps)) @ w


# %% alternative of="implied_variance"
def through_the_strengths(v, weight_decay, n, eps=1e-8):
    return (weight_decay * n * (eps + v**0.5)) ** -1


# %% mistake of="log_posterior" fails="the log posterior adds up all samples and the prior"
def averages_the_likelihood(w, x, y, prior_var):
    """Independent samples multiply their likelihoods: the logs are added up, and not averaged."""
    return -F.binary_cross_entropy_with_logits(x @ w, y) - w.square().sum() / (2 * prior_var)


# %% mistake of="log_posterior" fails="the log posterior adds up all samples and the prior"
def adds_the_penalty(w, x, y, prior_var):
    """The posterior is to be made large: improbable weights lower it."""
    nll = F.binary_cross_entropy_with_logits(x @ w, y, reduction="sum")
    return nll + w.square().sum() / (2 * prior_var)


# %% mistake of="strength" fails="with the sum and one half, lambda is the prior's precision"
def takes_the_variance_for_a_deviation(n, prior_var, reduction, half):
    """The prior's exponent has its variance in it; no root and no further square."""
    return 1 / prior_var**2 / (1 if half else 2) / (n if reduction == "mean" else 1)


# %% mistake of="strength" fails="with the sum and one half, lambda is the prior's precision"
def decays_more_under_a_wider_prior(n, prior_var, reduction, half):
    """A wide prior allows large weights, so lambda is small when the variance is large."""
    return prior_var / (1 if half else 2) / (n if reduction == "mean" else 1)


# %% mistake of="strength" fails="without the one half, lambda is half as large"
def has_one_lambda_for_both_penalties(n, prior_var, reduction, half):
    """Without the 1/2 the same lambda penalises twice as much."""
    return 1 / prior_var / (n if reduction == "mean" else 1)


# %% mistake of="strength" fails="without the one half, lambda is half as large"
def doubles_where_it_should_halve(n, prior_var, reduction, half):
    """Without the 1/2 the penalty is larger already, so lambda has to be smaller."""
    return 1 / prior_var * (1 if half else 2) / (n if reduction == "mean" else 1)


# %% mistake of="strength" fails="with the mean, lambda is n times smaller"
def has_one_lambda_for_sum_and_mean(n, prior_var, reduction, half):
    """A mean is n times smaller than the sum; with the same lambda the prior counts n times."""
    return 1 / prior_var / (1 if half else 2)


# %% mistake of="ridge_strength" fails="ridge's lambda compares the noise with the prior"
def forgets_the_noise(noise_var, prior_var):
    """The squared errors count by 1 / noise_var in the likelihood, and not by 1."""
    return 1 / prior_var


# %% mistake of="frozen_penalty" fails="where AdamW rests, the penalty balances the gradient"
def penalises_all_weights_alike(w, v, weight_decay, eps=1e-8):
    """Adam divides the loss's gradient, weight by weight; the decay stands beside it, undivided."""
    return weight_decay / 2 * w.square().sum()


# %% mistake of="frozen_penalty" fails="where AdamW rests, the penalty balances the gradient"
def divides_by_the_root(w, v, weight_decay, eps=1e-8):
    """In units of the gradient, the decay is multiplied by the root of v, and not divided by it."""
    return weight_decay / 2 * (w.square() / (v.sqrt() + eps)).sum()


# %% mistake of="frozen_penalty" fails="where AdamW rests, the penalty balances the gradient"
def leaves_out_the_half(w, v, weight_decay, eps=1e-8):
    """The derivative of w squared is 2 w: the 1/2 is there to cancel the 2."""
    return weight_decay * ((v.sqrt() + eps) * w.square()).sum()


# %% mistake of="implied_variance" fails="the implied variance is that of the mean's objective, weight by weight"
def forgets_the_number_of_samples(v, weight_decay, n, eps=1e-8):
    """The loss is a mean, so the penalty is the n-th part of what the prior contributes."""
    return 1 / (weight_decay * (v.sqrt() + eps))
