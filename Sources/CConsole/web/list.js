// Rows of which only those on the screen exist: 100,000 are as light as forty.
//   const view = list({label, columns, key, open(row), select(set), window(first, count), end(), sort(name), cancel})
//   view.set({total, offset, rows})     rows of a window; `total` sizes the scroll bar
//   view.keys()                         j, k, x, y, Enter … for context.keys
// Opened rows leave a trail: whoever comes back stands where they stood, with `saved` of then.
// With `narrow(field, value)` a press on a cell whose column has `by(row)` → [field, value] filters by it.
// A column: {name, label, width, number, roomy (only where there is room), narrow: "a" … "e" (its place in a card on small screens),
// sort (numbers: the largest first), by, build(cell), fill(cell, row)}.
// Rows move by transform, so nothing around them shifts; a row keeps its element, so focus stays where it was.
import { say } from "./dialogs.js";
import { copyText, make, mark, set } from "./dom.js";
import { trail } from "./trail.js";

const highest = 12_000_000; // Pixels: browsers do not make taller things.
const spare = 8;

export const list = ({ label, columns, key, open: enter, narrow = null, saved = () => null, select = null, window: wants = () => {}, end = () => {}, sort = null, nothing }) => {
  const state = { total: 0, offset: 0, rows: [], height: 34, sort: null };
  const nodes = new Map();
  const free = [];
  const chosen = new Set();
  let active = { key: null, index: 0 };
  let moving = false;

  const heads = columns.map((column) => {
    const inside = column.sort && sort ? make("button", { type: "button", class: "plain", onclick: () => {
      const [one, other] = column.number || column.large ? [`-${column.sort}`, column.sort] : [column.sort, `-${column.sort}`];
      sort(state.sort === one ? other : one);
    } }, column.label) : make("span", {}, column.label);
    return make("div", { role: "columnheader", class: `${column.number ? "number" : ""}${column.roomy ? " roomy" : ""}` }, inside);
  });
  const head = make("div", { class: "entry head", role: "row", "aria-rowindex": 1 }, ...heads);
  const headGroup = make("div", { role: "rowgroup", class: "heads" }, head);
  const probe = make("div", { class: "entry probe", "aria-hidden": "true" });
  const body = make("div", { class: "entries", role: "rowgroup" });
  const scroller = make("div", { class: "scroller", role: "grid", "aria-label": label, "aria-rowcount": -1, "aria-multiselectable": select ? "true" : null, tabindex: "0" },
    headGroup, body);
  const blank = make("div", { class: "blank", hidden: true });
  const element = make("div", { class: "list" }, scroller, probe, blank);
  element.style.setProperty("--columns", columns.map((column) => column.width).join(" "));
  element.style.setProperty("--dense", columns.filter((column) => !column.roomy).map((column) => column.width).join(" "));

  const open = (row) => {
    const index = state.offset + state.rows.indexOf(row);
    trail.leave({ label, hash: location.hash, key: key(row), index, top: scroller.scrollTop, ids: state.rows.map(key), saved: saved() });
    enter(row);
  };

  const build = () => {
    const cells = columns.map((column) => {
      const cell = make("div", { role: "gridcell", class: `${column.number ? "number " : ""}${column.narrow ? `at-${column.narrow}` : "wide"}${column.roomy ? " roomy" : ""}${narrow && column.by ? " by" : ""}` });
      column.build?.(cell);
      return cell;
    });
    const node = make("div", { class: "entry", role: "row", tabindex: "-1" }, ...cells);
    node.cells = cells;
    node.addEventListener("click", (event) => {
      if (event.target.closest("a, button, input") || getSelection()?.toString()) return;
      if (event.metaKey || event.ctrlKey || event.shiftKey) return toggle(node.row);
      const by = columns[cells.indexOf(event.target.closest(".by"))]?.by(node.row);
      // On small screens a row is one thing to press.
      if (by?.[1] && headGroup.offsetHeight > 0) return narrow(...by);
      open(node.row);
    });
    node.addEventListener("focus", () => { active = { key: key(node.row), index: node.index }; rove(); });
    return node;
  };

  const rove = () => {
    const isThere = nodes.has(active.key);
    mark(scroller, "tabindex", nodes.size === 0 ? "0" : "-1");
    let first = true;
    for (const [name, node] of nodes) {
      const isIt = isThere ? name === active.key : first;
      first = false;
      mark(node, "tabindex", isIt ? "0" : "-1");
    }
  };

  const bounds = () => {
    const first = Math.floor(scroller.scrollTop / state.height);
    return { first, count: Math.ceil(scroller.clientHeight / state.height) + 1 };
  };

  const render = () => {
    const { first, count } = bounds();
    const low = Math.max(state.offset, first - spare);
    const high = Math.min(state.offset + state.rows.length, first + count + spare);
    const focused = document.activeElement?.closest?.(".entry") ?? null;
    const keep = new Set();
    for (let index = low; index < high; index += 1) keep.add(key(state.rows[index - state.offset]));
    let lost = false;
    for (const [name, node] of nodes) {
      if (keep.has(name)) continue;
      lost ||= node === focused;
      nodes.delete(name);
      node.style.visibility = "hidden";
      free.push(node);
    }
    for (let index = low; index < high; index += 1) {
      const row = state.rows[index - state.offset];
      const name = key(row);
      let node = nodes.get(name);
      if (!node) {
        node = free.pop();
        if (!node) { node = build(); body.append(node); }
        node.style.visibility = "";
        nodes.set(name, node);
        node.row = null;
      }
      if (node.index !== index || node.height !== state.height) {
        node.index = index;
        node.height = state.height;
        node.style.transform = `translateY(${index * state.height}px)`;
        mark(node, "aria-rowindex", index + 2);
      }
      if (node.row !== row) {
        node.row = row;
        columns.forEach((column, i) => column.fill(node.cells[i], row));
      }
      mark(node, "aria-selected", select ? (chosen.has(name) ? "true" : "false") : null);
    }
    while (free.length > 40) free.pop().remove();
    for (const node of free) { mark(node, "tabindex", "-1"); mark(node, "aria-hidden", "true"); node.index = -1; }
    for (const node of nodes.values()) mark(node, "aria-hidden", null);
    rove();
    // Whose row has gone stands on the one that took its place.
    // Whoever has gone elsewhere meanwhile is left there.
    const isFree = document.activeElement === document.body || element.contains(document.activeElement);
    if (!isFree) moving = false;
    else if (moving || lost) focusAt(active.index);
    if (returning && nodes.size > 0) comeBack();
    if (state.offset + state.rows.length >= state.total && high >= state.total - 20) end();
  };

  const focusAt = (index) => {
    const node = [...nodes.values()].find((each) => each.index === index);
    moving = !node && index < state.total;
    if (node) node.focus({ preventScroll: true });
  };

  let returning = null;
  let way = trail.peek(label);
  const comeBack = () => {
    const node = nodes.get(returning.key) ?? [...nodes.values()].find((each) => each.index === returning.index);
    if (!node) return;
    if ([document.body, document.getElementById("main")].includes(document.activeElement)) node.focus({ preventScroll: true });
    returning = null;
  };
  const goBack = () => {
    const { top, index } = way;
    const room = scroller.clientHeight - headGroup.offsetHeight;
    const at = index * state.height;
    returning = trail.here(label) && way;
    way = null;
    scroller.scrollTop = at < top || at + state.height > top + room ? Math.max(0, at - room / 2) : top;
  };

  let frame = 0;
  const ask = () => {
    const { first, count } = bounds();
    wants(first, count);
  };
  const later = () => {
    if (frame) return;
    frame = requestAnimationFrame(() => { frame = 0; render(); ask(); });
  };
  scroller.addEventListener("scroll", later, { passive: true });
  const measure = () => {
    const next = probe.offsetHeight || state.height;
    if (next !== state.height) {
      const { first } = bounds();
      state.height = next;
      size();
      scroller.scrollTop = first * next;
    }
    later();
  };
  const watcher = new ResizeObserver(measure);
  watcher.observe(scroller);
  watcher.observe(probe);

  const size = () => { body.style.height = `${Math.min(highest, state.total * state.height)}px`; };

  const toggle = (row) => {
    if (!select) return;
    const name = key(row);
    if (!chosen.delete(name)) chosen.add(name);
    mark(nodes.get(name), "aria-selected", chosen.has(name) ? "true" : "false");
    select(chosen);
  };

  const current = () => nodes.get(active.key) ?? [...nodes.values()].find((node) => node.index === active.index) ?? null;

  const move = (step) => {
    if (state.total === 0) return;
    const at = element.contains(document.activeElement) && current() ? current().index + step : bounds().first;
    const index = Math.max(0, Math.min(state.total - 1, at));
    active = { key: null, index };
    const top = index * state.height;
    const room = scroller.clientHeight - headGroup.offsetHeight;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + state.height > scroller.scrollTop + room) scroller.scrollTop = top + state.height - room;
    render();
    focusAt(index);
    ask();
  };

  scroller.addEventListener("keydown", (event) => {
    const page = Math.max(1, bounds().count - 3);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -state.total, End: state.total }[event.key];
    if (step && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); move(step); }
  });

  return {
    element,
    set({ total, offset = 0, rows }) {
      state.rows = rows;
      state.offset = offset;
      if (state.total !== total) { state.total = total; size(); mark(scroller, "aria-rowcount", total + 1); }
      blank.hidden = total !== 0 || nothing === undefined;
      if (!blank.hidden) blank.replaceChildren(nothing());
      measure();
      if (way && total > 0) goBack();
      render();
    },
    keys: () => ({
      j: { label: "Next row", run: () => move(1), repeats: true },
      k: { label: "Row before", run: () => move(-1), repeats: true },
      Enter: { label: "Open the row", run: () => { const node = current(); if (node && element.contains(document.activeElement)) open(node.row); } },
      y: { label: "Copy the row’s id", run: async () => {
        const row = element.contains(document.activeElement) ? current()?.row : null;
        if (row) say((await copyText(key(row))) ? `Copied: ${key(row)}` : "It could not be copied.");
      } },
      ...(select ? { x: { label: "Select the row", run: () => { const node = current(); if (node) toggle(node.row); } } } : {}),
    }),
    sorted(name) {
      state.sort = name;
      columns.forEach((column, i) => {
        const is = column.sort && name?.replace(/^-/, "") === column.sort;
        mark(heads[i], "aria-sort", is ? (name.startsWith("-") ? "descending" : "ascending") : null);
      });
    },
    get chosen() { return chosen; },
    clear() { chosen.clear(); for (const node of nodes.values()) if (select) mark(node, "aria-selected", "false"); select?.(chosen); },
    current: () => (element.contains(document.activeElement) ? current()?.row ?? null : null),
    top() { way = returning = null; scroller.scrollTop = 0; },
    say(text) { set(blank, text); blank.hidden = false; },
    unmount() { watcher.disconnect(); cancelAnimationFrame(frame); },
  };
};
