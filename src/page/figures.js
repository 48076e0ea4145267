// Figures of Understand that go with the words: how a word is drawn, and the heatmap of what follows what.

/** The figures, each with some of `drawn(trace)` after a drawing, `update(indices, position)` for the word that is
 * looked at, and `paint()` when colours or sizes change. */
const figures = [];

/** Lets each figure act. Of one that fails the browser's console tells, and the others go on. */
function eachFigure(act) {
  for (const figure of figures) {
    try {
      act(figure);
    } catch (error) {
      reportError(error);
    }
  }
}

/** Adds a figure by `show`; what cannot be shown is left out, and the browser's console tells why. */
async function withFigure(show) {
  const [shown, acting] = [$('figures').children.length, figures.length];
  try {
    await show();
  } catch (error) {
    figures.length = acting;
    [...$('figures').children].slice(shown).forEach((figure) => figure.remove());
    reportError(error);
  }
}

/** The value of a colour of the style. */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** The colours between two of the style, which are hexadecimal, for shares from 0 to 1. */
function blend(from, to) {
  const rgb = (name) => {
    const digits = css(name).slice(1);
    const six = digits.length === 3 ? [...digits].map((digit) => digit + digit).join('') : digits;
    return [0, 2, 4].map((i) => parseInt(six.slice(i, i + 2), 16));
  };
  const [a, b] = [rgb(from), rgb(to)];
  return (share) => `rgb(${a.map((c, i) => Math.round(c + (b[i] - c) * share)).join(' ')})`;
}

/** Adds a figure with a title, a hint and a line that says what is pointed at; gives that line. */
function figureOf(title, hint, ...content) {
  const readout = el('p', { class: 'readout', 'aria-live': 'polite' });
  const titles = el('figcaption', {}, el('h3', {}, title), el('p', { class: 'hint' }, hint));
  $('figures').append(el('figure', { class: 'card' }, titles, ...content, readout));
  return readout;
}

/** A choice of a model, whose change is told; where there is one, its name. */
function modelChoice(options, onChange) {
  if (options.length === 1) return el('p', { class: 'choices' }, labelOf(options[0]));
  const select = el(
    'select',
    { 'aria-label': 'Model' },
    ...options.map((entry, i) => el('option', { value: i }, isolated(entry.label))),
  );
  select.addEventListener('change', () => onChange(options[select.value]));
  return el('div', { class: 'choices' }, select);
}

/** The parts of the line that a character is drawn by; narrow ones side by side are one without an index, but for the
 * chosen one. */
function partsOf(sums, chosen) {
  const parts = [];
  let begin = 0;
  for (let index = 0; index < sums.length; index++) {
    const width = sums[index] - begin,
      isOwn = width > 0.002 || index === chosen;
    if (!isOwn && parts.at(-1)?.index === null) parts.at(-1).width += width;
    else if (width > 0) parts.push({ index: isOwn ? index : null, width });
    begin = sums[index];
  }
  return parts;
}

/** Draws the first word of a drawing number by number: where a random number falls among the characters. */
function stepwise() {
  const word = el('p', { class: 'so-far' }),
    line = el('div', { class: 'line', 'aria-hidden': 'true' });
  const further = el('button', { type: 'button', class: 'primary' }, 'Next character');
  const back = el('button', { type: 'button' }, 'From the start');
  const readout = figureOf(
    'How a word is drawn',
    'The characters share a line, each as much of it as it is probable. A random number falls on it somewhere, ' +
      'and so the next character is chosen. The seed decides all numbers.',
    word,
    line,
    el('div', { class: 'actions' }, further, back),
  );
  readout.parentElement.classList.add('full');
  let trace = null,
    at = 0;
  const tell = () => {
    const { entry, prefix, steps } = trace,
      { sums, uniform, index } = steps[at];
    // A word that is drawn directly has its prefix among its steps.
    const given = steps.isDirect ? [] : prefix;
    const before = [...given, ...steps.slice(0, at).map((step) => step.index)].map((i) => shown(itos[i])).join('');
    word.replaceChildren(
      el('bdi', {}, before || el('span', { class: 'hint' }, 'the start')),
      el('bdi', { class: 'hit' }, shown(itos[index])),
    );
    const parts = partsOf(sums, index).map((part, i) => {
      const kind = part.index === index ? 'hit' : i % 2 ? 'odd' : false;
      return el(
        'span',
        { '--w': part.width.toFixed(5), class: kind },
        part.width > 0.024 && part.index !== null ? shown(itos[part.index]) : '',
      );
    });
    line.replaceChildren(...parts, el('i', { '--at': uniform.toFixed(5) }));
    readout.replaceChildren(
      bdi(entry.label),
      ', after ',
      before ? el('bdi', {}, before) : 'the start',
      `: the number ${uniform.toFixed(4)} falls on ${named(index)}, which has the line from `,
      `${(index ? sums[index - 1] : 0).toFixed(4)} to ${sums[index].toFixed(4)}.`,
    );
    further.disabled = at === steps.length - 1;
  };
  const go = (to) => {
    at = to;
    if (trace?.steps?.length) tell();
  };
  further.addEventListener('click', () => go(at + 1));
  back.addEventListener('click', () => go(0));
  const drawn = (given) => {
    trace = given;
    word.parentElement.hidden = !trace?.steps?.length;
    go(0);
  };
  figures.push({ drawn });
  drawn(lastTrace);
}

