"""Each code, verb, metric, endpoint, event and setting has its heading; names and links lead somewhere."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from fluentpro.cli.main import main
from fluentpro.cli.schema import editors, markdown
from fluentpro.config.diagnostics import CODES
from fluentpro.config.fields import settings_of
from fluentpro.schema import Config
from fluentpro.schema.rules import RULES
from fluentpro.vault.errors import CODES as VAULT_CODES
from fluentpro.web import metrics
from tests.docs import transcript
from tests.docs.pages import DOCS, ROOT, Page, page, pages

TROUBLESHOOTING = page("docs/troubleshooting.md")
CLI = page("docs/reference/cli.md")
TITLES = CODES | VAULT_CODES
EVENT = re.compile(r'(?:\blog\.\w+|warn)\)?\(\s*"(?P<event>[a-z][a-z0-9_.]+)"')
CODE = re.compile(r"CFG\d{3}")


def verbs() -> list[str]:
    return main.list_commands(click.Context(main))


def command(verb: str) -> click.Command:
    found = main.get_command(click.Context(main), verb)
    assert found is not None
    return found


def parameters(of: click.Command) -> list[click.Parameter]:
    """A verb's own, and those of the verbs below it."""
    below = of.commands.values() if isinstance(of, click.Group) else ()
    return [*of.params, *(parameter for each in below for parameter in parameters(each))]


def in_use() -> list[Path]:
    """The modules that the command or the service can reach: what is not wired yet need not be told."""
    package = ROOT / "fluentpro"
    found = {*(package / f"cli/{verb}.py" for verb in verbs()), *package.glob("web/**/*.py")}
    todo = list(found)
    while todo:
        for name in imported(todo.pop()):
            path = ROOT / name.replace(".", "/")
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            if path.is_file() and path not in found:
                found.add(path)
                todo.append(path)
    return sorted(found)


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fluentpro"):
            yield from (node.module, *(f"{node.module}.{item.name}" for item in node.names))


def titles(name: str) -> set[str]:
    return {title.strip("`") for title in page(name).headings}


# ---- Codes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", TITLES)
def test_a_code_has_its_heading(code: str) -> None:
    assert f"{code} — {TITLES[code]}" in TROUBLESHOOTING.headings


@pytest.mark.parametrize("code", sorted({rule.code for rule in RULES}))
def test_a_rule_has_its_heading(code: str) -> None:
    assert [title for title in TROUBLESHOOTING.headings if title.startswith(f"{code} — ")]


def test_no_heading_is_of_a_code_that_is_gone() -> None:
    told = [title[:6] for title in TROUBLESHOOTING.headings if CODE.match(title)]
    assert sorted(told) == sorted({*TITLES, *(rule.code for rule in RULES)})
    assert told == sorted(told), "in the order of the numbers, to be found"


def test_every_code_in_the_source_is_known() -> None:
    known = {*TITLES, *(rule.code for rule in RULES)}
    assert {code for path in in_use() for code in CODE.findall(path.read_text())} <= known


# ---- Commands ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", verbs())
def test_a_verb_has_its_heading_and_all_its_options(verb: str) -> None:
    section = CLI.section(f"`fluentpro {verb}`")
    for parameter in parameters(command(verb)):
        name = max(parameter.opts, key=len) if isinstance(parameter, click.Option) else parameter.metavar
        assert (name or parameter.name or "").lower() in section.lower(), f"fluentpro {verb} has {name}"


def test_no_verb_is_described_that_is_not_there() -> None:
    told = {title.strip("`").split()[1] for title in CLI.headings if title.startswith("`fluentpro ")}
    assert told == set(verbs())


def test_the_pages_name_only_verbs_that_are_there() -> None:
    for each in pages():
        named = set(re.findall(r"(?:`|\$ (?:\w+=\S+ )*)fluentpro ([a-z][a-z-]+)", each.text))
        assert named <= set(verbs()), each.name


def test_the_pages_name_only_make_targets_that_are_there() -> None:
    checks = re.search(r"^CHECKS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert checks
    targets = {
        *re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE),
        *checks[1].split(),
    }
    for each in pages():
        named = set(re.findall(r"(?:`|\$ )(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]+)", each.text))
        assert named <= targets, each.name


# ---- Metrics, events, endpoints --------------------------------------------------------------------------


def exposed() -> set[str]:
    families = [
        family
        for name, metric in vars(metrics).items()
        if name.isupper() and hasattr(metric, "_labelnames")
        for family in metric.describe()
    ]
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in families}


def test_each_metric_has_its_heading_and_no_other_does() -> None:
    told = {title for title in titles("docs/reference/metrics.md") if title.startswith("fluentpro_")}
    assert told == exposed()


