# %% quiz [markdown] items="71 92 155" stars=2 minutes=50 level="evaluate" goal="tell true sentences about training from false ones, and say what would decide"
r"""
# Myths and takeaways
Each of these sentences stands in some text. Say whether it is true, false, or true only under a
condition, and for which reason. In the second half every summary has one sentence that is wrong or
claims too much: find it.

Answer a choice with its letter in quotes, and where several options are right, with all of their
letters.
"""

# %% setup

import torch
from torch import nn
from torch.nn import functional as F


def fit(x, y, decay=0.0, steps=300, rate=0.1):
    """Gradient descent on least squares with an L2 penalty."""
    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        w = w - rate * (x.T @ (x @ w - y) / len(x) + decay * w)
    return w


# %% choice [markdown] id="myth-zero-is-slow" points=1 objective="initialization" items="92"
r"""
"Starting all weights and biases of a ReLU network at zero is only slow: it learns in the end."

- [x] False: no weight ever moves; only the bias of the output learns.
  > Yes: with no signal in either direction, the gradient of every weight is exactly 0.
- [ ] True: noise in the data breaks the symmetry in the end.
  > Different data reach the units, but all of them multiply by 0.
- [ ] False: all units of a layer learn one and the same thing.
  > That is what becomes of equal weights other than 0. What passes through zeros?
- [ ] It depends on the optimizer: Adam, which divides by the gradient's size, gets away from zero.
  > 0 over 0 plus eps is 0. Adam does not move either.
"""

# %% evidence
for kind in (torch.optim.SGD, torch.optim.Adam):
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3))
    for p in net.parameters():
        nn.init.zeros_(p)
    optimizer = kind(net.parameters(), lr=0.05)
    for _ in range(15):
        optimizer.zero_grad()
        F.cross_entropy(net(torch.randn(30, 4)), (torch.rand(30) < 0.7).long()).backward()
        optimizer.step()
    sizes = [p.abs().max().item() for p in net.parameters()]
    assert max(sizes[:-1]) == 0.0 < sizes[-1]

# %% choice [markdown] id="myth-input-scale" points=1 objective="normalization" items="92"
r"""
"With batch norm a network does not care about the scale of its inputs."

- [x] It depends: true for one common factor, in training, with batch norm right behind the first layer.
  > Yes: the factor cancels in the statistics. Not in evaluation, not feature by feature, and not below eps.
- [ ] True: batch norm removes every scale.
  > Multiply one feature by 100, and look at the outputs again.
- [ ] False: batch norm sees hidden values and never the inputs, whose scale has passed through a layer by then.
  > The hidden values are the inputs times a matrix: what becomes of a common factor?
- [ ] False: the outputs grow with the inputs, only more slowly.
  > In training, compare the outputs for x and for 100 x.
"""

# %% evidence
net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).double()
nn.init.zeros_(net[0].bias)
x = torch.randn(40, 6).double()
same = net(x)
assert (net(100 * x) - same).abs().max() < 1e-3
assert (net(x * torch.tensor([100.0, 1, 1, 1, 1, 1]).double()) - same).abs().max() > 0.1
assert (net(1e-3 * x) - same).abs().max() > 0.1
net.eval()
assert (net(100 * x) - net(x)).abs().max() > 1

# %% choice [markdown] id="myth-dropout-is-faster" points=1 objective="regularization" items="92"
r"""
"With dropout each training step is faster, because part of the units are not computed."

- [x] False: every unit is computed and part of them multiplied by 0; drawing the mask comes on top.
  > Yes: a step costs slightly more, and as a rule more steps are needed.
- [ ] True: half of the products are saved at a rate of 0.5.
  > The matrix product has the same shape with and without dropout.
- [ ] It depends on the rate: from 0.9 on, most of the work is left out, and a step takes a fraction of the time.
  > Nothing is left out at any rate, unless special code skips whole rows.
- [ ] False: it is slower because gradients have to be computed twice.
  > The backward pass is run once, through the same mask.
"""

# %% evidence
calls = []
linear = nn.Linear(50, 30)
linear.register_forward_hook(
    lambda module, inputs, output: calls.append((inputs[0] == 0).sum().item())
)
out = nn.Sequential(nn.Dropout(0.9), linear)(torch.ones(20, 50))
# The zeros take part in the product: the input of the layer has its full shape.
assert calls[0] > 700 and out.shape == (20, 30)

