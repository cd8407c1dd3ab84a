"""Fault 37: a canary in every secret field of the schema is nowhere to be seen."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

import pytest

from fluentpro.config.environment import variable
from fluentpro.config.fields import Setting, settings_of
from fluentpro.schema import Config
from tests.conftest import Launch
from tests.faults.safe import ENVIRONMENT, Safe
from tests.support.project import ROOT, Project, changed
from tests.support.server import COMMAND, Server
from tests.support.waiting import eventually

pytestmark = pytest.mark.faults

SECRETS = tuple(item for item in settings_of(Config).values() if item.secret)
PAGES = (
    "/health",
    "/health/live",
    "/health/ready",
    "/health/startup",
    "/metrics",
    "/api/v1/about",
    "/api/v1/config",
    *(f"/api/v1/config/explain/{item.key}" for item in SECRETS),
    "/api/v1/fleet",
    "/api/v1/overrides",
    "/api/v1/overrides/history",
    "/api/v1/docs",
    "/api/v1/openapi.json",
    "/api/v1/nothing",
    "/admin/",
    "/nothing",
)
COMMANDS = (
    ("check", "--json"),
    ("show",),
    ("show", "--json"),
    ("explain", "django.secret_key", "--json"),
    ("explain", "redis.password"),
    ("diff", "testing", "development", "--json"),
    ("doctor", "--json"),
)
RAISING = '''
"""A page that fails, with secrets all around."""
import psycopg
from django.urls import path
from fluentpro.process import current, runtime, secrets
from fluentpro.web.settings import database_settings, derived, libpq
from fluentpro.web.urls import *


def fail(request):
    config = current()
    store, known = runtime().store, secrets()
    snapshot, candidate = store.snapshot, store.snapshot.candidate
    layers, values = candidate.layers, [layer for layer in candidate.layers]
    tables = [getattr(config, name) for name in type(config).model_fields]
    held, connection = (known.documents, known.connect()) if known else (None, None)
    token, vault = (known.token, known.vault) if known else (None, None)
    raise RuntimeError("on purpose")


def connect(request):
    config = current().database
    psycopg.connect(**{**libpq(config), "host": "127.0.0.1", "port": 1})


urlpatterns = [path("fail", fail), path("connect", connect), *urlpatterns]
'''


def canaries() -> dict[str, str]:
    """A value of its own for each secret, long enough for those that have a least length."""
    return {item.key: f"canary{number:02}{token_hex(30)}" for number, item in enumerate(SECRETS)}


def lists(item: Setting) -> bool:
    return item.key.endswith("fallbacks")


class Hunt:
    """Looks for canaries, and for their first half."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = values

    def search(self, where: str, text: str) -> None:
        """Fail if one is in the text; say of which setting, and where."""
        for key, value in self.values.items():
            at = text.find(value[:24])
            assert at < 0, f"{key} in {where}: {text[max(0, at - 200) : at]}"

    def visit(self, server: Server) -> None:
        """Every page, with the token for operators and without."""
        for headers in (server.bearer, {}):
            for page in PAGES:
                self.search(page, str(server.get(page, headers).headers) + server.get(page, headers).text)

    def listen(self, server: Server) -> None:
        """Everything that was logged."""
        for line in [*server.output, *server.errors]:
            self.search("the log", line)

    def run(self, server: Server, *arguments: str) -> str:
        """One command of the same project, in the same world."""
        command = [str(COMMAND), *arguments]
        done = subprocess.run(
            command, env=server.environ, cwd=server.project.root, capture_output=True, text=True, check=False
        )
        self.search(" ".join(arguments), done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout


def everywhere(hunt: Hunt, server: Server) -> None:
    """Look at a running service, from all sides."""
    hunt.visit(server)
    for arguments in COMMANDS:
        hunt.run(server, *arguments)
    page = server.get("/fail").text
    assert "RuntimeError" in page
    assert "on purpose" in page
    assert "SECRET_KEY" in page, "Django's own page, with its settings"
    hunt.search("Django's page for errors", page)
    page = server.get("/connect").text
    assert "OperationalError" in page
    hunt.search("Django's page for a connection that failed", page)
    server.project.set("site.banner", "another")
    eventually(lambda: server.about()["banner"] == "another")
    hunt.listen(server)


@pytest.fixture
def debugged(project: Project) -> dict[str, str]:
    """The variables with which errors are shown, of a page that fails."""
    (project.root / "raising.py").write_text(RAISING)
    (project.root / "debugged.py").write_text(
        'from fluentpro.web.settings import *\nROOT_URLCONF = "raising"\n'
    )
    return {
        "DJANGO_SETTINGS_MODULE": "debugged",
        "PYTHONPATH": f"{project.root}:{ROOT}",
        "FLUENTPRO_DJANGO__DEBUG": "true",
        "FLUENTPRO_LOGGING__LEVEL": "DEBUG",
    }


def test_what_comes_from_the_vault_is_nowhere_to_be_seen(
    safe: Safe, launch: Launch, debugged: dict[str, str]
) -> None:
    """Fault 37: through every reference of `.secrets.toml`, and a deletion and a denial on top."""
    values = canaries()
    documents: dict[str, dict[str, Any]] = {}
    for item in SECRETS:
        table, name = item.path
        if table not in ("vault", "database") and not lists(item):
            documents.setdefault(table, {})[name] = values[item.key]
    documents["redis"] = safe.read("redis")
    kept = {name: safe.read(name) for name in ("django", "operations")}
    try:
        for name, document in documents.items():
            safe.put(name, **document)
        safe.project.token = values["operations.token"]
        secret_id = safe.secret_id()
        variables = {**safe.variables, **debugged, "FLUENTPRO_VAULT__SECRET_ID": secret_id}
        variables.pop("FLUENTPRO_VAULT__SECRET_ID_FILE")
        server = launch(**variables)
        older = kept["django"]["secret_key"]
        redis = documents["redis"]["password"]
        hunt = Hunt(values | {"vault.secret_id": secret_id, "old key": older, "redis.password": redis})
        everywhere(hunt, server)
        safe.root.sys.create_or_update_policy(
            f"fluentpro-{ENVIRONMENT}-web", 'path "nothing" { capabilities = ["read"] }'
        )
        eventually(lambda: server.events("vault.failed"))
        hunt.visit(server)
        hunt.run(server, "check")
        safe.seal()
        hunt.run(server, "check", "--json")
        hunt.visit(server)
        hunt.listen(server)
    finally:
        safe.mend()
        for name, document in documents.items():
            safe.put(name, **kept.get(name, document))


@pytest.mark.parametrize("where", ["file", "variables"])
def test_what_this_machine_gives_is_nowhere_to_be_seen(
    project: Project, launch: Launch, debugged: dict[str, str], where: str
) -> None:
    """Fault 37: `.secrets.local.toml` and variables, then broken in every way that shows a line."""
    values = canaries()
    project.token = values["operations.token"]
    variables = dict(debugged)
    text = ""
    for item in SECRETS:
        value: object = [values[item.key]] if lists(item) else values[item.key]
        if where == "file":
            text = changed(text, item.key, value)
        else:
            variables[variable(item.path)] = json.dumps(value) if lists(item) else str(value)
    project.replace(".secrets.local.toml", text or project.read(".secrets.local.toml"))
    variables["FLUENTPRO_REDIS__URL"] = "redis://127.0.0.1:1"
    variables["VAULT_TOKEN"] = values["vault.token"]
    server = launch(**variables)
    hunt = Hunt(values)
    everywhere(hunt, server)
    for broken in (
        re.sub(r"^(token = .*)\"$", r"\1", text, count=1, flags=re.MULTILINE),  # a quote is missing
        text.replace("[operations]", "[operation]"),
        text.replace('"canary', '["canary').replace('"\n', '"]\n'),
        re.sub(r'^(\w+) = "', r'\1x = "', text, flags=re.MULTILINE),
    ):
        if not broken or broken == text:
            continue
        project.replace(".secrets.local.toml", broken)
        hunt.run(server, "check")
        eventually(lambda: not server.successful())
        hunt.visit(server)
    hunt.listen(server)
