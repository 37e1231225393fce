# %% exercise [markdown] items="89" stars=2 minutes=60 level="analyze" goal="compare configurations so that only what is compared differs" objective="integration"
r"""
# Four configurations of one network
"He initialization brings 0.7 points, batch norm another 0.7, dropout and L2 0.3": such a table is easily
believed. It compares four runs, and four runs differ in more than their configuration: in the weights they
happened to start from, in the order of the digits, in the dropout masks. If that is worth half a point, the
table shows luck. So here every configuration is run with the same seeds, and **with the same seed it sees the
same digits in the same order**. What is left to luck shows in the spread over the seeds.

The network has three hidden layers, 784 → 512 → 256 → 128 → 10. (The handout that the promise is from calls
this "3 layers", calls another network so, too, and tells neither batch size nor seeds.) Always the same: Adam
with rate 0.001, batches of 128, the cross-entropy.

| configuration | init | batch norm | dropout | weight decay | promised |
|---|---|---|---|---|---|
| baseline | random: std 0.01 | no | 0 | 0 | 96.8 % |
| + He | he | no | 0 | 0 | 97.5 % |
| + BN | he | yes | 0 | 0 | 98.2 % |
| + dropout, L2 | he | yes | 0.2 | 0.0001 | 98.5 % |

(Measured with the full MNIST, a baseline of two hidden layers has 98.1 % after 10 epochs, and nothing in the
lab before this notebook is more than half a point better. Here, with 8,000 digits and 5 epochs, all numbers
are lower, and the poor start has less time to be made up for.)

1. Write `practical_net`, which builds a network from its configuration.
2. Write `ablation`, which runs configurations so that they can be compared.
3. Run it, and make the table.
"""

# %%
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from autograder import expect, student_side
from autograder.datasets import BUNDLED, mnist

BATCH, RATE, EPOCHS, SEEDS = 128, 1e-3, 5, (0, 1, 2, 3, 4)
Part = tuple[Tensor, Tensor]  # images as rows of 784 numbers, and their labels

# "drop" is the probability to drop; "wd" is Adam's weight decay.
CONFIGS = {
    "baseline": {"init": "random", "bn": False, "drop": 0.0, "wd": 0.0},
    "+ He": {"init": "he", "bn": False, "drop": 0.0, "wd": 0.0},
    "+ BN": {"init": "he", "bn": True, "drop": 0.0, "wd": 0.0},
    "+ dropout, L2": {"init": "he", "bn": True, "drop": 0.2, "wd": 1e-4},
}
digits, unseen = mnist(train=True, root=BUNDLED), mnist(train=False, root=BUNDLED)
pixels, unseen_pixels = (d.floats(normalised=True).flatten(1) for d in (digits, unseen))


def parts(train: int = 8000, test: int = 2000) -> dict[str, Part]:
    """So many digits to "train" with, and to "test" with."""
    return {
        "train": (pixels[:train], digits.labels[:train]),
        "test": (unseen_pixels[:test], unseen.labels[:test]),
    }


# %% [markdown]
r"""
## 1. The network
`he` draws all four weight matrices from a normal distribution with variance $2 / n_\text{in}$, `random` with
standard deviation 0.01. Biases start at 0.
"""


# %% solution
def practical_net(config: dict) -> nn.Sequential:
    """The network of a configuration, not trained yet.

    After each hidden `Linear` follow `BatchNorm1d`, if `config["bn"]`, and `ReLU`; after the first two
    of them `Dropout` with `config["drop"]` (which may be missing if that is 0), and none after the third.
    In front of a batch norm a `Linear` has no bias.
    """
    ### BEGIN SOLUTION
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((784, 512, 256, 128, 10)):
        linear = nn.Linear(n_in, n_out, bias=n_out == 10 or not config["bn"])
        nn.init.normal_(linear.weight, std=(2 / n_in) ** 0.5 if config["init"] == "he" else 0.01)
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        layers.append(linear)
        if n_out != 10:
            layers += [nn.BatchNorm1d(n_out), nn.ReLU()] if config["bn"] else [nn.ReLU()]
        if n_out in (512, 256):
            layers.append(nn.Dropout(config["drop"]))
    return nn.Sequential(*layers)
    ### END SOLUTION


