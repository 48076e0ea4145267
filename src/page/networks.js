// The networks of makemore.py and lecture 5, character by character. Names of tensors and of sizes are those of
// checkpoints (src/models/kinds/).

/** Source: makemore.py, `MLP`; the state is the context, from the nearest character on. */
class Mlp extends Model {
  constructor(v, { block_size, n_embd, n_embd2, hidden_layers = 1, batchnorm }, t) {
    super(v);
    // PyTorch's layers are a linear one, maybe a normalisation, and tanh.
    const place = (layer) => layer * (batchnorm ? 3 : 2);
    const norms = Array.from({ length: hidden_layers }, (_, l) => batchnorm && batchNorm(t, `mlp.${place(l) + 1}`));
    const layer = (l, x, outputs) => linear(t[`mlp.${place(l)}.weight`], t[`mlp.${place(l)}.bias`], x, outputs);
    // What each character at each distance adds to the first hidden layer; `v` is the blank before a word.
    const added = Array.from({ length: block_size }, (_, distance) =>
      remembered((index) => {
        const embedding = row(t['wte.weight'], index, n_embd);
        return linear(t['mlp.0.weight'], null, embedding, n_embd2, block_size * n_embd, distance * n_embd);
      }),
    );
    this.read = (before, index) => {
      const context = [index, ...(before?.context ?? Array(block_size).fill(v)).slice(0, block_size - 1)];
      let x = t['mlp.0.bias'] ? t['mlp.0.bias'].slice() : new Float32Array(n_embd2);
      context.forEach((index, distance) => {
        const own = added[distance](index);
        for (let i = 0; i < n_embd2; i++) x[i] += own[i];
      });
      x = normTanh(x, norms[0]);
      for (let l = 1; l < hidden_layers; l++) x = normTanh(layer(l, x, n_embd2), norms[l]);
      return { context, p: softmax(layer(hidden_layers, x, v)) };
    };
  }
}

/** Source: makemore.py, `BoW`. */
class Bow extends Model {
  constructor(v, { block_size, n_embd, n_embd2 }, t) {
    super(v, block_size);
    const layer = (name, x, outputs) => linear(t[`${name}.weight`], t[`${name}.bias`], x, outputs);
    this.read = (before, index) => {
      const place = before?.length ?? 0;
      let x = add(row(t['wte.weight'], index, n_embd), row(t['wpe.weight'], place, n_embd));
      const sum = before ? add(before.sum, x) : x;
      x = add(
        x,
        sum.map((s) => s / (place + 1)),
      );
      const hidden = layer('context_block.mlp.c_fc', x, n_embd2).map(Math.tanh);
      x = add(x, layer('context_block.mlp.c_proj', hidden, n_embd));
      return { sum, p: softmax(layer('lm_head', x, v)) };
    };
  }
}

/** A recurrent network of makemore.py; a cell's `advance(state, index)` gives the next state. */
class Recurrent extends Model {
  constructor(v, { block_size, n_embd, n_embd2 }, t) {
    super(v, block_size);
    // A matrix multiplies the embedding and the state side by side: what the embedding brings is kept.
    const half = (name) => {
      const weight = t[`cell.${name}.weight`],
        columns = n_embd + n_embd2;
      const brought = remembered((index) =>
        linear(weight, t[`cell.${name}.bias`], row(t['wte.weight'], index, n_embd), n_embd2, columns),
      );
      return (state, index) => add(brought(index), linear(weight, null, state, n_embd2, columns, n_embd));
    };
    const advance = this.cell(half);
    this.read = (before, index) => {
      const hidden = advance(before?.hidden ?? t.start, index);
      return { hidden, p: softmax(linear(t['lm_head.weight'], t['lm_head.bias'], hidden, v)) };
    };
  }
}

/** Source: makemore.py, `RNN` with `RNNCell`. */
class Rnn extends Recurrent {
  cell(half) {
    const next = half('xh_to_h');
    return (state, index) => next(state, index).map(Math.tanh);
  }
}

/** Source: makemore.py, `RNN` with `GRUCell`, which resets the state before the product. */
class Gru extends Recurrent {
  cell(half) {
    const [z, r, hbar] = ['xh_to_z', 'xh_to_r', 'xh_to_hbar'].map(half);
    return (state, index) => {
      const reset = r(state, index).map((x, i) => sigmoid(x) * state[i]);
      const gate = z(state, index),
        bar = hbar(reset, index);
      return state.map((x, i) => x + sigmoid(gate[i]) * (Math.tanh(bar[i]) - x));
    };
  }
}

/** Source: `torch.nn.LSTM`. */
class Lstm extends Model {
  constructor(v, { block_size, n_embd, n_embd2: h }, t) {
    super(v, block_size);
    const bias = add(t['lstm.bias_ih_l0'], t['lstm.bias_hh_l0']);
    const brought = remembered((index) =>
      linear(t['lstm.weight_ih_l0'], bias, row(t['wte.weight'], index, n_embd), 4 * h),
    );
    this.read = (before, index) => {
      let x = brought(index);
      if (before) x = add(x, linear(t['lstm.weight_hh_l0'], null, before.hidden, 4 * h));
      const cell = new Float32Array(h),
        hidden = new Float32Array(h);
      for (let i = 0; i < h; i++) {
        cell[i] = sigmoid(x[h + i]) * (before?.cell[i] ?? 0) + sigmoid(x[i]) * Math.tanh(x[2 * h + i]);
        hidden[i] = sigmoid(x[3 * h + i]) * Math.tanh(cell[i]);
      }
      return { hidden, cell, p: softmax(linear(t['lm_head.weight'], t['lm_head.bias'], hidden, v)) };
    };
  }
}

