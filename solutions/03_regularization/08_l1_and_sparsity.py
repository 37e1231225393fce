# %% exercise [markdown] items="65 112" stars=2 minutes=50 level="analyze" goal="say where exact zeros come from, and write the step that reaches them"
r"""
# L1, L2 and exact zeros
A model with 90 useless inputs should be able to say so: their weights should be 0, not $10^{-4}$.
An L2 penalty cannot do that. An L1 penalty can,

$$ L(w) + \lambda \lVert w \rVert_1, \qquad \lVert w \rVert_1 = \sum_i |w_i|, $$

and many texts go on: "so the update $w \leftarrow w - \eta\,(g + \lambda\,\mathrm{sign}\,w)$ drives
small weights to exactly 0". It does not. The *minimum* has exact zeros, but this step, a
*subgradient* step, jumps over them and back for ever, by about $\eta\lambda$.

The *proximal* step takes the slope of $L$ alone, and then moves every weight by $t = \eta\lambda$
towards 0, where it stays if it would cross:

$$ w \leftarrow \mathrm{prox}_{\eta\lambda}(w - \eta\,g), \qquad
\mathrm{prox}_t(w) = \underset{u}{\operatorname{argmin}} \; \tfrac12 (u - w)^2 + t\,|u|. $$

**(a)** Write `prox_l1`, then both ways to train, and count the zeros.
"""

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect


def slope(w: Tensor, X: Tensor, y: Tensor) -> Tensor:
    """The gradient of L, half the mean of the squares of X w - y."""
    return X.T @ (X @ w - y) / len(y)


# %% solution
def prox_l1(w: Tensor, t: float) -> Tensor:
    """The minimum over u of (u - w)^2 / 2 + t |u|, for each number of `w` by itself."""
    ### BEGIN SOLUTION
    return w.sign() * (w.abs() - t).clamp(min=0)
    ### END SOLUTION


def with_subgradient(w: Tensor, X: Tensor, y: Tensor, lam: float, eta: float, steps: int) -> Tensor:
    """Where `steps` subgradient steps lead from `w`, shape (d,)."""
    ### BEGIN SOLUTION
    for _ in range(steps):
        w = w - eta * (slope(w, X, y) + lam * w.sign())
    return w
    ### END SOLUTION


def with_prox(w: Tensor, X: Tensor, y: Tensor, lam: float, eta: float, steps: int) -> Tensor:
    """Where `steps` proximal steps lead from `w`, shape (d,)."""
    ### BEGIN SOLUTION
    for _ in range(steps):
        w = prox_l1(w - eta * slope(w, X, y), eta * lam)
    return w
    ### END SOLUTION


# %% check
expect.close(
    prox_l1(torch.tensor([3.0, -0.5, -2.0]), 1.0),
    [2.0, 0.0, -1.0],
    when="moving 3, -0.5 and -2 by 1 towards 0",
    think="What has a smaller sum for -0.5: staying, or going to 0?",
)
# L = (w - 0.5)^2 / 2 from 1, with eta 0.5 and lam 1. Subgradient: 1 - 0.5 (0.5 + 1) = 0.25, then
# 0.25 - 0.5 (-0.25 + 1) = -0.125. Proximal: 0.75 - 0.5 = 0.25, then 0.375, less than 0.5, gives 0.
given = torch.tensor([1.0]), torch.tensor([[1.0]]), torch.tensor([0.5])
for name, train, wanted in (
    ("subgradient", with_subgradient, -0.125),
    ("proximal", with_prox, 0.0),
):
    expect.close(
        train(*(a.clone() for a in given), lam=1.0, eta=0.5, steps=2),
        [wanted],
        when=f"taking two {name} steps from 1, where (w - 0.5)^2 / 2 is the loss",
        think="Which of the two has lam in the slope, and which in the step after it?",
    )

# %%
# A hundred inputs, of which the first ten matter.
try:
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(200, 100, generator=generator, dtype=torch.float64)
    y = X[:, :10].sum(dim=1) + 0.5 * torch.randn(200, generator=generator, dtype=torch.float64)
    for train in (with_subgradient, with_prox):
        w = train(torch.zeros(100).double(), X, y, lam=0.15, eta=0.1, steps=2000)
        small = (w.abs() < 1e-2).sum()
        print(f"{train.__name__}: {(w == 0).sum()} exact zeros, {small} weights below 0.01")
