"""Rules across settings and environments, in dynaconf's Validator language; every broken one is reported."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
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


def broken(
    rules: Sequence[Rule], config: Table, environment: str, doubtful: Collection[Path] = ()
) -> Iterator[Rule]:
    """The rules that a configuration breaks in an environment; each is run on its own.

    `doubtful` are settings and tables whose values nobody knows: a rule that looks at one says nothing.
    """
    for rule in rules:
        view = _View(config, environment, watched=bool(doubtful))
        try:
            rule.validator.validate(view, only_current_env=True)
        except ValidationError:
            if not any(_overlap(seen, path) for seen in view.seen for path in doubtful):
                yield rule
        except Exception:
            if not doubtful:
                raise


class _View:
    """A configuration as dynaconf's validators read one: dotted names, absent where None or empty."""

    loaded_by_loaders: ClassVar[dict[str, Any]] = {}  # a validator's `when` looks for it

    def __init__(self, config: Table, environment: str, *, watched: bool = False) -> None:
        self.seen: set[Path] = set()
        """What was read, if it is watched."""
        self.config = _Watched(config, (), self.seen) if watched else config
        self.current_env = environment

    def __setitem__(self, name: str, value: Any) -> None:
        """Take the cast value that a validator writes back, and leave the configuration as it is."""

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a dotted name; the whole configuration for `""`."""
        value: Any = self.config
        for part in filter(None, name.split(".")):
            value = getattr(value, part, _ABSENT)
        return default if value is _ABSENT or value is None or value == "" else value


class _Watched:
    """A table that notes what is read of it; its properties and methods may read all of it."""

    def __init__(self, table: Table, path: Path, seen: set[Path]) -> None:
        self._table, self._path, self._seen = table, path, seen

    def __getattr__(self, name: str) -> Any:
        path = (*self._path, name)
        if not isinstance(self._table.__dict__.get(name), Table):
            self._seen.add(path if name in type(self._table).model_fields else self._path)
            return getattr(self._table, name)
        return _Watched(self._table.__dict__[name], path, self._seen)


def _overlap(one: Path, other: Path) -> bool:
    return all(a == b for a, b in zip(one, other, strict=False))
