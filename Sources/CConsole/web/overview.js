// What goes in and out, what waits, and what is wrong now with the first place to look.
import { age, empty, make, mark, meter, reconcile, set, setTag, tag } from "./dom.js";
import { chart, cursors, spark } from "./chart.js";
import { percent, plural, rate, short, stateWord, whole, why } from "./format.js";

export const title = "Overview";

const flow = [["in", "In", null], ["done", "Done", "done"], ["failed", "Failed", "failed"], ["dropped", "Dropped", "dropped"],
  ["rejected", "Rejected", "rejected"], ["tokens", "Tokens", null]];

export const strip = (names) => {
  const cells = Object.fromEntries(names.map(([name]) => [name, make("dd", {}, "–")]));
  return { element: make("dl", { class: "strip" }, ...names.map(([name, label, kind, unit]) =>
    make("div", { "data-kind": kind }, make("dt", {}, label, unit ? make("small", {}, ` ${unit}`) : null), cells[name]))), cells };
};

const findingItem = () => {
  const item = make("li", { class: "finding" });
  item.kind = tag("info");
  item.kind.lastChild.className = "unseen";
  item.name = make("a", { class: "name" });
  item.pool = make("span", { class: "quiet" });
  item.evidence = make("p", {});
  item.look = make("p", { class: "look" });
  item.append(make("div", { class: "row" }, item.kind, item.name, item.pool), item.evidence, item.look);
  return item;
};

const words = (parts) => (Array.isArray(parts) ? parts : [parts]).filter(Boolean).join(" · ");

// Only addresses inside the console: what the server sends is not followed anywhere else.
export const inside = (href) => (typeof href === "string" && /^#\//.test(href) ? href : null);

const fillFinding = (item, finding) => {
  setTag(item.kind, finding.severity, finding.severity);
  set(item.name, finding.title);
  mark(item.name, "href", inside(finding.href) ?? (finding.pool ? `#/pools/${encodeURIComponent(finding.pool)}` : null));
  set(item.pool, finding.pool ? `in ${finding.pool}` : "");
  set(item.evidence, words(finding.evidence));
  set(item.look, finding.look?.length ? `Look at: ${words(finding.look)}` : "");
};

const poolRow = (pool) => {
  const row = make("tr");
  row.name = make("a", { href: `#/pools/${encodeURIComponent(pool.id)}` }, pool.id);
  row.mode = tag(pool.mode);
  row.queued = make("b", {});
  row.queuedLine = spark(`Queued in ${pool.id}`, "queued");
  row.used = make("span", {});
  row.meter = meter(`Slots in use in ${pool.id}`);
  row.done = spark(`Ended in ${pool.id}`, "done");
  row.doneRate = make("span", {});
  row.oldest = make("span", {});
  row.why = make("span", { class: "quiet" });
  row.breaker = tag("closed");
  row.append(
    make("td", {}, make("div", { class: "stack" }, row.name, row.mode)),
    make("td", {}, make("div", { class: "beside" }, row.queued, row.queuedLine.element)),
    make("td", { class: "wide" }, make("div", { class: "stack" }, row.used, row.meter.element)),
    make("td", { class: "wide" }, make("div", { class: "beside" }, row.doneRate, row.done.element)),
    make("td", { class: "number" }, row.oldest),
    make("td", { class: "wide" }, make("div", { class: "stack" }, row.breaker, row.why)));
  return row;
};

const fillPool = (row, pool) => {
  setTag(row.mode, pool.mode);
  set(row.queued, short(pool.queued));
  set(row.used, `${whole(pool.in_flight)} of ${whole(pool.slots)}  ·  ${percent(pool.utilisation)}`);
  row.meter.update(pool.utilisation);
  age(row.oldest, pool.oldest_queued_ms);
  set(row.why, pool.waiting_reason && pool.queued > 0 ? why(pool.waiting_reason) : "");
  const breaker = pool.breaker?.state ?? pool.breaker;
  setTag(row.breaker, breaker, stateWord(breaker));
  if (pool.series) {
    row.queuedLine.update(pool.series.queued);
    const ended = pool.series.done.map((value, i) => (value === null ? null : value + (pool.series.failed[i] ?? 0)));
    row.done.update(ended);
    const last = pool.series.done.findLast((value) => value !== null);
    set(row.doneRate, last === undefined ? "–" : `${rate(last)}/s`);
  }
};

const sum = (pools, name) => {
  const lists = pools.map((pool) => pool.series?.[name] ?? []);
  const length = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length }, (_, i) => {
    const seen = lists.map((list) => list[i]).filter((value) => value !== null && value !== undefined);
    return seen.length === 0 ? null : seen.reduce((a, b) => a + b, 0);
  });
};

