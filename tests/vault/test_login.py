"""Logging in: each method against the real server, and what each refusal tells whoever reads it."""

from __future__ import annotations

from uuid import uuid4

import pytest
from pydantic import SecretStr

from fluentpro.schema.vault import Vault
from fluentpro.vault.connection import Address, Connection
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.login import Login, due
from tests.vault.conftest import ROOT, Bao, Rude, reply


def connection(bao: Bao) -> Connection:
    return Connection(Address(bao.url))


def refused(bao: Bao, vault: Vault, environ_token: str = "") -> VaultError:
    with pytest.raises(VaultError) as caught:
        Login(vault, environ_token).log_in(connection(bao))
    return caught.value


@pytest.fixture
def approle(bao: Bao) -> tuple[str, str]:
    """An AppRole mount of the test's own, and a role in it."""
    mount = f"approle-{uuid4().hex[:8]}"
    bao.root.sys.enable_auth_method("approle", path=mount)
    bao.root.auth.approle.create_or_update_approle("web", token_ttl="1h", mount_point=mount)
    return mount, bao.root.auth.approle.read_role_id("web", mount_point=mount)["data"]["role_id"]


def app(approle: tuple[str, str], secret_id: str, *, wrapped: bool = False) -> Vault:
    mount, role_id = approle
    return Vault(
        enabled=True,
        auth_method="approle",
        auth_mount=mount,
        role_id=role_id,
        secret_id=SecretStr(secret_id),
        secret_id_wrapped=wrapped,
    )


def secret_id(bao: Bao, approle: tuple[str, str], **options: object) -> str:
    answer = bao.root.auth.approle.generate_secret_id("web", mount_point=approle[0], **options)
    return str((answer.get("data") or {}).get("secret_id") or answer["wrap_info"]["token"])


def test_a_token_of_the_configuration_is_looked_up_and_used(bao: Bao) -> None:
    line = connection(bao)
    token = Login(Vault(token=SecretStr(ROOT))).log_in(line)
    assert (line.token, token.given, token.remaining(token.since + 1e9)) == (ROOT, True, float("inf"))


def test_the_environments_token_serves_where_the_configuration_has_none(bao: Bao) -> None:
    assert Login(Vault(), ROOT).log_in(connection(bao)).text == ROOT


def test_no_token_at_all_says_where_to_set_one(bao: Bao) -> None:
    error = refused(bao, Vault())
    assert error.kind is Kind.UNCONFIGURED
    assert "VAULT_TOKEN" in error.fix


def test_a_token_that_vault_does_not_know_is_refused(bao: Bao) -> None:
    error = refused(bao, Vault(), "s.unknown")
    assert error.kind is Kind.LOGIN
    assert "s.unknown" not in f"{error} {error.fix}"


def test_an_approle_logs_in_and_renews(bao: Bao, approle: tuple[str, str]) -> None:
    line, login = connection(bao), Login(app(approle, secret_id(bao, approle)))
    token = login.log_in(line)
    assert token.lease == 3600
    assert token.renewable
    assert not token.given
    renewed = login.renew(line, token)
    assert renewed.text == token.text
    assert renewed.since >= token.since


def test_a_wrong_secret_id_tells_how_to_make_a_new_one(bao: Bao, approle: tuple[str, str]) -> None:
    error = refused(bao, app(approle, "no-such-id"))
    assert error.kind is Kind.SPENT
    assert "secret-id" in error.fix
    assert "no-such-id" not in f"{error} {error.fix}"


def test_a_secret_id_that_is_used_up_is_refused(bao: Bao, approle: tuple[str, str]) -> None:
    once = _limited(bao, approle)
    Login(app(approle, once)).log_in(connection(bao))
    assert refused(bao, app(approle, once)).kind is Kind.SPENT


def _limited(bao: Bao, approle: tuple[str, str]) -> str:
    bao.root.auth.approle.create_or_update_approle("web", secret_id_num_uses=1, mount_point=approle[0])
    return secret_id(bao, approle)


def test_a_wrapped_secret_id_is_unwrapped_once_and_kept(bao: Bao, approle: tuple[str, str]) -> None:
    wrapping = secret_id(bao, approle, wrap_ttl="60s")
    login = Login(app(approle, wrapping, wrapped=True))
    first = login.log_in(connection(bao))
    second = login.log_in(connection(bao))
    assert first.text != second.text


def test_a_wrapping_token_that_somebody_used_is_an_alarm(bao: Bao, approle: tuple[str, str]) -> None:
    wrapping = secret_id(bao, approle, wrap_ttl="60s")
    Login(app(approle, wrapping, wrapped=True)).log_in(connection(bao))
    error = refused(bao, app(approle, wrapping, wrapped=True))
    assert error.kind is Kind.SPENT
    assert "somebody else" in error.fix


def test_approle_without_a_role_id_says_so(bao: Bao) -> None:
    assert refused(bao, Vault(auth_method="approle")).kind is Kind.UNCONFIGURED


def test_a_jwt_file_that_is_not_there_says_so(bao: Bao) -> None:
    error = refused(bao, Vault(auth_method="kubernetes", jwt_file="/no/such/file"))
    assert error.kind is Kind.UNCONFIGURED
    assert "/no/such/file" in error.message


def test_a_login_without_a_token_in_its_answer_is_not_from_a_vault(rude: Rude) -> None:
    rude.answer = lambda handler: reply(handler, 200, b"{}")
    vault = Vault(auth_method="approle", role_id="role", secret_id=SecretStr("id"))
    with pytest.raises(VaultError) as caught:
        Login(vault).log_in(Connection(Address(rude.url)))
    assert caught.value.kind is Kind.STRANGER


def test_a_life_is_renewed_before_two_thirds_of_it_and_not_all_at_once() -> None:
    times = {due(100, 60) for _ in range(50)}
    assert all(100 + 60 * (2 / 3 - 0.1) <= time <= 140 for time in times)
    assert len(times) > 1
    assert due(100, 0) == float("inf")
