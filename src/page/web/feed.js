// What the server tells, and the way back to it after it was gone.

/** Listens for ever. `hears` has a function for each kind of event; `connected(yes, why)` says how it is. */
export const listen = (hears, connected) => {
  let source;
  let heard = Date.now();
  let closed = 0;

  const open = () => {
    source?.close();
    source = new EventSource("/page/events");
    for (const [name, hear] of Object.entries(hears)) {
      source.addEventListener(name, (event) => {
        heard = Date.now();
        connected(true);
        hear(JSON.parse(event.data));
      });
    }
    source.addEventListener("error", () => {
      connected(false);
      // A refusal ends it; a connection that broke is tried again by the browser itself.
      if (source.readyState === EventSource.CLOSED) closed = Date.now();
    });
  };

  const lookAgain = async () => {
    if (source.readyState === EventSource.CLOSED && Date.now() - closed > 1000) {
      try {
        const answer = await fetch("/page/rows?route=none", { cache: "no-store" });
        if (answer.status === 401) location.assign("/page/login");
        else open();
      } catch {
        closed = Date.now();
      }
    } else if (Date.now() - heard > 8000) {
      // Something says every second: silence is a connection that broke unseen.
      connected(false);
      heard = Date.now();
      open();
    }
  };

  open();
  setInterval(lookAgain, 1000);
  addEventListener("online", open);
};
