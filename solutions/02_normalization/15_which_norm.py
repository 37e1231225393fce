# %% exercise [markdown] items="147" stars=2 minutes=75 level="evaluate" goal="choose a norm, and its place, for reasons that hold"
r"""
# Which norm, and why
A norm that measures the wrong numbers couples what should be independent: one image to its
batch-mates, a word to the padding behind another sentence. Batch, layer, group and instance norm
all compute

$$ \hat x = \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} $$

and differ in what one $\mu$ runs over. Fill in what sets four of PyTorch's modules apart, for a
batch of shape $(N, C, H, W)$. Do not look it up: three lines of code settle each question, and the
tables in circulation contradict each other.

Then look at the LayerNorm of one token, the one that transformers use. Its Jacobian $J$ maps a
small step $v$ of $x \in \mathbb{R}^n$ to the change $J v$ of $\mathrm{LN}(x)$, and it loses two
directions on the way. Write `response` and `lost_directions`. In the end you argue in words: for a
norm, and for its place.

*Hint:* an entry of $x$ without any part in one number of the output has a gradient of exactly 0.

*Hint:* which changes of $x$ does $\mathrm{LN}(x)$ not notice at all?
"""

# %%
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder import expect

N, C, H, W = 4, 6, 5, 3
NORMS = {
    "BN": nn.BatchNorm2d(C),
    "LN": nn.LayerNorm((C, H, W)),
    "GN": nn.GroupNorm(2, C),
    "IN": nn.InstanceNorm2d(C),
}

# %% solution
# Over which of N, C, H, W does one mean run? A dictionary from "BN", "LN", "GN" and "IN" to letters
# such as "NC". An axis counts for GN if a mean runs over part of it.
### BEGIN SOLUTION
axes = {"BN": "NHW", "LN": "CHW", "GN": "CHW", "IN": "HW"}
### END SOLUTION

# How many different means does each of the modules in NORMS take of one batch of that shape? A
# dictionary from "BN", "LN", "GN" and "IN" to whole numbers.
### BEGIN SOLUTION
means = {"BN": C, "LN": N, "GN": 2 * N, "IN": C * N}
### END SOLUTION

# %% check
for name, answer in {"axes": axes, "means": means}.items():
    expect.kind(answer, dict, when=f"reading `{name}`")
    expect.equal(sorted(answer), ["BN", "GN", "IN", "LN"], when=f"reading the keys of `{name}`")
for norm in NORMS:
    expect.kind(axes[norm], (str, list, tuple, set), when=f"reading the letters for {norm}")
    expect.true(
        set(axes[norm]) <= set("NCHW"),
        when=f"reading the letters for {norm}",
        wanted="some of N, C, H, W",
        got=repr(axes[norm]),
    )
    expect.between(means[norm], 1, N * C * H * W, when=f"reading the number of means for {norm}")

# %% solution
# In training mode: which norms make the output for one image depend on the other images?
# A list of some of "BN", "LN", "GN", "IN"; so are the next two.
### BEGIN SOLUTION
depends_on_the_batch = ["BN"]
### END SOLUTION

# Which of the modules in NORMS keep running statistics?
### BEGIN SOLUTION
keeps_running_statistics = ["BN"]
### END SOLUTION

# Which of them compute the same in training mode and in evaluation mode?
### BEGIN SOLUTION
same_in_both_modes = ["LN", "GN", "IN"]
### END SOLUTION

# %% check
for answer in (depends_on_the_batch, keeps_running_statistics, same_in_both_modes):
    expect.kind(answer, (list, tuple, set), when="reading a list of norms")
    expect.true(
        set(answer) <= set(NORMS),
        when="reading a list of norms",
        wanted='some of "BN", "LN", "GN", "IN"',
        got=repr(answer),
    )


# %% solution
def response(x: Tensor, v: Tensor, eps: float = 1e-5) -> Tensor:
    """J v: what a small step along `v` changes in LN(x), per unit of the step. All have shape (n,).

    The LayerNorm has neither scale nor shift.
    """
    ### BEGIN SOLUTION
    s = (x.var(unbiased=False) + eps).sqrt()
    x_hat = (x - x.mean()) / s
    return (v - v.mean() - x_hat * (x_hat * v).mean()) / s
    ### END SOLUTION


