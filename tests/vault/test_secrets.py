"""References of a configuration, resolved at a real OpenBao."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import Table, setting
from fluentpro.config.layers import Sources
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.validate import Validator
from fluentpro.schema.vault import Vault
from fluentpro.vault.errors import Kind
from fluentpro.vault.reference import Location
from fluentpro.vault.secrets import Secrets
from tests.vault.conftest import ROOT, Bao, free_port


class App(Table):
    """What the tests' service is told."""

    key: SecretStr = setting(meaning="A required secret.")
    old_keys: tuple[SecretStr, ...] = setting((), meaning="What it was before.")
    token: SecretStr | None = setting(None, meaning="An optional secret.")
    user: str = setting("nobody", meaning="Not secret, and kept with the secrets all the same.")
    port: int = setting(1, meaning="A number.")


class Config(Table):
    """The tests' own schema."""

    app: App
    vault: Vault = Vault()


@dataclass
class World:
    """A project of two files, and the secrets of a process over it."""

    root: Path
    environ: dict[str, str]
    secrets: Secrets

    def write(self, text: str) -> None:
        (self.root / "settings.toml").write_text(f"[vault]\nenabled = true\n{text}")

    def load(self) -> Snapshot[Config]:
        sources = Sources(self.root, self.environ, Config, ("development",), frozenset(), self.secrets)
        return Validator(Config).validate(sources.load())

    def refuse(self) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            self.load()
        return caught.value

    @property
    def requests(self) -> int:
        return self.secrets.connect().requests


def world(root: Path, bao: Bao, **environ: str) -> World:
    (root / "settings").mkdir()
    (root / "settings/development.toml").write_text("# nothing here\n")
    known = {"VAULT_ADDR": bao.url, "VAULT_TOKEN": ROOT} | environ
    return World(root, known, Secrets(known, remember=_hour, progress=lambda _text: None))


def _hour(_raw: Mapping[str, Any]) -> float:
    return 3600


@pytest.fixture
def made(tmp_path: Path, bao: Bao) -> World:
    return world(tmp_path, bao)


def text(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def test_a_reference_becomes_its_value_with_the_version_as_its_origin(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "development/app", key="first")
    bao.put(mount, "development/app", key="12345678")
    made.write(f'[app]\nkey = "@vault {mount}/{{env}}/app#key"')
    snapshot = made.load()
    assert text(snapshot.config.app.key) == "12345678"
    winner = snapshot.candidate.winner(("app", "key"))
    assert winner
    assert str(winner.origin) == f"vault {mount}/development/app#key@2"


@pytest.mark.parametrize(
    "value", ["12345678", "1e5", "true", "@format {this}", "@read_file /etc/passwd", "\u00e4 \U0001f511"]
)
def test_a_value_is_taken_as_it_is(made: World, bao: Bao, value: str) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key=value)
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    assert text(made.load().config.app.key) == value


def test_a_number_in_a_setting_that_wants_one_is_converted(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key=12345, port="5432", user="anna")
    made.write(
        f'[app]\nkey = "@vault {mount}/app#key"\n'
        f'port = "@vault {mount}/app#port"\nuser = "@vault {mount}/app#user"'
    )
    app = made.load().config.app
    assert (text(app.key), app.port, app.user) == ("12345", 5432, "anna")


def test_a_path_is_read_once_for_all_its_keys(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="k", token="t")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"\ntoken = "@vault {mount}/app#token"')
    before = made.requests if made.secrets.vault.enabled else 0
    made.load()
    assert made.requests - before == 2  # the token's look-up and one read


def test_what_was_read_is_not_read_again(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="k")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"\ntoken = "@vault {mount}/nothing#token"')
    made.load()
    made.secrets.commit()
    before = made.requests
    made.load()
    assert made.requests == before


def test_a_shadowed_reference_is_never_read(made: World, bao: Bao) -> None:
    mount = bao.mount()
    made.environ["FLUENTPRO_APP__KEY"] = "from the environment"
    made.write(f'[app]\nkey = "@vault {mount}/nothing#key"')
    snapshot = made.load()
    assert text(snapshot.config.app.key) == "from the environment"
    assert not snapshot.warnings


def test_previous_values_are_the_versions_before(made: World, bao: Bao) -> None:
    mount = bao.mount()
    for key in ("one", "two", "three"):
        bao.put(mount, "app", key=key)
    made.write(f'[app]\nkey = "@vault {mount}/app#key"\nold_keys = "@vault {mount}/app#key@previous"')
    app = made.load().config.app
    assert text(app.key) == "three"
    assert [text(old) for old in app.old_keys] == ["two", "one"]


def test_previous_values_end_with_their_age(tmp_path: Path, bao: Bao) -> None:
    made = world(tmp_path, bao)
    made.secrets.remember = lambda _raw: 1e-6
    mount = bao.mount()
    for key in ("one", "two"):
        bao.put(mount, "app", key=key)
    made.write(f'[app]\nkey = "@vault {mount}/app#key"\nold_keys = "@vault {mount}/app#key@previous"')
    assert made.load().config.app.old_keys == ()


def test_a_deleted_version_is_no_previous_value(made: World, bao: Bao) -> None:
    mount = bao.mount()
    for key in ("one", "two", "three"):
        bao.put(mount, "app", key=key)
    bao.root.secrets.kv.v2.delete_secret_versions("app", [2], mount_point=mount)
    made.write(f'[app]\nkey = "@vault {mount}/app#key"\nold_keys = "@vault {mount}/app#key@previous"')
    assert [text(old) for old in made.load().config.app.old_keys] == ["one"]


