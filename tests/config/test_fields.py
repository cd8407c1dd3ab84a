"""How a schema declares a setting, and what it finds for a misspelt one."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from fluentpro.config.fields import Effect, Table, holds_secret, setting, settings_of, tables_of
from fluentpro.config.suggest import suggest
from tests.config.world import Database, Keys, Pool, Site, Small


def test_every_setting_is_found_in_the_order_of_declaration() -> None:
    keys = [item.key for item in settings_of(Small).values()]
    assert keys[:4] == ["site.banner", "site.hosts", "site.motto", "site.debug"]
    assert keys[-4:] == ["database.pool.ratio", "keys.signing", "keys.earlier", "keys.issuer"]


def test_a_setting_says_what_it_is() -> None:
    port, banner = settings_of(Small)["database", "port"], settings_of(Small)["site", "banner"]
    assert (port.noun, port.default, port.effect, port.secret) == ("a port", 5432, Effect.REBIND, False)
    assert (banner.noun, banner.meaning, banner.effect) == ("", "The text on top.", Effect.LIVE)
    assert (banner.unit, banner.overridable, banner.required) == ("", False, False)


def test_a_setting_without_a_default_is_required() -> None:
    assert [item.key for item in settings_of(Small).values() if item.required] == [
        "keys.signing",
        "keys.issuer",
    ]


def test_a_setting_is_a_secret_if_its_type_holds_one() -> None:
    secrets = [item.key for item in settings_of(Small).values() if item.secret]
    assert secrets == ["database.password", "keys.signing", "keys.earlier"]
    assert holds_secret(dict[str, tuple[SecretStr, ...]])
    assert not holds_secret(dict[str, str])


def test_every_table_is_found_by_its_path() -> None:
    assert dict(tables_of(Small)) == {
        (): Small,
        ("site",): Site,
        ("database",): Database,
        ("database", "pool"): Pool,
        ("keys",): Keys,
    }


def test_a_table_is_strict_and_takes_no_other_key() -> None:
    for wrong in ({"most": "5"}, {"most": 5.0}, {"most": True}, {"other": 1}, {"ratio": float("inf")}):
        with pytest.raises(ValidationError):
            Pool.model_validate(wrong)


@pytest.mark.parametrize("name", ["Upper", "two__parts"])
def test_a_name_that_a_variable_could_not_tell_from_another_is_not_declared(name: str) -> None:
    table = type(
        "Bad", (Table,), {"__annotations__": {name: int}, name: setting(1, meaning="x"), "__doc__": "x"}
    )
    schema = type("Schema", (Table,), {"__annotations__": {"bad": table}, "bad": table(), "__doc__": "x"})
    with pytest.raises(TypeError, match=rf"bad\.{name}: a setting's name is in lower case"):
        settings_of(schema)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("site.baner", "site.banner"),
        ("site.BANNER", "site.banner"),
        ("database.pool.leas", "database.pool.least"),
        ("databse", "database"),
        ("Site", "site"),
        ("site.port", "database.port"),
        ("port", "database.port"),
        ("keys.most", "database.pool.most"),
        ("site.xyz", ""),
        ("nonsense", ""),
        ("site.", ""),
        (f"site.{'banner' * 1000}", ""),
    ],
)
def test_a_misspelt_key_most_likely_means_another(path: str, meant: str) -> None:
    assert suggest(tuple(path.split(".")), Small) == meant


def test_a_name_with_a_dash_or_a_space_means_the_one_with_an_underscore() -> None:
    class Under(Table):
        """A table."""

        max_size: int = setting(1, meaning="A number.")

    assert suggest(("max-size",), Under) == "max_size"
    assert suggest(("max size",), Under) == "max_size"
