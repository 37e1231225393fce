# %% exercise [markdown] items="48" stars=2 minutes=45 level="analyze" goal="say what each rule for scaling the learning rate keeps, and where it ends"
r"""
# Batch size and learning rate
A larger batch keeps more GPUs busy, but an epoch then has fewer steps: with the old learning rate
training falls behind, and with a guessed one it may diverge. Two rules are in use for a batch $k$
times as large, $k\,\eta$ and $\sqrt{k}\,\eta$, and both get "derived from the variance of the
gradient". They cannot both follow from one condition: each keeps something else as it was.

Near a minimum, along one direction, plain SGD looks like this: the loss is
$\tfrac{\lambda}{2} w^2$, and a batch of $B$ samples measures its gradient with an error,

$$ w \leftarrow w - \eta\,(\lambda w + \xi), \qquad
\mathbb{E}[\xi] = 0, \quad \mathrm{Var}(\xi) = \frac{s^2}{B}, $$

fresh and independent at every step. Take pen and paper first: what does one step make of the
variance of $w$? Which variance stays as it is? Then write the formulas below. In all of them
`eta`, `lam` and `s` are floats greater than 0 and `B` and `k` are whole numbers.

*Hint:* $w$ and the error of a new batch are independent, so their variances add up. A factor leaves
a variance as its square.
"""

# %%
import math

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect


def simulate(eta: float, lam: float, s: float, B: int, steps: int, runs: int = 2000) -> Tensor:
    """Where SGD stands after some steps from w = 0: one w a run, shape (runs,)."""
    w = torch.zeros(runs, dtype=torch.float64)
    for _ in range(steps):
        noise = s / math.sqrt(B) * torch.randn(runs, dtype=torch.float64)
        w = w - eta * (lam * w + noise)
    return w


# %% [markdown]
r"""
## The noise that stays
Without noise $w$ would go to 0. With it, $w$ goes on moving, and the variance settles where a step
takes away as much as it adds. Above a certain learning rate it never settles.
"""


# %% solution
def next_variance(variance: float, eta: float, lam: float, s: float, B: int) -> float:
    """Var(w) after one step, when it was `variance` before."""
    ### BEGIN SOLUTION
    return (1 - eta * lam) ** 2 * variance + eta**2 * s**2 / B
    ### END SOLUTION


def stationary_variance(eta: float, lam: float, s: float, B: int) -> float:
    """The Var(w) that a step leaves as it is; `math.inf` where Var(w) grows without end."""
    ### BEGIN SOLUTION
    shrink = (1 - eta * lam) ** 2
    return eta**2 * s**2 / (B * (1 - shrink)) if shrink < 1 else math.inf
    ### END SOLUTION


# %% check
# With eta lam = 1/2 a step takes w to w/2 and a variance of 16 to 4; it adds 1/4 * 36/9 = 1.
expect.close(
    next_variance(16.0, eta=0.5, lam=1.0, s=6.0, B=9),
    5.0,
    when="taking a step from a variance of 16, with eta 1/2, lam 1, s 6 and B 9",
    think="Which part of the new w was there before, and which part comes from the batch?",
)
# If a quarter is left and 1 is added, 4/3 stays: 1/3 + 1.
expect.close(
    stationary_variance(eta=0.5, lam=1.0, s=6.0, B=9),
    4 / 3,
    when="looking for the variance that such a step leaves as it is",
    think="Set the variance after the step equal to the one before, and solve.",
)

# %% [markdown]
r"""
## Two rules, two conditions
The batch grows from $B$ to $k B$. Two learning rates suggest themselves: one for which a step adds
as much variance to $w$ as before, and one for which a step of the large batch does the work of $k$
steps of the small one. The second is an approximation. `overshoot` says how good it is, and
`largest_factor` where it ends.
"""


# %% solution
def for_the_same_noise_a_step(eta: float, k: int) -> float:
    """The learning rate for which one step on k B samples adds as much variance as one on B."""
    ### BEGIN SOLUTION
    return math.sqrt(k) * eta
    ### END SOLUTION


def for_the_work_of_k_steps(eta: float, k: int) -> float:
    """The learning rate for which one step on k B samples does what k steps on B samples do.

    The k steps are so short that the gradient is the same at all of them.
    """
    ### BEGIN SOLUTION
    return k * eta
    ### END SOLUTION


def overshoot(eta: float, lam: float, k: int) -> float:
    """How much more one long step takes off w, without noise, than k steps of `eta` do.

    The long step has the rate from `for_the_work_of_k_steps`, w starts at 1, and lam is its
    curvature: here the gradient does change on the way.
    """
    ### BEGIN SOLUTION
    return (1 - eta * lam) ** k - (1 - k * eta * lam)
    ### END SOLUTION


