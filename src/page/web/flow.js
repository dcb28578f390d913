// The flow as a picture: four stages, and what is on its way between them, drawn where the stages stand now.
import { draw, get, say } from "./dom.js";
import { count, many, rate, span } from "./text.js";

const stage = (name) => get(`stage-${name}`);

const tell = (name, title, sub, number, foot, level) => {
  const card = stage(name);
  say(card.querySelector("h3"), title);
  say(card.querySelector(".sub"), sub);
  card.querySelector(".sub").title = sub;
  say(card.querySelector(".number"), number);
  say(card.querySelector(".foot"), foot);
  if (level) card.dataset.level = level;
  else delete card.dataset.level;
};

/** The worst that is said of a part. */
const levelOf = (now, ...parts) => {
  const levels = now.words.notices.filter((notice) => parts.includes(notice.part)).map((notice) => notice.level);
  return levels.includes("trouble") ? "trouble" : levels.includes("attention") ? "attention" : undefined;
};

const moving = (number) => (number > 0 ? "flowing" : number === 0 ? "idle" : "unknown");

/** What is on each edge: its state, and the two words at it. */
const edgesOf = (now) => {
  const { flow, ledger, backlog, behind } = now;
  const waiting = ledger?.waiting ?? 0;
  const files = levelOf(now, "files") === "trouble" ? "stuck" : undefined;
  const store = levelOf(now, "store") === "trouble" ? "stuck" : undefined;
  const arriving = flow.captured ?? flow.arriving;
  const rows = flow.live === null ? flow.loaded : flow.live;
  const edges = {
    captured: { state: moving(arriving), words: [rate(arriving), flow.captured === null ? "arrive" : "captured"] },
    loaded: { state: moving(flow.loaded), words: [rate(flow.loaded), "proven"] },
    stored: { state: moving(rows), words: [rate(rows), "rows"] },
  };
  if (backlog.files > 20) edges.loaded.words[1] = many(backlog.files, "file left", "files left");
  if (waiting) edges.loaded = { state: "waiting", words: ["waits", many(waiting, "file")] };
  if (files) edges.loaded = { state: files, words: ["stuck", "no files"] };
  if (store) edges.stored = { state: store, words: ["stuck", "tries again"] };
  if (flow.live !== null) {
    const shut = levelOf(now, "live");
    edges.live = shut
      ? { state: "waiting", words: ["live lane shut", "rows come with their files"] }
      : { state: store ?? moving(flow.live), words: [`live ${rate(flow.live)}`, `${span(behind.live_seconds)} behind`] };
  }
  return edges;
};

const arrow = (x, y, direction) => {
  const [a, b] = direction === "right" ? ["-8,-5", "-8,5"] : direction === "down" ? ["-5,-8", "5,-8"] : direction === "up" ? ["-5,8", "5,8"] : ["8,-5", "8,5"];
  return draw("path", { class: "head", d: `M${x},${y} l${a} l${b.split(",").map((n, i) => n - a.split(",")[i]).join(",")} z` });
};

const edge = (state, path, head, texts) =>
  draw("g", { "data-state": state }, draw("path", { class: "line", d: path }), draw("path", { class: "drops", d: path }), head,
    texts.map(([x, y, text, anchor]) => draw("text", { x, y, "text-anchor": anchor ?? "middle" }, text)));

/** A card's place in the picture. */
const place = (name, origin) => {
  const box = stage(name).getBoundingClientRect();
  const [left, top] = [box.left - origin.left, box.top - origin.top];
  return { left, top, right: left + box.width, bottom: top + box.height, x: left + box.width / 2, y: top + box.height / 2 };
};

