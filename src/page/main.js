// The page as a whole: what is shown first, and what follows when there is time.

/** Colours: as the system has them, until the button chooses others. */
function startColours() {
  const dark = matchMedia('(prefers-color-scheme: dark)'),
    root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches);
  const paint = () => {
    $('theme').setAttribute('aria-pressed', String(isDark()));
    eachFigure((figure) => figure.paint?.());
  };
  $('theme').addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    paint();
  });
  for (const media of [dark, matchMedia('print')]) media.addEventListener('change', paint);
  // Paper has the command instead of the form.
  addEventListener('beforeprint', () => {
    document.querySelector('.command').open = true;
  });
  $('theme').setAttribute('aria-pressed', String(isDark()));
}

function showAbout() {
  const models = entries.length === 1 ? 'A model' : `${entries.length} models`;
  const list = page.list ? [` of the ${whole(page.list.words)} words of `, bdi(page.list.name)] : [];
  $('about').replaceChildren(
    models,
    ...list,
    '. Everything is in this file and is computed here, in your browser; nothing is sent anywhere.',
  );
  $('made').textContent = `Made by makemore-tch ${page.program ?? ''}, after Andrej Karpathy’s makemore.`;
}

/** Draws and looks at what the address asks for. */
async function showAddress() {
  const { entry, word } = readAddress();
  chooseModel(entry);
  $('temperature').dispatchEvent(new Event('input'));
  isWordChosen = Boolean(word);
  if (word) $('word').value = word;
  mixture?.show?.();
  await drawWords();
}

/** The figures, one after the other, so that the page stays quick. */
async function showFigures() {
  await withFigure(stepwise);
  await withFigure(() => new Heatmap(entries).ready);
  await breathe();
  const networks = entries.filter(({ config }) => config.n_embd);
  if (networks.length) await withFigure(() => embeddingMap(networks));
  const learned = entries.filter(({ curve }) => curve.length > 1);
  if (learned.length) await withFigure(() => curves(learned));
  for (const entry of entries.filter(({ kind }) => kind === 'transformer')) {
    await unpack(entry);
    await withFigure(() => attentionOf(entry));
  }
}

async function main() {
  showAbout();
  startColours();
  startDraw();
  startUnderstand();
  $('wishes').open = matchMedia('(min-width: 56.01rem)').matches;
  for (const link of document.querySelectorAll('nav a, .skip')) {
    link.addEventListener('click', (event) => {
      event.preventDefault();
      goTo(link.hash.slice(1));
    });
  }
  showTable();
  showMixture();
  await showAddress();
  performance.mark('first words');
  await breathe();
  await showFigures();
  await look();
  performance.mark('all shown');
  await fillTable();
  addEventListener('hashchange', () => {
    // Not where a link within the page was followed.
    if (!/[#&](model|seed)=/.test(location.hash)) return;
    showAddress();
    look();
  });
  $('controls').addEventListener('input', refillTable);
  $('controls').addEventListener('submit', refillTable);
  performance.mark('done');
  document.documentElement.dataset.ready = 'true';
}

main().catch((error) => {
  $('status').textContent = `This page cannot run here: ${error.message}`;
  throw error;
});
