# %% exercise [markdown] items="54" stars=3 minutes=75 level="analyze" goal="sample a posterior and see which optimizer finds its maximum"
r"""
# The posterior behind weight decay
A trained weight is one number; the data allow many. With a prior $N(0, \sigma^2)$ on each weight
the answer of a logistic regression to "which ones?" is the *posterior*

$$ p(w \mid \text{data}) \propto \exp\Bigl(-\sum_{i=1}^N \mathrm{NLL}_i(w) - \frac{\lVert w \rVert^2}{2\sigma^2}\Bigr). $$

No library is needed to look at it. First find its maximum (*MAP*). Then:

- **Laplace**: a Gaussian with the MAP as its mean, and as its covariance the inverse of the Hessian
  of minus the log posterior there.
- **Metropolis-Hastings** draws from the posterior itself. From the present $w$ propose
  $w' = w + \xi$, with $\xi$ normal and of covariance $(2.4^2 / d)$ times Laplace's. Go there with
  the probability $\min(1, p(w') / p(w))$; else stay, and then the present $w$ is the next draw, once
  more. Leave out the first draws of each chain, which remember where it began.

Write the three. Then find the weight decay with which Adam with L2 arrives at the MAP, and measure how
far from the posterior AdamW ends. Some texts set AdamW's $\lambda$ to $1/\sigma^2$ and expect a match
(and cite Santos, 1996, for it, who writes about early stopping). There is none.

*Hint:* Newton's method finds the MAP in ten steps: $w \leftarrow w - H^{-1} g$.

*Hint:* a step can move hundreds of chains at once, as the rows of a tensor.
"""

# %%
import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect
from autograder.datasets import credit_scoring


def log_posterior(w: Tensor, x: Tensor, y: Tensor, prior_var: float) -> Tensor:
    """Up to a constant, shape (...), for weights (..., d), features (N, d) and labels (N,)."""
    logits = w @ x.T
    return (y * logits - F.softplus(logits)).sum(dim=-1) - w.square().sum(dim=-1) / (2 * prior_var)


