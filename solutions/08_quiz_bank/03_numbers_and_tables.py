# %% quiz [markdown] items="57 63 68 74 81 91 93 94" stars=1 minutes=50 level="apply" goal="work with the formulas and tables of the course without looking them up"
r"""
# Numbers and tables
What you should be able to work out on the back of an envelope: standard deviations, dropout,
parameters of a layer, and which technique does what.

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


def mates_of(layer, shape):
    """Which axes of an input's first entry share a mean with it: a letter for each such axis."""
    x = torch.randn(shape, dtype=torch.float64)
    layer = layer.double().train()
    with torch.no_grad():
        before, bumped = layer(x), x.clone()
        bumped[(0,) * len(shape)] += 1
        moved = (layer(bumped) - before).abs() > 1e-9
    return {axis for axis in range(len(shape)) if moved.any(axis).sum() < moved.sum()}


# %% numeric [markdown] id="xavier-std" points=1 objective="initialization" items="93"
r"""
Xavier's normal initialization of a layer with {{n_in}} inputs and {{n_out}} outputs: what is the
standard deviation of a weight?
"""

# %% key
n_in, n_out = draw([(512, 256), (400, 200), (784, 392), (256, 128)])
answer = math.sqrt(2 / (n_in + n_out))
slips = {
    "That uses the inputs alone, which keeps the forward pass only.": math.sqrt(1 / n_in),
    "That is He's, for inputs out of a ReLU.": math.sqrt(2 / n_in),
    "That is the variance. Its root was asked for.": 2 / (n_in + n_out),
    "That is the bound of the uniform version. Its standard deviation is smaller.": math.sqrt(
        6 / (n_in + n_out)
    ),
    "That takes the mean of 1/n_in and 1/n_out. Average the fans.": math.sqrt(
        (1 / n_in + 1 / n_out) / 2
    ),
}

# %% evidence
drawn = torch.cat([nn.init.xavier_normal_(torch.empty(n_out, n_in)).flatten() for _ in range(4)])
assert abs(drawn.std().item() / answer - 1) < 0.03

# %% choice [markdown] id="true-of-l1" points=1 objective="regularization" level="understand" items="93"
r"""
Which sentence about an L1 penalty is true?

- [x] Its minimizer is typically sparse: some weights are exactly 0.
  > Yes: at 0 the penalty has a kink, and a gradient smaller than its slope cannot move the weight away.
- [ ] Plain (sub)gradient descent on it brings weights to exactly 0.
  > Such steps jump from one side of 0 to the other. It takes the soft threshold to land on it.
- [ ] It shrinks all weights by the same proportion.
  > That is an L2 penalty. Here each weight loses the same amount.
- [ ] Its gradient is lambda times the weight.
  > That is an L2 penalty. The slope of |w| does not depend on the size of w.
- [ ] It is another name for weight decay.
  > Decay multiplies. What is subtracted here?
"""

# %% evidence
grid = torch.linspace(-2, 2, 400_001, dtype=torch.float64)
for pull in (0.5, 1.5):
    lowest = grid[(0.5 * grid.square() - pull * grid + grid.abs()).argmin()].item()
    assert abs(lowest - max(pull - 1, 0)) < 1e-5
w = torch.tensor([0.7], dtype=torch.float64)
for _ in range(200):
    w = w - 0.03 * (w - 0.5 + w.sign())
assert w.item() != 0 and abs(w.item()) < 0.06

# %% numeric [markdown] id="soft-threshold" points=1 rtol=0.003 objective="regularization" items="93"
r"""
A proximal step with threshold {{t}} acts on a weight of {{w}}. What comes out?
"""

# %% key
t, w = draw([0.1, 0.2]), draw([0.3, -0.7, 0.5, -0.9])
answer = math.copysign(abs(w) - t, w)
slips = {
    "That shrinks by a share. The soft threshold subtracts the same amount of every weight.": w
    * (1 - t),
    "That is hard thresholding: it keeps what is large as it is.": w,
    "It goes towards 0, on whichever side the weight is.": math.copysign(abs(w) + t, w),
}

