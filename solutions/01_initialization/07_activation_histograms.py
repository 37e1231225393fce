# %% exercise [markdown] items="59 116" stars=2 minutes=50 level="analyze" goal="look into every layer of a deep network, and tell healthy activations from dying ones"
r"""
# Looking into every layer
A loss that does not fall says that something is wrong, not where. The distributions of the
activations, layer by layer, often show it at once: a spike at 0, two spikes at the ends, a spread
that shrinks from panel to panel.

Write the tool, then use it on a 20-layer ReLU network with He's and with Xavier's initialization:

- `collect_activations` records what the activation modules of *any* model put out. It watches with
  forward hooks and leaves no trace: the model is afterwards what it was.
- `deep_network` builds the network, `second_moments` and `expected_moments` measure and predict
  $\mathrm{E}[a^2]$ behind each layer, `plot_moments` compares the two.
- `histogram_grid` shows one histogram a layer.

With ReLU and weights of variance $g / n_{in}$, a layer multiplies $\mathrm{E}[a^2]$ by $g / 2$: He
has $g = 2$; Xavier, in layers of equal width, has $g = 1$.

*Hint:* `module.register_forward_hook(f)` has `f(module, inputs, output)` called after each forward
pass, and returns a handle whose `remove()` takes the hook away.
"""

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect

ACTIVATIONS = (nn.ReLU, nn.Tanh, nn.Sigmoid)


# %% solution
def collect_activations(model: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """What each activation module of the model puts out for the batch `x`, by the module's name.

    Activation modules are those of the types in ACTIVATIONS, at any depth, under the names that
    `model.named_modules()` gives, in the order in which they run. The tensors are copies without a
    gradient: a later in-place operation must not change them. The model keeps its mode, and no hook
    stays behind, not even if its forward pass raises an error.
    """
    ### BEGIN SOLUTION
    found: dict[str, Tensor] = {}
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):

            def keep(module: nn.Module, inputs: tuple, output: Tensor, name: str = name) -> None:
                found[name] = output.detach().clone()

            handles.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found
    ### END SOLUTION


# %% check
from autograder import student_side


@student_side
def outputs_of_doubling(x):
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    nn.init.constant_(model[0].weight, 2.0)
    nn.init.zeros_(model[0].bias)
    return collect_activations(model, x)


collected = outputs_of_doubling(torch.tensor([[3.0], [-3.0]]))
expect.equal(
    list(collected),
    ["1"],
    when="collecting from Linear, ReLU",
    think="Only activation modules, under the names that `named_modules()` gives them.",
)
expect.close(
    collected["1"],
    [[6.0], [0.0]],
    when="sending 3 and -3 through 2 x and ReLU",
    think="What the hook gets as `output` is what the module puts out.",
)


# %% solution
def deep_network(depth: int, width: int, init: str) -> nn.Sequential:
    """`depth` times Linear and ReLU, all `width` wide, with the named initialization.

    `init` is "he" (normal, fan_in) or "xavier" (normal); biases start at 0.
    """
    ### BEGIN SOLUTION
    draw = {"he": nn.init.kaiming_normal_, "xavier": nn.init.xavier_normal_}[init]
    layers: list[nn.Module] = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        draw(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers)
    ### END SOLUTION


# %% check
from autograder import student_side


@student_side
def kinds_of_layers():
    return [type(layer).__name__ for layer in deep_network(2, 3, "he")]


expect.equal(
    kinds_of_layers(),
    ["Linear", "ReLU"] * 2,
    when="building a network of depth 2",
    think="Each of its layers is two modules.",
)


# %% solution
def second_moments(activations: dict[str, Tensor]) -> list[float]:
    """The mean square of all numbers of each tensor, in the order of the dictionary."""
    ### BEGIN SOLUTION
    return [a.square().mean().item() for a in activations.values()]
    ### END SOLUTION


# %% solution
def expected_moments(depth: int, init: str) -> list[float]:
    """E[a^2] behind each layer of `deep_network`, for inputs with second moment 1."""
    ### BEGIN SOLUTION
    gain = {"he": 2.0, "xavier": 1.0}[init]
    return [(gain / 2) ** layer for layer in range(1, depth + 1)]
    ### END SOLUTION


