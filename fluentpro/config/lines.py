"""Which lines of a settings file may be shown: none that holds a secret, or might."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import Any, Final

from fluentpro.config.display import dotted, without_password
from fluentpro.config.fields import Path, Table, settings_of, tables_of
from fluentpro.config.origins import Origin, Place, Positions

SHORTEST: Final = 4
"""Characters from which on a line is searched for a secret's text."""

LONGEST: Final = 500
"""Characters up to which a line of a file that is not TOML is looked into."""

_KEY = re.compile(r"""["']?([\w-]+)["']?\s*=\s*(\{?)|(?:^|[{,])\s*["']?([\w-]+)["']?\s*:""")
_URL = re.compile(r"://[^/\s]*:")
_HEADER = re.compile(r"\s*\[{1,2}[\w.\s-]*\]{0,2}\s*")
_OPEN = re.compile(r"[=:]\s*(\[[^\]]*|\{[^}]*|\"\"\".*|'''.*)$")


class TomlOrigins:
    """The places of a file's keys and values, with their lines where those may be shown."""

    def __init__(self, name: str, text: str, schema: type[Table], table: Mapping[str, Any]) -> None:
        self._positions = Positions(name, text)
        self._schema = schema
        self._table = table

    def value(self, path: Path) -> Origin:
        """A value's place and its line."""
        return self._safe(self._positions.value(path))

    def key(self, path: Path) -> Origin:
        """A key's place and its line."""
        return self._safe(self._positions.key(path))

    def earlier(self, line: int) -> tuple[str, Origin, int] | None:
        """What a line names that a line above names too: its name, its place, and the line above."""
        first: dict[Path, int] = {}
        twice: list[tuple[Path, Place]] = []
        for path, place in self._positions.all:
            if first.setdefault(path, place.key.line) < place.key.line == line:
                twice.append((path, place))
        if not twice:
            return None
        path, place = max(twice, key=lambda item: len(item[0]))
        name = f"[{dotted(path)}]" if place.key == place.value else dotted(path)
        return name, self._safe(self._positions.at(place.key)), first[path]

    def _safe(self, origin: Origin) -> Origin:
        start, end = origin.column - 1, origin.column - 1 + origin.width
        head, value, tail = origin.text[:start], origin.text[start:end], origin.text[end:]
        if origin.line in self._hidden or without_password(head) != head:
            return origin.hidden()
        comment = tail.partition("#")[2]
        if any(text in origin.text for text in self._secrets) or _names_secret(comment, self._schema):
            return origin.hidden()
        shown = without_password(value)
        return replace(origin, text=f"{head}{shown}{without_password(tail)}", width=len(shown))

    @cached_property
    def _hidden(self) -> frozenset[int]:
        """The lines of secrets, of keys that nobody knows, and of URLs that go on below."""
        lines = self._positions.lines
        return frozenset(
            line
            for path, place in self._positions.all
            for line in range(place.key.line, place.value.end_line + 1)
            if not self._harmless(path, place) or (_long(place) and "://" in lines[line - 1])
        )

    def _harmless(self, path: Path, place: Place) -> bool:
        known = settings_of(self._schema)
        if path in tables_of(self._schema):  # its header, or the keys of an inline table for themselves
            return place.key == place.value or isinstance(_at(self._table, path), Mapping)
        while path and path[-1].startswith("["):  # an item of a list
            path = path[:-1]
        return path in known and not known[path].secret

    @cached_property
    def _secrets(self) -> frozenset[str]:
        """The texts that must not be shown, should a line hold one in spite of all."""
        known = settings_of(self._schema)
        return frozenset(
            text
            for path, text in _texts(self._table, ())
            if len(text) >= SHORTEST and (path not in known or known[path].secret)
        )


def may_show(lines: Sequence[str], schema: type[Table]) -> bool:
    """Whether the last of the lines may be shown where the file is not TOML.

    Nobody knows for sure what a line of such a file is. It is shown if all its keys are known and no
    secrets, or if it goes on with the value of such a key, and if nothing else is open above it.
    """
    *above, last = lines
    if _names_secret(last, schema) or any(_opens(line) and not _plain(line, schema) for line in above):
        return False
    if not _plain(last, schema):
        return False
    if _HEADER.fullmatch(last) or _KEY.search(last):
        return True
    begun = next((line for line in reversed(above) if _KEY.search(line)), "")
    return bool(begun) and _plain(begun, schema)


def _opens(line: str) -> bool:
    return len(line) > LONGEST or _OPEN.search(line) is not None


def _plain(line: str, schema: type[Table]) -> bool:
    """Whether all keys of a line are known and no secrets, and no URL in it may hold a password."""
    if len(line) > LONGEST or _URL.search(line):
        return False
    settings, tables = _plain_names(schema)
    return all(
        (name or yaml).lower() in (tables if brace else settings) for name, brace, yaml in _KEY.findall(line)
    )


@cache
def _plain_names(schema: type[Table]) -> tuple[frozenset[str], frozenset[str]]:
    """The names that some table has for a setting, and none for a secret; the names of tables."""
    items = settings_of(schema).values()
    settings = {item.path[-1] for item in items} - {item.path[-1] for item in items if item.secret}
    return frozenset(settings), frozenset(name for path in tables_of(schema) for name in path)


def _names_secret(text: str, schema: type[Table]) -> bool:
    return _secret_names(schema).search(text) is not None


@cache
def _secret_names(schema: type[Table]) -> re.Pattern[str]:
    names = sorted({item.path[-1] for item in settings_of(schema).values() if item.secret})
    return re.compile(rf"\b({'|'.join(map(re.escape, names)) or '(?!)'})\b", re.IGNORECASE)


def _long(place: Place) -> bool:
    return place.value.end_line > place.value.line


def _at(table: Any, path: Path) -> Any:
    for name in path:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text in a table with the path of its key, however deep it stands."""
    left: list[tuple[Path, Any]] = [(path, value)]
    while left:
        path, value = left.pop()
        match value:
            case str():
                yield path, value
            case Mapping():
                left.extend(((*path, name), item) for name, item in value.items())
            case list():
                left.extend((path, item) for item in value)
            case _:
                pass
