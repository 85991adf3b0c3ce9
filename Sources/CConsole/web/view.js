// Makes elements out of facts. Text only ever goes in as text.
import { bytes, clock, fault, plain, span, whole, why } from "./format.js";

export const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

const draw = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};

// Keeps the element of each key, so that focus and scroll survive an update.
export const reconcile = (parent, items, key, build) => {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    const mark = JSON.stringify(item);
    let node = known.get(name);
    known.delete(name);
    if (!node || node.dataset.mark !== mark) {
      const fresh = build(item);
      fresh.dataset.key = name;
      fresh.dataset.mark = mark;
      if (node) {
        const focused = node.contains(document.activeElement) ? document.activeElement.dataset.name : null;
        if (node === place) place = fresh;
        node.replaceWith(fresh);
        if (focused) fresh.querySelector(`[data-name="${focused}"]`)?.focus();
      }
      node = fresh;
    }
    if (node !== place) parent.insertBefore(node, place);
    else place = place.nextElementSibling;
  }
  for (const node of known.values()) node.remove();
};

export const tag = (kind, text = plain(kind)) => make("span", { class: `tag ${kind}` }, text);

// A figure that grows with time between two answers of the server.
export const ticking = (ms, at) => make("span", { "data-ms": ms, "data-at": at }, span(ms));

const outcomesOf = (pool) => {
  const sums = {};
  for (const [name, count] of Object.entries(pool.books.ended)) {
    const outcome = name.split("/")[0];
    sums[outcome] = (sums[outcome] ?? 0) + count;
  }
  return sums;
};

export const totals = (pools) => {
  const sum = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0, expired: 0, dropped: 0, refused: 0 };
  for (const pool of pools) {
    const ends = outcomesOf(pool);
    sum.queued += pool.queued;
    sum.running += pool.in_flight;
    sum.done += ends.done ?? 0;
    sum.failed += (ends.failed ?? 0) + (ends.dead ?? 0) + (ends.lost ?? 0);
    sum.cancelled += ends.cancelled ?? 0;
    sum.expired += ends.expired ?? 0;
    sum.dropped += ends.dropped ?? 0;
    sum.refused += ends.rejected ?? 0;
  }
  return Object.entries(sum).map(([name, count]) =>
    make("div", { class: `${name}${count === 0 ? " none" : ""}` },
      make("dt", {}, name[0].toUpperCase() + name.slice(1)), make("dd", {}, whole(count))));
};

const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));

export const poolCard = (pool, act) => {
  const share = pool.slots > 0 ? Math.min(1, pool.in_flight / pool.slots) : 0;
  const fill = make("i");
  fill.style.width = `${share * 100}%`;
  const probe = pool.breaker.probe_in_ms;
  const reason = pool.waiting_reason && why(pool.waiting_reason);
  const button = (name, label, title) =>
    make("button", { type: "button", "data-name": name, title, class: name === "drain" ? "danger" : null,
      onclick: () => act(pool, name) }, label);
  const ends = Object.entries(pool.books.ended);
  return make("article", { class: "pool", "aria-label": `Pool ${pool.id}` },
    make("header", {}, make("h3", {}, pool.id),
      make("span", { class: "to", title: pool.backend_address }, `→ ${pool.backend}`), tag(pool.mode)),
    make("div", { class: "gauge" },
      make("span", {}, make("b", {}, whole(pool.in_flight)), ` of ${whole(pool.slots)} slots in use`),
      make("span", { class: "quiet" }, `${Math.round(share * 100)} %`),
      make("div", { class: "bar", role: "meter", "aria-label": "Slots in use", "aria-valuemin": 0,
        "aria-valuemax": pool.slots, "aria-valuenow": pool.in_flight }, fill)),
    make("dl", { class: "facts" },
      fact("queued", whole(pool.queued)),
      fact("oldest", pool.oldest_queued_ms === null ? "–" : ticking(pool.oldest_queued_ms, pool.at)),
      fact("mean service", span(pool.mean_service_ms)), fact("breaker", tag(pool.breaker.state))),
    pool.queued > 0 && reason ? make("p", { class: "why" }, `${reason}${probe === null ? "" : `, probe in ${span(probe)}`}.`)
      : probe === null ? null : make("p", { class: "why" }, `The backend’s circuit is open, probe in ${span(probe)}.`),
    make("ul", { class: "ends" }, ...(ends.length === 0 ? [make("li", {}, "Nothing has ended yet")]
      : ends.map(([name, count]) => {
        const [outcome, reason] = name.split("/");
        const label = reason === "ok" || reason === outcome ? outcome : `${outcome}: ${plain(reason)}`;
        return make("li", { class: outcome }, make("b", {}, whole(count)), ` ${label}`);
      })),
      pool.retries > 0 ? make("li", {}, make("b", {}, whole(pool.retries)), " retries") : null),
    make("footer", {},
      pool.mode === "running" ? button("pause", "Pause", "Accept, but start nothing")
        : button("resume", "Resume", "Accept and start again"),
      make("span", { class: "spring" }),
      pool.mode === "draining" ? null : button("drain", "Drain…", "Finish what is there, accept nothing")));
};

