// Figures of Understand that show what networks learned: the map of embeddings, attention, and the learning curves.

/** The two directions in which vectors differ most, by power iteration: where each vector is, and the share of the
 * differences that these directions show. */
function principal(vectors) {
  const size = vectors[0].length,
    n = vectors.length;
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const mean = Array.from({ length: size }, (_, i) => vectors.reduce((sum, vector) => sum + vector[i] / n, 0));
  const centred = vectors.map((vector) => Array.from(vector, (x, i) => x - mean[i]));
  const total = centred.reduce((sum, vector) => sum + dot(vector, vector), 0) || 1,
    axes = [];
  let share = 0;
  for (let found = 0; found < Math.min(2, size); found++) {
    let axis = Array.from({ length: size }, (_, i) => Math.sin(i + 1 + found)),
      length = 0;
    for (let step = 0; step < 200; step++) {
      const next = new Float64Array(size);
      for (const vector of centred) {
        const along = dot(vector, axis);
        for (let i = 0; i < size; i++) next[i] += along * vector[i];
      }
      for (const other of axes) {
        const along = dot(other, next);
        for (let i = 0; i < size; i++) next[i] -= along * other[i];
      }
      length = Math.sqrt(next.reduce((sum, x) => sum + x * x, 0)) || 1;
      axis = Array.from(next, (x) => x / length);
    }
    axes.push(axis);
    share += length / total;
  }
  return { points: centred.map((vector) => axes.map((axis) => dot(vector, axis))), share };
}

/** The names of the embeddings in the networks. */
const EMBEDDINGS = ['wte.weight', 'transformer.wte.weight', 'layers.0.weight'];

/** The most characters on the map. */
const MOST_ON_MAP = 120;

/** Where a network places the characters. */
function embeddingMap(options) {
  const box = el('div', {});
  const show = async (entry) => {
    const model = await unpack(entry),
      matrix = entry.tensors[EMBEDDINGS.find((name) => entry.tensors[name])];
    // Of many characters those that are the most probable at the beginning of a word.
    const first = model.start().p,
      all = Array.from({ length: V - 1 }, (_, i) => i + 1);
    const kept = [0, ...all.sort((a, b) => first[b] - first[a]).slice(0, MOST_ON_MAP - 1)];
    const { points, share } = principal(kept.map((i) => row(matrix, i, entry.config.n_embd)));
    const most = [0, 1].map((axis) => Math.max(...points.map((point) => Math.abs(point[axis] ?? 0))) || 1);
    const svg = el(
      'svg',
      { viewBox: '0 0 420 300', role: 'img', 'aria-label': `Map of ${kept.length} characters` },
      el('path', { class: 'axis', d: 'M210 10V290M10 150H410' }),
    );
    const isVowel = (i) => i > 0 && /^[aeiouy]/i.test(itos[i].normalize('NFD'));
    points.forEach(([x, y = 0], place) => {
      const i = kept[place],
        cx = 210 + (x / most[0]) * 190,
        cy = 150 - (y / most[1]) * 132;
      svg.append(
        el(
          'g',
          {},
          el('circle', { cx, cy, r: 11, class: isVowel(i) ? 'vowel' : 'other' }),
          el('text', { x: cx, y: cy + 4, 'text-anchor': 'middle' }, shown(itos[i])),
        ),
      );
    });
    box.replaceChildren(svg);
    readout.textContent =
      `Two directions of ${entry.config.n_embd}, which show ${percent(share)} of the differences.` +
      (kept.some(isVowel) ? ' Vowels are warm.' : '');
  };
  const readout = figureOf(
    'Where a network places the characters',
    'Characters that are near each other are used alike. The network learned this from the words alone.',
    modelChoice(options, show),
    box,
  );
  return show(options[0]);
}

