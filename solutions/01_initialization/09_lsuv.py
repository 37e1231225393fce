# %% exercise [markdown] items="62" stars=3 minutes=75 level="create" goal="set the scale of each layer by measuring it, and leave no other trace in the model"
r"""
# Measure and correct: LSUV
Xavier's and He's formulas hold for one kind of activation each. Put another one in, and a
factor near 1, off by a little in each layer, has killed the signal twenty layers on. *Layer-sequential
unit variance* (Mishkin and Matas, 2016) asks for no formula: start from orthogonal weights, send a
batch through, and scale each layer by what its output turns out to be:

$$ W \leftarrow W \sqrt{v / \operatorname{Var}(z)}, \qquad z = W x \text{ with } v \text{ the variance wanted} $$

Versions in circulation loop over `model.layers`, which no module has, try to make the weights of
batch norms orthogonal, or never end, since scaling $W$ does not scale a bias. Write `lsuv_init` so
that it works on any model:

- **Which layers.** Each `nn.Linear` and each `nn.Conv2d`, at any depth, and nothing else. Their
  weights become orthogonal (`nn.init.orthogonal_` flattens the kernels of a convolution), their
  biases, if there are any, 0.
- **What is measured.** The output of the layer itself, before any activation: one variance over the
  whole batch, all units and all positions.
- **In which order.** As the batch reaches them, each behind layers that are finished. That need not
  be the order in which the model lists them.
- **In which state.** In evaluation mode: no dropout, no batch statistics, no running averages moved.
- **Leave no trace.** Afterwards each module is in the mode it was in, there are no new hooks, no
  gradients, and the parameters are the same objects as before: an optimizer may hold them. That is so
  after an error, too.

*Hint:* a forward hook is called with the layer, its inputs and its output, as the batch passes. What
it returns takes the output's place. `layer.forward(x)` computes without calling hooks.
"""

# %%
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from autograder import expect, student_side


def look(model: nn.Module, x: Tensor) -> list[Tensor]:
    """What each Linear and Conv2d puts out for `x`, in the order in which the batch reaches them."""
    seen = []
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    hooks = [m.register_forward_hook(lambda m, i, out: seen.append(out.clone())) for m in layers]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    return seen


# %% solution
def lsuv_init(
    model: nn.Module,
    data_batch: Tensor,
    target_var: float = 1.0,
    max_iter: int = 10,
    tol: float = 0.1,
) -> None:
    """Initialize `model` in place, by the rules above.

    A layer is measured and scaled until its variance is within `tol` of `target_var`, at most
    `max_iter` times. Raises a ValueError if a variance is below 1e-12: no factor can mend that.
    """
    ### BEGIN SOLUTION
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    modes = [(m, m.training) for m in model.modules()]
    handles = []

    def correct(layer, inputs, output):
        for _ in range(max_iter):
            var = output.var().item()
            if not var >= 1e-12:
                raise ValueError(f"the variance of {layer} is {var:.3g}")
            if abs(var - target_var) <= tol:
                break
            layer.weight.mul_((target_var / var) ** 0.5)
            output = layer.forward(*inputs)
        return output

    try:
        with torch.no_grad():
            for layer in layers:
                nn.init.orthogonal_(layer.weight)
                if layer.bias is not None:
                    layer.bias.zero_()
                handles.append(layer.register_forward_hook(correct))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    ### END SOLUTION


# %% check
# A model stays where your code is; a function marked `student_side` brings back the numbers.
@student_side
def first_example():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    x = 5 * torch.randn(200, 6)
    lsuv_init(model, x)
    return [output.var().item() for output in look(model, x)]


for number, variance in enumerate(first_example()):
    expect.between(
        variance,
        0.899,
        1.101,
        when=f"measuring layer {number} of Linear, ReLU, Linear, ReLU, Linear on the same batch",
        think="Twice the weights, four times the variance. Is each layer fed by finished ones?",
    )


# %% [markdown]
# How does it compare? Below, batches go through twenty layers with the same activation. The table
# has the variance of the last layer, and how much of it lies between samples; the rest lies between
# units, and is the same for every sample. Other seeds draw other weights: how far do the numbers move?

# %%
SEED = 1
FULL = False  # True trains each of the networks for 60 steps, too; that takes half a minute.


