# %% exercise [markdown] items="75" stars=1 minutes=30 level="apply" goal="build an augmentation pipeline that runs, and that keeps what the labels say"
r"""
# 12.6.1 Data augmentation
A network that has seen every cat from the left takes the side for a part of the cat. *Augmentation*
shows it variations that keep the label. Two things go wrong with it: stages in an order that does
not run, and variations that do not keep the label.

**The order.** A stage works on a PIL picture, on a tensor of numbers from 0 to 1, or on one that was
normalized. `TAKES` says which of them a stage of `torchvision.transforms` can use, `GIVES` what
comes out if that is something else than what went in. Write `first_problem`. A well-known listing
puts `RandomErasing(p=0.25)` before `ToTensor`. It stops with an error, but only for one picture in
four, so it survives a trial with one and fails in the first batch of 128 for sure:
$0.75^{128} \approx 10^{-16}$. `ColorJitter` behind `Normalize` runs: it cuts off what it takes for
impossible colours, all below 0 and above 1.

**Two of your own.** *Cutout* blanks a square at a random place, so that no single detail decides.
*Mixup* blends two pictures, and their labels with the same weight $w$:

$$ \tilde x_i = w\,x_i + (1 - w)\,x_{p(i)}, \qquad \tilde t_i = w\,t_i + (1 - w)\,t_{p(i)} $$

where $t_i$ is 1 for the class of picture $i$ and 0 for all others, and $p(i)$ is its partner. Write
`cutout`, `mixup`, and `gallery` to look at what they do.

*Hint:* $\tilde t_i$ is a distribution: it sums to 1 for all pairs, those of one class too.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from autograder import expect, student_side
from autograder.datasets import BUNDLED, cifar10

ANYTHING = {"picture", "tensor", "normalized"}
TAKES = {
    "RandomHorizontalFlip": ANYTHING,
    "RandomCrop": ANYTHING,
    "RandomRotation": ANYTHING,
    "ColorJitter": {"picture", "tensor"},
    "ToTensor": {"picture"},
    "Normalize": {"tensor"},
    "RandomErasing": {"tensor", "normalized"},
}
GIVES = {"ToTensor": "tensor", "Normalize": "normalized"}


# %% solution
def first_problem(stages: list[str]) -> int:
    """The position of the first stage that cannot use what reaches it, counted from 0.

    A "picture" goes in. If every stage runs, but what comes out in the end is not "normalized",
    the answer is the number of stages; if nothing is wrong, it is -1.
    """
    ### BEGIN SOLUTION
    state = "picture"
    for position, stage in enumerate(stages):
        if state not in TAKES[stage]:
            return position
        state = GIVES.get(stage, state)
    return -1 if state == "normalized" else len(stages)
    ### END SOLUTION


# %% check
for stages, wanted in (
    (["RandomCrop", "ToTensor", "Normalize", "RandomErasing"], -1),
    (["RandomCrop", "RandomErasing", "ToTensor", "Normalize"], 1),
):
    expect.equal(
        first_problem(list(stages)),
        wanted,
        when=f"looking for the first problem of {', '.join(stages)}",
        think="What reaches each of the stages, and can it use that?",
    )


# %% solution
def cutout(image: Tensor, size: int) -> Tensor:
    """A copy of `image`, shape (C, H, W), with a square of `size` times `size` pixels set to 0.

    The square lies inside the picture, at the same place in all channels. Every place is equally
    likely, the edges too. Random numbers come from torch's own generator.
    """
    ### BEGIN SOLUTION
    _, height, width = image.shape
    top = torch.randint(height - size + 1, ())
    left = torch.randint(width - size + 1, ())
    cut = image.clone()
    cut[:, top : top + size, left : left + size] = 0
    return cut
    ### END SOLUTION


def mixup(
    images: Tensor, labels: Tensor, classes: int, weight: float, partners: Tensor
) -> tuple[Tensor, Tensor]:
    """Blend picture i with picture `partners[i]`: the pictures, and the targets (N, classes).

    `images` has shape (N, C, H, W), `labels` and `partners` are whole numbers, shape (N,); `weight`
    is the share of picture i itself. The targets have the dtype of the images.
    """
    ### BEGIN SOLUTION
    targets = torch.eye(classes, dtype=images.dtype)[labels]
    mixed = weight * images + (1 - weight) * images[partners]
    return mixed, weight * targets + (1 - weight) * targets[partners]
    ### END SOLUTION


# %% check
cut = cutout(torch.ones(2, 3, 3), size=3)
expect.close(cut, torch.zeros(2, 3, 3), when="cutting a square of 3 x 3 out of 3 x 3 pixels")
# Two pictures of one pixel: a 0 of class 2 and an 8 of class 0.
mixed, targets = mixup(
    torch.tensor([0.0, 8.0]).reshape(2, 1, 1, 1),
    torch.tensor([2, 0]),
    3,
    0.75,
    torch.tensor([1, 0]),
)
expect.close(
    mixed.flatten(),
    [2.0, 6.0],
    when="mixing a pixel of 0 and one of 8 with weight 0.75, each with the other",
    think="The weight is the share of the picture itself.",
)
expect.close(
    targets,
    [[0.25, 0.0, 0.75], [0.75, 0.0, 0.25]],
    when="reading their targets, for the classes 2 and 0 of three",
    think="The labels are mixed as the pictures are.",
)


# %% solution
def gallery(variants: dict[str, Tensor]) -> Figure:
    """The pictures side by side, each under its name.

    Each has shape (3, H, W) and numbers from 0 to 1; matplotlib's `imshow` wants an
    array of shape (H, W, 3).
    """
    ### BEGIN SOLUTION
    figure, axes = plt.subplots(1, len(variants), figsize=(2 * len(variants), 2.2), squeeze=False)
    for panel, (name, image) in zip(axes[0], variants.items(), strict=True):
        panel.imshow(image.permute(1, 2, 0).numpy())
        panel.set_title(name)
        panel.axis("off")
    return figure
    ### END SOLUTION


# %%
# A cat and a ship, and what may be made of the cat.
photos = cifar10(train=False, root=BUNDLED)
image, other = (photos.floats()[photos.labels == label][0] for label in (3, 8))
try:
    variants = {
        "original": image,
        "mirrored": image.flip(-1),
        "shifted": torch.nn.functional.pad(image, (6, 0, 4, 0))[:, :32, :32],
        "darker": 0.6 * image,
        "cutout": cutout(image, 12),
        "mixup": mixup(
            torch.stack([image, other]), torch.tensor([0, 1]), 2, 0.6, torch.tensor([1, 0])
        )[0][0],
    }
    gallery(variants)
except NotImplementedError:
    print("cutout, mixup or gallery is not written yet")


# %%
@student_side
def panels(variants):
    """The titles and the pixels of what `gallery` draws."""
    figure = gallery(variants)
    if not isinstance(figure, Figure):
        return None
    shown = [axes for axes in figure.axes if axes.get_images()]
    plt.close(figure)
    return [axes.get_title() for axes in shown], [
        np.asarray(axes.get_images()[0].get_array(), dtype=float) for axes in shown
    ]


# %% check
drawn = panels({"black": torch.zeros(3, 2, 4), "white": torch.ones(3, 2, 4)})
expect.kind(drawn, (tuple, list), when="drawing two pictures", think="Return the figure.")
expect.equal(drawn[0], ["black", "white"], when="reading the titles of two pictures")

# %% hidden aspect="the first stage that cannot use what reaches it is found" points=1
for stages, wanted in (
    (["ToTensor", "Normalize"], -1),
    (["RandomHorizontalFlip", "RandomCrop", "ColorJitter", "RandomRotation", "ToTensor"], 5),
    (["RandomHorizontalFlip", "ColorJitter", "RandomErasing", "ToTensor", "Normalize"], 2),
    (["ToTensor", "ColorJitter", "RandomErasing", "Normalize", "RandomCrop"], -1),
    (["RandomCrop", "ToTensor", "Normalize", "ColorJitter"], 3),
    (["RandomCrop", "Normalize", "ToTensor"], 1),
    (["ToTensor", "RandomErasing", "ToTensor", "Normalize"], 2),
    (["ToTensor", "Normalize", "RandomErasing", "Normalize"], 3),
    (["RandomErasing", "Normalize", "ToTensor"], 0),
    ([], 0),
):
    expect.equal(
        first_problem(list(stages)),
        wanted,
        when=f"looking for the first problem of {', '.join(stages) or 'no stage at all'}",
        think="Follow what is passed on: picture, tensor or normalized. What can each stage use, "
        "and what comes out in the end?",
    )


# %% hidden aspect="cutout blanks one square in a copy and leaves the rest as it is" points=1
@student_side
def cut_many(image, size, times):
    return torch.stack([cutout(image, size) for _ in range(times)]), image


torch.manual_seed(1)
image = torch.rand(2, 6, 7).double() + 0.1
copies, afterwards = cut_many(image.clone(), 3, 40)
expect.shape(
    copies, (40, 2, 6, 7), when="cutting 3 x 3 pixels out of 2 channels of 6 x 7, 40 times"
)
expect.close(
    afterwards,
    image,
    when="looking at the picture itself after pieces were cut out of copies",
    think="In the next epoch it is shown again. Is it still whole?",
)
for copy in copies:
    blank = copy == 0
    rows, columns = blank.any(0).any(1).nonzero().flatten(), blank.any(0).any(0).nonzero().flatten()
    expect.equal(
        (int(blank.sum()), len(rows), len(columns)),
        (2 * 3 * 3, 3, 3),
        when="counting blank numbers, rows with one and columns with one, after cutting 3 x 3 "
        "pixels out of 2 channels of 6 x 7",
        think="One whole square, inside the picture, at one place for all channels.",
    )
    expect.close(
        copy,
        torch.where(blank, 0.0, image),
        when="comparing what is not blank with the picture",
        think="Nothing but the square changes.",
    )


# %% hidden aspect="the square may lie anywhere, the edges included" points=1
@student_side
def blanked(height, width, size, times):
    return torch.stack([cutout(torch.ones(1, height, width), size)[0] == 0 for _ in range(times)])


torch.manual_seed(2)
# A count is binomial, 600 draws at 1 / 12: 50 on average, and outside of 10 to 110 with probability
# 3e-13. The false alarm rate of all twelve together is below 4e-12.
blank = blanked(4, 5, 2, 600).double()
expect.shape(blank, (600, 4, 5), when="cutting 2 x 2 out of 4 x 5 pixels, 600 times")
corners = [
    (int(one.any(1).nonzero()[0]), int(one.any(0).nonzero()[0])) for one in blank if one.any()
]
for top in range(3):
    for left in range(4):
        expect.between(
            corners.count((top, left)),
            10,
            110,
            when=f"counting squares of 2 x 2 in 4 x 5 pixels that start in row {top} and column "
            f"{left}, of 600; 50 is the average",
            think="Which rows can the square start in, and which columns? The end of a range is "
            "not in it.",
        )

# %% hidden aspect="mixup gives targets that sum to 1 and say what is in the picture" points=1
torch.manual_seed(3)
for weight in (0.7, 0.25, 1.0):
    images, labels = torch.rand(6, 3, 2, 4).double(), torch.tensor([4, 1, 1, 0, 4, 2])
    partners = torch.tensor([4, 2, 0, 3, 1, 2])  # two of one class, and some with themselves
    given = images.clone()
    with expect.unchanged(
        images=given,
        when=f"mixing six pictures with weight {weight:g}",
        think="`a *= b` writes into the caller's pictures; `a * b` makes new ones.",
    ):
        mixed, targets = mixup(given, labels.clone(), 6, weight, partners.clone())
    expect.close(
        mixed,
        weight * images + (1 - weight) * images[partners],
        when=f"mixing six pictures with weight {weight:g}",
        think="Each picture has a partner of its own, and the partner's share is what is left.",
    )
    expect.shape(targets, (6, 6), when="looking at the targets of 6 pictures and 6 classes")
    expect.close(
        targets.sum(1),
        torch.ones(6).double(),
        when=f"adding up the targets of each picture, weight {weight:g}",
        think="Two of these pictures have a partner of their own class. What happens to its two "
        "shares?",
    )
    wanted = torch.zeros(6, 6).double()
    for row, (own, partner) in enumerate(zip(labels, labels[partners], strict=True)):
        wanted[row, own] += weight
        wanted[row, partner] += 1 - weight
    expect.close(
        targets,
        wanted,
        when=f"reading the targets of six pictures, weight {weight:g}",
        think="The target gives each class the share that its picture has.",
    )

# %% hidden aspect="the gallery shows every picture under its name" points=1
torch.manual_seed(4)
wanted = {name: torch.rand(3, 4, 5).double() for name in ("one", "two", "three", "four")}
drawn = panels({name: image.clone() for name, image in wanted.items()})
expect.kind(drawn, (tuple, list), when="drawing four pictures", think="Return the figure.")
expect.equal(drawn[0], list(wanted), when="reading the titles of four pictures")
for pixels, (name, image) in zip(drawn[1], wanted.items(), strict=True):
    expect.close(
        pixels,
        image.permute(1, 2, 0).numpy(),
        rtol=0.01,  # of 255 levels, if bytes were made on the way
        when=f"looking at the pixels under the title {name!r}",
        think="Channels first for torch, last for matplotlib: the axes change places, and no pixel "
        "does.",
    )

# %% setup
import torch

from autograder.datasets import BUNDLED, cifar10, mnist

digits, animals = mnist(train=False, root=BUNDLED), cifar10(train=False, root=BUNDLED)


def guesses(data, change=lambda images: images):
    """For the second half of the pictures, changed: the class whose mean is nearest, and the label.

    The means are those of the first half, as it is.
    """
    pixels, half = data.floats(), len(data) // 2
    means = [pixels[:half][data.labels[:half] == k].mean(0) for k in range(10)]
    distances = torch.cdist(change(pixels[half:]).flatten(1), torch.stack(means).flatten(1))
    return distances.argmin(1), data.labels[half:]


# %% choice [markdown] id="which-keep-the-label" points=1
r"""
Lists of augmentations say that all of them "preserve the label". Which of these do? Name all.

