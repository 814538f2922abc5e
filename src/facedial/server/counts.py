"""Prometheus' numbers: how many requests, how long, how much is open; nothing about anybody's photo."""

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Counts:
    """The numbers of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route"]
        self.requests = Counter(
            "facedial_requests", "Requests answered.", [*labels, "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "facedial_request_seconds",
            "Seconds from the first byte asked to the last byte answered.",
            labels,
            buckets=SECONDS,
            registry=self.registry,
        )
        self.open = Gauge("facedial_open_photos", "Photos open now.", registry=self.registry)
        self.waiting = Gauge(
            "facedial_work_given", "Work running or waiting now.", registry=self.registry
        )

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry)


class Counted:
    """ASGI middleware that counts what passes through."""

    def __init__(self, app: ASGIApp, *, counts: Counts) -> None:
        self.app = app
        self.counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and count the answer when it ends."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = perf_counter(), 500

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, seen)
        finally:
            # The route's pattern: an id in a path would make a number of its own for each.
            route = scope.get("route")
            path = route.path if isinstance(route, Route) else "other"
            labels = (scope["method"], path)
            self.counts.requests.labels(*labels, str(status)).inc()
            self.counts.seconds.labels(*labels).observe(perf_counter() - start)
