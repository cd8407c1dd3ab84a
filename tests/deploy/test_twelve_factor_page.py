"""docs/twelve-factor.md names every factor, and only tests that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = "tests/deploy/test_twelve_factor.py"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "twelve-factor.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| factor")
]


def functions(name: str) -> set[str]:
    tree = ast.parse((ROOT / name).read_text())
    return {item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)}


def test_every_factor_has_its_row_in_order() -> None:
    numerals = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
    assert [row[0].partition(".")[0] for row in ROWS] == numerals


def test_every_test_that_is_named_is_there() -> None:
    for row in ROWS:
        named = re.findall(r"`([^`]+)`", row[2])
        assert named, row[0]
        for each in named:
            file, _, function = each.rpartition("::")
            assert function in functions(file or OURS), each


def test_every_test_of_a_factor_is_named_in_its_row() -> None:
    for number, row in enumerate(ROWS, start=1):
        own = {name for name in functions(OURS) if name.startswith(f"test_{number}_")}
        assert own
        assert own == set(re.findall(r"`(test_\w+)`", row[2])), row[0]
