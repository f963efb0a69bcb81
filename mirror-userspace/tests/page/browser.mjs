// Drives Chromium as the test says: a line of JSON comes in, one goes out.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, chromium] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const playwright = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const PATIENCE = 60_000;

const browser = await playwright.chromium.launch({ executablePath: chromium, args: ["--no-sandbox"] });
const pages = new Map();
const wrong = [];
let losing = null;
// What is told where a wait is in vain.
const heard = new Map();

// Runs before the page's own scripts, and is not subject to its policy.
const watch = () => {
  globalThis.violations = [];
  addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
    globalThis.violations.push(`${effectiveDirective} ${blockedURI}`),
  );
};

// How a page is, whatever keeps it from being as it was waited for.
const plight = (page, selector) => {
  const look = page.evaluate(async (selector) => {
    const texts = [...document.querySelectorAll(selector)].map((element) => element.textContent);
    const frame = await Promise.race([new Promise(requestAnimationFrame), new Promise((done) => setTimeout(done, 2000))]);
    const loaded = performance.getEntriesByType("resource").map(({ name, responseStatus, duration }) => `${name} ${responseStatus} ${Math.round(duration)} ms`);
    return `${selector}: ${JSON.stringify(texts)}\nframes: ${frame ? "drawn" : "none"}\nloaded: ${loaded.join("\n")}\npage: ${document.body.innerText.slice(0, 2000)}`;
  }, selector);
  const hangs = new Promise((done) => setTimeout(done, 10_000, "the page does not answer"));
  return Promise.race([look.catch(String), hangs]);
};

const commands = {
  // Of the page that is opened next, what is asked for first at this path does not come.
  async lose({ path }) {
    losing = path;
  },
  async open({ name, url, width, height, scheme }) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme });
    await context.addInitScript(watch);
    await context.addInitScript(axe);
    const page = await context.newPage();
    if (losing) await page.route(`**/${losing}`, (route) => route.abort("failed"), { times: 1 });
    losing = null;
    const said = [];
    heard.set(name, said);
    page.on("pageerror", (error) => wrong.push(`${name}: ${error}`));
    page.on("requestfailed", (request) => said.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("console", (message) => {
      said.push(`${message.type()}: ${message.text()}`);
      // A server that is gone is what one of the acts is about.
      if (message.type() === "error" && !/ERR_|Failed to load resource/.test(message.text())) wrong.push(`${name}: ${message.text()}`);
    });
    pages.set(name, page);
    await page.goto(url, { timeout: PATIENCE });
  },
  async wait({ name, selector, text }) {
    const found = ([selector, text]) =>
      [...document.querySelectorAll(selector)].some((element) => element.textContent.replace(/\s+/g, " ").includes(text));
    // Every frame: no polling by the clock, which a busy machine stretches.
    const page = pages.get(name);
    try {
      await page.waitForFunction(found, [selector, text], { timeout: PATIENCE });
    } catch (error) {
      throw new Error(`${error}\n${await plight(page, selector)}\nheard: ${heard.get(name).join("\n")}\nwrong: ${wrong.join("\n")}`);
    }
  },
  async text({ name, selector }) {
    return pages.get(name).locator(selector).first().textContent();
  },
  async press({ name, selector, key }) {
    const place = pages.get(name).locator(selector).first();
    await place.focus();
    await place.press(key);
  },
  async evaluate({ name, script }) {
    const session = await pages.get(name).context().newCDPSession(pages.get(name));
    const { result } = await session.send("Runtime.evaluate", { expression: script, returnByValue: true, awaitPromise: true });
    return result.value ?? null;
  },
  async accessible({ name }) {
    const check = () => globalThis.axe.run(document, { resultTypes: ["violations"] });
    const { violations } = await pages.get(name).evaluate(check);
    const nodes = ({ nodes }) => nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`).join("\n");
    const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    return grave.map((violation) => `${violation.id} (${violation.impact}): ${nodes(violation)}`);
  },
  async picture({ name, path }) {
    await pages.get(name).evaluate(() => scrollTo(0, 0));
    await pages.get(name).screenshot({ path, fullPage: true, animations: "disabled" });
  },
  async wrong() {
    return wrong;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { done: (await commands[command.do](command)) ?? null };
  } catch (error) {
    answer = { failed: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
