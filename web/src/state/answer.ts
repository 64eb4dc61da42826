// An answer in the making: what its events amount to. Pure, so that reading the
// same events again, after a reload or from another place, gives the same.
import type { Approval, Brief, Citation, Message, Part } from '../api/types';

/** What an answer did before and between its words. */
export type Step =
  | { is: 'rewritten'; queries: string[] }
  | { is: 'repeated'; query: string }
  | { is: 'found'; passages: Brief[]; queries: string[] }
  | { is: 'approval'; approval: Approval; call: string };

export interface Answer {
  message: Message;
  steps: Step[];
  /** Number of the last event. */
  last: string | null;
  /** Set when it ended with an error. */
  problem: { code: string; message: string } | null;
}

/** Events after which nothing comes. */
export const LAST = new Set(['message.completed', 'message.cancelled', 'message.interrupted', 'error']);

/** An answer of which nothing is known yet, perhaps not even its id, which is empty then. */
export function blank(id: string, conversation: string, question: string | null): Answer {
  const now = new Date().toISOString();
  return {
    message: {
      id, conversation_id: conversation, parent_id: question, role: 'assistant', status: 'running', parts: [],
      model: null, grounded: null, feedback: null, created_at: now, updated_at: now,
    },
    steps: [],
    last: null,
    problem: null,
  };
}

/** The answer after one more event. An unknown event changes nothing. */
export function after(answer: Answer, id: string | null, name: string, data: Record<string, unknown>): Answer {
  const next = { ...answer, last: id ?? answer.last };
  const part = (part: Part): Answer => ({ ...next, message: { ...next.message, parts: [...next.message.parts, part] } });
  const step = (step: Step): Answer => ({ ...next, steps: [...next.steps, step] });
  switch (name) {
    case 'message.started':
      return { ...next, message: { ...next.message, ...started(data) } };
    case 'question.rewritten':
      return step({ is: 'rewritten', queries: data.queries as string[] });
    case 'search.repeated':
      return step({ is: 'repeated', query: data.query as string });
    case 'retrieval.completed':
      return step({ is: 'found', passages: data.passages as Brief[], queries: (data.queries as string[]) ?? [] });
    case 'approval.requested':
      return step({ is: 'approval', approval: data.approval as Approval, call: data.call as string });
    case 'text.delta':
      return grow(next, 'text', data.text as string);
    case 'reasoning.delta':
      return grow(next, 'reasoning', data.text as string);
    case 'citation':
      return part({ type: 'citation', citation: data.citation as Citation });
    case 'claim.unsupported':
      return part({ type: 'unsupported', start: data.start as number, end: data.end as number });
    case 'tool.called':
      return part({
        type: 'tool_call', id: data.id as string, name: data.name as string, arguments: data.arguments as string,
      });
    case 'tool.completed':
      return part({
        type: 'tool_result', id: data.id as string, name: data.name as string, text: (data.text as string) ?? '',
        failed: data.failed === true,
      });
    case 'artifact.updated':
      return part(data.artifact as Part);
    case 'notice':
      return typeof data.text === 'string'
        ? part({ type: 'notice', code: data.code as string, text: data.text })
        : next;
    default:
      return LAST.has(name) ? ended(next, name, data) : next;
  }
}

/** Which answer it is, to which question, of which model. */
function started(data: Record<string, unknown>): Partial<Message> {
  const { message_id: id, question_id: parent_id, model } = data as Record<string, string | undefined>;
  return { ...(id ? { id } : {}), ...(parent_id ? { parent_id } : {}), model: model ?? null };
}

function ended(answer: Answer, name: string, data: Record<string, unknown>): Answer {
  const problem = (data.error as Answer['problem'] | undefined) ?? null;
  const message = data.message as Message | undefined;
  if (message) return { ...answer, message, problem };
  const status = name === 'error' ? 'failed' : 'interrupted';
  return { ...answer, message: { ...answer.message, status }, problem };
}

/** Words are one part, however they came. */
function grow(answer: Answer, type: 'text' | 'reasoning', text: string): Answer {
  const { parts } = answer.message;
  const at = parts.findIndex((part) => part.type === type);
  const known = parts[at];
  const grown: Part[] = known?.type === type
    ? parts.with(at, { type, text: known.text + text })
    : [...parts, { type, text }];
  return { ...answer, message: { ...answer.message, parts: grown } };
}

/** All words of a message. */
export function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

/** The citations of a message, each number once. */
export function citationsOf(message: Message): Citation[] {
  const byNumber = new Map<number, Citation>();
  for (const part of message.parts) if (part.type === 'citation') byNumber.set(part.citation.n, part.citation);
  return [...byNumber.values()].toSorted((one, other) => one.n - other.n);
}
