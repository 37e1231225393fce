# %% quiz [markdown] items="1 2 3 82 108" stars=1 minutes=25 level="apply" goal="compute the spread of initial weights, and what a wrong one does to twenty layers"
r"""
# Xavier and He, by hand
Twenty layers multiply: a signal that loses half of its variance in each arrives a million times
weaker, and one that gains half arrives three thousand times stronger. How far the weights scatter
at the start decides which of the two a network gets.

For a layer $z = Wx$ with $n_{in}$ inputs, $n_{out}$ outputs and independent weights of mean 0,

$$ \text{Xavier: } \mathrm{Var}(w) = \frac{2}{n_{in} + n_{out}}, \qquad
\text{He: } \mathrm{Var}(w) = \frac{2}{n_{in}}, \qquad
\mathrm{Var}(z) = n_{in}\,\mathrm{Var}(w)\,\mathrm{E}[x^2]. $$

He is written for `mode="fan_in"`, PyTorch's default: it keeps the signal on its way forward. The
inputs $x$ have mean 0, so that $\mathrm{E}[x^2] = \mathrm{Var}(x)$.

Answer with a number or an expression, such as `2 / 3` or `0.5**8`; give at least four digits.
"""

# %% setup
import torch
from torch import nn

from autograder.authoring.quiz import draw


