// The lab: the scheduler itself, in simulated time, in the server. This page shows frames and sends what is moved.
import { chart, cursors } from "./chart.js";
import { board, drawer } from "./lab-board.js";
import { comparison } from "./lab-compare.js";
import { settings } from "./lab-settings.js";
import { merge, pack, unpack } from "./lab-share.js";
import { copyText, make, mark, meter, once, reconcile, set } from "./dom.js";
import { percent, plain, plural, short, span, whole, why } from "./format.js";

export const title = "Lab";

const speeds = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, null];
const speedWord = (speed) => (speed === null ? "as fast as it can" : `${speed}×`);
// Faster than this, cards jump: nobody could follow them.
const movesTo = 5.5;
const sendAfter = 60;
const refreshDrawer = 400;

// Simulated time as a clock: 1 d 02:03:04.5
const simulated = (seconds) => {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  return `${days > 0 ? `${days} d ` : ""}${two(seconds / 3600 % 24)}:${two(seconds / 60 % 60)}:${two(seconds % 60)}.${Math.floor(seconds * 10 % 10)}`;
};

const dress = () => new Promise((resolve) => {
  const href = new URL("./lab.css", import.meta.url).href;
  if ([...document.styleSheets].some((sheet) => sheet.href === href)) return resolve();
  document.head.append(make("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
});

export const mount = (root, context, parameters) => {
  const page = make("div", { class: "lab", "aria-busy": "true" });
  root.append(page);
  const view = { leave: () => {}, gone: false };
  (async () => {
    try {
      const [presets] = await Promise.all([context.api.get("api/lab/presets"), dress()]);
      if (!view.gone) begin(page, context, parameters, presets, view);
    } catch (error) {
      page.replaceChildren(make("div", { class: "empty", role: "alert" }, make("p", {}, error.message)));
    }
  })();
  return {
    update: (next) => view.update?.(next),
    escape: () => view.escape?.(),
    unmount: () => { view.gone = true; view.leave(); },
  };
};

const begin = (page, context, parameters, presets, view) => {
  const { api } = context;
  let session = null;
  let scenario = null;
  let preset = presets.scenarios[0];
  let speed = 1;
  let paused = false;
  let feed = null;
  let trace = presets.start?.trace ?? null;
  let opening = null;
  let frame = null;

  // MARK: Sending

  let unsent = null;
  let isSending = false;
  const send = async () => {
    if (isSending || unsent === null || !session) return;
    const body = unsent;
    unsent = null;
    isSending = true;
    try {
      took(await api.patch(`api/lab/sessions/${session}`, body));
    } catch (error) {
      if (error.code === "lab_session_not_found") await open();
      else {
        context.say(error.message, { kind: "bad" });
        if (error.status === 400) form.show(scenario);
      }
    } finally {
      isSending = false;
      if (unsent !== null) send();
    }
  };
  const sendSoon = once(send, sendAfter);
  const change = (part) => {
    unsent = merge(unsent ?? {}, { scenario: part });
    sendSoon();
  };
  const steer = (body) => { unsent = merge(unsent ?? {}, body); send(); };

  // The server's word on how it is set.
  const took = (answer) => {
    scenario = answer.scenario;
    speed = answer.speed;
    paused = answer.paused;
    if (unsent === null) form.show(scenario);
    paintControls();
    remember();
  };

  // MARK: The address

  const remember = once(() => {
    if (!scenario || view.gone) return;
    context.remember({ preset: preset.id === presets.scenarios[0].id ? null : preset.id, set: pack(scenario, preset.scenario) || null, speed: speed === 1 ? null : speed ?? "max" });
  }, 250);

  const wanted = (from) => {
    const known = presets.scenarios.find(({ id }) => id === from.preset) ?? presets.scenarios[0];
    const given = from.set ? unpack(from.set) : null;
    if (from.set && given === null) context.say("The link is damaged: this is the preset without its changes.", { kind: "bad" });
    const isBare = !from.preset && !from.set && presets.start;
    const number = Number(from.speed);
    return { preset: known, scenario: isBare ? presets.start.scenario : merge(known.scenario, given ?? {}), speed: from.speed === "max" ? null : number >= 0.01 && number <= 100_000 ? number : 1 };
  };

  // MARK: Sessions

  const open = async () => {
    if (opening) return opening;
    opening = (async () => {
      const body = { scenario, speed, paused };
      try {
        let answer;
        try {
          answer = await api.post("api/lab/sessions", body);
        } catch (error) {
          if (error.code !== "lab_trace_not_found") throw error;
          context.say("The link names a recorded trace that this server does not have. Load its file again; until then, requests are drawn.", { kind: "bad" });
          answer = await api.post("api/lab/sessions", { ...body, scenario: merge(scenario, { arrivals: { trace: null } }) });
        }
        if (view.gone) return api.delete(`api/lab/sessions/${answer.id}`).catch(() => {});
        session = answer.id;
        mark(page, "data-session", session);
        took(answer);
        feed?.close();
        feed = context.live.stream(`api/lab/sessions/${session}/stream`, { frame: shown, series: drawn, session: took, gone: again, problem: lost }, { keeps: true });
        mark(page, "aria-busy", null);
      } catch (error) {
        context.say(error.message, { kind: "bad", action: { label: "Try again", run: open } });
      } finally {
        opening = null;
      }
    })();
    return opening;
  };
  const again = () => { if (!view.gone) { session = null; open(); } };
  const lost = (error) => {
    if (error.status !== 404) return context.say(error.message, { kind: "bad" });
    context.say("The session was idle for too long and is gone: it begins anew.");
    again();
  };

  const post = async (path, body) => {
    try {
      return await api.post(`api/lab/sessions/${session}/${path}`, body ?? {});
    } catch (error) {
      if (error.code === "lab_session_not_found") again();
      else context.say(error.message, { kind: "bad" });
      return null;
    }
  };

  // MARK: Controls

  const choose = make("select", { id: "lab-preset", "aria-describedby": "lab-about" }, ...presets.scenarios.map(({ id, title: text }) => make("option", { value: id }, text)));
  const about = make("span", { id: "lab-about", class: "quiet about-preset" });
  choose.addEventListener("change", async () => {
    preset = presets.scenarios.find(({ id }) => id === choose.value);
    unsent = null;
    const answer = await post("reset", { scenario: preset.scenario, speed });
    if (answer) took(answer);
  });
  const run = make("button", { type: "button", class: "solid run", onclick: () => { paused = !paused; paintControls(); steer({ paused }); } });
  const step = async () => {
    if (!paused) { paused = true; paintControls(); steer({ paused: true }); }
    const answer = await post("step", { events: 1 });
    if (answer) shown(answer);
  };
  const reset = async () => { const answer = await post("reset"); if (answer) took(answer); };
  const pace = make("input", { type: "range", id: "lab-speed", min: 0, max: speeds.length - 1, step: 1 });
  const paceWord = make("output", { for: "lab-speed" });
  const setSpeed = (next) => { speed = next; paintControls(); steer({ speed: next }); remember(); };
  pace.addEventListener("input", () => setSpeed(speeds[Number(pace.value)]));
  const hurry = (by) => {
    const at = speed === null ? speeds.length - 1 : speeds.findLastIndex((each) => each !== null && each <= speed);
    setSpeed(speeds[Math.max(0, Math.min(speeds.length - 1, at + by))]);
  };
  const clockFace = make("b", { class: "now" }, "00:00:00.0");
  const pacing = make("span", { class: "quiet pacing" });
  const share = make("button", { type: "button", onclick: async () => {
    context.remember({ preset: preset.id === presets.scenarios[0].id ? null : preset.id, set: pack(scenario, preset.scenario) || null, speed: speed === 1 ? null : speed ?? "max" });
    context.say((await copyText(location.href)) ? "The link is copied: it holds the whole scenario." : "The address of this page holds the whole scenario.", { kind: "good" });
  } }, "Share");
  const paintControls = () => {
    set(run, paused ? "Run" : "Pause");
    mark(run, "aria-pressed", paused ? "false" : "true");
    choose.value = preset.id;
    set(about, preset.about);
    const at = speed === null ? speeds.length - 1 : speeds.findLastIndex((each) => each !== null && each <= speed);
    pace.value = Math.max(0, at);
    set(paceWord, speedWord(speed));
    mark(pace, "aria-valuetext", speedWord(speed));
    const from = scenario?.arrivals.trace;
    set(traceSaid, !from ? "" : trace?.trace === from ? `${plural(trace.requests, "recorded request")}, ${span(trace.duration_s * 1000)}` : "a recorded trace");
    dropTrace.hidden = !from;
  };

  // MARK: Traces

  const file = make("input", { type: "file", id: "lab-trace", accept: ".jsonl,.json,.ndjson,.txt,application/json", class: "unseen" });
  const traceSaid = make("span", { class: "quiet", role: "status" });
  const dropTrace = make("button", { type: "button", class: "plain", hidden: true, onclick: () => change({ arrivals: { trace: null } }) }, "Without it");
  file.addEventListener("change", async () => {
    const chosen = file.files[0];
    file.value = "";
    if (!chosen) return;
    set(traceSaid, "Loading …");
    try {
      trace = await (await api.raw("api/lab/traces", { method: "POST", body: await chosen.text() })).json();
      steer({ scenario: { arrivals: { trace: trace.trace } } });
    } catch (error) {
      paintControls();
      context.say(error.message, { kind: "bad" });
    }
  });

  // MARK: By hand

  const priority = make("select", { "aria-label": "Priority" }, ...["urgent", "high", "normal", "low"].map((name) => make("option", { value: name, selected: name === "normal" }, name)));
  const tenant = make("select", { "aria-label": "Tenant" });
  const tokens = make("input", { type: "number", "aria-label": "Tokens", min: 1, max: 1_000_000, step: 1, value: 500, class: "narrow" });
  const amount = make("input", { type: "number", "aria-label": "How many", min: 1, max: 1000, step: 1, value: 5, class: "narrow" });
  const add = make("form", { class: "row adding", "aria-label": "Add messages", onsubmit: (event) => {
    event.preventDefault();
    post("add", { count: Number(amount.value), tokens: Number(tokens.value), priority: priority.value, tenant: tenant.value });
  } }, amount, priority, tenant, make("label", { class: "row" }, tokens, make("span", { class: "quiet" }, "tokens")), make("button", { type: "submit" }, "Add"));

  // MARK: Figures

  const figure = (label) => {
    const value = make("dd", {}, "–");
    return { element: make("div", {}, make("dt", {}, label), value), show: (text) => set(value, text) };
  };
  const figures = { arrived: figure("Arriving a second"), done: figure("Done a second"), tokens: figure("Tokens a second"), utilisation: figure("Slots used"), fairness: figure("Fairness"), missed: figure("Not done") };
  const reason = make("p", { class: "quiet reason" });
  const bucket = (label) => {
    const bar = meter(label);
    const text = make("span", { class: "quiet" }, "–");
    const element = make("div", { class: "bucket", hidden: true }, make("span", {}, label), bar.element, text);
    return { element, foresee(perMinute) { element.hidden = perMinute === null; }, show(one) {
      element.hidden = one === null;
      if (one === null) return;
      bar.update(Math.max(0, one.left ?? 0) / Math.max(1, one.capacity));
      set(text, `${whole(one.left)} of ${whole(one.capacity)}, + ${whole(one.per_minute)} a minute`);
    } };
  };
  const buckets = { requests: bucket("Requests left"), tokens: bucket("Tokens left") };

  const rowsOf = (names) => ({ head: make("thead", {}, make("tr", {}, ...names.map((name, i) => make("th", { scope: "col", class: i > 0 ? "number" : null }, name)))), body: make("tbody") });
  const line = (count) => () => make("tr", {}, make("th", { scope: "row" }), ...Array.from({ length: count }, () => make("td", { class: "number" })));
  const fillLine = (node, texts) => texts.forEach((text, i) => set(node.children[i], text));
  const classRows = rowsOf(["Class", "Waits", "Runs", "Done", "Wait, 50 %", "95 %"]);
  const tenantRows = rowsOf(["Tenant", "Weight", "Waits", "Runs", "Done", "Tokens"]);
  const seconds = (value) => (value === null ? "–" : span(value * 1000));

  const group = cursors();
  const wide = (title, series, more = {}) => chart({ title, series, time: false, group, ...more });
  const charts = {
    throughput: wide("Throughput, a second", [{ name: "arrived", kind: "c3" }, { name: "done", kind: "c4" }, { name: "not done", kind: "c5" }], { format: short }),
    waits: wide("Wait by class, s", [{ name: "urgent", kind: "c5" }, { name: "high", kind: "c2" }, { name: "normal", kind: "c1" }, { name: "low", kind: "c6" }], { format: short }),
    buckets: wide("Bucket levels", [{ name: "tokens", kind: "c1" }, { name: "requests", kind: "c2" }], { format: percent, ceiling: 1 }),
    tokens: wide("Tokens a second", [{ name: "done", kind: "c3" }], { format: short, shape: "area" }),
    utilisation: wide("Slots used", [{ name: "used", kind: "c4" }], { format: percent, shape: "area", ceiling: 1 }),
    queue: wide("Messages", [{ name: "pending", kind: "c2" }, { name: "processing", kind: "c1" }], { format: whole, shape: "area" }),
  };

  const panel = drawer((number) => api.get(`api/lab/sessions/${session}/messages/${number}`), () => {});
  const lanes = board((number) => panel.open(number));
  const form = settings(presets, change);
  const beside = comparison(context, presets, () => scenario);

  // MARK: Showing

  const shown = (next) => {
    if (view.gone) return;
    frame = next;
    lanes.show(frame, { moves: frame.paused || (frame.running_at ?? 0) <= movesTo });
    set(clockFace, simulated(frame.now_s));
    set(pacing, frame.paused ? "paused" : speed !== null && Math.abs(frame.running_at - speed) <= speed * 0.15 ? "" : `runs at ${short(frame.running_at)}×`);
    const { recent, counts } = frame;
    figures.arrived.show(short(recent.arrived));
    figures.done.show(short(recent.done));
    figures.tokens.show(short(recent.tokens));
    figures.utilisation.show(percent(recent.utilisation));
    figures.fairness.show(recent.fairness === null ? "–" : recent.fairness.toFixed(3));
    figures.missed.show(whole(counts.failed + counts.expired + counts.refused));
    set(reason, counts.pending === 0 ? "Nobody waits." : frame.breaker !== "closed" ? "The backend’s circuit is open: calls failed too often."
      : frame.waiting_reason ? `The first waits because ${why(frame.waiting_reason)}.` : "");
    buckets.requests.show(frame.buckets.requests);
    buckets.tokens.show(frame.buckets.tokens);
    reconcile(classRows.body, frame.classes, ({ priority: name }) => name, line(5), (node, one) =>
      fillLine(node, [one.priority, whole(one.pending), whole(one.processing), whole(one.done), seconds(one.wait_p50_s), seconds(one.wait_p95_s)]));
    reconcile(tenantRows.body, frame.tenants, ({ name }) => name, line(5), (node, one) =>
      fillLine(node, [one.name, short(one.weight), whole(one.pending), whole(one.processing), whole(one.done), short(one.tokens)]));
    reconcile(tenant, frame.tenants, ({ name }) => name, ({ name }) => make("option", { value: name }, name));
  };

  const drawn = (series) => {
    if (view.gone) return;
    const common = { from: series.from_s, step: series.step_s };
    const share = (values, one) => values.map((value) => (value === null || !one ? null : Math.max(0, value) / Math.max(1, one.capacity)));
    charts.throughput.update({ ...common, values: [series.arrived, series.done, series.missed] });
    charts.waits.update({ ...common, values: [series.wait_urgent, series.wait_high, series.wait_normal, series.wait_low] });
    charts.buckets.update({ ...common, values: [share(series.tokens_left, frame?.buckets.tokens), share(series.requests_left, frame?.buckets.requests)] });
    charts.tokens.update({ ...common, values: [series.tokens] });
    charts.utilisation.update({ ...common, values: [series.utilisation] });
    charts.queue.update({ ...common, values: [series.pending, series.processing] });
  };

  const describe = () => {
    if (!frame) return;
    set(spoken, `Simulated time ${simulated(frame.now_s)}. ${plural(frame.counts.pending, "message")} pending, ${whole(frame.counts.processing)} processing, ${whole(frame.counts.done)} done. ${reason.textContent}`);
  };
  const spoken = make("p", { class: "unseen", role: "status", id: "lab-spoken" });

  // MARK: Layout

  page.append(
    make("section", { class: "panel controls", "aria-label": "Simulation" },
      make("div", { class: "row" }, make("label", { class: "unseen", for: "lab-preset" }, "Scenario"), choose, about, make("span", { class: "spring" }), share,
        make("label", { class: "button", for: "lab-trace" }, "Load a trace"), file, traceSaid, dropTrace),
      make("div", { class: "row" }, run, make("button", { type: "button", onclick: step, title: "The next thing that happens (n)" }, "Step"), make("button", { type: "button", onclick: reset, title: "From the beginning (0)" }, "Reset"),
        make("label", { class: "row pace", for: "lab-speed" }, make("span", { class: "quiet" }, "Speed"), pace, paceWord), make("span", { class: "spring" }), pacing, clockFace)),
    make("div", { class: "bench" },
      make("div", { class: "panel side-settings" }, form.element),
      make("div", { class: "stage" },
        make("dl", { class: "figures panel" }, ...Object.values(figures).map(({ element }) => element)),
        make("div", { class: "row levels" }, buckets.requests.element, buckets.tokens.element, reason),
        lanes.element,
        make("div", { class: "row" }, make("h3", {}, "Add messages"), add))),
    make("div", { class: "charts" }, ...Object.values(charts).map(({ element }) => make("div", { class: "panel" }, element))),
    make("div", { class: "books" },
      make("section", { class: "panel scroll", tabindex: "0", "aria-label": "By class" }, make("table", { class: "table" }, make("caption", { class: "unseen" }, "By class"), classRows.head, classRows.body)),
      make("section", { class: "panel scroll", tabindex: "0", "aria-label": "By tenant" }, make("table", { class: "table" }, make("caption", { class: "unseen" }, "By tenant"), tenantRows.head, tenantRows.body))),
    beside.element, panel.element, spoken);

  context.keys({
    r: { label: "Run, pause", run: () => run.click() },
    n: { label: "Next step", run: step, repeats: true },
    0: { label: "From the beginning", run: reset },
    "+": { label: "Faster", run: () => hurry(1) },
    "-": { label: "Slower", run: () => hurry(-1) },
    c: { label: "Compare policies", run: () => { beside.element.scrollIntoView({ block: "start" }); beside.run(); } },
    d: { label: "Describe what is seen", run: describe },
  });

  const timer = setInterval(() => panel.refresh(), refreshDrawer);
  const start = (from) => {
    const asked = wanted(from);
    ({ preset, scenario, speed } = asked);
    form.show(scenario);
    // Room for what comes with the first frame.
    buckets.requests.foresee(scenario.requests_per_minute ?? null);
    buckets.tokens.foresee(scenario.tokens_per_minute ?? null);
    paintControls();
  };
  view.update = async (next) => {
    const asked = wanted(next);
    const isSame = asked.preset === preset && asked.speed === speed && JSON.stringify(asked.scenario) === JSON.stringify(scenario);
    if (isSame) return;
    start(next);
    if (!session) return open();
    const answer = await post("reset", { scenario, speed });
    if (answer) took(answer);
  };
  view.escape = () => panel.hide();
  view.leave = () => {
    clearInterval(timer);
    remember.stop();
    sendSoon.stop();
    lanes.close();
    for (const one of Object.values(charts)) one.unmount();
    if (session) api.delete(`api/lab/sessions/${session}`, { keepalive: true }).catch(() => {});
  };
  start(parameters);
  open();
};
