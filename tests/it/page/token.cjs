// A guarded page: ADDRESS TOKEN.
"use strict";
const assert = require("node:assert/strict");
const { browse, visit, clean, says, accessible } = require("./browse.cjs");

browse(async (browser, address, token) => {
  const page = await visit(browser, address);
  await says(page, "main", "This page is guarded");
  assert.equal(await page.locator("#rows").count(), 0);
  await accessible(page, "login");
  await page.locator("#token").fill("a wrong token, and a long one");
  await page.keyboard.press("Enter");
  await page.getByText("That was not the token.").waitFor();
  await page.locator("#token").fill(token);
  await page.getByRole("button", { name: "Open" }).click();
  await says(page, "#headline", "loading");
  assert.equal(await page.evaluate("document.cookie"), "", "no script reads the cookie");
  assert.ok(!page.url().includes(token), page.url());
  const [cookie] = await page.context().cookies();
  assert.ok(cookie.httpOnly && cookie.sameSite === "Strict" && !cookie.value.includes(token), JSON.stringify(cookie));
  clean(page);

  // Whoever was sent a link is in at once, and the token does not stay in the address.
  const linked = await visit(browser, `${address}?token=${encodeURIComponent(token)}`);
  await says(linked, "#headline", "loading");
  assert.equal(linked.url(), address);
  clean(linked);

  // A page that is open when the token changes leads to the login.
  console.log("shown");
  await says(linked, "main", "This page is guarded");
});
