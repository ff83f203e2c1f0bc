"""What a client of ``/v1/realtime`` asks for: OpenAI's session of transcription, in its two forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from throughtime.data.speech.audio import RATES
from throughtime.errors import listed
from throughtime.serving.house import House
from throughtime.serving.refusal import RefusedError
from throughtime.serving.ws.samples import FORMATS, Form
from throughtime.serving.ws.turns import Detection

RATE = 24_000
"""Samples a second, unless another is asked for."""

TYPES = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
"""Names of formats in the newer form of a session, and in the older one."""

IGNORED = ("create_response", "interrupt_response")
"""Of the detection of turns: here nothing responds."""

LONGEST = 10_000
"""Milliseconds of what stands before a turn, or ends it."""


class Transcription:
    """A session's settings.

    Args:
        name: Of the session.
        model: That hears.
    """

    def __init__(self, name: str, model: str) -> None:
        self.name, self.model = name, model
        self.sound, self.rate = "pcm16", RATE
        self.detection: Detection | None = None
        self.asked: dict[str, Any] = {}  # what is told back, and changes nothing

    @property
    def form(self) -> Form:
        """How samples are written."""
        return FORMATS[self.sound]

    def told(self, *, old: bool = False) -> dict[str, Any]:
        """As JSON; in the form before general availability, if that was asked in."""
        heard = {"model": self.model, **self.asked}
        turns = None if self.detection is None else _as_told(self.detection)
        if old:
            return {
                "id": self.name,
                "object": "realtime.transcription_session",
                "input_audio_format": self.sound,
                "input_audio_transcription": heard,
                "turn_detection": turns,
            }
        named = next(name for name, sound in TYPES.items() if sound == self.sound)
        sound = {
            "format": {"type": named} | ({"rate": self.rate} if self.form.rate is None else {}),
            "noise_reduction": None,
            "transcription": heard,
            "turn_detection": turns,
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
        form = self.sound, self.rate
        if "audio" in said:
            said = _object(_object(said["audio"], "audio").get("input", {}), "audio.input")
            form = _format(said["format"]) if said.get("format") is not None else form
            wanted = said.get("transcription")
        else:
            form = _old_format(said["input_audio_format"]) if said.get("input_audio_format") is not None else form
            wanted = said.get("input_audio_transcription")
        for name in ("noise_reduction", "input_audio_noise_reduction"):
            if said.get(name) is not None:
                raise RefusedError(422, f"{name}: expected null, got {said[name]!r:.80}")
        detection = _detection(said["turn_detection"]) if "turn_detection" in said else self.detection
        wanted = {} if wanted is None else _object(wanted, "transcription")
        model = wanted.get("model")
        if model is not None:
            if not isinstance(model, str):
                raise RefusedError(422, f"transcription.model: expected a name, got {model!r:.80}")
            self.model = house[model].name
        (self.sound, self.rate), self.detection = form, detection
        self.asked |= {name: wanted[name] for name in ("language",) if isinstance(wanted.get(name), str)}


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RefusedError(422, f"{name}: expected an object, got {value!r:.80}")
    return value


def _format(form: Any) -> tuple[str, int]:
    """The name, and samples a second, of a format in the newer form."""
    form = _object(form, "format")
    kind, rate = form.get("type", "audio/pcm"), form.get("rate")
    if not isinstance(kind, str) or kind not in TYPES:
        raise RefusedError(422, f"format.type: expected {listed(TYPES)}, got {kind!r:.80}")
    name = TYPES[kind]
    rate = (FORMATS[name].rate or RATE) if rate is None else rate
    if isinstance(rate, bool) or not isinstance(rate, int) or not RATES[0] <= rate <= RATES[1]:
        raise RefusedError(
            422, f"format.rate: expected {RATES[0]:,} to {RATES[1]:,} samples a second, got {rate!r:.80}"
        )
    return name, rate


def _old_format(name: Any) -> tuple[str, int]:
    """The same in the older form."""
    if not isinstance(name, str) or name not in TYPES.values():
        raise RefusedError(422, f"input_audio_format: expected {listed(TYPES.values())}, got {name!r:.80}")
    return name, FORMATS[name].rate or RATE


def _detection(asked: Any) -> Detection | None:
    """How turns are detected; None: the client commits."""
    if asked is None:
        return None
    asked = _object(asked, "turn_detection")
    if asked.get("type", "server_vad") != "server_vad":
        raise RefusedError(422, f"turn_detection.type: expected server_vad, got {asked['type']!r:.80}")
    known = {"threshold": 1.0, "prefix_padding_ms": LONGEST, "silence_duration_ms": LONGEST}
    for name, value in asked.items():
        if name == "type" or value is None or name in IGNORED:
            continue
        if name not in known:
            raise RefusedError(422, f"turn_detection: expected one of {listed(known)}, got {name!r:.80}")
        whole = isinstance(value, int if name.endswith("ms") else int | float) and not isinstance(value, bool)
        if not whole or not 0 <= value <= known[name]:
            raise RefusedError(422, f"turn_detection.{name}: expected 0 to {known[name]:,g}, got {value!r:.80}")
    given = {own: asked[name] for own, name in _OWN.items() if asked.get(name) is not None}
    return Detection(**given)


_OWN = {"threshold": "threshold", "prefix": "prefix_padding_ms", "silence": "silence_duration_ms"}


def _as_told(detection: Detection) -> dict[str, Any]:
    return {"type": "server_vad", **{name: getattr(detection, own) for own, name in _OWN.items()}}
