/**
 * The values that policies read from a request besides its caller, method and path. If a value is undefined, it is not
 * known: a DENY policy then matches, and an ALLOW policy does not.
 */
export interface PolicyFacts {
  /** The lines of a header, in the order received. Empty if it is absent; undefined if headers are not known. */
  headerLines(name: string): readonly string[] | undefined
  /** `:authority` or `Host` as received. Compared without its port, ignoring case. */
  readonly host: string | undefined
  /** The local port of the connection. */
  readonly port: number | undefined
  /** The address of the connection's peer. */
  readonly socketAddress: string | undefined
  /** The address that a listed proxy appended. Without a proxy, the address of the connection's peer. */
  readonly remoteAddress: string | undefined
}
