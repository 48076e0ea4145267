// Drives pages in a browser and compares them with the program:
//
//   node tests/page/browser.mjs PROGRAM [--pictures FOLDER]
//
// The pages are made by the program in a folder of their own. The browser is $CHROMIUM, or the first of chromium,
// chromium-browser and google-chrome that is there.
import fs from 'node:fs';
import { chromium } from 'playwright-core';
import { accessibility, colours, keyboard, policy, widths } from './everywhere.mjs';
import { arabicWord, cjkWord, foreign, hostileWishes, smallPages } from './foreign.mjs';
import * as lists from './lists.mjs';
import { oddPages } from './odd.mjs';
import { PATIENCE, PLAIN, Tab, check, endOfChecks, findBrowser, folder, makePages, picture, run } from './tab.mjs';

/** On a busy machine the page may take longer than it is meant to. */
const FIRST_WORDS = 500,
  KEYSTROKE = 50,
  BUSY = 4;

async function draws(tab) {
  for (const label of await tab.labels()) {
    await tab.choose(label);
    await tab.set(PLAIN);
    await tab.compare(`${label} draws the words of the command`);
    await tab.set({
      ...PLAIN,
      seed: '18446744073709551615',
      temperature: '0.6',
      new: true,
      unique: true,
      many: '40',
    });
    await tab.compare(`${label}, cooler, new and once`);
    await tab.set({
      ...PLAIN,
      seed: '7',
      begins: 'm',
      ends: 'a',
      containing: 'r',
      without: 'xq',
      least: '3',
      most: '9',
      many: '12',
    });
    await tab.compare(`${label} with all wishes`);
  }
  const first = (await tab.labels())[0];
  await tab.choose(first);
  await tab.set({ ...PLAIN, temperature: '0', many: '3' });
  await tab.compare('the most probable characters alone');
}

async function wishes(tab) {
  await tab.choose('4-grams');
  await tab.set({ ...PLAIN, ends: 'zzq', containing: 'x' });
  await tab.compare('words that are as rare as can be');
  await tab.set({ ...PLAIN, begins: 'a', without: 'a' });
  check('impossible wishes are told', /meet all wishes/.test(await tab.text('#status')), await tab.text('#status'));
  await tab.set({ ...PLAIN, begins: '☃' });
  check('an unknown character is told', /do not know “☃”/.test(await tab.text('#status')), await tab.text('#status'));
  await tab.set({ ...PLAIN, most: 'many' });
  check(
    'a length that is none is told',
    /whole number from 1/.test(await tab.text('#status')),
    await tab.text('#status'),
  );
  await tab.choose('MLP');
  await tab.set({ ...PLAIN, ends: 'qqqq' });
  check('what hardly exists is given up', /in vain/.test(await tab.text('#status')), await tab.text('#status'));
}

async function longDraws(tab) {
  await tab.choose('GRU');
  await tab.set({ ...PLAIN, many: '24' });
  await tab.page.evaluate(() => {
    document.getElementById('many').value = '100000';
    document.getElementById('many').dispatchEvent(new Event('input', { bubbles: true }));
  });
  await tab.page.waitForSelector('#stop:not([hidden])', { timeout: PATIENCE });
  await tab.page.waitForTimeout(300);
  await tab.page.click('#stop');
  await tab.settled();
  const words = await tab.compare('a long draw is stopped, and the command draws as many');
  check(
    'it is stopped before its end',
    words.length < 100000 && /You stopped/.test(await tab.text('#status')),
    `${words.length} words`,
  );
  await tab.choose('Counted pairs');
  await tab.set({ ...PLAIN, many: '2000' });
  const shown = await tab.page.$$eval('#words li', (items) => items.length);
  const [download] = await Promise.all([tab.page.waitForEvent('download'), tab.page.click('#download')]);
  const text = fs.readFileSync(await download.path(), 'utf8'),
    all = await tab.words();
  check(
    'a download has all words',
    text === all.map((word) => `${word}\n`).join('') && all.length === 2000,
    download.suggestedFilename(),
  );
  check('of many words the first ones are shown', shown === 500 && /first 500/.test(await tab.text('#more')));
}

