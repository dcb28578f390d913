// Pictures of a page, light, dark and on a phone: ADDRESS DIRECTORY SECONDS, after that many of being looked at.
"use strict";
const assert = require("node:assert/strict");
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { browse, visit, clean, says } = require("./browse.cjs");
const { small } = require("./small.cjs");

const WIDE = { width: 1240, height: 1080 };

browse(async (browser, address, directory, seconds) => {
  const page = await visit(browser, address, { viewport: WIDE, reducedMotion: "reduce" });
  await says(page, "#rows tbody", /\d/);
  console.log("shown");
  await says(page, "#files-list .badge", "waiting");
  await says(page, "#rejects-list", "rejected");
  await new Promise((resolve) => setTimeout(resolve, Number(seconds) * 1000));
  const take = async (name, scheme, viewport, fullPage) => {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await page.setViewportSize(viewport);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const path = join(directory, `${name}.png`);
    const picture = small(await page.screenshot({ fullPage }));
    writeFileSync(path, picture);
    return picture.length;
  };
  for (const scheme of ["light", "dark"]) {
    const size = await take(`page-${scheme}`, scheme, WIDE, false);
    assert.ok(size < 150_000, `page-${scheme}.png has ${size} bytes`);
    await take(`phone-${scheme}`, scheme, { width: 390, height: 844 }, true);
  }
  clean(page);
});
