// What ended dead or lost: look, send it again by hand or by filter after a count, or throw it away.
import { empty, make, set } from "./dom.js";
import { deadFields } from "./fields.js";
import { endedColumns } from "./columns.js";
import { filter } from "./filter.js";
import { list } from "./list.js";
import { plural, whole } from "./format.js";
import { query } from "./api.js";

export const title = "Dead and lost";

export const mount = (root, context, parameters) => {
  const seen = { pool: new Set(), model: new Set(), tenant: new Set() };
  let filters = {};
  let rows = [];
  let cursor = null;
  let total = null;
  let loading = false;

  const note = make("span", { class: "count" });
  const picked = make("span", { class: "quiet" });
  const grid = list({ label: "Dead and lost requests", columns: endedColumns(context).filter((column) => !["first", "split", "cost"].includes(column.name)).map((column) => ({ ...column, sort: undefined })), key: (row) => row.id,
    open: (row) => context.navigate(`/requests/${encodeURIComponent(row.id)}`), end: () => more(),
    select: (chosen) => { set(picked, chosen.size > 0 ? `${whole(chosen.size)} selected` : "By filter"); },
    nothing: () => empty("Nothing here is dead or lost.", Object.keys(filters).length > 0 ? "Or the filter leaves nothing." : "That is good news.") });
  const path = (values) => `api/dead${query({ ...filters, limit: 100, ...values })}`;
  const show = () => {
    grid.set({ total: rows.length, offset: 0, rows });
    set(note, total === null ? "" : `${whole(total)} in all`);
    redriveAll.disabled = purge.disabled = total === 0 || !context.may("operator");
    purge.disabled ||= !context.may("admin");
  };
  const more = async () => {
    if (loading || !cursor) return;
    loading = true;
    try {
      const page = await context.api.get(path({ cursor }));
      const known = new Set(rows.map((row) => row.id));
      rows = [...rows, ...page.rows.filter((row) => !known.has(row.id))];
      cursor = page.next_cursor;
      show();
    } catch (error) { context.say(error.message, { kind: "bad" }); } finally { loading = false; }
  };

  const what = () => (grid.chosen.size > 0 ? { ids: [...grid.chosen] } : { filter: Object.fromEntries(Object.entries(filters).map(([name, value]) => [name, Array.isArray(value) && value.length === 1 ? value[0] : value])) });
  const named = () => (grid.chosen.size > 0 ? "what is selected" : box.text ? `what matches “${box.text}”` : "all of them");

  // A dry run first: its count is what is confirmed.
  const act = async (verb, address, words) => {
    const body = what();
    let counted;
    try { counted = await context.api.post(address, { ...body, dry_run: true }); } catch (error) { return context.say(error.message, { kind: "bad" }); }
    if (counted.count === 0) return context.say("Nothing would be changed by that.");
    const sure = await context.confirm({ title: `${verb} ${plural(counted.count, "request")}?`, yes: `${verb} ${whole(counted.count)}`, danger: verb === "Purge", type: verb === "Purge" && counted.count > 10 ? String(counted.count) : null,
      text: words, details: [make("p", {}, `Meant is ${named()}.`), counted.skipped?.length ? make("p", { class: "quiet" }, `${plural(counted.skipped.length, "other")} would be passed by: ${counted.skipped[0].why}`) : ""] });
    if (!sure) return;
    await context.attempt(() => context.api.post(address, body), (done) => `${verb}d: ${whole(done.count)}${done.skipped?.length ? `; passed by: ${whole(done.skipped.length)} (${done.skipped[0].why})` : ""}.`);
    grid.clear();
    rows = [];
    feed.now();
  };
  const redriveAll = context.action({ label: "Redrive …", key: "R", run: () => act("Redrive", "api/dead/redrive", "Each goes back to the pool it came from as a new request. What it asks for may be done twice.") });
  const purge = context.action({ label: "Purge …", role: "admin", danger: true, key: "P", run: () => act("Purge", "api/dead/purge", "They are thrown away and cannot be redriven any more.") });

  const box = filter({ fields: deadFields(seen), value: parameters.f ?? "", label: "Filter dead and lost requests",
    quick: [{ label: "Dead", text: "outcome:dead" }, { label: "Lost", text: "outcome:lost" }, { label: "Failed", text: "outcome:failed" }],
    change: (text, parsed) => {
      context.remember({ f: text });
      if (parsed.problems.length > 0 || JSON.stringify(parsed.values) === JSON.stringify(filters)) return;
      filters = parsed.values;
      rows = [];
      grid.clear();
      feed.now();
    } });
  filters = box.parsed().values;
  set(picked, "By filter");
  root.append(make("div", { class: "grow" }, make("div", { class: "row controls" }, box.element, make("span", { class: "spring" }), picked, redriveAll, purge, note), grid.element));
  const feed = context.live.poll(async (signal) => {
    const page = await context.api.get(path(), { signal });
    total = page.total;
    for (const row of page.rows) for (const name in seen) if (row[name]) seen[name].add(row[name]);
    if (rows.length <= 100) { rows = page.rows; cursor = page.next_cursor; }
    show();
  }, 3, (error) => grid.say(error.message));
  context.keys({ ...grid.keys(), R: { label: "Redrive what is selected, or by filter", run: () => redriveAll.disabled || redriveAll.click() }, P: { label: "Purge what is selected, or by filter", run: () => purge.disabled || purge.click() } });
  return { update: (next) => { if ((next.f ?? "") !== box.text) box.write(next.f ?? ""); }, escape: () => grid.clear(), unmount: () => grid.unmount() };
};
