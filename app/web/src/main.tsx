import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import "./styles.css";

const client = new QueryClient({ defaultOptions: { queries: { refetchOnWindowFocus: false, retryDelay: 800 } } });

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);

// The font is no part of the first load: the system's stands in until it is there.
addEventListener("load", () => setTimeout(() => void import("./font"), 0));
