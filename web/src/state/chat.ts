// The conversation that is open: its messages, its branches, and answers that
// are being made.
import { batch, computed, signal } from '@preact/signals';
import * as api from '../api/conversations';
import { ApiError, describe, isAbort } from '../api/errors';
import type { Conversation, Message } from '../api/types';
import { type Along, asSent, explained, withBytes } from './along';
import { type Answer, blank } from './answer';
import { follow } from './follow';
import * as history from './history';
import { newKey } from './key';
import { complain } from './notices';
import { go, toConversation } from './route';
import { onSignOut } from './session';
import { latestLeaf, pathTo } from './tree';

/** A question on its way. */
export interface Sending {
  content: string;
  along: readonly Along[];
  /** The question that it replaces, if it is an edit. */
  edits: Message | null;
  parent: string | null;
  problem: string | null;
  key: string;
}

export const conversation = signal<Conversation | null>(null);
export const loading = signal(false);
export const problem = signal<string | null>(null);
export const messages = signal<Message[]>([]);
export const leaf = signal<string | null>(null);
/** Answers whose events were read here, by their ids. */
export const answers = signal<ReadonlyMap<string, Answer>>(new Map());
export const sending = signal<Sending | null>(null);
/** What a conversation that is yet to begin will have. */
const USUAL: api.SetUp = { collections: [], model: null, system_prompt: null, tools: null };
export const chosen = signal(USUAL);

export const path = computed(() => pathTo(messages.value, leaf.value));
export const running = computed(() => path.value.find((message) => message.status === 'running') ?? null);

let leaving = new AbortController();

onSignOut(() => {
  close();
  chosen.value = USUAL;
});

/** How the open conversation is set up, or the one that is yet to begin. */
export const setUpNow = (): api.SetUp => conversation.value ?? chosen.value;

/** Sets up the open conversation, or the one that is yet to begin. */
export async function setUp(change: Partial<api.SetUp>): Promise<void> {
  try {
    await trySetUp(change);
  } catch (error) {
    complain(error);
  }
}

/** The same, for those who tell themselves what went wrong. */
export async function trySetUp(change: Partial<api.SetUp>): Promise<void> {
  const current = conversation.value;
  if (!current) {
    chosen.value = { ...chosen.value, ...change };
    return;
  }
  conversation.value = { ...current, ...change };
  try {
    const changed = await api.change(current.id, change);
    if (conversation.value?.id === current.id) conversation.value = changed;
  } catch (error) {
    if (conversation.value?.id === current.id) conversation.value = current;
    throw error;
  }
}

/** Leaves the conversation; answers under way go on without a reader here. */
export function close(): void {
  leaving.abort();
  leaving = new AbortController();
  batch(() => {
    conversation.value = null;
    loading.value = false;
    problem.value = null;
    messages.value = [];
    leaf.value = null;
    answers.value = new Map();
    sending.value = null;
  });
}

/** Opens a conversation, and reads on in what is being answered. */
export async function open(id: string): Promise<void> {
  if (conversation.value?.id === id) return;
  close();
  const { signal } = leaving;
  loading.value = true;
  try {
    const [found, all] = await Promise.all([api.find(id), api.messages(id)]);
    if (signal.aborted) return;
    batch(() => {
      conversation.value = found;
      messages.value = all;
      leaf.value = found.leaf_id;
      loading.value = false;
    });
    for (const message of all.filter((one) => one.status === 'running').slice(-4)) {
      void read(blank(message.id, id, message.parent_id), null, signal);
    }
  } catch (error) {
    if (signal.aborted) return;
    loading.value = false;
    const isGone = error instanceof ApiError && error.status === 404;
    problem.value = isGone ? 'This conversation does not exist, or it is not yours.' : describe(error);
  }
}

/** Asks after what is shown; `edits` puts a branch beside an earlier question. */
export async function ask(content: string, along: readonly Along[], edits: Message | null = null): Promise<void> {
  const parent = edits ? edits.parent_id : (path.value.at(-1)?.id ?? null);
  await send({ content, along, edits, parent, problem: null, key: newKey() });
}

/** Sends a question that did not arrive once more, under its first key. */
export async function sendAgain(): Promise<void> {
  if (sending.value) await send({ ...sending.value, problem: null });
}

/** Asks a question that was refused without the pictures: that is another request. */
export async function sendWithoutPictures(): Promise<void> {
  const question = sending.value;
  if (!question) return;
  const along = question.along.filter((part) => part.type !== 'image');
  await send({ ...question, along, problem: null, key: newKey() });
}

export function giveUpSending(): void {
  sending.value = null;
}

async function send(question: Sending): Promise<void> {
  sending.value = question;
  const { signal } = leaving;
  try {
    const current = conversation.value ?? (await begin());
    const { content, along, edits, parent, key } = question;
    const asked = asSent(content, await withBytes(along, signal));
    const response = edits
      ? await api.edit(current.id, edits.id, asked, key, signal)
      : await api.ask(current.id, { ...asked, parent_id: parent }, key, signal);
    await read(blank('', current.id, null), response, signal, question);
  } catch (error) {
    if (!signal.aborted && !isAbort(error)) sending.value = { ...question, problem: explained(describe(error)) };
  }
}

