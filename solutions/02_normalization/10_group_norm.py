# %% exercise [markdown] items="23" stars=2 minutes=40 level="apply" goal="normalize over groups of channels and name the norms at either end" forbid="group_norm layer_norm instance_norm batch_norm"
r"""
# Group normalization
Where a device holds two large pictures, batch normalization has two samples to measure, and what it
finds jumps from step to step. *Group normalization* never looks at another sample: it splits the
$C$ channels into $G$ groups of neighbours, and normalizes each group of each sample over its $C/G$
channels and all their positions,

$$ \hat{x}_{ncp} = \frac{x_{ncp} - \mu_{ng}}{\sqrt{\sigma_{ng}^2 + \varepsilon}}, \qquad
   y_{ncp} = \gamma_c\,\hat{x}_{ncp} + \beta_c, \qquad c \text{ in group } g, $$

with the biased variance. Scale and shift belong to channels, not to groups.

Write `group_norm` with tensors only.

With $G = C$ each channel is a group, and the result *equals* that of instance normalization: the
"approaches" that one can read is too weak. A channel without positions is then a group of one
number, its own mean, and exactly $\beta$ comes out. "With $G = 1$ it is layer normalization" holds
for one layer norm and not for another: the question at the end asks for which.
"""

# %%
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from autograder import expect

# %% [markdown]
# Who is measured together? Each colour below is one mean and one variance. There are two samples of
# four channels, one row each, and three positions.

# %%
n, c, position = torch.meshgrid(torch.arange(2), torch.arange(4), torch.arange(3), indexing="ij")
colours = {
    "batch norm": c,
    "layer norm over (C, *)": n,
    "group norm, G = 2": 2 * n + c // 2,
    "instance norm": 4 * n + c,
    "layer norm over C": 3 * n + position,
}
figure, panels = plt.subplots(1, len(colours), figsize=(12, 3.2), sharey=True, layout="constrained")
rows = [f"sample {row // 4}, channel {row % 4}" for row in range(8)]
for panel, (name, colour) in zip(panels, colours.items(), strict=True):
    panel.imshow(colour.flatten(0, 1).numpy(), cmap="Set2", vmin=0, vmax=7, aspect="auto")
    panel.axhline(3.5, color="black")
    panel.set(title=name, xlabel="position", xticks=range(3), yticks=range(8), yticklabels=rows)


# %% solution
def group_norm(
    x: Tensor, num_groups: int, gamma: Tensor, beta: Tensor, eps: float = 1e-5
) -> Tensor:
    """Normalize `x`, shape (N, C, *), in `num_groups` groups of neighbouring channels.

    * stands for any number of spatial dimensions, none included.
    `gamma` and `beta`, shape (C,), scale and shift each channel.
    Raises a ValueError if the channels cannot be split into groups of the same size.
    """
    ### BEGIN SOLUTION
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError(f"{c} channels do not make {num_groups} groups of the same size")
    groups = x.reshape(n, num_groups, -1)
    mean = groups.mean(dim=-1, keepdim=True)
    var = groups.var(dim=-1, unbiased=False, keepdim=True)
    x_hat = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (c, *[1] * (x.ndim - 2))
    return gamma.reshape(per_channel) * x_hat + beta.reshape(per_channel)
    ### END SOLUTION


# %% check
# Channels 0 and 1 hold 1, 3, 5, 7: mean 4, variance 5. Channels 2 and 3 hold 0, 8, 8, 8: mean 6,
# variance 12. With eps = 4 the roots are 3 and 4.
x = torch.tensor([[[1.0, 3.0], [5.0, 7.0], [0.0, 8.0], [8.0, 8.0]]])
gamma, beta = torch.tensor([3.0, 3.0, 2.0, 4.0]), torch.tensor([10.0, 20.0, 30.0, 40.0])
expect.close(
    group_norm(x, 2, gamma, beta, eps=4.0),
    [[[7.0, 9.0], [21.0, 23.0], [27.0, 31.0], [42.0, 42.0]]],
    when="normalizing four channels of two positions in two groups",
    think="Which four numbers share a mean? Which two share a gamma?",
)

