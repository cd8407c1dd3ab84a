"""The pipelines: what they may, what they run, and that they carry one image from build to production."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
SHELLCHECK = Path(sys.executable).with_name("shellcheck")

Job = dict[str, Any]


def workflow(name: str) -> dict[str, Any]:
    """A workflow's content; YAML 1.1 reads the key `on` as true."""
    found: dict[str, Any] = yaml.safe_load((WORKFLOWS / name).read_text())
    found["on"] = found.pop(True)
    return found


CI, DEPLOY = workflow("ci.yml"), workflow("deploy.yml")
JOBS: dict[str, Job] = {
    f"{name}:{key}": job
    for name, flow in (("ci", CI), ("deploy", DEPLOY))
    for key, job in flow["jobs"].items()
}
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]
RUNS = [(name, step["run"]) for name, step in STEPS if "run" in step]


def commands(name: str) -> str:
    """Everything that a job runs."""
    return "\n".join(text for job, text in RUNS if job == name)


def before(flow: dict[str, Any], job: str) -> set[str]:
    """The jobs that have passed when this one begins."""
    needs = flow["jobs"][job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(before(flow, name) for name in direct))


# ---- What they may


@pytest.mark.parametrize("flow", [CI, DEPLOY], ids=["ci", "deploy"])
def test_nothing_is_permitted_unless_a_job_says_so(flow: dict[str, Any]) -> None:
    assert flow["permissions"] == {}
    for name, job in flow["jobs"].items():
        assert set(job["permissions"].items()) <= {("contents", "read")}, name
    assert "group" in flow["concurrency"]


@pytest.mark.parametrize("name", JOBS)
def test_a_job_ends_and_runs_on_a_known_machine(name: str) -> None:
    assert 0 < JOBS[name]["timeout-minutes"] <= 60
    assert re.fullmatch(r"ubuntu-\d\d\.04", JOBS[name]["runs-on"])


def test_a_deployment_is_never_broken_off() -> None:
    assert DEPLOY["concurrency"]["cancel-in-progress"] is False


def test_every_action_is_pinned_and_says_its_version() -> None:
    used = re.findall(
        r"uses: (.*)", "".join((WORKFLOWS / name).read_text() for name in ("ci.yml", "deploy.yml"))
    )
    pins = set()
    for use in used:
        found = re.fullmatch(r"(actions/[a-z-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)", use)
        assert found, use
        pins.add(found.groups())
    assert len(pins) == len({action for action, _, _ in pins}), "one version of each action"


def test_a_checkout_leaves_no_credentials_behind() -> None:
    for name, step in STEPS:
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False, name


def test_no_secret_stands_in_a_command_line_or_reaches_a_pull_request() -> None:
    for name, step in STEPS:
        assert "secrets." not in step.get("run", ""), name
        if "secrets." in str(step.get("env", "")):
            assert JOBS[name]["environment"] in {"registry", "staging", "production"}, name
    assert "pull_request_target" not in CI["on"]
    assert CI["jobs"]["push"]["if"].startswith("github.event_name == 'push' ")


@pytest.mark.parametrize("name", JOBS)
def test_what_a_job_runs_holds_no_expression_and_passes_shellcheck(name: str) -> None:
    for text in (text for job, text in RUNS if job == name):
        assert "${{" not in text, "a value from outside comes through the environment, never into the script"
        assert "set -x" not in text
        done = subprocess.run(
            [SHELLCHECK, "--shell", "bash", "-"], input=text, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_a_job_runs_what_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for _, text in RUNS:
        assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= targets
        for script in re.findall(r"(?<![\w./])(deploy/[\w./-]+)", text):
            assert (ROOT / script).stat().st_mode & 0o111, script


# ---- CI


def test_the_tests_run_on_every_python_that_the_package_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {item.rpartition(" ")[2] for item in project["classifiers"] if re.search(r":: 3\.\d+$", item)}
    assert set(CI["jobs"]["test"]["strategy"]["matrix"]["python"]) == named == {"3.11", "3.12", "3.13"}
    assert commands("ci:test") == "make test PYTHON=python"


def test_one_job_gathers_all_others_and_passes_only_if_they_did() -> None:
    required = CI["jobs"]["required"]
    assert set(required["needs"]) == CI["jobs"].keys() - {"required", "push"}
    assert required["if"] == "always()", "a job that is skipped counts as passed"
    [step] = required["steps"]
    assert step["env"] == {"RESULTS": "${{ join(needs.*.result, ' ') }}"}
    for results, passes in (
        ("success success", True),
        ("success failure", False),
        ("failure success", False),
        ("success skipped", False),
        ("cancelled success", False),
    ):
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            env={"RESULTS": results},
            capture_output=True,
            check=False,
        )
        assert (done.returncode == 0) is passes, results


