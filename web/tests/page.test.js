// The decision page in a real browser against a stand-in gateway.
// SPDX-License-Identifier: Apache-2.0
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './browser.js';
import { APPROVE, DENY, TOKEN, example, stub } from './stub.js';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const pictures = process.env.SCREENSHOTS;
let browser;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Opens the link of the mail; ends with the server closed and no complaint of the browser left unseen. */
async function visit(script, use, context = {}) {
  const server = await stub(script);
  const tab = await browser.newContext({ viewport: { width: 1000, height: 900 }, locale: 'en-GB', timezoneId: 'UTC', ...context });
  const page = await tab.newPage();
  const complaints = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && complaints.push(m.text()));
  page.on('pageerror', (e) => complaints.push(String(e)));
  try {
    await page.goto(`${server.url}/decide#${script.token ?? TOKEN}`);
    await use(page, server);
    // Answers that are errors are reported by the browser as such; anything else is a fault of the page.
    assert.deepEqual(complaints.filter((c) => !c.startsWith('Failed to load resource')), []);
    assert.deepEqual(server.seen.referers, []);
  } finally {
    await tab.close();
    await server.close();
  }
}

const shot = async (page, name) => {
  if (!pictures) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
};
const enter = async (page, code, comment) => {
  await page.getByLabel('Code from the mail').fill(code);
  if (comment) await page.getByLabel('Comment').fill(comment);
  await page.getByRole('button', { name: 'Check code' }).click();
};
const clean = async (page) => {
  // axe runs in an isolated world, which the page's policy does not concern.
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id });
  const run = async (expression) =>
    (await session.send('Runtime.evaluate', { expression, contextId: executionContextId, awaitPromise: true, returnByValue: true })).result.value;
  await run(axe);
  const found = await run(
    "axe.run(document, {runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']}).then(r => ({checked: r.passes.length, violations: r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))}))",
  );
  assert.ok(found.checked > 15);
  assert.deepEqual(found.violations, []);
};

test('shows everything, takes the token out of the address, approves after confirmation', () =>
  visit({}, async (page, server) => {
    await page.getByRole('heading', { name: 'Should hello-setup-1.4.2.exe be signed?' }).waitFor();
    for (const text of ['Two-person signing', 'needs 2 approvals', 'Build server', 'CN=Example Ltd,O=Example Ltd', 'CN=Old Example Ltd', 'not valid', 'x86-64', 'Looks right to me.', 'existing signatures are kept', 'main'])
      assert.ok(await page.getByText(text).first().isVisible(), text);
    assert.ok(await page.getByText('readme⟨U+202E⟩fdp.exe').isVisible());
    assert.equal(await page.locator('a[href^="javascript:"]').count(), 0);
    assert.equal(new URL(page.url()).hash, '');
    assert.ok(server.seen.paths.every((p) => !p.includes(TOKEN)));
    await shot(page, 'open');

    await enter(page, '7k2m9qxl', 'Fine with me');
    const confirm = page.getByRole('group', { name: 'This approves signing hello-setup-1.4.2.exe' });
    await confirm.waitFor();
    assert.ok(await confirm.evaluate((e) => e === document.activeElement));
    assert.equal(server.decisions().length, 0);
    await shot(page, 'confirm-approve');
    await clean(page);
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('heading', { name: 'You approved this request' }).waitFor();
    await shot(page, 'approved');
    assert.deepEqual(server.decisions().map((d) => d.body), [{ token: TOKEN, code: APPROVE, comment: 'Fine with me' }]);
    assert.equal(await page.getByLabel('Code from the mail').count(), 0);
  }));

test('denies', () =>
  visit({}, async (page, server) => {
    await enter(page, DENY);
    await page.getByRole('heading', { name: 'This denies signing' }).waitFor();
    await shot(page, 'confirm-deny');
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.getByRole('heading', { name: 'You denied this request' }).waitFor();
    assert.equal(server.decisions().length, 1);
  }));

test('going back decides nothing and another code can be entered', () =>
  visit({}, async (page, server) => {
    await enter(page, APPROVE);
    await page.getByRole('button', { name: 'Go back' }).click();
    await enter(page, DENY);
    await page.getByRole('heading', { name: 'This denies signing' }).waitFor();
    assert.equal(server.decisions().length, 0);
  }));

test('works with the keyboard alone', () =>
  visit({}, async (page, server) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to your decision');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'code');
    await page.keyboard.type(APPROVE);
    await page.keyboard.press('Enter');
    await page.getByRole('group', { name: 'This approves' }).waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'You approved this request' }).waitFor();
    assert.equal(server.decisions().length, 1);
  }));

test('an incomplete code is told apart from a wrong one, without asking the server', () =>
  visit({}, async (page, server) => {
    await enter(page, '7K2M');
    await page.getByText('eight letters and digits').waitFor();
    assert.equal(server.seen.posts.length, 1);
    await enter(page, 'ZZZZ-ZZZZ');
    await page.getByText('you have 4 tries left').waitFor();
    await shot(page, 'wrong-code');
    await clean(page);
    for (let i = 0; i < 4; i++) {
      const answered = page.waitForResponse((r) => r.url().endsWith('/Decisions'));
      await enter(page, 'ZZZZ-ZZZZ');
      await answered;
    }
    await page.getByRole('heading', { name: 'Too many wrong codes' }).waitFor();
    assert.equal(await page.getByLabel('Code from the mail').count(), 0);
    assert.equal(server.decisions().length, 0);
  }));

