// Where one is. The fragment says it, since the service knows one page only;
// `/s/{revision}` is a source that stands alone.
import { signal } from '@preact/signals';

export type Route =
  | { view: 'chat'; conversation: string | null }
  | { view: 'collections'; collection: string | null }
  | { view: 'source'; revision: string; start: number; end: number }
  | { view: 'usage' | 'settings' | 'admin' };

export const route = signal<Route>(read());

window.addEventListener('hashchange', () => {
  route.value = read();
});

/** The fragment of a conversation. */
export const toConversation = (id: string | null): string => (id ? `#/c/${id}` : '#/');
export const toCollection = (id: string | null): string => (id ? `#/collections/${id}` : '#/collections');

/** Goes there; `replace` leaves no step to go back to. */
export function go(fragment: string, replace = false): void {
  const target = location.pathname.startsWith('/s/') ? `/${fragment}` : fragment;
  if (location.pathname.startsWith('/s/')) location.assign(target);
  else if (replace) {
    history.replaceState(null, '', fragment);
    route.value = read();
  } else location.hash = fragment;
}

function read(): Route {
  const source = /^\/s\/([0-9a-f-]{36})$/.exec(location.pathname);
  if (source?.[1]) {
    const query = new URLSearchParams(location.search);
    const number = (name: string): number => Math.max(0, Number.parseInt(query.get(name) ?? '', 10) || 0);
    return { view: 'source', revision: source[1], start: number('start'), end: number('end') };
  }
  const [view, id] = location.hash.replace(/^#\/?/, '').split('/');
  if (view === 'c' && id) return { view: 'chat', conversation: id };
  if (view === 'collections') return { view: 'collections', collection: id ?? null };
  if (view === 'usage' || view === 'settings' || view === 'admin') return { view };
  return { view: 'chat', conversation: null };
}
