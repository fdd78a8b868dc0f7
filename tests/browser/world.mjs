// What the steps stand on: the phones' process, the browser, the screenshots, the counting.

import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

const HERE = dirname(fileURLToPath(import.meta.url));
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
// Nothing but the console may be asked for, so the browser's own errands are switched off.
const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
];
export const SIZES = [{ width: 390, height: 844 }, { width: 1280, height: 800 }];

/** What no page may show: the id of an area, instead of words. */
const AREA_GONE = 'ab'.repeat(16);

/** The server and the phones: each call is one line there and one line back. */
export class Phones {
  constructor() {
    this.child = spawn('python3', [join(HERE, 'phones.py')], {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, PYTHONUNBUFFERED: '1' },
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  get areaGone() {
    return AREA_GONE;
  }

  async ask(what, ...args) {
    this.child.stdin.write(`${JSON.stringify({ do: what, with: args })}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error('the phones ended');
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(answer.error);
    return answer.ok;
  }

  async end() {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin.end();
    await gone;
  }
}

export function check(holds, what) {
  if (!holds) throw new Error(what);
}

export function equal(found, wanted, what = '') {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(a === b, `${what} ${a} instead of ${b}`);
}

/** The browser with one page, and what must never be seen in it. */
export class Window {
  static async open(address, into) {
    mkdirSync(into, { recursive: true });
    const window = new Window();
    window.address = address;
    window.into = into;
    window.faults = [];
    window.browser = await chromium.launch({
      executablePath: CHROMIUM, headless: true, args: ARGUMENTS,
    });
    // The server's authority is its own; the phones pin it, a browser is told to go on.
    const context = await window.browser.newContext({
      ignoreHTTPSErrors: true, viewport: SIZES[1], locale: 'vi-VN', timezoneId: 'Asia/Ho_Chi_Minh',
    });
    context.setDefaultTimeout(15_000);
    window.page = await context.newPage();
    window.page.on('pageerror', (error) => window.faults.push(`script: ${error}`));
    window.page.on('request', (request) => {
      if (!request.url().startsWith(address)) window.faults.push(`asks for ${request.url()}`);
    });
    // Refusals have a status of their own, which the browser calls an error; anything else is one.
    window.page.on('console', (line) => {
      if (line.type() === 'error' && !line.text().startsWith('Failed to load resource')) {
        window.faults.push(`console: ${line.text()}`);
      }
    });
    return window;
  }

  async go(path) {
    return this.page.goto(`${this.address}${path}`);
  }

  /** Does something that leads to another page, and waits until that is there. */
  async follow(what) {
    await Promise.all([this.page.waitForEvent('load'), what()]);
  }

  async text() {
    return this.page.locator('body').innerText();
  }

  async has(words) {
    const text = await this.text();
    check(text.includes(words), `the page does not say "${words}":\n${text}`);
  }

  async hasNot(words) {
    check(!(await this.text()).includes(words), `the page says "${words}"`);
  }

  file(name, size) {
    return join(this.into, `${name}-${size.width}.png`);
  }

  /** Both sizes as pictures; no page may be wider than the screen, nothing may be cut off. */
  async picture(name) {
    for (const size of SIZES) {
      await this.page.setViewportSize(size);
      await this.page.screenshot({ path: this.file(name, size), fullPage: true });
      const wide = await this.page.evaluate(() => document.documentElement.scrollWidth);
      check(wide <= size.width, `${name} is ${wide} wide on a screen of ${size.width}`);
      const cut = await this.page.evaluate(cutOff);
      check(cut.length === 0, `${name} at ${size.width} cuts off: ${cut.join(' | ')}`);
      const faint = await this.page.evaluate(tooFaint);
      check(faint.length === 0, `${name} at ${size.width} is faint: ${faint.join(' | ')}`);
      const nameless = await this.page.evaluate(withoutName);
      check(nameless.length === 0, `${name} has controls without a name: ${nameless.join(' | ')}`);
    }
  }

  async end() {
    await this.browser?.close();
  }
}

/** Runs in the page: words that stand in a box which hides a part of them. */
function cutOff() {
  const found = [];
  for (const it of document.querySelectorAll('main *, header *')) {
    const style = getComputedStyle(it);
    const hides = style.overflowX === 'hidden' || style.overflowX === 'clip';
    if (hides && !it.closest('.unseen') && it.scrollWidth > it.clientWidth + 1) {
      found.push(it.textContent.trim().slice(0, 60));
    }
  }
  return found;
}

/** Runs in the page: words that do not stand out from their ground as WCAG 2.2 AA asks. */
function tooFaint() {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = channels(colour).map((it) => {
      const part = it / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (it) => {
    for (let at = it; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((channels(colour)[3] ?? 1) === 1) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const it = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent.trim();
    if (!words || it.closest('.unseen, option, svg') || it.getClientRects().length === 0) continue;
    const style = getComputedStyle(it);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const [a, b] = [light(style.color), light(ground(it))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < (large ? 3 : 4.5)) found.push(`${words.slice(0, 40)} ${contrast.toFixed(2)}`);
  }
  return found;
}

/** Runs in the page: controls of which nobody who cannot see them would know what they are. */
function withoutName() {
  const found = [];
  for (const it of document.querySelectorAll('a, button, summary, input, select, textarea')) {
    if (it.type === 'hidden') continue;
    const labels = [...(it.labels ?? [])].map((label) => label.textContent).join(' ');
    const own = it.matches('input, select, textarea') ? '' : it.textContent;
    const name = `${labels}${own}${it.getAttribute('aria-label') ?? ''}`.trim();
    if (!name) found.push(it.outerHTML.slice(0, 80));
  }
  return found;
}

/**
 * Runs steps in order, each with its name, and gives the exit code. Each builds on those before
 * it, so after one that fails the others count as failed without being tried.
 */
export async function run(steps, after) {
  let passed = 0;
  for (const [name, step] of steps) {
    try {
      await step();
      passed += 1;
      console.log(`ok    ${name}`);
    } catch (error) {
      console.log(`FAIL  ${name}\n${error.stack}`);
      await after.failed(name);
      break;
    }
  }
  for (const [name] of steps.slice(passed + 1)) console.log(`FAIL  ${name}: not reached`);
  const failed = steps.length - passed;
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}
