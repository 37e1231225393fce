# %% exercise [markdown] items="79" stars=2 minutes=35 level="analyze" goal="split a squared error into bias, variance and noise, without any sampling"
r"""
# 12.8.1 Bias, variance, noise
A model that misses may be too stiff to follow the truth, or so loose that it follows the noise of
its training set. Who cannot tell the two apart treats one with the remedy of the other. Let $f_D$
be the model that training set $D$ leads to, and $y$ a fresh label at $x$. Under the **squared
error**, whatever the model,

$$
\underbrace{\mathrm{E}\,(f_D - y)^2}_{\text{error}}
= \underbrace{(\mathrm{E} f_D - \mathrm{E} y)^2}_{\text{bias}^2}
+ \underbrace{\mathrm{E}\,(f_D - \mathrm{E} f_D)^2}_{\text{variance}}
+ \underbrace{\mathrm{E}\,(y - \mathrm{E} y)^2}_{\text{noise}}
$$

at every $x$, with $D$ and $y$ independent. Texts that leave out the loss claim too much: for the
absolute error, or for the share of wrong labels, there is no such sum.

Here nothing is estimated. A label is its clean value plus or minus one and the same number, by the
toss of a coin; so $n$ inputs have exactly $2^n$ training sets, all equally likely, and an
expectation is a plain average over all of them. Write

1. `decompose`: the three terms and the error, averaged over the inputs;
2. `sweep`: what they are for polynomials of several degrees, fitted to every training set there is;
3. `plot_terms`: the four of them against the degree.

*Hint:* an expectation divides by the number of cases, not by one less.
"""

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect

TERMS = ["bias2", "variance", "noise", "error"]


def all_signs(n: int) -> Tensor:
    """All ways in which n coins can fall, as +1 and -1: shape (2^n, n)."""
    signs = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    return torch.cartesian_prod(*[signs] * n).reshape(-1, n)


def predict(x: Tensor, y: Tensor, degree: int, x_new: Tensor) -> Tensor:
    """Fit a polynomial by least squares to each row of `y`, and evaluate it at `x_new`.

    `x` has shape (n,), `y` (sets, n), `x_new` (N,), and what comes back (sets, N).
    """
    powers = torch.arange(degree + 1)
    return y @ torch.linalg.pinv(x[:, None] ** powers).T @ (x_new[:, None] ** powers).T


# %% solution
def decompose(predictions: Tensor, labels: Tensor) -> dict[str, float]:
    """The four of TERMS, each averaged over N inputs.

    `predictions`, shape (S, N), holds what S equally likely training sets lead to; `labels`, shape
    (K, N), the K equally likely labels of each input. Labels and training sets are independent, so
    each of the S * K pairs is as likely as any other. The error is the average over these pairs.
    """
    ### BEGIN SOLUTION
    mean_prediction, mean_label = predictions.mean(dim=0), labels.mean(dim=0)
    return {
        "bias2": (mean_prediction - mean_label).square().mean().item(),
        "variance": (predictions - mean_prediction).square().mean().item(),
        "noise": (labels - mean_label).square().mean().item(),
        "error": (predictions[:, None] - labels).square().mean().item(),
    }
    ### END SOLUTION


# %% check
# One input. Predictions 1 and 5 (mean 3, one 2 off on each side), labels 0 and 2 (mean 1, 1 off).
# The four pairs have the squared errors 1, 1, 25 and 9: 36 / 4 = 9, and 4 + 4 + 1 is 9.
terms = decompose(torch.tensor([[1.0], [5.0]]).double(), torch.tensor([[0.0], [2.0]]).double())
expect.kind(terms, dict, when="decomposing an error")
expect.equal(sorted(terms), sorted(TERMS), when="reading the keys of `decompose`")
for name, wanted in {"bias2": 4.0, "variance": 4.0, "noise": 1.0, "error": 9.0}.items():
    expect.close(
        terms[name],
        wanted,
        when=f"reading `{name}` for the predictions 1 and 5 and the labels 0 and 2",
        think="Which average is compared with which number, and how many cases are there?",
    )


# %% solution
def sweep(
    x: Tensor, clean: Tensor, noise: float, x_new: Tensor, clean_new: Tensor, degrees: list[int]
) -> list[dict[str, float]]:
    """The terms for each degree, over all training sets.

    A training set has the inputs `x`, shape (n,), and for each of them the label `clean` plus or
    minus `noise`. The models are judged at the inputs `x_new`, where a fresh label is `clean_new`
    plus or minus `noise`.
    """
    ### BEGIN SOLUTION
    training_labels = clean + noise * all_signs(len(x))
    new_labels = clean_new + noise * all_signs(1)
    return [decompose(predict(x, training_labels, degree, x_new), new_labels) for degree in degrees]
    ### END SOLUTION


