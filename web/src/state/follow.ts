// Reading an answer's events to their end, over as many connections as it takes.
import * as api from '../api/conversations';
import { ApiError, isAbort } from '../api/errors';
import { eventsOf } from '../api/sse';
import { after, type Answer, LAST } from './answer';

/** Connections without one new event after which it is given up. */
const TRIES = 8;

/**
 * Follows an answer from where it is known to where it ends. `first` is a reply
 * that is being read already. A connection that ends early is taken up again
 * after the last event that came.
 */
export async function follow(
  answer: Answer,
  first: Response | null,
  show: (answer: Answer) => void,
  signal: AbortSignal,
): Promise<Answer> {
  let current = answer;
  let tries = 0;
  let response = first;
  for (;;) {
    try {
      response ??= await again(current, signal);
      for await (const event of eventsOf(response)) {
        if (signal.aborted) return current;
        current = after(current, event.id, event.name, parsed(event.data));
        tries = 0;
        show(current);
        if (LAST.has(event.name)) return current;
      }
    } catch (error) {
      if (signal.aborted || isAbort(error)) return current;
      if (error instanceof ApiError && (!error.passes || error.code === 'network:begin')) throw error;
      if (tries >= TRIES) throw error;
    }
    response = null;
    tries += 1;
    if (tries > TRIES) throw new ApiError(0, 'network', 'The connection to the answer was lost.');
    await pause(Math.min(250 * 2 ** (tries - 1), 8000), signal);
  }
}

function again(answer: Answer, signal: AbortSignal): Promise<Response> {
  const { conversation_id, id } = answer.message;
  if (!id) throw new ApiError(0, 'network:begin', 'The connection was lost before the answer began.');
  return api.follow(conversation_id, id, answer.last, signal);
}

function parsed(data: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Waits, but not for a connection that is wanted no more. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      done();
    }, { once: true });
  });
}
