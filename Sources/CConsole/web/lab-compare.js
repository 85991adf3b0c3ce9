// Policies side by side on the same arrivals: a table of figures, and how each went over time.
import { chart, cursors } from "./chart.js";
import { make, set } from "./dom.js";
import { percent, plain, short, span, whole } from "./format.js";

const classes = ["urgent", "high", "normal", "low"];
const colours = ["c1", "c2", "c3", "c4"];
const seconds = (value) => (value === null || value === undefined ? "–" : span(value * 1000));

// What is better: less or more. The best of a row is marked, and said.
const rows = [
  ...classes.map((name) => ({ label: `Wait of ${name}, 95 %`, read: (run) => wait(run, "priority", name)?.p95_s, show: seconds, better: "less" })),
  { label: "Wait of all, mean", read: (run) => wait(run, "all", "all")?.mean_s, show: seconds, better: "less" },
  { label: "Wait of all, longest", read: (run) => wait(run, "all", "all")?.longest_s, show: seconds, better: "less" },
  { label: "Done a second", read: (run) => run.goodput, show: short, better: "more" },
  { label: "Tokens a second", read: (run) => run.token_goodput, show: short, better: "more" },
  { label: "Slots used", read: (run) => run.utilisation, show: (value) => percent(value, 1), better: null },
  { label: "Idle though somebody could start", read: (run) => run.idle, show: (value) => percent(value, 1), better: "less" },
  { label: "Fairness between tenants", read: (run) => run.fairness, show: (value) => (value === null ? "–" : value.toFixed(3)), better: "more" },
  { label: "Not done in time", read: (run) => run.missed, show: whole, better: "less" },
];
const wait = (run, kind, name) => run.waits.find((each) => each.kind === kind && each.name === name)
  ?? (kind === "priority" ? undefined : run.waits[0]);

const table = (runs) => make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Comparison" },
  make("table", { class: "table comparison" },
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, make("span", { class: "unseen" }, "Figure")), ...runs.map((run, i) =>
      make("th", { scope: "col", class: "number", "data-kind": colours[i] }, make("i", { class: "dot", "aria-hidden": "true" }), plain(run.name))))),
    make("tbody", {}, ...rows.map(({ label, read, show, better }) => {
      const values = runs.map((run) => read(run) ?? null);
      const known = values.filter((value) => value !== null);
      const best = better === null || known.length < 2 ? null : better === "less" ? Math.min(...known) : Math.max(...known);
      const isTold = best !== null && known.some((value) => Math.abs(value - best) > 1e-9 + Math.abs(best) * 0.001);
      return make("tr", {}, make("th", { scope: "row" }, label), ...values.map((value) => {
        const isBest = isTold && value !== null && Math.abs(value - best) <= 1e-9 + Math.abs(best) * 0.001;
        return make("td", { class: isBest ? "number best" : "number" }, show(value), isBest ? make("span", { class: "unseen" }, ", best") : null);
      }));
    }))));

export const comparison = (context, presets, scenario) => {
  const choices = [...presets.policies.map(({ id }) => ({ id, label: plain(id.replaceAll("-", " ")) })), { id: "set", label: "as it is set now" }];
  const preferred = new Set(["fifo", "priority", "default"]);
  const boxes = choices.map(({ id, label }) => {
    const box = make("input", { type: "checkbox", value: id, checked: preferred.has(id) });
    box.addEventListener("change", () => judge());
    return { box, element: make("label", { class: "field check" }, box, make("span", {}, label)) };
  });
  const amount = make("input", { type: "number", min: 1, max: presets.bounds.run_requests, step: 1, value: 5000, id: "lab-requests" });
  const go = make("button", { type: "submit", class: "solid" }, "Compare");
  const said = make("p", { class: "quiet", role: "status" });
  const result = make("div", { class: "result" });
  const chosen = () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  const judge = () => {
    const count = chosen().length;
    const few = count < 2 || count > presets.bounds.run_policies;
    go.disabled = few;
    set(said, few ? `Choose 2 to ${presets.bounds.run_policies} policies.` : "");
  };

  const show = (answer) => {
    const group = cursors();
    const { runs } = answer;
    const lines = (title, read, format) => {
      const view = chart({ title, series: runs.map((run, i) => ({ name: plain(run.name), kind: colours[i] })), format, time: false, group });
      const step = Math.max(...runs.map((run) => run.series.step_s));
      // Runs end at different times: one step for all, from the beginning.
      const values = runs.map((run) => Array.from({ length: 120 }, (_, i) => {
        const at = Math.floor(((i + 0.5) * step) / run.series.step_s);
        return at < 120 ? read(run.series)[at] ?? null : null;
      }));
      view.update({ from: 0, step, values });
      return view.element;
    };
    result.replaceChildren(
      make("p", { class: "quiet" }, `${whole(answer.requests)} requests, the same for each; simulated in ${span(answer.took_ms)}.`),
      table(runs),
      make("div", { class: "charts" }, lines("Waiting requests", (series) => series.pending, whole), lines("Mean wait of urgent, s", (series) => series.wait_urgent, short),
        lines("Mean wait of low, s", (series) => series.wait_low, short), lines("Done a second", (series) => series.done, short)));
  };

  const run = async () => {
    const base = scenario();
    const policies = chosen().map((id) => (id === "set" ? { name: "as set", policy: base.policy, weights: base.weights, fair: base.fair } : { name: id, policy: id, fair: !["fifo", "priority"].includes(id) }));
    const requests = Math.min(Number(amount.value) || 5000, Math.floor(presets.bounds.run_requests / policies.length));
    go.disabled = true;
    set(said, "Simulating …");
    try {
      show(await context.api.post("api/lab/runs", { scenario: base, policies, requests }));
      set(said, "");
    } catch (error) {
      set(said, error.message);
    } finally {
      go.disabled = false;
    }
  };
  const element = make("section", { class: "panel compare", "aria-labelledby": "compare-title" },
    make("header", {}, make("h2", { id: "compare-title" }, "Policies side by side"), make("span", { class: "quiet" }, "the same arrivals for each, from beginning to end")),
    make("form", { class: "row policies", onsubmit: (event) => { event.preventDefault(); run(); } },
      ...boxes.map(({ element: each }) => each), make("span", { class: "spring" }),
      make("label", { class: "row", for: "lab-requests" }, make("span", { class: "quiet" }, "Requests"), amount), go),
    said, result);
  judge();
  return { element, run };
};
