// The store of a browser: sealed rows in IndexedDB.
//
// Two things keep a second tab from writing. The lock (Web Locks) tells it at once, and lets it
// ask for the store politely. The fence holds even where the lock does not, for a tab that was
// frozen and wakes up, or a browser without locks: the database counts its turns, each transaction
// that writes takes the next one, and writes nothing when somebody else has taken it since this
// tab last looked. So what a tab writes always follows what it has read.
//
// The key of the store lies in the same database, wrapped by a key of WebCrypto that cannot be
// taken out of this browser: a copy of the database's files alone does not open. It does not
// protect from whoever can run this page's script, nor from a copy of the whole profile of the
// browser, in which WebCrypto's key lies too.
//
// The high-water mark lies in localStorage, in other files than the database: where a loss of
// power, or a repair, takes the database back to an older state, the mark is the later of the two
// and the phone begins a new chain. A whole profile that is put back brings both back; then it is
// the server that notices, as it does for any phone. A worker has no localStorage and no mark.

import { PhoneError } from './phone.mjs';

const VERSION = 1;
const ITEMS = 'item';
const META = 'meta';
/** How long the lock of a page that was just closed or loaded anew may take to come free. */
const GRACE_MS = 1_000;
/** How long a tab that holds the store is given to hand it over, before it is fenced off. */
const HAND_OVER_MS = 3_000;

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** What a fault of the database means for a screen. */
function fault(error) {
  if (error instanceof PhoneError) return error;
  const names = {
    QuotaExceededError: 'StorageFull', VersionError: 'UpdateApp', NotReadableError: 'StoreDamaged',
  };
  return PhoneError.of(names[error?.name] ?? 'StoreFailed', error);
}

/** The number of a store within the database, before the name of each of its rows. */
const prefixed = (epoch, name) => {
  const key = new Uint8Array(2 + name.length);
  key.set([epoch >> 8, epoch & 255]);
  key.set(name, 2);
  return key;
};

const rangeOf = (epoch) => IDBKeyRange.bound(
  prefixed(epoch, []), prefixed(epoch + 1, []), false, true,
);

export class IndexedDbStore {
  #name;
  #database = null;
  #release = null;
  #channel = null;
  #epoch = 0;
  #turn = 0;
  #persisted = null;

  /** Called when another tab asks for the store, or has it. */
  onLost = () => {};

  constructor(name) {
    this.#name = name;
  }

  /**
   * Opens the database. Another tab that has it: `StoreInUse`, or with `takeOver` it is asked to
   * hand over, and fenced off when it does not answer.
   */
  static async open({ name = 'binhyen', takeOver = false } = {}) {
    const store = new IndexedDbStore(name);
    try {
      await store.#lock(takeOver);
      store.#persisted = await navigator.storage?.persist?.().catch(() => false) ?? false;
      await store.#connect();
    } catch (error) {
      await store.close();
      throw fault(error);
    }
    return store;
  }

  // --- one writer ------------------------------------------------------------------------------

