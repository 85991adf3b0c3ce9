// One request: what happened when, what it waits or waited for, why this one then, what it was; cancel, retry, reveal.
import { copy, empty, facts, fillFacts, make, mark, redraw, set, tag } from "./dom.js";
import { bytes, clock, due, fault, kindOf, money, plain, span, stateWord, whole } from "./format.js";
import { explanation } from "./explanation.js";
import { timeline } from "./timeline.js";
import { traceLink } from "./columns.js";
import { Problem, query } from "./api.js";
import { trail } from "./trail.js";

export const title = "Request";

// Laid out anew without reading it as numbers, so that large ones stay exact. Strings are left alone.
export const indented = (text) => {
  let out = "";
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const c = text[i];
    if (quoted) {
      out += c;
      if (c === "\\") { i += 1; out += text[i] ?? ""; } else if (c === '"') quoted = false;
    } else if (c === '"') { quoted = true; out += c; } else if (c === "{" || c === "[") {
      const close = text.slice(i + 1).match(/^\s*([}\]])/);
      if (close) { out += c + close[1]; i += close[0].length; } else { depth += 1; out += `${c}\n${"  ".repeat(depth)}`; }
    } else if (c === "}" || c === "]") { depth = Math.max(0, depth - 1); out += `\n${"  ".repeat(depth)}${c}`; }
    else if (c === ",") out += `,\n${"  ".repeat(depth)}`;
    else if (c === ":") out += ": ";
    else if (!/\s/.test(c)) out += c;
  }
  return out;
};

const other = (id) => (id ? make("a", { class: "mono", href: `#/requests/${encodeURIComponent(id)}`, title: id }, `…${id.slice(-9)}`) : undefined);

const factsOf = (request) => {
  const times = request.timings_ms ?? {};
  const usage = request.usage;
  return [
    ["Pool", request.pool ? make("a", { href: `#/pools/${encodeURIComponent(request.pool)}` }, request.pool) : null], ["Tenant", request.tenant], ["Priority", request.priority],
    ["Sends again", other(request.redriven_from)], ["Sent again as", other(request.redriven_to)],
    ["Model", request.model], ["Operation", request.operation === undefined ? null : `${plain(request.operation)}${request.stream ? ", streamed" : ""}`], ["Producer", request.producer],
    ["Its producer’s name", request.request_id === request.id ? undefined : request.request_id],
    ["Place", request.place ? [request.place.stage, request.place.process].filter(Boolean).map(plain).join(" at ") : request.dispatcher ?? undefined],
    ["Gateway", request.gateway ?? undefined],
    ["Submitted", clock(request.submitted_at, true)], ["Deadline", request.deadline_in_ms === null || request.deadline_in_ms === undefined ? span(request.timeout_ms) : due(request.deadline_in_ms)],
    ["Queued", span(request.attempts?.[0]?.started_ms ?? times.started ?? times.claimed ?? (request.outcome ? times.ended : null))], ["First byte after", span(times.first_byte)],
    ["Payload", request.payload_bytes === undefined ? null : `${bytes(request.payload_bytes)}, ${whole(request.message_count)} messages`],
    ["Tokens", usage ? `${whole(usage.prompt_tokens)} in, ${whole(usage.completion_tokens)} out` : request.token_estimate ? `about ${whole(request.token_estimate)} (estimate)` : null],
    ["Cached tokens", usage?.cached_tokens === undefined ? undefined : whole(usage.cached_tokens)], ["Reasoning tokens", usage?.reasoning_tokens === undefined ? undefined : whole(usage.reasoning_tokens)],
    ["Cost", money(request.cost_dollars)], ["Known from", request.source],
  ];
};

