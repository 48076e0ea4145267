// What the parts of the page share: elements, texts of numbers, the models as they are asked for, and the form whose
// state is in the fragment of the address.

const $ = (id) => document.getElementById(id);
const page = JSON.parse($('data').textContent);
const itos = Array.from(page.vocabulary),
  stoi = new Map(itos.map((c, i) => [c, i]));
const V = itos.length;

/** An element with attributes, custom properties and listeners; what is a string becomes text, never markup. */
function el(tag, attributes = {}, ...children) {
  const isSvg = ['svg', 'g', 'path', 'text', 'line', 'circle'].includes(tag);
  const element = isSvg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('--')) element.style.setProperty(name, value);
    else if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A text of the data as an element: it cannot change the direction of the text around it. */
const bdi = (text) => el('bdi', {}, visible(text));

/** The same where there can be no element, such as in a label. */
const isolated = (text) => `\u2068${visible(text)}\u2069`;

/** How a single character is shown: what cannot be seen alone gets a sign. */
function shown(character) {
  if (character === ' ') return '␣';
  if (/\p{M}/u.test(character)) return '◌' + character;
  return /[\p{Z}\p{C}]/u.test(character) ? codePoint(character) : character;
}

/** The name of a character; the token is later in a word its end. */
const named = (index) => (index === 0 ? 'the end' : isolated(shown(itos[index])));

const decoded = (indices) => indices.map((index) => itos[index]).join('');

/** A model's name with its colour. */
const labelOf = (entry) => el('span', { class: 'dot', '--c': entry.colour }, bdi(entry.label));

// ---- numbers

const whole = (n) => Math.round(n).toLocaleString('en');

function percent(p) {
  if (p > 0 && p < 0.001) return '<\u00a00.1\u00a0%';
  const digits = p >= 0.1 || p === 0 ? 0 : 1;
  return `${(100 * p).toFixed(digits)}\u00a0%`;
}

const COMPACT = new Intl.NumberFormat('en', {
  notation: 'compact',
  compactDisplay: 'long',
  maximumSignificantDigits: 3,
});

/** The chance of a word, by the logarithm of its probability. */
function oneIn(ln) {
  if (ln === -Infinity) return 'impossible';
  const power = -ln / Math.LN10;
  const raised = (n) => String(n).replace(/\d/g, (digit) => '⁰¹²³⁴⁵⁶⁷⁸⁹'[digit]);
  if (power >= 15) return `1 in 10${raised(Math.round(power))}`;
  const one = Math.exp(-ln);
  return `1 in ${one >= 1e6 ? COMPACT.format(one) : whole(Number(one.toPrecision(3)))}`;
}

/** How often something occurs. */
const counted = (n) => (n === 1 ? 'once' : `${whole(n)} times`);

const loss = (x) => (x == null ? '–' : x === Infinity ? '∞' : x.toFixed(3));

// ---- time

/** The milliseconds that work may take before the page breathes. */
const SLICE = 14;

/** An action that waits until nothing asked for it for some milliseconds. */
function debounced(delay, action) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, delay);
  };
}

/** Lets the browser draw and listen. */
function breathe() {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = resolve;
    channel.port2.postMessage(0);
  });
}

/** What a generator returns, run in slices; null once it is not wanted. */
async function inSlices(generator, isWanted) {
  for (let slice = performance.now(); ;) {
    const { value, done } = generator.next();
    if (done) return value;
    if (performance.now() - slice < SLICE) continue;
    await breathe();
    if (!isWanted()) return null;
    slice = performance.now();
  }
}

// ---- models, each of which is unpacked when it is first asked for

const entries = page.models.map((description, i) => {
  // Two models of one name are told apart by numbers.
  const same = page.models.slice(0, i).filter(({ label }) => label === description.label).length;
  const label = same ? `${description.label} (${same + 1})` : description.label;
  const [test, testNew] = [description.test, description.testNew].map(lossOf);
  return { ...description, label, i, test, testNew, colour: `var(--m${i % 8})` };
});

/** The model of an entry. */
function unpack(entry) {
  entry.loading ??= unpacked($(entry.blob).textContent).then((bytes) => {
    entry.tensors = tensorsOf(entry.parts, bytes);
    return (entry.model = modelOf(V, entry, entry.tensors));
  });
  return entry.loading;
}