# %% evidence
grid = torch.linspace(-2, 2, 400_001, dtype=torch.float64)
assert abs(grid[(0.5 * (grid - w).square() + t * grid.abs()).argmin()].item() - answer) < 2e-5

# %% numeric [markdown] id="kept-activation" points=1 objective="regularization" items="93"
r"""
A text gives the probability to **keep** a unit as {{keep}}, and scales in training. An activation of
{{a}} is kept. What does it become?
"""

# %% key
keep, a = draw([0.8, 0.6, 0.9]), draw([2.5, 1.2, 4.0])
answer = a / keep
slips = {
    "What is kept makes up for what is dropped, so it gets larger.": a * keep,
    "That is its value without scaling.": a,
    "Here the number is the probability to keep, not to drop.": a / (1 - keep),
}

# %% evidence
out = nn.Dropout(1 - keep)(torch.full((500,), a))
assert abs(out.max().item() / answer - 1) < 1e-5

# %% numeric [markdown] id="variance-of-dropout" points=1 objective="regularization" level="analyze" items="93"
r"""
`nn.Dropout({{p}})` in training acts on one fixed activation of {{a}}. What is the variance of what
comes out, over the random masks?
"""

# %% key
p, a = draw([0.2, 0.3, 0.6]), draw([2.0, 3.0, 5.0])
answer = a**2 * p / (1 - p)
slips = {
    "That is without the scaling of what is kept.": a**2 * p * (1 - p),
    "Keep and drop have changed places.": a**2 * (1 - p) / p + 1e-3 * (p == 0.5),
    "The variance goes with the square of the activation.": a * p / (1 - p),
}

# %% evidence
out = nn.Dropout(p)(torch.full((400_000,), a))
assert abs(out.var().item() / answer - 1) < 0.03

# %% numeric [markdown] id="parameters-of-batch-norm" points=1 objective="normalization" level="remember" items="93"
r"""
How many learnable parameters does `BatchNorm1d({{features}})` add to a network?
"""

# %% key
features = draw([64, 48, 200])
answer = 2 * features
slips = {
    "There are two for each feature: a scale and a shift.": features,
    "The running mean and variance are buffers. No gradient reaches them.": 4 * features,
    "One running statistic is counted, too. Both are buffers.": 3 * features,
}

# %% evidence
layer = nn.BatchNorm1d(features)
assert sum(p.numel() for p in layer.parameters()) == answer
assert sum(b.numel() for b in layer.buffers()) == 2 * features + 1

# %% numeric [markdown] id="leaky-second-moment" points=1 objective="initialization" items="93"
r"""
$z$ is symmetric around 0. By which factor does a leaky ReLU with slope {{slope}} multiply the mean
square, $\mathbb{E}[a^2] / \mathbb{E}[z^2]$?
"""

# %% key
slope = draw([0.2, 0.3, 0.5])
answer = (1 + slope**2) / 2
slips = {
    "That is ReLU. Here the left half is not lost altogether.": 0.5,
    "The slope enters as its square: it is the mean square that is asked for.": (1 + slope) / 2,
    "Each half of the values counts for a half.": 1 + slope**2,
}

# %% evidence
z = torch.randn(500_000)
assert abs((F.leaky_relu(z, slope).square().mean() / z.square().mean()).item() / answer - 1) < 0.02

# %% choice [markdown] id="norm-of-transformers" points=1 objective="normalization" level="remember" items="93"
r"""
Which layer do transformers for language normalize with?

- [x] Layer norm, or RMS norm, its version without centring
  > Yes: each position by itself, the same in training and in use.
- [ ] Batch norm
  > Its statistics would depend on the other sequences, their lengths and their padding.
- [ ] Instance norm
  > It averages over the positions of a sequence: a model that must not look ahead would.
- [ ] Group norm with one channel a group
  > With one value a group there is nothing left but the bias.
- [ ] Weight norm
  > It rescales weights. Nothing would hold the activations.
"""

