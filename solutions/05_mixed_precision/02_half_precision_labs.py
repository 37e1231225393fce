# %% exercise [markdown] items="160" stars=2 minutes=50 level="analyze" goal="rearrange a computation so that 16 bits are enough for it"
r"""
# Sums, softmax and variance in 16 bits
Count to 3000 in fp16, one by one, and you never get there. Nothing overflows and nothing warns you:
from some number on, adding 1 changes nothing. Formulas that are equal on paper differ in 16 bits,
and three of them stand in every network.

**A sum.** What is added is rounded to the spacing of the total. The cures are a wider accumulator,
or to add numbers of the same size: *pairwise*, half of the numbers plus the other half.

**Softmax.** In fp16, $e^x$ is infinite from $x = 11.1$ on. For any $c$, and so for a convenient one,

$$ \frac{e^{x_i}}{\sum_j e^{x_j}} = \frac{e^{x_i - c}}{\sum_j e^{x_j - c}}, \qquad
   \log \frac{e^{x_i}}{\sum_j e^{x_j}} = x_i - c - \log \sum_j e^{x_j - c} $$

**A variance.** $E[x^2] - E[x]^2$ needs one pass over the data. Far from 0 it is the difference of
two huge numbers; in fp16, $300^2$ is infinite already. $E[(x - E[x])^2]$ needs two passes.

Write the functions below. Unless they say otherwise, they compute in the dtype of `x` and return
it. Look at two of the effects in figures.

PyTorch has some of these cures built in, so that the trouble shows where you write a formula
yourself. `torch.softmax` does not overflow, although many texts say so of "softmax in fp16": only
`x.exp() / x.exp().sum()` does. `x.sum()` of fp16 numbers adds in float32 and rounds once, at the
end, but its *result* is fp16: 70,000 ones give infinity.
"""

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect


# %% solution
def running_sums(x: Tensor) -> Tensor:
    """x[0], x[0] + x[1], ..., shape (n,) like `x`: one after the other, each rounded to x.dtype."""
    ### BEGIN SOLUTION
    sums = [x[0]]
    for value in x[1:]:
        sums.append(sums[-1] + value)
    return torch.stack(sums)
    ### END SOLUTION


def sum_in_float32(x: Tensor) -> Tensor:
    """The sum of `x`, shape (n,), with a float32 accumulator. It is returned in float32."""
    ### BEGIN SOLUTION
    return x.sum(dtype=torch.float32)
    ### END SOLUTION


def pairwise_sum(x: Tensor) -> Tensor:
    """The sum of `x`, shape (n,), n at least 1: the sum of one half plus that of the other.

    Each half is summed in the same way, and every addition is rounded to x.dtype. If n is odd, the
    halves differ by one.
    """
    ### BEGIN SOLUTION
    if len(x) == 1:
        return x[0]
    middle = len(x) // 2
    return pairwise_sum(x[:middle]) + pairwise_sum(x[middle:])
    ### END SOLUTION


