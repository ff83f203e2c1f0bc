"""What a server listens to and allows: every limit has a default, and an option of ``throughtime serve``."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from throughtime.applications.settings import option

MB = 2**20


class ServeSettings(BaseModel):
    """How models are served."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    host: str = option("127.0.0.1", "Address to listen at; others than this machine reach 0.0.0.0.", "Server")
    port: int = option(8000, "Port to listen at; 0: one that is free.", "Server", ge=0, le=65535)
    name: str | None = option(
        None, "Name of this server for browsers, as behind a proxy: models.example.org.", "Server"
    )
    api_key: str | None = option(
        None,
        "Key that every request must bring; default: the variable THROUGHTIME_API_KEY, else none.",
        "Server",
        min_length=1,
    )
    open: bool = option(False, "Serve whoever reaches the address, though there is no key.", "Server")
    cors: str | None = option(None, "Origin of pages that may ask from elsewhere, or *; default: none.", "Server")
    parked: Path | None = option(None, "Folder that idle streams are kept in; default: a temporary one.", "Server")
    threads: int = option(
        1, "Threads that one call of a model may take; several calls run beside each other.", "Server", ge=1
    )
    grace: float = option(30.0, "Seconds that streams have to finish when the server stops.", "Server", ge=0)

    body: int = option(32 * MB, "Most bytes of a request's body.", "Limits", ge=1)
    bodies: int = option(512 * MB, "Most bytes of all bodies at once.", "Limits", ge=1)
    header: int = option(16384, "Most bytes of a request's line and headers.", "Limits", ge=1024)
    message: int = option(MB, "Most bytes of a message of a stream.", "Limits", ge=1024)
    audio: float = option(600.0, "Most seconds of a recording, and of an audio stream's session.", "Limits", gt=0)
    beats: float = option(4096.0, "Most beats of a tune.", "Limits", gt=0)
    tokens: int = option(4096, "Most tokens to draw, and of a text to read.", "Limits", ge=1)
    inputs: int = option(256, "Most inputs of a request.", "Limits", ge=1)
    results: int = option(64, "Most results of an input, and hypotheses of a search.", "Limits", ge=1)
    connections: int = option(2048, "Most connections at once.", "Limits", ge=1)
    waiting: int = option(64, "Most requests that wait for a model.", "Limits", ge=1)
    patience: float = option(60.0, "Seconds that a request may take.", "Limits", gt=0)
    rate: float = option(0.0, "Most requests a second of one client, twice as many at once; 0: any.", "Limits", ge=0)
    sessions: int = option(1024, "Most streams that are open at once.", "Limits", ge=1)
    lag: float = option(1.0, "Seconds that streams may be late; beyond, the youngest are let go.", "Limits", gt=0)
    queue: int = option(256 * 1024, "Most bytes that one stream may have waiting.", "Limits", ge=1024)
    idle: float = option(60.0, "Seconds without a message after which a stream is parked.", "Limits", gt=0)
    kept: float = option(600.0, "Seconds that a parked stream may be taken up again.", "Limits", gt=0)
    in_memory: int = option(256, "Most parked streams in memory; others lie on the disk.", "Limits", ge=0)
    on_disk: int = option(10_000, "Most parked streams on the disk.", "Limits", ge=0)
