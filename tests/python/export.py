"""Exports one trace by OTLP/gRPC and one by OTLP/HTTP with the OpenTelemetry SDK, and prints their ids.

usage: export.py GRPC_ADDRESS HTTP_ADDRESS     (host:port each)
"""

import sys

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import Compression, OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode


def export(name, exporter):
    provider = TracerProvider(resource=Resource.create({"service.name": f"python-{name}", "service.instance.id": f"python-{name}/1"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("export.py")
    with tracer.start_as_current_span("GET /cart", kind=SpanKind.SERVER, attributes={"http.request.method": "GET", "cart.items": 3}) as root:
        with tracer.start_as_current_span("SELECT carts", kind=SpanKind.CLIENT, attributes={"db.system.name": "sqlite"}) as query:
            query.add_event("row", {"index": 0, "tags": ["a", "b"]})
            query.set_status(Status(StatusCode.ERROR, "no such table"))
    provider.shutdown()
    print(name, f"{root.get_span_context().trace_id:032x}")


grpc_address, http_address = sys.argv[1:3]
export("grpc", GrpcExporter(endpoint=f"http://{grpc_address}", insecure=True))
export("http", HttpExporter(endpoint=f"http://{http_address}/v1/traces", compression=Compression.Gzip))