# %% evidence
row = torch.full((1, 4), 3.0)
assert nn.LayerNorm(4)(row).abs().max() < 1e-3
assert (nn.RMSNorm(4)(row) - 1).abs().max() < 1e-5
assert nn.GroupNorm(4, 4)(torch.randn(2, 4)).abs().max() < 1e-3
sequence = torch.randn(1, 3, 5)
later = sequence.clone()
later[..., -1] += 1
moved = nn.InstanceNorm1d(3)(later)[..., 0] - nn.InstanceNorm1d(3)(sequence)[..., 0]
assert moved.abs().max() > 1e-3

# %% numeric [markdown] id="hundred-layers" points=1 objective="initialization" items="57"
r"""
"Your network has a hundred layers and a million weights, and it does not learn." The first thing to
ask is what happens to the size of a signal. Weights have a standard deviation of {{sd}}, layers are
linear and {{n}} units wide. What is the logarithm (to base 10) of the factor by which {{layers}} of
them multiply the *variance*?
"""

# %% key
n, sd, layers = draw([(100, 0.09, 100), (400, 0.06, 100), (256, 0.05, 50), (100, 0.12, 50)])
answer = layers * math.log10(n * sd**2)
slips = {
    "That is the logarithm for the standard deviation: half of it.": layers
    * math.log10(n * sd**2)
    / 2,
    "The sum over n inputs is as large as n times the variance of a weight: the square of sd.": layers
    * math.log10(n * sd),
    "That is one layer. Factors multiply, so their logarithms add up.": math.log10(n * sd**2),
}

# %% evidence
# The product of the gains of single, very wide draws: enough weights to pin down one layer's factor.
gain = n * (sd * torch.randn(2_000_000, dtype=torch.float64)).var().item()
assert abs(layers * math.log10(gain) - answer) < 0.2

# %% choice [markdown] id="why-depth-fails" points=1 objective="initialization" level="understand" items="57"
r"""
A deep network may have weights enough and yet not learn. Which of these are real reasons, seen in such
networks?

- [x] Signals or gradients grow or vanish from layer to layer.
  > Yes: a factor of 0.8 a layer is 2e-10 after a hundred.
- [x] Behind many layers, different inputs look nearly the same.
  > Yes: with ReLU, correlations creep towards 1, even where the sizes stay right.
- [x] It fits the training set and not the rest.
  > Yes: that is another way to fail, which shows in another curve.
- [ ] A million weights are too few for a hundred layers.
  > What a layer can do does not depend on how many there are. Deep narrow networks do train.
- [ ] Its loss is not convex, and on such a loss gradient descent gets nowhere.
  > No network's loss is convex, and most do learn.
"""

# %% evidence
assert 0.8**100 < 3e-10
x = torch.randn(2, 256)
before = F.cosine_similarity(x[0], x[1], dim=0)
for _ in range(60):
    x = (x @ torch.randn(256, 256) * math.sqrt(2 / 256)).relu()
assert before < 0.4 and F.cosine_similarity(x[0], x[1], dim=0) > 0.9

# %% choice [markdown] id="table-of-initializations" points=2 objective="initialization" level="remember" items="63"
r"""
Match each initialization with its variance and with what it is made for: **1** Xavier, **2** He,
**3** LeCun, **4** LSUV.

- [x] 1: 2/(n_in + n_out), tanh. 2: 2/n_in, ReLU. 3: 1/n_in, linear or SELU. 4: measured, any layer.
  > Yes: three formulas and one measurement.
- [ ] 1: 2/n_in, ReLU. 2: 2/(n_in + n_out), tanh. 3: 1/n_in, linear or SELU. 4: measured, any layer.
  > The first two have changed places: who wrote about ReLU?
- [ ] 1: 1/n_in, tanh. 2: 2/n_in, ReLU. 3: 2/(n_in + n_out), SELU. 4: measured, any layer.
  > Whose rule looks at both directions?
- [ ] 1: 2/(n_in + n_out), sigmoid. 2: 2/n_in, tanh. 3: 1/n_in, ReLU. 4: 1/n_in, any layer.
  > Sigmoid layers have neither mean 0 nor slope 1, and LSUV does not use a formula.
"""

