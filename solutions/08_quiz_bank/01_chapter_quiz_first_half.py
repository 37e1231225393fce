# %% quiz [markdown] items="126 127 128 129 130 131 132 133 134 135" stars=2 minutes=60 level="understand" goal="say why each of ten common techniques works, and where the usual reason for it is wrong"
r"""
# Chapter quiz, questions 1 to 10
Initialization, normalization, dropout, weight decay. Each topic has a choice and a number. Many of
the options are sentences that you will find in print: what counts is whether they are true.

Layers are PyTorch's. Answer a choice with its letter in quotes, and where several options are
right, with all of their letters. A number may be an expression, such as `2 / 3`; give at least
three digits.
"""

# %% setup
import math

import torch
from torch import nn
from torch.nn import functional as F

from autograder.authoring.quiz import draw


def mlp(fill, drop=0.0):
    """Two hidden ReLU layers of 6 units, weights and biases filled as one says."""
    layers = [nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Dropout(drop)]
    net = nn.Sequential(*layers, nn.Linear(6, 3)).double()
    for module in net:
        if isinstance(module, nn.Linear):
            fill(module)
    return net


def trained(net, steps=12, rate=0.1):
    """Some steps of SGD on random labels."""
    x, y = torch.randn(20, 5).double(), torch.randint(3, (20,))
    optimizer = torch.optim.SGD(net.parameters(), rate)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return net


def constant(value):
    def fill(linear):
        nn.init.constant_(linear.weight, value)
        nn.init.zeros_(linear.bias)

    return fill


def kinds_of_rows(net):
    """How many different units the second hidden layer has."""
    return len(torch.unique(net[2].weight.detach().round(decimals=9), dim=0))


# %% choice [markdown] id="constant-weights" points=1 objective="initialization" items="126"
r"""
A ReLU network with two hidden layers, no dropout, is trained by SGD. Which of these is true?

- [x] If all weights start at one and the same constant other than 0, the units of a hidden layer stay alike for ever.
  > Yes: equal rows get equal gradients. The layer is as good as one unit, however wide it is.
- [ ] If all weights start at 0, the units stay alike and learn, only more slowly.
  > With zeros, no signal passes either way: the gradient of every weight is exactly 0, and only the last bias moves.
- [ ] Biases have to start at random values as well, or the units of a layer stay alike.
  > Random weights already tell the units apart, so their biases get gradients of their own.
- [ ] A learning rate that is large enough drives units with equal weights apart.
  > Equal rows get equal gradients. What do equal steps make of them, long or short?
- [ ] Setting only the output layer to 0 makes all units of the hidden layers alike.
  > They start with different random weights. The output layer moves at the first step, and then they learn.
"""

# %% evidence
assert kinds_of_rows(trained(mlp(constant(0.3)))) == 1
assert kinds_of_rows(trained(mlp(constant(0.3)), rate=3.0)) == 1
still = mlp(constant(0.0))
before = [p.clone() for p in still.parameters()]
moved = [
    (p - b).abs().max().item() for p, b in zip(trained(still).parameters(), before, strict=True)
]
assert max(moved[:-1]) == 0.0 < moved[-1]


def zero_biases(linear):
    nn.init.zeros_(linear.bias)


def zero_output(linear):
    if linear.out_features == 3:
        constant(0.0)(linear)


assert kinds_of_rows(trained(mlp(zero_biases))) == 6
assert kinds_of_rows(trained(mlp(zero_output))) == 6

# %% numeric [markdown] id="distinct-units" points=1 objective="initialization" level="apply" items="126"
r"""
A network `Linear(5, {{width}}) → ReLU → Linear({{width}}, 3)` starts with all weights of its first
layer at 0.3, but {{apart}} of its {{width}} rows get one and the same different constant, 0.7. The
output layer starts with all weights equal, biases at 0. It is trained for a while by SGD, without
dropout. How many *different* rows can the first weight matrix have at most afterwards?
"""

# %% key
width, apart = draw([8, 12, 16]), draw([2, 3, 5])
answer = 2
slips = {
    "Rows that start alike, and are weighted alike by the next layer, get the same gradient.": width,
    "Those rows started alike too: they move together.": apart + 1,
    "They started differently, and equal steps do not make different things equal.": 1,
}

