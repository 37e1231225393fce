# %% exercise [markdown] items="18 110 82" stars=1 minutes=25 level="apply" goal="take batch normalization apart into four stages, on paper and in code" forbid="batch_norm instance_norm layer_norm group_norm"
r"""
# Batch normalization in four stages
A wrong normalization still looks normalized. The mistake shows only where it was made, so keep
the intermediate results: the backward pass will ask for every one of them anyway.

For each feature, over the $m$ samples of the batch:

$$ \mu = \frac{1}{m}\sum_i x_i, \qquad \sigma^2 = \frac{1}{m}\sum_i (x_i - \mu)^2, \qquad
\hat{x}_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \varepsilon}}, \qquad y_i = \gamma\,\hat{x}_i + \beta $$

Write `batch_norm_stages`, which returns all four. Then take one feature with the five values
$z = [1, 3, 5, 7, 9]$ through the stages on paper, with $\gamma = 2$, $\beta = -1$ and
$\varepsilon = 0$. Four decimals are enough: answers are accepted within 0.0005.
"""

# %%
import torch
from torch import Tensor

from autograder import expect


# %% solution
def batch_norm_stages(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> dict[str, Tensor]:
    """Batch normalization of `x`, shape (N, C), in training, with its intermediate results.

    gamma and beta have shape (C,). The keys are "mean" and "var", of shape (C,), and "x_hat" and
    "y", of shape (N, C). The tensors passed in stay as they are.
    """
    ### BEGIN SOLUTION
    mean = x.mean(dim=0)
    var = (x - mean).square().mean(dim=0)
    x_hat = (x - mean) / torch.sqrt(var + eps)
    y = gamma * x_hat + beta
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": y}
    ### END SOLUTION


# %% check
# Variances 4 and 100: with eps = 21 the roots are exactly 5 and 11.
x, gamma, beta = torch.tensor([[1.0, 10.0], [5.0, 30.0]]), torch.ones(2), torch.zeros(2)
with expect.unchanged(
    x=x,
    when="taking the stages of [[1, 10], [5, 30]]",
    think="`a -= b` writes into the caller's tensor; `a - b` makes a new one.",
):
    stages = batch_norm_stages(x, gamma, beta, 21.0)
expect.kind(stages, dict, when="taking the stages of [[1, 10], [5, 30]]")
expect.equal(
    set(stages), {"mean", "var", "x_hat", "y"}, when="reading the names of the four stages"
)
expect.close(
    stages["mean"],
    [3.0, 20.0],
    when="reading the means of [[1, 10], [5, 30]]",
    think="A feature is a column. Over what is the mean taken?",
)
expect.close(
    stages["var"],
    [4.0, 100.0],
    when="reading the variances of [[1, 10], [5, 30]]",
    think="Both samples of the first feature are 2 away from the mean; divide by m.",
)
expect.close(
    stages["x_hat"],
    [[-2 / 5, -10 / 11], [2 / 5, 10 / 11]],
    when="reading x_hat of [[1, 10], [5, 30]], with eps 21",
    think="Where does eps stand: inside the root or behind it?",
)

# %% solution
# The mean of z and its variance: two numbers.
### BEGIN SOLUTION
mean_of_z = 25 / 5
var_of_z = (16 + 4 + 0 + 4 + 16) / 5
### END SOLUTION

# %% solution
# The five normalized values: a float64 tensor of shape (5,).
### BEGIN SOLUTION
normalized_z = torch.tensor([-4.0, -2.0, 0.0, 2.0, 4.0], dtype=torch.float64) / 8**0.5
### END SOLUTION

# %% solution
# The five outputs, for gamma 2 and beta -1: a float64 tensor of shape (5,).
### BEGIN SOLUTION
output_of_z = 2 * torch.tensor([-4.0, -2.0, 0.0, 2.0, 4.0], dtype=torch.float64) / 8**0.5 - 1
### END SOLUTION

# %% check
# Your function and your pen should agree.
z = torch.tensor([[1.0], [3.0], [5.0], [7.0], [9.0]], dtype=torch.float64)
gamma, beta = torch.tensor([2.0]).double(), torch.tensor([-1.0]).double()
stages = batch_norm_stages(z, gamma, beta, 0.0)
expect.kind(stages, dict, when="taking the stages of z")
for stage, answer in (
    ("mean", mean_of_z),
    ("var", var_of_z),
    ("x_hat", normalized_z),
    ("y", output_of_z),
):
    expect.kind(stages.get(stage), Tensor, when=f"reading the stage {stage} of z")
    expect.close(
        answer,
        stages[stage].squeeze().tolist(),
        atol=5e-4,
        when=f"comparing what you found for {stage} of z with what your function says",
        think="One of the two is off, and the stages before it are not: look here.",
    )

# %% hidden aspect="the statistics are those of each feature over the batch" points=1
torch.manual_seed(1)
# Five samples: dividing by 4 in place of 5 shows. One feature hardly varies.
x = torch.tensor([5.0, 1e-3, 2.0]) * torch.randn(5, 3, dtype=torch.float64) + 3
gamma, beta = torch.full((3,), 2.0).double(), torch.ones(3).double()
stages = batch_norm_stages(x.clone(), gamma, beta, 0.1)
expect.kind(stages, dict, when="taking the stages of a random batch")
expect.close(
    stages.get("mean"),
    x.mean(dim=0),
    when="reading the means of five samples of three features",
    think="A feature is a column: its mean is taken over the samples.",
)
expect.close(
    stages.get("var"),
    x.var(dim=0, unbiased=False),
    when="reading the variances of five samples of three features",
    think="The mean of the squared deviations: eps comes later, and m divides.",
)

# %% hidden aspect="x_hat is the deviation over the root of variance plus eps" points=1
torch.manual_seed(2)
# Measured with the mean and the variance that were returned, so that only this stage counts.
for eps in (1e-12, 0.1):
    x = torch.tensor([0.3, 1e-3, 2.0, 4.0]) * torch.randn(6, 4, dtype=torch.float64) + 1
    given, gamma, beta = x.clone(), torch.full((4,), 2.0).double(), torch.ones(4).double()
    with expect.unchanged(
        x=given,
        when="taking the stages of a random batch",
        think="`a -= b` writes into the caller's tensor; `a - b` makes a new one.",
    ):
        stages = batch_norm_stages(given, gamma, beta, eps)
    expect.kind(stages, dict, when="taking the stages of a random batch")
    mean, var = stages.get("mean"), stages.get("var")
    expect.shape(mean, (4,), when="reading the means of four features")
    expect.shape(var, (4,), when="reading the variances of four features")
    expect.close(
        stages.get("x_hat"),
        (x - mean) / torch.sqrt(var + eps),
        when=f"deriving x_hat from your own mean and variance, with eps {eps}",
        think="Subtract the mean, then divide by one root that holds variance and eps together.",
    )

# %% hidden aspect="y is x_hat scaled by gamma, then shifted by beta" points=1
torch.manual_seed(3)
x, gamma, beta = torch.randn(7, 4) + 5, torch.randn(4), torch.randn(4)
stages = batch_norm_stages(x, gamma.clone(), beta.clone(), 1e-3)
expect.kind(stages, dict, when="taking the stages of a random batch")
x_hat = stages.get("x_hat")
expect.shape(x_hat, (7, 4), when="reading x_hat for seven samples of four features")
expect.close(
    stages.get("y"),
    gamma * x_hat + beta,
    when="deriving y from your own x_hat, with a random gamma and beta",
    think="gamma sets the new standard deviation, beta the new mean. Which one comes first?",
)

# %% hidden aspect="the statistics of z are right on paper" points=1
expect.close(
    mean_of_z,
    5.0,
    rtol=0,
    atol=5e-4,
    when="reading the mean of z",
    think="Add up the five values, then divide by how many there are.",
)
expect.close(
    var_of_z,
    8.0,
    rtol=0,
    atol=5e-4,
    when="reading the variance of z",
    think="Add up the squared distances from the mean. How many of them are there?",
)

# %% hidden aspect="what becomes of z is right on paper" points=1
root = 2**0.5
expect.close(
    normalized_z,
    [-root, -root / 2, 0.0, root / 2, root],
    rtol=0,
    atol=5e-4,  # four decimals typed by hand, from a root that was rounded on the way
    when="reading the normalized z",
    think="Its mean is 0, and the mean of its squares is 1.",
)
expect.close(
    output_of_z,
    [-2 * root - 1, -root - 1, -1.0, root - 1, 2 * root - 1],
    rtol=0,
    atol=5e-4,  # as above
    when="reading the outputs for z",
    think="Their mean is beta, and their standard deviation is gamma.",
)

# %% setup
import torch
from torch.nn import functional as F

from autograder.authoring.quiz import draw

# %% numeric [markdown] id="last-of-four" points=2 items="82"
r"""
In a batch of four, one feature has the values {{listed}}. Batch normalization in training, with
$\gamma = {{gamma}}$, $\beta = {{beta}}$ and $\varepsilon = 0$: what comes out for the last one?
"""

# %% key
values = draw([(2, 4, 6, 8), (2, 4, 6, 12), (1, 3, 4, 8), (1, 2, 6, 11), (2, 4, 7, 15)])
gamma, beta = draw([2, 3, 4]), draw([1, 2, 5])
listed = ", ".join(map(str, values))
mean = sum(values) / 4
squares = sum((value - mean) ** 2 for value in values)
deviation = values[-1] - mean
normalized = deviation / (squares / 4) ** 0.5
answer = gamma * normalized + beta
slips = {
    "The batch is normalized with the biased variance: four values, so divide by 4, not by 3.": (
        gamma * deviation / (squares / 3) ** 0.5 + beta
    ),
    "The deviation is divided by the standard deviation, the root of the variance.": (
        gamma * deviation / (squares / 4) + beta
    ),
    "First the scale, then the shift: beta is not multiplied by gamma.": gamma
    * (normalized + beta),
    "That is the normalized value. The network then scales it by gamma and shifts it by beta.": (
        normalized
    ),
    "The shift is missing: the mean of the outputs is beta.": gamma * normalized,
}

# %% evidence
column = torch.tensor(values, dtype=torch.float64)[:, None]
scale, shift = torch.tensor([gamma]).double(), torch.tensor([beta]).double()
y = F.batch_norm(column, None, None, scale, shift, training=True, eps=1e-12)
assert abs(y[-1].item() - answer) < 1e-6


# %% alternative of="batch_norm_stages"
def with_reductions_that_keep_the_dimension(x, gamma, beta, eps):
    var, mean = torch.var_mean(x, dim=0, correction=0, keepdim=True)
    x_hat = torch.rsqrt(var + eps) * (x - mean)
    y = torch.addcmul(beta, gamma, x_hat)
    return {"y": y, "x_hat": x_hat, "var": var[0], "mean": mean[0]}


# %% alternative of="batch_norm_stages"
def one_feature_at_a_time(x, gamma, beta, eps):
    m, features = x.shape
    mean, var = torch.zeros_like(x[0]), torch.zeros_like(x[0])
    x_hat, y = torch.empty_like(x), torch.empty_like(x)
    for j in range(features):
        mean[j] = sum(x[:, j]) / m
        var[j] = sum((value - mean[j]) ** 2 for value in x[:, j]) / m
        x_hat[:, j] = (x[:, j] - mean[j]) / (var[j] + eps) ** 0.5
        y[:, j] = gamma[j] * x_hat[:, j] + beta[j]
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": y}


# %% mistake of="batch_norm_stages" fails="the statistics are those of each feature over the batch"
def divides_by_one_less(x, gamma, beta, eps):
    """Tensor.var divides by m - 1 unless told otherwise; this sigma squared divides by m."""
    mean, var = x.mean(0), x.var(0)
    x_hat = (x - mean) / torch.sqrt(var + eps)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * x_hat + beta}


