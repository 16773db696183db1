/** The page's few building blocks. */
import { Component, useEffect, useId, useRef, useState, type ReactNode } from "react";
import { toCsv, toJson, download, type Row } from "../lib/exports";
import { failureOf, type Failure } from "../lib/failures";
import { short } from "../lib/format";
import { explorerLink } from "../lib/settings";
import { useActivities, useSettings, useWorldState } from "../lib/state";
import { askFaucet } from "../lib/market";
import { useWallet } from "../lib/wallet";

export type Tone = "good" | "bad" | "warn" | undefined;

export function Panel(props: {
  title: string;
  note?: ReactNode;
  end?: ReactNode;
  foot?: ReactNode;
  bare?: boolean;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section className="panel" aria-labelledby={id}>
      <header>
        <h2 id={id}>{props.title}</h2>
        {props.note && <span className="note">{props.note}</span>}
        {props.end && <div className="end">{props.end}</div>}
      </header>
      {props.bare ? props.children : <div className="body">{props.children}</div>}
      {props.foot && <div className="foot">{props.foot}</div>}
    </section>
  );
}

export function Stats({ label, children }: { label: string; children: ReactNode }) {
  return (
    <dl className="stats" aria-label={label}>
      {children}
    </dl>
  );
}

export function Stat(props: { label: string; value: ReactNode; note?: ReactNode; tone?: Tone; id?: string }) {
  return (
    <div className="stat">
      <dt>{props.label}</dt>
      <dd className={props.tone} data-testid={props.id}>
        {props.value}
      </dd>
      {props.note !== undefined && <dd className="note">{props.note}</dd>}
    </div>
  );
}

/** A table that scrolls by itself, reachable by keyboard when it does. */
export function Scroll({ label, isLong = false, children }: { label: string; isLong?: boolean; children: ReactNode }) {
  return (
    <div className={`scroll ${isLong ? "long" : ""}`} role="region" aria-label={`${label}, table`} tabIndex={0}>
      {children}
    </div>
  );
}

export function Skeleton({ height = 14, width = "100%" }: { height?: number; width?: string }) {
  return <div className="skeleton" style={{ height, width }} aria-hidden="true" />;
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="panel" role="status" aria-label={`Loading ${what}`}>
      <div className="body stack">
        <Skeleton height={18} width="30%" />
        <Skeleton height={64} />
        <Skeleton height={14} width="70%" />
        <Skeleton height={14} width="55%" />
      </div>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

export function Chip({ tone, children }: { tone?: Tone; children: ReactNode }) {
  return <span className={`chip ${tone ?? ""}`}>{children}</span>;
}

/** What went wrong, and the way on. */
export function Notice({ failure, onRetry, tone = "bad" }: { failure: Failure; onRetry?: () => void; tone?: "bad" | "warn" }) {
  return (
    <div className={`notice ${tone}`} role="alert" data-failure={failure.kind}>
      <div>
        <strong>{failure.title}</strong>
        <p>{failure.text}</p>
        {failure.detail && (
          <details>
            <summary>Details</summary>
            <pre>{failure.detail}</pre>
          </details>
        )}
      </div>
      <WayOn failure={failure} onRetry={onRetry} />
    </div>
  );
}

export function WayOn({ failure, onRetry }: { failure: Failure; onRetry?: () => void }) {
  if (failure.way === "settings") {
    return (
      <div className="row">
        {onRetry && <button onClick={onRetry}>Try again</button>}
        <button className="primary" onClick={openSettings}>
          Choose a node
        </button>
      </div>
    );
  }
  if (failure.way === "faucet") return <FaucetButton />;
  if (failure.way === "none" || !onRetry) return null;
  return <button onClick={onRetry}>{failure.way === "quote" ? "Ask again" : "Try again"}</button>;
}

export function openSettings(): void {
  document.querySelector<HTMLDialogElement>("#settings")?.showModal();
}

/** Test SOL and tokens, where the local services give them. */
export function FaucetButton({ onDone, className }: { onDone?: () => void; className?: string }) {
  const { endpoint } = useSettings();
  const { refresh } = useWorldState();
  const { tell, isBusy } = useActivities();
  const { wallet } = useWallet();
  if (endpoint.services === "" || !wallet) return null;
  const ask = async () => {
    try {
      await askFaucet(endpoint.services, wallet.address);
      refresh();
      onDone?.();
    } catch (error) {
      tell("Get test tokens", error);
    }
  };
  return (
    <button className={className} disabled={isBusy} onClick={() => void ask()}>
      Get test tokens
    </button>
  );
}

/** Keeps what breaks in a page from taking the rest with it. Another `key` begins anew. */
export class Boundary extends Component<{ children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {};
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override render() {
    const { error } = this.state;
    return error === undefined ? (
      this.props.children
    ) : (
      <ErrorNotice error={error} onRetry={() => this.setState({ error: undefined })} />
    );
  }
}

export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return <Notice failure={failureOf(error)} onRetry={onRetry} />;
}