test('reloading keeps the page usable; a link that is incomplete says so', async () => {
  await visit({}, async (page) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Should hello-setup-1.4.2.exe be signed?' }).waitFor();
  });
  await visit({ token: 'cut-in-transit' }, async (page, server) => {
    await page.getByRole('heading', { name: 'This link does not work' }).waitFor();
    assert.equal(server.seen.posts.length, 0);
    await clean(page);
  });
});

for (const [invitation, title] of [
  ['used', 'You have already decided'],
  ['voided', 'This link was replaced'],
  ['superseded', 'This link was replaced'],
  ['expired', 'The time to decide is over'],
  ['decided', 'This request needs no decision any more'],
]) {
  test(`an invitation that is ${invitation} shows the request but takes no code`, () =>
    visit({ preview: example({ invitation }) }, async (page) => {
      await page.getByRole('heading', { name: title }).waitFor();
      assert.ok(await page.getByText('CN=Countersign trial CA').isVisible());
      assert.equal(await page.getByLabel('Code from the mail').count(), 0);
      await clean(page);
    }));
}

const answers = [
  [{ status: 202, body: { recorded: true } }, 'Your decision is recorded', true],
  [{ status: 200, body: { decision: 'approve', status: 'WaitingForApproval' } }, 'You approved this request', true],
  [{ status: 409, body: { code: 'decision.used' } }, 'You have already decided', true],
  [{ status: 409, body: { code: 'decision.superseded' } }, 'This link was replaced', true],
  [{ status: 409, body: { code: 'decision.late' } }, 'This request needs no decision any more', true],
  [{ status: 403, body: { code: 'decision.own_request' } }, 'You may not decide on this request', true],
  [{ status: 410, body: {} }, 'The time to decide is over', true],
  [{ status: 503, body: {} }, 'The service is not ready right now', false],
  [{ status: 0 }, 'The server could not be reached', false],
];
for (const [reply, title, final] of answers) {
  test(`answer ${reply.status} ${reply.body?.code ?? reply.body?.status ?? ''}: ${title}`, () =>
    visit({ decide: () => reply }, async (page) => {
      await enter(page, APPROVE);
      await page.getByRole('button', { name: 'Approve' }).click();
      await page.getByRole('heading', { name: title }).waitFor();
      assert.equal(await page.getByRole('button', { name: 'Approve' }).count(), final ? 0 : 1);
    }));
}

test('an outage while opening offers to try again', () => {
  let up = false;
  const script = {
    get preview() {
      return up ? example() : { status: 503, body: {} };
    },
  };
  return visit(script, async (page) => {
    await page.getByRole('heading', { name: 'The service is not ready right now' }).waitFor();
    up = true;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('heading', { name: 'Should hello-setup-1.4.2.exe be signed?' }).waitFor();
  });
});

for (const colorScheme of ['light', 'dark']) {
  test(`a phone of 360 pixels, ${colorScheme}: nothing overflows, nothing inaccessible`, () =>
    visit(
      {},
      async (page) => {
        await page.getByRole('heading', { level: 1 }).waitFor();
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
        await clean(page);
        await shot(page, `phone-${colorScheme}`);
        await enter(page, DENY);
        await page.getByRole('heading', { name: 'This denies signing' }).waitFor();
        await clean(page);
        await shot(page, `phone-${colorScheme}-deny`);
      },
      { viewport: { width: 360, height: 740 }, colorScheme, hasTouch: true, isMobile: true, deviceScaleFactor: 2, reducedMotion: 'reduce' },
    ));
}

test('a scanner that runs scripts, clicks everything and submits forms decides nothing', () =>
  visit({}, async (page, server) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.context().route((url) => url.origin !== server.url, (route) => route.abort());
    for (const junk of ['', 'test', 'scanner@example.com', '12345678']) {
      await page.evaluate((value) => {
        for (const field of document.querySelectorAll('input, textarea')) {
          field.value = value;
          field.dispatchEvent(new Event('input', { bubbles: true }));
        }
        for (const e of document.querySelectorAll('button, a, summary, [role=button], [onclick]')) e.click();
        for (const form of document.forms) form.requestSubmit();
      }, junk);
      await page.waitForLoadState('networkidle');
    }
    assert.equal(server.decisions().length, 0);
  }));

test('the page cannot be framed and runs no inline script', () =>
  visit({}, async (page, server) => {
    await page.getByRole('heading', { level: 1 }).waitFor();
    assert.equal(await page.evaluate(() => {
      const s = document.createElement('script');
      s.textContent = 'window.injected = true';
      document.body.append(s);
      return Boolean(window.injected);
    }), false);
    const html = await (await fetch(`${server.url}/decide`)).text();
    assert.doesNotMatch(html, /<script(?![^>]*\ssrc=)/);
    assert.doesNotMatch(html, /\sstyle=|\son\w+=/);
  }).catch((e) => {
    // The browser reports the refused script; that report is what we want here.
    if (!/Content Security Policy/.test(String(e))) throw e;
  }));
