# %% exercise [markdown] items="37 38 39" stars=2 minutes=45 level="analyze" goal="tell what a number format keeps of a gradient, and what a loss scale rescues"
r"""
# 7.18 What fp16, bf16 and fp32 can hold
A gradient that its format cannot hold is lost before the optimizer has seen it, and nothing warns
you. A binary format with $E$ bits of exponent and $F$ bits of fraction holds zero, infinity and

$$ \text{normal: } \pm 2^{e} \left(1 + \frac{m}{2^F}\right) \qquad
   \text{subnormal: } \pm 2^{e_{\min}} \cdot \frac{m}{2^F}, \qquad m = 0, 1, \dots, 2^F - 1 $$

with $e$ from $e_{\min} = 2 - 2^{E-1}$ to $e_{\max} = 2^{E-1} - 1$. A number in between is stored as
its nearest neighbour; one exactly in the middle goes to the neighbour with even $m$; one that is
rounded up to $2^{e_{\max} + 1}$, or beyond, becomes infinite.

"The largest integer that a format represents exactly" is asked in many courses and has two answers:
the largest number of all (in these three formats an integer), and the $N$ up to which no integer
is missing. Write functions for both, for the *spacing* of the numbers, for what is stored in place
of a number, and for what a loss scale does about it. Look at the spacing in a figure.

*Hint:* `math.frexp(x)` returns $s, k$ with $x = s \cdot 2^k$ and $1/2 \le |s| < 1$, exactly; a
logarithm is rounded. For $x = 0$ it says $k = 0$.

*Hint:* if the neighbours of $x$ are a step apart, they are multiples of that step. Python's `round`
takes halves to the even side.
"""

# %%
import math

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from autograder import expect

# Bits of exponent and of fraction. In all functions below they are called E and F.
FORMATS = {"fp16": (5, 10), "bf16": (8, 7), "fp32": (8, 23)}
TOY = 3, 2  # a format small enough to work out on paper


# %% solution
def largest(E: int, F: int) -> float:
    """The largest finite number of the format."""
    ### BEGIN SOLUTION
    return 2.0 ** (2 ** (E - 1) - 1) * (2 - 2.0**-F)
    ### END SOLUTION


def all_integers_up_to(E: int, F: int) -> int:
    """The largest N for which 0, 1, 2, ..., N are all numbers of the format."""
    ### BEGIN SOLUTION
    return 2 ** (F + 1)
    ### END SOLUTION


# %% check
# The normal numbers of the toy format are 1, 1.25, 1.5, 1.75 times 1/4, 1/2, 1, 2, 4, 8; its
# subnormals 1/16, 2/16, 3/16.
expect.close(
    largest(*TOY),
    14.0,
    when="asking for the largest number of the toy format",
    think="Which exponent is the largest, and which fraction?",
)
expect.equal(
    all_integers_up_to(*TOY),
    8,
    when="asking up to where the toy format has all integers",
    think="From which power of two on are the numbers more than 1 apart?",
)


# %% solution
def spacing(x: float, E: int, F: int) -> float:
    """How far the two numbers of the format around |x| are apart, |x| at most the largest.

    If |x| is one of them, this is the distance to the next larger one. `x` may be 0.
    """
    ### BEGIN SOLUTION
    smallest_normal = 2.0 ** (2 - 2 ** (E - 1))
    _, k = math.frexp(max(abs(x), smallest_normal))
    return 2.0 ** (k - 1 - F)
    ### END SOLUTION


def nearest(x: float, E: int, F: int) -> float:
    """The number that is stored in place of `x`. It may be infinite; `x` is finite."""
    ### BEGIN SOLUTION
    step = spacing(x, E, F)
    rounded = round(x / step) * step
    return rounded if abs(rounded) < 2.0**2 ** (E - 1) else math.copysign(math.inf, x)
    ### END SOLUTION