# %% evidence
net = nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, 3)).double()
for module in (net[0], net[2]):
    constant(0.3)(module)
with torch.no_grad():
    net[0].weight[:apart] = 0.7
rows = trained(net)[0].weight.detach()
assert len(torch.unique(rows.round(decimals=9), dim=0)) == answer

# %% choice [markdown] id="xavier-mean" points=1 objective="initialization" items="127"
r"""
Xavier's variance is $2 / (n_\text{in} + n_\text{out})$, the forward pass alone would ask for
$1 / n_\text{in}$, the backward pass for $1 / n_\text{out}$. What is it?

- [x] The harmonic mean of the two: one over the mean of the fans.
  > Yes: averaging the two requirements, n var = 1, gives a mean of the fans.
- [ ] The arithmetic mean of the two.
  > That would be half of 1/n_in + 1/n_out. For 512 and 256, compute both.
- [ ] The geometric mean of the two.
  > That would be one over the root of the product of the fans.
- [ ] A variance that preserves both directions exactly, whatever the fans are.
  > If the fans differ, no variance can: one direction grows by what the other shrinks.
- [ ] The smaller of the two, so that neither direction can explode.
  > It lies between the two, so one direction does grow.
"""

# %% evidence
one, other = 1 / 512, 1 / 256
from statistics import harmonic_mean

assert abs(2 / (512 + 256) - harmonic_mean([one, other])) < 1e-15
assert abs(2 / (512 + 256) - (one + other) / 2) > 1e-4
assert abs(2 / (512 + 256) - math.sqrt(one * other)) > 1e-4
assert one < 2 / (512 + 256) < other
drawn = nn.init.xavier_normal_(torch.empty(256, 512))
assert abs(drawn.var().item() * (512 + 256) / 2 - 1) < 0.03

# %% numeric [markdown] id="xavier-gain" points=1 objective="initialization" level="apply" items="127"
r"""
A linear layer has {{n_in}} inputs and {{n_out}} outputs, weights from Xavier's normal, no
activation. By which factor does it multiply the variance of a signal going forward?
"""

# %% key
n_in, n_out = draw([(512, 256), (300, 100), (128, 512), (64, 256)])
answer = 2 * n_in / (n_in + n_out)
slips = {
    "That is the factor of the backward pass, which sums over the outputs.": 2
    * n_out
    / (n_in + n_out),
    "Xavier keeps the variance only where the fans are equal.": 1.0,
    "The sum over n_in inputs is multiplied by the variance, not by its root.": (
        n_in * math.sqrt(2 / (n_in + n_out))
    ),
}

# %% evidence
# Averaged over 20 layers: one alone is off by some percent.
x = torch.randn(400, n_in)
out = [(x @ nn.init.xavier_normal_(torch.empty(n_out, n_in)).T).var().item() for _ in range(20)]
assert abs(sum(out) / 20 / answer - 1) < 0.05

# %% choice [markdown] id="why-two" points=1 objective="initialization" items="128"
r"""
He's variance is $2 / n_\text{in}$. Why the 2, if the inputs of the layer come out of a ReLU?

- [x] The next layer's variance takes in the mean square of the activations, and ReLU halves that.
  > Yes: E[a²] is half of E[z²] for every symmetric z, and Var(z) of the next layer is n Var(w) E[a²].
- [ ] ReLU halves the variance of the activations, and the next layer's variance takes in that.
  > Usual, but false twice: the variance falls to 0.34 of itself, and what the next layer takes in is the mean square.
- [ ] Half of the weights lead to units that are off, so the others have to be twice as large.
  > All weights are in use for some inputs. The 2 is there for the signal, not for the count of weights.
- [ ] The mean of the activations would drift away from 0 without it.
  > It is above 0 behind every ReLU, with He's variance too.
- [ ] The slope of a ReLU doubles the gradient, and the weights make up for it.
  > A slope is 0 or 1: on average the gradient's mean square is halved.
"""

# %% evidence
z = torch.randn(1_000_000)
a = z.relu()
assert abs(a.square().mean() - 0.5) < 0.005 and abs(a.var() - 0.3408) < 0.005
w = torch.randn(2_000, 400) * math.sqrt(2 / 400)
x = torch.randn(400, 500).relu()
assert abs((w @ x).var() / (400 * 2 / 400 * x.square().mean()) - 1) < 0.06
assert a.mean() > 0.39
slopes = (z > 0).float()
assert abs(slopes.square().mean() - 0.5) < 0.005

