"""What a failure looks like: every word of it."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from fluentpro.config.diagnostics import CODES, Diagnostic, Severity, errors, exit_status, render
from fluentpro.config.errors import ConfigError
from fluentpro.config.origins import Origin
from tests.config.failures import DEVELOPMENT, FAILURES, Failure
from tests.config.world import RULES, SMALL, World


@pytest.mark.parametrize("failure", [pytest.param(failure, id=failure.name) for failure in FAILURES])
def test_a_failure_reads_as_it_should(world: World, failure: Failure) -> None:
    world.write(failure.files)
    assert world.report(failure.environ) == failure.expected


@contextmanager
def not_root() -> Iterator[None]:
    """Be a user who has to ask, as far as files go."""
    mine = os.geteuid()
    if mine:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(mine)


def test_a_file_that_this_user_may_not_read_says_so_with_a_status_of_its_own(world: World) -> None:
    path = world.root / DEVELOPMENT
    path.chmod(0)
    with not_root():
        error = world.error()
    assert error
    assert error.exit_status == 77
    # Another user may not even look into the folder of this test.
    assert f"""
CFG103  can't be read: Permission denied
        settings/development.toml
        fix: let this user read it: `namei -l {path}` shows who may
""" in str(error)


def test_a_file_of_a_variable_that_this_user_may_not_read(world: World) -> None:
    world.write({"secret": "0123456789"})
    (world.root / "secret").chmod(0)
    with not_root():
        findings = world.findings({"FLUENTPRO_DATABASE__PASSWORD_FILE": str(world.root / "secret")})
    assert findings
    assert {item.status for item in findings} == {77}


@pytest.mark.parametrize("kind", ["a folder", "a link to itself"])
def test_what_is_no_file_is_not_a_matter_of_permissions(world: World, kind: str) -> None:
    path = world.root / DEVELOPMENT
    path.unlink()
    if kind == "a folder":
        path.mkdir()
    else:
        path.symlink_to(path.name)
    error = world.error()
    assert error
    assert error.exit_status == 78
    reason = "Is a directory" if kind == "a folder" else "Too many levels of symbolic links"
    assert error.findings[0].message == f"can't be read: {reason}"
    assert error.findings[0].fix == f"put a file there: {path} is something else"


def test_a_missing_secret_can_be_made_here_and_is_given_by_a_variable_elsewhere(world: World) -> None:
    name = "FLUENTPRO_KEYS__SIGNING"
    for environment, fix in (
        ("development", f"run `fluentpro init`, or set {name}"),
        ("production", f"set {name}, or {name}_FILE to the path of a file that holds it"),
    ):
        sources = replace(world.sources(), environ={"ENV_FOR_DYNACONF": environment})
        with pytest.raises(ConfigError) as caught:
            SMALL.validate(sources.load())
        (finding,) = caught.value.findings
        assert (finding.code, finding.key, finding.fix) == ("CFG201", "keys.signing", fix)


def test_a_missing_value_whose_reference_was_not_resolved_points_at_the_reference(world: World) -> None:
    world.write({".secrets.toml": '[keys]\nsigning = "@vault kv/small#signing"\n'})
    sources = replace(world.sources(), environ={"ENV_FOR_DYNACONF": "production"})
    with pytest.raises(ConfigError) as caught:
        SMALL.validate(sources.load())
    (finding,) = errors(caught.value.findings)
    assert finding.message == "missing: the reference to it was not resolved"
    assert str(finding.origin) == ".secrets.toml:2:11"


def test_what_is_missing_may_stand_in_a_file_that_nobody_can_read(world: World) -> None:
    world.write({"settings.toml": "[[["})
    assert [item.code for item in world.findings()] == ["CFG105"]


def test_a_program_reads_the_same_as_a_person(world: World) -> None:
    world.write({DEVELOPMENT: "[database]\nport = 80000\n[site]\nbaner = 1\n"})
    world.write({"settings.toml": '[keys]\nissuer = "me"\n[database]\nport = 1\n'})
    assert [item.as_dict() for item in world.findings()] == [
        {
            "code": "CFG110",
            "severity": "error",
            "key": "site.baner",
            "message": "unknown key",
            "source": "settings/development.toml",
            "line": 4,
            "column": 1,
            "suggestion": "site.banner",
            "fix": None,
            "shadows": [],
        },
        {
            "code": "CFG204",
            "severity": "error",
            "key": "database.port",
            "message": "80000 is not a port (1 to 65535)",
            "source": "settings/development.toml",
            "line": 2,
            "column": 8,
            "suggestion": None,
            "fix": "set a port between 1 and 65535",
            "shadows": [{"value": "1", "origin": "settings.toml:4:8"}],
        },
    ]


def test_a_finding_without_a_place_or_with_one_that_has_no_lines() -> None:
    nowhere = Diagnostic("CFG501", "", "not reached").as_dict()
    assert (nowhere["source"], nowhere["line"], nowhere["column"], nowhere["key"]) == (None, None, None, "")
    variable = Diagnostic("CFG120", "X", "unknown", Origin("env X")).as_dict()
    assert (variable["source"], variable["line"], variable["column"]) == ("env X", None, None)


def test_names_without_end_are_cut(world: World) -> None:
    report = world.report({"ENV_FOR_DYNACONF": "x" * 10_000, f"FLUENTPRO_{'X' * 10_000}": "1"})
    assert max(map(len, report.splitlines())) < 300


def test_a_text_cannot_hold_what_a_terminal_would_obey() -> None:
    finding = Diagnostic("CFG1", "a\x1b", "b\n\u202e", Origin("env c\r"), "d\x07\ne\x9b", "f\ud800")
    text = render([finding])
    assert text == (
        "CFG1    a␛: b␊\ufffd\n"
        "        env c␍\n"
        "        did you mean f\ufffd?\n"
        "        fix: d␇\n"
        "             e\ufffd\n"
    )  # fmt: skip
    assert finding.as_dict()["source"] == "env c␍"


def test_a_report_can_be_handed_from_process_to_process() -> None:
    error = ConfigError("development", [Diagnostic("CFG501", "database", "not reached")])
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 # our own


@pytest.mark.parametrize(
    ("statuses", "status"),
    [((), 0), ((78,), 78), ((77,), 77), ((77, 77), 77), ((69,), 69), ((69, 78), 78), ((77, 69), 78)],
)
def test_the_exit_status_tells_what_alone_is_wrong(statuses: tuple[int, ...], status: int) -> None:
    warning = Diagnostic("CFG300", "", "only said", severity=Severity.WARNING)
    findings = [Diagnostic("CFG1", "", "wrong", status=one) for one in statuses]
    assert exit_status([*findings, warning]) == status


def test_every_code_has_a_title_and_the_engine_uses_no_other(world: World) -> None:
    said = {code for failure in FAILURES for code in re.findall(r"\bCFG\d+\b", failure.report)}
    assert said - CODES.keys() == {rule.code for rule in RULES}
    assert all(title[0].isupper() and len(title) < 60 for title in CODES.values())