# %% choice [markdown] id="myth-no-initialization" points=1 objective="initialization" items="92"
r"""
"With batch norm, initialization no longer matters."

- [x] It depends: the scale of the weights then changes no output, only how far a step turns them; equal units stay equal.
  > Yes: the scale acts as a learning rate, and symmetry is not broken by normalizing.
- [ ] True: batch norm removes whatever the initial weights were.
  > It removes their scale. Start with all weights equal: what do the units become?
- [ ] False: without He's variance signals explode in spite of batch norm, since every layer multiplies what comes out of the one before.
  > Each batch norm sets the variance anew, whatever came in.
- [ ] False: batch norm learns its scale only after the weights are right.
  > Scale and shift learn from the first step on.
"""

# %% evidence
x, target = torch.randn(64, 5).double(), torch.randn(64, 4).double()
w = torch.randn(4, 5).double()


def outputs(weight):
    return F.batch_norm(x @ weight.T, None, None, training=True, eps=1e-12)


turned = []
for scale in (1.0, 10.0):
    weight = (scale * w).requires_grad_()
    F.mse_loss(outputs(weight), target).backward()
    step = weight - 0.5 * weight.grad
    turned.append(1 - F.cosine_similarity(step.flatten(), weight.flatten(), dim=0).item())
assert (outputs(10 * w) - outputs(w)).abs().max() < 1e-6
assert turned[0] > 50 * turned[1] > 0
equal = outputs(torch.full((4, 5), 0.3).double())
assert (equal - equal[:, :1]).abs().max() < 1e-9

# %% choice [markdown] id="myth-more-is-better" points=1 objective="regularization" items="92"
r"""
"More regularization makes a model generalize better."

- [x] False: past some strength the error on new data rises again, and the training error with it.
  > Yes: the model then underfits. Where the training loss is high already, any more only hurts.
- [ ] True: the gap between training and validation shrinks, and that gap is what generalization means.
  > Both losses may be equal and high. It is the validation loss that counts.
- [ ] It depends on the optimizer: with AdamW it is true.
  > A decay that is strong enough holds every weight near 0, with any optimizer.
- [ ] True, as long as the training loss goes on falling.
  > It falls for very strong regularization too, down to a poor floor.
"""

# %% evidence
truth = torch.randn(40).double() / 2
x, new = torch.randn(48, 40).double(), torch.randn(2000, 40).double()
y = x @ truth + 2 * torch.randn(48).double()
errors = [
    (
        (new @ (fit(x, y, decay) - truth)).square().mean().item(),
        (x @ fit(x, y, decay) - y).square().mean().item(),
    )
    for decay in (0.0, 0.3, 4.0)
]
assert errors[1][0] < errors[0][0] and errors[0][1] < errors[1][1] < errors[2][1]
strong = fit(x, y, 9.0)
assert (new @ (strong - truth)).square().mean() > errors[1][0]

# %% choice [markdown] id="myth-dropout-in-use" points=1 objective="regularization" items="92"
r"""
"Dropout that is left on at test time is always a mistake."

- [x] False: Monte-Carlo dropout does it on purpose and averages many passes, to see how much they differ.
  > Yes: with a single pass, by oversight, it is a mistake. The spread of many says where the model is unsure.
- [ ] True: the expected output is off by the factor of the kept share, so that all predictions come out too small.
  > With inverted dropout the expectation of the layer is right with dropout on as well as off.
- [ ] True: a prediction must not be random.
  > An average over many passes hardly is. What else do the passes tell?
- [ ] False: it makes predictions more accurate than without, on the whole.
  > A single noisy pass is as a rule worse. The gain is in the spread.
"""

# %% evidence
net = nn.Sequential(nn.Linear(3, 400), nn.ReLU(), nn.Dropout(0.3), nn.Linear(400, 1))
x = torch.randn(1, 3).expand(3000, 3)
passes = net.train()(x).detach()
assert passes.std() > 1e-3
assert abs(passes.mean() - net.eval()(x)[0, 0].detach()) < 5 * passes.std() / 3000**0.5

