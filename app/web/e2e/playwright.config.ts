import { defineConfig } from "@playwright/test";
import { BROWSER } from "./browser.mjs";

/** The story runs against the local network that is up (./dev localnet); the app is served as it was built. */
export default defineConfig({
  testDir: ".",
  outputDir: "../test-results",
  timeout: 300_000,
  expect: { timeout: 20_000 },
  workers: 1,
  retries: 0,
  reporter: [["list"]],
  use: {
    baseURL: "http://127.0.0.1:4173",
    viewport: { width: 1440, height: 900 },
    colorScheme: "dark",
    launchOptions: BROWSER,
    trace: "retain-on-failure",
    actionTimeout: 30_000,
  },
  webServer: {
    command: "npx vite preview --port 4173",
    cwd: "..",
    url: "http://127.0.0.1:4173",
    reuseExistingServer: true,
  },
});
