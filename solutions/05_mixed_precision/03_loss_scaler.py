# %% exercise [markdown] items="41" stars=3 minutes=60 level="create" goal="write a loss scaler that finds its scale by itself and loses no more than the steps that overflow"
r"""
# 7.20 A dynamic loss scaler
In fp16 every gradient below $3 \cdot 10^{-8}$ becomes 0. So the loss is multiplied by a scale $S$
before the backward pass, and the gradients are divided by it before the optimizer uses them:

$$ \frac{1}{S} \, \nabla_\theta (S L) = \nabla_\theta L $$

If $S$ is too small, gradients are still lost; if it is too large, they overflow to infinity, and
from there to NaN. A *dynamic* scaler tries a larger scale from time to time and takes it back when
that was too much, at the price of one step. Write `SimpleDynamicScaler`. After each backward pass,
`unscale_and_step` does this:

1. It looks at the gradients of all parameters of the model. One entry that is infinite or NaN is an
   *overflow*. A parameter without a gradient is left out, here and below.
2. After an overflow it takes no step: weights and optimizer stay as they are. The scale is
   multiplied by `backoff_factor`, and the count of good steps in a row is 0 again.
3. Otherwise it divides the gradients by the scale, lets the optimizer step, and counts one more
   good step. When the count reaches `growth_interval`, the scale is multiplied by `growth_factor`,
   and the count is 0 again.
4. In both cases all gradients are `None` in the end. It returns whether the step was taken.

With `init_scale=8`, `growth_interval=2` and the defaults else:

| backward pass | 1 | 2 | 3 | 4, overflow | 5 | 6 |
|---|---|---|---|---|---|---|
| returned | True | True | True | False | True | True |
| scale afterwards | 8 | 16 | 16 | 8 | 8 | 16 |

As under `autocast`, the loss, the parameters and so their gradients are in float32; the fp16 is in
between. A loss of 2 in fp16, multiplied by $2^{16}$, would be infinite already. PyTorch's own
`torch.amp.GradScaler("cuda")` splits the work into `unscale_`, `step` and `update`, and leaves the
gradients to you; `torch.cuda.amp.GradScaler`, which older texts use, is deprecated.

*Hint:* a step with gradients of 0 is a step: momentum and weight decay still move the weights.
"""

# %%
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from autograder import expect, student_side


def network() -> nn.Module:
    """Six parameters: weight and bias of three layers."""
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))


def leave_gradients(model: nn.Module, value: float) -> None:
    """What a backward pass might leave: here, the same value in all entries of all gradients."""
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, value)


# %% solution
class SimpleDynamicScaler:
    """Scales a loss, unscales the gradients, and adapts the scale when they overflow.

    `growth_factor` and `backoff_factor` multiply the scale after `growth_interval` good steps in a
    row and after an overflow.
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
    ) -> None:
        self.scale = init_scale
        self.growth_factor = growth_factor
        self.backoff_factor = backoff_factor
        self.growth_interval = growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss to go back from; `loss` itself stays as it is, for the logs."""
        ### BEGIN SOLUTION
        return loss * self.scale
        ### END SOLUTION

    def unscale_and_step(self, optimizer: Optimizer, model: nn.Module) -> bool:
        """Step with the unscaled gradients, or skip the step. Returns whether it was taken."""
        ### BEGIN SOLUTION
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good
        ### END SOLUTION


# %% check
# One weight of 1 with the loss 3 w: the gradient is 3, scaled 24, and a step of 0.1 * 3 is taken.
# An optimizer stays where your code is; a function marked `student_side` brings back the numbers.
@student_side
def one_step():
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    scaler = SimpleDynamicScaler(init_scale=8.0)
    loss = scaler.scale_loss(3 * model.weight.sum())
    loss.backward()
    scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=0.1), model)
    return loss.item(), model.weight.item()


loss, weight = one_step()
expect.close(
    loss,
    24.0,
    when="scaling a loss of 3 by 8",
    think="What is the backward pass to start from?",
)
expect.close(
    weight,
    0.7,
    rtol=1e-6,  # float32
    when="taking one SGD step of length 0.1 times the gradient 3, from the weight 1",
    think="Which gradient does the optimizer find, the scaled one or the true one?",
)


