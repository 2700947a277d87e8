// Codes as people type them, values as attackers write them.
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCode } from '../src/lib/code.js';
import { bytes, grouped, label, visible, webLink } from '../src/lib/text.js';

const same = ['7K2M-9QX1', '7k2m9qx1', ' 7k2m 9qx1 ', '7K2M\u20139QXI', '7k2m-9qxl', 'Code to approve: 7K2M-9QX1', '７Ｋ２Ｍ-９ＱＸ１', '7K2M\u00a09QX1\n'];
for (const typed of same) {
  test(`reads ${JSON.stringify(typed)}`, () => assert.equal(readCode(typed), '7K2M-9QX1'));
}

test('reads letters that look like digits', () => assert.equal(readCode('ooil-OOIL'), '0011-0011'));

const wrong = ['', '7K2M-9QX', '7K2M-9QX12', '7K2M-9QXU', '7K2M-9QX!', 'Code to approve: 7K2M-9QX1 Code to deny: A0B1-C2D3 x', 'test'];
for (const typed of wrong) {
  test(`refuses ${JSON.stringify(typed)}`, () => assert.equal(readCode(typed), ''));
}

test('writes out characters that hide or reorder', () => {
  assert.equal(visible('a\u202efdp.exe'), 'a⟨U+202E⟩fdp.exe');
  assert.equal(visible('a\u0000\u200bb'), 'a⟨U+0000⟩⟨U+200B⟩b');
  assert.equal(visible(undefined), '');
  assert.equal(visible('Grüße 日本'), 'Grüße 日本');
});

test('links only what is a web address', () => {
  assert.equal(webLink('https://ci.example/1'), 'https://ci.example/1');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'file:///etc/passwd', 'x', undefined]) assert.equal(webLink(bad), '');
});

test('sizes, labels and digests are readable', () => {
  assert.equal(bytes(1), '1 byte');
  assert.equal(bytes(1_239_040), '1.2 MiB (1,239,040 bytes)');
  assert.equal(label('productVersion'), 'Product version');
  assert.deepEqual(grouped('0123456789abcdef'), ['01234567', '89abcdef']);
});
