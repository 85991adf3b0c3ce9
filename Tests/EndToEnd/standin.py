"""A gateway that only has an operator's API, says what it is told to, and counts who asks."""

import collections
import http.server
import json
import threading


class StandIn:
    def __init__(self):
        self.pools = []
        self.runtime = {"runtime_summary": {}, "pool_config": [], "live_requests": [], "dispatchers": []}
        self.health = (200, {"status": "ok", "uptime_seconds": 100})
        self.ready = (200, {"status": "ready"})
        self.metrics = ""
        self.requests = []
        self.date = None
        self.refusal = None
        self.counts = collections.Counter()
        standin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                standin.counts[path] += 1
                status, body = standin.answer(path)
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def date_time_string(self, timestamp=None):
                return standin.date or super().date_time_string(timestamp)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def answer(self, path):
        if self.refusal and path.startswith(("/api", "/metrics")):
            return self.refusal
        return {
            "/api/pools": (200, {"pools": self.pools}),
            "/api/llm-dispatch/runtime": (200, {"status": "OK", "result": self.runtime}),
            "/api/requests": (200, {"requests": self.requests, "next_cursor": None}),
            "/api/version": (200, {"version": "9.9.9"}),
            "/healthz": self.health,
            "/readyz": self.ready,
            "/metrics": (200, self.metrics),
        }.get(path, (404, {"error": {"message": "There is nothing here."}}))

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(5)