def stored_as(x: float, E: int, F: int) -> str:
    """What is stored in place of `x`: "zero", "subnormal", "normal" or "infinite"."""
    ### BEGIN SOLUTION
    size = abs(nearest(x, E, F))
    if size in (0.0, math.inf):
        return "infinite" if size else "zero"
    return "normal" if size >= 2.0 ** (2 - 2 ** (E - 1)) else "subnormal"
    ### END SOLUTION


# %% check
for x, step in ((1.0, 1 / 4), (3.3, 1 / 2), (0.3, 1 / 16), (0.03, 1 / 16)):
    expect.close(
        spacing(x, *TOY),
        step,
        when=f"asking how far the numbers of the toy format around {x:g} are apart",
        think="List its numbers from 0 to 4 and look.",
    )
for x, wanted, kind in ((2.6, 2.5, "normal"), (0.14, 1 / 8, "subnormal"), (0.02, 0.0, "zero")):
    expect.close(
        nearest(x, *TOY),
        wanted,
        when=f"storing {x:g} in the toy format",
        think="Which are its two neighbours, and which of them is closer?",
    )
    expect.equal(
        stored_as(x, *TOY),
        kind,
        when=f"asking what {x:g} is stored as in the toy format",
        think="The smallest normal number is 1/4.",
    )


# %% solution
def relative_error(g: float, E: int, F: int, scale: float = 1.0) -> float:
    """How far off the gradient `g`, not 0, is after its journey, as a part of |g|.

    It is computed from a loss that was multiplied by `scale`, so `scale * g` is what the format
    stores; then it is divided by `scale` again, in float64.
    """
    ### BEGIN SOLUTION
    return abs(nearest(scale * g, E, F) / scale - g) / abs(g)
    ### END SOLUTION


def smallest_scale(g: float, E: int, F: int) -> float:
    """The smallest of 1, 2, 4, 8, ... with which `g`, not 0, is stored as a normal number.

    `g` is at most the largest number of the format.
    """
    ### BEGIN SOLUTION
    scale = 1.0
    while stored_as(scale * g, E, F) != "normal":
        scale *= 2
    return scale
    ### END SOLUTION