export function AddressLink({
  address,
  what = "address",
  full = false,
}: {
  address: string;
  what?: "address" | "tx";
  full?: boolean;
}) {
  const { endpoint } = useSettings();
  return (
    <a className="mono" href={explorerLink(endpoint, what, address)} target="_blank" rel="noreferrer" title={address}>
      {full ? address : short(address)}
      <span className="visually-hidden"> in the explorer, opens a new tab</span>
    </a>
  );
}

export function ExportButtons({ name, rows, json }: { name: string; rows: () => Row[]; json: () => unknown }) {
  return (
    <>
      <button
        className="quiet small"
        onClick={() => download(`${name}.csv`, "text/csv", toCsv(rows()))}
        aria-label={`Export ${name} as CSV`}
      >
        CSV
      </button>
      <button
        className="quiet small"
        onClick={() => download(`${name}.json`, "application/json", toJson(json()))}
        aria-label={`Export ${name} as JSON`}
      >
        JSON
      </button>
    </>
  );
}

/** A choice among few, as buttons. */
export function Segments<T extends string>(props: {
  label: string;
  options: readonly { value: T; label: string; className?: string }[];
  value: T;
  onChange: (value: T) => void;
}) {
  return (
    <div className="segments" role="group" aria-label={props.label}>
      {props.options.map(option => (
        <button
          key={option.value}
          type="button"
          className={option.className}
          aria-pressed={option.value === props.value}
          onClick={() => props.onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}

export function Field(props: {
  label: string;
  end?: ReactNode;
  hint?: ReactNode;
  bad?: boolean;
  children: (id: string, described: string) => ReactNode;
}) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>
        <span>{props.label}</span>
        {props.end && <span>{props.end}</span>}
      </label>
      {props.children(id, `${id}-hint`)}
      {props.hint !== undefined && (
        <span id={`${id}-hint`} className={`hint ${props.bad ? "bad" : ""}`}>
          {props.hint}
        </span>
      )}
    </div>
  );
}

/** A modal dialog that is open as long as it is rendered. */
export function Dialog({
  title,
  id,
  open,
  onClose,
  children,
}: {
  title: string;
  id?: string;
  open?: boolean;
  onClose?: () => void;
  children: ReactNode;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (open === false) dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} id={id} aria-labelledby={heading} onClose={onClose}>
      <header>
        <h2 id={heading}>{title}</h2>
        <button className="quiet" aria-label="Close" onClick={() => dialog.current?.close()}>
          ✕
        </button>
      </header>
      <div className="body">{children}</div>
    </dialog>
  );
}

/** Before and after a change. */
export function Change({ before, after }: { before: ReactNode; after: ReactNode }) {
  return (
    <span className="nowrap">
      <span className="muted">{before}</span>
      <span className="arrow" aria-label="becomes">
        →
      </span>
      {after}
    </span>
  );
}

/** The width of what a chart is drawn in. */
export function useWidth(): [React.RefObject<HTMLDivElement | null>, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(560);
  useEffect(() => {
    const element = box.current;
    if (!element || typeof ResizeObserver === "undefined") return;
    const observer = new ResizeObserver(([entry]) => entry && setWidth(Math.max(300, Math.round(entry.contentRect.width))));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [box, width];
}
