"""Logging in with a token that the platform gives: the methods jwt and kubernetes of a real OpenBao."""

from __future__ import annotations

import json
import ssl
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from fluentpro.schema.vault import Vault
from fluentpro.vault.connection import Address, Connection
from fluentpro.vault.errors import Kind, VaultError
from fluentpro.vault.login import Login, Token
from tests.vault.conftest import Bao, Rude, reply
from tests.vault.signed import KINDS, Signer, certify

ISSUER, AUDIENCE, SUBJECT = "https://platform.test", "vault", "fluentpro-web"
NAMESPACE, ACCOUNT, UID = "fluentpro", "web", "7d1c2b54-7d57-4b0c-9d1c-3b1f6f6a7a11"


@dataclass
class Method:
    """A login method of the test's own: where it is mounted, and the file with the service's token."""

    bao: Bao
    name: str
    mount: str
    file: Path

    @property
    def vault(self) -> Vault:
        return Vault(
            enabled=True,
            auth_method="jwt" if self.name == "jwt" else "kubernetes",
            auth_mount=self.mount,
            role="web",
            jwt_file=str(self.file),
        )

    def log_in(self, text: str) -> Token:
        self.file.write_text(f"{text}\n")
        return Login(self.vault).log_in(Connection(Address(self.bao.url)))

    def refuse(self, text: str) -> VaultError:
        with pytest.raises(VaultError) as caught:
            self.log_in(text)
        assert text not in f"{caught.value} {caught.value.fix}"
        return caught.value


def mounted(bao: Bao, name: str, folder: Path) -> Method:
    mount = f"{name}-{uuid4().hex[:8]}"
    bao.root.sys.enable_auth_method(name, path=mount)
    return Method(bao, name, mount, folder / "token")


