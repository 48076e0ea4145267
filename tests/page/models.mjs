// The page's models against the program, in the folder of the models:
//
//   node tests/page/models.mjs PROGRAM [--kinds counts,bigram,…] PAGE.html…
//
// Each model of each page gives the probabilities of `score --json`, and draws at three settings what the page's own
// command draws. Every kind that is named has to be in models.js and in one of the pages.

import { execFile } from 'node:child_process';
import { Checks, FILES, load, readPage, returned } from './load.mjs';

/** The most that a probability may be off. */
const PRECISION = 1e-5;

/** The same where the page has weights of 16 or 8 bits. */
const ROUNDED = 0.1;

/** How many words are drawn: to find wishes by, as they come, and by wishes. Counts and n-grams compute the same as
 * the program to the last bit. */
const EXACT = { first: 200, drawn: 5000, wished: 500 },
  NETWORK = { first: 10, drawn: 50, wished: 20 };

/** The page that is compared. */
let context = null;

const { values, positionals } = options(process.argv.slice(2));
const [program, ...paths] = positionals;
const page = load(),
  checks = new Checks(),
  seen = new Set();
const check = (what, isGood, detail) => checks.check(what, isGood, detail);

function options(given) {
  const values = { kinds: '' },
    positionals = [];
  while (given.length) {
    const next = given.shift();
    if (next === '--kinds') values.kinds = given.shift();
    else positionals.push(next);
  }
  return { values, positionals };
}

/** What the program prints, while the page computes the same; that it gives up after some words is no fault. */
function run(command) {
  const given = ['-c', command.replace(/^makemore-tch/, '"$0"'), program];
  return new Promise((resolve, reject) => {
    execFile('bash', given, { maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const isFault = error && !/gave up|the probability 0|no word of these/.test(stderr);
      if (isFault) reject(new Error(`${command}: ${stderr}`));
      else resolve(stdout);
    });
  });
}

/** Words to score: drawn ones, known ones, one of any characters, and one longer than any block. */
function wordsToScore(model, entry) {
  const { itos, known } = context,
    v = itos.length;
  const random = new page.Random(11n),
    any = (n) => Array.from({ length: n }, () => itos[1 + Math.floor(random.uniform() * (v - 1))]);
  const drawn = [...draw(model, entry, settingsOf()[0], 8)];
  const sometimes = known?.words ? known.words.filter((_, i) => i % Math.ceil(known.words.length / 4) === 0) : [];
  const words = new Set([...drawn, ...sometimes, any(5).join(''), any(40).join(''), itos[1]]);
  // A list may have characters that the models do not know.
  return [...words].filter((word) => word && page.encoded(word, context.stoi).unknown === null);
}

async function scores(entry, dataArguments, words) {
  const given = entry.arguments.replace('--order 2', ''),
    data = entry.needsData ? dataArguments : '';
  const printed = await run(`makemore-tch score --json ${given} ${data} -- ${words.map(page.quoted).join(' ')}`);
  return JSON.parse(printed).words.map(({ bigrams }) => bigrams.map(({ probability }) => probability));
}

/** The three settings, of which the last asks for words that are as rare as can be in counts and n-grams, and that
 * have some wishes in common with a usual word in networks, which draw until they come. */
function settingsOf(usual = '', rare = '') {
  const plain = {
    seed: 420n,
    temperature: 1,
    begins: '',
    ends: '',
    contains: '',
    without: '',
    least: 0,
    most: null,
    isNew: false,
    isUnique: false,
  };
  const common = [...usual],
    of = [...rare];
  const missing = context.itos.slice(1).find((character) => !common.includes(character)) ?? '';
  const wishes = of.length
    ? { begins: of[0], contains: of.slice(1, 3).join(''), ends: of.slice(-2).join('') }
    : { begins: common[0] ?? '', contains: common.slice(1, 2).join(''), without: missing };
  return [
    { ...plain, what: 'as it is' },
    {
      ...plain,
      what: 'cooler, new, once',
      seed: 2n ** 64n - 1n,
      temperature: 0.7,
      begins: common[0] ?? '',
      isNew: true,
      isUnique: true,
    },
    {
      ...plain,
      what: 'many wishes',
      seed: 7n,
      temperature: 1.3,
      ...wishes,
      least: 2,
      most: Math.max(of.length, 7) + 3,
    },
  ];
}

/** The words that the page draws. */
function* draw(model, entry, wanted, many) {
  const { stoi, itos, data, known } = context;
  const wishes = page.wishesOf(wanted, stoi, page.formOf(wanted, entry, data));
  const sampler = new page.Sampler(model, { ...wanted, wishes });
  const textOf = (indices) => indices.map((index) => itos[index]).join('');
  const isKnown = wanted.isNew ? (indices) => known.has(textOf(indices)) : null;
  const words = page.constrained(sampler, { isKnown, isUnique: wanted.isUnique });
  for (let found = 0; found < many;) {
    const { value, done } = words.next();
    if (done) return;
    if (!value) continue;
    found++;
    yield textOf(value.indices);
  }
}

/** Whether a model computes as the program does, to the last bit. */
const isExact = ({ kind }) => ['counts', 'ngram'].includes(kind);