def test_the_image_is_built_once_and_every_later_job_takes_that_one() -> None:
    text = "\n".join(text for _, text in RUNS)
    assert len(re.findall(r"\bdocker (?:buildx )?build\b", text)) == 1
    for job in ("smoke", "push"):
        assert "docker load" in commands(f"ci:{job}")
        assert """== "$ID" ]]""" in commands(f"ci:{job}"), "it is the one that was built"
    assert {"image", "smoke", "audit", "test", "wheel", "check"} <= before(CI, "push")


def test_the_image_is_tried_and_its_parts_are_listed_and_audited() -> None:
    assert "deploy/smoke fluentpro:candidate" in commands("ci:smoke")
    audit = commands("ci:audit")
    assert "pip-audit==" in audit
    assert "--require-hashes" in audit
    assert "cyclonedx" in audit
    assert "dpkg-query" in audit


def test_the_audit_is_claimed_nowhere_but_where_its_data_is() -> None:
    assert "pip-audit" not in (ROOT / "Makefile").read_text()
    assert "pip-audit" not in (ROOT / ".ci" / "run").read_text()


def test_the_smoke_covers_every_environment_and_the_broken_one() -> None:
    text = (ROOT / "deploy" / "smoke").read_text()
    assert "for environment in development testing staging production" in text
    assert "for probe in startup ready live" in text
    assert "-eq 78" in text
    assert {"--read-only", "--cap-drop", "no-new-privileges"} <= set(re.findall(r"[\w-]+", text))


# ---- Deployment


def test_a_tag_or_a_person_deploys_and_nothing_else() -> None:
    assert DEPLOY["on"].keys() == {"push", "workflow_dispatch"}
    assert DEPLOY["on"]["push"] == {"tags": ["v*"]}


def test_production_gets_the_digest_that_staging_had() -> None:
    staging, production = (DEPLOY["jobs"][name] for name in ("staging", "production"))
    assert before(DEPLOY, "production") == {"image", "staging"}
    for name, job in (("staging", staging), ("production", production)):
        assert job["environment"] == name
        [step] = [step for step in job["steps"] if "run" in step]
        assert step["env"]["IMAGE"] == "${{ vars.IMAGE_REPOSITORY }}@${{ needs.image.outputs.digest }}"
        assert f'deploy/kubernetes/rollout {name} "$IMAGE"' in step["run"]
    assert "docker build " not in "\n".join(commands(name) for name in JOBS if name.startswith("deploy"))


def test_the_credentials_of_a_cluster_are_readable_by_nobody_else_and_do_not_stay() -> None:
    for name in ("deploy:staging", "deploy:production"):
        assert "umask 077" in commands(name)
        assert """trap 'rm -f "$KUBECONFIG"' EXIT""" in commands(name)


@pytest.mark.parametrize(
    ("given", "status"),
    [("sha256:" + "a" * 64, 0), ("latest", 1), ("sha256:" + "a" * 63, 1), ("x; touch /tmp/hacked", 1)],
)
def test_only_a_digest_is_deployed_by_hand(tmp_path: Path, given: str, status: int) -> None:
    """The step itself, before a stand-in for Docker that knows one image."""
    docker = tmp_path / "docker"
    docker.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        '*imagetools*) case "$*" in *@sha256:*) echo "$*" | sed "s/.*@//" ;; *) exit 1 ;; esac ;;\n'
        "*login*) cat >/dev/null ;;\nesac\n"
    )
    docker.chmod(0o755)
    [step] = DEPLOY["jobs"]["image"]["steps"]
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env={
            "PATH": f"{tmp_path}:/usr/bin:/bin",
            "GIVEN": given,
            "REPOSITORY": "registry.test/fluentpro",
            "REGISTRY_USER": "user",
            "REGISTRY_PASSWORD": "the-password",
            "GITHUB_SHA": "f" * 40,
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "the-password" not in done.stdout + done.stderr
    if status == 0:
        assert (tmp_path / "output").read_text() == f"digest={given}\n"
    else:
        assert not (tmp_path / "output").exists()


def test_no_registry_is_named() -> None:
    """Where images are kept is the repository's variable; where packages come from is the machine's."""
    known = ("docker.io", "ghcr.io", "quay.io", "gcr.io", *(f"{name}.org" for name in ("pypi", "npmjs")))
    for path in (*WORKFLOWS.iterdir(), *(ROOT / "deploy" / "actionlint").iterdir()):
        assert not [name for name in known if name in path.read_text()], path
