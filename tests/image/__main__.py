"""`make image-test`: the proof on a real engine, or a word why there can be none here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.image.engine import running
from tests.image.packages import ASKED, CannotRunError, why_not


def main(arguments: list[str]) -> int:
    """Run the tests of this folder; 0 where the machine is not made for them."""
    if reason := why_not():
        print(f"image-test: NOT RUN, nothing is proved: {reason}")  # noqa: T201 # the answer
        return 0
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = home / "fluentpro/image-test"
    try:
        with running(cache) as engine:
            engine.docker("info")
    except (AssertionError, CannotRunError, OSError, pytest.exit.Exception) as error:
        # No package to be had, or a machine that lets nobody make containers: neither is a fault of ours.
        said = "\n".join(str(error).splitlines()[-5:])
        print(f"image-test: NOT RUN, nothing is proved: no engine starts here\n{said}")  # noqa: T201 # as above
        return 0
    os.environ[ASKED] = str(cache)
    options = ["--timeout=600", "--durations=10", "--durations-min=1", *arguments]
    return int(pytest.main([str(Path(__file__).parent), *options]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
