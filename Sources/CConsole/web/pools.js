// All pools: how they stand, and the switches.
import { age, make, mark, meter, reconcile, set, setTag, tag } from "./dom.js";
import { percent, rate, span, stateWord, whole, why } from "./format.js";
import { steer } from "./steering.js";

export const title = "Pools";

const card = (context, refresh) => (pool) => {
  const node = make("article", { class: "panel pool-card", "aria-label": `Pool ${pool.id}` });
  node.link = make("a", { href: `#/pools/${encodeURIComponent(pool.id)}` }, pool.id);
  node.mode = tag(pool.mode);
  node.backend = make("span", { class: "quiet" });
  node.used = make("span", {});
  node.meter = meter(`Slots in use in ${pool.id}`);
  node.cells = Object.fromEntries(["queued", "oldest", "service", "policy", "limit", "breaker"].map((name) => [name, make("dd", {}, "–")]));
  node.cells.breaker.replaceChildren(tag("closed"));
  node.why = make("p", { class: "why" });
  node.buttons = steer(context, () => node.pool, refresh);
  node.append(make("header", {}, make("h2", {}, node.link), node.mode, node.backend), make("div", { class: "stack" }, node.used, node.meter.element),
    make("dl", { class: "pairs" }, ...[["Queued", "queued"], ["Oldest", "oldest"], ["Mean service", "service"], ["Policy", "policy"], ["Limit", "limit"], ["Circuit", "breaker"]].map(([name, key]) =>
      make("div", {}, make("dt", {}, name), node.cells[key]))), node.why, make("div", { class: "row" }, ...node.buttons.elements));
  return node;
};

const limitOf = (pool) => {
  const { requests_per_minute: requests, tokens_per_minute: tokens } = pool.limits ?? {};
  return [requests ? `${rate(requests)} req/min` : "", tokens ? `${rate(tokens)} tok/min` : ""].filter(Boolean).join(", ") || "none";
};

const fill = (node, pool) => {
  node.pool = pool;
  setTag(node.mode, pool.mode);
  set(node.backend, `→ ${pool.backend}`);
  mark(node.backend, "title", pool.backend_address);
  set(node.used, `${whole(pool.in_flight)} of ${whole(pool.slots)} slots in use · ${percent(pool.slots > 0 ? pool.in_flight / pool.slots : null)}`);
  node.meter.update(pool.slots > 0 ? pool.in_flight / pool.slots : null);
  set(node.cells.queued, whole(pool.queued));
  age(node.cells.oldest, pool.oldest_queued_ms);
  set(node.cells.service, span(pool.mean_service_ms));
  set(node.cells.policy, pool.policy?.preset ?? "–");
  set(node.cells.limit, limitOf(pool));
  setTag(node.cells.breaker.firstChild, pool.breaker.state, stateWord(pool.breaker.state));
  set(node.why, pool.queued > 0 && pool.waiting_reason ? `Held by: ${why(pool.waiting_reason)}.` : "");
  node.buttons.update(pool);
};

export const mount = (root, context) => {
  const cards = make("div", { class: "cards" });
  root.append(cards);
  let feed = null;
  const build = card(context, () => feed?.now());
  const show = (pools) => reconcile(cards, pools, (pool) => pool.id, build, fill);
  feed = context.live.poll(async (signal) => show((await context.api.get("api/pools", { signal })).pools), 1);
  return { unmount() {} };
};
