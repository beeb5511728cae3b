// Chromium under watch: whatever it asks of another host, complains of or refuses to load is noted, and fails the walk.
import { chromium } from 'playwright-core';

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Root, as in a container, has no sandbox.
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  });

export async function watched(browser, origin, options, complaints) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const complain = (what) => complaints.push(what);
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol !== 'data:' && url.origin !== origin) complain(`asked another host: ${url.origin}`);
  });
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complain(`console: ${message.text()}`);
  });
  context.on('weberror', (error) => complain(`uncaught: ${error.error()}`));
  const page = await context.newPage();
  if (options.javaScriptEnabled !== false) {
    await page.exposeFunction('violated', (what) => complain(`policy: ${what}`));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => window.violated(`${e.violatedDirective} ${e.blockedURI}`));
    });
  }
  page.setDefaultTimeout(20_000);
  return page;
}

export async function signIn(page, origin, token) {
  await page.goto(`${origin}/dashboard/sign-in`);
  await page.fill('#token', token);
  await page.press('#token', 'Enter');
  await page.waitForURL(`${origin}/`);
}
