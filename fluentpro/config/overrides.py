"""What operators override, as the highest layer: only what the schema allows, never a secret."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from fluentpro.config.diagnostics import Diagnostic
from fluentpro.config.display import LONGEST, is_reference
from fluentpro.config.environment import variable
from fluentpro.config.fields import Path, Table, settings_of, tables_of
from fluentpro.config.origins import OVERRIDE, PLANNED, Origin
from fluentpro.config.snapshot import Candidate, Layer, overlay, unset
from fluentpro.config.suggest import suggest
from fluentpro.config.toml import fits, frozen

NAME: Final = "overrides"
"""The layer's name."""
CODES: Final = frozenset({"CFG130", "CFG131", "CFG132"})
"""What only an override can be refused with."""


@dataclass(frozen=True, slots=True)
class Override:
    """One setting that an operator set while the service runs."""

    key: str
    """The dotted name, as it was stored: it may be of a setting that is gone."""
    value: Any = field(repr=False)
    """The raw value; all that was stored, where that can't be used."""
    author: str = ""
    reason: str = ""
    since: int = 0
    """The number of the revision that brought it; 0 where it is only asked for."""
    until: float | None = None
    """Unix time of its end in s; None where it has none."""
    fault: str = ""
    """Why what was stored can't be used."""

    @property
    def path(self) -> Path:
        """Where the setting stands."""
        return tuple(self.key.split("."))

    @property
    def origin(self) -> Origin:
        """Who says so: `override #12 by anna`."""
        if self.fault:
            return Origin("the stored overrides")
        return Origin(f"{OVERRIDE}{self.since} by {self.author[:LONGEST]}") if self.since else Origin(PLANNED)

    def as_dict(self) -> Any:
        """What is stored under its key."""
        if self.fault:
            return self.value
        return {
            "value": self.value,
            "author": self.author,
            "reason": self.reason,
            "since": self.since,
            "until": self.until,
        }


Ask: TypeAlias = Callable[[Mapping[str, Any]], Sequence[Override]]
"""Tells the overrides in force; takes the merged raw values below them, which say where they are kept."""


def none_given(_raw: Mapping[str, Any]) -> Sequence[Override]:
    """Nobody overrides anything."""
    return ()


def parse(stored: object) -> tuple[Override, ...]:
    """The overrides of what was stored, whatever it is; what is no override says so itself."""
    if not isinstance(stored, Mapping):
        return (Override("", stored, fault="what is stored is no JSON object"),)
    return tuple(_parsed(str(key), entry) for key, entry in stored.items())


def overlaid(candidate: Candidate, given: Iterable[Override], schema: type[Table]) -> Candidate:
    """The candidate with these overrides instead of those it has. Nothing is read."""
    below = tuple(layer for layer in candidate.layers if layer.name != NAME)
    values, bare = _copied(candidate.values), replace(candidate, layers=below)
    for layer in candidate.layers:
        if layer.name == NAME:
            for path in layer.values:
                _lift(values, path, bare)
    layers, found = _sifted(given, schema)
    for layer in layers:
        overlay(values, layer.values)
    findings = tuple(item for item in candidate.findings if item.code not in CODES)
    return replace(candidate, values=values, layers=(*below, *layers), findings=(*findings, *found))


@dataclass(frozen=True, slots=True)
class _Makers:
    origins: Mapping[Path, Origin]

    def value(self, path: Path) -> Origin:
        return self.origins.get(path, Origin(NAME))

    key = value


def _sifted(given: Iterable[Override], schema: type[Table]) -> tuple[tuple[Layer, ...], list[Diagnostic]]:
    values: dict[Path, Any] = {}
    origins: dict[Path, Origin] = {}
    findings: list[Diagnostic] = []
    for item in given:
        if wrong := _wrong(item, schema):
            findings.append(wrong)
        else:
            values[item.path], origins[item.path] = frozen(item.value), item.origin
    layer = Layer(NAME, values, _Makers(origins))
    return (layer,) if values else (), findings


def _wrong(item: Override, schema: type[Table]) -> Diagnostic | None:
    key, setting = item.key[:LONGEST], settings_of(schema).get(item.path)
    stored = bool(item.since or item.fault)
    cure = f"`fluentpro unset {shlex.quote(key)}` takes it back"
    if item.fault:
        fix = (
            cure if key else "`fluentpro rollback N` goes back to revision N; `fluentpro history` lists them"
        )
        return Diagnostic("CFG132", key, item.fault, item.origin, fix)
    if setting is None:
        known = item.path[:-1] in tables_of(schema)
        suggestion = suggest(item.path, schema) if known else ""
        fix = cure if stored else "`fluentpro show` lists every setting"
        return Diagnostic("CFG130", key, "unknown key", item.origin, fix, suggestion)
    if setting.secret or not setting.overridable:
        what, place = "a secret is not for operators to override", f"set it as {variable(setting.path)}"
        if not setting.secret:
            what = "this setting is not for operators to override"
            place = f"set it in a settings file, or as {variable(setting.path)}"
        return Diagnostic("CFG131", key, what, item.origin, f"{cure}; {place}" if stored else place)
    return None


def _parsed(key: str, entry: object) -> Override:
    def faulty(why: str) -> Override:
        return Override(key, entry, fault=why)

    if not isinstance(entry, Mapping):
        return faulty("what is stored is no JSON object")
    value, since, until = entry.get("value"), entry.get("since"), entry.get("until")
    author, reason = entry.get("author"), entry.get("reason", "")
    if "value" not in entry:
        return faulty("no value is stored")
    if isinstance(value, Mapping) or not fits(value):
        return faulty("what is stored is not one value, or is too large")
    if not isinstance(author, str) or not isinstance(reason, str):
        return faulty("who made it is not stored as a text")
    if isinstance(since, bool) or not isinstance(since, int) or since < 1:
        return faulty("the revision that brought it is not stored as a number")
    if until is not None and (isinstance(until, bool) or not isinstance(until, int | float)):
        return faulty("when it ends is not stored as a number")
    if until is not None and (abs(until) > 1e12 or not math.isfinite(until)):  # noqa: PLR2004 # beyond any date
        return faulty("when it ends is not a time")
    return Override(key, value, author, reason, since, until)


def _copied(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(value) if isinstance(value, Mapping) else value for name, value in values.items()}


def _lift(values: dict[str, Any], path: Path, below: Candidate) -> None:
    """Let the value count again that an override hid."""
    winner = below.winner(path)
    # A reference in a file that nobody resolved leaves its setting unset.
    if winner is None or (is_reference(winner.value) and winner.origin.line):
        unset(values, path)
    else:
        overlay(values, {path: winner.value})
