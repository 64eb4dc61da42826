// What a person does on the page, one step after another.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answered, answerText, ask, isAnswering, pause, until } from './page.mjs';
import { INSTRUCTIONS, QUOTE, SLOW } from './scripts.mjs';

const PDF = fileURLToPath(new URL('../../fixtures/kb/manuals/rill-valves.pdf', import.meta.url));
const letters = (text) => text.normalize('NFKC').toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

async function signIn({ page, origin, name, password, shot }) {
  await page.goto(`${origin}/`);
  await page.waitForSelector('input[name=name]');
  const options = await page.evaluate(async () => (await fetch('/api/v1/auth/options')).json());
  await shot('door');
  await fill(page, name, password);
  const isIn = () => page.$('#question').then(Boolean);
  const said = () => page.$eval('.door .problem', (problem) => problem.textContent).catch(() => null);
  await until('an answer to signing in', async () => (await isIn()) || (await said()));
  if (!(await isIn())) {
    assert.ok(options.registration, `signing in failed: ${await said()}`);
    await page.click('.card .link-button');
    await fill(page, name, password);
  }
  await page.waitForSelector('#question');
  const kept = await page.evaluate(() => JSON.stringify([localStorage, sessionStorage, document.cookie]));
  assert.doesNotMatch(kept, /token|bearer|eyJ/i, 'a credential can be read by scripts');
}

async function fill(page, name, password) {
  for (const [field, text] of [['name', name], ['password', password]]) {
    await page.$eval(`input[name=${field}]`, (input) => { input.value = ''; });
    await page.type(`input[name=${field}]`, text);
  }
  await page.click('.card button[type=submit]');
}

async function upload({ page, shot }) {
  await page.evaluate(() => { location.hash = '#/collections'; });
  await page.waitForSelector('.inline-form input');
  await page.type('.inline-form input', `Valves ${Date.now()}`);
  await page.click('.inline-form button');
  const input = await page.waitForSelector('input[type=file]');
  await input.uploadFile(PDF);
  await page.waitForSelector('.documents [data-stage]');
  await shot('uploaded');
  await page.waitForSelector('.documents [data-stage=done]');
  await shot('ready');
  await clickText(page, '.link-button', 'Ask about these');
  await page.waitForSelector('.welcome');
}

async function watchAnswer({ page, shot }) {
  await ask(page, 'How tight are the bonnet screws of a Rill valve?');
  const seen = [];
  await until('an answer that ends', async () => {
    const text = await answerText(page);
    if (text && text !== seen.at(-1)) seen.push(text);
    if (seen.length === 4) await shot('growing');
    return seen.length > 0 && !(await isAnswering(page));
  });
  assert.ok(seen.length >= 5, `the answer came in ${seen.length} pieces`);
  for (let at = 1; at < seen.length - 1; at++) {
    const [before, now] = [letters(seen[at - 1]), letters(seen[at])];
    // A number and a label come in between; words stay.
    assert.ok(now.length >= before.length, `words vanished: ${JSON.stringify([seen[at - 1], seen[at]])}`);
  }
  assert.equal(await page.$$eval('.answer .pill', (pills) => pills.filter((pill) => pill.tagName === 'BUTTON').length), 1);
  assert.equal(await page.$eval('.answer table strong', (cell) => cell.textContent), '6 Nm');
  assert.match(await page.$eval('.answer .unsupported', (claim) => claim.textContent), /pure gold/);
  await page.hover('.answer .pill');
  await page.waitForSelector('.hover-card');
  assert.match(await page.$eval('.hover-card', (card) => card.textContent), /6 Nm/);
  await shot('answer');
}

async function openCitation({ page, shot }) {
  await page.click('.answer .pill');
  await page.waitForSelector('.page-frame[data-drawn=yes] canvas');
  const marked = await page.$$eval('.text-layer mark', (marks) => marks.map((mark) => mark.textContent).join(' '));
  assert.equal(letters(marked), letters(QUOTE));
  const isSeen = await page.$eval('.text-layer mark', (mark) => {
    const [at, frame] = [mark.getBoundingClientRect(), mark.closest('.page-frame').getBoundingClientRect()];
    return at.width > 20 && at.height > 4 && at.top >= frame.top && at.bottom <= frame.bottom;
  });
  assert.ok(isSeen, 'the passage is marked where nobody sees it');
  await shot('citation-page');
  await clickText(page, '.tabs button', 'Text');
  const mark = await page.waitForSelector('mark[data-passage]');
  assert.equal(letters(await mark.evaluate((one) => one.textContent)), letters(QUOTE));
  await shot('citation-text');
  await page.keyboard.press('Escape');
  await page.waitForSelector('.pane', { hidden: true });
}

async function refresh({ page, shot, gate }) {
  await ask(page, 'Tell me slowly, please.');
  await until('some words', async () => (await page.$$('.answer')).length === 2 && (await wordsOnly(page)).length > 400);
  assert.ok(await isAnswering(page));
  const before = letters(await wordsOnly(page));
  await page.reload();
  await until('the words from before', async () => letters(await wordsOnly(page)).length >= before.length);
  assert.ok(await isAnswering(page), 'the answer goes on');
  assert.ok(letters(await wordsOnly(page)).startsWith(before));
  await shot('after-refresh');
  gate.open();
  await answered(page, 2);
  assert.equal(letters(await wordsOnly(page)), letters(SLOW));
}

