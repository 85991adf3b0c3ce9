// Who did what, when, with what effect; what can be undone is undone from here.
import { empty, make, redraw, set, tag } from "./dom.js";
import { clock, plain, whole } from "./format.js";
import { pager } from "./pager.js";
import { query } from "./api.js";

export const title = "Audit";

// Of many ids the first say enough; the audit's file has them all.
const mostNamed = 5;
const one = (value) => (Array.isArray(value) ? [...value.slice(0, mostNamed).map(one), ...(value.length > mostNamed ? [`and ${value.length - mostNamed} more`] : [])].join(", ") : typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
const words = (value) => (value === null || value === undefined ? "" : typeof value === "object" && !Array.isArray(value) ? Object.entries(value).map(([name, each]) => `${plain(name)}: ${one(each)}`).join(", ") : one(value));
const objectLink = (object) => {
  const text = String(object ?? "");
  if (/^req_/.test(text)) return make("a", { class: "mono", href: `#/requests/${encodeURIComponent(text)}`, title: text }, `…${text.slice(-9)}`);
  return make("span", {}, text || "–");
};

export const mount = (root, context, parameters) => {
  let state = { who: "", action: "", ...parameters };
  const body = make("tbody", {});
  const note = make("span", { class: "count" });
  const more = make("button", { type: "button", onclick: () => pages.more() }, "Older …");
  const nothing = make("div", {});
  const table = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Entries" }, make("table", { class: "table audit" }, make("thead", {}, make("tr", {}, ...["When", "Who", "What", "On", "Before → after", "Undo"].map((name, i) => make("th", { scope: "col", class: i === 4 ? "wide" : i === 5 ? "number" : null }, name)))), body));
  const field = (name, label) => {
    const input = make("input", { type: "search", "data-filter": name === "who", autocomplete: "off", spellcheck: "false", "aria-label": label, placeholder: label, onchange: () => {
      state[name] = input.value.trim();
      context.remember({ [name]: state[name] });
      again();
    } });
    input.value = state[name];
    return input;
  };
  const who = field("who", "Who");
  const action = field("action", "What, such as pool.pause");
  const path = (values) => `api/audit${query({ who: state.who, action: state.action, limit: 100, ...values })}`;

  const row = (entry) => make("tr", {}, make("td", {}, clock(entry.at)), make("td", { title: entry.client }, entry.who ?? "anybody", make("span", { class: "quiet" }, ` ${entry.role ?? ""}`)),
    make("td", {}, entry.action), make("td", {}, objectLink(entry.object), entry.count > 1 ? make("span", { class: "quiet" }, ` ${whole(entry.count)} of them`) : ""),
    make("td", { class: "wide", title: `${words(entry.before)} → ${words(entry.after)}` }, entry.before || entry.after ? `${words(entry.before) || "–"} → ${words(entry.after) || "–"}` : ""),
    make("td", { class: "number" }, entry.undone ? tag("cancelled", "undone") : entry.undoable ? undo(entry) : ""));
  const undo = (entry) => {
    const button = context.action({ label: "Undo …", run: async () => {
      const sure = await context.confirm({ title: "Undo this?", yes: "Undo it", text: `${entry.action} on ${entry.object} by ${entry.who ?? "anybody"}. What it was before comes back.`, details: entry.before ? [make("p", { class: "mono" }, words(entry.before))] : [] });
      if (sure && await context.attempt(() => context.api.post(`api/audit/${encodeURIComponent(entry.id)}/undo`), "Undone.")) again();
    } });
    button.setAttribute("aria-label", `Undo ${entry.action} on ${entry.object} at ${clock(entry.at)}`);
    return button;
  };
  const show = () => {
    const { rows } = pages;
    panel.hidden = false;
    more.hidden = !pages.hasMore;
    redraw(body, rows, () => rows.map(row));
    const none = rows.length > 0 ? null : state.who || state.action ? "Nobody has done that here." : "Nobody has done anything here yet.";
    redraw(nothing, none, () => (none ? [empty(none)] : []));
    table.hidden = rows.length === 0;
    set(note, pages.hasMore || pages.isCut ? `newest ${whole(rows.length)}` : `${whole(rows.length)} in all`);
  };
  const pages = pager({ get: (values, signal) => context.api.get(path(values), { signal }), show, fault: (error) => context.say(error.message, { kind: "bad" }) });
  const again = () => { pages.reset(); feed.anew(); };
  // Not shown before the first answer: there is nothing to page through yet, and why none comes is said under the heading.
  const panel = make("section", { class: "panel", "aria-label": "Audit", hidden: true }, table, nothing, more);
  root.append(make("div", { class: "row controls" }, who, action, make("span", { class: "spring" }), note), panel);
  const feed = context.live.poll(async (signal) => { if (await pages.first(signal)) show(); }, 3);
  return { update(next) { state = { who: "", action: "", ...next }; who.value = state.who; action.value = state.action; again(); }, unmount() {} };
};