/** `torch.nn.LayerNorm` or, without a bias, `torch.nn.RMSNorm`. Source: src/models/layers/norm.rs. */
function normed(x, weight, bias) {
  let mean = 0,
    square = 0;
  if (bias) for (const y of x) mean += y / x.length;
  for (const y of x) square += (y - mean) ** 2 / x.length;
  const scale = 1 / Math.sqrt(square + (bias ? 1e-5 : 1e-6));
  return x.map((y, i) => (y - mean) * scale * weight[i] + (bias ? bias[i] : 0));
}

/** Rotates queries and keys, the first `2 * size` numbers, by their position; in place.
 * Source: src/models/layers/rotary.rs. */
function rotate(qkv, position, size, ofHead) {
  for (let i = 0; i < 2 * size; i += 2) {
    const speed = round(100 ** (-((i % ofHead) / 2) / (ofHead / 2))),
      angle = round(position * speed);
    const [x, y, cos, sin] = [qkv[i], qkv[i + 1], Math.cos(angle), Math.sin(angle)];
    qkv[i] = x * cos - y * sin;
    qkv[i + 1] = x * sin + y * cos;
  }
}

/** What a head sees of the characters so far: how much it looks at each; their values, so weighted, are added to
 * `out`. A head has the numbers from `begin` to `end`. */
function attend(query, keys, values, begin, end, out) {
  const looks = softmax(
    keys.map((key) => {
      let product = 0;
      for (let i = begin; i < end; i++) product += query[i] * key[i];
      return product / Math.sqrt(end - begin);
    }),
  );
  values.forEach((value, at) => {
    for (let i = begin; i < end; i++) out[i] += looks[at] * value[i];
  });
  return looks;
}

/** Source: makemore.py, `Transformer`; or with RMSNorm and rotary positions. `state.attention` is how much each
 * head of each layer looks at each character so far. */
class Transformer extends Model {
  constructor(v, { block_size, n_embd: size, n_head, n_layer, positions }, t) {
    super(v, block_size);
    const ofHead = size / n_head,
      isRotary = positions === 'rotary';
    this.shape = [n_layer, n_head];
    const norm = (name, x) => normed(x, t[`${name}.weight`], t[`${name}.bias`]);
    const layer = (name, x, outputs) => linear(t[`${name}.weight`], t[`${name}.bias`], x, outputs);
    this.read = (before, index) => {
      const position = before?.length ?? 0,
        memory = [],
        attention = [];
      let x = row(t['transformer.wte.weight'], index, size);
      if (!isRotary) x = add(x, row(t['transformer.wpe.weight'], position, size));
      for (let l = 0; l < n_layer; l++) {
        const block = `transformer.h.${l}`,
          old = before?.memory[l];
        const qkv = layer(`${block}.attn.c_attn`, norm(`${block}.ln_1`, x), 3 * size);
        if (isRotary) rotate(qkv, position, size, ofHead);
        const keys = [...(old?.keys ?? []), qkv.subarray(size, 2 * size)];
        const values = [...(old?.values ?? []), qkv.subarray(2 * size)];
        memory.push({ keys, values });
        const y = new Float32Array(size);
        attention.push(
          Array.from({ length: n_head }, (_, head) =>
            attend(qkv, keys, values, head * ofHead, (head + 1) * ofHead, y),
          ),
        );
        x = add(x, layer(`${block}.attn.c_proj`, y, size));
        const hidden = layer(`${block}.mlp.c_fc`, norm(`${block}.ln_2`, x), 4 * size).map(gelu);
        x = add(x, layer(`${block}.mlp.c_proj`, hidden, size));
      }
      return { memory, attention, p: softmax(layer('lm_head', norm('transformer.ln_f', x), v)) };
    };
  }
}

/** Source: lecture 5. The outputs of each layer at the last places are kept, so that a character takes one product
 * a layer: the output for the places up to `t` joins those for the places up to `t - 2^l` and up to `t`. */
class Wavenet extends Model {
  constructor(v, { block_size, n_embd, n_embd2: h }, t) {
    super(v);
    const depth = Math.log2(block_size),
      head = `layers.${4 * depth + 1}`;
    const toLogits = transposed(t[`${head}.weight`], v);
    const layers = Array.from({ length: depth }, (_, l) => ({
      weight: transposed(t[`layers.${4 * l + 2}.weight`], h),
      norm: batchNorm(t, `layers.${4 * l + 3}`),
      back: 2 ** l,
    }));
    const joined = (earlier, own, { weight, norm }) => {
      const both = new Float32Array(2 * own.length);
      both.set(earlier);
      both.set(own, own.length);
      return normTanh(linear(weight, null, both, h), norm);
    };
    // Before a word there are start tokens: the output of each layer for those.
    const start = [row(t['layers.0.weight'], 0, n_embd)];
    for (const layer of layers) start.push(joined(start.at(-1), start.at(-1), layer));
    this.read = (before, index) => {
      const recent = [];
      let x = row(t['layers.0.weight'], index, n_embd);
      layers.forEach((layer, l) => {
        const places = [x, ...(before?.recent[l] ?? Array(layer.back).fill(start[l]))].slice(0, layer.back + 1);
        recent.push(places);
        x = joined(places[layer.back], x, layer);
      });
      return { recent, p: softmax(linear(toLogits, t[`${head}.bias`], x, v)) };
    };
  }
}
