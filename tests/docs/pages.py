"""The documents as data: pages, headings, fenced blocks, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<mark>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=mark)$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(?P<level>#{1,6}) (?P<title>.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")


@dataclass(frozen=True)
class Fence:
    """A fenced block: `console run exit=78` and its lines."""

    info: tuple[str, ...]
    text: str
    heading: str
    """The title of the section it stands in."""

    @property
    def language(self) -> str:
        return self.info[0] if self.info else ""

    def word(self, name: str) -> str | None:
        """What stands behind `name=` in the info; "" for the bare word; None if it isn't there."""
        for item in self.info[1:]:
            key, _, value = item.partition("=")
            if key == name:
                return value
        return None


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def headings(self) -> list[str]:
        """The titles, in order, as they are written."""
        return [match["title"].strip() for match in _HEADING.finditer(self._prose)]

    @property
    def anchors(self) -> set[str]:
        """What a link may name after `#`: GitHub's names, and Sphinx's here."""
        return {anchor(title) for title in self.headings}

    @property
    def links(self) -> list[str]:
        """The targets of the links."""
        prose = re.sub(r"`[^`\n]*`", lambda code: "x" * len(code[0]), self._prose)
        return [match["target"] for match in _LINK.finditer(prose)]

    @property
    def fences(self) -> list[Fence]:
        found = []
        for match in _FENCE.finditer(self.text):
            titles = [item["title"].strip() for item in _HEADING.finditer(self._prose[: match.start()])]
            found.append(Fence(tuple(match["info"].split()), match["text"], titles[-1] if titles else ""))
        return found

    def section(self, title: str) -> str:
        """The text below a heading, up to the next one of the same level or above."""
        start = next(item for item in _HEADING.finditer(self._prose) if item["title"].strip() == title)
        level = len(start["level"])
        rest = (item for item in _HEADING.finditer(self._prose, start.end()) if len(item["level"]) <= level)
        end = next(rest, None)
        return self.text[start.end() : end.start() if end else None]

    @property
    def _prose(self) -> str:
        """The text with fenced blocks blanked out, each line where it was."""
        return _FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), self.text)


@cache
def pages() -> tuple[Page, ...]:
    """README.md and everything below docs/."""
    found = (path for path in sorted(DOCS.rglob("*.md")) if "_build" not in path.parts)
    return (Page(ROOT / "README.md"), *(Page(path) for path in found))


def page(name: str) -> Page:
    """The page of that name, from the project's root."""
    return Page(ROOT / name)


def anchor(title: str) -> str:
    """The anchor of a heading: lower case, punctuation dropped, a hyphen for each space."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
    return re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")


def same_shape(text: str) -> str:
    """A text without what differs from checkout to checkout and from edit to edit.

    Digests, and the numbers of lines and columns: a line more in settings.toml is no news to a reader.
    """
    text = re.sub(r"\b[0-9a-f]{16}\b", "<digest>", text)
    text = re.sub(r"(\.toml):\d+:\d+", r"\1:<place>", text)
    text = re.sub(r"^ *\d+ \| ", "<line> | ", text, flags=re.MULTILINE)
    text = re.sub(r"\b\d+ settings from\b", "<n> settings from", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def fits(shown: str, real: str) -> bool:
    """Whether a real output is what a page shows, where `...` stands for anything."""
    parts = [re.escape(part) for part in same_shape(shown).split("...")]
    return re.fullmatch(".*".join(parts), same_shape(real), re.DOTALL) is not None


def tables(text: str) -> Iterator[list[str]]:
    """The rows of a section's Markdown tables, as lists of cells."""
    for line in text.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|\-: ]+", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]
