// The path of an officer, once in Vietnamese: sign in, let a phone in, read, search, return,
// be answered, accept; then the same with the keyboard alone, and the switch to English.
//
//     node console.mjs DIRECTORY      the screenshots go there

import { execFileSync } from 'node:child_process';

import { Phones, SIZES, Window, check, equal, run } from './world.mjs';

const VIETNAMESE = 'Tuần tra chợ nổi ở Đồng Tháp, hai đèn hư ở bến đò';
const KHMER = 'ក្រុមល្បាតបានដើរពិនិត្យតាមផ្លូវភូមិ និងផ្សារ មិនមានបញ្ហាអ្វីទេ';
const PERSONS = [
  ['tuần', 'Gõ ít nhất hai chữ'],
  ['gọi 0901 234 567', 'Không tìm theo số dài'],
  ['xe 66-B1 123.45', 'Không tìm theo biển số'],
  ['anh Tèo', 'Không tìm theo tên người'],
];

const phones = new Phones();
const records = {};
let server;
let window;
let page;
let digits;

// The reader talks about a bus that is not there; only what it read counts.
const readCode = (file) => execFileSync('zbarimg', ['-q', '--raw', file], {
  stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8',
}).trim();
/** Clicks and waits for the page that follows. */
const follow = (where) => window.follow(() => {
  const it = typeof where === 'string' ? page.locator(where).first() : where;
  return it.click();
});
const heading = () => page.locator('h1').innerText();
const row = (words) => page.locator('tr', { hasText: words });
const rowsCount = () => page.locator('table.rows tbody tr').count();

async function search(words) {
  await window.go('/console');
  await page.fill('#q', words);
  await follow('.filter button.main');
}

async function open(record) {
  await window.go(`/console/record/${record}`);
}

async function act(title) {
  return page.locator('aside.acts form', { has: page.locator('h2', { hasText: title }) });
}

