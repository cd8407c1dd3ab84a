"""A stack for the tests that stop it and start it again; those that only use one ask for `running_stack`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fluentpro.stack.stack import Stack
from tests.support.stack import SECRETS


@pytest.fixture(scope="session")
def used(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack that ran before, and is stopped."""
    stack = Stack(tmp_path_factory.mktemp("used"), source=SECRETS)
    with stack.running() as up:
        up.valkey.ask("SET", "kept", "by-valkey")
        with up.postgresql.connect("fluentpro") as connection:
            connection.execute("CREATE TABLE kept AS SELECT 'by-postgresql' AS word")
        up.client().write_data("kv/data/fluentpro/development/kept", data={"data": {"by": "openbao"}})
    return stack


@pytest.fixture
def folder(used: Stack) -> Path:
    """Where it keeps its data."""
    return used.root / ".stack"
