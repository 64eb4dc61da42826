import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { describe, isAbort } from '../api/errors';
import type { TextPart } from '../api/types';
import { cut } from '../text/codepoints';
import { complain } from '../state/notices';
import { Passage } from './Passage';

/** Code points shown before and after a passage, and those that more of it brings. */
const AROUND = 3000;
/** Code points of a passage that are asked for at once. */
const LONGEST = 100_000;

interface TextSourceProps {
  revision: string;
  start: number;
  end: number;
}

/** A revision's text around a passage, which is marked to the character. */
export function TextSource({ revision, start, end }: TextSourceProps): VNode {
  const [part, setPart] = useState<TextPart | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const mark = useRef<HTMLElement>(null);
  useEffect(() => {
    const leaving = new AbortController();
    setPart(null);
    setProblem(null);
    const last = Math.min(end, start + LONGEST);
    api.textOf(revision, start - AROUND, last + AROUND, leaving.signal).then(setPart, (error: unknown) => {
      if (!isAbort(error)) setProblem(describe(error));
    });
    return () => leaving.abort();
  }, [revision, start, end]);
  const isThere = part !== null;
  useLayoutEffect(() => {
    if (isThere) mark.current?.scrollIntoView({ block: 'center' });
  }, [isThere, start, end]);
  if (problem) return <p class="problem" role="alert">{problem}</p>;
  if (!part) return <p class="waiting" role="status">Loading…</p>;
  const more = (from: number, to: number, isAbove: boolean): void => {
    api.textOf(revision, from, to).then((next) => {
      setPart((now) => now && (isAbove
        ? { ...now, start: next.start, text: next.text + now.text }
        : { ...now, end: next.end, text: now.text + next.text }));
    }).catch((error: unknown) => complain(error));
  };
  const [before, inside, after] = cut(part.text, start - part.start, end - part.start);
  return (
    <div class="source-frame">
      {part.start > 0 && (
        <button type="button" class="link-button" onClick={() => more(part.start - AROUND, part.start, true)}>
          Show what comes before
        </button>
      )}
      <div class="source-text" tabIndex={0} role="document" aria-label={`Text of ${part.title}`}>
        <Passage text={before} />
        {inside !== '' && <mark ref={mark} data-passage><Passage text={inside} /></mark>}
        <Passage text={after} />
      </div>
      {part.end < part.length && (
        <button type="button" class="link-button" onClick={() => more(part.end, part.end + AROUND, false)}>
          Show what follows
        </button>
      )}
    </div>
  );
}