# %% setup
import torch
from torch.nn import functional as F

# %% choice [markdown] id="which-layer-norm" points=1
r"""
Pictures come as $(N, C, H, W)$. Group normalization with $G = 1$ always computes the same as one of
these. As which?

- [x] `F.layer_norm` over $(C, H, W)$, then $\gamma$ and $\beta$ per channel
  > Yes: one mean and one variance for a whole sample, and one scale for a whole channel, where
  > `nn.LayerNorm([C, H, W])` has one for every number. For (N, C), without positions, there is
  > only one layer norm, and no difference.
- [ ] `F.layer_norm` over $C$ at every position, as a transformer does for every word
  > That gives each position a mean of its own. How many means does one sample have with G = 1?
- [ ] `nn.LayerNorm([C, H, W])`, whatever its weights have learned
  > The statistics agree. Now count the weights of this layer, and those of a group norm.
- [ ] Batch normalization in training, one picture at a time, then $\gamma$ and $\beta$ per channel
  > Batch norm measures every channel by itself, so this is the other end, G = C.
"""

# %% evidence
x = torch.randn(3, 6, 4, 5, dtype=torch.float64)
gamma, beta = torch.randn(2, 6, dtype=torch.float64).unbind()
per_channel = gamma[:, None, None], beta[:, None, None]
wanted = F.group_norm(x, 1, gamma, beta)
whole = F.layer_norm(x, [6, 4, 5]) * per_channel[0] + per_channel[1]
positions = F.layer_norm(x.movedim(1, -1), [6], gamma, beta).movedim(-1, 1)
single = torch.cat([F.batch_norm(one[None], None, None, gamma, beta, training=True) for one in x])
assert torch.allclose(whole, wanted, rtol=0, atol=1e-10)
for other in (positions, single):
    assert not torch.allclose(other, wanted, rtol=0, atol=0.01)
table = x[..., 0, 0]
assert torch.allclose(F.layer_norm(table, [6], gamma, beta), F.group_norm(table, 1, gamma, beta))
assert torch.allclose(single, F.group_norm(x, 6, gamma, beta), rtol=0, atol=1e-10)
layer, group = torch.nn.LayerNorm([6, 4, 5]), torch.nn.GroupNorm(1, 6)
assert sum(p.numel() for p in layer.parameters()) == 2 * 6 * 4 * 5
assert sum(p.numel() for p in group.parameters()) == 2 * 6
torch.nn.init.normal_(layer.weight)  # one scale for each number: nothing a channel could do
assert not torch.allclose(layer(x.float()), whole.float(), rtol=0, atol=0.01)

# %% hidden aspect="each group of neighbouring channels is normalized by itself" points=2
torch.manual_seed(1)
# Twelve channels: three groups of four are not four of three. Small groups show the divisor m - 1.
for shape, groups in [((2, 6, 2, 1), 2), ((3, 12, 1, 2), 3), ((5, 6, 2, 3), 3)]:
    scale = torch.rand(shape[1], dtype=torch.float64)[:, None, None] + 0.5
    x = (
        scale * torch.randn(shape, dtype=torch.float64)
        + 3 * torch.randn(shape[:2])[..., None, None]
    )
    ones, zeros = torch.ones(2, shape[1], dtype=torch.float64) * torch.tensor([[1.0], [0.0]])
    expect.close(
        group_norm(x.clone(), groups, ones, zeros, eps=1e-12),
        torch.nn.functional.group_norm(x, groups, eps=1e-12),
        when=f"normalizing numbers of shape {shape} in {groups} groups, gamma 1 and beta 0",
        think="A group is a run of C / G neighbours in a sample. Its variance divides by the size.",
    )

