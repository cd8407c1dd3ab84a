"""How a refusal is told: on a terminal, in a container's last words."""

from __future__ import annotations

import os
import subprocess

import pytest

from fluentpro.cli.report import LONGEST, colourful, emphasised, last_words
from tests.cli.project import COMMAND, Project


class Terminal:
    def isatty(self) -> bool:
        return True


REPORT = """\
CFG204  database.port: 80000 is not a port (1 to 65535)
        settings/production.toml:14:8
     14 | port = 80000
        |        ^^^^^
"""


def test_the_report_is_left_in_the_termination_log_too(project: Project) -> None:
    result = project.run("check", FLUENTPRO_DATABASE__PORT="0", TERMINATION_LOG="last-words")
    assert result.returncode == 78
    assert (project.root / "last-words").read_text() == result.stderr


def test_a_valid_configuration_leaves_no_last_words(project: Project) -> None:
    assert project.run("check", TERMINATION_LOG="last-words").returncode == 0
    assert not (project.root / "last-words").exists()


def test_a_termination_log_that_can_not_be_written_changes_nothing(project: Project) -> None:
    result = project.run("check", FLUENTPRO_DATABASE__PORT="0", TERMINATION_LOG="no/such/folder")
    assert (result.returncode, "CFG204" in result.stderr) == (78, True)


@pytest.mark.parametrize("letter", ["x", "ü", "€", "😀"])
def test_last_words_are_at_most_4_kilobytes_of_whole_lines(letter: str) -> None:
    words = last_words(f"{letter * 30}\n" * 1000)
    assert LONGEST - 200 < len(words) <= LONGEST
    first, *_, last = words.decode().splitlines()
    assert first == letter * 30
    assert last.startswith("(cut")


def test_a_report_off_a_terminal_is_plain_text(project: Project) -> None:
    assert "\033" not in project.run("check", FLUENTPRO_DATABASE__PORT="0").stderr


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_report_on_a_terminal_has_colours_unless_they_are_not_wanted(
    variables: dict[str, str], coloured: bool, project: Project
) -> None:
    ours, terminal = os.openpty()
    environ = project.environ({"TERM": "xterm", "FLUENTPRO_DATABASE__PORT": "0", **variables})
    done = subprocess.run([COMMAND, "check"], cwd=project.root, env=environ, stderr=terminal, check=False)
    os.close(terminal)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 78
    assert ("\033[1;31mCFG204\033[0m" in said) == coloured


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_gets_no_colour_where_none_is_wanted(environ: dict[str, str]) -> None:
    assert not colourful(Terminal(), environ)  # type: ignore[arg-type]
    assert colourful(Terminal(), {"TERM": "xterm"})  # type: ignore[arg-type]


def test_codes_and_carets_stand_out_on_a_terminal_and_nothing_else_changes() -> None:
    told = emphasised(REPORT)
    assert "\033[1;31mCFG204\033[0m" in told
    assert "\033[1;31m^^^^^\033[0m\n" in told
    assert told.replace("\033[1;31m", "").replace("\033[0m", "") == REPORT
