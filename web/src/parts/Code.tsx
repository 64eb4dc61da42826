import type { VNode } from 'preact';
import { unmark } from '../text/marks';
import { CopyButton } from './CopyButton';

/** A block of code with its language and a button to copy it. */
export function Code({ text, language }: { text: string; language: string }): VNode {
  const code = unmark(text);
  const name = unmark(language).split(/\s/, 1)[0] ?? '';
  return (
    <figure class="code">
      <figcaption>
        <span>{name || 'text'}</span>
        <CopyButton text={() => code} label="Copy code" />
      </figcaption>
      <pre tabIndex={0} aria-label={name ? `Code, ${name}` : 'Code'}><code>{code}</code></pre>
    </figure>
  );
}
