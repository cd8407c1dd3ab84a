"""docs/gap-analysis.md: what it names is there, and it leaves out no table and no folder."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from fluentpro.schema import Config

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "gap-analysis.md").read_text()
GONE = {"fluentpro_backend/settings.py"}


def cells(column: int, section: str) -> list[str]:
    body = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in body.splitlines() if line.startswith("| ")]
    return [row[column].strip() for row in rows]


def test_every_place_that_it_names_is_there() -> None:
    named = set(
        re.findall(r"`((?:\.?[\w-]+/)+[\w./-]*|\.?[\w-]+\.(?:toml|md|yml|py)|Dockerfile|Makefile)`", TEXT)
    )
    assert len(named) > 60
    assert {name for name in named - GONE if not (ROOT / name).exists()} == set()


def test_what_is_gone_is_gone() -> None:
    assert not [name for name in GONE if (ROOT / name).exists()]


def test_every_table_of_the_schema_has_a_row() -> None:
    told = set(re.findall(r"`\[(\w+)\]`", "".join(cells(1, "The settings"))))
    assert told == set(Config.model_fields)


def test_every_folder_and_file_of_the_top_level_has_a_row() -> None:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    tops = {name.partition("/")[0] + ("/" if "/" in name else "") for name in done.stdout.splitlines()}
    tops = {name for name in tops if not name.startswith(".")} | {".secrets.toml"}
    told = set(re.findall(r"`([^`]+)`", "".join(cells(1, "The top level"))))
    assert tops - {"README.md"} <= told


def test_every_step_and_every_item_of_the_checklist_has_its_row() -> None:
    assert [cell[0] for cell in cells(0, "The checks that close its steps")[1:]] == list("12345")
    assert [cell[0] for cell in cells(0, "The checklist after all phases")[1:]] == list("12345678")
