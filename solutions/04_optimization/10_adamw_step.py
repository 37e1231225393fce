# %% exercise [markdown] items="156" stars=2 minutes=40 level="apply" goal="write the step of AdamW so that it goes the same way as PyTorch's"
r"""
# The step of AdamW
An optimizer is ten lines long, and nearly all of its bugs let the loss go down all the same. So it
is compared with a trusted one, step by step, to many digits.

Adam divides each gradient by its own size. With an L2 penalty, $\lambda w$ is in the gradient and
is divided as well: weights with small gradients are then pulled towards 0 by nearly a whole
learning rate, those with large ones hardly at all. *AdamW* keeps the decay out of $m$ and $v$:

$$ m \leftarrow \beta_1 m + (1-\beta_1)\,g \qquad v \leftarrow \beta_2 v + (1-\beta_2)\,g^2 $$

$$ w \leftarrow (1 - \eta\lambda)\,w - \eta\,\frac{\hat m}{\sqrt{\hat v} + \varepsilon}
\qquad \hat m = \frac{m}{1-\beta_1^t} \quad \hat v = \frac{v}{1-\beta_2^t} $$

Two versions of this go round that are not AdamW. One decays *after* the step: then the step is
decayed, too. One reads $w \leftarrow w - \lambda w$, without the learning rate: $\lambda = 0.1$
would leave 3 in 100,000 of each weight after 100 steps. In PyTorch's AdamW the share is
$\eta\lambda$ with the $\eta$ of this very step, so a schedule turns the decay down along with the
steps.

Write `adamw_step` with tensors, without `torch.optim`.
"""

# %%
from typing import Any

import torch
from torch import Tensor

from autograder import expect


def fresh_state(w: Tensor) -> dict[str, Any]:
    """What AdamW knows about `w` before its first step: t steps taken, m and v at 0."""
    return {"t": 0, "m": torch.zeros_like(w), "v": torch.zeros_like(w)}


