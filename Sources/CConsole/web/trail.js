// The way from a list to one of its requests and back: where somebody stood, and what stood around it.
//   trail.leave({label, hash, key, index, top, ids, saved})   a row is opened
//   trail.here(label)                                         the way that leads back to this list, once
//   trail.step(id, 1)                                         the id of the row after, or null
let way = null;

export const trail = {
  leave(next) { way = next; },
  get leadsHere() { return way !== null && way.hash === location.hash; },
  peek(label) { return this.leadsHere && way.label === label ? way : null; },
  here(label) {
    const found = this.peek(label);
    if (found) way = null;
    return found;
  },
  step(id, by) {
    const at = way ? way.ids.indexOf(id) : -1;
    const next = at < 0 ? undefined : way.ids[at + by];
    if (next === undefined) return null;
    way.key = next;
    way.index += by;
    return next;
  },
};
