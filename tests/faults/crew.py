"""A service whose processes are a fleet: real gunicorn, Valkey and Vault, and the real command beside it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults.safe import ROLE, Safe
from tests.support.server import COMMAND, Server
from tests.support.waiting import eventually

FLEET = {
    "FLUENTPRO_FLEET__ENABLED": "true",
    "FLUENTPRO_FLEET__HEARTBEAT": "0.2",
    "FLUENTPRO_FLEET__STALE_AFTER": "1.5",
    "FLUENTPRO_FLEET__FORGET_AFTER": "60",
    "FLUENTPRO_FLEET__RECONCILE": "600",
    "FLUENTPRO_REDIS__SOCKET_TIMEOUT": "1",
    "FLUENTPRO_VAULT__POLL_INTERVAL_ALONE": "0.5",
}
"""A fleet that notices soon; nothing is found by reconciling unless a test says so."""


@dataclass
class Crew:
    """The processes of one service."""

    safe: Safe
    server: Server

    def fluentpro(
        self, *words: str, status: int | None = 0, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the command as an operator would, in a second terminal."""
        world = {**self.environ, **variables}
        done = subprocess.run(
            [str(COMMAND), *words], env=world, capture_output=True, text=True, timeout=90, check=False
        )
        assert status is None or done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """The command at work beside the test."""
        with subprocess.Popen(
            [str(COMMAND), *words],
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    @property
    def environ(self) -> dict[str, str]:
        """The world of an operator: what the service knows, and a token that may rotate its secrets."""
        answer = self.safe.root.auth.token.create(policies=[f"{ROLE}-operator"], ttl="10m")
        return {**self.server.environ, "VAULT_TOKEN": answer["auth"]["client_token"]}

    def fleet(self) -> dict[int, dict[str, Any]]:
        """What `fluentpro fleet` says, by process id."""
        listed = self.fluentpro("fleet", "--json", status=None)
        assert listed.stdout, listed.stderr
        return {item["pid"]: item for item in json.loads(listed.stdout)}

    def states(self) -> dict[int, str]:
        """Each process's state."""
        return {pid: item["state"] for pid, item in self.fleet().items()}

    def synced(self) -> str:
        """The digest that every worker runs, by the fleet's own word; empty while they differ."""
        fleet = self.fleet()
        digests = {item["digest"] for item in fleet.values()}
        well = {item["state"] for item in fleet.values()} <= {"SYNCED", "RESTART"}
        return digests.pop() if well and len(digests) == 1 and len(fleet) == self.server.workers else ""

    def worker(self) -> int:
        """One of the workers."""
        return min(self.server.children())

    @contextmanager
    def stopped(self, pid: int) -> Iterator[None]:
        """A process that neither runs nor ends."""
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def joined(crew: Crew) -> Crew:
    """The crew, once the fleet lists every worker."""
    eventually(crew.synced, within=30, every=0.1)
    return crew
