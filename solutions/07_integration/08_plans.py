# %% exercise [markdown] items="97 121" stars=2 minutes=60 level="create" goal="write a training plan whose parts agree with each other"
r"""
# Two training plans
Most plans fail not because a part is wrong by itself but because two parts contradict each other: dropout
on embeddings that are hardly ever seen, clipping of gradients that are still scaled, batch statistics
from batches of eight. Here you plan two runs, as dictionaries that a program could read, and what
contradicts itself is found.

**A recommender.** Click-through prediction: two thirds of the rows of its embedding tables are seen less than
once a day, dense layers use ReLU, batches are large (8,192 rows, on 4 devices with data parallelism),
training uses fp16 with loss scaling.

**A clinic.** 500 labelled images in 10 classes; fine details decide; left and right matter for one class
(the heart is on the left). Batches have 8 images. A network pretrained on other images is at hand.

The entries are explained below. `order` lists what happens in one training step.
"""

# %%
from autograder import expect

STEPS = ("forward", "scale", "backward", "unscale", "clip", "step", "update", "schedule")
NORMS = ("batch", "layer", "group", "none")
AUGMENTATIONS = ("crop", "rotate a little", "contrast", "mirror", "mixup", "upside down")

# %% solution
# recommender: a dictionary.
#   "embedding_bound"     d -> U(-b, b): b as a float, for embeddings of dimension 64 whose squared length
#                         is to be 1/3 on average
#   "dense_std"           standard deviation of the weights of a dense layer with 256 inputs behind ReLU
#   "norm"                one of NORMS, for the dense layers
#   "dropout_embedding"   drop rate on the embeddings
#   "dropout_top"         drop rate in the top dense layers, above 0 and at most 0.5
#   "decay_on"            a list out of "dense weights", "embeddings", "biases", "norms"
#   "order"               STEPS in the order of one step (the scaler's `update` after the optimizer's step)
#   "rows_per_device"     rows of a batch that each device normalizes over
### BEGIN SOLUTION
recommender = {
    "embedding_bound": 1 / 64**0.5,
    "dense_std": (2 / 256) ** 0.5,
    "norm": "batch",
    "dropout_embedding": 0.0,
    "dropout_top": 0.1,
    "decay_on": ["dense weights"],
    "order": ["forward", "scale", "backward", "unscale", "clip", "step", "update", "schedule"],
    "rows_per_device": 8192 // 4,
}
### END SOLUTION

# %% check
expect.kind(recommender, dict, when="reading your plan for the recommender")
expect.equal(
    sorted(recommender),
    sorted(
        "embedding_bound dense_std norm dropout_embedding dropout_top decay_on order "
        "rows_per_device".split()
    ),
    when="reading the keys of the plan for the recommender",
    think="All keys of the comment, and no others.",
)
expect.equal(
    sorted(recommender["order"]),
    sorted(STEPS),
    when="reading what happens in a step",
    think="Each entry of STEPS once; their order is for you to say.",
)

# %% solution
# clinic: a dictionary.
#   "start"            "pretrained" or "random"
#   "norm"             one of NORMS, for layers that are trained on these batches
#   "noise_ratio"      how many times as large the standard deviation of a batch mean is with 8 images as with
#                      128, if all pixels of an image count as one number
#   "augmentations"    a list out of AUGMENTATIONS: those that keep the label of every class
#   "validation"       images set aside to choose by, of the 500
#   "folds"            in how many parts the others and these change places, 1 for none
#   "decay"            decoupled weight decay, above 0 and below 1
#   "stop"             "validation loss", "training loss" or "never"
### BEGIN SOLUTION
clinic = {
    "start": "pretrained",
    "norm": "group",
    "noise_ratio": (128 / 8) ** 0.5,
    "augmentations": ["crop", "rotate a little", "contrast"],
    "validation": 100,
    "folds": 5,
    "decay": 0.05,
    "stop": "validation loss",
}
### END SOLUTION

# %% check
expect.kind(clinic, dict, when="reading your plan for the clinic")
expect.equal(
    sorted(clinic),
    sorted("start norm noise_ratio augmentations validation folds decay stop".split()),
    when="reading the keys of the plan for the clinic",
    think="All keys of the comment, and no others.",
)

