// Two that look at once, both busy, for so many seconds: ADDRESS SECONDS.
"use strict";
const { browse, visit, clean, says } = require("./browse.cjs");

browse(async (browser, address, seconds) => {
  const pages = [await visit(browser, address), await visit(browser, address)];
  for (const page of pages) await says(page, "#rows tbody", "user");
  console.log("began");
  const end = Date.now() + Number(seconds) * 1000;
  for (let round = 0; Date.now() < end; round += 1) {
    for (const [index, page] of pages.entries()) await page.locator("#search").fill(`user ${round % 7}${index}`);
    await new Promise((resolve) => setTimeout(resolve, 450));
  }
  console.log("ended");
  pages.forEach(clean);
});
