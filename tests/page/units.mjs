// The page's own parts against plain definitions: node tests/page/units.mjs

import { deflateSync } from 'node:zlib';
import { Checks, load, returned } from './load.mjs';
import * as wishes from './wishes.mjs';

const page = load({ further: ['pictures.js'] }),
  checks = new Checks();
const { Random, Known, Bloom } = page;
const check = (what, isGood, detail) => checks.check(what, isGood, detail);

/** Source: the C++ standard, [rand.predef]: the 10,000th number of the default seed. */
function generator() {
  const random = new Random(5489n);
  let last = 0;
  for (let i = 0; i < 10000; i++) last = random.word();
  check('the generator is the Mersenne Twister', last === 4123659995, last);
  const uniforms = Array.from(
    { length: 1000 },
    (
      (random) => () =>
        random.uniform()
    )(new Random(7n)),
  );
  check(
    'uniform numbers are from 0 to below 1',
    uniforms.every((x) => x >= 0 && x < 1),
  );
}

function shaping() {
  const { shaped } = page,
    p = Float32Array.of(0.2, 0.4, 0.4);
  check('at temperature 0 the first of the most probable is left', [...shaped(p, 0)].join() === '0,1,0');
  check('at temperature 1 nothing changes', shaped(p, 1) === p);
  check(
    'nothing comes of nothing',
    [0, 0.5, 1e300].every((t) => shaped(new Float32Array(3), t).every((x) => x === 0)),
  );
  check('a low temperature sharpens', shaped(Float32Array.of(0.5, 0.3, 0.2), 1e-320)[0] === 1);
}

function products() {
  const slow = load({ hasWebAssembly: false }),
    random = new Random(3n);
  const numbers = (n) => Float32Array.from({ length: n }, () => random.uniform() - 0.5);
  const weight = numbers(40 * 70),
    bias = numbers(40),
    x = numbers(29);
  const [one, other] = [page, slow].map(({ linear }) => linear(weight, bias, x, 40, 70, 30));
  const exact = Float64Array.from(bias, (b, o) => x.reduce((sum, y, i) => sum + y * weight[o * 70 + 30 + i], b));
  const off = (out) => Math.max(...out.map((y, o) => Math.abs(y - exact[o])));
  check('WebAssembly runs here, and not where it is missing', page.fast !== null && slow.fast === null);
  check(
    'products are the same with WebAssembly and without',
    off(one) < 1e-6 && off(other) < 1e-6,
    `${off(one)} ${off(other)}`,
  );
}

/** A list as the page has it. */
function packed(words) {
  const shared = [],
    rests = [];
  let before = [];
  for (const word of words.map((word) => [...word])) {
    let same = 0;
    while (same < Math.min(word.length, 255) && word[same] === before[same]) same++;
    shared.push(same);
    rests.push(word.slice(same).join(''));
    before = word;
  }
  return { shared: Uint8Array.from(shared), rests: new TextEncoder().encode(rests.join('\n')) };
}

function lists() {
  const words = ['a', 'ab', 'abc', '\u{1d4d0}b', '\u{1d4d0}bc', '\ufeffx'],
    known = returned(Known.of(packed(words)));
  check('a list is unpacked as it was', known.words.join('|') === words.join('|'), known.words.join('|'));
  check('its words are known and others are not', words.every((word) => known.has(word)) && !known.has('b'));
  const closest = (word, count) => returned(known.closest(word, count)).join();
  check(
    'the closest words come first',
    closest('abd', 2) === 'ab,abc' && closest('xyz', 4) === '',
    closest('abd', 2),
  );
  const bits = new Uint8Array(64),
    bloom = new Bloom({ bits }, 8);
  for (const word of words) {
    const [one, other] = page.hashesOf(word);
    for (let i = 0; i < 8; i++) {
      const bit = ((one + Math.imul(i, other)) >>> 0) % 512;
      bits[bit >> 3] |= 1 << (bit & 7);
    }
  }
  const many = Array.from({ length: 40000 }, (_, i) => String(i).padStart(5, '0'));
  let slices = 0;
  const long = returned(Known.of(packed(many)), () => slices++);
  check(
    'a long list is unpacked in slices',
    long.words.join() === many.join() && long.set.size === many.length && slices > 3,
    `${slices} slices`,
  );
  check('a Bloom filter has its words', words.every((word) => bloom.has(word)) && !bloom.has('zebra'));
}