# %% check
moments = second_moments({"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([[2.0]])})
expect.close(
    moments,
    [5.0, 4.0],
    when="taking the second moments of (1, 3) and of 2",
    think="The mean of the squares; no mean is taken away before.",
)
expect.equal(
    len(expected_moments(4, "he")),
    4,
    when="predicting four layers",
    think="One number for each layer, none for the input.",
)


# %% solution
def plot_moments(measured: dict[str, list[float]], expected: dict[str, list[float]]) -> Figure:
    """Measured and expected second moments against the layer, 1 to the last; logarithmic y axis.

    Two lines for each name: one of what was measured, one of what was expected. With a legend,
    labels and a title.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4))
    for colour, name in enumerate(measured):
        layers = range(1, len(measured[name]) + 1)
        axes.semilogy(layers, measured[name], f"C{colour}o-", label=f"{name}, measured")
        axes.semilogy(layers, expected[name], f"C{colour}:", label=f"{name}, expected")
    axes.set(title="Second moment behind each ReLU", xlabel="layer", ylabel="mean of a squared")
    axes.legend()
    return figure
    ### END SOLUTION


# %% solution
def histogram_grid(activations: dict[str, Tensor], bins: int = 30) -> Figure:
    """One panel for each tensor, in order: a histogram of its numbers as a density.

    The panels share no axis: each shows its own range. Each has its name as title and labels on
    both axes.
    """
    ### BEGIN SOLUTION
    columns = min(5, len(activations))
    rows = -(-len(activations) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(3 * columns, 2.4 * rows), squeeze=False)
    for axes, (name, a) in zip(panels.flat, activations.items(), strict=False):
        axes.hist(a.flatten().numpy(), bins=bins, density=True)
        axes.set(title=name, xlabel="activation", ylabel="density")
    for axes in panels.flat[len(activations) :]:
        axes.remove()
    figure.tight_layout()
    return figure
    ### END SOLUTION


# %%
# Twenty layers with both initializations: run this when the functions above are written.
try:
    torch.manual_seed(0)
    batch, networks = torch.randn(256, 256), ("he", "xavier")
    recorded = {init: collect_activations(deep_network(20, 256, init), batch) for init in networks}
    plot_moments(
        {init: second_moments(recorded[init]) for init in networks},
        {init: expected_moments(20, init) for init in networks},
    )
    for init in networks:
        histogram_grid(dict(list(recorded[init].items())[::4])).suptitle(init, y=1.05)
except NotImplementedError as error:
    print(error)

# %% hidden aspect="each activation module is recorded under its name, in the order of running" points=1
from autograder import student_side


@student_side
def names_of_a_nested_model():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.late, self.early = nn.Tanh(), nn.Sigmoid()
            self.body = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Sequential(nn.Tanh()))

        def forward(self, x):
            return self.late(self.body(self.early(x)))

    return list(collect_activations(Branches(), torch.ones(2, 3)))


expect.equal(
    names_of_a_nested_model(),
    ["early", "body.1", "body.2.0", "late"],
    when="collecting from a model with nested modules, whose last activation was defined first",
    think="`named_modules` finds modules at any depth; which order do the hooks see?",
)

# %% hidden aspect="what is recorded is what each module put out" points=1
from autograder import student_side


@student_side
def outputs_of_three_kinds(x):
    model = nn.Sequential(nn.ReLU(), nn.Tanh(), nn.Linear(3, 3, bias=False), nn.Sigmoid())
    nn.init.eye_(model[2].weight)
    return list(collect_activations(model.double(), x).values())


torch.manual_seed(1)
x = torch.randn(5, 3).double()
expect.close(
    outputs_of_three_kinds(x.clone()),
    [x.relu().tolist(), x.relu().tanh().tolist(), x.relu().tanh().sigmoid().tolist()],
    when="collecting from ReLU, Tanh, Linear with the identity, Sigmoid",
    think="Three activation modules; a Linear is none. The output is recorded, not the input.",
)

# %% hidden aspect="the records are copies that later layers cannot change" points=1
from autograder import student_side


@student_side
def before_an_operation_in_place(x):
    class Doubles(nn.Module):
        def forward(self, x):
            return x.mul_(2)

    model = nn.Sequential(nn.Tanh(), Doubles())
    return list(collect_activations(model, x).values())[:1]


torch.manual_seed(2)
x = torch.randn(4, 3).double()
expect.close(
    before_an_operation_in_place(x.clone()),
    [x.tanh().tolist()],
    when="collecting from Tanh, which is followed by a module that doubles its input in place",
    think="`detach` shares memory with the original.",
)

# %% hidden aspect="no hook stays behind, even after an error" points=1
from autograder import student_side


@student_side
def hooks_left():
    model, left, kept = nn.Sequential(nn.ReLU(), nn.Linear(3, 3), nn.Tanh()), [], []
    for x in (torch.ones(2, 3), torch.ones(2, 4)):  # the second batch does not fit the layer
        try:
            kept.append(collect_activations(model, x))
        except NotImplementedError:
            raise  # not written yet
        except RuntimeError:
            pass  # what the model raised
        left.append(sum(len(module._forward_hooks) for module in model.modules()))
    return left, bool(kept and kept[0])


left, collected = hooks_left()
expect.true(
    collected,
    when="collecting from a model with a ReLU and a Tanh",
    wanted="their activations",
    got="none",
    think="Who collects nothing needs no hooks.",
)
expect.equal(
    left,
    [0, 0],
    when="counting the model's hooks after a forward pass, and after one that raised an error",
    think="Hooks that stay make every later pass slower; `finally` runs in any case.",
)

# %% hidden aspect="the model keeps its mode, and nothing tracks a gradient" points=1
from autograder import student_side


@student_side
def modes_and_gradients():
    found = []
    for training in (True, False):
        model = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.ReLU()).train(training)
        records = collect_activations(model, torch.ones(2, 3))
        found += [m.training is training for m in model.modules()]
        found += [not record.requires_grad for record in records.values()]
    return found


expect.true(
    all(modes_and_gradients()),
    when="collecting from a model in training mode and from one in evaluation mode",
    wanted="each module in the mode it was in, and tensors without a gradient",
    think="Whoever looks must not change what is looked at.",
)

# %% hidden aspect="He and Xavier draw what their names say, with biases at 0" points=2
from autograder import student_side


@student_side
def spreads(depth, width, init):
    linears = [m for m in deep_network(depth, width, init) if isinstance(m, nn.Linear)]
    return (
        [m.weight.shape[0] * m.weight.square().mean().item() for m in linears],
        [m.bias.abs().max().item() for m in linears],
    )


# n times the mean square of 300 * 300 weights is known to 0.5 %: 4 % is 8 standard errors, a false
# alarm in 10^15 runs.
torch.manual_seed(3)
for init, wanted in {"he": 2.0, "xavier": 1.0}.items():
    products, biases = spreads(3, 300, init)
    expect.close(
        products,
        [wanted] * 3,
        rtol=0.04,
        when=f"taking n Var(w) in three layers of width 300 with {init!r}",
        think="Is every layer initialized, and with the variance rather than the deviation?",
    )
    expect.equal(
        biases,
        [0.0] * 3,
        when=f"looking at the largest bias of each layer with {init!r}",
        think="nn.Linear draws its biases, too, unless told otherwise.",
    )

# %% hidden aspect="second moments are means of squares, layer by layer" points=1
torch.manual_seed(4)
activations = {"z": torch.randn(4, 5).double() + 1, "a": torch.randn(3, 2, 2).double()}
expect.close(
    second_moments({name: a.clone() for name, a in activations.items()}),
    [(a**2).sum().item() / a.numel() for a in activations.values()],
    when="taking the second moments of two tensors of different shapes",
    think="No mean is subtracted: the next layer sees the squares.",
)

# %% hidden aspect="theory predicts 1 for He and halves for Xavier" points=1
for init, wanted in {"he": [1.0] * 6, "xavier": [2.0**-layer for layer in range(1, 7)]}.items():
    expect.close(
        expected_moments(6, init),
        wanted,
        when=f"predicting six layers with {init!r}",
        think="Each layer multiplies by n Var(w), and ReLU by one half.",
    )

# %% hidden aspect="the figure compares what was measured with what was expected" points=1
measured = {"he": [1.1, 0.9, 1.2], "xavier": [0.5, 0.2, 0.1]}
expected = {"he": [1.0, 1.0, 1.0], "xavier": [0.5, 0.25, 0.125]}
expect.figure(
    plot_moments(
        {name: list(values) for name, values in measured.items()},
        {name: list(values) for name, values in expected.items()},
    ),
    lines=[([1, 2, 3], curves[name]) for curves in (measured, expected) for name in curves],
    yscale="log",
    legend=4,
    when="plotting three layers of two networks",
    think="Four lines over the layers 1 to 3, each with an entry in the legend.",
)

# %% hidden aspect="the grid has one histogram a layer, drawn as a density" points=1
import numpy as np

torch.manual_seed(5)
activations = {
    name: scale * torch.randn(40, 5) for name, scale in {"0": 1.0, "2": 3.0, "4": 0.1}.items()
}
grid = histogram_grid({name: a.clone() for name, a in activations.items()}, bins=7)
for panel, (name, a) in enumerate(activations.items()):
    heights, _ = np.histogram(a.flatten().numpy(), bins=7, density=True)
    expect.figure(
        grid,
        axes=panel,
        bars=heights.tolist(),
        rtol=1e-4,
        when=f"drawing three layers with 7 bins, panel {panel + 1} ({name!r})",
        think="All numbers of a layer, samples and units together; the area under the bars is 1.",
    )

# %% setup
import torch


def layers(activation, variance, width=128, depth=20, samples=256):
    """The activations behind each layer of a network, in float64."""
    a, found = torch.randn(samples, width, dtype=torch.float64), []
    for _ in range(depth):
        a = activation(a @ (variance**0.5 * torch.randn(width, width, dtype=torch.float64)))
        found.append(a)
    return found


# %% choice [markdown] id="spike-at-one-half" points=1 items="59"
r"""
A 20-layer **sigmoid** network draws its weights with standard deviation 0.01. All its histograms
are narrow spikes at 0.5. What is wrong with it?

- [ ] Nothing: 0.5 is where the sigmoid is steepest, so the gradient is as large as it can be.
  > The slope there is 1/4, the largest there is, and the gradient is still multiplied by about
  > n times 0.0001 times 1/16 in every layer.
- [ ] The units are saturated: their gradient is 0.
  > Saturation would show as spikes at 0 and 1, where the curve is flat.
- [x] Every input gives nearly the same output; what tells inputs apart is lost on the way.
  > The sum in front of each sigmoid is close to 0 whatever comes in, and each layer narrows the
  > spike further.
- [ ] The biases are missing, which would move the spike to 0.
  > A bias moves the spike, for all inputs alike. It brings no difference between inputs back.
"""

# %% evidence
found = layers(torch.sigmoid, 0.01**2)
assert all((a - 0.5).abs().max() < 0.2 for a in found)
across = [a.var(dim=0).mean().item() for a in found]
assert across[0] < 1e-2 and across[4] < 1e-12

# %% choice [markdown] id="two-spikes" points=1 items="59"
r"""
The same network with standard deviation 1 shows two spikes, at 0 and at 1. What does that mean for
training?

- [ ] The network is confident, so it needs fewer steps.
  > It says 0 or 1 about random inputs with random weights. That is not knowledge.
- [x] Most units are saturated, and almost no gradient passes through them.
  > The slope of the sigmoid is a (1 - a), close to 0 at both ends.
- [ ] The gradient explodes, because the weights are large.
  > The weights are, but each layer also multiplies by the slope of the sigmoid. Look at where its
  > inputs lie.
- [ ] The variance of the activations is large, so the signal is healthy.
  > It is as large as numbers between 0 and 1 allow. A flat curve passes no gradient all the same.
"""

# %% evidence
found = layers(torch.sigmoid, 1.0, width=512, samples=64)
slopes = torch.stack([a * (1 - a) for a in found])
assert ((slopes < 0.02).double().mean()).item() > 0.7
assert found[-1].var() > 0.15

# %% choice [markdown] id="xavier-and-sigmoid" points=1 items="59"
r"""
A well-known figure shows a sigmoid network with $\mathrm{Var}(w) = 1/n$ and the note "healthy
spread maintained": the histograms of layers 5, 10 and 20 look alike, with a variance of about 0.015.
Is the signal healthy?

- [ ] Yes: equal histograms mean that the variance is preserved, which is Xavier's goal.
  > The histogram mixes samples and units. What is left of its width comes from the units.
- [ ] Yes, but the gradient explodes, since the slope of the sigmoid at 0 is 1.
  > That slope is 1/4. The gradient vanishes, by a factor of 16 and more in every layer.
- [x] No: for each unit, the differences between samples die out; the units differ, the samples do not.
  > Across samples the variance falls by a factor of about 18 a layer. The sigmoid's mean is 0.5 and
  > its slope at most 1/4, so Xavier's assumptions do not hold.
- [ ] No: the activations drift to 0, as they do with ReLU.
  > They stay around 0.5, and the histograms do keep their width. The trouble is what it consists of.
"""

# %% evidence
found = layers(torch.sigmoid, 1 / 256, width=256)
across = [a.var(dim=0).mean().item() for a in found]
assert all(0.008 < a.var().item() < 0.025 for a in found[4:])
assert across[4] < 1e-5 and across[19] < 1e-11
assert 10 < (across[1] / across[4]) ** (1 / 3) < 30
assert all(abs(a.mean().item() - 0.5) < 0.05 for a in found)

# %% choice [markdown] id="xavier-and-tanh" points=1 items="59"
r"""
With **tanh** and Xavier's variance the histograms narrow from layer to layer: the variance is 0.39,
0.24, 0.10, 0.05 behind layers 1, 2, 5 and 10. What will it be behind layer 20?

- [ ] About 0.05: it has settled.
  > Xavier keeps the variance where tanh is a straight line. As long as it bends, something is lost.
- [x] About 0.025: it falls like 1 over twice the number of the layer.
  > The smaller the activations, the straighter the tanh, and the less is lost: the decay slows down
  > and is no exponential one.
- [ ] About 0.0005: ten layers made 0.05 of 1, and the next ten do the same again.
  > That would be an exponential decay. Compare layers 5 and 10: from 0.10 to 0.05 only.
- [ ] 0: tanh networks cannot be deeper than ten layers without batch norm.
  > The decay is slow, and a gain of 5/3 on the standard deviation even stops it.
"""

# %% evidence
found = layers(torch.tanh, 1 / 256, width=256)
for layer, wanted in {1: 0.394, 2: 0.237, 5: 0.103, 10: 0.052, 20: 0.026}.items():
    assert 0.7 < found[layer - 1].var().item() / wanted < 1.4
kept = layers(torch.tanh, 25 / 9 / 256, width=256)
assert 0.3 < kept[-1].square().mean().item() < 0.55


# %% alternative of="collect_activations"
def with_a_context_of_handles(model, x):
    from contextlib import ExitStack

    records = {}
    names = {module: name for name, module in model.named_modules()}

    def note(module, inputs, output):
        records[names[module]] = output.clone().detach()

    with ExitStack() as stack, torch.inference_mode(False), torch.no_grad():
        for module in names:
            if isinstance(module, ACTIVATIONS):
                stack.callback(module.register_forward_hook(note).remove)
        model(x)
    return records


# %% alternative of="deep_network"
def with_std_by_hand(depth, width, init):
    model = nn.Sequential()
    for _ in range(depth):
        linear = nn.Linear(width, width)
        nn.init.normal_(linear.weight, std=((2 if init == "he" else 1) / width) ** 0.5)
        linear.bias.data.fill_(0)
        model.append(linear)
        model.append(nn.ReLU())
    return model


# %% alternative of="histogram_grid"
def with_one_row_of_bars(activations, bins=30):
    figure = Figure()
    for panel, (name, a) in enumerate(activations.items(), start=1):
        axes = figure.add_subplot(1, len(activations), panel)
        heights, edges = torch.histogram(a.reshape(-1).double(), bins=bins, density=True)
        axes.bar(edges[:-1], heights, width=edges.diff(), align="edge")
        axes.set_title(f"layer {name}")
        axes.set_xlabel("a")
        axes.set_ylabel("density")
    return figure


# %% mistake of="collect_activations" fails="each activation module is recorded under its name, in the order of running"
def looks_at_children_only(model, x):
    """`named_children` sees one level; modules inside modules are found by `named_modules`."""
    found, handles = {}, []
    for name, module in model.named_children():
        if isinstance(module, ACTIVATIONS):

            def keep(module, inputs, output, name=name):
                found[name] = output.detach().clone()

            handles.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


# %% mistake of="collect_activations" fails="what is recorded is what each module put out"
def records_the_input(model, x):
    """A forward hook gets the module's inputs and its output; the activation is the output."""
    found, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):

            def keep(module, inputs, output, name=name):
                value = inputs[0] if isinstance(module, nn.ReLU) else output
                found[name] = value.detach().clone()

            handles.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


# %% mistake of="collect_activations" fails="each activation module is recorded under its name, in the order of running; what is recorded is what each module put out"
def binds_the_name_too_late(model, x):
    """A function sees the loop's variable as it is when called: by then it is the last name."""
    found, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):
            handles.append(
                module.register_forward_hook(
                    lambda module, inputs, output: found.update({name: output.detach().clone()})  # noqa: B023
                )
            )
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


