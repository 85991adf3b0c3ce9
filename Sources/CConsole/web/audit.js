// Who did what, when, with what effect; what can be undone is undone from here.
import { empty, make, tag } from "./dom.js";
import { clock, plain, whole } from "./format.js";
import { query } from "./api.js";

export const title = "Audit";

const words = (value) => (value === null || value === undefined ? "" : typeof value === "object" ? Object.entries(value).map(([name, each]) => `${plain(name)}: ${typeof each === "object" ? JSON.stringify(each) : each}`).join(", ") : String(value));
const objectLink = (object) => {
  const text = String(object ?? "");
  if (/^req_/.test(text)) return make("a", { class: "mono", href: `#/requests/${encodeURIComponent(text)}`, title: text }, `…${text.slice(-9)}`);
  return make("span", {}, text || "–");
};

export const mount = (root, context, parameters) => {
  let state = { who: "", action: "", ...parameters };
  let rows = [];
  let cursor = null;
  let drawn = "";
  const body = make("tbody", {});
  const note = make("span", { class: "count" });
  const more = make("button", { type: "button", onclick: () => older() }, "Older …");
  const nothing = make("div", {});
  const table = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "Entries" }, make("table", { class: "table audit" }, make("thead", {}, make("tr", {}, ...["When", "Who", "What", "On", "Before → after", "Undo"].map((name, i) => make("th", { scope: "col", class: i === 4 ? "wide" : i === 5 ? "number" : null }, name)))), body));
  const field = (name, label) => {
    const input = make("input", { type: "search", "data-filter": name === "who", autocomplete: "off", spellcheck: "false", "aria-label": label, placeholder: label, onchange: () => {
      state[name] = input.value.trim();
      context.remember({ [name]: state[name] });
      rows = [];
      feed.now();
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
      if (sure && await context.attempt(() => context.api.post(`api/audit/${encodeURIComponent(entry.id)}/undo`), "Undone.")) { rows = []; feed.now(); }
    } });
    button.setAttribute("aria-label", `Undo ${entry.action} on ${entry.object} at ${clock(entry.at)}`);
    return button;
  };
  const show = () => {
    const next = JSON.stringify(rows);
    more.hidden = !cursor;
    if (next === drawn) return;
    drawn = next;
    const focused = body.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
    body.replaceChildren(...rows.map(row));
    if (focused) [...body.querySelectorAll("button")].find((button) => button.getAttribute("aria-label") === focused)?.focus();
    nothing.replaceChildren(...(rows.length === 0 ? [empty("Nobody has done anything here yet.")] : []));
    table.hidden = rows.length === 0;
    note.textContent = cursor ? `newest ${whole(rows.length)}` : `${whole(rows.length)} in all`;
  };
  const older = async () => {
    try {
      const page = await context.api.get(path({ cursor }));
      rows = [...rows, ...page.rows];
      cursor = page.next_cursor;
      show();
    } catch (error) { context.say(error.message, { kind: "bad" }); }
  };
  root.append(make("div", { class: "row controls" }, who, action, make("span", { class: "spring" }), note), make("section", { class: "panel", "aria-label": "Audit" }, table, nothing, more));
  const feed = context.live.poll(async (signal) => {
    const page = await context.api.get(path(), { signal });
    if (rows.length <= 100) { rows = page.rows; cursor = page.next_cursor; }
    show();
  }, 3, (error) => nothing.replaceChildren(empty(error.message)));
  return { update(next) { state = { who: "", action: "", ...next }; who.value = state.who; action.value = state.action; rows = []; feed.now(); }, unmount() {} };
};
