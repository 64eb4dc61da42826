import { render } from 'preact';
import { afterEach, expect, test, vi } from 'vitest';
import { Members } from './Members';

afterEach(() => vi.unstubAllGlobals());

test('who was invited and has not accepted is marked, and can be taken back', async () => {
  const member = (name: string, accepted_at: string | null): object => ({ user_id: name, name, role: 'reader', accepted_at });
  const items = [member('ada', '2026-01-01T00:00:00Z'), member('grace', null)];
  vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ items, next_cursor: null })));
  const page = document.createElement('div');
  render(<Members collection="c" />, page);
  await vi.waitFor(() => expect(page.querySelectorAll('li')).toHaveLength(2));
  const rows = [...page.querySelectorAll('li')].map((row) => [row.textContent?.trim(), row.querySelector('button')?.getAttribute('aria-label')]);
  expect(rows).toEqual([
    ['ada may read', 'Take it from ada'],
    ['grace has not accepted yet may read', 'Take back the invitation of grace'],
  ].map(([text, label]) => [expect.stringMatching(new RegExp(`^${text?.replaceAll(' ', '\\s*')}$`)), label]));
});
