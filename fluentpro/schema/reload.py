"""How a running process follows its configuration files."""

from __future__ import annotations

from functools import partial

from fluentpro.config.fields import Effect, Table
from fluentpro.config.fields import setting as any_setting

setting = partial(any_setting, effect=Effect.RESTART)


class Reload(Table):
    """When a changed file is read again."""

    enabled: bool = setting(True, meaning="Apply changes of the files while the service runs.")
    settle: float = setting(
        0.005,
        meaning="How long the files must be quiet before they are read.",
        unit="s",
        ge=0.001,
        le=10,
    )
    debounce: float = setting(
        0.05,
        meaning="For how long at most changes that keep coming are gathered into one reload.",
        unit="s",
        ge=0.001,
        le=60,
    )
    poll_interval: float = setting(
        1.0,
        meaning="How often the files are compared unasked, in case a message of a change was lost.",
        unit="s",
        ge=0.05,
        le=3600,
    )
