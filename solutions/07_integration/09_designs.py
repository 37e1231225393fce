# %% quiz [markdown] items="120 152" stars=3 minutes=120 level="create" goal="design a training run and defend every choice by what it does"
r"""
# Designs and essays
Two designs for which there is no single right answer, and many wrong ones: where batch norm belongs in
a pair of networks that train against each other, and how to train a large language model. A reader
grades the essays, by the criteria that count; the questions beside them are graded at once.

Answer a choice with its letter in quotes, and where several options are right, with all of their
letters. A number may be an expression, such as `2 / 3`; give at least three digits.
"""

# %% setup
import math

import torch
from torch import nn
from torch.nn import functional as F

from autograder.authoring.quiz import draw

# %% choice [markdown] id="real-and-fake-in-one-batch" points=2 objective="normalization" level="analyze" items="120"
r"""
A discriminator with batch norm is shown real and generated images. What happens if one batch holds both?

- [x] In training, the output for a real image depends on which generated ones are beside it: the shared statistics are a leak.
  > Yes: it can tell the two kinds apart by how a batch is composed, and generator gradients flow through real rows.
- [ ] Nothing: the statistics belong to the layer, and the rows do not see each other.
  > In training they are computed from the rows of the batch, all of them.
- [ ] Only the running statistics suffer, so the effect shows in evaluation.
  > They suffer as well. But what normalizes in training?
- [ ] The generator cannot learn, since no gradient passes through batch statistics.
  > Gradients do pass through them, even from the output of one row to the input of another.
"""

# %% evidence
discriminator = nn.Sequential(
    nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1)
).double()
real, fake = torch.randn(8, 6).double(), 2 + torch.randn(8, 6).double()
alone, mixed = discriminator(real), discriminator(torch.cat([real, fake]))[:8]
assert (alone - mixed).abs().max() > 0.02
fake.requires_grad_()
(through,) = torch.autograd.grad(discriminator(torch.cat([real, fake]))[:8].square().sum(), fake)
assert through.abs().max() > 1e-6
discriminator.eval()
with torch.no_grad():
    assert torch.allclose(discriminator(real), discriminator(torch.cat([real, fake]))[:8])

# %% choice [markdown] id="cures-for-the-leak" points=1 objective="normalization" level="evaluate" items="120"
r"""
Which changes remove this dependence between real and generated images, in training?

- [x] Two forward passes of the discriminator, one for the real batch and one for the generated one
  > Yes, as to the outputs: each kind has statistics of its own. (The running ones still mix.)
- [x] Layer norm in the discriminator
  > Yes: it looks at one image at a time.
- [x] Spectral norm of the weights, and no normalization of activations
  > Yes: it holds the weights, whatever the batch is.
- [ ] A smaller momentum of batch norm
  > That slows the running statistics down. Training does not use them.
- [ ] Setting gamma to 1 and beta to 0, without learning them
  > The statistics are taken before scale and shift.
"""

# %% evidence
real, fake = torch.randn(8, 6), 2 + torch.randn(8, 6)


def depends(first):
    net = nn.Sequential(first, nn.ReLU(), nn.Linear(8, 1))
    return (net(torch.cat([real, fake]))[:8] - net(torch.cat([real, -fake]))[:8]).abs().max().item()


assert depends(nn.Sequential(nn.Linear(6, 8), nn.LayerNorm(8))) < 1e-5
assert depends(nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8)).eval()) < 1e-5
assert depends(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, momentum=0.001))) > 1e-3
assert depends(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, affine=False))) > 1e-3

# %% text [markdown] id="norms-in-a-gan" points=4 objective="normalization" level="create" items="120"
r"""
You train a generator against a discriminator. Where do you put batch norm: in the one, in the other, in
both, in neither? Half a page: your choice for each network, what statistics of a batch do to a game of
two, what you would use in its place, and which measurement would make you change your mind.

- [1] Discriminator: batch statistics couple the images of a batch, so real and generated ones in one batch leak into each other; separate passes or another norm are named.
- [1] Generator: its images become dependent on each other within a batch, which can show as a common look; it often helps training all the same, and training and evaluation differ.
- [1] A substitute is named with its reason (layer, group or instance norm; spectral norm for the discriminator).
- [1] A measurement is named that could come out either way (loss curves with and without over several seeds, outputs for one image with different mates, quality of samples in both modes).
"""

