// Words and figures.

export const span = (ms) => {
  if (ms === null || ms === undefined) return "–";
  if (ms < 0) return "0 ms";
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, "0")} m`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor(seconds / 3600) % 24} h`;
};

export const whole = (number) => (number ?? 0).toLocaleString("en-US");

export const bytes = (count) => {
  if (count < 1024) return `${count} B`;
  if (count < 1024 * 1024) return `${(count / 1024).toFixed(1)} KB`;
  return `${(count / 1024 / 1024).toFixed(1)} MB`;
};

export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const waiting = {
  slots_full: "All slots are taken",
  circuit_open: "The backend’s circuit is open",
  pool_paused: "The pool is paused",
  rate_limited: "The backend asked to wait",
  backoff: "Waiting before the next attempt",
  ahead_in_queue: "Others are ahead",
};

export const why = (reason) => waiting[reason] ?? plain(reason);

export const plain = (word) => (word ?? "").replaceAll("_", " ");

const faults = {
  backend: "backend", malformed_response: "backend", result_too_large: "backend", outcome_unknown: "backend",
  attempts: "backend", client_gone: "client left", operator_request: "operator", shutdown: "shutdown",
  offline_producer_before_dispatch: "client left", offline_producer_before_reply: "client left",
  dispatcher_crash: "dispatcher", poison: "request", shed: "overload",
};

// Who has to act, as far as the record says.
export const fault = (request) => {
  const last = request.attempts.at(-1);
  switch (last?.class) {
    case "invalid_request": case "route_or_model": case "provider_rejected":
      if (request.outcome === "failed") return "request";
      break;
    case "authentication":
      if (request.outcome === "failed") return "backend key";
      break;
  }
  if (request.reason === "deadline") return request.attempts.length > 0 ? "backend too slow" : "queue too long";
  return faults[request.reason] ?? "";
};
