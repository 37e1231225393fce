# %% exercise [markdown] items="78" stars=2 minutes=30 level="apply" goal="limit a step without turning it, and know what clipping by value does instead"
r"""
# Clip gradients by value and by norm
One exploding batch can undo an epoch. Clipping limits how far a single step goes. *By value*, each
entry is cut off for itself; *by norm*, the whole gradient, all parameters taken together, is
shortened:

$$ g_i \leftarrow \max(-c, \min(c, g_i)) \qquad\qquad
g \leftarrow g \, \min\!\left(1, \frac{c}{\lVert g \rVert_2}\right), \quad
\lVert g \rVert_2 = \sqrt{\textstyle\sum_i g_i^2} $$

Only the second keeps the direction. It is often said that a gradient clipped by value may no longer
point downhill. That is not so: it may turn by almost a right angle, but each entry keeps its sign,
so $\sum_i g_i\, \mathrm{clip}(g_i) > 0$, and a small enough step against it still lowers the loss.

Write both. Each returns new tensors and leaves alone those it was given. Where a parameter has no
gradient there is a `None`, which stays one.

Neither of them repairs a broken gradient. `clip_by_norm` refuses it: if the norm is infinite or NaN,
no multiple of the gradient is of any use, and it raises a ValueError. (PyTorch's `clip_grad_norm_`
returns NaN everywhere, unless it is given `error_if_nonfinite=True`.) `clip_by_value` turns an
infinite entry into one at the limit, and leaves NaN as NaN.

In mixed precision the loss is scaled up, often by $2^{16}$, and the gradient with it. Unscale the
gradient before you clip, or the limit is $2^{16}$ times tighter than you think.

*Hint:* what is $0 / 0$?
"""

# %%
import math

import torch
from torch import Tensor

from autograder import expect


def cosine(one: list[Tensor], other: list[Tensor]) -> float:
    """The cosine of the angle between two gradients, each given as a list of tensors."""
    a, b = (torch.cat([g.flatten().double() for g in grads]) for grads in (one, other))
    return (a @ b / (a.norm() * b.norm())).item()


def parts(result: tuple[list[Tensor | None], float]) -> tuple[list[Tensor | None], float]:
    """What `clip_by_norm` returned, if it is a list of gradients and a norm."""
    expect.kind(
        result,
        (tuple, list),
        when="clipping by norm",
        think="What the docstring promises comes back as a pair: the gradients, then the norm.",
    )
    expect.equal(
        len(result),
        2,
        when="counting what clip_by_norm returned: the gradients and their norm",
        think="What the docstring promises comes back as a pair: the gradients, then the norm.",
    )
    expect.kind(
        result[0],
        (tuple, list),
        when="looking at the first of the two, the gradients",
        think="What the docstring promises comes back as a pair: the gradients, then the norm.",
    )
    return result


# %% solution
def clip_by_value(grads: list[Tensor | None], limit: float) -> list[Tensor | None]:
    """The gradients with every entry brought into the range from -limit to limit."""
    ### BEGIN SOLUTION
    return [None if g is None else g.clamp(-limit, limit) for g in grads]
    ### END SOLUTION


def clip_by_norm(grads: list[Tensor | None], max_norm: float) -> tuple[list[Tensor | None], float]:
    """The gradients, shortened to an L2 norm of `max_norm` if theirs is above it; and their norm.

    The norm is one number for all of `grads` together, as it was before clipping. Raises a
    ValueError if it is infinite or NaN.
    """
    ### BEGIN SOLUTION
    norm = math.hypot(*(g.norm().item() for g in grads if g is not None))
    if not math.isfinite(norm):
        raise ValueError(f"the norm of the gradient is {norm}")
    scale = max_norm / norm if norm > max_norm else 1.0
    return [None if g is None else g * scale for g in grads], norm
    ### END SOLUTION


# %% check
# 3, 4 and 12 are the sides of a box whose diagonal is 13, so clipping to 6.5 halves everything.
given = [torch.tensor([3.0, 4.0]), None, torch.tensor([12.0])]
clipped, norm = parts(clip_by_norm(given, 6.5))
expect.equal(
    len(clipped),
    3,
    when="counting the gradients that came back for [3, 4], None, [12]",
    think="Each gradient that went in has one that comes out, at the same place in the list.",
)
expect.close(
    clipped[0],
    [1.5, 2.0],
    when="clipping [3, 4] and [12] to a norm of 6.5",
    think="Is the norm taken over the whole list, or over one tensor at a time?",
)
expect.true(
    clipped[1] is None,
    when="clipping a list with a None in it",
    wanted="a None in its place",
    think="A parameter that took no part in the loss has no gradient.",
)
expect.close(
    norm,
    13.0,
    rtol=1e-5,
    when="reading the norm of [3, 4] and [12], before clipping",
    think="Which of the two norms tells that a batch exploded?",
)

