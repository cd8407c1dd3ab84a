"""FluentPro's rules as Django system checks: `manage.py check` says what `fluentpro check` says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks

from fluentpro.config.diagnostics import Diagnostic, Severity
from fluentpro.config.errors import ConfigError
from fluentpro.config.layers import Sources
from fluentpro.process import VALIDATOR, runtime

UNNEEDED = frozenset({"CFG300"})
"""What is no news here: a reference left unset. Where the secret is needed, a rule says so."""


@checks.register("fluentpro")
def check_configuration(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """Everything that is wrong with the configuration as it stands in its sources now."""
    return list(messages(runtime().sources))


def messages(sources: Sources) -> Iterator[checks.CheckMessage]:
    """The findings of a fresh look at the sources, with the ids `fluentpro.CFG101` and so on."""
    try:
        findings = VALIDATOR.validate(sources.load()).warnings
    except ConfigError as error:
        findings = error.findings
    return (_message(item) for item in findings if item.code not in UNNEEDED)


def _message(item: Diagnostic) -> checks.CheckMessage:
    kind = checks.Error if item.severity is Severity.ERROR else checks.Warning
    text = f"{item.key}: {item.message}" if item.key else item.message
    hint = item.fix or (f"did you mean {item.suggestion}?" if item.suggestion else None)
    return kind(text, hint=hint, obj=item.origin, id=f"fluentpro.{item.code}")
