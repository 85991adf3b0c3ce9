// Everything that can be set, as sliders with a figure beside each. `change(part)` is told what was moved, in the
// scenario's own words; `show(scenario)` sets all of it without telling anybody.
import { make, mark, reconcile, set } from "./dom.js";
import { plain } from "./format.js";

let count = 0;
const at = (scenario, path) => path.split(".").reduce((value, name) => value?.[name], scenario);
const part = (path, value) => path.split(".").reduceRight((inner, name) => ({ [name]: inner }), value);

// A slider over powers where the range is wide: it is the position that is even, not the value.
const scales = {
  even: { to: (value) => value, from: (place) => place },
  wide: { to: (value) => Math.log10(Math.max(value, 1e-9)), from: (place) => 10 ** place },
};

const tidy = (value, step) => {
  if (Number.isInteger(step)) return Math.round(value);
  const digits = value === 0 ? 3 : Math.max(0, Math.min(4, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return Number(value.toFixed(digits));
};

// `off`: the field may be empty, which stands for null.
const knob = ({ path, label, least, most, step = 0.01, wide = false, off = null, hint = null }, change) => {
  const id = `lab-${++count}`;
  const scale = wide ? scales.wide : scales.even;
  const low = wide ? Math.max(least, step) : least;
  const slider = make("input", { type: "range", id: `${id}-slider`, min: scale.to(low), max: scale.to(most), step: wide ? 0.01 : step, "aria-label": label, "data-path": path });
  const field = make("input", { type: "number", id, min: least, max: most, step: Number.isInteger(step) ? step : "any", placeholder: off, autocomplete: "off" });
  const describe = (value) => mark(slider, "aria-valuetext", value === null || value === undefined ? off ?? "off" : String(value));
  slider.addEventListener("input", () => {
    const value = tidy(scale.from(Number(slider.value)), step);
    field.value = value;
    describe(value);
    change(part(path, value));
  });
  field.addEventListener("change", () => {
    if (field.value === "" && off !== null) { describe(null); return change(part(path, null)); }
    const value = Number(field.value);
    if (field.value === "" || !field.checkValidity() || Number.isNaN(value)) { field.setAttribute("aria-invalid", "true"); return; }
    field.removeAttribute("aria-invalid");
    slider.value = scale.to(value);
    describe(value);
    change(part(path, value));
  });
  return {
    element: make("div", { class: "knob" }, make("label", { for: id, title: hint }, label), slider, field),
    show(scenario) {
      const value = at(scenario, path);
      field.removeAttribute("aria-invalid");
      if (document.activeElement !== field) field.value = value ?? "";
      if (document.activeElement !== slider || !slider.matches(":active")) slider.value = scale.to(value ?? most);
      describe(value);
    },
  };
};

const choice = ({ path, label, options }, change) => {
  const id = `lab-${++count}`;
  const select = make("select", { id, "data-path": path }, ...options.map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => change(part(path, select.value)));
  return { element: make("div", { class: "knob choice" }, make("label", { for: id }, label), select), show(scenario) { select.value = at(scenario, path) ?? ""; } };
};

const toggle = ({ path, label }, change) => {
  const box = make("input", { type: "checkbox", "data-path": path, onchange: () => change(part(path, box.checked)) });
  return { element: make("label", { class: "field check" }, box, make("span", {}, label)), show(scenario) { box.checked = Boolean(at(scenario, path)); } };
};

const group = (title, controls, open = false, ...more) =>
  make("details", { class: "group", open }, make("summary", {}, title), make("div", { class: "knobs" }, ...controls.map(({ element }) => element), ...more));

// MARK: Tenants

const tenantsGroup = (change, most) => {
  let tenants = [];
  const body = make("tbody");
  const tell = () => change({ tenants: tenants.map((tenant) => ({ ...tenant })) });
  const number = (label, name, least) => make("input", { type: "number", "aria-label": label, min: least, max: 1000, step: "any", "data-field": name });
  const build = (tenant) => {
    const { name } = tenant;
    const find = () => tenants.find((each) => each.name === name);
    const weight = number(`Weight of ${name}`, "weight", 0.001);
    const share = number(`Share of the arrivals of ${name}`, "share", 0);
    for (const field of [weight, share]) {
      field.addEventListener("change", () => {
        const one = find();
        if (!one || field.value === "" || !field.checkValidity()) { field.setAttribute("aria-invalid", "true"); return; }
        field.removeAttribute("aria-invalid");
        one[field.dataset.field] = Number(field.value);
        tell();
      });
    }
    const remove = make("button", { type: "button", class: "plain", "aria-label": `Remove ${name}`, title: `Remove ${name}`, onclick: () => {
      tenants = tenants.filter((each) => each.name !== name);
      tell();
      show();
    } }, "✕");
    return make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, weight), make("td", {}, share), make("td", {}, remove));
  };
  const show = () => reconcile(body, tenants, ({ name }) => name, build, (node, tenant) => {
    for (const field of node.querySelectorAll("input")) if (document.activeElement !== field) field.value = tenant[field.dataset.field];
    node.querySelector("button").disabled = tenants.length < 2;
  });
  const add = make("button", { type: "button", onclick: () => {
    const taken = new Set(tenants.map(({ name }) => name));
    let n = tenants.length + 1;
    while (taken.has(`tenant-${n}`)) n += 1;
    if (tenants.length < most) tenants = [...tenants, { name: `tenant-${n}`, weight: 1, share: 1 }];
    tell();
    show();
  } }, "Add a tenant");
  const element = make("div", { class: "tenants" }, make("table", { class: "table" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Tenant"), make("th", { scope: "col" }, "Weight"), make("th", { scope: "col" }, "Arrivals"), make("th", { scope: "col" }, make("span", { class: "unseen" }, "Remove")))),
    body), add);
  return { element, show(scenario) { tenants = scenario.tenants.map((tenant) => ({ ...tenant })); add.disabled = tenants.length >= most; show(); } };
};

// MARK: All of it

const weights = [
  ["priority", "Priority", "More for urgent requests"], ["efficiency", "Efficiency", "More for those that use 70 to 90 % of the tokens left"],
  ["wait_time", "Waiting time", "Grows while a request waits"], ["retry", "Retries", "Less for each call that failed"],
  ["token_fit", "Token fit", "More for those that use 10 to 50 % of the tokens left"], ["processing_time", "Processing time", "More for short work"],
];

export const settings = (presets, change) => {
  const names = presets.policies.map(({ id }) => [id, plain(id.replaceAll("-", " "))]);
  const policy = choice({ path: "policy", label: "Policy", options: [...names, ["custom", "your own weights"]] }, change);
  const about = make("p", { class: "quiet small" });
  // A preset's weights cannot be moved without leaving it: the first move begins from what it has.
  const move = (moved) => {
    const preset = presets.policies.find(({ id }) => id === current.policy);
    change(current.policy === "custom" ? moved : { policy: "custom", weights: { ...(preset?.weights ?? current.weights), ...moved.weights } });
  };
  const scorers = weights.map(([name, label, hint]) => knob({ path: `weights.${name}`, label, hint, least: 0, most: 2, step: 0.01 }, move));
  // The figure takes more than the slider shows.
  for (const { element } of scorers) element.querySelector("input[type=number]").max = 1000;
  let current = {};
  const all = [];
  const take = (...controls) => { all.push(...controls); return controls; };
  const tenants = tenantsGroup(change, presets.bounds.tenants);
  const element = make("form", { class: "settings", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    group("Policy and weights", [policy, { element: about }, ...scorers,
      ...take(knob({ path: "max_wait_s", label: "By age after, s", least: 1, most: 3600, step: 1, wide: true, hint: "Who has waited longer is served by age alone" }, change),
        knob({ path: "candidates", label: "Candidates", least: 1, most: 200, step: 1, hint: "Requests that are scored beyond the first of each kind" }, change))], true),
    group("Limits and slots", take(
      knob({ path: "slots", label: "Slots", least: 1, most: 128, step: 1 }, change),
      knob({ path: "requests_per_minute", label: "Requests a minute", least: 1, most: 6000, step: 1, wide: true, off: "none" }, change),
      knob({ path: "tokens_per_minute", label: "Tokens a minute", least: 100, most: 2_000_000, step: 1, wide: true, off: "none" }, change),
      knob({ path: "burst_requests", label: "Burst, requests", least: 1, most: 6000, step: 1, wide: true, off: "auto", hint: "Capacity of the bucket; auto: a minute’s" }, change),
      knob({ path: "burst_tokens", label: "Burst, tokens", least: 100, most: 4_000_000, step: 1, wide: true, off: "auto", hint: "Capacity of the bucket; auto: a minute’s" }, change),
      choice({ path: "limit_mode", label: "Kept", options: [["smooth", "on average, with bursts"], ["strict", "in any 60 s"]] }, change)), true),
    group("Arrivals", take(
      choice({ path: "arrivals.pattern", label: "Pattern", options: [["poisson", "independent"], ["bursty", "in bursts"], ["diurnal", "by day and night"], ["none", "only by hand"]] }, change),
      knob({ path: "arrivals.rate", label: "Requests a second", least: 0.01, most: 100, step: 0.01, wide: true }, change),
      knob({ path: "arrivals.pace", label: "Pace of a trace", least: 0.1, most: 100, step: 0.01, wide: true, hint: "How many times faster than it was recorded" }, change),
      toggle({ path: "arrivals.repeat", label: "Begin a trace again at its end" }, change)), true),
    group("Tenants", [tenants, ...take(
      toggle({ path: "fair", label: "Serve tenants in turn, by weight" }, change),
      knob({ path: "tenant_in_flight", label: "At once, each", least: 1, most: 128, step: 1, off: "any" }, change))]),
    group("Requests", take(
      ...["urgent", "high", "normal", "low"].map((name) => knob({ path: `priorities.${name}`, label: `Share of ${name}`, least: 0, most: 10, step: 0.1 }, change)),
      knob({ path: "lengths.prompt", label: "Prompt, tokens", least: 1, most: 100_000, step: 1, wide: true }, change),
      knob({ path: "lengths.completion", label: "Completion, tokens", least: 1, most: 20_000, step: 1, wide: true }, change),
      knob({ path: "lengths.spread", label: "Spread", least: 0, most: 2, step: 0.05 }, change),
      knob({ path: "lengths.long_share", label: "Share of documents", least: 0, most: 1, step: 0.01 }, change),
      knob({ path: "lengths.long_prompt", label: "Their prompt", least: 1, most: 100_000, step: 1, wide: true }, change),
      knob({ path: "lengths.long_completion", label: "Their completion", least: 1, most: 20_000, step: 1, wide: true }, change),
      knob({ path: "deadline_s", label: "Clients wait, s", least: 0.1, most: 3600, step: 0.1, wide: true, off: "for ever" }, change),
      knob({ path: "estimate_error", label: "Error of estimates", least: 0, most: 2, step: 0.05 }, change))),
    group("Backend", take(
      knob({ path: "backend.token_speed", label: "Tokens a second", least: 0.1, most: 1000, step: 0.1, wide: true }, change),
      knob({ path: "backend.prompt_speed", label: "Prompt, tokens a second", least: 1, most: 100_000, step: 1, wide: true }, change),
      knob({ path: "backend.overhead_ms", label: "Overhead, ms", least: 0, most: 5000, step: 10 }, change),
      knob({ path: "backend.slow_down", label: "Slower when full", least: 0, most: 5, step: 0.1 }, change),
      knob({ path: "failure_rate", label: "Calls that fail", least: 0, most: 1, step: 0.01 }, change))),
    group("Beginning", take(knob({ path: "seed", label: "Seed", least: 0, most: 1000, step: 1, hint: "Another seed begins anew" }, change))));
  return {
    element,
    show(scenario) {
      current = scenario;
      const preset = presets.policies.find(({ id }) => id === scenario.policy);
      set(about, preset ? `${preset.explanation}.` : "Scores by the weights below.");
      policy.show(scenario);
      tenants.show(scenario);
      const shown = preset?.weights ? { ...scenario, weights: preset.weights } : scenario;
      for (const each of scorers) each.show(shown);
      for (const { element: each } of scorers) mark(each, "data-unused", preset !== undefined && preset.weights === null);
      for (const each of all) each.show(scenario);
    },
  };
};