async function fragment(tab, context) {
  await tab.choose('Mixture');
  await tab.page.locator('#weights input').first().fill('0.9');
  await tab.page.waitForTimeout(400);
  await tab.set({ ...PLAIN, seed: '99', begins: 'ma', temperature: '0.8', many: '7' });
  await tab.page.fill('#word', 'marabel');
  await tab.page.waitForTimeout(500);
  const address = new URL(tab.page.url()),
    ours = await tab.compare('moved weights are in the command');
  const other = await Tab.open(context, 'names', address.hash);
  check(
    'a link draws the same words',
    (await other.words()).join() === ours.join(),
    decodeURIComponent(address.hash),
  );
  check('a link has the word', (await other.page.inputValue('#word')) === 'marabel');
  await other.close();
  await tab.page.evaluate(() => {
    location.hash = '#model=MLP&seed=5&n=3';
  });
  await tab.page.waitForTimeout(600);
  await tab.settled();
  check(
    'an address that changes is followed',
    (await tab.words()).length === 3 && /mlp/.test(await tab.text('#command')),
    await tab.text('#command'),
  );
  await tab.page.locator('#weights button').click();
}

async function typedWord(tab) {
  const word = 'mirabella';
  await tab.page.fill('#word', word);
  await tab.page.waitForTimeout(600);
  const rows = await tab.page.$$eval('#surprise tbody tr', (rows) =>
    rows.map((row) => [
      row.querySelector('th').textContent,
      ...[...row.querySelectorAll('td:not(.total)')].map((cell) => parseFloat(cell.title)),
    ]),
  );
  const models = await tab.page.evaluate(() =>
    page.models.map(({ label, arguments: given, needsData }) => ({ label, given, needsData })),
  );
  for (const { label, given, needsData } of models) {
    const options = needsData ? ['--data', 'names.txt'] : given.split(' ');
    const [scored] = JSON.parse(run('score', '--json', ...options, '--', word)).words;
    const [, ...ours] = rows.find(([name]) => name === label);
    const off = Math.max(...scored.bigrams.map(({ probability }, i) => Math.abs(probability - ours[i])));
    check(
      `${label}: a typed word has the probabilities of score`,
      ours.length === word.length + 1 && off < 1e-5,
      off.toExponential(1),
    );
  }
  check(
    'a new word has its closest ones',
    /is a new word; the closest ones in the list are/.test(await tab.text('#verdict')),
    await tab.text('#verdict'),
  );
  await tab.page.fill('#word', lists.names[0]);
  await tab.page.waitForTimeout(200);
  check('a word of the list is known', /is in the list/.test(await tab.text('#verdict')));
  await tab.page.locator('#surprise thead button').nth(1).click();
  await tab.page.waitForTimeout(100);
  const before = await tab.text('#next-title'),
    button = tab.page.locator('#next tbody button').first(),
    written = await button.textContent();
  await button.click();
  check('a press writes what may come', (await tab.page.inputValue('#word')) === lists.names[0][0] + written, before);
  const times = await tab.page.evaluate(async () => {
    const field = document.getElementById('word'),
      times = [];
    for (const letter of 'alexandrina') {
      field.value = (times.length ? field.value : '') + letter;
      const begin = performance.now();
      field.dispatchEvent(new Event('input'));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      times.push(performance.now() - begin);
    }
    return times.sort((a, b) => a - b);
  });
  check(`a keystroke takes less than ${KEYSTROKE} ms`, times[5] < BUSY * KEYSTROKE, `${Math.round(times[5])} ms`);
}

