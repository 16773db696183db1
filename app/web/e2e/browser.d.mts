export declare const BROWSER: { executablePath: string; args: string[] };
