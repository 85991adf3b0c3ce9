// Runtime Fabric → LLM Dispatch: what waits and runs now, and what has ended. Live state comes from the fabric, the past
// from history; the two are never mixed.
import { age, empty, make, mark, once, set } from "./dom.js";
import { addressOf, filter, toggled } from "./filter.js";
import { whole } from "./format.js";
import { list } from "./list.js";
import { actOnMany } from "./many.js";
import { pager } from "./pager.js";
import { trail } from "./trail.js";
import { strip } from "./overview.js";
import { endedColumns, liveColumns } from "./columns.js";
import { executionFields, liveFields } from "./fields.js";
import { query } from "./api.js";

export const title = "LLM Dispatch";

const window_ = 160; // Rows asked for at once: some screens full.
const fields = { live: liveFields, recent: executionFields };

const read = (context, parameters) => {
  const state = { view: "live", sort: "", ...parameters };
  const address = addressOf(parameters, (fields[state.view] ?? liveFields)({}));
  context.remember(address);
  state.f = address.f;
  return state;
};

export const mount = (root, context, parameters) => {
  let state = read(context, parameters);
  const seen = { pool: new Set(), model: new Set(), tenant: new Set(), producer: new Set(), backend: new Set() };
  const learn = (rows) => { for (const row of rows) for (const name in seen) if (row[name] && seen[name].size < 200) seen[name].add(row[name]); };

  // MARK: Health
  const health = strip([["pending", "Pending", "queued"], ["in_flight", "In flight", "started"], ["oldest", "Oldest waits", null],
    ["dispatchers", "Dispatchers", null], ["breakers", "Open circuits", null], ["failures", "Failed in all", "failed"]]);
  health.cells.failures.parentElement.title = "Since this process started";
  const fabric = make("select", { "aria-label": "Fabric", onchange: () => {
    const one = fabrics.find((each) => each.id === fabric.value);
    if (one && !one.here && /^https?:\/\//.test(one.url ?? "")) location.assign(`${one.url.replace(/\/?$/, "/")}${location.hash}`);
  } });
  let fabrics = [];

  const tabs = make("div", { class: "tabs", role: "tablist", "aria-label": "View" }, ...[["live", "Live Requests"], ["recent", "Recent Executions"]].map(([name, label]) =>
    make("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "view", "aria-selected": "false", "data-name": name, onclick: () => turn(name) }, label)));
  tabs.addEventListener("keydown", (event) => {
    if (!["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    event.preventDefault();
    turn(state.view === "live" ? "recent" : "live");
    tabs.querySelector("[aria-selected=true]").focus();
  });
  const view = make("div", { id: "view", role: "tabpanel", class: "grow" });
  root.append(make("div", { class: "row health" }, make("label", { class: "row picker" }, make("span", { class: "quiet" }, "Fabric"), fabric), health.element), tabs, view);

  const overview = (data) => {
    set(health.cells.pending, whole(data.totals.queued));
    set(health.cells.in_flight, whole(data.totals.in_flight));
    age(health.cells.oldest, data.totals.oldest_queued_ms);
    const states = data.pools.map((pool) => pool.breaker?.state ?? pool.breaker);
    set(health.cells.breakers, whole(states.filter((each) => each && each !== "closed").length));
    for (const pool of data.pools) seen.pool.add(pool.id);
  };
  context.live.poll(async (signal) => {
    const [runtime, known] = await Promise.all([context.api.get("api/llm-dispatch/runtime?limit=1", { signal }), context.api.get("api/fabrics", { signal })]);
    const summary = runtime.result.runtime_summary;
    const dispatchers = summary.registered_dispatchers;
    // A process by itself has none: it calls the backend itself.
    set(health.cells.dispatchers, dispatchers === null || dispatchers === undefined ? "none" : `${whole(summary.running_dispatchers)} of ${whole(dispatchers)}`);
    set(health.cells.failures, whole(summary.execution_failures));
    if (JSON.stringify(known.fabrics) !== JSON.stringify(fabrics)) {
      fabrics = known.fabrics;
      fabric.replaceChildren(...fabrics.map((each) => make("option", { value: each.id }, each.here && fabrics.length > 1 ? `${each.id} (here)` : each.id)));
      fabric.value = fabrics.find((each) => each.here)?.id ?? "";
      fabric.disabled = fabrics.length < 2;
    }
  }, 5);

  // MARK: Views
  let shown = null;
  const turn = (name) => {
    if (name === state.view && shown) return;
    context.note("");
    state = { view: name, f: "", sort: "" };
    context.remember({ view: name === "live" ? null : name, f: null, sort: null });
    open();
  };
  const open = () => {
    shown?.close();
    view.replaceChildren();
    for (const tab of tabs.children) mark(tab, "aria-selected", tab.dataset.name === state.view ? "true" : "false");
    for (const tab of tabs.children) mark(tab, "tabindex", tab.dataset.name === state.view ? "0" : "-1");
    mark(view, "aria-labelledby", `tab-${state.view}`);
    shown = (state.view === "recent" ? recent : liveView)({ root: view, context, state, seen, learn, overview });
  };
  open();

  return {
    update(next) {
      const wanted = read(context, next);
      if (wanted.view !== state.view) { state = wanted; open(); } else { state = wanted; shown.update(wanted); }
    },
    escape: () => shown.escape?.(),
    unmount: () => shown?.close(),
  };
};

// MARK: Live Requests

const liveView = ({ root, context, state, seen, learn, overview }) => {
  let filters = {};
  let sort = state.sort;
  let order = [];
  let data = { total: 0, matched: 0, offset: 0 };
  let place = 0;
  const rows = new Map();
  const open = (row) => context.navigate(`/requests/${encodeURIComponent(row.id)}`);

  const count = make("span", { class: "count" });
  // Spoken once after each change of the filter, not with every request that comes.
  const said = make("span", { class: "unseen", role: "status" });
  let isNews = false;
  const tell = (text) => {
    set(count, text);
    if (isNews) set(said, text);
    isNews = false;
  };
  const cancelButton = context.action({ label: "Cancel selected", danger: true, run: () => cancelMany() });
  // All that match, not only those that are on the screen: without a filter it would be everything.
  let meant = "";
  let isUnclear = false; // What was typed is not what is filtered by.
  const cancelAll = context.action({ label: "Cancel what matches …", danger: true, run: () => actOnMany(context, { address: "api/live/cancel", what: { filter: filters },
    meant: `what matches “${meant}”`, verb: "Cancel", did: "Cancelled or told to stop", danger: true, typed: true, rechecks: true,
    words: "What waits ends at once; running calls are told to stop. Their clients get an error. This cannot be undone." }) });
  const offer = () => {
    cancelAll.hidden = Object.keys(filters).length === 0 || grid.chosen.size > 0;
    cancelAll.off(isUnclear ? "The filter cannot be understood." : null);
  };
  const picked = make("span", { class: "quiet" });
  const bulk = make("div", { class: "row bulk", hidden: true }, picked, make("button", { type: "button", class: "plain", onclick: () => grid.clear() }, "Clear"), cancelButton);

  const asked = () => ({ ...filters, sort, offset: place || null, limit: window_ });
  const path = () => `api/live/stream${query({ ...asked(), overview: 1 })}`;
  const grid = list({ label: "Live requests", columns: liveColumns(context), key: (row) => row.id, open, narrow: (name, value) => box.write(toggled(box.text, name, value)),
    select: (chosen) => { bulk.hidden = chosen.size === 0; set(picked, `${whole(chosen.size)} selected`); offer(); },
    sort: (name) => { sort = name; context.remember({ sort }); grid.sorted(sort); go(0, true); },
    nothing: () => (Object.keys(filters).length > 0 ? empty("No live request matches the filter.") : empty("Nothing waits and nothing runs.", "Requests appear here as they come.")),
    window: (first, height) => {
      const end = Math.min(data.matched, first + height);
      if (first >= data.offset && end <= data.offset + order.length) return;
      go(Math.max(0, Math.floor((first + height / 2 - window_ / 2) / 20) * 20));
    } });
  // While somebody scrolls, pages are fetched; the stream follows when the list has come to rest. Until it does, it speaks of
  // what was wanted before.
  let fetching = null;
  let following = "";
  const look = once(async () => {
    fetching?.abort();
    fetching = new AbortController();
    try {
      take({ ...(await context.api.get(`api/live${query(asked())}`, { signal: fetching.signal })), full: true });
    } catch (error) { if (error.name !== "AbortError") grid.say(error.message); }
  }, 40);
  const move = once(() => {
    following = path();
    feed.change(following);
  }, 500);
  // `anew` though the place is the same. Without it the list that lacks rows would ask for them again and again.
  const go = (offset, anew = false) => {
    if (offset === place && !anew) return;
    place = offset;
    following = null; // Even if somebody goes back to what is followed: its differences are to rows that are not here any more.
    look();
    move();
  };

  const box = filter({ fields: liveFields(seen), value: state.f, label: "Filter live requests",
    quick: [{ label: "Queued", text: "state:queued" }, { label: "Executing", text: "state:started,streaming" }, { label: "Waits > 30 s", text: "state:queued age:>30s" }, { label: "Retried", text: "reason:backoff" }],
    change: (text, parsed) => {
      context.remember({ f: text });
      isUnclear = parsed.problems.length > 0;
      offer();
      if (isUnclear) return;
      meant = text;
      if (JSON.stringify(parsed.values) === JSON.stringify(filters)) return;
      filters = parsed.values;
      isNews = true;
      grid.clear();
      grid.top();
      offer();
      go(0, true);
    } });
  filters = box.parsed().values;
  meant = box.text;
  isUnclear = box.parsed().problems.length > 0;
  root.append(make("div", { class: "row controls" }, box.element, make("span", { class: "spring" }), bulk, cancelAll, count, said), grid.element);
  offer();
  grid.sorted(sort);

  // A page, or the stream's differences to the last one.
  const take = (event) => {
    const fresh = event.upsert ?? event.rows;
    if (event.full) rows.clear();
    for (const row of fresh) { row.heard = performance.now(); rows.set(row.id, row); }
    order = (event.order ?? fresh.map((row) => row.id)).map((id) => rows.get(id)).filter(Boolean);
    if (rows.size > order.length * 2 + 200) {
      const kept = new Set(order.map((row) => row.id));
      for (const id of rows.keys()) if (!kept.has(id)) rows.delete(id);
    }
    data = event;
    learn(fresh);
    context.note(event.fabric_error ? `The fabric cannot be asked: ${event.fabric_error}`
      : event.sampled ? "Lists are read from their heads: not every request is shown, and filters look at those alone." : "");
    grid.set({ total: event.matched, offset: event.offset, rows: order });
    tell(event.matched === event.total ? `${whole(event.total)} live` : `${whole(event.matched)} of ${whole(event.total)} live`);
  };
  following = path();
  const feed = context.live.stream(following, {
    overview,
    rows(event) {
      if (following !== path()) return;
      // What ended meanwhile may have taken the window with it.
      if (place > 0 && event.matched <= place) return go(0, true);
      fetching?.abort();
      take(event);
    },
    problem: (error) => grid.say(error.message),
  });

  const cancelMany = async (ids = [...grid.chosen]) => {
    const sure = await context.confirm({ title: `Cancel ${ids.length === 1 ? "this request" : `${ids.length} requests`}?`, danger: true, yes: "Cancel them", type: null,
      text: "What waits ends at once; running calls are told to stop. Their clients get an error. This cannot be undone.",
      details: [make("ul", { class: "mono ids" }, ...ids.slice(0, 8).map((id) => make("li", {}, id)), ids.length > 8 ? make("li", {}, `and ${ids.length - 8} more`) : "")] });
    if (!sure) return;
    let [failed, ended] = [0, 0];
    const cancel = async (id) => {
      try {
        const { answer } = await context.api.post(`api/requests/${encodeURIComponent(id)}/cancel`);
        if (answer === "already_ended") ended += 1;
      } catch { failed += 1; }
    };
    for (let i = 0; i < ids.length; i += 6) {
      await Promise.all(ids.slice(i, i + 6).map(cancel));
    }
    grid.clear();
    const done = ids.length - failed - ended;
    context.say([done > 0 ? `${whole(done)} cancelled or told to stop.` : "", ended > 0 ? `${whole(ended)} had ended already.` : "",
      failed > 0 ? `${whole(failed)} of ${whole(ids.length)} could not be cancelled.` : ""].filter(Boolean).join(" "), { kind: failed ? "bad" : "good" });
  };
  context.keys({ ...grid.keys(), C: { label: "Cancel the row, or what is selected", run: () => {
    const row = grid.current();
    const ids = grid.chosen.size > 0 ? [...grid.chosen] : row ? [row.id] : [];
    if (ids.length === 0) return;
    if (context.may("operator")) cancelMany(ids);
    else cancelButton.click();
  } } });

  return {
    update(next) {
      if (next.f !== box.text) box.write(next.f);
      if ((next.sort ?? "") !== sort) { sort = next.sort; grid.sorted(sort); go(0, true); }
    },
    escape: () => grid.clear(),
    close() { feed.close(); box.stop(); grid.unmount(); move.stop(); look.stop(); fetching?.abort(); },
  };
};

// MARK: Recent Executions

const recent = ({ root, context, state, seen, learn, overview }) => {
  let filters = {};
  const note = make("span", { class: "count" });
  const open = (row) => context.navigate(`/requests/${encodeURIComponent(row.id)}`);
  const grid = list({ label: "Recent executions", columns: endedColumns(context), key: (row) => row.id, open, end: () => pages.more(), saved: () => pages.state, narrow: (name, value) => box.write(toggled(box.text, name, value)),
    nothing: () => empty("No execution matches.", Object.keys(filters).length > 0 ? "Take something out of the filter." : "What ends appears here.") });
  const path = (values) => `api/executions${query({ ...filters, sort: "-ended", limit: 100, ...values })}`;
  const box = filter({ fields: executionFields(seen), value: state.f, label: "Filter executions",
    quick: [{ label: "Failed", text: "outcome:failed" }, { label: "Dropped", text: "outcome:dropped" }, { label: "Lost or dead", text: "outcome:lost,dead" }, { label: "Retried", text: "attempts:>1" }, { label: "Slow", text: "latency:>30s" }],
    change: (text, parsed) => {
      context.remember({ f: text });
      if (parsed.problems.length > 0 || JSON.stringify(parsed.values) === JSON.stringify(filters)) return;
      filters = parsed.values;
      pages.reset();
      grid.top();
      feed.anew();
    } });
  filters = box.parsed().values;
  root.append(make("div", { class: "row controls" }, box.element, make("span", { class: "spring" }), note), grid.element);

  const show = () => {
    const { rows } = pages;
    grid.set({ total: rows.length, offset: 0, rows });
    set(note, pages.hasMore || pages.isCut ? `newest ${whole(rows.length)}` : `${whole(rows.length)} in all`);
  };
  const pages = pager({ get: (values, signal) => context.api.get(path(values), { signal }), show, fault: (error) => context.say(error.message, { kind: "bad" }),
    saved: trail.peek("Recent executions")?.saved });
  const feed = context.live.poll(async (signal) => {
    const page = await pages.first(signal);
    if (!page) return;
    learn(page.rows);
    show();
  }, 2, (error) => grid.say(error.message));
  const health = context.live.poll(async (signal) => overview(await context.api.get("api/overview", { signal })), 5);
  context.keys(grid.keys());
  return {
    update(next) { if (next.f !== box.text) box.write(next.f); },
    close() { feed.close(); health.close(); box.stop(); grid.unmount(); },
  };
};
