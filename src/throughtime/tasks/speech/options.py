"""What may be asked of a recogniser."""

from throughtime.applications.options import Drawn, Explained, Fused, Headed, Lightened, Ranked, Searched, Tabled
from throughtime.applications.settings import option


class SearchOptions(Searched, Fused):
    """Of a search for transcripts: what may be asked of it."""


class JudgingOptions(SearchOptions, Headed):
    """Of a search in recordings that a manifest lists."""


class SpeechOptions(Ranked, SearchOptions, Explained, Drawn, Headed, Tabled, Lightened):
    """Of a transcript: what may be asked of it."""

    audio_column: str | None = option(None, "Of a manifest: column of the recordings; default: as in training.", "Data")