# %% numeric [markdown] id="gain-with-variance" points=1 objective="initialization" level="analyze" items="128"
r"""
Somebody takes the sentence "ReLU turns a variance of 1 into 0.3408" for the whole story and draws
weights with variance $1 / (0.3408\,n)$, no biases. By which factor does the mean square
$\mathbb{E}[a^2]$ of the activations grow over {{layers}} ReLU layers?
"""

# %% key
layers = draw([1, 2, 3, 5])
answer = (0.5 / 0.3408) ** layers
slips = {
    "The variance is made to keep itself, but what is passed on is the mean square.": 1.0001,
    "Each weight's variance is 1 / (0.3408 n), and ReLU halves the mean square of what comes out.": (
        (1 / 0.3408) ** layers
    ),
    "Every layer multiplies: the factors are multiplied, too.": 1
    + layers * (0.5 / 0.3408 - 1)
    + 0.08,
}

# %% evidence
# The mean over 2,000 networks of 32 units each: one alone strays far from it.
a = torch.randn(2000, 1, 32).relu() * math.sqrt(2)
start = a.square().mean()
for _ in range(layers):
    a = (a @ torch.randn(2000, 32, 32) / math.sqrt(0.3408 * 32)).relu()
assert abs((a.square().mean() / start) / answer - 1) < 0.15

# %% choice [markdown] id="undo-in-eval" points=1 objective="normalization" items="129"
r"""
"With $\gamma$ and $\beta$ a batch norm layer can undo its own normalization." What is exactly true?

- [x] In evaluation mode it can be the identity for every input.
  > Yes: gamma is the root of running_var + eps, beta is running_mean. Then it is one fixed straight line.
- [ ] In training mode it can be the identity for every batch.
  > Its statistics change from batch to batch, and gamma and beta do not follow. They can undo one batch.
- [ ] With gamma = the standard deviation and beta = the mean it is the identity, whatever eps is.
  > The layer divides by the root of variance + eps. For a small variance that is a large difference.
- [ ] Training with gamma and beta is the same as training without the layer.
  > What the network can represent is the same in evaluation; the gradients on the way are not.
- [ ] Without gamma and beta the layer could not change the mean of its input.
  > It makes the mean 0 without them. What can it not do without them?
"""

# %% evidence
layer = nn.BatchNorm1d(3).double()
layer(torch.randn(50, 3).double() * 2 + 1)
with torch.no_grad():
    layer.weight.copy_((layer.running_var + layer.eps).sqrt())
    layer.bias.copy_(layer.running_mean)
x = torch.randn(9, 3).double()
assert (layer.eval()(x) - x).abs().max() < 1e-12
assert (layer.train()(x) - x).abs().max() > 0.1
small = nn.BatchNorm1d(1).double()
narrow = 0.01 * torch.randn(40, 1).double()
with torch.no_grad():
    small.weight.copy_(narrow.std(0, unbiased=False))
    small.bias.copy_(narrow.mean(0))
assert (small(narrow) - narrow).abs().max() > 1e-4
assert nn.BatchNorm1d(1, affine=False)(torch.randn(30, 1) + 5).mean().abs() < 1e-5

# %% numeric [markdown] id="undo-without-eps" points=1 objective="normalization" level="apply" items="129"
r"""
In training, a feature has a (biased) standard deviation of {{sigma}} and mean 0 in a batch. Batch
norm has `eps = 1e-5`, and somebody sets $\gamma$ to that standard deviation and $\beta = 0$ to undo
it. By which factor is the output smaller than the input?
"""

# %% key
sigma = draw([0.01, 0.005, 0.002, 0.004])
answer = sigma / math.sqrt(sigma**2 + 1e-5)
slips = {
    "The variance has eps added to it, and 1e-5 is not small beside this variance.": 1.0,
    "The root is taken of variance and eps together.": sigma / (sigma + math.sqrt(1e-5)),
    "That is the share in the variance. Which power of it is in the output?": sigma**2
    / (sigma**2 + 1e-5),
}