def plot_spacing(magnitudes: list[float]) -> Figure:
    """One line each of FORMATS, under its name: the spacing over those magnitudes that it reaches.

    Both axes are logarithmic. Say what they and the picture show.
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(layout="constrained")
    for name, bits in FORMATS.items():
        reached = [x for x in magnitudes if x <= largest(*bits)]
        axes.plot(reached, [spacing(x, *bits) for x in reached], label=name)
    axes.set(xscale="log", yscale="log", xlabel="magnitude", ylabel="distance to the next number")
    axes.set_title("How far apart the numbers of a format are")
    axes.legend()
    return figure
    ### END SOLUTION


# %% check
# 0.03 is stored as 0: all of it is lost. 16 times that, 0.48, is stored as 1/2.
expect.close(
    relative_error(0.03, *TOY),
    1.0,
    when="storing 0.03 in the toy format and asking how far off it is",
    think="As a part of what was to be stored, without a sign.",
)
expect.close(
    relative_error(0.03, *TOY, scale=16.0),
    1 / 24,
    when="storing 16 * 0.03 in the toy format and dividing by 16 again",
    think="What comes back is 1/32. How far is that from 0.03, as a part of 0.03?",
)
expect.close(
    smallest_scale(0.14, *TOY),
    2.0,
    when="asking which scale makes 0.14 a normal number of the toy format",
    think="The smallest normal number is 1/4.",
)

# %% check
# From left to right, fp16 is flat, then goes along with the others: below its smallest normal
# number the precision is absolute, above it relative. Further to the left the others turn flat too.
expect.figure(
    plot_spacing([2.0 ** (k / 8) for k in range(-240, 161)]),
    when="drawing the spacing of three formats from 2^-30 to 2^20",
    think="A picture is read without its author: what is on each axis, and which line is which?",
    legend=3,
    xscale="log",
    yscale="log",
)

# %% hidden aspect="largest is the largest finite number" points=2
dtypes = torch.float16, torch.bfloat16, torch.float32, torch.float8_e5m2, torch.float64
for name, dtype, bits in zip(
    ("fp16", "bf16", "fp32", "an 8-bit format", "fp64"),
    dtypes,
    ((5, 10), (8, 7), (8, 23), (5, 2), (11, 52)),
    strict=True,
):
    expect.close(
        largest(*bits),
        torch.finfo(dtype).max,
        rtol=1e-12,
        when=f"asking for the largest number of {name}, E = {bits[0]} and F = {bits[1]}",
        think="Take the largest exponent and the largest fraction; all ones is not yet 2.",
    )

# %% hidden aspect="all_integers_up_to is where integers begin to be missing" points=2
dtypes = torch.float16, torch.bfloat16, torch.float32, torch.float8_e5m2, torch.float64
for name, dtype, bits in zip(
    ("fp16", "bf16", "fp32", "an 8-bit format", "fp64"),
    dtypes,
    ((5, 10), (8, 7), (8, 23), (5, 2), (11, 52)),
    strict=True,
):
    # eps is the spacing at 1; at 2 / eps it is 2, for the first time.
    expect.equal(
        all_integers_up_to(*bits),
        round(2 / torch.finfo(dtype).eps),
        when=f"asking up to where {name}, E = {bits[0]} and F = {bits[1]}, has all integers",
        think="How far apart are the numbers below this N, and how far above it? Is N one of them?",
    )

# %% hidden aspect="spacing doubles with each power of two and is constant near zero" points=1
from autograder import reference

torch.manual_seed(3)
for name, bits in {**FORMATS, "an 8-bit format": (5, 2)}.items():
    for power in (-140, -20, -14, -3, 0, 12):
        x = 2.0**power * (1.1 + 0.8 * torch.rand(()).item())
        for value in (x, -x, 2.0**power):
            expect.close(
                spacing(value, *bits),
                reference.spacing(value, *bits),
                atol=0.0,
                when=f"asking for the spacing of {name} around {value:g}",
                think="2^F numbers between neighbouring powers of two, and as many up to the first.",
            )
    expect.close(
        spacing(0.0, *bits),
        reference.spacing(0.0, *bits),
        atol=0.0,
        when=f"asking for the spacing of {name} around 0",
        think="The next number after 0 is the smallest subnormal.",
    )

# %% hidden aspect="nearest is the closest number, and of two the even one" points=1
torch.manual_seed(4)
dtypes = {"fp16": torch.float16, "bf16": torch.bfloat16, "an 8-bit format": torch.float8_e5m2}
for name, bits in {"fp16": (5, 10), "bf16": (8, 7), "an 8-bit format": (5, 2)}.items():
    # The random ones are float32, so that torch rounds them once. Then gradients, ties at 1 and at
    # the smallest subnormal, and the last number before infinity and the first behind it.
    ulp, tiny = 2.0 ** -bits[1], 2.0 ** (2 - 2 ** (bits[0] - 1) - bits[1])
    ties = [1 + k * ulp for k in (0.5, 1.5, 2.5)] + [k * tiny for k in (0.5, 1.5, 2.5)]
    top = torch.finfo(dtypes[name]).max * (1 + ulp / (4 - 2 * ulp) * 0.99)
    random = torch.randn(6) * torch.tensor([1e4, 1.0, 1e-3, 1e-5, 1e-6, 1e-7])
    for x in (*random.tolist(), 3.2e-6, 2e-8, 0.2097152, -3.0, *ties, top):
        expect.close(
            nearest(x, *bits),
            torch.tensor(x, dtype=torch.float64).to(dtypes[name]).double().item(),
            atol=0.0,
            when=f"storing {x!r} in {name}, E = {bits[0]} and F = {bits[1]}",
            think="Which multiples of the spacing are next to it? In the middle, m is even.",
        )
for x, wanted in ((65519.0, 65504.0), (65520.0, math.inf), (-65520.0, -math.inf)):
    expect.close(
        nearest(x, 5, 10),
        wanted,
        when=f"storing {x:g} in fp16",
        think="Numbers are rounded first; what then reaches 2^16 is infinite, with its sign.",
    )

# %% hidden aspect="stored_as tells what is left after rounding" points=1
cases = [
    (3.2e-6, "fp16", "subnormal"),
    (3.2e-6, "bf16", "normal"),
    (2e-8, "fp16", "zero"),
    (-2e-8, "bf16", "normal"),
    (3.1e-8, "fp16", "subnormal"),
    (-6.2e-5, "fp16", "normal"),
    (2.0**-14, "fp16", "normal"),
    (-6e-5, "fp16", "subnormal"),
    (1e-39, "fp32", "subnormal"),
    (1e-39, "bf16", "subnormal"),
    (1e-46, "fp32", "zero"),
    (65510.0, "fp16", "normal"),
    (-70000.0, "fp16", "infinite"),
    (70000.0, "bf16", "normal"),
    (3.4e38, "bf16", "infinite"),
    (3.4e38, "fp32", "normal"),
]
for x, name, wanted in cases:
    expect.equal(
        stored_as(x, *FORMATS[name]),
        wanted,
        when=f"asking what {x:g} is stored as in {name}",
        think="It is the stored number that counts, not the one before rounding.",
    )

# %% hidden aspect="relative_error compares what comes back with the gradient" points=1
torch.manual_seed(6)
gradients = [3.2e-6, -3.2e-6, 2e-8, 0.3, *(1e-5 * torch.rand(3) + 1e-7).tolist()]
for name, dtype in {"fp16": torch.float16, "bf16": torch.bfloat16}.items():
    for g in gradients:
        for scale in (1.0, 1024.0, 65536.0):
            stored = torch.tensor(g * scale, dtype=torch.float64).to(dtype).double().item()
            expect.close(
                relative_error(g, *FORMATS[name], scale=scale),
                abs(stored / scale - g) / abs(g),
                atol=1e-13,
                when=f"sending the gradient {g:g} through {name} with the scale {scale:g}",
                think="Scale, store, unscale; then the distance, as a part of the true gradient.",
            )
expect.close(
    relative_error(2.0, *FORMATS["fp16"], scale=65536.0),
    math.inf,
    when="sending the gradient 2 through fp16 with the scale 65536",
    think="2 * 65536 is more than fp16 holds, and infinity divided by 65536 is no smaller.",
)

# %% hidden aspect="smallest_scale makes a gradient normal, and half of it does not" points=1
torch.manual_seed(7)
for name, power in (("fp16", -14), ("bf16", -126), ("fp32", -126)):
    for k in (-9, -4, -1, 0, 3):
        # From 1.05 to 1.95 times a power of two: so far from the edge that rounding cannot help.
        for g in (2.0 ** (power + k) * (1.05 + 0.9 * torch.rand(()).item()), -(2.0 ** (power + k))):
            expect.close(
                smallest_scale(g, *FORMATS[name]),
                2.0 ** max(-k, 0),
                when=f"asking for the smallest scale that makes {g:g} normal in {name}",
                think="The smallest normal number is 2 to the power of e_min. The scale 1 counts.",
            )
for g, wanted in ((3.2e-6, 32.0), (2e-8, 4096.0)):
    expect.close(
        smallest_scale(g, *FORMATS["fp16"]),
        wanted,
        when=f"asking for the smallest scale that makes {g:g} normal in fp16",
        think="A subnormal number is more than zero, but it is not normal.",
    )

# %% hidden aspect="the figure shows the spacing as far as each format reaches" points=1
torch.manual_seed(8)
start = 1 + torch.rand(()).item()
magnitudes = [start * 2.0**k for k in (-30, -24, -15, -13, -6, 0, 5, 13, 18, 20)]
lines = []
for bits in FORMATS.values():
    reached = [x for x in magnitudes if bits[0] > 5 or x < 65504]
    lines.append((reached, [spacing(x, *bits) for x in reached]))
expect.figure(
    plot_spacing(magnitudes),
    when="drawing your spacing at ten magnitudes from 2^-30 to 2^20",
    think="Each format has a line of its own, which ends at its largest number.",
    lines=lines,
    legend=3,
    xscale="log",
    yscale="log",
)

# %% setup
import math

import torch
from autograder.authoring.quiz import draw


def stored(value, dtype):
    """What a format keeps of a number."""
    return torch.tensor(value, dtype=torch.float64).to(dtype).double().item()


# %% choice [markdown] id="gradient-in-fp16" points=1
r"""
Many texts introduce loss scaling with a gradient of $3.2 \cdot 10^{-6}$ that fp16 cannot hold. What
does fp16 make of it?

