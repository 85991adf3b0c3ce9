// The past: filtered, drawn over time, listed, exported. All state is in the address.
import { empty, make, mark, set } from "./dom.js";
import { chart, cursors } from "./chart.js";
import { endedColumns } from "./columns.js";
import { executionFields } from "./fields.js";
import { filter, textOf } from "./filter.js";
import { list } from "./list.js";
import { money, percent, rate, short, span, whole } from "./format.js";
import { api, key, query } from "./api.js";

export const title = "History";

const reaches = [["-15m", 15, "15 minutes"], ["-1h", 60, "1 hour"], ["-6h", 360, "6 hours"], ["-24h", 1440, "1 day"], ["-168h", 10_080, "1 week"], ["-720h", 43_200, "30 days"]];
const dimensions = ["outcome", "model", "pool", "tenant", "backend", "error_class", "dispatcher"];
const metrics = { count: ["Requests", whole], rate: ["A second", rate], p50: ["Half below", span], p95: ["95 % below", span], p99: ["99 % below", span], tokens: ["Tokens", short], cost: ["Cost", money], failed_ratio: ["Failed", percent] };
const outcomeKinds = ["done", "failed", "cancelled", "expired", "rejected", "dropped", "lost", "dead"];
const bucketOf = (minutes) => [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400].find((step) => (minutes * 60) / step <= 90);

// Bars for what adds up, lines for what does not; the smallest groups become one, when they add up.
const draw = (box, metric, groups, bucket, from, until, group) => {
  const [label, format] = metrics[metric];
  const adds = ["count", "tokens", "cost", "rate"].includes(metric);
  const size = (each) => each.buckets.reduce((sum, one) => sum + (one[metric] ?? 0), 0);
  const named = groups.map((each) => ({ name: Object.values(each.key).map((value) => value ?? "none").join(", ") || "all", each, size: size(each) })).sort((a, b) => b.size - a.size);
  const shown = named.slice(0, 6);
  const start = Math.floor(from / bucket) * bucket;
  const count = Math.max(1, Math.min(400, Math.ceil((until - start) / bucket)));
  const fill = (each) => {
    const values = new Array(count).fill(adds ? 0 : null);
    for (const one of each.buckets) {
      const i = Math.round((one.at - start) / bucket);
      if (i >= 0 && i < count) values[i] = one[metric] ?? null;
    }
    return values;
  };
  const series = shown.map(({ name }, i) => ({ name, kind: outcomeKinds.includes(name) ? name : `c${i + 1}` }));
  const values = shown.map(({ each }) => fill(each));
  if (adds && named.length > 6) {
    series.push({ name: `${named.length - 6} others`, kind: "cancelled" });
    values.push(named.slice(6).map(({ each }) => fill(each)).reduce((sum, one) => sum.map((value, i) => value + (one[i] ?? 0))));
  }
  const view = chart({ title: `${label}, each ${bucket >= 3600 ? `${bucket / 3600} h` : bucket >= 60 ? `${bucket / 60} min` : `${bucket} s`}`, series: series.length > 0 ? series : [{ name: "nothing", kind: "cancelled" }], format, shape: adds ? "bars" : "line", group });
  view.update({ from: start, step: bucket, values: series.length > 0 ? values : [] });
  box.replaceChildren(view.element);
};

