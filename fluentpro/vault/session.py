"""A process logged in at a Vault: its connection, and the token that is renewed and replaced."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.schema.vault import Vault
from fluentpro.vault.connection import Address, Connection
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.login import Login, Token

LONGEST_PAUSE: Final = 60.0
"""Seconds between two logins, at most, where a new token is denied as the old one was."""
CREDENTIALS: Final = ("token", "secret_id")
"""What a running process takes anew of `[vault]`, for its next login; the rest stays as at the start."""


@dataclass(slots=True)
class Session:
    """Where the Vault is, and who we are there. A forked child keeps the token and connects for itself."""

    environ: Mapping[str, str] = field(repr=False)
    clock: Callable[[], float] = time.monotonic
    vault: Vault = field(default_factory=Vault)
    token: Token | None = None
    replaced: Callable[[], None] = lambda: None
    """Told that the token is another: what hangs on the old one ends with it."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while the state changes, and by whoever needs it to stay."""
    settled: bool = False
    """Whether this is the Vault of the process for as long as it lives."""
    _connection: Connection | None = None
    _login: Login | None = None
    _counted: int = 0
    _pause: float = 0.0
    _not_before: float = float("-inf")

    def adopt(self, vault: Vault) -> None:
        """Take the table `[vault]`; once it is settled, only the credentials in it."""
        if self.settled:
            vault = self.vault.model_copy(update={name: getattr(vault, name) for name in CREDENTIALS})
        if vault == self.vault:
            return
        self.vault, self._login = vault, None
        if not self.settled:
            self.token, self._connection, self._counted = None, None, 0

    def settle(self) -> None:
        """From now on this is the Vault of the process and of its children: a change waits for a restart."""
        self.settled = True

    def connect(self) -> Connection:
        """This process's connection, logged in; a `VaultError` where that can't be."""
        with self.lock:
            if self._connection is None or self._connection.pid != os.getpid():
                self._connection = Connection(
                    address(self.vault, self.environ), self.token.text if self.token else ""
                )
            if self._login is None:
                self._login = Login(self.vault, self.environ.get("VAULT_TOKEN", ""), self.clock)
            if self.token is None:
                self.token = self._login.log_in(self._connection)
            return self._connection

    def count_requests(self) -> int:
        """How many requests were sent since this was asked last."""
        sent = self._connection.requests if self._connection else 0
        new, self._counted = sent - self._counted, sent
        return max(new, 0)

    def log_in(self) -> None:
        """Take a new token."""
        with self.lock:
            old, self.token = self.token, None
            try:
                self.connect()
            except VaultError:
                self.token = old  # it may live on, and if not, the next request shows it
                if old and self._connection:
                    self._connection.token = old.text
                raise
            if old is None or self.connect().token != old.text:
                self.replaced()

    def renew(self) -> None:
        """Give the token a new life, or take a new one where that no longer works."""
        with self.lock:
            connection = self.connect()
            token, login = self.token, self._login
            if token is None or login is None or not token.renewable:
                self.log_in()
                return
            try:
                renewed = login.renew(connection, token)
            except VaultError as failure:
                if failure.kind.passing:
                    raise
                self.log_in()  # 400 and 403: the Vault no longer knows it
                return
            # At its longest life a renewal no longer extends: log in while the old one still works.
            self.token = renewed
            no_longer = renewed.remaining(self.clock()) <= token.remaining(self.clock()) + 1
            if no_longer and renewed.lease < token.lease:
                self.log_in()

    def replace_lost_token(self) -> bool:
        """After a denial: log in again if the Vault no longer knows our token; whether we did.

        A denial may also mean a lost policy, one that let us look. So each further login in a row comes
        later than the one before, by up to a minute.
        """
        with self.lock:
            now = self.clock()
            if now < self._not_before or self._token_lives():
                return False
            calm = now > self._not_before + LONGEST_PAUSE
            self._pause = 1.0 if calm else min(self._pause * 2, LONGEST_PAUSE)
            self._not_before = now + self._pause
            self.log_in()
            return True

    def end(self) -> None:
        """End the token, if it was this process that logged in, and the connection."""
        with self.lock:
            token, mine = self.token, os.getpid()
            if self._connection and token and token.pid == mine and not token.given:
                with suppress(VaultError):  # then it ends by itself
                    self._connection.ask(
                        "the end of the token", lambda client: client.auth.token.revoke_self()
                    )
            self._connection, self.token = None, None

    @property
    def connected(self) -> bool:
        """Whether this very process has talked to the Vault."""
        return self._connection is not None and self._connection.pid == os.getpid()

    def after_fork(self) -> None:
        """A child: the parent's connection and lock are not ours."""
        self.lock = threading.RLock()
        self._connection, self._counted = None, 0

    def _token_lives(self) -> bool:
        try:
            self.connect().ask("the look-up of the token", lambda client: client.auth.token.lookup_self())
        except VaultError as failure:
            if failure.kind.passing:
                raise
            return False
        return True


def address(vault: Vault, environ: Mapping[str, str]) -> Address:
    """Where the Vault is: the configuration's word, else the standard `VAULT_*` variables'."""
    return Address(
        vault.address or environ.get("VAULT_ADDR", ""),
        vault.namespace or environ.get("VAULT_NAMESPACE", ""),
        vault.ca_file or environ.get("VAULT_CACERT", ""),
        vault.timeout,
    )


def configured(raw: Mapping[str, Any], environ: Mapping[str, str]) -> Vault | Diagnostic:
    """The `[vault]` table, which nothing but plain layers can give."""
    try:
        vault = Vault.model_validate(raw.get("vault", {}))
    except ValidationError:
        return Diagnostic(
            Kind.UNCONFIGURED.code,
            "vault",
            "no secret was read: the table [vault] is not valid",
            None,
            "correct what else is said of [vault]",
        )
    if vault.enabled and vault.address is None and not environ.get("VAULT_ADDR"):
        return Diagnostic(
            Kind.UNCONFIGURED.code,
            "vault.address",
            "no secret was read: vault.enabled is true, and there is no address",
            None,
            "set vault.address (FLUENTPRO_VAULT__ADDRESS), or VAULT_ADDR",
        )
    return vault