def test_a_missing_path_stops_what_needs_it(made: World, bao: Bao) -> None:
    mount = bao.mount()
    made.write(f'[app]\nkey = "@vault {mount}/nothing#key"')
    error = made.refuse()
    assert [item.code for item in error.findings] == ["CFG304"]
    assert f"bao kv put -mount={mount} nothing" in str(error)
    assert error.exit_status == 78


def test_a_missing_path_leaves_unset_what_can_do_without(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="k")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"\ntoken = "@vault {mount}/nothing#token"')
    snapshot = made.load()
    assert (snapshot.config.app.token, snapshot.warnings) == (None, ())


def test_a_missing_key_is_named(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", other="x")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    assert "has no key key" in str(made.refuse())


def test_a_deleted_secret_has_a_message_of_its_own(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="k")
    bao.root.secrets.kv.v2.delete_latest_version_of_secret("app", mount_point=mount)
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    error = made.refuse()
    assert [item.code for item in error.findings] == ["CFG305"]
    assert "undelete" in str(error)


@pytest.mark.parametrize("value", [{"a": 1}, True, 1.5, None, [1, 2]])
def test_what_is_not_a_text_is_refused_without_being_shown(made: World, bao: Bao, value: object) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key=value)
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    assert [item.code for item in made.refuse().findings] == ["CFG312"]


@pytest.mark.parametrize(
    "reference", ["@vault nonsense", "@vault kv/app", "@vault kv#key", "@vault kv/app#a#b", "@vault "]
)
def test_a_malformed_reference_shows_the_form(made: World, reference: str) -> None:
    made.write(f'[app]\nkey = "{reference}"')
    error = made.refuse()
    assert "CFG311" in [item.code for item in error.findings]
    assert "@vault <mount>/<path>#<key>" in str(error)


def test_a_denied_read_comes_with_the_policy_it_lacks(tmp_path: Path, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="k")
    made = world(tmp_path, bao, VAULT_TOKEN=bao.token('path "auth/token/*" { capabilities = ["read"] }'))
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    error = made.refuse()
    assert f'path "{mount}/data/app" {{ capabilities = ["read"] }}' in str(error)
    assert error.exit_status == 77


def test_a_vault_that_is_down_is_said_once_for_all_that_wait_for_it(tmp_path: Path, bao: Bao) -> None:
    made = world(tmp_path, bao, VAULT_ADDR=f"http://127.0.0.1:{free_port()}")
    said: list[str] = []
    made.secrets.progress = said.append
    made.write('startup_wait = 0.5\n[app]\nkey = "@vault kv/app#key"\ntoken = "@vault kv/other#token"')
    error = made.refuse()
    assert [(item.code, item.key) for item in error.findings] == [("CFG302", "app.key, app.token")]
    assert error.exit_status == 69
    assert len(said) == 1
    assert "waiting up to 0.5 s" in said[0]


def test_a_sealed_vault_is_waited_for_and_then_said(tmp_path: Path, own_bao: Bao) -> None:
    own_bao.root.sys.seal()
    made = world(tmp_path, own_bao)
    made.write('startup_wait = 0.3\n[app]\nkey = "@vault kv/app#key"')
    error = made.refuse()
    assert "unseal" in str(error)
    assert error.exit_status == 69


def test_no_address_says_where_to_set_one(tmp_path: Path, bao: Bao) -> None:
    made = world(tmp_path, bao)
    del made.environ["VAULT_ADDR"]
    made.write('[app]\nkey = "@vault kv/app#key"')
    assert "VAULT_ADDR" in str(made.refuse())


def test_an_invalid_vault_table_is_said_and_no_secret_is_called_missing(made: World) -> None:
    made.write('timeout = "soon"\n[app]\nkey = "@vault kv/app#key"')
    assert [item.key for item in made.refuse().findings] == ["vault", "vault.timeout"]


def test_a_refused_candidate_leaves_what_serves_as_it_was(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="first")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    made.load()
    made.secrets.commit()
    bao.put(mount, "app", key="second")
    made.secrets.stale.add(Location(mount, "app"))
    made.load()
    made.secrets.discard()
    assert made.secrets.documents[Location(mount, "app")].version == 1
    assert Location(mount, "app") in made.secrets.stale


def test_a_vault_that_fails_later_takes_nothing_away(tmp_path: Path, own_bao: Bao) -> None:
    made = world(tmp_path, own_bao)
    mount = own_bao.mount()
    own_bao.put(mount, "app", key="kept")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    made.load()
    made.secrets.commit()
    own_bao.root.sys.seal()
    made.secrets.stale.add(Location(mount, "app"))
    assert text(made.load().config.app.key) == "kept"
    assert made.secrets.problems[Location(mount, "app")].kind is Kind.SEALED


def test_a_child_process_talks_over_a_connection_of_its_own(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="k")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    made.load()
    parents = made.secrets.connect()
    child = os.fork()
    if child == 0:  # no assertion of pytest's may run on in the child
        made.secrets.after_fork()
        mine = made.secrets.connect()
        os._exit(0 if mine is not parents and mine.pid == os.getpid() and mine.token == parents.token else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_no_secret_is_in_a_representation(made: World, bao: Bao) -> None:
    mount = bao.mount()
    bao.put(mount, "app", key="canary-value")
    made.write(f'[app]\nkey = "@vault {mount}/app#key"')
    made.load()
    assert "canary" not in repr(made.secrets)
    assert ROOT not in repr(made.secrets.token)
