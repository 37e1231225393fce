# %% quiz [markdown] items="136 137 138 139 140 141 142 143 144 145" stars=2 minutes=60 level="understand" goal="say what early stopping, schedules, clipping, half precision and diagnosis rest on, and where the usual reasons are wrong"
r"""
# Chapter quiz, questions 11 to 20
Early stopping, learning rates, clipping, accumulation, half precision, diagnosis. Each topic has a
choice and a number. Many of the options are sentences that you will find in print: what counts is
whether they are true.

Answer a choice with its letter in quotes, and where several options are right, with all of their
letters. A number may be an expression, such as `2 / 3`; give at least three digits.
"""

# %% setup
import math

import torch
from torch import nn
from torch.nn import functional as F

from autograder.authoring.quiz import draw


def first_step(gradient, **options):
    """How far the first step of Adam moves a weight, as a share of the rate."""
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=1e-3, **options)
    w.grad = torch.full_like(w, gradient)
    optimizer.step()
    return abs(w.item()) / 1e-3


def one_cycle(steps, **options):
    """Rate and momentum of every step under PyTorch's one-cycle schedule."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, total_steps=steps, **options)
    rows = []
    for _ in range(steps):
        group = optimizer.param_groups[0]
        rows.append((group["lr"], group["momentum"]))
        optimizer.step()
        if len(rows) < steps:
            schedule.step()
    return rows


# %% choice [markdown] id="stopping-and-ridge" points=1 objective="regularization" level="analyze" items="136"
r"""
Gradient descent starts at 0 on a quadratic loss with curvatures $\lambda_i$ and rate $\eta$, and is
stopped after $t$ steps. Which sentence about its relation to an L2 penalty is exactly true?

- [x] It leaves a share of $1 - (1 - \eta\lambda_i)^t$ in each direction, which no single L2 penalty does for all of them.
  > Yes: an L2 penalty alpha leaves lambda/(lambda + alpha). The two agree only roughly, for eta lambda t well below 1.
- [ ] It is the same as an L2 penalty of $1 / (\eta t)$.
  > That is the approximation for small eta lambda t. For a direction of high curvature it is far off.
- [ ] It is the same as an L2 penalty of $t / \eta$.
  > More steps regularize less. What does this formula say?
- [ ] It shrinks all directions by the same factor.
  > Where the curvature is high, a few steps are enough to arrive. Elsewhere hardly anything has happened.
- [ ] It is the same as an L1 penalty: what has not moved yet is 0.
  > No direction stays at exactly 0. Every one has moved some of its way.
"""

# %% evidence
eta, t = 0.05, 20
curvatures = torch.tensor([0.01, 0.2, 1.0, 10.0], dtype=torch.float64)
w = torch.zeros(4, dtype=torch.float64)
for _ in range(t):
    w = w - eta * curvatures * (w - 1)
alphas = curvatures * (1 - w) / w
assert (w > 0).all() and w[0] < 0.02 and w[3] > 0.99
assert alphas.max() / alphas.min() > 100 and abs(alphas[0] * eta * t - 1) < 0.02

# %% numeric [markdown] id="matching-penalty" points=1 objective="regularization" level="apply" items="136"
r"""
In a direction of curvature $\lambda = {{curvature}}$, gradient descent from 0 with $\eta = {{eta}}$ is
stopped after {{t}} steps. Which L2 penalty $\alpha$ (loss plus $\tfrac{\alpha}{2} w^2$) leaves the same
share of the way in this direction?
"""

# %% key
curvature, eta, t = draw([1.0, 2.0, 0.5]), draw([0.05, 0.1]), draw([10, 20])
left = (1 - eta * curvature) ** t
answer = curvature * left / (1 - left)
slips = {
    "That is the approximation for short times.": 1 / (eta * t),
    "That is the share that is still missing, not the penalty.": left,
    "Solve lambda / (lambda + alpha) = the share that was gone: which of the two is below the line?": (
        curvature * (1 - left) / left
    ),
}

# %% evidence
w = torch.zeros(1, dtype=torch.float64)
for _ in range(t):
    w = w - eta * curvature * (w - 1)
penalized = torch.zeros(1, dtype=torch.float64)
for _ in range(1500):
    penalized = penalized - 0.05 * (curvature * (penalized - 1) + answer * penalized)
assert abs(penalized / w - 1) < 1e-6

# %% choice [markdown] id="adams-first-update" points=1 objective="optimization" level="apply" items="137"
r"""
PyTorch's Adam, rate $10^{-3}$, other settings as they are, makes its first update. How long is it for
a gradient of $10^{-6}$, and for one of 1000?

