// What the fields of the page ask for, and the command of the program that draws the same words.

/** The largest seed. */
const MOST_SEED = 2n ** 64n - 1n;

/** The most words, the most characters that a wish may ask for, and the most of its text. */
const MOST_DRAWN = 100000,
  MOST_LENGTH = 10000,
  MOST_TEXT = 100;

/** What cannot be asked for, in words for the user. */
class FieldError extends Error {}

/** A whole number of a field; `otherwise` if it is empty. */
function wholeNumber(text, what, least, most, otherwise) {
  if (!text.trim() && otherwise !== undefined) return otherwise;
  const number = /^\s*\d+\s*$/.test(text) ? Number(text) : NaN;
  if (number >= least && number <= most) return number;
  throw new FieldError(`${what} is a whole number from ${least} to ${most.toLocaleString('en')}.`);
}

/** What the texts and ticks of the fields ask for. Throws a `FieldError`. */
function wantedOf(fields) {
  const seed = /^\s*\d{1,20}\s*$/.test(fields.seed) ? BigInt(fields.seed) : -1n;
  if (seed < 0n || seed > MOST_SEED) throw new FieldError(`The seed is a whole number from 0 to ${MOST_SEED}.`);
  return {
    seed,
    temperature: Number(fields.temperature),
    begins: fields.begins,
    ends: fields.ends,
    contains: fields.contains,
    without: fields.without,
    least: wholeNumber(fields.least, 'The least length', 0, MOST_LENGTH, 0),
    most: wholeNumber(fields.most, 'The largest length', 1, MOST_LENGTH, null),
    many: wholeNumber(fields.many, 'The number of words', 1, MOST_DRAWN),
    isNew: fields.isNew,
    isUnique: fields.isUnique,
  };
}

/** A word's indices up to the first character that is not in the vocabulary, which is given too. `stoi` has the index
 * of each character; 0 is in no word. */
function encoded(word, stoi) {
  const indices = [];
  for (const character of word) {
    const index = stoi.get(character);
    if (!index) return { indices, unknown: character };
    indices.push(index);
  }
  return { indices, unknown: null };
}

/** The wishes of what is wanted, in indices, for an `Automaton`; `form` is that of the words (see `formOf`). Throws a
 * `FieldError` for a character that no word has, and for a text that is too long. */
function wishesOf(wanted, stoi, form) {
  const indicesOf = (text, what) => {
    const { indices, unknown } = encoded(asInList(text, form), stoi);
    if (unknown !== null) throw new FieldError(`${what}: the models do not know “${visible(unknown)}”.`);
    if (indices.length > MOST_TEXT) throw new FieldError(`${what}: at most ${MOST_TEXT} characters.`);
    return indices;
  };
  const contains = indicesOf(wanted.contains, 'Contains');
  const without = Array.from(asInList(wanted.without, form), (character) => stoi.get(character));
  return {
    prefix: indicesOf(wanted.begins, 'Begins with'),
    suffix: indicesOf(wanted.ends, 'Ends with'),
    contains: contains.length ? [contains] : [],
    // What no word has anyway is no fault.
    without: new Set(without.filter(Boolean)),
    least: wanted.least,
    most: wanted.most,
  };
}

/** What is not seen, or changes the order in which the text around it is shown; joiners belong to some scripts. */
const UNSEEN = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** A text in which everything can be seen: what cannot is written as its code point. */
function visible(text) {
  return text.replace(UNSEEN, codePoint);
}

/** The code point of a character as Unicode writes it. */
const codePoint = (c) => 'U+' + c.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');

/** A text as a shell takes it; what cannot be seen is written as its bytes. */
function quoted(text) {
  if (/^[\w./:=,+-]+$/.test(text)) return text;
  if (visible(text) === text && !/[\u200c\u200d]/.test(text)) return `'${text.replaceAll("'", `'\\''`)}'`;
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => {
    const isPlain = byte >= 0x20 && byte < 0x7f && !`'\\`.includes(String.fromCharCode(byte));
    return isPlain ? String.fromCharCode(byte) : '\\x' + byte.toString(16).padStart(2, '0');
  });
  return `$'${bytes.join('')}'`;
}

/** What the command of a mixture has of its models, as an entry. Wishes are read as words of the first one. */
function mixtureOf(entries, weights) {
  return {
    arguments: `${entries.map((entry) => entry.arguments).join(' ')} --weights ${weights.join(',')}`,
    needsData: entries.some((entry) => entry.needsData),
    lowercase: entries[0].lowercase,
    normalization: entries[0].normalization,
  };
}

/** The weights of an address, as many as the mixture has models; null if they are none. */
function weightsOf(text, count) {
  const weights = text?.split(',').map(Number),
    sum = weights?.reduce((sum, weight) => sum + weight, 0);
  const areWeights = weights?.length === count && weights.every((weight) => weight >= 0);
  return areWeights && sum > 0 && Number.isFinite(sum) ? weights : null;
}

/** Whether the command for an entry reads the list, which the program refuses where it would not. */
const readsList = (wanted, entry) => Boolean(entry.needsData || wanted.isNew);

/** The form that the command for an entry brings wishes into: that of the list that it is given, else of the list that
 * the model was made of. */
function formOf(wanted, entry, { list, dataArguments }) {
  const isGiven = entry.needsData || (wanted.isNew && dataArguments);
  return isGiven ? list : entry;
}

/** Whether the list that some arguments name comes from standard input. */
const isFromInput = (dataArguments) => /^--data (\S+ )*-( |$)/.test(dataArguments.replace(/ --.*/, ''));

/** The command that draws `count` words of `entry`, { arguments, needsData }. */
function commandOf(wanted, entry, dataArguments, count) {
  const parts = [
    `makemore-tch sample --plain -n ${count} --seed ${wanted.seed}`,
    entry.arguments,
    readsList(wanted, entry) && dataArguments,
    wanted.temperature !== 1 && `--temperature ${wanted.temperature}`,
    wanted.begins && `--prefix=${quoted(wanted.begins)}`,
    wanted.ends && `--suffix=${quoted(wanted.ends)}`,
    wanted.contains && `--contains=${quoted(wanted.contains)}`,
    wanted.without && `--without=${quoted(wanted.without)}`,
    wanted.least && `--min-length ${wanted.least}`,
    wanted.most !== null && `--max-length ${wanted.most}`,
    wanted.isNew && '--new',
    wanted.isUnique && '--unique',
  ];
  return parts.filter(Boolean).join(' ');
}
