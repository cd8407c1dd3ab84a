"""The settings files: complete, valid in every environment, different where they should be."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest

from fluentpro.config.fields import settings_of, tables_of
from fluentpro.config.layers import Sources
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.validate import Validator
from fluentpro.schema import ENVIRONMENTS, Config
from fluentpro.schema.rules import RULES

ROOT = Path(__file__).parents[2]
FILES = ("settings.toml", *(f"settings/{name}.toml" for name in ENVIRONMENTS))
SETTINGS = settings_of(Config)
DEPLOYED = frozenset({"staging", "production"})
SECRETS = {
    "FLUENTPRO_DJANGO__SECRET_KEY": token_hex(32),
    "FLUENTPRO_OPERATIONS__TOKEN": token_hex(32),
    "FLUENTPRO_DATABASE__PASSWORD": token_hex(32),
    "FLUENTPRO_EMAIL__PASSWORD": token_hex(32),
}
OPENS_THE_VAULT = {("vault", "token"), ("vault", "secret_id")}


def parsed(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text())


def given(name: str) -> set[tuple[str, ...]]:
    """The settings that a file sets."""
    return {(table, key) for table, keys in parsed(name).items() for key in keys}


def loaded(environment: str, root: Path = ROOT) -> Snapshot[Config]:
    """What the environment is told by the committed files, with secrets from variables."""
    environ = SECRETS | {"ENV_FOR_DYNACONF": environment, "FLUENTPRO_VAULT__ENABLED": "false"}
    sources = Sources(root, environ, Config, ENVIRONMENTS, DEPLOYED, backend=("vault", "enabled"))
    return Validator(Config, RULES).validate(sources.load())


@pytest.fixture
def committed(tmp_path: Path) -> Path:
    """The committed files alone: this machine's `.local` files have no say."""
    (tmp_path / "settings").mkdir()
    for name in (*FILES, ".secrets.toml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_committed_files_are_valid(environment: str, committed: Path) -> None:
    assert loaded(environment, committed).environment == environment


def test_every_environment_has_a_configuration_of_its_own(committed: Path) -> None:
    assert len({loaded(environment, committed).digest for environment in ENVIRONMENTS}) == len(ENVIRONMENTS)


def test_production_is_hardened_and_development_is_not(committed: Path) -> None:
    production, development = loaded("production", committed).config, loaded("development", committed).config
    assert (production.database.engine, development.database.engine) == ("postgresql", "sqlite")
    assert (production.logging.format, development.logging.format) == ("json", "console")
    assert (production.django.debug, development.django.debug) == (False, True)
    assert (production.django.allowed_hosts, production.django.hsts_preload) == (("api.fluentpro.com",), True)
    assert parsed("settings/production.toml")["vault"]["enabled"] is True
    assert development.cors.allowed_origins == ("http://localhost:3000", "http://localhost:8080")
    assert production.auth0.audience == "https://api.fluentpro.com"


@pytest.mark.parametrize("name", FILES)
def test_a_file_sets_known_settings_and_no_secret(name: str) -> None:
    assert given(name) <= {path for path, item in SETTINGS.items() if not item.secret}


@pytest.mark.parametrize("name", FILES)
def test_a_file_keeps_the_order_of_the_schema(name: str) -> None:
    order = [path[0] for path in tables_of(Config) if path]
    tables = list(parsed(name))
    assert tables == sorted(tables, key=order.index)


def test_the_shared_layer_names_every_setting_set_or_commented_out() -> None:
    sections = re.split(r"^\[(\w+)\]$", (ROOT / "settings.toml").read_text(), flags=re.MULTILINE)
    text = dict(zip(sections[1::2], sections[2::2], strict=True))
    for table, key in SETTINGS:
        assert re.search(rf"(^|[ ,]){key}\b", text[table], flags=re.MULTILINE), f"{table}.{key}"


def test_the_shared_layer_sets_every_setting_that_has_a_value_by_default() -> None:
    assert given("settings.toml") == {
        path
        for path, item in SETTINGS.items()
        if not item.secret and not item.required and item.default is not None
    }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_has_a_banner_that_a_newcomer_can_edit(environment: str) -> None:
    assert parsed(f"settings/{environment}.toml")["site"]["banner"]


def test_the_committed_secrets_are_references_and_there_is_one_for_each_secret() -> None:
    references = {
        (table, key): value for table, keys in parsed(".secrets.toml").items() for key, value in keys.items()
    }
    secrets = {path for path, item in SETTINGS.items() if item.secret} - OPENS_THE_VAULT
    assert set(references) == secrets | {("database", "user")}  # which comes with its password
    special = {
        ("database", "user"): "@vault database/creds/fluentpro-{env}#username",
        ("database", "password"): "@vault database/creds/fluentpro-{env}#password",
        ("django", "secret_key_fallbacks"): "@vault kv/fluentpro/{env}/django#secret_key@previous",
    }
    for (table, key), value in references.items():
        assert value == special.get((table, key), f"@vault kv/fluentpro/{{env}}/{table}#{key}")


@pytest.mark.parametrize("name", [*FILES, ".secrets.toml"])
def test_an_editor_finds_the_schema_of_a_file(name: str) -> None:
    first = (ROOT / name).read_text().splitlines()[0]
    assert first.startswith("#:schema ./")
    assert ((ROOT / name).parent / first.removeprefix("#:schema ")).resolve() == ROOT / "settings/schema.json"
