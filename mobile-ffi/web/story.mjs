// The full story on the web: two phones against the real server over TLS, as in python/story.py.
//
//     node mobile-ffi/web/story.mjs             both in this process, over files
//     node mobile-ffi/web/story.mjs chromium    each in a page of its own, over IndexedDB
//
// One line for each step; at the end the counts. Nothing is left behind.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  COMMUNE, Console, GROUP_NAME, LocalHost, PASSWORD, Server, check, equal, field, loadWeb, patrol,
  put, refused, run, words,
} from './tests/world.mjs';

const inChromium = process.argv[2] === 'chromium';
const directory = mkdtempSync(join(tmpdir(), 'binhyen-web-'));
const server = new Server(join(directory, 'server'));
const web = await loadWeb();
let browser = null;
let desk;
let ana;
let bo;
let group;
let early;
let records = [];
const waiting = {};

async function openHost(name) {
  if (!inChromium) return LocalHost.open(web, join(directory, `${name}.store`));
  const { Browser } = await import('./tests/browser.mjs');
  browser ??= await Browser.open(join(directory, 'profile'), server);
  return browser.host(name);
}

const post = (path, body) => web.nodePost(server.trusted, path, body);
const text = async (host, record, name) => (await field(host, record, name)).value.text;
const save = async (host, member, said) => (
  host.save(member, 'patrol', await patrol(host.phone, said))
);

const enrolment = [
  ['the server starts with a group, two members and an officer', async () => {
    await server.start();
    server.found();
    group = server.group;
    const add = ['officer', 'add', 'can-bo', '--role', 'commune_officer', '--area', COMMUNE];
    server.runWith(`${PASSWORD}\n`, ...add, '--password-stdin');
    equal([server.member, server.leader], [1, 2]);
  }],
  ['two phones ask to be enrolled and the digits agree', async () => {
    ana = await openHost('ana');
    bo = await openHost('bo');
    equal((await ana.phone.status()).enrolled, false);
    for (const host of [ana, bo]) {
      const step = await host.enrol(server.code());
      waiting[server.deviceOf(step.digits)] = step.digits;
      equal(await host.phone.digits(), step.digits);
      equal(step.group_name, GROUP_NAME);
      const status = await host.phone.status();
      check(status.enrolled && !status.confirmed, 'enrolled and not confirmed');
      equal(typeof status.persisted, 'boolean');
    }
  }],
  ['a used or damaged code enrols nobody', async () => {
    const [other, late] = [await openHost('other'), await openHost('late')];
    const code = server.code();
    const bad = ['', 'https://example.org', code.slice(0, -7), code.replace('BINHYEN1', 'BINHYEN2')];
    for (const it of bad) {
      await refused(['BadCode', 'UpdateApp'], () => other.phone.enrolBegin(it));
    }
    await other.enrol(code);
    const error = await refused('CodeRefused', () => late.enrol(code));
    check(error.detail.includes('used'), error.detail);
    await refused('AlreadyEnrolled', () => ana.phone.enrolBegin(code));
    await other.close();
    await late.close();
  }],
  ['what is written before the confirmation waits on the server', async () => {
    const values = [words('summary', 'Ghi khi chưa được xác nhận'), put('mode', 'choice', { id: 'walk' })];
    early = await ana.save(server.member, 'patrol', values);
    equal(await ana.sync(), 0);
    const [row] = await ana.phone.waiting();
    equal(row.why, 'not_confirmed');
    check(row.words, 'no words');
  }],
  ['an officer confirms both by their digits', async () => {
    for (const [device, digits] of Object.entries(waiting)) {
      server.run('device', 'confirm', device, digits);
    }
    equal(await ana.sync(), 1);
    await bo.sync();
    for (const host of [ana, bo]) {
      check((await host.phone.status()).confirmed, 'confirmed');
      const names = (await host.phone.members(group)).map((row) => row.name);
      equal(names, ['Trần Thị Mẫu', 'Nguyễn Văn Mẫu']);
    }
    equal(await text(bo, early, 'summary'), 'Ghi khi chưa được xác nhận');
  }],
  ['the form is drawn from data', async () => {
    const types = (await ana.phone.typesFor(group, server.member)).map((row) => row.id);
    check(types.includes('patrol') && !types.includes('nil_return'), types.join());
    const form = await ana.phone.form('patrol', null);
    const mode = form.fields.find((row) => row.id === 'mode');
    check(mode.required && mode.kind === 'choice', 'the mode is asked for');
    check(mode.choices.some((row) => row.id === 'boat'), 'a boat is a choice');
    check(await ana.phone.newItem() > 0, 'a number for an item');
  }],
  ['a value that does not fit is told at its field', async () => {
    const error = await refused('FieldFault', () => (
      ana.save(server.member, 'patrol', [put('members_present', 'number', { text: 'ba' })])
    ));
    equal([error.field, error.words], ['members_present', 'Chỉ nhập số.']);
    await refused('ChooseType', () => ana.save(server.member, 'no_such_type', []));
  }],
];

