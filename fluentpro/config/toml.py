"""One TOML file -> a layer: parsed, sifted by the schema, every finding with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import tomli

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.display import without_password
from fluentpro.config.fields import Path, Table, is_table, settings_of
from fluentpro.config.origins import Origin, Positions
from fluentpro.config.snapshot import Layer

_OPEN = re.compile(r"=\s*(\[[^\]]*$|\"\"\"|''')")
_HEADER = re.compile(r"\s*\[")


def parse(name: str, content: bytes, schema: type[Table]) -> tuple[Layer | None, tuple[Diagnostic, ...]]:
    """A file's layer and its findings; no layer where it is not TOML at all."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return None, (_not_utf8(name, error),)
    if not text.strip():
        return None, (_empty(name),)
    try:
        table = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        return None, (_syntax(name, text, error, schema),)
    except (RecursionError, ValueError):
        message = "not TOML that can be read: a number too long, or tables nested too deep"
        return None, (Diagnostic("CFG105", "", message, Origin(name), "write it shorter"),)
    places = TomlOrigins(name, text, schema)
    values: dict[Path, Any] = {}
    findings = tuple(_sift(table, schema, (), places, values))
    return Layer(name, values, places), findings


class TomlOrigins:
    """The places of a file's keys and values, without the text of a line that holds a secret."""

    def __init__(self, name: str, text: str, schema: type[Table]) -> None:
        self._positions = Positions(name, text)
        self._schema = schema

    def value(self, path: Path) -> Origin:
        """A value's place and its line."""
        return self._safe(self._positions.value(path))

    def key(self, path: Path) -> Origin:
        """A key's place and its line."""
        return self._safe(self._positions.key(path))

    def _safe(self, origin: Origin) -> Origin:
        if origin.line in self._secret_lines:
            return origin.hidden()
        start, end = origin.column - 1, origin.column - 1 + origin.width
        shown = without_password(origin.text[start:end])
        head, tail = without_password(origin.text[:start]), without_password(origin.text[end:])
        return replace(origin, text=head + shown + tail, column=len(head) + 1, width=len(shown))

    @cached_property
    def _secret_lines(self) -> frozenset[int]:
        secrets = (path for path, item in settings_of(self._schema).items() if item.secret)
        return frozenset(line for path in secrets for line in self._positions.lines_of(path))


def _sift(
    table: Mapping[str, Any], schema: type[Table], prefix: Path, places: TomlOrigins, values: dict[Path, Any]
) -> Iterator[Diagnostic]:
    """Put what the schema knows into `values`; yield a finding for all else."""
    for name, value in table.items():
        path = (*prefix, name)
        field = schema.model_fields.get(name)
        if field is None:
            yield _unknown(path, value, schema, places)
        elif not is_table(field.annotation):
            if isinstance(value, dict):
                yield _table_for_value(path, places)
            else:
                values[path] = _frozen(value)
        elif isinstance(value, dict):
            yield from _sift(value, field.annotation, path, places, values)  # type: ignore[arg-type]  # is_table
        else:
            yield _value_for_table(path, places)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _unknown(path: Path, value: Any, schema: type[Table], places: TomlOrigins) -> Diagnostic:
    origin = places.key(path).hidden()  # the line may hold a secret under a misspelt name
    key, is_section = ".".join(path), isinstance(value, dict)
    close = difflib.get_close_matches(path[-1], schema.model_fields, n=1, cutoff=0.6)
    suggestion = ".".join((*path[:-1], close[0])) if close else ""
    if is_section and len(path) == 1:
        return Diagnostic("CFG111", key, "unknown table", origin, _section_fix(key, suggestion), suggestion)
    fix = "" if suggestion else "remove it; `fluentpro schema --markdown` lists every setting"
    return Diagnostic("CFG110", key, "unknown key", origin, fix, suggestion)


def _section_fix(key: str, suggestion: str) -> str:
    if key == "default":
        return "put its tables at the top level of settings.toml: the files are the environments here"
    if key in ("development", "testing", "staging", "production"):
        return f"put its tables at the top level of settings/{key}.toml: the files are the environments here"
    return "" if suggestion else "remove it; `fluentpro schema --markdown` lists every table"


def _table_for_value(path: Path, places: TomlOrigins) -> Diagnostic:
    key = ".".join(path)
    return Diagnostic(
        "CFG112", key, "a table, where one value is wanted", places.key(path), f"write {path[-1]} = <value>"
    )


def _value_for_table(path: Path, places: TomlOrigins) -> Diagnostic:
    key = ".".join(path)
    return Diagnostic(
        "CFG113",
        key,
        "a value, where a table is wanted",
        places.key(path).hidden(),  # a whole URL with its password is a likely value here
        f"write a table [{key}] with its keys below",
    )


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


def _syntax(name: str, text: str, error: tomli.TOMLDecodeError, schema: type[Table]) -> Diagnostic:
    lines = text.split("\n")
    line, column = min(error.lineno, len(lines)), error.colno
    if text.startswith("\ufeff"):
        return Diagnostic(
            "CFG105", "", "starts with a byte order mark", Origin(name, 1, 1), "save it as UTF-8 without BOM"
        )
    shown = _syntax_line(lines[:line], name, schema).rstrip("\r")
    origin = Origin(name, line, column, 1, shown)
    return Diagnostic("CFG105", "", f"not valid TOML: {_lower(error.msg)}", origin, _syntax_fix(error.msg))


def _syntax_line(lines: list[str], name: str, schema: type[Table]) -> str:
    """The last of the lines, or nothing where it may hold a secret.

    The file does not parse, so nobody knows for sure what a line is: whatever stands in a file of
    secrets, beside a secret's name, or below a secret whose value is still open, is hidden.
    """
    *above, last = lines
    words = {path[-1] for path, item in settings_of(schema).items() if item.secret}
    mentions = re.compile(rf"\b({'|'.join(map(re.escape, sorted(words)))})\b") if words else None
    if ".secrets" in name:
        return ""
    if mentions:
        if mentions.search(last):
            return ""
        if any(mentions.search(line) and _OPEN.search(line) for line in above):
            return ""
        if "=" not in last and not _HEADER.match(last) and any(mentions.search(line) for line in above):
            return ""
    return without_password(last)


def _syntax_fix(message: str) -> str:
    if "overwrite" in message or "twice" in message:
        return "keep one of the two"
    if "Invalid value" in message:
        return "put text into double quotes; true and false are written small"
    return ""


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
