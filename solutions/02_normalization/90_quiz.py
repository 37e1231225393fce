# %% quiz [markdown] items="" stars=2 minutes=25 level="understand" goal="say what each normalization computes, in training and at inference"
r"""
# Quiz: normalization
Most bugs with normalization raise no error: the loss still falls, and the served model is off.
What helps is to know which numbers a layer measures, which it learned, and in which mode it is.

Layers are PyTorch's. Answer a choice with its letter in quotes, and where several options are
right, with all of their letters. A number may be an expression, such as `2 / 3`; give at least
three digits.
"""

# %% setup
import torch
from torch import nn
from torch.nn import functional as F

from autograder.authoring.quiz import draw

# %% choice [markdown] id="count-means" points=1 level="apply" goal="tell which entries of a batch share a mean"
r"""
A colleague wants to log every mean that a normalization layer computes in training, and needs to
know how many there are. The input is a batch of feature maps of shape
$({{n}}, {{c}}, {{h}}, {{w}})$: samples, channels, height and width. The four layers are

`BatchNorm2d({{c}})`, `LayerNorm([{{c}}, {{h}}, {{w}}])`, `InstanceNorm2d({{c}})`,
`GroupNorm({{g}}, {{c}})`.

How many means does each of them compute, in this order?

- [x] {{c}}, {{n}}, {{nc}} and {{ng}}
  > One a channel, one a sample, one a channel of each sample, one a group of each sample. Only
  > batch norm averages over samples.
- [ ] {{n}}, {{c}}, {{nc}} and {{ng}}
  > The first two have changed places. Batch norm averages over the batch, so what remains is one
  > mean a channel; layer norm treats every sample alone.
- [ ] {{c}}, {{n}}, {{nc}} and {{nsize}}
  > The first argument of GroupNorm is the number of groups, not the number of channels in one.
- [ ] {{c}}, {{n}}, {{c}} and {{g}}
  > Instance norm and group norm do not mix samples: each sample has means of its own.
- [ ] {{chw}}, {{n}}, {{nc}} and {{ng}}
  > In BatchNorm2d all positions of a channel share one mean, as they share one filter in front.
"""

# %% key
n, c, h, w, g = draw([(8, 6, 4, 5, 3), (4, 6, 5, 3, 2), (5, 8, 3, 4, 4), (3, 8, 5, 4, 2)])
nc, ng, nsize, chw = n * c, n * g, n * c // g, c * h * w

# %% evidence
# Two entries share a mean if moving one of them moves what comes out at the other.
layers = nn.BatchNorm2d(c), nn.LayerNorm([c, h, w]), nn.InstanceNorm2d(c), nn.GroupNorm(g, c)
maps = torch.randn(n, c, h, w, dtype=torch.float64)
for layer, wanted in zip(layers, (c, n, nc, ng), strict=True):
    layer, alone, families = layer.double(), torch.ones(maps.numel(), dtype=torch.bool), 0
    with torch.no_grad():
        before = layer(maps)
        while alone.any():
            moved = maps.clone()
            moved.view(-1)[alone.nonzero()[0]] += 1.0
            alone &= (layer(moved) - before).abs().flatten() < 1e-12
            families += 1
    assert families == wanted, (layer, families, wanted)

# %% numeric [markdown] id="updated-numbers" points=1 rtol=1e-6 goal="tell parameters from buffers"
r"""
Before a training run a script prints how many numbers the optimizer updates in each layer, and
somebody asks whether all that batch norm stores is among them.

Which count stands beside `nn.BatchNorm1d({{n}})`? The answer is a whole number.
"""

# %% key
n = draw([32, 48, 64, 128, 256])
answer = 2 * n
slips = {
    "A scale and a shift are learned for each feature: two parameters.": n,
    "The running mean and variance are buffers: batches write them, the optimizer does not.": 4 * n,
    "That is the whole state_dict. Its buffers are written by batches, not by the optimizer.": (
        4 * n + 1
    ),
    "Those are the buffers: two running statistics a feature, and the count of batches.": 2 * n + 1,
}

# %% evidence
layer = nn.BatchNorm1d(n, dtype=torch.float64)
optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
(layer(torch.randn(9, n).double()) * torch.randn(9, n)).sum().backward()
before = {name: value.clone() for name, value in layer.state_dict().items()}
optimizer.step()
changed = {name: (value != before[name]).sum() for name, value in layer.state_dict().items()}
assert sum(changed.values()) == answer
assert sum(value.numel() for value in before.values()) == 4 * n + 1
assert sum(buffer.numel() for buffer in layer.buffers()) == 2 * n + 1

