"""The turns of a shared poll."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluentpro.fleet.share import Share


@pytest.mark.parametrize("count", [1, 2, 8, 800])
def test_somebody_has_a_turn_in_every_period_however_many_there_are(count: int) -> None:
    now, period = 12_345.678, 0.5
    turns = sorted(Share(count, rank, 0.0).wait(period, lambda: now) for rank in range(count))

    gaps = [later - earlier for earlier, later in pairwise(turns)]

    assert turns[0] <= period * 1.05 + 1e-6
    assert all(gap == pytest.approx(period) for gap in gaps)


@given(
    st.integers(1, 900),
    st.integers(0, 900),
    st.floats(0.05, 60),
    st.floats(0, 2e9),
    st.floats(-2e9, 2e9),
)
def test_a_turn_is_never_now_and_never_later_than_a_whole_round(
    count: int, rank: int, period: float, now: float, ahead: float
) -> None:
    wait = Share(count, rank % count, ahead).wait(period, lambda: now)

    assert 0 < wait <= count * period * 1.06


def test_the_turn_after_a_turn_is_a_round_later() -> None:
    share, now = Share(8, 3, 100.0), 1000.0
    first = share.wait(1.0, lambda: now)

    assert share.wait(1.0, lambda: now + first) == pytest.approx(8.0)


def test_clocks_that_differ_agree_on_the_turns() -> None:
    # Two hosts whose monotonic clocks began at other times: 500 s apart.
    one, other = Share(2, 0, 0.0), Share(2, 1, 500.0)

    assert one.wait(1.0, lambda: 700.0) == pytest.approx(0.5)
    assert other.wait(1.0, lambda: 200.0) == pytest.approx(1.5)
