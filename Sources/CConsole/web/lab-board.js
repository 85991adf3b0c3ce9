// The messages, as cards that move through three lanes. A card is one element for as long as it is shown, so that it
// keeps its focus and can be followed by the eye. How many there are is bounded; the rest is said in a number.
import { make, mark, meter, set } from "./dom.js";
import { span, whole } from "./format.js";

const most = { pending: 48, processing: 48, done: 24 };
const movedAtOnce = 24;
const cardWidth = 12.5; // rem, at least
const pitch = 3.2; // rem from one card to the next
const priorities = ["urgent", "high", "normal", "low"];

// Rows as the server writes them.
const pending = ([number, priority, tenant, tokens, waited, score, state, attempts]) => ({ number, priority, tenant, tokens, waited, score, state, attempts });
const processing = ([number, priority, tenant, tokens, waited, score, attempts, ran, of]) => ({ number, priority, tenant, tokens, waited, score, state: "processing", attempts, ran, of });
const done = ([number, priority, tenant, tokens, waited, score, attempts, state, ran, ago]) => ({ number, priority, tenant, tokens, waited, score, state, attempts, ran, ago });

const card = (open) => {
  const name = make("b", {});
  const who = make("span", { class: "who-sent" });
  const tokens = make("span", { class: "size" });
  const time = make("span", { class: "time" });
  const score = make("span", { class: "score" });
  const fill = make("i");
  const button = make("button", { type: "button", class: "message", onclick: () => open(Number(button.dataset.number)) },
    make("span", { class: "line one" }, name, who, tokens), make("span", { class: "line two" }, time, score), make("span", { class: "fill-bar", "aria-hidden": "true" }, fill));
  const item = make("li", {}, button);
  return { item, button, fill: (message, scale) => {
    const priority = priorities[message.priority];
    mark(button, "data-number", message.number);
    mark(button, "data-priority", priority);
    mark(button, "data-state", message.state);
    set(name, `#${message.number}`);
    set(who, `${priority} · ${message.tenant}`);
    set(tokens, `${whole(message.tokens)} tok`);
    const ending = { failed: "failed", expired: "expired", refused: "refused" }[message.state];
    set(time, message.state === "processing" ? `runs ${span(message.ran)}` : message.state === "delayed" ? "waits to be repeated"
      : message.state === "overdue" ? `overdue, ${span(message.waited)}` : message.state === "pending" ? `waits ${span(message.waited)}`
      : ending ?? (message.waited < 1 ? "started at once" : `waited ${span(message.waited)}`));
    set(score, message.score === null ? "" : message.score.toFixed(3));
    const share = message.state === "processing" ? message.ran / Math.max(1, message.of) : message.score === null || message.ago !== undefined ? 0 : message.score / scale;
    fill.style.transform = `scaleX(${Math.max(0, Math.min(1, share)).toFixed(3)})`;
  } };
};

