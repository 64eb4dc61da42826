import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../api/conversations';
import { describe } from '../api/errors';
import type { Artifact } from '../api/types';
import { close, type Panel } from '../state/panel';
import { CopyButton } from './CopyButton';
import { Icon } from './Icon';
import { Markdown } from './Markdown';
import { Source } from './Source';

/** What lies beside the conversation: a source, or what an answer made. */
export function Pane({ shown }: { shown: Panel }): VNode {
  const heading = useRef<HTMLHeadingElement>(null);
  const title = shown.is === 'source' ? shown.place.title : shown.title;
  useEffect(() => {
    heading.current?.focus({ preventScroll: true });
  }, [shown]);
  return (
    <aside class="pane" aria-label="Source">
      <header class="bar">
        <h2 ref={heading} tabIndex={-1}>
          {shown.is === 'source' && shown.place.n !== undefined && <span class="pill quoted" aria-hidden="true">{shown.place.n}</span>}
          {title}
        </h2>
        <button type="button" class="icon-button" aria-label="Close the source" title="Close (Esc)" onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      {shown.is === 'source' ? <Source place={shown.place} /> : <ArtifactView id={shown.id} />}
    </aside>
  );
}

function ArtifactView({ id }: { id: string }): VNode {
  const [artifact, setArtifact] = useState<Artifact | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    let isWanted = true;
    setArtifact(null);
    api.artifact(id).then(
      (found) => isWanted && setArtifact(found),
      (error: unknown) => isWanted && setProblem(describe(error)),
    );
    return () => {
      isWanted = false;
    };
  }, [id]);
  if (problem) return <p class="problem" role="alert">{problem}</p>;
  if (!artifact) return <p class="waiting" role="status">Loading…</p>;
  return (
    <div class="pane-body">
      <p class="quiet">{artifact.kind}, version {artifact.version} <CopyButton text={() => artifact.content} label="Copy" /></p>
      {artifact.kind === 'text' ? <Markdown text={artifact.content} /> : <pre class="source-text" tabIndex={0}>{artifact.content}</pre>}
    </div>
  );
}
