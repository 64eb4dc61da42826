// What a citation points at, told beside its number while the pointer or the
// keyboard is on it.
import { signal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { Citation } from '../api/types';
import { Passage } from './Passage';

/** Id of the card, for those that it describes. */
export const CARD = 'citation-card';

export const shown = signal<{ citation: Citation; anchor: HTMLElement } | null>(null);
let timer: ReturnType<typeof setTimeout> | undefined;

export function show(citation: Citation, anchor: HTMLElement, atOnce = false): void {
  clearTimeout(timer);
  const act = (): void => {
    shown.value = { citation, anchor };
  };
  if (atOnce) act();
  else timer = setTimeout(act, 120);
}

/** Hides it, unless the pointer comes to the card soon. */
export function hide(atOnce = false): void {
  clearTimeout(timer);
  const act = (): void => {
    shown.value = null;
  };
  if (atOnce) act();
  else timer = setTimeout(act, 180);
}

export function HoverCard(): VNode | null {
  const card = useRef<HTMLDivElement>(null);
  const now = shown.value;
  useLayoutEffect(() => {
    if (now && card.current) place(card.current, now.anchor);
  }, [now]);
  useEffect(() => {
    if (!now) return;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      event.preventDefault();
      hide(true);
    };
    const onScroll = (): void => hide(true);
    document.addEventListener('keydown', onKey, true);
    document.addEventListener('scroll', onScroll, true);
    return () => {
      document.removeEventListener('keydown', onKey, true);
      document.removeEventListener('scroll', onScroll, true);
    };
  }, [now]);
  if (!now) return null;
  const { citation } = now;
  return (
    <div id={CARD} class="hover-card" role="tooltip" ref={card} onPointerEnter={() => clearTimeout(timer)} onPointerLeave={() => hide()}>
      <p class="of">
        <strong>{citation.title}</strong>
        {citation.page !== null && <span> · page {citation.page}</span>}
      </p>
      <blockquote><Passage text={citation.quote} most={420} /></blockquote>
      <p class={`support ${citation.support}`}>{supportWords(citation)}</p>
    </div>
  );
}

/** How a citation backs its claim, in words. */
export function supportWords({ support, score }: Pick<Citation, 'support' | 'score'>): string {
  return support === 'quoted'
    ? 'Quoted: these words stand in the source.'
    : `Matched: ${Math.round(score * 100)} % of the claim’s words stand in this sentence.`;
}

/** Beside its number, and within the window. */
function place(card: HTMLElement, anchor: HTMLElement): void {
  const at = anchor.getBoundingClientRect();
  const size = card.getBoundingClientRect();
  const edge = 8;
  const left = Math.min(Math.max(edge, at.left - 24), window.innerWidth - size.width - edge);
  const fitsAbove = at.top - size.height - 6 > edge;
  card.style.left = `${Math.max(edge, left)}px`;
  card.style.top = `${fitsAbove ? at.top - size.height - 6 : at.bottom + 6}px`;
}
