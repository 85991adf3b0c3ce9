// Reads the runtime's state, follows its changes and says how old what it shows is.
import { plain, span, whole } from "./format.js";
import { detail, endedRow, liveRow, poolCard, reconcile, totals } from "./view.js";

const find = (id) => document.getElementById(id);
const rowsShown = 200;
const staleAfter = 35_000; // The server says something every 15 s.
const store = { pools: [], live: [], ended: [], heardAt: 0, state: "connecting", open: null };
let stream = null;
let pause = 500;

// MARK: Asking

const key = () => sessionStorage.getItem("sluice-key");

const ask = async (path, options = {}) => {
  const headers = new Headers(options.headers);
  if (key()) headers.set("Authorization", `Bearer ${key()}`);
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status === 401 || response.status === 403) {
    const text = await problem(response);
    lock(key() ? text : "");
    throw new Error(text);
  }
  return response;
};

const problem = async (response) => {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered with status ${response.status}.`;
  }
};

const read = async (path) => {
  const response = await ask(path);
  if (!response.ok) throw new Error(await problem(response));
  const at = performance.now();
  return { at, body: await response.json() };
};

const say = (text) => {
  find("notice").textContent = text ?? "";
  find("notice").hidden = !text;
};

const lock = (text) => {
  stream?.abort();
  store.state = "locked";
  find("board").hidden = true;
  find("gate").hidden = false;
  find("gate-error").textContent = text;
  find("key").focus();
  showConnection();
};

find("gate-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("sluice-key", find("key").value.trim());
  find("key").value = "";
  find("gate").hidden = true;
  follow();
});

find("forget").addEventListener("click", () => {
  sessionStorage.removeItem("sluice-key");
  location.reload();
});

// MARK: Showing

const showConnection = () => {
  const age = performance.now() - store.heardAt;
  const isStale = store.heardAt > 0 && (store.state !== "live" || age > staleAfter) && store.state !== "locked";
  const words = {
    connecting: "Connecting", live: "Live", locked: "Locked",
    retry: store.heardAt ? `Reconnecting, data is ${span(age)} old` : "Reconnecting",
  };
  const shown = store.state === "live" && isStale ? "stale" : store.state;
  const node = find("connection");
  node.dataset.state = shown;
  const text = shown === "stale" ? `Stale, nothing heard for ${span(age)}` : words[shown];
  if (node.lastElementChild.textContent !== text) node.lastElementChild.textContent = text;
  document.body.toggleAttribute("data-stale", isStale);
  return !isStale;
};

const show = () => {
  find("board").hidden = false;
  find("forget").hidden = !key();
  find("totals").replaceChildren(...totals(store.pools));
  reconcile(find("pools"), store.pools, (pool) => pool.id, (pool) => poolCard(pool, steer));
  reconcile(find("live"), store.live, (row) => row.id, (row) => liveRow(row, openDrawer, cancel));
  reconcile(find("ended"), store.ended, (row) => row.id, (row) => endedRow(row, openDrawer));
  const live = store.pools.reduce((sum, pool) => sum + pool.queued + pool.in_flight, 0);
  find("live-count").textContent = live > store.live.length ? `${whole(live)}, the first ${whole(store.live.length)} shown` : whole(live);
  find("live-empty").hidden = store.live.length > 0;
  find("ended-empty").hidden = store.ended.length > 0;
};

// Figures that only time moves; frozen when the data is stale.
const tick = () => {
  if (!showConnection()) return;
  const now = performance.now();
  for (const node of document.querySelectorAll("[data-ms]")) {
    node.textContent = span(Number(node.dataset.ms) + now - Number(node.dataset.at));
  }
};

// MARK: Refreshing: lists are read again when something has changed, at most four times a second.

let refreshing = false;
let wanted = false;

const refresh = async () => {
  if (refreshing) { wanted = true; return; }
  refreshing = true;
  try {
    const state = find("ended-filter").value;
    const [live, ended] = await Promise.all([
      read(`/api/requests?state=live&limit=${rowsShown}`), read(`/api/requests?state=${state}&limit=50`),
    ]);
    store.live = live.body.requests.map((row) => ({ ...row, at: live.at }));
    store.ended = ended.body.requests;
    // An ended row does not age.
    show();
    if (store.open) await fillDrawer();
  } catch (error) {
    if (store.state === "live") say(error.message);
  } finally {
    setTimeout(() => {
      refreshing = false;
      if (wanted) { wanted = false; refresh(); }
    }, 250);
  }
};

// MARK: Following

const take = (name, text) => {
  store.heardAt = performance.now();
  if (name === "pools") {
    store.pools = JSON.parse(text).pools.map((pool) => ({ ...pool, at: store.heardAt }));
    if (store.state === "live") show();
  } else if (name === "request" || name === "missed") {
    refresh();
  }
};

const follow = async () => {
  stream = new AbortController();
  try {
    const response = await ask("/api/events", { signal: stream.signal, headers: { Accept: "text/event-stream" } });
    if (!response.ok) throw new Error(await problem(response));
    store.state = "live";
    pause = 500;
    say(null);
    refresh();
    showVersion();
    await consume(response.body);
  } catch (error) {
    if (store.state === "locked") return;
    if (store.heardAt === 0) say(`${error.message} Trying again.`);
  }
  if (store.state === "locked") return;
  store.state = "retry";
  showConnection();
  setTimeout(follow, pause * (0.75 + Math.random() / 2));
  pause = Math.min(pause * 2, 10_000);
};

const consume = async (body) => {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      const lines = event.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
      store.heardAt = performance.now();
      if (field("data").length > 0) take(field("event")[0] ?? "message", field("data").join("\n"));
    }
  }
};

const showVersion = async () => {
  try {
    find("version").textContent = (await read("/api/version")).body.version;
  } catch { /* The page works without it. */ }
};

// MARK: Steering

const send = async (path) => {
  try {
    const response = await ask(path, { method: "POST" });
    say(response.ok ? null : await problem(response));
  } catch (error) {
    say(`It is not known whether that arrived: ${error.message}`);
  }
};

const confirmed = (title, text, yes) =>
  new Promise((resolve) => {
    const dialog = find("ask");
    find("ask-title").textContent = title;
    find("ask-text").textContent = text;
    find("ask-yes").textContent = yes;
    dialog.returnValue = "no";
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    dialog.showModal();
  });

const steer = async (pool, action) => {
  if (action === "drain") {
    const text = `It finishes its ${whole(pool.queued + pool.in_flight)} live requests and refuses new ones with 503 until you resume it.`;
    if (!(await confirmed(`Drain pool “${pool.id}”?`, text, "Drain"))) return;
  }
  await send(`/api/pools/${encodeURIComponent(pool.id)}/${action}`);
  const { at, body } = await read("/api/pools");
  store.pools = body.pools.map((each) => ({ ...each, at }));
  show();
};

const cancel = async (request, button) => {
  button.disabled = true;
  button.textContent = "Cancelling";
  await send(`/api/requests/${request.id}/cancel`);
  refresh();
};

// MARK: One request

const fillDrawer = async () => {
  const id = store.open;
  try {
    const { body } = await read(`/api/requests/${id}`);
    if (store.open === id) find("drawer").replaceChildren(...detail(body, () => find("drawer").close(), cancel));
  } catch (error) {
    say(error.message);
    if (!find("drawer").hasChildNodes()) find("drawer").close();
  }
};

const openDrawer = async (id) => {
  store.open = id;
  await fillDrawer();
  if (!find("drawer").open && store.open) find("drawer").showModal();
};

find("drawer").addEventListener("close", () => { store.open = null; });
find("drawer").addEventListener("click", (event) => { if (event.target === find("drawer")) find("drawer").close(); });
find("ended-filter").addEventListener("change", () => {
  const word = find("ended-filter").value;
  find("ended-empty").textContent = word === "ended" ? "No request has ended yet." : `No request has ended as ${plain(word)}.`;
  refresh();
});

setInterval(tick, 500);
setInterval(() => { if (store.state === "live" && (store.live.length > 0 || store.open) && !document.hidden) refresh(); }, 2000);
setInterval(() => { if (store.state === "live" && !document.hidden) refresh(); }, 15_000);
follow();
