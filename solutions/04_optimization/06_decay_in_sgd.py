# %% exercise [markdown] items="64" stars=2 minutes=40 level="analyze" goal="show where an L2 penalty and weight decay are the same, and where they part"
r"""
# Weight decay in SGD
"L2 regularization is also known as weight decay", says many a text, and optimizers have an argument
`weight_decay` that means one or the other. Whoever takes the names for synonyms tunes a number that
does something else.

An *L2 penalty* changes the loss: $L(w) + \tfrac{\lambda}{2} \lVert w \rVert^2$ has the gradient
$g + \lambda w$, where $g$ is that of $L$ at $w$. The half is part of the convention: without it,
$\lambda$ would count twice. *Weight decay* changes the step: each weight loses the share
$\eta\lambda$ of itself. Of 1 and of 0.01 that is the same share, so none "decays faster", and as
long as $\eta\lambda < 1$ none is ever decayed to exactly 0.

In plain SGD, the first becomes the second:

$$ w - \eta\,(g + \lambda w) = (1 - \eta\lambda)\,w - \eta\,g. $$

Both sides use one and the same $g$. It is not so, as one reads at times, that the weights are
multiplied first and the gradient is taken after that.

Write both with momentum, in PyTorch's form ($v$ starts at 0; with $m = 0$ it is plain SGD):

$$ \text{penalty: } \; v \leftarrow m v + g + \lambda w, \quad w \leftarrow w - \eta v
\qquad\qquad
\text{decay: } \; v \leftarrow m v + g, \quad w \leftarrow (1 - \eta\lambda)\,w - \eta v $$

On the right-hand sides, $w$ and $g$ are what they were before the step. Then find out whether the
two still agree.
"""

# %%
import torch
from torch import Tensor

from autograder import expect


def slope(w: Tensor, A: Tensor, b: Tensor) -> Tensor:
    """The gradient of the loss L(w): half the mean of the squares of A w - b."""
    return A.T @ (A @ w - b) / len(b)


# %% solution
def with_penalty(
    w: Tensor, A: Tensor, b: Tensor, eta: float, lam: float, momentum: float, steps: int
) -> Tensor:
    """The way of `w`, shape (d,), under SGD on the penalized loss: shape (steps + 1, d).

    The first row is where `w` starts. `slope` gives the gradient without the penalty.
    """
    ### BEGIN SOLUTION
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b) + lam * w
        w = w - eta * v
        path.append(w)
    return torch.stack(path)
    ### END SOLUTION


def with_decay(
    w: Tensor, A: Tensor, b: Tensor, eta: float, lam: float, momentum: float, steps: int
) -> Tensor:
    """The way of `w` under SGD on the loss as it is, with weight decay: shape (steps + 1, d)."""
    ### BEGIN SOLUTION
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b)
        w = (1 - eta * lam) * w - eta * v
        path.append(w)
    return torch.stack(path)
    ### END SOLUTION


# %% check
# L(w) = (w - 3)^2 / 2 has the gradient w - 3. From 1 the step is 1 - 0.5 (-2 + 1) = 1.5 for a
# penalty, and 0.5 * 1 - 0.5 (-2) = 1.5 for decay; and then 1.5 again, where both are at rest.
given = torch.tensor([1.0]), torch.tensor([[1.0]]), torch.tensor([3.0])
for name, train in {"with_penalty": with_penalty, "with_decay": with_decay}.items():
    expect.close(
        train(*(a.clone() for a in given), eta=0.5, lam=1.0, momentum=0.0, steps=2),
        [[1.0], [1.5], [1.5]],
        when=f"running {name} on (w - 3)^2 / 2 from 1, with eta 1/2, lam 1 and no momentum",
        think="Where is the gradient taken, and what is multiplied by eta?",
    )

