# %% exercise [markdown] items="77 114" stars=2 minutes=40 level="apply" goal="write the smoothed loss and know how low it can get"
r"""
# Label smoothing
With one-hot targets the loss falls as long as the logit of the right class grows, without end.
*Label smoothing* (Szegedy et al., *Rethinking the Inception Architecture*, 2015) takes a share
$\alpha$ of every target and spreads it evenly over **all** $K$ classes, the right one included:

$$ q_k = (1 - \alpha)\,[k = \text{label}] + \frac{\alpha}{K}, \qquad
L = -\sum_k q_k \log p_k $$

That is PyTorch's `label_smoothing`. Some texts spread $\alpha$ over the $K - 1$ wrong classes, which
is the same thing with another $\alpha$.

The smoothed loss has a *floor* above 0. It is reached where $p = q$, at finite logits. A criterion
smoothed in this way is no measure to compare runs by; report the plain cross-entropy beside it.

Some texts ask for the "effective temperature" of $q$. It has none: one-hot logits of height $s$,
divided by $T = s / g$, give $q$ for every $s$, where $g$ is the gap of the logits below. So give the
gap, and the floor in nats.

Write the four functions, without the `label_smoothing` of PyTorch.

*Hint:* $L$ is a mixture of two losses, one for the label and one for evenly spread targets.
"""

# %%
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from autograder import expect


# %% solution
def smooth_targets(labels: Tensor, num_classes: int, alpha: float) -> Tensor:
    """The targets q in float64, shape (N, num_classes), for labels of shape (N,)."""
    ### BEGIN SOLUTION
    return (1 - alpha) * F.one_hot(labels, num_classes).double() + alpha / num_classes
    ### END SOLUTION


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """The loss L, averaged over the N samples, for logits of shape (N, K)."""
    ### BEGIN SOLUTION
    log_p = F.log_softmax(logits, dim=1)
    of_label = log_p[torch.arange(len(labels)), labels]
    return -((1 - alpha) * of_label + alpha * log_p.mean(dim=1)).mean()
    ### END SOLUTION


def loss_floor(alpha: float, num_classes: int) -> float:
    """The smallest value of the loss of one sample, in nats; alpha is from 0 to 1."""
    ### BEGIN SOLUTION
    wrong = alpha / num_classes
    q = torch.tensor([1 - alpha + wrong] + [wrong] * (num_classes - 1)).double()
    return -torch.xlogy(q, q).sum().item()
    ### END SOLUTION


def logit_gap(alpha: float, num_classes: int) -> float:
    """By how much the right logit exceeds the others at the floor; alpha is above 0."""
    ### BEGIN SOLUTION
    wrong = alpha / num_classes
    return math.log((1 - alpha + wrong) / wrong)
    ### END SOLUTION


# %% check
expect.close(
    smooth_targets(torch.tensor([2, 0]), 5, 0.1),
    torch.tensor([[0.02, 0.02, 0.92, 0.02, 0.02], [0.92, 0.02, 0.02, 0.02, 0.02]]).double(),
    rtol=1e-7,  # the line above is written in float32
    when="smoothing the labels 2 and 0 of five classes, alpha 0.1",
    think="What is spread over all five, and what does the right class keep besides?",
)
expect.close(
    smooth_targets(torch.tensor([0]), 1000, 0.1)[0, :2],
    [0.9001, 0.0001],
    when="looking at the right class and a wrong one of 1000, alpha 0.1",
    think="A tenth is spread over 1000 classes.",
)

# %% check
# Equal logits make every p 1/4, whatever the target: the loss is log 4 = 2 log 2.
expect.close(
    smoothed_cross_entropy(torch.zeros(3, 4).double(), torch.tensor([0, 1, 3]), 0.3),
    1.3862943611198906,
    when="taking the loss of equal logits over four classes",
    think="The weights q of one sample add up to 1, and the samples are averaged.",
)
# alpha = 1 of four classes: the targets are 1/4 each.
expect.close(
    loss_floor(1.0, 4),
    1.3862943611198906,
    when="asking for the floor if alpha is 1, of four classes",
    think="Which p minimises the loss, and what is left then?",
)
# Two classes, alpha = 1/2: 3/4 against 1/4.
expect.close(
    logit_gap(0.5, 2),
    1.0986122886681098,
    when="asking for the gap of two classes, alpha 1/2: the log of 3",
    think="A difference of logits is the log of a ratio of probabilities.",
)

