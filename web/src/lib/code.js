// The codes of the mail, as people type and paste them.
// SPDX-License-Identifier: Apache-2.0
const ALPHABET = /^[0-9A-HJKMNP-TV-Z]{8}$/;
const CONFUSED = { O: '0', I: '1', L: '1' };

/**
 * "7k2m 9qxt", "7K2M-9QXT", "Code to approve: 7K2M-9QXT" -> "7K2M-9QXT".
 * Letters that Crockford's alphabet leaves out are read as the digits they look like.
 * @param {string} typed
 * @returns {string} the code in two groups, '' when this cannot be one
 */
export function readCode(typed) {
  const last = typed.normalize('NFKC').split(':').pop();
  const text = last
    .toUpperCase()
    .replace(/[\s\u00ad\u200b-\u200f\u2010-\u2015\u2060\u2212\ufeff._-]/g, '')
    .replace(/[OIL]/g, (c) => CONFUSED[c]);
  return ALPHABET.test(text) ? `${text.slice(0, 4)}-${text.slice(4)}` : '';
}
