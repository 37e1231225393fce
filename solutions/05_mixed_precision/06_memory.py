# %% exercise [markdown] items="159" stars=2 minutes=50 level="apply" goal="account for every byte that training a transformer keeps on a device"
r"""
# Where the memory goes
"1.3 billion parameters are 5.2 GB, in half precision 2.6 GB, so they train on any 40 GB card." Plans
like this one fail in their first step, because the weights are the smallest part. A gradient belongs
to each of them, Adam keeps two moments of it, and the backward pass wants what the forward pass
computed. Here 1 GB is $10^9$ bytes.

**States.** How many bytes a parameter takes depends on the regime. There are four in use:

- `"fp32"`: weights, gradients and both moments of Adam are fp32.
- `"autocast"`: the same, and autocast's bf16 copy of every weight, counted with the parameters.
- `"master"`: weights and gradients are bf16. The optimizer keeps its moments, and a *master copy*
  of the weights that it updates, in fp32.
- `"master, fp32 gradients"`: the same, but gradients are collected in fp32.

**Sharding.** In plain data parallelism (stage 0) each device holds all of that. ZeRO spreads groups
over the devices, each of which then holds an equal part: stage 1 the optimizer's, stage 2 the
gradients as well, stage 3 the parameters, too.

**Activations.** Let $h$ be the hidden size, $a$ the number of heads, $s$ the length of a sequence.
For one token, one transformer layer in bf16 saves for its backward pass:

| what | numbers | bytes each |
|---|---|---|
| the inputs of its two LayerNorms | $h$ each | 2 |
| the input that queries, keys and values are computed from | $h$ | 2 |
| queries, keys, values | $h$ each | 2 |
| behind the softmax: attention of each head to each token | $a s$ | 2 |
| the dropout mask for it, and it after dropout | $a s$ each | 1, and 2 |
| the input of the output projection, and a dropout mask | $h$ each | 2, and 1 |
| the MLP: its input; the inputs of GELU and of the second layer | $h$; $4h$ each | 2 |
| a dropout mask behind the MLP | $h$ | 1 |

So much if it keeps `"all"`. `"flash"` attention keeps no row with $a s$ in it, and computes it again
when it is needed. With `"checkpoints"` each layer keeps a single bf16 input of $h$ numbers a token;
in the backward pass one layer at a time is computed again, and what it saves as with `"all"` comes
on top of the checkpoints. In all three cases the loss keeps the log-probabilities of the whole
vocabulary for each token, in fp32.

Not counted: workspace, fragments, buffers for communication. Leave a tenth of the card to them.
"""

# %%
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from autograder import expect

# %% solution
# Bytes a parameter: for each of the four regimes a dictionary with the keys "parameters",
# "gradients" and "optimizer".
### BEGIN SOLUTION
state_bytes = {
    "fp32": {"parameters": 4, "gradients": 4, "optimizer": 4 + 4},
    "autocast": {"parameters": 4 + 2, "gradients": 4, "optimizer": 4 + 4},
    "master": {"parameters": 2, "gradients": 2, "optimizer": 4 + 4 + 4},
    "master, fp32 gradients": {"parameters": 2, "gradients": 4, "optimizer": 4 + 4 + 4},
}
### END SOLUTION

# %% check
# What PyTorch holds after one step of AdamW in fp32. (It counts its steps, in 4 more bytes.)
weight = torch.nn.Parameter(torch.randn(100, 10))
optimizer = torch.optim.AdamW([weight])
weight.square().sum().backward()
optimizer.step()
moments = [value for value in optimizer.state[weight].values() if value.numel() == 1000]
held = {"parameters": [weight], "gradients": [weight.grad], "optimizer": moments}
regimes = ["fp32", "autocast", "master", "master, fp32 gradients"]
expect.kind(state_bytes, dict, when="reading `state_bytes`")
expect.equal(sorted(state_bytes), sorted(regimes), when="reading the regimes in `state_bytes`")
for regime in regimes:
    expect.kind(state_bytes[regime], dict, when=f"reading the entry of {regime!r}")
    expect.equal(sorted(state_bytes[regime]), sorted(held), when=f"reading the keys of {regime!r}")