# %% check
# One entry of 100 and 99 entries of 1: by value it turns by almost 79 degrees, by norm not at all.
steep = [torch.tensor([100.0]), torch.ones(99)]
for name, clipped in (
    ("value", clip_by_value([g.clone() for g in steep], 1.0)),
    ("norm", parts(clip_by_norm([g.clone() for g in steep], 1.0))[0]),
):
    expect.kind(
        clipped,
        (tuple, list),
        when=f"clipping by {name}",
        think="Each gradient that went in has one that comes out, at the same place in the list.",
    )
    expect.equal(
        len(clipped),
        2,
        when=f"counting the tensors after clipping by {name}",
        think="Each gradient that went in has one that comes out, at the same place in the list.",
    )
    same = cosine(steep, clipped)
    expect.between(
        same,
        0.19,
        1.001,
        when=f"taking the cosine between a gradient and itself, clipped by {name}",
        think="Large entries stay the largest, and all of them keep their signs.",
    )
    turn = math.degrees(math.acos(min(same, 1.0)))
    print(f"clipped by {name}: cosine {same:.3f}, turned by {turn:.0f} degrees")

# %% hidden aspect="clipping by value limits every entry by itself" points=1
torch.manual_seed(1)
grads = [3 * torch.randn(4, 5).double(), torch.randn(7).double()]
given = [g.clone() for g in grads]
with expect.unchanged(
    first=given[0],
    second=given[1],
    when="clipping two tensors by value",
    think="A name that ends with _ often means: in place.",
):
    clipped = clip_by_value(given, 0.7)
expect.kind(
    clipped,
    (tuple, list),
    when="clipping two tensors by value",
    think="Each gradient that went in has one that comes out, at the same place in the list.",
)
expect.equal(
    len(clipped),
    2,
    when="counting the tensors after clipping by value",
    think="Each gradient that went in has one that comes out, at the same place in the list.",
)
for got, g in zip(clipped, grads, strict=True):
    wanted = torch.where(g.abs() > 0.7, 0.7 * g.sign(), g)
    expect.close(
        got,
        wanted,
        when=f"clipping a tensor of shape {tuple(g.shape)} by value, limit 0.7",
        think="Entries within the limit stay, and an entry beyond it keeps its sign.",
    )
broken = torch.tensor([math.inf, -math.inf, math.nan, 0.5]).double()
expect.close(
    clip_by_value([broken.clone()], 2.0)[0],
    [2.0, -2.0, math.nan, 0.5],
    when="clipping inf, -inf, NaN and 0.5 by value, limit 2",
    think="What is infinite lies beyond any limit; what is NaN lies nowhere.",
)

# %% hidden aspect="a long gradient is shortened to the norm asked for" points=1
torch.manual_seed(2)
for shapes, share in ((((6, 3), (5,), (2, 2, 2)), 0.01), (((40,),), 0.3), (((), (9,)), 0.95)):
    grads = [8 * torch.randn(shape).double() + 4 for shape in shapes]
    limit = share * math.sqrt(sum(float(g.square().sum()) for g in grads))
    given = [g.clone() for g in grads]
    with expect.unchanged(
        when=f"clipping {len(grads)} tensors to a norm of {limit:.3g}",
        think="The gradient may be needed as it was: `a *= b` writes into it.",
        **{f"tensor {i}": g for i, g in enumerate(given)},
    ):
        clipped, _ = parts(clip_by_norm(given, limit))
    expect.close(
        math.sqrt(sum(float(g.square().sum()) for g in clipped)),
        limit,
        rtol=1e-6,  # PyTorch divides by the norm plus 1e-6
        when=f"taking the norm of {len(grads)} tensors together, clipped to {limit:.3g}",
        think="One norm for all parameters: the root of the sum of all squares.",
    )

