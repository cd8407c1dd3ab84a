"""A line of a file with a caret under what is wrong in it, as a terminal shows it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Final

from fluentpro.config.display import visible
from fluentpro.config.origins import Origin

WIDEST: Final = 100
"""Characters of a line that are shown."""
BEFORE: Final = 40
"""Characters in front of the value that are shown where a line is longer."""

_MARGIN = "        | "


def excerpt(origin: Origin) -> Iterator[str]:
    """The line of an origin and its caret; nothing where the line must not be shown."""
    if not origin.text:
        return
    start = min(origin.column - 1, len(origin.text))
    head, tail = origin.text[:start], origin.text[start:]
    if len(origin.text) > WIDEST and start > BEFORE:
        head = f"…{head[1 - BEFORE :]}"
    room = WIDEST - len(head)
    if len(tail) > room:
        tail = f"{tail[: room - 1]}…"
    head, marked, rest = _shown(head), visible(tail[: origin.width]), _shown(tail[origin.width :])
    lead = "".join("\t" if char == "\t" else " " * cells(char) for char in head)
    yield f"{origin.line:>7} | {head}{marked}{rest}".rstrip()
    yield f"{_MARGIN}{lead}{'^' * max(cells(marked), 1)}"


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "FW" else 1


def _shown(text: str) -> str:
    """A part of the line outside the caret: both lines have the same tabs."""
    return "\t".join(visible(part) for part in text.split("\t"))
