// A source: its text around the passage, and for PDFs the page itself.
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { ApiError } from '../api/errors';
import type { SourceDocument } from '../api/types';
import { save } from '../state/download';
import { complain } from '../state/notices';
import type { Place } from '../state/panel';
import { send } from '../api/client';
import { lazy } from '../views/lazy';
import { supportWords } from './HoverCard';
import { TextSource } from './TextSource';

const PdfSource = lazy(async () => (await import('./PdfSource')).PdfSource);

type View = 'text' | 'page';

export function Source({ place }: { place: Place }): VNode {
  const [document, setDocument] = useState<SourceDocument | null | undefined>(undefined);
  const [view, setView] = useState<View | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    setDocument(undefined);
    setView(null);
    api.document(place.document_id, leaving.signal).then(setDocument, (error: unknown) => {
      if (leaving.signal.aborted) return;
      if (!(error instanceof ApiError && error.status === 404)) complain(error);
      setDocument(null);
    });
    return () => leaving.abort();
  }, [place.document_id]);
  if (document === undefined) return <p class="waiting" role="status">Loading…</p>;
  if (document === null) return <p class="waiting">This document is not there any more.</p>;
  // A page of the file shows a passage only if the file is still the one that was read.
  const isCurrent = document.revision_id === place.revision_id;
  const hasPages = isCurrent && isPdf(document) && (place.page ?? null) !== null;
  const shown: View = hasPages ? (view ?? 'page') : 'text';
  return (
    <div class="pane-body">
      <About place={place} document={document} isCurrent={isCurrent} />
      {hasPages && (
        <div class="tabs" role="group" aria-label="How to show it">
          <button type="button" aria-pressed={shown === 'page'} onClick={() => setView('page')}>Page</button>
          <button type="button" aria-pressed={shown === 'text'} onClick={() => setView('text')}>Text</button>
        </div>
      )}
      {shown === 'page'
        ? <PdfSource document={document.id} page={place.page ?? 1} quote={place.quote ?? ''} onText={() => setView('text')} />
        : <TextSource revision={place.revision_id} start={place.start} end={place.end} />}
    </div>
  );
}

function About({ place, document, isCurrent }: { place: Place; document: SourceDocument; isCurrent: boolean }): VNode {
  const download = (): void => {
    const name = document.key.split('/').at(-1) ?? 'document';
    send(`/api/v1/documents/${document.id}/original`).then((response) => save(response, name)).catch((error: unknown) => complain(error));
  };
  return (
    <div class="about">
      <p class="quiet">
        {document.key}{place.page ? ` · page ${place.page}` : ''}
        {' · '}<button type="button" class="link-button" onClick={download}>Download</button>
      </p>
      {place.support && place.score !== undefined && (
        <p class={`support ${place.support}`}>{supportWords({ support: place.support, score: place.score })}</p>
      )}
      {!isCurrent && <p class="callout">The document has changed since. This is the version that was cited.</p>}
    </div>
  );
}

function isPdf(document: SourceDocument): boolean {
  return document.media_type === 'application/pdf' || /\.pdf$/i.test(document.key);
}
