"""How long something holds, as a person writes it: `90s`, `30m`, `2h`, `7d`."""

from __future__ import annotations

import re
from typing import Final

from fluentpro.schema.types import YEAR

PATTERN: Final = r"^[1-9][0-9]{0,8}[smhd]$"
EXAMPLES: Final = "30m, 2h or 90d"
LONGEST: Final = 10 * YEAR
"""Seconds that nobody wants more of; who does wants no end at all."""

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str) -> int:
    """The seconds of a duration such as `2h`; raises `ValueError`, which says what is wanted."""
    seconds = int(text[:-1]) * _SECONDS[text[-1]] if re.fullmatch(PATTERN, text, re.ASCII) else 0
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"give a time such as {EXAMPLES}, up to ten years")
    return seconds
