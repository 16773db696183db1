import type { Phase } from "../lib/transactions";
import { useActivities, type Activity } from "../lib/state";
import { AddressLink, FaucetButton, openSettings } from "./ui";

const PHASES: Record<Phase, string> = {
  simulating: "Simulating on the node",
  signing: "Waiting for the wallet's signature",
  confirming: "Sent, waiting for confirmation",
  reading: "Confirmed, reading its events",
};

/** What was sent and what became of it. Announced politely; failures at once. */
export function ActivityList() {
  const { list, dismiss } = useActivities();
  return (
    <div className="activities" role="region" aria-label="Transactions" aria-live="polite">
      {list.map(each => (
        <Entry key={each.id} entry={each} onClose={() => dismiss(each.id)} />
      ))}
    </div>
  );
}

function Entry({ entry, onClose }: { entry: Activity; onClose: () => void }) {
  const { title, phase, signature, failure } = entry;
  const isOver = phase === "done" || phase === "failed";
  return (
    <article className="activity" data-phase={phase} data-title={title} data-failure={failure?.kind}>
      <header>
        {!isOver && <span className="spinner" aria-hidden="true" />}
        {phase === "done" && <span className="good">✓</span>}
        {phase === "failed" && <span className="bad">✕</span>}
        <span>{title}</span>
        {isOver && (
          <button className="quiet small" aria-label={`Dismiss: ${title}`} onClick={onClose}>
            ✕
          </button>
        )}
      </header>
      {!isOver && <p className="muted">{PHASES[phase]}</p>}
      {failure && (
        <div role="alert">
          <strong>{failure.title}. </strong>
          {failure.text}
          {failure.detail && (
            <details className="muted">
              <summary>Details</summary>
              <pre style={{ overflow: "auto", maxHeight: 160, whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
                {failure.detail}
              </pre>
            </details>
          )}
          {failure.way === "faucet" && <FaucetButton className="small" onDone={onClose} />}
          {failure.way === "settings" && (
            <button className="small" onClick={openSettings}>
              Choose a node
            </button>
          )}
        </div>
      )}
      {signature && (
        <p>
          <AddressLink what="tx" address={signature} />
        </p>
      )}
    </article>
  );
}