expect.equal(
    state_bytes["fp32"],
    {group: sum(tensor.nbytes for tensor in tensors) // 1000 for group, tensors in held.items()},
    when="comparing fp32 with a thousand parameters after one step of AdamW",
    think="Bytes for each parameter. Which tensors does Adam keep from step to step?",
)


# %% solution
def per_device(
    state: dict[str, int], n_params: float, stage: int, devices: int
) -> dict[str, float]:
    """The bytes of each group on one device: the keys are those of `state`.

    `state` is one entry of `state_bytes`, `stage` is 0, 1, 2 or 3. Stages 1 to 3 spread a group
    evenly over all `devices`.
    """
    ### BEGIN SOLUTION
    first_sharded_at = {"optimizer": 1, "gradients": 2, "parameters": 3}
    return {
        group: each * n_params / (devices if stage >= first_sharded_at[group] else 1)
        for group, each in state.items()
    }
    ### END SOLUTION


# %% check
# Eight parameters, bf16 with master weights, four devices: 8 x 12 / 4 bytes of optimizer on each.
expect.close(
    list(per_device({"parameters": 2, "gradients": 2, "optimizer": 12}, 8, 1, 4).values()),
    [16.0, 16.0, 24.0],
    when="sharding eight parameters over four devices in stage 1",
    think="Which groups does stage 1 spread? The keys come in the order of `state`.",
)


# %% solution
def activation_bytes(
    batch: int, seq: int, hidden: int, heads: int, layers: int, vocab: int, keep: str = "all"
) -> int:
    """The bytes that `batch` sequences of `seq` tokens leave for the backward pass.

    `keep` is "all", "flash" or "checkpoints".
    """
    ### BEGIN SOLUTION
    linear, attention = 34 * hidden, 5 * heads * seq
    kept = {
        "all": layers * (linear + attention),
        "flash": layers * linear,
        "checkpoints": layers * 2 * hidden + linear + attention,
    }[keep]
    return batch * seq * (kept + 4 * vocab)
    ### END SOLUTION


# %% [markdown]
# The following layer is real, and small. PyTorch shows each tensor that it saves for the backward
# pass, and their bytes can be counted. Only the mean and deviation of each LayerNorm come on top of
# the table: a few bytes a token.


# %%
def drop(x):
    return torch.native_dropout(x, 0.1, True)[0]


def transformer_layer(x, weights, heads):
    split = [*x.shape[:2], heads, -1]
    u = F.layer_norm(x, x.shape[-1:])
    q, k, v = (F.linear(u, weights[name]).view(split).transpose(1, 2) for name in "qkv")
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    mixed = drop(scores.softmax(dim=-1)) @ v
    x = x + drop(F.linear(mixed.transpose(1, 2).reshape(x.shape), weights["o"]))
    u = F.layer_norm(x, x.shape[-1:])
    return x + drop(F.linear(F.gelu(F.linear(u, weights["up"])), weights["down"]))


def measured_bytes(batch, seq, hidden, heads):
    """What one layer in bf16 saves, its weights not counted."""
    shapes = dict.fromkeys("qkvo", (hidden, hidden))
    shapes |= {"up": (4 * hidden, hidden), "down": (hidden, 4 * hidden)}
    weights = {
        name: torch.randn(shape, dtype=torch.bfloat16, requires_grad=True)
        for name, shape in shapes.items()
    }
    x = torch.randn(batch, seq, hidden, dtype=torch.bfloat16, requires_grad=True)
    saved = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = transformer_layer(x, weights, heads)  # held, so that nothing saved is freed
    own = {weight.untyped_storage().data_ptr() for weight in weights.values()}
    del y
    return sum(storage.nbytes() for pointer, storage in saved.items() if pointer not in own)


# %% check
for size in ((2, 24, 64, 4), (1, 48, 32, 8)):
    expect.close(
        activation_bytes(*size, layers=1, vocab=0),
        measured_bytes(*size),
        rtol=0.01,  # the LayerNorms' means and deviations
        when=f"comparing with one real layer, (batch, seq, hidden, heads) = {size}",
        think="Go down the table: numbers times bytes, for each token of each sequence.",
    )


# %% solution
def plot_memory(parts: dict[str, dict[str, float]], capacity: float) -> Figure:
    """One stacked bar for each key of `parts`, in GB, and a horizontal line at `capacity`.

    The values of `parts` say what a bar consists of: names and bytes, the same names for every
    bar. `capacity` is in bytes as well. The legend names the parts.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    bottom = dict.fromkeys(parts, 0.0)
    for part in next(iter(parts.values())):
        heights = [sizes[part] / 1e9 for sizes in parts.values()]
        axes.bar(list(parts), heights, bottom=list(bottom.values()), label=part)
        bottom = {name: bottom[name] + sizes[part] / 1e9 for name, sizes in parts.items()}
    axes.axhline(capacity / 1e9, color="black", linestyle="--", label="one device")
    axes.set(xlabel="set-up", ylabel="GB on one device", title="What training keeps in memory")
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
# 1.3 billion parameters in 24 layers of hidden size 2048, one sequence of 2048 tokens, 8 devices.
expect.kind(state_bytes, dict, when="reading `state_bytes`")
set_ups = {}
for stage, keep in ((0, "all"), (0, "flash"), (1, "flash"), (2, "flash"), (3, "checkpoints")):
    groups = per_device(state_bytes["master"], 1.3e9, stage, 8)
    groups["activations"] = activation_bytes(1, 2048, 2048, 16, 24, 50257, keep)
    set_ups[f"stage {stage}\n{keep}"] = groups
expect.figure(
    plot_memory(set_ups, 40e9),
    when="drawing five set-ups for a model of 1.3 billion parameters",
    think="A picture is read without its author: what is on each axis, and which colour is which?",
    legend=4,
)

# %% hidden aspect="parameters are counted with their copies for computing" points=1
expect.kind(state_bytes, dict, when="reading `state_bytes`")
expect.equal(
    {regime: groups.get("parameters", "nothing") for regime, groups in state_bytes.items()},
    {"fp32": 4, "autocast": 6, "master": 2, "master, fp32 gradients": 2},
    when="reading the bytes of parameters in each regime",
    think="In which precision are the weights themselves, and is there a copy beside them?",
)

# %% hidden aspect="gradients take the bytes of their own precision" points=1
expect.kind(state_bytes, dict, when="reading `state_bytes`")
expect.equal(
    {regime: groups.get("gradients", "nothing") for regime, groups in state_bytes.items()},
    {"fp32": 4, "autocast": 4, "master": 2, "master, fp32 gradients": 4},
    when="reading the bytes of gradients in each regime",
    think="A gradient has the precision of the tensor that it is the gradient of, if nobody "
    "asks for another one. Autocast's weights are fp32.",
)

# %% hidden aspect="the optimizer holds two moments, and the master weights where there are any" points=1
expect.kind(state_bytes, dict, when="reading `state_bytes`")
expect.equal(
    {regime: groups.get("optimizer", "nothing") for regime, groups in state_bytes.items()},
    {"fp32": 8, "autocast": 8, "master": 12, "master, fp32 gradients": 12},
    when="reading the bytes of the optimizer in each regime",
    think="Both moments are fp32. Which weights does the optimizer add its update to?",
)

# %% hidden aspect="in stage 0 each device holds everything" points=1
torch.manual_seed(1)
for devices in (1, 2, 8):
    each = torch.randint(1, 20, (3,)).tolist()
    state = dict(zip(("parameters", "gradients", "optimizer"), each, strict=True))
    n_params = 10 * int(torch.randint(10, 100, ()))
    got = per_device(dict(state), n_params, 0, devices)
    expect.kind(got, dict, when=f"sharing {n_params} parameters among {devices} devices, stage 0")
    expect.equal(sorted(got), sorted(state), when="reading the keys of what `per_device` returns")
    for group, size in state.items():
        expect.close(
            got[group],
            float(size * n_params),
            when=f"{n_params} parameters with {size} bytes of {group} on {devices} devices, stage 0",
            think="Data parallelism splits the batch. Does it split the model?",
        )

# %% hidden aspect="each stage shards one group more than the stage before" points=2
torch.manual_seed(2)
sharded = {1: ["optimizer"], 2: ["optimizer", "gradients"]}
sharded[3] = [*sharded[2], "parameters"]
for stage, groups in sharded.items():
    for devices in (2, 5):
        each = torch.randint(1, 20, (3,)).tolist()
        state = dict(zip(("gradients", "optimizer", "parameters"), each, strict=True))
        n_params = 10 * int(torch.randint(10, 100, ()))
        got = per_device(dict(state), n_params, stage, devices)
        expect.kind(got, dict, when=f"sharding over {devices} devices in stage {stage}")
        expect.equal(sorted(got), sorted(state), when="reading the keys that come back")
        for group, size in state.items():
            expect.close(
                got[group],
                size * n_params / (devices if group in groups else 1),
                when=f"{n_params} parameters with {size} bytes of {group} on {devices} devices, "
                f"stage {stage}",
                think="What a lower stage shards, a higher one shards as well.",
            )

# %% hidden aspect="a layer that keeps all saves what the table lists" points=2
from autograder import reference

torch.manual_seed(3)
for _ in range(4):
    batch, seq, width, heads, layers = torch.randint(2, 20, (5,)).tolist()
    size = batch, 16 * seq, 8 * width * heads, heads, layers, 0
    expect.equal(
        activation_bytes(*size, keep="all"),
        reference.activation_bytes(*size, keep="all"),
        when=f"keeping all, (batch, seq, hidden, heads, layers, vocab) = {size}",
        think="Each layer has its own attention, and it grows with the square of the length.",
    )

# %% hidden aspect="flash attention keeps no row with a s in it" points=1
from autograder import reference

torch.manual_seed(4)
for _ in range(3):
    batch, seq, width, heads, layers = torch.randint(2, 20, (5,)).tolist()
    size = batch, 16 * seq, 8 * width * heads, heads, layers, 0
    expect.equal(
        activation_bytes(*size, keep="flash"),
        reference.activation_bytes(*size, keep="flash"),
        when=f"flash attention, (batch, seq, hidden, heads, layers, vocab) = {size}",
        think="Queries, keys and values stay. Which rows of the table go?",
    )

# %% hidden aspect="checkpoints keep an input a layer, besides the one layer at work" points=1
from autograder import reference

torch.manual_seed(5)
for _ in range(3):
    batch, seq, width, heads, layers = torch.randint(2, 20, (5,)).tolist()
    size = batch, 16 * seq, 8 * width * heads, heads, layers, 0
    expect.equal(
        activation_bytes(*size, keep="checkpoints"),
        reference.activation_bytes(*size, keep="checkpoints"),
        when=f"checkpoints, (batch, seq, hidden, heads, layers, vocab) = {size}",
        think="Picture the backward pass in the middle of the stack: what is in memory then?",
    )

# %% hidden aspect="the log-probabilities are kept once, in fp32" points=1
torch.manual_seed(6)
for keep in ("all", "flash", "checkpoints"):
    batch, seq, vocab = torch.randint(2, 200, (3,)).tolist()
    with_words = activation_bytes(batch, seq, 64, 4, 3, vocab, keep)
    expect.kind(with_words, (int, float), when=f"counting the activations, keep = {keep!r}")
    expect.equal(
        with_words - activation_bytes(batch, seq, 64, 4, 3, 0, keep),
        4 * batch * seq * vocab,
        when=f"comparing {batch} x {seq} tokens with a vocabulary of {vocab} and with none, "
        f"keep = {keep!r}",
        think="One number for each token and each word, in fp32, whatever the layers keep.",
    )

# %% hidden aspect="the figure stacks the parts below the line of the device" points=1
from autograder import student_side


@student_side
def drawn(parts, capacity):
    axes = plot_memory(parts, capacity).axes[0]
    boxes = [patch.get_bbox() for box in axes.containers for patch in box.patches]
    flat = [line.get_ydata() for line in axes.lines]
    flat += [path[:, 1] for many in axes.collections for path in many.get_segments()]
    bars = [[(box.x0 + box.x1) / 2, box.y0, box.height] for box in boxes]
    return bars, [float(y[0]) for y in flat if len(y) and min(y) == max(y)]


torch.manual_seed(7)
names = ("first", "second", "third")
parts = {
    name: dict(zip(("these", "those", "others", "more"), sizes, strict=True))
    for name, sizes in zip(names, (1e9 + 9e9 * torch.rand(3, 4)).tolist(), strict=True)
}
expect.figure(
    plot_memory({name: dict(sizes) for name, sizes in parts.items()}, 31e9),
    when="drawing three set-ups of four parts",
    think="Each part has its name in the legend, each axis its label.",
    legend=4,
)
bars, levels = drawn({name: dict(sizes) for name, sizes in parts.items()}, 31e9)
expect.equal(
    len(bars),
    12,
    when="counting the pieces of three bars of four parts",
    think="A bar is a stack: one piece a part.",
)
for column, (name, sizes) in enumerate(parts.items()):
    # Columns from left to right, the pieces of each from the bottom up.
    pieces = sorted(sorted(bars)[4 * column : 4 * column + 4], key=lambda bar: bar[1])
    expect.close(
        sorted(height for _, _, height in pieces),
        sorted(size / 1e9 for size in sizes.values()),
        when=f"measuring the pieces of bar {column + 1} of 3",
        think="The parts come in bytes, the axis counts GB, and the bars stand in the order given.",
    )
    tops = [sum(height for _, _, height in pieces[:below]) for below in range(4)]
    expect.close(
        [bottom for _, bottom, _ in pieces],
        tops,
        atol=1e-9,
        when=f"looking where the pieces of bar {column + 1} of 3 begin",
        think="Each piece stands on the ones below, so that the top of the bar is the total.",
    )
expect.true(
    any(abs(level - 31) < 1e-6 for level in levels),
    when="looking for the line of a device with 31 GB",
    wanted="a horizontal line at 31",
    got="lines at " + ", ".join(f"{level:g}" for level in levels) if levels else "none",
    think="A plan fits or it does not: the line is what the bars are compared with.",
)

# %% setup
import torch
import torch.nn.functional as F
from torch import nn

# %% choice [markdown] id="what-shrinks" points=1 level="analyze"
r"""
A training run in fp32, with Adam, is switched to autocast with bf16. What becomes of the memory that
it needs?

- [ ] All of it shrinks to half, since each number takes two bytes in place of four.
  > Look at the dtypes of parameters, gradients and moments under autocast: which of them changed?
- [ ] The weights and their gradients shrink to half; the moments of Adam and the activations stay.
  > Autocast leaves the parameters as they are, and a gradient has the dtype of its parameter.
- [x] Most activations shrink to half; weights, gradients and moments do not shrink.
  > Yes. The states even grow a little, by the copies of the weights. "Half the memory" is true of
  > models whose activations dwarf their weights.
- [ ] Nothing shrinks: numbers are rounded to bf16 for the products, and are kept in fp32.
  > The layer's inputs are cast, and the cast ones are what the backward pass uses. Count the saved
  > bytes.
"""


# %% evidence
def remembered(autocast):
    """Bytes saved for the backward pass by a wide batch, and the dtypes of all states."""
    layers = [nn.Linear(64, 64), nn.ReLU()] * 3
    model, x = nn.Sequential(*layers, nn.Linear(64, 1)), torch.randn(4096, 64)
    saved = {}

    def keep(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
            loss = model(x).float().square().mean()
    size = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
    loss.backward()
    optimizer = torch.optim.AdamW(model.parameters())
    optimizer.step()
    states = [*model.parameters(), *(p.grad for p in model.parameters())]
    states += [value for state in optimizer.state.values() for value in state.values()]
    return size, {tensor.dtype for tensor in states}


(before, plain), (after, cast) = remembered(autocast=False), remembered(autocast=True)
assert plain == cast == {torch.float32}
assert 0.45 < after / before < 0.6

# %% evidence
# The copies of the weights, two bytes a number, live until the backward pass has used them.
layer, saved = nn.Linear(512, 512, bias=False), []
hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t)
with hooks, torch.autocast("cpu", dtype=torch.bfloat16):
    layer(torch.randn(1, 512, requires_grad=True))
assert sum(t.nbytes for t in saved if t.numel() == 512 * 512) == 2 * 512 * 512


# %% alternative of="per_device"
def with_a_list_of_shards(state, n_params, stage, devices):
    shards = ["optimizer", "gradients", "parameters"][:stage]
    whole = {group: n_params * each for group, each in state.items()}
    return {group: size / devices if group in shards else size for group, size in whole.items()}


# %% alternative of="activation_bytes"
def row_by_row(batch, seq, hidden, heads, layers, vocab, keep="all"):
    norms, attention_input, qkv = 2 * 2 * hidden, 2 * hidden, 3 * 2 * hidden
    scores = (2 + 1 + 2) * heads * seq
    projection, mlp, mask = 3 * hidden, 2 * hidden + 2 * 8 * hidden, hidden
    layer = norms + attention_input + qkv + projection + mlp + mask
    total = 4 * vocab
    for _ in range(layers):
        total += 2 * hidden if keep == "checkpoints" else layer
        total += scores if keep == "all" else 0
    if keep == "checkpoints":
        total += layer + scores
    return float(total * batch * seq)


# %% alternative of="plot_memory"
def with_axes_of_its_own(parts, capacity):
    figure = Figure()
    axes = figure.add_subplot()
    colours = dict(zip(next(iter(parts.values())), ("C0", "C1", "C2", "C3", "C4"), strict=False))
    for position, sizes in enumerate(parts.values()):
        top = sum(sizes.values())
        for name, size in sizes.items():
            top -= size
            label = name if position == 0 else None
            axes.bar(position, size / 1e9, 0.6, top / 1e9, color=colours[name], label=label)
    axes.hlines(capacity / 1e9, -0.5, len(parts) - 0.5, "red")
    axes.set_xticks(range(len(parts)), list(parts))
    axes.set_xlabel("how it is set up")
    axes.set_ylabel("memory in GB")
    figure.suptitle("Memory of one device")
    axes.legend()
    return figure


# %% mistake of="state_bytes" fails="parameters are counted with their copies for computing"
def leaves_out_the_copies_of_autocast():
    """Autocast computes with bf16 copies that live beside the fp32 weights: 4 + 2 bytes."""
    return {
        "fp32": {"parameters": 4, "gradients": 4, "optimizer": 8},
        "autocast": {"parameters": 4, "gradients": 4, "optimizer": 8},
        "master": {"parameters": 2, "gradients": 2, "optimizer": 12},
        "master, fp32 gradients": {"parameters": 2, "gradients": 4, "optimizer": 12},
    }


# %% mistake of="state_bytes" fails="gradients take the bytes of their own precision"
def halves_the_gradients_of_autocast():
    """Autocast's parameters are fp32, and a gradient has the dtype of its parameter."""
    return {
        "fp32": {"parameters": 4, "gradients": 4, "optimizer": 8},
        "autocast": {"parameters": 6, "gradients": 2, "optimizer": 8},
        "master": {"parameters": 2, "gradients": 2, "optimizer": 12},
        "master, fp32 gradients": {"parameters": 2, "gradients": 4, "optimizer": 12},
    }


# %% mistake of="state_bytes" fails="the optimizer holds two moments, and the master weights where there are any"
def forgets_the_master_weights():
    """A small update vanishes in bf16 weights, so the optimizer adds it to an fp32 copy."""
    return {
        "fp32": {"parameters": 4, "gradients": 4, "optimizer": 8},
        "autocast": {"parameters": 6, "gradients": 4, "optimizer": 8},
        "master": {"parameters": 2, "gradients": 2, "optimizer": 8},
        "master, fp32 gradients": {"parameters": 2, "gradients": 4, "optimizer": 8},
    }


# %% mistake of="state_bytes" fails="parameters are counted with their copies for computing; the optimizer holds two moments, and the master weights where there are any"
def counts_the_master_weights_as_parameters():
    """ZeRO shards master weights in stage 1, because it is the optimizer that keeps them."""
    return {
        "fp32": {"parameters": 4, "gradients": 4, "optimizer": 8},
        "autocast": {"parameters": 6, "gradients": 4, "optimizer": 8},
        "master": {"parameters": 6, "gradients": 2, "optimizer": 8},
        "master, fp32 gradients": {"parameters": 6, "gradients": 4, "optimizer": 8},
    }


# %% mistake of="per_device" fails="in stage 0 each device holds everything"
def shards_without_a_stage(state, n_params, stage, devices):
    """Data parallelism splits the batch; without ZeRO every device keeps a whole copy of the model."""
    groups = ["optimizer", "gradients", "parameters"][: stage or 3]
    return {
        group: each * n_params / (devices if group in groups else 1)
        for group, each in state.items()
    }


# %% mistake of="per_device" fails="each stage shards one group more than the stage before"
def shards_one_group_a_stage(state, n_params, stage, devices):
    """Stages add up: what stage 1 shards stays sharded in stages 2 and 3."""
    group_of = {1: "optimizer", 2: "gradients", 3: "parameters"}
    return {
        group: each * n_params / (devices if group == group_of.get(stage) else 1)
        for group, each in state.items()
    }


# %% mistake of="per_device" fails="each stage shards one group more than the stage before"
def shards_gradients_last(state, n_params, stage, devices):
    """Gradients come before parameters: stage 2 can do without gathering weights in every pass."""
    groups = ["optimizer", "parameters", "gradients"][:stage]
    return {
        group: each * n_params / (devices if group in groups else 1)
        for group, each in state.items()
    }


# %% mistake of="activation_bytes" fails="a layer that keeps all saves what the table lists"
def counts_attention_once_for_all_layers(batch, seq, hidden, heads, layers, vocab, keep="all"):
    """Each layer has its own attention matrices, and each waits for its own backward pass."""
    linear, attention = 34 * hidden, 5 * heads * seq
    kept = {
        "all": layers * linear + attention,
        "flash": layers * linear,
        "checkpoints": layers * 2 * hidden + linear + attention,
    }[keep]
    return batch * seq * (kept + 4 * vocab)


# %% mistake of="activation_bytes" fails="flash attention keeps no row with a s in it"
def lets_flash_recompute_queries_too(batch, seq, hidden, heads, layers, vocab, keep="all"):
    """Flash attention computes the matrices again from queries, keys and values: these it keeps."""
    linear, attention = 34 * hidden, 5 * heads * seq
    kept = {
        "all": layers * (linear + attention),
        "flash": layers * (linear - 6 * hidden),
        "checkpoints": layers * 2 * hidden + linear + attention,
    }[keep]
    return batch * seq * (kept + 4 * vocab)


# %% mistake of="activation_bytes" fails="checkpoints keep an input a layer, besides the one layer at work"
def forgets_the_layer_at_work(batch, seq, hidden, heads, layers, vocab, keep="all"):
    """In the backward pass the layer whose turn it is has been computed again, and is there whole."""
    linear, attention = 34 * hidden, 5 * heads * seq
    kept = {
        "all": layers * (linear + attention),
        "flash": layers * linear,
        "checkpoints": layers * 2 * hidden,
    }[keep]
    return batch * seq * (kept + 4 * vocab)


# %% mistake of="activation_bytes" fails="the log-probabilities are kept once, in fp32"
def keeps_log_probabilities_in_bf16(batch, seq, hidden, heads, layers, vocab, keep="all"):
    """The loss is computed in fp32, so what it keeps takes four bytes a number."""
    linear, attention = 34 * hidden, 5 * heads * seq
    kept = {
        "all": layers * (linear + attention),
        "flash": layers * linear,
        "checkpoints": layers * 2 * hidden + linear + attention,
    }[keep]
    return batch * seq * (kept + 2 * vocab)


# %% mistake of="activation_bytes" fails="a layer that keeps all saves what the table lists; flash attention keeps no row with a s in it; checkpoints keep an input a layer, besides the one layer at work"
def stores_masks_in_two_bytes(batch, seq, hidden, heads, layers, vocab, keep="all"):
    """A dropout mask says yes or no, and takes one byte a number."""
    linear, attention = 36 * hidden, 6 * heads * seq
    kept = {
        "all": layers * (linear + attention),
        "flash": layers * linear,
        "checkpoints": layers * 2 * hidden + linear + attention,
    }[keep]
    return batch * seq * (kept + 4 * vocab)


# %% mistake of="plot_memory" fails="the figure stacks the parts below the line of the device"
def draws_the_parts_over_each_other(parts, capacity):
    """Bars that all begin at 0 hide each other; stacked, their tops show the total."""
    figure, axes = plt.subplots()
    for part in next(iter(parts.values())):
        axes.bar(list(parts), [sizes[part] / 1e9 for sizes in parts.values()], label=part)
    axes.axhline(capacity / 1e9)
    axes.set(xlabel="set-up", ylabel="GB", title="Memory")
    axes.legend()
    return figure


# %% mistake of="plot_memory" fails="the figure stacks the parts below the line of the device"
def draws_no_capacity(parts, capacity):
    """Without the line of the device nobody sees which of the plans fit."""
    figure, axes = plt.subplots()
    bottom = [0.0] * len(parts)
    for part in next(iter(parts.values())):
        heights = [sizes[part] / 1e9 for sizes in parts.values()]
        axes.bar(list(parts), heights, bottom=bottom, label=part)
        bottom = [b + height for b, height in zip(bottom, heights, strict=True)]
    axes.set(xlabel="set-up", ylabel="GB", title="Memory")
    axes.legend()
    return figure


# %% mistake of="plot_memory" fails="the figure stacks the parts below the line of the device"
def draws_bytes(parts, capacity):
    """Devices are sold in GB, and 20,800,000,000 is hard to read: divide by a billion."""
    figure, axes = plt.subplots()
    bottom = [0.0] * len(parts)
    for part in next(iter(parts.values())):
        heights = [sizes[part] for sizes in parts.values()]
        axes.bar(list(parts), heights, bottom=bottom, label=part)
        bottom = [b + height for b, height in zip(bottom, heights, strict=True)]
    axes.axhline(capacity)
    axes.set(xlabel="set-up", ylabel="memory", title="Memory")
    axes.legend()
    return figure
