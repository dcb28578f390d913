// 100,000 rows, page by page: ADDRESS.
"use strict";
const assert = require("node:assert/strict");
const { browse, visit, clean, texts, says, until } = require("./browse.cjs");

const ids = async (page) => (await texts(page, "#rows tbody tr td:first-child")).map(Number);

browse(async (browser, address) => {
  const page = await visit(browser, address);
  await says(page, "#state-title", "100,000 rows");
  // Of many rows those are shown first that changed last.
  await says(page, "#page-range", "the newest");
  await page.locator("#by-key").click();
  await says(page, "#page-range", "1–15 of 100,000");
  let [slowest, all] = [0, 0];
  for (let turn = 1; turn <= 60; turn += 1) {
    const began = Date.now();
    await page.locator("#later").click();
    await until(`page ${turn + 1}`, async () => {
      const shown = await ids(page);
      return [shown.length === 15 && shown.every((id, index) => id === turn * 15 + index), shown];
    });
    const took = Date.now() - began;
    [slowest, all] = [Math.max(slowest, took), all + took];
  }
  console.log(`60 pages: ${(all / 60).toFixed(0)} ms each, ${slowest} ms the slowest`);
  // A block is asked for every 14 pages, and waits for its turn; the machine has other things to do.
  assert.ok(slowest < 8000 && all < 30000, `${slowest} ms, ${all} ms in all`);
  await says(page, "#page-range", "901–915 of 100,000");
  for (let turn = 59; turn >= 35; turn -= 1) {
    await page.locator("#earlier").click();
    await until(`page ${turn + 1}`, async () => {
      const shown = await ids(page);
      return [shown[0] === turn * 15, shown];
    });
  }
  await page.locator("#search").fill("99999");
  await until("the key and the name", async () => [(await ids(page)).join() === "99999", await ids(page)]);
  await page.locator("#search").fill("user 9999");
  await until("all that have it", async () => [(await ids(page)).join() === [9999, 99990, 99991, 99992, 99993, 99994, 99995, 99996, 99997, 99998, 99999].join(), await ids(page)]);
  clean(page);
});
