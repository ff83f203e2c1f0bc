"""The clips that tables and lists hold for a trained model, without the classes beside them."""

from __future__ import annotations

from pathlib import Path

from throughtime.applications.reading.inputs import Asked, Column, Input, Inputs, table_inputs
from throughtime.data.parts import is_file
from throughtime.data.tables.sheets import Record
from throughtime.data.video.keypoints import point_sheet, read_points
from throughtime.errors import UserError, shown


def point_inputs(path: Path, numbers: int) -> Inputs:
    """The sequences of a table of key points, ``numbers`` a step where a row is a sequence.

    Raises:
        UserError: If a row is broken, or there is none.
    """
    found = list(read_points(path, numbers))
    if not found:
        raise UserError(f"{path}: expected sequences of key points, got an empty table")
    sheet = point_sheet(path, found)
    rows = {record.line: row for row, record in enumerate(sheet.records)}
    return Inputs(sheet, [Input(one, one.where, [rows[line] for line in one.lines]) for one in found])


def list_inputs(path: Path) -> Inputs:
    """The videos of a list, whose paths are as seen from it.

    Raises:
        UserError: If a line names none that is there.
    """

    def video(record: Record, name: str, where: str) -> Path:
        file = path.parent / (record.values or {})[name]
        if not is_file(file):
            raise UserError(f"{where}: expected the video {shown(str(file))}, which is not there")
        return file

    return table_inputs(path, Column("clip", ("path",)), Asked(column="path"), video)
