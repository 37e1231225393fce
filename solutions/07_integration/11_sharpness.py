# %% exercise [markdown] items="123" stars=3 minutes=120 level="create" goal="write a step that looks for flat minima, and measure whether it finds them"
r"""
# A step that looks around first
*Bonus, a piece of research.* Two minima with the same training loss need not be equally good: where the
loss climbs steeply on all sides, a small shift between training and test data costs much. *Sharpness-aware
minimization* (SAM; Foret and others, 2021) brings down the loss at the worst point nearby in place of
the loss itself:

$$ \min_w \; \max_{\lVert \varepsilon \rVert \le \rho} L(w + \varepsilon), \qquad
\varepsilon \approx \rho\, \frac{g}{\lVert g \rVert}, \quad g = \nabla L(w) $$

with one norm over **all** parameters. So a step takes two gradients: $g$ at $w$, then
$\nabla L(w + \varepsilon)$. The second one is what the optimizer gets, **at $w$**.

Write the perturbation, the step, and a measure of sharpness: the eigenvalue of the Hessian that is
largest in size. Three things go wrong in many versions of `sam_step`:

- The perturbation is taken off only after `optimizer.step()`. Plain SGD does not notice, but weight decay and
  whatever else the optimizer does to the weights themselves then acts on $w + \varepsilon$.
- Batch norm counts the batch twice, the second time with perturbed weights. Here its running statistics see
  each batch once, at $w$; the second pass still normalizes with the batch.
- At a gradient of 0 the division gives NaN. There $\varepsilon = 0$.

It is often said that SAM is a new optimizer that may replace weight decay and dropout. It is a wrapper around
any optimizer, and was published together with weight decay. Whether it replaces anything, and whether
flatness is the reason, is for your report.

*Hint:* power iteration: start with a random vector $v$ of length 1; replace it with $Hv / \lVert Hv \rVert$, again and
again; $v^\top H v$ then tends to the eigenvalue. $Hv$ is the gradient of $g \cdot v$, with `create_graph=True` for $g$.
"""

# %%
import copy
from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import BUNDLED, cifar10, mnist

Criterion = Callable[[Tensor, Tensor], Tensor]


# %% solution
def sam_perturbation(grads: list[Tensor], rho: float) -> list[Tensor]:
    """The direction of `grads`, taken together, with length `rho`: new tensors, one for each.

    If all gradients are 0, so is the perturbation.
    """
    ### BEGIN SOLUTION
    norm = torch.sqrt(sum(g.square().sum() for g in grads))
    return [rho * g / norm if norm > 0 else torch.zeros_like(g) for g in grads]
    ### END SOLUTION


# %% check
# 3, 4 and 12 are the sides of a box whose diagonal is 13.
got = sam_perturbation([torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])], rho=6.5)
expect.close(
    got[0],
    [1.5, 2.0],
    when="perturbing along gradients (3, 4) and (12), rho 6.5",
    think="Is the norm taken over the whole list, or one tensor at a time?",
)
expect.close(got[1], [[6.0]], when="looking at the second tensor, of the gradient (12)")


# %% solution
def sam_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    criterion: Criterion,
    x: Tensor,
    y: Tensor,
    rho: float,
) -> float:
    """One SAM step on a batch. Returns the loss at the weights before it, without perturbation.

    Gradients that are left from earlier are dropped. Parameters that get no gradient (frozen, or not
    used) are not perturbed. The model stays in its mode (training or evaluation).
    """
    ### BEGIN SOLUTION
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    parameters = [p for p in model.parameters() if p.grad is not None]
    weights = [p.detach().clone() for p in parameters]
    buffers = [b.clone() for b in model.buffers()]
    with torch.no_grad():
        for p, e in zip(
            parameters, sam_perturbation([p.grad for p in parameters], rho), strict=True
        ):
            p.add_(e)
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    with torch.no_grad():
        for tensor, before in zip([*parameters, *model.buffers()], weights + buffers, strict=True):
            tensor.copy_(before)
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %%
class Bowl(nn.Module):
    """A quadratic in two parameters of two numbers each, taken together: w A w / 2, with A for x."""

    def __init__(self):
        super().__init__()
        self.u, self.v = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))

    def forward(self, a):
        w = torch.cat([self.u, self.v])
        return w @ a @ w / 2


