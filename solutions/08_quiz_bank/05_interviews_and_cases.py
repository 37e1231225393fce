# %% quiz [markdown] items="83 95 124 125" stars=2 minutes=50 level="evaluate" goal="answer interview questions at three depths, and tell which claims of a case study can be checked"
r"""
# Interviews, case studies, and a last look back
An interviewer asks the same question three times, deeper each time. A case study gives numbers. In both
it pays to know which sentences one can stand behind.

Answer a choice with its letter in quotes, and where several options are right, with all of their
letters. A number may be an expression, such as `2 / 3`; give at least three digits.
"""

# %% [markdown]
r"""
## To read on
What this course leans on, for whoever wants the source of a statement: Glorot and Bengio (2010) and He
et al. (2015) on initialization; Mishkin and Matas (2016) on LSUV; Ioffe and Szegedy (2015) and
Santurkar et al. (2018) on batch norm; Ba et al. (2016), Wu and He (2018) and Xiong et al. (2020) on the
other norms and where they stand; Srivastava et al. (2014) and Gal and Ghahramani (2016) on dropout;
Loshchilov and Hutter (2019) on decoupled decay; Santos (1996) on early stopping; Smith (2018) on
one-cycle; Micikevicius et al. (2018) on mixed precision; Nakkiran et al. (2020) on double descent.
"""

# %% setup
import math
from itertools import product

import torch
from torch import nn
from torch.nn import functional as F

from autograder.authoring.quiz import draw

# %% choice [markdown] id="dropout-to-a-child" points=1 objective="regularization" items="95"
r"""
"Explain dropout simply." Which of these simple sentences says nothing false?

- [x] "In training, random units are switched off, so no unit can count on a particular other one."
  > Yes: that is the mechanism. Whether it helps is for the validation set to say.
- [ ] "Random units are removed for good, so that the network ends up smaller, faster and more robust."
  > The mask is drawn anew at each step, and in use all units are there.
- [ ] "It doubles the capacity, as if twice as many units had been trained."
  > A network with dropout fits less than the same one without it.
- [ ] "It trains every possible subnetwork once and takes the best of them."
  > There are far more masks than steps, and none of them is chosen in the end.
"""

# %% evidence
layer = nn.Dropout(0.5)
masks = torch.stack([layer(torch.ones(20)) > 0 for _ in range(30)])
assert len(torch.unique(masks, dim=0)) > 25 and masks.any(0).all()
assert torch.equal(layer.eval()(torch.ones(20)), torch.ones(20))

# %% choice [markdown] id="dropout-to-an-expert" points=1 objective="regularization" level="analyze" items="95"
r"""
"And now for an expert: in which sense is dropout an ensemble?" Which statements hold?

- [x] For a linear output behind the mask, the mean over all masks is the network without dropout, exactly.
  > Yes: the mean of a linear function is the function of the mean.
- [x] For a softmax behind it, the network without dropout is the normalized geometric mean over all masks.
  > Yes: the mean of the logits is the logarithm of the geometric mean, up to a constant.
- [ ] For every network, the network without dropout is the mean over all masks.
  > Put a ReLU behind the mask, and compare for three units.
- [ ] The subnetworks are trained independently of each other, as in a bagged ensemble.
  > They share all their weights.
- [ ] There are more masks than steps, so each mask is trained many times.
  > The other way round: almost all masks are never drawn.
"""

# %% evidence
a, w = torch.randn(6).double(), torch.randn(6, 3).double()
masks = torch.tensor(list(product([0.0, 2.0], repeat=6))).double()
logits = masks * a @ w
assert (logits.mean(0) - a @ w).abs().max() < 1e-9
geometric = logits.log_softmax(1).mean(0).softmax(0)
assert (geometric - (a @ w).softmax(0)).abs().max() < 1e-9
assert (logits.softmax(1).mean(0) - (a @ w).softmax(0)).abs().max() > 1e-4
centred = w[:, 0] - 0.9 * a * (a @ w[:, 0]) / (a @ a)
assert (masks * a @ centred).relu().mean() - (a @ centred).relu() > 1e-3

