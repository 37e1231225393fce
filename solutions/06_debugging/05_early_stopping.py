# %% exercise [markdown] items="76" stars=2 minutes=35 level="apply" goal="stop a training that no longer gains, and leave with the best weights it had"
r"""
# 12.6.2 Early stopping
The validation loss falls, turns and rises again; whoever trains on to the end keeps the last
weights, not the best ones. *Early stopping* waits for a while, gives up, and goes back. Let $b$ be
the loss of the epoch that was kept last, infinity at first. An epoch with loss $v$ is an
*improvement* if

$$ v < b - \delta $$

where $\delta$ is `min_delta`. Write the class `EarlyStopping`:

- Called after an epoch, it keeps the weights if the epoch is an improvement. It returns True when
  that was the `patience`-th epoch **in a row** without one, else False.
- A loss of NaN is no improvement: it counts as one more epoch without.
- `restore` writes the weights that were kept back into the model. If nothing was kept, it changes
  nothing.

Then write `train`: it runs epochs until the stopper says stop or the budget is spent, and restores
**in both cases**. Listings that restore inside `if stop:` return the last weights whenever the
budget ends first.

With `patience=2` and `min_delta=0`:

| epoch | 1 | 2 | 3 | 4 | 5 |
|---|---|---|---|---|---|
| validation loss | 3 | 4 | 2 | 2 | 5 |
| kept | yes | no | yes | no | no |
| returned | False | False | False | False | True |

`min_delta` has a price: with 0.0001 and the losses 1, 0.99995, 0.99992, epoch 1 is what comes back,
although epoch 3 was the lowest. The gains were too small to count.

*Hint:* `model.state_dict()` holds parameters and buffers. Its tensors share their memory with the
model, and the optimizer writes into that memory at the next step.
"""

# %%
import copy
from collections.abc import Callable

import torch
from torch import nn

from autograder import expect, student_side

nan = float("nan")


# %% solution
class EarlyStopping:
    """Says when to stop, and keeps the weights of the best epoch."""

    def __init__(self, patience: int = 10, min_delta: float = 1e-4) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.best_loss = float("inf")
        self.wait = 0  # epochs in a row without an improvement
        self.best_weights = None

    def __call__(self, val_loss: float, model: nn.Module) -> bool:
        """Take note of an epoch; the model stays as it is. Returns whether to stop."""
        ### BEGIN SOLUTION
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss = val_loss
            self.wait = 0
            self.best_weights = copy.deepcopy(model.state_dict())
        else:
            self.wait += 1
        return self.wait >= self.patience
        ### END SOLUTION

    def restore(self, model: nn.Module) -> None:
        """Write the weights that were kept into the model, however often it is called."""
        ### BEGIN SOLUTION
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)
        ### END SOLUTION


# %%
# A model stays where your code is; a function marked `student_side` brings back plain numbers.
@student_side
def follow(losses, patience, min_delta):
    """Train on a script, in which the weights of epoch k are all k.

    Returns the epoch that was the last, by the stopper or by the end of the script, and the epoch
    whose weights `restore` brings back.
    """
    model = nn.Linear(2, 1)
    stopper = EarlyStopping(patience=patience, min_delta=min_delta)
    for epoch, loss in enumerate(losses, 1):
        for parameter in model.parameters():
            parameter.data = torch.full_like(parameter, epoch)
        if stopper(loss, model):
            break
    stopper.restore(model)
    return epoch, int(model.weight[0, 0])


# %% check
# The table of the prompt.
last, restored = follow([3.0, 4.0, 2.0, 2.0, 5.0, 1.0], patience=2, min_delta=0.0)
expect.equal(
    last,
    5,
    when="looking for the last epoch of the losses 3, 4, 2, 2, 5, 1 with patience 2",
    think="Epochs 4 and 5 bring no improvement; epoch 6 is never run.",
)
expect.equal(
    restored,
    3,
    when="looking for the epoch whose weights come back after the losses 3, 4, 2, 2, 5",
    think="Which epoch had the lowest loss?",
)


