// Drawing words, in the order of `makemore-tch sample --plain`.
//
// Source: src/models/draw.rs, src/models/rounds.rs, src/sample/.

/** What comes of a draw. */
const WORD = 'word',
  UNWANTED = 'unwanted',
  TOO_LONG = 'too long',
  NOTHING_FOLLOWS = 'nothing follows';

/** Draws in a row in vain before counts and n-grams are drawn directly, and before the drawing ends. */
const IN_VAIN = 1000,
  MOST_IN_VAIN = 10000;

/** The words of the first round; each has twice as many as the one before, up to the most. */
const FIRST_ROUND = 16;

/** The most probabilities of a step of a round. */
const MOST_PROBABILITIES = 1 << 22;

/** A distribution at a temperature. Source: src/models/draw.rs, `at_temperature`. */
function shaped(p, temperature) {
  if (temperature === 1) return p;
  if (temperature === 0) {
    const one = new Float32Array(p.length);
    let largest = 0;
    for (let i = 1; i < p.length; i++) if (p[i] > p[largest]) largest = i;
    if (p[largest] > 0) one[largest] = 1;
    return one;
  }
  const logits = new Float64Array(p.length),
    result = new Float32Array(p.length);
  let most = -Infinity,
    sum = 0;
  for (let i = 0; i < p.length; i++) most = Math.max(most, (logits[i] = Math.log(p[i])));
  for (let i = 0; i < p.length; i++)
    sum += logits[i] = Math.exp((logits[i] - most) / Math.max(temperature, LEAST_64));
  for (let i = 0; i < p.length; i++) result[i] = logits[i] / sum || 0;
  return result;
}

/** The cumulative sums that a character is drawn by in a state, each divided by the last; null where nothing can
 * follow. They are kept for the temperature that was asked for last. */
function sumsOf(state, temperature) {
  if (state.drawnAt === temperature) return state.sums;
  const p = shaped(state.p, temperature),
    sums = new Float32Array(p.length);
  let total = 0,
    sum = 0;
  for (const x of p) total = round(total + x);
  for (let i = 0; i < p.length; i++) {
    sum = round(sum + p[i]);
    sums[i] = sum / total;
  }
  state.drawnAt = temperature;
  return (state.sums = total > 0 ? sums : null);
}

/** The first index whose sum is not below a uniform number. */
function choose(sums, uniform) {
  let low = 0,
    high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle] < uniform) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** An endless drawing of words from a model. */
class Sampler {
  /** `wishes` are those of `Automaton`. */
  constructor(model, { seed, temperature, wishes }) {
    Object.assign(this, { model, temperature, wishes, prefix: wishes.prefix });
    this.random = new Random(seed);
    this.longest = longestOf(wishes, model.longestWord);
    this.hasAutomaton = !isPrefixAlone(wishes);
    /** Whether the program may have the memory to draw directly what is drawn by trial here. */
    this.mayDiffer = false;
    /** The draws that were dropped as too long. */
    this.tooLong = 0;
    /** How the first word was drawn, character by character: sums, uniform number and index. */
    this.trace = null;
  }

  /** Gives words, `{ indices, ln }` with the logarithm of their probability, for ever; undefined where it takes
   * longer, so that the page can breathe. Returns why there are no more. Throws a `WishError` if no word can meet
   * the wishes. */
  *words() {
    this.automaton = this.hasAutomaton ? yield* Automaton.of(this.wishes, this.model.v) : ANY_WORD;
    this.wish = this.prefix.reduce((state, index) => this.automaton.step(state, index), this.automaton.start);
    let draws = this.drawer(),
      conditional = null,
      inVain = 0;
    for (;;) {
      if (inVain === IN_VAIN && !conditional && this.hasAutomaton && this.model.hasContexts) {
        conditional = yield* Conditional.of(this.model, this.automaton, this.temperature);
        this.mayDiffer = conditional === false;
        if (conditional && !(conditional.probability > 0))
          return 'The model gives every such word the probability 0.';
        if (conditional) draws = this.directly(conditional);
        else conditional = true; // It takes too much memory, and is not tried again.
      }
      if (inVain === MOST_IN_VAIN) return gaveUp();
      const { value: drawn } = draws.next();
      if (!drawn) {
        yield;
        continue;
      }
      if (drawn.outcome === NOTHING_FOLLOWS) return { after: drawn.indices };
      if (drawn.outcome === TOO_LONG) this.tooLong++;
      if (drawn.outcome === WORD && (drawn.indices.length || this.model.drawsEmpty)) {
        this.trace ??= drawn.steps;
        inVain = 0;
        yield drawn;
      } else {
        inVain++;
        yield;
      }
    }
  }

  /** A list for the steps of a draw, as long as no word was found. */
  steps() {
    return this.trace ? undefined : [];
  }

