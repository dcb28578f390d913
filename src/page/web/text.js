// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en-US");

/** 1234567 as 1,234,567; a dash where nobody knows. */
export const count = (number) => (number === null || number === undefined ? "–" : whole.format(number));

/** Records a second. */
export const rate = (number) => {
  if (number === null || number === undefined) return "–";
  if (number > 0 && number < 10) return `${number.toFixed(1)}/s`;
  return `${whole.format(Math.round(number))}/s`;
};

/** A time that passed: 0.4 s, 12 s, 3 min, 2 h 5 min, 4 d 1 h. */
export const span = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
};

/** The same without parts of a second, of what is not measured that finely. */
export const spent = (seconds) => (seconds === null || seconds === undefined ? "–" : seconds < 10 ? `${Math.round(seconds)} s` : span(seconds));

/** "1 file", "2 files". */
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

/** What a store writes, `2026-11-26 08:15:03.412`, as a Date; none where it is something else. */
export const moment = (text) => {
  const parts = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d+)?)(?:\+00(?::00)?|Z)?$/.exec(text ?? "");
  if (!parts) return undefined;
  const date = new Date(`${parts[1]}T${parts[2]}Z`);
  return Number.isNaN(date.getTime()) ? undefined : date;
};

/** A store's time without its day if that is today, and no finer than a millisecond. */
export const clock = (text, now) => {
  const at = moment(text);
  if (!at) return text;
  const [day, time] = [text.slice(0, 10), text.slice(11).replace(/(\.\d{3})\d+/, "$1")];
  return day === new Date(now * 1000).toISOString().slice(0, 10) ? time : `${day} ${time}`;
};

/** Seconds from a store's time until now, never less than none. */
export const ago = (text, now) => {
  const at = moment(text);
  return at ? Math.max(0, now - at.getTime() / 1000) : undefined;
};

/** The end of a long name, by which files differ. */
export const tail = (text, most) => (text.length > most ? `…${text.slice(text.length - most)}` : text);