# %% choice [markdown] id="myth-l1-is-l2" points=1 objective="regularization" items="92"
r"""
"L1 and L2 penalties do the same, with another formula."

- [x] False: the minimizer under L1 typically has exact zeros, under L2 it has none.
  > Yes: L1 takes the same amount from every weight, L2 the same share.
- [ ] True: both make weights smaller, which is what counts.
  > Both do. Count the zeros in the two minimizers.
- [ ] False: L1 shrinks large weights most, L2 small ones.
  > In amounts it is the other way round: L2 takes a share, L1 a fixed amount.
- [ ] It depends: with gradient descent L1 gives exact zeros, with Adam both do.
  > Gradient steps on |w| jump across 0, with any optimizer. It takes a proximal step.
"""

# %% evidence
pulls = torch.randn(200, dtype=torch.float64)
grid = torch.linspace(-3, 3, 6001, dtype=torch.float64)
fits = 0.5 * (grid - pulls[:, None]).square()
absolute, square = (grid[(fits + p).argmin(1)] for p in (0.5 * grid.abs(), 0.25 * grid.square()))
assert (absolute.abs() < 1e-9).sum() > 30 and (square[pulls.abs() > 0.01].abs() > 1e-9).all()

# %% choice [markdown] id="myth-batch-size" points=1 objective="normalization" items="92"
r"""
"The batch size has nothing to do with how strongly a network with batch norm is regularized."

- [x] False: the statistics of smaller batches are noisier, and that noise regularizes.
  > Yes: the standard deviation of a batch mean falls with the root of the batch size.
- [ ] True: batch norm divides the batch size out.
  > It divides by a standard deviation that is estimated from the batch.
- [ ] True: only dropout and weight decay regularize.
  > Noise in the activations does, too. Where does batch norm bring noise in?
- [ ] False: larger batches have noisier statistics, since there is more in them.
  > A mean of more numbers strays less.
"""

# %% evidence
means = {n: torch.randn(20_000, n).mean(1).std().item() for n in (8, 128)}
assert abs(means[8] / means[128] - 4) < 0.3
probe = torch.tensor([[1.0]])
spread = {}
for n in (8, 128):
    layer = nn.BatchNorm1d(1, affine=False)
    spread[n] = torch.stack(
        [layer(torch.cat([probe, torch.randn(n - 1, 1)]))[0] for _ in range(200)]
    ).std()
assert spread[8] > 2 * spread[128]

# %% choice [markdown] id="debate-about-shift" points=1 objective="normalization" items="71"
r"""
Batch norm was introduced to reduce *internal covariate shift*. Which of these statements fit what has
been measured since?

- [x] The loss along a gradient step is smoother with batch norm, which allows larger rates.
  > Yes: Santurkar et al. (2018), with a proof for a part of it.
- [x] With noise injected behind the layers, which makes the shift worse, training with batch norm stayed fast.
  > Yes: that is the experiment that separates the two explanations.
- [x] Measured by how gradients change when earlier layers are updated, the shift is not reduced; at times it is larger.
  > Yes: they measured that, not distributions alone.
- [ ] Batch norm has been shown to make the distributions of all layers constant.
  > Means and variances within a batch, yes. Shapes, and what scale and shift learn, do change.
- [ ] The question is settled: batch norm helps by its noise alone.
  > Full batches have no such noise, and batch norm helps there, too.
"""

# %% evidence
# What torch can show of it here: without any noise, from full batches, batch norm lets a rate work
# at which the plain net does not learn. What was measured elsewhere is cited, not run.
x = torch.randn(64, 10)
y = (x[:, 0] * x[:, 1] > 0).long()
ends = {}
for normalized in (False, True):
    torch.manual_seed(1)
    parts = [m for _ in range(3) for m in (nn.LazyLinear(32), nn.LazyBatchNorm1d(), nn.ReLU())]
    net = nn.Sequential(*(m for m in parts if normalized or not isinstance(m, nn.LazyBatchNorm1d)))
    net.append(nn.LazyLinear(2))
    net(x)
    optimizer = torch.optim.SGD(net.parameters(), 1.5)
    for _ in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    ends[normalized] = loss.item()
