"""The login to Vault: the role of the page in a real OpenBao, which asks a stand-in for the cluster."""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest

from fluentpro.schema.vault import Vault
from fluentpro.vault.connection import Address, Connection
from fluentpro.vault.errors import VaultError
from fluentpro.vault.login import Login
from tests.deploy import kubectl
from tests.deploy.manifests import ROOT, container, manifests, volume

if TYPE_CHECKING:
    from fluentpro.stack.stack import Running

NAMESPACE = "fluentpro-production"
[ANY_AUTHORITY, *_] = re.findall(
    r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", Path(certifi.where()).read_text(), re.DOTALL
)


def part(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")


def service_account_token(account: str, audience: str, namespace: str = NAMESPACE) -> str:
    """A token as the kubelet puts it into a pod; whether it is genuine, the cluster says."""
    now = int(time.time())
    claims = {
        "aud": [audience],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "iss": "https://kubernetes.default.svc",
        "sub": f"system:serviceaccount:{namespace}:{account}",
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": account, "uid": "1-2-3"}},
    }
    return f"{part({'alg': 'RS256', 'kid': 'k'})}.{part(claims)}.{'c2lnbmF0dXJl'}"


class Reviews(BaseHTTPRequestHandler):
    """TokenReview, as the API server answers it: genuine for the audiences that it was asked about."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["spec"]
        body = asked["token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        audiences = [name for name in claims["aud"] if name in asked.get("audiences", [])]
        status: dict[str, Any] = {"authenticated": bool(audiences), "audiences": audiences}
        if audiences:
            account = claims["kubernetes.io"]["serviceaccount"]
            status["user"] = {"username": claims["sub"], "uid": account["uid"], "groups": []}
        answer = json.dumps(
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}
        )
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def cluster() -> Iterator[str]:
    """The address of the stand-in's API."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Reviews) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(5)


@pytest.fixture
def vault(running_stack: Running, cluster: str) -> Iterator[str]:
    """An OpenBao with the role that docs/development/kubernetes.md makes; its address."""
    client = running_stack.client()
    text = (ROOT / "docs" / "development" / "kubernetes.md").read_text()
    command = re.search(r"bao write auth/kubernetes/role/(\S+) \\\n((?:  .*\n)+)", text)
    assert command
    fields = dict(word.split("=", 1) for word in command[2].replace("\\\n", " ").split())
    with suppress(Exception):  # left over from a run that was broken off
        client.sys.disable_auth_method("kubernetes")
    client.sys.enable_auth_method("kubernetes")
    config = {
        "kubernetes_host": cluster,  # without TLS, so that no authority is asked for; one has to be named
        "kubernetes_ca_cert": ANY_AUTHORITY,
        "token_reviewer_jwt": service_account_token("reviewer", "https://kubernetes.default.svc", "vault"),
    }
    client.write_data("auth/kubernetes/config", data=config)
    client.write_data(f"auth/kubernetes/role/{command[1]}", data=fields)
    yield running_stack.openbao.url
    client.sys.disable_auth_method("kubernetes")


def log_in(address: str, folder: Path, token: str) -> Any:
    """Log in as a pod would, with the manifests' own role."""
    try:
        given = manifests("production").variables()
    except kubectl.MissingError as error:
        pytest.skip(str(error))
    file = folder / "token"
    file.write_text(token)
    method: Any = given["FLUENTPRO_VAULT__AUTH_METHOD"]
    settings = Vault(auth_method=method, role=given["FLUENTPRO_VAULT__ROLE"], jwt_file=str(file))
    return Login(settings).log_in(Connection(Address(address)))


def test_every_account_of_the_manifests_logs_in(vault: str, tmp_path: Path) -> None:
    for name, pod in manifests("production").pods():
        [source] = volume(pod, "vault-token")["projected"]["sources"]
        audience = source["serviceAccountToken"]["audience"]
        token = service_account_token(pod["spec"]["serviceAccountName"], audience)
        found = log_in(vault, tmp_path, token)
        assert (found.lease, found.renewable) == (3600, True), (name, container(pod)["name"])


@pytest.mark.parametrize(
    ("account", "audience", "namespace"),
    [
        ("default", "vault", NAMESPACE),
        ("fluentpro-web", "vault", "fluentpro-staging"),
        ("fluentpro-web", "https://kubernetes.default.svc", NAMESPACE),
    ],
)
def test_nobody_else_does(vault: str, tmp_path: Path, account: str, audience: str, namespace: str) -> None:
    with pytest.raises(VaultError) as caught:
        log_in(vault, tmp_path, service_account_token(account, audience, namespace))
    assert "as role fluentpro-production" in caught.value.message
