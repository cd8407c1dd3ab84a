"""The switches of the product; one that is on makes the settings of its integration required."""

from __future__ import annotations

from fluentpro.config.fields import Effect, Table, setting


class Features(Table):
    """One switch for each integration, named as its table."""

    auth0: bool = setting(False, meaning="Sign learners in through Auth0.", overridable=True)
    supabase: bool = setting(False, meaning="Keep learners' files in Supabase.", overridable=True)
    openai: bool = setting(
        False, meaning="Let OpenAI speak the other part of a conversation.", overridable=True
    )
    azure_search: bool = setting(False, meaning="Search the phrase library with Azure.", overridable=True)
    azure_openai: bool = setting(False, meaning="Find phrases by meaning, with embeddings.", overridable=True)
    celery: bool = setting(
        False,
        meaning="Run background work in Celery workers; off: in the process that asks for it.",
        effect=Effect.RESTART,
    )