/** How much each head of a transformer looks at each character of the word. */
function attentionOf(entry) {
  const [layers, heads] = entry.model.shape,
    table = el('table', { class: 'looks' });
  const grid = el('div', { class: 'heads', '--n': heads });
  const readout = figureOf(
    el('span', {}, bdi(entry.label), ': where its heads look'),
    'A picture for each head, a line of them for each layer. Each row of the table is a character, and how much it ' +
      'looks at those before it and at itself.',
    grid,
    el('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'What a head looks at' }, table),
  );
  let chosen = [0, 0],
    indices = [];
  const buttons = Array.from({ length: layers * heads }, (_, n) => {
    const [layer, head] = [Math.floor(n / heads), n % heads];
    const canvas = el('canvas', { width: 64, height: 64, 'aria-hidden': 'true' });
    const choose = () => {
      chosen = [layer, head];
      paint();
    };
    const button = el(
      'button',
      { type: 'button', 'aria-label': `Layer ${layer + 1}, head ${head + 1}`, onclick: choose },
      canvas,
    );
    grid.append(button);
    return { layer, head, canvas, button };
  });
  const paint = () => {
    // Beyond the block, the beginning of the word is forgotten.
    const states = entry.model.along(indices).slice(0, entry.model.block),
      tone = blend('--card', '--accent');
    for (const { layer, head, canvas, button } of buttons) {
      const c = canvas.getContext('2d'),
        cell = 64 / states.length;
      c.clearRect(0, 0, 64, 64);
      states.forEach((state, y) =>
        state.attention[layer][head].forEach((look, x) => {
          c.fillStyle = tone(look);
          c.fillRect(x * cell, y * cell, cell - 0.5, cell - 0.5);
        }),
      );
      button.setAttribute('aria-pressed', String(layer === chosen[0] && head === chosen[1]));
    }
    showLooks(states);
    readout.textContent = `Layer ${chosen[0] + 1}, head ${chosen[1] + 1}, in percent.`;
  };
  const showLooks = (states) => {
    const sign = (at) => (at === 0 ? shown(itos[0]) : el('bdi', {}, shown(itos[indices[at - 1]])));
    const cell = (state, x) => {
      const look = state.attention[chosen[0]][chosen[1]][x];
      if (look === undefined) return el('td', { class: 'none' });
      return el('td', { '--s': look.toFixed(3) }, look >= 0.005 ? Math.round(100 * look) : '');
    };
    table.replaceChildren(
      el('thead', {}, el('tr', {}, el('td', {}), ...states.map((_, at) => el('th', { scope: 'col' }, sign(at))))),
      el(
        'tbody',
        {},
        ...states.map((state, y) =>
          el('tr', {}, el('th', { scope: 'row' }, sign(y)), ...states.map((_, x) => cell(state, x))),
        ),
      ),
    );
  };
  const update = (given) => {
    indices = given;
    paint();
  };
  figures.push({ update, paint });
}

/** The losses that the curves show: all below what guessing costs, and not less than a tenth from the least up. */
function limitsOf(losses, v) {
  const [least, most] = losses.reduce(
    ([least, most], loss) => [Math.min(least, loss), Math.max(most, loss)],
    [Infinity, -Infinity],
  );
  return { low: least - 0.05, high: Math.max(Math.min(most, Math.log(v)), least + 0.1) + 0.05 };
}

/** The losses that have a line, at most seven round ones, and the decimals that they need. */
function ticksOf(low, high) {
  const least = (high - low) / 6,
    power = 10 ** Math.floor(Math.log10(least));
  const by = [1, 2, 5, 10].map((step) => step * power).find((step) => step >= least),
    first = Math.ceil(low / by);
  const ticks = Array.from({ length: 8 }, (_, i) => (first + i) * by).filter((tick) => tick < high);
  return { ticks, decimals: by < 0.1 ? 2 : 1 };
}

/** The losses on dev words while networks were trained. */
function curves(options) {
  const box = el('div', {});
  const readout = figureOf(
    'How the losses came down',
    'The loss of each network on words that it is not trained on, by its steps, from the first to the last.',
    box,
  );
  const lines = options.map((entry) => ({
    entry,
    points: entry.curve.map(([step, loss]) => [step / (entry.curve.at(-1)[0] || 1), loss]),
  }));
  const losses = lines.flatMap(({ points }) => points.map(([, loss]) => loss));
  const { low, high } = limitsOf(losses, V);
  const x = (share) => 40 + share * 365,
    y = (loss) => 20 + ((high - Math.min(loss, high)) / (high - low)) * 220;
  const last = ({ entry, points }) => `${isolated(entry.label)} ends at ${points.at(-1)[1].toFixed(3)}`;
  const svg = el('svg', {
    viewBox: '0 0 420 275',
    role: 'img',
    'aria-label': `Learning curves: ${lines.map(last).join(', ')}`,
  });
  const { ticks, decimals } = ticksOf(low, high);
  for (const tick of ticks) {
    svg.append(
      el('line', { class: 'axis', x1: 40, x2: 405, y1: y(tick), y2: y(tick) }),
      el('text', { class: 'soft', x: 34, y: y(tick) + 4, 'text-anchor': 'end' }, tick.toFixed(decimals)),
    );
  }
  svg.append(
    el('text', { class: 'soft', x: 40, y: 262 }, 'first step'),
    el('text', { class: 'soft', x: 405, y: 262, 'text-anchor': 'end' }, 'last step'),
  );
  for (const { entry, points } of lines) {
    const path = 'M' + points.map(([a, b]) => `${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join('L');
    svg.append(el('path', { d: path, class: 'curve', '--c': entry.colour }));
  }
  const legend = lines.map(({ entry, points }) => el('span', {}, labelOf(entry), ` ${points.at(-1)[1].toFixed(3)}`));
  box.replaceChildren(svg, el('p', { class: 'choices' }, ...legend));
  readout.remove();
}
