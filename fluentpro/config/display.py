"""Values as they may be shown: a secret never, a URL without its password."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from pydantic import SecretStr

HIDDEN: Final = "********"
LONGEST: Final = 120
"""Characters of a value that a message shows."""

_PASSWORD = re.compile(r"(?P<head>[a-zA-Z][a-zA-Z0-9+.-]*://[^/\s\"'@]*?:)[^\s\"']*(?=@)")


def without_password(text: str) -> str:
    """A text with the password of every URL in it hidden."""
    return _PASSWORD.sub(rf"\g<head>{HIDDEN}", text)


def display(value: Any, *, secret: bool = False) -> str:
    """A value as TOML would write it, cut to a readable length; hidden where it is a secret."""
    if secret and value not in (None, ()):
        return HIDDEN
    text = without_password(_toml(value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def plain(value: Any, *, secret: bool = False) -> Any:
    """A value as JSON-ready data, hidden where it is a secret."""
    if isinstance(value, SecretStr) or (secret and value not in (None, ())):
        return HIDDEN
    if isinstance(value, str):
        return without_password(value)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def _toml(value: Any) -> str:
    match value:
        case None:
            return "unset"
        case SecretStr():
            return HIDDEN
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case tuple() | list():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case dict():
            return "{…}"
        case _:
            return str(value)
