"""One TOML file -> a layer: parsed, sifted by the schema, every finding with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import tomli

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.display import dotted
from fluentpro.config.fields import Path, Table, is_table
from fluentpro.config.lines import TomlOrigins
from fluentpro.config.origins import DEEPEST, Origin
from fluentpro.config.snapshot import Layer
from fluentpro.config.suggest import suggest
from fluentpro.config.syntax import not_toml

LONGEST: Final = 1024
"""Bits of a whole number; TOML itself promises 64."""

_LISTED: Final = {"key": "setting", "table": "table"}


def parse(
    name: str, content: bytes, schema: type[Table], environments: Sequence[str] = ()
) -> tuple[Layer | None, tuple[Diagnostic, ...]]:
    """A file's layer and its findings; no layer where it is not TOML at all.

    `environments` are names that people take for tables of a file: each has a file of its own.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return None, (_not_utf8(name, error),)
    if not text.strip():
        return None, (_empty(name),)
    try:
        table = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        return None, (not_toml(name, text, error, schema),)
    except (RecursionError, ValueError):
        message = "not valid TOML: a number too long, or lists or tables too deep inside each other"
        return None, (Diagnostic("CFG105", "", message, Origin(name), "write it shorter"),)
    places = TomlOrigins(name, text, schema, table)
    sifter = _Sifter(schema, places, environments)
    findings = tuple(sifter.sift(table, schema, ()))
    return Layer(name, sifter.values, places), findings


class _Sifter:
    """Takes what the schema knows into `values`, and has a finding for all else."""

    def __init__(self, schema: type[Table], places: TomlOrigins, environments: Sequence[str]) -> None:
        self.values: dict[Path, Any] = {}
        self._schema = schema
        self._places = places
        self._environments = environments

    def sift(self, given: Mapping[str, Any], table: type[Table], prefix: Path) -> Iterator[Diagnostic]:
        for name, value in given.items():
            path = (*prefix, name)
            field = table.model_fields.get(name)
            if field is None:
                yield self._unknown(path, value)
            elif is_table(field.annotation):
                if isinstance(value, dict):
                    yield from self.sift(value, field.annotation, path)  # type: ignore[arg-type]  # is_table
                else:
                    yield self._value_for_table(path, value)
            elif isinstance(value, dict):
                yield self._table_for_value(path)
            elif fits(value):
                self.values[path] = frozen(value)
            else:
                yield self._unfit(path)

    def _unknown(self, path: Path, value: Any) -> Diagnostic:
        origin = self._places.key(path).hidden()  # the line may hold a secret under a misspelt name
        key, what = dotted(path), "table" if isinstance(value, dict) else "key"
        code = "CFG111" if what == "table" else "CFG110"
        if what == "table" and path == ("default",):
            fix = "move its tables to the top level of settings.toml, which counts in every environment"
            return Diagnostic(code, key, "unknown table", origin, fix)
        if what == "table" and len(path) == 1 and path[0] in self._environments:
            fix = f"move its tables to the top level of settings/{key}.toml, the file of that environment"
            return Diagnostic(code, key, "unknown table", origin, fix)
        suggestion = suggest(path, self._schema)
        fix = "" if suggestion else f"remove it; `fluentpro schema --markdown` lists every {_LISTED[what]}"
        return Diagnostic(code, key, f"unknown {what}", origin, fix, suggestion)

    def _table_for_value(self, path: Path) -> Diagnostic:
        fix = f"write {path[-1]} = <value>" + (f" below [{dotted(path[:-1])}]" if path[:-1] else "")
        origin = self._places.key(path)
        return Diagnostic("CFG112", dotted(path), "a table, where one value is wanted", origin, fix)

    def _value_for_table(self, path: Path, value: Any) -> Diagnostic:
        origin = self._places.key(path).hidden()  # a whole URL with its password is a likely value here
        key, tables = dotted(path), isinstance(value, list) and any(isinstance(item, dict) for item in value)
        says = "a list of tables, where one table is wanted" if tables else "a value, where a table is wanted"
        fix = f"write [{key}], in single brackets" if tables else f"write [{key}], and its keys below"
        return Diagnostic("CFG113", key, says, origin, fix)

    def _unfit(self, path: Path) -> Diagnostic:
        says = "a number too long, or lists too deep inside each other"
        return Diagnostic("CFG105", dotted(path), says, self._places.key(path), "write it shorter")


def fits(value: Any) -> bool:
    """Whether a value is of a size that all can work with who come after."""
    left = [(value, 0)]
    while left:
        item, depth = left.pop()
        if depth > DEEPEST or (isinstance(item, int) and item.bit_length() > LONGEST):
            return False
        if isinstance(item, list | dict):
            inner = item if isinstance(item, list) else item.values()
            left.extend((each, depth + 1) for each in inner)
    return True


def frozen(value: Any) -> Any:
    """The value with its lists as tuples."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def _not_utf8(name: str, error: UnicodeDecodeError) -> Diagnostic:
    line = error.object[: error.start].count(b"\n") + 1
    before = error.object[: error.start].rpartition(b"\n")[2]
    origin = Origin(name, line, len(before.decode(errors="replace")) + 1)
    byte = error.object[error.start]
    return Diagnostic(
        "CFG104", "", f"not UTF-8: byte 0x{byte:02x} at offset {error.start}", origin, "save it as UTF-8"
    )


def _empty(name: str) -> Diagnostic:
    return Diagnostic(
        "CFG106",
        "",
        "the file is empty; it is not taken to mean 'all defaults'",
        Origin(name),
        "restore it, or write a comment into it if it shall change nothing",
    )
