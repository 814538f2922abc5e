"""Prometheus metrics: requests, durations, open photos; nothing about the content of a request."""

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ["method", "route"]
        self.requests = Counter(
            "facedial_requests", "Requests answered.", [*labels, "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "facedial_request_seconds",
            "Seconds from the request's headers to the end of the response.",
            labels,
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self.open_photos = Gauge("facedial_open_photos", "Photos open now.", registry=self.registry)
        self.pending_jobs = Gauge(
            "facedial_pending_jobs", "Jobs running or queued now.", registry=self.registry
        )

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """ASGI middleware that counts and times every request."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; record it when the response ends."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = perf_counter(), 500

        async def send_recorded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_recorded)
        finally:
            # The route's pattern, not the path: an id in a label would make a time series of its own.
            route = scope.get("route")
            path = route.path if isinstance(route, Route) else "other"
            labels = (scope["method"], path)
            self.metrics.requests.labels(*labels, str(status)).inc()
            self.metrics.seconds.labels(*labels).observe(perf_counter() - start)