def build(kind: str) -> nn.Module:
    """A model in float64: "bowl", "mlp", "batch norm", or "frozen" (an mlp that trains its end)."""
    if kind == "bowl":
        return Bowl().double()
    norm = nn.BatchNorm1d(6) if kind == "batch norm" else nn.Identity()
    model = nn.Sequential(nn.Linear(4, 6), norm, nn.ReLU(), nn.Linear(6, 3)).double()
    model[0].requires_grad_(kind != "frozen")
    return model


def walk(step, kind, state, batches, rho, steps=1, **settings):
    """Where some steps lead: the state after them, the losses, and whether the mode is the same.

    `state` is the state dict to start from, `settings` are those of torch.optim.SGD.
    """
    model = build(kind)
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), **settings)
    criterion = (lambda out, y: out + y) if kind == "bowl" else F.cross_entropy
    losses = []
    for i in range(steps):
        x, y = batches[i % len(batches)]
        losses.append(step(model, optimizer, criterion, x.clone(), y.clone(), rho))
    return (
        {name: value.clone() for name, value in model.state_dict().items()},
        losses,
        model.training,
    )


# Models and optimizers stay where your code is. A function marked `student_side` runs there and brings
# the numbers back; in a notebook the mark does nothing.
@student_side
def your_walk(kind, state, batches, rho, steps=1, **settings):
    return walk(sam_step, kind, state, batches, rho, steps, **settings)


# %% check
# L = (u1^2 + 2 v1^2) / 2 at u1 = 3, v1 = 2: the gradient is (3, 4), of length 5. With rho = 2.5 the
# second one is taken at u1 = 4.5, v1 = 4: it is (4.5, 8).
state = {"u": torch.tensor([3.0, 0.0]).double(), "v": torch.tensor([2.0, 0.0]).double()}
a = torch.diag(torch.tensor([1.0, 1.0, 2.0, 2.0])).double()
after, losses, _ = your_walk("bowl", state, [(a, torch.tensor(0.0))], rho=2.5, lr=0.1)
expect.close(
    losses,
    [8.5],
    when="asking for the loss of a first step on a bowl",
    think="The loss is that of the weights as they were.",
)
for name, wanted in (("u", [2.55, 0.0]), ("v", [1.2, 0.0])):
    expect.close(
        after[name],
        wanted,
        when=f"looking at {name} after one SAM step on a bowl, lr 0.1 and rho 2.5",
        think="Which gradient is used, and from which point does the step start?",
    )


# %% solution
def largest_curvature(
    model: nn.Module, criterion: Criterion, x: Tensor, y: Tensor, steps: int = 50
) -> float:
    """The eigenvalue largest in size of the Hessian of the loss, by `steps` of power iteration.

    All parameters count as one vector. Leaves parameters and their gradients as they were. Each step
    is one product with the Hessian. The start is drawn from torch's generator.
    """
    ### BEGIN SOLUTION
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(criterion(model(x), y), parameters, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in gradient])
    v, value = torch.randn_like(flat), 0.0
    for _ in range(steps):
        v = v / v.norm()
        product = torch.autograd.grad(flat @ v, parameters, retain_graph=True)
        hv = torch.cat([p.reshape(-1) for p in product])
        value, v = (v @ hv).item(), hv
    return value
    ### END SOLUTION


# %%
@student_side
def your_curvature(weight, x, y, steps=50):
    """Your curvature of a linear layer with squared errors; whether the layer stayed as it was."""
    model = nn.Linear(x.shape[1], y.shape[1]).double()
    with torch.no_grad():
        model.weight.copy_(weight)
    value = largest_curvature(model, F.mse_loss, x, y, steps)
    untouched = torch.equal(model.weight, weight) and model.weight.grad is None
    return value, untouched


