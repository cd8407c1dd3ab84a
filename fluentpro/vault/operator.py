"""A person at the command line, who may do what the service itself may not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from fluentpro.schema.vault import Vault
from fluentpro.vault.connection import Connection
from fluentpro.vault.login import Login
from fluentpro.vault.session import address


@dataclass(slots=True)
class Operator:
    """Logs in with the operator's own token (`VAULT_TOKEN`), else by `login`, else as the service."""

    vault: Vault
    environ: Mapping[str, str]
    login: Mapping[str, object] = field(default_factory=dict, repr=False)
    """The role and the secret id of an operator, where the local stack has made one."""
    _connection: Connection | None = None

    def connect(self) -> Connection:
        """A connection, logged in; a `VaultError` where that can't be."""
        if self._connection is None:
            vault = self.vault.model_copy(update=self.login)
            if token := self.environ.get("VAULT_TOKEN"):
                vault = vault.model_copy(update={"auth_method": "token", "token": SecretStr(token)})
            connection = Connection(address(vault, self.environ))
            Login(vault).log_in(connection)
            self._connection = connection
        return self._connection
