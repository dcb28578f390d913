// What every script here needs: a browser, pages in it, and that nothing went wrong on them.
"use strict";
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { chromium } = require("playwright-core");

const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Runs a script in a browser of its own; what goes wrong ends it with what went wrong. */
exports.browse = async (script) => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: FLAGS });
  try {
    await script(browser, ...process.argv.slice(2));
  } catch (error) {
    console.error(error.stack ?? error);
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
};

/** A page whose faults are noted: `faults()` gives them. What a server says that is away is none. */
exports.visit = async (browser, address, options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1240, height: 1080 }, ...options });
  const page = await context.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.stack}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    const away = /net::ERR_|status of (401|429|502|503)/.test(message.text());
    if (message.type() === "error" && !away) faults.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(new URL(address).origin)) faults.push(`asks elsewhere: ${request.url()}`);
  });
  await page.goto(address, { waitUntil: "domcontentloaded" });
  page.faults = () => faults;
  return page;
};

exports.clean = (page) => assert.deepEqual(page.faults(), []);

/** The texts of all elements. */
exports.texts = (page, selector) => page.locator(selector).allTextContents();

/** Waits until this is so; `look` gives what it is and whether it is right. */
exports.until = async (what, look, seconds = 60) => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const [right, seen] = await look().catch((error) => {
      // Between two pages there is none to look at.
      if (/context was destroyed|navigat/i.test(error.message)) return [false, error.message];
      throw error;
    });
    if (right) return seen;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s, last ${JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

/** Waits until a text has these words in it. */
exports.says = (page, selector, words, seconds) =>
  exports.until(`${selector} says ${words}`, async () => {
    const text = (await page.locator(selector).allTextContents()).join(" | ");
    return [words instanceof RegExp ? words.test(text) : text.includes(words), text];
  }, seconds);

/** What keeps people out of the page as it is now. */
exports.accessible = async (page, what) => {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
  const found = violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map((node) => node.target.join(" ")).join(", ")} ${nodes[0].failureSummary}`);
  const grave = found.filter((text) => /^(serious|critical)/.test(text));
  console.log(`axe, ${what}: ${found.length} found, ${grave.length} of them serious`);
  assert.deepEqual(found, [], what);
};
