"""Rules across settings and environments."""

from __future__ import annotations

from typing import Any

import pytest
from dynaconf import Validator

from fluentpro.config.rules import Rule, broken
from tests.config.test_snapshot import configured
from tests.config.world import RULES, Small, World


def codes(
    config: Small, environment: str = "development", doubtful: Any = (), rules: Any = RULES
) -> list[str]:
    return [rule.code for rule in broken(rules, config, environment, doubtful)]


def rule(*names: str, **demands: Any) -> tuple[Rule, ...]:
    return (Rule("CFG9", Validator(*names, description="wrong", **demands), "mend it"),)


def test_a_rule_is_known_by_its_first_setting_and_says_its_own_words() -> None:
    (one,) = rule("database.pool.most", "site.banner", gte=5)
    assert (one.path, one.message) == (("database", "pool", "most"), "wrong")


def test_a_rule_counts_in_its_environments() -> None:
    config = configured(site={"debug": True})
    assert (codes(config), codes(config, "production")) == ([], ["CFG901"])


def test_each_broken_rule_is_told() -> None:
    config = configured(
        site={"debug": True}, database={"engine": "postgresql", "pool": {"least": 9, "most": 1}}
    )
    assert codes(config, "production") == ["CFG901", "CFG902", "CFG903"]


@pytest.mark.parametrize(
    ("demands", "data", "holds"),
    [
        ({"eq": 8}, {}, True),
        ({"gte": 9}, {}, False),
        ({"is_in": (7, 8)}, {}, True),
        ({"condition": lambda value: value > 8}, {}, False),
        ({"must_exist": True}, {}, True),
        ({"cast": str, "eq": "8"}, {}, True),
        ({"eq": 8}, {"most": 9}, False),
    ],
)
def test_a_rule_speaks_as_dynaconf_does(demands: dict[str, Any], data: dict[str, Any], holds: bool) -> None:
    config = configured(database={"pool": data})
    assert (codes(config, rules=rule("database.pool.most", **demands)) == []) == holds
    assert config.database.pool.most == data.get("most", 8)


@pytest.mark.parametrize(
    ("key", "there"), [("database.url", False), ("site.banner", True), ("site.nothing", False)]
)
def test_what_is_unset_or_empty_is_not_there(key: str, there: bool) -> None:
    assert (codes(configured(), rules=rule(key, must_exist=True)) == []) == there
    assert codes(configured(site={"banner": ""}), rules=rule("site.banner", must_exist=True)) == ["CFG9"]


DOUBTS: tuple[tuple[tuple[str, ...], list[str]], ...] = (
    (("site", "banner"), ["CFG902", "CFG903"]),
    (("database", "pool", "most"), ["CFG903"]),
    (("database", "pool"), ["CFG903"]),
    (("database", "engine"), ["CFG902"]),
    (("database",), []),
)


@pytest.mark.parametrize(("path", "told"), DOUBTS)
def test_a_rule_that_looks_at_what_is_in_doubt_says_nothing(path: tuple[str, ...], told: list[str]) -> None:
    config = configured(database={"engine": "postgresql", "pool": {"least": 9, "most": 1}})
    assert codes(config, doubtful=[path]) == told


def test_a_rule_that_asks_a_property_may_look_at_all_of_its_table() -> None:
    class Wide(Small):
        """A schema with a property."""

        @property
        def wide(self) -> bool:
            return True

    config = Wide.model_validate(configured().model_dump())
    when = Validator("", condition=lambda whole: whole.wide)
    rules = rule("site.debug", condition=lambda _: False, when=when)
    assert codes(config, rules=rules) == ["CFG9"]
    assert codes(config, rules=rules, doubtful=[("database", "port")]) == []


def test_a_rule_that_fails_over_what_is_in_doubt_says_nothing_and_else_is_heard() -> None:
    rules = rule("site.banner", condition=lambda banner: banner.nonsense)
    assert codes(configured(), rules=rules, doubtful=[("database", "port")]) == []
    with pytest.raises(AttributeError):
        codes(configured(), rules=rules)


def test_rules_are_told_together_with_values_that_are_wrong(world: World) -> None:
    site = "[site]\ndebug = true\nhosts = [5]\n"
    pool = '[database]\nengine = "postgresql"\n[database.pool]\nleast = 9\nmost = "x"\n'
    keys = '[keys]\nearlier = ["long enough"]\n'
    world.write({"settings/production.toml": site + pool + keys})
    world.write({"settings.toml": "# no issuer\n"})
    found = {(item.code, item.key) for item in world.findings({"ENV_FOR_DYNACONF": "production"})}
    assert found == {
        ("CFG202", "site.hosts"),
        ("CFG202", "database.pool.most"),
        ("CFG201", "keys.issuer"),
        ("CFG901", "site.debug"),
        ("CFG903", "database.password"),
    }
