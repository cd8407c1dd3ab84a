"""The API inside this process, and tokens for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import structlog

from tests.support.inside import Inside

Bearer = dict[str, str]
Make = Callable[..., Bearer]


@pytest.fixture
def make(inside: Inside) -> Iterator[Make]:
    """Makes tokens as `fluentpro token create` does; what they send as a header."""
    from fluentpro.web.database import follow
    from fluentpro.web.tokens import register
    from fluentpro.web.tokens.form import Scope
    from fluentpro.web.tokens.models import Token

    def make(name: str, scope: str = "read", lifetime: timedelta | None = None, ago: float = 0) -> Bearer:
        follow()  # as each request does: an earlier test may have had another database
        at = register.now() - timedelta(seconds=ago)
        return {"Authorization": f"Bearer {register.create(name, Scope(scope), lifetime, at).text}"}

    yield make
    Token.objects.all().delete()


@pytest.fixture
def counted(inside: Inside) -> None:
    """Counts begin from nothing."""
    from django.core.cache import cache

    from fluentpro.web.limits import limits

    cache.clear()
    limits.own.clear()
    limits._shut_until = 0.0


@pytest.fixture
def told(inside: Inside) -> Iterator[list[structlog.typing.EventDict]]:
    """The events that are logged, as data."""
    with structlog.testing.capture_logs() as events:
        yield events
