"""Environment variables -> a layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, SecretStr

from fluentpro.config.environment import convert, read_variables, variable
from fluentpro.config.fields import Table, setting, settings_of
from tests.config.world import SIGNING, Small, World


class Kinds(Table):
    """A setting of each kind."""

    text: str = setting("", meaning="A text.")
    flag: bool = setting(False, meaning="Yes or no.")
    number: int = setting(0, meaning="A number.")
    ratio: float = setting(0.0, meaning="Another one.")
    maybe: Annotated[int, Field(ge=0)] | None = setting(None, meaning="A number or nothing.")
    choice: Literal["a", "b"] = setting("a", meaning="One of two.")
    numbered: Literal[1, 2] | None = setting(None, meaning="One of two numbers.")
    either: int | str = setting(0, meaning="A number or a text.")
    switch: bool | Literal["auto"] = setting(False, meaning="A flag or a word.")
    texts: tuple[str, ...] = setting((), meaning="Some texts.")
    numbers: tuple[int, ...] = setting((), meaning="Some numbers.")
    secret: SecretStr | None = setting(None, meaning="A secret.")
    secrets: tuple[SecretStr, ...] | None = setting(None, meaning="Some secrets.")


CONVERTED: tuple[tuple[str, str, Any], ...] = (
    ("text", " a ", " a "),
    ("text", "5", "5"),
    ("text", "@format {this.secret}", "@format {this.secret}"),
    *(("flag", word, True) for word in ("true", "True", "1", "yes", "on", " ON ")),
    *(("flag", word, False) for word in ("false", "False", "0", "no", "off")),
    ("flag", "maybe", "maybe"),
    ("flag", "", ""),
    ("number", "5", 5),
    ("number", " -5 ", -5),
    ("number", "5.0", "5.0"),
    ("number", "", ""),
    ("number", "9" * 5000, "9" * 5000),
    ("ratio", "1.5", 1.5),
    ("ratio", "2", 2.0),
    ("ratio", "1e3", 1000.0),
    ("ratio", "x", "x"),
    ("maybe", "5", 5),
    ("maybe", "none", "none"),
    ("choice", "b", "b"),
    ("choice", "c", "c"),
    ("numbered", "2", 2),
    ("numbered", "3", "3"),
    ("either", "5", 5),
    ("either", "x", "x"),
    ("switch", "on", True),
    ("switch", "auto", "auto"),
    ("texts", "", ()),
    ("texts", "a", ("a",)),
    ("texts", " a, b ,,c", ("a", "b", "c")),
    ("texts", '["a", "b, c"]', ("a", "b, c")),
    ("texts", "[]", ()),
    ("texts", "[::1], localhost", ("[::1]", "localhost")),
    ("texts", "[::1],[::2]", ("[::1]", "[::2]")),
    ("texts", "[1, 2]", (1, 2)),
    ("texts", "[a, b]", "[a, b]"),
    ("texts", '["a"', '["a"'),
    ("texts", "[" * 10_000, "[" * 10_000),
    ("numbers", "1, 2", (1, 2)),
    ("numbers", "[1, 2]", (1, 2)),
    ("numbers", "1, x", (1, "x")),
    ("secret", "5", "5"),
    ("secrets", "a,b", ("a", "b")),
)


@pytest.mark.parametrize(
    ("name", "text", "value"), CONVERTED, ids=[f"{name} {text[:20]!r}" for name, text, _ in CONVERTED]
)
def test_a_text_becomes_what_the_setting_is_or_stays_to_be_refused(name: str, text: str, value: Any) -> None:
    converted = convert(text, settings_of(Kinds)[(name,)])
    assert converted == value
    assert type(converted) is type(value)


def test_a_variable_is_named_after_its_setting() -> None:
    assert variable(("database", "pool", "most")) == "FLUENTPRO_DATABASE__POOL__MOST"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("FLUENTPRO_SERVICE_HOST", "10.0.0.1"),
        ("FLUENTPRO_SERVICE_PORT", "8000"),
        ("FLUENTPRO_SERVICE_PORT_HTTP", "8000"),
        ("FLUENTPRO_PORT", "tcp://10.0.0.1:8000"),
        ("FLUENTPRO_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("FLUENTPRO_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("FLUENTPRO_DATABASE_PORT", "tcp://10.0.0.1:5432"),
        ("FLUENTPRO_DATABASE_SERVICE_HOST", "10.0.0.1"),
        ("FLUENTPRO_ROOT", "/app"),
        ("OTHER", "x"),
        ("FLUENTPRO", "x"),
        ("fluentpro_site__banner", "x"),
    ],
)
def test_what_kubernetes_and_others_set_is_left_alone(name: str, text: str) -> None:
    assert read_variables({name: text}, Small).findings == ()


@pytest.mark.parametrize("name", ["FLUENTPRO_PORT", "FLUENTPRO_DATABASE_PORT", "FLUENTPRO_DATABASE__PORTS"])
def test_a_variable_that_only_looks_like_one_of_kubernetes_is_a_misspelt_one(name: str) -> None:
    assert [item.code for item in read_variables({name: "5432"}, Small).findings] == ["CFG120"]


def test_a_variable_counts_that_looks_like_one_of_kubernetes_and_is_a_setting(world: World) -> None:
    assert world.snapshot({"FLUENTPRO_DATABASE__PORT": "1234"}).config.database.port == 1234


@pytest.mark.parametrize(
    ("content", "text"),
    [("secret value", "secret value"), ("a b c d e\n", "a b c d e"), ("a b c d e\r\n", "a b c d e"),
     ("a b c d e\n\n", "a b c d e\n"), (" a b c d e ", " a b c d e "), ("a b c d e\r", "a b c d e\r")],
)  # fmt: skip
def test_a_file_gives_its_content_without_the_last_end_of_line(world: World, content: str, text: str) -> None:
    world.write({"secret": content})
    environ = {"FLUENTPRO_DATABASE__PASSWORD_FILE": str(world.root / "secret")}
    password = world.snapshot(environ).config.database.password
    assert password
    assert password.get_secret_value() == text


def test_a_file_of_a_variable_is_its_origin_and_is_watched(world: World) -> None:
    world.write({"port": "1234\n", "settings/development.toml": "[database]\nport = 1\n"})
    environ = {"FLUENTPRO_DATABASE__PORT_FILE": str(world.root / "port")}
    winner = world.load(environ).winner(("database", "port"))
    assert winner
    assert winner.value == 1234
    assert str(winner.origin) == f"env FLUENTPRO_DATABASE__PORT_FILE ({world.root / 'port'})"
    assert [str(origin) for _, origin in winner.shadows] == ["settings/development.toml:2:8"]
    sources = world.sources(environ)
    before = sources.fingerprint()
    assert world.root / "port" in sources.paths()
    world.write({"port": "12345\n"})
    assert sources.fingerprint() != before


def test_a_file_of_a_variable_that_is_not_utf8_names_the_byte(world: World) -> None:
    world.write({"secret": b"caf\xe9"})
    (finding,) = world.findings({"FLUENTPRO_DATABASE__PASSWORD_FILE": str(world.root / "secret")})
    assert (finding.code, finding.key) == ("CFG104", "database.password")
    assert finding.message == f"{world.root / 'secret'} is not UTF-8: byte 0xe9 at offset 3"


def test_a_missing_file_of_a_secret_is_named_where_its_folder_is_there(world: World) -> None:
    (finding,) = world.findings({"FLUENTPRO_DATABASE__PASSWORD_FILE": str(world.root / "nothing")})
    assert f"names {world.root / 'nothing'}, and there is no such file" in finding.message


def test_what_was_read_is_not_seen_in_a_traceback() -> None:
    variables = read_variables({**SIGNING, "FLUENTPRO_DATABASE__PASSWORD_FILE": "hunter2"}, Small)
    assert variables.values
    assert variables.files == {
        ("database", "password"): ("FLUENTPRO_DATABASE__PASSWORD_FILE", Path("hunter2"))
    }
    assert repr(variables) == "Variables(findings=())"
