// N-gram models: a trie of all n-grams with their probabilities and backoffs, as a checkpoint has them.
//
// Source: src/models/ngram/view.rs, trie.rs and small.rs, src/checkpoint/ngram.rs.

/** The smallest normal numbers of 32 and of 64 bits. */
const LEAST_32 = 2 ** -126,
  LEAST_64 = 2 ** -1022;

/** Logarithms to base 10 above this are of numbers that every float has. */
const SMALL = -37;

/** The most probabilities of contexts that are kept; beyond that, all are forgotten. */
const MOST_KEPT = 1 << 22;

/** The product of two numbers, of which those too small for a float are stored as their logarithms to base 10,
 * below 0. Source: src/models/ngram/small.rs, `product`. */
function product(one, other) {
  const itself = Math.min(one * other, Number.MAX_VALUE);
  if (one > 0 && itself >= LEAST_64) return itself;
  const log10 = (stored) => (stored < 0 ? stored : Math.log10(stored));
  const sum = log10(one) + log10(other);
  if (sum === -Infinity) return 0;
  return sum > SMALL ? 10 ** sum : sum;
}

/** A stored probability as a float of 32 bits; backoffs of an ARPA file may lead to more than 1. */
function probability(stored) {
  const p = Math.min(stored, 1),
    itself = round(p);
  if (itself >= LEAST_32 || p === 0) return itself;
  return round(10 ** (p < 0 ? itself : round(Math.log10(p))));
}

/** A context of `k` characters, whose distribution is made when it is asked for. */
class NgramState {
  constructor(model, k, node) {
    Object.assign(this, { model, k, node });
  }

  get p() {
    return (this.row ??= this.model.distribution(this.k, this.node));
  }
}

/** N-grams as a trie: level `k` has those of `k` characters. */
class Ngram extends Model {
  constructor(v, config, tensors) {
    super(v);
    this.order = config.order;
    // Additive models store backoffs as the probability of a character that never followed.
    this.unit = config.smoothing?.additive > 0 ? round(1 / v) : 1;
    this.states = new Map();
    this.levels = [null];
    for (let k = 1; k <= this.order; k++) {
      const level = { p: tensors[`${k}.probability`], backoff: tensors[`${k}.backoff`] };
      level.last = k === 1 ? Uint32Array.from({ length: v + 1 }, (_, i) => i) : tensors[`${k}.character`];
      const followers = tensors[`${k}.followers`];
      if (followers) {
        level.begin = new Uint32Array(followers.length + 1);
        followers.forEach((n, i) => (level.begin[i + 1] = level.begin[i] + n));
      }
      this.levels.push(level);
      level.suffix = this.suffixes(k);
    }
  }

  /** Where each n-gram of `k` characters is without its first one, one level below. */
  suffixes(k) {
    const level = this.levels[k],
      above = this.levels[k - 1];
    const suffix = new Uint32Array(level.last.length);
    if (k === 1) return suffix;
    for (let parent = 0; parent < above.last.length; parent++) {
      let at = k === 2 ? 0 : this.levels[k - 2].begin[above.suffix[parent]];
      for (let child = above.begin[parent]; child < above.begin[parent + 1]; child++) {
        while (above.last[at] !== level.last[child]) at++;
        suffix[child] = at;
      }
    }
    return suffix;
  }

  /** The n-gram that continues another one by a character; -1 if there is none. */
  child(k, node, index) {
    if (k === 0) return index;
    const { begin } = this.levels[k],
      { last } = this.levels[k + 1];
    let low = begin[node],
      high = begin[node + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (last[middle] < index) low = middle + 1;
      else high = middle;
    }
    return low < begin[node + 1] && last[low] === index ? low : -1;
  }

  /** The distribution after a context: a character has its probability after the longest end of the context that it
   * ever followed, times the backoffs of the longer ones. */
  distribution(k, node) {
    const row = new Float32Array(this.v).fill(-1);
    for (let weight = 1; ; k--) {
      const { p, last } = this.levels[k + 1];
      const begin = k === 0 ? 0 : this.levels[k].begin[node];
      const end = k === 0 ? p.length : this.levels[k].begin[node + 1];
      for (let child = begin; child < end; child++) {
        const index = last[child];
        if (index < this.v && row[index] < 0) row[index] = probability(product(weight, p[child]));
      }
      if (k === 0) return row;
      weight = product(weight, this.levels[k].backoff[node] / this.unit);
      node = this.levels[k].suffix[node];
    }
  }

  /** The state of a context of `k` characters. */
  at(k, node) {
    const key = k * 2 ** 32 + node;
    let state = this.states.get(key);
    if (!state) {
      if (this.states.size * this.v > MOST_KEPT) this.states.clear();
      state = new NgramState(this, k, node);
      this.states.set(key, state);
    }
    return state;
  }

  start() {
    return this.order === 1 ? this.at(0, 0) : this.at(1, 0);
  }

  after(state, index) {
    let { k, node } = state,
      child = this.child(k, node, index);
    while (child < 0) {
      node = this.levels[k].suffix[node];
      k--;
      child = this.child(k, node, index);
    }
    return k + 1 === this.order ? this.at(k, this.levels[k + 1].suffix[child]) : this.at(k + 1, child);
  }

  /** The number of the context of a state, for `Conditional`. */
  contextOf({ k, node }) {
    return k * 2 ** 32 + node;
  }
}