- [x] About 0.99e-3 and 1e-3.
  > Yes: with the correction for the start, m is g and v is its square. Only eps = 1e-8 is felt at 1e-6.
- [ ] 1e-9 and 1.
  > That is SGD. Adam divides by the size of the gradient.
- [ ] 1e-2 and 1e4, since v starts at 0.
  > Both m and v start at 0, and both are corrected for it.
- [ ] 3.16e-3, both.
  > That is without the corrections: 0.1 g over the root of 0.001 g squared.
- [ ] 1e-3 for the small one; the large one is clipped to 1e-3.
  > Nothing is clipped. What are m and v after one step?
"""

# %% evidence
assert abs(first_step(1e-6) - 0.990) < 1e-3 and abs(first_step(1000.0) - 1) < 1e-6

# %% numeric [markdown] id="without-correction" points=1 objective="optimization" level="analyze" items="137"
r"""
An Adam without its corrections for the start ($m$ and $v$ are used as they are, $\beta_1 = {{b1}}$,
$\beta_2 = {{b2}}$, eps too small to matter) sees one and the same gradient at every step. How long is
step {{t}}, in learning rates?
"""

# %% key
b1, b2, t = draw([(0.9, 0.999, 12), (0.9, 0.999, 2), (0.8, 0.99, 5), (0.9, 0.99, 20)])
answer = (1 - b1**t) / math.sqrt(1 - b2**t)
slips = {
    "That is with the corrections. Here m has come to a share of g, and v to a smaller share of its square.": 1.0,
    "The root is taken of v.": (1 - b1**t) / (1 - b2**t),
    "m is an average that starts at 0, too.": 1 / math.sqrt(1 - b2**t),
}

# %% evidence
m = v = torch.zeros(1, dtype=torch.float64)
for _ in range(t):
    g = torch.tensor([-3.0], dtype=torch.float64)
    m, v = torch.lerp(g, m, b1), torch.lerp(g * g, v, b2)
assert abs((m / v.sqrt()).abs().item() / answer - 1) < 1e-9

# %% choice [markdown] id="last-rate" points=1 objective="optimization" items="138"
r"""
`OneCycleLR(optimizer, max_lr=0.1, total_steps=10_000)`, all else as it is: what is the rate of the
last step?

- [x] 4e-7
  > Yes: the start is max_lr / 25, and the end is a ten-thousandth of the start.
- [ ] 1e-5
  > A ten-thousandth of what? It is not the peak that is divided.
- [ ] 0.004
  > That is the first rate. With three phases there would be a fall to it, and one below it.
- [ ] 0
  > It gets small, but it is given as a factor, which never makes 0.
- [ ] 0.1
  > That is the peak, after three tenths of the run.
