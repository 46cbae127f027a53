/** Open connections that are ready to send requests. */
export interface Load {
  /**
   * Sends the given number of requests, distributed over the connections. Each waits for a response before its next
   * request.
   */
  send(requests: number): Promise<void>
  close(): void
}

/** An unexpected response. */
export class LoadError extends Error {}

/** A whole number of requests per connection, as equal as possible. */
export function shareOut(requests: number, connections: number): readonly number[] {
  const least = Math.floor(requests / connections)
  return Array.from({ length: connections }, (_, index) => least + (index < requests % connections ? 1 : 0))
}