# %% hidden aspect="embeddings and dense layers start at the right scale" points=1
expect.kind(recommender, dict, when="reading your plan for the recommender")
# 64 entries of variance b^2/3 have a squared length of 1/3 if b^2 is 1/64.
expect.close(
    recommender.get("embedding_bound", ...),
    0.125,
    rtol=1e-3,  # three digits are enough
    when="reading the bound of the embeddings",
    think="The variance of U(-b, b) is a third of b squared, and 64 of them are added up.",
)
expect.close(
    recommender.get("dense_std", ...),
    0.0883883,
    rtol=1e-3,  # three digits are enough
    when="reading the standard deviation of the dense weights",
    think="Behind a ReLU, which keeps half of the mean square: variance or standard deviation?",
)

# %% hidden aspect="what is rarely seen is neither dropped nor decayed" points=1
expect.kind(recommender, dict, when="reading your plan for the recommender")
expect.equal(
    recommender.get("dropout_embedding", ...),
    0.0,
    when="reading the drop rate on the embeddings",
    think="A row that is seen once a day would lose part of that one time.",
)
expect.equal(
    sorted(recommender.get("decay_on", ...)),
    ["dense weights"],
    when="reading what the decay acts on",
    think="A decay takes its share at every step, seen or not. And what do scales and biases fit?",
)

# %% hidden aspect="gradients are clipped in their true size, before the step" points=1
expect.kind(recommender, dict, when="reading your plan for the recommender")
order = recommender.get("order", ...)
expect.kind(order, (list, tuple), when="reading the order of a step")
for first, then in (
    ("forward", "scale"),
    ("scale", "backward"),
    ("backward", "unscale"),
    ("unscale", "clip"),
    ("clip", "step"),
    ("step", "update"),
    ("step", "schedule"),
):
    expect.true(
        first in order and then in order and list(order).index(first) < list(order).index(then),
        when="reading the order of a step",
        wanted=f"{first!r} before {then!r}",
        got=repr(list(order)),
        think="At each point: are the gradients there, and have they the factor of the scaler in them?",
    )

# %% hidden aspect="the recommender's norm fits the rows that a device sees" points=1
expect.kind(recommender, dict, when="reading your plan for the recommender")
expect.equal(
    recommender.get("rows_per_device", ...),
    2048,
    when="reading the rows that a device normalizes over",
    think="Data parallelism splits the batch over the devices.",
)
expect.true(
    recommender.get("norm") in ("batch", "layer"),
    when="reading the norm of the dense layers",
    wanted="'batch' (2,048 rows are plenty) or 'layer'",
    got=repr(recommender.get("norm")),
    think="Dense layers have no channels to group, and deep ones want some norm.",
)
expect.between(
    recommender.get("dropout_top", ...),
    1e-6,
    0.5,
    when="reading the drop rate of the top layers",
    think="PyTorch's rate is the share that is dropped.",
)

# %% hidden aspect="the clinic's network does not start from nothing or lean on batches of eight" points=1
expect.kind(clinic, dict, when="reading your plan for the clinic")
expect.equal(
    clinic.get("start", ...),
    "pretrained",
    when="reading where the clinic's network starts",
    think="Fifty images a class: what can be learned from elsewhere?",
)
expect.true(
    clinic.get("norm") in ("layer", "group"),
    when="reading the norm of the clinic's network",
    wanted="a norm that looks at one image at a time: 'layer' or 'group'",
    got=repr(clinic.get("norm")),
    think="How sure is a mean of eight images?",
)

# %% hidden aspect="the noise of a small batch is known" points=1
expect.kind(clinic, dict, when="reading your plan for the clinic")
expect.close(
    clinic.get("noise_ratio", ...),
    4.0,
    rtol=1e-3,  # three digits are enough
    when="reading how much noisier a mean of 8 is than one of 128",
    think="Variances of means go with one over the number; what do standard deviations do?",
)

# %% hidden aspect="augmentations keep every label" points=1
expect.kind(clinic, dict, when="reading your plan for the clinic")
chosen = clinic.get("augmentations", ...)
expect.kind(chosen, (list, tuple), when="reading the augmentations")
for name in chosen:
    expect.true(
        name in ("crop", "rotate a little", "contrast", "mixup"),
        when=f"looking at the augmentation {name!r}",
        wanted="one after which every image keeps its label (or its mixed label)",
        got="one that turns an image of one class into none, or into another",
        think="The heart is on the left, and no image is taken upside down.",
    )
expect.true(
    len(set(chosen)) >= 2,
    when="counting the augmentations",
    wanted="two or more",
    got=str(len(set(chosen))),
    think="Five hundred images are few; which changes does a doctor look through?",
)