/** Words of the last answer without the labels of unsupported claims. */
function wordsOnly(page) {
  return page.evaluate(() => {
    const words = [...document.querySelectorAll('.answer')].at(-1)?.querySelector('.markdown')?.cloneNode(true);
    if (!words) return '';
    for (const label of words.querySelectorAll('.unsupported-label, .pill')) label.remove();
    return words.textContent;
  });
}

async function stop({ page, shot, gate }) {
  gate.shut();
  await ask(page, 'And once more slowly, to be stopped.');
  await until('some words', async () => (await page.$$('.answer')).length === 3 && (await answerText(page)).length > 60);
  await page.keyboard.press('Escape');
  await answered(page, 3);
  assert.equal(await page.$$eval('.answer', (all) => all.at(-1).querySelector('.remark').textContent), 'Stopped.');
  const kept = await wordsOnly(page);
  assert.ok(kept.length > 40 && letters(SLOW).startsWith(letters(kept)) && kept.length < SLOW.length);
  await shot('stopped');
}

async function edit({ page, shot }) {
  const last = (selector) => `.messages > li.user:nth-last-of-type(2) ${selector}`;
  await page.hover(last('.question'));
  await page.click(last('button[aria-label="Edit and ask again"]'));
  await page.waitForSelector('.editing textarea');
  await page.$eval('.editing textarea', (area) => area.select());
  await page.type('.editing textarea', 'Say it in other words.');
  await page.keyboard.press('Enter');
  await until('the new branch', async () => /in other words it is short/i.test(await answerText(page)));
  await answered(page, 3);
  const count = () => page.$eval(last('.branches .count'), (one) => one.textContent.replace(/\D+/g, '/'));
  assert.equal(await count(), '2/2');
  await shot('branches');
  await page.click(last('button[aria-label="Earlier version"]'));
  await until('the earlier branch', async () => (await count()) === '1/2' && /Line 1 of/.test(await answerText(page)));
  await page.click(last('button[aria-label="Later version"]'));
  await until('the later branch', async () => (await count()) === '2/2');
}

async function vote({ page, shot }) {
  const down = '.messages > li:last-child button[aria-label="This did not help"]';
  await page.click(down);
  await page.waitForSelector('dialog[open] .check');
  await page.click('dialog .check');
  await page.type('dialog textarea', 'Too short.');
  await shot('vote');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector(`${down}[aria-pressed=true]`);
  await page.reload();
  await page.waitForSelector(`${down}[aria-pressed=true]`);
}

async function hostile({ page, shot, reached, foreign }) {
  await ask(page, 'Give me a hostile answer.');
  await until('the whole answer', async () => /end of the hostile answer/.test(await answerText(page)));
  await answered(page, 4);
  await pause(500);
  await shot('hostile');
  const found = await page.evaluate(() => {
    const words = [...document.querySelectorAll('.answer')].at(-1).querySelector('.markdown');
    return {
      ran: window.__ran ?? null,
      active: words.querySelectorAll('img, script, iframe, object, embed, style, link, video, base, meta, svg:not(.icon)').length,
      links: [...words.querySelectorAll('a')].map((link) => [link.protocol, link.rel, link.target].join(' ')),
    };
  });
  assert.equal(found.ran, null);
  assert.equal(found.active, 0);
  assert.ok(found.links.length > 0);
  for (const link of found.links) assert.match(link, /^https?: noopener noreferrer _blank$/);
  await page.reload();
  await until('the stored answer', async () => /end of the hostile answer/.test(await answerText(page)));
  assert.deepEqual(reached, [], 'the canary was asked');
  assert.deepEqual(foreign, [], 'another host was asked');
}

async function instruct({ page, shot }) {
  await page.click('.sidebar .new');
  await page.waitForSelector('.welcome');
  await openSetUp(page);
  assert.equal(await page.evaluate(() => document.activeElement.name), 'instructions');
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { hidden: true });
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'More for this conversation');
  await openSetUp(page);
  await page.type('textarea[name=instructions]', INSTRUCTIONS);
  await page.click('dialog fieldset > .check input');
  await page.waitForSelector('input[name=tool][value=calculate]');
  await page.click('input[name=tool][value=calculate]');
  await page.type('input[name=others]', 'time__now, time__now');
  await shot('instructions');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog', { hidden: true });
  await ask(page, 'What of the valves, as you were told?');
  await answered(page, 1);
  assert.match(await answerText(page), /I was told to/);
  await page.reload();
  await answered(page, 1);
  await openSetUp(page);
  const kept = await page.evaluate(() => ({
    words: document.querySelector('textarea[name=instructions]').value,
    tools: [...document.querySelectorAll('input[name=tool]')].filter((one) => one.checked).map((one) => one.value),
  }));
  assert.equal(kept.words, INSTRUCTIONS);
  assert.ok(kept.tools.includes('time__now') && kept.tools.includes('get_document') && !kept.tools.includes('calculate'));
  await page.$eval('textarea[name=instructions]', (area) => area.select());
  await page.keyboard.press('Backspace');
  await page.click('dialog fieldset > .check input');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog', { hidden: true });
  await ask(page, 'And once more as you were told?');
  await answered(page, 2);
  assert.match(await answerText(page), /Nobody told me/);
}