const attemptsOf = (request) => {
  const attempts = Array.isArray(request.attempts) ? request.attempts : [];
  if (attempts.length === 0) return make("p", { class: "quiet" }, "The backend has not been called.");
  return make("ol", { class: "attempts" }, ...attempts.map((attempt, i) => make("li", {},
    make("div", { class: "row" }, make("b", {}, `${attempt.number ?? i + 1}. ${attempt.backend ?? "backend"}`), attempt.model ? make("span", { class: "quiet" }, attempt.model) : null,
      attempt.class ? tag("failed", plain(attempt.class)) : attempt.ended_ms === null || attempt.ended_ms === undefined ? tag("started", "running") : tag("done"),
      attempt.status ? make("span", { class: "quiet" }, `status ${attempt.status}`) : null, attempt.hedge ? make("span", { class: "quiet" }, "hedge") : null),
    attempt.message ? make("p", { class: "say" }, attempt.message) : null)));
};

const named = (values) => facts(Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]));

const head = () => {
  const node = make("section", { class: "panel request-head" });
  node.state = make("div", { class: "row" });
  node.sentence = make("p", { class: "sentence" });
  node.said = make("span", { class: "unseen", role: "status" });
  node.buttons = make("div", { class: "row" });
  node.append(node.state, node.sentence, node.buttons, node.said);
  return node;
};

// What another process holds is seen on the fabric's lists, and only there. That it is not on a part of them says nothing.
const elsewhere = async (context, id, signal) => {
  const { rows, fabric_error: trouble, sampled } = await context.api.get(`api/live${query({ q: id, limit: 5 })}`, { signal });
  const row = rows.find((each) => each.id === id || each.request_id === id);
  if (!row && (trouble || sampled)) throw new Problem(trouble ? `The fabric cannot be asked: ${trouble}` : "The lists are too long to look for it.", 503, "fabric_unknown", null);
  return row ? { ...row, isForeign: true } : null;
};

