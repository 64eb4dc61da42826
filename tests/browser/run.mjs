// The page in a real browser, against a running service that is set up to ask
// the scripted provider which this starts.
//
//   FOOTNOTE_URL       the service, such as http://127.0.0.1:8080
//   FOOTNOTE_NAME      a user; registered if the service lets people register
//   FOOTNOTE_PASSWORD  the user's password
//   PROVIDER_PORT      where the provider listens; the service was started with
//                      OPENAI_BASE_URL=http://127.0.0.1:PORT/v1, any
//                      OPENAI_API_KEY, and FOOTNOTE_MODEL=scripted
//   SCREENSHOTS        folder for pictures
//   CHROMIUM           /usr/bin/chromium unless said otherwise
import { createServer } from 'node:http';
import { once } from 'node:events';
import { startProvider } from './provider.mjs';
import { Gate, scripts } from './scripts.mjs';
import { openBrowser } from './page.mjs';
import * as steps from './steps.mjs';

const need = (name) => process.env[name] || (() => { throw new Error(`${name} is not set; see the head of run.mjs`); })();
const origin = need('FOOTNOTE_URL').replace(/\/+$/, '');
const name = need('FOOTNOTE_NAME');
const password = need('FOOTNOTE_PASSWORD');

const reached = [];
const canary = createServer((request, response) => {
  reached.push(request.url);
  response.end();
});
canary.listen(0, '127.0.0.1');
await once(canary, 'listening');
const canaryUrl = `http://127.0.0.1:${canary.address().port}`;
const gate = new Gate();
const provider = await startProvider(Number(process.env.PROVIDER_PORT ?? 8199), scripts(canaryUrl, gate));
const test = await openBrowser({ origin, folder: process.env.SCREENSHOTS ?? 'screenshots' });
const context = { ...test, origin, name, password, gate, reached };

let failed = 0;
for (const [title, step] of steps.all) {
  const started = Date.now();
  try {
    await step(context);
    console.log(`ok    ${title} (${Date.now() - started} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${title}: ${error.stack ?? error}`);
    await test.shot('failed').catch(() => {});
    // Later steps stand on earlier ones.
    break;
  }
}
await test.browser.close();
provider.close();
canary.close();
console.log(failed === 0 ? `browser: all ${steps.all.length} steps passed` : 'browser: failed');
process.exit(failed === 0 ? 0 : 1);
