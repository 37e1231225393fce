"""The course's quiz items: evidence holds for many seeds, keys are not to be guessed."""

import math

import pytest
from conftest import course

from autograder.authoring import quiz
from autograder.authoring.check import check_quiz, quiz_problems

ITEMS = [item for exercise in course().exercises for item in quiz.items(exercise)]
SEEDS = 60
by_item = pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.id)


@by_item
def test_the_key_has_evidence_that_holds_for_many_seeds(item: quiz.Item) -> None:
    assert item.evidence
    assert [p for seed in range(SEEDS) for p in quiz_problems(item, seed)] == []


@by_item
def test_every_variant_can_be_drawn_and_read(item: quiz.Item) -> None:
    for seed in range(SEEDS):
        variant = quiz.variant(item, seed)
        assert "{{" not in variant.prompt
        assert len({o.text for o in variant.options}) == len(variant.options)
        if item.kind == "numeric":
            assert math.isfinite(variant.answer)
            assert variant.slips


def test_every_quiz_promise_is_checked() -> None:
    exercises = [e for e in course().exercises if quiz.items(e)]
    promises = [p for e in exercises for p in check_quiz(e, seeds=2)]
    assert len(promises) == 2 * len(ITEMS)
    assert all(p.kept for p in promises)


def test_the_right_option_is_not_the_longest_more_often_than_chance() -> None:
    single = [i for i in ITEMS if sum(o.right for o in i.options) == 1]
    longest = sum(max(i.options, key=lambda o: len(o.text)).right for i in single)
    by_chance = sum(1 / len(i.options) for i in single)
    # Three standard deviations of as many independent draws.
    assert longest <= by_chance + 3 * math.sqrt(by_chance)


def test_every_letter_is_right_somewhere() -> None:
    choices = [i for i in ITEMS if i.kind == "choice"]
    letters = {c for i in choices for seed in range(10) for c in quiz.variant(i, seed).right}
    assert letters >= set("abcd")
