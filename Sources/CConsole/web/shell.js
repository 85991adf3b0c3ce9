// The frame around the pages: who asks, where we are, how fresh it is.
//
// A page is a module that exports {title, mount(root, context, parameters)}; mount answers {update?(parameters), unmount()}.
// `parameters` are the hash's query as plain strings, and `id` when the path has one: #/requests/req_1?tab=raw → {id, tab}.
// When only parameters change, the page's `update` is called if it has one; else it is mounted anew.
// `context`:
//   api       get, post, patch, delete, raw: see api.js; relative addresses ("api/lab/presets")
//   live      stream, poll, status, watch: see live.js; everything opened is closed when the page goes
//   me        what /api/me says; context.may("operator") and context.may("admin") know roles and --read-only
//   navigate(path, parameters, {replace})   "/requests/req_1", {…}
//   remember(parameters)                    puts the page's state into the address without a visit; null takes one out
//   say, confirm, form, attempt             see dialogs.js
//   keys(bindings)                          this page's keys, shown by `?`
//   back()                                  to where somebody came from, if that was a page of the console
//   title(text)                             heading and title of the window
//   note(text)                              what is not as it should be, under the heading; empty takes it away
//   final(value)                            whether nothing of this page changes any more
//   action({label, role, run, danger, key}) a button that is off, and says why, for those who may not; button.off(why) for other reasons
// Classes of style.css that pages share: panel, row, spring, quiet, number, tag, pairs, empty, table, tabs, field, solid, danger, plain.
import { api, key } from "./api.js";
import { attempt, confirm, form, say, undoLast } from "./dialogs.js";
import { make, mark, set, tickAges } from "./dom.js";
import { keys, showKeys } from "./keys.js";
import { live } from "./live.js";
import { plural, roughly, whole } from "./format.js";
import { trail } from "./trail.js";

const find = (id) => document.getElementById(id);
const main = find("main");
const base = { live, api, say, confirm, form, attempt, me: null };

// MARK: Pages

const pages = [
  { name: "overview", label: "Overview", go: "o" },
  { name: "dispatch", label: "LLM Dispatch", go: "d", group: "Runtime Fabric" },
  { name: "history", label: "History", go: "h" },
  { name: "pools", label: "Pools", go: "p" },
  { name: "fleet", label: "Fleet", go: "f" },
  { name: "dead", label: "Dead and lost", go: "x" },
  { name: "audit", label: "Audit", go: "a" },
  { name: "lab", label: "Lab", go: "l" },
];
const modules = { requests: "./request.js", pool: "./pool.js" };

const read = () => {
  const [path, text = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/").map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  const parameters = Object.fromEntries(new URLSearchParams(text));
  if (rest.length > 0 && rest[0]) parameters.id = rest.join("/");
  const page = name === "pools" && parameters.id ? "pool" : name || "overview";
  return { name: name || "overview", page, parameters };
};

const hashOf = (path, parameters = {}) => {
  const text = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "")).toString();
  return `#${path}${text ? `?${text.replaceAll("%3A", ":").replaceAll("%2C", ",").replaceAll("%3E", ">")}` : ""}`;
};

const navigate = (path, parameters = {}, { replace = false } = {}) => {
  const hash = hashOf(path, parameters);
  if (replace) location.replace(hash);
  else location.hash = hash;
};