"""

# %% evidence
rows = one_cycle(200, max_lr=0.1)
assert abs(rows[-1][0] - 4e-7) < 1e-12 and abs(rows[0][0] - 0.004) < 1e-12

# %% numeric [markdown] id="coupled-momentum" points=1 rtol=0.002 objective="optimization" level="apply" items="138"
r"""
The same schedule with `total_steps={{steps}}` also moves the momentum, between 0.95 and 0.85. Steps
are counted from 0. What is the *momentum* at step {{step}}?
"""

# %% key
steps, part = draw([1000, 2000]), draw([0.25, 0.75])
top = 0.3 * steps - 1
step = round(top + part * (steps - 1 - top))


def at(share):
    return 0.95 - 0.1 * (1 + math.cos(math.pi * share)) / 2


answer = at((step - top) / (steps - 1 - top))
slips = {
    "That is a straight line. Momentum follows half a cosine.": 0.85
    + 0.1 * (step - top) / (steps - 1 - top),
    "Momentum is low where the rate is high, and high where it is low.": 1.8 - answer,
    "That counts from the start of the run. The fall of the rate begins at its peak.": at(
        step / (steps - 1)
    ),
}

# %% evidence
assert abs(one_cycle(steps, max_lr=0.1)[step][1] - answer) < 1e-9

# %% choice [markdown] id="what-clipping-keeps" points=1 objective="optimization" items="139"
r"""
Clipping a gradient $g \ne 0$ by value (each entry to at most $\tau$ in size), or by norm. What always holds?

- [x] Both clipped gradients have a positive inner product with $g$, but only clipping by norm keeps its direction.
  > Yes: every entry keeps its sign, so a short enough step along either goes down.
- [ ] Clipping by value can give a direction in which the loss goes up, however short the step.
  > Each entry keeps its sign: the sum of products with g is above 0.
- [ ] After `clip_grad_norm_` with a limit of 1 the norm is exactly 1.
  > A short gradient is left alone, and a small number in the divisor keeps a long one just below 1.
- [ ] Clipping by norm makes gradients with inf in them usable again.
  > inf over inf is nan. What does that do to the weights?
- [ ] Clipping by norm keeps the direction only if each layer is clipped by itself.
  > It is the other way round: one factor for all layers keeps the direction of the whole.
"""

# %% evidence
g = 3 * torch.randn(50)
by_value, by_norm = g.clamp(-1, 1), g / g.norm().clamp(min=1)
assert by_value @ g > 0 and abs(F.cosine_similarity(by_norm, g, dim=0) - 1) < 1e-6
assert F.cosine_similarity(by_value, g, dim=0) < 0.999
for size, wanted in ((0.01, 0.01), (5.0, 5 / (5 + 1e-6))):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    w.grad = torch.full_like(w, size)
    nn.utils.clip_grad_norm_([w], 1.0)
    assert abs(w.grad.item() - wanted) < 1e-9
w.grad = torch.tensor([math.inf], dtype=torch.float64)
nn.utils.clip_grad_norm_([w], 1.0)
assert w.grad.isnan().all()

# %% numeric [markdown] id="turned-by-clipping" points=1 objective="optimization" level="apply" items="139"
r"""
A gradient has one entry of {{large}} and {{ones}} entries of 1. It is clipped by value to 1. What is
the cosine of the angle between the gradient before and after?
"""

# %% key
large, ones = draw([100, 50, 30]), draw([99, 24, 8])
answer = (large + ones) / math.sqrt((large**2 + ones) * (1 + ones))
slips = {
    "Clipping by norm would keep the direction. By value, the large entry loses its weight.": 1.0,
    "Divide by the two lengths, not by their squares.": (
        (large + ones) / ((large**2 + ones) * (1 + ones))
    ),
    "That is the square of the cosine.": (large + ones) ** 2 / ((large**2 + ones) * (1 + ones)),
}

# %% evidence
g = torch.tensor([float(large)] + [1.0] * ones, dtype=torch.float64)
assert abs(F.cosine_similarity(g, g.clamp(-1, 1), dim=0) - answer) < 1e-9

# %% choice [markdown] id="weights-of-micro-batches" points=1 objective="optimization" level="apply" items="140"
r"""
A batch of 10 is cut into micro-batches of 4, 4 and 2. Each gives a *mean* loss, and `backward` is
called on each. By what has the loss of a micro-batch of $n_i$ samples to be multiplied, so that the sum
of the gradients is that of the mean over the 10?

