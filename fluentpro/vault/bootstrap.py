"""Making a Vault fit for FluentPro: what is missing is made, what differs changed, the rest left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import hvac
import requests
from hvac import exceptions

from fluentpro.config.diagnostics import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE
from fluentpro.vault.plan import MOUNT, Generated, Item, Plan

TIMEOUT: Final = 30.0
"""Seconds that one request may take: Vault tries a database before it answers."""
UPGRADE: Final = 10.0
"""Seconds that a new key-value store may take until it answers."""
LOOK: Final = 0.05


class State(StrEnum):
    """What became of one item, or would."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    WOULD_CREATE = "would create"
    WOULD_CHANGE = "would change"


@dataclass(frozen=True, slots=True)
class Step:
    """One item and what became of it. Holds no value of a secret."""

    state: State
    subject: str

    def __str__(self) -> str:
        return f"{self.state:<12}  {self.subject}"


@dataclass(eq=False)
class BootstrapError(Exception):
    """The Vault could not be made fit. What was done until then stays, and is found done the next time."""

    message: str
    fix: str = ""
    exit_status: int = EX_UNAVAILABLE

    def __str__(self) -> str:
        return f"{self.message}\n        fix: {self.fix}" if self.fix else self.message


def connect(address: str, token: str, *, namespace: str = "", ca_file: str = "") -> hvac.Client:
    """A client for one task of an operator. Nothing is asked yet."""
    session = requests.Session()
    session.trust_env = False  # a proxy from the environment has no business with secrets
    session.verify = ca_file or True
    return hvac.Client(
        url=address, token=token, namespace=namespace or None, timeout=int(TIMEOUT), session=session
    )


def bootstrap(client: hvac.Client, plan: Plan, *, dry_run: bool = False) -> Iterator[Step]:
    """Bring the Vault to the plan, one step at a time; with `dry_run` only tell what would be done.

    Raises a `BootstrapError` that names the item which could not be read or made.
    """
    for item in plan.items:
        with _explained(item.subject):
            state = _settle(client, item, dry_run=dry_run)
        yield Step(state, item.subject)
    for secret in plan.generated:
        subject = f"secret {MOUNT}/{secret.path} ({', '.join(secret.make)})"
        with _explained(subject):
            state = _generate(client, secret, dry_run=dry_run)
        yield Step(state, subject)


def credentials(client: hvac.Client, role: str, secret_id: str = "") -> tuple[str, str]:
    """A role's id and a secret id for it: the one given, if Vault still knows it, else a new one."""
    with _explained(f"role {role}"):
        role_id = client.auth.approle.read_role_id(role)["data"]["role_id"]
        if secret_id:
            answer = client.auth.approle.read_secret_id(role, secret_id)
            if isinstance(answer, dict) and answer.get("data"):
                return str(role_id), secret_id
        made = client.auth.approle.generate_secret_id(role)["data"]["secret_id"]
    return str(role_id), str(made)


def value(client: hvac.Client, path: str, key: str) -> str | None:
    """The newest value of a secret below `kv`; None if there is none."""
    with _explained(f"secret {MOUNT}/{path}"):
        found = (_document(client, path).get("data") or {}).get(key)
    return None if found is None else str(found)


def _settle(client: hvac.Client, item: Item, *, dry_run: bool) -> State:
    found = None if item.anew else _read(client, item.path)
    if found is not None and _holds(found, item.wanted):
        return State.UNCHANGED
    if found is not None and item.fixed:
        message = f"{item.subject} is there, and is not what FluentPro needs: {_told(item.wanted)}"
        raise BootstrapError(message, "use another Vault or namespace, or move what is there", EX_CONFIG)
    if dry_run:
        return State.WOULD_CREATE if found is None else State.WOULD_CHANGE
    written = dict(item.written()) if found is None else {}
    _write(client, item, _body(item) | written, hidden=written)
    if found is not None:
        return State.CHANGED
    if item.then:
        client.write_data(item.then, data={})
    return State.CREATED