# %% check
# Networks stay where your code is; a function marked `student_side` runs there and brings plain
# data back.
@student_side
def count(config):
    return sum(parameter.numel() for parameter in practical_net(config).parameters())


# Weights and biases: 785 * 512 + 513 * 256 + 257 * 128 + 129 * 10. Batch norm adds 2 numbers for each of
# the 896 hidden units and makes their 896 biases superfluous.
for name, wanted in (("+ He", 567_434), ("+ BN", 568_330)):
    expect.equal(
        count(CONFIGS[name]),
        wanted,
        when=f"counting the parameters of {name!r}",
        think="Which layers have a bias, and what does a batch norm learn?",
    )

# %% [markdown]
r"""
## 2. The comparison
Every run starts anew: configuration and seed decide it, and not what ran before. An epoch takes all digits
once, in an order of its own, and this order is decided by seed and epoch *alone*.

*Hint:* dropout draws its masks from the common generator, and so do first weights. Whoever draws the order
from the same generator gives each configuration another one. `torch.Generator()` makes one that nobody
else draws from.
"""


# %% solution
def ablation(
    configs: dict[str, dict], seeds: list[int], split: dict[str, Part], epochs: int
) -> dict[str, list[float]]:
    """Train each configuration with each seed, one run after the other.

    Returns, for each configuration, the share of right answers on split["test"] after the last epoch:
    one number a seed, in the order of `seeds`. The last batch of an epoch may be smaller.
    """
    ### BEGIN SOLUTION
    (x, y), (test_x, test_y) = split["train"], split["test"]
    found: dict[str, list[float]] = {name: [] for name in configs}
    for name, config in configs.items():
        for seed in seeds:
            torch.manual_seed(seed)
            shuffle = torch.Generator().manual_seed(seed)
            model = practical_net(config)
            adam = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=config["wd"])
            for _ in range(epochs):
                for batch in torch.randperm(len(y), generator=shuffle).split(BATCH):
                    adam.zero_grad()
                    F.cross_entropy(model(x[batch]), y[batch]).backward()
                    adam.step()
            with torch.no_grad():
                right = model.eval()(test_x).argmax(dim=1) == test_y
            found[name].append(right.float().mean().item())
    return found
    ### END SOLUTION


# %% check
# The same configuration under two names: 8 steps on 1,000 digits.
twins = ablation(
    {"one": CONFIGS["+ dropout, L2"], "another": CONFIGS["+ dropout, L2"]}, [3], parts(1000, 500), 1
)
for name, shares in twins.items():
    print(f"{name:<9}{shares} right after 8 steps")
expect.equal(set(twins), {"one", "another"}, when="reading the names in the result")
expect.close(
    twins["another"],
    twins["one"],
    atol=0.01,  # two digits may fall on the other side, if a processor adds in another order
    when="running one configuration under two names, seed 3",
    think="What has the second run left of what the first one drew?",
)

# %% [markdown]
r"""
## 3. The table
Set `FULL = True` and run the next cell: four configurations and five seeds, about two minutes on two cores.
It writes `practical_net.json` beside this notebook. Leave the file there and set `FULL = False` again.
"""

# %%
FULL = False
RECORD = Path("practical_net.json")

if FULL:
    RECORD.write_text(json.dumps(ablation(CONFIGS, list(SEEDS), parts(), EPOCHS)))
    print(RECORD.read_text())

# %% solution
# measured: what your run returned: `json.loads` of what is in RECORD, or what it printed, pasted.
### BEGIN SOLUTION
measured = {
    "baseline": [0.9345, 0.9400, 0.9340, 0.9310, 0.9345],
    "+ He": [0.9570, 0.9520, 0.9590, 0.9555, 0.9540],
    "+ BN": [0.9635, 0.9675, 0.9660, 0.9645, 0.9640],
    "+ dropout, L2": [0.9565, 0.9690, 0.9615, 0.9605, 0.9590],
}
### END SOLUTION