async function figures(tab) {
  const readout = 'figure:has(canvas[tabindex]) .readout';
  await tab.page.focus('canvas[tabindex]');
  await tab.page.keyboard.press('Home');
  const told = await tab.text(readout);
  await tab.page.keyboard.press('ArrowRight');
  await tab.page.keyboard.press('ArrowDown');
  check('keys move in the heatmap', told !== (await tab.text(readout)), await tab.text(readout));
  const label = await tab.page.getAttribute('canvas[tabindex]', 'aria-label');
  check('the heatmap tells its cell', label.includes(await tab.text(readout)));
  const box = await tab.page.locator('canvas[tabindex]').boundingBox(),
    cell = box.width / 28;
  await tab.page.mouse.move(box.x + 5.5 * cell, box.y + 3.5 * cell);
  check('a pointer chooses a cell', /\bd.* after .*b\b/s.test(await tab.text(readout)), await tab.text(readout));
  const options = await tab.page.locator('figure:has(canvas[tabindex]) option').allTextContents();
  await tab.page.locator('figure:has(canvas[tabindex]) select').selectOption({ index: 1 });
  await tab.page.waitForTimeout(200);
  check('the heatmap shows other models', /a first/.test(await tab.text(readout)), options.join());
  const step = 'figure.full .readout',
    first = await tab.text(step);
  await tab.page.click('figure.full .primary');
  check('the next character is drawn', first !== (await tab.text(step)) && /falls on/.test(first), first);
  const titles = await tab.page.locator('figure h3').allTextContents();
  check(
    'there are all figures',
    ['How a word is drawn', 'What follows what', 'places the characters', 'losses came down', 'heads look'].every(
      (title) => titles.some((text) => text.includes(title)),
    ),
    titles.join('; '),
  );
}

async function compareTable(tab) {
  const rows = await tab.page.$$eval('#table tbody tr', (rows) =>
    rows.map((row) => [...row.children].map((cell) => cell.textContent)),
  );
  check(
    'the table has all models',
    rows.length === (await tab.labels()).length && rows.every((row) => row.every((text) => text && text !== '…')),
    rows[0].join(' | '),
  );
  const samples = rows.map((row) => row.at(-1).split(', '));
  check(
    'it has ten words of each',
    samples.every((words) => words.length === 10),
  );
  await tab.page.locator('#weights input').nth(1).fill('1');
  await tab.page.waitForTimeout(500);
  const shares = await tab.page.locator('#weights output').allTextContents();
  check(
    'a slider moves the shares',
    shares.some((share) => !share.startsWith('0')),
    shares.join(),
  );
  await tab.page.locator('#weights button').click();
  await tab.page.waitForTimeout(500);
}

async function namesPage(context) {
  const tab = await Tab.open(context, 'names');
  const first = await tab.page.evaluate(() => performance.getEntriesByName('first words')[0].startTime);
  check(`the first words come in ${FIRST_WORDS} ms`, first < BUSY * FIRST_WORDS, `${Math.round(first)} ms`);
  await draws(tab);
  await wishes(tab);
  await longDraws(tab);
  await fragment(tab, context);
  await typedWord(tab);
  await figures(tab);
  await compareTable(tab);
  await colours(tab);
  await accessibility(tab, 'names');
  await widths(tab, 'names');
  await tab.set(PLAIN);
  await picture(tab, 'names');
  await tab.close();
}

async function main() {
  makePages();
  const browser = await chromium.launch({ executablePath: findBrowser(), args: ['--no-sandbox', '--disable-gpu'] });
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    offline: true,
    colorScheme: 'light',
    reducedMotion: 'reduce',
  });
  try {
    await namesPage(context);
    await keyboard(context);
    await policy(context);
    await smallPages(context);
    await oddPages(context);
    await foreign(context, 'one', async (tab) => {
      check(
        'one model has no mixture',
        (await tab.page.isHidden('#mix')) && !(await tab.labels()).includes('Mixture'),
      );
    });
    await foreign(context, 'hostile', hostileWishes);
    await foreign(context, 'cjk', cjkWord);
    await foreign(context, 'arabic', arabicWord);
  } finally {
    await browser.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
  endOfChecks();
}

await main();
