"""``throughtime tasks``."""

from __future__ import annotations

import json

import click

from throughtime.cli.common import json_option, print_table
from throughtime.tasks import TASKS


@click.command(name="tasks")
@json_option
def command(as_json: bool) -> None:
    """What can be trained."""
    if as_json:
        click.echo(json.dumps({name: task.summary for name, task in TASKS.items()}))
    else:
        print_table(["task", "what it is"], [[name, task.summary] for name, task in TASKS.items()])