# %% choice [markdown] id="norm-follow-up" points=1 objective="normalization" level="analyze" items="95"
r"""
"Why no batch norm in transformers?" A candidate gives four reasons. Which of them would you let stand?

- [x] "With padding and different lengths, statistics of the batch depend on what it was filled up with."
  > Yes, and on the lengths seen in training.
- [ ] "Generating one token at a time means a batch of one, for which batch norm cannot compute anything."
  > In evaluation it uses running statistics: one row is enough.
- [ ] "Model parallelism splits the batch over devices."
  > That is data parallelism. Model parallelism splits the layers.
- [ ] "Attention needs Gaussian inputs, and only layer norm makes them so."
  > Neither norm changes the shape of a distribution, and attention asks for none.
"""

# %% evidence
x = torch.randn(6, 4)
padded = torch.cat([x, torch.zeros(10, 4)])
layer = nn.BatchNorm1d(4, affine=False)
assert (layer(padded)[:6] - layer(x)).abs().max() > 0.2
assert layer.eval()(torch.randn(1, 4)).shape == (1, 4)

# %% choice [markdown] id="overfitting-interview" points=1 objective="diagnosis" items="95"
r"""
"Your model overfits. What do you do?" Which procedure would you want to hear?

- [x] Look at both curves to be sure, change one thing, and keep it if the validation loss falls.
  > Yes: a closed gap alone is no success.
- [ ] Add dropout, decay and augmentation together, and take them away one at a time later.
  > Nobody knows then what helped, and all of it may be too much.
- [ ] Add regularization until training and validation loss are equal.
  > They are equal for a model that has learned nothing, too.
- [ ] Get more data before anything else, whatever it costs, since all other measures only treat symptoms.
  > More data do help. Saving the best weights costs nothing, and comes first.
"""

# %% evidence
# Strong decay closes the gap and is worse on new data than a moderate one.
truth = torch.randn(40).double() / 3
x, new = torch.randn(60, 40).double(), torch.randn(2000, 40).double()
y, new_y = x @ truth + 2 * torch.randn(60).double(), new @ truth + 2 * torch.randn(2000).double()
losses = {}
for decay in (0.7, 50.0):
    w = torch.linalg.solve(x.T @ x / 60 + decay * torch.eye(40).double(), x.T @ y / 60)
    losses[decay] = [(a @ w - b).square().mean().item() for a, b in ((x, y), (new, new_y))]
gaps = {decay: new_loss / loss for decay, (loss, new_loss) in losses.items()}
assert gaps[50.0] < gaps[0.7] and losses[50.0][0] > losses[0.7][0]

# %% text [markdown] id="answer-the-interview" points=4 objective="diagnosis" items="95"
r"""
Answer one of the four questions above in your own words, at two depths: two sentences for a colleague
from another field, and four to six for an expert. Name one thing that the simple answer leaves out.

- [1] The simple answer is true as it stands and says what the technique does, not only what it is good for.
- [2] The deeper answer names the mechanism in terms of quantities (which mean, which factor, which mode), and at least one condition under which it holds.
- [1] What the simple answer leaves out is named, and it matters.
"""

# %% evidence
# The rubric states no fact of its own; conditions of this kind exist, as the checks above show.
assert nn.Dropout(0.5).training and not nn.Dropout(0.5).eval().training

