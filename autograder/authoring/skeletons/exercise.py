# %% exercise [markdown] items="" stars=1 minutes=10 level="apply" goal="say what a student can do afterwards" forbid="rms_norm"
r"""
# The root mean square
Say what goes wrong without the idea. The mean of numbers that change sign is near 0, however large
they are; the *root mean square* tells their size:

$$ \mathrm{rms}(x) = \sqrt{\frac{1}{n} \sum_i x_i^2} $$

Write `rms`. It returns a new tensor and leaves the one it was given as it was.
"""

# %%
import torch
from torch import Tensor

from autograder import expect


# %% solution
def rms(x: Tensor) -> Tensor:
    """The root mean square of all elements of `x`: a tensor without dimensions, dtype of `x`."""
    ### BEGIN SOLUTION
    return x.square().mean().sqrt()
    ### END SOLUTION


# %% check
# 3 and 4 make a right angle: the sum of squares is 25, its mean 12.5.
expect.close(
    rms(torch.tensor([3.0, -4.0])),
    12.5**0.5,
    when="taking the root mean square of 3 and -4",
    think="Square, then the mean, then the root: in that order.",
)

# %% hidden aspect="it is the root of the mean of the squares" points=2
from autograder import reference

torch.manual_seed(0)
x = torch.randn(7, dtype=torch.float64)
expect.close(
    rms(x.clone()),
    reference.rms(x),
    when="taking the root mean square of seven random numbers",
    think="The squares are averaged over how many there are.",
)

# %% hidden aspect="all dimensions count" points=1
torch.manual_seed(1)
x = torch.randn(3, 4, dtype=torch.float64)
expect.close(
    rms(x.clone()),
    rms(x.flatten()),
    when="comparing the root mean square of a matrix with that of its elements in one row",
    think="The result has no dimensions, whatever the shape of x.",
)

# %% hidden aspect="x is left as it was" points=1
x = torch.tensor([3.0, -4.0])
# Who does nothing changes nothing.
expect.shape(rms(x.clone()), (), when="taking the root mean square of x")
with expect.unchanged(
    x=x,
    when="taking the root mean square of x",
    think="A method whose name ends in an underscore writes into its tensor.",
):
    rms(x)


# %% alternative of="rms"
def with_the_norm(x):
    return x.norm() / x.numel() ** 0.5


# %% alternative of="rms"
def step_by_step(x):
    flat = x.reshape(-1)
    return torch.sqrt((flat * flat).sum() / len(flat))


# %% mistake of="rms" fails="it is the root of the mean of the squares"
def divides_by_one_less(x):
    """The mean of n squares divides by n; n - 1 belongs to a variance around an estimated mean."""
    return (x.square().sum() / (x.numel() - 1)).sqrt()


# %% mistake of="rms" fails="it is the root of the mean of the squares"
def forgets_the_mean(x):
    """A root of a sum of squares is the norm; it grows with the number of elements."""
    return x.square().sum().sqrt()


# %% mistake of="rms" fails="it is the root of the mean of the squares"
def forgets_the_root(x):
    """The mean of the squares has the square of the unit; its root is comparable with x."""
    return x.square().mean()


# %% mistake of="rms" fails="all dimensions count"
def keeps_the_rows_apart(x):
    """mean(dim=-1) averages within rows; mean() averages over everything."""
    return x.square().mean(dim=-1).sqrt()


# %% mistake of="rms" fails="x is left as it was"
def squares_in_place(x):
    """square_ overwrites the caller's tensor; square makes a new one."""
    return x.square_().mean().sqrt()
