// A stand-in for the gateway: serves the built page under the real policy and plays the two routes.
// SPDX-License-Identifier: Apache-2.0
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../dist/', import.meta.url));
export const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

export const TOKEN = 'aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789-_aBcDe';
export const APPROVE = '7K2M-9QX1';
export const DENY = 'A0B1-C2D3';

/** The preview that most tests show; 'change' overrides parts. */
export function example(change = {}) {
  return {
    signingRequestId: '5d0cf0e2-8a4e-4f6e-9c8b-0d9c8d6f1a11',
    invitation: 'open',
    state: 'WaitingForApproval',
    organization: { name: 'Example Ltd' },
    project: { slug: 'hello', name: 'Hello' },
    signingPolicy: { slug: 'two-person-signing', name: 'Two-person signing', quorum: 2 },
    artifact: {
      fileName: 'hello-setup-1.4.2.exe',
      size: 1_239_040,
      sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    },
    items: [
      {
        path: 'hello-setup-1.4.2.exe',
        size: 1_239_040,
        sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
        machine: 'x86-64',
        version: { productName: 'Hello', productVersion: '1.4.2', fileVersion: '1.4.2.0', companyName: 'Example Ltd' },
        existingSigners: [
          { subject: 'CN=Old Example Ltd', issuer: 'CN=Old CA', timestamp: '2025-05-01T10:00:00Z', valid: true, detail: '' },
          { subject: 'CN=Somebody', issuer: 'CN=Somebody', valid: false, detail: 'self-signed' },
        ],
        willBeSigned: { directive: 'authenticode-sign', hashAlgorithm: 'sha256', certificate: 'Release 2026', append: true },
      },
      { path: 'payload/readme\u202efdp.exe', size: 12, sha256: '00'.repeat(32), existingSigners: [] },
    ],
    certificate: {
      name: 'Release 2026',
      subject: 'CN=Example Ltd,O=Example Ltd,L=Wien,C=AT',
      issuer: 'CN=Countersign trial CA',
      serialNumber: '0a1b2c3d4e5f',
      notAfter: '2028-01-01T00:00:00Z',
      sha256: 'ab'.repeat(32),
      keyType: 'RSA-3072',
    },
    requester: { name: 'Build server', isCi: true },
    description: 'Nightly build 512',
    origin: {
      buildData: { url: 'https://ci.example/hello/512' },
      repositoryData: { url: 'javascript:alert(1)', branchName: 'main', commitId: '0f3c8d1b7a5e4c2f9e8d7c6b5a4f3e2d1c0b9a88' },
    },
    submittedAt: '2026-01-31T12:34:56Z',
    expiresAt: new Date(Date.now() + 20 * 3_600_000).toISOString(),
    approver: { name: 'Alice Example' },
    decisions: [{ name: 'Bob Example', decision: 'approve', at: '2026-01-31T13:00:00Z', comment: 'Looks right to me.' }],
    ...change,
  };
}

/**
 * @param {object} [script] preview: body or {status, body}; decide: (body) => {status, body}
 * @returns what was posted is in .posts; .decisions counts the ones that would decide
 */
export async function stub(script = {}) {
  const seen = { posts: [], referers: [], paths: [], tries: 5 };
  const server = createServer(async (req, res) => {
    seen.paths.push(req.url);
    if (req.headers.referer) seen.referers.push(req.headers.referer);
    if (req.method === 'POST') return answer(req, res, script, seen);
    return file(req, res);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    decisions: () => seen.posts.filter((p) => p.path === '/Api/v1/Decisions' && !p.body.dryRun),
    close: () => new Promise((done) => server.close(done).closeAllConnections()),
  };
}

async function file(req, res) {
  const path = req.url === '/decide' ? 'decide.html' : normalize(req.url.split('?')[0]).replace(/^\/+/, '');
  const head = { 'Content-Security-Policy': CSP, 'Referrer-Policy': 'no-referrer', 'X-Content-Type-Options': 'nosniff' };
  try {
    const bytes = await readFile(join(DIST, path));
    res.writeHead(200, { ...head, 'Content-Type': TYPES[extname(path)] ?? 'application/octet-stream' });
    res.end(bytes);
  } catch {
    res.writeHead(404, head).end();
  }
}

async function answer(req, res, script, seen) {
  let text = '';
  for await (const part of req) text += part;
  const body = JSON.parse(text);
  seen.posts.push({ path: req.url, body });
  const reply = req.url.endsWith('/Preview') ? shown(script, body) : verdict(script, body, seen);
  if (reply.status === 0) return req.socket.destroy();
  res.writeHead(reply.status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' });
  res.end(JSON.stringify(reply.body ?? {}));
  return undefined;
}

function shown(script, body) {
  if (body.token !== TOKEN) return { status: 403, body: { title: 'Forbidden' } };
  const p = script.preview ?? example();
  return 'status' in p ? p : { status: 200, body: p };
}

function verdict(script, body, seen) {
  const meaning = { [APPROVE]: 'approve', [DENY]: 'deny' }[body.code];
  if (!meaning) {
    seen.tries -= 1;
    return { status: 403, body: { code: 'decision.wrong_code', triesLeft: seen.tries } };
  }
  if (body.dryRun) return script.check?.(body) ?? { status: 200, body: { codeMeaning: meaning } };
  const given = script.decide?.(body, meaning);
  if (given) return given;
  const status = meaning === 'deny' ? 'Denied' : 'InProgress';
  return { status: 200, body: { signingRequestId: example().signingRequestId, decision: meaning, status } };
}
