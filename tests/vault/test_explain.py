"""`fluentpro explain` on a secret from a real OpenBao: which version, how old; never what."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from fluentpro.cli.main import main
from fluentpro.config.explain import duration
from tests.cli.project import clone
from tests.vault.conftest import ROOT, Bao

Explain = Callable[..., str]
CANARY = "canary-value-of-the-key"


@pytest.fixture
def explain(bao: Bao, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Explain:
    """The command in a project whose key for OpenAI is in the Vault, in its second version."""
    project, mount = clone(tmp_path), bao.mount()
    bao.put(mount, "openai", api_key="the first one")
    bao.put(mount, "openai", api_key=CANARY)
    project.write("settings.local.toml", f'[openai]\napi_key = "@vault {mount}/openai#api_key"\n')
    monkeypatch.chdir(project.root)
    for name in os.environ:
        if name.startswith(("FLUENTPRO_", "ENV_FOR_", "DYNACONF", "TERMINATION")):
            monkeypatch.delenv(name)
    environ = {"VAULT_ADDR": bao.url, "VAULT_TOKEN": ROOT, "FLUENTPRO_VAULT__ENABLED": "true"}

    def explain(*words: str) -> str:
        result = CliRunner().invoke(main, ["explain", *words], env=environ)
        assert result.exit_code == 0, result.output
        assert CANARY not in result.output
        return result.stdout

    return explain


def test_the_version_and_the_age_are_told(explain: Explain) -> None:
    began = time.time()
    said = explain("openai.api_key")
    assert "openai.api_key = ********" in said
    facts = {line[2:14].strip(): line[14:] for line in said.splitlines() if line.startswith("  ")}
    assert facts["from"].endswith("/openai#api_key@2")
    assert facts["version"] == "2"
    assert facts["age"].endswith(" s")
    assert int(facts["age"].split()[0]) <= time.time() - began + 30


def test_they_are_told_as_data_too(explain: Explain) -> None:
    answer = json.loads(explain("openai.api_key", "--json"))
    assert answer["version"] == "2"
    assert 0 <= answer["age_seconds"] < 60
    (item, *others) = json.loads(explain("openai", "--json"))["settings"]
    assert item["version"] == "2"
    assert {(other["version"], other["age_seconds"]) for other in others} == {(None, None)}


def test_what_a_file_says_has_neither(explain: Explain) -> None:
    said = explain("openai.model")
    assert "  version " not in said
    assert "  age " not in said


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (86_400, "1 d"),
        (86_460, "1 d"),
        (90_000, "1 d 1 h"),
        (1_000_000, "11 d 13 h"),
    ],
)
def test_a_length_of_time_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
