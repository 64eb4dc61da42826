// A browser page with what the tests look at: what it fetched and what went wrong.
import { setTimeout as pause } from 'node:timers/promises';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';

/** How long something may take that is waited for, in milliseconds. */
export const PATIENCE = Number(process.env.PATIENCE ?? 120_000);

export async function openBrowser({ origin, folder }) {
  mkdirSync(folder, { recursive: true });
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
    defaultViewport: { width: 1360, height: 860 },
    protocolTimeout: PATIENCE * 3,
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  const problems = [];
  const foreign = [];
  page.on('pageerror', (error) => problems.push(`error: ${error.stack ?? error}`));
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    const from = message.location()?.url ?? '';
    // Whether there is a session is only known by asking.
    const isFirstVisit = from.endsWith('/api/v1/auth/refresh') && message.text().includes('401');
    if (!isFirstVisit) problems.push(`console: ${message.text()} (${from})`);
  });
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !/^(blob|data):/.test(url)) foreign.push(url);
  });
  let taken = 0;
  const shot = async (name) => {
    taken += 1;
    await page.screenshot({ path: join(folder, `${String(taken).padStart(2, '0')}-${name}.png`) });
  };
  return { browser, page, problems, foreign, folder, shot };
}

/** The value of `look` as soon as it is one. */
export async function until(what, look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const value = await look();
    if (value) return value;
    if (Date.now() > end) throw new Error(`waited in vain: ${what}`);
    await pause(50);
  }
}

/** Words of the last answer; an empty text before there are any. */
export function answerText(page) {
  return page.evaluate(() => [...document.querySelectorAll('.answer')].at(-1)?.querySelector('.markdown')?.textContent ?? '');
}

export function isAnswering(page) {
  return page.evaluate(() => document.querySelector('.answer[aria-busy="true"]') !== null);
}

/** Types a question and sends it with Enter. */
export async function ask(page, question) {
  await page.waitForSelector('#question');
  await page.click('#question');
  await page.type('#question', question);
  await page.keyboard.press('Enter');
}

export async function answered(page, count) {
  await until('an answer', () => page.evaluate((count) =>
    document.querySelectorAll('.answer[aria-busy="false"]').length >= count
    && !document.querySelector('.answer[aria-busy="true"]'), count));
}

export { pause };