# %% numeric [markdown] id="moving-variance" points=2 rtol=0.005 items="70" level="apply" goal="translate between two conventions of momentum"
r"""
A paper's code keeps a moving average of the batch statistics for inference, and calls {{m}} its
momentum:

$$ \text{moving} \leftarrow {{m}} \cdot \text{moving} + {{rest}} \cdot \text{batch} $$

You port the model to PyTorch, so that a new batch weighs as much as before. The fresh
`nn.BatchNorm1d(1, momentum=...)`, whose `running_var` is 1, sees one training batch: {{batch}}.

What is its `running_var` now?
"""

# %% key
m = draw([0.7, 0.8, 0.9, 0.95])
batch = draw([[1, 7, 7, 9], [2, 4, 4, 10], [3, 9, 11, 17], [8, 2, 10, 4]])
rest = round(1 - m, 2)
squares = sum((value - sum(batch) / 4) ** 2 for value in batch)
answer = m * 1 + rest * squares / 3
slips = {
    "The batch is normalized with its biased variance, but the buffer averages the unbiased one.": (
        m * 1 + rest * squares / 4
    ),
    "In PyTorch momentum is the weight of the new batch: what the paper calls 1 - momentum.": (
        rest * 1 + m * squares / 3
    ),
    "That is the variance of this batch. The buffer moves only a part of the way towards it.": (
        squares / 3
    ),
    "The buffer starts at 1, and that value keeps its share.": rest * squares / 3,
}


# %% evidence
def port(momentum):
    """Train a layer beside the paper's average of the mean; tell how far they part."""
    layer, moving, parted = nn.BatchNorm1d(1, momentum=momentum).double(), 0.0, 0.0
    for step in range(5):
        sample = torch.randn(6, 1).double() + step
        moving = m * moving + rest * sample.mean().item()
        layer(sample)
        parted = max(parted, abs(layer.running_mean.item() - moving))
    return parted


assert port(momentum=rest) < 1e-9 and port(momentum=m) > 0.1
layer = nn.BatchNorm1d(1, momentum=rest).double()
layer(torch.tensor(batch).double()[:, None])
assert abs(layer.running_var.item() - answer) < 1e-9

# %% choice [markdown] id="undo" points=1 goal="say when batch norm can be the identity"
r"""
"Batch norm takes nothing away from a network: $\gamma$ and $\beta$ can undo it." A reviewer asks
when that is true to the last digit, with $\varepsilon = 10^{-5}$ under the root as usual.

Which statement is **exactly** true?

- [ ] In training, one choice of $\gamma$ and $\beta$ makes the layer the identity for every batch.
  > The mean and the variance are those of the batch and change with it. Two fixed numbers can undo
  > them for one batch, not for all.
- [ ] In training, $\gamma = \sigma$ and $\beta = \mu$ of a batch make the layer the identity for
  that batch.
  > Many texts print it, and it is nearly so. The layer divides by the root of the variance plus
  > eps, a little more than sigma, and for a small variance much more.
- [x] At inference, $\gamma$ = `sqrt(running_var + eps)` and $\beta$ = `running_mean` make it the
  identity.
  > The statistics are constants then, so the layer is a fixed line, and this is its inverse, eps
  > included.
- [ ] Without $\gamma$ and $\beta$, every feature leaves a training batch with mean 0 and biased
  variance 1.
  > The mean is 0, but the variance is that of the feature divided by itself plus eps: always less
  > than 1, and 0 for a constant feature.
- [ ] Once $\gamma$ and $\beta$ undo the layer, the weights before it get the gradient they had
  without it.
  > The values agree, their derivatives do not: the gradient also runs through mean and variance.
"""

# %% evidence
batch, other = 0.01 * torch.randn(16, 3).double() + 2, torch.randn(16, 3).double()
mean, var = batch.mean(0), batch.var(0, unbiased=False)


def off(layer, inputs, scale, shift):
    """The largest distance between what goes in and what comes out."""
    with torch.no_grad():
        layer.weight.copy_(scale)
        layer.bias.copy_(shift)
        return (layer(inputs) - inputs).abs().max().item()


