// A store in one file, for Node: each batch is one frame at its end, on the disk before `write`
// returns. For tools and tests: one process at a time, and the key is the caller's.
//
//     frame: length of the body (4) | first bytes of its SHA-256 (8) | body
//     body:  for each row: length of name (4) | name | length of value (4) or 2^32-1 | value
//
// A frame that was cut is no frame: what was being written when the power went never happened.

import { createHash } from 'node:crypto';
import { closeSync, existsSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';

import { PhoneError } from './phone.mjs';

const HEAD = 12;
const REMOVED = 0xffff_ffff;

const sum = (body) => createHash('sha256').update(body).digest().subarray(0, 8);

function number(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function frameOf(changes) {
  const parts = changes.flatMap(([name, value]) => [
    number(name.length), name, number(value ? value.length : REMOVED), value ?? Buffer.alloc(0),
  ]);
  const body = Buffer.concat(parts);
  return Buffer.concat([number(body.length), sum(body), body]);
}

function* rowsOf(body) {
  for (let at = 0; at < body.length;) {
    const nameEnd = at + 4 + body.readUInt32BE(at);
    const name = body.subarray(at + 4, nameEnd);
    const length = body.readUInt32BE(nameEnd);
    at = nameEnd + 4 + (length === REMOVED ? 0 : length);
    yield [name, length === REMOVED ? undefined : body.subarray(nameEnd + 4, at)];
  }
}

export class FileStore {
  #path;
  #key;
  #file = null;
  #end = 0;
  #highWater;
  #putAside;

  onLost = () => {};

  constructor(path, key, highWater = 0) {
    this.#path = path;
    this.#key = key;
    this.#highWater = highWater;
  }

  /** The mark that the host keeps beside the file, for the next start. */
  get highWater() {
    return this.#highWater;
  }

  async load() {
    await this.close();
    const rows = new Map();
    const all = existsSync(this.#path) ? readFileSync(this.#path) : Buffer.alloc(0);
    let at = 0;
    while (at + HEAD <= all.length) {
      const end = at + HEAD + all.readUInt32BE(at);
      const body = all.subarray(at + HEAD, end);
      if (end > all.length || !sum(body).equals(all.subarray(at + 4, at + HEAD))) break;
      for (const [name, value] of rowsOf(body)) {
        if (value) rows.set(name.toString('hex'), [name, value]);
        else rows.delete(name.toString('hex'));
      }
      at = end;
    }
    this.#end = at;
    this.#file = openSync(this.#path, existsSync(this.#path) ? 'r+' : 'w+', 0o600);
    ftruncateSync(this.#file, at);
    return {
      rows: [...rows.values()], key: Uint8Array.from(this.#key), place: this.#path,
      highWater: this.#highWater, putAside: this.#putAside,
    };
  }

  async write(changes, highWater) {
    const frame = frameOf(changes);
    try {
      if (writeSync(this.#file, frame, 0, frame.length, this.#end) < frame.length) {
        throw PhoneError.of('StorageFull');
      }
      fdatasyncSync(this.#file);
    } catch (error) {
      throw error.code === 'ENOSPC' ? PhoneError.of('StorageFull') : error;
    }
    this.#end += frame.length;
    this.#highWater = highWater;
  }

  async mine() {}

  async startAnew() {
    await this.close();
    this.#putAside = `${this.#path}.damaged-at-${Date.now()}`;
    renameSync(this.#path, this.#putAside);
    this.#highWater = 0;
  }

  async persisted() {
    return true;
  }

  async close() {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }
}
