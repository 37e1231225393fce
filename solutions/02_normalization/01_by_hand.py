# %% exercise [markdown] items="14 15 16" stars=1 minutes=25 level="apply" goal="normalize a small batch by hand, over the batch and over the features"
r"""
# Batch norm and layer norm, by hand
Both subtract a mean and divide by a standard deviation; they differ in what they measure. Take
the wrong axis and nothing breaks: the shape is the same, only the numbers are others.

For a batch of $N$ samples (rows) with $C$ features (columns), $\gamma = 1$, $\beta = 0$ and
$\varepsilon = 0$:

$$ \text{batch norm: } \frac{x_{ij} - \mu_j}{\sigma_j} \quad\text{with the statistics of column } j,
\qquad \text{layer norm: } \frac{x_{ij} - \mu_i}{\sigma_i} \quad\text{with those of row } i $$

Both $\sigma^2$ are *biased*: the sum of squares divided by the number of values, not by one less.

**(a)** Normalize the whole of `X` and of `Z` with batch norm, and **(b)** their first rows with
layer norm. Pen and paper will do; write numbers or expressions, as tensors of the shape given.
Four decimals are enough: answers are accepted within 0.0005.

`X` is the matrix of many textbooks, and it hides mistakes: its columns differ by a constant only,
so all of them normalize to the same numbers, and so do its rows. Whoever swaps two columns, or
takes another row, gets away with it. In `Z` every column has a mean and a variance of its own.

**(c)** Let `nn.BatchNorm1d` and `nn.LayerNorm` confirm what you found. Texts ask for
$\varepsilon = 0$ here too, but PyTorch 2.13 refuses to train batch norm with it: a ValueError. The
default `eps=1e-5` shows in the seventh decimal; `eps=1e-12` in float64 is as good as 0.
"""

# %%
import torch
from torch import Tensor, nn

from autograder import expect

X = torch.tensor(
    [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [10.0, 11.0, 12.0]], dtype=torch.float64
)
Z = torch.tensor(
    [[4.0, 10.0, 1.0], [10.0, 8.0, 5.0], [2.0, 16.0, 5.0], [4.0, 2.0, 1.0]], dtype=torch.float64
)

# %% solution
# (a) The batch norm of X: a float64 tensor of shape (4, 3).
### BEGIN SOLUTION
batch_norm_x = (
    torch.tensor([[-4.5] * 3, [-1.5] * 3, [1.5] * 3, [4.5] * 3], dtype=torch.float64) / 11.25**0.5
)
### END SOLUTION

# %% solution
# (a) The batch norm of Z: a float64 tensor of shape (4, 3).
### BEGIN SOLUTION
batch_norm_z = torch.tensor(
    [
        [-1 / 3, 1 / 5, -2 / 2],
        [5 / 3, -1 / 5, 2 / 2],
        [-3 / 3, 7 / 5, 2 / 2],
        [-1 / 3, -7 / 5, -2 / 2],
    ],
    dtype=torch.float64,
)
### END SOLUTION

# %% check
# Whatever the numbers are, every normalized column adds up to 0.
for name, answer in {"batch_norm_x": batch_norm_x, "batch_norm_z": batch_norm_z}.items():
    expect.shape(answer, (4, 3), when=f"reading {name}")
    expect.close(
        answer.sum(dim=0),
        [0.0, 0.0, 0.0],
        atol=2e-3,  # four numbers, each within 0.0005
        when=f"adding up each column of {name}",
        think="Was the mean of the column subtracted, and which axis is a column?",
    )

# %% solution
# (b) The layer norm of the first row of X: a float64 tensor of shape (3,).
### BEGIN SOLUTION
layer_norm_x = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64) / (2 / 3) ** 0.5
### END SOLUTION

# %% solution
# (b) The layer norm of the first row of Z: a float64 tensor of shape (3,).
### BEGIN SOLUTION
layer_norm_z = torch.tensor([-1.0, 5.0, -4.0], dtype=torch.float64) / 14**0.5
### END SOLUTION

# %% check
# So does every normalized row.
for name, answer in {"layer_norm_x": layer_norm_x, "layer_norm_z": layer_norm_z}.items():
    expect.shape(answer, (3,), when=f"reading {name}")
    expect.close(
        answer.sum(),
        0.0,
        atol=2e-3,
        when=f"adding up {name}",
        think="Layer norm subtracts the mean of the three features of the sample.",
    )


# %% solution
def normalize_with_torch(x: Tensor) -> tuple[Tensor, Tensor]:
    """The batch norm of `x`, shape (N, C), and the layer norm of each of its samples.

    Uses nn.BatchNorm1d in training mode and nn.LayerNorm, both with eps=1e-12. Computes in
    float64, whatever dtype x has. Both results are float64 tensors of shape (N, C).
    """
    ### BEGIN SOLUTION
    x = x.double()
    features = x.shape[1]
    batch_norm = nn.BatchNorm1d(features, eps=1e-12).double()
    layer_norm = nn.LayerNorm(features, eps=1e-12).double()
    return batch_norm(x), layer_norm(x)
    ### END SOLUTION


