"""How a process proves who it is, and the token that it gets for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import hvac
import requests

from fluentpro.config.jitter import jitter
from fluentpro.schema.vault import Vault
from fluentpro.vault.connection import Connection
from fluentpro.vault.errors import Kind, VaultError

RENEW_AT: Final = 2 / 3
"""Part of a life after which it is renewed (Vault's own lifetime watcher does the same)."""
SPREAD: Final = 0.1
"""Part of a life by which renewals of many processes are spread."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a login brought."""

    text: str = field(repr=False)
    lease: float
    """Seconds it lives from `since` on; 0 lives for ever."""
    renewable: bool
    since: float
    """Monotonic time of the login or the last renewal, in s."""
    given: bool = False
    """Configured, not made by our login: not ours to revoke."""
    pid: int = field(default_factory=os.getpid)
    """The process that logged in."""

    def remaining(self, now: float) -> float:
        """Seconds of life left; infinite for one that never ends."""
        return self.since + self.lease - now if self.lease else float("inf")

    def due(self) -> float:
        """Monotonic time at which to renew it, jitter included."""
        return due(self.since, self.lease)


def due(since: float, lease: float) -> float:
    """When to renew what began at `since` and lives `lease` seconds: two thirds, less some jitter."""
    if not lease:
        return float("inf")
    return since + lease * (RENEW_AT - jitter(0, SPREAD))


@dataclass(slots=True)
class Login:
    """Logs in by the configured method; keeps a secret id once unwrapped."""

    vault: Vault
    environ_token: str = field(default="", repr=False)
    clock: Callable[[], float] = time.monotonic
    _unwrapped: str = field(default="", repr=False)

    def log_in(self, connection: Connection) -> Token:
        """A token for the connection, set on it; a `VaultError` says what to do."""
        connection.token = ""
        token = self._token(connection) if self.vault.auth_method == "token" else self._method(connection)
        connection.token = token.text
        return token

    def renew(self, connection: Connection, token: Token) -> Token:
        """The token with a new life; a `VaultError` where the Vault no longer knows it."""
        began = self.clock()
        answer = connection.ask("the renewal of the token", lambda client: client.auth.token.renew_self())
        renewed = _token(answer.body.get("auth"), began, token.text)
        return replace(renewed, given=token.given, pid=token.pid)

    def _token(self, connection: Connection) -> Token:
        secret = self.vault.token.get_secret_value() if self.vault.token else self.environ_token
        if not secret:
            fix = "set vault.token (FLUENTPRO_VAULT__TOKEN), or VAULT_TOKEN, or another vault.auth_method"
            raise VaultError(Kind.UNCONFIGURED, "vault.auth_method is token, and there is no token", fix)
        connection.token = secret
        began = self.clock()
        try:
            answer = connection.ask(
                "the look-up of the token", lambda client: client.auth.token.lookup_self()
            )
        except VaultError as failure:
            if failure.kind is not Kind.DENIED:
                raise
            fix = "give a valid token: vault.token (FLUENTPRO_VAULT__TOKEN), or VAULT_TOKEN"
            raise VaultError(
                Kind.LOGIN, "Vault does not accept the token: it expired or was revoked", fix
            ) from None
        data = answer.data
        return Token(secret, float(data.get("ttl", 0)), bool(data.get("renewable")), began, given=True)

    def _method(self, connection: Connection) -> Token:
        method = self.vault.auth_method
        mount = self.vault.auth_mount or method
        began = self.clock()
        request = self._request(connection, mount)
        try:
            answer = connection.ask(f"the login by {method}", request)
        except VaultError as failure:
            if failure.kind in (Kind.DENIED, Kind.LOGIN, Kind.MISSING):
                raise self._refused(mount) from None
            raise
        return _token(answer.body.get("auth"), began)

    def _request(self, connection: Connection, mount: str) -> Callable[[hvac.Client], requests.Response]:
        vault = self.vault
        if vault.auth_method == "approle":
            if vault.role_id is None:
                fix = "set vault.role_id and vault.secret_id (or FLUENTPRO_VAULT__SECRET_ID_FILE)"
                raise VaultError(
                    Kind.UNCONFIGURED, "vault.auth_method is approle, and there is no role id", fix
                )
            body = {"role_id": vault.role_id, "secret_id": self._secret_id(connection)}
        else:
            body = {"role": vault.role, "jwt": _read(vault.jwt_file)}
        return lambda client: client.adapter.post(f"/v1/auth/{mount}/login", json=body)

    def _secret_id(self, connection: Connection) -> str:
        given = self.vault.secret_id.get_secret_value() if self.vault.secret_id else ""
        if not self.vault.secret_id_wrapped:
            return given
        if not self._unwrapped:
            try:
                answer = connection.ask(
                    "the unwrapping of the secret id",
                    lambda client: client.adapter.post(
                        "/v1/sys/wrapping/unwrap", headers={"X-Vault-Token": given}
                    ),
                )
            except VaultError as failure:
                if failure.kind.passing:
                    raise
                message = "the wrapping token is used up or expired"
                fix = (
                    "if it was not you who used it, somebody else did: revoke that secret id, give a new one"
                )
                raise VaultError(Kind.SPENT, message, fix) from None
            self._unwrapped = str(answer.data.get("secret_id", ""))
        return self._unwrapped

    def _refused(self, mount: str) -> VaultError:
        vault = self.vault
        if vault.auth_method == "approle":
            message = (
                f"Vault refused the login by approle at auth/{mount}: "
                "the role id or the secret id is wrong, expired or used up"
            )
            fix = (
                "give a new secret id (bao write -f auth/approle/role/<role>/secret-id);"
                "\nwhere it may be used a number of times only, allow one for each process and restart"
            )
            return VaultError(Kind.SPENT, message, fix)
        message = f"Vault refused the login by {vault.auth_method} at auth/{mount} as role {vault.role}"
        fix = f"check the role and what it is bound to: bao read auth/{mount}/role/{vault.role}"
        return VaultError(Kind.LOGIN, message, fix)


def _token(auth: Any, began: float, text: str = "") -> Token:
    if not isinstance(auth, dict):
        raise VaultError(
            Kind.STRANGER, "an answer to a login without a token", "is vault.address that of a Vault?"
        )
    return Token(
        text or str(auth.get("client_token", "")),
        float(auth.get("lease_duration", 0)),
        bool(auth.get("renewable")),
        began,
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"vault.jwt_file names {path}, and it can't be read: {error.strerror}"
        raise VaultError(Kind.UNCONFIGURED, message, "mount the service account's token there") from None