# %% evidence
x = torch.randn(64, 1).double()
x = sigma * (x - x.mean()) / x.std(unbiased=False)
layer = nn.BatchNorm1d(1).double()
nn.init.constant_(layer.weight, sigma)
assert (layer(x) / x / answer - 1).abs().max() < 1e-6

# %% choice [markdown] id="why-batch-norm" points=1 objective="normalization" items="130"
r"""
Why does batch norm help training? Which statement is best supported by what has been measured?

- [x] Loss and gradients change less abruptly along a step, so larger learning rates work.
  > Yes: that is what Santurkar et al. (2018) measured and proved in part.
- [ ] It removes internal covariate shift, and this is why training is faster.
  > With noise put in behind the layers, which makes the shift worse, training was still faster.
- [ ] It makes the input of every layer Gaussian.
  > It sets a mean and a variance. The shape of a distribution stays what it was.
- [ ] It helps only because the statistics of small batches are noisy.
  > The noise regularizes somewhat. With full batches, without any noise, batch norm still lets the rate grow.
- [ ] It makes the loss a convex function of the weights.
  > Two different networks still compute the same function after swapping units: what is between them?
"""

# %% evidence
# With full batches, on one and the same problem, batch norm learns at a rate where the plain net fails.
x = torch.randn(64, 10)
y = (x[:, 0] * x[:, 1] > 0).long()
fall = {}
for name in ("plain", "normalized"):
    torch.manual_seed(0)
    parts = [m for _ in range(3) for m in (nn.LazyLinear(32), nn.LazyBatchNorm1d(), nn.ReLU())]
    net = nn.Sequential(
        *(m for m in parts if name != "plain" or not isinstance(m, nn.LazyBatchNorm1d))
    )
    net.append(nn.LazyLinear(2))
    net(x)
    optimizer = torch.optim.SGD(net.parameters(), 1.5)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    fall[name] = loss.item()
assert fall["normalized"] < 0.2 and not fall["plain"] < 2 * fall["normalized"]
# The shape stays: the skew of a skewed feature is the same before and after.
skewed = torch.rand(1000, 1) ** 4
normed = nn.BatchNorm1d(1)(skewed).detach()


def skew(v):
    return (((v - v.mean()) / v.std()) ** 3).mean()


assert abs(skew(skewed) - skew(normed)) < 1e-2 and skew(normed) > 0.5

# %% numeric [markdown] id="scale-before-norm" points=1 objective="normalization" level="analyze" items="130"
r"""
A linear layer without bias stands right before batch norm (`eps` too small to matter). In training
mode its weights are multiplied by {{c}}. By which factor does the gradient of the loss with respect
to these weights change?
"""

# %% key
c = draw([2, 4, 5, 10])
answer = 1 / c
slips = {
    "The output stays the same, but the gradient with respect to the weights does not.": 1.0,
    "The larger the weights, the less a step of the same length turns them.": float(c),
    "One factor, not its square: the square is what the relative step shrinks by.": 1 / c**2,
}

# %% evidence
w = torch.randn(4, 6, dtype=torch.float64)
x, target = torch.randn(30, 6).double(), torch.randn(30, 4).double()


def slope(weight):
    weight = weight.clone().requires_grad_()
    out = F.batch_norm(x @ weight.T, None, None, training=True, eps=1e-12)
    F.mse_loss(out, target).backward()
    return weight.grad


assert (slope(c * w) / slope(w) / answer - 1).abs().max() < 1e-6

# %% choice [markdown] id="depends-on-mates" points=1 objective="normalization" items="131"
r"""
A served model gives one and the same row different outputs, depending on which other rows are in
the request. What is the most specific explanation?

- [x] A batch norm layer is in training mode.
  > Yes: it takes mean and variance of the request. And each request moves its running statistics.
- [ ] A dropout layer is in evaluation mode.
  > Then it does nothing. And in training mode it would vary from call to call, even with the same mates.
- [ ] The running statistics are kept in float32.
  > They are the same numbers for every row, whatever their precision.
- [ ] The model has a layer norm.
  > Layer norm looks at one row at a time, in both modes.
- [ ] The momentum of a batch norm layer is too small.
  > It decides how fast running statistics follow in training. In evaluation they stand still.
"""

# %% evidence
row, mates, others = torch.randn(1, 4), torch.randn(7, 4), 3 + torch.randn(7, 4)