def plot_running_sums(sums: dict[str, Tensor]) -> Figure:
    """One line a name: the running sums over how many numbers were added, 1 for the first.

    Say what the axes and the picture show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, values in sums.items():
        axes.plot(range(1, len(values) + 1), values.double(), label=name)
    axes.set(xlabel="numbers added", ylabel="sum so far", title="Counting by ones")
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
# From 1024 to 2048 the numbers of fp16 are 1 apart; 1025 + 1024 = 2049 lies in the middle of two.
few = torch.tensor([1025.0, 1024.0, 1.0, 1.0]).half()
expect.close(
    running_sums(few.clone()),
    torch.tensor([1025.0, 2048.0, 2048.0, 2048.0]).half(),
    rtol=0.0,
    when="adding 1025, 1024, 1 and 1 in fp16, one after the other",
    think="Above 2048 the numbers are 2 apart. Where does 2048 + 1 go?",
)
expect.close(
    sum_in_float32(few.clone()),
    torch.tensor(2051.0),
    when="adding 1025, 1024, 1 and 1 in float32",
    think="Is it the accumulator that is in float32, or only the result?",
)
expect.close(
    pairwise_sum(few.clone()),
    torch.tensor(2050.0).half(),
    rtol=0.0,
    when="adding 1025, 1024, 1 and 1 in fp16, pairwise",
    think="1025 + 1024 is one half, 1 + 1 the other.",
)

# %% check
ones = torch.ones(3000)
counts = {"exact": running_sums(ones.clone())}
counts["fp16"] = running_sums(ones.half())
counts["bf16"] = running_sums(ones.bfloat16())
expect.figure(
    plot_running_sums(counts),
    when="drawing how far one gets when counting to 3000 in fp16 and bf16",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=3,
)


# %% solution
def softmax(x: Tensor) -> Tensor:
    """The softmax over the last dimension of `x`, shape (..., K), for logits of any size.

    Some logits may be -inf, which masks them, but never all of a row.
    """
    ### BEGIN SOLUTION
    e = (x - x.amax(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)
    ### END SOLUTION


def log_softmax(x: Tensor) -> Tensor:
    """The logarithm of `softmax(x)`, also where that is too small for the dtype."""
    ### BEGIN SOLUTION
    shifted = x - x.amax(dim=-1, keepdim=True)
    return shifted - shifted.exp().sum(dim=-1, keepdim=True).log()
    ### END SOLUTION


# %% check
# Both logits are far beyond 11. Their difference is ln 3, so the odds are 1 to 3.
logits = torch.tensor([100.0, 100.0 + 1.0986], dtype=torch.float16)
expect.close(
    softmax(logits.clone()),
    torch.tensor([0.25, 0.75]).half(),
    rtol=0.02,  # at 100, fp16 is 1/16 apart: the difference of the logits is 1.125
    when="taking the softmax of 100 and 101.1 in fp16",
    think="Which number may be taken from all logits, so that no exponential is large?",
)
expect.close(
    log_softmax(torch.tensor([0.0, 30.0]).half()),
    torch.tensor([-30.0, 0.0]).half(),
    when="taking the logarithm of the softmax of 0 and 30 in fp16",
    think="e^-30 is 0 in fp16, and its logarithm is lost. Is there a way around it?",
)


# %%
def one_pass_variance(x: Tensor) -> Tensor:
    """The biased variance of `x`, from the means of x and of x squared."""
    return x.square().mean() - x.mean().square()


def relative_error(variance: Tensor, x: Tensor) -> float:
    """How far off a variance of `x` is, as a part of the true one."""
    true = x.double().var(unbiased=False)
    return ((variance.double() - true).abs() / true).item()


# %% solution
def two_pass_variance(x: Tensor) -> Tensor:
    """The biased variance of `x`, shape (n,): its squared distances from its mean, averaged."""
    ### BEGIN SOLUTION
    return (x - x.mean()).square().mean()
    ### END SOLUTION


def plot_variance_errors(deviations: Tensor, offsets: list[float]) -> Figure:
    """The relative errors of both variances of `deviations + offset`, over the offset.

    One line for `one_pass_variance`, one for yours, both axes logarithmic, all in the dtype of
    `deviations`. Say what the axes and the picture show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, variance in {"one pass": one_pass_variance, "two passes": two_pass_variance}.items():
        shifted = [deviations + offset for offset in offsets]
        axes.plot(offsets, [relative_error(variance(x), x) for x in shifted], label=name)
    axes.set(xscale="log", yscale="log", xlabel="offset", ylabel="relative error of the variance")
    axes.set_title("The variance of numbers that are far from zero")
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
# 296 and 304 are 4 away from their mean. Their squares are infinite in fp16.
far = torch.tensor([296.0, 304.0, 296.0, 304.0]).half()
expect.close(
    two_pass_variance(far.clone()),
    torch.tensor(16.0).half(),
    when="taking the variance of 296, 304, 296, 304 in fp16",
    think="What is squared: the numbers, or how far they are from their mean?",
)
torch.manual_seed(0)
expect.figure(
    plot_variance_errors(torch.randn(500), [10.0 ** (k / 4) for k in range(25)]),
    when="drawing the errors of two variances in float32, offsets from 1 to 10^6",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=2,
    xscale="log",
    yscale="log",
)

# %% hidden aspect="running_sums rounds after every addition" points=1
from autograder import reference

