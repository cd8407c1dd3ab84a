"""Faults 1, 2, 8, 9, 10: how a file is written, and what is in it while it is."""

from __future__ import annotations

import os
import time

import pytest

from tests.support.project import SETTINGS, changed
from tests.support.server import Server
from tests.support.traffic import traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults
WELCOME = "Welcome to FluentPro (testing)"


def test_a_half_written_file_changes_nothing_until_it_is_whole(server: Server) -> None:
    """Fault 1."""
    whole = changed(server.project.read(), "site.banner", "whole")
    kept = server.agreed()
    with traffic(server) as seen:
        server.project.write(SETTINGS, whole[: whole.index('"whole"') + 3])
        eventually(lambda: server.refuses(kept, "CFG105"))
        seen.grows()
        assert seen.values("banner") == [WELCOME]
        server.project.write(SETTINGS, whole)
        eventually(lambda: server.serves("whole") and server.successful())
        seen.grows()
    assert seen.values("banner") == [WELCOME, "whole"]


def test_an_empty_file_is_not_read_as_all_defaults(server: Server) -> None:
    """Fault 2."""
    kept = server.agreed()
    with traffic(server) as seen:
        server.project.write(SETTINGS, "")
        eventually(lambda: server.refuses(kept, "CFG106"))
        seen.grows()
    assert seen.values("banner") == [WELCOME]
    assert server.get("/health/ready").json() == {"status": "warn"}
    source = server.check("config-source")
    assert source["status"] == "warn"
    assert [(item["code"], item["source"]) for item in source["errors"]] == [("CFG106", SETTINGS)]


def test_a_refused_content_is_told_once_however_often_it_is_looked_at(server: Server) -> None:
    """Fault 2."""
    kept = server.agreed()
    server.project.break_off()
    eventually(lambda: server.refuses(kept, "CFG105"))
    for name in (SETTINGS, "settings.toml", SETTINGS):
        refused = server.reloads("refused")
        server.project.touch(name)
        eventually(lambda before=refused: server.reloads("refused") >= before + server.workers)
    assert len(server.refusals()) == server.workers
    server.project.restore()
    eventually(lambda: len(server.events("config.restored")) == server.workers)
    assert server.successful()


def test_a_thousand_writes_in_a_second_are_gathered_into_a_few_reloads(server: Server) -> None:
    """Fault 8."""
    before = {name: server.reloads(name) for name in ("applied", "unchanged", "refused")}
    text = changed(server.project.read(), "site.banner", "write 0000")
    server.project.replace(SETTINGS, text)
    began = time.monotonic()
    handle = os.open(server.project.root / SETTINGS, os.O_WRONLY)
    try:
        for count in range(1, 1001):
            os.pwrite(handle, text.replace("write 0000", f"write {count:04}").encode(), 0)
            time.sleep(max(0.0, began + count / 1000 - time.monotonic()))  # the fault is this rate
    finally:
        os.close(handle)
    took = time.monotonic() - began
    eventually(lambda: server.serves("write 1000") and server.successful())
    tries = sum(server.reloads(name) - count for name, count in before.items())
    # Gathered for reload.debounce, 0.05 s, at least: 20 a second; a few more for the first and the last.
    assert tries <= server.workers * (took / 0.05 + 5)


def test_a_touched_file_makes_no_new_generation(server: Server) -> None:
    """Fault 9."""
    generation, unchanged = server.metric("fluentpro_config_generation"), server.reloads("unchanged")
    server.project.touch()
    eventually(lambda: server.reloads("unchanged") >= unchanged + server.workers)
    assert server.metric("fluentpro_config_generation") == generation
    assert not server.events("config.applied")


def test_invalid_utf_8_is_refused_with_the_offset_of_its_byte(server: Server) -> None:
    """Fault 10."""
    kept = server.agreed()
    content = server.project.read().encode()
    offset = content.index(b"Welcome")
    server.project.replace(SETTINGS, content[:offset] + b"\xff" + content[offset:])
    eventually(lambda: server.refuses(kept, "CFG104"))
    (error,) = server.check("config-source")["errors"]
    assert str(offset) in error["message"]
    assert error["source"] == SETTINGS
    assert server.about()["banner"] == WELCOME
