"""The stations of a configuration: its identity, what differs between two, and what their text shows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from fluentpro.config.fields import Effect, Table, setting, settings_of
from fluentpro.config.origins import Origin
from fluentpro.config.snapshot import Winner, diff, digest, value_at
from tests.config.world import Small, World

SECRETS = st.sampled_from(["12345678", "abcdefgh", "hunter2 and more", "é" * 8])
TEXTS = st.sampled_from(["", "a", "b", '","', "1", "null", "[]", "é"])
CONFIGS = st.fixed_dictionaries(
    {
        "keys": st.fixed_dictionaries(
            {"signing": SECRETS, "issuer": TEXTS},
            optional={"earlier": st.lists(SECRETS, max_size=2).map(tuple)},
        )
    },
    optional={
        "site": st.fixed_dictionaries(
            {},
            optional={
                "banner": TEXTS,
                "hosts": st.lists(TEXTS, max_size=2).map(tuple),
                "debug": st.booleans(),
            },
        ),
        "database": st.fixed_dictionaries(
            {},
            optional={
                "weight": st.sampled_from([0, 1, 1.0, 1.5]),
                "level": st.sampled_from([1, "low"]),
                "password": SECRETS,
                "limits": st.lists(st.integers(0, 1), max_size=2).map(tuple),
                "pool": st.fixed_dictionaries({}, optional={"most": st.integers(0, 2)}),
            },
        ),
    },
)


def configured(**tables: Any) -> Small:
    return Small.model_validate({"keys": {"signing": "12345678", "issuer": "me"}} | tables)


@given(CONFIGS, CONFIGS, st.booleans())
def test_two_digests_are_equal_if_and_only_if_their_configurations_are(
    one: dict[str, Any], other: dict[str, Any], same: bool
) -> None:
    here, there = (Small.model_validate(data) for data in (one, one if same else other))
    assert (digest(here, "e", "k") == digest(there, "e", "k")) == (here == there)


def test_a_digest_depends_on_the_environment_and_on_the_key_that_it_is_made_with() -> None:
    config = configured()
    digests = {digest(config, name, key) for name in ("development", "production") for key in ("", "a", "b")}
    assert len(digests) == 6
    assert all(len(item) == 16 for item in digests)


def test_a_key_can_be_any_text() -> None:
    assert len(digest(configured(), "development", "\ud800")) == 16


def test_a_secret_cannot_be_tried_against_a_digest_without_the_key(world: World) -> None:
    """With the key in it, the digest of a configuration with another key says nothing of the rest."""
    one = world.snapshot({"FLUENTPRO_DATABASE__PASSWORD": "long enough"})
    other = world.snapshot(
        {"FLUENTPRO_KEYS__SIGNING": "another key", "FLUENTPRO_DATABASE__PASSWORD": "long enough"}
    )
    unkeyed = digest(one.config, "development", "")
    assert len({one.digest, other.digest, unkeyed}) == 3


@given(CONFIGS, CONFIGS)
def test_a_difference_is_each_setting_that_differs_with_its_effect(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    here, there = Small.model_validate(one), Small.model_validate(other)
    changes = {change.path: change for change in diff(here, there)}
    for path, item in settings_of(Small).items():
        assert (path in changes) == (value_at(here, path) != value_at(there, path))
        if path in changes:
            assert changes[path].effect is item.effect
            assert changes[path].key == ".".join(path)
    assert not any(secret in repr(changes) for secret in ("12345678", "abcdefgh", "hunter2"))


def test_a_change_shows_old_and_new_and_of_a_secret_nothing() -> None:
    old = configured(database={"url": "redis://:hunter2@db"})
    new = configured(
        site={"debug": True}, database={"port": 1}, keys={"signing": "hunter2 and more", "issuer": "me"}
    )
    shown = [(change.key, change.effect, change.old, change.new) for change in diff(old, new)]
    assert shown == [
        ("site.debug", Effect.RESTART, "false", "true"),
        ("database.port", Effect.REBIND, "5432", "1"),
        ("database.url", Effect.LIVE, '"redis://:********@db"', "unset"),
        ("keys.signing", Effect.LIVE, "********", "********"),
    ]


def test_a_snapshot_is_frozen_to_the_bottom(world: World) -> None:
    snapshot = world.snapshot()
    with pytest.raises(ValidationError):
        snapshot.config.database.pool.most = 1  # type: ignore[misc]  # the point of the test
    with pytest.raises(AttributeError):
        snapshot.digest = "x"  # type: ignore[misc]  # the point of the test
    assert hash(snapshot.config)


def test_a_table_shows_its_urls_without_passwords() -> None:
    shown = repr(configured(database={"url": "redis://:hunter2@db"}))
    assert "hunter2" not in shown
    assert "url='redis://:********@db'" in shown


def test_a_winner_shows_whom_it_hides_and_no_secret() -> None:
    winner = Winner("hunter2", Origin("env A"), (("hunter3", Origin("f.toml", 1, 2, 3, "a = 'hunter3'")),))
    assert [item.display for item in winner.shadowed(secret=True)] == ["a value"]
    assert [item.display for item in winner.shadowed(secret=False)] == ['"hunter3"']
    assert [item.origin.text for item in winner.shadowed(secret=False)] == [""]
    assert "hunter" not in repr(winner)


def test_a_setting_that_no_source_gives_has_no_winner(world: World) -> None:
    assert world.load().winner(("database", "port")) is None


def test_a_secret_in_a_configuration_is_a_secret() -> None:
    assert isinstance(configured().keys.signing, SecretStr)


def test_what_each_process_has_for_itself_is_no_part_of_the_digest() -> None:
    """A web process and a worker log in with roles of their own, and run the same configuration."""

    class Login(Table):
        role: str = setting("", meaning="Who this process is.", own=True)
        place: str = setting("", meaning="Where it logs in.")

    class Whole(Table):
        login: Login = Login()

    web, worker, elsewhere = (
        Whole(login=Login(role=role, place=place))
        for role, place in (("web", "here"), ("worker", "here"), ("web", "there"))
    )
    assert digest(web, "e", "k") == digest(worker, "e", "k") != digest(elsewhere, "e", "k")
