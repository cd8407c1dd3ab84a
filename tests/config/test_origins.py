"""Where a key and its value stand: line and column, in characters."""

from __future__ import annotations

import math
from textwrap import dedent
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from fluentpro.config.excerpt import BEFORE, WIDEST, cells, excerpt
from fluentpro.config.fields import Path
from fluentpro.config.origins import Origin, Positions

TEXT = dedent("""\
    top = 1  # a comment
    one.two = "x"
    [site]
    banner = "é漢" # é
    'quoted' = 1
    "p\\u006frt" = 2
    hosts = [ # first
        "a",
        { b = 1, c.d = 2 }, [3,
        4],
    ]
    text = \"\"\"
    several
    lines\"\"\"
    [site.pool]
    most = 5
    [[list]]
    a = 1
    [[list]]
    a = 2
    """)
PLACES: tuple[tuple[str, str, str], ...] = (
    # The path, and where its key and its value stand.
    ("top", "1:1", "1:7"),
    ("one", "2:1", "2:1"),
    ("one.two", "2:1", "2:11"),
    ("site", "3:2", "3:2"),
    ("site.banner", "4:1", "4:10"),
    ("site.quoted", "5:1", "5:12"),
    ("site.port", "6:1", "6:15"),
    ("site.hosts", "7:1", "7:9"),
    ("site.hosts.[0]", "8:5", "8:5"),
    ("site.hosts.[1]", "9:5", "9:5"),
    ("site.hosts.[1].b", "9:7", "9:11"),
    ("site.hosts.[1].c.d", "9:14", "9:20"),
    ("site.hosts.[2]", "9:25", "9:25"),
    ("site.hosts.[2].[1]", "10:5", "10:5"),
    ("site.text", "12:1", "12:8"),
    ("site.pool", "15:2", "15:2"),
    ("site.pool.most", "16:1", "16:8"),
    ("list", "17:3", "17:3"),
    ("list.a", "18:1", "18:5"),
)


def path(name: str) -> Path:
    return tuple(name.split("."))


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "key", "value"), PLACES)
def test_a_key_and_its_value_stand_where_an_editor_shows_them(
    name: str, key: str, value: str, ending: str
) -> None:
    places = Positions("f.toml", TEXT.replace("\n", ending))
    assert str(places.key(path(name))) == f"f.toml:{key}"
    assert str(places.value(path(name))) == f"f.toml:{value}"
    assert "\r" not in places.value(path(name)).text


def test_a_key_that_is_not_there_stands_at_the_nearest_table() -> None:
    places = Positions("f.toml", TEXT)
    assert str(places.key(path("site.pool.least"))) == "f.toml:15:2"
    assert str(places.key(path("site.other.deep"))) == "f.toml:3:2"
    assert str(places.key(path("other"))) == "f.toml"
    assert str(places.value(path("site.other"))) == "f.toml"


def test_a_value_of_several_lines_is_marked_to_the_end_of_its_first() -> None:
    origin = Positions("f.toml", TEXT).value(path("site.text"))
    assert (origin.text, origin.column, origin.width) == ('text = """', 8, 3)


@pytest.mark.parametrize("text", ["a = { b = 1, }\n", "a = {\n  b = 1\n}\n", 'a = "\\e"\n', "a = 07:32\n"])
def test_what_is_newer_than_the_grammar_has_no_lines_rather_than_wrong_ones(text: str) -> None:
    assert tomli.loads(text)
    assert str(Positions("f.toml", text).value(("a",))) == "f.toml"


