import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/admin';
import { describe } from '../api/errors';
import type { Me, Stats } from '../api/types';
import { DrawerButton } from '../parts/DrawerButton';
import { Jobs } from '../parts/Jobs';
import { UsageByUser } from '../parts/UsageByUser';
import { Users } from '../parts/Users';
import { bytes, whole } from '../text/figures';

/** The queue, the users, what they used and the state of the service. */
export function Admin({ me }: { me: Me }): VNode {
  const [view, setView] = useState<'jobs' | 'users' | 'usage'>('jobs');
  const [stats, setStats] = useState<Stats | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    document.title = 'Administration · Footnote';
    const look = (): void => {
      api.stats().then((found) => {
        setStats(found);
        setProblem(null);
      }, (error: unknown) => setProblem(describe(error)));
    };
    look();
    const timer = setInterval(look, 5000);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="view">
      <header class="bar">
        <DrawerButton />
        <h1>Administration</h1>
        <div class="tabs" role="group" aria-label="What to show">
          <button type="button" aria-pressed={view === 'jobs'} onClick={() => setView('jobs')}>Queue</button>
          <button type="button" aria-pressed={view === 'users'} onClick={() => setView('users')}>Users</button>
          <button type="button" aria-pressed={view === 'usage'} onClick={() => setView('usage')}>Usage</button>
        </div>
      </header>
      <div class="view-body">
        {problem && <p class="problem" role="alert">{problem}</p>}
        {stats && <Figures stats={stats} />}
        {view === 'jobs' && <Jobs />}
        {view === 'users' && <Users me={me} />}
        {view === 'usage' && <UsageByUser />}
      </div>
    </div>
  );
}

function Figures({ stats }: { stats: Stats }): VNode {
  const jobs = (state: string): number =>
    stats.queue.filter((queue) => queue.state === state).reduce((sum, queue) => sum + queue.jobs, 0);
  const oldest = Math.max(0, ...stats.queue.filter((queue) => queue.state === 'waiting').map((queue) => queue.oldest_seconds));
  return (
    <>
      {stats.stalled && <p class="callout" role="alert">Documents are not being read at the moment: {stats.stalled}</p>}
      <dl class="figures">
        <div><dt>Passages in the index</dt><dd>{whole(stats.points)}</dd></div>
        <div><dt>Waiting</dt><dd>{whole(jobs('waiting'))}</dd></div>
        <div><dt>Running</dt><dd>{whole(jobs('running'))}</dd></div>
        <div><dt>Given up</dt><dd>{whole(jobs('dead'))}</dd></div>
        <div><dt>Oldest waits</dt><dd>{oldest < 1 ? '–' : `${Math.round(oldest)} s`}</dd></div>
        {stats.quotas.filter(({ limit }) => limit !== null).map(({ quota, used, limit }) => (
          <div key={quota}><dt>Your {quota}</dt><dd>{quota === 'bytes' ? `${bytes(used)} of ${bytes(limit ?? 0)}` : `${whole(used)} of ${whole(limit ?? 0)}`}</dd></div>
        ))}
      </dl>
    </>
  );
}
