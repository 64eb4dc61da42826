import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import * as api from '../api/admin';
import { describe, sentence } from '../api/errors';
import type { Job } from '../api/types';
import { complain, say } from '../state/notices';
import { moment } from '../text/figures';

type Which = 'dead' | 'waiting' | 'running';

/** What waits, runs and was given up, and what to do about it. */
export function Jobs(): VNode {
  const [which, setWhich] = useState<Which>('dead');
  const [jobs, setJobs] = useState<Job[] | null>(null);
  const [cursor, setCursor] = useState<string | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [turn, setTurn] = useState(0);
  const load = async (after: string | null): Promise<void> => {
    try {
      const page = await api.jobs(which, after);
      setJobs((known) => (after ? [...(known ?? []), ...page.items] : page.items));
      setCursor(page.next_cursor);
      setProblem(null);
    } catch (error) {
      setProblem(describe(error));
    }
  };
  useEffect(() => {
    setJobs(null);
    void load(null);
  }, [which, turn]);
  const act = async (work: () => Promise<{ jobs: number }>, done: string): Promise<void> => {
    try {
      const { jobs } = await work();
      say(`${jobs} ${jobs === 1 ? 'job' : 'jobs'} ${done}.`);
      setTurn(turn + 1);
    } catch (error) {
      complain(error);
    }
  };
  return (
    <section>
      <div class="heading">
        <h2>Queue</h2>
        <div class="tabs" role="group" aria-label="Which jobs">
          {(['dead', 'waiting', 'running'] as Which[]).map((one) => (
            <button key={one} type="button" aria-pressed={which === one} onClick={() => setWhich(one)}>
              {one === 'dead' ? 'Given up' : one === 'waiting' ? 'Waiting' : 'Running'}
            </button>
          ))}
        </div>
        {which === 'dead' && (jobs?.length ?? 0) > 0 && (
          <button type="button" class="button" onClick={() => void act(() => api.retry(null), 'queued again')}>Try all again</button>
        )}
      </div>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {jobs?.length === 0 && <p class="quiet">{which === 'dead' ? 'Nothing was given up.' : 'Nothing.'}</p>}
      <ul class="rows">
        {jobs?.map((job) => (
          <li key={job.id} class="row">
            <div class="grow">
              <span class="title">{job.key}</span>
              <span class="quiet">{job.step} · attempt {job.attempts} · {moment(job.updated_at)}</span>
              {job.failure_message && <span class="failure">{sentence(job.failure_message)}</span>}
            </div>
            {job.state === 'dead'
              ? <button type="button" class="button" onClick={() => void act(() => api.retry([job.id]), 'queued again')}>Try again</button>
              : <button type="button" class="button" onClick={() => void act(() => api.cancel([job.id]), 'stopped')}>Stop</button>}
          </li>
        ))}
      </ul>
      {cursor && <button type="button" class="link-button" onClick={() => void load(cursor)}>Show more</button>}
    </section>
  );
}
