// Pages of lists in other scripts, of hostile lists, and pages that lack something.

import { accessibility, widths } from './everywhere.mjs';
import * as lists from './lists.mjs';
import { PLAIN, Tab, check, picture } from './tab.mjs';

export async function foreign(context, name, check_) {
  const tab = await Tab.open(context, name);
  for (const label of await tab.labels()) {
    await tab.choose(label);
    await tab.set({ ...PLAIN, many: '40' });
    await tab.compare(`${label} draws the words of the command`);
    await tab.set({ ...PLAIN, many: '15', new: true, unique: true });
    await tab.compare(`${label}, new and once`);
  }
  await check_(tab);
  await widths(tab, name);
  await accessibility(tab, name);
  await picture(tab, name);
  await tab.close();
}

/** A wish of a hostile word's characters, quotes and what is not seen among them. */
export async function hostileWishes(tab) {
  await tab.choose('Counted pairs');
  for (const begins of ["d'", '<', '"', '\u202e', '\\', '$', '`']) {
    await tab.set({ ...PLAIN, begins, many: '5' });
    await tab.compare(`words that begin with ${JSON.stringify(begins)}`);
  }
  await tab.set({ ...PLAIN, begins: '\u202e', many: '5' });
  const shown = await tab.page.$$eval('#words bdi', (words) => words.map((word) => word.textContent).join(''));
  const isSeen = shown.startsWith('U+202E') && !/[\u202a-\u202e\u2066-\u2069]/.test(shown);
  check('what turns text is shown as its code point', isSeen, shown);
  await tab.page.fill('#word', 'a\u202eb</script>');
  await tab.page.waitForTimeout(500);
  check('a hostile word is looked at', (await tab.page.$$eval('#surprise tbody tr', (rows) => rows.length)) > 0);
  check('the title is text', (await tab.page.title()).startsWith('</title><script>'), await tab.page.title());
}

export async function cjkWord(tab) {
  await tab.page.fill('#word', '王小红');
  await tab.page.waitForTimeout(500);
  const heads = await tab.page.locator('#surprise thead bdi').allTextContents();
  check('a Chinese word has its characters', heads.join('') === '王小红', heads.join());
}

export async function arabicWord(tab) {
  await tab.page.fill('#word', 'محمد');
  await tab.page.waitForTimeout(500);
  const [first, last] = await tab.page.$$eval('#surprise thead button', (buttons) =>
    [buttons[0], buttons.at(-1)].map((button) => button.getBoundingClientRect().x),
  );
  check('an Arabic word runs from right to left', first > last, `${first} ${last}`);
}

/** Pages that do not have all of the models or of the list. */
export async function smallPages(context) {
  const none = await Tab.open(context, 'rounded');
  check(
    'without a list no word is called new',
    (await none.page.isHidden('#new-label')) && !(await none.page.$('.is-new')),
  );
  check(
    'rounded weights are told',
    /rounded/.test(await none.text('#command-hint')),
    await none.text('#command-hint'),
  );
  check(
    'so are the losses of before',
    /losses are those of the models before/.test(await none.text('#table-hint')),
    await none.text('#table-hint'),
  );
  await none.close();
  const bloom = await Tab.open(context, 'bloom');
  await bloom.set({ ...PLAIN, new: true });
  const words = await bloom.words(),
    known = (word) => lists.names.includes(word);
  check('a Bloom filter lets no known word through', words.length === 24 && !words.some(known));
  check('that it is not exact is told', /takes one new word/.test(await bloom.text('#command-hint')));
  await bloom.page.fill('#word', lists.names[0]);
  await bloom.page.waitForTimeout(500);
  const verdict = await bloom.text('#verdict');
  check('a Bloom filter knows a word of the list', /is in the list/.test(verdict), verdict);
  await bloom.close();
}