const offline = [
  ['records are written while the server is away', async () => {
    await server.stop();
    for (let n = 0; n < 20; n += 1) {
      records.push(await save(ana, server.member, `Tuần tra chợ nổi lần ${n}`));
    }
    equal(await ana.visit(), null);
    equal((await ana.phone.lastProblem()).kind, 'no_network');
    equal((await ana.phone.waiting()).length, 20);
    const now = Math.floor(Date.now() / 1000);
    const pause = await ana.phone.wakeAt(now) - now;
    check(pause > 0 && pause <= 30, `wakes in ${pause} s`);
    const page = await ana.phone.read(records[0]);
    equal([page.badge.phase, page.missing], ['queued', []]);
    equal(await text(ana, records[0], 'mode'), 'ghe, vỏ lãi');
  }],
  ['a phone that was switched off still has them', async () => {
    await ana.reopen();
    equal((await ana.phone.waiting()).length, 20);
    equal(await ana.phone.highWater(), 21);
  }],
  ['they arrive when the server is back', async () => {
    await server.start();
    equal(await ana.sync(), 20);
    equal(await ana.phone.waiting(), []);
    equal((await ana.phone.read(records[0])).badge.phase, 'received');
    await bo.sync();
    equal((await bo.phone.status()).records, 21);
    const first = await bo.phone.list({ limit: 3 });
    equal([first.length, first[0].headline], [3, 'Tuần tra chợ nổi lần 19']);
  }],
];

const together = [
  ['both edit one record and both values stay', async () => {
    await ana.edit(server.member, records[5], [words('summary', 'Hai đèn hư ở bến đò')]);
    await bo.edit(server.leader, records[5], [words('summary', 'Ba đèn hư ở bến đò')]);
    await ana.sync();
    await bo.sync();
    await ana.sync();
    for (const host of [ana, bo]) {
      const said = await field(host, records[5], 'summary');
      const both = [said.value, ...said.rivals].map((row) => row.text).sort();
      equal(both, ['Ba đèn hư ở bến đò', 'Hai đèn hư ở bến đò']);
      equal(said.history.length, 3);
      check((await host.phone.read(records[5])).badge.rivals, 'rivals are shown');
    }
  }],
  ['somebody chooses and it stands alone', async () => {
    const said = await field(bo, records[5], 'summary');
    const ours = [said.value, ...said.rivals].find((row) => row.member === 'Trần Thị Mẫu');
    await bo.phone.choose(records[5], server.leader, 'summary', 0, ours.change);
    await bo.sync();
    await ana.sync();
    for (const host of [ana, bo]) {
      const now = await field(host, records[5], 'summary');
      equal([now.value.text, now.rivals, now.history.length], ['Hai đèn hư ở bến đò', [], 4]);
    }
  }],
  ['an officer returns a record at the console and the remark reaches both', async () => {
    const ask = (method, path, body, headers) => (
      web.ask(method, `${server.trusted.url}${path}`, body, { ...web.trust(server.trusted), headers })
    );
    desk = new Console(ask, server);
    await desk.signIn('can-bo', PASSWORD);
    check((await desk.record(records[7])).includes('Tuần tra chợ nổi lần 7'), 'the record');
    await desk.review(records[7], { act: 'return', reason: '4', text: 'Ồn ở đâu?' });
    for (const host of [ana, bo]) {
      await host.sync();
      const page = await host.phone.read(records[7]);
      const [back] = page.remarks;
      equal([back.state, back.reason], ['trả lại', 'nội dung chưa rõ']);
      equal([back.words, back.asks], ['Ồn ở đâu?', true]);
      check(page.badge.unanswered, 'an answer is waited for');
      const rows = await host.phone.list({ unanswered_only: true });
      equal(rows.map((row) => row.record), [records[7]]);
    }
  }],
  ['the answer comes back to the console', async () => {
    await ana.edit(server.member, records[7], [words('summary', 'Quán đầu chợ mở loa tới 23 giờ')]);
    equal(await ana.sync(), 1);
    check((await desk.record(records[7])).includes('Quán đầu chợ mở loa tới 23 giờ'), 'the answer');
    await bo.sync();
    check(!(await bo.phone.read(records[7])).badge.unanswered, 'nothing is waited for');
  }],
];

