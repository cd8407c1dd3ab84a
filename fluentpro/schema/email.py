"""Outgoing e-mail."""

from __future__ import annotations

from typing import Literal

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import HostName, MailAddress, Name, Port, Seconds, Secret


class Email(Table):
    """How mail leaves; every message opens its own connection, so a change is used by the next one."""

    backend: Literal["console", "smtp", "memory"] = setting(
        "console",
        meaning='Where mail goes: "smtp" sends it, "console" prints it, "memory" keeps it for a test.',
    )
    host: HostName = setting("localhost", meaning="The host of the mail server.")
    port: Port = setting(25, meaning="The TCP port of the mail server: 587 for STARTTLS, 465 for TLS.")
    user: Name | None = setting(None, meaning="The user to sign in as; without one, no sign-in.")
    password: Secret | None = setting(None, meaning="The password of that user.")
    use_tls: bool = setting(False, meaning="Start plain and switch to TLS (STARTTLS).")
    use_ssl: bool = setting(False, meaning="Speak TLS from the first byte.")
    timeout: Seconds = setting(10.0, meaning="How long to wait for the mail server.", unit="s")
    from_address: MailAddress = setting(
        "FluentPro <noreply@fluentpro.com>",
        meaning="The sender of mail that names no other.",
    )