# %% check
# The table of the prompt.
@student_side
def table(gradients):
    model, found = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = SimpleDynamicScaler(init_scale=8.0, growth_interval=2)
    for value in gradients:
        leave_gradients(model, value)
        taken = scaler.unscale_and_step(optimizer, model)
        found.append((taken, float(scaler.scale)))
    return found


gradients = [1.0, 1.0, 1.0, float("inf"), 1.0, 1.0]
rows = [(True, 8.0), (True, 16.0), (True, 16.0), (False, 8.0), (True, 8.0), (True, 16.0)]
for number, (got, wanted) in enumerate(zip(table(gradients), rows, strict=True), 1):
    expect.equal(
        got,
        wanted,
        when=f"looking at what is returned and at the scale after backward pass {number}",
        think="Which of the four points of the prompt is this one about?",
    )


# %% hidden aspect="scale_loss multiplies the loss by the scale of the moment" points=1
@student_side
def scaled(x):
    weight, model = x.clone().requires_grad_(), network()
    scaler = SimpleDynamicScaler(init_scale=40.0, backoff_factor=0.3)
    found = []
    for _ in range(2):
        weight.grad = None
        loss = weight.square().sum()
        larger = scaler.scale_loss(loss)
        larger.backward()
        found.append((loss.item(), float(scaler.scale), larger.detach(), weight.grad.clone()))
        leave_gradients(model, float("inf"))
        scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=0.1), model)
    return found


torch.manual_seed(1)
x = torch.randn(5).double()
for (loss, scale, larger, grad), moment in zip(
    scaled(x), ("at the start", "after an overflow"), strict=True
):
    expect.close(
        larger,
        scale * x.square().sum(),
        when=f"scaling a loss by {scale:g}, {moment}",
        think="Which scale counts, the one at the start or the one by now?",
    )
    expect.close(
        grad,
        scale * 2 * x,
        when=f"going back from a loss scaled by {scale:g}, {moment}",
        think="All gradients carry the factor of the loss, if the graph is not cut.",
    )
    expect.close(
        loss,
        x.square().sum().item(),
        when=f"looking at the loss itself after it was scaled, {moment}",
        think="Somebody may want to log it. Is a new tensor made, or is this one changed?",
    )


# %% hidden aspect="training ends where it ends without a scale" points=3
@student_side
def trained(state, batches, options):
    model, found = network().double(), []
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    scaler = SimpleDynamicScaler(**options)
    for x, y in batches:
        for parameter in model.parameters():
            parameter.grad = None
        (scaler.scale * (model(x) - y).square().mean()).backward()
        scaler.unscale_and_step(optimizer, model)
        found.append([parameter.detach().clone() for parameter in model.parameters()])
    return found


torch.manual_seed(2)
model = network().double()
state = {name: value.clone() for name, value in model.state_dict().items()}
batches = [(torch.randn(4, 3).double(), torch.randn(4, 2).double()) for _ in range(5)]
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
wanted = []
for x, y in batches:
    optimizer.zero_grad()
    (model(x) - y).square().mean().backward()
    optimizer.step()
    wanted.append([parameter.detach().clone() for parameter in model.parameters()])
for init_scale, interval in ((2.0**10, 1000), (12.0, 2), (0.7, 1)):
    options = {"init_scale": init_scale, "growth_factor": 3.0, "growth_interval": interval}
    found = trained(state, batches, options)
    for step, (got, right) in enumerate(zip(found, wanted, strict=True), 1):
        for index, (one, other) in enumerate(zip(got, right, strict=True)):
            expect.close(
                one,
                other,
                when=f"looking at parameter {index} after {step} steps, scale {init_scale:g} at "
                f"first and three times as large after every {interval}",
                think="The optimizer has to find every gradient divided once by the scale that it "
                "was computed with.",
            )


# %% hidden aspect="an infinite entry anywhere is an overflow" points=2
@student_side
def scale_after(value, parameter, entry):
    model = network()
    leave_gradients(model, 1.0)
    list(model.parameters())[parameter].grad.view(-1)[entry] = value
    scaler = SimpleDynamicScaler(init_scale=64.0)
    scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=0.1), model)
    return float(scaler.scale)


