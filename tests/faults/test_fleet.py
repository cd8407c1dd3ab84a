"""Faults 27 to 31: a key that rotates, a Redis that goes away, a hint that is lost, a process that stops."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable

import httpx
import pytest
from pydantic import SecretStr

from fluentpro.config.overrides import Override
from fluentpro.fleet.ledger import Ledger
from fluentpro.fleet.revision import Revision, Stage
from fluentpro.schema.database import Database
from fluentpro.stack.postgresql import SUPERUSER
from fluentpro.stack.stack import DATABASE, Running
from tests.faults.crew import Crew
from tests.faults.safe import CREDENTIALS, Safe
from tests.support.server import CONTEXT
from tests.support.traffic import readers_at_work, traffic
from tests.support.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


def test_sessions_live_through_a_rotation_of_the_secret_key(crew: Callable[..., Crew]) -> None:
    """27: people sign in and go on, at whichever process, while the key is replaced under them."""
    ship = crew(4)
    assert _person(ship.safe)
    cookie, lasting = ship.safe.session(), ship.safe.message()
    before = ship.safe.read("django")["secret_key"]
    signed_in: list[int] = []
    stop = threading.Event()

    def sign_in() -> None:
        while not stop.is_set():
            with httpx.Client(
                base_url=ship.server.url, timeout=10, verify=CONTEXT, trust_env=False
            ) as person:
                signed_in.append(_signs_in(person))

    with (
        traffic(ship.server, path="/admin/", headers=cookie),
        readers_at_work(sign_in, 1, stop),
    ):
        done = ship.fluentpro("rotate", "secret-key")
        count = len(signed_in)
        eventually(lambda: len(signed_in) > count + 3)
    assert "all 4 processes sign with it" in done.stdout
    assert signed_in
    after = ship.safe.read("django")
    assert after["secret_key"] != before
    assert "secret_key_next" not in after
    assert "Signed long ago" in ship.server.get("/admin/login/", {**lasting}).text
    assert before not in done.stdout + done.stderr


def _person(safe: Safe) -> str:
    return safe._django(
        "from django.contrib.auth.models import User\n"
        "user, _ = User.objects.get_or_create(username='somebody', is_staff=True, is_superuser=True)\n"
        f"user.set_password({PASSWORD!r}); user.save(); print('done')\n"
    )


PASSWORD = "a password of somebody"


def _signs_in(person: httpx.Client) -> int:
    """Sign in, and look around at several processes; how many pages were seen."""
    form = person.get("/admin/login/?next=/admin/", headers={"Connection": "close"})
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
    assert token
    answer = person.post(
        "/admin/login/?next=/admin/",
        data={"csrfmiddlewaretoken": token[1], "username": "somebody", "password": PASSWORD},
        headers={"Connection": "close"},
    )
    assert answer.status_code == 302, answer.status_code
    for _ in range(6):
        page = person.get("/admin/", headers={"Connection": "close"})
        assert page.status_code == 200, f"signed out: {page.status_code}"
    return 6


def test_a_document_is_rotated_under_load_and_watched(crew: Callable[..., Crew]) -> None:
    """A new version, written with check-and-set; the command ends when every process uses it."""
    ship = crew(2)
    old = ship.safe.read("operations")
    try:
        with traffic(ship.server):
            done = ship.fluentpro("rotate", OPERATIONS, "--key", "token", "--generate")
        assert re.fullmatch(
            rf"rotated {OPERATIONS} \(token\) to version \d+; all 2 processes use it after [\d.]+ s\n",
            done.stdout,
        )
        new = ship.safe.read("operations")["token"]
        assert new not in ("", old["token"])
        assert new not in done.stdout + done.stderr
        assert ship.server.get("/health", {"Authorization": f"Bearer {new}"}).status_code == 200
        assert ship.server.get("/health", {"Authorization": f"Bearer {old['token']}"}).status_code == 401
        unknown = ship.fluentpro("rotate", OPERATIONS, "--key", "nothing", "--generate", status=78)
        assert "has no key nothing" in unknown.stderr
    finally:
        ship.safe.put("operations", **old)


def test_a_rotation_waits_for_whoever_lags_and_names_it(crew: Callable[..., Crew]) -> None:
    """27 and 30: nobody signs with a key that one process does not accept yet."""
    ship = crew(3)
    slow, before = ship.worker(), ship.safe.read("django")["secret_key"]
    with ship.stopped(slow):
        done = ship.fluentpro("rotate", "secret-key", "--timeout", "3", status=75)
        assert "1 of 3 processes do not accept the new key after 3 s" in done.stderr
        assert f"/web/{slow} gave no sign of life" in done.stderr
        held = ship.safe.read("django")
        assert held["secret_key"] == before
        assert held["secret_key_next"] not in ("", before)
    done = ship.fluentpro("rotate", "secret-key")
    assert ship.safe.read("django")["secret_key"] == held["secret_key_next"]
    assert "all 3 processes sign with it" in done.stdout


def test_a_fallback_that_is_still_needed_is_not_retired(crew: Callable[..., Crew]) -> None:
    """27: what an old key signed is counted, until nothing it signed comes any more."""
    ship = crew(2)
    lasting = ship.safe.message()
    ship.fluentpro("rotate", "secret-key")
    assert "Signed long ago" in ship.server.get("/admin/login/", lasting).text
    assert sum(ship.server.metrics()["fluentpro_secret_key_fallback_uses_total"].values()) > 0

    def refused() -> bool:
        done = ship.fluentpro("rotate", "secret-key", "--retire", "--idle", "60", status=None)
        return done.returncode == 75 and "was needed" in done.stderr and "version" in done.stderr

    eventually(refused, every=0.2)
    digest = ship.synced()
    done = ship.fluentpro("rotate", "secret-key", "--retire", "--idle", "0")
    assert "are no longer accepted" in done.stdout
    eventually(lambda: (now := ship.synced()) and now != digest, every=0.2)
    assert "Signed long ago" not in ship.server.get("/admin/login/", lasting).text


def test_a_redis_that_is_down_costs_time_and_nothing_else(
    crew: Callable[..., Crew], testing_stack: Running
) -> None:
    """28: while it is away each looks for itself; on its return, with nothing in it, all meet again."""
    ship = crew(3, FLUENTPRO_FLEET__RECONCILE="1")
    valkey = testing_stack.valkey
    with traffic(ship.server):
        valkey.stop()
        try:
            ship.server.project.set("site.banner", "without Redis")
            eventually(lambda: ship.server.serves("without Redis"))
            done = ship.fluentpro("fleet", status=69)
            assert "Redis can't be asked" in done.stderr
            ship.fluentpro("set", "site.banner", "an override", "--reason", "a test", status=None)
            eventually(lambda: ship.server.serves("an override"), within=30)
        finally:
            valkey.folder.path.joinpath("valkey/dump.rdb").unlink(missing_ok=True)
            testing_stack.start()
        eventually(ship.synced, within=30, every=0.2)
    ship.fluentpro("unset", "site.banner", "--reason", "a test")
    eventually(lambda: ship.server.serves("without Redis"))


def test_a_redis_that_is_silent_is_noticed_and_costs_nothing(
    crew: Callable[..., Crew], testing_stack: Running
) -> None:
    """28: a partition, in which connections stay and nothing comes."""
    ship = crew(2, FLUENTPRO_FLEET__RECONCILE="1")
    os.kill(testing_stack.valkey.pid, signal.SIGSTOP)
    try:
        with traffic(ship.server):
            eventually(lambda: ship.server.events("fleet.lost"))
            ship.server.project.set("site.banner", "in a partition")
            eventually(lambda: ship.server.serves("in a partition"))
    finally:
        os.kill(testing_stack.valkey.pid, signal.SIGCONT)
    eventually(lambda: len(ship.server.events("fleet.joined")) >= 2)
    eventually(ship.synced, every=0.2)


def test_a_lost_announcement_is_found_by_reconciling(crew: Callable[..., Crew]) -> None:
    """29: a revision of the overrides that nobody was told of."""
    ship = crew(2, FLUENTPRO_FLEET__RECONCILE="1")
    database = runtime_database(ship)
    ledger = Ledger(database, ship.server.project.root)
    newest = ledger.newest()
    number = newest.number + 1 if newest else 1
    told = Override("site.banner", "nobody was told", "anna", "a test", since=number)
    ledger.append(Revision(number, time.time(), "anna", "a test", {}, (told,), Stage.EVERYONE, ()))

    eventually(lambda: ship.server.serves("nobody was told"))


def runtime_database(ship: Crew) -> Database:
    """The service's database, as its owner reaches it."""
    server = ship.safe.up.postgresql
    who = {"user": SUPERUSER, "password": SecretStr(server.password)}
    return Database(engine="postgresql", host="127.0.0.1", port=server.port, name=DATABASE, **who)


