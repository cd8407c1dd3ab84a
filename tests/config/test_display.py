"""Values as they may be shown."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fluentpro.config.display import HIDDEN, LONGEST, brief, display, dotted, plain, visible, without_password

SHOWN: tuple[tuple[Any, str], ...] = (
    (None, "unset"),
    (True, "true"),
    (5, "5"),
    (1.5, "1.5"),
    ("a", '"a"'),
    ('"\n\x1b', r'"\"\n\u001b"'),
    ("\u202e\x7f", '"\ufffd␡"'),
    ((), "[]"),
    (("a", 1, (True,)), '["a", 1, [true]]'),
    ([[[[[1]]]]], "[[[[[…]]]]]"),
    ({"a": 1}, "{…}"),
    ({}, "{}"),
    (datetime.date(2026, 1, 2), "2026-01-02"),
    (SecretStr("hunter2"), HIDDEN),
    ((SecretStr("hunter2"),), f"[{HIDDEN}]"),
    ("redis://me:hunter2@db", f'"redis://me:{HIDDEN}@db"'),
    (1 << 20_000, "a number of 20001 bits"),
    ("x" * 500, f'"{"x" * (LONGEST - 2)}…'),
)


@pytest.mark.parametrize(("value", "text"), SHOWN, ids=[text for _, text in SHOWN])
def test_a_value_is_shown_as_toml_has_it(value: Any, text: str) -> None:
    assert display(value) == text


@pytest.mark.parametrize("value", ["hunter2", ("hunter2",), 5, {"a": "hunter2"}, SecretStr("hunter2"), ""])
def test_a_secret_is_not_shown_and_an_unset_one_is(value: Any) -> None:
    assert display(value, secret=True) == HIDDEN
    assert plain(value, secret=True) == HIDDEN
    assert (display(None, secret=True), display((), secret=True)) == ("unset", "[]")
    assert (plain(None, secret=True), plain((), secret=True)) == (None, [])


def test_a_sentence_names_a_long_value_by_what_it_is() -> None:
    assert brief("short") == '"short"'
    assert brief("x" * 100) == "a text of 100 characters"
    assert brief(tuple(range(100))) == "a list of 100 items"
    assert brief(1e300) == "1e+300"
    assert brief(10**100) == "the value"


def test_data_for_a_program_keeps_its_types() -> None:
    assert plain((1, "a", True, None, 1.5)) == [1, "a", True, None, 1.5]
    assert plain(datetime.date(2026, 1, 2)) == "2026-01-02"
    assert plain(("redis://:hunter2@db", SecretStr("x"))) == [f"redis://:{HIDDEN}@db", HIDDEN]


URLS = {
    "redis://:pw@h/0": f"redis://:{HIDDEN}@h/0",
    "redis://u:pw@h": f"redis://u:{HIDDEN}@h",
    "redis://u:p@/:\"' w@h": f"redis://u:{HIDDEN}@h",
    'a "b" redis://us er:pw@h c': f'a "b" redis://us er:{HIDDEN}@h c',
    "http://one, http://u:pw@two": f"http://one, http:{HIDDEN}@two",
    "http://one/a http://u:pw@two": f"http://one/a http://u:{HIDDEN}@two",
    "https://h:8080/x": "https://h:8080/x",
    "https://u@h:8080/": "https://u@h:8080/",
    "https://h/a@b:c": "https://h/a@b:c",
    "a@b": "a@b",
    "://": "://",
    "": "",
}


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_shown_without_its_password(url: str) -> None:
    assert without_password(url) == URLS[url]


@given(st.text(st.characters(exclude_characters="/@")), st.text(min_size=1), st.text(), st.text())
def test_no_password_is_seen_whatever_stands_around_it(
    user: str, password: str, before: str, behind: str
) -> None:
    secret = f"<{password}>"
    assert secret not in without_password(f"{before}redis://{user}:{secret}@{behind}")


@given(st.text(st.characters()))
def test_a_visible_text_has_as_many_characters_and_none_that_a_terminal_obeys(text: str) -> None:
    assert len(visible(text)) == len(text)
    assert visible(text).isprintable()
    assert visible(text).encode().decode() == visible(text)


def test_a_name_is_in_quotes_where_toml_wants_it_so() -> None:
    assert dotted(("database", "port")) == "database.port"
    assert dotted(("a b", "c.d", "", 'e"\n', "é", "f-1_")) == r'"a b"."c.d".""."e\"\n"."é".f-1_'
    assert len(dotted(("x" * 10_000,))) == LONGEST
