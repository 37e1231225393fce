# %% exercise [markdown] items="158" stars=2 minutes=25 level="apply" goal="tell an optimizer which parameters decay, each of them once"
r"""
# Parameter groups: who decays
`AdamW(model.parameters(), weight_decay=0.1)` multiplies everything by $1 - \eta\lambda$ at each
step: also the biases, and the $\gamma$ and $\beta$ of every normalization layer. These are few, they
hardly overfit, and a $\gamma$ drawn to 0 shuts its layer. So most recipes let them be. An optimizer
takes *parameter groups* for this: a list of dicts, each with its own settings,

$$ \text{group 1: } w \leftarrow (1 - \eta\lambda)\, w - \eta\, u, \qquad\qquad
\text{group 2: } w \leftarrow w - \eta\, u, $$

where $u$ is Adam's step. Write `parameter_groups`, by these rules:

- *Spared* are the parameters of normalization layers (`NORMS`, subclasses too), and biases:
  parameters with `bias` in their own name, the last part of `encoder.0.in_proj_bias`.
- *All others decay*, whatever their shape: embeddings too. This is our choice; there are others.
  Some recipes spare embeddings. Some spare whatever has one dimension, which is shorter to write,
  but a `LayerNorm((8, 8))` then decays. (Under our rule the slope of a PReLU decays, of which
  PyTorch's page advises against; it would be one more type to spare.)
- A parameter that does not train (`requires_grad` is False) is in no group.
- A parameter that two layers share, like the embedding and the last layer of a language model, is
  one parameter, and listed once.
- In each group the order is the model's: a saved optimizer tells its parameters by their position.

*Hint:* `==` compares tensors entry by entry. Whether two names stand for one parameter is another
question: Python's `is`, or `id`.
"""

# %%
from typing import Any

import torch
from torch import nn

from autograder import expect, student_side

NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    *(nn.LayerNorm, nn.GroupNorm, nn.RMSNorm),
)


def by_name(groups: list[dict[str, Any]], model: nn.Module) -> list[tuple[float, list[str]]]:
    """Each group's decay (NaN if it has none) and the names of its parameters.

    Of several names that a parameter has, it is the first.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    return [
        (float(g.get("weight_decay", "nan")), [names.get(id(p), "a stranger") for p in g["params"]])
        for g in groups
    ]


def decays(groups: list[tuple[float, list[str]]]) -> dict[str, list[float]]:
    """The decay of each parameter, as often as it is listed, from what `by_name` returned."""
    found: dict[str, list[float]] = {}
    for decay, names in groups:
        for name in names:
            found.setdefault(name, []).append(decay)
    return found


# %% solution
def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Two dicts for `torch.optim.AdamW`, each with the keys "params" and "weight_decay".

    The first holds the list of parameters that decay by `weight_decay`, the second the list of
    those that are spared, with a decay of 0. Either list may be empty.
    """
    ### BEGIN SOLUTION
    spared = {
        id(p)
        for module in model.modules()
        for name, p in module.named_parameters(recurse=False)
        if isinstance(module, NORMS) or "bias" in name
    }
    own = [p for p in model.parameters() if p.requires_grad]  # each parameter once
    return [
        {"params": [p for p in own if id(p) not in spared], "weight_decay": weight_decay},
        {"params": [p for p in own if id(p) in spared], "weight_decay": 0.0},
    ]
    ### END SOLUTION


# %% check
# Models stay where your code is: what comes back are names.
@student_side
def small_model_by_name(weight_decay):
    model = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    groups = parameter_groups(model, weight_decay)
    torch.optim.AdamW(groups, lr=1e-3)  # complains if it cannot read them
    return by_name(groups, model)


