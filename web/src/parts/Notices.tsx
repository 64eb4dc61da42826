import type { VNode } from 'preact';
import { dismiss, notices } from '../state/notices';
import { Icon } from './Icon';

export function Notices(): VNode {
  return (
    <div class="notices" aria-live="polite" role="status">
      {notices.value.map((notice) => (
        <div key={notice.id} class={`notice ${notice.kind}`}>
          <span>{notice.text}</span>
          {notice.again && (
            <button
              type="button"
              class="link-button"
              onClick={() => {
                dismiss(notice.id);
                notice.again?.();
              }}
            >
              Try again
            </button>
          )}
          <button type="button" class="icon-button" aria-label="Dismiss" onClick={() => dismiss(notice.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}
