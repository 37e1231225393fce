# %% exercise [markdown] items="118" stars=2 minutes=55 level="apply" goal="ask a network with dropout how sure it is, without disturbing it"
r"""
# Monte-Carlo dropout
A softmax of 0.98 says nothing about what the network would answer with slightly different weights.
*Monte-Carlo dropout* (Gal and Ghahramani, 2016) asks many such networks: leave dropout on while
predicting, take $T$ passes $p^{(1)}, \dots, p^{(T)}$ of class probabilities, and look at

$$ \bar p = \frac1T \sum_t p^{(t)}, \qquad
s^2 = \frac{1}{T - 1} \sum_t \bigl(p^{(t)} - \bar p\,\bigr)^2, \qquad
H = -\sum_k \bar p_k \log \bar p_k. $$

$H$ is the *predictive entropy*, in nats: large where the answer is open.

The usual recipe, `model.train()` and then predict, does harm when there are batch norms: they would
normalize with the batch at hand and overwrite their running statistics. So **only the dropout layers**
may be in training mode, and afterwards every module must be in the mode in which it was.

If this works, wrong answers are the uncertain ones. Its measure is the AUROC: the probability that a
random wrong answer has a larger $H$ than a random right one, where a tie counts one half. A half is
guessing, 1 is perfect.

*Hint:* each module has its own flag `training`; `model.modules()` goes through all of them.
"""

# %%
import math
from functools import cache

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from autograder import expect, student_side
from autograder.datasets import BUNDLED, mnist


def weighing_model(p: float, depth: int = 0) -> nn.Module:
    """One input, two classes: a dropout layer in front of logits 2x and 0, in float64."""
    drop, linear = nn.Dropout(p), nn.Linear(1, 2, bias=False).double()
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[2.0], [0.0]]))
    for _ in range(depth):
        drop = nn.Sequential(drop)
    return nn.Sequential(drop, linear)


