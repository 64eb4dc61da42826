import type { VNode } from 'preact';
import { length, slice } from '../text/codepoints';
import { reveal } from '../text/hidden';

/** Words of a source, with what a model reads and a person would not see. */
export function Passage({ text, most = Number.POSITIVE_INFINITY }: { text: string; most?: number }): VNode {
  const isLong = text.length > most && length(text) > most;
  return (
    <>
      {reveal(isLong ? slice(text, 0, most) : text).map((run, at) =>
        run.hidden ? <span key={at} class="hidden-signs" title="Characters that cannot be seen">{run.text}</span> : run.text)}
      {isLong && '…'}
    </>
  );
}