# %% hidden aspect="there are enough images to choose by, and the choice is made on them" points=1
expect.kind(clinic, dict, when="reading your plan for the clinic")
expect.between(
    clinic.get("validation", ...),
    50,
    200,
    when="reading how many images are set aside",
    think="Fewer than five a class say little; more than two fifths are missing in training.",
)
expect.true(
    int(clinic.get("folds", 0)) == 1
    or abs(500 / int(clinic.get("folds", 0) or 1) - clinic["validation"]) <= 1,
    when="comparing the folds with the images that are set aside",
    wanted="folds that are as large as the validation set, or 1 fold",
    got=f"{clinic.get('folds')} folds, {clinic.get('validation')} images",
    think="In k folds, each has 500 / k images.",
)
expect.equal(
    clinic.get("stop", ...),
    "validation loss",
    when="reading what ends training",
    think="The training loss of 500 images goes to 0.",
)
expect.between(
    clinic.get("decay", ...),
    1e-6,
    0.999,
    when="reading the weight decay",
    think="Decoupled decay is a share of the weight, per unit of learning rate.",
)


# %% mistake of="recommender" fails="embeddings and dense layers start at the right scale"
def gives_a_variance():
    """The weights of a dense layer are drawn with a standard deviation: the root of 2/n."""
    return {
        "embedding_bound": 0.125, "dense_std": 2 / 256, "norm": "batch", "dropout_embedding": 0.0,
        "dropout_top": 0.1, "decay_on": ["dense weights"], "order": list(STEPS), "rows_per_device": 2048,
    }  # fmt: skip


# %% mistake of="recommender" fails="what is rarely seen is neither dropped nor decayed"
def decays_everything():
    """Decay shrinks embeddings between the few times that they are seen; leave them, biases and norms out."""
    return {
        "embedding_bound": 0.125, "dense_std": 0.0883883, "norm": "batch", "dropout_embedding": 0.0,
        "dropout_top": 0.1, "decay_on": ["dense weights", "embeddings", "biases", "norms"],
        "order": list(STEPS), "rows_per_device": 2048,
    }  # fmt: skip


# %% mistake of="recommender" fails="gradients are clipped in their true size, before the step"
def clips_scaled_gradients():
    """Unscale first: the limit of clipping is meant for gradients without the scaler's factor."""
    order = ["forward", "scale", "backward", "clip", "unscale", "step", "update", "schedule"]
    return {
        "embedding_bound": 0.125, "dense_std": 0.0883883, "norm": "batch", "dropout_embedding": 0.0,
        "dropout_top": 0.1, "decay_on": ["dense weights"], "order": order, "rows_per_device": 2048,
    }  # fmt: skip


# %% mistake of="recommender" fails="the recommender's norm fits the rows that a device sees"
def counts_the_whole_batch():
    """With data parallelism each device sees its share of the batch, and normalizes over that."""
    return {
        "embedding_bound": 0.125, "dense_std": 0.0883883, "norm": "batch", "dropout_embedding": 0.0,
        "dropout_top": 0.1, "decay_on": ["dense weights"], "order": list(STEPS), "rows_per_device": 8192,
    }  # fmt: skip


# %% mistake of="clinic" fails="the clinic's network does not start from nothing or lean on batches of eight"
def trusts_batches_of_eight():
    """Statistics of eight images are noisy, and other in use: take a norm that sees one image."""
    return {
        "start": "pretrained", "norm": "batch", "noise_ratio": 4.0, "augmentations": ["crop", "contrast"],
        "validation": 100, "folds": 5, "decay": 0.05, "stop": "validation loss",
    }  # fmt: skip


# %% mistake of="clinic" fails="the noise of a small batch is known"
def forgets_the_root():
    """Variances of means differ by a factor of 16, their standard deviations by its root."""
    return {
        "start": "pretrained", "norm": "group", "noise_ratio": 16.0, "augmentations": ["crop", "contrast"],
        "validation": 100, "folds": 5, "decay": 0.05, "stop": "validation loss",
    }  # fmt: skip


# %% mistake of="clinic" fails="augmentations keep every label"
def mirrors_the_heart():
    """A mirrored image has the heart on the right: for one class that is another label."""
    return {
        "start": "pretrained", "norm": "group", "noise_ratio": 4.0, "augmentations": ["crop", "mirror"],
        "validation": 100, "folds": 5, "decay": 0.05, "stop": "validation loss",
    }  # fmt: skip


