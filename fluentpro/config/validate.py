"""Candidate -> snapshot: types, ranges, forms and rules; every finding at once, in our own words."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, get_args

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from fluentpro.config.diagnostics import UNREAD, Diagnostic, errors
from fluentpro.config.display import display
from fluentpro.config.environment import variable
from fluentpro.config.errors import ConfigError
from fluentpro.config.fields import Path, Setting, settings_of
from fluentpro.config.origins import Origin
from fluentpro.config.rules import Rule, broken
from fluentpro.config.snapshot import C, Candidate, Snapshot, digest, value_at

_NOUNS: Final[Mapping[str, str]] = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "path_type": "a path in quotes",
}
_BOUNDS: Final = frozenset(
    {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}
)
_LENGTHS: Final[Mapping[str, str]] = {
    "string_too_short": "too short: at least {min_length} characters",
    "string_too_long": "too long: at most {max_length} characters",
    "too_short": "too few: at least {min_length}",
    "too_long": "too many: at most {max_length}",
}


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
        whole = not any(item.code in UNREAD for item in findings)
        config: C | None = None
        try:
            config = self.schema.model_validate(candidate.values)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=True, include_input=False)
            findings.extend(
                self._value(detail, candidate) for detail in details if whole or detail["type"] != "missing"
            )
        if config is not None and whole:
            findings.extend(self._broken(config, candidate))
        findings = list(_worded_once(findings))
        if errors(findings) or config is None:
            raise ConfigError(candidate.environment, findings)
        identity = digest(config, candidate.environment, self._key(config))
        return Snapshot(config, identity, candidate.environment, candidate, tuple(findings))

    def _key(self, config: C) -> str:
        secret = value_at(config, self.digest_key) if self.digest_key else None
        return secret.get_secret_value() if isinstance(secret, SecretStr) else ""

    def _broken(self, config: C, candidate: Candidate) -> Iterator[Diagnostic]:
        for rule in broken(self.rules, config, candidate.environment):
            setting = settings_of(self.schema).get(rule.path)
            yield _finding(_Wording(rule.code, rule.message, rule.fix), rule.path, candidate, setting)

    def _value(self, detail: ErrorDetails, candidate: Candidate) -> Diagnostic:
        known = settings_of(self.schema)
        location = tuple(str(part) for part in detail["loc"])
        path = next(
            (location[:end] for end in range(len(location), 0, -1) if location[:end] in known), location
        )
        setting = known.get(path)
        if setting is None or detail["type"] == "missing":
            return _missing(path, candidate, setting)
        winner = candidate.winner(path)
        shown = display(winner.value if winner else setting.default, secret=setting.secret)
        wording = _wording(detail, setting, shown if not setting.secret else "the value")
        return _finding(wording, path, candidate, setting)


def _worded_once(findings: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
    """One finding a code and key: a union reports each of its types, a list each of its items."""
    seen: set[tuple[str, str, str]] = set()
    for item in findings:
        identity = (item.code, item.key, str(item.origin))
        if identity not in seen:
            seen.add(identity)
            yield item


@dataclass(frozen=True, slots=True)
class _Wording:
    code: str
    message: str
    fix: str = ""
    suggestion: str = ""


def _wording(detail: ErrorDetails, setting: Setting, shown: str) -> _Wording:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _NOUNS:
        return _Wording("CFG202", f"{shown} is not {_NOUNS[kind]}", f"write {_NOUNS[kind]}")
    if kind in ("literal_error", "enum"):
        choices = [str(choice) for choice in get_args(setting.annotation)]
        close = difflib.get_close_matches(shown.strip('"'), choices, n=1)
        return _Wording("CFG203", f"{shown} is none of: {', '.join(choices)}", "", close[0] if close else "")
    if kind in _BOUNDS:
        noun, bounds = _range(setting)
        of = f"not {noun} ({bounds})" if noun else f"out of range ({bounds})"
        return _Wording("CFG204", f"{shown} is {of}", f"set {noun or 'a number'} {_between(bounds)}")
    if kind in _LENGTHS:
        return _Wording("CFG204", f"{shown} is {_LENGTHS[kind].format(**context)}")
    if kind == "string_pattern_mismatch":
        return _Wording("CFG205", f"{shown} does not have the form {context.get('pattern', '')}")
    if kind.endswith(("_type", "_parsing")):
        return _Wording("CFG202", f"{shown} has the wrong type")
    if "what" in context:  # the schema's own refusal: its text reads on from the value, and brings its fix
        return _Wording(
            context.get("code", "CFG205"), f"{shown} is {context['what']}", context.get("fix", "")
        )
    return _Wording("CFG205", f"{shown}: {detail['msg']}")


def _range(setting: Setting) -> tuple[str, str]:
    """What a number is (`a port`, or nothing) and the words for its bounds."""
    low = high = ""
    for item in setting.constraints:
        match item:
            case Interval():
                low = f"{item.ge}" if item.ge is not None else low
                high = f"{item.le}" if item.le is not None else high
            case Ge():
                low = f"{item.ge}"
            case Gt():
                low = f"more than {item.gt}"
            case Le():
                high = f"{item.le}"
            case Lt():
                high = f"less than {item.lt}"
    if low and high:
        return setting.noun, f"{low} to {high}"
    return setting.noun, (
        f"at least {low}" if not low.startswith("more") else low
    ) if low else f"at most {high}"


def _between(bounds: str) -> str:
    low, to, high = bounds.partition(" to ")
    return f"between {low} and {high}" if to else bounds


def _missing(path: Path, candidate: Candidate, setting: Setting | None) -> Diagnostic:
    where = "secrets" if setting and setting.secret else f"settings/{candidate.environment}.toml"
    fix = f"set it in {where}, or set {variable(path)}"
    if setting and setting.secret:
        fix = (
            f"`fluentpro init` writes one for development; else set {variable(path)} or {variable(path)}_FILE"
        )
    return _finding(_Wording("CFG201", "missing: it has no default", fix), path, candidate, setting)


def _finding(wording: _Wording, path: Path, candidate: Candidate, setting: Setting | None) -> Diagnostic:
    """A finding at the place of the value that won, or of what stands nearest to where it should."""
    secret = bool(setting and setting.secret)
    winner = candidate.winner(path)
    origin = winner.origin if winner else _nearest(path, candidate)
    shadows = winner.shadowed(secret=secret) if winner else ()
    if secret and origin:
        origin = origin.hidden()
    key = ".".join(path)
    return Diagnostic(wording.code, key, wording.message, origin, wording.fix, wording.suggestion, shadows)


def _nearest(path: Path, candidate: Candidate) -> Origin | None:
    """The table's header in the highest layer that has the table; else nowhere."""
    for layer in reversed(candidate.layers):
        origin = layer.origins.key(path)
        if origin.line:
            return origin.hidden()
    return None