NAMES = st.text(min_size=1) | st.sampled_from(["a", "b.c", "é", "[0]", "x y", '"', "'", "\\", "\n", "="])
SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.dates()
)
TABLES = st.dictionaries(
    NAMES,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def quoted(text: str) -> str:
    escaped = "".join(
        f"\\U{ord(char):08x}" if not char.isprintable() or char in '"\\' else char for char in text
    )
    return f'"{escaped}"'


def written(value: Any) -> str:
    """A value as TOML."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return quoted(value)
        case list():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            return f"{{{', '.join(f'{quoted(name)} = {written(item)}' for name, item in value.items())}}}"
        case float():
            return repr(value) if math.isfinite(value) and "." in repr(value) else f"{value:.1f}"
        case _:
            return str(value)


@given(TABLES, st.sampled_from(["", "\t", "# é\n", "\r\n"]))
def test_what_stands_at_a_place_is_the_value(table: dict[str, Any], before: str) -> None:
    text = "".join(f"{before}{quoted(name)} = {written(value)} # end\n" for name, value in table.items())
    parsed, places = tomli.loads(text), Positions("f.toml", text)
    for name, value in parsed.items():
        origin = places.value((name,))
        shown = origin.text[origin.column - 1 :][: origin.width]
        assert tomli.loads(f"x = {shown}") == {"x": value}
        items = value if isinstance(value, list) else []
        for index, item in enumerate(items):
            origin = places.value((name, f"[{index}]"))
            assert tomli.loads(f"x = {origin.text[origin.column - 1 :][: origin.width]}") == {"x": item}


EXCERPTS = {
    "a short line": ("port = 80000", 8, 5, "port = 80000", "       ^^^^^"),
    "a tab before": ("\tport\t= 8", 9, 1, "\tport\t= 8", "\t    \t  ^"),
    "a tab inside": ("a = '\t'", 5, 3, "a = '␉'", "    ^^^"),
    "a tab behind": ("a = 1\t# x", 5, 1, "a = 1\t# x", "    ^"),
    "wide characters": ("漢 = '漢字'", 5, 4, "漢 = '漢字'", "     ^^^^^^"),
    "an accent of its own": ("e\u0301 = 1", 6, 1, "e\u0301 = 1", "    ^"),
    "control characters": ("a = '\x1b\x7f\x9b'", 5, 5, "a = '␛␡\ufffd'", "    ^^^^^"),
    "text that turns around": ("a = '\u202e'", 5, 3, "a = '\ufffd'", "    ^^^"),
    "behind the end": ("a =", 9, 1, "a =", "   ^"),
    "no width": ("a = 1", 5, 0, "a = 1", "    ^"),
    "a long value": (f"a = {'x' * 200}", 5, 200, f"a = {'x' * 95}…", f"    {'^' * 96}"),
    "a value far to the right": (
        f"{'a' * 200} = 5, {'b' * 200}",
        204,
        1,
        f"…{'a' * 36} = 5, {'b' * 56}…",
        f"{' ' * 40}^",
    ),
}


@pytest.mark.parametrize("name", EXCERPTS)
def test_an_excerpt_has_its_caret_under_the_value(name: str) -> None:
    text, column, width, shown, caret = EXCERPTS[name]
    assert list(excerpt(Origin("f.toml", 14, column, width, text))) == [
        f"     14 | {shown}",
        f"        | {caret}",
    ]


def test_a_line_that_must_not_be_shown_has_no_excerpt() -> None:
    assert list(excerpt(Origin("f.toml", 14, 5, 3, "a = 1").hidden())) == []
    assert list(excerpt(Origin("env X"))) == []


@given(st.text(st.characters(exclude_characters="\t\n"), min_size=1), st.data())
def test_an_excerpt_is_two_lines_of_bounded_length_whatever_stands_there(
    text: str, data: st.DataObject
) -> None:
    column = data.draw(st.integers(1, len(text) + 5))
    origin = Origin("f.toml", 1, column, data.draw(st.integers(0, len(text) + 5)), text)
    line, caret = excerpt(origin)
    assert line.isprintable()
    assert cells(line) <= 2 * WIDEST + BEFORE
    assert caret.startswith("        | ")
    assert set(caret[10:]) <= {" ", "^"}


def test_a_variable_is_known_by_its_name() -> None:
    assert Origin("env A").variable == "A"
    assert Origin("env A_FILE (/run/secrets/a)").variable == "A_FILE"
    assert Origin("environment").variable == ""
    assert Origin("settings.toml", 1, 1).variable == ""