def digit_model(p: float = 0.3) -> nn.Module:
    """Reads digits of 14 x 14 pixels."""
    hidden = nn.Sequential(nn.Linear(196, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(p))
    return nn.Sequential(hidden, nn.Linear(64, 10))


# %% solution
def mc_dropout(model: nn.Module, x: Tensor, passes: int = 100) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the class probabilities over the passes, both (N, K).

    `model` makes logits (N, K) of `x`. Its layers of the class nn.Dropout, at any depth, are active,
    and all others are in evaluation mode. The model stays as it was; there are no gradients.
    """
    ### BEGIN SOLUTION
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = isinstance(module, nn.Dropout)
    with torch.no_grad():
        p = torch.stack([F.softmax(model(x), dim=1) for _ in range(passes)])
    for module, mode in modes.items():
        module.training = mode
    return p.mean(dim=0), p.std(dim=0)
    ### END SOLUTION


def predictive_entropy(mean: Tensor) -> Tensor:
    """H for each row of probabilities, shape (N,), in nats. Some probabilities may be 0."""
    ### BEGIN SOLUTION
    return -torch.xlogy(mean, mean).sum(dim=1)
    ### END SOLUTION


def auroc(score: Tensor, wrong: Tensor) -> float:
    """The probability that a wrong answer has the larger score; both are (N,), `wrong` is bool."""
    ### BEGIN SOLUTION
    pairs = score[wrong][:, None] - score[~wrong]
    return ((pairs > 0).double() + (pairs == 0).double() / 2).mean().item()
    ### END SOLUTION


# %% check
# Kept, the input 1 is doubled by p = 1/2: a logit of 4. Dropped, both logits are 0.
@student_side
def two_networks():
    return mc_dropout(weighing_model(p=0.5), torch.ones(3, 1).double(), passes=2)


outcome = two_networks()
expect.kind(outcome, (tuple, list), when="running two passes", think="A mean and a deviation.")
for one, what in zip(outcome, ("mean", "deviation"), strict=True):
    expect.shape(one, (3, 2), when=f"looking at the {what} of three inputs and two classes")
high, low = 1 / (1 + math.exp(-4)), 0.5
expect.true(
    all(min(abs(m - v) for v in (high, low, (high + low) / 2)) < 1e-9 for m in outcome[0][:, 0]),
    when="averaging two passes, each of which gives 0.982 or 0.5",
    wanted="0.982, 0.741 or 0.5",
    got=", ".join(f"{m:.3f}" for m in outcome[0][:, 0]),
    think="Is the softmax taken in each pass, before the mean?",
)
expect.close(
    predictive_entropy(torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]).double()),
    [math.log(2), 0.0],
    when="taking the entropy of (1/2, 1/2, 0) and of (1, 0, 0)",
    think="What has 0 log 0 to be?",
)
# Four pairs: 3 beats 1 and 2, while 1 ties with 1 and loses to 2.
expect.close(
    auroc(torch.tensor([3.0, 1.0, 1.0, 2.0]), torch.tensor([True, True, False, False])),
    0.625,
    when="scoring two wrong answers 3 and 1, two right ones 1 and 2",
    think="How many of the four pairs are won, and what is a tie worth?",
)


# %% [markdown]
r"""
## Are the wrong answers the uncertain ones?
A network learns to read 2,000 digits and is asked about 1,000 others. For the picture, sort the
answers by their entropy and divide them into ten groups of equal size; a group's accuracy over its
mean entropy shows how far $H$ can be trusted.
"""


# %%
@cache
def digits() -> tuple[Tensor, Tensor]:
    """Pictures of 14 x 14 pixels as rows, and their labels."""
    found = mnist(train=True, root=BUNDLED)
    return F.avg_pool2d(found.floats()[:3000, None], 2).flatten(1), found.labels[:3000]


@cache
def train_on_digits() -> dict[str, Tensor]:
    """The state of a network that has seen the first 2,000."""
    images, labels = digits()
    torch.manual_seed(0)
    model = digit_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(6):
        for batch in torch.randperm(2000).split(40):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    return model.state_dict()


def ask_about_digits(passes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and deviation for the other 1,000, and their labels."""
    model = digit_model()
    model.load_state_dict(train_on_digits())
    images, labels = digits()
    return *mc_dropout(model.eval(), images[2000:], passes), labels[2000:]


# %% solution
def plot_uncertainty(entropy: Tensor, correct: Tensor) -> Figure:
    """Accuracy over mean entropy, one line through ten groups from the surest answers on.

    `entropy` and the bool `correct` are (N,), N a multiple of 10. Say what the axes show.
    """
    ### BEGIN SOLUTION
    groups = entropy.argsort().split(len(entropy) // 10)
    figure, axes = plt.subplots(layout="constrained")
    axes.plot(
        [entropy[group].mean().item() for group in groups],
        [correct[group].double().mean().item() for group in groups],
        marker="o",
    )
    axes.set(xlabel="mean predictive entropy of a tenth (nats)", ylabel="accuracy")
    axes.set_title("Uncertain answers are wrong more often")
    return figure
    ### END SOLUTION


# %% check
@student_side
def ask():
    return ask_about_digits(passes=100)


mean, _, labels = ask()
entropy, correct = predictive_entropy(mean), mean.argmax(dim=1) == labels
print(f"accuracy {correct.double().mean():.3f}, AUROC {auroc(entropy, ~correct):.3f}")
expect.figure(
    plot_uncertainty(entropy, correct),
    when="drawing the answers about 1,000 digits",
    think="A picture is read without its author: what is on each axis?",
)


# %% hidden aspect="mean and deviation are those of the probabilities" points=1
@student_side
def weigh(p, depth, rows, passes):
    mean, std = mc_dropout(weighing_model(p, depth), torch.ones(rows, 1).double(), passes)
    return mean, std


torch.manual_seed(1)
for p, depth, passes in ((0.3, 0, 7), (0.4, 2, 12)):
    high, low = 1 / (1 + math.exp(-2 / (1 - p))), 0.5
    mean, std = weigh(p, depth, 50, passes)
    expect.shape(mean, (50, 2), when=f"averaging {passes} passes")
    kept = passes * (mean[:, 0] - low) / (high - low)
    expect.close(
        kept,
        kept.round(),
        atol=1e-6,
        when=f"counting the passes in which the input was kept, of {passes}, from your mean",
        think="Every pass gives one of two probabilities; their mean tells how many of each.",
    )
    # Two values, taken so many times each: the deviation follows from the counts.
    spread = (high - low) * (kept * (passes - kept) / (passes * (passes - 1))).clamp(min=0).sqrt()
    expect.close(
        std,
        torch.stack([spread, spread], dim=1),
        atol=1e-6,
        when=f"comparing the deviation over {passes} passes with the counts",
        think="The prompt divides by T - 1, and looks at one sample and class over the passes.",
    )


# %% hidden aspect="every pass draws new masks" points=1
@student_side
def mean_of_many(p, rows, passes):
    return mc_dropout(weighing_model(p), torch.ones(rows, 1).double(), passes)[0]


torch.manual_seed(2)
high, low, passes = 1 / (1 + math.exp(-2 / 0.7)), 0.5, 25
mean = mean_of_many(0.3, 600, passes)
expect.shape(mean, (600, 2), when="averaging 25 passes over 600 inputs")
kept = passes * (mean[:, 0] - low) / (high - low)
# 600 independent counts of 25: six standard errors, a false alarm in 5e8 runs.
expect.average(
    kept / passes,
    0.7,
    when="averaging how often an input is kept by a drop probability of 0.3",
    think="Is dropout on while predicting?",
)
# The share of pairs of passes that disagree, without bias p (1 - p). Again a false alarm in 5e8 runs.
expect.average(
    kept * (passes - kept) / (passes * (passes - 1)),
    0.21,
    when="averaging how often two passes disagree about an input: 0.3 * 0.7 of the ordered pairs",
    think="If every pass starts from the same seed, a hundred of them are one.",
)


# %% hidden aspect="batch norms work as in evaluation" points=1
@student_side
def without_dropping(state, x, training):
    model = digit_model(p=0.0).double()
    model.load_state_dict(state)
    mean, _ = mc_dropout(model.train(training), x, 3)
    return mean, {name: value.clone() for name, value in model.state_dict().items()}


torch.manual_seed(3)
model = digit_model(p=0.0).double()
for _ in range(5):
    model(2 * torch.randn(20, 196).double() + 1)
x, state = torch.randn(6, 196).double(), dict(model.state_dict())
wanted = F.softmax(model.eval()(x), dim=1).detach()
for training in (True, False):
    found, after = without_dropping(state, x.clone(), training)
    mode = "training" if training else "evaluation"
    expect.close(
        found,
        wanted,
        when=f"asking a network whose dropout drops nothing, handed over in {mode} mode",
        think="Which statistics does a batch norm use in which mode?",
    )
    for name, value in state.items():
        expect.close(
            after[name],
            value,
            when=f"looking at {name} after the passes, handed over in {mode} mode",
            think="A forward pass in training mode writes into the buffers, even under no_grad.",
        )


# %% hidden aspect="every module is in its own mode again" points=1
@student_side
def modes_before_and_after(frozen):
    model = digit_model()
    for name, module in model.named_modules():
        module.training = name not in frozen
    before = {name or "the whole": module.training for name, module in model.named_modules()}
    found = mc_dropout(model, torch.randn(4, 196), 2)
    after = {name or "the whole": module.training for name, module in model.named_modules()}
    return before, after, isinstance(found, tuple | list)


for frozen in ([], ["0.1"], ["0", "0.0", "0.1", "0.3", "1"], ["", "0", "0.0", "0.1", "0.2", "0.3"]):
    before, after, measured = modes_before_and_after(frozen)
    expect.true(
        measured,
        when="asking for the mean and the standard deviation of four digits",
        wanted="the two of them",
        got="neither",
        think="Who does not run the model has no mode to restore.",
    )
    expect.equal(
        after,
        before,
        when="comparing which modules were in training mode before and after",
        think="model.train() and model.eval() write one flag into all; who remembers the others?",
    )

# %% hidden aspect="the entropy is in nats, and 0 log 0 is 0" points=1
torch.manual_seed(4)
p = torch.rand(7, 5).double()
p[2, 1:] = 0
p[3, :2] = 0
p /= p.sum(dim=1, keepdim=True)
wanted = [0.0 - sum(v * math.log(v) for v in row if v > 0) for row in p.tolist()]
expect.close(
    predictive_entropy(p.clone()),
    torch.tensor(wanted).double(),
    rtol=1e-6,  # a floor of 1e-10 under the probabilities does no harm
    atol=1e-6,
    when="taking the entropies of seven rows, two of which have zeros",
    think="Natural logs, a minus, a sum over the classes.",
)

# %% hidden aspect="auroc counts the pairs in which the wrong answer has the larger score" points=1


@student_side
def ask():
    return ask_about_digits(passes=30)


torch.manual_seed(5)
score, wrong = torch.randint(0, 6, (30,)).double(), torch.rand(30) < 0.3
wrong[:2] = torch.tensor([True, False])
won = [(a > b) + (a == b) / 2 for a in score[wrong].tolist() for b in score[~wrong].tolist()]
expect.close(
    auroc(score.clone(), wrong.clone()),
    sum(won) / len(won),
    rtol=1e-6,  # ranks may have been counted in float32
    when="scoring 30 answers with many ties",
    think="All pairs of one wrong and one right answer, and half a point for a tie.",
)
mean, _, labels = ask()
expect.shape(mean, (1000, 10), when="asking about 1,000 digits")
p = mean.double().clamp(min=1e-12)
expect.between(
    auroc(-(p * p.log()).sum(dim=1), mean.argmax(dim=1) != labels),
    0.8,
    1.0,
    when="scoring the answers of a trained network by their entropy",
    think="The wrong ones are to get the larger scores. Which of the two is counted?",
)

# %% hidden aspect="the figure shows accuracy over entropy, tenth by tenth" points=1
torch.manual_seed(6)
entropy = torch.rand(70).double() * 2
correct = torch.rand(70) > entropy / 3
order = sorted(range(70), key=entropy.tolist().__getitem__)
tenths = [order[k : k + 7] for k in range(0, 70, 7)]
expect.figure(
    plot_uncertainty(entropy.clone(), correct.clone()),
    when="drawing 70 answers in ten groups",
    think="Sort first, then divide: seven answers a group, from the surest on.",
    lines=[
        (
            [entropy[group].mean().item() for group in tenths],
            [correct[group].double().mean().item() for group in tenths],
        )
    ],
)


# %% alternative of="mc_dropout"
def with_eval_first(model, x, passes=100):
    flags = [module.training for module in model.modules()]
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    total = squares = 0.0
    with torch.inference_mode():
        for _ in range(passes):
            p = model(x).softmax(-1).double()
            total, squares = total + p, squares + p * p
    for module, flag in zip(model.modules(), flags, strict=True):
        module.training = flag
    mean = total / passes
    var = (squares - passes * mean**2).clamp(min=0) / (passes - 1)
    return mean.to(x.dtype).clone(), var.sqrt().to(x.dtype).clone()


# %% alternative of="mc_dropout"
def with_a_copy(model, x, passes=100):
    import copy

    twin = copy.deepcopy(model).eval().requires_grad_(False)
    for module in twin.modules():
        if isinstance(module, nn.Dropout):
            module.train()
    p = torch.stack([twin(x).softmax(1) for _ in range(passes)])
    return p.mean(0), p.std(0, correction=1)


# %% alternative of="auroc"
def with_ranks(score, wrong):
    _, inverse, counts = score.unique(return_inverse=True, return_counts=True)
    ranks = (counts.cumsum(0) - (counts - 1) / 2)[inverse]
    n, m = int(wrong.sum()), int((~wrong).sum())
    return float((ranks[wrong].sum() - n * (n + 1) / 2) / (n * m))


# %% mistake of="mc_dropout" fails="mean and deviation are those of the probabilities"
def divides_by_the_number_of_passes(model, x, passes=100):
    """The mean is taken from the same passes, so the sum of squares is divided by T - 1."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = isinstance(module, nn.Dropout)
    with torch.no_grad():
        p = torch.stack([F.softmax(model(x), dim=1) for _ in range(passes)])
    for module, mode in modes.items():
        module.training = mode
    return p.mean(dim=0), p.std(dim=0, unbiased=False)


# %% mistake of="mc_dropout" fails="mean and deviation are those of the probabilities"
def finds_the_outermost_dropouts_only(model, x, passes=100):
    """A dropout layer may sit in a block of a block: modules() finds it, children() does not."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = False
    for child in model.children():
        child.training = isinstance(child, nn.Dropout)
    with torch.no_grad():
        p = torch.stack([F.softmax(model(x), dim=1) for _ in range(passes)])
    for module, mode in modes.items():
        module.training = mode
    return p.mean(dim=0), p.std(dim=0)


# %% mistake of="mc_dropout" fails="mean and deviation are those of the probabilities; every pass draws new masks"
def averages_the_logits(model, x, passes=100):
    """The softmax of a mean is not the mean of softmaxes: probabilities are what is averaged."""
    modes = {module: module.training for module in model.modules()}
    for module in modes:
        module.training = isinstance(module, nn.Dropout)
    with torch.no_grad():
        z = torch.stack([model(x) for _ in range(passes)])
    for module, mode in modes.items():
        module.training = mode
    return F.softmax(z.mean(dim=0), dim=1), F.softmax(z, dim=2).std(dim=0)


# %% mistake of="mc_dropout" fails="every pass draws new masks"
def seeds_every_pass(model, x, passes=100):
    """A seed inside the loop makes all passes one: each of them draws the same masks."""
    modes, p = {module: module.training for module in model.modules()}, []
    for module in modes:
        module.training = isinstance(module, nn.Dropout)
    with torch.no_grad():
        for _ in range(passes):
            torch.manual_seed(0)
            p.append(F.softmax(model(x), dim=1))
    for module, mode in modes.items():
        module.training = mode
    return torch.stack(p).mean(dim=0), torch.stack(p).std(dim=0)


# %% mistake of="mc_dropout" fails="batch norms work as in evaluation"
def switches_everything_to_training(model, x, passes=100):
    """In training mode batch norms use the batch at hand, and write into their buffers."""
    modes = {module: module.training for module in model.modules()}
    model.train()
    with torch.no_grad():
        p = torch.stack([F.softmax(model(x), dim=1) for _ in range(passes)])
    for module, mode in modes.items():
        module.training = mode
    return p.mean(dim=0), p.std(dim=0)


# %% mistake of="mc_dropout" fails="every module is in its own mode again"
def ends_with_eval(model, x, passes=100):
    """Somebody may be in the middle of training: each module gets back the mode that it had."""
    for module in model.modules():
        module.training = isinstance(module, nn.Dropout)
    with torch.no_grad():
        p = torch.stack([F.softmax(model(x), dim=1) for _ in range(passes)])
    model.eval()
    return p.mean(dim=0), p.std(dim=0)


# %% mistake of="mc_dropout" fails="every module is in its own mode again"
def restores_one_mode_for_all(model, x, passes=100):
    """The mode of the whole is not that of its parts: frozen layers keep a flag of their own."""
    training = model.training
    for module in model.modules():
        module.training = isinstance(module, nn.Dropout)
    with torch.no_grad():
        p = torch.stack([F.softmax(model(x), dim=1) for _ in range(passes)])
    model.train(training)
    return p.mean(dim=0), p.std(dim=0)


# %% mistake of="predictive_entropy" fails="the entropy is in nats, and 0 log 0 is 0"
def meets_the_log_of_zero(mean):
    """0 times -inf is nan, and a probability that has vanished is to count 0."""
    return -(mean * mean.log()).sum(dim=1)


# %% mistake of="predictive_entropy" fails="the entropy is in nats, and 0 log 0 is 0"
def counts_bits(mean):
    """In nats the log is the natural one; log2 counts bits."""
    return -(mean * mean.clamp(min=1e-12).log2()).sum(dim=1)


# %% mistake of="auroc" fails="auroc counts the pairs in which the wrong answer has the larger score"
def counts_the_right_answers(score, wrong):
    """An uncertain answer is suspected to be wrong: the wrong ones are to get the larger scores."""
    pairs = score[~wrong][:, None] - score[wrong]
    return ((pairs > 0).double() + (pairs == 0).double() / 2).mean().item()


# %% mistake of="auroc" fails="auroc counts the pairs in which the wrong answer has the larger score"
def gives_nothing_for_a_tie(score, wrong):
    """A tie is decided by a coin, so it counts one half."""
    return (score[wrong][:, None] > score[~wrong]).double().mean().item()


# %% mistake of="plot_uncertainty" fails="the figure shows accuracy over entropy, tenth by tenth"
def groups_without_sorting(entropy, correct):
    """Ten groups in the order of arrival all have about the same entropy: sort them first."""
    figure, axes = plt.subplots()
    x, y = entropy.reshape(10, -1).mean(dim=1), correct.reshape(10, -1).double().mean(dim=1)
    axes.plot(x.tolist(), y.tolist(), marker="o")
    axes.set(xlabel="entropy (nats)", ylabel="accuracy", title="Uncertainty and accuracy")
    return figure