def apart(net):
    one, other = net(torch.cat([row, mates]))[0], net(torch.cat([row, others]))[0]
    return (one - other).abs().max().item()


assert apart(nn.BatchNorm1d(4).train()) > 0.05
assert apart(nn.BatchNorm1d(4, momentum=0.001).eval()) == 0.0
assert apart(nn.LayerNorm(4)) < 1e-6 and apart(nn.Dropout(0.5).eval()) == 0.0
dropping = nn.Dropout(0.5).train()
assert any(apart(dropping) > 0 for _ in range(30))

# %% numeric [markdown] id="moved-by-a-request" points=1 objective="normalization" level="apply" items="131"
r"""
`BatchNorm1d` with the default momentum was left in training mode. Its `running_mean` is
{{old}}, and {{calls}} requests come in, each with a batch mean of {{mean}}, all under
`torch.no_grad()`. What is `running_mean` afterwards?
"""

# %% key
old, mean, calls = draw([1.0, 2.0]), draw([5.0, -3.0, 8.0]), draw([2, 3])
answer = mean + (old - mean) * 0.9**calls
slips = {
    "no_grad stops gradients. Buffers are moved by the forward pass itself.": old,
    "PyTorch's momentum is the share of the new value: 0.1.": mean + (old - mean) * 0.1**calls,
}

# %% evidence
layer = nn.BatchNorm1d(1)
nn.init.constant_(layer.running_mean, old)
with torch.no_grad():
    for _ in range(calls):
        noise = torch.randn(16, 1)
        layer(noise - noise.mean() + mean)
assert abs(layer.running_mean.item() / answer - 1) < 1e-4

# %% choice [markdown] id="no-reason-for-layer-norm" points=1 objective="normalization" items="132"
r"""
Language models that read from left to right use layer norm (or RMS norm), not batch norm. Which of
these is **not** a valid reason?

- [x] At inference, batch norm cannot process a batch of one sequence.
  > Right, this is no reason: in evaluation it uses running statistics and takes a single row. Only in training does one value a channel raise an error.
- [ ] Statistics over a batch depend on sequence lengths and padding.
  > That is a valid reason: they would differ between training and use.
- [ ] Micro-batches in training are small, so their statistics are noisy.
  > That is a valid reason: a large model trains on few sequences a device.
- [ ] Layer norm computes the same in training and at inference.
  > That is a valid reason: there are no running statistics that could be off.
- [ ] With batch norm, the sequences of a batch influence each other.
  > That is a valid reason, and for a model that must not look ahead it is a leak, too.
"""

# %% evidence
single = torch.randn(1, 4)
assert nn.BatchNorm1d(4).eval()(single).shape == (1, 4)
try:
    nn.BatchNorm1d(4).train()(single)
    raise AssertionError("a batch of one was normalized in training")
except ValueError:
    pass
assert torch.equal(nn.LayerNorm(4).train()(single), nn.LayerNorm(4).eval()(single))

# %% numeric [markdown] id="how-many-statistics" points=1 objective="normalization" level="apply" items="132"
r"""
A batch has shape $({{n}}, {{c}}, {{length}})$: sequences, channels, positions. A transformer's layer norm
normalizes the channels at each position. How many means does it compute?
"""

# %% key
n, c, length = draw([4, 6]), draw([7, 9]), draw([16, 10])
answer = n * length
slips = {
    "That is batch norm: one mean a channel.": c,
    "That is layer norm over a whole sequence. Here each position stands alone.": n,
    "That is instance norm: one mean a channel of each sequence.": n * c,
}

# %% evidence
# Move every entry a little: entries that share a mean move each other's outputs.
x = torch.randn(n, c, length, dtype=torch.float64)


def norm(values):
    return F.layer_norm(values.transpose(1, 2), (c,)).transpose(1, 2)


bumped = x.clone()
bumped[0, 0, 0] += 1
touched = ((norm(bumped) - norm(x)).abs() > 1e-9).sum().item()
assert touched == c and x.numel() / touched == answer

# %% numeric [markdown] id="inverted-survivor" points=1 objective="regularization" level="apply" items="133"
r"""
`nn.Dropout({{p}})` is in training mode. What does an activation of {{a}} become if it is kept?
"""

