// What the page has of models and of the list, and how it is packed.
//
// `<script type="application/json" id="data">` has `format` ("makemore-page 1"), `title`, `program` (its version),
// `vocabulary` (the token first), `dataArguments` (of the command, "" if there are none), `weights` (f32, f16, i8);
// `list`, or null: `name`, `words`, `distinct`, `longest`, `lowercase` (whether its words were brought into lower
// case) and `normalization` (their Unicode form, such as "nfc", or null); `known`, or null: `kind` (list or bloom),
// `hashes` (of a bloom), `blob`, `parts`; `mixture`, or null: `nll`, `new` ({ nll } or null), `models`: [{ model (its
// place in `models`), weight }]; and `models`, each with `label`, `kind`, `config` (as in the checkpoint; of counts
// { smoothing }), `parameters`, `arguments` (of the command; of counts of another list than the built-in one
// "--order 2", of n-grams of the list "--order N"), `needsData` (whether the command reads the list for it),
// `lowercase` and `normalization` (as of `list`, but of the list that the model was made of), `test` and `testNew`
// (losses on held-out words, and on those that training never saw, or null), `curve` ([[step, dev loss]], empty if
// there is none), `longestWord` (LanguageModel::longest_word, or null), `drawsEmpty` (draws_empty_words), `mostWords`
// (of a round; null for a model that draws words one by one), `hasContexts` (whether it has `contexts()`), `blob`,
// `parts`. A loss on held-out words, `nll` too, is "inf" where a word of them is impossible.
//
// `<script type="text/plain" id="m0">` and so on have the base64 of a zlib stream of all parts, one after the other.
// A part is { name, dtype, shape }. Its numbers are in planes: all first bytes, then all second ones, and so on, each
// number little-endian, which packs smaller. `i8` has a scale (f32) for each row before them.

