"""Keeping secrets current: what rotates, ends, is revoked or denied while the process runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import SecretStr

from fluentpro.config.layers import Sources
from fluentpro.config.store import Outcome, Result, Store
from fluentpro.config.validate import Validator
from fluentpro.vault.errors import Kind
from fluentpro.vault.keeper import Keeper
from fluentpro.vault.reference import Location
from fluentpro.vault.secrets import Secrets
from tests.support.waiting import eventually, throughout
from tests.vault.conftest import ROOT, Bao
from tests.vault.test_secrets import Config

POLL = 0.05


@dataclass
class Process:
    """A process that follows a Vault."""

    bao: Bao
    mount: str
    root: Path
    secrets: Secrets
    store: Store[Config]
    keeper: Keeper
    outcomes: list[Outcome[Config]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return self.store.snapshot.config.app.key.get_secret_value()

    def acknowledge(self, outcome: Outcome[Config]) -> None:
        self.outcomes.append(outcome)
        self.keeper.acknowledge(outcome)


def run(bao: Bao, root: Path, token: str = ROOT, extra: str = "", mount: str = "") -> Process:
    mount = mount or bao.mount()
    bao.put(mount, "app", key="first")
    (root / "settings").mkdir()
    (root / "settings/development.toml").write_text("# nothing here\n")
    (root / "settings.toml").write_text(
        f'[vault]\nenabled = true\npoll_interval = {POLL}\n{extra}\n[app]\nkey = "@vault {mount}/app#key"\n'
    )
    environ = {"VAULT_ADDR": bao.url, "VAULT_TOKEN": token}
    secrets = Secrets(environ, progress=lambda _text: None)
    sources = Sources(root, environ, Config, ("development",), frozenset(), secrets)
    store = Store(sources.load, Validator(Config).validate)
    keeper = Keeper(secrets, lambda: store.reload("secret"), drain=lambda: 0.1)
    process = Process(bao, mount, root, secrets, store, keeper)
    keeper.warn = lambda event, cause: process.warnings.append(f"{event} {cause}")
    store.acknowledge.append(process.acknowledge)
    store.start()
    secrets.commit()
    keeper.start()
    return process


@pytest.fixture
def process(bao: Bao, tmp_path: Path) -> Iterator[Process]:
    made = run(bao, tmp_path)
    yield made
    made.keeper.stop()


@pytest.fixture
def own(own_bao: Bao, tmp_path: Path) -> Iterator[Process]:
    made = run(own_bao, tmp_path)
    yield made
    made.keeper.stop()


def test_a_new_version_is_noticed_and_applied(process: Process) -> None:
    process.bao.put(process.mount, "app", key="second")
    eventually(lambda: process.key == "second", within=3)
    assert [outcome.result for outcome in process.outcomes] == [Result.APPLIED]


def test_nothing_new_reloads_nothing(process: Process) -> None:
    before = process.secrets.connect().requests
    eventually(lambda: process.secrets.connect().requests > before + 5, within=3)
    assert process.outcomes == []


@pytest.mark.parametrize(("due_in", "then"), [(30.0, 600.0), (-1.0, -1.0)])
def test_a_turn_that_moves_leaves_its_old_moment_and_a_look_that_is_due_is_not_put_off(
    process: Process, due_in: float, then: float
) -> None:
    """Else each process that joins a fleet would cost the Vault a look by every other."""
    keeper = process.keeper
    keeper.stop()
    keeper.clock, keeper.pace = (lambda: 1000.0), (lambda _interval: 600.0)
    keeper._next_poll = 1000.0 + due_in

    keeper.repace()

    assert keeper._next_poll == 1000.0 + then


def test_a_deleted_secret_is_refused_and_the_old_value_serves_on(process: Process) -> None:
    kv = process.bao.root.secrets.kv.v2
    kv.delete_latest_version_of_secret("app", mount_point=process.mount)
    eventually(lambda: process.store.status.error is not None, within=3)
    assert process.key == "first"
    kv.undelete_secret_versions("app", [1], mount_point=process.mount)
    eventually(lambda: process.store.status.error is None, within=5)


def test_a_secret_that_is_written_later_is_found(bao: Bao, tmp_path: Path) -> None:
    mount = bao.mount()
    process = run(bao, tmp_path, extra="", mount=mount)
    try:
        text = (tmp_path / "settings.toml").read_text()
        (tmp_path / "settings.toml").write_text(f'{text}token = "@vault {mount}/later#token"\n')
        process.store.reload("file")
        assert process.store.snapshot.config.app.token is None
        bao.put(mount, "later", token="here now")
        eventually(lambda: process.store.snapshot.config.app.token == SecretStr("here now"), within=5)
    finally:
        process.keeper.stop()


def test_a_sealed_vault_is_told_once_and_heals_by_itself(own: Process) -> None:
    own.bao.root.sys.seal()
    eventually(lambda: None in own.secrets.problems, within=5)
    assert own.secrets.problems[None].kind is Kind.SEALED
    assert own.key == "first"
    told = len(own.warnings)
    throughout(lambda: len(own.warnings) == told, seconds=0.5)
    assert own.outcomes == []


def test_a_policy_that_is_taken_away_keeps_the_values_and_asks_ever_more_rarely(
    bao: Bao, tmp_path: Path
) -> None:
    mount = bao.mount()
    look_up = 'path "auth/token/lookup-self" { capabilities = ["read"] }'
    policy = bao.policy(f'path "{mount}/*" {{ capabilities = ["read"] }}\n{look_up}')
    token = str(bao.root.auth.token.create(policies=[policy])["auth"]["client_token"])
    process = run(bao, tmp_path, token, mount=mount)
    try:
        bao.root.sys.create_or_update_policy(
            policy, 'path "auth/token/lookup-self" { capabilities = ["read"] }'
        )
        place = Location(mount, "app")
        eventually(lambda: place in process.secrets.problems, within=5)
        assert process.secrets.problems[place].kind is Kind.DENIED
        assert "capabilities" in process.secrets.problems[place].fix
        assert process.key == "first"
        before = process.secrets.connect().requests
        throughout(lambda: process.secrets.connect().requests - before < 15, seconds=1)
        assert [warning for warning in process.warnings if "denied" in warning.lower()] == process.warnings[
            :1
        ]
    finally:
        process.keeper.stop()


def test_the_thread_ends_when_it_is_told_to(process: Process) -> None:
    assert any(thread.name == "vault-keeper" for thread in threading.enumerate())
    process.keeper.stop()
    assert not any(thread.name == "vault-keeper" for thread in threading.enumerate())


def test_a_reload_that_raises_does_not_end_the_keeper(process: Process) -> None:
    original, failed = process.keeper.reload, []

    def raising() -> object:
        if not failed:
            failed.append(True)
            raise ValueError("canary")
        return original()

    process.keeper.reload = raising
    process.bao.put(process.mount, "app", key="second")
    eventually(lambda: process.key == "second", within=5)
    assert any("keeper_failed ValueError" in warning for warning in process.warnings)
    assert not any("canary" in warning for warning in process.warnings)


def short_lived(bao: Bao, mount: str, **lives: str) -> str:
    """The settings of a process that logs in by an AppRole with such tokens."""
    rules = bao.policy(f'path "{mount}/*" {{ capabilities = ["read"] }}')
    approle, at = bao.root.auth.approle, f"app-{mount}"
    bao.root.sys.enable_auth_method("approle", path=at)
    approle.create_or_update_approle("web", token_policies=[rules], mount_point=at, **lives)
    role = approle.read_role_id("web", mount_point=at)["data"]["role_id"]
    secret = approle.generate_secret_id("web", mount_point=at)["data"]["secret_id"]
    return f'auth_method = "approle"\nauth_mount = "{at}"\nrole_id = "{role}"\nsecret_id = "{secret}"'


def test_a_revoked_token_is_replaced_by_one_new_login(bao: Bao, tmp_path: Path) -> None:
    mount = bao.mount()
    extra = short_lived(bao, mount, token_ttl="1h")
    process = run(bao, tmp_path, "", extra, mount)
    try:
        first = process.secrets.token
        assert first
        bao.root.auth.token.revoke(first.text)
        eventually(lambda: process.secrets.token and process.secrets.token.text != first.text, within=5)
        bao.put(mount, "app", key="after the revocation")
        eventually(lambda: process.key == "after the revocation", within=5)
    finally:
        process.keeper.stop()


def test_a_token_at_its_longest_life_is_replaced_before_it_ends(bao: Bao, tmp_path: Path) -> None:
    mount = bao.mount()
    extra = short_lived(bao, mount, token_ttl="2s", token_max_ttl="3s")
    process = run(bao, tmp_path, "", extra, mount)
    try:
        first = process.secrets.token
        assert first
        eventually(lambda: process.secrets.token and process.secrets.token.text != first.text, within=6)
        assert process.warnings == []  # it never failed: the new one came while the old one lived
    finally:
        process.keeper.stop()


def test_what_nothing_refers_to_any_more_is_forgotten(process: Process) -> None:
    place = Location(process.mount, "app")
    assert place in process.secrets.documents
    text = (process.root / "settings.toml").read_text().partition("[app]")[0]
    (process.root / "settings.toml").write_text(f'{text}[app]\nkey = "plain"\n')
    process.store.reload("file")
    assert process.key == "plain"
    assert process.secrets.known() == ()
    assert process.secrets.stale == set()


def test_a_vault_that_is_down_is_told_once_and_asked_ever_more_rarely(own: Process) -> None:
    """Between two tries nothing was heard, and so nothing has become better."""
    own.bao.root.sys.seal()
    eventually(lambda: None in own.secrets.problems, within=5)
    before = own.secrets.connect().requests
    throughout(lambda: None in own.secrets.problems, seconds=1)
    assert own.secrets.connect().requests - before < 10
    assert len([warning for warning in own.warnings if "sealed" in warning]) == 1


def test_a_secret_that_nobody_wrote_is_no_problem_once_it_may_be_asked_for_again(
    bao: Bao, tmp_path: Path
) -> None:
    mount = bao.mount()
    allowed = f'path "{mount}/*" {{ capabilities = ["read"] }}'
    policy = bao.policy(allowed)
    token = str(bao.root.auth.token.create(policies=[policy])["auth"]["client_token"])
    process = run(bao, tmp_path, token, mount=mount)
    try:
        text = (tmp_path / "settings.toml").read_text()
        (tmp_path / "settings.toml").write_text(f'{text}token = "@vault {mount}/later#token"\n')
        process.store.reload("file")
        bao.root.sys.create_or_update_policy(policy, 'path "nothing" { capabilities = ["read"] }')
        eventually(lambda: Location(mount, "later") in process.secrets.problems, within=5)
        bao.root.sys.create_or_update_policy(policy, allowed)
        eventually(lambda: process.secrets.problems == {}, within=10)
    finally:
        process.keeper.stop()


def test_a_master_that_is_told_twice_in_a_moment_has_the_second_as_well(process: Process) -> None:
    """Nobody tells it a third time: it asks whenever it is told, not only now and then."""
    process.keeper.stop()
    process.bao.put(process.mount, "app", key="second")
    process.keeper.catch_up(credentials=False)
    process.bao.put(process.mount, "app", key="third")
    process.keeper.catch_up(credentials=False)
    assert process.key == "third"