# %% mistake of="collect_activations" fails="the records are copies that later layers cannot change"
def keeps_a_view(model, x):
    """`detach` returns a tensor on the same memory: what is done in place later shows in it."""
    found, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):

            def keep(module, inputs, output, name=name):
                found[name] = output.detach()

            handles.append(module.register_forward_hook(keep))
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


# %% mistake of="collect_activations" fails="no hook stays behind, even after an error"
def removes_hooks_only_if_all_went_well(model, x):
    """When the forward pass raises, the lines after it do not run: remove hooks in a `finally`."""
    found, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):

            def keep(module, inputs, output, name=name):
                found[name] = output.detach().clone()

            handles.append(module.register_forward_hook(keep))
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return found


# %% mistake of="collect_activations" fails="the model keeps its mode, and nothing tracks a gradient"
def switches_to_evaluation(model, x):
    """`model.eval()` stays in force after the function; whoever trains on has no dropout any more."""
    found, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):

            def keep(module, inputs, output, name=name):
                found[name] = output.detach().clone()

            handles.append(module.register_forward_hook(keep))
    model.eval()
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return found


# %% mistake of="deep_network" fails="He and Xavier draw what their names say, with biases at 0"
def leaves_the_default_biases(depth, width, init):
    """nn.Linear draws its biases from a uniform distribution; set them to 0 yourself."""
    draw = {"he": nn.init.kaiming_normal_, "xavier": nn.init.xavier_normal_}[init]
    layers = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        draw(linear.weight)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers)


