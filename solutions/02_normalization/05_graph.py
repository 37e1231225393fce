# %% exercise [markdown] items="19" stars=1 minutes=15 level="analyze" goal="draw a computation as a graph, so that no path of its gradient is overlooked"
r"""
# Batch normalization as a graph
Backpropagation sees no formulas. It walks a graph backwards, and an arrow that was overlooked is a
term that is missing from the gradient: nothing crashes, the network only learns worse.

Take one feature over a batch, $x = (x_1, \dots, x_m)$, as a single node. The forward pass is

$$ \mu = \frac{1}{m}\sum_i x_i, \qquad \sigma^2 = \frac{1}{m}\sum_i (x_i - \mu)^2, \qquad
\hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad
y_i = \gamma\,\hat{x}_i + \beta. $$

Write its graph as `edges`, a list of arrows. The arrow `("x", "mean")` says that the mean is
computed from $x$ *directly*. The nodes are called `x`, `gamma`, `beta` (given) and `mean`, `var`,
`x_hat`, `y` (computed).

You may cut a step into smaller ones with nodes of your own, such as `centred`, `squared` or
`root`; every finer graph of the same computation is right. Constants such as $\varepsilon$ need no
node.

*Hint:* for each computed node, list the letters on the right of its equation.
"""

# %%
from autograder import expect

NODES = ("x", "gamma", "beta", "mean", "var", "x_hat", "y")


def arrows(edges) -> dict[str, set[str]]:
    """For each node, where its arrows lead."""
    when, wanted = "reading `edges`", 'pairs of names such as ("x", "mean")'
    expect.kind(edges, (list, tuple, set), when=when, think=f"A list holds the arrows: {wanted}.")
    expect.true(len(edges) <= 60, when=when, wanted="at most 60 arrows", got=f"{len(edges)}")
    leads: dict[str, set[str]] = {}
    for edge in edges:
        pair = isinstance(edge, list | tuple) and len(edge) == 2
        named = pair and all(isinstance(node, str) for node in edge)
        expect.true(named, when=when, wanted=wanted, got=repr(edge)[:60])
        leads.setdefault(edge[0], set()).add(edge[1])
        leads.setdefault(edge[1], set())
    return leads


def reached(leads: dict[str, set[str]], start: str, stop=()) -> set[str]:
    """Every node that the arrows from `start` lead to, without going on from a node in `stop`."""
    found, waiting = set(), list(leads.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += [] if node in stop else leads[node]
    return found


def draw(edges) -> None:
    """Draw the nodes on a line, each after those that it is computed from, and arcs over it.

    Where that is not possible, some arcs run below the line and back.
    """
    import matplotlib.pyplot as plt

    if edges is ...:
        print("Nothing to draw yet.")
        return
    leads = arrows(edges)
    line: dict[str, None] = {}

    def put(node: str, waiting: tuple[str, ...] = ()) -> None:
        for source in leads:
            if node in leads[source] and source not in (*line, *waiting, node):
                put(source, (*waiting, node))
        line.setdefault(node)

    for node in ("y", *leads):
        put(node)
    place = {node: (index, 0.0) for index, node in enumerate(line)}
    arcs = [(place[node], place[target]) for node in leads for target in leads[node]]
    over = max((end[0] - start[0] for start, end in arcs), default=1)
    below = max((start[0] - end[0] for start, end in arcs), default=1)
    low, high = 0.5 + 0.25 * max(below, 0), 0.5 + 0.25 * max(over, 0)
    _, axes = plt.subplots(figsize=(1.1 * len(line), 1.1 * (low + high)))
    for start, end in arcs:
        style = {"arrowstyle": "-|>", "connectionstyle": "arc3,rad=-0.5", "color": "steelblue"}
        axes.annotate("", end, start, arrowprops=style | {"shrinkA": 11, "shrinkB": 11})
    for node, spot in place.items():
        box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "gray"}
        weight = "bold" if node in NODES else "normal"
        axes.text(*spot, node, ha="center", va="center", weight=weight, parse_math=False, bbox=box)
    axes.set_xlim(-0.6, len(line) - 0.4)
    axes.set_ylim(-low, high)
    axes.set_title("Gradients walk these arrows backwards")
    axes.set_axis_off()


# %% solution
# Your arrows in a list, each written like ("x", "mean").
### BEGIN SOLUTION
edges = [
    ("x", "mean"),
    *[("x", "var"), ("mean", "var")],
    *[("x", "x_hat"), ("mean", "x_hat"), ("var", "x_hat")],
    *[("x_hat", "y"), ("gamma", "y"), ("beta", "y")],
]
### END SOLUTION

# %%
# Look at it: can you find every letter of each equation on an arrow that arrives?
draw(edges)

