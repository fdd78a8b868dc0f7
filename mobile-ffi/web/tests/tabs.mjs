// Two tabs at once over one store: whoever has it writes, the other is told, and no chain forks,
// not even when a tab that was frozen wakes up and goes on writing.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Browser } from './browser.mjs';
import {
  LocalHost, Server, check, equal, field, loadWeb, patrol, refused, run,
} from './world.mjs';

const directory = mkdtempSync(join(tmpdir(), 'binhyen-tabs-'));
const server = new Server(join(directory, 'server'));
const web = await loadWeb();
const written = [];
let browser;
let peer;
let one;
let two;

/** Saves, and remembers what the phone said was saved. */
async function save(tab, said) {
  const record = await tab.save(server.member, 'patrol', await patrol(tab.phone, said));
  written.push([record, said]);
}

/** All that was saved is there once, on one chain without a gap, and the server has it. */
async function whole(tab) {
  await tab.sync();
  equal(await tab.phone.waiting(), [], 'what waits:');
  const rows = await tab.phone.list({ limit: 1_000 });
  equal(rows.map((row) => row.headline).sort(), written.map(([, said]) => said).sort(), 'records:');
  const places = [];
  for (const [record] of written) {
    const { value } = await field(tab, record, 'summary');
    places.push(value.change.split('/'));
  }
  equal(new Set(places.map(([chain]) => chain)).size, 1, 'chains:');
  const seqs = places.map(([, seq]) => Number(seq)).sort((a, b) => a - b);
  equal(seqs, seqs.map((_seq, at) => at + 1), 'places on the chain:');
  await peer.sync();
  equal((await peer.phone.status()).records, written.length, 'records of the other phone:');
  equal(server.run('quarantine', 'list'), quarantineEmpty, 'set aside:');
  server.run('verify');
}
let quarantineEmpty;

const steps = [
  ['a tab opens the store and writes', async () => {
    await server.start();
    server.found();
    quarantineEmpty = server.run('quarantine', 'list');
    peer = await LocalHost.open(web, join(directory, 'peer.store'));
    await server.enrolConfirmed(peer);
    browser = await Browser.open(join(directory, 'profile'), server);
    one = await browser.host('shared');
    await server.enrolConfirmed(one);
    await save(one, 'Từ trang một');
  }],
  ['a second tab is told in words, and disturbs nothing', async () => {
    two = await browser.page('shared');
    const error = await refused('StoreInUse', () => two.open());
    equal(error.words, 'Dữ liệu đang được mở ở chỗ khác. Đóng ứng dụng rồi mở lại.');
    await save(one, 'Vẫn từ trang một');
  }],
  ['when the first tab is closed, the second goes on', async () => {
    await one.close();
    await two.open();
    equal((await two.phone.status()).records, 2);
    await save(two, 'Từ trang hai');
    await whole(two);
  }],
  ['asked for the store, a tab hands it over between two saves', async () => {
    one = await browser.page('shared');
    let [holder, other] = [two, one];
    for (let turn = 0; turn < 12; turn += 1) {
      // a tab in the middle of many saves, all begun at once
      const said = Array.from({ length: 8 }, (_, n) => `Lượt ${turn}, mục ${n}`);
      const saves = said.map((it) => save(holder, it).catch((error) => error));
      const [, ...ends] = await Promise.all([other.open({ takeOver: true }), ...saves]);
      for (const end of ends.filter(Boolean)) equal(end.name, 'StoreInUse');
      await refused('StoreInUse', () => save(holder, 'Sau khi giao'));
      await save(other, `Sau lượt ${turn}`);
      [holder, other] = [other, holder];
    }
    await whole(holder);
    [one, two] = [holder, other];
  }],
  ['a tab that does not answer is fenced off, and writes nothing when it wakes', async () => {
    // it hears nothing, and holds its lock for all it knows
    await one.page.evaluate(() => {
      window.store.onLost = () => {};
    });
    await two.open({ takeOver: true });
    await save(two, 'Từ trang mới');
    await refused('StoreInUse', () => save(one, 'Từ trang đã ngủ'));
    await refused('StoreInUse', () => one.phone.request());
    await whole(two);
  }],
  ['without locks the fence alone keeps one writer', async () => {
    for (const tab of [one, two]) {
      await tab.reload();
      await tab.page.evaluate(() => {
        Object.defineProperty(navigator, 'locks', { value: undefined });
      });
    }
    await one.open();
    await save(one, 'Không có khóa');
    await two.open();
    const both = [one, two].flatMap((tab, at) => (
      Array.from({ length: 10 }, (_, n) => save(tab, `Không khóa, trang ${at}, mục ${n}`)
        .catch((error) => error))
    ));
    const ends = (await Promise.all(both)).filter(Boolean);
    equal([...new Set(ends.map((end) => end.name))], ['StoreInUse']);
    check(ends.length >= 10, `${ends.length} of the older tab were refused`);
    await whole(two);
  }],
  ['a full disk is named, nothing of the save stays, and later ones pass', async () => {
    // the browser remembers for a while how much room there was, so it starts anew with no room
    await browser.context.close();
    await browser.start();
    two = await browser.page('shared');
    const session = await browser.context.newCDPSession(two.page);
    const set = (quotaSize) => (
      session.send('Storage.overrideQuotaForOrigin', { origin: browser.origin, quotaSize })
    );
    await set(1);
    await two.open();
    equal((await two.phone.status()).records, written.length, 'what can be read:');
    const error = await refused('StorageFull', () => save(two, 'Hết chỗ'));
    check(error.words.startsWith('Máy hết chỗ trống'), error.words);
    equal((await two.phone.list({ limit: 1_000 })).length, written.length);
    equal((await two.phone.status()).records, written.length, 'after the refusal:');
    await set(undefined);
    await save(two, 'Lại có chỗ');
    await whole(two);
  }],
  ['a damaged store is told, put aside, and can be begun anew', async () => {
    await two.phone.close();
    await two.page.evaluate(() => new Promise((resolve) => {
      const request = indexedDB.open('shared');
      request.onsuccess = () => {
        const transaction = request.result.transaction('item', 'readwrite');
        const cursor = transaction.objectStore('item').openCursor(null, 'prev');
        cursor.onsuccess = () => cursor.result.update(new Uint8Array(60));
        transaction.oncomplete = () => { request.result.close(); resolve(); };
      };
    }));
    await two.reload();
    await refused('StoreDamaged', () => two.open());
    await two.startAnew();
    const status = await two.phone.status();
    equal([status.enrolled, status.put_aside], [false, 'shared#0']);
    await server.enrolConfirmed(two);
    equal((await two.phone.status()).records, written.length, 'what the server has comes back:');
  }],
];

process.exitCode = await run(steps, async () => {
  await browser?.close();
  await peer?.close();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});
