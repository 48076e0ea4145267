// The page's own parts against plain definitions: node tests/page/units.mjs

import { deflateSync } from 'node:zlib';
import { Checks, load } from './load.mjs';

const page = load(),
  checks = new Checks();
const { Random, Automaton, WishError, Known, Bloom } = page;
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

/** All words of the indices 1 to `v - 1` with at most `longest` characters. */
function* allWords(v, longest, begin = []) {
  yield begin;
  if (begin.length === longest) return;
  for (let index = 1; index < v; index++) yield* allWords(v, longest, [...begin, index]);
}

const hasAt = (word, part, at) => at >= 0 && part.every((index, i) => word[at + i] === index);

/** Whether a word meets wishes, by what they mean. */
function meets(word, { prefix, suffix, contains, without, least, most }) {
  return (
    word.length >= least &&
    word.length <= (most ?? Infinity) &&
    hasAt(word, prefix, 0) &&
    hasAt(word, suffix, word.length - suffix.length) &&
    !word.some((index) => without.has(index)) &&
    contains.every((part) => word.some((_, at) => at + part.length <= word.length && hasAt(word, part, at)))
  );
}

/** Each word is accepted if it meets the wishes, and its state is dead if nothing that it begins does. */
function automaton() {
  const v = 4,
    longest = 6,
    random = new Random(1n),
    words = [...allWords(v, longest)];
  const below = (n) => Math.floor(random.uniform() * n);
  const some = (most) => Array.from({ length: below(most + 1) }, () => 1 + below(v - 1));
  let wrong = 0,
    impossible = 0,
    first = '';
  for (let i = 0; i < 300; i++) {
    const wishes = {
      prefix: some(2),
      suffix: some(3),
      contains: [some(2), some(2)].filter((part) => part.length),
      without: new Set(below(3) ? [] : some(1)),
      least: below(4),
      most: below(2) ? null : 1 + below(5),
    };
    const wanted = words.filter((word) => meets(word, wishes)),
      begins = new Set();
    for (const word of wanted) for (let n = 0; n <= word.length; n++) begins.add(word.slice(0, n).join());
    let made = null;
    try {
      made = new Automaton(wishes, v);
    } catch (error) {
      if (!(error instanceof WishError)) throw error;
      impossible++;
    }
    // Words of six characters may only be the beginnings of wanted ones.
    for (const word of words.filter((word) => word.length < 5 || wishes.most !== null)) {
      const state = made ? word.reduce((state, index) => (state ? made.step(state, index) : 0), made.start) : 0;
      const isAccepted = state > 0 && made.accepts(state);
      const isLonger = wishes.most === null && state > 0;
      if (isAccepted === meets(word, wishes) && (isLonger || state > 0 === begins.has(word.join()))) continue;
      wrong++;
      first ||= `${word} of ${JSON.stringify({ ...wishes, without: [...wishes.without] })}`;
    }
    if (!made && wanted.length) wrong++;
  }
  check(
    'the automaton accepts the words that meet the wishes, and no others',
    wrong === 0,
    first || `${impossible} impossible`,
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
    known = new Known(packed(words));
  check('a list is unpacked as it was', known.words.join('|') === words.join('|'), known.words.join('|'));
  check('its words are known and others are not', words.every((word) => known.has(word)) && !known.has('b'));
  const closest = (word, count) => {
    const search = known.closest(word, count);
    for (;;) {
      const { value, done } = search.next();
      if (done) return value.join();
    }
  };
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
automaton();
shaping();
products();
lists();
distances();
await tensors();
texts();
unknownKinds();
checks.end();
