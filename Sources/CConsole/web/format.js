// Words and figures. What is not known is a dash, never a nought.

export const dash = "–";
const absent = (value) => value === null || value === undefined || Number.isNaN(value);

export const span = (ms) => {
  if (absent(ms)) return dash;
  if (ms <= 0) return "0 ms";
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${String(Math.floor(seconds / 60) % 60).padStart(2, "0")} m`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor(seconds / 3600) % 24} h`;
};

// A span in its largest unit, for where there is little room and it changes all the time.
export const roughly = (ms) => (absent(ms) ? dash : ms < 59_500 ? `${Math.round(ms / 1000)} s` : ms < 3_570_000 ? `${Math.round(ms / 60_000)} m`
  : ms < 86_400_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`);

export const whole = (number) => (absent(number) ? dash : Math.round(number).toLocaleString("en-US"));

export const short = (number) => {
  if (absent(number)) return dash;
  const size = Math.abs(number);
  if (size >= 1e9) return `${(number / 1e9).toFixed(1)} G`;
  if (size >= 1e6) return `${(number / 1e6).toFixed(1)} M`;
  if (size >= 1e4) return `${(number / 1e3).toFixed(1)} k`;
  if (size >= 100 || Number.isInteger(number)) return Math.round(number).toLocaleString("en-US");
  return size >= 10 ? number.toFixed(1) : number.toFixed(2).replace(/\.?0+$/, "") || "0";
};

export const rate = (number) => (absent(number) ? dash : number === 0 ? "0" : number < 0.01 ? "<0.01" : short(number));

export const percent = (share, digits = 0) => (absent(share) ? dash : `${(share * 100).toFixed(digits)} %`);

export const money = (dollars) => (absent(dollars) ? dash
  : dollars === 0 ? "$0" : dollars < 0.0001 ? "<$0.0001" : dollars < 1 ? `$${dollars.toFixed(4)}` : `$${dollars.toFixed(2)}`);

export const bytes = (count) => {
  if (absent(count)) return dash;
  if (count < 1024) return `${count} B`;
  if (count < 1024 ** 2) return `${(count / 1024).toFixed(1)} KB`;
  return count < 1024 ** 3 ? `${(count / 1024 ** 2).toFixed(1)} MB` : `${(count / 1024 ** 3).toFixed(1)} GB`;
};

const two = (number) => String(number).padStart(2, "0");

// Local time of day; with the date when it is not today's.
export const clock = (seconds, withDate = false) => {
  if (absent(seconds)) return dash;
  const date = new Date(seconds * 1000);
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const isToday = new Date().toDateString() === date.toDateString();
  return isToday && !withDate ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
};

// As short as it stays plain which day that was: 03:04:05, 11-22 03:04:05, 2025-11-22 03:04.
export const stamp = (seconds) => {
  const [text, whole_] = [clock(seconds), clock(seconds, true)];
  if (text !== whole_ || text === dash) return text;
  return text.startsWith(`${new Date().getFullYear()}-`) ? text.slice(5) : text.slice(0, -3);
};

// When something is to be, or should have been.
export const due = (ms) => (absent(ms) ? dash : ms < 0 ? `overdue by ${span(-ms)}` : `in ${span(ms)}`);

export const ago = (seconds) => (absent(seconds) ? dash : `${span(Math.max(0, Date.now() - seconds * 1000))} ago`);

export const plain = (word) => String(word ?? "").replaceAll("_", " ");

export const plural = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

const waiting = {
  slots_full: "all slots are taken", circuit_open: "the backend’s circuit is open", pool_paused: "the pool is paused",
  rate_limited: "a rate limit has to refill", backoff: "waiting before the next attempt",
  tenant_slots_full: "its tenant’s share is in use", ahead_in_queue: "others are ahead", no_dispatcher: "no dispatcher serves the pool",
};

const brief = {
  slots_full: "slots taken", circuit_open: "circuit open", pool_paused: "pool paused", rate_limited: "rate limit", backoff: "pause before retry",
  tenant_slots_full: "tenant’s share used", ahead_in_queue: "others ahead", no_dispatcher: "no dispatcher",
};

export const whyBriefly = (reason) => brief[reason] ?? plain(reason);

export const why = (reason) => waiting[reason] ?? plain(reason);

// What can be asked for: that there is no dispatcher is said of a pool, and no filter knows it.
export const reasons = Object.keys(waiting).filter((reason) => reason !== "no_dispatcher");

export const stateWord = (state) => (state === "started" ? "executing" : plain(state));

// Seen as one: what a request is now, or how it ended.
export const kindOf = (row) => row.outcome ?? (row.waiting?.reason === "backoff" ? "backoff" : row.state);

const faults = {
  backend: "backend", malformed_response: "backend", result_too_large: "backend", outcome_unknown: "backend",
  attempts: "backend", client_gone: "client left", operator_request: "operator", shutdown: "shutdown",
  offline_producer_before_dispatch: "client left", offline_producer_before_reply: "client left",
  dispatcher_crash: "dispatcher", poison: "request", shed: "overload", full: "overload", overloaded: "overload",
  tenant_full: "tenant’s share", would_miss_deadline: "overload", budget: "budget", oversize: "request", malformed: "request",
};

// Who has to act, as far as the record says.
export const fault = (row) => {
  const failure = row.error_class ?? row.attempts?.at?.(-1)?.class;
  if (row.outcome === "failed") {
    if (["invalid_request", "route_or_model", "provider_rejected"].includes(failure)) return "request";
    if (failure === "authentication") return "backend key";
  }
  const attempts = Array.isArray(row.attempts) ? row.attempts.length : row.attempts;
  if (row.reason === "deadline") return attempts > 0 ? "backend too slow" : "queue too long";
  return faults[row.reason] ?? "";
};