- [x] $n_i / 10$
  > Yes: then every sample counts for a tenth.
- [ ] $1 / 3$
  > Then a sample of the small micro-batch counts for twice as much as the others.
- [ ] $1 / 10$
  > The mean has divided by the size of the micro-batch already.
- [ ] $1$: gradients add up by themselves
  > They do, and that gives the sum of three means.
- [ ] $n_i / 4$
  > This gets the ratios right. What do the factors add up to?
"""

# %% evidence
x, w = torch.randn(10, 3).double(), torch.randn(3).double()


def slope(rows):
    weight = w.clone().requires_grad_()
    (x[rows] @ weight).square().mean().backward()
    return weight.grad


parts = (slice(0, 4), slice(4, 8), slice(8, 10))
weighted = sum(n / 10 * slope(rows) for n, rows in zip((4, 4, 2), parts, strict=True))
assert torch.allclose(weighted, slope(slice(0, 10)))
assert not torch.allclose(sum(slope(rows) for rows in parts) / 3, weighted, rtol=1e-3)

# %% numeric [markdown] id="weight-of-a-sample" points=1 objective="optimization" level="analyze" items="140"
r"""
The last micro-batch of an accumulation is short: {{full}} micro-batches of {{size}} samples and one
of {{rest}}. Somebody divides each mean loss by the number of micro-batches, {{count}}. How many times
as much does a sample of the short one count as it should?
"""

# %% key
full, size, rest = draw([(3, 8, 2), (4, 16, 4), (2, 10, 5), (7, 4, 1)])
count, total = full + 1, full * size + rest
answer = total / (count * rest)
slips = {
    "That compares it with the others. It should count for one part in all samples.": size / rest,
    "That is how much a sample of the full ones counts.": total / (count * size),
    "It counts for more, not for less.": count * rest / total,
}

# %% evidence
losses = torch.randn(total, dtype=torch.float64).requires_grad_()
for start in range(0, total, size):
    (losses[start : start + size].mean() / count).backward()
assert abs(losses.grad[-1].item() * total / answer - 1) < 1e-9

# %% choice [markdown] id="two-half-formats" points=1 objective="precision" items="141"
r"""
Which pair of facts about fp16 and bf16 is right?

- [x] fp16 ends at 65504 and has every whole number up to 2048; bf16 ends at 3.39e38 and has every whole number up to 256.
  > Yes: ten bits of fraction against seven, five bits of exponent against eight.
- [ ] Both end at 65504; fp16 has every whole number up to 256, bf16 up to 65536.
  > bf16 has the exponent of fp32, so it ends where fp32 does.
- [ ] fp16 has every whole number up to 65504; bf16 up to 3.39e38.
  > That mixes up the largest number with the largest run of whole numbers. Try 2049.
- [ ] bf16 is more precise than fp16, since its range is larger.
  > Both have 16 bits. What the exponent takes, the fraction lacks.
- [ ] fp16 turns every gradient below 6.1e-5 into 0; bf16 does not.
  > That is where fp16's normal numbers end. Below, down to 6e-8, it has subnormal ones, with fewer digits.
