// Draw: the words that the form asks for, and the command that draws the same.

/** The most words that are shown; copies and downloads have all. */
const MOST_SHOWN = 500;

/** The milliseconds after which a drawing shows what it has, and can be stopped. */
const LONG = 150;

/** The number of the drawing that is wanted, whether the user ends it, its words, and how the first one came. */
let drawing = 0,
  isStopped = false,
  drawnWords = [],
  lastTrace = null;

/** Draws what the form asks for; a later call ends the drawing of an earlier one. */
async function drawWords() {
  const own = ++drawing,
    entry = chosen();
  isStopped = false;
  $('words').setAttribute('aria-busy', 'true');
  try {
    const model = await modelFor(entry);
    await knownReady;
    if (own !== drawing) return;
    writeAddress(typedWord());
    if (entry.isMixture && !weights.some(Boolean)) throw new FieldError('All weights of the mixture are 0.');
    const wants = wanted(),
      wishes = wishesOf(wants, stoi, formOf(wants, entry, page));
    const sampler = new Sampler(model, { ...wants, wishes });
    await drawFrom(sampler, { own, entry, wants });
  } catch (error) {
    if (!(error instanceof FieldError || error instanceof WishError)) throw error;
    drawnWords = [];
    $('words').replaceChildren();
    tell(error instanceof WishError ? `${error.message[0].toUpperCase()}${error.message.slice(1)}.` : error.message);
    $('command').textContent = '';
    $('copy-command').disabled = true;
    $('command-hint').textContent = 'There is no command for these fields.';
  }
  if (own !== drawing) return;
  hideStop();
  $('words').setAttribute('aria-busy', 'false');
}

/** Draws words in slices, shows them, and tells what came of it. */
async function drawFrom(sampler, { own, entry, wants }) {
  const isKnown = wants.isNew ? (indices) => known.has(decoded(indices)) : null;
  const words = constrained(sampler, { isKnown, isUnique: wants.isUnique });
  const found = [],
    begin = performance.now();
  let slice = begin,
    isFirst = true,
    ended = null;
  const show = () => {
    if (isFirst) $('words').replaceChildren();
    isFirst = false;
    drawnWords = found;
    showMore(found);
  };
  while (found.length < wants.many && !isStopped) {
    const { value: word, done } = words.next();
    if (done) {
      ended = word;
      break;
    }
    if (word) {
      const text = decoded(word.indices);
      found.push({ text, indices: word.indices, ln: word.ln, isNew: known && !known.has(text) });
    }
    if (performance.now() - slice < SLICE) continue;
    if (performance.now() - begin > LONG) {
      show();
      $('stop').hidden = false;
      $('status').textContent = `${whole(found.length)} of ${whole(wants.many)} words so far …`;
    }
    await breathe();
    if (own !== drawing) return;
    slice = performance.now();
  }
  show();
  tell(outcome(found, sampler, ended, { entry, ms: performance.now() - begin }), found);
  showCommand(wants, entry, isStopped ? found.length : wants.many, sampler.mayDiffer);
  lastTrace = { entry, prefix: sampler.prefix, steps: sampler.trace };
  eachFigure((figure) => figure.drawn?.(lastTrace));
  suggestWord(found);
}

/** What came of a drawing, as a sentence or two. */
function outcome(found, sampler, ended, { entry, ms }) {
  const fresh = found.filter((word) => word.isNew).length;
  let counted = `${whole(found.length)} ${found.length === 1 ? 'word' : 'words'}`;
  if (known && found.length)
    counted += fresh < found.length ? `, ${whole(fresh)} of them new` : fresh > 1 ? ', all of them new' : ', new';
  const sentences = [`${counted}, in ${whole(Math.max(1, ms))} ms.`];
  if (isStopped) sentences.push('You stopped here.');
  if (sampler.tooLong)
    sentences.push(
      `${whole(sampler.tooLong)} ${sampler.tooLong === 1 ? 'draw was' : 'draws were'} dropped as too long.`,
    );
  if (ended?.after)
    sentences.push(
      `What follows “${isolated(itos[0] + decoded(ended.after))}” has no probabilities: all of them are 0.`,
    );
  else if (ended && sampler.temperature === 0) sentences.push('At temperature 0 the most probable character is drawn each time, which is always the same word.');
  else if (ended) {
    const direct = entries.findLast(({ hasContexts }) => hasContexts);
    sentences.push(ended);
    if (direct && !sampler.model.hasContexts) sentences.push(`${isolated(direct.label)} find rarer words.`);
  }
  return sentences.join(' ');
}

