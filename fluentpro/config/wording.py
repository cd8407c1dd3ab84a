"""What is wrong with a value, in our own words: pydantic's would print it, secret or not."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from fluentpro.config.display import LONGEST, brief, display
from fluentpro.config.environment import convert
from fluentpro.config.fields import Setting
from fluentpro.config.origins import PLANNED, Origin

_NOUNS: Final[Mapping[str, str]] = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
}
_IN_VARIABLES: Final[Mapping[str, str]] = {
    "a text in quotes": "a text",
    "a list": "items with commas between them, or a JSON array",
}
"""How a noun reads where there is no TOML."""
_BOUNDS: Final = frozenset(
    {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}
)
_LEAST, _MOST = "at least ", "at most "
_LENGTHS: Final[Mapping[str, tuple[str, str, str]]] = {
    "string_too_short": ("too short", "at least", "min_length"),
    "string_too_long": ("too long", "at most", "max_length"),
    "too_short": ("too short", "at least", "min_length"),
    "too_long": ("too long", "at most", "max_length"),
}


@dataclass(frozen=True, slots=True)
class Wording:
    """A finding without its place."""

    code: str
    message: str
    fix: str = ""
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A value that was refused, and where it stands."""

    setting: Setting
    value: object
    origin: Origin | None
    index: int | None = None
    """Which item of a list it is, if it is one."""

    @property
    def shown(self) -> str:
        """The value as the message names it."""
        name = "the value" if self.setting.secret else brief(self.value)
        return name if self.index is None else f"{name} (item {self.index + 1})"

    def fix(self, verb: str, what: str) -> str:
        """What to do, said of the file, of the variable or of the override."""
        text = _IN_VARIABLES.get(what, what)
        if self.origin and self.origin.variable:
            return f"set {self.origin.variable} to {text}"
        if self.origin and self.origin.override:
            wanted, key = f"give {text}", self.setting.key
            return wanted if self.origin.source == PLANNED else f"{wanted}, or `fluentpro unset {key}`"
        return f"{verb} {what}"


def word(details: Sequence[ErrorDetails], wrong: Wrong) -> Wording:
    """The words for a value that pydantic refused; several details are the types of one union."""
    if len(details) > 1 and all(detail["type"] in (*_NOUNS, "literal_error") for detail in details):
        either = _either(dict.fromkeys(_nouns(details, wrong.setting)))
        return Wording("CFG202", f"{wrong.shown} is not {either}", wrong.fix("write", either))
    # The type fits where something else than the type is wrong.
    detail = min(details, key=lambda detail: (detail["type"] in _NOUNS, detail["type"] == "literal_error"))
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _NOUNS:
        return _wrong_type(_NOUNS[kind], wrong)
    if kind == "literal_error":
        return _not_a_choice(wrong)
    if kind in _BOUNDS:
        return _out_of_range(wrong)
    if kind in _LENGTHS:
        (says, limit, bound), unit = _LENGTHS[kind], "character" if isinstance(wrong.value, str) else "item"
        within = f"{limit} {context[bound]} {unit}{'' if context[bound] == 1 else 's'}"
        return Wording("CFG204", f"{wrong.shown} is {says}: {within}", f"give {within}")
    if kind == "string_pattern_mismatch":
        return _not_in_form(context["pattern"], wrong)
    explain = f"`fluentpro explain {wrong.setting.key}` says what it means"
    if "what" in context:  # the schema's own refusal: its text reads on from the value, and brings its fix
        code, fix = context.get("code", "CFG205"), context.get("fix", explain)
        return Wording(code, f"{wrong.shown} is {context['what']}", fix)
    if kind.endswith("_type"):
        return Wording("CFG202", f"{wrong.shown} is of the wrong type", explain)
    return Wording("CFG205", f"{wrong.shown} is not in the form that is wanted", explain)


def _nouns(details: Sequence[ErrorDetails], setting: Setting) -> Iterator[str]:
    for detail in details:
        if detail["type"] in _NOUNS:
            yield _NOUNS[detail["type"]]
        else:
            yield from map(display, _choices(setting.annotation))


def _either(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def _wrong_type(noun: str, wrong: Wrong) -> Wording:
    fix = wrong.fix("write", noun)
    if isinstance(wrong.value, str) and not wrong.setting.secret and wrong.index is None:
        meant = convert(wrong.value, wrong.setting)
        stored = wrong.origin is not None and wrong.origin.override  # there, nobody writes quotes
        if (
            not stored and isinstance(meant, bool | int | float) and math.isfinite(meant)
        ):  # "5432" where 5432 was meant
            text = display(meant) if isinstance(meant, bool) else brief(wrong.value.strip()).strip('"')
            fix = f"write {text}, without quotes"
    return Wording("CFG202", f"{wrong.shown} is not {noun}", fix)


def _not_a_choice(wrong: Wrong) -> Wording:
    choices = list(_choices(wrong.setting.annotation))
    names = {str(choice).lower(): str(choice) for choice in choices}
    close = difflib.get_close_matches(str(wrong.value)[:LONGEST].lower(), names, n=1)
    fix = wrong.fix("write", _either(map(display, choices)))
    suggestion = names[close[0]] if close else ""
    return Wording("CFG203", f"{wrong.shown} is not one of the choices", fix, suggestion)


def _not_in_form(pattern: str, wrong: Wrong) -> Wording:
    fix, default = f"`fluentpro explain {wrong.setting.key}` says what it means", wrong.setting.default
    if isinstance(default, str):
        fix = wrong.fix("write", f"a text such as {display(default)}")
    return Wording("CFG205", f"{wrong.shown} does not have the form {pattern}", fix)


def _out_of_range(wrong: Wrong) -> Wording:
    noun, low, high = _range(wrong.setting)
    if not low and not high:
        return Wording("CFG204", f"{wrong.shown} is not a finite number", wrong.fix("write", "a number"))
    if low.startswith(_LEAST) and high.startswith(_MOST):
        bounds = f"{low.removeprefix(_LEAST)} to {high.removeprefix(_MOST)}"
        within = f"between {low.removeprefix(_LEAST)} and {high.removeprefix(_MOST)}"
    else:
        bounds, within = (word.join(filter(None, (low, high))) for word in (", ", " and "))
        within = f"that is {within}"
    of = f"not {noun} ({bounds})" if noun else f"out of range ({bounds})"
    return Wording("CFG204", f"{wrong.shown} is {of}", wrong.fix("set", f"{noun or 'a number'} {within}"))


def _range(setting: Setting) -> tuple[str, str, str]:
    """What a number is (`a port`, or nothing), and the words for its lowest and its highest value."""
    noun, low, high = setting.noun, "", ""
    for item in (*setting.constraints, *_metadata(setting.annotation)):
        match item:
            case FieldInfo():
                noun = noun or item.title or ""
            case Ge():
                low = f"{_LEAST}{item.ge}"
            case Gt():
                low = f"more than {item.gt}"
            case Le():
                high = f"{_MOST}{item.le}"
            case Lt():
                high = f"less than {item.lt}"
    return noun, low, high


def _metadata(annotation: Any) -> Iterator[Any]:
    """What a type says of its parts: the bounds of `Port` in `Port | None`."""
    for part in get_args(annotation):
        yield from _metadata(part)
        if get_origin(annotation) is Annotated and isinstance(part, FieldInfo):
            yield part
            yield from part.metadata


def _choices(annotation: Any) -> Iterator[Any]:
    for part in get_args(annotation):
        if get_origin(annotation) is Literal:
            yield part
        else:
            yield from _choices(part)
