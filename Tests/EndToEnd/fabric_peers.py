"""The other ends of the fabric, played by the tests: a backend that remembers, and a dispatcher that is not ours."""

import base64
import http.client
import http.server
import json
import random
import threading
import time
import urllib.parse

import redis

from fabric import ALIVE, REPLIES, REQUESTS


def completion(content="hello", finish="stop", **fields):
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{
        "index": 0, "message": {"role": "assistant", "content": content}, "logprobs": None, "finish_reason": finish,
    }], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}, **fields}


def page(number, size=300_000):
    """One page of a document as executors send it, of about so many bytes."""
    image = base64.b64encode(random.Random(number).randbytes(size * 3 // 4)).decode()
    return [
        {"role": "system", "content": "Du liest Formulare. \u2713 \U0001F600"},
        {"role": "user", "content": [
            {"type": "text", "text": f"page {number}\n\t\"quoted\" \\ / \u2028 é"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"},
             "min_pixels": 401408, "max_pixels": 2007040}]}]


class Seen:
    """One call as it arrived."""

    def __init__(self, path, headers, raw):
        self.path, self.headers, self.raw = path, {k.lower(): v for k, v in headers.items()}, raw
        self.body = json.loads(raw)


class Backend:
    """Keeps every call byte for byte. `answer(seen)` gives bytes or something to be written as JSON, perhaps with a
    status before and headers after it, and may take its time."""

    def __init__(self, answer=lambda seen: completion()):
        self.answer, self.seen, self.lock = answer, [], threading.Lock()
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                seen = Seen(self.path, self.headers, raw)
                with backend.lock:
                    backend.seen.append(seen)
                status, body, headers = 200, backend.answer(seen), {}
                if isinstance(body, tuple):
                    status, body, headers = (*body, {})[:3]
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                try:
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", **headers}.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *arguments):
                """Clients go away; that is their right."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def of(self, id):
        """The calls for one request."""
        with self.lock:
            return [seen for seen in self.seen if seen.headers.get("x-request-id") == id]

    def kill(self):
        self.server.shutdown()
        self.server.server_close()


class PlainDispatcher:
    """A dispatcher written from the contract alone: BLPOP, EXISTS, one call, EXISTS, RPUSH with EXPIRE. It knows nothing
    of Sluice, streams nothing, and names errors as OpenAI's library does."""

    NAMES = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
             422: "UnprocessableEntityError", 429: "RateLimitError"}
    FIELDS = {"request_id", "producer_id", "pool_id", "submitted_at", "call", "contract_version", "timeout_seconds",
              "traceparent", "tracestate", "metadata", "dispatch_profile_key", "estimated_cost_units"}
    CALL = {"model", "messages", "temperature", "top_p", "frequency_penalty", "presence_penalty", "stop", "max_tokens",
            "n", "response_format", "tools", "tool_choice", "stream", "stream_options", "extra_body",
            "extra_create_kwargs"}

    def __init__(self, port, backend, pool="default", workers=8):
        self.client = redis.Redis(port=port, socket_timeout=30)
        self.pool, self.backend, self.id = pool, urllib.parse.urlsplit(backend.url), f"{pool}:plain"
        self.taken, self.dropped, self.malformed, self.stopping = [], [], [], threading.Event()
        self.threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for thread in self.threads:
            thread.start()

    def _serve(self):
        while not self.stopping.is_set():
            popped = self.client.blpop(REQUESTS.format(self.pool), 1)
            if not popped:
                continue
            try:
                request = json.loads(popped[1])
                # The first dispatchers refuse what they do not know.
                assert request["contract_version"] == "v2" and set(request) <= self.FIELDS
                assert set(request["call"]) <= self.CALL
            except (ValueError, KeyError, AssertionError):
                self.malformed.append(popped[1])
                continue
            self.taken.append(request)
            self.handle(request)

    def handle(self, request):
        if not self.client.exists(ALIVE.format(request["producer_id"])):
            return self.dropped.append(request["request_id"])
        outcome = self.execute(request)
        if self.client.exists(ALIVE.format(request["producer_id"])):
            self.reply(request, **outcome)

    def execute(self, request):
        call = {name: value for name, value in request["call"].items() if value is not None}
        extra, overrides = call.pop("extra_body", {}), call.pop("extra_create_kwargs", {})
        body = {**call, **overrides, **extra}
        connection = http.client.HTTPConnection(self.backend.hostname, self.backend.port, timeout=request["timeout_seconds"])
        try:
            headers = {"Content-Type": "application/json", "Authorization": "Bearer EMPTY"}
            if request["traceparent"]:
                headers["traceparent"] = request["traceparent"]
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        except TimeoutError:
            return {"error": ("APITimeoutError", "Request timed out.")}
        except OSError:
            return {"error": ("APIConnectionError", "Connection error.")}
        finally:
            connection.close()
        if answer.status != 200:
            name = self.NAMES.get(answer.status, "InternalServerError")
            return {"error": (name, f"Error code: {answer.status} - {text.decode()}")}
        return {"completion": json.loads(text)}

    def reply(self, request, completion=None, error=None, **fields):
        envelope = {
            "request_id": request["request_id"], "producer_id": request["producer_id"], "pool_id": request["pool_id"],
            "status": "error" if error else "ok", "completed_at": time.time(), "contract_version": "v2",
            "completion": completion, "error_type": error and error[0], "error_message": error and error[1],
            "error_source": "llm_dispatcher" if error else None, "dispatcher_id": self.id,
            "execution_backend_address": f"{self.backend.geturl()}/v1", **fields}
        self.push(request["producer_id"], json.dumps(envelope, sort_keys=True, separators=(",", ":")))

    def push(self, producer, *elements):
        key = REPLIES.format(producer)
        with self.client.pipeline(transaction=False) as pipeline:
            pipeline.rpush(key, *elements).expire(key, 300).execute()

    def kill(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(5)