# %% check
# 1 and 5 have mean 3 and variance 4; 10 and 30 have mean 20 and variance 100.
both = normalize_with_torch(torch.tensor([[1.0, 30.0], [5.0, 10.0]]))
expect.kind(both, (tuple, list), when="normalizing [[1, 30], [5, 10]]")
expect.close(
    both[0],
    [[-1.0, 1.0], [1.0, -1.0]],
    when="taking the batch norm of [[1, 30], [5, 10]]",
    think="Two values a column: each is one standard deviation away from their mean.",
)
expect.close(
    both[1],
    [[-1.0, 1.0], [-1.0, 1.0]],
    when="taking the layer norm of [[1, 30], [5, 10]]",
    think="Two values a row: each is one standard deviation away from their mean.",
)

# %% check
# (c) PyTorch confirms what you found by hand.
for name, matrix, batch, layer in (
    ("X", X, batch_norm_x, layer_norm_x),
    ("Z", Z, batch_norm_z, layer_norm_z),
):
    both = normalize_with_torch(matrix.clone())
    expect.kind(both, (tuple, list), when=f"normalizing {name} with PyTorch")
    for kind, mine, theirs in (
        ("batch norm of", batch, both[0]),
        ("layer norm of the first row of", layer, both[1][0]),
    ):
        expect.close(
            mine,
            theirs.tolist(),
            atol=5e-4,
            when=f"comparing your {kind} {name} with PyTorch's",
            think="One of the two is off. Is it the axis, or the number that divides the squares?",
        )

# %% hidden aspect="the batch norm of X is right" points=1
expect.close(
    batch_norm_x,
    [[d / 5**0.5] * 3 for d in (-3, -1, 1, 3)],
    rtol=0,
    atol=5e-4,  # four decimals typed by hand, from a root that was rounded on the way
    when="reading the batch norm of X",
    think="A column has deviations -4.5, -1.5, 1.5, 4.5. What divides their sum of squares?",
)

# %% hidden aspect="the batch norm of Z is right" points=2
expect.close(
    batch_norm_z,
    [[-1 / 3, 0.2, -1], [5 / 3, -0.2, 1], [-1, 1.4, 1], [-1 / 3, -1.4, -1]],
    rtol=0,
    atol=5e-4,  # four decimals typed by hand
    when="reading the batch norm of Z",
    think="The three columns have three means and three standard deviations, all whole numbers.",
)

# %% hidden aspect="the layer norm of the first row of X is right" points=1
expect.close(
    layer_norm_x,
    [-(1.5**0.5), 0.0, 1.5**0.5],
    rtol=0,
    atol=5e-4,  # four decimals typed by hand, from a root that was rounded on the way
    when="reading the layer norm of 1, 2, 3",
    think="The mean is 2. Their sum of squares is divided by three, the number of values.",
)

# %% hidden aspect="the layer norm of the first row of Z is right" points=1
expect.close(
    layer_norm_z,
    [-1 / 14**0.5, 5 / 14**0.5, -4 / 14**0.5],
    rtol=0,
    atol=5e-4,  # four decimals typed by hand, from a root that was rounded on the way
    when="reading the layer norm of 4, 10, 1",
    think="Only these three numbers count: a sample is normalized without the others.",
)

# %% hidden aspect="nn.BatchNorm1d gives the batch norm to 1e-9" points=1
torch.manual_seed(1)
# The variances are about 1 and 25, beside which 1e-12 is out of sight and 1e-5 is not.
for x in (torch.randn(7, 2).double(), 5 * torch.randn(6, 4) + 300):
    both = normalize_with_torch(x.clone())
    expect.kind(both, (tuple, list), when="normalizing a random batch with PyTorch")
    centred = x.double() - x.double().mean(dim=0)
    expect.close(
        both[0],
        centred / centred.square().mean(dim=0).sqrt(),
        rtol=1e-9,
        when=f"taking the batch norm of a random {str(x.dtype)[6:]} batch {tuple(x.shape)}",
        think="Is the module in training mode, with C features, in float64 and with a tiny eps?",
    )

# %% hidden aspect="nn.LayerNorm gives the layer norm to 1e-9" points=1
torch.manual_seed(2)
for x in (torch.randn(2, 7).double(), 5 * torch.randn(4, 6) + 300):
    both = normalize_with_torch(x.clone())
    expect.kind(both, (tuple, list), when="normalizing a random batch with PyTorch")
    centred = x.double() - x.double().mean(dim=1, keepdim=True)
    expect.close(
        both[1],
        centred / centred.square().mean(dim=1, keepdim=True).sqrt(),
        rtol=1e-9,
        when=f"taking the layer norm of a random {str(x.dtype)[6:]} batch {tuple(x.shape)}",
        think="Is the module in float64, with a tiny eps, and normalizes C values at a time?",
    )


# %% alternative of="normalize_with_torch"
def with_functions(x):
    x = x.to(torch.float64)
    batch = nn.functional.batch_norm(x, None, None, training=True, eps=1e-12)
    return batch, nn.functional.layer_norm(x, x.shape[1:], eps=1e-12)


