# %% exercise [markdown] items="117" stars=2 minutes=50 level="create" goal="find the few features that matter with an elastic net"
r"""
# The elastic net finds ten features in a hundred
A model that uses a hundred features where ten matter is hard to explain, and each of the other
ninety costs something to collect. An L1 penalty sorts features out, but of two that say nearly the
same it keeps one, by chance, and drops its twin. An L2 penalty shares between twins and drops
nothing. The *elastic net* has both:

$$ F(w) = \frac{1}{2n} \lVert Xw - y \rVert^2 + \lambda_1 \lVert w \rVert_1
+ \frac{\lambda_2}{2} \lVert w \rVert_2^2 . $$

Some texts leave out the last half; then the same numbers mean twice the penalty. And a warning:
put into the loss of an ordinary training loop, the L1 term yields *no* zero at all, since steps
along its slope jump over 0 for ever. Exact zeros need the proximal step. Take a gradient step on
everything but the L1 term, of rate $\eta$, and then move each weight by $\eta\lambda_1$ towards 0,
where it stays if it would cross.

**(a)** Write $F$, and `elastic_net`, which finds its minimum.

**(b)** Find the features: how well, says the F1 score.

**(c)** Draw what happens to the weights as $\lambda_1$ grows.

*Hint:* with $\eta = 1 / (\text{the largest eigenvalue of } X^\top X / n + \lambda_2)$ each step
lowers $F$.
"""

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect


def make_data(n: int = 400) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs (n, 100), targets (n,), and which features matter (100,): ten of them, five pairs.

    The two of a pair have a correlation of 0.9. All features have variance 1.
    """
    X = torch.randn(n, 100, dtype=torch.float64)
    places = torch.randperm(100)[:10]
    ours, twins = places[:5], places[5:]
    X[:, twins] = 0.9 * X[:, ours] + 0.19**0.5 * X[:, twins]
    w = torch.zeros(100, dtype=torch.float64)
    w[ours] = w[twins] = (0.5 + torch.rand(5).double()) * torch.randn(5).double().sign()
    return X, X @ w + 0.5 * torch.randn(n, dtype=torch.float64), w != 0


# %% solution
def penalized_loss(w: Tensor, X: Tensor, y: Tensor, lam1: float, lam2: float) -> Tensor:
    """F(w): half the mean of the squares of X w - y, and both penalties."""
    ### BEGIN SOLUTION
    squares = (X @ w - y).square().mean() + lam2 * w.square().sum()
    return squares / 2 + lam1 * w.abs().sum()
    ### END SOLUTION


def elastic_net(X: Tensor, y: Tensor, lam1: float, lam2: float) -> Tensor:
    """The minimum of F, shape (d,), to six digits, its zeros exact, found by proximal steps."""
    ### BEGIN SOLUTION
    n, d = X.shape
    H, b = X.T @ X / n + lam2 * torch.eye(d, dtype=X.dtype), X.T @ y / n
    eta = 1 / torch.linalg.eigvalsh(H)[-1]
    w = torch.zeros_like(b)
    for _ in range(20_000):
        before, u = w, w - eta * (H @ w - b)
        w = u.sign() * (u.abs() - eta * lam1).clamp(min=0)
        if (w - before).abs().max() < 1e-10:
            break
    return w
    ### END SOLUTION


# %% check
# At (1, -2): X w - y = 3, and 9 / 2 + 2 * 3 + 4 * 5 / 2 = 20.5.
expect.close(
    penalized_loss(
        torch.tensor([1.0, -2.0]), torch.tensor([[1.0, -1.0]]), torch.zeros(1), 2.0, 4.0
    ),
    20.5,
    when="computing F at (1, -2), where X w - y is 3, with lam1 2 and lam2 4",
    think="Which terms have a half?",
)
# Twins: (2 w - 3) + 0.5 + 0.5 w = 0 for both. Alone: 4 w - 6 + 2 + w = 0; a pull of 7 leaves 0.
for row, lam1, lam2, wanted in (
    ([1.0, 1.0], 0.5, 0.5, [1.0, 1.0]),
    ([2.0], 2.0, 1.0, [0.8]),
    ([2.0], 7.0, 1.0, [0.0]),
):
    expect.close(
        elastic_net(torch.tensor([row]).double(), torch.tensor([3.0]).double(), lam1, lam2),
        torch.tensor(wanted).double(),
        rtol=1e-6,  # six digits, as asked for
        when=f"fitting one sample with the inputs {row} and target 3, lam1 {lam1} and lam2 {lam2}",
        think="At the minimum the slopes cancel. By how far does a step of rate eta move w?",
    )


# %% solution
def f1_score(w: Tensor, relevant: Tensor) -> float:
    """How well the nonzero weights agree with the features that matter, from 0 to 1.

    `relevant` holds booleans, shape (d,), at least one of them true. Precision is the share of the
    features found that matter, recall the share of those that matter that were found; F1 is their
    harmonic mean, and 0 if no feature that matters was found.
    """
    ### BEGIN SOLUTION
    found = w != 0
    hits = (found & relevant).sum().item()
    return 2 * hits / (found.sum().item() + relevant.sum().item())
    ### END SOLUTION


def find_features(X: Tensor, y: Tensor) -> Tensor:
    """The features that seem to matter in data as `make_data` makes them: booleans, shape (100,).

    Use `elastic_net`; the penalties are up to you.
    """
    ### BEGIN SOLUTION
    return elastic_net(X, y, lam1=0.2, lam2=0.1) != 0
    ### END SOLUTION


# %% check
# Found 0, 1 and 2, of which 1 and 2 matter, and 3 is missed: precision 2/3, recall 2/3.
expect.close(
    f1_score(torch.tensor([0.5, -1.0, 2.0, 0.0]), torch.tensor([False, True, True, True])),
    2 / 3,
    when="finding three features, two of which matter, and missing one that does",
    think="Precision is about those found, recall about those to be found.",
)

# %%
# Run this after changing your penalties: five data sets.
try:
    for seed in range(5):
        torch.manual_seed(seed)
        X, y, relevant = make_data()
        found = find_features(X, y)
        print(f"found {found.sum()} features, F1 {f1_score(found.double(), relevant):.3f}")
except NotImplementedError:
    print("find_features is not written yet")


# %% solution
def elastic_path(X: Tensor, y: Tensor, lam1s: list[float], lam2: float) -> Tensor:
    """The minimum for each of `lam1s`, in their order: shape (len(lam1s), d)."""
    ### BEGIN SOLUTION
    return torch.stack([elastic_net(X, y, lam1, lam2) for lam1 in lam1s])
    ### END SOLUTION


def plot_path(path: Tensor, lam1s: list[float], relevant: Tensor) -> Figure:
    """One line a feature: its weight against lam1, on a logarithmic x axis.

    `path` is as `elastic_path` returns it. Features that matter look different from the others,
    and a legend with two entries says which is which. With a title and labels.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for weights, matters in zip(path.T, relevant.tolist(), strict=True):
        axes.semilogx(lam1s, weights, color="C3" if matters else "0.6", zorder=2 + matters)
    axes.plot([], [], color="C3", label="matters")
    axes.plot([], [], color="0.6", label="does not matter")
    axes.set(title="What the elastic net keeps", xlabel="lam1", ylabel="weight")
    axes.legend()
    return figure
    ### END SOLUTION