torch.manual_seed(1)
for name, dtype in {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}.items():
    for what, x in {
        "2000 and 90 ones": torch.cat([torch.tensor([2000.0]), torch.ones(90)]),
        "90 numbers between 0 and 1": torch.rand(90),
        "90 numbers of both signs": 100 * torch.randn(90),
        "a single number": torch.randn(1),
    }.items():
        x = x.to(dtype)
        expect.close(
            running_sums(x.clone()),
            reference.running_sums(x),
            rtol=0.0,  # the same additions in the same order
            when=f"adding {what} in {name}, one after the other",
            think="One addition at a time, and every total is a number of this dtype.",
        )

# %% hidden aspect="sum_in_float32 adds and answers in float32" points=1
torch.manual_seed(2)
for name, dtype in {"fp16": torch.float16, "bf16": torch.bfloat16}.items():
    for what, x in {
        "3001 ones": torch.ones(3001),
        "40 times 60000": torch.full((40,), 60000.0),
        "1000 numbers between 0 and 1": torch.rand(1000),
        "30000, 1 and -30000": torch.tensor([30000.0, 1.0, -30000.0]),
    }.items():
        x = x.to(dtype)
        expect.close(
            sum_in_float32(x.clone()),
            x.double().sum().float(),
            when=f"adding {what}, stored in {name}, in float32",
            think="Both the total on its way and the result have to be wide enough.",
        )

# %% hidden aspect="pairwise_sum adds halves, in the dtype it is given" points=1
torch.manual_seed(3)
# At most 9 roundings lie between a number and the sum, each by half an ulp: 9 * 2^-11, 9 * 2^-8.
# One by one, 221 of them are a sixth short in bf16: from 512 to 1024 each of them counts as 4.
for name, dtype, rtol in (("fp16", torch.float16, 5e-3), ("bf16", torch.bfloat16, 4e-2)):
    for n in (1, 2, 3, 7, 100, 443):
        x = (5 + torch.rand(n)).to(dtype)
        expect.close(
            pairwise_sum(x.clone()),
            x.double().sum().to(dtype),
            rtol=rtol,
            when=f"adding {n} numbers between 5 and 6 in {name}, pairwise",
            think="Every number belongs to one half, also if their count is odd.",
        )
# Of four, one pair makes 2050, the other 2049, which goes to 2048; then 4098 goes to 4096.
four = torch.tensor([1025.0, 1025.0, 1025.0, 1024.0]).half()
for x, wanted in ((four[torch.randperm(4)], 4096.0), (four.repeat(2), 8192.0)):
    expect.close(
        pairwise_sum(x.clone()),
        torch.tensor(wanted).half(),
        rtol=0.0,
        when=f"adding {x.int().tolist()} in fp16, pairwise",
        think="Halves of halves, until there are pairs; every addition is rounded to fp16.",
    )

# %% hidden aspect="the figure of the running sums shows them over their number" points=1
torch.manual_seed(4)
sums = {name: torch.randn(n).double().cumsum(0) for name, n in {"this": 6, "that": 9}.items()}
expect.figure(
    plot_running_sums({name: values.clone() for name, values in sums.items()}),
    when="drawing running sums of six and of nine numbers",
    think="The first sum is that of one number.",
    lines=[(range(1, len(values) + 1), values) for values in sums.values()],
    legend=2,
)

# %% hidden aspect="softmax is right for logits of any size" points=1
torch.manual_seed(5)
for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
    for shape in ((5,), (3, 4), (2, 3, 6)):
        for size, shift in ((2.0, 0.0), (3.0, 60.0), (3.0, -60.0), (4000.0, 0.0)):
            x = (size * torch.randn(*shape).double()).to(dtype) + shift
            if len(shape) > 1:
                x[0] = x[0] - 300  # rows far from each other
                x[..., 1] = -torch.inf
            expect.close(
                softmax(x.clone()),
                torch.softmax(x.double(), dim=-1).to(dtype),
                when=f"taking the softmax of logits around {shift:g} give or take {size:g}, "
                f"shape {shape}, {str(dtype)[6:]}",
                think="Each row has a number of its own to take off, so that its largest is 0.",
            )

