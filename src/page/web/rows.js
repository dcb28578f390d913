// The latest state: searched, paged, and what changed last marked.
import { el, get, say } from "./dom.js";
import { ago, clock, count, spent } from "./text.js";

const PAGE = 15;
/** Between two looks, and how long a change is marked, in milliseconds. */
const AGAIN = 2000;
const MARKED = 6000;

const shown = { route: 0, newest: false, search: "", chosen: false };
/** Blocks of rows as the server gave them, from the first; and which page of which is shown. */
let blocks = [];
let at = { block: 0, page: 0 };
let facts = {};
let server = Date.now() / 1000;
let asking;
let timer;
/** What rows were like, and when they changed, by key. */
let known = new Map();

const address = (after) => {
  const query = new URLSearchParams({ route: String(shown.route) });
  if (shown.newest) query.set("newest", "");
  else {
    if (shown.search) query.set("search", shown.search);
    if (after) query.set("after", JSON.stringify(after));
  }
  return `/page/rows?${query}`;
};

const note = (text, level) => {
  const note = get("rows-note");
  say(note, text);
  if (level) note.dataset.level = level;
  else delete note.dataset.level;
};

const ask = async (after) => {
  asking?.abort();
  asking = new AbortController();
  const answer = await fetch(address(after), { signal: asking.signal, cache: "no-store" });
  if (answer.status === 401) location.assign("/page/login");
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
};

/** Which rows are others than when they were seen last. */
const compare = (rows) => {
  const first = known.size === 0;
  for (const row of rows) {
    const key = JSON.stringify(row.key);
    const cells = JSON.stringify(row.cells ?? null);
    const before = known.get(key);
    if (before?.cells === cells) continue;
    known.set(key, { cells, at: first ? undefined : Date.now() });
  }
  if (known.size > 5000) known = new Map([...known].slice(-1000));
};

const cellOf = (text, column) => {
  const kinds = column.number ? "right" : undefined;
  if (text === null) return el("td", { class: kinds }, el("span", { class: "null" }, "null"));
  const words = column.type.startsWith("timestamp") ? clock(text, server) : text;
  return el("td", { class: kinds, title: words.length > 30 || words !== text ? text : undefined }, words);
};

const since = (row) => {
  const seconds = row.at ? ago(row.at, server) : undefined;
  const changed = known.get(JSON.stringify(row.key))?.at;
  const age = seconds ?? (changed ? (Date.now() - changed) / 1000 : undefined);
  // Of the newest only what came since the look before: all of them are new.
  const fresh = age !== undefined && (shown.newest ? Date.now() - changed < AGAIN : age * 1000 < MARKED);
  return { fresh, words: age === undefined ? "" : age < 1.5 ? "now" : spent(age) };
};

const paint = () => {
  const { view, columns = [], why, total } = facts;
  const table = get("rows");
  say(get("state-title"), view ? `Latest state: ${view}${total === null ? "" : `, ${count(total)} rows`}` : "Latest state");
  if (!view) {
    table.tHead.replaceChildren();
    table.tBodies[0].replaceChildren();
    note(why ?? "asking the store");
    return;
  }
  const heads = columns.map((column) => el("th", { scope: "col", class: column.number ? "right" : undefined },
    column.type.startsWith("timestamp") ? `${column.name} (UTC)` : column.name));
  table.tHead.replaceChildren(el("tr", {}, heads, el("th", { scope: "col", class: "right" }, "changed")));
  const block = blocks[at.block] ?? { rows: [] };
  const rows = shown.newest ? block.rows.slice(0, PAGE) : block.rows.slice(at.page * PAGE, (at.page + 1) * PAGE);
  table.tBodies[0].replaceChildren(...rows.map((row) => {
    const { fresh, words } = since(row);
    const cells = row.gone
      ? columns.map((column, index) => (facts.key.includes(index)
        ? cellOf(row.key[facts.key.indexOf(index)], column)
        : el("td", {}, index === facts.key.length ? el("span", { class: "null" }, "deleted") : "")))
      : row.cells.map((text, index) => cellOf(text, columns[index]));
    return el("tr", { class: [fresh && "changed", row.gone && "gone"].filter(Boolean).join(" ") }, cells, el("td", { class: "since" }, words));
  }));
  const before = blocks.slice(0, at.block).reduce((sum, block) => sum + block.rows.length, 0) + at.page * PAGE;
  const last = before + rows.length;
  const found = shown.search || total === null ? (block.more || blocks.length > at.block + 1 ? "" : ` of ${count(before - at.page * PAGE + block.rows.length)}`) : ` of ${count(total)}`;
  say(get("page-range"), rows.length === 0 ? "" : shown.newest ? `the newest ${rows.length}` : `${count(before + 1)}–${count(last)}${found}`);
  const ends = (at.page + 1) * PAGE >= block.rows.length;
  get("earlier").disabled = shown.newest || (at.block === 0 && at.page === 0);
  get("later").disabled = shown.newest || (ends && !block.more);
  note(rows.length ? "" : shown.search ? `Nothing has “${shown.search}” in it.` : shown.newest ? "Nothing changed yet." : "No rows yet.");
};

