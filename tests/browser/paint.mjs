// How soon each page is painted: from the request to the first content, in milliseconds.
//
//   node paint.mjs ORIGIN TOKEN
import { launch, signIn, watched } from './browser.mjs';

const [origin, token] = process.argv.slice(2);
const browser = await launch();
const page = await watched(browser, origin, {}, []);
await signIn(page, origin, token);
for (const path of ['/', '/dashboard/messages', '/dashboard/messages?state=delivered', '/dashboard/messages?state=failed']) {
  const times = [];
  for (let round = 0; round < 11; round += 1) {
    await page.goto(origin + path);
    const paint = await page.evaluate(() => new Promise((resolve) => {
      new PerformanceObserver((list) => resolve(list.getEntriesByName('first-contentful-paint')[0].startTime))
        .observe({ type: 'paint', buffered: true });
    }));
    times.push(Math.round(paint));
  }
  times.sort((a, b) => a - b);
  console.log(`${path}: first paint after ${times[0]} ms at least, ${times[5]} in the middle, ${times[10]} at most`);
}
await browser.close();