assert ends[True] < 0.2 and not ends[False] < 2 * ends[True]

# %% text [markdown] id="what-would-decide" points=2 objective="normalization" items="71"
r"""
In three to five sentences: two explanations of batch norm, "it reduces covariate shift" and "it smooths
the loss". Describe one experiment whose outcome speaks for one and against the other, and say which
outcome would mean what.

- [1] The experiment changes one of the two (the shift, or the smoothness) and leaves the other as it is, or measures both.
- [1] It is said for each outcome which explanation it speaks against; a faster training alone speaks for neither.
"""

# %% evidence
# The rubric states no fact about networks. Noise behind a normalized layer does shift its outputs:
layer = nn.BatchNorm1d(3, affine=False)
plain = layer(torch.randn(50, 3))
noisy = plain + torch.randn(1, 3) + 0.5
assert plain.mean(0).abs().max() < 1e-5 < noisy.mean(0).abs().max()

# %% choice [markdown] id="takeaway-initialization" points=1 objective="initialization" items="155"
r"""
Which sentence of this summary is wrong?

- [x] "He's variance makes up for ReLU, which halves the variance."
  > Yes: ReLU halves the mean square. The variance falls to 0.34 of itself, and with that in the formula signals would grow by 1.47 a layer.
- [ ] "Xavier's variance is a compromise between forward and backward pass."
  > True: exact in neither direction unless the fans are equal.
- [ ] "The variance has to be of the order of one over the fan."
  > True: a sum of n terms has n times the variance of one.
- [ ] "In a network of ten layers or more, a bad start may never be made good, whichever optimizer is used."
  > True as it stands: of a network with ten layers. Shallow ones do recover.
"""

# %% evidence
z = torch.randn(1_000_000)
assert abs(z.relu().square().mean() - 0.5) < 0.005 and abs(z.relu().var() - 0.341) < 0.005

# %% choice [markdown] id="takeaway-batch-norm" points=1 objective="normalization" items="155"
r"""
Which sentence of this summary is wrong?

- [x] "Batch norm removes internal covariate shift, and larger rates follow from that."
  > Yes: the shift is not removed, and was not needed to explain the rates.
- [ ] "Batch norm makes gradients say more about the loss a step away."
  > True: that is the smoothness which was measured.
- [ ] "Layer norm suits settings in which statistics of a batch are unreliable, such as small batches."
  > True, and so are sequences of different lengths.
- [ ] "In evaluation a batch of one is no problem for batch norm."
  > True: running statistics are used there.
"""

# %% evidence
assert nn.BatchNorm1d(3).eval()(torch.randn(1, 3)).shape == (1, 3)
first, second = nn.Linear(4, 4), nn.BatchNorm1d(4)
x = torch.randn(200, 4).exp()
before = second(first(x)).detach()
nn.init.normal_(first.weight)
after = second(first(x)).detach()
# The second layer's inputs still change when the first one does; only mean and variance do not.
assert (before - after).abs().mean() > 0.1

# %% choice [markdown] id="takeaway-dropout" points=1 objective="regularization" items="155"
r"""
Which sentence of this summary is wrong?

- [x] "Dropout is equivalent to averaging the predictions of all subnetworks."
  > Yes, that is the one: exact for a linear output, geometric for a softmax, and neither with a ReLU behind the mask.
- [ ] "Inverted dropout divides by the kept share in training, so that nothing remains to be done in use."
  > True, and the usual way.
- [ ] "A layer of n units has 2 to the n masks."
  > True. How much that explains is another question.
- [ ] "Rates between 0.1 and 0.5 are common, higher ones for wide layers."
  > True as a statement about practice.
"""

# %% evidence
from itertools import product

a, w = torch.randn(8).double(), torch.randn(8).double()
w = w - 0.9 * a * (a @ w) / (a @ a)
masks = torch.tensor(list(product([0.0, 2.0], repeat=8))).double()
assert abs((masks * a @ w).mean() - a @ w) < 1e-9
gap = ((masks * a @ w).relu().mean() - (a @ w).relu()).item()
assert gap > 1e-3

