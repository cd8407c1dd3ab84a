"""Where a key stands: file, line and column, found only when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

from fluentpro.config.fields import Path

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_KEYS = frozenset({"bare_key", "quoted_key", "dotted_key"})
_TABLES = frozenset({"table", "table_array_element"})


@dataclass(frozen=True, slots=True)
class Origin:
    """The place a value comes from, as a person would name it.

    `source` is a file's name relative to the project, `env NAME`, `default`, or a later layer's own
    words; `line` and `column` count from 1, in characters; `line` is 0 where a place has no lines.
    """

    source: str
    line: int = 0
    column: int = 0
    width: int = 0
    """How many characters of the line the value takes."""
    text: str = ""
    """The line itself; empty where it must not be shown."""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    def hidden(self) -> Origin:
        """The same place without its line, for a line that holds a secret."""
        return replace(self, text="")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file: lines and columns from 1, in characters, the end included in neither."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key and its value stand."""

    key: Span
    value: Span


class Positions:
    """The places of every key in one TOML file that parsed, looked up on the first question."""

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.text = text

    def value(self, path: Path) -> Origin:
        """The value's place; the file alone where the key isn't in it."""
        place = self.places.get(path)
        return self._origin(place.value) if place else Origin(self.source)

    def key(self, path: Path) -> Origin:
        """The key's own place; the nearest table's where the key isn't in the file."""
        for depth in range(len(path), 0, -1):
            place = self.places.get(path[:depth])
            if place:
                return self._origin(place.key)
        return Origin(self.source)

    def lines_of(self, path: Path) -> range:
        """The lines that a key and its value take."""
        place = self.places.get(path)
        return range(place.key.line, place.value.end_line + 1) if place else range(0)

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines as TOML counts them."""
        return [line.removesuffix("\r") for line in self.text.split("\n")]

    @cached_property
    def places(self) -> Mapping[Path, Place]:
        """Each key's place. A key given twice through dotted tables keeps its first."""
        found: dict[Path, Place] = {}
        tree = _parser().parse(self.text.encode())
        for path, place in _walk(tree.root_node, (), self.text.split("\n")):
            found.setdefault(path, place)
        return found

    def _origin(self, span: Span) -> Origin:
        text = self.lines[span.line - 1]
        end = span.end_column if span.end_line == span.line else len(text) + 1
        return Origin(self.source, span.line, span.column, max(end - span.column, 1), text)


@cache
def _parser() -> Parser:
    import tree_sitter_toml
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_toml.language()))


def _walk(node: Node, prefix: Path, lines: list[str]) -> Iterator[tuple[Path, Place]]:
    for child in node.named_children:
        key = next((part for part in child.named_children if part.type in _KEYS), None)
        if key is None:
            continue
        path, span = (*prefix, *_key(key)), _span(key, lines)
        if child.type in _TABLES:
            yield path, Place(span, span)
            yield from _walk(child, path, lines)
        elif child.type == "pair":
            value = child.named_children[-1]
            yield path, Place(span, _span(value, lines))
            if value.type == "inline_table":
                yield from _walk(value, path, lines)


def _key(node: Node) -> Path:
    if node.type == "dotted_key":
        return tuple(part for child in node.named_children if child.type in _KEYS for part in _key(child))
    text = (node.text or b"").decode()
    return (text[1:-1] if node.type == "quoted_key" else text,)


def _span(node: Node, lines: list[str]) -> Span:
    (row, start), (end_row, end) = node.start_point, node.end_point
    return Span(row + 1, _column(lines[row], start), end_row + 1, _column(lines[end_row], end))


def _column(line: str, offset: int) -> int:
    """A column in characters from one in bytes."""
    return len(line.encode()[:offset].decode(errors="ignore")) + 1
