// Who is alive, since when, doing what: gateways, dispatchers, producers; and how the backends answer.
import { make, mark, reconcile, set, setTag, tag } from "./dom.js";
import { ago, clock, dash, percent, short, span, whole } from "./format.js";

export const title = "Fleet";

const aliveKind = (one) => (one.alive === false || ["gone", "dead", "lost"].includes(one.state) ? "failed" : one.state === "draining" ? "draining" : "alive");
const aliveWord = (one) => one.state ?? (one.alive ? "alive" : "gone");
const since = (one) => (one.since_at ? `${clock(one.since_at)}, ${ago(one.since_at)}` : dash);

const state = { name: "State", tag: (one) => [aliveKind(one), aliveWord(one)] };
const sets = [
  { key: "dispatchers", title: "Dispatchers", none: "No dispatcher is registered: this gateway runs its work itself.", columns: [{ name: "Dispatcher", text: (one) => one.id }, state,
    { name: "Since", text: since, wide: true }, { name: "Last seen", text: (one) => ago(one.last_seen_at), wide: true }, { name: "In flight", number: true, text: (one) => (one.slots ? `${whole(one.in_flight)} / ${whole(one.slots)}` : whole(one.in_flight)) },
    { name: "Pools", text: (one) => one.pools?.join(", ") || dash, wide: true }, { name: "Version", text: (one) => one.version ?? dash, wide: true }] },
  { key: "gateways", title: "Gateways", none: "No gateway is known.", columns: [{ name: "Gateway", text: (one) => one.id }, state, { name: "Since", text: since, wide: true },
    { name: "Last seen", text: (one) => ago(one.last_seen_at), wide: true }, { name: "In flight", number: true, text: (one) => whole(one.in_flight) }, { name: "Version", text: (one) => one.version ?? dash, wide: true }] },
  { key: "producers", title: "Producers", none: "No producer has sent anything over the fabric.", columns: [{ name: "Producer", text: (one) => one.id }, state, { name: "Since", text: since, wide: true },
    { name: "In flight", number: true, text: (one) => whole(one.in_flight) }, { name: "Waiting", number: true, text: (one) => whole(one.waiting) }] },
  { key: "backends", title: "Backends", none: "No backend is configured.", columns: [{ name: "Backend", text: (one) => one.id, hint: (one) => one.address }, { name: "Provider", text: (one) => one.provider ?? dash, wide: true },
    { name: "Circuit", tag: (one) => [one.breaker ?? "unknown", one.breaker ?? "unknown"] }, { name: "In flight", number: true, text: (one) => whole(one.in_flight), wide: true },
    { name: "Requests", number: true, text: (one) => short(one.requests), wide: true }, { name: "Failures", number: true, text: (one) => `${short(one.failures)} (${percent(one.error_rate, 1)})` },
    { name: "First token, half", number: true, text: (one) => span(one.first_token_p50_ms), wide: true }, { name: "Half below", number: true, text: (one) => span(one.p50_ms), wide: true }, { name: "95 % below", number: true, text: (one) => span(one.p95_ms) }] },
];

const table = ({ title: name, none, columns }) => {
  const rows = make("tbody", {});
  const count = make("span", { class: "quiet" });
  const nothing = make("p", { class: "quiet" }, "Asking …");
  const whole_ = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": name }, make("table", { class: "table fleet" }, make("thead", {}, make("tr", {}, ...columns.map((column) =>
    make("th", { scope: "col", class: `${column.number ? "number" : ""} ${column.wide ? "wide" : ""}` }, column.name)))), rows));
  const element = make("section", { class: "panel" }, make("header", {}, make("h2", {}, name), count), nothing, whole_);
  return { element, show(list) {
    set(count, list.length > 0 ? whole(list.length) : "");
    nothing.hidden = list.length > 0;
    set(nothing, none);
    whole_.hidden = list.length === 0;
    reconcile(rows, list, (one) => one.id, () => make("tr", {}, ...columns.map((column) => make("td", { class: `${column.number ? "number" : ""} ${column.wide ? "wide" : ""}` }, column.tag ? tag("unknown") : ""))),
      (row, one) => columns.forEach((column, i) => {
        const cell = row.children[i];
        if (column.tag) setTag(cell.firstChild, ...column.tag(one));
        else { const text = column.text(one); set(cell, text); mark(cell, "title", column.hint?.(one) ?? text); }
      }));
  } };
};

export const mount = (root, context) => {
  const tables = new Map(sets.map((each) => [each.key, table(each)]));
  const box = make("div", { class: "grow", hidden: true }, ...[...tables.values()].map((each) => each.element));
  root.append(box);
  context.live.poll(async (signal) => {
    const fleet = await context.api.get("api/fleet", { signal });
    box.hidden = false;
    context.note(fleet.fabric_error ? `The fabric cannot be asked: ${fleet.fabric_error}` : "");
    for (const [key, view] of tables) view.show((fleet[key] ?? []).map((one) => (typeof one === "string" ? { id: one } : one)));
  }, 2);
  return { unmount() {} };
};
