"""What the overrides' pages take and give."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from ninja import Schema
from pydantic import ConfigDict, Field

from fluentpro.config.display import plain
from fluentpro.config.fields import settings_of
from fluentpro.config.overrides import Override
from fluentpro.fleet import changes
from fluentpro.fleet.revision import Revision
from fluentpro.schema import Config
from fluentpro.schema.durations import EXAMPLES, PATTERN

LONGEST: Final = 10_000
"""Characters of a value."""
NEWEST: Final = 2**31 - 1
"""The highest number that a revision can have."""
KEYS: Final[dict[str, Any]] = {
    "enum": [item.key for item in settings_of(Config).values() if item.overridable]
}
"""What the document says of a setting's name; another is refused in our own words."""
TEXT: Final = r"^[^\x00]*$"
Scalar: TypeAlias = (
    Annotated[bool, Field(strict=True)]
    | Annotated[int, Field(strict=True, ge=-(2**63), lt=2**63)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | Annotated[str, Field(max_length=LONGEST, pattern=TEXT)]
)
Reason: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=changes.LONGEST, pattern=TEXT, description="Why; it is kept and logged."),
]


class Overridden(Schema):
    """One override."""

    key: str
    value: Any
    author: str
    reason: str
    since: int = Field(description="The revision that brought it.")
    until: float | None = Field(description="Unix time of its end in s; null where it has none.")
    fault: str = Field(description="Why what is stored can't be used; empty where it can.")


class InForce(Schema):
    """The overrides in force for everyone."""

    revision: int = Field(description="The newest for everyone; 0 before the first.")
    overrides: list[Overridden]
    known_only: bool = Field(description="The database does not answer: this is what the process knows.")


class Changed(Schema):
    """A setting that a change gives another value."""

    key: str
    effect: str
    old: str
    new: str


class Done(Schema):
    """A change of the overrides, and what it does."""

    revision: int
    verb: str
    key: str = Field(description="Empty for a rollback.")
    to: int | None = Field(description="The revision that a rollback goes back to.")
    author: str
    reason: str
    until: float | None
    changes: list[Changed]
    digest: str | None = Field(description="The digest of the configuration after it.")
    previous_digest: str | None
    written: bool = Field(description="Whether it was made, and not only tried.")


class Made(Schema):
    """A revision: one change, and every override after it."""

    number: int
    made_at: float = Field(description="Unix time in s.")
    author: str
    reason: str
    change: dict[str, Any]
    stage: str = Field(description="`everyone`, `canary` or `taken back`.")
    canary: list[str]
    overrides: list[Overridden]


class Wish(Schema):
    """A setting that shall have a value."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(
        max_length=200, description="Its dotted name.", examples=["site.banner"], json_schema_extra=KEYS
    )
    value: Scalar | Annotated[list[Scalar], Field(max_length=1000)]
    reason: Reason
    lifetime: Annotated[str, Field(pattern=PATTERN)] | None = Field(
        None, alias="for", description=f"How long it holds: {EXAMPLES}. Without it, until it is taken back."
    )


class Back(Schema):
    """A revision to go back to."""

    model_config = ConfigDict(extra="forbid")

    to: Annotated[int, Field(strict=True, ge=0, le=NEWEST)] | None = Field(
        None, description="Its number; 0 for no overrides. Without it, the one before the newest."
    )
    reason: Reason


def shown(item: Override) -> Overridden:
    """An override as it may be shown."""
    return Overridden(
        key=item.key,
        value=None if item.fault else plain(item.value),
        author=item.author,
        reason=item.reason,
        since=item.since,
        until=item.until,
        fault=item.fault,
    )


def made(item: Revision) -> Made:
    """A revision as it may be shown."""
    return Made(
        number=item.number,
        made_at=item.made_at,
        author=item.author,
        reason=item.reason,
        change=item.change,
        stage=item.stage.value,
        canary=list(item.canary),
        overrides=[shown(each) for each in item.overrides],
    )
