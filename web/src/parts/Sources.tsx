import type { VNode } from 'preact';
import type { Citation } from '../api/types';
import { open } from '../state/panel';
import { Passage } from './Passage';

/** What an answer cites, in the order of its numbers. */
export function Sources({ citations }: { citations: Citation[] }): VNode | null {
  if (citations.length === 0) return null;
  const documents = new Set(citations.map((citation) => citation.document_id)).size;
  return (
    <details class="sources">
      <summary>
        {citations.length === 1 ? '1 source used' : `${citations.length} sources used`}
        {documents < citations.length && <span class="quiet"> in {documents === 1 ? 'one document' : `${documents} documents`}</span>}
      </summary>
      <ol>
        {citations.map((citation) => (
          <li key={citation.n}>
            <button type="button" onClick={() => open({ is: 'source', place: citation })}>
              <span class={`pill ${citation.support}`} aria-hidden="true">{citation.n}</span>
              <span class="of">
                <strong>{citation.title}</strong>
                {citation.page !== null && <span class="quiet"> · page {citation.page}</span>}
                <span class="quote"><Passage text={citation.quote} most={240} /></span>
              </span>
            </button>
          </li>
        ))}
      </ol>
    </details>
  );
}