# %% check
@student_side
def comparison(activation, seed, steps):
    torch.manual_seed(seed)
    x = torch.randn(128, 64)
    target = x[:, :10].argmax(dim=1)
    rows = {}
    for name in ("Xavier", "He", "LSUV"):
        layers = [m for _ in range(20) for m in (nn.Linear(64, 64), activation())]
        model = nn.Sequential(*layers, nn.Linear(64, 10))
        if name == "LSUV":
            lsuv_init(model, x)
        for layer in model[::2] if name != "LSUV" else []:
            draw = {"Xavier": nn.init.xavier_normal_, "He": nn.init.kaiming_normal_}[name]
            draw(layer.weight)
            nn.init.zeros_(layer.bias)
        last = look(model, x)[-2]
        optimizer = torch.optim.Adam(model.parameters()) if steps else None
        for _ in range(steps):
            loss = F.cross_entropy(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        loss = F.cross_entropy(model(x), target).item()
        rows[name] = last.var().item(), last.var(dim=0).mean().item(), loss
    return rows


for activation in ("ReLU", "GELU", "Sigmoid"):
    rows = comparison(getattr(nn, activation), SEED, 60 if FULL else 0)
    for name, (variance, between, loss) in rows.items():
        row = f"variance {variance:8.1e}   between samples {between:8.1e}"
        print(f"{activation:<8} {name:<7} {row}" + f"   loss {loss:.2f}" * FULL)
    expect.between(
        rows["LSUV"][0],
        0.899,
        1.101,
        when=f"measuring layer 20 of a network with {activation} after lsuv_init",
        think="The layers in front of it must be finished when it is measured.",
    )


# %% hidden aspect="each linear layer has the variance wanted" points=1
@student_side
def of_linear_layers(x, options):
    class Square(nn.Module):
        def forward(self, x):
            return x.square() - 0.3

    block = nn.Sequential(nn.Linear(12, 30), nn.ReLU(inplace=True), nn.Linear(30, 30, bias=False))
    model = nn.Sequential(
        block, Square(), nn.Sequential(nn.Sequential(nn.Linear(30, 4))), nn.ReLU()
    )
    lsuv_init(model.double(), x, **options)
    return [float(output.var()) for output in look(model.eval(), x)]


@student_side
def of_a_single_unit(x):
    model = nn.Linear(1, 1).double()
    lsuv_init(model, x)
    return float(look(model, x)[0].var())


torch.manual_seed(1)
# The first rows are small: measured alone they want another factor.
x = torch.cat([0.1 * torch.randn(60, 12), 7 * torch.randn(40, 12) + 2]).double()
for options in ({}, {"target_var": 4.0, "tol": 0.04}, {"target_var": 0.01, "tol": 1e-3}):
    wanted, tol = options.get("target_var", 1.0), options.get("tol", 0.1)
    for number, variance in enumerate(of_linear_layers(x, options)):
        expect.between(
            variance,
            wanted - 1.001 * tol,
            wanted + 1.001 * tol,
            when=f"measuring linear layer {number} of 3 on the whole batch, target_var {wanted:g}, "
            f"tol {tol:g}",
            think="One variance, over all samples and units, in front of the activation. A factor "
            "of the weights is squared in it.",
        )
expect.between(
    of_a_single_unit(torch.randn(50, 1).double() + 4),
    0.8999,
    1.1001,
    when="measuring a layer with one input around 4 and one output",
    think="Is the mean of the output taken away, as in a variance?",
)


# %% hidden aspect="each convolution has the variance wanted" points=1
@student_side
def of_convolutions(x):
    first = nn.Conv2d(3, 8, 3, padding=1)
    second = nn.Conv2d(8, 40, 3, stride=2, bias=False)
    model = nn.Sequential(first, nn.ReLU(inplace=True), second, nn.Tanh())
    lsuv_init(model.double(), x)
    return [float(output.var()) for output in look(model.eval(), x)]


torch.manual_seed(2)
for scale in (0.05, 6.0):
    x = scale * (torch.randn(16, 3, 7, 6) + torch.randn(3, 1, 1)).double()
    for number, variance in enumerate(of_convolutions(x)):
        expect.between(
            variance,
            0.8999,
            1.1001,
            when=f"measuring convolution {number} of 2 over the samples, channels and positions of "
            f"pictures around {scale:g}",
            think="Convolutions are layers with weights, too. Is there one variance, or one a "
            "channel?",
        )


# %% hidden aspect="the weights are orthogonal up to a factor" points=1
@student_side
def weights_after(x):
    wide, high = nn.Linear(9, 20), nn.Linear(32, 5)
    layers = [nn.Conv2d(2, 3, (2, 1)), nn.Conv2d(3, 32, 2), nn.ReLU(), nn.Flatten(), high]
    nets = [nn.Sequential(wide, nn.ReLU(), nn.Linear(20, 20)), nn.Sequential(*layers)]
    found = []
    for model, batch in zip(nets, x, strict=True):
        lsuv_init(model.double(), batch)
        found += [m.weight.detach().clone() for m in model if hasattr(m, "weight")]
    return found


torch.manual_seed(3)
batches = [4 * torch.randn(50, 9).double(), torch.randn(50, 2, 3, 2).double() + 1]
for weight in weights_after(batches):
    matrix = weight.flatten(1)
    product = matrix @ matrix.T if len(matrix) <= matrix.shape[1] else matrix.T @ matrix
    expect.close(
        product / product.diagonal().mean(),
        torch.eye(len(product)).double(),
        atol=1e-6,
        when=f"multiplying the weights of shape {tuple(weight.shape)} with their transpose, and "
        "dividing by the mean of the diagonal",
        think="Orthogonal weights have columns, or rows, at right angles and of one length. What "
        "may a layer's weights still be multiplied by?",
    )


# %% hidden aspect="biases are zero" points=1
@student_side
def biases_after(x):
    linear, convolution = nn.Linear(18, 4), nn.Conv2d(2, 3, 2)
    model = nn.Sequential(convolution, nn.ReLU(), nn.Flatten(), nn.Sequential(linear))
    with torch.no_grad():
        linear.bias.fill_(2.0)
        convolution.bias.normal_()
    lsuv_init(model, x)
    return [convolution.bias.detach().clone(), linear.bias.detach().clone()]


torch.manual_seed(4)
for bias in biases_after(torch.randn(30, 2, 4, 3)):
    expect.close(
        bias,
        torch.zeros(len(bias)),
        when=f"reading a bias of {len(bias)} numbers that was not 0 before",
        think="Scaling the weights does not scale a bias.",
    )


# %% hidden aspect="layers are taken in the order in which the batch reaches them" points=1
@student_side
def of_a_model_listed_backwards(x):
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(15, 4)
            self.body = nn.ModuleList([nn.Linear(15, 15), nn.Linear(10, 15)])
            self.stem = nn.Linear(6, 10)

        def forward(self, x):
            x = torch.relu(self.stem(x))
            for layer in reversed(self.body):
                x = torch.tanh(layer(x))
            return self.head(x)

    model = Backwards().double()
    lsuv_init(model, x)
    return [float(output.var()) for output in look(model.eval(), x)]


torch.manual_seed(5)
for number, variance in enumerate(of_a_model_listed_backwards(9 * torch.randn(60, 6).double())):
    expect.between(
        variance,
        0.8999,
        1.1001,
        when=f"measuring layer {number} of 4, as the batch meets them, in a model that lists its "
        "last layer first",
        think="Who knows in which order the batch reaches the layers? The forward pass does.",
    )


# %% hidden aspect="layers are measured in evaluation mode" points=1
@student_side
def of_a_model_in_training_mode(x):
    norm = nn.BatchNorm1d(12)
    first = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.5))
    model = nn.Sequential(first, nn.Linear(12, 12), norm, nn.ReLU(), nn.Linear(12, 3)).double()
    norm.running_mean.normal_()
    norm.running_var.fill_(4.0)
    before = [buffer.clone() for buffer in norm.buffers()]
    lsuv_init(model.train(), x)
    after = [buffer.clone() for buffer in norm.buffers()]
    return before, after, [float(output.var()) for output in look(model.eval(), x)]


