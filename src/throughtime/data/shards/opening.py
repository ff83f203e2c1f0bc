"""The texts that a user named, in files or in shards."""

from __future__ import annotations

from collections.abc import Sequence

from throughtime.data.shards.documents import ShardTexts
from throughtime.data.shards.names import is_sharded
from throughtime.data.text.files import Texts, open_texts


def open_sharded(names: Sequence[str], field: str | None = None) -> Texts:
    """The texts of files and folders, or of shards where a name is a pattern, an address, or of a shard's kind.

    Args:
        names: As the user gave them.
        field: Of records: where the text stands.

    Raises:
        UserError: If there is no text.
    """
    return ShardTexts(names, field) if any(map(is_sharded, names)) else open_texts(names)