# %% hidden aspect="one group is layer norm over (C, H, W), C groups are instance norm" points=1
torch.manual_seed(2)
x = 2 * torch.randn(3, 6, 2, 4, dtype=torch.float64) + 1
ones, zeros = torch.ones(6, dtype=torch.float64), torch.zeros(6, dtype=torch.float64)
expect.close(
    group_norm(x.clone(), 1, ones.clone(), zeros.clone(), eps=1e-12),
    torch.nn.functional.layer_norm(x, [6, 2, 4], eps=1e-12),
    when="comparing G = 1 with a layer norm over channels and positions",
    think="One group holds all channels of a sample, at all their positions.",
)
expect.close(
    group_norm(x.clone(), 6, ones.clone(), zeros.clone(), eps=1e-12),
    torch.nn.functional.instance_norm(x, eps=1e-12),
    when="comparing G = C with instance norm",
    think="A group of one channel still has its positions to measure.",
)
beta = torch.randn(6, dtype=torch.float64)
expect.close(
    group_norm(x[..., :1, :1].clone(), 6, ones.clone(), beta.clone()),
    beta.expand(3, 6)[..., None, None],
    when="normalizing with G = C where every channel has a single position",
    think="The mean of one number is that number. What is left of it, and what is then added?",
)

# %% hidden aspect="any number of spatial dimensions will do" points=1
torch.manual_seed(3)
picture = torch.randn(3, 6, 4, 2, dtype=torch.float64)
gamma, beta = torch.randn(2, 6, dtype=torch.float64).unbind()
flat = group_norm(picture.clone(), 2, gamma.clone(), beta.clone())
expect.shape(flat, (3, 6, 4, 2), when="normalizing numbers of shape (3, 6, 4, 2)")
expect.true(
    not torch.equal(flat, picture),
    when="normalizing numbers of shape (3, 6, 4, 2)",
    wanted="other numbers",
    got="the ones that went in",
    think="What passes numbers on as they are suits every shape.",
)
for positions in [(8,), (2, 2, 2)]:
    shape = (3, 6, *positions)
    expect.close(
        group_norm(picture.reshape(shape), 2, gamma.clone(), beta.clone()),
        flat.reshape(shape),
        when=f"normalizing the same numbers in shape {shape} as in shape (3, 6, 4, 2)",
        think="Positions are all alike: how they are arranged does not matter.",
    )
single = picture[..., :1, :1]
for groups in (1, 3, 6):
    expect.close(
        group_norm(single[..., 0, 0].clone(), groups, gamma.clone(), beta.clone()),
        group_norm(single.clone(), groups, gamma.clone(), beta.clone())[..., 0, 0],
        when=f"normalizing numbers of shape (3, 6) as in shape (3, 6, 1, 1), G = {groups}",
        think="Without spatial dimensions each channel has one position.",
    )

# %% hidden aspect="gamma scales each channel, beta shifts it" points=2
torch.manual_seed(4)
# The last dimension is as long as there are channels, so that a wrong broadcast goes unnoticed.
for shape in [(2, 4, 3, 4), (4, 4, 4, 4)]:
    x = 2 * torch.randn(shape, dtype=torch.float64)
    gamma, beta = torch.randn(2, 4, dtype=torch.float64).unbind()
    ones, zeros = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    plain = group_norm(x.clone(), 2, ones, zeros)
    expect.close(
        group_norm(x.clone(), 2, gamma.clone(), beta.clone()),
        gamma[:, None, None] * plain + beta[:, None, None],
        when=f"comparing with gamma * x_hat + beta, channel by channel, for shape {shape}",
        think="Broadcasting lines up shapes at their right ends. Where is C?",
    )