"""

# %% evidence
for kind, run, largest in ((torch.float16, 2048, 65504.0), (torch.bfloat16, 256, 3.3895e38)):
    whole = torch.arange(run + 2).float()
    assert (whole.to(kind).float() != whole).nonzero()[0].item() == run + 1
    assert abs(torch.finfo(kind).max / largest - 1) < 1e-4
assert torch.tensor(3e-6).half().item() > 0 and torch.tensor(2e-8).half().item() == 0

# %% numeric [markdown] id="spacing-of-bf16" points=1 objective="precision" level="apply" items="141"
r"""
A weight of {{weight}} is kept in {{kind}}. What is the smallest step up that changes it? Give the
distance to the next larger number of the format.
"""

# %% key
weight, kind = draw([1.0, 4.0, 256.0]), draw(["bf16", "fp16"])
bits = {"bf16": 7, "fp16": 10}
answer = weight * 2.0 ** -bits[kind]
slips = {
    "That is the other of the two formats.": weight * 2.0 ** -(17 - bits[kind]),
    "The distance doubles with every power of two: it is not the one at 1.": (
        2.0 ** -bits[kind] if weight != 1 else 2.0**-23
    ),
    "Count the bits of the fraction: the leading 1 is not stored.": weight
    * 2.0 ** -(bits[kind] + 1),
}

# %% evidence
form = {"bf16": torch.bfloat16, "fp16": torch.float16}[kind]
here = torch.tensor(weight, dtype=form)
there = (here.view(torch.int16) + 1).view(form)
assert there.double().item() - weight == answer

# %% choice [markdown] id="what-stays-in-fp32" points=1 objective="precision" items="142"
r"""
Which of these does mixed precision keep in fp32, as the rules of autocast for GPUs have it?

- [x] The sum or mean over the losses of a batch.
  > Yes: a long sum in few digits stops growing.
- [x] Softmax.
  > Yes: its exponentials leave fp16's range from 12 on.
- [x] The variance of batch norm.
  > Yes: squares of differences, averaged: both range and digits matter.
- [ ] The product of two matrices in a linear layer.
  > This is what half precision is for. The hardware adds up in fp32 inside.
- [ ] ReLU.
  > A comparison with 0 is exact in every format.
"""

# %% evidence
total, one = torch.zeros((), dtype=torch.float16), torch.ones((), dtype=torch.float16)
for _ in range(2100):
    total = total + one
assert total.item() == 2048
assert torch.tensor(12.0).half().exp().isinf() and not torch.tensor(11.0).half().exp().isinf()
squares = torch.full((10,), 300.0).half().square()
assert squares.isinf().all()
values = torch.randn(1000).half()
assert torch.equal(values.relu().float(), values.float().relu())

# %% numeric [markdown] id="where-a-sum-stalls" points=1 objective="precision" level="apply" items="142"
r"""
Numbers of {{step}} are added up one by one in {{kind}}, starting from 0. At which value does the sum
stop growing? (Ties go to the number whose last bit is 0.)
"""

# %% key
step, kind = draw([1.0, 2.0, 0.5]), draw(["fp16", "bf16"])
answer = step * 2.0 ** {"fp16": 11, "bf16": 8}[kind]
slips = {
    "That is the other of the two formats.": step * 2.0 ** {"fp16": 8, "bf16": 11}[kind],
    "There it still grows: the distance between neighbours is the step itself. Go on to where it is twice the step.": (
        answer / 2
    ),
    "That is the largest number of fp16. The sum stops long before.": 65504.0,
}

# %% evidence
form = {"fp16": torch.float16, "bf16": torch.bfloat16}[kind]
total = torch.tensor(answer - 4 * step, dtype=torch.float64).to(form)
for _ in range(20):
    total = total + torch.tensor(step, dtype=form)
assert total.double().item() == answer

# %% choice [markdown] id="first-thing-to-do" points=1 objective="diagnosis" level="evaluate" items="143"
r"""
The training loss has come down to 0.001. The validation loss was lowest, 0.30, after epoch 5, and has
risen to 0.35 since. What first?

- [x] Go back to the weights of epoch 5, then try one regularizer at a time.
  > Yes: the best weights there were are saved at once, and each later change can be judged by itself.
- [ ] Make the network larger, since 0.30 is a poor loss.
  > It fits the training set all but perfectly. More capacity fits no more of it.
- [ ] Raise the learning rate, to leave this minimum.
  > It would be left, and the weights of epoch 5 with it. Nothing says that the next one generalizes better.
- [ ] Train longer: the training loss is still falling.
  > What has the validation loss done in the meantime?
- [ ] Take out dropout, since it keeps the training loss up.
  > The training loss is at 0.001. It is the other one that is too high.