torch.manual_seed(6)
before, after, variances = of_a_model_in_training_mode(3 * torch.randn(60, 6).double())
for number, variance in enumerate(variances):
    expect.between(
        variance,
        0.8999,
        1.1001,
        when=f"measuring layer {number} of 3, with dropout and a batch norm between them, in "
        "evaluation mode",
        think="Dropout adds variance that is not there later. In which mode was it measured?",
    )
expect.equal(
    after,
    before,
    when="looking at the running statistics of the batch norm",
    think="A batch norm in training mode averages over every batch that it sees.",
)


# %% hidden aspect="other modules keep their parameters" points=1
@student_side
def others_before_and_after(tokens):
    embedding, norm, scale = nn.Embedding(9, 6), nn.LayerNorm(6), nn.PReLU(8)
    model = nn.Sequential(embedding, norm, nn.Linear(6, 8), nn.Flatten(0, 1), scale)
    model.append(nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 2)))
    others = [embedding, norm, scale, model[-1][0]]
    with torch.no_grad():
        for module in others[1:]:
            for parameter in module.parameters():
                parameter.uniform_(0.3, 2.0)
    before = [p.detach().clone() for module in others for p in module.parameters()]
    own = model[2].weight.detach().clone()
    lsuv_init(model, tokens)
    after = [p.detach().clone() for module in others for p in module.parameters()]
    return before, after, not torch.equal(own, model[2].weight)


