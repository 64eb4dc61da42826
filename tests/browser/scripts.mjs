// What the provider says in the tests.

/** A sentence of fixtures/kb/manuals/rill-valves.pdf. */
export const QUOTE = 'The four bonnet screws are tightened crosswise with 6 Nm on all sizes.';

export const SLOW = Array.from({ length: 40 }, (_, at) => `Line ${at + 1} of a long answer that comes slowly.`).join(' ');

/** What a conversation's model is told. */
export const INSTRUCTIONS = 'Speak as a gardener would.';

const fold = (text) => text.replace(/\s+/g, ' ');

/** Text that tries to have something fetched or run from `canary`. */
export const hostile = (canary) => [
  `![one](${canary}/1.png) ![two][ref] [![three](${canary}/3.png)](${canary}/link)`,
  `[ref]: ${canary}/2.png`,
  `<img src="${canary}/4.png" onerror="window.__ran=1"> <script>window.__ran=1;fetch("${canary}/5")</script>`,
  `<iframe src="${canary}/6"></iframe><svg onload="window.__ran=1"><image href="${canary}/7"/></svg>`,
  `<link rel="stylesheet" href="${canary}/8.css"><style>@import url(${canary}/9.css);</style>`,
  '[run](javascript:window.__ran=1) [run][js] [data](data:text/html,<script>window.__ran=1</script>)',
  '[js]: javascript:window.__ran=1',
  `<${canary}/auto> ${canary}/bare www.canary.invalid`,
  `| ![cell](${canary}/10.png) | <video src="${canary}/11.mp4" autoplay> |\n|---|---|\n| a | b |`,
  `> - ![deep](${canary}/12.png)\n\n\`\`\`html\n<img src="${canary}/13.png">\n\`\`\``,
  `<meta http-equiv="refresh" content="0;url=${canary}/14"><base href="${canary}/"><object data="${canary}/15"></object>`,
  'The end of the hostile answer.',
].join('\n\n');

/** Something that a test holds back until it has seen enough. */
export class Gate {
  #isOpen = false;
  #waiting = [];

  shut() {
    this.#isOpen = false;
  }

  open() {
    this.#isOpen = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  opened() {
    return this.#isOpen ? Promise.resolve() : new Promise((go) => this.#waiting.push(go));
  }
}

export function scripts(canary, gate) {
  return [
    {
      when: 'bonnet screws',
      says: (passages) => {
        const source = passages.find(({ text }) => fold(text).includes(QUOTE));
        const marker = source ? ` [${source.n}: "${QUOTE}"]` : '';
        return `${QUOTE}${marker}\n\n| Size | Torque |\n|---|--:|\n| all | **6 Nm** |\n\nThe valve is made of pure gold.\n`;
      },
      size: 4,
      wait: 40,
    },
    { when: 'slowly', says: () => SLOW, size: 12, wait: 20, gate },
    { when: 'other words', says: () => 'In other words it is short.', size: 5, wait: 10 },
    { when: 'as you were told', says: (_, told) => (told.includes(INSTRUCTIONS) ? 'I was told to.' : 'Nobody told me.'), size: 5, wait: 10 },
    { when: 'hostile', says: () => hostile(canary), size: 1, wait: 0 },
  ];
}