# %% check
leads = arrows(edges)
for node in NODES:
    expect.true(
        node in leads,
        when=f"looking for the node `{node}`",
        wanted="it on at least one arrow",
        got=f"only {', '.join(leads)}",
        think="Are the names spelt as in the task?",
    )
expect.true(
    "mean" in reached(leads, "x"),
    when="following the arrows from `x`",
    wanted="a way to `mean`",
    got="none",
    think="An arrow starts at what is given and points at what is computed from it.",
)

# %% hidden aspect="the arrows lead from x to y, never back" points=1
leads = arrows(edges)
expect.true(
    "y" in reached(leads, "x"),
    when="following the arrows from `x`",
    wanted="a way to `y`",
    got="none",
    think="An arrow starts at what is there first.",
)
for node in leads:
    expect.true(
        node not in reached(leads, node),
        when=f"following the arrows from `{node}`",
        wanted="never to pass it again",
        got=f"a way that comes back to `{node}`",
        think="A value is computed once, from values that were there before it.",
    )

# %% hidden aspect="a node reaches exactly the values that depend on it" points=1
from autograder import reference

leads, right = arrows(edges), arrows(reference.edges)
for node in leads:
    expect.true(
        node == "y" or leads[node],
        when=f"looking for an arrow that goes on from `{node}`",
        wanted="at least one",
        got="none",
        think="What nobody uses gets no gradient. Is it spelt the same everywhere?",
    )
for node in NODES:
    # Going round in circles is the business of another check.
    got = (reached(leads, node) & set(NODES)) - {node}
    for other in NODES:
        depends = other in reached(right, node)
        expect.true(
            (other in got) is depends,
            when=f"following the arrows from `{node}`",
            wanted="every value that a change of it would change, and no other",
            got=f"{'a' if other in got else 'no'} way to `{other}`",
            think=f"Does `{other}` change if somebody else sets `{node}`?",
        )

# %% hidden aspect="no path from x to y is missing or invented" points=1
from autograder import reference

leads, right = arrows(edges), arrows(reference.edges)
for node in ("x", "mean", "var", "x_hat"):
    for other in ("mean", "var", "x_hat", "y"):
        drawn = other != node and other in reached(leads, node, stop=NODES)
        expect.true(
            drawn is (other in reached(right, node, stop=NODES)),
            when=f"comparing what arrives at `{other}` with the equation of `{other}`",
            wanted="each of its letters, and no other",
            got=f"{'an' if drawn else 'no'} arrow from `{node}`, your own nodes left out",
            think=f"Which letters stand on the right of the equation of `{other}`?",
        )

# %% setup
import torch

# %% choice [markdown] id="paths-back-to-x" points=1
r"""
The gradient of $x$ is a sum with one term for each path from $x$ to $y$, walked backwards. Leave
out nodes of your own, so that the arrows run between `x`, `mean`, `var`, `x_hat` and `y` alone. On
how many different paths does a gradient come back to `x`?

- [ ] On one, since all of $y$ is computed from $\hat{x}$.
  > Every path does end with x_hat -> y. How many ways lead from x to x_hat?
- [ ] On three: directly, through the mean and through the variance.
  > Three arrows leave x. One of them arrives where the path forks again: who uses the mean?
- [x] On four, two of which pass through the mean.
  > Yes: directly, through the mean, through the variance, and through the mean of the variance.
  > A derivation has three terms because the last two paths through the mean are added up there.
- [ ] On $m$, one for each sample of the batch.
  > Here the whole batch is a single node. How many ways lead from that node to `y`?
"""

# %% evidence
# Autograd keeps this very graph; walk it from y back to x and count the ways.
x = torch.randn(6, requires_grad=True)
mean = x.mean()
centred = x - mean
var = centred.square().mean()
x_hat = centred / torch.sqrt(var + 1e-5)
y = 1.5 * x_hat + 0.5


def ways(node) -> int:
    if node is None:
        return 0
    if hasattr(node, "variable"):
        return int(node.variable is x)
    return sum(ways(before) for before, _ in node.next_functions)


assert ways(y.grad_fn) == 4
assert [ways(mean.grad_fn), ways(var.grad_fn)] == [1, 2]


# %% alternative of="edges"
def cut_into_single_operations():
    return [
        ["x", "mean"],
        ["x", "centred"],
        ["mean", "centred"],
        ["centred", "squared"],
        ["squared", "var"],
        ["var", "shifted"],
        ["eps", "shifted"],
        ["shifted", "root"],
        ["root", "inverse"],
        ["inverse", "x_hat"],
        ["centred", "x_hat"],
        ["x_hat", "scaled"],
        ["gamma", "scaled"],
        ["scaled", "y"],
        ["beta", "y"],
    ]


