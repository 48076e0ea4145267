// Pages whose data are not as usual: made by the program, or changed after it.

import { PLAIN, Tab, changed, check, run } from './tab.mjs';

/** A figure that cannot be shown takes nothing else with it. */
async function oddCurve(context) {
  changed('curve', 'names', ({ models }) => {
    models.at(-1).curve = [
      [0, null],
      [10, null],
    ];
  });
  const tab = await Tab.open(context, 'curve');
  const titles = (await tab.page.locator('figure h3').allTextContents()).join('; ');
  check(
    'a figure that cannot be shown is left out, and the others are there',
    !titles.includes('losses came down') && titles.includes('What follows what') && titles.includes('heads look'),
    titles,
  );
  check('the console tells why', tab.said.length === 1, tab.said.join('; '));
  tab.said.length = 0;
  await tab.set({ ...PLAIN, many: '9' });
  await tab.compare('it draws all the same');
  await tab.close();
}

/** The cells of a column of the table, from the first row on. */
const column = (tab, kind) =>
  tab.page.$$eval(`#table tbody td.${kind}`, (cells) => cells.map((cell) => cell.textContent));

async function infiniteLosses(context) {
  changed('infinite', 'names', ({ models, mixture }) => {
    models[1].test = models[1].testNew = mixture.nll = mixture.new.nll = 'inf';
    models[2].test = null;
  });
  const tab = await Tab.open(context, 'infinite');
  const losses = await column(tab, 'loss'),
    chosen = await tab.text('#models input:checked + span');
  check('infinite losses are shown as such, last of all', losses.slice(-3).join() === '–,∞,∞', losses.join());
  check('those of unseen words too', (await column(tab, 'unseen')).filter((loss) => loss === '∞').length === 2);
  check('a model that holds words impossible is not chosen', !/-grams|Mixture/.test(chosen), chosen);
  await tab.close();
}

/** One model twice in a mixture. */
async function twice(context) {
  const models = ['mlp', 'ngram', 'mlp'].flatMap((type) => ['--model', `${type}.safetensors`]);
  run('page', 'twice.html', ...models, '--data', 'names.txt', '--force');
  changed('twice', 'twice', ({ mixture }) => {
    [0.1, 0.7, 0.2].forEach((weight, i) => (mixture.models[i].weight = weight));
  });
  const tab = await Tab.open(context, 'twice');
  await tab.choose('Mixture');
  await tab.set({ ...PLAIN, many: '40' });
  await tab.compare('a model that is mixed twice has its weights');
  const command = await tab.text('#command');
  check('the command has all of them', command.includes('--weights 0.1,0.7,0.2'), command);
  await tab.close();
}

/** A model of words in upper and lower case, with the list in lower case. */
async function otherCase(context) {
  run('train', '--data', 'mixed.txt', '--type', 'ngram', '--order', '3', '--out', 'mixed.safetensors', '--quiet');
  const models = ['mixed', 'mixed'].flatMap((name) => ['--model', `${name}.safetensors`]);
  run('page', 'mixed.html', ...models, '--data', 'mixed.txt', '--lowercase', '--force');
  const tab = await Tab.open(context, 'mixed');
  for (const label of ['3-grams', 'Mixture']) {
    await tab.choose(label);
    await tab.set({ ...PLAIN, begins: 'M', ends: 'a', many: '9' });
    await tab.compare(`${label} reads wishes as words of its own list`);
    await tab.set({ ...PLAIN, begins: 'M', new: true, many: '9' });
    await tab.compare(`${label} reads wishes as words of the list that its command reads`);
  }
  await tab.set({ ...PLAIN });
  await tab.page.fill('#word', 'Mara');
  await tab.page.waitForTimeout(300);
  const heads = await tab.page.locator('#surprise thead bdi').allTextContents();
  check('a typed word stays as the model knows it', heads.join('') === 'Mara', heads.join(''));
  await tab.page.evaluate(() => document.getElementById('new-label').click());
  await tab.settled();
  await tab.page.waitForTimeout(300);
  const lower = await tab.page.locator('#surprise thead bdi').allTextContents();
  check('it is changed where the list is read', lower.join('') === 'mara', lower.join(''));
  await tab.close();
}

async function commands(context) {
  changed('input', 'names', (data) => {
    data.dataArguments = '--data -';
    data.models[2].needsData = true;
  });
  const tab = await Tab.open(context, 'input', '#model=Mixture&seed=3&weights=1e999,1,1,1');
  const [command, hint] = [await tab.text('#command'), await tab.text('#command-hint')];
  check('a mixture reads the list that one of its models needs', command.includes('--data -'), command);
  check('weights that are none are left aside', !/Infinity|NaN/.test(command), command);
  check('a list of standard input is told', /reads the list from standard input/.test(hint), hint);
  await tab.choose('-grams');
  const without = await tab.text('#command-hint');
  check('where none is read, nothing is told', !/standard input/.test(without), without);
  await tab.set({ ...PLAIN, containing: 'a'.repeat(2000) });
  const status = await tab.text('#status');
  check('a wish that is too long is told', status === 'Contains: at most 100 characters.', status);
  await tab.close();
}

/** The page goes on while wishes are prepared that have many states. */
async function longWishes(context) {
  const tab = await Tab.open(context, 'names', '#model=MLP&seed=1');
  const [longest, isShown] = await tab.page.evaluate(async () => {
    const wishes = { containing: 'annab'.repeat(20), ends: 'maral'.repeat(20), least: '1900' };
    for (const [id, value] of Object.entries(wishes)) document.getElementById(id).value = value;
    document.getElementById('controls').dispatchEvent(new Event('input', { bubbles: true }));
    let longest = 0,
      isShown = false;
    for (let last = performance.now(), end = last + 1500; last < end;) {
      await breathe();
      const now = performance.now();
      longest = Math.max(longest, now - last);
      isShown ||= !document.getElementById('stop').hidden;
      last = now;
    }
    return [longest, isShown];
  });
  check('the page goes on while long wishes are prepared', longest < 700, `${Math.round(longest)} ms`);
  check('and they can be stopped', isShown);
  await tab.set(PLAIN);
  await tab.close();
}

export async function oddPages(context) {
  await oddCurve(context);
  await infiniteLosses(context);
  await twice(context);
  await otherCase(context);
  await commands(context);
  await longWishes(context);
}
