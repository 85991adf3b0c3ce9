"""An OpenTelemetry receiver for tests: takes OTLP over HTTP and decodes it with the official package."""

import base64
import gzip
import http.server
import json
import threading

from google.protobuf import json_format
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest, ExportMetricsServiceResponse)


class MetricReceiver:
    """`documents` are what came, decoded; `answers` are statuses to give first, then 200."""

    def __init__(self):
        self.documents, self.heads, self.faults, self.answers = [], [], [], []
        self.rejected = 0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.answers.pop(0) if receiver.answers else 200
                answer = receiver.take(self.path, dict(self.headers), body) if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Type", self.headers["Content-Type"])
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, head, body):
        head = {name.lower(): value for name, value in head.items()}
        self.heads.append({**head, ":path": path})
        try:
            if head.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            document = ExportMetricsServiceRequest()
            if head["content-type"] == "application/json":
                json_format.Parse(_base64_ids(body), document)
            else:
                document.ParseFromString(body)
            _check_known(document)
            self.documents.append(document)
        except Exception as error:
            self.faults.append(error)
        answer = ExportMetricsServiceResponse()
        answer.partial_success.rejected_data_points = self.rejected
        if head["content-type"] == "application/json":
            return json_format.MessageToJson(answer).encode()
        return answer.SerializeToString()

    def metrics(self, index=-1):
        """The metrics of one document by name."""
        resource = self.documents[index].resource_metrics[0]
        return {metric.name: metric for metric in resource.scope_metrics[0].metrics}

    def resource(self, index=-1):
        attributes = self.documents[index].resource_metrics[0].resource.attributes
        return {pair.key: pair.value.string_value for pair in attributes}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def _check_known(message):
    """No field that the package does not know, at any depth."""
    assert not len(UnknownFieldSet(message)), message
    for field, value in message.ListFields():
        if field.message_type:
            for one in value if hasattr(value, "__len__") else [value]:
                _check_known(one)


def _base64_ids(body):
    """OTLP's JSON has identifiers in hexadecimal; protobuf's own mapping, which the package reads, in base64."""
    def walk(value):
        if isinstance(value, list):
            return [walk(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {
            name: base64.b64encode(bytes.fromhex(one)).decode() if name in ("traceId", "spanId") else walk(one)
            for name, one in value.items()}

    return json.dumps(walk(json.loads(body)))
