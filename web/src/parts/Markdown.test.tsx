import { render } from 'preact';
import { describe, expect, test } from 'vitest';
import { Markdown, type MarkdownProps } from './Markdown';

function shown(props: MarkdownProps): HTMLElement {
  const page = document.createElement('div');
  render(<Markdown {...props} cite={(n) => <button type="button" class="pill">{n}</button>} />, page);
  return page;
}

/** Whatever a browser would fetch or run by itself. */
const ACTIVE = 'img, script, iframe, object, embed, style, link, video, audio, svg:not(.icon), form, input, base, meta, [src], [srcset], [style]';

const HOSTILE = [
  '![a](https://canary.test/1.png)',
  '![a](https://canary.test/2.png "title") and ![b][ref]\n\n[ref]: https://canary.test/3.png',
  '[![c](https://canary.test/4.png)](javascript:alert(1))',
  '<img src=https://canary.test/5.png onerror=alert(1)>',
  'x <img src="https://canary.test/6.png"> y\n\n<script>fetch("https://canary.test/7")</script>',
  '<iframe src="https://canary.test/8"></iframe>\n<svg onload=alert(1)><image href="https://canary.test/9"/></svg>',
  '[click](javascript:alert(1)) [click](JaVaScRiPt:alert(1)) [click](&#106;avascript:alert(1)) [x](data:text/html,hi)',
  '[click](java\nscript:alert(1)) [click](vbscript:x) [x](//canary.test/10) [x](/api/v1/me) [y][j]\n\n[j]: javascript:alert(1)',
  '<javascript:alert(1)> <https://canary.test/11> https://canary.test/12 www.canary.test',
  '`![a](https://canary.test/13.png)`\n\n```html\n<img src=https://canary.test/14.png>\n```',
  '| ![a](https://canary.test/15.png) | <style>*{background:url(https://canary.test/16)}</style> |\n|---|---|\n| a | b |',
  '[https://good.test](https://user:pass@canary.test/17) [1]: https://canary.test/18\n\n[1]: https://canary.test/19',
  '> <link rel=stylesheet href=https://canary.test/20>\n\n- <base href=https://canary.test/>\n- <meta http-equiv=refresh content="0;url=https://canary.test">',
  '# <video poster=https://canary.test/21 autoplay></video>\n\n<form action=https://canary.test><input autofocus onfocus=alert(1)></form>',
];

