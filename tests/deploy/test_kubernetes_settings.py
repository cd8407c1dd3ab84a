"""What the manifests say to FluentPro it understands, and it follows a ConfigMap as the kubelet mounts it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import click
import pytest

from fluentpro.cli.main import main
from fluentpro.config.environment import ROOT as ROOT_VARIABLE
from fluentpro.config.environment import SWITCH, read_variables
from fluentpro.config.fields import settings_of
from fluentpro.schema import Config
from tests.cli.project import COMMAND, KEPT
from tests.conftest import Launch
from tests.deploy import kubectl
from tests.deploy.manifests import (
    ENVIRONMENTS,
    PROCESSES,
    ROOT,
    Manifests,
    Mount,
    container,
    manifests,
    paths,
)
from tests.support.project import Project, changed
from tests.support.waiting import eventually

GIVEN = {"DJANGO_SETTINGS_MODULE", "TERMINATION_LOG", SWITCH, ROOT_VARIABLE}
"""The variables that are no settings."""
FROM_VAULT = {
    "FLUENTPRO_VAULT__ENABLED": "false",
    "FLUENTPRO_DJANGO__SECRET_KEY": token_urlsafe(50),
    "FLUENTPRO_OPERATIONS__TOKEN": token_urlsafe(32),
    "FLUENTPRO_DATABASE__PASSWORD": token_urlsafe(32),
    "FLUENTPRO_EMAIL__PASSWORD": token_urlsafe(32),
}
"""What Vault would give."""


@pytest.fixture(params=ENVIRONMENTS)
def built(request: pytest.FixtureRequest) -> Manifests:
    try:
        return manifests(request.param)
    except kubectl.MissingError as error:
        pytest.skip(str(error))


def variables(built: Manifests, pod: dict[str, Any]) -> dict[str, str]:
    """The variables of one pod: the common ones and its own."""
    own = {item["name"]: item["value"] for item in container(pod).get("env", ())}
    [common] = container(pod)["envFrom"]
    name = common["configMapRef"]["name"]
    [data] = [item["data"] for item in built.of("ConfigMap") if item["metadata"]["name"] == name]
    return {**data, **own}


def mount_of(built: Manifests, folder: Path) -> Mount:
    pod = built.named("Deployment", "fluentpro-web")["spec"]["template"]
    return Mount(folder, paths(pod), built.settings())


def command(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return subprocess.run(
        [COMMAND, *words], env={**kept, **environ}, capture_output=True, text=True, check=False, timeout=60
    )


# ---- Words


def test_every_variable_is_a_setting_or_known(built: Manifests) -> None:
    for name, pod in built.pods():
        given = variables(built, pod)
        ours = {key: text for key, text in given.items() if key.startswith("FLUENTPRO_")}
        assert read_variables(given, Config).findings == (), name
        assert given.keys() - ours.keys() <= GIVEN, name


def test_a_misspelt_variable_would_be_found() -> None:
    [finding] = read_variables({"FLUENTPRO_VAULT__ROEL": "x"}, Config).findings
    assert finding.code == "CFG120"


def test_every_pod_of_an_environment_gets_the_same_variables(built: Manifests) -> None:
    """The digest has to be the same in all process types, and in the check that comes before them."""
    found = {name: variables(built, pod) for name, pod in built.pods()}
    settings = [
        {key: text for key, text in given.items() if key != "DJANGO_SETTINGS_MODULE"}
        for given in found.values()
    ]
    assert all(given == settings[0] for given in settings)
    assert settings[0][SWITCH] == built.environment


def test_every_command_is_one_that_the_image_has(built: Manifests) -> None:
    for name, pod in built.pods():
        program, *words = container(pod)["command"]
        if program == "fluentpro":
            verb = main.get_command(click.Context(main), words[0])
            assert verb is not None, name
            with verb.make_context(words[0], list(words[1:]), resilient_parsing=True) as context:
                assert context.args == [], name
        else:
            assert (program, *words) == ("python", "-m", "django", "migrate", "--noinput")


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_type_listens_where_its_probes_ask(built: Manifests, process: str) -> None:
    one = container(built.named("Deployment", f"fluentpro-{process}")["spec"]["template"])
    assert one["command"] == ["fluentpro", "serve", "--process", process, "--port", "8000"]
    assert [port["containerPort"] for port in one["ports"]] == [8000]
    assert re.search(r"^EXPOSE 8000$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    address = built.settings()[f"{built.environment}.toml"]
    assert 'host = "0.0.0.0"' in address, "not this machine only: the kubelet asks from outside"


def test_the_report_of_a_refusal_goes_where_kubernetes_reads_it(built: Manifests) -> None:
    for _, pod in built.pods():
        assert container(pod)["terminationMessagePath"] == variables(built, pod)["TERMINATION_LOG"]


def test_the_settings_are_mounted_where_they_are_looked_for(built: Manifests) -> None:
    for name, pod in built.pods():
        [mount] = [item for item in container(pod)["volumeMounts"] if item["name"] == "settings"]
        assert "subPath" not in mount, f"{name} would never see a change"
        assert mount["mountPath"] == variables(built, pod)[ROOT_VARIABLE]
        assert set(paths(pod).values()) == {
            "settings.toml",
            ".secrets.toml",
            f"settings/{built.environment}.toml",
        }
        assert set(paths(pod)) == built.settings().keys()


def test_the_check_sees_what_is_to_come_and_the_others_what_is(built: Manifests) -> None:
    assert built.settings("fluentpro-settings-candidate") == built.settings()
    for name, pod in built.pods():
        [settings] = [
            item["configMap"]["name"] for item in pod["spec"]["volumes"] if item["name"] == "settings"
        ]
        candidate = name in {"fluentpro-check", "fluentpro-migrate"}
        assert settings == ("fluentpro-settings-candidate" if candidate else "fluentpro-settings")


def test_a_change_of_the_settings_rolls_no_pod_and_one_of_the_variables_does(built: Manifests) -> None:
    names = {item["metadata"]["name"] for item in built.of("ConfigMap")}
    assert {"fluentpro-settings", "fluentpro-settings-candidate"} < names
    [environment] = names - {"fluentpro-settings", "fluentpro-settings-candidate"}
    assert re.fullmatch(r"fluentpro-environment-[a-z0-9]{10}", environment)


# ---- At work


def test_the_configuration_of_a_pod_is_valid(built: Manifests, tmp_path: Path) -> None:
    mount = mount_of(built, tmp_path / "settings")
    pod = built.named("Job", "fluentpro-check")["spec"]["template"]
    given = variables(built, pod) | FROM_VAULT | {ROOT_VARIABLE: str(mount.root)}
    given["TERMINATION_LOG"] = str(tmp_path / "termination-log")
    words = container(pod)["command"][1:]
    done = command(*words, **given)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["valid"], answer["environment"]) == (True, built.environment)
    assert re.search(r'^ *"digest": "[0-9a-f]{16}",?$', done.stdout, re.MULTILINE), "`rollout` reads it"


def test_a_refused_configuration_leaves_its_report_for_kubernetes(built: Manifests, tmp_path: Path) -> None:
    mount = mount_of(built, tmp_path / "settings")
    key = f"{built.environment}.toml"
    mount.swap(built.settings() | {key: changed(built.settings()[key], "server.workers", 0)})
    pod = built.named("Deployment", "fluentpro-web")["spec"]["template"]
    given = variables(built, pod) | FROM_VAULT | {ROOT_VARIABLE: str(mount.root)}
    given["TERMINATION_LOG"] = str(tmp_path / "termination-log")
    done = command("serve", **given)
    assert done.returncode == 78
    assert "server.workers" in (tmp_path / "termination-log").read_text()


def test_a_change_of_the_mounted_settings_is_followed_live(project: Project, launch: Launch) -> None:
    """The testing environment's file, in the mount that the manifests describe, under a real server."""
    try:
        pod = manifests("staging").named("Deployment", "fluentpro-web")["spec"]["template"]
    except kubectl.MissingError as error:
        pytest.skip(str(error))
    places = {key: path.replace("staging", "testing") for key, path in paths(pod).items()}
    data = {key: project.read(path) for key, path in places.items()}
    for path in places.values():
        (project.root / path).unlink()
    shutil.rmtree(project.root / "settings")
    mount = Mount(project.root, places, data)
    server = launch()
    for count in range(3):
        banner = f"mounted {count}"
        data["staging.toml"] = changed(data["staging.toml"], "site.banner", banner)
        mount.swap(data)
        eventually(lambda banner=banner: server.serves(banner))
    assert not server.refusals()


def test_the_login_is_the_one_that_the_schema_knows() -> None:
    known = settings_of(Config)
    for environment in ENVIRONMENTS:
        try:
            given = manifests(environment).variables()
        except kubectl.MissingError as error:
            pytest.skip(str(error))
        values = read_variables(given, Config).values
        assert values["vault", "auth_method"][1] == "kubernetes"
        assert values["vault", "role"][1] == f"fluentpro-{environment}"
        assert all(path in known for path in values)
