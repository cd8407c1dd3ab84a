"""The Dockerfiles, read: what they take, what they promise, and that both fit the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from fluentpro.cli import probe
from fluentpro.cli.main import VERBS
from fluentpro.config.environment import read_variables
from fluentpro.schema import ENVIRONMENTS, Config
from fluentpro.schema.server import Server
from tests.image.packages import why_not

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
LOCKED = re.compile(r"^([A-Za-z0-9_.-]+)==(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Instruction:
    name: str
    text: str


def instructions(file: str) -> list[Instruction]:
    """A Dockerfile's instructions, continued lines joined, comments left out."""
    lines = [line for line in (ROOT / file).read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    return [Instruction(*line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def last_stage(file: str = "Dockerfile") -> list[Instruction]:
    known = instructions(file)
    start = max(number for number, item in enumerate(known) if item.name == "FROM")
    return known[start:]


def one(name: str) -> str:
    """The text of the instruction that decides in the last stage."""
    return [item.text for item in last_stage() if item.name == name][-1]


def variables() -> dict[str, str]:
    given = " ".join(item.text for item in last_stage() if item.name == "ENV")
    return dict(word.split("=", 1) for word in given.split())


def copied(file: str) -> set[str]:
    """What a Dockerfile takes from the checkout."""
    words = [item.text.split() for item in instructions(file) if item.name == "COPY"]
    return {name.rstrip("/") for *names, _ in words if not names[0].startswith("--from=") for name in names}


def allowed(file: str) -> set[str]:
    """What a .dockerignore lets through."""
    lines = (ROOT / file).read_text().splitlines()
    assert "*" in lines
    return {line[1:] for line in lines if line.startswith("!")}


@pytest.mark.parametrize("file", ["Dockerfile", "deploy/Dockerfile.dev", "tests/image/standins/Dockerfile"])
def test_hadolint_finds_nothing(file: str) -> None:
    found = subprocess.run(
        [BIN / "hadolint", "--failure-threshold=warning", ROOT / file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("file", "ignore"),
    [("Dockerfile", ".dockerignore"), ("deploy/Dockerfile.dev", "deploy/Dockerfile.dev.dockerignore")],
)
def test_what_is_copied_is_there_and_nothing_else_is_sent_to_the_engine(file: str, ignore: str) -> None:
    assert copied(file) == allowed(ignore)
    for name in copied(file):
        assert (ROOT / name).exists(), name


def test_the_base_is_named_once_before_all_else_and_both_images_have_the_same() -> None:
    first, *rest = instructions("Dockerfile")
    assert first == instructions("deploy/Dockerfile.dev")[0]
    name, _, default = first.text.partition("=")
    assert (first.name, name) == ("ARG", "PYTHON_IMAGE")
    assert {item.text.split(" AS ")[0] for item in rest if item.name == "FROM"} == {"${PYTHON_IMAGE}"}
    version = re.search(r"python:(\d+\.\d+)-slim", default)
    assert version
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert version[1] in SpecifierSet(project["requires-python"])


def test_the_last_stage_runs_nothing_but_the_making_of_its_user() -> None:
    runs = [item.text for item in last_stage() if item.name == "RUN"]
    assert len(runs) == 1
    assert runs[0].startswith("groupadd")
    assert not [item for item in last_stage() if "--mount=type=secret" in item.text]


def test_it_runs_as_a_number_that_is_fixed() -> None:
    user = re.fullmatch(r"(\d+):\1", one("USER"))
    assert user
    assert int(user[1]) >= 10_000
    made = next(item.text for item in last_stage() if item.name == "RUN")
    assert f"--uid {user[1]} --gid {user[1]}" in made


def test_its_variables_are_settings_of_ours() -> None:
    found = read_variables(variables(), Config)
    assert not found.findings
    assert variables()["ENV_FOR_DYNACONF"] in ENVIRONMENTS
    assert variables()["FLUENTPRO_ROOT"] == one("WORKDIR")


def test_its_port_is_the_one_that_is_served_and_probed() -> None:
    assert int(one("EXPOSE")) == Server().port == probe.PORT
    check = json.loads(one("HEALTHCHECK").partition("CMD ")[2])
    assert check == ["fluentpro", "probe", "startup"]


def test_signals_reach_the_service_no_shell_stands_between() -> None:
    assert json.loads(one("ENTRYPOINT")) == ["fluentpro"]
    assert json.loads(one("CMD"))[0] in VERBS
    assert one("STOPSIGNAL") == "SIGTERM"


def test_packages_are_installed_by_hash_and_none_is_compiled() -> None:
    for file in ("Dockerfile", "deploy/Dockerfile.dev"):
        environment = " ".join(item.text for item in instructions(file) if item.name == "ENV")
        assert "PIP_REQUIRE_HASHES=1" in environment
        assert "PIP_ONLY_BINARY=:all:" in environment
        for item in instructions(file):
            if "PIP_REQUIRE_HASHES=0" in item.text:  # ourselves; nothing comes over the network
                assert (
                    item.text.count("--no-index")
                    == item.text.count("--no-deps")
                    == item.text.count("HASHES=0")
                )


def test_the_build_lock_has_what_builds_us_at_the_versions_of_the_development_lock() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    build = dict(LOCKED.findall((ROOT / "requirements/build.txt").read_text()))
    develop = dict(LOCKED.findall((ROOT / "requirements/dev.txt").read_text()))
    for requirement in map(Requirement, wanted):
        assert build[requirement.name] in requirement.specifier
    assert build.items() <= develop.items(), "run: make lock"


def test_where_there_can_be_no_engine_the_proof_says_why(tmp_path: Path) -> None:
    release = tmp_path / "os-release"
    release.write_text('PRETTY_NAME="Fedora Linux 44"\nID=fedora\n')
    assert why_not(release).endswith("this is Fedora Linux 44")
    assert why_not(tmp_path / "nothing").endswith("this is an unknown system")
    release.write_text('PRETTY_NAME="Debian 12"\nID=debian\nVERSION_CODENAME=bookworm\n')
    assert why_not(release, user=1000) == "a Docker engine takes root"


def test_the_proof_is_not_run_by_the_other_tests() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "--quiet", "tests/image"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "no tests collected" in found.stdout
