// The phone of the web: the same `Phone` as on Android and iOS, over a store that can only be
// written between calls.
//
// One chain of promises orders everything. A call runs in wasm; the rows it changed are written in
// one transaction; only when that is complete does the call's promise resolve, and only then does
// the next call begin. So nothing can be seen, sent or answered that is not on the disk. When the
// write fails, what is in memory counts for nothing: the phone is opened again from its rows, and
// the call rejects with the error that every other phone would name.

import { KeptRows, WebPhone, initSync, storeFault } from './binhyen.js';

/** An error as the phone names it: `name`, `words` for the person, and the fields it came with. */
export class PhoneError extends Error {
  constructor(text) {
    const { error, words } = JSON.parse(text);
    super(`${error.name}: ${words}`);
    const { words: _same, ...fields } = error;
    Object.assign(this, fields, { words });
  }

  /** What the store itself found: `StorageFull`, `StoreInUse`, `StoreDamaged`, `UpdateApp`. */
  static of(name, detail = '') {
    return new PhoneError(storeFault(name, String(detail)));
  }
}

/** Loads the library, once: from the answer of a `fetch`, or from the bytes of the file. */
export async function load(source) {
  const given = await source;
  const module = given instanceof globalThis.Response
    ? await WebAssembly.compileStreaming(given)
    : await WebAssembly.compile(given);
  initSync({ module });
}

const seconds = () => Math.floor(Date.now() / 1000);
const mono = () => Math.floor(performance.now() / 1000);

/** A fault that the wasm did not name itself. */
function named(thrown) {
  if (thrown instanceof PhoneError) return thrown;
  if (typeof thrown === 'string') return new PhoneError(thrown);
  return PhoneError.of('StoreFailed', thrown?.stack ?? thrown);
}

/**
 * One phone over one store. A store has
 * - `load()`: `{ rows: [[name, value]], key, place, highWater, putAside }`, after it has taken
 *   the right to write;
 * - `write(changes, highWater)`: all of `[[name, value | undefined]]` on the disk, or a throw;
 * - `mine()`: throws when another has the right to write by now;
 * - `startAnew()`: puts what is there aside;
 * - `close()`, `onLost`, `persisted()`.
 */
export class Phone {
  #store;
  #inner = null;
  #last = Promise.resolve();
  #closed = null;

  /** Opens the store, or makes it. */
  static async open(store) {
    const phone = new Phone();
    phone.#store = store;
    store.onLost = () => phone.close('StoreInUse');
    try {
      await phone.#reopen();
    } catch (thrown) {
      await store.close();
      throw named(thrown);
    }
    return phone;
  }

  /** After `StoreDamaged`: what is there is put aside, not deleted, and a new store begins. */
  static async startAnew(store) {
    await store.startAnew();
    return Phone.open(store);
  }

