"""LiteLLM's proxy as a backend: whatever it or its providers say arrives, in its class, over HTTP and over the fabric."""

import json
import time

import pytest

from fabric_peers import Backend, completion
from litellm_proxy import LiteLLM
from runtime import until

pytestmark = pytest.mark.timeout(600)

# What a provider answers → what a client gets, and what is booked about the attempt: its status and its class.
PROVIDER = {
    400: (400, 400, "invalid_request"),
    401: (502, 401, "authentication"),
    403: (403, 403, "authentication"),
    404: (404, 404, "route_or_model"),
    422: (422, 422, "invalid_request"),
    429: (429, 429, "rate_limited"),
    500: (502, 500, "server_error"),
    503: (503, 503, "server_error"),
}
# The same of what LiteLLM says by itself.
OWN = {
    "ratelimited": (429, 429, "rate_limited"),
    "context": (400, 400, "invalid_request"),
    "internal": (502, 500, "server_error"),
    "unknown": (400, 400, "invalid_request"),
}
NAMES = {400: "BadRequestError", 401: "AuthenticationError", 403: "PermissionDeniedError", 404: "NotFoundError",
         422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError", 503: "InternalServerError"}
WAYS = ["serve", "stream", "gateway", "gateway-stream", "executor"]
# One answer for each request: this is about what passes through.
ONCE = ("pools.default.retry.attempts=1", "pools.default.retry.max_throttles=0",
        "backends.default.breaker.consecutive_failures=1000", "backends.default.breaker.min_calls=1000000")


class Provider(Backend):
    """Answers with the status that the model's name ends in; of the model `busy-…` only the first call is refused."""

    def __init__(self):
        super().__init__(self.decide)

    def decide(self, seen):
        name, _, status = seen.body["model"].rpartition("-")
        if name.startswith("busy") and sum(s.body["model"] == seen.body["model"] for s in self.seen) > 1:
            return self.stream("not busy any more") if seen.body.get("stream") else completion("not busy any more")
        return int(status), {"error": {"message": f"the provider says {status}", "type": "t", "code": None}}, {
            "Retry-After": "50" if name.startswith("resting") else "2"}

    def stream(self, content):
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        events = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in (
            ({"role": "assistant", "content": content}, None), ({}, "stop"))]
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        return 200, body.encode(), {"Content-Type": "text/event-stream"}


@pytest.fixture(scope="module")
def litellm():
    provider = Provider()
    own = {"good": "all is well", "ratelimited": "litellm.RateLimitError", "shaky": "litellm.InternalServerError",
           "context": "litellm.ContextWindowExceededError", "internal": "litellm.InternalServerError"}
    # LiteLLM lets a model rest that has failed: each way has models of its own.
    models = [(f"{name}.{way}", {"model": f"openai/{name}", "mock_response": mock})
              for way in WAYS for name, mock in own.items()]
    models += [(f"provider-{status}.{way}", {"model": f"openai/{way}-{status}", "api_base": f"{provider.url}/v1"})
               for way in WAYS for status in PROVIDER]
    models += [(f"{name}.{way}", {"model": f"openai/{name}-{way}-429", "api_base": f"{provider.url}/v1"})
               for way in WAYS for name in ("busy", "resting")]
    proxy = LiteLLM(models, fallbacks=[{f"shaky.{way}": [f"good.{way}"]} for way in WAYS], allowed_fails=0, cooldown_time=60)
    proxy.provider = provider
    yield proxy
    proxy.kill()
    provider.kill()