export const board = (open) => {
  const cards = new Map();
  // Cards stand where a transform puts them: nothing else on the page moves when they do.
  const columns = new Map();
  const widths = new ResizeObserver((entries) => {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    for (const { target, contentRect } of entries) columns.set(target, Math.max(1, Math.floor(contentRect.width / (cardWidth * rem))));
  });
  const lane = (name, title, hint) => {
    const figure = make("span", { class: "count" }, "0");
    const more = make("p", { class: "quiet small more" });
    const list = make("ol", { "aria-label": title, tabindex: "0" });
    widths.observe(list);
    const element = make("section", { class: `lane ${name}` }, make("header", {}, make("h2", {}, title), figure, make("span", { class: "quiet small hint" }, hint)), list, more);
    return { element, list, figure, more };
  };
  const lanes = { pending: lane("pending", "Pending", "next first"), processing: lane("processing", "Processing", "oldest first"), done: lane("done", "Done", "newest first") };
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  // A card that has changed its lane comes into it from the side it came from; within a lane the style sheet sees to it.
  const glide = (changed) => {
    for (const { item, place } of changed.slice(0, movedAtOnce)) {
      item.animate([{ opacity: 0.3, transform: `${place} translateX(-.7rem)` }, { opacity: 1, transform: place }], { duration: 220, easing: "ease-out" });
    }
  };

  const place = (list, messages, scale, seen, changed, animates) => {
    const wide = columns.get(list) ?? 1;
    list.style.setProperty("--columns", wide);
    list.style.setProperty("--rows", Math.ceil(messages.length / wide));
    // Only what really changes its place is taken out and put in: whatever is, does not glide.
    const wanted = new Set(messages.map(({ number }) => cards.get(number)?.item));
    let next = list.firstElementChild;
    messages.forEach((message, i) => {
      seen.add(message.number);
      let known = cards.get(message.number);
      if (!known) cards.set(message.number, known = card(open));
      const { item } = known;
      known.fill(message, scale);
      while (next && !wanted.has(next)) next = next.nextElementSibling;
      const where = `translate(calc(${i % wide} * (100% + .35rem)), ${(Math.floor(i / wide) * pitch).toFixed(2)}rem)`;
      if (item.parentElement !== list && animates) changed.push({ item, place: where });
      if (item === next) next = next.nextElementSibling;
      else list.insertBefore(item, next);
      if (known.place !== where) item.style.transform = known.place = where;
    });
  };

  return {
    element: make("div", { class: "lanes" }, lanes.pending.element, lanes.processing.element, lanes.done.element),
    show(frame, { moves }) {
      const shown = {
        pending: frame.pending.slice(0, most.pending).map(pending), processing: frame.processing.slice(0, most.processing).map(processing),
        done: frame.done.slice(0, most.done).map(done),
      };
      const scale = Math.max(1e-9, ...shown.pending.map(({ score }) => score ?? 0));
      const animates = moves && !calm.matches && !document.hidden;
      mark(lanes.pending.element.parentElement, "data-moves", animates);
      const changed = [];
      const focused = document.activeElement?.closest?.(".message");
      const seen = new Set();
      for (const name of ["pending", "processing", "done"]) place(lanes[name].list, shown[name], scale, seen, changed, animates);
      for (const [number, { item }] of cards) if (!seen.has(number)) { item.remove(); cards.delete(number); }
      // A card that is moved loses its focus; it keeps it here.
      if (focused?.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
      const counts = { pending: frame.counts.pending, processing: frame.counts.processing, done: frame.counts.done };
      for (const [name, one] of Object.entries(lanes)) {
        set(one.figure, whole(counts[name]));
        const rest = name === "done" ? 0 : counts[name] - shown[name].length;
        set(one.more, rest > 0 ? `and ${whole(rest)} more` : shown[name].length === 0 ? "nothing" : "");
      }
      glide(changed);
    },
    close: () => widths.disconnect(),
  };
};

// MARK: One message

const names = { priority: "Priority", efficiency: "Efficiency", wait_time: "Waiting time", retry: "Retries", token_fit: "Token fit", processing_time: "Processing time" };
const gates = {
  pool_mode: "the pool runs", back_off: "pause before a repetition", circuit_breaker: "the backend’s circuit", backend_patience: "the backend asked for patience",
  requests_per_minute: "requests a minute", tokens_per_minute: "tokens a minute", slots: "a free slot", tenant_in_flight: "its tenant’s requests at once",
  tenant_turn: "its tenant’s turn", order: "nobody before it", score: "the best score of its tenant", ageing: "served by age",
};

const measure = (gate) => {
  if (gate.value === null || gate.threshold === null) return gate.detail ?? "";
  const say = gate.unit === "milliseconds" ? span : whole;
  const figures = gate.gate === "score" ? `${gate.value.toFixed(3)} of ${gate.threshold.toFixed(3)}` : `${say(gate.value)} of ${say(gate.threshold)}`;
  return gate.reopens_in_ms ? `${figures}, opens in ${span(gate.reopens_in_ms)}` : figures;
};

const scores = (score) => {
  if (!score) return make("p", { class: "quiet" }, "This policy makes no scores: it goes by priority and age.");
  const largest = Math.max(1e-9, ...score.scorers.map(({ contribution }) => contribution));
  return make("table", { class: "table breakdown" }, make("caption", { class: "unseen" }, "What its score is made of"),
    make("thead", {}, make("tr", {}, ...["Scorer", "Value", "Weight", "Adds"].map((text, i) => make("th", { scope: "col", class: i > 0 ? "number" : null }, text)))),
    make("tbody", {}, ...score.scorers.map((scorer) => {
      const bar = meter(`${names[scorer.name]} adds`);
      bar.update(scorer.contribution / largest);
      return make("tr", {}, make("th", { scope: "row" }, names[scorer.name] ?? scorer.name, bar.element), make("td", { class: "number" }, scorer.value.toFixed(3)),
        make("td", { class: "number" }, `× ${scorer.weight.toFixed(2)}`), make("td", { class: "number" }, scorer.contribution.toFixed(3)));
    })),
    make("tfoot", {}, make("tr", {}, make("th", { scope: "row", colspan: 3 }, "Score"), make("td", { class: "number total" }, score.total.toFixed(3)))));
};

// The drawer that explains one message, kept up to date while it is open.
export const drawer = (ask, close) => {
  let number = null;
  let before = null;
  const title = make("h2", { tabindex: "-1" });
  const body = make("div", { class: "body" });
  const hide = () => {
    if (number === null) return;
    number = null;
    element.hidden = true;
    before?.isConnected && before.focus({ preventScroll: true });
    close();
  };
  const element = make("div", { class: "drawer panel", role: "dialog", hidden: true, "aria-label": "Message", onkeydown: (event) => { if (event.key === "Escape") { event.preventDefault(); hide(); } } },
    make("header", {}, title, make("span", { class: "spring" }), make("button", { type: "button", class: "plain", "aria-label": "Close", onclick: hide }, "✕")), body);
  let isBusy = false;
  const refresh = async () => {
    if (number === null || isBusy) return;
    isBusy = true;
    const wanted = number;
    try {
      const message = await ask(wanted);
      if (number === wanted) fill(message);
    } catch (error) {
      if (number === wanted) body.replaceChildren(make("p", { class: "quiet" }, error.message));
    } finally {
      isBusy = false;
    }
  };
  const fact = (name, value) => make("div", {}, make("dt", {}, name), make("dd", {}, value));
  const fill = (message) => {
    set(title, `Message #${message.number}`);
    const waiting = message.waiting;
    body.replaceChildren(
      make("p", { class: "say" }, waiting ? waiting.summary : message.state === "processing" ? "It is being processed." : `It is ${message.state === "done" ? "done" : message.state}${message.reason && message.state !== "done" ? `: ${message.reason.replaceAll("_", " ")}` : ""}.`),
      make("dl", { class: "pairs" }, fact("Priority", message.priority), fact("Tenant", message.tenant), fact("Tokens, estimated", whole(message.token_estimate)),
        fact("Prompt and completion", `${whole(message.prompt_tokens)} + ${whole(message.completion_tokens)}`), fact("Waited", span(message.waited_ms)), fact("Calls", whole(message.attempts)),
        waiting?.position ? fact("Place", `${whole(waiting.position)} of ${whole(waiting.queued)}`) : "", waiting?.predicted_start_ms !== null && waiting ? fact("Starts in about", span(waiting.predicted_start_ms)) : ""),
      make("h3", {}, waiting ? "Its score now" : "Its score when it started"), scores(message.score),
      waiting ? make("h3", {}, "What it has to pass") : "",
      waiting ? make("ul", { class: "gates" }, ...waiting.gates.map((gate) => make("li", { "data-state": gate.state, "data-held": waiting.held_by === gate.gate ? "" : null },
        make("i", { "aria-hidden": "true" }), make("span", {}, gates[gate.gate] ?? gate.gate.replaceAll("_", " "), make("span", { class: "unseen" }, gate.state === "open" ? ": open" : ": closed")),
        make("span", { class: "quiet" }, measure(gate))))) : "",
      waiting?.winner_number ? make("p", { class: "quiet" }, `#${waiting.winner_number} would be taken before it${waiting.winner?.score ? `, with ${waiting.winner.score.total.toFixed(3)}` : ""}.`) : "");
  };
  return {
    element,
    open(next) {
      if (number === null) before = document.activeElement;
      number = next;
      set(title, `Message #${next}`);
      element.hidden = false;
      title.focus({ preventScroll: true });
      refresh();
    },
    refresh, hide,
    get number() { return number; },
  };
};
