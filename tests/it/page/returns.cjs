// A page whose loader goes and comes back: ADDRESS.
"use strict";
const assert = require("node:assert/strict");
const { browse, visit, clean, says } = require("./browse.cjs");

browse(async (browser, address) => {
  const page = await visit(browser, address);
  await says(page, "#rows tbody", "user 1");
  await says(page, "#headline", "loading");
  await page.evaluate("window.here = 1");
  console.log("shown");
  await says(page, "#headline", "not connected");
  await says(page, "#updated", "trying again");
  assert.match(await page.title(), /not connected/);
  console.log("away");
  await says(page, "#headline", "loading");
  await says(page, "#updated", "updated now");
  // What came while it was away is there, and the page was not loaded anew.
  await says(page, "#rows tbody", "user 77");
  assert.equal(await page.evaluate("window.here"), 1);
  clean(page);
});
