import { describe, expect, test } from 'vitest';
import { findQuote } from './find';

const PIECES = ['The effi', 'cient pump', ' runs for 24 ', 'hours; it is ex-', 'changed twice a year.'];
const shown = (quote: string): string[] => findQuote(PIECES, quote).map(({ piece, start, end }) =>
  (PIECES[piece] as string).slice(start, end));

describe('a quote on a page', () => {
  test('is found across pieces, hyphens and ligatures', () => {
    expect(shown('eﬃcient pump')).toEqual(['effi', 'cient pump']);
    expect(shown('it is exchanged twice')).toEqual(['it is ex', 'changed twice']);
  });

  test('is found in part where the page ends', () => {
    expect(shown('exchanged twice a year. A spare is kept in store.')).toEqual(['ex', 'changed twice a year']);
  });

  test('is not made up', () => {
    expect(shown('the moon')).toEqual([]);
    expect(shown('…')).toEqual([]);
  });
});