for value in (float("inf"), float("-inf")):
    for parameter, entry in ((0, 0), (0, -1), (1, 2), (2, 7), (4, 3), (5, 0), (5, -1)):
        scale = scale_after(value, parameter, entry)
        expect.true(
            scale < 64.0,
            when=f"finding {value} in one entry of gradient {parameter} of 0 to 5, scale 64",
            wanted="a smaller scale afterwards",
            got=f"{scale:g}",
            think="Any entry of any gradient may be the one that overflows, to either side.",
        )


# %% hidden aspect="a NaN anywhere is an overflow" points=1
@student_side
def scale_after_nan(parameter, entry):
    model = network()
    leave_gradients(model, 1.0)
    list(model.parameters())[parameter].grad.view(-1)[entry] = float("nan")
    scaler = SimpleDynamicScaler(init_scale=64.0)
    scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=0.1), model)
    return float(scaler.scale)


for parameter, entry in ((0, 0), (2, 7), (5, -1)):
    scale = scale_after_nan(parameter, entry)
    expect.true(
        scale < 64.0,
        when=f"finding NaN in one entry of gradient {parameter} of 0 to 5, scale 64",
        wanted="a smaller scale afterwards",
        got=f"{scale:g}",
        think="Infinity minus infinity is NaN. NaN is not infinite, and equal to nothing.",
    )


# %% hidden aspect="a finite gradient is no overflow, however large" points=1
@student_side
def scale_after_large(value):
    model = network()
    leave_gradients(model, value)
    scaler = SimpleDynamicScaler(init_scale=64.0)
    scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=1e-9), model)
    return float(scaler.scale)


for value in (1e5, -1e5, 3e38, 0.0, 1e-40):
    expect.close(
        scale_after_large(value),
        64.0,
        when=f"finding {value:g} in every entry of every float32 gradient, scale 64",
        think="A sum of large numbers may overflow although none of them does.",
    )


# %% hidden aspect="an overflow leaves weights and optimizer as they were" points=2
@student_side
def around_an_overflow(kind):
    model = network()
    start = [p.detach().clone() for p in model.parameters()]
    if kind == "Adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    scaler = SimpleDynamicScaler(init_scale=4.0)
    for gradient in (1.0, 2.0):
        leave_gradients(model, gradient)
        scaler.unscale_and_step(optimizer, model)
    before = [p.detach().clone() for p in model.parameters()]
    memory = [v.clone() for s in optimizer.state.values() for v in s.values() if v is not None]
    leave_gradients(model, 1.0)
    for parameter in model.parameters():
        parameter.grad.view(-1)[0] = float("inf")
    scaler.unscale_and_step(optimizer, model)
    after = [p.detach().clone() for p in model.parameters()]
    later = [v.clone() for s in optimizer.state.values() for v in s.values() if v is not None]
    stepped = any(not torch.equal(one, other) for one, other in zip(start, before, strict=True))
    return before, after, memory, later, stepped


for kind in ("SGD with momentum", "Adam"):
    before, after, memory, later, stepped = around_an_overflow(kind)
    expect.true(
        stepped,
        when=f"looking at the parameters after two good steps, {kind}",
        wanted="other numbers than at the start",
        got="the same",
        think="A gradient that is finite leads to a step.",
    )
    for index, (one, other) in enumerate(zip(after, before, strict=True)):
        expect.equal(
            one,
            other,
            when=f"looking at parameter {index} after two good steps and an overflow, {kind}",
            think="Nothing of this backward pass is used, and no step is not a step of 0.",
        )
    expect.equal(
        later,
        memory,
        when=f"looking at what the optimizer remembers after an overflow, {kind}",
        think="Momentum and counters belong to steps that were taken.",
    )


# %% hidden aspect="each overflow multiplies the scale by backoff_factor" points=1
@student_side
def scales_in_overflow(values, options):
    model, found = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = SimpleDynamicScaler(**options)
    for value in values:
        leave_gradients(model, value)
        scaler.unscale_and_step(optimizer, model)
        found.append(float(scaler.scale))
    return found


inf = float("inf")
for options, factor in (({"init_scale": 6.0, "backoff_factor": 0.25}, 0.25), ({}, 0.5)):
    start = options.get("init_scale", 2.0**16)
    expect.close(
        scales_in_overflow([inf] * 4, options),
        [start * factor**k for k in (1, 2, 3, 4)],
        atol=0.0,
        when=f"overflowing four times in a row, scale {start:g} and backoff_factor {factor:g}",
        think="Every overflow counts, by this factor, and also where the scale is below 1.",
    )