const press = () => {
  get("newest").setAttribute("aria-pressed", String(shown.newest));
  get("by-key").setAttribute("aria-pressed", String(!shown.newest));
};

/** Looks at the block that is shown again; with `next`, at the one behind it. */
const look = async (next) => {
  clearTimeout(timer);
  const which = next ? at.block + 1 : at.block;
  const after = which > 0 && !shown.newest ? blocks[which - 1].rows.at(-1).key : undefined;
  try {
    const { rows = [], more, ...rest } = await ask(after);
    facts = rest;
    compare(rows);
    blocks = [...blocks.slice(0, which), { rows, more }];
    if (next) at = { block: which, page: 0 };
    else at.page = Math.min(at.page, Math.max(0, Math.ceil(rows.length / PAGE) - 1));
    // Of many rows the first few say little: what changes says more.
    if (!shown.chosen && !shown.newest && facts.total > PAGE && facts.key?.length) {
      shown.newest = true;
      restart();
      return;
    }
    paint();
  } catch (error) {
    if (error.name === "AbortError") return;
    note(error instanceof TypeError ? "" : error.message, "attention");
  }
  timer = setTimeout(look, document.hidden ? AGAIN * 5 : AGAIN);
};

const restart = () => {
  blocks = [];
  at = { block: 0, page: 0 };
  known = new Map();
  press();
  look();
};

const turn = (by) => {
  shown.chosen = true;
  const block = blocks[at.block] ?? { rows: [] };
  if (by > 0 && (at.page + 1) * PAGE >= block.rows.length) {
    if (blocks[at.block + 1]) at = { block: at.block + 1, page: 0 };
    else if (block.more) return look(true);
  } else if (by < 0 && at.page === 0) {
    if (at.block === 0) return undefined;
    at = { block: at.block - 1, page: Math.ceil(blocks[at.block - 1].rows.length / PAGE) - 1 };
  } else at.page += by;
  paint();
  return undefined;
};

const choose = (change) => {
  shown.chosen = true;
  change();
  restart();
};

/** What the server's clock says. */
export const setClock = (seconds) => {
  server = seconds;
};

/** The routes to choose from. */
export const setRoutes = (routes) => {
  const select = get("route");
  const names = routes.map((route) => route.table);
  if (select.options.length === names.length) return;
  select.replaceChildren(...names.map((name, index) => el("option", { value: index }, name)));
  select.hidden = names.length < 2;
};

/** Looks from now on. */
export const startRows = () => {
  let typing;
  get("newest").addEventListener("click", () => choose(() => { shown.newest = true; get("search").value = ""; shown.search = ""; }));
  get("by-key").addEventListener("click", () => choose(() => { shown.newest = false; }));
  get("earlier").addEventListener("click", () => turn(-1));
  get("later").addEventListener("click", () => turn(1));
  get("route").addEventListener("change", (event) => choose(() => { shown.route = Number(event.target.value); facts = {}; }));
  const search = () => {
    const wanted = get("search").value.trim();
    if (wanted === shown.search) return;
    choose(() => { shown.search = wanted; shown.newest = false; });
  };
  get("search").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(search, 400); });
  get("search-form").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); search(); });
  look();
};
