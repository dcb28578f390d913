// Puts together what is told and what is shown.
import { el, get, keep, say } from "./dom.js";
import { showLag, showPlaces } from "./chart.js";
import { listen } from "./feed.js";
import { showFlow } from "./flow.js";
import { showFiles, showRejected } from "./lists.js";
import { setClock, setRoutes, startRows } from "./rows.js";
import { clock, count, many, span, spent } from "./text.js";

let now = { at: Date.now() / 1000 };
let heard;
let away = false;
let build;

const tile = (name, number, foot, level) => {
  const card = get(`tile-${name}`);
  say(card.querySelector(".number"), number);
  say(card.querySelector(".foot"), foot);
  if (level) card.dataset.level = level;
  else delete card.dataset.level;
};

const showTiles = () => {
  const { behind, ledger } = now;
  const { fresh } = now;
  say(get("tile-fresh").querySelector("dt"), behind.live_seconds === null ? "Fresh" : "Fresh, live");
  const files = fresh && `half of the files in ${span(fresh.p50)}, 99 % in ${span(fresh.p99)}`;
  if (behind.live_seconds !== null) tile("fresh", span(behind.live_seconds), files || "behind the broker");
  else if (fresh) tile("fresh", span(fresh.p50), `${files}, last hour`);
  else tile("fresh", span(behind.seconds), behind.seconds === null ? "nothing loaded since the start" : "since the newest window began");
  const proven = now.proven_until && new Date(now.proven_until * 1000).toISOString().slice(0, 19).replace("T", " ");
  tile("proven", proven ? clock(proven, now.at) : "–", proven ? `every partition, ${spent(now.at - now.proven_until)} ago` : "not known of every partition yet");
  if (behind.events !== null) tile("behind", many(behind.events, "event"), "hub's last − visible");
  else if (now.backlog.files) tile("behind", many(now.backlog.files, "file"), "found, and not loaded yet");
  else tile("behind", behind.seconds === null ? "–" : "no file", "every file that was found is loaded");
  const rejected = ledger?.rejected ?? now.totals.rejected;
  tile("rejected", count(rejected), rejected ? "events with their reason, below" : "every event fits its table");
};

const showNotices = () => {
  keep(get("notices"), now.words.notices, (notice) => notice.title + notice.part, (notice) =>
    el("div", { class: "notice", "data-level": notice.level }, el("strong", {}, notice.title), " ", notice.text));
};

const showHead = () => {
  const level = away ? "away" : now.words.level;
  get("health").dataset.level = level;
  say(get("headline"), away ? "not connected" : now.words.headline);
  const shard = now.shard === "0/1" ? "" : ` · shard ${now.shard}`;
  say(get("about"), `${now.program} ${now.version}${shard} · running ${spent(now.up_seconds)}`);
  document.title = away || level !== "good" ? `${away ? "not connected" : now.words.headline} – Deltawave` : "Deltawave";
};

const showAge = () => {
  const seconds = heard ? Math.round((Date.now() - heard) / 1000) : undefined;
  say(get("updated"), heard === undefined ? "connecting" : away ? `last heard ${spent(seconds)} ago, trying again` : "updated now");
};

listen({
  now: (told) => {
    // Another program answers than the one this page came from: a newer one, say.
    if (build !== undefined && build !== told.build) return location.reload();
    build = told.build;
    now = told;
    heard = Date.now();
    setClock(now.at);
    setRoutes(now.routes);
    showHead();
    showFlow(now);
    showNotices();
    showTiles();
    showPlaces(now.places);
    showAge();
    return undefined;
  },
  lag: showLag,
  files: (told) => showFiles(told, now.at),
  rejected: (told) => showRejected(told, now.at),
}, (connected) => {
  if (away === !connected) return;
  away = !connected;
  if (now.words) showHead();
  else say(get("headline"), away ? "not connected" : "connecting");
  showAge();
});
setInterval(showAge, 1000);
startRows();