def lost_directions(x: Tensor) -> Tensor:
    """Two directions that LN does not pass on at `x`, shape (n,), when eps is next to nothing.

    They are the rows of the result, shape (2, n): each of length 1, at a right angle to each other.
    """
    ### BEGIN SOLUTION
    centred = x - x.mean()
    return torch.stack([torch.ones_like(x) / math.sqrt(len(x)), centred / centred.norm()])
    ### END SOLUTION


# %% check
# Mean 4, variance 5, and a root of 3 for eps = 4: x_hat is (-1, -1/3, 1/3, 1).
x = torch.tensor([1.0, 3.0, 5.0, 7.0]).double()
first = torch.tensor([1.0, 0.0, 0.0, 0.0]).double()
expect.close(
    response(x.clone(), first.clone(), eps=4.0),
    [1 / 6, -1 / 9, -1 / 18, 0.0],
    when="taking a step of the first of 1, 3, 5, 7, with eps 4",
    think="A nudge of one feature moves the mean and the deviation of all.",
)
expect.shape(
    lost_directions(x.clone()), (2, 4), when="asking for the lost directions at 1, 3, 5, 7"
)

# %% hidden aspect="axes names what one mean of each norm runs over" points=1
torch.manual_seed(1)
expect.kind(axes, dict, when="reading `axes`")
for norm, module in NORMS.items():
    x = torch.randn(N, C, H, W, requires_grad=True)
    module.train()(x)[0, 0, 0, 0].backward()
    reached = x.grad.nonzero()
    spread = [letter for letter, at in zip("NCHW", reached.T, strict=True) if len(at.unique()) > 1]
    answer = axes.get(norm, "")
    expect.kind(answer, (str, list, tuple, set), when=f"reading the letters for {norm}")
    expect.true(
        set(answer) == set(spread),
        when=f"comparing your letters for {norm} with the entries of x that act on one output",
        wanted="every axis along which another entry acts on it, and no other axis",
        got=repr(answer),
        think="Which entries of x have a part in one number of the output? Try the gradient.",
    )

# %% hidden aspect="means counts the means that each norm takes" points=1
torch.manual_seed(2)
expect.kind(means, dict, when="reading `means`")
for norm, module in NORMS.items():
    x = torch.randn(N, C, H, W, requires_grad=True)
    module.train()(x)[0, 0, 0, 0].backward()
    expect.true(
        means.get(norm) == x.numel() // int(x.grad.count_nonzero()),
        when=f"counting the means of {norm} for a batch of shape {(N, C, H, W)}",
        wanted="the number of sets of entries that share one mean",
        got=repr(means.get(norm)),
        think="How many entries act on one number of the output, and how many are there in all?",
    )

# %% hidden aspect="the three lists name the norms that behave so" points=1
torch.manual_seed(3)
batch, other = torch.randn(N, C, H, W), 3 * torch.randn(N - 1, C, H, W) + 1
found = {"depend on the batch": [], "keep running statistics": [], "are the same in both modes": []}
for norm, module in NORMS.items():
    module.train()
    for _ in range(3):
        trained = module(batch)
    moved = module(torch.cat([batch[:1], other]))
    if (moved[0] - trained[0]).abs().max() > 1e-3:
        found["depend on the batch"].append(norm)
    if list(module.buffers()):
        found["keep running statistics"].append(norm)
    if (module.eval()(batch) - trained).abs().max() < 1e-3:
        found["are the same in both modes"].append(norm)
answers = depends_on_the_batch, keeps_running_statistics, same_in_both_modes
for (trait, wanted), answer in zip(found.items(), answers, strict=True):
    expect.kind(answer, (list, tuple, set), when=f"listing the norms that {trait}")
    expect.true(
        set(answer) == set(wanted),
        when=f"trying out which of the four modules {trait}",
        wanted="exactly those for which that is true",
        got=repr(answer),
        think="Change the other images; look at module.buffers(); switch with module.eval().",
    )

