# %% exercise [markdown] items="22" stars=2 minutes=45 level="evaluate" goal="measure whether predictions depend on the rest of the batch, and cure it in two ways"
r"""
# Predictions that depend on the batch
A production team reports that its recommender scores the same visitor differently, depending on
which other requests happen to share the batch. Such a *leak* shows when the batch-mates of $x$ are
exchanged and $x$ is not:

$$ \text{leak} = \max_{A, B} \, \bigl\lvert f(x; A) - f(x; B) \bigr\rvert $$

Here $f(x; A)$ are the outputs for $x$ in one batch with the mates $A$. The maximum runs over all
pairs of groups of mates, and over every output number of $x$.

Write `leak`. Then write two cures, each of which returns another model: `for_serving` prepares a
copy for predictions, and `without_batch_statistics` builds a network that cannot leak even while
it trains.

A leak below $10^{-5}$ is none. In float32 the same row in a batch of another size may differ by
$10^{-7}$: another kernel adds up in another order.

*Hint:* a forward pass in training mode writes into the model, under `torch.no_grad()` too. Whoever
measures a model in service must not change it.

*Hint:* `setattr(parent, name, child)` puts a module in the place of another. Which method of a
module names its children, and how do you get to their children?
"""

# %%
import copy

import torch
from torch import Tensor, nn

from autograder import expect, student_side


def recommender(dropout: float = 0.0) -> nn.Module:
    """Six numbers about a visitor in, two scores out; batch norms at two depths."""
    body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout))
    head = nn.Sequential(nn.Linear(8, 5), nn.BatchNorm1d(5), nn.Tanh())
    return nn.Sequential(body, nn.Sequential(head, nn.Linear(5, 2)))


# %% solution
def leak(model: nn.Module, x: Tensor, mates: list[Tensor]) -> float:
    """The largest change of the outputs for `x`, shape (n, C), when its batch-mates are exchanged.

    Each tensor of `mates`, shape (m, C) with an m of its own, is one group that shares a batch
    with `x`. The model is measured in the mode it is in, layer by layer, and stays as it was:
    its modes, its parameters, its buffers. It has no dropout.
    """
    ### BEGIN SOLUTION
    probe = copy.deepcopy(model)
    with torch.no_grad():
        outputs = torch.stack([probe(torch.cat([x, group]))[: len(x)] for group in mates])
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).max().item()
    ### END SOLUTION


def for_serving(model: nn.Module) -> nn.Module:
    """A copy of a trained model that predicts; `model` itself can go on training."""
    ### BEGIN SOLUTION
    return copy.deepcopy(model).eval()
    ### END SOLUTION


def without_batch_statistics(model: nn.Module) -> nn.Module:
    """A copy with a LayerNorm (or GroupNorm) in the place of every BatchNorm1d inside `model`.

    All other layers keep their weights; `model` itself stays as it was.
    """
    ### BEGIN SOLUTION
    twin = copy.deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm1d):
                setattr(parent, name, nn.LayerNorm(child.num_features))
    return twin
    ### END SOLUTION


# %% check
# Beside a 3, a 1 is one deviation below the mean, beside a -1 one above: -1 becomes +1.
# A model stays where your code is; a function marked `student_side` brings back the numbers.
@student_side
def leak_of_a_single_norm(training):
    model = nn.BatchNorm1d(1, eps=1e-12).double().train(training)
    groups = [torch.tensor([[3.0]]).double(), torch.tensor([[-1.0]]).double()]
    return leak(model, torch.tensor([[1.0]]).double(), groups)


expect.close(
    leak_of_a_single_norm(training=True),
    2.0,
    rtol=1e-6,  # what eps = 1e-12 changes is out of sight
    when="measuring a BatchNorm1d in training mode: x is 1, its mate first 3, then -1",
    think="Which rows of the output belong to x? How far apart are they?",
)
expect.between(
    leak_of_a_single_norm(training=False),
    0.0,
    1e-5,
    when="measuring the same layer in evaluation mode",
    think="Is the model measured in the mode it is in?",
)


# %% check
@student_side
def scores_after(cure):
    torch.manual_seed(0)
    model, x, mates = recommender(), torch.randn(1, 6), [torch.randn(7, 6), torch.randn(3, 6)]
    cured = for_serving(model) if cure == "for_serving" else without_batch_statistics(model)
    return [cured(torch.cat([x, group]))[:1].detach() for group in mates]