# %% hidden aspect="log_softmax is right even where the probability is 0" points=1
torch.manual_seed(6)
for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
    for shape in ((5,), (3, 4), (2, 3, 6)):
        for size, shift in ((2.0, 0.0), (3.0, 60.0), (100.0, -60.0), (4000.0, 0.0)):
            x = (size * torch.randn(*shape).double()).to(dtype) + shift
            if len(shape) > 1:
                x[0] = x[0] - 300
            expect.close(
                log_softmax(x.clone()),
                torch.log_softmax(x.double(), dim=-1).to(dtype),
                when=f"taking log softmax of logits around {shift:g} give or take {size:g}, "
                f"shape {shape}, {str(dtype)[6:]}",
                think="Take the logarithm on paper first: which exponentials are left?",
            )
large = torch.tensor([1000.0, 999.5]).half()  # from 512 on, fp16 is 1/2 apart
expect.close(
    log_softmax(large.clone()),
    torch.log_softmax(large.double(), dim=-1).half(),
    when="taking log softmax of 1000 and 999.5 in fp16",
    think="Every number that is as large as the logits is rounded as coarsely as they are.",
)

# %% hidden aspect="two_pass_variance is right far from zero" points=1
torch.manual_seed(7)
# Rounding the mean by half an ulp of it adds the square of that: at most 0.13^2 to 100 in fp16,
# 1^2 to 400 in bf16, 0.001^2 to 1 in float32.
for dtype, offset, spread, rtol in (
    (torch.float16, 300.0, 10.0, 2e-2),
    (torch.bfloat16, -300.0, 20.0, 5e-2),
    (torch.float32, 1e4, 1.0, 1e-4),
    (torch.float64, -1e8, 1.0, 1e-8),
):
    for n in (5, 64):
        # Half of them to either side, so that the variance is never small.
        sides = torch.arange(n) % 2 * 2 - 1
        x = (offset + spread * (sides + 0.2 * torch.rand(n).double())).to(dtype)
        expect.close(
            two_pass_variance(x.clone()),
            x.double().var(unbiased=False).to(dtype),
            rtol=rtol,
            when=f"taking the variance of {n} numbers around {offset:g}, {str(dtype)[6:]}",
            think="The mean first, then the squared distances from it, then their mean.",
        )

# %% hidden aspect="the figure of the variances shows both errors" points=1
torch.manual_seed(8)
deviations = torch.randn(50)
offsets = [(2 + torch.rand(()).item()) * 10.0**k for k in (0, 1, 2, 3, 4)]
lines = []
for variance in (one_pass_variance, two_pass_variance):
    shifted = [deviations + offset for offset in offsets]
    lines.append((offsets, [relative_error(variance(x), x) for x in shifted]))
expect.figure(
    plot_variance_errors(deviations.clone(), list(offsets)),
    when="drawing the errors of both variances at five offsets, in float32",
    think="`relative_error` says how far a variance of x is off; x is shifted by the offset.",
    lines=lines,
    legend=2,
    xscale="log",
    yscale="log",
)

# %% hidden aspect="the arguments stay as they were" points=1
torch.manual_seed(9)
x, logits = torch.rand(20).half(), torch.randn(3, 4).half()
calls = {"running_sums": running_sums, "sum_in_float32": sum_in_float32}
calls |= {"pairwise_sum": pairwise_sum, "two_pass_variance": two_pass_variance}
calls |= {"softmax": softmax, "log_softmax": log_softmax}
for name, call in calls.items():
    given = (logits if "softmax" in name else x).clone()
    with expect.unchanged(
        x=given,
        when=f"calling {name}",
        think="`a -= b` writes into the caller's tensor; `a - b` makes a new one.",
    ):
        result = call(given)
    expect.kind(result, torch.Tensor, when=f"calling {name}")

# %% setup
import torch
from autograder.authoring.quiz import draw

# %% numeric [markdown] id="where-it-stalls" points=1 rtol=0.001
r"""
A counter starts at 0 and adds {{v}} again and again. Every sum is rounded to {{name}}, a format
with {{bits}} bits of fraction. At which value does the counter stop?
"""

