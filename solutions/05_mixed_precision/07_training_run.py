# %% exercise [markdown] items="152" stars=2 minutes=30 level="evaluate" goal="plan a training run whose numbers agree with each other"
r"""
# The numbers of a training run
A plan for a large run is a page of numbers, and one that contradicts another is found out when the
machines are already rented. Popular plans for the following run put "5.2 GB of weights" on each
card and leave the optimizer out. They make "256 sequences" of 8 cards with 8 each. And they never
say how many weeks it takes.

A transformer with $N = 1.3 \cdot 10^9$ parameters is to read $D = 300 \cdot 10^9$ tokens on 8 cards
with 40 GB each (1 GB is $10^9$ bytes). Each step averages over 2048 sequences of 2048 tokens; no
token is read twice, and the last step may be a smaller one.

**Your choices** are the stage of ZeRO, what the layers keep for the backward pass, and how many
sequences a card takes at a time, the *micro-batch*. States and activations must leave a tenth of
the card free. **The rest follows:**

- Weights and gradients are bf16, and AdamW keeps its two moments and a master copy of the weights
  in fp32. Stage 0 has all of it on each card; stages 1, 2 and 3 spread the optimizer's part, then
  the gradients as well, then the weights too over the 8 cards.
- `ACTIVATIONS_GB` says what one sequence leaves for the backward pass; it is what the exercise on
  memory counts for 24 layers of size 2048 with 16 heads and 50257 words.
- A parameter takes part in one multiplication and one addition for each token in the forward pass,
  and in twice as many in the backward pass. With checkpoints the forward pass is computed again.
  The cards reach 40 % of their peak, counted over all that they compute.
- The learning rate is taken from runs that went well. Brown et al. (2020) list the peak rates that
  they used with Adam, with warm-up and decay:

| parameters | 125M | 350M | 760M | 2.7B | 6.7B | 13B | 175B |
|---|---|---|---|---|---|---|---|
| peak rate | 6.0e-4 | 3.0e-4 | 2.5e-4 | 1.6e-4 | 1.2e-4 | 1.0e-4 | 0.6e-4 |

"Larger models can use larger rates", one can read. This table says the reverse. Adam moves each weight
by about the rate, however small its gradient, and a wider layer adds up more of these moves: that
is one reason.
"""

# %%
import math

from autograder import expect

PARAMETERS, TOKENS = 1.3e9, 300e9
CARDS, CARD_GB = 8, 40
SEQUENCES, LENGTH = 2048, 2048  # of one step
PEAK, REACHED = 312e12, 0.4  # floating-point operations a second and card in bf16, and the part
ACTIVATIONS_GB = {"all": 11.9, "flash": 3.83, "checkpoints": 1.09}  # a sequence

# %% solution
# A dictionary. Your choices:
#   "zero_stage"       0, 1, 2 or 3
#   "keep"             "all", "flash" or "checkpoints"
#   "micro_batch"      sequences that a card takes at a time
# What follows from them and from the task:
#   "states_gb"        GB of weights, gradients and optimizer on a card
#   "activations_gb"   GB of activations on a card, for one micro-batch
#   "tokens_per_step"  tokens that one step averages over
#   "steps"            steps of the whole run
#   "accumulation"     micro-batches that each card adds up for one step
#   "flops"            multiplications and additions of the whole run, on all cards together
#   "days"             days that the run takes
#   "peak_lr"          the largest learning rate of the schedule
# Expressions are welcome: `300e9 / 2048` says more than the number.
### BEGIN SOLUTION
plan = {
    "zero_stage": 1,
    "keep": "flash",
    "micro_batch": 4,
    "states_gb": PARAMETERS * (2 + 2 + 12 / CARDS) / 1e9,
    "activations_gb": 4 * ACTIVATIONS_GB["flash"],
    "tokens_per_step": SEQUENCES * LENGTH,
    "steps": math.ceil(TOKENS / (SEQUENCES * LENGTH)),
    "accumulation": SEQUENCES // (CARDS * 4),
    "flops": 6 * PARAMETERS * TOKENS,
    "days": 6 * PARAMETERS * TOKENS / (CARDS * REACHED * PEAK) / (24 * 60 * 60),
    "peak_lr": 2e-4,
}
### END SOLUTION

# %% check
expect.kind(plan, dict, when="reading your plan")
entries = ["zero_stage", "keep", "micro_batch", "states_gb", "activations_gb", "tokens_per_step"]
entries += ["steps", "accumulation", "flops", "days", "peak_lr"]
expect.equal(sorted(plan), sorted(entries), when="reading the keys of your plan")
expect.true(
    plan["zero_stage"] in (0, 1, 2, 3) and plan["keep"] in ACTIVATIONS_GB,
    when="reading your choices",
    wanted="a stage from 0 to 3, and one of all, flash, checkpoints",
    got=f"{plan['zero_stage']!r} and {plan['keep']!r}",
)
for entry in entries:
    if entry not in ("zero_stage", "keep"):
        expect.between(plan[entry], 1e-12, 1e30, when=f"reading {entry!r}, a positive number")