def largest_factor(eta: float, lam: float) -> float:
    """The k up to which that long step does not throw w further out than it was."""
    ### BEGIN SOLUTION
    return 2 / (eta * lam)
    ### END SOLUTION


# %% check
for name, rate in {
    "adds the same noise": for_the_same_noise_a_step(0.1, 1),
    "does the same work": for_the_work_of_k_steps(0.1, 1),
}.items():
    expect.close(
        rate,
        0.1,
        when=f"leaving the batch as large as it is (k = 1), so that a step {name}",
        think="What has to change if nothing else does?",
    )
# Two steps with eta lam = 1/10 leave 0.81 of w.
expect.close(
    overshoot(eta=0.1, lam=1.0, k=2),
    0.01,
    when="putting one step in the place of two, with eta 0.1 and lam 1",
    think="What is left of w = 1 after the two steps, and what after the one?",
)
expect.close(
    largest_factor(eta=0.5, lam=4.0),
    1.0,
    when="looking for the largest k with eta 1/2 and lam 4, where w goes to -w already",
    think="By what is w multiplied in one long step?",
)


# %%
def show(eta: float, lam: float, s: float, B: int, factors: list[int]) -> Figure:
    """The stationary variance over k: lines from your formulas, dots from a simulation."""
    figure, axes = plt.subplots(layout="constrained")
    rules = {
        "the work of k steps": for_the_work_of_k_steps,
        "the same noise a step": for_the_same_noise_a_step,
    }
    for name, rule in rules.items():
        rates = [rule(eta, k) for k in factors]
        exact = [stationary_variance(e, lam, s, k * B) for e, k in zip(rates, factors, strict=True)]
        # From 0, the variance has settled to 0.3 % after 3 / (eta lam) steps.
        seen = [
            simulate(e, lam, s, k * B, steps=math.ceil(3 / (e * lam))).var().item()
            for e, k in zip(rates, factors, strict=True)
        ]
        (line,) = axes.plot(factors, exact, label=name)
        axes.plot(factors, seen, "o", color=line.get_color(), label=f"{name}, simulated")
    axes.set(xscale="log", yscale="log", xlabel="k: batch over small batch", ylabel="Var(w)")
    axes.set_title(f"The noise that stays, eta {eta}, curvature {lam}, small batch {B}")
    axes.set_xticks(factors, [str(k) for k in factors])
    axes.xaxis.minorticks_off()
    axes.legend()
    return figure


# %% check
# The line that is nearly level bends upwards where k eta lam is no longer small.
figure = show(eta=0.02, lam=1.0, s=1.0, B=32, factors=[1, 2, 4, 8, 16, 32, 64])

# %% setup
import torch
from autograder.authoring.quiz import draw

# %% numeric [markdown] id="adams-factor" points=1
r"""
With SGD, doing the work of $k$ steps in one takes $k$ times the learning rate. Adam divides by the
root of the mean square of its gradients. Suppose that the noise of the batch is far larger than the
gradient itself, for the small and for the large batch. The batch grows {{k}} times. By which factor
has Adam's learning rate to grow, so that on average one step goes as far as {{k}} steps did?
"""

# %% key
k = draw([4, 9, 16, 25])
answer, inverse = k**0.5, k**-0.5
slips = {
    "That is the rule for SGD. What becomes of the root that Adam divides by when the noise of the batch shrinks?": k,
    "Adam's step is as long as before, but how much of it points along the gradient? The noise that it divides by has shrunk.": 1.0,
    "The larger batch has a smaller root to divide by, so steps along the gradient grow by themselves: by how much of the way?": inverse,
}

# %% evidence
# Adam itself, on many coordinates with the same small slope. Every noise comes with both signs, so
# that what is left on average is the way along the gradient.
slope, steps = 0.02, 60


def way(batch):
    w = torch.zeros(4000, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=1e-3, betas=(0.9, 0.99))
    for _ in range(steps):
        noise = torch.randn(2000, dtype=torch.float64) / batch**0.5
        w.grad = slope + torch.cat([noise, -noise])
        optimizer.step()
    return w.detach().mean()


assert abs(way(k) / way(1) * answer / k - 1) < 0.1

# %% hidden aspect="a step shrinks the variance there was, and adds that of the batch" points=1
torch.manual_seed(1)
for eta, lam, s, before in torch.rand(20, 4, dtype=torch.float64).tolist():
    B = int(torch.randint(1, 65, ()))
    eta, s, before = 1.5 * eta + 0.01, 3 * s + 0.1, 5 * before
    # The new w is a weighted sum of two independent numbers: the old w and the error of the batch.
    weights = torch.tensor([1 - eta * lam, -eta], dtype=torch.float64)
    wanted = weights.square() @ torch.tensor([before, s * s / B], dtype=torch.float64)
    expect.close(
        next_variance(before, eta=eta, lam=lam, s=s, B=B),
        wanted.item(),
        when=f"taking a step: eta {eta:.2f}, lam {lam:.2f}, s {s:.2f}, B {B}, Var {before:.2f}",
        think="Write the new w as a factor times the old w plus a factor times the error.",
    )

