// What holds for every page: the keyboard alone, screen readers, narrow and wide screens, and the policy.

import fs from 'node:fs';
import { createRequire } from 'node:module';
import { Tab, check } from './tab.mjs';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Tab, arrows and Enter alone. */
export async function keyboard(context) {
  const tab = await Tab.open(context, 'names'),
    { page } = tab;
  await page.keyboard.press('Tab');
  check(
    'the first stop skips to the words',
    (await page.evaluate(() => document.activeElement.className)) === 'skip',
  );
  const met = new Set();
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    met.add(await page.evaluate(() => document.activeElement.id || document.activeElement.closest('[id]')?.id));
  }
  const stops = ['theme', 'temperature', 'again', 'begins', 'seed', 'words', 'models'];
  check(
    'Tab reaches what can be used',
    stops.every((id) => met.has(id)),
    [...met].join(' '),
  );
  await page.focus('#models input:checked');
  const before = await tab.words();
  await page.keyboard.press('ArrowRight');
  await tab.settled();
  check('arrows choose a model', before.join() !== (await tab.words()).join());
  await page.focus('#begins');
  await page.keyboard.press('Enter');
  await tab.settled();
  check('Enter draws with the seed as it is', (await page.inputValue('#seed')) === '420');
  await page.focus('#again');
  await page.keyboard.press('Enter');
  await tab.settled();
  check('the button draws with another', (await page.inputValue('#seed')) !== '420');
  const spoken = await tab.text('#spoken'),
    [first] = await tab.words();
  check(
    'the words are told to screen readers',
    spoken.includes(first) && (await page.getAttribute('#spoken', 'role')) === 'status',
    spoken,
  );
  await tab.close();
}

/** axe finds no fault, in all colours. */
export async function accessibility(tab, name) {
  for (const colours of [{ colorScheme: 'light' }, { colorScheme: 'dark' }, { forcedColors: 'active' }]) {
    await tab.page.emulateMedia(colours);
    await tab.page.waitForTimeout(150);
    await tab.page.evaluate(axe);
    const { violations, passes } = await tab.page.evaluate(() => window.axe.run({ resultTypes: ['violations'] }));
    const told = violations.map(
      ({ id, impact, nodes }) =>
        `${id} (${impact}) ${nodes.length} × ${nodes[0].html.slice(0, 100)} ${nodes[0].any[0]?.message ?? ''}`,
    );
    check(
      `${name}: axe, ${Object.values(colours)}`,
      violations.length === 0,
      told.join('\n     ') || `${passes.length} rules`,
    );
    await tab.page.emulateMedia({ colorScheme: 'light', forcedColors: 'none' });
  }
}

/** The button changes the colours, and nothing moves by itself where that is not wanted. */
export async function colours(tab) {
  const back = () => tab.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await back();
  await tab.page.click('#theme');
  const isPressed = (await tab.page.getAttribute('#theme', 'aria-pressed')) === 'true';
  check('the button turns the page dark', isPressed && light !== (await back()), await back());
  await tab.page.click('#theme');
  check('and light again', light === (await back()));
  await tab.page.emulateMedia({ media: 'print' });
  const isOnPaper = (selector) => tab.page.isVisible(selector);
  check('paper has the words, and not the form', (await isOnPaper('#words')) && !(await isOnPaper('#controls')));
  await tab.page.emulateMedia({ media: 'screen' });
  const scrolls = await tab.page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior);
  check('the page does not scroll smoothly where motion is reduced', scrolls === 'auto', scrolls);
}

/** Nothing is wider than the screen. */
export async function widths(tab, name) {
  for (const width of [320, 360, 414, 600, 768, 900, 1024, 1280, 1600]) {
    await tab.page.setViewportSize({ width, height: 800 });
    await tab.page.waitForTimeout(60);
    const [over, wide] = await tab.page.evaluate(() => {
      const isOut = (element) =>
        !element.closest('.scroll, .visually-hidden, .skip, .pills') &&
        element.getBoundingClientRect().right > innerWidth + 1;
      const out = [...document.querySelectorAll('main *, header *')].find(isOut);
      return [document.documentElement.scrollWidth - innerWidth, out?.outerHTML.slice(0, 90)];
    });
    check(`${name}: nothing overflows at ${width} px`, over <= 0 && !wide, wide ?? (over > 0 ? `${over} px` : ''));
  }
  await tab.page.setViewportSize({ width: 1280, height: 900 });
}

/** What a script that got into the page could not do. */
export async function policy(context) {
  const tab = await Tab.open(context, 'names');
  const done = await tab.page.evaluate(async () => {
    const done = [];
    const attempt = async (what, action) => {
      try {
        if (await action()) done.push(what);
      } catch {
        // As it should be.
      }
    };
    await attempt('fetch', async () => (await fetch('https://example.com/'), true));
    // What a driver of the browser calls may evaluate, so it is left first.
    await new Promise((resolve) => setTimeout(resolve));
    await attempt('eval', () => Function('return true')());
    await attempt('script', () => {
      const script = document.createElement('script');
      script.textContent = 'window.intruder = true';
      document.body.append(script);
      return window.intruder;
    });
    await attempt(
      'image',
      () =>
        new Promise((resolve) => {
          const image = new Image();
          image.onload = () => resolve(true);
          image.onerror = () => resolve(false);
          image.src = 'https://example.com/x.png';
        }),
    );
    await attempt('style', () => {
      document.body.setAttribute('style', 'color: rgb(1, 2, 3)');
      return getComputedStyle(document.body).color === 'rgb(1, 2, 3)';
    });
    await attempt(
      'worker',
      () =>
        new Promise((resolve) => {
          const worker = new Worker('data:text/javascript,postMessage(1)');
          worker.onmessage = () => resolve(true);
          worker.onerror = () => resolve(false);
        }),
    );
    return done;
  });
  check('the policy lets no other script run and nothing out', done.length === 0, done.join());
  check('WebAssembly runs under the policy', await tab.page.evaluate(() => fast !== null));
  await tab.page.close();
}