/** Levenshtein's distance by its definition. */
function plainDistance(one, other) {
  if (!one || !other) return one.length + other.length;
  const [a, b] = [one.slice(1), other.slice(1)];
  if (one[0] === other[0]) return plainDistance(a, b);
  return 1 + Math.min(plainDistance(a, other), plainDistance(one, b), plainDistance(a, b));
}

function distances() {
  const random = new Random(5n),
    word = () =>
      Array.from({ length: Math.floor(6 * random.uniform()) }, () => 'abc'[Math.floor(3 * random.uniform())]).join(
        '',
      );
  const pairs = Array.from({ length: 2000 }, () => [word(), word()]);
  const wrong = pairs.filter(
    ([one, other]) => page.distance(one, other, 2) !== Math.min(plainDistance(one, other), 3),
  );
  check('distances of words are those of their definition', wrong.length === 0, wrong[0]?.join());
}

async function tensors() {
  const planes = (bytes, size) => {
    const all = new Uint8Array(bytes),
      n = all.length / size;
    return Array.from({ length: all.length }, (_, i) => all[(i % n) * size + Math.floor(i / n)]);
  };
  const floats = Float32Array.of(1.5, -2e-9, 3e38),
    halves = Uint16Array.of(0x3c00, 0xc000, 0x0001);
  const scales = Float32Array.of(0.5, 2),
    rounded = Int8Array.of(2, -4, 1, 127);
  const bytes = [
    ...planes(floats.buffer, 4),
    ...planes(halves.buffer, 2),
    ...planes(scales.buffer, 4),
    ...planes(rounded.buffer, 1),
  ];
  const parts = [
    { name: 'a', dtype: 'f32', shape: [3] },
    { name: 'b', dtype: 'f16', shape: [3] },
    { name: 'c', dtype: 'i8', shape: [2, 2] },
  ];
  const text = deflateSync(Uint8Array.from(bytes)).toString('base64');
  const { a, b, c } = page.tensorsOf(parts, await page.unpacked(`\n${text}\n`));
  check(
    'tensors are unpacked as they were',
    [...a, ...b, ...c].join() === [...floats, 1, -2, 2 ** -24, 1, -2, 2, 254].join(),
  );
}

function texts() {
  const { quoted, visible, asInList } = page;
  check('plain words need no quotes', quoted('anna-lisa') === 'anna-lisa');
  check('quotes are quoted', quoted("d'a $(x)") === `'d'\\''a $(x)'`);
  check(
    'what is not seen is written as bytes',
    quoted("a\u202e'") === `$'a\\xe2\\x80\\xae\\x27'`,
    quoted("a\u202e'"),
  );
  check('what is not seen is shown', visible('a\u202eb\u0000\u2028') === 'aU+202EbU+0000U+2028', visible('a\u202eb'));
  check('joiners of scripts stay', visible('\u0645\u200c\u0645') === '\u0645\u200c\u0645');
  const list = { lowercase: true, normalization: 'nfc' };
  check('a wish is changed as the list was', asInList('Zoe\u0308', list) === 'zoë' && asInList('Z', null) === 'Z');
}

/** A wish as the form has it. */
const PLAIN = { seed: 1n, temperature: 1, least: 0, most: null, isNew: false, isUnique: false };

/** Models whose lists had their words in other forms, of which the second needs the list of the page. */
const LOWER = { arguments: '--model a.st', needsData: false, lowercase: true, normalization: 'nfc' },
  OTHER = { arguments: '--model b.st', needsData: true, lowercase: false, normalization: null };