# %% solution
def train(
    model: nn.Module,
    run_epoch: Callable[[nn.Module], float],
    budget: int,
    stopper: EarlyStopping,
) -> list[float]:
    """Run at most `budget` epochs; leave the best weights in the model, however training ended.

    `run_epoch(model)` trains for an epoch and returns the validation loss. What comes back is the
    list of these losses, one for each epoch that was run.
    """
    ### BEGIN SOLUTION
    losses = []
    for _ in range(budget):
        losses.append(run_epoch(model))
        if stopper(losses[-1], model):
            break
    stopper.restore(model)
    return losses
    ### END SOLUTION


# %%
class ScriptedStopper:
    """Stops after a given epoch, and writes down what it is asked."""

    def __init__(self, stop_after):
        self.stop_after, self.notes = stop_after, []

    def __call__(self, val_loss, model):
        self.notes.append(f"heard {val_loss:g}")
        return len(self.notes) >= self.stop_after

    def restore(self, model):
        self.notes.append("restored")


@student_side
def train_on_script(budget, stop_after):
    """The losses that `train` returns for 1, 2, 3, ..., and the notes of a scripted stopper."""
    script = iter(range(1, 100))
    stopper = ScriptedStopper(stop_after)
    losses = train(nn.Linear(1, 1), lambda model: float(next(script)), budget, stopper)
    return losses, stopper.notes


# %% check
losses, notes = train_on_script(budget=5, stop_after=2)
expect.equal(
    losses,
    [1.0, 2.0],
    when="training with a budget of 5 epochs and a stopper that says stop after epoch 2",
    think="One loss for each epoch that was run, and none after the stop.",
)
expect.equal(
    notes,
    ["heard 1", "heard 2", "restored"],
    when="reading what the stopper was told in this training",
    think="It hears of every epoch, and is asked for the best weights in the end.",
)

