"""`rollout`, before a stand-in for the cluster: what is done in which order, and what is undone.

The stand-in hands `kubectl kustomize` on to the real one, answers the rest from what a test says, and
writes down every command.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from fluentpro.cli.fleet import fleet
from tests.deploy import kubectl
from tests.deploy.manifests import KUBERNETES

DIGEST = "sha256:" + "5e" * 32
IMAGE = f"registry.test:5000/fluentpro@{DIGEST}"
CONFIG = "0123456789abcdef"

STAND_IN = """\
#!/usr/bin/env python3
import json, os, shutil, sys
folder, words = os.environ["CLUSTER"], sys.argv[1:]
if words[0] == "kustomize":
    os.execv(os.environ["KUBECTL"], ["kubectl", *words])
line = " ".join(words)
with open(f"{folder}/log", "a") as log:
    log.write(line + "\\n")
if "apply" in words:
    shutil.copy(words[words.index("--filename") + 1], f"{folder}/applied.yaml")
for part, answer in json.load(open(f"{folder}/answers")):
    if part in line:
        answers = answer if isinstance(answer[0], list) else [answer]
        status, text = answers[0]
        sys.stdout.write(text)
        sys.exit(status)
"""


@dataclass
class Cluster:
    """What the stand-in answers, by a part of the command line; the first that fits counts."""

    folder: Path
    answers: list[tuple[str, tuple[int, str]]] = field(default_factory=list)

    def says(self, part: str, text: str = "", status: int = 0) -> None:
        self.answers.insert(0, (part, (status, text)))

    def rollout(self, *words: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "answers").write_text(json.dumps(self.answers))
        return subprocess.run(
            [KUBERNETES / "rollout", *words],
            env={
                "PATH": f"{self.folder}:{os.environ['PATH']}",
                "CLUSTER": str(self.folder),
                "KUBECTL": str(kubectl.find()),
                "ROLLOUT_PAUSE": "0.01",
                "HOME": str(self.folder),
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def log(self) -> list[str]:
        """Every command, without what only names the namespace or the temporary file."""
        lines = (self.folder / "log").read_text().splitlines()
        return [re.sub(r"--filename \S+ |--namespace \S+ ", "", line) for line in lines]

    def steps(self) -> list[str]:
        """What was applied, by step."""
        return [line.rpartition("=")[2] for line in self.log if line.startswith("apply ")]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """A cluster where all goes well, and something ran before."""
    try:
        kubectl.find()
    except kubectl.MissingError as error:
        pytest.skip(str(error))
    program = tmp_path / "kubectl"
    program.write_text(STAND_IN)
    program.chmod(0o755)
    made = Cluster(tmp_path)
    made.says("get job", "SuccessCriteriaMet Complete")
    made.says("logs job/fluentpro-check", json.dumps({"valid": True, "digest": CONFIG}, indent=2))
    made.says("get configmap", '{"settings.toml":"what was before"}')
    made.says("get deployment", "7")
    return made


def test_all_goes_well_in_the_right_order(cluster: Cluster) -> None:
    done = cluster.rollout("staging", IMAGE)
    assert done.returncode == 0, done.stderr
    assert cluster.steps() == ["prepare", "check", "migrate", "run"]
    log = cluster.log
    last = log.index("apply --selector fluentpro.com/step=run")
    assert [line.split()[:2] for line in log[last + 1 :]] == [["rollout", "status"]] * 3 + [
        ["exec", "deployment/fluentpro-web"]
    ]
    assert log[-1].endswith(f"-- fluentpro fleet --wait {CONFIG} --timeout 300")
    words = log[-1].partition(" -- fluentpro fleet ")[2].split()
    understood = fleet.make_context("fleet", words).params
    assert (understood["digest"], understood["timeout"]) == (CONFIG, 300)
    assert f"every process of the fleet runs it, digest {CONFIG}" in done.stdout
    assert not any("undo" in line for line in log)


def test_what_is_applied_names_the_image_and_the_release(cluster: Cluster) -> None:
    cluster.rollout("production", IMAGE)
    objects = [item for item in yaml.safe_load_all((cluster.folder / "applied.yaml").read_text()) if item]
    images = {
        container["image"]
        for item in objects
        if item["kind"] in {"Deployment", "Job"}
        for container in item["spec"]["template"]["spec"]["containers"]
    }
    assert images == {IMAGE}
    [environment] = [
        item for item in objects if item["metadata"]["name"].startswith("fluentpro-environment-")
    ]
    assert environment["data"]["FLUENTPRO_FLEET__RELEASE"] == "5e" * 6
    assert environment["data"]["ENV_FOR_DYNACONF"] == "production"
    assert {item["metadata"].get("namespace", "fluentpro-production") for item in objects} == {
        "fluentpro-production"
    }
    used = {
        item["spec"]["template"]["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"]
        for item in objects
        if item["kind"] in {"Deployment", "Job"}
    }
    assert used == {environment["metadata"]["name"]}


def test_a_refused_configuration_changes_nothing(cluster: Cluster) -> None:
    cluster.says("get job fluentpro-check", "FailureTarget Failed")
    cluster.says("logs job/fluentpro-check", "CFG204  database.port: 80000 is not a port")
    done = cluster.rollout("staging", IMAGE)
    assert done.returncode == 1
    assert cluster.steps() == ["prepare", "check"]
    assert "CFG204" in done.stdout
    assert "refused; nothing was changed" in done.stdout


def test_a_migration_that_fails_leaves_what_serves_alone(cluster: Cluster) -> None:
    cluster.says("get job fluentpro-migrate", "Failed")
    done = cluster.rollout("staging", IMAGE)
    assert done.returncode == 1
    assert cluster.steps() == ["prepare", "check", "migrate"]
    assert "what serves was not touched" in done.stdout


@pytest.mark.parametrize(
    "failing", ["exec deployment/fluentpro-web", "rollout status deployment/fluentpro-worker"]
)
def test_a_fleet_that_does_not_get_there_goes_back_by_itself(cluster: Cluster, failing: str) -> None:
    cluster.says(failing, "still waiting for web-1, web-2\n", status=1)
    cluster.says("get deployment fluentpro-realtime", "3")
    # The revision is another after the pods were replaced.
    (cluster.folder / "kubectl").write_text(
        STAND_IN.replace(
            "for part, answer",
            'if "get deployment" in line and "status deployment" in open(f"{folder}/log").read():\n'
            "    print(8)\n    sys.exit(0)\nfor part, answer",
        )
    )
    done = cluster.rollout("staging", IMAGE)
    assert done.returncode == 1
    log = cluster.log
    assert [line for line in log if "undo" in line] == [
        "rollout undo deployment/fluentpro-web --to-revision 7",
        "rollout undo deployment/fluentpro-realtime --to-revision 3",
        "rollout undo deployment/fluentpro-worker --to-revision 7",
    ]
    [patch] = [line for line in log if line.startswith("patch configmap fluentpro-settings")]
    assert '{"data": {"settings.toml":"what was before"}}' in patch
    assert log.index(patch) < next(index for index, line in enumerate(log) if "undo" in line)
    assert "the database stays migrated" in done.stdout


def test_pods_that_were_not_replaced_are_not_taken_further_back(cluster: Cluster) -> None:
    """The same image and another configuration: the revision stays, and only the settings go back."""
    cluster.says("exec deployment/fluentpro-web", status=1)
    done = cluster.rollout("staging", IMAGE)
    assert done.returncode == 1
    assert not any("undo" in line for line in cluster.log)
    assert any(line.startswith("patch configmap fluentpro-settings") for line in cluster.log)
    assert "what ran before runs again" in done.stdout


def test_a_first_rollout_that_fails_is_left_to_be_looked_at(cluster: Cluster) -> None:
    cluster.says("get deployment", "")
    cluster.says("get configmap", "")
    cluster.says("rollout status", status=1)
    done = cluster.rollout("staging", IMAGE)
    assert done.returncode == 1
    assert not any("undo" in line or line.startswith("patch") for line in cluster.log)
    assert "nothing ran before" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("staging",),
        ("development", IMAGE),
        ("staging", "registry.test/fluentpro:latest"),
        ("staging", "registry.test/fluentpro@sha256:short"),
        ("staging", f"Registry/$(id)@{DIGEST}"),
        ("staging", IMAGE, "soon"),
    ],
)
def test_a_command_line_that_is_wrong_does_nothing(cluster: Cluster, words: tuple[str, ...]) -> None:
    done = cluster.rollout(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: rollout" in done.stderr
    assert not (cluster.folder / "log").exists()
