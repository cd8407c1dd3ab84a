"""Where and with what it was measured; nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("django", "dynaconf", "pydantic", "gunicorn", "watchfiles")


def describe() -> dict[str, str]:
    """Cores, memory, processor, system and versions."""
    memory = _found("/proc/meminfo", r"^MemTotal:\s+(\d+)")
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{int(memory or 0) / 1024**2:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "load before": f"{os.getloadavg()[0]:.2f} (average of the last minute)",
        "versions": ", ".join(
            [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)]
        ),
    }


def _processor() -> str:
    return _found("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine()


def _found(path: str, pattern: str) -> str:
    try:
        match = re.search(pattern, Path(path).read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return ""
    return match[1] if match else ""
