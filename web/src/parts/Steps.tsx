import type { VNode } from 'preact';
import type { Message, Part } from '../api/types';
import type { Step } from '../state/answer';
import { open } from '../state/panel';

type Call = Extract<Part, { type: 'tool_call' }>;
type Result = Extract<Part, { type: 'tool_result' }>;

/** How an answer came about: searches, tools, reasoning. Folded, unless somebody looks. */
export function Steps({ message, steps }: { message: Message; steps: Step[] }): VNode | null {
  const calls = message.parts.filter((part): part is Call => part.type === 'tool_call');
  const results = message.parts.filter((part): part is Result => part.type === 'tool_result');
  const reasoning = message.parts.map((part) => (part.type === 'reasoning' ? part.text : '')).join('');
  const isRunning = message.status === 'running';
  const shown = steps.filter((step) => step.is !== 'approval');
  if (shown.length + calls.length === 0 && reasoning === '' && !isRunning) return null;
  return (
    <div class="steps">
      {isRunning && <p class="activity" role="status">{activity(message, steps)}</p>}
      {shown.length + calls.length > 0 && (
        <details>
          <summary>{summary(steps, calls.length)}</summary>
          <ol>
            {shown.map((step, at) => <li key={`s${at}`}><OneStep step={step} /></li>)}
            {calls.map((call) => (
              <li key={call.id}><OneCall call={call} result={results.find((result) => result.id === call.id)} /></li>
            ))}
          </ol>
        </details>
      )}
      {reasoning !== '' && (
        <details>
          <summary>Reasoning</summary>
          <div class="reasoning">{reasoning}</div>
        </details>
      )}
    </div>
  );
}

function activity(message: Message, steps: Step[]): string {
  const last = message.parts.at(-1);
  const open = message.parts.filter((part) => part.type === 'tool_call').length
    - message.parts.filter((part) => part.type === 'tool_result').length;
  if (open > 0 && last?.type === 'tool_call') return `Using ${last.name}…`;
  if (message.parts.some((part) => part.type === 'text')) return 'Writing…';
  if (message.parts.some((part) => part.type === 'reasoning')) return 'Thinking…';
  return steps.some((step) => step.is === 'found') ? 'Reading…' : 'Searching…';
}

function summary(steps: Step[], calls: number): string {
  const passages = steps.flatMap((step) => (step.is === 'found' ? step.passages : []));
  const documents = new Set(passages.map((passage) => passage.document_id)).size;
  const said = [];
  if (steps.some((step) => step.is === 'found')) {
    said.push(`Found ${count(passages.length, 'passage')} in ${count(documents, 'document')}`);
  }
  if (calls > 0) said.push(`used ${count(calls, 'tool')}`);
  const words = said.join(', ') || 'Steps';
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function OneStep({ step }: { step: Step }): VNode | null {
  switch (step.is) {
    case 'rewritten':
      return <span>Understood as {step.queries.map((query) => `“${query}”`).join(', ')}</span>;
    case 'repeated':
      return <span>Searched again for “{step.query}”</span>;
    case 'found':
      return (
        <>
          <span>{step.passages.length === 0 ? 'Found nothing' : 'Found these passages'}</span>
          <ul>
            {step.passages.map((passage) => (
              <li key={passage.n}>
                <button type="button" class="link-button" onClick={() => open({ is: 'source', place: passageAsPlace(passage) })}>
                  {passage.title}{passage.page !== null && `, page ${passage.page}`}
                </button>
              </li>
            ))}
          </ul>
        </>
      );
    default:
      return null;
  }
}

/** A passage is no citation: it has no number that an answer shows. */
function passageAsPlace({ n: _, ...passage }: Extract<Step, { is: 'found' }>['passages'][number]) {
  return passage;
}

function OneCall({ call, result }: { call: Call; result: Result | undefined }): VNode {
  return (
    <details class={result?.failed ? 'call failed' : 'call'}>
      <summary>
        <code>{call.name}</code> {result ? (result.failed ? 'failed' : 'done') : 'under way'}
      </summary>
      <pre aria-label="Arguments">{pretty(call.arguments)}</pre>
      {result && <pre aria-label="Result">{result.text}</pre>}
    </details>
  );
}

/** JSON that can be read; anything else as it is. */
export function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
