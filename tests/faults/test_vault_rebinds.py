"""Valkey's password and an API key get new versions under load: what uses them goes on, and fails nobody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from secrets import token_hex

import pytest

from tests.conftest import Launch
from tests.faults.safe import Safe
from tests.support.server import Server
from tests.support.traffic import Seen, traffic
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

PAGES = '''
"""A page that uses the cache, and says which API key it would use."""
import hashlib
import uuid
from django.core.cache import cache
from django.http import JsonResponse
from django.urls import path
from fluentpro.process import current
from fluentpro.web.urls import *


def use(request):
    key = current().openai.api_key
    name, value = f"used-{uuid.uuid4()}", uuid.uuid4().hex
    cache.set(name, value, 60)
    kept = cache.get(name) == value and cache.get("kept") == "from before"
    shown = hashlib.sha256(key.get_secret_value().encode()).hexdigest() if key else ""
    same = key is current().openai.api_key
    return JsonResponse({"kept": kept, "key": shown, "same": same})


def keep(request):
    cache.set("kept", "from before", None)
    return JsonResponse({"kept": True})


urlpatterns = [path("use", use), path("keep", keep), *urlpatterns]
'''


@pytest.fixture
def server(safe: Safe, launch: Launch) -> Iterator[Server]:
    """A service whose cache is in Valkey, with something in it; the Vault's documents are put back."""
    root = safe.project.root
    (root / "pages.py").write_text(PAGES)
    (root / "paged.py").write_text('from fluentpro.web.settings import *\nROOT_URLCONF = "pages"\n')
    paths = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    redis = safe.read("redis")
    safe.put("openai", api_key="first")
    try:
        made = launch(**safe.variables, DJANGO_SETTINGS_MODULE="paged", PYTHONPATH=paths)
        assert made.get("/keep").json() == {"kept": True}
        yield made
    finally:
        safe.put("redis", **redis)
        safe.put("openai", api_key="last")


def applied(server: Server, key: str) -> int:
    """How many workers log that a setting has changed, without its value."""
    lines = [line for line in server.events("config.applied") if key in line["changed"]]
    assert all(line["changed"][key] == "******** -> ********" for line in lines)
    return len({line["pid"] for line in lines})


def shown(key: str) -> str:
    return sha256(key.encode()).hexdigest()


def good(seen: Seen) -> bool:
    return all(body["kept"] and body["same"] for body in seen.bodies)


def test_valkeys_password_changes_under_load_and_no_request_fails(safe: Safe, server: Server) -> None:
    """Both are accepted for a while; then the old one is taken away, and in the end every connection."""
    valkey, first = safe.up.valkey, safe.read("redis")["password"]
    old = first
    try:
        with traffic(server, 4, "/use") as seen:
            for _ in range(3):
                new = token_hex(24)
                valkey.accept(new)
                server.output.clear()
                safe.put("redis", password=new)
                eventually(lambda: applied(server, "redis.password") == server.workers)
                seen.grows(40)
                if old != first:  # by that one the stack itself is let in
                    assert valkey.ask("ACL", "SETUSER", "default", f"<{old}").startswith("+")
                seen.grows(40)
                old = new
        assert good(seen)
        # What was connected before the last change goes on; now everybody has to connect anew.
        assert not valkey.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").startswith("-")
        eventually(lambda: all(server.get("/use").status_code == 200 for _ in range(8)))
        assert server.get("/health/ready").json() == {"status": "pass"}
    finally:
        safe.put("redis", password=first)
        eventually(lambda: server.get("/use").json()["kept"])
        valkey.ask("ACL", "SETUSER", "default", f"<{old}")


def test_a_password_that_valkey_has_not_yet_is_taken_up_when_it_has_it(safe: Safe, server: Server) -> None:
    """The other way round: whoever rotates in the wrong order loses the cache until it is put right."""
    valkey, first, new = safe.up.valkey, safe.read("redis")["password"], token_hex(24)
    safe.put("redis", password=new)
    eventually(lambda: applied(server, "redis.password") == server.workers)
    assert server.get("/use").status_code == 500
    assert new not in server.get("/use").text
    valkey.accept(new)
    eventually(lambda: all(server.get("/use").json()["kept"] for _ in range(6)))
    safe.put("redis", password=first)
    eventually(
        lambda: applied(server, "redis.password") and all(server.get("/use").json()["kept"] for _ in range(6))
    )
    valkey.ask("ACL", "SETUSER", "default", f"<{new}")


def test_an_api_key_changes_under_load_and_each_request_has_one_of_the_two(
    safe: Safe, server: Server
) -> None:
    keys = ["first", *(token_hex(16) for _ in range(4))]
    with traffic(server, 4, "/use") as seen:
        for key in keys[1:]:
            server.output.clear()
            safe.put("openai", api_key=key)
            eventually(lambda: applied(server, "openai.api_key") == server.workers)
            seen.grows(20)
    assert good(seen)
    used = [body["key"] for body in seen.bodies]
    assert set(used) == {shown(key) for key in keys}
    assert used[-1] == shown(keys[-1])
    firsts = [used.index(shown(key)) for key in keys]
    assert firsts == sorted(firsts), "in the order in which they were written"
