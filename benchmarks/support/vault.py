"""A real Vault (OpenBao) with a real PostgreSQL, changed from outside; and `bao agent`, the rival."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.support.projects import CHECKOUT, ENVIRONMENT
from fluentpro.config.environment import variable
from fluentpro.stack import wheels
from fluentpro.stack.stack import DATABASE, MADE, Running, Stack

DOCUMENT = f"fluentpro/{ENVIRONMENT}/operations"
ROLE = f"database/roles/fluentpro-{ENVIRONMENT}"
START = 20.0
"""Seconds that the agent may take until it has rendered its file."""
END = 5.0
"""Seconds that it may take to end."""
TOLD = "told"
"""The file beside the agent's others to which it copies what it has sent the signal for."""
INTERVAL = "1s"
"""How often the agent looks for a new version of a secret; by default every 5 minutes."""

TOKEN = f'{{{{ with secret "kv/data/{DOCUMENT}" }}}}{{{{ .Data.data.token }}}}{{{{ end }}}}'
"""The agent's template for the operations token."""


@dataclass(slots=True)
class Vault:
    """A Vault and its database, as somebody else than FluentPro uses them."""

    up: Running
    _client: Any
    token: str = field(default="", repr=False)
    """The operations token that was written last."""
    version: int = 0
    """The number of its document's version."""

    @property
    def variables(self) -> Mapping[str, str]:
        """What makes a FluentPro process use them."""
        return self.up.environ("web")

    @property
    def bearer(self) -> Mapping[str, str]:
        """The header of a request by a holder of the newest token."""
        return {"Authorization": f"Bearer {self.token}"}

    def write(self) -> float:
        """Write another operations token; the moment (monotonic, s) before that was asked for."""
        self.token = secrets.token_urlsafe(32)
        began = time.monotonic()
        store = self._client.secrets.kv.v2
        answer = store.create_or_update_secret(DOCUMENT, {"token": self.token}, mount_point="kv")
        self.version = int(answer["data"]["version"])
        return began

    def lease(self, seconds: int) -> None:
        """Let the database users that are made from now on live so long, and no longer."""
        role = self._client.read(ROLE)["data"]
        self._client.write_data(ROLE, data={**role, "default_ttl": seconds, "max_ttl": seconds})

    def user(self, path: str) -> Mapping[str, str]:
        """A new database user, as Django's settings take it."""
        data = self._client.read(path)["data"]
        return {"USER": data["username"], "PASSWORD": data["password"]}

    def users(self) -> set[str]:
        """The database users that the Vault made."""
        return {str(name) for (name,) in self._query("SELECT rolname FROM pg_roles", "rolname")}

    def connections(self) -> int:
        """How many connections all of them have."""
        return len(self._query("SELECT usename FROM pg_stat_activity", "usename"))

    def _query(self, query: str, name: str) -> list[tuple[Any, ...]]:
        with self.up.postgresql.connect(DATABASE) as connection:
            text = f"{query} WHERE starts_with({name}, %s)"
            return connection.execute(text.encode(), (MADE,)).fetchall()


@contextmanager
def vault(folder: Path) -> Iterator[Vault]:
    """Run PostgreSQL, Valkey and OpenBao, bootstrapped with the project's own plan."""
    folder.mkdir()
    with Stack(folder, environment=ENVIRONMENT, source=CHECKOUT / "secrets").running() as up:
        made = Vault(up, up.client())
        made.write()
        yield made


@contextmanager
def agent(of: Vault, folder: Path, rendered: Path, contents: str = TOKEN) -> Iterator[Path]:
    """Run `bao agent`, which keeps the newest secret in a file and sends SIGHUP for each.

    The secret is the operations token, unless the template `contents` says otherwise. Gives the file in
    which it looks for the process to signal: nobody while there is none. Waits until the file is rendered.
    """
    folder.mkdir()
    pid_file, log = folder / "pid", folder / "log"
    configuration = folder / "agent.json"
    configuration.write_text(json.dumps(_configuration(of, rendered, pid_file, contents)), encoding="utf-8")
    command = [str(wheels.openbao()), "agent", f"-config={configuration}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is for us; we end it
        )
    try:
        deadline = time.monotonic() + START
        while not (has_told(pid_file, of.token) if contents == TOKEN else rendered.is_file()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the agent renders nothing:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        yield pid_file
    finally:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def has_told(pid_file: Path, token: str) -> bool:
    """Whether the agent has rendered a token, and done with its signal."""
    told = pid_file.with_name(TOLD)
    return told.is_file() and told.read_text(encoding="utf-8") == token


def _configuration(of: Vault, rendered: Path, pid_file: Path, contents: str) -> Mapping[str, Any]:
    """The agent's settings: FluentPro's own login, a look each second, its own way to run a command."""
    login = {
        "role_id_file_path": str(pid_file.with_name("role-id")),
        "secret_id_file_path": of.variables[f"{variable(('vault', 'secret_id'))}_FILE"],
        "remove_secret_id_file_after_reading": False,
    }
    pid_file.with_name("role-id").write_text(of.variables[variable(("vault", "role_id"))], encoding="utf-8")
    command = f'test ! -f "{pid_file}" || kill -HUP "$(cat "{pid_file}")"; cp "{rendered}" {TOLD}'
    template = {
        "contents": contents,
        "destination": str(rendered),
        "error_on_missing_key": True,
        "exec": {"command": ["sh", "-c", command]},
    }
    return {
        "vault": {"address": of.up.openbao.url},
        "auto_auth": {"method": [{"type": "approle", "config": login}]},
        "template_config": {"static_secret_render_interval": INTERVAL},
        "template": [template],
    }
