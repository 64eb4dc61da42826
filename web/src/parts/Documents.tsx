import type { VNode } from 'preact';
import * as api from '../api/documents';
import { sentence } from '../api/errors';
import type { SourceDocument } from '../api/types';
import { addDocument } from '../state/along';
import * as chat from '../state/chat';
import { complain } from '../state/notices';
import { go } from '../state/route';
import { bytes } from '../text/figures';
import { confirmed } from './Dialog';
import { Icon } from './Icon';

interface DocumentsProps {
  documents: SourceDocument[];
  mayWrite: boolean;
  onChange: () => void;
}

/** Documents with the stage that each has reached, the latest first. */
export function Documents({ documents, mayWrite, onChange }: DocumentsProps): VNode {
  if (documents.length === 0) return <p class="quiet">Nothing is here yet.</p>;
  const latest = documents.toSorted((one, other) => (one.created_at < other.created_at ? 1 : -1));
  const remove = async (document: SourceDocument): Promise<void> => {
    if (!(await confirmed('Delete this document?', `“${document.title}” is not found any more from then on.`, 'Delete'))) return;
    try {
      await api.deleteDocument(document.id);
      onChange();
    } catch (error) {
      complain(error);
    }
  };
  return (
    <ul class="rows documents" aria-label="Documents">
      {latest.map((document) => (
        <li key={document.id} class="row" data-stage={document.stage}>
          <div class="grow">
            <span class="title">{document.title}</span>
            <span class="quiet">{document.key === document.title ? '' : `${document.key} · `}{bytes(document.bytes)}</span>
            {document.stage === 'failed' && <span class="failure">{sentence(document.failure_message ?? 'it could not be read')}</span>}
          </div>
          <Stage document={document} />
          <div class="acts">
            {document.revision_id && (
              <button type="button" class="icon-button" aria-label={`Ask about ${document.title}`} title="Ask about this document" onClick={() => askAbout(document)}>
                <Icon name="ask" />
              </button>
            )}
            {mayWrite && (
              <button type="button" class="icon-button" aria-label={`Delete ${document.title}`} title="Delete" onClick={() => void remove(document)}>
                <Icon name="trash" />
              </button>
            )}
          </div>
        </li>
      ))}
    </ul>
  );
}

function askAbout(document: SourceDocument): void {
  chat.close();
  addDocument(document);
  go('#/');
}

function Stage({ document }: { document: SourceDocument }): VNode {
  const { stage, chunks, embedded } = document;
  switch (stage) {
    case 'queued':
      return <span class="stage">Waiting to be read</span>;
    case 'words':
      return (
        <span class="stage">
          <span>Searchable by words</span>
          <progress max={Math.max(1, chunks)} value={embedded} aria-label={`${embedded} of ${chunks} passages searchable by meaning`} />
        </span>
      );
    case 'done':
      return <span class="stage done"><Icon name="check" /> Ready</span>;
    case 'failed':
      return <span class="stage failed">Failed</span>;
  }
}
