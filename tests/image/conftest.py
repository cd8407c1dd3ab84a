"""The proof on a real engine, for `make image-test` alone: it takes root, Debian and minutes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine import Engine, running
from tests.image.images import Images
from tests.image.packages import ASKED

collect_ignore_glob = [] if ASKED in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A Docker engine of our own."""
    with running(Path(os.environ.pop(ASKED))) as started:
        yield started


@pytest.fixture(scope="session")
def images(engine: Engine) -> Images:
    """Our image and the stand-ins, built."""
    made = Images(engine)
    made.build()
    return made
