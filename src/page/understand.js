// Understand: how probable each model holds each character of a word, and what else could come.

/** Whether the user chose the word, the place in it that is looked at (null is its end), and whether all characters
 * are listed. */
let isWordChosen = false,
  position = null,
  showsAll = false,
  looking = 0;

/** The characters that are listed at first, and at most. */
const FEW = 10,
  MANY_LISTED = 200;

/** The word for the address; none as long as the page chose it. */
const typedWord = () => (isWordChosen ? $('word').value : '');

/** Looks at a word that the user chose. */
function setWord(text) {
  $('word').value = text;
  wordTyped();
}

function wordTyped() {
  isWordChosen = true;
  position = null;
  look();
  keepWord();
}
const keepWord = debounced(200, () => writeAddress(typedWord()));

/** Looks at a drawn word, as long as the user chose none. */
function suggestWord(found) {
  if (isWordChosen || !found.length) return;
  const word = found.find(({ indices }) => indices.length > 3) ?? found[0];
  if ($('word').value === word.text) return;
  $('word').value = word.text;
  position = null;
  look();
}

/** How surprising a probability is, from 0 to 1: from one bit to ten. */
const surprise = (p) => Math.min(1, Math.max(0, (-Math.log2(Math.max(p, 1e-9)) - 1) / 9));

/** Shows what the models think of the word in the field. */
async function look() {
  const own = ++looking,
    models = [];
  for (const entry of choices) models.push({ entry, model: entry.model ?? (await modelFor(entry)) });
  await knownReady;
  if (own !== looking) return;
  const form = formOf({ isNew: isNewWanted() }, chosen(), page);
  const { indices, unknown } = encoded(asInList($('word').value, form), stoi),
    word = decoded(indices);
  const rows = models.map(({ entry, model }) => ({ entry, states: model.along(indices) }));
  position = Math.min(position ?? indices.length, indices.length);
  showVerdict(word, unknown);
  showSurprise(rows, indices);
  showNext(rows, indices);
  updateFigures(indices, position);
}

/** Figures follow once nobody types. */
let figuresDue = 0;
function updateFigures(indices, position) {
  clearTimeout(figuresDue);
  figuresDue = setTimeout(() => eachFigure((figure) => figure.update?.(indices, position)), 60);
}

/** Tells whether the list has the word and, once nobody types, which words of it are close. */
let closestDue = 0;
function showVerdict(word, unknown) {
  clearTimeout(closestDue);
  const parts = unknown === null ? [] : ['The models do not know “', el('bdi', {}, shown(unknown)), '”. '];
  if (!known || !word) return $('verdict').replaceChildren(...parts);
  const isKnown = known.has(word);
  $('verdict').replaceChildren(...parts, '“', bdi(word), isKnown ? '” is in the list.' : '” is a new word.');
  if (isKnown || !known.closest) return;
  closestDue = setTimeout(() => showClosest(word, parts), 250);
}

/** Names the closest words of the list after `parts`, unless another word is looked at meanwhile. */
async function showClosest(word, parts) {
  const own = looking,
    found = await inSlices(known.closest(word, 4), () => own === looking);
  if (!found) return;
  const close = found.flatMap((other, i) => [i ? ', ' : '', bdi(other)]);
  const rest = close.length
    ? ['” is a new word; the closest ones in the list are ', ...close, '.']
    : ['” is a new word, and none in the list is close to it.'];
  $('verdict').replaceChildren(...parts, '“', bdi(word), ...rest);
}

