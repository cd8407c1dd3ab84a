"""The words for what pydantic and tomli refuse, where no failure of the small schema has them."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import pytest
import tomli
from pydantic import AfterValidator, Field, SecretStr

from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import Table, setting
from fluentpro.config.snapshot import Candidate
from fluentpro.config.syntax import not_toml
from fluentpro.config.toml import parse
from fluentpro.config.validate import Validator
from tests.config.world import Small


def refuse(value: Any) -> Any:
    raise ValueError("hunter2")


class Wide(Table):
    """A setting of every other kind."""

    above: int = setting(1, meaning="A number.", gt=0)
    below: int = setting(1, meaning="A number.", lt=10)
    most: int = setting(1, meaning="A number.", le=10)
    part: Annotated[float, Field(gt=0, le=1, title="a share")] | None = setting(None, meaning="A share.")
    word: str = setting("ab", meaning="A text.", min_length=2)
    letter: str = setting("a", meaning="A text.", min_length=1)
    words: tuple[str, ...] = setting(("a",), meaning="Some texts.", min_length=1)
    day: datetime.date | None = setting(None, meaning="A day.")
    odd: Annotated[str, AfterValidator(refuse)] | None = setting(None, meaning="A text.")
    secret: Annotated[SecretStr, AfterValidator(refuse)] | None = setting(None, meaning="A secret.")
    short: Annotated[SecretStr, Field(min_length=8)] | None = setting(None, meaning="A secret.")
    levels: tuple[Literal["low", "high"], ...] = setting((), meaning="Some levels.")
    rate: str = setting("5/min", meaning="How often.", pattern="^[0-9]+/(s|min)$")
    three: Literal["a", "b", "c"] = setting("a", meaning="One of three.")
    ports: tuple[Annotated[int, Field(ge=1, le=9, title="a port")], ...] = setting((), meaning="Some ports.")
    mixed: int | Annotated[str, Field(pattern="^x")] | None = setting(None, meaning="A number or a text.")


EXPLAIN = "`fluentpro explain {}` says what it means"
EITHER = "a whole number or a text in quotes"
SAID: tuple[tuple[str, str, str, str], ...] = (
    ("above", "0", "CFG204 0 is out of range (more than 0)", "set a number that is more than 0"),
    ("below", "10", "CFG204 10 is out of range (less than 10)", "set a number that is less than 10"),
    ("most", "11", "CFG204 11 is out of range (at most 10)", "set a number that is at most 10"),
    (
        "part",
        "1.5",
        "CFG204 1.5 is not a share (more than 0, at most 1)",
        "set a share that is more than 0 and at most 1",
    ),
    ("word", '"a"', 'CFG204 "a" is too short: at least 2 characters', "give at least 2 characters"),
    ("letter", '""', 'CFG204 "" is too short: at least 1 character', "give at least 1 character"),
    ("words", "[]", "CFG204 [] is too short: at least 1 item", "give at least 1 item"),
    ("day", '"x"', 'CFG202 "x" is of the wrong type', EXPLAIN.format("day")),
    ("odd", '"x"', 'CFG205 "x" is not in the form that is wanted', EXPLAIN.format("odd")),
    (
        "secret",
        '"hunter2"',
        "CFG205 the value is not in the form that is wanted",
        EXPLAIN.format("secret"),
    ),
    (
        "short",
        '"hunter2"',
        "CFG204 the value is too short: at least 8 characters",
        "give at least 8 characters",
    ),
    ("levels", '["hig"]', 'CFG203 "hig" (item 1) is not one of the choices', 'write "low" or "high"'),
    ("rate", '"5"', 'CFG205 "5" does not have the form ^[0-9]+/(s|min)$', 'write a text such as "5/min"'),
    ("part", '"0.25"', 'CFG202 "0.25" is not a number', "write 0.25, without quotes"),
    ("part", '"nan"', 'CFG202 "nan" is not a number', "write a number"),
    ("three", '"d"', 'CFG203 "d" is not one of the choices', 'write "a", "b" or "c"'),
    ("ports", "[1, 10]", "CFG204 10 (item 2) is not a port (1 to 9)", "set a port between 1 and 9"),
    ("mixed", '"y"', 'CFG205 "y" does not have the form ^x', EXPLAIN.format("mixed")),
    ("mixed", "true", f"CFG202 true is not {EITHER}", f"write {EITHER}"),
)


@pytest.mark.parametrize(
    ("key", "value", "says", "fix"), SAID, ids=[f"{key} {value}" for key, value, _, _ in SAID]
)
def test_a_refusal_has_our_own_words(key: str, value: str, says: str, fix: str) -> None:
    layer, findings = parse("f.toml", f"{key} = {value}\n".encode(), Wide)
    assert layer
    candidate = Candidate("development", {key: layer.values[key,]}, (layer,), findings)
    with pytest.raises(ConfigError) as caught:
        Validator(Wide).validate(candidate)
    (finding,) = caught.value.findings
    assert (f"{finding.code} {finding.message}", finding.fix) == (says, fix)
    assert str(finding.origin).startswith("f.toml:1:")


def test_what_tomli_learns_to_say_is_said_as_it_is() -> None:
    finding = not_toml("f.toml", "a = 1\n", tomli.TOMLDecodeError("Something new", "a = 1\n", 4), Small)
    assert (finding.message, finding.fix) == ("not valid TOML: something new", "")
    assert str(finding.origin) == "f.toml:1:5"


def test_what_is_open_at_the_end_and_began_nowhere_stands_at_the_end() -> None:
    _, (finding,) = parse("f.toml", f"{'a' * 600} = [\n".encode(), Small)
    assert str(finding.origin) == "f.toml:2:1"
