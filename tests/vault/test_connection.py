"""Requests to a Vault: deadlines, retries, and what each odd answer means."""

from __future__ import annotations

import os
import threading
import time
from http.server import BaseHTTPRequestHandler

import pytest

from fluentpro.vault.connection import ABANDONED, Address, Connection
from fluentpro.vault.errors import Kind, VaultError
from tests.vault.conftest import Bao, Rude, free_port, reply


def ask(connection: Connection) -> int:
    return connection.ask("the test", lambda client: client.adapter.get("/v1/x")).status


def kind_of(connection: Connection) -> Kind:
    with pytest.raises(VaultError) as caught:
        ask(connection)
    return caught.value.kind


def test_a_real_vault_answers(bao: Bao) -> None:
    connection = Connection(Address(bao.url), "root-of-the-tests")
    answer = connection.ask("the look-up", lambda client: client.auth.token.lookup_self())
    assert answer.status == 200
    assert "root" in answer.data["policies"]
    assert connection.requests == 1


def test_a_connection_knows_the_process_it_was_made_in(bao: Bao) -> None:
    assert Connection(Address(bao.url)).pid == os.getpid()


def test_nobody_there_is_unreachable() -> None:
    started = time.monotonic()
    assert kind_of(Connection(Address(f"http://127.0.0.1:{free_port()}", timeout=2))) is Kind.UNREACHABLE
    assert time.monotonic() - started < 2.5


def test_a_plain_port_behind_https_is_not_trusted(rude: Rude) -> None:
    assert kind_of(Connection(Address(rude.url.replace("http:", "https:"), timeout=1))) is Kind.UNTRUSTED


def test_a_page_of_a_proxy_is_not_a_vault(rude: Rude) -> None:
    rude.answer = lambda handler: reply(handler, 200, b"<html>Welcome</html>", Content_Type="text/html")
    assert kind_of(Connection(Address(rude.url))) is Kind.STRANGER


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, b'{"errors":["permission denied"]}', Kind.DENIED),
        (404, b'{"errors":[]}', Kind.MISSING),
        (501, b'{"errors":["not initialized"]}', Kind.UNINITIALISED),
        (503, b'{"errors":["Vault is sealed"]}', Kind.SEALED),
        (400, b'{"errors":["odd"]}', Kind.DENIED),
    ],
)
def test_a_final_answer_is_not_asked_for_again(rude: Rude, status: int, body: bytes, kind: Kind) -> None:
    rude.answer = lambda handler: reply(handler, status, body)
    assert kind_of(Connection(Address(rude.url))) is kind
    assert len(rude.asked) == 1


@pytest.mark.parametrize("status", [412, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(rude: Rude, status: int) -> None:
    def once(handler: BaseHTTPRequestHandler) -> None:
        reply(handler, status if len(rude.asked) == 1 else 200, b"{}")

    rude.answer = once
    assert ask(Connection(Address(rude.url))) == 200
    assert len(rude.asked) == 2


def test_retry_after_is_honoured(rude: Rude) -> None:
    def later(handler: BaseHTTPRequestHandler) -> None:
        if len(rude.asked) == 1:
            reply(handler, 429, b"", Retry_After="1")
        else:
            reply(handler, 200, b"{}")

    rude.answer = later
    started = time.monotonic()
    assert ask(Connection(Address(rude.url))) == 200
    assert time.monotonic() - started >= 1


def test_retry_after_is_capped_by_the_deadline(rude: Rude) -> None:
    rude.answer = lambda handler: reply(handler, 429, b"", Retry_After="3600")
    started = time.monotonic()
    assert kind_of(Connection(Address(rude.url, timeout=0.5))) is Kind.OVERLOADED
    assert time.monotonic() - started < 1
    assert len(rude.asked) == 1


def test_a_dripping_answer_ends_with_the_deadline_and_few_threads(rude: Rude) -> None:
    done = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        while not done.wait(0.05):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    rude.answer = drip
    connection = Connection(Address(rude.url, timeout=0.3))
    before = threading.active_count()
    for _ in range(ABANDONED + 3):
        started = time.monotonic()
        assert kind_of(connection) is Kind.UNREACHABLE
        assert time.monotonic() - started < 1
    hanging = [thread for thread in threading.enumerate() if thread.name == "vault-request"]
    assert len(hanging) <= ABANDONED
    assert threading.active_count() - before <= 2 * ABANDONED  # each with its thread in the server
    done.set()


def test_no_text_of_an_answer_is_in_an_error(rude: Rude) -> None:
    rude.answer = lambda handler: reply(handler, 403, b'{"errors":["canary-in-the-answer"]}')
    with pytest.raises(VaultError) as caught:
        ask(Connection(Address(rude.url)))
    assert "canary" not in str(caught.value) + repr(caught.value)