class Way:
    """One way to LiteLLM, and what it says about an attempt."""

    def __init__(self, name, start, fabric, valkey, litellm, *settings):
        self.name, self.provider, self.known = name, litellm.provider, set()
        url = f"{litellm.url}/v1"
        if name in ("serve", "stream"):
            self.worker = self.front = start(url, *settings)
        else:
            self.worker = fabric.dispatcher(valkey, url, *settings)
            self.front = fabric.gateway(valkey) if name != "executor" else None
            self.producer = fabric.producer(valkey) if name == "executor" else None

    def ask(self, model, timeout=60):
        """Status, headers, text of the answer or of the error; for an executor the reply in their place."""
        if self.front is None:
            reply = self.producer.run("hello", call={"model": f"{model}.{self.name}"}, seconds=timeout)
            if reply["status"] == "ok":
                return reply, {}, reply["completion"]["choices"][0]["message"]["content"]
            return reply, {}, reply["error_message"]
        status, headers, body = self.front.chat(
            model=f"{model}.{self.name}", stream=self.name.endswith("stream"), timeout=timeout)
        headers = {name.lower(): value for name, value in headers.items()}
        if status != 200:
            return status, headers, body["error"]["message"]
        if isinstance(body, dict):
            return status, headers, body["choices"][0]["message"]["content"]
        events = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
        assert body.endswith(b"data: [DONE]\n\n")
        return status, headers, "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])

    def record(self):
        """The request just made, in the books of whoever called LiteLLM; a dispatcher ends it after its reply."""
        def newest():
            rows = self.worker.call("GET", "/api/requests?limit=1")[2]["requests"]
            return rows and rows[0]["state"] == "ended" and rows[0]["id"] not in self.known and rows[0]["id"]

        id = until(newest, 10, "the request in the books")
        self.known.add(id)
        return self.worker.call("GET", f"/api/requests/{id}")[2]

    def settle(self):
        self.worker.settle()
        if self.front:
            self.front.settle()


@pytest.fixture
def way(request, start, fabric, valkey, litellm):
    name, *settings = request.param
    return Way(name, start, fabric, valkey, litellm, *settings)


# The next two come first: LiteLLM forgets that a model rests when it has seen many others fail.

@pytest.mark.parametrize("way", [(name, *ONCE) for name in WAYS], ids=WAYS, indirect=True)
def test_it_says_how_long_a_model_rests(way):
    answer, headers, text = way.ask("resting")
    assert "the provider says 429" in text and way.record()["attempts"][0]["class"] == "rate_limited"
    while "Try again in" not in text:  # it rests soon after that answer
        answer, headers, text = way.ask("resting")
        assert way.record()["attempts"][0]["class"] == "rate_limited"
    if way.front:
        assert answer == 429 and 1 <= int(headers["retry-after"]) <= 50, headers
    else:
        assert answer["error_type"] == "RateLimitError"
    way.settle()


@pytest.mark.parametrize("way", [(name, "pools.default.retry.base_delay=1s") for name in WAYS], ids=WAYS, indirect=True)
def test_a_limit_is_waited_out_and_costs_no_attempt(way):
    began = time.monotonic()  # the first pause is half a second at least: LiteLLM lets a model rest after it has answered
    _, _, text = way.ask("busy")
    assert text == "not busy any more" and time.monotonic() - began > 1
    classes = [attempt["class"] for attempt in way.record()["attempts"]]
    assert classes[-1] is None and set(classes[:-1]) == {"rate_limited"} and len(classes) >= 2
    calls = [s for s in way.provider.seen if s.body["model"] == f"busy-{way.name}-429"]
    assert len(calls) == 2, "while LiteLLM lets the model rest, nothing reaches the provider"
    way.settle()


@pytest.mark.parametrize("way", [(name, *ONCE) for name in WAYS], ids=WAYS, indirect=True)
def test_what_it_says_arrives_in_its_class(way):
    status, _, text = way.ask("good")
    assert text == "all is well" and (status == 200 or status["status"] == "ok") and way.record()["outcome"] == "done"
    status, _, text = way.ask("shaky")
    assert text == "all is well", "LiteLLM's own fallback answered"
    assert [a["class"] for a in way.record()["attempts"]] == [None], "and for us it was one good call"
    cases = {f"provider-{status}": (told, f"the provider says {status}") for status, told in PROVIDER.items()}
    cases |= {name: (told, None) for name, told in OWN.items()}
    for model, ((told, status, failure), words) in cases.items():
        answer, headers, text = way.ask(model)
        record = way.record()
        attempt, = record["attempts"]
        assert (attempt["status"], attempt["class"]) == (status, failure), (model, record)
        assert f"{record['outcome']}/{record['reason']}" == "failed/backend", (model, record)
        if way.front is None:
            assert (answer["error_type"], answer["completion"]) == (NAMES[status], None), (model, answer)
        else:
            assert answer == told, (model, answer, text)
        # What the client can act upon it reads in the provider's words; our key's refusal is not its business.
        if words and 400 <= told < 500:
            assert words in text, (model, text)
        assert "sk-provider" not in text
    way.settle()
    assert len([s for s in way.provider.seen if s.body["model"].startswith(f"{way.name}-")]) == len(PROVIDER)
