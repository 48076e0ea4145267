// Wishes against plain definitions, for units.mjs.

import { returned } from './load.mjs';

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
export function automaton({ Random, Automaton, WishError }, check) {
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
      made = returned(Automaton.of(wishes, v));
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

/** The longest work of a generator without a pause, in milliseconds, and how many pauses there are. */
function pausesOf(generator) {
  let longest = 0,
    pauses = 0,
    begin = performance.now();
  const value = returned(generator, () => {
    longest = Math.max(longest, performance.now() - begin);
    pauses++;
    begin = performance.now();
  });
  return { value, longest: Math.max(longest, performance.now() - begin), pauses };
}

/** A slice may take this long, in milliseconds, on a busy machine. */
const SLICE = 500;

/** Wishes of long texts and many lengths. */
export function longWishes(page, check) {
  const { Automaton, Search, FieldError, wishesOf } = page;
  const pattern = [1, 1, 2, 1, 1, 1, 2, 1, 1, 2],
    search = new Search(pattern);
  const random = new page.Random(2n);
  const word = Array.from({ length: 3000 }, () => (random.uniform() < 0.7 ? 1 : 2));
  const plain = (at) => pattern.findLastIndex((_, n) => n <= at && hasAt(word, pattern.slice(0, n + 1), at - n)) + 1;
  let state = 0;
  const wrong = word.findIndex((index, at) => (state = search.after(state, index)) !== plain(at));
  check('a pattern is searched for as its definition says', wrong < 0, wrong);

  const texts = { suffix: Array(20).fill(1), contains: [Array.from({ length: 20 }, (_, i) => 1 + (i % 3))] };
  const wishes = { prefix: [], without: new Set(), least: 1000, most: null, ...texts };
  const { value, longest, pauses } = pausesOf(Automaton.of(wishes, 28));
  check(
    'a large automaton is made in slices',
    value.accepting.length > 50000 && pauses > 20 && longest < SLICE,
    `${value.accepting.length} states, ${pauses} slices of at most ${Math.round(longest)} ms`,
  );
  const stoi = new Map([
    ['.', 0],
    ['a', 1],
  ]);
  const fields = { begins: '', ends: '', contains: '', without: '', least: 0, most: null };
  const refused = ['begins', 'ends', 'contains'].filter((field) => {
    try {
      wishesOf({ ...fields, [field]: 'a'.repeat(101) }, stoi, null);
    } catch (error) {
      return error instanceof FieldError && error.message.includes('at most 100 characters');
    }
  });
  const kept = wishesOf({ ...fields, contains: 'a'.repeat(100), without: 'b'.repeat(500) }, stoi, null);
  check('wishes of more than 100 characters are refused', refused.length === 3, refused.join());
  check('those of 100 are not', kept.contains[0].length === 100);
}

/** A table of counts of a vocabulary of `v` characters, whose words are short. */
function tableOf(page, v) {
  const counts = Uint16Array.from({ length: v * v }, (_, i) => (i % v ? (i * 7919) % 5 : 9999));
  return Object.assign(page.Table.ofCounts(v, counts, 1), { hasContexts: true, mostWords: null });
}

/** Words of many characters that meet wishes. */
export function directDraws(page, check) {
  const wishes = { prefix: [], suffix: [1, 2], contains: [], without: new Set(), least: 0, most: null },
    v = 600;
  const automaton = returned(page.Automaton.of(wishes, v));
  let steps = 0,
    most = 0,
    pauses = 0;
  const counted = {
    start: automaton.start,
    accepts: (state) => automaton.accepts(state),
    step: (...given) => (steps++, automaton.step(...given)),
  };
  const made = returned(page.Conditional.of(tableOf(page, v), counted, 1), () => {
    most = Math.max(most, steps);
    steps = 0;
    pauses++;
  });
  check('words that meet wishes are possible', made.probability > 0, made.probability);
  check(
    'words of many characters are prepared in slices',
    most > 0 && most < 2 ** 17 && pauses > 40,
    `${pauses} slices of at most ${most} steps`,
  );
  // The contexts after each of 5,000 characters have rows of as many numbers.
  const many = 5000,
    model = tableOf(page, 2),
    p = Float32Array.from({ length: many }, (_, index) => (index ? 1 / (many - 1) : 0));
  const states = Array.from({ length: many }, (_, index) => ({ index, p }));
  Object.assign(model, { v: many, states });
  const short = { ...wishes, suffix: [], least: 1, most: 1 };
  const wide = returned(page.Automaton.of(short, many));
  check('rows that take too much memory are not made', returned(page.Conditional.of(model, wide, 1)) === false);
  const sampler = new page.Sampler(model, { seed: 1n, temperature: 1, wishes: short });
  for (const words = sampler.words(); !sampler.mayDiffer && !words.next().done;);
  check('that the program may draw others is told', sampler.mayDiffer);
}
