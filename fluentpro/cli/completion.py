"""`fluentpro completion`: what a shell needs so that Tab completes verbs and settings."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

HELP: Final = """\
Print what makes Tab complete verbs and settings.

\b
For this shell:  eval "$(fluentpro completion bash)"
For every bash:  echo 'eval "$(fluentpro completion bash)"' >> ~/.bashrc
For every zsh:   echo 'eval "$(fluentpro completion zsh)"' >> ~/.zshrc
For every fish:  fluentpro completion fish > ~/.config/fish/completions/fluentpro.fish
"""


@click.command(help=HELP, epilog="Example: fluentpro completion bash")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script of a shell."""
    script = get_completion_class(shell)
    if script is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(script(ctx.find_root().command, {}, "fluentpro", "_FLUENTPRO_COMPLETE").source())
