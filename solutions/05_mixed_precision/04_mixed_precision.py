# %% exercise [markdown] items="40" stars=3 minutes=60 level="evaluate" goal="train in mixed precision, and say what it saves and what it does not"
r"""
# 7.19 Mixed precision on the StreamRec MLP
"Half precision halves the memory and doubles the speed" is a promise about some networks on some
devices. *Mixed precision* keeps parameters, gradients and the loss in float32, and lets the matrix
products and what follows them run in 16 bits:

$$ \text{fp32 parameters} \to \text{16-bit layers} \to \text{fp32 loss } L
   \to \nabla(S L) \to \tfrac{1}{S} \to \text{clip} \to \text{fp32 step} $$

The loss scale $S$ lifts small gradients into the range of float16. bfloat16 has the range of
float32 and needs none: $S = 1$.

Write the training step, then count the bytes that the graph keeps for the backward pass. How long a
step takes is a question for the timing harness of the other exercise on mixed precision.

- Use `torch.amp.autocast(device_type, ...)` and `torch.amp.GradScaler(device)`. Elsewhere you will
  read `torch.cuda.amp.autocast()` and `torch.cuda.amp.GradScaler()`: these names are deprecated,
  and without a GPU they switch themselves off.
- "Half the memory" is true of the *activations* at best. Parameter, gradient and Adam's two
  moments stay in float32, 16 bytes a parameter, and 16-bit copies of the weights come on top.
- "Twice as fast" is true of some GPUs and large layers. Many CPUs are slower in 16 bits.
"""

# %%
import itertools
import math
import warnings
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import CARDINALITIES, DENSE_FEATURES, EMBEDDING_DIM, StreamRec, stream_rec

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class StreamRecMLP(nn.Module):
    """Will this viewer click? Eight embeddings and 13 numbers, then width, width/2, width/4, 1."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        self.tables = nn.ModuleList([nn.Embedding(n, EMBEDDING_DIM) for n in CARDINALITIES])
        sizes = [len(CARDINALITIES) * EMBEDDING_DIM + DENSE_FEATURES, width, width // 2, width // 4]
        layers = [(nn.Linear(*pair), nn.ReLU()) for pair in itertools.pairwise(sizes)]
        self.mlp = nn.Sequential(*itertools.chain(*layers), nn.Linear(sizes[-1], 1))

    def forward(self, categories: Tensor, dense: Tensor) -> Tensor:
        looked_up = [table(c) for table, c in zip(self.tables, categories.T, strict=True)]
        return self.mlp(torch.cat([*looked_up, dense], dim=1)).squeeze(1)


def on(device: str, data: StreamRec) -> StreamRec:
    """The same impressions on a device."""
    parts = {name: getattr(data, name).to(device) for name in ("categories", "dense", "labels")}
    return replace(data, **parts)


# %% [markdown]
r"""
## The training step
What autocast decides is the dtype of each *operation*: a matrix product in 16 bits, a loss in
float32, and whatever has no rule of its own in the dtype of its inputs. The rules differ a little
between devices: on a GPU softmax and layer norm go to float32, on a CPU they do not.
"""


# %% solution
def forward_loss(model: nn.Module, data: StreamRec, dtype: torch.dtype) -> Tensor:
    """Binary cross-entropy of the model's logits, in float32; the layers run in `dtype`.

    `dtype` is float16, bfloat16, or float32: no mixed precision. `model` and `data` lie on one
    device, and that may be a CPU or a GPU.
    """
    ### BEGIN SOLUTION
    device_type = data.labels.device.type
    with torch.amp.autocast(device_type, dtype=dtype, enabled=dtype != torch.float32):
        logits = model(data.categories, data.dense)
        return F.binary_cross_entropy_with_logits(logits, data.labels)
    ### END SOLUTION


def make_scaler(dtype: torch.dtype, device: str) -> torch.amp.GradScaler:
    """A gradient scaler for training in `dtype` on `device`; disabled where none is needed."""
    ### BEGIN SOLUTION
    return torch.amp.GradScaler(device, enabled=dtype == torch.float16)
    ### END SOLUTION


def training_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    data: StreamRec,
    dtype: torch.dtype,
    max_norm: float = 1.0,
) -> Tensor:
    """One step with the gradient clipped to an L2 norm of `max_norm`; returns the loss, detached.

    A disabled scaler hands everything through, so the same lines train in all three dtypes. The
    loss stays a tensor: `.item()` would make the CPU wait for the GPU at every step.
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()
    ### END SOLUTION


