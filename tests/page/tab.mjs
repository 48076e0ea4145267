// Pages that the program makes of small lists and models, and a browser that opens them.

import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Checks } from './load.mjs';
import * as lists from './lists.mjs';

const [given, option, pictures] = process.argv.slice(2);
const program = path.resolve(given);

/** Where the pages are. */
export const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'makemore-page-'));

const checks = new Checks();

/** Tells whether something is as it should be. */
export const check = (what, isGood, detail) => checks.check(what, isGood, detail);

export const endOfChecks = () => checks.end();

/** The milliseconds after which a test waits for nothing more. */
export const PATIENCE = 60000;

/** The browser of the user or of the system. */
export function findBrowser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const found = names.map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim()).find(Boolean);
  if (process.env.CHROMIUM ?? found) return process.env.CHROMIUM ?? found;
  throw new Error(`no browser: set CHROMIUM, or install one of ${names.join(', ')}`);
}

/** Runs the program in the folder; its messages are only for faults. */
export function run(...options) {
  return execFileSync(program, options, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** What a shell prints of a command that the page shows. */
function shell(command) {
  const done = spawnSync('bash', ['-c', command.replace(/^makemore-tch/, '"$0"'), program], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (done.status !== 0 && !done.stdout) console.log(`     ${command}: ${done.stderr.trim()}`);
  return done.stdout.split('\n').slice(0, -1);
}

/** Makes all pages. */
export function makePages() {
  for (const [name, words] of Object.entries(lists))
    fs.writeFileSync(path.join(folder, `${name}.txt`), `${words.join('\n')}\n`);
  const train = (type, ...options) =>
    run('train', '--data', 'names.txt', '--type', type, '--out', `${type}.safetensors`, '--quiet', ...options);
  train('ngram', '--order', '4');
  train('mlp', '--max-steps', '60', '--n-embd2', '32');
  train('gru', '--max-steps', '80', '--n-embd2', '32');
  train('transformer', '--max-steps', '40', '--n-embd', '16', '--n-layer', '2');
  const models = ['ngram', 'mlp', 'gru', 'transformer'].flatMap((type) => ['--model', `${type}.safetensors`]);
  run('page', 'names.html', ...models, '--data', 'names.txt', '--title', 'Names', '--force');
  const small = ['--model', 'gru.safetensors', '--data', 'names.txt', '--force'];
  run('page', 'rounded.html', ...small, '--weights', 'f16', '--known', 'none');
  run('page', 'bloom.html', ...small, '--weights', 'i8', '--known', 'bloom');
  run('page', 'one.html', ...small);
  for (const list of ['cjk', 'arabic']) run('page', `${list}.html`, '--data', `${list}.txt`, '--force');
  run(
    'page',
    'hostile.html',
    '--data',
    'hostile.txt',
    '--force',
    '--title',
    '</title><script>window.intruder=1</script>{{DATA}}',
  );
}

/** Writes a page whose data are those of another one, changed. */
export function changed(name, from, change) {
  const html = fs.readFileSync(path.join(folder, `${from}.html`), 'utf8');
  const changedHtml = html.replace(/(id="data">)([^]*?)(<\/script>)/, (_, begin, text, end) => {
    const data = JSON.parse(text);
    change(data);
    return begin + JSON.stringify(data).replaceAll('<', '\\u003c') + end;
  });
  fs.writeFileSync(path.join(folder, `${name}.html`), changedHtml);
}

/** A page that is open, with what it says in the console and what it asks for. */
export class Tab {
  static async open(context, name, hash = '') {
    const tab = new Tab();
    Object.assign(tab, { page: await context.newPage(), name, said: [], requests: [] });
    tab.page.on('pageerror', (error) => tab.said.push(String(error)));
    tab.page.on('console', (message) => tab.said.push(message.text()));
    tab.page.on('request', (request) => tab.requests.push(request.url()));
    tab.page.on('dialog', (dialog) => {
      tab.said.push(`dialog ${dialog.message()}`);
      dialog.dismiss();
    });
    await tab.page.goto(`file://${path.join(folder, name)}.html${hash}`);
    const isReady = () => document.documentElement.dataset.ready;
    await tab.page.waitForFunction(isReady, null, { timeout: PATIENCE }).catch(() => {
      throw new Error(`${name}.html does not get ready: ${tab.said.join('; ')}`);
    });
    return tab;
  }

  /** Sets fields of the form as a user would, and waits for the words. */
  async set(values) {
    await this.page.evaluate((values) => {
      for (const [id, value] of Object.entries(values)) {
        const field = document.getElementById(id);
        if (field.type === 'checkbox') field.checked = value;
        else field.value = value;
      }
      document.getElementById('temperature').dispatchEvent(new Event('input', { bubbles: true }));
    }, values);
    await this.settled();
  }

  async settled() {
    await this.page.waitForTimeout(150);
    const isDone = () => document.getElementById('words').getAttribute('aria-busy') === 'false';
    await this.page.waitForFunction(isDone, null, { timeout: PATIENCE });
  }

  async choose(label) {
    await this.page.locator('#models label', { hasText: label }).first().click();
    await this.settled();
  }

  /** The words, as they are and not as they are shown. */
  words() {
    return this.page.evaluate(() => drawnWords.map(({ text }) => text));
  }

  text(selector) {
    return this.page.textContent(selector);
  }

  labels() {
    return this.page.$$eval('#models label', (labels) => labels.map((label) => label.textContent.trim()));
  }

  /** Compares the words with those of the command that the page shows. */
  async compare(what) {
    const ours = await this.words(),
      command = await this.text('#command'),
      theirs = shell(command);
    const isSame = ours.length > 0 && ours.join('\n') === theirs.join('\n');
    check(
      `${this.name}: ${what}`,
      isSame,
      isSame ? `${ours.length} words` : `${ours.slice(0, 5)} for ${theirs.slice(0, 5)}: ${command}`,
    );
    return ours;
  }

  async close() {
    check(`${this.name}: no console message`, this.said.length === 0, this.said.join('; '));
    const sent = this.requests.filter((url) => !/^(file|blob|data):/.test(url));
    check(`${this.name}: nothing is asked of the network`, sent.length === 0, sent.join());
    check(`${this.name}: no script of a word ran`, await this.page.evaluate(() => window.intruder === undefined));
    await this.page.close();
  }
}

/** The form as it is at first, but for ticks. */
export const PLAIN = {
  seed: '420',
  temperature: '1',
  begins: '',
  ends: '',
  containing: '',
  without: '',
  least: '',
  most: '',
  many: '24',
  new: false,
  unique: false,
};

/** Takes pictures of a page, if the user asked for them. */
export async function picture(tab, name) {
  if (option !== '--pictures') return;
  fs.mkdirSync(pictures, { recursive: true });
  const take = (kind) => tab.page.screenshot({ path: path.join(pictures, `${name}-${kind}.png`), fullPage: true });
  for (const colorScheme of ['light', 'dark']) {
    await tab.page.emulateMedia({ colorScheme });
    await tab.page.waitForTimeout(200);
    await take(colorScheme);
  }
  await tab.page.emulateMedia({ colorScheme: 'light' });
  await tab.page.setViewportSize({ width: 360, height: 740 });
  await tab.page.waitForTimeout(200);
  await take('phone');
  await tab.page.setViewportSize({ width: 1280, height: 900 });
  await tab.page.emulateMedia({ media: 'print' });
  await tab.page.waitForTimeout(200);
  await take('print');
  await tab.page.emulateMedia({ media: 'screen' });
}
