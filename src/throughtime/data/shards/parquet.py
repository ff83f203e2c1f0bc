"""The texts in a column of a parquet file, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from throughtime.errors import UserError, listed, nearest
from throughtime.extras import extra

ROWS = 256
"""That are read together."""

LARGEST = 1 << 29
"""Bytes of a column in a group of rows, which is what may be held of it."""


def parquet_texts(name: str, file: BinaryIO, column: str) -> Iterator[str]:
    """The texts of a column, in order; "" where there is none.

    Args:
        name: Of the file, for messages.
        file: Open for reading, and for seeking.
        column: With the texts.

    Raises:
        UserError: If it is damaged, has no such column or one of another type, or its groups of rows are too large.
    """
    arrow, library = (extra(part, "shards", f"{name}: reading parquet") for part in ("pyarrow", "pyarrow.parquet"))
    read = 0
    try:
        with library.ParquetFile(file, pre_buffer=False) as opened:
            _check(name, opened, column, arrow)
            for batch in opened.iter_batches(ROWS, columns=[column], use_threads=False):
                for value in batch.column(0):
                    yield value.as_py() or ""
                read += len(batch)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:  # arrow's own of reading is an OSError
        reason = " ".join(str(error).split())[:120]
        raise UserError(
            f"{name}: after row {read:,}: expected parquet, which this is not, or it is damaged: {reason}; "
            "get it anew, or leave it out"
        ) from error


def _check(name: str, opened: Any, column: str, arrow: Any) -> None:
    schema = opened.schema_arrow
    if schema.names.count(column) != 1:
        has = f"it has {listed(schema.names)}{nearest(column, schema.names)}"
        raise UserError(f"{name}: expected the texts in a column {column!r}; {has}; pass --text-column NAME")
    kind = schema.field(column).type
    plain = kind.value_type if arrow.types.is_dictionary(kind) else kind
    if not (arrow.types.is_string(plain) or arrow.types.is_large_string(plain)):
        raise UserError(f"{name}: expected texts in column {column!r}, got {kind}; pass --text-column NAME")
    place = next(at for at, found in enumerate(opened.schema) if found.path.split(".")[0] == column)
    for number in range(opened.num_row_groups):
        size = opened.metadata.row_group(number).column(place).total_uncompressed_size
        if size > LARGEST:
            raise UserError(
                f"{name}: expected groups of rows of at most {LARGEST:,} bytes in column {column!r}, got {size:,} in "
                f"group {number + 1}; write it anew with smaller ones"
            )
