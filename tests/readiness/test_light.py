"""Counts and lights: plain arithmetic, looked at where it turns."""

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from readiness.boards.light import Counts, Light

numbers = st.integers(0, 400)


@st.composite
def counts(draw: st.DrawFn) -> Counts:
    """What can be: no more overdue than owed."""
    owed = draw(numbers), draw(numbers)
    return Counts(
        open=owed[0],
        returned=owed[1],
        done=draw(numbers),
        verified=draw(numbers),
        waived=draw(numbers),
        overdue=draw(st.integers(0, sum(owed))),
    )


@pytest.mark.parametrize(
    ("figures", "red_percent", "light"),
    [
        # Nothing that applies: no colour, and certainly not green.
        (Counts(), 10, Light.NONE),
        (Counts(waived=5), 10, Light.NONE),
        # Nothing late, nothing sent back: green, however little is done.
        (Counts(open=10), 10, Light.GREEN),
        (Counts(verified=10), 10, Light.GREEN),
        (Counts(done=9, waived=1), 10, Light.GREEN),
        # Sent back, not late: amber.
        (Counts(returned=1, verified=999), 10, Light.AMBER),
        (Counts(returned=1), 1, Light.AMBER),
        # Exactly the share is red, one task less is amber.
        (Counts(open=10, overdue=1), 10, Light.RED),
        (Counts(open=11, overdue=1), 10, Light.AMBER),
        (Counts(open=90, verified=10, overdue=10), 10, Light.RED),
        (Counts(open=90, verified=10, overdue=9), 10, Light.AMBER),
        # The waived do not thin out the late ones.
        (Counts(open=10, waived=90, overdue=1), 10, Light.RED),
        # No rounding: a third is 33.3…%.
        (Counts(open=3, overdue=1), 33, Light.RED),
        (Counts(open=3, overdue=1), 34, Light.AMBER),
        # The ends of the scale.
        (Counts(open=100, overdue=1), 1, Light.RED),
        (Counts(open=101, overdue=1), 1, Light.AMBER),
        (Counts(open=5, overdue=5), 100, Light.RED),
        (Counts(open=5, verified=1, overdue=5), 100, Light.AMBER),
    ],
)
def test_the_light_turns_exactly_at_its_share(figures: Counts, red_percent: int, light: Light) -> None:
    assert figures.light(red_percent=red_percent) is light


@given(counts(), st.integers(1, 100))
def test_one_more_task_late_never_brightens_a_light(figures: Counts, red_percent: int) -> None:
    order = [Light.GREEN, Light.AMBER, Light.RED]
    if not figures.applying or figures.overdue == figures.owed:
        return
    later = figures + Counts(overdue=1)
    assert order.index(later.light(red_percent=red_percent)) >= order.index(figures.light(red_percent=red_percent))


@given(counts())
def test_a_hundred_percent_means_all(figures: Counts) -> None:
    for share, part in ((figures.verified_percent, figures.verified), (figures.claimed_percent, figures.done)):
        assert 0 <= share <= 100
        assert (share == 100) is (part == figures.applying > 0)
    # Two people's words, beside each other and never more than the whole.
    assert figures.verified_percent + figures.claimed_percent <= 100


def test_shares_are_rounded_down() -> None:
    assert Counts(verified=999, open=1).verified_percent == 99
    assert Counts(verified=1, open=999).verified_percent == 0
    assert Counts(done=2, open=1).claimed_percent == 66
    # Verified is not claimed as well.
    assert Counts(done=1, verified=1).claimed_percent == 50


def test_nothing_expected_is_not_a_hundred_percent() -> None:
    assert (Counts(waived=3).verified_percent, Counts(waived=3).claimed_percent) == (0, 0)
    assert (Counts().verified_percent, Counts().claimed_percent) == (0, 0)


def test_what_is_counted_as_what() -> None:
    figures = Counts(open=1, done=2, verified=4, returned=8, waived=16, overdue=5)
    assert (figures.applying, figures.owed, figures.total) == (15, 9, 31)


@given(counts(), counts(), counts())
def test_counts_are_added_and_never_averaged(one: Counts, two: Counts, three: Counts) -> None:
    assert tuple(one + two) == tuple(a + b for a, b in zip(one, two, strict=True))
    assert (one + two) + three == one + (two + three)
    assert one + two - two == one
    assert sum([one, two, three], Counts()) == three + two + one
    assert (one + two).total == one.total + two.total
    assert (one + two).owed == one.owed + two.owed


def test_a_light_has_a_word_in_both_languages() -> None:
    with translation.override("zh-hans"):
        assert [light.label for light in Light] == ["红灯", "黄灯", "绿灯", "无任务"]
    with translation.override("en"):
        assert [light.label for light in Light] == ["red", "amber", "green", "nothing to do"]
