import type { CallerName } from './callers.ts';
/** One call of the demo and its expected result. */
export interface Call {
    readonly caller: CallerName;
    readonly request: Request;
    readonly expected: Answer;
}
/** A path to GET, or the expiry of the certificate of an open, idle connection. */
type Request = `/${string}` | 'connection at expiry';
/** The response to the caller, and the reason that is logged for the operator. */
export interface Answer {
    /** A status, or that the connection closed. */
    readonly seen: string;
    /** The reason that the guard reports; absent if nothing was denied. */
    readonly reason?: string;
}
/** The result for a caller whose connection closes without a response. */
export declare const ended = "connection closed";
/** All calls in execution order. The calls of one caller share a connection while it is open. */
export declare const calls: readonly Call[];
export {};
