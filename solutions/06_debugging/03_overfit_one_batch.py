# %% exercise [markdown] items="44" stars=2 minutes=45 level="apply" goal="find out in a minute whether a network can learn at all, and know what that does not show"
r"""
# 7.23 Overfit one batch
Before a night of training, a minute's test: can the network learn *one* batch by heart? A few dozen
samples hold little, so that the loss has to fall to almost 0. If it does not, something between
the input and the loss is broken, and more data or a longer night will not mend it.

Write `overfit_single_batch`. What it does is fixed down to the step, so that two people who report
its numbers mean the same:

- Adam, with the learning rate `lr`, on the model and the batch moved to `device`; the CPU unless
  another one is asked for. The model keeps the mode (`train` or `eval`) that it came in.
- Look at the loss, *then* update: `losses[k]` is the loss after $k$ updates, `losses[0]` that of the
  model as it came.
- The first loss **below** `target_loss` is a success, and ends the test without another update. After
  `max_steps` updates the last loss is looked at, and the test ends as well. So `losses` always has one
  number more than there were updates.
- The model that was given is trained, not a copy: who sees the test fail wants to look into it.

A test that fails is a result, not an error. That holds for a model without anything to train, too.
"""

# %%
import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from autograder import expect, student_side

Criterion = Callable[[Tensor, Tensor], Tensor]


# %% solution
def overfit_single_batch(
    model: nn.Module,
    batch: tuple[Tensor, Tensor],
    criterion: Criterion,
    lr: float = 1e-2,
    max_steps: int = 1000,
    target_loss: float = 0.01,
    device: str = "cpu",
) -> dict:
    """Train `model` on one batch (inputs, targets) until its loss is below `target_loss`.

    Returns "success" (bool), "final_loss" (float, the last of the losses), "steps" (int, the number
    of updates) and "losses" (list of steps + 1 floats).
    """
    ### BEGIN SOLUTION
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses: list[float] = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:  # not if everything is frozen
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}
    ### END SOLUTION


# %% check
# Models and criteria stay where your code is; a function marked `student_side` runs there and
# brings the numbers back.
@student_side
def one_weight(**options):
    """w = 1, x = 1, y = 0 and the squared error: the loss is w squared."""
    model = nn.Linear(1, 1, bias=False).double()
    nn.init.ones_(model.weight)
    batch = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    return overfit_single_batch(model, batch, nn.MSELoss(), **options)


# The first step of Adam is as long as the learning rate, whatever the gradient: 1 -> 0.9.
found = one_weight(lr=0.1, max_steps=1)
expect.close(
    found["losses"],
    [1.0, 0.81],
    rtol=1e-6,  # Adam's eps shortens the step by 5e-9
    when="making one update of w = 1 with a loss of w squared and a learning rate of 0.1",
    think="Which loss is looked at first, and which one is last?",
)
expect.equal(
    found["steps"],
    1,
    when="asking how many updates there were, max_steps 1",
    think="Two losses were looked at; what lies between them?",
)
expect.equal(
    found["success"],
    False,
    when="asking whether the test was a success, the last loss 0.81 and the target 0.01",
    think="The last loss decides.",
)
# 0.9 ** 2 = 0.81 is below 0.82 after one update.
expect.equal(
    one_weight(lr=0.1, target_loss=0.82)["steps"],
    1,
    when="asking how many updates it takes to get below 0.82",
    think="When the target is reached, nothing is left to do.",
)

# %% [markdown]
r"""
## What it finds, and what it does not
Five networks are to learn 32 samples by heart. Before you run the cell: which of them will fail? One
has a bug that the test does not find, and one has none and fails all the same.
"""


# %% check
@student_side
def five_networks(max_steps):
    def network(*more):
        return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 10), *more)

    torch.manual_seed(0)
    x = torch.randn(32, 20)
    labels = (x @ torch.randn(20, 10)).argmax(dim=1)
    shuffled = labels[torch.randperm(32)]
    smoothed = nn.CrossEntropyLoss(label_smoothing=0.1)
    found = {}
    for name, model, batch, criterion in (
        ("all is well", network(), (x, labels), F.cross_entropy),
        ("labels shuffled", network(), (x, shuffled), F.cross_entropy),
        ("softmax before the loss", network(nn.Softmax(dim=1)), (x, labels), F.cross_entropy),
        ("inputs lost on the way", network(), (x.mean() + 0 * x, labels), F.cross_entropy),
        ("labels smoothed, no bug", network(), (x, labels), smoothed),
    ):
        result = overfit_single_batch(model, batch, criterion, max_steps=max_steps)
        found[name] = {key: result[key] for key in ("success", "steps", "final_loss")}
    return found