def _write(client: hvac.Client, item: Item, body: Mapping[str, Any], hidden: Mapping[str, Any]) -> None:
    try:
        client.write_data(item.path, data=dict(body))
    except exceptions.InvalidRequest as error:
        said = "; ".join(str(text) for text in error.errors or ())
        for value in hidden.values():
            said = said.replace(str(value), "[hidden]")
        raise BootstrapError(f"Vault refused the {item.subject}: {said}", "", EX_CONFIG) from None


def _generate(client: hvac.Client, secret: Generated, *, dry_run: bool) -> State:
    """Add the missing values with check-and-set. A secret that somebody deleted stays deleted."""
    found = _document(client, secret.path)
    version, values = found.get("metadata", {}).get("version", 0), found.get("data") or {}
    missing = secret.make.keys() - values.keys()
    if not missing or (version and not values):
        return State.UNCHANGED
    if dry_run:
        return State.WOULD_CHANGE if version else State.WOULD_CREATE
    body = {
        "data": values | {key: secret.make[key]() for key in missing},
        "options": {"cas": version},
    }
    client.write_data(f"{MOUNT}/data/{secret.path}", data=body)
    return State.CHANGED if version else State.CREATED


def _read(client: hvac.Client, path: str) -> Mapping[str, Any] | None:
    """What is at a path; None if nothing is. Vault says 400 of a mount that is not there."""
    try:
        answer = client.read(path)
    except exceptions.InvalidRequest:
        if path.startswith(("sys/mounts/", "sys/auth/")):
            return None
        raise
    found = answer.get("data") if isinstance(answer, dict) else None
    return found if isinstance(found, dict) else None


def _document(client: hvac.Client, path: str) -> dict[str, Any]:
    """The newest version of a secret with its metadata; empty if there was never one."""
    until = time.monotonic() + UPGRADE
    while True:
        try:
            return _answered(client, path)
        except exceptions.InvalidRequest:  # a new store can be busy for a moment ("Upgrading from ...")
            if time.monotonic() > until:
                raise
        time.sleep(LOOK)


def _answered(client: hvac.Client, path: str) -> dict[str, Any]:
    try:
        answer = client.secrets.kv.v2.read_secret_version(
            path, mount_point=MOUNT, raise_on_deleted_version=False
        )
    except exceptions.InvalidPath:
        return {}
    return dict(answer["data"])


def _body(item: Item) -> dict[str, Any]:
    """What to write: nested details stand at the top in a write."""
    body = {key: value for key, value in item.wanted.items() if not isinstance(value, Mapping)}
    for key, value in item.wanted.items():
        if isinstance(value, Mapping):
            body |= {key: value} if key == "options" else value
    return body


def _holds(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether what is there has all that is wanted; it may have more."""
    return all(_same(found.get(key), value) for key, value in wanted.items())


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and _holds(found, wanted)
    if isinstance(wanted, str) and isinstance(found, str):
        return found.strip() == wanted.strip()
    if isinstance(wanted, list):
        return [str(item).strip() for item in found or ()] == [str(item).strip() for item in wanted]
    return bool(found == wanted)


def _told(wanted: Mapping[str, Any]) -> str:
    options = wanted.get("options") or {}
    return f"{wanted['type']}{''.join(f' {key} {value}' for key, value in options.items())}"


@contextmanager
def _explained(subject: str) -> Iterator[None]:
    """Turn a failure into one that can be shown: an answer's text could hold what was written."""
    try:
        yield
    except exceptions.Forbidden:
        fix = "use a token that may administer this Vault (VAULT_TOKEN): it writes policies, roles and mounts"
        raise BootstrapError(f"Vault denied access to the {subject}", fix, EX_NOPERM) from None
    except exceptions.VaultDown:
        fix = "unseal it: bao operator unseal"
        raise BootstrapError("the Vault is sealed or not ready", fix) from None
    except exceptions.VaultError as error:
        message = f"Vault refused the {subject}: {type(error).__name__}"
        raise BootstrapError(message, "the Vault's own log says why", EX_CONFIG) from None
    except requests.RequestException as error:
        fix = "is VAULT_ADDR right, and does the Vault run?"
        raise BootstrapError(f"no answer from the Vault: {type(error).__name__}", fix) from None
