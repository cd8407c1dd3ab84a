"""Settings whose values are kept elsewhere: `"@vault kv/fluentpro/production/auth0#client_secret"`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fluentpro.config.diagnostics import Diagnostic, Severity
from fluentpro.config.environment import variable
from fluentpro.config.fields import Setting
from fluentpro.config.origins import Origin
from fluentpro.config.snapshot import Layer


@dataclass(frozen=True, slots=True)
class Reference:
    """An effective reference: the setting that wants the value, and where it says so."""

    setting: Setting
    text: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Resolution:
    """The layer of resolved values, and what was found on the way; what is in neither stays unset."""

    layer: Layer | None = None
    findings: tuple[Diagnostic, ...] = ()


Resolver: TypeAlias = Callable[[Sequence[Reference], Mapping[str, Any], str], Resolution]
"""Reads what references stand for; takes them, the merged raw configuration, and the environment."""


def unresolved(references: Sequence[Reference], _raw: Mapping[str, Any], _environment: str) -> Resolution:
    """Leave every reference unset, with one warning for each file: no backend is there to read one."""
    by_source: dict[str, list[Reference]] = {}
    for reference in references:
        by_source.setdefault(reference.origin.source, []).append(reference)
    return Resolution(None, tuple(_left_unset(Origin(source), group) for source, group in by_source.items()))


def _left_unset(origin: Origin, references: Sequence[Reference]) -> Diagnostic:
    keys = ", ".join(reference.setting.key for reference in references)
    name = variable(references[0].setting.path)
    return Diagnostic(
        "CFG300",
        "",
        f"no Vault is enabled, so what refers to one is left unset: {keys}",
        origin,
        f"give what you need as {name} or {name}_FILE, and so on; or set vault.enabled",
        severity=Severity.WARNING,
    )
