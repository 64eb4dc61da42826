import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Icon } from './Icon';

/** Puts a text on the clipboard, and says so for a while. */
export function CopyButton({ text, label }: { text: () => string; label: string }): VNode {
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), 2000);
    return () => clearTimeout(timer);
  }, [state]);
  const said = state === 'done' ? 'Copied' : state === 'failed' ? 'Could not copy' : label;
  return (
    <button type="button" class="icon-button" title={said} onClick={async () => setState(await copy(text()))}>
      <Icon name={state === 'done' ? 'check' : 'copy'} />
      <span class="hidden" aria-live="polite">{said}</span>
    </button>
  );
}

/** The clipboard, or where a page may not use it a selection that the browser copies. */
async function copy(text: string): Promise<'done' | 'failed'> {
  try {
    await navigator.clipboard.writeText(text);
    return 'done';
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.setAttribute('readonly', '');
    area.className = 'hidden';
    document.body.append(area);
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied ? 'done' : 'failed';
  }
}
