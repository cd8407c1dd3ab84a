"""What is wrong, where, and what mends it: as text for a person and as data for a program."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from fluentpro.config.display import LONGEST, visible
from fluentpro.config.excerpt import excerpt
from fluentpro.config.origins import Origin

EX_UNAVAILABLE: Final = 69
EX_TEMPFAIL: Final = 75
EX_NOPERM: Final = 77
EX_CONFIG: Final = 78
"""Exit statuses of sysexits.h."""

CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CFG101": "Unknown environment",
        "CFG102": "Settings file missing",
        "CFG103": "Settings file not readable",
        "CFG104": "Not UTF-8",
        "CFG105": "TOML syntax error",
        "CFG106": "Settings file empty",
        "CFG107": "Settings files kept changing while they were read",
        "CFG108": "Local file where none may be",
        "CFG110": "Unknown key",
        "CFG111": "Unknown table",
        "CFG112": "A table where a value is wanted",
        "CFG113": "A value where a table is wanted",
        "CFG120": "Unknown environment variable",
        "CFG121": "File named by a variable missing",
        "CFG122": "Variable given twice",
        "CFG123": "File named by a variable not readable",
        "CFG124": "Stray dynaconf variable",
        "CFG125": "Environment variable not UTF-8",
        "CFG130": "Override of an unknown key",
        "CFG131": "Override where none may be",
        "CFG132": "Stored override not readable",
        "CFG199": "Fault of FluentPro's own",
        "CFG201": "Missing value",
        "CFG202": "Wrong type",
        "CFG203": "Not one of the choices",
        "CFG204": "Out of range",
        "CFG205": "Wrong form",
        "CFG300": "Reference without a secret backend",
        "CFG501": "Database not reached with changed settings",
    }
)
"""Every code of the engine and its title; rules bring codes of their own."""

UNREAD: Final = frozenset(
    {"CFG101", "CFG102", "CFG103", "CFG104", "CFG105", "CFG106", "CFG107", "CFG121", "CFG123", "CFG125"}
    | {f"CFG{number}" for number in range(301, 320)}  # a secret backend's
)
"""The codes of a source whose values nobody knows."""


class Severity(StrEnum):
    """Whether a finding stops the configuration or is only said."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A value that a higher layer hides, already fit to be shown."""

    display: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding. Its texts are safe to show: no secret is ever put into one."""

    code: str
    key: str
    message: str
    origin: Origin | None = None
    fix: str = ""
    suggestion: str = ""
    shadows: tuple[Shadowed, ...] = ()
    severity: Severity = Severity.ERROR
    status: int = EX_CONFIG
    """The exit status (sysexits.h) of a start that this alone stops."""

    def __post_init__(self) -> None:
        for name in ("key", "message", "suggestion"):
            object.__setattr__(self, name, visible(getattr(self, name)))
        object.__setattr__(self, "fix", "\n".join(visible(line) for line in self.fix.split("\n")))

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data."""
        origin = self.origin
        return {
            "code": self.code,
            "severity": self.severity.value,
            "key": self.key,
            "message": self.message,
            "source": visible(origin.source) if origin else None,
            "line": origin.line or None if origin else None,
            "column": origin.column or None if origin else None,
            "suggestion": self.suggestion or None,
            "fix": self.fix or None,
            "shadows": [{"value": item.display, "origin": str(item.origin)} for item in self.shadows],
        }


def errors(findings: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The findings that stop a configuration."""
    return tuple(item for item in findings if item.severity is Severity.ERROR)


def exit_status(findings: Sequence[Diagnostic]) -> int:
    """The sysexits status: 77 if only permissions are wrong, 69 if only a backend is down, else 78."""
    found = {item.status for item in errors(findings)}
    return found.pop() if len(found) == 1 else EX_CONFIG if found else 0


def read_status(error: OSError) -> int:
    """The exit status for a file that can't be read: 77 where this user may not, else 78."""
    return EX_NOPERM if isinstance(error, PermissionError) else EX_CONFIG


def headline(environment: str, findings: Sequence[Diagnostic]) -> str:
    """The first line of a report: which environment, how many errors and warnings."""
    wrong = len(errors(findings))
    counts = _count(wrong, "error")
    if len(findings) > wrong:
        counts += f", {_count(len(findings) - wrong, 'warning')}"
    return f"fluentpro: configuration for {visible(environment[:LONGEST])} is not valid: {counts}"


def render(findings: Sequence[Diagnostic]) -> str:
    """The findings as text, grouped by file in the order of its lines."""
    order: dict[str, int] = {}
    for item in findings:
        order.setdefault(_source(item), len(order))
    ordered = sorted(findings, key=lambda item: (order[_source(item)], *_position(item)))
    return "\n\n".join("\n".join(_lines(item)) for item in ordered) + "\n"


def _lines(item: Diagnostic) -> Iterator[str]:
    subject = f"{item.key}: " if item.key else ""
    mark = "" if item.severity is Severity.ERROR else "warning: "
    yield f"{item.code:<8}{subject}{mark}{item.message}"
    if item.origin:
        yield f"        {item.origin}"
        yield from excerpt(item.origin)
    for shadowed in item.shadows:
        yield f"        shadows {shadowed.display} from {shadowed.origin}"
    if item.suggestion:
        yield f"        did you mean {item.suggestion}?"
    if item.fix:
        first, *rest = item.fix.split("\n")
        yield f"        fix: {first}"
        yield from (f"             {line}" for line in rest)


def _source(item: Diagnostic) -> str:
    return item.origin.source if item.origin else ""


def _position(item: Diagnostic) -> tuple[int, int]:
    return (item.origin.line, item.origin.column) if item.origin else (0, 0)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
