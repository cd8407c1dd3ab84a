"""Candidate -> snapshot: types, ranges, forms and rules; every finding at once, in our own words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, cast

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from fluentpro.config.diagnostics import UNREAD, Diagnostic, errors
from fluentpro.config.display import dotted
from fluentpro.config.environment import variable
from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import Path, Setting, Table, holds_secret, is_table, settings_of
from fluentpro.config.origins import Origin
from fluentpro.config.rules import Rule, broken
from fluentpro.config.snapshot import C, Candidate, Snapshot, digest, value_at
from fluentpro.config.suggest import suggest
from fluentpro.config.wording import Wording, Wrong, word


@dataclass(frozen=True, slots=True)
class Validator(Generic[C]):
    """What a candidate must satisfy to become a snapshot."""

    schema: type[C]
    rules: Sequence[Rule] = ()
    digest_key: Path = ()
    """The secret that keys the digest; none keys it with nothing."""

    def validate(self, candidate: Candidate) -> Snapshot[C]:
        """The snapshot of a candidate, or a `ConfigError` with everything that is wrong."""
        findings = list(candidate.findings)
        # A source that can't be read may hold what seems to be missing, and what a rule asks for.
        whole = not any(item.code in UNREAD for item in errors(findings))
        config: C | None = None
        try:
            config = self.schema.model_validate(candidate.values)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=True, include_input=False)
            findings.extend(self._refused(details, candidate, whole=whole))
        if whole:
            findings.extend(self._broken(config, candidate, errors(findings)))
        if errors(findings) or config is None:
            raise ConfigError(candidate.environment, findings)
        identity = digest(config, candidate.environment, self._key(config), candidate.stand_ins())
        return Snapshot(config, identity, candidate.environment, candidate, tuple(findings))

    def _key(self, config: C) -> str:
        secret = value_at(config, self.digest_key) if self.digest_key else None
        return secret.get_secret_value() if isinstance(secret, SecretStr) else ""

    def _broken(
        self, config: C | None, candidate: Candidate, wrong: Sequence[Diagnostic]
    ) -> Iterator[Diagnostic]:
        """The rules that are broken for sure, whatever the settings that are wrong should have been."""
        names = {name for item in wrong for name in (item.key, item.suggestion) if name}
        doubtful = {tuple(name.split(".")) for name in names}
        whole = config or _in_part(self.schema, candidate.values, doubtful, ())
        for rule in broken(self.rules, whole, candidate.environment, doubtful):
            yield _finding(Wording(rule.code, rule.message, rule.fix), rule.path, candidate, self.schema)

    def _refused(
        self, details: Sequence[ErrorDetails], candidate: Candidate, *, whole: bool
    ) -> Iterator[Diagnostic]:
        """One finding for each value, item of a list or table that pydantic refused."""
        known = settings_of(self.schema)
        groups: dict[tuple[Path, int | None], list[ErrorDetails]] = {}
        for detail in details:
            groups.setdefault(_place(detail, known), []).append(detail)
        for (path, index), group in groups.items():
            if group[0]["type"] == "missing":
                below = [item for item in known if item[: len(path)] == path and known[item].required]
                yield from (_missing(item, candidate, self.schema) for item in below if whole)
            elif path in known:
                yield _refusal(group, known[path], index, candidate, self.schema)
            else:
                yield _finding(self._misplaced(path, group[0]), path, candidate, self.schema)

    def _misplaced(self, path: Path, detail: ErrorDetails) -> Wording:
        if detail["type"] == "extra_forbidden":
            return Wording("CFG110", "unknown key", "", suggest(path, self.schema))
        return Wording("CFG113", "a value, where a table is wanted", f"give a table {dotted(path)}")


def _place(detail: ErrorDetails, known: Mapping[Path, Setting]) -> tuple[Path, int | None]:
    """The setting that a detail is about, and which item of its list; else whatever the detail names."""
    location = tuple(str(part) for part in detail["loc"])
    for end in range(len(location), 0, -1):
        if location[:end] in known:
            inside = (part for part in detail["loc"][end:] if isinstance(part, int))
            return location[:end], next(inside, None)
    return location, None


def _refusal(
    group: Sequence[ErrorDetails],
    setting: Setting,
    index: int | None,
    candidate: Candidate,
    schema: type[Table],
) -> Diagnostic:
    winner = candidate.winner(setting.path)
    value = winner.value if winner else setting.default
    origin = winner.origin if winner else None
    if winner and index is not None:
        value, origin = winner.value[index], candidate.item(setting.path, index)
    wording = word(group, Wrong(setting, value, origin, index))
    return _finding(wording, setting.path, candidate, schema, origin)


def _missing(path: Path, candidate: Candidate, schema: type[Table]) -> Diagnostic:
    name = variable(path)
    *table, key = path
    fix = f"set {key} in [{dotted(table)}] of settings/{candidate.environment}.toml, or set {name}"
    says = "missing: it has no default"
    if settings_of(schema)[path].secret:
        fix = f"set {name}, or {name}_FILE to the path of a file that holds it"
        if not candidate.guarded:
            fix = f"run `fluentpro init`, or set {name}"
    if candidate.winner(path):
        says = "missing: the reference to it was not resolved"
    return _finding(Wording("CFG201", says, fix), path, candidate, schema)


def _finding(
    wording: Wording, path: Path, candidate: Candidate, schema: type[Table], origin: Origin | None = None
) -> Diagnostic:
    """A finding at the place of the value that won, or of what stands nearest to where it should."""
    setting = settings_of(schema).get(path)
    secret = bool(setting and setting.secret)
    winner = candidate.winner(path)
    origin = origin or (winner.origin if winner else _nearest(path, candidate))
    shadows = winner.shadowed(secret=secret) if winner else ()
    if secret and origin:
        origin = origin.hidden()
    key = dotted(path)
    return Diagnostic(wording.code, key, wording.message, origin, wording.fix, wording.suggestion, shadows)


def _nearest(path: Path, candidate: Candidate) -> Origin | None:
    """The table's header in the highest layer that has the table; else nowhere."""
    for layer in reversed(candidate.layers):
        origin = layer.origins.key(path)
        if origin.line:
            return origin.hidden()
    return None


def _in_part(schema: type[Table], values: Any, doubtful: Collection[Path], prefix: Path) -> Table:
    """A configuration of what is not in doubt, for rules to look at; strict types are as they were read."""
    given: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        path, value = (*prefix, name), values.get(name) if isinstance(values, Mapping) else None
        if is_table(field.annotation):
            given[name] = _in_part(cast("type[Table]", field.annotation), value, doubtful, path)
        elif value is not None and path not in doubtful:
            given[name] = _secret(value) if holds_secret(field.annotation) else value
    return schema.model_construct(**given)


def _secret(value: Any) -> Any:
    return tuple(map(_secret, value)) if isinstance(value, tuple) else SecretStr(value)