def ablation_table(accuracies: dict[str, list[float]]) -> list[dict]:
    """A line for each configuration, in their order; all numbers but the name in percent (points).

    "config", "mean" and "sd" (over the seeds, n - 1), "gain" and "error": the mean over the seeds of the
    difference to the configuration in the line above, and its standard error, the standard deviation of
    the differences (n - 1) over the root of n. Both are 0.0 in the first line.
    """
    ### BEGIN SOLUTION
    table, above = [], None
    for name, shares in accuracies.items():
        percent = 100 * np.array(shares)
        gains = percent - (percent if above is None else above)
        error = gains.std(ddof=1) / len(gains) ** 0.5
        line = {
            "mean": percent.mean(),
            "sd": percent.std(ddof=1),
            "gain": gains.mean(),
            "error": error,
        }
        table.append({"config": name} | {key: float(value) for key, value in line.items()})
        above = percent
    return table
    ### END SOLUTION


# %% check
# 97 and 99: mean 98, deviations -1 and 1, sd the root of 2. Gains of 2 and 3 points: mean 2.5, deviations
# of a half, sd 0.7071, and over the root of 2 an error of 0.5.
table = ablation_table({"without": [0.95, 0.96], "with": [0.97, 0.99]})
line = {key: value for key, value in table[1].items() if key != "config"}
for key, wanted in {"mean": 98.0, "sd": 2**0.5, "gain": 2.5, "error": 0.5}.items():
    expect.close(
        line[key],
        wanted,
        when=f"reading {key!r} of 97 and 99 %, after a line with 95 and 96 %, seeds in the same order",
        think="Means and spreads of what: of the runs, or of differences between runs of one seed?",
    )
expect.kind(measured, dict, when="reading what you measured")
for line in ablation_table(measured):
    told = f"{line['mean']:.2f} ± {line['sd']:.2f} %"
    print(f"{line['config']:<15}{told}   gain {line['gain']:+.2f} ± {line['error']:.2f}")


# %%
def numbered(n: int, test: int) -> dict[str, Part]:
    """Random images whose first pixel is their number in thousandths; test images count from 1000."""
    split = {}
    for part, many, first in (("train", n, 0), ("test", test, 1000)):
        x = torch.randn(many, 784)
        x[:, 0] = (first + torch.arange(many)) / 1000
        split[part] = (x, torch.randint(10, (many,)))
    return split