  async #lock(takeOver) {
    this.#channel = new BroadcastChannel(`${this.#name}:hand-over`);
    if (takeOver) this.#channel.postMessage('please');
    const signal = AbortSignal.timeout(takeOver ? HAND_OVER_MS : GRACE_MS);
    const taken = await this.#request({ signal }).catch(() => false);
    if (!taken && !takeOver) throw PhoneError.of('StoreInUse');
    if (!taken) await this.#request({ steal: true });
    this.#channel.onmessage = () => this.onLost();
  }

  /** Resolves with whether the lock is held; it is until `close`. */
  #request(options) {
    if (!navigator.locks) return Promise.resolve(true);
    return new Promise((resolve, reject) => {
      const until = (lock) => {
        resolve(lock !== null);
        return lock && new Promise((release) => { this.#release = release; });
      };
      const over = navigator.locks.request(`${this.#name}:store`, options, until);
      // after it was held, this is the news that it was stolen: the fence says the same
      over.catch((error) => { reject(error); if (this.#release) this.onLost(); });
    });
  }

  async #connect() {
    const request = indexedDB.open(this.#name, VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore(ITEMS);
      request.result.createObjectStore(META);
    };
    this.#database = await done(request);
    // a newer release wants to change the schema, or the person cleared the site's data
    this.#database.onversionchange = () => this.onLost();
    this.#database.onclose = () => { this.#database = null; };
  }

  /**
   * One strict transaction. `work` puts requests and gives a function for the result; nothing of
   * it counts before the transaction is complete.
   */
  #transact(mode, work) {
    if (!this.#database) throw PhoneError.of('StoreFailed', 'the database is closed');
    const transaction = this.#database.transaction([ITEMS, META], mode, { durability: 'strict' });
    const [items, meta] = [transaction.objectStore(ITEMS), transaction.objectStore(META)];
    return new Promise((resolve, reject) => {
      let refusal = null;
      const refuse = (name) => { refusal = PhoneError.of(name); transaction.abort(); };
      const result = work(items, meta, refuse);
      transaction.oncomplete = () => resolve(result?.());
      transaction.onabort = () => reject(refusal ?? fault(transaction.error));
    });
  }

  /** Within a transaction: goes on only when nobody else has written since this tab looked. */
  #fenced(meta, refuse, goOn) {
    const turn = meta.get('turn');
    turn.onsuccess = () => {
      if ((turn.result ?? 0) === this.#turn) goOn();
      else refuse('StoreInUse');
    };
  }

  /** A transaction that takes the next turn. */
  async #take(work) {
    await this.#transact('readwrite', (items, meta, refuse) => {
      this.#fenced(meta, refuse, () => {
        meta.put(this.#turn + 1, 'turn');
        work(items, meta);
      });
    });
    this.#turn += 1;
  }

  async mine() {
    await this.#transact('readonly', (_items, meta, refuse) => {
      this.#fenced(meta, refuse, () => {});
    });
  }

  // --- rows ------------------------------------------------------------------------------------

  async load() {
    if (!this.#database) await this.#connect();
    await this.#look();
    // Whoever had the store before can write no more from here on. Where there is no room even for
    // this, what is there can still be read.
    await this.#take(() => {}).catch((error) => { if (error.name !== 'StorageFull') throw error; });
    const key = await this.#key();
    const [names, values] = await this.#transact('readonly', (items, meta, refuse) => {
      const range = rangeOf(this.#epoch);
      let [keys, all] = [];
      this.#fenced(meta, refuse, () => {
        [keys, all] = [items.getAllKeys(range), items.getAll(range)];
      });
      return () => [keys.result, all.result];
    });
    const rows = names.map((name, at) => [new Uint8Array(name).subarray(2), values[at]]);
    return {
      rows, key, place: `${this.#name}#${this.#epoch}`, highWater: this.#highWater(),
      putAside: this.#epoch > 0 ? `${this.#name}#${this.#epoch - 1}` : undefined,
    };
  }

  async #look() {
    [this.#epoch, this.#turn] = await this.#transact('readonly', (_items, meta) => {
      const [epoch, turn] = [meta.get('epoch'), meta.get('turn')];
      return () => [epoch.result ?? 0, turn.result ?? 0];
    });
  }

  async write(changes, highWater) {
    await this.#take((items) => {
      for (const [name, value] of changes) {
        const key = prefixed(this.#epoch, name);
        if (value === undefined) items.delete(key);
        else items.put(value, key);
      }
    });
    this.#keepHighWater(highWater);
  }

  /** The rows stay under their number; the next number is a new store with a key of its own. */
  async startAnew() {
    await this.#look();
    await this.#take((_items, meta) => meta.put(this.#epoch + 1, 'epoch'));
  }

  // --- the key ---------------------------------------------------------------------------------

  async #key() {
    const place = `key ${this.#epoch}`;
    const kept = await this.#transact('readonly', (_items, meta) => {
      const row = meta.get(place);
      return () => row.result;
    });
    if (kept) {
      try {
        const cipher = { name: 'AES-GCM', iv: kept.iv };
        return new Uint8Array(await crypto.subtle.decrypt(cipher, kept.wrapper, kept.wrapped));
      } catch {
        throw PhoneError.of('WrongKey');
      }
    }
    const key = crypto.getRandomValues(new Uint8Array(32));
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const shape = { name: 'AES-GCM', length: 256 };
    const wrapper = await crypto.subtle.generateKey(shape, false, ['encrypt', 'decrypt']);
    const wrapped = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, wrapper, key);
    await this.#take((_items, meta) => meta.put({ wrapper, iv, wrapped }, place));
    return key;
  }

  // --- beside the rows -------------------------------------------------------------------------

  #highWaterName() {
    return `${this.#name}#${this.#epoch}:high-water`;
  }

  #highWater() {
    return Number(globalThis.localStorage?.getItem(this.#highWaterName()) ?? 0);
  }

  #keepHighWater(mark) {
    try {
      globalThis.localStorage?.setItem(this.#highWaterName(), String(mark));
    } catch {
      // no room for ten digits: the mark of before is a little lower, which harms nothing
    }
  }

  async persisted() {
    return this.#persisted;
  }

  async close() {
    this.#channel?.close();
    this.#channel = null;
    this.#database?.close();
    this.#database = null;
    const release = this.#release;
    this.#release = null;
    release?.();
  }
}