const steps = [
  ['the server starts and the console asks who comes', async () => {
    server = await phones.ask('start');
    window = await Window.open(server.address, process.argv[2] ?? 'target/browser');
    page = window.page;
    await window.go('/');
    equal(await heading(), 'Đăng nhập');
    equal(await page.getAttribute('html', 'lang'), 'vi');
    await window.picture('01-sign-in');
  }],
  ['a wrong password lets nobody in', async () => {
    await page.fill('#name', 'can-bo');
    await page.fill('#password', 'không phải');
    await follow('form.stack button.main');
    await window.has('tên hoặc mật khẩu không đúng');
    await window.picture('02-sign-in-refused');
  }],
  ['the officer signs in and the list is empty', async () => {
    // After a refusal the account waits a little.
    for (let times = 0; times < 12; times += 1) {
      await page.fill('#name', 'can-bo');
      await page.fill('#password', server.password);
      await follow('form.stack button.main');
      if ((await heading()) === 'Sổ ghi chép') break;
      await page.waitForTimeout(1_000);
    }
    equal(await heading(), 'Sổ ghi chép');
    await window.has('Sổ này chưa có mục nào');
    await window.picture('03-list-empty');
  }],
  ['a group and a member are chosen for a phone', async () => {
    await follow('nav >> text=Cấp máy mới');
    await window.picture('04-enrol-group');
    await page.selectOption('#group', server.group);
    await follow('text=Chọn tổ này');
    await page.check('text=Trần Thị Mẫu');
    await window.picture('05-enrol-members');
    await follow('text=Tạo mã');
    equal(await heading(), 'Mã cấp máy');
  }],
  ['the code is shown once and a phone takes it', async () => {
    check(await page.locator('.qr svg').isVisible(), 'no QR code');
    await window.picture('06-invitation');
    await page.click('main details summary');
    const code = (await page.locator('details code').innerText()).trim();
    // What a camera reads off the screen, of a computer and of another phone.
    for (const size of SIZES) equal(readCode(window.file('06-invitation', size)), code, 'QR code:');
    ({ digits } = await phones.ask('enrol', 'an', code));
    await follow('a.button >> text=Tải lại trang');
    await window.hasNot('BINHYEN1:');
    await window.hasNot(digits);
    await window.picture('07-invitation-used');
  }],
  ['wrong digits confirm nobody, the right ones do', async () => {
    const wrong = String((Number(digits) + 1) % 1_000_000).padStart(6, '0');
    await page.fill('input.digits', wrong);
    await follow('.device button.main');
    await window.has('Sáu số không khớp');
    await window.picture('08-digits-refused');
    await window.go('/console/devices');
    await window.picture('09-devices-waiting');
    // With the space that people put in the middle.
    await page.fill('input.digits', `${digits.slice(0, 3)} ${digits.slice(3)}`);
    await follow('.device button.main');
    await window.has('Đã xác nhận máy');
    await window.picture('10-devices');
    equal((await phones.ask('sync', 'an')).confirmed, true);
  }],
  ['a patrol in Vietnamese and one in Khmer stand in the list', async () => {
    await phones.ask('enrol_confirmed', 'bo');
    records.vi = await phones.ask('patrol', 'an', VIETNAMESE);
    records.km = await phones.ask('patrol', 'bo', KHMER);
    records.gone = await phones.ask('patrol_in_an_area_that_is_gone', 'an', 'Ấp cũ đã sáp nhập');
    equal((await phones.ask('sync', 'an')).received, 2);
    equal((await phones.ask('sync', 'bo')).received, 1);
    await phones.ask('sync', 'an');
    await window.go('/console');
    equal(await rowsCount(), 3);
    await window.has(VIETNAMESE);
    await window.has(KHMER);
    await window.hasNot(phones.areaGone);
    await window.has('Địa bàn không rõ (mã abababab)');
    await window.picture('11-list');
  }],
  ['words are found without accents', async () => {
    for (const words of ['tuan tra', 'dong thap', 'Đồng Tháp', 'DONG thap']) {
      await search(words);
      equal(await rowsCount(), 1, words);
      await window.has('Đồng Tháp');
    }
    await window.picture('12-search');
    await search('ក្រុមល្បាត ផ្សារ');
    equal(await rowsCount(), 1, 'Khmer');
    await window.picture('13-search-km');
    await search('khong co dau');
    equal(await rowsCount(), 0);
  }],
  ['a search for a person is refused, and says why', async () => {
    for (const [nth, [words, why]] of PERSONS.entries()) {
      await search(words);
      await window.has(why);
      equal(await rowsCount(), 0, words);
      equal(await page.inputValue('#q'), words, 'what was typed stays:');
      if (nth === 3) await window.picture('14-search-refused');
    }
  }],
  ['a record in Khmer and one in an area that is gone are shown whole', async () => {
    await open(records.km);
    await window.has(KHMER);
    await window.picture('15-record-km');
    await open(records.gone);
    await window.has('Ấp cũ đã sáp nhập');
    await window.hasNot(phones.areaGone);
    await window.has('120 phút');
    equal(await page.locator('main details').count(), 0, 'nothing was edited, so there is no history:');
    await window.picture('16-record-area-gone');
  }],
  ['two phones that wrote at one field stand beside each other', async () => {
    await phones.ask('sync', 'bo');
    await phones.ask('edit', 'an', records.vi, 'summary', `${VIETNAMESE}, đã báo điện lực`);
    await phones.ask('edit', 'bo', records.vi, 'summary', `${VIETNAMESE}, ba đèn`);
    await phones.ask('sync', 'an');
    await phones.ask('sync', 'bo');
    await window.go('/console');
    check(await row(VIETNAMESE).locator('.is-rivals').isVisible(), 'no mark in the list');
    await follow(row(VIETNAMESE).locator('a'));
    equal(await page.locator('.rival').count(), 2);
    await window.has('đã báo điện lực');
    await window.has('ba đèn');
    await page.locator('.torn details summary').click();
    await window.picture('17-record-rivals');
  }],
  ['the record is returned for a reason, and a remark is pinned to a field', async () => {
    const back = await act('Trả lại để bổ sung');
    await back.locator('text=Nội dung chưa rõ').click();
    await back.locator('textarea').fill('Xin ghi rõ bến nào.');
    await follow(back.locator('button'));
    await window.has('Đã trả lại.');
    const remark = await act('Nhận xét một mục');
    await remark.locator('#remark-field').selectOption({ label: 'nội dung' });
    await remark.locator('#remark-reason').selectOption({ label: 'Thiếu địa điểm' });
    await remark.locator('textarea').fill('Bến đò nào, ấp nào?');
    await follow(remark.locator('button'));
    await window.has('Đã ghi nhận xét.');
    await window.picture('18-record-returned');
  }],
  ['on the phone the remark stands at its field', async () => {
    await phones.ask('sync', 'an');
    const { remarks, state, unanswered } = await phones.ask('remarks', 'an', records.vi);
    equal([state, unanswered], ['trả lại', true]);
    equal(remarks.map((it) => [it.field, it.reason, it.words]), [
      [null, 'nội dung chưa rõ', 'Xin ghi rõ bến nào.'],
      ['summary', 'thiếu địa điểm', 'Bến đò nào, ấp nào?'],
    ]);
    await window.go('/console');
    check(await row(VIETNAMESE).locator('.is-waiting').isVisible(), 'the list must say it waits');
    await window.picture('19-list-returned');
  }],
  ['the phone answers and the console shows it', async () => {
    await phones.ask('edit', 'an', records.vi, 'summary', `${VIETNAMESE}: bến đò Ông Chưởng`);
    equal((await phones.ask('sync', 'an')).received, 1);
    equal((await phones.ask('remarks', 'an', records.vi)).unanswered, false);
    await open(records.vi);
    await window.has('bến đò Ông Chưởng');
    await window.has('tổ đã trả lời');
    equal(await page.locator('.rival').count(), 0, 'the answer settles the rivals:');
    await window.picture('20-record-answered');
  }],
  ['a page that is out of date decides nothing', async () => {
    await phones.ask('edit', 'an', records.vi, 'summary', `${VIETNAMESE}: bến Ông Chưởng, ấp Giữa`);
    await phones.ask('sync', 'an');
    await follow('aside.acts button.main');
    await window.has('Mục này vừa thay đổi');
    await window.picture('21-stale');
  }],
  ['the record is accepted and the phone is told', async () => {
    await open(records.vi);
    await follow((await act('Xác nhận')).locator('button'));
    await window.has('Đã xác nhận.');
    await window.picture('22-record-accepted');
    await phones.ask('sync', 'an');
    equal((await phones.ask('remarks', 'an', records.vi)).state, 'đã xác nhận');
  }],
  ['a page that is not there says so', async () => {
    await open('00'.repeat(16));
    await window.has('Không có trang hoặc mục này');
    await window.picture('23-not-found');
  }],
  ['a phone that is refused stays in sight, as refused', async () => {
    await phones.ask('enrol_unconfirmed', 'cua');
    await window.go('/console/devices');
    await follow('.device button.careful');
    await window.has('Đã từ chối máy');
    await window.has('từ chối lúc');
    await window.picture('23a-devices-refused');
  }],
  ['before a phone is taken away, the page asks', async () => {
    await window.go('/console/devices');
    await follow('.device a.careful');
    await window.has('Thu hồi máy này?');
    await window.has('ở mọi tổ mà máy đang dùng');
    await window.picture('24-revoke');
    await follow('text=Hủy');
    equal(await heading(), 'Điện thoại');
  }],
  ['what was done at the desk stands there for the commune to read', async () => {
    await window.go('/console/acts');
    await window.has('Việc của từng tổ');
    await window.picture('24a-acts');
    await follow('main li a');
    await window.has('Thêm thành viên');
    await window.has('Cấp máy');
    await window.picture('24b-acts-of-a-group');
  }],
  ['what a revoked phone brought late is let in by two officers', async () => {
    const words = 'Tuần tra trên đường về, không có gì lạ';
    await phones.ask('officer', 'can-bo-hai', 'commune_chief');
    await phones.ask('late_patrol', 'tu', words);
    await window.go('/console/quarantine');
    await window.has('Không có thay đổi nào');
    await window.picture('24c-quarantine-empty');
    await follow('main nav >> text=Máy đã thu hồi');
    await window.hasNot(words);
    await window.picture('24d-quarantine-late');
    await follow('table.rows a');
    await window.has(words);
    await window.picture('24e-held');
    await follow('main form button');
    await window.has('Đã ghi đề nghị');
    await follow('main nav >> text=Máy đã thu hồi');
    await window.has('tài khoản can-bo');
    await window.picture('24f-quarantine-proposed');
    await follow('table.rows a');
    await window.has('Phải có một cán bộ khác');
    equal(await page.locator('main form').count(), 0, 'who proposed has no button:');
    await window.picture('24g-held-proposed');
    const here = page.url();
    const signIn = async (name) => {
      await follow('text=Đăng xuất');
      await page.fill('#name', name);
      await page.fill('#password', server.password);
      await follow('form.stack button.main');
    };
    await signIn('can-bo-hai');
    await page.goto(here);
    await window.picture('24h-held-to-confirm');
    await follow('main form button');
    await window.has('Đã nhận vào sổ');
    await window.picture('24i-quarantine-admitted');
    await window.go('/console');
    await window.has(words);
    equal((await phones.ask('sync', 'bo')).records, 4, 'the group sees it:');
    for (const cause of ['refused', 'forked']) {
      await window.go(`/console/quarantine?cause=${cause}`);
      await window.picture(`24j-quarantine-${cause}`);
    }
    await signIn('can-bo');
  }],
  ['the figures of the period stand by hamlet, in each language and on paper', async () => {
    await window.go('/console/period');
    await window.has('Bổ sung kỳ trước');
    await window.has('Tuần tra');
    await window.picture('24k-period');
    for (const [language, late] of [
      ['ខ្មែរ', 'បន្ថែមពីគ្រាមុន'], ['繁體中文', '補報前期'], ['简体中文', '补报前期'],
    ]) {
      await page.click('header details summary');
      await follow(`header >> text=${language}`);
      await window.has(late);
      await window.has('Bản dịch chưa được duyệt');
      await window.picture(`24l-period-${await page.getAttribute('html', 'lang')}`);
    }
    await page.click('header details summary');
    await follow('header >> text=Tiếng Việt');
    await page.emulateMedia({ media: 'print' });
    check(await page.locator('.letterhead').isVisible(), 'no letterhead on paper');
    check(!(await page.locator('.top').isVisible()), 'the menu is on paper');
    await window.picture('24m-period-print');
    await page.emulateMedia({ media: null });
    await window.go('/console/groups');
    await window.picture('24n-models');
    await follow('main li a');
    await window.has('chưa ghi loại hình và trạng thái');
    await window.picture('24o-model');
  }],
  ['the console speaks English when asked, and goes back', async () => {
    await open(records.vi);
    await page.click('header details summary');
    await follow('header >> text=English');
    equal(await page.getAttribute('html', 'lang'), 'en');
    await window.hasNot('Nhận xét một mục');
    await window.has(VIETNAMESE);
    await window.picture('25-record-en');
    await window.go('/console');
    await window.picture('26-list-en');
    for (const [path, name] of [
      [`/console/record/${records.gone}`, '26a-record-area-gone-en'],
      ['/console/devices', '26b-devices-en'],
      ['/console/enrol', '26c-enrol-en'],
      ['/console/acts', '26e-acts-en'],
      ['/console/quarantine?cause=late', '26f-quarantine-en'],
      ['/console?q=xe+66-B1+123.45', '26d-search-refused-en'],
    ]) {
      await window.go(path);
      await window.picture(name);
    }
    await page.click('header details summary');
    await follow('header >> text=Tiếng Việt');
    equal(await page.getAttribute('html', 'lang'), 'vi');
  }],
  ['all of it works with the keyboard alone', async () => {
    const key = (name) => page.keyboard.press(name);
    // Presses Tab until this is reached; each stop on the way must be seen.
    const reach = async (what) => {
      for (let stops = 0; stops < 80; stops += 1) {
        await key('Tab');
        const at = await page.evaluate(focused);
        check(at.outline, `the focus is not seen at "${at.words}"`);
        if (at.words === what) return;
      }
      throw new Error(`the keyboard does not reach "${what}"`);
    };
    const enter = () => window.follow(() => key('Enter'));
    await window.go('/console');
    await reach('Đăng xuất');
    await enter();
    equal(await page.evaluate(focused).then((at) => at.id), 'name', 'it begins at the name:');
    await page.keyboard.type('can-bo');
    await key('Tab');
    await page.keyboard.type(server.password);
    await enter();
    await key('Tab');
    equal((await page.evaluate(focused)).words, 'Đến nội dung chính');
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.screenshot({ path: `${window.into}/27-skip-link.png` });
    const covered = await page.evaluate(() => {
      const [skip, top] = ['.skip', '.top'].map((it) => document.querySelector(it));
      return skip.getBoundingClientRect().bottom > top.getBoundingClientRect().top;
    });
    check(!covered, 'the skip link covers the navigation');
    await key('Enter');
    await reach('q');
    await page.keyboard.type('ក្រុមល្បាត ផ្សារ');
    await enter();
    equal(await rowsCount(), 1);
    await reach('Tuần tra');
    await enter();
    await window.has(KHMER);
    await reach('Xác nhận');
    await enter();
    await window.has('Đã xác nhận.');
    await window.picture('28-keyboard-accepted');
  }],
  ['the keyboard reaches every control of every page', async () => {
    await page.setViewportSize(SIZES[1]);
    const pages = ['devices', 'enrol', 'acts', 'quarantine', 'period', 'groups'].map(
      (name) => `/console/${name}`,
    );
    const paths = ['/console', `/console/record/${records.vi}`, ...pages];
    for (const path of paths) {
      await window.go(path);
      // the languages too, which are folded away
      await page.evaluate(() => { document.querySelector('header details').open = true; });
      const wanted = await page.evaluate(controls);
      check(wanted > 6, `${path} has ${wanted} controls`);
      const reached = new Set();
      for (let stops = 0; stops < wanted + 4; stops += 1) {
        await page.keyboard.press('Tab');
        reached.add(await page.evaluate(stop));
      }
      reached.delete(-1);
      equal(reached.size, wanted, path);
    }
  }],
  ['nothing was asked for elsewhere and no script broke', async () => {
    equal(window.faults, []);
  }],
  ['the log verifies', async () => {
    check((await phones.ask('verify')).includes('the log is sound'), 'it does not');
  }],
];

/** Runs in the page: what has the focus, and whether a person sees that. */
function focused() {
  const it = document.activeElement;
  const style = getComputedStyle(it);
  const words = `${it.innerText ?? ''} ${it.id} ${it.getAttribute('aria-label') ?? ''}`;
  return {
    id: it.id,
    words: words.trim(),
    outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
  };
}

/** Runs in the page: how many stops the keyboard must make; a set of radio buttons is one. */
function controls() {
  const all = [...document.querySelectorAll('a, button, summary, input, select, textarea')];
  const seen = all.filter((it) => it.type !== 'hidden' && it.getClientRects().length > 0);
  window.stops = seen.filter((it) => it.type !== 'radio');
  const sets = new Set(seen.filter((it) => it.type === 'radio').map((it) => it.form));
  return window.stops.length + sets.size;
}

/** Runs in the page: which of them has the focus, by number. */
function stop() {
  const it = document.activeElement;
  if (it.type === 'radio') return 10_000 + [...document.forms].indexOf(it.form);
  return window.stops.indexOf(it);
}

const after = {
  async failed() {
    if (page) await page.screenshot({ path: `${window.into}/failed.png`, fullPage: true });
  },
};

const code = await run(steps, after);
await window?.end();
await phones.end();
process.exit(code);