five = five_networks(max_steps=100)
for name, result in five.items():
    outcome = "learned" if result["success"] else "not learned"
    print(f"{name:>24}: {outcome} after {result['steps']} steps, loss {result['final_loss']:.4f}")
expect.true(
    five["all is well"]["success"],
    when="overfitting 32 samples with a sound network",
    wanted="a loss below 0.01 within 100 steps",
    got=f"a loss of {five['all is well']['final_loss']:.3g}",
    think="Is anything left over from the step before, when the next one starts?",
)


# %%
def network(sizes):
    layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.Tanh())]
    return nn.Sequential(*layers[:-1]).double()


def drawn(*sizes, n):
    """An MLP, its parameters, and a batch of `n` samples with labels."""
    model = network(sizes)
    batch = torch.randn(n, sizes[0]).double(), torch.randint(sizes[-1], (n,))
    return model, {name: p.detach().clone() for name, p in model.named_parameters()}, batch


@student_side
def tried(sizes, state, batch, smoothing=0.0, frozen=(), **options):
    """The result for an MLP, and its parameters afterwards."""
    model = network(sizes)
    model.load_state_dict(state)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
    result = overfit_single_batch(model, batch, criterion, device="cpu", **options)
    return result, {
        name: parameter.detach().clone() for name, parameter in model.named_parameters()
    }


@student_side
def scripted(losses, **options):
    """The result for a model that has `losses[k]` after k updates, and how many it got."""
    model, updates = nn.Linear(1, 1).double(), []

    def criterion(output, target):
        return losses[min(len(updates), len(losses) - 1)] + 0 * (output - target).sum()

    batch = torch.ones(1, 1).double(), torch.ones(1, 1).double()
    handle = register_optimizer_step_post_hook(lambda *_: updates.append(1))
    try:
        result = overfit_single_batch(model, batch, criterion, device="cpu", **options)
    finally:
        handle.remove()
    return result, len(updates)


# %% hidden aspect="the result has four entries, all of them plain data" points=1
torch.manual_seed(1)
_, state, batch = drawn(3, 8, 2, n=4)
result, _ = tried((3, 8, 2), state, batch, max_steps=3)
expect.kind(result, dict, when="looking at the result")
expect.equal(
    {key: type(value).__name__ for key, value in result.items()},
    {"success": "bool", "final_loss": "float", "steps": "int", "losses": "list"},
    when="listing the entries of the result and their types",
    think="A tensor has `item()`.",
)
expect.equal(
    sorted({type(loss).__name__ for loss in result["losses"]}),
    ["float"],
    when="listing the types of what is in `losses`",
    think="A tensor has `item()`, and with its graph it holds on to all that led to it.",
)

# %% hidden aspect="losses[k] is the loss after k updates" points=2
torch.manual_seed(2)
model, state, batch = drawn(4, 9, 3, n=7)
expect.close(
    float(tried((4, 9, 3), state, batch, max_steps=3)[0]["losses"][0]),
    F.cross_entropy(model(batch[0]), batch[1]).item(),
    when="reading the first of the losses",
    think="It is that of the model as it came.",
)
for losses, options in (
    ([9.0, 7.0, 5.0, 3.0, 0.5, 0.4, 0.3], {"target_loss": 1.0, "max_steps": 6}),
    ([9.0, 2.0, 5.0, 8.0, 2.0, 1.5, 1.2], {"max_steps": 3}),
    ([9.0, 0.5, 0.4, 0.3], {"max_steps": 1, "target_loss": 1.0}),
    ([9.0, 0.5, 0.4, 0.3], {"max_steps": 0}),
):
    result, updates = scripted(losses, **options)
    given = ", ".join(f"{name} {value:g}" for name, value in options.items())
    when = f"testing a model whose losses would be {losses[:4]} …, {given}"
    expect.equal(
        result["steps"],
        updates,
        when=f"{when}: `steps`, beside the updates that were made",
        think="`steps` says how many updates there were, not how many losses were looked at.",
    )
    expect.close(
        [float(loss) for loss in result["losses"]],
        losses[: updates + 1],
        when=f"{when}: the losses",
        think="The loss before the first update, and the loss after each of them.",
    )
    expect.close(
        float(result["final_loss"]),
        losses[updates],
        when=f"{when}: the final loss",
        think="It is the last of the losses.",
    )

