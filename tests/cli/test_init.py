"""`fluentpro init`: secrets of this machine's own, written once."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from tests.cli.project import COMMAND, Project


def secrets(project: Project) -> Path:
    return project.root / ".secrets.local.toml"


def test_the_file_is_written_for_this_user_alone_and_makes_the_configuration_valid(bare: Project) -> None:
    assert bare.run("check").returncode == 78
    result = bare.run("init")
    assert (result.returncode, result.stdout) == (0, f"wrote {secrets(bare)} with generated secrets\n")
    assert secrets(bare).stat().st_mode & 0o777 == 0o600
    assert bare.run("check").returncode == 0


def test_two_machines_get_different_secrets_of_a_good_length(bare: Project) -> None:
    assert bare.run("init").returncode == 0
    one = tomllib.loads(secrets(bare).read_text())
    secrets(bare).unlink()
    assert bare.run("init").returncode == 0
    other = tomllib.loads(secrets(bare).read_text())
    assert len(one["django"]["secret_key"]) >= 50
    assert len(one["operations"]["token"]) >= 32
    assert one["django"] != other["django"]
    assert one["operations"] != other["operations"]


def test_a_file_that_is_there_is_never_touched(bare: Project) -> None:
    bare.write(".secrets.local.toml", "# mine\n")
    result = bare.run("init")
    assert result.returncode == 0
    assert "there already" in result.stdout
    assert secrets(bare).read_text() == "# mine\n"


def test_a_link_is_not_followed_not_even_one_that_leads_nowhere(bare: Project) -> None:
    secrets(bare).symlink_to(bare.root / "elsewhere.toml")
    assert bare.run("init").returncode == 0
    assert secrets(bare).is_symlink()
    assert not (bare.root / "elsewhere.toml").exists()


def test_production_takes_none(bare: Project) -> None:
    result = bare.run("init", ENV_FOR_DYNACONF="production")
    assert result.returncode == 78
    assert "fix: " in result.stderr
    assert not secrets(bare).exists()


def test_outside_a_project_nothing_is_written(bare: Project) -> None:
    empty = Project(bare.root / "empty")
    empty.root.mkdir()
    result = empty.run("init", FLUENTPRO_ROOT=str(empty.root))
    assert result.returncode == 78
    assert "no settings.toml" in result.stderr
    assert list(empty.root.iterdir()) == []


def test_a_full_disk_leaves_no_half_file_behind(bare: Project) -> None:
    # Not measured: where no file can grow, coverage would leave half a file of its own behind.
    program = f"unset COVERAGE_PROCESS_CONFIG; ulimit -f 0; exec {COMMAND} init"
    result = bare.execute("bash", "-c", program)
    assert result.returncode == 77
    assert "can't write" in result.stderr
    assert not secrets(bare).exists()


def test_a_file_that_can_not_be_written_is_told_without_a_traceback(bare: Project) -> None:
    name = "x" * os.pathconf(bare.root, "PC_NAME_MAX")
    deep = bare.root / name
    deep.mkdir()
    while len(str(deep / name)) < os.pathconf(bare.root, "PC_PATH_MAX") - 20:
        deep /= name
        deep.mkdir()
    deep /= "y" * (os.pathconf(bare.root, "PC_PATH_MAX") - len(str(deep)) - len("/settings.toml") - 3)
    deep.mkdir()
    (deep / "settings.toml").write_text("# here\n")
    result = bare.run("init", FLUENTPRO_ROOT=str(deep))
    assert result.returncode == 77
    assert "can't write" in result.stderr
    assert "Traceback" not in result.stderr