export const mount = (root, context) => {
  const now = strip([["queued", "Queued", "queued"], ["in_flight", "In flight", "started"], ["oldest", "Oldest waits", null]]);
  const through = strip(flow.map(([name, label, kind]) => [name, label, kind, "/s"]));
  const group = cursors();
  const depth = chart({ title: "Waiting and in flight", series: [{ name: "queued", kind: "queued" }, { name: "in flight", kind: "started" }], shape: "area", format: whole, group });
  const ended = chart({ title: "Ended a second", series: [{ name: "done", kind: "done" }, { name: "failed", kind: "failed" }], shape: "area", format: rate, group });
  const findings = make("ol", { class: "findings" });
  const well = empty("Asking …");
  const wrong = make("section", { class: "panel wrong", "aria-labelledby": "wrong" },
    make("header", {}, make("h2", { id: "wrong" }, "What is wrong now")), make("div", { class: "findings-box", tabindex: "0", role: "group", "aria-labelledby": "wrong" }, findings, well));
  const rows = make("tbody");
  const pools = make("section", { class: "panel pools", "aria-labelledby": "pools" }, make("header", {}, make("h2", { id: "pools" }, "Pools")),
    make("table", { class: "table overview-pools" }, make("thead", {}, make("tr", {}, ...["Pool", "Queued", "In flight", "Done", "Oldest", "Circuit"].map((name, i) =>
      make("th", { scope: "col", class: i === 4 ? "number" : [2, 3, 5].includes(i) ? "wide" : null }, name)))), rows));
  root.append(make("div", { class: "strips" }, now.element, through.element),
    make("div", { class: "pair" }, make("div", { class: "panel" }, depth.element), make("div", { class: "panel" }, ended.element)),
    make("div", { class: "aside" }, pools, wrong));

  // Shown with the first answer, so that nothing is pushed down by it.
  const below = [...root.children].slice(1);
  for (const part of below) part.hidden = true;

  let latest = null;
  const show = (data) => {
    for (const part of below) part.hidden = false;
    const series = new Map((latest?.pools ?? []).map((pool) => [pool.id, pool.series]));
    for (const pool of data.pools) pool.series ??= series.get(pool.id);
    latest = data;
    set(now.cells.queued, whole(data.totals.queued));
    set(now.cells.in_flight, whole(data.totals.in_flight));
    age(now.cells.oldest, data.totals.oldest_queued_ms);
    for (const [name] of flow) set(through.cells[name], rate(data.rates[name]));
    through.element.title = `Mean of the last ${data.rates.window_s} s`;
    reconcile(rows, data.pools, (pool) => pool.id, poolRow, fillPool);
    if (data.findings) {
      reconcile(findings, data.findings, (finding) => `${finding.code}/${finding.pool}`, findingItem, fillFinding);
      well.hidden = data.findings.length > 0;
      if (!well.hidden) well.replaceChildren(make("p", { class: "good" }, "Nothing that the runtime can see."), make("p", { class: "quiet" }, `${plural(data.pools.length, "pool")} watched.`));
    }
  };
  const charts = (data) => {
    const series = data.pools.find((pool) => pool.series)?.series;
    if (!series) return;
    depth.update({ from: series.from, step: series.step_s, values: [sum(data.pools, "queued"), sum(data.pools, "in_flight")] });
    ended.update({ from: series.from, step: series.step_s, values: [sum(data.pools, "done"), sum(data.pools, "failed")] });
  };
  context.live.stream("api/live/stream?overview=1&limit=0", { overview: show });
  context.live.poll(async (signal) => {
    const data = await context.api.get("api/overview", { signal });
    show(data);
    charts(data);
  }, 5);
  return { unmount() {} };
};