# %% hidden aspect="success is a last loss strictly below the target" points=2
for losses, options, wanted in (
    ([3.0, 2.0, 1.0], {"target_loss": 1.0, "max_steps": 2}, False),
    ([3.0, 2.0, 0.999], {"target_loss": 1.0, "max_steps": 2}, True),
    ([0.01], {"max_steps": 0}, False),
    ([0.009], {"max_steps": 0}, True),
    ([math.nan] * 3, {"target_loss": 1.0, "max_steps": 2}, False),
):
    expect.equal(
        scripted(losses, **options)[0]["success"],
        wanted,
        when=f"testing a model whose losses are {losses}, target "
        f"{options.get('target_loss', 0.01)}, max_steps {options['max_steps']}",
        think="Below is below; and nothing is below anything when it is not a number.",
    )

# %% hidden aspect="the test ends at the first success, or after max_steps updates" points=1
for losses, max_steps, wanted in (
    ([3.0, 2.0, 0.9, 0.8, 0.7, 0.6], 5, 2),
    ([0.9, 0.8, 0.7, 0.6, 0.5], 4, 0),
    ([3.0] * 12, 7, 7),
):
    expect.equal(
        scripted(losses, target_loss=1.0, max_steps=max_steps)[1],
        wanted,
        when=f"counting the updates of a model whose losses would be {losses[:4]} …, target 1, "
        f"max_steps {max_steps}",
        think="What is left to do once the target is reached?",
    )

# %% hidden aspect="the updates are Adam's, with the learning rate given" points=2
torch.manual_seed(3)
for options in ({}, {"lr": 0.2}):
    model, state, batch = drawn(5, 12, 4, n=9)
    optimizer, wanted = torch.optim.Adam(model.parameters(), lr=options.get("lr", 0.01)), []
    for _ in range(11):
        loss = F.cross_entropy(model(batch[0]), batch[1])
        wanted.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for updates in (1, 2, 10):
        result, _ = tried((5, 12, 4), state, batch, max_steps=updates, target_loss=0.0, **options)
        expect.close(
            float(result["final_loss"]),
            wanted[updates],
            rtol=1e-6,
            when=f"comparing the final loss, max_steps {updates}, with that of Adam, "
            f"lr {options.get('lr', 'left at its default of 0.01')}",
            think="Each update sees the gradient of its own step alone. By which optimizer?",
        )

# %% hidden aspect="the model that was given is trained" points=1
torch.manual_seed(4)
model, state, batch = drawn(4, 16, 3, n=6)
for options in ({"max_steps": 5}, {"lr": 0.05, "max_steps": 50}):
    result, after = tried((4, 16, 3), state, batch, **options)
    model.load_state_dict(after)
    expect.close(
        F.cross_entropy(model(batch[0]), batch[1]).item(),
        float(result["final_loss"]),
        rtol=1e-6,
        when=f"computing the loss of the model that was given, after the test, {options}",
        think="Who sees the test fail wants to look into the model that failed.",
    )


# %% hidden aspect="the model keeps its mode" points=1
@student_side
def modes():
    seen = {}
    for mode in (True, False):
        model, during = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.9), nn.Linear(8, 2)), []
        model.train(mode).register_forward_hook(
            lambda m, *_, during=during: during.append(m.training)
        )
        batch = torch.ones(4, 3), torch.tensor([0, 1, 1, 0])
        overfit_single_batch(model, batch, nn.CrossEntropyLoss(), max_steps=2, device="cpu")
        seen[str(mode)] = [*sorted(set(during)), model.training]
    return seen


for mode, seen in modes().items():
    expect.true(
        len(seen) > 1,
        when="counting the forward passes of a test that may take two steps",
        wanted="some",
        got="none",
        think="A model that is not asked keeps its mode.",
    )
    expect.equal(
        sorted({str(training) for training in seen}),
        [mode],
        when=f"asking the model for `training` during and after the test, {mode} before it",
        think="With dropout a loss does not get to 0; who wants it off calls `eval` before the test.",
    )

# %% hidden aspect="what cannot be overfit fails, without an error" points=1
torch.manual_seed(6)
_, state, (x, y) = drawn(4, 16, 10, n=12)
twice = torch.cat([x[:1], x[:1]]), torch.tensor([0, 1])
# Floors: the entropy of a smoothed label; ln 2 for two labels of one input; and what 12 samples of
# random labels cost a network that gives the same probabilities to all, which is above 1 here.
y = torch.arange(12) % 10
for what, batch, options, floor in (
    ("every parameter is frozen", (x, y), {"frozen": list(state), "max_steps": 5}, 1.0),
    ("all but the last bias are frozen", (x, y), {"frozen": list(state)[:-1]}, 1.0),
    ("labels are smoothed, 0.1", (x, y), {"smoothing": 0.1}, 0.5002),
    ("the same input has two labels", twice, {}, math.log(2)),
):
    options = {"max_steps": 40, "lr": 0.05} | options
    result, _ = tried((4, 16, 10), state, batch, **options)
    expect.equal(
        result["success"],
        False,
        when=f"testing a network for which {what}, {options['max_steps']} steps",
        think=f"No training gets the loss below {floor:.4g}.",
    )
    expect.between(
        result["final_loss"],
        floor - 1e-9,
        math.inf,
        when=f"reading the final loss of a network for which {what}",
        think="The criterion that was given is what counts.",
    )


