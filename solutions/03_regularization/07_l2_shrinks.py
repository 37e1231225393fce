# %% exercise [markdown] items="64" stars=2 minutes=30 level="analyze" goal="say how far an L2 penalty and weight decay pull each direction towards 0"
r"""
# What an L2 penalty shrinks
"L2 shrinks all weights in proportion", says many a text, and it is true of the decay in a single
step, $(1 - \eta\lambda)\,w - \eta\,g$. It is wrong about where training ends: there some weights
are almost as large as without a penalty, while others are close to 0.

Near its minimum $w^*$ a loss looks like a bowl, with a symmetric matrix $H$ of curvatures:

$$ L(w) = \tfrac12\,(w - w^*)^\top H\,(w - w^*). $$

Add the penalty $\tfrac{\lambda}{2}\lVert w\rVert^2$; its half is there so that its gradient is
$\lambda w$. The sum has one minimum, $\hat w$. If $H$ is diagonal, the directions do not see each
other, and each has a factor $s_i$ of its own: $\hat w_i = s_i\,w^*_i$. For any other $H$ this holds
along its eigenvectors.

**(a)** Set the gradient of the sum to 0 and solve for $\hat w$: write `shrink_factors` for a diagonal
$H$ and `penalized_minimum` for any.

**(b)** Plain SGD with weight decay stops exactly there, since
$w - \eta\,(g + \lambda w) = (1 - \eta\lambda)\,w - \eta\,g$. With momentum $m$, decay is

$$ v \leftarrow m v + g, \qquad w \leftarrow (1 - \eta\lambda)\,w - \eta v. $$

Where does this one come to rest? It is the minimum with another penalty: write `penalty_of_decay`.

*Hint for (b):* at rest neither $v$ nor $w$ changes. What is $v$ then, given $g$?
"""

# %%
import matplotlib.pyplot as plt
import torch
from torch import Tensor

from autograder import expect


# %% solution
def shrink_factors(curvatures: Tensor, lam: float) -> Tensor:
    """What an L2 penalty `lam` leaves of each weight, shape (d,), for the given diagonal of H."""
    ### BEGIN SOLUTION
    return curvatures / (curvatures + lam)
    ### END SOLUTION


def penalized_minimum(H: Tensor, w_star: Tensor, lam: float) -> Tensor:
    """Where the loss plus the penalty is least, shape (d,).

    `H`, shape (d, d), is symmetric without negative eigenvalues; `w_star` is the minimum of the
    loss alone, and `lam` is positive.
    """
    ### BEGIN SOLUTION
    return torch.linalg.solve(H + lam * torch.eye(len(H), dtype=H.dtype), H @ w_star)
    ### END SOLUTION


# %% check
# Curvature 3 with lam 1 leaves three quarters, curvature 0.25 one fifth.
expect.close(
    shrink_factors(torch.tensor([3.0, 0.25]), lam=1.0),
    [0.75, 0.2],
    when="taking curvatures 3 and 0.25 with lam 1",
    think="At the minimum h (w - w*) and lam w cancel. What is w / w*?",
)
expect.close(
    penalized_minimum(torch.diag(torch.tensor([3.0, 0.25])), torch.tensor([4.0, 10.0]), lam=1.0),
    [3.0, 2.0],
    when="the minimum is at (4, 10), with curvatures 3 and 0.25 and lam 1",
    think="Each weight times its own factor.",
)

# %%
# The minimum for every lam from 0 (the cross) to infinity (the origin), in a narrow valley.
try:
    H, w_star = torch.tensor([[2.0, -1.6], [-1.6, 2.0]]), torch.tensor([2.0, 1.0])
    way = torch.stack([penalized_minimum(H, w_star, lam) for lam in torch.logspace(-3, 3, 200)])
    ticks = torch.linspace(-0.5, 3, 99)
    one, other = torch.meshgrid(ticks, ticks, indexing="ij")
    off = torch.stack([one, other], dim=-1) - w_star
    loss = ((off @ H) * off).sum(dim=-1) / 2
    figure, axes = plt.subplots(figsize=(5, 4.5), layout="constrained")
    axes.contour(one, other, loss, levels=[0.05, 0.2, 0.5, 1, 2, 4], colors="0.8")
    axes.plot(way[:, 0], way[:, 1], label="minimum with a penalty")
    axes.plot(*w_star, "kx", label="minimum without")
    axes.set(title="First the flat direction gives way", xlabel="$w_1$", ylabel="$w_2$")
    axes.legend(loc="upper left")
except NotImplementedError:
    print("penalized_minimum is not written yet")


# %% solution
def penalty_of_decay(lam: float, momentum: float) -> float:
    """The L2 penalty whose minimum is where SGD with weight decay `lam` and `momentum` rests."""
    ### BEGIN SOLUTION
    return (1 - momentum) * lam
    ### END SOLUTION


# %% check
expect.close(
    penalty_of_decay(0.3, momentum=0.0),
    0.3,
    when="asking about plain SGD with a weight decay of 0.3",
    think="Without momentum, decay is the penalty.",
)

# %% hidden aspect="each direction keeps its curvature's share" points=1
torch.manual_seed(1)
for lam in (1e-3, 0.1, 0.7, 20.0):
    h = torch.rand(5, dtype=torch.float64).square() + 1e-3
    # The factor is where the slopes of loss and penalty cancel for w* = 1, whatever the formula.
    share = shrink_factors(h.clone(), lam)
    expect.shape(share, (5,), when="taking five curvatures", think="One factor a direction.")
    expect.close(
        h * (share - 1),
        -lam * share,
        when=f"adding the slopes of loss and penalty at w = s, with w* = 1 and lam {lam}",
        think="Steep directions resist, flat ones give way. The slope of the penalty is lam w.",
    )

