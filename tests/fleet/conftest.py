"""A fleet inside the process of the tests: members with threads and stores of their own, on a real Valkey."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import pytest

from fluentpro.config.runtime import Runtime
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.follower import Follower, Pulls
from fluentpro.fleet.member import Member
from fluentpro.fleet.registry import Process
from fluentpro.process import make_runtime, sources
from fluentpro.schema import Config
from tests.support.project import Project, changed
from tests.support.valkey import Valkey

PASSWORD = "a password of the fleet's server"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """The server that the members meet on."""
    made = Valkey(tmp_path_factory.mktemp("valkey"), password=PASSWORD)
    yield made.start()
    made.stop()


@dataclass
class Mate:
    """A member with all that it follows."""

    member: Member
    runtime: Runtime[Config]
    secrets: list[tuple[str, str]] = field(default_factory=list)
    """The secrets that it was told to look at."""
    applied: list[tuple[str, str, str]] = field(default_factory=list)
    warned: list[tuple[str, str]] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return self.runtime.store.snapshot.digest


@dataclass
class Mates:
    """Members of one fleet over one project; the files are not watched, so that only the fleet tells them."""

    project: Project
    release: str
    made: list[Mate] = field(default_factory=list)

    def join(self, name: str = "", role: str = "web", **pulls: Callable[..., object]) -> Mate:
        """Start another one."""
        runtime = make_runtime(sources({"ENV_FOR_DYNACONF": "testing"}, self.project.root))
        runtime.store.start()
        follower = Follower(runtime.store, Pulls())
        name = name or f"host/{role}/{len(self.made)}"
        mate = Mate(Member(follower, role, self.open, name=name), runtime)
        follower.pulls = Pulls(
            **{"secret": lambda place, mark: mate.secrets.append((place, mark))} | pulls  # type: ignore[arg-type]
        )
        mate.member.warn = lambda event, cause: mate.warned.append((event, cause))
        mate.member.applied = lambda new, old, trigger: mate.applied.append(
            (new.digest, old.digest if old else "", trigger)
        )
        runtime.store.acknowledge.append(mate.member.acknowledge)
        mate.member.start()
        self.made.append(mate)
        return mate

    def open(self, config: Config) -> Channel | None:
        """A channel as each member has one."""
        return Channel.open(config.fleet, config.redis, "testing", self.release)

    def channel(self) -> Channel:
        """A channel for the test to look at the fleet."""
        opened = self.open(self.made[0].runtime.store.snapshot.config)
        assert opened
        return opened

    def seen(self) -> dict[str, Process]:
        """Every process as an operator sees it."""
        channel = self.channel()
        try:
            return {item.process: item for item in channel.processes()}
        finally:
            channel.close()


@pytest.fixture
def mates(tmp_path: Path, server: Valkey) -> Iterator[Mates]:
    """A fleet of its own on the shared server."""
    local = ""
    for key, value in {
        "redis.url": server.url,
        "redis.password": PASSWORD,
        "redis.socket_timeout": 1.0,
        "fleet.enabled": True,
        "fleet.heartbeat": 0.1,
        "fleet.stale_after": 1.0,
        "fleet.forget_after": 3.0,
        "fleet.reconcile": 600.0,
    }.items():
        local = changed(local, key, value)
    made = Mates(Project.make(tmp_path / "project", local=local), f"test-{token_hex(4)}-{time.time_ns()}")
    yield made
    for mate in made.made:
        mate.member.stop()
