// An action on many requests: a dry run says which they are, somebody agrees, and exactly those are taken, whatever else has
// come to match meanwhile. Answers whether it was done; nothing when nobody agreed.
//   what     {ids} or {filter}        meant   the same in words
//   verb     "Cancel"                 did     "Cancelled"
//   typed    whether the number has to be typed when it is above ten
import { make } from "./dom.js";
import { plural, whole } from "./format.js";

export const actOnMany = async (context, { address, what, meant, verb, did, words, danger = false, typed = false }) => {
  let counted;
  try { counted = await context.api.post(address, { ...what, dry_run: true }); } catch (error) { return void context.say(error.message, { kind: "bad" }); }
  const passed = counted.skipped?.length ?? 0;
  const reason = passed > 0 ? counted.skipped[0].why : "";
  if (counted.count === 0) return void context.say(passed > 0 ? `Nothing would be changed by that: ${reason}.` : "Nothing would be changed by that.");
  const rest = counted.matched - counted.count - passed;
  const sure = await context.confirm({ title: `${verb} ${plural(counted.count, "request")}?`, yes: `${verb} ${whole(counted.count)}`, danger, type: typed && counted.count > 10 ? String(counted.count) : null,
    text: words, details: [make("p", {}, `Meant is ${meant}.`), passed > 0 ? make("p", { class: "quiet" }, `${plural(passed, "other")} would be passed by: ${reason}.`) : "",
      rest > 0 ? make("p", { class: "quiet" }, `${whole(rest)} more match: they are for another time, as so many are taken at once.`) : ""] });
  if (!sure) return undefined;
  return context.attempt(() => context.api.post(address, { ids: counted.ids }), (done) => {
    const missed = done.skipped?.length ?? 0;
    const following = done.waiting ? `; ${whole(done.waiting)} of them follow, ${whole(done.rate)} a second` : "";
    return `${did}: ${whole(done.count)} of ${whole(counted.matched)}${following}${missed ? `; passed by: ${whole(missed)} (${done.skipped[0].why})` : ""}.`;
  });
};
