"""compose.prod.yml, whole, in the order of a deployment's life; each test goes on from the one before."""

from __future__ import annotations

from collections.abc import Iterator
from socket import create_connection

import httpx
import pytest
from websockets.sync.client import connect

from tests.image.container import USER
from tests.image.deployment import HOST, ORIGIN, SERVING, Deployment, kill
from tests.image.engine import Engine
from tests.image.images import BROKEN, NEXT, OURS, Images
from tests.support.waiting import eventually

TASKS = {"vault-bootstrap", "vault-enrol", "migrate"}
SERVERS = {"postgres", "valkey", "openbao", "proxy", *SERVING}


@pytest.fixture(scope="module")
def deployment(
    engine: Engine, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The deployment, with an empty Vault and an empty database."""
    made = Deployment.make(engine, tmp_path_factory.mktemp("deployment") / "secrets")
    made.up()
    yield made
    made.compose("down", "--volumes", "--timeout=10")


@pytest.fixture
def client(deployment: Deployment) -> Iterator[httpx.Client]:
    with deployment.client() as made:
        yield made


def test_everything_is_up_and_every_task_is_done(deployment: Deployment) -> None:
    states = {
        item["Config"]["Labels"]["com.docker.compose.service"]: item["State"]
        for item in deployment.containers()
    }
    assert states.keys() == TASKS | SERVERS
    for name in SERVERS:
        assert states[name]["Health"]["Status"] == "healthy", name
    for name in TASKS:
        assert (states[name]["Status"], states[name]["ExitCode"]) == ("exited", 0), name


def test_no_container_has_a_privilege_and_only_the_proxy_is_reached_from_outside(
    deployment: Deployment,
) -> None:
    for item in deployment.containers():
        name, host = item["Name"], item["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert host["SecurityOpt"] == ["no-new-privileges:true"], name
        assert item["Config"]["User"].split(":")[0] not in ("", "0", "root"), name
        assert host["Memory"], name
        assert host["PidsLimit"], name
        assert host["LogConfig"]["Config"]["max-size"], name
        published = [port for port, places in item["NetworkSettings"]["Ports"].items() if places]
        assert bool(published) == ("proxy" in name), name
    web = deployment.containers("web")[0]
    assert web["Config"]["User"] == f"{USER}:{USER}"
    inside = deployment.engine.inspect("fluentpro_inside")
    assert inside["Internal"]


def test_the_proxy_answers_by_the_service_s_name_over_tls_alone(
    deployment: Deployment, client: httpx.Client
) -> None:
    about = deployment.ask(client, "/api/v1/about")
    assert about.status_code == 200
    assert about.json()["environment"] == "production"
    assert "max-age=" in about.headers["Strict-Transport-Security"]
    plain = client.get(f"http://127.0.0.1:{deployment.http}/api/v1/about", headers={"Host": HOST})
    assert plain.status_code == 308
    assert plain.headers["Location"] == f"https://{HOST}/api/v1/about"
    assert deployment.ask(client, "/api/v1/about", headers={"Host": "somebody.else"}).status_code == 400
    assert deployment.ask(client, "/health").status_code == 401
    assert deployment.ask(client, "/static/admin/css/base.css").status_code == 200


def test_the_vault_is_made_fit_and_the_health_of_everything_is_known(
    deployment: Deployment, client: httpx.Client
) -> None:
    token = deployment.secret("operations", "token")
    health = deployment.ask(client, "/health", headers={"Authorization": f"Bearer {token}"})
    assert health.status_code == 200, health.text
    checks = health.json()["checks"]
    assert {name: check["status"] for name, check in checks.items()} == dict.fromkeys(checks, "pass")
    assert {"config-source", "secret-backend", "database", "migrations"} <= checks.keys()


def test_every_process_type_runs_the_same_configuration(deployment: Deployment) -> None:
    processes = eventually(
        lambda: (known := deployment.fleet()) and {item["role"] for item in known} == set(SERVING) and known,
        within=30,
        every=0.5,
    )
    assert {item["state"] for item in processes} == {"SYNCED"}
    assert len({item["digest"] for item in processes}) == 1
    assert len({item["host"] for item in processes if item["role"] == "web"}) == 2


def test_a_websocket_comes_through_the_proxy(deployment: Deployment) -> None:
    raw = create_connection(("127.0.0.1", deployment.https), timeout=10)
    with connect(f"wss://{HOST}/ws/v1/about", sock=raw, ssl=deployment.context, origin=ORIGIN) as socket:
        assert "Welcome to FluentPro" in str(socket.recv(timeout=10))


def test_a_secret_is_rotated_under_load(deployment: Deployment) -> None:
    with deployment.load() as load:
        before = set(load.digests)
        said = deployment.operator("rotate", "secret-key")
        eventually(lambda: len({item["digest"] for item in deployment.fleet()}) == 1, within=20, every=0.5)
        now = {item["digest"] for item in deployment.fleet()}
        assert now.isdisjoint(before), said
        load.goes_on()
    assert now <= set(load.digests)


def test_an_override_is_made_through_the_proxy_and_taken_back(
    deployment: Deployment, client: httpx.Client
) -> None:
    authorized = {"Authorization": f"Bearer {deployment.secret('operations', 'token')}"}
    wish = {"key": "site.banner", "value": "Back at 14:00", "reason": "the proof"}
    with deployment.load() as load:
        made = deployment.ask(client, "/api/v1/overrides", "POST", json=wish, headers=authorized)
        assert made.status_code == 200, made.text
        eventually(lambda: deployment.ask(client, "/api/v1/about").json()["banner"] == "Back at 14:00")
        eventually(lambda: {item["state"] for item in deployment.fleet()} == {"SYNCED"}, every=0.5)
        back = {"reason": "the proof is over", "to": 0}
        undone = deployment.ask(client, "/api/v1/overrides/rollback", "POST", json=back, headers=authorized)
        assert undone.status_code == 200, undone.text
        eventually(lambda: deployment.ask(client, "/api/v1/about").json()["banner"] == "Welcome to FluentPro")
    assert set(load.banners) == {"Welcome to FluentPro", "Back at 14:00"}


def test_a_web_container_dies_and_no_client_notices(deployment: Deployment) -> None:
    victim = deployment.containers("web")[0]
    with deployment.load() as load:
        kill(victim)
        load.goes_on(50)
        eventually(
            lambda: (
                (state := deployment.engine.inspect(victim["Id"])["State"])["StartedAt"]
                > victim["State"]["StartedAt"]
                and state["Health"]["Status"] == "healthy"
            ),
            within=60,
            every=0.5,
        )


def test_the_vault_comes_back_by_itself_and_nobody_waited_for_it(deployment: Deployment) -> None:
    with deployment.load():
        kill(deployment.containers("openbao")[0])
        eventually(
            lambda: (
                deployment.containers("openbao")[0]["State"]["Health"]["Status"] == "healthy"
                and deployment.secret("django", "secret_key")
            ),
            within=60,
            every=0.5,
        )


def test_up_again_changes_nothing(deployment: Deployment) -> None:
    before = {item["Id"] for name in SERVERS for item in deployment.containers(name)}
    deployment.up()
    assert {item["Id"] for name in SERVERS for item in deployment.containers(name)} == before
    assert ", for production: 16 unchanged" in deployment.compose("logs", "vault-bootstrap").splitlines()[-1]


def test_no_secret_is_in_a_log_or_in_what_the_engine_knows_of_a_container(deployment: Deployment) -> None:
    files = [path for path in deployment.secrets.iterdir() if path.suffix != ".pem" and path.name != "ca.key"]
    hidden = [path.read_bytes().strip().decode("latin-1") for path in files]
    hidden += [deployment.secret("django", "secret_key"), deployment.secret("operations", "token")]
    told = deployment.compose("logs", "--no-color") + str(deployment.containers())
    assert "config.applied" in told
    for value in hidden:
        assert len(value) >= 30
        assert value not in told


def test_a_release_whose_configuration_is_not_valid_changes_nothing(deployment: Deployment) -> None:
    before = {item["Id"] for item in deployment.containers()}
    with deployment.load():
        done = deployment.upgrade(OURS, ORIGIN="http://app.fluentpro.com")
    assert done.returncode == 78, done.stdout
    assert "CFG421" in done.stdout
    assert {item["Id"] for item in deployment.containers()} == before


def test_a_release_that_does_not_get_ready_goes_again_and_the_old_one_serves_on(
    deployment: Deployment, images: Images
) -> None:
    images.build_broken()
    before = {item["Id"] for name in SERVING for item in deployment.containers(name)}
    with deployment.load():
        done = deployment.upgrade(BROKEN, WAIT="15")
    assert done.returncode == 1, done.stdout
    assert "the old ones serve on" in done.stdout
    assert {item["Id"] for name in SERVING for item in deployment.containers(name)} == before


def test_another_release_comes_in_under_load_and_no_client_notices(
    deployment: Deployment, images: Images
) -> None:
    images.build_next()
    with deployment.load():
        done = deployment.upgrade(NEXT)
    assert done.returncode == 0, done.stdout
    for name in SERVING:
        running = deployment.containers(name)
        assert {item["Config"]["Image"] for item in running} == {NEXT}, name
        assert {item["State"]["Health"]["Status"] for item in running} == {"healthy"}, name
        assert len(running) == (2 if name == "web" else 1), name
    before = {item["Id"] for item in deployment.containers()}
    deployment.release = NEXT
    deployment.up()
    assert {item["Id"] for item in deployment.containers()} == before


def test_after_down_and_up_nothing_is_lost(deployment: Deployment, client: httpx.Client) -> None:
    authorized = {"Authorization": f"Bearer {deployment.secret('operations', 'token')}"}
    key = deployment.secret("django", "secret_key")
    history = deployment.ask(client, "/api/v1/overrides/history", headers=authorized).json()
    assert len(history) == 2
    deployment.compose("down", "--timeout=20")
    assert not deployment.engine.docker("ps", "--all", "--quiet", "--filter=name=fluentpro-").split()
    deployment.up()
    assert deployment.secret("django", "secret_key") == key
    again = deployment.ask(client, "/api/v1/overrides/history", headers=authorized)
    assert again.json() == history