except NotImplementedError:
    print("the steps are not written yet")

# %% [markdown]
r"""
## The picture
A penalty with $\lambda$ finds the same minimum as a limit on the size of $w$: for the L1 norm,
$|w_1| + |w_2| \le c$, a diamond; for the L2 norm, $w_1^2 + w_2^2 \le c^2$, a disc. Let the loss be
$L(w) = \tfrac12 (w - w^*)^\top H\,(w - w^*)$, whose contours are ellipses round $w^*$. If $w^*$ is
outside, the least loss is where the smallest ellipse touches. On the diamond this is often a
corner, where one weight is 0; a disc has no corners.

**(b)** Find these points, for any $H$ and $w^*$, and draw them.

*Hint:* a diamond has four edges, and along an edge the loss is a parabola. On the circle the point
solves $(H + \mu I)\,w = H w^*$ for some $\mu > 0$, and its norm falls as $\mu$ grows.
"""


# %%
def loss(w: Tensor, H: Tensor, w_star: Tensor) -> Tensor:
    """L at each of the points `w`, shape (..., 2)."""
    return (((w - w_star) @ H) * (w - w_star)).sum(dim=-1) / 2


def ellipse(H: Tensor, w_star: Tensor, through: Tensor) -> Tensor:
    """Points of equal loss, the point `through` among them: shape (2, 400)."""
    turn = torch.linspace(0, 2 * torch.pi, 400, dtype=H.dtype)
    root = torch.linalg.cholesky(2 * loss(through, H, w_star) * torch.linalg.inv(H))
    return w_star[:, None] + root @ torch.stack([turn.cos(), turn.sin()])


# %% solution
def least_on_diamond(H: Tensor, w_star: Tensor, c: float) -> Tensor:
    """The point of least loss with |w1| + |w2| <= c, shape (2,), to four digits at least.

    `H`, shape (2, 2), is symmetric with positive eigenvalues.
    """
    ### BEGIN SOLUTION
    if w_star.abs().sum() <= c:
        return w_star
    a = c * torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=H.dtype)
    along = a.roll(-1, dims=0) - a
    t = ((w_star - a) @ H * along).sum(dim=1) / (along @ H * along).sum(dim=1)
    points = a + t.clamp(0, 1)[:, None] * along
    return points[loss(points, H, w_star).argmin()]
    ### END SOLUTION


def least_on_disc(H: Tensor, w_star: Tensor, c: float) -> Tensor:
    """The point of least loss with w1^2 + w2^2 <= c^2, shape (2,), to four digits at least."""
    ### BEGIN SOLUTION
    if w_star.norm() <= c:
        return w_star
    low, high = 0.0, ((H @ w_star).norm() / c).item()  # at `high` it is surely inside
    for _ in range(60):
        mu = (low + high) / 2
        w = torch.linalg.solve(H + mu * torch.eye(2, dtype=H.dtype), H @ w_star)
        low, high = (mu, high) if w.norm() > c else (low, mu)
    return w
    ### END SOLUTION


# %% check
# A round bowl: the point of the disc nearest to (3, 4), and of the diamond nearest to (3, 0.5).
round_bowl = torch.eye(2, dtype=torch.float64)
for least, w_star, wanted in (
    (least_on_disc, [3.0, 4.0], [0.6, 0.8]),
    (least_on_diamond, [3.0, 0.5], [1.0, 0.0]),
    (least_on_diamond, [2.0, 1.5], [0.75, 0.25]),
    (least_on_diamond, [0.2, -0.3], [0.2, -0.3]),
):
    expect.close(
        least(round_bowl.clone(), torch.tensor(w_star, dtype=torch.float64), c=1.0),
        torch.tensor(wanted, dtype=torch.float64),
        rtol=1e-4,  # as asked for
        when=f"looking for the least loss with c 1 in a round bowl at {tuple(w_star)}",
        think="With H = I it is the nearest point.",
    )


