import { lazy, Suspense, useEffect, useState, useSyncExternalStore, type ReactNode } from "react";
import { ActivityList } from "./components/activity";
import { SettingsDialog } from "./components/settings-dialog";
import { Status, WalletButton } from "./components/top";
import { Boundary, Loading, Notice } from "./components/ui";
import { ActivityProvider, SettingsProvider, useSettings, useWorldState, ViewProvider, WorldProvider } from "./lib/state";
import { WalletProvider } from "./lib/wallet";

const PAGES = [
  { path: "portfolio", label: "Portfolio", icon: "M4 19V9m5 10V5m5 14v-7m5 7V8", page: lazy(() => import("./pages/portfolio")) },
  {
    path: "risk",
    label: "Risk",
    icon: "M4 4h5v5H4zm7 0h5v5h-5zM4 11h5v5H4zm7 0h9v9h-9z",
    page: lazy(() => import("./pages/risk")),
  },
  {
    path: "trade",
    label: "Trade",
    icon: "M7 20V5m0 0L3 9m4-4 4 4m6-5v15m0 0 4-4m-4 4-4-4",
    page: lazy(() => import("./pages/trade")),
  },
  {
    path: "liquidations",
    label: "Liquidations",
    icon: "M12 4 3 20h18zm0 6v5m0 2.5v.5",
    page: lazy(() => import("./pages/liquidations")),
  },
  {
    path: "markets",
    label: "Markets",
    icon: "M4 20h16M6 20V10m6 10V10m6 10V10M3 10l9-6 9 6",
    page: lazy(() => import("./pages/markets")),
  },
] as const;

const subscribe = (listener: () => void) => {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
};

function usePath(): string {
  return useSyncExternalStore(subscribe, () => location.hash.replace(/^#\/?/, "").split("?")[0] ?? "");
}

export function App() {
  return (
    <SettingsProvider>
      <WithWallet>
        <WorldProvider>
          <ViewProvider>
            <ActivityProvider>
              <Shell />
            </ActivityProvider>
          </ViewProvider>
        </WorldProvider>
      </WithWallet>
    </SettingsProvider>
  );
}

function WithWallet({ children }: { children: ReactNode }) {
  const { endpoint } = useSettings();
  return <WalletProvider endpoint={endpoint}>{children}</WalletProvider>;
}

function Shell() {
  const path = usePath();
  const current = PAGES.find(page => page.path === path) ?? PAGES[0];
  useEffect(() => {
    document.title = `${current.label} · Margrave`;
    scrollTo(0, 0);
  }, [current]);
  return (
    <>
      <a className="skip" href="#main" onClick={event => (event.preventDefault(), document.getElementById("main")?.focus())}>
        Skip to the page
      </a>
      <header className="top">
        <a className="brand" href="#/portfolio">
          <img src="/icon.svg" width="24" height="24" alt="" />
          Margrave
        </a>
        <nav className="nav" aria-label="Pages">
          {PAGES.map(({ path, label, icon }) => (
            <a key={path} href={`#/${path}`} aria-current={path === current.path ? "page" : undefined}>
              <svg
                width="20"
                height="20"
                viewBox="0 0 24 24"
                fill="none"
                stroke="currentColor"
                strokeWidth="1.8"
                aria-hidden="true"
              >
                <path d={icon} strokeLinecap="round" strokeLinejoin="round" />
              </svg>
              {label}
            </a>
          ))}
        </nav>
        <div className="top-right">
          <Status />
          <WalletButton />
        </div>
      </header>
      <main className="page" id="main" tabIndex={-1}>
        <Boundary key={current.path}>
          <WhenLoaded label={current.label}>
            <current.page />
          </WhenLoaded>
        </Boundary>
      </main>
      <ActivityList />
      <SettingsDialog />
    </>
  );
}

/** The page, when there is a group to show; otherwise what stands in the way. */
function WhenLoaded({ label, children }: { label: string; children: ReactNode }) {
  const { world, failure, refresh, updatedAt } = useWorldState();
  const head = (
    <div className="page-head">
      <h1>{label}</h1>
    </div>
  );
  if (!world && failure) {
    return (
      <>
        {head}
        <Notice failure={failure} onRetry={refresh} />
      </>
    );
  }
  if (!world) {
    return (
      <>
        {head}
        <Loading what="the group" />
      </>
    );
  }
  return (
    <>
      {failure && <Outdated failure={failure} updatedAt={updatedAt} refresh={refresh} />}
      <Suspense fallback={<Loading what={label} />}>{children}</Suspense>
    </>
  );
}

function Outdated({
  failure,
  updatedAt,
  refresh,
}: {
  failure: Parameters<typeof Notice>[0]["failure"];
  updatedAt: number;
  refresh: () => void;
}) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const age = Math.max(0, Math.round((now - updatedAt) / 1_000));
  const text = `${failure.text} What is shown is ${age} seconds old.`;
  return <Notice failure={{ ...failure, text }} onRetry={refresh} tone="warn" />;
}
