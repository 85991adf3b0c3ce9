// A request's life to scale: a line for the wait, one for each attempt, the pauses between them, and its end.
import { make } from "./dom.js";
import { plain, span } from "./format.js";

const bar = (kind, from, until, total, label) => {
  const node = make("i", { "data-kind": kind, class: "bar-of", title: label });
  node.style.left = `${Math.min(100, (from / total) * 100)}%`;
  node.style.width = `max(3px, ${Math.max(0, Math.min(100, ((until - from) / total) * 100))}%)`;
  return node;
};

const dot = (kind, at, total, label) => {
  const node = make("i", { "data-kind": kind, class: "dot-of", title: label });
  node.style.left = `${Math.min(100, (at / total) * 100)}%`;
  return node;
};

const line = (name, words, ...marks) => make("li", { class: "life-line" }, make("span", { class: "name" }, name),
  make("span", { class: "track", "aria-hidden": "true" }, ...marks.filter(Boolean)), make("span", { class: "words" }, words));

export const timeline = (request) => {
  const times = request.timings_ms ?? {};
  const total = Math.max(times.ended ?? request.age_ms ?? 0, 0.001);
  const attempts = Array.isArray(request.attempts) ? request.attempts : [];
  const first = attempts[0]?.started_ms ?? times.claimed ?? total;
  const lines = [line("queued", attempts.length === 0 && request.state === "queued" ? `${span(total)} so far` : span(first), bar("queued", 0, Math.min(first, total), total, `queued ${span(first)}`))];
  attempts.forEach((attempt, i) => {
    const end = attempt.ended_ms ?? null;
    const until = end ?? total;
    const kind = attempt.class ? "failed" : end === null ? "started" : "done";
    const byte = attempt.first_byte_ms ?? null;
    const words = [end === null ? `${span(until - attempt.started_ms)} so far` : span(end - attempt.started_ms),
      byte === null ? "" : `first byte after ${span(byte - attempt.started_ms)}`, attempt.class ? plain(attempt.class) : ""].filter(Boolean).join(" · ");
    lines.push(line(`${attempt.hedge ? "hedge" : "attempt"} ${attempt.number ?? i + 1}`, words, bar(kind, attempt.started_ms, until, total, words),
      byte === null ? null : dot("streaming", byte, total, "first byte")));
    const next = attempts[i + 1];
    if (attempt.retry_delay_ms !== null && attempt.retry_delay_ms !== undefined && end !== null) {
      const again = next?.started_ms ?? total;
      lines.push(line("pause", next ? `${span(again - end)} before the next attempt` : `${span(again - end)} so far`, bar("backoff", end, again, total, "pause")));
    }
  });
  if (request.outcome) lines.push(line("end", `${request.outcome} after ${span(total)}`, dot(request.outcome, total, total, request.outcome)));
  return make("div", {}, make("ol", { class: "life", "aria-label": "Timeline" }, ...lines),
    make("div", { class: "life-axis", "aria-hidden": "true" }, make("span", {}, "0"), make("span", {}, span(total / 2)), make("span", {}, span(total))));
};