function check(page: HTMLElement): void {
  expect(page.querySelectorAll(ACTIVE)).toHaveLength(0);
  for (const element of page.querySelectorAll('*')) {
    for (const { name } of element.attributes) expect(name).not.toMatch(/^on/);
  }
  for (const link of page.querySelectorAll('a')) {
    expect(link.href).toMatch(/^https?:\/\//);
    expect(link.href).not.toContain('@');
    expect(link.rel).toBe('noopener noreferrer');
    expect(link.target).toBe('_blank');
  }
}

describe('hostile answers', () => {
  test.each(HOSTILE)('%j is harmless whole and at every point of its stream', (text) => {
    for (let end = 0; end <= text.length; end++) {
      check(shown({ text: text.slice(0, end), growing: true, cited: new Set([1]) }));
    }
    check(shown({ text, cited: new Set([1]) }));
  });

  test('a picture is told and not shown', () => {
    const page = shown({ text: 'See ![the pump](https://canary.test/a.png).' });
    expect(page.textContent).toBe('See the pump (https://canary.test/a.png).');
  });

  test('HTML stays the words that it is', () => {
    const text = 'a <b onclick="x">c</b> &lt;i&gt; &amp; <script>alert(1)</script>';
    expect(shown({ text }).textContent).toBe('a <b onclick="x">c</b> <i> & <script>alert(1)</script>');
  });

  test('a reference cannot take the place of a citation', () => {
    const page = shown({ text: 'It runs. [1]\n\n[1]: https://canary.test/', cited: new Set([1]) });
    expect(page.querySelectorAll('a[href*="canary"]:not([title])')).toHaveLength(0);
    expect(page.querySelector('p .pill')?.textContent).toBe('1');
  });

  test('what is nested without end ends', () => {
    for (const text of ['>'.repeat(3000), `${'- '.repeat(2000)}x`, '['.repeat(5000), '*'.repeat(5000)]) {
      check(shown({ text }));
      check(shown({ text, growing: true }));
    }
  });
});

const ORDINARY = [
  'The pump runs **24 hours**. It is *very* quiet, ~~not~~ so: `a * b`. See [the manual](https://example.test/a_(b)).\n\nNext.',
  '## What to do\n\n1. Open **the valve** [1].\n2. Close it.\n   - Not _too_ tight\n   - At `4 Nm`\n\n> Mind the *seal*.\n\nDone.',
  'Values:\n\n| Class | Months |\n|:--|--:|\n| GW1 | **12** |\n| GW2 | 24 |\n\nThat is all.',
  'Code:\n\n```rust\nfn main() { let a = "**x**"; }\n```\n\nand `inline` [2] text, with **bold `code` inside**.',
  'snake_case and 5 * 3 = 15 and a ***both*** b, then __strong__ words.\n\n---\n\n- [ ] open\n- [x] done\n',
];

describe('a growing answer', () => {
  test.each(ORDINARY)('%j never shows words that vanish again', (text) => {
    const whole = squeeze(shown({ text, cited: new Set([1, 2]) }).textContent ?? '');
    let before = '';
    for (let end = 0; end <= text.length; end++) {
      const now = squeeze(shown({ text: text.slice(0, end), growing: true, cited: new Set([1, 2]) }).textContent ?? '');
      expect(whole.startsWith(now), `${JSON.stringify(text.slice(0, end))} showed ${now}`).toBe(true);
      expect(now.length).toBeGreaterThanOrEqual(before.length);
      before = now;
    }
  });

  test('emphasis shows before it is closed', () => {
    expect(shown({ text: 'a **bold wor', growing: true }).querySelector('strong')?.textContent).toBe('bold wor');
    expect(shown({ text: '- a `co', growing: true }).querySelector('li code')?.textContent).toBe('co');
  });
});

const squeeze = (text: string): string => text.replace(/\s+/g, '');

describe('claims and citations', () => {
  test('only known numbers become citations', () => {
    const page = shown({ text: 'A [1] b [7] c[2].', cited: new Set([1, 2]) });
    expect([...page.querySelectorAll('.pill')].map((pill) => pill.textContent)).toEqual(['1', '2']);
    expect(page.textContent).toContain('[7]');
  });

  test('an address does not swallow the citation behind it', () => {
    const page = shown({ text: 'See https://example.test/a[1] there.', cited: new Set([1]) });
    expect(page.querySelector('.pill')?.textContent).toBe('1');
    expect(page.querySelector('a')?.href).toBe('https://example.test/a');
  });

  test('an unsupported claim is marked, in code points, through its emphasis', () => {
    const text = '😀 Yes. It **has** wings.\n\n- It can *fly*.\n';
    const at = (words: string): number => Array.from(text.slice(0, text.indexOf(words))).length;
    const unsupported = [{ start: at('It **has'), end: at('\n\n-') }, { start: at('- It'), end: at('- It') + '- It can *fly*.'.length }];
    const page = shown({ text, unsupported });
    const marked = [...page.querySelectorAll('.unsupported')].map((part) => part.textContent).join('');
    expect(marked).toBe('It has wings.It can fly.');
    expect(page.querySelectorAll('.unsupported-label')).toHaveLength(2);
    expect(page.textContent?.match(/not in the sources/g)).toHaveLength(2);
    expect(page.querySelector('li')?.textContent).toContain('It can fly.');
  });

  test('claims side by side have one label, behind the last', () => {
    const text = 'One is. Two is.\nThree is.\n\nFour is. See https://example.test/a';
    const [first, last] = [text.indexOf('\n\n'), text.length];
    const unsupported = [
      { start: 0, end: 7 }, { start: 8, end: first }, { start: first + 2, end: first + 10 }, { start: first + 11, end: last },
    ];
    const page = shown({ text, unsupported });
    expect([...page.querySelectorAll('p')].map((block) => block.textContent)).toEqual(
      ['One is. Two is.\nThree is.not in the sources', 'Four is. See https://example.test/anot in the sources'],
    );
    expect(page.querySelector('a')?.href).toBe('https://example.test/a');
    expect(page.querySelector('a .unsupported-label')).toBeNull();
  });

  test('an address without a scheme keeps its link and its mark', () => {
    const text = 'See www.example.test';
    const page = shown({ text, unsupported: [{ start: 0, end: text.length }] });
    expect(page.querySelector('.unsupported a')?.getAttribute('href')).toBe('http://www.example.test/');
    expect(page.textContent).toBe('See www.example.testnot in the sources');
  });

  test('a text keeps signs that stand for marks', () => {
    expect(shown({ text: 'a \u2E20 b \u2E23 `\u2E22` c', unsupported: [{ start: 0, end: 1 }] }).textContent)
      .toBe('anot in the sources \u2E20 b \u2E23 \u2E22 c');
  });
});
