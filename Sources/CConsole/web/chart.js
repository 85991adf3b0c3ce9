// Small charts in SVG, without a library. Gaps stay gaps: null is not nought.
//
//   const view = chart({title: "Depth", series: [{name: "queued", kind: "queued"}, {name: "in flight", kind: "started"}],
//                       format: whole, shape: "line" | "area" | "stack" | "bars", height: "short" | "tall", ceiling: 100});
//   root.append(view.element);
//   view.update({from: 1700000000, step: 5, values: [[1, null, 3], [0, 0, 2]], limit: 64});   from in seconds, step in seconds
//   With `time: false` the x axis counts seconds from nought (simulated time).
//
//   With `pick(from, until)` bars can be pressed, or several marked by a drag, to look closer; times in seconds.
//
//   const line = spark("queued in the last 5 minutes", "queued");  line.update([1, 2, null, 3]);  cell.append(line.element)
//
// `kind` picks the colour: a state's (queued, started, done, failed, …) or c1 … c6. The pointer, or ← → on a focused chart,
// reads values off; the label of the picture says last, least and most in words. Several charts given the same
// `group` (an object made by `cursors()`) move their cursors together.
import { draw, make, mark, set } from "./dom.js";
import { clock, short, span } from "./format.js";

const width = 1000;
const high = 100;

const known = (values) => values.filter((value) => value !== null && value !== undefined);

const path = (points) => {
  let text = "";
  let pen = false;
  for (const point of points) {
    if (!point) { pen = false; continue; }
    text += `${pen ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(2)}`;
    if (!pen && point[2]) text += "h0.01";
    pen = true;
  }
  return text;
};

const field = (tops, floors) => {
  const parts = [];
  let run = [];
  const close = () => {
    if (run.length > 1) {
      parts.push(`M${run.map((i) => `${tops[i][0].toFixed(1)} ${tops[i][1].toFixed(2)}`).join("L")}L${
        run.reverse().map((i) => `${floors[i][0].toFixed(1)} ${floors[i][1].toFixed(2)}`).join("L")}Z`);
    }
    run = [];
  };
  tops.forEach((top, i) => (top && floors[i] ? run.push(i) : close()));
  close();
  return parts.join("");
};

// A round number at or above, so that the axis does not tremble.
export const roof = (value) => {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((step) => step >= value * 0.9999) ?? value;
};

export const cursors = () => ({ views: new Set(), move(index) { for (const view of this.views) view(index); } });

const summary = (title, series, values, format) => `${title}. ${series.map(({ name }, i) => {
  const seen = known(values[i] ?? []);
  if (seen.length === 0) return `${name}: nothing known`;
  const last = values[i].at(-1);
  return `${name}: ${last === null || last === undefined ? "last not known" : `last ${format(last)}`}, least ${
    format(seen.reduce((a, b) => Math.min(a, b)))}, most ${format(seen.reduce((a, b) => Math.max(a, b)))}`;
}).join("; ")}`;

// A press takes one bar, a drag several, Enter the one under the cursor.
const picking = (plot, look, take) => {
  const band = make("span", { class: "band", hidden: true });
  let from = null;
  const at = (event) => {
    const { left, width: wide } = plot.getBoundingClientRect();
    return Math.max(0, Math.min(look().n - 1, Math.floor(((event.clientX - left) / wide) * look().n)));
  };
  const show = (a, b) => {
    const n = look().n;
    band.hidden = false;
    band.style.left = `${(Math.min(a, b) / n) * 100}%`;
    band.style.width = `${((Math.abs(b - a) + 1) / n) * 100}%`;
  };
  const stop = () => { from = null; band.hidden = true; };
  plot.append(band);
  plot.classList.add("pickable");
  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || look().n === 0) return;
    from = at(event);
    plot.setPointerCapture(event.pointerId);
    show(from, from);
  });
  plot.addEventListener("pointermove", (event) => { if (from !== null) show(from, at(event)); });
  plot.addEventListener("pointercancel", stop);
  plot.addEventListener("pointerup", (event) => {
    if (from === null) return;
    const [a, b] = [from, at(event)];
    stop();
    take(Math.min(a, b), Math.max(a, b));
  });
  plot.addEventListener("keydown", (event) => {
    const { index } = look();
    if (event.key !== "Enter" || index === null) return;
    event.preventDefault();
    take(index, index);
  });
};