const trouble = [
  ['a wrong clock is shown and refuses nothing', async () => {
    await bo.setAhead(-56 * 365 * 86_400); // a phone whose battery was out
    const record = await save(bo, server.leader, 'Đồng hồ sai');
    equal(await bo.sync(), 1);
    await bo.setAhead(0);
    await ana.sync();
    const page = await ana.phone.read(record);
    check(page.written_s < 400_000_000 && page.received_s > 400_000_000, 'both times');
    const [row] = await ana.phone.list({ limit: 1 });
    equal(row.record, record, "the list is in the log's order:");
  }],
  ['a certificate that the clock refuses is told in words', async () => {
    const visit = await bo.phone.request(4_000);
    await bo.phone.visitFailed(visit.id, web.nodeFailureOf({ code: 'CERT_NOT_YET_VALID' }));
    const problem = await bo.phone.lastProblem();
    equal(problem.kind, 'tls_clock');
    check(problem.words.startsWith('Giờ trên máy có thể sai'), problem.words);
    await bo.sync();
    equal(await bo.phone.lastProblem(), null);
  }],
  ['the same answer twice is taken once', async () => {
    await save(ana, server.member, 'Trả lời hai lần');
    const visit = await ana.phone.request();
    const [once, again] = [await post('/v1/sync', visit.body), await post('/v1/sync', visit.body)];
    equal([once.status, again.status], [200, 200]);
    equal((await ana.phone.response(visit.id, 200, once.body)).received_now, 1);
    const { records: before } = await ana.phone.status();
    for (const { body } of [once, again]) {
      await refused('VisitOver', () => ana.phone.response(visit.id, 200, body));
    }
    equal([(await ana.phone.status()).records, await ana.phone.waiting()], [before, []]);
  }],
  ['a cut or damaged answer changes nothing', async () => {
    const record = await save(ana, server.member, 'Trả lời bị đứt');
    const tries = 8;
    for (let tried = 0; tried <= tries; tried += 1) {
      const visit = await ana.phone.request();
      const { status, body } = await post('/v1/sync', visit.body);
      if (tried === tries) {
        await ana.phone.response(visit.id, status, body);
        break;
      }
      const end = Math.floor((tried * body.length) / tries);
      const damaged = Uint8Array.from(tried % 2 ? body.subarray(0, end) : body);
      if (tried % 2 === 0) damaged[end] ^= 1;
      await refused(['BadAnswer', 'Forged'], () => ana.phone.response(visit.id, status, damaged));
      equal((await ana.phone.waiting()).length, 1);
    }
    equal(await ana.phone.waiting(), []);
    equal((await ana.phone.read(record)).badge.phase, 'received');
  }],
  ['a record is withdrawn, and one in the wrong type said anew', async () => {
    await ana.phone.withdraw(records[9], server.member, 'mistaken');
    const anew = await ana.phone.reissue(
      records[11], server.member, group, server.member, 'duty_shift', null, 'wrong_type',
    );
    check(anew.old_withdrawn && anew.dropped.includes('cách đi'), JSON.stringify(anew));
    await ana.sync();
    await bo.sync();
    equal((await bo.phone.read(records[9])).withdrawn, 'ghi nhầm');
    equal(await text(bo, records[11], 'links.corrected_by'), anew.record);
    equal(await text(bo, anew.record, 'links.corrects'), records[11]);
  }],
];

