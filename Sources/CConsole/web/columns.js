// Columns of requests: those that live, and those that have ended.
import { age, copy, draw, make, mark, set, setTag, tag } from "./dom.js";
import { clock, dash, due, fault, kindOf, money, plain, reasons, short, span, stamp, stateWord, whole, why, whyBriefly } from "./format.js";

const link = (cell) => {
  cell.link = make("a", { class: "mono id", tabindex: "-1" });
  cell.append(cell.link);
};
export const fillLink = (cell, id) => {
  set(cell.link, id.length > 14 ? `…${id.slice(-9)}` : id);
  mark(cell.link, "href", `#/requests/${encodeURIComponent(id)}`);
  mark(cell.link, "title", id);
  mark(cell.link, "aria-label", `Request ${id}`);
};
const absent = (value) => value === null || value === undefined;
const text = (read) => (cell, row) => { const value = read(row) ?? dash; set(cell, value); mark(cell, "title", value); };
const tagged = (cell) => { cell.append(tag("queued")); };

const waits = (row, name = why) => {
  if (row.message && row.state === "ended") return row.message;
  if (!row.waiting) return row.place ? [row.place.stage, row.place.process].filter(Boolean).map(plain).join(" at ") : row.dispatcher ? `at ${row.dispatcher}` : "";
  const { reason, position, estimated_start_ms: start } = row.waiting;
  return [name(reason), position ? `no. ${whole(position)}` : "", start === null || start === undefined ? "" : due(start)].filter(Boolean).join(" · ");
};

// How long it has waited: the first time until it was taken; after a failed attempt since that ended.
const waited = (cell, row) => {
  const last = Array.isArray(row.attempts) ? row.attempts.at(-1) : null;
  if (absent(row.age_ms)) return age(cell, row.timings_ms?.claimed ?? null, false);
  const claimed = row.timings_ms?.claimed ?? null;
  const now = row.age_ms + performance.now() - row.heard;
  if (row.state === "queued") age(cell, last ? (last.ended_ms === null || last.ended_ms === undefined ? null : now - last.ended_ms) : now);
  else age(cell, claimed, false);
};

export const liveColumns = () => [
  { name: "id", label: "Request", width: "minmax(6.5rem, 7rem)", narrow: "a", build: link, fill: (cell, row) => fillLink(cell, row.id) },
  { name: "state", label: "Stage", width: "6.6rem", narrow: "b", build: tagged, fill: (cell, row) => setTag(cell.firstChild, kindOf(row), stateWord(kindOf(row))) },
  { name: "age", label: "Age", width: "4.9rem", number: true, narrow: "d", sort: "age", fill: (cell, row) => age(cell, absent(row.age_ms) ? null : row.age_ms + performance.now() - row.heard, row.state !== "ended") },
  { name: "wait", label: "Waited", width: "4.9rem", number: true, sort: "wait", fill: waited },
  { name: "why", label: "Why it waits, where it is", width: "minmax(8rem, 2.6fr)", narrow: "c", by: (row) => ["reason", reasons.includes(row.waiting?.reason) ? row.waiting.reason : null], fill: (cell, row) => { set(cell, waits(row, whyBriefly)); mark(cell, "title", waits(row)); } },
  { name: "pool", label: "Pool", width: "minmax(4rem, .8fr)", by: (row) => ["pool", row.pool], fill: text((row) => row.pool) },
  { name: "model", label: "Model", width: "minmax(4rem, 1.1fr)", narrow: "e", by: (row) => ["model", row.model], fill: text((row) => row.model) },
  { name: "tenant", label: "Tenant", width: "minmax(4rem, .9fr)", by: (row) => ["tenant", row.tenant], fill: text((row) => row.tenant) },
  { name: "producer", label: "Producer", width: "minmax(4rem, .8fr)", roomy: true, by: (row) => ["producer", row.producer], fill: text((row) => row.producer) },
  { name: "tokens", label: "Tokens", width: "4.6rem", number: true, sort: "tokens", fill: text((row) => (absent(row.token_estimate) ? null : `~${short(row.token_estimate)}`)) },
  { name: "attempt", label: "Att.", width: "2.8rem", number: true, fill: text((row) => whole(row.attempt ?? row.attempts?.length)) },
];

const parts = (row) => ({ queue: row.queue_ms ?? 0, first: row.first_token_ms === null || row.first_token_ms === undefined ? null
  : Math.max(0, row.first_token_ms - (row.queue_ms ?? 0)), total: row.total_ms });