# %% choice [markdown] id="checkable-claims" points=2 objective="integration" items="83"
r"""
A case study of an advertising company says: (1) "He initialization for layers with ReLU"; (2) "AUC went
from 0.741 to 0.765, a lift of 3.2 %"; (3) "this brought about 12 million dollars a year"; (4)
"user embeddings get p = 0.7 (more dropout), context features p = 0.9 (less dropout)". What can you
check from the text itself, without asking the company?

- [x] (2): the two values of AUC and the percentage have to fit together.
  > Yes: 0.024 of 0.741 is 3.2 %, in relative terms.
- [x] (4): more dropout at the smaller p means that p is the share kept there, which is not PyTorch's p.
  > Yes: the words and the numbers decide the convention.
- [ ] (1): there is a ReLU, so He's variance was used.
  > That would be sensible. Whether it was done is not in the text.
- [ ] (3): the percentage of (2) times the revenue gives the amount.
  > Neither the revenue nor how it depends on AUC is given.
"""

# %% evidence
assert abs((0.765 - 0.741) / 0.741 - 0.032) < 5e-4
assert (nn.Dropout(1 - 0.7)(torch.ones(100_000)) == 0).sum() > (
    nn.Dropout(1 - 0.9)(torch.ones(100_000)) == 0
).sum()

# %% numeric [markdown] id="lift-above-chance" points=1 objective="integration" level="apply" items="83"
r"""
A ranking that knows nothing has an AUC of 0.5. A model goes from {{before}} to {{after}}. By how many
*percent* does the part above chance grow?
"""

# %% key
before, after = draw([(0.741, 0.765), (0.62, 0.65), (0.8, 0.83)])
answer = 100 * (after - before) / (before - 0.5)
slips = {
    "That is relative to the whole AUC, of which 0.5 comes for nothing.": 100
    * (after - before)
    / before,
    "Those are points of AUC. The growth is relative to what was there.": 100 * (after - before),
    "Relative to what there was before, not to what there is now.": 100
    * (after - before)
    / (after - 0.5),
}

# %% evidence
scores, clicks = torch.randn(3000), torch.randint(2, (3000,)).bool()
auc = (scores[clicks][:, None] > scores[~clicks]).float().mean().item()
assert abs(auc - 0.5) < 0.06
assert abs((after - 0.5) / (before - 0.5) - 1 - answer / 100) < 1e-9

# %% numeric [markdown] id="embedding-bound" points=1 objective="initialization" level="apply" items="83"
r"""
A recommendation model draws its embeddings of dimension {{d}} from a uniform distribution between
$-1/\sqrt{d}$ and $1/\sqrt{d}$. What is the expected *squared length* of an embedding?
"""

# %% key
d = draw([16, 32, 64, 128])
answer = 1 / 3
slips = {
    "That is the squared length if every entry stood at its bound.": 1.0,
    "That is the variance of one entry. There are as many as the dimension.": 1 / (3 * d),
    "The variance of a uniform distribution is the squared bound over 3.": 1 / 12,
}

# %% evidence
drawn = (2 * torch.rand(20_000, d) - 1) / math.sqrt(d)
assert abs(drawn.square().sum(1).mean().item() / answer - 1) < 0.02

# %% choice [markdown] id="batch-norm-and-shards" points=1 objective="normalization" level="analyze" items="83"
r"""
"The embedding tables are spread over many devices, so each device sees a small batch, which rules batch
norm out." What is wrong with this reasoning?

- [x] Splitting the tables does not split the batch: the dense layers see as many rows as before.
  > Yes: it is data parallelism that makes batches per device small.
- [ ] Nothing: every device can only normalize the few rows of the batch that its own tables hold.
  > Its tables hold rows of embeddings, not of the batch.
- [ ] Batch norm could be used, as its statistics do not depend on the batch.
  > They do, in training. That is what it is named for.
- [ ] Batch norm would run in evaluation mode there, where batches do not matter.
  > This is about training.
"""

# %% evidence
# A table split by columns between two devices gives each row of the batch the same embedding.
table, rows = torch.randn(50, 8), torch.randint(50, (64,))
halves = torch.cat([table[:, :4][rows], table[:, 4:][rows]], dim=1)
assert torch.equal(halves, table[rows]) and len(halves) == 64

