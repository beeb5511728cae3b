// Walks through the dashboard as somebody does who tries it, and looks at every page on the way.
//
//   node walk.mjs ORIGIN TOKEN DEVICE   (DEVICE: the program of a simulated phone)
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { launch, signIn, watched } from './browser.mjs';

const [origin, token, device] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const complaints = [];
const seen = [];

// Nothing serious by the rules of axe-core, which are those of WCAG 2 where they can be checked.
async function accessible(page, where) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  assert.ok(passes.length > 5, `axe looked at nothing on ${where}`);
  for (const { impact, id, nodes } of violations) {
    if (['serious', 'critical'].includes(impact)) complaints.push(`axe on ${where}: ${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
  }
  seen.push(where);
}

const pages = ['/', '/dashboard/messages', '/dashboard/compose', '/dashboard/devices', '/dashboard/pair', '/dashboard/keys',
  '/dashboard/inbox', '/dashboard/security', '/dashboard/health', '/problems'];

const browser = await launch();
const page = await watched(browser, origin, {}, complaints);

// Who has not signed in is asked to, by the keyboard alone, and comes back to where they wanted to go.
await page.goto(`${origin}/dashboard/devices`);
assert.ok(page.url().startsWith(`${origin}/dashboard/sign-in?next=`), page.url());
await accessible(page, 'sign-in');
await page.keyboard.type('sgw_tok_wrong');
await page.keyboard.press('Enter');
await page.waitForSelector('main [role=alert]');
await accessible(page, 'sign-in, refused');
await page.fill('#token', token);
await page.keyboard.press('Enter');
await page.waitForURL(`${origin}/dashboard/devices`);
assert.equal(await page.evaluate(() => document.cookie), '', 'a script can read the token');
// The refused token is an answer of 401, which Chromium notes on its console.
const expected = complaints.splice(0).filter((what) => !what.includes('401'));
assert.deepEqual(expected, []);
await page.keyboard.press('Tab');
assert.equal(await page.evaluate(() => document.activeElement.textContent), 'To the content');

// Create a device, then make its key.
await page.fill('#name', 'Walked phone');
await page.click('form.card button[type=submit]');
await page.waitForSelector('h1:text("Walked phone")');
const devicePage = page.url();
await accessible(page, 'device');
await page.click('button:text("Make a key and pair a phone")');
await page.waitForSelector('svg.code');
await accessible(page, 'pair, shown');
const [server, user] = await page.locator('.pair code:not(.secret)').allTextContents();
const key = await page.textContent('.pair code.secret');
assert.match(key, /^sgw_dev_/);

// The phone comes, and the page says so without being asked.
const phone = spawn(device, ['--mqtt', server, '--id', user, '--latency', '300', '--delivery', '300'], {
  env: { ...process.env, SMSGW_DEVICE_KEY: key },
  stdio: 'ignore',
});
process.on('exit', () => phone.kill());
await page.waitForSelector('#standing .badge:text("online")');

// Compose: the counter counts while it is written, and names the character that makes the message dear.
await page.goto(`${origin}/dashboard/compose`);
await page.fill('#to', '+5351234567');
await page.locator('#body').pressSequentially('Hola <b>"señor"</b> & adiós');
await page.waitForSelector('#preview mark:text("ó")');
await page.waitForSelector('#preview p:text("1 part, ucs2, 43 characters left")');
assert.match(await page.textContent('#curl'), /curl -s http.*\/messages[^]*adiós/);
await page.selectOption('#device', { label: 'Walked phone' });
await accessible(page, 'compose, filled in');
await page.click('form.card button:text-is("Send")');

// Watch it become delivered, live.
await page.waitForURL(/\/dashboard\/messages\/[0-9a-f-]{36}$/);
const messagePage = page.url();
await page.evaluate(() => { window.stayed = true; });
// Sooner than the page would ask by itself.
await page.waitForSelector('.lead .badge:text("delivered")', { timeout: 8_000 });
assert.equal(await page.evaluate(() => window.stayed), true, 'the page was loaded anew');
const steps = await page.locator('.timeline .badge').allTextContents();
assert.deepEqual([steps[0], ...steps.slice(-2)], ['queued', 'sent', 'delivered']);
assert.equal(await page.textContent('dd.text'), 'Hola <b>"señor"</b> & adiós');
await accessible(page, 'message');

// Find it by filter, with the filter in the address.
await page.goto(`${origin}/dashboard/messages`);
await page.selectOption('#state', 'delivered');
await page.fill('#to', '+5351234567');
await page.click('form.filters button');
assert.match(page.url(), /state=delivered/);
const found = page.locator(`#rows a[href="${new URL(messagePage).pathname}"]`);
assert.equal(await found.count(), 1);
await page.goto(`${origin}/dashboard/messages?state=failed&to=%2B5351234567`);
assert.match(await page.textContent('#rows'), /No messages here/);

// What is wrong is said where it is wrong, and nothing is lost of what was written.
await page.goto(`${origin}/dashboard/compose`);
await page.fill('#to', '12');
await page.fill('#body', 'still here');
await page.click('form.card button:text-is("Send")');
await page.waitForSelector('#to[aria-invalid]');
assert.equal(await page.inputValue('#body'), 'still here');
await accessible(page, 'compose, refused');
assert.deepEqual(complaints.splice(0).filter((what) => !what.includes('422')), []);

for (const path of pages) {
  await page.goto(origin + path);
  await accessible(page, path);
}

// What the keyboard is on stays there while a page brings itself up to date.
await page.goto(`${origin}/`);
const row = page.locator('#overview td a[id^="d-"]').first();
await row.focus();
const focused = () => page.evaluate(() => document.activeElement.id);
const before = await focused();
await page.waitForTimeout(5_000);
assert.equal(await focused(), before);

// A token is shown once; what is not there is said in a page; the API's page keeps to this host too.
await page.goto(`${origin}/dashboard/keys`);
await page.fill('#token-name', 'walked');
await page.click('form[action="/dashboard/tokens"] button');
assert.match(await page.textContent('.secret'), /^sgw_tok_/);
await accessible(page, 'token, shown');
await page.goto(`${origin}/dashboard/messages/0199a3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d`);
await page.waitForSelector('h1:text("There is no such thing")');
await accessible(page, 'refusal');
assert.deepEqual(complaints.splice(0).filter((what) => !what.includes('404')), []);
await page.goto(`${origin}/docs/`);
await page.waitForSelector('.opblock');

// Revoke the key: the phone is out at once.
await page.goto(devicePage);
await page.waitForSelector('#now .badge:text("online")');
await page.click('button:text("Revoke")');
await page.waitForSelector('#now .badge:text("offline")');
await page.waitForSelector('td .badge:text("ended")');
assert.deepEqual(complaints, []);

// The same in the dark, on a phone's screen.
const dark = await watched(browser, origin, { colorScheme: 'dark', viewport: { width: 390, height: 800 } }, complaints);
await signIn(dark, origin, token);
for (const path of [...pages, new URL(devicePage).pathname, new URL(messagePage).pathname]) {
  await dark.goto(origin + path);
  const wide = await dark.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) complaints.push(`${path} is ${wide} pixels too wide for a phone`);
  await accessible(dark, `${path}, dark`);
}

// And without JavaScript: every page is whole, and a message can be counted, sent and found.
const plain = await watched(browser, origin, { javaScriptEnabled: false }, complaints);
await signIn(plain, origin, token);
for (const path of [...pages, new URL(devicePage).pathname, new URL(messagePage).pathname]) {
  const answer = await plain.goto(origin + path);
  assert.equal(answer.status(), 200, path);
  assert.ok((await plain.textContent('h1')).length > 3, path);
}
await plain.goto(`${origin}/dashboard/compose`);
await plain.fill('#to', '+5351234568');
await plain.fill('#body', 'sin guión');
await plain.click('button:text("Count")');
assert.match(await plain.textContent('#preview'), /1 part, ucs2/);
assert.equal(await plain.inputValue('#to'), '+5351234568');
await plain.click('form.card button:text-is("Send")');
await plain.waitForURL(/\/dashboard\/messages\/[0-9a-f-]{36}$/);
assert.equal(await plain.textContent('dd.text'), 'sin guión');
await plain.click('button:text("Sign out")');
await plain.goto(`${origin}/dashboard/messages`);
assert.ok(plain.url().includes('/dashboard/sign-in'), 'still signed in');

await browser.close();
phone.kill();
assert.deepEqual(complaints, []);
console.log(JSON.stringify({ looked: seen.length }));