# %% alternative of="edges"
def with_the_mean_of_the_squares():
    into_var = {("x", "squares"), ("squares", "mean_square"), ("mean_square", "var")}
    into_x_hat = {("x", "x_hat"), ("mean", "x_hat"), ("var", "root"), ("root", "x_hat")}
    into_y = {("x_hat", "y"), ("gamma", "y"), ("beta", "y")}
    return {("x", "sum"), ("sum", "mean"), ("mean", "var")} | into_var | into_x_hat | into_y


# %% alternative of="edges"
def centred_twice():
    return (
        *[("x", "mean"), ("x", "a"), ("mean", "a"), ("a", "var"), ("x", "b"), ("mean", "b")],
        *[("b", "x_hat"), ("var", "x_hat"), ("x_hat", "y"), ("gamma", "y"), ("beta", "y")],
    )


# %% mistake of="edges" fails="no path from x to y is missing or invented"
def draws_a_chain_into_x_hat():
    """x stands in the numerator of x_hat as well, so it has an arrow there beside the detours."""
    return [
        *[("x", "mean"), ("x", "var"), ("mean", "var"), ("mean", "x_hat"), ("var", "x_hat")],
        *[("x_hat", "y"), ("gamma", "y"), ("beta", "y")],
    ]


# %% mistake of="edges" fails="no path from x to y is missing or invented"
def subtracts_the_mean_once():
    """The mean is subtracted in the variance and again in x_hat: two equations, two arrows."""
    return [
        *[("x", "mean"), ("x", "var"), ("mean", "var"), ("x", "x_hat"), ("var", "x_hat")],
        *[("x_hat", "y"), ("gamma", "y"), ("beta", "y")],
    ]


# %% mistake of="edges" fails="no path from x to y is missing or invented"
def adds_a_shortcut_to_y():
    """y sees the batch through x_hat alone; an arrow from x to y belongs to a residual block."""
    return [
        *[("x", "mean"), ("x", "var"), ("mean", "var")],
        *[("x", "x_hat"), ("mean", "x_hat"), ("var", "x_hat")],
        *[("x_hat", "y"), ("gamma", "y"), ("beta", "y"), ("x", "y")],
    ]


# %% mistake of="edges" fails="a node reaches exactly the values that depend on it; no path from x to y is missing or invented"
def lets_the_variance_forget_the_mean():
    """The variance is measured from the mean, so the mean has an arrow to it."""
    return [
        *[("x", "mean"), ("x", "var"), ("x", "x_hat"), ("mean", "x_hat"), ("var", "x_hat")],
        *[("x_hat", "y"), ("gamma", "y"), ("beta", "y")],
    ]


# %% mistake of="edges" fails="a node reaches exactly the values that depend on it"
def scales_before_normalizing():
    """gamma multiplies what is normalized already: it has an arrow to y, and none to x_hat."""
    return [
        *[("x", "mean"), ("x", "var"), ("mean", "var")],
        *[("x", "x_hat"), ("mean", "x_hat"), ("var", "x_hat"), ("gamma", "x_hat")],
        *[("x_hat", "y"), ("beta", "y")],
    ]


# %% mistake of="edges" fails="a node reaches exactly the values that depend on it"
def leaves_squared_without_a_use():
    """A node that leads nowhere gets no gradient: the variance is the mean of `squared`."""
    return [
        *[("x", "mean"), ("x", "centred"), ("mean", "centred"), ("centred", "squared")],
        *[("centred", "var"), ("centred", "x_hat"), ("var", "x_hat")],
        *[("x_hat", "y"), ("gamma", "y"), ("beta", "y")],
    ]


# %% mistake of="edges" fails="the arrows lead from x to y, never back"
def adds_beta_into_the_same_node():
    """`y = y + beta` makes a second value; in a graph that is a node of its own, not a loop."""
    return [
        *[("x", "mean"), ("x", "var"), ("mean", "var")],
        *[("x", "x_hat"), ("mean", "x_hat"), ("var", "x_hat")],
        *[("x_hat", "y"), ("gamma", "y"), ("beta", "y"), ("y", "y")],
    ]


# %% mistake of="edges" fails="the arrows lead from x to y, never back; a node reaches exactly the values that depend on it; no path from x to y is missing or invented"
def draws_the_gradient():
    """These arrows run against the computation; gradients are what walks them backwards."""
    return [
        *[("mean", "x"), ("var", "x"), ("var", "mean")],
        *[("x_hat", "x"), ("x_hat", "mean"), ("x_hat", "var")],
        *[("y", "x_hat"), ("y", "gamma"), ("y", "beta")],
    ]