# %% evidence
draws = {
    "xavier": (nn.init.xavier_normal_, 2 / (300 + 100)),
    "he": (lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"), 2 / 300),
    "lecun": (lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"), 1 / 300),
}
for fill, wanted in draws.values():
    assert abs(fill(torch.empty(100, 300)).var().item() / wanted - 1) < 0.06

# %% numeric [markdown] id="keep-to-drop" points=1 objective="regularization" items="68"
r"""
Texts mean either the share that is kept or the share that is dropped. A guideline says: "keep {{keep}}
of the inputs, {{hidden}} of the hidden units". What do you write into `nn.Dropout(p)` behind the
*{{which}}*?
"""

# %% key
keep, hidden, which = draw(
    [(0.8, 0.5, "inputs"), (0.9, 0.7, "hidden units"), (0.9, 0.6, "hidden units")]
)
answer = 1 - (keep if which == "inputs" else hidden)
slips = {
    "PyTorch's p is the share that is dropped.": 1 - answer,
    "That is the other of the two layers.": 1 - (hidden if which == "inputs" else keep),
}

# %% evidence
dropped = (nn.Dropout(answer)(torch.ones(200_000)) == 0).float().mean().item()
assert abs(dropped - answer) < 0.01

# %% choice [markdown] id="six-guidelines" points=1 objective="regularization" level="understand" items="68"
r"""
Six guidelines from different sources, each about the same kind of layer: "p = 0.2 for the input layer
(drop)", "keep 0.8 of the input", "Dropout(0.2)", "p = 0.8 for context features (less dropout)",
"retain with probability 0.8", "rate 0.8". Which one asks for something else than the others?

- [x] "rate 0.8"
  > Yes: a rate, in PyTorch and Keras, is dropped. Four fifths of the units would go.
- [ ] "Dropout(0.2)"
  > PyTorch drops a fifth here, and keeps 0.8.
- [ ] "p = 0.8 for context features (less dropout)"
  > With the words behind it, p has to be the share that is kept.
- [ ] "p = 0.2 for the input layer (drop)"
  > A fifth is dropped: that is to keep 0.8.
"""

# %% evidence
for p, kept in ((0.2, 0.8), (0.8, 0.2)):
    assert abs((nn.Dropout(p)(torch.ones(200_000)) > 0).float().mean().item() - kept) < 0.01

# %% choice [markdown] id="axes-of-the-norms" points=2 objective="normalization" level="understand" items="74"
r"""
A batch of feature maps has the axes N (samples), C (channels), H, W. Over which axes does each layer
average: **1** `BatchNorm2d`, **2** `LayerNorm([C, H, W])`, **3** `InstanceNorm2d`, **4** `GroupNorm`
(with 1 < G < C)?

- [x] 1: N, H, W. 2: C, H, W. 3: H, W. 4: H, W and some of C.
  > Yes: only the first one mixes samples.
- [ ] 1: C, H, W. 2: N, H, W. 3: H, W. 4: H, W and some of C.
  > The first two have changed places: which of them needs a batch?
- [ ] 1: N. 2: C. 3: H, W. 4: some of C.
  > All positions of a channel share one mean in the first; what would H and W be for in the others?
- [ ] 1: N, H, W. 2: C, H, W. 3: N, H, W. 4: H, W and some of N.
  > Instance norm and group norm give a sample the same whatever its mates are.
"""

# %% evidence
shape = (4, 6, 3, 5)
assert mates_of(nn.BatchNorm2d(6), shape) == {0, 2, 3}
assert mates_of(nn.LayerNorm([6, 3, 5]), shape) == {1, 2, 3}
assert mates_of(nn.InstanceNorm2d(6), shape) == {2, 3}
assert mates_of(nn.GroupNorm(2, 6), shape) == {1, 2, 3}
x = torch.randn(shape)
bumped = x.clone()
bumped[0, 5] += torch.randn(3, 5)
assert torch.equal(nn.GroupNorm(2, 6)(x)[0, 0], nn.GroupNorm(2, 6)(bumped)[0, 0])

# %% choice [markdown] id="properties-of-the-norms" points=1 objective="normalization" level="understand" items="74"
r"""
Which of these hold for batch norm, and for none of layer norm, group norm and instance norm (without
`track_running_stats`)?

- [x] It computes something else in training than in evaluation.
  > Yes: batch statistics there, running ones here.
- [x] A sample's output depends on the other samples, in training.
  > Yes: that is the noise that regularizes, and the leak that hurts.
- [x] It keeps statistics in buffers that belong into a checkpoint.
  > Yes: a checkpoint of the parameters alone would lose them.
- [ ] It learns a scale and a shift.
  > Layer norm and group norm do, too.
- [ ] It divides by the root of a variance plus a small number.
  > All four do. RMS norm has a mean square there.
"""

# %% evidence
x, mates = torch.randn(1, 6, 4), torch.randn(3, 6, 4)
layers = {
    "batch": nn.BatchNorm1d(6),
    "layer": nn.LayerNorm([6, 4]),
    "group": nn.GroupNorm(2, 6),
    "instance": nn.InstanceNorm1d(6),
}
for name, layer in layers.items():
    both = torch.cat([x, mates])
    differs = not torch.allclose(layer.train()(both), layer.eval()(both), atol=1e-4)
    alone = not torch.allclose(
        layer.train()(both)[:1], layer.train()(torch.cat([x, 2 * mates]))[:1]
    )
    assert differs == alone == bool(list(layer.buffers())) == (name == "batch")

# %% choice [markdown] id="what-costs-what" points=1 objective="regularization" level="understand" items="81"
r"""
A table says of each technique whether it lowers variance, whether it lowers bias, and what it costs.
Which of these rows are right?

- [x] More data: lowers variance, leaves the bias of the model class; costs collecting.
  > Yes: a straight line stays a straight line with a million points.
- [x] Early stopping: lowers variance, may raise bias; saves time.
  > Yes: it is the one that costs less than nothing.
- [x] L2 penalty: lowers variance, raises bias; costs next to nothing a step.
  > Yes: the minimizer is pulled away from the data's own.
- [ ] More data: lowers bias, since the model sees more cases.
  > Bias is what is left with endless data.
- [ ] Dropout: makes each step cheaper, since units are left out.
  > They are computed and multiplied by 0: a step costs a little more.
"""

# %% evidence
# A line fitted to a parabola: with more points it strays less, and is as wrong on average.
wrong, spread = {}, {}
for points in (10, 160):
    x = torch.rand(600, points, dtype=torch.float64)
    y = x.square() + 0.3 * torch.randn(600, points, dtype=torch.float64)
    slope = ((x - x.mean(1, True)) * (y - y.mean(1, True))).sum(1) / (
        x - x.mean(1, True)
    ).square().sum(1)
    at_end = y.mean(1) + slope * (1 - x.mean(1))
    wrong[points], spread[points] = (at_end.mean() - 1).abs(), at_end.var()
assert spread[160] < spread[10] / 8 and wrong[160] > 0.08

# %% choice [markdown] id="order-of-a-step" points=1 objective="integration" level="understand" items="91"
r"""
Put one training step in order: **a** `loss.backward()`, **b** `optimizer.step()`, **c**
`clip_grad_norm_`, **d** forward pass and loss, **e** `optimizer.zero_grad()`, **f** the step of a
one-cycle schedule.

- [x] e d a c b f
  > Yes: gradients are there before they are clipped, and clipped before they are used.
- [ ] e d c a b f
  > Clipping comes before there is anything to clip.
- [ ] d a c e b f
  > The gradients are erased right before the step that needs them.
- [ ] e d a b c f
  > Clipping comes after the step. What does it change?
- [ ] f e d c a b
  > Before the first step the schedule has set the first rate already: this skips it. And clipping comes too early.
"""


# %% evidence
def run(order):
    torch.manual_seed(0)
    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0, momentum=0.5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=20)
    x, loss, used = 50 * torch.randn(8, 3), None, []
    for _ in range(3):
        for letter in order:
            if letter == "e":
                optimizer.zero_grad()
            elif letter == "d":
                loss = net(x).square().mean()
            elif letter == "a":
                loss.backward()
            elif letter == "c":
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            elif letter == "b":
                grads = [p.grad for p in net.parameters()]
                used.append(
                    0.0
                    if grads[0] is None
                    else torch.cat([g.flatten() for g in grads]).norm().item()
                )
                optimizer.step()
            else:
                schedule.step()
    return used


assert all(abs(norm - 1) < 1e-3 for norm in run("edacbf"))
assert min(run("edcabf")) > 2 and max(run("dacebf")) == 0.0 and min(run("edabcf")) > 2

# %% numeric [markdown] id="card-adam-memory" points=1 objective="precision" items="94"
r"""
A flash card: how many *bytes* do the states of AdamW take for {{millions}} million parameters in fp32,
weights and gradients not counted?
"""

# %% key
millions = draw([110, 340, 25])
answer = 8e6 * millions
slips = {
    "There are two averages for each parameter.": 4e6 * millions,
    "That counts the weights, too.": 12e6 * millions,
    "That counts weights and gradients, too.": 16e6 * millions,
}

# %% evidence
layer = nn.Linear(100, 50)
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.ones(1, 100)).sum().backward()
optimizer.step()
held = sum(
    v.numel() * v.element_size()
    for state in optimizer.state.values()
    for v in state.values()
    if v.dim() > 0
)
assert held / sum(p.numel() for p in layer.parameters()) * millions * 1e6 == answer

