"""Where the fleet's server may be: alone, behind sentinels, in a cluster, behind TLS, on a socket."""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from fluentpro.fleet.announcement import Announcement, Kind
from fluentpro.fleet.channel import Channel
from fluentpro.fleet.connection import location
from fluentpro.fleet.errors import FleetError
from fluentpro.fleet.registry import Record
from fluentpro.schema.fleet import Fleet
from fluentpro.schema.redis import Redis
from tests.support.valkey import Valkey
from tests.support.waiting import eventually

RECORD = Record("host/web/1", "host", "web", 1, "aaaa", since=100.0)
ON = {"enabled": True, "stale_after": 5.0, "forget_after": 10.0}


def works(channel: Channel | None) -> bool:
    """Whether everything that a fleet does can be done."""
    assert channel
    place = channel.newest()
    channel.announce(Announcement(Kind.RELOAD, "a person"))
    _, said = channel.listen(place, 1.0)
    pulse = channel.beat(RECORD, 1.0)
    channel.acknowledge({"process": "host/web/1"})
    channel.count("fallbacks", {"version 1": 2})
    channel.vote("b", {"accepts": True})
    seen = channel.processes()
    good = (
        [item.kind for item in said] == [Kind.RELOAD]
        and (pulse.count, pulse.rank, pulse.target) == (1, 0, "aaaa")
        and [item.process for item in seen] == ["host/web/1"]
        and channel.counted("fallbacks")["version 1"][0] == 2
        and channel.votes("b", 1.0) == [{"accepts": True}]
        and channel.acknowledged("0-0", 1.0)[1] == [{"process": "host/web/1"}]
    )
    channel.leave("host/web/1")
    assert channel.processes() == ()
    channel.close()
    return good


def opened(fleet: Fleet, redis: Redis) -> Channel | None:
    return Channel.open(fleet, redis, "testing", "1.0")


def test_one_server_with_a_password(server: Valkey) -> None:
    redis = Redis(url=server.url, password=SecretStr(server.password))
    assert works(opened(Fleet(**ON, release="alone"), redis))


def test_a_server_of_the_fleets_own(server: Valkey) -> None:
    fleet = Fleet(**ON, url=f"{server.url}/2", password=SecretStr(server.password), release="own")
    assert works(opened(fleet, Redis(url="redis://nowhere.invalid")))


def test_the_address_is_that_of_redis_unless_the_fleet_has_its_own() -> None:
    redis = Redis(url="rediss://redis.internal:6380", password=SecretStr("a b"), streams_db=3)
    assert location(Fleet(), redis) == "rediss://:a%20b@redis.internal:6380/3"
    own = Fleet(url="redis://fleet.internal/5", password=SecretStr("c"))
    assert location(own, redis) == "redis://:c@fleet.internal/5"
    assert location(Fleet(), Redis()) is None


def test_without_an_address_or_switched_off_there_is_no_channel(server: Valkey) -> None:
    assert opened(Fleet(enabled=True), Redis()) is None
    assert opened(Fleet(enabled=False), Redis(url=server.url)) is None


def test_a_socket(tmp_path: Path) -> None:
    own = Valkey(tmp_path / "valkey", "--unixsocket", str(tmp_path / "s"), password="a password of its own")
    own.start()
    try:
        redis = Redis(url=f"unix://{tmp_path / 's'}", password=SecretStr(own.password))
        assert works(opened(Fleet(**ON), redis))
    finally:
        own.stop()


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for localhost that nobody vouches for, and its key."""
    key, made = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*command, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    return made, key


def test_tls(server: Valkey, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with shielded(server.port, certificate) as port:
        fleet = Fleet(**ON, release="tls")
        redis = Redis(url=f"rediss://localhost:{port}", password=SecretStr(server.password))
        channel = opened(fleet, redis)
        assert channel
        with pytest.raises(FleetError, match="ConnectionError"):
            channel.newest()  # nobody vouches for the certificate
        channel.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert works(opened(fleet, redis))


@contextmanager
def shielded(port: int, certificate: tuple[Path, Path]) -> Iterator[int]:
    """A port that speaks TLS, in front of one that does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    class Shield(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as front,
                socket.create_connection(("127.0.0.1", port)) as back,
            ):
                while True:
                    ready, _, _ = select.select([front, back], [], [], 5)
                    for side, other in ((front, back), (back, front)):
                        if side in ready:
                            if not (data := side.recv(65536)):
                                return
                            other.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Shield) as listening:
        listening.daemon_threads = True
        serving = threading.Thread(target=listening.serve_forever, daemon=True)
        serving.start()
        yield listening.server_address[1]
        listening.shutdown()


@pytest.fixture
def sentinel(tmp_path: Path, server: Valkey) -> Iterator[Valkey]:
    """A sentinel that knows the server as `fluentpro`."""
    file = tmp_path / "sentinel.conf"
    file.write_text(
        f"sentinel monitor fluentpro 127.0.0.1 {server.port} 1\n"
        f'sentinel auth-pass fluentpro "{server.password}"\n'
    )
    own = Valkey(tmp_path / "sentinel", config=file)
    yield own.start()
    own.stop()


def test_behind_a_sentinel(server: Valkey, sentinel: Valkey) -> None:
    fleet = Fleet(**ON, sentinels=(f"127.0.0.1:{sentinel.port}",), release="sentinel")
    redis = Redis(url="redis://fluentpro", password=SecretStr(server.password))
    assert works(opened(fleet, redis))


def test_a_sentinel_that_is_down_is_a_failure_with_a_word(server: Valkey, tmp_path: Path) -> None:
    fleet = Fleet(**ON, sentinels=("127.0.0.1:1",))
    channel = opened(fleet, Redis(url="redis://fluentpro", password=SecretStr(server.password)))
    assert channel
    with pytest.raises(FleetError, match="MasterNotFoundError"):
        channel.newest()


def test_in_a_cluster(tmp_path: Path) -> None:
    own = Valkey(tmp_path / "cluster", "--cluster-enabled", "yes", password="a password of the cluster")
    own.start()
    try:
        assert own.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383") == "+OK"
        redis = Redis(password=SecretStr(own.password))
        fleet = Fleet(**ON, url=own.url, password=SecretStr(own.password), cluster=True)
        eventually(lambda: own.ask("SET", "up", "1") == "+OK")
        assert works(opened(fleet, redis))
    finally:
        own.stop()


@pytest.mark.parametrize(
    ("password", "said"), [("wrong", "refused the password"), ("", "refused the password|can't be asked")]
)
def test_a_wrong_password_is_said_and_not_shown(server: Valkey, password: str, said: str) -> None:
    given = SecretStr(password) if password else None
    channel = opened(Fleet(**ON), Redis(url=server.url, password=given))
    assert channel
    with pytest.raises(FleetError, match=said) as caught:
        channel.newest()
    assert "wrong" not in str(caught.value)
    assert server.password not in str(caught.value)
    channel.close()


def test_nobody_listens_there() -> None:
    channel = opened(Fleet(**ON), Redis(url="redis://127.0.0.1:1"))
    assert channel
    with pytest.raises(FleetError, match="can't be asked: ConnectionError"):
        channel.newest()