# %%
try:
    torch.manual_seed(0)
    X, y, relevant = make_data()
    lam1s = torch.logspace(-3, 1, 25).tolist()
    plot_path(elastic_path(X, y, lam1s, lam2=0.1), lam1s, relevant)
except NotImplementedError:
    print("elastic_path and plot_path are not written yet")

# %% check
path = elastic_path(torch.tensor([[2.0]]).double(), torch.tensor([3.0]).double(), [2.0, 7.0], 1.0)
expect.shape(path, (2, 1), when="taking a path of two penalties for one feature")

# %% hidden aspect="F has the squares, the absolute values and the right halves" points=1
torch.manual_seed(1)
for lam1, lam2 in ((0.0, 0.0), (0.7, 0.0), (0.0, 1.3), (0.4, 2.5)):
    w, X, y = torch.randn(5).double(), torch.randn(7, 5).double(), torch.randn(7).double()
    l1 = sum(abs(v) for v in w.tolist())
    l2 = sum(v * v for v in w.tolist())
    squares = sum(v * v for v in (X @ w - y).tolist())
    expect.close(
        penalized_loss(w.clone(), X.clone(), y.clone(), lam1, lam2),
        squares / 14 + lam1 * l1 + lam2 * l2 / 2,
        when=f"computing F for 7 samples of 5 features with lam1 {lam1} and lam2 {lam2}",
        think="The squares are averaged over samples; the penalties are added up over weights.",
    )

# %% hidden aspect="elastic_net finds the minimum that coordinate descent finds" points=3
import numpy as np


def one_weight_at_a_time(X, y, lam1, lam2):
    w, left = np.zeros(X.shape[1]), y.copy()
    for _ in range(3000):
        largest = 0.0
        for j, column in enumerate(X.T):
            pull = column @ (left + column * w[j]) / len(y)
            new = np.sign(pull) * max(abs(pull) - lam1, 0) / (column @ column / len(y) + lam2)
            left, largest, w[j] = left - column * (new - w[j]), max(largest, abs(new - w[j])), new
        if largest < 1e-12:
            break
    return w


