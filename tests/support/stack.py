"""The real stack for tests: PostgreSQL, Valkey and OpenBao, started when the first test asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from fluentpro.stack.stack import Running

SECRETS = Path(__file__).parents[2] / "secrets"


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack of this process. It is shared: a test that stops or seals a server mends it."""
    from fluentpro.stack.stack import Stack  # so that other tests don't wait for it

    with Stack(tmp_path_factory.mktemp("stack"), source=SECRETS).running() as up:
        yield up
