"""What all verbs have in common: a help, an example, exit statuses, and no need of anything heavy."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import Result

from fluentpro.cli.main import VERBS, main
from tests.cli.project import Project

HEAVY = ("gunicorn", "structlog", "hvac", "redis", "psycopg", "prometheus_client", "ninja")


def command(verb: str) -> click.Command:
    found = main.get_command(click.Context(main), verb)
    assert found is not None
    return found


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_a_help_text_with_an_example_that_parses(verb: str) -> None:
    found = command(verb)
    assert found.help
    lead, _, example = str(found.epilog).partition(": ")
    assert lead == "Example"
    words = [word for word in shlex.split(example.partition(" > ")[0]) if not word.isupper()]
    while "=" in words[0]:
        words.pop(0)
    assert words[:2] == ["fluentpro", verb]
    with found.make_context(verb, words[2:]) as parsed:
        assert parsed.command is found


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_verbs_shows_the_whole_first_sentence(verb: str, invoke: Callable[..., Result]) -> None:
    assert command(verb).get_short_help_str(1000) in invoke("--help").stdout


def test_a_verb_that_prints_data_prints_it_as_json() -> None:
    asked = {verb for verb in VERBS if any(item.name == "as_json" for item in command(verb).params)}
    assert asked >= {"check", "explain", "show", "diff", "doctor"}


def test_a_misspelt_verb_gets_a_suggestion_and_the_status_of_a_wrong_command_line(
    invoke: Callable[..., Result],
) -> None:
    result = invoke("chekc")
    assert result.exit_code == 64
    assert "check" in result.stderr


@pytest.mark.parametrize(
    "words",
    [("check", "--jsno"), ("explain",), ("schema",), ("diff", "development"), ("serve", "--port", "0")],
)
def test_a_wrong_command_line_exits_64(words: tuple[str, ...], invoke: Callable[..., Result]) -> None:
    assert invoke(*words).exit_code == 64


def test_checking_imports_no_server_no_database_driver_and_no_secret_client(project: Project) -> None:
    program = (
        "import sys; from fluentpro.cli.main import main; main(['check'], standalone_mode=False);"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    result = project.execute(sys.executable, "-c", program)
    assert result.stdout.splitlines()[-1] == "[]", result.stderr
