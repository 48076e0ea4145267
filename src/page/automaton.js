// Wishes for words as a deterministic finite automaton over the characters of the vocabulary. A state from which no
// wanted word can be reached is dead, so that a draw is given up as soon as it is hopeless.
//
// Source: src/models/automaton.rs, whose states these are, one for one.

/** The state from which no wanted word can be reached. */
const DEAD = 0;

/** The most transitions, and the most states. */
const MOST_TRANSITIONS = 1 << 24,
  MOST_STATES = 1 << 20;

/** Wishes that no word can meet. */
class WishError extends Error {}

/** Whether only the beginning is asked for, which needs no automaton. */
function isPrefixAlone({ suffix, contains, without, least, most }) {
  return !suffix.length && !contains.length && !without.size && least === 0 && most === null;
}

/** The most characters of a word: without a wish, twice as many as the longest word that the model knows has, and at
 * least 100. Source: src/models/constraint.rs, `WordConstraint::longest`. */
function longestOf({ prefix, least, most }, longestWord) {
  return most ?? 2 * Math.max(longestWord ?? 0, least, prefix.length, 50);
}

/** Numbers of one type, as many as are pushed. */
class Numbers {
  constructor(Type) {
    this.all = new Type(1024);
    this.length = 0;
  }

  push(number) {
    if (this.length === this.all.length) {
      const longer = new this.all.constructor(2 * this.length);
      longer.set(this.all);
      this.all = longer;
    }
    this.all[this.length++] = number;
  }

  /** What was pushed. */
  get pushed() {
    return this.all.subarray(0, this.length);
  }
}

/** A pattern that words are searched for, by Knuth, Morris and Pratt: `failures[n]` is how much of it its first `n`
 * characters end in, themselves aside. */
class Search {
  constructor(pattern) {
    this.pattern = pattern;
    this.failures = [0, 0];
    for (let n = 1; n < pattern.length; n++) this.failures.push(this.after(this.failures[n], pattern[n]));
  }

  /** How much of the pattern a word ends in, if before its last character it ended in `state` of it. */
  after(state, index) {
    while (this.pattern[state] !== index) {
      if (state === 0) return 0;
      state = this.failures[state];
    }
    return state + 1;
  }
}

/** The transitions, or the states, that are looked at before the page may breathe. */
const STEPS_AT_ONCE = 1 << 13;

/** The automaton that accepts the words which meet some wishes. */
class Automaton {
  constructor(wishes) {
    Object.assign(this, wishes);
    this.start = 1;
    this.ends = new Search(this.suffix);
    this.searches = this.contains.map((pattern) => new Search(pattern));
  }

  /** Makes one. `wishes` has indices: `prefix`, `suffix`, `contains` (several), `without` (a set), and the lengths
   * `least` and `most`, which may be null. Yields now and then, so that the page can breathe. */
  static *of(wishes, v) {
    const made = new Automaton(wishes);
    made.classify(v);
    yield* made.explore();
    yield* made.prune();
    if (made.start === DEAD) throw new WishError('no word of these characters can meet all wishes');
    return made;
  }

  /** Characters that no wish tells apart are of one class; those that no word may have are of the class 0. */
  classify(v) {
    const named = new Set([...this.prefix, ...this.suffix, ...this.contains.flat()]),
      numbers = new Map();
    this.classes = new Uint32Array(v);
    this.examples = [0];
    for (let index = 1; index < v; index++) {
      if (this.without.has(index)) continue;
      const name = named.has(index) ? index : 0;
      if (!numbers.has(name)) numbers.set(name, this.examples.push(index) - 1);
      this.classes[index] = numbers.get(name);
    }
    this.width = this.examples.length;
  }

  /** The states of all wishes after a character, as [length, prefix, suffix, contained, …]; null if one of them is
   * hopeless. */
  together([length, prefix, suffix, ...contained], index) {
    if (this.most !== null && length >= this.most) return null;
    if (prefix < this.prefix.length && this.prefix[prefix++] !== index) return null;
    return [
      Math.min(length + 1, this.most ?? this.least),
      prefix,
      this.ends.after(suffix, index),
      ...contained.map((state, i) => {
        const search = this.searches[i];
        return state < search.pattern.length ? search.after(state, index) : state;
      }),
    ];
  }

  isAccepted([length, prefix, suffix, ...contained]) {
    return (
      length >= this.least &&
      prefix === this.prefix.length &&
      suffix === this.suffix.length &&
      contained.every((state, i) => state === this.contains[i].length)
    );
  }

  /** Finds all states that words can reach. */
  *explore() {
    const first = [0, 0, 0, ...this.contains.map(() => 0)],
      states = [first];
    const numbers = new Map([[first.join(), 1]]);
    const next = new Numbers(Uint32Array),
      accepts = new Numbers(Uint8Array);
    // The first row is that of the dead state.
    for (let i = 0; i < this.width; i++) next.push(DEAD);
    accepts.push(0);
    for (let done = 0; done < states.length; done++) {
      accepts.push(this.isAccepted(states[done]) ? 1 : 0);
      next.push(DEAD);
      for (let of = 1; of < this.width; of++) {
        const to = this.together(states[done], this.examples[of]),
          key = to?.join();
        if (to && !numbers.has(key)) numbers.set(key, states.push(to));
        next.push(to ? numbers.get(key) : DEAD);
      }
      states[done] = null;
      if (next.length > MOST_TRANSITIONS || states.length > MOST_STATES) {
        throw new WishError('these wishes together take too much memory; fewer or shorter ones would work');
      }
      if (next.length % STEPS_AT_ONCE < this.width) yield;
    }
    this.next = next.pushed.slice();
    this.accepting = accepts.pushed.slice();
  }

  /** Makes states from which no accepting one can be reached dead. */
  *prune() {
    const { next, width } = this,
      alive = this.accepting.slice();
    // The ways to a state are those from `ends[state]` to `ends[state + 1]`.
    const ends = new Uint32Array(alive.length + 2),
      ways = new Uint32Array(next.length);
    for (const to of next) ends[to + 2]++;
    for (let state = 2; state < ends.length; state++) ends[state] += ends[state - 1];
    yield;
    for (let way = 0; way < next.length; way++) ways[ends[next[way] + 1]++] = way;
    yield;
    const waiting = new Numbers(Uint32Array);
    alive.forEach((isAlive, state) => isAlive && waiting.push(state));
    for (let done = 0; done < waiting.length; done++) {
      const to = waiting.all[done];
      for (let at = ends[to]; at < ends[to + 1]; at++) {
        const state = Math.floor(ways[at] / width);
        if (alive[state]) continue;
        alive[state] = 1;
        waiting.push(state);
      }
      if (done % STEPS_AT_ONCE === STEPS_AT_ONCE - 1) yield;
    }
    for (let way = 0; way < next.length; way++) if (!alive[next[way]]) next[way] = DEAD;
    if (!alive[this.start]) this.start = DEAD;
  }

  /** The state after a state and the character of an index above 0. */
  step(state, index) {
    return this.next[state * this.width + this.classes[index]];
  }

  /** Whether a word may end in a state. */
  accepts(state) {
    return this.accepting[state] === 1;
  }
}

/** Bounds of words without an automaton: all are wanted. */
const ANY_WORD = { start: DEAD + 1, step: (state) => state, accepts: () => true };