# %% hidden aspect="clipping by norm keeps the direction" points=1
torch.manual_seed(3)
for dtype in (torch.float64, torch.float32):
    grads = [
        scale * torch.randn(shape).to(dtype)
        for scale, shape in ((5, (4, 3)), (30, (5,)), (1, (2,)))
    ]
    clipped, _ = parts(clip_by_norm([g.clone() for g in grads], 1.0))
    expect.equal(
        len(clipped),
        3,
        when="counting the tensors after clipping by norm",
        think="What the docstring promises comes back as a pair: the gradients, then the norm.",
    )
    expect.shape(
        clipped[0],
        (4, 3),
        when="clipping a tensor of shape (4, 3) by norm",
        think="Shortening multiplies the entries, wherever they stand.",
    )
    factor = float((clipped[0] * grads[0]).sum() / grads[0].square().sum())
    for got, g in zip(clipped, grads, strict=True):
        expect.close(
            got,
            factor * g,
            when=f"comparing a tensor of shape {tuple(g.shape)} with the first one's share",
            think="A direction is kept if all entries, of all tensors, get the same factor.",
        )
    expect.between(
        factor,
        0.0,
        1.0,
        when="looking at this share, the factor that every entry is multiplied by",
        think="A negative factor turns the step uphill.",
    )

# %% hidden aspect="a gradient within the limit comes back as it is" points=1
torch.manual_seed(4)
grads = [torch.randn(3, 4).double(), torch.randn(6).double()]
norm = math.sqrt(sum(float(g.square().sum()) for g in grads))
for limit in (1.01 * norm, 50 * norm):
    clipped, _ = parts(clip_by_norm([g.clone() for g in grads], limit))
    expect.equal(
        len(clipped),
        2,
        when="counting the tensors after clipping by norm",
        think="What the docstring promises comes back as a pair: the gradients, then the norm.",
    )
    for got, g in zip(clipped, grads, strict=True):
        expect.equal(
            got,
            g,
            when=f"clipping a gradient of norm {norm:.3g} to {limit:.3g}",
            think="The limit is no target: a short gradient near a minimum is meant to be short.",
        )
clipped, _ = parts(clip_by_norm([torch.zeros(3), torch.zeros(2, 2)], 1.0))
for got, shape in zip(clipped, ((3,), (2, 2)), strict=True):
    expect.equal(
        got,
        torch.zeros(shape),
        when="clipping a gradient of zeros to a norm of 1",
        think="A gradient of norm 0 is within any limit, and nothing can be divided by it.",
    )

# %% hidden aspect="the norm that comes back is the one before clipping" points=1
torch.manual_seed(5)
grads = [4 * torch.randn(3, 5).double(), torch.randn(8).double()]
norm = math.sqrt(sum(float(g.square().sum()) for g in grads))
for limit in (0.1, 0.5 * norm, 3 * norm):
    _, got = parts(clip_by_norm([g.clone() for g in grads], limit))
    expect.close(
        float(got),
        norm,
        when=f"reading the norm that was returned, limit {limit:.3g}",
        think="In a log of training, which number shows the explosion?",
    )

# %% hidden aspect="a norm that is not finite raises a ValueError" points=1
torch.manual_seed(6)
clip_by_norm([torch.randn(4).double()], 1.0)  # a finite norm raises nothing
for bad in (math.inf, -math.inf, math.nan):
    grads = [torch.randn(4).double(), torch.randn(3, 2).double()]
    grads[1][2, 0] = bad
    expect.raises(
        ValueError,
        clip_by_norm,
        grads,
        1.0,
        when=f"clipping a gradient with one entry of {bad} by norm",
        think="c / inf is 0, and 0 times inf is NaN. Which comparison is true of NaN?",
    )

# %% hidden aspect="a parameter without a gradient stays without one" points=1
torch.manual_seed(7)
grads = [None, torch.tensor([3.0, 4.0]).double(), None]
clipped = {
    "value": clip_by_value([None if g is None else g.clone() for g in grads], 1.0),
    "norm": parts(clip_by_norm([None if g is None else g.clone() for g in grads], 1.0))[0],
}
for name, got in clipped.items():
    expect.kind(
        got,
        (tuple, list),
        when=f"clipping None, [3, 4], None by {name}",
        think="Each gradient that went in has one that comes out, at the same place in the list.",
    )
    expect.equal(
        [g is None for g in got],
        [True, False, True],
        when=f"looking for None in what came back for None, [3, 4], None, clipped by {name}",
        think="The list says which parameter each gradient belongs to: none may be left out.",
    )