# %% check
# Without momentum the two should not part, whatever the loss.
torch.manual_seed(0)
w, A, b = torch.randn(3).double(), torch.randn(8, 3).double(), torch.randn(8).double()
expect.close(
    with_decay(w.clone(), A.clone(), b.clone(), eta=0.2, lam=0.5, momentum=0.0, steps=50),
    with_penalty(w.clone(), A.clone(), b.clone(), eta=0.2, lam=0.5, momentum=0.0, steps=50),
    when="comparing decay with a penalty over 50 steps of plain SGD",
    think="The two sides of the first formula are equal at every step.",
)

# %% [markdown]
r"""
## A proof with one wrong line
Write $g_t$ for the gradient of $L$ at $w_t$. Let $v_t$ be the velocity under a penalty and $u_t$ the
one under decay, both 0 at the start; $w_0$ is the same. Here is a proof that momentum changes
nothing:

1. Under the penalty, $v_{t+1} = m v_t + g_t + \lambda w_t$ and $w_{t+1} = w_t - \eta v_{t+1}$.
2. Under decay, $u_{t+1} = m u_t + g_t$ and $w_{t+1} = (1 - \eta\lambda) w_t - \eta u_{t+1}$.
3. As long as both are at the same $w_t$, they see the same $g_t$.
4. The velocities start at 0, so $v_1 = g_0 + \lambda w_0 = u_1 + \lambda w_0$.
5. So $w_0 - \eta v_1 = (1 - \eta\lambda) w_0 - \eta u_1$: after the first step both are at the same
   $w_1$.
6. Step by step, $v_{t+1} = u_{t+1} + \lambda w_t$ for every $t$, as in line 4.
7. So, as in line 5, $w_t - \eta v_{t+1} = (1 - \eta\lambda) w_t - \eta u_{t+1}$ for every $t$: both
   take the same way.

Exactly one line does not follow from the lines above it. Which one? After the first step the two
are still together, after the second no longer. How far apart are they?
"""

# %% solution
# The number of the line that does not follow, from 1 to 7.
### BEGIN SOLUTION
wrong_line = 6
### END SOLUTION


# %% solution
def gap_after_two_steps(w: Tensor, eta: float, lam: float, momentum: float) -> Tensor:
    """Where `with_penalty` stands after two steps from `w`, minus where `with_decay` stands.

    It is the same for every loss, so no gradient is needed.
    """
    ### BEGIN SOLUTION
    return -eta * momentum * lam * w
    ### END SOLUTION


# %% check
expect.kind(
    wrong_line,
    int,
    when="reading the number of the line",
    think="Write out what each line claims for t = 1, and compare it with lines 1 and 2.",
)
expect.close(
    gap_after_two_steps(torch.tensor([3.0, -1.0]), eta=0.2, lam=0.5, momentum=0.0),
    [0.0, 0.0],
    when="asking how far apart they are without momentum",
    think="Plain SGD with a penalty is SGD with decay.",
)

# %% hidden aspect="with_penalty takes the steps of SGD on the penalized loss" points=1
torch.manual_seed(1)
for lam, momentum in ((0.3, 0.0), (0.3, 0.9), (2.0, 0.5)):
    w, A, b = torch.randn(4).double(), torch.randn(7, 4).double(), torch.randn(7).double()
    leaf = w.clone().requires_grad_()
    optimizer, wanted = torch.optim.SGD([leaf], lr=0.07, momentum=momentum), [w]
    for _ in range(6):
        optimizer.zero_grad()
        loss = (A @ leaf - b).square().mean() / 2 + lam / 2 * leaf.square().sum()
        loss.backward()
        optimizer.step()
        wanted.append(leaf.detach().clone())
    given = w.clone(), A.clone(), b.clone()
    expect.close(
        with_penalty(*given, eta=0.07, lam=lam, momentum=momentum, steps=6),
        torch.stack(wanted),
        when=f"comparing six steps with SGD on the penalized loss, lam {lam}, momentum {momentum}",
        think="The penalty is part of the loss, so its gradient goes wherever the gradient goes.",
    )

