"""A receiver of OTLP over HTTP that decodes with OpenTelemetry's own package."""

import gzip
import http.server
import json
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service

KINDS = ("string_value", "int_value", "double_value", "bool_value")


class Receiver:
    """`spans` holds what came, newest last, as dictionaries."""

    def __init__(self, port=0):
        self.spans, self.requests, self.answers = [], [], []
        self.lock = threading.Lock()
        self.port = port
        self.server = None
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        outer = self

        class Door(http.server.BaseHTTPRequestHandler):
            # A connection for each request: none outlives a stop.
            protocol_version = "HTTP/1.0"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, headers = outer.take(self.path, self.headers, body)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", self.port), Door)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def take(self, path, headers, body):
        if path != "/v1/traces":
            return 200, {}  # metrics, which others look at
        with self.lock:
            if self.answers:
                return self.answers.pop(0)
            self.requests.append((path, dict(headers)))
            if headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if headers["Content-Type"] == "application/json":
                message = self._from_json(body)
            else:
                message = service.ExportTraceServiceRequest.FromString(body)
            for resource_spans in message.resource_spans:
                resource = attributes(resource_spans.resource.attributes)
                for scope_spans in resource_spans.scope_spans:
                    for span in scope_spans.spans:
                        self.spans.append(described(span, resource, scope_spans.scope.name))
            return 200, {"Content-Type": headers["Content-Type"]}

    @staticmethod
    def _from_json(body):
        """OTLP writes ids in hexadecimal, where protobuf's JSON has base 64."""
        import base64

        document = json.loads(body)
        for resource_spans in document["resourceSpans"]:
            for scope_spans in resource_spans["scopeSpans"]:
                for span in scope_spans["spans"]:
                    for name in ("traceId", "spanId", "parentSpanId"):
                        if name in span:
                            span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        return json_format.ParseDict(document, service.ExportTraceServiceRequest())


def attributes(pairs):
    found = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        assert kind in KINDS, kind
        assert pair.key not in found, f"{pair.key} twice"
        found[pair.key] = getattr(pair.value, kind)
    return found


def described(span, resource, scope):
    return {
        "name": span.name, "kind": span.kind, "trace": span.trace_id.hex(), "span": span.span_id.hex(),
        "parent": span.parent_span_id.hex(), "state": span.trace_state, "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano, "status": span.status.code, "message": span.status.message,
        "attributes": attributes(span.attributes), "resource": resource, "scope": scope,
        "events": [(event.name, attributes(event.attributes)) for event in span.events],
    }