# %% hidden aspect="the states are those of the chosen stage" points=1
expect.kind(plan, dict, when="reading your plan")
shares = {0: 2 + 2 + 12, 1: 2 + 2 + 12 / 8, 2: 2 + (2 + 12) / 8, 3: (2 + 2 + 12) / 8}
expect.true(
    plan["zero_stage"] in shares,
    when="reading the stage of ZeRO",
    wanted="0, 1, 2 or 3",
    got=repr(plan["zero_stage"]),
)
expect.close(
    plan["states_gb"],
    1.3 * shares[plan["zero_stage"]],
    rtol=0.01,  # for numbers that are rounded
    when=f"reading the GB of states for 1.3 billion parameters in stage {plan['zero_stage']}",
    think="What is kept for each parameter, in how many bytes each? Which of that is spread?",
)

# %% hidden aspect="a micro-batch fits beside the states" points=1
expect.kind(plan, dict, when="reading your plan")
sizes = {"all": 11.9, "flash": 3.83, "checkpoints": 1.09}
expect.true(
    plan["keep"] in sizes,
    when="reading what the layers keep",
    wanted="one of all, flash, checkpoints",
    got=repr(plan["keep"]),
)
expect.between(plan["micro_batch"], 1, 2048, when="reading the micro-batch")
expect.close(
    plan["activations_gb"],
    plan["micro_batch"] * sizes[plan["keep"]],
    rtol=0.01,
    when=f"reading the GB of activations, keep = {plan['keep']!r}, for a micro-batch of "
    f"{plan['micro_batch']}",
    think="The sequences of one micro-batch wait together for its backward pass. What waits of the "
    "others?",
)
expect.between(plan["states_gb"], 0, 1e6, when="reading the GB of states")
expect.between(
    plan["states_gb"] + plan["activations_gb"],
    0,
    36,
    when="adding your GB of states and of activations, on a card of 40 GB",
    think="Accumulation makes up for a smaller micro-batch; sharding and checkpoints help, too.",
)

# %% hidden aspect="micro-batches, cards and steps multiply up to the data" points=1
expect.kind(plan, dict, when="reading your plan")
expect.equal(
    plan["tokens_per_step"],
    2048 * 2048,
    when="counting the tokens of a step of 2048 sequences",
    think="Each sequence has 2048 of them, and each of them is predicted.",
)
for entry in ("micro_batch", "accumulation"):
    expect.between(plan[entry], 1, 2048, when=f"reading {entry!r}")
    expect.true(
        plan[entry] == int(plan[entry]),
        when=f"reading {entry!r}",
        wanted="a whole number",
        got=f"{plan[entry]}",
        think="Can a card take a part of a sequence, or add up a part of a micro-batch?",
    )
expect.equal(
    plan["accumulation"] * 8 * plan["micro_batch"],
    2048,
    when=f"multiplying 8 cards, {plan['micro_batch']} sequences at a time and your accumulation",
    think="The cards work at the same time, each on sequences of its own.",
)
expect.equal(
    plan["steps"],
    math.ceil(300e9 / 2048**2),
    when="counting the steps that read 300 billion tokens once",
    think="All tokens are read: whole steps, and a smaller one for what is left.",
)

# %% hidden aspect="the days pay for all that is computed" points=1
expect.kind(plan, dict, when="reading your plan")
passes = 8 if plan["keep"] == "checkpoints" else 6
expect.close(
    plan["flops"],
    passes * 1.3e9 * 300e9,
    rtol=0.01,
    when=f"counting the operations of the whole run, keep = {plan['keep']!r}",
    think="How many operations for a parameter and a token: forward, backward, and once more?",
)
expect.close(
    plan["days"],
    passes * 1.3e9 * 300e9 / (8 * 0.4 * 312e12) / 86400,
    rtol=0.02,
    when="counting the days of 8 cards that reach 40 % of 312e12 operations a second",
    think="How much do all cards together compute in a day?",
)

# %% hidden aspect="the peak learning rate fits a model of this size" points=1
expect.kind(plan, dict, when="reading your plan")
expect.between(
    plan["peak_lr"],
    1.6e-4,
    2.5e-4,
    when="comparing the rate for 1.3 billion parameters with those of the next smaller and larger "
    "model in the table",
    think="Which way do the rates go as the models grow?",
)