# %% key
name, bits = draw([("fp16", 10), ("bf16", 7)])
v = draw([0.125, 0.25, 4, 8])
answer = v * 2 ** (bits + 1)
slips = {
    "There a counter stops that adds 1. What matters is the spacing compared with what is added.": (
        2.0 ** (bits + 1)
    ),
    "There the spacing becomes as large as what is added: the sums are still exact.": v * 2**bits,
    "There the spacing is four times what is added. Twice is enough: where does a tie go?": (
        v * 2 ** (bits + 2)
    ),
    "It does not overflow: it stops long before the largest number.": (
        torch.finfo(torch.float16 if name == "fp16" else torch.bfloat16).max
    ),
}

# %% evidence
dtype = torch.float16 if name == "fp16" else torch.bfloat16
total, added = torch.zeros((), dtype=dtype), torch.tensor(v, dtype=dtype)
while total + added != total:
    total = total + added
assert total.item() == answer


# %% alternative of="running_sums"
def with_an_accumulator(x):
    total, sums = torch.zeros((), dtype=x.dtype), torch.empty_like(x)
    for k in range(len(x)):
        total = total + x[k]
        sums[k] = total
    return sums


# %% alternative of="sum_in_float32"
def with_a_cast(x):
    total = torch.zeros(1)
    for value in x.float():
        total += value
    return total[0]


# %% alternative of="pairwise_sum"
def with_neighbours(x):
    while len(x) > 1:
        rest = x[len(x) - len(x) % 2 :]
        x = torch.cat([x[0 : len(x) - len(rest) : 2] + x[1::2], rest])
    return x[0]


# %% alternative of="softmax"
def by_way_of_the_logarithm(x):
    return log_softmax(x).exp()


# %% alternative of="log_softmax"
def with_logsumexp_of_the_rest(x):
    top, _ = x.max(dim=-1, keepdim=True)
    return (x - top) - torch.logsumexp(x - top, dim=-1, keepdim=True)


# %% alternative of="two_pass_variance"
def with_a_scalar_product(x):
    centred = x - x.sum() / len(x)
    return (centred * centred).sum() / len(x)


# %% mistake of="running_sums" fails="running_sums rounds after every addition"
def trusts_cumsum(x):
    """cumsum keeps a wider total inside and rounds what it writes out; here the total is rounded."""
    return torch.cumsum(x, dim=0)


# %% mistake of="running_sums" fails="running_sums rounds after every addition"
def adds_in_python(x):
    """A Python number is float64: the total has to be a number of x.dtype after every addition."""
    total, sums = 0.0, []
    for value in x:
        total += value.item()
        sums.append(total)
    return torch.tensor(sums, dtype=x.dtype)


# %% mistake of="sum_in_float32" fails="sum_in_float32 adds and answers in float32"
def widens_the_result(x):
    """x.sum() is rounded to x.dtype before it is widened: what was lost or infinite stays so."""
    return x.sum().float()


# %% mistake of="sum_in_float32" fails="sum_in_float32 adds and answers in float32"
def narrows_the_result(x):
    """The sum of fp16 numbers may be more than fp16 holds: leave the result in float32."""
    return x.float().sum().to(x.dtype)


# %% mistake of="pairwise_sum" fails="pairwise_sum adds halves, in the dtype it is given"
def adds_one_by_one(x):
    """One by one, the total soon is so large that what is added is rounded away."""
    total = x[0].clone()
    for value in x[1:]:
        total = total + value
    return total


# %% mistake of="pairwise_sum" fails="pairwise_sum adds halves, in the dtype it is given"
def loses_the_odd_one(x):
    """If the count is odd, the halves differ by one; none of the numbers may be left out."""
    while len(x) > 1:
        even = len(x) // 2 * 2
        x = x[0:even:2] + x[1:even:2]
    return x[0]


# %% mistake of="pairwise_sum" fails="pairwise_sum adds halves, in the dtype it is given"
def uses_a_wider_accumulator(x):
    """That is the other cure; pairwise summation is the one that needs no wider format."""
    return x.float().sum().to(x.dtype)


# %% mistake of="plot_running_sums" fails="the figure of the running sums shows them over their number"
def counts_from_zero(sums):
    """The first of the sums has one number in it, so its place on the axis is 1."""
    figure, axes = plt.subplots()
    for name, values in sums.items():
        axes.plot(values.double(), label=name)
    axes.set(xlabel="numbers added", ylabel="sum", title="Sums")
    axes.legend()
    return figure


