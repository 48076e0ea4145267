// What networks are made of: products of matrices and vectors, normalisation, softmax. Vectors are
// Float32Arrays, matrices too, row after row, as in checkpoints.

/** Rounds a number to 32 bits. */
const round = Math.fround;

/** matvec.wat in base64: ten times as fast as JavaScript, where the browser lets it run. */
const MATVEC =
  'AGFzbQEAAAABCQFgBX9/f39/AAMCAQAFAwEAAQcTAgZtZW1vcnkCAAZtYXR2ZWMAAArMAQHJAQICfwJ7IARBAnQhBgJA' +
  'A0AgA0UNAf0MAAAAAAAAAAAAAAAAAAAAACEH/QwAAAAAAAAAAAAAAAAAAAAAIQhBACEFA0AgByAAIAVq/QAEACABIAVq' +
  '/QAEAP3mAf3kASEHIAggACAFav0ABBAgASAFav0ABBD95gH95AEhCCAFQSBqIQUgBSAGSQ0ACyAHIAj95AEhByACIAf9' +
  'HwAgB/0fAZIgB/0fAiAH/R8DkpI4AgAgAkEEaiECIAAgBmohACADQQFrIQMMAAsLCw==';

/** The compiled product, its memory, and where matrices are in it; null where it cannot run. */
const fast = (() => {
  try {
    const bytes = Uint8Array.from(atob(MATVEC), (c) => c.charCodeAt(0));
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    // The first numbers are for what is multiplied and what comes out.
    return { ...exports, placed: new WeakMap(), end: 1 << 16, all: new Float32Array(exports.memory.buffer) };
  } catch {
    return null;
  }
})();

/** Where some columns of a matrix are in the memory of `matvec`; they are put there once. Null if there is no
 * room. */
function place(weight, outputs, columns, from, n) {
  let parts = fast.placed.get(weight);
  if (!parts) fast.placed.set(weight, (parts = new Map()));
  const key = from * (columns + 1) + n;
  if (parts.has(key)) return parts.get(key);
  const size = (n + 7) & ~7,
    begin = fast.end,
    end = begin + 4 * outputs * size;
  const missing = Math.ceil((end - fast.memory.buffer.byteLength) / 65536);
  try {
    if (missing > 0) {
      fast.memory.grow(missing);
      fast.all = new Float32Array(fast.memory.buffer);
    }
  } catch {
    parts.set(key, null);
    return null;
  }
  fast.end = end;
  for (let o = 0; o < outputs; o++) {
    const row = o * columns + from;
    fast.all.set(weight.subarray(row, row + n), begin / 4 + o * size);
  }
  parts.set(key, { begin, size });
  return parts.get(key);
}

/** A linear layer: `out[o] = bias[o] + weight[o, from..from + x.length] . x`. A row of `weight` has `columns`
 * numbers. */
function linear(weight, bias, x, outputs, columns = x.length, from = 0) {
  const isWorthIt = fast && outputs * x.length >= 512 && outputs + x.length < 16000;
  const placed = isWorthIt ? place(weight, outputs, columns, from, x.length) : null;
  if (!placed) return plainLinear(weight, bias, x, outputs, columns, from);
  const { begin, size } = placed;
  fast.all.fill(0, x.length, size);
  fast.all.set(x);
  fast.matvec(begin, 0, 4 * size, outputs, size);
  const out = fast.all.slice(size, size + outputs);
  if (bias) for (let o = 0; o < outputs; o++) out[o] += bias[o];
  return out;
}

/** The same in JavaScript alone. */
function plainLinear(weight, bias, x, outputs, columns, from) {
  const out = new Float32Array(outputs),
    n = x.length,
    whole = n & ~3;
  for (let o = 0; o < outputs; o++) {
    const row = o * columns + from;
    let a = bias ? bias[o] : 0,
      b = 0,
      c = 0,
      d = 0,
      i = 0;
    for (; i < whole; i += 4) {
      a += weight[row + i] * x[i];
      b += weight[row + i + 1] * x[i + 1];
      c += weight[row + i + 2] * x[i + 2];
      d += weight[row + i + 3] * x[i + 3];
    }
    for (; i < n; i++) a += weight[row + i] * x[i];
    out[o] = a + b + c + d;
  }
  return out;
}

/** The probabilities of logits. */
function softmax(logits) {
  let most = -Infinity,
    sum = 0;
  for (const x of logits) if (x > most) most = x;
  const p = new Float32Array(logits.length),
    e = new Float64Array(logits.length);
  for (let i = 0; i < e.length; i++) sum += e[i] = Math.exp(logits[i] - most);
  for (let i = 0; i < e.length; i++) p[i] = e[i] / sum;
  return p;
}

const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Source: makemore.py, `NewGELU`. */
const gelu = (x) => 0.5 * x * (1 + Math.tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));

/** Row `i` of a matrix whose rows have `size` numbers. */
const row = (matrix, i, size) => matrix.subarray(i * size, (i + 1) * size);

/** The sum of two vectors. */
function add(x, y) {
  const sum = new Float32Array(x.length);
  for (let i = 0; i < sum.length; i++) sum[i] = x[i] + y[i];
  return sum;
}

/** A matrix that has a row for each input, as in the lectures, with a row for each output instead. */
function transposed(weight, outputs) {
  const inputs = weight.length / outputs,
    rows = new Float32Array(weight.length);
  for (let i = 0; i < inputs; i++) for (let o = 0; o < outputs; o++) rows[o * inputs + i] = weight[i * outputs + o];
  return rows;
}

/** The numbers of a batch normalisation by its name in the checkpoint. */
const batchNorm = (tensors, name) => ({
  weight: tensors[`${name}.weight`],
  bias: tensors[`${name}.bias`],
  mean: tensors[`${name}.running_mean`],
  variance: tensors[`${name}.running_var`],
});

/** Batch normalisation by running means and variances, if there is one, then tanh; in place. */
function normTanh(x, norm) {
  for (let i = 0; i < x.length; i++) {
    if (norm) x[i] = ((x[i] - norm.mean[i]) / Math.sqrt(norm.variance[i] + 1e-5)) * norm.weight[i] + norm.bias[i];
    x[i] = Math.tanh(x[i]);
  }
  return x;
}

/** A function of an index whose results are kept. */
function remembered(of) {
  const results = [];
  return (i) => (results[i] ??= of(i));
}
