// A scenario in the address: what differs from a preset, as compact text. Nothing of it leaves the page but by the link.
//   pack(scenario, base)   "" when nothing differs, else text for a hash
//   unpack(text)           the difference again, or null when the text is damaged
//   merge(scenario, change) a new scenario; null in a change is a value, lists are taken whole

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export const difference = (scenario, base) => {
  const found = {};
  for (const [name, value] of Object.entries(scenario)) {
    if (isPlain(value) && isPlain(base?.[name])) {
      const inner = difference(value, base[name]);
      if (inner !== null) found[name] = inner;
    } else if (!same(value, base?.[name])) found[name] = value;
  }
  return Object.keys(found).length > 0 ? found : null;
};

export const merge = (scenario, change) => {
  const merged = { ...scenario };
  for (const [name, value] of Object.entries(change ?? {})) merged[name] = isPlain(value) ? merge(isPlain(merged[name]) ? merged[name] : {}, value) : value;
  return merged;
};

export const pack = (scenario, base) => {
  const found = difference(scenario, base);
  if (found === null) return "";
  const bytes = new TextEncoder().encode(JSON.stringify(found));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};

export const unpack = (text) => {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
    const value = JSON.parse(new TextDecoder().decode(bytes));
    return isPlain(value) ? value : null;
  } catch {
    return null;
  }
};
