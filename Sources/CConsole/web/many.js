// An action on many requests: a dry run says which they are, somebody agrees, and exactly those are taken, whatever else has
// come to match meanwhile. Answers whether it was done; nothing when nobody agreed.
//   what     {ids} or {filter}        meant   the same in words
//   verb     "Cancel"                 did     "Cancelled"
//   typed    whether the number has to be typed when it is above ten
//   rechecks whether the filter has to hold still when they are taken
import { make } from "./dom.js";
import { plural, whole } from "./format.js";

const atOnce = 1000;
let isAsking = false; // One question at a time.

const sum = (all, part) => ({ ...part, count: all.count + part.count, waiting: (all.waiting ?? 0) + (part.waiting ?? 0), skipped: [...all.skipped, ...(part.skipped ?? [])] });

const take = async (context, address, ids, rest) => {
  let all = { count: 0, skipped: [] };
  for (let i = 0; i < ids.length; i += atOnce) {
    all = sum(all, await context.api.post(address, { ...rest, ids: ids.slice(i, i + atOnce) }));
  }
  return all;
};

const ask = async (context, { address, what, meant, verb, did, words, danger = false, typed = false, rechecks = false }) => {
  let counted;
  try { counted = await context.api.post(address, { ...what, dry_run: true }); } catch (error) { return void context.say(error.message, { kind: "bad" }); }
  const passed = counted.elsewhere ?? counted.skipped?.length ?? 0;
  const reason = counted.skipped?.[0]?.why ?? "";
  if (counted.count === 0) return void context.say(passed > 0 ? `Nothing would be changed by that: ${reason}.` : "Nothing would be changed by that.");
  const rest = counted.matched - counted.count - passed;
  const { ids } = counted;
  const sure = await context.confirm({ title: `${verb} ${plural(counted.count, "request")}?`, yes: `${verb} ${whole(counted.count)}`, danger, type: typed && counted.count > 10 ? String(counted.count) : null,
    text: words, details: [make("p", {}, `Meant is ${meant}.`),
      make("ul", { class: "mono ids" }, ...ids.slice(0, 5).map((id) => make("li", {}, id)), ids.length > 5 ? make("li", {}, `and ${whole(ids.length - 5)} more`) : ""),
      passed > 0 ? make("p", { class: "quiet" }, `${plural(passed, "other")} would be passed by: ${reason}.`) : "",
      counted.fabric_error ? make("p", { class: "quiet" }, `What other processes have is not known: ${counted.fabric_error}`) : "",
      rest > 0 ? make("p", { class: "quiet" }, `${whole(rest)} more match: they are for another time, as so many are taken at once.`) : ""] });
  if (!sure) return undefined;
  return context.attempt(() => take(context, address, ids, rechecks && what.filter ? { filter: what.filter } : {}), (done) => {
    const missed = done.skipped.length;
    const following = done.waiting ? `; ${whole(done.waiting)} of them follow, ${whole(done.rate)} a second` : "";
    return `${did}: ${whole(done.count)} of ${whole(counted.matched)}${following}${missed ? `; passed by: ${whole(missed)} (${done.skipped[0].why})` : ""}.`;
  });
};

export const actOnMany = async (context, action) => {
  if (isAsking) return undefined;
  isAsking = true;
  try { return await ask(context, action); } finally { isAsking = false; }
};
