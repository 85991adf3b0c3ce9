// Asking the server. Every address is relative to the page, so the console works behind any path prefix.
//   await api.get("api/pools")                       the answer's JSON; throws Problem
//   await api.post("api/pools/a/pause", body?)       `api.patch`, `api.delete` likewise
//   await api.raw("api/x", {method, body, signal})   the Response, for headers and streams
// A Problem has message, status (0: the server was not reached), code, param.

export class Problem extends Error {
  constructor(message, status, code, param) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

const store = "sluice-key";
let onLocked = () => {};

export const key = {
  get: () => { try { return sessionStorage.getItem(store); } catch { return key.memory; } },
  set: (value) => { key.memory = value; try { sessionStorage.setItem(store, value); } catch { /* Kept until the page goes. */ } },
  forget: () => { key.memory = null; try { sessionStorage.removeItem(store); } catch { /* Nothing was kept. */ } },
  memory: null,
};

export const address = (path) => new URL(path.replace(/^\//, ""), document.baseURI.split("#")[0]).href;

const problemOf = async (response) => {
  try {
    const { message, code, param } = (await response.json()).error;
    return new Problem(message, response.status, code, param);
  } catch {
    return new Problem(`The server answered with status ${response.status}.`, response.status, null, null);
  }
};

const raw = async (path, options = {}) => {
  const headers = new Headers(options.headers);
  if (key.get()) headers.set("Authorization", `Bearer ${key.get()}`);
  let body = options.body;
  if (body !== undefined && typeof body !== "string") {
    body = JSON.stringify(body);
    headers.set("Content-Type", "application/json");
  }
  let response;
  try {
    response = await fetch(address(path), { ...options, body, headers, cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(options.method && options.method !== "GET"
      ? "The server could not be reached; whether it got this is not known." : "The server cannot be reached.", 0, "unreachable", null);
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) onLocked(problem, key.get() !== null);
  throw problem;
};

const json = async (response) => {
  if (response.status === 204) return null;
  const text = await response.text();
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    throw new Problem("The server’s answer cannot be read.", response.status, "unreadable", null);
  }
};

export const api = {
  raw,
  get: async (path, options) => json(await raw(path, options)),
  post: async (path, body, options) => json(await raw(path, { ...options, method: "POST", body })),
  patch: async (path, body, options) => json(await raw(path, { ...options, method: "PATCH", body })),
  delete: async (path, options) => json(await raw(path, { ...options, method: "DELETE" })),
  address,
  whenLocked: (act) => { onLocked = act; },
};

// Names and values to a query; what is null, empty or false is left out, lists repeat.
export const query = (values) => {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "" && each !== false) parameters.append(name, each);
    }
  }
  const text = parameters.toString();
  return text ? `?${text}` : "";
};
