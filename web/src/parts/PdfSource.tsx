import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { describe, isAbort } from '../api/errors';
import { draw, type Drawn, open, type Pdf } from '../state/pdf';
import { Icon } from './Icon';

interface PdfSourceProps {
  document: string;
  page: number;
  quote: string;
  /** Shows the text in its place. */
  onText: () => void;
}

/** A page of a PDF, with the passage marked where its letters are found. */
export function PdfSource({ document, page, quote, onText }: PdfSourceProps): VNode {
  const [pdf, setPdf] = useState<Pdf | null>(null);
  const [at, setAt] = useState(page);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const leaving = new AbortController();
    let opened: Pdf | null = null;
    setPdf(null);
    setProblem(null);
    api.original(document, leaving.signal).then(open).then((ready) => {
      opened = ready;
      if (leaving.signal.aborted) ready.close();
      else setPdf(ready);
    }).catch((error: unknown) => {
      if (!leaving.signal.aborted && !isAbort(error)) setProblem(describe(error));
    });
    return () => {
      leaving.abort();
      opened?.close();
    };
  }, [document]);
  useEffect(() => setAt(page), [page, quote]);
  if (problem) {
    return (
      <div class="problem" role="alert">
        <p>The page cannot be drawn: {problem}</p>
        <button type="button" class="button" onClick={onText}>Show the text</button>
      </div>
    );
  }
  if (!pdf) return <p class="waiting" role="status">Loading…</p>;
  return (
    <div class="pdf">
      <div class="pages">
        <button type="button" class="icon-button" aria-label="Page before" disabled={at <= 1} onClick={() => setAt(at - 1)}><Icon name="back" /></button>
        <span aria-live="polite">Page {at} of {pdf.pages}</span>
        <button type="button" class="icon-button" aria-label="Next page" disabled={at >= pdf.pages} onClick={() => setAt(at + 1)}><Icon name="next" /></button>
      </div>
      <Page pdf={pdf} number={Math.min(at, pdf.pages)} quote={at === page || at === page + 1 ? quote : ''} isCited={at === page} onText={onText} />
    </div>
  );
}

interface PageProps {
  pdf: Pdf;
  number: number;
  quote: string;
  isCited: boolean;
  onText: () => void;
}

function Page({ pdf, number, quote, isCited, onText }: PageProps): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [drawn, setDrawn] = useState<Drawn | null>(null);
  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return;
    const watcher = new ResizeObserver(() => setWidth(Math.round(element.clientWidth)));
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  useEffect(() => {
    const element = frame.current;
    if (!element || width === 0) return;
    const leaving = new AbortController();
    setDrawn(null);
    draw(pdf, number, element, width, quote, leaving.signal).then((result) => {
      if (leaving.signal.aborted) return;
      setDrawn(result);
      element.querySelector('mark')?.scrollIntoView({ block: 'center' });
    }).catch((error: unknown) => {
      if (!leaving.signal.aborted) setDrawn({ found: false, problem: describe(error) });
    });
    return () => leaving.abort();
  }, [pdf, number, width, quote]);
  return (
    <>
      {drawn?.problem && <p class="problem" role="alert">{drawn.problem}</p>}
      {drawn && !drawn.problem && !drawn.found && isCited && quote !== '' && (
        <p class="callout">
          The passage could not be marked on this page.{' '}
          <button type="button" class="link-button" onClick={onText}>The text</button> marks it to the character.
        </p>
      )}
      <div class="page-frame" ref={frame} tabIndex={0} role="region" aria-label={`Page ${number}`} data-drawn={drawn ? 'yes' : 'no'} />
    </>
  );
}