# %% hidden aspect="the scale grows after every growth_interval good steps" points=2
@student_side
def scales_without_overflow(steps, options):
    model, found = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = SimpleDynamicScaler(**options)
    for _ in range(steps):
        leave_gradients(model, 0.01)
        scaler.unscale_and_step(optimizer, model)
        found.append(float(scaler.scale))
    return found


for interval, factor in ((3, 1.5), (1, 4.0), (4, 2.0)):
    options = {"init_scale": 10.0, "growth_factor": factor, "growth_interval": interval}
    wanted = [10.0 * factor ** (step // interval) for step in range(1, 10)]
    for step, (got, right) in enumerate(
        zip(scales_without_overflow(9, options), wanted, strict=True), 1
    ):
        expect.close(
            got,
            right,
            when=f"looking at the scale, 10 at first, after {step} good steps with growth_interval "
            f"{interval} and growth_factor {factor:g}",
            think="After which step does the count reach the interval, and what is it then?",
        )


# %% hidden aspect="an overflow starts the count of good steps anew" points=2
@student_side
def good_steps_until_growth(before, interval):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = SimpleDynamicScaler(init_scale=64.0, growth_interval=interval)
    for value in before:
        leave_gradients(model, value)
        scaler.unscale_and_step(optimizer, model)
    scale = scaler.scale
    for step in range(1, 20):
        leave_gradients(model, 0.01)
        scaler.unscale_and_step(optimizer, model)
        if scaler.scale > scale:
            return step
    return 0


inf = float("inf")
for interval in (3, 5):
    from_the_start = good_steps_until_growth([], interval)
    for good in (1, interval - 1):
        for overflows in ([inf], [inf, inf]):
            expect.equal(
                good_steps_until_growth([0.01] * good + overflows, interval),
                from_the_start,
                when=f"counting good steps until the scale grows, after {good} good and "
                f"{len(overflows)} overflowing, with growth_interval {interval}",
                think="Good steps in a row are counted. What does an overflow do to the row?",
            )


# %% hidden aspect="it returns whether the step was taken" points=1
@student_side
def answers(values):
    model, found = network(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = SimpleDynamicScaler(growth_interval=2)
    for value in values:
        leave_gradients(model, value)
        taken = scaler.unscale_and_step(optimizer, model)
        found.append(bool(taken) if isinstance(taken, torch.Tensor) else taken)
    return found


values = [1.0, float("inf"), 2.0, 0.0, float("inf"), -1.0]
expect.equal(
    answers(values),
    [True, False, True, True, False, True],
    when=f"looking at what is returned after backward passes that leave {values} in the gradients",
    think="A training loop moves its learning rate schedule on if the answer is True.",
)


# %% hidden aspect="all gradients are None afterwards, step or not" points=1
@student_side
def gradients_left(value):
    model = network()
    leave_gradients(model, 1.0)
    list(model.parameters())[3].grad[1] = value
    scaler = SimpleDynamicScaler()
    scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=0.1), model)
    return sum(parameter.grad is not None for parameter in model.parameters())


for value in (1.0, float("inf")):
    expect.equal(
        gradients_left(value),
        0,
        when=f"counting the gradients that are not None after a backward pass with {value} in it",
        think="The next backward pass adds to what it finds. What is infinity plus something? And a "
        "gradient of 0 is a gradient.",
    )


# %% hidden aspect="a parameter without a gradient is left out" points=1
@student_side
def with_a_frozen_layer(state, batch, frozen):
    model = network().double()
    model.load_state_dict(state)
    model[frozen].requires_grad_(False)
    scaler = SimpleDynamicScaler(init_scale=1.0)
    model(batch).square().mean().backward()
    scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=0.1), model)
    return [parameter.detach().clone() for parameter in model.parameters()]


@student_side
def scale_after_overflow(frozen):
    model = network()
    leave_gradients(model, float("inf"))
    for without in model[frozen].parameters():
        without.grad = None
    scaler = SimpleDynamicScaler(init_scale=32.0)
    scaler.unscale_and_step(torch.optim.SGD(model.parameters(), lr=0.1), model)
    return float(scaler.scale)


