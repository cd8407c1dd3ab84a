"""Operators' overrides as the engine sees them: the highest layer, of what may be overridden alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from fluentpro.config.diagnostics import Diagnostic, render
from fluentpro.config.errors import ConfigError
from fluentpro.config.explain import effective
from fluentpro.config.fields import Table, setting
from fluentpro.config.layers import Sources
from fluentpro.config.overrides import CODES, Override, overlaid, parse
from fluentpro.config.references import Reference, Resolution
from fluentpro.config.snapshot import Candidate, Layer
from fluentpro.config.validate import Validator

SECRET = "canary-c4a1f0"


class Site(Table):
    """What is shown."""

    banner: str = setting("Hello", meaning="The text on top.", overridable=True, max_length=40)
    hosts: tuple[str, ...] = setting((), meaning="Names.", overridable=True, max_length=3)
    limit: int = setting(10, meaning="How many.", overridable=True, ge=1, le=100)
    motto: str | None = setting(None, meaning="A second text.", overridable=True)
    title: str = setting("FluentPro", meaning="The name.")


class Keys(Table):
    """Secrets."""

    signing: SecretStr = setting(meaning="Signs.")


class Small(Table):
    """A schema of its own."""

    site: Site = Site()
    keys: Keys


VALIDATOR = Validator(Small)


def made(key: str, value: Any, since: int = 12, **more: Any) -> Override:
    return Override(key, value, "anna", "a tour", since, **more)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings.toml").write_text('[site]\nbanner = "from the file"\nlimit = 20\n')
    (tmp_path / "settings/development.toml").write_text("# nothing\n")
    environ = {"FLUENTPRO_KEYS__SIGNING": SECRET, "FLUENTPRO_SITE__LIMIT": "30"}
    return Sources(tmp_path, environ, Small, ("development",))


def load(sources: Sources, *overrides: Override) -> Candidate:
    return replace(sources, overrides=lambda _raw: overrides).load()


def refused(candidate: Candidate) -> str:
    with pytest.raises(ConfigError) as caught:
        VALIDATOR.validate(candidate)
    return render(caught.value.findings)


def test_an_override_stands_above_files_and_variables(sources: Sources) -> None:
    candidate = load(sources, made("site.banner", "from anna"), made("site.limit", 40, since=13))
    config = VALIDATOR.validate(candidate).config
    assert (config.site.banner, config.site.limit) == ("from anna", 40)
    known = effective(candidate, Small)
    assert str(known["site", "limit"].origin) == "override #13 by anna"
    assert [str(item.origin) for item in known["site", "limit"].shadows] == [
        "env FLUENTPRO_SITE__LIMIT",
        "settings.toml:3:9",
    ]


def test_who_is_asked_is_told_where_the_overrides_are_kept(sources: Sources) -> None:
    asked: list[Mapping[str, Any]] = []

    def ask(raw: Mapping[str, Any]) -> Sequence[Override]:
        asked.append(raw)
        return ()

    replace(sources, overrides=ask).load()
    assert asked[0]["site"]["limit"] == 30


def test_the_digest_is_of_the_values_and_not_of_who_gave_them(sources: Sources) -> None:
    plain = VALIDATOR.validate(load(sources)).digest
    assert VALIDATOR.validate(load(sources, made("site.limit", 30))).digest == plain
    assert VALIDATOR.validate(load(sources, made("site.limit", 31))).digest != plain


def test_a_list_and_nothing_at_all_can_be_given(sources: Sources) -> None:
    candidate = load(sources, made("site.hosts", ["a", "b"]), made("site.motto", None))
    assert VALIDATOR.validate(candidate).config.site.hosts == ("a", "b")


def test_a_reference_in_an_override_is_a_text_like_another(sources: Sources) -> None:
    candidate = load(sources, made("site.banner", "@vault kv/secret#key"))
    assert VALIDATOR.validate(candidate).config.site.banner == "@vault kv/secret#key"


@pytest.mark.parametrize(
    ("override", "code", "fix"),
    [
        (made("site.baner", "x"), "CFG130", "`fluentpro unset site.baner`"),
        (made("nowhere", "x"), "CFG130", "`fluentpro unset nowhere`"),
        (made("a.b.c", "x"), "CFG130", "`fluentpro unset a.b.c`"),
        (made("two words;", "x"), "CFG130", "`fluentpro unset 'two words;'`"),
        (made("site.title", "x"), "CFG131", "FLUENTPRO_SITE__TITLE"),
        (made("keys.signing", SECRET), "CFG131", "FLUENTPRO_KEYS__SIGNING"),
        (Override("site.banner", 5, fault="what is stored is no JSON object"), "CFG132", "unset site.banner"),
        (Override("", 5, fault="what is stored is no JSON object"), "CFG132", "`fluentpro rollback N`"),
        (made("site.limit", "many"), "CFG202", "`fluentpro unset site.limit`"),
        (made("site.limit", "5"), "CFG202", "`fluentpro unset site.limit`"),
        (made("site.limit", 500), "CFG204", "`fluentpro unset site.limit`"),
        (made("site.hosts", ["a", 5]), "CFG202", "`fluentpro unset site.hosts`"),
        (made("site.hosts", "a"), "CFG202", "`fluentpro unset site.hosts`"),
    ],
)
def test_what_can_not_be_overridden_is_a_finding_with_who_did_it_and_its_fix(
    sources: Sources, override: Override, code: str, fix: str
) -> None:
    text = refused(load(sources, override))
    assert text.startswith(code)
    assert fix in text
    assert override.fault or "override #12 by anna" in text
    assert SECRET not in text


def test_one_that_is_only_asked_for_needs_no_taking_back(sources: Sources) -> None:
    text = refused(load(sources, made("site.limit", "many", since=0), made("site.title", "x", since=0)))
    assert "the override that is asked for" in text
    assert "fix: give a whole number\n" in text
    assert "unset" not in text


def test_a_misspelt_key_gets_a_suggestion(sources: Sources) -> None:
    assert "did you mean site.banner?" in refused(load(sources, made("site.baner", "x")))


def test_overrides_can_be_laid_over_a_candidate_that_has_others(sources: Sources) -> None:
    first = load(sources, made("site.banner", "one"), made("site.motto", "M"), made("site.title", "x"))
    second = overlaid(first, [made("site.limit", 50)], Small)
    config = VALIDATOR.validate(second).config.site
    assert (config.banner, config.limit, config.motto) == ("from the file", 50, None)
    assert first.values["site"]["banner"] == "one", "the first is as it was"
    assert overlaid(second, [], Small).values == load(sources).values


def test_a_reference_below_counts_again_when_its_override_goes(sources: Sources) -> None:
    (sources.root / "settings/development.toml").write_text('[site]\nbanner = "@vault kv/a#b"\n')
    left = load(replace(sources, backend=()), made("site.banner", "one"))
    bare = overlaid(left, [], Small)
    assert "banner" not in bare.values["site"], "nobody resolved it"

    def resolve(references: Sequence[Reference], _raw: Mapping[str, Any], _environment: str) -> Resolution:
        [reference] = references
        layer = left.layers[0]
        return Resolution(Layer("vault", {reference.setting.path: "resolved"}, layer.origins))

    found = load(replace(sources, resolve=resolve), made("site.banner", "one"))
    assert found.values["site"]["banner"] == "one"
    assert overlaid(found, [], Small).values["site"]["banner"] == "resolved"


def test_what_was_stored_comes_back_as_it_was() -> None:
    entries = {
        "site.banner": {"value": "x", "author": "anna", "reason": "r", "since": 3, "until": 12.5},
        "site.hosts": {"value": ["a"], "author": "ben", "reason": "", "since": 4, "until": None},
        "broken": [1, 2],
    }
    assert {item.key: item.as_dict() for item in parse(entries)} == entries


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"value": {"a": 1}, "author": "a", "since": 1},
        {"value": 1, "author": 5, "since": 1},
        {"value": 1, "author": "a", "reason": 5, "since": 1},
        {"value": 1, "author": "a", "since": True},
        {"value": 1, "author": "a", "since": 0},
        {"value": 1, "author": "a", "since": 1, "until": "soon"},
        {"value": 1, "author": "a", "since": 1, "until": float("nan")},
        {"value": 1, "author": "a", "since": 1, "until": 1e300},
        {"value": 1 << 5000, "author": "a", "since": 1},
    ],
)
def test_what_is_no_override_says_so(entry: object) -> None:
    [item] = parse({"site.banner": entry})
    assert item.fault
    assert item.as_dict() is entry


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(["site.banner", "site.hosts", "site.limit", "keys.signing", "site", "", ".", "x"])
ENTRIES = st.fixed_dictionaries(
    {"value": VALUES},
    optional={"author": st.text() | VALUES, "reason": st.text(), "since": st.integers(), "until": VALUES},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(stored=VALUES | st.dictionaries(KEYS | st.text(), ENTRIES | VALUES, max_size=4))
def test_whatever_is_stored_ends_in_a_configuration_or_in_findings(sources: Sources, stored: Any) -> None:
    candidate = overlaid(load(sources), parse(stored), Small)
    findings = wrong_with(candidate)
    assert json.dumps([item.as_dict() for item in findings])
    assert "CFG199" not in render(findings)
    if findings:
        assert {item.code for item in findings} & {*CODES, "CFG202", "CFG204"}
    else:
        config = VALIDATOR.validate(candidate).config
        assert config.keys.signing.get_secret_value() == SECRET, "no override reaches it"
        assert config.site.title == "FluentPro"


def wrong_with(candidate: Candidate) -> Sequence[Diagnostic]:
    try:
        return VALIDATOR.validate(candidate).warnings
    except ConfigError as error:
        return error.findings
