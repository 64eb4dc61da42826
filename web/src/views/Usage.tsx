import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/admin';
import { describe } from '../api/errors';
import type { Spent, Usage as Used } from '../api/types';
import { DrawerButton } from '../parts/DrawerButton';
import { dollars, whole } from '../text/figures';

/** What models took and cost, by day and model. */
export function Usage(): VNode {
  const [days, setDays] = useState(30);
  const [usage, setUsage] = useState<Used | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    document.title = 'Usage · Footnote';
    let isWanted = true;
    setProblem(null);
    const from = new Date(Date.now() - (days - 1) * 86_400_000).toISOString().slice(0, 10);
    api.usage(from).then(
      (found) => isWanted && setUsage(found),
      (error: unknown) => isWanted && setProblem(describe(error)),
    );
    return () => {
      isWanted = false;
    };
  }, [days]);
  return (
    <div class="view">
      <header class="bar">
        <DrawerButton />
        <h1>Usage</h1>
        <div class="tabs" role="group" aria-label="Days">
          {[7, 30, 90].map((count) => (
            <button key={count} type="button" aria-pressed={days === count} onClick={() => setDays(count)}>{count} days</button>
          ))}
        </div>
      </header>
      <div class="view-body">
        {problem && <p class="problem" role="alert">{problem}</p>}
        {usage && <Figures usage={usage} />}
        {usage && (usage.items.length === 0
          ? <p class="quiet">No model was called in these days. Answers from the documents’ own sentences cost nothing.</p>
          : <ByDay items={usage.items} />)}
      </div>
    </div>
  );
}

function Figures({ usage }: { usage: Used }): VNode {
  const isUnknown = usage.items.length > 0 && usage.items.every((item) => item.cost_usd === null);
  return (
    <dl class="figures">
      <div><dt>Calls</dt><dd>{whole(usage.calls)}</dd></div>
      <div><dt>Tokens read</dt><dd>{whole(usage.input_tokens)}</dd></div>
      <div><dt>Tokens written</dt><dd>{whole(usage.output_tokens)}</dd></div>
      <div><dt>Cost</dt><dd>{dollars(isUnknown ? null : usage.cost_usd)}</dd></div>
    </dl>
  );
}

function ByDay({ items }: { items: Spent[] }): VNode {
  const most = Math.max(1, ...items.map((item) => item.input_tokens + item.output_tokens));
  return (
    <div class="table" role="region" aria-label="By day and model" tabIndex={0}>
      <table>
        <thead>
          <tr><th scope="col">Day</th><th scope="col">Model</th><th scope="col">For</th><th scope="col" class="align-right">Calls</th>
            <th scope="col" class="align-right">Tokens</th><th scope="col"><span class="hidden">Share</span></th><th scope="col" class="align-right">Cost</th></tr>
        </thead>
        <tbody>
          {items.map((item) => {
            const tokens = item.input_tokens + item.output_tokens;
            return (
              <tr key={`${item.day} ${item.provider} ${item.model} ${item.purpose}`}>
                <td>{item.day}</td><td>{item.model}</td><td>{item.purpose}</td>
                <td class="align-right">{whole(item.calls)}</td><td class="align-right">{whole(tokens)}</td>
                <td><meter min={0} max={most} value={tokens} aria-hidden="true" /></td>
                <td class="align-right">{dollars(item.cost_usd)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