# %% hidden aspect="response is the derivative of LN along a direction" points=1
torch.manual_seed(4)
for n, eps, scale in ((5, 1e-5, 2.0), (9, 0.1, 1.0), (6, 1e-5, 0.01)):
    x, v = scale * torch.randn(n).double() + 1, torch.randn(n).double()
    wanted = torch.autograd.functional.jvp(
        lambda a, eps=eps: F.layer_norm(a, a.shape, eps=eps), x.clone(), v.clone()
    )
    expect.close(
        response(x.clone(), v.clone(), eps=eps),
        wanted[1],
        when=f"comparing with autograd along a direction in {n} features, eps {eps:g}",
        think="Numerator, mean and deviation each bring a term; the deviation divides by n.",
    )

# %% hidden aspect="two directions at a right angle are lost" points=1
torch.manual_seed(5)
for n in (4, 7, 32):
    x = 2 * torch.randn(n).double() + 3
    rows = lost_directions(x.clone())
    expect.shape(rows, (2, n), when=f"asking for the two lost directions of {n} features")
    expect.close(
        rows @ rows.T,
        torch.eye(2).double(),
        when=f"multiplying the two directions of {n} features with each other and themselves",
        think="Length 1, and a right angle: take away from one what it has of the other.",
    )
    jacobian = torch.autograd.functional.jacobian(lambda a: F.layer_norm(a, a.shape, eps=1e-12), x)
    expect.close(
        jacobian @ rows.T,
        torch.zeros(n, 2).double(),
        atol=1e-9,  # eps = 1e-12 lets about that part of the second through
        when=f"sending the two directions of {n} features through the Jacobian of LN, eps 1e-12",
        think="Add a number to all features; multiply all by one. What does LN make of it?",
    )

# %% setup
import math

import torch
import torch.nn.functional as F
from torch import nn

# %% choice [markdown] id="batch-of-one" points=1
r"""
"A language model cannot use batch norms, because it writes one token of one sentence at a time: a
batch of one." What is wrong with this reason?

- [ ] Nothing: one sample has no variance, so a batch norm cannot run on it.
  > In training it raises an error, indeed. Which statistics does it use in evaluation mode?
- [x] At inference a batch norm uses running statistics, so one sample is enough.
  > Yes. The reasons that hold lie elsewhere: in what these statistics mix during training.
- [ ] A LayerNorm needs several tokens as well, so it would be no better off.
  > It measures the features of one token. Try one on a tensor of shape (1, n).
- [ ] A batch norm measures the features of the one sample when the batch has no other.
  > Its statistics run over the batch for each feature, never over features. What does PyTorch do with a batch of one in training mode?
"""

# %% evidence
norm, x = nn.BatchNorm1d(5), torch.randn(8, 5)
for _ in range(20):
    norm(torch.randn(16, 5) + 1)
try:
    norm(x[:1])
    raise AssertionError("training on a single sample works")
except ValueError:
    pass
