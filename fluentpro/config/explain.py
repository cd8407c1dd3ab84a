"""Where each effective value comes from, whether the configuration is valid or not; secrets stay hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fluentpro.config.diagnostics import Shadowed
from fluentpro.config.display import display, plain
from fluentpro.config.environment import variable
from fluentpro.config.fields import Path, Setting, Table, settings_of
from fluentpro.config.manual import words
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

    def as_dict(self, schema: type[Table]) -> dict[str, Any]:
        """All there is to say of it as JSON-ready data."""
        item = self.setting
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
