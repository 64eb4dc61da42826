import { expect, test } from 'vitest';
import { namesIn } from './tools';

test('names of tools are read however they are written, each once', () => {
  expect(namesIn('calculate', ' time__now, calculate\n web-search;; ')).toEqual(['calculate', 'time__now', 'web-search']);
  expect(namesIn(' , ')).toEqual([]);
});
