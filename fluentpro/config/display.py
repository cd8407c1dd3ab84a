"""Values and texts as they may be shown: a secret never, a URL without its password, no control character."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic import SecretStr

HIDDEN: Final = "********"
MARK: Final = "@vault "
"""How a reference to a secret begins."""
LONGEST: Final = 120
"""Characters of a value that a listing shows."""
DEEPEST: Final = 4
"""Lists inside each other that are shown."""
WIDEST: Final = 1024
"""Bits of a whole number that is written out; Python refuses to write very long ones."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PICTURES: Final = {number: 0x2400 + number for number in range(32)} | {127: 0x2421}


def is_reference(value: Any) -> bool:
    """Whether a raw value stands for one that is kept elsewhere: it tells where, and is no secret."""
    return isinstance(value, str) and value.startswith(MARK)


def without_password(text: str) -> str:
    """A text with the password of a URL hidden; what stands between two URLs can go with it."""
    last = text.rfind("@")  # a password may hold an @, a space, a quote
    at = text.find("://", 0, max(last, 0))
    while at >= 0:
        colon = text.find(":", at + 3, last)
        if colon < 0:
            break
        if not set(text[at + 3 : colon]) & {"/", "@"}:
            return f"{text[: colon + 1]}{HIDDEN}{text[last:]}"
        at = text.find("://", at + 3, last)
    return text


def visible(text: str) -> str:
    """A text without what a terminal would obey or turn around: a picture stands for each such character."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text.translate(_PICTURES))


def dotted(path: Sequence[str]) -> str:
    """The dotted name of a path, its parts in quotes where TOML wants them so."""
    return ".".join(_cut(part if _BARE.fullmatch(part) else _quoted(part)) for part in path)


def display(value: Any, *, secret: bool = False) -> str:
    """A value as TOML would write it, cut to a readable length; hidden where it is a secret."""
    if secret and value not in (None, ()):
        return HIDDEN
    return _cut(visible(without_password(_toml(value))))


def brief(value: Any) -> str:
    """A value as a sentence names it: itself, or what it is where it is long."""
    text = without_password(_toml(value))
    if len(text) <= LONGEST // 2:
        return visible(text)
    match value:
        case str():
            return f"a text of {len(value)} characters"
        case tuple() | list():
            return f"a list of {len(value)} items"
        case _:
            return "the value"


def plain(value: Any, *, secret: bool = False) -> Any:
    """A value as JSON-ready data, hidden where it is a secret."""
    if isinstance(value, SecretStr) or (secret and value not in (None, ())):
        return HIDDEN
    if isinstance(value, str):
        return without_password(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def _toml(value: Any, depth: int = 0) -> str:
    match value:
        case None:
            return "unset"
        case SecretStr():
            return HIDDEN
        case bool():
            return str(value).lower()
        case str():
            return _quoted(value)
        case int() if value.bit_length() > WIDEST:
            return f"a number of {value.bit_length()} bits"
        case tuple() | list():
            return f"[{', '.join(_toml(item, depth + 1) for item in value)}]" if depth < DEEPEST else "[…]"
        case dict():
            return "{…}" if value else "{}"
        case _:
            return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
