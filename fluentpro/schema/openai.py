"""OpenAI, which speaks the other part in a conversation; needed when `features.openai` is on."""

from __future__ import annotations

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import Name, Seconds, Secret


class OpenAI(Table):
    """The account and the model."""

    api_key: Secret | None = setting(None, meaning="The key of the OpenAI account.")
    model: Name = setting("gpt-4o-mini", meaning="The model that answers the learner.", overridable=True)
    timeout: Seconds = setting(20.0, meaning="How long to wait for an answer.", unit="s", overridable=True)