# %% text [markdown] id="claims-of-a-case" points=2 objective="integration" items="83"
r"""
"Without clipping at 1.0 training diverges within minutes. INT8 quantization of the embeddings acts as a
regularizer. No dropout on embeddings, as they are sparse." Choose two of these claims. Say for each what
you would have to measure to believe it, and what a result against it would look like.

- [1] For the first claim: a measurement that compares with and without, other things equal, over several seeds or runs.
- [1] For the second claim: the same, or a reason why the claim cannot be tested as it stands.
"""

# %% evidence
# The rubric states no fact about the company. Rounding to 8 bits is noise whose effect can be measured:
w = torch.randn(1000)
scale = w.abs().max() / 127
assert 0 < ((w / scale).round() * scale - w).abs().max() <= scale / 2 + 1e-6

# %% choice [markdown] id="one-intuition" points=1 objective="integration" level="understand" items="124"
r"""
Initialization, normalization, residual connections and clipping are four chapters. What do they have in
common?

- [x] They keep the size of signals and gradients in a range in which a step does something.
  > Yes: by the start, by measuring, by a way around, by a limit.
- [ ] They keep the weights small, so that the model stays simple.
  > That is regularization. A large weight in front of batch norm is no matter.
- [ ] They make the loss convex, so that gradient descent finds the minimum.
  > No network's loss is convex.
- [ ] They add noise to the signals in training, which helps gradient descent to leave poor minima.
  > Only the statistics of small batches do that.
"""

# %% evidence
x, sizes = torch.randn(128, 64), {}
for kind in ("bare", "scaled", "normalized", "residual"):
    h = x
    for _ in range(30):
        sd = math.sqrt(2 / 64) if kind == "scaled" else 0.05
        out = (h @ (sd * torch.randn(64, 64))).relu()
        h = {"normalized": F.layer_norm(out, (64,)), "residual": h + out}.get(kind, out)
    sizes[kind] = h.square().mean().item()
assert sizes["bare"] < 1e-6 and all(
    1e-4 < sizes[k] < 1e5 for k in ("scaled", "normalized", "residual")
)

# %% choice [markdown] id="summary-in-order" points=1 objective="integration" items="124"
r"""
A network does not learn: its loss stays at that of guessing. In which order do you look, if each look
should rule out the most for the least work? **a** data and labels of one batch, printed; **b** can it
overfit that batch; **c** gradient norms by layer; **d** a sweep of the learning rate; **e** other
regularization.

- [x] a b c d e
  > Yes: from what takes a minute to what takes a day; and regularization is for models that do learn.
- [ ] e d c b a
  > A day of runs, and then it turns out that the labels were shuffled?
- [ ] d e a b c
  > A sweep with broken data shows the same flat line everywhere.
- [ ] b e c d a
  > A batch with wrong labels can be overfitted, too. What do you know then?
"""

# %% evidence
# Broken labels survive the test of one batch: it is fitted as well as a good one.
x, labels = torch.randn(16, 20), torch.randint(4, (16,))
net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 4))
optimizer = torch.optim.Adam(net.parameters(), 0.02)
for _ in range(60):
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x), labels)
    loss.backward()
    optimizer.step()
assert loss < 0.1

# %% numeric [markdown] id="key-equation" points=1 objective="optimization" level="apply" items="124"
r"""
The last key equation, with numbers: a loss has its highest curvature {{curvature}} along some
direction. Above which learning rate does plain gradient descent diverge along it?
"""

# %% key
curvature = draw([4.0, 10.0, 0.5, 25.0])
answer = 2 / curvature
slips = {
    "With that rate the minimum is reached in one step. Divergence comes later.": 1 / curvature,
    "The higher the curvature, the shorter the step has to be.": curvature / 2,
    "That is where a step doubles the distance, and turns it round.": 3 / curvature,
}

# %% evidence
for rate, grows in ((0.99 * answer, False), (1.01 * answer, True)):
    w = 1.0
    for _ in range(50):
        w -= rate * curvature * w
    assert (abs(w) > 1) == grows
