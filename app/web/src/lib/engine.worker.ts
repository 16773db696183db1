import { serveEngine } from "@margrave/client";

serveEngine(self as unknown as Parameters<typeof serveEngine>[0]);
