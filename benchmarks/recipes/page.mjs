// Looks at the page in Chromium as people do who see it, who hear it, and who have a keyboard alone.
//
//     node page.mjs '{"base": …, "modules": …, "chromium": …, "plan": [{"model": …, "width": …, "height": …, "scheme": …}]}'
//
// Prints a JSON list of what is wrong. Of each line of the plan: "do", steps before it is looked at, [action, selector, value];
// "picture", a file for a screenshot, "scale" its pixels a pixel.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const { base, modules, chromium: program, plan } = JSON.parse(process.argv[2]);
const require = createRequire(join(modules, "here.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"];
const TABS = 80;

/** Elements that a keyboard reaches, and those of them whose focus nobody sees. */
async function walked(page) {
  await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); });
  const reached = new Set(), unseen = new Set();
  for (let i = 0; i < TABS; i += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const now = document.activeElement;
      if (!now || now === document.body) return null;
      const ways = [now, now.nextElementSibling, now.parentElement].filter(Boolean).map((each) => getComputedStyle(each));
      const seen = ways[0].outlineStyle !== "none" || ways[1]?.outlineStyle === "solid" || ways.at(-1).boxShadow !== "none";
      return { name: now.id || now.textContent.trim().slice(0, 30) || now.tagName, seen };
    });
    if (at === null) break;
    reached.add(at.name);
    if (!at.seen) unseen.add(at.name);
  }
  return { reached: [...reached], unseen: [...unseen] };
}

const wrong = [];
const browser = await chromium.launch({ executablePath: program, args: QUIET });
for (const line of plan) {
  const what = `${line.model} ${line.width} ${line.scheme}`;
  const page = await browser.newPage({
    viewport: { width: line.width, height: line.height }, colorScheme: line.scheme, reducedMotion: "reduce", deviceScaleFactor: line.scale ?? 1,
  });
  page.on("pageerror", (error) => wrong.push(`${what}: ${error}`));
  page.on("console", (message) => { if (["error", "warning"].includes(message.type())) wrong.push(`${what}: ${message.text()}`); });
  page.on("request", (request) => { if (!request.url().startsWith(base)) wrong.push(`${what}: asks ${request.url()}`); });
  await page.goto(`${base}/#${line.model}`, { timeout: 60000 });
  await page.waitForSelector("main h2", { timeout: 60000 });
  await page.waitForLoadState("networkidle", { timeout: 60000 });
  for (const [action, selector, value] of line.do ?? []) {
    if (action === "press") await page.keyboard.press(selector);
    else await page[action](selector, value);
  }
  await page.waitForTimeout(500);
  await page.waitForLoadState("networkidle", { timeout: 60000 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > line.width) wrong.push(`${what}: ${wide} pixels wide`);
  const said = await page.textContent("#error");
  if (said) wrong.push(`${what}: says ${said}`);
  if (line.picture) await page.screenshot({ path: line.picture });
  await page.evaluate(axe);
  for (const { id, nodes } of (await page.evaluate(() => globalThis.axe.run())).violations)
    wrong.push(`${what}: ${id}: ${nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
  const { reached, unseen } = await walked(page);
  if (reached.length < 3) wrong.push(`${what}: the keyboard reaches ${reached} alone`);
  if (unseen.length) wrong.push(`${what}: focus is not seen at ${unseen}`);
  await page.close();
}
await browser.close();
console.log(JSON.stringify(wrong));