/** Whether the first letter of a word is of a script that runs from right to left. */
const RIGHT_TO_LEFT =
  /^[^\p{L}]*[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;

/** The table of a word: a row for each model, a column for each character. */
function showSurprise(rows, indices) {
  const table = $('surprise'),
    places = [...indices, 0];
  // Columns run as the word does, and are scrolled to from where it begins.
  table.dir = table.parentElement.dir = RIGHT_TO_LEFT.test(decoded(indices)) ? 'rtl' : 'ltr';
  const choose = (i) => {
    position = i;
    look().then(() => table.querySelectorAll('thead button')[i]?.focus());
  };
  const heads = places.map((index, i) => {
    const after = i ? indices.slice(0, i).map(named).join(' ') : 'the start';
    const label = `${named(index)}, after ${after}`;
    return el(
      'th',
      { scope: 'col' },
      el(
        'button',
        { type: 'button', 'aria-pressed': String(i === position), 'aria-label': label, onclick: () => choose(i) },
        index === 0 ? shown(itos[0]) : el('bdi', {}, shown(itos[index])),
      ),
    );
  });
  const lines = rows.map(({ entry, states }) => {
    const p = states.map((state, i) => state.p[places[i]]),
      ln = p.reduce((ln, p) => ln + Math.log(p), 0);
    const bits = (p) => (p > 0 ? `${(-Math.log2(p)).toFixed(2)} bits` : 'impossible');
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, labelOf(entry)),
      ...p.map((p) =>
        el('td', { dir: 'ltr', '--s': surprise(p).toFixed(3), title: `${p.toPrecision(6)}, ${bits(p)}` }, percent(p)),
      ),
      el(
        'td',
        { class: 'total', dir: 'ltr', title: 'the average negative log-likelihood of a character, in nats' },
        ln === -Infinity ? '∞' : (-ln / p.length).toFixed(3),
      ),
      el('td', { class: 'total', dir: 'ltr' }, oneIn(ln)),
    );
  });
  const titles = el(
    'tr',
    {},
    el('td', {}),
    ...heads,
    el('th', { scope: 'col', class: 'total' }, 'Loss'),
    el('th', { scope: 'col', class: 'total' }, 'The whole word'),
  );
  const caption = el(
    'caption',
    { class: 'visually-hidden' },
    'How probable each character of ',
    bdi(decoded(indices)),
    ' is',
  );
  table.replaceChildren(caption, el('thead', {}, titles), el('tbody', {}, ...lines));
}

/** The characters that may come at the chosen place, model beside model. */
function showNext(rows, indices) {
  const before = indices.slice(0, position),
    at = rows.map(({ states }) => states[position].p),
    came = indices[position];
  $('next-title').replaceChildren('What may come after ', before.length ? bdi(decoded(before)) : 'the start', '?');
  const sums = Float64Array.from({ length: V }, (_, i) => at.reduce((sum, p) => sum + p[i], 0));
  const order = Array.from(sums.keys()).sort((a, b) => sums[b] - sums[a]);
  const kept = order.slice(0, showsAll ? MANY_LISTED : FEW);
  if (came && !kept.includes(came)) kept.push(came);
  const longest = Math.max(0.2, ...kept.flatMap((i) => at.map((p) => p[i])));
  $('all').hidden = V <= FEW;
  $('all').textContent = showsAll
    ? 'Show the most probable'
    : V > MANY_LISTED
      ? `Show ${MANY_LISTED}`
      : `Show all ${V}`;
  $('all').setAttribute('aria-expanded', String(showsAll));
  const write = (i) => {
    setWord(decoded([...before, i]));
    $('word').focus();
  };
  const bar = ({ entry }, m, i) =>
    el(
      'td',
      {},
      el(
        'div',
        { class: 'bar', '--c': entry.colour, '--p': (at[m][i] / longest).toFixed(4) },
        el('i', {}),
        el('span', {}, percent(at[m][i])),
      ),
    );
  const line = (i) => {
    const head =
      i === 0
        ? el(
            'span',
            { class: 'end', title: 'the end of the word' },
            el('span', { 'aria-hidden': 'true' }, shown(itos[0])),
            el('span', { class: 'visually-hidden' }, 'the end'),
          )
        : el(
            'button',
            { type: 'button', 'aria-label': `Write ${named(i)}`, onclick: () => write(i) },
            el('bdi', {}, shown(itos[i])),
          );
    return el(
      'tr',
      { class: i === (came ?? -1) ? 'came' : false },
      el('th', { scope: 'row' }, head),
      ...rows.map((row, m) => bar(row, m, i)),
    );
  };
  $('next').style.setProperty('--n', rows.length);
  $('next').replaceChildren(
    el(
      'thead',
      {},
      el('tr', {}, el('td', {}), ...rows.map(({ entry }) => el('th', { scope: 'col' }, labelOf(entry)))),
    ),
    el('tbody', {}, ...kept.map(line)),
  );
}

function startUnderstand() {
  $('word').addEventListener('input', wordTyped);
  // A word is read as the chosen model's list has its words.
  $('controls').addEventListener('change', look);
  $('all').addEventListener('click', () => {
    showsAll = !showsAll;
    look();
  });
}
