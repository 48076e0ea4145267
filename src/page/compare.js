// Compare: the models side by side, and the mixture of them by weights that the user may move.

/** The words of each model that are drawn for the table, and how many of them it shows. */
const DRAWN_FOR_TABLE = 100,
  SHOWN_IN_TABLE = 10;

/** The number of the filling that is wanted, and the seed of the words in the table. */
let filling = 0,
  filledSeed = null;

/** Shows the table, whose shares and words follow. */
function showTable() {
  const hasTest = entries.some(({ test }) => test != null),
    hasKnown = page.known !== null;
  const hasUnseen = entries.some(({ testNew }) => testNew != null);
  const best = Math.min(...choices.map(rankOf));
  const cell = (kind, text) => el('td', { class: kind, role: 'cell' }, text);
  const lines = [...choices]
    .sort((a, b) => rankOf(a) - rankOf(b))
    .map((entry) => {
      entry.cells = { share: cell('share', '…'), sample: cell('sample', '…') };
      return el(
        'tr',
        { class: hasTest && entry.test === best ? 'best' : false, role: 'row' },
        el('th', { scope: 'row', role: 'rowheader' }, labelOf(entry)),
        cell('parameters', entry.parameters ? whole(entry.parameters) : '–'),
        ...(hasTest ? [cell('loss', loss(entry.test))] : []),
        ...(hasUnseen ? [cell('unseen', loss(entry.testNew))] : []),
        ...(hasKnown ? [entry.cells.share] : []),
        entry.cells.sample,
      );
    });
  const titles = [
    ['', 'Model'],
    ['parameters', 'Parameters'],
    ...(hasTest ? [['loss', 'Loss on held-out words']] : []),
    ...(hasUnseen ? [['unseen', 'on unseen ones']] : []),
    ...(hasKnown ? [['share', `New of ${DRAWN_FOR_TABLE} drawn`]] : []),
    ['sample', 'Ten words of the seed'],
  ];
  const heads = titles.map(([kind, title]) => el('th', { scope: 'col', role: 'columnheader', class: kind }, title));
  // The style turns the table into a grid on narrow screens, where browsers would forget what it is.
  $('table').setAttribute('role', 'table');
  $('table').replaceChildren(
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, ...heads)),
    el('tbody', { role: 'rowgroup' }, ...lines),
  );
  $('table-hint').textContent = hasTest
    ? `The loss is the average negative log-likelihood of a character, in nats; less is better. To guess among ${V} ` +
      `characters costs ${Math.log(V).toFixed(2)}. Unseen words are held-out ones that training never saw.` +
      (page.weights === 'f32' ? '' : ' The losses are those of the models before their weights were rounded.')
    : '';
}

/** Fills in what takes drawing, with the seed of the form, when there is time. */
async function fillTable() {
  const own = ++filling,
    seed = seedOfForm();
  filledSeed = seed;
  await knownReady;
  for (const entry of choices) {
    const words = await someWords(await modelFor(entry), seed, () => own === filling);
    if (!words) return;
    const fresh = known ? words.filter((word) => !known.has(word)).length : 0;
    entry.cells.share.textContent = words.length ? percent(fresh / words.length) : '–';
    entry.cells.sample.replaceChildren(
      ...words
        .slice(0, SHOWN_IN_TABLE)
        .flatMap((word, i) => [i ? ', ' : '', word ? bdi(word) : el('i', {}, 'the empty word')]),
    );
  }
}

/** Words of a model as they come; null once they are not wanted. */
async function someWords(model, seed, isWanted) {
  const wishes = { prefix: [], suffix: [], contains: [], without: new Set(), least: 0, most: null };
  const words = new Sampler(model, { seed, temperature: 1, wishes }).words(),
    drawn = [];
  for (let slice = performance.now(); drawn.length < DRAWN_FOR_TABLE;) {
    const { value, done } = words.next();
    if (done) break;
    if (value) drawn.push(decoded(value.indices));
    if (performance.now() - slice < SLICE) continue;
    await breathe();
    if (!isWanted()) return null;
    slice = performance.now();
  }
  return drawn;
}

function seedOfForm() {
  try {
    return wanted().seed;
  } catch {
    return 420n;
  }
}

/** Fills the table again if the seed of the form is another one. */
const refillTable = debounced(600, () => {
  if (filledSeed !== null && filledSeed !== seedOfForm()) fillTable();
});

/** The sliders of the mixture. */
function showMixture() {
  if (!mixture) return;
  $('mix').hidden = false;
  const best =
    mixture.test == null
      ? ''
      : ` With the weights as they are at first, the loss on held-out words is ${loss(mixture.test)}.`;
  $('mix-hint').textContent =
    'The mixture is the weighted average of the probabilities. Models that are wrong in different places are better ' +
    `together.${best} Move the weights, and the mixture draws and predicts with them.`;
  const rows = mixed.map((entry, i) => {
    const output = el('output', {}),
      slider = el('input', { type: 'range', min: 0, max: 1, step: 0.01 });
    slider.addEventListener('input', () => {
      weights[i] = Number(slider.value);
      changed();
    });
    $('weights').append(el('label', {}, labelOf(entry), slider, output));
    return { slider, output };
  });
  const show = () => {
    const sum = weights.reduce((sum, weight) => sum + weight, 0);
    rows.forEach(({ slider, output }, i) => {
      slider.value = weights[i];
      output.textContent = sum > 0 ? percent(weights[i] / sum) : '–';
    });
  };
  const redraw = debounced(120, () => {
    mixture.model = null;
    look();
    drawWords();
    fillTable();
  });
  const changed = () => {
    show();
    // All weights at 0 are no mixture: the one before stays.
    if (weights.some(Boolean)) redraw();
  };
  const reset = () => {
    weights = [...fitted];
    changed();
  };
  $('weights').append(
    el(
      'div',
      {},
      el('button', { type: 'button', onclick: reset }, 'The first weights'),
    ),
  );
  mixture.show = show;
  show();
}