# %% mistake of="clinic" fails="there are enough images to choose by, and the choice is made on them"
def stops_by_the_training_loss():
    """The training loss of 500 images goes to 0; the validation loss says when to stop."""
    return {
        "start": "pretrained", "norm": "group", "noise_ratio": 4.0, "augmentations": ["crop", "contrast"],
        "validation": 100, "folds": 5, "decay": 0.05, "stop": "training loss",
    }  # fmt: skip


# %% setup
import torch
from torch import nn

# %% choice [markdown] id="clip-before-unscale" points=1 objective="precision" level="analyze" items="97"
r"""
Why must gradients be unscaled before they are clipped, when a loss scale of 65536 is in use?

- [x] Because else nearly every gradient is above the limit, and all steps get one and the same length.
  > Yes: the norm is 65536 times too large, and after unscaling the clipped gradient is 65536 times too small.
- [ ] Because clipping needs fp32, which only unscaling brings.
  > Gradients of fp32 weights are fp32 before and after.
- [ ] Because unscaling would undo the clipping.
  > It divides by one number. What is the length afterwards?
- [ ] It does not matter: the scale is one factor, and clipping keeps the direction.
  > It keeps the direction. It sets the length.
"""

# %% evidence
lengths = {}
for name, order in {"right": ("unscale", "clip"), "wrong": ("clip", "unscale")}.items():
    lengths[name] = []
    for size in (0.1, 0.5):
        w = torch.zeros(1, requires_grad=True)
        w.grad = torch.full_like(w, size * 65536)
        for action in order:
            if action == "clip":
                nn.utils.clip_grad_norm_([w], 1.0)
            else:
                w.grad /= 65536
        lengths[name].append(w.grad.item())
assert abs(lengths["right"][1] / lengths["right"][0] - 5) < 1e-3
assert abs(lengths["wrong"][1] / lengths["wrong"][0] - 1) < 1e-3 and lengths["wrong"][0] < 1e-4

# %% text [markdown] id="defend-the-recommender" points=10 objective="integration" items="97"
r"""
Defend your plan for the recommender in about a page, as in an interview on system design: initialization,
normalization, regularization, the training step, what you watch while it trains, and how you would test
it on users. Say for each part what you decided against, and why.

- [2] Initialization: embeddings by their length, dense layers by He because of ReLU; what goes wrong otherwise.
- [2] Normalization: rows per device decide whether batch statistics can be trusted; layer norm is the alternative; splitting tables does not split the batch.
- [2] Regularization: dropout and decay on dense layers, not on rare rows; what would show that it is too much.
- [2] The step and its watching: warm-up and decay, clipping after unscaling; gradient norms per table, loss of training and of later days, share of clipped and skipped steps.
- [2] A test on users: two groups at the same time, a measure fixed beforehand, an end fixed beforehand, and what would stop it early.
"""

# %% evidence
table = nn.Embedding(10, 4)
optimizer = torch.optim.AdamW(table.parameters(), lr=0.1, weight_decay=0.5)
before = table.weight[9].detach().clone()
for _ in range(5):
    optimizer.zero_grad()
    table(torch.tensor([0, 1])).square().sum().backward()
    optimizer.step()
# A row that was never looked up has shrunk all the same.
assert (table.weight[9].detach().abs() < 0.9 * before.abs()).all()

# %% text [markdown] id="defend-the-clinic" points=4 objective="integration" items="121"
r"""
Defend your plan for the clinic in half a page: where the network starts and which layers are trained, the
norm, how much dropout and decay, which augmentations and why not the others, and how you would know that the
result holds for another hospital.

- [1] Pretrained weights, and a reason for which layers are trained; batch norm layers that stay are used in evaluation mode, or replaced.
- [1] Strength of dropout and decay chosen on validation images, with the side to err on, and repeated over folds because 100 images are few.
- [1] Augmentations by what keeps the label: what a doctor would look through; mirroring and turning upside down excluded for this task.
- [1] Images of another hospital, set aside untouched; patients, not images, are what is split.
"""

# %% evidence
# Two images of one patient in both parts make validation look better than it is.
patients = torch.randn(200, 20).repeat_interleave(2, 0)
images, labels = (
    patients + 0.1 * torch.randn(400, 20),
    torch.randint(2, (200,)).repeat_interleave(2),
)
order = torch.randperm(400)


def nearest(train, test):
    closest = torch.cdist(images[test], images[train]).argmin(1)
    return (labels[train][closest] == labels[test]).float().mean()


by_image = nearest(order[:300], order[300:])
by_patient = nearest(torch.arange(300), torch.arange(300, 400))
assert by_image > 0.7 > by_patient
