"""Whatever stands in a file or a variable: a snapshot, or findings that can be read; no other error."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluentpro.config.diagnostics import CODES
from fluentpro.config.environment import variable
from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import settings_of
from fluentpro.config.snapshot import Candidate, digest
from fluentpro.config.toml import parse
from tests.config.world import GOOD, RULES, SMALL, Small, World

TOKENS = (
    *("[site]\n", "[database]\n", "[keys]\n", "[database.pool]\n", "[[site]]\n", "banner = ", "port = "),
    *("hosts = ", "earlier = ", "signing = ", "least = ", "site", "keys.", '"a b"', "''", "@vault a/b#c"),
    *("[", "]", "{", "}", ",", ".", "=", '"', "'", '"""', "'''", "\\", "\\u0041", "\\x", "#", " ", "\t", "x"),
    *("\n", "\r\n", "\r", "\x00", "\x1b", "é", "漢", "\ufeff", "\u202e", "\x85", "\u2028"),
    *("true", "5", "-1", "1_0", "0xff", "1e5", "nan", "-inf", "1979-05-27", "07:32"),
)
"""What TOML is made of, and what spoils it."""
LINE = re.compile(r"fluentpro: .*|CFG\d{3}  .*|        \S.*| {13}.*| {0,6}\d+ \| .*|        \| [\t ]*\^+|")
"""A line of a report."""


def told(candidate: Candidate) -> None:
    """Validate it, and see that what is said can be read by people and programs."""
    error = refusal(candidate)
    if error is None:
        return
    text = str(error)
    assert {item.code for item in error.findings} <= CODES.keys() | {rule.code for rule in RULES}
    assert error.exit_status == 78
    assert all(LINE.fullmatch(line) for line in text.split("\n")), text
    assert text.replace("\n", "").replace("\t", "").isprintable()
    assert text.encode()
    assert json.loads(json.dumps([item.as_dict() for item in error.findings]))


def refusal(candidate: Candidate) -> ConfigError | None:
    try:
        snapshot = SMALL.validate(candidate)
    except ConfigError as error:
        return error
    assert re.fullmatch("[0-9a-f]{16}", snapshot.digest)
    assert digest(snapshot.config, "development", "x") != snapshot.digest
    return None


def told_of(content: bytes, environ: Mapping[str, str] | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.write(GOOD)
        world.write({"settings/development.toml": content})
        told(world.load(environ))


def candidate(content: bytes) -> Candidate:
    layer, findings = parse("random.toml", content, Small)
    values: dict[str, Any] = {}
    for path, value in layer.values.items() if layer else ():
        table = values
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = value
    return Candidate("development", values, (layer,) if layer else (), findings)


@given(st.binary())
def test_any_bytes(content: bytes) -> None:
    told(candidate(content))


@given(st.text())
def test_any_text(text: str) -> None:
    told(candidate(text.encode(errors="replace")))


@given(st.lists(st.sampled_from(TOKENS), max_size=30))
def test_anything_that_looks_like_toml(tokens: list[str]) -> None:
    told(candidate("".join(tokens).encode()))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates()
    | st.times()
    | st.binary()
)
NAMES = st.sampled_from([name for path in settings_of(Small) for name in path]) | st.text()
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner).map(tuple) | st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=10,
)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, DATA) | DATA))
def test_any_nested_data(values: dict[str, Any]) -> None:
    told(Candidate("development", values, ()))


VARIABLES = (
    st.sampled_from([variable(path) for path in settings_of(Small)])
    | st.sampled_from([f"{variable(path)}_FILE" for path in settings_of(Small)])
    | st.text(max_size=20).map("FLUENTPRO_{}".format)
    | st.text(max_size=20).map("DYNACONF_{}".format)
    | st.sampled_from(["ENV_FOR_DYNACONF", "FLUENTPRO_ROOT", "A_FOR_DYNACONF"])
)
TEXTS = st.text(st.characters()) | st.sampled_from(
    (
        "[",
        "[1]",
        '["a"]',
        '["\\ud800"]',
        "[[1]]",
        "1",
        "1e5",
        "nan",
        "true",
        "a, b",
        "/",
        "/dev/null",
        "\udce9",
    )
)


@given(st.dictionaries(VARIABLES, TEXTS, max_size=4))
def test_any_variables(environ: dict[str, str]) -> None:
    told_of(b"# nothing\n", environ)


SIZES: Mapping[str, Callable[[int], str]] = {
    "lists": lambda size: f"hosts = {'[' * size}1{']' * size}\n",
    "inline tables": lambda size: f"hosts = {'{a=' * size}1{'}' * size}\n",
    "lists of tables": lambda size: f"hosts = {'[{a=' * size}1{'}]' * size}\n",
    "an open list": lambda size: f"hosts = {'[' * size}\n",
    "a dotted key": lambda size: f"{'.'.join(['a'] * size)} = 1\n",
    "a dotted table": lambda size: f"[{'.'.join(['a'] * size)}]\nb = 1\n",
    "a decimal number": lambda size: f"port = {'9' * size}\n",
    "a hexadecimal number": lambda size: f"port = 0x{'f' * size}\n",
    "an exponent": lambda size: f"port = 1e{'9' * size}\n",
    "a text": lambda size: f"banner = '{'x' * size}'\n",
    "a bare key": lambda size: f"{'x' * size} = 1\n",
    "a quoted key": lambda size: f"'{'x ' * size}' = 1\n",
    "a repeated key": lambda size: f"x = {{{'a=1,' * size}}}\n",
    "half a URL, again and again": lambda size: f"hosts = ['{'a://b:' * size}'\n",
    "half a key, again and again": lambda size: f"banner = '' {'a ' * size}\n",
}


@pytest.mark.parametrize("size", [1, 4, 19, 20, 21, 100, 399, 401, 900, 1100, 50_000])
@pytest.mark.parametrize("what", SIZES)
def test_any_size_and_depth(what: str, size: int) -> None:
    for table in ("site", "database"):
        told(candidate(f"[{table}]\n{SIZES[what](size)}".encode()))


HUGE = {
    "open brackets": "[" * 50_000,
    "deep lists": "[" * 500 + "]" * 500,
    "a long number": "9" * 5_000,
    "many items": ",".join(["["] * 10_000),
}


@pytest.mark.parametrize("what", HUGE)
@pytest.mark.parametrize("name", ["SITE__HOSTS", "DATABASE__PORT", "SITE__BANNER_FILE", "X"])
def test_a_variable_of_any_size_and_depth(name: str, what: str) -> None:
    told_of(b"# nothing\n", {f"FLUENTPRO_{name}": HUGE[what]})


@given(st.lists(st.sampled_from(TOKENS), max_size=12), st.lists(st.sampled_from(TOKENS), max_size=12))
def test_no_file_spoils_what_is_said_of_another(one: list[str], other: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.write(GOOD)
        world.write({"settings/development.toml": "".join(one), "settings.local.toml": "".join(other)})
        told(world.load())