/** Says a sentence, aloud with the first words. */
function tell(sentence, found = []) {
  const first = found
    .slice(0, 10)
    .map(({ text }) => isolated(text))
    .join(', ');
  $('status').textContent = sentence;
  $('spoken').textContent = first ? `${sentence} ${first}` : sentence;
  $('more').textContent =
    found.length > MOST_SHOWN ? `The first ${whole(MOST_SHOWN)} are shown; a copy or a download has all.` : '';
  for (const id of ['copy', 'download']) $(id).disabled = !found.length;
}

/** Appends the words that are not shown yet. */
function showMore(found) {
  const from = $('words').children.length;
  $('words').append(
    ...found.slice(from, MOST_SHOWN).map(({ text, isNew, ln }) => {
      const word = text ? bdi(text) : el('i', {}, 'the empty word');
      word.classList.toggle('long', text.length > 12);
      const facts = el('small', {}, ...(isNew ? [el('span', { class: 'is-new' }, 'new'), ' · '] : []), oneIn(ln));
      const open = () => {
        setWord(text);
        goTo('understand');
      };
      return el(
        'li',
        {},
        el('button', { type: 'button', title: 'See what the models think of it', onclick: open }, word, ' ', facts),
      );
    }),
  );
}

/** Shows the command that draws `count` words. */
function showCommand(wants, entry, count, mayDiffer) {
  const given = entry.isMixture ? mixtureOf(mixed, weights) : entry;
  $('copy-command').disabled = false;
  $('command').textContent = commandOf(wants, given, page.dataArguments, count);
  const isPiped = readsList(wants, given) && isFromInput(page.dataArguments),
    sentences = [exactness(wants, entry, mayDiffer), isPiped && 'It reads the list from standard input.'];
  $('command-hint').textContent = sentences.filter(Boolean).join(' ');
}

/** How exactly the command draws the same words. */
function exactness(wants, entry, mayDiffer) {
  if (mayDiffer) return 'The program may have the memory to draw such rare words directly, and then draws others.';
  const isExact = ['counts', 'ngram'].includes(entry.kind);
  const isGuess = wants.isNew && page.known.kind === 'bloom';
  return isGuess
    ? 'This page takes one new word of some hundreds for a known one, which the program draws.'
    : page.weights !== 'f32' && entry.kind !== 'counts'
      ? 'The weights in this page are rounded, so that now and then a word differs.'
      : isExact
        ? 'The same seed draws the same words there.'
        : 'The same seed draws the same words there, but for a rare one where processors round differently.';
}

function hideStop() {
  const hasFocus = document.activeElement === $('stop');
  $('stop').hidden = true;
  if (hasFocus) $('again').focus();
}

/** All words, a line each. */
const asText = () => drawnWords.map(({ text }) => `${text}\n`).join('');

/** Saves the words as a file, without a server. */
function download() {
  const address = URL.createObjectURL(new Blob([asText()], { type: 'text/plain;charset=utf-8' }));
  el('a', { href: address, download: 'words.txt' }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function startDraw() {
  const showTemperature = () => {
    $('temperature-value').textContent = String(Number($('temperature').value));
  };
  showTemperature();
  $('temperature').addEventListener('input', showTemperature);
  $('controls').addEventListener('input', debounced(80, drawWords));
  // Enter draws with the seed in the field, the button with another.
  $('controls').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.target.tagName !== 'INPUT') return;
    event.preventDefault();
    drawWords();
  });
  $('controls').addEventListener('submit', (event) => {
    event.preventDefault();
    $('seed').value = String(crypto.getRandomValues(new Uint32Array(1))[0] % 1000000);
    drawWords();
  });
  $('stop').addEventListener('click', () => {
    isStopped = true;
  });
  $('copy').addEventListener('click', () => copy($('copy'), asText()));
  $('download').addEventListener('click', download);
  $('link').addEventListener('click', () => copy($('link'), location.href));
  $('copy-command').addEventListener('click', () => copy($('copy-command'), $('command').textContent));
  $('new-label').hidden = page.known === null;
  $('models').append(
    ...choices.map((entry, i) =>
      el(
        'label',
        { '--c': entry.colour },
        el('input', { type: 'radio', name: 'model', value: i }),
        el('span', {}, bdi(entry.label)),
      ),
    ),
  );
}

/** Chooses a model in the form. */
function chooseModel(entry) {
  document.querySelector(`#models input[value="${entry.i}"]`).checked = true;
}
