"""`make image-test`: the proof on a real engine, or a word why there can be none here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.image.packages import ASKED, why_not


def main(arguments: list[str]) -> int:
    """Run the tests of this folder; 0 where the machine is not made for them."""
    if reason := why_not():
        print(f"image-test: NOT RUN, nothing is proved: {reason}")  # noqa: T201 # the answer
        return 0
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ[ASKED] = str(home / "fluentpro/image-test")
    options = ["--timeout=600", "--durations=10", "--durations-min=1", *arguments]
    return int(pytest.main([str(Path(__file__).parent), *options]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
