// What keeps a page up to date, and how honest it is about it.
//   const feed = live.stream("api/live/stream?…", {rows: (data) => …, overview: (data) => …});
//   feed.change("api/live/stream?…other")  goes on elsewhere, or begins anew where it was;  feed.close()
//   const feed = live.poll(async (signal) => …, 5)            asks every 5 s while nobody paused; feed.now() at once
// A stream that breaks is opened again after 0.5 s, then twice as long, to 10 s. What is shown meanwhile is called old.
// The badge says: live, every n s, paused, stale for n s, reconnecting. Pausing closes the streams: nothing moves.
import { api, Problem } from "./api.js";
import { roughly } from "./format.js";

const staleAfter = 20_000; // The server says something every 15 s.
const lostAfter = 45_000; // Then a connection is given up, though nobody has closed it.
const muteFor = 15_000; // A stream says something as soon as it is open. Longer than the longest pause before the next try.
const hiddenFor = 2_000; // A page that nobody sees gives its stream back: a browser has six for all tabs.
const feeds = new Set();
const watchers = new Set();
let paused = false;
let wantsBlur = false;
let hidden = document.hidden; // A tab opened in the background is told nothing of it: that is only said when it changes.
let isFinal = false;
try { wantsBlur = localStorage.getItem("sluice-pause-on-blur") === "yes"; } catch { /* Not kept then. */ }
let blurred = wantsBlur && document.hidden;

const stopped = () => paused || blurred;
const tell = () => { for (const watch of watchers) watch(); };

// One event's lines to its handler. Comments are signs of life.
const consume = async (body, feed) => {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    feed.heard = performance.now();
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      let name = "message";
      const data = [];
      for (const line of event.split("\n")) {
        if (line.startsWith("event:")) name = line.slice(6).trim();
        else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      }
      if (data.length > 0 && !feed.closed) feed.handlers[name]?.(JSON.parse(data.join("\n")));
    }
    if (feed.state !== "live") { feed.state = "live"; tell(); }
  }
};

const follow = async (feed) => {
  const turn = ++feed.turn;
  feed.abort?.abort();
  if (hidden && !feed.keeps) return;
  feed.abort = new AbortController();
  let pause = 500;
  while (!feed.closed && turn === feed.turn && !stopped()) {
    const began = feed.began = performance.now();
    try {
      const response = await api.raw(feed.path, { signal: feed.abort.signal, headers: { Accept: "text/event-stream" } });
      feed.problem = null;
      await consume(response.body, feed);
    } catch (error) {
      if (feed.closed || turn !== feed.turn) return;
      feed.problem = error.name === "AbortError" ? null : error instanceof Problem ? error : new Problem("The connection was lost.", 0, "lost", null);
      if (error.status >= 400 && error.status < 500 && error.status !== 429) {
        feed.state = "refused";
        feed.handlers.problem?.(error);
        return tell();
      }
    }
    if (feed.closed || turn !== feed.turn || stopped()) return;
    feed.state = feed.heard ? "reconnecting" : "connecting";
    tell();
    if (performance.now() - began > 5000) pause = 500;
    feed.began = performance.now(); // The pause is not silence of the server's: the watch below would cut it short.
    await new Promise((resolve) => { feed.wake = resolve; setTimeout(resolve, pause * (0.75 + Math.random() / 2)); });
    pause = Math.min(pause * 2, 10_000);
  }
};

const ask = async (feed) => {
  if (feed.closed) return;
  if (feed.asking) { feed.again = true; return; }
  clearTimeout(feed.timer);
  feed.asking = true;
  feed.isLate = false;
  feed.began = performance.now();
  feed.abort = new AbortController();
  try {
    await feed.work(feed.abort.signal);
    feed.heard = performance.now();
    feed.state = "live";
    feed.problem = null;
  } catch (error) {
    if (feed.closed) return;
    if (feed.isLate) error = new Problem("The server does not answer.", 0, "silent", null);
    if (error.name !== "AbortError") {
      feed.problem = error;
      feed.state = feed.heard ? "reconnecting" : error.status >= 400 && error.status < 500 ? "refused" : "connecting";
      feed.failed?.(error);
    }
  } finally {
    feed.asking = false;
  }
  tell();
  if (feed.closed || (stopped() && !feed.again)) return;
  feed.timer = setTimeout(() => ask(feed), feed.again ? 0 : feed.seconds * 1000);
  feed.again = false;
};

// A connection can be dead without a word: what has been silent for too long is asked anew.
setInterval(() => {
  if (stopped()) return;
  const now = performance.now();
  for (const feed of feeds) {
    if (feed.work) {
      if (!feed.asking || feed.isLate || now - feed.began < lostAfter) continue;
      feed.isLate = true;
      feed.abort.abort();
    } else if ((!hidden || feed.keeps) && feed.state !== "refused" && now - Math.max(feed.heard, feed.began) > (feed.heard < feed.began ? muteFor : lostAfter)) {
      feed.state = feed.heard ? "reconnecting" : "connecting";
      follow(feed);
    }
  }
}, 2_000);

