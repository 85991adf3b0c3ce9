// Elements out of facts. Text only ever goes in as text: nothing here reads markup.
//   make("p", {class: "quiet", onclick: f}, "text", node)   an element; false and null attributes are left out
//   draw("path", {d})                                        the same for SVG
//   set(node, "text")                                        changes the text only if it differs
//   reconcile(parent, items, key, build, fill)               keeps the element of each key: focus survives
//   redraw(box, facts, () => nodes)                          draws anew only when the facts are others
//   tag("queued"), copy(text), meter(share, label), empty("sentence")
import { plain, span } from "./format.js";

const apply = (node, attributes) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
};

export const make = (name, attributes = {}, ...children) => {
  const node = document.createElement(name);
  apply(node, attributes);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
};

export const draw = (name, attributes = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  apply(node, attributes);
  node.append(...children);
  return node;
};

export const set = (node, text) => {
  if (node.firstChild?.nodeType === Node.TEXT_NODE && node.childNodes.length === 1) {
    if (node.firstChild.data !== String(text)) node.firstChild.data = text;
  } else node.textContent = text;
};

export const mark = (node, name, value) => {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : value);
};

export const reconcile = (parent, items, key, build, fill = () => {}) => {
  const named = new Map(items.map((item) => [String(key(item)), item]));
  const known = new Map();
  // What goes, goes first: what stays is not moved by it, and keeps the focus.
  for (const child of [...parent.children]) {
    if (named.has(child.dataset.key) && !known.has(child.dataset.key)) known.set(child.dataset.key, child);
    else child.remove();
  }
  let place = parent.firstElementChild;
  for (const [name, item] of named) {
    let node = known.get(name);
    if (!node) {
      node = build(item);
      node.dataset.key = name;
    }
    fill(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
};

// Draws a box anew only when its facts are others; the focus goes to what bears the same name.
export const redraw = (box, facts, ...build) => {
  const drawn = JSON.stringify(facts);
  if (box.drawn === drawn) return;
  box.drawn = drawn;
  const nameOf = (node) => node.getAttribute("aria-label") ?? node.textContent;
  const held = box.contains(document.activeElement) && box !== document.activeElement ? nameOf(document.activeElement) : null;
  box.replaceChildren(...build.flatMap((each) => each()));
  if (held !== null) [...box.querySelectorAll("a, button, [tabindex]")].find((node) => nameOf(node) === held)?.focus({ preventScroll: true });
};

// A state in colour, shape and word.
export const tag = (kind, text = plain(kind)) => make("span", { class: "tag", "data-kind": kind ?? "unknown" }, make("i", { "aria-hidden": "true" }),
  make("span", {}, text || "unknown"));

export const setTag = (node, kind, text = plain(kind)) => {
  mark(node, "data-kind", kind ?? "unknown");
  set(node.lastChild, text || "unknown");
};

// An age that grows on the screen between two answers; `ms` at the time of the call.
export const age = (node, ms, grows = true) => {
  if (ms === null || ms === undefined || !grows) delete node.dataset.since;
  else node.dataset.since = performance.now() - ms;
  set(node, span(ms));
};

export const tickAges = (root = document) => {
  const now = performance.now();
  for (const node of root.querySelectorAll("[data-since]")) set(node, span(now - Number(node.dataset.since)));
};

// Copies on plain HTTP too, where the clipboard's API is shut.
export const copyText = async (text) => {
  try {
    if (navigator.clipboard && window.isSecureContext) {
      await navigator.clipboard.writeText(text);
      return true;
    }
  } catch { /* Not allowed: the old way. */ }
  const area = make("textarea", { class: "unseen", readonly: true, "aria-hidden": "true", tabindex: "-1" });
  area.value = text;
  const host = document.querySelector("dialog[open]") ?? document.body;
  const focused = document.activeElement;
  host.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
};

export const copy = (text, what = "Copy") => {
  const button = make("button", { type: "button", class: "copy", "aria-label": `${what}: ${text}`, title: what,
    onclick: async (event) => {
      event.stopPropagation();
      button.dataset.done = (await copyText(text)) ? "yes" : "no";
      setTimeout(() => delete button.dataset.done, 1200);
    } });
  return button;
};

export const meter = (label) => {
  const fill = make("i");
  const node = make("span", { class: "meter", role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  return { element: node, update(share) {
    const percent = share === null || share === undefined ? null : Math.max(0, Math.min(100, share * 100));
    mark(node, "aria-valuenow", percent === null ? 0 : Math.round(percent));
    mark(node, "aria-valuetext", percent === null ? "unknown" : `${Math.round(percent)} %`);
    mark(node, "data-level", percent === null ? "unknown" : percent >= 95 ? "full" : percent >= 70 ? "high" : "fine");
    fill.style.transform = `scaleX(${(percent ?? 0) / 100})`;
  } };
};

export const empty = (title, text = "") => make("div", { class: "empty" }, make("p", {}, title), text ? make("p", { class: "quiet" }, text) : null);

// The same pairs again, in place.
export const fillFacts = (list, pairs) => reconcile(list, pairs.filter(([, value]) => value !== undefined), ([name]) => name,
  ([name]) => make("div", {}, make("dt", {}, name), make("dd", {})), (line, [, value]) => {
    const cell = line.lastChild;
    if (!(value instanceof Node)) set(cell, value === null || value === "" ? "–" : value);
    else if (cell.firstChild?.outerHTML !== value.outerHTML) cell.replaceChildren(value);
  });

export const facts = (pairs) => make("dl", { class: "pairs" }, ...pairs.filter(([, value]) => value !== undefined)
  .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value === null || value === "" ? "–" : value))));

export const once = (work, ms) => {
  let timer = 0;
  const later = (...words) => { clearTimeout(timer); timer = setTimeout(() => work(...words), ms); };
  later.stop = () => clearTimeout(timer);
  return later;
};
