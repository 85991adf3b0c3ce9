// What ended dead or lost: look, send it again by hand or by filter after a count, or throw it away.
import { empty, make, mark, set, setTag, tag } from "./dom.js";
import { deadFields } from "./fields.js";
import { endedColumns } from "./columns.js";
import { addressOf, filter, toggled } from "./filter.js";
import { list } from "./list.js";
import { pager } from "./pager.js";
import { plural, whole } from "./format.js";
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

  const note = make("span", { class: "count" });
  const picked = make("span", { class: "quiet" });
  const grid = list({ label: "Dead and lost requests", columns: columns(context), key: (row) => row.id,
    open: (row) => context.navigate(`/requests/${encodeURIComponent(row.id)}`), end: () => pages.more(), saved: () => pages.state, narrow: (name, value) => box.write(toggled(box.text, name, value)),
    select: (chosen) => { set(picked, chosen.size > 0 ? `${whole(chosen.size)} selected` : "By filter"); },
    nothing: () => empty("Nothing here is dead or lost.", Object.keys(filters).length > 0 ? "Or the filter leaves nothing." : "That is good news.") });
  const path = (values) => `api/dead${query({ ...filters, limit: 100, ...values })}`;
  const show = () => {
    grid.set({ total: pages.rows.length, offset: 0, rows: pages.rows });
    set(note, total === null ? "" : pages.isCut ? `newest ${whole(pages.rows.length)} of ${whole(total)}` : `${whole(total)} in all`);
    const nothing = total === 0 ? "There is nothing to act on." : null;
    redriveAll.off(nothing);
    purge.off(nothing);
  };
  const pages = pager({ get: async (values, signal) => {
    const page = await context.api.get(path(values), { signal });
    return { ...page, rows: page.rows.map(asEnded) };
  }, show, fault: (error) => context.say(error.message, { kind: "bad" }), saved: trail.peek("Dead and lost requests")?.saved });

  const what = () => (grid.chosen.size > 0 ? { ids: [...grid.chosen] } : { filter: filters });
  const named = () => (grid.chosen.size > 0 ? "what is selected" : box.text ? `what matches “${box.text}”` : "all of them");

  // A dry run first: exactly those that it names are taken, whatever else has come to match meanwhile.
  const act = async (verb, done_, address, words) => {
    let counted;
    try { counted = await context.api.post(address, { ...what(), dry_run: true }); } catch (error) { return context.say(error.message, { kind: "bad" }); }
    const passed = counted.skipped?.length ?? 0;
    const reason = passed > 0 ? counted.skipped[0].why : "";
    if (counted.count === 0) return context.say(passed > 0 ? `Nothing would be changed by that: ${reason}.` : "Nothing would be changed by that.");
    const rest = counted.matched - counted.count - passed;
    const sure = await context.confirm({ title: `${verb} ${plural(counted.count, "request")}?`, yes: `${verb} ${whole(counted.count)}`, danger: verb === "Purge", type: verb === "Purge" && counted.count > 10 ? String(counted.count) : null,
      text: words, details: [make("p", {}, `Meant is ${named()}.`), passed > 0 ? make("p", { class: "quiet" }, `${plural(passed, "other")} would be passed by: ${reason}.`) : "",
        rest > 0 ? make("p", { class: "quiet" }, `${whole(rest)} more match: they are for another time, as so many are taken at once.`) : ""] });
    if (!sure) return;
    const isDone = await context.attempt(() => context.api.post(address, { ids: counted.ids }), (done) => {
      const missed = done.skipped?.length ?? 0;
      const following = done.waiting ? `; ${whole(done.waiting)} of them follow, ${whole(done.rate)} a second` : "";
      return `${done_}: ${whole(done.count)} of ${whole(counted.matched)}${following}${missed ? `; passed by: ${whole(missed)} (${done.skipped[0].why})` : ""}.`;
    });
    if (isDone) grid.clear(); // Else what was selected is there for another try.
    pages.reset();
    feed.anew();
  };
  const redriveAll = context.action({ label: "Redrive …", key: "R", run: () => act("Redrive", "Redriven", "api/dead/redrive", "Each goes back to the pool it came from as a new request. What it asks for may be done twice.") });
  const purge = context.action({ label: "Purge …", role: "admin", danger: true, key: "P", run: () => act("Purge", "Purged", "api/dead/purge", "They are thrown away and cannot be redriven any more.") });

  const address = addressOf(parameters, deadFields({}));
  context.remember(address);
  const box = filter({ fields: deadFields(seen), value: address.f, label: "Filter dead and lost requests",
    quick: [{ label: "Dead", text: "outcome:dead" }, { label: "Lost", text: "outcome:lost" }, { label: "Failed", text: "outcome:failed" }],
    change: (text, parsed) => {
      context.remember({ f: text });
      if (parsed.problems.length > 0 || JSON.stringify(parsed.values) === JSON.stringify(filters)) return;
      filters = parsed.values;
      pages.reset();
      grid.clear();
      grid.top();
      feed.anew();
    } });
  filters = box.parsed().values;
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