export const mount = (root, context, parameters) => {
  const id = parameters.id ?? "";
  const path = `api/requests/${encodeURIComponent(id)}`;
  let request = null;
  const top = head();
  const wrong = make("div", { hidden: true });
  const lifeBox = make("div", {});
  const whyBox = make("div", {});
  const factBox = make("dl", { class: "pairs" });
  const triesBox = make("div", {});
  const extraBox = make("div", { class: "pair" });
  const panel = (name, ...children) => make("section", { class: "panel" }, make("header", {}, make("h2", {}, name)), ...children);
  const secrets = payload(context, path);
  const body = make("div", { class: "request" }, make("div", { class: "request-main" }, panel("Timeline", lifeBox), panel("Why then", whyBox), panel("Attempts", triesBox), secrets),
    make("div", { class: "request-side" }, panel("What it is", factBox), extraBox));
  body.hidden = top.hidden = true;
  root.append(wrong, top, body);

  const cancel = context.action({ label: "Cancel", danger: true, key: "C", run: async () => {
    const sure = await context.confirm({ title: "Cancel this request?", danger: true, yes: "Cancel it", details: [make("p", { class: "mono" }, id)],
      text: request.state === "queued" ? "It ends without having run; its client gets an error." : "Its running call is told to stop; its client gets an error." });
    if (sure) await context.attempt(() => context.api.post(`${path}/cancel`), (answer) => (answer.answer === "already_ended" ? "It had ended already." : answer.answer === "cancelling" ? "Its call was told to stop." : "Cancelled."));
    feed.now();
  } });
  const retry = context.action({ label: "Retry with changes …", key: "R", run: () => askRetry(context, path, request) });
  const trace = make("a", { class: "button", target: "_blank", rel: "noopener noreferrer" }, "Open the trace");
  top.buttons.append(cancel, retry, trace, make("a", { class: "button", href: "#/dispatch" }, "All requests"));

  const sentence = (fresh, told, isLive) => {
    if (fresh.isForeign && !isLive) return "It has left the fabric’s lists; how it ended is known where it was held.";
    if (fresh.isForeign) return [fresh.waiting?.reason ? plain(fresh.waiting.reason) : "", `Held by ${fresh.place?.process ?? fresh.producer ?? "another process"}; looked at from here, not steered.`].filter(Boolean).join(" · ");
    if (isLive) return told?.summary ?? "";
    if (!fresh.outcome) return "It has ended; no more than its answer is still known.";
    return [fresh.reason && !["ok", fresh.outcome].includes(fresh.reason) ? plain(fresh.reason) : "", fault(fresh) ? `fault: ${fault(fresh)}` : "", fresh.message].filter(Boolean).join(" · ") || "It ended as it should.";
  };

  // Each part is drawn anew only when its own facts are others: what is selected or has the focus stays so.
  const show = (fresh, told) => {
    request = fresh;
    body.hidden = top.hidden = false;
    wrong.hidden = true;
    const isLive = fresh.state !== "ended";
    const kind = kindOf(fresh);
    const traceId = fresh.trace?.trace_id ?? null;
    set(top.said, stateWord(kind));
    redraw(top.state, [kind, fresh.id, traceId], () => [tag(kind, stateWord(kind)), make("h2", { class: "mono" }, fresh.id), copy(fresh.id, "Copy the id"),
      traceId ? make("span", { class: "quiet row" }, "trace", copy(traceId, "Copy the trace’s id")) : ""]);
    set(top.sentence, sentence(fresh, told, isLive));
    cancel.hidden = !isLive;
    cancel.off(fresh.isForeign ? "Another process holds it: cancel it there." : null);
    retry.hidden = isLive;
    retry.off(fresh.retryable === true ? null : "What it asked is not kept here, so it cannot be sent again (dead.max_bytes, payloads.max_bytes).");
    secrets.hidden = fresh.isForeign === true;
    const href = traceLink(context, traceId);
    mark(trace, "href", href);
    trace.hidden = !href;
    const times = fresh.timings_ms;
    redraw(lifeBox, [times, fresh.attempts, fresh.outcome, fresh.state, isLive ? fresh.age_ms : 0], () => [times ? timeline(fresh) : make("p", { class: "quiet" }, "When what happened is not known here.")]);
    redraw(triesBox, fresh.attempts ?? null, () => [attemptsOf(fresh)]);
    fillFacts(factBox, factsOf(fresh));
    redraw(whyBox, [told, times, fresh.attempts], () => [explanation(told, fresh)]);
    redraw(extraBox, [fresh.parameters, fresh.headers], () => [["Parameters", fresh.parameters], ["Headers", fresh.headers]].filter(([, values]) => values && Object.keys(values).length > 0)
      .map(([name, values]) => panel(name, named(values))));
    extraBox.hidden = extraBox.children.length === 0;
  };

  // An id of the producer's, or one that only another process knows.
  const search = async (error, signal) => {
    if (error.code !== "request_not_found" || request) throw error;
    const { requests } = await context.api.get(`api/requests${query({ request_id: id, limit: 1 })}`, { signal });
    if (requests[0] && requests[0].id !== id) {
      context.navigate(`/requests/${encodeURIComponent(requests[0].id)}`, {}, { replace: true });
      return null;
    }
    const row = context.me.fabric ? await elsewhere(context, id, signal) : null;
    if (!row) throw error;
    return row;
  };

  let stream = null;
  const refresh = async (signal) => {
    let fresh = null;
    try {
      fresh = await context.api.get(path, { signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (request?.isForeign && error.code === "request_not_found") fresh = await elsewhere(context, id, signal) ?? { ...request, state: "ended", waiting: null, age_ms: request.age_ms };
      else fresh = await search(error, signal);
    }
    if (!fresh) return;
    const told = fresh.isForeign ? null : await context.api.get(`${path}/explain`, { signal }).catch((error) => {
      if (error.name === "AbortError") throw error;
      return null;
    });
    const isLive = fresh.state !== "ended";
    if (request?.state === "ended" && isLive) return;
    show(fresh, told);
    if (isLive && !stream) stream = context.live.stream(`api/live/stream?q=${encodeURIComponent(id)}&limit=1`, { rows: () => feed.now(), problem: () => {} });
    if (!isLive) {
      stream?.close();
      stream = null;
      context.final(true);
      feed.close();
    }
  };
  const feed = context.live.poll(refresh, 2, (error) => {
    if (request) return;
    body.hidden = top.hidden = true;
    wrong.hidden = false;
    redraw(wrong, error.message, () => [empty(error.message), make("p", { class: "row middle" }, make("a", { class: "button", href: "#/dispatch" }, "All requests"))]);
  });
  const step = (by) => {
    const next = trail.step(id, by);
    if (next) context.navigate(`/requests/${encodeURIComponent(next)}`, {}, { replace: true });
    else context.say(by > 0 ? "That was the last row of the list." : "That was the first row of the list.");
  };
  context.title(`Request …${id.slice(-9)}`);
  context.keys({ j: { label: "The next row’s request", run: () => step(1) }, k: { label: "The request of the row before", run: () => step(-1) },
    C: { label: "Cancel it", run: () => { if (request && !cancel.hidden) cancel.click(); } },
    R: { label: "Retry it with changes", run: () => { if (request && !retry.hidden) retry.click(); } },
    b: { label: "Back", run: context.back } });
  return { escape: context.back, unmount() {} };
};

// MARK: Payload and answer

const payload = (context, path) => {
  const part = (name, label) => {
    const shown = make("div", { class: "payload", hidden: true });
    const open = context.action({ label: `Reveal the ${label} …`, role: "admin", run: async () => {
      if (!shown.hidden) { shown.hidden = true; shown.replaceChildren(); return set(open, `Reveal the ${label} …`); }
      const sure = await context.confirm({ title: `Reveal the ${label}?`, yes: "Reveal it", no: "Leave it hidden", text: "It may hold what people wrote. That you looked is kept in the audit." });
      if (!sure) return;
      try {
        const answer = await context.api.post(`${path}/reveal`, { part: name });
        const text = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
        const looks = /json/.test(answer.content_type ?? "") ? indented(text) : text;
        shown.replaceChildren(make("div", { class: "row" }, make("span", { class: "quiet" }, `${answer.content_type ?? "unknown type"}${answer.truncated ? ", cut" : ""}`), copy(text, `Copy the ${label}`)),
          make("pre", { tabindex: "0", "aria-label": label }, looks));
        shown.hidden = false;
        set(open, `Hide the ${label}`);
      } catch (error) { context.say(error.message, { kind: "bad" }); }
    } });
    return [open, shown];
  };
  const [request, requestShown] = part("request", "request");
  const [answer, answerShown] = part("answer", "answer");
  const hint = context.me.payloads_kept === false ? make("span", { class: "quiet" }, "Payloads are not kept (payloads.max_bytes); what failed may still be known.") : null;
  return make("section", { class: "panel" }, make("header", {}, make("h2", {}, "Payload and answer"), make("span", { class: "quiet" }, "hidden; every look is audited")),
    make("div", { class: "row" }, request, answer, hint), requestShown, answerShown);
};

const askRetry = async (context, path, request) => {
  const values = await context.form({ title: "Retry with changes", yes: "Send it", text: "It becomes a new request with the same body but for what you enter here. Fields left empty stay as they were.",
    fields: [{ name: "model", label: "Model", value: "", hint: `was ${request.model}` }, { name: "max_tokens", label: "Most tokens of the answer (max_tokens)", kind: "number" },
      { name: "temperature", label: "Temperature", kind: "number" }, { name: "other", label: "Other fields, as JSON", kind: "text", rows: 4, value: "", hint: '{"top_p": 0.9}; null takes a field out' }],
    check: (entered) => {
      for (const name of ["max_tokens", "temperature"]) if (entered[name].trim() && !Number.isFinite(Number(entered[name]))) return { field: name, message: `“${name}” must be a number.` };
      try {
        const other = entered.other.trim() ? JSON.parse(entered.other) : {};
        if (typeof other !== "object" || other === null || Array.isArray(other)) return { field: "other", message: "Other fields must be a JSON object." };
      } catch { return { field: "other", message: "Other fields are not JSON." }; }
      return null;
    } });
  if (!values) return;
  const edits = values.other.trim() ? JSON.parse(values.other) : {};
  if (values.model.trim()) edits.model = values.model.trim();
  for (const name of ["max_tokens", "temperature"]) if (values[name].trim()) edits[name] = Number(values[name]);
  await context.attempt(async () => {
    const answer = await context.api.post(`${path}/retry`, { edits });
    context.navigate(`/requests/${encodeURIComponent(answer.id)}`);
    return answer;
  }, (answer) => `Sent again as ${answer.id}.`);
};
