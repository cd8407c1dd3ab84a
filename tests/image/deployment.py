"""The whole of compose.prod.yml on an engine of ours, and its clients."""

from __future__ import annotations

import json
import os
import secrets
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from tests.image.engine import Engine
from tests.image.images import OURS, ROOT
from tests.support.traffic import readers_at_work
from tests.support.waiting import eventually

HOST: Final = "api.fluentpro.com"
ORIGIN: Final = "https://app.fluentpro.com"
FILE: Final = ROOT / "deploy/compose.prod.yml"
SERVING: Final = ("web", "realtime", "worker")


@dataclass
class Deployment:
    """A deployment with secrets and ports of its own."""

    engine: Engine
    secrets: Path
    http: int
    https: int
    context: ssl.SSLContext
    release: str = OURS

    @classmethod
    def make(cls, engine: Engine, folder: Path) -> Deployment:
        """Make its secrets as the documents say, and nothing else."""
        command = ["sh", str(ROOT / "deploy/make-secrets"), str(folder), HOST]
        subprocess.run(command, check=True, capture_output=True)
        mail = folder / "email_password"
        mail.write_text(secrets.token_hex(32) + "\n")
        mail.chmod(0o444)
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            ports = one.getsockname()[1], other.getsockname()[1]
        return cls(engine, folder, *ports, ssl.create_default_context(cafile=str(folder / "ca.pem")))

    @property
    def environ(self) -> dict[str, str]:
        """What an operator would write into deploy/.env."""
        return {
            "RELEASE": self.release,
            "SECRETS": str(self.secrets),
            "HTTP_PORT": f"127.0.0.1:{self.http}",
            "HTTPS_PORT": f"127.0.0.1:{self.https}",
        }

    def compose(self, *words: str, **environ: str) -> str:
        """Run a command of compose that has to succeed; what it says."""
        command = ("compose", "--file", str(FILE), "--ansi=never", *words)
        return self.engine.docker(*command, environ=self.environ | environ)

    def up(self) -> None:
        """Start it; returns when all of it is healthy."""
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout=240", "--pull=never", "--no-build")
        except AssertionError as error:
            logs = self.compose("logs", "--tail=30", "--no-color")
            raise AssertionError(f"{error}\n{logs[-12_000:]}") from None

    def upgrade(self, release: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Bring a release as the documents say."""
        return subprocess.run(
            [ROOT / "deploy/upgrade"],
            env=self.engine.environ | self.environ | {"RELEASE": release} | environ,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=400,
        )

    def containers(self, service: str = "") -> list[dict[str, Any]]:
        """What the engine knows of each container of a service; of every one without a name."""
        names = self.compose("ps", "--all", "--quiet", *([service] if service else [])).split()
        return [self.engine.inspect(name) for name in names]

    def operator(self, *words: str) -> str:
        """A command of ours as an operator gives it: in a web container, with a token of an operator."""
        login = (
            "bao write -field=token auth/approle/login role_id=fluentpro-production-operator"
            " secret_id=@/run/secrets/vault_secret_id_operator"
        )
        token = self.compose("exec", "-T", "openbao", "sh", "-c", login).strip()
        return self.compose("exec", "-T", "--env=VAULT_TOKEN", "web", "fluentpro", *words, VAULT_TOKEN=token)

    def secret(self, document: str, key: str) -> str:
        """A value in OpenBao, read by whoever holds the bootstrap token."""
        read = f"BAO_TOKEN=$(cat /run/secrets/openbao_admin_token) bao kv get -mount=kv -field={key}"
        place = f"fluentpro/production/{document}"
        return self.compose("exec", "-T", "openbao", "sh", "-c", f"{read} {place}").strip()

    def fleet(self) -> list[dict[str, Any]]:
        """Every process that serves, as the fleet tells it."""
        processes: list[dict[str, Any]] = json.loads(self.operator("fleet", "--json"))
        return processes

    def client(self) -> httpx.Client:
        """A client that comes through the proxy, over TLS."""
        return httpx.Client(verify=self.context, timeout=10, trust_env=False)

    def ask(self, client: httpx.Client, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        """One request by the service's own name, on a connection of its own."""
        headers = {"Host": HOST, "Connection": "close", **more.pop("headers", {})}
        return client.request(
            method,
            f"https://127.0.0.1:{self.https}{path}",
            headers=headers,
            extensions={"sni_hostname": HOST},
            **more,
        )

    @contextmanager
    def load(self, readers: int = 3, path: str = "/api/v1/about") -> Iterator[Load]:
        """Clients that never stop asking while the block runs; afterwards, none of them may have failed."""
        load, stop = Load(), threading.Event()

        def read() -> None:
            with self.client() as client:
                while not stop.is_set():
                    load.note(lambda: self.ask(client, path))

        with readers_at_work(read, readers, stop):
            load.goes_on()
            yield load
            load.goes_on()
        assert not load.failures, f"{len(load.failures)} of {load.statuses.total()}: {load.failures[:5]}"
        assert set(load.statuses) == {200}


@dataclass
class Load:
    """What clients were answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    digests: Counter[str] = field(default_factory=Counter)
    banners: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def note(self, ask: Any) -> None:
        """Ask once, and note what came of it."""
        try:
            answer = ask()
        except httpx.HTTPError as error:
            self.failures.append(f"{time.strftime('%X')} {error!r}")
            return
        self.statuses[answer.status_code] += 1
        if answer.status_code == 200:
            self.digests[answer.headers["X-Config-Digest"]] += 1
            self.banners[answer.json()["banner"]] += 1
        else:
            self.failures.append(f"{time.strftime('%X')} {answer.status_code} {answer.text[:200]}")

    def goes_on(self, more: int = 20) -> None:
        """Wait for so many answers more."""
        enough = self.statuses.total() + more
        eventually(lambda: self.statuses.total() >= enough or self.failures, within=30)


def kill(container: dict[str, Any]) -> None:
    """End a container's first process as the kernel would when memory runs out."""
    os.kill(container["State"]["Pid"], 9)
