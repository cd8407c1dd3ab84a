"""A changed database: tried before the swap, taken up by the next request, and never in the middle of one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from django.db import connection, transaction

from fluentpro.config.store import Result
from fluentpro.web import health
from tests.support.inside import Inside
from tests.support.project import SETTINGS, changed
from tests.support.server import Server
from tests.support.waiting import eventually


@pytest.fixture
def moved(inside: Inside) -> Path:
    """Another migrated database."""
    path = inside.project.root / "moved.sqlite3"
    shutil.copy(inside.project.root / "testing.sqlite3", path)
    return path


def request(inside: Inside) -> None:
    """One request in this thread."""
    with inside.client() as client:
        assert client.get("/admin/login/").status_code == 200


def names() -> set[str]:
    from django.contrib.auth.models import User  # models are there once Django is

    return set(User.objects.values_list("username", flat=True))


def create(name: str) -> None:
    from django.contrib.auth.models import User

    User.objects.create(username=name)


def refused(inside: Inside, name: str) -> str:
    """Why a database is refused."""
    inside.project.replace(SETTINGS, changed(inside.project.read(), "database.name", name))
    outcome = inside.reload()
    assert outcome.result is Result.REFUSED
    assert outcome.error
    (finding,) = outcome.error.findings
    assert (finding.code, finding.key) == ("CFG501", "database")
    assert outcome.snapshot.config.database.name == "testing.sqlite3"
    return finding.message


def test_the_next_request_uses_the_changed_database(inside: Inside, moved: Path) -> None:
    create("before")
    inside.apply(("database.name", "moved.sqlite3"))
    request(inside)
    assert connection.settings_dict["NAME"] == str(moved)
    assert "before" not in names()
    inside.restore()
    request(inside)
    assert "before" in names()


def test_a_transaction_that_is_under_way_ends_where_it_began(inside: Inside, moved: Path) -> None:
    with transaction.atomic():
        create("under way")
        inside.apply(("database.name", "moved.sqlite3"))
        create("still under way")
        assert {"under way", "still under way"} <= names()
    assert {"under way", "still under way"} <= names(), "until the next request"
    request(inside)
    assert not {"under way", "still under way"} & names()


def test_a_file_that_is_not_there_is_refused_and_not_made(inside: Inside) -> None:
    assert refused(inside, "nowhere.sqlite3") == "no connection with the changed settings: OperationalError"
    assert not (inside.project.root / "nowhere.sqlite3").exists()
    request(inside)
    assert names() is not None


def test_a_file_that_is_no_database_is_refused(inside: Inside) -> None:
    (inside.project.root / "text.sqlite3").write_text("this is only text\n" * 100)
    assert "DatabaseError" in refused(inside, "text.sqlite3")


def test_a_name_with_signs_that_addresses_use_is_still_a_name(inside: Inside, moved: Path) -> None:
    odd = moved.rename(moved.with_name("a?mode=memory&b#c%20.sqlite3"))
    inside.apply(("database.name", odd.name))
    request(inside)
    assert connection.settings_dict["NAME"] == str(odd)


def test_the_checks_look_at_the_database_of_now(inside: Inside, moved: Path) -> None:
    """They run in threads that no request passes through."""
    assert health.migrations().status == "pass"
    inside.apply(("database.name", "moved.sqlite3"))
    with transaction.atomic():
        connection.cursor().execute("SELECT 1")
    health.database()
    assert connection.settings_dict["NAME"] == str(moved)


def test_what_was_refused_for_the_worlds_sake_is_tried_again(server: Server) -> None:
    """The file is as it was; what it names is there now."""
    kept = server.agreed()
    server.project.set("database.name", "later.sqlite3")
    eventually(lambda: server.refuses(kept, "CFG501"))
    shutil.copy(server.project.root / "testing.sqlite3", server.project.root / "later.sqlite3")
    eventually(lambda: server.successful() and server.agreed() not in ("", kept))
    assert {line["trigger"] for line in server.events("config.applied")} == {"retry"}
    assert len(server.refusals()) == server.workers