torch.manual_seed(2)
for n, d, lam1, lam2 in (
    (50, 12, 0.3, 0.5),
    (8, 12, 0.2, 0.3),
    (40, 6, 0.0, 0.7),
    (40, 6, 0.4, 0.0),
):
    # Features on different scales, the first three of which matter.
    X = torch.randn(n, d).double() * (0.5 + 1.5 * torch.rand(d).double())
    y = X[:, :3].sum(dim=1) + 0.3 * torch.randn(n).double()
    wanted = torch.from_numpy(one_weight_at_a_time(X.numpy(), y.numpy(), lam1, lam2))
    got = elastic_net(X.clone(), y.clone(), lam1, lam2)
    when = f"fitting {n} samples of {d} features with lam1 {lam1} and lam2 {lam2}"
    expect.close(
        got,
        wanted,
        rtol=1e-5,  # six digits of a weight, and a little room for those of the others
        when=when,
        think="Where does lam2 pull, and how far does a step of rate eta move a weight towards 0?",
    )
    expect.equal(
        (got == 0).sum().item(),
        (wanted == 0).sum().item(),
        when=f"counting the exact zeros after {when}",
        think="A weight that would cross 0 stays there.",
    )

# %% hidden aspect="F1 balances what is found against what is missed" points=1
torch.manual_seed(3)
for d, found, matter in ((12, 7, 3), (12, 2, 9), (30, 30, 5), (9, 4, 4), (6, 0, 2)):
    w, relevant = torch.zeros(d), torch.zeros(d, dtype=torch.bool)
    w[torch.randperm(d)[:found]] = -0.01 * (1 + torch.rand(found))
    relevant[torch.randperm(d)[:matter]] = True
    hits = sum(a != 0 and b for a, b in zip(w.tolist(), relevant.tolist(), strict=True))
    precision, recall = hits / max(found, 1), hits / matter
    expect.close(
        f1_score(w.clone(), relevant.clone()),
        2 * precision * recall / (precision + recall) if hits else 0.0,
        when=f"scoring {found} weights other than 0 in {d}, of which {matter} should be: {hits} hits",
        think="The harmonic mean of precision and recall. Is a small or a negative weight found?",
    )

# %% hidden aspect="the features that matter are found in five data sets" points=1
# A false alarm never came in 1,000 reruns of the reference. A feature of no use is found if its
# correlation with the residual exceeds 0.2, six standard errors; F1 falls below 0.95 on average
# when at least five such things happen at once.
scores = []
for seed in range(5):
    torch.manual_seed(40 + seed)
    X, y, relevant = make_data()
    found = find_features(X.clone(), y.clone())
    expect.shape(found, (100,), when="asking for features", think="One boolean a feature.")
    found = found != 0
    hits = (found & relevant).sum().item()
    scores.append(2 * hits / (found.sum().item() + 10))
expect.between(
    sum(scores) / 5,
    0.95,
    1.0,
    when="averaging the F1 score of find_features over five data sets",
    think="Too few features: lam1 is too large. Too many: it is too small, or zeros are not exact.",
)

# %% hidden aspect="the path has a minimum for each penalty, in the order given" points=1
torch.manual_seed(5)
X = torch.randn(30, 4).double()
y, lam1s = X @ torch.tensor([2.0, -1.0, 0.5, 0.0]).double(), [0.5, 0.02, 4.0]
path = elastic_path(X.clone(), y.clone(), list(lam1s), 0.3)
expect.shape(path, (3, 4), when="taking a path of three penalties for four features")
for row, lam1 in zip(path, lam1s, strict=True):
    expect.close(
        row,
        elastic_net(X.clone(), y.clone(), lam1, 0.3),
        rtol=1e-5,  # a warm start ends elsewhere within six digits
        when=f"comparing the row for lam1 {lam1} of the path for {lam1s} with elastic_net's answer",
        think="Row i belongs to lam1s[i], whatever their order.",
    )

# %% hidden aspect="the figure shows the way of every weight" points=1
torch.manual_seed(6)
path, lam1s = torch.randn(4, 5).double(), [0.01, 0.1, 1.0, 10.0]
relevant = torch.tensor([True, False, True, False, False])
expect.figure(
    plot_path(path.clone(), list(lam1s), relevant.clone()),
    lines=[(lam1s, weights) for weights in path.T],
    xscale="log",
    legend=2,
    when="plotting the weights of five features for four penalties",
    think="One line a feature, over the penalties.",
)


# %% alternative of="elastic_net"
def with_both_penalties_in_the_prox(X, y, lam1, lam2):
    n, w = len(X), torch.zeros(X.shape[1], dtype=X.dtype)
    eta = 1 / torch.linalg.matrix_norm(X, 2) ** 2 * n
    for _ in range(4000):
        u = w - eta * X.T @ (X @ w - y) / n
        w = (torch.relu(u - eta * lam1) - torch.relu(-u - eta * lam1)) / (1 + eta * lam2)
    return w