# %% check
# The truth is 0, and a polynomial of degree 0 is the mean of four coins: its variance is 1 / 4.
zeros = torch.zeros(4).double()
inputs = torch.tensor([-1.0, 0.0, 1.0, 2.0]).double()
found = sweep(inputs, zeros, 1.0, torch.tensor([0.5]).double(), zeros[:1], [0])
expect.equal(len(found), 1, when="counting the results for one degree")
for name, wanted in {"bias2": 0.0, "variance": 0.25, "noise": 1.0, "error": 1.25}.items():
    expect.close(
        found[0][name],
        wanted,
        atol=1e-12,  # of a pseudo-inverse
        when=f"reading `{name}` for constants fitted to four labels of plus or minus 1",
        think="Sixteen training sets, and two labels for the new input.",
    )


# %% solution
def plot_terms(degrees: list[int], terms: list[dict[str, float]]) -> Figure:
    """One line for each of TERMS against the degree, with a legend, a title and both labels."""
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(figsize=(7, 4))
    for name in TERMS:
        axes.plot(degrees, [term[name] for term in terms], "o-", label=name)
    axes.set(title="Where the error comes from", xlabel="degree", ylabel="squared error")
    axes.legend()
    return figure
    ### END SOLUTION


# %%
# Eight noisy points of a sine: 256 training sets. Where is the error lowest, and what is it made of?
x, x_new = torch.linspace(-1, 1, 8).double(), torch.linspace(-1, 1, 41).double()
degrees = list(range(8))
try:
    plot_terms(degrees, sweep(x, torch.sin(3 * x), 0.5, x_new, torch.sin(3 * x_new), degrees))
except NotImplementedError:
    print("something above is not written yet")

# %% check
drawn = [
    {"bias2": 4.0, "variance": 0.5, "noise": 1.0, "error": 5.5},
    {"bias2": 1.0, "variance": 2.0, "noise": 1.0, "error": 4.0},
]
expect.figure(plot_terms([1, 2], drawn), legend=4, when="plotting the terms of two degrees")

# %% hidden aspect="bias2 is the squared distance of the average prediction from the average label" points=1
torch.manual_seed(1)
predictions, labels = 2 * torch.randn(5, 4).double() + 3, torch.randn(3, 4).double()
expect.close(
    decompose(predictions.clone(), labels.clone())["bias2"],
    (predictions.mean(0) - labels.mean(0)).square().mean().item(),
    rtol=1e-10,
    when="decomposing 5 predictions and 3 labels at each of 4 inputs",
    think="Averages come first, over training sets and over labels; then the square, input by "
    "input; then the average over inputs.",
)

# %% hidden aspect="variance is how far the predictions scatter about their own average" points=1
torch.manual_seed(2)
predictions, labels = 2 * torch.randn(5, 4).double(), torch.randn(3, 4).double() + 3
expect.close(
    decompose(predictions.clone(), labels.clone())["variance"],
    predictions.var(0, unbiased=False).mean().item(),
    rtol=1e-10,
    when="decomposing 5 predictions and 3 labels at each of 4 inputs",
    think="At each input by itself: all training sets are there, so nothing is estimated, and the "
    "labels play no part.",
)

# %% hidden aspect="noise is how far the labels scatter about their own average" points=1
torch.manual_seed(3)
predictions = torch.randn(5, 4).double() + 3
labels = 2 * torch.randn(3, 4).double() + torch.arange(4.0)
expect.close(
    decompose(predictions.clone(), labels.clone())["noise"],
    labels.var(0, unbiased=False).mean().item(),
    rtol=1e-10,
    when="decomposing 5 predictions and 3 labels at each of 4 inputs",
    think="At each input by itself: which labels are possible, and what is left when the best "
    "possible model has predicted?",
)

# %% hidden aspect="the error averages all pairs, and is bias2 plus variance plus noise to 1e-10" points=1
torch.manual_seed(4)
for sets, kinds in ((5, 3), (3, 5), (4, 4), (7, 1), (1, 6)):
    predictions, labels = torch.randn(sets, 4).double() + 1, 2 * torch.randn(kinds, 4).double()
    bias2 = (predictions.mean(0) - labels.mean(0)).square().mean()
    scatter = predictions.var(0, unbiased=False).mean() + labels.var(0, unbiased=False).mean()
    expect.close(
        decompose(predictions.clone(), labels.clone())["error"],
        (bias2 + scatter).item(),
        rtol=1e-10,
        when=f"comparing the error of {sets} predictions and {kinds} labels at each of 4 inputs with "
        "the sum of bias2, variance and noise",
        think="Every training set may meet every label: how many pairs are there, and which number "
        "of a pair is averaged?",
    )