nothing, _ = parts(clip_by_norm([None, None], 1.0))
expect.equal(
    [g is None for g in nothing],
    [True, True],
    when="clipping None, None by norm",
    think="No gradient at all: what is the sum over nothing?",
)


# %% alternative of="clip_by_value"
def with_minimum_and_maximum(grads, limit):
    clipped = []
    for g in grads:
        if g is not None:
            bound = torch.full_like(g, limit)
            g = torch.maximum(torch.minimum(g, bound), -bound)
        clipped.append(g)
    return clipped


# %% alternative of="clip_by_norm"
def as_pytorch_does_it(grads, max_norm):
    norms = [torch.linalg.vector_norm(g) for g in grads if g is not None]
    total = torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.tensor(0.0)
    if total.isnan() or total.isinf():
        raise ValueError("not finite")
    scale = (max_norm / (total + 1e-6)).clamp(max=1.0)
    return tuple(g if g is None else g * scale.to(g.dtype) for g in grads), total


# %% alternative of="clip_by_norm"
def with_copies_for_torch(grads, max_norm):
    twins = [torch.nn.Parameter(torch.zeros_like(g)) if g is not None else None for g in grads]
    for twin, g in zip(twins, grads, strict=True):
        if twin is not None:
            twin.grad = g.clone()
    own = [twin for twin in twins if twin is not None]
    try:
        norm = torch.nn.utils.clip_grad_norm_(own, max_norm, error_if_nonfinite=True)
    except RuntimeError as error:
        raise ValueError(str(error)) from None
    return [None if twin is None else twin.grad for twin in twins], norm.item()


# %% mistake of="clip_by_value" fails="clipping by value limits every entry by itself"
def cuts_the_top_only(grads, limit):
    """A very negative entry is as long a step as a very positive one: there are two limits."""
    return [None if g is None else g.clamp(max=limit) for g in grads]


# %% mistake of="clip_by_value" fails="clipping by value limits every entry by itself"
def clips_in_place(grads, limit):
    """clamp_ writes into the caller's tensors; clamp makes new ones."""
    return [None if g is None else g.clamp_(-limit, limit) for g in grads]


# %% mistake of="clip_by_value" fails="clipping by value limits every entry by itself"
def shortens_each_tensor(grads, limit):
    """By value, each entry is cut off for itself; scaling a tensor is clipping by a norm."""
    return [
        None if g is None else g * min(1.0, limit / max(g.abs().max().item(), 1e-12)) for g in grads
    ]


# %% mistake of="clip_by_value" fails="clipping by value limits every entry by itself"
def sets_what_is_too_large_to_zero(grads, limit):
    """An entry beyond the limit is brought to the limit: it still says where downhill is."""
    return [None if g is None else g.where(~(g.abs() > limit), 0 * g) for g in grads]


# %% mistake of="clip_by_norm" fails="a long gradient is shortened to the norm asked for; clipping by norm keeps the direction; the norm that comes back is the one before clipping"
def clips_one_tensor_at_a_time(grads, max_norm):
    """One norm for all: clipped one by one, tensors get factors of their own and the step turns."""
    norms = [0.0 if g is None else g.norm().item() for g in grads]
    if not math.isfinite(sum(norms)):
        raise ValueError
    clipped = [
        None if g is None else g * (max_norm / norm if norm > max_norm else 1.0)
        for g, norm in zip(grads, norms, strict=True)
    ]
    return clipped, max(norms)


# %% mistake of="clip_by_norm" fails="clipping by norm keeps the direction"
def gives_each_tensor_its_share(grads, max_norm):
    """The norm is right, but tensors with factors of their own make the step turn."""
    norms = [g.norm().item() for g in grads if g is not None]
    total = math.sqrt(sum(norm**2 for norm in norms))
    if not math.isfinite(total):
        raise ValueError
    if total <= max_norm:
        return list(grads), total
    share = max_norm / math.sqrt(len(norms))
    return [None if g is None else g * (share / g.norm()) for g in grads], total


# %% mistake of="clip_by_norm" fails="a long gradient is shortened to the norm asked for"
def divides_by_the_largest_entry(grads, max_norm):
    """With the largest entry at the limit the norm is still above it: divide by the norm."""
    own = [g for g in grads if g is not None]
    norm = math.sqrt(sum(g.square().sum().item() for g in own))
    if not math.isfinite(norm):
        raise ValueError
    if norm <= max_norm:
        return list(grads), norm
    scale = max_norm / max(g.abs().max().item() for g in own)
    return [None if g is None else g * scale for g in grads], norm