# %% key
p, a = draw([0.2, 0.3, 0.6]), draw([2.5, 1.5, 4.0])
answer = a / (1 - p)
slips = {
    "That is classic dropout, which scales when it is used, not in training.": a,
    "PyTorch's p is the share that is dropped, not the share that is kept.": a / p,
    "It is divided by the share that is kept: the sum has to make up for what is dropped.": a
    * (1 - p),
}

# %% evidence
out = nn.Dropout(p)(torch.full((1000,), a))
assert abs(out[out > 0].mean().item() / answer - 1) < 1e-5
assert abs(out.mean().item() / a - 1) < 0.3

# %% choice [markdown] id="two-dropouts" points=1 objective="regularization" items="133"
r"""
*Classic* dropout scales when the network is used, *inverted* dropout in training. The drop rate is
0.2. What becomes of an activation of 2.5: kept in training (inverted, classic), and at use
(inverted, classic)?

- [x] 3.125 and 2.5; 2.5 and 2.0
  > Yes: the two differ by the same factor everywhere, so both agree on average with themselves.
- [ ] 2.0 and 2.5; 2.5 and 2.5
  > What is kept has to make up for what is dropped, so inverted dropout makes it larger.
- [ ] 3.125 and 2.5; 3.125 and 2.0
  > The scaling of inverted dropout belongs to training. At use it does nothing.
- [ ] 12.5 and 2.5; 2.5 and 0.5
  > That takes 0.2 for the share that is kept.
- [ ] 2.5 and 2.5; 2.5 and 2.5
  > Then the next layer would get a fifth less in training than at use.
"""

# %% evidence
kept = nn.Dropout(0.2)(torch.full((200,), 2.5))
assert abs(kept.max().item() - 3.125) < 1e-6
assert nn.Dropout(0.2).eval()(torch.tensor([2.5])).item() == 2.5
mask = (torch.rand(200_000) >= 0.2).float()
assert abs((2.5 * mask).mean().item() - 2.0) < 0.02 and abs((2.5 * mask / 0.8).mean() - 2.5) < 0.02

# %% choice [markdown] id="correlated-features" points=1 objective="regularization" level="analyze" items="134"
r"""
Two features have a correlation of 0.98, and least squares gave them large weights of opposite sign.
What does an L2 penalty do?

- [x] It shrinks their difference most: that direction hardly changes the predictions, so it is cheap to give up.
  > Yes: along an eigenvector of small eigenvalue the data resist least, and the weight spreads over both.
- [ ] It sets the weight of one of the two to exactly 0.
  > That is what an L1 penalty may do. A square is flat at 0.
- [ ] It multiplies all weights by one and the same factor.
  > The factor is different for each eigen-direction: eigenvalue over eigenvalue + penalty.
- [ ] It shrinks what the two have in common most, since that direction is the strongest.
  > The data resist most there: it is the large eigenvalue.
- [ ] It removes the correlation between the two inputs.
  > The inputs are what they are. Only the weights change.
"""

# %% evidence
common = torch.randn(400, 1).double()
x = 0.99 * common + 0.14 * torch.randn(400, 2).double()
y = 4 * x[:, 0] - 2 * x[:, 1]


def ridge(alpha):
    gram = x.T @ x / 400 + alpha * torch.eye(2).double()
    return torch.linalg.solve(gram, x.T @ y / 400)


free, held = ridge(0.0), ridge(0.1)
both, apart = torch.tensor([1.0, 1.0]).double(), torch.tensor([1.0, -1.0]).double()
assert (held @ apart).abs() < 0.35 * (free @ apart).abs()
assert 0.85 < (held @ both) / (free @ both) < 1 and held.abs().min() > 1e-3

# %% numeric [markdown] id="kept-by-ridge" points=1 objective="regularization" level="apply" items="134"
r"""
Ridge regression minimizes $\tfrac{1}{2n}\lVert Xw - y \rVert^2 + \tfrac{\alpha}{2} \lVert w \rVert^2$.
Along an eigenvector of $X^\top X / n$ with eigenvalue {{eigen}}, which share of the least-squares
solution is left with $\alpha = {{alpha}}$?
"""

# %% key
eigen, alpha = draw([(4.92, 0.3), (0.02, 0.1), (0.5, 0.1), (1.3, 0.3)])
answer = eigen / (eigen + alpha)
slips = {
    "That is what is taken away.": alpha / (eigen + alpha),
    "The penalty is added to the eigenvalue; it is not a factor of the weight.": 1 - alpha,
    "With both halves in place, alpha counts once.": eigen / (eigen + 2 * alpha),
}