# %% hidden aspect="the stationary variance is the one that a step leaves as it is" points=1
torch.manual_seed(2)
for product, lam, s in torch.rand(20, 3, dtype=torch.float64).tolist():
    B = int(torch.randint(1, 65, ()))
    product, lam, s = 1.9 * product + 0.05, 4 * lam + 0.1, 3 * s + 0.1
    eta, variance = product / lam, 0.0
    for _ in range(1000):  # what is left of the start is below 0.95 to the power 2000
        variance = (1 - product) ** 2 * variance + (eta * s) ** 2 / B
    expect.close(
        stationary_variance(eta=eta, lam=lam, s=s, B=B),
        variance,
        when=f"comparing with 1000 steps: eta {eta:.2f}, lam {lam:.2f}, s {s:.2f}, B {B}",
        think="Exactly, not only for short steps: the square of 1 - eta lam has a square in it.",
    )

# %% hidden aspect="each rate keeps what it is made for" points=1
torch.manual_seed(3)
for start in (0.3 * torch.rand(6) + 0.01).double().tolist():
    B, k = int(torch.randint(1, 65, ())), int(torch.randint(2, 40, ()))
    for which, rule, power in (
        ("the variance that one step adds", for_the_same_noise_a_step, 2),
        (
            "the way that k B samples make w go along a constant gradient",
            for_the_work_of_k_steps,
            1,
        ),
    ):
        rate = rule(start, k)
        expect.kind(rate, float, when=f"asking for the rate that keeps {which}, k = {k}")
        # The noise of a step is rate^2 s^2 / batch; the way along a gradient is rate over batch.
        expect.close(
            rate**power / (k * B),
            start**power / B,
            when=f"comparing {which}, before and after the batch grew {k} times",
            think="Write down this one quantity for the small and for the large batch.",
        )

# %% hidden aspect="overshoot compares one long step with k short ones" points=1
torch.manual_seed(4)
for eta, lam in torch.rand(10, 2, dtype=torch.float64).tolist():
    k, eta = int(torch.randint(2, 12, ())), 0.5 * eta + 0.01
    short = 1.0
    for _ in range(k):
        short -= eta * lam * short
    expect.close(
        overshoot(eta=eta, lam=lam, k=k),
        short - (1.0 - k * eta * lam),
        rtol=1e-8,  # for short steps two numbers near 1 are subtracted
        atol=1e-12,
        when=f"putting one step in the place of {k}, with eta {eta:.3f} and lam {lam:.3f}",
        think="Each short step starts where the one before it ended; the long one starts at 1.",
    )

# %% hidden aspect="beyond eta lam = 2 nothing settles" points=1
torch.manual_seed(5)
for lam in (torch.rand(5).double() + 0.2).tolist():
    for product in (2.0001, 3.7):
        expect.equal(
            stationary_variance(eta=product / lam, lam=lam, s=1.0, B=8),
            math.inf,
            when=f"looking for a stationary variance with eta lam = {product}",
            think="By what does every step multiply w, and can a variance be negative?",
        )
    expect.between(
        stationary_variance(eta=1.9999 / lam, lam=lam, s=1.0, B=8),
        0.0,
        1e9,
        when="looking for a stationary variance with eta lam = 1.9999",
        think="Up to which eta lam does a step still shrink w, in size?",
    )
    eta = 0.01 / (lam + torch.rand(()).item())
    expect.close(
        largest_factor(eta=eta, lam=lam),
        2 / (eta * lam),
        when=f"looking for the largest k with eta {eta:.4f} and lam {lam:.3f}",
        think="A factor of -1 only changes the sign of w. For which k is it reached?",
    )
expect.equal(
    stationary_variance(eta=2.0, lam=1.0, s=1.0, B=8),
    math.inf,
    when="looking for a stationary variance with eta lam = 2, where w goes to -w",
    think="Nothing is taken away there, and every step adds noise.",
)


# %% alternative of="next_variance"
def with_the_square_multiplied_out(variance, eta, lam, s, B):
    kept = 1 - 2 * eta * lam + (eta * lam) ** 2
    return variance * kept + (eta * s / math.sqrt(B)) ** 2