// Queue, first token and the rest, to the scale of the row itself.
const split = (cell) => {
  cell.picture = draw("svg", { class: "split", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    ...["q", "f", "x"].map((name) => draw("rect", { class: name, y: 0, height: 10, x: 0, width: 0 })));
  cell.words = make("span", {});
  cell.append(make("div", { class: "beside" }, cell.picture, cell.words));
};
const fillSplit = (cell, row) => {
  const { queue, first, total } = parts(row);
  const scale = total > 0 ? 100 / total : 0;
  const edges = [0, queue * scale, (queue + (first ?? 0)) * scale, 100];
  [...cell.picture.children].forEach((rect, i) => { mark(rect, "x", edges[i].toFixed(2)); mark(rect, "width", Math.max(0, edges[i + 1] - edges[i]).toFixed(2)); });
  mark(cell.picture, "data-kind", row.outcome);
  set(cell.words, `${span(row.queue_ms)} + ${span(row.execution_ms)}`);
  mark(cell, "title", `queue ${span(row.queue_ms)}, first token ${span(row.first_token_ms)}, execution ${span(row.execution_ms)}, in all ${span(row.total_ms)}`);
};

const ending = (row) => {
  const reason = ["ok", row.outcome].includes(row.reason) ? "" : plain(row.reason);
  const who = row.outcome === "done" ? "" : fault(row);
  return [reason, row.error_class ? plain(row.error_class) : "", who && who !== reason ? `fault: ${who}` : "", row.message].filter(Boolean).join(" · ");
};

export const traceLink = (context, id) => {
  const template = context.me?.trace_url;
  if (!template || !id || !/^https?:\/\//.test(template)) return null;
  return template.replace("{trace_id}", encodeURIComponent(id));
};

export const endedColumns = (context) => [
  { name: "id", label: "Request", width: "minmax(6.5rem, 7rem)", narrow: "a", build: link, fill: (cell, row) => fillLink(cell, row.id) },
  { name: "outcome", label: "Outcome", width: "6.5rem", narrow: "b", build: tagged, fill: (cell, row) => setTag(cell.firstChild, row.outcome) },
  { name: "why", label: "Reason and fault", width: "minmax(7rem, 1.8fr)", narrow: "c", by: (row) => ["reason", row.reason], fill: (cell, row) => { const words = ending(row); set(cell, words); mark(cell, "title", words); } },
  { name: "ended", label: "Ended", width: "8rem", number: true, sort: "ended", fill: (cell, row) => { set(cell, stamp(row.ended_at)); mark(cell, "title", clock(row.ended_at, true)); } },
  { name: "split", label: "Queue + execution", width: "12rem", sort: "latency", large: true, build: split, fill: fillSplit },
  { name: "first", label: "First token", width: "5.6rem", number: true, roomy: true, fill: text((row) => span(row.first_token_ms)) },
  { name: "total", label: "Total", width: "4.8rem", number: true, narrow: "d", build: (cell) => { cell.at = make("span", { class: "in-card" }); cell.span = make("span", {}); cell.append(cell.at, cell.span); },
    fill: (cell, row) => { set(cell.at, `${stamp(row.ended_at)} · `); set(cell.span, span(row.total_ms)); mark(cell, "title", span(row.total_ms)); } },
  { name: "tokens", label: "Tokens", width: "5.6rem", number: true, sort: "tokens", fill: text((row) => (absent(row.prompt_tokens) ? dash
    : `${short(row.prompt_tokens)} / ${short(row.completion_tokens)}`)) },
  { name: "cost", label: "Cost", width: "4.4rem", number: true, sort: "cost", fill: text((row) => money(row.cost_dollars)) },
  { name: "attempts", label: "Att.", width: "2.8rem", number: true, fill: text((row) => whole(row.attempts)) },
  { name: "pool", label: "Pool", width: "minmax(3.6rem, .7fr)", roomy: true, by: (row) => ["pool", row.pool], fill: text((row) => row.pool) },
  { name: "model", label: "Model", width: "minmax(3.6rem, .8fr)", narrow: "e", by: (row) => ["model", row.model], fill: text((row) => row.model) },
  { name: "trace", label: "Trace", width: "2.9rem", build: (cell) => {
    cell.link = make("a", { tabindex: "-1", target: "_blank", rel: "noopener noreferrer" }, "open");
    cell.copy = make("span", {});
    cell.append(cell.link, cell.copy);
  }, fill: (cell, row) => {
    const href = traceLink(context, row.trace_id);
    mark(cell.link, "href", href);
    cell.link.hidden = !href;
    mark(cell.link, "aria-label", `Trace of ${row.id}`);
    if (!href && row.trace_id) { const button = copy(row.trace_id, "Copy the trace’s id"); button.tabIndex = -1; cell.copy.replaceChildren(button); } else cell.copy.replaceChildren();
  } },
];
