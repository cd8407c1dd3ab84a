"""What can go wrong between a process and its fleet."""

from __future__ import annotations


class FleetError(Exception):
    """The server of the fleet can't be asked. The text names the kind of failure, never an address."""
