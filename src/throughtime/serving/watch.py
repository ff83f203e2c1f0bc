"""What the server does, counted for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

TIMES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30)


class Watch:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "throughtime_requests", "Requests by route and status.", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "throughtime_request_seconds", "What they took.", ["route"], buckets=TIMES, registry=registry
        )
        self.waiting = Gauge("throughtime_work_waiting", "Requests that wait or run.", registry=registry)
        self.sessions = Gauge("throughtime_sessions", "Streams that are open.", registry=registry)
        self.parked = Gauge("throughtime_parked", "Streams that are parked.", ["where"], registry=registry)
        self.steps = Counter("throughtime_steps", "Steps of models, a row each.", ["model"], registry=registry)
        self.ticks = Histogram(
            "throughtime_tick_seconds", "What a round of all streams took.", buckets=TIMES, registry=registry
        )
        self.refused = Counter(
            "throughtime_refused", "Streams that were refused, by status.", ["code"], registry=registry
        )

    def asked(self, scope: Scope, status: int, seconds: float) -> None:
        """Counts a request under its route, so that no path of a client's makes a row of its own."""
        route = getattr(scope.get("route"), "path", "") or "none"
        self.requests.labels(route, str(status)).inc()
        if scope["type"] == "http":
            self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """In Prometheus's format."""
        return generate_latest(self.registry)