/** The bytes of a blob. */
async function unpacked(base64) {
  const text = base64.trim();
  const bytes = Uint8Array.fromBase64?.(text) ?? Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

const TYPES = { f32: Float32Array, u32: Uint32Array, u16: Uint16Array, u8: Uint8Array };

/** The tensors of a blob by their names. */
function tensorsOf(parts, bytes) {
  const tensors = {};
  let at = 0;
  const take = (Type, n) => {
    const size = Type.BYTES_PER_ELEMENT,
      whole = new Uint8Array(n * size);
    for (let plane = 0; plane < size; plane++) for (let i = 0; i < n; i++) whole[i * size + plane] = bytes[at++];
    return new Type(whole.buffer);
  };
  for (const { name, dtype, shape } of parts) {
    const n = shape.reduce((a, b) => a * b, 1);
    if (dtype === 'i8') {
      const scales = take(Float32Array, shape[0]),
        size = n / shape[0];
      tensors[name] = Float32Array.from(take(Int8Array, n), (x, i) => x * scales[Math.floor(i / size)]);
    } else if (dtype === 'f16') tensors[name] = Float32Array.from(take(Uint16Array, n), half);
    else tensors[name] = take(TYPES[dtype], n);
  }
  return tensors;
}

/** The number whose bits a float of 16 bits has. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1,
    exponent = (bits >> 10) & 31,
    fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** A loss of the data: JSON has no infinite ones. */
const lossOf = (given) => (given === 'inf' ? Infinity : given);

/** What models are sorted by: their loss, then those without one, then those that hold a word impossible. */
const rankOf = ({ test }) => Math.min(test ?? 1e99, Number.MAX_VALUE);

/** A text in the form that the words of a list were brought into. Source: src/data/list_format.rs, `word`. */
function asInList(text, form) {
  const lower = (text) => (form?.lowercase ? text.toLowerCase() : text);
  if (!form?.normalization) return lower(text);
  return lower(lower(text).normalize(form.normalization.toUpperCase()));
}

/** The end of a line in UTF-8, and how many bytes of lines are unpacked before the page may breathe. */
const LINE_END = 10,
  BYTES_AT_ONCE = 1 << 14;

/** The distinct words of the list, in the order of their code points. `shared` is how many characters each has in
 * common with the one before, `rests` the others in UTF-8, a line each. */
class Known {
  words = [];
  set = new Set();

  /** Unpacks a list. Yields now and then, so that the page can breathe. */
  static *of({ shared, rests }) {
    const made = new Known(),
      decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    let before = '';
    for (let at = 0, end; at <= rests.length; at = end + 1) {
      const line = rests.indexOf(LINE_END, at + BYTES_AT_ONCE);
      end = line < 0 ? rests.length : line;
      for (const rest of decoder.decode(rests.subarray(at, end)).split('\n')) {
        const same = shared[made.words.length];
        before = same ? beginning(before, same) + rest : rest;
        made.words.push(before);
        made.set.add(before);
      }
      yield;
    }
    return made;
  }

  has(word) {
    return this.set.has(word);
  }

  /** The words that become this one by the fewest changes of a character, at most two. Yields now and then, so that
   * the page can breathe, and returns them. */
  *closest(word, count) {
    const found = [],
      to = characters(word);
    for (let i = 0; i < this.words.length; i++) {
      const changes = distance(characters(this.words[i]), to, 2);
      if (changes <= 2 && changes > 0) found.push({ word: this.words[i], changes });
      if (i % 1000 === 999) yield;
    }
    return found
      .sort((a, b) => a.changes - b.changes)
      .slice(0, count)
      .map(({ word }) => word);
  }
}

/** The characters of a word: the word itself if each is one unit of UTF-16. */
const characters = (word) => (/[\ud800-\udfff]/.test(word) ? Array.from(word) : word);

/** The first characters of a word, whose code points may take two units of UTF-16. */
function beginning(word, count) {
  let at = 0;
  for (; count > 0; count--) at += word.codePointAt(at) > 0xffff ? 2 : 1;
  return word.slice(0, at);
}

/** Levenshtein's distance, as far as it is below a limit. */
function distance(one, other, limit) {
  if (Math.abs(one.length - other.length) > limit) return limit + 1;
  const line = [];
  for (let j = 0; j <= other.length; j++) line.push(j);
  for (let i = 1; i <= one.length; i++) {
    // What is further from the diagonal than the limit does not matter.
    const low = Math.max(1, i - limit),
      high = Math.min(other.length, i + limit);
    let corner = line[low - 1],
      left = low === 1 ? i : limit + 1,
      least = left;
    line[low - 1] = left;
    for (let j = low; j <= high; j++) {
      const above = j === i + limit ? limit + 1 : line[j];
      left = Math.min(corner + (one[i - 1] === other[j - 1] ? 0 : 1), above + 1, left + 1);
      corner = line[j];
      line[j] = left;
      if (left < least) least = left;
    }
    if (least > limit) return limit + 1;
  }
  return Math.min(line[other.length], limit + 1);
}

/** A Bloom filter, where the list is not to be given away: it takes a new word of some hundreds for a known one. */
class Bloom {
  constructor({ bits }, hashes) {
    Object.assign(this, { bits, hashes, size: bits.length * 8 });
  }

  has(word) {
    const [one, other] = hashesOf(word);
    for (let i = 0; i < this.hashes; i++) {
      const bit = ((one + Math.imul(i, other)) >>> 0) % this.size;
      if (!(this.bits[bit >> 3] & (1 << (bit & 7)))) return false;
    }
    return true;
  }
}

/** Two hashes of a word: FNV-1a of its UTF-8, and what MurmurHash3 ends with. */
function hashesOf(word) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(word)) hash = Math.imul(hash ^ byte, 0x01000193);
  const mixed = (x) => {
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return (x ^ (x >>> 16)) >>> 0;
  };
  return [mixed(hash), mixed(hash ^ 0x9e3779b9) | 1];
}
