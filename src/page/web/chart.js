// How far behind each partition was during the last hour.
import { draw, el, get, keep } from "./dom.js";
import { count, span, spent } from "./text.js";

const [WIDTH, HEIGHT] = [240, 34];
/** What is shown at least, in seconds: of a loader that has just begun there is no hour yet. */
const LEAST = 300;
let lag;
let standing = [];

/** Whether events are known; else it is about seconds. */
const byEvents = () => lag.series.some((series) => series.events.some((value) => value !== null));

const course = (values, most, points, title) => {
  const step = WIDTH / (points - 1);
  const first = points - values.length;
  const y = (value) => (HEIGHT - 3 - (value / most) * (HEIGHT - 8)).toFixed(1);
  const places = values.map((value, at) => (value === null ? undefined : [((first + at) * step).toFixed(1), y(value)])).filter(Boolean);
  const drawing = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title });
  if (places.length === 1) places.unshift([(places[0][0] - 2).toFixed(1), places[0][1]]);
  if (places.length) {
    const line = places.map((point) => point.join(",")).join(" L");
    drawing.append(
      draw("path", { class: "area", d: `M${places[0][0]},${HEIGHT} L${line} L${places.at(-1)[0]},${HEIGHT} Z` }),
      draw("path", { class: "edge", d: `M${line}` }),
    );
  }
  return drawing;
};

const paint = () => {
  if (!lag) return;
  const events = byEvents();
  const shown = (value) => (events ? count(value) : span(value));
  const several = new Set(lag.series.map((series) => series.route)).size > 1;
  const live = standing.some((place) => place.live !== null);
  const points = Math.min(lag.points, Math.max(LEAST / lag.step, ...lag.series.map((series) => series.events.length)));
  const since = spent((points * lag.step) / 60 >= 60 ? 3600 : points * lag.step);
  const head = get("lag-table").tHead;
  head.replaceChildren(el("tr", {},
    el("th", { scope: "col" }, several ? "hub, partition" : "partition"),
    el("th", { scope: "col" }, el("span", { class: "axis" }, el("span", {}, `${since} ago`), el("span", {}, "now"))),
    el("th", { scope: "col", class: "right" }, events ? "events" : "time"),
    live && el("th", { scope: "col", class: "right" }, "live")));
  // One scale for all, so that they can be compared.
  const all = lag.series.flatMap((series) => (events ? series.events : series.seconds));
  const most = Math.max(events ? 10 : 1, ...all.filter((value) => value !== null));
  const rows = lag.series.map((series) => {
    const place = standing.find((place) => place.route === series.route && place.partition === series.partition);
    const values = events ? series.events : series.seconds;
    return {
      key: `${series.route}/${series.partition}`, values, most, points, events, live, now: (events ? place?.events : place?.seconds) ?? null,
      name: several ? `${series.hub}, ${series.partition}` : String(series.partition),
      lane: place?.live === "reading" ? span(place.live_seconds) : (place?.live ?? "–"),
    };
  });
  keep(get("lag-table").tBodies[0], rows, (row) => row.key, (row) => {
    const known = row.values.filter((value) => value !== null);
    const title = `partition ${row.name}: ${shown(row.now)} behind now, at most ${shown(known.length ? Math.max(...known) : null)} in the last hour`;
    return el("tr", {},
      el("td", {}, row.name),
      el("td", { class: "course" }, course(row.values, row.most, row.points, title)),
      el("td", { class: "right" }, shown(row.now)),
      row.live && el("td", { class: "right" }, row.lane));
  });
};

/** Shows the courses. */
export const showLag = (told) => {
  lag = told;
  paint();
};

/** Shows where partitions stand now. */
export const showPlaces = (told) => {
  standing = told;
  paint();
};