# %% mistake of="deep_network" fails="He and Xavier draw what their names say, with biases at 0"
def draws_he_for_both(depth, width, init):
    """Xavier has half of He's variance in square layers; `init` says which one is wanted."""
    layers = []
    for _ in range(depth):
        linear = nn.Linear(width, width)
        nn.init.kaiming_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers)


# %% mistake of="second_moments" fails="second moments are means of squares, layer by layer"
def takes_the_variance(activations):
    """The variance subtracts the mean first; behind a ReLU that makes a large difference."""
    return [a.var(unbiased=False).item() for a in activations.values()]


# %% mistake of="expected_moments" fails="theory predicts 1 for He and halves for Xavier"
def starts_with_the_input(depth, init):
    """The list starts behind the first layer, which has multiplied the input once already."""
    return [{"he": 1.0, "xavier": 0.5}[init] ** layer for layer in range(depth)]


# %% mistake of="plot_moments" fails="the figure compares what was measured with what was expected"
def shows_the_measurement_alone(measured, expected):
    """Without the prediction beside it, nobody can tell whether a curve is as it should be."""
    figure, axes = plt.subplots()
    for name, values in measured.items():
        axes.semilogy(range(1, len(values) + 1), values, label=name)
    axes.set(title="Second moments", xlabel="layer", ylabel="mean of a squared")
    axes.legend()
    return figure


# %% mistake of="histogram_grid" fails="the grid has one histogram a layer, drawn as a density"
def counts_instead_of_densities(activations, bins=30):
    """Counts depend on the size of a layer; densities can be compared."""
    figure, panels = plt.subplots(1, len(activations), squeeze=False)
    for axes, (name, a) in zip(panels.flat, activations.items(), strict=True):
        axes.hist(a.flatten().numpy(), bins=bins)
        axes.set(title=name, xlabel="activation", ylabel="count")
    return figure
