// The decision page against a running gateway: real.mjs decide LINK CODE SCREENSHOT | phone LINK CODE SCREENSHOT | scan LINK [JUNK]
// SPDX-License-Identifier: Apache-2.0
import { launch } from './browser.js';

const [, , what, link, code, picture] = process.argv;
const screens = {
  phone: { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 },
  decide: { viewport: { width: 900, height: 1200 } },
};
const browser = await launch();
const page = await (await browser.newContext({ locale: 'en-GB', ...(screens[what] ?? screens.decide) })).newPage();
const complaints = [];
page.on('pageerror', (e) => complaints.push(String(e)));
page.on('console', (m) => m.type() === 'error' && !m.text().startsWith('Failed to load resource') && complaints.push(m.text()));

/** What link scanners do: type something everywhere, click everything there is, submit every form, twice. */
async function scan(junk) {
  for (let round = 0; round < 2; round++) {
    for (const field of junk ? await page.locator('input, textarea').all() : []) await field.fill(junk).catch(() => {});
    for (const thing of await page.locator('button, a, summary, [role=button]').all()) await thing.click({ timeout: 1000 }).catch(() => {});
    await page.evaluate(() => document.querySelectorAll('form').forEach((f) => f.requestSubmit()));
    await page.waitForLoadState('networkidle');
  }
}

/** A person without a mouse, who pastes the code as the mail program gives it: spaces around, lower case, no dash. */
async function decide() {
  await page.getByLabel('Code from the mail').focus();
  await page.keyboard.insertText(` ${code.toLowerCase().replace('-', '')} `);
  await page.keyboard.press('Enter');
  await page.locator('.confirm').waitFor();
  if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) throw new Error('the page is wider than the screen');
  if (picture) await page.screenshot({ path: picture, fullPage: true });
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.locator('.confirm').waitFor({ state: 'detached' });
}

try {
  await page.goto(link);
  await page.getByLabel('Code from the mail').waitFor();
  if (page.url().includes('#')) throw new Error('the token stays in the address');
  await (what === 'scan' ? scan(code) : decide());
  console.log(await page.locator('main').innerText());
  if (complaints.length > 0) throw new Error(complaints.join('\n'));
} finally {
  await browser.close();
}