# %% hidden aspect="the stop comes with the patience-th epoch in a row without an improvement" points=1
for losses, patience, wanted in (
    ([4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 3, 4),
    ([4.0, 5.0, 6.0, 3.0, 5.0, 6.0, 2.0, 4.0, 4.0, 4.0, 4.0], 3, 10),
    ([4.0, 3.0, 5.0, 2.0], 1, 3),
    ([4.0, 5.0, 3.0, 5.0, 2.0, 5.0, 1.0], 2, 7),
):
    expect.equal(
        follow(list(losses), patience, 0.0)[0],
        wanted,
        when=f"looking for the last epoch of the losses {losses} with patience {patience}",
        think="How many epochs in a row went by without an improvement, and what starts the count "
        "again?",
    )

# %% hidden aspect="a loss that only reaches the bar is no improvement" points=1
# These numbers are exact in binary. Patience of this size plays no part in the first comparison.
for losses, min_delta, bar in (([4.0, 4.0, 6.0], 0.0, 4), ([4.0, 3.75, 6.0], 0.25, 3.75)):
    expect.equal(
        follow(list(losses), 9, min_delta)[1],
        1,
        when=f"restoring after the losses {losses} with min_delta {min_delta:g}, where {bar:g} is "
        "the bar for epoch 2",
        think="The prompt asks for less than the bar. Is equal less?",
    )
    expect.equal(
        follow([4.0] + 7 * [bar], 3, min_delta)[0],
        follow([4.0] + 7 * [6.0], 3, min_delta)[0],
        when=f"comparing the last epoch of the losses 4, {bar:g}, {bar:g}, ... with that of "
        f"4, 6, 6, ..., both with min_delta {min_delta:g}",
        think="Does an epoch that only reaches the bar count as one without an improvement?",
    )

# %% hidden aspect="gains count from the epoch that was kept, and only beyond min_delta" points=1
for losses, wanted in (
    ([4.0, 3.875, 3.8125, 6.0], 1),
    ([4.0, 3.875, 3.8125, 3.625, 6.0], 4),
    ([-4.0, -4.125, -4.5, 6.0], 3),
):
    expect.equal(
        follow(list(losses), 9, 0.25)[1],
        wanted,
        when=f"restoring after the losses {losses} with min_delta 0.25",
        think="How far below the epoch kept last is each of them? Small gains may add up.",
    )
expect.equal(
    follow([4.0] + 7 * [3.875], 3, 0.25)[0],
    follow([4.0] + 7 * [6.0], 3, 0.25)[0],
    when="comparing the last epoch of the losses 4, 3.875, 3.875, ... with that of 4, 6, 6, ..., "
    "both with min_delta 0.25",
    think="A gain that is too small counts as none.",
)

# %% hidden aspect="NaN is one more epoch without an improvement" points=1
for losses, wanted in (
    ([4.0, nan, 6.0], 1),
    ([4.0, nan, 3.0, nan, 6.0], 3),
    ([nan, 3.0, 6.0], 2),
):
    expect.equal(
        follow(list(losses), 9, 0.0)[1],
        wanted,
        when=f"restoring after the losses {losses}",
        think="Every comparison with NaN is False, `nan < x` as well as `nan >= x`.",
    )
expect.equal(
    follow([4.0] + 7 * [nan], 3, 0.0)[0],
    follow([4.0] + 7 * [6.0], 3, 0.0)[0],
    when="comparing the last epoch of the losses 4, nan, nan, ... with that of 4, 6, 6, ...",
    think="A training that has gone to NaN should not run on to the end of its budget.",
)


# %% hidden aspect="parameters come back, and buffers with them" points=1
@student_side
def restored_parts(losses):
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double()
    stopper = EarlyStopping(patience=9, min_delta=0.0)
    for epoch, loss in enumerate(losses, 1):
        for parameter in model.parameters():
            parameter.data = torch.full_like(parameter, epoch + 0.1)
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(model[1], name, torch.full_like(getattr(model[1], name), epoch))
        stopper(loss, model)
    stopper.restore(model)
    return {name: value.double().mean().item() for name, value in model.state_dict().items()}


for losses, best in (([0.5, 0.0, 0.25], 2), ([2.0, 1.0, -1.0, -2.0, -1.5], 4)):
    for name, value in restored_parts(list(losses)).items():
        extra = 0.1 if name.endswith(("weight", "bias")) else 0.0
        expect.close(
            value,
            best + extra,
            when=f"looking at `{name}`, whose value in epoch k is k + {extra:g}, restored after the "
            f"losses {losses}",
            think="A network with batch norm predicts with its running statistics as well. What do "
            "parameters() and state_dict() hold?",
        )


# %% hidden aspect="what was kept does not change when training goes on" points=1
@student_side
def restored_in_place(losses):
    model = nn.Linear(3, 2)
    stopper = EarlyStopping(patience=9, min_delta=0.0)
    for epoch, loss in enumerate(losses, 1):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(epoch)
        stopper(loss, model)
    found = []
    for _ in range(2):
        stopper.restore(model)
        found.append(model.bias[0].item())
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(77)
    return found


for losses, best in (([3.0, 1.0, 2.0, 5.0], 2.0), ([3.0, 2.0, 1.0, 5.0], 3.0)):
    once, again = restored_in_place(list(losses))
    expect.equal(
        once,
        best,
        when="restoring a model whose weights were written to in place in every epoch, as an "
        f"optimizer does; all weights of epoch k are k, and the losses were {losses}",
        think="Whose memory do the tensors in state_dict() share? A copy of the dictionary has the "
        "same tensors in it.",
    )
    expect.equal(
        again,
        best,
        when="restoring once more after the restored model was trained on",
        think="Does restoring hand out the very tensors that were kept?",
    )


# %% hidden aspect="if nothing was kept, the model stays as it is" points=1
@student_side
def around_restoring(losses):
    model = nn.Linear(3, 2)
    stopper = EarlyStopping(patience=9, min_delta=0.0)
    for epoch, loss in enumerate(losses, 1):
        for parameter in model.parameters():
            parameter.data = torch.full_like(parameter, epoch)
        stopper(loss, model)
    before = model.weight.detach().clone()
    stopper.restore(model)
    return before, model.weight.detach()


before, after = around_restoring([0.5, 0.9])
expect.true(
    not torch.equal(before, after),
    when="comparing the weights after and before restoring, after the losses [0.5, 0.9]",
    wanted="other ones: those of the first epoch",
    got="the same",
    think="Here there is a best epoch. Is anything restored?",
)
for losses in ([], [nan, nan, nan]):
    before, after = around_restoring(list(losses))
    expect.equal(
        after,
        before,
        when=f"comparing the weights after and before restoring, after the losses {losses}",
        think="There is no best epoch. What has the stopper kept, and what can it restore?",
    )

# %% hidden aspect="training ends when the stopper says so, at the latest with the budget" points=1
for budget, stop_after in ((6, 4), (3, 9), (3, 3), (5, 1)):
    losses, notes = train_on_script(budget, stop_after)
    wanted = [float(k) for k in range(1, min(budget, stop_after) + 1)]
    expect.equal(
        losses,
        wanted,
        when=f"training with a budget of {budget} and a stopper that says stop after epoch "
        f"{stop_after}",
        think="Which of the two comes first?",
    )
    expect.equal(
        [note for note in notes if note != "restored"],
        [f"heard {loss:g}" for loss in wanted],
        when=f"reading what the stopper heard, with a budget of {budget}",
        think="It hears of every epoch once, the last one too.",
    )

# %% hidden aspect="the best weights are restored, however training ended" points=1
for budget, stop_after in ((6, 4), (3, 9), (3, 3)):
    _, notes = train_on_script(budget, stop_after)
    expect.equal(
        notes[-1:],
        ["restored"],
        when=f"reading the stopper's last note, with a budget of {budget} and a stop after epoch "
        f"{stop_after}",
        think="Training may end in two ways. Which weights does the model hold after each of them?",
    )


# %% alternative of="EarlyStopping"
class WithAnEpochCounter:
    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.epoch = self.best_epoch = 0
        self.best_loss, self.kept = None, {}

    def __call__(self, val_loss, model):
        self.epoch += 1
        first = self.best_loss is None and val_loss == val_loss
        if first or (self.best_loss is not None and self.best_loss - val_loss > self.min_delta):
            self.best_loss, self.best_epoch = val_loss, self.epoch
            self.kept = {k: v.detach().clone() for k, v in model.state_dict().items()}
        return self.epoch - self.best_epoch >= self.patience

    def restore(self, model):
        own = model.state_dict()
        for name, value in self.kept.items():
            own[name].copy_(value)


# %% alternative of="EarlyStopping"
class WithACopyOfTheModel:
    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.left, self.bar = patience, patience, float("inf")
        self.min_delta, self.best = min_delta, None

    def __call__(self, val_loss, model):
        self.left -= 1
        if val_loss < self.bar:
            self.bar, self.left = val_loss - self.min_delta, self.patience
            self.best = copy.deepcopy(model)
        return self.left <= 0

    def restore(self, model):
        if self.best:
            model.load_state_dict(self.best.state_dict())


# %% alternative of="train"
def with_a_while_loop(model, run_epoch, budget, stopper):
    losses, stop = [], False
    try:
        while not stop and len(losses) < budget:
            loss = run_epoch(model)
            losses += [loss]
            stop = stopper(loss, model)
    finally:
        stopper.restore(model)
    return losses


# %% mistake of="EarlyStopping" fails="the stop comes with the patience-th epoch in a row without an improvement"
class WaitsOneEpochMore:
    """Patience 2 stops with the second epoch in a row without an improvement, not after it."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, None

    def __call__(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss, self.wait = val_loss, 0
            self.best_weights = copy.deepcopy(model.state_dict())
            return False
        self.wait += 1
        return self.wait > self.patience

    def restore(self, model):
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)


# %% mistake of="EarlyStopping" fails="the stop comes with the patience-th epoch in a row without an improvement"
class NeverForgetsABadEpoch:
    """An improvement starts the count again: patience is about epochs in a row."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, None

    def __call__(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss = val_loss
            self.best_weights = copy.deepcopy(model.state_dict())
        else:
            self.wait += 1
        return self.wait >= self.patience

    def restore(self, model):
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)


# %% mistake of="EarlyStopping" fails="a loss that only reaches the bar is no improvement"
class TakesATieForAGain:
    """A loss that stays the same is not falling: with <= a flat curve is never stopped."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, None

    def __call__(self, val_loss, model):
        if val_loss <= self.best_loss - self.min_delta:
            self.best_loss, self.wait = val_loss, 0
            self.best_weights = copy.deepcopy(model.state_dict())
        else:
            self.wait += 1
        return self.wait >= self.patience

    def restore(self, model):
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)


# %% mistake of="EarlyStopping" fails="gains count from the epoch that was kept, and only beyond min_delta"
class MovesTheBarWithEveryGain:
    """The bar belongs to the epoch that was kept; lowered by small gains, it runs away from them."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, None

    def __call__(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.wait = 0
            self.best_weights = copy.deepcopy(model.state_dict())
        else:
            self.wait += 1
        if val_loss < self.best_loss:
            self.best_loss = val_loss
        return self.wait >= self.patience

    def restore(self, model):
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)


# %% mistake of="EarlyStopping" fails="NaN is one more epoch without an improvement; if nothing was kept, the model stays as it is"
class AsksWhetherItGotWorse:
    """NaN compares False with everything, so `not worse` lets it pass for the best epoch."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, {}

    def __call__(self, val_loss, model):
        if val_loss >= self.best_loss - self.min_delta:
            self.wait += 1
        else:
            self.best_loss, self.wait = val_loss, 0
            self.best_weights = copy.deepcopy(model.state_dict())
        return self.wait >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_weights)


# %% mistake of="EarlyStopping" fails="NaN is one more epoch without an improvement"
class PassesOverNan:
    """A loss of NaN is not missing data: left out of the count, it burns the whole budget."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, None

    def __call__(self, val_loss, model):
        if val_loss != val_loss:
            return False
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss, self.wait = val_loss, 0
            self.best_weights = copy.deepcopy(model.state_dict())
        else:
            self.wait += 1
        return self.wait >= self.patience

    def restore(self, model):
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)


