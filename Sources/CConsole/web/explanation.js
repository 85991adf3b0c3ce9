// Why a request does not run yet, or what it waited for: gates with what was measured, and its score beside the next one's.
import { make, tag } from "./dom.js";
import { dash, plain, span, whole } from "./format.js";

const measured = (value, unit) => (value === null || value === undefined ? dash : unit === "milliseconds" || unit === "ms" ? span(value) : `${Number.isInteger(value) ? whole(value) : value.toFixed(3)}${unit ? ` ${plain(unit)}` : ""}`);

const gates = (list) => make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Gates" }, make("table", { class: "table gates" }, make("thead", {}, make("tr", {}, ...["Gate", "Is", "Measured", "Threshold", "Opens in"].map((name, i) =>
  make("th", { scope: "col", class: i > 1 ? "number" : null }, name)))),
make("tbody", {}, ...list.map((gate) => make("tr", { class: gate.state === "closed" ? "shut" : null }, make("td", {}, plain(gate.gate), gate.detail ? make("div", { class: "quiet" }, gate.detail) : null),
  make("td", {}, tag(gate.state === "open" ? "done" : "failed", gate.state === "open" ? "open" : "shut")),
  make("td", { class: "number" }, measured(gate.value, gate.unit)), make("td", { class: "number" }, measured(gate.threshold, gate.unit)),
  make("td", { class: "number" }, span(gate.reopens_in_ms)))))));

const parts = ["priority", "efficiency", "wait_time", "retry", "token_fit", "processing_time"];

const scores = (mine, winner) => {
  const most = Math.max(0.0001, ...parts.flatMap((name) => [Math.abs(mine[name] ?? 0), Math.abs(winner?.score?.[name] ?? 0)]));
  const bar = (value, kind) => {
    const node = make("i", { "data-kind": kind, class: "score-bar" });
    node.style.width = `${(Math.abs(value ?? 0) / most) * 100}%`;
    return node;
  };
  return make("table", { class: "table scores" }, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Score"), make("th", { scope: "col" }, "this request"), winner ? make("th", { scope: "col" }, "the next one") : null)),
    make("tbody", {}, ...[...parts, "total"].map((name) => make("tr", {}, make("th", { scope: "row" }, plain(name)),
      ...[[mine, "c1"], ...(winner ? [[winner.score, "c3"]] : [])].map(([score, kind]) => make("td", {}, score ? make("div", { class: "beside" }, make("span", {}, (score[name] ?? 0).toFixed(3)), name === "total" ? null : bar(score[name], kind)) : ""))))));
};

export const explanation = (told, request) => {
  if (!told) return make("p", { class: "quiet" }, "Nothing is known about its wait.");
  // Of several claims the first ended the wait.
  const waited = request.attempts?.[0]?.started_ms ?? request.timings_ms?.started ?? request.timings_ms?.claimed ?? null;
  const children = [];
  if (told.outcome && waited === null) children.push(make("p", {}, "It ended before a slot took it."));
  if (told.outcome && waited !== null) children.push(make("p", { class: "quiet" }, `It waited ${span(waited)} before a slot took it.`));
  const share = told.tenant_share;
  if (!told.outcome && told.position) children.push(make("p", { class: "quiet" }, `No. ${whole(told.position)} of ${whole(told.queued)} in line; ${
    told.predicted_start_ms === null ? "when it starts is not known" : `it should start in ${span(told.predicted_start_ms)}`}.`));
  if (told.gates?.length > 0) children.push(gates(told.gates));
  if (told.score) children.push(scores(told.score, told.winner));
  if (share) children.push(make("p", { class: "quiet" }, `Its tenant has weight ${share.weight}, ${whole(share.queued)} queued and ${whole(share.in_flight)} in flight${share.max_in_flight ? ` of ${whole(share.max_in_flight)}` : ""}; its counter is ${Math.round(share.counter)}, the least is ${Math.round(share.least_counter)}${share.least_tenant ? ` (${share.least_tenant})` : ""}.`));
  return make("div", { class: "explained" }, ...children);
};