const paint = (edges) => {
  const origin = get("flow").getBoundingClientRect();
  const [broker, files, loader, store] = ["broker", "files", "loader", "store"].map((name) => place(name, origin));
  const across = files.left > broker.right;
  const parts = [["captured", broker, files], ["loaded", files, loader], ["stored", loader, store]].map(([name, from, to]) => {
    const { state, words } = edges[name];
    if (across) {
      const [start, end, middle] = [from.right + 9, to.left - 9, (from.right + to.left) / 2];
      return edge(state, `M${start},${from.y} H${end - 4}`, arrow(end, from.y, "right"),
        [[middle, from.y - 9, words[0]], [middle, from.y + 20, words[1]]]);
    }
    const [start, end, middle] = [from.bottom + 8, to.top - 7, (from.bottom + to.top) / 2];
    return edge(state, `M${from.x},${start} V${end - 4}`, arrow(from.x, end, "down"),
      [[from.x - 16, middle + 4, words[0], "end"], [from.x + 16, middle + 4, words[1], "start"]]);
  });
  if (edges.live) {
    const { state, words } = edges.live;
    if (across) {
      const low = Math.max(broker.bottom, loader.bottom) + 22;
      const path = `M${broker.x},${broker.bottom + 6} V${low - 10} q0,10 10,10 H${loader.x - 10} q10,0 10,-10 V${loader.bottom + 12}`;
      parts.push(edge(state, path, arrow(loader.x, loader.bottom + 8, "up"), [[files.x, low + 20, words.join(", ")]]));
    } else {
      const far = broker.right + 20;
      const path = `M${broker.right + 4},${broker.y} H${far - 10} q10,0 10,10 V${loader.y - 10} q0,10 -10,10 H${loader.right + 8}`;
      const text = draw("text", { transform: `translate(${far + 12},${files.y}) rotate(90)`, "text-anchor": "middle" }, words.join(", "));
      const drawn = edge(state, path, arrow(loader.right + 4, loader.y, "left"), []);
      drawn.append(text);
      parts.push(drawn);
    }
  }
  get("edges").replaceChildren(...parts);
};

let last;
let painted;

const repaint = (force) => {
  if (!last) return;
  const edges = edgesOf(last);
  get("flow").dataset.live = edges.live ? "yes" : "no";
  const wanted = JSON.stringify(edges);
  if (force || wanted !== painted) {
    painted = wanted;
    paint(edges);
  }
};

new ResizeObserver(() => repaint(true)).observe(get("flow"));

const brokerCard = (now) => {
  const hubs = [...new Set(now.routes.map((route) => route.hub))];
  const partitions = now.places.length;
  const name = hubs.length > 2 ? many(hubs.length, "event hub") : hubs.join(", ");
  const sub = partitions ? `${name}, ${many(partitions, "partition")}` : name;
  if (now.ends !== null) return ["Event hub", sub, count(now.ends), "last numbers, all partitions"];
  if (now.totals.sent !== null) return ["Event hub", sub, count(now.totals.sent), "events sent in this run"];
  return ["Event hub", sub, "–", "not asked: the loader runs without --live"];
};

const filesCard = (now) => {
  const { ledger } = now;
  const sub = now.blob.replace(/^https?:\/\//, "");
  if (!ledger) return ["Capture files", sub, count(now.totals.files), "done since the start"];
  const apart = [
    ledger.waiting && `${count(ledger.waiting)} waiting`,
    ledger.quarantined && `${count(ledger.quarantined)} quarantined`,
  ].filter(Boolean);
  return ["Capture files", sub, count(ledger.files), ["files done", ...apart].join(", ")];
};

const loaderCard = (now) => {
  const streams = many(now.routes.length, "stream");
  const total = now.flow.live === null ? now.flow.loaded : now.flow.live;
  const { files, seconds } = now.backlog;
  const left = files > 20 ? `${many(files, "file")} left${seconds === null ? "" : `, about ${span(seconds)}`}` : "no backlog";
  return ["Loader", `${streams}, ${Math.round(now.memory / 1048576)} MiB budget`, rate(total), left];
};

const storeCard = (now) => {
  const [engine, ...version] = (now.store.engine ?? "Store").split(" ");
  const sub = [version.join(" "), now.store.place.replace(/^\w+:\/\/([^@]*@)?/, "")].filter(Boolean).join(" at ");
  if (!now.ledger) return [engine, sub, "–", "not asked yet"];
  return [engine, sub, count(now.ledger.loaded), `rows proven; ${count(now.ledger.rejected)} rejected`];
};

const inWords = (now) => {
  const edges = edgesOf(now);
  const names = { captured: "From event hub to Capture files", loaded: "From Capture files to loader", stored: "From loader to store", live: "Straight from event hub to loader" };
  return Object.entries(edges).map(([name, { state, words }]) => `${names[name]}: ${words.join(" ")}${state === "stuck" ? ", stuck" : ""}.`).join(" ");
};

/** Shows a moment. */
export const showFlow = (now) => {
  last = now;
  tell("broker", ...brokerCard(now));
  tell("files", ...filesCard(now), levelOf(now, "files", "waiting"));
  tell("loader", ...loaderCard(now), levelOf(now, "loader"));
  tell("store", ...storeCard(now), levelOf(now, "store"));
  say(get("flow-words"), inWords(now));
  repaint(false);
};
