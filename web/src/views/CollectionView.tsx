import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import * as api from '../api/documents';
import type { CollectionDetail } from '../api/types';
import { DrawerButton } from '../parts/DrawerButton';
import { confirmed, Dialog } from '../parts/Dialog';
import { Documents } from '../parts/Documents';
import { Dropzone } from '../parts/Dropzone';
import { Icon } from '../parts/Icon';
import { Members } from '../parts/Members';
import { Menu } from '../parts/Menu';
import { useFocus } from '../parts/focus';
import * as chat from '../state/chat';
import { loadCollections } from '../state/library';
import { complain } from '../state/notices';
import { go, toCollection } from '../state/route';
import { useCollection } from '../state/collection';

/** One collection: its documents, how far they are, and who else has it. */
export function CollectionView({ id }: { id: string }): VNode {
  const { detail, documents, problem, more, reload } = useCollection(id);
  const mayWrite = detail?.role !== 'reader';
  return (
    <div class="view">
      <header class="bar">
        <DrawerButton />
        <a class="icon-button" href={toCollection(null)} aria-label="All collections"><Icon name="back" /></a>
        {detail ? <Title detail={detail} onChange={reload} /> : <h1>Collection</h1>}
      </header>
      <div class="view-body">
        {problem && <p class="problem" role="alert">{problem}</p>}
        {detail && <Summary detail={detail} />}
        {detail && mayWrite && <Dropzone collection={id} onChange={reload} />}
        {documents === null && !problem && <p class="waiting" role="status">Loading…</p>}
        {documents && <Documents documents={documents} mayWrite={mayWrite} onChange={reload} />}
        {more && <button type="button" class="link-button" onClick={more}>Show more</button>}
      </div>
    </div>
  );
}

function Summary({ detail }: { detail: CollectionDetail }): VNode {
  const { queued, words, done, failed } = detail.progress;
  const said = [
    `${detail.documents} ${detail.documents === 1 ? 'document' : 'documents'}`,
    queued > 0 && `${queued} waiting`,
    words > 0 && `${words} searchable by words`,
    done > 0 && `${done} ready`,
    failed > 0 && `${failed} failed`,
  ].filter(Boolean);
  return (
    <>
      <p class="quiet" role="status">
        {said.join(' · ')}{' '}
        {detail.documents > 0 && <button type="button" class="link-button" onClick={() => askHere(detail.id)}>Ask about these</button>}
      </p>
      {detail.stalled && <p class="callout" role="alert">Documents are not being read at the moment: {detail.stalled}</p>}
    </>
  );
}

function askHere(id: string): void {
  chat.close();
  chat.chosen.value = { ...chat.chosen.value, collections: [id] };
  go('#/');
}

function Title({ detail, onChange }: { detail: CollectionDetail; onChange: () => void }): VNode {
  const [dialog, setDialog] = useState<'rename' | 'share' | null>(null);
  const remove = async (): Promise<void> => {
    const text = `“${detail.name}” and its ${detail.documents} documents cannot be brought back. Answers that cite them keep their quotes.`;
    if (!(await confirmed('Delete this collection?', text, 'Delete'))) return;
    try {
      await api.deleteCollection(detail.id);
      void loadCollections();
      go(toCollection(null));
    } catch (error) {
      complain(error);
    }
  };
  const isOwn = detail.role === undefined || detail.role === 'owner';
  return (
    <>
      <h1>{detail.name}</h1>
      {isOwn && (
        <Menu
          label="More for this collection"
          icon="more"
          choices={[
            { label: 'Rename', icon: 'edit', act: () => setDialog('rename') },
            { label: 'Share', icon: 'share', act: () => setDialog('share') },
            { label: 'Delete', icon: 'trash', danger: true, act: () => void remove() },
          ]}
        />
      )}
      {dialog === 'rename' && (
        <Dialog title="Rename the collection" onClose={() => setDialog(null)}>
          <Rename detail={detail} onEnd={() => { setDialog(null); onChange(); }} />
        </Dialog>
      )}
      {dialog === 'share' && (
        <Dialog title={`Share “${detail.name}”`} onClose={() => setDialog(null)}><Members collection={detail.id} /></Dialog>
      )}
    </>
  );
}

function Rename({ detail, onEnd }: { detail: CollectionDetail; onEnd: () => void }): VNode {
  const field = useFocus<HTMLInputElement>(true);
  const rename = async (name: string): Promise<void> => {
    try {
      await api.renameCollection(detail.id, name);
      onEnd();
    } catch (error) {
      complain(error);
    }
  };
  return (
    <form
      class="form"
      onSubmit={(event) => {
        event.preventDefault();
        void rename(String(new FormData(event.currentTarget).get('name')).trim());
      }}
    >
      <label>Name <input name="name" ref={field} defaultValue={detail.name} maxLength={200} required /></label>
      <div class="actions"><button type="submit" class="button primary">Rename</button></div>
    </form>
  );
}
