"""``throughtime tasks``."""

from __future__ import annotations

import click

from throughtime.cli.shared.common import json_option, print_table, wide_option
from throughtime.cli.shared.output import echo_json
from throughtime.tasks import TASKS


@click.command(name="tasks")
@wide_option
@json_option
def command(as_json: bool) -> None:
    """What can be trained."""
    if as_json:
        echo_json({name: task.summary for name, task in TASKS.items()})
    else:
        print_table(["task", "what it is"], [[name, task.summary] for name, task in TASKS.items()])