/** The most characters of the heatmap, whose others are left out. */
const MOST_CELLS = 60;

/** What follows what in a model: of one that sees one character exactly, of others after the first character. */
class Heatmap {
  constructor(options) {
    this.canvas = el('canvas', { tabindex: 0, role: 'img' });
    const many = Math.min(V, MOST_CELLS),
      which = many < V ? `each of ${many} frequent characters` : 'each character';
    const hint = `A row for ${which}, a column for what comes after it. Point at a cell, or use the arrow keys.`;
    this.readout = figureOf(
      'What follows what',
      hint,
      modelChoice(options, (entry) => this.choose(entry)),
      this.canvas,
    );
    this.at = [1, 1];
    this.listen();
    figures.push({ paint: () => this.paint(), update: (...given) => this.follow(...given) });
    this.ready = this.choose(options[0]);
  }

  async choose(entry) {
    this.entry = entry;
    const model = await unpack(entry),
      { counts } = entry.tensors;
    this.counts = entry.kind === 'counts' ? counts : null;
    const isTable = model instanceof Table;
    this.rowOf = (i) => (isTable ? model.states[i].p : i ? model.after(model.start(), i).p : model.start().p);
    const frequencies = this.counts
      ? Array.from({ length: V }, (_, i) => row(counts, i, V).reduce((sum, n) => sum + n, 0))
      : model.start().p;
    const others = Array.from({ length: V - 1 }, (_, i) => i + 1).sort((a, b) => frequencies[b] - frequencies[a]);
    this.kept = [0, ...others.slice(0, MOST_CELLS - 1).sort((a, b) => a - b)];
    this.most = this.counts ? counts.reduce((most, n) => Math.max(most, n), 1) : 1;
    this.isTable = isTable;
    this.move(...this.at);
  }

  /** The share of the darkest colour that a cell has. */
  tone(i, j) {
    return Math.sqrt(this.counts ? this.counts[i * V + j] / this.most : this.rowOf(i)[j]);
  }

  tell() {
    const [i, j] = this.at.map((x) => this.kept[x]),
      p = this.rowOf(i)[j];
    const before = i === 0 ? 'the start' : `${this.isTable ? '' : 'a first '}${named(i)}`;
    const after = j === 0 ? 'The end' : named(j),
      times = this.counts ? `${counted(this.counts[i * V + j])}, ` : '';
    this.readout.textContent = `${after} after ${before}: ${times}${percent(p)}`;
    this.canvas.setAttribute('aria-label', `Heatmap. ${this.readout.textContent}`);
  }

  paint() {
    if (!this.kept) return;
    const { canvas, kept, at } = this,
      size = canvas.clientWidth || 400,
      scale = Math.min(devicePixelRatio || 1, 3);
    const cell = size / (kept.length + 1),
      c = canvas.getContext('2d'),
      tone = blend('--card', '--accent');
    canvas.width = canvas.height = Math.round(size * scale);
    c.scale(scale, scale);
    c.fillStyle = css('--card');
    c.fillRect(0, 0, size, size);
    c.font = `${Math.min(13, cell * 0.72)}px system-ui, sans-serif`;
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    const [ink, soft] = [css('--ink'), css('--soft')];
    kept.forEach((i, y) => {
      const sign = shown(itos[i]).replace('U+', ''),
        middle = (y + 1.5) * cell;
      c.fillStyle = at[0] === y ? ink : soft;
      c.fillText(sign, cell / 2, middle, cell);
      c.fillStyle = at[1] === y ? ink : soft;
      c.fillText(sign, middle, cell / 2, cell);
      kept.forEach((j, x) => {
        c.fillStyle = tone(this.tone(i, j));
        c.fillRect((x + 1) * cell, (y + 1) * cell, cell - 0.6, cell - 0.6);
      });
    });
    c.strokeStyle = ink;
    c.lineWidth = 2;
    c.strokeRect((at[1] + 1) * cell, (at[0] + 1) * cell, cell, cell);
  }

  move(...to) {
    this.at = to.map((n) => Math.min(Math.max(n, 0), this.kept.length - 1));
    this.tell();
    this.paint();
  }

  /** Goes to the pair at the place of the word that is looked at. */
  follow(indices, position) {
    const pair = [indices[position - 1] ?? 0, indices[position] ?? 0].map((index) => this.kept?.indexOf(index) ?? -1);
    if (pair.every((place) => place >= 0) && document.activeElement !== this.canvas) this.move(...pair);
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener('pointermove', (event) => {
      const cell = canvas.clientWidth / (this.kept.length + 1);
      const to = [event.offsetY, event.offsetX].map((offset) => Math.floor(offset / cell) - 1);
      if (to.join() !== this.at.join()) this.move(...to);
    });
    canvas.addEventListener('keydown', (event) => {
      const all = this.kept.length,
        steps = {
          ArrowUp: [-1, 0],
          ArrowDown: [1, 0],
          ArrowLeft: [0, -1],
          ArrowRight: [0, 1],
          Home: [0, -all],
          End: [0, all],
          PageUp: [-all, 0],
          PageDown: [all, 0],
        };
      const step = steps[event.key];
      if (!step) return;
      event.preventDefault();
      this.move(this.at[0] + step[0], this.at[1] + step[1]);
    });
    new ResizeObserver(() => this.paint()).observe(canvas);
  }
}