def test_the_pages_name_only_metrics_that_are_there() -> None:
    kinds = "|".join(sorted({name.split("_")[1] for name in exposed()}))
    for each in pages():
        named = set(re.findall(rf"\bfluentpro_(?:{kinds})(?:_[a-z]+)+", each.text))
        known = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in named}
        assert known <= exposed(), each.name


def test_each_event_of_the_log_has_its_heading() -> None:
    logged = {match["event"] for path in in_use() for match in EVENT.finditer(path.read_text())}
    assert "config.applied" in logged
    assert logged <= titles("docs/reference/logs.md")


def test_each_endpoint_has_its_heading(tmp_path: Path) -> None:
    project = transcript.copy(tmp_path)
    script = (
        "import django, json; django.setup()\n"
        "from django.urls import get_resolver\n"
        "from fluentpro.web.middleware import Probes\n"
        "def walk(patterns, prefix='/'):\n"
        "    for item in patterns:\n"
        "        path = prefix + str(item.pattern)\n"
        "        whole = hasattr(item, 'url_patterns') and item.app_name != 'admin'\n"
        "        yield from walk(item.url_patterns, path) if whole else [path]\n"
        "print(json.dumps([*Probes(lambda r: r).answers, *walk(get_resolver().url_patterns)]))\n"
    )
    environ = {**project.environ, "DJANGO_SETTINGS_MODULE": "fluentpro.web.settings"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project.root,
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    served = {path.rstrip("/") for path in json.loads(done.stdout)} - {"/api/v1", "/api/v1/openapi.json"}
    served = {path for path in served if "^" not in path}  # what answers to mistakes
    assert "/health/live" in served
    assert served <= {title.rstrip("/") for title in titles("docs/reference/http.md")}


# ---- Settings and the house ------------------------------------------------------------------------------


def test_the_settings_reference_is_the_schema_s() -> None:
    """Not so? `fluentpro schema --markdown > docs/reference/settings.md`."""
    assert page("docs/reference/settings.md").text == markdown()
    assert {item.key for item in settings_of(Config).values()} <= titles("docs/reference/settings.md")


def test_the_schema_for_editors_is_the_schema_s() -> None:
    """Not so? `fluentpro schema --json-schema > settings/schema.json`."""
    assert (ROOT / "settings/schema.json").read_text() == editors()


def test_a_setting_that_a_page_names_is_there() -> None:
    tables = "|".join(Config.model_fields)
    known = (
        {item.key for item in settings_of(Config).values()}
        | {"django.conf"}
        | titles("docs/reference/logs.md")
    )
    for each in pages():
        named = set(re.findall(rf"`((?:{tables})\.[a-z_]+)`", each.text))
        assert {key for key in named if not key.endswith((".py", ".md", ".toml"))} <= known, each.name


def test_the_architecture_names_every_floor_and_every_module_of_the_engine() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(item["layers"] for item in contracts if item["type"] == "layers")
    built = [name for floor in layers for name in re.split(r" [|:] ", floor) if not name.startswith("(")]
    text = page("docs/architecture.md").text
    places = [text.find(f"| {floor} ") for floor in built]
    assert -1 not in places, built[places.index(-1)]
    assert places == sorted(places), "from the top"
    for path in (ROOT / "fluentpro/config").glob("*.py"):
        assert path.name == "__init__.py" or f"`{path.name}`" in text, path.name


def test_a_file_that_a_page_names_is_there() -> None:
    for each in pages():
        for name in re.findall(r"`((?:fluentpro|tests|settings|docs|requirements)/[\w./-]*)`", each.text):
            assert (ROOT / name).exists() or name.startswith("docs/_build"), f"{each.name} names {name}"


# ---- Links and decisions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("each", pages(), ids=lambda each: each.name)
def test_every_internal_link_leads_somewhere(each: Page) -> None:
    for target in each.links:
        if target.startswith(("http://", "https://")):
            continue
        name, _, fragment = target.partition("#")
        there = (each.path.parent / name).resolve() if name else each.path
        assert there.exists(), f"{target}: no such file"
        assert not fragment or fragment in Page(there).anchors, f"{target}: no such heading"
        if each.path.is_relative_to(DOCS):
            assert there.is_relative_to(DOCS), f"{target}: leads out of what is built"


def test_a_decision_that_the_code_names_is_recorded() -> None:
    sources = (path.read_text() for path in (ROOT / "fluentpro").rglob("*.py"))
    named = {number for text in sources for number in re.findall(r"decision (\d{4})", text)}
    recorded = {path.name[:4]: Page(path) for path in (DOCS / "decisions").glob("0*.md")}
    assert named <= recorded.keys()
    for number, record in recorded.items():
        assert record.headings[0].startswith(f"{number} ")
        assert record.headings[1:] == ["Context", "Decision", "Consequences"]
