// The smallest host of the web, and the pattern for others: it carries the bytes and says in one
// word what went wrong on the way.

import { now } from './phone.mjs';

/** Milliseconds after which a visit has failed. */
const TIMEOUT_MS = 20_000;

/**
 * Posts by `fetch`. The page comes from the server's own origin, so the path is enough; a browser
 * cannot pin the authority of the QR code, and says no more than that there was no answer.
 */
export async function fetchPost(_server, path, body) {
  const answer = await fetch(path, {
    method: 'POST', body, signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: { 'content-type': 'application/octet-stream' },
    credentials: 'omit', cache: 'no-store', redirect: 'error',
  });
  return { status: answer.status, body: new Uint8Array(await answer.arrayBuffer()) };
}

/** What a fault of `fetch` means; whether it was the certificate, no page is told. */
export function failureOf(error) {
  return error?.name === 'TimeoutError' ? 'timeout' : 'no_network';
}

export class Host {
  /** Seconds that this phone's clock is ahead. */
  aheadS = 0;
  bytesUp = 0;
  bytesDown = 0;

  constructor(phone, { post = fetchPost, failure = failureOf } = {}) {
    this.phone = phone;
    this.post = post;
    this.failure = failure;
  }

  clock() {
    const { wall_s, mono_s } = now();
    return { wall_s: wall_s + this.aheadS, mono_s };
  }

  async enrol(code) {
    const step = await this.phone.enrolBegin(code);
    const { status, body } = await this.post(await this.phone.server(), '/v1/enrol', step.body);
    await this.phone.enrolFinish(status, body);
    return { digits: step.digits, group_name: step.group_name };
  }

  async save(member, type, values) {
    const [group] = await this.phone.groups();
    const saved = await this.phone.save(group.id, member, null, type, values, this.clock());
    return saved.record;
  }

  async edit(member, record, values) {
    await this.phone.answer(record, member, values, this.clock());
  }

  /** One visit; tells the phone when it failed, and gives null then. */
  async visit(post = this.post) {
    const visit = await this.phone.request();
    let answer;
    try {
      answer = await post(await this.phone.server(), '/v1/sync', visit.body);
    } catch (error) {
      await this.phone.visitFailed(visit.id, this.failure(error), this.clock().wall_s);
      return null;
    }
    this.bytesUp += visit.body.length;
    this.bytesDown += answer.body.length;
    return this.phone.response(visit.id, answer.status, answer.body, this.clock().wall_s);
  }

  /** Visits until nothing more waits; gives how many changes were received. */
  async sync() {
    let received = 0;
    for (let visits = 0; visits < 20; visits += 1) {
      const done = await this.visit();
      if (!done) throw new Error(`the visit failed: ${JSON.stringify(await this.phone.lastProblem())}`);
      received += done.received_now;
      if (!done.again) return received;
    }
    throw new Error('the visits have no end');
  }
}
