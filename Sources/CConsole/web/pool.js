// One pool: its course, who shares it, how it is set, and what may be changed.
import { age, empty, fillFacts, make, meter, reconcile, redraw, set, setTag, tag } from "./dom.js";
import { chart, cursors } from "./chart.js";
import { changeSettings, groups, settingsOf, steer, tenantGroup } from "./steering.js";
import { due, percent, plain, rate, short, span, stateWord, whole, why } from "./format.js";
import { strip } from "./overview.js";

export const title = "Pool";

const spans = [[300, 5, "5 min"], [3600, 60, "1 h"], [21_600, 300, "6 h"]];
const breakerLevel = { closed: 0, half_open: 1, open: 2 };

export const mount = (root, context, parameters) => {
  const id = parameters.id;
  const path = `api/pools/${encodeURIComponent(id)}`;
  let pool = null;
  let tenants = [];
  let reach = spans.find(([seconds]) => String(seconds) === parameters.window) ?? spans[0];
  context.title(`Pool ${id}`);

  // MARK: Head
  const mode = tag("running");
  const backend = make("span", { class: "quiet" });
  const held = make("span", { class: "why" });
  const refresh = () => { feed.now(); slow.now(); };
  const buttons = steer(context, () => pool, refresh);
  const figures = strip([["queued", "Queued", "queued"], ["in_flight", "In flight", "started"], ["oldest", "Oldest waits", null], ["service", "Mean service", null], ["accepted", "Accepted", null], ["retries", "Retries", "backoff"]]);
  const used = meter("Slots in use");
  // Shown when all of it is known for the first time: what comes later moves nothing.
  const box = make("div", { class: "grow", hidden: true });
  const awaited = new Set(["course", "tenants", "pool"]);
  const arrived = (name) => { awaited.delete(name); if (awaited.size === 0) box.hidden = false; };
  let isLate = false;
  const patience = setTimeout(() => { isLate = true; if (pool) box.hidden = false; }, 1500);
  const wrong = make("div", { hidden: true });
  root.append(wrong, box);
  box.append(make("section", { class: "panel pool-head" }, make("div", { class: "row" }, mode, backend, held, make("span", { class: "spring" }), ...buttons.elements,
    make("a", { class: "button", href: `#/dispatch?f=pool:${encodeURIComponent(id)}` }, "Its requests")), used.element), figures.element);

  // MARK: Course
  const group = cursors();
  const charts = {
    depth: chart({ title: "Queued and in flight", series: [{ name: "queued", kind: "queued" }, { name: "in flight", kind: "started" }], shape: "area", format: whole, group }),
    flow: chart({ title: "A second", series: [{ name: "in", kind: "c1" }, { name: "done", kind: "done" }, { name: "failed", kind: "failed" }, { name: "turned away", kind: "dropped" }], format: rate, group }),
    latency: chart({ title: "Time in all", series: [{ name: "half below", kind: "c1" }, { name: "95 % below", kind: "c3" }], format: span, group }),
    breaker: chart({ title: "Circuit", series: [{ name: "state", kind: "failed" }], shape: "area", ceiling: 2, group, format: (value) => (value === null ? "–" : ["closed", "half open", "open"][value] ?? short(value)) }),
    limiter: chart({ title: "Concurrency limit", series: [{ name: "limit", kind: "c6" }, { name: "in flight", kind: "started" }], format: whole, group }),
  };
  const choose = make("div", { class: "quick", role: "group", "aria-label": "Time shown" }, ...spans.map((each) => make("button", { type: "button", "aria-pressed": each === reach ? "true" : "false", onclick: (event) => {
    reach = each;
    context.remember({ window: each === spans[0] ? null : each[0] });
    for (const button of choose.children) button.setAttribute("aria-pressed", button === event.currentTarget ? "true" : "false");
    course.now();
  } }, each[2])));
  box.append(make("section", { class: "panel" }, make("header", {}, make("h2", {}, "Course"), make("span", { class: "spring" }), choose),
    make("div", { class: "charts" }, ...Object.values(charts).map((each) => each.element))));
  const course = context.live.poll(async (signal) => {
    const data = await context.api.get(`${path}/series?window_s=${reach[0]}&step_s=${reach[1]}`, { signal });
    const at = { from: data.from, step: data.step_s };
    const away = data.dropped?.map((value, i) => (value === null ? null : value + (data.rejected?.[i] ?? 0)));
    charts.depth.update({ ...at, values: [data.queued, data.in_flight] });
    charts.flow.update({ ...at, values: [data.in, data.done, data.failed, away] });
    charts.latency.update({ ...at, values: [data.p50_ms ?? [], data.p95_ms ?? []] });
    charts.breaker.update({ ...at, values: [(data.breaker ?? []).map((state) => breakerLevel[state] ?? null)] });
    charts.limiter.update({ ...at, values: [data.concurrency_limit ?? [], data.in_flight], limit: pool?.slots ?? null });
    arrived("course");
  }, 5);

  // MARK: Tenants
  const tenantRows = make("tbody", {});
  const none = make("p", { class: "quiet" }, "No tenant has sent anything yet.");
  const settings = make("div", { class: "settings" });
  const ends = make("dl", { class: "pairs" });
  const targets = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Targets" });
  box.append(settings, targets, make("div", { class: "aside" },
    make("section", { class: "panel" }, make("header", {}, make("h2", {}, "Tenants and their shares"), make("span", { class: "spring" }),
      context.action({ label: "Change shares …", run: () => pool && changeSettings(context, pool, tenantGroup(pool, tenants.map((each) => each.id)), refresh) })),
    make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Tenants" }, make("table", { class: "table tenants" }, make("thead", {}, make("tr", {}, ...["Tenant", "Weight", "Share", "Queued", "In flight", "Done", "Tokens"].map((name, i) =>
      make("th", { scope: "col", class: i === 0 || i === 2 ? null : "number" }, name)))), tenantRows)), none),
    make("section", { class: "panel" }, make("header", {}, make("h2", {}, "How its requests ended")), ends)));
  const slow = context.live.poll(async (signal) => {
    tenants = (await context.api.get(`${path}/tenants`, { signal })).tenants;
    none.hidden = tenants.length > 0;
    arrived("tenants");
    reconcile(tenantRows, tenants, (tenant) => tenant.id, (tenant) => {
      const row = make("tr", {}, make("td", {}, make("a", { href: `#/dispatch?f=${encodeURIComponent(`pool:${id} tenant:${tenant.id}`)}` }, tenant.id)));
      row.numbers = [0, 1, 2, 3, 4].map(() => make("td", { class: "number" }));
      row.share = make("span", {});
      row.meter = meter(`Share of ${tenant.id}`);
      row.append(row.numbers[0], make("td", {}, make("div", { class: "beside" }, row.share, row.meter.element)), ...row.numbers.slice(1));
      return row;
    }, (row, tenant) => {
      [rate(tenant.weight), whole(tenant.queued), whole(tenant.in_flight), short(tenant.done), short(tenant.tokens)].forEach((text, i) => set(row.numbers[i], text));
      set(row.share, percent(tenant.share));
      row.meter.update(tenant.share);
    });
  }, 3);

  // MARK: Settings
  const parts = Object.values(groups).map((each) => {
    const list = make("dl", { class: "pairs" });
    settings.append(make("section", { class: "panel" }, make("header", {}, make("h2", {}, each.title), make("span", { class: "spring" }),
      context.action({ label: `Change ${each.title.split(" ")[0].toLowerCase()} …`, run: () => pool && changeSettings(context, pool, each, refresh) })), list));
    return { each, list };
  });
  const shown = (value) => (value === null || value === undefined ? "none" : typeof value === "number" ? value.toLocaleString("en-US") : String(value));
  const drawSettings = () => {
    for (const { each, list } of parts) fillFacts(list, settingsOf(pool, each).map(([name, value]) => [name, shown(value)]));
  };
  const targetRows = make("tbody", {});
  targets.append(make("section", { class: "panel" }, make("header", {}, make("h2", {}, "Targets")), make("table", { class: "table" },
    make("thead", {}, make("tr", {}, ...["Target", "State", "In flight", "First token", "Answer", "Attempts", "Failures"].map((name, i) => make("th", { scope: "col", class: i > 1 ? "number" : null }, name)))), targetRows)));
  const drawTargets = () => {
    targets.hidden = !pool.targets?.length;
    reconcile(targetRows, pool.targets ?? [], (each) => each.target, (each) => make("tr", {}, make("td", {}, each.target), make("td", {}, tag("done")), ...[0, 1, 2, 3, 4].map(() => make("td", { class: "number" }))),
      (row, each) => {
        setTag(row.children[1].firstChild, each.state === "ready" ? "done" : "open", plain(each.state));
        [whole(each.in_flight), span(each.first_token_ms), span(each.answer_ms), whole(each.attempts), whole(each.failures)].forEach((text, i) => set(row.children[i + 2], text));
      });
  };
  const feed = context.live.poll(async (signal) => {
    pool = await context.api.get(path, { signal });
    setTag(mode, pool.mode);
    set(backend, `→ ${pool.backend} ${pool.backend_address ?? ""}`);
    set(held, pool.queued > 0 && pool.waiting_reason ? `Held by: ${why(pool.waiting_reason)}${pool.breaker.probe_in_ms === null ? "" : `, probe ${due(pool.breaker.probe_in_ms)}`}.`
      : pool.breaker.state === "closed" ? "" : `Circuit ${stateWord(pool.breaker.state)}${pool.breaker.probe_in_ms === null ? "" : `, probe ${due(pool.breaker.probe_in_ms)}`}.`);
    used.update(pool.slots > 0 ? pool.in_flight / pool.slots : null);
    set(figures.cells.queued, whole(pool.queued));
    set(figures.cells.in_flight, `${whole(pool.in_flight)} / ${whole(pool.slots)}`);
    age(figures.cells.oldest, pool.oldest_queued_ms);
    set(figures.cells.service, span(pool.mean_service_ms));
    set(figures.cells.accepted, short(pool.books.accepted));
    set(figures.cells.retries, whole(pool.retries));
    buttons.update(pool);
    const endings = Object.entries(pool.books.ended);
    redraw(ends, endings, () => (endings.length === 0 ? [make("p", { class: "quiet" }, "Nothing has ended yet.")] : endings.map(([name, count]) => {
      const [outcome, reason] = name.split("/");
      return make("div", {}, make("dt", {}, tag(outcome, reason === "ok" || reason === outcome ? outcome : `${outcome}: ${plain(reason)}`)), make("dd", {}, whole(count)));
    })));
    wrong.hidden = true;
    drawSettings();
    drawTargets();
    arrived("pool");
    if (isLate) box.hidden = false;
  }, 1, (error) => {
    if (pool) return;
    wrong.hidden = false;
    redraw(wrong, error.message, () => [empty(error.message), make("p", { class: "row middle" }, make("a", { class: "button", href: "#/pools" }, "All pools"))]);
  });
  context.keys({ P: { label: "Pause or resume the pool", run: () => pool && buttons.elements[0].click() },
    D: { label: "Drain the pool", run: () => pool && !buttons.elements[1].hidden && buttons.elements[1].click() } });
  return { escape: () => context.navigate("/pools"), unmount: () => clearTimeout(patience) };
};