const shares = page.mixture?.models ?? [],
  mixed = shares.map(({ model }) => entries[model]);

/** The weights of the mixture as they are at first, with four digits as the command has them. */
const fitted = shares.map(({ weight }) => Number(weight.toFixed(4)));
let weights = [...fitted];
const mixture =
  mixed.length > 1
    ? {
        label: 'Mixture',
        colour: 'var(--m7)',
        i: entries.length,
        isMixture: true,
        ...mixtureOf(mixed, fitted),
        test: lossOf(page.mixture.nll),
        testNew: lossOf(page.mixture.new?.nll),
      }
    : null;
const choices = mixture ? [...entries, mixture] : entries;

async function modelFor(entry) {
  if (!entry.isMixture) return unpack(entry);
  const parts = await Promise.all(mixed.map(unpack));
  return (entry.model ??= new Mixture(parts, weights));
}

let known = null;
const knownReady =
  page.known &&
  unpacked($(page.known.blob).textContent).then(async (bytes) => {
    const tensors = tensorsOf(page.known.parts, bytes);
    const isWanted = () => true;
    known = tensors.bits ? new Bloom(tensors, page.known.hashes) : await inSlices(Known.of(tensors), isWanted);
  });

// ---- the form and the address

/** The keys of the address and the fields that they are about. */
const FIELDS = {
  seed: 'seed',
  t: 'temperature',
  begins: 'begins',
  ends: 'ends',
  // A field called `contains` would hide the form's method of that name.
  contains: 'containing',
  without: 'without',
  least: 'least',
  most: 'most',
  new: 'new',
  unique: 'unique',
  n: 'many',
};
const valueOf = (field) => (field.type === 'checkbox' ? String(Number(field.checked)) : field.value);
const defaults = Object.fromEntries(Object.entries(FIELDS).map(([key, id]) => [key, valueOf($(id))]));

/** The model or mixture whose loss on held-out words is the least; else the last one. */
const bestEntry = () => choices.reduce((best, entry) => (rankOf(entry) <= rankOf(best) ? entry : best));

const chosen = () => choices[Number(document.querySelector('#models input:checked')?.value ?? 0)];

/** Sets the fields as the address has them; gives the model and the word that it names. */
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  for (const [key, id] of Object.entries(FIELDS)) {
    const value = given.get(key) ?? defaults[key];
    if ($(id).type === 'checkbox') $(id).checked = value === '1';
    else $(id).value = value;
  }
  weights = weightsOf(given.get('weights'), mixed.length) ?? [...fitted];
  if (mixture) mixture.model = null;
  const entry = choices.find(({ label }) => label === given.get('model')) ?? bestEntry();
  return { entry, word: given.get('word') };
}

/** Writes what the form and the word are into the address, without what is as at first. */
function writeAddress(word) {
  const address = new URLSearchParams();
  address.set('model', chosen().label);
  for (const [key, id] of Object.entries(FIELDS)) {
    if (key === 'seed' || valueOf($(id)) !== defaults[key]) address.set(key, valueOf($(id)));
  }
  if (weights.some((weight, i) => weight !== fitted[i])) address.set('weights', weights.join(','));
  if (word) address.set('word', word);
  try {
    history.replaceState(null, '', `#${address}`);
  } catch {
    // A viewer that has no address.
  }
}

const isNewWanted = () => page.known !== null && $('new').checked;

/** What the form asks for. Throws a `FieldError`. */
function wanted() {
  const fields = Object.fromEntries(Object.values(FIELDS).map((id) => [id, $(id).value]));
  return wantedOf({ ...fields, contains: fields.containing, isNew: isNewWanted(), isUnique: $('unique').checked });
}

/** Copies a text, and says so on the button. */
async function copy(button, text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Browsers without a clipboard for pages from disk.
    const area = el('textarea', { 'aria-hidden': 'true' });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    button.focus();
  }
  button.dataset.label ??= button.textContent;
  button.textContent = 'Copied';
  setTimeout(() => {
    button.textContent = button.dataset.label;
  }, 1500);
}

/** Goes to a section, for the eye and for the keyboard. */
function goTo(id) {
  $(id).scrollIntoView();
  $(`${id}-title`).focus({ preventScroll: true });
}
