import type { VNode } from 'preact';
import type { Citation } from '../api/types';
import { open } from '../state/panel';
import { CARD, hide, show, shown } from './HoverCard';

/** The number of a citation, which tells what it cites and leads there. */
export function Pill({ citation, n }: { citation: Citation | undefined; n: number }): VNode {
  if (!citation) return <span>[{n}]</span>;
  const isTold = shown.value?.citation === citation;
  return (
    <button
      type="button"
      class={`pill ${citation.support}`}
      aria-label={`Source ${n}: ${citation.title}${citation.page ? `, page ${citation.page}` : ''}`}
      aria-describedby={isTold ? CARD : undefined}
      onPointerEnter={(event) => event.pointerType !== 'touch' && show(citation, event.currentTarget)}
      onPointerLeave={() => hide()}
      onFocus={(event) => event.currentTarget.matches(':focus-visible') && show(citation, event.currentTarget, true)}
      onBlur={() => hide(true)}
      onClick={() => {
        hide(true);
        open({ is: 'source', place: citation });
      }}
    >
      {n}
    </button>
  );
}
