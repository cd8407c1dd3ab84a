"""The verdict on the secret backend, by what is known of the Vault and of each lease."""

from __future__ import annotations

import pytest

from fluentpro.health.check import Status
from fluentpro.health.secret_backend import secret_backend
from fluentpro.schema.vault import Vault
from fluentpro.vault.documents import Document, Lease
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.reference import Location
from fluentpro.vault.secrets import Secrets

CREDENTIALS, DOCUMENT = Location("database", "creds/app"), Location("kv", "app")
SEALED = VaultError(Kind.SEALED, "the Vault is sealed")


@pytest.fixture
def secrets() -> Secrets:
    """A process that holds a document, and a credential from second 0 to second 60."""
    made = Secrets({}, answered_at=1000.0)
    made.session.adopt(Vault(enabled=True))
    lease = Lease("database/creds/app/1", 60.0, since=0.0, pid=1, renew_at=40.0)
    made.documents = {
        CREDENTIALS: Document(CREDENTIALS, {"username": "canary"}, lease=lease),
        DOCUMENT: Document(DOCUMENT, {"key": "canary"}, version=7),
    }
    return made


def test_where_no_vault_is_enabled_there_is_nothing_to_say() -> None:
    assert secret_backend(Secrets({})).status is Status.PASS


def test_a_vault_that_answers_passes_with_each_lease_and_version(secrets: Secrets) -> None:
    verdict = secret_backend(secrets, lambda: 10.0, lambda: 1002.0)
    assert (verdict.status, verdict.age) == (Status.PASS, 2.0)
    assert verdict.facts["leases"] == {"database/creds/app": 50.0}
    assert verdict.facts["versions"] == {"kv/app": "7"}
    assert verdict.facts["valid_until"] is None
    assert "canary" not in str(verdict)


def test_a_sealed_vault_is_a_warning_that_says_until_when(secrets: Secrets) -> None:
    secrets.problems[None] = SEALED
    verdict = secret_backend(secrets, lambda: 10.0, lambda: 1000.0)
    assert verdict.ready is Status.WARN
    assert (verdict.facts["sealed"], verdict.facts["reachable"]) == (True, False)
    assert verdict.facts["valid_until"] == "1970-01-01T00:17:30+00:00"


def test_a_lease_that_has_ended_is_a_failure(secrets: Secrets) -> None:
    secrets.problems[None] = SEALED
    verdict = secret_backend(secrets, lambda: 60.0)
    assert verdict.ready is Status.FAIL
    assert verdict.text.startswith("expired: database/creds/app")


def test_a_denial_is_a_warning_and_the_vault_is_reachable(secrets: Secrets) -> None:
    secrets.problems[CREDENTIALS] = VaultError(Kind.DENIED, "Vault denied the read")
    verdict = secret_backend(secrets, lambda: 10.0, lambda: 1000.0)
    assert verdict.ready is Status.WARN
    assert verdict.facts["reachable"] is True
    assert verdict.facts["valid_until"] is not None


def test_a_credential_that_was_not_accepted_is_a_warning(secrets: Secrets) -> None:
    secrets.refused = frozenset({CREDENTIALS})
    verdict = secret_backend(secrets, lambda: 10.0)
    assert verdict.status is Status.WARN
    assert "not accepted: what is newest at database/creds/app" in verdict.text
