"""How a refused configuration leaves the process: every finding, on standard error, with the right status."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from fluentpro.config.errors import ConfigError

TERMINATION_LOG: Final = "TERMINATION_LOG"
"""Names the file for a container's last words (Kubernetes: /dev/termination-log)."""
LONGEST: Final = 4096
"""Bytes that Kubernetes reads of it."""


@contextmanager
def refusing(*, as_json: bool = False) -> Iterator[None]:
    """Turn a `ConfigError` into its report and its exit status."""
    try:
        yield
    except ConfigError as error:
        report(error, as_json=as_json)
        raise SystemExit(error.exit_status) from None


def report(error: ConfigError, *, as_json: bool = False, environ: Mapping[str, str] = os.environ) -> None:
    """Print everything that is wrong; leave it in the termination log too, where there is one."""
    text = str(error)
    if as_json:
        print(json.dumps(as_data(error), indent=2))  # noqa: T201 # the command's answer
    else:
        sys.stderr.write(text)
    if path := environ.get(TERMINATION_LOG):
        with suppress(OSError):  # the report on standard error is out already
            Path(path).write_bytes(text.encode()[:LONGEST])


def as_data(error: ConfigError) -> dict[str, object]:
    """The report as JSON-ready data."""
    return {
        "valid": False,
        "environment": error.environment,
        "findings": [item.as_dict() for item in error.findings],
    }
