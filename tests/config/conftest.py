from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

from tests.config.world import GOOD, World

# The same examples each time: a test that fails now and then teaches people to run it again.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True, max_examples=150)
hypothesis.settings.load_profile("steady")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A folder of valid settings files, for the small schema."""
    made = World(tmp_path)
    made.write(GOOD)
    return made