export const mount = (root, context, parameters) => {
  const initial = { f: "", from: "-1h", by: "outcome", metric: "count", sort: "-ended", to: "" };
  const read = (given) => ({ ...initial, ...given, f: textOf(given, executionFields({})) });
  let state = read(parameters);
  const seen = { pool: new Set(), model: new Set(), tenant: new Set(), producer: new Set(), backend: new Set() };
  let filters = {};
  let rows = [];
  let cursor = null;
  let turn = 0;
  let loading = false;

  const keep = (changes) => {
    state = { ...state, ...changes };
    context.remember(Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value === initial[name] ? null : value])));
  };
  const select = (label, options, name) => {
    const node = make("select", { "aria-label": label, onchange: () => { keep({ [name]: node.value }); again(); } }, ...options.map(([value, words]) => make("option", { value }, words)));
    if (state[name] && !options.some(([value]) => value === state[name])) node.append(make("option", { value: state[name] }, state[name]));
    node.value = state[name];
    return node;
  };
  const time = select("Time", reaches.map(([value, , words]) => [value, `last ${words}`]), "from");
  const by = select("Grouped by", dimensions.map((each) => [each, `by ${each.replace("_", " ")}`]), "by");
  const metric = select("Second chart", Object.entries(metrics).map(([value, [words]]) => [value, words]), "metric");
  const note = make("span", { class: "count" });
  const group = cursors();
  const first = make("div", {});
  const second = make("div", {});
  for (const box of [first, second]) box.append(chart({ title: "Asking …", series: [] }).element);
  const exports_ = ["csv", "jsonl"].map((format) => make("a", { class: "button", download: `executions.${format}`, onclick: (event) => save(event, format) }, `Export ${format.toUpperCase()}`));
  const stats = make("span", { class: "quiet" });

  const grid = list({ label: "Executions", columns: endedColumns(context), key: (row) => row.id, open: (row) => context.navigate(`/requests/${encodeURIComponent(row.id)}`), end: () => more(),
    sort: (name) => { keep({ sort: name }); grid.sorted(name); again(); }, nothing: () => empty("No execution matches.", "Widen the time, or take something out of the filter.") });
  const box = filter({ fields: executionFields(seen), value: state.f, label: "Filter history", quick: [{ label: "Failed", text: "outcome:failed" }, { label: "Not done", text: "!outcome:done" }, { label: "Slow", text: "latency:>30s" }, { label: "Retried", text: "attempts:>1" }],
    change: (text, parsed) => {
      if (text !== state.f) keep({ f: text });
      if (parsed.problems.length > 0 || JSON.stringify(parsed.values) === JSON.stringify(filters)) return;
      filters = parsed.values;
      again();
    } });
  filters = box.parsed().values;
  grid.sorted(state.sort);
  const where = (values) => query({ ...filters, from: state.from, to: state.to, ...values });

  // With a key a plain link would not be let in: the file is fetched and handed over.
  const save = async (event, format) => {
    if (!key.get()) return;
    event.preventDefault();
    await context.attempt(async () => {
      const response = await api.raw(`api/executions/export${where({ format })}`);
      const link = make("a", { href: URL.createObjectURL(await response.blob()), download: `executions.${format}` });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    }, "Exported.");
  };

  const show = () => {
    grid.set({ total: rows.length, offset: 0, rows });
    set(note, cursor ? `first ${whole(rows.length)}` : `${whole(rows.length)} in all`);
  };
  const more = async () => {
    if (loading || !cursor) return;
    loading = true;
    const mine = turn;
    try {
      const page = await context.api.get(`api/executions${where({ sort: state.sort, limit: 200, cursor })}`);
      if (mine !== turn) return;
      const known = new Set(rows.map((row) => row.id));
      rows = [...rows, ...page.rows.filter((row) => !known.has(row.id))];
      cursor = page.next_cursor;
      show();
    } catch (error) { context.say(error.message, { kind: "bad" }); } finally { loading = false; }
  };
  const load = async (signal) => {
    const mine = ++turn;
    const began = performance.now();
    const minutes = reaches.find(([value]) => value === state.from)?.[1] ?? 60;
    const bucket = bucketOf(minutes);
    const until = Date.now() / 1000;
    const wanted = [...new Set(["count", state.metric === "count" ? "p95" : state.metric])].join(",");
    const [page, sums] = await Promise.all([context.api.get(`api/executions${where({ sort: state.sort, limit: 200 })}`, { signal }),
      context.api.get(`api/executions/aggregate${where({ by: state.by, bucket_s: bucket, metrics: wanted })}`, { signal })]);
    if (mine !== turn) return;
    for (const part of below) part.hidden = false;
    for (const row of page.rows) for (const name in seen) if (row[name] && seen[name].size < 200) seen[name].add(row[name]);
    if (rows.length <= 200) { rows = page.rows; cursor = page.next_cursor; }
    group.views.clear();
    draw(first, "count", sums.groups, sums.bucket_s ?? bucket, until - minutes * 60, until, group);
    draw(second, state.metric === "count" ? "p95" : state.metric, sums.groups, sums.bucket_s ?? bucket, until - minutes * 60, until, group);
    set(stats, `${page.store ?? ""} · answered in ${span(performance.now() - began)}`);
    exports_.forEach((link, i) => mark(link, "href", api.address(`api/executions/export${where({ format: ["csv", "jsonl"][i] })}`)));
    show();
  };
  const again = () => { rows = []; grid.top(); feed.now(); };
  root.append(make("div", { class: "row controls" }, box.element, make("span", { class: "spring" }), time, by, metric),
    make("div", { class: "pair drawn" }, make("div", { class: "panel" }, first), make("div", { class: "panel" }, second)),
    make("div", { class: "grow" }, make("div", { class: "row" }, stats, make("span", { class: "spring" }), ...exports_, note), grid.element));
  // Shown with the first answer, so that nothing is pushed down by it.
  const below = [...root.children].slice(1);
  for (const part of below) part.hidden = true;
  const feed = context.live.poll(load, 15, (error) => {
    for (const part of below) part.hidden = false;
    grid.say(error.message);
  });
  context.keys(grid.keys());
  return {
    update(next) {
      state = read(next);
      [[time, "from"], [by, "by"], [metric, "metric"]].forEach(([node, name]) => { node.value = state[name]; });
      grid.sorted(state.sort);
      box.show(state.f);
      filters = box.parsed().values;
      again();
    },
    unmount: () => grid.unmount(),
  };
};