torch.manual_seed(7)
before, after, initialized = others_before_and_after(torch.randint(0, 9, (20, 5)))
expect.true(
    initialized,
    when="looking at the weights of a Linear layer between the others",
    wanted="new ones",
    got="those of before",
    think="Which modules are initialized?",
)
expect.equal(
    after,
    before,
    when="reading the parameters of an embedding, a layer norm, a PReLU and a batch norm",
    think="Many modules have a `weight`. Which kinds of them are meant?",
)


# %% hidden aspect="the model is left without a trace" points=1
@student_side
def traces(x, batch):
    frozen = nn.Linear(8, 8)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Sequential(frozen, nn.Dropout()))
    model.train()
    model[2].eval()
    frozen.weight.requires_grad_(False)
    frozen.register_forward_hook(lambda module, inputs, output: output)
    originals = list(model.parameters())  # held, so that no new one gets the identity of an old one

    def state():
        hooks = [
            len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks)
            for m in model.modules()
        ]
        return {
            "modes": [m.training for m in model.modules()],
            "hooks": hooks,
            "parameters that want a gradient": [p.requires_grad for p in model.parameters()],
            "gradients": [p.grad is not None for p in model.parameters()],
            "the parameters themselves": [
                any(p is q for q in originals) for p in model.parameters()
            ],
            "leaves": [p.is_leaf for p in model.parameters()],
            "gradients switched on": torch.is_grad_enabled(),
        }

    torch.set_grad_enabled(True)  # whatever an earlier call has left behind
    before, own = state(), model[0].weight.detach().clone()
    try:
        lsuv_init(model, x if batch == "a random batch" else torch.zeros_like(x))
    except Exception:
        if batch == "a random batch":
            raise
    return before, state(), not torch.equal(own, model[0].weight)


torch.manual_seed(8)
x = 5 * torch.randn(40, 6)
for batch in ("a random batch", "a batch of zeros, which ends in an error"):
    before, after, initialized = traces(x, batch)
    expect.true(
        initialized or batch != "a random batch",
        when="looking at the weights of the first layer",
        wanted="new ones",
        got="those of before",
        think="A model that nothing was done to shows no trace.",
    )
    for what, wanted in before.items():
        expect.true(
            after[what] == wanted,
            when=f"comparing the model before and after, with {batch}: {what}",
            wanted=f"{wanted}, as before",
            got=f"{after[what]}",
            think="Modules have modes of their own, an optimizer holds the parameters it was given, "
            "and an error must not skip the tidying up.",
        )


# %% hidden aspect="a layer without variance raises a ValueError" points=1
@student_side
def initialize(batch, dead):
    middle = nn.Flatten()
    if dead:
        middle = nn.Threshold(1e9, 0.0)
    lsuv_init(nn.Sequential(nn.Linear(5, 7), middle, nn.Linear(7, 2)).double(), batch)


torch.manual_seed(9)
x = torch.randn(30, 5).double()
initialize(x, False)  # raises nothing: these layers have a variance
for batch, dead, words in (
    (torch.zeros_like(x), False, "a batch of zeros"),
    (1e-8 * x, False, "a batch of numbers around 1e-8, with variances around 1e-16"),
    (x, True, "a second layer that gets nothing but zeros"),
):
    expect.raises(
        ValueError,
        initialize,
        batch,
        dead,
        when=f"initializing with {words}",
        think="What is the factor for a variance of 0, and what does it make of the weights?",
    )

# %% setup
import torch
import torch.nn.functional as F
from torch import nn


def measured(model, x):
    """Orthogonal weights, each scaled to variance 1, in a plain stack."""
    with torch.no_grad():
        for layer in model:
            if isinstance(layer, nn.Linear):
                nn.init.orthogonal_(layer.weight)
                layer.weight /= layer(x).sub(layer.bias).std()
                nn.init.zeros_(layer.bias)
            x = layer(x)


def by_formula(draw):
    def initialize(model, x):
        for layer in model[::2]:
            draw(layer.weight)
            nn.init.zeros_(layer.bias)

    return initialize