# %% solution
def plot_geometry(H: Tensor, w_star: Tensor, c: float) -> Figure:
    """Two panels, the diamond and the disc, each with a title and labels.

    Each shows the border of its shape as a line, the `ellipse` through the point of least loss,
    and this point itself: a line of one point, with a marker.
    """
    ### BEGIN SOLUTION
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
    turn = torch.linspace(0, 2 * torch.pi, 401, dtype=H.dtype)
    circle = torch.stack([turn.cos(), turn.sin()])
    for axes, power, least in zip(panels, (1, 2), (least_on_diamond, least_on_disc), strict=True):
        point = least(H, w_star, c)
        axes.plot(*(c * circle / circle.norm(power, dim=0)), label="border")
        axes.plot(*ellipse(H, w_star, point), label="equal loss")
        axes.plot(*point[:, None], "ko", label="least loss")
        axes.plot(*w_star[:, None], "k+")
        axes.set(title=f"L{power}", xlabel="$w_1$", ylabel="$w_2$", aspect="equal")
    panels[0].legend()
    return figure
    ### END SOLUTION


# %%
try:
    H = torch.tensor([[1.0, 0.5], [0.5, 0.9]], dtype=torch.float64)
    plot_geometry(H, torch.tensor([0.3, 1.9], dtype=torch.float64), c=1.0)
except NotImplementedError:
    print("plot_geometry is not written yet")

# %% [markdown]
r"""
## Which of the two is dropout?
Inverted dropout keeps an input $a$ with probability `keep_prob`, divided by `keep_prob`, and sets it
to 0 otherwise. Its mean is $a$ again. Its variance is not 0, and that is where dropout becomes a
penalty. Texts that write $p$ for this probability and texts that write $p$ for that of dropping
(PyTorch does) have different formulas; so name it.

**(c)** Write the variance. Then let the inputs of a linear model go through dropout, each number of
`X` with a mask of its own: by how much does the expected $L(w)$, half the mean of the squares of
$Xw - y$, grow? Is that more like L1 or more like L2, and so, will it leave exact zeros?
"""


# %% solution
def dropout_variance(a: Tensor, keep_prob: float) -> Tensor:
    """The variance of each number of `a` behind inverted dropout, same shape."""
    ### BEGIN SOLUTION
    return a.square() * (1 - keep_prob) / keep_prob
    ### END SOLUTION


def dropout_penalty(w: Tensor, X: Tensor, keep_prob: float) -> Tensor:
    """What dropout on the inputs `X`, shape (n, d), adds to the expected loss: one number."""
    ### BEGIN SOLUTION
    return (dropout_variance(X, keep_prob) @ w.square()).mean() / 2
    ### END SOLUTION


# %% check
# Keeping one of two makes 0 or 6 of a 3: both lie 3 from the mean.
expect.close(
    dropout_variance(torch.tensor([3.0, 0.0]), keep_prob=0.5),
    [9.0, 0.0],
    when="sending 3 and 0 through dropout that keeps half",
    think="The mean of the squares, minus the square of the mean.",
)
expect.close(
    dropout_penalty(torch.tensor([2.0]), torch.tensor([[3.0], [1.0]]), keep_prob=0.5),
    10.0,
    when="the weight is 2 and the inputs are 3 and 1, half of them kept",
    think="The output scatters by 2 * 3 and by 2 * 1. The loss takes half the mean of the squares.",
)

# %% hidden aspect="prox_l1 is the minimum it stands for" points=1
torch.manual_seed(1)
for dtype, t in ((torch.float64, 0.3), (torch.float64, 0.0), (torch.float32, 1.2)):
    w = torch.randn(6, 7, dtype=dtype)
    kept = w.clone()
    expect.close(
        prox_l1(w, t),
        kept - kept.clamp(-t, t),  # the move ends at 0
        when=f"moving 42 numbers by {t} towards 0, in {str(dtype)[6:]}",
        think="The move is t, or as far as 0 is, whichever is less. And the sign stays.",
    )
    expect.equal(
        w,
        kept,
        when="looking at the weights after asking for their prox",
        think="A function that writes into its argument changes the caller's weights.",
    )

