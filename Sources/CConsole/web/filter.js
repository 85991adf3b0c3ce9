// The filter language: `pool:a model:b,c state:queued age:>30s words`. A value with blanks is quoted, `!` in front of a field negates.
//   const view = filter({fields, value, label, change(text, parsed), quick: [{label, text}]});  root.append(view.element)
// A field: {name, hint, values(): [...], kind: "word" | "span" | "number", to, over, under, negates}: `to` is the name in the
// query; a span or number takes > and < and goes to `over` or `under`. What cannot be understood is said, and not sent.
import { make, mark, once, set } from "./dom.js";

const piece = /(!?)([a-z_]+):((?:"[^"]*"?|[^\s"]+)*)|"[^"]*"?|\S+/gi;
const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const bare = (text) => text.replace(/^"|"$/g, "");

const amount = (text, kind) => {
  const match = /^([<>]?)=?(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|k)?$/.exec(text);
  if (!match) return null;
  const [, sign, digits, unit] = match;
  if (kind === "number") return unit && unit !== "k" ? null : { sign, value: Number(digits) * (unit === "k" ? 1000 : 1) };
  return unit === "k" ? null : { sign, value: Math.round(Number(digits) * units[unit ?? "s"]) };
};

export const parse = (text, fields) => {
  const values = {};
  const problems = [];
  const words = [];
  for (const match of (text ?? "").matchAll(piece)) {
    const [whole, not, name, raw] = match;
    if (name === undefined || /^https?$/i.test(name)) { if (bare(whole)) words.push(bare(whole)); continue; }
    const field = fields.find((each) => each.name === name.toLowerCase());
    const value = bare(raw ?? "");
    if (!field) { problems.push(`There is no field “${name}”; known: ${fields.map((each) => each.name).join(", ")}.`); continue; }
    if (value === "") continue;
    if (not && !field.negates) { problems.push(`“${name}” cannot be negated here.`); continue; }
    if (field.kind === "span" || field.kind === "number") {
      const read = amount(value, field.kind);
      const to = read && (read.sign === "<" ? field.under : field.over);
      if (!to) problems.push(`“${name}” takes ${field.under ? ">, < and " : "> and "}${field.kind === "span" ? "a time: 500ms, 30s, 5m, 1h" : "a number"}.`);
      else values[to] = read.value;
      continue;
    }
    for (const each of (raw.match(/"[^"]*"?|[^,"]+/g) ?? []).map(bare)) {
      if (each) (values[field.to ?? field.name] ??= []).push(not ? `!${each}` : each);
    }
  }
  if (words.length > 0) values.q = words.join(" ");
  return { values, problems };
};

