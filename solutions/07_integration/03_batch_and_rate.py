# %% exercise [markdown] items="49" stars=3 minutes=70 level="analyze" goal="test a scaling rule where it could fail, and say what warm-up rescues"
r"""
# 7.27 Does the linear scaling rule hold?
"Batch $k$ times as large, learning rate $k$ times as large" is quoted far more often than it is
tested, and many a test cannot fail. Sweeping $\eta_0/4$ to $4\eta_0$ for **every** batch size, say:
for $k = 8$ and $k = 16$ the rule's own prediction is not even on that grid, and at $k = 4$ it is the
last point. So sweep around the prediction, $\{k/4, \dots, 4k\}\,\eta_0$, and go on until the lowest
loss has a higher one on both sides.

The object is SGD on a bowl with curvatures $\lambda_j$ from 1 down to 1/100, where the expected
loss can be computed. In each direction $w$ starts at 1, and a batch of $B$ samples measures the slope
with an error that is new at every step:

$$ w_j \leftarrow w_j - \eta\,(\lambda_j w_j + \xi_j), \qquad \mathrm{Var}(\xi_j) = \frac{s^2}{B},
\qquad \mathcal{L} = \sum_j \tfrac{\lambda_j}{2} w_j^2 $$

What the rules keep, step by step, is the subject of *Batch size and learning rate* in section 4.
Here a whole run counts: every batch size gets the same number of **samples**.

1. Write `expected_losses` and `sweep`, and compare the two rules with `excess` and `plot_sweeps`.
2. Write `warmed_up`, `distances` and `largest_k`: what does warm-up do for large batches?

*Hint:* $\mathrm{E}[w^2]$ is the square of the mean plus the variance. What does a step do to each?
"""

# %%
import math
from itertools import pairwise

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect

LAMS = torch.logspace(0, -2, 9, dtype=torch.float64)  # curvatures: 1, ..., 0.01
NOISE = 2.0  # s
SMALL = 32  # samples in the small batch
SAMPLES = 2**14  # in a run
ETA0 = 0.05  # about the best rate for the small batch