# %% hidden aspect="for any H the two slopes cancel at the minimum" points=1
torch.manual_seed(2)
for d, rank, lam in ((2, 2, 0.5), (4, 4, 3.0), (6, 3, 0.01), (5, 2, 1.0)):
    root = torch.randn(rank, d, dtype=torch.float64)
    H, w_star = root.T @ root, torch.randn(d, dtype=torch.float64)
    w = penalized_minimum(H.clone(), w_star.clone(), lam)
    expect.shape(w, (d,), when=f"minimizing over {d} weights", think="One number a weight.")
    expect.close(
        lam * w,
        H @ (w_star - w),
        atol=1e-9 * (H @ w_star).abs().max().item(),
        when=f"comparing lam w with H (w* - w) for {d} weights, of which the loss sees {rank}",
        think="Where H has an eigenvalue 0, H cannot be inverted, but the sum still has a minimum.",
    )

# %% hidden aspect="with momentum, decay rests where a smaller penalty does" points=1
torch.manual_seed(3)
H, w_star = torch.diag(torch.tensor([0.5, 1.0, 2.0]).double()), torch.randn(3).double() + 1
for lam, momentum, eta in ((0.3, 0.9, 0.1), (0.8, 0.5, 0.2), (2.0, 0.75, 0.1), (0.5, 0.0, 0.3)):
    w, v = torch.zeros(2, 3, dtype=torch.float64)
    for _ in range(600):
        v = momentum * v + H @ (w - w_star)
        w = (1 - eta * lam) * w - eta * v
    # The penalty that the place of rest shows, from lam w = H (w* - w).
    shown = (H @ (w_star - w)) @ w / (w @ w)
    expect.close(
        penalty_of_decay(lam, momentum),
        shown.item(),
        rtol=1e-6,  # what 600 steps leave of the way
        when=f"running 600 steps with decay {lam}, momentum {momentum} and a rate of {eta}",
        think="At rest v is g / (1 - m): momentum lengthens the step, but not the decay.",
    )


# %% alternative of="shrink_factors"
def with_one_over_one_plus(curvatures, lam):
    return 1 / (1 + lam / curvatures)


# %% alternative of="penalized_minimum"
def along_eigenvectors(H, w_star, lam):
    h, vectors = torch.linalg.eigh(H)
    h = h.clamp(min=0)
    return vectors @ (h / (h + lam) * (vectors.T @ w_star))


# %% alternative of="penalty_of_decay"
def from_the_share_of_the_step(lam, momentum):
    return lam - momentum * lam


# %% mistake of="shrink_factors" fails="each direction keeps its curvature's share"
def shrinks_all_alike(curvatures, lam):
    """1 / (1 + lam) is right for curvature 1 alone: steep directions keep more, flat ones less."""
    return torch.full_like(curvatures, 1 / (1 + lam))


# %% mistake of="shrink_factors" fails="each direction keeps its curvature's share"
def says_what_is_lost(curvatures, lam):
    """lam / (h + lam) is the share that is lost; the factor says what is left."""
    return lam / (curvatures + lam)


# %% mistake of="shrink_factors" fails="each direction keeps its curvature's share"
def counts_the_penalty_twice(curvatures, lam):
    """The half of the penalty takes the 2 of the derivative away, so lam counts once."""
    return curvatures / (curvatures + 2 * lam)


# %% mistake of="shrink_factors" fails="each direction keeps its curvature's share"
def takes_one_step_for_the_end(curvatures, lam):
    """1 - lam is what one step with rate 1 takes away; the end is where pull and slope balance."""
    return torch.full_like(curvatures, 1 - lam)


# %% mistake of="penalized_minimum" fails="for any H the two slopes cancel at the minimum"
def looks_at_the_diagonal_only(H, w_star, lam):
    """Off its diagonal, H couples the weights: the factors belong to its eigenvectors."""
    h = torch.diagonal(H)
    return h / (h + lam) * w_star


# %% mistake of="penalized_minimum" fails="for any H the two slopes cancel at the minimum"
def drops_the_curvature_on_the_right(H, w_star, lam):
    """The slope of the loss is H (w - w*): H multiplies w* as well."""
    return torch.linalg.solve(H + lam * torch.eye(len(H), dtype=H.dtype), w_star)


# %% mistake of="penalized_minimum" fails="for any H the two slopes cancel at the minimum"
def adds_lam_everywhere(H, w_star, lam):
    """H + lam adds to every entry of the matrix; the penalty curves each weight by itself."""
    return torch.linalg.pinv(H + lam) @ H @ w_star


# %% mistake of="penalty_of_decay" fails="with momentum, decay rests where a smaller penalty does"
def takes_them_for_the_same(lam, momentum):
    """Momentum makes 1 / (1 - m) of each gradient, of the decay it makes nothing."""
    return lam


# %% mistake of="penalty_of_decay" fails="with momentum, decay rests where a smaller penalty does"
def divides_instead(lam, momentum):
    """The loss pulls 1 / (1 - m) times as hard, so beside it the decay counts for less."""
    return lam / (1 - momentum)