for cure in ("for_serving", "without_batch_statistics"):
    first, second = scores_after(cure)
    expect.close(
        second,
        first,
        when=f"comparing the scores of one visitor beside seven others and beside three, {cure}",
        think="Is there a layer left that looks at the whole batch?",
    )

# %% hidden aspect="leak is the largest change that an exchange of mates makes" points=1
from autograder import reference


@student_side
def leak_of_a_norm(x, mates):
    return leak(nn.BatchNorm1d(3, momentum=0.3).double(), x, mates)


@student_side
def leak_of_a_recommender(state, mode, x, mates):
    model = recommender().double()
    model.load_state_dict(state)
    model.train(mode != "evaluation")
    if mode == "its first layers frozen":
        model[0].eval()
    return leak(model, x, mates)


torch.manual_seed(1)
x, noise = torch.zeros(1, 3).double(), 0.1 * torch.randn(3, 4, 3).double()
# Among mates near 0, x is in the middle; among mates near +5 and -5 it is at either end.
mates = [torch.tensor([[1.0], [-1.0], [1.0], [-1.0]]) + noise[0], 5 + noise[1], -5 + noise[2, :3]]
expect.close(
    leak_of_a_norm(x, mates),
    reference.leak(nn.BatchNorm1d(3).double(), x, mates),
    when="measuring a BatchNorm1d with three groups of mates: around 0, around 5, around -5",
    think="Every pair of groups counts, every output of x counts, and the largest change is asked.",
)
model = recommender().double()
x, mates = torch.randn(8, 6).double(), [3 * torch.randn(n, 6).double() for n in (3, 6, 4)]
for mode in ("all of it", "its first layers frozen"):
    model.train()
    model[0].train(mode == "all of it")
    expect.close(
        leak_of_a_recommender(dict(model.state_dict()), mode, x, mates),
        reference.leak(model, x, mates),
        when=f"measuring the scores of eight visitors in a network in training mode ({mode})",
        think="The model is judged as it stands, layer by layer, and by every row of x.",
    )
expect.between(
    leak_of_a_recommender(dict(model.state_dict()), "evaluation", x, mates),
    0.0,
    1e-5,
    when="measuring the scores of eight visitors in a network in evaluation mode",
    think="The model is judged as it stands. Does the measurement switch the mode?",
)


# %% hidden aspect="leak leaves the model as it was" points=1
@student_side
def before_and_after(state, x, mates):
    model = recommender()
    model.load_state_dict(state)
    model[1].eval()

    def look():
        modes = {name or "the whole": module.training for name, module in model.named_modules()}
        return modes, {name: value.clone() for name, value in model.state_dict().items()}

    before, found = look(), leak(model, x, mates)
    return before, look(), found


torch.manual_seed(2)
x, mates = torch.randn(2, 6), [3 * torch.randn(n, 6) + 1 for n in (3, 6)]
before, after, found = before_and_after(dict(recommender().state_dict()), x, mates)
expect.true(
    isinstance(found, int | float | torch.Tensor),
    when="measuring a model with a BatchNorm in training mode",
    wanted="a number",
    got=f"{found}",
    think="Who asks the model for nothing changes nothing in it.",
)
expect.equal(
    after[1],
    before[1],
    when="looking at the parameters and buffers of the model after it was measured",
    think="What does a BatchNorm in training mode do with every batch that it sees?",
)
expect.equal(
    after[0],
    before[0],
    when="looking at which modules are in training mode after the measurement",
    think="Each module has a flag of its own, and they need not be the same.",
)


# %% hidden aspect="the served copy predicts as the trained model does in evaluation" points=1
@student_side
def served_scores(state, batch):
    model = recommender(dropout=0.5)
    model.load_state_dict(state)
    return for_serving(model.train())(batch)[:8].detach()


torch.manual_seed(3)
model = recommender(dropout=0.5)
for _ in range(20):
    model(2 * torch.randn(16, 6) + 1)  # the running statistics move away from 0 and 1
x = torch.randn(8, 6)
batches = [torch.cat([x, 4 * torch.randn(5, 6)]), torch.cat([x, torch.randn(30, 6) - 3]), x[:1]]
wanted, state = model.eval()(x).detach(), dict(model.state_dict())
for batch in batches:
    expect.close(
        served_scores(state, batch),
        wanted[: len(batch)],
        when=f"serving a batch of {len(batch)} from a network with dropout",
        think="A prediction uses what training learned and nothing random; which layers differ?",
    )