const quoted = (value) => (/[\s",:]/.test(value) ? `"${value.replaceAll('"', "")}"` : value);

// The text with one field's value put in, or taken out if it was there.
export const toggled = (text, name, value) => {
  const term = `${name}:${quoted(value)}`;
  const terms = text.match(piece) ?? [];
  return (terms.includes(term) ? terms.filter((each) => each !== term) : [...terms.filter((each) => !each.startsWith(`${name}:`)), term]).join(" ");
};

// The text that an address means: its `f`, or fields by their own names (`state=queued&pool=a`).
export const textOf = (parameters, fields) => parameters.f ?? fields.filter((field) => parameters[field.name] ?? parameters[field.to])
  .map((field) => `${field.name}:${quoted(parameters[field.name] ?? parameters[field.to])}`).join(" ");

// The same as the address's `f`, and the fields' own names taken out of it, else what is cleared would come back.
export const addressOf = (parameters, fields) => ({ ...Object.fromEntries(fields.flatMap(({ name, to }) => [name, to])
  .filter((name) => name && name in parameters).map((name) => [name, null])), f: textOf(parameters, fields) });

let serial = 0;

export const filter = ({ fields, value = "", label, change, quick = [] }) => {
  const id = `filter-${++serial}`;
  const input = make("input", { type: "text", id, value, autocomplete: "off", spellcheck: "false", autocapitalize: "off", role: "combobox", "data-filter": true,
    "aria-expanded": "false", "aria-controls": `${id}-list`, "aria-autocomplete": "list", "aria-label": label, placeholder: `Filter:  ${fields.slice(0, 4).map((each) => `${each.name}:`).join("  ")} …` });
  input.value = value;
  const options = make("ul", { id: `${id}-list`, role: "listbox", class: "options", hidden: true, "aria-label": "Suggestions" });
  const wrong = make("p", { class: "bad filter-wrong", role: "status" });
  let shown = [];
  let at = -1;

  const token = () => {
    const until = input.value.slice(0, input.selectionStart ?? input.value.length);
    const start = until.search(/(?:!?[a-z_]+:"[^"]*|\S*)$/i);
    return { start, end: until.length, text: until.slice(start) };
  };

  const suggest = () => {
    const { text } = token();
    const [, not, name, rest] = /^(!?)([a-z_]+):"?(.*)$/i.exec(text) ?? [];
    const field = name && fields.find((each) => each.name === name.toLowerCase());
    if (field) {
      const parts = rest.split(",");
      const begun = parts.at(-1).toLowerCase();
      const values = field.values?.() ?? (field.kind === "span" ? [">1s", ">10s", ">30s", ">5m"] : field.kind === "number" ? [">1", ">1000"] : []);
      return values.filter((each) => each.toLowerCase().includes(begun) && each.toLowerCase() !== begun).slice(0, 9)
        .map((each) => ({ text: `${not}${field.name}:${[...parts.slice(0, -1), quoted(each)].join(",")} `, show: each, hint: "" }));
    }
    const begun = text.replace("!", "").toLowerCase();
    return fields.filter((each) => each.name.startsWith(begun)).map((each) => ({ text: `${text.startsWith("!") ? "!" : ""}${each.name}:`, show: `${each.name}:`, hint: each.hint }));
  };

  const point = (next) => {
    at = next;
    [...options.children].forEach((node, i) => mark(node, "aria-selected", i === at ? "true" : "false"));
    mark(input, "aria-activedescendant", at >= 0 ? options.children[at].id : null);
    options.children[at]?.scrollIntoView({ block: "nearest" });
  };

  const close = () => { options.hidden = true; mark(input, "aria-expanded", "false"); mark(input, "aria-activedescendant", null); at = -1; };

  const offer = () => {
    shown = document.activeElement === input ? suggest() : [];
    options.replaceChildren(...shown.map(({ show, hint }, i) => make("li", { role: "option", id: `${id}-${i}`, "aria-selected": "false",
      onpointerdown: (event) => { event.preventDefault(); accept(i); } }, make("span", {}, show), hint ? make("small", { class: "quiet" }, hint) : null)));
    options.hidden = shown.length === 0;
    mark(input, "aria-expanded", shown.length > 0 ? "true" : "false");
    at = -1;
    mark(input, "aria-activedescendant", null);
  };

  let isGone = false;
  const tell = () => {
    if (isGone) return;
    const parsed = parse(input.value, fields);
    set(wrong, parsed.problems[0] ?? "");
    mark(input, "aria-invalid", parsed.problems.length > 0 ? "true" : null);
    for (const [i, node] of [...buttons.children].entries()) mark(node, "aria-pressed", input.value.trim() === quick[i].text ? "true" : "false");
    change(input.value.trim(), parsed);
  };
  const soon = once(tell, 250);

  const accept = (i) => {
    const { start, end } = token();
    input.value = input.value.slice(0, start) + shown[i].text + input.value.slice(end).trimStart();
    const caret = start + shown[i].text.length;
    input.setSelectionRange(caret, caret);
    offer();
    if (!shown.length || shown[0].hint === "") tell();
    soon();
  };

  input.addEventListener("input", () => { offer(); soon(); });
  input.addEventListener("focus", offer);
  input.addEventListener("blur", () => { close(); soon.stop(); tell(); });
  input.addEventListener("keydown", (event) => {
    const isOpen = !options.hidden;
    if (event.key === "ArrowDown" && isOpen) { event.preventDefault(); point((at + 1) % shown.length); }
    else if (event.key === "ArrowUp" && isOpen) { event.preventDefault(); point((at - 1 + shown.length) % shown.length); }
    else if ((event.key === "Enter" || event.key === "Tab") && isOpen && at >= 0) { event.preventDefault(); accept(at); }
    else if (event.key === "Tab" && isOpen && !event.shiftKey && token().text !== "" && shown.length === 1) { event.preventDefault(); accept(0); }
    else if (event.key === "Enter") { event.preventDefault(); soon.stop(); close(); tell(); }
    else if (event.key === "Escape" && isOpen) { event.preventDefault(); close(); }
  });

  const buttons = make("div", { class: "quick" }, ...quick.map(({ label: name, text }) => make("button", { type: "button", "aria-pressed": "false",
    onclick: () => { input.value = input.value.trim() === text ? "" : text; tell(); } }, name)));
  const element = make("div", { class: "filter" }, make("div", { class: "combo" }, input, options), buttons, wrong);
  const first = parse(value, fields);
  set(wrong, first.problems[0] ?? "");
  return { element, input, parsed: () => parse(input.value, fields), get text() { return input.value.trim(); },
    write(text) { if (document.activeElement !== input || text !== input.value) { input.value = text; tell(); } },
    stop() { isGone = true; soon.stop(); },
    show(text) { if (input.value.trim() !== text) { input.value = text; soon.stop(); } } };
};