groups = small_model_by_name(0.1)
expect.equal(
    len(groups),
    2,
    when="counting the groups of Linear, LayerNorm, Linear",
    think="One group for the parameters that decay, one for those that are spared.",
)
for (decay, names), wanted_decay, wanted in zip(
    groups,
    (0.1, 0.0),
    (["0.weight", "2.weight"], ["0.bias", "1.weight", "1.bias", "2.bias"]),
    strict=True,
):
    expect.close(
        decay,
        wanted_decay,
        when="reading the decay of a group, weight_decay=0.1",
        think="The first group decays by what was asked for, the second not at all.",
    )
    expect.equal(
        names,
        wanted,
        when=f"reading the group with decay {wanted_decay} of Linear, LayerNorm, Linear",
        think="Which parameters multiply, which shift, and which belong to a norm?",
    )


# %% hidden aspect="every other weight decays at the rate asked for" points=1
@student_side
def shares_left(lr, weight_decay):
    class Gain(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(3))

    layers = {
        "norm_head": nn.Linear(3, 4),
        "bias_net": nn.Conv1d(2, 3, 2),
        "embedding": nn.Embedding(5, 3),
        "attention": nn.MultiheadAttention(4, 2),
        "vector": Gain(),
        "recurrent": nn.GRU(2, 3),
    }
    model = nn.ModuleDict(layers).double()
    optimizer = torch.optim.AdamW(parameter_groups(model, weight_decay), lr=lr)
    for p in model.parameters():
        p.data, p.grad = torch.ones_like(p), torch.zeros_like(p)
    optimizer.step()
    return {name: p.mean().item() for name, p in model.named_parameters()}


for lr, weight_decay in ((0.5, 0.3), (0.1, 0.02)):
    left = shares_left(lr, weight_decay)
    expect.kind(
        left,
        dict,
        when="making a step of AdamW",
        think="The groups are what AdamW takes in place of `model.parameters()`.",
    )
    for name in left:
        if "bias" not in name.rpartition(".")[2]:
            expect.close(
                left[name],
                1 - lr * weight_decay,
                when=f"looking at `{name}` after a step of AdamW with gradient 0, from 1, "
                f"lr {lr}, weight_decay {weight_decay}",
                think="What makes a bias is its own name, and a norm its type; all else decays.",
            )


# %% hidden aspect="no bias decays" points=1
@student_side
def of_biases(weight_decay):
    class Untied(nn.Module):
        def __init__(self):
            super().__init__()
            self.map = nn.Parameter(torch.ones(2, 3, 3))
            self.bias = nn.Parameter(torch.zeros(2, 3, 3))

    layers = [nn.Conv2d(1, 2, 3), nn.MultiheadAttention(4, 2, add_bias_kv=True)]
    layers += [nn.LSTM(2, 3), Untied(), nn.Bilinear(2, 2, 2)]
    model = nn.Sequential(*layers)
    return by_name(parameter_groups(model, weight_decay), model)


found = decays(of_biases(0.2))
for name in (
    "0.bias",
    "1.in_proj_bias",
    "1.out_proj.bias",
    "1.bias_k",
    "2.bias_hh_l0",
    "3.bias",
    "4.bias",
):
    expect.equal(
        found.get(name, []),
        [0.0],
        when=f"reading the decay of `{name}`",
        think="Layers name their biases in several ways, and not all of them have one dimension.",
    )


# %% hidden aspect="no parameter of a normalization layer decays" points=1
@student_side
def of_norms(weight_decay):
    class InFloat32(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.float()).to(x.dtype)

    layers = {
        "scaler": nn.BatchNorm2d(4),
        "groups": nn.GroupNorm(2, 4),
        "grid": nn.LayerNorm((4, 4)),
        "root": nn.RMSNorm(4),
        "own": InFloat32(4),
        "each": nn.Sequential(nn.InstanceNorm1d(4, affine=True)),
        "fixed": nn.BatchNorm1d(4, affine=False),
    }
    model = nn.ModuleDict(layers)
    return by_name(parameter_groups(model, weight_decay), model)


found = decays(of_norms(0.2))
for name in ("scaler", "groups", "grid", "root", "own", "each.0"):
    expect.equal(
        found.get(f"{name}.weight", []),
        [0.0],
        when=f"reading the decay of `{name}.weight`, the gamma of a normalization layer",
        think="Neither name nor shape tells what a layer is: its type does, also a subclass.",
    )