const idButton = (request, open) =>
  make("button", { type: "button", class: "id", "data-name": "open", title: request.id,
    onclick: (event) => { event.stopPropagation(); open(request.id); } }, `…${request.id.slice(-8)}`);

const cell = (label, content, kind = "") => make("td", { class: kind || null, "data-label": label || null }, content ?? "");

export const liveRow = (request, open, cancel) => {
  const wait = request.waiting;
  let reason = "";
  if (wait) {
    const estimate = wait.estimated_start_ms === null ? "start not known" : `starts in about ${span(wait.estimated_start_ms)}`;
    reason = wait.position === null ? `${why(wait.reason)}, on the fabric's list`
      : `${why(wait.reason)}, no. ${whole(wait.position)} in line, ${estimate}`;
  }
  const stop = make("button", { type: "button", "data-name": "cancel", "aria-label": `Cancel ${request.id}`,
    onclick: (event) => { event.stopPropagation(); cancel(request, event.currentTarget); } }, "Cancel");
  return make("tr", { onclick: () => open(request.id) },
    cell("", idButton(request, open)), cell("", request.pool), cell("", request.tenant), cell("", request.model),
    cell("", tag(request.state, request.state === "started" ? "executing" : request.state)),
    cell("", reason, reason ? "wrap reason" : ""), cell("age", ticking(request.age_ms, request.at), "number"),
    cell("attempts", whole(request.attempts.length), "number"), cell("", stop, "number"));
};

const parts = (request) => {
  const total = request.timings_ms.ended ?? request.age_ms;
  const start = Math.min(request.timings_ms.started ?? total, total);
  return { queued: start, executing: total - start, total };
};

const splitBar = (request) => {
  const { queued, executing, total } = parts(request);
  const width = 64;
  const edge = total > 0 ? Math.round((queued / total) * width) : 0;
  const picture = draw("svg", { width, height: 8, "aria-hidden": "true" });
  picture.append(draw("rect", { class: "q", x: 0, width: edge, height: 8 }),
    draw("rect", { class: request.outcome === "done" ? "x" : "x bad", x: edge, width: width - edge, height: 8 }));
  return make("span", { class: "split" }, picture, `${span(queued)} + ${span(executing)}`);
};

export const endedRow = (request, open) =>
  make("tr", { onclick: () => open(request.id) },
    cell("", idButton(request, open)), cell("", request.pool), cell("", request.tenant), cell("", request.model),
    cell("", make("span", {}, tag(request.outcome), ["ok", request.outcome].includes(request.reason) ? ""
      : make("span", { class: "reason" }, ` ${plain(request.reason)}`))),
    cell("", fault(request)), cell("", splitBar(request), "full"),
    cell("tokens", request.usage ? `${whole(request.usage.prompt_tokens)} / ${whole(request.usage.completion_tokens)}` : "–", "number"),
    cell("attempts", whole(request.attempts.length), "number"),
    cell("", clock(request.submitted_at + request.age_ms / 1000), "number"));