const halt = () => {
  for (const feed of feeds) {
    feed.turn += 1;
    feed.abort?.abort();
    clearTimeout(feed.timer);
  }
  tell();
};

const resume = () => {
  for (const feed of feeds) feed.work ? ask(feed) : follow(feed);
  tell();
};

const change = (act) => {
  const before = stopped();
  act();
  if (before !== stopped()) stopped() ? halt() : resume();
  else tell();
};

let hiding = 0;
const hide = (value) => {
  if (hidden === value) return;
  hidden = value;
  for (const feed of feeds) {
    if (feed.work || feed.keeps || stopped() || feed.state === "refused") continue;
    feed.state = feed.heard ? "reconnecting" : "connecting";
    follow(feed);
  }
};
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden) hiding = setTimeout(() => hide(true), hiddenFor);
  else hide(false);
  change(() => { blurred = wantsBlur && document.hidden; });
});
addEventListener("online", () => { for (const feed of feeds) feed.wake?.(); });

export const live = {
  // What `keeps` its stream has it when nobody sees the page too: the server ends what nobody watches.
  stream(path, handlers, { keeps = false } = {}) {
    const feed = { path, handlers, keeps, turn: 0, heard: 0, began: 0, state: "connecting", closed: false };
    feeds.add(feed);
    if (!stopped()) follow(feed);
    tell();
    return {
      change(next) { feed.path = next; if (!stopped()) follow(feed); },
      close() { feed.closed = true; feed.turn += 1; feed.abort?.abort(); feed.wake?.(); feeds.delete(feed); tell(); },
    };
  },

  // `work` runs once even when paused, so that a page is never empty. What is asked `aside` is not what the badge speaks of.
  poll(work, seconds, failed, { aside = false } = {}) {
    const feed = { work, seconds, failed, aside, turn: 0, heard: 0, began: 0, state: "connecting", closed: false };
    feeds.add(feed);
    ask(feed);
    return {
      now: () => ask(feed),
      // What is on its way is no longer wanted.
      anew() { if (feed.asking) { feed.again = true; feed.abort.abort(); } else ask(feed); },
      close() { feed.closed = true; feed.abort?.abort(); clearTimeout(feed.timer); feeds.delete(feed); tell(); },
    };
  },

  // Nothing will change any more: that, and not a lost connection, is why nobody asks.
  final(value) { isFinal = value; tell(); },
  watch(act) { watchers.add(act); return () => watchers.delete(act); },
  get paused() { return paused; },
  get pausesOnBlur() { return wantsBlur; },
  toggle() { change(() => { paused = !paused; }); },
  setPauseOnBlur(value) {
    change(() => { wantsBlur = value; blurred = value && document.hidden; });
    try { localStorage.setItem("sluice-pause-on-blur", value ? "yes" : "no"); } catch { /* For this page only. */ }
  },

  // {state: idle | connecting | live | polling | paused | stale | reconnecting | refused, text, isOld, problem: a sentence or null}
  status() {
    const all = [...feeds].filter((feed) => !feed.aside);
    const problem = all.find((feed) => feed.problem)?.problem.message ?? null;
    return { problem, ...word(all, problem) };
  },
};

const word = (all, problem) => {
  if (all.length === 0) return { state: "idle", text: isFinal ? "Final" : "Not connected", isOld: false };
  const now = performance.now();
  const oldest = Math.min(...all.map((feed) => feed.heard));
  const old = oldest > 0 ? now - oldest : null;
  if (stopped()) return { state: "paused", text: blurred ? "Paused in background" : "Paused", isOld: true };
  if (all.some((feed) => feed.state === "refused")) return { state: "refused", text: "Not available", isOld: true };
  if (all.some((feed) => feed.state === "reconnecting")) {
    return { state: "reconnecting", text: `Reconnecting, ${roughly(old)} old`, isOld: true };
  }
  if (problem) return { state: "refused", text: "Not connected", isOld: true };
  if (all.some((feed) => feed.state === "connecting" && !feed.heard)) return { state: "connecting", text: "Connecting", isOld: false };
  const late = all.find((feed) => now - feed.heard > Math.max(staleAfter, feed.work ? feed.seconds * 2500 : 0));
  if (late) return { state: "stale", text: `Stale for ${roughly(now - late.heard)}`, isOld: true };
  const slow = all.every((feed) => feed.work) ? Math.max(...all.map((feed) => feed.seconds)) : 0;
  return slow > 0 ? { state: "polling", text: `Every ${slow} s`, isOld: false } : { state: "live", text: "Live", isOld: false };
};
