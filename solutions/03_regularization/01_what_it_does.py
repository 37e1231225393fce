# %% quiz [markdown] items="24" stars=1 minutes=25 level="evaluate" goal="judge a validation loss, and know what each regularizer does about it"
r"""
# 7.10 A gap, and what to do about it
A network with three layers of 512 hidden units learns from 5,000 examples which customers will not
pay back a loan. Its training loss reaches 0.01, its validation loss is 0.45. Both are
cross-entropies in nats (natural logarithms).

Whoever looks at the two numbers alone misses the third: what would a model score that knows
nothing? If a share $q$ of the customers defaults, the best constant prediction is $q$ for
everybody, and its loss is the entropy of $q$, the *base-rate entropy*. A validation loss means
something only next to that.
"""

# %% setup
import math

import torch
import torch.nn.functional as F
from torch import nn

from autograder.authoring.quiz import draw


def fit_noise(steps, n=50, features=200):
    """Logistic regression on labels (20 % of them 1) that have nothing to do with the inputs.

    Returns its training and validation losses, step by step.
    """
    x, labels = torch.randn(n + 500, features), torch.rand(n + 500)
    labels = (labels <= labels.quantile(0.2)).float()
    weight, losses = torch.zeros(features, requires_grad=True), []
    for _ in range(steps):
        loss = F.binary_cross_entropy_with_logits(x[:n] @ weight - 1.4, labels[:n])
        (gradient,) = torch.autograd.grad(loss, weight)
        with torch.no_grad():
            held_out = F.binary_cross_entropy_with_logits(x[n:] @ weight - 1.4, labels[n:])
            losses.append((loss.item(), held_out.item()))
            weight -= 0.5 * gradient
    return losses


# %% numeric [markdown] id="base-rate-entropy" points=1 rtol=0.005
r"""
Of the customers, {{percent}} % default. What is the loss, in nats, of a model that gives everybody
the same probability, and the best one?
"""

# %% key
percent = draw([10, 5, 30, 15, 25])  # 20 would be answered by the next prompt
q = percent / 100
answer = -(q * math.log(q) + (1 - q) * math.log(1 - q))
slips = {
    "That is in bits; the loss is computed with the natural logarithm.": answer / math.log(2),
    "Customers who pay contribute as well: the mean runs over both kinds.": -q * math.log(q),
    "That is the loss on a single default, not the mean over all customers.": -math.log(q),
    "ln 2 is the loss of guessing one half; the base rate is a better constant.": math.log(2),
    "That is the variance of a label, the squared error of the same model.": q * (1 - q),
}

# %% evidence
# The best of 999 constants, on 2000 labels of which exactly this share is 1.
labels = (torch.arange(2000) < 20 * percent).double()
losses = [F.binary_cross_entropy(torch.full_like(labels, c / 1000), labels) for c in range(1, 1000)]
assert abs(min(losses).item() / answer - 1) < 1e-4
assert (1 + losses.index(min(losses))) == 10 * percent

# %% choice [markdown] id="which-fit" points=1
r"""
**(a)** Now let 20 % of the customers default, which makes the base-rate entropy 0.500. What do a
training loss of 0.01 and a validation loss of 0.45 say?

- [ ] The network underfits: a loss of 0.45 is far from 0.
  > Underfitting shows on the training data, where the loss is 0.01.
- [ ] The network overfits, and it would be better to give everybody the same 20 %.
  > Compare 0.45 with 0.500. It would be so if 10 % defaulted, where a constant scores 0.325.
- [x] The network overfits, and on new customers it is hardly better than a constant.
  > Yes: the gap shows the overfitting, and 0.45 next to 0.500 shows that little of what was learned
  > carries over.
- [ ] The network is fine: 0.45 is well below ln 2 = 0.693, the loss of guessing.
  > Guessing one half is a poor rival when 80 % pay back. What does the best constant score?
- [ ] Nothing can be said: the two losses come from different data.
  > That they do is the point: what was learned on the one is asked for on the other.
"""


# %% evidence
def best_constant(q):
    return min(F.binary_cross_entropy(torch.full((1000,), c / 200), (torch.arange(1000) < 1000 * q).float()).item() for c in range(1, 200))  # fmt: skip


assert 0.45 < best_constant(0.2) < 0.505
assert best_constant(0.1) < 0.33
# A small training loss by itself tells nothing: here there is nothing to learn.
losses = fit_noise(300)
assert losses[-1][0] < 0.05 and losses[-1][1] > 0.5

# %% choice [markdown] id="which-mechanism" points=1
r"""
**(b)** Which of these techniques are paired with what they really do? **Several answers are
right.**

- [x] Dropout: no unit can rely on one other unit, so the work is spread over several.
  > Yes. In a linear model with two equal inputs, dropout makes their weights equal.
- [ ] Dropout: each step becomes cheaper, for silent units are not computed.
  > They are computed and then multiplied by 0, and drawing the mask costs a little extra.
- [x] Weight decay: each step shrinks every weight by the same small share.
  > Yes: w becomes (1 - rate * decay) w, and the gradient has to earn what it keeps. With plain SGD
  > that is the same as an L2 penalty.
- [ ] An L1 penalty: gradient steps make weights that are not needed exactly 0.
  > The minimum has exact zeros, but gradient steps jump from one side of 0 to the other. It takes
  > another kind of step, the proximal one.
- [x] Early stopping: training ends before it goes on to fit what the training data have by chance.
  > Yes: weights start small and grow in the course of training; the validation loss tells when to
  > stop.
- [ ] Label smoothing: examples with wrong labels are found and corrected.
  > It replaces every target by a less extreme one; no label is looked at.
"""

