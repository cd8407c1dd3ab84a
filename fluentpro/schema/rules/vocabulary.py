"""The three ways to state a rule; each makes a dynaconf Validator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from dynaconf import Validator

from fluentpro.config.rules import Rule
from fluentpro.schema import Config

Statement: TypeAlias = Callable[[Config], bool]

DEPLOYED: Final = ("staging", "production")
PRODUCTION: Final = ("production",)


def must(code: str, key: str, says: str, fix: str, **demands: Any) -> Rule:
    """A demand on one setting, in dynaconf's words: `eq`, `gte`, `len_min`, `condition`, `env`."""
    return Rule(code, Validator(key, description=says, **demands), fix)


def required(
    code: str, key: str, says: str, fix: str, *, when: Statement, env: tuple[str, ...] | None = None
) -> Rule:
    """A setting that has to be there when a statement about the whole configuration is true."""
    return Rule(code, Validator(key, must_exist=True, when=_whole(when), env=env, description=says), fix)


def never(
    code: str, key: str, says: str, fix: str, *, when: Statement, env: tuple[str, ...] | None = None
) -> Rule:
    """A statement about the whole configuration that must not be true; `key` is where to mend it."""
    broken = Validator(key, condition=lambda _: False, when=_whole(when), env=env, description=says)
    return Rule(code, broken, fix)


def _whole(statement: Statement) -> Any:
    # The empty name reads as the whole configuration; dynaconf's own message would print all of it.
    return Validator("", condition=statement, messages={"condition": "not so"})
