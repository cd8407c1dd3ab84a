"""People who sign in and look around while the secret key is replaced, and who is signed out by it."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import httpx

from benchmarks.support import servers
from benchmarks.support.delay import late
from benchmarks.support.operator import Operator
from benchmarks.support.projects import ENVIRONMENT, Project
from benchmarks.support.table import Row
from benchmarks.support.vault import Vault
from fluentpro.config.environment import variable
from fluentpro.vault.reference import Location, Pointer
from fluentpro.vault.rotate import generate, newest_of, write
from fluentpro.vault.successor import introduce, promote

KEY = Pointer(Location("kv", f"fluentpro/{ENVIRONMENT}/django"), "secret_key")
PAGE = "/admin/"
LOGIN = f"/admin/login/?next={PAGE}"
PASSWORD = "a password of somebody"  # noqa: S105 # of a database that is gone when this ends
NEW = 2
"""People who sign in, one after the other; the others have signed in before."""
OLD = 4
VISITS = 8
"""Pages that somebody looks at who has just signed in."""
AFTER = 1.0
"""Seconds for which people go on once all is done."""

SESSIONS = """
import django
django.setup(set_prefix=False)
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user = User(username="somebody", is_staff=True, is_superuser=True)
user.set_password({password!r})
user.save()
for _ in range({count}):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    print(session.session_key)
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is measured."""

    rotations: int = 2
    """Of each kind, in turn."""
    before: int = 24
    """People who have signed in before, for each rotation."""
    delays: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    """Seconds that the Vault's answers to each process are late."""


QUICK = Counts(rotations=1, before=8)


@dataclass(slots=True)
class Sessions:
    """What became of them."""

    total: int = 0
    lost: int = 0
    seconds: list[float] = field(default_factory=list)
    """How long each rotation took."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *, lost: bool) -> None:
        """One that ended."""
        with self._lock:
            self.total += 1
            self.lost += lost

    def __str__(self) -> str:
        return f"{self.lost} of {self.total} in {len(self.seconds)} rotations of {max(self.seconds):.1f} s"


def measure(safe: Vault, project: Project, person: Operator, counts: Counts) -> Iterator[Row]:
    """Replace the key in two steps and in one, in turn."""
    program = SESSIONS.format(password=PASSWORD, count=counts.before * counts.rotations * 2)
    signed_in = project.answer(program).split()
    ours, rival = Sessions(), Sessions()
    size = len(counts.delays)
    with _processes(safe, project, counts) as ports:
        person.wait_for(size, in_step=False)  # each has a port of its own, and so its own digest
        for _ in range(counts.rotations):
            for seen, rotate in ((ours, _in_two_steps), (rival, _in_one_step)):
                some = [signed_in.pop() for _ in range(counts.before)]
                with _looking_around(ports, some, seen):
                    began = time.monotonic()
                    rotate(person, size)
                    seen.seconds.append(time.monotonic() - began)
    what = f"sessions lost while the secret key is replaced in {size} processes, each at its own moment"
    yield Row(what, str(ours), f"{rival} in one step", None, "0", ours.lost == 0)


def _in_two_steps(person: Operator, size: int) -> None:
    """As `fluentpro rotate secret-key` does."""
    for step in (introduce, promote):
        version = step(person.connection, KEY).version
        person.announce_secret(KEY.location, version)
        person.wait_for_secret(KEY.location, version, size)


def _in_one_step(person: Operator, size: int) -> None:
    """The new key signs at once; the old one is a fallback, as every earlier version is."""
    present = str(newest_of(person.connection, KEY.location).values[KEY.key])
    version = write(person.connection, KEY.location, {KEY.key: generate(present)})
    person.announce_secret(KEY.location, version)
    person.wait_for_secret(KEY.location, version, size)


@contextmanager
def _processes(safe: Vault, project: Project, counts: Counts) -> Iterator[Sequence[int]]:
    """A server with one worker for each delay; their ports."""
    with ExitStack() as stack:
        doors = [stack.enter_context(late(safe.up.openbao.port, delay)) for delay in counts.delays]

        def start(door: int) -> servers.Server:
            address = {variable(("vault", "address")): f"http://127.0.0.1:{door}"}
            return stack.enter_context(servers.fluentpro(project, 1, variables=address))

        yield [start(door).port for door in doors]


@contextmanager
def _looking_around(ports: Sequence[int], sessions: Sequence[str], seen: Sessions) -> Iterator[None]:
    """People at work for as long as the block takes, and a little longer."""
    stop = threading.Event()
    with ThreadPoolExecutor(NEW + OLD, thread_name_prefix="person") as pool:
        old = [pool.submit(_walk, ports, sessions[number::OLD], seen, stop) for number in range(OLD)]
        new = [pool.submit(_sign_in_again_and_again, ports, seen, stop) for _ in range(NEW)]
        try:
            time.sleep(AFTER)  # all are under way
            yield
            time.sleep(AFTER)
        finally:
            stop.set()
        for task in (*old, *new):
            task.result()


def _walk(ports: Sequence[int], sessions: Sequence[str], seen: Sessions, stop: threading.Event) -> None:
    """Some who have signed in look around, each in turn."""
    alive = list(sessions)
    with _browser() as browser:
        while not stop.is_set():
            for key in tuple(alive):
                browser.cookies.set("sessionid", key)
                if not _sees(browser, ports):
                    alive.remove(key)
            stop.wait(0.01)
    for key in sessions:
        seen.add(lost=key not in alive)


def _sign_in_again_and_again(ports: Sequence[int], seen: Sessions, stop: threading.Event) -> None:
    with _browser() as browser:
        while not stop.is_set():
            browser.cookies.clear()
            seen.add(
                lost=not (_signs_in(browser, ports) and all(_sees(browser, ports) for _ in range(VISITS)))
            )


def _signs_in(browser: httpx.Client, ports: Sequence[int]) -> bool:
    form = browser.get(_at(ports, LOGIN)).text
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    given = {"csrfmiddlewaretoken": token[1] if token else "", "username": "somebody", "password": PASSWORD}
    return browser.post(_at(ports, LOGIN), data=given).status_code == httpx.codes.FOUND


def _sees(browser: httpx.Client, ports: Sequence[int]) -> bool:
    return browser.get(_at(ports, PAGE)).status_code == httpx.codes.OK


def _at(ports: Sequence[int], path: str) -> str:
    return f"http://127.0.0.1:{random.choice(ports)}{path}"


def _browser() -> httpx.Client:
    return httpx.Client(timeout=30, trust_env=False, verify=False)  # noqa: S501 # no TLS on the way