  async #reopen() {
    this.#drop();
    const { rows, key, place, highWater, putAside } = await this.#store.load();
    const kept = new KeptRows();
    for (const [name, value] of rows) kept.add(name, value);
    try {
      this.#inner = WebPhone.open(kept, key, place, highWater, putAside, seconds());
    } finally {
      key.fill(0);
    }
    await this.#save();
  }

  #drop() {
    this.#inner?.free();
    this.#inner = null;
  }

  async #save() {
    const unsaved = this.#inner.unsaved();
    const changes = [];
    for (let at = 0; at < unsaved.length; at += 1) changes.push([unsaved.name(at), unsaved.value(at)]);
    unsaved.free();
    if (changes.length > 0) await this.#store.write(changes, this.#inner.highWater());
  }

  /** Puts work at the end of the chain. */
  #next(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  #call(work, { sends = false } = {}) {
    return this.#next(async () => {
      if (this.#closed) throw PhoneError.of(this.#closed, 'closed');
      // an earlier write failed, and opening again did too
      if (!this.#inner) await this.#reopen();
      let result;
      let fault;
      try {
        if (sends) await this.#store.mine();
        result = work(this.#inner);
      } catch (thrown) {
        fault = named(thrown);
      }
      if (fault?.name === 'StoreInUse') await this.#lost(fault);
      // the library itself stopped in the middle: nothing of this call counts
      if (fault?.name === 'StoreFailed') await this.#lost(fault);
      try {
        // a call that failed may have written something down all the same
        await this.#save();
      } catch (thrown) {
        await this.#lost(thrown);
      }
      if (fault) throw fault;
      return result;
    });
  }

  /** Nothing was written: what is on the disk counts. */
  async #lost(thrown) {
    this.#drop();
    const fault = named(thrown);
    if (fault.name === 'StoreInUse') {
      this.#closed = 'StoreInUse';
      await this.#store.close();
    } else {
      // when this fails too, the next call tries it again
      await this.#reopen().catch(() => this.#drop());
    }
    throw fault;
  }

  #told(work, options) {
    return this.#call((inner) => JSON.parse(work(inner) ?? 'null') ?? null, options);
  }

  /** Ends after the calls that were made before; later ones reject. */
  close(why = 'StoreFailed') {
    return this.#next(async () => {
      this.#closed ??= why;
      this.#drop();
      await this.#store.close();
    });
  }

  // --- start and enrol -------------------------------------------------------------------------

  /** As elsewhere; also whether the browser has promised not to clear the store by itself. */
  async status() {
    const status = await this.#told((inner) => inner.status());
    return { ...status, persisted: await this.#store.persisted() };
  }

  async server() {
    const server = await this.#told((inner) => inner.server());
    return server && { ...server, ca_der: Uint8Array.from(server.ca_der) };
  }

  digits() {
    return this.#call((inner) => inner.digits() ?? null);
  }

  highWater() {
    return this.#call((inner) => inner.highWater());
  }

  async enrolBegin(text) {
    const step = await this.#told((inner) => inner.enrolBegin(text), { sends: true });
    return { ...step, body: Uint8Array.from(step.body), ca_der: Uint8Array.from(step.ca_der) };
  }

  enrolFinish(status, body) {
    return this.#told((inner) => inner.enrolFinish(status, body));
  }

  // --- write -----------------------------------------------------------------------------------

  groups() {
    return this.#told((inner) => inner.groups());
  }

  members(group) {
    return this.#told((inner) => inner.members(group));
  }

  typesFor(group, member) {
    return this.#told((inner) => inner.typesFor(group, member));
  }

  form(type, kind) {
    return this.#told((inner) => inner.form(type, kind ?? undefined));
  }

  newItem() {
    return this.#told((inner) => inner.newItem());
  }

  save(group, member, record, type, values, clock = now()) {
    const said = JSON.stringify(values);
    return this.#told((inner) => (
      inner.save(group, member, record ?? undefined, type, said, clock.wall_s, clock.mono_s)
    ));
  }

  answer(record, member, values, clock = now()) {
    const said = JSON.stringify(values);
    return this.#told((inner) => inner.answer(record, member, said, clock.wall_s, clock.mono_s));
  }

  choose(record, member, field, item, change, clock = now()) {
    return this.#told((inner) => (
      inner.choose(record, member, field, item, change, clock.wall_s, clock.mono_s)
    ));
  }

  withdraw(record, member, reason, clock = now()) {
    return this.#told((inner) => (
      inner.withdraw(record, member, reason, clock.wall_s, clock.mono_s)
    ));
  }

  reissue(record, member, toGroup, toMember, toType, kind, reason, clock = now()) {
    return this.#told((inner) => inner.reissue(
      record, member, toGroup, toMember, toType, kind ?? undefined, reason,
      clock.wall_s, clock.mono_s,
    ));
  }

  // --- read ------------------------------------------------------------------------------------

  list(filter = {}) {
    return this.#told((inner) => inner.list(JSON.stringify(filter)));
  }

  search(text, limit = 0) {
    return this.#told((inner) => inner.search(text, limit));
  }

  read(record) {
    return this.#told((inner) => inner.read(record));
  }

  waiting() {
    return this.#told((inner) => inner.waiting());
  }

  groupActs(group, before, limit = 0) {
    return this.#told((inner) => inner.groupActs(group, before ?? undefined, limit));
  }

  // --- visits ----------------------------------------------------------------------------------

  wakeAt(now_s = seconds()) {
    return this.#told((inner) => inner.wakeAt(now_s));
  }

  lastProblem() {
    return this.#told((inner) => inner.lastProblem());
  }

  /** `{ id, body }`: the body for `POST /v1/sync`. */
  request(budgetBytes = 16_000, answerKib = 0) {
    return this.#call((inner) => {
      const visit = inner.request(budgetBytes, answerKib);
      const plain = { id: visit.id, body: visit.body };
      visit.free();
      return plain;
    }, { sends: true });
  }

  response(visit, status, body, now_s = seconds()) {
    return this.#told((inner) => inner.response(visit, status, body, now_s));
  }

  visitFailed(visit, failure, now_s = seconds()) {
    return this.#told((inner) => inner.visitFailed(visit, JSON.stringify(failure), now_s));
  }
}

/** The clocks, as they are now. */
export function now() {
  return { wall_s: seconds(), mono_s: mono() };
}
