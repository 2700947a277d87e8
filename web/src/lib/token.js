// The view token: read from the fragment once, then out of address bar, history and Referer.
// SPDX-License-Identifier: Apache-2.0
const KEY = 'countersign-view-token';
const SHAPE = /^[A-Za-z0-9_-]{43}$/;

/**
 * Takes the token out of the address. It stays in this tab's session storage, so that reloading
 * works; closing the tab forgets it.
 * @param {Window} win
 * @returns {string} the token, '' when there is none or it was cut in transit
 */
export function takeToken(win) {
  const fromLink = win.location.hash.replace(/^#/, '').trim();
  if (fromLink !== '') {
    win.history.replaceState(null, '', win.location.pathname);
    try {
      win.sessionStorage.setItem(KEY, fromLink);
    } catch {
      // Storage may be off; then reloading needs the link again.
    }
  }
  const token = fromLink || stored(win);
  return looksLikeToken(token) ? token : '';
}

/** 32 bytes of base64url; other fragments are places on the page. */
export function looksLikeToken(text) {
  return SHAPE.test(text);
}

/** After the decision nothing needs the token any more. */
export function forgetToken(win) {
  try {
    win.sessionStorage.removeItem(KEY);
  } catch {
    // Nothing was stored.
  }
}

function stored(win) {
  try {
    return win.sessionStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}
