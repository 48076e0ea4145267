// Drawing words that meet wishes from counts and n-grams directly. For each context and state of the automaton the
// probability that a word goes on to meet the wishes is summed backwards from the ends of words; each character is
// then drawn with that in mind, so that no draw is in vain, however rare the words are.
//
// Source: src/sample/conditional.rs.

/** The most ways from one pair of context and state to another, and the most numbers in the rows of contexts. */
const MOST_WAYS = 1 << 24;

/** The numbers that are worked through before the page may breathe. */
const WORK_AT_ONCE = 1 << 16;

/** The sums are complete once none of them changes by more than this share. */
const CHANGE = 1e-15;

/** The most sweeps over all sums. */
const MOST_SWEEPS = 100000;

/** A drawer of words that meet wishes. Pair `i` has the ways from `ends[i]` to `ends[i + 1]`, each with its
 * probability, its character and the pair that it leads to. */
class Conditional {
  constructor() {
    this.ends = new Numbers(Uint32Array);
    this.p = new Numbers(Float32Array);
    this.index = new Numbers(Uint32Array);
    this.to = new Numbers(Uint32Array);
    // The probability that a word ends in each pair and meets the wishes.
    this.end = new Numbers(Float32Array);
  }

  /** Makes one of a model whose states have numbered contexts; null where it would take too much memory for the
   * program too, false where maybe for the page alone. Yields now and then, so that the page can breathe. */
  static *of(model, automaton, temperature) {
    const made = new Conditional(),
      contexts = new Map(),
      pairs = [];
    let work = 0;
    const contextOf = (state) => {
      const key = model.contextOf(state);
      if (!contexts.has(key)) contexts.set(key, { state, row: null, after: [], numbers: new Map() });
      return contexts.get(key);
    };
    const numberOf = (context, wish) => {
      const known = context.numbers.get(wish);
      if (known !== undefined) return known;
      context.numbers.set(wish, pairs.length);
      return pairs.push({ context, wish }) - 1;
    };
    numberOf(contextOf(model.start()), automaton.start);
    made.ends.push(0);
    for (let done = 0; done < pairs.length; done++) {
      const { context, wish } = pairs[done],
        p = (context.row ??= Conditional.row(context.state, temperature));
      made.end.push(automaton.accepts(wish) ? p[0] : 0);
      for (let index = 1; index < p.length; index++) {
        const next = automaton.step(wish, index);
        if (next === DEAD || !(p[index] > 0)) continue;
        const after = (context.after[index] ??= contextOf(model.after(context.state, index)));
        made.p.push(p[index]);
        made.index.push(index);
        made.to.push(numberOf(after, next));
      }
      pairs[done] = null;
      if (made.p.length > MOST_WAYS) return null;
      if (contexts.size * model.v > MOST_WAYS) return false;
      made.ends.push(made.p.length);
      work += p.length;
      if (work < WORK_AT_ONCE) continue;
      work = 0;
      yield;
    }
    yield* made.sum();
    return made;
  }

  /** The probabilities after a state at a temperature, without the share that Kneser–Ney leaves to characters that
   * the vocabulary does not have. */
  static row(state, temperature) {
    const p = shaped(state.p, temperature);
    let sum = 0;
    for (const x of p) sum = round(sum + x);
    return sum > 0 ? p.map((x) => x / sum) : p;
  }

  /** Sums the probabilities, from the pairs that were found last to the first, until nothing changes. */
  *sum() {
    const { all: ends } = this.ends,
      { all: p } = this.p,
      { all: to } = this.to,
      { all: end } = this.end;
    this.sums = new Float64Array(this.end.length);
    let work = 0;
    for (let sweep = 0; sweep < MOST_SWEEPS; sweep++) {
      let largest = 0;
      for (let pair = this.sums.length - 1; pair >= 0; pair--) {
        let sum = 0;
        for (let way = ends[pair]; way < ends[pair + 1]; way++) sum += p[way] * this.sums[to[way]];
        sum += end[pair];
        largest = Math.max(largest, (sum - this.sums[pair]) / Math.max(sum, LEAST_64));
        this.sums[pair] = sum;
        work += 1 + ends[pair + 1] - ends[pair];
        if (work < WORK_AT_ONCE) continue;
        work = 0;
        yield;
      }
      if (largest <= CHANGE) return;
    }
  }

  /** The probability that a word of the model meets the wishes. */
  get probability() {
    return this.sums[0];
  }

  /** Draws a word of at most `longest` characters. `steps`, if there is one, is told how. */
  draw(longest, random, v, steps) {
    const word = [];
    for (let pair = 0; ;) {
      const uniform = random.uniform(),
        ends = this.end.all[pair];
      let rest = uniform * this.sums[pair] - ends,
        chosen = -1;
      if (rest >= 0) {
        for (let way = this.ends.all[pair]; way < this.ends.all[pair + 1]; way++) {
          const p = this.p.all[way] * this.sums[this.to.all[way]];
          if (!(p > 0)) continue;
          chosen = way;
          rest -= p;
          if (rest < 0) break;
        }
      }
      const index = chosen < 0 ? 0 : this.index.all[chosen];
      steps?.push({ sums: this.line(pair, v), uniform, index });
      if (chosen < 0) return { indices: word, outcome: WORD };
      if (word.length === longest) return { indices: word, outcome: TOO_LONG };
      word.push(index);
      pair = this.to.all[chosen];
    }
  }

  /** The cumulative sums that a character of a pair is drawn by. */
  line(pair, v) {
    const line = new Float32Array(v).fill(this.end.all[pair] / this.sums[pair]);
    let sum = line[0],
      way = this.ends.all[pair];
    for (let index = 1; index < v; index++) {
      if (way < this.ends.all[pair + 1] && this.index.all[way] === index) {
        sum += (this.p.all[way] * this.sums[this.to.all[way]]) / this.sums[pair];
        way++;
      }
      line[index] = sum;
    }
    return line;
  }
}
