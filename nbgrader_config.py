"""nbgrader's settings for this course; `python -m autograder` uses the same ones."""

from autograder.grading.gradebook import configure

configure(get_config())
