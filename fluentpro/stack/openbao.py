"""OpenBao, which speaks Vault's API: a real server with real storage, initialised and unsealed by us."""

from __future__ import annotations

import http.client
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final

import psutil

from fluentpro.stack import wheels
from fluentpro.stack.errors import StackError
from fluentpro.stack.server import Server

KEYS: Final = "openbao.keys"
TIMEOUT: Final = 30.0
"""Seconds for one request; the initialisation makes keys and writes its first data to the disk."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What opens this Vault."""

    unseal: str = field(repr=False)
    root: str = field(repr=False)


@dataclass(slots=True)
class OpenBao(Server):
    """An OpenBao with one unseal key, which is kept beside it: a developer's own, not a safe."""

    name: ClassVar[str] = "openbao"
    title: ClassVar[str] = "OpenBao"
    cluster_port: int = 0

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> Keys | None:
        """What opens it; None before it was initialised."""
        text = self.folder.read(KEYS)
        return Keys(**json.loads(text)) if text else None

    def prepare(self) -> None:
        """Write its configuration. Data that nobody has the key of are removed."""
        if not self.keys:
            shutil.rmtree(self.data, ignore_errors=True)
        self.new = not self.data.is_dir()
        self.cluster_port = self.folder.port("openbao-cluster")
        for folder in (self.data, self.data / "raft"):
            folder.mkdir(mode=0o700, exist_ok=True)
        cluster = f"127.0.0.1:{self.cluster_port}"
        listener = {
            "address": f"127.0.0.1:{self.port}",
            "cluster_address": cluster,
            "tls_disable": True,  # nothing leaves this machine
        }
        # One node need not wait long for others before it leads: 2 s the first time, instead of 7.
        raft = {"path": str(self.data / "raft"), "node_id": "stack", "performance_multiplier": 1}
        configuration = {
            "storage": {"raft": raft},
            "listener": [{"tcp": listener}],
            "api_addr": self.url,
            "cluster_addr": f"http://{cluster}",
        }
        self.folder.write(f"{self.name}/openbao.json", json.dumps(configuration, indent=2))

    def command(self) -> Sequence[str | Path]:
        """The server with its configuration."""
        return (wheels.openbao(), "server", f"-config={self.data / 'openbao.json'}")

    def answers(self) -> bool:
        """Whether it is unsealed and active, which we make it. Never asks a stranger on its port."""
        if not self._listens():
            return False
        with suppress(OSError, http.client.HTTPException):  # asked again
            _, state = self._ask("GET", "seal-status")
            if not state["initialized"]:
                self._initialise()
            if not state["initialized"] or state["sealed"]:
                self.unseal()
            return self._ask("GET", "health")[0] == HTTPStatus.OK  # active
        return False

    def seal(self) -> None:
        """Seal it, as an operator would in an emergency."""
        self._ask("PUT", "seal")

    def unseal(self) -> None:
        """Unseal it; a `StackError` if our key is not its key."""
        status, state = self._ask("PUT", "unseal", {"key": self.keys.unseal if self.keys else ""})
        if status != HTTPStatus.OK or state["sealed"]:
            raise StackError("OpenBao can't be unsealed with the key kept for it", "fluentpro up --reset")

    def _initialise(self) -> None:
        _, made = self._ask("PUT", "init", {"secret_shares": 1, "secret_threshold": 1})
        self.folder.write(KEYS, json.dumps({"unseal": made["keys"][0], "root": made["root_token"]}))

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> tuple[int, Any]:
        """Ask sys/...; returns the status and the parsed answer. An `OSError` if there is none."""
        headers = {"X-Vault-Token": self.keys.root} if self.keys else {}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)) as connection:
            connection.request(method, f"/v1/sys/{path}", json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            text = response.read()
        return response.status, json.loads(text) if text else {}

    def _listens(self) -> bool:
        with suppress(psutil.Error):
            return any(
                item.laddr.port == self.port and item.status == psutil.CONN_LISTEN
                for item in psutil.Process(self.pid).net_connections("tcp4")
            )
        return False