# %% hidden aspect="the test runs on the CPU unless another device is asked for" points=1
@student_side
def devices(batch):
    seen = []
    for options in ({}, {"device": "cpu"}, {"device": "meta"}):
        model = nn.Linear(3, 2).double()
        model.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].device.type))
        try:
            overfit_single_batch(model, batch, nn.CrossEntropyLoss(), max_steps=0, **options)
        except NotImplementedError:
            # torch's own: a meta tensor has no number; the forward pass has been by then.
            if not seen:
                raise
        except RuntimeError:
            pass  # the same, in other versions of torch
    return seen


torch.manual_seed(7)
batch = torch.randn(4, 3).double(), torch.randint(2, (4,))
expect.equal(
    devices(batch),
    ["cpu", "cpu", "meta"],
    when="asking where the inputs lie: by default, and for the devices cpu and meta (one without "
    "numbers, which every machine has)",
    think="A default of cuda is an error on most machines. Where go the model and the batch?",
)

# %% setup
import math

import torch
import torch.nn.functional as F
from torch import nn

from autograder.authoring.quiz import draw


def losses_of(x, y, *more, new=None, steps=60):
    """First and last loss of a network on one batch, and its loss on other inputs `new`."""
    model = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 5), *more)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return loss.item(), F.cross_entropy(model(x if new is None else new), y).item()


# %% numeric [markdown] id="smoothing-floor" points=1 rtol=0.01
r"""
A network with {{classes}} classes is tested with
`nn.CrossEntropyLoss(label_smoothing={{smoothing}})`: the target is (1 - {{smoothing}}) times the label
plus {{smoothing}} times the uniform distribution over all {{classes}} classes.

What is the lowest loss that any training could reach?
"""

# %% key
classes, smoothing = draw([(k, a) for k in (5, 10, 20) for a in (0.05, 0.1, 0.2)])
share = smoothing / classes
right = 1 - smoothing + share
answer = -right * math.log(right) - (classes - 1) * share * math.log(share)
slips = {
    "The loss gets to 0 only if the target is all on one class; here it is the target's entropy.": (
        0.0
    ),
    "That is the right class's part alone; the others have a share of the target as well.": (
        -right * math.log(right)
    ),
    "The uniform part covers the right class, too: its target is a little more than 1 minus it.": (
        -(1 - smoothing) * math.log(1 - smoothing) - smoothing * math.log(smoothing / (classes - 1))
    ),
    "That is the loss of a network that knows nothing and says so.": math.log(classes),
}

# %% evidence
# Logits that are free to go anywhere get there, and no lower.
logits = torch.zeros(1, classes, dtype=torch.float64, requires_grad=True)
criterion = nn.CrossEntropyLoss(label_smoothing=smoothing)
optimizer = torch.optim.Adam([logits], lr=0.1)
for _ in range(200):
    optimizer.zero_grad()
    loss = criterion(logits, torch.tensor([1]))
    loss.backward()
    optimizer.step()
assert -1e-9 < loss.item() - answer < 1e-3 * answer

# %% choice [markdown] id="found-by-the-test" points=1 level="evaluate"
r"""
Many texts say that overfitting one batch catches every bug of the data pipeline. Which of these does
it find? Choose all.

- [x] A softmax stands before `nn.CrossEntropyLoss`, which takes logits.
  > Yes: probabilities are taken for logits, and those lie between 0 and 1. The loss stays high.
- [ ] The labels are shuffled, so that they no longer belong to their inputs.
  > Learning by heart needs no sense: a network learns random labels about as fast as true ones.
- [x] The loader returns one and the same input for every label.
  > Yes: what is the same on the left cannot be different on the right.
- [ ] New inputs will be scaled otherwise than those of the training data.
  > The test looks at one batch alone. What is different elsewhere, only a validation set shows.
"""

