// Rows that come in pages, of which the first is asked for again and again.
//   const pages = pager({get: (values, signal) => page, show(), fault(error), saved});   a page: {rows, next_cursor}
//   await pages.first(signal)   the page, put in; null when something else is wanted meanwhile
//   pages.more()                the next page;  pages.reset()  something else is wanted now
const most = 5000; // Rows that are kept.
const patience = 10_000; // Until a page that failed is asked for again.

export const pager = ({ get, show, fault = () => {}, saved = null }) => {
  let { rows, cursor, isPaged, isCut } = saved ?? { rows: [], cursor: null, isPaged: false, isCut: false };
  let turn = 0;
  let busy = null;
  let failed = -patience;

  const cut = () => {
    if (rows.length <= most) return;
    rows = rows.slice(0, most);
    cursor = null;
    isCut = true;
  };

  // What follows the last row that both have stays; without such a row there would be a hole.
  const merge = (page) => {
    const places = new Map(rows.map((row, i) => [row.id, i]));
    const last = isPaged && page.next_cursor ? page.rows.findLast((row) => places.has(row.id)) : undefined;
    if (last === undefined) {
      rows = page.rows;
      cursor = page.next_cursor;
      isPaged = isCut = false;
      return;
    }
    const fresh = new Set(page.rows.map((row) => row.id));
    rows = [...page.rows, ...rows.slice(places.get(last.id) + 1).filter((row) => !fresh.has(row.id))];
    cut();
  };

  return {
    get rows() { return rows; },
    get hasMore() { return cursor !== null && cursor !== undefined; },
    get isCut() { return isCut; },
    get state() { return { rows, cursor, isPaged, isCut }; },
    async first(signal) {
      const mine = turn;
      const page = await get({}, signal);
      if (mine !== turn) return null;
      merge(page);
      return page;
    },
    async more() {
      if (busy === turn || !cursor || performance.now() - failed < patience) return;
      const mine = busy = turn;
      const asked = cursor;
      try {
        const page = await get({ cursor: asked });
        if (mine !== turn || asked !== cursor) return;
        const known = new Set(rows.map((row) => row.id));
        rows = [...rows, ...page.rows.filter((row) => !known.has(row.id))];
        cursor = page.next_cursor;
        isPaged = true;
        cut();
        show();
      } catch (error) {
        if (mine !== turn) return;
        failed = performance.now();
        fault(error);
      } finally { if (busy === mine) busy = null; }
    },
    reset() { turn += 1; rows = []; cursor = null; isPaged = isCut = false; failed = -patience; },
  };
};
