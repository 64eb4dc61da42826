import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/admin';
import { describe } from '../api/errors';
import type { SpentBy } from '../api/types';
import { dollars, whole } from '../text/figures';

/** What each user's models took in the last thirty days. */
export function UsageByUser(): VNode {
  const [users, setUsers] = useState<SpentBy[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    const from = new Date(Date.now() - 29 * 86_400_000).toISOString().slice(0, 10);
    api.usageByUser(from).then(setUsers, (error: unknown) => setProblem(describe(error)));
  }, []);
  return (
    <section>
      <div class="heading"><h2>Usage in the last 30 days</h2></div>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {users?.length === 0 && <p class="quiet">No model was called. Answers from the documents’ own sentences cost nothing.</p>}
      {users && users.length > 0 && (
        <div class="table" role="region" aria-label="By user" tabIndex={0}>
          <table>
            <thead>
              <tr><th scope="col">User</th><th scope="col" class="align-right">Calls</th>
                <th scope="col" class="align-right">Tokens read</th><th scope="col" class="align-right">Tokens written</th>
                <th scope="col" class="align-right">Cost</th></tr>
            </thead>
            <tbody>
              {users.map((user) => (
                <tr key={user.user_id}>
                  <td>{user.name}</td><td class="align-right">{whole(user.calls)}</td>
                  <td class="align-right">{whole(user.input_tokens)}</td><td class="align-right">{whole(user.output_tokens)}</td>
                  <td class="align-right">{dollars(user.cost_usd)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