norm.eval()
assert torch.allclose(norm(x[:1]), norm(x)[:1], atol=1e-6)
wanted = (x[:1] - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
assert torch.allclose(norm(x[:1]), wanted, atol=1e-5)
assert torch.allclose(nn.LayerNorm(5)(x[:1]), nn.LayerNorm(5)(x)[:1], atol=1e-6)

# %% text [markdown] id="layer-norm-for-transformers" points=5
r"""
A transformer is trained on padded batches of sentences and then writes token by token. Why does it
have LayerNorms (or, like LLaMA, RMSNorms) and no batch norms? Write about eight sentences: what one
mean runs over in each of the two; what padding, neighbours and later words do to it; what changes
at inference; and what there is to the argument of the "batch of one".

- [1] A LayerNorm measures the features of one token; no other token, sentence or padding has a part in it.
- [1] A batch norm's statistics mix sentences and positions, so padding and a batch's mixture of lengths change them.
- [1] In training, a batch norm makes a token's output depend on other sentences and on words that come later.
- [1] At inference a batch norm goes over to running statistics, which fit no single position of sentences of any length; a LayerNorm computes the same in both modes.
- [1] A batch of one is no obstacle at inference, where running statistics serve; it is one in training, and few or uneven samples make noisy statistics there.
"""

# %% evidence
# Tokens (sentence, position, feature): a LayerNorm's output for one ignores all the others.
tokens, norm = torch.randn(6, 9, 16), nn.LayerNorm(16)
changed = 5 * torch.randn(6, 9, 16)
changed[2, 3] = tokens[2, 3]
assert torch.allclose(norm(tokens)[2, 3], norm(changed)[2, 3], atol=1e-5)

# %% evidence
# A batch norm over all tokens: padding moves its statistics, later words an earlier word's output.
tokens, norm = torch.randn(6, 9, 16) + 1, nn.BatchNorm1d(16)


def normalized(batch):
    return norm(batch.flatten(0, 1)).view_as(batch)


padded = torch.cat([tokens, torch.zeros(6, 9, 16)], dim=1)
assert (normalized(padded)[:, :9] - normalized(tokens)).abs().max() > 0.3
later, others = tokens.clone(), tokens.clone()
later[:, 5:] = 4 * torch.randn(6, 4, 16)
others[1:] = 4 * torch.randn(5, 9, 16)
assert (normalized(later)[0, 0] - normalized(tokens)[0, 0]).abs().max() > 0.1
assert (normalized(others)[0, 0] - normalized(tokens)[0, 0]).abs().max() > 0.1

# %% evidence
# Where the statistics depend on the position, running ones fit none; LN is the same in both modes.
position = torch.arange(12.0)[:, None]
tokens = (1 + position / 4) * torch.randn(500, 12, 16) + position / 4
norm, layer = nn.BatchNorm1d(16, momentum=None), nn.LayerNorm(16)
norm(tokens.flatten(0, 1))
y = norm.eval()(tokens.flatten(0, 1)).view_as(tokens)
spread = y.std(dim=(0, 2))
assert spread[0] < 0.5 and spread[-1] > 1.25 and y[:, 0].mean() < -0.3
assert torch.equal(layer.train()(tokens[:9]), layer.eval()(tokens[:9]))

# %% evidence
# Means of two samples scatter about four times as much as means of 32; one sample is refused.
few = torch.stack([torch.randn(2, 64).mean(dim=0) for _ in range(50)])
many = torch.stack([torch.randn(32, 64).mean(dim=0) for _ in range(50)])
assert 3 < few.std() / many.std() < 5

# %% text [markdown] id="pre-or-post" points=5
r"""
Compare how gradients flow through Post-LN and Pre-LN stacks, and explain why a Pre-LN stack can be
trained with a short warm-up or none. About eight sentences. Correct two usual claims as you go:
that Post-LN's gradients vanish, and that Pre-LN's are at least 1.

- [1] Post-LN: every gradient passes each block's norm, J_LN (I + J_F); Pre-LN: I + J_F J_LN, with an identity path that meets no norm.
- [1] The identity keeps a gradient from vanishing merely because J_F is small; it is no lower bound, since J_F J_LN may cancel it.
- [1] Post-LN at initialization: gradients do not vanish; they are large in the last blocks and do not shrink with depth, so the first steps have to be kept short by a warm-up (Xiong et al., 2020).
- [1] Pre-LN at initialization: the stream grows with depth and the norms divide by it, so gradients shrink, in the last blocks about as one over the root of the depth; that is why the warm-up can be short.
- [1] A limit of Pre-LN: it needs a norm behind its last block; or: large Pre-LN models are still trained with a warm-up; or: it is another function, not an equivalent one.
"""

# %% evidence
# Jacobians at a point: both formulas, and a W that cancels the identity in n - 2 directions.
n = 8
x, w1, w2 = torch.randn(n).double(), torch.randn(24, n).double(), torch.randn(n, 24).double()


def mlp(u):
    return F.linear(F.linear(u, w1).relu(), w2)


def norm(u):
    return F.layer_norm(u, (n,))


def jacobian(f, at):
    return torch.autograd.functional.jacobian(f, at)


eye = torch.eye(n).double()
post, pre = jacobian(lambda v: norm(v + mlp(v)), x), jacobian(lambda v: v + mlp(norm(v)), x)
assert torch.allclose(post, jacobian(norm, x + mlp(x)) @ (eye + jacobian(mlp, x)))
assert torch.allclose(pre, eye + jacobian(mlp, norm(x)) @ jacobian(norm, x))
s = (x.var(unbiased=False) + 1e-5).sqrt()
assert (torch.linalg.svdvals(jacobian(lambda v: v - s * norm(v), x)) < 1e-9).sum() == n - 2

# %% evidence
# Stacks at initialization, averaged over eight draws: first and last gradient, and the stream.
n, lengths, stream = 16, {}, {4: 0.0, 24: 0.0}
for _ in range(8):
    for kind, depth in (("post", 4), ("post", 24), ("pre", 4), ("pre", 24)):
        h, head = torch.randn(32, n), torch.randn(10, n) / math.sqrt(n)
        for block in range(depth):
            w1 = torch.randn(4 * n, n) * math.sqrt(2 / n)
            w2 = (torch.randn(n, 4 * n) / math.sqrt(4 * n)).requires_grad_()
            first = w2 if block == 0 else first
            read = F.layer_norm(h, (n,)) if kind == "pre" else h
            h = h + F.linear(F.linear(read, w1).relu(), w2)
            h = F.layer_norm(h, (n,)) if kind == "post" else h
        if kind == "pre":
            stream[depth] += h.var().item() / 8
            h = F.layer_norm(h, (n,))
        F.cross_entropy(h @ head.T, torch.randint(0, 10, (32,))).backward()
        for place, w in (("first", first), ("last", w2)):
            key = kind, depth, place
            lengths[key] = lengths.get(key, 0.0) + w.grad.norm().item() / 8
assert lengths["post", 24, "first"] > 0.25 * lengths["post", 4, "first"]  # nothing vanishes
assert lengths["post", 24, "last"] > 0.6 * lengths["post", 4, "last"]  # nor shrinks with depth
assert lengths["post", 24, "last"] > 1.5 * lengths["pre", 24, "last"]
assert 1.1 < lengths["pre", 4, "last"] / lengths["pre", 24, "last"] < 3.5  # sqrt(25 / 5) is 2.2
assert stream[24] > 2.5 * stream[4]


# %% alternative of="axes"
def as_tuples_in_another_order():
    return {"IN": ("W", "H"), "GN": ("W", "H", "C"), "LN": ("C", "H", "W"), "BN": ("H", "W", "N")}


# %% alternative of="response"
def with_autograd(x, v, eps=1e-5):
    return torch.autograd.functional.jvp(lambda a: F.layer_norm(a, a.shape, eps=eps), x, v)[1]


# %% alternative of="response"
def with_the_whole_jacobian(x, v, eps=1e-5):
    n = x.numel()
    centred = x - x.mean()
    var = centred.square().mean() + eps
    projector = torch.eye(n).to(x) - 1 / n - centred[:, None] * centred[None, :] / (n * var)
    return projector @ v / var.sqrt()


# %% alternative of="lost_directions"
def with_singular_vectors(x):
    n = len(x)
    centred = x - x.mean()
    unit = centred / centred.norm()
    jacobian = torch.eye(n).to(x) - 1 / n - torch.outer(unit, unit)
    return torch.linalg.svd(jacobian).Vh[-2:]


# %% alternative of="lost_directions"
def with_gram_schmidt(x):
    basis, _ = torch.linalg.qr(torch.stack([x, torch.ones_like(x)], dim=1))
    return basis.T


# %% mistake of="axes" fails="axes names what one mean of each norm runs over"
def swaps_batch_and_layer_norm():
    """A batch norm measures one channel over the batch, a LayerNorm one sample over its channels."""
    return {"BN": "CHW", "LN": "NHW", "GN": "CHW", "IN": "HW"}


# %% mistake of="axes" fails="axes names what one mean of each norm runs over"
def leaves_the_image_out_of_batch_norm():
    """In an image every position of a channel counts as a sample: the mean runs over H and W too."""
    return {"BN": "N", "LN": "CHW", "GN": "CHW", "IN": "HW"}


# %% mistake of="axes" fails="axes names what one mean of each norm runs over"
def takes_the_layer_norm_of_transformers():
    """LayerNorm runs over the dimensions it is given: in a transformer C alone, here C, H and W."""
    return {"BN": "NHW", "LN": "C", "GN": "CHW", "IN": "HW"}


# %% mistake of="axes" fails="axes names what one mean of each norm runs over"
def groups_images():
    """The groups of a group norm are groups of channels of one image; no other image is involved."""
    return {"BN": "NHW", "LN": "CHW", "GN": "NHW", "IN": "HW"}


# %% mistake of="means" fails="means counts the means that each norm takes"
def counts_groups_once():
    """Each image has its own two groups, so a batch has 2 N means."""
    return {"BN": C, "LN": N, "GN": 2, "IN": N * C}


# %% mistake of="means" fails="means counts the means that each norm takes"
def counts_the_entries_of_one_mean():
    """That many entries share one mean; the number of means is all entries divided by it."""
    return {"BN": N * H * W, "LN": C * H * W, "GN": C * H * W // 2, "IN": H * W}


# %% mistake of="means" fails="means counts the means that each norm takes"
def takes_instance_norm_for_batch_norm():
    """An instance norm measures each channel of each image by itself: N C means."""
    return {"BN": C, "LN": N, "GN": 2 * N, "IN": C}


# %% mistake of="keeps_running_statistics" fails="the three lists name the norms that behave so"
def gives_instance_norm_buffers():
    """InstanceNorm2d keeps running statistics when asked for; by default it does not."""
    return ["BN", "IN"]


# %% mistake of="same_in_both_modes" fails="the three lists name the norms that behave so"
def lists_those_that_change():
    """The question is which stay the same: all that measure one image at a time."""
    return ["BN"]


# %% mistake of="depends_on_the_batch" fails="the three lists name the norms that behave so"
def fears_for_group_norm():
    """A group norm measures channels of one image; in the batch it is alone with itself."""
    return ["BN", "GN"]


# %% mistake of="response" fails="response is the derivative of LN along a direction"
def takes_the_deviation_for_a_constant(x, v, eps=1e-5):
    """A step changes the deviation too: the part along x_hat is taken off as well."""
    return (v - v.mean()) / (x.var(unbiased=False) + eps).sqrt()


# %% mistake of="response" fails="response is the derivative of LN along a direction"
def takes_the_mean_for_a_constant(x, v, eps=1e-5):
    """A step moves the mean that is subtracted: the mean of the step is taken off."""
    s = (x.var(unbiased=False) + eps).sqrt()
    x_hat = (x - x.mean()) / s
    return (v - x_hat * (x_hat * v).mean()) / s


# %% mistake of="response" fails="response is the derivative of LN along a direction"
def normalizes_the_step(x, v, eps=1e-5):
    """The derivative is linear in the step; the norm of the step itself is another thing."""
    return F.layer_norm(v, v.shape, eps=eps)


# %% mistake of="response" fails="response is the derivative of LN along a direction"
def forgets_to_divide(x, v, eps=1e-5):
    """What is left of the step is divided by the deviation: large activations answer less."""
    x_hat = F.layer_norm(x, x.shape, eps=eps)
    return v - v.mean() - x_hat * (x_hat * v).mean()


# %% mistake of="lost_directions" fails="two directions at a right angle are lost"
def takes_x_itself(x):
    """x is lost, but it is not at a right angle to all ones unless its mean is 0."""
    return torch.stack([torch.ones_like(x) / math.sqrt(len(x)), x / x.norm()])


# %% mistake of="lost_directions" fails="two directions at a right angle are lost"
def leaves_the_lengths(x):
    """All ones and x - mean are lost; as directions they are divided by their lengths."""
    return torch.stack([torch.ones_like(x), x - x.mean()])


# %% mistake of="lost_directions" fails="two directions at a right angle are lost"
def takes_two_features(x):
    """A step of one feature changes its rank among the others, and LN shows that."""
    return torch.eye(len(x)).to(x)[:2]
