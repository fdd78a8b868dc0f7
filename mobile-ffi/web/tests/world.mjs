// What the web's tests stand on: the real server, an officer at its console, hosts in this process
// or in a page of a browser, and the counting.

import { spawn, execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const REPO = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');
export const BUILT = process.env.BINHYEN_WEB ?? join(REPO, 'target/web');
const BINHYEN = process.env.BINHYEN ?? join(REPO, 'target/sim/binhyen');
const STOP_MS = 20_000;
const RUN_MS = 120_000;
export const COMMUNE = '10525'; // any commune of the built-in table
export const PASSWORD = 'mật khẩu của cán bộ mẫu';
export const GROUP_NAME = 'Tổ an ninh ấp Giữa';

export function check(holds, what) {
  if (!holds) throw new Error(what);
}

export function equal(found, wanted, what = '') {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  check(a === b, `${what} ${a} instead of ${b}`);
}

/** Runs what must be refused, and gives the error. */
export async function refused(names, work) {
  try {
    await work();
  } catch (error) {
    if (![names].flat().includes(error.name)) throw error;
    check(error.words, `${error.name} has no words`);
    return error;
  }
  throw new Error(`taken, instead of ${names}`);
}

/** The real server, and what an operator types. */
export class Server {
  process = null;
  listen = '127.0.0.1:0';

  constructor(data) {
    this.data = data;
  }

  async start() {
    const words = ['--data', this.data, 'serve', '--listen', this.listen];
    this.process = spawn(BINHYEN, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface({ input: this.process.stdout });
    const line = await new Promise((resolve) => {
      lines.once('line', resolve);
      lines.once('close', () => resolve(''));
    });
    const found = /https:\/\/([0-9.]+:\d+)/.exec(line);
    check(found, `the server did not start: ${line}`);
    [, this.listen] = found; // the same port after a new start
  }

  async stop() {
    const running = this.process;
    this.process = null;
    if (!running || running.exitCode !== null) return;
    const gone = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGTERM');
    const late = setTimeout(() => running.kill('SIGKILL'), STOP_MS);
    await gone;
    clearTimeout(late);
  }

  run(...words) {
    return this.runWith('', ...words);
  }

  runWith(input, ...words) {
    return execFileSync(BINHYEN, ['--data', this.data, ...words], {
      input, encoding: 'utf8', timeout: RUN_MS, stdio: ['pipe', 'pipe', 'pipe'],
    }).trim();
  }

  /** What phones trust: as the QR code has it. */
  get trusted() {
    const text = readFileSync(this.authority(), 'utf8').replace(/-----[A-Z ]+-----|\s/g, '');
    return { url: `https://${this.listen}`, ca_der: Buffer.from(text, 'base64') };
  }

  authority() {
    const found = ['tls', '.'].map((it) => join(this.data, it, 'ca.crt.pem')).find(existsSync);
    check(found, 'no certificate of the authority');
    return found;
  }

  /** A group with a member and its leader. */
  found() {
    this.group = this.run('group', 'add', GROUP_NAME, '--area', COMMUNE);
    this.member = Number(this.run('member', 'add', 'Trần Thị Mẫu', '--group', this.group));
    this.leader = Number(
      this.run('member', 'add', 'Nguyễn Văn Mẫu', '--group', this.group, '--role', 'leader'),
    );
  }

  code() {
    const printed = this.run('enrol', '--group', this.group);
    return printed.split('\n').find((line) => line.startsWith('BINHYEN1:'));
  }

  /** The name of the device that shows these digits. */
  deviceOf(digits) {
    const line = this.run('device', 'list').split('\n').find((it) => it.includes(digits));
    return line.split(/\s+/)[0];
  }

  async enrolConfirmed(host) {
    const { digits } = await host.enrol(this.code());
    this.run('device', 'confirm', this.deviceOf(digits), digits);
    await host.sync();
  }
}

/** An officer's browser: cookies, forms and nothing else. */
export class Console {
  #cookies = {};

  constructor(ask, server) {
    this.ask = ask;
    this.server = server;
  }

  async #go(method, path, form) {
    const cookie = Object.entries(this.#cookies).map(([name, it]) => `${name}=${it}`).join('; ');
    const headers = { cookie };
    if (form) headers['content-type'] = 'application/x-www-form-urlencoded';
    const body = form && new URLSearchParams(form).toString();
    const answer = await this.ask(method, path, body, headers);
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      this.#cookies[name] = value;
    }
    return [answer.status, Buffer.from(answer.body).toString('utf8')];
  }

  #hidden(page, name) {
    const found = new RegExp(`name="${name}" value="([^"]*)"`).exec(page);
    check(found, `no field ${name} in the page`);
    return found[1];
  }

  async signIn(name, password) {
    const [, page] = await this.#go('GET', '/console/sign-in');
    const token = this.#hidden(page, 'token');
    const [status] = await this.#go('POST', '/console/sign-in', { token, name, password });
    equal(status, 303, 'signing in:');
  }

  async record(record) {
    const [status, page] = await this.#go('GET', `/console/record/${record}`);
    equal(status, 200, 'the page of a record:');
    return page;
  }

  async review(record, form) {
    const page = await this.record(record);
    const hidden = { token: this.#hidden(page, 'token'), heads: this.#hidden(page, 'heads') };
    const path = `/console/record/${record}/review`;
    const [status] = await this.#go('POST', path, { ...hidden, ...form });
    equal(status, 303, 'the review:');
  }
}

/** A host in this process, over a file. */
export class LocalHost {
  static async open(web, path) {
    const { Host } = web;
    const local = new Host(null, { post: web.nodePost, failure: web.nodeFailureOf });
    local.path = path;
    local.key = randomBytes(32);
    local.mark = 0;
    local.reopen = async () => {
      await LocalHost.close(local);
      local.store = new web.FileStore(local.path, local.key, local.mark);
      local.phone = await web.Phone.open(local.store);
    };
    local.setAhead = async (seconds) => { local.aheadS = seconds; };
    local.close = () => LocalHost.close(local);
    local.copyTo = (copy) => copyFileSync(local.path, copy);
    await local.reopen();
    return local;
  }

  static async close(local) {
    if (local.store) local.mark = local.store.highWater;
    await local.phone?.close();
    local.phone = null;
  }
}

/** Loads the library into this process. */
export async function loadWeb() {
  const from = (name) => import(join(BUILT, name));
  const modules = await Promise.all(
    ['phone.mjs', 'host.mjs', 'file-store.mjs', 'node-host.mjs'].map(from),
  );
  const web = Object.assign({}, ...modules);
  await web.load(readFileSync(join(BUILT, 'binhyen_bg.wasm')));
  return web;
}

/** Runs steps in order, and gives the exit code. */
export async function run(steps, end) {
  let passed = 0;
  let failed = 0;
  for (const [name, step] of steps) {
    const began = Date.now();
    try {
      await step();
      passed += 1;
      console.log(`ok    ${name} (${Date.now() - began} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL  ${name}\n${error.stack}`);
    }
  }
  await end();
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

// --- what people type ------------------------------------------------------------------------

export const put = (field, kind, value) => ({ field, item: 0, value: { [kind]: value } });
export const words = (field, text) => put(field, 'text', { text });

const at = (hour) => ({
  day: { year: 2026, month: 11, day: 20 }, hour, minute: 30, offset_minutes: 420,
});

export async function patrol(phone, summary) {
  const [group] = await phone.groups();
  return [
    put('area_id', 'area', { id: group.area }),
    put('occurred', 'interval', { start: at(20), end: at(22) }),
    put('members_present', 'number', { text: '៣' }),
    put('mode', 'choice', { id: 'boat' }),
    put('findings', 'choices', { ids: ['noise', 'light_out'] }),
    words('summary', summary),
  ];
}

export async function field(host, record, name) {
  const page = await host.phone.read(record);
  return page.fields.find((row) => row.id === name);
}