# %% numeric [markdown] id="card-effective-rate" points=1 objective="optimization" items="94"
r"""
A flash card: SGD with momentum {{m}} and rate {{lr}}, PyTorch's form, gradients that hardly change. How
long are its steps in the end, for a gradient of 1?
"""

# %% key
m, lr = draw([0.9, 0.8, 0.95]), draw([0.1, 0.02])
answer = lr / (1 - m)
slips = {
    "That is the first step. The velocity goes on growing.": lr,
    "The velocity is a sum of gradients, each weaker than the next by the momentum.": lr * (1 + m),
    "One minus the momentum divides; it is what is missing each time.": lr * (1 - m),
}

# %% evidence
w = torch.zeros(1, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=lr, momentum=m)
w.grad = torch.ones_like(w)
for _ in range(400):
    before = w.item()
    optimizer.step()
assert abs((before - w.item()) / answer - 1) < 1e-6

# %% numeric [markdown] id="card-smoothed-floor" points=1 objective="regularization" items="94"
r"""
A flash card: cross-entropy with label smoothing {{alpha}} over {{classes}} classes, PyTorch's form.
What is the lowest value that the loss can have?
"""

# %% key
alpha, classes = draw([0.1, 0.2]), draw([10, 5, 4])
top, rest = 1 - alpha + alpha / classes, alpha / classes
answer = -top * math.log(top) - (classes - 1) * rest * math.log(rest)
slips = {
    "That is without smoothing: then a sure and right answer costs nothing.": 1e-9,
    "The other classes have their share of the entropy, too.": -top * math.log(top),
    "PyTorch spreads alpha over all classes, the right one among them.": (
        -(1 - alpha) * math.log(1 - alpha) - alpha * math.log(alpha / (classes - 1))
    ),
}

# %% evidence
best = torch.full((1, classes), math.log(rest), dtype=torch.float64)
best[0, 0] = math.log(top)
loss = F.cross_entropy(best, torch.tensor([0]), label_smoothing=alpha).item()
moved = F.cross_entropy(
    best + 0.1 * torch.randn(50, classes), torch.zeros(50).long(), label_smoothing=alpha
)
assert abs(loss / answer - 1) < 1e-9 and moved.item() > loss
