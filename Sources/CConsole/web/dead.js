// What ended dead or lost: look, send it again by hand or by filter after a count, or throw it away.
import { empty, make, mark, set, setTag, tag } from "./dom.js";
import { deadFields } from "./fields.js";
import { endedColumns } from "./columns.js";
import { addressOf, filter, toggled } from "./filter.js";
import { list } from "./list.js";
import { actOnMany } from "./many.js";
import { pager } from "./pager.js";
import { whole } from "./format.js";
import { query } from "./api.js";
import { trail } from "./trail.js";

export const title = "Dead and lost";

// A request as the columns of what has ended read it.
const asEnded = (row) => ({ ...row, total_ms: row.age_ms, prompt_tokens: row.usage?.prompt_tokens, completion_tokens: row.usage?.completion_tokens,
  error_class: row.attempts?.at(-1)?.class, attempts: row.attempts?.length });

const again = (row) => (row.redriven_to ? ["done", "redriven"] : row.redrivable ? ["queued", "possible"] : ["cancelled", "not kept"]);
const columns = (context) => [...endedColumns(context).filter(({ name }) => !["first", "split", "cost", "trace"].includes(name)).map((column) =>
  // No filter of these knows the reason, so a press there opens the request.
  ({ ...column, sort: undefined, by: column.name === "why" ? undefined : column.by })),
  { name: "again", label: "Redrive", width: "6rem", build: (cell) => { cell.append(tag("queued")); }, fill: (cell, row) => {
    setTag(cell.firstChild, ...again(row));
    mark(cell, "title", row.redriven_to ? `Redriven as ${row.redriven_to}` : row.redrivable ? "What it asks is kept: it can be sent again" : "What it asked is not kept: it cannot be sent again");
  } }];

export const mount = (root, context, parameters) => {
  const seen = { pool: new Set(), model: new Set(), tenant: new Set() };
  let filters = {};
  let total = null;
  let isUnclear = false; // What was typed is not what is filtered by.
  const unclear = "The filter cannot be understood.";

  const note = make("span", { class: "count" });
  const picked = make("span", { class: "quiet" });
  const grid = list({ label: "Dead and lost requests", columns: columns(context), key: (row) => row.id,
    open: (row) => context.navigate(`/requests/${encodeURIComponent(row.id)}`), end: () => pages.more(), saved: () => pages.state, narrow: (name, value) => box.write(toggled(box.text, name, value)),
    select: (chosen) => { set(picked, chosen.size > 0 ? `${whole(chosen.size)} selected` : "By filter"); show(); },
    nothing: () => empty("Nothing here is dead or lost.", Object.keys(filters).length > 0 ? "Or the filter leaves nothing." : "That is good news.") });
  const path = (values) => `api/dead${query({ ...filters, limit: 100, ...values })}`;
  const show = () => {
    grid.set({ total: pages.rows.length, offset: 0, rows: pages.rows });
    set(note, total === null ? "" : pages.isCut ? `newest ${whole(pages.rows.length)} of ${whole(total)}` : `${whole(total)} in all`);
    const nothing = total === 0 ? "There is nothing to act on." : null;
    const why = isUnclear && grid.chosen.size === 0 ? unclear : nothing;
    redriveAll.off(why);
    purge.off(why);
  };
  const pages = pager({ get: async (values, signal) => {
    const page = await context.api.get(path(values), { signal });
    return { ...page, rows: page.rows.map(asEnded) };
  }, show, fault: (error) => context.say(error.message, { kind: "bad" }), saved: trail.peek("Dead and lost requests")?.saved });

  const what = () => (grid.chosen.size > 0 ? { ids: [...grid.chosen] } : { filter: filters });
  const named = () => (grid.chosen.size > 0 ? "what is selected" : box.text ? `what matches “${box.text}”` : "all of them");

  const act = async (action) => {
    const isDone = await actOnMany(context, { what: what(), meant: named(), ...action });
    if (isDone === undefined) return;
    if (isDone) grid.clear(); // Else what was selected is there for another try.
    pages.reset();
    feed.anew();
  };
  const redriveAll = context.action({ label: "Redrive …", key: "R", run: () => act({ verb: "Redrive", did: "Redriven", address: "api/dead/redrive", words: "Each goes back to the pool it came from as a new request. What it asks for may be done twice." }) });
  const purge = context.action({ label: "Purge …", role: "admin", danger: true, key: "P", run: () => act({ verb: "Purge", did: "Purged", address: "api/dead/purge", words: "They are thrown away and cannot be redriven any more.", danger: true, typed: true }) });

  const address = addressOf(parameters, deadFields({}));
  context.remember(address);
  const box = filter({ fields: deadFields(seen), value: address.f, label: "Filter dead and lost requests",
    quick: [{ label: "Dead", text: "outcome:dead" }, { label: "Lost", text: "outcome:lost" }, { label: "Failed", text: "outcome:failed" }],
    change: (text, parsed) => {
      context.remember({ f: text });
      isUnclear = parsed.problems.length > 0;
      show();
      if (isUnclear || JSON.stringify(parsed.values) === JSON.stringify(filters)) return;
      filters = parsed.values;
      pages.reset();
      grid.clear();
      grid.top();
      feed.anew();
    } });
  filters = box.parsed().values;
  isUnclear = box.parsed().problems.length > 0;
  set(picked, "By filter");
  root.append(make("div", { class: "grow" }, make("div", { class: "row controls" }, box.element, make("span", { class: "spring" }), picked, redriveAll, purge, note), grid.element));
  const feed = context.live.poll(async (signal) => {
    const page = await pages.first(signal);
    if (!page) return;
    total = page.total;
    for (const row of page.rows) for (const name in seen) if (row[name] && seen[name].size < 200) seen[name].add(row[name]);
    show();
  }, 3, (error) => grid.say(error.message));
  context.keys({ ...grid.keys(), R: { label: "Redrive what is selected, or by filter", run: () => redriveAll.click() }, P: { label: "Purge what is selected, or by filter", run: () => purge.click() } });
  return {
    update(next) {
      const wanted = addressOf(next, deadFields({}));
      context.remember(wanted);
      if (wanted.f !== box.text) box.write(wanted.f);
    },
    escape: () => grid.clear(), unmount() { box.stop(); grid.unmount(); },
  };
};
