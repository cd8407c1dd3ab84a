"""The messages that docs/troubleshooting.md shows are the ones that FluentPro prints.

Not so? `python -m tests.docs.accept` writes what is printed now; read the diff.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fluentpro.config.diagnostics import CODES
from fluentpro.schema.rules import RULES
from tests.docs.causes import CAUSES, printed
from tests.docs.pages import fits, page

PAGE = page("docs/troubleshooting.md")


def shown(code: str) -> str:
    """The message in the section of a code."""
    [message] = [
        fence.text for fence in PAGE.fences if fence.heading.startswith(code) and fence.language == "text"
    ]
    return message


def test_every_code_of_the_engine_has_a_cause() -> None:
    assert CODES.keys() <= CAUSES.keys()


@pytest.mark.parametrize("code", sorted({*CAUSES, *(rule.code for rule in RULES)}))
def test_a_message_is_shown_as_it_is_printed(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = printed(code, tmp_path, monkeypatch)
    assert fits(shown(code), real), real


def test_the_example_of_how_to_read_a_message_is_one() -> None:
    [example] = [fence.text for fence in PAGE.fences if fence.heading == "How to read a message"]
    assert example == shown("CFG204")