const remember = (changes) => {
  const { parameters } = read();
  const { id, ...rest } = { ...parameters, ...changes };
  const path = location.hash.replace(/^#/, "").split("?")[0] || "/overview";
  const hash = hashOf(path, rest);
  if (hash !== location.hash) history.replaceState(null, "", hash);
};

let heading = "Sluice";
let wrongNow = 0;
const paintTitle = () => {
  const text = `${wrongNow > 0 ? `(${wrongNow}) ` : ""}${heading} · Sluice`;
  if (document.title !== text) document.title = text;
};
const setTitle = (text) => {
  heading = text;
  set(find("title"), text);
  paintTitle();
};

let current = null;
let visit = 0;
let isLoading = false;
let wantsFilter = false; // `/` was pressed before the page was there.
// The address changes at once; that it did is heard a moment later.
const isOnTheWay = () => isLoading || (!("locked" in document.body.dataset) && current?.page !== read().page);
let shown = 0; // Pages of the console that were shown here: only then there is a way back.

let noted = "";

// A page that has gone may still wait for an answer: what it does then reaches nobody.
const contextFor = (place) => {
  const here = (act) => (...words) => (place.gone ? undefined : act(...words));
  const keep = (feed) => {
    if (place.gone) feed.close();
    else place.opened.push(feed);
    return feed;
  };
  return {
    ...base, navigate: here(navigate), remember: here(remember), back: here(() => (shown > 1 ? history.back() : navigate("/dispatch"))), keys: here(keys.page),
    title: here(setTitle), note: here((text) => { noted = text ?? ""; paintBadge(); }), final: here(live.final), action, may,
    live: { ...live, get paused() { return live.paused; },
      stream: (...words) => keep(live.stream(...words)),
      poll: (...words) => keep(live.poll(...words)),
      watch: (act) => { const close = live.watch(act); keep({ close }); return close; } },
  };
};

const leave = () => {
  if (current) current.gone = true;
  noted = "";
  live.final(false);
  current?.view?.unmount?.();
  for (const feed of current?.opened ?? []) feed.close();
  keys.clear();
  current = null;
};

const show = async () => {
  if (!base.me) return;
  const { name, page, parameters } = read();
  // `sluice lab` has nothing else to show.
  if (base.me.lab_only && page !== "lab") return navigate("/lab", {}, { replace: true });
  const number = ++visit;
  for (const link of document.querySelectorAll("#nav a")) mark(link, "aria-current", link.dataset.page === name ? "page" : null);
  document.querySelector("#nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  if (page !== "requests" && !trail.leadsHere) trail.leave(null);
  if (current?.page === page && current.view?.update) {
    isLoading = wantsFilter = false; // Whoever came back while another page was on its way is not waiting for that one.
    return current.view.update(parameters);
  }
  const known = pages.some((each) => each.name === name) || modules[page];
  let module = null;
  isLoading = true;
  let problem = known ? null : { message: "There is no such page." };
  try {
    if (known) module = await import(modules[page] ?? `./${page}.js`);
  } catch {
    problem = { message: "This page could not be loaded." };
  }
  if (number !== visit) return;
  isLoading = false;
  const isFirst = current === null;
  leave();
  main.replaceChildren();
  main.dataset.page = page;
  scrollTo(0, 0);
  if (!isFirst) main.focus({ preventScroll: true });
  if (problem) {
    current = { page, opened: [], view: null, gone: false };
    wantsFilter = false;
    setTitle("Not here");
    return main.append(make("div", { class: "empty" }, make("p", {}, problem.message), make("a", { href: "#/overview" }, "Go to the overview")));
  }
  shown += 1;
  current = { page, opened: [], view: null, gone: false };
  setTitle(module.title);
  current.view = module.mount(main, contextFor(current), parameters);
  if (wantsFilter) main.querySelector("[data-filter]")?.focus();
  wantsFilter = false;
  // Keys and pointers are answered from here on; for measuring.
  if (isFirst) performance.mark("interactive");
};

// MARK: Who asks

const ranks = { viewer: 0, operator: 1, admin: 2 };
const may = (role) => !base.me.read_only && (ranks[base.me.role] ?? 0) >= ranks[role];

const action = ({ label, role = "operator", run, danger = false, key: shortcut = null, kind = "" }) => {
  const forbidden = may(role) ? null : base.me.read_only ? "This console is read-only." : `Needs the role ${role}; this key is ${base.me.role}.`;
  let reason = null;
  // It can be reached and pressed all the same: then it says why not.
  const button = make("button", { type: "button", class: `${danger ? "danger" : ""} ${kind}`.trim() || null,
    onclick: (event) => (reason === null ? run(event) : say(reason)) }, label);
  button.off = (why = null) => {
    reason = forbidden ?? why;
    mark(button, "aria-disabled", reason === null ? null : "true");
    mark(button, "title", reason ?? (shortcut ? `Key ${shortcut}` : null));
  };
  button.off();
  return button;
};

const lock = (problem) => {
  visit += 1;
  leave();
  standing?.close();
  standing = null;
  wrongNow = 0;
  set(find("state"), "");
  base.me = null;
  document.body.dataset.locked = "";
  setTitle("Locked");
  const field = make("input", { id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true });
  main.replaceChildren(make("form", { class: "gate panel", onsubmit: (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    start();
  } }, make("h2", {}, "This runtime asks for a key"),
  make("p", { class: "quiet" }, "It stays in this tab and is forgotten when you close it."),
  make("label", { for: "key" }, "API key"), make("div", { class: "row" }, field, make("button", { type: "submit", class: "solid" }, "Open")),
  make("p", { class: "bad", role: "alert" }, key.get() && problem ? problem.message : "")));
  field.focus();
};

// MARK: Frame

const themes = { auto: "System", light: "Light", dark: "Dark" };
const theme = () => document.documentElement.dataset.theme ?? "auto";
const paintTheme = () => {
  const button = find("theme");
  button.dataset.theme = theme();
  mark(button, "aria-label", `Theme: ${themes[theme()]}`);
  button.title = `Theme: ${themes[theme()]} (t)`;
};
const turnTheme = () => {
  const names = Object.keys(themes);
  const next = names[(names.indexOf(theme()) + 1) % names.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try { localStorage.setItem("sluice-theme", next); } catch { /* For this page only. */ }
  paintTheme();
};

let said = "";
const paintBadge = () => {
  const badge = find("badge");
  const { state, text, isOld, problem } = live.status();
  mark(badge, "data-state", state);
  set(badge.lastElementChild, text);
  badge.title = [problem, live.paused ? "Go on (p)" : "Pause (p)"].filter(Boolean).join(" ");
  const wrong = find("problem");
  // Said once: a page that has nothing else to show says it in its middle.
  const isSaid = problem !== null && main.querySelector(".empty:not([hidden] *) p")?.textContent === problem;
  set(wrong, (state === "paused" || isSaid ? null : problem) ?? noted);
  wrong.title = wrong.textContent;
  mark(badge, "aria-pressed", live.paused ? "true" : "false");
  document.body.toggleAttribute("data-old", isOld && state !== "paused");
  // Only changes of state are spoken, not every second of them.
  const word = { live: "Live", polling: "Up to date", paused: "Paused", stale: "Stale", reconnecting: "Reconnecting", refused: "Not available" }[state];
  if (word && word !== said && (said || state !== "live")) set(find("badge-said"), word);
  if (word) said = word;
  if (!isOld) tickAges();
};

const askWho = async () => {
  const values = await form({ title: base.me.name ? `Signed in as ${base.me.name}` : "This console", yes: "Save",
    text: `Role: ${base.me.read_only ? `${base.me.role}, read-only` : base.me.role}. Version ${base.me.version ?? "not known"}.`,
    fields: [{ name: "blur", label: "Pause while the window is in the background", kind: "check", value: live.pausesOnBlur },
      ...(key.get() ? [{ name: "forget", label: "Forget the key in this tab", kind: "check", value: false }] : [])] });
  if (!values) return;
  live.setPauseOnBlur(values.blur);
  if (values.forget) { key.forget(); location.reload(); }
};

// A request by its id, or its producer's; what cannot be known by either is said by its page.
const seek = async () => {
  const values = await form({ title: "Go to a request", yes: "Go", fields: [{ name: "id", label: "Id", value: "", hint: "req_…, or the id that its producer gave it" }],
    check: ({ id }) => (id.trim() ? null : { field: "id", message: "Which one?" }) });
  if (values) navigate(`/requests/${encodeURIComponent(values.id.trim())}`);
};

// How the runtime stands, whatever page is open: in a line under the tools, and what is wrong in the window's title.
let standing = null;
const stand = () => {
  if (standing || !base.me || base.me.lab_only) return;
  const line = find("state");
  standing = live.poll(async (signal) => {
    const { totals, findings } = await api.get("api/overview", { signal });
    wrongNow = (findings ?? []).filter(({ severity }) => severity !== "info").length;
    const words = [wrongNow > 0 ? `${wrongNow} wrong` : "", `${whole(totals.queued)} wait`, totals.queued > 0 ? `oldest ${roughly(totals.oldest_queued_ms)}` : ""].filter(Boolean);
    set(line, words.join(" · "));
    mark(line, "data-wrong", wrongNow > 0);
    mark(line, "aria-label", `${plural(wrongNow, "thing is wrong", "things are wrong")}, ${plural(totals.queued, "request waits", "requests wait")}: to the overview`);
    paintTitle();
  }, 10, undefined, { aside: true });
};

const frame = () => {
  const groups = [];
  for (const page of pages) {
    const link = make("a", { href: `#/${page.name}`, "data-page": page.name }, make("span", {}, page.label), make("kbd", { "aria-hidden": "true" }, `g ${page.go}`));
    keys.go(page.go, page.label, () => navigate(`/${page.name}`));
    groups.push(make("li", {}, page.group ? make("span", { class: "group" }, page.group) : null, link));
  }
  find("nav").append(make("ul", {}, ...groups));
  find("theme").addEventListener("click", turnTheme);
  find("find").addEventListener("click", seek);
  find("help").addEventListener("click", showKeys);
  find("badge").addEventListener("click", () => live.toggle());
  find("who").addEventListener("click", askWho);
  find("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
  keys.everywhere({
    "?": { label: "Show the keys", run: showKeys },
    "/": { label: "Filter", run: () => (isOnTheWay() ? wantsFilter = true : main.querySelector("[data-filter]")?.focus()) },
    i: { label: "Go to a request by its id", run: () => base.me && !base.me.lab_only && seek() },
    p: { label: "Pause, go on", run: () => live.toggle() },
    t: { label: "Theme: system, light, dark", run: turnTheme },
    u: { label: "Undo what was done last", run: () => undoLast() },
    Escape: { label: "Close", run: () => current?.view?.escape?.() },
  });
  paintTheme();
  live.watch(paintBadge);
  setInterval(paintBadge, 500);
  addEventListener("hashchange", show);
};

const start = async () => {
  // The page is fetched while it is asked who is asking.
  const { name: first, page } = read();
  if (pages.some((each) => each.name === first) || modules[page]) import(modules[page] ?? `./${page}.js`).catch(() => {});
  try {
    base.me = await api.get("api/me");
  } catch (error) {
    if (error.status === 401 || error.status === 403) return error.status === 403 && lock(error);
    setTitle("Not reached");
    main.replaceChildren(make("div", { class: "empty", role: "alert" }, make("p", {}, error.message), make("p", { class: "quiet" }, "Trying again.")));
    return setTimeout(start, 2000);
  }
  delete document.body.dataset.locked;
  const { name, role, read_only: readOnly, version, fabric_group: group, gateway } = base.me;
  document.body.dataset.role = readOnly ? "viewer" : role;
  for (const link of document.querySelectorAll("#nav a")) {
    link.parentElement.hidden = link.dataset.page === "lab" ? base.me.lab === false : base.me.lab_only === true;
  }
  set(find("who"), `${name ?? "anybody"} · ${readOnly ? "read-only" : role}`);
  find("about").replaceChildren(make("span", {}, `Version ${version}`), gateway ? make("span", {}, gateway) : "", group ? make("span", {}, `group ${group}`) : "");
  find("find").hidden = find("state").hidden = base.me.lab_only === true;
  show();
  // The page first.
  setTimeout(stand, 700);
};

api.whenLocked(lock);
frame();
start();
