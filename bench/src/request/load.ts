/** Connections that are open and wait to send requests. */
export interface Load {
  /** Sends as many requests, shared among the connections, each of which waits for one answer before the next request. */
  send(requests: number): Promise<void>
  close(): void
}

/** An answer that is not what is measured. */
export class LoadError extends Error {}

/** A whole number of requests for each connection, as equal as can be. */
export function shareOut(requests: number, connections: number): readonly number[] {
  const least = Math.floor(requests / connections)
  return Array.from({ length: connections }, (_, index) => least + (index < requests % connections ? 1 : 0))
}