# %% evidence
q, _ = torch.linalg.qr(torch.randn(3, 3).double())
gram = q @ torch.diag(torch.tensor([eigen, 2.0, 7.0], dtype=torch.float64)) @ q.T
towards = torch.randn(3).double()
hessian = torch.autograd.functional.hessian(
    lambda v: 0.5 * v @ gram @ v + alpha / 2 * v @ v, torch.zeros(3).double()
)
held, free = torch.linalg.solve(hessian, towards), torch.linalg.solve(gram, towards)
assert abs((held @ q[:, 0]) / (free @ q[:, 0]) / answer - 1) < 1e-6

# %% choice [markdown] id="adam-and-l2" points=1 objective="optimization" level="analyze" items="135"
r"""
Adam with an L2 penalty, $\lambda = 0.01$, acts on a weight of 1 whose gradient is pure noise with
standard deviation $10^{-4}$. About how far is the weight pulled towards 0 in one step, in learning
rates? (AdamW pulls by 0.01.)

- [x] By 1.0.
  > Yes: the penalty's gradient, 0.01, is all that Adam sees there, and Adam makes a step of one rate of any steady gradient. Small gradients are decayed most.
- [ ] By 0.01, as AdamW.
  > The penalty goes through Adam's division, too. What is the size of the whole gradient here?
- [ ] By 1e-4.
  > That is the noise. What is it divided by?
- [ ] Not at all: with gradients that small nothing moves.
  > Adam divides by the size of the gradient, so small ones move weights as far as large ones do.
- [ ] By 100.
  > Adam's steps on a steady gradient have a length of about one rate, however large it is.
"""

# %% evidence
for decoupled, wanted in ((False, 1.0), (True, 0.01)):
    w = torch.ones(400, dtype=torch.float64, requires_grad=True)
    kind = torch.optim.AdamW if decoupled else torch.optim.Adam
    optimizer = kind([w], lr=1e-4, weight_decay=0.01)
    for _ in range(30):
        w.grad = 1e-4 * torch.randn(400, dtype=torch.float64)
        optimizer.step()
    pulled = (1 - w.mean().item()) / 1e-4 / 30
    # AdamW's steps on the noise have mean 0, over 400 weights to within some hundredths.
    assert abs(pulled - wanted) < 0.1

# %% numeric [markdown] id="one-adamw-step" points=1 rtol=0.002 objective="optimization" level="apply" items="135"
r"""
The first step of `AdamW(lr={{lr}}, weight_decay={{decay}})`, other settings as they are, on a weight
of {{w}} whose gradient is {{g}}: what is the weight afterwards?
"""

# %% key
lr, decay, w, g = draw([0.2, 0.4]), draw([0.5, 0.75]), draw([2, 3]), draw([3, 7])
answer = w * (1 - lr * decay) - lr
slips = {
    "That is without the decay.": w - lr,
    "The decay is taken of the weight before the step, not after it.": (w - lr) * (1 - lr * decay),
    "That is plain SGD with decay. How long is Adam's first step?": w * (1 - lr * decay) - lr * g,
    "That would put the decay into the gradient, where Adam divides it away.": w - lr * (1 + decay),
}

# %% evidence
weight = torch.tensor([float(w)], dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.AdamW([weight], lr=lr, weight_decay=decay)
weight.grad = torch.tensor([float(g)], dtype=torch.float64)
optimizer.step()
assert abs(weight.item() - answer) < 1e-6

# %% text [markdown] id="explain-one" points=3 level="evaluate" objective="normalization"
r"""
Choose one of the ten topics above in which you had believed one of the wrong options, or met it in a
text. In four to six sentences: quote the sentence, say what is wrong with it, and name the smallest
experiment or calculation that shows it.

- [1] The sentence is quoted or given fairly, and is one of the topics of this quiz.
- [1] What is wrong is named as a fact (which quantity, which assumption, which mode), not as an opinion.
- [1] The experiment or calculation could come out either way, and its outcome would decide the matter.
"""

# %% evidence
# The rubric states no fact; that such experiments exist is what the checks above run.
assert all(map(callable, (mlp, trained, kinds_of_rows)))