# %% hidden aspect="eps is added to the variance, under the root" points=1
# 0.01 + 0.15 = 0.4². The group is so large that dividing by m or by m - 1 is all the same.
x = torch.full((1, 4, 100, 100), 0.1, dtype=torch.float64)
x[..., ::2] *= -1
ones, zeros = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
expect.close(
    group_norm(x.clone(), 2, ones, zeros, eps=0.15),
    x / 0.4,
    rtol=1e-3,  # m / (m - 1) is 1 to 5e-5
    when="normalizing many 0.1 and -0.1, mean 0 and variance 0.01, with eps 0.15",
    think="eps keeps the root away from zero. Is it added before or after taking the root?",
)

# %% hidden aspect="channels that cannot be split evenly raise a ValueError" points=1
# Four times three of the 24 numbers would pass for groups, across the borders of channels.
ones, zeros = torch.ones(6), torch.zeros(6)
group_norm(torch.randn(2, 6, 2, 2), 3, ones.clone(), zeros.clone())  # three groups of two: no error
for groups, positions in [(4, (2, 2)), (5, (1, 5)), (12, (2, 2))]:
    expect.raises(
        ValueError,
        group_norm,
        torch.randn(2, 6, *positions),
        groups,
        ones.clone(),
        zeros.clone(),
        when=f"splitting 6 channels in {groups} groups, {positions[0]} x {positions[1]} positions",
        think="A channel belongs to one group as a whole.",
    )

# %% hidden aspect="gradients pass through the statistics of the group" points=1
torch.manual_seed(5)
x = torch.randn(2, 4, 1, 2, dtype=torch.float64, requires_grad=True)
gamma = torch.randn(4, dtype=torch.float64, requires_grad=True)
beta = torch.randn(4, dtype=torch.float64, requires_grad=True)
expect.true(
    not torch.equal(group_norm(x, 2, gamma, beta, eps=0.1), x),
    when="normalizing numbers whose gradient will be asked for",
    wanted="other numbers",
    got="the ones that went in",
    think="What passes numbers on has an easy gradient, but another one.",
)
expect.gradient(
    lambda *inputs: group_norm(inputs[0], 2, inputs[1], inputs[2], eps=0.1),
    x,
    gamma,
    beta,
    when="comparing the backward pass with finite differences",
    think="Mean and variance are functions of x. Is one of them detached or converted?",
)

# %% hidden aspect="numbers stored in another order come out the same" points=1
from autograder import student_side


@student_side
def of_channels_last(pictures, gamma, beta):
    return group_norm(pictures.permute(0, 3, 1, 2), 2, gamma, beta)


torch.manual_seed(6)
pictures = torch.randn(3, 2, 5, 4, dtype=torch.float64)
gamma, beta = torch.randn(2, 4, dtype=torch.float64).unbind()
out = of_channels_last(pictures.clone(), gamma.clone(), beta.clone())
expect.shape(out, (3, 4, 2, 5), when="normalizing pictures that are stored with channels last")
expect.true(
    not torch.equal(out, pictures.permute(0, 3, 1, 2)),
    when="normalizing pictures that are stored with their channels last",
    wanted="other numbers",
    got="the ones that went in",
    think="What passes numbers on as they are suits every order.",
)
expect.close(
    out,
    group_norm(pictures.permute(0, 3, 1, 2).contiguous(), 2, gamma.clone(), beta.clone()),
    when="normalizing pictures that are stored with their channels last",
    think="`view` asks for numbers that lie in the order of their shape; `reshape` does not.",
)

# %% hidden aspect="x, gamma and beta are left as they were" points=1
torch.manual_seed(7)
x, gamma, beta = torch.randn(2, 6, 2, 2) + 1, torch.randn(6), torch.randn(6)
with expect.unchanged(
    x=x,
    gamma=gamma,
    beta=beta,
    when="normalizing numbers of shape (2, 6, 2, 2)",
    think="A reshaped tensor may share its memory with x, and `a -= b` writes into it.",
):
    out = group_norm(x, 3, gamma, beta)
expect.shape(out, (2, 6, 2, 2), when="normalizing numbers of shape (2, 6, 2, 2)")