# %% check
# A last layer of zeros gives logits of 0, and each label then costs ln 2, in whatever dtype.
# Models stay where your code is; a function marked `student_side` brings back the numbers.
@student_side
def loss_of_zero_logits(dtype):
    model = StreamRecMLP(width=16)
    nn.init.zeros_(model.mlp[-1].weight)
    nn.init.zeros_(model.mlp[-1].bias)
    return forward_loss(model, stream_rec(8, seed=1), DTYPES[dtype]).detach()


@student_side
def length_of_a_step(max_norm):
    model, data = StreamRecMLP(width=16), stream_rec(64, seed=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    before = nn.utils.parameters_to_vector(model.parameters()).detach()
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    training_step(model, optimizer, scaler, data, torch.float32, max_norm)
    return (nn.utils.parameters_to_vector(model.parameters()).detach() - before).norm()


for dtype in ("fp32", "bf16"):
    expect.close(
        loss_of_zero_logits(dtype),
        torch.tensor(math.log(2)),
        when=f"computing the loss of eight logits that are 0, the layers in {dtype}",
        think="The loss is float32, whatever the layers are.",
    )
expect.between(
    length_of_a_step(max_norm=1e-3),
    0.99e-3,  # float32 weights are rounded when they move
    1.01e-3,
    when="measuring how far SGD with a learning rate of 1 moves the parameters, max_norm 0.001",
    think="A clipped gradient has length max_norm, and this step is minus the gradient.",
)


# %% check
# On the device of this machine: the output of each kind of layer.
@student_side
def dtypes_seen_by_hooks(device):
    model, seen = StreamRecMLP(width=16).to(device), {}
    for layer in (model.tables[0], model.mlp[0], model.mlp[1]):
        layer.register_forward_hook(
            lambda layer, _, output: seen.update({type(layer).__name__: str(output.dtype)})
        )
    forward_loss(model, on(device, stream_rec(8, seed=1)), torch.bfloat16)
    return seen


expect.equal(
    dtypes_seen_by_hooks(DEVICE),
    {"Embedding": "torch.float32", "Linear": "torch.bfloat16", "ReLU": "torch.bfloat16"},
    when=f"looking at the outputs of three layers that run in bf16 on this machine's {DEVICE}",
    think="A lookup copies rows of a float32 table. Is the forward pass inside of autocast?",
)

# %% [markdown]
r"""
## What the graph keeps
Between forward and backward the graph holds every tensor that a derivative needs. That is what
16 bits can halve. `torch.autograd.graph.saved_tensors_hooks(pack, unpack)` calls `pack` with each
of them.

*Hint:* a view shares the storage of what it is a view of: compare
`tensor.untyped_storage().data_ptr()`. An address stays taken while the graph is alive.
"""


# %% solution
def saved_bytes(model: nn.Module, data: StreamRec, dtype: torch.dtype) -> int:
    """The bytes that the graph of `forward_loss` keeps for backward, besides the parameters.

    A storage that several saved tensors share counts once.
    """
    ### BEGIN SOLUTION
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward_loss(model, data, dtype)
    del loss  # until here its graph kept the storages alive, and their addresses apart
    return sum(size for pointer, size in kept.items() if pointer not in parameters)
    ### END SOLUTION


# %% check
# Eight impressions, width 16, float32: the categories 8 * 8 integers of 8 bytes, then 4 bytes each
# of 8 * 141 inputs, of 8 * (16 + 8 + 4) hidden units, of 8 logits and of 8 labels.
@student_side
def bytes_kept(n, width, dtype):
    return saved_bytes(StreamRecMLP(width), stream_rec(n, seed=1), DTYPES[dtype])


expect.equal(
    bytes_kept(8, 16, "fp32"),
    512 + 4 * (1128 + 224 + 8 + 8),
    when="counting what the graph keeps of 8 impressions, width 16, float32",
    think="What a ReLU keeps is what the next layer keeps too. Are the weights left out?",
)
# The 16-bit copies of the weights are kept as well: beside a small batch they are the larger part.
for n in (64, 256, 1024):
    ratio = bytes_kept(n, 256, "bf16") / bytes_kept(n, 256, "fp32")
    print(f"batch {n:>4}, width 256: bf16 keeps {ratio:.2f} times what fp32 keeps")

# %% [markdown]
r"""
## The loss in the end
Validation losses, computed in float32, of the StreamRec MLP after 300 steps with batches of 256 and
Adam: five seeds (of the initialization and the batches) in each dtype. They come from
`python benchmarks/mixed_precision.py --device cpu`, with torch 2.13 on a CPU; float16 has a scaler.
"""

# %%
LOSSES = {
    "fp32": [0.47477, 0.47486, 0.48123, 0.47651, 0.47501],
    "fp16": [0.47465, 0.47465, 0.48128, 0.47720, 0.47506],
    "bf16": [0.47462, 0.47507, 0.48116, 0.47659, 0.47523],
}
for name, losses in LOSSES.items():
    print(
        f"{name}: mean {np.mean(losses):.5f}, deviation of the seeds {np.std(losses, ddof=1):.5f}"
    )


# %% hidden aspect="the layers run in the dtype that is asked for" points=1
@student_side
def dtypes_of_outputs(seed, n, dtype):
    torch.manual_seed(seed)
    model, seen = StreamRecMLP(width=16), {}
    for name, layer in model.named_modules():
        if not list(layer.children()):
            layer.register_forward_hook(
                lambda _, __, output, name=name: seen.update({name: str(output.dtype)})
            )
    forward_loss(model, stream_rec(n, seed), DTYPES[dtype])
    return seen


# In float16 a forward pass of six impressions: many CPUs are slow in it.
for dtype, name in {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}.items():
    seen = dtypes_of_outputs(7, 6, dtype)
    for kind, wanted, think in (
        ("tables", "float32", "Autocast has no part in a lookup: it copies rows of the table."),
        ("mlp", name, "Autocast takes a dtype of the device's own when it is told none."),
    ):
        expect.equal(
            ", ".join(sorted({got for layer, got in seen.items() if layer.startswith(kind)})),
            f"torch.{wanted}",
            when=f"looking at the outputs of the layers in `{kind}`, {dtype} asked for",
            think=think,
        )


# %% hidden aspect="the loss is computed in float32" points=1
@student_side
def logits_and_loss(seed, n, dtype):
    torch.manual_seed(seed)
    model, seen = StreamRecMLP(width=32), []
    model.register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    data = stream_rec(n, seed)
    loss = forward_loss(model, data, DTYPES[dtype]).detach()
    return seen[-1].float(), data.labels, loss


for dtype in ("bf16", "fp32"):
    logits, labels, loss = logits_and_loss(8, 100, dtype)
    expect.close(
        loss,
        F.binary_cross_entropy_with_logits(logits, labels),
        when=f"comparing the loss with that of the same {dtype} logits, computed in float32",
        think="Which of the two sees 16-bit numbers: the model, or the mean over the batch as well?",
    )


# %% hidden aspect="a scaler is enabled for float16 alone" points=1
@student_side
def scalers():
    found = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name, dtype in DTYPES.items():
            scaler = make_scaler(dtype, "cpu")
            found[name] = scaler.is_enabled(), float(scaler.scale(torch.ones(())))
    return found, [str(warning.message) for warning in caught]


found, warned = scalers()
for dtype, (enabled, scale) in found.items():
    expect.equal(
        enabled and scale > 1,
        dtype == "fp16",
        when=f"asking whether the scaler for {dtype} on a CPU scales a loss",
        think="What does a loss scale protect from, and which of the formats has too little range?",
    )
expect.true(
    not warned,
    when="listing the warnings that make_scaler raises",
    wanted="none",
    got="; ".join(dict.fromkeys(text.split(". ")[0] for text in warned)),
    think="The scaler of torch.amp takes the device as an argument.",
)


# %% hidden aspect="parameters and gradients stay in float32" points=1
@student_side
def dtypes_in_training(seed):
    torch.manual_seed(seed)
    model, data, seen = StreamRecMLP(width=16), stream_rec(8, seed), set()
    for p in model.parameters():
        p.register_post_accumulate_grad_hook(lambda p: seen.add(str(p.grad.dtype)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        scaler = torch.amp.GradScaler("cpu", enabled=False)
        training_step(model, optimizer, scaler, data, torch.bfloat16)
    return [
        ", ".join(sorted(found)) for found in (seen, {str(p.dtype) for p in model.parameters()})
    ]


for what, found in zip(("gradients", "parameters"), dtypes_in_training(9), strict=True):
    expect.equal(
        found,
        "torch.float32",
        when=f"listing the dtypes of the {what} while training in bf16",
        think="A weight of 1 in bf16 does not notice an update of 0.003: 8 bits end at 1/128.",
    )


# %% hidden aspect="scaling, unscaling and the step are left to the scaler, in its order" points=1
@student_side
def calls_of_a_step(seed):
    torch.manual_seed(seed)
    model, calls = StreamRecMLP(width=16), []

    class RecordingScaler:
        """A loss scale of 1024; it never lets the optimizer step, as if each gradient were inf."""

        def scale(self, loss):
            calls.append("scale")
            return 1024 * loss

        def unscale_(self, optimizer):
            calls.append("unscale_")
            for p in model.parameters():
                p.grad /= 1024

        def step(self, optimizer):
            calls.append("step")

        def update(self, new_scale=None):
            calls.append("update")

        def get_scale(self):
            return 1024.0

        def is_enabled(self):
            return True

    bias = model.mlp[0].bias
    bias.register_post_accumulate_grad_hook(lambda _: calls.append("backward"))
    before, optimizer = bias.detach().clone(), torch.optim.SGD(model.parameters(), lr=0.1)
    training_step(model, optimizer, RecordingScaler(), stream_rec(8, seed), torch.float32)
    return calls, (bias.detach() - before).abs().max()


calls, moved = calls_of_a_step(10)
expect.true(
    calls == ["scale", "backward", "unscale_", "step", "update"],
    when="recording what a step asks of its scaler, and when gradients arrive",
    wanted="a scaled loss, its gradient, that gradient unscaled, a step and an update, once each",
    got=", ".join(calls),
    think="What comes back from scale, what does unscale_ look at, what does update learn from?",
)
expect.close(
    moved,
    torch.tensor(0.0),
    when="measuring how far the parameters move when the scaler skips the step",
    think="A gradient with an inf in it must not reach the parameters. Who sees to that?",
)


# %% hidden aspect="the gradient that is clipped is the unscaled one" points=1
@student_side
def length_at_the_step(seed, max_norm):
    torch.manual_seed(seed)
    model, lengths = StreamRecMLP(width=16), []

    class MeasuringSGD(torch.optim.SGD):
        def step(self, closure=None):
            lengths.append(nn.utils.get_total_norm([p.grad for p in model.parameters()]))
            return super().step(closure)

    optimizer = MeasuringSGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    training_step(model, optimizer, scaler, stream_rec(64, seed), torch.float32, max_norm)
    return lengths[-1] if lengths else torch.tensor(0.0)


free = length_at_the_step(11, 1e9)
expect.between(
    free,
    1e-3,  # of order 0.1 for right answers, of order 100 while it is scaled
    10.0,
    when="measuring the gradient that the scaler steps with, at a loss scale of 1024, max_norm 1e9",
    think="A gradient shorter than max_norm is left alone. In which unit is it measured?",
)
for max_norm in (0.5 * free.item(), 0.1 * free.item(), 2 * free.item()):
    expect.close(
        length_at_the_step(11, max_norm),
        torch.tensor(min(max_norm, free.item())),
        rtol=1e-3,  # clip_grad_norm_ adds 1e-6 to the norm
        when=f"measuring that gradient with max_norm {max_norm / free.item():.1f} times its length",
        think="The scale is a trick of the backward pass; max_norm is about the gradient itself.",
    )

# %% hidden aspect="twenty steps in bf16 follow the losses of fp32" points=1
from autograder import reference


@student_side
def losses_of_training(state, batches):
    model, seen = StreamRecMLP(width=64), set()
    model.load_state_dict(state)
    model.mlp[0].register_forward_hook(lambda _, __, output: seen.add(str(output.dtype)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler, losses = torch.amp.GradScaler("cpu", enabled=False), []
    for batch in batches:
        loss = training_step(model, optimizer, scaler, StreamRec(*batch), torch.bfloat16, 100.0)
        losses.append(torch.as_tensor(loss).detach().float())
    return losses, ", ".join(seen)


torch.manual_seed(12)
model = StreamRecMLP(width=64)
state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
data = [stream_rec(n, int(torch.randint(10**6, ()))) for n in [128] * 20 + [512]]
losses, used = losses_of_training(state, [(d.categories, d.dense, d.labels) for d in data])
optimizer, scaler = (
    torch.optim.SGD(model.parameters(), lr=0.5),
    torch.amp.GradScaler("cpu", enabled=False),
)
# bf16 has two to three digits, but each activation is rounded by itself, and the mean over the batch
# is taken in float32: losses of right answers agree to some 0.02 %.
for step, (got, batch) in enumerate(zip(losses, data, strict=True)):
    expect.close(
        got,
        reference.training_step(model, optimizer, scaler, batch, torch.float32, 100.0),
        rtol=0.02,
        when=f"reading the loss after {step} steps in bf16, SGD with learning rate 0.5",
        think="What does the gradient consist of? Which numbers stay in float32, to add up?",
    )
expect.equal(
    used,
    "torch.bfloat16",
    when="looking at the output of the first Linear during these steps",
    think="Losses agree best where nothing runs in bf16, but that is not what was asked for.",
)


# %% hidden aspect="a step returns the loss itself, cut from its graph" points=1
@student_side
def returned(seed, loss_scale):
    torch.manual_seed(seed)
    model, data = StreamRecMLP(width=16), stream_rec(32, seed)
    before = forward_loss(model, data, torch.float32).detach()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=loss_scale)
    loss = training_step(model, optimizer, scaler, data, torch.float32)
    if not isinstance(loss, Tensor):
        return type(loss).__name__, before, before
    kind = "a tensor with a graph" if loss.requires_grad else "a tensor"
    return kind, loss.detach(), before


for loss_scale in (1024.0, 8.0):
    kind, loss, before = returned(18, loss_scale)
    expect.equal(
        kind,
        "a tensor",
        when="looking at what a step returns",
        think="A number makes the CPU wait for the GPU; a loss with its graph keeps the graph alive.",
    )
    expect.close(
        loss,
        before,
        when=f"comparing it with the loss before the step, at a loss scale of {loss_scale:.0f}",
        think="The scaled loss is for backward; whoever plots the curve wants the loss itself.",
    )

# %% hidden aspect="what the graph keeps is counted once, the parameters not at all" points=1
from autograder import reference


@student_side
def bytes_of(n, width, seed):
    torch.manual_seed(seed)
    return saved_bytes(StreamRecMLP(width), stream_rec(n, seed), torch.float32)


for n, width in ((37, 24), (200, 64), (5, 256)):
    expect.equal(
        bytes_of(n, width, 13),
        reference.saved_bytes(StreamRecMLP(width), stream_rec(n, 13), torch.float32),
        when=f"counting what the graph keeps of {n} impressions, width {width}, float32",
        think="What a ReLU keeps is what the next layer keeps, and a weight's transpose is a view.",
    )


# %% hidden aspect="in bf16 the graph of a large batch keeps a little more than half" points=1
@student_side
def ratio_of_bytes(n, seed):
    torch.manual_seed(seed)
    bf16, fp32 = (
        saved_bytes(StreamRecMLP(256), stream_rec(n, seed), DTYPES[dtype])
        for dtype in ("bf16", "fp32")
    )
    return bf16 / fp32


# 0.577: inputs of matrix products and outputs of ReLU are halved; integers, float32 labels and the
# bf16 copies of the weights are what is above one half. At a batch of 64 the copies make it 1.51.
for n, low, high in ((1024, 0.5, 0.65), (64, 1.0, 2.0)):
    expect.between(
        ratio_of_bytes(n, 14),
        low,
        high,
        when=f"dividing the bytes kept in bf16 by those in fp32, batch {n}, width 256",
        think="Does the forward pass that is counted run in `dtype`? What does autocast copy?",
    )

# %% setup
import torch
import torch.nn.functional as F
from torch import nn

from autograder.datasets import CARDINALITIES, StreamRec, stream_rec

# %% text [markdown] id="which-dtype-is-best" points=1
r"""
Look at `LOSSES`. Is the final validation loss the same in the three dtypes? Which dtype is best,
and what would you need to see to say so? Answer in three or four sentences.

- [1] Not equal to the last digit, but the dtypes differ by no more than the seeds do, so none is shown to be better: rounding of activations is noise beside that of batches and initialization, as parameters, gradients and loss stay in float32.
"""


# %% evidence
# Beside another seed, another dtype is nothing: held-out losses after a few steps of training.
# bf16 stands for both formats here: it rounds eight times as coarsely as fp16.
def loss_on(data, tables, head):
    looked_up = [table(c) for table, c in zip(tables, data.categories.T, strict=True)]
    logits = head(torch.cat([*looked_up, data.dense], dim=1)).squeeze(1)
    return F.binary_cross_entropy_with_logits(logits, data.labels)


def trained(seed, enabled):
    torch.manual_seed(seed)
    tables = nn.ModuleList([nn.Embedding(n, 4) for n in CARDINALITIES])
    head = nn.Sequential(nn.Linear(45, 16), nn.ReLU(), nn.Linear(16, 1))
    optimizer = torch.optim.SGD([*tables.parameters(), *head.parameters()], lr=0.5)
    for step in range(10):
        optimizer.zero_grad()
        with torch.amp.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            loss = loss_on(stream_rec(64, seed + step), tables, head)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return loss_on(held_out, tables, head)


start = int(torch.randint(10**6, ()))
held_out, seeds = stream_rec(256, seed=start), [start + 100 * k for k in range(1, 6)]
fp32, bf16 = (torch.stack([trained(seed, enabled) for seed in seeds]) for enabled in (False, True))
assert (fp32 != bf16).any()
assert (fp32 - bf16).abs().max() < 0.5 * fp32.std()


# %% alternative of="forward_loss"
def with_the_loss_outside(model, data, dtype):
    inside = torch.autocast(data.dense.device.type, dtype, enabled=dtype is not torch.float32)
    with inside:
        logits = model(data.categories, data.dense)
    return nn.BCEWithLogitsLoss()(logits.float(), data.labels)


# %% alternative of="make_scaler"
def with_a_condition(dtype, device):
    if dtype == torch.float16:
        return torch.amp.GradScaler(device=device, init_scale=2.0**14)
    return torch.amp.GradScaler(device, enabled=False)


# %% alternative of="training_step"
def with_clipping_by_hand(model, optimizer, scaler, data, dtype, max_norm=1.0):
    model.zero_grad(set_to_none=True)
    loss = forward_loss(model, data, dtype)
    scaled = scaler.scale(loss)
    scaled.backward()
    scaler.unscale_(optimizer)
    with torch.no_grad():
        grads = [p.grad for p in model.parameters()]
        norm = torch.stack([g.norm() for g in grads]).norm()
        for g in grads:
            g.mul_((max_norm / norm).clamp(max=1.0))
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% alternative of="saved_bytes"
def with_addresses_of_tensors(model, data, dtype):
    own, seen, total = {p.data_ptr() for p in model.parameters()}, set(), 0

    def pack(tensor):
        nonlocal total
        if tensor.data_ptr() not in own | seen:
            seen.add(tensor.data_ptr())
            total += tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward_loss(model, data, dtype)
    return total + 0 * int(loss.isnan())


# %% mistake of="forward_loss" fails="the layers run in the dtype that is asked for"
def leaves_the_dtype_to_the_device(model, data, dtype):
    """Autocast without a dtype takes the device's own: bf16 on a CPU, fp16 on a GPU."""
    with torch.amp.autocast(data.labels.device.type, enabled=dtype != torch.float32):
        logits = model(data.categories, data.dense)
        return F.binary_cross_entropy_with_logits(logits, data.labels)


# %% mistake of="forward_loss" fails="twenty steps in bf16 follow the losses of fp32; the layers run in the dtype that is asked for; in bf16 the graph of a large batch keeps a little more than half"
def puts_the_loss_alone_under_autocast(model, data, dtype):
    """Autocast acts on operations that run inside of it, and the layers run before it is entered."""
    logits = model(data.categories, data.dense)
    device_type = data.labels.device.type
    with torch.amp.autocast(device_type, dtype=dtype, enabled=dtype != torch.float32):
        return F.binary_cross_entropy_with_logits(logits, data.labels)


# %% mistake of="forward_loss" fails="the loss is computed in float32"
def brings_the_labels_to_the_logits(model, data, dtype):
    """A mean over the batch needs more than 8 bits: the logits go to float32, not the labels to bf16."""
    device_type = data.labels.device.type
    with torch.amp.autocast(device_type, dtype=dtype, enabled=dtype != torch.float32):
        logits = model(data.categories, data.dense)
    return F.binary_cross_entropy_with_logits(logits, data.labels.to(logits.dtype))


# %% mistake of="forward_loss" fails="the layers run in the dtype that is asked for; parameters and gradients stay in float32"
def casts_the_model(model, data, dtype):
    """Autocast leaves parameters in float32, where small updates add up; `model.to` does not."""
    before = [p.detach() for p in model.parameters()]  # or the cast ones take their addresses
    loss = F.binary_cross_entropy_with_logits(
        model.to(dtype)(data.categories, data.dense.to(dtype)).float(), data.labels
    )
    del before
    return loss


# %% mistake of="make_scaler" fails="a scaler is enabled for float16 alone"
def scales_for_every_dtype(dtype, device):
    """bf16 has the range of fp32: its gradients need no lift, and a scaler makes the CPU wait."""
    return torch.amp.GradScaler(device)


# %% mistake of="make_scaler" fails="a scaler is enabled for float16 alone"
def uses_the_deprecated_name(dtype, device):
    """`torch.cpu.amp` and `torch.cuda.amp` are deprecated; `torch.amp` takes the device's name."""
    return torch.cpu.amp.GradScaler(enabled=dtype == torch.float16)


# %% mistake of="training_step" fails="parameters and gradients stay in float32"
def casts_the_layers_before_the_step(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """Autocast casts copies of the weights; the weights themselves stay in float32."""
    model.mlp.to(dtype)
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="scaling, unscaling and the step are left to the scaler, in its order"
def steps_past_the_scaler(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """The scaler steps if every gradient is finite; `optimizer.step()` puts inf into the weights."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="the gradient that is clipped is the unscaled one"
def clips_before_it_unscales(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """A scaled gradient is 65,536 times too long: clipped then, hardly anything of it is left."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="twenty steps in bf16 follow the losses of fp32"
def adds_up_the_gradients_of_all_batches(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """`backward` adds to the gradients that are there: somebody has to clear them before."""
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="a step returns the loss itself, cut from its graph"
def returns_the_scaled_loss(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """The loss scale is for the backward pass; in a curve it would look like a jump of the loss."""
    optimizer.zero_grad()
    loss = scaler.scale(forward_loss(model, data, dtype))
    loss.backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="training_step" fails="a step returns the loss itself, cut from its graph"
def returns_the_loss_with_its_graph(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """A loss that is kept for a curve should not keep its graph: `detach` lets go of it."""
    optimizer.zero_grad()
    loss = forward_loss(model, data, dtype)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss


# %% mistake of="training_step" fails="twenty steps in bf16 follow the losses of fp32"
def trains_in_float32_whatever_is_asked(model, optimizer, scaler, data, dtype, max_norm=1.0):
    """`dtype` has to reach autocast: without it the layers run in float32, and nothing is saved."""
    optimizer.zero_grad()
    loss = F.binary_cross_entropy_with_logits(model(data.categories, data.dense), data.labels)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.detach()


# %% mistake of="saved_bytes" fails="what the graph keeps is counted once, the parameters not at all"
def counts_what_is_shared_twice(model, data, dtype):
    """The output of a ReLU is the input of the next layer: both keep it, and it is there once."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = []

    def pack(tensor):
        if tensor.untyped_storage().data_ptr() not in parameters:
            kept.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        forward_loss(model, data, dtype)
    return sum(kept)


# %% mistake of="saved_bytes" fails="what the graph keeps is counted once, the parameters not at all; in bf16 the graph of a large batch keeps a little more than half"
def counts_the_parameters(model, data, dtype):
    """The weights are there whether or not a graph keeps them: they are no cost of the batch."""
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = forward_loss(model, data, dtype)
    del loss
    return sum(kept.values())


# %% mistake of="saved_bytes" fails="in bf16 the graph of a large batch keeps a little more than half"
def counts_in_float32_whatever_is_asked(model, data, dtype):
    """The graph to look at is that of a forward pass in `dtype`."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = F.binary_cross_entropy_with_logits(model(data.categories, data.dense), data.labels)
    del loss
    return sum(size for pointer, size in kept.items() if pointer not in parameters)