def test_a_process_that_stops_is_stale_by_name_and_in_step_when_it_goes_on(crew: Callable[..., Crew]) -> None:
    """30."""
    ship = crew(3)
    slow = ship.worker()
    with ship.stopped(slow):
        late = ship.fluentpro("set", "site.banner", "hello", "--reason", "tour", "--timeout", "2", status=75)
        assert f"/web/{slow} gave no sign of life" in late.stderr
        eventually(lambda: ship.states()[slow] == "STALE", every=0.2)
        others = {pid: item for pid, item in ship.fleet().items() if pid != slow}
        assert {item["state"] for item in others.values()} == {"SYNCED"}
        digest = next(iter(others.values()))["digest"]
        done = ship.fluentpro("fleet", "--wait", digest, "--timeout", "1", status=75)
        assert f"/web/{slow} runs" in done.stderr
        assert ship.fluentpro("fleet", status=1).stdout.count("SYNCED") == 2
    done = ship.fluentpro("fleet", "--wait", digest, "--timeout", "20")
    assert done.stdout.startswith(f"all 3 processes run {digest}")


def test_a_killed_worker_leaves_no_trace_and_its_successor_is_current(crew: Callable[..., Crew]) -> None:
    """31."""
    ship = crew(2)
    victim = ship.worker()
    ship.server.project.set("site.banner", "killed meanwhile")
    os.kill(victim, signal.SIGKILL)

    eventually(lambda: ship.server.serves("killed meanwhile"))
    eventually(lambda: victim not in ship.fleet() and ship.synced(), every=0.2)