@student_side
def watched(configs, seeds, split, epochs):
    """What `ablation` did: each pass (training mode? which images? which weights?), each step."""
    passes, steps = [], []

    def look(module, inputs):
        if isinstance(module, nn.Linear) and module.in_features == 784:
            numbers = (1000 * inputs[0].detach()[:, 0]).round().int().tolist()
            weight = module.weight.detach().double()
            passes.append([module.training, numbers, weight.sum().item(), weight.std().item()])

    def stepped(optimizer, *_):
        group = optimizer.param_groups[0]
        grads = [p.grad for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
        size = sum(grad.double().square().sum().item() for grad in grads) ** 0.5
        steps.append([type(optimizer).__name__, group["lr"], group["weight_decay"], size])

    handles = [
        register_module_forward_pre_hook(look),
        register_optimizer_step_post_hook(stepped),
    ]
    try:
        ablation(configs, seeds, split, epochs)
    finally:
        for handle in handles:
            handle.remove()
    return passes, steps


# %% hidden aspect="the network is built as the configuration says" points=1
@student_side
def anatomy(config):
    layers, spreads, biases = [], [], []
    for layer in practical_net(dict(config)).modules():
        if isinstance(layer, nn.Linear):
            bias = "" if layer.bias is not None else ", no bias"
            layers.append(f"Linear {layer.in_features} -> {layer.out_features}{bias}")
            spreads.append(layer.weight.square().mean().sqrt().item())
            biases += [] if layer.bias is None else [layer.bias.abs().max().item()]
        elif isinstance(layer, nn.BatchNorm1d):
            layers.append(f"BatchNorm1d {layer.num_features}")
        elif isinstance(layer, nn.Dropout) and layer.p:
            layers.append(f"Dropout {layer.p:g}")
        elif isinstance(layer, nn.ReLU):
            layers.append("ReLU")
    return layers, spreads, biases


torch.manual_seed(1)
he = [0.0505076, 0.0625, 0.0883883, 0.125]  # roots of 2 / 784, 2 / 512, 2 / 256 and 2 / 128
for config, stds in (
    ({"init": "random", "bn": True, "drop": 0.35, "wd": 0.0}, [0.01] * 4),
    ({"init": "he", "bn": False, "drop": 0.5, "wd": 0.1}, he),
    ({"init": "he", "bn": True, "drop": 0.0, "wd": 0.1}, he),
):
    told = f"init {config['init']}, bn {config['bn']}, drop {config['drop']}"
    layers, spreads, biases = anatomy(config)
    wanted = []
    for n_in, n_out in ((784, 512), (512, 256), (256, 128)):
        wanted += [f"Linear {n_in} -> {n_out}" + (", no bias" if config["bn"] else "")]
        wanted += [f"BatchNorm1d {n_out}"] if config["bn"] else []
        wanted += ["ReLU"]
        wanted += [f"Dropout {config['drop']:g}"] if config["drop"] and n_out > 128 else []
    expect.equal(
        layers,
        [*wanted, "Linear 128 -> 10"],
        when=f"listing the layers of a network with {told}",
        think="What follows a hidden Linear, and in which order? Where is dropout, and where is it not?",
    )
    # Of n drawn weights the root mean square is off by 1 / sqrt(2 n), which is 0.4 % of 32,768 weights and
    # 2 % of 1,280. At 7 of these and more, a false alarm has a rate below 1e-11.
    for layer, (got, std, rtol) in enumerate(
        zip(spreads, stds, (0.03,) * 3 + (0.14,), strict=True), 1
    ):
        expect.close(
            got,
            std,
            rtol=rtol,
            when=f"measuring the spread of the weights of Linear {layer}, {told}",
            think="n_in or n_out, variance or standard deviation? All four matrices are drawn alike.",
        )
    expect.equal(
        set(biases),
        {0.0},
        when=f"looking for the largest bias of a network with {told}",
        think="PyTorch draws biases, too.",
    )

# %% hidden aspect="with the same seed, every configuration sees the same digits in the same order" points=1
torch.manual_seed(2)
seeds = [int(seed) for seed in torch.randperm(1000)[:2]]
configs = {name: dict(CONFIGS[name]) for name in ("+ dropout, L2", "+ BN", "baseline")}
configs["+ BN again"] = dict(CONFIGS["+ BN"])
passes, _ = watched(configs, seeds, numbered(150, 5), 2)
# Training passes in the order in which they came: 2 epochs of batches of 128 and 22 in each of 8 runs.
batches = [numbers for training, numbers, *_ in passes if max(numbers) < 1000 and training]
expect.equal(
    [len(batch) for batch in batches],
    [128, 22] * 2 * 8,
    when="listing the sizes of the batches of 8 runs with 150 images, two epochs each",
    think="In an epoch each image is seen once, in batches of 128 and what is left.",
)
epochs = [tuple(one + other) for one, other in zip(batches[::2], batches[1::2], strict=True)]
for epoch in epochs:
    expect.equal(
        sorted(epoch),
        list(range(150)),
        when="listing the images that an epoch sees",
        think="A permutation has everything once.",
    )
orders = list(zip(epochs[::2], epochs[1::2], strict=True))
expect.true(
    sorted(orders.count(order) for order in set(orders)) == [4, 4],
    when="comparing the orders of images in 8 runs, 4 configurations and 2 seeds",
    wanted="two orders, one for each seed",
    got=f"{len(set(orders))}",
    think="The seed decides the order, and nothing else does. Who else draws from the generator that "
    "the order is drawn from?",
)
expect.true(
    len(set(epochs)) == 4,
    when="comparing the orders of both epochs and seeds",
    wanted="four different ones",
    got=f"{len(set(epochs))}",
    think="Each epoch shuffles anew.",
)

# %% hidden aspect="configuration and seed decide a run, whatever ran before" points=1
torch.manual_seed(3)
seeds = [int(seed) for seed in torch.randperm(1000)[:3]]
config = dict(CONFIGS["+ dropout, L2"])
split = numbered(60, 5)
starts = []
for configs, chosen in (
    ({"a": config, "b": dict(CONFIGS["+ He"]), "c": config}, seeds[:1]),
    ({"a": config}, seeds[:1]),
    ({"a": config}, seeds[1:]),
):
    torch.rand(7)
    # One batch an epoch, so that the weights before each step are known, masks of the first included.
    passes, _ = watched(
        configs, chosen, {part: (x.clone(), y) for part, (x, y) in split.items()}, 2
    )
    starts.append(
        [start for training, numbers, start, _ in passes if max(numbers) < 1000 and training]
    )
expect.equal(
    [len(start) for start in starts],
    [6, 2, 4],
    when="counting the batches of 60 images in three runs, in one and in two, two epochs each",
    think="In an epoch each image is seen once, and the model trains in training mode.",
)
together, alone, other = starts
for which, got in (
    ("in a third run of the same call", together[4:]),
    ("in a call of its own", alone),
):
    expect.close(
        got,
        together[:2],
        rtol=1e-4,  # the same numbers, up to how a processor adds them
        atol=1e-3,
        when="adding up the first weights before both steps of a run with dropout, run again "
        f"{which}, the same seed",
        think="What was drawn before the run must not matter: first weights, and masks as well.",
    )
# The sum of 401,408 weights has a standard deviation of 32: three seeds lie within 1e-4 once in 1e11 (false
# alarm).
sums = [alone[0], other[0], other[2]]
expect.true(
    max(sums) - min(sums) > 1e-4,
    when="adding up the first weights of three seeds",
    wanted="different ones",
    got="the same sum",
    think="The seed is for the weights as well as for the order.",
)

# %% hidden aspect="each configuration is trained as written, and tested in evaluation mode" points=1
torch.manual_seed(4)
for config in (
    {"init": "he", "bn": True, "drop": 0.2, "wd": 0.07},
    {"init": "he", "bn": False, "drop": 0.0, "wd": 0.0},
):
    passes, steps = watched({"it": config}, [11], numbered(100, 7), 6)
    expect.equal(
        [step[:3] for step in steps],
        [["Adam", 0.001, config["wd"]]] * 6,
        when=f"listing the optimizer, its rate and its decay at each of six steps, wd {config['wd']}",
        think="The L2 of the table is the weight decay of Adam, and each configuration has its own.",
    )
    # One batch, again and again: the gradient gets smaller. Over 20 seeds, at the sixth step it is 0.04 to 0.69 of
    # the first; where gradients pile up it is 1.4 to 3.1.
    expect.between(
        steps[5][3] / steps[0][3],
        0.0,
        1.0,
        when="dividing the length of the gradient at the sixth step on one batch by that at the first",
        think="What is still in a gradient when the next one is computed?",
    )
    tested = [training for training, numbers, *_ in passes if min(numbers) >= 1000]
    expect.equal(
        set(tested),
        {False},
        when="asking for `training` of the network when it sees test images",
        think="A prediction drops nothing, and depends on no other image.",
    )
# The spread of 401,408 drawn weights is known within 0.12 %, and He's is five times the baseline's.
two = {name: dict(CONFIGS[name]) for name in ("+ He", "baseline")}
passes, _ = watched(two, [8], numbered(50, 5), 1)
spreads = [spread for training, numbers, _, spread in passes if max(numbers) < 1000 and training]
expect.true(
    max(spreads, default=0) > 1.5 * min(spreads, default=0),
    when="measuring the spread of the first weights that '+ He' and the baseline train with",
    wanted="two spreads, one far above the other",
    got=" and ".join(f"{spread:.4f}" for spread in spreads),
    think="Each run has a network of its own configuration.",
)
# Over 40 seeds, one epoch on 1,500 digits: 0.789 +- 0.018, from 0.750 to 0.832: a false alarm below 1e-9.
split = parts(1500, 500)
(share,) = ablation({"it": dict(CONFIGS["+ BN"])}, [int(torch.randint(999, (1,)))], split, 1)["it"]
expect.between(
    share,
    0.65,
    0.95,
    when="training '+ BN' for one epoch on 1,500 digits and testing on 500",
    think="Twelve steps are enough to read three of four digits. A share, of which digits?",
)
# The same with test labels that are all wrong by one: what is right now was wrong before.
split["test"] = (split["test"][0], (split["test"][1] + 1) % 10)
(wrong,) = ablation({"it": dict(CONFIGS["+ BN"])}, [5], split, 1)["it"]
expect.between(
    wrong,
    0.0,
    0.25,
    when="doing the same with test labels that are all wrong by one",
    think="Which digits are counted?",
)

# %% hidden aspect="the table has three seeds or more in each line, and gains seed by seed" points=1
from autograder import reference

expect.kind(measured, dict, when="reading what you measured")
expect.equal(
    set(measured),
    set(CONFIGS),
    when="reading the configurations in what you measured",
    think="All four.",
)
for name, shares in measured.items():
    expect.kind(shares, list, when=f"reading what you measured for {name!r}")
    expect.true(
        len(shares) >= 3 and len(shares) == len(measured["baseline"]),
        when=f"counting the seeds of {name!r} in what you measured",
        wanted="three or more, as many as for the baseline",
        got=f"{len(shares)}, and {len(measured['baseline'])} for the baseline",
        think="Rows are compared seed by seed.",
    )
    expect.true(
        len(set(shares)) > 1,
        when=f"looking for a spread in what you measured for {name!r}",
        wanted="different shares",
        got=f"{shares[0]} for every seed",
        think="Another seed draws other weights. Was it set, and used?",
    )
    # Over 20 seeds, the worst configuration (the baseline) has 0.934 +- 0.008, from 0.900 to 0.944.
    for share in shares:
        expect.between(
            share,
            0.8,
            1.0,
            when=f"reading a share of {name!r} in what you measured",
            think="Shares of right answers, after five epochs on 8,000 digits.",
        )
expect.true(
    len({tuple(shares) for shares in measured.values()}) == 4,
    when="comparing the four configurations in what you measured",
    wanted="four different rows",
    got="two that are the same",
    think="Was each network built from its own configuration?",
)

torch.manual_seed(6)
made_up = {name: torch.rand(n).double().tolist() for name, n in (("x", 4), ("y", 4), ("a", 4))}
table, wanted = ablation_table(dict(made_up)), reference.ablation_table(made_up)
expect.kind(table, (list, tuple), when="making a table of made-up shares")
expect.equal(
    [line["config"] for line in table],
    ["x", "y", "a"],
    when="reading the names in a table of x, y and a",
    think="In their order, a line each.",
)
for got, right in zip(table, wanted, strict=True):
    for key in ("mean", "sd", "gain", "error"):
        expect.close(
            got[key],
            right[key],
            rtol=1e-5,  # computed from float32, for all we know
            when=f"reading {key!r} of {right['config']!r} in a table of x, y and a, four seeds",
            think="The gain is over the line above, seed by seed; spreads have n - 1 below.",
        )


# %% alternative of="practical_net"
def with_pytorchs_own_draws(config):
    def hidden(n_in, n_out, dropout=True):
        yield nn.Linear(n_in, n_out, bias=not config["bn"])
        if config["bn"]:
            yield nn.BatchNorm1d(n_out)
        yield nn.ReLU()
        if dropout and config["drop"] > 0:
            yield nn.Dropout(p=config["drop"])

    model = nn.Sequential(
        *hidden(784, 512), *hidden(512, 256), *hidden(256, 128, dropout=False), nn.Linear(128, 10)
    )
    for module in model.modules():
        if isinstance(module, nn.Linear):
            if config["init"] == "he":
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            else:
                nn.init.normal_(module.weight, mean=0.0, std=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


# %% alternative of="ablation"
def with_a_loader_and_seeds_outside(configs, seeds, split, epochs):
    results = {(name, seed): 0.0 for name in configs for seed in seeds}
    digits_and_labels = torch.utils.data.TensorDataset(*split["train"])
    for seed in seeds:
        for name in configs:
            order = torch.Generator()
            order.manual_seed(1000 + seed)
            loader = torch.utils.data.DataLoader(
                digits_and_labels, batch_size=BATCH, shuffle=True, generator=order
            )
            torch.manual_seed(seed)
            model, criterion = practical_net(configs[name]), nn.CrossEntropyLoss()
            optimizer = torch.optim.Adam(model.parameters(), 1e-3, weight_decay=configs[name]["wd"])
            for _ in range(epochs):
                model.train()
                for x, y in loader:
                    loss = criterion(model(x), y)
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
            model.eval()
            x, y = split["test"]
            guess = model(x).detach().argmax(1)
            results[name, seed] = sum((guess == y).tolist()) / len(y)
    return {name: [results[name, seed] for seed in seeds] for name in configs}


# %% alternative of="ablation_table"
def with_pairs_of_lines(accuracies):
    def spread(values):
        return torch.tensor(values).double().std().item()

    names, table = list(accuracies), []
    for above, name in zip([names[0], *names], names, strict=False):
        percent = [100 * share for share in accuracies[name]]
        gains = [p - 100 * q for p, q in zip(percent, accuracies[above], strict=True)]
        table.append(
            {
                "config": name,
                "mean": sum(percent) / len(percent),
                "sd": spread(percent),
                "gain": sum(gains) / len(gains),
                "error": spread(gains) / len(gains) ** 0.5,
            }
        )
    return table


# %% mistake of="practical_net" fails="the network is built as the configuration says"
def drops_behind_every_relu(config):
    """Here dropout follows the first two hidden layers, and not the third."""
    layers = []
    for n_in, n_out in pairwise((784, 512, 256, 128, 10)):
        linear = nn.Linear(n_in, n_out, bias=n_out == 10 or not config["bn"])
        nn.init.normal_(linear.weight, std=(2 / n_in) ** 0.5 if config["init"] == "he" else 0.01)
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        layers.append(linear)
        if n_out != 10:
            layers += [nn.BatchNorm1d(n_out), nn.ReLU()] if config["bn"] else [nn.ReLU()]
            layers.append(nn.Dropout(config["drop"]))
    return nn.Sequential(*layers)


# %% mistake of="practical_net" fails="the network is built as the configuration says"
def keeps_pytorchs_draw_for_the_baseline(config):
    """PyTorch's default is a sound initialization with a spread that grows as layers get narrower; `random` is 0.01."""
    layers = []
    for n_in, n_out in pairwise((784, 512, 256, 128, 10)):
        linear = nn.Linear(n_in, n_out, bias=n_out == 10 or not config["bn"])
        if config["init"] == "he":
            nn.init.normal_(linear.weight, std=(2 / n_in) ** 0.5)
        if linear.bias is not None:
            nn.init.zeros_(linear.bias)
        layers.append(linear)
        if n_out != 10:
            layers += [nn.BatchNorm1d(n_out), nn.ReLU()] if config["bn"] else [nn.ReLU()]
        if n_out in (512, 256):
            layers.append(nn.Dropout(config["drop"]))
    return nn.Sequential(*layers)


# %% mistake of="ablation" fails="with the same seed, every configuration sees the same digits in the same order"
def shuffles_with_the_common_generator(configs, seeds, split, epochs):
    """Weights and dropout masks are drawn from that generator, too: each configuration gets another order."""
    (x, y), (test_x, test_y) = split["train"], split["test"]
    found = {name: [] for name in configs}
    for name, config in configs.items():
        for seed in seeds:
            torch.manual_seed(seed)
            model = practical_net(config)
            adam = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=config["wd"])
            for _ in range(epochs):
                for batch in torch.randperm(len(y)).split(BATCH):
                    adam.zero_grad()
                    F.cross_entropy(model(x[batch]), y[batch]).backward()
                    adam.step()
            with torch.no_grad():
                right = model.eval()(test_x).argmax(dim=1) == test_y
            found[name].append(right.float().mean().item())
    return found


# %% mistake of="ablation" fails="with the same seed, every configuration sees the same digits in the same order; configuration and seed decide a run, whatever ran before"
def seeds_once_for_all(configs, seeds, split, epochs):
    """Each run goes on where the one before stopped drawing: every single run needs its seed."""
    (x, y), (test_x, test_y) = split["train"], split["test"]
    found = {name: [] for name in configs}
    torch.manual_seed(seeds[0])
    for name, config in configs.items():
        for _ in seeds:
            model = practical_net(config)
            adam = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=config["wd"])
            for _ in range(epochs):
                for batch in torch.randperm(len(y)).split(BATCH):
                    adam.zero_grad()
                    F.cross_entropy(model(x[batch]), y[batch]).backward()
                    adam.step()
            with torch.no_grad():
                right = model.eval()(test_x).argmax(dim=1) == test_y
            found[name].append(right.float().mean().item())
    return found