# %% hidden aspect="a shared parameter is listed once" points=1
@student_side
def of_shared(weight_decay):
    layers = {"embedding": nn.Embedding(7, 4), "one": nn.Linear(4, 4), "two": nn.Linear(4, 4)}
    layers |= {"norm": nn.LayerNorm(4), "head": nn.Linear(4, 7, bias=False)}
    model = nn.ModuleDict(layers)
    model["head"].weight = model["embedding"].weight
    model["two"].bias = model["one"].bias
    model["again"] = model["norm"]
    return by_name(parameter_groups(model, weight_decay), model)


found = decays(of_shared(0.2))
for name, layers in {
    "embedding.weight": "the embedding and the head share one weight",
    "one.bias": "two linear layers share one bias",
    "norm.weight": "a norm stands in the model twice",
}.items():
    expect.equal(
        len(found.get(name, [])),
        1,
        when=f"counting in both groups how often `{name}` is listed, where {layers}",
        think="Two names can stand for one parameter, and it should get one step, not two.",
    )


# %% hidden aspect="the groups hold the parameters that train, in the model's order" points=1
@student_side
def of_partly_frozen(weight_decay):
    layers = {"stem": nn.Conv2d(1, 4, 3), "norm": nn.BatchNorm2d(4), "body": nn.Linear(4, 5)}
    layers |= {"after": nn.LayerNorm(5), "crown": nn.Linear(5, 5), "adapter": nn.Linear(5, 2)}
    model = nn.ModuleDict(layers)
    model["stem"].requires_grad_(False)
    model["norm"].requires_grad_(False)
    model["crown"].bias.requires_grad_(False)
    trains = [name for name, p in model.named_parameters() if p.requires_grad]
    return by_name(parameter_groups(model, weight_decay), model), trains


groups, trains = of_partly_frozen(0.2)
listed = [name for _, names in groups for name in names]
extra = [name for name in listed if name not in trains]
missing = [name for name in trains if name not in listed]
expect.true(
    not extra,
    when="reading both groups of a model whose first layers are frozen",
    wanted="parameters that train",
    got=f"also {', '.join(extra)}",
    think="A parameter that gets no gradient needs no optimizer.",
)
expect.true(
    not missing,
    when="reading both groups of a model whose first layers are frozen",
    wanted="all the parameters that train",
    got=f"them without {', '.join(missing)}",
    think="A parameter that no group holds stays what it was at the start.",
)
expect.close(
    [decay for decay, _ in groups],
    [0.2, 0.0],
    when="reading the decay of the groups, one after the other",
    think="The order of the groups counts as well, as soon as a checkpoint is loaded.",
)
for decay, names in groups:
    expect.equal(
        names,
        [name for name in trains if name in names],
        when=f"reading the order in the group with decay {decay:g}",
        think="The state of an optimizer is saved by position, so the position must be certain.",
    )


# %% alternative of="parameter_groups"
def with_one_walk_over_the_modules(model, weight_decay):
    decayed, spared, seen = [], [], set()
    for module in model.modules():
        for name, p in module.named_parameters(recurse=False):
            if p in seen or not p.requires_grad:
                continue
            seen.add(p)
            (spared if isinstance(module, NORMS) or "bias" in name else decayed).append(p)
    return [
        dict(params=decayed, weight_decay=weight_decay),
        dict(params=spared, weight_decay=0.0),
    ]


# %% alternative of="parameter_groups"
def with_the_names_of_the_model(model, weight_decay):
    groups = {True: [], False: []}
    for name, p in model.named_parameters():
        home, _, own = name.rpartition(".")
        if p.requires_grad:
            groups["bias" in own or isinstance(model.get_submodule(home), NORMS)].append(p)
    return (
        {"weight_decay": weight_decay, "params": groups[False]},
        {"weight_decay": 0, "params": tuple(groups[True])},
    )


# %% mistake of="parameter_groups" fails="every other weight decays at the rate asked for; no bias decays; no parameter of a normalization layer decays"
def goes_by_the_number_of_dimensions(model, weight_decay):
    """A LayerNorm over a grid has two dimensions and a weight may have one: shape does not tell."""
    own = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in own if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in own if p.ndim <= 1], "weight_decay": 0.0},
    ]