# %% mistake of="clip_by_norm" fails="a long gradient is shortened to the norm asked for"
def writes_into_the_gradients(grads, max_norm):
    """`*=` changes the caller's tensors; they were to be left alone."""
    norm = math.sqrt(sum(g.square().sum().item() for g in grads if g is not None))
    if not math.isfinite(norm):
        raise ValueError
    for g in grads:
        if g is not None and norm > max_norm:
            g *= max_norm / norm
    return grads, norm


# %% mistake of="clip_by_norm" fails="a gradient within the limit comes back as it is"
def normalizes_whatever_comes(grads, max_norm):
    """The limit is no target: a gradient below it stays as it is."""
    norm = math.sqrt(sum(g.square().sum().item() for g in grads if g is not None))
    if not math.isfinite(norm):
        raise ValueError
    scale = max_norm / max(norm, 1e-12)
    return [None if g is None else g * scale for g in grads], norm


# %% mistake of="clip_by_norm" fails="a gradient within the limit comes back as it is"
def divides_zero_by_zero(grads, max_norm):
    """A gradient of zeros has norm 0, and 0 / 0 is NaN: ask before dividing."""
    own = [g.square().sum() for g in grads if g is not None]
    norm = torch.sqrt(torch.stack(own).sum()) if own else torch.ones(())
    if not math.isfinite(norm):
        raise ValueError
    unit = [None if g is None else g / norm for g in grads]
    if 0 < norm <= max_norm:
        return list(grads), norm
    return [None if u is None else u * min(norm, max_norm) for u in unit], norm


# %% mistake of="clip_by_norm" fails="the norm that comes back is the one before clipping"
def returns_the_norm_after_clipping(grads, max_norm):
    """The clipped norm is at most max_norm, always; what you want to watch is the one before."""
    norm = math.sqrt(sum(g.square().sum().item() for g in grads if g is not None))
    if not math.isfinite(norm):
        raise ValueError
    scale = max_norm / norm if norm > max_norm else 1.0
    return [None if g is None else g * scale for g in grads], min(norm, max_norm)


# %% mistake of="clip_by_norm" fails="the norm that comes back is the one before clipping"
def returns_the_squared_norm(grads, max_norm):
    """The norm is the root of the sum of squares."""
    norm = math.sqrt(sum(g.square().sum().item() for g in grads if g is not None))
    if not math.isfinite(norm):
        raise ValueError
    scale = max_norm / norm if norm > max_norm else 1.0
    return [None if g is None else g * scale for g in grads], norm**2


# %% mistake of="clip_by_norm" fails="a norm that is not finite raises a ValueError"
def passes_nan_on(grads, max_norm):
    """No factor repairs an infinite gradient: 0 times inf is NaN, and the step ruins the weights."""
    norm = math.sqrt(sum(g.square().sum().item() for g in grads if g is not None))
    scale = max_norm / norm if norm > max_norm else 1.0
    return [None if g is None else g * scale for g in grads], norm


# %% mistake of="clip_by_norm" fails="a norm that is not finite raises a ValueError"
def looks_for_infinity_alone(grads, max_norm):
    """NaN is not equal to anything, infinity included: math.isfinite tells both."""
    norm = math.sqrt(sum(g.square().sum().item() for g in grads if g is not None))
    if norm == math.inf:
        raise ValueError
    scale = max_norm / norm if norm > max_norm else 1.0
    return [None if g is None else g * scale for g in grads], norm


# %% mistake of="clip_by_norm" fails="a parameter without a gradient stays without one"
def leaves_missing_gradients_out(grads, max_norm):
    """Without the None the gradients behind it move up, to parameters that are not theirs."""
    own = [g for g in grads if g is not None]
    norm = math.sqrt(sum(g.square().sum().item() for g in own))
    if not math.isfinite(norm):
        raise ValueError
    return [g * (max_norm / norm if norm > max_norm else 1.0) for g in own], norm


# %% mistake of="clip_by_value" fails="a parameter without a gradient stays without one"
def expects_a_gradient_everywhere(grads, limit):
    """A parameter that took no part in the loss has None for a gradient: pass over it."""
    return [g.clamp(-limit, limit) for g in grads]