export const chart = ({ title, series, format = short, shape = "line", height = "short", ceiling = null, time = true, group = null, pick = null }) => {
  const figures = series.map(() => make("b", {}));
  const legend = make("ul", { class: "legend" }, ...series.map(({ name, kind }, i) =>
    make("li", { "data-kind": kind }, make("i", { "aria-hidden": "true" }), make("span", {}, name), figures[i])));
  const picture = draw("svg", { viewBox: `0 0 ${width} ${high}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const grid = draw("path", { class: "grid", d: `M0 0H${width}M0 ${high / 2}H${width}M0 ${high}H${width}` });
  const limitLine = draw("path", { class: "limit" });
  const shapes = series.map(({ kind }) => [draw("path", { class: "fill", "data-kind": kind }), draw("path", { class: "line", "data-kind": kind })]);
  picture.append(grid, ...shapes.flat().reverse(), limitLine);
  const cursor = make("span", { class: "cursor", hidden: true });
  const top = make("span", { class: "top" });
  const begin = make("span", {});
  const at = make("span", { class: "at" });
  const end = make("span", {});
  const plot = make("div", { class: "plot", role: "img", tabindex: "0", "aria-label": title }, picture, cursor, top);
  const element = make("figure", { class: `chart ${height} shape-${shape}` }, make("figcaption", {}, make("span", { class: "name" }, title), legend), plot,
    make("div", { class: "axis", "aria-hidden": "true" }, begin, at, end));
  let data = { from: null, step: 1, values: [] };
  let index = null;

  const count = () => Math.max(0, ...data.values.map((values) => values.length));
  const when = (i) => (data.from === null ? "" : time ? clock(data.from + i * data.step) : span((data.from + i * data.step) * 1000));
  const read = () => {
    const n = count();
    const i = index === null ? n - 1 : Math.min(index, n - 1);
    figures.forEach((figure, s) => set(figure, n === 0 ? "–" : format(data.values[s]?.[i] ?? null)));
    set(at, index === null ? "" : when(i));
    cursor.hidden = index === null || n === 0;
    if (!cursor.hidden) cursor.style.transform = `translateX(${((i + (shape === "bars" ? 0.5 : 0)) / Math.max(1, shape === "bars" ? n : n - 1)) * plot.clientWidth}px)`;
  };
  const place = (next) => { index = next; read(); };
  group?.views.add(place);
  const move = (next) => (group ? group.move(next) : place(next));
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect();
    const share = (event.clientX - box.left) / box.width;
    const n = count();
    if (n > 0) move(Math.max(0, Math.min(n - 1, shape === "bars" ? Math.floor(share * n) : Math.round(share * (n - 1)))));
  });
  plot.addEventListener("pointerleave", () => move(null));
  plot.addEventListener("blur", () => move(null));
  plot.addEventListener("keydown", (event) => {
    const n = count();
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape" && index !== null) { event.preventDefault(); return move(null); }
    if (!step || n === 0) return;
    event.preventDefault();
    move(Math.max(0, Math.min(n - 1, (index ?? n) + step)));
  });

  if (pick) picking(plot, () => ({ n: count(), index }), (first, last) => pick(data.from + first * data.step, data.from + (last + 1) * data.step));

  const update = (next) => {
    data = { ...data, ...next };
    const n = count();
    const stacked = shape === "stack" || shape === "bars";
    const sums = Array.from({ length: n }, (_, i) => (stacked ? data.values.reduce((sum, values) => sum + (values[i] ?? 0), 0)
      : Math.max(0, ...data.values.map((values) => values[i] ?? 0))));
    const most = ceiling ?? roof(Math.max(0, ...sums, data.limit ?? 0));
    const x = (i) => (n > 1 ? (i / (n - 1)) * width : width);
    const y = (value) => high - Math.min(1, value / most) * (high - 2) - 1;
    const below = new Array(n).fill(0);
    series.forEach((_, s) => {
      const values = data.values[s] ?? [];
      const [fill, line] = shapes[s];
      if (shape === "bars") {
        const wide = width / Math.max(1, n);
        mark(fill, "d", values.map((value, i) => {
          if (!value) return "";
          const low = y(below[i]);
          below[i] += value;
          return `M${(i * wide + wide * 0.08).toFixed(1)} ${low.toFixed(2)}h${(wide * 0.84).toFixed(1)}V${y(below[i]).toFixed(2)}h${(-wide * 0.84).toFixed(1)}Z`;
        }).join(""));
        return;
      }
      const floors = Array.from({ length: n }, (_, i) => [x(i), y(stacked ? below[i] : 0)]);
      const tops = Array.from({ length: n }, (_, i) => {
        const value = values[i];
        if (value === null || value === undefined) return null;
        const alone = (values[i - 1] ?? null) === null && (values[i + 1] ?? null) === null;
        if (stacked) below[i] += value;
        return [x(i), y(stacked ? below[i] : value), alone];
      });
      mark(line, "d", path(tops));
      mark(fill, "d", shape === "line" ? "" : field(tops, floors));
    });
    const limit = data.limit ?? null;
    mark(limitLine, "d", limit === null || limit > most ? "" : `M0 ${y(limit).toFixed(2)}H${width}`);
    set(top, n === 0 ? "" : format(most));
    set(begin, n === 0 ? "no data yet" : when(0));
    set(end, n === 0 ? "" : when(n - 1));
    mark(plot, "aria-label", summary(title, series, data.values, format));
    read();
  };
  return { element, update, unmount() { group?.views.delete(place); } };
};

export const spark = (label, kind = "c1") => {
  const line = draw("path", { class: "line" });
  const fill = draw("path", { class: "fill" });
  const element = draw("svg", { class: "spark", "data-kind": kind, viewBox: `0 0 ${width} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": label }, fill, line);
  return { element, update(values, ceiling = null) {
    const most = ceiling ?? Math.max(1, ...known(values));
    const points = values.map((value, i) => (value === null || value === undefined ? null
      : [values.length > 1 ? (i / (values.length - 1)) * width : 0, high - 4 - Math.min(1, value / most) * (high - 8)]));
    mark(line, "d", path(points));
    mark(fill, "d", field(points, points.map((point) => point && [point[0], high])));
    mark(element, "aria-label", known(values).length === 0 ? `${label}: nothing known` : `${label}: most ${short(Math.max(...known(values)))}`);
  } };
};