def test_a_credential_that_does_not_work_is_shown_as_rejected(crew: Callable[..., Crew]) -> None:
    """26: the fleet shows who refused it, and why."""
    ship = crew(2)
    kept = ship.synced()
    good = ship.safe.role()["creation_statements"]
    ship.safe.change_role(creation_statements=[statement.replace(" LOGIN", " NOLOGIN") for statement in good])
    try:
        ship.safe.root.sys.revoke_prefix(CREDENTIALS)
        said: dict[int, str] = {}

        def all_refused() -> bool:
            """Each says so until it tries the files again, which are as good as they were."""
            fleet = ship.fleet()
            said.update({pid: item["error"] for pid, item in fleet.items() if item["state"] == "REJECTED"})
            return len(said) == 2 and {item["digest"] for item in fleet.values()} == {kept}

        eventually(all_refused, within=60, every=0.2)
        assert all("CFG501" in error for error in said.values())
    finally:
        ship.safe.change_role(creation_statements=good)
    eventually(ship.synced, within=40, every=0.2)


def test_the_processes_share_one_poll_of_the_vault(crew: Callable[..., Crew]) -> None:
    """A secret that somebody else wrote is found by whoever has the turn, and told to the others."""
    ship = crew(3, FLUENTPRO_VAULT__POLL_INTERVAL="1")
    eventually(lambda: all(item["age_seconds"] < 1 for item in ship.fleet().values()))
    began, asked = time.monotonic(), _requests(ship)
    before = ship.synced()
    time.sleep(6)  # what is measured is a rate: there is no event to wait for
    documents = len(ship.server.check("secret-backend")["versions"])
    rate = (_requests(ship) - asked) / (time.monotonic() - began)
    # One look a second at each document, and now and then one for what nobody has written yet. Each
    # process on its own would make three times as many.
    assert documents * 0.7 < rate < documents * 2.5

    values = ship.safe.read("operations")
    version = ship.safe.put("operations", **values, note="nobody announced this")
    eventually(lambda: ship.server.check("secret-backend")["versions"][OPERATIONS] == str(version))
    eventually(lambda: {_version(ship)} == {str(version)}, within=3)
    assert ship.synced() == before, "no setting refers to what was added"


OPERATIONS = "kv/fluentpro/testing/operations"


def _requests(ship: Crew) -> float:
    return sum(ship.server.metrics()["fluentpro_vault_requests_total"].values())


def _version(ship: Crew) -> str:
    """The version that whichever process answers uses, asked several times."""
    seen = {ship.server.check("secret-backend")["versions"][OPERATIONS] for _ in range(12)}
    return seen.pop() if len(seen) == 1 else ""