# %% alternative of="f1_score"
def from_precision_and_recall(w, relevant):
    hits = float(((w != 0) * relevant).sum())
    if not hits:
        return 0.0
    precision, recall = hits / float((w != 0).sum()), hits / float(relevant.sum())
    return 2 / (1 / precision + 1 / recall)


# %% alternative of="plot_path"
def with_two_calls(path, lam1s, relevant):
    figure, axes = plt.subplots()
    one = axes.plot(lam1s, path[:, relevant].numpy(), "r-")
    other = axes.plot(lam1s, path[:, ~relevant].numpy(), "k:")
    axes.set_xscale("log")
    axes.set(xlabel="penalty", ylabel="weights", title="Path")
    axes.legend([one[0], other[0]], ["relevant", "irrelevant"])
    return figure


# %% mistake of="penalized_loss" fails="F has the squares, the absolute values and the right halves"
def leaves_out_the_half_of_l2(w, X, y, lam1, lam2):
    """With the half, lam2 w is the slope of the L2 term; without it, 2 lam2 w."""
    return (X @ w - y).square().mean() / 2 + lam1 * w.abs().sum() + lam2 * w.square().sum()


# %% mistake of="elastic_net" fails="elastic_net finds the minimum that coordinate descent finds"
def pulls_with_twice_lam2(X, y, lam1, lam2):
    """The slope of (lam2 / 2) w^2 is lam2 w: the 2 of the derivative cancels the half."""
    n, w = len(X), torch.zeros(X.shape[1], dtype=X.dtype)
    eta = 1 / (torch.linalg.matrix_norm(X, 2) ** 2 / n + 2 * lam2)
    for _ in range(1500):
        u = w - eta * (X.T @ (X @ w - y) / n + 2 * lam2 * w)
        w = u.sign() * (u.abs() - eta * lam1).clamp(min=0)
    return w


# %% mistake of="elastic_net" fails="elastic_net finds the minimum that coordinate descent finds"
def stops_after_twenty_steps(X, y, lam1, lam2):
    """Twenty steps are on the way, not there: go on until the weights no longer move."""
    n, w = len(X), torch.zeros(X.shape[1], dtype=X.dtype)
    eta = 1 / (torch.linalg.matrix_norm(X, 2) ** 2 / n + lam2)
    for _ in range(20):
        u = w - eta * (X.T @ (X @ w - y) / n + lam2 * w)
        w = u.sign() * (u.abs() - eta * lam1).clamp(min=0)
    return w


# %% mistake of="elastic_net" fails="elastic_net finds the minimum that coordinate descent finds; the features that matter are found in five data sets"
def follows_the_slope_of_l1(X, y, lam1, lam2):
    """Steps along lam1 sign(w) jump over 0 and back: no weight is ever exactly 0."""
    n, w = len(X), torch.full((X.shape[1],), 1e-3, dtype=X.dtype)
    eta = 0.5 / (torch.linalg.matrix_norm(X, 2) ** 2 / n + lam2)
    for _ in range(1000):
        w = w - eta * (X.T @ (X @ w - y) / n + lam2 * w + lam1 * w.sign())
    return w


# %% mistake of="f1_score" fails="F1 balances what is found against what is missed"
def scores_by_accuracy(w, relevant):
    """With ten features of a hundred, finding none is right for ninety: F1 ignores those."""
    return ((w != 0) == relevant).double().mean().item()


# %% mistake of="f1_score" fails="F1 balances what is found against what is missed"
def takes_the_ordinary_mean(w, relevant):
    """The harmonic mean is near the smaller of the two; their ordinary mean forgives a 0."""
    hits = ((w != 0) & relevant).sum().item()
    return (hits / max((w != 0).sum().item(), 1) + hits / relevant.sum().item()) / 2


# %% mistake of="find_features" fails="the features that matter are found in five data sets"
def hardly_penalizes(X, y):
    """A small lam1 lets noise in: ninety features without use leave a correlation by chance."""
    return elastic_net(X, y, lam1=0.01, lam2=0.1) != 0


# %% mistake of="elastic_path" fails="the path has a minimum for each penalty, in the order given"
def sorts_the_penalties(X, y, lam1s, lam2):
    """Who asks for penalties in an order gets the rows in this order: sorted, they are swapped."""
    return torch.stack([elastic_net(X, y, lam1, lam2) for lam1 in sorted(lam1s)])


# %% mistake of="plot_path" fails="the figure shows the way of every weight"
def plots_over_their_number(path, lam1s, relevant):
    """The x axis shows lam1, over four decades: on a linear axis three of them are one point."""
    figure, axes = plt.subplots()
    axes.plot(path, label="weight")
    axes.plot([], label="other")
    axes.set(xlabel="lam1", ylabel="weight", title="Path")
    axes.legend()
    return figure
