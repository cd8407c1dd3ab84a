"""How a schema declares a setting: its type, its meaning, and what a change of it takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, TypeAlias, cast, get_args

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from fluentpro.config.display import without_password

Path: TypeAlias = tuple[str, ...]
"""A setting's place: `("database", "port")`, written `database.port`."""


class Effect(StrEnum):
    """What it takes until a changed value is in use."""

    LIVE = "live"
    """Readers see it at once."""
    REBIND = "rebind"
    """A listener rebuilds something: a pool, a logger, the cache."""
    RESTART = "restart"
    """Read once by Django or gunicorn: swapped, and listed as pending restart."""


class Table(BaseModel):
    """A table of settings. Frozen and strict: a string is not a number, an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,  # pydantic's error text would print secrets
        allow_inf_nan=False,
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The fields as a traceback may show them: a URL without its password."""
        for name, value in super().__repr_args__():
            yield name, without_password(value) if isinstance(value, str) else value


def setting(
    default: Any = ...,
    *,
    meaning: str,
    unit: str = "",
    effect: Effect = Effect.LIVE,
    overridable: bool = False,
    own: bool = False,
    **constraints: Any,
) -> Any:
    """Declare one setting of a `Table`; without a default it must be set.

    One that is a process's `own`, such as its login, is no part of a configuration's digest.

    `constraints` are pydantic's (`ge`, `le`, `pattern`, `max_length`, ...). A setting is a secret
    if and only if its type holds a `SecretStr`; a secret can't be overridable.
    """
    extra: dict[str, Any] = {"x-effect": effect.value, "x-unit": unit, "x-overridable": overridable}
    if own:
        extra["x-own"] = True
    return Field(default, description=meaning, json_schema_extra=extra, **constraints)


@dataclass(frozen=True, slots=True)
class Setting:
    """What the schema says of one setting."""

    path: Path
    annotation: Any
    meaning: str
    unit: str
    effect: Effect
    overridable: bool
    own: bool
    """Each process may have another one, and the configuration is the same."""
    secret: bool
    noun: str
    """What a value is, with its article, for messages: `a port`; the title of its type."""
    constraints: tuple[Any, ...]
    """The bounds of its type, as `annotated_types` names them."""
    default: Any
    """The default in the field's own type; `PydanticUndefined` where the setting must be set."""

    @property
    def key(self) -> str:
        """The dotted name: `database.port`."""
        return ".".join(self.path)

    @property
    def required(self) -> bool:
        """Whether the schema has no default for it."""
        return self.default is PydanticUndefined


@cache
def settings_of(schema: type[Table]) -> Mapping[Path, Setting]:
    """Every setting of a schema by its path, in the order of declaration."""
    return MappingProxyType({item.path: item for item in _walk(schema, ())})


@cache
def tables_of(schema: type[Table]) -> Mapping[Path, type[Table]]:
    """Every table of a schema by its path; the root is `()`."""
    found: dict[Path, type[Table]] = {(): schema}
    for name, field in schema.model_fields.items():
        if is_table(field.annotation):
            below: Mapping[Path, type[Table]] = tables_of(cast("type[Table]", field.annotation))
            found |= {(name, *path): table for path, table in below.items()}
    return MappingProxyType(found)


def is_table(annotation: Any) -> bool:
    """Whether a field holds a table of settings rather than a value."""
    return isinstance(annotation, type) and issubclass(annotation, Table)


def holds_secret(annotation: Any) -> bool:
    """Whether a type is, or holds, a `SecretStr`."""
    return annotation is SecretStr or any(holds_secret(part) for part in get_args(annotation))


def _walk(schema: type[Table], prefix: Path) -> Iterator[Setting]:
    for name, field in schema.model_fields.items():
        path = (*prefix, name)
        if name != name.lower() or "__" in name:  # variables and dynaconf know no case, and split at __
            raise TypeError(
                f"{'.'.join(path)}: a setting's name is in lower case, without a double underscore"
            )
        if is_table(field.annotation):
            yield from _walk(cast("type[Table]", field.annotation), path)
        else:
            yield _setting(path, field)


def _setting(path: Path, field: FieldInfo) -> Setting:
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = field.get_default(call_default_factory=True, validated_data={})
    return Setting(
        path=path,
        annotation=field.annotation,
        meaning=field.description or "",
        unit=str(extra.get("x-unit", "")),
        effect=Effect(str(extra.get("x-effect", Effect.LIVE))),
        overridable=bool(extra.get("x-overridable", False)),
        own=bool(extra.get("x-own", False)),
        secret=holds_secret(field.annotation),
        noun=field.title or "",
        constraints=tuple(field.metadata),
        default=default,
    )
