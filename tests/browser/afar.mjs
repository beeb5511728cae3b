// Signs in over plain HTTP at an address that is not the browser's own machine, and sends a form.
//
//   node afar.mjs ORIGIN TOKEN
import assert from 'node:assert/strict';
import { launch, signIn, watched } from './browser.mjs';

const [origin, token] = process.argv.slice(2);
const complaints = [];
const browser = await launch();
const page = await watched(browser, origin, {}, complaints);
await signIn(page, origin, token);
await page.goto(`${origin}/dashboard/compose`);
await page.fill('#to', '+5351234567');
await page.fill('#body', 'from afar');
await page.click('form.card button:text-is("Send")');
await page.waitForURL(/\/dashboard\/messages\/[0-9a-f-]{36}$/);
await browser.close();
assert.deepEqual(complaints, []);