# %% check
# Inputs 3 and -3, one output: the mean squared error is 9 w^2 + b^2 + ..., and 2 * 9 is its largest
# second derivative.
torch.manual_seed(0)
value, _ = your_curvature(
    torch.zeros(1, 1).double(), torch.tensor([[3.0], [-3.0]]).double(), torch.ones(2, 1).double()
)
expect.close(
    value,
    18.0,
    rtol=1e-6,  # fifty steps, and the other eigenvalue is 2
    when="measuring the curvature of 9 w^2 + b^2",
    think="The second derivative of 9 w^2 is 18. Is v of length 1 where v H v is taken?",
)


# %% [markdown]
r"""
## Does it find flatter minima?
A small network learns two hundred digits, with SGD ($\rho = 0$) and with SAM, from the same start. The figure
shows how curved the training loss is on the way.
"""


# %% solution
def plot_curvatures(curves: dict[str, list[float]], steps: list[int]) -> Figure:
    """One line a run, under its name: the curvature over the number of steps taken.

    The y axis is logarithmic. Say what the axes and the picture show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, values in curves.items():
        axes.plot(steps, values, marker="o", label=name)
    axes.set(yscale="log", xlabel="steps", ylabel="largest eigenvalue of the Hessian")
    axes.set_title("Curvature of the training loss")
    axes.legend()
    return figure
    ### END SOLUTION


# %%
MARKS = [0, 10, 20, 40, 80]


@student_side
def run_on_digits(rho, seed=0, lr=0.1, n=200, marks=tuple(MARKS)):
    """Curvatures and losses at the marks, and the accuracy on 1000 other digits in the end.

    Squared errors, full batch: the curvature of plain gradient descent then goes to about 2 / lr.
    """
    torch.manual_seed(seed)
    data = mnist(train=True, root=BUNDLED)
    x = (data.images[: n + 1000].float() / 255 - data.mean[0]) / data.std[0]
    x, labels = F.avg_pool2d(x[:, None], 2).flatten(1), data.labels[: n + 1000]
    y = F.one_hot(labels[:n], 10).float()
    model = nn.Sequential(nn.Linear(196, 32), nn.Tanh(), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)

    def criterion(out, wanted):
        return (out - wanted).square().sum(1).mean() / 2

    curvatures, losses = [], []
    for step in range(marks[-1] + 1):
        if step in marks:
            curvatures.append(largest_curvature(model, criterion, x[:n], y, steps=15))
            losses.append(criterion(model(x[:n]), y).item())
        if step < marks[-1]:
            sam_step(model, optimizer, criterion, x[:n], y, rho)
    accuracy = (model(x[n:]).argmax(1) == labels[n:]).float().mean().item()
    return curvatures, losses, accuracy


# %% check
curves = {}
for name, rho in (("SGD", 0.0), ("SAM, rho = 0.1", 0.1)):
    curves[name], losses, accuracy = run_on_digits(rho)
    print(
        f"{name:14} curvature {curves[name][-1]:5.1f}, loss {losses[-1]:.3f}, {accuracy:.1%} of others"
    )
# Over thirty seeds SAM's last curvature was 0.28 to 0.37 of SGD's. One run's accuracies say little:
# those thirty differ by 1.3 % from seed to seed, one way or the other.
expect.true(
    curves["SAM, rho = 0.1"][-1] < 0.7 * curves["SGD"][-1],
    when="comparing the curvatures that SGD and SAM arrive at",
    wanted="less than 0.7 of SGD's with SAM",
    got=f"{curves['SGD'][-1]:.3g} with SGD, {curves['SAM, rho = 0.1'][-1]:.3g} with SAM",
    think="Uphill first, then the gradient from there. Does the second gradient reach the optimizer?",
)
expect.figure(
    plot_curvatures(curves, MARKS),
    when="drawing the curvature on the way of SGD and SAM",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    lines=[(MARKS, values) for values in curves.values()],
    legend=2,
    yscale="log",
)

# %% [markdown]
r"""
## For your report
The cell below trains a small convolutional network on CIFAR-10, with and without SAM, dropout and weight
decay, three seeds each. It takes about half an hour on two cores, so set `FULL = True` and let it run. A
SAM step costs two gradients: whoever compares gives SGD twice the epochs, too.
"""

# %%
FULL = False


def cifar_accuracy(rho, dropout, decay, epochs, seed, n=2000, batch=100):
    """The accuracy on 1000 other pictures after training on `n` of them."""
    torch.manual_seed(seed)
    data = cifar10(train=True, root=BUNDLED)
    x, y = data.floats(normalised=True)[: n + 1000], data.labels[: n + 1000]
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(dropout), nn.Linear(32 * 64, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for rows in torch.randperm(n).split(batch):
            sam_step(model, optimizer, F.cross_entropy, x[rows], y[rows], rho)
        schedule.step()
    model.eval()
    with torch.no_grad():
        return (model(x[n:]).argmax(1) == y[n:]).float().mean().item()


if FULL:
    for rho, epochs in ((0.0, 10), (0.0, 20), (0.05, 10)):
        for dropout in (0.0, 0.4):
            for decay in (0.0, 5e-4):
                found = [cifar_accuracy(rho, dropout, decay, epochs, seed) for seed in range(3)]
                numbers = ", ".join(f"{accuracy:.1%}" for accuracy in found)
                print(f"rho {rho}, {epochs} epochs, dropout {dropout}, decay {decay}: {numbers}")

# %% hidden aspect="the perturbation has length rho over all tensors, and the direction of the gradients" points=1
torch.manual_seed(1)
for shapes, rho in ((((3,), (4, 2)), 0.05), (((5,),), 2.0), (((2, 3), (), (1, 1, 4)), 0.7)):
    grads = [3 * torch.randn(shape).double() for shape in shapes]
    grads[0] *= 100  # one tensor far larger than the others
    length = sum(g.square().sum() for g in grads).sqrt()
    mine = [g.clone() for g in grads]
    got = sam_perturbation(mine, rho)
    expect.kind(got, (list, tuple), when="perturbing along some random gradients")
    expect.equal(len(got), len(grads), when="counting the tensors of a perturbation")
    for i, (e, g, given) in enumerate(zip(got, grads, mine, strict=True)):
        expect.close(
            e,
            rho * g / length,
            when=f"looking at tensor {i} of the perturbation along {len(grads)} gradients, rho {rho}",
            think="One norm for all tensors together; the squares of all entries are in it.",
        )
        expect.equal(
            given,
            g,
            when="looking at the gradients after perturbing",
            think="The gradients belong to the caller.",
        )

# %% hidden aspect="at a gradient of 0 nothing is perturbed, and no NaN appears" points=1
from autograder import student_side


@student_side
def step_at_the_bottom(a, rho):
    return walk(sam_step, "bowl", Bowl().state_dict(), [(a, torch.tensor(0.0))], rho, 2, lr=0.1)


for g in sam_perturbation([torch.zeros(3).double(), torch.zeros(2, 2).double()], 0.5):
    expect.close(
        g,
        torch.zeros(g.shape).double(),
        when="perturbing along gradients that are all 0",
        think="0 / 0 is NaN, and one NaN ruins a network.",
    )
mixed = sam_perturbation([torch.zeros(3).double(), torch.tensor([0.0, 2.0]).double()], 0.5)
for got, wanted in zip(mixed, ([0.0, 0.0, 0.0], [0.0, 0.5]), strict=True):
    expect.close(got, wanted, when="perturbing along gradients of which one tensor is 0, rho 0.5")
after, losses, _ = step_at_the_bottom(torch.eye(4).double(), 0.5)
for name in ("u", "v"):
    expect.close(
        after[name],
        torch.zeros(2).double(),
        when=f"looking at {name} after two SAM steps from the bottom of a bowl",
        think="Where there is no slope, there is nowhere to go.",
    )

# %% hidden aspect="on a quadratic, a step is the closed form" points=1
torch.manual_seed(2)
for rho, lr, steps in ((0.5, 0.1, 1), (0.05, 0.02, 4), (3.0, 0.05, 3)):
    root = torch.randn(4, 4).double()
    a, w = root @ root.T + torch.eye(4).double(), torch.randn(4).double()
    batches = [(a, torch.tensor(0.25).double())]
    after, losses, _ = your_walk(
        "bowl", {"u": w[:2].clone(), "v": w[2:].clone()}, batches, rho, steps, lr=lr
    )
    wanted = []
    for _ in range(steps):
        g = a @ w
        wanted.append((w @ g / 2 + 0.25).item())
        w = w - lr * a @ (w + rho * g / g.norm())
    expect.close(
        torch.cat([after["u"], after["v"]]),
        w,
        when=f"comparing {steps} SAM steps on a bowl with w - lr A (w + rho Aw / |Aw|), rho {rho}",
        think="Uphill by rho, the gradient there, and then down from where you were.",
    )
    expect.close(
        losses,
        wanted,
        when=f"looking at the losses of {steps} SAM steps on a bowl, rho {rho}",
        think="The loss that is returned is the one before the perturbation.",
    )

# %% hidden aspect="with rho = 0 a step is the optimizer's own" points=1
torch.manual_seed(3)
for kind in ("mlp", "frozen"):
    state = build("mlp").state_dict()
    batches = [(torch.randn(8, 4).double(), torch.randint(3, (8,))) for _ in range(3)]
    settings = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.1}
    model = build(kind)
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), **settings)
    for i in range(5):
        optimizer.zero_grad()
        F.cross_entropy(model(batches[i % 3][0]), batches[i % 3][1]).backward()
        optimizer.step()
    # With rho = 1e-9 the second gradient differs by that, times a curvature of ten or less.
    for rho, rtol in ((0.0, 1e-9), (1e-9, 1e-6)):
        before = {name: value.clone() for name, value in state.items()}
        after, _, _ = your_walk(kind, before, batches, rho, 5, **settings)
        for name, wanted in model.state_dict().items():
            expect.close(
                after[name],
                wanted,
                rtol=rtol,
                when=f"comparing {name} after five steps with rho = {rho} with plain SGD's ({kind})",
                think="Without a perturbation both gradients are the same one. Is it used once? And "
                "what of parameters that have none?",
            )

# %% hidden aspect="the perturbation is gone before the optimizer steps" points=1
torch.manual_seed(4)
for decay in (0.5, 2.0):
    state = build("mlp").state_dict()
    batches = [(torch.randn(8, 4).double(), torch.randint(3, (8,)))]
    with_decay, without = (
        your_walk(
            "mlp", {n: v.clone() for n, v in state.items()}, batches, 0.5, lr=0.1, weight_decay=d
        )[0]
        for d in (decay, 0.0)
    )
    for name, before in state.items():
        expect.close(
            with_decay[name] - without[name],
            -0.1 * decay * before,
            when=f"comparing {name} after a step with weight decay {decay} and without, rho 0.5",
            think="A decay takes its share of the weights that it finds. Which ones are they?",
        )

# %% hidden aspect="batch norm counts each batch once, at the weights as they are" points=1
torch.manual_seed(5)
state = build("batch norm").state_dict()
batches = [(2 * torch.randn(8, 4).double() + 1, torch.randint(3, (8,)))]
model = build("batch norm")
model.load_state_dict(state)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
F.cross_entropy(model(batches[0][0]), batches[0][1]).backward()
optimizer.step()
for rho in (0.5, 0.0):
    before = {name: value.clone() for name, value in state.items()}
    after, _, training = your_walk("batch norm", before, batches, rho, lr=0.1)
    for name, wanted in model.state_dict().items():
        if rho and name not in dict(model.named_buffers()):
            continue  # with a perturbation the weights are others
        expect.close(
            after[name].double(),
            wanted.double(),
            when=f"comparing {name} after one step on a network with batch norm, rho {rho}, with "
            "plain SGD's",
            think="Both passes normalize with the batch; the running statistics see the first one.",
        )
    expect.true(
        training,
        when="looking at the mode of the network after a step",
        wanted="training, as before",
        got="evaluation",
        think="Who calls `eval` in between has to undo it.",
    )

# %% hidden aspect="the curvature is the eigenvalue of the Hessian that is largest in size" points=1
from autograder import student_side


@student_side
def curvature_of_bowl(a, w):
    bowl = build("bowl")
    bowl.load_state_dict({"u": w[:2], "v": w[2:]})
    value = largest_curvature(bowl, lambda out, y: out + y, a, torch.tensor(0.0), 60)
    same = torch.equal(torch.cat([bowl.u, bowl.v]), w)
    return value, same and bowl.u.grad is None and bowl.v.grad is None


torch.manual_seed(6)
# The next eigenvalue is at most 0.6 of the largest, so 60 steps leave 1e-26 of it. That is a false alarm
# only for a start within 1e-10 of a right angle to the axis: one run in 10^10.
for values in ([5.0, 3.0, 1.0, 0.1], [2.0, -7.0, 3.0, 1.0], [0.03, 0.01, 0.0, -0.01]):
    axes = torch.linalg.qr(torch.randn(4, 4).double()).Q
    a = axes @ torch.diag(torch.tensor(values).double()) @ axes.T
    value, same = curvature_of_bowl(a, torch.randn(4).double())
    expect.close(
        value,
        max(values, key=abs),
        rtol=1e-6,  # as above
        when=f"measuring the largest curvature of a quadratic with the curvatures {values}",
        think="A length has no sign; v H v has one. All parameters are one vector.",
    )
    expect.true(
        same,
        when="looking at the model after measuring its curvature",
        wanted="parameters as they were, without gradients",
        got="others",
        think="A measurement that changes what it measures spoils the next one.",
    )

# %% hidden aspect="the figure shows one line a run on a logarithmic y axis" points=1
values = {"one": [1.0, 2.5, 70.0], "two": [3.0, 0.2, 0.01], "three": [1.0, 1.0, 1.1]}
expect.figure(
    plot_curvatures({name: list(line) for name, line in values.items()}, [0, 6, 50]),
    when="drawing three lines over 0, 6 and 50 steps",
    think="Curvatures differ by factors: which axis shows factors as distances?",
    lines=[([0, 6, 50], line) for line in values.values()],
    legend=3,
    yscale="log",
)


# %% alternative of="sam_perturbation"
def with_one_long_vector(grads, rho):
    length = torch.linalg.vector_norm(torch.cat([g.flatten() for g in grads]))
    factor = rho / length if length else 0.0
    return [g * factor for g in grads]


# %% alternative of="sam_step"
def with_a_copy_of_the_model(model, optimizer, criterion, x, y, rho):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    twin = copy.deepcopy(model)
    pairs = [
        (p, q)
        for p, q in zip(model.parameters(), twin.parameters(), strict=True)
        if p.grad is not None
    ]
    grads = [p.grad.clone() for p, _ in pairs]
    for (_, q), e in zip(pairs, sam_perturbation(grads, rho), strict=True):
        q.data += e
    gradients = torch.autograd.grad(criterion(twin(x), y), [q for _, q in pairs])
    for (p, _), g in zip(pairs, gradients, strict=True):
        p.grad = g
    optimizer.step()
    return float(loss.detach())


# %% alternative of="largest_curvature"
def with_a_product_of_its_own(model, criterion, x, y, steps=50):
    parameters = [p for p in model.parameters() if p.requires_grad]
    v = [torch.randn_like(p) for p in parameters]

    def product(v):
        grads = torch.autograd.grad(criterion(model(x), y), parameters, create_graph=True)
        return torch.autograd.grad(grads, parameters, grad_outputs=v)

    for _ in range(steps):
        length = sum(t.square().sum() for t in v).sqrt()
        v = [t / length for t in v]
        hv = product(v)
        value = sum((one * other).sum() for one, other in zip(v, hv, strict=True))
        v = hv
    return float(value)


# %% mistake of="sam_perturbation" fails="the perturbation has length rho over all tensors, and the direction of the gradients; on a quadratic, a step is the closed form; at a gradient of 0 nothing is perturbed, and no NaN appears"
def perturbs_tensor_by_tensor(grads, rho):
    """One norm over all tensors: tensor by tensor the direction is another, and the way longer."""
    return [rho * g / g.norm() for g in grads]


# %% mistake of="sam_perturbation" fails="the perturbation has length rho over all tensors, and the direction of the gradients"
def writes_into_the_gradients(grads, rho):
    """The gradients belong to the caller: `mul_` writes into them, `*` makes new ones."""
    norm = torch.sqrt(sum(g.square().sum() for g in grads))
    return [g.mul_(rho / norm if norm > 0 else 0.0) for g in grads]


# %% mistake of="sam_perturbation" fails="at a gradient of 0 nothing is perturbed, and no NaN appears"
def divides_by_zero(grads, rho):
    """At a gradient of 0 the division gives NaN, and the weights stay NaN for good."""
    norm = torch.sqrt(sum(g.square().sum() for g in grads))
    return [rho * g / norm for g in grads]


# %% mistake of="sam_step" fails="the perturbation is gone before the optimizer steps"
def takes_it_off_after_the_step(model, optimizer, criterion, x, y, rho):
    """The optimizer steps from w: whatever it does to the weights, such as decay, belongs to w."""
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    parameters = [p for p in model.parameters() if p.grad is not None]
    buffers = [b.clone() for b in model.buffers()]
    perturbation = sam_perturbation([p.grad.clone() for p in parameters], rho)
    with torch.no_grad():
        for p, e in zip(parameters, perturbation, strict=True):
            p.add_(e)
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    optimizer.step()
    with torch.no_grad():
        for p, e in zip(parameters, perturbation, strict=True):
            p.sub_(e)
        for b, before in zip(model.buffers(), buffers, strict=True):
            b.copy_(before)
    return loss.item()


# %% mistake of="sam_step" fails="batch norm counts each batch once, at the weights as they are"
def counts_the_batch_twice(model, optimizer, criterion, x, y, rho):
    """The second pass goes through perturbed weights: its statistics are not those of the model."""
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    parameters = [p for p in model.parameters() if p.grad is not None]
    weights = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for p, e in zip(
            parameters, sam_perturbation([p.grad for p in parameters], rho), strict=True
        ):
            p.add_(e)
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    with torch.no_grad():
        for p, before in zip(parameters, weights, strict=True):
            p.copy_(before)
    optimizer.step()
    return loss.item()


# %% mistake of="sam_step" fails="on a quadratic, a step is the closed form"
def goes_downhill_first(model, optimizer, criterion, x, y, rho):
    """The worst point nearby lies uphill: the perturbation is added."""
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    parameters = [p for p in model.parameters() if p.grad is not None]
    weights = [p.detach().clone() for p in parameters]
    buffers = [b.clone() for b in model.buffers()]
    with torch.no_grad():
        for p, e in zip(
            parameters, sam_perturbation([p.grad for p in parameters], rho), strict=True
        ):
            p.sub_(e)
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    with torch.no_grad():
        for tensor, before in zip([*parameters, *model.buffers()], weights + buffers, strict=True):
            tensor.copy_(before)
    optimizer.step()
    return loss.item()


# %% mistake of="sam_step" fails="on a quadratic, a step is the closed form; with rho = 0 a step is the optimizer's own; batch norm counts each batch once, at the weights as they are"
def adds_both_gradients(model, optimizer, criterion, x, y, rho):
    """backward adds to what is there: without zero_grad in between the first gradient stays in."""
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    parameters = [p for p in model.parameters() if p.grad is not None]
    weights = [p.detach().clone() for p in parameters]
    buffers = [b.clone() for b in model.buffers()]
    with torch.no_grad():
        for p, e in zip(
            parameters, sam_perturbation([p.grad for p in parameters], rho), strict=True
        ):
            p.add_(e)
    criterion(model(x), y).backward()
    with torch.no_grad():
        for tensor, before in zip([*parameters, *model.buffers()], weights + buffers, strict=True):
            tensor.copy_(before)
    optimizer.step()
    return loss.item()


# %% mistake of="sam_step" fails="with rho = 0 a step is the optimizer's own"
def perturbs_frozen_parameters(model, optimizer, criterion, x, y, rho):
    """A frozen parameter has no gradient: it is left out of the norm, and left alone."""
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    parameters = list(model.parameters())
    weights = [p.detach().clone() for p in parameters]
    buffers = [b.clone() for b in model.buffers()]
    with torch.no_grad():
        for p, e in zip(
            parameters, sam_perturbation([p.grad for p in parameters], rho), strict=True
        ):
            p.add_(e)
    optimizer.zero_grad()
    criterion(model(x), y).backward()
    with torch.no_grad():
        for tensor, before in zip([*parameters, *model.buffers()], weights + buffers, strict=True):
            tensor.copy_(before)
    optimizer.step()
    return loss.item()


# %% mistake of="largest_curvature" fails="the curvature is the eigenvalue of the Hessian that is largest in size"
def measures_a_length(model, criterion, x, y, steps=50):
    """The length of Hv loses the sign: at a saddle the largest eigenvalue may be negative."""
    parameters = list(model.parameters())
    gradient = torch.autograd.grad(criterion(model(x), y), parameters, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in gradient])
    v = torch.randn_like(flat)
    for _ in range(steps):
        v = v / v.norm()
        product = torch.autograd.grad(flat @ v, parameters, retain_graph=True)
        v = torch.cat([p.reshape(-1) for p in product])
    return v.norm().item()


# %% mistake of="plot_curvatures" fails="the figure shows one line a run on a logarithmic y axis"
def leaves_the_axis_linear(curves, steps):
    """On a linear axis the largest curvature hides the others: factors want a logarithm."""
    figure, axes = plt.subplots()
    for name, values in curves.items():
        axes.plot(steps, values, label=name)
    axes.set(xlabel="steps", ylabel="curvature", title="Curvature on the way")
    axes.legend()
    return figure


# %% setup
import torch
from torch import nn

# %% choice [markdown] id="flatness-and-scale" points=1 level="evaluate" items="123"
r"""
In a network linear, ReLU, linear you multiply the weights and biases of the first layer by 10, and divide
the weights of the second layer by 10. What happens to the largest eigenvalue of the loss's Hessian?

