// Questions and messages. A dialog is filled once, when it opens: no refresh can change what is being confirmed,
// and the key that opened it cannot answer it.
//   await confirm({title, text, details: [nodes], yes: "Drain", danger: true, type: "default"})   true or false
//   await form({title, text, fields: [{name, label, value, kind, hint, options}], yes})            values or null
//   say("Paused.", {kind: "good|bad|plain", action: {label: "Undo", run}})                        a message that goes by itself
import { make, set } from "./dom.js";

const armedAfter = 350; // Milliseconds: longer than a double click or a key's repeat.

const open = (title, danger, children, resolve) => {
  const before = document.activeElement;
  const dialog = make("dialog", { class: danger ? "ask danger" : "ask", "aria-labelledby": "ask-title" },
    make("h2", { id: "ask-title" }, title), ...children);
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.isConnected && before.focus();
    resolve();
  }, { once: true });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
};

export const confirm = ({ title, text, details = [], yes, no = "Keep as it is", danger = false, type = null }) =>
  new Promise((resolve) => {
    let answer = false;
    const field = type === null ? null : make("input", { type: "text", autocomplete: "off", spellcheck: "false", "aria-label": `Type ${type}` });
    const go = make("button", { type: "button", class: danger ? "danger solid" : "solid", disabled: true,
      onclick: () => { answer = true; dialog.close(); } }, yes);
    const stay = make("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, no);
    const shown = performance.now();
    const arm = () => { go.disabled = performance.now() - shown < armedAfter - 20 || (field !== null && field.value !== type); };
    field?.addEventListener("input", arm);
    const dialog = open(title, danger, [
      make("p", {}, text), ...details,
      field ? make("label", { class: "field" }, make("span", {}, "Type ", make("b", {}, type), " to go on"), field) : null,
      make("div", { class: "row end" }, stay, go),
    ].filter(Boolean), () => resolve(answer));
    (field ?? stay).focus();
    setTimeout(arm, armedAfter);
  });

const control = (field) => {
  const id = `field-${field.name.replaceAll(/[^a-z0-9]/gi, "-")}`;
  const common = { id, name: field.name, "aria-describedby": field.hint ? `${id}-hint` : null };
  const node = field.options ? make("select", common, ...field.options.map((each) => make("option", { value: each }, each)))
    : field.kind === "text" ? make("textarea", { ...common, rows: field.rows ?? 8, spellcheck: "false" })
    : field.kind === "check" ? make("input", { ...common, type: "checkbox" })
    : field.kind === "time" ? make("input", { ...common, type: "datetime-local", step: 1 })
    : make("input", { ...common, type: "text", inputmode: field.kind === "number" ? "decimal" : null, autocomplete: "off", spellcheck: "false" });
  if (field.kind === "check") node.checked = Boolean(field.value);
  else node.value = field.value ?? "";
  return { id, node, element: make("label", { class: field.kind === "check" ? "field check" : "field", for: id }, make("span", {}, field.label), node,
    field.hint ? make("small", { id: `${id}-hint`, class: "quiet" }, field.hint) : null) };
};

// `check(values)` answers a sentence, or an object {field, message}, when something is wrong, else null.
export const form = ({ title, text = "", fields, yes, check = () => null }) =>
  new Promise((resolve) => {
    let answer = null;
    const controls = fields.map((field) => ({ field, ...control(field) }));
    const wrong = make("p", { class: "bad", role: "alert" });
    const body = make("form", { method: "dialog", onsubmit: (event) => {
      event.preventDefault();
      const values = Object.fromEntries(controls.map(({ field, node }) => [field.name, field.kind === "check" ? node.checked : node.value]));
      const fault = check(values);
      for (const { node } of controls) node.removeAttribute("aria-invalid");
      if (fault) {
        const at = controls.find(({ field }) => field.name === fault.field);
        at?.node.setAttribute("aria-invalid", "true");
        at?.node.focus();
        return set(wrong, fault.message ?? fault);
      }
      answer = values;
      dialog.close();
    } }, text ? make("p", {}, text) : null, make("div", { class: "fields" }, ...controls.map(({ element }) => element)), wrong,
    make("div", { class: "row end" }, make("button", { type: "button", onclick: () => dialog.close() }, "Close"),
      make("button", { type: "submit", class: "solid" }, yes)));
    const dialog = open(title, false, [body], () => resolve(answer));
    controls[0]?.node.focus();
  });

// MARK: Messages

const kept = 12_000;
let undo = null;

export const say = (text, { kind = "plain", action = null } = {}) => {
  const area = document.getElementById("toasts");
  const close = () => { toast.remove(); if (undo === act) undo = null; };
  const act = action && (async () => { close(); await action.run(); });
  const toast = make("div", { class: "toast", "data-kind": kind }, make("p", {}, text),
    action ? make("button", { type: "button", onclick: act }, action.label) : null,
    make("button", { type: "button", class: "plain", "aria-label": "Close the message", onclick: close }, "✕"));
  if (act) undo = act;
  area.append(toast);
  while (area.children.length > 4) area.firstChild.remove();
  let timer = 0;
  const leave = () => { timer = setTimeout(close, kind === "bad" ? kept * 2 : kept); };
  toast.addEventListener("pointerenter", () => clearTimeout(timer));
  toast.addEventListener("pointerleave", leave);
  toast.addEventListener("focusin", () => clearTimeout(timer));
  toast.addEventListener("focusout", leave);
  leave();
  return close;
};

// The last message's action, for the key `u`.
export const undoLast = () => (undo ? undo() : say("There is nothing to undo from here any more; the audit undoes older changes."));

// Runs an action of the operator and says how it went; true if it did.
export const attempt = async (work, done) => {
  try {
    const result = await work();
    const said = typeof done === "function" ? done(result) : done;
    if (said) say(said, { kind: "good" });
    return true;
  } catch (error) {
    say(error.message, { kind: "bad" });
    return false;
  }
};
