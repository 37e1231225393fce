# %% quiz [markdown] items="146 153 154" stars=2 minutes=45 level="analyze" goal="show what you know about gradient flow, optimizers, normalization and schedules"
r"""
# Assessment
Two choices with a number each, and three short answers. The fifth part, the design of a training run
for a large model, has notebooks of its own: its numbers are in `05_mixed_precision`, its essay in
`07_integration`.

Answer a choice with its letter in quotes. A number may be an expression, such as `2 / 3`; give at least
three digits.
"""

# %% [markdown]
r"""
## What your score means, and what to read again
Of the points of this notebook, those of the short answers included:

| share | means | next |
|---|---|---|
| 90 % and more | mastery | the projects of `07_integration` |
| 75 % to below 90 % | proficient | the sections of the questions you missed |
| 60 % to below 75 % | developing | `02_normalization` and `04_optimization` again |
| below 60 % | foundations | from `01_initialization` on, with the exercises |

| question | look again at |
|---|---|
| 1, 2 | `01_initialization`, signals and gradients through depth |
| 3, 4 | `04_optimization`, weight decay in SGD and AdamW |
| 5, 6 | `02_normalization`, which norm, and where it stands |
| 7 | `04_optimization`, warm-up and Adam's first step |
"""

# %% setup
import math

import torch
from torch import nn

from autograder.authoring.quiz import draw


def gradient_of_input(activation, depth=30):
    """How large the gradient of a deep network's output is with respect to its input."""
    x = torch.randn(64, 100, requires_grad=True)
    h = x
    for _ in range(depth):
        h = activation(h @ (torch.randn(100, 100) * math.sqrt(2 / 100)))
    h.sum().backward()
    return x.grad.square().mean().sqrt().item()


# %% choice [markdown] id="cause-and-remedy" points=2 objective="initialization" items="146"
r"""
Which option names a cause of vanishing gradients *and* a technique that acts on this very cause?

- [x] Cause: factors below 1 multiply from layer to layer. Technique: ReLU, whose slope is 1 for positive inputs.
  > Yes: it acts on the slope of the activation, one of the factors. The weights still need He's scale.
- [ ] Cause: sigmoid in deep networks. Technique: gradient clipping.
  > The cause is real. Clipping shortens gradients that are too long, and does nothing for short ones.
- [ ] Cause: a learning rate that is too high. Technique: batch norm.
  > A high rate makes a run diverge. It is not what makes a product of slopes small.
- [ ] Cause: cross-entropy in place of the mean square. Technique: dropout.
  > With a saturated sigmoid output it is the mean square that makes gradients small. And dropout has nothing to do with it.
- [ ] Cause: dead ReLUs. Technique: gradient clipping.
  > A dead unit does pass no gradient. Clipping does not wake it.
"""

# %% evidence
assert gradient_of_input(torch.sigmoid) < 1e-6 * gradient_of_input(torch.relu)
w = torch.zeros(1, requires_grad=True)
w.grad = torch.full_like(w, 1e-8)
nn.utils.clip_grad_norm_([w], 1.0)
assert w.grad.item() == torch.tensor(1e-8).item()
z = torch.tensor([8.0], requires_grad=True)
square, entropy = (torch.sigmoid(z) - 0).square(), -torch.log(1 - torch.sigmoid(z))
assert torch.autograd.grad(square, z)[0] < 0.01 < torch.autograd.grad(entropy, z)[0]

# %% numeric [markdown] id="product-of-slopes" points=1 objective="initialization" level="apply" items="146"
r"""
The slope of a sigmoid is at most 1/4. With weights of 1, what is the largest factor by which a gradient
can be multiplied on its way back through {{layers}} sigmoid layers?
"""

# %% key
layers = draw([5, 10, 8])
answer = 0.25**layers
slips = {
    "That is one layer. The factors multiply.": 0.25,
    "The largest slope of a sigmoid is at 0: s (1 - s) with s = 1/2.": 0.5**layers,
    "Factors multiply; they do not add up.": 1 / (4 * layers),
}

# %% evidence
x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
h = x
for _ in range(layers):
    # Each layer is centred, so that every sigmoid is at its steepest.
    h = torch.sigmoid(h - h.detach())
h.backward()
assert abs(x.grad.item() / answer - 1) < 1e-9

# %% choice [markdown] id="choose-an-optimizer" points=2 objective="optimization" items="146"
r"""
A large language model is to be trained with a step size of its own for every parameter, and with a
weight decay that does not pass through that step size. Which configuration does both?

- [x] AdamW with betas 0.9 and 0.95 and a weight decay of 0.1
  > Yes: adaptive steps, and each weight loses the same share.
- [ ] Adam with betas 0.9 and 0.999 and the squared norm of the weights added to the loss
  > That is an L2 penalty: its gradient is divided by the size of the gradients along with the rest.
- [ ] SGD with momentum 0.9 and an L2 penalty
  > One rate for all parameters.
- [ ] RMSprop without momentum, with an L2 penalty
  > Adaptive, but the penalty passes through the division, as in Adam.
"""

# %% evidence
# Two weights of 1 with gradients of different size: which share does each lose to the decay?
lost = {}
for name, build in {
    "adamw": lambda w: torch.optim.AdamW([w], lr=1e-3, weight_decay=0.1),
    "adam": lambda w: torch.optim.Adam([w], lr=1e-3, weight_decay=0.1),
    "rmsprop": lambda w: torch.optim.RMSprop([w], lr=1e-3, weight_decay=0.1),
}.items():
    w = torch.ones(2, 2000, dtype=torch.float64, requires_grad=True)
    optimizer = build(w)
    for _ in range(30):
        w.grad = torch.tensor([[0.01], [1.0]]).double() * torch.randn(2, 2000, dtype=torch.float64)
        optimizer.step()
    lost[name] = (1 - w.detach()).mean(1)
