// One collection as it is now: looked at again as long as work is under way.
import { useEffect, useRef, useState } from 'preact/hooks';
import * as api from '../api/documents';
import { describe } from '../api/errors';
import type { CollectionDetail, SourceDocument } from '../api/types';
import { collections } from './library';
import { arrived, uploads } from './uploads';

/** Documents of a page. */
const PAGE = 100;
/** Documents that are shown, at most. */
const MOST = 1000;
const SOON = 1000;
const LATER = 20_000;

export interface Shown {
  detail: CollectionDetail | null;
  documents: SourceDocument[] | null;
  problem: string | null;
  /** Shows more of them, if there are more. */
  more: (() => void) | null;
  reload: () => void;
}

export function useCollection(id: string): Shown {
  const [detail, setDetail] = useState<CollectionDetail | null>(null);
  const [documents, setDocuments] = useState<SourceDocument[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [hasMore, setHasMore] = useState(false);
  const [wanted, setWanted] = useState(PAGE);
  const [turn, setTurn] = useState(0);
  const isSending = useRef(false);
  isSending.current = uploads.value.some((one) => one.collection === id && one.state !== 'failed');
  const seen = arrived.value;
  useEffect(() => {
    const leaving = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        const [now, list] = await Promise.all([api.collection(id, leaving.signal), load(id, wanted, leaving.signal)]);
        setDetail({ ...roleOf(id), ...now });
        setDocuments(list.items);
        setHasMore(list.hasMore);
        setProblem(null);
        const isBusy = isSending.current || now.progress.queued + now.progress.words > 0;
        timer = setTimeout(() => void look(), isBusy ? SOON : LATER);
      } catch (error) {
        if (leaving.signal.aborted) return;
        setProblem(describe(error));
        timer = setTimeout(() => void look(), LATER);
      }
    };
    void look();
    return () => {
      leaving.abort();
      clearTimeout(timer);
    };
  }, [id, wanted, turn, seen]);
  return {
    detail,
    documents,
    problem,
    more: hasMore && wanted < MOST ? () => setWanted(wanted + PAGE) : null,
    reload: () => setTurn(turn + 1),
  };
}

/** The list tells as what one has a collection; its own page need not. */
function roleOf(id: string): Pick<CollectionDetail, 'role'> {
  const role = collections.value?.find((one) => one.id === id)?.role;
  return role ? { role } : {};
}

async function load(id: string, wanted: number, signal: AbortSignal): Promise<{ items: SourceDocument[]; hasMore: boolean }> {
  const items: SourceDocument[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof api.documents>> = await api.documents(id, null, cursor, PAGE, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < wanted);
  return { items, hasMore: cursor !== null };
}
