"""Where each effective value comes from, whether the configuration is valid or not; secrets stay hidden."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fluentpro.config.diagnostics import UNREAD, Diagnostic, Severity, Shadowed
from fluentpro.config.display import display, plain
from fluentpro.config.environment import variable
from fluentpro.config.fields import Path, Setting, Table, settings_of, tables_of
from fluentpro.config.manual import summary, words
from fluentpro.config.origins import Origin
from fluentpro.config.snapshot import Candidate

DEFAULT: Final = Origin("default")
NOWHERE: Final = Origin("nowhere")

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting with its value in force."""

    setting: Setting
    value: Any = field(repr=False)
    """The raw value, which may be a secret: show `text` or `data` instead."""
    origin: Origin
    shadows: tuple[Shadowed, ...] = ()
    unresolved: bool = False
    """The winner is a reference to a secret that nothing resolved; the setting is left unset."""

    @property
    def text(self) -> str:
        """The value as a line of text, fit to be shown."""
        if self.origin is NOWHERE:
            return "missing"
        return display(self.value, secret=self.setting.secret)

    @property
    def data(self) -> Any:
        """The value as JSON-ready data, fit to be shown."""
        return plain(self.value, secret=self.setting.secret)

    @property
    def source(self) -> str:
        """Where the value comes from, in words."""
        return f"{self.origin}, a reference that is not resolved" if self.unresolved else str(self.origin)

    def age(self, now: float) -> float | None:
        """Seconds since its version was written, or since it was made; None where its source says neither."""
        return max(now - self.origin.since, 0.0) if self.origin.since else None

    def as_dict(self, schema: type[Table], clock: Callable[[], float] = time.time) -> dict[str, Any]:
        """All there is to say of it as JSON-ready data."""
        item, age = self.setting, self.age(clock())
        return {
            "key": item.key,
            "value": self.data,
            "type": words(item, schema),
            "meaning": item.meaning,
            "unit": item.unit or None,
            "effect": item.effect.value,
            "overridable": item.overridable,
            "secret": item.secret,
            "required": item.required,
            "default": None if item.required else plain(item.default, secret=item.secret),
            "variable": variable(item.path),
            "origin": str(self.origin),
            "version": self.origin.version or None,
            "age_seconds": None if age is None else round(age, 1),
            "unresolved": self.unresolved,
            "shadows": [{"value": hidden.display, "origin": str(hidden.origin)} for hidden in self.shadows],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting that has one value here and another there."""

    here: Effective
    there: Effective


def effective(candidate: Candidate, schema: type[Table]) -> Mapping[Path, Effective]:
    """Every setting of a schema with its effective value, in the order of declaration."""
    return {path: _effective(candidate, item) for path, item in settings_of(schema).items()}


def compare(here: Mapping[Path, Effective], there: Mapping[Path, Effective]) -> tuple[Difference, ...]:
    """The settings whose values differ; a secret counts by its value, and shows none."""
    return tuple(
        Difference(mine, there[path])
        for path, mine in here.items()
        if _identity(mine) != _identity(there[path])
    )


def concerns(finding: Diagnostic, key: Path) -> bool:
    """Whether a finding is about a setting, about one of a table, or about a source nobody could read."""
    if finding.code in UNREAD and finding.severity is Severity.ERROR and not finding.key:
        return True
    path = tuple(finding.key.split("."))
    return path[: len(key)] == key or key[: len(path)] == path or finding.key == variable(key)


def explained(
    values: Mapping[Path, Effective], key: Path, findings: Iterable[Diagnostic], schema: type[Table]
) -> dict[str, Any]:
    """All there is to say of a setting, or of a table and its settings, as JSON-ready data."""
    said = {"findings": [item.as_dict() for item in findings if concerns(item, key)]}
    if key in values:
        return values[key].as_dict(schema) | said
    settings = [item.as_dict(schema) for path, item in values.items() if path[: len(key)] == key]
    return {"table": ".".join(key), "meaning": summary(tables_of(schema)[key]), "settings": settings} | said


def duration(seconds: float) -> str:
    """A length of time for people, in its two largest units: `3 d 4 h`, `12 s`."""
    left, parts = int(seconds), list[tuple[int, str]]()
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    return " ".join(f"{count} {unit}" for count, unit in parts[:2] if count) or "0 s"


def _effective(candidate: Candidate, item: Setting) -> Effective:
    winner, default = candidate.winner(item.path), None if item.required else item.default
    if winner is None:
        return Effective(item, default, NOWHERE if item.required else DEFAULT)
    value: Any = candidate.values
    for name in item.path:
        value = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    shadows = winner.shadowed(secret=item.secret)
    if value is _ABSENT:
        return Effective(item, default, winner.origin, shadows, unresolved=True)
    return Effective(item, value, winner.origin, shadows)


def _identity(of: Effective) -> tuple[Any, ...]:
    """What makes two values the same: an unresolved reference is like another, and unlike any value."""
    return (of.unresolved, of.origin is NOWHERE, None if of.unresolved else of.value)