async function begin(): Promise<Conversation> {
  const made = await api.begin(chosen.value);
  conversation.value = made;
  // What one does not see beside the question is of one conversation only.
  chosen.value = { ...chosen.value, system_prompt: null, tools: null };
  history.put(made);
  go(toConversation(made.id), true);
  return made;
}

/** Answers anew, beside `answer`. */
export async function regenerate(answer: Message): Promise<void> {
  const { signal } = leaving;
  try {
    const response = await api.regenerate(answer.conversation_id, answer.id, signal);
    await read(blank('', answer.conversation_id, answer.parent_id), response, signal);
  } catch (error) {
    if (!signal.aborted) complain(error, () => void regenerate(answer));
  }
}

/** Stops the answer that is being made; what there is of it stays. */
export async function stop(): Promise<void> {
  const answer = running.value;
  if (!answer) return;
  try {
    await api.cancel(answer.conversation_id, answer.id);
  } catch (error) {
    complain(error, () => void stop());
  }
}

/** Shows the branch that `message` begins, here and wherever this is opened again. */
export function showBranch(message: Message): void {
  const next = latestLeaf(messages.value, message).id;
  leaf.value = next;
  api.change(message.conversation_id, { leaf_id: next }).catch((error: unknown) => complain(error));
}

export async function decide(answer: Message, approval: string, approve: boolean): Promise<void> {
  try {
    await api.decide(answer.conversation_id, answer.id, approval, approve);
  } catch (error) {
    const isLate = error instanceof ApiError && error.status === 404;
    complain(isLate ? new Error('It was too late to decide.') : error);
  }
}

export function replace(message: Message): void {
  messages.value = messages.value.map((one) => (one.id === message.id ? message : one));
}

/** Reads an answer to its end, and keeps what came of it. */
async function read(
  start: Answer,
  response: Response | null,
  signal: AbortSignal,
  question: Sending | null = null,
): Promise<void> {
  const show = perFrame((answer: Answer) => {
    if (!signal.aborted && answer.message.id) put(answer, question);
  });
  try {
    const last = await follow(start, response, show, signal);
    show.now();
    if (signal.aborted) return;
    if (last.message.status === 'failed') await settle(last);
    void named(last.message.conversation_id, signal);
  } catch (error) {
    show.now();
    if (signal.aborted) return;
    if (question && sending.value?.key === question.key) throw error;
    complain(error, () => void read(answers.value.get(start.message.id) ?? start, null, signal));
  }
}

/** Shows an answer as it stands, and before it the question if that is new. */
function put(answer: Answer, question: Sending | null): void {
  const { message } = answer;
  const known = messages.value;
  const isNew = !known.some((one) => one.id === message.id);
  batch(() => {
    answers.value = new Map(answers.value).set(message.id, answer);
    if (!isNew) return replace(message);
    const asked = question && message.parent_id && !known.some((one) => one.id === message.parent_id)
      ? [asQuestion(message.parent_id, message.conversation_id, question)]
      : [];
    messages.value = [...known, ...asked, message];
    leaf.value = message.id;
    if (question && sending.value?.key === question.key) sending.value = null;
  });
}

function asQuestion(id: string, conversation: string, { content, along, parent }: Sending): Message {
  const answer = blank(id, conversation, parent).message;
  return { ...answer, role: 'user', status: 'completed', parts: [...along, { type: 'text', text: content }] };
}

/** What was stored of an answer that ended without telling it. */
async function settle(answer: Answer): Promise<void> {
  const { conversation_id, id } = answer.message;
  try {
    replace(await api.one(conversation_id, id));
  } catch {
    // What was shown stays.
  }
}

/** A conversation gets its name after its first answer. */
async function named(id: string, signal: AbortSignal): Promise<void> {
  for (const wait of [300, 2500, 8000]) {
    await new Promise((done) => setTimeout(done, wait));
    if (signal.aborted) return;
    try {
      const found = await api.find(id);
      const isSame = found.title === conversation.value?.title;
      if (conversation.value?.id === id) conversation.value = found;
      history.put(found);
      if (!isSame) return;
    } catch {
      return;
    }
  }
}

/** Calls `show` once a frame at most, with the last value. */
function perFrame<T>(show: (value: T) => void): ((value: T) => void) & { now: () => void } {
  let waiting: { value: T } | null = null;
  const now = (): void => {
    const next = waiting;
    waiting = null;
    if (next) show(next.value);
  };
  const later = (value: T): void => {
    const isScheduled = waiting !== null;
    waiting = { value };
    // A page in the background gets no frames.
    if (!isScheduled) document.hidden ? setTimeout(now, 200) : requestAnimationFrame(now);
  };
  return Object.assign(later, { now });
}