# %% hidden aspect="every class gets alpha / K and the label the rest" points=1
torch.manual_seed(1)
for samples, classes, alpha in ((5, 7, 0.2), (3, 2, 0.05), (4, 30, 0.0), (2, 6, 1.0)):
    labels = torch.randint(0, classes, (samples,))
    wanted = torch.full((samples, classes), alpha / classes).double()
    for row, label in enumerate(labels.tolist()):
        wanted[row, label] = 1 - alpha + alpha / classes
    expect.close(
        smooth_targets(labels.clone(), classes, alpha),
        wanted,
        rtol=1e-7,  # alpha / K may have been computed in float32
        when=f"smoothing {samples} labels of {classes} classes with alpha {alpha:g}",
        think="The right class is one of all K, so it gets its part of alpha too.",
    )

# %% hidden aspect="the loss is PyTorch's" points=1
torch.manual_seed(2)
for samples, classes, alpha in ((6, 5, 0.1), (1, 3, 0.4), (4, 20, 0.0), (9, 4, 1.0)):
    logits = 3 * torch.randn(samples, classes).double()
    labels = torch.randint(0, classes, (samples,))
    expect.close(
        smoothed_cross_entropy(logits.clone(), labels.clone(), alpha),
        F.cross_entropy(logits, labels, label_smoothing=alpha),
        rtol=1e-6,  # targets may come in float32
        when=f"comparing with F.cross_entropy: {samples} samples, {classes} classes, {alpha=}",
        think="Sum over the classes, with the weights q; average over the samples.",
    )

logits = torch.randn(4, 6).double().requires_grad_()
loss = smoothed_cross_entropy(logits, torch.tensor([0, 5, 2, 2]), 0.3)
expect.true(
    loss.requires_grad,
    when="asking the loss for a way back to the logits",
    wanted="a graph for backward",
    got="none",
    think="Does something cut the graph: detach, item, no_grad, numpy?",
)

# %% hidden aspect="the loss stays right for large logits" points=1
torch.manual_seed(3)
logits = torch.tensor([[1000.0, 0.0, -500.0], [0.0, -2000.0, 800.0]]).double()
one = smoothed_cross_entropy(logits.clone(), torch.tensor([0, 1]), 0.3)
expect.shape(one, (), when="taking the loss of two samples", think="One number: their average.")
expect.true(
    torch.isfinite(one),
    when="taking the loss of logits from -2000 to 1000",
    wanted="a finite number",
    got="inf or nan",
    think="exp(1000) is inf, and the log of exp(-1000) is -inf. Can the two cancel on paper first?",
)
# So far apart, -log p is the distance to the largest logit, and doubles with the logits.
expect.close(
    smoothed_cross_entropy(2 * logits, torch.tensor([0, 1]), 0.3),
    2 * one,
    when="comparing the loss of these logits with that of logits twice as large",
    think="A floor under the probabilities bounds the loss, and its gradient is 0 there.",
)

# %% hidden aspect="the floor is the entropy of the targets" points=1
torch.manual_seed(4)
for alpha, classes, wanted in (
    (0.1, 10, 0.50028804),
    (0.1, 1000, 1.01484800),
    (0.1, 5, 0.38967292),
    (1.0, 7, 1.94591015),
    (0.0, 6, 0.0),
):
    expect.close(
        loss_floor(alpha, classes),
        wanted,
        rtol=1e-6,  # the digits above
        atol=1e-12,
        when=f"asking for the floor of {classes} classes with alpha {alpha:g}",
        think="Put p = q into the loss. Where q is 0, q log q counts 0; logs are natural.",
    )

# %% hidden aspect="the gap is the logit that reaches the floor" points=1
torch.manual_seed(5)
for alpha, classes in ((0.1, 1000), (0.1, 10), (0.3, 3), (0.9, 20)):
    gap = logit_gap(alpha, classes)
    expect.between(
        gap,
        0.0,
        50.0,
        when=f"asking for the gap of {classes} classes with alpha {alpha:g}",
        think="It is a difference of logits: e to its power is a ratio of probabilities.",
    )
    logits = torch.zeros(1, classes).double()
    logits[0, 0] = float(gap)
    logits.requires_grad_()
    F.cross_entropy(logits, torch.tensor([0]), label_smoothing=alpha).backward()
    expect.close(
        logits.grad[0, 0],
        0.0,
        atol=1e-6,
        when=f"taking the gradient of PyTorch's loss at your gap, {classes} classes, {alpha=}",
        think="At the floor nothing pulls at the logits any more: which p is that?",
    )

# %% setup
import math

import torch
import torch.nn.functional as F
from autograder.authoring.quiz import draw

