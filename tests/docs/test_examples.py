"""What the pages show is what happens: their commands run, in a copy of the project."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.docs import transcript
from tests.docs.pages import Page, fits, page, pages

WORDS = {"run", "serve", "edit", "exit"}


def alive(each: Page) -> bool:
    return any(fence.word("run") is not None for fence in each.fences)


@pytest.mark.parametrize("each", [each for each in pages() if alive(each)], ids=lambda each: each.name)
def test_the_examples_of_a_page_run(each: Page, tmp_path: Path) -> None:
    transcript.copy(tmp_path).run(each)


def test_the_tour_of_the_readme_is_one_of_them() -> None:
    words = [item for fence in page("README.md").fences for item in fence.info[1:]]
    assert "serve" in words
    assert "edit=settings/development.toml" in words
    assert "exit=78" in words


def test_the_doctor_looks_at_what_the_page_shows(tmp_path: Path) -> None:
    [shown] = [
        text for fence in page("docs/reference/cli.md").fences for text in [fence.text] if "doctor" in text
    ]
    project = transcript.copy(tmp_path)
    [(real, code)] = project.shell(["FLUENTPRO_SERVER__PORT=8000 fluentpro doctor"])
    assert code == 0, real

    def subjects(text: str) -> list[str]:
        return [
            line[6:26].strip() for line in text.splitlines() if line[:6].strip() in {"ok", "warn", "fail"}
        ]

    assert [subject for subject in subjects(real) if subject != "variables"] == [
        subject for subject in subjects(shown) if subject != "variables"
    ]


@pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)
def test_the_words_behind_a_language_are_known(each: Page) -> None:
    for fence in each.fences:
        if not fence.language.startswith("{"):
            assert {item.partition("=")[0] for item in fence.info[1:]} <= WORDS, fence.info


@pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)
def test_the_examples_in_toml_are_toml(each: Page) -> None:
    for fence in each.fences:
        if fence.language == "toml":
            tomllib.loads(fence.text)


def test_a_page_that_shows_something_else_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Page\n\n```console run\n$ echo hello\nhallo\n```\n")
    project = transcript.Project(tmp_path)
    with pytest.raises(AssertionError, match="shall print:\nhallo"):
        project.run(Page(tmp_path / "page.md"))
    (tmp_path / "page.md").write_text("# Page\n\n```console run exit=1\n$ false\n$ true\n```\n")
    with pytest.raises(AssertionError, match="ended with 1, not 0"):
        project.run(Page(tmp_path / "page.md"))


def test_dots_stand_for_anything_and_nothing_else_does() -> None:
    assert fits("a ... z\n", "a b\nc z\n")
    assert fits("settings.toml:1:2 0123456789abcdef", "settings.toml:33:4 fedcba9876543210")
    assert not fits("a ... z\n", "a b\nc\n")
    assert not fits("a", "a b")