- [ ] It is below $6.1 \cdot 10^{-5}$, the smallest normal number, so it becomes 0.
  > So the example is usually told. Below the smallest normal number lie 1023 subnormal ones; what is the smallest of them?
- [x] A subnormal number, wrong by a bit more than half a percent.
  > Yes: 54 of the smallest steps, of 5.96e-8 each. It is coarse, but not lost. A gradient of 2e-8 is lost.
- [ ] A normal number, wrong by at most 0.05 percent like all others.
  > Half a spacing is at most 0.05 percent of a normal number. Where do those begin?
- [ ] Exactly $3.2 \cdot 10^{-6}$, since it has only two digits.
  > Two decimal digits; in binary it has no end, so that no binary format holds it.
- [ ] $6.1 \cdot 10^{-5}$, the smallest normal number, because numbers are rounded to that.
  > Numbers go to the nearest neighbour. There are closer ones between 0 and that.
"""

# %% evidence
kept = stored(3.2e-6, torch.float16)
assert kept == 54 * 2.0**-24 and 0 < kept < torch.finfo(torch.float16).tiny
assert 0.005 < abs(kept - 3.2e-6) / 3.2e-6 < 0.006
assert stored(2e-8, torch.float16) == 0 and stored(2e-8, torch.bfloat16) > 0
assert all(stored(3.2e-6, d) != 3.2e-6 for d in (torch.float16, torch.bfloat16, torch.float32))
half = torch.arange(1, 1024, dtype=torch.int16).view(torch.float16)  # the bit patterns above 0
assert (half > 0).all() and half.max() < torch.finfo(torch.float16).tiny and len(half) == 1023

# %% numeric [markdown] id="smallest-rescued" points=1 rtol=0.01
r"""
Which is the smallest positive gradient that is still a *normal* number of fp16 when the loss is
multiplied by $2^{ {{k}} }$?
"""

# %% key
k = draw([6, 8, 12, 16])
answer = 2.0 ** (-14 - k)
slips = {
    "That is the smallest normal number itself; the scale is not in it.": 2.0**-14,
    "That is the smallest that becomes subnormal, with one bit left; the question is normal.": (
        2.0 ** (-24 - k)
    ),
    "Scaling makes gradients larger, so that smaller ones than before reach the normal numbers.": (
        2.0 ** (-14 + k)
    ),
    "The lowest code of the five exponent bits is for subnormals; normal numbers begin at 2 to the -14.": (
        2.0 ** (-15 - k)
    ),
}

# %% evidence
tiny = torch.finfo(torch.float16).tiny
assert stored(2.0**k * answer, torch.float16) >= tiny
assert stored(2.0**k * answer * 0.99, torch.float16) < tiny
weight = torch.ones((), dtype=torch.float16, requires_grad=True)
(weight.float() * answer * 2.0**k).backward()
assert weight.grad.item() == tiny

# %% text [markdown] id="why-scaling-helps" points=2
r"""
In one or two sentences: why is a gradient of $2 \cdot 10^{-8}$ saved by multiplying the *loss* by
$2^{16}$, and why is nothing saved by multiplying the gradient, once fp16 has stored it?

