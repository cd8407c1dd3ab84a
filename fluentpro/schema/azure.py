"""Azure: search, and the models that make texts searchable; needed when their features are on."""

from __future__ import annotations

from fluentpro.config.fields import Table, setting
from fluentpro.schema.types import Name, Secret, ServiceUrl

_VERSION = r"^\d{4}-\d{2}-\d{2}(-preview)?$"


class AzureSearch(Table):
    """The search service, behind `features.azure_search`."""

    endpoint: ServiceUrl | None = setting(None, meaning="The address of the search service.")
    key: Secret | None = setting(None, meaning="The key of the search service.")
    api_version: str = setting(
        "2024-07-01", meaning="The version of the search API, a date.", pattern=_VERSION
    )


class AzureOpenAI(Table):
    """The embedding model, behind `features.azure_openai`."""

    endpoint: ServiceUrl | None = setting(None, meaning="The address of the Azure OpenAI resource.")
    api_key: Secret | None = setting(None, meaning="The key of the Azure OpenAI resource.")
    api_version: str = setting(
        "2024-02-01", meaning="The version of the Azure OpenAI API, a date.", pattern=_VERSION
    )
    embedding_deployment: Name = setting(
        "text-embedding-3-small",
        meaning="The deployment that turns a text into a vector for the search.",
    )