# %% hidden aspect="sweep fits every training set, and judges by fresh noisy labels" points=1
torch.manual_seed(5)
x = torch.linspace(-1, 1, 5).double() + 0.1 * torch.rand(5).double()
x_new, clean_new = torch.rand(3).double(), torch.randn(3).double()
clean, noise, degrees = torch.randn(5).double(), 0.3, [3, 0, 1]
found = sweep(x.clone(), clean.clone(), noise, x_new.clone(), clean_new.clone(), list(degrees))
expect.equal(len(found), 3, when="counting the results for three degrees")
for degree, terms in zip(degrees, found, strict=True):
    predictions = predict(x, clean + noise * all_signs(5), degree, x_new)
    wanted = decompose(predictions, clean_new + noise * all_signs(1))
    for name in TERMS:
        expect.close(
            terms[name],
            wanted[name],
            rtol=1e-8,  # another way to solve the same least squares
            atol=1e-10,
            when=f"comparing `{name}` for degree {degree} with what your decompose makes of all 32 "
            "training sets of 5 inputs",
            think="How many training sets are there, what do the labels of each look like, and "
            "those of the new inputs?",
        )

# %% hidden aspect="the figure shows the four terms" points=1
torch.manual_seed(6)
drawn = [dict(zip(TERMS, row, strict=True)) for row in torch.rand(4, 4).double().tolist()]
expect.figure(
    plot_terms([1, 2, 4, 7], [dict(term) for term in drawn]),
    lines=[([1, 2, 4, 7], [term[name] for term in drawn]) for name in TERMS],
    xscale="linear",
    legend=4,
    when="plotting the terms of the degrees 1, 2, 4 and 7",
    think="One line a term, drawn against the degree itself.",
)

# %% setup
import torch

# %% choice [markdown] id="when-the-sum-holds" points=1
r"""
A colleague's slide says: *for any model, expected error = bias² + variance + noise.* When is that
so?

- [x] For the squared error, of any model, with noise of any kind.
  > The mixed terms vanish because averages of deviations are 0. Nothing else is needed but that the
  > fresh label does not depend on the training set.
- [ ] For any error, of any model, with noise of any kind.
  > Try it with the absolute error, or with the share of wrong labels: there, a model that is wrong
  > on average is even helped by variance.
- [ ] For the squared error, of models that are linear in their weights.
  > Where in the proof would the model come in? It uses averages of predictions, and nothing more.
- [ ] For the squared error, if the noise is normal.
  > The noise of this exercise takes two values, and the sum was exact.
"""

# %% evidence
torch.manual_seed(79)
predictions = torch.randn(6, 3).double().exp()  # no linear model
labels = torch.tensor([0.0, 0.0, 0.0, 5.0])[:, None].double() + torch.randn(3).double()  # skewed


def parts(predictions, labels, measure):
    f, y = predictions.mean(0), labels.mean(0)
    terms = measure(f - y), measure(predictions - f), measure(labels - y)
    return measure(predictions[:, None] - labels).mean(), sum(term.mean() for term in terms)


error, total = parts(predictions, labels, torch.square)
assert abs(error - total) < 1e-10 * error
two = torch.tensor([[0.0], [2.0]]).double()
error, total = parts(two, two, torch.abs)
assert error == 1 and total == 2
# Two of five training sets lead to the right class: a vote of all five is wrong, always; a single
# model, which varies, is so in three cases of five.
right = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0])
assert right.median() == 0 and 1 - right.mean() < 1


# %% alternative of="decompose"
def with_moments(predictions, labels):
    f, y = predictions.mean(0), labels.mean(0)
    bias2 = float(((f - y) ** 2).mean())
    variance = float(predictions.var(0, correction=0).mean())
    noise = float(labels.var(0, unbiased=False).mean())
    pairs = [float(((one - other) ** 2).mean()) for one in predictions for other in labels]
    return {
        "error": sum(pairs) / len(pairs),
        "noise": noise,
        "variance": variance,
        "bias2": bias2,
    }


# %% alternative of="decompose"
def with_numpy(predictions, labels):
    import numpy as np

    p, y = predictions.numpy(), labels.numpy()
    bias2 = np.mean((p.mean(axis=0) - y.mean(axis=0)) ** 2)
    variance, noise = p.var(axis=0).mean(), y.var(axis=0).mean()
    return {"bias2": bias2, "variance": variance, "noise": noise, "error": bias2 + variance + noise}