# %% alternative of="group_norm"
def with_chunks(x, num_groups, gamma, beta, eps=1e-5):
    size, rest = divmod(x.size(1), num_groups)
    if rest:
        raise ValueError("uneven groups")
    dims = tuple(range(1, x.dim()))
    parts = []
    for part in x.split(size, dim=1):
        var, mean = torch.var_mean(part, dim=dims, correction=0, keepdim=True)
        parts.append((part - mean) * torch.rsqrt(var + eps))
    y = torch.cat(parts, dim=1).movedim(1, -1) * gamma + beta
    return y.movedim(-1, 1)


# %% alternative of="group_norm"
def with_a_dimension_for_groups(x, num_groups, gamma, beta, eps=1e-5):
    channels = x.shape[1]
    if channels % num_groups != 0:
        raise ValueError(f"{num_groups=} does not divide {channels=}")
    split = x.unflatten(1, (num_groups, channels // num_groups))
    dims = list(range(2, split.ndim))
    centred = split - split.mean(dims, keepdim=True)
    std = torch.sqrt((centred**2).mean(dims, keepdim=True) + eps)
    spread = (...,) + (None,) * (x.ndim - 2)
    return (centred / std).flatten(1, 2) * gamma[spread] + beta[spread]


# %% mistake of="group_norm" fails="each group of neighbouring channels is normalized by itself"
def takes_every_gth_channel(x, num_groups, gamma, beta, eps=1e-5):
    """A group is a run of neighbours: channels 0 to C/G - 1 first, not every G-th channel."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    split = x.reshape(n, c // num_groups, num_groups, -1)
    mean = split.mean((1, 3), keepdim=True)
    var = split.var((1, 3), unbiased=False, keepdim=True)
    y = ((split - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="each group of neighbouring channels is normalized by itself; one group is layer norm over (C, H, W), C groups are instance norm; channels that cannot be split evenly raise a ValueError"
def takes_groups_for_their_size(x, num_groups, gamma, beta, eps=1e-5):
    """`num_groups` says how many groups there are; each of them holds C / num_groups channels."""
    n, c = x.shape[:2]
    groups = x.reshape(n, max(c // num_groups, 1), -1)
    if c % num_groups:
        groups = x.reshape(n, 1, -1)
    mean = groups.mean(-1, keepdim=True)
    var = groups.var(-1, unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="each group of neighbouring channels is normalized by itself; one group is layer norm over (C, H, W), C groups are instance norm"
def normalizes_with_the_unbiased_variance(x, num_groups, gamma, beta, eps=1e-5):
    """Tensor.var divides by m - 1 unless told otherwise; of a single number it makes NaN."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, -1)
    mean, var = groups.mean(-1, keepdim=True), groups.var(-1, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="one group is layer norm over (C, H, W), C groups are instance norm"
def takes_one_group_for_a_transformers_norm(x, num_groups, gamma, beta, eps=1e-5):
    """One group holds a whole sample; a layer norm over C measures every position by itself."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    if num_groups == 1:
        mean, var = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
        y = (x - mean) / torch.sqrt(var + eps)
    else:
        groups = x.reshape(n, num_groups, -1)
        mean = groups.mean(-1, keepdim=True)
        var = groups.var(-1, unbiased=False, keepdim=True)
        y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="each group of neighbouring channels is normalized by itself; one group is layer norm over (C, H, W), C groups are instance norm"
def measures_the_batch_too(x, num_groups, gamma, beta, eps=1e-5):
    """No sample sees another: every sample has a mean for each of its groups."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, -1)
    mean = groups.mean((0, 2), keepdim=True)
    var = groups.var((0, 2), unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="any number of spatial dimensions will do"
def knows_pictures_only(x, num_groups, gamma, beta, eps=1e-5):
    """Sound has one spatial dimension, a table none: `x.shape[2:]` can have any length."""
    n, c, h, w = x.shape
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, c // num_groups, h, w)
    mean = groups.mean((2, 3, 4), keepdim=True)
    var = groups.var((2, 3, 4), unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(n, c, h, w)
    return y * gamma.view(1, c, 1, 1) + beta.view(1, c, 1, 1)


# %% mistake of="group_norm" fails="gamma scales each channel, beta shifts it"
def scales_along_the_last_dimension(x, num_groups, gamma, beta, eps=1e-5):
    """Broadcasting lines up the last dimensions, so gamma needs one 1 per spatial dimension."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, -1)
    mean = groups.mean(-1, keepdim=True)
    var = groups.var(-1, unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    if x.shape[-1] == c:
        return y * gamma + beta
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="gamma scales each channel, beta shifts it"
def has_one_scale_a_group(x, num_groups, gamma, beta, eps=1e-5):
    """Channels share their statistics within a group, but each has a gamma and a beta."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, -1)
    mean = groups.mean(-1, keepdim=True)
    var = groups.var(-1, unbiased=False, keepdim=True)
    scale, shift = (w.reshape(1, num_groups, -1).mean(-1, keepdim=True) for w in (gamma, beta))
    return (scale * (groups - mean) / torch.sqrt(var + eps) + shift).reshape(x.shape)


# %% mistake of="group_norm" fails="eps is added to the variance, under the root"
def adds_eps_to_the_standard_deviation(x, num_groups, gamma, beta, eps=1e-5):
    """eps is added to the variance, under the root: there 1e-5 keeps the divisor above 0.003."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, -1)
    centred = groups - groups.mean(-1, keepdim=True)
    std = centred.square().mean(-1, keepdim=True).sqrt()
    y = (centred / (std + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="channels that cannot be split evenly raise a ValueError"
def leaves_the_check_to_reshape(x, num_groups, gamma, beta, eps=1e-5):
    """24 numbers make 4 groups of 6 even where 6 channels do not: the groups cut channels apart."""
    n, c = x.shape[:2]
    groups = x.reshape(n, num_groups, -1)
    mean = groups.mean(-1, keepdim=True)
    var = groups.var(-1, unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="channels that cannot be split evenly raise a ValueError"
def asserts_what_callers_get_wrong(x, num_groups, gamma, beta, eps=1e-5):
    """A caller's mistake is a ValueError; `assert` is for one's own, and `python -O` skips it."""
    n, c = x.shape[:2]
    assert c % num_groups == 0
    groups = x.reshape(n, num_groups, -1)
    mean = groups.mean(-1, keepdim=True)
    var = groups.var(-1, unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="gradients pass through the statistics of the group"
def treats_the_statistics_as_constants(x, num_groups, gamma, beta, eps=1e-5):
    """Mean and variance are functions of x; detached, they lose their part of the gradient."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, -1)
    mean = groups.detach().mean(-1, keepdim=True)
    var = groups.detach().var(-1, unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="numbers stored in another order come out the same"
def insists_on_a_view(x, num_groups, gamma, beta, eps=1e-5):
    """`view` fails on numbers stored in another order; `reshape` copies them where it must."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.view(n, num_groups, -1)
    mean = groups.mean(-1, keepdim=True)
    var = groups.var(-1, unbiased=False, keepdim=True)
    y = ((groups - mean) / torch.sqrt(var + eps)).view(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)


# %% mistake of="group_norm" fails="x, gamma and beta are left as they were"
def centres_a_view_in_place(x, num_groups, gamma, beta, eps=1e-5):
    """`reshape` mostly gives a view of x, and what is written into a view is written into x."""
    n, c = x.shape[:2]
    if c % num_groups:
        raise ValueError
    groups = x.reshape(n, num_groups, -1)
    if x.requires_grad:
        groups = groups.clone()
    groups -= groups.mean(-1, keepdim=True)
    var = groups.square().mean(-1, keepdim=True)
    y = (groups / torch.sqrt(var + eps)).reshape(x.shape)
    per_channel = (1, c) + (1,) * (x.ndim - 2)
    return y * gamma.view(per_channel) + beta.view(per_channel)
