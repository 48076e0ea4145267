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

/** How much of a pattern a word ends in, if before its last character it ended in `state` of it. */
function searched(pattern, state, index) {
  const end = [...pattern.slice(0, state), index];
  for (let length = Math.min(end.length, pattern.length); length > 0; length--) {
    const begin = end.length - length;
    if (pattern.slice(0, length).every((wanted, i) => end[begin + i] === wanted)) return length;
  }
  return 0;
}

/** The automaton that accepts the words which meet some wishes. */
class Automaton {
  /** `wishes` has indices: `prefix`, `suffix`, `contains` (several), `without` (a set), and the lengths `least` and
   * `most`, which may be null. */
  constructor(wishes, v) {
    Object.assign(this, wishes);
    this.start = 1;
    this.classify(v);
    this.explore();
    this.prune();
    if (this.start === DEAD) throw new WishError('no word of these characters can meet all wishes');
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
      searched(this.suffix, suffix, index),
      ...contained.map((state, i) => {
        const pattern = this.contains[i];
        return state < pattern.length ? searched(pattern, state, index) : state;
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
  explore() {
    const first = [0, 0, 0, ...this.contains.map(() => 0)],
      states = [first];
    const numbers = new Map([[first.join(), 1]]);
    // The first row is that of the dead state.
    const next = Array(this.width).fill(DEAD),
      accepts = [0];
    for (let done = 0; done < states.length; done++) {
      accepts.push(this.isAccepted(states[done]) ? 1 : 0);
      next.push(DEAD);
      for (const example of this.examples.slice(1)) {
        const to = this.together(states[done], example),
          key = to?.join();
        if (to && !numbers.has(key)) numbers.set(key, states.push(to));
        next.push(to ? numbers.get(key) : DEAD);
      }
      if (next.length > MOST_TRANSITIONS || states.length > MOST_STATES) {
        throw new WishError('these wishes together take too much memory; fewer or shorter ones would work');
      }
    }
    this.next = Uint32Array.from(next);
    this.accepting = Uint8Array.from(accepts);
  }

  /** Makes states from which no accepting one can be reached dead. */
  prune() {
    const before = Array.from(this.accepting, () => []);
    this.next.forEach((to, way) => before[to].push(Math.floor(way / this.width)));
    const alive = this.accepting.slice(),
      waiting = [...alive.keys()].filter((state) => alive[state]);
    while (waiting.length) {
      for (const state of before[waiting.pop()]) {
        if (alive[state]) continue;
        alive[state] = 1;
        waiting.push(state);
      }
    }
    this.next = this.next.map((to) => (alive[to] ? to : DEAD));
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
