// The files of the page that have no DOM, in Node, and what a page has in it.

import fs from 'node:fs';
import vm from 'node:vm';

/** The files of the page's script without a DOM, in their order. */
export const FILES = [
  'random',
  'layers',
  'models',
  'ngram',
  'networks',
  'automaton',
  'conditional',
  'draw',
  'unpack',
  'command',
].map((name) => `${name}.js`);

const sourceOf = (file) => fs.readFileSync(new URL(`../../src/page/${file}`, import.meta.url), 'utf8');

/** The names that the files declare: `const`, `class` and `function` at the beginning of a line. */
function declared(source) {
  return [...source.matchAll(/^(?:async )?(?:const|class|function\*?) (\w+)/gm)].map(([, name]) => name);
}

/** All that the files declare, and `further` ones. There is no `document`, so that a use of it fails. */
export function load({ hasWebAssembly = true, further = [] } = {}) {
  const source = [...FILES, ...further].map(sourceOf).join('\n');
  const given = { atob, Blob, Response, DecompressionStream, TextDecoder, TextEncoder, performance };
  const context = vm.createContext(hasWebAssembly ? given : { ...given, WebAssembly: undefined });
  return vm.runInContext(`${source}\n;({ ${declared(source).join(', ')} })`, context);
}

/** A page's data, the text of a blob by its id, and its script. */
export function readPage(path) {
  const html = fs.readFileSync(path, 'utf8');
  const of = (pattern) => html.match(pattern)?.[1] ?? '';
  return {
    html,
    data: JSON.parse(of(/<script type="application\/json" id="data">([^]*?)<\/script>/)),
    blob: (id) => of(new RegExp(`<script type="text/plain" id="${id}">([^]*?)</script>`)),
    hasFile: (file) => html.includes(sourceOf(file).trim()),
  };
}

/** What a generator returns in the end; each of its pauses is told. */
export function returned(generator, onPause = () => {}) {
  for (;;) {
    const { value, done } = generator.next();
    if (done) return value;
    onPause();
  }
}

/** Counts what passes and what fails, and says so. */
export class Checks {
  passed = 0;
  failed = 0;

  check(what, isGood, detail = '') {
    if (isGood) this.passed++;
    else this.failed++;
    console.log(`${isGood ? 'ok  ' : 'FAIL'} ${what}${detail && `: ${detail}`}`);
  }

  /** The last line, and the exit status. */
  end() {
    console.log(`${this.passed} passed, ${this.failed} failed`);
    process.exitCode = this.failed ? 1 : 0;
  }
}
