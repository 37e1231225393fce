# %% exercise [markdown] items="150" stars=2 minutes=45 level="analyze" goal="compute how long Adam's first steps are, and say what warm-up is for"
r"""
# Adam's first step
Why do we warm up Adam's learning rate? Many texts answer: $v$ starts at 0, so early updates are
divided by a tiny number, the effective rate is $\eta/\sqrt{v+\varepsilon}$ and "enormous". It
sounds right and is easily repeated. You can compute whether it is so.

Adam averages the gradients and their squares, both from 0 on, corrects both averages for that
start, and divides:

$$ m_t = \beta_1 m_{t-1} + (1-\beta_1)\,g_t \qquad v_t = \beta_2 v_{t-1} + (1-\beta_2)\,g_t^2 $$

$$ \hat m_t = \frac{m_t}{1-\beta_1^t} \qquad \hat v_t = \frac{v_t}{1-\beta_2^t} \qquad
w_t = w_{t-1} - \eta\,\frac{\hat m_t}{\sqrt{\hat v_t} + \varepsilon} $$

The first step is number 1, not 0. Write `adam_steps`, which measures the steps in learning rates
and can leave the *bias correction* out. Leave it out and the claim above has something to it:
`peak` says how much.

*Hint:* while the gradient is the same at every step, $m_t$ and $v_t$ are geometric series.
"""

# %%
import math

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect


# %% solution
def adam_steps(
    grads: Tensor,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    bias_correction: bool = True,
) -> Tensor:
    """What Adam takes off one weight at each step, in learning rates: shape (T,), like `grads`.

    `grads` are the gradients of that weight at steps 1 to T. Without the bias correction, the
    averages m and v themselves stand in the place of m_hat and v_hat.
    """
    ### BEGIN SOLUTION
    m = v = 0.0
    steps = []
    for t, g in enumerate(grads.tolist(), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = m, v
        if bias_correction:
            m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        steps.append(m_hat / (math.sqrt(v_hat) + eps))
    return torch.tensor(steps, dtype=grads.dtype)
    ### END SOLUTION


# %% check
# The second averages are 0.9 * 0.1 - 0.1 = -0.01, over 1 - 0.81, and for the squares exactly 1.
expect.close(
    adam_steps(torch.tensor([1.0, -1.0], dtype=torch.float64), eps=0.0),
    [1.0, -1 / 19],
    when="taking steps for the gradients 1 and -1, with eps 0",
    think="Which power of beta belongs to the second step?",
)
# Without the correction: a half of 3 over the root of 0.04 * 9.
expect.close(
    adam_steps(torch.tensor([3.0]).double(), beta1=0.5, beta2=0.96, eps=0.0, bias_correction=False),
    [2.5],
    when="taking a first step for the gradient 3, betas 0.5 and 0.96, without bias correction",
    think="What are m and v after one step from 0?",
)
# How long is the first step for gradients of very different size?
sizes = torch.tensor([1e-12, 1e-9, 1e-8, 1e-6, 1e-3, 1.0, 1e3], dtype=torch.float64)
for size in sizes:
    first = adam_steps(size[None].clone())
    expect.shape(first, (1,), when="taking a single step")
    print(f"gradient {size.item():7.0e}: {first.item():.6f} learning rates")


# %% solution
def peak(beta1: float, beta2: float) -> tuple[int, float]:
    """The step t that is longest without bias correction, and how long it is in learning rates.

    The gradient is the same at each of the first 1000 steps, and not 0; eps is 0.
    """
    ### BEGIN SOLUTION
    lengths = {t: (1 - beta1**t) / math.sqrt(1 - beta2**t) for t in range(1, 1001)}
    t = max(lengths, key=lengths.get)
    return t, lengths[t]
    ### END SOLUTION


def plot_steps(steps: dict[str, Tensor]) -> Figure:
    """One line a sequence of steps, under its name: how long they are over t, 1 for the first.

    The t axis is logarithmic. Say what the axes and the picture show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, values in steps.items():
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.set(xscale="log", xlabel="step t", ylabel="length of the step, in learning rates")
    axes.set_title("Adam on a gradient that stays the same")
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
# With a beta1 of 0, m is the gradient itself and v is smallest at the first step: 1 / 0.2.
t, length = peak(0.0, 0.96)
expect.equal(t, 1, when="looking for the longest step with betas 0 and 0.96")
expect.close(length, 5.0, when="measuring the longest step with betas 0 and 0.96")

# %% check
same = torch.ones(1000, dtype=torch.float64)
steps = {
    "with bias correction": adam_steps(same.clone()),
    "without": adam_steps(same.clone(), bias_correction=False),
}
expect.figure(
    plot_steps(steps),
    xscale="log",
    legend=2,
    lines=[(range(1, 1001), lengths) for lengths in steps.values()],
    when="plotting a thousand steps with the correction and without",
    think="Two lines over t from 1 on, in the units that `adam_steps` returns.",
)

# %% setup
import torch

# %% choice [markdown] id="true-of-adam" points=1
r"""
What is true of Adam with bias correction, $\beta_1 = 0.9$, $\beta_2 = 0.999$ and
$\varepsilon = 10^{-8}$?

- [x] A gradient of 1 and one of 1000 get first steps of practically the same length.
  > Yes: at the first step m_hat is the gradient and the root of v_hat its size, which cancels.
- [ ] A gradient of one millionth gets a longer first step than a gradient of 1.
  > Look at your table: it is a little shorter. A small gradient has a small root under it, but eps comes on top.
- [ ] No step is ever longer than one learning rate, whatever the gradients are.
  > Try a thousand gradients of 0 and then a 1: v has been averaged over more steps than m.
- [x] If gradients are mostly noise, the first step is about four times as long as later ones.
  > Yes: the average m of many such gradients is short beside the root of v, that of one is not.
- [ ] As v starts at 0, the first step is divided by little more than the root of eps.
  > By the time v is used it holds the first gradient's square. Where does eps stand?
"""

# %% evidence


def moves(gradients):
    w = torch.zeros(len(gradients[0]), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=1e-3)
    seen = []
    for gradient in gradients:
        before = w.detach().clone()
        w.grad = gradient.clone()
        optimizer.step()
        seen.append((before - w.detach()) / 1e-3)
    return seen


small, one, large = moves([torch.tensor([1e-6, 1.0, 1e3]).double()])[0]
assert abs(large / one - 1) < 1e-6 and small < 0.995 * one and one < 1
# After a long silence a gradient moves its weight further than a learning rate.
silence = [torch.zeros(1).double()] * 1000
assert moves([*silence, torch.ones(1).double()])[-1] > 2
# Pure noise, 3000 weights: the root of the mean square of the first step and of a late one.
steps = moves([torch.randn(3000, dtype=torch.float64) for _ in range(60)])
first, late = (step.square().mean().sqrt() for step in (steps[0], steps[-1]))
assert 3.5 < first / late < 5.5

# %% text [markdown] id="what-warm-up-is-for" points=1
r"""
"Adam's $v$ is 0 at the start, so the effective rate $\eta/\sqrt{v+\varepsilon}$ is enormous, and
warm-up keeps the model from being thrown away." Say in three sentences what is wrong in this, under
which change to Adam something like it would be true, and what is risky about early steps all the
same.

- [1] At step 1 v_hat is g^2 (and eps stands outside of the root), so no first step is longer than the learning rate; without bias correction, steps on a gradient that stays grow to more than six learning rates; what is risky is that every weight moves by nearly a whole learning rate on the evidence of one or a few batches.
"""

# %% evidence
# 2000 weights with gradients of all sizes: none moves further than the learning rate at first, and
# nearly all of those that are large beside eps move by nearly that.
g = torch.randn(2000, dtype=torch.float64) * 10 ** (6 * torch.rand(2000, dtype=torch.float64) - 3)
w = torch.zeros(2000, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.Adam([w], lr=0.5)
w.grad = g.clone()
optimizer.step()
moved = w.detach().abs() / 0.5
assert moved.max() <= 1 and (moved > 0.99).float().mean() > 0.98
# Without bias correction, on a gradient that stays: averages by hand.
m = v = 0.0
lengths = []
for _ in range(200):
    m, v = 0.9 * m + 0.1 * 2.0, 0.999 * v + 0.001 * 4.0
    lengths.append(m / v**0.5)
assert lengths[0] > 3 and 6 < max(lengths) < 7

# %% hidden aspect="with bias correction the steps are those of torch.optim.Adam" points=2
torch.manual_seed(1)
for beta1, beta2, scale in ((0.9, 0.999, 1.0), (0.8, 0.95, 1e-3), (0.0, 0.99, 1e3)):
    grads = scale * (torch.randn(40, dtype=torch.float64) + 0.3)
    w = torch.zeros((), dtype=torch.float64, requires_grad=True)
    # eps is out of sight here.
    optimizer, taken = torch.optim.Adam([w], lr=1.0, betas=(beta1, beta2), eps=1e-30), []
    for g in grads:
        before = w.item()
        w.grad = g.clone()
        optimizer.step()
        taken.append(before - w.item())
    expect.close(
        adam_steps(grads.clone(), beta1=beta1, beta2=beta2, eps=1e-30),
        torch.tensor(taken, dtype=torch.float64),
        when=f"comparing 40 steps with PyTorch's, betas {beta1} and {beta2}, gradients near {scale:g}",
        think="Both averages go on from step to step, and t counts the steps.",
    )

# %% hidden aspect="eps is added to the root of v_hat" points=1
# The seven gradients of the table, and some beside a large eps, with either sign.
for eps, sizes in (
    (1e-8, [1e-12, 1e-9, 1e-8, 1e-6, 1e-3, 1.0, 1e3]),
    (0.1, [1e-3, 0.02, 0.1, 5.0]),
):
    for g in (sign * size for size in sizes for sign in (1, -1)):
        expect.close(
            adam_steps(torch.tensor([g], dtype=torch.float64), eps=eps),
            torch.tensor([g / (abs(g) + eps)], dtype=torch.float64),
            when=f"taking a first step for the gradient {g:g} with eps {eps:g}",
            think="Which root is eps added to, and is it added before or after the root is taken?",
        )

# %% hidden aspect="without bias correction m and v are used as they are" points=1
torch.manual_seed(2)
for beta1, beta2 in ((0.9, 0.999), (0.7, 0.9)):
    grads = torch.randn(25, dtype=torch.float64) + 0.2
    # Each average written out: a weight for every gradient so far.
    wanted = []
    for t in range(1, 26):
        age = torch.arange(t - 1, -1, -1, dtype=torch.float64)
        m = ((1 - beta1) * beta1**age * grads[:t]).sum()
        v = ((1 - beta2) * beta2**age * grads[:t].square()).sum()
        wanted.append(m / v.sqrt())
    expect.close(
        adam_steps(grads.clone(), beta1=beta1, beta2=beta2, eps=1e-30, bias_correction=False),
        torch.stack(wanted),
        when=f"taking 25 steps without bias correction, betas {beta1} and {beta2}",
        think="Nothing stands in the place of the correction, neither for m nor for v.",
    )

# %% hidden aspect="peak finds the longest step without bias correction" points=1
for beta1, beta2 in ((0.9, 0.999), (0.5, 0.99), (0.95, 0.999), (0.98, 0.9999), (0.3, 0.999)):
    m = v = 0.0
    lengths = []
    for _ in range(1000):
        m, v = beta1 * m + (1 - beta1) * -2.0, beta2 * v + (1 - beta2) * 4.0
        lengths.append(-m / math.sqrt(v))
    answer = peak(beta1, beta2)
    expect.kind(answer, (tuple, list), when=f"looking for the longest step, betas {beta1}, {beta2}")
    expect.equal(
        answer[0],
        lengths.index(max(lengths)) + 1,
        when=f"comparing with 1000 steps for the gradient -2, betas {beta1} and {beta2}",
        think="The first step is number 1, and it need not be the longest.",
    )
    expect.close(
        float(answer[1]),
        max(lengths),
        when=f"measuring the longest of these steps, betas {beta1} and {beta2}",
        think="m and v of a gradient that stays are that gradient and its square, times what?",
    )

# %% hidden aspect="the figure shows how long each step is" points=1
torch.manual_seed(3)
steps = {"one": torch.rand(30).double(), "two": torch.rand(50).double(), "three": torch.rand(9)}

expect.figure(
    plot_steps({name: values.clone() for name, values in steps.items()}),
    xscale="log",
    legend=3,
    lines=[(range(1, len(values) + 1), values) for values in steps.values()],
    when="plotting three sequences of 30, 50 and 9 steps",
    think="One line for each name, over t from 1 on.",
)


# %% alternative of="adam_steps"
def with_tensors(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    m, v = torch.zeros_like(grads), torch.zeros_like(grads)
    a = b = torch.zeros((), dtype=grads.dtype)
    for t in range(len(grads)):
        a, b = torch.lerp(grads[t], a, beta1), torch.lerp(grads[t] ** 2, b, beta2)
        c = 1 if bias_correction else 0
        m[t], v[t] = a / (1 - c * beta1 ** (t + 1)), b / (1 - c * beta2 ** (t + 1))
    return m / (v.sqrt() + eps)


# %% alternative of="adam_steps"
def with_the_root_corrected(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    m, v, taken = 0.0, 0.0, grads.clone()
    for i in range(len(grads)):
        g, t = float(grads[i]), i + 1
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g**2 - v)
        if bias_correction:
            root = v**0.5 / (1 - beta2**t) ** 0.5
            taken[i] = m / (root + eps) / (1 - beta1**t)
        else:
            taken[i] = m / (v**0.5 + eps)
    return taken


# %% alternative of="peak"
def with_steps_of_adam(beta1, beta2):
    lengths = adam_steps(torch.ones(1000).double(), beta1, beta2, 0.0, bias_correction=False)
    return int(lengths.argmax()) + 1, lengths.max().item()


# %% alternative of="plot_steps"
def with_semilogx(steps):
    figure = plt.figure()
    for values in steps.values():
        plt.semilogx([t + 1 for t in range(len(values))], values.tolist(), "o-")
    plt.xlabel("t")
    plt.ylabel("step / learning rate")
    plt.title("Steps")
    plt.legend(list(steps))
    return figure


# %% mistake of="adam_steps" fails="with bias correction the steps are those of torch.optim.Adam"
def corrects_every_step_like_the_first(
    grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True
):
    """The power of beta is the number of the step: later there is less and less to correct."""
    m = v = 0.0
    steps = []
    for g in grads.tolist():
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat, v_hat = (m / (1 - beta1), v / (1 - beta2)) if bias_correction else (m, v)
        steps.append(m_hat / (math.sqrt(v_hat) + eps))
    return torch.tensor(steps, dtype=grads.dtype)


# %% mistake of="adam_steps" fails="with bias correction the steps are those of torch.optim.Adam; eps is added to the root of v_hat"
def forgets_the_correction(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    """m and v start at 0 and are too small at first; v stays so for longer than m does."""
    m = v = 0.0
    steps = []
    for g in grads.tolist():
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        steps.append(m / (math.sqrt(v) + eps))
    return torch.tensor(steps, dtype=grads.dtype)


# %% mistake of="adam_steps" fails="with bias correction the steps are those of torch.optim.Adam; without bias correction m and v are used as they are"
def averages_the_corrected_averages(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    """m and v go on uncorrected; the corrected values are for the step alone."""
    m = v = 0.0
    steps = []
    for t, g in enumerate(grads.tolist(), start=1):
        m = (beta1 * m + (1 - beta1) * g) / (1 - beta1**t)
        v = (beta2 * v + (1 - beta2) * g * g) / (1 - beta2**t)
        steps.append(m / (math.sqrt(v) + eps))
    return torch.tensor(steps, dtype=grads.dtype)


# %% mistake of="adam_steps" fails="eps is added to the root of v_hat"
def adds_eps_under_the_root(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    """Under the root 1e-8 guards like 1e-4 outside of it: in Adam, eps stands outside."""
    m = v = 0.0
    steps = []
    for t, g in enumerate(grads.tolist(), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        c = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1, 1)
        steps.append(m / c[0] / math.sqrt(v / c[1] + eps))
    return torch.tensor(steps, dtype=grads.dtype)


# %% mistake of="adam_steps" fails="eps is added to the root of v_hat"
def adds_eps_before_the_correction(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    """eps joins the root of v_hat; beside the root of v it weighs 30 times as much at first."""
    m = v = 0.0
    steps = []
    for t, g in enumerate(grads.tolist(), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        factor = math.sqrt(1 - beta2**t) / (1 - beta1**t) if bias_correction else 1
        steps.append(factor * m / (math.sqrt(v) + eps))
    return torch.tensor(steps, dtype=grads.dtype)


# %% mistake of="adam_steps" fails="without bias correction m and v are used as they are"
def corrects_whatever_is_asked(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    """The last argument decides whether the averages are corrected."""
    m = v = 0.0
    steps = []
    for t, g in enumerate(grads.tolist(), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        steps.append(m / (1 - beta1**t) / (math.sqrt(v / (1 - beta2**t)) + eps))
    return torch.tensor(steps, dtype=grads.dtype)


# %% mistake of="adam_steps" fails="without bias correction m and v are used as they are"
def leaves_the_correction_of_v_in(grads, beta1=0.9, beta2=0.999, eps=1e-8, bias_correction=True):
    """Without the correction neither average is corrected, the squares no more than the rest."""
    m = v = 0.0
    steps = []
    for t, g in enumerate(grads.tolist(), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = m / (1 - beta1**t) if bias_correction else m
        steps.append(m_hat / (math.sqrt(v / (1 - beta2**t)) + eps))
    return torch.tensor(steps, dtype=grads.dtype)


# %% mistake of="peak" fails="peak finds the longest step without bias correction"
def takes_the_first_step_for_the_longest(beta1, beta2):
    """m grows faster than the root of v does at first, so the steps get longer for a while."""
    return 1, (1 - beta1) / math.sqrt(1 - beta2)


# %% mistake of="peak" fails="peak finds the longest step without bias correction"
def counts_steps_from_zero(beta1, beta2):
    """The first step is number 1: at step 0 there is no average yet."""
    lengths = [(1 - beta1 ** (t + 1)) / math.sqrt(1 - beta2 ** (t + 1)) for t in range(1000)]
    t = max(range(1000), key=lengths.__getitem__)
    return t or 1, lengths[t]


# %% mistake of="peak" fails="peak finds the longest step without bias correction"
def knows_the_answer_for_the_usual_betas(beta1, beta2):
    """Where the longest step is depends on both betas; search for it, for those that are given."""
    t = 1 if beta1 == 0 else 12
    return t, (1 - beta1**t) / math.sqrt(1 - beta2**t)


# %% mistake of="plot_steps" fails="the figure shows how long each step is"
def counts_from_zero(steps):
    """Without x values matplotlib counts from 0, which has no place on a logarithmic axis."""
    figure, axes = plt.subplots()
    for name, values in steps.items():
        axes.semilogx(values, label=name)
    axes.set(xlabel="t", ylabel="length in learning rates", title="Adam's steps")
    axes.legend()
    return figure


# %% mistake of="plot_steps" fails="the figure shows how long each step is"
def keeps_a_linear_axis(steps):
    """The first dozen of a thousand steps is what matters here; a log axis gives them room."""
    figure, axes = plt.subplots()
    for name, values in steps.items():
        axes.plot(range(1, len(values) + 1), values, label=name)
    axes.set(xlabel="t", ylabel="length in learning rates", title="Adam's steps")
    axes.legend()
    return figure