# %% alternative of="sweep"
def with_a_loop_over_training_sets(x, clean, noise, x_new, clean_new, degrees):
    found = []
    for degree in degrees:
        rows = [
            predict(x, (clean + noise * signs)[None], degree, x_new) for signs in all_signs(len(x))
        ]
        fresh = torch.stack([clean_new - noise, clean_new + noise])
        found.append(decompose(torch.cat(rows), fresh))
    return found


# %% mistake of="decompose" fails="bias2 is the squared distance of the average prediction from the average label"
def lets_biases_cancel(predictions, labels):
    """Too high here and too low there is a bias twice, not none: square before averaging inputs."""
    f, y = predictions.mean(0), labels.mean(0)
    return {
        "bias2": (f - y).mean().square().item(),
        "variance": (predictions - f).square().mean().item(),
        "noise": (labels - y).square().mean().item(),
        "error": (predictions[:, None] - labels).square().mean().item(),
    }


# %% mistake of="decompose" fails="bias2 is the squared distance of the average prediction from the average label"
def measures_the_bias_of_each_model(predictions, labels):
    """Bias belongs to the average model; a single one is off by its share of the variance as well."""
    f, y = predictions.mean(0), labels.mean(0)
    return {
        "bias2": (predictions - y).square().mean().item(),
        "variance": (predictions - f).square().mean().item(),
        "noise": (labels - y).square().mean().item(),
        "error": (predictions[:, None] - labels).square().mean().item(),
    }


# %% mistake of="decompose" fails="variance is how far the predictions scatter about their own average"
def estimates_the_variance(predictions, labels):
    """These are all the training sets, not a sample of them: the average divides by their number."""
    f, y = predictions.mean(0), labels.mean(0)
    return {
        "bias2": (f - y).square().mean().item(),
        "variance": predictions.var(0).nan_to_num().mean().item(),
        "noise": (labels - y).square().mean().item(),
        "error": (predictions[:, None] - labels).square().mean().item(),
    }


# %% mistake of="decompose" fails="noise is how far the labels scatter about their own average"
def takes_all_labels_together(predictions, labels):
    """Labels differ from input to input for a reason; noise is what differs at one and the same."""
    f, y = predictions.mean(0), labels.mean(0)
    return {
        "bias2": (f - y).square().mean().item(),
        "variance": (predictions - f).square().mean().item(),
        "noise": (labels - labels.mean()).square().mean().item(),
        "error": (predictions[:, None] - labels).square().mean().item(),
    }


# %% mistake of="decompose" fails="the error averages all pairs, and is bias2 plus variance plus noise to 1e-10"
def judges_by_clean_labels(predictions, labels):
    """The error is met on fresh noisy labels; against their average the noise is missing from it."""
    f, y = predictions.mean(0), labels.mean(0)
    return {
        "bias2": (f - y).square().mean().item(),
        "variance": (predictions - f).square().mean().item(),
        "noise": (labels - y).square().mean().item(),
        "error": (predictions - y).square().mean().item(),
    }


# %% mistake of="sweep" fails="sweep fits every training set, and judges by fresh noisy labels"
def draws_some_training_sets(x, clean, noise, x_new, clean_new, degrees):
    """All training sets can be listed here; a sample of them gives an estimate, not the average."""
    signs = all_signs(len(x))
    signs = signs[torch.randint(len(signs), (16,))]
    labels = clean_new + noise * all_signs(1)
    return [
        decompose(predict(x, clean + noise * signs, degree, x_new), labels) for degree in degrees
    ]


# %% mistake of="sweep" fails="sweep fits every training set, and judges by fresh noisy labels"
def judges_by_the_truth(x, clean, noise, x_new, clean_new, degrees):
    """A fresh label is as noisy as one of the training set; without it the noise is lost."""
    signs = all_signs(len(x))
    return [
        decompose(predict(x, clean + noise * signs, degree, x_new), clean_new[None])
        for degree in degrees
    ]


# %% mistake of="plot_terms" fails="the figure shows the four terms"
def counts_instead_of_reading_degrees(degrees, terms):
    """The x axis is the degree; positions in the list are not it when a degree is left out."""
    figure, axes = plt.subplots()
    for name in TERMS:
        axes.plot([term[name] for term in terms], label=name)
    axes.set(title="Terms", xlabel="degree", ylabel="squared error")
    axes.legend()
    return figure