# %% hidden aspect="a subgradient step follows the slope of the penalized loss" points=1
torch.manual_seed(2)
for lam, eta in ((0.5, 0.1), (2.0, 0.02)):
    X, y = torch.randn(9, 4).double(), torch.randn(9).double()
    w = 0.1 * torch.randn(4).double()  # close to 0, so that some weights jump over it
    leaf = w.clone().requires_grad_()
    for _ in range(8):
        value = (X @ leaf - y).square().mean() / 2 + lam * leaf.abs().sum()
        leaf = (leaf - eta * torch.autograd.grad(value, leaf)[0]).detach().requires_grad_()
    expect.close(
        with_subgradient(w.clone(), X.clone(), y.clone(), lam, eta, steps=8),
        leaf.detach(),
        when=f"comparing 8 subgradient steps with autograd's, lam {lam} and eta {eta}",
        think="|w| has the slope 1 or -1, however small w is, and a step may jump over 0.",
    )

# %% hidden aspect="proximal steps end at the minimum, zeros included" points=1
torch.manual_seed(3)
for n, d, lam in ((60, 12, 0.3), (40, 8, 0.05), (50, 10, 1.0)):
    X, y = torch.randn(n, d).double(), torch.randn(n).double()
    y += X[:, :3].sum(dim=1)
    eta = 1 / torch.linalg.eigvalsh(X.T @ X / n)[-1].item()
    w = with_prox(torch.randn(d).double(), X.clone(), y.clone(), lam, eta, steps=1000)
    expect.shape(w, (d,), when=f"training {d} weights", think="One number a weight.")
    pull = -slope(w, X, y)
    # Where a weight is 0, the loss pulls by less than lam; elsewhere by exactly lam, outwards.
    wanted = torch.where(w == 0, pull.clamp(-lam, lam), lam * w.sign())
    expect.close(
        pull,
        wanted,
        atol=1e-7,  # what 1,000 steps leave
        when=f"comparing the pull of the loss with lam {lam} after 1,000 proximal steps",
        think="How far does a step of rate eta move a weight towards 0, and when: before or after?",
    )

# %% hidden aspect="the least loss is found on either shape" points=1
torch.manual_seed(4)
turn = torch.linspace(0, 2 * torch.pi, 20001, dtype=torch.float64)
circle = torch.stack([turn.cos(), turn.sin()], dim=1)
cases = [(1.0, torch.eye(2).double() + 0.2, torch.tensor([1.5, 1.3]).double())]  # an edge, surely
for c, far in ((1.0, 2.0), (0.5, 3.0), (2.0, 4.0), (1.5, 0.4), (1.0, 1.5)):
    root, off = torch.randn(2, 2).double(), torch.randn(2).double()
    cases.append((c, root.T @ root + 0.1 * torch.eye(2).double(), far * off / off.norm()))
for c, H, w_star in cases:
    for least, power, shape in ((least_on_diamond, 1, "diamond"), (least_on_disc, 2, "disc")):
        got = least(H.clone(), w_star.clone(), c)
        when = f"looking at the point on the {shape}, c {c}, where w* has norm {w_star.norm():.3g}"
        expect.shape(got, (2,), when=when, think="A point has two coordinates.")
        expect.between(got.norm(power).item(), 0, c * (1 + 1e-4), when=when, think="Inside?")
        border = c * circle / circle.norm(power, dim=1, keepdim=True)
        best = 0.0 if w_star.norm(power) <= c else loss(border, H, w_star).min().item()
        # Four digits of the place are this much of the loss, where it is as steep as can be.
        slack = 2e-4 * c * (H @ (got - w_star)).norm().item() + 1e-8
        expect.between(
            loss(got, H, w_star).item(),
            best - slack,
            best + slack,
            when=when.replace("looking at the point", "comparing the loss with the least one"),
            think="The nearest point is right for round contours alone. Where do ellipses touch?",
        )

