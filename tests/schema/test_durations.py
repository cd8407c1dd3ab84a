"""How long something holds, as a person writes it."""

from __future__ import annotations

import pytest

from fluentpro.schema.api import parse_rate
from fluentpro.schema.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("30m", 1800), ("2h", 7200), ("90d", 7_776_000), ("3650d", 315_360_000)]
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "h", "0h", "-1h", "1.5h", "2 h", "2H", "3w", "9999d", "٢h", "2h\n"]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="30m, 2h or 90d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("rate", "parts"),
    [("60/min", (60, 60)), ("1/s", (1, 1)), ("5/sec", (5, 1)), ("9/h", (9, 3600)), ("7/day", (7, 86_400))],
)
def test_a_rate_is_so_many_in_a_period(rate: str, parts: tuple[int, int]) -> None:
    assert parse_rate(rate) == parts