# %% alternative of="stationary_variance"
def with_one_eta_cancelled(eta, lam, s, B):
    if eta * lam >= 2:
        return float("inf")
    return eta * s * s / (B * lam * (2 - eta * lam))


# %% alternative of="for_the_same_noise_a_step"
def with_a_power(eta, k):
    return eta * k**0.5


# %% alternative of="overshoot"
def step_by_step(eta, lam, k):
    w = 1.0
    for _ in range(k):
        w -= eta * lam * w
    return w - 1 + for_the_work_of_k_steps(eta, k) * lam


# %% mistake of="next_variance" fails="a step shrinks the variance there was, and adds that of the batch"
def scales_the_variance_like_w(variance, eta, lam, s, B):
    """A factor before w becomes its square before the variance."""
    return (1 - eta * lam) * variance + eta**2 * s**2 / B


# %% mistake of="next_variance" fails="a step shrinks the variance there was, and adds that of the batch"
def forgets_that_a_batch_averages(variance, eta, lam, s, B):
    """s^2 is the variance for one sample; the mean of B samples has s^2 / B."""
    return (1 - eta * lam) ** 2 * variance + eta**2 * s**2


# %% mistake of="next_variance" fails="a step shrinks the variance there was, and adds that of the batch"
def subtracts_the_noise(variance, eta, lam, s, B):
    """w minus an independent error is as uncertain as w plus it: variances add up."""
    return (1 - eta * lam) ** 2 * variance - eta**2 * s**2 / B


# %% mistake of="next_variance" fails="a step shrinks the variance there was, and adds that of the batch"
def divides_the_deviation_by_the_batch(variance, eta, lam, s, B):
    """Averaging B samples divides the variance by B, so the deviation only by its root."""
    return (1 - eta * lam) ** 2 * variance + (eta * s / B) ** 2


# %% mistake of="stationary_variance" fails="the stationary variance is the one that a step leaves as it is"
def takes_the_limit_of_short_steps(eta, lam, s, B):
    """eta s^2 / (2 lam B) drops the square of eta lam, which counts when steps are long."""
    return eta * s**2 / (2 * lam * B) if eta * lam < 2 else math.inf


# %% mistake of="stationary_variance" fails="the stationary variance is the one that a step leaves as it is"
def does_not_square_what_is_left(eta, lam, s, B):
    """The variance shrinks by the square of 1 - eta lam at every step."""
    return eta**2 * s**2 / (B * eta * lam) if eta * lam < 2 else math.inf


# %% mistake of="stationary_variance" fails="beyond eta lam = 2 nothing settles"
def trusts_the_formula_everywhere(eta, lam, s, B):
    """Beyond eta lam = 2 the formula gives a negative number: the series behind it diverges."""
    below = 1 - (1 - eta * lam) ** 2
    return eta**2 * s**2 / (B * below) if below else math.inf


# %% mistake of="largest_factor" fails="beyond eta lam = 2 nothing settles"
def stops_where_w_changes_sign(eta, lam):
    """At 1 / (eta lam) one step lands on the minimum; it still shrinks w up to twice that."""
    return 1 / (eta * lam) if eta * lam != 2 else 1.0


# %% mistake of="for_the_same_noise_a_step" fails="each rate keeps what it is made for"
def scales_both_linearly(eta, k):
    """k^2 eta^2 over k B is k times the noise of a step: it is the root that keeps it."""
    return k * eta


# %% mistake of="for_the_same_noise_a_step" fails="each rate keeps what it is made for"
def goes_slower_with_less_noise(eta, k):
    """A larger batch has less noise to begin with, so the rate may grow."""
    return eta / math.sqrt(k)


# %% mistake of="for_the_work_of_k_steps" fails="each rate keeps what it is made for"
def takes_the_root_for_the_work(eta, k):
    """One step in place of k has to be k times as long, whatever the noise does."""
    return math.sqrt(k) * eta


# %% mistake of="overshoot" fails="overshoot compares one long step with k short ones"
def compares_with_a_single_short_step(eta, lam, k):
    """The small batch takes k steps meanwhile, each of which multiplies what is left."""
    return (1 - eta * lam) - (1 - k * eta * lam) if k > 2 else (eta * lam) ** 2


# %% mistake of="overshoot" fails="overshoot compares one long step with k short ones"
def keeps_the_first_term_of_the_series(eta, lam, k):
    """k (k - 1) / 2 times the square of eta lam is where the series begins; more terms follow."""
    return k * (k - 1) / 2 * (eta * lam) ** 2


# %% mistake of="overshoot" fails="overshoot compares one long step with k short ones"
def takes_the_root_of_k(eta, lam, k):
    """The long step that replaces k short ones has k times their rate."""
    return (1 - eta * lam) ** k - (1 - math.sqrt(k) * eta * lam)