layer = nn.BatchNorm1d(3).double()
assert off(layer, batch, (var + layer.eps).sqrt(), mean) < 1e-12  # for this batch
assert off(layer, other, (var + layer.eps).sqrt(), mean) > 0.1  # not for another
assert off(layer, batch, var.sqrt(), mean) > 1e-4  # nor without eps
inference = layer.eval()
scale, shift = (inference.running_var + layer.eps).sqrt(), inference.running_mean.clone()
assert off(inference, batch, scale, shift) < 1e-12
assert off(inference, other, scale, shift) < 1e-12

plain = F.batch_norm(batch, None, None, training=True)
assert plain.mean(0).abs().max() < 1e-9 and plain.var(0, unbiased=False).max() < 0.99

weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
inputs, target = torch.randn(16, 4).double(), torch.randn(16, 3).double()
bare = inputs @ weight.T
statistics = bare.detach().mean(0), (bare.detach().var(0, unbiased=False) + 1e-5).sqrt()
undone = F.batch_norm(bare, None, None, statistics[1], statistics[0], training=True)
assert torch.allclose(undone, bare)
one, two = (torch.autograd.grad(((z - target) ** 2).sum(), weight, retain_graph=True)[0]
            for z in (bare, undone))  # fmt: skip
assert (one - two).norm() > 0.1 * one.norm()

# %% choice [markdown] id="served-model" points=1 level="analyze" goal="find the cause of predictions that depend on the rest of the batch"
r"""
A served model scores customer 17 with 0.31 in one request and with 0.83 in the next. The row is the
same; only the other customers in the batch have changed. Either request, when repeated, returns its
own scores to the last digit.

Which cause fits all of this?

- [ ] A dropout layer is still in training mode.
  > It would draw a new mask at every call, so the same request would not repeat its scores.
- [x] A batch norm layer is still in training mode.
  > The mean and the variance come from the request then, so a row's score depends on its company,
  > and the same company gives the same score.
- [ ] A layer norm measures its input at inference too.
  > It does, but each row by itself: whoever else is in the batch is not looked at.
- [ ] The running statistics were rounded on export.
  > Rounded statistics shift every score, but they are the same ones in both requests.
- [ ] The momentum was so small that the running mean lags behind.
  > A running mean that lags is a wrong one, but it is the same in both requests.
"""


# %% evidence
def symptoms(model):
    """Whether a row's output depends on the other rows, and whether a request repeats itself."""
    row, some, others = torch.randn(1, 8), torch.randn(7, 8), 3 * torch.randn(7, 8) + 1
    request = torch.cat([row, some])
    with torch.no_grad():
        first, again = model(request), model(request)
        elsewhere = model(torch.cat([row, others]))
    return not torch.allclose(first[0], elsewhere[0], atol=1e-5), torch.equal(first, again)


def served(*layers):
    return nn.Sequential(nn.Linear(8, 32), *layers, nn.ReLU(), nn.Linear(32, 1))


norm, slow = nn.BatchNorm1d(32), nn.BatchNorm1d(32, momentum=1e-4)
norm.running_mean.normal_()
norm.running_mean.copy_(norm.running_mean.bfloat16())
slow(torch.randn(64, 32) + 5)
assert symptoms(served(nn.BatchNorm1d(32)).train()) == (True, True)
assert symptoms(served(nn.Dropout(0.5)).train())[1] is False
assert symptoms(served(nn.LayerNorm(32)).train()) == (False, True)
assert symptoms(served(norm).eval()) == (False, True)
assert symptoms(served(slow).eval()) == (False, True)

# %% choice [markdown] id="idle-bias" points=2 items="72" level="analyze" goal="see which biases a normalization cancels"
r"""
A monitor reports that some biases of a network never move: in training their gradient is 0, up to
rounding, at every step. They cost memory for nothing.

In which of these blocks is that so for the bias of the **first** layer?

- [ ] `Linear → ReLU → BatchNorm1d`
  > The ReLU stands between: a bias decides which samples it cuts off, and no mean takes that back.
- [x] `Linear → BatchNorm1d → ReLU`
  > A constant added to a feature of all samples is in its mean, and the mean is subtracted.
- [ ] `Linear → LayerNorm → ReLU`
  > Layer norm subtracts one mean a sample, over all features. Biases that differ from feature to
  > feature are not a constant there.
- [x] `Conv2d → BatchNorm2d → ReLU`
  > A channel's bias is the same at all positions of all samples, so it is in the channel's mean.
- [ ] `Linear → Dropout → BatchNorm1d`
  > Dropout sets some of the biased values to 0, so the bias is no longer the same for all samples.
"""


