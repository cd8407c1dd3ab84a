"""Rules across settings and environments, in dynaconf's Validator language; every broken one is reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dynaconf import ValidationError, Validator

from fluentpro.config.fields import Path, Table

_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a dynaconf `Validator` whose `description` is what we say when it is broken.

    The first name of the validator is the setting that the diagnostic points at. dynaconf's own
    messages print values, so none of them is ever shown.
    """

    code: str
    validator: Validator
    fix: str

    @property
    def path(self) -> Path:
        """The setting the rule is about."""
        return tuple(self.validator.names[0].split("."))

    @property
    def message(self) -> str:
        """What is wrong when the rule is broken."""
        return str(self.validator.description)


def broken(rules: Sequence[Rule], config: Table, environment: str) -> Iterator[Rule]:
    """The rules that a configuration breaks in an environment; each is run on its own."""
    view = _View(config, environment)
    for rule in rules:
        try:
            rule.validator.validate(view, only_current_env=True)
        except ValidationError:
            yield rule


class _View:
    """A configuration as dynaconf's validators read one: dotted names, absent where None or empty."""

    loaded_by_loaders: ClassVar[dict[str, Any]] = {}  # a validator's `when` looks for it

    def __init__(self, config: Table, environment: str) -> None:
        self.config = config
        self.current_env = environment

    def __setitem__(self, name: str, value: Any) -> None:
        """Take the cast value that a validator writes back, and leave the configuration as it is."""

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a dotted name; the whole configuration for `""`."""
        value: Any = self.config
        for part in filter(None, name.split(".")):
            value = getattr(value, part, _ABSENT)
        return default if value is _ABSENT or value is None or value == "" else value