"""

# %% evidence
# A fit that overfits: the weights of its best epoch beat those of the last on new data.
truth = torch.randn(40) / 3
x, new = torch.randn(50, 40), torch.randn(2000, 40)
y, new_y = x @ truth + 2 * torch.randn(50), new @ truth + 2 * torch.randn(2000)
w, curve, kept = torch.zeros(40), [], []
for _ in range(300):
    curve.append((new @ w - new_y).square().mean().item())
    kept.append(w)
    w = w - 0.1 * x.T @ (x @ w - y) / 50
best = min(range(300), key=curve.__getitem__)
fresh = torch.randn(4000, 40)
fresh_y = fresh @ truth + 2 * torch.randn(4000)
losses = [(fresh @ v - fresh_y).square().mean() for v in (kept[best], kept[-1])]
assert best < 200 and losses[0] < losses[1]

# %% numeric [markdown] id="patience" points=1 objective="diagnosis" level="apply" items="143"
r"""
Early stopping with a patience of {{patience}} watches the validation losses

{{listed}}

of epochs 0, 1, 2, … It stops after the epoch in which the loss was, for the third time in a row,
not below the lowest so far. After which epoch does it stop?
"""

# %% key
patience = 3
losses, answer = draw(
    [
        ([0.9, 0.7, 0.6, 0.65, 0.61, 0.59, 0.6, 0.6, 0.62, 0.5], 8),
        ([0.8, 0.5, 0.55, 0.52, 0.48, 0.49, 0.5, 0.47, 0.6, 0.5, 0.55, 0.4], 10),
        ([1.0, 0.9, 0.95, 0.9, 0.91, 0.8, 0.7], 4),
    ]
)
listed = ", ".join(map(str, losses))
low = min(range(int(answer) + 1), key=losses.__getitem__)
slips = {
    "That is the epoch whose weights are the best, not the one after which training stops.": low,
    "Count the epochs without a new low only: the low itself is not one of them.": answer - 1,
    "Training has stopped by then: nobody knows that a lower loss was to come.": len(losses) - 1,
}

# %% evidence
lowest, waited = math.inf, 0
for epoch, loss in enumerate(losses):
    lowest, waited = (loss, 0) if loss < lowest else (lowest, waited + 1)
    if waited == patience:
        break
assert epoch == answer

# %% numeric [markdown] id="factor-per-layer" points=1 objective="diagnosis" level="apply" items="144"
r"""
The norms of the gradients are {{low}} at layer {{first}} and {{high}} at layer {{last}}. By which
factor, on average, is a gradient multiplied from one layer to the one before it?
"""

# %% key
low, high, first, last = draw(
    [("1e-7", "1e-1", 1, 8), ("1e-6", "1e-2", 2, 7), ("1e-5", "1e-1", 1, 5)]
)
between = last - first
ratio = float(low) / float(high)
answer = ratio ** (1 / between)
slips = {
    "Count the steps between the layers, not the layers.": ratio ** (1 / (between + 1)),
    "Factors multiply: take a root, not a share.": ratio / between,
    "That is the factor from one layer to the one behind it.": 1 / answer,
}

# %% evidence
# A chain of scalar layers, each of which multiplies by the answer.
x = torch.ones(1, dtype=torch.float64, requires_grad=True)
h = x
for _ in range(between):
    h = h * answer
h.backward()
assert abs(x.grad.item() / ratio - 1) < 1e-9

# %% choice [markdown] id="slope-far-left" points=1 objective="diagnosis" items="144"
r"""
Gradients vanish on their way back, and one of the measures taken is another activation. Which of these
keeps a slope that does not go to 0 as $z \to -\infty$?

- [x] Leaky ReLU
  > Yes: its slope is the small constant, 0.01 by default, all the way.
- [ ] GELU
  > It dips below 0 and comes back: its slope is -0.012 at -3, and 0 further out.
