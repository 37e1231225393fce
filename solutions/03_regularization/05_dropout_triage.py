# %% exercise [markdown] items="69" stars=2 minutes=20 level="evaluate" goal="judge a dropout implementation by what it computes, not by what it looks like"
r"""
# Is this dropout wrong?
"The training branch forgets to divide, so the two branches are inconsistent." A reviewer writes
this about the code below, somebody adds the division, and from then on every prediction of the
network is off by a factor. Before you repair code, measure whether it is broken.

`keep_prob` is the probability that an entry is *kept*. `averages` measures what dropout code has to
get right: on average over the masks, a training output should be the test output.

1. Run it, and say what is wrong with `dropout_forward`, if anything.
2. Say which of six edits of it would make it wrong.
3. Rewrite it as *inverted* dropout, so that the test branch has nothing left to do.
"""

# %%
import numpy as np

from autograder import expect


def dropout_forward(a: np.ndarray, keep_prob: float = 0.5, training: bool = True) -> np.ndarray:
    mask = np.random.rand(*a.shape) < keep_prob  # line 1
    if training:
        return a * mask  # line 2
    return a * keep_prob  # line 3


def averages(forward, a: float, keep_prob: float, draws: int = 40_000) -> tuple[float, float]:
    """The mean training output and the mean test output of entries that are all `a`."""
    batch = np.full(draws, a)
    return forward(batch, keep_prob).mean(), forward(batch, keep_prob, training=False).mean()


for keep_prob in (0.5, 0.8):
    training, test = averages(dropout_forward, 2.5, keep_prob)
    print(f"keep_prob {keep_prob}: training {training:.3f}, test {test:.3f}")

# %% setup
import numpy as np

# %% choice [markdown] id="diagnosis" points=1
r"""
What is there to say about `dropout_forward`? **Several answers are right.**

- [x] Its training outputs have, on average, the value of its test outputs.
  > Yes: both are keep_prob * a on average. This is classic dropout, and it is consistent.
- [ ] Its training branch is missing a division by `keep_prob`.
  > With that division and line 3 as it is, training would give a on average, and the test branch
  > keep_prob * a.
- [ ] Its test branch should return `a` as it is, with nothing else changed.
  > Then the next layer would get more at test time than it ever got in training. By what factor?
- [x] It draws random numbers at test time that nobody uses.
  > Yes, line 1 runs in both branches: it wastes time and moves the generator, but no output is wrong.
- [ ] It is right for `keep_prob=0.5` only.
  > At 0.5 the shares kept and dropped are equal and hide some errors. What did you measure at 0.8?
"""


# %% evidence
def classic(a, keep_prob, training=True, train_scale=1.0, test_scale=None):
    mask = np.random.rand(*a.shape) < keep_prob
    if training:
        return a * mask * train_scale
    return a * (keep_prob if test_scale is None else test_scale)


def gap(keep_prob, **scales):
    """How far training and test outputs are apart on average, of entries of 2.5."""
    a = np.full(40_000, 2.5)
    return abs(classic(a, keep_prob, **scales).mean() - classic(a, keep_prob, False, **scales)[0])


# The mean of 40,000 draws is known to 0.006; 0.05 is eight standard errors.
for keep_prob in (0.5, 0.8):
    assert gap(keep_prob) < 0.05
    assert gap(keep_prob, train_scale=1 / keep_prob) > 0.4
    assert gap(keep_prob, test_scale=1.0) > 0.4
np.random.seed(0)
expected = np.random.rand()
np.random.seed(0)
classic(np.ones(3), 0.8, training=False)
assert np.random.rand() != expected

# %% [markdown]
r"""
## Six edits
Each of these is made to the original by itself. Which make it wrong, in that training and test
outputs no longer agree on average (for a `keep_prob` such as 0.8)?

1. line 1 becomes `mask = np.random.rand(*a.shape) > keep_prob`
2. line 1 becomes `mask = np.random.binomial(1, keep_prob, a.shape)`
3. line 1 moves into the training branch
4. line 2 becomes `return a * mask / keep_prob`
5. line 3 becomes `return a`
6. line 1 becomes `mask = (np.random.rand(*a.shape) < keep_prob) / keep_prob`
"""

# %% solution
# The numbers of the edits that make it wrong, as a list such as [1, 2].
### BEGIN SOLUTION
harmful = [1, 4, 5, 6]
### END SOLUTION


# %% solution
def inverted_dropout(a: np.ndarray, keep_prob: float = 0.5, training: bool = True) -> np.ndarray:
    """Inverted dropout: on average its output is `a`, in training and at test time.

    `a` has any shape; it stays as it was. `keep_prob` is greater than 0 and at most 1.
    """
    ### BEGIN SOLUTION
    if not training:
        return a
    mask = np.random.rand(*a.shape) < keep_prob
    return a * mask / keep_prob
    ### END SOLUTION