# %% evidence
generator = nn.Sequential(nn.Linear(4, 64), nn.BatchNorm1d(64), nn.Tanh(), nn.Linear(64, 6))
seed, mates = torch.randn(1, 4), torch.randn(7, 4)
one, other = generator(torch.cat([seed, mates]))[0], generator(torch.cat([seed, 3 * mates]))[0]
assert (one - other).abs().max() > 1e-2
assert (generator.eval()(seed)[0] - one).abs().max() > 1e-3

# %% numeric [markdown] id="states-of-the-large-model" points=1 objective="precision" level="apply" items="152"
r"""
A model has {{billions}} billion parameters. Weights and gradients are bf16; AdamW keeps two averages and a
master copy of the weights in fp32. How many GB ($10^9$ bytes) is that on one card that holds all of it?
"""

# %% key
billions = draw([1.3, 2.7, 0.35])
answer = billions * (2 + 2 + 4 + 4 + 4)
slips = {
    "That is the weights alone.": 2 * billions,
    "That is weights and gradients. The optimizer keeps most of it.": 4 * billions,
    "The master copy is missing.": 12 * billions,
    "That is all of it in fp32 with a master copy: two bytes of four are bf16 here.": 20 * billions,
}

# %% evidence
w = torch.randn(1000, dtype=torch.bfloat16, requires_grad=True)
master = w.detach().float().requires_grad_()
w.grad, master.grad = torch.randn_like(w), torch.randn_like(master)
optimizer = torch.optim.AdamW([master])
optimizer.step()
held = [w, w.grad, master, *(v for v in optimizer.state[master].values() if v.dim())]
assert abs(sum(t.numel() * t.element_size() for t in held) / 1000 * billions / answer - 1) < 1e-9

# %% numeric [markdown] id="accumulation-of-the-large-model" points=1 objective="optimization" level="apply" items="152"
r"""
Each step averages over {{sequences}} sequences. There are {{cards}} cards, and a card takes {{micro}}
sequences at a time. Over how many micro-batches does a card accumulate?
"""

# %% key
sequences, cards, micro = draw([(2048, 8, 4), (1024, 8, 2), (512, 4, 8)])
answer = sequences / (cards * micro)
slips = {
    "The cards work side by side: each has only its share.": sequences / micro,
    "A card takes several sequences at a time.": sequences / cards,
    "That is how many sequences all cards take at a time.": cards * micro + 1e-6,
}

# %% evidence
seen = 0
for _ in range(round(answer)):
    seen += cards * micro
assert seen == sequences

# %% text [markdown] id="design-of-a-large-run" points=30 objective="integration" level="create" items="152"
r"""
**Essay, 600 to 800 words.** A transformer with 1.3 billion parameters is to be trained from scratch on 300
billion tokens, on 8 cards with 40 GB each. Design the run, in four parts: (1) optimizer, schedule and
gradients; (2) regularization; (3) memory: batch, parallelism, precision, recomputation; (4) stability: norms,
clipping, what is watched, what is done when it fails. Give numbers and say where they come from (those of
your plan in `05_mixed_precision` may be used). Say for each choice what you give up for it.

- [7] Optimization: AdamW with its settings; a warm-up and a decay with lengths in steps; a peak rate of about 2e-4 with its source (larger models use smaller rates); clipping by the global norm after accumulation. Half the points without reasons.
- [7] Regularization: decoupled decay with its value, not on biases and norms; little or no dropout, because no token is read twice; a validation set that says whether that was right. Half the points without reasons.
- [8] Memory: about 21 GB of states per card unless they are sharded; activations per sequence, with and without recomputation, and the micro-batch that follows; micro-batch times cards times accumulation gives the batch; bf16 with fp32 master weights and no loss scaling; recomputation costs up to a third more time.
- [8] Stability: Pre-LN (or RMS norm) with a last norm, without the claim that gradients cannot vanish; loss, gradient norm, share of clipped steps and the rate are watched; checkpoints, and what is done after a spike (go back, skip data, lower the rate), with what would show that it helped.
"""

# %% evidence
# 16 bytes for each parameter, and a run of 71,526 steps of 2048 times 2048 tokens.
assert abs(16 * 1.3 - 20.8) < 1e-9 and math.ceil(300e9 / 2048**2) == 71_526

# %% evidence
# A Pre-LN block can cancel its own input: its gradient is not bounded below.
x = torch.randn(8)
jacobian = torch.autograd.functional.jacobian(
    lambda v: v - F.layer_norm(v, (8,)) * v.std(unbiased=False).detach(), x
)
assert torch.linalg.svdvals(jacobian).min() < 1e-3