# %% alternative of="normalize_with_torch"
def with_modules_that_learn_nothing(x):
    options = {"eps": 1e-12, "dtype": torch.float64}
    batch = nn.BatchNorm1d(x.size(-1), affine=False, track_running_stats=False, **options)
    layer = nn.LayerNorm(x.size(-1), elementwise_affine=False, **options)
    with torch.no_grad():
        return [batch(x.double()), layer(x.double())]


# %% alternative of="batch_norm_x"
def four_decimals_by_hand():
    return torch.tensor([[-1.3416] * 3, [-0.4472] * 3, [0.4472] * 3, [1.3416] * 3])


# %% mistake of="batch_norm_x" fails="the batch norm of X is right"
def divides_by_three():
    """Normalization divides the sum of squares by N = 4; N - 1 is for estimates of new data."""
    return (X - X.mean(dim=0)) / X.std(dim=0)


# %% mistake of="batch_norm_x" fails="the batch norm of X is right"
def normalizes_the_rows():
    """Batch norm measures each column over the samples; measuring each row is layer norm."""
    return (X - X.mean(dim=1, keepdim=True)) / X.std(dim=1, unbiased=False, keepdim=True)


# %% mistake of="batch_norm_z" fails="the batch norm of Z is right"
def takes_one_mean_for_the_whole_matrix():
    """Every feature has a mean and a variance of its own: they may be metres and euros."""
    return (Z - Z.mean()) / Z.std(unbiased=False)


# %% mistake of="batch_norm_z" fails="the batch norm of Z is right"
def divides_by_the_variance():
    """The deviations are divided by the standard deviation, which is the root of the variance."""
    return (Z - Z.mean(dim=0)) / Z.var(dim=0, unbiased=False)


# %% mistake of="batch_norm_z" fails="the batch norm of Z is right"
def centres_only():
    """The mean is gone, but each column still has its old spread: divide by it."""
    return Z - Z.mean(dim=0)


# %% mistake of="layer_norm_x" fails="the layer norm of the first row of X is right"
def divides_by_two():
    """Layer norm divides the sum of squares by the number of features, not by one less."""
    return torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)


# %% mistake of="layer_norm_z" fails="the layer norm of the first row of Z is right"
def takes_the_first_row_of_batch_norm():
    """Layer norm measures the features of the one sample; the other samples play no part."""
    return torch.tensor([-1 / 3, 1 / 5, -1.0], dtype=torch.float64)


# %% mistake of="layer_norm_z" fails="the layer norm of the first row of Z is right"
def sorts_the_row():
    """The values of a sample keep their places: normalizing moves none of them."""
    return torch.tensor([-4.0, -1.0, 5.0], dtype=torch.float64) / 14**0.5


# %% mistake of="normalize_with_torch" fails="nn.BatchNorm1d gives the batch norm to 1e-9"
def leaves_the_eps_of_batch_norm(x):
    """The default eps=1e-5 is not 0: it shrinks every output, the more the smaller the variance."""
    x = x.double()
    batch, layer = nn.BatchNorm1d(x.shape[1]), nn.LayerNorm(x.shape[1], eps=1e-12)
    return batch.double()(x), layer.double()(x)


# %% mistake of="normalize_with_torch" fails="nn.BatchNorm1d gives the batch norm to 1e-9"
def evaluates_a_fresh_batch_norm(x):
    """In evaluation the running statistics count, and those of a fresh module are 0 and 1."""
    x = x.double()
    batch = nn.BatchNorm1d(x.shape[1], eps=1e-12).double().eval()
    return batch(x), nn.LayerNorm(x.shape[1], eps=1e-12).double()(x)


# %% mistake of="normalize_with_torch" fails="nn.LayerNorm gives the layer norm to 1e-9"
def leaves_the_eps_of_layer_norm(x):
    """nn.LayerNorm has an eps of its own, 1e-5 unless told otherwise."""
    x = x.double()
    batch, layer = nn.BatchNorm1d(x.shape[1], eps=1e-12), nn.LayerNorm(x.shape[1])
    return batch.double()(x), layer.double()(x)


# %% mistake of="normalize_with_torch" fails="nn.LayerNorm gives the layer norm to 1e-9"
def normalizes_the_whole_batch_at_once(x):
    """The shape given to nn.LayerNorm is that of one sample; given (N, C), it mixes samples."""
    x = x.double()
    layer = nn.LayerNorm(x.shape, eps=1e-12).double()
    return nn.BatchNorm1d(x.shape[1], eps=1e-12).double()(x), layer(x)


# %% mistake of="normalize_with_torch" fails="nn.BatchNorm1d gives the batch norm to 1e-9; nn.LayerNorm gives the layer norm to 1e-9"
def computes_in_float32(x):
    """In float32 seven digits are all there is; the mean alone may use up half of them."""
    x = x.float()
    batch = nn.BatchNorm1d(x.shape[1], eps=1e-12)(x)
    return batch.double(), nn.LayerNorm(x.shape[1], eps=1e-12)(x).double()
