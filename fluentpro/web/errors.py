"""Django's page for errors, without a secret: it shows settings, and every local variable of every frame."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, Final
from urllib.parse import quote

from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter
from pydantic import SecretStr

from fluentpro.config.display import HIDDEN
from fluentpro.config.fields import settings_of
from fluentpro.config.snapshot import value_at
from fluentpro.process import runtime, secrets
from fluentpro.schema import Config

SHORTEST: Final = 4
"""Characters of a secret that is looked for: hiding a shorter one would hide half the page."""


class Reporter(ExceptionReporter):
    """Django's, which hides what has the name of a secret; this hides what has the value of one."""

    def get_traceback_html(self) -> SafeString:
        """The page."""
        return _without_secrets(super().get_traceback_html())

    def get_traceback_text(self) -> SafeString:
        """The page as plain text."""
        return _without_secrets(super().get_traceback_text())


def _without_secrets(page: SafeString) -> SafeString:
    text = str(page)
    values = {value for value in _secrets() if len(value) >= SHORTEST}
    forms = {
        form(value) for value in values for form in (str, escape, repr, lambda text: quote(text, safe=""))
    }
    for form in sorted((form.strip("'\"") for form in forms), key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return SafeString(text)  # as safe as it was: stars are no markup


def _secrets() -> Iterator[str]:
    """Every secret that this process knows, those of the start and from before a rotation included."""
    store = runtime().store
    for config in (store.boot.config, store.snapshot.config):
        for item in settings_of(Config).values():
            if item.secret:
                yield from _texts(value_at(config, item.path))
    if known := secrets():
        for document in [*known.documents.values(), *known.fresh.values()]:
            for values in (document.values, *document.older.values()):
                yield from _texts(tuple(values.values()))
        if known.token:
            yield known.token.text


def _texts(value: Any) -> Iterator[str]:
    match value:
        case SecretStr():
            yield value.get_secret_value()
        case str():
            yield value
        case tuple() | list():
            for item in value:
                yield from _texts(item)
