// Debian's Chromium with pages that hold a phone each, and the small server their origin is: it
// gives the files of the web and carries `/v1/*` to the real server over TLS, as a proxy in front
// of both would. `http://localhost` is a secure context, so locks and WebCrypto are there.

import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, extname, join } from 'node:path';

import { BUILT, REPO, check, loadWeb } from './world.mjs';

const { chromium } = createRequire(join(REPO, 'tests/browser/package.json'))('playwright-core');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
  '--disable-background-networking', '--disable-component-update',
];
const STEP_MS = 60_000;
const TYPES = { '.html': 'text/html', '.mjs': 'text/javascript', '.js': 'text/javascript', '.wasm': 'application/wasm' };

/** Serves the page's files, and carries what is for the phones' port. */
async function serve(server) {
  const web = await loadWeb();
  const listener = createServer(async (request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path.startsWith('/v1/')) {
      const parts = [];
      for await (const part of request) parts.push(part);
      try {
        const answer = await web.nodePost(server.trusted, path, Buffer.concat(parts));
        response.writeHead(answer.status).end(answer.body);
      } catch {
        // no server: a browser that asked it directly would have had no answer either
        response.destroy();
      }
      return;
    }
    const name = basename(path);
    const file = name === 'page.html' ? join(REPO, 'mobile-ffi/web/tests', name) : join(BUILT, name);
    try {
      const body = readFileSync(file);
      response.writeHead(200, { 'content-type': TYPES[extname(name)] ?? 'text/plain' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => { listener.listen(0, '127.0.0.1', resolve); });
  return listener;
}

export class Browser {
  faults = [];

  /** A browser over a profile on the disk: what pages save is there again after a new start. */
  static async open(profile, server) {
    const browser = new Browser();
    browser.profile = profile;
    browser.listener = await serve(server);
    browser.origin = `http://localhost:${browser.listener.address().port}`;
    await browser.start();
    return browser;
  }

  async start() {
    this.context = await chromium.launchPersistentContext(this.profile, {
      executablePath: CHROMIUM, headless: true, args: ARGUMENTS, locale: 'vi-VN',
    });
    this.context.setDefaultTimeout(STEP_MS);
  }

  /** A page on this origin with the library loaded, and no phone yet. */
  async page(name) {
    const page = await this.context.newPage();
    page.on('pageerror', (error) => this.faults.push(String(error)));
    await page.goto(`${this.origin}/page.html?store=${name}`);
    await page.waitForFunction('window.ready');
    return new PageHost(page);
  }

  async host(name) {
    const host = await this.page(name);
    await host.open();
    return host;
  }

  async close() {
    await this.context?.close();
    this.listener.closeAllConnections();
    await new Promise((resolve) => { this.listener.close(resolve); });
    check(this.faults.length === 0, `faults in pages: ${this.faults.join('\n')}`);
  }
}

const packed = (it) => JSON.stringify(it, (_key, value) => {
  // a Buffer has become plain by now
  if (value?.type === 'Buffer') return { $bytes: Buffer.from(value.data).toString('base64') };
  return value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString('base64') } : value;
});
const unpacked = (text) => JSON.parse(text, (_key, value) => (
  value?.$bytes !== undefined ? new Uint8Array(Buffer.from(value.$bytes, 'base64')) : value
));

function opened(text) {
  const { ok, fault } = unpacked(text);
  if (fault) throw Object.assign(new Error(fault.message), fault);
  return ok;
}

/** A host in a page, with the calls of one in this process. */
export class PageHost {
  constructor(page) {
    this.page = page;
    this.phone = new Proxy({}, {
      // a proxy that has `then` would be taken for a promise
      get: (_target, method) => (method === 'then' ? undefined : (...args) => this.ask('phone', method, ...args)),
    });
    for (const method of ['enrol', 'save', 'edit', 'visit', 'sync']) {
      this[method] = (...args) => this.ask('host', method, ...args);
    }
  }

  async ask(on, method, ...args) {
    const call = ([where, what, sent]) => window.ask(where, what, sent);
    return opened(await this.page.evaluate(call, [on, method, packed(args)]));
  }

  async open(options = {}) {
    opened(await this.page.evaluate((it) => window.open_(it), options));
  }

  async startAnew() {
    opened(await this.page.evaluate(() => window.startAnew()));
  }

  async reload() {
    await this.page.reload();
    await this.page.waitForFunction('window.ready');
  }

  async reopen() {
    await this.phone.close();
    await this.reload();
    await this.open();
  }

  async setAhead(seconds) {
    await this.page.evaluate((it) => window.ahead(it), seconds);
  }

  async close() {
    await this.page.close();
  }
}