@pytest.fixture(scope="session", params=sorted(KINDS))
def signer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.make(request.param, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def jwt(bao: Bao, tmp_path: Path, signer: Signer) -> Method:
    """The method jwt, which knows the platform's public key."""
    made = mounted(bao, "jwt", tmp_path)
    bao.root.write_data(
        f"auth/{made.mount}/config", data={"jwt_validation_pubkeys": [signer.public], "bound_issuer": ISSUER}
    )
    bound = {"bound_audiences": [AUDIENCE], "bound_subject": SUBJECT, "user_claim": "sub"}
    data = {"role_type": "jwt", "token_ttl": "1h", "token_policies": ["default"], **bound}
    bao.root.write_data(f"auth/{made.mount}/role/web", data=data)
    return made


def claims(**others: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "aud": AUDIENCE, "sub": SUBJECT, **others}


def test_a_signed_token_logs_in_and_the_login_is_renewed(jwt: Method, signer: Signer) -> None:
    jwt.file.write_text(signer.sign(**claims()))
    connection, login = Connection(Address(jwt.bao.url)), Login(jwt.vault)
    token = login.log_in(connection)
    assert (token.lease, token.renewable, token.given) == (3600, True, False)
    assert login.renew(connection, token).text == token.text


def test_each_login_reads_the_file_anew(jwt: Method, signer: Signer) -> None:
    """The platform replaces the token before it ends."""
    login, connection = Login(jwt.vault), Connection(Address(jwt.bao.url))
    jwt.file.write_text(signer.sign(**claims()))
    first = login.log_in(connection)
    jwt.file.write_text("not a token any more")
    with pytest.raises(VaultError):
        login.log_in(connection)
    jwt.file.write_text(signer.sign(**claims(jti="another")))
    assert login.log_in(connection).text != first.text


@pytest.mark.parametrize(
    "others", [{"sub": "somebody-else"}, {"aud": "another-service"}, {"iss": "https://elsewhere.test"}]
)
def test_a_token_of_others_is_refused_with_what_the_role_is_bound_to(
    jwt: Method, signer: Signer, others: dict[str, str]
) -> None:
    error = jwt.refuse(signer.sign(**claims(**others)))
    assert error.kind is Kind.LOGIN
    assert f"auth/{jwt.mount} as role web" in error.message
    assert f"bao read auth/{jwt.mount}/role/web" in error.fix


def test_a_token_that_has_ended_is_refused(jwt: Method, signer: Signer) -> None:
    assert jwt.refuse(signer.sign(life=-3600, **claims())).kind is Kind.LOGIN


def test_a_token_that_somebody_else_signed_is_refused(jwt: Method, signer: Signer, tmp_path: Path) -> None:
    forger = Signer.make(signer.kind, tmp_path)
    assert jwt.refuse(forger.sign(**claims())).kind is Kind.LOGIN


def test_a_role_that_is_not_there_is_refused(jwt: Method, signer: Signer) -> None:
    jwt.bao.root.delete(f"auth/{jwt.mount}/role/web")
    assert jwt.refuse(signer.sign(**claims())).kind is Kind.LOGIN


@dataclass
class Cluster:
    """Kubernetes, as far as a Vault asks it: whose token is this?"""

    rude: Rude
    knows: str = ""
    """The token that it gave out."""
    broken: bool = False

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Review a token (authentication.k8s.io/v1)."""
        asked = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        if self.broken:
            reply(handler, 500, b"{}")
            return
        status: dict[str, Any] = {"authenticated": False, "error": "no such token"}
        if asked["spec"]["token"] == self.knows:
            name = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
            status = {"authenticated": True, "user": {"username": name, "uid": UID, "groups": []}}
        review = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "status": status}
        reply(handler, 201, json.dumps(review).encode(), Content_Type="application/json")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The cluster's certificate, which it signed itself, and its key."""
    folder = tmp_path_factory.mktemp("cluster")
    return certify(folder, "127.0.0.1")


@pytest.fixture
def cluster(rude: Rude, certificate: tuple[Path, Path]) -> Cluster:
    """It answers over TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    rude.server.socket = context.wrap_socket(rude.server.socket, server_side=True)
    rude.url = rude.url.replace("http:", "https:")
    made = Cluster(rude)
    rude.answer = made.answer
    return made


@pytest.fixture
def kubernetes(bao: Bao, tmp_path: Path, cluster: Cluster, certificate: tuple[Path, Path]) -> Method:
    """The method kubernetes, which asks the cluster."""
    made = mounted(bao, "kubernetes", tmp_path)
    host = {
        "kubernetes_host": cluster.rude.url,
        "kubernetes_ca_cert": certificate[0].read_text(),
        "disable_local_ca_jwt": True,
    }
    bao.root.write_data(f"auth/{made.mount}/config", data=host)
    bound = {"bound_service_account_names": [ACCOUNT], "bound_service_account_namespaces": [NAMESPACE]}
    data = {"token_ttl": "1h", "token_policies": ["default"], **bound}
    bao.root.write_data(f"auth/{made.mount}/role/web", data=data)
    return made


def account(signer: Signer, name: str = ACCOUNT) -> str:
    """A service account's token, as the kubelet mounts it."""
    whose: dict[str, Any] = {"namespace": NAMESPACE, "serviceaccount": {"name": name, "uid": UID}}
    subject = f"system:serviceaccount:{NAMESPACE}:{name}"
    claims: dict[str, Any] = {"sub": subject, "kubernetes.io": whose}
    return signer.sign(**claims, iss="https://kubernetes.default.svc")


def test_a_service_account_logs_in_after_the_cluster_was_asked(
    kubernetes: Method, cluster: Cluster, signer: Signer
) -> None:
    cluster.knows = account(signer)
    token = kubernetes.log_in(cluster.knows)
    assert (token.lease, token.given) == (3600, False)
    assert cluster.rude.asked == ["/apis/authentication.k8s.io/v1/tokenreviews"]


def test_an_account_that_the_cluster_does_not_know_is_refused(
    kubernetes: Method, cluster: Cluster, signer: Signer
) -> None:
    error = kubernetes.refuse(account(signer))
    assert error.kind is Kind.LOGIN
    assert f"auth/{kubernetes.mount} as role web" in error.message
    assert cluster.rude.asked


def test_an_account_that_the_role_is_not_bound_to_is_refused(
    kubernetes: Method, cluster: Cluster, signer: Signer
) -> None:
    cluster.knows = account(signer, "another")
    assert kubernetes.refuse(cluster.knows).kind is Kind.LOGIN


def test_a_cluster_that_fails_is_told_and_the_login_comes_through_later(
    kubernetes: Method, cluster: Cluster, signer: Signer
) -> None:
    cluster.knows, cluster.broken = account(signer), True
    assert kubernetes.refuse(cluster.knows).kind in (Kind.LOGIN, Kind.OVERLOADED)
    cluster.broken = False
    assert kubernetes.log_in(cluster.knows).text


def test_the_login_is_that_of_the_whole_service(kubernetes: Method, cluster: Cluster, signer: Signer) -> None:
    """Many processes at once, as after a roll-out: each has a token of its own."""
    cluster.knows = account(signer)
    kubernetes.file.write_text(cluster.knows)
    tokens: list[str] = []

    def log_in() -> None:
        tokens.append(Login(kubernetes.vault).log_in(Connection(Address(kubernetes.bao.url))).text)

    threads = [threading.Thread(target=log_in) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tokens)) == 6