# %% hidden aspect="the figure shows where the ellipses touch" points=1
H = torch.tensor([[2.0, 0.3], [0.3, 0.6]], dtype=torch.float64)
w_star = torch.tensor([1.0, -1.5], dtype=torch.float64)
shown = plot_geometry(H.clone(), w_star.clone(), 0.8)
for panel, least in enumerate((least_on_diamond, least_on_disc)):
    point = least(H.clone(), w_star.clone(), 0.8)
    ring = ellipse(H, w_star, point)
    expect.figure(
        shown,
        axes=panel,
        lines=[(ring[0], ring[1]), (point[:1], point[1:])],
        when=f"drawing the {'diamond' if panel == 0 else 'disc'} with c 0.8",
        think="The ellipse through the point of least loss, and the point as a line of its own.",
    )
    told = shown if isinstance(shown, dict) else expect.describe_figure(shown)
    sizes = [
        torch.stack([torch.as_tensor(x), torch.as_tensor(y)]).norm(panel + 1, dim=0)
        for x, y in told["axes"][panel]["lines"]
        if len(x) > 4
    ]
    expect.true(
        any(((size - 0.8).abs() < 1e-6).all() for size in sizes),
        when=f"looking for the border of the {'diamond' if panel == 0 else 'disc'} with c 0.8",
        wanted="a line on which each point's norm is 0.8",
        got="none",
        think="On the border of the diamond |w1| + |w2| is c, on that of the disc the length is.",
    )

# %% hidden aspect="the variance of inverted dropout is told for every keep_prob" points=1
torch.manual_seed(5)
for keep_prob in (0.6, 0.9, 0.25, 1.0):
    a = torch.randn(3, 4).double()
    both = torch.stack([a / keep_prob, 0 * a])
    weights = torch.tensor([keep_prob, 1 - keep_prob], dtype=torch.float64)[:, None, None]
    expect.close(
        dropout_variance(a.clone(), keep_prob),
        (weights * (both - a).square()).sum(dim=0),
        when=f"asking for the variance with a keep_prob of {keep_prob}",
        think="Two outcomes: a / keep_prob and 0. Is keep_prob the probability of dropping?",
    )

# %% hidden aspect="the penalty of dropout is the loss over all masks, minus the loss without" points=1
import itertools

torch.manual_seed(6)
for keep_prob in (0.6, 0.9):
    X, w = torch.randn(5, 4).double() + 1, torch.randn(4).double()
    y, average = torch.randn(5).double(), torch.zeros((), dtype=torch.float64)
    for mask in itertools.product((0.0, 1.0), repeat=4):  # the rows are independent
        kept = torch.tensor(mask, dtype=torch.float64)
        chance = keep_prob ** sum(mask) * (1 - keep_prob) ** (4 - sum(mask))
        average += chance * (X * kept / keep_prob @ w - y).square().mean() / 2
    added = average - (X @ w - y).square().mean() / 2
    variance = dropout_variance(torch.ones(1).double(), keep_prob).item()
    expect.close(
        dropout_penalty(w.clone(), X.clone(), keep_prob),
        (added * variance * keep_prob / (1 - keep_prob)).item(),
        when=f"averaging the loss over all masks with keep_prob {keep_prob}",
        think="The masks are independent, so the variances of the products add up.",
    )


# %% alternative of="prox_l1"
def as_two_hinges(w, t):
    return torch.relu(w - t) - torch.relu(-w - t)


# %% alternative of="with_prox"
def with_cases(w, X, y, lam, eta, steps):
    for _ in range(steps):
        u = w - eta * slope(w, X, y)
        w = torch.where(u.abs() <= eta * lam, torch.zeros_like(u), u - eta * lam * u.sign())
    return w


# %% alternative of="least_on_disc"
def on_a_fine_grid(H, w_star, c):
    if w_star.norm() <= c:
        return w_star.clone()
    turn = torch.linspace(0, 2 * torch.pi, 200001, dtype=H.dtype)
    border = c * torch.stack([turn.cos(), turn.sin()], dim=1)
    return border[loss(border, H, w_star).argmin()]


# %% alternative of="least_on_diamond"
def on_four_fine_edges(H, w_star, c):
    if w_star.norm(1) <= c:
        return w_star.clone()
    t = torch.linspace(0, c, 50001, dtype=H.dtype)
    quarter = torch.stack([t, c - t], dim=1)
    signs = torch.tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=H.dtype)
    border = (signs[:, None] * quarter).reshape(-1, 2)
    return border[loss(border, H, w_star).argmin()]


# %% mistake of="prox_l1" fails="prox_l1 is the minimum it stands for; proximal steps end at the minimum, zeros included"
def thresholds_without_moving(w, t):
    """Small numbers go to 0, but the large ones move by t as well: u - w + t sign(u) is 0 there."""
    return torch.where(w.abs() > t, w, torch.zeros_like(w))