async function compareScores(model, entry, data) {
  // Without a file, only counted pairs can be scored.
  if (!entry.arguments.includes('--model') && entry.kind !== 'counts') return;
  const words = wordsToScore(model, entry);
  const scored = scores(entry, data.dataArguments, words);
  const ours = words.map((word) => {
    const { indices } = page.encoded(word, context.stoi);
    return model.along(indices).map((state, at) => state.p[indices[at] ?? 0]);
  });
  const theirs = await scored;
  let off = 0,
    worst = '';
  words.forEach((word, i) => {
    ours[i].forEach((p, at) => {
      const own = Math.abs(p - theirs[i][at]);
      if (!(own <= off)) [off, worst] = [own, word];
    });
  });
  check(
    `${entry.label}: the probabilities of score`,
    off < (data.weights === 'f32' ? PRECISION : ROUNDED),
    `off by ${off.toExponential(1)} in ${worst}`,
  );
}

async function compareDraws(model, entry, data) {
  // Rounded weights draw other words now and then.
  if (data.weights !== 'f32' && entry.kind !== 'counts') return;
  const numbers = isExact(entry) ? EXACT : NETWORK;
  const first = [...draw(model, entry, settingsOf()[0], numbers.first)].filter((word) => [...word].length > 2);
  const settings = settingsOf(first[0], isExact(entry) ? rarestOf(model, first) : '');
  // The program draws while the page does.
  const runs = settings.map((wanted) => {
    // A Bloom filter takes some new words for known ones.
    if (!context.known?.words) wanted.isNew = false;
    const many = wanted.what === 'many wishes' ? numbers.wished : numbers.drawn;
    const command = page.commandOf(wanted, entry, data.dataArguments, many);
    return { wanted, many, command, printed: run(command) };
  });
  let others = 0;
  for (const { wanted, many, command, printed } of runs) {
    const begin = performance.now(),
      ours = [...draw(model, entry, wanted, many)],
      ms = performance.now() - begin;
    const theirs = (await printed).split('\n').slice(0, -1);
    const other = theirs.findIndex((word, i) => word !== ours[i]);
    const isSame = other < 0 && ours.length === theirs.length;
    const speed = `${ours.length} words, ${Math.round((1000 * ours.length) / ms).toLocaleString('en')} a second`;
    // A number that falls on a limit which was rounded another way changes all words after it.
    if (!isSame && !isExact(entry) && ++others === 1 && ours.length) {
      console.log(`note ${entry.label}, ${wanted.what}: other words from number ${other} on`);
      continue;
    }
    const difference = `word ${other}: ${ours[other]} for ${theirs[other]}; ${ours.length} for ${theirs.length}`;
    check(
      `${entry.label}, ${wanted.what}: the words of the command`,
      isSame && (ours.length > 0 || wanted.what !== 'as it is'),
      isSame ? speed : `${difference}: ${command}`,
    );
  }
}

/** The least probable word of those that are not long. */
function rarestOf(model, words) {
  const { stoi } = context,
    ln = (word) => page.lnOf(model, page.encoded(word, stoi).indices);
  return words.filter((word) => [...word].length < 8).sort((one, other) => ln(one) - ln(other))[0];
}

async function comparePage(path) {
  const read = readPage(path),
    { data } = read;
  check(
    `${path} has the files as they are`,
    FILES.every(read.hasFile),
    FILES.filter((file) => !read.hasFile(file)).join(),
  );
  const tensors = async ({ blob, parts }) => page.tensorsOf(parts, await page.unpacked(read.blob(blob)));
  const itos = Array.from(data.vocabulary),
    stoi = new Map(itos.map((c, i) => [c, i]));
  let known = null;
  if (data.known) {
    const parts = await tensors(data.known);
    known = data.known.kind === 'bloom' ? new page.Bloom(parts, data.known.hashes) : returned(page.Known.of(parts));
  }
  context = { data, itos, stoi, known };
  const made = [];
  for (const entry of data.models) {
    const model = page.modelOf(itos.length, entry, await tensors(entry));
    made.push({ entry, model });
    await compareScores(model, entry, data);
    // What is drawn by one network of a kind follows from the probabilities of another as well.
    if (isExact(entry) || !seen.has(entry.kind)) await compareDraws(model, entry, data);
    seen.add(entry.kind);
  }
  if (!data.mixture) return;
  const mixed = data.mixture.models.map(({ model }) => made[model]);
  const weights = data.mixture.models.map(({ weight }) => Number(weight.toFixed(4)));
  const mixture = new page.Mixture(
    mixed.map(({ model }) => model),
    weights,
  );
  const given = page.mixtureOf(
    mixed.map(({ entry }) => entry),
    weights,
  );
  const entry = { label: 'the mixture', kind: 'mixture', ...given };
  await compareScores(mixture, entry, data);
  await compareDraws(mixture, entry, data);
}

for (const path of paths) await comparePage(path);
for (const kind of values.kinds.split(',').filter(Boolean)) {
  check(`the kind ${kind} is in models.js`, Object.hasOwn(page.KINDS, kind));
  check(`the kind ${kind} is in one of the pages`, seen.has(kind));
}
checks.end();
