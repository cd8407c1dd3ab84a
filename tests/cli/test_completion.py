"""Tab: verbs, environments and the names of settings."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.cli.project import COMMAND, Project


def completed(project: Project, *words: str) -> set[str]:
    """What bash is offered for the last of the words."""
    result = project.run(
        _FLUENTPRO_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(("fluentpro", *words)),
        COMP_CWORD=str(len(words)),
    )
    return {line.partition(",")[2] for line in result.stdout.splitlines()}


def test_verbs_are_completed(project: Project) -> None:
    assert completed(project, "ex") == {"explain"}
    assert {"check", "completion"} == completed(project, "c")


def test_tables_are_completed_first_and_then_their_settings(project: Project) -> None:
    assert {"server", "supabase", "site"} == completed(project, "explain", "s")
    assert {"database", "database.port", "database.pool_max"} <= completed(project, "explain", "datab")
    assert {"database.pool_max", "database.pool_min", "database.pool_timeout"} == completed(
        project, "explain", "database.pool_"
    )


def test_show_completes_as_explain_does_and_diff_completes_environments(project: Project) -> None:
    assert "redis.url" in completed(project, "show", "redis.")
    assert completed(project, "diff", "development", "p") == {"production"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_for_the_real_command(shell: str, project: Project) -> None:
    result = project.run("completion", shell)
    assert result.returncode == 0
    assert f"_FLUENTPRO_COMPLETE={shell}_complete" in result.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_takes_the_script_and_completes_with_it(project: Project) -> None:
    program = f"""
        PATH={COMMAND.parent}:$PATH
        eval "$(fluentpro completion bash)"
        COMP_WORDS=(fluentpro explain database.po) COMP_CWORD=2
        _fluentpro_completion fluentpro
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", program],
        cwd=project.root,
        env=project.environ({}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(done.stdout.split()) >= {"database.port", "database.pool_max"}, done.stderr


def test_the_help_shows_a_line_for_each_shell_to_copy(project: Project) -> None:
    lines = [line.strip() for line in project.run("completion", "--help").stdout.splitlines()]
    assert "For every zsh:   echo 'eval \"$(fluentpro completion zsh)\"' >> ~/.zshrc" in lines