# %% choice [markdown] id="takeaway-weight-decay" points=1 objective="optimization" items="155"
r"""
Which sentence of this summary is wrong?

- [x] "With an L2 penalty in Adam, weights with small gradients are decayed too little."
  > Yes, that is the one: Adam divides the penalty by the size of the gradients too, so small gradients mean a strong decay.
- [ ] "In Adam, an L2 penalty and weight decay are two different things."
  > True: one goes through the division, the other does not.
- [ ] "AdamW takes the same share from every weight."
  > True: the rate times the decay.
- [ ] "In plain SGD the two are the same."
  > True, with one and the same gradient on both sides.
"""

# %% evidence
pulled = {}
for noise in (1e-4, 1.0):
    w = torch.ones(400, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=1e-4, weight_decay=0.01)
    for _ in range(30):
        w.grad = noise * torch.randn(400, dtype=torch.float64)
        optimizer.step()
    pulled[noise] = 1 - w.mean().item()
assert pulled[1e-4] > 5 * abs(pulled[1.0])

# %% choice [markdown] id="takeaway-one-cycle" points=1 objective="optimization" items="155"
r"""
Which sentence of this summary is wrong?

- [x] "One-cycle has one setting, the highest rate, so nothing else has to be chosen."
  > Yes, that is the one: length, share of the rise, both divisors and two momenta are settings. They have defaults.
- [ ] "The momentum goes down while the rate goes up."
  > True: in PyTorch's version, from 0.95 to 0.85 and back.
- [ ] "Its last rate is far below its first one."
  > True: by a factor of ten thousand with the defaults.
- [ ] "How many epochs it saves against a tuned schedule depends on the task; it is to be measured each time."
  > True. A fixed factor of 5 to 10 is a claim that needs its setting.
"""

# %% evidence
import inspect

settings = inspect.signature(torch.optim.lr_scheduler.OneCycleLR).parameters
assert {"total_steps", "pct_start", "div_factor", "final_div_factor", "base_momentum"} <= set(
    settings
)
assert settings["final_div_factor"].default == 1e4

# %% choice [markdown] id="takeaway-mixed-precision" points=1 objective="precision" items="155"
r"""
Which sentence of this summary is wrong?

- [x] "Mixed precision halves the memory that training takes."
  > Yes, that is the one: weights, gradients and averages stay in fp32, or a copy of them does. What shrinks is what is saved for the backward pass.
- [ ] "bf16 has the range of fp32, so it does without loss scaling."
  > True: it gives up digits, not range.
- [ ] "Long sums and softmax stay in fp32."
  > True: both lose in half precision.
- [ ] "How much faster it is depends on the device and the sizes of the products."
  > True. Small products gain nothing.
"""

# %% evidence
net = nn.Linear(64, 64)
saved = {}
for name, on in (("fp32", False), ("mixed", True)):
    sizes: list[int] = []

    def note(tensor, sizes=sizes):
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda t: t),
        torch.autocast("cpu", torch.bfloat16, enabled=on),
    ):
        loss = net(net(torch.randn(512, 64))).relu().float().sum()
    loss.backward()
    saved[name] = sum(sizes)
assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in net.parameters())
assert saved["mixed"] < 0.8 * saved["fp32"]

# %% choice [markdown] id="takeaway-debugging" points=1 objective="diagnosis" items="155"
r"""
Which sentence of this summary is wrong?

- [x] "A network that overfits a single batch has labels that are right."
  > Yes, that is the one: random labels are learned by heart as well. The test finds a network that cannot learn, not data that are wrong.
- [ ] "A network that cannot overfit one batch has a fault in the model, the loss or the step."
  > True, given time enough and no regularization that forbids it.
- [ ] "Gradient norms by layer show where a signal is lost."
  > True: that is the first thing to draw.
- [ ] "Regularization is added one at a time, after the network can fit."
  > True: otherwise nobody knows what helped.
"""

# %% evidence
torch.manual_seed(int(torch.randint(1000, ())))
x, labels = torch.randn(16, 20), torch.randint(5, (16,))
net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5))
optimizer = torch.optim.Adam(net.parameters(), 0.02)
for _ in range(60):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), labels)
    loss.backward()
    optimizer.step()
assert loss < 0.1 and (net(x).argmax(1) == labels).all()
