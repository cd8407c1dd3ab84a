"""Write the messages that FluentPro prints now into the documents: `python -m tests.docs.accept`."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.docs.causes import printed
from tests.docs.pages import DOCS, fits

PAGE = DOCS / "troubleshooting.md"
SECTION = re.compile(
    r"^## (?P<code>CFG\d{3}) (?:(?!^## ).)*?^```text\n(?P<message>.*?)^```$", re.MULTILINE | re.DOTALL
)


def accepted(match: re.Match[str]) -> str:
    """A section with the message that is printed now, if it is another one."""
    with pytest.MonkeyPatch.context() as monkeypatch, TemporaryDirectory() as folder:
        real = printed(match["code"], Path(folder), monkeypatch)
    section, message = match[0], match["message"]
    return section if fits(message, real) else section.replace(message, real)


if __name__ == "__main__":
    PAGE.write_text(SECTION.sub(accepted, PAGE.read_text()))