torch.manual_seed(12)
start, batch = network().double(), torch.randn(4, 3).double()
for frozen in (0, 2, 4):
    state = {name: value.clone() for name, value in start.state_dict().items()}
    model = network().double()
    model.load_state_dict(state)
    model[frozen].requires_grad_(False)
    model(batch).square().mean().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    found = with_a_frozen_layer(state, batch, frozen)
    for index, (got, wanted) in enumerate(zip(found, model.parameters(), strict=True)):
        expect.close(
            got,
            wanted.detach(),
            when=f"looking at parameter {index} of 0 to 5 after a step, layer {frozen} is frozen",
            think="The others have gradients, and these are unscaled and used as ever.",
        )
    scale = scale_after_overflow(frozen)
    expect.true(
        scale < 32.0,
        when=f"finding inf in all gradients that there are, layer {frozen} has none, scale 32",
        wanted="a smaller scale afterwards",
        got=f"{scale:g}",
        think="One parameter without a gradient says nothing about the others.",
    )


# %% alternative of="SimpleDynamicScaler"
class UnscalesFirst:
    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return torch.mul(loss, self.scale)

    def unscale_and_step(self, optimizer, model):
        found_inf = False
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.grad = p.grad / self.scale
                if not torch.isfinite(p.grad).all():
                    found_inf = True
        if found_inf:
            self.scale, self.steps_since_growth = self.scale * self.backoff_factor, 0
            optimizer.zero_grad()
            return False
        optimizer.step()
        optimizer.zero_grad()
        self.steps_since_growth = (self.steps_since_growth + 1) % self.growth_interval
        if self.steps_since_growth == 0:
            self.scale = self.scale * self.growth_factor
        return True


# %% alternative of="SimpleDynamicScaler"
class MultipliesByZero:
    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = torch.tensor(init_scale).double(), growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.good_steps = 0

    def scale_loss(self, loss):
        return loss * self.scale.item()

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad.view(-1) for p in model.parameters() if p.grad is not None]
        taken = bool((torch.cat(grads) * 0 == 0).all())
        self.good_steps += 1
        if taken:
            torch._foreach_mul_(grads, 1 / self.scale.item())
            optimizer.step()
        else:
            self.scale, self.good_steps = self.scale * self.backoff_factor, 0
        if self.good_steps >= self.growth_interval:
            self.scale, self.good_steps = self.scale * self.growth_factor, 0
        for p in model.parameters():
            p.grad = None
        return taken


# %% mistake of="SimpleDynamicScaler" fails="scale_loss multiplies the loss by the scale of the moment"
class ChangesTheLossItself:
    """`*=` writes into the caller's loss; a product makes a new tensor, and the log stays true."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        with torch.no_grad():
            loss *= self.scale
        return loss * 1.0

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="scale_loss multiplies the loss by the scale of the moment"
class KeepsTheFirstScale:
    """The scale changes while training goes on; the loss is multiplied by the present one."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.first_scale, self.steps_since_growth = init_scale, 0

    def scale_loss(self, loss):
        return loss * self.first_scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="training ends where it ends without a scale"
class StepsWithScaledGradients:
    """The optimizer has to find the gradients of the loss itself: divide by the scale before it steps."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="training ends where it ends without a scale"
class UnscalesAfterTheStep:
    """By then the optimizer has used the scaled gradients: divide first, step afterwards."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            optimizer.step()
            for grad in grads:
                grad.div_(self.scale)
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="training ends where it ends without a scale"
class GrowsBeforeUnscaling:
    """These gradients carry the scale they were computed with; the larger one is for the next pass."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="an infinite entry anywhere is an overflow; a NaN anywhere is an overflow"
class LooksAtTheFirstGradientOnly:
    """Any gradient may overflow, and often it is one of the last or one of the first alone: look at all."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads[:1])
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="an infinite entry anywhere is an overflow"
class LooksForTheLargestEntry:
    """Gradients overflow to minus infinity just as well, and the largest entry does not show that."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.max() < float("inf") and not grad.isnan().any() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="a NaN anywhere is an overflow"
class LooksForInfinityOnly:
    """Infinity minus infinity is NaN, and isinf says no to it; isfinite says no to both."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = not any(grad.isinf().any() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="a NaN anywhere is an overflow"
