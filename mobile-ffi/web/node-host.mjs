// A host in Node: it pins the authority of the QR code, which a browser cannot.

import { request } from 'node:https';

const TIMEOUT_MS = 20_000;
/** Codes of OpenSSL that most often mean a wrong clock. */
const CLOCK_CODES = ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'];
const NETWORK_CODES = [
  'ECONNREFUSED', 'ECONNRESET', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN', 'EPIPE',
];

const pem = (der) => {
  const lines = Buffer.from(der).toString('base64').replace(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
};

/** Trusts the authority of the QR code and nobody else. */
export const trust = (server) => ({
  minVersion: 'TLSv1.3', ca: server.ca_der.length > 0 ? pem(server.ca_der) : undefined,
});

/** One request; gives status, headers and body. */
export function ask(method, url, body, options = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, timeout: TIMEOUT_MS, agent: false, ...options }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => resolve({
        status: answer.statusCode, headers: answer.headers,
        body: new Uint8Array(Buffer.concat(parts)),
      }));
    });
    sent.on('timeout', () => sent.destroy(Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' })));
    sent.on('error', reject);
    sent.end(body);
  });
}

export const nodePost = (server, path, body) => (
  ask('POST', `${server.url}${path}`, body, trust(server))
);

/** In one word, what the screen needs to know. */
export function nodeFailureOf(error) {
  if (CLOCK_CODES.includes(error.code)) return 'tls_clock';
  if (error.code === 'ETIMEDOUT') return 'timeout';
  if (NETWORK_CODES.includes(error.code)) return 'no_network';
  return error.code?.startsWith('HPE_') ? 'http_status' : 'tls_other';
}