- [x] mirroring photographs of animals, left to right
  > A cat that looks to the left is a cat.
- [ ] mirroring handwritten digits, left to right
  > A mirrored 2 or 7 is no digit; whoever trains on it learns to read what nobody writes.
- [ ] turning handwritten digits by 180 degrees
  > A 6 becomes a 9, and keeps the label 6.
- [x] moving handwritten digits by a pixel
  > Nobody puts a digit exactly in the middle.
"""

# %% evidence
guess, label = guesses(digits)
plain = (guess == label).double()
guess, label = guesses(digits, lambda images: images.roll(1, dims=-1))
assert (guess == label).double().mean() > 0.9 * plain.mean()
guess, label = guesses(digits, lambda images: images.rot90(2, dims=(-2, -1)))
assert guess[label == 6].mode().values == 9
guess, label = guesses(digits, lambda images: images.flip(-1))
two_or_seven = (label == 2) | (label == 7)
assert (guess == label)[two_or_seven].double().mean() < 0.6 * plain[two_or_seven].mean()
guess, label = guesses(animals)
straight = (guess == label).double().mean()
guess, label = guesses(animals, lambda images: images.flip(-1))
assert straight > 0.15 and abs((guess == label).double().mean() - straight) < 0.05


# %% alternative of="first_problem"
def with_ranks(stages):
    known = {"picture": 0, "tensor": 1, "normalized": 2}
    states = ["picture"]
    for stage in stages:
        states.append(GIVES[stage] if stage in GIVES else states[-1])
    bad = [
        i
        for i, (stage, state) in enumerate(zip(stages, states, strict=False))
        if state not in TAKES[stage]
    ]
    return bad[0] if bad else (-1 if known[states[-1]] == 2 else len(stages))


# %% alternative of="cutout"
def with_a_mask(image, size):
    h, w = image.shape[1:]
    places = torch.randint(0, (h - size + 1) * (w - size + 1), (1,)).item()
    top, left = divmod(places, w - size + 1)
    rows, columns = torch.arange(h)[:, None], torch.arange(w)
    inside = (rows >= top) & (rows < top + size) & (columns >= left) & (columns < left + size)
    return image.masked_fill(inside, 0.0)


# %% alternative of="mixup"
def with_scatter(images, labels, classes, weight, partners):
    targets = torch.zeros(len(images), classes, dtype=images.dtype)
    targets.scatter_add_(1, labels[:, None], torch.full_like(targets, weight)[:, :1])
    targets.scatter_add_(1, labels[partners][:, None], torch.full_like(targets, 1 - weight)[:, :1])
    return torch.lerp(images[partners], images, weight), targets


# %% mistake of="first_problem" fails="the first stage that cannot use what reaches it is found"
def looks_at_the_erasing_only(stages):
    """RandomErasing is one of the stages that are particular; follow what is passed to each."""
    if "RandomErasing" in stages and "ToTensor" in stages:
        position = stages.index("RandomErasing")
        return position if position < stages.index("ToTensor") else -1
    return -1


# %% mistake of="first_problem" fails="the first stage that cannot use what reaches it is found"
def forgets_the_end(stages):
    """A pipeline that runs may still hand over pictures, or numbers that were never normalized."""
    state = "picture"
    for position, stage in enumerate(stages):
        if state not in TAKES[stage]:
            return position
        state = GIVES.get(stage, state)
    return -1


# %% mistake of="cutout" fails="cutout blanks one square in a copy and leaves the rest as it is"
def cuts_the_picture_itself(image, size):
    """The picture is shown again in the next epoch; cut in place, it has more holes each time."""
    top = torch.randint(image.shape[1] - size + 1, ())
    left = torch.randint(image.shape[2] - size + 1, ())
    image[:, top : top + size, left : left + size] = 0
    return image


# %% mistake of="cutout" fails="cutout blanks one square in a copy and leaves the rest as it is"
def cuts_each_channel_elsewhere(image, size):
    """A square of one colour hides no detail: the other channels still show it."""
    cut = image.clone()
    for channel in cut:
        top = torch.randint(image.shape[1] - size + 1, ())
        left = torch.randint(image.shape[2] - size + 1, ())
        channel[top : top + size, left : left + size] = 0
    return cut


# %% mistake of="cutout" fails="the square may lie anywhere, the edges included"
def never_reaches_the_far_edge(image, size):
    """randint leaves its upper end out: the last place, height - size, needs one more."""
    top = torch.randint(max(image.shape[1] - size, 1), ())
    left = torch.randint(max(image.shape[2] - size, 1), ())
    cut = image.clone()
    cut[:, top : top + size, left : left + size] = 0
    return cut


# %% mistake of="mixup" fails="mixup gives targets that sum to 1 and say what is in the picture"
def writes_one_share_over_the_other(images, labels, classes, weight, partners):
    """If both pictures are of one class, its shares add up; the second must not replace the first."""
    targets = torch.zeros(len(images), classes, dtype=images.dtype)
    rows = torch.arange(len(images))
    targets[rows, labels] = weight
    targets[rows, labels[partners]] = 1 - weight
    return weight * images + (1 - weight) * images[partners], targets


# %% mistake of="mixup" fails="mixup gives targets that sum to 1 and say what is in the picture"
def keeps_the_label_of_the_larger_share(images, labels, classes, weight, partners):
    """A blend of two classes is not the one of them: the target has to say how much of each."""
    targets = torch.eye(classes, dtype=images.dtype)[labels if weight >= 0.5 else labels[partners]]
    return weight * images + (1 - weight) * images[partners], targets


# %% mistake of="gallery" fails="the gallery shows every picture under its name"
def reshapes_the_channels(variants):
    """reshape keeps the order of the numbers and so scrambles the picture; axes are permuted."""
    figure, axes = plt.subplots(1, len(variants), squeeze=False)
    for panel, (name, image) in zip(axes[0], variants.items(), strict=True):
        panel.imshow(image.reshape(*image.shape[1:], 3).numpy())
        panel.set_title(name)
    return figure
