# %% quiz [markdown] items="" stars=1 minutes=5 level="understand" goal="say what a student can do afterwards"
r"""
# Quiz: means
Answer each question in the cell under it, and run the cell that follows.
"""

# %% setup
import torch

from autograder.authoring.quiz import draw

# %% choice [markdown] id="mean-and-outlier" points=1
r"""
One of a hundred numbers is replaced by one that is far too large. What happens to the mean and
to the median?

- [x] The mean moves by a hundredth of the error, the median by next to nothing.
  > Yes. Every number has the same weight in the mean, and only the order counts for the median.
- [ ] Both stay about where they were, since ninety-nine numbers are right.
  > The mean adds all numbers up. How large is a hundredth of an error without bounds?
- [ ] The median moves further, since it has to step over the outlier.
  > The median looks at the middle of the order. How many places can one number move it?
"""

# %% evidence
numbers = torch.randn(100)
spoilt = numbers.clone()
spoilt[0] = 1e6
assert (spoilt.mean() - numbers.mean()).abs() > 1000
assert (spoilt.median() - numbers.median()).abs() < 1

# %% numeric [markdown] id="running-mean" points=1 rtol=0.01
r"""
A running mean stands at {{old}}. A batch arrives with the mean {{batch}}, and the new batch has the
weight 0.1. What is the running mean now?
"""

# %% key
old, batch = draw([2.0, 4.0, 8.0]), draw([1.0, 12.0])
answer = 0.9 * old + 0.1 * batch
slips = {"The new batch has the weight 0.1, not the old mean.": 0.1 * old + 0.9 * batch}

# %% evidence
running = torch.nn.BatchNorm1d(1, momentum=0.1)
running.running_mean.fill_(old)
running(batch + torch.tensor([[-1.0], [1.0]]))
assert abs(running.running_mean.item() - answer) < 1e-5
