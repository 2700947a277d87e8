// The two calls of the decision page (web/API.md).
// SPDX-License-Identifier: Apache-2.0
const PATIENCE_MS = 20_000;

/**
 * @typedef {object} Answer
 * @property {number} status  HTTP status; 0 when no complete answer came
 * @property {any} body       parsed JSON, {} when there was none
 */

/** @returns {Promise<Answer>} what would be decided */
export function preview(token) {
  return post('/Api/v1/Decisions/Preview', { token });
}

/** Asks which of the two codes this is. Decides nothing; a wrong code counts as a try. */
export function checkCode(token, code) {
  return post('/Api/v1/Decisions', { token, code, dryRun: true });
}

/** Decides. */
export function decide(token, code, comment) {
  return post('/Api/v1/Decisions', { token, code, comment });
}

async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return { status: response.status, body: await json(response) };
  } catch {
    return { status: 0, body: {} };
  }
}

async function json(response) {
  try {
    return (await response.json()) ?? {};
  } catch {
    return {};
  }
}
