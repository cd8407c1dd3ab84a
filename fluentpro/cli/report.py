"""How a refused configuration leaves the process: every finding, on standard error, with the right status."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NoReturn, TextIO

from fluentpro.config.diagnostics import Diagnostic, errors
from fluentpro.config.errors import ConfigError

TERMINATION_LOG: Final = "TERMINATION_LOG"
"""Names the file for a container's last words (Kubernetes: /dev/termination-log)."""
LONGEST: Final = 4096
"""Bytes that Kubernetes reads of it."""
CUT: Final = "\n(cut; the log has all of it)\n"

_LOUD: Final = re.compile(r"^(CFG\d+)|(?<=^        \| )( *)(\^+)$", re.MULTILINE)


@contextmanager
def refusing(*, as_json: bool = False) -> Iterator[None]:
    """Turn a `ConfigError` into its report and its exit status."""
    try:
        yield
    except ConfigError as error:
        report(error, as_json=as_json)
        raise SystemExit(error.exit_status) from None


def end(message: str, fix: str, status: int) -> NoReturn:
    """End the command with a message, its cure if there is one, and a status of sysexits.h."""
    sys.stderr.write(f"fluentpro: {message}\n" + (f"        fix: {fix}\n" if fix else ""))
    raise SystemExit(status)


def report(error: ConfigError, *, as_json: bool = False, environ: Mapping[str, str] = os.environ) -> None:
    """Print everything that is wrong; leave it in the termination log too, where there is one."""
    text = str(error)
    if as_json:
        print(json.dumps(as_data(error), indent=2))  # noqa: T201 # the command's answer
    else:
        sys.stderr.write(emphasised(text) if colourful(sys.stderr, environ) else text)
    if path := environ.get(TERMINATION_LOG):
        with suppress(OSError):  # the report on standard error is out already
            Path(path).write_bytes(last_words(text))


def as_data(error: ConfigError) -> dict[str, object]:
    """The report as JSON-ready data."""
    return {"valid": False, "environment": error.environment, **counted(error.findings)}


def counted(findings: Sequence[Diagnostic]) -> dict[str, object]:
    """Findings as JSON-ready data, with their numbers."""
    wrong = len(errors(findings))
    return {
        "errors": wrong,
        "warnings": len(findings) - wrong,
        "findings": [item.as_dict() for item in findings],
    }


def note_invalid(environment: str, findings: Sequence[Diagnostic]) -> None:
    """Say on standard error that what is shown is not valid, without telling all of it."""
    wrong = len(errors(findings))
    if wrong:
        many = f"{wrong} error{'' if wrong == 1 else 's'}"
        command = f"ENV_FOR_DYNACONF={environment} fluentpro check"
        sys.stderr.write(f"fluentpro: {environment} is not valid here ({many}): see `{command}`\n")


def last_words(text: str) -> bytes:
    """The text in at most 4 KB, cut at the end of a line."""
    whole = text.encode(errors="backslashreplace")
    if len(whole) <= LONGEST:
        return whole
    lines = whole[: LONGEST - len(CUT)].rpartition(b"\n")[0]
    return lines + CUT.encode()


def colourful(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether a person looks at it, on a terminal that knows colours, and has not asked for none."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def emphasised(text: str) -> str:
    """The report with its codes and carets in bold red."""
    return _LOUD.sub(lambda found: f"{found[2] or ''}\033[1;31m{found[1] or found[3]}\033[0m", text)
