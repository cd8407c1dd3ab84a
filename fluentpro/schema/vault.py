"""The secret backend: Vault or OpenBao."""

from __future__ import annotations

from functools import partial
from typing import Literal

from fluentpro.config.fields import Effect, Table
from fluentpro.config.fields import setting as any_setting
from fluentpro.schema.types import Name, Seconds, Secret, ServiceUrl

setting = partial(any_setting, effect=Effect.RESTART)


class Vault(Table):
    """Where references to secrets are resolved; its own credentials can't come from itself."""

    enabled: bool = setting(False, meaning="Resolve references to secrets (`@vault ...`) at a Vault.")
    address: ServiceUrl | None = setting(
        None, meaning="The address of the Vault; VAULT_ADDR where this is not set."
    )
    namespace: Name | None = setting(None, meaning="The namespace inside the Vault, where it has any.")
    auth_method: Literal["token", "approle", "kubernetes", "jwt"] = setting(
        "token", meaning="How this service proves who it is."
    )
    auth_mount: Name | None = setting(
        None, meaning="Where the login method is mounted, if not under its own name."
    )
    role: Name = setting("fluentpro", meaning="The role to log in as, with kubernetes and jwt.", own=True)
    role_id: Name | None = setting(None, meaning="The role id, with approle.", own=True)
    secret_id: Secret | None = setting(
        None,
        meaning="The secret id, with approle; a new one is for the next login.",
        effect=Effect.REBIND,
        own=True,
    )
    secret_id_wrapped: bool = setting(
        False, meaning="The secret id is a wrapping token, which is unwrapped once, at the start.", own=True
    )
    token: Secret | None = setting(
        None,
        meaning="The token, with token; VAULT_TOKEN where this is not set. A new one is for the next login.",
        effect=Effect.REBIND,
        own=True,
    )
    jwt_file: Name = setting(
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        meaning="The file that holds this service's own JWT, with kubernetes and jwt.",
    )
    ca_file: Name | None = setting(
        None, meaning="The file with the certificate authority of the Vault, if it is not a public one."
    )
    timeout: Seconds = setting(5.0, meaning="How long one request may take, all in all.", unit="s")
    startup_wait: Seconds = setting(
        30.0, meaning="How long a starting process waits for a Vault that does not answer.", unit="s"
    )
    drain_delay: Seconds = setting(
        30.0,
        meaning="How long a replaced credential stays valid, at most, for the requests that still use it.",
        unit="s",
    )
    poll_interval: float = setting(
        1.0,
        meaning="How often the service asks for newer versions of its secrets; the processes of a fleet "
        "take turns.",
        unit="s",
        ge=0.05,
        le=3600,
    )
    poll_interval_alone: float = setting(
        10.0,
        meaning="How often a process asks that belongs to a fleet and can't reach it.",
        unit="s",
        ge=0.05,
        le=3600,
    )