def spread(init, n_in, n_out):
    """The standard deviation of a million weights or so that PyTorch draws."""
    layers = max(1, 1_000_000 // (n_in * n_out))
    weights = [init(torch.empty(n_out, n_in, dtype=torch.float64)) for _ in range(layers)]
    return torch.stack(weights).std().item()


def near(
    measured, wanted, rtol=0.01
):  # a std of a million draws is known to 0.0007; uniform: 0.0004
    return abs(measured / wanted - 1) < rtol


# %% numeric [markdown] id="xavier-variance" points=1 rtol=1e-4 items="1"
r"""
**(a)** A fully connected layer has $n_{in} = {{n_in}}$ inputs and $n_{out} = {{n_out}}$ outputs.

What is the **variance** of its weights under Xavier (normal) initialization?
"""

# %% key
n_in, n_out = draw([(512, 256)])
answer = 2 / (n_in + n_out)
slips = {
    "That keeps the forward signal alone; Xavier balances it with the gradient's way back.": (
        1 / n_in
    ),
    "That is He's variance, for layers with ReLU.": 2 / n_in,
    "Xavier takes the inverse of the average fan, not the average of the two inverses.": (
        (1 / n_in + 1 / n_out) / 2
    ),
    "That is the standard deviation; its square is asked.": (2 / (n_in + n_out)) ** 0.5,
    "The two fans are averaged: 2 stands above their sum.": 1 / (n_in + n_out),
}

# %% evidence
assert near(spread(nn.init.xavier_normal_, n_in, n_out), answer**0.5)
# It is the harmonic mean of what the two directions ask for.
assert abs(answer - 2 / (1 / (1 / n_in) + 1 / (1 / n_out))) < 1e-15

# %% numeric [markdown] id="xavier-std" points=1 rtol=1e-4 items="1"
r"""
What is the **standard deviation** of these weights, the `std` that a call of `normal_` wants?
"""

# %% key
n_in, n_out = draw([(512, 256)])
answer = (2 / (n_in + n_out)) ** 0.5
slips = {
    "That is the variance: `normal_` would scatter the weights twenty times too little.": (
        2 / (n_in + n_out)
    ),
    "That is the root of 1 over the inputs: the gradient's way back is not in it.": n_in**-0.5,
    "That is He's standard deviation, for layers with ReLU.": (2 / n_in) ** 0.5,
    "That is the bound of the uniform version, which is wider by the root of 3.": (
        (6 / (n_in + n_out)) ** 0.5
    ),
}

# %% evidence
assert near(spread(nn.init.xavier_normal_, n_in, n_out), answer)

# %% numeric [markdown] id="he-variance" points=1 rtol=1e-4 items="2"
r"""
**(b)** The same layer, {{n_in}} to {{n_out}}, is followed by ReLU.

What is the **variance** of its weights under He (normal) initialization with `mode="fan_in"`?
"""

# %% key
n_in, n_out = draw([(512, 256)])
answer = 2 / n_in
slips = {
    "That is `fan_out`, which keeps the gradient on its way back.": 2 / n_out,
    "ReLU lets half of the second moment through; the 2 above the fraction makes up for it.": (
        1 / n_in
    ),
    "That is Xavier's variance, which looks at both fans.": 2 / (n_in + n_out),
    "That is the standard deviation; its square is asked.": (2 / n_in) ** 0.5,
}

# %% evidence
assert near(spread(nn.init.kaiming_normal_, n_in, n_out), answer**0.5)

# %% numeric [markdown] id="he-std" points=1 rtol=1e-4 items="2"
r"""
And their **standard deviation**?
"""

# %% key
n_in, n_out = draw([(512, 256)])
answer = (2 / n_in) ** 0.5
slips = {
    "That is `fan_out`: each output sums over the inputs, and there are more of them.": (
        (2 / n_out) ** 0.5
    ),
    "That is the variance.": 2 / n_in,
    "The 2 that makes up for ReLU is missing under the root.": n_in**-0.5,
    "That is Xavier's standard deviation.": (2 / (n_in + n_out)) ** 0.5,
}

# %% evidence
assert near(spread(nn.init.kaiming_normal_, n_in, n_out), answer)
# A coincidence to know of: `fan_out` gives the number that bounds uniform Xavier weights.
assert abs((2 / 256) ** 0.5 - (6 / 768) ** 0.5) < 1e-15

# %% numeric [markdown] id="small-weights-ratio" points=1 rtol=1e-3 items="3"
r"""
**(c)** Much old code draws `0.01 * randn`: weights with a **standard deviation** of 0.01, whatever
the layer. (Where a text writes $w \sim \mathcal{N}(0, 0.01)$, mathematicians read 0.01 as the
variance, and code often means the standard deviation. Here it is the standard deviation.)

By what factor does a linear layer from {{n}} to {{n}} then multiply the variance of its input,
$\mathrm{Var}(z) / \mathrm{Var}(x)$?
"""

# %% key
n = draw([512])
answer = n * 0.01**2
slips = {
    "0.01 is the standard deviation here; its square goes into the variance.": n * 0.01,
    "Each output is a sum over all inputs: their number multiplies the variance.": 0.01**2,
    "That is the factor of the standard deviation, the root of the one that is asked.": (
        n**0.5 * 0.01
    ),
    "The fan alone decides how many terms are summed; the 2 belongs to ReLU.": 2 * n * 0.01**2,
}

# %% evidence
x = torch.randn(400, n, dtype=torch.float64)
z = x @ (0.01 * torch.randn(n, n, dtype=torch.float64))
# Rows of x share the weights: the ratio scatters by about 0.4 %.
assert near((z.var() / x.var()).item(), answer, rtol=0.04)

# %% numeric [markdown] id="small-weights-20-layers" points=1 rtol=1e-2 items="3"
r"""
By what factor do **twenty** such layers, {{n}} to {{n}} each and without activation functions,
multiply the variance?
"""

# %% key
n = draw([512])
answer = (n * 0.01**2) ** 20
slips = {
    "Layers multiply: the factor of one is raised to the power 20, not taken 20 times.": (
        20 * n * 0.01**2
    ),
    "That is the factor of the standard deviation after 20 layers.": (n * 0.01**2) ** 10,
    "That is what a variance of 0.01 does; here 0.01 is the standard deviation.": (n * 0.01) ** 20,
    "That is one layer more than asked.": (n * 0.01**2) ** 21,
}

# %% evidence
# Log-variance is a random walk: over 20 linear layers its standard deviation is about 0.28.
x = torch.randn(64, n, dtype=torch.float64)
for _ in range(20):
    x = x @ (0.01 * torch.randn(n, n, dtype=torch.float64))
assert answer / 6 < x.var().item() < 6 * answer

# %% numeric [markdown] id="large-weights-20-layers" points=1 rtol=1e-2 items="3"
r"""
Now read $\mathcal{N}(0, 0.01)$ the other way: the **variance** is 0.01, the standard deviation 0.1.

By what factor do the twenty layers multiply the variance?
"""

# %% key
n = draw([512])
answer = (n * 0.01) ** 20
slips = {
    "That is what a standard deviation of 0.01 does; its square is not taken twice.": (
        (n * 0.01**2) ** 20
    ),
    "That is the standard deviation's factor.": (n * 0.01) ** 10,
    "That is the factor of a single layer.": n * 0.01,
    "Layers multiply: the factor of one is raised to the power 20, not taken 20 times.": (
        20 * n * 0.01
    ),
}

# %% evidence
x = torch.randn(64, n, dtype=torch.float64)
for _ in range(20):
    x = x @ (0.1 * torch.randn(n, n, dtype=torch.float64))
assert answer / 6 < x.var().item() < 6 * answer
# From 512 to 256 and on with 256, as some texts have it, it is another number.
assert near(512 * 0.01 * (256 * 0.01) ** 19, 2.92e8, rtol=0.01)

# %% choice [markdown] id="two-fates" points=1 level="understand" items="3"
r"""
The twenty layers become the start of a network in float32, whose smallest normal number is
$1.2 \cdot 10^{-38}$ and whose largest is $3.4 \cdot 10^{38}$. What happens to signal and gradient
for the two readings?

- [ ] Both vanish: 0.01 is less than 1, whichever way it is read.
  > What counts is n times the variance, not the weight: 5.12 is more than 1.
- [ ] With std 0.01 they explode, with variance 0.01 they vanish.
  > Compare the factor of one layer with 1: 0.0512 shrinks, 5.12 grows.
- [x] With std 0.01 they vanish, with variance 0.01 they explode.
  > One layer multiplies the variance by 0.0512 or by 5.12. Square layers do the same to the
  > gradient on its way back.
- [ ] Both overflow to infinity or underflow to 0 before layer 20.
  > The numbers fit: a standard deviation of 1e-13 or 1e7. A network cannot learn from them all the
  > same, long before anything overflows.
- [ ] With std 0.01 the signal vanishes, but the gradient explodes to make up for it.
  > The gradient is multiplied by the transposed weights, just as small as the weights.
"""


# %% evidence
def fate(std):
    """The second moments of the signal and of the gradient at the far ends of 20 layers."""
    x = torch.randn(32, 512, requires_grad=True)
    z = x
    for _ in range(20):
        z = z @ (std * torch.randn(512, 512))
    z.backward(torch.randn_like(z))
    return z.square().mean().item(), x.grad.square().mean().item()


small, large = fate(0.01), fate(0.1)
assert all(0 < moment < 1e-24 for moment in small)
assert all(1e12 < moment < 1e17 for moment in large)

# %% numeric [markdown] id="xavier-bound" points=1 rtol=1e-3 items="82"
r"""
Another layer goes from {{n_in}} to {{n_out}}. Its weights are drawn from a **uniform** distribution
$U(-b, b)$ with Xavier's variance. What is the bound $b$?

*Hint:* the variance of $U(-b, b)$ is $b^2 / 3$.
"""

# %% key
n_in, n_out = draw([(256, 128), (128, 256), (300, 100), (784, 128), (64, 32)])
answer = (6 / (n_in + n_out)) ** 0.5
slips = {
    "That is the standard deviation; the bound lies the root of 3 beyond it.": (
        (2 / (n_in + n_out)) ** 0.5
    ),
    "That is He's bound, which looks at the inputs alone.": (6 / n_in) ** 0.5,
    "The root covers the whole fraction.": 6**0.5 / (n_in + n_out),
    "The width of the interval is 2 b; the bound is half of it.": 2 * (6 / (n_in + n_out)) ** 0.5,
}

# %% evidence
largest = nn.init.xavier_uniform_(torch.empty(n_out, n_in)).abs().max().item()
assert 0.98 * answer < largest <= answer + 1e-6
assert near(spread(nn.init.xavier_uniform_, n_in, n_out), answer / 3**0.5)

# %% numeric [markdown] id="b2-xavier-std" points=1 rtol=1e-3 items="108"
r"""
For a layer from {{n_in}} to {{n_out}}: what is the standard deviation of Xavier's weights?
"""

# %% key
n_in, n_out = draw([(1024, 512), (1024, 256), (512, 128), (768, 256), (2048, 512)])
answer = (2 / (n_in + n_out)) ** 0.5
slips = {
    "That is the variance.": 2 / (n_in + n_out),
    "That is He's standard deviation.": (2 / n_in) ** 0.5,
    "The two fans are averaged: 2 stands above their sum.": (1 / (n_in + n_out)) ** 0.5,
}

# %% evidence
assert near(spread(nn.init.xavier_normal_, n_in, n_out), answer)

# %% numeric [markdown] id="b2-he-std" points=1 rtol=1e-3 items="108"
r"""
For a layer from {{n_in}} to {{n_out}} with ReLU: what is the standard deviation of He's weights,
`mode="fan_in"`?
"""

# %% key
n_in, n_out = draw([(1024, 512), (1024, 256), (512, 128), (768, 256), (2048, 512)])
answer = (2 / n_in) ** 0.5
slips = {
    "That is the variance.": 2 / n_in,
    "That is `fan_out`; a weight matrix of PyTorch has the shape (out, in).": (2 / n_out) ** 0.5,
    "The 2 that makes up for ReLU is missing under the root.": n_in**-0.5,
}

# %% evidence
assert near(spread(nn.init.kaiming_normal_, n_in, n_out), answer)

# %% numeric [markdown] id="b2-ratio" points=1 rtol=1e-3 items="108"
r"""
How many times wider do He's weights scatter than Xavier's, in a layer from {{n_in}} to {{n_out}}?
Give the ratio of the standard deviations.
"""

# %% key
n_in, n_out = draw([(1024, 512), (1024, 256), (512, 128), (768, 256), (2048, 512)])
answer = (1 + n_out / n_in) ** 0.5
slips = {
    "The root of 2 is the ratio for a square layer alone; here the fans differ, too.": 2**0.5,
    "That is the ratio of the variances.": 1 + n_out / n_in,
    "That is Xavier's over He's.": (1 + n_out / n_in) ** -0.5,
    "The 2 stands above both fractions and cancels.": (2 * (1 + n_out / n_in)) ** 0.5,
}

# %% evidence
he, xavier = (
    spread(init, n_in, n_out) for init in (nn.init.kaiming_normal_, nn.init.xavier_normal_)
)
assert near(he / xavier, answer, rtol=0.02)
