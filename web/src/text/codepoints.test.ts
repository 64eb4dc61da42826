import { describe, expect, test } from 'vitest';
import { cut, length, slice } from './codepoints';

const TEXT = 'a😀e\u0301🏳️‍🌈z';

describe('code points', () => {
  test('signs beyond the basic plane count once', () => {
    expect(length(TEXT)).toBe(Array.from(TEXT).length);
    expect(slice(TEXT, 1, 2)).toBe('😀');
    expect(slice(TEXT, 2, 4)).toBe('e\u0301');
  });

  test('every range is what an array of code points gives', () => {
    const points = Array.from(TEXT);
    for (let start = 0; start <= points.length + 1; start++) {
      for (let end = start; end <= points.length + 2; end++) {
        expect(slice(TEXT, start, end)).toBe(points.slice(start, end).join(''));
        expect(cut(TEXT, start, end)).toEqual(
          [points.slice(0, start), points.slice(start, end), points.slice(end)].map((part) => part.join('')),
        );
      }
    }
    expect(slice(TEXT, 2)).toBe(points.slice(2).join(''));
  });
});
