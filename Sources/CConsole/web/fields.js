// What may be filtered by, and how it is called in the query.
import { reasons } from "./format.js";

const outcomes = ["done", "failed", "cancelled", "expired", "rejected", "dropped", "lost", "dead"];
const from = (seen, name) => () => [...(seen[name] ?? [])].sort();

export const liveFields = (seen) => [
  { name: "state", hint: "queued, started, streaming", values: () => ["queued", "claimed", "started", "streaming", "in_flight"] },
  { name: "pool", hint: "its queue", values: from(seen, "pool"), negates: true },
  { name: "model", hint: "the model asked for", values: from(seen, "model"), negates: true },
  { name: "tenant", hint: "whose", values: from(seen, "tenant"), negates: true },
  { name: "producer", hint: "who sent it over a list", values: from(seen, "producer"), negates: true },
  { name: "reason", hint: "why it waits", values: () => reasons, to: "waiting" },
  { name: "age", hint: "older than: age:>30s", kind: "span", over: "age_over_ms" },
];

export const executionFields = (seen) => [
  { name: "outcome", hint: "done, failed, …", values: () => outcomes, negates: true },
  { name: "pool", hint: "its queue", values: from(seen, "pool"), negates: true },
  { name: "model", hint: "the model asked for", values: from(seen, "model"), negates: true },
  { name: "tenant", hint: "whose", values: from(seen, "tenant"), negates: true },
  { name: "reason", hint: "how it ended, exactly", negates: true, values: () => ["ok", "backend", "deadline", "client_gone", "operator_request", "shed", "full", "attempts", "dispatcher_crash"] },
  { name: "error", hint: "the class of the last failure", to: "error_class", negates: true, values: () => ["rate_limited", "server_error", "timeout", "connection", "invalid_request", "authentication"] },
  { name: "backend", hint: "who answered", values: from(seen, "backend"), negates: true },
  { name: "producer", hint: "who sent it over a list", values: from(seen, "producer"), negates: true },
  { name: "gateway", hint: "where it came in", negates: true },
  { name: "dispatcher", hint: "who ran it", negates: true },
  { name: "trace", hint: "the trace's id", to: "trace_id" },
  { name: "latency", hint: "latency:>2s, latency:<100ms", kind: "span", over: "latency_over_ms", under: "latency_under_ms" },
  { name: "queue", hint: "waited longer than", kind: "span", over: "queue_over_ms" },
  { name: "tokens", hint: "more tokens than", kind: "number", over: "tokens_over" },
  { name: "attempts", hint: "more attempts than", kind: "number", over: "attempts_over" },
];

export const deadFields = (seen) => [
  { name: "outcome", hint: "dead, lost, failed", values: () => ["dead", "lost", "failed"] },
  { name: "pool", hint: "its queue", values: from(seen, "pool"), negates: true },
  { name: "model", hint: "the model asked for", values: from(seen, "model"), negates: true },
  { name: "tenant", hint: "whose", values: from(seen, "tenant"), negates: true },
];