INITS = {
    "xavier": by_formula(nn.init.xavier_normal_),
    "he": by_formula(nn.init.kaiming_normal_),
    "lsuv": measured,
}


def last_layer(activation, init, x):
    """What layer 20 puts out."""
    layers = [m for _ in range(20) for m in (nn.Linear(64, 64), activation())]
    model = nn.Sequential(*layers, nn.Linear(64, 10))
    INITS[init](model, x)
    with torch.no_grad():
        return model[:-2](x)


# %% text [markdown] id="measured-or-computed" points=2
r"""
Compare LSUV with Xavier and He, in five or six sentences, on the table that your functions print
and on runs of your own if you like. Which of the three can be relied on for which activation? What
does a variance of 1 not tell? What does LSUV need that the formulas do without?

- [1] He keeps a ReLU network's scale and, in most draws, loses much of GELU's; Xavier loses both by orders of magnitude; LSUV has variance 1 with each, since it measures, for which it needs a batch of data and a forward pass.
- [1] Variance 1 is not yet a signal: in the sigmoid network next to nothing of it lies between samples, with LSUV too, so the last layers cannot tell inputs apart.
"""

# %% evidence
# He keeps ReLU's scale and loses some of GELU's, Xavier loses both, LSUV neither. Single draws differ
# by factors of ten, so this takes geometric means.
x = torch.randn(64, 64)
variance = {
    (a, init): torch.stack([last_layer(getattr(nn, a), init, x).var() for _ in range(draws)])
    for a in ("ReLU", "GELU")
    for init, draws in {"xavier": 4, "he": 24, "lsuv": 2}.items()
}
middle = {case: values.log().mean().exp().item() for case, values in variance.items()}
assert middle["ReLU", "he"] > 0.4 and middle["ReLU", "xavier"] < 1e-3
assert middle["GELU", "he"] < 0.4 and middle["GELU", "xavier"] < 1e-6
assert all((variance[a, "lsuv"] - 1).abs().max() < 0.01 for a in ("ReLU", "GELU"))

# %% evidence
# With sigmoids, what lies between samples is gone, whatever the variance is.
x = torch.randn(256, 64)
for init in INITS:
    last = last_layer(nn.Sigmoid, init, x)
    assert last.var() > 0.05 and last.var(dim=0).mean() < 1e-9


