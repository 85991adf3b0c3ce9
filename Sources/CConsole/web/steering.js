// What an operator does to a pool: each asks first, says what happened, and can be undone.
import { make, mark, set } from "./dom.js";
import { plural } from "./format.js";

// Sends a change and offers to undo it, by the number that the audit gave it.
export const changed = async (context, request, words, after) => {
  try {
    const response = await request();
    const audit = response.headers.get("x-sluice-audit-id");
    const undo = audit && { label: "Undo", run: () => context.attempt(async () => {
      await context.api.post(`api/audit/${encodeURIComponent(audit)}/undo`);
      after();
    }, "Undone.") };
    context.say(words, { kind: "good", action: undo });
  } catch (error) {
    context.say(error.message, { kind: "bad" });
  }
  after();
};

const questions = {
  pause: { yes: "Pause", title: (pool) => `Pause pool “${pool.id}”?`, done: "is paused", text: (pool) => `It accepts requests and starts none: ${plural(pool.queued, "request")} in line will wait, ${plural(pool.in_flight, "running call")} will finish.` },
  resume: { yes: "Resume", title: (pool) => `Resume pool “${pool.id}”?`, done: "runs again", text: (pool) => `It accepts and starts requests again; ${plural(pool.queued, "request")} in line.` },
  drain: { yes: "Drain", danger: true, title: (pool) => `Drain pool “${pool.id}”?`, done: "is draining", text: (pool) => `It finishes its ${plural(pool.queued + pool.in_flight, "live request")} and refuses new ones with 503 until somebody resumes it.` },
};

export const steer = (context, current, refresh) => {
  const act = async (name) => {
    const pool = current();
    const question = questions[name];
    if (!pool) return;
    const sure = await context.confirm({ title: question.title(pool), text: question.text(pool), yes: question.yes, danger: question.danger });
    if (sure) await changed(context, () => context.api.raw(`api/pools/${encodeURIComponent(pool.id)}/${name}`, { method: "POST" }), `Pool ${pool.id} ${question.done}.`, refresh);
  };
  const pause = context.action({ label: "Pause …", run: () => act(current()?.mode === "running" ? "pause" : "resume") });
  const drain = context.action({ label: "Drain …", danger: true, run: () => act("drain") });
  return { elements: [pause, drain], act, update(pool) {
    set(pause, pool.mode === "running" ? "Pause …" : "Resume …");
    drain.hidden = pool.mode === "draining";
    mark(pause, "aria-label", `${pool.mode === "running" ? "Pause" : "Resume"} pool ${pool.id}`);
    mark(drain, "aria-label", `Drain pool ${pool.id}`);
  } };
};

// MARK: Settings

const number = (name, label, hint) => ({ name, label, kind: "number", hint });
const read = (pool, name) => name.split(".").reduce((value, part) => value?.[part], pool);

export const groups = {
  capacity: { title: "Capacity", fields: [number("slots", "Slots"), number("maximum_requests", "Most requests held"), number("maximum_bytes", "Most bytes held"),
    { ...number("maximum_requests_per_tenant", "Most requests of one tenant", "empty: none"), nullable: true },
    { name: "concurrency", label: "Concurrency", options: ["fixed", "adaptive"] }, { ...number("shedding.after_ms", "Shed when the oldest waits (ms)", "empty: never"), nullable: true }] },
  limits: { title: "Limits", fields: [["limits.requests_per_minute", "Requests a minute"], ["limits.tokens_per_minute", "Tokens a minute"], ["limits.burst_requests", "Burst of requests"], ["limits.burst_tokens", "Burst of tokens"]]
    .map(([name, label]) => ({ ...number(name, label, "empty: none"), nullable: true })).concat([{ name: "limits.mode", label: "Mode", options: ["smooth", "strict"] }]) },
  policy: { title: "Policy and weights", fields: [{ name: "policy.preset", label: "Policy", options: ["default", "fifo", "priority", "simple-priority", "throughput-optimized", "fair", "custom"], hint: "custom: weights of your own" },
    ...["priority", "efficiency", "wait_time", "retry", "token_fit", "processing_time"].map((name) => number(`policy.weights.${name}`, `Weight: ${name.replace("_", " ")}`)),
    number("policy.min_score", "Least score"), number("policy.max_wait_ms", "By age alone after (ms)")] },
};

export const tenantGroup = (pool, tenants) => ({ title: "Tenants", fields: [{ name: "tenants.fair", label: "Serve tenants in turn", kind: "check" },
  { ...number("tenants.max_in_flight", "In flight at most, each", "empty: no bound"), nullable: true },
  ...[...new Set([...Object.keys(pool.tenants?.weights ?? {}), ...tenants])].map((name) => ({ ...number(`tenants.weights.${name}`, `Weight: ${name}`, "empty: 1"), nullable: true, path: ["tenants", "weights", name] }))] });

const pathOf = (field) => field.path ?? field.name.split(".");
const valueOf = (pool, field) => pathOf(field).reduce((value, part) => value?.[part], pool) ?? (field.kind === "check" ? false : null);

// Asks for a group's settings, shows what would change, and sends only that.
export const changeSettings = async (context, pool, group, refresh) => {
  const fields = group.fields.filter((field) => !(field.name.startsWith("policy.weights.") && !pool.policy?.weights));
  const values = await context.form({ title: `${group.title} of “${pool.id}”`, yes: "Go on", fields: fields.map((field) => ({ ...field, value: valueOf(pool, field) ?? "" })),
    check: (entered) => {
      for (const field of fields) {
        const text = field.kind === "number" ? entered[field.name].trim() : "";
        if (field.kind === "number" && text === "" && !field.nullable && valueOf(pool, field) !== null) return { field: field.name, message: `“${field.label}” must have a value.` };
        if (field.kind === "number" && text !== "" && !Number.isFinite(Number(text))) return { field: field.name, message: `“${field.label}” must be a number.` };
      }
      return null;
    } });
  if (!values) return;
  const change = {};
  const lines = [];
  for (const field of fields) {
    const before = valueOf(pool, field);
    const raw = values[field.name];
    const after = field.kind === "number" ? (raw.trim() === "" ? null : Number(raw)) : raw;
    if (after === before || (field.name === "policy.preset" && after === "custom")) continue;
    const path = pathOf(field);
    let place = change;
    for (const part of path.slice(0, -1)) place = place[part] ??= {};
    place[path.at(-1)] = after;
    lines.push(make("li", {}, make("span", {}, field.label), make("span", { class: "mono" }, `${before ?? "none"} → ${after ?? "none"}`)));
  }
  if (lines.length === 0) return context.say("Nothing was changed.");
  const sure = await context.confirm({ title: `Change “${pool.id}”?`, text: "Nothing that waits or runs is lost. You can undo it.", yes: "Change it", details: [make("ul", { class: "changes" }, ...lines)] });
  if (sure) await changed(context, () => context.api.raw(`api/pools/${encodeURIComponent(pool.id)}`, { method: "PATCH", body: change }), `Pool ${pool.id} is changed.`, refresh);
};

export const settingsOf = (pool, group) => group.fields.map((field) => [field.label, read(pool, field.name)]);
