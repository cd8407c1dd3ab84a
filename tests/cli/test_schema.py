"""`fluentpro schema`: what editors, readers and deployments are told of the settings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from click.testing import Result
from jsonschema import Draft202012Validator

from fluentpro.cli.schema import editors, env_template, markdown
from fluentpro.config import manual
from fluentpro.config.environment import convert, read_variables, variable
from fluentpro.config.fields import Setting, Table, setting, settings_of, tables_of
from fluentpro.config.jsonschema import json_schema, node_of
from fluentpro.config.manual import words
from fluentpro.schema import Config
from tests.cli.project import FILES, ROOT, Project

Invoke = Callable[..., Result]
SETTINGS = settings_of(Config)
SCHEMA = json_schema(Config, "settings")
ALL = pytest.mark.parametrize("item", SETTINGS.values(), ids=lambda item: item.key)


def complaints(text: str) -> list[str]:
    return [error.message for error in Draft202012Validator(SCHEMA).iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize(
    ("option", "path"),
    [("--json-schema", "settings/schema.json"), ("--markdown", "docs/reference/settings.md")],
)
def test_the_committed_file_is_current(option: str, path: str, invoke: Invoke) -> None:
    made = invoke("schema", option).stdout
    assert (ROOT / path).read_text() == made, f"fluentpro schema {option} > {path}"


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert editors().startswith("{\n")


@pytest.mark.parametrize("name", FILES)
def test_a_committed_settings_file_has_no_complaint(name: str) -> None:
    assert complaints((ROOT / name).read_text()) == []


def test_the_file_of_this_machines_secrets_has_no_complaint(bare: Project) -> None:
    assert bare.run("init").returncode == 0
    assert complaints((bare.root / ".secrets.local.toml").read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "[databse]\n",
        "[database]\nprot = 1\n",
        "[database]\nport = 80000\n",
        '[database]\nport = "5432"\n',
        '[database]\nengine = "oracle"\n',
        "[database]\nengine = [1]\n",
        'database = "sqlite"\n',
        "[django]\nallowed_hosts = [1]\n",
        '[django]\nsecret_key_fallbacks = "a key that is no list"\n',
        "[health]\ntimeout = 0\n",
        '[api]\nthrottle_user = "sixty"\n',
        f'[site]\nbanner = "{"x" * 201}"\n',
    ],
)
def test_an_editor_underlines_a_mistake(text: str) -> None:
    assert complaints(text)


@pytest.mark.parametrize(
    "text",
    [
        "# nothing at all\n",
        "[database]\n",
        '[django]\nsecret_key_fallbacks = ["one", "two"]\n',
        '[django]\nsecret_key_fallbacks = "@vault kv/x#y"\n',
        '[email]\npassword = "@vault kv/x#y"\n',
        "[health]\ntimeout = 2\n",
        '[database]\nhost = "/var/run/postgresql"\n',
    ],
)
def test_an_editor_lets_a_good_line_be(text: str) -> None:
    assert complaints(text) == []


@ALL
def test_an_editor_shows_meaning_unit_effect_variable_and_default(item: Setting) -> None:
    node = node_of(Config, item.path)
    description = node["description"]
    assert item.meaning in description
    assert f"Effect: {item.effect.value}." in description
    assert variable(item.path) in description
    assert not item.unit or f"Unit: {item.unit}." in description
    assert node["x-effect"] == item.effect.value
    if item.secret:
        assert node["writeOnly"]
        assert "default" not in node
    elif not item.required and item.default is not None:
        default = node["default"]
        assert (tuple(default) if isinstance(default, list) else default) == item.default


def test_nothing_is_required_of_a_file_and_nothing_unknown_is_let_in() -> None:
    def walk(node: dict[str, Any]) -> None:
        assert "required" not in node
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            for child in node["properties"].values():
                walk(child)

    walk(SCHEMA)
    assert "$ref" not in editors()


@ALL
def test_the_reference_has_a_heading_for_a_setting_and_says_what_it_takes(item: Setting) -> None:
    section = markdown().partition(f"\n### {item.key}\n")[2].partition("\n#")[0]
    assert item.meaning in section
    for said in (
        "- Type: ",
        f"- Effect: {item.effect.value}: ",
        "- Overridable: ",
        f"`{variable(item.path)}`",
    ):
        assert said in section
    assert ("- Secret: yes" in section) == item.secret
    assert ("- Default: " in section) != item.secret
    assert (f"- Unit: {item.unit}\n" in section) == bool(item.unit)


def test_the_reference_has_a_heading_for_each_table() -> None:
    text = markdown()
    for path in tables_of(Config):
        assert not path or f"\n## {'.'.join(path)}\n" in text


def test_the_template_of_variables_changes_nothing_as_it_is() -> None:
    assert all(not line or line.startswith("#") for line in env_template().splitlines())


def test_every_variable_of_the_template_is_one_and_gives_back_the_default() -> None:
    lines = [line[1:] for line in env_template().splitlines() if line.startswith("#FLUENTPRO_")]
    given = dict(line.split("=", 1) for line in lines)
    read = read_variables(given, Config)
    assert read.findings == ()
    assert read.values.keys() | read.files.keys() == SETTINGS.keys()
    assert read.files.keys() == {path for path, item in SETTINGS.items() if item.secret}
    for path, (_, text) in read.values.items():
        default = SETTINGS[path].default
        assert text == "" if default is None else convert(text, SETTINGS[path]) == default


class Inner(Table):
    """What is inside."""

    size: int | str = setting(1, meaning="How large it is.")
    share: float = setting(0.5, meaning="How much.", gt=0, lt=1)
    names: tuple[str, ...] = setting(("a,b", "c"), meaning="Who.", min_length=1)
    few: int = setting(meaning="Has no default.", ge=2)
    many: int = setting(3, meaning="Has no lower bound.", le=9)
    word: str = setting("x", meaning="Is never empty.", min_length=1)
    only: Literal["this"] = setting("this", meaning="Leaves no choice.")


class Outer(Table):
    """A schema of its own: what the engine can do and FluentPro does not need today."""

    inner: Inner


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("size", "whole number or text"),
        ("share", "number, more than 0, less than 1"),
        ("names", "list of text, at least 1"),
        ("few", "whole number, at least 2"),
        ("many", "whole number, at most 9"),
        ("word", "text, not empty"),
        ("only", '"this"'),
    ],
)
def test_any_type_has_words(name: str, said: str) -> None:
    assert words(settings_of(Outer)["inner", name], Outer) == said


def test_a_setting_without_a_default_says_so_and_a_list_with_commas_is_json() -> None:
    assert "- Default: none: it must be set" in manual.markdown(Outer, "#")
    template = manual.env_template(Outer, "")
    assert "#FLUENTPRO_INNER__FEW=\n" in template
    assert '#FLUENTPRO_INNER__NAMES=["a,b", "c"]\n' in template


def test_without_a_form_it_asks_for_one(invoke: Invoke) -> None:
    result = invoke("schema")
    assert result.exit_code == 64
    assert "--json-schema, --markdown or --env-template" in result.stderr


def test_an_editor_that_completes_a_key_finds_every_setting() -> None:
    for path in SETTINGS:
        assert node_of(Config, path)
    assert (Path(ROOT) / "settings/schema.json").is_file()
