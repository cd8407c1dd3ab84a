#!/usr/bin/env python3
"""Django's administrative commands, with FluentPro's configuration."""

import os
import sys


def main() -> None:
    """Run a command; a configuration that is not valid is printed as `fluentpro check` prints it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fluentpro.web.settings")
    from django.core.management import execute_from_command_line

    from fluentpro.cli.report import refusing

    with refusing():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
