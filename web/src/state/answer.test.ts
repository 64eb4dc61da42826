import { describe, expect, test } from 'vitest';
import { after, type Answer, blank, citationsOf, textOf } from './answer';

const citation = { n: 1, document_id: 'd', revision_id: 'r', title: 'Manual', uri: null, page: 2, start: 3, end: 9, quote: 'six Nm', support: 'quoted', score: 1 };
const approval = { id: 'a', message_id: 'm', tool: 'send', arguments: '{}', state: 'waiting', expires_at: '2026-01-01T00:00:00Z' };

const EVENTS: [string, Record<string, unknown>][] = [
  ['message.started', { message_id: 'm', question_id: 'q', model: 'scripted' }],
  ['question.rewritten', { queries: ['torque'] }],
  ['retrieval.completed', { passages: [{ n: 1, title: 'Manual' }], queries: ['torque'] }],
  ['reasoning.delta', { text: 'Hm, ' }],
  ['reasoning.delta', { text: 'so.' }],
  ['tool.called', { id: 'c', name: 'send', arguments: '{}' }],
  ['approval.requested', { approval, call: 'c' }],
  ['tool.completed', { id: 'c', name: 'send', failed: false, text: 'sent', data: null }],
  ['text.delta', { text: 'It is ' }],
  ['citation', { citation }],
  ['something.new', { text: 'of a later version' }],
  ['text.delta', { text: 'six Nm. [1]' }],
  ['claim.unsupported', { start: 0, end: 5 }],
];

const read = (events: typeof EVENTS, from: Answer = blank('', 'v', null)): Answer =>
  events.reduce((answer, [name, data], at) => after(answer, String(at + 1), name, data), from);

describe('an answer in the making', () => {
  test('is what its events amount to', () => {
    const { message, steps, last } = read(EVENTS);
    expect(message).toMatchObject({ id: 'm', parent_id: 'q', model: 'scripted', status: 'running' });
    expect(textOf(message)).toBe('It is six Nm. [1]');
    expect(citationsOf(message)).toEqual([citation]);
    expect(message.parts.map((part) => part.type)).toEqual(
      ['reasoning', 'tool_call', 'tool_result', 'text', 'citation', 'unsupported'],
    );
    expect(steps.map((step) => step.is)).toEqual(['rewritten', 'found', 'approval']);
    expect(last).toBe('13');
  });

  test('ends as it was stored', () => {
    const stored = { ...read(EVENTS).message, status: 'cancelled' as const, parts: [] };
    const ended = after(read(EVENTS), '14', 'message.cancelled', { message: stored });
    expect(ended.message).toEqual(stored);
    expect(ended.steps).toHaveLength(3);
  });

  test('that fails keeps its words and says why', () => {
    const error = { code: 'upstream:refused', message: 'the provider refused' };
    const failed = after(read(EVENTS), '14', 'error', { error });
    expect(failed.message.status).toBe('failed');
    expect(failed.problem).toEqual(error);
    expect(textOf(failed.message)).toBe('It is six Nm. [1]');
  });

  test('is not changed by what comes after', () => {
    const early = read(EVENTS.slice(0, 9));
    const before = structuredClone(early);
    read(EVENTS.slice(9), early);
    expect(early).toEqual(before);
  });
});
