"""A file that is not TOML: what is wrong with it in plain words, at the place that has to be changed."""

from __future__ import annotations

import re
from typing import Final

import tomli

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.fields import Table
from fluentpro.config.lines import LONGEST, TomlOrigins, may_show
from fluentpro.config.origins import Origin

_CLOSE = 'close it with the quote it began with; a text of several lines stands between """ and """'
_QUOTE = "put a text into double quotes; true and false are written small"
_BACKSLASH = "write two of them, or put the text into single quotes"
_ONCE = "keep one of the two"
_SAYINGS: Final = (
    # What tomli says begins with -> what we say, and the fix.
    ("Illegal character '\\n'", "the text has no closing quote", _CLOSE),
    ("Found invalid character '\\n'", "the text has no closing quote", _CLOSE),
    ("Unterminated string", "the text has no closing quotes", _CLOSE),
    ("Unclosed array", "the list is not closed, or has no comma between two items", "add a ] or a comma"),
    ("Unclosed inline table", "the inline table is not closed, or has no comma", "add a } or a comma"),
    ("Invalid value", "this is not a value", _QUOTE),
    (
        "Expected newline",
        "more follows where the value has ended",
        "begin a new line, or quote the whole text",
    ),
    ("Expected '='", "the key has no = behind it", "write key = value"),
    ("Expected ']", "the table's name is not closed", "write [table], or [table.below]"),
    ("Invalid initial character", "a key can't begin like this", "write a name, or put the key into quotes"),
    ("Invalid statement", "neither a key, nor a table, nor a comment", "write key = value, or [table]"),
    ("Unescaped", "a backslash that means nothing", _BACKSLASH),
    ("Invalid hex value", "a backslash with a wrong code behind it", _BACKSLASH),
    ("Escaped character", "this code is no character", "write the character itself"),
    ("Invalid date", "there is no such date or time", "correct it, or put it into quotes"),
    ("Illegal character", "a control character", "remove it, or write it as an escape such as \\u001b"),
    ("Found invalid character", "a control character", "remove it"),
    ("Cannot overwrite", "a value and a table have one name, or a value is given twice", _ONCE),
    ("Cannot declare", "a table of this name is there already", _ONCE),
    ("Duplicate inline table key", "the inline table has this key twice", _ONCE),
    ("Cannot mutate", "this table is complete, and can't be added to", "add the key where the table begins"),
    ("Cannot redefine", "this table is there already", _ONCE),
)
_WORD = re.compile(r"[^\s,#\]}]+")
_OPENED: Final = (
    # What tomli says at the end of a file begins with -> how the culprit began, and what tomli would call it.
    ("Unclosed array", re.compile(r"=\s*(\[)"), "Unclosed array"),
    ("Invalid value", re.compile(r"=\s*(\[)"), "Unclosed array"),
    ("Unclosed inline table", re.compile(r"=\s*(\{)"), "Unclosed inline table"),
    ("Invalid initial character", re.compile(r"=\s*(\{)"), "Unclosed inline table"),
    ("Unterminated string", re.compile(r"=\s*(\"\"\")"), "Unterminated string"),
    ("Expected \"'", re.compile(r"=\s*('{1,3})"), "Unterminated string"),
)


def not_toml(name: str, text: str, error: tomli.TOMLDecodeError, schema: type[Table]) -> Diagnostic:
    """The finding for a file at which the parser stopped; its line only if it can hold no secret."""
    if text.startswith("\ufeff"):
        origin, fix = Origin(name, 1, 1), "save it as UTF-8 without a byte order mark"
        return Diagnostic("CFG105", "", "not valid TOML: it begins with a byte order mark", origin, fix)
    lines = text.replace("\r\n", "\n").split("\n")
    line, column = min(error.lineno, len(lines)), error.colno
    _, says, fix = _saying(error.msg)
    if fix == _ONCE and (twice := TomlOrigins(name, text, schema, {}).earlier(line)):
        what, origin, first = twice
        says = f"{what} stands on line {first} already"
        origin = origin.hidden() if _secrets(name) else origin
        return Diagnostic("CFG105", "", f"not valid TOML: {says}", origin, fix)
    if not "".join(lines[line - 1 :]).strip() and (begun := _beginning(error.msg, lines[:line])):
        line, column, (_, says, fix) = begun
    shown = lines[line - 1]
    if _secrets(name) or not may_show(lines[:line], schema):
        shown = ""
    word = _WORD.match(lines[line - 1][:LONGEST], column - 1)
    origin = Origin(name, line, column, len(word[0]) if word and fix == _QUOTE else 1, shown)
    return Diagnostic("CFG105", "", f"not valid TOML: {says}", origin, fix)


def _secrets(name: str) -> bool:
    """Whether a file holds nothing but secrets, by its name."""
    return ".secrets" in name


def _saying(message: str) -> tuple[str, str, str]:
    known = (item for item in _SAYINGS if message.startswith(item[0]))
    return next(known, ("", message[:1].lower() + message[1:], ""))


def _beginning(message: str, lines: list[str]) -> tuple[int, int, tuple[str, str, str]] | None:
    """Where the list, table or text began that a file's end leaves open, and what to say of it."""
    for prefix, opened, called in _OPENED:
        if message.startswith(prefix):
            for number in range(len(lines), 0, -1):
                if found := opened.search(lines[number - 1][:LONGEST]):
                    return number, found.start(1) + 1, _saying(called)
    return None