# %% hidden aspect="with_decay takes its share of the weights besides the step" points=1
torch.manual_seed(2)
for lam, momentum in ((0.3, 0.0), (0.3, 0.9), (2.0, 0.5)):
    w, A, b = torch.randn(4).double(), torch.randn(7, 4).double(), torch.randn(7).double()
    leaf = w.clone().requires_grad_()
    optimizer, wanted = torch.optim.SGD([leaf], lr=0.07, momentum=momentum), [w]
    for _ in range(6):
        optimizer.zero_grad()
        ((A @ leaf - b).square().mean() / 2).backward()
        with torch.no_grad():
            leaf -= 0.07 * lam * leaf  # the gradient has been taken already
        optimizer.step()
        wanted.append(leaf.detach().clone())
    given = w.clone(), A.clone(), b.clone()
    expect.close(
        with_decay(*given, eta=0.07, lam=lam, momentum=momentum, steps=6),
        torch.stack(wanted),
        when=f"comparing six steps with SGD that takes the share, lam {lam}, momentum {momentum}",
        think="What goes into the velocity, and at which w is the gradient taken?",
    )

# %% hidden aspect="the line of the proof that does not follow is found" points=1
expect.kind(
    wrong_line,
    int,
    when="reading the number of the line",
    think="Write out what each line claims for t = 1, and compare it with lines 1 and 2.",
)
expect.true(
    wrong_line == 6,
    when="naming the line that does not follow from those above it",
    wanted="another line",
    got=f"line {wrong_line}",
    think="Write out what each line claims for t = 1. What does the velocity remember by then?",
)

# %% hidden aspect="the gap after two steps is told for every momentum" points=1
from autograder import reference

torch.manual_seed(3)
for eta, lam, momentum in (0.05 + 0.9 * torch.rand(12, 3, dtype=torch.float64)).tolist():
    w, A, b = torch.randn(4).double(), torch.randn(7, 4).double(), torch.randn(7).double()
    rates = {"eta": eta, "lam": lam, "momentum": momentum}
    apart = reference.with_penalty(w, A, b, **rates, steps=2)
    apart = apart - reference.with_decay(w, A, b, **rates, steps=2)
    expect.close(
        gap_after_two_steps(w.clone(), **rates),
        apart[-1],
        rtol=1e-8,  # two places are subtracted
        when=f"asking for the gap with eta {eta:.3f}, lam {lam:.3f} and momentum {momentum:.3f}",
        think="w_1 and g_1 are still the same for both. What is left is what v remembers.",
    )


# %% alternative of="with_penalty"
def with_a_gradient_by_autograd(w, A, b, eta, lam, momentum, steps):
    v, rows = 0, [w.clone()]
    for _ in range(steps):
        at = rows[-1].clone().requires_grad_()
        loss = (A @ at - b).pow(2).sum() / (2 * len(b)) + lam * at.dot(at) / 2
        v = momentum * v + torch.autograd.grad(loss, at)[0]
        rows.append(rows[-1] - eta * v)
    return torch.stack(rows)


# %% alternative of="with_decay"
def filled_in_row_by_row(w, A, b, eta, lam, momentum, steps):
    path = torch.empty(steps + 1, len(w), dtype=w.dtype)
    path[0], moved = w, torch.zeros(len(w), dtype=w.dtype)
    for t in range(steps):
        moved = momentum * moved - eta * slope(path[t], A, b)
        path[t + 1] = path[t] + moved - eta * lam * path[t]
    return path


# %% alternative of="gap_after_two_steps"
def by_running_both_without_a_loss(w, eta, lam, momentum):
    nothing = torch.zeros(1, len(w), dtype=w.dtype), torch.zeros(1, dtype=w.dtype)
    far = with_penalty(w, *nothing, eta, lam, momentum, 2)[-1]
    return far - (1 - eta * lam) ** 2 * w


# %% mistake of="with_penalty" fails="with_penalty takes the steps of SGD on the penalized loss"
def counts_the_penalty_twice(w, A, b, eta, lam, momentum, steps):
    """The derivative of half a square is lam w: the half is there to take the 2 away."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b) + 2 * lam * w
        w = w - eta * v
        path.append(w)
    return torch.stack(path)


# %% mistake of="with_penalty" fails="with_penalty takes the steps of SGD on the penalized loss"
def keeps_the_penalty_out_of_the_velocity(w, A, b, eta, lam, momentum, steps):
    """The penalty is part of the loss, so the velocity remembers its gradient too."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b)
        w = w - eta * (v + lam * w)
        path.append(w)
    return torch.stack(path)


