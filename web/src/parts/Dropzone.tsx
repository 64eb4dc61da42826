import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { filesOf } from '../state/dropped';
import { complain } from '../state/notices';
import { add, again, drop, uploads } from '../state/uploads';
import { Icon } from './Icon';

/** Where files are dropped, chosen or named by their address. */
export function Dropzone({ collection, onChange }: { collection: string; onChange: () => void }): VNode {
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  return (
    <section class="add" aria-label="Add documents">
      <div
        class={isOver ? 'dropzone over' : 'dropzone'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          if (event.dataTransfer) {
            filesOf(event.dataTransfer).then((files) => add(collection, files)).catch((error: unknown) => complain(error));
          }
        }}
      >
        <Icon name="upload" />
        <span>Drop files or folders here, or</span>
        <button type="button" class="button" onClick={() => input.current?.click()}>Choose files</button>
        <input
          ref={input}
          type="file"
          multiple
          class="hidden"
          tabIndex={-1}
          aria-label="Files to add"
          onChange={(event) => {
            add(collection, [...(event.currentTarget.files ?? [])].map((file) => ({ file, name: file.name })));
            event.currentTarget.value = '';
          }}
        />
      </div>
      <ByAddress collection={collection} onChange={onChange} />
      <Waiting collection={collection} />
    </section>
  );
}

function ByAddress({ collection, onChange }: { collection: string; onChange: () => void }): VNode {
  const [url, setUrl] = useState('');
  const [busy, setBusy] = useState(false);
  const read = async (): Promise<void> => {
    setBusy(true);
    try {
      await api.readPage(collection, url.trim());
      setUrl('');
      onChange();
    } catch (error) {
      complain(error);
    }
    setBusy(false);
  };
  return (
    <form
      class="inline-form"
      onSubmit={(event) => {
        event.preventDefault();
        void read();
      }}
    >
      <label class="grow">
        <span class="hidden">Address of a web page</span>
        <input type="url" placeholder="https://… of a web page" required maxLength={2000} value={url} onInput={(event) => setUrl(event.currentTarget.value)} />
      </label>
      <button type="submit" class="button" disabled={busy || url.trim() === ''}>Read</button>
    </form>
  );
}

/** Files that have not arrived yet, and those that were refused. */
function Waiting({ collection }: { collection: string }): VNode | null {
  const mine = uploads.value.filter((one) => one.collection === collection);
  if (mine.length === 0) return null;
  return (
    <ul class="rows uploads" aria-label="Files on their way">
      {mine.slice(0, 20).map((one) => (
        <li key={one.id} class="row">
          <span class="grow">{one.name}</span>
          {one.state === 'failed'
            ? (
              <>
                <span class="failure" role="alert">{one.problem}</span>
                <button type="button" class="link-button" onClick={() => again(one.id)}>Try again</button>
                <button type="button" class="icon-button" aria-label={`Forget ${one.name}`} onClick={() => drop(one.id)}><Icon name="close" /></button>
              </>
            )
            : <span class="quiet">{one.state === 'sending' ? 'Sending…' : 'Waiting'}</span>}
        </li>
      ))}
      {mine.length > 20 && <li class="quiet">and {mine.length - 20} more</li>}
    </ul>
  );
}