async function openSetUp(page) {
  await page.click('.bar .menu > button');
  await clickText(page, '[role=menuitem]', 'Instructions and tools');
  await page.waitForSelector('dialog[open] textarea[name=instructions]');
}

async function askAboutOne({ page, shot, folder }) {
  await nameDocument(page);
  const title = await page.$eval('.composer .named span', (name) => name.textContent);
  await page.click('.composer .named button');
  await page.waitForSelector('.composer .named', { hidden: true });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'question');
  await nameDocument(page);
  assert.match(await page.$eval('.composer .alone', (said) => said.textContent), /this document alone/);
  const picture = join(folder, 'sent-along.png');
  await page.screenshot({ path: picture, clip: { x: 0, y: 0, width: 160, height: 120 } });
  await (await page.waitForSelector('.composer input[type=file]')).uploadFile(picture);
  await page.waitForSelector('.composer .thumb img');
  await shot('sent-along');
  await ask(page, 'And in this one, how tight are the bonnet screws?');
  for (const reload of [false, true]) {
    if (reload) await page.reload();
    await answered(page, 1);
    assert.match(await answerText(page), /6 Nm/);
    assert.equal(await page.$eval('.question .named span', (name) => name.textContent), title);
    await until('the picture', () => page.$eval('.question .thumb img', (image) => image.naturalWidth > 0));
  }
  assert.equal(await page.$('.composer .along'), null);
  await shot('asked-along');
}

async function nameDocument(page) {
  await page.evaluate(() => { location.hash = '#/collections'; });
  await until('the collection', () => page.evaluate(() => {
    const row = [...document.querySelectorAll('a.row')].find((one) => one.textContent.includes('Valves'));
    row?.click();
    return row !== undefined;
  }));
  await (await page.waitForSelector('.documents button[aria-label^="Ask about "]')).click();
  await page.waitForSelector('.welcome');
  await page.waitForSelector('.composer .named');
}

async function keyboard({ page }) {
  await page.evaluate(() => { document.activeElement?.blur(); window.scrollTo(0, 0); });
  await page.focus('body');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  const nameless = await page.$$eval('button, a, input, textarea, select', (all) => all
    .filter((one) => one.offsetParent !== null)
    .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length || one.title))
    .map((one) => one.outerHTML.slice(0, 120)));
  assert.deepEqual(nameless, [], 'controls without a name');
}

async function looks({ page, shot }) {
  for (const scheme of ['dark', 'light']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await shot(`wide-${scheme}`);
  }
  await page.setViewport({ width: 390, height: 844, isMobile: true, hasTouch: true, deviceScaleFactor: 2 });
  // A browser loads a page anew for a phone.
  await page.waitForSelector('.answer .tools');
  for (const scheme of ['dark', 'light']) {
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
    await shot(`phone-${scheme}`);
  }
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  assert.ok(!tooWide, 'the page scrolls sideways on a phone');
  await page.click('.bar .drawer-button');
  await page.waitForSelector('.with-drawer .sidebar');
  await pause(300);
  await shot('phone-drawer');
  await page.click('.places a[href="#/collections"]');
  await page.waitForSelector('.rows');
  await pause(300);
  await shot('phone-documents');
}

async function clean({ problems, foreign, reached }) {
  assert.deepEqual(problems, []);
  assert.deepEqual(foreign, []);
  assert.deepEqual(reached, []);
}

async function clickText(page, selector, text) {
  const found = await until(`${selector} “${text}”`, async () => {
    for (const one of await page.$$(selector)) {
      if ((await one.evaluate((element) => element.textContent.trim())) === text) return one;
    }
    return null;
  });
  await found.click();
}

export const all = [
  ['somebody signs in, and no credential lies where scripts can read it', signIn],
  ['a PDF is uploaded and becomes searchable', upload],
  ['an answer grows without words that vanish, and marks what is unsupported', watchAnswer],
  ['a citation opens the page of the PDF with the passage marked', openCitation],
  ['a refresh in the middle of an answer loses nothing', refresh],
  ['Escape stops an answer and keeps what there is', stop],
  ['an edited question is a branch beside the first', edit],
  ['a vote with its reason stays', vote],
  ['a hostile answer fetches nothing and runs nothing', hostile],
  ['a conversation is given instructions and tools', instruct],
  ['a question names one document and has a picture', askAboutOne],
  ['the keyboard finds its way, and every control has a name', keyboard],
  ['it looks right in dark, light and on a phone', looks],
  ['nothing went wrong and nobody else was asked', clean],
];