# %% mistake of="with_penalty" fails="with_penalty takes the steps of SGD on the penalized loss"
def rewards_large_weights(w, A, b, eta, lam, momentum, steps):
    """The penalty is added to the loss, so its gradient is added to the gradient."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b) - lam * w
        w = w - eta * v
        path.append(w)
    return torch.stack(path)


# %% mistake of="with_penalty" fails="with_penalty takes the steps of SGD on the penalized loss"
def averages_with_the_new_gradient(w, A, b, eta, lam, momentum, steps):
    """In PyTorch's form the new gradient enters the velocity whole, without a factor 1 - m."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + (1 - momentum) * (slope(w, A, b) + lam * w)
        w = w - eta * v
        path.append(w)
    return torch.stack(path)


# %% mistake of="with_decay" fails="with_decay takes its share of the weights besides the step"
def lets_the_velocity_remember_the_decay(w, A, b, eta, lam, momentum, steps):
    """Decay stays out of the velocity: each step takes its share once, and that is all."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b) + lam * w
        w = w - eta * v
        path.append(w)
    return torch.stack(path)


# %% mistake of="with_decay" fails="with_decay takes its share of the weights besides the step"
def takes_the_gradient_behind_the_decay(w, A, b, eta, lam, momentum, steps):
    """The gradient belongs to the w before the step; multiplied first, it is another one."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        w = (1 - eta * lam) * w
        v = momentum * v + slope(w, A, b)
        w = w - eta * v
        path.append(w)
    return torch.stack(path)


# %% mistake of="with_decay" fails="with_decay takes its share of the weights besides the step"
def decays_the_step_as_well(w, A, b, eta, lam, momentum, steps):
    """The share is taken of the w before the step, not of the new one."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b)
        w = (1 - eta * lam) * (w - eta * v)
        path.append(w)
    return torch.stack(path)


# %% mistake of="with_decay" fails="with_decay takes its share of the weights besides the step"
def forgets_the_learning_rate(w, A, b, eta, lam, momentum, steps):
    """The share is eta lam: without eta, lam = 0.1 leaves 3 in 100,000 after 100 steps."""
    path, v = [w], torch.zeros_like(w)
    for _ in range(steps):
        v = momentum * v + slope(w, A, b)
        w = (1 - lam) * w - eta * v
        path.append(w)
    return torch.stack(path)


# %% mistake of="gap_after_two_steps" fails="the gap after two steps is told for every momentum"
def believes_line_seven(w, eta, lam, momentum):
    """With momentum the second step of the penalty is longer by what the velocity remembers."""
    return torch.zeros_like(w)


# %% mistake of="gap_after_two_steps" fails="the gap after two steps is told for every momentum"
def tells_it_the_other_way_round(w, eta, lam, momentum):
    """The velocity repeats the pull of the penalty towards 0, so the penalty has moved w further."""
    return eta * momentum * lam * w


# %% mistake of="gap_after_two_steps" fails="the gap after two steps is told for every momentum"
def remembers_the_weight_after_one_step(w, eta, lam, momentum):
    """The velocity remembers lam times the w at the start, from before the first step."""
    return -eta * momentum * lam * (1 - eta * lam) * w


# %% mistake of="wrong_line" fails="the line of the proof that does not follow is found"
def blames_the_conclusion():
    """Line 7 is false, but it follows from line 6: look for the line that brings the error in."""
    return 7


# %% mistake of="wrong_line" fails="the line of the proof that does not follow is found"
def blames_the_first_step():
    """At the first step there is nothing to remember: both velocities start at 0."""
    return 5


# %% mistake of="wrong_line" fails="the line of the proof that does not follow is found"
def blames_the_gradient():
    """At the same w the loss without penalty has the same gradient, whoever asks."""
    return 3
