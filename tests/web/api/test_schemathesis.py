"""Requests made up from the OpenAPI document, against the real server: none finds what it does not tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import KEPT, Server

COMMAND = Path(sys.executable).with_name("schemathesis")
CONFIG = """\
seed = 1

[generation]
max-examples = 4
database = "none"

[checks.positive_data_acceptance]
# Of the right form, and yet refused for what the configuration is now, or known already.
expected-statuses = ["2xx", 304, 401, 403, 404, 409, 412, 422]
"""


def run(server: Server, folder: Path, *arguments: str) -> str:
    """One run with every check; what it says, where it found something."""
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG)
    command = [
        COMMAND,
        "--config-file",
        config,
        "run",
        f"{server.url}/api/v1/openapi.json",
        "--checks",
        "all",
    ]
    environ = {name: os.environ[name] for name in KEPT if name in os.environ} | {"HOME": str(folder)}
    done = subprocess.run(
        [*map(str, command), *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("bearer", ["none", "good"])
def test_nothing_that_the_document_does_not_tell_of(server: Server, tmp_path: Path, bearer: str) -> None:
    token = server.project.token if bearer == "good" else ""
    given = ["--header", f"Authorization: Bearer {token}"] if token else []
    more = ["--max-examples", "20"] if bearer == "good" else []
    try:
        if found := run(server, tmp_path, *given, *more):
            pytest.fail(found, pytrace=False)
    finally:
        server.request(
            "POST", "/api/v1/overrides/rollback", server.bearer, json={"to": 0, "reason": "for the next test"}
        )
    if bearer == "good":
        assert server.events("audit.override_set"), "or it saw less than it could"
    assert not [line for line in server.lines() if line.get("status", 0) >= 500]