# %% solution
def adamw_step(
    w: Tensor,
    g: Tensor,
    state: dict[str, Any],
    lr: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> tuple[Tensor, dict[str, Any]]:
    """The weights after one more step, and the state after it: new ones, of the same shapes.

    `g` is the gradient at `w`, of the same shape; `state` is laid out as `fresh_state` does it.
    """
    ### BEGIN SOLUTION
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    w = (1 - lr * weight_decay) * w - lr * m_hat / (v_hat.sqrt() + eps)
    return w, {"t": t, "m": m, "v": v}
    ### END SOLUTION


# %%
def walk(w: Tensor, grads: Tensor, rates: list[float], **settings: float) -> Tensor:
    """Where your steps lead: one row a step, for these gradients and learning rates."""
    state, rows = fresh_state(w), []
    for g, lr in zip(grads, rates, strict=True):
        w, state = adamw_step(w.clone(), g.clone(), state, lr=lr, **settings)
        rows.append(w)
    return torch.stack(rows)


def pytorchs_walk(
    w: Tensor,
    grads: Tensor,
    rates: list[float],
    beta1: float = 0.9,
    beta2: float = 0.999,
    **settings: float,
) -> Tensor:
    """Where the steps of torch.optim.AdamW lead."""
    leaf, rows = w.clone().requires_grad_(), []
    optimizer = torch.optim.AdamW([leaf], betas=(beta1, beta2), **settings)
    for g, lr in zip(grads, rates, strict=True):
        leaf.grad = g.clone()
        optimizer.param_groups[0]["lr"] = lr
        optimizer.step()
        rows.append(leaf.detach().clone())
    return torch.stack(rows)


# %% check
# From 2 with lr 0.1 and weight decay 0.5: a twentieth is decayed, and the first step is lr long.
w = torch.tensor([2.0], dtype=torch.float64)
after, state = adamw_step(
    w.clone(), torch.tensor([3.0]).double(), fresh_state(w), lr=0.1, eps=1e-30, weight_decay=0.5
)
expect.close(
    after,
    [1.8],
    when="taking a first step from 2 for a gradient of 3, lr 0.1 and weight decay 0.5",
    think="What is decayed, and how much of it? What is m_hat over the root of v_hat?",
)
expect.equal(state["t"], 1, when="looking at t after the first step")
expect.close(state["m"], [0.3], when="looking at m after the first step, for a gradient of 3")
expect.close(state["v"], [0.009], when="looking at v after the first step, for a gradient of 3")

# %% hidden aspect="without weight decay the way is Adam's" points=2
torch.manual_seed(1)
for shape, beta1, beta2 in (((4,), 0.9, 0.999), ((2, 3), 0.7, 0.95), ((), 0.0, 0.9)):
    w, grads = torch.randn(shape).double(), torch.randn(30, *shape).double() + 0.2
    settings = {"beta1": beta1, "beta2": beta2, "eps": 1e-30, "weight_decay": 0.0}
    expect.close(
        walk(w, grads, [0.01] * 30, **settings),
        pytorchs_walk(w, grads, [0.01] * 30, **settings),
        when=f"comparing 30 steps without decay, shape {shape}, betas {beta1} and {beta2}",
        think="What goes on from step to step, and what is corrected for the step alone?",
    )

# %% hidden aspect="eps is added to the root of v_hat" points=1
torch.manual_seed(2)
# Gradients far below eps, beside it and far above, over ten steps.
sizes = torch.tensor([1e-12, 1e-9, 1e-8, 1e-6, 1e-3, 1.0], dtype=torch.float64)
w, grads = torch.zeros(6).double(), sizes * (1 + torch.rand(10, 6).double())
for eps in (1e-8, 0.1):
    mine = walk(w, grads, [0.01] * 10, eps=eps, weight_decay=0.0)
    wanted = pytorchs_walk(w, grads, [0.01] * 10, eps=eps, weight_decay=0.0)
    for i, size in enumerate(sizes.tolist()):
        expect.close(
            mine[:, i],
            wanted[:, i],
            when=f"taking ten steps for gradients of one to two times {size:g}, eps {eps:g}",
            think="Small gradients show where eps stands: beside which root, inside or outside?",
        )

# %% hidden aspect="decay takes lr times weight_decay, whether there is a gradient or not" points=1
torch.manual_seed(3)
w, rates = torch.randn(5).double(), [0.3, 0.1, 0.02, 0.2]
for decay in (0.5, 2.0):
    left = torch.cumprod(1 - decay * torch.tensor(rates, dtype=torch.float64), dim=0)
    expect.close(
        walk(w, torch.zeros(4, 5).double(), rates, weight_decay=decay),
        left[:, None] * w,
        when=f"taking four steps without gradient, weight decay {decay}, learning rates {rates}",
        think="All that is left of the formula is a factor. Which learning rate is in it?",
    )

# %% hidden aspect="decay is of the weights before the step, and nowhere else" points=2
torch.manual_seed(4)
for shape, decay, beta2 in (((4,), 0.1, 0.999), ((3, 2), 3.0, 0.95)):
    w, grads = 2 * torch.randn(shape).double(), torch.randn(25, *shape).double()
    settings = {"beta2": beta2, "eps": 1e-30, "weight_decay": decay}
    expect.close(
        walk(w, grads, [0.05] * 25, **settings),
        pytorchs_walk(w, grads, [0.05] * 25, **settings),
        when=f"comparing 25 steps with weight decay {decay}, lr 0.05, shape {shape}",
        think="Does the decay get into m and v? Is the step itself decayed?",
    )

# %% hidden aspect="a change of the learning rate acts on the whole step at once" points=1
torch.manual_seed(5)
w, grads = torch.randn(4).double(), torch.randn(12, 4).double()
rates = [0.1] * 4 + [0.001] * 4 + [0.05] * 4
settings = {"eps": 1e-30, "weight_decay": 0.0}
expect.close(
    walk(w, grads, rates, **settings),
    pytorchs_walk(w, grads, rates, **settings),
    when="comparing 12 steps while a schedule moves the learning rate, without decay",
    think="Is the learning rate of an earlier step remembered anywhere?",
)

# %% hidden aspect="what was given is left as it was" points=1
torch.manual_seed(6)
w, g, m, v = torch.randn(4, 3).double()
state = {"t": 3, "m": m.clone(), "v": v.square()}
with expect.unchanged(
    w=w,
    g=g,
    m=state["m"],
    v=state["v"],
    when="taking a step",
    think="The result is a new tensor, and a new state; somebody may still need the old ones.",
):
    result = adamw_step(w, g, state, lr=0.1)
expect.kind(result, (tuple, list), when="taking a step", think="It returns two things.")
expect.equal(state["t"], 3, when="looking at t in the state that was given, after a step")


# %% alternative of="adamw_step"
def with_a_step_size_as_in_the_paper(
    w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01
):
    t = state["t"] + 1
    m = state["m"] + (1 - beta1) * (g - state["m"])
    v = torch.lerp(g * g, state["v"], beta2)
    c1, c2 = 1 - beta1**t, (1 - beta2**t) ** 0.5
    size = lr * c2 / c1
    moved = w - size * m / (v**0.5 + eps * c2)
    return moved - lr * weight_decay * w, dict(t=t, m=m, v=v)


# %% alternative of="adamw_step"
def in_place_on_copies(w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    new = {key: value.clone() if key != "t" else value for key, value in state.items()}
    new["t"] += 1
    new["m"].mul_(beta1).add_(g, alpha=1 - beta1)
    new["v"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
    root = (new["v"] / (1 - beta2 ** new["t"])).sqrt().add_(eps)
    w = w.mul(1 - lr * weight_decay)
    w.addcdiv_(new["m"], root, value=-lr / (1 - beta1 ** new["t"]))
    return w, new


# %% mistake of="adamw_step" fails="without weight decay the way is Adam's; eps is added to the root of v_hat; decay is of the weights before the step, and nowhere else; a change of the learning rate acts on the whole step at once"
def forgets_to_correct_v(w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """Both averages start at 0 and are corrected for it, each with its own beta."""
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    w = (1 - lr * weight_decay) * w - lr * m / (1 - beta1**t) / (v.sqrt() + eps)
    return w, {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="without weight decay the way is Adam's"
def takes_the_usual_betas(w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """Large models are trained with a beta2 of 0.95: both betas are arguments, to be used."""
    t = state["t"] + 1
    m = 0.9 * state["m"] + 0.1 * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - 0.9**t), v / (1 - beta2**t)
    w = (1 - lr * weight_decay) * w - lr * m_hat / (v_hat.sqrt() + eps)
    return w, {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="eps is added to the root of v_hat"
def adds_eps_under_the_root(w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """Under the root 1e-8 guards like 1e-4 outside of it: in Adam, eps stands outside."""
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    w = (1 - lr * weight_decay) * w - lr * m_hat / (v_hat + eps).sqrt()
    return w, {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="eps is added to the root of v_hat"
def adds_eps_before_the_correction(
    w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01
):
    """eps joins the root of v_hat; beside the root of v it weighs 30 times as much at first."""
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    size = lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t)
    w = (1 - lr * weight_decay) * w - size * m / (v.sqrt() + eps)
    return w, {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="decay takes lr times weight_decay, whether there is a gradient or not; decay is of the weights before the step, and nowhere else"
def adds_the_decay_to_the_gradient(
    w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01
):
    """That is Adam with an L2 penalty: the decay is divided by the root of v like a gradient."""
    t = state["t"] + 1
    g = g + weight_decay * w
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    return w - lr * m_hat / (v_hat.sqrt() + eps), {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="decay takes lr times weight_decay, whether there is a gradient or not; decay is of the weights before the step, and nowhere else"
def decays_without_the_learning_rate(
    w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01
):
    """The share that is decayed is lr times weight_decay; without lr the weights are soon gone."""
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    w = (1 - weight_decay) * w - lr * m_hat / (v_hat.sqrt() + eps)
    return w, {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="decay takes lr times weight_decay, whether there is a gradient or not"
def skips_weights_without_gradient(
    w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01
):
    """The decay does not come from the gradient: a weight decays where the gradient is 0, too."""
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    new = (1 - lr * weight_decay) * w - lr * m_hat / (v_hat.sqrt() + eps)
    return torch.where(g == 0, w, new), {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="decay takes lr times weight_decay, whether there is a gradient or not"
def keeps_the_first_share(w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """The share follows the learning rate of the step: a schedule turns the decay down as well."""
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    share = state.get("share", lr * weight_decay)
    w = (1 - share) * w - lr * m_hat / (v_hat.sqrt() + eps)
    return w, {"t": t, "m": m, "v": v, "share": share}


# %% mistake of="adamw_step" fails="decay is of the weights before the step, and nowhere else"
def decays_after_the_step(w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01):
    """Decayed afterwards, the step just taken loses its share, too; PyTorch decays first."""
    t = state["t"] + 1
    m = beta1 * state["m"] + (1 - beta1) * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    w = w - lr * m_hat / (v_hat.sqrt() + eps)
    return w - lr * weight_decay * w, {"t": t, "m": m, "v": v}


# %% mistake of="adamw_step" fails="a change of the learning rate acts on the whole step at once"
def averages_steps_in_place_of_gradients(
    w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01
):
    """m averages gradients; with lr inside, old learning rates live on in it."""
    t = state["t"] + 1
    old = state.get("moved", state["m"])
    moved = beta1 * old + (1 - beta1) * lr * g
    v = beta2 * state["v"] + (1 - beta2) * g.square()
    m_hat, v_hat = moved / (1 - beta1**t), v / (1 - beta2**t)
    w = (1 - lr * weight_decay) * w - m_hat / (v_hat.sqrt() + eps)
    return w, {"t": t, "m": moved / lr, "v": v, "moved": moved}


# %% mistake of="adamw_step" fails="what was given is left as it was"
def updates_the_averages_in_place(
    w, g, state, lr, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.01
):
    """The methods that end in an underscore write into the tensors of the state that was given."""
    t = state["t"] + 1
    m = state["m"].mul_(beta1).add_(g, alpha=1 - beta1)
    v = state["v"].mul_(beta2).add_(g.square(), alpha=1 - beta2)
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    w = (1 - lr * weight_decay) * w - lr * m_hat / (v_hat.sqrt() + eps)
    return w, {"t": t, "m": m, "v": v}