# %% mistake of="EarlyStopping" fails="parameters come back, and buffers with them"
class KeepsParametersOnly:
    """The running statistics of batch norm are buffers; they go on moving after the best epoch."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best = float("inf"), 0, []

    def __call__(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss, self.wait = val_loss, 0
            self.best = [p.detach().clone() for p in model.parameters()]
        else:
            self.wait += 1
        return self.wait >= self.patience

    def restore(self, model):
        with torch.no_grad():
            for parameter, value in zip(model.parameters(), self.best, strict=False):
                parameter.copy_(value)


# %% mistake of="EarlyStopping" fails="what was kept does not change when training goes on"
class KeepsTheLiveWeights:
    """state_dict() shows the model's own memory: the next step of training changes what was kept."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, None

    def __call__(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss, self.wait = val_loss, 0
            self.best_weights = dict(model.state_dict())
        else:
            self.wait += 1
        return self.wait >= self.patience

    def restore(self, model):
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)


# %% mistake of="EarlyStopping" fails="if nothing was kept, the model stays as it is"
class RestoresWhatIsNotThere:
    """If every loss was NaN, nothing was kept, and None is no set of weights."""

    def __init__(self, patience=10, min_delta=1e-4):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.wait, self.best_weights = float("inf"), 0, None

    def __call__(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss, self.wait = val_loss, 0
            self.best_weights = copy.deepcopy(model.state_dict())
        else:
            self.wait += 1
        return self.wait >= self.patience

    def restore(self, model):
        model.load_state_dict(self.best_weights)


# %% mistake of="train" fails="training ends when the stopper says so, at the latest with the budget"
def does_not_listen(model, run_epoch, budget, stopper):
    """The stopper only speaks: whoever runs the loop has to end it."""
    losses = []
    for _ in range(budget):
        losses.append(run_epoch(model))
        stopper(losses[-1], model)
    stopper.restore(model)
    return losses


# %% mistake of="train" fails="the best weights are restored, however training ended"
def restores_on_a_stop_only(model, run_epoch, budget, stopper):
    """If the budget ends first, the model is left with its last weights, not with its best."""
    losses = []
    for _ in range(budget):
        losses.append(run_epoch(model))
        if stopper(losses[-1], model):
            stopper.restore(model)
            break
    return losses
