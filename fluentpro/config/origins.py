"""Where a key stands: file, line and column, found only when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final

import tomli

from fluentpro.config.display import visible
from fluentpro.config.fields import Path

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

VARIABLE: Final = "env "
"""What the source of an environment variable begins with."""
OVERRIDE: Final = "override #"
"""What the source of a stored override begins with."""
PLANNED: Final = "the override that is asked for"
"""The source of one that is not stored yet."""
DEEPEST: Final = 20
"""How many tables and lists inside each other are looked into."""

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
    version: str = ""
    """Which version of the value stands there; empty where a place has no versions."""
    since: float = 0.0
    """Unix time since when it stands there, in s; 0.0 where nobody says."""

    def __str__(self) -> str:
        source = visible(self.source)
        return f"{source}:{self.line}:{self.column}" if self.line else source

    @property
    def variable(self) -> str:
        """The environment variable that it names, if it is one."""
        name, _, _ = self.source.removeprefix(VARIABLE).partition(" ")
        return name if self.source.startswith(VARIABLE) else ""

    @property
    def override(self) -> bool:
        """Whether it is an override of an operator's, stored or asked for."""
        return self.source == PLANNED or self.source.startswith(OVERRIDE)

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
    """The places of every key in one TOML file that parsed, looked up on the first question.

    An item of a list has the path of the list and its index in brackets: `("site", "hosts", "[1]")`.
    """

    def __init__(self, source: str, text: str) -> None:
        self.source = source
        self.text = text

    def value(self, path: Path) -> Origin:
        """The value's place; the file alone where the key isn't in it."""
        place = self.places.get(path)
        return self.at(place.value) if place else Origin(self.source)

    def key(self, path: Path) -> Origin:
        """The key's own place; the nearest table's where the key isn't in the file."""
        for depth in range(len(path), 0, -1):
            place = self.places.get(path[:depth])
            if place:
                return self.at(place.key)
        return Origin(self.source)

    def at(self, span: Span) -> Origin:
        """A stretch of the file as an origin, with its line."""
        text = self.lines[span.line - 1]
        end = span.end_column if span.end_line == span.line else len(text) + 1
        return Origin(self.source, span.line, span.column, max(end - span.column, 1), text)

    @cached_property
    def lines(self) -> list[str]:
        """The file's lines as TOML counts them."""
        return [line.removesuffix("\r") for line in self.text.split("\n")]

    @cached_property
    def places(self) -> Mapping[Path, Place]:
        """Each key's place, its first one where tables and dotted keys name it again."""
        found: dict[Path, Place] = {}
        for path, place in self.all:
            found.setdefault(path, place)
        return found

    @cached_property
    def all(self) -> tuple[tuple[Path, Place], ...]:
        """Every place in the order of the file; nothing where the grammar does not follow the text."""
        tree = _parser().parse(self.text.encode())
        if tree.root_node.has_error:
            return ()
        return tuple(_walk(tree.root_node, (), self.text.split("\n")))


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
        names, span = _key(key), _span(key, lines)
        for depth in range(1, len(names)):  # `a.b = 1` and `[a.b]` name a table `a` too
            yield (*prefix, *names[:depth]), Place(span, span)
        path = (*prefix, *names)
        if child.type in _TABLES:
            yield path, Place(span, span)
            yield from _walk(child, path, lines)
        elif child.type == "pair":
            # The grammar counts a comment behind the value as a part of the pair.
            value = next(part for part in child.named_children[1:] if part.type != "comment")
            yield path, Place(span, _span(value, lines))
            yield from _inside(value, path, lines)


def _inside(value: Node, path: Path, lines: list[str]) -> Iterator[tuple[Path, Place]]:
    """The keys of an inline table, and the items of a list."""
    if len(path) > DEEPEST:
        return
    if value.type == "inline_table":
        yield from _walk(value, path, lines)
    elif value.type == "array":
        items = (item for item in value.named_children if item.type != "comment")
        for index, item in enumerate(items):
            span, inner = _span(item, lines), (*path, f"[{index}]")
            yield inner, Place(span, span)
            yield from _inside(item, inner, lines)


def _key(node: Node) -> Path:
    names, left = [], [node]
    while left:
        part = left.pop()
        if part.type == "dotted_key":  # a key of many parts is a deep tree: no recursion
            left.extend(child for child in reversed(part.named_children) if child.type in _KEYS)
        else:
            names.append(_name(part))
    return tuple(names)


def _name(key: Node) -> str:
    text = (key.text or b"").decode()
    if "\\" in text:  # only TOML knows what "\u0070ort" says
        return str(next(iter(tomli.loads(f"{text} = 0"))))
    return text[1:-1] if key.type == "quoted_key" else text


def _span(node: Node, lines: list[str]) -> Span:
    (row, start), (end_row, end) = node.start_point, node.end_point
    return Span(row + 1, _column(lines[row], start), end_row + 1, _column(lines[end_row], end))


def _column(line: str, offset: int) -> int:
    """A column in characters from one in bytes."""
    return 1 + (offset if line.isascii() else len(line.encode()[:offset].decode(errors="ignore")))
