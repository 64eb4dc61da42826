import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { describe } from '../api/errors';
import { TextSource } from '../parts/TextSource';

/** A source by its address: `/s/{revision}?start=&end=`. */
export function SourcePage({ revision, start, end }: { revision: string; start: number; end: number }): VNode {
  const [title, setTitle] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    api.textOf(revision, start, Math.max(start, end) + 1).then((part) => {
      setTitle(part.title);
      document.title = `${part.title} · Footnote`;
    }, (error: unknown) => setProblem(describe(error)));
  }, [revision]);
  return (
    <main id="main" class="source-page">
      <header class="bar"><h1>{title ?? 'Source'}</h1><a href="/">Footnote</a></header>
      {problem
        ? <p class="waiting" role="alert">{problem}</p>
        : <TextSource revision={revision} start={start} end={Math.max(start, end)} />}
    </main>
  );
}
