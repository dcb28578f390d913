// What a page shows of a loader: ADDRESS DIRECTORY. The loader's files hold what `page.rs` says.
"use strict";
const assert = require("node:assert/strict");
const { browse, visit, clean, texts, says, until, accessible } = require("./browse.cjs");

browse(async (browser, address) => {
  const page = await visit(browser, address);
  await says(page, "#state-title", "latest_user_state");
  await says(page, "#rows tbody", "Amélie");
  assert.deepEqual(await texts(page, "#rows thead th"), ["id", "name", "age", "op", "ts (UTC)", "changed"]);
  // Names are text, whatever they say.
  const names = await texts(page, "#rows tbody tr td:nth-child(2)");
  for (const name of ["<script>window.hacked = 1</script>", "<img src=x onerror=window.hacked=1>", "日本太郎", "O'Brien"]) {
    assert.ok(names.includes(name), `${name} in ${names}`);
  }
  await says(page, "#rejects-list", "window.hacked");
  await page.locator("#rejects-list details").first().click();
  await says(page, "#rejects-list pre", "<svg onload=window.hacked=1>");
  assert.equal(await page.evaluate("window.hacked"), undefined);
  for (const inside of ["#rows script", "#rows img", "#rejects-list svg", "#notices img"]) {
    assert.equal(await page.locator(inside).count(), 0, inside);
  }
  await says(page, "#files-list .badge", "waiting");
  await says(page, "#notices", "One file waits, the rest goes on.");
  await says(page, "#headline", "loading, one file waits");
  await says(page, "#tile-rejected .number", "1");
  await says(page, "#lag-table tbody", /\d/);
  assert.deepEqual(await texts(page, "#edges [data-state=waiting] text"), ["waits", "1 file"]);

  // A row changes, and is marked for a while.
  console.log("shown");
  await says(page, "#rows tbody tr.changed", "renamed");
  await says(page, "#rows tbody tr.changed .since", /now|s/);
  const changed = await page.locator("#rows tbody tr.changed").count();
  assert.equal(changed, 1, "only what changed is marked");

  // By keyboard: to the search, a key, a text, nothing.
  await page.locator("#search").focus();
  await page.keyboard.type("AMÉ");
  await until("found", async () => {
    const found = await texts(page, "#rows tbody tr td:nth-child(2)");
    return [found.length === 1 && found[0] === "Amélie", found];
  });
  await page.keyboard.press("Control+A");
  await page.keyboard.type("=3");
  await page.keyboard.press("Enter");
  await until("found", async () => {
    const found = await texts(page, "#rows tbody tr td:nth-child(1)");
    return [found.length === 1 && found[0] === "3", found];
  });
  await page.keyboard.press("Control+A");
  await page.keyboard.type("%' OR '1'='1");
  await says(page, "#rows-note", "Nothing has");
  await page.locator("#newest").click();
  await until("newest first", async () => {
    const first = await texts(page, "#rows tbody tr:first-child td");
    return [first.includes("renamed"), first];
  });

  await accessible(page, "light");
  await page.emulateMedia({ colorScheme: "dark" });
  await accessible(page, "dark");
  await page.setViewportSize({ width: 390, height: 840 });
  await accessible(page, "phone");
  const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
  assert.ok(wide <= 0, `${wide} pixels too wide for a phone`);
  await page.locator("#theme").click();
  assert.equal(await page.evaluate("document.documentElement.dataset.theme"), "light");
  clean(page);
});