- [ ] ReLU
  > Its slope is 0 on the whole left side.
- [ ] Sigmoid
  > Its slope is at most 1/4, and falls off like exp(z) to the left.
- [ ] Tanh
  > It saturates at -1.
"""

# %% evidence
z = torch.tensor([-30.0], dtype=torch.float64, requires_grad=True)
slopes = {}
for name, f in (
    ("leaky", F.leaky_relu),
    ("gelu", F.gelu),
    ("relu", F.relu),
    ("sigmoid", torch.sigmoid),
    ("tanh", torch.tanh),
):
    (slopes[name],) = torch.autograd.grad(f(z).sum(), z)
assert abs(slopes.pop("leaky").item() - 0.01) < 1e-9
assert all(abs(s.item()) < 1e-9 for s in slopes.values())

# %% choice [markdown] id="another-seed" points=1 objective="diagnosis" items="145"
r"""
"Same architecture, same data in the same order, same settings; only the seed of the initialization
differs. Then the test accuracy at the end is the same." True?

- [x] No. A non-convex loss has many ends of training, and where one starts decides on which.
  > Yes: that is why results are given with a spread over several seeds.
- [ ] Yes, as the order of the data is fixed.
  > The order is one source of chance. The starting point is another.
- [ ] Yes, if all of them are trained until the training loss is 0.
  > Many networks fit the training set perfectly and differ elsewhere.
- [ ] Yes, with Adam, which corrects for the start.
  > What it corrects is the start of its averages, at 0.
- [ ] No, not even for linear regression with more samples than features, trained to the end.
  > That loss is convex and has one minimum: every start ends there.
"""

# %% evidence
x = torch.randn(60, 4, dtype=torch.float64)
y = x @ torch.randn(4, dtype=torch.float64) + torch.randn(60, dtype=torch.float64)
ends = []
for _ in range(3):
    w = torch.randn(4, dtype=torch.float64)
    for _ in range(800):
        w = w - 0.2 * x.T @ (x @ w - y) / 60
    ends.append(w)
assert all(torch.allclose(w, ends[0]) for w in ends)
grid = 3 * torch.randn(500, 4)
outputs = []
for _ in range(2):
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        (net(x.float()).squeeze() - y.float()).square().mean().backward()
        optimizer.step()
    outputs.append(net(grid).detach())
assert (outputs[0] - outputs[1]).abs().max() > 0.05

# %% numeric [markdown] id="spread-of-a-mean" points=1 objective="integration" level="apply" items="145"
r"""
{{runs}} runs with different seeds reach a mean accuracy of 91.3 % with a standard deviation of
{{sd}} points between runs. What is the standard error of that mean, in points?
"""

# %% key
runs, sd = draw([4, 5, 9, 16]), draw([1.2, 0.8, 2.0])
answer = sd / math.sqrt(runs)
slips = {
    "That is how far single runs stray. Their mean strays less.": sd,
    "Variances shrink by the number of runs, standard deviations by its root.": sd / runs,
    "More runs make the mean more certain, not less.": sd * math.sqrt(runs),
}

# %% evidence
means = (91.3 + sd * torch.randn(40_000, runs)).mean(1)
assert abs(means.std().item() / answer - 1) < 0.03

# %% text [markdown] id="explain-another" points=3 level="evaluate" objective="optimization"
r"""
Choose one of the ten topics above in which you had believed one of the wrong options, or met it in a
text. In four to six sentences: quote the sentence, say what is wrong with it, and name the smallest
experiment or calculation that shows it.

- [1] The sentence is quoted or given fairly, and is one of the topics of this quiz.
- [1] What is wrong is named as a fact (which quantity, which assumption, which format), not as an opinion.
- [1] The experiment or calculation could come out either way, and its outcome would decide the matter.
"""

# %% evidence
# The rubric states no fact; that such experiments exist is what the checks above run.
assert callable(first_step) and callable(one_cycle)