# %% hidden aspect="without batch statistics nothing leaks, even in training mode" points=1
@student_side
def scores_in_training(batches):
    class Towers(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(6)
            deep = nn.Sequential(nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)))
            self.towers = nn.ModuleList([nn.Linear(6, 4), deep])

        def forward(self, x):
            return sum(tower(self.norm(x)) for tower in self.towers)

    found = {}
    for name, model in {"a recommender": recommender(), "a network of towers": Towers()}.items():
        cured = without_batch_statistics(model).train().double()
        found[name] = [cured(batch)[:2].detach() for batch in batches]
    return found


torch.manual_seed(4)
x = torch.randn(2, 6).double()
batches = [torch.cat([x, 4 * torch.randn(n, 6).double() + n]) for n in (2, 5, 9)]
for name, (first, *others) in scores_in_training(batches).items():
    for other, batch in zip(others, batches[1:], strict=True):
        expect.close(
            other,
            first,
            atol=1e-5,  # what the prompt calls no leak
            when=f"training {name} on two rows among {len(batch) - 2} others, and among 2 others",
            think="Batch norms may sit at any depth, in any kind of container.",
        )


# %% hidden aspect="each batch norm becomes a norm over the features of one sample" points=1
@student_side
def normalized(x):
    return without_batch_statistics(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8)))(x).detach()


torch.manual_seed(5)
y = normalized(100 * torch.randn(40, 6))
expect.shape(
    y,
    (40, 8),
    when="feeding 40 rows to a Linear(6, 8) and what stands for its norm",
    think="The new layer takes the place of the old one, and leaves the shape.",
)
expect.between(
    y.var(dim=1, unbiased=False).mean(),
    0.9,  # groups of two features that nearly agree lose a little to eps
    1.001,
    when="averaging the variance of the 8 features of each row behind the norm",
    think="A norm over one value returns 0 for anything; a layer taken away normalizes nothing.",
)
expect.close(
    y.mean(dim=1),
    torch.zeros(40),
    atol=1e-5,  # float32
    when="averaging the 8 features of each row behind the norm",
    think="What is left to normalize over when the batch is out of bounds?",
)


# %% hidden aspect="both cures work on a copy" points=1
@student_side
def traces(cure):
    model = recommender(dropout=0.5)
    model(torch.randn(9, 6))

    def look():
        kinds = {n or "the whole": type(m).__name__ for n, m in model.named_modules()}
        modes = {n or "the whole": m.training for n, m in model.named_modules()}
        return kinds, modes, {n: value.clone() for n, value in model.state_dict().items()}

    before = look()
    cured = for_serving(model) if cure == "for_serving" else without_batch_statistics(model)
    after, own = look(), {value.data_ptr() for value in model.state_dict().values()}
    linear = [m.weight for m in model.modules() if isinstance(m, nn.Linear)]
    kept = [any(torch.equal(weight, p) for p in cured.parameters()) for weight in linear]
    shared = [n for n, value in cured.state_dict().items() if value.data_ptr() in own]
    return before, after, shared, kept


torch.manual_seed(6)
for cure in ("for_serving", "without_batch_statistics"):
    before, after, shared, kept = traces(cure)
    looks = "kinds of its modules", "modes of its modules", "its parameters and buffers"
    for look, one, other in zip(looks, before, after, strict=True):
        expect.equal(
            other,
            one,
            when=f"looking at the original after {cure} ({look})",
            think="The team goes on training the original. Is it changed, or a copy of it?",
        )
    expect.equal(
        shared,
        [],
        when=f"listing the tensors that the result of {cure} shares with the original",
        think="A copy that shares its weights is trained along with the original.",
    )
    expect.equal(
        kept,
        [True, True, True],
        when=f"looking for the weights of the three Linear layers in the result of {cure}",
        think="Only the norms are exchanged: what the other layers learned is worth keeping.",
    )


# %% setup
import copy

import torch
from torch import nn

# %% text [markdown] id="why-predictions-leak" points=3
r"""
Answer the production team in five or six sentences: why does the same visitor get different scores?
Propose the two cures. Say what each of them costs or leaves undone: remember that the model has
served requests for a week in the state it is in.

- [1] The cause: a batch norm in training mode (nobody called `eval()`) normalizes with the mean and variance of the batch at hand, so each output is a function of the whole batch.
- [1] Cure one: `eval()`, so that running statistics are used; they were overwritten with every request served in training mode (`no_grad` does not prevent that), so the checkpoint must be loaded again.
- [1] Cure two: norms over one sample's own features (LayerNorm, GroupNorm); that is another network, which has to be trained again.
"""