# %% evidence
x, y = torch.randn(16, 10), torch.arange(16) % 5
sound, shuffled = losses_of(x, y)[0], losses_of(x, y[torch.randperm(16)])[0]
assert sound < 0.1 and shuffled < 0.1
# exp(1) against four times exp(0) is the best that probabilities can do as logits.
assert losses_of(x, y, nn.Softmax(dim=1))[0] > math.log(1 + 4 / math.e) - 1e-4
assert losses_of(x[:1].expand(16, -1), y)[0] > 1.0
learned, elsewhere = losses_of(x, y, new=8 * (x + 1))
assert learned < 0.1 and elsewhere > 5 * learned


# %% alternative of="overfit_single_batch"
def with_a_for_loop(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    model = model.to(device)
    x, y = batch[0].to(device), batch[1].to(device)
    optimizer, losses = torch.optim.Adam(model.parameters(), lr), []
    for step in range(max_steps + 1):
        loss = criterion(model(x), y)
        losses += [loss.detach().item()]
        if losses[-1] < target_loss or step == max_steps:
            break
        if any(p.requires_grad for p in model.parameters()):
            model.zero_grad()
            loss.backward()
        optimizer.step()
    success = losses[-1] < target_loss
    return dict(success=success, final_loss=losses[-1], steps=step, losses=losses)


# %% alternative of="overfit_single_batch"
def looks_and_learns_apart(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    model.to(torch.device(device))
    batch = [part.to(device) for part in batch]

    def look():
        return criterion(model(batch[0]), batch[1])

    losses, steps = [float(look().detach())], 0
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trainable, lr=lr) if trainable else None
    while steps < max_steps and not losses[-1] < target_loss:
        if optimizer:
            optimizer.zero_grad(set_to_none=False)
            look().backward()
            optimizer.step()
        steps += 1
        losses.append(float(look().detach()))
    success = bool(losses[-1] < target_loss)
    return {"losses": losses, "steps": steps, "final_loss": losses[-1], "success": success}


# %% mistake of="overfit_single_batch" fails="the result has four entries, all of them plain data"
def keeps_tensors(model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"):
    """A tensor with its graph holds on to every activation that led to it; `item` makes a number."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss)
        success = bool(losses[-1] < target_loss)
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1].item(), "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="losses[k] is the loss after k updates"
def looks_after_the_update(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """The first loss is that of the model as it came: a bug often shows in it already."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    loss = criterion(model(x), y)
    while not (success := loss.item() < target_loss) and len(losses) < max_steps:
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
        loss = criterion(model(x), y)
        losses.append(loss.item())
    steps, losses = len(losses), losses or [loss.item()]
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="losses[k] is the loss after k updates"
def counts_the_looks(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """A loss was looked at before the first update, too: there is one update less."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses)
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="success is a last loss strictly below the target"
def takes_the_target_for_a_success(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """Below the target is asked for: at the target is not below it."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] <= target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="the test ends at the first success, or after max_steps updates"
def goes_on_to_the_end(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """Once the target is reached, the answer is known: the other steps cost time and change the model."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="the updates are Adam's, with the learning rate given"
def takes_plain_sgd(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """With a rate of 0.01, plain SGD does not get there in 1,000 steps: a test that always fails."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="the updates are Adam's, with the learning rate given"
def never_clears_the_gradients(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """`backward` adds to the gradients that are there: each update needs those of its own step."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="the model that was given is trained"
def trains_a_copy(model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"):
    """A copy is thrown away at the end, and with it what a failed test could have shown."""
    import copy

    model = copy.deepcopy(model).to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="the model keeps its mode"
def switches_to_training(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """With dropout the loss does not get to 0: whoever wants it off has called `eval` before."""
    model.to(device).train()
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="what cannot be overfit fails, without an error"
def wants_a_gradient(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """A model with every parameter frozen cannot be overfit: that is the result, and no error."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="the test runs on the CPU unless another device is asked for"
def asks_for_cuda(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cuda"
):
    """A default of cuda is an error on every machine without one."""
    model.to(device)
    x, y = (part.to(device) for part in batch)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}


# %% mistake of="overfit_single_batch" fails="the test runs on the CPU unless another device is asked for"
def stays_where_it_is(
    model, batch, criterion, lr=1e-2, max_steps=1000, target_loss=0.01, device="cpu"
):
    """Model and batch have to go to the device that was asked for."""
    x, y = batch
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    losses = []
    while True:
        loss = criterion(model(x), y)
        losses.append(loss.item())
        success = losses[-1] < target_loss
        if success or len(losses) > max_steps:
            break
        optimizer.zero_grad()
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
    steps = len(losses) - 1
    return {"success": success, "final_loss": losses[-1], "steps": steps, "losses": losses}
