const { browse, visit } = require("./browse.cjs");
browse(async (browser, address, seconds) => {
  const page = await visit(browser, address, { viewport: { width: 1240, height: 1080 }, reducedMotion: "reduce" });
  await new Promise((r) => setTimeout(r, Number(seconds) * 1000));
  await page.screenshot({ path: "target/page/light.png", fullPage: true });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: "target/page/dark.png", fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  await new Promise((r) => setTimeout(r, 500));
  await page.screenshot({ path: "target/page/phone.png", fullPage: true });
  console.log(page.faults());
});
