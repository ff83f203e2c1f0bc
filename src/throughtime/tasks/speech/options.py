"""What may be asked of a recogniser."""

from throughtime.applications.options import Drawn, Explained, Fused, Headed, Ranked, Searched


class SearchOptions(Searched, Fused):
    """Of a search for transcripts: what may be asked of it."""


class JudgingOptions(SearchOptions, Headed):
    """Of a search in recordings that a manifest lists."""


class SpeechOptions(Ranked, SearchOptions, Explained, Drawn):
    """Of a transcript: what may be asked of it."""
