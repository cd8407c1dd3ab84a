"""The image to develop in, as compose.dev.yml runs it: the whole stack, changed code, the tests."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.image.engine import Engine
from tests.image.images import OURS_DEV, Images, copy_checkout
from tests.support.waiting import eventually

USER = 1000
Compose = Callable[..., str]


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    return number


@pytest.fixture(scope="module")
def checkout(engine: Engine) -> Path:
    """A checkout that belongs to an ordinary user."""
    folder = engine.work / "checkout"
    copy_checkout(folder)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, USER, USER)
    return folder


@pytest.fixture(scope="module")
def compose(engine: Engine, images: Images, checkout: Path, port: int) -> Iterator[Compose]:
    """The command, for that checkout."""
    images.build_dev(checkout)

    def compose(*words: str) -> str:
        environ = {"DEV_IMAGE": OURS_DEV, "USER_ID": str(USER), "PORT": str(port), "REALTIME_PORT": "0"}
        file = str(checkout / "deploy/compose.dev.yml")
        return engine.docker("compose", "--file", file, "--ansi=never", *words, environ=environ)

    compose("up", "--detach", "--wait", "--no-build", "--pull=never")
    yield compose
    compose("down", "--volumes", "--timeout=20")


def about(port: int) -> dict[str, str]:
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/about", timeout=5, trust_env=False)
    found: dict[str, str] = answer.json()
    return found


def test_it_serves_on_a_stack_of_its_own(compose: Compose, port: int) -> None:
    assert about(port)["environment"] == "development"
    said = compose("logs", "--no-color", "--no-log-prefix")
    for server in ("PostgreSQL", "Valkey", "OpenBao"):
        assert any(line.strip().startswith(server) and "ready in" in line for line in said.splitlines()), said
    assert compose("exec", "-T", "dev", "id", "--user").strip() == str(USER)


def test_changed_code_is_served(compose: Compose, checkout: Path, port: int) -> None:
    code = checkout / "fluentpro/__init__.py"
    text = code.read_text()
    code.write_text(text.replace(f'"{about(port)["version"]}"', '"9.9.9"'))
    assert code.read_text() != text
    eventually(lambda: about(port)["version"] == "9.9.9", within=60, every=0.2)


def test_the_tests_and_the_linters_run_in_it(compose: Compose) -> None:
    assert " passed" in compose("exec", "-T", "dev", "pytest", "--quiet", "tests/config/test_wording.py")
    assert "All checks passed" in compose(
        "exec", "-T", "dev", "ruff", "check", "--no-cache", "fluentpro/config"
    )
