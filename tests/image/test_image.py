"""The image: what is in it, what is not, and how it starts, follows and ends."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.image.container import NETWORK, USER, Container, join, migrated, mounted, start, swap
from tests.image.engine import Engine
from tests.image.images import OURS, ROOT, Images, base_name, files
from tests.support.waiting import eventually

TESTING = (ROOT / "settings/testing.toml").read_text()
BANNER = 'banner = "Welcome to FluentPro (testing)"'
MEGABYTE = 1_000_000
STATED = re.compile(r"adds (?P<layers>\d+) layers and (?P<size>\d+) MB")

SHIM = """\
#!/bin/sh
case "$*" in
    *--network*) ;;
    run*) shift; set -- run --network={network} "$@" ;;
esac
exec {docker} "$@"
"""


@pytest.fixture(scope="module")
def unpacked(engine: Engine, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each layer of the image in a folder of its own."""
    return files(engine, OURS, tmp_path_factory.mktemp("layers"))


@pytest.fixture(scope="module")
def data(engine: Engine, images: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database, which the containers share."""
    return migrated(engine, tmp_path_factory.mktemp("data") / "data")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mounted folder of settings."""
    return mounted(tmp_path_factory.mktemp("settings") / "mounted")


@pytest.fixture(scope="module")
def service(engine: Engine, data: Path, settings: Path) -> Container:
    """A container that serves with the mounted settings."""
    options = (f"--volume={settings}:/etc/fluentpro:ro", "--env=FLUENTPRO_ROOT=/etc/fluentpro")
    return start(engine, "service", data, *options)


# ---- What is in it -------------------------------------------------------------------------------------


def test_no_layer_and_no_word_of_its_history_holds_a_secret_of_the_checkout_or_of_the_build(
    engine: Engine, images: Images, unpacked: Path
) -> None:
    canary = images.canary.encode()
    assert canary in (images.context / ".secrets.local.toml").read_bytes()
    assert canary in (engine.work / "pip.conf").read_bytes()
    for path in unpacked.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert canary not in path.read_bytes(), path
    told = engine.docker("history", "--no-trunc", OURS) + engine.docker("inspect", OURS)
    assert images.canary not in told
    assert "secret_key" not in told.lower().replace('secret_key="$(', "")


def test_it_holds_no_local_file_no_data_no_tests_and_no_history(unpacked: Path) -> None:
    ours = [path.relative_to(unpacked) for path in unpacked.rglob("*") if "site-packages" not in str(path)]
    names = {path.name for path in ours}
    assert not [name for name in names if name.endswith((".local.toml", ".sqlite3", ".keys"))]
    assert not names & {".env", ".git", ".stack", "tests", "deploy", "Dockerfile", "pip.conf", "ca.pem"}
    assert {"settings.toml", ".secrets.toml", "production.toml", "manage.py"} <= names


def test_it_has_no_compiler_and_no_installer(engine: Engine, images: Images) -> None:
    look = (
        "for name in cc gcc make; do command -v $name; done; ls /opt/fluentpro/bin; python -m pip --version"
    )
    said = engine.try_("run", "--rm", "--network=none", "--entrypoint=sh", OURS, "-c", look).stdout
    assert "fluentpro" in said.split()
    *found, last = said.splitlines()
    assert not {"cc", "gcc", "make", "pip", "pip3"} & {Path(name).name for name in found}
    assert last.endswith("No module named pip")


def test_nothing_of_it_is_writable_or_privileged_for_its_user(unpacked: Path) -> None:
    for folder in unpacked.glob("layer-*"):
        for path in folder.rglob("*"):
            mode = path.lstat()
            if path.relative_to(folder).parts[0] not in ("opt", "srv") or stat.S_ISLNK(mode.st_mode):
                continue
            assert mode.st_uid == 0, path
            assert not mode.st_mode & (stat.S_IWOTH | stat.S_IWGRP | stat.S_ISUID | stat.S_ISGID), path


def test_it_says_what_it_is(engine: Engine, images: Images) -> None:
    config = engine.inspect(OURS)["Config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["fluentpro"]
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"] == ["CMD", "fluentpro", "probe", "startup"]
    assert config["Labels"]["org.opencontainers.image.title"] == "FluentPro"
    assert list(config["ExposedPorts"]) == ["8000/tcp"]
    assert "ENV_FOR_DYNACONF=production" in config["Env"]


def test_it_adds_the_layers_and_the_size_that_the_page_states(engine: Engine, images: Images) -> None:
    base, ours = engine.inspect(base_name()), engine.inspect(OURS)
    layers = len(ours["RootFS"]["Layers"]) - len(base["RootFS"]["Layers"])
    size = (ours["Size"] - base["Size"]) / MEGABYTE
    stated = STATED.search((ROOT / "docs/development/deployment.md").read_text())
    assert stated
    assert layers == int(stated["layers"])
    assert abs(size - int(stated["size"])) < 10, f"{size:.0f} MB"


@pytest.mark.parametrize("environment", ["testing", "staging", "production"])
def test_the_same_image_checks_the_configuration_of_each_environment(
    engine: Engine, images: Images, environment: str
) -> None:
    given = {
        "ENV_FOR_DYNACONF": environment,
        "FLUENTPRO_VAULT__ENABLED": "false",
        "FLUENTPRO_DJANGO__SECRET_KEY": "W2" + "x9Lq7" * 12,
        "FLUENTPRO_OPERATIONS__TOKEN": "t0" * 20,
        "FLUENTPRO_DATABASE__PASSWORD": "not-the-real-one",
        "FLUENTPRO_EMAIL__PASSWORD": "not-the-real-one",
    }
    variables = [f"--env={name}={value}" for name, value in given.items()]
    said = engine.docker("run", "--rm", "--network=none", "--read-only", *variables, OURS, "check")
    assert f"\n{environment}: " in f"\n{said}"
    assert "are valid" in said


def test_the_smoke_of_the_pipeline_passes(engine: Engine, images: Images, tmp_path: Path) -> None:
    real = shutil.which("docker", path=engine.environ["PATH"])
    join(engine)
    shim = tmp_path / "docker"  # our engine has no network that is there without being asked for
    shim.write_text(SHIM.format(network=NETWORK, docker=real))
    shim.chmod(0o755)
    environ = engine.environ | {"PATH": f"{tmp_path}:{engine.environ['PATH']}"}
    environ.pop("LD_LIBRARY_PATH")  # curl has libraries of its own
    done = subprocess.run(
        [ROOT / "deploy/smoke", OURS], env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


# ---- How it runs ---------------------------------------------------------------------------------------


def test_it_serves_without_a_privilege_on_a_file_system_that_it_can_not_write_to(
    engine: Engine, service: Container
) -> None:
    assert service.get("/health/ready").json() == {"status": "pass"}
    status = engine.docker("exec", "service", "cat", "/proc/1/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split() == [str(USER)] * 4
    assert facts["Gid"].split() == [str(USER)] * 4
    assert int(facts["CapEff"], 16) == int(facts["CapPrm"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    for folder in ("/srv/fluentpro", "/opt/fluentpro", "/opt/static", "/home/fluentpro", "/etc"):
        tried = engine.try_("exec", "service", "touch", f"{folder}/x")
        assert "Read-only file system" in tried.stdout, folder


def test_it_brings_its_static_files(service: Container) -> None:
    answer = service.get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")


def test_a_swapped_folder_of_settings_is_followed(service: Container, settings: Path) -> None:
    for number in range(3):
        swap(settings, testing=TESTING.replace(BANNER, f'banner = "version {number}"'))
        eventually(lambda number=number: service.banner() == f"version {number}", within=10)


def test_a_broken_folder_of_settings_changes_nothing_until_it_is_mended(
    service: Container, settings: Path
) -> None:
    banner = service.banner()
    swap(settings, testing=TESTING.replace(BANNER, "banner = 7") + "\n[sevrer]\n")
    eventually(lambda: service.get("/health/ready").json() == {"status": "warn"}, within=10)
    assert service.banner() == banner
    swap(settings)
    eventually(lambda: service.banner() == "Welcome to FluentPro (testing)", within=10)
    eventually(lambda: service.get("/health/ready").json() == {"status": "pass"}, within=10)


def test_with_a_broken_folder_of_settings_it_never_starts_and_says_why_in_both_places(
    engine: Engine, data: Path, settings: Path, tmp_path: Path
) -> None:
    broken = mounted(tmp_path / "broken", testing=TESTING.replace(BANNER, "banner = 7") + "\n[sevrer]\n")
    words = tmp_path / "words"
    words.touch()
    words.chmod(0o666)
    options = (f"--volume={broken}:/etc/fluentpro:ro", f"--volume={words}:/run/termination-log")
    variables = {"FLUENTPRO_ROOT": "/etc/fluentpro", "TERMINATION_LOG": "/run/termination-log"}
    container = start(engine, "broken", data, *options, ready=False, **variables)
    assert engine.docker("wait", "broken").strip() == "78"
    for text in (container.logs, words.read_text()):
        assert "configuration for testing is not valid: 2 errors" in text
        assert "settings/testing.toml" in text
        assert "site.banner" in text
        assert "sevrer" in text


def test_it_becomes_healthy_by_itself(service: Container) -> None:
    eventually(lambda: service.state["Health"]["Status"] == "healthy", within=60, every=0.5)
    assert service.state["Health"]["Log"][-1]["Output"].strip() == "pass"


def test_on_term_it_drains_and_no_request_fails(engine: Engine, data: Path) -> None:
    container = start(engine, "draining", data, FLUENTPRO_SERVER__DRAIN_DELAY="3")
    answers, refused_at = [], 0.0
    engine.docker("kill", "--signal=TERM", "draining")
    began = time.monotonic()
    # A load balancer asks whether it is ready, and sends requests for a while after it heard that it is not.
    while time.monotonic() < began + 2.5:
        if not refused_at and not container.is_ready():
            refused_at = time.monotonic() - began
        answers.append(container.get("/api/v1/about").status_code)
    assert set(answers) == {200}
    assert len(answers) > 20
    assert 0 < refused_at < 1
    assert engine.docker("wait", "draining").strip() == "0"
    assert time.monotonic() - began < 10


def test_term_ends_it_at_once_while_it_waits_for_a_vault(engine: Engine, images: Images) -> None:
    options = ["--env=VAULT_TOKEN=x", "--env=FLUENTPRO_VAULT__AUTH_METHOD=token"]
    options += ["--env=FLUENTPRO_VAULT__ADDRESS=http://127.0.0.1:9", "--env=FLUENTPRO_VAULT__STARTUP_WAIT=60"]
    engine.docker("run", "--detach", "--name=waiting", "--network=none", *options, OURS)
    eventually(lambda: "127.0.0.1:9" in engine.docker("logs", "waiting"), within=20, every=0.2)
    began = time.monotonic()
    engine.docker("stop", "--time=20", "waiting")
    assert time.monotonic() - began < 5