# %% mistake of="ablation" fails="configuration and seed decide a run, whatever ran before"
def seeds_the_order_alone(configs, seeds, split, epochs):
    """The order has its seed; first weights and masks need one as well, or a run cannot be repeated."""
    (x, y), (test_x, test_y) = split["train"], split["test"]
    found = {name: [] for name in configs}
    for name, config in configs.items():
        for seed in seeds:
            shuffle = torch.Generator().manual_seed(seed)
            model = practical_net(config)
            adam = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=config["wd"])
            for _ in range(epochs):
                for batch in torch.randperm(len(y), generator=shuffle).split(BATCH):
                    adam.zero_grad()
                    F.cross_entropy(model(x[batch]), y[batch]).backward()
                    adam.step()
            with torch.no_grad():
                right = model.eval()(test_x).argmax(dim=1) == test_y
            found[name].append(right.float().mean().item())
    return found


# %% mistake of="ablation" fails="each configuration is trained as written, and tested in evaluation mode"
def never_switches_to_evaluation(configs, seeds, split, epochs):
    """In training mode predictions are drawn with dropout, and depend on the other test images."""
    (x, y), (test_x, test_y) = split["train"], split["test"]
    found = {name: [] for name in configs}
    for name, config in configs.items():
        for seed in seeds:
            torch.manual_seed(seed)
            shuffle = torch.Generator().manual_seed(seed)
            model = practical_net(config)
            adam = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=config["wd"])
            for _ in range(epochs):
                for batch in torch.randperm(len(y), generator=shuffle).split(BATCH):
                    adam.zero_grad()
                    F.cross_entropy(model(x[batch]), y[batch]).backward()
                    adam.step()
            with torch.no_grad():
                right = model(test_x).argmax(dim=1) == test_y
            found[name].append(right.float().mean().item())
    return found