# %% evidence
def bias_gradient(inputs, first, *others):
    """The gradient of the first layer's bias, measured against that of its weights."""
    nn.init.normal_(first.bias)
    block = nn.Sequential(first, *others).double().train()
    outputs = block(inputs.double())
    (outputs * torch.randn_like(outputs)).sum().backward()
    return (first.bias.grad.norm() / first.weight.grad.norm()).item()


rows, maps = torch.randn(32, 5), torch.randn(4, 3, 6, 6)
for others in ([nn.ReLU(), nn.BatchNorm1d(7)], [nn.LayerNorm(7), nn.ReLU()],
               [nn.Dropout(0.3), nn.BatchNorm1d(7)]):  # fmt: skip
    assert bias_gradient(rows, nn.Linear(5, 7), *others) > 1e-3
assert bias_gradient(rows, nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU()) < 1e-12
assert bias_gradient(maps, nn.Conv2d(3, 7, 3), nn.BatchNorm2d(7), nn.ReLU()) < 1e-12

# %% choice [markdown] id="rescaled-inputs" points=2 items="72" level="evaluate" goal="judge when batch norm makes a network blind to the scale of its inputs"
r"""
"Batch norm makes a network invariant to the scale of its inputs" is a fact in some texts and a
myth in others; both are too short. A trained network opens with `Linear → BatchNorm1d → ReLU`, and
after a driver update its standardized inputs arrive changed.

In which cases does it output what it did before, up to $\varepsilon$?

- [ ] Evaluation mode, every input times 255
  > The running statistics are those of the old inputs, and nothing measures the new ones.
- [x] Training mode, every input times 255
  > The mean and the standard deviation of each unit grow by the same factor, and divide it out.
- [ ] Training mode, the first input feature times 255
  > Each unit adds up all features. One of them grown drowns the others, and that is no common
  > factor.
- [ ] Training mode, every input times -1
  > The standard deviation has no sign: what it divides out is the size, and the outputs turn over.
- [x] Training mode, 10 added to every input
  > Each unit moves by a constant, the same for all samples, and the batch mean takes it away.
"""

# %% evidence
network = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)).double()
inputs = torch.randn(32, 6).double()
grown = torch.cat([255 * inputs[:, :1], inputs[:, 1:]], dim=1)


def change(mode, changed):
    """How far the outputs move, measured against the largest of them."""
    network.train(mode == "training")
    with torch.no_grad():
        old, new = network(inputs), network(changed)
    return ((new - old).abs().max() / old.abs().max()).item()


assert change("training", 255 * inputs) < 0.01
assert change("training", inputs + 10) < 1e-9
assert change("training", grown) > 0.05
assert change("training", -inputs) > 0.05
network[1].reset_running_stats()
assert change("evaluation", 255 * inputs) > 0.05

# %% numeric [markdown] id="small-start" points=2 level="analyze" goal="see the initial scale before batch norm as a learning rate"
r"""
"With batch norm the scale of the initial weights no longer matters." Two copies of a network open
with `Linear(bias=False) → BatchNorm1d`, $\varepsilon$ too small to matter. In the second copy this
linear layer starts with weights **{{k}} times smaller**; all else is equal.

The first copy is trained by plain SGD with learning rate {{rate}}. Which learning rate of this one
layer makes the second copy compute the same outputs as the first, at every step?
"""

# %% key
k, rate = draw([2, 4, 5, 10]), draw([0.1, 0.2, 0.4])
answer = rate / k**2
slips = {
    "The outputs of the first step agree. How long is the gradient of weights that are smaller?": (
        rate
    ),
    f"The gradient is {k} times as long, and it moves weights {k} times smaller: both count.": (
        rate / k
    ),
    "Smaller weights before batch norm have the larger gradient, so they need the smaller rate.": (
        rate * k
    ),
    "The square is right, its direction is not: small weights before batch norm take long steps.": (
        rate * k**2
    ),
}


# %% evidence
def outputs_of(shrink, own_rate):
    """The outputs of a network at each of three steps, its first layer started smaller."""
    norm = nn.BatchNorm1d(8, eps=1e-14)
    network = nn.Sequential(nn.Linear(6, 8, bias=False), norm, nn.ReLU(), nn.Linear(8, 1)).double()
    network.load_state_dict(start)
    network[0].weight.data /= shrink
    groups = [
        {"params": network[0].parameters(), "lr": own_rate},
        {"params": network[1:].parameters()},
    ]
    optimizer, seen = torch.optim.SGD(groups, lr=rate), []
    for inputs, target in zip(*data, strict=True):
        seen.append(network(inputs))
        optimizer.zero_grad()
        F.mse_loss(seen[-1], target).backward()
        optimizer.step()
    return torch.stack(seen).detach()


start = nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
start = start.double().state_dict()
data = torch.randn(3, 32, 6).double(), torch.randn(3, 32, 1).double()
first = outputs_of(1, rate)
assert torch.allclose(outputs_of(k, answer), first, rtol=1e-5, atol=1e-7)
for slip in slips.values():
    outputs = outputs_of(k, slip)
    assert torch.allclose(outputs[0], first[0])
    assert not torch.allclose(outputs, first, rtol=1e-2, atol=1e-4)

# %% numeric [markdown] id="dropout-shift" points=2 level="analyze" goal="foresee what dropout does to the statistics of a later batch norm"
r"""
A popular recipe stacks `Linear → ReLU → Dropout → Linear → BatchNorm1d`, and such a model does
worse when it is served than its training promised. Let the activations that come out of the ReLU
be independent of each other, each with $\mathbb{E}[a] = {{mean}}$ and
$\mathbb{E}[a^2] = {{second}}$. In training each is dropped with probability $p = {{p}}$, and what
is kept is divided by $1 - p$; batches are large.

At inference dropout is off. Divide the `running_var` that batch norm brings from training by the
variance that reaches it now: what is the ratio?
"""

# %% key
mean, second = draw([(1, 2), (1, 3), (2, 6)])
p = draw([0.2, 0.25, 0.4])
answer = (second / (1 - p) - mean**2) / (second - mean**2)
slips = {
    "Dividing by 1 - p keeps the mean, but the square of what is kept is divided by it twice.": 1.0,
    "That is the ratio of the second moments; the square of the mean is part of both, and stays.": (
        1 / (1 - p)
    ),
    "What is kept grows by 1 / (1 - p) squared, but only a part of 1 - p is kept.": 1
    / (1 - p) ** 2,
    "p is the probability of being dropped; a part of 1 - p is kept.": (
        (second / p - mean**2) / (second - mean**2)
    ),
    "That is dropout without the division: in training what is kept is divided by 1 - p.": (
        ((1 - p) * second - ((1 - p) * mean) ** 2) / (second - mean**2)
    ),
}

# %% evidence
# Activations that are 0 or one value have any two moments.
activations = second / mean * (torch.rand(4000, 32) < mean**2 / second)
linear, norm = nn.Linear(32, 32), nn.BatchNorm1d(32, momentum=1.0)
with torch.no_grad():
    norm(linear(F.dropout(activations, p)))
    met = linear(activations).var(dim=0)
# The standard error of this mean is 0.4 %, measured over 200 seeds.
assert abs((norm.running_var / met).mean() / answer - 1) < 0.025

# %% choice [markdown] id="pre-or-post" points=1 items="147" level="analyze" goal="say what the place of layer norm does to gradients at the start"
r"""
A deep transformer with layer norm after each addition (*Post-LN*,
$x \leftarrow \text{LN}(x + f(x))$) diverges unless its learning rate is warmed up. With layer norm
inside the branch (*Pre-LN*, $x \leftarrow x + f(\text{LN}(x))$) and one more at the end, it trains
with little or no warm-up. Before the first step you compare the gradients that the weights of their
blocks get.

What do you see?

- [ ] In the first blocks, Post-LN's are 0 up to rounding; Pre-LN's are as large as at the end.
  > Often told, but layer norm keeps the scale from block to block, and Post-LN's gradients reach
  > the first one. What makes warm-up necessary is at the other end.
- [ ] In every block, Pre-LN's have a norm of at least 1, as the identity adds 1 to a derivative.
  > The identity is only one term of the Jacobian, and the branch can cancel it. Gradients do not
  > vanish because a branch is weak, but nothing bounds them from below.
- [x] In the last blocks, Post-LN has the larger ones; Pre-LN's shrink as blocks are added.
  > Pre-LN's stream grows by a branch a block, and its last layer norm divides by that growth, about
  > the root of the depth (Xiong et al., 2020). Post-LN has nothing of the kind.
- [ ] In the last blocks, Pre-LN has the larger ones, since no layer norm stands in its stream.
  > One does, at its end, and it divides by the size of a stream to which every block has added.
- [ ] In every block, the two have gradients of the same size; they part after a few steps.
  > At the start Post-LN's stream has one size at every depth, Pre-LN's grows: the gradients differ.
"""