# %% mistake of="batch_norm_stages" fails="the statistics are those of each feature over the batch"
def takes_one_mean_for_all_features(x, gamma, beta, eps):
    """Each feature has a mean and a variance of its own: they may be metres and euros."""
    mean = x.mean().expand(x.shape[1])
    var = (x - mean).square().mean().expand(x.shape[1])
    x_hat = (x - mean) / torch.sqrt(var + eps)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * x_hat + beta}


# %% mistake of="batch_norm_stages" fails="the statistics are those of each feature over the batch; x_hat is the deviation over the root of variance plus eps"
def returns_the_variance_with_eps_in_it(x, gamma, beta, eps):
    """eps is no part of the variance; it is added to it in the next stage, under the root."""
    mean, var = x.mean(0), x.var(0, unbiased=False) + eps
    x_hat = (x - mean) / torch.sqrt(var)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * x_hat + beta}


# %% mistake of="batch_norm_stages" fails="x_hat is the deviation over the root of variance plus eps"
def adds_eps_behind_the_root(x, gamma, beta, eps):
    """eps is added to the variance, so it stands with it under the root, not behind it."""
    mean, var = x.mean(0), x.var(0, unbiased=False)
    x_hat = (x - mean) / (torch.sqrt(var) + eps)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * x_hat + beta}