# %% mistake of="ablation" fails="each configuration is trained as written, and tested in evaluation mode"
def lets_gradients_pile_up(configs, seeds, split, epochs):
    """backward() adds to what is there: without zero_grad each step moves along all gradients so far."""
    (x, y), (test_x, test_y) = split["train"], split["test"]
    found = {name: [] for name in configs}
    for name, config in configs.items():
        for seed in seeds:
            torch.manual_seed(seed)
            shuffle = torch.Generator().manual_seed(seed)
            model = practical_net(config)
            adam = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=config["wd"])
            for _ in range(epochs):
                for batch in torch.randperm(len(y), generator=shuffle).split(BATCH):
                    F.cross_entropy(model(x[batch]), y[batch]).backward()
                    adam.step()
            with torch.no_grad():
                right = model.eval()(test_x).argmax(dim=1) == test_y
            found[name].append(right.float().mean().item())
    return found


# %% mistake of="measured" fails="the table has three seeds or more in each line, and gains seed by seed"
def a_single_seed():
    """One seed has no spread, and a gain over it may be luck: the record wants three and more."""
    return {"baseline": [0.94], "+ He": [0.95], "+ BN": [0.96], "+ dropout, L2": [0.97]}


# %% mistake of="ablation_table" fails="the table has three seeds or more in each line, and gains seed by seed"
def adds_the_errors_of_both_lines(accuracies):
    """A lucky seed is in both lines and drops out of their difference: take the spread of the differences."""
    table, above = [], None
    for name, shares in accuracies.items():
        percent = 100 * np.array(shares)
        before = percent if above is None else above
        both = 0.0 if above is None else percent.var(ddof=1) + before.var(ddof=1)
        line = {"mean": percent.mean(), "sd": percent.std(ddof=1)}
        line |= {"gain": (percent - before).mean(), "error": (both / len(percent)) ** 0.5}
        table.append({"config": name} | {key: float(value) for key, value in line.items()})
        above = percent
    return table
