"""Faults 11 to 13: what a file says, and whether it may be read."""

from __future__ import annotations

import os

import pytest

from tests.conftest import Launch
from tests.support.project import SETTINGS, Project, changed
from tests.support.server import Server
from tests.support.traffic import traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults
BOUND = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
"""Even root may then read only what the mode allows."""


def test_every_error_of_a_change_is_told_at_once_and_nothing_is_changed(server: Server) -> None:
    """Fault 11: an unknown key, a wrong type, a number out of range; the good line is not taken either."""
    kept = server.agreed()
    text = server.project.read()
    for key, value in (
        ("site.banner", "not taken"),
        ("site.baner", "unknown"),
        ("server.threads", "many"),
        ("api.page_size", -1),
    ):
        text = changed(text, key, value)
    with traffic(server) as seen:
        server.project.replace(SETTINGS, text)
        eventually(lambda: server.refuses(kept, "CFG110"))
        seen.grows()
    assert len(seen.values("banner")) == 1
    found = {item["key"]: item["code"] for item in server.check("config-source")["errors"]}
    assert found == {"site.baner": "CFG110", "server.threads": "CFG202", "api.page_size": "CFG204"}
    assert len(server.refusals()) == server.workers
    for line in server.refusals():
        assert len(line["errors"]) == 3
        assert line["kept"] == kept


def test_every_broken_rule_of_a_change_is_told_at_once(server: Server) -> None:
    """Fault 11."""
    kept = server.agreed()
    text = server.project.read()
    for key, value in (("features.openai", True), ("celery.time_limit", 1), ("cors.allowed_origins", ["*"])):
        text = changed(text, key, value)
    server.project.replace(SETTINGS, text)
    eventually(lambda: server.refuses(kept, "CFG440"))
    found = {item["code"] for item in server.check("config-source")["errors"]}
    assert found == {"CFG440", "CFG450", "CFG422"}


def test_no_secret_is_shown_when_one_is_refused(server: Server) -> None:
    """Fault 11."""
    kept = server.agreed()
    server.project.set("operations.token", "tooshort-canary", ".secrets.local.toml")
    eventually(lambda: server.refuses(kept, "CFG205"))
    (error,) = server.check("config-source")["errors"]
    assert (error["key"], error["source"]) == ("operations.token", ".secrets.local.toml")
    assert error["line"]
    assert "canary" not in server.get("/health", server.bearer).text
    assert "canary" not in "\n".join([*server.output, *server.errors])


def test_a_setting_that_needs_a_restart_is_swapped_and_listed_as_pending(server: Server) -> None:
    """Fault 12."""
    generation = server.metric("fluentpro_config_generation")
    text = changed(server.project.read(), "server.threads", 3)
    server.project.replace(SETTINGS, changed(text, "site.banner", "swapped"))
    eventually(lambda: server.serves("swapped"))
    source = server.check("config-source")
    assert source["pending_restart"] == ["server.threads"]
    assert source["status"] == "pass"
    assert server.metric("fluentpro_config_generation") == generation + 1
    (line, *_) = server.events("config.applied")
    assert line["changed"]["server.threads"] == "2 -> 3"
    server.project.restore()
    eventually(lambda: server.check("config-source")["pending_restart"] == [])


def test_a_file_that_may_not_be_read_stops_a_start_with_status_77(project: Project, launch: Launch) -> None:
    """Fault 13."""
    (project.root / SETTINGS).chmod(0)
    server = launch(launcher=BOUND, ready=False)
    assert server.wait() == 77
    report = "\n".join(server.errors)
    assert "CFG103" in report
    assert SETTINGS in report
    assert "Traceback" not in report


def test_a_file_that_may_not_be_read_any_more_changes_nothing(project: Project, launch: Launch) -> None:
    """Fault 13: neither the time nor the content of the file tells that its mode was changed."""
    server = launch(launcher=BOUND)
    kept, path = server.agreed(), project.root / SETTINGS
    with traffic(server) as seen:
        path.chmod(0)
        eventually(lambda: server.refuses(kept, "CFG103"))
        assert server.get("/health/ready").json() == {"status": "warn"}
        path.chmod(0o644)
        eventually(server.successful)
        seen.grows()
    assert server.agreed() == kept
    assert len(server.refusals()) == server.workers