class ComparesWithNan:
    """NaN is equal to nothing, not even to NaN, so that this comparison never holds."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        bad = float("inf"), float("-inf"), float("nan")
        good = not any((grad == value).any() for grad in grads for value in bad)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="a finite gradient is no overflow, however large"
class LooksAtTheNorm:
    """The squares of large finite numbers overflow in their sum: look at the entries themselves."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.norm().isfinite() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="a finite gradient is no overflow, however large"
class TakesLargeForInfinite:
    """The gradients are in float32 by now: more than 65504 is no overflow there."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all((grad.abs() <= 65504).all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="an overflow leaves weights and optimizer as they were"
class StepsWithZeros:
    """Momentum and weight decay move the weights even if the gradient is 0: do not call step at all."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            for grad in grads:
                grad.zero_()
            optimizer.step()
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="an overflow leaves weights and optimizer as they were"
class StepsAnyway:
    """One step with an infinite gradient makes a weight infinite, and the next loss NaN."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if not good:
            optimizer.step()
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="each overflow multiplies the scale by backoff_factor"
class AlwaysHalves:
    """How far to go back is an argument, backoff_factor; 0.5 is only its default."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= 0.5
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="each overflow multiplies the scale by backoff_factor"
class NeverGoesBelowOne:
    """The contract sets no lower bound: a loss may be so large that it has to be scaled down."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale = max(self.scale * self.backoff_factor, 1.0)
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="the scale grows after every growth_interval good steps"
class GrowsOneStepLate:
    """The scale grows when the count reaches the interval, not when it has passed it."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth > self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="the scale grows after every growth_interval good steps"
class GrowsAtEveryStepFromThenOn:
    """After growing, the count starts at 0 again; else the scale grows at every step."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth >= self.growth_interval:
                self.scale *= self.growth_factor
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="the scale grows after every growth_interval good steps"
class AlwaysDoubles:
    """How far to go up is an argument, growth_factor; 2 is only its default."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= 2.0
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="an overflow starts the count of good steps anew"
class GoesOnCountingAfterAnOverflow:
    """Good steps in a row are counted, and an overflow ends the row: the count starts at 0."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="it returns whether the step was taken"
class ReturnsWhetherItOverflowed:
    """True means that the step was taken; an overflow is the other case."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return not good


# %% mistake of="SimpleDynamicScaler" fails="it returns whether the step was taken"
class ReturnsNothingAfterAnOverflow:
    """The caller wants to know in both cases: False after an overflow, not None."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        if good:
            return True


# %% mistake of="SimpleDynamicScaler" fails="all gradients are None afterwards, step or not"
class ClearsAfterStepsOnly:
    """Skipped gradients have to go as well: the next pass would add to infinity and overflow again."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        if good:
            model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="all gradients are None afterwards, step or not"
class FillsWithZeros:
    """Gradients of 0 are still there: an optimizer steps on 0, and leaves a parameter with None alone."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=False)
        return good


# %% mistake of="SimpleDynamicScaler" fails="a parameter without a gradient is left out"
class ExpectsAGradientEverywhere:
    """A frozen or unused parameter has None for a gradient: leave it out of everything."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = [p.grad for p in model.parameters()]
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good


# %% mistake of="SimpleDynamicScaler" fails="a parameter without a gradient is left out"
class StopsAtTheFirstMissingGradient:
    """Behind a parameter without a gradient there may be others that have one."""

    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.scale, self.growth_factor = init_scale, growth_factor
        self.backoff_factor, self.growth_interval = backoff_factor, growth_interval
        self.steps_since_growth = 0

    def scale_loss(self, loss):
        return loss * self.scale

    def unscale_and_step(self, optimizer, model):
        grads = []
        for p in model.parameters():
            if p.grad is None:
                break
            grads.append(p.grad)
        good = all(grad.isfinite().all() for grad in grads)
        if good:
            for grad in grads:
                grad.div_(self.scale)
            optimizer.step()
            self.steps_since_growth += 1
            if self.steps_since_growth == self.growth_interval:
                self.scale *= self.growth_factor
                self.steps_since_growth = 0
        else:
            self.scale *= self.backoff_factor
            self.steps_since_growth = 0
        model.zero_grad(set_to_none=True)
        return good