- [x] It grows many times over, although no prediction has changed
  > Yes: the second layer now reads numbers ten times as large. Sharp or flat is said of parameters, not of the function.
- [ ] It stays as it was, since the network computes the same function
  > The function of the inputs is the same. The Hessian is about the parameters.
- [ ] It stays as it was, because the factors 10 and 1/10 cancel in the product
  > In the output they do. What does a small change of a second-layer weight do now?
- [ ] It falls to a hundredth, since the first layer's weights are larger
  > Along the first layer the loss did become flatter. And along the second?
"""

# %% evidence
first, second = nn.Linear(5, 6).double(), nn.Linear(6, 1).double()
x, y = torch.randn(20, 5).double(), torch.randn(20, 1).double()
rows = (first.weight, first.bias, second.weight, second.bias)
shapes = [row.shape for row in rows]


def loss_at(flat):
    w1, b1, w2, b2 = (
        part.reshape(shape)
        for part, shape in zip(flat.split([s.numel() for s in shapes]), shapes, strict=True)
    )
    return ((x @ w1.T + b1).relu() @ w2.T + b2 - y).square().mean()


tops, losses = [], []
for factor in (1, 10):
    at = [rows[0] * factor, rows[1] * factor, rows[2] / factor, rows[3]]
    flat = torch.cat([row.detach().reshape(-1) for row in at])
    losses.append(loss_at(flat))
    tops.append(torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss_at, flat))[-1])
assert torch.isclose(*losses) and tops[1] > 3 * tops[0]

# %% text [markdown] id="sam-report" points=2 level="evaluate" items="123"
r"""
Write your report, a page or two, with runs of your own (`FULL = True`, or longer ones): does SAM find
flatter minima than SGD with weight decay, are they better on new pictures, and does it make dropout
unnecessary?

- [1] Comparison: at least three seeds for each setting with their spread, SGD also at the cost of SAM (twice the steps), rho chosen on validation data, training loss and curvature and accuracy reported apart; differences within the spread are called that.
- [1] Judgement: with and without dropout at each rho, as an answer to the question; a flatter minimum and a better accuracy are two findings (in the run on digits above the first comes without the second); curvature depends on how the parameters are scaled; one small network and one data set are the limits.
"""

# %% evidence
# What SAM adds to a step is rho times the Hessian times the direction of the gradient.
root = torch.randn(4, 4).double()
a, w, rho = root @ root.T, torch.randn(4).double(), 1e-3
g = a @ w
assert torch.allclose(a @ (w + rho * g / g.norm()) - g, rho * a @ g / g.norm(), rtol=1e-6)