# %% evidence
# The cause: beside other mates, another output in training mode, the same in evaluation mode.
model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
x, one, other = torch.randn(1, 6), torch.randn(7, 6), 3 * torch.randn(7, 6)
pairs = [model(torch.cat([x, mates]))[0] for mates in (one, other)]
assert (pairs[0] - pairs[1]).abs().max() > 1e-3
model.eval()
pairs = [model(torch.cat([x, mates]))[0] for mates in (one, other)]
assert (pairs[0] - pairs[1]).abs().max() < 1e-5

# %% evidence
# A week in training mode, without gradients: evaluation is no longer what the checkpoint computes.
model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
for _ in range(100):
    model(torch.randn(32, 6))
checkpoint, x = copy.deepcopy(model.state_dict()), torch.randn(5, 6)
promised = model.eval()(x)
model.train()
with torch.no_grad():
    for _ in range(50):
        model(0.3 * torch.randn(8, 6) + 1)
assert (model.eval()(x) - promised).abs().max() > 1e-2
model.load_state_dict(checkpoint)
assert (model(x) - promised).abs().max() < 1e-5

# %% evidence
# With a LayerNorm in its place nothing leaks in either mode, but the function is another one.
network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
for _ in range(100):
    network(torch.randn(32, 6))
twin, x = copy.deepcopy(network), torch.randn(5, 6)
twin[1] = nn.LayerNorm(8)
assert (twin(x)[:2] - twin(x[:2])).abs().max() < 1e-5
assert (twin.eval()(x)[:2] - twin(x[:2])).abs().max() < 1e-5
assert (twin(x) - network.eval()(x)).abs().max() > 1e-2


# %% alternative of="leak"
def with_pairs_and_a_saved_state(model, x, mates):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.inference_mode():
        outputs = [model(torch.cat([group, x]))[-len(x) :] for group in mates]
        model.load_state_dict(state)
    return float(max((a - b).abs().max() for a in outputs for b in outputs))


# %% alternative of="for_serving"
def with_modes_set_one_by_one(model):
    served = copy.deepcopy(model)
    for module in served.modules():
        module.training = False
    return served.requires_grad_(False)


# %% alternative of="without_batch_statistics"
def with_recursion(model):
    if isinstance(model, nn.BatchNorm1d):
        return nn.GroupNorm(1, model.num_features)
    twin = copy.deepcopy(model)
    for name, child in model.named_children():
        twin._modules[name] = with_recursion(child)
    return twin


# %% alternative of="without_batch_statistics"
def with_dotted_names_and_groups(model):
    twin = copy.deepcopy(model)
    norms = [name for name, m in twin.named_modules() if isinstance(m, nn.BatchNorm1d)]
    for name in norms:
        parent, _, last = name.rpartition(".")
        old = twin.get_submodule(name)
        groups = 2 if old.num_features % 2 == 0 else 1
        setattr(twin.get_submodule(parent), last, nn.GroupNorm(groups, old.num_features))
    return twin


# %% mistake of="leak" fails="leak is the largest change that an exchange of mates makes"
def compares_with_the_first_group_only(model, x, mates):
    """The two groups that differ most need not include the first: every pair counts."""
    probe = copy.deepcopy(model)
    with torch.no_grad():
        first, *others = [probe(torch.cat([x, group]))[: len(x)] for group in mates]
    return max((other - first).abs().max().item() for other in others)


# %% mistake of="leak" fails="leak is the largest change that an exchange of mates makes"
def averages_the_changes(model, x, mates):
    """A leak that hits one score in a thousand is a leak: the largest change counts, no mean."""
    probe = copy.deepcopy(model)
    with torch.no_grad():
        outputs = torch.stack([probe(torch.cat([x, group]))[: len(x)] for group in mates])
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).mean().item()


# %% mistake of="leak" fails="leak is the largest change that an exchange of mates makes"
def compares_the_mates_too(model, x, mates):
    """The mates' own outputs differ because they are other inputs; only the rows of x tell."""
    probe, size = copy.deepcopy(model), len(x) + min(len(group) for group in mates)
    with torch.no_grad():
        outputs = torch.stack([probe(torch.cat([x, group]))[:size] for group in mates])
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).max().item()


