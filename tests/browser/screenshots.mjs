// Takes the pictures of docs/images: a gateway with a few phones and some traffic, as somebody would see it.
//
//   node screenshots.mjs ORIGIN TOKEN DIRECTORY
import { launch, signIn, watched } from './browser.mjs';

const [origin, token, directory] = process.argv.slice(2);
const browser = await launch();
const post = (path, body) =>
  fetch(origin + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).then((answer) => answer.json());

const texts = ['Su código es 4821', 'Your table is ready', 'Recordatorio: cita mañana a las 10:00', 'Parcel 77 is on its way'];
let last;
for (let second = 0; second < 40; second += 1) {
  const count = 8 + Math.round(6 * Math.sin(second / 5));
  for (let index = 0; index < count; index += 1) {
    const to = `+535123${String(4000 + second * 20 + index)}`;
    last = await post('/messages', { to, body: texts[(second + index) % texts.length] });
  }
  await new Promise((resolve) => setTimeout(resolve, 900));
}
// One that waits, so that it can be seen why.
await post('/messages', { to: '+5351230000', body: 'See you at noon', send_at: new Date(Date.now() + 3_600_000).toISOString() });

for (const scheme of ['light', 'dark']) {
  const page = await watched(browser, origin, { colorScheme: scheme }, []);
  await signIn(page, origin, token);
  const take = async (name, path) => {
    if (path) await page.goto(origin + path);
    await page.waitForTimeout(700);
    await page.screenshot({ path: `${directory}/${name}${scheme === 'dark' ? '-dark' : ''}.png` });
  };
  await take('overview', '/');
  if (scheme === 'dark') continue;
  await take('message', `/dashboard/messages/${last.id}`);
  await page.goto(`${origin}/dashboard/compose`);
  await page.fill('#to', '+5351234567');
  await page.locator('#body').pressSequentially('Su código es 1234');
  await take('compose');
  await take('devices', '/dashboard/devices');
}
await browser.close();
