// The newest files, and the newest rejected events.
import { el, get, keep } from "./dom.js";
import { clock, count, many, tail } from "./text.js";

const NAME = 44;

/** What differs between files: not the hub's name in front, nor the ending. */
const short = (blob) => tail(blob.replace(/\.avro$/, "").replace(/^[^/]+\/[^/]+\//, ""), NAME);

const empty = (list, asked, words) => {
  if (list.children.length) return;
  list.append(el("li", { class: "wide empty" }, asked ? words : "asking the store"));
};

/** Waiting and quarantined ones first: someone has to look at them. */
export const showFiles = ({ asked, files }, now) => {
  const list = get("files-list");
  keep(list, files, (file) => `${file.target} ${file.blob}`, (file) => {
    const right = file.status === "waiting" ? [] : [count(file.records), el("span", { class: "unseen" }, " records")];
    const rejected = file.rejected ? `${many(file.rejected, "record")} rejected` : undefined;
    const why = file.reason ?? rejected;
    return el("li", {},
      el("span", { class: "badge", "data-status": file.status }, file.status),
      el("span", { class: "name", title: file.blob }, short(file.blob)),
      el("span", { title: file.at ? `records; noted ${clock(file.at, now)}` : undefined }, right),
      why && el("span", { class: "why" }, why));
  });
  empty(list, asked, "none yet");
};

/** Each opens to show its body. */
export const showRejected = ({ asked, records }, now) => {
  const list = get("rejects-list");
  const key = (record) => `${record.target} ${record.hub} ${record.partition} ${record.number} ${record.enqueued_at}`;
  keep(list, records, key, (record) => {
    const cut = record.body && record.length > record.body.length ? `\n… ${count(record.length)} characters in all` : "";
    const body = record.body === null ? "its body is no text, or empty: see body_bytes in rejected_events" : `${record.body}${cut}`;
    return el("li", { class: "wide" },
      el("details", {},
        el("summary", {},
          el("span", { class: "badge", "data-status": "rejected" }, "rejected"),
          el("span", { class: "name" }, record.reason),
          el("span", { title: "partition / sequence number" }, `${record.partition} / ${count(record.number)}`)),
        el("pre", { tabindex: "0" }, body),
        el("p", { class: "sub" }, `of ${record.target}, rejected ${clock(record.at, now)}, in ${record.blob}`)));
  });
  empty(list, asked, "none: every event fits its table");
};