def applicants(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Features (n, 2) and labels (n,) of people who asked for a credit; synthetic."""
    credit = credit_scoring(n, seed, correlated=0, informative=2, noise=0)
    return credit.features, credit.labels


def train(optimizer_class: type, x: Tensor, y: Tensor, weight_decay: float) -> Tensor:
    """Where an optimizer arrives with the *mean* loss and all data in each batch."""
    w = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = optimizer_class([w], lr=0.05, weight_decay=weight_decay)
    for step in range(400):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / 400)
        w.grad = ((x @ w.detach()).sigmoid() - y) @ x / len(y)
        optimizer.step()
    return w.detach()


# %% solution
def map_weights(x: Tensor, y: Tensor, prior_var: float) -> Tensor:
    """The weights of the largest posterior density, shape (d,)."""
    ### BEGIN SOLUTION
    w, eye = x.new_zeros(x.shape[1]), torch.eye(x.shape[1], dtype=x.dtype)
    for _ in range(30):
        p = (x @ w).sigmoid()
        slope = x.T @ (p - y) + w / prior_var
        w = w - torch.linalg.solve((x.T * p * (1 - p)) @ x + eye / prior_var, slope)
    return w
    ### END SOLUTION


def laplace_covariance(x: Tensor, w: Tensor, prior_var: float) -> Tensor:
    """The covariance of Laplace's Gaussian, shape (d, d), if the MAP is `w`."""
    ### BEGIN SOLUTION
    p = (x @ w).sigmoid()
    return torch.linalg.inv((x.T * p * (1 - p)) @ x + torch.eye(len(w)).to(x) / prior_var)
    ### END SOLUTION


def sample_posterior(x: Tensor, y: Tensor, prior_var: float, draws: int, seed: int) -> Tensor:
    """Draws of Metropolis-Hastings, shape (draws, d); the same ones for the same seed.

    At most a few seconds for 40,000 of them.
    """
    ### BEGIN SOLUTION
    generator, chains, burn_in = torch.Generator().manual_seed(seed), 400, 50
    start = map_weights(x, y, prior_var)
    root = torch.linalg.cholesky(laplace_covariance(x, start, prior_var))

    def normal() -> Tensor:
        return torch.randn(chains, len(start), generator=generator, dtype=x.dtype) @ root.T

    w, kept = start + normal(), []
    for _ in range(burn_in + -(-draws // chains)):
        proposal = w + 2.4 / len(start) ** 0.5 * normal()
        gain = log_posterior(proposal, x, y, prior_var) - log_posterior(w, x, y, prior_var)
        accepted = torch.rand(chains, generator=generator, dtype=x.dtype).log() < gain
        w = torch.where(accepted[:, None], proposal, w)
        kept.append(w)
    return torch.cat(kept[burn_in:])[:draws]
    ### END SOLUTION


def matching_decay(n: int, prior_var: float) -> float:
    """The `weight_decay` with which `train`, given torch.optim.Adam and n samples, finds the MAP.

    Adam adds weight_decay times w to the gradient of the loss.
    """
    ### BEGIN SOLUTION
    return 1 / (n * prior_var)
    ### END SOLUTION


def misfit(w: Tensor, draws: Tensor) -> float:
    """How far `w`, shape (d,), is from the mean of the draws in its worst entry.

    Each entry is measured in standard deviations of its own, as torch's `std` takes them.
    """
    ### BEGIN SOLUTION
    return ((w - draws.mean(dim=0)).abs() / draws.std(dim=0)).max().item()
    ### END SOLUTION


# %% check
# Without a slope in the data the prior alone decides: the MAP is 0. With x = 2 at each of four
# samples, p is 1/2 and the curvature 4 * 4 / 4 + 1 / prior_var = 5.
x, y = torch.full((4, 1), 2.0).double(), torch.tensor([0.0, 1.0, 0.0, 1.0]).double()
peak = map_weights(x.clone(), y.clone(), 1.0)
expect.close(
    peak,
    [0.0],
    atol=1e-9,
    when="looking for the MAP of four samples with x = 2, half of them with the label 1",
    think="Where do the slopes of likelihood and prior cancel?",
)
expect.close(
    laplace_covariance(x.clone(), torch.zeros(1).double(), 1.0),
    [[0.2]],
    when="asking for Laplace's covariance there, with prior variance 1",
    think="Which curvature does each sample bring, and which the prior?",
)
expect.close(
    misfit(torch.tensor([3.0, 1.0]), torch.tensor([[0.0, 0.0], [2.0, 2.0]])),
    2**0.5,
    rtol=1e-6,  # float32
    when="comparing (3, 1) with draws of mean (1, 1) and standard deviation sqrt 2",
    think="One distance for each weight, in its own standard deviations; the worst counts.",
)

# %% check
# The whole comparison. The posterior is what is measured with; the MAP is not its mean.
x, y = applicants(200, seed=0)
draws = sample_posterior(x.clone(), y.clone(), 0.5, 40_000, seed=0)
expect.shape(draws, (40_000, 2), when="sampling 40,000 times")
table = {
    "MAP": map_weights(x.clone(), y.clone(), 0.5),
    "Adam with L2, the matching decay": train(torch.optim.Adam, x, y, matching_decay(200, 0.5)),
    "AdamW with the same decay": train(torch.optim.AdamW, x, y, matching_decay(200, 0.5)),
    "AdamW with 1 / prior_var = 2": train(torch.optim.AdamW, x, y, 2.0),
    "no decay at all": train(torch.optim.Adam, x, y, 0.0),
}
for name, w in table.items():
    w = torch.as_tensor(w)
    print(f"{name:34} {w[0]:7.3f} {w[1]:7.3f}   misfit {misfit(w.clone(), draws):.2f}")

# %% setup
import torch
from autograder.datasets import credit_scoring

# %% choice [markdown] id="what-adamw-finds" points=1
r"""
Full batches, a rate that falls to 0, prior variance $\sigma^2 = 1/2$, and a MAP whose largest weight
is about 1 in size. Where does AdamW with $\lambda = 1/\sigma^2 = 2$ arrive?

- [ ] At the MAP, because a Gaussian prior is weight decay with $\lambda = 1/\sigma^2$.
  > Of the sum of the losses, and in the gradient. AdamW's decay is not in the gradient: what does
  > Adam do to the size of gradients?
- [ ] At the MAP, if $\lambda$ is divided by N.
  > That is Adam with L2. AdamW with so small a decay arrives where no decay at all arrives: see the
  > table.
- [x] At weights none of which is larger than $1/\lambda = 1/2$, whatever the posterior says.
  > Yes: Adam's step has at most size 1 once the gradient has settled, so lambda times w cannot be
  > larger. Inside of these walls AdamW does not feel a prior.
- [ ] Close to 0, because the prior counts N times.
  > That is Adam with L2 and lambda = 1 / sigma^2. What is the largest w that AdamW's decay can hold
  > against steps of size 1?
"""

# %% evidence
credit = credit_scoring(400, int(torch.randint(0, 10**6, ())), correlated=0, informative=2, noise=0)
x, y = credit.features, credit.labels


def arrive(optimizer_class, decay):
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = optimizer_class([w], lr=0.03, weight_decay=decay)
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / 600)
        w.grad = ((x @ w.detach()).sigmoid() - y) @ x / 400
        optimizer.step()
    return w.detach()


plain = arrive(torch.optim.Adam, 0.0)
walled = arrive(torch.optim.AdamW, 2.0)
assert walled.abs().max() < 0.51 and plain.abs().max() > 0.52
assert (arrive(torch.optim.AdamW, 1 / 200) - plain).norm() < 0.01
assert arrive(torch.optim.Adam, 2.0).norm() < 0.5 * arrive(torch.optim.Adam, 1 / 200).norm()
assert (arrive(torch.optim.Adam, 1 / 200) - plain).norm() > 0.01

# %% hidden aspect="the MAP is where the log posterior is flat" points=1
torch.manual_seed(1)
for n, d, prior_var in ((40, 3, 0.5), (15, 4, 3.0)):
    x, y = torch.randn(n, d).double(), torch.randint(0, 2, (n,)).double()
    w = map_weights(x.clone(), y.clone(), prior_var)
    expect.shape(w, (d,), when=f"looking for the MAP of {d} weights")
    w = w.detach().clone().double().requires_grad_()
    (slope,) = torch.autograd.grad(log_posterior(w, x, y, prior_var), w)
    expect.close(
        slope,
        torch.zeros(d).double(),
        atol=1e-2,  # of slopes near 10; an optimizer that stops early passes
        when=f"taking the slope of the log posterior at your MAP, {n} samples, {prior_var=}",
        think="All samples, added up, and the prior once. At a maximum the slope is 0.",
    )

# %% hidden aspect="Laplace's covariance is the inverse curvature of the log posterior" points=1
torch.manual_seed(2)
for n, d, prior_var in ((40, 3, 0.5), (6, 2, 3.0)):
    x, w = 2 * torch.randn(n, d).double(), torch.randn(d).double()
    hessian = torch.autograd.functional.hessian(
        lambda v, x=x, n=n, prior_var=prior_var: (
            -log_posterior(v, x, torch.zeros(n).double(), prior_var)
        ),
        w,
    )
    expect.close(
        laplace_covariance(x.clone(), w.clone(), prior_var),
        torch.linalg.inv(hessian),
        rtol=1e-6,
        when=f"comparing with autograd's Hessian, {n} samples of {d} features, {prior_var=}",
        think="Each sample brings p (1 - p) x x^T, the prior its precision; then invert.",
    )

# %% hidden aspect="the draws are from the posterior" points=2


def moments(x, y, prior_var, centre, reach):
    """Mean and covariance of a posterior of two weights, summed over a fine grid."""
    axis = torch.linspace(-reach, reach, 161).double()
    grid = torch.cartesian_prod(axis, axis) + centre
    weight = log_posterior(grid, x, y, prior_var).softmax(dim=0)
    mean = weight @ grid
    return mean, (grid - mean).T @ (weight[:, None] * (grid - mean))


torch.manual_seed(3)
# Two hundred applicants: standard deviations of about 0.17. With the proposals of the prompt 40,000
# draws are worth about 5,000 independent ones, so the mean is off by 0.0025 and 0.03 is twelve times
# that; the variances are off by 2 percent, and 0.15 is seven times that: a false alarm in far more
# than a million runs.
x, y = applicants(200, seed=int(torch.randint(0, 10**6, ())))
draws = sample_posterior(x.clone(), y.clone(), 0.5, 40_000, seed=1)
expect.shape(draws, (40_000, 2), when="sampling the posterior of two weights 40,000 times")
expect.between(
    len(draws.unique(dim=0)) / len(draws),
    0.2,
    0.8,
    when="counting the share of different rows among 40,000 draws",
    think="About every second proposal is turned down. What is drawn then?",
)
mean, covariance = moments(x, y, 0.5, draws.mean(dim=0), 1.5)
expect.close(
    draws.mean(dim=0),
    mean,
    rtol=0.0,
    atol=0.03,
    when="comparing the mean of 40,000 draws with a sum over a grid, 200 samples",
    think="Are all samples and the prior in the ratio p(w') / p(w)?",
)
expect.close(
    draws.T.cov().diagonal() / covariance.diagonal(),
    [1.0, 1.0],
    rtol=0.0,
    atol=0.15,
    when="dividing the variances of the draws by those of a sum over a grid, 200 samples",
    think="If the proposal is turned down, which w is drawn once more?",
)
# Eight samples that a line can separate: the posterior leans far over to one side.
x = torch.tensor([[1.0, 0.3], [-1.2, 0.1], [0.7, -0.8], [-0.5, -0.4]]).double()
x = torch.cat([x, x.flip(0) * torch.tensor([-1.0, 1.0])]) + 0.1 * torch.randn(8, 2).double()
y = (x[:, 0] > 0).double()
draws = sample_posterior(x.clone(), y.clone(), 9.0, 20_000, seed=2)
expect.shape(draws, (20_000, 2), when="sampling another posterior 20,000 times")
mean, covariance = moments(x, y, 9.0, draws.mean(dim=0), 13.0)
expect.close(
    (draws.mean(dim=0) - mean) / covariance.diagonal().sqrt(),
    [0.0, 0.0],
    rtol=0.0,
    atol=0.15,  # standard deviations: six times what 20,000 draws, worth 1,600, are off by
    when="comparing, in standard deviations, with a posterior that is far from Gaussian",
    think="Laplace's Gaussian is only where the proposals come from: who corrects for it?",
)

# %% hidden aspect="the seed decides about the draws" points=1
torch.manual_seed(4)
x, y = torch.randn(20, 3).double(), torch.randint(0, 2, (20,)).double()
one, again, other = (
    sample_posterior(x.clone(), y.clone(), 1.0, 1000, seed=seed) for seed in (5, 5, 6)
)
expect.close(
    again,
    one,
    when="sampling twice with the seed 5",
    think="Does everything that is random come from this seed?",
)
expect.true(
    not torch.equal(torch.as_tensor(other), torch.as_tensor(one)),
    when="sampling with the seeds 5 and 6",
    wanted="other draws",
    got="the same",
    think="Is the seed that was asked for in use?",
)

# %% hidden aspect="Adam with L2 arrives at the MAP" points=1
torch.manual_seed(5)
for n, prior_var in ((60, 0.5), (25, 2.0)):
    x, y = applicants(n, seed=int(torch.randint(0, 10**6, ())))
    decay = matching_decay(n, prior_var)
    expect.between(
        decay,
        1e-6,
        1e3,
        when=f"asking for the decay of {n} samples, {prior_var=}",
        think="A Gaussian prior pulls towards 0, with a finite strength.",
    )
    w = train(torch.optim.Adam, x, y, float(decay)).requires_grad_()
    (slope,) = torch.autograd.grad(log_posterior(w, x, y, prior_var), w)
    expect.close(
        slope / n,
        [0.0, 0.0],
        rtol=0.0,
        atol=1e-3,  # 400 steps are enough for 1e-5
        when=f"taking the slope of the log posterior where Adam arrives, {n} samples, {prior_var=}",
        think="`train` has the mean of the losses. Divide the log posterior by n and compare.",
    )

# %% hidden aspect="misfit is the worst distance in standard deviations" points=1
torch.manual_seed(6)
draws = torch.randn(500, 3).double() * torch.tensor([0.1, 1.0, 5.0]) + 2
for w in (torch.tensor([1.5, 2.0, 0.0]), torch.tensor([2.0, 6.0, -6.0]), draws.mean(dim=0)):
    z = (w.double() - draws.mean(dim=0)) / draws.std(dim=0)
    expect.close(
        misfit(w.double(), draws.clone()),
        z.abs().max().item(),
        rtol=5e-3,  # dividing by n in place of n - 1 is no matter here
        atol=1e-9,
        when="comparing three weights with draws of standard deviations 0.1, 1 and 5",
        think="Each weight has its own scale, and both signs are distances.",
    )


# %% alternative of="map_weights"
def with_lbfgs(x, y, prior_var):
    w = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = -log_posterior(w, x, y, prior_var)
        loss.backward()
        return loss

    optimizer.step(closure)
    return w.detach()


# %% alternative of="laplace_covariance"
def with_autograd(x, w, prior_var):
    y = torch.ones(len(x), dtype=x.dtype)
    hessian = torch.autograd.functional.hessian(lambda v: log_posterior(v, x, y, prior_var), w)
    return torch.linalg.inv(-hessian)


# %% alternative of="sample_posterior"
def with_one_chain_in_numpy(x, y, prior_var, draws, seed):
    import numpy as np

    random, features, labels = np.random.default_rng(seed), x.numpy(), y.numpy()
    w = map_weights(x, y, prior_var)
    root = np.linalg.cholesky(laplace_covariance(x, w, prior_var).numpy()) * 2.4 / len(w) ** 0.5
    w, density, found = w.numpy(), -np.inf, np.empty((draws + 500, len(w)))
    steps = random.standard_normal(found.shape) @ root.T
    for k, log_u in enumerate(np.log(random.random(len(found)))):
        there = w + steps[k]
        z = features @ there
        new = labels @ z - np.logaddexp(0, z).sum() - there @ there / (2 * prior_var)
        if log_u < new - density:
            w, density = there, new
        found[k] = w
    return torch.tensor(found[500:])


# %% mistake of="map_weights" fails="the MAP is where the log posterior is flat"
def averages_the_likelihood(x, y, prior_var):
    """The likelihood is a product over all samples; with their mean the prior counts n times."""
    w, eye = x.new_zeros(x.shape[1]), torch.eye(x.shape[1], dtype=x.dtype)
    for _ in range(30):
        p = (x @ w).sigmoid()
        slope = x.T @ (p - y) / len(y) + w / prior_var
        w = w - torch.linalg.solve((x.T * p * (1 - p)) @ x / len(y) + eye / prior_var, slope)
    return w


# %% mistake of="laplace_covariance" fails="Laplace's covariance is the inverse curvature of the log posterior"
def forgets_the_prior(x, w, prior_var):
    """The prior is curved, too: its precision is added to that of the data."""
    p = (x @ w).sigmoid()
    return torch.linalg.inv((x.T * p * (1 - p)) @ x + 1e-3 * torch.eye(len(w)).to(x))


# %% mistake of="sample_posterior" fails="the draws are from the posterior"
def draws_from_laplace(x, y, prior_var, draws, seed):
    """Laplace's Gaussian is an approximation around the maximum; the posterior may lean to a side."""
    generator, start = torch.Generator().manual_seed(seed), map_weights(x, y, prior_var)
    root = torch.linalg.cholesky(laplace_covariance(x, start, prior_var))
    return start + torch.randn(draws, len(start), generator=generator, dtype=x.dtype) @ root.T


# %% mistake of="sample_posterior" fails="the draws are from the posterior"
def leaves_out_the_repeats(x, y, prior_var, draws, seed):
    """If a proposal is turned down, the present w is drawn again: that is what weights the draws."""
    generator, chains = torch.Generator().manual_seed(seed), 400
    w = map_weights(x, y, prior_var)
    root = torch.linalg.cholesky(laplace_covariance(x, w, prior_var)) * 2.4 / len(w) ** 0.5
    w, kept, found = w.expand(chains, -1), [], 0
    while found < draws:
        xi = torch.randn(chains, w.shape[1], generator=generator, dtype=x.dtype)
        proposal = w + xi @ root.T
        gain = log_posterior(proposal, x, y, prior_var) - log_posterior(w, x, y, prior_var)
        accepted = torch.rand(chains, generator=generator, dtype=x.dtype).log() < gain
        w = torch.where(accepted[:, None], proposal, w)
        kept.append(w[accepted])
        found += int(accepted.sum())
    return torch.cat(kept)[:draws]


# %% mistake of="sample_posterior" fails="the draws are from the posterior"
def accepts_uphill_only(x, y, prior_var, draws, seed):
    """Steps downhill are taken now and then; without them the chain climbs up and stays."""
    generator, chains = torch.Generator().manual_seed(seed), 400
    start = map_weights(x, y, prior_var)
    root = torch.linalg.cholesky(laplace_covariance(x, start, prior_var))

    def normal():
        return torch.randn(chains, len(start), generator=generator, dtype=x.dtype) @ root.T

    w, kept = start + normal(), []
    for _ in range(20 + -(-draws // chains)):
        proposal = w + normal()
        gain = log_posterior(proposal, x, y, prior_var) - log_posterior(w, x, y, prior_var)
        w = torch.where((gain > 0)[:, None], proposal, w)
        kept.append(w)
    return torch.cat(kept[20:])[:draws]


# %% mistake of="sample_posterior" fails="the seed decides about the draws"
def has_a_seed_of_its_own(x, y, prior_var, draws, seed):
    """Whoever asks for another seed wants other draws: a number of one's own hides the noise."""
    generator, chains = torch.Generator().manual_seed(0), 400
    start = map_weights(x, y, prior_var)
    root = torch.linalg.cholesky(laplace_covariance(x, start, prior_var))

    def normal():
        return torch.randn(chains, len(start), generator=generator, dtype=x.dtype) @ root.T

    w, kept = start + normal(), []
    for _ in range(50 + -(-draws // chains)):
        proposal = w + 2.4 / len(start) ** 0.5 * normal()
        gain = log_posterior(proposal, x, y, prior_var) - log_posterior(w, x, y, prior_var)
        accepted = torch.rand(chains, generator=generator, dtype=x.dtype).log() < gain
        w = torch.where(accepted[:, None], proposal, w)
        kept.append(w)
    return torch.cat(kept[50:])[:draws]


# %% mistake of="matching_decay" fails="Adam with L2 arrives at the MAP"
def forgets_the_number_of_samples(n, prior_var):
    """1 / prior_var belongs to the sum of the losses; the mean is n times smaller."""
    return 1 / prior_var


# %% mistake of="matching_decay" fails="Adam with L2 arrives at the MAP"
def brings_in_a_half(n, prior_var):
    """The gradient of w squared over 2 prior_var is w / prior_var: the half is gone."""
    return 1 / (2 * n * prior_var)


# %% mistake of="misfit" fails="misfit is the worst distance in standard deviations"
def looks_at_one_side(w, draws):
    """A weight may be too small as well as too large: take the absolute value first."""
    return ((w - draws.mean(dim=0)) / draws.std(dim=0)).max().item()


# %% mistake of="misfit" fails="misfit is the worst distance in standard deviations"
def has_one_scale_for_all(w, draws):
    """The weights are known to different precision, and each is measured by its own."""
    return ((w - draws.mean(dim=0)).abs() / draws.std()).max().item()
