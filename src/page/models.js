// The program's models in plain JavaScript: what is drawn here is what `makemore-tch sample` draws.
//
// A model reads a word character by character. A state is what it knows after some of them; states are never
// changed, so that words that begin alike share theirs. `state.p` is the distribution of the next character, a
// Float32Array of `v` numbers; index 0 is the token that begins and ends words.

/** How many states of the shortest beginnings a model keeps. */
const KEPT = 1500;

/** The most words that are read side by side. Source: src/models/language_model.rs, `MOST_WORDS`. */
const MOST_WORDS = 1 << 14;

/** A model whose `read(before, index)` gives the state after a state and a character; `before` is null at the
 * start token. */
class Model {
  /** `block` is how many tokens may be read; of more, the last `block` are read from their beginning. */
  constructor(v, block = Infinity) {
    this.v = v;
    this.block = block;
    this.kept = 0;
    this.latest = { indices: [], states: [] };
  }

  /** The state at the beginning of a word. */
  start() {
    return (this.first ??= this.next(null, 0));
  }

  /** The state after a state and the character of an index above 0. */
  after(state, index) {
    const known = state.children?.get(index);
    if (known) return known;
    const next = this.next(state, index);
    if (this.kept < KEPT && state.length < 4) {
      (state.children ??= new Map()).set(index, next);
      this.kept++;
    }
    return next;
  }

  next(before, index) {
    const length = before ? before.length + 1 : 1;
    const state = length > this.block ? this.readAgain(before, index) : this.read(before, index);
    return Object.assign(state, { before, index, length });
  }

  /** Source: src/models/state_reader.rs: a state knows more than its block. */
  readAgain(before, index) {
    const last = [index];
    for (let at = before; last.length < this.block; at = at.before) last.push(at.index);
    let state = null;
    while (last.length) {
      const own = last.pop();
      state = Object.assign(this.read(state, own), { length: (state?.length ?? 0) + 1, index: own });
    }
    return state;
  }

  /** The states along a word: at its beginning, then after each character. Those of the word before are used
   * again as far as both are the same, so that a keystroke costs one character. */
  along(indices) {
    const before = this.latest;
    let same = 0;
    while (same < indices.length && indices[same] === before.indices[same]) same++;
    const states = before.states.slice(0, same + 1);
    if (!states.length) states.push(this.start());
    for (const index of indices.slice(states.length - 1)) states.push(this.after(states[states.length - 1], index));
    this.latest = { indices: [...indices], states };
    return states.slice();
  }
}

/** The state after a character, whose row is made when it is asked for. */
class Row {
  constructor(of, index) {
    Object.assign(this, { of, index });
  }

  get p() {
    return (this.row ??= this.of(this.index));
  }
}

/** A row of probabilities for each character before: counts, or a network that sees one character. */
class Table extends Model {
  /** `of(index)` makes the row after a character. */
  constructor(v, of) {
    super(v);
    this.states = Array.from({ length: v }, (_, index) => new Row(of, index));
  }

  /** The counts of pairs. Source: src/models/table.rs, `Table::of`. */
  static ofCounts(v, counts, smoothing) {
    return new Table(v, (i) => {
      const smoothed = Float32Array.from(row(counts, i, v), (n) => n + smoothing);
      const sum = round(smoothed.reduce((sum, n) => sum + n, 0));
      if (Number.isFinite(sum)) return smoothed.map((n) => n / (sum || 1));
      // Where sums are too large for 32 bits, everything is divided by the smoothing.
      const relative = Float64Array.from(row(counts, i, v), (n) => n / smoothing + 1);
      const total = relative.reduce((sum, n) => sum + n, 0);
      return Float32Array.from(relative, (n) => n / total);
    });
  }

  start() {
    return this.states[0];
  }

  after(_, index) {
    return this.states[index];
  }

  /** The number of the context of a state, for `Conditional`. */
  contextOf(state) {
    return state.index;
  }
}

/** Exponentials of logits, divided by their sum. Source: src/models/bigram.rs, `probabilities`. */
function exponentials(logits) {
  const counts = Float32Array.from(logits, Math.exp);
  const sum = round(counts.reduce((sum, n) => sum + n, 0));
  return counts.map((n) => n / sum);
}

/** The lecture's network of an order above 2: a row of weights for each context. */
class LongBigram extends Model {
  constructor(v, weights, order) {
    super(v);
    const contexts = v ** (order - 1);
    this.read = (before, index) => {
      const context = ((before?.context ?? 0) * v + index) % contexts;
      return { context, p: exponentials(row(weights, context, v)) };
    };
  }
}

/** The lecture's network. */
function bigram(v, weights, order) {
  if (order > 2) return new LongBigram(v, weights, order);
  return new Table(v, (i) => exponentials(row(weights, i, v)));
}

/** makemore.py's `Bigram`. */
const lookup = (v, logits) => new Table(v, (i) => softmax(row(logits, i, v)));

/** The weighted average of several models. Source: src/models/mixture.rs. */
class Mixture extends Model {
  constructor(models, weights) {
    super(models[0].v);
    const sum = weights.reduce((sum, weight) => sum + weight, 0);
    this.models = models;
    this.weights = weights.map((weight) => weight / sum);
    this.mostWords = Math.min(...models.map((model) => model.mostWords ?? MOST_WORDS));
    this.longestWord = models.reduce((longest, model) => Math.max(longest, model.longestWord ?? 0), 0) || null;
    this.drawsEmpty = false;
    this.hasContexts = false;
  }

  read(before, index) {
    const parts = this.models.map((model, i) => (before ? model.after(before.parts[i], index) : model.start()));
    const p = new Float32Array(this.v);
    for (let i = 0; i < p.length; i++) {
      let sum = 0;
      for (let m = 0; m < parts.length; m++) sum += parts[m].p[i] * this.weights[m];
      p[i] = sum;
    }
    return { parts, p };
  }
}

/** How a model of each kind is made of its config and tensors. */
const KINDS = {
  counts: (v, config, t) => Table.ofCounts(v, t.counts, config.smoothing ?? 1),
  bigram: (v, config, t) => bigram(v, t.W, config.order ?? 2),
  lookup: (v, config, t) => lookup(v, t.logits),
  ngram: (v, config, t) => new Ngram(v, config, t),
  mlp: (v, config, t) => new Mlp(v, config, t),
  bow: (v, config, t) => new Bow(v, config, t),
  rnn: (v, config, t) => new Rnn(v, config, t),
  gru: (v, config, t) => new Gru(v, config, t),
  lstm: (v, config, t) => new Lstm(v, config, t),
  transformer: (v, config, t) => new Transformer(v, config, t),
  wavenet: (v, config, t) => new Wavenet(v, config, t),
};

/** A model of an entry of the page's `models` (see unpack.js) and its tensors by their names. */
function modelOf(v, description, tensors) {
  const { kind, config, mostWords, longestWord, drawsEmpty, hasContexts } = description;
  if (!Object.hasOwn(KINDS, kind)) throw new Error(`models.js knows no model of the kind "${kind}"`);
  return Object.assign(KINDS[kind](v, config, tensors), { mostWords, longestWord, drawsEmpty, hasContexts });
}
