"""What a running process takes of a changed `[vault]`, and what a fork takes of its parent's session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fluentpro.schema.vault import Vault
from fluentpro.vault.session import Session, configured
from tests.vault.conftest import ROOT, Bao, Rude, reply
from tests.vault.test_keeper import Process, run


@pytest.fixture
def session(bao: Bao) -> Session:
    """Logged in with the token of the configuration."""
    made = Session({})
    made.adopt(vault(bao.url))
    made.connect()
    return made


def vault(url: str, token: str = ROOT, **others: object) -> Vault:
    return Vault.model_validate({"enabled": True, "address": url, "token": SecretStr(token), **others})


def test_before_it_is_settled_another_vault_is_another_session(session: Session, bao: Bao) -> None:
    first = session.connect()
    session.adopt(vault(bao.url, timeout=3.0))
    assert session.token is None
    assert session.connect() is not first
    assert session.connect().address.timeout == 3.0


def test_once_it_is_settled_only_credentials_are_taken_for_the_next_login(session: Session, bao: Bao) -> None:
    first, session.settled = session.connect(), True
    other = bao.token('path "kv/*" { capabilities = ["read"] }')
    session.adopt(vault("http://127.0.0.1:1", other, timeout=3.0))
    assert session.connect() is first
    assert (session.vault.address, session.vault.timeout) == (bao.url, 5.0)
    assert first.token == ROOT
    session.log_in()
    assert first.token == other


def test_a_new_token_that_is_wrong_leaves_the_old_one_in_use(session: Session, bao: Bao) -> None:
    session.settle()
    session.adopt(vault(bao.url, "s.unknown"))
    with pytest.raises(Exception, match="CFG306"):
        session.log_in()
    assert session.connect().token == ROOT


def test_whoever_depends_on_the_token_is_told_of_another(session: Session, bao: Bao) -> None:
    told: list[str] = []
    session.replaced = lambda: told.append("replaced")
    session.log_in()
    assert told == [], "a given token is the same one again"
    session.adopt(vault(bao.url, bao.token('path "kv/*" { capabilities = ["read"] }')))
    session.connect()
    session.settle()
    session.adopt(vault(bao.url))
    session.log_in()
    assert told == ["replaced"]


def test_an_end_gives_back_no_token_that_was_given_to_us(session: Session) -> None:
    session.end()
    assert not session.connected
    assert session.connect().token == ROOT


def test_a_table_without_an_address_is_told_where_to_give_one() -> None:
    found = configured({"vault": {"enabled": True}}, {})
    assert not isinstance(found, Vault)
    assert found.key == "vault.address"


@pytest.fixture
def process(bao: Bao, tmp_path: Path) -> Iterator[Process]:
    made = run(bao, tmp_path)
    yield made
    made.keeper.stop()


def test_a_file_that_disables_the_vault_changes_nothing_that_is_resolved(process: Process) -> None:
    text = (process.root / "settings.toml").read_text()
    (process.root / "settings.toml").write_text(text.replace("enabled = true", "enabled = false"))
    process.store.reload("file")
    assert process.key == "first"
    assert process.secrets.vault.enabled
    assert process.store.status.pending_restart == ("vault.enabled",)


def test_a_master_leaves_a_vault_alone_that_asks_for_it(process: Process, rude: Rude) -> None:
    """It asks only when it is told of a change, and also then no sooner than it may."""
    process.keeper.stop()
    rude.answer = lambda handler: reply(handler, 429, b"{}", Retry_After="3600")
    process.secrets.session.settled = False
    process.secrets.session.adopt(vault(rude.url, timeout=0.5))
    process.keeper.catch_up()
    asked = len(rude.asked)
    assert asked
    process.keeper.catch_up()
    assert len(rude.asked) == asked