const rights = [
  ['a member may not correct another and hears it before saving', async () => {
    const record = await save(bo, server.leader, 'Của tổ trưởng');
    await bo.sync();
    await ana.sync();
    const values = [words('summary', 'Sửa của người khác')];
    await refused('NoRight', () => ana.edit(server.member, record, values));
    equal(await ana.phone.waiting(), []);
  }],
  ['who lost the right meanwhile reads why and holds up nobody', async () => {
    const guest = Number(server.run('member', 'add', 'Lê Văn Mẫu', '--group', group));
    await ana.sync();
    await save(ana, guest, 'Ghi lúc không còn quyền');
    const good = await save(ana, server.member, 'Không bị chặn');
    server.run('member', 'end', String(guest), '--group', group);
    await ana.sync();
    const [row] = await ana.phone.waiting();
    equal(row.why, 'held');
    check(row.said.some((it) => it.text === 'Ghi lúc không còn quyền'), 'its words');
    equal((await ana.phone.read(good)).badge.phase, 'received');
  }],
  ['a search finds words and refuses people', async () => {
    check((await ana.phone.search('cho noi')).length > 10, 'found');
    for (const asked of ['tuần', '0901 234 567', 'anh Tèo']) {
      await refused('SearchRefused', () => ana.phone.search(asked));
    }
  }],
  ['a commune is told by its name', async () => {
    const [{ area }] = await ana.phone.groups();
    const named = await text(ana, records[0], 'area_id');
    check(named && !named.includes(area), named);
  }],
  ['what the desk did is read on the phone', async () => {
    server.run('member', 'end', String(server.leader), '--group', group);
    await bo.sync();
    const acts = await bo.phone.groupActs(group);
    equal(acts[0].what, 'Thôi tham gia: Nguyễn Văn Mẫu');
    equal(acts.at(-1).what, 'Dùng danh mục bản 1');
    equal(await bo.phone.groupActs(group, acts[0].index, 1), [acts[1]]);
  }],
  ['a revoked phone keeps its words and is told', async () => {
    server.run('device', 'revoke', Object.keys(waiting)[0]);
    await ana.sync();
    check((await ana.phone.status()).closed, 'closed');
    check((await ana.phone.status()).records > 20, 'its records stay');
  }],
  ['the log verifies, running and not', async () => {
    console.log(`    ${server.run('verify').split('\n')[0]}`);
    await server.stop();
    server.run('verify');
  }],
];

const inNodeOnly = [
  ['another server is not believed', async () => {
    const stranger = { url: server.trusted.url, ca_der: [] };
    equal(await bo.visit((_server, path, body) => web.nodePost(stranger, path, body)), null);
    equal((await bo.phone.lastProblem()).kind, 'tls_other');
    await bo.sync();
  }],
  ['a restored phone writes on a new chain', async () => {
    const copy = join(directory, 'copy.store');
    await bo.close();
    bo.copyTo(copy);
    await bo.reopen();
    const later = await save(bo, server.leader, 'Sau bản sao');
    await bo.sync();
    await bo.close();
    bo.path = copy;
    await bo.reopen();
    const newest = await save(bo, server.leader, 'Sau khi khôi phục');
    await bo.sync();
    equal(await text(bo, later, 'summary'), 'Sau bản sao');
    equal((await bo.phone.read(newest)).badge.phase, 'received');
    equal(await bo.phone.waiting(), []);
  }],
  ['a file that was cut is the store of before, and one that is none is told', async () => {
    const cut = await openHost('cut');
    await cut.enrol(server.code());
    await cut.close();
    const { appendFileSync, readFileSync, writeFileSync } = await import('node:fs');
    appendFileSync(cut.path, Buffer.from([0, 0, 1, 0, 7, 7]));
    await cut.reopen();
    check((await cut.phone.status()).enrolled, 'enrolled');
    await cut.close();
    const { key } = cut;
    cut.key = Buffer.alloc(32, 1);
    await refused('WrongKey', () => cut.reopen());
    cut.key = key;
    // the first frame has the key's check: without it these are rows of no store
    const bytes = readFileSync(cut.path);
    writeFileSync(cut.path, bytes.subarray(12 + bytes.readUInt32BE(0)));
    await refused('StoreDamaged', () => cut.reopen());
    const anew = await web.Phone.startAnew(new web.FileStore(cut.path, key));
    const status = await anew.status();
    check(!status.enrolled && status.put_aside.includes('damaged-at'), status.put_aside);
    await anew.close();
  }],
];

const steps = [
  ...enrolment, ...offline, ...together, ...trouble, ...(inChromium ? [] : inNodeOnly), ...rights,
];
process.exitCode = await run(steps, async () => {
  await browser?.close();
  await ana?.close?.();
  await bo?.close?.();
  await server.stop();
  rmSync(directory, { recursive: true, force: true });
});
