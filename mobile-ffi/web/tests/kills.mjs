// A page is killed a hundred times while it saves and exchanges, and the whole browser ten times:
// whatever it had called saved is there, once, on the phone and on the server.
//
//     node kills.mjs [SEED]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Browser } from './browser.mjs';
import { LocalHost, Server, check, equal, loadWeb, patrol, run } from './world.mjs';

const PAGE_KILLS = 100;
const BROWSER_KILLS = 10;
/** Longest wait until the browser knows that a process is dead. */
const DEAD_MS = 30_000;
/** Longest time until a kill: some thirty saves. */
const LONGEST_MS = 80;
const seed = Number(process.argv[2] ?? Date.now() % 1_000_000);
const directory = mkdtempSync(join(tmpdir(), 'binhyen-kills-'));
const server = new Server(join(directory, 'server'));
const web = await loadWeb();
const begun = new Set();
const saved = new Set();
const ends = new Set();
let browser;
let peer;
let values;

/** Numbers that can be had again by the seed (mulberry32). */
let state = seed;
function roll(sides) {
  state = (state + 0x6d2b79f5) | 0;
  let it = Math.imul(state ^ (state >>> 15), 1 | state);
  it = (it + Math.imul(it ^ (it >>> 7), 61 | it)) ^ it;
  return ((it ^ (it >>> 14)) >>> 0) % sides;
}

/** What the page says arrives by itself, also just before it dies. */
async function listen() {
  await browser.context.exposeFunction('tell', (n, what) => {
    if (what === 'begun') begun.add(n);
    else if (what === 'saved') saved.add(n);
    else ends.add(what);
  });
}

async function numbers(host) {
  const rows = await host.phone.list({ limit: 100_000 });
  return rows.map((row) => Number(row.headline.replace('Mục ', '')));
}

/** All that was called saved is there; nothing is there twice, and nothing that nobody wrote. */
async function look(host) {
  const found = await numbers(host);
  const set = new Set(found);
  equal(found.length, set.size, 'records that are there twice:');
  const lost = [...saved].filter((n) => !set.has(n));
  equal(lost, [], `lost with seed ${seed}:`);
  check(found.every((n) => begun.has(n)), 'a record that nobody wrote');
  return set;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** The processes of one kind, asked for before the page is busy, when the answer comes at once. */
async function processes(kind) {
  const session = await browser.context.browser().newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  await session.detach();
  return processInfo.filter((it) => it.type === kind).map((it) => it.id);
}

function kill(process_) {
  // another renderer may have ended by itself
  try { process.kill(process_, 'SIGKILL'); } catch (error) { check(error.code === 'ESRCH', error); }
}

/** Saves and visits until the moment `kill` chooses. */
async function busy(host, exchanges) {
  const from = Math.max(0, ...begun) + 1;
  await host.page.evaluate(([member, said, next, visits]) => {
    window.saveOn(member, said, 'Mục', next);
    if (visits) window.visitOn();
  }, [server.member, values, from, exchanges]);
  await pause(roll(LONGEST_MS));
}

async function killPage(host, exchanges) {
  const renderers = await processes('renderer');
  const gone = new Promise((resolve) => { host.page.once('crash', resolve); });
  await busy(host, exchanges);
  renderers.forEach(kill);
  await gone;
  await host.page.close();
  // one that was kept in reserve was killed too: the next page would be given it
  const until = Date.now() + DEAD_MS;
  while ((await processes('renderer')).some((id) => renderers.includes(id))) {
    check(Date.now() < until, 'the browser still counts on a process that was killed');
    await pause(10);
  }
}

async function killBrowser(host, exchanges) {
  const [main] = await processes('browser');
  const gone = new Promise((resolve) => { browser.context.once('close', resolve); });
  await busy(host, exchanges);
  kill(main);
  await gone;
  await browser.start();
  await listen();
}

const steps = [
  [`a phone in a page is ready, seed ${seed}`, async () => {
    await server.start();
    server.found();
    peer = await LocalHost.open(web, join(directory, 'peer.store'));
    await server.enrolConfirmed(peer);
    browser = await Browser.open(join(directory, 'profile'), server);
    await listen();
    const host = await browser.host('killed');
    await server.enrolConfirmed(host);
    values = await patrol(host.phone, '');
    await host.close();
  }],
  [`${PAGE_KILLS} kills of the page: none lost, none doubled`, async () => {
    for (let kills = 1; kills <= PAGE_KILLS; kills += 1) {
      const host = await browser.host('killed');
      await look(host);
      // the server's measure of one phone allows no visit each time
      await killPage(host, kills % 8 === 0);
      if (kills % 20 === 0) console.log(`    ${kills} kills, ${saved.size} of ${begun.size} saved`);
    }
    check(saved.size > PAGE_KILLS && saved.size < begun.size, 'saves were cut');
  }],
  [`${BROWSER_KILLS} kills of the whole browser: none lost, none doubled`, async () => {
    for (let kills = 1; kills <= BROWSER_KILLS; kills += 1) {
      const host = await browser.host('killed');
      await look(host);
      await killBrowser(host, kills % 5 === 0);
    }
  }],
  ['all of it arrives at the server and at another phone, once', async () => {
    const host = await browser.host('killed');
    await pause(30_000 / 8);
    await host.sync();
    const here = await look(host);
    equal(await host.phone.waiting(), [], 'what waits:');
    await peer.sync();
    const there = await look(peer);
    equal([...there].sort(), [...here].sort(), 'records of the other phone:');
    console.log(`    ${here.size} records; ${server.run('verify').split('\n')[0]}`);
    equal([...ends], [], 'saves that failed:');
  }],
];

process.exitCode = await run(steps, async () => {
  await browser?.close();
  await peer?.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});
