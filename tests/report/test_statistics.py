"""Intervals and paired tests: right on average, honest about few pictures, in plain words."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from superres.report.statistics import Values, by_set, interval, paired


def values(*sets: list[float]) -> Values:
    return {
        str(place): {str(number): value for number, value in enumerate(own)}
        for place, own in enumerate(sets)
    }


def test_the_mean_is_that_of_the_sets_not_of_the_pictures() -> None:
    found = interval(values([10.0] * 9, [20.0]))
    assert (found.mean, found.count) == (15.0, 10)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    hits = []
    for _ in range(200):
        found = interval(values(list(random.normal(30, 2, 12)), list(random.normal(20, 1, 9))))
        hits.append(found.low <= 25 <= found.high)
    assert 0.90 <= np.mean(hits) <= 0.99


def test_the_interval_is_that_of_the_known_formula() -> None:
    own = list(np.random.default_rng(1).normal(0, 1, 400))
    found = interval(values(own))
    expected = 1.96 * np.std(own, ddof=1) / math.sqrt(400)
    assert found.half == pytest.approx(expected, rel=0.06)


def test_a_lower_level_is_a_narrower_interval() -> None:
    own = values([1.0, 2.0, 4.0, 8.0])
    assert interval(own, 0.5).half < interval(own, 0.95).half


def test_one_picture_in_every_set_tells_nothing() -> None:
    found = interval(values([30.0], [31.0]))
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert interval({}).count == 0


def test_a_set_of_one_picture_borrows_the_noise_of_the_others() -> None:
    alone = interval(values([30.0], [20.0, 22.0, 21.0, 23.0]))
    sure = interval(values([30.0] * 4, [20.0, 22.0, 21.0, 23.0]))
    assert alone.half > sure.half


def test_equal_figures_give_equal_intervals() -> None:
    own = values([1.0, 2.0, 4.0], [3.0, 5.0])
    assert interval(own) == interval(own)


def test_a_picture_without_error_counts_as_a_hundred_decibels() -> None:
    assert interval(values([math.inf, 50.0])).mean == 75.0
    gain = paired(("a", "b"), values([math.inf] * 2), values([math.inf] * 2)).gain
    assert (gain.mean, gain.low, gain.high) == (0, 0, 0)


def test_the_permutation_test_is_exact_for_few_pictures() -> None:
    """All eight differences have one sign: of the 2^8 choices of signs two are as extreme."""
    a, b = values([31.0] * 8), values([30.0, 30.1, 30.2, 30.3, 30.4, 30.5, 30.6, 30.7])
    found = paired(("a", "b"), a, b)
    assert found.p == pytest.approx(2 / 2**8)
    assert (found.wins, found.decided) == (8, True)


def test_the_random_permutation_test_is_close_to_the_exact_one() -> None:
    gains = [0.9, -0.3, 0.4, 0.1, -0.2, 0.6, 0.3, -0.1, 0.2, 0.5, -0.4, 0.2, 0.3, -0.1]
    exact = paired(("a", "b"), values(gains), values([0.0] * 14)).p
    more = paired(("a", "b"), values([*gains, 0.0]), values([0.0] * 15)).p  # 15: drawn
    assert more == pytest.approx(exact, abs=0.03)


def test_five_pictures_never_decide_by_the_test() -> None:
    found = paired(("a", "b"), values([1.0, 1.1, 1.2, 1.3, 1.4]), values([0.0] * 5))
    assert found.p == 2 / 2**5
    assert not found.decided
    assert "not decided (5 pictures are too few)" in found.words()


def test_equal_models_are_rarely_told_apart() -> None:
    random = np.random.default_rng(2)
    decided = [
        paired(("a", "b"), values(list(random.normal(0, 1, 20))), values([0.0] * 20)).decided
        for _ in range(200)
    ]
    assert np.mean(decided) < 0.1


def test_smaller_is_better_where_it_is() -> None:
    found = paired(("a", "b"), values([0.1] * 7), values([0.3] * 7), lower=True)
    assert found.gain.mean == pytest.approx(0.2)
    assert found.wins == 7


def test_only_pictures_that_both_have_are_compared() -> None:
    found = paired(("a", "b"), {"x": {"1": 5.0, "2": 9.0}, "y": {"1": 1.0}}, {"x": {"1": 4.0}})
    assert (found.gain.mean, found.gain.count) == (1.0, 1)


def test_the_words_say_who_is_better_and_how_sure() -> None:
    a, b = values([31.0] * 8), values([30.0, 30.1, 30.2, 30.3, 30.4, 30.5, 30.6, 30.7])
    told = paired(("sharp", "bicubic"), a, b).words()
    assert told.startswith("sharp is better than bicubic: +0.65 dB, 95 % interval +0.4")
    assert told.endswith("better on 8 of 8 pictures; p = 0.0078.")
    assert paired(("bicubic", "sharp"), b, a).words().startswith("bicubic is worse than sharp: -0")
    same = paired(("a", "b"), a, a).words()
    assert same == "a and b are equal on all 8 pictures."


def test_figures_are_arranged_by_set() -> None:
    found = by_set([("x", "1", 2.0), ("y", "1", None), ("x", "2", 3.0)])
    assert found == {"x": {"1": 2.0, "2": 3.0}}


@settings(deadline=None, max_examples=30)
@given(some.lists(some.floats(-50, 50), min_size=2, max_size=30), some.floats(0.5, 0.99))
def test_the_mean_lies_in_its_interval(own: list[float], level: float) -> None:
    found = interval(values(own), level)
    assert found.low <= found.mean + 1e-9
    assert found.high >= found.mean - 1e-9