def simulate(rates: Tensor, batch: int, samples: int, lams: Tensor, s: float, runs: int) -> Tensor:
    """The losses that SGD ends with, shape (runs, R), for R rates at once."""
    w = torch.ones(runs, len(rates), len(lams), dtype=torch.float64)
    for _ in range(samples // batch):
        error = s / math.sqrt(batch) * torch.randn(w.shape, dtype=torch.float64)
        w = w - rates[:, None] * (lams * w + error)
    return (lams / 2 * w.square()).sum(dim=2)


# %% solution
def expected_losses(rates: Tensor, batch: int, samples: int, lams: Tensor, s: float) -> Tensor:
    """The expected loss at the end of a run over `samples` samples, one for each of the rates.

    `rates` has shape (R,), `lams` (n,), both float64; so has the result, shape (R,). Samples that do
    not fill a batch are left out. A run that diverges may have an infinite loss.
    """
    ### BEGIN SOLUTION
    keep = 1 - rates[:, None] * lams
    mean, variance = torch.ones_like(keep), torch.zeros_like(keep)
    for _ in range(samples // batch):
        mean = keep * mean
        variance = keep**2 * variance + (rates[:, None] * s) ** 2 / batch
    return (lams / 2 * (mean**2 + variance)).sum(dim=1)
    ### END SOLUTION


def sweep(
    k: int, eta0: float, samples: int, lams: Tensor, s: float
) -> tuple[list[float], list[float]]:
    """Rates, in rising order, and their expected losses for batches of k times SMALL samples.

    The rates are k eta0 times 1/4, 1/2, 1, 2 and 4. As long as the lowest loss is that of the first
    or the last rate, there is one more rate beyond it, half or twice as large.
    """
    ### BEGIN SOLUTION
    rates = [factor * k * eta0 for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    while True:
        row = torch.tensor(rates, dtype=torch.float64)
        losses = expected_losses(row, k * SMALL, samples, lams, s).tolist()
        best = losses.index(min(losses))
        if best == 0:
            rates.insert(0, rates[0] / 2)
        elif best == len(rates) - 1:
            rates.append(rates[-1] * 2)
        else:
            return rates, losses
    ### END SOLUTION


def excess(power: float, k: int, eta0: float, samples: int, lams: Tensor, s: float) -> float:
    """How many times as high the loss is with the rate k**power * eta0 as the lowest of the sweep.

    The linear rule has the power 1, the square-root rule 1/2; the batch is k times SMALL.
    """
    ### BEGIN SOLUTION
    rate = torch.tensor([k**power * eta0], dtype=torch.float64)
    loss = expected_losses(rate, k * SMALL, samples, lams, s).item()
    return loss / min(sweep(k, eta0, samples, lams, s)[1])
    ### END SOLUTION


# %% check
# One direction of curvature 1, rate 1/2, two steps: w is 1, 1/2, 1/4. If a batch measures the slope
# with variance 1, a step adds 1/4 to the variance and leaves a quarter of it: 1/4, then 5/16.
single, half = torch.ones(1).double(), torch.full((1,), 0.5).double()
for s, wanted in ((0.0, 1 / 32), (32**0.5, 1 / 32 + 5 / 32)):
    expect.close(
        expected_losses(half.clone(), 32, 64, single.clone(), s),
        torch.tensor([wanted]).double(),
        when=f"spending 64 samples on batches of 32, rate 1/2, curvature 1, s^2 = {s * s:.0f}",
        think="How many steps are that, and what do they do to the mean and to the variance of w?",
    )
# False alarm: expect.average allows six standard errors, 2 in 10^9 for each of the five rates.
torch.manual_seed(0)
rates = 16 * ETA0 * torch.tensor([0.25, 0.5, 1.0, 1.5, 2.0], dtype=torch.float64)
seen = simulate(rates, 16 * SMALL, SAMPLES, LAMS, NOISE, runs=2000)
for rate, losses, wanted in zip(
    rates.tolist(),
    seen.T,
    expected_losses(rates.clone(), 16 * SMALL, SAMPLES, LAMS.clone(), NOISE).tolist(),
    strict=True,
):
    expect.average(
        losses,
        wanted,
        when=f"comparing 2,000 simulated runs with batches of 512 and rate {rate:g} with yours",
        think="The simulation above does what the formula says. What does yours leave out?",
    )


# %% solution
def plot_sweeps(sweeps: dict[int, tuple[list[float], list[float]]]) -> Figure:
    """The losses over the rates, both axes logarithmic: a line a sweep.

    The keys are the factors k; each is named in the legend. Runs that diverge have losses beyond all
    bounds: see that the lowest points can be told apart all the same. Say what the axes show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for k, (rates, losses) in sweeps.items():
        axes.loglog(rates, losses, marker="o", label=f"k = {k}")
    lowest = [min(losses) for _, losses in sweeps.values()]
    axes.set(ylim=(min(lowest) / 2, 30 * max(lowest)), xlabel="learning rate")
    axes.set(
        ylabel="expected loss at the end", title="The same samples in batches k times as large"
    )
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
sweeps = {k: sweep(k, ETA0, SAMPLES, LAMS, NOISE) for k in (1, 4, 16, 64, 256)}
print("  k   best rate / eta0   linear rule   root rule   (loss / lowest loss)")
for k, (rates, losses) in sweeps.items():
    expect.equal(len(losses), len(rates), when=f"counting the losses of {len(rates)} rates, k {k}")
    best = rates[losses.index(min(losses))] / ETA0
    ratios = [excess(power, k, ETA0, SAMPLES, LAMS, NOISE) for power in (1.0, 0.5)]
    print(f"{k:3}   {best:16g}   {ratios[0]:11.3g}   {ratios[1]:9.3g}")
expect.figure(
    plot_sweeps(sweeps),
    when="drawing five sweeps",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=5,
    xscale="log",
    yscale="log",
)

# %% [markdown]
r"""
## What warm-up is for
The bowl above has the same curvature everywhere. A network often starts in a steep place: add a wall,

$$ f(w) = \tfrac{\lambda}{2} w^2 + \tfrac{c}{4} w^4, \qquad f'(w) = \lambda w + c\,w^3, $$

and start at $w = 1$. A step multiplies $w$ by $1 - \eta\,(\lambda + c\,w^2)$, so at the start a rate
has to be smaller than near the minimum, where the wall is not felt. *Warm-up* raises the rate step by
step to its top value. How large a batch can you take, with the linear rule for the top rate?
"""


# %% solution
def warmed_up(top: float, warm: int, steps: int) -> list[float]:
    """The rate of each step: 1/warm of `top` in the first, `top` in step number `warm` and after.

    In between it rises by the same amount at every step. With `warm` 0 it is `top` all the time.
    """
    ### BEGIN SOLUTION
    return [top * min(1.0, (i + 1) / warm) if warm else top for i in range(steps)]
    ### END SOLUTION


def distances(rates: list[float], lam: float, wall: float) -> list[float]:
    """How far from the minimum w is, |w|, after each step of gradient descent from w = 1 on f.

    A run that gets beyond 1e6 is over: from that step on, the list has `math.inf`.
    """
    ### BEGIN SOLUTION
    w, found = 1.0, []
    for rate in rates:
        if abs(w) <= 1e6:
            w -= rate * (lam * w + wall * w**3)
        found.append(abs(w) if abs(w) <= 1e6 else math.inf)
    return found
    ### END SOLUTION


def largest_k(eta: float, lam: float, wall: float, warm: int) -> int:
    """The last of k = 1, 2, 3, ... before the first whose run does not settle; 0 if 1 does not.

    The run has the top rate k eta, `warm` steps of warm-up and 200 more. It settles if it has not
    diverged and its last step leads no further out than the step before.
    """
    ### BEGIN SOLUTION
    k = 0
    while True:
        last, end = distances(warmed_up((k + 1) * eta, warm, warm + 200), lam, wall)[-2:]
        if not end <= last or end == math.inf:
            return k
        k += 1
    ### END SOLUTION


# %% check
expect.close(
    warmed_up(0.8, warm=4, steps=6),
    [0.2, 0.4, 0.6, 0.8, 0.8, 0.8],
    when="warming up to 0.8 in 4 of 6 steps",
    think="The first step is no step of rate 0, and the fourth has the top rate.",
)
# From 1: 1 - 1/4 (1 + 1) = 1/2, and 1/2 - 1/2 (1/2 + 1/8) = 3/16.
expect.close(
    distances([0.25, 0.5], lam=1.0, wall=1.0),
    [0.5, 0.1875],
    when="taking two steps, rates 1/4 and 1/2, lam 1, wall 1",
    think="The slope of the wall is its strength times the third power of w.",
)
# A rate of 0.3 makes -2 of 1 at lam 10; one of 0.15 makes -1/2.
expect.equal(
    largest_k(eta=0.15, lam=10.0, wall=0.0, warm=0),
    1,
    when="looking for the largest k with eta 0.15, lam 10, no wall and no warm-up",
    think="By what does a step of rate k eta multiply w?",
)
for wall in (0.0, 9.0):
    found = [largest_k(ETA0, 0.97, wall, warm) for warm in (0, 4, 16, 64)]
    print(f"wall {wall:g}: largest k with 0, 4, 16 and 64 steps of warm-up:", *found)

# %% [markdown]
r"""
## Does it hold for digits?
A network is no bowl. Whoever is curious sets `FULL`: a small network on 8,192 digits, two epochs with
every batch size and rate, with your warm-up and without.
"""

# %%
FULL = False  # True takes about ten seconds on one core.


def digit_losses(rates: list[float], batch: int, warm: int) -> list[float]:
    """The training loss after two epochs, one for each rate, all of them trained side by side."""
    import torch.nn.functional as F

    from autograder.datasets import BUNDLED, mnist

    digits = mnist(train=True, root=BUNDLED)
    x = F.avg_pool2d(digits.floats(normalised=True)[:8192, None], 2).flatten(1)
    y, own = digits.labels[:8192].repeat(len(rates), 1), torch.Generator().manual_seed(0)
    nets = [math.sqrt(2 / n) * torch.randn(n, m, generator=own) for n, m in ((196, 64), (64, 10))]
    nets = [w.repeat(len(rates), 1, 1).requires_grad_() for w in nets]

    def losses(row: Tensor) -> Tensor:
        scores = (x[row].expand(len(rates), -1, -1) @ nets[0]).relu() @ nets[1]
        return F.cross_entropy(scores.mT, y[:, row], reduction="none").mean(dim=1)

    rows = [row for _ in range(2) for row in torch.randperm(8192, generator=own).split(batch)]
    for row, scale in zip(rows, warmed_up(1.0, warm, len(rows)), strict=True):
        slopes = torch.autograd.grad(losses(row).sum(), nets)
        with torch.no_grad():
            for w, slope in zip(nets, slopes, strict=True):
                w -= scale * torch.tensor(rates)[:, None, None] * slope
    return losses(torch.arange(8192)).detach().tolist()


if FULL:
    rates = [0.0125 * 2**i for i in range(8)]
    print("warm-up  batch  rates", *(f"{rate:6.3g}" for rate in rates))
    for share in (0.0, 0.3):
        for batch in (8, 32, 128, 512, 2048):
            row = digit_losses(rates, batch, warm=int(share * 2 * 8192 / batch))
            print(f"{share:7.0%} {batch:6}       ", *(f"{loss:6.3f}" for loss in row))

# %% hidden aspect="the expected loss follows mean and variance through every step" points=1
torch.manual_seed(1)
for batch, samples in ((7, 300), (32, 2000), (50, 49)):
    lams, rates = torch.rand(4).double() + 0.1, torch.rand(6).double() + 0.02
    s = 5 * torch.rand(()).item() + 1
    # The last rate makes w swing between 1 and -1 in one direction, the one before it diverges.
    lams[0], rates[-1], rates[-2] = 0.5, 4.0, 6.0
    steps, squares = samples // batch, (1 - rates[:, None] * lams) ** 2
    series = sum((squares**i for i in range(steps)), torch.zeros_like(squares))
    variances = series * (rates[:, None] * s) ** 2 / batch
    wanted = (lams / 2 * (squares**steps + variances)).sum(dim=1)
    for part in (slice(0, 4), slice(5, 6), slice(4, 5)):
        expect.close(
            expected_losses(rates[part].clone(), batch, samples, lams.clone(), s),
            wanted[part],
            rtol=1e-8,  # the sum of a series of up to 62 terms
            when=f"spending {samples} samples on batches of {batch}, s {s:.2f}, {len(wanted[part])} "
            f"rates from {rates[part].min():.3f} to {rates[part].max():.3f}",
            think="How many steps are that? What was there shrinks; each batch adds an error.",
        )

# %% hidden aspect="the sweep stands around the rate of the linear rule" points=1
torch.manual_seed(2)
for k in (1, 3, 8):
    eta0 = 0.04 + 0.02 * torch.rand(()).item()
    found = sweep(k, eta0, SAMPLES, LAMS.clone(), NOISE)
    expect.kind(found, (tuple, list), when="sweeping", think="It returns rates and losses.")
    for factor in (0.25, 0.5, 1.0, 2.0, 4.0):
        wanted = factor * k * eta0
        expect.true(
            any(math.isclose(rate, wanted, rel_tol=1e-9) for rate in found[0]),
            when=f"looking for {factor:g} k eta0 among the rates of a sweep, k {k}",
            wanted=f"the rate {wanted:.5g}",
            got=f"rates from {min(found[0]):.5g} to {max(found[0]):.5g}",
            think="A grid can confirm a prediction only if the prediction stands well inside it.",
        )

# %% hidden aspect="a sweep goes on until its lowest loss lies inside" points=1
torch.manual_seed(3)
for k, eta0 in ((2, 0.002), (64, 0.05), (150, 0.05), (8, 0.05)):
    eta0 *= 0.9 + 0.2 * torch.rand(()).item()
    samples, s = SAMPLES // 2, 1.5 + torch.rand(()).item()
    lams = LAMS * (0.5 + torch.rand(()).item())
    found = sweep(k, eta0, samples, lams.clone(), s)
    expect.kind(found, (tuple, list), when="sweeping", think="It returns rates and losses.")
    rates, losses = list(found[0]), list(found[1])
    expect.close(
        [after / before for before, after in pairwise(rates)],
        [2.0] * (len(rates) - 1),
        when=f"dividing each rate of a sweep by the one before it, k {k}, eta0 {eta0:.4g}",
        think="They come in rising order, each twice the one before.",
    )
    row = torch.tensor(rates, dtype=torch.float64)
    own = expected_losses(row, k * SMALL, samples, lams.clone(), s).tolist()
    expect.equal(len(losses), len(own), when=f"counting the losses of a sweep, k {k}")
    # Runs that diverge would set the scale of the comparison.
    tame = [i for i, loss in enumerate(own) if loss < 100]
    expect.close(
        [losses[i] for i in tame],
        [own[i] for i in tame],
        when=f"comparing the losses of a sweep with your expected losses, k {k}, eta0 {eta0:.4g}",
        think="How many samples has a batch, and to which rate does each loss belong?",
    )
    best = losses.index(min(losses))
    expect.true(
        0 < best < len(rates) - 1,
        when=f"looking for the lowest of {len(losses)} losses, k {k}, eta0 {eta0:.4g}",
        wanted="a higher one on both sides",
        got=f"it at position {best}",
        think="A best rate at the edge of its grid is no best rate.",
    )
    expect.true(
        len(rates) == 5 or best in (1, len(rates) - 2),
        when=f"looking at a sweep of {len(rates)} rates, k {k}, eta0 {eta0:.4g}",
        wanted="one rate beyond the best where the sweep was extended",
        got="more of them",
        think="Once there is a higher loss on both sides, nothing more has to be tried.",
    )

# %% hidden aspect="excess compares a rule with the best of the sweep" points=1
torch.manual_seed(4)
for k, power in ((1, 1.0), (6, 1.0), (6, 0.5), (20, 0.5), (64, 1.0), (9, 0.0)):
    eta0, s = 0.04 + 0.02 * torch.rand(()).item(), 1 + 2 * torch.rand(()).item()
    found = sweep(k, eta0, 4096, LAMS.clone(), s)
    expect.kind(found, (tuple, list), when="sweeping", think="It returns rates and losses.")
    rate = torch.tensor([k**power * eta0], dtype=torch.float64)
    loss = expected_losses(rate, k * SMALL, 4096, LAMS.clone(), s)
    expect.kind(loss, Tensor, when="computing an expected loss", think="It returns a tensor.")
    expect.close(
        excess(power, k, eta0, 4096, LAMS.clone(), s),
        loss.item() / min(found[1]),
        when=f"judging the rule with the power {power:g}, k {k}, by your sweep",
        think="Both losses are those of the large batch, and the lowest is that of the sweep.",
    )

# %% hidden aspect="the figure shows each sweep on logarithmic axes" points=1
torch.manual_seed(5)
sweeps = {}
for k, n in ((1, 5), (8, 7), (32, 6)):
    losses = torch.rand(n).double().add(0.1).tolist()
    sweeps[k] = ([0.01 * k * 2.0**i for i in range(n)], [*losses[:-1], 1e9])
figure = plot_sweeps({k: (list(rates), list(losses)) for k, (rates, losses) in sweeps.items()})
expect.figure(
    figure,
    when="drawing three sweeps, k 1, 8 and 32",
    think="Rates and losses differ by factors: both want a logarithmic axis.",
    lines=list(sweeps.values()),
    xscale="log",
    yscale="log",
    legend=3,
)
shown = figure if isinstance(figure, dict) else expect.describe_figure(figure)
for k in sweeps:
    expect.true(
        any(str(k) in entry for entry in shown["axes"][0]["legend"]),
        when="reading the legend of three sweeps",
        wanted=f"an entry that names k = {k}",
        got="none",
        think="Which line belongs to which batch?",
    )

# %% hidden aspect="the rate rises in equal parts and then stays" points=1
torch.manual_seed(6)
for warm, steps in ((0, 4), (1, 3), (5, 12), (9, 6)):
    top = torch.rand(()).item() + 0.1
    expect.close(
        warmed_up(top, warm, steps),
        [top * min((i + 1) / max(warm, 1), 1.0) for i in range(steps)],
        when=f"warming up to {top:.3f} in {warm} steps, {steps} steps in all",
        think="Step number i of the warm-up has i parts of `warm`, and step number 1 comes first.",
    )

# %% hidden aspect="distances follows gradient descent on bowl and wall" points=1
from autograder import reference

torch.manual_seed(7)
for wall in (0.0, 0.5, 8.0):
    lam, rates = torch.rand(()).item() + 0.5, (0.2 * torch.rand(9) + 0.01).double().tolist()
    expect.close(
        distances(list(rates), lam, wall),
        reference.distances(rates, lam, wall),
        when=f"taking nine steps at lam {lam:.3f} and wall {wall:g}",
        think="One distance a step, behind it. What is the slope at w, bowl and wall together?",
    )
for wall, rate in ((0.0, 30.0), (6.0, 1.5)):
    # Without the wall a rate of 1 would lead straight back, but a run beyond 1e6 is over.
    rates = [rate + torch.rand(()).item()] * 12 + [1.0] * 3
    expect.close(
        distances(list(rates), 1.0, wall),
        reference.distances(rates, 1.0, wall),
        when=f"taking twelve steps with the rate {rates[0]:.2f} and three of 1, wall {wall:g}",
        think="A run that has left is over: `math.inf` from that step on.",
    )

# %% hidden aspect="warm-up gets a run past the wall, and not past 2 / (eta lam)" points=1
torch.manual_seed(8)
for wall, warm, why in (
    (0.0, 0, "Without a wall a step multiplies w by 1 - k eta lam."),
    (0.0, 40, "In the end the top rate counts, however it was reached."),
    (7.0, 0, "At the start, w = 1, the wall adds to the curvature."),
    (7.0, 64, "Small steps lead away from the wall; the top rate then meets lam alone."),
):
    eta, lam = (0.04 + 0.02 * torch.rand(2)).tolist()
    lam *= 20
    felt = lam + wall if warm == 0 else lam
    expect.equal(
        largest_k(eta, lam, wall, warm),
        math.ceil(2 / (eta * felt)) - 1,
        when=f"asking how far k goes: eta {eta:.4f}, lam {lam:.3f}, wall {wall:g}, warm-up {warm}",
        think=why,
    )

# %% setup
import math

import torch

lams = torch.logspace(0, -2, 9).double()
fine = torch.logspace(-3, 0.5, 300).double()


def final(rates, batch, steps, s=2.0):
    """Expected losses after some steps, the sum over the series written out."""
    keep = (1 - torch.as_tensor(rates).double()[:, None] * lams) ** 2
    noise = (torch.as_tensor(rates).double()[:, None] * s) ** 2 / batch
    return (lams / 2 * (keep**steps + noise * (1 - keep**steps) / (1 - keep))).sum(dim=1)


def best(batch, steps):
    return fine[final(fine, batch, steps).argmin()].item()


# %% choice [markdown] id="what-stays-the-same" points=1
r"""
Two teams test the linear rule on the bowl above, far from any divergence, with a batch 16 times as
large. One gives every batch size the same number of samples, the other the same number of steps. For
whom is the best rate about 16 times as large?

- [x] For the first: there are a sixteenth as many steps, each of them has to do more.
  > Yes. In the bias stands rate times steps, in the noise rate over batch: with equal samples both are functions of rate over batch.
- [ ] For the second: with as many steps as before there is more time to use the larger rate.
  > With as many steps nothing has to be caught up. The noise is what allows a larger rate: by how much?
- [ ] For both: the rule compares the noise of two batches, and counts neither samples nor steps.
  > What one step does to w depends on the rate, what a run does on rate times steps.
- [ ] For neither: the noise shrinks like the root of the batch, so that the factor is 4.
  > The root keeps the noise of a single step. Let your own sweeps decide.
"""

# %% evidence
small = best(32, 512)
assert 13 < best(16 * 32, 512 // 16) / small < 16.5
assert best(16 * 32, 512) / small < 5

# %% text [markdown] id="where-the-rule-ends" points=4 level="evaluate"
r"""
"Batch $k$ times as large, rate $k$ times as large." Does it hold? Answer from your table, your figures
and your values of `largest_k`, in eight to ten sentences: up to which $k$ does your sweep find the rate that
the linear rule names, and is it exact? What ends it, and what happens to the lowest loss beyond? What
does the square-root rule cost, what does it save? Which range of batch sizes does warm-up open, and
which not? If you ran the digits, say where they agree with the bowl.

- [1] Holds: up to k = 16 or so the sweep finds k eta0 itself (a grid of factors 2 sees no more); not exact, the best rate falls more and more below k eta0, since rate over batch decides only while eta lam is small.
- [1] Ends: beyond k eta lam = 2 at the largest curvature (k = 40 here) the linear rate diverges; the best rate levels off and the lowest loss rises, as there are too few steps left.
- [1] Root rule: at equal samples it is too slow (about 1.4 times the lowest loss at k = 4, 2.5 at 16), but it goes on training at k = 64 and 256, where the linear one has diverged.
- [1] Warm-up: helps where the start is steeper than the minimum (with the wall, from 2 / (eta (lam + c)) towards 2 / (eta lam)); it moves nothing without a wall and never beyond the curvature that stays.
"""

# %% evidence
# The grid of factors 2 finds the linear rate; a fine one sees it fall behind, and level off.
for k in (1, 2, 4, 8, 16):
    grid = [factor * k * 0.05 for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    assert final(grid, 32 * k, 512 // k).argmin() == 2
relative = [best(32 * k, 512 // k) / best(32, 512) / k for k in (1, 4, 16, 32)]
assert relative == sorted(relative, reverse=True) and relative[2] > 0.8 > relative[3]
assert best(32 * 128, 4) < 1.1 * best(32 * 64, 8) < 2
lowest = [final(fine, 32 * k, 512 // k).min().item() for k in (1, 16, 64, 256)]
assert lowest == sorted(lowest) and lowest[3] > 5 * lowest[0]
# The linear rule diverges beyond k = 40; the root rule is slow, and goes on.
for k, low, high in ((4, 1.3, 1.5), (16, 2.3, 2.6)):
    assert low < final([k**0.5 * 0.05], 32 * k, 512 // k) / lowest[k // 16] < high
for k in (64, 256):
    assert final([k * 0.05], 32 * k, 512 // k) > 1e3
    assert final([k**0.5 * 0.05], 32 * k, 512 // k) < lams.sum() / 4

# %% evidence
# Warm-up and the wall: which of 60 factors settle?
k = torch.arange(1, 61).double()
for wall, warm, wanted in ((0, 0, 41), (0, 64, 41), (9, 0, 4), (9, 64, 41)):
    w, before = torch.ones(60).double(), None
    for i in range(warm + 200):
        rate = 0.05 * k * (min(1, (i + 1) / warm) if warm else 1)
        before, w = w, (w - rate * (0.97 * w + wall * w**3)).clamp(-1e30, 1e30)
    settled = (w.abs() <= before.abs()) & (w.abs() < 1e6)
    assert settled[:wanted].all() and not settled[wanted:].any()


# %% alternative of="expected_losses"
def with_the_series(rates, batch, samples, lams, s):
    steps = samples // batch
    keep = (1 - torch.outer(rates, lams)).square()
    ones = torch.full_like(keep, steps)
    terms = torch.where(keep == 1, ones, (1 - keep**steps) / torch.where(keep == 1, 2, 1 - keep))
    return (keep**steps + terms * (rates[:, None] * s).square() / batch) @ lams / 2


# %% alternative of="sweep"
def with_a_dictionary_of_losses(k, eta0, samples, lams, s):
    found = {}

    def add(rate):
        one = torch.tensor([rate], dtype=torch.float64)
        found[rate] = expected_losses(one, SMALL * k, samples, lams, s)[0].item()

    for power in range(-2, 3):
        add(k * eta0 * 2.0**power)
    while (lowest := min(found, key=found.get)) in (min(found), max(found)):
        add(lowest / 2 if lowest == min(found) else lowest * 2)
    return sorted(found), [found[rate] for rate in sorted(found)]


# %% alternative of="plot_sweeps"
def with_set_scales(sweeps):
    figure = Figure()
    axes = figure.subplots()
    for k in sorted(sweeps, reverse=True):
        axes.plot(*sweeps[k], "s--", label=f"batch {k} times as large")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title("Sweeps")
    axes.set_xlabel("rate")
    axes.set_ylabel("loss")
    axes.legend()
    return figure


# %% alternative of="distances"
def step_after_step(rates, lam, wall):
    w, found = 1.0, []
    for rate in rates:
        w = w * (1 - rate * (lam + wall * w * w)) if math.isfinite(w) else w
        w = math.inf if abs(w) > 1e6 else w
        found.append(abs(w))
    return found


# %% mistake of="expected_losses" fails="the expected loss follows mean and variance through every step"
def takes_as_many_steps_for_every_batch(rates, batch, samples, lams, s):
    """A run spends `samples` samples: batches twice as large leave half as many steps."""
    keep = 1 - rates[:, None] * lams
    mean, variance = torch.ones_like(keep), torch.zeros_like(keep)
    for _ in range(samples // SMALL):
        mean = keep * mean
        variance = keep**2 * variance + (rates[:, None] * s) ** 2 / batch
    return (lams / 2 * (mean**2 + variance)).sum(dim=1)


# %% mistake of="expected_losses" fails="the expected loss follows mean and variance through every step"
def puts_the_expected_w_into_the_loss(rates, batch, samples, lams, s):
    """The mean of a square is not the square of the mean: the noise that stays is part of the loss."""
    keep = 1 - rates[:, None] * lams
    return (lams / 2 * (keep ** (samples // batch)) ** 2).sum(dim=1)


# %% mistake of="expected_losses" fails="the expected loss follows mean and variance through every step"
def starts_with_the_noise_that_stays(rates, batch, samples, lams, s):
    """The stationary variance is reached in the end; in a short run it is still building up."""
    keep = (1 - rates[:, None] * lams) ** 2
    stays = (rates[:, None] * s) ** 2 / batch / (1 - keep).clamp(min=1e-12)
    return (lams / 2 * (keep ** (samples // batch) + stays)).sum(dim=1)


# %% mistake of="sweep" fails="the sweep stands around the rate of the linear rule"
def sweeps_around_the_old_rate(k, eta0, samples, lams, s):
    """A grid around eta0 does not hold the prediction k eta0: it cannot confirm or refute it."""
    rates = [factor * eta0 for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    while True:
        row = torch.tensor(rates, dtype=torch.float64)
        losses = expected_losses(row, k * SMALL, samples, lams, s).tolist()
        best = losses.index(min(losses))
        if best == 0:
            rates.insert(0, rates[0] / 2)
        elif best == len(rates) - 1:
            rates.append(rates[-1] * 2)
        else:
            return rates, losses


# %% mistake of="sweep" fails="a sweep goes on until its lowest loss lies inside"
def stops_at_five_rates(k, eta0, samples, lams, s):
    """Where the lowest loss is the last of the list, the best rate may lie beyond the list."""
    rates = [factor * k * eta0 for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    row = torch.tensor(rates, dtype=torch.float64)
    return rates, expected_losses(row, k * SMALL, samples, lams, s).tolist()


# %% mistake of="sweep" fails="a sweep goes on until its lowest loss lies inside"
def trains_the_small_batch_only(k, eta0, samples, lams, s):
    """The sweep is one for batches of k times SMALL samples: fewer steps, and less noise in each."""
    rates = [factor * k * eta0 for factor in (0.25, 0.5, 1.0, 2.0, 4.0)]
    while True:
        row = torch.tensor(rates, dtype=torch.float64)
        losses = expected_losses(row, SMALL, samples, lams, s).tolist()
        best = losses.index(min(losses))
        if best == 0:
            rates.insert(0, rates[0] / 2)
        elif best == len(rates) - 1:
            rates.append(rates[-1] * 2)
        else:
            return rates, losses


# %% mistake of="excess" fails="excess compares a rule with the best of the sweep"
def compares_with_the_linear_rule(power, k, eta0, samples, lams, s):
    """The lowest loss of the sweep is the measure; the linear rule is one of the two to be judged."""
    rate = torch.tensor([k**power * eta0, k * eta0], dtype=torch.float64)
    loss, linear = expected_losses(rate, k * SMALL, samples, lams, s).tolist()
    return loss / linear


# %% mistake of="plot_sweeps" fails="the figure shows each sweep on logarithmic axes"
def leaves_the_rates_on_a_linear_axis(sweeps):
    """Rates that double from point to point crowd at the left of a linear axis."""
    figure, axes = plt.subplots()
    for k, (rates, losses) in sweeps.items():
        axes.semilogy(rates, losses, label=f"k = {k}")
    axes.set(title="Sweeps", xlabel="rate", ylabel="loss")
    axes.legend()
    return figure


# %% mistake of="warmed_up" fails="the rate rises in equal parts and then stays"
def begins_with_a_rate_of_zero(top, warm, steps):
    """A step of rate 0 is a batch thrown away: the first of `warm` steps has one part of `warm`."""
    return [top * min(1.0, i / warm) if warm else top for i in range(steps)]


# %% mistake of="distances" fails="distances follows gradient descent on bowl and wall"
def lists_the_start(rates, lam, wall):
    """The list has one distance a step, behind it; the start is before the first."""
    w, found = 1.0, [1.0]
    for rate in rates:
        if abs(w) <= 1e6:
            w -= rate * (lam * w + wall * w**3)
        found.append(abs(w) if abs(w) <= 1e6 else math.inf)
    return found


# %% mistake of="distances" fails="distances follows gradient descent on bowl and wall; warm-up gets a run past the wall, and not past 2 / (eta lam)"
def leaves_out_the_wall(rates, lam, wall):
    """The slope is lam w + c w^3: without the second part every start is as flat as the minimum."""
    w, found = 1.0, []
    for rate in rates:
        if abs(w) <= 1e6:
            w -= rate * lam * w
        found.append(abs(w) if abs(w) <= 1e6 else math.inf)
    return found


# %% mistake of="largest_k" fails="warm-up gets a run past the wall, and not past 2 / (eta lam)"
def judges_at_the_end_of_the_warm_up(eta, lam, wall, warm):
    """Shrinking on the way up proves nothing about the top rate: let it act for many steps."""
    k = 0
    while distances(warmed_up((k + 1) * eta, warm, max(warm, 1)), lam, wall)[-1] < 1:
        k += 1
    return k