# %% check
expect.kind(
    harmful,
    (list, tuple, set),
    when="reading the list of harmful edits",
    think="Write the six versions down and let `averages` measure them.",
)
expect.equal(
    set(inverted_dropout(np.full(2000, 3.0), keep_prob=0.75).tolist()),
    {0.0, 4.0},
    when="training on entries of 3 with keep_prob = 0.75",
    think="3 times 0.75 is not 3. What does a kept entry have to be?",
)

# %% hidden aspect="the edits that make classic dropout wrong are found" points=1
expect.kind(
    harmful,
    (list, tuple, set),
    when="reading the list of harmful edits",
    think="Write the six versions down and let `averages` measure them.",
)
given = sorted(str(number) for number in harmful)
expect.true(
    given == ["1", "4", "5", "6"],
    when="naming the edits after which training and test outputs disagree on average",
    wanted="another list",
    got=", ".join(given) or "an empty list",
    think="For each edit, two averages at keep_prob = 0.8: is one of them not 0.8 a any more?",
)

# %% hidden aspect="inverted dropout is classic dropout over keep_prob, in both branches" points=1
# The share of 40,000 entries, give or take six standard errors: a false alarm of 2e-9 each.
np.random.seed(1)
for keep_prob in (0.7, 0.2, 1.0):
    a = 1 + np.random.rand(100, 400)
    before = a.copy()
    expect.close(
        inverted_dropout(a, keep_prob, training=False),
        dropout_forward(before, keep_prob, training=False) / keep_prob,
        when=f"calling the test branch with keep_prob = {keep_prob}",
        think="The point of inverting is that prediction code needs no scale.",
    )
    y = inverted_dropout(a, keep_prob)
    expect.close(
        y,
        before * (np.asarray(y) != 0) / keep_prob,
        when=f"comparing the training outputs that are not 0 with a / {keep_prob}",
        think="If the average of the outputs is to be a, what makes up for those that are 0?",
    )
    error = (keep_prob * (1 - keep_prob) / 40_000) ** 0.5
    expect.between(
        np.mean(y != 0),
        keep_prob - 6 * error - 1e-12,
        keep_prob + 6 * error + 1e-12,
        when=f"looking at the share of entries that are kept, for keep_prob = {keep_prob}",
        think="The mask is the one of the classic form; only the scale changes its place.",
    )
    expect.equal(
        a, before, when="looking at a after both calls", think="`*=` writes into the caller's a."
    )


# %% alternative of="inverted_dropout"
def by_way_of_the_classic_form(a, keep_prob=0.5, training=True):
    return dropout_forward(a, keep_prob, training) / keep_prob


# %% alternative of="inverted_dropout"
def with_a_scaled_mask(a, keep_prob=0.5, training=True):
    scaled = np.random.binomial(1, keep_prob, size=a.shape) / keep_prob if training else 1.0
    return scaled * a


# %% alternative of="harmful"
def as_a_tuple():
    return (6, 5, 4, 1)


# %% mistake of="harmful" fails="the edits that make classic dropout wrong are found"
def believes_the_review():
    """Edit 4 alone brings training to a on average, while the test branch stays at 0.8 a."""
    return [1, 5]


# %% mistake of="harmful" fails="the edits that make classic dropout wrong are found"
def overlooks_the_comparison():
    """rand is greater than 0.8 in one case of five: edit 1 keeps what was to be dropped."""
    return [4, 5, 6]


# %% mistake of="harmful" fails="the edits that make classic dropout wrong are found"
def fears_for_the_unused_mask():
    """The test branch never uses the mask: without it, it computes the same and saves the draw."""
    return [1, 3, 4, 5, 6]


# %% mistake of="inverted_dropout" fails="inverted dropout is classic dropout over keep_prob, in both branches"
def leaves_the_factor_at_test_time(a, keep_prob=0.5, training=True):
    """With the division in training, the test branch has to give up its factor, or they disagree."""
    if not training:
        return a * keep_prob
    return a * (np.random.rand(*a.shape) < keep_prob) / keep_prob


# %% mistake of="inverted_dropout" fails="inverted dropout is classic dropout over keep_prob, in both branches"
def repairs_the_test_branch_only(a, keep_prob=0.5, training=True):
    """A test branch without factor asks for a training branch that divides by keep_prob."""
    return a * (np.random.rand(*a.shape) < keep_prob) if training else a


# %% mistake of="inverted_dropout" fails="inverted dropout is classic dropout over keep_prob, in both branches"
def multiplies_where_it_should_divide(a, keep_prob=0.5, training=True):
    """The kept entries have to grow, to make up for those that are dropped: divide by keep_prob."""
    return a * (np.random.rand(*a.shape) < keep_prob) * keep_prob if training else a


# %% mistake of="inverted_dropout" fails="inverted dropout is classic dropout over keep_prob, in both branches"
def scales_by_the_share_dropped(a, keep_prob=0.5, training=True):
    """1 - keep_prob is the share that is dropped; the share that is kept makes the average."""
    if not training:
        return a
    return a * (np.random.rand(*a.shape) < keep_prob) / max(1 - keep_prob, 1e-3)
