"""``throughtime serve RUN…``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from throughtime.api import Run
from throughtime.applications.settings import check_settings
from throughtime.cli.shared.common import cell_option, open_run, task_option
from throughtime.cli.shared.options import SettingsCommand, given, settings_options
from throughtime.extras import extra
from throughtime.serving.settings import ServeSettings
from throughtime.visible import tell

KEY = "THROUGHTIME_API_KEY"


class ServeCommand(SettingsCommand):
    """With an option for every setting of a server."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own, and the server's."""
        return [*super().get_params(ctx), *settings_options(ServeSettings)]


@click.command(name="serve", cls=ServeCommand)
@click.argument("runs", nargs=-1, metavar="RUN…")
@cell_option
@task_option
@click.pass_context
def command(ctx: click.Context, /, runs: tuple[str, ...], cell: str | None, task: str | None, **_: Any) -> None:
    """Serve the models in RUN… to programs and to browsers, until it is stopped.

    Each is called by its folder's name, or as in NAME=RUN. SIGHUP opens the folders anew.
    """
    for module in ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client"):
        extra(module, "serve", "serving")
    from throughtime.serving.listen import listen

    settings = check_settings(ServeSettings, {"api_key": os.environ.get(KEY), **given(ctx, ServeSettings)})

    def open_(folder: Path) -> Run:
        return open_run(folder, cell, task)

    listen(list(runs), open_, settings, tell)