function commands() {
  const { mixtureOf, commandOf, formOf } = page,
    list = { lowercase: false, normalization: 'nfd' },
    data = { list, dataArguments: '--data x.txt' };
  const command = (entry) => commandOf(PLAIN, entry, data.dataArguments, 2);
  check(
    'the command of a mixture reads the list if one of its models needs it',
    command(mixtureOf([LOWER, OTHER], [0.5, 0.25])) ===
      'makemore-tch sample --plain -n 2 --seed 1 --model a.st --model b.st --weights 0.5,0.25 --data x.txt',
    command(mixtureOf([LOWER, OTHER], [0.5, 0.25])),
  );
  check(
    'that of others does not',
    !command(mixtureOf([LOWER, LOWER], [1, 1])).includes('--data'),
    command(mixtureOf([LOWER, LOWER], [1, 1])),
  );
  const form = (entry, isNew, of = data) => formOf({ isNew }, entry, of);
  check('wishes have the form of the list that the model was made of', form(LOWER, false) === LOWER);
  check('where the list is read they have its form', form(LOWER, true) === list && form(OTHER, false) === list);
  check('a list that is not named is that of the model', form(LOWER, true, { list, dataArguments: '' }) === LOWER);
  const mixture = mixtureOf([LOWER, { ...OTHER, needsData: false }], [1, 1]);
  check('wishes for a mixture have the form of its first model', page.asInList('A', form(mixture, false)) === 'a');
  const { isFromInput } = page;
  check(
    'a list of standard input is told',
    isFromInput('--data -') &&
      isFromInput('--data a.txt - --lowercase') &&
      !isFromInput('--data ./-b --boundary -') &&
      !isFromInput('--data -b'),
  );
}

function numbersOfData() {
  const { weightsOf, lossOf, rankOf, limitsOf, ticksOf } = page;
  check('weights of an address are read', weightsOf('0.5,0', 2)?.join() === '0.5,0');
  const wrong = ['1e999,1', '1e308,1e308', '1', '1,2,3', '-1,2', '0,0', 'a,1', '', null];
  const taken = wrong.filter((text) => weightsOf(text, 2));
  check('what are no weights is left aside', taken.length === 0, taken.join(' '));
  const tests = ['inf', null, 250, 'inf', 1.5].map((test) => ({ test: lossOf(test) }));
  const sorted = tests.sort((a, b) => rankOf(a) - rankOf(b)).map(({ test }) => test);
  check('infinite losses are sorted last', sorted.join() === '1.5,250,,Infinity,Infinity', sorted.join());
  const { low, high } = limitsOf([9, 9.01, 9.5], 27);
  check('losses above the one of guessing have an axis', low < 9 && high > 9.05 && high < 9.5, `${low} ${high}`);
  const usual = ticksOf(2.05, 3.3);
  check(
    'the lines of an axis are round numbers',
    usual.ticks.map((tick) => tick.toFixed(usual.decimals)).join() === '2.5,3.0',
    usual.ticks.join(),
  );
  const odd = [
    [9, 9.1],
    [-1e300, 3],
    [1e17, 1e17 + 16],
    [1e300, 1e300],
    [NaN, NaN],
  ];
  const most = Math.max(...odd.map((of) => ticksOf(...of).ticks.length));
  check('they are few, whatever the losses are', most <= 8, most);
  const losses = Array(300000).fill(2);
  check('curves may be long', limitsOf(losses, 27).low === 1.95);
}

function unknownKinds() {
  let error = '';
  try {
    page.modelOf(3, { kind: 'mamba', config: {} }, {});
  } catch ({ message }) {
    error = message;
  }
  check('a kind that is not known is named', error.includes('"mamba"'), error);
}

generator();
wishes.automaton(page, check);
wishes.longWishes(page, check);
wishes.directDraws(page, check);
shaping();
products();
lists();
distances();
await tensors();
texts();
commands();
numbersOfData();
unknownKinds();
checks.end();