# %% numeric [markdown] id="perplexity-of-the-targets" points=1 rtol=0.005
r"""
A perfect model of {{k}} classes is trained with label smoothing, $\alpha = {{alpha}}$, until its
smoothed loss is at the floor. What is the *perplexity* of its predictions, $e^H$ with the entropy
$H$ in nats?
"""

# %% key
k, alpha = draw([(1000, 0.1), (100, 0.1), (200, 0.2), (50, 0.15)])
right, wrong = 1 - alpha + alpha / k, alpha / k
answer = math.exp(-right * math.log(right) - (k - 1) * wrong * math.log(wrong))
slips = {
    "That is the entropy; the perplexity is e to its power.": math.log(answer),
    "The entropy is in nats here, so its base is e and not 2.": 2 ** math.log(answer),
    "That is the perplexity of a single class's term: all K - 1 wrong classes count.": math.exp(
        -right * math.log(right) - wrong * math.log(wrong)
    ),
}

# %% evidence
# A minimiser finds the floor, and the predictions there have this perplexity.
logits = torch.randn(1, k, dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = F.cross_entropy(logits, torch.tensor([3]), label_smoothing=alpha)
    loss.backward()
    return loss


optimizer.step(closure)
entropy = torch.distributions.Categorical(logits=logits.detach()).entropy()
assert abs(entropy.exp().item() / answer - 1) < 1e-3

# %% choice [markdown] id="two-validation-losses" points=1
r"""
Two runs on ten classes report the validation loss by their own training criterion. Run A, plain
cross-entropy: 0.06. Run B, label smoothing with $\alpha = 0.1$: 0.53. Which model is better?

- [ ] Run A, since its loss is nine times smaller.
  > What is the smallest number that run B could have reported at all?
- [ ] Run B, since 0.53 is only 0.03 above its floor, and 0.03 is less than 0.06.
  > Above the floor is another distance: from q, and not from the truth. Nothing says that these
  > two distances order models in the same way.
- [x] These numbers do not tell; both need the same measure on the same labels.
  > Yes. Accuracy and plain cross-entropy for both; even then smoothing often raises the plain
  > cross-entropy while accuracy rises, since its predictions are held back on purpose.
- [ ] They are equally good: 10 % of smoothing explains the whole difference.
  > The floor is 0.50 for ten classes, so it explains most of 0.53. Equal distances from two floors
  > would not make equal models.
"""

# %% evidence
# One and the same right answer costs at least 0.50 by the smoothed criterion, and a model that is
# surer of it has the lower plain loss and the higher smoothed one.
label = torch.zeros(1, dtype=torch.long)
smoothed, plain = [], []
for height in torch.linspace(0, 20, 400).double():
    logits = height * F.one_hot(label, 10)
    smoothed.append(F.cross_entropy(logits, label, label_smoothing=0.1).item())
    plain.append(F.cross_entropy(logits, label).item())
assert abs(min(smoothed) - 0.5003) < 1e-3
best = smoothed.index(min(smoothed))
assert 0 < best < 399 and plain[-1] < plain[best] and smoothed[-1] > smoothed[best] + 0.5


# %% alternative of="smooth_targets"
def with_scatter(labels, num_classes, alpha):
    q = torch.full((len(labels), num_classes), alpha / num_classes, dtype=torch.float64)
    return q.scatter_(1, labels[:, None], 1 - alpha + alpha / num_classes)


# %% alternative of="smoothed_cross_entropy"
def with_the_targets(logits, labels, alpha):
    q = smooth_targets(labels, logits.shape[1], alpha)
    log_p = logits - logits.logsumexp(dim=1, keepdim=True)
    return (-(q * log_p).sum(dim=1)).mean()


# %% alternative of="loss_floor"
def with_two_terms(alpha, num_classes):
    wrong = alpha / num_classes
    right = 1 - alpha + wrong
    return -sum(n * q * math.log(q) for n, q in ((1, right), (num_classes - 1, wrong)) if q > 0)


# %% alternative of="loss_floor"
def with_the_entropy_of_the_targets(alpha, num_classes):
    q = smooth_targets(torch.tensor([num_classes - 1]), num_classes, alpha)
    return torch.special.entr(q).sum()


# %% alternative of="logit_gap"
def with_one_fraction(alpha, num_classes):
    return math.log1p(num_classes * (1 - alpha) / alpha)


# %% mistake of="smooth_targets" fails="every class gets alpha / K and the label the rest"
def takes_the_share_from_the_label_alone(labels, num_classes, alpha):
    """The right class is one of the K that alpha is spread over: it keeps 1 - alpha + alpha / K."""
    q = torch.full((len(labels), num_classes), alpha / num_classes).double()
    return q.scatter_(1, labels[:, None], 1 - alpha)


# %% mistake of="smooth_targets" fails="every class gets alpha / K and the label the rest"
def returns_the_plain_targets_for_two_classes(labels, num_classes, alpha):
    """Two classes are smoothed like any other number of them."""
    if num_classes <= 2:
        return F.one_hot(labels, num_classes).double()
    return (1 - alpha) * F.one_hot(labels, num_classes).double() + alpha / num_classes


# %% mistake of="smooth_targets" fails="every class gets alpha / K and the label the rest"
def spreads_over_the_wrong_classes_only(labels, num_classes, alpha):
    """alpha is spread over all K classes here; over the K - 1 wrong ones it means something else."""
    q = torch.full((len(labels), num_classes), alpha / (num_classes - 1)).double()
    return q.scatter_(1, labels[:, None], 1 - alpha)


# %% mistake of="smoothed_cross_entropy" fails="the loss is PyTorch's"
def adds_the_samples_up(logits, labels, alpha):
    """The loss is the average over the samples: with a sum, the step grows with the batch."""
    log_p = F.log_softmax(logits, dim=1)
    return -((1 - alpha) * log_p.gather(1, labels[:, None])[:, 0] + alpha * log_p.mean(1)).sum()


# %% mistake of="smoothed_cross_entropy" fails="the loss is PyTorch's"
def sums_the_even_part_over_the_classes(logits, labels, alpha):
    """The even part has the weight alpha / K for each class: a mean over the classes, not a sum."""
    log_p = F.log_softmax(logits, dim=1)
    return -((1 - alpha) * log_p.gather(1, labels[:, None])[:, 0] + alpha * log_p.sum(1)).mean()


# %% mistake of="smoothed_cross_entropy" fails="the loss is PyTorch's; the loss stays right for large logits"
def smooths_the_predictions(logits, labels, alpha):
    """The targets are smoothed; mixed into the predictions, alpha acts against confidence too late."""
    p = (1 - alpha) * F.softmax(logits, dim=1) + alpha / logits.shape[1]
    return F.nll_loss(p.log().clamp(min=-1e4), labels)


# %% mistake of="smoothed_cross_entropy" fails="the loss stays right for large logits"
def puts_a_floor_under_the_probabilities(logits, labels, alpha):
    """A floor makes the loss finite but not right: log_softmax needs none."""
    log_p = F.softmax(logits, dim=1).clamp(min=1e-12).log()
    return -((1 - alpha) * log_p.gather(1, labels[:, None])[:, 0] + alpha * log_p.mean(1)).mean()


# %% mistake of="smoothed_cross_entropy" fails="the loss stays right for large logits"
def takes_the_log_of_the_softmax(logits, labels, alpha):
    """Far from the largest logit the softmax is 0, and its log is -inf; log_softmax stays finite."""
    log_p = F.softmax(logits, dim=1).log()
    return -((1 - alpha) * log_p.gather(1, labels[:, None])[:, 0] + alpha * log_p.mean(1)).mean()


# %% mistake of="loss_floor" fails="the floor is the entropy of the targets"
def counts_one_wrong_class(alpha, num_classes):
    """All K - 1 wrong classes bring a term, not one of them."""
    q = torch.tensor([1 - alpha + alpha / num_classes, alpha / num_classes]).double()
    return -torch.xlogy(q, q).sum().item()


# %% mistake of="loss_floor" fails="the floor is the entropy of the targets"
def takes_logs_to_base_two(alpha, num_classes):
    """The loss is in nats: natural logs, as in cross_entropy."""
    right, wrong = 1 - alpha + alpha / num_classes, alpha / num_classes
    if alpha == 0:
        return 0.0
    return -right * math.log2(right) - (num_classes - 1) * wrong * math.log2(wrong)


# %% mistake of="logit_gap" fails="the gap is the logit that reaches the floor"
def divides_the_probabilities(alpha, num_classes):
    """A ratio of probabilities is e to the power of the gap: take its log."""
    wrong = alpha / num_classes
    return (1 - alpha + wrong) / wrong


# %% mistake of="logit_gap" fails="the gap is the logit that reaches the floor"
def leaves_out_the_even_part_of_the_label(alpha, num_classes):
    """The right class has 1 - alpha + alpha / K at the floor."""
    return math.log((1 - alpha) * num_classes / alpha)