# %% mistake of="leak" fails="leak is the largest change that an exchange of mates makes"
def always_measures_in_training_mode(model, x, mates):
    """The question is what this model does as it stands; a switch of mode measures another one."""
    probe = copy.deepcopy(model).train()
    with torch.no_grad():
        outputs = torch.stack([probe(torch.cat([x, group]))[: len(x)] for group in mates])
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).max().item()


# %% mistake of="leak" fails="leak is the largest change that an exchange of mates makes"
def always_measures_in_evaluation_mode(model, x, mates):
    """In evaluation mode there is nothing to find: the model has to be measured as it is served."""
    probe = copy.deepcopy(model).eval()
    with torch.no_grad():
        outputs = torch.stack([probe(torch.cat([x, group]))[: len(x)] for group in mates])
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).max().item()


# %% mistake of="leak" fails="leak leaves the model as it was"
def trusts_no_grad(model, x, mates):
    """no_grad stops the recording of gradients; running statistics are updated all the same."""
    with torch.no_grad():
        outputs = torch.stack([model(torch.cat([x, group]))[: len(x)] for group in mates])
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).max().item()


# %% mistake of="leak" fails="leak leaves the model as it was"
def keeps_the_state_without_copying_it(model, x, mates):
    """A state_dict holds the model's own tensors: kept without a copy, it changes with them."""
    state = model.state_dict()
    with torch.no_grad():
        outputs = torch.stack([model(torch.cat([x, group]))[: len(x)] for group in mates])
    model.load_state_dict(state)
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).max().item()


# %% mistake of="leak" fails="leak leaves the model as it was"
def restores_one_mode_for_all(model, x, mates):
    """model.train(flag) sets every module inside to one flag; frozen layers forget theirs."""
    training, probe = model.training, copy.deepcopy(model)
    with torch.no_grad():
        outputs = torch.stack([probe(torch.cat([x, group]))[: len(x)] for group in mates])
    model.train(training)
    return (outputs.amax(dim=0) - outputs.amin(dim=0)).max().item()


# %% mistake of="for_serving" fails="the served copy predicts as the trained model does in evaluation"
def freezes_the_batch_norms_only(model):
    """Dropout is another layer that acts in training only: the whole model has to change mode."""
    served = copy.deepcopy(model)
    for module in served.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eval()
    return served


# %% mistake of="for_serving" fails="the served copy predicts as the trained model does in evaluation"
def forgets_the_running_statistics(model):
    """Running statistics are part of what was learned: reset, they normalize with 0 and 1."""
    served = copy.deepcopy(model).eval()
    for module in served.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.reset_running_stats()
    return served


# %% mistake of="for_serving" fails="both cures work on a copy"
def switches_the_original(model):
    """eval() switches the model itself and returns it: its training goes on in the wrong mode."""
    return model.eval()


# %% mistake of="for_serving" fails="both cures work on a copy"
def copies_only_the_shell(model):
    """copy.copy makes a new outermost module; the layers inside are still the original's."""
    return copy.copy(model).eval()


# %% mistake of="without_batch_statistics" fails="without batch statistics nothing leaks, even in training mode"
def replaces_the_outermost_norms_only(model):
    """children() are the direct ones; a norm inside a block inside a block is not among them."""
    twin = copy.deepcopy(model)
    for child in [twin, *twin.children()]:
        for name, inner in list(child.named_children()):
            if isinstance(inner, nn.BatchNorm1d):
                setattr(child, name, nn.LayerNorm(inner.num_features))
    return twin


# %% mistake of="without_batch_statistics" fails="each batch norm becomes a norm over the features of one sample"
def takes_the_norms_away(model):
    """Without any norm nothing leaks, but nothing keeps the scale of the features either."""
    twin = copy.deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm1d):
                setattr(parent, name, nn.Identity())
    return twin


# %% mistake of="without_batch_statistics" fails="each batch norm becomes a norm over the features of one sample"
def makes_every_feature_a_group(model):
    """A group of one feature has no spread: the norm returns its shift, whatever the input."""
    twin = copy.deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm1d):
                setattr(parent, name, nn.GroupNorm(child.num_features, child.num_features))
    return twin


# %% mistake of="without_batch_statistics" fails="both cures work on a copy"
def replaces_in_the_original(model):
    """The original is changed too, so the network that was trained with batch norms is gone."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm1d):
                setattr(parent, name, nn.LayerNorm(child.num_features))
    return copy.deepcopy(model)