# %% mistake of="parameter_groups" fails="every other weight decays at the rate asked for; no parameter of a normalization layer decays"
def looks_for_norm_in_the_name(model, weight_decay):
    """Whoever writes a model names its layers freely; the type says whether one is a norm."""
    own = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    is_spared = {n: "norm" in n or "bias" in n.rpartition(".")[2] for n, _ in own}
    return [
        {"params": [p for n, p in own if not is_spared[n]], "weight_decay": weight_decay},
        {"params": [p for n, p in own if is_spared[n]], "weight_decay": 0.0},
    ]


# %% mistake of="parameter_groups" fails="every other weight decays at the rate asked for"
def looks_for_bias_in_the_whole_name(model, weight_decay):
    """Only the last part of a name is the parameter's own; the parts before it name modules."""
    groups = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for name, p in model.named_parameters():
        norm = isinstance(model.get_submodule(name.rpartition(".")[0]), NORMS)
        if p.requires_grad:
            groups["bias" in name or norm]["params"].append(p)
    return groups


# %% mistake of="parameter_groups" fails="every other weight decays at the rate asked for"
def spares_embeddings(model, weight_decay):
    """Some recipes spare embeddings; by the rules asked for here they decay."""
    groups = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for name, p in model.named_parameters():
        home, _, own = name.rpartition(".")
        spared = isinstance(model.get_submodule(home), (*NORMS, nn.Embedding)) or "bias" in own
        if p.requires_grad:
            groups[spared]["params"].append(p)
    return groups


# %% mistake of="parameter_groups" fails="no bias decays"
def knows_one_name_for_a_bias(model, weight_decay):
    """Attention has an in_proj_bias, an LSTM a bias_ih_l0: `bias` may be a part of the name."""
    groups = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for name, p in model.named_parameters():
        home, _, own = name.rpartition(".")
        if p.requires_grad:
            spared = isinstance(model.get_submodule(home), NORMS) or own == "bias"
            groups[spared]["params"].append(p)
    return groups


# %% mistake of="parameter_groups" fails="no parameter of a normalization layer decays"
def wants_exactly_these_types(model, weight_decay):
    """A subclass of LayerNorm is a LayerNorm too: isinstance sees that, `type(m) in` does not."""
    groups = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for name, p in model.named_parameters():
        home, _, own = name.rpartition(".")
        if p.requires_grad:
            spared = type(model.get_submodule(home)) in NORMS or "bias" in own
            groups[spared]["params"].append(p)
    return groups


# %% mistake of="parameter_groups" fails="a shared parameter is listed once"
def lists_what_each_module_has(model, weight_decay):
    """Two modules may hold one parameter: `model.parameters()` tells it once, this loop twice."""
    groups = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for module in model.modules():
        for name, p in module.named_parameters(recurse=False):
            if p.requires_grad:
                groups[isinstance(module, NORMS) or "bias" in name]["params"].append(p)
    return groups


# %% mistake of="parameter_groups" fails="the groups hold the parameters that train, in the model's order"
def lists_frozen_parameters(model, weight_decay):
    """What does not train needs no optimizer; thawed by accident, it would decay with the rest."""
    groups = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for name, p in model.named_parameters():
        home, _, own = name.rpartition(".")
        groups[isinstance(model.get_submodule(home), NORMS) or "bias" in own]["params"].append(p)
    return groups


# %% mistake of="parameter_groups" fails="the groups hold the parameters that train, in the model's order"
def sorts_by_name(model, weight_decay):
    """A layer renamed would change places with another, and take over its saved state."""
    groups = [
        {"params": [], "weight_decay": weight_decay},
        {"params": [], "weight_decay": 0.0},
    ]
    for name, p in sorted(model.named_parameters()):
        home, _, own = name.rpartition(".")
        if p.requires_grad:
            groups[isinstance(model.get_submodule(home), NORMS) or "bias" in own]["params"].append(
                p
            )
    return groups
