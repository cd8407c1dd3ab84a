"""A project whose secrets are in a real Vault, and what befalls that Vault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import hvac
from hvac.exceptions import VaultError

from fluentpro.stack.stack import DATABASE, Running
from tests.support.project import Project
from tests.support.server import KEPT, Server

ENVIRONMENT = "testing"
ROLE = f"fluentpro-{ENVIRONMENT}"
CREDENTIALS = f"database/creds/{ROLE}"
STATIC = "database/static-creds/fluentpro-{env}-static"
ROTATION = f"database/rotate-role/{ROLE}-static"
DJANGO = """
import django
django.setup(set_prefix=False)
"""
SESSION = """
from django.contrib.auth.models import User
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, BACKEND_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
user, _ = User.objects.get_or_create(username="somebody", is_staff=True, is_superuser=True)
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""
MESSAGE = """
from django.contrib.messages import INFO
from django.contrib.messages.storage.base import Message
from django.contrib.messages.storage.cookie import CookieStorage
print(CookieStorage(None)._encode([Message(INFO, "Signed long ago")]))
"""


@dataclass
class Safe:
    """The Vault, the database and the cache of a project."""

    up: Running
    project: Project

    # ---- The project

    @property
    def variables(self) -> dict[str, str]:
        """What a process of the project is told, so that it uses them; it asks five times a second."""
        return {
            **self.up.environ("web"),
            "FLUENTPRO_VAULT__POLL_INTERVAL": "0.2",
            "FLUENTPRO_VAULT__TIMEOUT": "1",
            "FLUENTPRO_VAULT__STARTUP_WAIT": "2",
            "FLUENTPRO_VAULT__DRAIN_DELAY": "1",
            "FLUENTPRO_DATABASE__POOL_MIN": "1",
            "FLUENTPRO_DATABASE__POOL_MAX": "4",
        }

    @property
    def environ(self) -> dict[str, str]:
        """The world of a command of the project."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {
            **kept,
            "ENV_FOR_DYNACONF": ENVIRONMENT,
            "FLUENTPRO_ROOT": str(self.project.root),
            "DJANGO_SETTINGS_MODULE": "fluentpro.web.settings",
            **self.variables,
        }

    def migrate(self) -> None:
        """Make the tables."""
        command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
        subprocess.run(command, env=self.environ, check=True)

    def session(self) -> Mapping[str, str]:
        """The cookie of a person who is logged in: their page reads the database, and checks a signature."""
        return {"Cookie": f"sessionid={self._django(SESSION)}"}

    def message(self) -> Mapping[str, str]:
        """A cookie that is shown for as long as its signature is accepted."""
        return {"Cookie": f'messages="{self._django(MESSAGE)}"'}

    def _django(self, program: str) -> str:
        command = [sys.executable, "-c", DJANGO + program]
        done = subprocess.run(command, env=self.environ, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    # ---- The Vault

    @property
    def root(self) -> hvac.Client:
        """A client that may do everything in the Vault."""
        client: hvac.Client = self.up.client()
        return client

    def read(self, name: str) -> dict[str, Any]:
        """A document of the environment."""
        answer = self.root.secrets.kv.v2.read_secret_version(
            f"fluentpro/{ENVIRONMENT}/{name}", mount_point="kv", raise_on_deleted_version=True
        )
        values: dict[str, Any] = answer["data"]["data"]
        return values

    def put(self, name: str, **values: str) -> int:
        """Write a version of a document; its number."""
        path = f"fluentpro/{ENVIRONMENT}/{name}"
        answer = self.root.secrets.kv.v2.create_or_update_secret(path, values, mount_point="kv")
        return int(answer["data"]["version"])

    def role(self) -> dict[str, Any]:
        """How credentials are made."""
        values: dict[str, Any] = self.root.read(f"database/roles/{ROLE}")["data"]
        return values

    def change_role(self, **values: object) -> None:
        """Let the credentials that are taken from now on be others."""
        self.root.write_data(f"database/roles/{ROLE}", data={**self.role(), **values})

    def secret_id(self, **values: object) -> str:
        """Another secret id of the service."""
        answer = self.root.write_data(f"auth/approle/role/{ROLE}-web/secret-id", data=values)
        return str(answer["data"]["secret_id"])

    def destroy(self, secret_id: str) -> None:
        """Let a secret id open nothing any more."""
        self.root.write_data(f"auth/approle/role/{ROLE}-web/secret-id/destroy", data={"secret_id": secret_id})

    def log_in(self, secret_id: str) -> None:
        """Use a secret id."""
        role_id = self.up.environ("web")["FLUENTPRO_VAULT__ROLE_ID"]
        self.root.write_data("auth/approle/login", data={"role_id": role_id, "secret_id": secret_id})

    def change_login(self, **values: object) -> None:
        """Let the tokens of logins from now on be others."""
        self.root.write_data(f"auth/approle/role/{ROLE}-web", data=values)

    def tokens(self) -> set[str]:
        """The accessors of every token of the service."""
        found = set()
        for accessor in self.root.list("auth/token/accessors")["data"]["keys"]:
            with suppress(VaultError):  # it has ended since
                answer = self.root.write_data("auth/token/lookup-accessor", data={"accessor": accessor})
                if f"{ROLE}-web" in answer["data"]["policies"]:
                    found.add(accessor)
        return found

    def seal(self) -> None:
        """Seal the Vault."""
        self.up.openbao.seal()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Whoever connects is never answered."""
        os.kill(self.up.openbao.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.up.openbao.pid, signal.SIGCONT)

    def mend(self) -> None:
        """Start what does not run, unseal it, and put back roles and policies."""
        if self.up.openbao.alive:
            self.up.openbao.answers()  # unseals it
        self.up.start()

    # ---- The database

    def users(self) -> set[str]:
        """The database's users that Vault made."""
        query = "SELECT rolname FROM pg_roles WHERE starts_with(rolname, 'v-')"
        return {str(name) for (name,) in self._query(query)}

    def connections(self) -> dict[str, int]:
        """How many connections each of them has."""
        query = "SELECT usename, count(*) FROM pg_stat_activity WHERE starts_with(usename, 'v-') GROUP BY 1"
        return {str(name): int(count) for name, count in self._query(query)}

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        with self.up.postgresql.connect(DATABASE) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]  # a text of our own


def left(server: Server) -> float:
    """Seconds of life that are left of the database's credential, by the worker that answers."""
    seconds: float = server.check("secret-backend")["leases"][CREDENTIALS]
    return seconds
