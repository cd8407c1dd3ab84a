"""The JSON API, with its OpenAPI document at /api/v1/docs."""

from __future__ import annotations

from ninja import NinjaAPI

from fluentpro import __version__
from fluentpro.web.api.about import router as about

api = NinjaAPI(title="FluentPro", version=__version__, urls_namespace="api-v1")
api.add_router("", about)