# %% mistake of="softmax" fails="softmax is right for logits of any size"
def takes_the_formula_literally(x):
    """Exponentials overflow in fp16 from 11.1 on: take the largest logit off first."""
    return x.exp() / x.exp().sum(dim=-1, keepdim=True)


# %% mistake of="softmax" fails="softmax is right for logits of any size"
def takes_off_the_mean(x):
    """Some logit may still lie far above the mean; only below the largest is nothing above 0."""
    e = (x - x.mean(dim=-1, keepdim=True)).exp()
    return e / e.sum(dim=-1, keepdim=True)


# %% mistake of="softmax" fails="softmax is right for logits of any size"
def takes_off_the_largest_of_all(x):
    """Each row needs its own largest logit: a row far below another one becomes 0 / 0."""
    e = (x - x.max()).exp()
    return e / e.sum(dim=-1, keepdim=True)


# %% mistake of="softmax" fails="softmax is right for logits of any size"
def cuts_large_logits(x):
    """Cutting logits makes different ones equal; taking a number off keeps their differences."""
    e = x.clamp(-10, 10).exp()
    return e / e.sum(dim=-1, keepdim=True)


# %% mistake of="softmax" fails="the arguments stay as they were"
def shifts_in_place(x):
    """`-=` changes the caller's logits, which somebody may still need; `x - ...` makes new ones."""
    x -= x.amax(dim=-1, keepdim=True)
    return x.exp() / x.exp().sum(dim=-1, keepdim=True)


# %% mistake of="log_softmax" fails="log_softmax is right even where the probability is 0"
def takes_the_logarithm_of_softmax(x):
    """A probability below 3e-8 is 0 in fp16, and the logarithm of 0 is minus infinity."""
    return softmax(x).log()


# %% mistake of="log_softmax" fails="log_softmax is right even where the probability is 0"
def adds_a_small_number(x):
    """A small number added makes the logarithm finite, not right: it stops at log of that number."""
    return (softmax(x) + 1e-6).log()


# %% mistake of="log_softmax" fails="log_softmax is right even where the probability is 0"
def takes_off_a_large_logsumexp(x):
    """logsumexp is as large as the logits, and rounded as they are: take the largest off first."""
    return x - torch.logsumexp(x, dim=-1, keepdim=True)


# %% mistake of="two_pass_variance" fails="two_pass_variance is right far from zero"
def takes_one_pass(x):
    """Far from 0 this is a small difference of two huge, rounded numbers, if they are finite."""
    return x.square().mean() - x.mean().square()


# %% mistake of="two_pass_variance" fails="two_pass_variance is right far from zero"
def divides_by_one_less(x):
    """The biased variance is the mean of the squared distances: it divides by n."""
    return (x - x.mean()).square().sum() / (len(x) - 1)


# %% mistake of="two_pass_variance" fails="two_pass_variance is right far from zero"
def cuts_negative_results(x):
    """A variance below 0 is a sign that all digits are lost; cut to 0 it is no better."""
    return (x.square().mean() - x.mean().square()).clamp(min=0)


# %% mistake of="plot_variance_errors" fails="the figure of the variances shows both errors"
def draws_the_variances(deviations, offsets):
    """The errors were asked for; the variances themselves hide all that is smaller than a percent."""
    figure, axes = plt.subplots()
    for name, variance in {"one pass": one_pass_variance, "two passes": two_pass_variance}.items():
        axes.plot(offsets, [variance(deviations + o).item() for o in offsets], label=name)
    axes.set(xscale="log", yscale="log", xlabel="offset", ylabel="variance", title="Variances")
    axes.legend()
    return figure


# %% mistake of="plot_variance_errors" fails="the figure of the variances shows both errors"
def draws_on_plain_axes(deviations, offsets):
    """The errors span ten powers of ten: on plain axes all but the largest lie on the ground."""
    figure, axes = plt.subplots()
    for name, variance in {"one pass": one_pass_variance, "two passes": two_pass_variance}.items():
        shifted = [deviations + offset for offset in offsets]
        axes.plot(offsets, [relative_error(variance(x), x) for x in shifted], label=name)
    axes.set(xlabel="offset", ylabel="error", title="Variances")
    axes.legend()
    return figure