# %% alternative of="lsuv_init"
def one_forward_pass_a_layer(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    kinds = (nn.Linear, nn.Conv2d)
    modes = {module: module.training for module in model.modules()}
    outputs, order, handles = {}, [], []

    def note(layer, inputs, output):
        outputs[layer] = output.detach().clone()
        if layer not in order:
            order.append(layer)

    for module in modes:
        if isinstance(module, kinds):
            handles.append(module.register_forward_hook(note))
    model.eval()
    try:
        with torch.no_grad():
            model(data_batch)
            for layer in order:
                nn.init.orthogonal_(layer.weight)
                if layer.bias is not None:
                    layer.bias.fill_(0)
            for layer in order:
                for _ in range(max_iter):
                    model(data_batch)
                    variance = torch.var(outputs[layer])
                    if variance < 1e-12:
                        raise ValueError("no variance")
                    if abs(variance - target_var) < tol:
                        break
                    layer.weight.data /= torch.sqrt(variance / target_var)
    finally:
        [handle.remove() for handle in handles]
        for module, mode in modes.items():
            module.training = mode


# %% alternative of="lsuv_init"
def in_one_pass_and_exactly(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    def scale(layer, inputs, output):
        factor = target_var**0.5 / output.std()
        if output.var() < 1e-12:
            raise ValueError(f"{layer} puts out a constant")
        layer.weight.copy_(layer.weight * factor)
        return output * factor

    before, handles = [m.training for m in model.modules()], []
    with torch.no_grad():
        for layer in model.modules():
            if type(layer) in (nn.Linear, nn.Conv2d):
                nn.init.orthogonal_(layer.weight)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0.0)
                handles.append(layer.register_forward_hook(scale, prepend=True))
        try:
            model.eval()
            model(data_batch)
        finally:
            for handle in handles:
                handle.remove()
            for module, mode in zip(model.modules(), before, strict=True):
                module.training = mode


# %% mistake of="lsuv_init" fails="each linear layer has the variance wanted"
def aims_at_variance_one_only(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """The variance wanted is an argument: 1 is only its default."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        factor = (1 / output.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    if layer.bias is not None:
                        layer.bias.zero_()
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="each convolution has the variance wanted"
def averages_over_the_positions_first(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """Positions are part of the output, and what lies between them is part of its variance."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        values = output.mean((2, 3)) if output.ndim == 4 else output
        factor = (target_var / values.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    if layer.bias is not None:
                        layer.bias.zero_()
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="the weights are orthogonal up to a factor"
def keeps_the_weights_it_found(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """LSUV starts from orthogonal weights, which send no direction to zero; only then it scales."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        factor = (target_var / output.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    if layer.bias is not None:
                        layer.bias.zero_()
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="each linear layer has the variance wanted; biases are zero; a layer without variance raises a ValueError"
def keeps_the_biases(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """A bias adds a variance of its own between units, which scaling the weights cannot change."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        for _ in range(max_iter):
            if output.var() < 1e-12:
                raise ValueError("no variance")
            layer.weight.mul_((target_var / output.var()).sqrt())
            output = layer.forward(*inputs)
        return output

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="biases are zero"
def starts_biases_at_a_hundredth(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """A small positive bias, meant to keep ReLUs alive, shifts every unit of every layer: it is 0 here."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        factor = (target_var / output.var()).sqrt()
        layer.weight.mul_(factor)
        return layer.forward(*inputs)

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    if layer.bias is not None:
                        layer.bias.fill_(0.01)
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="layers are taken in the order in which the batch reaches them"
def goes_by_the_list_of_modules(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """The list has the order of definition; a forward pass shows which layer is fed by which."""
    layers = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    modes, seen = [(m, m.training) for m in model.modules()], {}
    keep = [m.register_forward_hook(lambda m, i, o: seen.update({m: o.clone()})) for m in layers]
    try:
        model.eval()
        with torch.no_grad():
            for layer in layers:
                nn.init.orthogonal_(layer.weight)
                if layer.bias is not None:
                    layer.bias.zero_()
            for layer in layers:
                model(data_batch)
                if seen[layer].var() < 1e-12:
                    raise ValueError("no variance")
                layer.weight.mul_(target_var**0.5 / seen[layer].std())
    finally:
        for handle in keep:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="layers are measured in evaluation mode"
def measures_in_the_mode_it_finds(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """In training mode dropout and batch statistics are in what is measured, and running averages move."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        factor = (target_var / output.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    if layer.bias is not None:
                        layer.bias.zero_()
                    handles.append(layer.register_forward_hook(scale))
            model(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="other modules keep their parameters"
def takes_whatever_has_a_matrix(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """An embedding has a matrix, too, but no output that sums over inputs: leave it as it is."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        factor = (target_var / output.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Embedding):
                    nn.init.orthogonal_(layer.weight)
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    if layer.bias is not None:
                        layer.bias.zero_()
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode


# %% mistake of="lsuv_init" fails="the model is left without a trace"
def puts_all_modules_into_training_mode(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """Parts of a model may be frozen in evaluation mode: each module has a mode of its own."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        factor = (target_var / output.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    if layer.bias is not None:
                        layer.bias.zero_()
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        model.train()


# %% mistake of="lsuv_init" fails="the model is left without a trace"
def tidies_up_only_after_success(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """An error skips what comes after it; what has to happen in any case belongs into `finally`."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        if output.var() < 1e-12:
            raise ValueError("no variance")
        factor = (target_var / output.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    with torch.no_grad():
        for layer, _ in modes:
            if isinstance(layer, nn.Linear | nn.Conv2d):
                nn.init.orthogonal_(layer.weight)
                if layer.bias is not None:
                    layer.bias.zero_()
                handles.append(layer.register_forward_hook(scale))
        model.eval()(data_batch)
    for handle in handles:
        handle.remove()
    for module, mode in modes:
        module.training = mode


# %% mistake of="lsuv_init" fails="a layer without variance raises a ValueError"
def divides_by_zero(model, data_batch, target_var=1.0, max_iter=10, tol=0.1):
    """Dividing by a variance of 0 makes weights that are NaN: say so at once."""
    modes, handles = [(m, m.training) for m in model.modules()], []

    def scale(layer, inputs, output):
        factor = (target_var / output.var()).sqrt()
        layer.weight.mul_(factor)
        return output * factor

    try:
        with torch.no_grad():
            for layer, _ in modes:
                if isinstance(layer, nn.Linear | nn.Conv2d):
                    nn.init.orthogonal_(layer.weight)
                    if layer.bias is not None:
                        layer.bias.zero_()
                    handles.append(layer.register_forward_hook(scale))
            model.eval()(data_batch)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
