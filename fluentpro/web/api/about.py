"""What this service is, and which configuration it runs."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Router, Schema

from fluentpro import __version__
from fluentpro.config.pin import pinned
from fluentpro.config.snapshot import Snapshot
from fluentpro.process import runtime
from fluentpro.schema import Config

router = Router(tags=["about"])


class Running(Schema):
    """The configuration that answered."""

    digest: str
    generation: int


class About(Schema):
    """The public face of the service."""

    name: str
    version: str
    environment: str
    banner: str
    config: Running


@router.get("/about", response=About, summary="What this service is")
def about(request: HttpRequest) -> About:
    """Name, version, environment, banner, and the configuration that this very answer is made from."""
    return document(pinned.get() or runtime().store.snapshot)


def document(snapshot: Snapshot[Config]) -> About:
    """What a snapshot makes this service."""
    site = snapshot.config.site
    return About(
        name=site.name,
        version=__version__,
        environment=snapshot.environment,
        banner=site.banner,
        config=Running(digest=snapshot.digest, generation=snapshot.generation),
    )
