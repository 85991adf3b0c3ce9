// The past: filtered, drawn over time, listed, exported. All state is in the address.
import { empty, make, mark, set } from "./dom.js";
import { chart, cursors } from "./chart.js";
import { endedColumns } from "./columns.js";
import { executionFields } from "./fields.js";
import { addressOf, filter, toggled } from "./filter.js";
import { list } from "./list.js";
import { money, percent, rate, short, span, stamp, whole } from "./format.js";
import { pager } from "./pager.js";
import { api, key, query } from "./api.js";
import { trail } from "./trail.js";

export const title = "History";

const reaches = [["-15m", 15, "15 minutes"], ["-1h", 60, "1 hour"], ["-6h", 360, "6 hours"], ["-24h", 1440, "1 day"], ["-168h", 10_080, "1 week"], ["-720h", 43_200, "30 days"]];
const dimensions = ["outcome", "model", "pool", "tenant", "backend", "error_class", "dispatcher"];
const metrics = { count: ["Requests", whole], rate: ["A second", rate], p50: ["Half below", span], p95: ["95 % below", span], p99: ["99 % below", span], tokens: ["Tokens", short], cost: ["Cost", money], failed_ratio: ["Failed", percent] };
const outcomeKinds = ["done", "failed", "cancelled", "expired", "rejected", "dropped", "lost", "dead"];
const bucketOf = (minutes) => [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400, 604_800].find((step) => (minutes * 60) / step <= 90) ?? 2_592_000;
const exported = 1_000_000; // Rows that the server writes into one file.

// What an address may say: -15m, seconds since 1970, a date.
const moment = (text, now) => {
  const [, count, unit] = /^-(\d+)\s*(s|m|h|d)$/.exec(text ?? "") ?? [];
  if (count) return now - Number(count) * { s: 1, m: 60, h: 3600, d: 86_400 }[unit];
  if (/^\d+(\.\d+)?$/.test(text ?? "")) return Number(text);
  const date = Date.parse(text ?? "");
  return Number.isNaN(date) ? null : date / 1000;
};
const local = (seconds) => { const date = new Date(seconds * 1000); return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19); };

// Bars for what adds up, lines for what does not; the smallest groups become one, when they add up.
const draw = (box, metric, groups, bucket, from, until, group, pick) => {
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
  const parts = { title: `${label}, each ${bucket >= 3600 ? `${bucket / 3600} h` : bucket >= 60 ? `${bucket / 60} min` : `${bucket} s`}`,
    series: series.length > 0 ? series : [{ name: "nothing", kind: "cancelled" }] };
  // The same chart as long as it shows the same: the cursor and the focus stay where they are.
  const mark_ = JSON.stringify([parts, metric]);
  if (box.mark !== mark_) {
    const hadFocus = box.contains(document.activeElement);
    box.view?.unmount();
    box.mark = mark_;
    box.view = chart({ ...parts, format, shape: adds ? "bars" : "line", group, pick });
    box.replaceChildren(box.view.element);
    if (hadFocus) box.querySelector(".plot").focus({ preventScroll: true });
  }
  box.view.update({ from: start, step: bucket, values: series.length > 0 ? values : [] });
};

