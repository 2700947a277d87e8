// Starts the decision page.
// SPDX-License-Identifier: Apache-2.0
import { mount } from 'svelte';
import './tokens.css';
import './decide.css';
import App from './App.svelte';
import { looksLikeToken, takeToken } from './lib/token.js';

const page = { token: takeToken(window) };
mount(App, { target: document.getElementById('app'), props: page });

// Another link opened in this tab changes only the fragment: start over with it.
window.addEventListener('hashchange', () => {
  if (looksLikeToken(location.hash.slice(1))) location.reload();
});
