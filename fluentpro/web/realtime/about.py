"""`/ws/v1/about`: what runs, told when a page connects and again after each applied change."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from channels.generic.websocket import AsyncWebsocketConsumer

from fluentpro.config.pin import pin
from fluentpro.process import runtime
from fluentpro.web.api.about import document
from fluentpro.web.headers import DIGEST_HEADER
from fluentpro.web.realtime.changes import changes

GOING_AWAY: Final = 1001
"""RFC 6455, 7.4.1: the server goes down. A page connects again, and meets another process."""
TRY_AGAIN_LATER: Final = 1013
"""The client does not take what it is sent."""
PATIENCE: Final = 10.0
"""Seconds for which a message may wait until its client takes it."""


class About(AsyncWebsocketConsumer):
    """One open page. What it says is of no interest: it is here to be told."""

    teller: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Accept, and begin to tell; refuse if the process is about to end."""
        if changes.ending:
            await self.close()
            return
        header = (DIGEST_HEADER.lower().encode(), runtime().store.snapshot.digest.encode())
        await self.accept(headers=[header])  # type: ignore[list-item]  # ASGI wants bytes, the stubs text
        self.teller = asyncio.create_task(self._tell(), name="websocket-about")

    async def disconnect(self, code: int) -> None:
        """Stop telling."""
        if self.teller:
            self.teller.cancel()

    async def _tell(self) -> None:
        generation = 0
        with changes.followed() as changed, suppress(OSError):  # the client went away
            while not changes.ending:
                with pin(runtime().store.snapshot) as snapshot:
                    text = document(snapshot).model_dump_json()
                if snapshot.generation != generation:
                    generation = snapshot.generation
                    if not await self._sent(text):
                        await self.close(code=TRY_AGAIN_LATER)
                        return
                await changed.wait()
                changed.clear()
            await self.close(code=GOING_AWAY)

    async def _sent(self, text: str) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                await self.send(text_data=text)
        except TimeoutError:
            return False
        return True


async def nothing(_scope: Any, _receive: Any, send: Any) -> None:
    """There is no WebSocket of this name: the handshake is refused."""
    await send({"type": "websocket.close"})
