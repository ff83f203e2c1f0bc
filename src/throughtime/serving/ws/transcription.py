"""What a client of ``/v1/realtime`` asks for: OpenAI's session of transcription, in its two forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from throughtime.data.speech.audio import RATES
from throughtime.serving.house import House
from throughtime.serving.refusal import RefusedError

RATE = 24_000
"""Samples a second, unless another is asked for."""


class Transcription:
    """A session's settings.

    Args:
        name: Of the session.
        model: That hears.
    """

    def __init__(self, name: str, model: str) -> None:
        self.name, self.model, self.rate = name, model, RATE
        self.asked: dict[str, Any] = {}  # what is told back, and changes nothing

    def told(self, *, old: bool = False) -> dict[str, Any]:
        """As JSON; in the form before general availability, if that was asked in."""
        heard = {"model": self.model, **self.asked}
        if old:
            return {
                "id": self.name,
                "object": "realtime.transcription_session",
                "input_audio_format": "pcm16",
                "input_audio_transcription": heard,
                "turn_detection": None,
            }
        sound = {
            "format": {"type": "audio/pcm", "rate": self.rate},
            "noise_reduction": None,
            "transcription": heard,
            "turn_detection": None,
        }
        kind = {"type": "transcription", "object": "realtime.transcription_session", "id": self.name}
        return {**kind, "audio": {"input": sound}, "include": None}

    def update(self, session: Any, house: House) -> None:
        """Takes over what a client says; all of it, or nothing.

        Raises:
            RefusedError: If it asks for something that there is not.
        """
        said = _object(session, "session")
        if said.get("type", "transcription") != "transcription":
            raise RefusedError(422, f"session.type: expected transcription, got {said['type']!r:.80}")
        if "audio" in said:
            said = _object(_object(said["audio"], "audio").get("input", {}), "audio.input")
            rate = _rate(said["format"]) if said.get("format") is not None else self.rate
            wanted = said.get("transcription")
        else:
            if said.get("input_audio_format", "pcm16") != "pcm16":
                raise RefusedError(422, f"input_audio_format: expected pcm16, got {said['input_audio_format']!r:.80}")
            rate, wanted = self.rate, said.get("input_audio_transcription")
        for name in ("turn_detection", "noise_reduction", "input_audio_noise_reduction"):
            if said.get(name) is not None:
                raise RefusedError(422, f"{name}: expected null, got {said[name]!r:.80}; commit buffers yourself")
        wanted = {} if wanted is None else _object(wanted, "transcription")
        model = wanted.get("model")
        if model is not None:
            if not isinstance(model, str):
                raise RefusedError(422, f"transcription.model: expected a name, got {model!r:.80}")
            self.model = house[model].name
        self.rate = rate
        self.asked |= {name: wanted[name] for name in ("language",) if isinstance(wanted.get(name), str)}


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RefusedError(422, f"{name}: expected an object, got {value!r:.80}")
    return value


def _rate(form: Any) -> int:
    """Samples a second of a format."""
    form = _object(form, "format")
    rate = form.get("rate") or RATE
    if form.get("type", "audio/pcm") != "audio/pcm":
        raise RefusedError(422, f"format.type: expected audio/pcm, got {form['type']!r:.80}")
    if isinstance(rate, bool) or not isinstance(rate, int) or not RATES[0] <= rate <= RATES[1]:
        raise RefusedError(
            422, f"format.rate: expected {RATES[0]:,} to {RATES[1]:,} samples a second, got {rate!r:.80}"
        )
    return rate