# %% evidence
# Dropout: two equal inputs, all the weight on one of them. Plain steps leave it; dropout spreads it.
x = torch.randn(64, 1).expand(64, 2)
weights = {}
for p in (0.0, 0.5):
    w = torch.tensor([1.0, 0.0], requires_grad=True)
    for _ in range(200):
        (gradient,) = torch.autograd.grad((F.dropout(x, p) @ w - x[:, 0]).square().mean(), w)
        w = (w - 0.05 * gradient).detach().requires_grad_()
    weights[p] = w.detach()
assert torch.equal(weights[0.0], torch.tensor([1.0, 0.0]))
assert weights[0.5].min() > 0.2 and weights[0.5].max() < 0.5

# %% evidence
# Dropout saves no multiplication.
from torch.utils.flop_counter import FlopCounterMode

counts = []
for p in (0.0, 0.5):
    network = nn.Sequential(nn.Linear(20, 50), nn.Dropout(p), nn.Linear(50, 1))
    with FlopCounterMode(display=False) as counter:
        network(torch.randn(8, 20)).sum().backward()
    counts.append(counter.get_total_flops())
assert counts[0] == counts[1] > 0

# %% evidence
# Weight decay shrinks all weights alike, and is an L2 penalty for plain SGD.
w = torch.randn(9)
decayed = nn.Parameter(w.clone())
decayed.grad = torch.zeros(9)
torch.optim.SGD([decayed], lr=0.1, weight_decay=0.3).step()
assert torch.allclose(decayed.detach(), (1 - 0.1 * 0.3) * w)
penalized = nn.Parameter(w.clone())
(0.3 / 2 * penalized.square().sum()).backward()
torch.optim.SGD([penalized], lr=0.1).step()
assert torch.allclose(decayed.detach(), penalized.detach())

# %% evidence
# L1: a least-squares problem in which 20 of 25 weights are 0 at the minimum.
target = torch.cat([torch.full((5,), 2.0), 0.05 * torch.randn(20).clamp(-1.5, 1.5)])
w, proximal = torch.randn(2, 25)
for _ in range(400):
    w = w - 0.03 * (w - target + 0.1 * w.sign())
    step = proximal - 0.03 * (proximal - target)
    proximal = step.sign() * (step.abs() - 0.03 * 0.1).clamp(min=0)
assert (w == 0).sum() == 0 and (proximal == 0).sum() == 20
# Label smoothing treats each target alike, right or wrong.
one_hot, logits = torch.eye(4)[torch.randint(4, (6,))], torch.randn(6, 4)
smooth = 0.9 * one_hot + 0.1 / 4
loss = F.cross_entropy(logits, one_hot.argmax(1), label_smoothing=0.1)
assert torch.allclose(loss, F.cross_entropy(logits, smooth))

# %% evidence
# Early stopping: the validation loss has its minimum long before the end, and weights grow.
losses = [held_out for _, held_out in fit_noise(200)]
assert losses.index(min(losses)) < 20 and losses[-1] > min(losses) + 0.2

# %% choice [markdown] id="more-layers" points=1
r"""
**(c)** Would more hidden layers help this network?

- [ ] Yes: the training loss would go down further, and the validation loss with it.
  > The training loss has 0.01 left to lose. Which part of 0.45 can come from there?
- [ ] No: more layers always overfit more, so the validation loss would have to rise.
  > Often, but it is no law: far beyond the size that just fits the data, errors can fall again.
- [ ] Yes: three layers of 512 units are too few for 5,000 examples.
  > Count the weights. There are more than 500,000, and the training loss shows that they suffice.
- [x] Not by themselves: capacity is not what this network lacks.
  > Yes: it fits the training data already. What it lacks are reasons to prefer, among all the fits,
  > one that holds for new customers.
"""


# %% evidence
def error_with(width, n=40):
    """Test error of the smallest least-squares fit on random ReLU features, median of 9 draws."""
    errors = []
    for _ in range(9):
        x, truth, inner = torch.randn(n + 200, 8), torch.randn(8), torch.randn(8, width)
        y, phi = x @ truth + 0.3 * torch.randn(n + 200), (x @ inner).relu() / width**0.5
        w = torch.linalg.pinv(phi[:n].double()) @ y[:n].double()
        errors.append((phi[n:].double() @ w - y[n:]).square().mean())
    return torch.stack(errors).median().item()


# As many features as examples is the worst place; twenty times as many is better again.
assert error_with(800) < 0.5 * error_with(40)
network = nn.Sequential(
    nn.Linear(30, 512), nn.Linear(512, 512), nn.Linear(512, 512), nn.Linear(512, 1)
)
assert sum(p.numel() for p in network.parameters()) > 500_000

# %% text [markdown] id="three-techniques" points=2
r"""
Propose three techniques that could reduce the gap of this network, and say for each **how** it does
so: one sentence each. Say which of the three you would try first, and what you would look at to
tell whether it worked.

- [1] Three techniques that act on the gap, each with its mechanism: for example dropout (units cannot rely on each other), weight decay (weights are kept small), early stopping (training ends before chance is fitted), more or augmented data (chance averages out), a smaller network (fewer functions to choose from). Naming them without the mechanism is not enough.
- [1] The comparison is made on the validation loss or a ranking measure, next to the base-rate entropy; the training loss may well rise while it improves.
"""

# %% evidence
# With weight decay, or stopped early, the same model on noise has a higher training loss and a lower
# validation loss.
losses = fit_noise(200)
stopped = min(losses, key=lambda pair: pair[1])
assert stopped[0] > losses[-1][0] + 0.1 and stopped[1] < losses[-1][1] - 0.2
