"""The stations of a configuration: layers, the candidate they merge to, the snapshot that serves."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import SecretStr

from fluentpro.config.diagnostics import Diagnostic, Shadowed
from fluentpro.config.display import display, is_reference
from fluentpro.config.fields import Effect, Path, Setting, Table, settings_of
from fluentpro.config.origins import Origin

C = TypeVar("C", bound=Table)
NO_STAND_INS: Final[Mapping[Path, str]] = MappingProxyType({})


class Origins(Protocol):
    """Tells where a layer's values and keys stand."""

    def value(self, path: Path) -> Origin:
        """Where the value stands."""
        ...

    def key(self, path: Path) -> Origin:
        """Where the key stands, or what is nearest to where it should."""
        ...


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of raw values; each value's path is a setting of the schema."""

    name: str
    values: Mapping[Path, Any] = field(repr=False)
    origins: Origins = field(repr=False)
    own: frozenset[Path] = field(default=frozenset(), repr=False)
    """The settings of which each process has a value of its own, such as a credential made for it."""


@dataclass(frozen=True, slots=True)
class Winner:
    """An effective raw value, where it comes from and whom it shadows, nearest first."""

    value: Any = field(repr=False)
    origin: Origin
    shadows: tuple[tuple[Any, Origin], ...] = field(repr=False)

    def shadowed(self, *, secret: bool) -> tuple[Shadowed, ...]:
        """The values it hides, fit to be shown."""
        return tuple(
            Shadowed(
                "a value" if secret and not (origin.line and is_reference(value)) else display(value),
                origin.hidden(),
            )
            for value, origin in self.shadows
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """Merged and not yet valid: raw values, the layers they came from, what was found on the way."""

    environment: str
    values: Mapping[str, Any] = field(repr=False)
    layers: tuple[Layer, ...]
    """From low to high."""
    findings: tuple[Diagnostic, ...] = ()
    guarded: bool = False
    """The environment takes no secrets from files of this machine."""

    def item(self, path: Path, index: int) -> Origin:
        """Where one item of a list stands; the list's own place in a source without lines."""
        inner = (*path, f"[{index}]")
        giver = next(layer for layer in reversed(self.layers) if path in layer.values)
        origin = giver.origins.value(inner)
        return origin if origin.line else giver.origins.value(path)

    def stand_ins(self) -> Mapping[Path, str]:
        """For each value that this process has for itself, the place where every process takes its own."""
        return {
            path: str(layer.origins.value(path))
            for number, layer in enumerate(self.layers)
            for path in layer.own
            if not any(path in above.values for above in self.layers[number + 1 :])
        }

    def winner(self, path: Path) -> Winner | None:
        """Who gave a setting its value; None where only the schema's default stands."""
        givers = [layer for layer in reversed(self.layers) if path in layer.values]
        if not givers:
            return None
        first, *rest = givers
        shadows = tuple((layer.values[path], layer.origins.value(path)) for layer in rest)
        return Winner(first.values[path], first.origins.value(path), shadows)


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[C]):
    """A valid configuration. Never changes; readers share it without a lock."""

    config: C = field(repr=False)
    digest: str
    environment: str
    candidate: Candidate
    warnings: tuple[Diagnostic, ...] = ()
    generation: int = 0
    """Counts the swaps of this process, from 1."""
    loaded_at: float = 0.0
    """Unix time of the swap in s."""


@dataclass(frozen=True, slots=True)
class Change:
    """A setting that differs between two snapshots, fit to be shown."""

    path: Path
    effect: Effect
    old: str
    new: str

    @property
    def key(self) -> str:
        """The dotted name: `database.port`."""
        return ".".join(self.path)


def overlay(values: dict[str, Any], given: Mapping[Path, Any]) -> None:
    """Put raw values into nested tables, over what is there."""
    for path, value in given.items():
        table = values
        for name in path[:-1]:
            table = table.setdefault(name, {})
        table[path[-1]] = value


def unset(values: dict[str, Any], path: Path) -> None:
    """Take one raw value out of nested tables."""
    table = values
    for name in path[:-1]:
        table = table[name]
    del table[path[-1]]


def value_at(config: Any, path: Path) -> Any:
    """The value of a setting in a configuration."""
    for name in path:
        config = getattr(config, name)
    return config


def diff(old: Table, new: Table) -> tuple[Change, ...]:
    """The settings that differ, in the schema's order."""
    return tuple(
        Change(item.path, item.effect, _shown(old, item), _shown(new, item))
        for item in settings_of(type(new)).values()
        if value_at(old, item.path) != value_at(new, item.path)
    )


def digest(config: Table, environment: str, key: str, stand_ins: Mapping[Path, str] = NO_STAND_INS) -> str:
    """The identity of a configuration: 16 hexadecimal digits, equal if and only if it is.

    Keyed with the secret key, so that nobody can try secrets against a published digest (HMAC, RFC 2104).
    What a process has for itself is no part of it: the place in `stand_ins` is. Nor is its own login.
    """
    values = {
        item.key: stand_ins.get(item.path) or value_at(config, item.path)
        for item in settings_of(type(config)).values()
        if not item.own
    }
    text = json.dumps([environment, values], sort_keys=True, default=_reveal)
    return hmac.new(key.encode(errors="surrogatepass"), text.encode(), hashlib.sha256).hexdigest()[:16]


def _shown(config: Table, item: Setting) -> str:
    return display(value_at(config, item.path), secret=item.secret)


def _reveal(value: Any) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