  /** Draws from a state: the index, or -1 where nothing can follow. */
  index(state, steps) {
    const sums = sumsOf(state, this.temperature);
    if (!sums) return -1;
    const uniform = this.random.uniform(),
      index = choose(sums, uniform);
    steps?.push({ sums, uniform, index });
    return index;
  }

  /** The state after the prefix, and the logarithm of its probability. */
  begin() {
    const states = this.model.along(this.prefix);
    const ln = this.prefix.reduce((ln, index, i) => ln + Math.log(states[i].p[index]), 0);
    return { state: states.at(-1), ln };
  }

  /** What comes of a character of a word that may go on: an outcome, or the automaton's next state. */
  judge(index, wish, length) {
    if (index < 0) return NOTHING_FOLLOWS;
    if (index === 0) return this.automaton.accepts(wish) ? WORD : UNWANTED;
    const next = this.automaton.step(wish, index);
    if (next === DEAD) return UNWANTED;
    return length === this.longest ? TOO_LONG : next;
  }

  /** Counts, n-grams and the lecture's network draw a word at a time, other networks in rounds. */
  drawer() {
    return this.model.mostWords == null ? this.oneByOne() : this.inRounds();
  }

  *oneByOne() {
    const begin = this.begin();
    for (;;) {
      const drawn = { indices: [...this.prefix], ln: begin.ln, steps: this.steps() };
      for (let { state } = begin, { wish } = this; !drawn.outcome;) {
        const index = this.index(state, drawn.steps),
          next = this.judge(index, wish, drawn.indices.length);
        if (index >= 0) drawn.ln += Math.log(state.p[index]);
        if (typeof next === 'string') drawn.outcome = next;
        else {
          drawn.indices.push(index);
          state = this.model.after(state, index);
          wish = next;
        }
      }
      yield drawn;
    }
  }

  /** Draws words side by side, as src/models/rounds.rs does. */
  *inRounds() {
    const begin = this.begin();
    const most = Math.min(this.model.mostWords, MOST_WORDS, Math.floor(MOST_PROBABILITIES / this.model.v));
    for (let size = Math.min(FIRST_ROUND, most); ; size = Math.min(2 * size, most)) {
      const round = Array.from({ length: size }, () => ({
        indices: [...this.prefix],
        ln: begin.ln,
        steps: this.steps(),
        state: begin.state,
        wish: this.wish,
      }));
      for (let open = round; open.length;) {
        open = open.filter((word) => {
          const index = this.index(word.state, word.steps),
            next = this.judge(index, word.wish, word.indices.length);
          if (index >= 0) word.ln += Math.log(word.state.p[index]);
          if (typeof next === 'string') word.outcome = next;
          else {
            word.indices.push(index);
            word.wish = next;
          }
          return !word.outcome;
        });
        yield* this.advance(open);
      }
      yield* round;
    }
  }

  /** Reads the last character of each word; words that are alike so far share their states. */
  *advance(open) {
    const states = new Map();
    for (const word of open) {
      const index = word.indices.at(-1);
      if (!states.has(word.state)) states.set(word.state, new Map());
      const after = states.get(word.state);
      if (!after.has(index)) {
        after.set(index, this.model.after(word.state, index));
        yield;
      }
      word.state = after.get(index);
    }
  }

  /** Draws words that meet the wishes directly. */
  *directly(conditional) {
    for (;;) {
      const steps = this.steps();
      // They begin with the prefix, which other draws are given.
      if (steps) steps.isDirect = true;
      const drawn = { ...conditional.draw(this.longest, this.random, this.model.v, steps), steps };
      if (drawn.outcome === WORD) drawn.ln = lnOf(this.model, drawn.indices);
      yield drawn;
    }
  }
}

/** The logarithm of the probability of a word. */
function lnOf(model, indices) {
  return model.along(indices).reduce((ln, state, i) => ln + Math.log(state.p[indices[i] ?? 0]), 0);
}

const gaveUp = () => 'Then 10,000 draws in a row were in vain.';

/** The words of a sampler that are new to a list and come only once, if that is wanted. `isKnown(indices)` tells
 * whether the list has a word; null if it may. Source: src/sample/constrained.rs. */
function* constrained(sampler, { isKnown, isUnique }) {
  const words = sampler.words(),
    given = new Set();
  // The program looks words up in the list in batches, and between those it may give up.
  let inVain = 0,
    batch = isKnown ? 16 : 1,
    left = batch;
  for (;;) {
    const { value: word, done } = words.next();
    if (done) return word;
    if (!word) {
      yield;
      continue;
    }
    const key = isUnique ? word.indices.join() : null;
    const isWanted = !(isKnown && (!word.indices.length || isKnown(word.indices))) && !given.has(key);
    if (isWanted) {
      if (isUnique) given.add(key);
      inVain = 0;
      yield word;
    } else {
      inVain++;
      yield;
    }
    if (--left) continue;
    if (inVain >= MOST_IN_VAIN) return gaveUp();
    if (isKnown) batch = Math.min(2 * batch, 1 << 16);
    left = batch;
  }
}
