// The keyboard. Keys of everywhere are set here, keys of a page by `context.keys({r: {label, run}})` until it goes.
// Uppercase is dangerous by agreement. Nothing happens while somebody types or a dialog asks.
import { make } from "./dom.js";

const everywhere = new Map();
const ofPage = new Map();
const pages = new Map(); // after g
let waitsForPage = 0;

export const keys = {
  everywhere(bindings) { for (const [name, binding] of Object.entries(bindings)) everywhere.set(name, binding); },
  // A view's keys take the place of those of the view before it.
  page(bindings) { ofPage.clear(); for (const [name, binding] of Object.entries(bindings)) ofPage.set(name, binding); },
  clear() { ofPage.clear(); },
  go(name, label, run) { pages.set(name, { label, run }); },
};

const types = (node) => node?.closest?.("input, textarea, select, [contenteditable]");

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  if (types(event.target)) {
    if (event.key === "Escape" && event.target.matches("input:not([type=checkbox]), textarea") && !event.defaultPrevented) event.target.blur();
    return;
  }
  if (waitsForPage > performance.now()) {
    waitsForPage = 0;
    const page = pages.get(event.key);
    if (page) { event.preventDefault(); page.run(); }
    return;
  }
  if (event.key === "g" && !event.repeat) { waitsForPage = performance.now() + 1500; return; }
  const binding = ofPage.get(event.key) ?? everywhere.get(event.key);
  if (!binding || event.defaultPrevented) return;
  if (event.key === "Enter" && event.target.closest("a, button, summary")) return;
  if (event.repeat && !binding.repeats) return;
  event.preventDefault();
  binding.run(event);
});

const names = { " ": "Space", ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };
const list = (bindings, prefix = "") => make("dl", { class: "keys" }, ...[...bindings].filter(([, { label }]) => label).map(([name, { label }]) =>
  make("div", { class: /^[A-Z]$/.test(name) ? "dangerous" : null },
    make("dt", {}, prefix ? make("kbd", {}, prefix) : null, make("kbd", {}, names[name] ?? name)), make("dd", {}, label))));

export const showKeys = () => {
  const close = make("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Close");
  const dialog = make("dialog", { class: "ask sheet", "aria-labelledby": "keys-title" },
    make("h2", { id: "keys-title" }, "Keys"),
    make("div", { class: "columns" },
      make("section", {}, make("h3", {}, "On this page"), ofPage.size > 0 ? list(ofPage) : make("p", { class: "quiet" }, "None of its own.")),
      make("section", {}, make("h3", {}, "Everywhere"), list(everywhere)),
      make("section", {}, make("h3", {}, "Go to"), list(pages, "g"))),
    make("p", { class: "quiet" }, "Uppercase keys change or end something; they ask first."),
    make("div", { class: "row end" }, close));
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("keydown", (event) => { if (event.key === "?") dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
};