export const mount = (root, context, parameters) => {
  const initial = { f: "", from: "-1h", by: "outcome", metric: "count", sort: "-ended", to: "" };
  const read = (given) => {
    const address = addressOf(given, executionFields({}));
    context.remember(address);
    return { ...initial, ...given, f: address.f };
  };
  let state = read(parameters);
  const seen = { pool: new Set(), model: new Set(), tenant: new Set(), producer: new Set(), backend: new Set() };
  let filters = {};

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
  // Some time until now, or a part of the past.
  const time = make("select", { "aria-label": "Time", onchange: () => {
    if (time.value === "between") { paintTime(); return askTime(); }
    if (time.value !== "range") reach(time.value, "");
  } });
  const paintTime = () => {
    const isListed = !state.to && reaches.some(([value]) => value === state.from);
    const [from, until] = [moment(state.from, Date.now() / 1000), moment(state.to, Date.now() / 1000)];
    const words = from === null ? state.from : `${/^-/.test(state.from) ? state.from : stamp(from)} – ${until === null ? "now" : stamp(until)}`;
    time.replaceChildren(...reaches.map(([value, , text]) => make("option", { value }, `last ${text}`)), ...(isListed ? [] : [make("option", { value: "range" }, words)]),
      make("option", { value: "between" }, "between …"));
    time.value = isListed ? state.from : "range";
  };
  const reach = (from, to) => {
    keep({ from, to });
    paintTime();
    again();
  };
  const askTime = async () => {
    const now = Date.now() / 1000;
    const values = await context.form({ title: "Between", yes: "Show", fields: [{ name: "from", label: "From", kind: "time", value: local(moment(state.from, now) ?? now - 3600) },
      { name: "to", label: "Until", kind: "time", hint: "empty: until now", value: state.to ? local(moment(state.to, now) ?? now) : "" }],
      check: (entered) => (!entered.from ? { field: "from", message: "It has to begin somewhere." } : entered.to && entered.to <= entered.from ? { field: "to", message: "It has to end after it begins." } : null) });
    if (values) reach(String(Date.parse(values.from) / 1000), values.to ? String(Date.parse(values.to) / 1000) : "");
  };
  // A bar that cannot be divided is not looked at closer.
  const pick = (from, until) => { if (until - from >= 2) reach(String(from), String(until)); };
  paintTime();
  const by = select("Grouped by", dimensions.map((each) => [each, `by ${each.replace("_", " ")}`]), "by");
  const metric = select("Second chart", Object.entries(metrics).map(([value, [words]]) => [value, words]), "metric");
  const note = make("span", { class: "count" });
  const group = cursors();
  const first = make("div", {});
  const second = make("div", {});
  for (const box of [first, second]) box.append(chart({ title: "Asking …", series: [] }).element);
  const exports_ = ["csv", "jsonl"].map((format) => make("a", { class: "button", download: `executions.${format}`, onclick: (event) => save(event, format) }, `Export ${format.toUpperCase()}`));
  const stats = make("span", { class: "quiet" });
  let total = 0;

  const grid = list({ label: "Executions", columns: endedColumns(context), key: (row) => row.id, open: (row) => context.navigate(`/requests/${encodeURIComponent(row.id)}`), end: () => pages.more(), saved: () => pages.state, narrow: (name, value) => box.write(toggled(box.text, name, value)),
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

  const handOver = (href, format) => {
    const link = make("a", { href, download: `executions.${format}` });
    document.body.append(link);
    link.click();
    link.remove();
  };
  // With a key a plain link would not be let in: the file is fetched and handed over. Without one the link is enough, but a
  // browser tells nobody that it was refused: one row is asked for first.
  const save = async (event, format) => {
    if (total > exported) context.say(`${whole(total)} match; the file holds ${whole(exported)} of them. Narrow the time for the rest.`);
    event.preventDefault();
    const file = (limit) => `api/executions/export${where({ format, limit })}`;
    if (!key.get()) {
      await context.attempt(async () => {
        await (await api.raw(file(1))).text();
        handOver(api.address(file(exported)), format);
      });
      return;
    }
    await context.attempt(async () => {
      const href = URL.createObjectURL(await (await api.raw(file(exported))).blob());
      handOver(href, format);
      setTimeout(() => URL.revokeObjectURL(href), 60_000);
    }, "Exported.");
  };

  const show = () => {
    grid.set({ total: pages.rows.length, offset: 0, rows: pages.rows });
    set(note, pages.hasMore || pages.isCut ? `first ${whole(pages.rows.length)}` : `${whole(pages.rows.length)} in all`);
  };
  const pages = pager({ get: (values, signal) => context.api.get(`api/executions${where({ sort: state.sort, limit: 200, ...values })}`, { signal }), show,
    fault: (error) => context.say(error.message, { kind: "bad" }), saved: trail.peek("Executions")?.saved });
  const load = async (signal) => {
    const began = performance.now();
    const now = Date.now() / 1000;
    const until = Math.min(now, moment(state.to, now) ?? now);
    const from = Math.min(until - 1, moment(state.from, now) ?? until - 3600);
    const bucket = bucketOf((until - from) / 60);
    const other = state.metric === "count" ? "p95" : state.metric;
    const [page, sums] = await Promise.all([pages.first(signal), context.api.get(`api/executions/aggregate${where({ by: state.by, bucket_s: bucket, metrics: `count,${other}` })}`, { signal })]);
    if (!page) return;
    for (const part of below) part.hidden = false;
    for (const row of page.rows) for (const name in seen) if (row[name] && seen[name].size < 200) seen[name].add(row[name]);
    draw(first, "count", sums.groups, sums.bucket_s ?? bucket, from, until, group, pick);
    draw(second, other, sums.groups, sums.bucket_s ?? bucket, from, until, group, pick);
    set(stats, `${page.store ?? ""} · answered in ${span(performance.now() - began)}`);
    const counted = sums.groups.reduce((sum, each) => sum + each.buckets.reduce((all, one) => all + (one.count ?? 0), 0), 0);
    exports_.forEach((link, i) => {
      mark(link, "href", api.address(`api/executions/export${where({ format: ["csv", "jsonl"][i], limit: exported })}`));
      mark(link, "title", counted > exported ? `${whole(counted)} match: the file will hold ${whole(exported)} of them. Narrow the time for the rest.` : `${whole(counted)} rows`);
    });
    total = counted;
    show();
  };
  const again = () => { pages.reset(); grid.top(); feed.anew(); };
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
      [[by, "by"], [metric, "metric"]].forEach(([node, name]) => { node.value = state[name]; });
      paintTime();
      grid.sorted(state.sort);
      box.show(state.f);
      filters = box.parsed().values;
      again();
    },
    unmount() { box.stop(); grid.unmount(); },
  };
};
