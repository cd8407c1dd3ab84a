"""The configuration that runs here: every setting with its origin, and all there is to say of one."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Header, Router, Schema, Status
from ninja import Path as PathParameter
from pydantic import Field

from fluentpro.config.display import LONGEST, brief, dotted
from fluentpro.config.explain import Effective, effective, explained
from fluentpro.config.fields import Path, settings_of, tables_of
from fluentpro.config.pin import pinned
from fluentpro.config.snapshot import Snapshot
from fluentpro.config.suggest import suggest
from fluentpro.process import runtime
from fluentpro.schema import Config
from fluentpro.web.api.doors import READ
from fluentpro.web.api.problems import Finding, Hidden, ProblemError, documented

router = Router(tags=["configuration"], auth=READ)


class Setting(Schema):
    """A setting's value in force, and where it comes from."""

    value: Any = Field(description="A secret shows as ********, a URL without its password.")
    origin: str = Field(description="File with line and column, variable, place in Vault, or override.")
    effect: str = Field(description="What a change takes: `live`, `rebind`, `restart`.")
    overridable: bool
    secret: bool
    pending_restart: bool = Field(description="A change of it waits for a restart of this process.")


class Configuration(Schema):
    """What the process that answers runs."""

    environment: str
    digest: str
    generation: int
    settings: dict[str, Setting] = Field(description="Every setting, by its dotted name.")


class Explained(Schema):
    """All there is to say of a setting."""

    key: str
    value: Any
    type: str
    meaning: str
    unit: str | None
    effect: str
    overridable: bool
    secret: bool
    required: bool
    default: Any
    variable: str
    origin: str
    version: str | None = Field(description="The version of the secret, where its source has versions.")
    age_seconds: float | None = Field(description="How old that version is, where its source tells.")
    unresolved: bool
    shadows: list[Hidden]


class ExplainedHere(Explained):
    """A setting, in the configuration that runs here."""

    environment: str
    valid: bool = Field(description="Whether the last change that was tried is in use.")
    findings: list[Finding] = Field(description="What is wrong with it, or worth a warning.")


class ExplainedTable(Schema):
    """A table, with its settings, in the configuration that runs here."""

    environment: str
    valid: bool
    table: str
    meaning: str
    settings: list[Explained]
    findings: list[Finding]


@router.get(
    "/config",
    response={200: Configuration, 304: None, **documented(401, 429, 503)},
    summary="Every setting that runs here",
)
def config(
    request: HttpRequest,
    response: HttpResponse,
    if_none_match: Annotated[
        str | None, Header(alias="If-None-Match", description="The ETag known already.")
    ] = None,
) -> Configuration | Status[None]:
    """Each setting with its value (secrets hidden), origin and effect. The ETag is the digest."""
    snapshot = running()
    response.headers["ETag"] = f'"{snapshot.digest}"'
    response.headers["Cache-Control"] = "private, no-cache"
    if _known(if_none_match, snapshot.digest):
        return Status(304, None)
    waiting = frozenset(runtime().store.status.pending_restart)
    values = effective(snapshot.candidate, Config)
    return Configuration(
        environment=snapshot.environment,
        digest=snapshot.digest,
        generation=snapshot.generation,
        settings={item.setting.key: _setting(item, waiting) for item in values.values()},
    )


@router.get(
    "/config/explain/{key}",
    response={200: ExplainedHere | ExplainedTable, **documented(401, 404, 429, 503)},
    summary="All there is to say of a setting or a table",
)
def explain(
    request: HttpRequest,
    key: Annotated[str, PathParameter(description="A setting or a table.", examples=["site.banner"])],
) -> dict[str, Any]:
    """What `fluentpro explain KEY --json` says, for the configuration that runs here."""
    path = find(key)
    snapshot, status = running(), runtime().store.status
    findings = status.error.findings if status.error else snapshot.warnings
    said = {"environment": snapshot.environment, "valid": status.error is None}
    return said | explained(effective(snapshot.candidate, Config), path, findings, Config)


def running() -> Snapshot[Config]:
    """The configuration that this very answer is made from."""
    return pinned.get() or runtime().store.snapshot


def find(key: str) -> Path:
    """The path of a setting or a table; raises 404 with the nearest name if there is none."""
    path = tuple(key.split("."))
    tables = tables_of(Config)
    if path in settings_of(Config) or (key and path in tables):
        return path
    near = suggest(path, Config) if path[:-1] in tables else ""
    fix = f"did you mean {near}?" if near else "/api/v1/config lists them all"
    shown = dotted(path) if len(key) <= LONGEST else brief(key)
    raise ProblemError(404, f"there is no setting {shown}", fix=fix)


def _setting(of: Effective, waiting: frozenset[str]) -> Setting:
    item = of.setting
    return Setting(
        value=of.data,
        origin=of.source,
        effect=item.effect.value,
        overridable=item.overridable,
        secret=item.secret,
        pending_restart=item.key in waiting,
    )


def _known(tags: str | None, digest: str) -> bool:
    """Whether a client has this already; for a GET, a weak tag is as good (RFC 9110)."""
    given = [] if tags is None else [item.strip().removeprefix("W/") for item in tags.split(",")]
    return f'"{digest}"' in given or given == ["*"]