# %% evidence
def gradient_lengths(post, depth, width=64, samples=64):
    """The length of the gradient of each block's last weights, at initialization."""
    wide, deep = (2 / width) ** 0.5, (1 / width) ** 0.5
    x, norm, lasts = torch.randn(samples, width), nn.LayerNorm(width), []
    for _ in range(depth):
        one, two = wide * torch.randn(width, width), deep * torch.randn(width, width)
        lasts.append(two.requires_grad_())
        x = norm(x + (x @ one).relu() @ two) if post else x + (norm(x) @ one).relu() @ two
    loss = (norm(x) * torch.randn(samples, width)).mean()
    return torch.stack([g.norm() for g in torch.autograd.grad(loss, lasts)])


post, pre, shallow = (gradient_lengths(*a) for a in ((True, 32), (False, 32), (False, 8)))
assert post[-4:].mean() > 1.5 * pre[-4:].mean()
assert shallow[-4:].mean() > 1.2 * pre[-4:].mean()
assert post.min() > 0.05 * post.max()
assert pre.max() < 1

# A branch can cancel the identity: of 32 directions two are left.
x = torch.randn(32, dtype=torch.float64)
size = x.std(unbiased=False)
jacobian = torch.autograd.functional.jacobian(lambda x: x - size * F.layer_norm(x, (32,), eps=0), x)
assert (torch.linalg.svdvals(jacobian) > 1e-6).sum() == 2

# %% text [markdown] id="why-layer-norm" points=3 level="evaluate" goal="give the reasons for layer norm that hold"
r"""
A colleague's interview notes say: "GPT-2 and LLaMA use layer norm. Batch norm is out of the
question for language models: they generate one token of one sequence at a time, and at inference
batch norm cannot process a batch of one."

Correct the notes in three to five sentences: what is wrong in them, and what does speak against
batch norm here?

- [1] At inference batch norm uses its running statistics, so a batch of one is no problem. (It is
  one in training.)
- [1] A reason that holds. For example: in training a token's output would depend on the other
  sequences of the batch and on its padding; running statistics pooled over positions fit no single
  position; small micro-batches give noisy statistics.
- [1] LLaMA uses RMSNorm, which divides by the root mean square and subtracts no mean, so that it
  leaves a constant vector constant where layer norm returns zeros.
"""

# %% evidence
norm = nn.BatchNorm1d(4)
assert norm.eval()(torch.randn(1, 4)).isfinite().all()
try:
    norm.train()(torch.randn(1, 4))
except ValueError as error:
    assert "more than 1 value" in str(error)
else:
    raise AssertionError("a batch of one in training should raise")

# %% evidence
# Two sequences of ten tokens, four features; then the second is padded from its third token on.
tokens = torch.randn(2, 10, 4).double()
padded = tokens.clone()
padded[1, 2:] = 0.0


def by_batch(x):
    return F.batch_norm(x.transpose(1, 2), None, None, training=True).transpose(1, 2)


assert (by_batch(tokens)[0] - by_batch(padded)[0]).abs().max() > 0.01
assert torch.equal(F.layer_norm(tokens, (4,))[0], F.layer_norm(padded, (4,))[0])

# The mean drifts along the sequence: the pooled statistics fit no position.
drifting = torch.randn(64, 10, 4) + torch.linspace(-3, 3, 10)[:, None]
norm = nn.BatchNorm1d(4, momentum=1.0)
norm(drifting.transpose(1, 2))
of_position = norm.eval()(drifting.transpose(1, 2)).mean(dim=(0, 1))
assert of_position[0] < -1 and of_position[-1] > 1

# Statistics of two samples are noisier than those of 128.
few, many = torch.randn(500, 2).mean(1).std(), torch.randn(500, 128).mean(1).std()
assert few > 4 * many

# %% evidence
constant, x = torch.full((4,), 3.0), torch.randn(5, 4)
assert torch.allclose(nn.RMSNorm(4)(constant), torch.ones(4))
assert torch.allclose(nn.LayerNorm(4)(constant), torch.zeros(4), atol=1e-6)
sizes = nn.RMSNorm(4)(x).square().mean(-1)
assert torch.allclose(sizes, torch.ones(5), atol=1e-3)
assert torch.allclose(F.cosine_similarity(nn.RMSNorm(4)(x), x), torch.ones(5))
