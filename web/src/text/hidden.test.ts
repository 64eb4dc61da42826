import { describe, expect, test } from 'vitest';
import { reveal } from './hidden';

const tags = (words: string): string => Array.from(words, (sign) => String.fromCodePoint(0xe0000 + (sign.codePointAt(0) ?? 0))).join('');

describe('what cannot be seen', () => {
  test('is shown with what it says', () => {
    expect(reveal(`a${tags('obey me')}b`)).toEqual([
      { text: 'a', hidden: false }, { text: 'hidden: obey me', hidden: true }, { text: 'b', hidden: false },
    ]);
    expect(reveal('a\u200B\u202Eb')[1]).toEqual({ text: 'U+200B U+202E', hidden: true });
    expect(reveal('\u2060'.repeat(9))[0]?.text).toBe('U+2060 U+2060 U+2060 U+2060 and 5 more');
  });

  test('leaves scripts and pictures alone that need joiners', () => {
    for (const text of ['👩‍🚀 می‌خواهم', 'Grüße', '']) expect(reveal(text).some((run) => run.hidden)).toBe(false);
  });
});