// Queue, attempts and the pauses between them, on one line to scale.
const lane = (request) => {
  const total = Math.max(request.age_ms, 0.001);
  const picture = draw("svg", { class: "lane", viewBox: "0 0 1000 14", preserveAspectRatio: "none", role: "img",
    "aria-label": "Timeline: grey is waiting, blue or red is an attempt, green is the first byte" });
  const x = (ms) => Math.max(0, Math.min(1000, (ms / total) * 1000));
  const first = request.attempts[0]?.started_ms ?? total;
  picture.append(draw("rect", { class: "gap", x: 0, width: 1000, height: 14 }),
    draw("rect", { class: "q", x: 0, width: x(first), height: 14 }));
  for (const attempt of request.attempts) {
    const start = x(attempt.started_ms);
    const end = x(attempt.ended_ms ?? total);
    picture.append(draw("rect", { class: attempt.class ? "x bad" : "x", x: start, width: Math.max(2, end - start), height: 14 }));
    if (attempt.first_byte_ms !== null) picture.append(draw("rect", { class: "first", x: x(attempt.first_byte_ms), width: 3, height: 14 }));
  }
  return picture;
};

const attemptItem = (attempt, number) => {
  const spent = attempt.ended_ms === null ? "still running" : `took ${span(attempt.ended_ms - attempt.started_ms)}`;
  const first = attempt.first_byte_ms === null ? "" : `, first byte after ${span(attempt.first_byte_ms - attempt.started_ms)}`;
  const again = attempt.retry_delay_ms === null ? "" : `; tried again after ${span(attempt.retry_delay_ms)}`;
  const state = attempt.class ? tag("failed", plain(attempt.class)) : attempt.ended_ms === null ? tag("started", "running") : tag("done");
  return make("li", {}, make("b", {}, `${attempt.number ?? number + 1}. ${attempt.backend} `), state,
    attempt.status ? ` status ${attempt.status}` : "",
    make("p", { class: "quiet" }, `began at ${span(attempt.started_ms)}, ${spent}${first}${again}`),
    attempt.message ? make("p", {}, attempt.message) : null);
};

export const detail = (request, close, cancel) => {
  const { queued, executing } = parts(request);
  const times = request.timings_ms;
  const pairs = [
    ["Pool", request.pool], ["Tenant", request.tenant], ["Producer", request.producer], ["Model", request.model],
    ["Operation", request.operation + (request.stream ? ", streamed" : "")], ["Priority", request.priority],
    ["Payload", `${bytes(request.payload_bytes)}, ${whole(request.message_count)} messages`],
    ["Tokens", request.usage ? `${whole(request.usage.prompt_tokens)} in, ${whole(request.usage.completion_tokens)} out`
      : `about ${whole(request.token_estimate)} (estimate)`],
    ["Submitted", clock(request.submitted_at)], ["Queued", span(queued)],
    ["First byte", times.first_byte === null ? null : `${span(times.first_byte)} after submission`],
    ["Executing", times.started === null ? null : span(executing)],
    ["Deadline", request.deadline_in_ms === null ? null : `in ${span(request.deadline_in_ms)}`],
    ["Fault", request.outcome === null ? null : fault(request)],
  ];
  const wait = request.waiting;
  return [
    make("header", {}, make("h2", { id: "drawer-title" }, request.id),
      request.outcome === null ? make("button", { type: "button", onclick: (event) => cancel(request, event.currentTarget) }, "Cancel request") : null,
      make("button", { type: "button", class: "plain", "aria-label": "Close", onclick: close }, "✕")),
    make("p", {}, request.outcome === null ? tag(request.state, request.state === "started" ? "executing" : request.state)
      : tag(request.outcome, request.reason === "ok" ? "done" : `${request.outcome}: ${plain(request.reason)}`)),
    wait && wait.position === null ? make("p", { class: "why" }, `${why(wait.reason)}, on the fabric's list.`)
      : wait ? make("p", { class: "why" }, `${why(wait.reason)}: no. ${whole(wait.position)} in line, `
      + (wait.estimated_start_ms === null ? "start not known." : `starts in about ${span(wait.estimated_start_ms)}.`)) : null,
    request.message ? make("p", { class: "say" }, request.message) : null,
    make("h3", {}, "Timeline"), lane(request),
    request.attempts.length === 0 ? make("p", { class: "quiet" }, "The backend has not been called.")
      : make("ol", { class: "attempts" }, ...request.attempts.map(attemptItem)),
    make("h3", {}, "Facts"),
    make("dl", { class: "pairs" }, ...pairs.filter(([, value]) => value !== null && value !== "")
      .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
  ].filter((node) => node !== null);
};