# %% mistake of="prox_l1" fails="prox_l1 is the minimum it stands for; proximal steps end at the minimum, zeros included"
def moves_across_zero(w, t):
    """What is nearer to 0 than t stops there: beyond 0 both terms would grow again."""
    return w - t * w.sign()


# %% mistake of="prox_l1" fails="prox_l1 is the minimum it stands for"
def writes_into_the_weights(w, t):
    """`copy_`, `-=` and names with an underscore at their end change the caller's weights."""
    return w.copy_(w.sign() * (w.abs() - t).clamp(min=0))


# %% mistake of="with_subgradient" fails="a subgradient step follows the slope of the penalized loss"
def pulls_as_l2_does(w, X, y, lam, eta, steps):
    """lam w is the slope of an L2 penalty; |w| pulls by lam, however small w is."""
    for _ in range(steps):
        w = w - eta * (slope(w, X, y) + lam * w)
    return w


# %% mistake of="with_subgradient" fails="a subgradient step follows the slope of the penalized loss"
def stops_at_zero(w, X, y, lam, eta, steps):
    """To stop at 0 is what the proximal step is for; the subgradient step jumps over it."""
    for _ in range(steps):
        after = w - eta * (slope(w, X, y) + lam * w.sign())
        w = torch.where(after * w < 0, torch.zeros_like(w), after)
    return w


# %% mistake of="with_prox" fails="proximal steps end at the minimum, zeros included"
def moves_by_lam(w, X, y, lam, eta, steps):
    """The rate belongs to the penalty as well: a step moves each weight by eta lam."""
    for _ in range(steps):
        w = prox_l1(w - eta * slope(w, X, y), lam)
    return w


# %% mistake of="with_prox" fails="proximal steps end at the minimum, zeros included"
def takes_the_prox_first(w, X, y, lam, eta, steps):
    """The prox comes last: a gradient step after it moves the zeros away again."""
    for _ in range(steps):
        w = prox_l1(w, eta * lam)
        w = w - eta * slope(w, X, y)
    return w


# %% mistake of="least_on_diamond" fails="the least loss is found on either shape"
def always_takes_a_corner(H, w_star, c):
    """Corners are frequent, not certain: a contour can touch an edge between two of them."""
    if w_star.abs().sum() <= c:
        return w_star
    corners = c * torch.tensor([[1, 0], [0, 1], [-1, 0], [0, -1]], dtype=H.dtype)
    return corners[loss(corners, H, w_star).argmin()]


# %% mistake of="least_on_disc" fails="the least loss is found on either shape"
def scales_the_minimum_back(H, w_star, c):
    """The nearest point has the least loss where contours are circles; ellipses touch elsewhere."""
    return w_star * min(1.0, c / w_star.norm().item())


# %% mistake of="plot_geometry" fails="the figure shows where the ellipses touch"
def draws_the_shapes_only(H, w_star, c):
    """The reader wants to see which contour touches, and where: draw both."""
    figure, panels = plt.subplots(1, 2)
    turn = torch.linspace(0, 2 * torch.pi, 401, dtype=H.dtype)
    circle = torch.stack([turn.cos(), turn.sin()])
    for axes, power in zip(panels, (1, 2), strict=True):
        axes.plot(*(c * circle / circle.norm(power, dim=0)))
        axes.set(title=f"L{power}", xlabel="$w_1$", ylabel="$w_2$")
    return figure


# %% mistake of="dropout_variance" fails="the variance of inverted dropout is told for every keep_prob"
def swaps_the_conventions(a, keep_prob):
    """That is the variance if keep_prob were the probability of dropping: 1.5 a^2 for 0.6."""
    return a.square() * keep_prob / (1 - keep_prob)


# %% mistake of="dropout_penalty" fails="the penalty of dropout is the loss over all masks, minus the loss without"
def forgets_the_half(w, X, keep_prob):
    """The loss is half the mean of the squares, so half the variance is what it grows by."""
    return (dropout_variance(X, keep_prob) @ w.square()).mean()


# %% mistake of="dropout_penalty" fails="the penalty of dropout is the loss over all masks, minus the loss without"
def takes_the_variance_of_the_output(w, X, keep_prob):
    """Each input is dropped by itself: the squares of w_j x_j add up, not the square of their sum."""
    return dropout_variance(X @ w, keep_prob).mean() / 2