assert abs(lost["adamw"][0] / lost["adamw"][1] - 1) < 0.35
assert lost["adam"][0] > 3 * lost["adam"][1] and lost["rmsprop"][0] > 3 * lost["rmsprop"][1]

# %% numeric [markdown] id="decayed-share" points=1 objective="optimization" level="apply" items="146"
r"""
AdamW with a constant rate of {{rate}} and a weight decay of {{decay}} trains for {{steps}} steps. A weight
whose gradient is always 0 starts at 1. What is left of it?
"""

# %% key
rate, decay, steps = draw([(1e-3, 0.1, 10_000), (1e-2, 0.01, 5_000), (2e-3, 0.1, 2_000)])
answer = (1 - rate * decay) ** steps
slips = {
    "Each step takes a share of what is left, not of what there was at the start.": max(
        1 - rate * decay * steps, 1e-6
    ),
    "Without a gradient there is still the decay.": 1.0,
    "The share a step takes is the rate times the decay.": (1 - rate) ** steps,
}

# %% evidence
w = torch.ones(1, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.AdamW([w], lr=rate, weight_decay=decay)
w.grad = torch.zeros_like(w)
for _ in range(steps // 100):
    optimizer.step()
assert abs(w.item() ** 100 / answer - 1) < 1e-9

# %% text [markdown] id="why-layer-norm" points=5 objective="normalization" items="153"
r"""
Why do transformers normalize with layer norm (or RMS norm) and not with batch norm? Give three reasons in
four to six sentences. "At inference the batch is one" is not among them: say why not, too.

- [3] Three valid reasons, one point each: statistics of a batch depend on lengths and padding; training batches per device are small or uneven; training and evaluation compute the same; sequences do not influence each other.
- [1] In evaluation batch norm uses running statistics and takes a batch of one.
- [1] The reasons are about what is computed over which axes, not about fashion.
"""

# %% evidence
assert nn.BatchNorm1d(4).eval()(torch.randn(1, 4)).shape == (1, 4)
x = torch.randn(6, 4)
layer = nn.LayerNorm(4)
assert torch.equal(layer.train()(x), layer.eval()(x)) and torch.equal(layer(x)[:2], layer(x[:2]))

# %% text [markdown] id="pre-and-post" points=5 objective="normalization" items="153"
r"""
A block is `y = LayerNorm(x + F(x))` (Post-LN) or `y = x + F(LayerNorm(x))` (Pre-LN). Compare how gradients
flow through a deep stack of each, and say why Post-LN is commonly trained with a warm-up. One usual sentence
is wrong and must not be used: "the gradient of a Pre-LN block is at least 1".

- [2] Pre-LN: the Jacobian is the identity plus that of the branch, so it does not vanish merely because the branch's is small; it is not bounded below (the branch may cancel the identity).
- [2] Post-LN: every block normalizes the sum, so nothing passes unchanged; at initialization gradients near the output are large, and a warm-up keeps the first steps short.
- [1] The two are different functions, not two ways to write one; Pre-LN needs a last norm at the end of the stack.
"""

# %% evidence
x = torch.randn(8, requires_grad=True)
cancelled = x + (-nn.functional.layer_norm(x, (8,))) * x.std(unbiased=False).detach()
jacobian = torch.autograd.functional.jacobian(
    lambda v: v - nn.functional.layer_norm(v, (8,)) * v.std(unbiased=False).detach(), x.detach()
)
assert torch.linalg.svdvals(jacobian).min() < 1e-3
h = torch.randn(32, 16)
post, pre = h, h
for _ in range(20):
    w = torch.randn(16, 16) / 4
    post = nn.functional.layer_norm(post + post @ w, (16,))
    pre = pre + nn.functional.layer_norm(pre, (16,)) @ w
assert abs(post.square().mean() - 1) < 0.01 and pre.square().mean() > 5

# %% text [markdown] id="without-warm-up" points=5 objective="optimization" items="153"
r"""
A model is trained with Adam at its peak rate from the first step on, without warm-up. What is likely to
happen, and why? Connect your answer to Adam's averages at the start. One usual reason is wrong and must
not be used: "v starts at 0, so the first step is enormous".

- [2] With the corrections, the first step is about one rate long for any gradient: m and v are both corrected. (Without the corrections the longest step is about 6.6 rates, at step 12.)
- [2] The first steps rest on one or a few gradients: in noise they are several times as long as later ones, and all coordinates move by the full rate at once, in a region of large gradients.
- [1] Likely: a jump of the loss, slow recovery or divergence, above all in Post-LN stacks; a warm-up keeps the steps short until the averages have seen enough.
"""

# %% evidence
for size in (1e-6, 1.0, 1e3):
    w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=1e-3)
    w.grad = torch.full_like(w, size)
    optimizer.step()
    assert 0.98 < -w.item() / 1e-3 < 1.0001
w = torch.zeros(1_000, dtype=torch.float64, requires_grad=True)
optimizer, lengths = torch.optim.Adam([w], lr=1e-3), []
for _ in range(60):
    w.grad, before = torch.randn_like(w), w.detach().clone()
    optimizer.step()
    lengths.append(((w.detach() - before) / 1e-3).square().mean().sqrt().item())
assert lengths[0] > 3 * lengths[-1]
m = v = 0.0
sizes = []
for _ in range(50):
    m, v = 0.9 * m + 0.1, 0.999 * v + 0.001
    sizes.append(m / math.sqrt(v))
assert abs(max(sizes) - 6.57) < 0.01 and sizes.index(max(sizes)) == 11