# %% mistake of="batch_norm_stages" fails="x_hat is the deviation over the root of variance plus eps"
def forgets_the_root(x, gamma, beta, eps):
    """The deviations are divided by the standard deviation, which is the root of the variance."""
    mean, var = x.mean(0), x.var(0, unbiased=False)
    x_hat = (x - mean) / (var + eps)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * x_hat + beta}


# %% mistake of="batch_norm_stages" fails="x_hat is the deviation over the root of variance plus eps"
def centres_the_batch_itself(x, gamma, beta, eps):
    """`x -= mean` changes the caller's batch; whoever uses it next gets another one."""
    mean, var = x.mean(0), x.var(0, unbiased=False)
    x -= mean
    x_hat = x / torch.sqrt(var + eps)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * x_hat + beta}


# %% mistake of="batch_norm_stages" fails="y is x_hat scaled by gamma, then shifted by beta"
def shifts_before_it_scales(x, gamma, beta, eps):
    """The shift comes after the scale: gamma * x_hat + beta, so that beta is the mean."""
    mean, var = x.mean(0), x.var(0, unbiased=False)
    x_hat = (x - mean) / torch.sqrt(var + eps)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * (x_hat + beta)}


# %% mistake of="batch_norm_stages" fails="y is x_hat scaled by gamma, then shifted by beta"
def scales_the_input(x, gamma, beta, eps):
    """gamma and beta act on the normalized values; acting on x they undo nothing and fix nothing."""
    mean, var = x.mean(0), x.var(0, unbiased=False)
    x_hat = (x - mean) / torch.sqrt(var + eps)
    return {"mean": mean, "var": var, "x_hat": x_hat, "y": gamma * x + beta}


# %% mistake of="var_of_z" fails="the statistics of z are right on paper"
def divides_by_four():
    """Five squared deviations are divided by five; by four is for estimates of new data."""
    return 40 / 4


# %% mistake of="var_of_z" fails="the statistics of z are right on paper"
def gives_the_standard_deviation():
    """That is the standard deviation; the variance is its square."""
    return 8**0.5


# %% mistake of="normalized_z" fails="what becomes of z is right on paper"
def divides_z_by_the_variance():
    """The deviations are divided by the standard deviation, which is the root of the variance."""
    return torch.tensor([-4.0, -2.0, 0.0, 2.0, 4.0]) / 8


# %% mistake of="output_of_z" fails="what becomes of z is right on paper"
def shifts_z_first():
    """First the scale, then the shift: beta is not multiplied by gamma."""
    return 2 * (torch.tensor([-4.0, -2.0, 0.0, 2.0, 4.0]) / 8**0.5 - 1)