- [1] The backward pass multiplies every gradient by the same factor, so each is stored $2^{16}$ times larger, among the normal numbers, where the error is a small part of the number; a power of two changes only the exponent, so dividing later (in fp32) brings it back.
- [1] Stored without a scale it is rounded to 0 (half a spacing near zero is $3 \cdot 10^{-8}$), and 0 times any factor is 0: what rounding removed does not come back.
"""

# %% evidence
# A weight in fp16 whose gradient is 2e-8, without and with a scaled loss.
for scale, error in ((1.0, 1.0), (2.0**16, 5e-4)):
    weight = torch.ones((), dtype=torch.float16, requires_grad=True)
    (weight.float() * 2e-8 * scale).backward()
    back = weight.grad.float().item() / scale
    assert abs(back - 2e-8) / 2e-8 <= error and (back == 0) == (scale == 1)
    assert (weight.grad * 2.0**16 > 0) == (scale > 1)

# %% evidence
# A power of two rounds nothing among normal numbers, and dividing in fp32 undoes it; 60000 rounds.
x = (torch.rand(1000) * 0.9 + 0.07).half()
small = x.double() * 2.0**-10
assert small.min() >= torch.finfo(torch.float16).tiny
assert torch.equal(small.half().double(), small)
assert torch.equal(small.half().float() * 2.0**10, x.float())
assert not torch.equal((x.double() / 60000).float().double() * 60000, x.double())


# %% alternative of="largest"
def with_a_sum_of_bits(E, F):
    top = 2 ** (E - 1) - 1
    return float(sum(2 ** (top - k) for k in range(F + 1)))


# %% alternative of="all_integers_up_to"
def by_filling_all_bits(E, F):
    return int("1" * (F + 1), base=2) + 1


# %% alternative of="spacing"
def with_a_logarithm(x, E, F):
    lowest = 2 - 2 ** (E - 1)
    power = math.floor(math.log2(abs(x))) if x else lowest
    return 2.0 ** (max(power, lowest) - F)


# %% alternative of="nearest"
def with_two_neighbours(x, E, F):
    step = spacing(x, E, F)
    below = math.floor(abs(x) / step)
    rest = abs(x) / step - below
    up = rest > 0.5 or (rest == 0.5 and below % 2 == 1)
    size = (below + up) * step
    return math.copysign(size if size <= largest(E, F) else math.inf, x)


# %% alternative of="stored_as"
def with_the_smallest_normal_first(x, E, F):
    y = nearest(x, E, F)
    if math.isinf(y):
        return "infinite"
    if abs(y) >= 2.0 ** -(2 ** (E - 1) - 2):
        return "normal"
    return "subnormal" if y else "zero"


# %% alternative of="smallest_scale"
def with_the_logarithm_of_the_ratio(g, E, F):
    return 2.0 ** max(0, math.ceil(2 - 2 ** (E - 1) - math.log2(abs(g))))


# %% mistake of="largest" fails="largest is the largest finite number"
def takes_the_power_of_two_above(E, F):
    """1.11...1 in binary is one spacing short of 2, so the largest number is short of that power."""
    return 2.0 ** min(2 ** (E - 1), 1023)


# %% mistake of="largest" fails="largest is the largest finite number"
def gives_the_last_exponent_to_numbers(E, F):
    """The exponent whose bits are all ones stands for infinity and NaN, not for numbers."""
    return 2.0 ** min(2 ** (E - 1), 1022) * (2 - 2.0**-F)


# %% mistake of="largest" fails="largest is the largest finite number; the figure shows the spacing as far as each format reaches"
def answers_the_other_question(E, F):
    """Up to there no integer is missing; the format goes on, with larger steps."""
    return 2.0 ** (F + 1)


# %% mistake of="all_integers_up_to" fails="all_integers_up_to is where integers begin to be missing"
def forgets_the_leading_one(E, F):
    """The 1 in front of the fraction is not stored, but it counts: F + 1 bits in all."""
    return 2**F


# %% mistake of="all_integers_up_to" fails="all_integers_up_to is where integers begin to be missing"
def stops_one_early(E, F):
    """The next one is a power of two, which needs no fraction at all; the first gap comes after it."""
    return 2 ** (F + 1) - 1


# %% mistake of="all_integers_up_to" fails="all_integers_up_to is where integers begin to be missing"
def takes_the_largest_number(E, F):
    """The largest number is an integer, but most integers below it are missing."""
    return int(largest(E, F))


# %% mistake of="spacing" fails="spacing doubles with each power of two and is constant near zero"
def looks_below_a_power_of_two(x, E, F):
    """At a power of two the step up is twice the step down; the one up was asked for."""
    lowest = 2 - 2 ** (E - 1)
    power = math.ceil(math.log2(abs(x))) - 1 if x else lowest
    return 2.0 ** (max(power, lowest) - F)


# %% mistake of="spacing" fails="spacing doubles with each power of two and is constant near zero"
def takes_the_logarithm_of_zero(x, E, F):
    """0 has no logarithm, but it has a next number: the smallest subnormal."""
    return 2.0 ** (max(math.floor(math.log2(abs(x))), 2 - 2 ** (E - 1)) - F)


# %% mistake of="spacing" fails="spacing doubles with each power of two and is constant near zero; nearest is the closest number, and of two the even one; stored_as tells what is left after rounding; relative_error compares what comes back with the gradient"
def goes_on_halving_towards_zero(x, E, F):
    """Below the smallest normal number there is no smaller exponent: the spacing stays."""
    _, k = math.frexp(x or 2.0 ** (2 - 2 ** (E - 1) - F))
    return 2.0 ** (k - 1 - F)


# %% mistake of="nearest" fails="nearest is the closest number, and of two the even one"
def rounds_halves_up(x, E, F):
    """In the middle, the neighbour with even m is taken, so that errors do not add up in one way."""
    step = spacing(x, E, F)
    size = math.floor(abs(x) / step + 0.5) * step
    return math.copysign(size if size < 2.0**2 ** (E - 1) else math.inf, x)


# %% mistake of="nearest" fails="nearest is the closest number, and of two the even one; stored_as tells what is left after rounding; relative_error compares what comes back with the gradient"
def cuts_off_the_rest(x, E, F):
    """Cutting off is rounding towards zero; what is stored is the nearest number."""
    step = spacing(x, E, F)
    size = math.trunc(abs(x) / step) * step
    return math.copysign(size if size < 2.0**2 ** (E - 1) else math.inf, x)


# %% mistake of="nearest" fails="nearest is the closest number, and of two the even one; stored_as tells what is left after rounding; relative_error compares what comes back with the gradient"
def stops_at_the_largest_number(x, E, F):
    """A number that is too large is not cut down to the largest one; it becomes infinite."""
    step = spacing(x, E, F)
    return max(-largest(E, F), min(largest(E, F), round(x / step) * step))


# %% mistake of="stored_as" fails="stored_as tells what is left after rounding"
def judges_the_number_before_rounding(x, E, F):
    """2e-8 is more than zero, but what fp16 stores in its place is 0: round first."""
    size = abs(x)
    if size > largest(E, F):
        return "infinite"
    if size >= 2.0 ** (2 - 2 ** (E - 1)):
        return "normal"
    return "subnormal" if size else "zero"


# %% mistake of="stored_as" fails="stored_as tells what is left after rounding; smallest_scale makes a gradient normal, and half of it does not"
def overlooks_the_sign(x, E, F):
    """Half of all gradients are negative: it is the magnitude that is small or large."""
    y = nearest(x, E, F)
    if y == math.inf:
        return "infinite"
    if y == 0:
        return "zero"
    return "normal" if y >= 2.0 ** (2 - 2 ** (E - 1)) else "subnormal"


# %% mistake of="stored_as" fails="stored_as tells what is left after rounding; smallest_scale makes a gradient normal, and half of it does not"
def takes_fp16_for_every_format(x, E, F):
    """bf16 and fp32 have smaller normal numbers than fp16: e_min comes from the bits of exponent."""
    size = abs(nearest(x, E, F))
    if size in (0.0, math.inf):
        return "infinite" if size else "zero"
    return "normal" if size >= 2.0**-14 else "subnormal"


# %% mistake of="relative_error" fails="relative_error compares what comes back with the gradient"
def scales_after_storing(g, E, F, scale=1.0):
    """The scale has to come before the number is stored: 0 times 65536 is 0."""
    return abs(nearest(g, E, F) * scale / scale - g) / abs(g)


# %% mistake of="relative_error" fails="relative_error compares what comes back with the gradient"
def forgets_to_divide_by_the_scale(g, E, F, scale=1.0):
    """Stored is a gradient that is `scale` times too large: divide before comparing."""
    return abs(nearest(scale * g, E, F) - g) / abs(g)


# %% mistake of="relative_error" fails="relative_error compares what comes back with the gradient"
def keeps_the_sign(g, E, F, scale=1.0):
    """An error is a distance, whichever side the stored number lies on."""
    return (nearest(scale * g, E, F) / scale - g) / g


# %% mistake of="smallest_scale" fails="smallest_scale makes a gradient normal, and half of it does not"
def stops_at_the_first_subnormal(g, E, F):
    """A subnormal number is not zero, but it has lost bits; the question is normal."""
    scale = 1.0
    while stored_as(scale * g, E, F) == "zero":
        scale *= 2
    return scale


# %% mistake of="smallest_scale" fails="smallest_scale makes a gradient normal, and half of it does not"
def takes_the_exponent_for_the_scale(g, E, F):
    """The scale is two to the power of this number."""
    k = 0
    while stored_as(2.0**k * g, E, F) != "normal":
        k += 1
    return float(k)


# %% mistake of="smallest_scale" fails="smallest_scale makes a gradient normal, and half of it does not"
def scales_large_gradients_down(g, E, F):
    """The scales start at 1: a gradient that is normal already needs no other."""
    return 2.0 ** math.ceil(2 - 2 ** (E - 1) - math.log2(abs(g)))


# %% mistake of="plot_spacing" fails="the figure shows the spacing as far as each format reaches"
def draws_on_past_the_largest_number(magnitudes):
    """fp16 ends at 65504: beyond it there is no next number to be away from."""
    figure, axes = plt.subplots()
    for name, bits in FORMATS.items():
        axes.plot(magnitudes, [spacing(x, *bits) for x in magnitudes], label=name)
    axes.set(xscale="log", yscale="log", xlabel="magnitude", ylabel="spacing", title="Spacing")
    axes.legend()
    return figure


# %% mistake of="plot_spacing" fails="the figure shows the spacing as far as each format reaches"
def draws_the_spacing_as_a_part(magnitudes):
    """The spacing itself was asked for; divided by the magnitude it is the relative precision."""
    figure, axes = plt.subplots()
    for name, bits in FORMATS.items():
        reached = [x for x in magnitudes if x <= largest(*bits)]
        axes.plot(reached, [spacing(x, *bits) / x for x in reached], label=name)
    axes.set(xscale="log", yscale="log", xlabel="magnitude", ylabel="spacing", title="Spacing")
    axes.legend()
    return figure