# %% alternative of="plan"
def with_checkpoints_and_no_sharding():
    return {
        "zero_stage": 0,
        "keep": "checkpoints",
        "micro_batch": 8,
        "states_gb": 20.8,
        "activations_gb": 8.72,
        "tokens_per_step": 4194304,
        "steps": 71526,
        "accumulation": 32,
        "flops": 3.12e21,
        "days": 36.2,
        "peak_lr": 0.0002,
    }


# %% alternative of="plan"
def with_everything_kept_and_sharded():
    return {
        "zero_stage": 3,
        "keep": "all",
        "micro_batch": 2,
        "states_gb": 2.6,
        "activations_gb": 23.8,
        "tokens_per_step": 2**22,
        "steps": 71_526.0,
        "accumulation": 2048 / 16,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2.07e-4,
    }


# %% mistake of="plan" fails="the states are those of the chosen stage"
def counts_the_weights_alone():
    """Beside 2.6 GB of weights are gradients, a master copy and two moments: 16 bytes a parameter."""
    return {
        "zero_stage": 0,
        "keep": "flash",
        "micro_batch": 4,
        "states_gb": 2.6,
        "activations_gb": 15.32,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 64,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="the states are those of the chosen stage"
def shards_everything_in_stage_one():
    """Stage 1 spreads the optimizer's part; weights and gradients stay whole on each card."""
    return {
        "zero_stage": 1,
        "keep": "flash",
        "micro_batch": 4,
        "states_gb": 2.6,
        "activations_gb": 15.32,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 64,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="a micro-batch fits beside the states"
def takes_eight_sequences_at_a_time():
    """Eight sequences leave 31 GB behind, beside 21 GB of states: take fewer at a time, or shard."""
    return {
        "zero_stage": 0,
        "keep": "flash",
        "micro_batch": 8,
        "states_gb": 20.8,
        "activations_gb": 8 * 3.83,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 32,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="a micro-batch fits beside the states"
def shares_activations_among_the_cards():
    """Each card takes a micro-batch of its own, and keeps all the activations of it."""
    return {
        "zero_stage": 1,
        "keep": "flash",
        "micro_batch": 8,
        "states_gb": 7.15,
        "activations_gb": 3.83,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 32,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="micro-batches, cards and steps multiply up to the data"
def counts_the_cards_twice():
    """Eight cards with four sequences each take 32 at a time; 2048 of them need 64 rounds."""
    return {
        "zero_stage": 1,
        "keep": "flash",
        "micro_batch": 4,
        "states_gb": 7.15,
        "activations_gb": 15.32,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 8,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="micro-batches, cards and steps multiply up to the data"
def leaves_the_last_tokens_out():
    """After 71,525 steps 2.4 million tokens are left, for one smaller step."""
    return {
        "zero_stage": 1,
        "keep": "flash",
        "micro_batch": 4,
        "states_gb": 7.15,
        "activations_gb": 15.32,
        "tokens_per_step": 2048 * 2048,
        "steps": 71525,
        "accumulation": 64,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="the days pay for all that is computed"
def forgets_that_checkpoints_compute_twice():
    """Checkpoints trade memory for a second forward pass: a third more to compute."""
    return {
        "zero_stage": 0,
        "keep": "checkpoints",
        "micro_batch": 8,
        "states_gb": 20.8,
        "activations_gb": 8.72,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 32,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="the days pay for all that is computed"
def counts_the_forward_pass_alone():
    """The backward pass computes two gradients for each product: of its weights, of its inputs."""
    return {
        "zero_stage": 1,
        "keep": "flash",
        "micro_batch": 4,
        "states_gb": 7.15,
        "activations_gb": 15.32,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 64,
        "flops": 2 * 1.3e9 * 300e9,
        "days": 9.04,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="the days pay for all that is computed"
def expects_the_peak():
    """The peak stands in the data sheet; a run that reaches 40 % of it is a good one."""
    return {
        "zero_stage": 1,
        "keep": "flash",
        "micro_batch": 4,
        "states_gb": 7.15,
        "activations_gb": 15.32,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 64,
        "flops": 2.34e21,
        "days": 10.85,
        "peak_lr": 2e-4,
    }


# %% mistake of="plan" fails="the peak learning rate fits a model of this size"
def takes_the_rate_of_a_small_model():
    """6e-4 went well with a tenth of the parameters; larger models got smaller rates."""
    return {
        "zero_stage": 1,
        "keep": "flash",
        "micro_batch": 4,
        "states_gb": 7.15,
        "activations_gb": 15.32,
        "tokens_per_step": 2048 * 2048,
        "steps": 71526,
        "accumulation": 64,
        "flops": 2.34e21,
        "days": 27.1,
        "peak_lr": 6e-4,
    }
